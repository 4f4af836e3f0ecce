//! A real Kubernetes control plane, etcd and kube-apiserver, on loopback.
//!
//! ```text
//! binaries()  KUBEBUILDER_ASSETS, or a cached `go install` of what tests/cluster/1.36/go.mod pins
//!   -> ControlPlane::start(..)  free ports, fresh data, own certificate, waits for /readyz
//!   -> get, server_side_apply   what the server says, verbatim
//! ```
//!
//! Nothing needs root or a container. Every connection is TLS against the certificate that was made for
//! this one server. No process outlives the test process: [`ControlPlane`] stops its own on drop, and a
//! watchdog does so when drop never runs (a static, a killed test process).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

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

/// What an API server made of an applied object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as the server keeps it, with its defaults.
    pub object: Value,
    /// The texts of the answer's `Warning` headers, such as the notice of a deprecated API version.
    pub warnings: Vec<String>,
}

/// An answer of the API server.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    body: String,
    warnings: Vec<String>,
}

/// How the API server is reached.
#[derive(Clone)]
struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

/// A running etcd and kube-apiserver with data of their own. Dropping it stops them.
pub struct ControlPlane {
    client: Client,
    /// Resource lists of the group versions that were asked for, by path (`/apis/apps/v1`).
    resources: Mutex<HashMap<String, Arc<Value>>>,
    processes: Processes,
    // After the processes: they stop before their data goes.
    folder: TempDir,
}

impl ControlPlane {
    /// Starts a fresh control plane that serves what such a server serves by default, and waits until
    /// it is ready.
    ///
    /// No controllers run: nothing makes Pods of a Deployment, and no namespace gets its default service
    /// account, so the admission plugin that waits for one is off.
    ///
    /// # Errors
    ///
    /// What failed, with the end of the log of the program that failed.
    pub fn start(binaries: &Binaries) -> Result<ControlPlane, String> {
        Self::start_with(binaries, &[])
    }

    /// [`ControlPlane::start`] with more arguments for kube-apiserver, such as
    /// `--runtime-config=api/all=true`.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::start`].
    pub fn start_with(binaries: &Binaries, arguments: &[&str]) -> Result<ControlPlane, String> {
        // Ports are chosen, freed and then bound by the servers: in between, somebody else may take one.
        let mut tries = 3;
        loop {
            tries -= 1;
            match Self::start_once(binaries, arguments) {
                Err(error) if tries > 0 && error.contains("address already in use") => {}
                result => return result,
            }
        }
    }

