//! Servers that stop when they are no longer needed, however the process that started them ends.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The servers of one control plane, by name. Stopped on drop, so a start that fails half-way leaves
/// nothing behind.
#[derive(Default)]
pub(super) struct Processes {
    pub(super) children: Vec<(&'static str, Child)>,
    watchdog: Option<(Child, ChildStdin)>,
}

impl Processes {
    /// Starts a program whose output goes to `<name>.log` in `folder`.
    pub(super) fn start(
        &mut self,
        name: &'static str,
        command: &mut Command,
        folder: &Path,
    ) -> Result<(), String> {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log).and_then(|out| Ok((out.try_clone()?, out)));
        let (out, err) = out.map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child
            .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
        self.children.push((name, child));
        Ok(())
    }

    /// Starts a shell that stops the others and removes their data once this process is gone, however it
    /// went: the shell's standard input then ends without a word. (A parent-death signal would need
    /// unsafe code, and Linux sends it when the starting *thread* ends.)
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), String> {
        const SCRIPT: &str = r#"read -r word; [ "$word" = stopped ] && exit; f=$1; shift; kill -9 "$@"; rm -rf "$f""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "watchdog"]).arg(folder);
        shell.args(self.children.iter().map(|(_, child)| child.id().to_string()));
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C goes to the whole group of the test process. This one has to stay for the cleaning.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut shell = shell.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
        self.watchdog = shell.stdin.take().map(|pipe| (shell, pipe));
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The API server first, or it fills its log with the loss of etcd.
        for (_, child) in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Told before it is left: the ids may belong to others by now.
        if let Some((shell, pipe)) = &mut self.watchdog {
            let _ = pipe.write_all(b"stopped\n");
            let _ = shell.wait();
        }
    }
}

/// The last lines of a program's log.
pub(super) fn tail(folder: &Path, name: &str) -> String {
    let text = fs::read(folder.join(format!("{name}.log")))
        .map(|it| String::from_utf8_lossy(&it).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
