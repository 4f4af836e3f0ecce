//! The types of one declaration's expressions, and what is wrong with them.
//!
//! Bidirectional: what is asked for flows down, what is found flows up. Each expression with an
//! error is marked ([`Inference::poisoned`]), and evaluation passes over it in silence: so one
//! mistake is one message, and everything beside it is still looked at.

use crate::arms::{self, record_arm};
use crate::builtins::Builtin;
use crate::db::Db;
use crate::diagnostics::{Code, Diagnostic, Place, Severity, code, list};
use crate::items::{dotted, item, name_place};
use crate::names::{
    Sense, Target, ancestry, check_environment_names, environments, package_name, package_of,
    resolve_path, resolve_schema, resolve_word, scope, unknown_word,
};
use crate::notation;
use crate::references::{chain, circle};
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::*;
use crate::types::{
    BUILT_IN_FIELDS, Keys, Lowering, RecordTy, Schema, Ty, built_in_field, composition,
    describe_type, display, display_literal, endless, field_names, field_type, fits, is_bounded,
    key_mistakes, prelude_type, required_fields, schema,
};
use crate::value::Data;
use crate::versions::{self, kubernetes};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// What is known of a declaration's expressions.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Inference {
    /// What each word outside the locals stands for.
    pub resolutions: FxHashMap<NodeId, Resolution>,
    /// The literals that become what their place takes.
    pub coercions: FxHashMap<NodeId, Coercion>,
    /// What literals with a unit are.
    pub units: FxHashMap<NodeId, Data>,
    /// The type of each record literal, by its braces: what its entries merge by.
    pub records: FxHashMap<NodeId, Ty>,
    /// What brackets after a list mean, by the whole expression: a position or a key.
    pub keys: FxHashMap<NodeId, Keys>,
    /// The types that arms of a `match` ask for, by the arm; the type of its subject, by the `match`.
    pub patterns: FxHashMap<NodeId, Ty>,
    /// The fields that are only set at first, by the call of `initial`, and who has them then.
    pub initials: FxHashMap<NodeId, Name>,
    /// What each `emit` of a composition makes, by the statement.
    pub emits: FxHashMap<NodeId, Emitted>,
    /// The types of the lets in a block that say one with which a value is not complete as it is, by the name.
    pub lets: FxHashMap<NodeId, Ty>,
    /// What has an error and must not be evaluated.
    pub poisoned: FxHashSet<NodeId>,
    /// The fields that a misspelt one was probably meant to be, by its node: they are not missing.
    pub meant: FxHashMap<NodeId, Name>,
    /// The type of a let's value, or of a function's result.
    pub ty: Option<Ty>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Inference {
    /// Whether anything is wrong that must be mended.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }
}

impl Inference {
    /// Whether nothing but literals stands in a layer, so that it names nothing in its braces.
    pub(crate) fn is_bare(&self) -> bool {
        self.resolutions.is_empty() && self.records.is_empty() && self.diagnostics.is_empty()
    }
}

/// What an `emit` makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Emitted {
    /// An object of one of these kinds.
    Object(Vec<plumb_kubernetes::KindId>),
    /// What the composition of this schema emits.
    Composite(ItemId),
}

/// What a word stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// A name of the surrounding block, parameter or loop.
    Local,
    /// A field of the schema it stands in.
    OwnField,
    /// `environment`
    Environment,
    /// `self`
    Itself,
    /// `it`, in a condition of a type.
    It,
    /// A let or function.
    Item(ItemId),
    /// A built-in function.
    Builtin(Builtin),
    /// `file`
    File,
    /// `used_by` of the request: who speaks of it.
    UsedBy,
    /// `uses` of the request: whom it speaks of.
    Uses,
    /// `initial`
    Initial,
}

/// What a literal becomes in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coercion {
    /// `1` where a Float is taken.
    Float,
    /// `4` where a Quantity is taken; also `500m`.
    Quantity,
    /// `5m` where a Duration is taken.
    Duration,
}

/// What kind of text an expression stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Site {
    /// A request or overlay: data only.
    Data,
    /// Anything of the platform that may read the environment.
    Platform,
    /// A schema: its own fields are in scope.
    Schema,
    /// A type or function: pure.
    Pure,
    /// An environment.
    Environment,
}

/// What is known of each expression of a declaration: for who shows it, evaluates nothing and asks seldom.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The types of expressions, and of the names that are bound, by the name.
    pub types: FxHashMap<NodeId, Ty>,
    /// What each expression's place takes.
    pub wanted: FxHashMap<NodeId, Ty>,
    /// What each step of a field path is taken in, by the step.
    pub containers: FxHashMap<NodeId, Ty>,
    /// Where the names of the surrounding blocks are bound, by the word that reads one.
    pub locals: FxHashMap<NodeId, NodeId>,
}

/// The types of one declaration's expressions.
#[salsa::tracked]
pub fn infer(db: &dyn Db, workspace: Workspace, id: ItemId) -> Arc<Inference> {
    /// Of most data nothing is to be known: its literals are what their fields take.
    static NOTHING: LazyLock<Arc<Inference>> = LazyLock::new(Arc::default);
    let found = inferred(db, workspace, id, None).0;
    if found == **NOTHING { NOTHING.clone() } else { Arc::new(found) }
}

/// As [`infer`], with all that an editor shows. Of most declarations nobody asks: nothing is remembered.
pub fn sight(db: &dyn Db, workspace: Workspace, id: ItemId) -> (Inference, Sight) {
    let (inference, sight) = inferred(db, workspace, id, Some(Box::default()));
    (inference, sight.map(|it| *it).unwrap_or_default())
}

fn inferred(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    sight: Option<Box<Sight>>,
) -> (Inference, Option<Box<Sight>>) {
    let Some(tree) = item(db, id) else { return (Inference::default(), sight) };
    let site = match id.kind(db) {
        Kind::Request | Kind::Overlay => Site::Data,
        Kind::Schema => Site::Schema,
        Kind::Type | Kind::Fn => Site::Pure,
        Kind::Environment => Site::Environment,
        _ => Site::Platform,
    };
    let mut infer = Infer {
        db,
        workspace,
        item: id,
        site,
        locals: Vec::new(),
        it: None,
        own: None,
        shape: None,
        itself: None,
        target: Vec::new(),
        partial: false,
        reads_request: false,
        environment_record: None,
        spreading: false,
        spreads: FxHashMap::default(),
        below: None,
        composites: FxHashSet::default(),
        in_object: false,
        layer: None,
        leavable: FxHashSet::default(),
        result: Inference::default(),
        sight,
    };
    infer.item(tree);
    (infer.result, infer.sight)
}

/// The members of a circle that a message shows.
const MAX_SHOWN: usize = 8;

/// What a value is for, as messages name it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Subject {
    /// A field, entry, parameter or name.
    Field(Name),
    /// An element of the list that a field is.
    Element(Name),
    /// A part of the language: "`if`", "a position in a list".
    Part(&'static str),
    /// The result of a function.
    Result(Name),
}

struct Infer<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    item: ItemId,
    site: Site,
    locals: Vec<Local>,
    it: Option<Ty>,
    /// The schema whose fields are in scope.
    own: Option<ItemId>,
    /// The schema that was looked at last: a record sets one field of it after the other.
    shape: Option<(ItemId, &'a Schema)>,
    /// What `self` is.
    itself: Option<Ty>,
    /// What the value at hand is for, the innermost last.
    target: Vec<Subject>,
    /// Record literals add to what other layers say, so nothing is missing yet.
    partial: bool,
    /// The expression at hand may name a request: it is read from, or listed in `after`.
    reads_request: bool,
    /// The record of the environment at hand: one of its fields is not the schema's.
    environment_record: Option<&'a Record>,
    /// The mistake at hand is one of a spread.
    spreading: bool,
    /// The types of values that a record literal takes in, by their node.
    spreads: FxHashMap<NodeId, Ty>,
    /// What the braces at hand merge with, of a record that one around them takes in.
    below: Option<Arc<RecordTy>>,
    /// The literals that an `emit` makes a composite of, which set its name and labels too.
    composites: FxHashSet<NodeId>,
    /// The literal at hand is part of a Kubernetes object.
    in_object: bool,
    /// The braces of the request or overlay at hand.
    layer: Option<NodeId>,
    /// The values of an object's fields, which `initial` can be.
    leavable: FxHashSet<NodeId>,
    result: Inference,
    /// What an editor wants to know beside it.
    sight: Option<Box<Sight>>,
}

/// A name of the surrounding block, parameter or loop.
struct Local {
    name: Name,
    /// Where it is bound.
    node: NodeId,
    ty: Ty,
}

impl<'a> Infer<'a> {
    fn bind(&mut self, name: &Ident, ty: Ty) {
        if let Some(sight) = &mut self.sight {
            sight.types.insert(name.id, ty.clone());
        }
        self.locals.push(Local { name: name.text.clone(), node: name.id, ty });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.result.diagnostics.push(diagnostic);
    }

    fn place(&self, node: NodeId) -> Place {
        Place::Node(self.item, node)
    }

