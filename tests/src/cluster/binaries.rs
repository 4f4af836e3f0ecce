//! Where the programs come from: a folder that is named, or a build with Go that is kept.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::hex;

/// The programs of a control plane.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Path of `etcd`.
    pub etcd: PathBuf,
    /// Path of `kube-apiserver`.
    pub kube_apiserver: PathBuf,
}

/// The minor version of Kubernetes that the tests run on; [`binaries_of`] others only when asked to.
pub const MINOR: u32 = 36;

/// [`binaries_of`] the version that the tests run on.
///
/// # Errors
///
/// As [`binaries_of`].
pub fn binaries() -> Result<Binaries, String> {
    binaries_of(MINOR)
}

/// Finds the programs of Kubernetes 1.`minor` in the folder that `KUBEBUILDER_ASSETS` names (those of
/// another version than 1.36 in its folder `1.33`), or else builds them with Go, once.
///
/// A build takes minutes, its progress is on standard error. The result is kept in `target/cluster`
/// under a key of everything that decides about it. Test processes that ask at the same time build
/// once: the others wait for a file lock.
///
/// # Errors
///
/// A sentence that says what to install or what failed. Kubernetes 1.36 needs Go 1.26: built by Go 1.27,
/// its server publishes an OpenAPI that is wrong.
pub fn binaries_of(minor: u32) -> Result<Binaries, String> {
    let name = format!("1.{minor}");
    if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|it| !it.is_empty()) {
        let mut folder = PathBuf::from(folder);
        if minor != MINOR {
            folder.push(&name);
        }
        return binaries_in(&folder).ok_or_else(|| {
            format!(
                "KUBEBUILDER_ASSETS is set, and {} has no etcd and kube-apiserver",
                folder.display()
            )
        });
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(&name);
    let read = |name: &str| {
        let path = module.join(name);
        fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
    let version = kubernetes_version(&go_mod)
        .ok_or_else(|| format!("tests/cluster/{name}/go.mod does not require k8s.io/kubernetes"))?;
    let go = go_version(&module)?;
    let flags = [
        "-trimpath".to_owned(),
        "-buildvcs=false".to_owned(),
        format!("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={version}"),
    ];

    let mut key = Sha256::new();
    for part in [&go_mod, &go_sum, &go].into_iter().chain(&flags) {
        key.update(part);
        key.update([0]);
    }
    let key = hex(&key.finalize()[..8]);

    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("cluster");
    let folder = cache.join(&key).join("bin");
    if let Some(found) = binaries_in(&folder) {
        return Ok(found);
    }
    let cannot =
        |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", cache.display());
    fs::create_dir_all(cache.join(&key)).map_err(|error| cannot("create", error))?;
    let lock = File::create(cache.join("lock")).map_err(|error| cannot("lock", error))?;
    lock.lock().map_err(|error| cannot("lock", error))?;
    if let Some(found) = binaries_in(&folder) {
        return Ok(found);
    }
    let building = TempDir::new_in(&cache).map_err(|error| cannot("write to", error))?;
    go_install(&module, building.path(), &flags, &version)?;
    let program =
        |name: &str| building.path().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    // etcd's package, and so what `go install` makes of it, is called `server`.
    fs::rename(program("server"), program("etcd"))
        .map_err(|error| cannot("rename etcd in", error))?;
    fs::rename(building.keep(), &folder).map_err(|error| cannot("rename a folder in", error))?;
    binaries_in(&folder).ok_or_else(|| "go install made neither etcd nor kube-apiserver".to_owned())
}

fn binaries_in(folder: &Path) -> Option<Binaries> {
    let program = |name: &str| {
        let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        path.is_file().then_some(path)
    };
    Some(Binaries { etcd: program("etcd")?, kube_apiserver: program("kube-apiserver")? })
}

/// The version (`v1.36.3`) of Kubernetes that a go.mod requires.
fn kubernetes_version(go_mod: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|word| *word == "k8s.io/kubernetes")?;
        words.next().map(str::to_owned)
    })
}

/// What `go version` prints, when it is a version that builds a right API server.
fn go_version(module: &Path) -> Result<String, String> {
    const INSTALL: &str = "install Go 1.26, or let KUBEBUILDER_ASSETS name a folder with etcd and kube-apiserver 1.36";
    let output = go(module)
        .arg("version")
        .output()
        .map_err(|error| format!("cannot run go ({error}): {INSTALL}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if said.contains(" go1.26") {
        return Ok(said);
    }
    let said = if said.is_empty() {
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    } else {
        said
    };
    Err(format!("a control plane is built with Go 1.26, but go says `{said}`: {INSTALL}"))
}

fn go(module: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(module).env("CGO_ENABLED", "0").stdin(Stdio::null());
    // Go's own default downloads whatever toolchain a module asks for. That is the user's to choose.
    if std::env::var_os("GOTOOLCHAIN").is_none() {
        go.env("GOTOOLCHAIN", "local");
    }
    go
}

fn go_install(module: &Path, to: &Path, flags: &[String], version: &str) -> Result<(), String> {
    // Straight to standard error: the print macros are captured in a test, and this takes minutes.
    let say = |text: &str| {
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    say(&format!("building etcd and kube-apiserver {version} with Go: once, takes minutes"));
    let mut child = go(module)
        .args(["install", "-v"])
        .args(flags)
        .args(["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver"])
        .env("GOBIN", to)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run go install: {error}"))?;
    let mut lines: Vec<String> = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.push(line);
            if lines.len().is_multiple_of(200) {
                say(&format!("  {} packages, {}", lines.len(), lines[lines.len() - 1]));
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cannot wait for go install: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "go install failed ({status}):\n{}",
        lines[lines.len().saturating_sub(20)..].join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_server_is_the_one_that_the_module_requires() {
        let version = kubernetes_version(
            "require (\n\tk8s.io/kubelet v0.36.3\n\tk8s.io/kubernetes v1.36.3 // indirect\n)",
        );
        assert_eq!(version.as_deref(), Some("v1.36.3"));
        assert_eq!(kubernetes_version("tool k8s.io/kubernetes/cmd/kubectl"), None);
    }
}
