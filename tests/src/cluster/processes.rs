//! Servers that stop when they are no longer needed, however the process that started them ends.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The servers of one control plane, in the order they were started. Stopped on drop, so a start that
/// fails half-way leaves nothing behind.
pub(super) struct Processes {
    folder: PathBuf,
    servers: Vec<Server>,
    watchdog: (Child, ChildStdin),
}

struct Server {
    name: &'static str,
    command: Command,
    /// None while it is stopped.
    child: Option<Child>,
}

impl Processes {
    /// No servers yet. Their logs, `<name>.log`, will be in `folder`.
    ///
    /// Starts a shell that stops them and removes the folder once this process is gone, however it went:
    /// the shell's standard input then ends without a word. Each line before is the ids that run by then.
    /// (A parent-death signal would need unsafe code, and Linux sends it when the starting *thread* ends.)
    pub(super) fn new(folder: &Path) -> Result<Processes, String> {
        const SCRIPT: &str = r#"
            while read -r line; do [ "$line" = stopped ] && exit; ids=$line; done
            [ -n "$ids" ] && kill -9 $ids; rm -rf "$1""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "watchdog"]).arg(folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C goes to the whole group of the test process. This one has to stay for the cleaning.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut shell = shell.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
        let pipe = shell.stdin.take().ok_or("a shell without standard input")?;
        Ok(Processes { folder: folder.to_owned(), servers: Vec::new(), watchdog: (shell, pipe) })
    }

    /// Starts a server.
    pub(super) fn start(&mut self, name: &'static str, command: Command) -> Result<(), String> {
        self.servers.push(Server { name, command, child: None });
        self.start_again(name)
    }

    /// Starts a server as it was started before. Its log begins anew.
    pub(super) fn start_again(&mut self, name: &str) -> Result<(), String> {
        let log = self.folder.join(format!("{name}.log"));
        let out = File::create(&log).and_then(|out| Ok((out.try_clone()?, out)));
        let (out, err) = out.map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let Server { command, child, .. } = self.server(name)?;
        let started = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        *child =
            Some(started.map_err(|error| {
                format!("cannot run {}: {error}", command.get_program().display())
            })?);
        self.tell()
    }

    /// Stops a server as a failing machine does: at once, and it gets no say.
    pub(super) fn stop(&mut self, name: &str) -> Result<(), String> {
        self.server(name)?.stop();
        self.tell()
    }

    /// The process ids of those that run.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.servers.iter().filter_map(|it| it.child.as_ref()).map(Child::id).collect()
    }

    /// # Errors
    ///
    /// The end of the log of a server that stopped by itself.
    pub(super) fn check(&mut self) -> Result<(), String> {
        for Server { name, child, .. } in &mut self.servers {
            if let Some(Ok(Some(status))) = child.as_mut().map(Child::try_wait) {
                return Err(format!("{name} stopped ({status}):\n{}", tail(&self.folder, name)));
            }
        }
        Ok(())
    }

    fn server(&mut self, name: &str) -> Result<&mut Server, String> {
        self.servers
            .iter_mut()
            .find(|it| it.name == name)
            .ok_or_else(|| format!("this control plane has no {name}"))
    }

    /// Tells the watchdog who runs. The id of a server that was stopped may belong to others by now.
    fn tell(&mut self) -> Result<(), String> {
        let ids: Vec<String> = self.ids().iter().map(u32::to_string).collect();
        let line = format!("{}\n", ids.join(" "));
        let told = self.watchdog.1.write_all(line.as_bytes());
        told.map_err(|error| format!("cannot tell the watchdog: {error}"))
    }
}

impl Server {
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // Who asks first: the API server would fill its log with the loss of etcd.
        self.servers.iter_mut().rev().for_each(Server::stop);
        let (shell, pipe) = &mut self.watchdog;
        let _ = pipe.write_all(b"stopped\n");
        let _ = shell.wait();
    }
}

/// The last lines of a server's log.
pub(super) fn tail(folder: &Path, name: &str) -> String {
    let text = fs::read(folder.join(format!("{name}.log")))
        .map(|it| String::from_utf8_lossy(&it).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