    fn error(&self, code: Code, node: NodeId, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.place(node), message)
    }

    fn poison(&mut self, node: NodeId) -> Ty {
        self.result.poisoned.insert(node);
        Ty::Unknown
    }

    fn show(&self, ty: &Ty) -> String {
        display(self.db, self.workspace, ty)
    }

    fn lower(&mut self, ty: &Type) -> Ty {
        let mut lowering = Lowering::new(self.db, self.workspace, self.item);
        let lowered = lowering.lower(ty);
        self.result.diagnostics.append(&mut lowering.diagnostics);
        self.type_conditions(ty);
        lowered
    }

    /// Lowers without saying what is wrong with it, where another query does.
    fn lower_quietly(&mut self, ty: &Type) -> Ty {
        let mut lowering = Lowering::new(self.db, self.workspace, self.item);
        lowering.lower(ty)
    }

    fn not_yet(&mut self, node: NodeId, what: &str) -> Ty {
        let diagnostic = self.error(
            code::NOT_IN_THIS_VERSION,
            node,
            format!("{what} not in this version of Plumb"),
        );
        self.report(diagnostic);
        self.poison(node)
    }

    // Declarations.

    fn item(&mut self, tree: &'a Item) {
        let (db, workspace, id) = (self.db, self.workspace, self.item);
        for annotation in &tree.annotations {
            if !annotation.name.is_hole() {
                self.not_yet(annotation.id, &format!("`@{}` is", annotation.name.text));
            }
        }
        match &tree.kind {
            ItemKind::Use { .. } => {}
            ItemKind::Package { record } => {
                let ty = Ty::Record(Arc::new(RecordTy {
                    fields: vec![
                        (
                            "namespace".into(),
                            prelude_type(self.db, self.workspace, "DnsLabel").optional(),
                        ),
                        ("owner".into(), Ty::String.optional()),
                    ],
                    open: false,
                }));
                self.partial = true;
                self.record(record, &ty, false);
            }
            ItemKind::Let(it) => {
                if self.refuse_circle() {
                    return;
                }
                let ty = it.ty.as_ref().map(|ty| self.lower(ty));
                let found = self.check(&it.value, ty.as_ref().unwrap_or(&Ty::Unknown));
                self.result.ty = Some(match ty {
                    Some(ty) => ty,
                    None => self.bounded(found, it.name.id),
                });
            }
            ItemKind::Schema { members, .. } => {
                self.schema(members);
                self.refuse_endless();
            }
            ItemKind::Type { name, ty } => {
                if self.refuse_circle() {
                    return;
                }
                self.lower(ty);
                if crate::types::alias(db, workspace, id).1 {
                    self.report(self.error(
                        code::TOO_DEEP,
                        name.id,
                        "this type is larger or nests deeper than the compiler follows",
                    ));
                }
            }
            ItemKind::Environment { schema: path, record, .. } => {
                self.result.diagnostics.extend(ancestry(db, workspace, id).1.iter().cloned());
                let ty = self.schema_path(path);
                if let Some(other) = ty.as_ref().and_then(|ty| self.other_environment_schema(*ty)) {
                    self.report(
                        self.error(
                            code::MISPLACED,
                            path.id,
                            "all environments of a workspace have one schema",
                        )
                        .related(name_place(db, other), "this one has another"),
                    );
                }
                let ty = ty.map_or(Ty::Unknown, Ty::Schema);
                self.partial = true;
                for name in ["name", versions::FIELD] {
                    if let Ty::Schema(schema_id) = &ty
                        && let Some(field) = schema(db, workspace, *schema_id).field(name)
                    {
                        self.report(
                            self.error(
                                code::MISPLACED,
                                path.id,
                                format!("an environment schema cannot declare `{name}`"),
                            )
                            .related(Place::Node(field.owner, field.node), "declared here")
                            .help(format!("`environment.{name}` is built in")),
                        );
                    }
                }
                self.environment_record = Some(record);
                self.record(record, &ty, false);
            }
            ItemKind::Defaults { schema: path, environments, record } => {
                check_environment_names(
                    db,
                    workspace,
                    id,
                    environments,
                    &mut self.result.diagnostics,
                );
                let Some(schema_id) = self.schema_path(path) else {
                    self.partial = true;
                    self.record(record, &Ty::Unknown, false);
                    return;
                };
                let own = package_of(db, workspace, id.file(db));
                let of_schema = package_of(db, workspace, schema_id.file(db));
                let declares_environments = crate::names::environments(db, workspace)
                    .0
                    .values()
                    .any(|it| package_of(db, workspace, it.file(db)) == own);
                if own != of_schema && !declares_environments {
                    self.report(
                        self.error(
                            code::WRONG_PACKAGE,
                            path.id,
                            format!("package `{}` has no say in the defaults of `{}`", package_name(db, own), dotted(path)),
                        )
                        .help(format!(
                            "defaults stand in the schema's own package (`{}`) or where the environments are declared; \
                             a request's own values go into the request or an overlay",
                            package_name(db, of_schema)
                        )),
                    );
                }
                let ty = if composition(db, workspace, schema_id).is_some() {
                    Ty::Request(schema_id)
                } else {
                    Ty::Schema(schema_id)
                };
                self.itself = Some(ty.clone());
                self.partial = true;
                self.record(record, &ty, false);
            }
            ItemKind::Request { name, schema: path, environments, record } => {
                self.layer = Some(record.id);
                check_environment_names(
                    db,
                    workspace,
                    id,
                    environments,
                    &mut self.result.diagnostics,
                );
                let named = request_schema(db, workspace, id).or_else(|| self.schema_path(path));
                let ty = match named {
                    Some(found) => {
                        if composition(db, workspace, found).is_none() {
                            self.not_requestable(path, found);
                        }
                        Ty::Request(found)
                    }
                    None => Ty::Unknown,
                };
                if !sets(record, "name") {
                    self.request_name(name);
                }
                self.itself = Some(ty.clone());
                self.partial = true;
                self.record(record, &ty, false);
            }
            ItemKind::Overlay { requests, environments, record } => {
                self.layer = Some(record.id);
                check_environment_names(
                    db,
                    workspace,
                    id,
                    environments,
                    &mut self.result.diagnostics,
                );
                let scope = scope(db, package_of(db, workspace, id.file(db)));
                let mut schemas: Vec<Ty> = Vec::new();
                for name in requests.iter().filter(|name| !name.is_hole()) {
                    let found =
                        scope.names.get(&name.text).filter(|found| found.kind(db) == Kind::Request);
                    let Some(found) = found else {
                        let known: Vec<&str> = scope
                            .requests
                            .iter()
                            .map(|request| request.name(db).as_str())
                            .collect();
                        let mut error = self
                            .error(
                                code::UNKNOWN_NAME,
                                name.id,
                                format!("there is no request `{}` in this package", name.text),
                            )
                            .suggest(self.place(name.id), &name.text, known);
                        if error.fix.is_none()
                            && let Some((package, other)) =
                                request_elsewhere(db, workspace, &name.text)
                        {
                            error = error
                                .help(format!(
                                    "package `{package}` has one; its overlays stand there too"
                                ))
                                .related(name_place(db, other), "the request");
                        }
                        self.report(error);
                        schemas.push(Ty::Unknown);
                        continue;
                    };
                    let ty = request_schema(db, workspace, *found).map_or(Ty::Unknown, Ty::Request);
                    if !schemas.contains(&ty) {
                        schemas.push(ty);
                    }
                }
                self.partial = true;
                if schemas.is_empty() {
                    schemas.push(Ty::Unknown);
                }
                for ty in schemas {
                    let before = self.result.diagnostics.len();
                    self.itself = Some(ty.clone());
                    self.record(record, &ty, false);
                    // A mistake that shows under each request's schema is one mistake.
                    let mut index = before;
                    while index < self.result.diagnostics.len() {
                        let (earlier, rest) = self.result.diagnostics.split_at(index);
                        let same = earlier
                            .iter()
                            .any(|it| it.place == rest[0].place && it.code == rest[0].code);
                        if same {
                            self.result.diagnostics.remove(index);
                        } else {
                            index += 1;
                        }
                    }
                }
            }
            ItemKind::Compose { schema: path, binder, block } => {
                let Some(found) = self.schema_path(path) else { return };
                let own = package_of(db, workspace, id.file(db));
                if package_of(db, workspace, found.file(db)) != own {
                    self.report(
                        self.error(
                            code::WRONG_PACKAGE,
                            path.id,
                            format!("`{}` can only be composed in its own package", dotted(path)),
                        )
                        .related(name_place(db, found), "declared here"),
                    );
                } else if let Some(first) = composition(db, workspace, found)
                    && first != id
                {
                    self.report(
                        self.error(
                            code::DUPLICATE_NAME,
                            path.id,
                            format!("`{}` is composed twice", dotted(path)),
                        )
                        .related(name_place(db, first), "the other one is here"),
                    );
                }
                self.bind(binder, Ty::Request(found));
                self.block(block, Some(false));
            }
            ItemKind::Fn { params, result, body, .. } => {
                if self.refuse_circle() {
                    return;
                }
                for param in params {
                    let ty = self.lower(&param.ty);
                    if self.locals.iter().any(|it| it.name == param.name.text) {
                        self.report(self.error(
                            code::DUPLICATE_NAME,
                            param.name.id,
                            format!("parameter `{}` is declared twice", param.name.text),
                        ));
                    }
                    self.bind(&param.name, ty);
                }
                let ty = self.lower(result);
                self.target = vec![Subject::Result(id.name(db).clone())];
                self.check(body, &ty);
                self.target.clear();
                self.result.ty = Some(ty);
            }
            ItemKind::Policy { name, .. } => {
                self.not_yet(name.id, "policies are");
            }
            ItemKind::Adjust { subject, .. } => {
                self.not_yet(subject.id, "`adjust` is");
            }
            ItemKind::Test { .. } => {
                self.not_yet(NodeId(0), "tests are");
            }
        }
    }

    /// A request is called like the objects it makes, unless it says otherwise.
    fn request_name(&mut self, name: &Ident) {
        let text = name.text.as_str();
        let is_label = text.len() <= 63
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if is_label || name.is_hole() {
            return;
        }
        self.report(
            self.error(
                code::REFINEMENT_FAILED,
                name.id,
                format!("`{text}` cannot name Kubernetes objects: a name is at most 63 lower-case letters, digits and dashes"),
            )
            .help("rename the request, or give its objects another name: `name = \"…\"`"),
        );
        self.poison(name.id);
    }

    /// A type that was found, where it is small enough to go on with.
    fn bounded(&mut self, ty: Ty, name: NodeId) -> Ty {
        if is_bounded(&ty) {
            return ty;
        }
        self.report(self.error(
            code::TOO_DEEP,
            name,
            "this value is larger or nests deeper than the compiler follows",
        ));
        Ty::Unknown
    }

    fn schema_path(&mut self, path: &Path) -> Option<ItemId> {
        match resolve_schema(self.db, self.workspace, self.item, path) {
            Ok(found) => Some(found),
            Err(diagnostic) => {
                self.result.diagnostics.extend(diagnostic);
                None
            }
        }
    }

    fn other_environment_schema(&self, mine: ItemId) -> Option<ItemId> {
        let all = &environments(self.db, self.workspace).0;
        let first = all.values().copied().min_by_key(|id| {
            (id.file(self.db).path(self.db).clone(), salsa::plumbing::AsId::as_id(id))
        })?;
        if first == self.item {
            return None;
        }
        let theirs = environment_schema_of(self.db, self.workspace, first)?;
        (theirs != mine).then_some(first)
    }

    fn not_requestable(&mut self, path: &Path, found: ItemId) {
        let db = self.db;
        let package = package_of(db, self.workspace, found.file(db));
        let scope = scope(db, package);
        let requestable: Vec<&str> = scope
            .composes
            .iter()
            .map(|it| it.name(db).as_str())
            .filter(|name| scope.names.contains_key(*name))
            .collect();
        let mut error = self
            .error(
                code::NOT_REQUESTABLE,
                path.id,
                format!("`{}` cannot be requested: nothing composes it", dotted(path)),
            )
            .related(name_place(db, found), "the schema");
        if !requestable.is_empty() {
            error = error.help(format!("this package composes {}", list(&requestable, "and")));
        } else {
            error = error
                .help(format!("write `compose {} as … {{ }}` beside the schema", found.name(db)));
        }
        self.report(error);
    }

    fn refuse_circle(&mut self) -> bool {
        let Some(way) = circle(self.db, self.workspace, self.item) else { return false };
        self.poison(NodeId(0));
        self.result.ty = Some(Ty::Unknown);
        if way.is_empty() {
            return true;
        }
        let mut names: Vec<&str> =
            way.iter().chain([&self.item]).map(|id| id.name(self.db).as_str()).collect();
        if names.len() > MAX_SHOWN {
            names.splice(MAX_SHOWN / 2..names.len() - MAX_SHOWN / 2, ["…"]);
        }
        let what = match self.item.kind(self.db) {
            Kind::Fn => "calls",
            Kind::Type => "contains",
            _ => "depends on",
        };
        let mut error = Diagnostic::error(
            code::CYCLE,
            name_place(self.db, self.item),
            format!("`{}` {what} itself", self.item.name(self.db)),
        )
        .help(format!("the circle is {}", names.join(" → ")));
        for other in way[1..].iter().take(MAX_SHOWN) {
            error = error.related(name_place(self.db, *other), "through this");
        }
        self.report(error);
        true
    }

    /// Refuses a schema whose values would each hold another, without end. Told at the first by name.
    fn refuse_endless(&mut self) {
        let Some(way) = endless(self.db, self.workspace, self.item) else { return };
        let key = |id: ItemId| (id.file(self.db).path(self.db), id.name(self.db));
        let Some(((_, first), rest)) = way.split_first() else { return };
        if rest.iter().any(|(other, _)| key(*other) < key(self.item)) {
            return;
        }
        let name = self.item.name(self.db);
        let mut error = self
            .error(
                code::CYCLE,
                first.node,
                format!("a value of `{name}` would never end: it needs another `{name}`"),
            )
            .help(format!("make it optional: `{}: {}?`", first.name, self.show(&first.ty)));
        error.place = Place::Node(first.owner, first.node);
        for (_, field) in rest {
            error =
                error.related(Place::Node(field.owner, field.node), format!("by `{}`", field.name));
        }
        self.report(error);
    }

    fn schema(&mut self, members: &[Member]) {
        let (db, workspace, id) = (self.db, self.workspace, self.item);
        let shape = schema(db, workspace, id);
        self.result.diagnostics.extend(shape.diagnostics.iter().cloned());
        self.own = Some(id);
        let requestable = composition(db, workspace, id).is_some();
        self.itself = Some(if requestable { Ty::Request(id) } else { Ty::Schema(id) });
        for field in &shape.fields {
            if requestable && BUILT_IN_FIELDS.contains(&field.name.as_str()) {
                self.report(
                    Diagnostic::error(
                        code::DUPLICATE_NAME,
                        Place::Node(field.owner, field.node),
                        format!(
                            "every request has `{}`: a schema that is composed cannot declare it",
                            field.name
                        ),
                    )
                    .help("give the field another name"),
                );
            }
        }
        for member in members {
            match &member.kind {
                MemberKind::Include(_) => {}
                MemberKind::Field { annotations, name, ty, default, otherwise, .. } => {
                    for annotation in annotations {
                        self.not_yet(annotation.id, &format!("`@{}` is", annotation.name.text));
                    }
                    self.type_conditions(ty);
                    let ty = self.lower_quietly(ty);
                    self.target = vec![Subject::Field(name.text.clone())];
                    if let Some(default) = default {
                        if matches!(default.kind, ExprKind::Literal(Literal::None))
                            && !ty.is_optional()
                        {
                            self.report(
                                self.error(
                                    code::TYPE_MISMATCH,
                                    default.id,
                                    format!("`{}` cannot be `none` by default: its type is not optional", name.text),
                                )
                                .help(format!("write `{}: {}?`", name.text, self.show(&ty))),
                            );
                            self.poison(default.id);
                        } else {
                            self.check(default, &ty);
                        }
                    }
                    self.target.clear();
                    self.reason(otherwise.as_ref());
                }
                MemberKind::If(it) => self.branch(it, None),
                MemberKind::Rule(rule) => self.rule(rule),
                MemberKind::Final { path, value, otherwise } => {
                    let (ty, _) = self.path_type(path, &Ty::Schema(id));
                    self.check(value, &ty);
                    self.reason(otherwise.as_ref());
                }
            }
        }
    }

    /// Checks the conditions inside a type where it is written.
    fn type_conditions(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Hole | TypeKind::Literal(_) | TypeKind::Path(_) => {}
            TypeKind::List { item, keys } => {
                self.type_conditions(item);
                if !keys.is_empty() {
                    let element = self.lower_quietly(item);
                    let mistakes = key_mistakes(self.db, self.workspace, self.item, &element, keys);
                    self.result.diagnostics.extend(mistakes);
                }
            }
            TypeKind::Map { value, .. } => self.type_conditions(value),
            TypeKind::Record { fields, .. } => {
                fields.iter().for_each(|it| self.type_conditions(&it.ty))
            }
            TypeKind::Union(arms) => arms.iter().for_each(|arm| self.type_conditions(arm)),
            TypeKind::Optional(inner) => self.type_conditions(inner),
            TypeKind::Where { base, condition, otherwise } => {
                self.type_conditions(base);
                let base = self.lower_quietly(base);
                let before = (self.it.replace(base.present().clone()), self.site, self.own.take());
                // A type is the same everywhere, so its condition sees `it` and nothing around it.
                self.site = Site::Pure;
                self.part(condition, &Ty::Bool, "`where`");
                self.reason(otherwise.as_deref());
                (self.it, self.site, self.own) = before;
            }
        }
    }

    // Statements.

    fn rule(&mut self, rule: &Rule) {
        if rule.level == RuleLevel::Assert {
            self.not_yet(rule.condition.id, "`assert` is");
            return;
        }
        let word = if rule.level == RuleLevel::Require { "`require`" } else { "`advise`" };
        self.part(&rule.condition, &Ty::Bool, word);
        self.reason(rule.otherwise.as_ref());
    }

    fn branch(&mut self, it: &If, emits: Option<bool>) {
        let before = self.locals.len();
        self.head(&it.head);
        self.block(&it.then, emits);
        self.locals.truncate(before);
        it.otherwise.iter().for_each(|block| self.block(block, emits));
    }

    fn head(&mut self, head: &Head) {
        match &head.bind {
            Some(name) => {
                let ty = self.expr(&head.expr, &Ty::Unknown);
                if !ty.is_optional() {
                    self.report(
                        Diagnostic::warning(
                            code::ALWAYS_THERE,
                            self.place(head.expr.id),
                            "this is always there, so the `if let` always holds",
                        )
                        .help("use it directly"),
                    );
                }
                self.bind(name, ty.present().clone());
            }
            None => {
                self.part(&head.expr, &Ty::Bool, "`if`");
            }
        }
    }

    /// `emits`: whether objects can be emitted here; then whether it is in a loop.
    fn block(&mut self, block: &Block, emits: Option<bool>) {
        let before = self.locals.len();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let(it) => {
                    let ty = it.ty.as_ref().map(|ty| self.lower(ty));
                    let found = self.check(&it.value, ty.as_ref().unwrap_or(&Ty::Unknown));
                    if let Some(ty) = ty.as_ref().filter(|ty| !ty.is_plain()) {
                        self.result.lets.insert(it.name.id, ty.clone());
                    }
                    let found = match ty {
                        Some(ty) => ty,
                        None => self.bounded(found, it.name.id),
                    };
                    self.bind(&it.name, found);
                }
                StatementKind::Emit { bind, value } => {
                    let Some(looped) = emits else {
                        self.report(self.error(
                            code::MISPLACED,
                            statement.id,
                            "`emit` stands in compositions only",
                        ));
                        continue;
                    };
                    self.emit(statement.id, bind.as_ref(), value, looped);
                }
                StatementKind::Output { name, ty, value } => {
                    // Declared and checked; nothing reads it in this version.
                    let ty = self.lower(ty);
                    self.target = vec![Subject::Field(name.text.clone())];
                    self.check(value, &ty);
                    self.target.clear();
                }
                StatementKind::If(it) => self.branch(it, emits),
                StatementKind::For { clause, body } => {
                    let inner = self.locals.len();
                    self.clause(clause);
                    self.block(body, emits.map(|_| true));
                    self.locals.truncate(inner);
                }
                StatementKind::Rule(rule) => self.rule(rule),
            }
        }
        self.locals.truncate(before);
    }

    /// What an `emit` makes: a Kubernetes object, or a composite of another schema.
    fn emit(&mut self, statement: NodeId, bind: Option<&Ident>, value: &Expr, looped: bool) {
        let mut literals = Vec::new();
        results(value, &mut |result| {
            if let ExprKind::Named { record, .. } = &result.kind {
                self.composites.insert(result.id);
                literals.push((result.id, record));
            } else {
                literals.clear();
            }
        });
        let ty = self.expr(value, &Ty::Unknown);
        let mut bound = Ty::Unknown;
        let kinds: Option<Vec<_>> = match &ty {
            Ty::Union(arms) => arms.iter().map(kind_of).collect(),
            ty => kind_of(ty).map(|kind| vec![kind]),
        };
        match (ty, kinds) {
            (Ty::Unknown, _) => {}
            (_, Some(kinds)) => {
                for kind in &kinds {
                    let facts = kubernetes(self.db, self.workspace).kind_facts(*kind);
                    if !facts.creatable {
                        self.report(self.error(
                            code::KUBERNETES_REFUSES,
                            value.id,
                            format!("a {} cannot be created", facts.kind),
                        ));
                    }
                }
                self.result.emits.insert(statement, Emitted::Object(kinds));
                if let Some(bind) = bind {
                    self.report(
                        self.error(
                            code::TYPE_MISMATCH,
                            bind.id,
                            "an object has no outputs that a name could stand for",
                        )
                        .help(format!(
                            "to read the object, write `let {} = …` and emit that",
                            bind.text
                        )),
                    );
                }
            }
            (Ty::Schema(found) | Ty::Request(found), _) => {
                self.result.emits.insert(statement, Emitted::Composite(found));
                bound = Ty::Nested(found);
                let name = found.name(self.db);
                if composition(self.db, self.workspace, found).is_none() {
                    self.report(
                        self.error(
                            code::NOT_REQUESTABLE,
                            value.id,
                            format!("nothing composes `{name}`, so there is nothing to emit"),
                        )
                        .related(name_place(self.db, found), "the schema")
                        .help(format!("write `compose {name} as …` in the package of `{name}`")),
                    );
                    self.poison(value.id);
                    bound = Ty::Unknown;
                }
                let named = !literals.is_empty()
                    && literals.iter().all(|(_, record)| {
                        sets(record, "name")
                            || record.entries.iter().any(|entry| match &entry.kind {
                                EntryKind::Spread(inner) => {
                                    self.spreads.get(&inner.id).is_some_and(|ty| {
                                        field_names(self.db, self.workspace, ty)
                                            .iter()
                                            .any(|it| it == "name")
                                    })
                                }
                                _ => false,
                            })
                    });
                let itself = composition(self.db, self.workspace, found) == Some(self.item);
                if !named && !itself && (bind.is_none() || looped) {
                    let message = if looped {
                        format!("each round of the loop makes a `{name}` of one name")
                    } else {
                        format!("this `{name}` has no name")
                    };
                    let error = self.error(code::MISSING_FIELD, value.id, message);
                    self.report(if looped {
                        error.help("set `name` from what the loop walks: `name = \"${…}\"`")
                    } else {
                        error.help(format!(
                            "set `name`, or bind it: `emit db = {name} {{ … }}` is named after the request, with `-db`"
                        ))
                    });
                    self.poison(value.id);
                }
            }
            (other, _) => {
                let found = self.found(&other);
                self.report(
                    self.error(
                        code::TYPE_MISMATCH,
                        value.id,
                        format!("`emit` takes a Kubernetes object or a composite, not {found}"),
                    )
                    .help("name its kind before the braces: `emit apps.Deployment { … }`"),
                );
                self.poison(value.id);
            }
        }
        if let Some(bind) = bind {
            self.bind(bind, bound);
        }
    }

    fn clause(&mut self, clause: &ForClause) {
        let ty = self.expr(&clause.iter, &Ty::Unknown);
        if matches!(ty, Ty::Optional(_)) {
            self.maybe_none(&clause.iter, "walked", "?? []");
        }
        let (first, second) = match ty.base() {
            Ty::List(item, _) => match &clause.second {
                Some(_) => (Ty::Int, (**item).clone()),
                None => ((**item).clone(), Ty::Unknown),
            },
            Ty::Map(key, value) => {
                if clause.second.is_none() {
                    self.report(
                        self.error(
                            code::TYPE_MISMATCH,
                            clause.first.id,
                            "a map is walked by two names, the key and the value",
                        )
                        .help(format!(
                            "write `for {}, value in …`, or walk `values(…)`",
                            clause.first.text
                        )),
                    );
                }
                ((**key).clone(), (**value).clone())
            }
            Ty::Record(record) => {
                let values = Ty::union(record.fields.iter().map(|(_, ty)| ty.clone()));
                (Ty::String, values)
            }
            Ty::Unknown => (Ty::Unknown, Ty::Unknown),
            other => {
                let found = describe_type(self.db, self.workspace, other);
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    clause.iter.id,
                    format!("only lists and maps can be walked; this is {found}"),
                ));
                self.poison(clause.iter.id);
                (Ty::Unknown, Ty::Unknown)
            }
        };
        self.bind(&clause.first, first);
        if let Some(name) = &clause.second {
            self.bind(name, second);
        }
    }

    fn maybe_none(&mut self, expr: &Expr, what: &str, mend: &str) {
        if let ExprKind::Literal(Literal::None) = expr.kind {
            self.report(self.error(
                code::TYPE_MISMATCH,
                expr.id,
                format!("`none` cannot be {what}: nothing is there"),
            ));
            self.poison(expr.id);
            return;
        }
        let shown = chain(expr).map_or("this".to_string(), |names| {
            let words: Vec<&str> = names.iter().map(|it| it.text.as_str()).collect();
            format!("`{}`", words.join("."))
        });
        self.report(
            self.error(
                code::MAYBE_NONE,
                expr.id,
                format!("{shown} may be `none` and is {what} as if it were there"),
            )
            .help(format!("say what holds then (`{mend}`), or wrap it: `if let x = …`")),
        );
        self.poison(expr.id);
    }

    // Records.

    /// Checks a record literal against the type of its place. `root`: no literal around it checks
    /// what is missing.
    fn record(&mut self, record: &Record, ty: &Ty, root: bool) -> Ty {
        if !is_plain(record) {
            self.set_once(record, &mut Leaves::default());
        }
        self.entries(record, ty, root)
    }

    /// Refuses two entries of one literal that set the same leaf, however they are written. Whether
    /// declarations do is known when they are merged.
    fn set_once(&mut self, record: &Record, known: &mut Leaves) {
        for entry in &record.entries {
            let EntryKind::Set { path, value, append, .. } = &entry.kind else { continue };
            let mut at = &mut *known;
            let mut shown = String::new();
            let mut is_static = true;
            for segment in &path.segments {
                let key: Name = match &segment.kind {
                    SegmentKind::Key(name) => name.clone(),
                    SegmentKind::Index(keys) => {
                        let texts: Option<Vec<String>> = keys
                            .iter()
                            .map(|key| match &key.kind {
                                ExprKind::Literal(Literal::String(text)) => Some(text.to_string()),
                                ExprKind::Literal(Literal::Int(number)) => Some(number.to_string()),
                                _ => None,
                            })
                            .collect();
                        match texts {
                            Some(texts) => texts.join("/").into(),
                            None => {
                                is_static = false;
                                break;
                            }
                        }
                    }
                };
                if key.is_empty() {
                    is_static = false;
                    break;
                }
                // Under something that is set as a whole only what is merged can tell.
                if let Some((first, true)) = at.set {
                    self.twice(path, value, &shown, first);
                    is_static = false;
                    break;
                }
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(&key);
                at = at.parts.entry(key).or_default();
            }
            if !is_static {
                continue;
            }
            let here = path.id;
            // What is added to a list stands beside what is said of its elements, but two
            // additions have no order.
            let added = at.added;
            if *append {
                match at.set.map(|(first, _)| first).or(added) {
                    Some(first) => self.twice(path, value, &shown, first),
                    None => at.added = Some(here),
                }
                continue;
            }
            if let Some(first) = added
                && !matches!(value.kind, ExprKind::Hole)
            {
                self.twice(path, value, &shown, first);
                continue;
            }
            match &value.kind {
                ExprKind::Hole => {}
                ExprKind::Record(inner) => match at.set {
                    Some((first, _)) => self.twice(path, value, &shown, first),
                    None => self.set_once(inner, at),
                },
                kind => {
                    let first = at.set.map(|(first, _)| first);
                    // The elements of a list may have keys that a path reaches.
                    let is_leaf = matches!(kind, ExprKind::Literal(_) | ExprKind::Interpolated(_));
                    let inside = is_leaf.then(|| at.first()).flatten();
                    match first.or(inside) {
                        Some(first) => self.twice(path, value, &shown, first),
                        None => at.set = Some((here, is_leaf)),
                    }
                }
            }
        }
    }

    fn twice(&mut self, path: &FieldPath, value: &Expr, shown: &str, first: NodeId) {
        // The literals inside were looked at with the one around them.
        if self.result.poisoned.contains(&value.id) {
            return;
        }
        self.report(
            self.error(code::SET_TWICE, path.id, format!("`{shown}` is set twice"))
                .related(self.place(first), "the other one is here")
                .help("keep one of them"),
        );
        self.poison(value.id);
    }

    /// The record that braces are of a type; says where nothing tells which.
    fn meant(&mut self, record: &Record, ty: &Ty) -> Ty {
        if !arms::is_choice(ty) {
            return record_arm(ty.base()).clone();
        }
        let said = |name: &str| {
            record.entries.iter().find_map(|entry| match &entry.kind {
                EntryKind::Set { path, value, .. } => match path.segments.as_slice() {
                    [PathSegment { kind: SegmentKind::Key(key), .. }] if key == name => {
                        match &value.kind {
                            ExprKind::Literal(Literal::Raw(text)) => {
                                Some(Literal::String(text.clone()))
                            }
                            ExprKind::Literal(literal) => Some(literal.clone()),
                            _ => None,
                        }
                    }
                    _ => None,
                },
                _ => None,
            })
        };
        let wrong = match arms::of_braces(self.db, self.workspace, ty, said) {
            Ok(arm) => return arm.clone(),
            Err(wrong) => wrong,
        };
        let records: Vec<Ty> = arms::records(ty).into_iter().cloned().collect();
        let marks: Vec<(Name, Vec<Literal>)> =
            records.iter().flat_map(|it| arms::marks(self.db, self.workspace, it)).collect();
        if let Some((name, literal)) = wrong {
            let known: Vec<String> = marks
                .iter()
                .filter(|(mark, _)| *mark == name)
                .flat_map(|(_, literals)| literals.iter().map(display_literal))
                .collect();
            let shown = display_literal(&literal);
            self.report(
                self.error(code::NOT_ONE_OF, record.id, format!("`{name}` cannot be {shown}"))
                    .help(format!("it can be {}", known.join(", "))),
            );
        } else {
            let named: Vec<String> = records
                .iter()
                .filter(|it| !arms::is_unnamed(it))
                .map(|it| format!("`{} {{ … }}`", display(self.db, self.workspace, it)))
                .collect();
            let mut fields: Vec<&str> = marks.iter().map(|(name, _)| name.as_str()).collect();
            fields.dedup();
            let help = match (named.is_empty(), fields.is_empty()) {
                (false, _) => format!("write {}", named.join(" or ")),
                _ => format!("set {}, which tells them apart", list(&fields, "or")),
            };
            let shown: Vec<String> =
                records.iter().map(|it| display(self.db, self.workspace, it)).collect();
            let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
            self.report(
                self.error(
                    code::AMBIGUOUS_RECORD,
                    record.id,
                    format!("nothing says which of {} this is", list(&shown, "and")),
                )
                .help(help),
            );
        }
        self.poison(record.id);
        Ty::Unknown
    }

    fn entries(&mut self, record: &Record, ty: &Ty, root: bool) -> Ty {
        let base = self.meant(record, ty);
        let below = self.below.take();
        // Of data that cannot be but what its place takes, nobody but an editor asks what it is.
        let is_evident = self.layer == Some(record.id)
            || self.site == Site::Data
                && matches!(base, Ty::Map(..))
                && !arms::is_choice(ty)
                && record.entries.iter().all(is_literal);
        if !is_evident || self.sight.is_some() {
            self.result.records.insert(record.id, base.clone());
        }
        let known = !matches!(base, Ty::Unknown);
        let mut own: Vec<(Name, Ty)> = Vec::new();
        for entry in &record.entries {
            if self.site == Site::Data && self.sight.is_none() && self.takes_data(entry, &base) {
                continue;
            }
            match &entry.kind {
                EntryKind::Spread(value) => {
                    // A literal is checked where it stands, entry by entry.
                    let literal = matches!(value.kind, ExprKind::Record(_)) && known;
                    let before = self.partial;
                    self.partial |= literal;
                    let found = self.expr(value, if literal { &base } else { &Ty::Unknown });
                    let found = self.joined_records(found);
                    self.partial = before;
                    self.spreading = true;
                    if !literal {
                        self.spread(value, &found, &base, &mut own);
                    }
                    self.spreading = false;
                }
                EntryKind::Set { modifier, path, append, value, otherwise } => {
                    if let Some(top) = self.environment_record
                        && let Some(found) = versions::entry_diagnostic(self.item, top, entry)
                    {
                        found.into_iter().for_each(|error| self.report(error));
                        continue;
                    }
                    if modifier.is_some() && !self.partial {
                        self.report(self.error(
                            code::MISPLACED,
                            entry.id,
                            "`final` and `replace` stand in layers only: defaults, requests and overlays",
                        ));
                    } else if *modifier == Some(Modifier::Final)
                        && self.item.kind(self.db) != Kind::Defaults
                    {
                        self.report(
                            self.error(
                                code::MISPLACED,
                                entry.id,
                                "`final` stands in schemas and `defaults` only",
                            )
                            .help("only the platform can refuse later layers"),
                        );
                    }
                    self.reason(otherwise.as_deref());
                    let met = match known {
                        true => None,
                        false => met(path, value, *append, &own, below.as_deref()),
                    };
                    match met {
                        Some(Met::Typed(name, ty)) => {
                            let fields = vec![(name.clone(), ty.clone())];
                            let base = Ty::Record(Arc::new(RecordTy { fields, open: true }));
                            self.entry(entry, path, *append, value, &base, &mut own);
                            own.retain(|(known, _)| *known != name);
                            own.push((name, ty));
                        }
                        other => {
                            self.below = match other {
                                Some(Met::Record(below)) => Some(below),
                                _ => None,
                            };
                            self.entry(entry, path, *append, value, &base, &mut own);
                            self.below = None;
                        }
                    }
                }
                EntryKind::For { clause, condition, path, value } => {
                    let site = self.site;
                    self.no_logic(entry.id, "a loop");
                    let before = self.locals.len();
                    self.clause(clause);
                    condition.iter().for_each(|it| {
                        self.part(it, &Ty::Bool, "`if`");
                    });
                    let wanted = match &base {
                        Ty::Map(_, value) => (**value).clone(),
                        _ => Ty::Unknown,
                    };
                    for segment in &path.segments {
                        if let SegmentKind::Index(keys) = &segment.kind {
                            keys.iter().for_each(|key| {
                                self.part(key, &Ty::String, "the key of a map");
                            });
                        }
                    }
                    let found = self.check(value, &wanted);
                    self.locals.truncate(before);
                    self.site = site;
                    if !known {
                        return Ty::Map(Arc::new(Ty::String), Arc::new(found));
                    }
                }
            }
        }
        if !known {
            let computed = record.entries.iter().any(|entry| {
                matches!(&entry.kind, EntryKind::Set { path, .. } if matches!(path.segments[0].kind, SegmentKind::Index(_)))
            });
            if computed {
                let values = Ty::union(own.into_iter().map(|(_, ty)| ty));
                return Ty::Map(Arc::new(Ty::String), Arc::new(values));
            }
            let found = Ty::Record(Arc::new(RecordTy { fields: own, open: false }));
            // What is taken in says how the entries merge with it.
            if record.entries.iter().any(|entry| matches!(entry.kind, EntryKind::Spread(_))) {
                self.result.records.insert(record.id, found.clone());
            }
            return found;
        }
        if root && !self.partial {
            let shape = self.shape(record);
            self.missing(&shape, &base, record.id);
        }
        match ty {
            Ty::Optional(inner) => (**inner).clone(),
            Ty::Union(_) => base,
            other => other.clone(),
        }
    }

    /// Whether an entry is a literal that its field takes as it is, or braces for a map, which are looked at
    /// then: what nearly all of data is. It leaves no trace but what the way of all others would leave.
    fn takes_data(&mut self, entry: &Entry, base: &Ty) -> bool {
        let EntryKind::Set { modifier: None, path, append: false, value, otherwise: None } =
            &entry.kind
        else {
            return false;
        };
        let mut segments = path.segments.iter().map(|segment| match &segment.kind {
            SegmentKind::Key(name) if !name.is_empty() => Some(name),
            _ => None,
        });
        let mut ty = match (base, segments.next()) {
            (Ty::Request(schema), Some(Some(name))) => match self.shape_of(*schema).field(name) {
                Some(field) => &field.ty,
                None => return false,
            },
            (Ty::Map(_, value), Some(Some(_))) => value,
            _ => return false,
        };
        for name in segments {
            ty = match (ty, name) {
                (Ty::Map(_, value), Some(_)) => value,
                _ => return false,
            };
        }
        match &value.kind {
            ExprKind::Literal(literal) => self.takes_literal(value.id, literal, ty.base()),
            ExprKind::Record(record) if matches!(ty, Ty::Map(..)) => {
                let around = self.target.len();
                let names = path.segments.iter().filter_map(|segment| match &segment.kind {
                    SegmentKind::Key(name) => Some(Subject::Field(name.clone())),
                    SegmentKind::Index(_) => None,
                });
                self.target.extend(names);
                let reads = std::mem::replace(&mut self.reads_request, false);
                self.entries(record, ty, false);
                self.reads_request = reads;
                self.target.truncate(around);
                true
            }
            _ => false,
        }
    }

    /// Whether a literal is of a type as it is written.
    fn takes_literal(&mut self, node: NodeId, literal: &Literal, ty: &Ty) -> bool {
        match (literal, ty) {
            (Literal::String(_) | Literal::Raw(_) | Literal::Date(_), Ty::String)
            | (Literal::Int(_), Ty::Int)
            | (Literal::Float(_), Ty::Float)
            | (Literal::Bool(_), Ty::Bool) => true,
            (Literal::String(_), Ty::Union(arms)) => {
                arms.iter().any(|arm| matches!(arm, Ty::Literal(it) if it == literal))
            }
            (Literal::Unit(text), Ty::Quantity) => match notation::unit(text) {
                Ok(
                    notation::Unit::Quantity(quantity) | notation::Unit::Ambiguous { quantity, .. },
                ) => {
                    self.result.units.insert(node, Data::Quantity(quantity));
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// A choice between records as what taking it in gives: the fields of any of them, absent where one
    /// of them has no such field.
    fn joined_records(&self, ty: Ty) -> Ty {
        let Ty::Union(arms) = &ty else { return ty };
        if !arms.iter().all(|arm| matches!(arm, Ty::Record(_) | Ty::Schema(_) | Ty::Object(_))) {
            return ty;
        }
        let mut fields: Vec<(Name, Ty)> = Vec::new();
        for name in arms.iter().flat_map(|arm| field_names(self.db, self.workspace, arm)) {
            if fields.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let found: Vec<Option<Ty>> =
                arms.iter().map(|arm| field_type(self.db, self.workspace, arm, &name)).collect();
            let everywhere = found.iter().all(Option::is_some);
            let ty = Ty::union(found.into_iter().flatten());
            fields.push((name, if everywhere { ty } else { ty.optional() }));
        }
        Ty::Record(Arc::new(RecordTy { fields, open: false }))
    }

    fn spread(&mut self, value: &Expr, found: &Ty, base: &Ty, own: &mut Vec<(Name, Ty)>) {
        // Of a request, what its schema has: the name and namespace are its own.
        let fields = match (found, base) {
            (Ty::Request(id), Ty::Schema(_)) => &Ty::Schema(*id),
            _ => found,
        };
        let found = fields;
        self.spreads.insert(value.id, found.clone());
        match found.base() {
            Ty::Unknown | Ty::Any => {}
            Ty::Map(_, inner) => match base {
                Ty::Map(_, wanted) if !fits(self.db, self.workspace, inner, wanted) => {
                    self.mismatch(value, found, base);
                }
                _ => {}
            },
            Ty::Record(_) | Ty::Schema(_) | Ty::Request(_) | Ty::Object(_) | Ty::Kind(_) => {
                for name in field_names(self.db, self.workspace, found) {
                    let Some(ty) = field_type(self.db, self.workspace, found, &name) else {
                        continue;
                    };
                    match base {
                        Ty::Unknown => {
                            own.retain(|(known, _)| *known != name);
                            own.push((name, ty));
                        }
                        _ => match field_type(self.db, self.workspace, base, &name) {
                            Some(wanted) => {
                                if !fits(self.db, self.workspace, ty.present(), wanted.present()) {
                                    self.target.push(Subject::Field(name));
                                    self.mismatch(value, &ty, &wanted);
                                    self.target.pop();
                                    self.poison(value.id);
                                }
                            }
                            None => {
                                if !matches!(base, Ty::Record(record) if record.open) {
                                    self.report(self.error(
                                        code::UNKNOWN_FIELD,
                                        value.id,
                                        format!(
                                            "this brings in `{name}`, which {} does not have",
                                            self.show(base)
                                        ),
                                    ));
                                    self.poison(value.id);
                                }
                            }
                        },
                    }
                }
            }
            other => {
                let found = describe_type(self.db, self.workspace, other);
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    value.id,
                    format!("`...` takes in a record or map, not {found}"),
                ));
                self.poison(value.id);
            }
        }
    }

    fn entry(
        &mut self,
        entry: &Entry,
        path: &FieldPath,
        append: bool,
        value: &Expr,
        base: &Ty,
        own: &mut Vec<(Name, Ty)>,
    ) {
        let around = self.target.len();
        let told = self.result.diagnostics.len();
        let (ty, parent) = self.path_type(path, base);
        if let Some(sight) = &mut self.sight {
            sight.wanted.insert(value.id, ty.clone());
        }
        let names_requests =
            matches!(&ty, Ty::List(item, _) if matches!(**item, Ty::Outputs(None)));
        let reads = std::mem::replace(&mut self.reads_request, names_requests);
        let in_object = self.in_object;
        self.in_object = match record_arm(base.base()) {
            Ty::Object(_) | Ty::Kind(_) => true,
            Ty::Schema(_) | Ty::Request(_) => false,
            _ => in_object,
        };
        if self.in_object && !append {
            results(value, &mut |result| {
                self.leavable.insert(result.id);
            });
        }
        if let ExprKind::Hole = value.kind {
            // Half typed: the parser has said so, and the name may not be whole yet.
            self.result.diagnostics.truncate(told);
        }
        let first = match &path.segments[0].kind {
            SegmentKind::Key(name) => Some(name.clone()),
            SegmentKind::Index(_) => None,
        };
        if matches!(ty, Ty::Unknown) && self.result.poisoned.contains(&path.id) {
            // The field is unknown: what is wrong inside its value is still worth saying, but
            // nothing is known of what it should be.
            self.result.poisoned.insert(entry.id);
        }
        let found = if append {
            match ty.base() {
                Ty::List(..) | Ty::Unknown => self.check(value, ty.present()),
                other => {
                    let shown = describe_type(self.db, self.workspace, other);
                    self.report(
                        self.error(
                            code::TYPE_MISMATCH,
                            entry.id,
                            format!("`+=` adds to lists; this is {shown}"),
                        )
                        .help("write `=`: maps and records merge by themselves"),
                    );
                    self.poison(entry.id)
                }
            }
        } else if matches!(value.kind, ExprKind::Literal(Literal::None)) {
            self.remove(value, path, &ty, &parent);
            Ty::None
        } else if let ExprKind::Record(inner) = &value.kind
            && can_be_record(&ty)
        {
            let found = self.entries(inner, &ty, false);
            if self.result.poisoned.contains(&inner.id) {
                self.result.poisoned.insert(value.id);
            }
            found
        } else if let ExprKind::Named { path, record } = &value.kind
            && self.partial
        {
            // In a layer, what is not said here may be said by another.
            let found = self.named(value, path, record, true);
            if !fits(self.db, self.workspace, &found, &ty) {
                self.mismatch(value, &found, &ty);
                self.poison(value.id)
            } else {
                found
            }
        } else if matches!(parent, Ty::Map(..)) {
            // An entry that is `none` is not there.
            self.check(value, &ty.clone().optional())
        } else {
            self.check(value, &ty)
        };
        self.reads_request = reads;
        self.in_object = in_object;
        self.target.truncate(around);
        if matches!(base, Ty::Unknown) {
            let found = if path.segments.len() > 1 {
                path.segments[1..].iter().rev().fold(found, |inner, segment| match &segment.kind {
                    SegmentKind::Key(name) => Ty::Record(Arc::new(RecordTy {
                        fields: vec![(name.clone(), inner)],
                        open: false,
                    })),
                    SegmentKind::Index(_) => Ty::Unknown,
                })
            } else {
                found
            };
            match first {
                Some(name) => match own.iter_mut().find(|(known, _)| *known == name) {
                    // Several paths may lead into one record.
                    Some((_, known)) => {
                        *known = stepped(std::mem::replace(known, Ty::Unknown), found)
                    }
                    None => own.push((name, found)),
                },
                None => own.push((Name::default(), found)),
            }
        }
    }

    /// `path = none`: takes an optional field, a map entry or a keyed element out.
    fn remove(&mut self, value: &Expr, path: &FieldPath, ty: &Ty, parent: &Ty) {
        let last = path.segments.last().expect("a path has a segment");
        let keyed = matches!(last.kind, SegmentKind::Index(_));
        let in_map = matches!(parent, Ty::Map(..));
        if keyed || ty.is_optional() || in_map {
            return;
        }
        let SegmentKind::Key(name) = &last.kind else { return };
        self.report(
            self.error(
                code::TYPE_MISMATCH,
                value.id,
                format!("`{name}` cannot be `none`: it is required"),
            )
            .label(format!("takes {}", describe_type(self.db, self.workspace, ty))),
        );
        self.poison(value.id);
    }

    /// The type at the end of a path from `base`, and that of the record in which the last step is
    /// taken. The way is added to the target.
    fn path_type(&mut self, path: &FieldPath, base: &Ty) -> (Ty, Ty) {
        let mut ty = base.clone();
        let mut container = Ty::Unknown;
        for segment in &path.segments {
            container = record_arm(ty.base()).clone();
            if let Some(sight) = &mut self.sight {
                sight.containers.insert(segment.id, ty.clone());
            }
            match &segment.kind {
                SegmentKind::Key(name) => {
                    if name.is_empty() {
                        return (self.poison(path.id), container);
                    }
                    self.target.push(Subject::Field(name.clone()));
                    if arms::is_choice(&ty) {
                        let reached = arms::reached(&ty, |arm| self.settable(arm, name));
                        ty = match reached {
                            Some(found) => found,
                            None => {
                                self.unknown_field(segment.id, name, &ty);
                                return (self.poison(path.id), container);
                            }
                        };
                        continue;
                    }
                    ty = match self.settable(&container, name) {
                        Some(found) => found,
                        // What an open record takes beyond its fields, nothing is known of.
                        None if matches!(&container, Ty::Record(record) if record.open) => {
                            Ty::Unknown
                        }
                        None => {
                            self.unknown_field(segment.id, name, &container);
                            return (self.poison(path.id), container);
                        }
                    };
                }
                SegmentKind::Index(keys) => match &container {
                    Ty::Map(key, value) => {
                        if let [only] = keys.as_slice() {
                            self.part(only, key, "the key of a map");
                        }
                        ty = (**value).clone();
                    }
                    Ty::List(item, Keys::By(fields)) => {
                        self.element_keys(segment.id, keys, item, fields);
                        ty = (**item).clone();
                    }
                    Ty::Unknown | Ty::Any | Ty::Record(_) => {
                        keys.iter().for_each(|key| {
                            self.check(key, &Ty::String);
                        });
                        ty = Ty::Unknown;
                    }
                    other => {
                        let found = describe_type(self.db, self.workspace, other);
                        let help = match other {
                            Ty::List(..) => {
                                "this list has no key, so its elements have no names: a later layer replaces it as a whole"
                            }
                            _ => "brackets reach an element of a keyed list or an entry of a map",
                        };
                        self.report(
                            self.error(
                                code::TYPE_MISMATCH,
                                segment.id,
                                format!("brackets do not go with {found}"),
                            )
                            .help(help),
                        );
                        return (self.poison(path.id), container);
                    }
                },
            }
        }
        (ty, container)
    }

    /// Refuses an element of a keyed list that is written without its key: nothing could merge it.
    fn key_is_there(&mut self, element: &Expr, keys: &[(Name, Option<Literal>)]) {
        let ExprKind::Record(record) = &element.kind else { return };
        let sets = |name: &Name| {
            record.entries.iter().any(|entry| match &entry.kind {
                EntryKind::Set { path, .. } => {
                    matches!(&path.segments[0].kind, SegmentKind::Key(key) if key == name)
                }
                _ => true,
            })
        };
        for (name, _) in keys.iter().filter(|(name, default)| default.is_none() && !sets(name)) {
            let list = match self.target.last() {
                Some(Subject::Field(list)) => format!("`{list}`"),
                _ => "a keyed list".to_string(),
            };
            self.report(
                self.error(
                    code::MISSING_FIELD,
                    element.id,
                    format!("this element of {list} lacks its key `{name}`"),
                )
                .help("layers find an element by its key"),
            );
            self.poison(element.id);
        }
    }

    fn element_keys(
        &mut self,
        node: NodeId,
        keys: &[Expr],
        item: &Ty,
        fields: &[(Name, Option<Literal>)],
    ) {
        let needed = fields.iter().take_while(|(_, default)| default.is_none()).count().max(1);
        if keys.len() > fields.len() || keys.len() < needed {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            self.report(self.error(
                code::WRONG_ARGUMENTS,
                node,
                format!("the key of this list is {}", list(&names, "and")),
            ));
        }
        for (key, (name, _)) in keys.iter().zip(fields) {
            let wanted = field_type(self.db, self.workspace, item, name).unwrap_or(Ty::Unknown);
            if let ExprKind::Literal(Literal::Int(_)) = key.kind
                && !matches!(number_base(&wanted), Ty::Int | Ty::Unknown)
            {
                self.report(
                    self.error(
                        code::TYPE_MISMATCH,
                        key.id,
                        format!("this list is keyed: an element is reached by its `{name}`, not by its position"),
                    )
                    .help(format!("write `[\"…\"]` with its `{name}`")),
                );
                self.poison(key.id);
                continue;
            }
            self.target.push(Subject::Field(name.clone()));
            self.check(key, wanted.present());
            self.target.pop();
        }
    }

    fn shape_of(&mut self, id: ItemId) -> &'a Schema {
        match self.shape {
            Some((known, shape)) if known == id => shape,
            _ => self.shape.insert((id, schema(self.db, self.workspace, id))).1,
        }
    }

    /// The type that a field can be set to.
    fn settable(&mut self, container: &Ty, name: &Name) -> Option<Ty> {
        if let Ty::Request(schema_id) = container {
            if let Some(field) = self.shape_of(*schema_id).field(name) {
                return Some(field.ty.clone());
            }
            if !BUILT_IN_FIELDS.contains(&name.as_str()) {
                return None;
            }
            return Some(match name.as_str() {
                "after" => Ty::List(Arc::new(Ty::Outputs(None)), Keys::Plain),
                "name" | "namespace" => {
                    let label = prelude_type(self.db, self.workspace, "DnsLabel");
                    if name == "namespace" { label.optional() } else { label }
                }
                other => built_in_field(other).map_or(Ty::Unknown, |(_, set)| set),
            });
        }
        match (field_type(self.db, self.workspace, container, name), container) {
            // `{ a: T, ... }` accepts more than it knows.
            (None, Ty::Record(record)) if record.open => Some(Ty::Unknown),
            (found, _) => found,
        }
    }

    fn unknown_field(&mut self, node: NodeId, name: &str, container: &Ty) {
        let names = field_names(self.db, self.workspace, container);
        let known = names.iter().map(Name::as_str);
        let unknown = |message: String| self.error(code::UNKNOWN_FIELD, node, message);
        let error = match container {
            Ty::Bool
            | Ty::Int
            | Ty::Float
            | Ty::String
            | Ty::Quantity
            | Ty::Duration
            | Ty::Literal(_)
            | Ty::Union(_)
            | Ty::List(..) => {
                let found = describe_type(self.db, self.workspace, container);
                let error = unknown(format!("there is no `{name}` here: this is {found}"));
                match container {
                    Ty::List(_, Keys::By(_)) => error.help(format!(
                        "an element is reached by its key in brackets: `[\"{name}\"]`"
                    )),
                    _ => error,
                }
            }
            Ty::Kind(_) if name == "apiVersion" || name == "kind" => {
                unknown(format!("`{name}` is written by Plumb, from the kind before the braces"))
                    .help("leave it out")
            }
            Ty::Schema(_) if name == "name" && self.item.kind(self.db) == Kind::Environment => {
                unknown("an environment is called by the word before its `:`".into())
                    .help("leave it out: `environment.name` is built in")
            }
            Ty::Environment(_) => unknown(format!("the environment has no field `{name}`"))
                .suggest(self.place(node), name, known),
            Ty::Outputs(Some(id)) => {
                unknown(format!("`{}` has no output `{name}`", id.name(self.db)))
                    .suggest(self.place(node), name, known)
                    .related(name_place(self.db, *id), "the request")
            }
            Ty::Nested(id) => unknown(format!("`{}` has no output `{name}`", id.name(self.db)))
                .suggest(self.place(node), name, known)
                .related(name_place(self.db, *id), "the schema"),
            Ty::Schema(id) | Ty::Request(id) => {
                unknown(format!("`{}` has no field `{name}`", self.show(container)))
                    .suggest(self.place(node), name, known)
                    .related(name_place(self.db, *id), "the schema")
            }
            _ => unknown(format!("{} has no field `{name}`", capital(&self.show(container))))
                .suggest(self.place(node), name, known),
        };
        if let Ty::Object(_) | Ty::Kind(_) = container
            && name != "apiVersion"
            && name != "kind"
        {
            let facts = kubernetes(self.db, self.workspace);
            let object = match container {
                Ty::Object(object) => *object,
                Ty::Kind(kind) => facts.kind_facts(*kind).object,
                _ => return,
            };
            // What another version has is no slip of the pen.
            let when = versions::elsewhere(self.db, self.workspace, |it| {
                it.has_object(object) && it.object(object).field(name).is_some()
            });
            if let Some(when) = when {
                let shown = versions::shown(self.db, self.workspace);
                self.report(Diagnostic {
                    fix: None,
                    ..error.help(format!("it {when}; this is checked against {shown}"))
                });
                return;
            }
        }
        let error = match &error.fix {
            None => self.elsewhere(error, node, name, container),
            Some(_) => error,
        };
        if let Some((_, _, near)) = &error.fix {
            self.result.meant.insert(node, near.as_str().into());
        }
        self.report(error);
    }

    /// Kubernetes' objects nest: says where a field is that was written too high up.
    fn elsewhere(&self, error: Diagnostic, node: NodeId, name: &str, container: &Ty) -> Diagnostic {
        if !matches!(container, Ty::Object(_) | Ty::Kind(_)) {
            return error;
        }
        let mut level: Vec<(String, Ty)> = vec![(String::new(), container.clone())];
        for _ in 0..4 {
            let mut inner = Vec::new();
            for (path, ty) in &level {
                for part in ["metadata", "spec", "template"] {
                    if let Some(ty) = field_type(self.db, self.workspace, ty, part) {
                        inner.push((format!("{path}{part}."), ty.base().clone()));
                    }
                }
            }
            level = inner;
            for (path, ty) in &level {
                if field_type(self.db, self.workspace, ty, name).is_some() {
                    let whole = format!("{path}{name}");
                    let mut error = error.help(format!("did you mean `{whole}`?"));
                    error.fix = Some((format!("change to `{whole}`"), self.place(node), whole));
                    return error;
                }
            }
        }
        let in_elements =
            field_names(self.db, self.workspace, container).into_iter().find(|list| {
                matches!(
                    field_type(self.db, self.workspace, container, list).as_ref().map(Ty::base),
                    Some(Ty::List(item, _))
                        if matches!(item.base(), Ty::Object(_))
                            && field_type(self.db, self.workspace, item, name).is_some()
                )
            });
        match in_elements {
            Some(list) => error.help(format!("the elements of `{list}` have it")),
            None => error,
        }
    }

    // What a literal leaves out.

    fn shape(&self, record: &Record) -> Shape {
        let mut shape = Shape::at(record.id);
        self.shape_into(record, &mut shape);
        shape
    }

    fn shape_into(&self, record: &Record, shape: &mut Shape) {
        for entry in &record.entries {
            match &entry.kind {
                EntryKind::Spread(value) => match self.spreads.get(&value.id).map(Ty::base) {
                    Some(
                        ty @ (Ty::Record(_)
                        | Ty::Schema(_)
                        | Ty::Request(_)
                        | Ty::Object(_)
                        | Ty::Kind(_)),
                    ) => {
                        for name in field_names(self.db, self.workspace, ty) {
                            let optional = field_type(self.db, self.workspace, ty, &name)
                                .is_none_or(|it| it.is_optional());
                            if !optional {
                                shape
                                    .fields
                                    .entry(name)
                                    .or_insert_with(|| Shape::at(value.id))
                                    .whole = true;
                            }
                        }
                    }
                    _ => shape.whole = true,
                },
                EntryKind::Set { path, value, .. } => {
                    let mut at = &mut *shape;
                    for segment in &path.segments {
                        match &segment.kind {
                            SegmentKind::Key(name) => {
                                at = at
                                    .fields
                                    .entry(name.clone())
                                    .or_insert_with(|| Shape::at(segment.id));
                            }
                            SegmentKind::Index(_) => at.whole = true,
                        }
                    }
                    match &value.kind {
                        ExprKind::Record(inner) => {
                            at.node = inner.id;
                            self.shape_into(inner, at);
                        }
                        _ => at.whole = true,
                    }
                }
                EntryKind::For { .. } => shape.whole = true,
            }
        }
    }

    fn missing(&mut self, shape: &Shape, ty: &Ty, node: NodeId) {
        if shape.whole {
            return;
        }
        let base = match arms::is_choice(ty) {
            true => self.result.records.get(&node).cloned().unwrap_or(Ty::Unknown),
            false => record_arm(ty.base()).clone(),
        };
        let mut lacking: Vec<Name> = required_fields(self.db, self.workspace, &base)
            .into_iter()
            .filter(|name| !shape.fields.contains_key(name))
            .collect();
        // OpenAPI does not say that an object needs a name; the server does.
        if let Ty::Kind(_) = base {
            let named = shape.fields.get("metadata").is_some_and(|metadata| {
                metadata.whole
                    || metadata.fields.contains_key("name")
                    || metadata.fields.contains_key("generateName")
            });
            if !named {
                lacking.insert(0, "metadata.name".into());
            }
        }
        lacking.retain(|name| {
            !shape.fields.values().any(|field| self.result.meant.get(&field.name) == Some(name))
        });
        if !lacking.is_empty() {
            let names: Vec<&str> = lacking.iter().map(Name::as_str).collect();
            let documentation = self.field_documentation(&base, &lacking[0]);
            let mut error = self.error(
                code::MISSING_FIELD,
                node,
                format!("{} lacks {}", capital(&self.show(&base)), list(&names, "and")),
            );
            error.help = documentation;
            self.report(error);
            self.poison(node);
        }
        for (name, inner) in &shape.fields {
            if let Some(ty) = field_type(self.db, self.workspace, &base, name)
                && can_be_record(&ty)
                && !matches!(record_arm(ty.base()), Ty::Map(..))
            {
                self.missing(inner, &ty, inner.node);
            }
        }
    }

    /// The first sentence of what Kubernetes says of a field.
    fn field_documentation(&self, ty: &Ty, field: &str) -> Option<String> {
        let facts = kubernetes(self.db, self.workspace);
        let object = match ty {
            Ty::Object(object) => *object,
            Ty::Kind(kind) => facts.kind_facts(*kind).object,
            _ => return None,
        };
        let text = plumb_kubernetes::documentation(facts.object(object).full_name, Some(field))?;
        let sentence = text.split(". ").next()?.trim().trim_end_matches('.').replace('\n', " ");
        Some(format!("{field}: {sentence}"))
    }

    // Expressions.

    /// The type of an expression that must fit `wanted`; says where it does not.
    fn check(&mut self, expr: &Expr, wanted: &Ty) -> Ty {
        let found = self.expr(expr, wanted);
        if fits(self.db, self.workspace, &found, wanted) {
            return found;
        }
        self.mismatch(expr, &found, wanted);
        self.poison(expr.id)
    }

    fn mismatch(&mut self, expr: &Expr, found: &Ty, wanted: &Ty) {
        // The branches of an `if` were asked for the same and have said so themselves.
        if self.result.poisoned.contains(&expr.id) {
            return;
        }
        if matches!(found, Ty::Optional(_))
            && fits(self.db, self.workspace, found.present(), wanted)
        {
            let what = match self.target.last() {
                Some(Subject::Field(name)) => format!("given to `{name}`"),
                Some(Subject::Element(list)) => format!("put into `{list}`"),
                Some(Subject::Part(part)) => format!("given to {part}"),
                Some(Subject::Result(name)) => format!("returned by `{name}`"),
                None => "read".to_string(),
            };
            self.maybe_none(expr, &what, "?? …");
            return;
        }
        let takes = describe_type(self.db, self.workspace, wanted);
        let (subject, verb) = match self.target.last() {
            Some(Subject::Field(name)) => (format!("`{name}`"), "takes"),
            Some(Subject::Element(list)) => (format!("an element of `{list}`"), "takes"),
            Some(Subject::Part(part)) => (part.to_string(), "takes"),
            Some(Subject::Result(name)) => (format!("`{name}`"), "returns"),
            None => ("this".to_string(), "takes"),
        };
        let literals: Vec<&str> = match wanted.base() {
            Ty::Union(arms) => arms
                .iter()
                .filter_map(|arm| match arm {
                    Ty::Literal(Literal::String(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            Ty::Literal(Literal::String(text)) => vec![text.as_str()],
            _ => Vec::new(),
        };
        if let Ty::Literal(literal) = found
            && !literals.is_empty()
        {
            let shown = display_literal(literal);
            let cannot = if verb == "returns" { "cannot return" } else { "cannot be" };
            let mut error =
                self.error(code::NOT_ONE_OF, expr.id, format!("{subject} {cannot} {shown}"));
            let near = match literal {
                Literal::String(text) => {
                    crate::diagnostics::nearest(text, literals.iter().copied())
                }
                _ => None,
            };
            let shown: Vec<String> = literals.iter().take(12).map(|it| format!("{it:?}")).collect();
            error.help = Some(match near {
                Some(near) => format!("did you mean {near:?}? It can be {}", shown.join(", ")),
                None => format!("it can be {}", shown.join(", ")),
            });
            error.fix = near.map(|near| {
                (format!("change to {near:?}"), self.place(expr.id), format!("{near:?}"))
            });
            self.report(error);
            return;
        }
        let found_text = self.found(found);
        let mut error = self.error(
            code::TYPE_MISMATCH,
            expr.id,
            format!("{subject} {verb} {takes}, not {found_text}"),
        );
        error.help = match (found, wanted.base()) {
            (Ty::Literal(Literal::String(text)), Ty::Int) if text.parse::<i64>().is_ok() => {
                error.fix =
                    Some(("write it without quotes".into(), self.place(expr.id), text.to_string()));
                Some(format!("write it without quotes: {text}"))
            }
            (Ty::Literal(Literal::String(text)), Ty::Bool) if text == "true" || text == "false" => {
                error.fix =
                    Some(("write it without quotes".into(), self.place(expr.id), text.to_string()));
                Some(format!("write it without quotes: {text}"))
            }
            (Ty::Literal(Literal::String(text)), Ty::Quantity | Ty::Duration)
                if notation::unit(text).is_ok() =>
            {
                error.fix =
                    Some(("write it without quotes".into(), self.place(expr.id), text.to_string()));
                Some(format!("write it without quotes: {text}"))
            }
            (
                Ty::Literal(literal @ (Literal::Int(_) | Literal::Bool(_) | Literal::Float(_))),
                Ty::String,
            ) => {
                let quoted = format!("{:?}", display_literal(literal));
                error.fix = Some(("quote it".into(), self.place(expr.id), quoted.clone()));
                Some(format!("quote it: {quoted}"))
            }
            (Ty::Int | Ty::Float | Ty::Bool | Ty::Quantity | Ty::Duration, Ty::String) => {
                Some("write it into a string: \"${…}\"".into())
            }
            (Ty::String | Ty::Refined(_), Ty::Union(_)) if !literals.is_empty() => Some(
                "declare where it comes from with that type, so that only these can be asked for"
                    .into(),
            ),
            (Ty::Literal(Literal::Int(number)), Ty::Duration) => {
                error.fix =
                    Some(("count it in seconds".into(), self.place(expr.id), format!("{number}s")));
                Some(format!("write its unit: `{number}s` for seconds, `{number}m` for minutes"))
            }
            (_, Ty::List(item, _)) if fits(self.db, self.workspace, found, item) => {
                Some("a list of one is written in brackets: `[…]`".into())
            }
            (Ty::List(..), Ty::Map(..)) => {
                Some("a map is written in braces: `{ name = value }`".into())
            }
            (Ty::Record(_) | Ty::Map(..), Ty::List(..)) => {
                Some("a list is written in brackets: `[{ … }, { … }]`".into())
            }
            (_, container @ (Ty::Object(_) | Ty::Schema(_) | Ty::Record(_)))
                if found.is_scalar() =>
            {
                self.only_required(container, found)
                    .map(|name| format!("it is a record: `{{ {name} = … }}`"))
            }
            _ => None,
        };
        // A spread is made of many values: one text in its place would mend nothing.
        if self.spreading {
            error.fix = None;
        }
        self.report(error);
    }

    /// The one required field of a record type, where this value would fit it.
    fn only_required(&self, container: &Ty, found: &Ty) -> Option<Name> {
        let required = required_fields(self.db, self.workspace, container);
        let [only] = required.as_slice() else { return None };
        let ty = field_type(self.db, self.workspace, container, only)?;
        fits(self.db, self.workspace, found, &ty).then(|| only.clone())
    }

    /// What was found, in a sentence: "a Quantity", "the Int 3".
    fn found(&self, ty: &Ty) -> String {
        match ty {
            Ty::Literal(literal) => {
                let base = display(self.db, self.workspace, &crate::types::literal_base(literal));
                format!("the {base} {}", display_literal(literal))
            }
            other => describe_type(self.db, self.workspace, other),
        }
    }

    /// Checks a value that a part of the language takes.
    fn part(&mut self, expr: &Expr, wanted: &Ty, part: &'static str) -> Ty {
        self.target.push(Subject::Part(part));
        let found = self.check(expr, wanted);
        self.target.pop();
        found
    }

    /// Checks the text after `else`. What is no text there, the parser spoke of.
    fn reason(&mut self, reason: Option<&Expr>) {
        let Some(reason) = reason else { return };
        match reason.kind {
            ExprKind::Literal(Literal::String(_) | Literal::Raw(_)) | ExprKind::Interpolated(_) => {
                self.check(reason, &Ty::String);
            }
            _ => {
                self.poison(reason.id);
            }
        }
    }

    /// Refuses logic in a request or overlay, once: what is inside it is not looked at again.
    fn no_logic(&mut self, node: NodeId, what: &str) {
        if self.site == Site::Data {
            let place = match self.item.kind(self.db) {
                Kind::Request => "a request",
                _ => "an overlay",
            };
            self.site = Site::Platform;
            self.report(
                self.error(
                    code::LOGIC_IN_REQUEST,
                    node,
                    format!("{what} has no place in {place}: it holds data only"),
                )
                .help("write an overlay for each environment, or let the platform's composition decide"),
            );
        }
    }

    fn expr(&mut self, expr: &Expr, wanted: &Ty) -> Ty {
        let site = self.site;
        let found = stacker::maybe_grow(64 << 10, 1 << 20, || self.expr_inner(expr, wanted));
        self.site = site;
        if let Some(sight) = &mut self.sight {
            sight.types.insert(expr.id, found.clone());
            sight.wanted.insert(expr.id, wanted.clone());
        }
        found
    }

    fn expr_inner(&mut self, expr: &Expr, wanted: &Ty) -> Ty {
        match &expr.kind {
            ExprKind::Hole => self.poison(expr.id),
            ExprKind::Literal(literal) => self.literal(expr, literal, wanted),
            ExprKind::Interpolated(parts) => {
                for part in parts {
                    if let StringPart::Value(value) = part {
                        let ty = self.expr(value, &Ty::Unknown);
                        if matches!(ty, Ty::Optional(_) | Ty::None) {
                            self.maybe_none(value, "written into a string", "?? \"…\"");
                        } else if !ty.is_scalar() {
                            let found = describe_type(self.db, self.workspace, &ty);
                            self.report(self.error(
                                code::TYPE_MISMATCH,
                                value.id,
                                format!("a string takes in scalars, not {found}"),
                            ));
                            self.poison(value.id);
                        }
                    }
                }
                Ty::String
            }
            ExprKind::Name(name) => self.name(expr, name, wanted),
            ExprKind::Field { base, name, optional } => self.field(expr, base, name, *optional),
            ExprKind::Index { base, keys } => self.index(expr, base, keys),
            ExprKind::Call { callee, args } => {
                // What a function takes is no part of an object yet.
                let in_object = std::mem::replace(&mut self.in_object, false);
                let found = self.call(expr, callee, args, wanted);
                self.in_object = in_object;
                found
            }
            ExprKind::Record(record) => {
                let wanted = if can_be_record(wanted) { wanted } else { &Ty::Unknown };
                let found = self.record(record, wanted, true);
                if self.result.poisoned.contains(&record.id) {
                    self.result.poisoned.insert(expr.id);
                }
                found
            }
            ExprKind::Named { path, record } => self.named(expr, path, record, false),
            ExprKind::List(elements) => {
                let item = list_item(wanted);
                let keyed = matches!(wanted.base(), Ty::List(_, Keys::By(_)));
                let before = self.partial;
                self.partial = before && (keyed || self.site != Site::Platform);
                let mut found = Vec::new();
                for element in elements {
                    if element.spread {
                        let ty = self.expr(&element.value, wanted.present());
                        let ty = joined(ty);
                        match ty.base() {
                            Ty::List(inner, _) => {
                                if matches!(ty, Ty::Optional(_)) {
                                    self.maybe_none(&element.value, "taken in", "?? []");
                                } else if !fits(self.db, self.workspace, inner, &item) {
                                    self.mismatch(&element.value, &ty, wanted);
                                    self.poison(element.value.id);
                                }
                                found.push((**inner).clone());
                            }
                            Ty::Unknown => found.push(Ty::Unknown),
                            other => {
                                let shown = describe_type(self.db, self.workspace, other);
                                self.report(self.error(
                                    code::TYPE_MISMATCH,
                                    element.value.id,
                                    format!("`...` in a list takes in a list, not {shown}"),
                                ));
                                self.poison(element.value.id);
                            }
                        }
                    } else {
                        let named = match self.target.last() {
                            Some(Subject::Field(name)) => Some(Subject::Element(name.clone())),
                            _ => None,
                        };
                        let pushed = named.is_some();
                        if let (Ty::List(_, Keys::By(keys)), true) = (wanted.base(), self.partial) {
                            self.key_is_there(&element.value, keys);
                        }
                        self.target.extend(named);
                        let ty = self.check(&element.value, &item);
                        if pushed {
                            self.target.pop();
                        }
                        found.push(if matches!(item, Ty::Unknown) { ty } else { item.clone() });
                    }
                }
                self.partial = before;
                let item = match found.is_empty() {
                    true => item,
                    false => widen(found),
                };
                Ty::List(Arc::new(item), Keys::Plain)
            }
            ExprKind::ListFor { clause, condition, value } => {
                self.no_logic(expr.id, "a loop");
                let before = self.locals.len();
                self.clause(clause);
                condition.iter().for_each(|it| {
                    self.part(it, &Ty::Bool, "`if`");
                });
                let item = list_item(wanted);
                let found = self.check(value, &item);
                self.locals.truncate(before);
                Ty::List(
                    Arc::new(if matches!(item, Ty::Unknown) { found } else { item }),
                    Keys::Plain,
                )
            }
            ExprKind::If { head, then, otherwise } => {
                self.no_logic(expr.id, "`if`");
                let before = self.locals.len();
                self.head(head);
                let a = self.check(then, wanted);
                self.locals.truncate(before);
                let b = self.check(otherwise, wanted);
                widen(vec![a, b])
            }
            ExprKind::Match { subject, arms } => self.matching(expr, subject, arms, wanted),
            ExprKind::Unary { op, operand } => match op {
                UnaryOp::Not => {
                    self.part(operand, &Ty::Bool, "`!`");
                    Ty::Bool
                }
                UnaryOp::Negate => {
                    let ty = self.expr(operand, wanted);
                    match (ty.base(), &operand.kind) {
                        (Ty::Literal(Literal::Int(value)), ExprKind::Literal(_))
                            if !matches!(wanted.base(), Ty::Literal(_) | Ty::Union(_)) =>
                        {
                            let _ = value;
                            Ty::Int
                        }
                        (Ty::Literal(Literal::Int(value)), _) => value
                            .checked_neg()
                            .map_or(Ty::Int, |value| Ty::Literal(Literal::Int(value))),
                        (Ty::Literal(Literal::Float(_)), _) => Ty::Float,
                        (Ty::Int | Ty::Float | Ty::Quantity | Ty::Duration | Ty::Unknown, _) => {
                            ty.base().clone()
                        }
                        (other, _) => {
                            let found = describe_type(self.db, self.workspace, other);
                            self.report(self.error(
                                code::TYPE_MISMATCH,
                                expr.id,
                                format!("`-` takes a number, not {found}"),
                            ));
                            self.poison(expr.id)
                        }
                    }
                }
            },
            ExprKind::Binary { op, left, right } => self.binary(expr, *op, left, right, wanted),
        }
    }

    fn literal(&mut self, expr: &Expr, literal: &Literal, wanted: &Ty) -> Ty {
        let base = wanted.base();
        // In a union a literal takes the arm that is its own kind, else one it can become.
        let takes = |ty: &Ty| match base {
            Ty::Union(arms) => arms.iter().any(|arm| arm.base() == ty),
            other => other == ty,
        };
        match literal {
            Literal::None => Ty::None,
            Literal::Null => match base {
                Ty::Any | Ty::Unknown => Ty::Null,
                _ => {
                    self.report(
                        self.error(code::TYPE_MISMATCH, expr.id, "nothing here can be `null`")
                            .help("for a value that is not there write `none`"),
                    );
                    self.poison(expr.id)
                }
            },
            Literal::Int(_) if takes(&Ty::Int) => Ty::Literal(literal.clone()),
            Literal::Int(_) if takes(&Ty::Float) => {
                self.result.coercions.insert(expr.id, Coercion::Float);
                Ty::Float
            }
            Literal::Int(_) | Literal::Float(_) if takes(&Ty::Quantity) => {
                self.result.coercions.insert(expr.id, Coercion::Quantity);
                Ty::Quantity
            }
            Literal::Float(_) => Ty::Float,
            Literal::Unit(text) => match notation::unit(text) {
                Err(why) => {
                    self.report(self.error(code::BAD_TOKEN, expr.id, why));
                    self.poison(expr.id)
                }
                Ok(notation::Unit::Quantity(quantity)) => {
                    self.result.units.insert(expr.id, Data::Quantity(quantity));
                    Ty::Quantity
                }
                Ok(notation::Unit::Duration(duration)) => {
                    self.result.units.insert(expr.id, Data::Duration(duration));
                    Ty::Duration
                }
                Ok(notation::Unit::Ambiguous { quantity, duration }) => {
                    if takes(&Ty::Quantity) && !takes(&Ty::Duration) {
                        self.result.units.insert(expr.id, Data::Quantity(quantity));
                        Ty::Quantity
                    } else if takes(&Ty::Duration) && !takes(&Ty::Quantity) {
                        self.result.units.insert(expr.id, Data::Duration(duration));
                        Ty::Duration
                    } else if matches!(base, Ty::Unknown | Ty::Any | Ty::Union(_)) {
                        self.report(
                            self.error(
                                code::AMBIGUOUS_UNIT,
                                expr.id,
                                format!("`{text}` may be a time, in minutes, or an amount, in thousandths"),
                            )
                            .help(format!("say which by a type: `let timeout: Duration = {text}`")),
                        );
                        self.poison(expr.id)
                    } else {
                        self.result.units.entry(expr.id).or_insert(Data::Quantity(quantity));
                        Ty::Quantity
                    }
                }
            },
            Literal::Date(_) => Ty::String,
            Literal::Raw(text) => Ty::Literal(Literal::String(text.clone())),
            other => Ty::Literal(other.clone()),
        }
    }

    fn name(&mut self, expr: &Expr, name: &Name, wanted: &Ty) -> Ty {
        let node = expr.id;
        if let Some(local) = self.locals.iter().rev().find(|it| it.name == *name) {
            self.result.resolutions.insert(node, Resolution::Local);
            if let Some(sight) = &mut self.sight {
                sight.locals.insert(node, local.node);
            }
            return local.ty.clone();
        }
        match name.as_str() {
            "it" => {
                if let Some(ty) = &self.it {
                    self.result.resolutions.insert(node, Resolution::It);
                    return ty.clone();
                }
            }
            "self" => {
                if let Some(ty) = &self.itself
                    && self.it.is_none()
                {
                    self.result.resolutions.insert(node, Resolution::Itself);
                    return ty.clone();
                }
            }
            _ => {}
        }
        if let Some(own) = self.own
            && let Some(field) = schema(self.db, self.workspace, own).field(name)
        {
            self.result.resolutions.insert(node, Resolution::OwnField);
            return field.ty.clone();
        }
        if name == "environment" {
            if matches!(self.site, Site::Pure | Site::Environment) {
                let what = match self.item.kind(self.db) {
                    Kind::Fn => "a function does not know the environment: pass what it needs",
                    Kind::Environment => "an environment cannot read itself",
                    _ => "a type is the same in every environment",
                };
                self.report(self.error(code::MISPLACED, node, what));
                return self.poison(node);
            }
            self.result.resolutions.insert(node, Resolution::Environment);
            return Ty::Environment(environment_schema(self.db, self.workspace));
        }
        match resolve_word(self.db, self.workspace, self.item.file(self.db), name) {
            Some(Target::Item(found)) => match found.kind(self.db) {
                Kind::Let => {
                    self.result.resolutions.insert(node, Resolution::Item(found));
                    self.let_type(found)
                }
                Kind::Request => self.request(node, found),
                other => {
                    let what = match other {
                        Kind::Fn => "a function: call it with its arguments in parentheses",
                        _ => "a type, not a value",
                    };
                    self.report(
                        self.error(code::TYPE_MISMATCH, node, format!("`{name}` is {what}"))
                            .related(name_place(self.db, found), "declared here"),
                    );
                    self.poison(node)
                }
            },
            Some(Target::Unknown) => self.poison(node),
            Some(_) => {
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    node,
                    format!("`{name}` is a package, not a value"),
                ));
                self.poison(node)
            }
            None => {
                let error = self.unknown_name(node, name, wanted);
                self.report(error);
                self.poison(node)
            }
        }
    }

    /// The error for a word that is no value, by what was probably meant: text without its quotes,
    /// a sibling without `self.`, a slip.
    fn unknown_name(&self, node: NodeId, name: &Name, wanted: &Ty) -> Diagnostic {
        let change = |error: Diagnostic, to: String| {
            let mut error = error.help(format!("did you mean `{to}`?"));
            error.fix = Some((format!("change to `{to}`"), self.place(node), to));
            error
        };
        let unknown =
            self.error(code::UNKNOWN_NAME, node, format!("nothing here is named `{name}`"));
        let truth = match name.to_lowercase().as_str() {
            "yes" | "on" | "true" => Some("true"),
            "no" | "off" | "false" => Some("false"),
            _ => None,
        };
        if let Some(truth) = truth
            && *wanted.base() == Ty::Bool
        {
            return change(unknown, truth.into());
        }
        let as_text = Ty::Literal(Literal::String(name.clone()));
        let is_text = fits(self.db, self.workspace, &as_text, wanted)
            && !matches!(wanted, Ty::Unknown | Ty::Any);
        let quoted = |error: Diagnostic| {
            let mut error = error.help(format!("if text was meant, quote it: \"{name}\""));
            error.fix = Some(("quote it".into(), self.place(node), format!("\"{name}\"")));
            error
        };
        if is_text && is_one_of(wanted) {
            return quoted(unknown);
        }
        if let Some(Ty::Request(_) | Ty::Schema(_)) = &self.itself
            && self.site != Site::Schema
            && self
                .itself
                .as_ref()
                .is_some_and(|ty| field_names(self.db, self.workspace, ty).contains(name))
        {
            let mut error = change(unknown, format!("self.{name}"));
            error.help = Some(format!("for the request's own field write `self.{name}`"));
            return error;
        }
        let binder = self.locals.iter().find(|it| matches!(it.ty, Ty::Request(_)));
        if let Some(Local { name: binder, ty, .. }) = binder {
            if name == "self" {
                return change(unknown, binder.to_string());
            }
            if field_names(self.db, self.workspace, ty).contains(name) {
                return change(unknown, format!("{binder}.{name}"));
            }
        }
        if Builtin::from_name(name).is_some() {
            return self.error(
                code::TYPE_MISMATCH,
                node,
                format!("`{name}` is a function: call it with its arguments in parentheses"),
            );
        }
        let mut locals: Vec<Name> = self.locals.iter().map(|it| it.name.clone()).collect();
        if let Some(own) = self.own {
            let fields = &schema(self.db, self.workspace, own).fields;
            locals.extend(fields.iter().map(|it| it.name.clone()));
        }
        if self.it.is_some() {
            locals.push("it".into());
        } else {
            locals.push("environment".into());
        }
        let ident = Ident { id: node, text: name.clone() };
        let error = unknown_word(self.db, self.workspace, self.item, &ident, &locals, Sense::Value);
        if error.help.is_some() {
            return error;
        }
        if self.it.is_some() {
            return error.help(
                "the condition of a type sees its value as `it`, and nothing around it; a condition across fields is a `require` of the schema",
            );
        }
        let anything = matches!(wanted, Ty::Unknown | Ty::Any);
        if is_text || anything && self.site == Site::Data { quoted(error) } else { error }
    }

    fn let_type(&mut self, found: ItemId) -> Ty {
        if circle(self.db, self.workspace, found).is_some() {
            return Ty::Unknown;
        }
        // A chain of lets may be as long as the text.
        let inference =
            stacker::maybe_grow(128 << 10, 4 << 20, || infer(self.db, self.workspace, found));
        inference.ty.clone().unwrap_or(Ty::Unknown)
    }

    /// A path that names a declaration of another package: `platform.sizes`.
    fn global(&self, expr: &Expr) -> Option<Target> {
        let names = chain(expr)?;
        if names.len() < 2
            || self.locals.iter().any(|it| it.name == names[0].text)
            || names.iter().any(Ident::is_hole)
        {
            return None;
        }
        let first = resolve_word(self.db, self.workspace, self.item.file(self.db), &names[0].text)?;
        if !matches!(
            first,
            Target::Package(_) | Target::Group(_) | Target::GroupVersion(..) | Target::Kubernetes
        ) {
            return None;
        }
        resolve_path(self.db, self.workspace, self.item, &names).ok()
    }

    fn field(&mut self, expr: &Expr, base: &Expr, name: &Ident, optional: bool) -> Ty {
        match self.global(expr) {
            Some(Target::Item(found)) if found.kind(self.db) == Kind::Let => {
                self.result.resolutions.insert(expr.id, Resolution::Item(found));
                return self.let_type(found);
            }
            Some(Target::Item(found)) if found.kind(self.db) == Kind::Request => {
                return self.request(expr.id, found);
            }
            _ => {}
        }
        let names = chain(expr);
        if let Some(names) = &names
            && !self.locals.iter().any(|it| it.name == names[0].text)
            && let Some(Target::Package(_)) =
                resolve_word(self.db, self.workspace, self.item.file(self.db), &names[0].text)
            && let Err(error) = resolve_path(self.db, self.workspace, self.item, names)
            && self.global(base).is_none_or(|it| matches!(it, Target::Package(_)))
        {
            self.result.diagnostics.extend(error);
            return self.poison(expr.id);
        }
        let before = std::mem::replace(&mut self.reads_request, true);
        let ty = self.expr(base, &Ty::Unknown);
        self.reads_request = before;
        if name.is_hole() {
            return self.poison(expr.id);
        }
        if self.result.poisoned.contains(&base.id) {
            return self.poison(expr.id);
        }
        if matches!(ty, Ty::Optional(_)) && !optional {
            self.maybe_none(base, "read", "?.");
            return self.poison(expr.id);
        }
        let found = match (ty.base(), name.text.as_str()) {
            (Ty::Quantity, "bytes") | (Ty::Duration, "seconds") => Some(Ty::Int),
            (Ty::Request(_), "used_by" | "uses") => {
                let resolution =
                    if name.text == "uses" { Resolution::Uses } else { Resolution::UsedBy };
                self.result.resolutions.insert(expr.id, resolution);
                let fields = vec![("name".into(), Ty::String), ("namespace".into(), Ty::String)];
                let neighbour = Ty::Record(Arc::new(RecordTy { fields, open: false }));
                Some(Ty::List(Arc::new(neighbour), Keys::Plain))
            }
            (Ty::Any, _) => {
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    expr.id,
                    "what is in an `Any` is not known: `match` on its type first",
                ));
                return self.poison(expr.id);
            }
            (container, field) => field_type(self.db, self.workspace, container, field),
        };
        match found {
            // Reading a map may find nothing.
            Some(found) if matches!(ty.base(), Ty::Map(..)) || optional => found.optional(),
            Some(found) => found,
            None => {
                let container = ty.base().clone();
                self.unknown_field(name.id, &name.text, &container);
                self.poison(expr.id)
            }
        }
    }

    /// A word that names another request.
    fn request(&mut self, node: NodeId, found: ItemId) -> Ty {
        if matches!(self.site, Site::Pure | Site::Environment) {
            let what = match self.item.kind(self.db) {
                Kind::Fn => "a function knows no requests: pass what it needs",
                Kind::Environment => "an environment knows no requests",
                _ => "a type knows no requests",
            };
            self.report(self.error(code::MISPLACED, node, what));
            return self.poison(node);
        }
        if !self.reads_request {
            let readable = crate::outputs::readable(self.db, self.workspace, found);
            let names: Vec<&str> = readable.iter().map(|(name, _)| name.as_str()).collect();
            let name = found.name(self.db);
            self.report(
                self.error(
                    code::TYPE_MISMATCH,
                    node,
                    format!("`{name}` is a request, not a value"),
                )
                .related(name_place(self.db, found), "declared here")
                .help(format!("read one of its outputs, `{name}.…`: {}", list(&names, "or"))),
            );
            return self.poison(node);
        }
        self.result.resolutions.insert(node, Resolution::Item(found));
        Ty::Outputs(Some(found))
    }

    fn index(&mut self, expr: &Expr, base: &Expr, keys: &[Expr]) -> Ty {
        let ty = self.expr(base, &Ty::Unknown);
        if matches!(ty, Ty::Optional(_)) {
            self.maybe_none(base, "read", "?? …");
        }
        if let Ty::List(_, by) = ty.base() {
            self.result.keys.insert(expr.id, by.clone());
        }
        match ty.base().clone() {
            Ty::List(item, Keys::By(fields)) => {
                self.element_keys(expr.id, keys, &item, &fields);
                (*item).clone().optional()
            }
            Ty::List(item, Keys::Plain) => {
                keys.iter().for_each(|key| {
                    self.part(key, &Ty::Int, "a position in a list");
                });
                // A position outside the list is an error where it is evaluated.
                (*item).clone()
            }
            Ty::Map(key, value) => {
                keys.iter().for_each(|it| {
                    self.part(it, &key, "the key of a map");
                });
                (*value).clone().optional()
            }
            Ty::Unknown => {
                keys.iter().for_each(|key| {
                    self.expr(key, &Ty::Unknown);
                });
                Ty::Unknown
            }
            Ty::Record(_) => {
                keys.iter().for_each(|key| {
                    self.check(key, &Ty::String);
                });
                if let [Expr { kind: ExprKind::Literal(Literal::String(name)), .. }] = keys
                    && let Some(found) = field_type(self.db, self.workspace, &ty, name)
                {
                    return found;
                }
                Ty::Unknown
            }
            other => {
                let found = describe_type(self.db, self.workspace, &other);
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    expr.id,
                    format!("brackets do not go with {found}"),
                ));
                self.poison(expr.id)
            }
        }
    }

    /// Advises against a kind that Kubernetes means to remove, in the server's words.
    fn deprecated(&mut self, path: &Path, kind: plumb_kubernetes::KindId) {
        let facts = kubernetes(self.db, self.workspace).kind_facts(kind);
        let Some(text) = facts.deprecated else { return };
        // "v1 Endpoints is deprecated in v1.33+, unavailable in …; use discovery.k8s.io/v1 EndpointSlice"
        let (what, instead) = match text.split_once("; ") {
            Some((what, instead)) => (what, Some(instead)),
            None => (text, None),
        };
        let mut advice = Diagnostic::warning(code::DEPRECATED_KIND, self.place(path.id), what);
        advice.help = instead.map(str::to_owned);
        self.report(advice);
    }

    fn named(&mut self, expr: &Expr, path: &Path, record: &Record, partial: bool) -> Ty {
        let ty = match resolve_path(self.db, self.workspace, self.item, &path.segments) {
            Ok(Target::Kind(kind)) => {
                self.deprecated(path, kind);
                Ty::Kind(kind)
            }
            Ok(Target::Object(object)) => Ty::Object(object),
            Ok(Target::Item(found)) if found.kind(self.db) == Kind::Schema => {
                if self.composites.contains(&expr.id) {
                    Ty::Request(found)
                } else {
                    Ty::Schema(found)
                }
            }
            Ok(Target::Unknown) => Ty::Unknown,
            Ok(_) => {
                self.report(
                    self.error(
                        code::TYPE_MISMATCH,
                        path.id,
                        format!("`{}` is no schema or kind", dotted(path)),
                    )
                    .help("a record without a type is written without a name before its braces"),
                );
                Ty::Unknown
            }
            Err(error) => {
                self.result.diagnostics.extend(error);
                Ty::Unknown
            }
        };
        let before = std::mem::replace(&mut self.partial, partial);
        self.record(record, &ty, true);
        self.partial = before;
        if matches!(ty, Ty::Unknown) {
            return self.poison(expr.id);
        }
        if self.result.poisoned.contains(&record.id) {
            self.result.poisoned.insert(expr.id);
        }
        ty
    }

    fn matching(&mut self, expr: &Expr, subject: &Expr, arms: &[Arm], wanted: &Ty) -> Ty {
        self.no_logic(expr.id, "`match`");
        let ty = self.expr(subject, &Ty::Unknown);
        self.result.patterns.insert(expr.id, ty.clone());
        // What no arm has taken yet.
        let all = cases(&ty);
        let mut left = all.clone();
        let mut any = false;
        let mut results = Vec::new();
        for arm in arms {
            let before = self.locals.len();
            match &arm.pattern {
                Pattern::Hole => {}
                Pattern::Any => any = true,
                Pattern::None => {
                    left.retain(|it| *it != Ty::None);
                }
                Pattern::Literals(literals) => {
                    for (node, literal) in literals {
                        let case = Ty::Literal(match literal {
                            Literal::Raw(text) => Literal::String(text.clone()),
                            other => other.clone(),
                        });
                        if !fits(self.db, self.workspace, &case, ty.present())
                            && !matches!(ty, Ty::Unknown)
                        {
                            let shown = display_literal(literal);
                            let found = describe_type(self.db, self.workspace, &ty);
                            self.report(self.error(
                                code::NOT_ONE_OF,
                                *node,
                                format!("this can never be {shown}: the value is {found}"),
                            ));
                        }
                        left.retain(|it| *it != case);
                    }
                }
                Pattern::Typed { name, ty: written } => {
                    let narrowed = self.lower(written);
                    let overlaps = |case: &Ty| {
                        fits(self.db, self.workspace, case, &narrowed)
                            || fits(self.db, self.workspace, &narrowed, case)
                    };
                    if !all.iter().any(overlaps) {
                        let shown = display(self.db, self.workspace, &narrowed);
                        let found = describe_type(self.db, self.workspace, &ty);
                        self.report(self.error(
                            code::NOT_ONE_OF,
                            written.id,
                            format!("this can never be a `{shown}`: the value is {found}"),
                        ));
                    }
                    left.retain(|it| !covers(self.db, self.workspace, &narrowed, it));
                    self.result.patterns.insert(arm.id, narrowed.clone());
                    self.bind(name, narrowed);
                }
            }
            results.push(self.check(&arm.value, wanted));
            self.locals.truncate(before);
        }
        if !any && !matches!(ty, Ty::Unknown) && !arms.is_empty() && !left.is_empty() {
            // Of a type with more values than can be listed, some literals may be taken.
            let some_taken = left == all && matches!(left.as_slice(), [one] if !is_one_value(one));
            let error = if some_taken {
                self.error(
                    code::INCOMPLETE_MATCH,
                    expr.id,
                    "this `match` has no arm for other values",
                )
                .help("add `_ => …`")
            } else {
                let shown: Vec<String> = left.iter().map(|it| self.show(it)).collect();
                self.error(
                    code::INCOMPLETE_MATCH,
                    expr.id,
                    format!("this `match` has no arm for {}", shown.join(", ")),
                )
                .help("add an arm for each, or `_ => …` for all others")
            };
            self.report(error);
        }
        widen(results)
    }

    fn call(&mut self, expr: &Expr, callee: &Expr, args: &[Arg], wanted: &Ty) -> Ty {
        let target = match &callee.kind {
            ExprKind::Name(name) if !self.locals.iter().any(|it| it.name == *name) => {
                match resolve_word(self.db, self.workspace, self.item.file(self.db), name) {
                    Some(Target::Item(found)) if found.kind(self.db) == Kind::Fn => Some(found),
                    Some(_) => None,
                    None => return self.call_builtin(expr, callee, name, args, wanted),
                }
            }
            ExprKind::Field { .. } => match self.global(callee) {
                Some(Target::Item(found)) if found.kind(self.db) == Kind::Fn => Some(found),
                _ => None,
            },
            _ => None,
        };
        self.no_logic(expr.id, "a call");
        let Some(found) = target else {
            let ty = self.expr(callee, &Ty::Unknown);
            if !self.result.poisoned.contains(&callee.id) {
                let shown = describe_type(self.db, self.workspace, &ty);
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    callee.id,
                    format!("only functions can be called; this is {shown}"),
                ));
            }
            args.iter().for_each(|arg| {
                self.expr(&arg.value, &Ty::Unknown);
            });
            return self.poison(expr.id);
        };
        self.result.resolutions.insert(callee.id, Resolution::Item(found));
        let Some((params, result)) = signature(self.db, self.workspace, found).clone() else {
            return self.poison(expr.id);
        };
        let mut given: Vec<bool> = vec![false; params.len()];
        let mut position = 0;
        for arg in args {
            let index = match &arg.name {
                Some(name) => match params.iter().position(|(param, _)| *param == name.text) {
                    Some(index) => Some(index),
                    None => {
                        self.report(
                            self.error(
                                code::WRONG_ARGUMENTS,
                                name.id,
                                format!(
                                    "`{}` has no parameter `{}`",
                                    found.name(self.db),
                                    name.text
                                ),
                            )
                            .suggest(
                                self.place(name.id),
                                &name.text,
                                params.iter().map(|(name, _)| name.as_str()),
                            ),
                        );
                        self.poison(expr.id);
                        None
                    }
                },
                None => {
                    position += 1;
                    Some(position - 1)
                }
            };
            match index {
                Some(index) if index < params.len() => {
                    if std::mem::replace(&mut given[index], true) {
                        self.report(self.error(
                            code::WRONG_ARGUMENTS,
                            arg.value.id,
                            format!("`{}` is given twice", params[index].0),
                        ));
                        self.poison(expr.id);
                    }
                    self.target.push(Subject::Field(params[index].0.clone()));
                    self.check(&arg.value, &params[index].1);
                    self.target.pop();
                }
                Some(_) => {
                    self.expr(&arg.value, &Ty::Unknown);
                    if position == params.len() + 1 {
                        self.report(
                            self.error(
                                code::WRONG_ARGUMENTS,
                                arg.value.id,
                                format!(
                                    "`{}` takes {} and no more",
                                    found.name(self.db),
                                    count(params.len(), "argument")
                                ),
                            )
                            .related(name_place(self.db, found), "declared here"),
                        );
                        self.poison(expr.id);
                    }
                }
                None => {
                    self.expr(&arg.value, &Ty::Unknown);
                }
            }
        }
        let lacking: Vec<&str> = params
            .iter()
            .zip(&given)
            .filter(|(_, given)| !**given)
            .map(|((name, _), _)| name.as_str())
            .collect();
        if !lacking.is_empty() && !self.result.poisoned.contains(&expr.id) {
            self.report(
                self.error(
                    code::WRONG_ARGUMENTS,
                    expr.id,
                    format!("`{}` also needs {}", found.name(self.db), list(&lacking, "and")),
                )
                .related(name_place(self.db, found), "declared here"),
            );
            self.poison(expr.id);
        }
        result
    }

    /// `initial(value, owner = "…")`: the field is set once and then left to its owner.
    fn initial(&mut self, expr: &Expr, callee: &Expr, args: &[Arg], wanted: &Ty) -> Ty {
        self.no_logic(expr.id, "`initial`");
        self.result.resolutions.insert(callee.id, Resolution::Initial);
        let [Arg { name: None, value }, Arg { name: Some(owner), value: by }] = args else {
            self.report(
                self.error(
                    code::WRONG_ARGUMENTS,
                    expr.id,
                    "`initial` takes a value, and the `owner` that the field is left to",
                )
                .help("write `initial(2, owner = \"hpa\")`"),
            );
            return self.poison(expr.id);
        };
        let ExprKind::Literal(Literal::String(by_text)) = &by.kind else {
            self.report(
                self.error(
                    code::WRONG_ARGUMENTS,
                    by.id,
                    "the owner of an `initial` field is a plain string",
                )
                .help("write `owner = \"hpa\"`"),
            );
            return self.poison(expr.id);
        };
        if owner.text != "owner" {
            self.report(
                self.error(
                    code::WRONG_ARGUMENTS,
                    owner.id,
                    format!("`initial` has no parameter `{}`", owner.text),
                )
                .suggest(self.place(owner.id), &owner.text, ["owner"]),
            );
            return self.poison(expr.id);
        }
        if !self.leavable.contains(&expr.id) {
            self.report(
                self.error(
                    code::MISPLACED,
                    expr.id,
                    "`initial` is the value of a field of a Kubernetes object, or a branch of it",
                )
                .help(
                    "write it where the object is: `spec.replicas = initial(2, owner = \"hpa\")`",
                ),
            );
            return self.poison(expr.id);
        }
        self.result.initials.insert(expr.id, by_text.clone());
        let found = self.check(value, wanted);
        if self.result.poisoned.contains(&value.id) {
            self.poison(expr.id);
        }
        found
    }

    fn call_builtin(
        &mut self,
        expr: &Expr,
        callee: &Expr,
        name: &Name,
        args: &[Arg],
        wanted: &Ty,
    ) -> Ty {
        match name.as_str() {
            "file" => {
                self.result.resolutions.insert(callee.id, Resolution::File);
                match args {
                    [
                        Arg {
                            name: None,
                            value:
                                Expr {
                                    kind: ExprKind::Literal(Literal::String(_) | Literal::Raw(_)),
                                    ..
                                },
                        },
                    ] => {}
                    _ => {
                        self.report(
                            self.error(code::WRONG_ARGUMENTS, expr.id, "`file` takes the name of a file of this package, as a plain string")
                                .help("write `file(\"app.conf\")`"),
                        );
                        return self.poison(expr.id);
                    }
                }
                return Ty::String;
            }
            "initial" => return self.initial(expr, callee, args, wanted),
            "secret" | "artifact" | "cluster_secret" | "manifest" | "error" => {
                return self.not_yet(expr.id, &format!("`{name}()` is"));
            }
            _ => {}
        }
        let Some(builtin) = Builtin::from_name(name) else {
            // Says that nothing has this name.
            if self.name(callee, name, &Ty::Unknown) != Ty::Unknown {
                self.report(self.error(
                    code::TYPE_MISMATCH,
                    callee.id,
                    format!("`{name}` is no function"),
                ));
            }
            args.iter().for_each(|arg| {
                self.expr(&arg.value, &Ty::Unknown);
            });
            return self.poison(expr.id);
        };
        self.no_logic(expr.id, "a call");
        self.result.resolutions.insert(callee.id, Resolution::Builtin(builtin));
        let before = self.result.poisoned.len();
        let types: Vec<Ty> = args.iter().map(|arg| self.expr(&arg.value, &Ty::Unknown)).collect();
        if let Some(named) = args.iter().find_map(|arg| arg.name.as_ref()) {
            self.report(self.error(
                code::WRONG_ARGUMENTS,
                named.id,
                "built-in functions take their arguments by place, without names",
            ));
            return self.poison(expr.id);
        }
        for (arg, ty) in args.iter().zip(&types) {
            if matches!(ty, Ty::Optional(_) | Ty::None) {
                self.maybe_none(&arg.value, &format!("given to `{name}`"), "?? …");
            }
        }
        if self.result.poisoned.len() > before {
            self.result.poisoned.insert(expr.id);
        }
        let bases: Vec<&Ty> = types.iter().map(Ty::base).collect();
        match builtin_type(builtin, &bases) {
            Some(ty) => {
                let coercion = match ty {
                    Ty::Quantity => Some(Coercion::Quantity),
                    Ty::Duration => Some(Coercion::Duration),
                    Ty::Float => Some(Coercion::Float),
                    _ => None,
                };
                if let (Builtin::Sum, Some(coercion)) = (builtin, coercion) {
                    self.result.coercions.insert(expr.id, coercion);
                }
                ty
            }
            None => {
                if !self.result.poisoned.contains(&expr.id) {
                    let shown: Vec<String> = types.iter().map(|ty| self.found(ty)).collect();
                    let given =
                        if shown.is_empty() { "nothing".into() } else { shown.join(" and ") };
                    // The first line opens the block that the signature stands in.
                    let usage = builtin.documentation().lines().nth(1).unwrap_or_default();
                    self.report(
                        self.error(
                            code::WRONG_ARGUMENTS,
                            expr.id,
                            format!("`{name}` does not take {given}"),
                        )
                        .help(format!("it is `{usage}`")),
                    );
                }
                self.poison(expr.id)
            }
        }
    }

    fn binary(&mut self, expr: &Expr, op: BinaryOp, left: &Expr, right: &Expr, wanted: &Ty) -> Ty {
        self.no_logic(expr.id, "a calculation");
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let sign = if op == BinaryOp::And { "`&&`" } else { "`||`" };
                self.part(left, &Ty::Bool, sign);
                self.part(right, &Ty::Bool, sign);
                Ty::Bool
            }
            BinaryOp::Otherwise => {
                let a = self.expr(left, &wanted.clone().optional());
                if !a.is_optional() && !self.result.poisoned.contains(&left.id) {
                    self.report(
                        Diagnostic::warning(
                            code::ALWAYS_THERE,
                            self.place(left.id),
                            "this is always there, so `??` never takes its right side",
                        )
                        .help("leave the `??` out"),
                    );
                }
                let inner = match wanted {
                    Ty::Unknown => a.present().base().clone(),
                    other => other.clone(),
                };
                let b = match (&inner, wanted) {
                    (_, Ty::Unknown) if can_be_record(&inner) || matches!(inner, Ty::List(..)) => {
                        self.check(right, &inner)
                    }
                    (_, Ty::Unknown) => self.expr(right, &inner),
                    _ => self.check(right, wanted),
                };
                if b.is_optional() {
                    Ty::union([a.present().clone(), b])
                } else {
                    widen(vec![a.present().clone(), b])
                }
            }
            BinaryOp::Matches => {
                let ty = self.expr(left, &Ty::String);
                if matches!(ty, Ty::Optional(_)) {
                    self.maybe_none(left, "matched", "?? \"\"");
                } else if !fits(self.db, self.workspace, &ty, &Ty::String) {
                    self.target.push(Subject::Part("`matches`"));
                    self.mismatch(left, &ty, &Ty::String);
                    self.target.pop();
                    self.poison(left.id);
                }
                match &right.kind {
                    ExprKind::Literal(Literal::Raw(pattern)) => {
                        if let Err(error) = crate::eval::pattern(pattern) {
                            self.report(
                                self.error(
                                    code::BAD_PATTERN,
                                    right.id,
                                    format!("this is no regular expression: {error}"),
                                )
                                .help("the syntax is Rust's: https://docs.rs/regex"),
                            );
                            self.poison(expr.id);
                        }
                    }
                    ExprKind::Hole => {
                        self.poison(expr.id);
                    }
                    _ => {
                        self.report(
                            self.error(code::BAD_PATTERN, right.id, "`matches` takes a raw string")
                                .help("write the pattern as r\"…\""),
                        );
                        self.poison(expr.id);
                    }
                }
                Ty::Bool
            }
            BinaryOp::Range => {
                self.part(left, &Ty::Int, "`..=`");
                self.part(right, &Ty::Int, "`..=`");
                Ty::List(Arc::new(Ty::Int), Keys::Plain)
            }
            BinaryOp::In => {
                if let ExprKind::Binary { op: BinaryOp::Range, left: low, right: high } =
                    &right.kind
                {
                    let ty = self.expr(left, &Ty::Unknown);
                    let mut base = number_base(&ty);
                    if matches!(ty, Ty::Optional(_)) {
                        self.maybe_none(left, "compared", "?? …");
                    } else if !matches!(
                        base,
                        Ty::Int | Ty::Float | Ty::Quantity | Ty::Duration | Ty::Unknown
                    ) {
                        let found = self.found(&ty);
                        self.report(self.error(
                            code::TYPE_MISMATCH,
                            left.id,
                            format!("only numbers are in a range, not {found}"),
                        ));
                        self.poison(left.id);
                        base = Ty::Unknown;
                    }
                    self.part(low, &base, "the range");
                    self.part(high, &base, "the range");
                    return Ty::Bool;
                }
                let container = self.expr(right, &Ty::Unknown);
                let item = match container.base() {
                    Ty::List(item, _) => (**item).clone(),
                    Ty::Map(key, _) => (**key).clone(),
                    Ty::String => Ty::String,
                    Ty::Record(_) => Ty::String,
                    Ty::Unknown => Ty::Unknown,
                    other => {
                        let found = describe_type(self.db, self.workspace, other);
                        self.report(self.error(
                            code::TYPE_MISMATCH,
                            right.id,
                            format!("`in` looks into a list, a map or a range, not {found}"),
                        ));
                        self.poison(expr.id);
                        Ty::Unknown
                    }
                };
                if matches!(container, Ty::Optional(_)) {
                    self.maybe_none(right, "searched", "?? []");
                }
                let found = self.expr(left, &widen(vec![item.clone()]));
                self.comparable(expr, &found, &item);
                Ty::Bool
            }
            // Comparisons do not chain, which the parser has said.
            _ if is_comparison(op) && is_compared(left) => self.poison(expr.id),
            BinaryOp::Equal | BinaryOp::NotEqual => {
                let (a, b) = self.operands(left, right, &Ty::Unknown);
                self.comparable(expr, &a, &b);
                Ty::Bool
            }
            BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => {
                let (a, b) = self.operands(left, right, &Ty::Unknown);
                for (side, ty) in [(left, &a), (right, &b)] {
                    if matches!(ty, Ty::Optional(_) | Ty::None) {
                        self.maybe_none(side, "compared", "?? …");
                    }
                }
                let (x, y) = (number_base(&a), number_base(&b));
                let ordered = |ty: &Ty| {
                    matches!(
                        ty,
                        Ty::Int
                            | Ty::Float
                            | Ty::String
                            | Ty::Quantity
                            | Ty::Duration
                            | Ty::Unknown
                    )
                };
                if !(ordered(&x) && ordered(&y) && (x == y || x == Ty::Unknown || y == Ty::Unknown))
                {
                    self.uncomparable(expr, &a, &b);
                }
                Ty::Bool
            }
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Remainder => self.arithmetic(expr, op, left, right, wanted),
        }
    }

    /// Both sides of an operator; a literal takes the type of the other side.
    fn operands(&mut self, left: &Expr, right: &Expr, wanted: &Ty) -> (Ty, Ty) {
        let hint = |ty: &Ty| match ty.base() {
            // Another list need not hold the very values of this one.
            Ty::List(item, keys) => Ty::List(Arc::new(number_base(item)), keys.clone()),
            other => other.clone(),
        };
        if literal_like(left) && !literal_like(right) {
            let b = self.expr(right, &Ty::Unknown);
            let a = self.expr(left, &hint(&b));
            (a, b)
        } else {
            let a = self.expr(left, &operand_hint(left, wanted));
            let b = self.expr(right, &hint(&a));
            (a, b)
        }
    }

    fn comparable(&mut self, expr: &Expr, a: &Ty, b: &Ty) {
        if matches!(a, Ty::None) || matches!(b, Ty::None) {
            return;
        }
        let (a, b) = (a.present(), b.present());
        // A value of a closed set is compared with what can be in it: anything else is a slip.
        if let (Ty::Union(_), Ty::Literal(_)) | (Ty::Literal(_), Ty::Union(_)) =
            (a.base(), b.base())
        {
            let (set, one) = if matches!(a.base(), Ty::Union(_)) { (a, b) } else { (b, a) };
            if !fits(self.db, self.workspace, one, set) {
                let found = self.show(one);
                let takes = describe_type(self.db, self.workspace, set);
                self.report(self.error(
                    code::NOT_ONE_OF,
                    expr.id,
                    format!("this is never {found}: the value is {takes}"),
                ));
                self.poison(expr.id);
            }
            return;
        }
        let (x, y) = (number_base(a), number_base(b));
        if x != y
            && !fits(self.db, self.workspace, &x, &y)
            && !fits(self.db, self.workspace, &y, &x)
        {
            self.uncomparable(expr, a, b);
        }
    }

    fn uncomparable(&mut self, expr: &Expr, a: &Ty, b: &Ty) {
        let poisoned = match &expr.kind {
            ExprKind::Binary { left, right, .. } => {
                self.result.poisoned.contains(&left.id) || self.result.poisoned.contains(&right.id)
            }
            _ => false,
        };
        if !poisoned {
            let message = match (number_base(a), number_base(b)) {
                (x, y) if x == y => format!("{} has no order", self.found(a)),
                _ => format!("{} cannot be compared with {}", self.found(a), self.found(b)),
            };
            self.report(self.error(code::TYPE_MISMATCH, expr.id, message));
        }
        self.poison(expr.id);
    }

    fn arithmetic(
        &mut self,
        expr: &Expr,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        wanted: &Ty,
    ) -> Ty {
        use BinaryOp::{Add, Divide, Multiply, Remainder, Subtract};
        let (a, b) = match op {
            // `2Gi * 2` and `1h / 2`: the number stays one.
            Multiply | Divide => (
                self.expr(left, &operand_hint(left, wanted)),
                self.expr(right, &operand_hint(right, wanted)),
            ),
            _ => self.operands(left, right, wanted),
        };
        for (side, ty) in [(left, &a), (right, &b)] {
            if matches!(ty, Ty::Optional(_) | Ty::None) {
                self.maybe_none(side, "calculated with", "?? …");
            }
        }
        if self.result.poisoned.contains(&left.id) || self.result.poisoned.contains(&right.id) {
            return self.poison(expr.id);
        }
        let (x, y) = (number_base(&a), number_base(&b));
        match (op, &x, &y) {
            (_, Ty::Unknown, _) | (_, _, Ty::Unknown) => Ty::Unknown,
            (_, Ty::Int, Ty::Int) => Ty::Int,
            (Add | Subtract | Multiply | Divide, Ty::Float, Ty::Float) => Ty::Float,
            (Multiply | Divide, Ty::Float, Ty::Int) => {
                if let ExprKind::Literal(Literal::Int(_)) = right.kind {
                    self.result.coercions.insert(right.id, Coercion::Float);
                    return Ty::Float;
                }
                self.no_arithmetic(expr, &a, &b)
            }
            (Add | Subtract, Ty::Quantity, Ty::Quantity) => Ty::Quantity,
            (Add | Subtract, Ty::Duration, Ty::Duration) => Ty::Duration,
            (Multiply, Ty::Quantity, Ty::Int) | (Multiply, Ty::Int, Ty::Quantity) => Ty::Quantity,
            (Multiply, Ty::Duration, Ty::Int) | (Multiply, Ty::Int, Ty::Duration) => Ty::Duration,
            (Add, Ty::List(i, _), Ty::List(j, _)) => {
                Ty::List(Arc::new(widen(vec![(**i).clone(), (**j).clone()])), Keys::Plain)
            }
            (Add, Ty::String, Ty::String) => Ty::String,
            (Remainder, _, _) | (_, _, _) => self.no_arithmetic(expr, &a, &b),
        }
    }

    fn no_arithmetic(&mut self, expr: &Expr, a: &Ty, b: &Ty) -> Ty {
        let ExprKind::Binary { op, .. } = &expr.kind else { return self.poison(expr.id) };
        let sign = match op {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            _ => "%",
        };
        let (x, y) = (self.found(a), self.found(b));
        let mut error = self.error(
            code::TYPE_MISMATCH,
            expr.id,
            format!("`{sign}` does not go with {x} and {y}"),
        );
        if *op == BinaryOp::Add && (a.base() == &Ty::String || b.base() == &Ty::String) {
            error = error.help("write values into a string: \"${…}\"");
        }
        self.report(error);
        self.poison(expr.id)
    }
}

