//! Evaluation: expressions to values, layers to a request.
//!
//! Total by construction: no recursion in the language, finite loops, and a budget of steps. What
//! has an error fails alone; everything beside it is still evaluated, so that one run finds every
//! mistake. Fields are evaluated when they are read, so a default may read its siblings.

use crate::arms::{self, record_arm};
use crate::builtins::{self, Builtin, Limit, compare};
use crate::db::Db;
use crate::diagnostics::{Code, Diagnostic, Place, Severity, code, list};
use crate::infer::{Coercion, Inference, Resolution, infer};
use crate::items::{documentation, item};
use crate::layers::{
    self, Content, Layer, LayerKind, Merge, Operation, Parts, Setting, Slot, describe_layer,
    layer_record,
};
use crate::names::{ancestry, package_of};
use crate::notation::{self, Duration, Quantity};
use crate::source::{Content as FileContent, ItemId, Kind, SourceFile, Workspace};
use crate::syntax::ast::*;
use crate::types::{
    BUILT_IN_FIELDS, Check, Keys, Schema, Shapes, Ty, UNKNOWN, describe_type, display,
    display_literal, field_of, field_type, is_said_by_kind, schema, shapes,
};
use crate::value::{Data, Fields, Origin, Record as RecordValue, Tag, Value};
use crate::versions::{self, kubernetes};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

/// An error was reported where this came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

/// A value, or nothing since it failed.
pub type Eval<T> = Result<T, Failed>;

/// How a request gets a namespace.
pub const SAY_NAMESPACE: &str =
    "write `package { namespace = \"…\" }` once in this directory, or `namespace = \"…\"` here";

/// The steps that a request in an environment may take.
pub const MAX_STEPS: u64 = 1_000_000;
/// The bytes that a single text may hold, and all manifests of a request in an environment.
pub const MAX_BYTES: usize = 16 << 20;
/// The bytes of text that a step makes or reads.
const BYTES_PER_STEP: usize = 64;
/// How deep calls and values may nest.
const MAX_DEPTH: u32 = 1_000;

/// A request in an environment.
#[derive(Clone, PartialEq, Debug)]
pub struct Evaluated {
    /// Its fields, the built-in ones included; `None` where an error stands in the way.
    pub value: Option<Value>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// A request in an environment: all layers merged, completed and checked. Evaluated alone, so a
/// change costs what it touches.
#[salsa::tracked]
pub fn evaluate(
    db: &dyn Db,
    workspace: Workspace,
    request: ItemId,
    environment: ItemId,
) -> Evaluated {
    let layers = layers::layers(db, workspace, request, environment);
    settle(&Shared::new(db, workspace), request, environment, layers)
}

/// [`evaluate`] with the layers at hand, kept by nobody: for who asks once, of many requests of the
/// environment.
pub(crate) fn settle<'a>(
    shared: &Rc<Shared<'a>>,
    request: ItemId,
    environment: ItemId,
    layers: &[Layer],
) -> Evaluated {
    let db = shared.db;
    let origin = name_origin(db, request);
    let mut evaluator = Evaluator::of(shared.clone(), Some(environment), origin);
    let schema = crate::infer::request_schema(db, shared.workspace, request);
    let value = schema.ok_or(Failed).and_then(|schema| {
        let instance = evaluator.instance(schema, layers.to_vec(), origin);
        let instance = evaluator.push(Instance { request: Some(request), ..instance });
        evaluator.all_fields(instance)
    });
    Evaluated { value: value.ok(), diagnostics: evaluator.diagnostics }
}

/// Where the engine's answers are kept that evaluators ask for again and again: a look into a map instead
/// of a question to the database. Evaluators of one query may share one, and those of no query, all of one
/// environment; never those of several queries, each of which must ask for itself.
pub(crate) struct Shared<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    /// The trees of declarations and what is known of their expressions.
    declarations: RefCell<FxHashMap<ItemId, Declaration<'a>>>,
    /// The conditions of types, by their node.
    conditions: RefCell<FxHashMap<(ItemId, NodeId), Option<Condition<'a>>>>,
    patterns: RefCell<FxHashMap<Name, Option<&'a regex::Regex>>>,
    /// What was read of the environment.
    environment: RefCell<Fields>,
}

type Declaration<'a> = (Option<&'a Item>, &'a Inference);

/// What must hold, and what is said where it does not.
type Condition<'a> = (&'a Expr, Option<&'a Expr>);

impl<'a> Shared<'a> {
    /// Where nothing was asked yet.
    pub(crate) fn new(db: &'a dyn Db, workspace: Workspace) -> Rc<Self> {
        Rc::new(Shared {
            db,
            workspace,
            declarations: RefCell::default(),
            conditions: RefCell::default(),
            patterns: RefCell::default(),
            environment: RefCell::default(),
        })
    }

    fn declaration(&self, id: ItemId) -> Declaration<'a> {
        let (db, workspace) = (self.db, self.workspace);
        // Not while it is borrowed: what is asked may take long, and may be cancelled.
        if let Some(known) = self.declarations.borrow().get(&id) {
            return *known;
        }
        let found = (item(db, id).as_deref(), infer(db, workspace, id));
        self.declarations.borrow_mut().insert(id, found);
        found
    }

    fn condition(&self, owner: ItemId, node: NodeId) -> Option<Condition<'a>> {
        if let Some(known) = self.conditions.borrow().get(&(owner, node)) {
            return *known;
        }
        let found = self.declaration(owner).0.and_then(|tree| find_condition(tree, node));
        self.conditions.borrow_mut().insert((owner, node), found);
        found
    }

    fn pattern(&self, text: &Name) -> Option<&'a regex::Regex> {
        if let Some(known) = self.patterns.borrow().get(text) {
            return *known;
        }
        let found = compiled(self.db, self.workspace, text.clone()).as_ref();
        self.patterns.borrow_mut().insert(text.clone(), found);
        found
    }
}

/// A field of an environment. Read field by field, so that who reads the domain does not depend on
/// the region.
#[salsa::tracked]
pub fn environment_field(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    name: Name,
) -> (Option<Value>, Vec<Diagnostic>) {
    let mut evaluator = Evaluator::new(db, workspace, None, name_origin(db, environment));
    let Some(instance) = evaluator.environment_instance(environment) else {
        return (None, Vec::new());
    };
    let value = evaluator.own_field(instance, &name, evaluator.subject);
    (value.ok(), evaluator.diagnostics)
}

/// What is wrong with an environment's values.
#[salsa::tracked]
pub fn environment_diagnostics(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
) -> Vec<Diagnostic> {
    let mut evaluator = Evaluator::new(db, workspace, None, name_origin(db, environment));
    let Some(instance) = evaluator.environment_instance(environment) else { return Vec::new() };
    let _ = evaluator.all_fields(instance);
    // What is never built may leave to its descendants what they say each for themselves.
    if let Some(tree) = item(db, environment)
        && let ItemKind::Environment { is_abstract: true, .. } = tree.kind
    {
        evaluator.diagnostics.retain(|found| found.code != code::MISSING_FIELD);
    }
    evaluator.diagnostics
}

/// What a schema says of its values where they stand inside others: its defaults and `final` lines and
/// the `defaults` of it, by field. Those that read other fields of the value are left out; they are
/// known only with the value. With it, what is wrong with them.
#[salsa::tracked(cycle_result = nothing_laid)]
pub fn laid(
    db: &dyn Db,
    workspace: Workspace,
    schema_id: ItemId,
    environment: Option<ItemId>,
) -> (Parts, Vec<Diagnostic>) {
    let mut evaluator = Evaluator::new(db, workspace, environment, name_origin(db, schema_id));
    let instance = evaluator.default_instance(schema_id, evaluator.subject);
    let instance = evaluator.push(instance);
    evaluator.bare = Some(instance);
    let mut parts = Parts::default();
    for (position, field) in schema(db, workspace, schema_id).fields.iter().enumerate() {
        let told = evaluator.diagnostics.len();
        evaluator.reads_own = false;
        match evaluator.slot(instance, position, &field.ty) {
            Ok(mut slot) if !evaluator.reads_own => {
                if slot != Slot::default() {
                    slot.lay_below();
                    parts.insert(field.name.clone(), slot);
                }
            }
            _ => evaluator.diagnostics.truncate(told),
        }
    }
    (parts, evaluator.diagnostics)
}

/// A schema whose default is made of its own values has no end; completing one says so.
fn nothing_laid(
    _db: &dyn Db,
    _id: salsa::Id,
    _workspace: Workspace,
    _schema: ItemId,
    _environment: Option<ItemId>,
) -> (Parts, Vec<Diagnostic>) {
    Default::default()
}

/// What is wrong with a schema's own defaults, where they can be known without a request.
#[salsa::tracked]
pub fn default_diagnostics(db: &dyn Db, workspace: Workspace, id: ItemId) -> Vec<Diagnostic> {
    let mut evaluator = Evaluator::new(db, workspace, None, name_origin(db, id));
    let Some(tree) = item(db, id) else { return Vec::new() };
    let ItemKind::Schema { members, .. } = &tree.kind else { return Vec::new() };
    let shape = schema(db, workspace, id);
    for member in members {
        let MemberKind::Field { name, default: Some(default), .. } = &member.kind else { continue };
        let Some(field) = shape.field(&name.text).filter(|field| field.owner == id) else {
            continue;
        };
        // One that reads the environment or its siblings is checked with every request.
        let inference = infer(db, workspace, id);
        if !is_constant(default, inference) {
            continue;
        }
        let told = evaluator.diagnostics.len();
        let mut frame = Frame::new(id, inference);
        if let Ok(value) = evaluator.expr(&mut frame, default) {
            let _ = evaluator.complete(value, &field.ty, &name.text);
        }
        // So is one whose values inside read it by defaults of their own.
        if evaluator.diagnostics[told..].iter().any(|it| it.code == code::MISPLACED) {
            evaluator.diagnostics.truncate(told);
        }
    }
    evaluator.diagnostics
}

fn is_constant(expr: &Expr, inference: &Inference) -> bool {
    let mut constant = true;
    walk(expr, &mut |inner| {
        if let ExprKind::Name(_) = inner.kind {
            constant &= matches!(
                inference.resolutions.get(&inner.id),
                Some(Resolution::Local | Resolution::Builtin(_))
            );
        }
    });
    constant
}

/// A file that `file()` reads, by its path in the workspace.
#[salsa::tracked(returns(copy))]
fn file_at(db: &dyn Db, workspace: Workspace, path: Name) -> Option<SourceFile> {
    workspace.files(db).get(&path).copied()
}

/// A pattern of `matches`, compiled once.
#[salsa::tracked(no_eq)]
fn compiled(_db: &dyn Db, _workspace: Workspace, text: Name) -> Option<regex::Regex> {
    pattern(&text).ok()
}

/// Compiles a pattern. Matching takes time linear in the text; a pattern that would take too much
/// memory is an error.
pub fn pattern(text: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_string(),
        other => other
            .to_string()
            .lines()
            .last()
            .unwrap_or_default()
            .trim()
            .trim_start_matches("error: ")
            .to_string(),
    })
}

fn name_origin(db: &dyn Db, id: ItemId) -> Origin {
    match crate::items::name_place(db, id) {
        Place::Node(item, node) => Origin { item, node },
        Place::Range(..) => Origin { item: id, node: NodeId(0) },
    }
}

/// The value of a scalar as interpolation writes it; `None` for anything else.
pub fn scalar_text(value: &Value) -> Option<Name> {
    builtins::scalar_text(&value.data)
}

/// A value in a sentence, shortened.
pub fn shown(value: &Value) -> String {
    let text = match &value.data {
        Data::None => "none".into(),
        Data::Null => "null".into(),
        Data::String(text) => {
            let start: String = text.chars().take(61).collect();
            format!("{start:?}")
        }
        Data::List(_) | Data::Record(_) => {
            let mut out = String::new();
            // Cut below in any case.
            let _ = crate::json::write_within(&mut out, value, 400);
            out
        }
        _ => scalar_text(value).unwrap_or_default().to_string(),
    };
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether two values are the same: numbers and amounts by what they are worth, records without
/// regard to order.
pub fn same(a: &Value, b: &Value) -> bool {
    same_within(a, b, &mut u64::MAX.clone()).unwrap_or(false)
}

/// [`same`], unless that takes more than `room` steps: values that hold one another many times are
/// small in memory and of any size to walk.
fn same_within(a: &Value, b: &Value, room: &mut u64) -> Option<bool> {
    *room = room.checked_sub(1)?;
    Some(match (&a.data, &b.data) {
        (Data::None, Data::None) | (Data::Null, Data::Null) => true,
        (Data::Bool(a), Data::Bool(b)) => a == b,
        (Data::String(a), Data::String(b)) => {
            if a.len() != b.len() {
                return Some(false);
            }
            *room = room.checked_sub((a.len() / BYTES_PER_STEP) as u64)?;
            a == b
        }
        (Data::List(a), Data::List(b)) => {
            if a.len() != b.len() {
                return Some(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !same_within(a, b, room)? {
                    return Some(false);
                }
            }
            true
        }
        // Both are counted before the first of their fields is compared.
        (Data::Record(a), Data::Record(b)) => {
            let counted = (a.fields.len() + b.fields.len()) / BYTES_PER_STEP;
            *room = room.checked_sub(counted as u64)?;
            let there =
                |record: &RecordValue| record.fields.values().filter(|it| !it.is_none()).count();
            if there(a) != there(b) {
                return Some(false);
            }
            for (name, a) in a.fields.iter().filter(|(_, it)| !it.is_none()) {
                let Some(b) = b.fields.get(name) else { return Some(false) };
                if !same_within(a, b, room)? {
                    return Some(false);
                }
            }
            true
        }
        (a, b) => compare(a, b) == Some(Ordering::Equal),
    })
}

/// Runs `visit` on an expression and everything inside it.
pub fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    let record = |record: &'a Record, visit: &mut dyn FnMut(&'a Expr)| {
        for entry in &record.entries {
            let (path, rest): (Option<&FieldPath>, Vec<&Expr>) = match &entry.kind {
                EntryKind::Spread(value) => (None, vec![value]),
                EntryKind::Set { path, value, .. } => (Some(path), vec![value]),
                EntryKind::For { clause, condition, path, value } => (
                    Some(path),
                    [&clause.iter]
                        .into_iter()
                        .chain(condition.as_deref())
                        .chain([&**value])
                        .collect(),
                ),
            };
            for segment in path.iter().flat_map(|path| &path.segments) {
                if let SegmentKind::Index(keys) = &segment.kind {
                    keys.iter().for_each(|key| walk(key, visit));
                }
            }
            rest.into_iter().for_each(|it| walk(it, visit));
        }
    };
    match &expr.kind {
        ExprKind::Hole | ExprKind::Literal(_) | ExprKind::Name(_) => {}
        ExprKind::Interpolated(parts) => parts.iter().for_each(|part| {
            if let StringPart::Value(value) = part {
                walk(value, visit);
            }
        }),
        ExprKind::Field { base, .. } => walk(base, visit),
        ExprKind::Index { base, keys } => {
            walk(base, visit);
            keys.iter().for_each(|key| walk(key, visit));
        }
        ExprKind::Call { callee, args } => {
            walk(callee, visit);
            args.iter().for_each(|arg| walk(&arg.value, visit));
        }
        ExprKind::Record(inner) | ExprKind::Named { record: inner, .. } => record(inner, visit),
        ExprKind::List(elements) => elements.iter().for_each(|it| walk(&it.value, visit)),
        ExprKind::ListFor { clause, condition, value } => {
            walk(&clause.iter, visit);
            condition.iter().for_each(|it| walk(it, visit));
            walk(value, visit);
        }
        ExprKind::If { head, then, otherwise } => {
            walk(&head.expr, visit);
            walk(then, visit);
            walk(otherwise, visit);
        }
        ExprKind::Match { subject, arms } => {
            walk(subject, visit);
            arms.iter().for_each(|arm| walk(&arm.value, visit));
        }
        ExprKind::Unary { operand, .. } => walk(operand, visit),
        ExprKind::Binary { left, right, .. } => {
            walk(left, visit);
            walk(right, visit);
        }
    }
}

/// Where an expression stands: its declaration and the names around it.
pub struct Frame<'a> {
    item: ItemId,
    inference: &'a Inference,
    /// Locals, the innermost last.
    pub locals: Vec<(Name, Value)>,
    it: Option<Value>,
    own: Option<usize>,
    /// The request of an output, whose fields are evaluated when they are read.
    lazy: Option<Lazy<'a>>,
}

/// A composition's names, evaluated when they are read.
struct Lazy<'a> {
    /// What the request is called.
    binder: &'a Name,
    /// The request; `None`: it is among the locals.
    instance: Option<usize>,
    /// The lets at the top of the composition.
    block: &'a Block,
}

impl<'a> Frame<'a> {
    /// At the top of a declaration.
    pub fn new(item: ItemId, inference: &'a Inference) -> Self {
        Frame { item, inference, locals: Vec::new(), it: None, own: None, lazy: None }
    }

    fn origin(&self, node: NodeId) -> Origin {
        Origin { item: self.item, node }
    }
}

/// A schema's value in the making.
struct Instance<'a> {
    schema: ItemId,
    shape: &'a Schema,
    /// The declarations that speak of it; empty for a literal.
    layers: Cow<'a, [Layer]>,
    /// What they say, once a field asked.
    said: Option<Rc<[Said<'a>]>>,
    /// A value that stands inside another.
    given: Option<Given>,
    /// By position: the schema's fields, then those built in.
    fields: Vec<State>,
    /// The request, whose built-in fields it has.
    request: Option<ItemId>,
    /// A nested composite's built-in fields, as the one around it says.
    inherited: Option<Fields>,
    /// Where it stands in its request; empty: it is the request.
    path: Rc<str>,
    origin: Origin,
}

impl<'a> Instance<'a> {
    fn position(&self, name: &str) -> Option<usize> {
        position(self.shape, name)
    }

    /// The name of the field at a position.
    fn name(&self, position: usize) -> &'a str {
        match self.shape.fields.get(position) {
            Some(field) => &field.name,
            None => BUILT_IN_FIELDS[position - self.shape.fields.len()],
        }
    }

    /// The value of a field, if it is known.
    fn known(&self, name: &str) -> Option<&Value> {
        match &self.fields[self.position(name)?] {
            State::Done(Ok(value)) => Some(value),
            _ => None,
        }
    }

    fn has_built_in(&self) -> bool {
        self.request.is_some() || self.inherited.is_some()
    }
}

/// The position of a field among those of a schema and those built in.
fn position(shape: &Schema, name: &str) -> Option<usize> {
    let own = shape.fields.iter().position(|field| field.name == name);
    own.or_else(|| {
        let built_in = BUILT_IN_FIELDS.iter().position(|field| *field == name)?;
        Some(shape.fields.len() + built_in)
    })
}

/// What a layer says.
struct Said<'a> {
    layer: Layer,
    inference: &'a Inference,
    /// What it spreads.
    spreads: Vec<&'a Expr>,
    /// Its entries, by the positions of the fields that they begin with.
    entries: Vec<(usize, &'a Entry)>,
}

/// A value inside another, before it is complete.
struct Given {
    record: Arc<RecordValue>,
    /// What [`laid`] says is in them.
    laid: bool,
}

#[derive(Clone)]
enum State {
    Unread,
    Open,
    Done(Eval<Value>),
}

/// What an entry of a literal sets.
struct Entered {
    value: Value,
    append: bool,
    replace: bool,
    origin: Origin,
}

/// A step of a path, with its key evaluated.
enum Step {
    Field(Name),
    /// The parts of the key of an element or entry.
    Element(Vec<Value>, NodeId),
}

impl Step {
    /// The name of the field or entry in a record or map.
    fn name(&self) -> Option<Name> {
        match self {
            Step::Field(name) => Some(name.clone()),
            Step::Element(parts, _) => scalar_text(parts.first()?),
        }
    }
}

