//! Types: what a schema says, what Kubernetes says, and what fits what.

use crate::by_name::ByName;
use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, code};
use crate::items::{dotted, item, name_place};
use crate::names::{
    BUILT_IN_TYPES, Sense, Target, package_of, resolve_path, resolve_schema, unknown_word,
};
use crate::references::circle;
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::{self, Ident, ItemKind, Literal, MemberKind, Name, NodeId, TypeKind};
use crate::versions::{self, kubernetes};
use plumb_kubernetes::{KindId, Kubernetes, ListKind, ObjectId};
use rustc_hash::FxHashSet;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock, OnceLock};

/// A type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ty {
    /// Not known, since an error was reported where it would come from. Fits everything.
    Unknown,
    /// The type of `none`.
    None,
    /// The type of `null`.
    Null,
    /// `Bool`
    Bool,
    /// `Int`
    Int,
    /// `Float`
    Float,
    /// `String`
    String,
    /// `Quantity`
    Quantity,
    /// `Duration`
    Duration,
    /// What a schema leaves open.
    Any,
    /// `"small"`, `80`, `true`
    Literal(Literal),
    /// At least two arms, none of them a union.
    Union(Arc<[Ty]>),
    /// `T?`
    Optional(Arc<Ty>),
    /// `[T]`, `[T by name]`
    List(Arc<Ty>, Keys),
    /// `{K: V}`
    Map(Arc<Ty>, Arc<Ty>),
    /// `{ a: T }`
    Record(Arc<RecordTy>),
    /// A value of a schema.
    Schema(ItemId),
    /// A Kubernetes type that is part of objects.
    Object(ObjectId),
    /// A Kubernetes object.
    Kind(KindId),
    /// A type with a condition.
    Refined(Arc<Refined>),
    /// What only a request or an environment is: its fields, and those built in.
    Request(ItemId),
    /// The environment, of this schema.
    Environment(Option<ItemId>),
    /// Another request, of which only the outputs can be read; `None`: any.
    Outputs(Option<ItemId>),
    /// A composite of this schema that a composition emits, of which the outputs can be read.
    Nested(ItemId),
}

/// What nothing is known of, to be borrowed.
pub const UNKNOWN: &Ty = &Ty::Unknown;

/// How a list merges.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Keys {
    /// It does not: a later layer replaces it.
    Plain,
    /// By these fields, each with the value it has where it is left out.
    By(Arc<[(Name, Option<Literal>)]>),
}

/// A structural record type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RecordTy {
    /// In the order of the text.
    pub fields: Vec<(Name, Ty)>,
    /// Accepts more fields than these.
    pub open: bool,
}

impl RecordTy {
    /// The fields that a value must have.
    pub fn required(&self) -> impl Iterator<Item = &Name> {
        self.fields.iter().filter(|(_, ty)| !ty.is_optional()).map(|(name, _)| name)
    }
}

/// A type with a condition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Refined {
    /// What it refines.
    pub base: Ty,
    /// The condition.
    pub check: Check,
    /// The name it is declared by.
    pub name: Option<Name>,
}

/// The condition of a refined type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Check {
    /// The `where` of a type: the node of a [`TypeKind::Where`].
    Condition(ItemId, NodeId),
    /// An integer in these bounds, both included.
    Range(Option<i64>, Option<i64>),
    /// A reference to a container image.
    Image,
    /// A cron schedule.
    Cron,
    /// Base64.
    Base64,
    /// An RFC 3339 time.
    DateTime,
}

impl Ty {
    /// `T?`; an optional stays as it is.
    pub fn optional(self) -> Ty {
        match self {
            Ty::Optional(_) | Ty::Unknown | Ty::None | Ty::Any => self,
            other => Ty::Optional(Arc::new(other)),
        }
    }

    /// Without `?`.
    pub fn present(&self) -> &Ty {
        match self {
            Ty::Optional(inner) => inner,
            other => other,
        }
    }

    /// Without `?` and conditions.
    pub fn base(&self) -> &Ty {
        match self {
            Ty::Optional(inner) => inner.base(),
            Ty::Refined(refined) => refined.base.base(),
            other => other,
        }
    }

    /// Whether `none` may be there.
    pub fn is_optional(&self) -> bool {
        match self {
            Ty::Optional(_) | Ty::None | Ty::Any | Ty::Unknown => true,
            Ty::Union(arms) => arms.iter().any(Ty::is_optional),
            _ => false,
        }
    }

    /// The union of the arms: flattened, without doubles; `none` makes it optional.
    pub fn union(arms: impl IntoIterator<Item = Ty>) -> Ty {
        let mut flat: Vec<Ty> = Vec::new();
        let mut optional = false;
        let mut todo: Vec<Ty> = arms.into_iter().collect();
        todo.reverse();
        while let Some(arm) = todo.pop() {
            match arm {
                Ty::Unknown => return Ty::Unknown,
                Ty::None => optional = true,
                Ty::Optional(inner) => {
                    optional = true;
                    todo.push((*inner).clone());
                }
                Ty::Union(inner) => todo.extend(inner.iter().rev().cloned()),
                other => {
                    if !flat.contains(&other) {
                        flat.push(other);
                    }
                }
            }
        }
        let whole = match flat.len() {
            0 => return Ty::None,
            1 => flat.remove(0),
            _ => Ty::Union(flat.into()),
        };
        if optional { whole.optional() } else { whole }
    }

    /// Whether a value of it is complete as it is.
    pub fn is_plain(&self) -> bool {
        matches!(
            self,
            Ty::Unknown
                | Ty::None
                | Ty::Null
                | Ty::Bool
                | Ty::Int
                | Ty::Float
                | Ty::String
                | Ty::Quantity
                | Ty::Duration
                | Ty::Any
                | Ty::Literal(_)
        )
    }