    fn start_once(binaries: &Binaries, arguments: &[&str]) -> Result<ControlPlane, String> {
        let folder = tempfile::Builder::new()
            .prefix("plumb-control-plane-")
            .tempdir()
            .map_err(|error| format!("cannot create a folder for a control plane: {error}"))?;
        let file = |name: &str| folder.path().join(name).display().to_string();
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text)
                .map_err(|error| format!("cannot write {}: {error}", file(name)))
        };

        let [etcd_port, peer_port, api_port] = free_ports()?;
        let (etcd_url, peer_url) =
            (format!("http://127.0.0.1:{etcd_port}"), format!("http://127.0.0.1:{peer_port}"));
        let made =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
                .map_err(|error| format!("cannot make a certificate: {error}"))?;
        let key = made.signing_key.serialize_pem();
        let token = hex(&Sha256::digest(&key));
        write("tls.crt", &made.cert.pem())?;
        write("tls.key", &key)?;
        write("tokens.csv", &format!("{token},admin,admin,\"system:masters\"\n"))?;

        let mut etcd = Command::new(&binaries.etcd);
        etcd.args([
            "--name=plumb".to_owned(),
            format!("--data-dir={}", file("etcd")),
            format!("--listen-client-urls={etcd_url}"),
            format!("--advertise-client-urls={etcd_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=plumb={peer_url}"),
            "--log-level=warn".to_owned(),
            // The data is thrown away, so nothing waits for the disk.
            "--unsafe-no-fsync".to_owned(),
        ]);
        let mut api = Command::new(&binaries.kube_apiserver);
        api.args([
            format!("--etcd-servers={etcd_url}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={api_port}"),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--tls-cert-file={}", file("tls.crt")),
            format!("--tls-private-key-file={}", file("tls.key")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("tls.crt")),
            format!("--service-account-signing-key-file={}", file("tls.key")),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ]);
        api.args(arguments);

        let mut processes = Processes::default();
        processes.start("etcd", &mut etcd, folder.path())?;
        processes.start("kube-apiserver", &mut api, folder.path())?;
        processes.watch(folder.path())?;

        let certificate = Certificate::from_pem(made.cert.pem().as_bytes())
            .map_err(|error| format!("cannot read a certificate: {error}"))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            // Loopback is never behind a proxy.
            .proxy(None)
            .tls_config(
                TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[certificate])).build(),
            )
            .build();
        let client =
            Client { agent: agent.into(), url: format!("https://127.0.0.1:{api_port}"), token };

        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            for (name, child) in &mut processes.children {
                if let Ok(Some(status)) = child.try_wait() {
                    return Err(format!(
                        "{name} stopped ({status}):\n{}",
                        tail(folder.path(), name)
                    ));
                }
            }
            let said = match client.ask("GET", "/readyz", None) {
                Ok(Answer { status: 200, .. }) => break,
                Ok(answer) => format!("HTTP {}: {}", answer.status, answer.body),
                Err(error) => error,
            };
            if Instant::now() > deadline {
                let log = tail(folder.path(), "kube-apiserver");
                return Err(format!(
                    "kube-apiserver is not ready after 90 seconds ({said}):\n{log}"
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(ControlPlane { client, resources: Mutex::default(), processes, folder })
    }

    /// Where the API server listens, such as `https://127.0.0.1:43210`.
    pub fn url(&self) -> &str {
        &self.client.url
    }

    /// A bearer token of a member of `system:masters`, who may do everything.
    pub fn token(&self) -> &str {
        &self.client.token
    }

    /// The file with the certificate that the API server shows (PEM); it is its own issuer.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    /// The process ids of etcd and kube-apiserver.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes.children.iter().map(|(_, child)| child.id()).collect()
    }

    /// GETs a path (`/api/v1/namespaces`): the HTTP status and the body.
    ///
    /// # Errors
    ///
    /// Only when no answer came. A refusal is an answer.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        self.client.ask("GET", path, None).map(|answer| (answer.status, answer.body))
    }

    /// GETs a path: what the server warns of it.
    ///
    /// # Errors
    ///
    /// When no answer came, or another than 200.
    pub fn warnings(&self, path: &str) -> Result<Vec<String>, String> {
        let answer = self.client.ask("GET", path, None)?;
        match answer.status {
            200 => Ok(answer.warnings),
            status => Err(format!("{path} answered HTTP {status}: {}", answer.body)),
        }
    }

    /// Applies an object as the field manager `plumb`: server-side, strict about unknown fields, taking
    /// over fields that others manage.
    ///
    /// The resource comes from the server's own discovery. A namespaced object without
    /// `metadata.namespace` goes to `default`. A namespace that does not exist is made first, see
    /// [`ControlPlane::ensure_namespace`].
    ///
    /// # Errors
    ///
    /// The server's message, with the HTTP status before it; or what `object` lacks to be one.
    pub fn server_side_apply(&self, object: &Value) -> Result<Applied, String> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("an object without {pointer}"))
        };
        let (api_version, kind, name) =
            (text("/apiVersion")?, text("/kind")?, text("/metadata/name")?);
        let (base, resource) = self.resource(api_version, kind)?;
        let plural = resource["name"].as_str().unwrap_or_default();
        let path = if resource["namespaced"] == true {
            let namespace = text("/metadata/namespace").unwrap_or("default");
            self.ensure_namespace(namespace)?;
            format!("{base}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{base}/{plural}/{name}")
        };
        self.apply_to(&path, object)
    }

    /// Makes a namespace unless it exists. Without a controller manager nobody makes `default` but us.
    ///
    /// # Errors
    ///
    /// The server's message.
    pub fn ensure_namespace(&self, name: &str) -> Result<(), String> {
        let path = format!("/api/v1/namespaces/{name}");
        if self.get(&path)?.0 == 200 {
            return Ok(());
        }
        self.apply_to(
            &path,
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        )
        .map(drop)
    }

    fn apply_to(&self, path: &str, object: &Value) -> Result<Applied, String> {
        let path = format!("{path}?fieldManager=plumb&fieldValidation=Strict&force=true");
        let answer = self.client.ask("PATCH", &path, Some(object))?;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if matches!(answer.status, 200 | 201) {
            return Ok(Applied { object: body, warnings: answer.warnings });
        }
        let message = body["message"].as_str().unwrap_or(&answer.body);
        Err(format!("HTTP {}: {message}", answer.status))
    }

    /// The path of a group version and the entry of a kind in its resource list.
    fn resource(&self, api_version: &str, kind: &str) -> Result<(String, Value), String> {
        let base = if api_version.contains('/') {
            format!("/apis/{api_version}")
        } else {
            format!("/api/{api_version}")
        };
        let find = |list: &Value| {
            let entries = list["resources"].as_array()?;
            // Subresources (`deployments/scale`) have kinds too.
            entries
                .iter()
                .find(|it| {
                    it["kind"] == kind && it["name"].as_str().is_some_and(|it| !it.contains('/'))
                })
                .cloned()
        };
        let known =
            self.resources.lock().unwrap_or_else(PoisonError::into_inner).get(&base).cloned();
        if let Some(entry) = known.as_deref().and_then(find) {
            return Ok((base, entry));
        }
        // Not known yet, or made since by a CustomResourceDefinition.
        let (status, body) = self.get(&base)?;
        if status != 200 {
            return Err(format!("the server has no {api_version} (HTTP {status})"));
        }
        let list: Value = serde_json::from_str(&body)
            .map_err(|error| format!("{base} answered no JSON: {error}"))?;
        let entry = find(&list);
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(base.clone(), Arc::new(list));
        entry.map(|it| (base, it)).ok_or_else(|| format!("{api_version} has no {kind}"))
    }
}