/// Evaluates for one request in one environment, or for one declaration.
pub struct Evaluator<'a> {
    /// The database.
    pub db: &'a dyn Db,
    /// The workspace.
    pub workspace: Workspace,
    /// The environment whose values are read; `None` where there is none.
    pub environment: Option<ItemId>,
    /// What a mistake without a better place is told at.
    pub subject: Origin,
    instances: Vec<Instance<'a>>,
    /// The fields that are being evaluated, the innermost last, and what reads each.
    open: Vec<(usize, usize, Origin)>,
    shapes: Option<&'a Shapes>,
    lets: FxHashMap<ItemId, Eval<Value>>,
    shared: Rc<Shared<'a>>,
    steps: u64,
    depth: u32,
    exhausted: bool,
    /// An instance without values: reading its fields only shows that they are read.
    bare: Option<usize>,
    reads_own: bool,
    /// What is wrong so far.
    pub diagnostics: Vec<Diagnostic>,
    /// The compositions at work, the innermost last, and what each composes: what a computed value
    /// is traced to.
    pub composed: Vec<Composed>,
    /// The calls of functions that gave records and lists to them: what values in these are traced through.
    pub calls: Vec<Call>,
    /// The request at hand, for `used_by` and `uses`.
    pub request: Option<ItemId>,
}

/// A call of a function, while a composition was at work.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// What was called.
    function: ItemId,
    /// Its parameters.
    args: Vec<(Name, Value)>,
    /// What it gave.
    result: Value,
}

/// A field that a value was computed from: how deep in what is composed it is (0: the request, the
/// others nested in it), its path, and what it holds.
pub type Traced = (usize, String, Value);

/// A composition at work.
#[derive(Clone, PartialEq, Debug)]
pub struct Composed {
    /// The composition.
    pub compose: ItemId,
    /// The request or nested composite, complete.
    pub value: Value,
}

impl<'a> Evaluator<'a> {
    /// For `environment`; `subject` is where a mistake without a better place is told.
    pub fn new(
        db: &'a dyn Db,
        workspace: Workspace,
        environment: Option<ItemId>,
        subject: Origin,
    ) -> Self {
        Evaluator::of(Shared::new(db, workspace), environment, subject)
    }

    /// The same with what others asked already.
    pub(crate) fn of(shared: Rc<Shared<'a>>, environment: Option<ItemId>, subject: Origin) -> Self {
        Evaluator {
            db: shared.db,
            workspace: shared.workspace,
            environment,
            subject,
            instances: Vec::new(),
            open: Vec::new(),
            shapes: None,
            lets: FxHashMap::default(),
            shared,
            steps: 0,
            depth: 0,
            exhausted: false,
            bare: None,
            reads_own: false,
            diagnostics: Vec::new(),
            composed: Vec::new(),
            calls: Vec::new(),
            request: None,
        }
    }

    /// Tells of a mistake.
    pub fn report(&mut self, diagnostic: Diagnostic) -> Failed {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
        Failed
    }

    /// Tells that an expression has no result: at the request's field that its values came from, the line
    /// of the platform second.
    fn fail_at(&mut self, frame: &Frame<'a>, expr: &'a Expr, message: impl Into<String>) -> Failed {
        let origin = frame.origin(expr.id);
        let mut error = Diagnostic::error(code::FAILED_EXPRESSION, origin, message);
        if !matches!(origin.item.kind(self.db), Kind::Compose | Kind::Fn) {
            return self.report(error);
        }
        let mut found: Vec<Traced> = Vec::new();
        let mut bases: FxHashSet<NodeId> = FxHashSet::default();
        walk(expr, &mut |inner| {
            let Some(names) = read_chain(inner, &mut bases) else { return };
            let Some((first, rest)) = names.split_first() else { return };
            let local = frame.locals.iter().rev().find(|(it, _)| *it == first.text);
            // The request of an output, field by field.
            if let (None, Some(lazy), [field, ..]) = (local, &frame.lazy, rest)
                && first.text == *lazy.binder
                && let Some(instance) = lazy.instance
                && let Some(value) = self.instances[instance].known(&field.text)
            {
                add_traced(&mut found, (0, field.text.to_string(), value.clone()));
                return;
            }
            let Some((_, local)) = local else { return };
            let mut at = local;
            for name in rest {
                match at.fields().and_then(|fields| fields.get(&name.text)) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            if !at.is_none() {
                self.trace_argument(at, false, 0, &mut found);
            }
        });
        // The request's own lines first.
        found.sort_by_key(|(_, _, value)| !layers::is_data(self.db, value.origin.item));
        let mut places = found.into_iter();
        if let Some((_, path, value)) = places.next() {
            error.place = value.origin.into();
            error.label = format!("`{path}` is {}", shown(&value));
            for (_, path, value) in places {
                error = error.related(value.origin, format!("`{path}` is {}", shown(&value)));
            }
            error = error.related(origin, "it goes in here");
        }
        self.report(error)
    }

    fn fail(&mut self, code: Code, origin: Origin, message: impl Into<String>) -> Failed {
        self.report(Diagnostic::error(code, origin, message))
    }

    fn step(&mut self, cost: u64) -> Eval<()> {
        self.steps = self.steps.saturating_add(cost);
        if self.steps % 1024 < cost {
            self.db.unwind_if_revision_cancelled();
        }
        if self.steps <= MAX_STEPS {
            return Ok(());
        }
        if !std::mem::replace(&mut self.exhausted, true) {
            let subject = self.subject;
            self.report(
                Diagnostic::error(
                    code::OVER_BUDGET,
                    subject,
                    format!("this needs more than {MAX_STEPS} steps in one environment"),
                )
                .help("a list or map here is far larger than it should be, or a loop walks it again and again"),
            );
        }
        Err(Failed)
    }

    /// The steps that were taken.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    fn equal(&mut self, a: &Value, b: &Value) -> Eval<bool> {
        let left = MAX_STEPS.saturating_sub(self.steps);
        let mut room = left;
        let found = same_within(a, b, &mut room);
        self.step(left - room + u64::from(found.is_none()))?;
        found.ok_or(Failed)
    }

    /// Text is charged by what it holds, so that many large ones end as one does.
    fn charge_text(&mut self, bytes: usize) -> Eval<()> {
        self.step((bytes / BYTES_PER_STEP) as u64)
    }

    /// Charges for walking or making a value: everything in it, or only its own elements.
    fn charge(&mut self, value: &Value, deep: bool) -> Eval<()> {
        let inner: Vec<&Value> = match &value.data {
            Data::String(text) => return self.charge_text(text.len()),
            Data::List(elements) => {
                self.step(elements.len() as u64)?;
                elements.iter().collect()
            }
            Data::Record(record) => {
                self.step(record.fields.len() as u64)?;
                record.fields.values().collect()
            }
            _ => return self.step(1),
        };
        if deep {
            for value in inner {
                stacker::maybe_grow(64 << 10, 1 << 20, || self.charge(value, true))?;
            }
        }
        Ok(())
    }

    fn limit(&self) -> Limit {
        Limit { elements: (MAX_STEPS - self.steps.min(MAX_STEPS)) as usize, bytes: MAX_BYTES }
    }

    // Requests and environments.

    fn request_instance(
        &mut self,
        request: ItemId,
        schema_id: ItemId,
        environment: ItemId,
    ) -> usize {
        let layers = layers::layers(self.db, self.workspace, request, environment);
        let instance = self.instance(schema_id, layers, self.subject);
        self.push(Instance { request: Some(request), ..instance })
    }

