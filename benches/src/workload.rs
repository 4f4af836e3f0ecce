//! The requests as a workspace of Plumb: a platform package, and a package a team.

use crate::requests::{ENVIRONMENTS, Request, Settings, requests};
use std::path::Path;
use std::{fs, io};

/// How many requests a team has. Its package is one file of them, as long as people still read.
pub const TEAM: usize = 20;

/// The minor version of Kubernetes that `plumb.toml` there names.
pub const KUBERNETES: u32 = 36;

/// What does not depend on the number of requests.
const FIXED: [(&str, &str); 3] = [
    ("plumb.toml", include_str!("../workspace/plumb.toml")),
    ("platform/environments.plumb", include_str!("../workspace/platform/environments.plumb")),
    ("platform/app.plumb", include_str!("../workspace/platform/app.plumb")),
];

/// The files of a workspace with so many requests, each by its path.
pub fn files(count: usize) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> =
        FIXED.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    let all: Vec<Request> = requests(count).collect();
    for (team, members) in all.chunks(TEAM).enumerate() {
        let directory = format!("apps/team-{team:03}");
        files.push((
            format!("{directory}/package.plumb"),
            "package { namespace = environment.name }\n".to_owned(),
        ));
        let mut text = "use platform\n".to_owned();
        for request in members {
            declare(&mut text, request);
        }
        files.push((format!("{directory}/apps.plumb"), text));
    }
    files
}

/// Writes such a workspace into a directory, which need not exist.
pub fn write(directory: &Path, count: usize) -> io::Result<()> {
    for (path, text) in files(count) {
        let path = directory.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

fn declare(out: &mut String, request: &Request) {
    let Request { name, image, tag, port, base, host, overlays } = request;
    let host = host.as_ref().map(|it| format!("    host = \"{it}\"\n")).unwrap_or_default();
    out.push_str(&format!(
        "\nrequest {name}: platform.App {{\n    \
             image = \"{image}\"\n    tag = \"{tag}\"\n    port = {port}\n{}{host}}}\n",
        lines(base),
    ));
    for (environment, settings) in ENVIRONMENTS.iter().zip(overlays) {
        if !settings.is_empty() {
            let lines = lines(settings);
            out.push_str(&format!("\noverlay {name} in {environment} {{\n{lines}}}\n"));
        }
    }
}

/// What is set, a line each.
fn lines(settings: &Settings) -> String {
    let Settings { replicas, cpu, memory, env } = settings;
    let env: Vec<String> =
        env.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
    let env = (!env.is_empty()).then(|| format!("{{ {} }}", env.join(", ")));
    [
        replicas.map(|it| format!("    replicas = {it}\n")),
        cpu.map(|it| format!("    cpu = {it}\n")),
        memory.map(|it| format!("    memory = {it}\n")),
        env.map(|it| format!("    env = {it}\n")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_compiler::{Database, build, check, environments};

    #[test]
    fn the_workspace_is_sound_and_makes_every_object() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 2 * TEAM + 1).unwrap();
        let loaded = plumb_workspace::load(folder.path()).unwrap();
        assert_eq!(loaded.manifest.kubernetes, KUBERNETES);
        let db = Database::default();
        let workspace = loaded.open(&db);
        assert_eq!(check(&db, workspace), []);
        assert_eq!(environments(&db, workspace), ENVIRONMENTS);
        for environment in ENVIRONMENTS {
            // 41 deployments, services and autoscalers; every third request has an ingress.
            assert_eq!(build(&db, workspace, environment).manifests.len(), 3 * 41 + 14);
        }
    }
}
