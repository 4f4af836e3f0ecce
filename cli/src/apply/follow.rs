//! `plumb apply --watch`: the cluster follows a repository until the process is stopped.

use crate::args::{self, Drift};
use crate::commands::Stop;
use plumb_reconciler::cluster::Cluster;
use plumb_reconciler::drift::Policy;
use plumb_reconciler::git::Mirror;
use plumb_reconciler::log::Log;
use plumb_reconciler::serve::{Server, Webhook, serve};
use plumb_reconciler::status::Status;
use plumb_reconciler::watch::{Follower, Options};
use plumb_reconciler::webhook::Secret;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

/// Follows; gives the exit code when it was asked to stop.
///
/// # Errors
///
/// Where nothing can be begun: no state directory, no cluster. What fails later is told and tried again.
pub(super) fn run(args: &args::Apply) -> Result<u8, Stop> {
    let follow = &args.follow;
    let url = follow.git.as_deref().expect("the command line asks for it");
    let directory = match &follow.state {
        Some(directory) => directory.clone(),
        None => state_directory(&args.env)?,
    };
    log();
    let mirror = Mirror::open(&directory, url, follow.reference.as_deref())
        .map_err(|error| Stop::Failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let farewell = farewell()?;
        let cluster =
            Cluster::connect(args.cluster.context.as_deref()).await.map_err(Stop::Failed)?;
        tracing::info!(
            environment = args.env,
            cluster = cluster.shown(),
            repository = mirror.url(),
            version = env!("CARGO_PKG_VERSION"),
            "following"
        );
        let options = Options {
            environment: args.env.clone(),
            namespace: args.cluster.inventory_namespace.clone(),
            path: follow.directory.clone(),
            interval: follow.interval,
            adopt: args.adopt,
            force: args.force_conflicts,
            drift: match follow.drift {
                Drift::Report => Policy::Report,
                Drift::Correct => Policy::Correct,
            },
        };
        let (status, asked) = Status::new(Log);
        let (follower, waker) = Follower::new(cluster, mirror, options, Box::new(status));
        let (ending, ended) = watch::channel(false);
        if let Some(address) = follow.listen {
            let listener = TcpListener::bind(address).await.map_err(|error| {
                Stop::Failed(format!("{address} cannot be listened on: {error}"))
            })?;
            tracing::info!(address = %listener.local_addr()?, "listening");
            let pushed = Arc::new(Notify::new());
            let secret = std::env::var("PLUMB_WEBHOOK_SECRET").ok().and_then(|it| Secret::new(&it));
            let webhook = secret.map(|secret| Webhook {
                secret: Arc::new(secret),
                follows: asked.follows,
                pushed: Arc::clone(&pushed),
            });
            let server = Server { ready: asked.ready, metrics: asked.metrics, webhook };
            let mut ended = ended.clone();
            tokio::spawn(async move {
                let _ = serve(listener, server, async move {
                    let _ = ended.wait_for(|it| *it).await;
                })
                .await;
            });
            tokio::spawn(async move {
                loop {
                    pushed.notified().await;
                    waker.wake();
                }
            });
        }
        let farewell = async {
            farewell.await;
            // What asks is told so at once; what is under way comes to its end.
            let _ = ending.send(true);
        };
        follower.run(farewell).await;
        tracing::info!("stopped");
        Ok::<_, Stop>(())
    })?;
    // The thread that has the mirror may wait for a server that says nothing: it is not waited for.
    runtime.shutdown_background();
    Ok(0)
}

/// Done when the process is asked to stop.
fn farewell() -> io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

/// For people where one reads, for programs else. `RUST_LOG` says how much.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(
            "warn,plumb=info,plumb_reconciler=info,kube=off,kube_client=off,kube_runtime=off",
        )
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    // Somebody else may have set one up: then that is heard.
    let _ = match io::stderr().is_terminal() {
        true => log.try_init(),
        false => log.json().flatten_event(true).try_init(),
    };
}

/// `$XDG_STATE_HOME/plumb/<environment>`
fn state_directory(environment: &str) -> Result<PathBuf, Stop> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let home = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    match home {
        Some(home) => Ok(home.join("plumb").join(environment)),
        None => Err(Stop::Failed(
            "neither XDG_STATE_HOME nor HOME is set: name a directory with --state".to_owned(),
        )),
    }
}
