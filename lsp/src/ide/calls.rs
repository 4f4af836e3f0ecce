//! Who has objects made by whom: requests, compositions, functions.

use super::cursor::Cursor;
use super::meaning::{Reading, Symbol};
use super::navigate::head_of;
use super::references::references;
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::diagnostics::Place;
use plumb_compiler::engine::location;
use plumb_compiler::infer::request_schema;
use plumb_compiler::items::{extent, item};
use plumb_compiler::names::{describe, package_name, package_of};
use plumb_compiler::source::{ItemId, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::types::composition;
use plumb_compiler::versions::kubernetes;

/// What calls or is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// "compose Web", "Deployment".
    pub name: String,
    /// Its package; of a Kubernetes kind its group and version.
    pub detail: String,
    /// What declares it; `None`: a kind of Kubernetes, at the place that emits it.
    pub kind: Option<Kind>,
    /// All of it.
    pub location: Location,
    /// Its name.
    pub selection: TextRange,
}

/// A call with the words that say so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Who calls, or who is called.
    pub other: Caller,
    /// The words, in the file of who calls.
    pub from: Vec<TextRange>,
}

/// What stands at a place and takes part in calls: the composition of a schema, a function, a request.
pub fn prepare(db: &dyn Db, workspace: Workspace, file: SourceFile, offset: u32) -> Option<Caller> {
    let id = callable(db, workspace, file, offset)?;
    Some(caller(db, workspace, id))
}

/// Who calls what stands at a place: requests for the schema of a composition and the compositions that emit
/// it; whoever calls a function.
pub fn incoming(db: &dyn Db, workspace: Workspace, file: SourceFile, offset: u32) -> Vec<Call> {
    let Some(id) = callable(db, workspace, file, offset) else { return Vec::new() };
    let symbol = match id.kind(db) {
        Kind::Compose => match composed(db, workspace, id) {
            Some(schema) => Symbol::Item(schema),
            None => return Vec::new(),
        },
        Kind::Fn => Symbol::Item(id),
        _ => return Vec::new(),
    };
    let mut found: Vec<(ItemId, TextRange)> = Vec::new();
    let mut made: Option<(ItemId, Vec<NodeId>)> = None;
    for it in references(db, workspace, &symbol) {
        let by = it.id.kind(db);
        let calls = match id.kind(db) {
            Kind::Fn => !it.declares && by != Kind::Use,
            _ if by == Kind::Request => true,
            // A schema is named in types too: braces behind it make a value.
            _ => {
                if made.as_ref().is_none_or(|(of, _)| *of != it.id) {
                    made = Some((it.id, named(db, it.id)));
                }
                made.as_ref().is_some_and(|(_, nodes)| nodes.contains(&it.node))
            }
        };
        if calls {
            found.push((it.id, it.location.range));
        }
    }
    grouped(found).map(|(id, from)| Call { other: caller(db, workspace, id), from }).collect()
}

/// Whom calls what stands at a place: a request the composition of its schema, a composition or function the
/// functions, kinds and compositions that it names.
pub fn outgoing(db: &dyn Db, workspace: Workspace, file: SourceFile, offset: u32) -> Vec<Call> {
    let Some(id) = callable(db, workspace, file, offset) else { return Vec::new() };
    let Some(reading) = Reading::new(db, workspace, id) else { return Vec::new() };
    let place = |node: NodeId| location(db, Place::Node(id, node)).range;
    if let ItemKind::Request { schema, .. } = &reading.tree.kind {
        let found = request_schema(db, workspace, id).and_then(|it| composition(db, workspace, it));
        let call = |it| Call { other: caller(db, workspace, it), from: vec![place(schema.id)] };
        return found.into_iter().map(call).collect();
    }
    let made = named(db, id);
    let mut called: Vec<(ItemId, TextRange)> = Vec::new();
    let mut kinds = Vec::new();
    for it in reading.occurrences() {
        match it.symbol {
            Symbol::Item(other) if other.kind(db) == Kind::Fn && other != id => {
                called.push((other, place(it.node)));
            }
            Symbol::Item(schema) if made.contains(&it.node) => {
                if let Some(compose) = composition(db, workspace, schema) {
                    called.push((compose, place(it.node)));
                }
            }
            Symbol::Kind(kind) if made.contains(&it.node) => {
                let facts = kubernetes(db, workspace).kind_facts(kind);
                let at = location(db, Place::Node(id, it.node));
                let from = vec![at.range];
                let other = Caller {
                    name: facts.kind.to_owned(),
                    detail: facts.api_version(),
                    kind: None,
                    selection: at.range,
                    location: at,
                };
                kinds.push(Call { other, from });
            }
            _ => {}
        }
    }
    let mut calls = kinds;
    calls.extend(grouped(called).map(|(id, from)| Call { other: caller(db, workspace, id), from }));
    calls.sort_by_key(|it| it.from.first().map(|it| it.start));
    calls
}

