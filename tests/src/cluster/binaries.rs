//! Where the programs come from: a folder that is named, or a build with Go that is kept.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::hex;

/// The servers of a control plane.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Path of `etcd`.
    pub etcd: PathBuf,
    /// Path of `kube-apiserver`.
    pub kube_apiserver: PathBuf,
}

/// What makes a cluster of a control plane: controllers, and who plays nodes.
#[derive(Clone, Debug)]
pub struct Controllers {
    /// Path of `kube-controller-manager`.
    pub kube_controller_manager: PathBuf,
    /// Path of `kube-scheduler`.
    pub kube_scheduler: PathBuf,
    /// Path of `kwok`, which plays nodes and their kubelets.
    pub kwok: PathBuf,
    /// Path of what kwok does to nodes, pods and volumes.
    pub kwok_stages: PathBuf,
}

/// The minor version of Kubernetes that the tests run on; [`binaries_of`] others only when asked to.
pub const MINOR: u32 = 36;

const SERVERS: [&str; 2] = ["etcd", "kube-apiserver"];
const STAGES: &str = "kwok-stages.yaml";
const CONTROLLERS: [&str; 4] = ["kube-controller-manager", "kube-scheduler", "kwok", STAGES];

/// Those of kwok's stages that [`STAGES`] is made of: nodes and pods are ready at once and volumes bound,
/// Jobs complete at once, and pods fail that ask for it by a label.
const STAGE_FILES: [&str; 10] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
    "pod/chaos/pod-container-running-failed.yaml",
    "volume/fast/pvc-provision.yaml",
    "volume/fast/pvc-delete.yaml",
    "volume/fast/pv-bind.yaml",
    "volume/fast/pv-delete.yaml",
];

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
    let folder = match assets() {
        Some(folder) if minor == MINOR => having(folder, &SERVERS)?,
        Some(folder) => having(folder.join(name), &SERVERS)?,
        None => {
            let module = Module::read(&name)?;
            let go = go_version(&module.folder, &SERVERS)?;
            let flags = kubernetes_flags(&module)?;
            let parts = [&module.go_mod, &module.go_sum, &go].into_iter().chain(&flags);
            kept(parts, &SERVERS, |to| {
                let packages =
                    ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver"];
                module.install(&packages, &flags, to)?;
                // etcd's package, and so what `go install` makes of it, is called `server`.
                fs::rename(program(to, "server"), program(to, "etcd"))
                    .map_err(|error| format!("cannot rename {}/server: {error}", to.display()))
            })?
        }
    };
    Ok(Binaries {
        etcd: program(&folder, "etcd"),
        kube_apiserver: program(&folder, "kube-apiserver"),
    })
}

/// Finds or builds the controllers of 1.36 as [`binaries`] does its servers, and kwok. Only tests that ask
/// for them wait for their build.
///
/// A folder that `KUBEBUILDER_ASSETS` names has kwok's stages in one file, `kwok-stages.yaml`.
///
/// # Errors
///
/// As [`binaries_of`].
pub fn controllers() -> Result<Controllers, String> {
    let folder = match assets() {
        Some(folder) => having(folder, &CONTROLLERS)?,
        None => {
            // A module of its own: kwok's dependencies would raise those of etcd and Kubernetes.
            let (kubernetes, kwok) = (Module::read(&format!("1.{MINOR}"))?, Module::read("kwok")?);
            let go = go_version(&kubernetes.folder, &CONTROLLERS)?;
            let flags = kubernetes_flags(&kubernetes)?;
            let modules = [&kubernetes, &kwok].into_iter().flat_map(|it| [&it.go_mod, &it.go_sum]);
            let files = STAGE_FILES.map(str::to_owned);
            kept(modules.chain([&go]).chain(&flags).chain(&files), &CONTROLLERS, |to| {
                let command = |name: &str| format!("k8s.io/kubernetes/cmd/{name}");
                let packages = [command("kube-controller-manager"), command("kube-scheduler")];
                kubernetes.install(&packages.each_ref().map(String::as_str), &flags, to)?;
                kwok.install(&["sigs.k8s.io/kwok/cmd/kwok"], &flags_of(""), to)?;
                let stages = kwok.folder_of("sigs.k8s.io/kwok")?.join("kustomize/stage");
                let texts = STAGE_FILES.iter().map(|name| read(&stages.join(name)));
                let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
                fs::write(to.join(STAGES), texts.join("\n---\n"))
                    .map_err(|error| format!("cannot write {STAGES}: {error}"))
            })?
        }
    };
    Ok(Controllers {
        kube_controller_manager: program(&folder, "kube-controller-manager"),
        kube_scheduler: program(&folder, "kube-scheduler"),
        kwok: program(&folder, "kwok"),
        kwok_stages: folder.join(STAGES),
    })
}

