//! The API server: the one module that speaks to it.
//!
//! Every object is what the server says, as JSON. Nothing is asked again here: who asks knows when that helps.

use crate::FIELD_MANAGER;
use crate::inventory::{ID, PAGE_OF, Page, Set};
use crate::refusal::{Reason, Refusal};
use crate::render::Resource;
use futures::{Stream, StreamExt};
use http::{Method, Request};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::{Builder, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config};
use plumb_compiler::changes::Identity;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tower::{BoxError, ServiceBuilder};

/// How long an answer may take. A server gives up a request of its own after a minute.
const PATIENCE: Duration = Duration::from_secs(70);

/// The longest time between two tries of a watch.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The objects that a page of a list has.
const PAGE: usize = 500;

/// A cluster, by its API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    shown: String,
}

/// How an object is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Apply {
    /// Nothing is kept; the answer is what would be.
    pub dry_run: bool,
    /// Fields of other managers become ours.
    pub force: bool,
}

/// What the server made of an applied object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// As it is now.
    pub object: Json,
    /// It was not there before.
    pub is_new: bool,
}

/// What happens to the objects of a kind.
#[derive(Clone, Debug)]
pub enum Event {
    /// An object is there, as it is now.
    Is(Json),
    /// An object is not there any more; as it was last.
    Gone(Json),
    /// All that there are were told since the last [`Event::Anew`].
    Complete,
    /// All are told anew: what is not told until it is complete is not there any more.
    Anew,
    /// The server cannot be heard; why. It is asked again.
    Lost(Refusal),
}

