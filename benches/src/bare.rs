//! The floor of applying: a client that sends the same requests, and knows nothing.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// An object to apply.
#[derive(Debug)]
pub struct Request {
    /// Where the API server keeps it.
    pub path: String,
    /// What is sent.
    pub body: Vec<u8>,
}

/// Applies objects, so many at once; gives how long it took, from reading the kubeconfig to the last answer.
///
/// # Errors
///
/// What could not be begun, or the first answer that is no success.
pub fn apply(
    kubeconfig: &Path,
    requests: Vec<Request>,
    at_once: usize,
) -> Result<Duration, String> {
    let failed = |error: &dyn Display| format!("the bare client: {error}");
    // Said once for the whole program; whoever says it first is heard.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let start = Instant::now();
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(&error))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options);
        let mut config = config.await.map_err(|error| failed(&error))?;
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| failed(&error))?;
        let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
        let mut senders = JoinSet::new();
        for _ in 0..at_once {
            let (client, requests, next) =
                (client.clone(), Arc::clone(&requests), Arc::clone(&next));
            senders.spawn(async move {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    send(&client, request).await?;
                }
                Ok::<_, String>(())
            });
        }
        while let Some(sent) = senders.join_next().await {
            sent.map_err(|error| failed(&error))??;
        }
        Ok(start.elapsed())
    })
}

async fn send(client: &Client, Request { path, body }: &Request) -> Result<(), String> {
    let failed = |error: &dyn Display| format!("{path}: {error}");
    let request = http::Request::patch(format!("{path}?fieldManager=plumb&force=true"))
        .header("accept", "application/json")
        .header("content-type", "application/apply-patch+yaml")
        .body(body.clone().into())
        .map_err(|error| failed(&error))?;
    let answer = client.send(request).await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let said = answer.into_body().collect_bytes().await.map_err(|error| failed(&error))?;
    match status.is_success() {
        true => Ok(()),
        false => Err(failed(&format!("HTTP {status}: {}", String::from_utf8_lossy(&said)))),
    }
}
