//! `plumb apply` and `plumb apply --watch` in a real cluster: etcd, kube-apiserver, its controllers, nodes that are
//! played.

mod following;

use following::{Follower, apply, eventually, told};
use plumb_tests::cluster::{ControlPlane, Patch, binaries, controllers};
use plumb_tests::git::GitServer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One for all tests: each has namespaces and a workspace of its own.
fn cluster() -> &'static ControlPlane {
    static CLUSTER: OnceLock<ControlPlane> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        ControlPlane::start_full(&binaries().unwrap(), &controllers().unwrap(), 3).unwrap()
    })
}

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.autoscaling.v2 as autoscaling
use k8s.core.v1 as core

schema Env {}

environment prod: Env {}

schema Team {}

compose Team as team {
    emit core.Namespace { metadata.name = team.name }
}

schema Web {
    image: String = "registry.example.org/web:1"
    replicas: Int = 2
    max: Int?
    drift: String?
    env: {EnvName: String} = {}
}

defaults Web in prod {
    replicas = 3
}

compose Web as web {
    let labels = { app = web.name }
    let meta = {
        name = web.name
        labels = labels
        annotations = if let drift = web.drift => { "plumb.dev/drift" = drift } else {}
    }
    emit core.ConfigMap {
        metadata = meta
        data = { name = web.name }
    }
    emit apps.Deployment {
        metadata = meta
        spec = {
            replicas = if web.max != none => initial(web.replicas, owner = "hpa") else web.replicas
            selector.matchLabels = labels
            template.metadata.labels = labels
            template.spec.containers = [{
                name = "web"
                image = web.image
                env = [for name, value in web.env => { name = name, value = value }]
                resources.requests = { cpu = 1500m, memory = 1Gi }
            }]
        }
    }
    emit core.Service {
        metadata = meta
        spec = { selector = labels, ports = [{ port = 80 }] }
    }
    if let max = web.max {
        emit autoscaling.HorizontalPodAutoscaler {
            metadata = meta
            spec = {
                scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = web.name }
                maxReplicas = max
            }
        }
    }
}
"#;

/// A repository of a workspace that is called as its namespace.
struct Team {
    server: GitServer,
    namespace: String,
}

impl Team {
    fn new(namespace: &str) -> Team {
        let server = GitServer::start().unwrap();
        let team = Team { server, namespace: namespace.to_owned() };
        let manifest = format!("name = \"{namespace}\"\n");
        let own = format!("use platform\n\nrequest {namespace}: platform.Team {{}}\n");
        let files = [
            ("plumb.toml", manifest.as_str()),
            ("platform/platform.plumb", PLATFORM),
            ("team/team.plumb", own.as_str()),
        ];
        team.server.repository().commit("A platform", &files).unwrap();
        team
    }

    /// Commits the requests of the package `apps`.
    fn apps(&self, text: &str) -> String {
        self.package("apps", text)
    }

    fn package(&self, package: &str, text: &str) -> String {
        let text = self.file(text);
        let path = format!("{package}/{package}.plumb");
        self.server.repository().commit("Say what is wanted", &[(&path, &text)]).unwrap()
    }

    fn file(&self, text: &str) -> String {
        format!("use platform\n\npackage {{ namespace = \"{}\" }}\n\n{text}\n", self.namespace)
    }

    fn follow(&self, arguments: &[&str]) -> Follower {
        Follower::start(&cluster().kubeconfig(), &self.server.url(), "prod", arguments)
    }

    fn path(&self, collection: &str, name: &str) -> String {
        let root = match collection {
            "deployments" => "/apis/apps/v1",
            "horizontalpodautoscalers" => "/apis/autoscaling/v2",
            _ => "/api/v1",
        };
        format!("{root}/namespaces/{}/{collection}/{name}", self.namespace)
    }

    fn read(&self, collection: &str, name: &str) -> Option<Value> {
        cluster().read(&self.path(collection, name)).ok()
    }

