//! From a request to the Kubernetes objects that its composition emits.
//!
//! The composition was checked against the types when it was written; here is checked what only
//! values can break (ranges, names, conditions), and each object gets what every object has:
//! apiVersion, kind, namespace, the request's labels.

use crate::allow::namespace_problem;
use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, code};
use crate::eval::{
    Call, Composed, Eval, Evaluator, Failed, Frame, MAX_BYTES, SAY_NAMESPACE, Shared, bind,
    evaluate, initial_owner, kind_facts,
};
use crate::infer::{Emitted, infer};
use crate::items::{item, name_place};
use crate::notation;
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::*;
use crate::types::{Ty, composition};
use crate::value::{Data, Fields, Origin, Record as RecordValue, Tag, Value};
use crate::versions;
use crate::yaml;
use rustc_hash::FxHashSet;
use std::rc::Rc;
use std::sync::Arc;

/// The objects of a request in an environment.
#[derive(Clone, PartialEq, Debug)]
pub struct Objects {
    /// In the order of emission; `None` where an error stands in the way.
    pub objects: Option<Vec<Object>>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// A Kubernetes object.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// What it is.
    pub kind: plumb_kubernetes::KindId,
    /// Its namespace; `None` where its kind has none.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
    /// All of it: apiVersion, kind, metadata, then as written.
    pub value: Value,
    /// The `emit` that made it.
    pub origin: Origin,
    /// The compositions that it was emitted in, the innermost last, and what each composed: what its
    /// computed values are traced to.
    pub composed: Arc<[Composed]>,
}

/// The objects of a request in an environment: each checked, complete, ready to be printed.
#[salsa::tracked]
pub fn objects(db: &dyn Db, workspace: Workspace, request: ItemId, environment: ItemId) -> Objects {
    match &evaluate(db, workspace, request, environment).value {
        Some(value) => emitted(&Shared::new(db, workspace), request, environment, value),
        None => Objects { objects: None, diagnostics: Vec::new() },
    }
}

/// [`objects`] of a request whose complete value this is, kept by nobody: for who asks once.
pub(crate) fn emitted<'a>(
    shared: &Rc<Shared<'a>>,
    request: ItemId,
    environment: ItemId,
    value: &Value,
) -> Objects {
    match emit(shared, request, environment, value) {
        Some((evaluator, Emission { failed, emitted, .. })) => {
            Objects { objects: (!failed).then_some(emitted), diagnostics: evaluator.diagnostics }
        }
        None => Objects { objects: None, diagnostics: Vec::new() },
    }
}

/// The calls of functions that the objects of a request were made with. Not kept with them, since only
/// who asks where values come from needs them: they are made once more.
pub fn calls(db: &dyn Db, workspace: Workspace, request: ItemId, environment: ItemId) -> Vec<Call> {
    let value = evaluate(db, workspace, request, environment).value.as_ref();
    let emitted =
        value.and_then(|value| emit(&Shared::new(db, workspace), request, environment, value));
    emitted.map_or(Vec::new(), |(evaluator, _)| evaluator.calls)
}

fn emit<'a>(
    shared: &Rc<Shared<'a>>,
    request: ItemId,
    environment: ItemId,
    value: &Value,
) -> Option<(Evaluator<'a>, Emission)> {
    let (db, workspace) = (shared.db, shared.workspace);
    let schema = crate::infer::request_schema(db, workspace, request)?;
    let compose = composition(db, workspace, schema)?;
    let tree = item(db, compose).as_ref()?;
    let ItemKind::Compose { binder, block, .. } = &tree.kind else { return None };
    if nesting_circle(db, workspace, compose).is_some() {
        return None;
    }
    let subject = match name_place(db, request) {
        Place::Node(item, node) => Origin { item, node },
        Place::Range(..) => Origin { item: request, node: NodeId(0) },
    };
    let mut evaluator = Evaluator::of(shared.clone(), Some(environment), subject);
    evaluator.request = Some(request);
    let mut emission = Emission::new(Composed { compose, value: value.clone() });
    emission.compose(&mut evaluator, binder, block);
    Some((evaluator, emission))
}