    /// Whether values of it are records that merge field by field.
    pub fn merges(&self) -> bool {
        matches!(
            self.base(),
            Ty::Map(..)
                | Ty::Record(_)
                | Ty::Schema(_)
                | Ty::Object(_)
                | Ty::Kind(_)
                | Ty::List(_, Keys::By(_))
                | Ty::Any
                | Ty::Unknown
        )
    }

    /// Whether interpolation takes it.
    pub fn is_scalar(&self) -> bool {
        match self {
            Ty::Unknown
            | Ty::Bool
            | Ty::Int
            | Ty::Float
            | Ty::String
            | Ty::Quantity
            | Ty::Duration
            | Ty::Literal(_) => true,
            Ty::Union(arms) => arms.iter().all(Ty::is_scalar),
            Ty::Refined(refined) => refined.base.is_scalar(),
            _ => false,
        }
    }
}

/// The type of a literal's own kind: `String` for `"a"`.
pub fn literal_base(literal: &Literal) -> Ty {
    match literal {
        Literal::None => Ty::None,
        Literal::Null => Ty::Null,
        Literal::Bool(_) => Ty::Bool,
        Literal::Int(_) => Ty::Int,
        Literal::Float(_) => Ty::Float,
        Literal::Unit(_) => Ty::Unknown,
        Literal::Date(_) | Literal::String(_) | Literal::Raw(_) => Ty::String,
    }
}

/// A schema with everything it includes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schema {
    /// In order, included ones where the include stands.
    pub fields: Vec<Field>,
    /// Conditions across fields: the schema that has them, and which member.
    pub conditions: Vec<(ItemId, usize)>,
    /// `final` lines, likewise.
    pub finals: Vec<(ItemId, usize)>,
    /// The schemas it includes, at any depth.
    pub includes: Vec<ItemId>,
    /// What is wrong with its shape.
    pub diagnostics: Vec<Diagnostic>,
}

/// A field of a schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Ty,
    /// The schema that declares it.
    pub owner: ItemId,
    /// Which member of the owner.
    pub member: usize,
    /// The node of its name.
    pub node: NodeId,
    /// Whether it has a default.
    pub has_default: bool,
    /// `final` stood before it.
    pub is_final: bool,
}

impl Schema {
    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A schema with everything it includes.
#[salsa::tracked]
pub fn schema(db: &dyn Db, workspace: Workspace, id: ItemId) -> Schema {
    let mut result = Schema {
        fields: Vec::new(),
        conditions: Vec::new(),
        finals: Vec::new(),
        includes: Vec::new(),
        diagnostics: Vec::new(),
    };
    let mut open = vec![id];
    collect(db, workspace, id, None, &mut open, &mut result);
    result
}

/// How deep includes may nest.
const MAX_INCLUDES: usize = 64;

/// Adds the members of `id`; `from` is the include of the asked schema through which it came.
fn collect(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    from: Option<Place>,
    open: &mut Vec<ItemId>,
    result: &mut Schema,
) {
    let Some(tree) = item(db, id) else { return };
    let ItemKind::Schema { members, .. } = &tree.kind else { return };
    for (index, member) in members.iter().enumerate() {
        let here = from.unwrap_or(Place::Node(id, member.id));
        match &member.kind {
            MemberKind::Include(path) => match resolve_schema(db, workspace, id, path) {
                Ok(included) if open.contains(&included) => {
                    // A circle is one mistake: it is told at its first member.
                    let first = open.iter().min_by_key(|id| (id.file(db).path(db), id.name(db)));
                    if included == open[0] && first == Some(&open[0]) {
                        let names: Vec<&str> =
                            open.iter().chain([&included]).map(|id| id.name(db).as_str()).collect();
                        result.diagnostics.push(
                            Diagnostic::error(
                                code::CYCLE,
                                here,
                                format!("schema `{}` includes itself", included.name(db)),
                            )
                            .help(format!("the circle is {}", names.join(" → "))),
                        );
                    }
                }
                Ok(_) if open.len() > MAX_INCLUDES => {
                    result.diagnostics.push(Diagnostic::error(
                        code::TOO_DEEP,
                        here,
                        format!("includes nest deeper than {MAX_INCLUDES} schemas"),
                    ));
                }
                Ok(included) => {
                    if result.includes.contains(&included) {
                        continue;
                    }
                    result.includes.push(included);
                    open.push(included);
                    collect(db, workspace, included, Some(here), open, result);
                    open.pop();
                }
                Err(diagnostic) => {
                    if from.is_none() {
                        result.diagnostics.extend(diagnostic);
                    }
                }
            },
            MemberKind::Field { name, ty, default, is_final, .. } => {
                if name.is_hole() {
                    continue;
                }
                if let Some(first) = result.field(&name.text) {
                    // What has no type is only half written, and the parser has said so.
                    if matches!(ty.kind, TypeKind::Hole) {
                        continue;
                    }
                    let place = from.unwrap_or(Place::Node(id, name.id));
                    let other = Place::Node(first.owner, first.node);
                    let included = from.is_some() || first.owner != id;
                    // An include may bring in several: that is one mistake.
                    if let Some(told) = result.diagnostics.iter_mut().find(|it| it.place == place)
                        && from.is_some()
                    {
                        told.related.push((other, format!("`{}` is here too", name.text)));
                        continue;
                    }
                    let mut error = Diagnostic::error(
                        code::DUPLICATE_NAME,
                        place,
                        format!("field `{}` is declared twice", name.text),
                    )
                    .related(other, "the other one is here");
                    if included {
                        error = error.help(
                            "what an included schema declares cannot be declared again: rename one of them",
                        );
                    }
                    result.diagnostics.push(error);
                    continue;
                }
                let mut lowering = Lowering::new(db, workspace, id);
                let ty = lowering.lower(ty);
                // What is wrong with an included field is said where it is declared.
                if from.is_none() {
                    result.diagnostics.append(&mut lowering.diagnostics);
                }
                result.fields.push(Field {
                    name: name.text.clone(),
                    ty,
                    owner: id,
                    member: index,
                    node: name.id,
                    has_default: default.is_some(),
                    is_final: *is_final,
                });
            }
            MemberKind::If(_) | MemberKind::Rule(_) => result.conditions.push((id, index)),
            MemberKind::Final { .. } => result.finals.push((id, index)),
        }
    }
}

/// Types as written to types as meant.
pub struct Lowering<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    item: ItemId,
    /// What is wrong with the types.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Lowering<'a> {
    /// For types written in `item`.
    pub fn new(db: &'a dyn Db, workspace: Workspace, item: ItemId) -> Self {
        Lowering { db, workspace, item, diagnostics: Vec::new() }
    }

