//! `plumb diff` without a commit to compare with: what `plumb apply` would change in a cluster, a real one.

use plumb_tests::cluster::{ControlPlane, Patch, binaries};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;
use tempfile::TempDir;

static CLUSTER: LazyLock<ControlPlane> =
    LazyLock::new(|| ControlPlane::start(&binaries().unwrap()).unwrap());

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.core.v1 as core

schema Env { domain: Hostname }

environment dev: Env { domain = "dev.acme.test" }
environment prod: Env { domain = "acme.test" }

schema Team {}

compose Team as team {
    emit core.Namespace { metadata.name = team.name }
}

/// A stateless HTTP service.
schema Web {
    image: String
    replicas: Int = 1
    tier: String = "web"
    env: {EnvName: String} = {}
    grace: Int?
    memory: Quantity = 64Mi
    config: {String: String} = {}
    token: String?
}

compose Web as web {
    let labels = { app = web.name, tier = web.tier }
    emit apps.Deployment {
        metadata.name = web.name
        spec = {
            replicas = initial(web.replicas, owner = "hpa")
            selector.matchLabels = labels
            template.metadata.labels = labels
            template.spec = {
                terminationGracePeriodSeconds = web.grace
                containers = [{
                    name = web.name
                    image = web.image
                    resources = { requests.memory = web.memory, limits.memory = 1Gi }
                    env = [for name, value in web.env => { name = name, value = value }]
                }]
            }
        }
    }
    emit core.Service {
        metadata.name = web.name
        spec = { selector = { app = web.name }, ports = [{ port = 80 }] }
    }
    if len(web.config) > 0 {
        emit core.ConfigMap { metadata.name = web.name, data = web.config }
    }
    if let token = web.token {
        emit core.Secret { metadata.name = web.name, stringData = { token = token } }
    }
}
"#;

const TEAM: &str = r#"use platform

package { namespace = "NAMESPACE" }

request NAMESPACE: platform.Team {}
"#;

const CART: &str = r#"use platform

request cart: platform.Web {
    image = "cart:1"
    env = { TTL = "72h" }
    grace = 10
    config = { "app.conf" = "listen 80\nworkers 4\n" }
    token = "one"
}

overlay cart in prod {
    env.URL = "https://cart.${environment.domain}"
}
"#;

const SEARCH: &str = r#"use platform

request search: platform.Web {
    image = "search:1"
}
"#;

/// A workspace whose objects are in a namespace of its own, which is called after it.
struct Workspace {
    name: &'static str,
    folder: TempDir,
}

impl Workspace {
    fn new(name: &'static str) -> Self {
        let workspace = Workspace { name, folder: tempfile::tempdir().unwrap() };
        workspace.write("plumb.toml", &format!("name = \"{name}\"\n"));
        workspace.write("platform/platform.plumb", PLATFORM);
        workspace.write("shop/team.plumb", &TEAM.replace("NAMESPACE", name));
        workspace.write("shop/cart.plumb", CART);
        workspace.write("shop/search.plumb", SEARCH);
        workspace
    }

    /// One that is in the cluster.
    fn applied(name: &'static str) -> Self {
        let workspace = Workspace::new(name);
        workspace.apply();
        workspace
    }