/// What a literal sets, however it is written.
struct Shape {
    /// Where it is written, to point at what it lacks.
    node: NodeId,
    /// The field's name, where it was set first.
    name: NodeId,
    /// Set as a whole, by something that is no literal.
    whole: bool,
    fields: BTreeMap<Name, Shape>,
}

impl Shape {
    fn at(node: NodeId) -> Self {
        Shape { node, name: node, whole: false, fields: BTreeMap::new() }
    }
}

/// Whether an entry sets one name to a literal.
fn is_literal(entry: &Entry) -> bool {
    let EntryKind::Set { path, value, .. } = &entry.kind else { return false };
    matches!(path.segments.as_slice(), [PathSegment { kind: SegmentKind::Key(_), .. }])
        && matches!(value.kind, ExprKind::Literal(_))
}

/// Whether each entry of a literal, and of those inside it, begins with a field of its own: then
/// none can set what another does.
fn is_plain(record: &Record) -> bool {
    // Of more entries it is cheaper to keep what they set than to compare each to each.
    const FEW: usize = 16;
    let first = |entry: &Entry| match &entry.kind {
        EntryKind::Set { path, append: false, .. } => {
            let is_key =
                |it: &PathSegment| matches!(&it.kind, SegmentKind::Key(key) if !key.is_empty());
            match &path.segments[0].kind {
                SegmentKind::Key(key) if path.segments.iter().all(is_key) => Some(key.clone()),
                _ => None,
            }
        }
        _ => None,
    };
    record.entries.len() <= FEW
        && record.entries.iter().enumerate().all(|(at, entry)| {
            let EntryKind::Set { value, .. } = &entry.kind else { return false };
            let key = first(entry);
            key.is_some()
                && record.entries[..at].iter().all(|before| first(before) != key)
                && match &value.kind {
                    ExprKind::Record(inner) => is_plain(inner),
                    _ => true,
                }
        })
}