    /// A value of a schema, of which no field is evaluated yet.
    fn instance(
        &self,
        schema_id: ItemId,
        layers: impl Into<Cow<'a, [Layer]>>,
        origin: Origin,
    ) -> Instance<'a> {
        let shape = schema(self.db, self.workspace, schema_id);
        Instance {
            schema: schema_id,
            shape,
            layers: layers.into(),
            said: None,
            given: None,
            fields: vec![State::Unread; shape.fields.len() + BUILT_IN_FIELDS.len()],
            request: None,
            inherited: None,
            path: Rc::default(),
            origin,
        }
    }

    /// An output of a request, or its name or namespace; only the fields it reads are evaluated.
    pub fn output(&mut self, request: ItemId, environment: ItemId, name: &Name) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let schema_id = crate::infer::request_schema(db, workspace, request).ok_or(Failed)?;
        self.subject = name_origin(db, request);
        self.request = Some(request);
        let origin = self.subject;
        let instance = self.request_instance(request, schema_id, environment);
        let compose = crate::types::composition(db, workspace, schema_id).ok_or(Failed)?;
        let tree = item(db, compose).as_ref().ok_or(Failed)?;
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Err(Failed) };
        let found = block.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Output { name: own, value, .. } if own.text == *name => Some(value),
            _ => None,
        });
        let Some(expr) = found else { return self.own_field(instance, name, origin) };
        let declared = crate::outputs::declared_outputs(db, workspace, compose);
        let ty =
            declared.iter().find(|it| it.name == *name).map_or(Ty::Unknown, |it| it.ty.clone());
        let mut frame = Frame::new(compose, infer(db, workspace, compose));
        frame.lazy = Some(Lazy { binder: &binder.text, instance: Some(instance), block });
        let value = self.expr(&mut frame, expr)?;
        self.complete(value, &ty, name)
    }

    // Nested composites.

    /// A composite of a schema, nested in another: its schema, its defaults, and the literal that
    /// emits it. `around` is what it inherits: the name it has if it says none, namespace, labels.
    pub fn nested(&mut self, literal: Value, schema_id: ItemId, around: Fields) -> Eval<Value> {
        self.step(1)?;
        let origin = literal.origin;
        let Data::Record(record) = literal.data else { return Err(Failed) };
        let value = match record.tag {
            // One that a function made is complete, and says nothing of its name and labels.
            Tag::Schema(_) => {
                let mut whole = around;
                whole.extend(Arc::unwrap_or_clone(record).fields);
                let tag = Tag::Schema(schema_id);
                Value::new(Data::Record(Arc::new(RecordValue { tag, fields: whole })), origin)
            }
            _ => {
                let laid = matches!(record.tag, Tag::Partial(_));
                let instance = self.default_instance(schema_id, origin);
                let instance = self.push(Instance {
                    given: Some(Given { record, laid }),
                    inherited: Some(around),
                    ..instance
                });
                let result = self.all_fields(instance);
                self.instances.pop();
                result?
            }
        };
        let name = value.fields().and_then(|fields| fields.get("name")).ok_or(Failed)?;
        let Data::String(text) = &name.data else { return Err(Failed) };
        let Err(problem) = notation::dns_label(text) else { return Ok(value) };
        let what = schema_id.name(self.db);
        let message = match text.len() {
            64.. => format!(
                "the name of its {what} would have {} characters, of which 63 are allowed: {text:?}",
                text.len(),
            ),
            _ => format!("the name of its {what} would be {:?}: {problem}", text.as_str()),
        };
        Err(self.refuse(
            name,
            code::REFINEMENT_FAILED,
            message,
            Some((origin.into(), "it is emitted here".into())),
        ))
    }

    /// What a nested composite inherits from the one around it; `bind` is the name it is bound to.
    pub fn inherited(around: &Value, bind: Option<&Name>) -> Fields {
        let mut inherited = Fields::default();
        let fields = around.fields();
        let get = |name: &str| fields.and_then(|fields| fields.get(name));
        if let (Some(bind), Some(Value { data: Data::String(name), origin })) = (bind, get("name"))
        {
            let name = Data::String(format!("{name}-{bind}").into());
            inherited.insert("name".into(), Value::new(name, *origin));
        }
        for name in ["namespace", "labels"] {
            if let Some(value) = get(name) {
                inherited.insert(name.into(), value.clone());
            }
        }
        inherited
    }

    /// What can be read of a nested composite: its outputs, name and namespace.
    pub fn nested_outputs(&mut self, schema_id: ItemId, value: &Value) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let compose = crate::types::composition(db, workspace, schema_id).ok_or(Failed)?;
        let tree = item(db, compose).as_ref().ok_or(Failed)?;
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Err(Failed) };
        let mut found = Fields::default();
        for name in ["name", "namespace"] {
            if let Some(value) = value.fields().and_then(|fields| fields.get(name)) {
                found.insert(name.into(), value.clone());
            }
        }
        let declared = crate::outputs::declared_outputs(db, workspace, compose);
        self.composed.push(Composed { compose, value: value.clone() });
        let mut frame = Frame::new(compose, infer(db, workspace, compose));
        frame.lazy = Some(Lazy { binder: &binder.text, instance: None, block });
        frame.locals.push((binder.text.clone(), value.clone()));
        let mut failed = false;
        for statement in &block.statements {
            let StatementKind::Output { name, value: expr, .. } = &statement.kind else { continue };
            let ty = declared.iter().find(|it| it.name == name.text).map(|it| it.ty.clone());
            let output = self
                .expr(&mut frame, expr)
                .and_then(|value| self.complete(value, &ty.unwrap_or(Ty::Unknown), &name.text));
            match output {
                Ok(mut output) => {
                    // Whoever reads it sees the composite that it is of.
                    if !layers::is_data(db, output.origin.item) {
                        output.origin = value.origin;
                    }
                    found.insert(name.text.clone(), output);
                }
                Err(Failed) => failed = true,
            }
        }
        self.composed.pop();
        if failed { Err(Failed) } else { Ok(Value::record(found, value.origin)) }
    }

    /// A nested composite's outputs, for an output of the one around it.
    fn lazy_nested(
        &mut self,
        frame: &mut Frame<'a>,
        statement: &'a Statement,
        reader: Origin,
    ) -> Eval<Value> {
        let StatementKind::Emit { bind, value } = &statement.kind else { return Err(Failed) };
        let Some(crate::infer::Emitted::Composite(schema_id)) =
            frame.inference.emits.get(&statement.id)
        else {
            return Err(Failed);
        };
        if crate::objects::nesting_circle(self.db, self.workspace, frame.item).is_some() {
            return Err(Failed);
        }
        // The manifests evaluate it too, and tell what is wrong with it.
        let told = self.diagnostics.len();
        let literal = self.expr(frame, value);
        self.diagnostics.truncate(told);
        let literal = literal?;
        let lazy = frame.lazy.as_ref().ok_or(Failed)?;
        let around = match lazy.instance {
            Some(instance) => {
                let mut fields = Fields::default();
                for name in ["name", "namespace", "labels"] {
                    fields.insert(name.into(), self.own_field(instance, name, reader)?);
                }
                Value::record(fields, reader)
            }
            None => {
                let binder = frame.locals.iter().find(|(name, _)| name == lazy.binder);
                binder.map(|(_, value)| value.clone()).ok_or(Failed)?
            }
        };
        let bind = bind.as_ref().map(|bind| &bind.text);
        let inherited = Self::inherited(&around, bind);
        let known = self.composed.last().is_some_and(|it| it.compose == frame.item);
        if !known {
            self.composed.push(Composed { compose: frame.item, value: around });
        }
        let outputs = self
            .nested(literal, *schema_id, inherited)
            .and_then(|nested| self.nested_outputs(*schema_id, &nested));
        if !known {
            self.composed.pop();
        }
        self.diagnostics.truncate(told);
        outputs
    }

    /// What another request tells, read at `reader`.
    fn read(&mut self, request: ItemId, name: &Name, reader: Origin) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let environment = self.environment.ok_or(Failed)?;
        self.present(request, environment, reader)?;
        let node = crate::outputs::Node::Output(request, name.clone());
        if let Some(way) = crate::outputs::circle(db, workspace, environment, node) {
            // A circle is one mistake: it is told where one of its fields reads its first output.
            let field = self.open.last().and_then(|(instance, field, _)| {
                let instance = &self.instances[*instance];
                let name = Name::from(instance.name(*field));
                Some(crate::outputs::Node::Field(instance.request?, name))
            });
            if way.first() == crate::outputs::first_of(db, way)
                && field.is_some_and(|it| way.contains(&it))
            {
                self.report(crate::outputs::circle_error(db, way, reader));
            }
            return Err(Failed);
        }
        // Where it has an error of its own, that is said there and nothing more here.
        let output = crate::outputs::output(db, workspace, environment, request, name.clone());
        let value = output.value.clone().ok_or(Failed)?;
        Ok(Value::new(self.settled(name, value, reader)?.data, reader))
    }

    /// Whether a request that is spoken of at `reader` is in an environment; says so where it is not.
    fn present(&mut self, request: ItemId, environment: ItemId, reader: Origin) -> Eval<()> {
        let (db, workspace) = (self.db, self.workspace);
        if crate::outputs::runs_in(db, workspace, request, environment) {
            return Ok(());
        }
        Err(self.report(
            Diagnostic::error(
                code::REQUEST_NOT_HERE,
                reader,
                format!("`{}` is not in this environment", request.name(db)),
            )
            .related(name_origin(db, request), "it lists its environments here")
            .help("take it into the environment, or leave this field to an overlay of those that have it"),
        ))
    }

    /// A declaration that is named at `reader`: a `let`, or in `after` a request, which is known by
    /// its address.
    fn declared(&mut self, found: ItemId, reader: Origin) -> Eval<Value> {
        if found.kind(self.db) != Kind::Request {
            return self.let_value(found);
        }
        self.present(found, self.environment.ok_or(Failed)?, reader)?;
        let address = crate::engine::address(self.db, self.workspace, found);
        Ok(Value::new(Data::String(address), reader))
    }

    fn neighbours(&mut self, found: &[ItemId], origin: Origin) -> Eval<Value> {
        let environment = self.environment.ok_or(Failed)?;
        let mut list = Vec::new();
        for request in found {
            let mut fields = Fields::default();
            for name in ["name", "namespace"] {
                let output = crate::outputs::output(
                    self.db,
                    self.workspace,
                    environment,
                    *request,
                    name.into(),
                );
                let value = output.value.clone().ok_or(Failed)?;
                fields.insert(name.into(), value);
            }
            list.push(Value::record(fields, origin));
        }
        Ok(Value::list(list, origin))
    }

    /// A local that an output reads before it was evaluated: the request, or a let beside it.
    fn lazy_local(&mut self, frame: &mut Frame<'a>, name: &Name, reader: Origin) -> Eval<Value> {
        let Some(lazy) = &frame.lazy else { return Err(Failed) };
        let (binder, instance, block) = (lazy.binder, lazy.instance, lazy.block);
        if name == binder {
            return self.itself(instance.ok_or(Failed)?, reader);
        }
        let statement = block.statements.iter().find(|statement| match &statement.kind {
            StatementKind::Let(it) => it.name.text == *name,
            StatementKind::Emit { bind: Some(bind), .. } => bind.text == *name,
            _ => false,
        });
        let statement = statement.ok_or(Failed)?;
        let value = match &statement.kind {
            StatementKind::Let(it) => self.expr(frame, &it.value)?,
            _ => self.lazy_nested(frame, statement, reader)?,
        };
        frame.locals.insert(0, (name.clone(), value.clone()));
        Ok(value)
    }

    fn environment_instance(&mut self, environment: ItemId) -> Option<usize> {
        let (db, workspace) = (self.db, self.workspace);
        let schema = crate::infer::environment_schema_of(db, workspace, environment)?;
        let layers: Vec<Layer> = ancestry(db, workspace, environment)
            .0
            .iter()
            .enumerate()
            .map(|(level, item)| Layer {
                item: *item,
                level: level as u32 + 1,
                kind: LayerKind::Environment,
            })
            .collect();
        let instance = self.instance(schema, layers, self.subject);
        Some(self.push(instance))
    }

    /// A value of a schema of which only `defaults` speak.
    fn default_instance(&self, schema_id: ItemId, origin: Origin) -> Instance<'a> {
        let (db, workspace) = (self.db, self.workspace);
        let layers = layers::default_layers(db, workspace, schema_id, self.environment);
        self.instance(schema_id, layers, origin)
    }

    fn push(&mut self, instance: Instance<'a>) -> usize {
        self.instances.push(instance);
        self.instances.len() - 1
    }

    /// Every field of an instance, then its conditions.
    fn all_fields(&mut self, instance: usize) -> Eval<Value> {
        let Instance { shape, origin, .. } = self.instances[instance];
        let mut fields = Fields::with_capacity(shape.fields.len() + BUILT_IN_FIELDS.len());
        let mut failed = false;
        let mut missing: Vec<(&Name, Place)> = Vec::new();
        let has_built_in = self.instances[instance].has_built_in();
        for name in BUILT_IN_FIELDS.iter().filter(|name| has_built_in && **name != "after") {
            match self.own_field(instance, name, origin) {
                Ok(value) => {
                    fields.insert(Name::new_static(name), value);
                }
                Err(Failed) => failed = true,
            }
        }
        // Nobody reads what it comes after, yet it must be right.
        if self.instances[instance].request.is_some() {
            failed |= self.own_field(instance, "after", origin).is_err();
        }
        for (position, field) in shape.fields.iter().enumerate() {
            match self.field_at(instance, position, origin) {
                Ok(value) => {
                    if value.is_none() && !field.ty.is_optional() {
                        failed = true;
                        // A misspelt field was told already; it is not missing as well.
                        if self.is_misspelt(instance, &field.name) {
                            continue;
                        }
                        missing.push((&field.name, Place::Node(field.owner, field.node)));
                        failed = true;
                    }
                    fields.insert(field.name.clone(), value);
                }
                Err(Failed) => failed = true,
            }
        }
        // A field that a misspelt one was meant to be is not missing.
        missing.retain(|(name, _)| {
            !self.instances[instance].layers.iter().any(|layer| {
                infer(self.db, self.workspace, layer.item).meant.values().any(|it| it == *name)
            })
        });
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            let who = match self.instances[instance].request {
                Some(request) => format!("request `{}`", request.name(self.db)),
                None if self.instances[instance].given.is_some() => {
                    format!("this `{}`", self.instances[instance].schema.name(self.db))
                }
                None => format!("environment `{}`", origin.item.name(self.db)),
            };
            let mut error = Diagnostic::error(
                code::MISSING_FIELD,
                origin,
                format!("{who} lacks {}", list(&names, "and")),
            );
            for (name, place) in &missing {
                error = error.related(*place, format!("`{name}` has no default"));
            }
            // What the schema says of it is what the user needs to fill it in.
            error.help = shape
                .fields
                .iter()
                .filter(|field| missing.iter().any(|(name, _)| **name == field.name))
                .find_map(|field| {
                    let tree = item(self.db, field.owner).as_ref()?;
                    let ItemKind::Schema { members, .. } = &tree.kind else { return None };
                    let text = documentation(self.db, field.owner, members[field.member].id)?;
                    let paragraph: Vec<&str> =
                        text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
                    Some(format!("{}: {}", field.name, paragraph.join(" ")))
                });
            self.report(error);
        }
        for (owner, member) in &shape.conditions {
            failed |= self.member(instance, *owner, *member).is_err();
        }
        if failed {
            return Err(Failed);
        }
        let tag = Tag::Schema(self.instances[instance].schema);
        Ok(Value::new(Data::Record(Arc::new(RecordValue { tag, fields })), origin))
    }

    /// Whether a layer has an unknown field that was meant for this one.
    fn is_misspelt(&self, instance: usize, name: &Name) -> bool {
        self.instances[instance].layers.iter().any(|layer| {
            infer(self.db, self.workspace, layer.item).diagnostics.iter().any(|found| {
                found.code == code::UNKNOWN_FIELD
                    && found.fix.as_ref().is_some_and(|fix| fix.2 == *name)
            })
        })
    }

    /// A field of an instance, evaluated at its first reading. `reader` is told of a circle.
    fn own_field(&mut self, instance: usize, name: &str, reader: Origin) -> Eval<Value> {
        let position = self.instances[instance].position(name).ok_or(Failed)?;
        self.field_at(instance, position, reader)
    }

    /// [`Self::own_field`] by its position.
    fn field_at(&mut self, instance: usize, position: usize, reader: Origin) -> Eval<Value> {
        if self.bare == Some(instance) {
            self.reads_own = true;
            return Err(Failed);
        }
        match &self.instances[instance].fields[position] {
            State::Done(done) => return done.clone(),
            State::Open => return Err(self.circle(instance, position, reader)),
            State::Unread => {}
        }
        self.instances[instance].fields[position] = State::Open;
        self.open.push((instance, position, reader));
        let result = self.compute(instance, position);
        self.open.pop();
        self.instances[instance].fields[position] = State::Done(result.clone());
        result
    }

    /// Tells of a field that is read while it is evaluated: at the request's line that closes the
    /// circle, if one does.
    fn circle(&mut self, instance: usize, position: usize, reader: Origin) -> Failed {
        let start = self.open.iter().position(|it| it.0 == instance && it.1 == position);
        let circle: Vec<(&str, Origin)> = self.open[start.unwrap_or(0)..]
            .iter()
            .map(|(instance, position, reader)| {
                (self.instances[*instance].name(*position), *reader)
            })
            .collect();
        let name = self.instances[instance].name(position);
        let names: Vec<&str> = circle.iter().map(|(name, _)| *name).chain([name]).collect();
        // Who reads each field of the circle, the first one last.
        let reads: Vec<(&str, Origin)> =
            circle[1..].iter().copied().chain([(name, reader)]).collect();
        let at = reads
            .iter()
            .position(|(_, reader)| layers::is_data(self.db, reader.item))
            .unwrap_or(reads.len() - 1);
        let mut error =
            Diagnostic::error(code::CYCLE, reads[at].1, format!("`{name}` depends on itself"))
                .help(format!("the circle is {}", names.join(" → ")));
        error.label = format!("reads `{}`", reads[at].0);
        for (index, (name, reader)) in reads.iter().enumerate() {
            if index != at {
                error = error.related(*reader, format!("reads `{name}`"));
            }
        }
        self.report(error)
    }

    fn compute(&mut self, instance: usize, position: usize) -> Eval<Value> {
        self.step(1)?;
        let Instance { shape, origin, .. } = self.instances[instance];
        let name = self.instances[instance].name(position);
        let field = shape.fields.get(position);
        let built_in;
        let ty = match field {
            Some(field) => &field.ty,
            None if self.instances[instance].has_built_in() => {
                built_in = crate::types::built_in_field(name).map_or(Ty::Unknown, |(_, set)| set);
                &built_in
            }
            None if name == "name" => {
                let name = origin.item.name(self.db).clone();
                return Ok(Value::new(Data::String(name), origin));
            }
            None => return Err(Failed),
        };
        if let Some(given) = &self.instances[instance].given {
            let own = given.record.fields.get(name).cloned();
            let laid = given.laid;
            let value = match own {
                Some(value) if laid => value,
                own => {
                    let mut slot = self.slot(instance, position, ty)?;
                    if let Some(value) = own {
                        let layer = Layer {
                            item: value.origin.item,
                            level: u32::MAX,
                            kind: LayerKind::Request,
                        };
                        let setting = plain_setting(layer, value.origin);
                        self.merge(|merge| {
                            merge.set(&mut slot, ty, value, Operation::Merge, &setting)
                        })?;
                    }
                    layers::finish(&slot).unwrap_or(Value::new(Data::None, origin))
                }
            };
            if value.is_none() && !ty.is_optional() {
                return Ok(value);
            }
            // What the request gave to a nested composite is called as the request calls it.
            let asked = match (&self.instances[instance].inherited, self.composed.first()) {
                (Some(_), Some(whole)) if layers::is_data(self.db, value.origin.item) => {
                    path_of(&whole.value, value.origin)
                }
                _ => None,
            };
            if let Some(path) = asked {
                return self.complete(value, ty, &path);
            }
            let around = self.instances[instance].path.clone();
            let path = Path::whole(&around);
            return self.complete_at(value, ty, &path.then(PathStep::Field(name)));
        }
        let value = match self.plain(instance, position, ty) {
            Some(value) => value?,
            None => {
                let slot = self.slot(instance, position, ty)?;
                self.advise_hidden(&slot, &name);
                layers::finish(&slot).unwrap_or_else(|| {
                    let unset = || match field {
                        Some(field) => Origin { item: field.owner, node: field.node },
                        None => origin,
                    };
                    let origin = slot.history.last().map_or_else(unset, |setting| setting.origin);
                    Value::new(Data::None, origin)
                })
            }
        };
        if value.is_none() && field.is_some() && !ty.is_optional() {
            return Ok(value);
        }
        if value.is_none() && field.is_none() && name == "namespace" {
            // Where nobody reads it, nothing is wrong: not every request needs one.
            let is_request = self.instances[instance].request.is_some();
            let origin = if is_request { origin } else { value.origin };
            return Ok(Value::new(Data::None, origin));
        }
        let is_label = field.is_none() && (name == "name" || name == "namespace");
        let request = self.instances[instance].request;
        // What is wrong with its own name is told where it is declared.
        if is_label && request.is_some() && value.origin != origin {
            let label = crate::types::prelude_type(self.db, self.workspace, "DnsLabel");
            return self.complete(value, &label, name);
        }
        self.complete(value, ty, name)
    }

    /// A field of a request with everything the layers said of it: what `plumb why` shows.
    pub fn trace(&mut self, request: ItemId, environment: ItemId, name: &Name) -> Eval<Slot> {
        let (db, workspace) = (self.db, self.workspace);
        let schema_id = crate::infer::request_schema(db, workspace, request).ok_or(Failed)?;
        let instance = self.request_instance(request, schema_id, environment);
        let position = self.instances[instance].position(name).ok_or(Failed)?;
        let ty = match schema(db, workspace, schema_id).field(name) {
            Some(field) => field.ty.clone(),
            None => crate::types::built_in_field(name).map_or(Ty::Unknown, |(_, set)| set),
        };
        self.instances[instance].fields[position] = State::Open;
        self.open.push((instance, position, self.subject));
        self.slot(instance, position, &ty)
    }

    fn default(&mut self, instance: usize, field: &crate::types::Field) -> Option<Eval<Value>> {
        if !field.has_default {
            return None;
        }
        let (tree, inference) = self.shared.declaration(field.owner);
        let default = default_of(tree, field)?;
        let mut frame = Frame::new(field.owner, inference);
        frame.own = Some(instance);
        Some(self.expr(&mut frame, default))
    }

    /// The value of a field of which only literals are said that replace each other, which is what most
    /// requests say of most fields: the last one holds, and no [`Slot`] is needed to find it. `None`: more
    /// is said.
    fn plain(&mut self, instance: usize, position: usize, ty: &Ty) -> Option<Eval<Value>> {
        let Instance { shape, request, origin, .. } = self.instances[instance];
        let field = shape.fields.get(position);
        let (tree, inference) = match field {
            _ if !shape.finals.is_empty() => return None,
            Some(field) if field.is_final || ty.merges() || arms::is_choice(ty) => return None,
            Some(field) => self.shared.declaration(field.owner),
            None => self.shared.declaration(request?),
        };
        let said = self.said(instance);
        // The layer and its value that hold so far; of one level only one may speak.
        let mut last: Option<(Layer, &'a Inference, &'a Expr)> = None;
        let mut hides = false;
        for Said { layer, inference, spreads, entries } in &*said {
            if !spreads.is_empty() {
                return None;
            }
            for (_, entry) in entries.iter().filter(|(field, _)| *field == position) {
                let EntryKind::Set { modifier: None, append: false, path, value, .. } = &entry.kind
                else {
                    return None;
                };
                let is_plain = path.segments.len() == 1 && is_scalar(value);
                let is_second = last.is_some_and(|(other, ..)| other.level == layer.level);
                if !is_plain || is_second || !inference.poisoned.is_empty() {
                    return None;
                }
                // What a request hides is advice, which a slot knows to give.
                hides |= layer.kind == LayerKind::Defaults { in_environment: true };
                last = Some((*layer, inference, value));
            }
        }
        let default = field.filter(|field| field.has_default);
        let default = default.map(|field| default_of(tree, field).ok_or(Failed));
        match (last, field) {
            (Some((layer, inference, value)), _) => {
                // One that fails is told of, also where it does not hold.
                let is_silent = default.is_none_or(|it| it.is_ok_and(is_scalar));
                if !is_silent || (hides && layer.kind == LayerKind::Request) || field.is_none() {
                    return None;
                }
                Some(self.scalar(layer.item, inference, value))
            }
            (None, Some(field)) => match default {
                Some(Ok(default)) if is_scalar(default) => {
                    Some(self.scalar(field.owner, inference, default))
                }
                Some(_) => None,
                None => {
                    let origin = Origin { item: field.owner, node: field.node };
                    Some(Ok(Value::new(Data::None, origin)))
                }
            },
            (None, None) => {
                let name = self.instances[instance].name(position);
                match self.built_in(request?, name, origin) {
                    Ok(value) => Some(Ok(value.unwrap_or(Value::new(Data::None, origin)))),
                    Err(Failed) => Some(Err(Failed)),
                }
            }
        }
    }

    /// The value of a literal of a declaration.
    fn scalar(&mut self, item: ItemId, inference: &'a Inference, expr: &'a Expr) -> Eval<Value> {
        self.step(1)?;
        let ExprKind::Literal(literal) = &expr.kind else { return Err(Failed) };
        if inference.poisoned.contains(&expr.id) {
            return Err(Failed);
        }
        let frame = Frame::new(item, inference);
        let data = self.literal(&frame, expr, literal)?;
        Ok(Value::new(data, frame.origin(expr.id)))
    }

    /// What the layers of an instance say.
    fn said(&mut self, instance: usize) -> Rc<[Said<'a>]> {
        let shared = &self.shared;
        let Instance { said, shape, layers, .. } = &mut self.instances[instance];
        let made = said.get_or_insert_with(|| {
            let said = layers.iter().filter_map(|layer| {
                let (tree, inference) = shared.declaration(layer.item);
                let record = layer_record(tree?)?;
                let mut said = Said {
                    layer: *layer,
                    inference,
                    spreads: Vec::new(),
                    entries: Vec::with_capacity(record.entries.len()),
                };
                for entry in &record.entries {
                    match &entry.kind {
                        EntryKind::Spread(value) => said.spreads.push(value),
                        EntryKind::Set { path, .. } => {
                            let field = first_key(path).and_then(|name| position(shape, name));
                            said.entries.extend(field.map(|field| (field, entry)));
                        }
                        EntryKind::For { .. } => {}
                    }
                }
                said.entries.sort_by_key(|(field, _)| *field);
                Some(said)
            });
            said.collect()
        });
        made.clone()
    }

    /// Merges what the layers say of one top-level field.
    fn slot(&mut self, instance: usize, position: usize, ty: &Ty) -> Eval<Slot> {
        let (db, workspace) = (self.db, self.workspace);
        let mut slot = Slot::default();
        let mut failed = false;
        let Instance { shape, origin, .. } = self.instances[instance];
        let name = self.instances[instance].name(position);
        if let Some(field) = shape.fields.get(position) {
            let layer = Layer { item: field.owner, level: 0, kind: LayerKind::Schema };
            match self.default(instance, field) {
                Some(Ok(value)) => {
                    self.charge(&value, true)?;
                    let setting = plain_setting(layer, value.origin);
                    failed |= self
                        .merge(|merge| merge.set(&mut slot, ty, value, Operation::Merge, &setting))
                        .is_err();
                }
                Some(Err(Failed)) => failed = true,
                None => {}
            }
            if field.is_final {
                let origin = Origin { item: field.owner, node: field.node };
                let why = self.final_reason(field.owner, field.member);
                slot.sealed = Some((plain_setting(layer, origin), why));
            }
        } else {
            let Instance { inherited, request, .. } = &self.instances[instance];
            let below = match (inherited, *request) {
                (Some(inherited), _) => Ok(inherited.get(name).cloned()),
                (None, Some(request)) => self.built_in(request, name, origin),
                (None, None) => Ok(None),
            };
            match below {
                Ok(Some(value)) => {
                    let layer =
                        Layer { item: value.origin.item, level: 0, kind: LayerKind::Schema };
                    let setting = plain_setting(layer, value.origin);
                    failed |= self
                        .merge(|merge| merge.set(&mut slot, ty, value, Operation::Merge, &setting))
                        .is_err();
                }
                Ok(None) => {}
                Err(Failed) => failed = true,
            }
        }
        for (owner, member) in &shape.finals {
            let Some(tree) = item(db, *owner) else { continue };
            let ItemKind::Schema { members, .. } = &tree.kind else { continue };
            let member = &members[*member];
            let MemberKind::Final { path, value, otherwise } = &member.kind else { continue };
            if first_key(path).is_none_or(|key| key != name) {
                continue;
            }
            let mut frame = Frame::new(*owner, infer(db, workspace, *owner));
            frame.own = Some(instance);
            let layer = Layer { item: *owner, level: 0, kind: LayerKind::Schema };
            let assignment = Assignment {
                node: member.id,
                path,
                value,
                operation: Operation::Merge,
                sealed: true,
                otherwise: otherwise.as_ref(),
            };
            failed |= self.assign(&mut frame, &mut slot, ty, layer, &assignment).is_err();
        }
        for Said { layer, inference, spreads, entries } in &*self.said(instance) {
            let mut frame = Frame::new(layer.item, inference);
            frame.own = Some(instance);
            for value in spreads {
                if inference.poisoned.contains(&value.id) {
                    failed = true;
                    continue;
                }
                match self.expr(&mut frame, value) {
                    Ok(value) => {
                        if let Some(found) =
                            value.fields().and_then(|fields| fields.get(name)).cloned()
                        {
                            let setting =
                                Setting { spread: true, ..plain_setting(*layer, found.origin) };
                            failed |= self
                                .merge(|merge| {
                                    merge.set(&mut slot, ty, found, Operation::Merge, &setting)
                                })
                                .is_err();
                        }
                    }
                    Err(Failed) => failed = true,
                }
            }
            let first = entries.partition_point(|(field, _)| *field < position);
            for (_, entry) in entries[first..].iter().take_while(|(field, _)| *field == position) {
                failed |= self.entry(&mut frame, &mut slot, ty, *layer, entry).is_err();
            }
        }
        if failed { Err(Failed) } else { Ok(slot) }
    }

    /// Fails where a layer may not say what it says: what is asked for is then not what anybody meant.
    fn merge(&mut self, run: impl FnOnce(&mut Merge<'a>)) -> Eval<()> {
        let mut merge = Merge {
            db: self.db,
            workspace: self.workspace,
            environment: self.environment,
            diagnostics: Vec::new(),
        };
        run(&mut merge);
        let failed = merge.diagnostics.iter().any(|it| it.severity == Severity::Error);
        for diagnostic in merge.diagnostics {
            self.report(diagnostic);
        }
        if failed { Err(Failed) } else { Ok(()) }
    }

    fn final_reason(&mut self, owner: ItemId, member: usize) -> Option<Name> {
        let tree = item(self.db, owner).as_ref()?;
        let ItemKind::Schema { members, .. } = &tree.kind else { return None };
        let MemberKind::Field { otherwise: Some(why), .. } = &members[member].kind else {
            return None;
        };
        let mut frame = Frame::new(owner, infer(self.db, self.workspace, owner));
        self.text(&mut frame, why)
    }

    fn text(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Option<Name> {
        match self.expr(frame, expr).ok()?.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// What a built-in field is before any layer.
    fn built_in(&mut self, request: ItemId, name: &str, origin: Origin) -> Eval<Option<Value>> {
        match name {
            "name" => Ok(Some(Value::new(Data::String(request.name(self.db).clone()), origin))),
            "labels" | "annotations" => Ok(Some(Value::record(Fields::default(), origin))),
            "namespace" => {
                let package = package_of(self.db, self.workspace, request.file(self.db));
                let Some(declaration) = crate::names::package_declaration(self.db, package) else {
                    return Ok(None);
                };
                let (tree, inference) = self.shared.declaration(declaration);
                let Some(ItemKind::Package { record }) = tree.map(|tree| &tree.kind) else {
                    return Ok(None);
                };
                let mut frame = Frame::new(declaration, inference);
                for entry in &record.entries {
                    if let EntryKind::Set { path, value, .. } = &entry.kind
                        && first_key(path).is_some_and(|key| key == "namespace")
                        && path.segments.len() == 1
                    {
                        if frame.inference.poisoned.contains(&entry.id) {
                            return Err(Failed);
                        }
                        return self.expr(&mut frame, value).map(Some);
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// An entry of a layer, its path's first step already taken.
    fn entry(
        &mut self,
        frame: &mut Frame<'a>,
        slot: &mut Slot,
        ty: &Ty,
        layer: Layer,
        entry: &'a Entry,
    ) -> Eval<()> {
        let EntryKind::Set { modifier, path, append, value, otherwise } = &entry.kind else {
            return Ok(());
        };
        if frame.inference.poisoned.contains(&entry.id)
            || frame.inference.poisoned.contains(&path.id)
        {
            return Err(Failed);
        }
        let operation = match (modifier, append) {
            (_, true) => Operation::Append,
            (Some(Modifier::Replace), _) => Operation::Replace,
            _ => Operation::Merge,
        };
        let assignment = Assignment {
            node: entry.id,
            path,
            value,
            operation,
            sealed: *modifier == Some(Modifier::Final),
            otherwise: otherwise.as_deref(),
        };
        self.assign(frame, slot, ty, layer, &assignment)
    }

    fn assign(
        &mut self,
        frame: &mut Frame<'a>,
        slot: &mut Slot,
        ty: &Ty,
        layer: Layer,
        assignment: &Assignment<'a>,
    ) -> Eval<()> {
        let mut steps = Vec::new();
        for segment in &assignment.path.segments[1..] {
            steps.push(self.segment(frame, segment)?);
        }
        // Braces are many paths at once, so that in them as outside a path reaches what the layers
        // below say.
        let braces = match &assignment.value.kind {
            _ if assignment.operation == Operation::Append => None,
            ExprKind::Record(record) | ExprKind::Named { record, .. }
                if record.entries.iter().all(|it| !matches!(it.kind, EntryKind::For { .. })) =>
            {
                Some(record)
            }
            _ => None,
        };
        if frame.inference.poisoned.contains(&assignment.value.id) {
            return Err(Failed);
        }
        let mut value = match braces {
            Some(_) => None,
            None => Some(self.expr(frame, assignment.value)?),
        };
        let takes_out = value.as_ref().is_some_and(Value::is_none);
        let why = assignment.otherwise.and_then(|why| self.text(frame, why));
        // Where the path is longer than a name, the entry is where it is set.
        let origin = match (&value, braces) {
            (Some(value), _) if value.origin.item == layer.item => value.origin,
            (None, Some(record)) => frame.origin(record.id),
            _ => frame.origin(assignment.node),
        };
        let setting = plain_setting(layer, origin);
        let mut ty = Cow::Borrowed(ty);
        let mut at = slot;
        // The element that the path went through last, and its key.
        let mut element: Option<(Arc<layers::KeyFields>, &[Value])> = None;
        let mut way = 0;
        for (index, step) in steps.iter().enumerate() {
            let last = index + 1 == steps.len();
            let container = match (&at.content, step) {
                (Content::Parts { arm, .. }, _) if arms::is_choice(&ty) => arm.clone(),
                (_, Step::Field(name)) if arms::is_choice(&ty) => {
                    return Err(self.no_arm(&ty, name, frame.origin(assignment.path.id)));
                }
                _ => record_arm(ty.base()).clone(),
            };
            if let Step::Field(name) = step
                && arms::is_choice(&ty)
                && field_of(self.db, self.workspace, &container, name).is_none()
            {
                let origin = frame.origin(assignment.path.id);
                return Err(self.other_arm(at, &container, name, origin));
            }
            let creates = !takes_out
                && (!matches!(layer.kind, LayerKind::Defaults { .. }) || !ty.is_optional());
            let name = match step {
                Step::Field(name) => {
                    way += 1;
                    let inner = field_type(self.db, self.workspace, &container, name);
                    ty = Cow::Owned(inner.unwrap_or(Ty::Unknown));
                    name.clone()
                }
                Step::Element(parts, node) => match &container {
                    Ty::List(item, Keys::By(keys)) => {
                        let key = layers::named_key(parts, keys).ok_or(Failed)?;
                        let there = matches!(&at.content, Content::Parts { parts, .. }
                            if parts.get(&key).is_some_and(|it| !matches!(it.content, Content::Unset | Content::Removed)));
                        if !there
                            && (!last || assignment.operation == Operation::Append || takes_out)
                        {
                            // As a path through an absent optional record creates none there.
                            if matches!(layer.kind, LayerKind::Defaults { .. }) && ty.is_optional()
                            {
                                return Ok(());
                            }
                            return Err(self.no_element(at, &key, frame.origin(*node)));
                        }
                        element = Some((keys.clone(), parts));
                        way = 0;
                        ty = Cow::Owned((**item).clone());
                        key
                    }
                    _ => {
                        element = None;
                        let key = parts.first().and_then(scalar_text).ok_or(Failed)?;
                        let inner = field_type(self.db, self.workspace, &container, &key);
                        ty = Cow::Owned(inner.unwrap_or(Ty::Unknown));
                        key
                    }
                },
            };
            let mut next = None;
            self.merge(|merge| next = merge.part(at, &container, &name, &setting, creates))?;
            match next {
                Some(inner) => at = inner,
                None => return Err(Failed),
            }
        }
        if let (Some((keys, parts)), Some(given)) = (&element, &mut value)
            && !takes_out
        {
            match steps.last() {
                Some(Step::Element(..)) => *given = with_key(given.clone(), keys, parts),
                Some(Step::Field(name)) if way == 1 => self.same_key(keys, parts, name, given)?,
                _ => {}
            }
        }
        match (value, braces) {
            (Some(value), _) => {
                self.charge(&value, true)?;
                self.merge(|merge| merge.set(at, &ty, value, assignment.operation, &setting))?;
            }
            (None, Some(record)) => {
                let key = element.as_ref().filter(|_| way == 0);
                self.braces(frame, at, &ty, record, assignment.operation, &setting, key)?;
            }
            (None, None) => return Err(Failed),
        }
        if let Some((keys, parts)) = &element
            && let Content::Parts { parts: fields, .. } = &at.content
            && way == 0
        {
            for (name, _) in keys.iter() {
                if let Some(Slot { content: Content::Whole(found), .. }) = fields.get(name) {
                    self.same_key(keys, parts, name, found)?;
                }
            }
        }
        if assignment.sealed {
            at.sealed = Some((setting, why));
        }
        Ok(())
    }

    /// The braces of a layer: each entry by itself. `key`: the element that they are.
    #[allow(clippy::too_many_arguments, reason = "one call site; the parts of an assignment")]
    fn braces(
        &mut self,
        frame: &mut Frame<'a>,
        slot: &mut Slot,
        ty: &Ty,
        record: &'a Record,
        operation: Operation,
        setting: &Setting,
        key: Option<&(Arc<layers::KeyFields>, &[Value])>,
    ) -> Eval<()> {
        self.step(1)?;
        let container = match frame.inference.records.get(&record.id) {
            Some(arm) if arms::is_choice(ty) => arm,
            _ => record_arm(ty.base()),
        };
        let mut opened = false;
        self.merge(|merge| opened = merge.open(slot, container, operation, setting))?;
        if !opened {
            return Err(Failed);
        }
        if let Some((keys, parts)) = key {
            for ((name, _), part) in keys.iter().zip(parts.iter()) {
                let inner = Setting { spread: true, ..setting.of(part.origin) };
                let ty = field_of(self.db, self.workspace, container, name);
                let ty = ty.as_deref().unwrap_or(UNKNOWN);
                self.merge(|merge| {
                    if let Some(field) = merge.part(slot, container, name, &inner, true) {
                        merge.set(field, ty, part.clone(), Operation::Merge, &inner);
                    }
                })?;
            }
        }
        let mut failed = false;
        for entry in &record.entries {
            let EntryKind::Spread(value) = &entry.kind else { continue };
            match self.expr(frame, value) {
                Ok(value) if value.is_none() => {}
                Ok(value) => {
                    self.step(value.fields().map_or(0, |it| it.len() as u64))?;
                    let inner = Setting { spread: true, ..setting.of(value.origin) };
                    failed |= self
                        .merge(|merge| merge.set(slot, container, value, Operation::Merge, &inner))
                        .is_err();
                }
                Err(Failed) => failed = true,
            }
        }
        for entry in &record.entries {
            let EntryKind::Set { path, .. } = &entry.kind else { continue };
            let name = match path.segments.first().ok_or(Failed)? {
                PathSegment { kind: SegmentKind::Key(name), .. } => Ok(name.clone()),
                segment => match self.segment(frame, segment) {
                    Ok(Step::Element(parts, _)) => {
                        parts.first().and_then(scalar_text).ok_or(Failed)
                    }
                    _ => Err(Failed),
                },
            };
            let Ok(name) = name else {
                failed = true;
                continue;
            };
            if frame.inference.poisoned.contains(&path.id) {
                failed = true;
                continue;
            }
            let ty = field_of(self.db, self.workspace, container, &name);
            let ty = ty.as_deref().unwrap_or(UNKNOWN);
            let inner = setting.of(frame.origin(entry.id));
            let mut part = None;
            let met = self.merge(|merge| part = merge.part(slot, container, &name, &inner, true));
            match part.filter(|_| met.is_ok()) {
                Some(part) => failed |= self.entry(frame, part, ty, setting.layer, entry).is_err(),
                None => failed = true,
            }
        }
        if operation == Operation::Replace {
            slot.close(setting);
        }
        if failed { Err(Failed) } else { Ok(()) }
    }

    /// A path goes into a choice of records, and nothing is there yet that is one of them.
    fn no_arm(&mut self, ty: &Ty, name: &Name, origin: Origin) -> Failed {
        let shown: Vec<String> =
            arms::records(ty).into_iter().map(|it| display(self.db, self.workspace, it)).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        self.report(
            Diagnostic::error(
                code::AMBIGUOUS_RECORD,
                origin,
                format!("nothing says yet which of {} `{name}` is set in", list(&shown, "and")),
            )
            .help("set the whole first, in braces"),
        )
    }

    /// A path goes into a choice of records, and the one that is there has no such field.
    fn other_arm(&mut self, slot: &Slot, arm: &Ty, name: &Name, origin: Origin) -> Failed {
        let shown = display(self.db, self.workspace, arm);
        let mut error = Diagnostic::error(
            code::UNKNOWN_FIELD,
            origin,
            format!("this is `{shown}`, which has no field `{name}`"),
        )
        .help("to make it another, set the whole in braces");
        if let Some(setting) = slot.history.last() {
            error = error.related(setting.origin, "it is set here");
        }
        self.report(error)
    }

    /// The key of an element is what it is reached by; it does not change.
    fn same_key(
        &mut self,
        keys: &layers::KeyFields,
        parts: &[Value],
        name: &Name,
        given: &Value,
    ) -> Eval<()> {
        let named = keys.iter().position(|(key, _)| key == name).and_then(|at| parts.get(at));
        match named {
            Some(part) if !same(part, given) => Err(self.report(
                Diagnostic::error(
                    code::KEYED_ELEMENT,
                    given.origin,
                    format!("`{name}` is the key of this element and is {}", shown(part)),
                )
                .help(format!("leave it out; for another `{name}` add another element")),
            )),
            _ => Ok(()),
        }
    }

    fn no_element(&mut self, slot: &Slot, key: &Name, origin: Origin) -> Failed {
        let known: Vec<Name> = match &slot.content {
            Content::Parts { parts, .. } => parts
                .iter()
                .filter(|(_, it)| !matches!(it.content, Content::Unset | Content::Removed))
                .map(|(name, _)| name.clone())
                .collect(),
            _ => Vec::new(),
        };
        let mut error = Diagnostic::error(
            code::KEYED_ELEMENT,
            origin,
            format!("the list has no element `{key}`"),
        );
        error.help = Some(match crate::diagnostics::nearest(key, known.iter().map(Name::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                format!("to add it, set the whole element: `[\"{key}\"] = {{ … }}`")
            }
            None => {
                let names: Vec<&str> = known.iter().map(Name::as_str).collect();
                format!(
                    "it has {}; to add one, set the whole element: `[\"{key}\"] = {{ … }}`",
                    list(&names, "and")
                )
            }
        });
        self.report(error)
    }

    fn segment(&mut self, frame: &mut Frame<'a>, segment: &'a PathSegment) -> Eval<Step> {
        Ok(match &segment.kind {
            SegmentKind::Key(name) => Step::Field(name.clone()),
            SegmentKind::Index(keys) => {
                let mut parts = Vec::new();
                for key in keys {
                    parts.push(self.expr(frame, key)?);
                }
                Step::Element(parts, segment.id)
            }
        })
    }

    /// Advice where a request's own value hides what the platform says for this environment.
    fn advise_hidden(&mut self, slot: &Slot, name: &dyn fmt::Display) {
        if let Content::Parts { parts, .. } = &slot.content {
            for (part, inner) in parts {
                self.advise_hidden(inner, &format_args!("{name}.{part}"));
            }
            return;
        }
        let Some(last) = slot.history.last().filter(|it| it.layer.kind == LayerKind::Request)
        else {
            return;
        };
        let hidden = slot
            .history
            .iter()
            .rev()
            .find(|it| it.layer.kind == (LayerKind::Defaults { in_environment: true }))
            .filter(|hidden| match (&hidden.value, &last.value) {
                (Some(a), Some(b)) => !same(a, b),
                (a, b) => a.is_some() != b.is_some(),
            });
        let Some(hidden) = hidden else { return };
        let value = hidden.value.as_ref().map_or("none".to_string(), shown);
        let layer = describe_layer(self.db, &hidden.layer);
        self.report(
            Diagnostic::warning(
                code::HIDES_ENVIRONMENT_DEFAULT,
                last.origin,
                format!("`{name}` here hides {value}, which the platform sets by {layer}"),
            )
            .related(hidden.origin, "hidden here")
            .help("leave it out, or move it into an overlay of the environments that need it"),
        );
    }

    // Conditions.

    /// Fails where a condition of the schema does not hold.
    fn member(&mut self, instance: usize, owner: ItemId, member: usize) -> Eval<()> {
        let (tree, inference) = self.shared.declaration(owner);
        let Some(ItemKind::Schema { members, .. }) = tree.map(|tree| &tree.kind) else {
            return Ok(());
        };
        let mut frame = Frame::new(owner, inference);
        frame.own = Some(instance);
        match &members[member].kind {
            MemberKind::Rule(rule) => self.rule(&mut frame, rule, &mut Vec::new()),
            MemberKind::If(branch) => self.rule_branch(&mut frame, branch, &mut Vec::new()),
            _ => Ok(()),
        }
    }

    fn rule_branch(
        &mut self,
        frame: &mut Frame<'a>,
        branch: &'a If,
        around: &mut Vec<&'a Expr>,
    ) -> Eval<()> {
        let before = frame.locals.len();
        let holds = self.head(frame, &branch.head)?;
        let mut failed = false;
        around.push(&branch.head.expr);
        let block = if holds { Some(&branch.then) } else { branch.otherwise.as_ref() };
        for statement in block.iter().flat_map(|block| &block.statements) {
            match &statement.kind {
                StatementKind::Let(it) => match self.expr(frame, &it.value) {
                    Ok(value) => frame.locals.push((it.name.text.clone(), value)),
                    Err(Failed) => {
                        failed = true;
                        break;
                    }
                },
                StatementKind::If(inner) => {
                    failed |= self.rule_branch(frame, inner, around).is_err();
                }
                StatementKind::Rule(rule) => failed |= self.rule(frame, rule, around).is_err(),
                StatementKind::For { clause, body } => {
                    let Ok(rounds) = self.rounds(frame, clause) else {
                        failed = true;
                        break;
                    };
                    let inner = frame.locals.len();
                    for round in rounds {
                        bind(frame, clause, round);
                        for statement in &body.statements {
                            match &statement.kind {
                                StatementKind::Rule(rule) => {
                                    failed |= self.rule(frame, rule, around).is_err();
                                }
                                StatementKind::If(inner) => {
                                    failed |= self.rule_branch(frame, inner, around).is_err();
                                }
                                _ => {}
                            }
                        }
                        frame.locals.truncate(inner);
                    }
                }
                StatementKind::Emit { .. } | StatementKind::Output { .. } => {}
            }
        }
        around.pop();
        frame.locals.truncate(before);
        if failed { Err(Failed) } else { Ok(()) }
    }

    fn rule(
        &mut self,
        frame: &mut Frame<'a>,
        rule: &'a Rule,
        around: &mut Vec<&'a Expr>,
    ) -> Eval<()> {
        // A condition on a field that failed has nothing to add.
        if !matches!(self.expr(frame, &rule.condition)?.data, Data::Bool(false)) {
            return Ok(());
        }
        let why = rule.otherwise.as_ref().and_then(|why| self.text(frame, why));
        let message = why.map_or_else(
            || match describe_condition(&rule.condition) {
                Some(text) => format!("this must hold: {text}"),
                None => "a condition of the schema does not hold".to_string(),
            },
            |why| why.to_string(),
        );
        // The request's own fields that the condition reads are where the mistake is.
        let mut read: Vec<(Name, Value)> = Vec::new();
        for expr in [&rule.condition].into_iter().chain(around.iter().copied()) {
            walk(expr, &mut |inner| {
                if let ExprKind::Name(name) = &inner.kind
                    && frame.inference.resolutions.get(&inner.id) == Some(&Resolution::OwnField)
                    && let Some(instance) = frame.own
                    && let Some(value) = self.instances[instance].known(name)
                    && !read.iter().any(|(known, _)| known == name)
                {
                    read.push((name.clone(), value.clone()));
                }
            });
        }
        // A nested composite's fields are the request's that they were computed from.
        let read: Vec<(Name, Value)> = read
            .into_iter()
            .flat_map(|(name, value)| {
                let sources = self.sources(value.origin);
                if sources.is_empty() {
                    vec![(name, value)]
                } else {
                    sources.into_iter().map(|(path, value)| (path.into(), value)).collect()
                }
            })
            .collect();
        let label = |(name, value): &(Name, Value)| format!("`{name}` is {}", shown(value));
        let mut places: Vec<&(Name, Value)> =
            read.iter().filter(|(_, value)| layers::is_data(self.db, value.origin.item)).collect();
        if places.is_empty() {
            places = Vec::new();
        }
        let origin = places.first().map_or(self.subject, |(_, value)| value.origin);
        let mut found = Diagnostic::error(code::CONDITION_FAILED, origin, message);
        if rule.level == RuleLevel::Advise {
            found.severity = Severity::Warning;
        }
        if let Some(first) = places.first() {
            found.label = label(first);
        }
        for other in read.iter().filter(|it| places.first().is_none_or(|first| first.0 != it.0)) {
            found = found.related(other.1.origin, label(other));
        }
        found = found.related(frame.origin(rule.condition.id), "the condition");
        let failed = self.report(found);
        if rule.level == RuleLevel::Advise { Ok(()) } else { Err(failed) }
    }

    // Completing values by their types.

    /// Fills in what a type's schemas say by default, and checks what only evaluation can:
    /// conditions, ranges, required fields. `path` names the value in messages.
    pub fn complete(&mut self, value: Value, ty: &Ty, path: &str) -> Eval<Value> {
        self.complete_at(value, ty, &Path::whole(path))
    }

    fn complete_at(&mut self, value: Value, ty: &Ty, path: &Path<'_>) -> Eval<Value> {
        Ok(self.completed(&value, ty, path)?.unwrap_or(value))
    }

    /// [`Self::complete`] of a value that others may hold as well; `None`: nothing was to be filled in.
    fn completed(&mut self, value: &Value, ty: &Ty, path: &Path<'_>) -> Eval<Option<Value>> {
        self.step(1)?;
        if self.depth == MAX_DEPTH {
            return Err(self.too_deep(value.origin));
        }
        if ty.is_plain() {
            return Ok(None);
        }
        self.depth += 1;
        let result =
            stacker::maybe_grow(64 << 10, 1 << 20, || self.completed_inner(value, ty, path));
        self.depth -= 1;
        result
    }

    fn too_deep(&mut self, origin: Origin) -> Failed {
        self.fail(code::OVER_BUDGET, origin, format!("this nests deeper than {MAX_DEPTH} levels"))
    }

    fn completed_inner(&mut self, value: &Value, ty: &Ty, path: &Path<'_>) -> Eval<Option<Value>> {
        match ty {
            Ty::Optional(_) if value.is_none() => Ok(None),
            Ty::Optional(inner) => self.completed_inner(value, inner, path),
            Ty::Refined(refined) => {
                let done = self.completed_inner(value, &refined.base, path)?;
                let held = done.as_ref().unwrap_or(value);
                if !held.is_none() {
                    self.refine(held, &refined.check, &format_args!("`{path}`"))?;
                }
                Ok(done)
            }
            Ty::Schema(id) | Ty::Request(id) => {
                let Data::Record(record) = &value.data else { return Ok(None) };
                let laid = match record.tag {
                    Tag::Plain => false,
                    Tag::Partial(_) => true,
                    // A value of this schema, or of one that includes it, is complete.
                    Tag::Schema(_) | Tag::Kind(_) => return Ok(None),
                };
                let instance = self.default_instance(*id, value.origin);
                let instance = self.push(Instance {
                    given: Some(Given { record: record.clone(), laid }),
                    path: path.to_string().into(),
                    ..instance
                });
                let result = self.all_fields(instance);
                self.instances.pop();
                result.map(Some)
            }
            Ty::Record(record) => {
                let type_of = |name: &str| {
                    let known = record.fields.iter().find(|(field, _)| field == name);
                    known.map_or(UNKNOWN, |(_, ty)| ty)
                };
                self.completed_fields(value, path, ty, record.required(), type_of)
            }
            Ty::Object(object) => {
                let shape = self.shapes().of(*object);
                let type_of = |name: &str| shape.fields.get(name).unwrap_or(UNKNOWN);
                self.completed_fields(value, path, ty, shape.required.iter(), type_of)
            }
            Ty::Kind(kind) => {
                let shape = self.shapes().of_kind(*kind);
                let type_of = |name: &str| {
                    let known = shape.fields.get(name).filter(|_| !is_said_by_kind(name));
                    known.unwrap_or(UNKNOWN)
                };
                let required = shape.required_beside_kind();
                let done = self.completed_fields(value, path, ty, required, type_of)?;
                // A record without a name before its braces is of the kind that its place takes.
                match &done.as_ref().unwrap_or(value).data {
                    Data::Record(record) if record.tag == Tag::Plain => {
                        let mut record = record.clone();
                        Arc::make_mut(&mut record).tag = Tag::Kind(*kind);
                        Ok(Some(Value::new(Data::Record(record), value.origin)))
                    }
                    _ => Ok(done),
                }
            }
            Ty::Map(key, inner) => {
                if let (Ty::Refined(refined), Some(fields)) = (&**key, value.fields()) {
                    let mut failed = false;
                    for (name, entry) in fields {
                        let key = Value::new(Data::String(name.clone()), entry.origin);
                        failed |= self
                            .refine(&key, &refined.check, &format_args!("a key of `{path}`"))
                            .is_err();
                    }
                    if failed {
                        return Err(Failed);
                    }
                }
                self.completed_fields(value, path, ty, std::iter::empty(), |_| inner)
            }
            Ty::List(inner, keys) => {
                let Data::List(elements) = &value.data else { return Ok(None) };
                let mut failed = false;
                let mut changed: Option<Vec<Value>> = None;
                for (index, element) in elements.iter().enumerate() {
                    let path = path.then(PathStep::Element(index, element, keys));
                    match self.completed(element, inner, &path) {
                        Ok(None) => {}
                        Ok(Some(done)) => {
                            changed.get_or_insert_with(|| elements.to_vec())[index] = done;
                        }
                        Err(Failed) => failed = true,
                    }
                }
                if failed {
                    return Err(Failed);
                }
                Ok(changed.map(|elements| Value::list(elements, value.origin)))
            }
            Ty::Union(arms) => {
                let record = match arms::is_choice(ty) {
                    true => arms::of_value(self.db, self.workspace, ty, value),
                    false => None,
                };
                let takes = |arm: &&Ty| match record {
                    Some(record) => arm.base() == record,
                    None => self.takes(arm, value),
                };
                let Some(arm) = arms.iter().find(takes) else {
                    let why = describe_type(self.db, self.workspace, ty);
                    let shown = shown(value);
                    return Err(self.refuse(
                        value,
                        code::NOT_ONE_OF,
                        format!("`{path}` is {shown}; it must be {why}"),
                        None,
                    ));
                };
                self.completed_inner(value, arm, path)
            }
            _ => Ok(None),
        }
    }

    /// What Kubernetes' objects consist of.
    fn shapes(&mut self) -> &'a Shapes {
        let (db, workspace) = (self.db, self.workspace);
        self.shapes.get_or_insert_with(|| shapes(db, workspace))
    }

    fn completed_fields<'t>(
        &mut self,
        value: &Value,
        path: &Path<'_>,
        ty: &Ty,
        required: impl Iterator<Item = &'t Name>,
        type_of: impl Fn(&str) -> &'t Ty,
    ) -> Eval<Option<Value>> {
        let Data::Record(record) = &value.data else { return Ok(None) };
        let mut failed = false;
        let mut changed: Option<Arc<RecordValue>> = None;
        for (name, field) in record.fields.iter().filter(|(_, field)| !field.is_none()) {
            match self.completed(field, type_of(name), &path.then(PathStep::Field(name))) {
                Ok(None) => {}
                Ok(Some(done)) => {
                    let changed = changed.get_or_insert_with(|| record.clone());
                    Arc::make_mut(changed).fields.insert(name.clone(), done);
                }
                Err(Failed) => failed = true,
            }
        }
        let lacking: Vec<&str> = required
            .filter(|name| record.fields.get(name).is_none_or(Value::is_none))
            .map(Name::as_str)
            .collect();
        if !lacking.is_empty() {
            let path = path.to_string();
            let what = if path.is_empty() { display(self.db, self.workspace, ty) } else { path };
            self.refuse(
                value,
                code::MISSING_FIELD,
                format!("`{what}` lacks {}", list(&lacking, "and")),
                None,
            );
            failed = true;
        }
        if failed {
            return Err(Failed);
        }
        Ok(changed.map(|record| Value::new(Data::Record(record), value.origin)))
    }

    /// A value as an arm of a `match` binds it that asks for a type; `None` where it is not of it. `of`
    /// is the type of what is matched.
    fn taken(&mut self, ty: &Ty, of: &Ty, value: &Value) -> Option<Value> {
        if value.is_none() {
            return None;
        }
        if arms::is_choice(of)
            && let Some(arm) = arms::of_value(self.db, self.workspace, of, value)
        {
            return crate::types::fits(self.db, self.workspace, arm, ty).then(|| value.clone());
        }
        if !matches!(of, Ty::Any) && !matches!(ty, Ty::Refined(_)) {
            return self.takes(ty, value).then(|| value.clone());
        }
        // Nothing is known of it: it is of the type if it can be completed to a value of it.
        if !self.is_shaped(ty, value) {
            return None;
        }
        let told = self.diagnostics.len();
        let done = self.complete(value.clone(), ty, "").ok();
        self.diagnostics.truncate(told);
        done
    }

    /// Whether a value of which nothing is known has the shape of a type, all the way down.
    fn is_shaped(&self, ty: &Ty, value: &Value) -> bool {
        match (ty, &value.data) {
            (Ty::Refined(refined), _) => self.is_shaped(&refined.base, value),
            (Ty::Optional(inner), _) => value.is_none() || self.is_shaped(inner, value),
            (Ty::Union(arms), _) => arms.iter().any(|arm| self.is_shaped(arm, value)),
            (Ty::List(item, _), Data::List(items)) => {
                items.iter().all(|it| self.is_shaped(item, it))
            }
            (Ty::Map(_, of), Data::Record(record)) => {
                record.fields.values().all(|it| it.is_none() || self.is_shaped(of, it))
            }
            (Ty::Record(_) | Ty::Schema(_) | Ty::Object(_), Data::Record(record)) => {
                let open = matches!(ty, Ty::Record(record) if record.open);
                record.fields.iter().all(|(name, value)| {
                    match field_type(self.db, self.workspace, ty, name) {
                        Some(ty) => self.is_shaped(&ty, value),
                        None => open || value.is_none(),
                    }
                })
            }
            _ => self.takes(ty, value),
        }
    }

    /// Whether a value is of an arm's kind.
    fn takes(&self, arm: &Ty, value: &Value) -> bool {
        match (arm, &value.data) {
            (Ty::Unknown | Ty::Any, _) => true,
            (Ty::Literal(literal), data) => literal_is(literal, data),
            (Ty::Refined(refined), _) => self.takes(&refined.base, value),
            (Ty::Optional(inner), _) => value.is_none() || self.takes(inner, value),
            (Ty::Union(arms), _) => arms.iter().any(|arm| self.takes(arm, value)),
            (Ty::None, Data::None)
            | (Ty::Null, Data::Null)
            | (Ty::Bool, Data::Bool(_))
            | (Ty::Int, Data::Int(_))
            | (Ty::Float, Data::Float(_))
            | (Ty::String, Data::String(_))
            | (Ty::Quantity, Data::Quantity(_))
            | (Ty::Duration, Data::Duration(_))
            | (Ty::List(..), Data::List(_)) => true,
            (Ty::Schema(id) | Ty::Request(id), Data::Record(record)) => match record.tag {
                Tag::Schema(tag) | Tag::Partial(tag) => {
                    tag == *id || schema(self.db, self.workspace, tag).includes.contains(id)
                }
                Tag::Plain => true,
                Tag::Kind(_) => false,
            },
            (Ty::Kind(kind), Data::Record(record)) => {
                record.tag == Tag::Kind(*kind) || record.tag == Tag::Plain
            }
            (Ty::Map(..) | Ty::Record(_) | Ty::Object(_), Data::Record(_)) => true,
            _ => false,
        }
    }

    /// Tells that a value is refused: at the request's fields that it came from, the platform's
    /// line second.
    pub fn refuse(
        &mut self,
        value: &Value,
        code: Code,
        message: String,
        rule: Option<(Place, String)>,
    ) -> Failed {
        // What lacks a field lacks it whatever the request says.
        let platform = code != code::MISSING_FIELD
            && matches!(value.origin.item.kind(self.db), Kind::Compose | Kind::Fn);
        let mut error = Diagnostic::error(code, value.origin, message);
        if platform {
            let sources: Vec<(String, Value)> =
                self.traced(value, false).into_iter().map(|(_, path, it)| (path, it)).collect();
            let mut places: Vec<(Origin, String)> = Vec::new();
            for (path, source) in &sources {
                let text = format!("`{path}` is {}", shown(source));
                if !places.iter().any(|(origin, _)| *origin == source.origin) {
                    places.push((source.origin, text));
                }
            }
            // The request's own lines first; then overlays' and defaults'.
            places.sort_by_key(|(origin, _)| !layers::is_data(self.db, origin.item));
            let mut places = places.into_iter();
            match places.next() {
                Some((origin, text)) => {
                    error.place = origin.into();
                    error.label = text;
                    for (origin, text) in places {
                        error = error.related(origin, text);
                    }
                    error = error.related(value.origin, "it goes in here");
                }
                None => {
                    error.label = shown(value);
                }
            }
        } else {
            error.label = shown(value);
        }
        if let Some((place, text)) = rule {
            error = error.related(place, text);
        }
        self.report(error)
    }

    /// The fields of the request that the expression at `origin` reads, from its text: through the
    /// lets of its composition, and through what it nests.
    pub fn sources(&self, origin: Origin) -> Vec<(String, Value)> {
        let found = self.leveled_sources(origin);
        found.into_iter().map(|(_, path, value)| (path, value)).collect()
    }

    /// [`Self::sources`], each with the position in [`Self::composed`] of what has the field: 0 is the
    /// request, the others are nested in it.
    pub fn leveled_sources(&self, origin: Origin) -> Vec<(usize, String, Value)> {
        let composed = self.composed.iter().rposition(|it| it.compose == origin.item);
        let Some(level) = composed else { return Vec::new() };
        let record = &self.composed[level].value;
        let mut found = Vec::new();
        let Some(tree) = item(self.db, origin.item) else { return Vec::new() };
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Vec::new() };
        let index = BlockIndex::of(block);
        let Some(expr) = index.made(origin.node) else { return Vec::new() };
        let mut todo = vec![expr];
        let mut seen: FxHashSet<NodeId> = FxHashSet::default();
        while let Some(expr) = todo.pop() {
            walk(expr, &mut |inner| {
                if let Some(names) = crate::references::chain(inner)
                    && names.len() > 1
                    && names[0].text == binder.text
                {
                    let mut value = record;
                    let mut path = String::new();
                    for name in &names[1..] {
                        match value.fields().and_then(|fields| fields.get(&name.text)) {
                            Some(next) => {
                                value = next;
                                path = join(&path, &name.text);
                            }
                            None => break,
                        }
                    }
                    if !path.is_empty()
                        && !found.iter().any(|(known, _): &(String, Value)| within(known, &path))
                    {
                        found.push((path, value.clone()));
                    }
                }
                if let ExprKind::Name(name) = &inner.kind
                    && let Some(value) = index.bound(name, inner.id)
                    && seen.insert(value.id)
                {
                    todo.push(value);
                }
            });
        }
        // What the composition around a nested one computed for it is traced further.
        let mut traced: Vec<(usize, String, Value)> = Vec::new();
        for (path, value) in found {
            let around = value.origin.item != origin.item
                && self.composed.iter().any(|it| it.compose == value.origin.item);
            let further = if around { self.leveled_sources(value.origin) } else { Vec::new() };
            // What came through unchanged is called as the outermost calls it.
            let unchanged = || {
                self.composed[..level]
                    .iter()
                    .enumerate()
                    .find_map(|(level, it)| Some((level, path_of(&it.value, value.origin)?)))
            };
            let further = match unchanged() {
                _ if !further.is_empty() => further,
                Some((level, path)) => vec![(level, path, value)],
                None => vec![(level, path, value)],
            };
            for (level, path, value) in further {
                let known = traced
                    .iter()
                    .any(|it| it.0 == level && it.1 == path && it.2.origin == value.origin);
                if !known {
                    traced.push((level, path, value));
                }
            }
        }
        traced
    }

    /// The fields that a value was computed from, also through functions; `choices`: and those that
    /// chose between it and others.
    pub fn traced(&self, value: &Value, choices: bool) -> Vec<Traced> {
        let mut found = Vec::new();
        self.trace_into(value, choices, 0, &mut found);
        found
    }

    fn trace_into(&self, value: &Value, choices: bool, depth: u32, found: &mut Vec<Traced>) {
        // Functions do not call themselves, so this is only what the text can hold.
        if depth > 64 {
            return;
        }
        let origin = value.origin;
        match origin.item.kind(self.db) {
            Kind::Compose => {
                let chosen = if choices { self.choices(origin) } else { Vec::new() };
                for origin in std::iter::once(origin).chain(chosen) {
                    for one in self.leveled_sources(origin) {
                        add_traced(found, one);
                    }
                }
            }
            Kind::Fn => self.through_call(value, choices, depth, found),
            _ => {}
        }
    }

    /// The fields that a value inside of what a function gave was computed from: those that the
    /// arguments came from which its expression reads.
    fn through_call(&self, value: &Value, choices: bool, depth: u32, found: &mut Vec<Traced>) {
        let origin = value.origin;
        let Some(tree) = item(self.db, origin.item) else { return };
        let ItemKind::Fn { body, .. } = &tree.kind else { return };
        // One function may be called often: the call that gave this very value.
        let call = self
            .calls
            .iter()
            .rev()
            .find(|call| call.function == origin.item && holds(&call.result, value));
        let Some(call) = call else { return };
        let index = BlockIndex::of_expr(body);
        let mut todo: Vec<&Expr> = index.made(origin.node).into_iter().collect();
        if choices {
            todo.extend(heads_of(body, origin.node));
        }
        let mut seen: FxHashSet<NodeId> = FxHashSet::default();
        while let Some(expr) = todo.pop() {
            let mut bases: FxHashSet<NodeId> = FxHashSet::default();
            walk(expr, &mut |inner| {
                let Some(names) = read_chain(inner, &mut bases) else { return };
                let Some(first) = names.first() else { return };
                if let Some(source) = index.bound(&first.text, inner.id) {
                    if seen.insert(source.id) {
                        todo.push(source);
                    }
                    return;
                }
                let Some((_, arg)) = call.args.iter().find(|(name, _)| *name == first.text) else {
                    return;
                };
                let mut at = arg;
                for name in &names[1..] {
                    match at.fields().and_then(|fields| fields.get(&name.text)) {
                        Some(next) => at = next,
                        None => break,
                    }
                }
                self.trace_argument(at, choices, depth, found);
            });
        }
    }

    fn trace_argument(&self, value: &Value, choices: bool, depth: u32, found: &mut Vec<Traced>) {
        match value.origin.item.kind(self.db) {
            Kind::Compose | Kind::Fn => self.trace_into(value, choices, depth + 1, found),
            _ => {
                let whole = self.composed.iter().enumerate();
                let at = whole
                    .filter_map(|(level, it)| Some((level, path_of(&it.value, value.origin)?)))
                    .next();
                // Outputs are evaluated without the whole request.
                let written = || Some((0, layers::written_path(self.db, value.origin)?));
                if let Some((level, path)) = at.or_else(written) {
                    add_traced(found, (level, path, value.clone()));
                }
            }
        }
    }

    /// The heads of `if` and `match` in the composition that chose the expression at `origin`, the
    /// outermost first.
    pub fn choices(&self, origin: Origin) -> Vec<Origin> {
        let Some(tree) = item(self.db, origin.item) else { return Vec::new() };
        let ItemKind::Compose { block, .. } = &tree.kind else { return Vec::new() };
        let roots = BlockIndex::of(block).roots;
        let heads = roots.into_iter().map(|root| heads_of(root, origin.node));
        let heads = heads.into_iter().find(|heads| !heads.is_empty()).unwrap_or_default();
        heads.into_iter().map(|head| Origin { item: origin.item, node: head.id }).collect()
    }

    /// Checks a condition of a value; `name` is what messages call it.
    fn refine(&mut self, value: &Value, check: &Check, name: &dyn fmt::Display) -> Eval<()> {
        let subject = || format!("{name} is {}", shown(value));
        let text = match &value.data {
            Data::String(text) => text.as_str(),
            _ => "",
        };
        let problem: Option<String> = match check {
            Check::Condition(owner, node) => return self.condition(value, *owner, *node, name),
            Check::Range(low, high) => {
                let Data::Int(number) = value.data else { return Ok(()) };
                let fits =
                    low.is_none_or(|low| low <= number) && high.is_none_or(|high| number <= high);
                (!fits).then(|| match (low, high) {
                    (Some(low), Some(high)) => format!("it must be from {low} to {high}"),
                    (Some(low), None) => format!("it must be {low} or more"),
                    (None, Some(high)) => format!("it must be {high} or less"),
                    (None, None) => String::new(),
                })
            }
            Check::Image => {
                match notation::image(text) {
                    Ok(image) => {
                        if image.digest.is_none() {
                            self.report(
                            Diagnostic::warning(
                                code::UNPINNED_IMAGE,
                                value.origin,
                                format!("{name} is not pinned: its tag can name another image tomorrow"),
                            )
                            .help("add the digest of the image that was tested: `name:tag@sha256:…`"),
                        );
                        }
                        None
                    }
                    Err(why) => Some(why),
                }
            }
            Check::Cron => notation::cron(text).err(),
            Check::Base64 => (!is_base64(text)).then(|| "it must be base64".to_string()),
            Check::DateTime => (!is_date_time(text))
                .then(|| "it must be a time such as 2026-01-31T12:00:00Z".to_string()),
        };
        match problem {
            None => Ok(()),
            Some(problem) => {
                let message = format!("{}; {problem}", subject());
                Err(self.refuse(value, code::REFINEMENT_FAILED, message, None))
            }
        }
    }

    fn condition(
        &mut self,
        value: &Value,
        owner: ItemId,
        node: NodeId,
        name: &dyn fmt::Display,
    ) -> Eval<()> {
        let Some((condition, otherwise)) = self.shared.condition(owner, node) else {
            return Ok(());
        };
        let mut frame = Frame::new(owner, self.shared.declaration(owner).1);
        frame.it = Some(value.clone());
        match self.expr(&mut frame, condition)?.data {
            Data::Bool(true) => Ok(()),
            _ => {
                let why = otherwise.and_then(|why| self.text(&mut frame, why));
                let rule = match why {
                    Some(why) => why.to_string(),
                    None => match describe_condition(condition) {
                        Some(text) => format!("it must be {text}"),
                        None => "it breaks the condition of its type".to_string(),
                    },
                };
                let message = format!("{name} is {}; {rule}", shown(value));
                let place = Place::Node(owner, condition.id);
                Err(self.refuse(
                    value,
                    code::REFINEMENT_FAILED,
                    message,
                    Some((place, "the condition".into())),
                ))
            }
        }
    }

    // Expressions.

    /// The value of an expression.
    pub fn expr(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Eval<Value> {
        self.step(1)?;
        if frame.inference.poisoned.contains(&expr.id) {
            return Err(Failed);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.depth -= 1;
            return Err(self.too_deep(frame.origin(expr.id)));
        }
        let result = stacker::maybe_grow(64 << 10, 1 << 20, || self.expr_inner(frame, expr));
        self.depth -= 1;
        result
    }

    fn expr_inner(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Eval<Value> {
        let origin = frame.origin(expr.id);
        let data = match &expr.kind {
            ExprKind::Hole => return Err(Failed),
            ExprKind::Literal(literal) => self.literal(frame, expr, literal)?,
            ExprKind::Interpolated(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        StringPart::Text(piece) => text.push_str(piece),
                        StringPart::Value(inner) => {
                            let value = self.expr(frame, inner)?;
                            text.push_str(&scalar_text(&value).ok_or(Failed)?);
                        }
                    }
                    self.bounded(text.len(), origin)?;
                }
                self.charge_text(text.len())?;
                Data::String(text.into())
            }
            ExprKind::Name(name) => return self.name(frame, expr, name),
            ExprKind::Field { base, name, optional } => {
                return self.field(frame, expr, base, name, *optional);
            }
            ExprKind::Index { base, keys } => return self.index(frame, expr, base, keys),
            ExprKind::Call { callee, args } => return self.call(frame, expr, callee, args),
            ExprKind::Record(record) => return self.record(frame, record),
            ExprKind::Named { record, .. } => return self.named(frame, expr, record),
            ExprKind::List(elements) => return self.list(frame, expr, elements),
            ExprKind::ListFor { clause, condition, value } => {
                let rounds = self.rounds(frame, clause)?;
                let before = frame.locals.len();
                let mut found = Vec::new();
                let mut failed = false;
                for round in rounds {
                    bind(frame, clause, round);
                    let wanted = match condition {
                        Some(condition) => self.truth(frame, condition),
                        None => Ok(true),
                    };
                    match wanted {
                        Ok(true) => match self.expr(frame, value) {
                            Ok(value) if value.is_none() => {}
                            Ok(value) => found.push(value),
                            Err(Failed) => failed = true,
                        },
                        Ok(false) => {}
                        Err(Failed) => failed = true,
                    }
                    frame.locals.truncate(before);
                    if self.exhausted {
                        return Err(Failed);
                    }
                }
                if failed {
                    return Err(Failed);
                }
                Data::List(Arc::new(found))
            }
            ExprKind::If { head, then, otherwise } => {
                let before = frame.locals.len();
                let holds = self.head(frame, head)?;
                let value = self.expr(frame, if holds { then } else { otherwise });
                frame.locals.truncate(before);
                return value;
            }
            ExprKind::Match { subject, arms } => return self.matching(frame, expr, subject, arms),
            ExprKind::Unary { op, operand } => return self.unary(frame, expr, *op, operand),
            ExprKind::Binary { op, left, right } => {
                return self.binary(frame, expr, *op, left, right);
            }
        };
        Ok(Value::new(data, origin))
    }

    fn bounded(&mut self, bytes: usize, origin: Origin) -> Eval<()> {
        if bytes <= MAX_BYTES {
            return Ok(());
        }
        Err(self.fail(code::OVER_BUDGET, origin, "this text is larger than 16 MiB"))
    }

    fn literal(&self, frame: &Frame<'a>, expr: &Expr, literal: &Literal) -> Eval<Data> {
        let coercion = || frame.inference.coercions.get(&expr.id);
        Ok(match literal {
            Literal::None => Data::None,
            Literal::Null => Data::Null,
            Literal::Bool(value) => Data::Bool(*value),
            Literal::Int(value) => match coercion() {
                Some(Coercion::Float) => Data::Float(*value as f64),
                Some(Coercion::Quantity) => Data::Quantity(Quantity::from_int(*value)),
                _ => Data::Int(*value),
            },
            Literal::Float(bits) => {
                let value = f64::from_bits(*bits);
                match coercion() {
                    Some(Coercion::Quantity) => {
                        Data::Quantity(Quantity::from_float(value).map_err(|_| Failed)?)
                    }
                    _ => Data::Float(value),
                }
            }
            Literal::Unit(_) => frame.inference.units.get(&expr.id).cloned().ok_or(Failed)?,
            Literal::Date(text) | Literal::String(text) | Literal::Raw(text) => {
                Data::String(text.clone())
            }
        })
    }

    fn name(&mut self, frame: &mut Frame<'a>, expr: &'a Expr, name: &Name) -> Eval<Value> {
        match frame.inference.resolutions.get(&expr.id) {
            Some(Resolution::Local) => {
                let local = frame.locals.iter().rev().find(|(local, _)| local == name);
                match local {
                    Some((_, value)) => Ok(value.clone()),
                    None => self.lazy_local(frame, name, frame.origin(expr.id)),
                }
            }
            Some(Resolution::It) => frame.it.clone().ok_or(Failed),
            Some(Resolution::OwnField) => {
                let instance = frame.own.ok_or(Failed)?;
                self.own_field(instance, name, frame.origin(expr.id))
            }
            Some(Resolution::Item(found)) => self.declared(*found, frame.origin(expr.id)),
            Some(Resolution::Itself) => {
                let instance = frame.own.ok_or(Failed)?;
                self.itself(instance, frame.origin(expr.id))
            }
            Some(Resolution::Environment) => {
                // Read as a whole, it is a record of all its fields.
                let environment = self.environment.ok_or(Failed)?;
                let schema_id =
                    crate::infer::environment_schema(self.db, self.workspace).ok_or(Failed)?;
                let mut fields = Fields::default();
                for field in &schema(self.db, self.workspace, schema_id).fields {
                    let (value, _) =
                        environment_field(self.db, self.workspace, environment, field.name.clone());
                    fields.insert(field.name.clone(), value.clone().ok_or(Failed)?);
                }
                let tag = Tag::Schema(schema_id);
                Ok(Value::new(
                    Data::Record(Arc::new(RecordValue { tag, fields })),
                    frame.origin(expr.id),
                ))
            }
            Some(
                Resolution::Builtin(_)
                | Resolution::File
                | Resolution::UsedBy
                | Resolution::Uses
                | Resolution::Initial,
            )
            | None => Err(Failed),
        }
    }

    /// What is read of the environment.
    fn environment_value(&mut self, environment: ItemId, name: &Name) -> Eval<Value> {
        if let Some(value) = self.shared.environment.borrow().get(name) {
            return Ok(value.clone());
        }
        let (db, workspace) = (self.db, self.workspace);
        let value = if name == "name" {
            let name = environment.name(db).clone();
            Value::new(Data::String(name), name_origin(db, environment))
        } else if name == versions::FIELD {
            let (minor, said) = versions::runs(db, workspace, environment);
            let origin = said.unwrap_or_else(|| name_origin(db, environment));
            Value::new(Data::String(format!("1.{minor}").into()), origin)
        } else {
            let (value, _) = environment_field(db, workspace, environment, name.clone());
            value.clone().ok_or(Failed)?
        };
        self.shared.environment.borrow_mut().insert(name.clone(), value.clone());
        Ok(value)
    }

    fn itself(&mut self, instance: usize, reader: Origin) -> Eval<Value> {
        let shape = self.instances[instance].shape;
        let mut fields = Fields::with_capacity(shape.fields.len());
        for (position, field) in shape.fields.iter().enumerate() {
            let value = self.field_at(instance, position, reader)?;
            fields.insert(field.name.clone(), value);
        }
        let tag = Tag::Schema(self.instances[instance].schema);
        Ok(Value::new(Data::Record(Arc::new(RecordValue { tag, fields })), reader))
    }

    fn let_value(&mut self, found: ItemId) -> Eval<Value> {
        if let Some(value) = self.lets.get(&found) {
            return value.clone();
        }
        let inference = infer(self.db, self.workspace, found);
        let result = match item(self.db, found).as_ref().map(|tree| &tree.kind) {
            Some(ItemKind::Let(it)) if !inference.poisoned.contains(&NodeId(0)) => {
                let mut frame = Frame::new(found, inference);
                let value = self.expr(&mut frame, &it.value);
                match (&value, &inference.ty) {
                    (Ok(value), Some(ty)) => self.complete(value.clone(), ty, found.name(self.db)),
                    _ => value,
                }
            }
            _ => Err(Failed),
        };
        self.lets.insert(found, result.clone());
        result
    }

    fn field(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        base: &'a Expr,
        name: &Ident,
        optional: bool,
    ) -> Eval<Value> {
        let origin = frame.origin(expr.id);
        if let Some(Resolution::Item(found)) = frame.inference.resolutions.get(&expr.id) {
            return self.declared(*found, origin);
        }
        match frame.inference.resolutions.get(&base.id) {
            Some(Resolution::Environment) => {
                let Some(environment) = self.environment else {
                    return Err(self.report(
                        Diagnostic::error(code::MISPLACED, origin, "the environment is not known here")
                            .help("an environment's own values cannot read a `let` that reads the environment"),
                    ));
                };
                return self.environment_value(environment, &name.text);
            }
            Some(Resolution::Itself) => {
                let instance = frame.own.ok_or(Failed)?;
                let value = self.own_field(instance, &name.text, origin)?;
                return self.settled(&name.text, value, origin);
            }
            Some(Resolution::Item(request)) if request.kind(self.db) == Kind::Request => {
                return self.read(*request, &name.text, origin);
            }
            _ => {}
        }
        let neighbours = frame.inference.resolutions.get(&expr.id);
        if let (Some(Resolution::UsedBy | Resolution::Uses), Some(environment), Some(request)) =
            (neighbours, self.environment, self.request)
        {
            // A nested composite is there for the one around it.
            if let [.., around, _] = self.composed.as_slice() {
                let around = (neighbours == Some(&Resolution::UsedBy)).then(|| {
                    let fields = around.value.fields().into_iter().flatten();
                    let known = fields.filter(|(name, _)| *name == "name" || *name == "namespace");
                    let known = known.map(|(name, value)| (name.clone(), value.clone())).collect();
                    Value::record(known, origin)
                });
                return Ok(Value::list(around.into_iter().collect(), origin));
            }
            let found = if neighbours == Some(&Resolution::Uses) {
                crate::outputs::dependencies(self.db, self.workspace, environment, request)
            } else {
                crate::outputs::used_by(self.db, self.workspace, environment, request)
            };
            return self.neighbours(found, origin);
        }
        if let (Some(lazy), ExprKind::Name(word)) = (&frame.lazy, &base.kind)
            && word == lazy.binder
            && let Some(instance) = lazy.instance
            && !frame.locals.iter().any(|(local, _)| local == word)
        {
            let value = self.own_field(instance, &name.text, origin)?;
            return self.settled(&name.text, value, origin);
        }
        let value = self.expr(frame, base)?;
        match (&value.data, name.text.as_str()) {
            (Data::None, _) if optional => Ok(Value::new(Data::None, value.origin)),
            (Data::Quantity(quantity), "bytes") => match quantity.bytes() {
                Some(bytes) => Ok(Value::new(Data::Int(bytes), origin)),
                None => Err(self.fail_at(frame, expr, "the result does not fit into 64 bits")),
            },
            (Data::Duration(duration), "seconds") => {
                Ok(Value::new(Data::Int(duration.seconds()), origin))
            }
            (Data::Record(record), field) => Ok(match record.fields.get(field) {
                // Only the field itself is left to its owner, not what is made of its value.
                Some(found) if initial_owner(self.db, self.workspace, found).is_some() => {
                    Value::new(found.data.clone(), origin)
                }
                Some(found) if field == "namespace" => {
                    self.settled(field, found.clone(), origin)?
                }
                Some(found) => found.clone(),
                // A literal of a schema that is read before it is complete has no such field yet.
                None => Value::new(Data::None, origin),
            }),
            _ => Err(Failed),
        }
    }

    /// What a field holds that is read: the namespace of a request that is in none cannot be.
    fn settled(&mut self, name: &str, value: Value, reader: Origin) -> Eval<Value> {
        let request = value.origin.item;
        if name != "namespace"
            || !value.is_none()
            || request.kind(self.db) != Kind::Request
            || value.origin != name_origin(self.db, request)
        {
            return Ok(value);
        }
        let error = Diagnostic::error(
            code::MISSING_NAMESPACE,
            value.origin,
            format!("nothing says in which namespace `{}` is", request.name(self.db)),
        )
        .related(reader, "its namespace is read here")
        .help(SAY_NAMESPACE);
        Err(self.report(error))
    }

    fn index(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        base: &'a Expr,
        keys: &'a [Expr],
    ) -> Eval<Value> {
        let origin = frame.origin(expr.id);
        let container = self.expr(frame, base)?;
        let mut parts = Vec::new();
        for key in keys {
            parts.push(self.expr(frame, key)?);
        }
        match &container.data {
            Data::Record(record) => {
                let key = parts.first().and_then(scalar_text).ok_or(Failed)?;
                Ok(record.fields.get(&key).cloned().unwrap_or(Value::new(Data::None, origin)))
            }
            Data::List(elements) => {
                match (frame.inference.keys.get(&expr.id), parts.as_slice()) {
                    (Some(Keys::By(keys)), parts) => {
                        self.step(elements.len() as u64)?;
                        let wanted = layers::named_key(parts, keys).ok_or(Failed)?;
                        let found = elements
                            .iter()
                            .find(|it| layers::element_key(it, keys).as_ref() == Some(&wanted));
                        Ok(found.cloned().unwrap_or(Value::new(Data::None, origin)))
                    }
                    (_, [Value { data: Data::Int(position), .. }]) => {
                        let found = usize::try_from(*position).ok().and_then(|at| elements.get(at));
                        match found {
                        Some(found) => Ok(found.clone()),
                        None => Err(self.fail_at(
                            frame,
                            expr,
                            match elements.len() {
                                1 => format!("the list has 1 element, so there is none at {position}"),
                                count => format!(
                                    "the list has {count} elements, so there is none at {position}"
                                ),
                            },
                        )),
                    }
                    }
                    _ => Err(Failed),
                }
            }
            _ => Err(Failed),
        }
    }

    fn call(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        callee: &'a Expr,
        args: &'a [Arg],
    ) -> Eval<Value> {
        let origin = frame.origin(expr.id);
        let resolution = frame.inference.resolutions.get(&callee.id).cloned().ok_or(Failed)?;
        if resolution == Resolution::File {
            let [
                Arg {
                    value:
                        Expr {
                            kind: ExprKind::Literal(Literal::String(name) | Literal::Raw(name)), ..
                        },
                    ..
                },
            ] = args
            else {
                return Err(Failed);
            };
            return self.file(frame.item, name, origin);
        }
        if resolution == Resolution::Initial {
            let [value, _] = args else { return Err(Failed) };
            let mut value = self.expr(frame, &value.value)?;
            // The call is what shows that the field is left to its owner.
            if !value.is_none() {
                value.origin = origin;
            }
            return Ok(value);
        }
        let mut values = Vec::new();
        let mut failed = false;
        for arg in args {
            match self.expr(frame, &arg.value) {
                Ok(value) => values.push(value),
                Err(Failed) => failed = true,
            }
        }
        if failed {
            return Err(Failed);
        }
        match resolution {
            Resolution::Builtin(builtin) => {
                let shallow = matches!(builtin, Builtin::Len | Builtin::Keys | Builtin::Values);
                for value in &values {
                    self.charge(value, !shallow)?;
                }
                let limit = self.limit();
                let mut value = builtins::call(builtin, &values, origin, limit)
                    .map_err(|why| self.fail_at(frame, expr, why))?;
                self.charge(&value, false)?;
                // The sum of no quantities is a quantity, which only the type knows.
                if let (Data::Int(0), Some(coercion)) =
                    (&value.data, frame.inference.coercions.get(&expr.id))
                {
                    value.data = match coercion {
                        Coercion::Float => Data::Float(0.0),
                        Coercion::Quantity => Data::Quantity(Quantity::from_int(0)),
                        Coercion::Duration => Data::Duration(Duration { millis: 0 }),
                    };
                }
                Ok(value)
            }
            Resolution::Item(function) => {
                let tree = item(self.db, function).as_ref().ok_or(Failed)?;
                let ItemKind::Fn { params, body, .. } = &tree.kind else { return Err(Failed) };
                let inference = infer(self.db, self.workspace, function);
                if inference.poisoned.contains(&NodeId(0)) {
                    return Err(Failed);
                }
                let (types, result) = crate::infer::signature(self.db, self.workspace, function)
                    .as_ref()
                    .ok_or(Failed)?;
                let mut inner = Frame::new(function, inference);
                let mut position = 0;
                for (arg, value) in args.iter().zip(values) {
                    let index = match &arg.name {
                        Some(name) => params.iter().position(|param| param.name.text == name.text),
                        None => {
                            position += 1;
                            Some(position - 1)
                        }
                    };
                    let index = index.filter(|index| *index < params.len()).ok_or(Failed)?;
                    let value = self.complete(value, &types[index].1, &types[index].0)?;
                    inner.locals.push((params[index].name.text.clone(), value));
                }
                let args = inner.locals.clone();
                let value = self.expr(&mut inner, body)?;
                // Also what is wrong with the result is traced to the arguments.
                let at = self.calls.len();
                self.calls.push(Call { function, args, result: value.clone() });
                let mut value = self.complete(value, result, function.name(self.db))?;
                match value.data {
                    Data::Record(_) | Data::List(_) => self.calls[at].result = value.clone(),
                    // It has the origin of the call, which the caller's own expression is traced from.
                    _ => self.calls.truncate(at),
                }
                // What a function computes is the caller's: the call is what a user can change.
                if value.origin.item == function
                    && !matches!(value.data, Data::Record(_) | Data::List(_))
                {
                    value.origin = origin;
                }
                Ok(value)
            }
            _ => Err(Failed),
        }
    }

    fn file(&mut self, reader: ItemId, name: &str, origin: Origin) -> Eval<Value> {
        let path = reader.file(self.db).path(self.db);
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let outside =
            name.starts_with('/') || name.split('/').any(|part| part == ".." || part.is_empty());
        if outside {
            return Err(self.report(
                Diagnostic::error(
                    code::MISSING_FILE,
                    origin,
                    format!("{name:?} is no file of this package"),
                )
                .help(
                    "`file` reads files beside the source or below it, so that a package is whole",
                ),
            ));
        }
        let full: Name =
            if directory.is_empty() { name.into() } else { format!("{directory}/{name}").into() };
        match file_at(self.db, self.workspace, full.clone()).map(|file| file.content(self.db)) {
            Some(FileContent::Text(text)) => {
                self.charge_text(text.len())?;
                Ok(Value::new(Data::String(Name::from(text.as_ref())), origin))
            }
            Some(FileContent::Unreadable(why)) => {
                Err(self.fail(code::MISSING_FILE, origin, format!("{full} {why}")))
            }
            None => Err(self.report(
                Diagnostic::error(code::MISSING_FILE, origin, format!("there is no file {full}"))
                    .help(format!("`file` looks beside {path}")),
            )),
        }
    }

    /// Of a request that is taken into a value of a schema, what the schema has.
    fn without_built_in(&self, value: &mut Value, id: ItemId) {
        let Data::Record(record) = &mut value.data else { return };
        let shape = schema(self.db, self.workspace, id);
        let is_foreign =
            |name: &str| BUILT_IN_FIELDS.contains(&name) && shape.field(name).is_none();
        if record.fields.keys().any(|name| is_foreign(name)) {
            Arc::make_mut(record).fields.retain(|name, _| !is_foreign(name));
        }
    }

    fn record(&mut self, frame: &mut Frame<'a>, record: &'a Record) -> Eval<Value> {
        let ty = frame.inference.records.get(&record.id).unwrap_or(UNKNOWN);
        let origin = frame.origin(record.id);
        let mut whole = Value::record(Fields::with_capacity(record.entries.len()), origin);
        let mut failed = false;
        for entry in &record.entries {
            if let EntryKind::Spread(value) = &entry.kind {
                match self.expr(frame, value) {
                    Ok(value) if value.is_none() => {}
                    Ok(value) => {
                        self.step(value.fields().map_or(0, |it| it.len() as u64))?;
                        let mut value = value;
                        if let Ty::Schema(id) = ty {
                            self.without_built_in(&mut value, *id);
                        }
                        untag(&mut value);
                        whole = self.join(whole, value, ty);
                    }
                    Err(Failed) => failed = true,
                }
            }
        }
        for entry in &record.entries {
            match &entry.kind {
                EntryKind::Spread(_) => {}
                EntryKind::Set { path, value, append, modifier, .. } => {
                    if frame.inference.poisoned.contains(&entry.id)
                        || frame.inference.poisoned.contains(&path.id)
                    {
                        failed = true;
                        continue;
                    }
                    // Most entries are a name that nothing has set before.
                    if let [PathSegment { kind: SegmentKind::Key(name), .. }] =
                        path.segments.as_slice()
                        && let Data::Record(record) = &mut whole.data
                        && !record.fields.contains_key(name)
                    {
                        match self.expr(frame, value) {
                            Ok(value) => {
                                Arc::make_mut(record).fields.insert(name.clone(), value);
                            }
                            Err(Failed) => failed = true,
                        }
                        continue;
                    }
                    let steps: Eval<Vec<Step>> =
                        path.segments.iter().map(|segment| self.segment(frame, segment)).collect();
                    match (steps, self.expr(frame, value)) {
                        (Ok(steps), Ok(value)) => {
                            let entered = Entered {
                                value,
                                append: *append,
                                replace: *modifier == Some(Modifier::Replace),
                                origin: frame.origin(entry.id),
                            };
                            failed |= self.put(&mut whole, ty, &steps, entered).is_err();
                        }
                        _ => failed = true,
                    }
                }
                EntryKind::For { clause, condition, path, value } => {
                    let rounds = self.rounds(frame, clause)?;
                    let before = frame.locals.len();
                    let mut fields = Fields::default();
                    for round in rounds {
                        bind(frame, clause, round);
                        let wanted = match condition {
                            Some(condition) => self.truth(frame, condition),
                            None => Ok(true),
                        };
                        match wanted {
                            Ok(true) => {
                                let step = path
                                    .segments
                                    .first()
                                    .ok_or(Failed)
                                    .and_then(|it| self.segment(frame, it));
                                let name = step.and_then(|step| step.name().ok_or(Failed));
                                match (name, self.expr(frame, value)) {
                                    (Ok(name), Ok(value)) => {
                                        if !value.is_none() {
                                            fields.insert(name, value);
                                        }
                                    }
                                    _ => failed = true,
                                }
                            }
                            Ok(false) => {}
                            Err(Failed) => failed = true,
                        }
                        frame.locals.truncate(before);
                        if self.exhausted {
                            return Err(Failed);
                        }
                    }
                    whole = self.join(whole, Value::record(fields, origin), ty);
                }
            }
        }
        if failed { Err(Failed) } else { Ok(whole) }
    }

    /// Sets a value at a path inside another, for literals; `none` where nothing is there yet. Where
    /// that fails, nothing is changed.
    fn put(&mut self, at: &mut Value, ty: &Ty, steps: &[Step], entered: Entered) -> Eval<()> {
        let origin = entered.origin;
        let Some((step, rest)) = steps.split_first() else {
            let (before, value) = (take(at), entered.value);
            *at = match (before.data, value.data) {
                (Data::List(before), Data::List(added)) if entered.append => {
                    let mut elements = Arc::unwrap_or_clone(before);
                    elements.extend(Arc::unwrap_or_clone(added));
                    Value::list(elements, value.origin)
                }
                (before_data, data) if !entered.append && !entered.replace => self.join(
                    Value::new(before_data, before.origin),
                    Value::new(data, value.origin),
                    ty,
                ),
                (_, data) => Value::new(data, value.origin),
            };
            return Ok(());
        };
        if at.is_none() && entered.value.is_none() {
            return Ok(());
        }
        if let (true, Step::Field(name)) = (at.is_none(), step)
            && arms::is_choice(ty)
        {
            return Err(self.no_arm(ty, name, origin));
        }
        let base = arms::arm_of(self.db, self.workspace, ty, at);
        if let (Step::Element(parts, node), Ty::List(item, Keys::By(keys))) = (step, base) {
            let key = &layers::named_key(parts, keys).ok_or(Failed)?;
            let known = match &at.data {
                Data::List(elements) => elements
                    .iter()
                    .position(|it| layers::element_key(it, keys).as_ref() == Some(key)),
                _ => None,
            };
            if known.is_none() && (!rest.is_empty() || entered.value.is_none()) {
                return Err(self.fail(
                    code::KEYED_ELEMENT,
                    Origin { item: origin.item, node: *node },
                    format!("the list has no element `{key}`"),
                ));
            }
            if !matches!(at.data, Data::List(_)) {
                at.data = Data::List(Arc::default());
            }
            let Data::List(elements) = &mut at.data else { return Err(Failed) };
            let elements = Arc::make_mut(elements);
            match known {
                Some(known) if rest.is_empty() && entered.value.is_none() => {
                    elements.remove(known);
                }
                Some(known) => self.put(&mut elements[known], item, rest, entered)?,
                None => elements.push(with_key(entered.value, keys, parts)),
            }
            at.origin = origin;
            return Ok(());
        }
        let name = step.name().ok_or(Failed)?;
        let Data::Record(record) = &mut at.data else {
            let mut inner = Value::new(Data::None, origin);
            let ty = field_of(self.db, self.workspace, base, &name);
            self.put(&mut inner, ty.as_deref().unwrap_or(UNKNOWN), rest, entered)?;
            *at = Value::record(Fields::from_iter([(name, inner)]), origin);
            return Ok(());
        };
        let fields = &mut Arc::make_mut(record).fields;
        if rest.is_empty() && entered.value.is_none() {
            fields.insert(name, entered.value);
            return Ok(());
        }
        let ty = field_of(self.db, self.workspace, base, &name);
        let ty = ty.as_deref().unwrap_or(UNKNOWN);
        match fields.get_mut(&name) {
            Some(inner) => self.put(inner, ty, rest, entered)?,
            None => {
                let mut inner = Value::new(Data::None, origin);
                self.put(&mut inner, ty, rest, entered)?;
                if !inner.is_none() {
                    fields.insert(name, inner);
                }
            }
        }
        Ok(())
    }

    /// Merges two values of a type as layers do: the later one wins.
    fn join(&mut self, before: Value, after: Value, ty: &Ty) -> Value {
        let mut base = record_arm(ty.base());
        if arms::is_choice(ty) {
            let one = arms::of_value(self.db, self.workspace, ty, &before);
            let other = arms::of_value(self.db, self.workspace, ty, &after);
            // Another record replaces.
            match (one, other) {
                (Some(one), Some(other)) if one == other => base = one,
                _ => return after,
            }
        }
        match (before.data, after.data) {
            (Data::Record(mut a), Data::Record(mut b)) => {
                let tag = if a.tag == Tag::Plain { b.tag } else { a.tag };
                if a.fields.is_empty() {
                    if b.tag != tag {
                        Arc::make_mut(&mut b).tag = tag;
                    }
                    return Value::new(Data::Record(b), after.origin);
                }
                let whole = Arc::make_mut(&mut a);
                whole.tag = tag;
                for (name, value) in Arc::unwrap_or_clone(b).fields {
                    match whole.fields.get_mut(&name) {
                        Some(slot) => {
                            let ty = field_of(self.db, self.workspace, base, &name);
                            let before = take(slot);
                            *slot = self.join(before, value, ty.as_deref().unwrap_or(UNKNOWN));
                        }
                        None => {
                            whole.fields.insert(name, value);
                        }
                    }
                }
                Value::new(Data::Record(a), after.origin)
            }
            (Data::List(mut a), Data::List(b)) => {
                let Ty::List(item, Keys::By(keys)) = base else {
                    return Value::new(Data::List(b), after.origin);
                };
                let elements = Arc::make_mut(&mut a);
                for element in Arc::unwrap_or_clone(b) {
                    let key = layers::element_key(&element, keys);
                    let known = key.as_ref().and_then(|key| {
                        elements
                            .iter_mut()
                            .find(|it| layers::element_key(it, keys).as_ref() == Some(key))
                    });
                    match known {
                        Some(known) => {
                            let before = take(known);
                            *known = self.join(before, element, item);
                        }
                        None => elements.push(element),
                    }
                }
                Value::new(Data::List(a), after.origin)
            }
            (_, data) => Value::new(data, after.origin),
        }
    }

    fn named(&mut self, frame: &mut Frame<'a>, expr: &'a Expr, record: &'a Record) -> Eval<Value> {
        let ty = frame.inference.records.get(&record.id).unwrap_or(UNKNOWN);
        let mut value = self.record(frame, record)?;
        value.origin = frame.origin(expr.id);
        match ty {
            Ty::Kind(kind) => {
                let Data::Record(inner) = &mut value.data else { return Err(Failed) };
                Arc::make_mut(inner).tag = Tag::Kind(*kind);
                Ok(value)
            }
            Ty::Schema(_) => self.complete(value, ty, ""),
            // A request's is what an `emit` makes a composite of, which completes it.
            _ => Ok(value),
        }
    }

    fn list(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        elements: &'a [Element],
    ) -> Eval<Value> {
        let mut found = Vec::with_capacity(elements.len());
        let mut failed = false;
        for element in elements {
            match self.expr(frame, &element.value) {
                Ok(value) if element.spread => {
                    if let Data::List(inner) = &value.data {
                        self.step(inner.len() as u64)?;
                        found.extend(inner.iter().cloned());
                    }
                }
                // An element that is not there takes no place.
                Ok(value) if value.is_none() => {}
                Ok(value) => found.push(value),
                Err(Failed) => failed = true,
            }
        }
        if failed { Err(Failed) } else { Ok(Value::list(found, frame.origin(expr.id))) }
    }

    /// Whether a head holds; what it binds is then in scope.
    pub fn head(&mut self, frame: &mut Frame<'a>, head: &'a Head) -> Eval<bool> {
        match &head.bind {
            Some(name) => {
                let value = self.expr(frame, &head.expr)?;
                let there = !value.is_none();
                if there {
                    frame.locals.push((name.text.clone(), value));
                }
                Ok(there)
            }
            None => self.truth(frame, &head.expr),
        }
    }

    fn truth(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Eval<bool> {
        match self.expr(frame, expr)?.data {
            Data::Bool(value) => Ok(value),
            _ => Err(Failed),
        }
    }

    /// What a loop walks: pairs of a key or position and a value.
    pub fn rounds(
        &mut self,
        frame: &mut Frame<'a>,
        clause: &'a ForClause,
    ) -> Eval<Vec<(Value, Value)>> {
        let value = self.expr(frame, &clause.iter)?;
        self.rounds_of(&value)
    }

    /// What a loop over a value walks.
    pub(crate) fn rounds_of(&mut self, value: &Value) -> Eval<Vec<(Value, Value)>> {
        let origin = value.origin;
        let rounds: Vec<(Value, Value)> = match &value.data {
            Data::List(elements) => elements
                .iter()
                .enumerate()
                .filter(|(_, element)| !element.is_none())
                .map(|(index, element)| {
                    (Value::new(Data::Int(index as i64), origin), element.clone())
                })
                .collect(),
            Data::Record(record) => record
                .fields
                .iter()
                .filter(|(_, value)| !value.is_none())
                .map(|(name, value)| {
                    // Who set the entry said its key.
                    (Value::new(Data::String(name.clone()), value.origin), value.clone())
                })
                .collect(),
            _ => return Err(Failed),
        };
        self.step(rounds.len() as u64)?;
        Ok(rounds)
    }

    fn matching(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        subject: &'a Expr,
        arms: &'a [Arm],
    ) -> Eval<Value> {
        let value = self.expr(frame, subject)?;
        for arm in arms {
            let before = frame.locals.len();
            let takes = match &arm.pattern {
                Pattern::Hole => false,
                Pattern::Any => true,
                Pattern::None => value.is_none(),
                Pattern::Literals(literals) => {
                    literals.iter().any(|(_, literal)| literal_is(literal, &value.data))
                }
                Pattern::Typed { name, .. } => {
                    let ty = frame.inference.patterns.get(&arm.id).cloned().unwrap_or(Ty::Unknown);
                    let of = frame.inference.patterns.get(&expr.id).unwrap_or(&Ty::Unknown);
                    let taken = self.taken(&ty, of, &value);
                    let takes = taken.is_some();
                    frame.locals.extend(taken.map(|value| (name.text.clone(), value)));
                    takes
                }
            };
            if takes {
                let result = self.expr(frame, &arm.value);
                frame.locals.truncate(before);
                return result;
            }
        }
        let origin = frame.origin(expr.id);
        Err(self.fail(
            code::INCOMPLETE_MATCH,
            origin,
            format!("this `match` has no arm for {}", shown(&value)),
        ))
    }

    fn unary(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        op: UnaryOp,
        operand: &'a Expr,
    ) -> Eval<Value> {
        let origin = frame.origin(expr.id);
        let value = self.expr(frame, operand)?;
        let data = match (op, &value.data) {
            (UnaryOp::Not, Data::Bool(value)) => Some(Data::Bool(!value)),
            (UnaryOp::Negate, Data::Int(value)) => value.checked_neg().map(Data::Int),
            (UnaryOp::Negate, Data::Float(value)) => Some(Data::Float(-value)),
            (UnaryOp::Negate, Data::Quantity(value)) => value.checked_neg().map(Data::Quantity),
            (UnaryOp::Negate, Data::Duration(value)) => value.checked_neg().map(Data::Duration),
            _ => return Err(Failed),
        };
        match data {
            Some(data) => Ok(Value::new(data, origin)),
            None => Err(self.fail_at(frame, expr, "the result does not fit")),
        }
    }

    fn binary(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        op: BinaryOp,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Eval<Value> {
        let origin = frame.origin(expr.id);
        let truth = |value| Ok(Value::new(Data::Bool(value), origin));
        match op {
            BinaryOp::And => {
                return Ok(if self.truth(frame, left)? {
                    self.expr(frame, right)?
                } else {
                    Value::new(Data::Bool(false), origin)
                });
            }
            BinaryOp::Or => {
                return Ok(if self.truth(frame, left)? {
                    Value::new(Data::Bool(true), origin)
                } else {
                    self.expr(frame, right)?
                });
            }
            BinaryOp::Otherwise => {
                let value = self.expr(frame, left)?;
                return if value.is_none() { self.expr(frame, right) } else { Ok(value) };
            }
            BinaryOp::Matches => {
                let value = self.expr(frame, left)?;
                let (Data::String(text), ExprKind::Literal(Literal::Raw(pattern))) =
                    (&value.data, &right.kind)
                else {
                    return Err(Failed);
                };
                self.charge_text(text.len())?;
                let regex = self.shared.pattern(pattern).ok_or(Failed)?;
                return truth(regex.is_match(text));
            }
            BinaryOp::In => {
                let value = self.expr(frame, left)?;
                if let ExprKind::Binary { op: BinaryOp::Range, left: low, right: high } =
                    &right.kind
                {
                    let low = self.expr(frame, low)?;
                    let high = self.expr(frame, high)?;
                    let above = compare(&value.data, &low.data).ok_or(Failed)?;
                    let below = compare(&value.data, &high.data).ok_or(Failed)?;
                    return truth(above != Ordering::Less && below != Ordering::Greater);
                }
                let container = self.expr(frame, right)?;
                return match (&container.data, &value.data) {
                    (Data::List(elements), _) => {
                        for element in elements.iter() {
                            if self.equal(element, &value)? {
                                return truth(true);
                            }
                        }
                        truth(false)
                    }
                    (Data::Record(record), Data::String(key)) => {
                        truth(record.fields.get(key).is_some_and(|it| !it.is_none()))
                    }
                    (Data::String(text), Data::String(part)) => {
                        self.charge_text(text.len())?;
                        truth(text.contains(part.as_str()))
                    }
                    _ => Err(Failed),
                };
            }
            _ => {}
        }
        let a = self.expr(frame, left)?;
        let b = self.expr(frame, right)?;
        match op {
            BinaryOp::Equal => return truth(self.equal(&a, &b)?),
            BinaryOp::NotEqual => return truth(!self.equal(&a, &b)?),
            BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => {
                if let (Data::String(a), Data::String(b)) = (&a.data, &b.data) {
                    self.charge_text(a.len().min(b.len()))?;
                }
                let order = compare(&a.data, &b.data).ok_or(Failed)?;
                return truth(match op {
                    BinaryOp::Less => order.is_lt(),
                    BinaryOp::LessOrEqual => order.is_le(),
                    BinaryOp::Greater => order.is_gt(),
                    _ => order.is_ge(),
                });
            }
            BinaryOp::Range => {
                let (Data::Int(low), Data::Int(high)) = (&a.data, &b.data) else {
                    return Err(Failed);
                };
                let count = high.saturating_sub(*low).saturating_add(1).max(0) as u64;
                self.step(count)?;
                let elements = (*low..=*high).map(|it| Value::new(Data::Int(it), origin)).collect();
                return Ok(Value::list(elements, origin));
            }
            _ => {}
        }
        match self.arithmetic(op, &a.data, &b.data) {
            Ok(data) => {
                if let Data::String(text) = &data {
                    self.bounded(text.len(), origin)?;
                    self.charge_text(text.len())?;
                }
                Ok(Value::new(data, origin))
            }
            Err(Some(why)) => Err(self.fail_at(frame, expr, why)),
            Err(None) => Err(Failed),
        }
    }

    fn arithmetic(&mut self, op: BinaryOp, a: &Data, b: &Data) -> Result<Data, Option<String>> {
        use BinaryOp::{Add, Divide, Multiply, Remainder, Subtract};
        let overflow = || Some("the result does not fit into 64 bits".to_string());
        let zero = || Some("this divides by zero".to_string());
        match (op, a, b) {
            (Divide | Remainder, Data::Int(_), Data::Int(0)) => Err(zero()),
            (_, Data::Int(a), Data::Int(b)) => match op {
                Add => a.checked_add(*b),
                Subtract => a.checked_sub(*b),
                Multiply => a.checked_mul(*b),
                Divide => a.checked_div(*b),
                Remainder => a.checked_rem(*b),
                _ => return Err(None),
            }
            .map(Data::Int)
            .ok_or_else(overflow),
            (Divide, Data::Float(_), Data::Float(0.0)) => Err(zero()),
            (_, Data::Float(a), Data::Float(b)) => {
                let result = match op {
                    Add => a + b,
                    Subtract => a - b,
                    Multiply => a * b,
                    Divide => a / b,
                    _ => return Err(None),
                };
                if result.is_finite() {
                    Ok(Data::Float(result))
                } else {
                    Err(Some("the result is no number".into()))
                }
            }
            (Add, Data::Quantity(a), Data::Quantity(b)) => {
                a.checked_add(*b).map(Data::Quantity).ok_or_else(overflow)
            }
            (Subtract, Data::Quantity(a), Data::Quantity(b)) => {
                a.checked_sub(*b).map(Data::Quantity).ok_or_else(overflow)
            }
            (Multiply, Data::Quantity(a), Data::Int(b))
            | (Multiply, Data::Int(b), Data::Quantity(a)) => {
                a.checked_mul(*b).map(Data::Quantity).ok_or_else(overflow)
            }
            (Add, Data::Duration(a), Data::Duration(b)) => {
                a.checked_add(*b).map(Data::Duration).ok_or_else(overflow)
            }
            (Subtract, Data::Duration(a), Data::Duration(b)) => {
                a.checked_sub(*b).map(Data::Duration).ok_or_else(overflow)
            }
            (Multiply, Data::Duration(a), Data::Int(b))
            | (Multiply, Data::Int(b), Data::Duration(a)) => {
                a.checked_mul(*b).map(Data::Duration).ok_or_else(overflow)
            }
            (Add, Data::String(a), Data::String(b)) => {
                // Each is bounded, so what is made before it is refused is no more than twice that.
                Ok(Data::String(format!("{a}{b}").into()))
            }
            (Add, Data::List(a), Data::List(b)) => {
                if self.step((a.len() + b.len()) as u64).is_err() {
                    return Err(None);
                }
                Ok(Data::List(Arc::new(a.iter().chain(b.iter()).cloned().collect())))
            }
            _ => Err(None),
        }
    }
}

/// A layer's entry, ready to be applied.
struct Assignment<'a> {
    node: NodeId,
    path: &'a FieldPath,
    value: &'a Expr,
    operation: Operation,
    sealed: bool,
    otherwise: Option<&'a Expr>,
}

fn plain_setting(layer: Layer, origin: Origin) -> Setting {
    Setting { layer, value: None, origin, spread: false, appended: false }
}

fn first_key(path: &FieldPath) -> Option<&Name> {
    match &path.segments.first()?.kind {
        SegmentKind::Key(name) => Some(name),
        SegmentKind::Index(_) => None,
    }
}

/// The default that a field is declared with.
fn default_of<'a>(tree: Option<&'a Item>, field: &crate::types::Field) -> Option<&'a Expr> {
    let ItemKind::Schema { members, .. } = &tree?.kind else { return None };
    match &members.get(field.member)?.kind {
        MemberKind::Field { default, .. } => default.as_ref(),
        _ => None,
    }
}

/// Whether an expression is a literal that is something: it has a value whatever is around it.
fn is_scalar(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Literal(literal) if !matches!(literal, Literal::None | Literal::Null))
}

/// Binds what one round of a loop gives.
pub fn bind(frame: &mut Frame<'_>, clause: &ForClause, (key, value): (Value, Value)) {
    match &clause.second {
        Some(second) => {
            frame.locals.push((clause.first.text.clone(), key));
            frame.locals.push((second.text.clone(), value));
        }
        None => frame.locals.push((clause.first.text.clone(), value)),
    }
}

/// Where in a record the value made at `origin` is, as an address says it: `env.A`,
/// `sidecars["proxy"].image`, `quota."requests.cpu"`.
pub fn path_of(value: &Value, origin: Origin) -> Option<String> {
    let way = way_to(value, origin)?;
    Some(written_way(value, way.iter()))
}

/// The steps to the value made at `origin`, positions in lists as numbers.
fn way_to(value: &Value, origin: Origin) -> Option<Vec<Name>> {
    let into = |step: Name, inner: &Value| {
        if inner.origin == origin {
            return Some(vec![step]);
        }
        let mut way = stacker::maybe_grow(64 << 10, 1 << 20, || way_to(inner, origin))?;
        way.insert(0, step);
        Some(way)
    };
    match &value.data {
        Data::Record(record) => {
            record.fields.iter().find_map(|(name, field)| into(name.clone(), field))
        }
        Data::List(elements) => {
            elements.iter().enumerate().find_map(|(at, it)| into(at.to_string().into(), it))
        }
        _ => None,
    }
}

/// The steps into a value as an address says them.
pub fn written_way<'n>(value: &Value, steps: impl Iterator<Item = &'n Name>) -> String {
    let mut path = String::new();
    let mut at = Some(value);
    for step in steps {
        path = match at.map(|it| &it.data) {
            Some(Data::List(elements)) => {
                let position = step.parse::<usize>().ok().filter(|at| *at < elements.len());
                match position.map(|at| element_name(&elements[at])) {
                    Some(None) => format!("{path}[{step}]"),
                    Some(Some(name)) => format!("{path}[{name:?}]"),
                    None => format!("{path}[{step:?}]"),
                }
            }
            _ => join(&path, step),
        };
        at = at.and_then(|it| inside(it, step));
    }
    path
}

/// What an address goes on to from a value: a field, or an element by its name or position.
pub fn inside<'v>(value: &'v Value, step: &Name) -> Option<&'v Value> {
    match &value.data {
        Data::Record(record) => record.fields.get(step),
        Data::List(elements) => elements
            .iter()
            .find(|it| element_name(it) == Some(step))
            .or_else(|| step.parse::<usize>().ok().and_then(|at| elements.get(at))),
        _ => None,
    }
}

