//! `plumb apply` and `plumb drift` as a user runs them, against a real etcd and kube-apiserver.

#[allow(dead_code, reason = "other tests share the module")]
mod following;

use following::{apply, eventually, plumb, told};
use plumb_tests::cluster::{ControlPlane, Patch, binaries};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// One for all tests: each has a namespace and a workspace of its own.
fn cluster() -> &'static ControlPlane {
    static CLUSTER: OnceLock<ControlPlane> = OnceLock::new();
    CLUSTER.get_or_init(|| ControlPlane::start(&binaries().unwrap()).unwrap())
}

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.core.v1 as core

schema Env {}

environment dev: Env {}
environment prod: Env {}

schema Space {}

compose Space as space {
    emit core.Namespace { metadata.name = space.name }
}

schema Web {
    image: String = "registry.example.org/web:1"
    replicas: Int = 2
    label: String?
    data: {String: String} = {}
}

compose Web as web {
    let labels = { app = web.label ?? web.name }
    emit core.ConfigMap { metadata.name = web.name, data = web.data }
    emit apps.Deployment {
        metadata.name = web.name
        spec = {
            replicas = web.replicas
            selector.matchLabels = labels
            template.metadata.labels = labels
            template.spec.containers = [{ name = "web", image = web.image }]
        }
    }
    emit core.Service {
        metadata.name = web.name
        spec = { selector = labels, ports = [{ port = 80 }] }
    }
}
"#;

/// A directory with a workspace that is called as its namespace.
struct Workspace {
    directory: TempDir,
    namespace: String,
}

impl Workspace {
    fn new(namespace: &str, apps: &str) -> Workspace {
        let directory = tempfile::tempdir().unwrap();
        let workspace = Workspace { directory, namespace: namespace.to_owned() };
        workspace.write("plumb.toml", &format!("name = \"{namespace}\"\n"));
        workspace.write("platform/platform.plumb", PLATFORM);
        workspace.write(
            "team/team.plumb",
            &format!("use platform\n\nrequest {namespace}: platform.Space {{}}\n"),
        );
        workspace.apps(apps);
        workspace
    }

    fn path(&self) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn apps(&self, text: &str) {
        let text =
            format!("use platform\n\npackage {{ namespace = \"{}\" }}\n\n{text}\n", self.namespace);
        self.write("apps/apps.plumb", &text);
    }

    fn apply(&self, arguments: &[&str]) -> Output {
        apply(&cluster().kubeconfig(), &self.path(), &[&["--env", "prod"], arguments].concat())
    }

    /// Applies, and takes the report.
    fn report(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.apply(&[&["--output", "json"], arguments].concat());
        let report = serde_json::from_slice(&output.stdout);
        (output.status.code(), report.unwrap_or_else(|error| panic!("{error}: {}", told(&output))))
    }

    fn object(&self, collection: &str, name: &str) -> Option<Value> {
        let root = if collection == "deployments" { "/apis/apps/v1" } else { "/api/v1" };
        cluster().read(&format!("{root}/namespaces/{}/{collection}/{name}", self.namespace)).ok()
    }

    fn drift(&self, arguments: &[&str]) -> Output {
        let mut command = plumb(&cluster().kubeconfig());
        command.arg("drift").arg(self.path()).args(["--env", "prod"]).args(arguments);
        command.output().unwrap()
    }
}

/// "Deployment/shop: created" of all that is not the same.
fn actions(report: &Value) -> Vec<String> {
    let all = ["objects", "deletes"].map(|it| report[it].as_array().unwrap().clone()).concat();
    let changed = all.iter().filter(|it| it["action"] != "same");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    changed
        .map(|it| format!("{}/{}: {}", text(&it["kind"]), text(&it["name"]), text(&it["action"])))
        .collect()
}