    fn scale(&self, name: &str, replicas: u32, manager: &str) {
        let path = format!("{}/scale?fieldManager={manager}", self.path("deployments", name));
        cluster().patch(&path, Patch::Merge, &json!({ "spec": { "replicas": replicas } })).unwrap();
    }

    fn set_image(&self, name: &str, image: &str) {
        let path = format!("{}?fieldManager=kubectl-set", self.path("deployments", name));
        let containers = json!([{ "name": "web", "image": image }]);
        let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        cluster().patch(&path, Patch::Strategic, &patch).unwrap();
    }

    fn replicas(&self, name: &str) -> Value {
        self.read("deployments", name).unwrap()["spec"]["replicas"].clone()
    }
}

fn acme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples").join("acme")
}

/// The version of each object of the example's set.
fn versions() -> BTreeMap<String, String> {
    let parent = cluster().read("/api/v1/namespaces/plumb-system/configmaps/acme.prod").unwrap();
    let data = parent["data"].as_object().unwrap().values();
    let lines =
        data.flat_map(|it| it.as_str().unwrap().lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .map(|line| {
            let mut parts = line.split(' ');
            let (kind, object) = (parts.next().unwrap(), parts.next().unwrap());
            let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
            let (namespace, name) = object.split_once('/').unwrap();
            let version = if kind == "HorizontalPodAutoscaler" { "v2" } else { "v1" };
            let object = json!({
                "apiVersion": if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
                "kind": kind,
                "metadata": { "name": name, "namespace": namespace },
            });
            let found = cluster().read(&cluster().path(&object).unwrap()).unwrap();
            // Controllers write the status; whatever else is written is a new generation or new metadata.
            let of = format!("{}, {}", found["metadata"]["generation"], found["metadata"]["managedFields"][0]);
            (line, of)
        })
        .collect()
}

#[test]
fn the_example_works_and_a_second_apply_sends_nothing() {
    let kubeconfig = cluster().kubeconfig();
    let first = apply(&kubeconfig, &acme(), &["--env", "prod", "--wait", "--timeout", "2m"]);
    assert_eq!(first.status.code(), Some(0), "{}", told(&first));
    let deployments = cluster().list("/apis/apps/v1/deployments").unwrap();
    let ours: Vec<&Value> = deployments
        .iter()
        .filter(|it| ["shop", "billing"].contains(&it["metadata"]["namespace"].as_str().unwrap()))
        .collect();
    assert_eq!(ours.len(), 4);
    for deployment in ours {
        let status = &deployment["status"];
        assert_eq!(status["availableReplicas"], status["replicas"], "{deployment}");
        assert!(status["availableReplicas"].as_u64() >= Some(1), "{deployment}");
    }
    let before = versions();
    assert_eq!(before.len(), 45);
    let second = apply(&kubeconfig, &acme(), &["--env", "prod", "--output", "json"]);
    assert_eq!(second.status.code(), Some(0), "{}", told(&second));
    let report: Value = serde_json::from_slice(&second.stdout).unwrap();
    let actions = report["objects"].as_array().unwrap().iter().map(|it| it["action"].as_str());
    assert!(actions.clone().all(|it| it == Some("same")), "{report}");
    assert_eq!(actions.count(), 45);
    assert_eq!(versions(), before);
}

#[test]
fn what_others_change_is_told_with_its_owner_and_the_line_that_says_otherwise() {
    let team = Team::new("reported");
    let commit = team.apps(
        "request shop: platform.Web { env = { A = \"1\" } }\n\nrequest cart: platform.Web {}",
    );
    let follower = team.follow(&[]);
    assert_eq!(follower.applied(&commit)["failed"], 0);

    team.scale("shop", 7, "kubectl");
    let told = follower.until(0, "drift", |it| it["object"] == "Deployment/shop@reported");
    for (field, expected) in [
        ("path", json!("spec.replicas")),
        ("kind", json!("changed")),
        ("declared", json!("3")),
        ("live", json!("7")),
        ("owner", json!("kubectl (Update of scale)")),
        ("owner_is_guess", json!(false)),
        ("request", json!("apps.shop")),
        ("source", json!("platform/platform.plumb:24")),
        ("layer", json!("defaults Web in prod")),
        ("author", json!("Plumb <plumb@example.org>")),
        ("policy", json!("report")),
    ] {
        assert_eq!(told[field], expected, "{field}: {told}");
    }
    assert!(
        told["layers"].as_str().unwrap().contains("schema Web, platform/platform.plumb:17"),
        "{told}"
    );
    // An Event says so on the object.
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", team.namespace);
    eventually("there is an Event", || {
        let events = cluster().list(&events).unwrap();
        events.iter().any(|it| it["reason"] == "Drift" && it["regarding"]["name"] == "shop")
    });

    team.set_image("cart", "nginx:1");
    let told = follower.until(0, "drift", |it| it["object"] == "Deployment/cart@reported");
    assert_eq!(told["path"], r#"spec.template.spec.containers["web"].image"#);
    assert_eq!(told["owner"], "kubectl-set (Update)");
    assert_eq!(told["live"], "\"nginx:1\"");
    assert_eq!(told["source"], "platform/platform.plumb:16");

    cluster().delete(&team.path("services", "cart")).unwrap();
    let told = follower.until(0, "drift", |it| it["object"] == "Service/cart@reported");
    assert_eq!(
        (&told["kind"], &told["source"]),
        (&json!("deleted"), &json!("platform/platform.plumb:52"))
    );

    // A report changes nothing, and is over when the difference is.
    assert_eq!(team.replicas("shop"), 7);
    team.scale("shop", 3, "kubectl");
    follower.until(0, "drift is over", |it| it["object"] == "Deployment/shop@reported");
    assert!(team.read("services", "cart").is_none());
    // What git changes is applied all the same, and what it does not change stays reported.
    let commit =
        team.apps("request shop: platform.Web {}\n\nrequest cart: platform.Web { replicas = 4 }");
    follower.applied(&commit);
    assert_eq!(team.replicas("cart"), 4);
    assert!(team.read("services", "cart").is_none());
}

#[test]
fn quantities_and_defaults_that_the_server_writes_otherwise_are_no_drift() {
    let team = Team::new("normal");
    let commit = team.apps("request shop: platform.Web {}");
    let follower = team.follow(&[]);
    follower.applied(&commit);
    // 1500m is written as it is said by others, too.
    let path = format!("{}?fieldManager=somebody", team.path("deployments", "shop"));
    let resources = json!({ "requests": { "cpu": "1.5", "memory": "1024Mi" } });
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "resources": resources }] } } } });
    cluster().patch(&path, Patch::Strategic, &patch).unwrap();
    // A mark that the watch has passed on what was before.
    team.scale("shop", 5, "kubectl");
    follower.until(0, "drift", |it| it["path"] == "spec.replicas");
    assert_eq!(follower.said(0, "drift").len(), 1, "{:?}", follower.said(0, "drift"));
}

