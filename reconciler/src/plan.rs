//! What is to be done: a function of what git has, what is remembered and what is there.
//!
//! ```text
//! Render, Inventory, live objects ─> for each object of git an Action; of what git no longer has, what is deleted
//! ```
//!
//! A delete needs all of these: the object is in the inventory with the UID that it has; it is absent from a render
//! that is known to be complete where it could be; it is within the limit. What cannot be got back needs a person who
//! has seen the plan: its hash.

use crate::inventory::{Entry, Inventory, PART_OF, group_kind};
use crate::owned::{is_applied, last_writer, owners, owns_more};
use crate::refusal::Refusal;
use crate::render::{Desired, Left, Pointer, Render};
use plumb_compiler::changes::{Identity, Step, departures, package};
use plumb_compiler::json;
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::Value;
use plumb_kubernetes::Kubernetes;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The deletes that need nobody's word: so many objects, or a tenth of all, whichever is more.
pub const FREE_DELETES: usize = 10;

/// What is there.
pub trait Live {
    /// An object of the cluster.
    fn object(&self, identity: &Identity) -> Option<&Json>;

    /// Why it cannot be told whether an object is there, if that is so.
    fn unseen(&self, identity: &Identity) -> Option<&Refusal>;

    /// Whether there are objects of the kind that a definition defines.
    fn has_objects(&self, definition: &Identity) -> bool;
}

/// What a user chose.
pub struct Choice<'c> {
    /// The id of the set that all is a member of.
    pub set: &'c str,
    /// Whether a package is spoken of: nothing of others is applied or deleted.
    pub is_chosen: &'c dyn Fn(&str) -> bool,
    /// Objects that are there already, and in no set, are taken over.
    pub adopt: bool,
    /// The hash of the deletes that a person has seen.
    pub confirm: Option<&'c str>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// For each object that git has and that is spoken of: its place in [`Render::objects`].
    pub objects: Vec<(usize, Action)>,
    /// What is deleted, in this order.
    pub deletes: Vec<Delete>,
    /// What would be deleted, if not for the reason.
    pub held: Vec<(Delete, Held)>,
    /// What is remembered and not there any more.
    pub gone: Vec<Identity>,
    /// What is remembered and was made by somebody else since: it has another UID, or is in no set of ours.
    pub foreign: Vec<Entry>,
    /// What git does not have, of which it is not known whether it would if all of it built, or whether it is there.
    pub unknown: Vec<Entry>,
    /// Names the deletes that are held, or would be if not confirmed: others are done before somebody has looked.
    /// Empty where there are none.
    pub hash: String,
}

impl Plan {
    /// Leaves out what something else is at. Gives whether there was any of that.
    pub fn leave_out(&mut self, render: &Render, is_taken: &dyn Fn(&Identity) -> bool) -> bool {
        let count = |it: &Plan| {
            it.objects.len() + it.deletes.len() + it.held.len() + it.gone.len() + it.foreign.len()
        };
        let before = count(self);
        self.objects.retain(|(place, _)| !is_taken(&render.objects[*place].identity));
        self.deletes.retain(|it| !is_taken(&it.identity));
        self.held.retain(|(it, _)| !is_taken(&it.identity));
        self.gone.retain(|it| !is_taken(it));
        self.foreign.retain(|it| !is_taken(&it.identity));
        count(self) < before
    }
}

/// What becomes of an object that git has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// It is made.
    Create,
    /// It is applied: it is not as declared, or something of it is no longer declared.
    Apply,
    /// It is as declared: nothing is sent.
    Keep,
    /// It is on its way out: what is applied now would be deleted with it.
    Wait,
    /// It is somebody else's.
    Refuse(Foreign),
    /// Whether it is there cannot be told.
    Unseen(Refusal),
}

/// Whose an object is that is there already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// Nobody's set; who wrote it last.
    Unclaimed(Option<String>),
    /// A member of another ApplySet.
    Member(String),
}

/// An object that is deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delete {
    /// Which one.
    pub identity: Identity,
    /// That which it has: another object of the name is not touched.
    pub uid: String,
    /// The request that made it, with its package.
    pub request: Name,
}

/// Why a delete waits for a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// What goes with it cannot be got back.
    Precious,
    /// So many at once are rather a mistake; so many would need nobody's word.
    TooMany(usize),
    /// The sources make nothing at all.
    EmptySource,
}

