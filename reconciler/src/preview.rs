//! What a plan would change, field by field: the server makes each object in a dry run, and what comes out is compared
//! with what is there.
//!
//! ```text
//! Plan, what is there ─ dry runs, many at once ─> Preview, an object each
//!   ─ compared as two commits are ─> Difference ─> Maker: the line in git, or whose it is
//! ```
//!
//! So a default of the server, a webhook and a field that somebody else owns are told as they will be, not as they
//! would be guessed.

use crate::apply::{AT_ONCE, Applier, Snapshot, resource_of};
use crate::inventory::PART_OF;
use crate::owned::{Owner, owners};
use crate::plan::{Action, Live, Plan, is_left, member_of};
use crate::refusal::{Reason, Refusal};
use crate::render::{Desired, at};
use futures::StreamExt;
use plumb_compiler::changes::{Difference, Effect, Identity, Step, departures, differences};
use plumb_compiler::json;
use plumb_compiler::value::Value;
use plumb_kubernetes::Kubernetes;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What the server writes into the metadata of every object, which says nothing of what it is.
const BOOKKEEPING: [&str; 6] =
    ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// The same, of the pods of a DaemonSet (`pkg/apis/apps/v1/conversion.go`).
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// What would become of an object that is made or applied.
#[derive(Debug)]
pub enum Preview {
    /// It is made.
    Created,
    /// It is as the new one of these then.
    Applied(Versions),
    /// The server changes something of it only by deleting it and making it anew. What else it does not take.
    Replaced(Versions, Option<Refusal>),
    /// The server does not take it.
    Refused(Refusal),
}

/// An object, as it is and as it would be.
#[derive(Debug)]
pub struct Versions {
    /// As the server has it.
    pub live: Json,
    old: Value,
    new: Value,
    /// Where the server would not make it, and the new one is what git declares alone: the fields that it named.
    fixed: Option<Vec<String>>,
}