/// What an element of a list is called by in addresses.
pub fn element_name(element: &Value) -> Option<&Name> {
    match &element.fields()?.get("name")?.data {
        Data::String(name) => Some(name),
        _ => None,
    }
}

/// Whether a path is another one, or leads on from it.
pub fn within(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A path and a field of what it leads to; quoted where it is no identifier.
pub fn join(path: &str, name: &str) -> String {
    Path::whole(path).then(PathStep::Field(name)).to_string()
}

/// What a value is called in messages. Most are never told, so only then is it put together.
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: PathStep<'p>,
}

enum PathStep<'p> {
    /// What the value is in; empty for one that is all there is.
    Whole(&'p str),
    Field(&'p str),
    Element(usize, &'p Value, &'p Keys),
}

impl<'p> Path<'p> {
    fn whole(name: &'p str) -> Self {
        Path { above: None, step: PathStep::Whole(name) }
    }

    fn then(&'p self, step: PathStep<'p>) -> Self {
        Path { above: Some(self), step }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            steps.push(&path.step);
            at = path.above;
        }
        let mut shown = String::new();
        for step in steps.into_iter().rev() {
            match step {
                PathStep::Whole(name) => shown.push_str(name),
                PathStep::Field(name) => {
                    if !shown.is_empty() {
                        shown.push('.');
                    }
                    match name.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-') {
                        true => shown.push_str(name),
                        false => write!(shown, "{name:?}")?,
                    }
                }
                PathStep::Element(index, element, keys) => {
                    let key = match keys {
                        Keys::By(keys) => layers::element_key(element, keys),
                        Keys::Plain => None,
                    };
                    match key {
                        Some(key) => write!(shown, "[{key:?}]")?,
                        None => write!(shown, "[{index}]")?,
                    }
                }
            }
        }
        formatter.write_str(&shown)
    }
}

