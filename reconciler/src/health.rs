//! Whether what was applied works, by what objects say of themselves.
//!
//! The rules are those of the controllers: an object is settled once its controller has seen what was asked for last
//! (`status.observedGeneration`) and has done it. Kinds without a controller are settled at once; others say so in a
//! condition `Ready` (<https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus> has the same idea).

use serde_json::Value as Json;

/// Whether an object works.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// It does what was asked for.
    Settled,
    /// It is on its way; what is missing.
    Moving(String),
    /// It will not get there by itself; why.
    Failed(String),
}

use Health::{Failed, Moving, Settled};

/// Whether an object works, by its kind, generation and status.
pub fn health(object: &Json) -> Health {
    let metadata = &object["metadata"];
    if !metadata["deletionTimestamp"].is_null() {
        return Moving("it is being deleted".to_owned());
    }
    let (status, spec) = (&object["status"], &object["spec"]);
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let kind = object["kind"].as_str().unwrap_or_default();
    let observed = status["observedGeneration"].as_i64();
    let generation = metadata["generation"].as_i64();
    let is_behind = observed < generation;
    match (group, kind) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") if is_behind => {
            Moving("its controller has not seen the change".to_owned())
        }
        ("apps", "Deployment") => deployment(spec, status),
        ("apps", "StatefulSet") => stateful_set(spec, status),
        ("apps", "DaemonSet") => daemon_set(spec, status),
        ("apps", "ReplicaSet") => {
            let wanted = count(&spec["replicas"], 1);
            all(count(&status["availableReplicas"], 0), wanted, "available")
        }
        ("batch", "Job") => job(spec, status),
        ("", "Pod") => pod(status),
        ("", "PersistentVolumeClaim") => match status["phase"].as_str() {
            Some("Bound") => Settled,
            Some("Lost") => Failed("its volume is lost".to_owned()),
            // A claim that is bound when a pod needs it waits for that pod, and with it for nothing of ours.
            _ => Settled,
        },
        ("", "Service") if spec["type"] == "LoadBalancer" => {
            match status["loadBalancer"]["ingress"].as_array().is_some_and(|it| !it.is_empty()) {
                true => Settled,
                false => Moving("it has no address yet".to_owned()),
            }
        }
        ("", "Namespace") => match status["phase"].as_str() {
            Some("Terminating") => Moving("it is being deleted".to_owned()),
            _ => Settled,
        },
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(status),
        _ => by_conditions(status, observed, generation),
    }
}

/// `pkg/controller/deployment/util/deployment_util.go`, DeploymentComplete and DeploymentTimedOut.
fn deployment(spec: &Json, status: &Json) -> Health {
    if let Some(condition) = condition(status, "Progressing")
        && condition["reason"] == "ProgressDeadlineExceeded"
    {
        return Failed(message(condition));
    }
    if let Some(condition) = condition(status, "ReplicaFailure")
        && condition["status"] == "True"
    {
        return Failed(message(condition));
    }
    if spec["paused"] == true {
        return Settled;
    }
    let wanted = count(&spec["replicas"], 1);
    let updated = count(&status["updatedReplicas"], 0);
    let total = count(&status["replicas"], 0);
    let available = count(&status["availableReplicas"], 0);
    if updated < wanted {
        return Moving(format!("{updated} of {wanted} pods are new"));
    }
    if total > updated {
        return Moving(format!("{} old pods are still there", total - updated));
    }
    all(available, updated, "available")
}

/// `pkg/controller/statefulset/stateful_set_control.go`.
fn stateful_set(spec: &Json, status: &Json) -> Health {
    let wanted = count(&spec["replicas"], 1);
    let ready = count(&status["readyReplicas"], 0);
    if spec["updateStrategy"]["type"] == "OnDelete" {
        return all(ready, wanted, "ready");
    }
    let partition = count(&spec["updateStrategy"]["rollingUpdate"]["partition"], 0);
    let updated = count(&status["updatedReplicas"], 0);
    let wanted_new = (wanted - partition).max(0);
    if updated < wanted_new {
        return Moving(format!("{updated} of {wanted_new} pods are new"));
    }
    all(ready, wanted, "ready")
}