/// What the entries of a literal set.
#[derive(Default)]
struct Leaves {
    /// Where it is set, and whether as a leaf: nothing can be inside it.
    set: Option<(NodeId, bool)>,
    /// Where `+=` adds to it.
    added: Option<NodeId>,
    parts: BTreeMap<Name, Leaves>,
}

/// What an entry of a record without a type merges with that a spread brought in.
enum Met {
    /// A field whose type the entry must fit.
    Typed(Name, Ty),
    /// A record without a name, which braces add to.
    Record(Arc<RecordTy>),
}

/// What an entry merges with, of what its record takes in (`own`), or one around it does (`below`).
fn met(
    path: &FieldPath,
    value: &Expr,
    append: bool,
    own: &[(Name, Ty)],
    below: Option<&RecordTy>,
) -> Option<Met> {
    let of = |fields: &[(Name, Ty)], name: &Name| {
        fields.iter().find(|(known, _)| known == name).map(|(_, ty)| ty.clone())
    };
    let SegmentKind::Key(first) = &path.segments[0].kind else { return None };
    let whole = of(own, first).or_else(|| of(&below?.fields, first))?;
    let is_typed = |ty: &Ty| match ty {
        Ty::Record(_) | Ty::Unknown | Ty::Any => false,
        ty => ty.merges() || arms::is_choice(ty),
    };
    let mut at = whole.clone();
    for segment in &path.segments[1..] {
        at = match (at.base(), &segment.kind) {
            (Ty::Record(record), SegmentKind::Key(name)) => of(&record.fields, name)?,
            (inner, _) if is_typed(inner) => return Some(Met::Typed(first.clone(), whole)),
            _ => return None,
        };
    }
    match (&value.kind, at.base()) {
        (ExprKind::Record(_), Ty::Record(record)) => Some(Met::Record(record.clone())),
        (ExprKind::Record(_) | ExprKind::List(_), inner) if is_typed(inner) => {
            Some(Met::Typed(first.clone(), whole))
        }
        (_, Ty::List(..)) if append => Some(Met::Typed(first.clone(), whole)),
        _ => None,
    }
}