/// Takes a value out of its place.
fn take(value: &mut Value) -> Value {
    std::mem::replace(value, Value::new(Data::None, value.origin))
}

/// What is spread is taken apart: the record is no longer an instance of anything.
fn untag(value: &mut Value) {
    if let Data::Record(record) = &mut value.data
        && record.tag != Tag::Plain
    {
        Arc::make_mut(record).tag = Tag::Plain;
    }
}

/// An element of a keyed list with the key that its path named.
fn with_key(value: Value, keys: &layers::KeyFields, parts: &[Value]) -> Value {
    let Data::Record(record) = &value.data else { return value };
    let mut fields = Fields::default();
    for ((key, _), part) in keys.iter().zip(parts) {
        if record.fields.get(key).is_none_or(Value::is_none) {
            fields.insert(key.clone(), part.clone());
        }
    }
    fields.extend(record.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    Value::new(Data::Record(Arc::new(RecordValue { tag: record.tag, fields })), value.origin)
}

fn literal_is(literal: &Literal, data: &Data) -> bool {
    match (literal, data) {
        (Literal::None, Data::None) | (Literal::Null, Data::Null) => true,
        (Literal::Bool(a), Data::Bool(b)) => a == b,
        (Literal::Int(a), Data::Int(b)) => a == b,
        (Literal::Float(a), Data::Float(b)) => f64::from_bits(*a) == *b,
        (Literal::String(a) | Literal::Raw(a) | Literal::Date(a), Data::String(b)) => a == b,
        _ => false,
    }
}

fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|it| **it == b'=').count();
    bytes.len().is_multiple_of(4)
        && padding <= 2
        && bytes[..bytes.len() - padding]
            .iter()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/'))
}