fn daemon_set(spec: &Json, status: &Json) -> Health {
    let wanted = count(&status["desiredNumberScheduled"], 0);
    let updated = count(&status["updatedNumberScheduled"], 0);
    if spec["updateStrategy"]["type"] != "OnDelete" && updated < wanted {
        return Moving(format!("{updated} of {wanted} pods are new"));
    }
    all(count(&status["numberAvailable"], 0), wanted, "available")
}

/// A Job that was begun works; one that ended did, or did not.
fn job(spec: &Json, status: &Json) -> Health {
    let is = |name: &str| condition(status, name).filter(|it| it["status"] == "True");
    match (is("Failed"), is("Complete")) {
        (Some(condition), _) => Failed(message(condition)),
        (_, Some(_)) => Settled,
        _ if spec["suspend"] == true => Settled,
        _ => Moving(format!("{} of its pods are done", count(&status["succeeded"], 0))),
    }
}

fn pod(status: &Json) -> Health {
    let ready = condition(status, "Ready").is_some_and(|it| it["status"] == "True");
    match status["phase"].as_str() {
        Some("Succeeded") => Settled,
        Some("Failed") => Failed(message(status)),
        _ if ready => Settled,
        phase => Moving(format!("it is {}", phase.unwrap_or("Pending").to_lowercase())),
    }
}

fn definition(status: &Json) -> Health {
    if let Some(refused) = condition(status, "NamesAccepted").filter(|it| it["status"] == "False") {
        return Failed(message(refused));
    }
    match condition(status, "Established").is_some_and(|it| it["status"] == "True") {
        true => Settled,
        false => Moving("its kind is not served yet".to_owned()),
    }
}

fn by_conditions(status: &Json, observed: Option<i64>, generation: Option<i64>) -> Health {
    if observed.is_some() && observed < generation {
        return Moving("its controller has not seen the change".to_owned());
    }
    for name in ["Stalled", "Failed"] {
        if let Some(condition) = condition(status, name).filter(|it| it["status"] == "True") {
            return Failed(message(condition));
        }
    }
    match condition(status, "Ready") {
        Some(condition) if condition["status"] != "True" => Moving(message(condition)),
        _ => Settled,
    }
}

fn condition<'s>(status: &'s Json, name: &str) -> Option<&'s Json> {
    status["conditions"].as_array()?.iter().find(|it| it["type"] == name)
}

fn message(of: &Json) -> String {
    let text = |name: &str| of[name].as_str().filter(|it| !it.is_empty());
    text("message").or(text("reason")).unwrap_or("it does not say why").to_owned()
}

fn count(value: &Json, otherwise: i64) -> i64 {
    value.as_i64().unwrap_or(otherwise)
}

