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
    /// Names all deletes, those held too; empty where there are none.
    pub hash: String,
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
    deletes.sort_by_key(|it| (goes_last(&it.identity), it.request.clone(), it.identity.clone()));
    plan.hash = hash(&deletes);
    let limit = FREE_DELETES.max(inventory.entries.len() / 10);
    let is_confirmed = choice.confirm.is_some_and(|it| it == plan.hash);
    let is_empty = render.objects.is_empty();
    let too_many = deletes.len() > limit;
    for delete in deletes {
        let held = match () {
            () if is_empty => Some(Held::EmptySource),
            () if is_confirmed => None,
            () if too_many => Some(Held::TooMany(limit)),
            () if is_precious(&delete.identity, live) => Some(Held::Precious),
            () => None,
        };
        match held {
            None => plan.deletes.push(delete),
            Some(held) => plan.held.push((delete, held)),
        }
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
        (Pointer::At(place), Json::Array(elements), None) => {
            if *place < elements.len() {
                elements.remove(*place);
            }
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
fn hash(deletes: &[Delete]) -> String {
    if deletes.is_empty() {
        return String::new();
    }
    let mut lines: Vec<String> = deletes
        .iter()
        .map(|it| {
            let Identity { group, kind, namespace, name } = &it.identity;
            let namespace = namespace.as_deref().unwrap_or_default();
            format!("{} {namespace}/{name} {}\n", group_kind(group, kind), it.uid)
        })
        .collect();
    lines.sort();
    let mut hash = Sha256::new();
    lines.iter().for_each(|line| hash.update(line));
    hash.finalize().iter().take(5).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