impl Cluster {
    /// The cluster of a context of the kubeconfig, or its current one; without a kubeconfig, the cluster that the
    /// program runs in.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing.
    pub async fn connect(context: Option<&str>) -> Result<Self, String> {
        // Said once for the whole program; whoever says it first is heard.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (mut config, shown) = match (context, Kubeconfig::read()) {
            (_, Ok(kubeconfig)) => {
                let asked =
                    context.map(str::to_owned).or_else(|| kubeconfig.current_context.clone());
                let known: Vec<&str> =
                    kubeconfig.contexts.iter().map(|it| it.name.as_str()).collect();
                if let Some(name) = asked.as_deref().filter(|name| !known.contains(name)) {
                    let known = match known.as_slice() {
                        [] => "it has none".to_owned(),
                        known => format!("it has {}", known.join(", ")),
                    };
                    return Err(format!("the kubeconfig has no context `{name}`; {known}"));
                }
                let options =
                    KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
                let config = Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(|error| format!("the kubeconfig cannot be used: {}", chain(&error)))?;
                (config, asked)
            }
            (Some(name), Err(error)) => {
                return Err(format!("there is no context `{name}`: {}", chain(&error)));
            }
            (None, Err(error)) => match Config::incluster() {
                Ok(config) => (config, None),
                Err(_) => {
                    return Err(format!(
                        "no cluster is known: {}; set KUBECONFIG, or run in a cluster",
                        chain(&error)
                    ));
                }
            },
        };
        config.default_retry = false;
        let shown = shown.unwrap_or_else(|| config.cluster_url.to_string());
        let client = client(config)
            .map_err(|error| format!("{shown} cannot be connected to: {}", chain(&error)))?;
        Ok(Cluster { client, shown })
    }

    /// What users call it: the context, or the address.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Applies an object by server-side apply.
    pub async fn apply(
        &self,
        resource: &Resource,
        identity: &Identity,
        object: &Json,
        how: Apply,
    ) -> Result<Applied, Refusal> {
        let mut path = format!("{}?fieldManager={FIELD_MANAGER}", object_path(resource, identity));
        if how.force {
            path.push_str("&force=true");
        }
        if how.dry_run {
            path.push_str("&dryRun=All");
        }
        let (code, object) =
            self.ask(Method::PATCH, &path, Some(("application/apply-patch+yaml", object))).await?;
        Ok(Applied { object, is_new: code == 201 })
    }

    /// An object, if it is there.
    pub async fn get(
        &self,
        resource: &Resource,
        identity: &Identity,
    ) -> Result<Option<Json>, Refusal> {
        match self.ask(Method::GET, &object_path(resource, identity), None).await {
            Ok((_, object)) => Ok(Some(object)),
            Err(refusal) if is_absent(&refusal) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// The objects of a kind with this label selector (empty: all), in a namespace or in all. None where the kind is
    /// not served.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Json>, Refusal> {
        self.list_as(resource, namespace, selector, "application/json").await
    }

    /// The metadata of all objects of a kind, in a namespace or in all.
    pub async fn list_metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Json>, Refusal> {
        let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        self.list_as(resource, namespace, "", accept).await
    }

    async fn list_as(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
        accept: &str,
    ) -> Result<Vec<Json>, Refusal> {
        let path = collection(resource, namespace);
        let selector = escaped(selector);
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let page =
                format!("{path}?limit={PAGE}&labelSelector={selector}&continue={}", escaped(&next));
            let mut list = match self.ask_for(accept, Method::GET, &page, None).await {
                Ok((_, list)) => list,
                Err(refusal) if refusal.kind == Reason::NoKind => return Ok(Vec::new()),
                Err(refusal) => return Err(refusal),
            };
            if let Json::Array(items) = list["items"].take() {
                found.extend(items.into_iter().map(|object| with_kind(object, resource)));
            }
            match list["metadata"]["continue"].as_str().filter(|it| !it.is_empty()) {
                Some(more) => next = more.to_owned(),
                None => return Ok(found),
            }
        }
    }

    /// Whether there is an object of a kind.
    pub async fn has_any(&self, resource: &Resource) -> Result<bool, Refusal> {
        let path = format!("{}?limit=1", collection(resource, None));
        match self.ask(Method::GET, &path, None).await {
            Ok((_, list)) => Ok(list["items"].as_array().is_some_and(|it| !it.is_empty())),
            Err(refusal) if is_absent(&refusal) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// Deletes the object that has this UID, and in the background what it owns. Gives whether it is gone; else it is on
    /// its way, and something holds it.
    pub async fn delete(
        &self,
        resource: &Resource,
        identity: &Identity,
        uid: &str,
        dry_run: bool,
    ) -> Result<bool, Refusal> {
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": { "uid": uid }, "propagationPolicy": "Background",
        });
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let path = object_path(resource, identity);
        match self.ask(Method::DELETE, &path, Some(("application/json", &options))).await {
            Ok((_, answer)) => Ok(answer["metadata"]["deletionTimestamp"].is_null()),
            Err(refusal) if is_absent(&refusal) => Ok(true),
            Err(refusal) => Err(refusal),
        }
    }

    /// The ConfigMaps of a set.
    pub async fn pages(&self, set: &Set) -> Result<Vec<Json>, Refusal> {
        let selector = format!("{PAGE_OF}={}", set.id());
        self.list(&config_maps(), Some(&set.namespace), &selector).await
    }

    /// Writes a page of an inventory, or deletes it. Gives its new version.
    ///
    /// The page must be as it was read: two who write one inventory do not overwrite each other. A parent that another
    /// tool made is never taken over, by the specification.
    pub async fn write_page(&self, set: &Set, page: &Page) -> Result<Option<String>, Refusal> {
        let identity = config_map(&set.namespace, &page.name);
        let path = object_path(&config_maps(), &identity);
        let written = match (&page.object, &page.version) {
            (Some(object), None) => {
                let path = collection(&config_maps(), Some(&set.namespace));
                let path = format!("{path}?fieldManager={FIELD_MANAGER}");
                self.ask(Method::POST, &path, Some(("application/json", object))).await?
            }
            (Some(object), Some(_)) => {
                let path = format!("{path}?fieldManager={FIELD_MANAGER}");
                self.ask(Method::PUT, &path, Some(("application/json", object))).await?
            }
            (None, version) => {
                let options = json!({
                    "apiVersion": "v1", "kind": "DeleteOptions",
                    "preconditions": { "resourceVersion": version },
                });
                match self.ask(Method::DELETE, &path, Some(("application/json", &options))).await {
                    Ok(_) => return Ok(None),
                    Err(refusal) if is_absent(&refusal) => return Ok(None),
                    Err(refusal) => return Err(refusal),
                }
            }
        };
        debug_assert!(written.1["metadata"]["labels"][ID].is_string() == (page.number == 0));
        Ok(written.1["metadata"]["resourceVersion"].as_str().map(str::to_owned))
    }

    /// Makes a namespace, if it is not there.
    pub async fn ensure_namespace(&self, name: &str) -> Result<(), Refusal> {
        let namespaces = Resource {
            group: "".into(),
            version: "v1".into(),
            kind: "Namespace".into(),
            plural: "namespaces".into(),
            namespaced: false,
        };
        let identity = Identity {
            kind: "Namespace".into(),
            group: "".into(),
            namespace: None,
            name: name.into(),
        };
        if self.get(&namespaces, &identity).await?.is_some() {
            return Ok(());
        }
        let object =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let path = format!("/api/v1/namespaces?fieldManager={FIELD_MANAGER}");
        match self.ask(Method::POST, &path, Some(("application/json", &object))).await {
            Ok(_) => Ok(()),
            // Somebody else made it in between.
            Err(refusal) if refusal.kind == Reason::Stale => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Writes an Event (events.k8s.io/v1), or one more of a series.
    pub async fn post_event(&self, namespace: &str, event: &Json) -> Result<(), Refusal> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", escaped(namespace));
        self.ask(Method::POST, &path, Some(("application/json", event))).await.map(|_| ())
    }

    /// What happens to the objects of a kind with this label selector, in a namespace or in all, from now on. It begins with all that
    /// there are; what ends the connection, or a history that is no longer there, makes it begin anew.
    pub fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> impl Stream<Item = Event> + use<> {
        let of = api_resource(resource);
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &of),
            None => Api::all_with(self.client.clone(), &of),
        };
        let config = watcher::Config::default().labels(selector).page_size(PAGE as u32);
        let resource = resource.clone();
        watcher(api, config).backoff(Pauses::default()).map(move |event| {
            let json = |object: DynamicObject| {
                let object = serde_json::to_value(object).unwrap_or_default();
                with_kind(object, &resource)
            };
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    Event::Is(json(object))
                }
                Ok(watcher::Event::Delete(object)) => Event::Gone(json(object)),
                Ok(watcher::Event::Init) => Event::Anew,
                Ok(watcher::Event::InitDone) => Event::Complete,
                Err(error) => Event::Lost(lost(&error)),
            }
        })
    }

    /// Asks, and waits for the answer so long as a server would.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Json)>,
    ) -> Result<(u16, Json), Refusal> {
        self.ask_for("application/json", method, path, body).await
    }

    async fn ask_for(
        &self,
        accept: &str,
        method: Method,
        path: &str,
        body: Option<(&str, &Json)>,
    ) -> Result<(u16, Json), Refusal> {
        let mut request = Request::builder().method(method).uri(path).header("accept", accept);
        let bytes = match body {
            Some((content, body)) => {
                request = request.header("content-type", content);
                serde_json::to_vec(body).unwrap_or_default()
            }
            None => Vec::new(),
        };
        let request = request.body(kube::client::Body::from(bytes)).map_err(|error| {
            Refusal::unreachable(format!("{path} cannot be asked for: {error}"))
        })?;
        let unreachable = |why: String| {
            Refusal::unreachable(format!(
                "the API server of {} cannot be reached: {why}",
                self.shown
            ))
        };
        let answer = async {
            let response =
                self.client.send(request).await.map_err(|error| unreachable(chain(&error)))?;
            let code = response.status().as_u16();
            let retry_after = response.headers().get("retry-after");
            let retry_after = retry_after.and_then(|it| it.to_str().ok()?.parse().ok());
            let body = response
                .into_body()
                .collect_bytes()
                .await
                .map_err(|error| unreachable(chain(&error)))?;
            let text = String::from_utf8_lossy(&body);
            if !(200..300).contains(&code) {
                return Err(Refusal::read(code, retry_after, &text));
            }
            let json = serde_json::from_str(&text).map_err(|_| Refusal::read(502, None, &text))?;
            Ok((code, json))
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(unreachable(format!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }
}

/// Between two tries of a watch: those of client-go, but that what happens once a server is back is seen soon.
#[derive(Default)]
struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|it| it.min(LONGEST_PAUSE))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// kube's own client, but that no packet waits for the last one to be acknowledged: after a handshake that takes a
/// server 40 ms, once a connection.
fn client(config: Config) -> kube::Result<Client> {
    // kube says why, where it cannot.
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let mut connector = TimeoutConnector::new(connector);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Builder::new(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

/// Why a watch ended, or could not begin.
fn lost(error: &watcher::Error) -> Refusal {
    let status = match error {
        watcher::Error::WatchError(status) => Some(status),
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    };
    match status {
        Some(status) => {
            let mut body = serde_json::to_value(status).unwrap_or_default();
            body["kind"] = json!("Status");
            Refusal::read(status.code, None, &body.to_string())
        }
        None => Refusal::unreachable(chain(error)),
    }
}

fn is_absent(refusal: &Refusal) -> bool {
    matches!(refusal.kind, Reason::Gone | Reason::NoKind | Reason::NoNamespace)
}

/// Items of lists say no kind; metadata says that it is of metadata.
fn with_kind(mut object: Json, resource: &Resource) -> Json {
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind.as_str());
    object
}

fn api_resource(resource: &Resource) -> ApiResource {
    ApiResource {
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        api_version: resource.api_version(),
        kind: resource.kind.to_string(),
        plural: resource.plural.to_string(),
    }
}

/// ConfigMaps, which hold inventories.
pub fn config_maps() -> Resource {
    Resource {
        group: "".into(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        namespaced: true,
    }
}

fn config_map(namespace: &str, name: &str) -> Identity {
    Identity {
        kind: "ConfigMap".into(),
        group: "".into(),
        namespace: Some(namespace.into()),
        name: name.into(),
    }
}

fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    match namespace {
        Some(namespace) if resource.namespaced => {
            format!("{root}/namespaces/{}/{}", escaped(namespace), resource.plural)
        }
        _ => format!("{root}/{}", resource.plural),
    }
}

fn object_path(resource: &Resource, identity: &Identity) -> String {
    let collection = collection(resource, identity.namespace.as_deref());
    format!("{collection}/{}", escaped(&identity.name))
}

/// A text as a part of a URL.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into())
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What went wrong, and why, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !said.iter().any(|it| it.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ")
}
