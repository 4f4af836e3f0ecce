//! The control plane that other tests stand on: it is a real one, and it leaves nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plumb_tests::cluster::{ControlPlane, Patch, binaries, controllers};
use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

#[test]
fn a_control_plane_takes_what_is_right_refuses_what_is_not_and_is_gone_afterwards() {
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();

    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "colours", "namespace": "shop" },
        "data": { "sky": "blue" },
    });
    let applied = control_plane.server_side_apply(&config).unwrap();
    assert_eq!(applied.object["data"]["sky"], "blue");
    assert_eq!(applied.object["metadata"]["managedFields"][0]["manager"], "plumb");
    let (status, body) = control_plane.get("/api/v1/namespaces/shop/configmaps/colours").unwrap();
    assert_eq!(status, 200, "{body}");

    let mut unknown = config.clone();
    unknown["metadata"]["label"] = json!({});
    let refused = control_plane.server_side_apply(&unknown).unwrap_err();
    assert!(refused.contains("label"), "{refused}");

    let mut invalid = config.clone();
    invalid["metadata"]["name"] = json!("Colours");
    let refused = control_plane.server_side_apply(&invalid).unwrap_err();
    assert!(refused.starts_with("HTTP 422: ") && refused.contains("metadata.name"), "{refused}");

    let kind = json!({ "apiVersion": "v1", "kind": "Colour", "metadata": { "name": "sky" } });
    assert_eq!(control_plane.server_side_apply(&kind).unwrap_err(), "v1 has no Colour");

    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "bakery" },
        "spec": { "finalizers": ["not-qualified"] },
    });
    let refused = control_plane.server_side_apply(&namespace).unwrap_err();
    assert!(refused.contains("not-qualified"), "{refused}");

    let ids = control_plane.process_ids();
    assert!(ids.iter().all(|id| runs(*id)));
    let certificate = control_plane.certificate();
    assert!(certificate.exists());
    drop(control_plane);
    assert!(!ids.iter().any(|id| runs(*id)));
    assert!(!certificate.exists());
}

/// Warnings are headers that curl shows and most clients drop.
#[test]
fn the_servers_warnings_are_passed_on() {
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "old" },
        "spec": {
            "containers": [{ "name": "main", "image": "shop" }],
            "nodeSelector": { "beta.kubernetes.io/os": "linux" },
        },
    });
    let applied = control_plane.server_side_apply(&pod).unwrap();
    assert!(
        applied.warnings.iter().any(|it| it.contains("beta.kubernetes.io/os")),
        "{:?}",
        applied.warnings
    );
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let refused =
        ControlPlane::start_with(&binaries().unwrap(), &["--no-such-flag"]).err().unwrap();
    assert!(
        refused.contains("kube-apiserver stopped") && refused.contains("no-such-flag"),
        "{refused}"
    );
}

/// The name of the variable that makes [`holds_a_control_plane`] do so.
const HOLD: &str = "PLUMB_TEST_HOLDS_A_CONTROL_PLANE";

/// Not a test of its own: what [`a_killed_test_process_leaves_no_servers_behind`] starts and kills.
#[test]
fn holds_a_control_plane() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();
    // The watchdog has to know those that came later.
    control_plane.restart_api_server().unwrap();
    println!("\nheld: {:?}", control_plane.process_ids());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_killed_test_process_leaves_no_servers_behind() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_a_control_plane", "--nocapture"])
        .env(HOLD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let held =
        lines.map_while(Result::ok).find_map(|line| line.strip_prefix("held: ").map(str::to_owned));
    let ids: Vec<u32> = serde_json::from_str(&held.unwrap()).unwrap();
    assert!(ids.len() == 2 && ids.iter().all(|id| runs(*id)));

    holder.kill().unwrap();
    holder.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while ids.iter().any(|id| runs(*id)) {
        assert!(Instant::now() < deadline, "still running: {ids:?}");
    }
}

/// Whether a process runs, one that is ours to signal.
fn runs(id: u32) -> bool {
    Command::new("kill").args(["-0", &id.to_string()]).output().unwrap().status.success()
}