/// The folder that `KUBEBUILDER_ASSETS` names.
fn assets() -> Option<PathBuf> {
    std::env::var_os("KUBEBUILDER_ASSETS").filter(|it| !it.is_empty()).map(PathBuf::from)
}

fn having(folder: PathBuf, names: &[&str]) -> Result<PathBuf, String> {
    match &lacking(&folder, names)[..] {
        [] => Ok(folder),
        lacking => Err(format!(
            "KUBEBUILDER_ASSETS is set, and {} has no {}",
            folder.display(),
            lacking.join(" and no ")
        )),
    }
}

fn lacking<'a>(folder: &Path, names: &[&'a str]) -> Vec<&'a str> {
    let lacks = |name: &&str| !folder.join(name).is_file() && !program(folder, name).is_file();
    names.iter().copied().filter(lacks).collect()
}

fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The folder of the cache with these files that these parts decide about; `build` fills it when it is
/// first asked for.
fn kept<'a>(
    parts: impl Iterator<Item = &'a String>,
    names: &[&str],
    build: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let mut key = Sha256::new();
    for part in parts {
        key.update(part);
        key.update([0]);
    }
    let key = hex(&key.finalize()[..8]);

    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("cluster");
    let folder = cache.join(&key).join("bin");
    if lacking(&folder, names).is_empty() {
        return Ok(folder);
    }
    let cannot =
        |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", cache.display());
    fs::create_dir_all(cache.join(&key)).map_err(|error| cannot("create", error))?;
    let lock = File::create(cache.join("lock")).map_err(|error| cannot("lock", error))?;
    lock.lock().map_err(|error| cannot("lock", error))?;
    if lacking(&folder, names).is_empty() {
        return Ok(folder);
    }
    let building = TempDir::new_in(&cache).map_err(|error| cannot("write to", error))?;
    build(building.path())?;
    fs::rename(building.keep(), &folder).map_err(|error| cannot("rename a folder in", error))?;
    match &lacking(&folder, names)[..] {
        [] => Ok(folder),
        lacking => Err(format!("the build made no {}", lacking.join(" and no "))),
    }
}

/// A Go module of `tests/cluster`.
struct Module {
    folder: PathBuf,
    go_mod: String,
    go_sum: String,
}

impl Module {
    fn read(name: &str) -> Result<Module, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name);
        let (go_mod, go_sum) = (read(&folder.join("go.mod"))?, read(&folder.join("go.sum"))?);
        Ok(Module { folder, go_mod, go_sum })
    }

    /// Builds programs into a folder.
    fn install(&self, packages: &[&str], flags: &[String], to: &Path) -> Result<(), String> {
        // Straight to standard error: the print macros are captured in a test, and this takes minutes.
        let say = |text: &str| {
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        say(&format!("building {} with Go: once, takes minutes", packages.join(" and ")));
        let mut child = go(&self.folder)
            .args(["install", "-v"])
            .args(flags)
            .args(packages)
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
        let status =
            child.wait().map_err(|error| format!("cannot wait for go install: {error}"))?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "go install failed ({status}):\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        ))
    }

    /// Where the files of a required module are, once something of it was built.
    fn folder_of(&self, required: &str) -> Result<PathBuf, String> {
        let said = go(&self.folder)
            .args(["list", "-m", "-f", "{{.Dir}}", required])
            .output()
            .map_err(|error| format!("cannot run go list: {error}"))?;
        if said.status.success() {
            return Ok(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
        }
        Err(format!("go list failed: {}", String::from_utf8_lossy(&said.stderr)))
    }
}

fn flags_of(linked: &str) -> Vec<String> {
    ["-trimpath", "-buildvcs=false", &format!("-ldflags=-s -w{linked}")].map(str::to_owned).into()
}

fn kubernetes_flags(module: &Module) -> Result<Vec<String>, String> {
    let version = kubernetes_version(&module.go_mod).ok_or_else(|| {
        format!("{} requires no k8s.io/kubernetes", module.folder.join("go.mod").display())
    })?;
    Ok(flags_of(&format!(" -X k8s.io/component-base/version.gitVersion={version}")))
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
fn go_version(module: &Path, names: &[&str]) -> Result<String, String> {
    let install = || {
        let names = names.join(", ");
        format!(
            "install Go 1.26, or let KUBEBUILDER_ASSETS name a folder with {names} of 1.{MINOR}"
        )
    };
    let output = go(module)
        .arg("version")
        .output()
        .map_err(|error| format!("cannot run go ({error}): {}", install()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if said.contains(" go1.26") {
        return Ok(said);
    }
    let said = if said.is_empty() {
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    } else {
        said
    };
    Err(format!("a control plane is built with Go 1.26, but go says `{said}`: {}", install()))
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
