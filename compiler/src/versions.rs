//! Which Kubernetes each environment runs, and what of an object its API server does not know.
//!
//! Declarations are checked against what any of the environments knows. What one of them lacks is
//! found in the objects that are made for it, so a composition may well emit a kind where it is served
//! and leave it out elsewhere.

use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, code};
use crate::eval::{Eval, Evaluator, Failed};
use crate::items::item;
use crate::names::{ancestry, environment_order};
use crate::source::{ItemId, Workspace};
use crate::syntax::ast::{
    Entry, EntryKind, Expr, ExprKind, ItemKind, Literal, Name, Record, SegmentKind,
};
use crate::value::{Data, Origin, Value};
use plumb_kubernetes::{KindId, Kubernetes, ObjectId, Type, minors, version, versions};

/// What environments say their version with.
pub const FIELD: &str = "kubernetes";

/// Facts of Kubernetes as a query answers with them.
#[derive(Clone, Copy, Debug)]
pub struct Facts(&'static Kubernetes);

// Each set of versions is decoded once.
impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Facts {}

/// What any version of Kubernetes knows that an environment of the workspace runs.
pub fn kubernetes(db: &dyn Db, workspace: Workspace) -> &'static Kubernetes {
    facts(db, workspace).0
}

#[salsa::tracked(returns(copy))]
fn facts(db: &dyn Db, workspace: Workspace) -> Facts {
    Facts(
        versions(in_use(db, workspace))
            .or_else(|| version(*minors().last()?))
            .expect("the table of facts has at least one version"),
    )
}