/// What makes a value that would be another.
#[derive(Clone, PartialEq, Debug)]
pub enum Maker<'d> {
    /// Git says it, and who else set it before.
    Git(&'d Value, Option<Owner>),
    /// The server fills it in; what git says next around it.
    Server(&'d Value),
    /// Git said it once and does not any more. Plumb, when it last applied it.
    Nobody(Owner),
    /// Somebody else.
    Other(Owner),
    /// It makes the object a member of the set.
    Membership,
}

/// What would become of all that a plan speaks of.
#[derive(Debug)]
pub struct Previews {
    /// What is made or applied, by place in the render.
    pub objects: BTreeMap<usize, Preview>,
    /// The deletes that the server does not let be done.
    pub refused: BTreeMap<Identity, Refusal>,
}

/// Asks the server what would become of all that a plan makes, applies and deletes.
pub async fn preview(applier: &Applier, plan: &Plan, snapshot: &Snapshot) -> Previews {
    let render = &applier.render;
    let is_new = |(place, action): &(usize, Action)| {
        *action == Action::Create && render.objects[*place].identity.kind == "Namespace"
    };
    let new: BTreeSet<&str> = plan
        .objects
        .iter()
        .filter(|it| is_new(it))
        .map(|(place, _)| render.objects[*place].identity.name.as_str())
        .collect();
    let work = plan
        .objects
        .iter()
        .filter(|(_, action)| matches!(action, Action::Create | Action::Apply))
        .map(|(place, _)| async {
            let desired = &render.objects[*place];
            // Nothing can be tried in a namespace that is not there.
            let is_out_of_reach =
                desired.identity.namespace.as_deref().is_some_and(|it| new.contains(it));
            let preview = match snapshot.object(&desired.identity) {
                None if is_out_of_reach => Preview::Created,
                live => of(applier, desired, live).await,
            };
            (*place, preview)
        });
    let objects = futures::stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
    let deletes = plan.deletes.iter().map(|delete| async {
        let identity = &delete.identity;
        let resource = resource_of(render, identity)?;
        let asked = applier.cluster.delete(&resource, identity, &delete.uid, true).await;
        asked.err().map(|refusal| (identity.clone(), refusal))
    });
    let refused = futures::stream::iter(deletes).buffer_unordered(AT_ONCE);
    Previews { objects, refused: refused.filter_map(async |it| it).collect().await }
}

async fn of(applier: &Applier, desired: &Desired, live: Option<&Json>) -> Preview {
    let live = match live {
        // Of what is no member perhaps nothing but its metadata was read.
        Some(live) if member_of(live) != Some(&applier.set) => {
            match applier.cluster.get(&desired.resource, &desired.identity).await {
                Ok(live) => live,
                Err(refusal) => return Preview::Refused(refusal),
            }
        }
        live => live.cloned(),
    };
    match (applier.try_out(desired, live.clone()).await, live) {
        (Ok(_), None) => Preview::Created,
        (Ok(made), Some(live)) => Preview::Applied(Versions::made(desired, live, &made)),
        (Err(refusal), None) => Preview::Refused(refusal),
        (Err(refusal), Some(live)) => refused(applier.render.facts, desired, live, refusal),
    }
}

/// What a refusal says of an object that is there: it is invalid, or only cannot become this one.
pub fn refused(facts: &Kubernetes, desired: &Desired, live: Json, refusal: Refusal) -> Preview {
    if refusal.kind != Reason::Invalid {
        return Preview::Refused(refusal);
    }
    let mut versions = Versions::declared(desired, live, Vec::new());
    let found = versions.differences(facts, desired);
    let fixed: Vec<Vec<Step>> =
        found.into_iter().filter(|it| it.effect == Effect::Replaced).map(|it| it.steps).collect();
    let is_fixed = |(field, why): &(String, String)| {
        why.contains(IMMUTABLE) || fixed.iter().any(|steps| is_related(field, steps))
    };
    let (fixed, causes): (Vec<_>, Vec<_>) = refusal.causes.iter().cloned().partition(is_fixed);
    if fixed.is_empty() {
        return Preview::Refused(refusal);
    }
    versions.fixed = Some(fixed.into_iter().map(|(field, _)| field).collect());
    let rest = (!causes.is_empty()).then_some(Refusal { causes, ..refusal });
    Preview::Replaced(versions, rest)
}

/// What API servers say of most fields that cannot be changed (`apimachinery/pkg/api/validation/objectmeta.go`).
const IMMUTABLE: &str = "field is immutable";

/// Whether a path of an API server leads to where steps lead, to something in it, or to what it is in.
fn is_related(field: &str, steps: &[Step]) -> bool {
    let parts = field.split(['.', '[']).map(|it| (it.trim_end_matches(']'), it.ends_with(']')));
    parts.zip(steps).all(|((part, is_element), step)| match step {
        Step::Field(name) => part == name.as_str(),
        Step::Key { .. } | Step::At(_) => is_element,
    })
}

impl Versions {
    /// Of an object that the server made in a dry run.
    pub fn made(desired: &Desired, live: Json, made: &Json) -> Self {
        let (old, new) = (plain(desired, &live), plain(desired, made));
        Versions { live, old, new, fixed: None }
    }

    /// Of one that the server would not make, as these fields cannot be changed.
    fn declared(desired: &Desired, live: Json, fixed: Vec<String>) -> Self {
        let (old, new) = (plain(desired, &live), desired.manifest.object.clone());
        Versions { live, old, new, fixed: Some(fixed) }
    }

    /// What sets the versions apart.
    pub fn differences<'v>(
        &'v self,
        facts: &Kubernetes,
        desired: &'v Desired,
    ) -> Vec<Difference<'v>> {
        let Some(fixed) = &self.fixed else {
            let mut found = differences(facts, &self.old, &self.new, |_, _| false);
            let altered = self.altered(facts, desired);
            // Of what is new, what git says of it says more than it does among all that the server fills in.
            for it in found.iter_mut().filter(|it| it.old.is_none() && !altered(&it.steps)) {
                it.new = declared(desired, &it.steps).or(it.new);
            }
            return found;
        };
        let mut found = departures(facts, &self.old, &self.new, |_, _| false);
        found.retain(|it| !is_left(desired, &it.steps));
        // What the table does not know to be fixed is what the server says.
        if !found.iter().any(|it| it.effect == Effect::Replaced) {
            let named = |it: &&mut Difference<'_>| fixed.iter().any(|by| is_related(by, &it.steps));
            found.iter_mut().filter(named).for_each(|it| it.effect = Effect::Replaced);
        }
        found
    }

    /// Whether the server makes something else of what git says at a place.
    fn altered(&self, facts: &Kubernetes, desired: &Desired) -> impl Fn(&[Step]) -> bool + use<> {
        let found = departures(facts, &self.new, &desired.manifest.object, |_, _| false);
        let places: Vec<Vec<Step>> = found.into_iter().map(|it| it.steps).collect();
        move |steps| places.iter().any(|it| it.iter().zip(steps).all(|(a, b)| a == b))
    }

    /// What makes each of the differences.
    pub fn makers<'d>(
        &self,
        facts: &Kubernetes,
        desired: &'d Desired,
        differences: &[Difference<'_>],
    ) -> Vec<Maker<'d>> {
        let altered = self.altered(facts, desired);
        let maker = |difference: &Difference<'_>| {
            let steps = &difference.steps;
            if is_membership(steps) {
                return Maker::Membership;
            }
            let owners = owners(&self.live, steps);
            let (ours, theirs): (Vec<Owner>, Vec<Owner>) =
                owners.into_iter().partition(Owner::is_plumb);
            let ours = ours.into_iter().next();
            let theirs = theirs.into_iter().next();
            match (declared(desired, steps), ours, theirs) {
                (Some(value), ..) if altered(steps) => Maker::Server(value),
                (Some(value), None, theirs) if difference.old.is_some() => {
                    Maker::Git(value, theirs)
                }
                (Some(value), ..) => Maker::Git(value, None),
                (None, Some(ours), _) => Maker::Nobody(ours),
                (None, None, Some(theirs)) => Maker::Other(theirs),
                (None, None, None) => Maker::Server(nearest(desired, steps)),
            }
        };
        differences.iter().map(maker).collect()
    }
}