    /// What a written type means; [`Ty::Unknown`] where that is an error.
    pub fn lower(&mut self, ty: &ast::Type) -> Ty {
        match &ty.kind {
            TypeKind::Hole => Ty::Unknown,
            TypeKind::Literal(Literal::None) => Ty::None,
            TypeKind::Literal(Literal::Raw(text)) => Ty::Literal(Literal::String(text.clone())),
            TypeKind::Literal(
                literal @ (Literal::Bool(_) | Literal::Int(_) | Literal::String(_)),
            ) => Ty::Literal(literal.clone()),
            TypeKind::Literal(_) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        code::TYPE_MISMATCH,
                        Place::Node(self.item, ty.id),
                        "this literal cannot be a type",
                    )
                    .help("strings, integers, `true` and `false` can; for others write a condition: `Float where it == 1.5`"),
                );
                Ty::Unknown
            }
            TypeKind::Path(path) => self.lower_path(&path.segments, path),
            TypeKind::List { item, keys } => {
                let element = self.lower(item);
                let keys = if keys.is_empty() { Keys::Plain } else { Self::keys(keys) };
                Ty::List(Arc::new(element), keys)
            }
            TypeKind::Map { key, value } => {
                let key_ty = self.lower_path(&key.segments, key);
                let key_ty = match key_ty.base() {
                    Ty::String | Ty::Unknown => key_ty,
                    Ty::Union(arms)
                        if arms
                            .iter()
                            .all(|arm| matches!(arm, Ty::Literal(Literal::String(_)))) =>
                    {
                        key_ty
                    }
                    _ => {
                        self.diagnostics.push(
                            Diagnostic::error(
                                code::TYPE_MISMATCH,
                                Place::Node(self.item, key.id),
                                format!("the keys of a map are strings, not `{}`", dotted(key)),
                            )
                            .help("for a record with fixed fields write them in lower case: `{ name: String }`"),
                        );
                        Ty::Unknown
                    }
                };
                let value = self.lower(value);
                Ty::Map(Arc::new(key_ty), Arc::new(value))
            }
            TypeKind::Record { fields, open } => {
                let mut lowered: Vec<(Name, Ty)> = Vec::new();
                for field in fields {
                    if field.name.is_hole() {
                        continue;
                    }
                    if lowered.iter().any(|(name, _)| *name == field.name.text) {
                        self.diagnostics.push(Diagnostic::error(
                            code::DUPLICATE_NAME,
                            Place::Node(self.item, field.name.id),
                            format!("field `{}` is declared twice", field.name.text),
                        ));
                        continue;
                    }
                    let ty = self.lower(&field.ty);
                    lowered.push((field.name.text.clone(), ty));
                }
                Ty::Record(Arc::new(RecordTy { fields: lowered, open: *open }))
            }
            TypeKind::Union(arms) => {
                let mut lowered: Vec<Ty> = Vec::new();
                for arm in arms {
                    let found = self.lower(arm);
                    if found != Ty::Unknown && lowered.contains(&found) {
                        self.diagnostics.push(
                            Diagnostic::error(
                                code::DUPLICATE_NAME,
                                Place::Node(self.item, arm.id),
                                format!(
                                    "`{}` stands twice in this type",
                                    display(self.db, self.workspace, &found)
                                ),
                            )
                            .help("leave one of them out"),
                        );
                    }
                    lowered.push(found);
                }
                let arms = lowered;
                let whole = Ty::union(arms.iter().cloned());
                if let Some((one, other)) = crate::arms::alike(self.db, self.workspace, &whole) {
                    let show = |ty| display(self.db, self.workspace, ty);
                    let message =
                        format!("nothing tells `{}` from `{}` here", show(one), show(other));
                    self.diagnostics.push(
                        Diagnostic::error(
                            code::AMBIGUOUS_RECORD,
                            Place::Node(self.item, ty.id),
                            message,
                        )
                        .help("make a `schema` of one, or give both a field of different literals: `kind: \"a\"` and `kind: \"b\"`"),
                    );
                    return Ty::Unknown;
                }
                whole
            }
            TypeKind::Optional(inner) => self.lower(inner).optional(),
            TypeKind::Where { base, .. } => {
                let base = self.lower(base);
                let check = Check::Condition(self.item, ty.id);
                // A condition is skipped on `none`, so it belongs to what is there.
                match base {
                    Ty::Unknown => Ty::Unknown,
                    Ty::Optional(inner) => {
                        Ty::Refined(Arc::new(Refined { base: (*inner).clone(), check, name: None }))
                            .optional()
                    }
                    base => Ty::Refined(Arc::new(Refined { base, check, name: None })),
                }
            }
        }
    }

    fn lower_path(&mut self, segments: &[Ident], path: &ast::Path) -> Ty {
        if let [only] = segments {
            let resolved = crate::names::resolve_word(
                self.db,
                self.workspace,
                self.item.file(self.db),
                &only.text,
            );
            if resolved.is_none()
                && let Some(ty) = built_in_type(&only.text)
            {
                return ty;
            }
            if resolved.is_none() && !only.is_hole() {
                if only.text == "Secret" {
                    self.diagnostics.push(Diagnostic::error(
                        code::NOT_IN_THIS_VERSION,
                        Place::Node(self.item, only.id),
                        "`Secret` is not in this version of Plumb",
                    ));
                    return Ty::Unknown;
                }
                // A lower-case slip of a built-in type is common: `string`, `int`.
                let mut error =
                    unknown_word(self.db, self.workspace, self.item, only, &[], Sense::Type);
                error.message = format!("there is no type `{}`", only.text);
                match only.text.to_lowercase().as_str() {
                    "list" | "array" | "slice" => {
                        error.help = Some("a list is written `[String]`".into());
                        error.fix = None;
                    }
                    "map" | "dict" | "object" | "hash" => {
                        error.help = Some("a map is written `{String: String}`".into());
                        error.fix = None;
                    }
                    _ => {}
                }
                let other = match only.text.to_lowercase().as_str() {
                    "boolean" => Some("Bool"),
                    "integer" | "number" | "int32" | "int64" => Some("Int"),
                    "double" => Some("Float"),
                    "str" | "text" => Some("String"),
                    lower => {
                        BUILT_IN_TYPES.iter().copied().find(|name| name.to_lowercase() == lower)
                    }
                };
                if let Some(other) = other {
                    error = error.suggest(Place::Node(self.item, only.id), other, []);
                    error.help = Some(format!("did you mean `{other}`?"));
                    error.fix = Some((
                        format!("change to `{other}`"),
                        Place::Node(self.item, only.id),
                        other.to_string(),
                    ));
                }
                self.diagnostics.push(error);
                return Ty::Unknown;
            }
        }
        let target = match resolve_path(self.db, self.workspace, self.item, segments) {
            Ok(target) => target,
            Err(diagnostic) => {
                self.diagnostics.extend(diagnostic);
                return Ty::Unknown;
            }
        };
        match target {
            Target::Item(found) => match found.kind(self.db) {
                Kind::Schema => Ty::Schema(found),
                Kind::Type => alias(self.db, self.workspace, found).0.clone(),
                _ => {
                    self.diagnostics.push(
                        Diagnostic::error(
                            code::UNKNOWN_NAME,
                            Place::Node(self.item, path.id),
                            format!("`{}` is no type", dotted(path)),
                        )
                        .label(format!("this is {}", crate::names::describe(self.db, found)))
                        .related(name_place(self.db, found), "declared here"),
                    );
                    Ty::Unknown
                }
            },
            Target::Kind(kind) => Ty::Kind(kind),
            Target::Object(object) => Ty::Object(object),
            Target::Unknown => Ty::Unknown,
            Target::Package(_)
            | Target::Kubernetes
            | Target::Group(_)
            | Target::GroupVersion(..) => {
                self.diagnostics.push(Diagnostic::error(
                    code::UNKNOWN_NAME,
                    Place::Node(self.item, path.id),
                    format!("`{}` is no type but a package", dotted(path)),
                ));
                Ty::Unknown
            }
        }
    }

    /// What `[T by key]` merges by. Whether the element has such a field is checked where the type
    /// is written ([`key_mistakes`]), since a schema's field may hold a list of the same schema.
    fn keys(keys: &[Ident]) -> Keys {
        let keys = keys.iter().filter(|key| !key.is_hole());
        Keys::By(keys.map(|key| (key.text.clone(), None)).collect())
    }
}