#[test]
fn what_is_applied_is_told_and_a_dry_run_keeps_nothing() {
    let workspace = Workspace::new("plain", "request shop: platform.Web {}");
    let dry = workspace.apply(&["--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", told(&dry));
    assert!(
        String::from_utf8_lossy(&dry.stdout)
            .contains("Namespace/plain created  team.plain (dry run)\n"),
        "{}",
        told(&dry)
    );
    assert!(cluster().read("/api/v1/namespaces/plain").is_err());
    assert!(cluster().read("/api/v1/namespaces/plumb-system/configmaps/plain.prod").is_err());

    let output = workspace.apply(&[]);
    let lines: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "Namespace/plain created  team.plain",
            "ConfigMap/shop@plain created  apps.shop",
            "Deployment/shop@plain created  apps.shop",
            "Service/shop@plain created  apps.shop",
        ]
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "4 created\n");

    workspace.apps("request shop: platform.Web { replicas = 3 }");
    let output = workspace.apply(&[]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Deployment/shop@plain changed  apps.shop\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "1 changed; 3 as declared\n");

    let (code, report) = workspace.report(&[]);
    assert_eq!(
        (code, &report["confirm"], &report["set"]["name"]),
        (Some(0), &Value::Null, &json!("plain.prod"))
    );
    assert_eq!(actions(&report), Vec::<String>::new());
}