/// The minor versions that the environments run, ascending; the workspace's where there are none.
#[salsa::tracked]
fn in_use(db: &dyn Db, workspace: Workspace) -> Vec<u32> {
    let environments = environment_order(db, workspace).iter();
    let mut found: Vec<u32> = environments.map(|id| runs(db, workspace, *id).0).collect();
    if found.is_empty() {
        found.push(default_version(db, workspace));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What an environment runs that says nothing.
fn default_version(db: &dyn Db, workspace: Workspace) -> u32 {
    let written = workspace.kubernetes(db);
    match minors().contains(&written) {
        true => written,
        false => minors().last().copied().unwrap_or_default(),
    }
}

/// The minor version of Kubernetes that an environment runs, and the value that says so; `None`: its
/// workspace's. Read from the text, so that types do not wait for values.
#[salsa::tracked(returns(copy))]
pub fn runs(db: &dyn Db, workspace: Workspace, environment: ItemId) -> (u32, Option<Origin>) {
    ancestry(db, workspace, environment)
        .0
        .iter()
        .rev()
        .find_map(|id| {
            let ItemKind::Environment { record, .. } = &item(db, *id).as_ref()?.kind else {
                return None;
            };
            let value = record.entries.iter().find_map(said)?;
            let minor = plain(value).and_then(|text| read(text).ok())?;
            Some((minor, Some(Origin { item: *id, node: value.id })))
        })
        .unwrap_or_else(|| (default_version(db, workspace), None))
}

/// The value of an entry that sets an environment's version.
fn said(entry: &Entry) -> Option<&Expr> {
    match &entry.kind {
        EntryKind::Set { path, value, .. } => match path.segments.as_slice() {
            [segment] if segment.kind == SegmentKind::Key(FIELD.into()) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

fn plain(value: &Expr) -> Option<&Name> {
    match &value.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text),
        _ => None,
    }
}

/// A version that is written wrong, or that Plumb does not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
    /// The version that must be meant.
    pub meant: Option<String>,
}

/// The minor version that is written `1.36`.
///
/// # Errors
///
/// Any other text, and versions that Plumb has no facts of.
pub fn read(written: &str) -> Result<u32, Unknown> {
    let known = minors();
    if let Some(minor) = known.iter().find(|minor| written == format!("1.{minor}")) {
        return Ok(*minor);
    }
    // "v1.36" and "1.36.2" are 1.36: patch releases do not change the API.
    let parts = written.trim().trim_start_matches('v').split('.').take(2).collect::<Vec<_>>();
    let meant = known.iter().map(|minor| format!("1.{minor}")).find(|it| *it == parts.join("."));
    let help = match &meant {
        Some(meant) => format!("the version has two numbers: \"{meant}\""),
        None => {
            let known: Vec<_> = known.iter().map(|minor| format!("\"1.{minor}\"")).collect();
            format!("it knows {}", known.join(", "))
        }
    };
    let message = format!("this version of Plumb does not know Kubernetes {written:?}");
    Err(Unknown { message, help, meant })
}

/// What is wrong with an entry of an environment's record, where it is the one that says the version.
/// `None`: it is another.
pub fn entry_diagnostic(
    environment: ItemId,
    record: &Record,
    entry: &Entry,
) -> Option<Option<Diagnostic>> {
    let value = said(entry)?;
    if !record.entries.iter().any(|it| it.id == entry.id) {
        return None;
    }
    let place = Place::Node(environment, value.id);
    if let ExprKind::Hole = value.kind {
        return Some(None);
    }
    let simple = matches!(&entry.kind, EntryKind::Set { modifier: None, append: false, .. });
    let text = match plain(value) {
        Some(text) if simple => text,
        _ => {
            return Some(Some(
                Diagnostic::error(
                    code::MISPLACED,
                    place,
                    "the version of Kubernetes is written out here: `kubernetes = \"1.36\"`",
                )
                .help("types are checked against it before any value is known"),
            ));
        }
    };
    Some(read(text).err().map(|Unknown { message, help, meant }| {
        let mut error =
            Diagnostic::error(code::UNKNOWN_KUBERNETES_VERSION, place, message).help(help);
        error.fix = meant.map(|it| (format!("change to \"{it}\""), place, format!("\"{it}\"")));
        error
    }))
}

/// The versions that the environments run, as messages name them: `Kubernetes 1.36`, or `no Kubernetes
/// from 1.33 to 1.36`'s second half.
pub fn shown(db: &dyn Db, workspace: Workspace) -> String {
    match in_use(db, workspace).as_slice() {
        [one] => format!("Kubernetes 1.{one}"),
        [first, .., last] => format!("Kubernetes from 1.{first} to 1.{last}"),
        [] => "Kubernetes".to_string(),
    }
}

/// When something came or went that the environments do not have: "Kubernetes 1.34 brought it".
/// `None` where no known version has it.
pub fn elsewhere(
    db: &dyn Db,
    workspace: Workspace,
    has: impl Fn(&Kubernetes) -> bool,
) -> Option<String> {
    let of = in_use(db, workspace);
    history(of.first().copied()?, has)
}

/// When something came that a version does not have yet, or went that it no longer has.
fn history(minor: u32, has: impl Fn(&Kubernetes) -> bool) -> Option<String> {
    let having = || minors().iter().copied().filter(|it| version(*it).is_some_and(&has));
    match having().find(|it| *it > minor) {
        Some(came) => Some(format!("came with Kubernetes 1.{came}")),
        None => having().next_back().map(|last| format!("went after Kubernetes 1.{last}")),
    }
}

/// Refuses what of an object the API server of the environment does not know.
///
/// # Errors
///
/// When there is such a thing; the evaluator has told it.
pub fn check(evaluator: &mut Evaluator<'_>, kind: KindId, value: &Value) -> Eval<()> {
    let (db, workspace) = (evaluator.db, evaluator.workspace);
    let Some(environment) = evaluator.environment else { return Ok(()) };
    let known = kubernetes(db, workspace);
    let (minor, said) = runs(db, workspace, environment);
    if in_use(db, workspace).len() == 1 {
        return Ok(());
    }
    let Some(own) = version(minor) else { return Ok(()) };
    let facts = known.kind_facts(kind);
    let mut lacks = Vec::new();
    if own.has_kind(kind) {
        fields(own, own.kind_facts(kind).object, value, &mut lacks);
    } else {
        let when = history(minor, |it| it.has_kind(kind)).unwrap_or_default();
        let message = format!("{} of {} {when}", facts.kind, facts.api_version());
        lacks.push(Lack { value, message, is_value: false });
    }
    let failed = !lacks.is_empty();
    for Lack { value, message, is_value } in lacks {
        let name = environment.name(db);
        let rule = said.map(|at| (at.into(), format!("`{name}` runs Kubernetes 1.{minor}")));
        let told = evaluator.diagnostics.len();
        if is_value {
            evaluator.refuse(value, code::NOT_IN_KUBERNETES, message, rule);
        } else {
            let mut error = Diagnostic::error(code::NOT_IN_KUBERNETES, value.origin, message);
            if let Some((place, text)) = rule {
                error = error.related(place, text);
            }
            evaluator.report(error);
        }
        for error in &mut evaluator.diagnostics[told..] {
            error.help.get_or_insert_with(|| {
                format!(
                    "`{name}` is checked against Kubernetes 1.{minor}: leave it out there, with `if environment.kubernetes …`"
                )
            });
        }
    }
    if failed { Err(Failed) } else { Ok(()) }
}

/// Something that a version does not know, or asks for.
struct Lack<'v> {
    value: &'v Value,
    message: String,
    /// Whether it is the value that is wrong, not that there is one.
    is_value: bool,
}

fn fields<'v>(own: &Kubernetes, object: ObjectId, value: &'v Value, lacks: &mut Vec<Lack<'v>>) {
    let Some(given) = value.fields() else { return };
    let facts = own.object(object);
    let minor = own.minor();
    for (name, value) in given {
        if value.is_none() {
            continue;
        }
        match facts.field(name) {
            Some(field) => within(own, name, &field.ty, object, value, lacks),
            None => {
                let when = history(minor, |it| {
                    it.has_object(object) && it.object(object).field(name).is_some()
                });
                // One that no version has was told where it is written.
                if let Some(when) = when {
                    let message = format!("`{name}` of {} {when}", facts.name);
                    lacks.push(Lack { value, message, is_value: false });
                }
            }
        }
    }
    let written = |name: &str| given.get(name).is_some_and(|it| !it.is_none());
    for field in &facts.fields {
        if field.required && field.default.is_none() && !written(field.name) {
            let message =
                format!("Kubernetes 1.{minor} asks for `{}` in {}", field.name, facts.name);
            lacks.push(Lack { value, message, is_value: false });
        }
    }
}