#[test]
fn drift_is_undone_where_that_is_asked_for() {
    let team = Team::new("corrected");
    let commit = team
        .apps("request shop: platform.Web {}\n\nrequest free: platform.Web { drift = \"report\" }");
    let follower = team.follow(&["--drift", "correct"]);
    follower.applied(&commit);
    team.scale("shop", 7, "kubectl");
    team.scale("free", 7, "kubectl");
    eventually("it has three again", || team.replicas("shop") == 3);
    cluster().delete(&team.path("services", "shop")).unwrap();
    eventually("the Service is there again", || team.read("services", "shop").is_some());
    follower.until(0, "drift", |it| it["object"] == "Deployment/free@corrected");
    // Out of the set is drift as well.
    let label = json!({ "metadata": { "labels": { "applyset.kubernetes.io/part-of": null } } });
    cluster().patch(&team.path("configmaps", "shop"), Patch::Merge, &label).unwrap();
    follower.until(0, "drift", |it| it["kind"] == "disowned");
    eventually("it is of the set again", || {
        let labels = &team.read("configmaps", "shop").unwrap()["metadata"]["labels"];
        labels["applyset.kubernetes.io/part-of"].is_string()
    });
    assert_eq!(team.replicas("free"), 7, "where drift is reported it stays");
    // Whoever changes it again and again is named, and not fought.
    for _ in 0..3 {
        eventually("it has three again", || team.replicas("shop") == 3);
        team.scale("shop", 7, "stubborn");
    }
    let turns = follower.until(0, "somebody takes turns with us", |_| true);
    assert_eq!(turns["with"], "stubborn (Update of scale)");
    assert!(turns["next_in_seconds"].as_u64() > Some(30), "{turns}");
}

