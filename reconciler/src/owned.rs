//! Who owns which fields of an object: `metadata.managedFields`.
//!
//! Each entry has a set of fields as a tree (`fieldsV1`): `f:name` leads into a field, `k:{…}` to the element of a
//! list with that key, `v:…` to the element that is that value, `i:…` to a place; `.` says that what it is in is
//! owned itself. What has no children is owned as a whole.
//! (<https://github.com/kubernetes-sigs/structured-merge-diff>, `fieldpath/serialize.go`)

use crate::FIELD_MANAGER;
use plumb_compiler::changes::Step;
use serde_json::{Map, Value as Json};

/// A manager of fields, as the server remembers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// `kubectl-scale`
    pub manager: String,
    /// `Apply` or `Update`
    pub operation: String,
    /// `scale`, `status`; empty for the object itself.
    pub subresource: String,
    /// When it last changed what it owns; RFC 3339.
    pub time: Option<String>,
}

impl Owner {
    fn of(entry: &Json) -> Self {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        Owner {
            manager: text("manager"),
            operation: text("operation"),
            subresource: text("subresource"),
            time: entry["time"].as_str().map(str::to_owned),
        }
    }

    /// Whether it is Plumb, applying.
    pub fn is_plumb(&self) -> bool {
        self.manager == FIELD_MANAGER && self.operation == "Apply" && self.subresource.is_empty()
    }
}

fn entries(object: &Json) -> impl Iterator<Item = (Owner, Option<&Map<String, Json>>)> {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.into_iter().flatten().map(|entry| (Owner::of(entry), entry["fieldsV1"].as_object()))
}

/// Plumb, as it applied an object, and so owns fields of it.
pub fn applied(object: &Json) -> Option<Owner> {
    entries(object).map(|(owner, _)| owner).find(Owner::is_plumb)
}

/// Whether Plumb applied an object.
pub fn is_applied(object: &Json) -> bool {
    applied(object).is_some()
}

/// Who owns a field of an object, or anything in it, the latest first. Nobody owns what was taken out.
pub fn owners(object: &Json, steps: &[Step]) -> Vec<Owner> {
    let mut found: Vec<Owner> = entries(object)
        .filter(|(_, fields)| fields.is_some_and(|fields| owns(fields, steps)))
        .map(|(owner, _)| owner)
        .collect();
    found.sort_by(|a, b| b.time.cmp(&a.time));
    found
}

/// Who changed an object last, Plumb aside: whom to ask about what nobody owns.
pub fn last_writer(object: &Json) -> Option<Owner> {
    let others = entries(object).map(|(owner, _)| owner);
    others
        .filter(|it| !it.is_plumb() && it.subresource != "status")
        .max_by(|a, b| a.time.cmp(&b.time))
}

/// Whether a set has a field, something in it, or as a whole what it is in.
fn owns(fields: &Map<String, Json>, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let children = fields.iter().filter(|(key, _)| leads(key, step));
    children
        .filter_map(|(_, inner)| inner.as_object())
        .any(|inner| inner.is_empty() || owns(inner, rest))
}

/// Whether a key of a set is a step of a path.
fn leads(key: &str, step: &Step) -> bool {
    match (key.split_once(':'), step) {
        (Some(("f", name)), Step::Field(wanted)) => name == wanted,
        (Some(("k", key)), Step::Key { fields, .. }) if !fields.is_empty() => {
            let Ok(Json::Object(key)) = serde_json::from_str(key) else { return false };
            fields.iter().all(|(name, wanted)| {
                key.get(*name).is_none_or(|value| plain(value) == wanted.as_str())
            })
        }
        (Some(("v", value)), Step::Key { name, fields }) if fields.is_empty() => {
            serde_json::from_str(value).is_ok_and(|value: Json| plain(&value) == name.as_str())
        }
        (Some(("i", at)), Step::At(wanted)) => at.parse() == Ok(*wanted),
        _ => false,
    }
}

/// A value that is no list or record, as text.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether Plumb owns a field of an object that is not in what is to be applied: it was declared once, and an apply
/// takes it out.
pub fn owns_more(object: &Json, applied: &Json) -> bool {
    entries(object)
        .filter(|(owner, _)| owner.is_plumb())
        .filter_map(|(_, fields)| fields)
        .any(|fields| exceeds(fields, applied))
}

/// Whether a set has a field that a value has not.
fn exceeds(fields: &Map<String, Json>, value: &Json) -> bool {
    fields.iter().any(|(key, inner)| {
        let Some(inner) = inner.as_object() else { return false };
        if key == "." {
            return false;
        }
        match inside(key, value) {
            Some(value) => exceeds(inner, value),
            None => true,
        }
    })
}

