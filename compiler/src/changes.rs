//! What sets two renders apart, those of two commits or two environments, and what it does to what runs.
//!
//! ```text
//! manifests of both sides ─ by group, kind, namespace and name ─> pairs, and what one side has alone
//!   ─ a walk over both objects, by the types that API servers have ─> Difference: a field, both values
//!   ─ what cannot be changed, what makes pods anew ─> Effect
//! ```
//!
//! All of it is functions of values. What is not known is not guessed: an object that one side lacks because
//! something of its package does not build there is neither created nor deleted.

use crate::answers::Manifest;
use crate::eval::{join, scalar_text};
use crate::json;
use crate::notation::Quantity;
use crate::syntax::ast::Name;
use crate::value::{Data, Fields, Value};
use plumb_kubernetes::{Fixed, Kubernetes, ListKind, ObjectId, Type, When, fixed, rolls_out};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What has few values is told value by value, so that each can be told with what made it; what has more
/// is told as one. Picked by looking at what a new sidecar and a new annotation print.
const FEW: usize = 6;

/// What becomes of an object, or what a difference does to it; from harmless to grave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// It stays as it is: all that differs is set when it is made and then left to an owner.
    Left,
    /// It is made.
    Created,
    /// It is changed where it is.
    Changed,
    /// New pods take the place of its pods.
    Restarted,
    /// A field that is fixed for as long as the object is there differs: it has to be deleted and made anew.
    Replaced,
    /// It is deleted.
    Deleted,
}

/// The effects, the gravest first.
pub const EFFECTS: [Effect; 6] = [
    Effect::Deleted,
    Effect::Replaced,
    Effect::Restarted,
    Effect::Changed,
    Effect::Created,
    Effect::Left,
];

/// What tells objects of a cluster apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity {
    /// `Deployment`
    pub kind: Name,
    /// The whole name of the group; empty for the core group.
    pub group: Name,
    /// `None` where objects of its kind are in none.
    pub namespace: Option<Name>,
    /// Its name there.
    pub name: Name,
}

impl Identity {
    /// That of a manifest.
    pub fn of(object: &Value) -> Self {
        let text = |value: Option<&Value>| match value.map(|it| &it.data) {
            Some(Data::String(text)) => Some(text.clone()),
            _ => None,
        };
        let field = |name: &str| object.fields().and_then(|fields| fields.get(name));
        let metadata = |name: &str| field("metadata").and_then(|it| it.fields()?.get(name));
        let api_version = text(field("apiVersion")).unwrap_or_default();
        Identity {
            kind: text(field("kind")).unwrap_or_default(),
            group: api_version.rsplit_once('/').map_or("", |(group, _)| group).into(),
            namespace: text(metadata("namespace")),
            name: text(metadata("name")).unwrap_or_default(),
        }
    }

    /// `Deployment/shop@apps`, as `plumb why` takes it.
    pub fn address(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{}@{namespace}", self.kind, self.name),
            None => format!("{}/{}", self.kind, self.name),
        }
    }
}

/// One side of a comparison, in one environment.
pub struct Side<'v> {
    /// What is made.
    pub manifests: &'v [Manifest],
    /// The requests that make nothing because of an error, each with its package.
    pub blocked: &'v [Name],
    /// The packages with an error: what they would make is not all known.
    pub broken: &'v BTreeSet<Name>,
    /// Whether a value is set when its object is made, and then left to an owner.
    pub is_left: &'v dyn Fn(&Value) -> bool,
}

/// The package of a request: `apps.shop` of `apps.shop.cart`.
pub fn package(request: &str) -> &str {
    request.rsplit_once('.').map_or("", |(package, _)| package)
}

/// What sets two sides apart.
#[derive(Debug)]
pub struct Changes<'v> {
    /// The gravest first, those of a request beside each other.
    pub objects: Vec<Change<'v>>,
    /// The objects that are the same in both.
    pub same: usize,
    /// The objects that are old alone, since the new side does not build: their number by request.
    pub lost: BTreeMap<Name, usize>,
    /// The objects that are new alone, since the old side does not build.
    pub found: BTreeMap<Name, usize>,
}

/// What becomes of an object.
#[derive(Debug)]
pub struct Change<'v> {
    /// Which object.
    pub identity: Identity,
    /// The gravest of its differences.
    pub effect: Effect,
    /// As it was; `None` where it is created.
    pub old: Option<&'v Manifest>,
    /// As it will be; `None` where it is deleted.
    pub new: Option<&'v Manifest>,
    /// What differs, sorted by path.
    pub differences: Vec<Difference<'v>>,
}

impl Change<'_> {
    /// The request that makes it, with its package.
    pub fn request(&self) -> &Name {
        let manifest = self.new.or(self.old).expect("a change is of an object");
        &manifest.request
    }
}

/// A field that two versions of an object do not share.
#[derive(Debug)]
pub struct Difference<'v> {
    /// The way to it.
    pub steps: Vec<Step>,
    /// `spec.template.spec.containers["shop"].image`, as `plumb why` takes it behind a colon.
    pub path: String,
    /// As it was; `None` where it is added.
    pub old: Option<&'v Value>,
    /// As it will be; `None` where it is taken out.
    pub new: Option<&'v Value>,
    /// What it does to the object.
    pub effect: Effect,
    /// The elements are the same and stand in another order.
    pub is_order: bool,
    /// It is of a Secret: whoever prints it hides it.
    pub is_secret: bool,
}

