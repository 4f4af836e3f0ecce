//! A real Kubernetes control plane on loopback: etcd and kube-apiserver, and controllers and nodes for tests
//! of what happens in a cluster.
//!
//! ```text
//! binaries()  KUBEBUILDER_ASSETS, or a cached `go install` of what tests/cluster/1.36/go.mod pins
//!   -> ControlPlane::start(..)  free ports, fresh data, own certificate, waits for /readyz
//!   -> get, server_side_apply   what the server says, verbatim
//! binaries(), controllers()
//!   -> ControlPlane::start_full(..)  also kube-controller-manager, kube-scheduler, and kwok for nodes
//! ```
//!
//! Nothing needs root or a container. Every connection is TLS against the certificate that was made for
//! this one server. No process outlives the test process: [`ControlPlane`] stops its own on drop, and a
//! watchdog does so when drop never runs (a static, a killed test process).

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use processes::{Processes, tail};
use requests::{Answer, Client};

pub use binaries::{Binaries, Controllers, MINOR, binaries, binaries_of, controllers};
pub use requests::{Applied, Patch};

mod binaries;
mod processes;
mod requests;

/// A running etcd and kube-apiserver with data of their own, and controllers if they were asked for.
/// Dropping it stops them.
pub struct ControlPlane {
    client: Client,
    etcd_url: String,
    /// The certificate that the API server shows (PEM); it is its own issuer.
    certificate: String,
    /// Resource lists of the group versions that were asked for, by path (`/apis/apps/v1`).
    resources: Mutex<HashMap<String, Arc<Value>>>,
    processes: Mutex<Processes>,
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
        let mut all = vec!["--disable-admission-plugins=ServiceAccount"];
        all.extend(arguments);
        unless_taken(|| Self::start_servers(binaries, &all))
    }

    /// Starts a cluster as users have it, but for containers: controllers run, a scheduler, and nodes whose
    /// kubelets only say that all is well. Waits until Pods can be made.
    ///
    /// Pods are ready as soon as they are scheduled, unless a label says that they fail; claims of the
    /// default storage class are bound.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::start`].
    pub fn start_full(
        binaries: &Binaries,
        controllers: &Controllers,
        nodes: usize,
    ) -> Result<ControlPlane, String> {
        let control_plane = unless_taken(|| Self::start_servers(binaries, &[]))?;
        control_plane.start_controllers(controllers, nodes)?;
        Ok(control_plane)
    }

    fn start_servers(binaries: &Binaries, arguments: &[&str]) -> Result<ControlPlane, String> {
        let folder = tempfile::Builder::new()
            .prefix("plumb-control-plane-")
            .tempdir()
            .map_err(|error| format!("cannot create a folder for a control plane: {error}"))?;
        let file = |name: &str| folder.path().join(name).display().to_string();

        let [etcd_port, peer_port, api_port] = free_ports()?;
        let (etcd_url, peer_url) =
            (format!("http://127.0.0.1:{etcd_port}"), format!("http://127.0.0.1:{peer_port}"));
        let made =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
                .map_err(|error| format!("cannot make a certificate: {error}"))?;
        let key = made.signing_key.serialize_pem();
        let certificate = made.cert.pem();
        let token = hex(&Sha256::digest(&key));
        write(&folder.path().join("tls.crt"), &certificate)?;
        write(&folder.path().join("tls.key"), &key)?;
        write(
            &folder.path().join("tokens.csv"),
            &format!("{token},admin,admin,\"system:masters\"\n"),
        )?;

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
        ]);
        api.args(arguments);

        let mut processes = Processes::new(folder.path())?;
        processes.start("etcd", etcd)?;
        processes.start("kube-apiserver", api)?;

        let root = Certificate::from_pem(certificate.as_bytes())
            .map_err(|error| format!("cannot read a certificate: {error}"))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            // Loopback is never behind a proxy.
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build())
            .build();
        let client =
            Client { agent: agent.into(), url: format!("https://127.0.0.1:{api_port}"), token };

        let control_plane = ControlPlane {
            client,
            etcd_url,
            certificate,
            resources: Mutex::default(),
            processes: processes.into(),
            folder,
        };
        write(&control_plane.kubeconfig(), &control_plane.kubeconfig_text(control_plane.token()))?;
        control_plane.wait_for_api_server()?;
        Ok(control_plane)
    }

    fn wait_for_api_server(&self) -> Result<(), String> {
        self.wait("kube-apiserver", || match self.client.ask("GET", "/readyz", None)? {
            Answer { status: 200, .. } => Ok(()),
            answer => Err(format!("HTTP {}: {}", answer.status, answer.body)),
        })
    }

    fn start_controllers(&self, programs: &Controllers, nodes: usize) -> Result<(), String> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        let key = self.folder.path().join("tls.key");
        // Nobody asks them, so they listen nowhere. Without limits of their own they keep up with the server.
        let quiet = ["--secure-port=0", "--leader-elect=false"];
        let eager = ["--kube-api-qps=500", "--kube-api-burst=1000"];

        let mut manager = Command::new(&programs.kube_controller_manager);
        manager.arg(&kubeconfig).args(quiet).args(eager).args([
            format!("--service-account-private-key-file={}", key.display()),
            format!("--root-ca-file={}", self.certificate().display()),
        ]);
        let mut scheduler = Command::new(&programs.kube_scheduler);
        scheduler.arg(&kubeconfig).args(quiet).args(eager);
        let mut kwok = Command::new(&programs.kwok);
        kwok.args([&kubeconfig, "--manage-all-nodes=true"])
            .arg(format!("--config={}", programs.kwok_stages.display()))
            // It looks for more configuration there.
            .env("HOME", self.folder.path());
        {
            let mut processes = self.processes();
            processes.start("kube-controller-manager", manager)?;
            processes.start("kube-scheduler", scheduler)?;
            processes.start("kwok", kwok)?;
        }

        self.ensure_namespace("default")?;
        self.create(
            "/apis/storage.k8s.io/v1/storageclasses",
            &json!({
                "metadata": {
                    "name": "kwok-volume",
                    "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
                },
                "provisioner": "kwok.x-k8s.io/volume",
            }),
        )?;
        for node in 0..nodes {
            let name = format!("node-{node}");
            let labels = json!({ "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" });
            let node = json!({ "metadata": { "name": name, "labels": labels } });
            self.create("/api/v1/nodes", &node)?;
        }
        let is_ready = |it: &Value| it["type"] == "Ready" && it["status"] == "True";
        self.wait("kwok", || {
            let list = self.list("/api/v1/nodes")?;
            let conditions = |node: &Value| node["status"]["conditions"].as_array().cloned();
            match list.iter().all(|node| conditions(node).iter().flatten().any(is_ready)) {
                true => Ok(()),
                false => Err(json!(list).to_string()),
            }
        })?;
        self.wait("kube-controller-manager", || {
            self.read("/api/v1/namespaces/default/serviceaccounts/default").map(drop)
        })
    }

    /// Asks until a server did what it is there for, and all servers run.
    fn wait(&self, server: &str, ask: impl Fn() -> Result<(), String>) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            self.processes().check()?;
            match ask() {
                Ok(()) => return Ok(()),
                Err(said) if Instant::now() > deadline => {
                    let log = tail(self.folder.path(), server);
                    return Err(format!("{server} is not ready after 90 seconds ({said}):\n{log}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The process ids of those servers that run, etcd and kube-apiserver first.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes().ids()
    }

    /// Stops kube-apiserver as a failing machine does. Its connections end; what it kept stays.
    ///
    /// # Errors
    ///
    /// When the watchdog cannot be told.
    pub fn stop_api_server(&self) -> Result<(), String> {
        self.processes().stop("kube-apiserver")
    }

    /// Starts kube-apiserver again, on the same port and data, and waits until it is ready. Stops it before,
    /// if [`ControlPlane::stop_api_server`] did not.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::start`].
    pub fn restart_api_server(&self) -> Result<(), String> {
        self.stop_api_server()?;
        unless_taken(|| {
            self.processes().start_again("kube-apiserver")?;
            self.wait_for_api_server()
        })
    }

    /// Makes etcd forget what was and keep what is.
    ///
    /// A watch from before is answered by HTTP 410 from then on, but not at once: the API server remembers
    /// what it saw itself, until [`ControlPlane::restart_api_server`]. One with `--watch-cache=false` does not.
    ///
    /// # Errors
    ///
    /// What etcd says.
    pub fn compact(&self) -> Result<(), String> {
        // Any question is answered with the revision.
        let found = self.ask_etcd("/v3/kv/range", &json!({ "key": STANDARD.encode("/") }))?;
        let revision = &found["header"]["revision"];
        let compaction = json!({ "revision": revision, "physical": true });
        self.ask_etcd("/v3/kv/compaction", &compaction).map(drop)
    }

    fn ask_etcd(&self, path: &str, body: &Value) -> Result<Value, String> {
        let failed = |error: &dyn Display| format!("{}{path}: {error}", self.etcd_url);
        let url = format!("{}{path}", self.etcd_url);
        let mut answer =
            self.client.agent.post(url).send(body.to_string()).map_err(|it| failed(&it))?;
        let said = answer.body_mut().read_to_string().map_err(|it| failed(&it))?;
        match answer.status().as_u16() {
            200 => serde_json::from_str(&said).map_err(|it| failed(&it)),
            _ => Err(failed(&said)),
        }
    }

    /// A kubeconfig file of somebody who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// A kubeconfig file of whom a bearer token belongs to.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn kubeconfig_of(&self, token: &str) -> Result<PathBuf, String> {
        let name = format!("kubeconfig-{}", hex(&Sha256::digest(token)[..8]));
        let path = self.folder.path().join(name);
        write(&path, &self.kubeconfig_text(token))?;
        Ok(path)
    }

    /// A kubeconfig is YAML, and so is JSON.
    fn kubeconfig_text(&self, token: &str) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{ "name": "plumb", "cluster": {
                "server": self.url(),
                "certificate-authority-data": STANDARD.encode(&self.certificate),
            } }],
            "users": [{ "name": "plumb", "user": { "token": token } }],
            "contexts": [{ "name": "plumb", "context": { "cluster": "plumb", "user": "plumb" } }],
            "current-context": "plumb",
        })
        .to_string()
    }
}

/// Tries again when a port was taken: ports are chosen, freed and then bound by the servers, and in between
/// somebody else may come.
fn unless_taken<T>(start: impl Fn() -> Result<T, String>) -> Result<T, String> {
    let mut tries = 3;
    loop {
        tries -= 1;
        match start() {
            Err(error) if tries > 0 && error.contains("address already in use") => {}
            result => return result,
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
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
    fn ports_of_one_control_plane_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
