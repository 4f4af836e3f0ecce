//! What answers over HTTP: probes of the kubelet, Prometheus, the forge.
//!
//! | path | answers |
//! |---|---|
//! | `GET /healthz` | 200, as long as anything does |
//! | `GET /readyz` | 200, or 503 and why |
//! | `GET /metrics` | [`Metrics::text`] |
//! | `POST /webhook` | 202 to what the forge says, and wakes whoever waits for a push; only where there is a secret |
//!
//! It speaks in clear text, to the cluster alone: what comes from outside comes through an ingress.

use crate::metrics::{self, Metrics};
use crate::webhook::{self, MAX_BODY, Secret};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Sleep, sleep};

/// How long a connection may take to say what it wants, and to get its one answer. The kubelet's patience with a
/// probe is a second, GitHub's with a webhook ten.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long those that are connected may take once everything comes to its end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is asked about.
#[derive(Clone)]
pub struct Server {
    /// Whether the cluster follows; if not, a sentence that says why.
    pub ready: watch::Receiver<Result<(), String>>,
    /// What is measured; messages of the forge are counted here.
    pub metrics: Arc<Metrics>,
    /// What the forge may say; none: nothing.
    pub webhook: Option<Webhook>,
}

/// What the forge may say.
#[derive(Clone)]
pub struct Webhook {
    /// What it signs with.
    pub secret: Arc<Secret>,
    /// The whole name of the reference that is followed; none, as long as it is not known: then every push is
    /// one to it.
    pub follows: watch::Receiver<Option<String>>,
    /// Told of every push to it.
    pub pushed: Arc<Notify>,
}

/// Answers until `stop` is done, and for two seconds more to those that have asked.
pub async fn serve(
    listener: TcpListener,
    server: Server,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(PATIENCE, listener, server, stop).await
}

async fn serve_within(
    patience: Duration,
    listener: TcpListener,
    server: Server,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured));
    if server.webhook.is_some() {
        router = router.route("/webhook", post(pushed));
    }
    let router = router
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(map_response(last_answer))
        .with_state(server);
    let (stopping, stopped) = oneshot::channel();
    let stop = async {
        stop.await;
        let _ = stopping.send(());
    };
    let farewell = async {
        let _ = stopped.await;
        sleep(FAREWELL).await;
    };
    tokio::select! {
        done = axum::serve(Patient { listener, patience }, router).with_graceful_shutdown(stop) => done,
        () = farewell => Ok(()),
    }
}