/// Compares what two sides make. The facts are those of all versions of Kubernetes that they are for.
pub fn changes<'v>(facts: &Kubernetes, old: &Side<'v>, new: &Side<'v>) -> Changes<'v> {
    let mut before: BTreeMap<Identity, &'v Manifest> =
        old.manifests.iter().map(|it| (Identity::of(&it.object), it)).collect();
    let mut all =
        Changes { objects: Vec::new(), same: 0, lost: BTreeMap::new(), found: BTreeMap::new() };
    let unbuilt: BTreeSet<&Name> = old.blocked.iter().collect();
    // A request that does not build may make what another of its package made before.
    let broken: BTreeSet<&str> = new.broken.iter().map(|it| it.as_str()).collect();
    let blocked: BTreeSet<&str> = new.blocked.iter().map(|it| package(it)).collect();
    let may_lack =
        |request: &Name| broken.contains(package(request)) || blocked.contains(package(request));
    let alone =
        |identity, effect, old, new| Change { identity, effect, old, new, differences: Vec::new() };
    for manifest in new.manifests {
        let identity = Identity::of(&manifest.object);
        let Some(other) = before.remove(&identity) else {
            // Nothing is lost by taking what another request of the package makes for new.
            if unbuilt.contains(&manifest.request) {
                *all.found.entry(manifest.request.clone()).or_default() += 1;
            } else {
                all.objects.push(alone(identity, Effect::Created, None, Some(manifest)));
            }
            continue;
        };
        let differences =
            differences(facts, &other.object, &manifest.object, |old_value, new_value| {
                match (old_value, new_value) {
                    (_, Some(value)) => (new.is_left)(value),
                    (Some(value), None) => (old.is_left)(value),
                    (None, None) => false,
                }
            });
        match differences.iter().map(|it| it.effect).max() {
            None => all.same += 1,
            Some(effect) => all.objects.push(Change {
                identity,
                effect,
                old: Some(other),
                new: Some(manifest),
                differences,
            }),
        }
    }
    for (identity, manifest) in before {
        if may_lack(&manifest.request) {
            *all.lost.entry(manifest.request.clone()).or_default() += 1;
        } else {
            all.objects.push(alone(identity, Effect::Deleted, Some(manifest), None));
        }
    }
    all.objects.sort_by(|a, b| {
        let key = |it: &Change<'v>| (Reverse(it.effect), it.request().clone(), it.identity.clone());
        key(a).cmp(&key(b))
    });
    all
}

/// What sets two versions of an object apart. `is_left` says of both values of a field whether it is set when
/// the object is made, and then left to an owner.
pub fn differences<'v>(
    facts: &Kubernetes,
    old: &'v Value,
    new: &'v Value,
    is_left: impl Fn(Option<&Value>, Option<&Value>) -> bool,
) -> Vec<Difference<'v>> {
    compare(facts, old, new, &is_left, false)
}

/// Where an object of a cluster is not as it was declared: what of the declared is not in it, or has another value
/// there. What it has beside that, the server's defaults and others' fields, says nothing.
pub fn departures<'v>(
    facts: &Kubernetes,
    live: &'v Value,
    declared: &'v Value,
    is_left: impl Fn(Option<&Value>, Option<&Value>) -> bool,
) -> Vec<Difference<'v>> {
    compare(facts, live, declared, &is_left, true)
}

fn compare<'v>(
    facts: &Kubernetes,
    old: &'v Value,
    new: &'v Value,
    is_left: &dyn Fn(Option<&Value>, Option<&Value>) -> bool,
    is_declared: bool,
) -> Vec<Difference<'v>> {
    let identity = Identity::of(new);
    let object = kind_of(facts, new).or_else(|| kind_of(facts, old));
    let mut walk = Walk {
        facts,
        identity: &identity,
        old,
        new,
        is_left,
        is_declared,
        steps: Vec::new(),
        found: Vec::new(),
    };
    walk.value(object.map(Type::Object).as_ref(), &[], Some(old), Some(new));
    let mut found = walk.found;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// What the table knows of an object's kind.
fn kind_of(facts: &Kubernetes, object: &Value) -> Option<ObjectId> {
    let text = |name: &str| match &object.fields()?.get(name)?.data {
        Data::String(text) => Some(text),
        _ => None,
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("core", api_version));
    let short = group.split('.').next().unwrap_or(group);
    Some(facts.kind_facts(facts.kind(short, version, kind)?).object)
}

/// A step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Into a field.
    Field(Name),
    /// To an element by its key, as addresses write it.
    Key {
        /// The key's parts, joined.
        name: Name,
        /// Each of its fields with the text of its value, those left out with their defaults; none for an element
        /// of a set, which is its own key.
        fields: Vec<(&'static str, Name)>,
    },
    /// To an element by its place.
    At(usize),
}

/// A walk over two versions of an object at once.
struct Walk<'v, 'w> {
    facts: &'w Kubernetes,
    identity: &'w Identity,
    /// The whole objects.
    old: &'v Value,
    new: &'v Value,
    is_left: &'w dyn Fn(Option<&Value>, Option<&Value>) -> bool,
    /// Only what the new one says is looked at.
    is_declared: bool,
    steps: Vec<Step>,
    found: Vec<Difference<'v>>,
}