/// The compositions that a composition nests directly, each by the first `emit` of it.
#[salsa::tracked]
fn nests(db: &dyn Db, workspace: Workspace, compose: ItemId) -> Vec<(ItemId, NodeId)> {
    fn block(
        db: &dyn Db,
        workspace: Workspace,
        inference: &crate::infer::Inference,
        of: &Block,
        found: &mut Vec<(ItemId, NodeId)>,
    ) {
        for statement in &of.statements {
            match &statement.kind {
                StatementKind::Emit { .. } => {
                    if let Some(Emitted::Composite(schema)) = inference.emits.get(&statement.id)
                        && let Some(inner) = composition(db, workspace, *schema)
                        && !found.iter().any(|(known, _)| *known == inner)
                    {
                        found.push((inner, statement.id));
                    }
                }
                StatementKind::If(it) => {
                    block(db, workspace, inference, &it.then, found);
                    it.otherwise.iter().for_each(|it| block(db, workspace, inference, it, found));
                }
                StatementKind::For { body, .. } => block(db, workspace, inference, body, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Some(tree) = item(db, compose)
        && let ItemKind::Compose { block: top, .. } = &tree.kind
    {
        block(db, workspace, infer(db, workspace, compose), top, &mut found);
    }
    found
}

/// The kinds of objects that a composition can emit, itself or by what it nests.
#[salsa::tracked]
pub fn emitted_kinds(
    db: &dyn Db,
    workspace: Workspace,
    compose: ItemId,
) -> Vec<plumb_kubernetes::KindId> {
    let mut found = Vec::new();
    let mut seen = vec![compose];
    let mut next = 0;
    while let Some(current) = seen.get(next).copied() {
        for emitted in infer(db, workspace, current).emits.values() {
            if let Emitted::Object(kinds) = emitted {
                found.extend(kinds.iter().copied());
            }
        }
        for (inner, _) in nests(db, workspace, current) {
            if !seen.contains(inner) {
                seen.push(*inner);
            }
        }
        next += 1;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The way from a composition back to itself through what compositions nest: each with the `emit`
/// that leads on. `None` where it is part of no circle.
#[salsa::tracked]
fn circle_of(db: &dyn Db, workspace: Workspace, compose: ItemId) -> Option<Vec<(ItemId, NodeId)>> {
    // By breadth, so that the way is the shortest.
    let mut seen: Vec<(ItemId, Option<(usize, NodeId)>)> = vec![(compose, None)];
    let mut known: FxHashSet<ItemId> = FxHashSet::default();
    let mut next = 0;
    while let Some((current, _)) = seen.get(next).copied() {
        for (inner, node) in nests(db, workspace, current) {
            if *inner == compose {
                let mut way = vec![(current, *node)];
                let mut at = seen[next].1;
                while let Some((index, node)) = at {
                    way.push((seen[index].0, node));
                    at = seen[index].1;
                }
                way.reverse();
                return Some(way);
            }
            if known.insert(*inner) {
                seen.push((*inner, Some((next, *node))));
            }
        }
        next += 1;
    }
    None
}

/// The circle that a composition is in or leads into, by what compositions nest.
#[salsa::tracked]
pub fn nesting_circle(
    db: &dyn Db,
    workspace: Workspace,
    compose: ItemId,
) -> Option<Vec<(ItemId, NodeId)>> {
    let mut seen = vec![compose];
    let mut next = 0;
    while let Some(current) = seen.get(next).copied() {
        if let Some(way) = circle_of(db, workspace, current) {
            return Some(way.clone());
        }
        for (inner, _) in nests(db, workspace, current) {
            if !seen.contains(inner) {
                seen.push(*inner);
            }
        }
        next += 1;
    }
    None
}

/// The mistake of a composition that nests itself; told once, at the first of the circle by name.
pub fn nesting_diagnostic(
    db: &dyn Db,
    workspace: Workspace,
    compose: ItemId,
) -> Option<Diagnostic> {
    let way = circle_of(db, workspace, compose).as_ref()?;
    let name = |id: &ItemId| (id.file(db).path(db).clone(), id.name(db).clone());
    if way.iter().any(|(other, _)| name(other) < name(&compose)) {
        return None;
    }
    let names: Vec<String> =
        way.iter().map(|(it, _)| it).chain([&compose]).map(|it| it.name(db).to_string()).collect();
    let mut error = Diagnostic::error(
        code::CYCLE,
        Place::Node(compose, way[0].1),
        format!("`{}` nests itself", compose.name(db)),
    )
    .help(format!("the circle is {}", names.join(" → ")));
    for (other, node) in &way[1..] {
        error = error.related(Place::Node(*other, *node), "through this");
    }
    Some(error)
}

/// A composition at work.
pub(crate) struct Emission {
    /// The composition, and what it composes.
    composed: Composed,
    /// What it emitted so far.
    pub(crate) emitted: Vec<Object>,
    /// The bytes that more manifests surely may hold, by what those so far hold at most.
    surely: usize,
    /// The bytes that more manifests may hold, counted where that is not enough.
    room: Option<usize>,
    /// Something failed, and was told.
    pub(crate) failed: bool,
}

impl Emission {
    /// Before anything is emitted.
    pub(crate) fn new(composed: Composed) -> Self {
        Emission { composed, emitted: Vec::new(), surely: MAX_BYTES, room: None, failed: false }
    }

    /// Everything that the composition at work emits.
    fn compose<'a>(&mut self, evaluator: &mut Evaluator<'a>, binder: &'a Ident, block: &'a Block) {
        let Composed { compose, value } = self.composed.clone();
        let mut frame = Frame::new(compose, infer(evaluator.db, evaluator.workspace, compose));
        frame.locals.push((binder.text.clone(), value));
        evaluator.composed.push(self.composed.clone());
        self.block(evaluator, &mut frame, block);
        evaluator.composed.pop();
    }

    /// A composite inside the one at work; what can be read of it.
    fn nested(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        literal: Value,
        schema: ItemId,
        bind: Option<&Name>,
    ) -> Eval<Value> {
        let (db, workspace) = (evaluator.db, evaluator.workspace);
        let inherited = Evaluator::inherited(&self.composed.value, bind);
        let value = evaluator.nested(literal, schema, inherited)?;
        let compose = composition(db, workspace, schema).ok_or(Failed)?;
        let tree = item(db, compose).as_ref().ok_or(Failed)?;
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Err(Failed) };
        let around =
            std::mem::replace(&mut self.composed, Composed { compose, value: value.clone() });
        stacker::maybe_grow(64 << 10, 1 << 20, || self.compose(evaluator, binder, block));
        self.composed = around;
        match bind {
            Some(_) => evaluator.nested_outputs(schema, &value),
            None => Ok(value),
        }
    }

    fn block<'a>(
        &mut self,
        evaluator: &mut Evaluator<'a>,
        frame: &mut Frame<'a>,
        block: &'a Block,
    ) {
        let before = frame.locals.len();
        for statement in &block.statements {
            self.statement(evaluator, frame, statement);
        }
        frame.locals.truncate(before);
    }

    /// Does what a statement says. A name whose value failed is left out; what reads it fails in silence.
    pub(crate) fn statement<'a>(
        &mut self,
        evaluator: &mut Evaluator<'a>,
        frame: &mut Frame<'a>,
        statement: &'a Statement,
    ) {
        match &statement.kind {
            StatementKind::Let(it) => match evaluator.bound(frame, it) {
                Ok(value) => frame.locals.push((it.name.text.clone(), value)),
                Err(Failed) => self.failed = true,
            },
            StatementKind::Emit { bind, value }
                if let Some(Emitted::Composite(schema)) = self.emitted(evaluator, statement) =>
            {
                let name = bind.as_ref().map(|bind| &bind.text);
                let made = evaluator
                    .expr(frame, value)
                    .and_then(|literal| self.nested(evaluator, literal, *schema, name));
                match (made, name) {
                    (Ok(outputs), Some(name)) => frame.locals.push((name.clone(), outputs)),
                    (Ok(_), None) => {}
                    (Err(Failed), _) => self.failed = true,
                }
            }
            StatementKind::Emit { value, .. } => {
                let origin = Origin { item: self.composed.compose, node: statement.id };
                let made = evaluator
                    .expr(frame, value)
                    .and_then(|value| self.object(evaluator, value, origin))
                    .and_then(|object| self.within(evaluator, object));
                match made {
                    Ok(object) => self.emitted.push(object),
                    Err(Failed) => self.failed = true,
                }
            }
            StatementKind::If(it) => self.branch(evaluator, frame, it),
            StatementKind::For { clause, body } => match evaluator.rounds(frame, clause) {
                Ok(rounds) => {
                    let inner = frame.locals.len();
                    for round in rounds {
                        bind(frame, clause, round);
                        self.block(evaluator, frame, body);
                        frame.locals.truncate(inner);
                    }
                }
                Err(Failed) => self.failed = true,
            },
            StatementKind::Rule(rule) => match evaluator.expr(frame, &rule.condition) {
                Ok(value) if matches!(value.data, Data::Bool(true)) => {}
                Ok(value) => {
                    let why =
                        rule.otherwise.as_ref().and_then(|why| evaluator.expr(frame, why).ok());
                    let message = match why.map(|why| why.data) {
                        Some(Data::String(text)) => text.to_string(),
                        _ => "a condition of the composition does not hold".to_string(),
                    };
                    let place = Place::Node(self.composed.compose, rule.condition.id);
                    evaluator.refuse(
                        &value,
                        code::CONDITION_FAILED,
                        message,
                        Some((place, "the condition".into())),
                    );
                    self.failed |= rule.level != RuleLevel::Advise;
                }
                Err(Failed) => self.failed = true,
            },
            // A query of its own: who reads it does not wait for the objects.
            StatementKind::Output { .. } => {}
        }
    }

    /// What a statement emits, by its type.
    fn emitted<'a>(&self, evaluator: &Evaluator<'a>, statement: &Statement) -> Option<&'a Emitted> {
        infer(evaluator.db, evaluator.workspace, self.composed.compose).emits.get(&statement.id)
    }

    /// Whether the manifests so far hold what a request may make in an environment.
    fn within(&mut self, evaluator: &mut Evaluator<'_>, object: Object) -> Eval<Object> {
        // Nearly always they are far from it, which is seen without printing them.
        if self.room.is_none() {
            if let Ok(size) = yaml::size_at_most(&object.value, self.surely) {
                self.surely -= size;
                return Ok(object);
            }
            let printed = self.emitted.iter().map(|object| {
                let mut text = String::new();
                yaml::write_document(&mut text, &object.value);
                text.len()
            });
            self.room = Some(MAX_BYTES.saturating_sub(printed.sum()));
        }
        let room = self.room.get_or_insert(0);
        let mut text = String::new();
        let fits = yaml::write_within(&mut text, &object.value, *room).is_ok();
        *room = if fits { room.saturating_sub(text.len()) } else { 0 };
        if fits {
            return Ok(object);
        }
        let subject = evaluator.subject;
        Err(evaluator.report(
            Diagnostic::error(
                code::OVER_BUDGET,
                subject,
                "its manifests hold more than 16 MiB in one environment",
            )
            .related(object.origin, "this is where it is too much"),
        ))
    }

    fn branch<'a>(&mut self, evaluator: &mut Evaluator<'a>, frame: &mut Frame<'a>, it: &'a If) {
        let before = frame.locals.len();
        match evaluator.head(frame, &it.head) {
            Ok(true) => self.block(evaluator, frame, &it.then),
            Ok(false) => it.otherwise.iter().for_each(|block| self.block(evaluator, frame, block)),
            Err(Failed) => self.failed = true,
        }
        frame.locals.truncate(before);
    }

    fn object(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        value: Value,
        origin: Origin,
    ) -> Eval<Object> {
        let Data::Record(record) = &value.data else { return Err(Failed) };
        let Tag::Kind(kind) = record.tag else { return Err(Failed) };
        let facts = kind_facts(evaluator.db, evaluator.workspace, kind);
        let value = evaluator.complete(value, &Ty::Kind(kind), "")?;
        versions::check(evaluator, kind, &value)?;
        let Data::Record(record) = value.data else { return Err(Failed) };
        let mut fields = Arc::unwrap_or_clone(record).fields;

        let metadata = fields
            .shift_remove("metadata")
            .unwrap_or_else(|| Value::record(Fields::default(), origin));
        let at = metadata.origin;
        let Data::Record(metadata) = metadata.data else { return Err(Failed) };
        let metadata = Arc::unwrap_or_clone(metadata).fields;
        let name = self.name(evaluator, facts, &metadata, origin);
        let namespace = self.namespace(evaluator, facts, &metadata, origin);
        let (name, namespace) = (name?, namespace?);
        if let Some(namespace) = &namespace {
            self.may_use(evaluator, namespace, origin)?;
        }

        // In the order that people know: name, namespace, labels, annotations, then the others.
        let mut ordered = Fields::default();
        for key in ["name", "generateName"] {
            if let Some(value) = metadata.get(key) {
                ordered.insert(key.into(), value.clone());
            }
        }
        if let Some(namespace) = &namespace {
            ordered.insert("namespace".into(), namespace.clone());
        }
        for key in ["labels", "annotations"] {
            if let Some(value) = self.merged(key, metadata.get(key), at) {
                ordered.insert(key.into(), value);
            }
        }
        for (key, value) in metadata {
            ordered.entry(key).or_insert(value);
        }
        self.labels(evaluator, &ordered)?;

        let mut whole = Fields::default();
        whole.insert(
            "apiVersion".into(),
            Value::new(Data::String(facts.api_version().into()), origin),
        );
        whole.insert("kind".into(), Value::new(Data::String(facts.kind.into()), origin));
        whole.insert("metadata".into(), Value::record(ordered, at));
        whole.extend(fields.into_iter().filter(|(name, _)| name != "apiVersion" && name != "kind"));
        let text = |value: Value| match value.data {
            Data::String(text) => text,
            _ => Name::default(),
        };
        Ok(Object {
            kind,
            namespace: namespace.map(text),
            name,
            value: Value::new(
                Data::Record(Arc::new(RecordValue { tag: Tag::Kind(kind), fields: whole })),
                origin,
            ),
            origin,
            composed: evaluator.composed.as_slice().into(),
        })
    }

    /// The object's name, held against what the API server takes for its kind.
    fn name(
        &self,
        evaluator: &mut Evaluator<'_>,
        facts: &plumb_kubernetes::Kind,
        metadata: &Fields,
        origin: Origin,
    ) -> Eval<Name> {
        let Some(value) = metadata.get("name").filter(|value| !value.is_none()) else {
            if metadata.get("generateName").is_some_and(|value| !value.is_none()) {
                return Err(evaluator.report(
                    Diagnostic::error(
                        code::KUBERNETES_REFUSES,
                        origin,
                        "`generateName` cannot be applied: an object needs the same name each time",
                    )
                    .help("set `metadata.name`; `digest(…)` of the content makes a name that changes with it"),
                ));
            }
            return Err(evaluator.report(Diagnostic::error(
                code::MISSING_FIELD,
                origin,
                format!("this {} has no `metadata.name`", facts.kind),
            )));
        };
        let Data::String(name) = &value.data else { return Err(Failed) };
        match name_problem(facts, name) {
            None => Ok(name.clone()),
            Some(problem) => {
                let message =
                    format!("a {} cannot be named {:?}: {problem}", facts.kind, name.as_str());
                Err(evaluator.refuse(
                    value,
                    code::KUBERNETES_REFUSES,
                    message,
                    Some((origin.into(), "the object".into())),
                ))
            }
        }
    }

    fn namespace(
        &self,
        evaluator: &mut Evaluator<'_>,
        facts: &plumb_kubernetes::Kind,
        metadata: &Fields,
        origin: Origin,
    ) -> Eval<Option<Value>> {
        let own = metadata.get("namespace").filter(|value| !value.is_none());
        match (facts.namespaced, own) {
            (false, None) => Ok(None),
            (false, Some(value)) => {
                let message = format!("a {} belongs to no namespace", facts.kind);
                Err(evaluator.refuse(value, code::KUBERNETES_REFUSES, message, None))
            }
            (true, Some(value)) => {
                if let Data::String(text) = &value.data
                    && let Err(problem) = notation::dns_label(text)
                {
                    let message =
                        format!("{:?} is no name of a namespace: {problem}", text.as_str());
                    return Err(evaluator.refuse(value, code::KUBERNETES_REFUSES, message, None));
                }
                Ok(Some(value.clone()))
            }
            (true, None) => {
                let inherited =
                    self.composed.value.fields().and_then(|fields| fields.get("namespace"));
                match inherited.filter(|value| !value.is_none()) {
                    Some(value) => Ok(Some(value.clone())),
                    None => {
                        let subject = evaluator.subject;
                        Err(evaluator.report(
                            Diagnostic::error(
                                code::MISSING_NAMESPACE,
                                subject,
                                format!(
                                    "this makes a {}, and nothing says in which namespace",
                                    facts.kind
                                ),
                            )
                            .related(origin, "made here")
                            .help(SAY_NAMESPACE),
                        ))
                    }
                }
            }
        }
    }

    /// Whether `plumb.toml` lets the request's directory use a namespace.
    fn may_use(
        &self,
        evaluator: &mut Evaluator<'_>,
        namespace: &Value,
        origin: Origin,
    ) -> Eval<()> {
        let (Data::String(name), Some(request)) = (&namespace.data, evaluator.request) else {
            return Ok(());
        };
        let Some((message, rule)) =
            namespace_problem(evaluator.db, evaluator.workspace, request, name)
        else {
            return Ok(());
        };
        // Of the platform's own choice the request is told, since it asked for it.
        let chosen = matches!(namespace.origin.item.kind(evaluator.db), Kind::Compose | Kind::Fn);
        if chosen && evaluator.sources(namespace.origin).is_empty() {
            let subject = evaluator.subject;
            let mut error = Diagnostic::error(code::NOT_ALLOWED, subject, message)
                .related(origin, "an object of it is emitted here");
            if let Some((place, text)) = rule {
                error = error.related(place, text);
            }
            return Err(evaluator.report(error));
        }
        Err(evaluator.refuse(namespace, code::NOT_ALLOWED, message, rule))
    }

    /// The request's labels or annotations under the composition's own, which win.
    fn merged(&self, key: &str, own: Option<&Value>, at: Origin) -> Option<Value> {
        let inherited = self.composed.value.fields()?.get(key).and_then(Value::fields);
        let own_fields = own.and_then(Value::fields);
        let mut fields = Fields::default();
        for (name, value) in own_fields.into_iter().flatten() {
            fields.insert(name.clone(), value.clone());
        }
        for (name, value) in inherited.into_iter().flatten() {
            fields.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let origin = own.map_or(at, |value| value.origin);
        match (own, fields.is_empty()) {
            (None, true) => None,
            _ => Some(Value::record(fields, origin)),
        }
    }

    /// Labels as the API server takes them: qualified keys, values of at most 63 characters.
    fn labels(&self, evaluator: &mut Evaluator<'_>, metadata: &Fields) -> Eval<()> {
        let mut failed = false;
        for (key, limit) in [("labels", true), ("annotations", false)] {
            let Some(whole) = metadata.get(key) else { continue };
            for (name, value) in whole.fields().into_iter().flatten() {
                let Data::String(text) = &value.data else { continue };
                // A key has no origin of its own: where the composition computed it, that is what
                // the whole was made from.
                let is_own = crate::layers::is_data(evaluator.db, value.origin.item);
                let problem = match qualified_name(name) {
                    Err(problem) => Some((
                        if is_own { value } else { whole },
                        format!("{name:?} is no key of {key}: {problem}"),
                    )),
                    Ok(()) if limit => label_value(text).err().map(|problem| {
                        (value, format!("label `{name}` cannot be {:?}: {problem}", text.as_str()))
                    }),
                    Ok(()) => None,
                };
                if let Some((at, problem)) = problem {
                    evaluator.refuse(at, code::KUBERNETES_REFUSES, problem, None);
                    failed = true;
                }
            }
        }
        if failed { Err(Failed) } else { Ok(()) }
    }
}