#[test]
fn a_request_is_renamed_moved_and_removed() {
    let team = Team::new("moved");
    let commit = team.apps("request shop: platform.Web {}\n\nrequest cart: platform.Web {}");
    let follower = team.follow(&[]);
    follower.applied(&commit);
    let uid = team.read("deployments", "cart").unwrap()["metadata"]["uid"].clone();

    let commit = team.apps("request store: platform.Web {}\n\nrequest cart: platform.Web {}");
    follower.applied(&commit);
    assert!(team.read("deployments", "store").is_some());
    eventually("what the old name made is gone", || team.read("deployments", "shop").is_none());

    // To another package, in one commit: its objects stay the ones that they are.
    let moved =
        [("apps", "request store: platform.Web {}"), ("carts", "request cart: platform.Web {}")];
    let files =
        moved.map(|(package, text)| (format!("{package}/{package}.plumb"), team.file(text)));
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let commit = team.server.repository().commit("Move the cart", &files).unwrap();
    follower.applied(&commit);
    eventually("the inventory has it under its new package", || {
        let parent =
            cluster().read("/api/v1/namespaces/plumb-system/configmaps/moved.prod").unwrap();
        let has = |package: &str| {
            let lines = parent["data"][package].as_str().unwrap_or_default();
            lines.contains("Deployment.apps moved/cart ")
        };
        has("carts") && !has("apps")
    });
    assert_eq!(team.read("deployments", "cart").unwrap()["metadata"]["uid"], uid);

    let commit = team.server.repository().remove("No carts", &["carts/carts.plumb"]).unwrap();
    follower.applied(&commit);
    eventually("it is gone", || team.read("deployments", "cart").is_none());
    assert!(team.read("deployments", "store").is_some());
}

#[test]
fn a_package_that_does_not_build_keeps_what_it_has_and_delays_nobody() {
    let team = Team::new("broken");
    team.package("good", "request good: platform.Web {}");
    let commit = team.apps("request shop: platform.Web {}\n\nrequest cart: platform.Web {}");
    let follower = team.follow(&[]);
    follower.applied(&commit);

    // One request is gone, another has a mistake; at once the other package changes.
    team.package("good", "request good: platform.Web { replicas = 5 }");
    let commit = team.apps("request shop: platform.Web { replicas = \"many\" }");
    let applied = follower.applied(&commit);
    assert_eq!(applied["blocked"], 1, "{applied}");
    assert_eq!(team.replicas("good"), 5);
    assert!(team.read("deployments", "shop").is_some());
    assert!(team.read("deployments", "cart").is_some(), "whether it is gone is not known");
    // What stays is still looked after.
    team.scale("shop", 9, "kubectl");
    follower.until(0, "drift", |it| it["object"] == "Deployment/shop@broken");

    let commit = team.apps("request shop: platform.Web { replicas = 4 }");
    let applied = follower.applied(&commit);
    assert_eq!((&applied["blocked"], &applied["failed"]), (&json!(0), &json!(0)));
    assert_eq!(team.replicas("shop"), 4);
    eventually("now it is known", || team.read("deployments", "cart").is_none());
}

