//! What whoever applies an environment must be allowed to do, and no more.
//!
//! ```text
//! Render ─ kinds, where `apply` looks for them ─> rules, by namespace or for all ─> Role, ClusterRole, bindings
//!        ─ roles and bindings among its objects ─> what they grant: nobody grants more than they hold
//! ```
//!
//! The rules follow what `cluster` asks for: lists and watches by kind and namespace, `get` of what is in no set,
//! server-side apply, which is `patch`, and `create` where the object is not there yet.

use crate::apply::scopes;
use crate::inventory::Set;
use crate::plan::outgoing;
use crate::render::{Desired, Render};
use plumb_compiler::changes::package;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const RBAC: &str = "rbac.authorization.k8s.io";

/// What is asked for of a kind.
const BY_KIND: [&str; 3] = ["create", "list", "watch"];

/// What is asked for of one object, which a rule can name.
const BY_NAME: [&str; 3] = ["delete", "get", "patch"];

/// The service account that applies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object to be made by somebody who may.
#[derive(Clone, PartialEq, Debug)]
pub struct Granted {
    /// As it is applied.
    pub object: Json,
    /// What is to be known of it, a sentence each.
    pub notes: Vec<String>,
}

/// What an account needs to apply, to follow and to compare what some packages of an environment make, in the order in
/// which it can be made: namespaces, then roles, each with its binding.
pub fn granted(
    render: &Render,
    is_chosen: &dyn Fn(&str) -> bool,
    set: &Set,
    account: &Account,
) -> Vec<Granted> {
    let objects: Vec<&Desired> = render
        .objects
        .iter()
        .map(|it| &**it)
        .filter(|it| is_chosen(package(&it.request)))
        .collect();
    let mut rules = Rules::default();
    rules.inventory(set);
    rules.objects(&objects);
    for desired in &objects {
        rules.grants(desired, &objects);
    }
    let namespaces = namespaces(&objects, set, &rules);
    let roles =
        rules.0.into_iter().flat_map(|(namespace, rules)| rules.roles(namespace, set, account));
    namespaces.into_iter().chain(roles).collect()
}

/// The namespaces that roles stand in and the environment makes, as they are applied, so that they are its own from the
/// beginning.
fn namespaces(objects: &[&Desired], set: &Set, rules: &Rules) -> Vec<Granted> {
    let is_needed = |it: &&&Desired| {
        it.identity.kind == "Namespace" && rules.0.contains_key(&Some(it.identity.name.to_string()))
    };
    let mut needed: Vec<&&Desired> = objects.iter().filter(is_needed).collect();
    needed.sort_by_key(|it| &it.identity);
    needed
        .into_iter()
        .map(|desired| Granted {
            object: outgoing(desired, &[], None, &set.id()),
            notes: vec![format!("As request {} makes it.", desired.request)],
        })
        .collect()
}

/// By namespace; those for all of the cluster under none.
#[derive(Default)]
struct Rules(BTreeMap<Option<String>, Place>);

/// What is allowed in one place.
#[derive(Default)]
struct Place {
    /// What may be done with objects of a resource, or with some of them by name.
    allowed: BTreeMap<Of, BTreeSet<&'static str>>,
    /// What is granted to others, as they are granted it.
    passed_on: Vec<Json>,
    notes: BTreeSet<String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    group: String,
    resource: String,
    /// None for all of them.
    names: BTreeSet<String>,
}

impl Rules {
    fn at(&mut self, namespace: Option<&str>) -> &mut Place {
        self.0.entry(namespace.map(str::to_owned)).or_default()
    }

    /// What remembering takes.
    fn inventory(&mut self, set: &Set) {
        self.at(None).allow("", "namespaces", &["get"], [set.namespace.clone()]);
        self.at(None).allow("", "namespaces", &["create"], []);
        let verbs = &["create", "delete", "list", "update"];
        self.at(Some(&set.namespace)).allow("", "configmaps", verbs, []);
    }

