//! What cannot be changed in place: each row of `kubernetes/src/fixed.rs`, asked of a real API server.

use plumb_kubernetes::{FIXED, When, fixed};
use plumb_tests::cluster::{ControlPlane, binaries};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An object, changes that its API server must refuse, and changes that it must take: paths with values.
struct Case {
    object: Value,
    refused: &'static [(&'static str, &'static str)],
    taken: &'static [(&'static str, &'static str)],
}

fn case(
    api_version: &str,
    kind: &str,
    rest: Value,
    refused: &'static [(&'static str, &'static str)],
    taken: &'static [(&'static str, &'static str)],
) -> Case {
    let name = format!("{}-{}", kind.to_lowercase(), rest.to_string().len());
    let mut object =
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    Case { object, refused, taken }
}

/// What every controller of pods lets be changed.
const ROLLING: &[(&str, &str)] =
    &[("/spec/template/spec/containers/0/image", r#""b""#), ("/spec/minReadySeconds", "7")];

const SELECTOR: (&str, &str) = (
    "/spec/selector",
    r#"{ "matchLabels": { "app": "a" }, "matchExpressions": [{ "key": "x", "operator": "DoesNotExist" }] }"#,
);

fn cases() -> Vec<Case> {
    let labels = json!({ "app": "a" });
    let selector = json!({ "matchLabels": labels });
    let pod = json!({ "containers": [{ "name": "a", "image": "a" }] });
    let template = json!({ "metadata": { "labels": labels }, "spec": pod });
    let mut job = json!({ "restartPolicy": "Never" });
    job["containers"] = pod["containers"].clone();
    let job_template = json!({ "spec": job });
    vec![
        case(
            "v1",
            "ConfigMap",
            json!({ "immutable": true, "data": { "a": "1" }, "binaryData": { "b": "AA==" } }),
            &[("/data/a", r#""2""#), ("/binaryData/b", r#""AQ==""#), ("/immutable", "false")],
            &[("/metadata/labels", r#"{ "a": "b" }"#)],
        ),
        case("v1", "ConfigMap", json!({ "data": { "a": "1" } }), &[], &[("/data/a", r#""2""#)]),
        case(
            "v1",
            "Secret",
            json!({ "immutable": true, "type": "Opaque", "data": { "a": "AA==" } }),
            &[
                ("/data/a", r#""AQ==""#),
                ("/stringData", r#"{ "b": "1" }"#),
                ("/immutable", "false"),
                ("/type", r#""example.org/other""#),
            ],
            &[],
        ),
        case("v1", "Secret", json!({ "data": { "a": "AA==" } }), &[], &[("/data/a", r#""AQ==""#)]),
        case(
            "v1",
            "PersistentVolume",
            json!({ "spec": {
                "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                "hostPath": { "path": "/a" }, "storageClassName": "a",
            } }),
            &[("/spec/hostPath/path", r#""/b""#), ("/spec/volumeMode", r#""Block""#)],
            &[
                ("/spec/capacity/storage", r#""2Gi""#),
                ("/spec/accessModes", r#"["ReadOnlyMany"]"#),
                ("/spec/mountOptions", r#"["ro"]"#),
                ("/spec/persistentVolumeReclaimPolicy", r#""Delete""#),
                ("/spec/storageClassName", r#""b""#),
            ],
        ),
        case(
            "v1",
            "PersistentVolumeClaim",
            json!({ "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "a",
                "resources": { "requests": { "storage": "2Gi" } },
            } }),
            &[
                ("/spec/accessModes", r#"["ReadOnlyMany"]"#),
                ("/spec/storageClassName", r#""b""#),
                ("/spec/resources/requests/storage", r#""1Gi""#),
            ],
            &[],
        ),
        case(
            "v1",
            "Pod",
            json!({ "spec": pod }),
            &[
                ("/spec/containers/0/command", r#"["a"]"#),
                ("/spec/serviceAccountName", r#""b""#),
                ("/spec/nodeSelector", r#"{ "a": "b" }"#),
            ],
            &[
                ("/spec/containers/0/image", r#""b""#),
                ("/spec/activeDeadlineSeconds", "60"),
                ("/spec/tolerations", r#"[{ "key": "a", "operator": "Exists" }]"#),
            ],
        ),
        case(
            "v1",
            "ResourceQuota",
            json!({ "spec": { "hard": { "pods": "1" }, "scopes": ["NotTerminating"] } }),
            &[("/spec/scopes", r#"["Terminating"]"#)],
            &[("/spec/hard/pods", r#""2""#)],
        ),
        case(
            "v1",
            "Service",
            json!({ "spec": { "ports": [{ "port": 80 }], "ipFamilies": ["IPv4"] } }),
            &[
                ("/spec/clusterIP", r#""None""#),
                ("/spec/clusterIPs", r#"["None"]"#),
                ("/spec/ipFamilies", r#"["IPv6"]"#),
            ],
            &[("/spec/ports/0/port", "81"), ("/spec/type", r#""NodePort""#)],
        ),
        case(
            "v1",
            "Service",
            json!({ "spec": { "ports": [{ "port": 80 }], "type": "LoadBalancer", "loadBalancerClass": "a.org/a" } }),
            &[("/spec/loadBalancerClass", r#""a.org/b""#)],
            &[],
        ),
        case(
            "v1",
            "Service",
            json!({ "spec": { "type": "ExternalName", "externalName": "a.org" } }),
            &[],
            &[(
                "/spec",
                r#"{ "type": "ClusterIP", "clusterIP": "None", "ports": [{ "port": 80 }] }"#,
            )],
        ),
        case(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({ "metadata": { "name": "as.a.org" }, "spec": {
                "group": "a.org", "scope": "Namespaced",
                "names": { "kind": "A", "plural": "as" },
                "versions": [{ "name": "v1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": { "type": "object" } } }],
            } }),
            &[("/spec/scope", r#""Cluster""#), ("/spec/names/kind", r#""B""#)],
            &[("/spec/names/shortNames", r#"["a"]"#)],
        ),
        case(
            "apps/v1",
            "ControllerRevision",
            json!({ "data": { "a": 1 }, "revision": 1 }),
            &[("/data/a", "2")],
            &[("/revision", "2")],
        ),
        case(
            "apps/v1",
            "DaemonSet",
            json!({ "spec": { "selector": selector, "template": template } }),
            &[SELECTOR],
            ROLLING,
        ),
        case(
            "apps/v1",
            "Deployment",
            json!({ "spec": { "selector": selector, "template": template } }),
            &[SELECTOR],
            ROLLING,
        ),
        case(
            "apps/v1",
            "ReplicaSet",
            json!({ "spec": { "selector": selector, "template": template } }),
            &[SELECTOR],
            ROLLING,
        ),
        case(
            "apps/v1",
            "StatefulSet",
            json!({ "spec": { "selector": selector, "template": template, "serviceName": "a" } }),
            &[
                SELECTOR,
                ("/spec/serviceName", r#""b""#),
                ("/spec/podManagementPolicy", r#""Parallel""#),
                (
                    "/spec/volumeClaimTemplates",
                    r#"[{ "metadata": { "name": "a" }, "spec": {
                        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }]"#,
                ),
            ],
            &[
                ("/spec/minReadySeconds", "7"),
                ("/spec/ordinals", r#"{ "start": 1 }"#),
                (
                    "/spec/persistentVolumeClaimRetentionPolicy",
                    r#"{ "whenDeleted": "Delete", "whenScaled": "Retain" }"#,
                ),
                ("/spec/replicas", "3"),
                ("/spec/revisionHistoryLimit", "3"),
                ("/spec/template/spec/containers/0/image", r#""b""#),
                ("/spec/updateStrategy", r#"{ "rollingUpdate": { "partition": 1 } }"#),
            ],
        ),
        case(
            "batch/v1",
            "Job",
            json!({ "spec": { "template": job_template } }),
            &[
                ("/spec/template/spec/containers/0/image", r#""b""#),
                ("/spec/completions", "3"),
                ("/spec/managedBy", r#""a.org/a""#),
                ("/spec/selector", r#"{ "matchLabels": { "app": "a" } }"#),
                (
                    "/spec/podFailurePolicy",
                    r#"{ "rules": [{ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] }] }"#,
                ),
            ],
            &[
                ("/spec/parallelism", "3"),
                ("/spec/backoffLimit", "3"),
                ("/spec/activeDeadlineSeconds", "3"),
                ("/spec/ttlSecondsAfterFinished", "3"),
                ("/spec/suspend", "true"),
            ],
        ),
        case(
            "batch/v1",
            "Job",
            json!({ "spec": {
                "template": job_template, "completionMode": "Indexed", "completions": 2, "parallelism": 2,
                "backoffLimitPerIndex": 1, "successPolicy": { "rules": [{ "succeededCount": 1 }] },
            } }),
            &[
                ("/spec/backoffLimitPerIndex", "2"),
                ("/spec/successPolicy", r#"{ "rules": [{ "succeededCount": 2 }] }"#),
                ("/spec/completionMode", r#""NonIndexed""#),
            ],
            &[],
        ),
        case(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            json!({ "addressType": "IPv4", "endpoints": [], "ports": [] }),
            &[("/addressType", r#""IPv6""#)],
            &[],
        ),
        case(
            "networking.k8s.io/v1",
            "IngressClass",
            json!({ "spec": { "controller": "a.org/a" } }),
            &[("/spec/controller", r#""a.org/b""#)],
            &[],
        ),
        case(
            "node.k8s.io/v1",
            "RuntimeClass",
            json!({ "handler": "a" }),
            &[("/handler", r#""b""#)],
            &[],
        ),
        case(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            json!({ "roleRef": role("ClusterRole") }),
            &[("/roleRef/name", r#""b""#)],
            &[],
        ),
        case(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            json!({ "roleRef": role("Role") }),
            &[("/roleRef/name", r#""b""#)],
            &[("/subjects", r#"[{ "kind": "ServiceAccount", "name": "a", "namespace": "b" }]"#)],
        ),
        case(
            "scheduling.k8s.io/v1",
            "PriorityClass",
            json!({ "value": 1, "preemptionPolicy": "Never" }),
            &[("/value", "2"), ("/preemptionPolicy", r#""PreemptLowerPriority""#)],
            &[("/description", r#""a""#)],
        ),
        case(
            "storage.k8s.io/v1",
            "CSIDriver",
            json!({ "spec": { "attachRequired": true, "volumeLifecycleModes": ["Persistent"] } }),
            &[
                ("/spec/attachRequired", "false"),
                ("/spec/volumeLifecycleModes", r#"["Ephemeral"]"#),
            ],
            &[("/spec/podInfoOnMount", "true"), ("/spec/storageCapacity", "true")],
        ),
        case(
            "storage.k8s.io/v1",
            "StorageClass",
            json!({ "provisioner": "a.org/a", "parameters": { "a": "b" }, "reclaimPolicy": "Retain" }),
            &[
                ("/provisioner", r#""a.org/b""#),
                ("/parameters/a", r#""c""#),
                ("/reclaimPolicy", r#""Delete""#),
                ("/volumeBindingMode", r#""WaitForFirstConsumer""#),
            ],
            &[("/allowVolumeExpansion", "true"), ("/mountOptions", r#"["ro"]"#)],
        ),
        case(
            "storage.k8s.io/v1",
            "VolumeAttributesClass",
            json!({ "driverName": "a.org/a", "parameters": { "a": "b" } }),
            &[("/driverName", r#""a.org/b""#), ("/parameters/a", r#""c""#)],
            &[],
        ),
    ]
}

fn role(kind: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "a" })
}

/// The object with another value at a path.
fn changed(object: &Value, path: &str, value: &str) -> Value {
    let mut object = object.clone();
    let (above, name) = path.rsplit_once('/').unwrap();
    let at = object.pointer_mut(above).unwrap_or_else(|| panic!("{path}"));
    at[name] = serde_json::from_str(value).unwrap();
    object
}

/// The steps of a path as the table writes them.
fn steps(path: &str) -> Vec<&str> {
    let of = |step| if str::parse::<u32>(step).is_ok() { "*" } else { step };
    path[1..].split('/').map(of).collect()
}

/// Whether the table says that it cannot be changed in place.
fn is_fixed(object: &Value, path: &str) -> bool {
    let group = object["apiVersion"].as_str().unwrap().rsplit_once('/').map_or("", |it| it.0);
    let steps = steps(path);
    fixed(group, object["kind"].as_str().unwrap()).any(|row| {
        row.covers(&steps)
            && match row.when {
                When::Immutable => object["immutable"] == true,
                When::NotIndexed => object["spec"]["completionMode"] != "Indexed",
                When::NotExternal => object["spec"]["type"] != "ExternalName",
                When::LoadBalancer => object["spec"]["type"] == "LoadBalancer",
                When::Always | When::Less => true,
            }
    })
}

/// Its names and scope are fixed from then on.
fn wait_until_established(control_plane: &ControlPlane, definition: &Value) {
    let name = definition["metadata"]["name"].as_str().unwrap();
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let (_, body) = control_plane.get(&path).unwrap();
        let found: Value = serde_json::from_str(&body).unwrap();
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True") {
            return;
        }
        assert!(Instant::now() < end, "{body}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_api_server_refuses_what_the_table_says_and_takes_the_rest() {
    let control_plane = ControlPlane::start(&binaries().unwrap()).unwrap();
    let cases = cases();
    let mut wrong = Vec::new();
    for Case { object, refused, taken } in &cases {
        let apply = |object: &Value| control_plane.server_side_apply(object);
        apply(object).unwrap_or_else(|error| panic!("{object}: {error}"));
        if object["kind"] == "CustomResourceDefinition" {
            wait_until_established(&control_plane, object);
        }
        let mut tell = |path: &str, answer: &Result<_, String>| {
            let said = answer.as_ref().err().map_or("taken", |error| error);
            wrong.push(format!("{} {path}: {said}", object["kind"]));
        };
        for (path, value) in *refused {
            let answer = apply(&changed(object, path, value));
            let is_refused = matches!(&answer, Err(error) if error.starts_with("HTTP 422"));
            if !is_refused || !is_fixed(object, path) {
                tell(path, &answer);
            }
        }
        for (number, (path, value)) in taken.iter().enumerate() {
            // What is changed cannot always be changed back, so each begins anew.
            let mut object = object.clone();
            if object["kind"] != "CustomResourceDefinition" {
                let name = format!("{}-{number}", object["metadata"]["name"].as_str().unwrap());
                object["metadata"]["name"] = json!(name);
                apply(&object).unwrap();
            }
            let answer = apply(&changed(&object, path, value));
            if answer.is_err() || is_fixed(&object, path) {
                tell(path, &answer);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for row in FIXED {
        let is_shown = cases.iter().any(|case| {
            case.object["kind"] == row.kind
                && case.refused.iter().any(|(path, _)| row.covers(&steps(path)))
        });
        assert!(is_shown, "no case shows {row:?}");
    }
}