#[test]
fn an_autoscaler_takes_over_without_a_pod_less() {
    let team = Team::new("scaled");
    let commit = team.apps("request shop: platform.Web { replicas = 4 }");
    let follower = team.follow(&["--drift", "correct"]);
    follower.applied(&commit);
    assert_eq!(team.replicas("shop"), 4);
    let available = |count: u64| {
        eventually("the pods are there", || {
            team.read("deployments", "shop").unwrap()["status"]["availableReplicas"] == count
        });
    };
    available(4);
    // The field is left to an autoscaler: what is there stays, whatever git now says that it begins with.
    let commit = team.apps("request shop: platform.Web { replicas = 2, max = 8 }");
    follower.applied(&commit);
    assert_eq!(team.replicas("shop"), 4);
    assert!(team.read("horizontalpodautoscalers", "shop").is_some());
    // It scales, and is let alone by us, at changes of other fields too.
    team.scale("shop", 6, "kube-controller-manager");
    let commit = team.apps("request shop: platform.Web { replicas = 2, max = 8, image = \"registry.example.org/web:2\" }");
    follower.applied(&commit);
    assert_eq!(team.replicas("shop"), 6);
    available(6);
    let owners = team.read("deployments", "shop").unwrap();
    let owners = owners["metadata"]["managedFields"].as_array().unwrap().clone();
    let owns = |manager: &str| {
        owners
            .iter()
            .any(|it| it["manager"] == manager && !it["fieldsV1"]["f:spec"]["f:replicas"].is_null())
    };
    assert!(owns("kube-controller-manager") && !owns("plumb"), "{owners:?}");
    assert_eq!(follower.said(0, "drift"), Vec::<Value>::new());
}

#[test]
fn what_the_server_refuses_is_told_and_keeps_nothing_else_waiting() {
    let team = Team::new("refused");
    // Not by the table of fields, so only the server says so.
    let commit =
        team.apps("request shop: platform.Web { replicas = -1 }\n\nrequest cart: platform.Web {}");
    let follower = team.follow(&[]);
    let applied = follower.applied(&commit);
    assert!(applied["failed"].as_u64() >= Some(2), "the Deployment and what follows it: {applied}");
    let refused = follower.until(0, "refused", |it| it["object"] == "Deployment/shop@refused");
    assert_eq!(
        (&refused["reason"], &refused["field"]),
        (&json!("invalid"), &json!("spec.replicas"))
    );
    assert_eq!(refused["source"], "apps/apps.plumb:5");
    follower.until(0, "not tried: one before it was refused", |it| {
        it["object"] == "Service/shop@refused"
    });
    assert!(team.read("deployments", "cart").is_some());
    assert!(team.read("services", "shop").is_none());
    let commit =
        team.apps("request shop: platform.Web { replicas = 1 }\n\nrequest cart: platform.Web {}");
    assert_eq!(follower.applied(&commit)["failed"], 0);
    assert!(team.read("services", "shop").is_some());
}

#[test]
fn what_is_somebody_elses_is_let_alone() {
    let team = Team::new("foreign");
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "foreign" } });
    cluster().create("/api/v1/namespaces", &namespace).unwrap();
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "shop" }, "data": { "a": "1" } });
    cluster().create("/api/v1/namespaces/foreign/configmaps?fieldManager=helm", &theirs).unwrap();
    let commit = team.apps("request shop: platform.Web {}");
    let follower = team.follow(&[]);
    follower.applied(&commit);
    let told = follower
        .until(0, "not ours: it was there already", |it| it["object"] == "ConfigMap/shop@foreign");
    assert_eq!(told["writer"], "helm");
    assert_eq!(team.read("configmaps", "shop").unwrap()["data"], json!({ "a": "1" }));
    // And it is not deleted with the request.
    let commit = team.apps("");
    follower.applied(&commit);
    assert!(team.read("configmaps", "shop").is_some());
    drop(follower);
    // Where it is asked for it is taken over.
    let commit = team.apps("request shop: platform.Web {}");
    let follower = team.follow(&["--adopt"]);
    assert_eq!(follower.applied(&commit)["failed"], 0);
    assert_eq!(
        team.read("configmaps", "shop").unwrap()["data"],
        json!({ "a": "1", "name": "shop" })
    );
}