/// The type of what is set in two steps: records are merged, else the later one holds.
fn stepped(before: Ty, after: Ty) -> Ty {
    match (before, after) {
        (Ty::Record(before), Ty::Record(after)) => {
            let mut whole = (*before).clone();
            whole.open |= after.open;
            for (name, ty) in &after.fields {
                match whole.fields.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => {
                        *known = stepped(std::mem::replace(known, Ty::Unknown), ty.clone());
                    }
                    None => whole.fields.push((name.clone(), ty.clone())),
                }
            }
            Ty::Record(Arc::new(whole))
        }
        (_, after) => after,
    }
}

impl Leaves {
    /// Where this or something inside it is set first.
    fn first(&self) -> Option<NodeId> {
        let inside = self.parts.values().filter_map(Leaves::first).min();
        self.set.map(|(node, _)| node).into_iter().chain(inside).min()
    }
}

fn can_be_record(ty: &Ty) -> bool {
    matches!(
        record_arm(ty.base()),
        Ty::Map(..)
            | Ty::Record(_)
            | Ty::Schema(_)
            | Ty::Request(_)
            | Ty::Object(_)
            | Ty::Kind(_)
            | Ty::Environment(_)
            | Ty::Unknown
    )
}

fn list_item(wanted: &Ty) -> Ty {
    match wanted.base() {
        Ty::List(item, _) => (**item).clone(),
        Ty::Union(arms) => arms
            .iter()
            .find_map(|arm| match arm.base() {
                Ty::List(item, _) => Some((**item).clone()),
                _ => None,
            })
            .unwrap_or(Ty::Unknown),
        _ => Ty::Unknown,
    }
}