#[test]
fn what_the_server_refuses_is_told_at_the_line_and_all_of_it_at_once() {
    let workspace = Workspace::new(
        "refusals",
        "request shop: platform.Web { replicas = -1, data = { \"a b\" = \"1\" } }\n\nrequest cart: platform.Web {}",
    );
    let (code, report) = workspace.report(&[]);
    assert_eq!(code, Some(1));
    // The ConfigMap is refused; what follows is not applied, and what is wrong with it told all the same.
    assert_eq!(
        actions(&report),
        [
            "Namespace/refusals: created",
            "ConfigMap/cart: created",
            "Deployment/cart: created",
            "Service/cart: created",
            "ConfigMap/shop: refused",
            "Deployment/shop: refused",
            "Service/shop: not-tried",
        ]
    );
    let output = workspace.apply(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    for part in [
        "[refused] Error: the cluster does not take ConfigMap/shop@refusals: data[a b]",
        "[refused] Error: the cluster does not take Deployment/shop@refusals: spec.replicas: Invalid value: -1",
        "apps/apps.plumb:5:41",
        "2 refused, 1 not tried; 4 as declared",
    ] {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
    assert!(workspace.object("services", "shop").is_none());

    // A field that cannot be changed in place.
    workspace.apps("request cart: platform.Web { label = \"other\" }");
    let output = workspace.apply(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("field is immutable") && said.contains("cannot be changed in place"),
        "{said}"
    );
}

#[test]
fn deletes_that_are_many_or_precious_wait_for_whoever_has_seen_them() {
    let many: String = (0..4).map(|it| format!("request a{it}: platform.Web {{}}\n\n")).collect();
    let workspace = Workspace::new("deletes", &many);
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    // Three go at once.
    workspace.apps(
        "request a0: platform.Web {}\n\nrequest a1: platform.Web {}\n\nrequest a2: platform.Web {}",
    );
    let (code, report) = workspace.report(&[]);
    assert_eq!(code, Some(0));
    assert_eq!(
        actions(&report),
        ["ConfigMap/a3: deleted", "Deployment/a3: deleted", "Service/a3: deleted"]
    );
    // The namespace does not, with whatever goes beside it.
    workspace.write("team/team.plumb", "use platform\n");
    workspace.apps("request a0: platform.Web {}\n\nrequest a1: platform.Web {}");
    let output = workspace.apply(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 object would be deleted with what cannot be got back"), "{said}");
    assert!(cluster().read("/api/v1/namespaces/deletes").is_ok());
    // Twelve would be too many.
    workspace.write("team/team.plumb", "use platform\n\nrequest deletes: platform.Space {}\n");
    let more: String = (0..8).map(|it| format!("request a{it}: platform.Web {{}}\n\n")).collect();
    workspace.apps(&more);
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    workspace.apps("request a0: platform.Web {}\n\nrequest a1: platform.Web {}");
    let (code, report) = workspace.report(&["--dry-run"]);
    assert_eq!(code, Some(1));
    assert_eq!(actions(&report).iter().filter(|it| it.ends_with("held")).count(), 18);
    let hash = report["confirm"].as_str().unwrap();
    let wrong = workspace.apply(&["--confirm", "0123456789"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", told(&wrong));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains(hash), "{}", told(&wrong));
    assert!(workspace.object("services", "a7").is_some());
    let (code, report) = workspace.report(&["--confirm", hash]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(actions(&report).iter().filter(|it| it.ends_with("deleted")).count(), 18);
    assert!(
        workspace.object("services", "a7").is_none()
            && workspace.object("services", "a1").is_some()
    );
    // Of sources that make nothing nothing goes, whoever confirms it.
    workspace.apps("");
    workspace.write("team/team.plumb", "use platform\n");
    let (code, report) = workspace.report(&[]);
    assert_eq!(code, Some(1));
    let hash = report["confirm"].as_str().unwrap().to_owned();
    assert_eq!(workspace.report(&["--confirm", &hash]).0, Some(1));
    assert!(workspace.object("services", "a1").is_some());
}

#[test]
fn only_the_part_that_is_named_is_touched() {
    let workspace = Workspace::new("parts", "request shop: platform.Web {}");
    let package = "use platform\n\npackage { namespace = \"parts\" }\n\n";
    workspace.write("other/other.plumb", &format!("{package}request cart: platform.Web {{}}\n"));
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    workspace.apps("request shop: platform.Web { replicas = 5 }");
    fs::remove_file(workspace.path().join("other/other.plumb")).unwrap();
    let part = workspace.path().join("apps");
    let output = apply(&cluster().kubeconfig(), &part, &["--env", "prod"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Deployment/shop@parts changed  apps.shop\n",
        "{}",
        told(&output)
    );
    assert!(workspace.object("deployments", "cart").is_some());
    // Another environment is another set.
    let output = apply(&cluster().kubeconfig(), &workspace.path(), &["--env", "dev"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("as a member of another set"),
        "{}",
        told(&output)
    );
}

#[test]
fn who_cannot_begin_says_why() {
    let workspace = Workspace::new("nobegin", "request shop: platform.Web {}");
    let said = |output: Output, code: i32| -> String {
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let run = |environment: &str, arguments: &[&str]| {
        apply(
            &cluster().kubeconfig(),
            &workspace.path(),
            &[&["--env", environment], arguments].concat(),
        )
    };
    let told = said(run("prd", &[]), 2);
    assert!(told.contains("there is no environment `prd`; did you mean `prod`?"), "{told}");
    let told = said(run("prod", &["--context", "elsewhere"]), 2);
    assert!(told.contains("the kubeconfig has no context `elsewhere`; it has "), "{told}");
    let nowhere = workspace.path().join("nowhere");
    let told = said(apply(&nowhere, &workspace.path(), &["--env", "prod"]), 2);
    assert!(told.contains("no cluster is known"), "{told}");
    let gone = workspace.path().join("gone");
    let config = fs::read_to_string(cluster().kubeconfig()).unwrap();
    let url = cluster().url();
    fs::write(&gone, config.replace(url, "https://127.0.0.1:1")).unwrap();
    let told = said(apply(&gone, &workspace.path(), &["--env", "prod"]), 2);
    assert!(told.contains("cannot be reached"), "{told}");
    let stranger = cluster().kubeconfig_of("nobody-knows-this").unwrap();
    let told = said(apply(&stranger, &workspace.path(), &["--env", "prod"]), 2);
    assert!(told.contains("the inventory cannot be read: Unauthorized"), "{told}");
    workspace.write("plumb.toml", "");
    let told = said(run("prod", &[]), 2);
    assert!(told.contains("the workspace has no name"), "{told}");
    workspace.write("plumb.toml", "name = \"nobegin\"\nnonsense = 1\n");
    let told = said(run("prod", &[]), 2);
    assert!(told.contains("nothing was applied"), "{told}");
}

#[test]
fn drift_is_told_at_the_lines_that_say_otherwise() {
    let workspace = Workspace::new("drifts", "request shop: platform.Web { data = { a = \"1\" } }");
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    let output = workspace.drift(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "no drift in 4 objects\n");

    let deployment = "/apis/apps/v1/namespaces/drifts/deployments/shop";
    let scale = json!({ "spec": { "replicas": 9 } });
    let path = format!("{deployment}?fieldManager=kubectl-edit");
    cluster().patch(&path, Patch::Merge, &scale).unwrap();
    cluster().delete("/api/v1/namespaces/drifts/services/shop").unwrap();
    let output = workspace.drift(&[]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stdout);
    for part in [
        "[drift] Warning: Deployment/shop@drifts: spec.replicas is 9, not 2",
        "platform/platform.plumb:17:21",
        "it was set by kubectl-edit (Update) at 20",
        "for request apps.shop",
        "[drift] Warning: Service/shop@drifts was deleted",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    let output = workspace.drift(&["--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let drift = report["drift"].as_array().unwrap();
    assert_eq!(drift.len(), 2, "{report}");
    assert_eq!(drift[0]["owner"]["manager"], "kubectl-edit");
    assert_eq!((&drift[0]["declared"], &drift[0]["live"]), (&json!(2), &json!(9)));
    assert_eq!(drift[0]["layers"][0].as_str().unwrap().split(',').next(), Some("schema Web"));
    assert_eq!(drift[1]["difference"], "deleted");
    // What git has otherwise by now is a change, and no drift.
    workspace.apps("request shop: platform.Web { replicas = 4, data = { a = \"1\" } }");
    let output = workspace.drift(&["--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (report["drift"].as_array().unwrap().len(), &report["notApplied"]),
        (1, &json!(1)),
        "{report}"
    );
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    assert_eq!(workspace.drift(&[]).status.code(), Some(0));
}

#[test]
fn drift_is_told_as_it_comes_and_goes() {
    let workspace = Workspace::new("watched", "request shop: platform.Web {}");
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    let mut command = plumb(&cluster().kubeconfig());
    command
        .arg("drift")
        .arg(workspace.path())
        .args(["--env", "prod", "--watch", "--output", "json"]);
    let mut watching = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let scale = |replicas: u32| {
        let path = "/apis/apps/v1/namespaces/watched/deployments/shop?fieldManager=kubectl-edit";
        cluster().patch(path, Patch::Merge, &json!({ "spec": { "replicas": replicas } })).unwrap();
    };
    scale(9);
    let told = next();
    assert_eq!(
        (&told["path"], &told["difference"], &told["live"]),
        (&json!("spec.replicas"), &json!("changed"), &json!(9))
    );
    scale(2);
    let told = next();
    assert_eq!((&told["path"], &told["difference"]), (&json!("spec.replicas"), &Value::Null));
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn what_was_interrupted_is_not_lost_and_two_who_apply_do_not_overwrite_each_other() {
    let workspace = Workspace::new("twice", "request shop: platform.Web {}");
    assert_eq!(workspace.apply(&[]).status.code(), Some(0));
    // Made, and not remembered with its UID: the program ended in between.
    let path = "/api/v1/namespaces/plumb-system/configmaps/twice.prod";
    let lines = cluster().read(path).unwrap()["data"]["apps"].as_str().unwrap().to_owned();
    let forgetful: String = lines
        .lines()
        .map(|line| {
            let mut parts: Vec<&str> = line.split(' ').collect();
            parts[2] = "-";
            parts[3] = "-";
            parts.join(" ") + "\n"
        })
        .collect();
    cluster().patch(path, Patch::Merge, &json!({ "data": { "apps": forgetful } })).unwrap();
    let (code, report) = workspace.report(&[]);
    assert_eq!((code, actions(&report)), (Some(0), Vec::new()));
    eventually("its UIDs are remembered again", || {
        cluster().read(path).unwrap()["data"]["apps"].as_str() == Some(&lines)
    });
    // Gone from git right then: it goes.
    cluster().patch(path, Patch::Merge, &json!({ "data": { "apps": forgetful } })).unwrap();
    workspace.apps("");
    let (code, report) = workspace.report(&[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(actions(&report).len(), 3, "{report}");
    assert!(workspace.object("deployments", "shop").is_none());
    // An inventory that is none is no reason to do anything.
    cluster().patch(path, Patch::Merge, &json!({ "data": { "apps": "nonsense" } })).unwrap();
    let output = workspace.apply(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("`nonsense` is no line of an inventory"),
        "{}",
        told(&output)
    );
}