/// Controllers and nodes do what they do in any cluster; kwok's stages are at hand for failures too.
#[test]
fn in_a_full_cluster_pods_run_fail_and_get_volumes_even_after_an_outage() {
    let cluster =
        ControlPlane::start_full(&binaries().unwrap(), &controllers().unwrap(), 2).unwrap();
    let workload = |kind: &str, name: &str, labels: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" },
            "spec": {
                "replicas": 2, "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "main", "image": "shop" }] },
                },
            },
        })
    };
    let deployment = workload("Deployment", "web", json!({ "app": "web" }));
    let failing =
        json!({ "app": "down", "pod-container-running-failed.stage.kwok.x-k8s.io": "true" });
    let failing = workload("Deployment", "down", failing);
    let mut with_volume = workload("StatefulSet", "store", json!({ "app": "store" }));
    with_volume["spec"]["serviceName"] = json!("store");
    with_volume["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
        },
    }]);
    for object in [&deployment, &failing, &with_volume] {
        cluster.server_side_apply(object).unwrap();
    }

    let web = cluster.path(&deployment).unwrap();
    cluster.until(&web, |it| it["status"]["availableReplicas"] == 2).unwrap();
    let store = cluster.path(&with_volume).unwrap();
    cluster.until(&store, |it| it["status"]["readyReplicas"] == 2).unwrap();
    let claim = "/api/v1/namespaces/shop/persistentvolumeclaims/data-store-1";
    cluster.until(claim, |it| it["status"]["phase"] == "Bound").unwrap();
    let failing = "/api/v1/namespaces/shop/pods?labelSelector=app%3Ddown";
    let has_failed = |it: &Value| it["status"]["phase"] == "Failed";
    cluster.until(failing, |it| it["items"].as_array().unwrap().iter().any(has_failed)).unwrap();
    let before = cluster.process_ids();
    cluster.restart_api_server().unwrap();
    let after = cluster.process_ids();
    let same: Vec<bool> =
        before.iter().zip(&after).map(|(before, after)| before == after).collect();
    assert_eq!(same, [true, false, true, true, true]);
    cluster.patch(&web, Patch::Merge, &json!({ "spec": { "replicas": 3 } })).unwrap();
    cluster.until(&web, |it| it["status"]["availableReplicas"] == 3).unwrap();
}

#[test]
fn a_restarted_server_has_its_data_but_not_what_was_before() {
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();
    let sky = |colour: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "sky", "namespace": "colours" }, "data": { "sky": colour },
        })
    };
    let made = control_plane.server_side_apply(&sky("blue")).unwrap().object;
    control_plane.server_side_apply(&sky("grey")).unwrap();
    let path = control_plane.path(&made).unwrap();
    let version = made["metadata"]["resourceVersion"].as_str().unwrap();
    let since = format!("/api/v1/namespaces/colours/configmaps?resourceVersion={version}");
    let at_first = format!("{since}&resourceVersionMatch=Exact");
    let watch = format!("{since}&watch=true&timeoutSeconds=1");
    let first_event = || {
        let (_, events) = control_plane.get(&watch).unwrap();
        let event = events.lines().next().unwrap();
        serde_json::from_str::<Value>(event).unwrap()
    };
    assert_eq!(first_event()["object"]["data"]["sky"], "grey");
    assert_eq!(control_plane.list(&at_first).unwrap()[0]["data"]["sky"], "blue");

    control_plane.compact().unwrap();
    control_plane.stop_api_server().unwrap();
    control_plane.read(&path).unwrap_err();
    control_plane.restart_api_server().unwrap();
    assert_eq!(control_plane.read(&path).unwrap()["data"]["sky"], "grey");
    let event = first_event();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    let refused = control_plane.read(&at_first).unwrap_err();
    assert!(refused.starts_with("HTTP 410"), "{refused}");
}