/// What `type Name = …` means, and whether it is too large to be followed.
#[salsa::tracked]
pub fn alias(db: &dyn Db, workspace: Workspace, id: ItemId) -> (Ty, bool) {
    let Some(tree) = item(db, id) else { return (Ty::Unknown, false) };
    let ItemKind::Type { name, ty } = &tree.kind else { return (Ty::Unknown, false) };
    if circle(db, workspace, id).is_some() {
        return (Ty::Unknown, false);
    }
    // A chain of aliases may be as long as the text.
    let lowered =
        stacker::maybe_grow(128 << 10, 4 << 20, || Lowering::new(db, workspace, id).lower(ty));
    if !is_bounded(&lowered) {
        return (Ty::Unknown, true);
    }
    let named = match lowered {
        Ty::Refined(refined) if refined.name.is_none() => Ty::Refined(Arc::new(Refined {
            base: refined.base.clone(),
            check: refined.check.clone(),
            name: Some(name.text.clone()),
        })),
        other => other,
    };
    (named, false)
}

/// How deep types may nest, and how many parts one may have.
const MAX_TYPE_DEPTH: u32 = 128;
const MAX_TYPE_PARTS: u32 = 20_000;

/// Whether a type is small enough to be compared and shown. One that is built of others in a chain
/// may be as deep as the chain is long, and twice as large with every step.
pub fn is_bounded(ty: &Ty) -> bool {
    fn walk(ty: &Ty, depth: u32, parts: &mut u32) -> bool {
        *parts += 1;
        let mut inner = |ty: &Ty| walk(ty, depth + 1, parts);
        if depth > MAX_TYPE_DEPTH {
            return false;
        }
        let fits = match ty {
            Ty::Union(arms) => arms.iter().all(inner),
            Ty::Optional(ty) | Ty::List(ty, _) => inner(ty),
            Ty::Map(key, value) => inner(key) && inner(value),
            Ty::Record(record) => record.fields.iter().all(|(_, ty)| inner(ty)),
            Ty::Refined(refined) => inner(&refined.base),
            _ => true,
        };
        fits && *parts <= MAX_TYPE_PARTS
    }
    walk(ty, 0, &mut 0)
}