    /// What applying, following and deleting objects takes.
    fn objects(&mut self, objects: &[&Desired]) {
        let members = objects.iter().map(|it| (&it.identity, Some(&it.resource)));
        for (resource, namespace) in scopes(members, &|_| None) {
            let place = self.at(namespace.as_deref());
            let (group, plural) = (&resource.group, &resource.plural);
            if resource.namespaced {
                place.allow(group, plural, &[&BY_KIND[..], &BY_NAME].concat(), []);
                place.allow("events.k8s.io", "events", &["create"], []);
                continue;
            }
            // Objects of the whole cluster are others' as well: what names one is allowed by name.
            let own = objects.iter().filter(|it| it.resource == resource);
            let names: Vec<String> = own.map(|it| it.identity.name.to_string()).collect();
            place.allow(group, plural, &BY_KIND, []);
            place.allow(group, plural, &BY_NAME, names);
            // An Event of what is in no namespace is in this one (events.k8s.io/v1 `Event.metadata`).
            self.at(Some("default")).allow("events.k8s.io", "events", &["create"], []);
        }
        // Before a definition is deleted, it is looked whether it has objects.
        for desired in objects.iter().filter(|it| it.identity.kind == "CustomResourceDefinition") {
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            let spec = &desired.json["spec"];
            let plural = text(&spec["names"]["plural"]);
            self.at(None).allow(&text(&spec["group"]), &plural, &["list"], []);
        }
    }