impl<'v> Walk<'v, '_> {
    /// Compares two values of a type; `keys` are the fields that tell an element from others of its list.
    fn value(
        &mut self,
        ty: Option<&Type>,
        keys: &[&str],
        old: Option<&'v Value>,
        new: Option<&'v Value>,
    ) {
        let present = |value: Option<&'v Value>| value.filter(|it| !it.is_none());
        let (old, new) = (present(old), present(new));
        stacker::maybe_grow(64 << 10, 1 << 20, || match (old, new) {
            (None, None) => {}
            // What holds nothing is not kept by the server.
            (None, Some(value)) if self.is_declared && is_empty(value) => {}
            (Some(one), Some(other)) => match (&one.data, &other.data) {
                (Data::Record(a), Data::Record(b)) => {
                    self.fields(ty, &[], Some(&a.fields), Some(&b.fields));
                }
                (Data::List(a), Data::List(b)) => self.list(ty, one, a, other, b),
                _ if is_same(ty, one, other) => {}
                _ => self.found(old, new, false),
            },
            (Some(value), None) | (None, Some(value)) => {
                let [a, b] = [old, new].map(|it| it.map(|it| &it.data));
                match (a, b) {
                    _ if !self.is_told_in_parts(ty, keys, value) => self.found(old, new, false),
                    (Some(Data::Record(record)), _) => {
                        self.fields(ty, keys, Some(&record.fields), None);
                    }
                    (_, Some(Data::Record(record))) => {
                        self.fields(ty, keys, None, Some(&record.fields));
                    }
                    (Some(Data::List(elements)), _) => self.elements(ty, elements, &[]),
                    (_, Some(Data::List(elements))) => self.elements(ty, &[], elements),
                    _ => self.found(old, new, false),
                }
            }
        });
    }

    /// Whether a value that one side has alone is told value by value.
    fn is_told_in_parts(&self, ty: Option<&Type>, keys: &[&str], value: &Value) -> bool {
        match &value.data {
            // What is all of an element but its key is the element: a variable and its value.
            Data::Record(_) if !keys.is_empty() => leaves(value, keys) == 1,
            Data::Record(_) => (1..=FEW).contains(&leaves(value, &[])),
            Data::List(elements) => {
                let keys = self.keys(ty);
                !keys.is_empty()
                    && elements.len() <= FEW
                    && elements.iter().all(|it| leaves(it, &names(&keys)) == 1)
            }
            _ => false,
        }
    }

    fn fields(
        &mut self,
        ty: Option<&Type>,
        without: &[&str],
        old: Option<&'v Fields>,
        new: Option<&'v Fields>,
    ) {
        let names: BTreeSet<&Name> =
            old.into_iter().chain(new).flat_map(|fields| fields.keys()).collect();
        for name in names {
            if without.contains(&name.as_str()) {
                continue;
            }
            let (old, new) = (old.and_then(|it| it.get(name)), new.and_then(|it| it.get(name)));
            if self.is_declared && new.is_none_or(Value::is_none) {
                continue;
            }
            let (ty, default) = match ty {
                Some(Type::Object(id)) if self.facts.has_object(*id) => {
                    match self.facts.object(*id).field(name) {
                        Some(field) => (Some(&field.ty), field.default),
                        None => (None, None),
                    }
                }
                Some(Type::Map { value }) => (Some(&**value), None),
                _ => (None, None),
            };
            // The server writes it out: whether it is said makes no difference.
            if let (Some(value), None) | (None, Some(value)) = (old, new)
                && let Some(default) = default
                && json::canonical(value) == default
            {
                continue;
            }
            self.steps.push(Step::Field(name.clone()));
            self.value(ty, &[], old, new);
            self.steps.pop();
        }
    }

    fn list(
        &mut self,
        ty: Option<&Type>,
        old_list: &'v Value,
        old: &'v [Value],
        new_list: &'v Value,
        new: &'v [Value],
    ) {
        let is_set = matches!(ty, Some(Type::List { merge: ListKind::Set, .. }));
        let keys = self.keys(ty);
        if is_set || !keys.is_empty() {
            let [a, b] = [old, new].map(|it| keyed(it, &keys));
            if let (Some(a), Some(b)) = (a, b) {
                self.elements(ty, old, new);
                let both = |these: &[Name], those: &[Name]| -> Vec<Name> {
                    these.iter().filter(|key| those.contains(key)).cloned().collect()
                };
                // Those of a set have no order; containers and variables have.
                if !is_set && both(&a, &b) != both(&b, &a) {
                    self.found(Some(old_list), Some(new_list), true);
                }
                return;
            }
        }
        let item = item_of(ty);
        let is_plain = |value: &Value| !matches!(value.data, Data::Record(_) | Data::List(_));
        if old.iter().chain(new).all(is_plain) {
            let same =
                old.len() == new.len() && old.iter().zip(new).all(|(a, b)| is_same(item, a, b));
            if !same {
                self.found(Some(old_list), Some(new_list), false);
            }
            return;
        }
        // What is the same at both ends is passed over, so that one more in front is one difference.
        let mut least = 0;
        while least < old.len().min(new.len()) && self.alike(item, &old[least], &new[least]) {
            least += 1;
        }
        let (mut old_end, mut new_end) = (old.len(), new.len());
        while old_end > least
            && new_end > least
            && self.alike(item, &old[old_end - 1], &new[new_end - 1])
        {
            (old_end, new_end) = (old_end - 1, new_end - 1);
        }
        for at in least..old_end.max(new_end) {
            let of = |list: &'v [Value], end| list[..end].get(at);
            let (old, new) = (of(old, old_end), of(new, new_end));
            self.steps.push(Step::At(at));
            match (old, new) {
                (Some(_), Some(_)) => self.value(item, &[], old, new),
                _ => self.found(old, new, false),
            }
            self.steps.pop();
        }
    }

    /// Compares elements by their keys, in the order of the new list and then of the old.
    fn elements(&mut self, ty: Option<&Type>, old: &'v [Value], new: &'v [Value]) {
        let keys = self.keys(ty);
        let names = names(&keys);
        let by_key = |list: &'v [Value]| -> Vec<(Name, &'v Value)> {
            list.iter().filter_map(|it| Some((key(it, &keys)?, it))).collect()
        };
        let (old, new) = (by_key(old), by_key(new));
        let find = |list: &[(Name, &'v Value)], key: &Name| {
            list.iter().find(|(it, _)| it == key).map(|(_, value)| *value)
        };
        let is_declared = self.is_declared;
        let gone = old.iter().filter(|(key, _)| !is_declared && find(&new, key).is_none());
        let pairs: Vec<(Name, Option<&Value>, Option<&Value>)> = new
            .iter()
            .map(|(key, value)| (key.clone(), find(&old, key), Some(*value)))
            .chain(gone.map(|(key, value)| (key.clone(), Some(*value), None)))
            .collect();
        for (key, old, new) in pairs {
            let fields = new.or(old).map(|it| key_fields(it, &keys)).unwrap_or_default();
            self.steps.push(Step::Key { name: key, fields });
            self.value(item_of(ty), &names, old, new);
            self.steps.pop();
        }
    }

    /// The fields that elements of a list are told apart by, each with what it is where it is left out.
    fn keys(&self, ty: Option<&Type>) -> Vec<(&'static str, Option<&'static str>)> {
        let Some(Type::List { item, merge: ListKind::Map { keys } }) = ty else {
            return Vec::new();
        };
        let Type::Object(id) = **item else { return Vec::new() };
        let object = self.facts.has_object(id).then(|| self.facts.object(id));
        keys.iter().map(|key| (*key, object.and_then(|it| it.field(key)?.default))).collect()
    }

    fn alike(&mut self, ty: Option<&Type>, old: &'v Value, new: &'v Value) -> bool {
        let before = std::mem::take(&mut self.found);
        self.value(ty, &[], Some(old), Some(new));
        std::mem::replace(&mut self.found, before).is_empty()
    }

    fn found(&mut self, old: Option<&'v Value>, new: Option<&'v Value>, is_order: bool) {
        let steps = self.steps.clone();
        let path = path(&steps);
        let secret = self.identity.kind == "Secret" && self.identity.group.is_empty();
        let is_secret = secret
            && matches!(self.steps.first(), Some(Step::Field(it)) if it == "data" || it == "stringData");
        let effect = match (self.is_left)(old, new) {
            true => Effect::Left,
            false => self.effect(old, new),
        };
        self.found.push(Difference { steps, path, old, new, effect, is_order, is_secret });
    }

    /// What it does that a value differs at this place.
    fn effect(&self, old: Option<&Value>, new: Option<&Value>) -> Effect {
        let mut steps: Vec<&str> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Field(name) => name.as_str(),
                Step::Key { .. } | Step::At(_) => "*",
            })
            .collect();
        let rows: Vec<&Fixed> = fixed(&self.identity.group, &self.identity.kind)
            .filter(|row| self.holds(row.when, old, new))
            .collect();
        let is_fixed = |steps: &[&str]| rows.iter().any(|row| row.covers(steps));
        // What one side has alone is as grave as the gravest part of it.
        let whole = match (old, new) {
            (Some(value), None) | (None, Some(value)) => Some(value),
            _ => None,
        };
        if any_leaf(whole, &mut steps, &is_fixed) {
            return Effect::Replaced;
        }
        let (group, kind) = (self.identity.group.as_str(), self.identity.kind.as_str());
        let is_image = |steps: &[&str]| {
            matches!(steps, ["spec", "containers" | "initContainers", "*", "image"])
        };
        let restarts = match (group, kind) {
            ("", "Pod") => is_image(&steps),
            _ => rolls_out(group, kind) && steps.starts_with(&["spec", "template"]) && self.rolls(),
        };
        if restarts { Effect::Restarted } else { Effect::Changed }
    }

    /// Whether the controller rolls out by itself: nobody waits for a person.
    fn rolls(&self) -> bool {
        let is = |path: &[&str], wanted: &str| {
            at(self.new, path).and_then(scalar_text).is_some_and(|it| it == wanted)
        };
        !is(&["spec", "paused"], "true") && !is(&["spec", "updateStrategy", "type"], "OnDelete")
    }

    fn holds(&self, when: When, old: Option<&Value>, new: Option<&Value>) -> bool {
        let is = |object: &Value, path: &[&str], wanted: &str| {
            at(object, path).and_then(scalar_text).is_some_and(|it| it == wanted)
        };
        let service = |object: &Value, wanted: &str| is(object, &["spec", "type"], wanted);
        match when {
            When::Always => true,
            When::Immutable => is(self.old, &["immutable"], "true"),
            When::Less => match (old.and_then(amount), new.and_then(amount)) {
                (Some(old), Some(new)) => new.compare(old).is_lt(),
                _ => false,
            },
            When::NotIndexed => !is(self.old, &["spec", "completionMode"], "Indexed"),
            When::NotExternal => {
                !service(self.old, "ExternalName") && !service(self.new, "ExternalName")
            }
            When::LoadBalancer => {
                service(self.old, "LoadBalancer") && service(self.new, "LoadBalancer")
            }
        }
    }
}