/// Why an object of a kind cannot have a name: what the validation of each asks of it. apimachinery's
/// NameIsDNSLabel for the kinds whose names become DNS labels, path segments for RBAC, else
/// NameIsDNSSubdomain.
pub(crate) fn name_problem(facts: &plumb_kubernetes::Kind, name: &str) -> Option<String> {
    match (facts.group, facts.kind) {
        ("rbac.authorization.k8s.io", _) => {
            let fits = !name.contains(['/', '%']) && name != "." && name != "..";
            (!fits).then(|| "it cannot hold `/` or `%`".to_string())
        }
        ("", "Namespace" | "Service") => notation::dns_label(name).err(),
        _ => notation::dns_subdomain(name).err(),
    }
}

/// What an object says of numbers of replicas.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scaling {
    /// It fixes its own, and where.
    pub fixed: Option<Origin>,
    /// The group, kind and name of what it scales as an autoscaler.
    pub scales: Option<(Name, Name, Name)>,
}

impl Scaling {
    /// Of an object.
    pub fn of(db: &dyn Db, workspace: Workspace, object: &Object) -> Self {
        let spec = object.value.fields().and_then(|fields| fields.get("spec"));
        let get = |name: &str| spec.and_then(Value::fields).and_then(|fields| fields.get(name));
        let fixed = get("replicas").and_then(|it| fixed(db, workspace, object.origin, it));
        let facts = kind_facts(db, workspace, object.kind);
        let target = get("scaleTargetRef").filter(|it| is_autoscaler(facts) && !it.is_none());
        let scales = target.map(|target| {
            let get = |name: &str| target.fields().and_then(|fields| fields.get(name)).cloned();
            scaled([get("apiVersion"), get("kind"), get("name")])
        });
        Scaling { fixed, scales }
    }
}