/// What is wrong with the keys of the lists in a type as it is written.
pub fn key_mistakes(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    element: &Ty,
    keys: &[Ident],
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for key in keys.iter().filter(|key| !key.is_hole()) {
        let place = Place::Node(id, key.id);
        match field_type(db, workspace, element, &key.text) {
            Some(ty) if matches!(ty, Ty::Unknown) || (ty.is_scalar() && !ty.is_optional()) => {}
            Some(_) => found.push(Diagnostic::error(
                code::TYPE_MISMATCH,
                place,
                format!("`{}` cannot be a key: a key is a required scalar field", key.text),
            )),
            None if matches!(element, Ty::Unknown) => {}
            None => found.push(
                Diagnostic::error(
                    code::UNKNOWN_FIELD,
                    place,
                    format!(
                        "{} has no field `{}` to be the key",
                        describe_type(db, workspace, element),
                        key.text
                    ),
                )
                .suggest(
                    place,
                    &key.text,
                    field_names(db, workspace, element).iter().map(Name::as_str),
                ),
            ),
        }
    }
    found
}

/// A type that has no declaration.
pub fn built_in_type(name: &str) -> Option<Ty> {
    let refined = |check, name: &str| {
        Ty::Refined(Arc::new(Refined { base: Ty::String, check, name: Some(name.into()) }))
    };
    Some(match name {
        "Bool" => Ty::Bool,
        "Int" => Ty::Int,
        "Float" => Ty::Float,
        "String" => Ty::String,
        "Quantity" => Ty::Quantity,
        "Duration" => Ty::Duration,
        "Any" => Ty::Any,
        "Image" => refined(Check::Image, name),
        "CronExpression" => refined(Check::Cron, name),
        _ => return None,
    })
}

/// The type of a Kubernetes field.
pub fn kubernetes_type(facts: &Kubernetes, ty: &plumb_kubernetes::Type) -> Ty {
    use plumb_kubernetes::{Format, Type};
    let refined = |base, check| Ty::Refined(Arc::new(Refined { base, check, name: None }));
    match ty {
        Type::Bool => Ty::Bool,
        Type::Int { min: None, max: None } => Ty::Int,
        Type::Int { min, max } => refined(Ty::Int, Check::Range(*min, *max)),
        Type::Float => Ty::Float,
        Type::String { values, .. } if !values.is_empty() => {
            Ty::union(values.iter().map(|value| Ty::Literal(Literal::String(Name::from(*value)))))
        }
        Type::String { format: Some(Format::Byte), .. } => refined(Ty::String, Check::Base64),
        Type::String { format: Some(Format::DateTime | Format::MicroTime), .. } => {
            refined(Ty::String, Check::DateTime)
        }
        Type::String { .. } => Ty::String,
        Type::IntOrString => Ty::Union(Arc::new([Ty::Int, Ty::String])),
        Type::Quantity => Ty::Quantity,
        Type::List { item, merge } => {
            let keys = match merge {
                ListKind::Map { keys } => {
                    let object = match item.as_ref() {
                        Type::Object(object) => Some(*object),
                        _ => None,
                    };
                    Keys::By(
                        keys.iter()
                            .map(|key| (Name::from(*key), key_default(facts, object, key)))
                            .collect(),
                    )
                }
                ListKind::Atomic | ListKind::Set => Keys::Plain,
            };
            Ty::List(Arc::new(kubernetes_type(facts, item)), keys)
        }
        Type::Map { value } => {
            Ty::Map(Arc::new(Ty::String), Arc::new(kubernetes_type(facts, value)))
        }
        Type::Object(object) => Ty::Object(*object),
        Type::Any => Ty::Any,
    }
}

/// The value that the API server takes a key field to have where it is left out.
fn key_default(facts: &Kubernetes, object: Option<ObjectId>, key: &str) -> Option<Literal> {
    let object = object?;
    let text = facts.object(object).field(key)?.default?;
    if let Ok(number) = text.parse::<i64>() {
        return Some(Literal::Int(number));
    }
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(Literal::String(text.into()))
}

/// The type of a field; `None` where there is no such field.
pub fn field_type(db: &dyn Db, workspace: Workspace, ty: &Ty, name: &str) -> Option<Ty> {
    field_of(db, workspace, ty, name).map(Cow::into_owned)
}

/// [`field_type`], made only where no type holds it.
pub fn field_of<'t>(
    db: &'t dyn Db,
    workspace: Workspace,
    ty: &'t Ty,
    name: &str,
) -> Option<Cow<'t, Ty>> {
    let of_schema = |id| schema(db, workspace, id).field(name).map(|field| &field.ty);
    let known = match ty.base() {
        Ty::Unknown => Some(UNKNOWN),
        Ty::Any => Some(&Ty::Any),
        Ty::Schema(id) => of_schema(*id),
        Ty::Request(id) => match of_schema(*id) {
            None => return built_in_field(name).map(|(ty, _)| Cow::Owned(ty)),
            known => known,
        },
        Ty::Environment(_) if name == "name" || name == versions::FIELD => Some(&Ty::String),
        Ty::Environment(Some(id)) => of_schema(*id),
        Ty::Environment(None) => Some(UNKNOWN),
        Ty::Outputs(Some(id)) => {
            let outputs = crate::outputs::readable(db, workspace, *id);
            return outputs.into_iter().find(|it| it.0 == name).map(|(_, ty)| Cow::Owned(ty));
        }
        Ty::Nested(id) => {
            let outputs = crate::outputs::readable_of(db, workspace, Some(*id));
            return outputs.into_iter().find(|it| it.0 == name).map(|(_, ty)| Cow::Owned(ty));
        }
        Ty::Record(record) => record.fields.iter().find(|(field, _)| field == name).map(|it| &it.1),
        Ty::Map(_, value) => Some(&**value),
        // What every record of a choice has can be read of it.
        Ty::Union(arms) => {
            let found: Option<Vec<Ty>> =
                arms.iter().map(|arm| field_type(db, workspace, arm, name)).collect();
            return found.map(|found| Cow::Owned(Ty::union(found)));
        }
        Ty::Object(object) => shapes(db, workspace).of(*object).fields.get(name),
        Ty::Kind(_) if is_said_by_kind(name) => None,
        Ty::Kind(kind) => shapes(db, workspace).of_kind(*kind).fields.get(name),
        _ => None,
    };
    known.map(Cow::Borrowed)
}