#[test]
fn a_kubeconfig_leads_to_the_server_as_whom_its_token_belongs_to() {
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();
    let token = control_plane.service_account_token("plumb", "reconciler").unwrap();
    let (all, few) = (control_plane.kubeconfig(), control_plane.kubeconfig_of(&token).unwrap());
    let path = "/api/v1/namespaces/plumb/configmaps";
    assert_eq!((status(&all, path), status(&few, path)), (200, 403));

    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "plumb", "name": "reconciler" }],
    });
    control_plane.server_side_apply(&role).unwrap();
    control_plane.server_side_apply(&binding).unwrap();
    // The server learns of roles by a watch of its own.
    let end = Instant::now() + Duration::from_secs(30);
    while status(&few, path) != 200 {
        assert!(Instant::now() < end);
    }
    assert_eq!(status(&few, "/api/v1/namespaces/plumb/secrets"), 403);
}

/// What the server of a kubeconfig says to whom it names.
fn status(kubeconfig: &Path, path: &str) -> u16 {
    let config: Value = serde_json::from_slice(&std::fs::read(kubeconfig).unwrap()).unwrap();
    let cluster = &config["clusters"][0]["cluster"];
    let certificate = cluster["certificate-authority-data"].as_str().unwrap();
    let certificate = Certificate::from_pem(&STANDARD.decode(certificate).unwrap()).unwrap();
    let trusted = RootCerts::new_with_certs(&[certificate]);
    ureq::get(format!("{}{path}", cluster["server"].as_str().unwrap()))
        .config()
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().root_certs(trusted).build())
        .proxy(None)
        .build()
        .header(
            "Authorization",
            format!("Bearer {}", config["users"][0]["user"]["token"].as_str().unwrap()),
        )
        .call()
        .unwrap()
        .status()
        .as_u16()
}

#[test]
fn objects_are_made_changed_and_removed_as_whoever_does_it() {
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
            },
        },
    });
    control_plane.server_side_apply(&web).unwrap();
    let path = control_plane.path(&web).unwrap();
    assert_eq!(path, "/apis/apps/v1/namespaces/shop/deployments/web");

    let scale = format!("{path}/scale");
    let two = json!({ "spec": { "replicas": 2 } });
    assert_eq!(control_plane.patch(&scale, Patch::Merge, &two).unwrap()["kind"], "Scale");
    let status = json!({ "status": { "replicas": 2, "readyReplicas": 2 } });
    control_plane.patch(&format!("{path}/status"), Patch::Merge, &status).unwrap();
    let edited = format!("{path}?fieldManager=kubectl-edit");
    let image = json!([{
        "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2",
    }]);
    control_plane.patch(&edited, Patch::Json, &image).unwrap();
    let sidecar = json!({ "spec": { "template": { "spec": {
        "containers": [{ "name": "log", "image": "log:1" }],
    } } } });
    control_plane.patch(&path, Patch::Strategic, &sidecar).unwrap();

    let mut web = control_plane.read(&path).unwrap();
    assert_eq!((&web["spec"]["replicas"], &web["status"]["readyReplicas"]), (&json!(2), &json!(2)));
    let containers = web.pointer("/spec/template/spec/containers").unwrap();
    assert_eq!((&containers[0]["name"], &containers[1]["image"]), (&json!("log"), &json!("web:2")));
    let managers = web["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|it| it["manager"] == "kubectl-edit"), "{managers:?}");

    let other = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 3 },
    });
    let apply = |force| Patch::Apply { manager: "other", force };
    let refused = control_plane.patch(&path, apply(false), &other).unwrap_err();
    assert!(refused.starts_with("HTTP 409") && refused.contains(".spec.replicas"), "{refused}");
    assert_eq!(control_plane.patch(&path, apply(true), &other).unwrap()["spec"]["replicas"], 3);

    // What was read is old by now.
    let refused = control_plane.replace(&path, &web).unwrap_err();
    assert!(refused.starts_with("HTTP 409"), "{refused}");
    web["metadata"]["resourceVersion"].take();
    assert_eq!(control_plane.replace(&path, &web).unwrap()["spec"]["replicas"], 2);

    let list = path.strip_suffix("/web").unwrap();
    assert_eq!(control_plane.list(list).unwrap().len(), 1);
    control_plane.delete(&path).unwrap();
    control_plane.until(&path, |it| it["code"] == 404).unwrap();
    let gone = control_plane.read(&path).unwrap_err();
    assert_eq!(gone, r#"HTTP 404: deployments.apps "web" not found"#);
}