fn within<'v>(
    own: &Kubernetes,
    name: &str,
    ty: &Type,
    object: ObjectId,
    value: &'v Value,
    lacks: &mut Vec<Lack<'v>>,
) {
    match (ty, &value.data) {
        (Type::Object(inner), _) => fields(own, *inner, value, lacks),
        (Type::List { item, .. }, Data::List(items)) => {
            items.iter().for_each(|it| within(own, name, item, object, it, lacks));
        }
        (Type::Map { value: inner }, _) => {
            for (_, value) in value.fields().into_iter().flatten() {
                within(own, name, inner, object, value, lacks);
            }
        }
        (Type::String { values, .. }, Data::String(text))
            if !values.is_empty() && !values.contains(&text.as_str()) =>
        {
            let lists = |ty: &Type| {
                let ty = match ty {
                    Type::List { item, .. } => item.as_ref(),
                    Type::Map { value } => value.as_ref(),
                    other => other,
                };
                matches!(ty, Type::String { values, .. } if values.is_empty()
                    || values.contains(&text.as_str()))
            };
            let when = history(own.minor(), |it| {
                it.has_object(object)
                    && it.object(object).field(name).is_some_and(|field| lists(&field.ty))
            });
            if let Some(when) = when {
                let message = format!("{:?} for `{name}` {when}", text.as_str());
                lacks.push(Lack { value, message, is_value: true });
            }
        }
        _ => {}
    }
}
