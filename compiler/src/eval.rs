//! Evaluation: expressions to values, layers to a request.
//!
//! Total by construction: no recursion in the language, finite loops, and a budget of steps. What
//! has an error fails alone; everything beside it is still evaluated, so that one run finds every
//! mistake. Fields are evaluated when they are read, so a default may read its siblings.

mod checks;
mod instances;
mod literals;
mod merging;
mod mould;
mod traces;

use crate::arms::{self, record_arm};
use crate::builtins::{self, Builtin, Limit, compare};
use crate::by_name::ByName;
use crate::db::Db;
use crate::diagnostics::{Code, Diagnostic, Place, Severity, code, list};
use crate::infer::{Coercion, Inference, Resolution, infer};
use crate::items::{documentation, item};
use crate::layers::{
    self, Content, Layer, LayerKind, Merge, Operation, Parts, Reason, Saying, Seal, Setting, Slot,
    Word, describe_layer, layer_record,
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

pub use checks::describe_condition;
pub use mould::Moulds;
pub use traces::{BlockIndex, element_name, inside, join, path_of, within, written_way};

use checks::find_condition;
use instances::{default_of, is_scalar};
use merging::with_key;
use traces::{Path, PathStep, add_traced, read_chain};

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
    pub(crate) db: &'a dyn Db,
    pub(crate) workspace: Workspace,
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
        let found = (item(db, id).as_deref(), &**infer(db, workspace, id));
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
/// the `defaults` of it, by field. Those that read other fields of the value are known only with it: what
/// else is said of such a field waits. With it, what is wrong with them.
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
            _ => {
                evaluator.diagnostics.truncate(told);
                let finals = layers::finals(db, workspace, schema_id, environment);
                let sealed = finals.iter().find(|(way, _)| way.first() == Some(&field.name));
                let slot = Slot::waiting(sealed.map(|(_, setting)| setting.clone()));
                parts.insert(field.name.clone(), slot);
            }
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
    /// What is said of fields that wait for their siblings.
    waiting: ByName<Vec<Saying>>,
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

/// Whose name, namespace and labels a value has that is no request: those of what it stands in.
#[derive(Clone, Copy)]
enum Around {
    /// A request or nested composite in the making.
    Instance(usize),
    /// What the composition at work composes.
    Composed,
    /// A `let` or function, which are the same for all.
    Nothing,
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
    /// What the values at hand stand in, the innermost last.
    arounds: Vec<Around>,
    /// The fields that are being evaluated, the innermost last, and what reads each.
    open: Vec<(usize, usize, Origin)>,
    shapes: Option<&'a Shapes>,
    lets: FxHashMap<ItemId, Eval<Value>>,
    shared: Rc<Shared<'a>>,
    steps: u64,
    depth: u32,
    exhausted: bool,
    /// In the literal at hand, a value of a schema was changed.
    changed: bool,
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
            arounds: Vec::new(),
            open: Vec::new(),
            shapes: None,
            lets: FxHashMap::default(),
            shared,
            steps: 0,
            depth: 0,
            exhausted: false,
            changed: false,
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
        let mut fields = Fields::with_capacity(BUILT_IN_FIELDS.len() + shape.fields.len());
        if self.instances[instance].has_built_in() || self.is_in_request(instance) {
            for name in BUILT_IN_FIELDS.iter().filter(|name| **name != "after") {
                fields.insert(Name::new_static(name), self.own_field(instance, name, reader)?);
            }
        }
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
                self.around(Around::Nothing, |this| {
                    let value = this.expr(&mut frame, &it.value)?;
                    match &inference.ty {
                        Some(ty) => this.complete(value, ty, found.name(this.db)),
                        None => Ok(value),
                    }
                })
            }
            _ => Err(Failed),
        };
        self.lets.insert(found, result.clone());
        result
    }

    /// Runs for values that stand in something else.
    fn around<T>(&mut self, around: Around, run: impl FnOnce(&mut Self) -> T) -> T {
        self.arounds.push(around);
        let result = run(self);
        self.arounds.pop();
        result
    }

    /// What a `let` of a block binds: held against its type, where it says one.
    pub fn bound(&mut self, frame: &mut Frame<'a>, it: &'a Let) -> Eval<Value> {
        let value = self.expr(frame, &it.value)?;
        match frame.inference.lets.get(&it.name.id) {
            Some(ty) => self.complete(value, ty, &it.name.text),
            None => Ok(value),
        }
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
                None => match record.tag {
                    Tag::Schema(id) if BUILT_IN_FIELDS.contains(&field) => {
                        return Err(self.is_no_request(id, value.origin, field, origin));
                    }
                    // A literal of a schema that is read before it is complete has no such field yet.
                    _ => Value::new(Data::None, origin),
                },
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
                let (mut value, at) = self.around(Around::Nothing, |this| {
                    let value = this.expr(&mut inner, body)?;
                    // Also what is wrong with the result is traced to the arguments.
                    let at = this.calls.len();
                    this.calls.push(Call { function, args, result: value.clone() });
                    Ok((this.complete(value, result, function.name(this.db))?, at))
                })?;
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

    /// `Err`: why there is no result, if there is a reason to tell.
    pub(crate) fn arithmetic(
        &mut self,
        op: BinaryOp,
        a: &Data,
        b: &Data,
    ) -> Result<Data, Option<String>> {
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

fn first_key(path: &FieldPath) -> Option<&Name> {
    match &path.segments.first()?.kind {
        SegmentKind::Key(name) => Some(name),
        SegmentKind::Index(_) => None,
    }
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