/// An object without what the server keeps books of.
fn plain(desired: &Desired, object: &Json) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| !BOOKKEEPING.contains(&name.as_str()));
    }
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove(GENERATION);
    }
    json::value(&object, desired.manifest.object.origin)
}

fn is_membership(steps: &[Step]) -> bool {
    let path = ["metadata", "labels", PART_OF];
    steps.len() == path.len()
        && steps.iter().zip(path).all(|(step, name)| *step == Step::Field(name.into()))
}

/// What git says at a place.
fn declared<'d>(desired: &'d Desired, steps: &[Step]) -> Option<&'d Value> {
    at(&desired.manifest.object, steps).filter(|it| !it.is_none())
}

/// What git says next around a place.
fn nearest<'d>(desired: &'d Desired, steps: &[Step]) -> &'d Value {
    let mut ways = (0..steps.len()).rev().map(|end| &steps[..end]);
    ways.find_map(|way| declared(desired, way)).unwrap_or(&desired.manifest.object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Compiler, Render};
    use serde_json::json;

    const SOURCE: &str = r#"use k8s.apps.v1 as apps

schema Env {}

environment prod: Env {}

schema Web { image: String }

compose Web as web {
    emit apps.Deployment {
        metadata.name = web.name
        metadata.namespace = "shop"
        spec = {
            replicas = initial(2, owner = "hpa")
            selector.matchLabels.app = web.name
            template = {
                metadata.labels.app = web.name
                spec.containers = [{
                    name = web.name
                    image = web.image
                    args = ["a", "b"]
                    resources.requests.cpu = 1000m
                    ports = [{ containerPort = 80 }]
                }]
            }
        }
    }
}