/// `spec.template.spec.containers["shop"].image`, as `plumb why` takes it behind a colon.
pub fn path(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Field(name) => join(&path, name),
        Step::Key { name, .. } => format!("{path}[{name:?}]"),
        Step::At(at) => format!("{path}[{at}]"),
    })
}

/// The value that fields of records lead to.
fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.fields()?.get(name))
}

/// Whether the path of a value that is no record or list holds for `is`, at or below the steps. Without a value,
/// the steps themselves.
fn any_leaf<'v>(
    value: Option<&'v Value>,
    steps: &mut Vec<&'v str>,
    is: &dyn Fn(&[&str]) -> bool,
) -> bool {
    let mut inner = |step: &'v str, value: &'v Value| {
        steps.push(step);
        let found = stacker::maybe_grow(64 << 10, 1 << 20, || any_leaf(Some(value), steps, is));
        steps.pop();
        found
    };
    match value.map(|it| &it.data) {
        Some(Data::Record(record)) if !record.fields.is_empty() => {
            record.fields.iter().any(|(name, value)| inner(name, value))
        }
        Some(Data::List(elements)) if !elements.is_empty() => {
            elements.iter().any(|value| inner("*", value))
        }
        _ => is(steps),
    }
}

/// How many values there are in a value that are no records, without some of its fields.
fn leaves(value: &Value, without: &[&str]) -> usize {
    match &value.data {
        Data::None => 0,
        Data::Record(record) if record.fields.is_empty() => 1,
        Data::Record(record) => record
            .fields
            .iter()
            .filter(|(name, _)| !without.contains(&name.as_str()))
            .map(|(_, value)| stacker::maybe_grow(64 << 10, 1 << 20, || leaves(value, &[])))
            .sum(),
        // A list is a thing of its own, and told as one.
        Data::List(elements) => elements.len().max(1),
        _ => 1,
    }
}