impl Client {
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let failed = |error: ureq::Error| format!("{method} {}{path}: {error}", self.url);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Accept", "application/json, */*");
        let request = match body {
            // JSON is YAML; the server knows an apply by this type alone.
            Some(_) => request.header("Content-Type", "application/apply-patch+yaml"),
            None => request,
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(body).map_err(|error| failed(error.into()))?;
        let mut response = self.agent.run(request).map_err(failed)?;
        let warnings = response.headers().get_all("Warning").iter();
        let warnings = warnings.filter_map(|it| it.to_str().ok()).map(warning_text).collect();
        let status = response.status().as_u16();
        // The largest OpenAPI documents are a few megabytes.
        let body =
            response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(failed)?;
        Ok(Answer { status, body, warnings })
    }
}

/// The text of a `Warning` header, `299 - "text"` (RFC 7234 section 5.5).
fn warning_text(header: &str) -> String {
    let quoted = header.splitn(3, ' ').nth(2).unwrap_or(header).trim();
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(quoted);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// The servers of one control plane, by name. Stopped on drop, so a start that fails half-way leaves
/// nothing behind.
#[derive(Default)]
struct Processes {
    children: Vec<(&'static str, Child)>,
    watchdog: Option<(Child, ChildStdin)>,
}

impl Processes {
    /// Starts a program whose output goes to `<name>.log` in `folder`.
    fn start(
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
    fn watch(&mut self, folder: &Path) -> Result<(), String> {
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

/// Ports of loopback that were free a moment ago, all different.
fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let failed = |error: std::io::Error| format!("no free port on 127.0.0.1: {error}");
    // All are held before the first is let go, or the same port may come twice.
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        *port = listener.local_addr().map_err(failed)?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// The last lines of a program's log.
fn tail(folder: &Path, name: &str) -> String {
    let text = fs::read(folder.join(format!("{name}.log")))
        .map(|it| String::from_utf8_lossy(&it).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_warning_is_taken_out_of_its_header() {
        assert_eq!(
            warning_text(r#"299 - "unknown field \"spec.shop\"""#),
            r#"unknown field "spec.shop""#
        );
    }

    #[test]
    fn the_version_of_the_server_is_the_one_that_the_module_requires() {
        let version = kubernetes_version(
            "require (\n\tk8s.io/kubelet v0.36.3\n\tk8s.io/kubernetes v1.36.3 // indirect\n)",
        );
        assert_eq!(version.as_deref(), Some("v1.36.3"));
        assert_eq!(kubernetes_version("tool k8s.io/kubernetes/cmd/kubectl"), None);
    }

    #[test]
    fn ports_of_one_control_plane_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