/// What a key of a set leads to in a value.
fn inside<'v>(key: &str, value: &'v Json) -> Option<&'v Json> {
    let (form, key) = key.split_once(':')?;
    match form {
        "f" => value.get(key),
        "k" => {
            let key: Json = serde_json::from_str(key).ok()?;
            let key = key.as_object()?;
            value.as_array()?.iter().find(|element| {
                // What is left out has its default, which is in the set's key.
                key.iter().all(|(name, wanted)| element.get(name).is_none_or(|it| it == wanted))
            })
        }
        "v" => {
            let wanted: Json = serde_json::from_str(key).ok()?;
            value.as_array()?.iter().find(|element| **element == wanted)
        }
        "i" => value.as_array()?.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A Deployment that Plumb applied, scaled by kubectl, with an image set by hand, as API server 1.36 has it.
    fn object() -> Json {
        json!({ "metadata": { "managedFields": [
            { "manager": "plumb", "operation": "Apply", "time": "2026-01-01T10:00:00Z", "fieldsV1": {
                "f:metadata": { "f:labels": { "f:app": {} } },
                "f:spec": {
                    "f:selector": {},
                    "f:template": { "f:spec": { "f:containers": {
                        "k:{\"name\":\"shop\"}": {
                            ".": {}, "f:name": {},
                            "f:args": {},
                            "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {} } },
                        },
                    } } },
                },
            } },
            { "manager": "kubectl", "operation": "Update", "subresource": "scale", "time": "2026-01-01T11:00:00Z",
              "fieldsV1": { "f:spec": { "f:replicas": {} } } },
            { "manager": "kubectl-set", "operation": "Update", "time": "2026-01-01T12:00:00Z", "fieldsV1": {
                "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"shop\"}": { "f:image": {} } } } } },
            } },
            { "manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
              "time": "2026-01-01T13:00:00Z", "fieldsV1": { "f:status": { "f:replicas": {} } } },
        ] } })
    }

    fn field(name: &str) -> Step {
        Step::Field(name.into())
    }

    fn container(rest: &[Step]) -> Vec<Step> {
        let key = Step::Key { name: "shop".into(), fields: vec![("name", "shop".into())] };
        let mut steps: Vec<Step> =
            ["spec", "template", "spec", "containers"].iter().map(|it| field(it)).collect();
        steps.push(key);
        steps.extend_from_slice(rest);
        steps
    }

    fn who(steps: &[Step]) -> Vec<String> {
        owners(&object(), steps).into_iter().map(|it| it.manager).collect()
    }

    #[test]
    fn a_field_is_owned_by_who_set_it_last() {
        assert_eq!(who(&[field("spec"), field("replicas")]), ["kubectl"]);
        assert_eq!(who(&container(&[field("image")])), ["kubectl-set"]);
        assert_eq!(who(&container(&[])), ["kubectl-set", "plumb"]);
        assert_eq!(who(&container(&[field("tty")])), Vec::<String>::new());
    }

    #[test]
    fn what_is_owned_as_a_whole_is_owned_with_all_that_is_in_it() {
        assert_eq!(who(&[field("spec"), field("selector"), field("matchLabels")]), ["plumb"]);
        assert_eq!(who(&container(&[field("args"), Step::At(1)])), ["plumb"]);
    }

    #[test]
    fn a_key_of_several_fields_is_met_by_all_of_them() {
        let port = |number: &str, protocol: &str| Step::Key {
            name: number.into(),
            fields: vec![("containerPort", number.into()), ("protocol", protocol.into())],
        };
        assert_eq!(who(&container(&[field("ports"), port("80", "TCP")])), ["plumb"]);
        assert!(who(&container(&[field("ports"), port("80", "UDP")])).is_empty());
        assert!(who(&container(&[field("ports"), port("81", "TCP")])).is_empty());
    }

    #[test]
    fn whom_to_ask_about_what_was_taken_out_is_who_wrote_last() {
        assert_eq!(last_writer(&object()).unwrap().manager, "kubectl-set");
    }

    #[test]
    fn what_is_no_longer_declared_is_seen_in_what_is_owned() {
        let applied = |container: Json| {
            json!({
                "metadata": { "labels": { "app": "shop" } },
                "spec": {
                    "selector": { "matchLabels": {} },
                    "template": { "spec": { "containers": [container] } },
                },
            })
        };
        let whole = json!({ "name": "shop", "args": ["a"], "ports": [{ "containerPort": 80 }] });
        assert!(!owns_more(&object(), &applied(whole)));
        let fewer = json!({ "name": "shop", "args": ["a"] });
        assert!(owns_more(&object(), &applied(fewer)), "a port went");
        let other = json!({ "name": "shop", "args": ["a"], "ports": [{ "containerPort": 81 }] });
        assert!(owns_more(&object(), &applied(other)), "another port");
        let renamed = json!({ "name": "cart", "args": ["a"], "ports": [{ "containerPort": 80 }] });
        assert!(owns_more(&object(), &applied(renamed)), "another container");
    }

    #[test]
    fn an_object_without_an_entry_of_ours_was_not_applied() {
        assert!(is_applied(&object()));
        assert!(!is_applied(&json!({ "metadata": {} })));
        let updated = json!({ "metadata": { "managedFields": [
            { "manager": "plumb", "operation": "Update", "fieldsV1": {} },
        ] } });
        assert!(!is_applied(&updated), "an update is no apply");
    }
}