    fn path(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn edit(&self, path: &str, edits: &[(&str, &str)]) {
        let mut text = fs::read_to_string(self.path().join(path)).unwrap();
        for (from, to) in edits {
            assert!(text.contains(from), "{path}: {from}");
            text = text.replace(from, to);
        }
        self.write(path, &text);
    }

    /// The exit code, stdout and stderr.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .current_dir(self.path())
            .args(words)
            .args(["--env", "prod"])
            .env("NO_COLOR", "1")
            .env("KUBECONFIG", CLUSTER.kubeconfig())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn apply(&self) -> Value {
        let (code, out, err) = self.run(&["apply", "--output", "json"]);
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// The exit code, stdout with one time for all, and stderr.
    fn diff(&self, words: &[&str]) -> (i32, String, String) {
        let (code, out, err) = self.run(&[&["diff"], words].concat());
        (code, without_times(&out), err)
    }

    fn json(&self, words: &[&str]) -> Value {
        let (code, out, err) = self.diff(&[words, &["--output", "json"]].concat());
        assert!(code <= 1, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// The path of an object of this namespace.
    fn at(&self, group: &str, rest: &str) -> String {
        format!("{group}/namespaces/{}/{rest}", self.name)
    }
}

/// Times as `2026-01-02T03:04:05Z` and `on 2026-01-02 at 03:04`.
fn without_times(text: &str) -> String {
    let digits = |text: &str, form: &str| {
        text.len() >= form.len()
            && text.bytes().zip(form.bytes()).all(|(it, form)| match form {
                b'0' => it.is_ascii_digit(),
                form => it == form,
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let form = ["0000-00-00T00:00:00Z", "on 0000-00-00 at 00:00 UTC"]
            .into_iter()
            .find(|form| digits(rest, form));
        match form {
            Some(form) => {
                out += &form.replace("0000-00-00", "2026-01-02").replace("00:00", "03:04");
                rest = &rest[form.len()..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}

#[test]
fn what_was_never_applied_is_created_also_in_a_namespace_that_is_not_there_yet() {
    let workspace = Workspace::new("fresh");
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    insta::assert_snapshot!("fresh", out);
    // Nothing was kept.
    let (status, _) = CLUSTER.get("/api/v1/namespaces/fresh").unwrap();
    assert_eq!(status, 404);
    workspace.apply();
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "prod, plumb → the working tree: no difference in 7 objects\n", "")
    );
}

#[test]
fn people_see_what_applying_does_the_gravest_first() {
    let workspace = Workspace::applied("people");
    workspace.edit(
        "shop/cart.plumb",
        &[
            ("cart:1", "cart:2"),
            ("    grace = 10\n", ""),
            ("workers 4", "workers 8"),
            ("token = \"one\"", "token = \"two\""),
        ],
    );
    workspace.edit(
        "shop/search.plumb",
        &[("search:1\"", "search:1\"\n    tier = \"batch\"\n    config = { a = \"b\" }")],
    );
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    insta::assert_snapshot!("changed", out);
    let (code, out, err) = workspace.diff(&["--output", "markdown"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    insta::assert_snapshot!("changed_markdown", out);
    let told = workspace.json(&[]);
    insta::assert_snapshot!("changed_json", serde_json::to_string_pretty(&told).unwrap());
}

/// The paths that differ, each with what made its value: `by`, and the manager that is named.
fn changes(told: &Value) -> Vec<String> {
    let objects = told["objects"].as_array().unwrap().iter();
    let all = objects.flat_map(|object| object["changes"].as_array().unwrap());
    all.map(|it| {
        let source = &it["source"];
        let owner = source["owner"]["manager"].as_str().unwrap_or("-");
        format!("{} {} {owner}", it["path"].as_str().unwrap(), source["by"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn what_somebody_changed_in_the_cluster_is_told_with_whom_it_is_of() {
    let workspace = Workspace::applied("drifted");
    let deployment = workspace.at("/apis/apps/v1", "deployments/cart");
    let patch = |by: &str, body: Value| {
        let path = format!("{deployment}?fieldManager={by}");
        CLUSTER.patch(&path, Patch::Strategic, &body).unwrap();
    };
    let containers = |container: Value| json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
    patch("kubectl-set", containers(json!({ "name": "cart", "image": "cart:hot" })));
    // What git does not declare stays.
    patch("kubectl-edit", containers(json!({ "name": "cart", "tty": true })));
    patch("kubectl-label", json!({ "metadata": { "labels": { "watched": "yes" } } }));
    // What is left to others is not taken back.
    patch("kubectl-scale", json!({ "spec": { "replicas": 7 } }));
    patch(
        "kubectl-env",
        containers(json!({ "name": "cart", "env": [{ "name": "TTL", "$patch": "delete" }] })),
    );
    let told = workspace.json(&[]);
    let container = "spec.template.spec.containers[\"cart\"]";
    assert_eq!(
        changes(&told),
        [
            format!("{container}.env[\"TTL\"].value git -"),
            format!("{container}.image git kubectl-set")
        ]
    );
    let (_, out, _) = workspace.diff(&[]);
    assert!(
        out.contains(
            "image: \"cart:hot\" → \"cart:1\"\n        \
             was set by kubectl-set on 2026-01-02 at 03:04 UTC; request cart, shop/cart.plumb:4\n"
        ),
        "{out}"
    );
    workspace.apply();
    assert_eq!(workspace.diff(&[]).0, 0);
}

#[test]
fn what_applying_says_it_does_it_does() {
    let workspace = Workspace::applied("promised");
    let edits: [(&str, &[(&str, &str)]); 5] = [
        (
            "shop/cart.plumb",
            &[("cart:1", "cart:2"), ("TTL = \"72h\"", "TTL = \"24h\", MORE = \"1\"")],
        ),
        (
            "shop/cart.plumb",
            &[("    env = { TTL = \"24h\", MORE = \"1\" }\n", ""), ("    grace = 10\n", "")],
        ),
        ("shop/cart.plumb", &[("    token = \"one\"\n", "")]),
        ("platform/platform.plumb", &[("port = 80", "port = 8080")]),
        ("shop/search.plumb", &[("request search", "request find")]),
    ];
    for (file, edits) in edits {
        workspace.edit(file, edits);
        let told = workspace.json(&[]);
        let done = workspace.apply();
        let address = |it: &Value| {
            format!("{}/{}", it["kind"].as_str().unwrap(), it["name"].as_str().unwrap())
        };
        let of = |list: &Value, key: &str, words: &[&str]| {
            let list = list.as_array().unwrap().iter();
            let mut found: Vec<String> =
                list.filter(|it| words.contains(&it[key].as_str().unwrap())).map(address).collect();
            found.sort();
            found
        };
        let objects = &told["objects"];
        assert_eq!(
            of(objects, "effect", &["created"]),
            of(&done["objects"], "action", &["created"])
        );
        assert_eq!(
            of(objects, "effect", &["changed", "restarted"]),
            of(&done["objects"], "action", &["changed"])
        );
        assert_eq!(
            of(objects, "effect", &["deleted"]),
            of(&done["deletes"], "action", &["deleted"])
        );
        assert!(!objects.as_array().unwrap().is_empty());
        assert_eq!(workspace.diff(&[]).0, 0);
    }
}

#[test]
fn what_is_deleted_is_told_with_the_request_that_made_it() {
    let workspace = Workspace::applied("deleted");
    workspace.edit("shop/cart.plumb", &[("    token = \"one\"\n", "")]);
    fs::remove_file(workspace.path().join("shop/search.plumb")).unwrap();
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    insta::assert_snapshot!("deleted", out);
    // Only what was asked for is compared.
    let (code, out, _) = workspace.diff(&["platform"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "prod, plumb → the working tree: no difference in 0 objects\n")
    );
}

#[test]
fn what_cannot_be_got_back_is_not_said_to_be_deleted() {
    let workspace = Workspace::applied("precious");
    fs::remove_file(workspace.path().join("shop/team.plumb")).unwrap();
    workspace.edit(
        "shop/cart.plumb",
        &[("use platform\n", "use platform\n\npackage { namespace = \"precious\" }\n")],
    );
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!(code, 1);
    assert_eq!(out, "prod, plumb → the working tree: 1 held back; 6 objects the same\n");
    assert!(err.contains("  Namespace/precious  shop.precious\n"), "{err}");
    let told = workspace.json(&[]);
    assert_eq!(told["deletes"][0]["action"], "held");
    let hash = told["confirm"].as_str().unwrap();
    assert!(
        err.ends_with(&format!("to delete them: plumb apply --env prod --confirm {hash}\n")),
        "{err}"
    );
}

#[test]
fn what_does_not_build_is_left_as_it_is() {
    let workspace = Workspace::applied("broken");
    workspace.edit("shop/search.plumb", &[("\"search:1\"", "7")]);
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!(code, 1);
    assert!(!out.contains("deleted"), "{out}");
    assert!(
        out.contains("  shop.search does not build in the working tree, so its 2 objects are left as they were\n"),
        "{out}"
    );
    assert!(err.contains("[type-mismatch]"), "{err}");
}

#[test]
fn what_is_there_already_is_told_and_compared_when_it_is_to_be_adopted() {
    let workspace = Workspace::new("adopted");
    CLUSTER.ensure_namespace("adopted").unwrap();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "cart", "namespace": "adopted" },
        "spec": { "selector": { "app": "basket" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    });
    let path = workspace.at("/api/v1", "services?fieldManager=helm");
    CLUSTER.create(&path, &service).unwrap();
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!(code, 1);
    assert!(out.ends_with(": 5 created, 2 not ours; 0 objects the same\n"), "{out}");
    let there = "[foreign-object] Error: Service/cart@adopted is there already, made by helm";
    assert!(err.contains(there), "{err}");
    // Fields of others are taken over only where that is asked for.
    let (code, out, err) = workspace.diff(&["--adopt"]);
    assert_eq!(code, 1);
    assert!(out.contains(", 1 refused; "), "{out}");
    assert!(err.contains("Help: `--force-conflicts` takes the fields over"), "{err}");
    let (code, out, err) = workspace.diff(&["--adopt", "--force-conflicts"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    insta::assert_snapshot!("adopted", out);
}

#[test]
fn what_the_server_does_not_take_is_told_at_its_line() {
    let workspace = Workspace::applied("refused");
    workspace.edit("shop/search.plumb", &[("search:1\"", "search:1\"\n    memory = 2Gi")]);
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("refused", format!("{out}\n{err}"));
    let told = workspace.json(&[]);
    assert_eq!(told["diagnostics"][0]["span"]["file"], "platform/platform.plumb");
    assert_eq!(told["objects"], json!([]));
}

#[test]
fn what_is_fixed_is_replaced_and_what_is_wrong_beside_it_is_told() {
    let workspace = Workspace::applied("fixed");
    let edits = [("search:1\"", "search:1\"\n    tier = \"batch\"\n    memory = 2Gi")];
    workspace.edit("shop/search.plumb", &edits);
    let (code, out, err) = workspace.diff(&[]);
    assert_eq!(code, 1);
    assert!(out.contains("replaced: "), "{out}");
    let fixed = "cannot be changed in place; request search, shop/search.plumb:5\n";
    assert!(out.contains(fixed), "{out}");
    assert!(err.contains("requests: Invalid value: "), "{err}");
    assert!(err.ends_with("\n1 error\n"), "{err}");
}

#[test]
fn what_could_not_run_is_exit_code_2() {
    let workspace = Workspace::new("unasked");
    let (code, out, err) = workspace.run(&["diff", "--context", "nowhere"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("the kubeconfig has no context `nowhere`; it has plumb"), "{err}");
    let token = CLUSTER.service_account_token("default", "nobody").unwrap();
    let nobody = CLUSTER.kubeconfig_of(&token).unwrap();
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .current_dir(workspace.path())
        .args(["diff", "--env", "prod"])
        .env("KUBECONFIG", nobody)
        .output()
        .unwrap();
    assert_eq!(status.code(), Some(2));
    let err = String::from_utf8(stderr).unwrap();
    assert!(
        err.starts_with("plumb: the inventory cannot be read: configmaps is forbidden"),
        "{err}"
    );
    workspace.write("plumb.toml", "nmae = \"a\"");
    let (code, _, err) = workspace.diff(&[]);
    assert_eq!((code, err.contains("did you mean `name`?")), (2, true), "{err}");
}