fn is_date_time(text: &str) -> bool {
    static SHAPE: std::sync::LazyLock<Option<regex::Regex>> = std::sync::LazyLock::new(|| {
        pattern(r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$").ok()
    });
    SHAPE.as_ref().is_some_and(|shape| shape.is_match(text))
}

/// The condition written at a node of a declaration.
fn find_condition(tree: &Item, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
    fn in_type(ty: &Type, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
        match &ty.kind {
            TypeKind::Where { base, condition, otherwise } => {
                if ty.id == node {
                    return Some((condition, otherwise.as_deref()));
                }
                in_type(base, node)
            }
            TypeKind::List { item, .. } => in_type(item, node),
            TypeKind::Map { value, .. } => in_type(value, node),
            TypeKind::Record { fields, .. } => {
                fields.iter().find_map(|field| in_type(&field.ty, node))
            }
            TypeKind::Union(arms) => arms.iter().find_map(|arm| in_type(arm, node)),
            TypeKind::Optional(inner) => in_type(inner, node),
            TypeKind::Hole | TypeKind::Literal(_) | TypeKind::Path(_) => None,
        }
    }
    fn in_block(block: &Block, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
        block.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Let(it) => it.ty.as_ref().and_then(|ty| in_type(ty, node)),
            StatementKind::Output { ty, .. } => in_type(ty, node),
            StatementKind::If(it) => in_block(&it.then, node)
                .or_else(|| it.otherwise.as_ref().and_then(|it| in_block(it, node))),
            StatementKind::For { body, .. } => in_block(body, node),
            _ => None,
        })
    }
    match &tree.kind {
        ItemKind::Schema { members, .. } => members.iter().find_map(|member| match &member.kind {
            MemberKind::Field { ty, .. } => in_type(ty, node),
            _ => None,
        }),
        ItemKind::Type { ty, .. } => in_type(ty, node),
        ItemKind::Let(it) => it.ty.as_ref().and_then(|ty| in_type(ty, node)),
        ItemKind::Fn { params, result, .. } => params
            .iter()
            .find_map(|param| in_type(&param.ty, node))
            .or_else(|| in_type(result, node)),
        ItemKind::Compose { block, .. } => in_block(block, node),
        _ => None,
    }
}

