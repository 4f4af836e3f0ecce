//! `plumb apply --watch` as it runs, and its log as it comes.

use hmac::{Hmac, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What comes in seconds may take so long where much else runs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the forge and Plumb know.
const SECRET: &str = "a secret that only the forge has, and Plumb";

/// A process that follows a repository; it is killed when this is dropped.
pub struct Follower {
    process: Child,
    log: mpsc::Receiver<(Instant, Json)>,
    /// Where it hears of pushes.
    address: String,
    /// Where it keeps what it fetched.
    _state: TempDir,
}

impl Follower {
    /// Follows prod of a repository, and looks there by itself once an hour.
    ///
    /// # Errors
    ///
    /// Where the program cannot be started, or does not listen.
    pub fn start(plumb: &Path, kubeconfig: &Path, url: &str) -> Result<Self, String> {
        let state = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut process = Command::new(plumb)
            .args(["apply", "--watch", "--env", "prod", "--git", url, "--interval", "1h"])
            .args(["--listen", "127.0.0.1:0", "--state"])
            .arg(state.path())
            .env("KUBECONFIG", kubeconfig)
            .env("PLUMB_WEBHOOK_SECRET", SECRET)
            .env("no_proxy", "*")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", plumb.display()))?;
        let lines = BufReader::new(process.stderr.take().expect("it is piped"));
        let (send, log) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let now = Instant::now();
                let line = serde_json::from_str(&line).unwrap_or(Json::String(line));
                if send.send((now, line)).is_err() {
                    return;
                }
            }
        });
        let mut follower = Follower { process, log, address: String::new(), _state: state };
        let (_, listening) = follower.until("listening", |_| true)?;
        follower.address = listening["address"].as_str().unwrap_or_default().to_owned();
        Ok(follower)
    }

    /// The id of the process.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line that says this and is as wanted; gives when it came. Lines before it are passed over.
    ///
    /// # Errors
    ///
    /// When it does not come: what came instead.
    pub fn until(
        &self,
        message: &str,
        wanted: impl Fn(&Json) -> bool,
    ) -> Result<(Instant, Json), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((at, line)) = self.log.recv_timeout(left) else {
                let tail = passed.split_off(passed.len().saturating_sub(20));
                return Err(format!(
                    "nobody said `{message}` as it is waited for:\n{}",
                    tail.join("\n")
                ));
            };
            if line["message"] == message && wanted(&line) {
                return Ok((at, line));
            }
            passed.push(line.to_string());
        }
    }

    /// The lines that came since.
    pub fn rest(&self) -> Vec<Json> {
        self.log.try_iter().map(|(_, line)| line).collect()
    }

    /// Says what GitHub says of a push to `main`, signed as GitHub signs.
    ///
    /// # Errors
    ///
    /// When that is not taken.
    pub fn pushed(&self, commit: &str) -> Result<(), String> {
        let body = json!({ "ref": "refs/heads/main", "after": commit }).to_string();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
        mac.update(body.as_bytes());
        let signature =
            mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        let answer = ureq::post(format!("http://{}/webhook", self.address))
            .config()
            // Loopback is never behind a proxy.
            .proxy(None)
            .build()
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-hub-signature-256", signature)
            .send(body);
        answer.map(drop).map_err(|error| format!("the webhook: {error}"))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