/// Whether an object's kind says a field of it.
pub fn is_said_by_kind(name: &str) -> bool {
    name == "apiVersion" || name == "kind"
}

/// The fields of Kubernetes' objects with their types, each made when it is first asked for.
#[derive(Debug)]
pub struct Shapes {
    facts: &'static Kubernetes,
    shapes: Box<[OnceLock<Shape>]>,
}

/// The fields of a Kubernetes object.
#[derive(Debug)]
pub struct Shape {
    /// Their types.
    pub fields: ByName<Ty>,
    /// Those that a complete object must have.
    pub required: Vec<Name>,
}

impl Shape {
    /// Those that must be written of an object whose kind is known.
    pub fn required_beside_kind(&self) -> impl Iterator<Item = &Name> {
        self.required.iter().filter(|name| !is_said_by_kind(name))
    }
}

// They follow from the facts alone.
impl PartialEq for Shapes {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.facts, other.facts)
    }
}

impl Shapes {
    /// The fields of a kind's objects.
    pub fn of_kind(&self, kind: KindId) -> &Shape {
        self.of(self.facts.kind_facts(kind).object)
    }

    /// The fields of an object.
    pub fn of(&self, object: ObjectId) -> &Shape {
        self.shapes[object.0 as usize].get_or_init(|| {
            let fields = &self.facts.object(object).fields;
            let required = fields.iter().filter(|field| {
                // The OpenAPI of a Deployment does not require its `spec`, and the server refuses
                // one without: what holds required fields under this name is required itself.
                let needed = field.required
                    || field.name == "spec"
                        && matches!(&field.ty, plumb_kubernetes::Type::Object(inner)
                            if !self.of(*inner).required.is_empty());
                needed && field.default.is_none()
            });
            let required = required.map(|field| Name::new_static(field.name)).collect();
            let fields = fields.iter().map(|field| {
                let ty = kubernetes_type(self.facts, &field.ty);
                (Name::new_static(field.name), if field.required { ty } else { ty.optional() })
            });
            Shape { fields: fields.collect(), required }
        })
    }
}

/// The fields of all objects.
#[salsa::tracked]
pub fn shapes(db: &dyn Db, workspace: Workspace) -> Shapes {
    let facts = kubernetes(db, workspace);
    let count = facts.objects().last().map_or(0, |(id, _)| id.0 as usize + 1);
    Shapes { facts, shapes: std::iter::repeat_with(OnceLock::new).take(count).collect() }
}

/// The way by which a value of a schema would hold another of the same, without end: each required
/// field, and the schema that has it. `None` where it ends.
#[salsa::tracked]
pub fn endless(db: &dyn Db, workspace: Workspace, id: ItemId) -> Option<Vec<(ItemId, Field)>> {
    // By breadth, so that the way is the shortest.
    let mut seen: Vec<(ItemId, Option<(usize, Field)>)> = vec![(id, None)];
    let mut next = 0;
    while let Some((current, _)) = seen.get(next).cloned() {
        for field in &schema(db, workspace, current).fields {
            let (Ty::Schema(inner), false) = (&field.ty, field.has_default) else { continue };
            if *inner == id {
                let mut way = vec![(current, field.clone())];
                let mut at = seen[next].1.clone();
                while let Some((index, field)) = at {
                    way.push((seen[index].0, field));
                    at = seen[index].1.clone();
                }
                way.reverse();
                return Some(way);
            }
            if !seen.iter().any(|(known, _)| known == inner) {
                seen.push((*inner, Some((next, field.clone()))));
            }
        }
        next += 1;
    }
    None
}

/// The names of a record type's fields, in order.
pub fn field_names(db: &dyn Db, workspace: Workspace, ty: &Ty) -> Vec<Name> {
    match ty.base() {
        Ty::Schema(id) => {
            schema(db, workspace, *id).fields.iter().map(|field| field.name.clone()).collect()
        }
        Ty::Request(id) => {
            let own = schema(db, workspace, *id).fields.iter().map(|field| field.name.clone());
            own.chain(BUILT_IN_FIELDS.iter().map(|name| Name::from(*name))).collect()
        }
        Ty::Outputs(Some(id)) => {
            crate::outputs::readable(db, workspace, *id).into_iter().map(|(name, _)| name).collect()
        }
        Ty::Nested(id) => crate::outputs::readable_of(db, workspace, Some(*id))
            .into_iter()
            .map(|(name, _)| name)
            .collect(),
        Ty::Environment(Some(id)) => {
            let own = schema(db, workspace, *id).fields.iter().map(|field| field.name.clone());
            own.chain(["name", versions::FIELD].map(Name::from)).collect()
        }
        Ty::Record(record) => record.fields.iter().map(|(name, _)| name.clone()).collect(),
        Ty::Object(object) => object_fields(db, workspace, *object),
        Ty::Kind(kind) => {
            let mut names =
                object_fields(db, workspace, kubernetes(db, workspace).kind_facts(*kind).object);
            names.retain(|name| !is_said_by_kind(name));
            names
        }
        _ => Vec::new(),
    }
}

fn object_fields(db: &dyn Db, workspace: Workspace, object: ObjectId) -> Vec<Name> {
    kubernetes(db, workspace)
        .object(object)
        .fields
        .iter()
        .map(|field| Name::from(field.name))
        .collect()
}

/// The fields that every request has; a requestable schema cannot declare them.
pub const BUILT_IN_FIELDS: &[&str] = &["name", "namespace", "labels", "annotations", "after"];