/// A condition in words: what tools understand of it; `None` where it is more than that.
pub fn describe_condition(expr: &Expr) -> Option<String> {
    let atom = |expr: &Expr| -> Option<String> {
        match &expr.kind {
            ExprKind::Name(name) => Some(name.to_string()),
            ExprKind::Literal(literal) => Some(match literal {
                Literal::Raw(text) => format!("r\"{text}\""),
                other => display_literal(other),
            }),
            ExprKind::Field { .. } => {
                let names = crate::references::chain(expr)?;
                Some(names.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join("."))
            }
            ExprKind::Call { callee, args } => match (&callee.kind, args.as_slice()) {
                (ExprKind::Name(name), [arg]) if name == "len" => match &arg.value.kind {
                    ExprKind::Name(inner) if inner == "it" => Some("its length".to_string()),
                    ExprKind::Name(inner) => Some(format!("the length of {inner}")),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    };
    let ExprKind::Binary { op, left, right } = &expr.kind else { return None };
    match op {
        BinaryOp::And => {
            Some(format!("{} and {}", describe_condition(left)?, describe_condition(right)?))
        }
        BinaryOp::Or => {
            Some(format!("{} or {}", describe_condition(left)?, describe_condition(right)?))
        }
        _ => {
            let subject = match atom(left)?.as_str() {
                "it" => String::new(),
                other => format!("{other} "),
            };
            if let (
                BinaryOp::In,
                ExprKind::Binary { op: BinaryOp::Range, left: low, right: high },
            ) = (op, &right.kind)
            {
                return Some(format!("{subject}from {} to {}", atom(low)?, atom(high)?));
            }
            let right = atom(right)?;
            let word = match op {
                BinaryOp::Less => "below",
                BinaryOp::LessOrEqual => "at most",
                BinaryOp::Greater => "above",
                BinaryOp::GreaterOrEqual => "at least",
                BinaryOp::Equal => "equal to",
                BinaryOp::NotEqual => "other than",
                BinaryOp::Matches => "like",
                BinaryOp::In => "in",
                _ => return None,
            };
            Some(format!("{subject}{word} {right}"))
        }
    }
}

/// The expressions of a block, at any depth, and what the names in them are bound to.
#[derive(Default)]
pub struct BlockIndex<'a> {
    /// Every expression, as [`walk`] goes: what is inside one follows it.
    expressions: Vec<&'a Expr>,
    /// Where each of them is.
    positions: FxHashMap<NodeId, usize>,
    /// What a name is bound to in which of them, by name. One name may be bound in several places.
    bindings: FxHashMap<&'a Name, Vec<(Range<usize>, &'a Expr)>>,
    /// Those that stand in no other.
    pub roots: Vec<&'a Expr>,
}

impl<'a> BlockIndex<'a> {
    /// Of everything in a block.
    pub fn of(block: &'a Block) -> Self {
        let mut index = BlockIndex::default();
        index.block(block);
        index
    }

    /// Of everything in an expression.
    fn of_expr(expr: &'a Expr) -> Self {
        let mut index = BlockIndex::default();
        index.add(expr);
        index
    }

    /// The expression that made a value. A record's origin is its braces.
    fn made(&self, node: NodeId) -> Option<&'a Expr> {
        let made = |expr: &&&Expr| match &expr.kind {
            ExprKind::Record(record) if record.id == node => true,
            _ => expr.id == node,
        };
        self.expressions.iter().find(made).copied()
    }

    /// What a name is bound to where an expression stands: what stands nearest around it.
    fn bound(&self, name: &Name, at: NodeId) -> Option<&'a Expr> {
        let position = self.positions.get(&at)?;
        let around = self.bindings.get(name)?.iter().filter(|(range, _)| range.contains(position));
        around.max_by_key(|(range, _)| range.start).map(|(_, value)| *value)
    }

    fn bind(&mut self, name: &'a Ident, range: Range<usize>, value: &'a Expr) {
        self.bindings.entry(&name.text).or_default().push((range, value));
    }

    /// Binds what a loop walks, in a part of it.
    fn bind_clause(&mut self, clause: &'a ForClause, range: Range<usize>) {
        for name in [Some(&clause.first), clause.second.as_ref()].into_iter().flatten() {
            self.bind(name, range.clone(), &clause.iter);
        }
    }

    /// An expression with what is inside it.
    fn range(&self, expr: &Expr) -> Range<usize> {
        let start = self.positions[&expr.id];
        let mut size = 0;
        walk(expr, &mut |_| size += 1);
        start..start + size
    }

    fn add(&mut self, expr: &'a Expr) {
        self.roots.push(expr);
        let first = self.expressions.len();
        walk(expr, &mut |inner| {
            self.positions.insert(inner.id, self.expressions.len());
            self.expressions.push(inner);
        });
        for position in first..self.expressions.len() {
            match &self.expressions[position].kind {
                ExprKind::ListFor { clause, value, .. } => {
                    let range = self.range(&clause.iter).end..self.range(value).end;
                    self.bind_clause(clause, range);
                }
                ExprKind::Record(record) | ExprKind::Named { record, .. } => {
                    for entry in &record.entries {
                        let EntryKind::For { clause, path, value, .. } = &entry.kind else {
                            continue;
                        };
                        let range = self.range(&clause.iter).end..self.range(value).end;
                        self.bind_clause(clause, range);
                        for segment in &path.segments {
                            let SegmentKind::Index(keys) = &segment.kind else { continue };
                            for key in keys {
                                self.bind_clause(clause, self.range(key));
                            }
                        }
                    }
                }
                ExprKind::If { head, then, .. } => {
                    if let Some(name) = &head.bind {
                        self.bind(name, self.range(then), &head.expr);
                    }
                }
                ExprKind::Match { subject, arms } => {
                    for arm in arms {
                        if let Pattern::Typed { name, .. } = &arm.pattern {
                            self.bind(name, self.range(&arm.value), subject);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, block: &'a Block) {
        // What is bound for the rest of the block.
        let mut bound: Vec<(&'a Ident, usize, &'a Expr)> = Vec::new();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let(it) => {
                    self.add(&it.value);
                    bound.push((&it.name, self.expressions.len(), &it.value));
                }
                StatementKind::Emit { bind, value } => {
                    self.add(value);
                    bound.extend(bind.iter().map(|bind| (bind, self.expressions.len(), value)));
                }
                StatementKind::Output { value, .. } => self.add(value),
                StatementKind::If(it) => {
                    self.add(&it.head.expr);
                    let start = self.expressions.len();
                    self.block(&it.then);
                    if let Some(name) = &it.head.bind {
                        self.bind(name, start..self.expressions.len(), &it.head.expr);
                    }
                    it.otherwise.iter().for_each(|block| self.block(block));
                }
                StatementKind::For { clause, body } => {
                    self.add(&clause.iter);
                    let start = self.expressions.len();
                    self.block(body);
                    self.bind_clause(clause, start..self.expressions.len());
                }
                StatementKind::Rule(rule) => self.add(&rule.condition),
            }
        }
        for (name, start, value) in bound {
            self.bind(name, start..self.expressions.len(), value);
        }
    }
}

/// Whether an expression is the one of this node, or has it inside. A record's origin is its braces.
fn contains(expr: &Expr, node: NodeId) -> bool {
    let mut found = false;
    walk(expr, &mut |inner| {
        found |= inner.id == node
            || matches!(&inner.kind, ExprKind::Record(record) if record.id == node);
    });
    found
}

/// The heads of `if` and `match` in an expression that chose the one of this node, the outermost first.
fn heads_of(root: &Expr, node: NodeId) -> Vec<&Expr> {
    let mut heads: Vec<&Expr> = Vec::new();
    if !contains(root, node) {
        return heads;
    }
    walk(root, &mut |inner| match &inner.kind {
        ExprKind::If { head, then, otherwise }
            if contains(then, node) || contains(otherwise, node) =>
        {
            heads.push(&head.expr);
        }
        ExprKind::Match { subject, arms } if arms.iter().any(|arm| contains(&arm.value, node)) => {
            heads.push(subject);
        }
        _ => {}
    });
    heads
}

/// The names that a path reads, `a.b.c`; `None` also for the paths it begins with, which only lead to it.
fn read_chain(expr: &Expr, bases: &mut FxHashSet<NodeId>) -> Option<Vec<Ident>> {
    let names = crate::references::chain(expr)?;
    if let ExprKind::Field { base, .. } = &expr.kind {
        bases.insert(base.id);
    }
    (!bases.contains(&expr.id)).then_some(names)
}

fn add_traced(found: &mut Vec<Traced>, one: Traced) {
    if !found.iter().any(|it| it.0 == one.0 && it.1 == one.1) {
        found.push(one);
    }
}

/// Whether a value is in another: of the same origin, and with the same content.
fn holds(whole: &Value, part: &Value) -> bool {
    let here = || whole.origin == part.origin && whole.data == part.data;
    match &whole.data {
        _ if here() => true,
        Data::Record(record) => record.fields.values().any(|it| holds(it, part)),
        Data::List(elements) => elements.iter().any(|it| holds(it, part)),
        _ => false,
    }
}

/// Whom a field of an object is left to once it is set: what its `initial` says.
pub fn initial_owner<'a>(db: &'a dyn Db, workspace: Workspace, value: &Value) -> Option<&'a Name> {
    let Origin { item, node } = value.origin;
    if !matches!(item.kind(db), Kind::Compose | Kind::Fn | Kind::Let) {
        return None;
    }
    infer(db, workspace, item).initials.get(&node)
}

/// The facts of a kind.
pub fn kind_facts(
    db: &dyn Db,
    workspace: Workspace,
    kind: plumb_kubernetes::KindId,
) -> &'static plumb_kubernetes::Kind {
    kubernetes(db, workspace).kind_facts(kind)
}
