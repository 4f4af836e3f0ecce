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
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use processes::{Processes, tail};
use requests::{Answer, Client};

pub use binaries::{Binaries, MINOR, binaries, binaries_of};
pub use requests::Applied;

mod binaries;
mod processes;
mod requests;

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
