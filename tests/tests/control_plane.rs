//! The control plane that other tests stand on: it is a real one, and it leaves nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plumb_tests::cluster::{ControlPlane, binaries, controllers};
use serde_json::{Value, json};

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
fn in_a_full_cluster_pods_run_fail_and_get_volumes() {
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

    let apps = "/apis/apps/v1/namespaces/shop";
    wait(&cluster, &format!("{apps}/deployments/web"), |it| it["status"]["availableReplicas"] == 2);
    wait(&cluster, &format!("{apps}/statefulsets/store"), |it| it["status"]["readyReplicas"] == 2);
    wait(&cluster, "/api/v1/namespaces/shop/persistentvolumeclaims/data-store-1", |it| {
        it["status"]["phase"] == "Bound"
    });
    wait(&cluster, "/api/v1/namespaces/shop/pods?labelSelector=app%3Ddown", |it| {
        it["items"].as_array().unwrap().iter().any(|it| it["status"]["phase"] == "Failed")
    });
    assert_eq!(cluster.process_ids().len(), 5);
}

fn wait(cluster: &ControlPlane, path: &str, until: impl Fn(&Value) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, body) = cluster.get(path).unwrap();
        let found: Value = serde_json::from_str(&body).unwrap();
        if until(&found) {
            return;
        }
        assert!(Instant::now() < end, "{found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