request cart: Web { image = "cart:1" }
"#;

    fn render() -> (Compiler, Render) {
        crate::testing::render_of(SOURCE)
    }

    /// As the API server has it, with what it fills in: Plumb applied it, and `tty` that git does not have any more.
    fn live() -> Json {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "cart", "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 3,
                "labels": { "applyset.kubernetes.io/part-of": "ours" },
                "managedFields": [
                    { "manager": "plumb", "operation": "Apply", "time": "2026-01-01T10:00:00Z", "fieldsV1": {
                        "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"cart\"}": {
                            ".": {}, "f:name": {}, "f:tty": {}, "f:args": {},
                        } } } } },
                    } },
                    { "manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T11:00:00Z", "fieldsV1": {
                        "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"cart\"}": {
                            "f:image": {}, "f:stdin": {},
                        } } } } },
                    } },
                ],
            },
            "spec": {
                "replicas": 5,
                "selector": { "matchLabels": { "app": "cart" } },
                "strategy": { "type": "RollingUpdate" },
                "template": {
                    "metadata": { "labels": { "app": "cart" } },
                    "spec": { "containers": [{
                        "name": "cart", "image": "cart:hot", "args": ["a", "b"], "tty": true, "stdin": true,
                        "resources": { "requests": { "cpu": "1" } },
                        "ports": [{ "containerPort": 80, "protocol": "TCP" }],
                        "imagePullPolicy": "Always",
                    }] },
                },
            },
            "status": { "replicas": 5 },
        })
    }

    fn live_as_declared() -> Json {
        let mut object = live();
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("cart:1");
        object
    }

    const CONTAINER: &str = "/spec/template/spec/containers/0";

    /// "path by line" of each difference that a dry run makes, the last parts of its path.
    fn told(live: Json, edits: &[(&str, Json)]) -> Vec<String> {
        let (compiler, render) = render();
        let desired = &render.objects[0];
        let mut made = live.clone();
        for (pointer, value) in edits {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = made.pointer_mut(parent).unwrap();
            match value {
                Json::Null => drop(parent.as_object_mut().unwrap().remove(name)),
                value => parent[name] = value.clone(),
            }
        }
        let versions = Versions::made(desired, live, &made);
        let found = versions.differences(render.facts, desired);
        let line = |value: &Value| {
            let source = compiler.source("prod", &desired.manifest, value).unwrap();
            let before = SOURCE[..source.location.range.start as usize].lines().count();
            SOURCE.lines().nth(before - 1).unwrap().trim()
        };
        let who = |owner: &Owner| owner.manager.clone();
        let makers = versions.makers(render.facts, desired, &found).into_iter();
        makers
            .zip(&found)
            .map(|(maker, difference)| {
                let maker = match &maker {
                    Maker::Git(value, None) => format!("git `{}`", line(value)),
                    Maker::Git(value, Some(owner)) => {
                        format!("git `{}`, was {}", line(value), who(owner))
                    }
                    Maker::Server(value) => format!("server `{}`", line(value)),
                    Maker::Nobody(owner) => format!("nobody, was {}", who(owner)),
                    Maker::Other(owner) => who(owner),
                    Maker::Membership => "membership".to_owned(),
                };
                let path = difference.path.rsplit('.').next().unwrap();
                format!("{path} {maker} {:?}", difference.effect)
            })
            .collect()
    }

    #[test]
    fn what_the_server_keeps_books_of_is_no_difference() {
        let edits = [
            ("/metadata/resourceVersion", json!("8")),
            ("/metadata/generation", json!(4)),
            ("/metadata/managedFields", json!([])),
            ("/status", json!({})),
        ];
        assert_eq!(told(live(), &edits), Vec::<String>::new());
    }

    #[test]
    fn what_is_new_is_told_as_git_has_it_and_not_with_all_that_the_server_fills_in() {
        let (_, render) = render();
        let desired = &render.objects[0];
        let mut before = live();
        before["spec"]["template"]["spec"]["containers"] = json!([]);
        let versions = Versions::made(desired, before, &live_as_declared());
        let found = versions.differences(render.facts, desired);
        assert_eq!(found[0].path, "spec.template.spec.containers[\"cart\"]");
        let said = json::canonical(found[0].new.unwrap());
        assert!(said.contains("cart:1") && !said.contains("imagePullPolicy"), "{said}");
    }

    #[test]
    fn each_value_has_the_line_that_says_it_or_whom_it_is_of() {
        let of = |name: &str| format!("{CONTAINER}/{name}");
        for (edit, expected) in [
            (
                (of("image"), json!("cart:1")),
                "image git `request cart: Web { image = \"cart:1\" }`, was kubectl-edit Restarted",
            ),
            // What a webhook makes of it is not what git says.
            (
                (of("image"), json!("mirror/cart:1")),
                "image server `request cart: Web { image = \"cart:1\" }` Restarted",
            ),
            ((of("args"), json!(["b", "a"])), "args server `args = [\"a\", \"b\"]` Restarted"),
            ((of("tty"), Json::Null), "tty nobody, was plumb Restarted"),
            ((of("stdin"), Json::Null), "stdin kubectl-edit Restarted"),
            // What nobody says has the line of what is around it.
            (
                (of("imagePullPolicy"), json!("Never")),
                "imagePullPolicy server `spec.containers = [{` Restarted",
            ),
            (
                ("/spec/strategy/type".to_owned(), json!("Recreate")),
                "type server `spec = {` Changed",
            ),
            (("/metadata/labels".to_owned(), Json::Null), "io/part-of\" membership Changed"),
        ] {
            let (pointer, value) = edit;
            let told = told(live(), &[(&pointer, value.clone())]);
            assert_eq!(told, [expected], "{pointer}: {value}");
        }
    }

    #[test]
    fn amounts_are_compared_as_such() {
        let mut before = live();
        before["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
        let cpu = (format!("{CONTAINER}/resources"), json!({ "requests": { "cpu": "1" } }));
        assert_eq!(
            told(before, &[(&cpu.0, cpu.1)]),
            ["cpu git `resources.requests.cpu = 1000m` Restarted"]
        );
    }

    fn refusal(kind: Reason, causes: &[(&str, &str)]) -> Refusal {
        let causes = causes.iter().map(|(field, why)| ((*field).to_owned(), (*why).to_owned()));
        Refusal { kind, message: String::new(), causes: causes.collect(), retry_after: None }
    }

    #[test]
    fn what_cannot_be_changed_is_told_from_what_is_wrong() {
        let (_, render) = render();
        let desired = &render.objects[0];
        let mut live = live();
        live["spec"]["selector"] = json!({ "matchLabels": { "app": "basket" } });
        let selector = ("spec.selector", "Invalid value: …: field is immutable");
        let other = ("spec.template.spec.containers[0].image", "Required value");
        for (kind, causes, expected) in [
            (Reason::Invalid, &[selector][..], Some(None)),
            (Reason::Invalid, &[("spec", "Forbidden: updates are forbidden")], Some(None)),
            (Reason::Invalid, &[selector, other], Some(Some(other.0))),
            (Reason::Invalid, &[other], None),
            (Reason::Invalid, &[], None),
            (Reason::Forbidden, &[selector], None),
        ] {
            let refusal = refusal(kind, causes);
            let found = match refused(render.facts, desired, live.clone(), refusal) {
                Preview::Replaced(versions, rest) => {
                    let found = versions.differences(render.facts, desired);
                    let paths: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
                    let image = "spec.template.spec.containers[\"cart\"].image";
                    assert_eq!(paths, ["spec.selector.matchLabels.app", image], "{causes:?}");
                    Some(rest.map(|it| it.causes[0].0.clone()))
                }
                Preview::Refused(_) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected.map(|it| it.map(str::to_owned)), "{kind:?} {causes:?}");
        }
    }

    #[test]
    fn what_only_the_server_knows_to_be_fixed_is_taken_from_it() {
        let (_, render) = render();
        let desired = &render.objects[0];
        let image = ("spec.template.spec.containers[0].image", "field is immutable");
        match refused(render.facts, desired, live(), refusal(Reason::Invalid, &[image])) {
            Preview::Replaced(versions, None) => {
                let found = versions.differences(render.facts, desired);
                assert_eq!(
                    found.iter().map(|it| it.effect).collect::<Vec<_>>(),
                    [Effect::Replaced]
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
