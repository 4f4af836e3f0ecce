//! What tests of a real cluster share: the program as it follows, and its log.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is waited for comes in seconds; a busy machine has this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, of which nothing outside of the arguments matters.
pub(crate) fn plumb(kubeconfig: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG").stdin(Stdio::null());
    for name in [
        "PLUMB_WEBHOOK_SECRET",
        "PLUMB_GIT_TOKEN",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

/// `plumb apply` of a directory, with more arguments.
pub(crate) fn apply(kubeconfig: &Path, directory: &Path, arguments: &[&str]) -> Output {
    let mut command = plumb(kubeconfig);
    command.arg("apply").arg(directory).args(arguments);
    command.output().expect("the program is there")
}

/// The exit code and what was written, for messages of tests.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "{:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `plumb apply --watch` as it runs; it is killed when this is dropped.
pub(crate) struct Follower {
    process: Child,
    log: Arc<Mutex<Vec<Value>>>,
    /// Where it keeps what it fetched.
    _state: Option<TempDir>,
}

impl Follower {
    /// Follows a repository, with more arguments; an interval of a second where none is among them.
    pub(crate) fn start(
        kubeconfig: &Path,
        url: &str,
        environment: &str,
        arguments: &[&str],
    ) -> Follower {
        let state = tempfile::tempdir().unwrap();
        let mut command = plumb(kubeconfig);
        command.args(["apply", "--watch", "--env", environment, "--git", url]);
        command.arg("--state").arg(state.path());
        if !arguments.contains(&"--interval") {
            command.args(["--interval", "1s"]);
        }
        let mut process =
            command.args(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, heard) = (BufReader::new(process.stderr.take().unwrap()), Arc::clone(&log));
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Follower { process, log, _state: Some(state) }
    }

    /// The lines of the log from one on that say this.
    pub(crate) fn said(&self, from: usize, message: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().skip(from).filter(|it| it["message"] == message).cloned().collect()
    }

    /// Waits for a line from one on that says this, and is as wanted.
    pub(crate) fn until(
        &self,
        from: usize,
        message: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.said(from, message).into_iter().find(|it| wanted(it)) {
                return found;
            }
            if Instant::now() > deadline {
                let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
                let tail: Vec<String> = log.iter().skip(from).map(Value::to_string).collect();
                panic!("nobody said `{message}` as it is waited for:\n{}", tail.join("\n"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a commit was applied.
    pub(crate) fn applied(&self, commit: &str) -> Value {
        self.until(0, "commit applied", |it| it["commit"] == commit)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "{what}: not so after {} s", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
}