fn is_empty(value: &Value) -> bool {
    match &value.data {
        Data::List(elements) => elements.is_empty(),
        Data::Record(record) => record.fields.values().all(Value::is_none),
        _ => false,
    }
}

fn names(keys: &[(&'static str, Option<&'static str>)]) -> Vec<&'static str> {
    keys.iter().map(|(name, _)| *name).collect()
}

fn item_of(ty: Option<&Type>) -> Option<&Type> {
    match ty {
        Some(Type::List { item, .. }) => Some(item),
        _ => None,
    }
}

/// The keys of all elements; `None` where they do not tell them apart.
fn keyed(list: &[Value], keys: &[(&'static str, Option<&'static str>)]) -> Option<Vec<Name>> {
    let found: Vec<Name> = list.iter().map(|it| key(it, keys)).collect::<Option<_>>()?;
    let different: BTreeSet<&Name> = found.iter().collect();
    (different.len() == found.len()).then_some(found)
}

/// The key of an element, as addresses write it: its parts joined, without those at the end that are as if
/// they were left out. An element of a set is its own key.
fn key(element: &Value, keys: &[(&'static str, Option<&'static str>)]) -> Option<Name> {
    if keys.is_empty() {
        return scalar_text(element);
    }
    let mut parts = key_parts(element, keys)?;
    while parts.len() > 1 && parts.last().is_some_and(|(_, is_default)| *is_default) {
        parts.pop();
    }
    Some(parts.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>().join("/").into())
}

/// The fields that an element is told apart by, each with the text of its value.
fn key_fields(
    element: &Value,
    keys: &[(&'static str, Option<&'static str>)],
) -> Vec<(&'static str, Name)> {
    let parts = key_parts(element, keys).unwrap_or_default();
    keys.iter().zip(parts).map(|((name, _), (part, _))| (*name, part)).collect()
}

/// The text of each part of an element's key, and whether it is what it would be if it were left out.
fn key_parts(
    element: &Value,
    keys: &[(&'static str, Option<&'static str>)],
) -> Option<Vec<(Name, bool)>> {
    let fields = element.fields()?;
    let part = |(name, default): &(&'static str, Option<&'static str>)| {
        let default: Option<Name> = default.map(|it| it.trim_matches('"').into());
        let said = fields.get(name).filter(|it| !it.is_none());
        let part = match said {
            Some(value) => scalar_text(value)?,
            None => default.clone()?,
        };
        let is_default = default.is_some_and(|it| it == part);
        Some((part, is_default))
    };
    keys.iter().map(part).collect()
}

/// Whether two values that are no records or lists of one kind are the same to an API server.
fn is_same(ty: Option<&Type>, old: &Value, new: &Value) -> bool {
    let is_amount = matches!(ty, Some(Type::Quantity))
        || matches!((&old.data, &new.data), (Data::Quantity(_), Data::Quantity(_)));
    if is_amount && let (Some(old), Some(new)) = (amount(old), amount(new)) {
        return old.compare(new).is_eq();
    }
    old.data == new.data || json::canonical(old) == json::canonical(new)
}