fn callable(db: &dyn Db, workspace: Workspace, file: SourceFile, offset: u32) -> Option<ItemId> {
    let cursor = Cursor::at(db, workspace, file, offset)?;
    match cursor.occurrence()?.symbol {
        Symbol::Item(id) => match id.kind(db) {
            Kind::Fn | Kind::Request => Some(id),
            Kind::Schema => composition(db, workspace, id),
            _ => None,
        },
        _ => None,
    }
}

/// The schema of a composition.
fn composed(db: &dyn Db, workspace: Workspace, compose: ItemId) -> Option<ItemId> {
    let ItemKind::Compose { schema, .. } = &item(db, compose).as_deref()?.kind else { return None };
    plumb_compiler::names::resolve_schema(db, workspace, compose, schema).ok()
}

/// The words before the braces of values.
fn named(db: &dyn Db, id: ItemId) -> Vec<NodeId> {
    let mut found = Vec::new();
    if let Some(tree) = item(db, id).as_deref() {
        Node::Item(tree).walk(&mut |node| {
            if let Node::Expr(Expr { kind: ExprKind::Named { path, .. }, .. }) = node {
                found.extend(path.segments.last().map(|it| it.id));
            }
        });
    }
    found
}

fn grouped(found: Vec<(ItemId, TextRange)>) -> impl Iterator<Item = (ItemId, Vec<TextRange>)> {
    let mut groups: Vec<(ItemId, Vec<TextRange>)> = Vec::new();
    for (id, at) in found {
        match groups.iter_mut().find(|(known, _)| *known == id) {
            Some((_, all)) => all.push(at),
            None => groups.push((id, vec![at])),
        }
    }
    groups.into_iter()
}

fn caller(db: &dyn Db, workspace: Workspace, id: ItemId) -> Caller {
    let name = head_of(db, id);
    let range = extent(db, id);
    Caller {
        name: describe(db, id),
        detail: package_name(db, package_of(db, workspace, id.file(db))),
        kind: Some(id.kind(db)),
        selection: name.range,
        location: Location { path: name.path, range: range.cover(name.range) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    type Ask = fn(&dyn Db, Workspace, SourceFile, u32) -> Vec<Call>;

    fn shown(ask: Ask, before: &str, after: &str) -> String {
        let more = "use platform\nrequest x: platform.Web { image = \"\" }\n\
            ---- platform/pair.plumb\nschema Pair { a: String }\nfn name(of: String) -> String = of\n\
            compose Pair as pair {\n    emit one = Web { image = name(pair.a), owner = name(\"me\") }\n}\n";
        let text = format!("{SHOP}{more}");
        assert!(text.contains(before), "{before}");
        let it = Fixture::new(&text.replacen(before, after, 1));
        let found = ask(&it.db, it.workspace, it.file, it.offset);
        let shown: Vec<String> = found
            .iter()
            .map(|it| format!("{} ({}) x{}", it.other.name, it.other.detail, it.from.len()))
            .collect();
        shown.join("\n")
    }

    #[test]
    fn a_composition_knows_who_has_it_make_what() {
        insta::assert_snapshot!(shown(incoming, "compose Web", "compose W$0eb"), @r#"
        request cart (apps.shop) x1
        request x (apps.shop) x1
        compose Pair (platform) x1
        "#);
        insta::assert_snapshot!(shown(outgoing, "compose Web", "compose W$0eb"), @"Deployment (apps/v1) x1");
        insta::assert_snapshot!(shown(outgoing, "compose Pair", "compose Pai$0r"), @r#"
        compose Web (platform) x1
        fn name (platform) x2
        "#);
        insta::assert_snapshot!(shown(outgoing, "request cart", "request car$0t"), @"compose Web (platform) x1");
        insta::assert_snapshot!(shown(incoming, "fn name", "fn na$0me"), @"compose Pair (platform) x2");
        insta::assert_snapshot!(shown(incoming, "request cart", "request car$0t"), @"");
    }
}
