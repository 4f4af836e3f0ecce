//! Where a value of a manifest comes from, and why an object is not there.

use super::{field, split};
use crate::answers::{Location, Manifest, Why, WhyLayer};
use crate::db::Db;
use crate::diagnostics::{Place, nearest};
use crate::engine::location;
use crate::eval::{
    Composed, Evaluator, Frame, bind, element_name, evaluate, initial_owner, inside, join,
    kind_facts, path_of, shown, written_way,
};
use crate::infer::{Emitted, Inference, infer, request_schema};
use crate::items::{item, name_place, trees};
use crate::layers::{KeyFields, element_key, layer_record, layers};
use crate::names::{describe, environments, packages};
use crate::objects::{Object, calls, nesting_circle, objects};
use crate::outputs::{all_requests, runs_in};
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::*;
use crate::types::{Keys, Ty, composition, field_type};
use crate::value::{Data, Origin, Value};
use rustc_hash::FxHashSet;

/// `Kind[.group]/name[@namespace][:path]`, taken apart.
struct Address {
    /// The name of the kind, or the plural that its resource has, in any case.
    kind: Name,
    group: Option<Name>,
    name: Name,
    namespace: Option<Name>,
    path: Vec<Name>,
}

impl Address {
    fn read(asked: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{asked}` is no address: write Kind/name:path, as Deployment/shop:spec.replicas"
            )
        };
        let (kind, rest) = asked.split_once('/').ok_or_else(wrong)?;
        let (object, path) = match rest.split_once(':') {
            Some((_, "")) => return Err(wrong()),
            Some((object, path)) => (object, split(path)?),
            None => (rest, Vec::new()),
        };
        let (name, namespace) = match object.split_once('@') {
            Some((name, namespace)) => (name, Some(namespace.into())),
            None => (object, None),
        };
        let (kind, group) = match kind.split_once('.') {
            Some((kind, group)) => (kind, Some(group.into())),
            None => (kind, None),
        };
        if kind.is_empty() || name.is_empty() {
            return Err(wrong());
        }
        Ok(Address { kind: kind.into(), group, name: name.into(), namespace, path })
    }

    fn is_kind(&self, facts: &plumb_kubernetes::Kind) -> bool {
        (self.kind.eq_ignore_ascii_case(facts.kind) || self.kind.eq_ignore_ascii_case(facts.plural))
            && self.group.as_ref().is_none_or(|group| {
                // Also as `use` names it.
                let short = facts.group.split('.').next().filter(|it| !it.is_empty());
                group == facts.group || group == short.unwrap_or("core")
            })
    }

    fn is_object(&self, facts: &plumb_kubernetes::Kind, object: &Object) -> bool {
        self.is_kind(facts)
            && self.name == object.name
            && (self.namespace.is_none() || self.namespace == object.namespace)
    }
}

/// Answers for an object of the manifests of an environment, or a value in it.
pub(super) fn why(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    asked: &str,
) -> Result<Why, String> {
    let address = Address::read(asked)?;
    // Most objects are called after their request, so those of requests of this name, and of requests
    // that set their name, are looked at first, and the others only where these make none.
    let renaming = renaming_layers(db, workspace);
    let is_renamed = |request: ItemId| {
        !renaming.is_empty()
            && layers(db, workspace, request, environment)
                .iter()
                .any(|layer| renaming.contains(&layer.item))
    };
    let (near, far): (Vec<ItemId>, Vec<ItemId>) =
        all_requests(db, workspace).into_iter().partition(|request| {
            let name = request.name(db).as_str();
            address.name == name
                || address.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
                || is_renamed(*request)
        });
    let mut found: Vec<(ItemId, &Object)> = Vec::new();
    for among in [&near, &far] {
        for request in among.iter().filter(|it| runs_in(db, workspace, **it, environment)) {
            let made = objects(db, workspace, *request, environment).objects.iter().flatten();
            found.extend(
                made.filter(|it| address.is_object(kind_facts(db, workspace, it.kind), it))
                    .map(|it| (*request, it)),
            );
        }
        if !found.is_empty() {
            break;
        }
    }
    match found.as_slice() {
        [(request, object)] => {
            let answer = Answer { db, workspace, environment, request: *request };
            answer.of_object(object, &address, asked)
        }
        [] => {
            let requests = near.iter().chain(&far);
            let here = requests.filter(|it| runs_in(db, workspace, **it, environment));
            absent(db, workspace, environment, &address, here, asked)
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(_, object)| identity(kind_facts(db, workspace, object.kind), object))
                .collect();
            Err(format!("`{asked}` is several objects: say which of {}", names.join(", ")))
        }
    }
}

/// The layers that set the name of a request, from the trees of whole files: hardly any does, so that
/// nothing has to be known of each request.
fn renaming_layers(db: &dyn Db, workspace: Workspace) -> FxHashSet<ItemId> {
    let sets_name = |tree: &Item| {
        let entries = layer_record(tree).into_iter().flat_map(|record| &record.entries);
        entries.into_iter().any(|entry| match &entry.kind {
            EntryKind::Set { path, .. } => {
                matches!(&path.segments[0].kind, SegmentKind::Key(key) if key == "name")
            }
            _ => false,
        })
    };
    let files = packages(db, workspace).values().flatten();
    let trees = files.flat_map(|file| trees(db, *file));
    trees.filter(|(_, tree)| sets_name(tree)).map(|(id, _)| id).collect()
}

/// An object's full address.
fn identity(facts: &plumb_kubernetes::Kind, object: &Object) -> String {
    let group = if facts.group.is_empty() { String::new() } else { format!(".{}", facts.group) };
    let namespace = object.namespace.as_ref().map(|it| format!("@{it}")).unwrap_or_default();
    format!("{}{group}/{}{namespace}", facts.kind, object.name)
}

/// What made a value of a manifest, in a line: for comments beside it.
#[derive(Clone, PartialEq, Debug)]
pub struct Source {
    /// "overlay shop in prod", "compose Service".
    pub layer: String,
    /// Where.
    pub location: Location,
    /// The fields of the request that a composition computed it from: `replicas`.
    pub from: Vec<String>,
    /// Whom it is left to once it is set, where it is so.
    pub left_to: Option<Name>,
}

/// Answers what made the values of the manifests of a request.
pub struct Tracer<'a> {
    evaluator: Evaluator<'a>,
    request: ItemId,
}

impl<'a> Tracer<'a> {
    /// For the manifests of a request in an environment, those of [`Manifest::item`].
    pub fn new(db: &'a dyn Db, workspace: Workspace, request: ItemId, environment: &str) -> Self {
        let environment = environments(db, workspace).0.get(environment).copied();
        let subject = Origin { item: request, node: NodeId(0) };
        let mut evaluator = Evaluator::new(db, workspace, None, subject);
        if let Some(environment) = environment {
            evaluator.calls = calls(db, workspace, request, environment);
        }
        Tracer { evaluator, request }
    }

    /// The request that it is for.
    pub fn request(&self) -> ItemId {
        self.request
    }

    /// What made a value of a manifest.
    pub fn source(&mut self, manifest: &Manifest, value: &Value) -> Source {
        let (db, workspace) = (self.evaluator.db, self.evaluator.workspace);
        self.evaluator.composed = manifest.composed.to_vec();
        let traced = self.evaluator.traced(value, false);
        Source {
            layer: describe(db, value.origin.item),
            location: location(db, value.origin.into()),
            from: traced.into_iter().map(|(_, path, _)| path).collect(),
            left_to: initial_owner(db, workspace, value).cloned(),
        }
    }
}

struct Answer<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
}

impl Answer<'_> {
    fn of_object(&self, object: &Object, address: &Address, asked: &str) -> Result<Why, String> {
        let environment = self.environment.name(self.db);
        let mut value = &object.value;
        let mut ty = Ty::Kind(object.kind);
        let head = asked.split_once(':').map_or(asked, |(head, _)| head);
        for (index, name) in address.path.iter().enumerate() {
            let keyed = match (&value.data, &ty) {
                (Data::List(elements), Ty::List(_, Keys::By(keys))) => {
                    let key = whole_key(name, keys);
                    elements.iter().find(|it| element_key(it, keys).as_ref() == Some(&key))
                }
                _ => None,
            };
            ty = match ty {
                Ty::List(item, _) => item.present().clone(),
                ty => field_type(self.db, self.workspace, &ty, name).unwrap_or(Ty::Unknown),
            };
            ty = ty.present().clone();
            let Some(next) = keyed.or_else(|| inside(value, name)) else {
                let known: Vec<String> = match &value.data {
                    Data::Record(record) => record
                        .fields
                        .iter()
                        .filter(|(_, it)| !it.is_none())
                        .map(|(name, _)| name.to_string())
                        .collect(),
                    Data::List(elements) => elements
                        .iter()
                        .enumerate()
                        .map(|(at, it)| match element_name(it) {
                            Some(name) => format!("[{name:?}]"),
                            None => format!("[{at}]"),
                        })
                        .collect(),
                    _ => Vec::new(),
                };
                let hint = match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None if known.is_empty() => String::new(),
                    None => format!("; there is {}", known.join(", ")),
                };
                let place = match index {
                    0 => head.to_string(),
                    _ => {
                        let way = written_way(&object.value, address.path[..index].iter());
                        format!("`{way}` of {head}")
                    }
                };
                return Err(format!("nothing sets `{name}` in {place} in {environment}{hint}"));
            };
            value = next;
        }
        let mut layers = Vec::new();
        if address.path.is_empty() {
            let get = |name: &str| object.value.fields().and_then(|fields| fields.get(name));
            layers.push(self.row("", get("kind"), object.origin));
            let request = match name_place(self.db, self.request) {
                Place::Node(item, node) => Origin { item, node },
                Place::Range(..) => Origin { item: self.request, node: NodeId(0) },
            };
            let name = Value::new(Data::String(self.request.name(self.db).clone()), request);
            layers.push(self.row("", Some(&name), request));
        } else {
            let mut evaluator =
                Evaluator::new(self.db, self.workspace, Some(self.environment), object.origin);
            evaluator.composed = object.composed.to_vec();
            evaluator.calls = calls(self.db, self.workspace, self.request, self.environment);
            self.rows(&evaluator, value, "", &mut layers);
        }
        let note = initial_owner(self.db, self.workspace, value)
            .map(|owner| format!("set when the object is created, then left to {owner}"));
        Ok(Why {
            note,
            value: Some(value.clone()).filter(|it| !it.is_none()),
            layers,
            uses: Vec::new(),
        })
    }

    fn row(&self, path: &str, value: Option<&Value>, origin: Origin) -> WhyLayer {
        WhyLayer {
            path: path.to_string(),
            value: value.cloned(),
            layer: describe(self.db, origin.item),
            location: location(self.db, origin.into()),
            effect: "",
        }
    }

    /// The lines that made a value: of a record or list, those of each leaf, by its path.
    fn rows(&self, evaluator: &Evaluator<'_>, value: &Value, path: &str, out: &mut Vec<WhyLayer>) {
        match &value.data {
            Data::Record(record) if !record.fields.is_empty() => {
                for (name, inner) in &record.fields {
                    let path = join(path, name);
                    stacker::maybe_grow(64 << 10, 1 << 20, || {
                        self.rows(evaluator, inner, &path, out);
                    });
                }
            }
            Data::List(elements) if !elements.is_empty() => {
                for (at, inner) in elements.iter().enumerate() {
                    let key = match element_name(inner) {
                        Some(name) => format!("{path}[{name:?}]"),
                        None => format!("{path}[{at}]"),
                    };
                    stacker::maybe_grow(64 << 10, 1 << 20, || {
                        self.rows(evaluator, inner, &key, out);
                    });
                }
            }
            _ => self.leaf(evaluator, value, path, out),
        }
    }

    fn leaf(&self, evaluator: &Evaluator<'_>, value: &Value, path: &str, out: &mut Vec<WhyLayer>) {
        let computed =
            matches!(value.origin.item.kind(self.db), Kind::Compose | Kind::Fn | Kind::Let);
        if computed {
            self.push(self.row(path, Some(value), value.origin), out);
            // What chose it is a source as well.
            for (level, field, source) in evaluator.traced(value, true) {
                self.source(evaluator, level, &field, &source, out);
            }
            return;
        }
        // What came through unchanged is a field of the request, or of what is nested in it.
        let whole = evaluator.composed.iter().enumerate();
        let at = whole
            .filter_map(|(level, it)| path_of(&it.value, value.origin).map(|path| (level, path)))
            .next();
        match at {
            Some((level, field)) => self.source(evaluator, level, &field, value, out),
            None => self.push(self.row(path, Some(value), value.origin), out),
        }
    }

    /// Adds a line that is not there yet.
    fn push(&self, row: WhyLayer, out: &mut Vec<WhyLayer>) {
        if !out.contains(&row) {
            out.push(row);
        }
    }

    /// The layers of a field that a manifest's value was made from.
    fn source(
        &self,
        evaluator: &Evaluator<'_>,
        level: usize,
        path: &str,
        value: &Value,
        out: &mut Vec<WhyLayer>,
    ) {
        let request = self.request.name(self.db);
        // Layers speak of a list without keys as a whole.
        let (list, at) = path.trim_end_matches(']').rsplit_once('[').unwrap_or((path, ""));
        let path = if at.parse::<usize>().is_ok() { list } else { path };
        let known = match level {
            0 => split(path).ok().and_then(|steps| {
                field(self.db, self.workspace, self.environment, self.request, steps, path).ok()
            }),
            _ => None,
        };
        let mut told = false;
        for layer in known.into_iter().flat_map(|known| known.layers) {
            let path = match (layer.path.as_str(), path) {
                ("", path) => format!("{request}.{path}"),
                (inner, path) if inner.starts_with('[') => format!("{request}.{path}{inner}"),
                (inner, path) => format!("{request}.{path}.{inner}"),
            };
            told = true;
            self.push(WhyLayer { path, ..layer }, out);
        }
        if !told {
            let whole = match evaluator.composed.get(level).and_then(|it| it.value.fields()) {
                Some(fields) if level > 0 => match fields.get("name").map(|it| &it.data) {
                    Some(Data::String(name)) => name.clone(),
                    _ => request.clone(),
                },
                _ => request.clone(),
            };
            self.push(self.row(&format!("{whole}.{path}"), Some(value), value.origin), out);
        }
    }
}

/// A key as an address says it, with what it leaves out.
fn whole_key(said: &Name, keys: &KeyFields) -> Name {
    let left_out = keys.iter().skip(said.split('/').count());
    let defaults = left_out.filter_map(|(_, default)| match default {
        Some(Literal::String(text)) => Some(text.as_str()),
        _ => None,
    });
    std::iter::once(said.as_str()).chain(defaults).collect::<Vec<_>>().join("/").into()
}

/// Why there is no such object: the condition that does not hold, where a composition would make one.
fn absent<'r>(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    address: &Address,
    among: impl Iterator<Item = &'r ItemId>,
    asked: &str,
) -> Result<Why, String> {
    let shown = asked.split_once(':').map_or(asked, |(head, _)| head);
    let mut kinds: Vec<String> = Vec::new();
    for request in among {
        let is_near = address.name == *request.name(db)
            || address
                .name
                .strip_prefix(request.name(db).as_str())
                .is_some_and(|it| it.starts_with('-'));
        if !is_near {
            continue;
        }
        let Some(record) = &evaluate(db, workspace, *request, environment).value else {
            return Err(format!(
                "`{}` has an error, so it makes nothing: `plumb check` says which",
                request.name(db)
            ));
        };
        let Some(compose) = request_schema(db, workspace, *request)
            .and_then(|schema| composition(db, workspace, schema))
        else {
            continue;
        };
        if nesting_circle(db, workspace, compose).is_some() {
            continue;
        }
        let subject = Origin { item: *request, node: NodeId(0) };
        let mut evaluator = Evaluator::new(db, workspace, Some(environment), subject);
        evaluator.request = Some(*request);
        let mut search = Search { address, reasons: Vec::new() };
        search.compose(&mut evaluator, Composed { compose, value: record.clone() });
        let answer = Answer { db, workspace, environment, request: *request };
        if let Some(reason) = search.reasons.into_iter().next() {
            evaluator.composed = reason.composed;
            let sources = evaluator.leveled_sources(reason.head);
            let mut words: Vec<String> = Vec::new();
            let mut layers = Vec::new();
            for (level, path, value) in &sources {
                let default = match value.origin.item.kind(db) {
                    Kind::Schema => ", its default",
                    _ => "",
                };
                words.push(format!("`{path}` is {}{default}", self::shown(value)));
                answer.source(&evaluator, *level, path, value, &mut layers);
            }
            if words.is_empty() {
                words.push(match reason.found.data {
                    Data::Bool(true) => "a condition of its composition holds".into(),
                    _ => "a condition of its composition does not hold".into(),
                });
            }
            layers.push(answer.row("", Some(&reason.found), reason.head));
            return Ok(Why {
                note: Some(format!(
                    "no {shown} in {}: {}",
                    environment.name(db),
                    words.join(", and ")
                )),
                value: None,
                layers,
                uses: Vec::new(),
            });
        }
        for object in objects(db, workspace, *request, environment).objects.iter().flatten() {
            kinds.push(identity(kind_facts(db, workspace, object.kind), object));
        }
    }
    let hint = match kinds.is_empty() {
        true => String::new(),
        false => format!("; there is {}", kinds.join(", ")),
    };
    Err(format!("nothing makes {shown} in {}{hint}", environment.name(db)))
}

/// Looks for the conditions that keep a composition from emitting a kind.
struct Search<'s> {
    address: &'s Address,
    reasons: Vec<Reason>,
}

/// A condition that keeps an object away.
struct Reason {
    /// Its expression.
    head: Origin,
    /// What it turned out to be.
    found: Value,
    composed: Vec<Composed>,
}

impl Search<'_> {
    fn compose(&mut self, evaluator: &mut Evaluator<'_>, composed: Composed) {
        let db = evaluator.db;
        let Some(tree) = item(db, composed.compose) else { return };
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return };
        let mut frame =
            Frame::new(composed.compose, infer(db, evaluator.workspace, composed.compose));
        frame.locals.push((binder.text.clone(), composed.value.clone()));
        evaluator.composed.push(composed);
        self.block(evaluator, &mut frame, block);
        evaluator.composed.pop();
    }

    fn block<'a>(
        &mut self,
        evaluator: &mut Evaluator<'a>,
        frame: &mut Frame<'a>,
        block: &'a Block,
    ) {
        let Some(composed) = evaluator.composed.last().cloned() else { return };
        let inference = infer(evaluator.db, evaluator.workspace, composed.compose);
        let before = frame.locals.len();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let(it) => {
                    if let Ok(value) = evaluator.bound(frame, it) {
                        frame.locals.push((it.name.text.clone(), value));
                    }
                }
                StatementKind::Emit { bind, value } => {
                    let Some(Emitted::Composite(schema)) = inference.emits.get(&statement.id)
                    else {
                        continue;
                    };
                    let name = bind.as_ref().map(|bind| &bind.text);
                    let inherited = Evaluator::inherited(&composed.value, name);
                    let Ok(nested) = evaluator
                        .expr(frame, value)
                        .and_then(|literal| evaluator.nested(literal, *schema, inherited))
                    else {
                        continue;
                    };
                    if let Some(compose) = composition(evaluator.db, evaluator.workspace, *schema) {
                        let value = nested.clone();
                        stacker::maybe_grow(64 << 10, 1 << 20, || {
                            self.compose(evaluator, Composed { compose, value });
                        });
                    }
                    if let Some(name) = name
                        && let Ok(outputs) = evaluator.nested_outputs(*schema, &nested)
                    {
                        frame.locals.push((name.clone(), outputs));
                    }
                }
                StatementKind::If(it) => {
                    let inner = frame.locals.len();
                    let Ok(holds) = evaluator.head(frame, &it.head) else { continue };
                    let (taken, left) = match holds {
                        true => (Some(&it.then), it.otherwise.as_ref()),
                        false => (it.otherwise.as_ref(), Some(&it.then)),
                    };
                    if left.is_some_and(|left| self.emits(evaluator, inference, left)) {
                        let head = Origin { item: composed.compose, node: it.head.expr.id };
                        let composed = evaluator.composed.clone();
                        let found = match it.head.bind {
                            Some(_) if !holds => Data::None,
                            _ => Data::Bool(holds),
                        };
                        let found = Value::new(found, head);
                        self.reasons.push(Reason { head, found, composed });
                    }
                    if let Some(taken) = taken {
                        self.block(evaluator, frame, taken);
                    }
                    frame.locals.truncate(inner);
                }
                StatementKind::For { clause, body } => {
                    let Ok(rounds) = evaluator.rounds(frame, clause) else { continue };
                    if rounds.is_empty() && self.emits(evaluator, inference, body) {
                        let head = Origin { item: composed.compose, node: clause.iter.id };
                        let composed = evaluator.composed.clone();
                        let found = Value::list(Vec::new(), head);
                        self.reasons.push(Reason { head, found, composed });
                    }
                    let inner = frame.locals.len();
                    for round in rounds {
                        bind(frame, clause, round);
                        self.block(evaluator, frame, body);
                        frame.locals.truncate(inner);
                    }
                }
                StatementKind::Rule(_) | StatementKind::Output { .. } => {}
            }
        }
        frame.locals.truncate(before);
    }

    /// Whether a block, at any depth, emits the kind that is asked for.
    fn emits(&self, evaluator: &Evaluator<'_>, inference: &Inference, block: &Block) -> bool {
        let (db, workspace) = (evaluator.db, evaluator.workspace);
        block.statements.iter().any(|statement| match &statement.kind {
            StatementKind::Emit { .. } => match inference.emits.get(&statement.id) {
                Some(Emitted::Object(kinds)) => {
                    kinds.iter().any(|kind| self.address.is_kind(kind_facts(db, workspace, *kind)))
                }
                Some(Emitted::Composite(schema)) => composition(db, workspace, *schema)
                    .and_then(|compose| Some((compose, item(db, compose).as_ref()?)))
                    .is_some_and(|(compose, tree)| match &tree.kind {
                        ItemKind::Compose { block, .. } => {
                            let inference = infer(db, workspace, compose);
                            stacker::maybe_grow(64 << 10, 1 << 20, || {
                                self.emits(evaluator, inference, block)
                            })
                        }
                        _ => false,
                    }),
                None => false,
            },
            StatementKind::If(it) => {
                self.emits(evaluator, inference, &it.then)
                    || it
                        .otherwise
                        .as_ref()
                        .is_some_and(|block| self.emits(evaluator, inference, block))
            }
            StatementKind::For { body, .. } => self.emits(evaluator, inference, body),
            _ => false,
        })
    }
}