/// The type of a built-in field of requests as compositions read it, and as requests set it.
pub fn built_in_field(name: &str) -> Option<(Ty, Ty)> {
    static TEXTS: LazyLock<[Ty; 2]> = LazyLock::new(|| {
        let text = Arc::new(Ty::String);
        [Ty::Map(text.clone(), text.clone()), Ty::Optional(text)]
    });
    let [map, optional] = &*TEXTS;
    Some(match name {
        "name" => (Ty::String, Ty::String),
        // Where neither the request nor its package says one, reading it is the mistake.
        "namespace" => (Ty::String, optional.clone()),
        "labels" | "annotations" => (map.clone(), map.clone()),
        _ => return None,
    })
}

/// A type of the standard library.
pub fn prelude_type(db: &dyn Db, workspace: Workspace, name: &str) -> Ty {
    let Some(found) = crate::names::prelude_names(db).get(name).copied() else {
        return Ty::String;
    };
    let Some(tree) = item(db, found) else { return Ty::String };
    let ItemKind::Type { ty, .. } = &tree.kind else { return Ty::String };
    Lowering::new(db, workspace, found).lower(ty)
}

/// Whether a value of type `from` may stand where `to` is asked for. Conditions and ranges are not
/// looked at: they are checked on values.
pub fn fits(db: &dyn Db, workspace: Workspace, from: &Ty, to: &Ty) -> bool {
    match (from, to) {
        (Ty::Unknown, _) | (_, Ty::Unknown | Ty::Any) => true,
        (Ty::Refined(refined), Ty::Refined(other)) if refined == other => true,
        (Ty::Refined(refined), _) => fits(db, workspace, &refined.base, to),
        (_, Ty::Refined(refined)) => fits(db, workspace, from, &refined.base),
        (Ty::None, Ty::Optional(_) | Ty::None) => true,
        (Ty::Optional(inner), Ty::Optional(to)) => fits(db, workspace, inner, to),
        (Ty::Union(arms), _) => arms.iter().all(|arm| fits(db, workspace, arm, to)),
        (_, Ty::Optional(to)) => fits(db, workspace, from, to),
        (Ty::Optional(_), _) => false,
        (_, Ty::Union(arms)) => arms.iter().any(|arm| fits(db, workspace, from, arm)),
        (Ty::Literal(a), Ty::Literal(b)) => a == b,
        (Ty::Literal(literal), _) => literal_base(literal) == *to,
        (Ty::List(a, _), Ty::List(b, _)) => fits(db, workspace, a, b),
        (Ty::Map(ka, va), Ty::Map(kb, vb)) => {
            fits(db, workspace, ka, kb) && fits(db, workspace, va, vb)
        }
        (Ty::Schema(a) | Ty::Request(a), Ty::Schema(b) | Ty::Request(b)) => {
            a == b || schema(db, workspace, *a).includes.contains(b)
        }
        (Ty::Kind(a), Ty::Object(b)) => kubernetes(db, workspace).kind_facts(*a).object == *b,
        (Ty::Object(a), Ty::Kind(b)) => kubernetes(db, workspace).kind_facts(*b).object == *a,
        (Ty::Record(record), Ty::Map(_, value)) => {
            !record.open
                && record.fields.iter().all(|(_, ty)| fits(db, workspace, ty.present(), value))
        }
        (Ty::Schema(_) | Ty::Request(_), Ty::Map(_, value)) => {
            field_names(db, workspace, from).iter().all(|name| {
                field_type(db, workspace, from, name)
                    .is_some_and(|ty| fits(db, workspace, ty.present(), value))
            })
        }
        (
            Ty::Record(_) | Ty::Schema(_) | Ty::Request(_),
            Ty::Record(_) | Ty::Schema(_) | Ty::Object(_) | Ty::Kind(_),
        ) => record_fits(db, workspace, from, to),
        (Ty::Environment(a), Ty::Schema(b)) => *a == Some(*b),
        (Ty::Outputs(_), Ty::Outputs(None)) => true,
        _ => from == to,
    }
}

fn record_fits(db: &dyn Db, workspace: Workspace, from: &Ty, to: &Ty) -> bool {
    // A schema's values are not a structural record's that happens to have its fields, but a
    // literal's are.
    if matches!(from, Ty::Schema(_) | Ty::Request(_)) && matches!(to, Ty::Object(_) | Ty::Kind(_)) {
        return false;
    }
    let names = field_names(db, workspace, from);
    let open = matches!(to, Ty::Record(record) if record.open);
    names.iter().all(|name| match field_type(db, workspace, to, name) {
        Some(wanted) => field_type(db, workspace, from, name)
            .is_some_and(|ty| fits(db, workspace, &ty, &wanted)),
        None => open,
    }) && required_fields(db, workspace, to).iter().all(|name| names.contains(name))
}

