//! What a field is in each environment, and which layer says so.

use super::meaning::Reading;
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::engine::location;
use plumb_compiler::eval::{environment_field, evaluate, inside, scalar_text, shown};
use plumb_compiler::names::{describe, environment_order, package_of, scope};
use plumb_compiler::outputs::{output, runs_in};
use plumb_compiler::source::{ItemId, Kind, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::value::{Data, Value};

/// What a field is in an environment.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// The request, or the environment itself.
    pub of: Name,
    /// The environment.
    pub environment: Name,
    /// The value as one line, shortened; `None` where there is none to show.
    pub value: Option<String>,
    /// "overlay shop in prod"; why there is no value where there is none.
    pub layer: String,
    /// Where it is said.
    pub place: Option<Location>,
}

/// The steps to what stands at the end of a way, from the record of its layer. `None` where it lies in
/// nothing that layers merge.
pub fn steps(way: &[Node<'_>]) -> Option<Vec<Name>> {
    let mut steps = Vec::new();
    let mut nodes = way.iter().peekable();
    // Up to the layer's own record nothing is a step.
    nodes.by_ref().find(|node| matches!(node, Node::Record(_)))?;
    while let Some(node) = nodes.next() {
        match node {
            Node::Entry(Entry { kind: EntryKind::Set { path, .. }, .. }) => {
                let last = match nodes.peek() {
                    Some(Node::FieldPath(_)) => {
                        nodes.next();
                        nodes.peek().map(|it| it.id())
                    }
                    _ => None,
                };
                for segment in &path.segments {
                    steps.push(step(segment)?);
                    if last == Some(segment.id) {
                        return Some(steps);
                    }
                }
            }
            Node::Expr(Expr { kind: ExprKind::List(elements), .. }) => {
                let next = nodes.peek().map(|it| it.id());
                let position = elements.iter().position(|it| Some(it.value.id) == next);
                if let Some(position) = position {
                    let named = name_of(&elements[position].value);
                    steps.push(named.unwrap_or_else(|| position.to_string().into()));
                }
            }
            Node::Entry(_) => return None,
            _ => {}
        }
    }
    (!steps.is_empty()).then_some(steps)
}

fn step(segment: &PathSegment) -> Option<Name> {
    match &segment.kind {
        SegmentKind::Key(name) => (!name.is_empty()).then(|| name.clone()),
        SegmentKind::Index(keys) => match keys.as_slice() {
            [Expr { kind: ExprKind::Literal(literal), .. }] => match literal {
                Literal::String(text) | Literal::Raw(text) => Some(text.clone()),
                Literal::Int(number) => Some(number.to_string().into()),
                _ => None,
            },
            _ => None,
        },
    }
}

/// What an element of a list is called by, as addresses do.
fn name_of(element: &Expr) -> Option<Name> {
    let ExprKind::Record(record) = &element.kind else { return None };
    record.entries.iter().find_map(|entry| match &entry.kind {
        EntryKind::Set { path, value, .. } => match (path.segments.as_slice(), &value.kind) {
            (
                [PathSegment { kind: SegmentKind::Key(key), .. }],
                ExprKind::Literal(Literal::String(text)),
            ) if key == "name" => Some(text.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// The requests that a layer speaks of; none where it speaks of all of a schema.
pub fn requests_of(db: &dyn Db, workspace: Workspace, layer: ItemId) -> Vec<ItemId> {
    match layer.kind(db) {
        Kind::Request => vec![layer],
        Kind::Overlay => {
            let names = &scope(db, package_of(db, workspace, layer.file(db))).names;
            let named = layer.name(db).split(',').filter_map(|it| names.get(it).copied());
            named.filter(|it| it.kind(db) == Kind::Request).collect()
        }
        _ => Vec::new(),
    }
}

/// What the field at the end of a way in a layer is, in each environment, in their order.
pub fn in_layer(reading: &Reading<'_>, way: &[Node<'_>]) -> Vec<Held> {
    let (db, workspace, id) = (reading.db, reading.workspace, reading.id);
    let Some(steps) = steps(way) else { return Vec::new() };
    if id.kind(db) == Kind::Environment {
        return of_environments(db, workspace, &steps);
    }
    let requests = requests_of(db, workspace, id);
    requests.iter().flat_map(|it| of_request(db, workspace, *it, &steps)).collect()
}

/// What a field of a request is in each environment that it is for.
pub fn of_request(db: &dyn Db, workspace: Workspace, request: ItemId, steps: &[Name]) -> Vec<Held> {
    let environments = environment_order(db, workspace).iter();
    environments
        .filter(|it| runs_in(db, workspace, request, **it))
        .map(|environment| {
            let whole = &evaluate(db, workspace, request, *environment).value;
            held(db, request.name(db), *environment, whole.as_ref(), steps)
        })
        .collect()
}

/// What a field of the environments is in each of them.
pub fn of_environments(db: &dyn Db, workspace: Workspace, steps: &[Name]) -> Vec<Held> {
    let Some((first, rest)) = steps.split_first() else { return Vec::new() };
    let environments = environment_order(db, workspace).iter();
    environments
        .map(|id| {
            let field = &environment_field(db, workspace, *id, first.clone()).0;
            held(db, id.name(db), *id, field.as_ref(), rest)
        })
        .collect()
}

/// What an output of a request is in each environment that it is for.
pub fn of_output(db: &dyn Db, workspace: Workspace, request: ItemId, name: &Name) -> Vec<Held> {
    let environments = environment_order(db, workspace).iter();
    environments
        .filter(|it| runs_in(db, workspace, request, **it))
        .filter(|it| {
            plumb_compiler::outputs::circle(
                db,
                workspace,
                **it,
                plumb_compiler::outputs::Node::Output(request, name.clone()),
            )
            .is_none()
        })
        .map(|id| {
            let value = &output(db, workspace, *id, request, name.clone()).value;
            held(db, request.name(db), *id, value.as_ref(), &[])
        })
        .collect()
}

fn held(
    db: &dyn Db,
    of: &Name,
    environment: ItemId,
    whole: Option<&Value>,
    steps: &[Name],
) -> Held {
    let mut found = Held {
        of: of.clone(),
        environment: environment.name(db).clone(),
        value: None,
        layer: "has an error".to_owned(),
        place: None,
    };
    let Some(whole) = whole else { return found };
    let value = steps.iter().try_fold(whole, |at, step| inside(at, step));
    let Some(value) = value.filter(|it| !it.is_none()) else {
        found.layer = "not set".to_owned();
        return found;
    };
    found.value = Some(short(value));
    found.layer = describe(db, value.origin.item);
    found.place = Some(location(db, value.origin.into()));
    found
}

/// A value on one line, as it is written in Plumb.
pub fn short(value: &Value) -> String {
    match &value.data {
        Data::String(_) | Data::None | Data::Null | Data::List(_) | Data::Record(_) => shown(value),
        _ => scalar_text(value).map_or_else(|| shown(value), |it| it.to_string()),
    }
}