/// Decides. `live` knows the objects of the set and, for all that git has, what else has the name.
pub fn plan(render: &Render, inventory: &Inventory, live: &dyn Live, choice: &Choice<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut wanted: BTreeSet<&Identity> = BTreeSet::new();
    let scaled = scaled(render);
    for (place, desired) in render.objects.iter().enumerate() {
        wanted.insert(&desired.identity);
        if !(choice.is_chosen)(package(&desired.request)) {
            continue;
        }
        let known = inventory.entries.get(&desired.identity);
        if let Some(refusal) = live.unseen(&desired.identity) {
            plan.objects.push((place, Action::Unseen(refusal.clone())));
            continue;
        }
        let object = live.object(&desired.identity);
        let action = action(render.facts, desired, &left(desired, &scaled), known, object, choice);
        plan.objects.push((place, action));
    }
    let mut deletes = Vec::new();
    for entry in inventory.entries.values() {
        let is_chosen = (choice.is_chosen)(package(&entry.request));
        if wanted.contains(&entry.identity) || !is_chosen {
            continue;
        }
        if render.unknown.may_hide(&entry.request) || live.unseen(&entry.identity).is_some() {
            plan.unknown.push(entry.clone());
            continue;
        }
        let Some(object) = live.object(&entry.identity) else {
            plan.gone.push(entry.identity.clone());
            continue;
        };
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let is_ours = match &entry.uid {
            Some(known) => known == uid,
            // What was interrupted between applying and remembering: nobody else applies under our name and our set.
            None => member_of(object) == Some(choice.set) && is_applied(object),
        };
        if !is_ours || uid.is_empty() {
            plan.foreign.push(entry.clone());
            continue;
        }
        let (identity, request) = (entry.identity.clone(), entry.request.clone());
        deletes.push(Delete { identity, uid: uid.to_owned(), request });
    }
    // What is needed by others goes last.
    let order = |it: &Delete| (goes_last(&it.identity), it.request.clone(), it.identity.clone());
    deletes.sort_by_key(order);
    let limit = FREE_DELETES.max(inventory.entries.len() / 10);
    let is_empty = render.objects.is_empty();
    let too_many = deletes.len() > limit;
    for delete in deletes {
        let held = match () {
            () if is_empty => Some(Held::EmptySource),
            () if too_many => Some(Held::TooMany(limit)),
            () if is_precious(&delete.identity, live) => Some(Held::Precious),
            () => None,
        };
        match held {
            None => plan.deletes.push(delete),
            Some(held) => plan.held.push((delete, held)),
        }
    }
    plan.hash = hash(plan.held.iter().map(|(delete, _)| delete));
    if !is_empty && choice.confirm.is_some_and(|it| it == plan.hash) {
        let held = std::mem::take(&mut plan.held);
        plan.deletes.extend(held.into_iter().map(|(delete, _)| delete));
        plan.deletes.sort_by_key(order);
    }
    plan
}

/// What becomes of one object that git has; `known` is what is remembered of it, `object` what is there.
pub fn action(
    facts: &Kubernetes,
    desired: &Desired,
    left: &[Left],
    known: Option<&Entry>,
    object: Option<&Json>,
    choice: &Choice<'_>,
) -> Action {
    let Some(object) = object else { return Action::Create };
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let member = member_of(object);
    if let Some(other) = member.filter(|it| *it != choice.set) {
        return Action::Refuse(Foreign::Member(other.to_owned()));
    }
    let is_known = known.is_some_and(|it| it.uid.as_deref() == Some(uid));
    // One that we made and did not come to remember is ours all the same.
    let is_ours = is_known || member == Some(choice.set) && is_applied(object);
    if !is_ours && !choice.adopt {
        let writer = last_writer(object).map(|it| it.manager);
        return Action::Refuse(Foreign::Unclaimed(writer));
    }
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Action::Wait;
    }
    let sent = outgoing(desired, left, Some(object), choice.set);
    let is_same = member.is_some()
        && is_applied(object)
        && !owns_more(object, &sent)
        && not_as_declared(facts, desired, object).is_empty();
    if is_same { Action::Keep } else { Action::Apply }
}

/// The id of the ApplySet that an object is in.
pub fn member_of(object: &Json) -> Option<&str> {
    object["metadata"]["labels"][PART_OF].as_str()
}

/// Where an object of the cluster is not as it is declared, but for what is left to others.
pub fn not_as_declared(facts: &Kubernetes, desired: &Desired, object: &Json) -> Vec<Departure> {
    let live = json::value(object, desired.manifest.object.origin);
    departures(facts, &live, &desired.manifest.object, |_, _| false)
        .into_iter()
        .filter(|it| !is_left(desired, &it.steps))
        .map(|it| Departure {
            steps: it.steps,
            path: it.path,
            declared: plain_json(it.new),
            live: plain_json(it.old),
            is_secret: it.is_secret,
        })
        .collect()
}

/// A place where an object of the cluster is not as declared.
#[derive(Clone, PartialEq, Debug)]
pub struct Departure {
    /// The way to it.
    pub steps: Vec<Step>,
    /// The same, as `plumb why` takes it behind a colon.
    pub path: String,
    /// What git says.
    pub declared: Option<Json>,
    /// What is there, if anything.
    pub live: Option<Json>,
    /// It is of a Secret: whoever prints it hides it.
    pub is_secret: bool,
}

fn plain_json(value: Option<&Value>) -> Option<Json> {
    let mut text = String::new();
    json::write(&mut text, value?, false);
    serde_json::from_str(&text).ok()
}

/// Whether what is at a path of an object is left to others.
pub fn is_left(desired: &Desired, steps: &[Step]) -> bool {
    desired.left.iter().any(|left| is_at(&left.path, steps))
}