/// Whether a record says something of a field.
fn sets(record: &Record, field: &str) -> bool {
    record.entries.iter().any(|entry| match &entry.kind {
        EntryKind::Set { path, .. } => {
            matches!(&path.segments[0].kind, SegmentKind::Key(key) if key == field)
        }
        _ => false,
    })
}

/// One type for several values: the literals of one kind become that kind.
/// The kind of a Kubernetes object's type.
fn kind_of(ty: &Ty) -> Option<plumb_kubernetes::KindId> {
    match ty {
        Ty::Kind(kind) => Some(*kind),
        _ => None,
    }
}

/// The expressions that one can turn out to be: its branches, or itself.
fn results<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    match &expr.kind {
        ExprKind::If { then, otherwise, .. } => {
            results(then, visit);
            results(otherwise, visit);
        }
        ExprKind::Match { arms, .. } => arms.iter().for_each(|arm| results(&arm.value, visit)),
        _ => visit(expr),
    }
}

fn widen(types: Vec<Ty>) -> Ty {
    let mut types = types;
    types.dedup();
    match types.as_slice() {
        [] => Ty::Unknown,
        [one] => one.clone(),
        _ => Ty::union(types),
    }
}

fn number_base(ty: &Ty) -> Ty {
    match ty.base() {
        Ty::Literal(literal) => crate::types::literal_base(literal),
        Ty::Union(arms) => {
            let mut bases: Vec<Ty> = arms.iter().map(number_base).collect();
            bases.dedup();
            if bases.len() == 1 { bases.remove(0) } else { ty.base().clone() }
        }
        other => other.clone(),
    }
}