fn all(have: i64, wanted: i64, what: &str) -> Health {
    if have >= wanted { Settled } else { Moving(format!("{have} of {wanted} pods are {what}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, spec: Json, status: Json) -> Json {
        json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": { "name": "a", "generation": 2 }, "spec": spec, "status": status,
        })
    }

    fn moving(text: &str) -> Health {
        Moving(text.to_owned())
    }

    #[test]
    fn a_deployment_is_settled_when_its_controller_is_done() {
        let seen = |status: Json| {
            let mut status = status;
            status["observedGeneration"] = json!(2);
            health(&object("apps/v1", "Deployment", json!({ "replicas": 3 }), status))
        };
        let old = json!({ "observedGeneration": 1, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3 });
        assert_eq!(
            health(&object("apps/v1", "Deployment", json!({ "replicas": 3 }), old)),
            moving("its controller has not seen the change")
        );
        for (status, expected) in [
            (json!({}), moving("0 of 3 pods are new")),
            (json!({ "updatedReplicas": 2, "replicas": 3 }), moving("2 of 3 pods are new")),
            (
                json!({ "updatedReplicas": 3, "replicas": 4, "availableReplicas": 4 }),
                moving("1 old pods are still there"),
            ),
            (
                json!({ "updatedReplicas": 3, "replicas": 3, "availableReplicas": 1 }),
                moving("1 of 3 pods are available"),
            ),
            (json!({ "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3 }), Settled),
            (
                json!({ "conditions": [{ "type": "Progressing", "status": "False",
                    "reason": "ProgressDeadlineExceeded", "message": "timed out" }] }),
                Failed("timed out".to_owned()),
            ),
            (
                json!({ "conditions": [{ "type": "ReplicaFailure", "status": "True",
                    "reason": "FailedCreate", "message": "exceeded quota" }] }),
                Failed("exceeded quota".to_owned()),
            ),
        ] {
            assert_eq!(seen(status.clone()), expected, "{status}");
        }
        let none = object(
            "apps/v1",
            "Deployment",
            json!({ "replicas": 0 }),
            json!({ "observedGeneration": 2 }),
        );
        assert_eq!(health(&none), Settled, "of none all are there");
        let unseen = object("apps/v1", "Deployment", json!({ "replicas": 0 }), json!({}));
        assert_eq!(health(&unseen), moving("its controller has not seen the change"));
    }

    #[test]
    fn other_kinds_by_their_controllers() {
        let seen = json!({ "observedGeneration": 2 });
        let with = |more: Json| {
            let mut status = seen.clone();
            for (key, value) in more.as_object().unwrap() {
                status[key] = value.clone();
            }
            status
        };
        for (api_version, kind, spec, status, expected) in [
            (
                "apps/v1",
                "StatefulSet",
                json!({ "replicas": 2 }),
                with(json!({ "updatedReplicas": 1, "readyReplicas": 2 })),
                moving("1 of 2 pods are new"),
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({ "replicas": 2 }),
                with(json!({ "updatedReplicas": 2, "readyReplicas": 1 })),
                moving("1 of 2 pods are ready"),
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({ "replicas": 2 }),
                with(json!({ "updatedReplicas": 2, "readyReplicas": 2 })),
                Settled,
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({ "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": 2 } } }),
                with(json!({ "updatedReplicas": 1, "readyReplicas": 3 })),
                Settled,
            ),
            (
                "apps/v1",
                "DaemonSet",
                json!({}),
                with(
                    json!({ "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1 }),
                ),
                moving("1 of 2 pods are available"),
            ),
            ("batch/v1", "Job", json!({}), json!({}), moving("0 of its pods are done")),
            (
                "batch/v1",
                "Job",
                json!({}),
                json!({ "conditions": [{ "type": "Complete", "status": "True" }] }),
                Settled,
            ),
            (
                "batch/v1",
                "Job",
                json!({}),
                json!({ "conditions": [{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" }] }),
                Failed("BackoffLimitExceeded".into()),
            ),
            ("v1", "Pod", json!({}), json!({ "phase": "Pending" }), moving("it is pending")),
            (
                "v1",
                "Pod",
                json!({}),
                json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }),
                Settled,
            ),
            (
                "v1",
                "Service",
                json!({ "type": "LoadBalancer" }),
                json!({}),
                moving("it has no address yet"),
            ),
            ("v1", "Service", json!({ "type": "ClusterIP" }), json!({}), Settled),
            ("v1", "ConfigMap", json!({}), json!(null), Settled),
            (
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                json!({}),
                json!({}),
                moving("its kind is not served yet"),
            ),
            (
                "example.com/v1",
                "Thing",
                json!({}),
                json!({ "observedGeneration": 1 }),
                moving("its controller has not seen the change"),
            ),
            (
                "example.com/v1",
                "Thing",
                json!({}),
                json!({ "conditions": [{ "type": "Ready", "status": "False", "message": "no disk" }] }),
                moving("no disk"),
            ),
            (
                "example.com/v1",
                "Thing",
                json!({}),
                json!({ "conditions": [{ "type": "Ready", "status": "True" }] }),
                Settled,
            ),
        ] {
            let object = object(api_version, kind, spec, status);
            assert_eq!(health(&object), expected, "{object}");
        }
    }

    #[test]
    fn what_is_being_deleted_is_not_settled() {
        let mut object = object("v1", "ConfigMap", json!({}), json!({}));
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(health(&object), moving("it is being deleted"));
    }
}