/// Whether a path of an object is, or leads on from, one in its JSON. Elements of lists are not told apart: what is left
/// to others is hardly ever in one.
fn is_at(pointer: &[Pointer], steps: &[Step]) -> bool {
    pointer.len() <= steps.len()
        && pointer.iter().zip(steps).all(|(pointer, step)| match (pointer, step) {
            (Pointer::Field(name), Step::Field(step)) => name.as_str() == step.as_str(),
            (Pointer::At(_), Step::Key { .. } | Step::At(_)) => true,
            _ => false,
        })
}

/// The objects whose number of replicas an autoscaler of the render sets.
pub fn scaled(render: &Render) -> BTreeSet<Identity> {
    let scalers = render.objects.iter().filter(|it| {
        it.identity.kind == "HorizontalPodAutoscaler" && it.identity.group == "autoscaling"
    });
    scalers
        .filter_map(|scaler| {
            let target = &scaler.json["spec"]["scaleTargetRef"];
            let group = target["apiVersion"].as_str()?.rsplit_once('/').map_or("", |it| it.0);
            Some(Identity {
                kind: target["kind"].as_str()?.into(),
                group: group.into(),
                namespace: scaler.identity.namespace.clone(),
                name: target["name"].as_str()?.into(),
            })
        })
        .collect()
}

/// What of an object is left to others: what its composition says, and the replicas of what is scaled. These were
/// perhaps ours before: taken out of what we apply, the server would set them back to one, and drop pods.
pub fn left(desired: &Desired, scaled: &BTreeSet<Identity>) -> Vec<Left> {
    let mut left = desired.left.clone();
    let replicas = [Pointer::Field("spec".into()), Pointer::Field("replicas".into())];
    let is_silent = desired.json["spec"]["replicas"].is_null();
    if is_silent && scaled.contains(&desired.identity) {
        left.push(Left { path: replicas.to_vec(), owner: "hpa".into() });
    }
    left
}

/// What is sent of an object that is there as `live`, or not yet.
///
/// What is left to others is sent when it is made. Of an object that is there the live value is sent, until somebody
/// else owns the field; then nothing is, so that at no moment nobody owns it.
pub fn outgoing(desired: &Desired, left: &[Left], live: Option<&Json>, set: &str) -> Json {
    let mut sent = desired.json.clone();
    sent["metadata"]["labels"][PART_OF] = json!(set);
    let Some(live) = live else { return sent };
    for left in left {
        let steps = steps(&desired.json, &left.path);
        let is_theirs = owners(live, &steps).iter().any(|it| !it.is_plumb());
        let value = if is_theirs { None } else { inside(live, &steps) };
        match (is_theirs, value) {
            (true, _) => {
                set_at(&mut sent, &left.path, None);
            }
            (false, Some(value)) => {
                let value = value.clone();
                set_at(&mut sent, &left.path, Some(value));
            }
            (false, None) => {}
        }
    }
    sent
}

/// A path in the JSON of an object, as it is in any version of it: elements go by their name, if they have one.
fn steps(object: &Json, path: &[Pointer]) -> Vec<Step> {
    let mut at = Some(object);
    path.iter()
        .map(|pointer| match pointer {
            Pointer::Field(name) => {
                at = at.and_then(|it| it.get(name));
                Step::Field(name.as_str().into())
            }
            Pointer::At(place) => {
                at = at.and_then(|it| it.get(*place));
                match at.and_then(|it| it["name"].as_str()) {
                    Some(name) => {
                        Step::Key { name: name.into(), fields: vec![("name", name.into())] }
                    }
                    None => Step::At(*place),
                }
            }
        })
        .collect()
}

/// The value at a path of an object.
pub fn inside<'v>(value: &'v Json, steps: &[Step]) -> Option<&'v Json> {
    let found = steps.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name.as_str()),
        Step::At(at) => value.get(*at),
        Step::Key { name, fields } => value.as_array()?.iter().find(|element| match fields.len() {
            0 => plain(element).as_deref() == Some(name.as_str()),
            _ => fields.iter().all(|(field, wanted)| {
                let said = element.get(*field).and_then(plain);
                said.is_none_or(|it| it == wanted.as_str())
            }),
        }),
    });
    found.filter(|it| !it.is_null())
}

fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Sets a value in an object, or takes it out.
fn set_at(object: &mut Json, path: &[Pointer], value: Option<Json>) {
    let Some((last, way)) = path.split_last() else { return };
    let mut at = object;
    for pointer in way {
        let next = match pointer {
            Pointer::Field(name) if value.is_some() => Some(&mut at[name.as_str()]),
            Pointer::Field(name) => at.get_mut(name.as_str()),
            Pointer::At(place) => at.get_mut(*place),
        };
        let Some(next) = next else { return };
        at = next;
    }
    match (last, at, value) {
        (Pointer::Field(name), Json::Object(fields), Some(value)) => {
            fields.insert(name.clone(), value);
        }
        (Pointer::Field(name), Json::Object(fields), None) => {
            fields.shift_remove(name);
        }
        (Pointer::At(place), Json::Array(elements), Some(value)) => {
            if let Some(element) = elements.get_mut(*place) {
                *element = value;
            }
        }
        (Pointer::At(place), Json::Array(elements), None) if *place < elements.len() => {
            elements.remove(*place);
        }
        _ => {}
    }
}