/// Where an object that is emitted at `origin` fixes its number of replicas, if it does.
pub(crate) fn fixed(
    db: &dyn Db,
    workspace: Workspace,
    origin: Origin,
    replicas: &Value,
) -> Option<Origin> {
    if replicas.is_none() || initial_owner(db, workspace, replicas).is_some() {
        return None;
    }
    // What the request asked for is right: the composition should leave it.
    let own = matches!(replicas.origin.item.kind(db), Kind::Compose | Kind::Fn);
    Some(if own { replicas.origin } else { origin })
}

/// Whether objects of a kind scale others.
pub(crate) fn is_autoscaler(facts: &plumb_kubernetes::Kind) -> bool {
    (facts.group, facts.kind) == ("autoscaling", "HorizontalPodAutoscaler")
}

/// What an autoscaler scales, from the version, kind and name that it says.
pub(crate) fn scaled(target: [Option<Value>; 3]) -> (Name, Name, Name) {
    let [version, kind, name] = target.map(|value| match value {
        Some(Value { data: Data::String(text), .. }) => text,
        _ => Name::default(),
    });
    (version.split_once('/').map_or("", |(group, _)| group).into(), kind, name)
}

/// `prefix/name` as apimachinery's IsQualifiedName takes it.
pub(crate) fn qualified_name(text: &str) -> Result<(), String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(prefix) = prefix {
        notation::dns_subdomain(prefix).map_err(|problem| format!("before the `/`, {problem}"))?;
    }
    if name.is_empty() || label_value(name).is_err() {
        return Err("its name is at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit".into());
    }
    Ok(())
}

/// A label's value as apimachinery's IsValidLabelValue takes it.
pub(crate) fn label_value(text: &str) -> Result<(), String> {
    let ends = |it: Option<char>| it.is_none_or(|it| it.is_ascii_alphanumeric());
    let fine = text.len() <= 63
        && text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.'))
        && ends(text.chars().next())
        && ends(text.chars().next_back());
    if fine {
        return Ok(());
    }
    Err("a label's value is at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit".into())
}