/// The fields that a complete value must have.
pub fn required_fields(db: &dyn Db, workspace: Workspace, ty: &Ty) -> Vec<Name> {
    match ty.base() {
        Ty::Schema(id) | Ty::Request(id) => schema(db, workspace, *id)
            .fields
            .iter()
            .filter(|field| !field.has_default && !field.ty.is_optional())
            .map(|field| field.name.clone())
            .collect(),
        Ty::Record(record) => record.required().cloned().collect(),
        Ty::Object(object) => shapes(db, workspace).of(*object).required.clone(),
        Ty::Kind(kind) => {
            shapes(db, workspace).of_kind(*kind).required_beside_kind().cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// A literal as it is written.
pub fn display_literal(literal: &Literal) -> String {
    match literal {
        Literal::None => "none".into(),
        Literal::Null => "null".into(),
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(bits) => format!("{:?}", f64::from_bits(*bits)),
        Literal::Unit(text) | Literal::Date(text) => text.to_string(),
        Literal::String(text) | Literal::Raw(text) => format!("{text:?}"),
    }
}

/// A type as a user would write it.
pub fn display(db: &dyn Db, workspace: Workspace, ty: &Ty) -> String {
    match ty {
        Ty::Unknown => "?".into(),
        Ty::None => "none".into(),
        Ty::Null => "null".into(),
        Ty::Bool => "Bool".into(),
        Ty::Int => "Int".into(),
        Ty::Float => "Float".into(),
        Ty::String => "String".into(),
        Ty::Quantity => "Quantity".into(),
        Ty::Duration => "Duration".into(),
        Ty::Any => "Any".into(),
        Ty::Literal(literal) => display_literal(literal),
        Ty::Union(arms) => {
            let mut shown: Vec<String> =
                arms.iter().take(8).map(|arm| display(db, workspace, arm)).collect();
            if arms.len() > 8 {
                shown.push("…".into());
            }
            shown.join(" | ")
        }
        Ty::Optional(inner) => match inner.as_ref() {
            Ty::Union(_) => format!("({})?", display(db, workspace, inner)),
            _ => format!("{}?", display(db, workspace, inner)),
        },
        Ty::List(item, Keys::Plain) => format!("[{}]", display(db, workspace, item)),
        Ty::List(item, Keys::By(keys)) => {
            let item = display(db, workspace, item);
            match &**keys {
                [(key, _)] => format!("[{item} by {key}]"),
                keys => {
                    let keys: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
                    format!("[{item} by ({})]", keys.join(", "))
                }
            }
        }
        Ty::Map(key, value) => {
            format!("{{{}: {}}}", display(db, workspace, key), display(db, workspace, value))
        }
        Ty::Record(record) => {
            let mut fields: Vec<String> = record
                .fields
                .iter()
                .take(6)
                .map(|(name, ty)| format!("{name}: {}", display(db, workspace, ty)))
                .collect();
            if record.open || record.fields.len() > 6 {
                fields.push("...".into());
            }
            if fields.is_empty() { "{}".into() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        Ty::Schema(id) | Ty::Request(id) => id.name(db).to_string(),
        Ty::Object(object) => kubernetes(db, workspace).object(*object).name.to_string(),
        Ty::Kind(kind) => kubernetes(db, workspace).kind_facts(*kind).kind.to_string(),
        Ty::Refined(refined) => match (&refined.name, &refined.check) {
            (Some(name), _) => name.to_string(),
            (None, Check::Range(Some(low), Some(high)))
                if (*low, *high) == (i32::MIN.into(), i32::MAX.into()) =>
            {
                "Int".into()
            }
            (None, Check::Range(Some(low), Some(high))) => format!("Int from {low} to {high}"),
            (None, Check::Range(Some(low), None)) => format!("Int from {low}"),
            (None, Check::Range(None, Some(high))) => format!("Int up to {high}"),
            (None, Check::Base64) => "base64 String".into(),
            (None, Check::DateTime) => "RFC 3339 String".into(),
            (None, _) => display(db, workspace, &refined.base),
        },
        Ty::Environment(_) => "the environment".into(),
        Ty::Outputs(Some(id)) => format!("request {}", id.name(db)),
        Ty::Outputs(None) => "a request".into(),
        Ty::Nested(id) => format!("the outputs of a {}", id.name(db)),
    }
}

/// A type in a sentence: "a String", "one of `a`, `b`".
pub fn describe_type(db: &dyn Db, workspace: Workspace, ty: &Ty) -> String {
    match ty {
        Ty::Optional(inner) => describe_type(db, workspace, inner),
        Ty::Union(arms) if arms.iter().all(|arm| matches!(arm, Ty::Literal(_))) => {
            let shown: Vec<String> = arms.iter().map(|arm| display(db, workspace, arm)).collect();
            format!("one of {}", shown.join(", "))
        }
        Ty::Union(arms) => {
            let shown: Vec<String> =
                arms.iter().map(|arm| describe_type(db, workspace, arm)).collect();
            shown.join(" or ")
        }
        Ty::Literal(_) => display(db, workspace, ty),
        Ty::None => "`none`".into(),
        Ty::Map(..) => format!("a map {}", display(db, workspace, ty)),
        Ty::List(..) => format!("a list {}", display(db, workspace, ty)),
        Ty::Record(_) => format!("a record {}", display(db, workspace, ty)),
        Ty::Environment(_) | Ty::Outputs(_) | Ty::Nested(_) => display(db, workspace, ty),
        _ => {
            let name = display(db, workspace, ty);
            let vowel = name.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']);
            format!("{} {name}", if vowel { "an" } else { "a" })
        }
    }
}

/// The schemas whose values a type can hold, at any depth, without entering them.
pub fn schemas_in(ty: &Ty, found: &mut FxHashSet<ItemId>) {
    match ty {
        Ty::Schema(id) | Ty::Request(id) => {
            found.insert(*id);
        }
        Ty::Union(arms) => arms.iter().for_each(|arm| schemas_in(arm, found)),
        Ty::Optional(inner) => schemas_in(inner, found),
        Ty::List(item, _) => schemas_in(item, found),
        Ty::Map(_, value) => schemas_in(value, found),
        Ty::Record(record) => record.fields.iter().for_each(|(_, ty)| schemas_in(ty, found)),
        Ty::Refined(refined) => schemas_in(&refined.base, found),
        _ => {}
    }
}

/// Whether a schema has a composition in its package, and which. A composition names its schema by
/// a single word, since it stands in the schema's package.
#[salsa::tracked(returns(copy))]
pub fn composition(db: &dyn Db, workspace: Workspace, schema: ItemId) -> Option<ItemId> {
    let package = package_of(db, workspace, schema.file(db));
    let composes = &crate::names::scope(db, package).composes;
    composes.iter().copied().find(|id| id.name(db) == schema.name(db))
}