fn is_comparison(op: BinaryOp) -> bool {
    use BinaryOp::{Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, Matches, NotEqual};
    matches!(op, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual | In | Matches)
}

fn is_compared(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Binary { op, .. } if is_comparison(op))
}

/// What the type of a calculation says of an operand: what a number's `m` counts.
fn operand_hint(operand: &Expr, wanted: &Ty) -> Ty {
    match (&operand.kind, wanted.base()) {
        (ExprKind::Literal(Literal::Unit(_)), Ty::Quantity | Ty::Duration) => wanted.base().clone(),
        _ => Ty::Unknown,
    }
}

fn literal_like(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Unary { operand, .. } => literal_like(operand),
        ExprKind::List(elements) => elements.iter().all(|it| !it.spread && literal_like(&it.value)),
        _ => false,
    }
}

/// What the arms of a `match` have to take: the values of a type, one by one where they can be listed,
/// else the type.
fn cases(ty: &Ty) -> Vec<Ty> {
    match ty {
        Ty::Bool => vec![Ty::Literal(Literal::Bool(true)), Ty::Literal(Literal::Bool(false))],
        Ty::Optional(inner) => {
            let mut inner = cases(inner);
            inner.push(Ty::None);
            inner
        }
        Ty::Union(arms) => arms.iter().flat_map(cases).collect(),
        Ty::Refined(refined) => {
            let inner = cases(&refined.base);
            if inner.iter().all(is_one_value) { inner } else { vec![ty.clone()] }
        }
        other => vec![other.clone()],
    }
}