fn amount(value: &Value) -> Option<Quantity> {
    match &value.data {
        Data::Quantity(amount) => Some(*amount),
        Data::Int(amount) => Some(Quantity::from_int(*amount)),
        Data::Float(amount) => Quantity::from_float(*amount).ok(),
        Data::String(text) => Quantity::parse(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;
    use serde_json::{Value as Json, json};

    fn facts() -> &'static Kubernetes {
        plumb_kubernetes::version(36).unwrap()
    }

    fn value(json: &Json) -> Value {
        json::read(&json.to_string(), origin()).unwrap()
    }

    fn text(value: Option<&Value>) -> String {
        value.map_or("-".to_owned(), json::canonical)
    }

    /// "path: old -> new, effect" of each difference.
    fn told(old: &Json, new: &Json) -> Vec<String> {
        let (old, new) = (value(old), value(new));
        differences(facts(), &old, &new, |_, _| false)
            .iter()
            .map(|it| {
                let order = if it.is_order { " (order)" } else { "" };
                format!("{}: {} -> {}{order}, {:?}", it.path, text(it.old), text(it.new), it.effect)
            })
            .collect()
    }

    fn object(api_version: &str, kind: &str, rest: Json) -> Json {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": { "name": "a", "namespace": "n" },
        });
        for (key, value) in rest.as_object().unwrap() {
            object[key] = value.clone();
        }
        object
    }

    fn deployment(container: Json) -> Json {
        let mut one = json!({ "name": "a", "image": "a:1" });
        for (key, value) in container.as_object().unwrap() {
            one[key] = value.clone();
        }
        object(
            "apps/v1",
            "Deployment",
            json!({ "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "a" } },
            "template": { "metadata": { "labels": { "app": "a" } }, "spec": { "containers": [one] } },
        } }),
        )
    }

    /// What is told of a container that differs, without what stands before it.
    fn in_container(old: Json, new: Json) -> Vec<String> {
        let before = "spec.template.spec.containers[\"a\"].";
        let told = told(&deployment(old), &deployment(new));
        told.into_iter()
            .map(|it| {
                it.strip_prefix(before).unwrap_or(&it).trim_end_matches(", Restarted").to_owned()
            })
            .collect()
    }

    #[test]
    fn fields_are_told_one_by_one() {
        for (old, new, expected) in [
            (json!({}), json!({}), vec![]),
            (json!({}), json!({ "image": "a:2" }), vec![r#"image: "a:1" -> "a:2""#]),
            (json!({}), json!({ "tty": true }), vec!["tty: - -> true"]),
            (json!({ "tty": true }), json!({}), vec!["tty: true -> -"]),
            // A few values, each with its place; many, as one.
            (
                json!({}),
                json!({ "resources": { "requests": { "cpu": "1", "memory": "1Gi" } } }),
                vec![
                    r#"resources.requests.cpu: - -> "1""#,
                    r#"resources.requests.memory: - -> "1Gi""#,
                ],
            ),
            (
                json!({}),
                json!({ "securityContext": {
                    "privileged": false, "runAsUser": 1, "runAsGroup": 1, "procMount": "a",
                    "runAsNonRoot": true, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
                } }),
                vec![
                    r#"securityContext: - -> {"capabilities":{"drop":["ALL"]},"privileged":false,"procMount":"a","readOnlyRootFilesystem":true,"runAsGroup":1,"runAsNonRoot":true,"runAsUser":1}"#,
                ],
            ),
        ] {
            assert_eq!(in_container(old, new), expected);
        }
    }

    #[test]
    fn elements_are_told_by_the_keys_that_the_server_has() {
        let env = |pairs: &[(&str, &str)]| {
            let list: Vec<Json> =
                pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            json!({ "env": list })
        };
        assert_eq!(
            in_container(env(&[("A", "1"), ("B", "2")]), env(&[("C", "4"), ("A", "3")])),
            [
                r#"env["A"].value: "1" -> "3""#,
                r#"env["B"].value: "2" -> -"#,
                r#"env["C"].value: - -> "4""#,
            ]
        );
        assert_eq!(
            in_container(env(&[("A", "1"), ("B", "2")]), env(&[("B", "2"), ("A", "1")])),
            [
                r#"env: [{"name":"A","value":"1"},{"name":"B","value":"2"}] -> [{"name":"B","value":"2"},{"name":"A","value":"1"}] (order)"#
            ]
        );
        // A key that is left out has the value that the server gives it.
        assert_eq!(
            in_container(
                json!({ "ports": [{ "containerPort": 80 }, { "containerPort": 53, "protocol": "UDP" }] }),
                json!({ "ports": [
                    { "containerPort": 80, "protocol": "TCP", "name": "http" },
                    { "containerPort": 53, "protocol": "UDP", "name": "dns" },
                ] })
            ),
            [r#"ports["53/UDP"].name: - -> "dns""#, r#"ports["80"].name: - -> "http""#]
        );
        assert_eq!(
            in_container(json!({}), json!({ "ports": [{ "containerPort": 80, "name": "http" }] })),
            [r#"ports["80"].name: - -> "http""#]
        );
        assert_eq!(
            in_container(json!({}), json!({ "ports": [{ "containerPort": 80 }] })),
            [r#"ports: - -> [{"containerPort":80}]"#]
        );
    }

    #[test]
    fn lists_without_keys_are_told_by_place_and_plain_ones_whole() {
        assert_eq!(
            in_container(json!({ "args": ["a", "b"] }), json!({ "args": ["a", "c", "b"] })),
            [r#"args: ["a","b"] -> ["a","c","b"]"#]
        );
        let rules =
            |rules: Json| object("rbac.authorization.k8s.io/v1", "Role", json!({ "rules": rules }));
        let [a, b, c] = ["a", "b", "c"].map(|it| json!({ "resources": [it], "verbs": ["get"] }));
        for (old, new, expected) in [
            (json!([a, b]), json!([a, b]), vec![]),
            (
                json!([a, b]),
                json!([c, a, b]),
                vec![r#"rules[0]: - -> {"resources":["c"],"verbs":["get"]}, Changed"#],
            ),
            (
                json!([a, b, c]),
                json!([a, c]),
                vec![r#"rules[1]: {"resources":["b"],"verbs":["get"]} -> -, Changed"#],
            ),
            (json!([a, b]), json!([a, c]), vec![r#"rules[1].resources: ["b"] -> ["c"], Changed"#]),
        ] {
            assert_eq!(told(&rules(old), &rules(new)), expected);
        }
        let finalizers = |list: Json| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": "a", "finalizers": list },
            })
        };
        assert_eq!(
            told(
                &finalizers(json!(["a.org/a", "a.org/b"])),
                &finalizers(json!(["a.org/b", "a.org/c"]))
            ),
            [
                r#"metadata.finalizers["a.org/a"]: "a.org/a" -> -, Changed"#,
                r#"metadata.finalizers["a.org/c"]: - -> "a.org/c", Changed"#,
            ]
        );
        assert_eq!(told(&finalizers(json!(["a", "b"])), &finalizers(json!(["b", "a"]))), [""; 0]);
    }

    #[test]
    fn what_an_api_server_takes_for_the_same_is_the_same() {
        for (old, new) in [
            (
                json!({ "resources": { "limits": { "cpu": "1000m", "memory": "1024Mi" } } }),
                json!({ "resources": { "limits": { "cpu": 1, "memory": "1Gi" } } }),
            ),
            (
                json!({ "ports": [{ "containerPort": 80, "name": "a" }] }),
                json!({ "ports": [{ "containerPort": 80, "name": "a", "protocol": "TCP" }] }),
            ),
        ] {
            assert_eq!(in_container(old, new), [""; 0]);
        }
        // A name is no number.
        assert_eq!(
            in_container(
                json!({ "livenessProbe": { "tcpSocket": { "port": 80 } } }),
                json!({ "livenessProbe": { "tcpSocket": { "port": "80" } } })
            ),
            [r#"livenessProbe.tcpSocket.port: 80 -> "80""#]
        );
    }

    #[test]
    fn names_that_are_no_identifiers_are_quoted() {
        let of = |labels: Json| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a", "labels": labels } });
        assert_eq!(
            told(&of(json!({ "a.org/b": "1" })), &of(json!({ "a.org/b": "2", "c": "3" }))),
            [
                r#"metadata.labels."a.org/b": "1" -> "2", Changed"#,
                r#"metadata.labels.c: - -> "3", Changed"#
            ]
        );
    }

    /// Both versions of a `spec`, and the effect.
    fn effect(api_version: &str, kind: &str, old: Json, new: Json) -> Option<Effect> {
        let [old, new] = [old, new].map(|rest| value(&object(api_version, kind, rest)));
        differences(facts(), &old, &new, |_, _| false).iter().map(|it| it.effect).max()
    }

    #[test]
    fn a_difference_does_what_the_server_and_its_controllers_make_of_it() {
        use Effect::{Changed, Replaced, Restarted};
        let spec = |spec: Json| json!({ "spec": spec });
        let template =
            |image: &str| json!({ "spec": { "containers": [{ "name": "a", "image": image }] } });
        let rolling = |more: Json, image: &str| {
            let mut spec = json!({ "template": template(image) });
            for (key, value) in more.as_object().unwrap() {
                spec[key] = value.clone();
            }
            json!({ "spec": spec })
        };
        let claim = |storage: &str| json!({ "spec": { "resources": { "requests": { "storage": storage } } } });
        for (api_version, kind, old, new, expected) in [
            (
                "apps/v1",
                "Deployment",
                rolling(json!({}), "a"),
                rolling(json!({}), "b"),
                Some(Restarted),
            ),
            (
                "apps/v1",
                "Deployment",
                rolling(json!({ "paused": true }), "a"),
                rolling(json!({ "paused": true }), "b"),
                Some(Changed),
            ),
            (
                "apps/v1",
                "StatefulSet",
                rolling(json!({ "updateStrategy": { "type": "OnDelete" } }), "a"),
                rolling(json!({ "updateStrategy": { "type": "OnDelete" } }), "b"),
                Some(Changed),
            ),
            (
                "apps/v1",
                "ReplicaSet",
                rolling(json!({}), "a"),
                rolling(json!({}), "b"),
                Some(Changed),
            ),
            ("batch/v1", "Job", rolling(json!({}), "a"), rolling(json!({}), "b"), Some(Replaced)),
            (
                "batch/v1",
                "CronJob",
                spec(json!({ "jobTemplate": { "spec": { "template": template("a") } } })),
                spec(json!({ "jobTemplate": { "spec": { "template": template("b") } } })),
                Some(Changed),
            ),
            (
                "apps/v1",
                "Deployment",
                spec(json!({ "replicas": 1, "selector": { "matchLabels": { "a": "b" } } })),
                spec(json!({ "replicas": 2, "selector": { "matchLabels": { "a": "c" } } })),
                Some(Replaced),
            ),
            // What is added as a whole is as grave as its gravest part.
            ("v1", "Secret", json!({ "data": { "a": "AA==" } }), json!({}), Some(Changed)),
            (
                "v1",
                "Secret",
                json!({ "immutable": true }),
                json!({ "immutable": true, "data": { "a": "AA==" } }),
                Some(Replaced),
            ),
            (
                "v1",
                "ConfigMap",
                json!({ "data": { "a": "1" } }),
                json!({ "data": { "a": "2" }, "immutable": true }),
                Some(Changed),
            ),
            ("v1", "PersistentVolumeClaim", claim("1Gi"), claim("2Gi"), Some(Changed)),
            ("v1", "PersistentVolumeClaim", claim("2Gi"), claim("1Gi"), Some(Replaced)),
            ("v1", "PersistentVolumeClaim", claim("1024Mi"), claim("1Gi"), None),
            (
                "v1",
                "PersistentVolumeClaim",
                json!({}),
                spec(
                    json!({ "storageClassName": "a", "resources": { "requests": { "storage": "1Gi" } } }),
                ),
                Some(Replaced),
            ),
            (
                "v1",
                "Service",
                spec(json!({})),
                spec(json!({ "clusterIP": "None" })),
                Some(Replaced),
            ),
            (
                "v1",
                "Service",
                spec(json!({ "type": "ExternalName", "externalName": "a.org" })),
                spec(json!({ "clusterIP": "None" })),
                Some(Changed),
            ),
            (
                "v1",
                "Service",
                spec(json!({ "type": "LoadBalancer", "loadBalancerClass": "a.org/a" })),
                spec(json!({ "type": "ClusterIP" })),
                Some(Changed),
            ),
            (
                "batch/v1",
                "Job",
                spec(json!({ "completionMode": "Indexed", "completions": 1, "parallelism": 1 })),
                spec(json!({ "completionMode": "Indexed", "completions": 2, "parallelism": 2 })),
                Some(Changed),
            ),
            (
                "v1",
                "Pod",
                spec(json!({ "containers": [{ "name": "a", "image": "a" }] })),
                spec(json!({ "containers": [{ "name": "a", "image": "b" }] })),
                Some(Restarted),
            ),
            // A kind that is not known is compared all the same.
            (
                "a.org/v1",
                "Thing",
                spec(json!({ "a": [1] })),
                spec(json!({ "a": [2] })),
                Some(Changed),
            ),
        ] {
            let said = format!("{kind}: {old} -> {new}");
            assert_eq!(effect(api_version, kind, old, new), expected, "{said}");
        }
    }

    fn manifest(request: &str, object: Json) -> Manifest {
        Manifest {
            item: origin().item,
            request: request.into(),
            object: value(&object),
            composed: [].into(),
        }
    }

    fn config(request: &str, name: &str, data: &str) -> Manifest {
        let metadata = json!({ "name": name, "namespace": "n" });
        manifest(
            request,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": data } }),
        )
    }

    /// "effect address" of each object, then what is lost and found.
    fn compared(
        old: (&[Manifest], &[&str]),
        new: (&[Manifest], &[&str]),
        is_left: impl Fn(&Value) -> bool,
    ) -> Vec<String> {
        let [old_blocked, new_blocked] =
            [old.1, new.1].map(|names| names.iter().map(|it| Name::from(*it)).collect::<Vec<_>>());
        let broken = BTreeSet::new();
        let side =
            |manifests, blocked| Side { manifests, blocked, broken: &broken, is_left: &is_left };
        let (old, new) = (side(old.0, &old_blocked), side(new.0, &new_blocked));
        let all = changes(facts(), &old, &new);
        let objects =
            all.objects.iter().map(|it| format!("{:?} {}", it.effect, it.identity.address()));
        let counts =
            [("lost", &all.lost), ("found", &all.found)].into_iter().flat_map(|(what, of)| {
                of.iter().map(move |(request, count)| format!("{what} {count} of {request}"))
            });
        objects.chain(counts).chain([format!("{} same", all.same)]).collect()
    }

    #[test]
    fn objects_are_told_by_what_becomes_of_them_the_gravest_first() {
        let never = |_: &Value| false;
        let old = [config("x.a", "a", "1"), config("x.a", "b", "1"), config("x.b", "c", "1")];
        let new = [config("x.a", "a", "2"), config("x.c", "d", "1"), config("x.b", "c", "1")];
        assert_eq!(
            compared((&old, &[]), (&new, &[]), never),
            ["Deleted ConfigMap/b@n", "Changed ConfigMap/a@n", "Created ConfigMap/d@n", "1 same"]
        );
        // Another request may make it now.
        let moved = [config("y.z", "a", "1"), config("y.z", "b", "1"), config("y.z", "c", "1")];
        assert_eq!(compared((&old, &[]), (&moved, &[]), never), ["3 same"]);
    }

    #[test]
    fn what_does_not_build_is_neither_deleted_nor_created() {
        let never = |_: &Value| false;
        let all = [config("x.a", "a", "1"), config("x.a", "b", "1"), config("y.b", "c", "1")];
        assert_eq!(
            compared((&all, &[]), (&all[2..], &["x.a"]), never),
            ["lost 2 of x.a", "1 same"]
        );
        // Nor what another request of the package made: the one that does not build may make it now.
        assert_eq!(
            compared((&all, &[]), (&all[2..], &["x.new"]), never),
            ["lost 2 of x.a", "1 same"]
        );
        assert_eq!(
            compared((&all, &[]), (&all[..2], &["x.new"]), never),
            ["Deleted ConfigMap/c@n", "2 same"]
        );
        assert_eq!(
            compared((&all[2..], &["x.a"]), (&all, &[]), never),
            ["found 2 of x.a", "1 same"]
        );
    }

    #[test]
    fn what_is_left_to_an_owner_changes_nothing() {
        let left = |value: &Value| value.data == Data::String("2".into());
        let (old, new) = ([config("x.a", "a", "1")], [config("x.a", "a", "2")]);
        assert_eq!(compared((&old, &[]), (&new, &[]), left), ["Left ConfigMap/a@n", "0 same"]);
        // What it was before does not matter once it is said.
        assert_eq!(compared((&new, &[]), (&old, &[]), left), ["Changed ConfigMap/a@n", "0 same"]);
    }

    #[test]
    fn the_data_of_a_secret_is_marked() {
        let of = |data: &str| {
            value(&object("v1", "Secret", json!({ "stringData": { "a": data }, "type": data })))
        };
        let (old, new) = (of("1"), of("2"));
        let found = differences(facts(), &old, &new, |_, _| false);
        let marks: Vec<_> = found.iter().map(|it| (it.path.as_str(), it.is_secret)).collect();
        assert_eq!(marks, [("stringData.a", true), ("type", false)]);
    }

    #[test]
    fn deep_values_do_not_end_the_process() {
        let mut deep = Value::list(Vec::new(), origin());
        let mut other = Value::new(Data::Int(1), origin());
        for _ in 0..1000 {
            deep = Value::list(vec![deep], origin());
            other = Value::record([("a".into(), other)].into_iter().collect(), origin());
        }
        let of = |data: &Value| {
            let fields =
                [("kind", Value::new(Data::String("A".into()), origin())), ("spec", data.clone())];
            Value::record(
                fields.into_iter().map(|(key, value)| (key.into(), value)).collect(),
                origin(),
            )
        };
        let (a, b, none) = (of(&deep), of(&other), of(&Value::new(Data::None, origin())));
        assert_eq!(differences(facts(), &a, &b, |_, _| false).len(), 1);
        assert_eq!(differences(facts(), &none, &b, |_, _| false).len(), 1);
        assert_eq!(differences(facts(), &a, &a, |_, _| false).len(), 0);
    }
}