/// Has the connection closed: nobody asks often enough to keep it.
async fn last_answer(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

async fn ready(State(server): State<Server>) -> Response {
    match &*server.ready.borrow() {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn measured(State(server): State<Server>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], server.metrics.text()).into_response()
}

async fn pushed(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(webhook) = &server.webhook else { return StatusCode::NOT_FOUND.into_response() };
    let (result, status, said) = match webhook::read(&headers, &body, &webhook.secret) {
        Ok(Some(push)) => {
            let followed = webhook.follows.borrow();
            match followed.as_ref() {
                Some(followed) if *followed != push.reference => {
                    ("other_reference", StatusCode::ACCEPTED, format!("{followed} is followed"))
                }
                _ => {
                    tracing::info!(reference = push.reference, commit = push.commit, "a push");
                    webhook.pushed.notify_one();
                    ("push", StatusCode::ACCEPTED, "git is asked now".to_owned())
                }
            }
        }
        Ok(None) => ("other_event", StatusCode::OK, "pushes are waited for".to_owned()),
        Err(refusal) => {
            tracing::warn!(%refusal, "a webhook was refused");
            let status = StatusCode::from_u16(refusal.status()).expect("a status of HTTP");
            (refusal.name(), status, refusal.to_string())
        }
    };
    server.metrics.webhook(result);
    (status, format!("{said}\n")).into_response()
}

/// A listener whose connections end: axum's own wait for whoever says nothing.
struct Patient {
    listener: TcpListener,
    patience: Duration,
}

impl Listener for Patient {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection { stream, end: Box::pin(sleep(self.patience)) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails once its time is over.
struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
}

impl Connection {
    /// The stream, as long as there is time.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    const TOKEN: &str = "a secret";

    const TEST_PATIENCE: Duration = Duration::from_secs(4);

    /// A server on loopback, and what it is told.
    struct World {
        address: SocketAddr,
        ready: watch::Sender<Result<(), String>>,
        follows: watch::Sender<Option<String>>,
        pushed: Arc<Notify>,
        metrics: Arc<Metrics>,
        stop: oneshot::Sender<()>,
        done: JoinHandle<io::Result<()>>,
    }

    impl World {
        async fn new(secret: Option<&str>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (ready, is_ready) = watch::channel(Err("no commit was applied yet".to_owned()));
            let (follows, followed) = watch::channel(None);
            let (pushed, metrics) = (Arc::new(Notify::new()), Arc::new(Metrics::default()));
            let webhook = secret.and_then(Secret::new).map(|secret| Webhook {
                secret: Arc::new(secret),
                follows: followed,
                pushed: Arc::clone(&pushed),
            });
            let server = Server { ready: is_ready, metrics: Arc::clone(&metrics), webhook };
            let (stop, stopped) = oneshot::channel();
            let done = tokio::spawn(serve_within(TEST_PATIENCE, listener, server, async {
                let _ = stopped.await;
            }));
            World { address, ready, follows, pushed, metrics, stop, done }
        }

        /// Sends this, and gives the answer up to the end of the connection.
        async fn say(&self, request: impl AsRef<[u8]>) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            // An answer may come before everything was sent.
            let _ = stream.write_all(request.as_ref()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8(answer).unwrap()
        }

        async fn get(&self, path: &str) -> String {
            self.say(format!("GET {path} HTTP/1.1\r\nHost: plumb\r\n\r\n")).await
        }

        /// Sends a push as GitLab does.
        async fn push(&self, token: &str, body: &str) -> String {
            let length = body.len();
            self.say(format!(
                "POST /webhook HTTP/1.1\r\nHost: plumb\r\nX-Gitlab-Event: Push Hook\r\n\
                 X-Gitlab-Token: {token}\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .await
        }

        async fn was_woken(&self) -> bool {
            timeout(Duration::from_millis(50), self.pushed.notified()).await.is_ok()
        }
    }

    fn status(answer: &str) -> &str {
        answer.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3)).unwrap_or(answer)
    }

    fn body(answer: &str) -> &str {
        answer.split_once("\r\n\r\n").map_or("", |it| it.1)
    }

    #[tokio::test]
    async fn probes_are_told_whether_the_cluster_follows_and_why_not() {
        let world = World::new(None).await;
        assert_eq!(status(&world.get("/healthz").await), "200");
        let answer = world.get("/readyz").await;
        assert_eq!((status(&answer), body(&answer)), ("503", "no commit was applied yet\n"));
        world.ready.send(Ok(())).unwrap();
        assert_eq!(status(&world.get("/readyz").await), "200");
        world.ready.send(Err("git does not answer".to_owned())).unwrap();
        assert_eq!(body(&world.get("/readyz").await), "git does not answer\n");
        assert_eq!(status(&world.get("/").await), "404");
    }

    #[tokio::test]
    async fn prometheus_gets_open_metrics() {
        let world = World::new(None).await;
        world.metrics.error("conflict");
        let answer = world.get("/metrics").await;
        assert!(
            answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{answer}"
        );
        assert!(answer.contains("plumb_errors_total{cause=\"conflict\"} 1\n"), "{answer}");
        assert!(answer.ends_with("# EOF\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_push_to_what_is_followed_wakes_who_waits_for_it() {
        let world = World::new(Some(TOKEN)).await;
        let (main, other) = (r#"{"ref":"refs/heads/main"}"#, r#"{"ref":"refs/heads/other"}"#);
        // As long as nobody knows what is followed.
        assert_eq!(status(&world.push(TOKEN, other).await), "202");
        assert!(world.was_woken().await);
        world.follows.send(Some("refs/heads/main".to_owned())).unwrap();
        let answer = world.push(TOKEN, other).await;
        assert_eq!((status(&answer), body(&answer)), ("202", "refs/heads/main is followed\n"));
        assert!(!world.was_woken().await);
        assert_eq!(status(&world.push(TOKEN, main).await), "202");
        assert!(world.was_woken().await);
        for (token, body, expected) in [("wrong", main, "401"), (TOKEN, "{", "400")] {
            assert_eq!(status(&world.push(token, body).await), expected);
        }
        let unsigned = "POST /webhook HTTP/1.1\r\nHost: plumb\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(status(&world.say(unsigned).await), "401");
        assert_eq!(status(&world.get("/webhook").await), "405");
        assert!(!world.was_woken().await);
        let text = world.metrics.text();
        for (result, count) in
            [("push", 2), ("other_reference", 1), ("forged", 1), ("malformed", 1), ("unsigned", 1)]
        {
            let line = format!("plumb_webhooks_total{{result=\"{result}\"}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }

    #[tokio::test]
    async fn without_a_secret_nothing_takes_a_push() {
        for secret in [None, Some(" \n")] {
            let world = World::new(secret).await;
            assert_eq!(status(&world.push("", r#"{"ref":"refs/heads/main"}"#).await), "404");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_not_read() {
        let world = World::new(Some(TOKEN)).await;
        let long = " ".repeat(MAX_BODY + 1);
        assert_eq!(status(&world.push(TOKEN, &long).await), "413");
        let chunks = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
        let head = "POST /webhook HTTP/1.1\r\nHost: plumb\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(status(&world.say(format!("{head}{chunks}")).await), "413");
        let fits = format!(r#"{{"ref":"refs/heads/main"}}{}"#, " ".repeat(MAX_BODY - 25));
        assert_eq!(status(&world.push(TOKEN, &fits).await), "202");
    }

    #[tokio::test]
    async fn who_is_slow_is_cut_off_and_keeps_nobody_waiting() {
        let world = World::new(Some(TOKEN)).await;
        let begun = Instant::now();
        let beginnings = [
            "",
            "GET /healthz HTTP/1.1\r\nX-Slow: ",
            "POST /webhook HTTP/1.1\r\nHost: plumb\r\nContent-Length: 100\r\n\r\n{",
        ];
        let mut slow = Vec::new();
        for beginning in beginnings {
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            slow.push(stream);
        }
        assert_eq!(status(&world.get("/healthz").await), "200");
        assert!(begun.elapsed() < Duration::from_secs(1));
        for mut stream in slow {
            let mut rest = Vec::new();
            let _ =
                timeout(TEST_PATIENCE * 2, stream.read_to_end(&mut rest)).await.expect("cut off");
        }
        assert!(begun.elapsed() > TEST_PATIENCE - Duration::from_secs(1));
    }

    #[tokio::test]
    async fn told_to_stop_it_answers_who_has_asked_and_waits_for_nobody_else() {
        let world = World::new(None).await;
        let mut asked = TcpStream::connect(world.address).await.unwrap();
        asked.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        let silent = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(status(&world.get("/healthz").await), "200");
        let begun = Instant::now();
        world.stop.send(()).unwrap();
        asked.write_all(b"Host: plumb\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).await.unwrap();
        assert_eq!(status(&answer), "200");
        world.done.await.unwrap().unwrap();
        assert!(begun.elapsed() < FAREWELL + Duration::from_secs(1));
        assert!(TcpStream::connect(world.address).await.is_err());
        drop(silent);
    }
}