    /// What a role or binding grants: an API server lets nobody grant what they do not hold
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>).
    fn grants(&mut self, desired: &Desired, objects: &[&Desired]) {
        if desired.identity.group != RBAC {
            return;
        }
        let address = desired.identity.address();
        let namespace = desired.identity.namespace.as_deref();
        match desired.identity.kind.as_str() {
            "Role" | "ClusterRole" => {
                let place = self.at(namespace);
                place.pass_on(desired);
                if !desired.json["aggregationRule"].is_null() {
                    // What it will hold is not known, so that it would take all there is.
                    let name = desired.identity.name.to_string();
                    place.allow(RBAC, &desired.resource.plural, &["escalate"], [name]);
                    place.note(format!(
                        "{address} gathers the rules of others, which takes `escalate`."
                    ));
                }
            }
            "RoleBinding" | "ClusterRoleBinding" => {
                let role = &desired.json["roleRef"];
                let is_role = |it: &&&Desired| {
                    it.identity.group == RBAC
                        && role["kind"] == it.identity.kind.as_str()
                        && role["name"] == it.identity.name.as_str()
                        && (it.identity.namespace.is_none()
                            || it.identity.namespace.as_deref() == namespace)
                };
                let place = self.at(namespace);
                match objects.iter().find(is_role) {
                    Some(role) => place.pass_on(role),
                    None => {
                        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
                        let (kind, name) = (text(&role["kind"]), text(&role["name"]));
                        let plural = format!("{}s", kind.to_lowercase());
                        place.allow(RBAC, &plural, &["bind"], [name.clone()]);
                        place.note(format!(
                            "{address} binds {kind}/{name}, which it is not made with: `bind` stands for its rules."
                        ));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Place {
    fn allow(
        &mut self,
        group: &str,
        resource: &str,
        verbs: &[&'static str],
        names: impl IntoIterator<Item = String>,
    ) {
        let of = Of {
            group: group.to_owned(),
            resource: resource.to_owned(),
            names: names.into_iter().collect(),
        };
        self.allowed.entry(of).or_default().extend(verbs);
    }

    fn note(&mut self, note: String) {
        self.notes.insert(note);
    }

    /// Holds what a role grants.
    fn pass_on(&mut self, role: &Desired) {
        let rules = role.json["rules"].as_array().into_iter().flatten();
        for rule in rules {
            if !self.passed_on.contains(rule) {
                self.passed_on.push(rule.clone());
            }
            let address = role.identity.address();
            self.note(format!(
                "The last rules are those of {address}: nobody grants what they do not hold."
            ));
        }
    }

    /// The role, and what binds it to the account.
    fn roles(self, namespace: Option<String>, set: &Set, account: &Account) -> [Granted; 2] {
        let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
        // Others may apply parts of the same set, and the same account other sets.
        let name = format!("plumb:{}:{}:{}", set.name, account.namespace, account.name);
        let mut metadata = json!({ "name": name });
        if let Some(namespace) = &namespace {
            metadata["namespace"] = json!(namespace);
        }
        // Resources of which the same is allowed share a rule.
        let mut alike: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (Of { group, resource, names }, verbs) in self.allowed {
            alike.entry((group, names, verbs)).or_default().push(resource);
        }
        let rules = alike.into_iter().map(|((group, names, verbs), resources)| {
            let mut rule = json!({ "apiGroups": [group], "resources": resources });
            if !names.is_empty() {
                rule["resourceNames"] = json!(names);
            }
            rule["verbs"] = json!(verbs);
            rule
        });
        // A URL is in no namespace (rbac/v1 `PolicyRule.nonResourceURLs`).
        let passed_on = self.passed_on.into_iter();
        let passed_on =
            passed_on.filter(|it| namespace.is_none() || it["nonResourceURLs"].is_null());
        let rules: Vec<Json> = rules.chain(passed_on).collect();
        let api_version = format!("{RBAC}/v1");
        let role = json!({
            "apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": rules,
        });
        let binding = json!({
            "apiVersion": api_version, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": { "apiGroup": RBAC, "kind": kind, "name": name },
            "subjects": [{
                "kind": "ServiceAccount", "namespace": account.namespace, "name": account.name,
            }],
        });
        [
            Granted { object: role, notes: self.notes.into_iter().collect() },
            Granted { object: binding, notes: Vec::new() },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::render_of;

    const HEAD: &str = r#"use k8s.core.v1 as core
use k8s.rbac.v1 as rbac

schema Env {}

environment prod: Env {}

schema Thing { in: String = "shop" }

request one: Thing {}
"#;

    /// Each rule of each role as a line: where, which groups and resources, which names, which verbs.
    fn told(compose: &str) -> (Vec<String>, Vec<String>) {
        let (_, render) = render_of(&format!("{HEAD}\ncompose Thing as it {{\n{compose}\n}}\n"));
        let account = Account { namespace: "ci".into(), name: "bot".into() };
        let set = Set::new("acme", "prod", "plumb-system");
        let all = granted(&render, &|_| true, &set, &account);
        let words = |list: &Json| {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(Json::as_str).collect::<Vec<_>>().join(" ")
        };
        let rules = all.iter().flat_map(|it| {
            let place = it.object["metadata"]["namespace"].as_str().unwrap_or("*");
            let rules = it.object["rules"].as_array().into_iter().flatten();
            rules.map(move |rule| {
                let of: Vec<String> =
                    ["apiGroups", "resources", "resourceNames", "nonResourceURLs"]
                        .iter()
                        .map(|key| words(&rule[*key]))
                        .filter(|it| !it.is_empty())
                        .collect();
                format!("{place}: {}: {}", of.join("/"), words(&rule["verbs"]))
            })
        });
        // What every environment takes is told once.
        let always = [
            "*: namespaces: create",
            "*: namespaces/plumb-system: get",
            "plumb-system: configmaps: create delete list update",
        ];
        let rules: Vec<String> = rules.filter(|it| !always.contains(&it.as_str())).collect();
        (rules, all.into_iter().flat_map(|it| it.notes).collect())
    }

    #[test]
    fn what_is_in_a_namespace_is_allowed_there() {
        let (rules, _) = told(
            r#"emit core.ConfigMap { metadata = { name = "a", namespace = "shop" } }
            emit core.Service { metadata = { name = "a", namespace = "shop" }, spec.ports = [{ port = 80 }] }
            emit core.ConfigMap { metadata = { name = "a", namespace = "till" } }"#,
        );
        assert_eq!(
            rules,
            [
                "shop: configmaps services: create delete get list patch watch",
                "shop: events.k8s.io/events: create",
                "till: configmaps: create delete get list patch watch",
                "till: events.k8s.io/events: create",
            ]
        );
    }

    #[test]
    fn objects_of_the_whole_cluster_are_allowed_by_name() {
        let (rules, _) = told(r#"emit core.Namespace { metadata.name = "shop" }"#);
        assert_eq!(
            rules,
            [
                "*: namespaces: create list watch",
                "*: namespaces/shop: delete get patch",
                "default: events.k8s.io/events: create",
            ]
        );
    }

    #[test]
    fn kinds_in_many_namespaces_are_allowed_in_all() {
        let (rules, _) = told(
            r#"for at in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17] {
                emit core.ConfigMap { metadata = { name = "a", namespace = "n${at}" } }
            }"#,
        );
        assert_eq!(
            rules,
            [
                "*: configmaps: create delete get list patch watch",
                "*: events.k8s.io/events: create",
            ]
        );
    }

    #[test]
    fn nobody_grants_what_they_do_not_hold() {
        let roles = "create delete get list patch watch";
        let (rules, notes) = told(
            r#"emit rbac.Role {
                metadata = { name = "reader", namespace = "shop" }
                rules = [{ apiGroups = [""], resources = ["pods"], verbs = ["get"] }]
            }
            emit rbac.RoleBinding {
                metadata = { name = "reader", namespace = "shop" }
                roleRef = { apiGroup = "rbac.authorization.k8s.io", kind = "Role", name = "reader" }
            }
            emit rbac.RoleBinding {
                metadata = { name = "viewer", namespace = "till" }
                roleRef = { apiGroup = "rbac.authorization.k8s.io", kind = "ClusterRole", name = "view" }
            }"#,
        );
        assert_eq!(
            rules,
            [
                "shop: events.k8s.io/events: create".to_owned(),
                format!("shop: rbac.authorization.k8s.io/rolebindings roles: {roles}"),
                "shop: pods: get".to_owned(),
                "till: events.k8s.io/events: create".to_owned(),
                format!("till: rbac.authorization.k8s.io/rolebindings: {roles}"),
                "till: rbac.authorization.k8s.io/clusterroles/view: bind".to_owned(),
            ]
        );
        assert_eq!(
            notes,
            [
                "The last rules are those of Role/reader@shop: nobody grants what they do not hold.",
                "RoleBinding/viewer@till binds ClusterRole/view, which it is not made with: `bind` stands for its rules.",
            ]
        );
    }

    #[test]
    fn what_a_role_of_the_cluster_grants_in_a_namespace_is_held_there_but_for_urls() {
        let (rules, _) = told(
            r#"emit rbac.ClusterRole {
                metadata.name = "reader"
                rules = [
                    { apiGroups = [""], resources = ["pods"], verbs = ["get"] }
                    { nonResourceURLs = ["/metrics"], verbs = ["get"] }
                ]
            }
            emit rbac.RoleBinding {
                metadata = { name = "reader", namespace = "shop" }
                roleRef = { apiGroup = "rbac.authorization.k8s.io", kind = "ClusterRole", name = "reader" }
            }"#,
        );
        for rule in ["*: pods: get", "*: /metrics: get", "shop: pods: get"] {
            assert!(rules.iter().any(|it| it == rule), "{rule}: {rules:#?}");
        }
        assert!(!rules.iter().any(|it| it.starts_with("shop: /metrics")), "{rules:#?}");
    }

    #[test]
    fn roles_come_after_their_namespaces_which_are_as_they_are_applied() {
        let (_, render) = render_of(&format!(
            "{HEAD}\ncompose Thing as it {{
                emit core.Namespace {{ metadata = {{ name = \"shop\", labels = {{ a = \"b\" }} }} }}
                emit core.ConfigMap {{ metadata = {{ name = \"a\", namespace = \"shop\" }} }}
            }}"
        ));
        let set = Set::new("acme", "prod", "plumb-system");
        let account = Account { namespace: "ci".into(), name: "bot".into() };
        let all = granted(&render, &|_| true, &set, &account);
        let addresses: Vec<String> =
            all.iter().map(|it| crate::apply::identity(&it.object).address()).collect();
        let name = "plumb:acme.prod:ci:bot";
        let expected = [
            "Namespace/shop".to_owned(),
            format!("ClusterRole/{name}"),
            format!("ClusterRoleBinding/{name}"),
            format!("Role/{name}@default"),
            format!("RoleBinding/{name}@default"),
            format!("Role/{name}@plumb-system"),
            format!("RoleBinding/{name}@plumb-system"),
            format!("Role/{name}@shop"),
            format!("RoleBinding/{name}@shop"),
        ];
        assert_eq!(addresses, expected);
        let shop = &all[0].object["metadata"]["labels"];
        assert_eq!(*shop, json!({ "a": "b", "applyset.kubernetes.io/part-of": set.id() }));
        let subject = &all[2].object["subjects"][0];
        assert_eq!(*subject, json!({ "kind": "ServiceAccount", "namespace": "ci", "name": "bot" }));
    }
}