/// Whether every value of a case is one that a pattern of this type takes. One with a condition takes
/// those that fulfil it.
fn covers(db: &dyn Db, workspace: Workspace, pattern: &Ty, case: &Ty) -> bool {
    match pattern {
        Ty::Refined(_) => pattern == case,
        Ty::Optional(inner) => *case == Ty::None || covers(db, workspace, inner, case),
        Ty::Union(arms) => arms.iter().any(|arm| covers(db, workspace, arm, case)),
        _ => fits(db, workspace, case, pattern),
    }
}

fn is_one_value(ty: &Ty) -> bool {
    matches!(ty, Ty::Literal(_) | Ty::None | Ty::Null)
}

/// Whether a type is a choice of literals.
fn is_one_of(ty: &Ty) -> bool {
    match ty.base() {
        Ty::Literal(_) => true,
        Ty::Union(arms) => arms.iter().all(|arm| matches!(arm, Ty::Literal(_))),
        _ => false,
    }
}

fn capital(name: &str) -> String {
    format!("`{name}`")
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        other => format!("{other} {what}s"),
    }
}

/// A request of this name, with the package that has it.
fn request_elsewhere(db: &dyn Db, workspace: Workspace, name: &Name) -> Option<(Name, ItemId)> {
    crate::names::packages(db, workspace).keys().find_map(|path| {
        let package = crate::source::Package::new(db, workspace, path.clone());
        let found = *scope(db, package).names.get(name)?;
        (found.kind(db) == Kind::Request).then(|| (path.clone(), found))
    })
}

/// The schema that a request names.
#[salsa::tracked(returns(copy))]
pub fn request_schema(db: &dyn Db, workspace: Workspace, request: ItemId) -> Option<ItemId> {
    let tree = item(db, request).as_ref()?;
    let ItemKind::Request { schema, .. } = &tree.kind else { return None };
    resolve_schema(db, workspace, request, schema).ok()
}

/// The schema that an environment names.
#[salsa::tracked(returns(copy))]
pub fn environment_schema_of(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
) -> Option<ItemId> {
    let tree = item(db, environment).as_ref()?;
    let ItemKind::Environment { schema, .. } = &tree.kind else { return None };
    resolve_schema(db, workspace, environment, schema).ok()
}

/// The schema of a workspace's environments.
#[salsa::tracked(returns(copy))]
pub fn environment_schema(db: &dyn Db, workspace: Workspace) -> Option<ItemId> {
    environments(db, workspace).0.values().find_map(|id| environment_schema_of(db, workspace, *id))
}

/// The parameters and the result of a function; `None` where it is gone.
#[salsa::tracked]
pub fn signature(
    db: &dyn Db,
    workspace: Workspace,
    function: ItemId,
) -> Option<(Vec<(Name, Ty)>, Ty)> {
    let tree = item(db, function).as_ref()?;
    let ItemKind::Fn { params, result, .. } = &tree.kind else { return None };
    let mut lowering = Lowering::new(db, workspace, function);
    let params =
        params.iter().map(|param| (param.name.text.clone(), lowering.lower(&param.ty))).collect();
    Some((params, lowering.lower(result)))
}

/// The result type of a built-in for these argument types; `None` where it does not take them.
fn builtin_type(builtin: Builtin, args: &[&Ty]) -> Option<Ty> {
    use Builtin as B;
    let string = |ty: &Ty| matches!(number_base(ty), Ty::String | Ty::Unknown);
    let int = |ty: &Ty| matches!(number_base(ty), Ty::Int | Ty::Unknown);
    let plain = |ty: Ty| Ty::List(Arc::new(ty), Keys::Plain);
    let sortable = |ty: &Ty| {
        matches!(
            number_base(ty),
            Ty::Int | Ty::Float | Ty::String | Ty::Quantity | Ty::Duration | Ty::Unknown
        )
    };
    let summable = |ty: &Ty| {
        matches!(number_base(ty), Ty::Int | Ty::Float | Ty::Quantity | Ty::Duration | Ty::Unknown)
    };
    Some(match (builtin, args) {
        (B::Len, [Ty::List(..) | Ty::Map(..) | Ty::Record(_) | Ty::Unknown]) => Ty::Int,
        (B::Len, [text]) if string(text) => Ty::Int,
        (B::Keys, [Ty::Map(key, _)]) => plain((**key).clone()),
        (B::Keys, [Ty::Record(_) | Ty::Unknown]) => plain(Ty::String),
        (B::Values, [Ty::Map(_, value)]) => plain((**value).clone()),
        (B::Values, [Ty::Record(record)]) => {
            plain(Ty::union(record.fields.iter().map(|(_, ty)| ty.clone())))
        }
        (B::Values, [Ty::Unknown]) => plain(Ty::Unknown),
        (B::Sort, [Ty::List(item, _)]) if sortable(item) => plain((**item).clone()),
        (B::Unique, [Ty::List(item, _)]) => plain((**item).clone()),
        (B::Sort | B::Unique, [Ty::Unknown]) => plain(Ty::Unknown),
        (B::Join, [Ty::List(item, _), separator]) if item.is_scalar() && string(separator) => {
            Ty::String
        }
        (B::Join, [Ty::Unknown, separator]) if string(separator) => Ty::String,
        (B::Split, [text, separator]) if string(text) && string(separator) => plain(Ty::String),
        (B::Replace, [text, from, to]) if string(text) && string(from) && string(to) => Ty::String,
        (B::Lower | B::Upper | B::Trim | B::Base64, [text]) if string(text) => Ty::String,
        (B::Min | B::Max, [Ty::List(item, _)]) if sortable(item) => number_base(item),
        (B::Min | B::Max, [first, rest @ ..]) if !rest.is_empty() => {
            let base = number_base(first);
            let same = rest.iter().all(|ty| {
                let other = number_base(ty);
                other == base || other == Ty::Unknown || base == Ty::Unknown
            });
            if !(same && sortable(&base)) {
                return None;
            }
            base
        }
        (B::Min | B::Max | B::Sum, [Ty::Unknown]) => Ty::Unknown,
        (B::Sum, [Ty::List(item, _)]) if summable(item) => number_base(item),
        (B::Range, [a]) if int(a) => plain(Ty::Int),
        (B::Range, [a, b]) if int(a) && int(b) => plain(Ty::Int),
        (B::Digest | B::Yaml | B::Json, [_]) => Ty::String,
        (B::ParseYaml | B::ParseJson, [text]) if string(text) => Ty::Any,
        (B::Int, [ty])
            if matches!(
                number_base(ty),
                Ty::Int | Ty::Float | Ty::String | Ty::Quantity | Ty::Unknown
            ) =>
        {
            Ty::Int
        }
        (B::String, [ty]) if ty.is_scalar() => Ty::String,
        _ => return None,
    })
}

/// A choice between lists as what taking it in gives: a list of what any of them holds.
fn joined(ty: Ty) -> Ty {
    let Ty::Union(arms) = &ty else { return ty };
    let items: Option<Vec<Ty>> = arms
        .iter()
        .map(|arm| match arm.base() {
            Ty::List(item, _) if !matches!(arm, Ty::Optional(_)) => Some((**item).clone()),
            _ => None,
        })
        .collect();
    match items {
        // An empty list holds nothing that could be of the wrong type.
        Some(mut items) => {
            items.retain(|it| !matches!(it, Ty::Unknown));
            let item = if items.is_empty() { Ty::Unknown } else { Ty::union(items) };
            Ty::List(Arc::new(item), Keys::Plain)
        }
        None => ty,
    }
}
