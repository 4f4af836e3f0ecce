//! Which record of a union is meant.
//!
//! A union may hold several records. A value says which it is by the name before its braces, or by a
//! field that only takes literals and takes others in each: `{ kind: "s3", … } | { kind: "disk", … }`.
//! One record of a union may go without either: it is what braces mean that say neither.

use crate::db::Db;
use crate::source::Workspace;
use crate::syntax::ast::{Literal, Name};
use crate::types::{Ty, UNKNOWN, field_names, field_type, schema};
use crate::value::{Data, Tag, Value};

/// The records that a type lets choose between, without `?` and conditions; more than one only in a
/// union.
pub fn records(ty: &Ty) -> Vec<&Ty> {
    match ty.base() {
        Ty::Union(arms) => records_among(arms).collect(),
        other => Some(other).filter(|it| is_record(it)).into_iter().collect(),
    }
}

fn records_among(arms: &[Ty]) -> impl Iterator<Item = &Ty> {
    arms.iter().map(Ty::base).filter(|it| is_record(it))
}

fn is_record(ty: &Ty) -> bool {
    matches!(ty, Ty::Map(..) | Ty::Record(_) | Ty::Schema(_) | Ty::Object(_) | Ty::Kind(_))
}

/// The record of a type, if it is a union with one: the first.
pub fn record_arm(ty: &Ty) -> &Ty {
    match ty {
        Ty::Union(arms) => records_among(arms).next().unwrap_or(ty),
        Ty::Any => UNKNOWN,
        other => other,
    }
}

/// What the parts of a value merge by: the record of its type that it is of, else [`record_arm`].
pub fn arm_of<'t>(db: &dyn Db, workspace: Workspace, ty: &'t Ty, value: &Value) -> &'t Ty {
    of_value(db, workspace, ty, value).unwrap_or_else(|| record_arm(ty.base()))
}

/// Whether a type lets choose between several records.
pub fn is_choice(ty: &Ty) -> bool {
    matches!(ty.base(), Ty::Union(arms) if records_among(arms).nth(1).is_some())
}

/// Whether values of a type are written without a name before their braces.
pub fn is_unnamed(ty: &Ty) -> bool {
    matches!(ty, Ty::Map(..) | Ty::Record(_))
}

/// The fields of a record that tell it from others: required, and of literals only.
pub fn marks(db: &dyn Db, workspace: Workspace, arm: &Ty) -> Vec<(Name, Vec<Literal>)> {
    if !matches!(arm, Ty::Record(_) | Ty::Schema(_)) {
        return Vec::new();
    }
    field_names(db, workspace, arm)
        .into_iter()
        .filter_map(|name| {
            let found = literals(&field_type(db, workspace, arm, &name)?)?;
            Some((name, found))
        })
        .collect()
}

fn literals(ty: &Ty) -> Option<Vec<Literal>> {
    match ty {
        Ty::Literal(literal) => Some(vec![literal.clone()]),
        Ty::Union(arms) => {
            let all: Option<Vec<_>> = arms.iter().map(literals).collect();
            all.map(|all| all.concat())
        }
        _ => None,
    }
}

/// Two records of a union without a name that nothing tells apart.
pub fn alike<'t>(db: &dyn Db, workspace: Workspace, ty: &'t Ty) -> Option<(&'t Ty, &'t Ty)> {
    let unnamed: Vec<&Ty> = records(ty).into_iter().filter(|arm| is_unnamed(arm)).collect();
    let marked: Vec<_> = unnamed.iter().map(|arm| (*arm, marks(db, workspace, arm))).collect();
    for (at, (one, marks)) in marked.iter().enumerate() {
        for (other, others) in &marked[at + 1..] {
            let apart = match (marks.is_empty(), others.is_empty()) {
                (true, true) => false,
                (false, false) => marks.iter().any(|(name, own)| {
                    others.iter().any(|(other, theirs)| {
                        name == other && !own.iter().any(|it| theirs.contains(it))
                    })
                }),
                // What carries no mark of the other is the plain one.
                _ => true,
            };
            if !apart {
                return Some((one, other));
            }
        }
    }
    None
}

/// The record that braces without a name mean, by the literals that they give to fields.
///
/// # Errors
///
/// Where several are left. With the field and its literal that no record has, if that is why.
pub fn of_braces<'t>(
    db: &dyn Db,
    workspace: Workspace,
    ty: &'t Ty,
    said: impl Fn(&str) -> Option<Literal>,
) -> Result<&'t Ty, Option<(Name, Literal)>> {
    let arms = records(ty);
    if let [only] = arms.as_slice() {
        return Ok(only);
    }
    let mut wrong = None;
    // Those without a name first: a schema can be named.
    let (unnamed, named): (Vec<_>, Vec<_>) = arms.into_iter().partition(|arm| is_unnamed(arm));
    let mut plain = None;
    for arm in unnamed.into_iter().chain(named) {
        let marks = marks(db, workspace, arm);
        if marks.is_empty() && is_unnamed(arm) {
            plain = Some(arm);
        }
        let known: Vec<_> =
            marks.iter().filter_map(|(name, of)| Some((name, of, said(name)?))).collect();
        match known.iter().find(|(_, of, literal)| !of.contains(literal)) {
            Some((name, _, literal)) => wrong = Some(((*name).clone(), literal.clone())),
            None if !known.is_empty() => return Ok(arm),
            None => {}
        }
    }
    plain.ok_or(wrong)
}

/// The record of a type that a value is of; `None` where it is no record, or of none of them.
pub fn of_value<'t>(
    db: &dyn Db,
    workspace: Workspace,
    ty: &'t Ty,
    value: &Value,
) -> Option<&'t Ty> {
    let Data::Record(record) = &value.data else { return None };
    if !is_choice(ty) {
        return Some(record_arm(ty.base()));
    }
    let arms = records(ty);
    let found = match record.tag {
        Tag::Schema(tag) | Tag::Partial(tag) | Tag::Changed(tag) => {
            let is = |arm: &&Ty| matches!(arm, Ty::Schema(id) if *id == tag);
            let includes = |arm: &&Ty| matches!(arm, Ty::Schema(id) if schema(db, workspace, tag).includes.contains(id));
            arms.iter().copied().find(is).or_else(|| arms.iter().copied().find(includes))
        }
        Tag::Kind(kind) => arms.iter().copied().find(|arm| **arm == Ty::Kind(kind)),
        Tag::Plain => None,
    };
    if found.is_some() {
        return found;
    }
    let said = |name: &str| match &record.fields.get(name)?.data {
        Data::String(text) => Some(Literal::String(text.clone())),
        Data::Int(number) => Some(Literal::Int(*number)),
        Data::Bool(truth) => Some(Literal::Bool(*truth)),
        _ => None,
    };
    of_braces(db, workspace, ty, said).ok()
}

/// The type of a field that is reached by a path: of the records that have it.
pub fn reached(ty: &Ty, of_arm: impl FnMut(&Ty) -> Option<Ty>) -> Option<Ty> {
    let found: Vec<Ty> = records(ty).into_iter().filter_map(of_arm).collect();
    (!found.is_empty()).then(|| Ty::union(found))
}
