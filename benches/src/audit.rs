//! What an API server was asked, by its own audit log.

use plumb_tests::cluster::{Binaries, ControlPlane};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Only what is asked from outside: the server also asks itself.
const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{ level: Metadata, users: [admin] }]
"#;

/// A request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Asked {
    /// `patch`
    pub verb: String,
    /// `deployments`
    pub resource: String,
    /// Of the object; empty for lists.
    pub name: String,
}

/// The log, read as it grows.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    read: u64,
}

impl Audit {
    /// Starts a control plane that writes its log into a directory.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::start`].
    pub fn start(binaries: &Binaries, directory: &Path) -> Result<(ControlPlane, Self), String> {
        let (policy, path) = (directory.join("policy.yaml"), directory.join("audit.log"));
        fs::write(&policy, POLICY).map_err(|error| format!("{}: {error}", policy.display()))?;
        let arguments = [
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", path.display()),
        ];
        let control_plane =
            ControlPlane::start_with(binaries, &arguments.each_ref().map(|it| it.as_str()))?;
        Ok((control_plane, Audit { path, read: 0 }))
    }

    /// What Plumb asked since this was last called.
    ///
    /// # Errors
    ///
    /// Where the log cannot be read.
    pub fn since(&mut self) -> Result<Vec<Asked>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.path.display());
        let mut text = String::new();
        let mut log = File::open(&self.path).map_err(failed)?;
        log.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        log.read_to_string(&mut text).map_err(failed)?;
        // The last line may not be whole yet.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        let lines = text[..whole]
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap_or_default());
        // What measures asks, too, by another library; a watch is told at its beginning and at its end.
        let is_plumbs =
            |it: &Json| !it["userAgent"].as_str().is_some_and(|it| it.starts_with("ureq"));
        let is_begun = |it: &Json| it["verb"] != "watch" || it["stage"] == "ResponseStarted";
        let asked = lines.filter(|it| is_plumbs(it) && is_begun(it)).map(|it| {
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            let of = &it["objectRef"];
            Asked {
                verb: text(&it["verb"]),
                resource: text(&of["resource"]),
                name: text(&of["name"]),
            }
        });
        Ok(asked.collect())
    }
}

/// "1 patch, 2 update"
pub fn verbs(asked: &[Asked]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    asked.iter().for_each(|it| *counts.entry(&it.verb).or_default() += 1);
    let counts: Vec<String> =
        counts.iter().map(|(verb, count)| format!("{count} {verb}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