/// Whether what goes with an object cannot be got back.
fn is_precious(identity: &Identity, live: &dyn Live) -> bool {
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("", "Namespace" | "PersistentVolumeClaim") => true,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => live.has_objects(identity),
        _ => false,
    }
}

/// Others stand on definitions and namespaces.
fn goes_last(identity: &Identity) -> u8 {
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        ("", "Namespace") => 2,
        _ => 0,
    }
}

/// Names a list of deletes: what a person has seen is what is done, or nothing is.
fn hash<'d>(deletes: impl Iterator<Item = &'d Delete>) -> String {
    let mut lines: Vec<String> = deletes
        .map(|it| {
            let Identity { group, kind, namespace, name } = &it.identity;
            let namespace = namespace.as_deref().unwrap_or_default();
            format!("{} {namespace}/{name} {}\n", group_kind(group, kind), it.uid)
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    lines.sort();
    let mut hash = Sha256::new();
    lines.iter().for_each(|line| hash.update(line));
    hash.finalize().iter().take(5).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Reason;
    use crate::testing::{Cluster, applied, render};

    const SET: &str = "applyset-ours-v1";

    /// What a cluster has after a render was applied, and what is remembered of it.
    fn settled(render: &Render) -> (Cluster, Inventory) {
        let scaled = scaled(render);
        let objects = render
            .objects
            .iter()
            .map(|it| applied(&outgoing(it, &left(it, &scaled), None, SET), "plumb", "Apply"));
        let cluster = Cluster::with(objects, "1");
        let mut inventory = Inventory::default();
        for desired in &render.objects {
            inventory.expect(&desired.identity, &desired.request, &desired.digest);
            inventory.applied(&desired.identity, "1", &desired.digest);
        }
        (cluster, inventory)
    }

    fn decide(render: &Render, inventory: &Inventory, live: &Cluster) -> Plan {
        decide_with(render, inventory, live, |_| {})
    }

    fn decide_with(
        render: &Render,
        inventory: &Inventory,
        live: &Cluster,
        choose: impl Fn(&mut Choice<'_>),
    ) -> Plan {
        let mut choice = Choice { set: SET, is_chosen: &|_| true, adopt: false, confirm: None };
        choose(&mut choice);
        plan(render, inventory, live, &choice)
    }

    /// "Deployment/a: Apply" of all that is not kept.
    fn told(render: &Render, plan: &Plan) -> Vec<String> {
        let objects = plan.objects.iter().filter(|(_, action)| *action != Action::Keep);
        let objects = objects.map(|(place, action)| {
            let Identity { kind, name, .. } = &render.objects[*place].identity;
            let action = match action {
                Action::Refuse(foreign) => format!("{foreign:?}"),
                Action::Unseen(_) => "Unseen".to_owned(),
                action => format!("{action:?}"),
            };
            format!("{kind}/{name}: {action}")
        });
        let deletes = plan.deletes.iter().map(|it| &it.identity);
        let held = plan.held.iter().map(|(it, why)| (&it.identity, why));
        let entry = |what: &str, it: &Identity| format!("{}/{}: {what}", it.kind, it.name);
        objects
            .chain(deletes.map(|it| entry("delete", it)))
            .chain(held.map(|(it, why)| entry(&format!("held, {why:?}"), it)))
            .chain(plan.gone.iter().map(|it| entry("gone", it)))
            .chain(plan.foreign.iter().map(|it| entry("foreign", &it.identity)))
            .chain(plan.unknown.iter().map(|it| entry("unknown", &it.identity)))
            .collect()
    }

    #[test]
    fn what_is_not_there_is_made_and_what_is_as_declared_is_kept() {
        let render = render(&[("shop", "request a: platform.Web {}")]);
        assert_eq!(render.findings, [], "the platform of these tests builds");
        let plan = decide(&render, &Inventory::default(), &Cluster::default());
        assert_eq!(told(&render, &plan), ["ConfigMap/a: Create", "Deployment/a: Create"]);
        let (cluster, inventory) = settled(&render);
        let plan = decide(&render, &inventory, &cluster);
        assert_eq!(told(&render, &plan), Vec::<String>::new());
        assert_eq!(plan.hash, "");
    }

    #[test]
    fn what_differs_is_applied() {
        let render = render(&[("shop", "request a: platform.Web { data = { x = \"1\" } }")]);
        type Change = (&'static str, fn(&mut Cluster));
        let changes: [Change; 7] = [
            ("another value", |it| it.get("Deployment", "a")["spec"]["replicas"] = json!(7)),
            ("a value less", |it| it.get("ConfigMap", "a")["data"] = json!(null)),
            ("out of the set", |it| it.get("ConfigMap", "a")["metadata"]["labels"] = json!({})),
            ("not applied by us", |it| {
                it.get("ConfigMap", "a")["metadata"]["managedFields"][0]["manager"] = json!("x");
            }),
            ("a field that is no longer declared", |it| {
                let object = it.get("ConfigMap", "a");
                object["data"]["old"] = json!("1");
                object["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:old"] = json!({});
            }),
            ("a port that is no longer declared", |it| {
                let fields =
                    &mut it.get("Deployment", "a")["metadata"]["managedFields"][0]["fieldsV1"];
                let container = "k:{\"name\":\"web\"}";
                let ports = &mut fields["f:spec"]["f:template"]["f:spec"]["f:containers"]
                    [container]["f:ports"];
                assert!(
                    ports["k:{\"containerPort\":80,\"protocol\":\"TCP\"}"].is_object(),
                    "{ports}"
                );
                ports["k:{\"containerPort\":81,\"protocol\":\"TCP\"}"] = json!({ ".": {} });
            }),
            ("an element less", |it| {
                it.get("Deployment", "a")["spec"]["template"]["spec"]["containers"] = json!([]);
            }),
        ];
        for (what, change) in changes {
            let (mut cluster, inventory) = settled(&render);
            change(&mut cluster);
            let plan = decide(&render, &inventory, &cluster);
            assert_eq!(told(&render, &plan).len(), 1, "{what}");
            assert!(told(&render, &plan)[0].ends_with("Apply"), "{what}");
        }
    }

    #[test]
    fn what_others_add_and_the_server_writes_otherwise_is_let_alone() {
        let render = render(&[("shop", "request a: platform.Web {}")]);
        let (mut cluster, inventory) = settled(&render);
        let deployment = cluster.get("Deployment", "a");
        deployment["spec"]["revisionHistoryLimit"] = json!(10);
        deployment["metadata"]["annotations"] = json!({ "deployment.kubernetes.io/revision": "3" });
        deployment["status"] = json!({ "replicas": 2 });
        let containers = &mut deployment["spec"]["template"]["spec"]["containers"];
        containers[0]["resources"]["requests"]["cpu"] = json!("1.5");
        containers[0]["terminationMessagePath"] = json!("/dev/termination-log");
        containers[0]["ports"][0]["protocol"] = json!("TCP");
        containers.as_array_mut().unwrap().push(json!({ "name": "injected", "image": "x" }));
        // An empty map is not kept.
        cluster.get("ConfigMap", "a").as_object_mut().unwrap().shift_remove("data");
        assert_eq!(told(&render, &decide(&render, &inventory, &cluster)), Vec::<String>::new());
    }

    #[test]
    fn what_git_no_longer_has_is_deleted_if_it_is_ours() {
        let both = render(&[("shop", "request a: platform.Web {}\n\nrequest b: platform.Web {}")]);
        let one = render(&[("shop", "request a: platform.Web {}")]);
        let (cluster, inventory) = settled(&both);
        let told_of = |cluster: &Cluster, inventory: &Inventory| {
            told(&one, &decide(&one, inventory, cluster))
        };
        assert_eq!(told_of(&cluster, &inventory), ["ConfigMap/b: delete", "Deployment/b: delete"]);

        // Another object of the name.
        let mut other = cluster.clone();
        other.get("ConfigMap", "b")["metadata"]["uid"] = json!("2");
        assert_eq!(told_of(&other, &inventory), ["Deployment/b: delete", "ConfigMap/b: foreign"]);

        // Not there any more.
        let mut less = cluster.clone();
        less.objects.retain(|it, _| !(it.kind == "ConfigMap" && it.name == "b"));
        assert_eq!(told_of(&less, &inventory), ["Deployment/b: delete", "ConfigMap/b: gone"]);

        // Never remembered: whatever its labels say.
        let mut forgotten = inventory.clone();
        forgotten.entries.retain(|it, _| it.name != "b");
        assert_eq!(told_of(&cluster, &forgotten), Vec::<String>::new());

        // Applied, and interrupted before its UID was remembered.
        let mut pending = inventory.clone();
        pending.entries.values_mut().for_each(|it| it.uid = None);
        assert_eq!(told_of(&cluster, &pending), ["ConfigMap/b: delete", "Deployment/b: delete"]);
        let mut theirs = cluster.clone();
        theirs.get("ConfigMap", "b")["metadata"]["labels"] = json!({});
        let managers = &mut theirs.get("Deployment", "b")["metadata"]["managedFields"];
        managers[0]["manager"] = json!("helm");
        assert_eq!(told_of(&theirs, &pending), ["ConfigMap/b: foreign", "Deployment/b: foreign"]);

        // Not to be seen.
        let mut blind = cluster.clone();
        let hidden =
            blind.objects.keys().find(|it| it.kind == "ConfigMap" && it.name == "b").cloned();
        let hidden = hidden.unwrap();
        blind.objects.remove(&hidden);
        let refusal = Refusal { kind: Reason::Forbidden, ..Refusal::unreachable("no") };
        blind.unseen.insert(hidden, refusal);
        assert_eq!(told_of(&blind, &inventory), ["Deployment/b: delete", "ConfigMap/b: unknown"]);
    }

    #[test]
    fn what_does_not_build_is_not_deleted_and_the_rest_is() {
        let before = render(&[
            ("shop", "request a: platform.Web {}\n\nrequest b: platform.Web {}"),
            ("other", "request c: platform.Web {}\n\nrequest d: platform.Web {}"),
            ("third", "request e: platform.Web {}"),
        ]);
        let (cluster, inventory) = settled(&before);
        let unknown_and_deleted = |packages: &[(&str, &str)]| -> [Vec<String>; 2] {
            let now = render(packages);
            let plan = decide(&now, &inventory, &cluster);
            let names = |of: Vec<&Identity>| -> Vec<String> {
                let deployments = of.into_iter().filter(|it| it.kind == "Deployment");
                deployments.map(|it| it.name.to_string()).collect()
            };
            [
                names(plan.unknown.iter().map(|it| &it.identity).collect()),
                names(plan.deletes.iter().map(|it| &it.identity).collect()),
            ]
        };
        let some = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mistake = "request a: platform.Web { replicas = \"x\" }";
        let (c, e) = ("request c: platform.Web {}", "request e: platform.Web {}");
        // `b` is gone from a package with a mistake, `d` from a sound one.
        let found = unknown_and_deleted(&[("shop", mistake), ("other", c), ("third", e)]);
        assert_eq!(found, [some(&["a", "b"]), some(&["d"])]);
        // A syntax error.
        let found = unknown_and_deleted(&[
            ("shop", "request a: platform.Web {"),
            ("other", c),
            ("third", e),
        ]);
        assert_eq!(found, [some(&["a", "b"]), some(&["d"])]);
        // `d` moved to a package that does not build: its name stands there.
        let torn = "request d: platform.Web {}\n\nrequest a: platform.Web { ) }";
        let found = unknown_and_deleted(&[("shop", torn), ("other", c), ("third", e)]);
        assert_eq!(found, [some(&["a", "b", "d"]), some(&[])]);
        // A package that is gone as a whole is known to make nothing.
        let found = unknown_and_deleted(&[("shop", mistake), ("other", c)]);
        assert_eq!(found, [some(&["a", "b"]), some(&["d", "e"])]);
    }

    #[test]
    fn many_deletes_and_precious_ones_wait_for_whoever_has_seen_them() {
        let requests = |count: usize| -> String {
            (0..count).map(|it| format!("request a{it}: platform.Web {{}}\n\n")).collect()
        };
        let space = "request z: platform.Space {}\n\n";
        let before = render(&[("shop", &(requests(60) + space))]);
        let (cluster, inventory) = settled(&before);
        assert_eq!(inventory.entries.len(), 122);
        let counts = |now: &Render, confirm: Option<&str>| {
            let plan = decide_with(now, &inventory, &cluster, |it| it.confirm = confirm.map(leak));
            (plan.deletes.len(), plan.held.iter().map(|it| it.1).collect::<Vec<_>>(), plan.hash)
        };
        fn leak(text: &str) -> &'static str {
            text.to_owned().leak()
        }
        // A tenth of all.
        let now = render(&[("shop", &(requests(54) + space))]);
        assert_eq!(counts(&now, None).0, 12);
        let now = render(&[("shop", &(requests(53) + space))]);
        let (deleted, held, hash) = counts(&now, None);
        assert_eq!((deleted, held.len()), (0, 14));
        assert!(held.iter().all(|it| *it == Held::TooMany(12)));
        assert_eq!(counts(&now, Some(&hash)).0, 14, "whoever has seen them");
        assert_eq!(counts(&now, Some("0123456789")).0, 0, "and nobody else");
        // A namespace and a volume claim, however few.
        let now = render(&[("shop", &requests(60))]);
        let (deleted, held, hash) = counts(&now, None);
        assert_eq!((deleted, held), (0, vec![Held::Precious, Held::Precious]));
        assert_eq!(counts(&now, Some(&hash)).0, 2);
        // Others beside them go at once, so that what is confirmed is the same before and after.
        let now = render(&[("shop", &requests(59))]);
        let (deleted, held, beside) = counts(&now, None);
        assert_eq!((deleted, held.len(), &beside), (2, 2, &hash));
        assert_eq!(counts(&now, Some(&hash)).0, 4);
        // Of nothing all would go.
        let now = render(&[]);
        let (deleted, held, hash) = counts(&now, None);
        assert_eq!((deleted, held.len(), held[0]), (0, 122, Held::EmptySource));
        assert_eq!(counts(&now, Some(&hash)).0, 0, "that is never meant");
    }

    #[test]
    fn namespaces_go_last() {
        let before =
            render(&[("shop", "request a: platform.Web {}\n\nrequest z: platform.Space {}")]);
        let (cluster, inventory) = settled(&before);
        let now = render(&[("shop", "request b: platform.Web {}")]);
        let plan = decide(&now, &inventory, &cluster);
        let hash = plan.hash.clone();
        let plan =
            decide_with(&now, &inventory, &cluster, |it| it.confirm = Some(hash.clone().leak()));
        let kinds: Vec<&str> = plan.deletes.iter().map(|it| it.identity.kind.as_str()).collect();
        assert_eq!(kinds, ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Namespace"]);
    }

    #[test]
    fn only_what_is_spoken_of_is_touched() {
        let before = render(&[
            ("shop", "request a: platform.Web {}\n\nrequest b: platform.Web {}"),
            ("other", "request c: platform.Web {}\n\nrequest d: platform.Web {}"),
        ]);
        let (_, inventory) = settled(&before);
        let now = render(&[
            ("shop", "request a: platform.Web {}"),
            ("other", "request c: platform.Web {}"),
        ]);
        let cluster = settled(&before).0;
        let plan = decide_with(&now, &inventory, &cluster, |it| it.is_chosen = &|it| it == "shop");
        assert_eq!(told(&now, &plan), ["ConfigMap/b: delete", "Deployment/b: delete"]);
        assert_eq!(plan.objects.len(), 2);
    }

    #[test]
    fn what_is_there_already_is_somebody_elses_until_it_is_taken_over() {
        let render = render(&[("shop", "request a: platform.Web {}")]);
        let (mut cluster, _) = settled(&render);
        let map = cluster.get("ConfigMap", "a");
        map["metadata"]["labels"] = json!({});
        map["metadata"]["managedFields"][0]["manager"] = json!("helm");
        cluster.get("Deployment", "a")["metadata"]["labels"][PART_OF] = json!("applyset-theirs-v1");
        let nothing = Inventory::default();
        assert_eq!(
            told(&render, &decide(&render, &nothing, &cluster)),
            [
                "ConfigMap/a: Unclaimed(Some(\"helm\"))",
                "Deployment/a: Member(\"applyset-theirs-v1\")",
            ]
        );
        let plan = decide_with(&render, &nothing, &cluster, |it| it.adopt = true);
        assert_eq!(
            told(&render, &plan),
            ["ConfigMap/a: Apply", "Deployment/a: Member(\"applyset-theirs-v1\")"]
        );
    }

    #[test]
    fn what_is_being_deleted_is_waited_for() {
        let render = render(&[("shop", "request a: platform.Web {}")]);
        let (mut cluster, inventory) = settled(&render);
        cluster.get("ConfigMap", "a")["metadata"]["deletionTimestamp"] =
            json!("2026-01-01T00:00:00Z");
        assert_eq!(told(&render, &decide(&render, &inventory, &cluster)), ["ConfigMap/a: Wait"]);
    }

    /// What is sent for the Deployment of a render, of one that is there as changed by `change`.
    fn sent(packages: &str, before: &str, change: fn(&mut Json)) -> Json {
        let before = render(&[("shop", before)]);
        let (mut cluster, _) = settled(&before);
        change(cluster.get("Deployment", "a"));
        let now = render(&[("shop", packages)]);
        let desired = now.objects.iter().find(|it| it.identity.kind == "Deployment").unwrap();
        let live = cluster.objects.get(&desired.identity);
        outgoing(desired, &left(desired, &scaled(&now)), live, SET)
    }

    #[test]
    fn a_field_that_is_left_to_others_is_sent_until_somebody_else_has_it() {
        let fixed = "request a: platform.Web { replicas = 3 }";
        let left = "request a: platform.Web { replicas = 2, left = true }";
        let theirs: fn(&mut Json) = |it| {
            it["spec"]["replicas"] = json!(6);
            let managers = it["metadata"]["managedFields"].as_array_mut().unwrap();
            managers[0]["fieldsV1"]["f:spec"].as_object_mut().unwrap().shift_remove("f:replicas");
            managers.push(json!({
                "manager": "hpa", "operation": "Update", "subresource": "scale",
                "fieldsV1": { "f:spec": { "f:replicas": {} } },
            }));
        };
        // At creation.
        let render = render(&[("shop", left)]);
        let desired = render.objects.iter().find(|it| it.identity.kind == "Deployment").unwrap();
        let first = outgoing(desired, &super::left(desired, &scaled(&render)), None, SET);
        assert_eq!(first["spec"]["replicas"], json!(2));
        // Then what is there, as long as it is ours, so that it stays.
        assert_eq!(sent(left, fixed, |_| {})["spec"]["replicas"], json!(3));
        assert_eq!(sent(left, left, |_| {})["spec"]["replicas"], json!(2));
        // Then nothing.
        assert_eq!(sent(left, left, theirs)["spec"]["replicas"], json!(null));
        // What is not left is sent, whoever has it.
        assert_eq!(sent(fixed, left, theirs)["spec"]["replicas"], json!(3));
    }

    #[test]
    fn replicas_that_are_said_no_more_beside_an_autoscaler_stay() {
        let fixed = "request a: platform.Web { replicas = 5 }";
        let scaled = "request a: platform.Web { replicas = none, max = 9 }";
        let silent = "request a: platform.Web { replicas = none }";
        assert_eq!(sent(scaled, fixed, |_| {})["spec"]["replicas"], json!(5));
        assert_eq!(sent(silent, fixed, |_| {})["spec"]["replicas"], json!(null));
    }

    #[test]
    fn what_is_left_to_others_is_not_compared() {
        let render = render(&[("shop", "request a: platform.Web { left = true }")]);
        let (mut cluster, inventory) = settled(&render);
        cluster.get("Deployment", "a")["spec"]["replicas"] = json!(17);
        assert_eq!(told(&render, &decide(&render, &inventory, &cluster)), Vec::<String>::new());
    }

    #[test]
    fn a_secret_is_sent_as_the_server_keeps_it() {
        let render = render(&[("shop", "request a: platform.Key { text = \"open\" }")]);
        let secret = &render.objects[0];
        assert_eq!(secret.json["data"], json!({ "text": "b3Blbg==" }));
        assert!(secret.json["stringData"].is_null());
        let (mut cluster, _) = settled(&render);
        cluster.get("Secret", "a")["data"]["text"] = json!("c2h1dA==");
        let object = &cluster.objects[&secret.identity];
        let found = not_as_declared(render.facts, secret, object);
        assert_eq!((found.len(), found[0].is_secret), (1, true));
    }

    /// What is in a cluster of one object, and what is remembered of it.
    #[derive(Clone, Copy, Debug)]
    struct Fate {
        is_wanted: bool,
        is_remembered: bool,
        has_uid: bool,
        is_there: bool,
        is_same: bool,
        is_member: bool,
    }

    fn fate() -> impl proptest::strategy::Strategy<Value = Fate> {
        use proptest::prelude::*;
        any::<[bool; 6]>().prop_map(|[a, b, c, d, e, f]| Fate {
            is_wanted: a,
            is_remembered: b,
            has_uid: c,
            is_there: d,
            is_same: e,
            is_member: f,
        })
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

        /// Whatever was remembered, is there and is wanted: no delete without its three conditions, and each object
        /// that git has gets what it needs.
        #[test]
        fn nothing_is_deleted_without_a_reason(
            fates in proptest::collection::vec(fate(), 24),
            is_torn in proptest::bool::ANY,
            adopt in proptest::bool::ANY,
        ) {
            let request = |it: usize| format!("request a{it}: platform.Web {{}}\n\n");
            let all: String = (0..24).map(request).collect();
            let (mut cluster, mut inventory) = settled(&render(&[("shop", &all)]));
            let fate_of = |identity: &Identity| fates[identity.name[1..].parse::<usize>().unwrap()];
            inventory.entries.retain(|identity, entry| {
                let fate = fate_of(identity);
                entry.uid = entry.uid.take().filter(|_| fate.has_uid);
                fate.is_remembered
            });
            cluster.objects.retain(|identity, object| {
                let fate = fate_of(identity);
                if !fate.is_same {
                    object["metadata"]["uid"] = json!("2");
                }
                if !fate.is_member {
                    object["metadata"]["labels"] = json!({});
                }
                fate.is_there
            });
            let mut wanted: String =
                (0..24).filter(|it| fates[*it].is_wanted).map(request).collect();
            if is_torn {
                wanted += "request torn: platform.Web { replicas = \"x\" }";
            }
            // Something is always wanted: of an empty source nothing is ever deleted.
            let now = render(&[("shop", &wanted), ("other", "request b0: platform.Web {}")]);
            let plan = decide_with(&now, &inventory, &cluster, |it| it.adopt = adopt);
            let deleted = plan.deletes.iter().chain(plan.held.iter().map(|(it, _)| it));
            for delete in deleted {
                let (fate, object) = (fate_of(&delete.identity), &cluster.objects[&delete.identity]);
                assert!(!fate.is_wanted && fate.is_remembered && fate.is_there && !is_torn);
                assert!(fate.is_same && fate.has_uid || fate.is_member && !fate.has_uid);
                assert_eq!(object["metadata"]["uid"], json!(delete.uid));
            }
            assert!(plan.deletes.len() <= FREE_DELETES.max(inventory.entries.len() / 10));
            for (place, action) in &plan.objects {
                let identity = &now.objects[*place].identity;
                if identity.name == "b0" {
                    assert_eq!(*action, Action::Create);
                    continue;
                }
                let fate = fate_of(identity);
                let is_ours = fate.is_remembered && fate.has_uid && fate.is_same || fate.is_member;
                let expected = match fate.is_there {
                    false => Action::Create,
                    true if fate.is_member => Action::Keep,
                    true if is_ours || adopt => Action::Apply,
                    true => Action::Refuse(Foreign::Unclaimed(None)),
                };
                assert_eq!(*action, expected, "{identity:?} {fate:?}");
            }
            // Of what was remembered and is not wanted, each has one end.
            let unwanted = inventory.entries.keys().filter(|it| !fate_of(it).is_wanted).count();
            let ends = [
                plan.deletes.len(), plan.held.len(), plan.gone.len(), plan.foreign.len(), plan.unknown.len(),
            ];
            assert_eq!(ends.iter().sum::<usize>(), unwanted);
        }
    }
}
