//! From a word to what it stands for, and back.

use super::cursor::Cursor;
use super::meaning::{Occurrence, Reading, Symbol};
use super::references::{readers, text_of};
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::diagnostics::Place;
use plumb_compiler::engine::location;
use plumb_compiler::infer::{Resolution, request_schema};
use plumb_compiler::items::{extent, item, keyed_items};
use plumb_compiler::names::{Target, package_files, resolve_path, resolve_use};
use plumb_compiler::source::{ItemId, Kind, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::types::{Ty, composition};

/// Where a word leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The word.
    pub from: TextRange,
    /// The places; none where no file of the workspace holds them.
    pub to: Vec<Location>,
}

/// Where what a word stands for is declared. The entry of an object leads to the fields of the schema that it
/// is made of, a path in quotes to its file, a package to its first file.
pub fn definition(db: &dyn Db, workspace: Workspace, file: SourceFile, offset: u32) -> Option<Way> {
    let cursor = Cursor::at(db, workspace, file, offset)?;
    if let Some((literal, path)) = file_argument(&cursor.reading, &cursor.way) {
        let to = vec![Location { path, range: TextRange::default() }];
        return Some(Way { from: cursor.span(literal), to });
    }
    let Occurrence { node, symbol, .. } = cursor.occurrence()?;
    let mut to = match &symbol {
        Symbol::Package(package) => beginning(db, *package).into_iter().collect(),
        Symbol::ObjectField(..) => made_of(&cursor),
        _ => symbol.place(db).into_iter().collect(),
    };
    to.retain(|it| workspace.files(db).contains_key(&it.path));
    Some(Way { from: cursor.span(node), to })
}

/// What is made of what a word stands for: of a schema or request its composition, of a field the places in
/// compositions and functions that read it.
pub fn implementation(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Option<Way> {
    let cursor = Cursor::at(db, workspace, file, offset)?;
    let Occurrence { node, symbol, .. } = cursor.occurrence()?;
    let composed = |schema: ItemId| -> Vec<Location> {
        let found = composition(db, workspace, schema);
        found.into_iter().map(|it| head_of(db, it)).collect()
    };
    let mut to = match &symbol {
        Symbol::Item(id) if id.kind(db) == Kind::Schema => composed(*id),
        Symbol::Item(id) if id.kind(db) == Kind::Request => {
            request_schema(db, workspace, *id).map_or_else(Vec::new, composed)
        }
        Symbol::Field(..) => {
            readers(db, workspace, &symbol).into_iter().map(|it| it.location).collect()
        }
        _ => symbol.place(db).into_iter().collect(),
    };
    to.retain(|it| workspace.files(db).contains_key(&it.path));
    Some(Way { from: cursor.span(node), to })
}

/// Where the type of what a word stands for is declared.
pub fn type_definition(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Option<Way> {
    let cursor = Cursor::at(db, workspace, file, offset)?;
    let Occurrence { node, symbol, .. } = cursor.occurrence()?;
    let mut types = Vec::new();
    match &symbol {
        Symbol::Item(id) if matches!(id.kind(db), Kind::Schema | Kind::Type) => types.push(*id),
        Symbol::Item(id) if id.kind(db) == Kind::Request => {
            types.extend(request_schema(db, workspace, *id));
        }
        Symbol::Item(id) => declared_types(db, workspace, *id, None, &mut types),
        Symbol::Field(id, name) | Symbol::Output(id, name) | Symbol::Local(id, name) => {
            declared_types(db, workspace, *id, Some(*name), &mut types);
        }
        _ => {}
    }
    if types.is_empty() {
        let sight = &cursor.reading.sight;
        let around = cursor.way.iter().rev().map(|it| it.id());
        let known = [node].into_iter().chain(around).find_map(|it| sight.types.get(&it));
        if let Some(ty) = known {
            schemas(ty, &mut types);
        }
    }
    let places = types.into_iter().filter_map(|it| Symbol::Item(it).place(db));
    let mut to: Vec<Location> = places.collect();
    to.retain(|it| workspace.files(db).contains_key(&it.path));
    to.dedup();
    Some(Way { from: cursor.span(node), to })
}

/// The schemas that values of a type are of.
fn schemas(ty: &Ty, found: &mut Vec<ItemId>) {
    match ty {
        Ty::Schema(id) | Ty::Request(id) | Ty::Nested(id) | Ty::Environment(Some(id)) => {
            found.push(*id);
        }
        Ty::Optional(inner) => schemas(inner, found),
        Ty::List(item, _) => schemas(item, found),
        Ty::Map(_, value) => schemas(value, found),
        Ty::Refined(refined) => schemas(&refined.base, found),
        Ty::Union(arms) => arms.iter().for_each(|it| schemas(it, found)),
        _ => {}
    }
}

/// The types that are written behind a name of a declaration, else in its head.
fn declared_types(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    name: Option<NodeId>,
    found: &mut Vec<ItemId>,
) {
    let Some(tree) = item(db, id).as_deref() else { return };
    let mut written: Vec<&Type> = Vec::new();
    let mut paths: Vec<&Path> = Vec::new();
    match (&tree.kind, name) {
        (ItemKind::Environment { schema, .. }, None) => paths.push(schema),
        (ItemKind::Let(it), None) => written.extend(&it.ty),
        (ItemKind::Fn { result, .. }, None) => written.push(result),
        (ItemKind::Compose { schema, binder, .. }, Some(name)) if binder.id == name => {
            paths.push(schema);
        }
        (ItemKind::Fn { params, .. }, Some(name)) => {
            written.extend(params.iter().filter(|it| it.name.id == name).map(|it| &it.ty));
        }
        _ => {}
    }
    Node::Item(tree).walk(&mut |node| match node {
        Node::Member(Member { kind: MemberKind::Field { name: it, ty, .. }, .. })
        | Node::Statement(Statement { kind: StatementKind::Output { name: it, ty, .. }, .. })
        | Node::Statement(Statement {
            kind: StatementKind::Let(Let { name: it, ty: Some(ty), .. }),
            ..
        }) if Some(it.id) == name => written.push(ty),
        _ => {}
    });
    for ty in written {
        Node::Type(ty).walk(&mut |node| {
            if let Node::Path(path) = node {
                paths.push(path);
            }
        });
    }
    for path in paths {
        if let Ok(Target::Item(it)) = resolve_path(db, workspace, id, &path.segments) {
            found.push(it);
        }
    }
}

/// A declaration by its head: the schema of a composition, else its name.
pub fn head_of(db: &dyn Db, id: ItemId) -> Location {
    let node = match item(db, id).as_deref().map(|it| &it.kind) {
        Some(ItemKind::Compose { schema, .. } | ItemKind::Defaults { schema, .. }) => schema.id,
        _ => return location(db, plumb_compiler::items::name_place(db, id)),
    };
    location(db, Place::Node(id, node))
}

/// The fields of schemas that the entry at a place is made of; where it reads none, the functions and lets
/// that it names.
fn made_of(cursor: &Cursor<'_>) -> Vec<Location> {
    let entry = cursor.way.iter().rev().find_map(|it| match it {
        Node::Entry(Entry { kind: EntryKind::Set { value, .. }, .. }) => Some(value),
        _ => None,
    });
    let Some(value) = entry else { return Vec::new() };
    let mut inside: Vec<NodeId> = Vec::new();
    Node::Expr(value).walk(&mut |it| inside.push(it.id()));
    let all = cursor.reading.occurrences();
    let of = |takes: fn(&Symbol) -> bool| -> Vec<Location> {
        let here = all.iter().filter(|it| inside.contains(&it.node) && takes(&it.symbol));
        let mut places: Vec<Location> =
            here.filter_map(|it| it.symbol.place(cursor.reading.db)).collect();
        places.sort();
        places.dedup();
        places
    };
    let fields = of(|it| matches!(it, Symbol::Field(..)));
    match fields.is_empty() {
        true => of(|it| matches!(it, Symbol::Item(_) | Symbol::Local(..))),
        false => fields,
    }
}

/// The texts of a file that lead to others: the arguments of `file`, the paths of `use`.
pub fn links(db: &dyn Db, workspace: Workspace, file: SourceFile) -> Vec<Way> {
    let mut found = Vec::new();
    for id in keyed_items(db, file) {
        let at = extent(db, *id);
        let text = text_of(db, file).get(at.start as usize..at.end as usize).unwrap_or_default();
        let place = |node: NodeId| location(db, Place::Node(*id, node)).range;
        if id.kind(db) == Kind::Use {
            let Some(ItemKind::Use { path, .. }) = item(db, *id).as_deref().map(|it| &it.kind)
            else {
                continue;
            };
            let to = match resolve_use(db, workspace, *id, &path.segments) {
                Some(Target::Package(package)) => beginning(db, package),
                Some(Target::Item(it)) => Symbol::Item(it).place(db),
                _ => None,
            };
            let to = to.filter(|it| workspace.files(db).contains_key(&it.path));
            found.extend(to.map(|to| Way { from: place(path.id), to: vec![to] }));
        } else if text.contains("file") {
            // Only what may call it is read.
            let Some(reading) = Reading::new(db, workspace, *id) else { continue };
            Node::Item(reading.tree).walk(&mut |node| {
                let Node::Expr(call) = node else { return };
                if let Some((argument, path)) = named_file(&reading, call) {
                    let to = vec![Location { path, range: TextRange::default() }];
                    found.push(Way { from: place(argument), to });
                }
            });
        }
    }
    found
}

/// The beginning of a package's first file.
fn beginning(db: &dyn Db, package: Package) -> Option<Location> {
    let first = package_files(db, package).first()?;
    Some(Location { path: first.path(db).clone(), range: TextRange::default() })
}

/// The file that the literal at the end of a way names as the argument of `file`.
fn file_argument(reading: &Reading<'_>, way: &[Node<'_>]) -> Option<(NodeId, Name)> {
    let [.., Node::Expr(call), Node::Expr(argument)] = way else { return None };
    named_file(reading, call).filter(|(node, _)| *node == argument.id)
}

/// The file that a call of `file` names, with the node of its argument.
fn named_file(reading: &Reading<'_>, call: &Expr) -> Option<(NodeId, Name)> {
    let ExprKind::Call { callee, args } = &call.kind else { return None };
    let resolution = reading.inference.resolutions.get(&callee.id)?;
    let argument = &args.first()?.value;
    let ExprKind::Literal(Literal::String(path)) = &argument.kind else { return None };
    if *resolution != Resolution::File || path.is_empty() {
        return None;
    }
    let own = reading.id.file(reading.db).path(reading.db);
    let path = match own.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{path}").into(),
        None => path.clone(),
    };
    reading.workspace.files(reading.db).contains_key(&path).then_some((argument.id, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP, marked};

    type Ask = fn(&dyn Db, Workspace, SourceFile, u32) -> Option<Way>;

    fn shown(ask: Ask, text: &str) -> String {
        let it = Fixture::new(text);
        let way = ask(&it.db, it.workspace, it.file, it.offset);
        way.map_or("nothing".to_owned(), |way| {
            let shown: Vec<String> = way.to.iter().map(|at| marked(&it, at)).collect();
            shown.join("\n")
        })
    }

    fn from(ask: Ask, before: &str, after: &str) -> String {
        assert!(SHOP.contains(before), "{before}");
        shown(ask, &SHOP.replacen(before, after, 1))
    }

    #[test]
    fn fields_lead_to_their_schema() {
        insta::assert_snapshot!(from(definition, "svc.replicas", "svc.rep$0licas"), @"platform/web.plumb: «replicas»: Int where it in 1..=50 = 1");
        insta::assert_snapshot!(from(definition, "{ replicas = 6", "{ replicas$0 = 6"), @"platform/web.plumb: «replicas»: Int where it in 1..=50 = 1");
    }

    #[test]
    fn an_entry_of_an_object_leads_to_what_it_is_made_of() {
        insta::assert_snapshot!(from(definition, "replicas = svc", "rep$0licas = svc"), @"platform/web.plumb: «replicas»: Int where it in 1..=50 = 1");
    }

    #[test]
    fn requests_packages_files_and_outputs_are_found() {
        insta::assert_snapshot!(from(definition, "overlay cart", "overlay c$0art"), @"apps/shop/team.plumb: request «cart»: platform.Web {");
        insta::assert_snapshot!(from(definition, "use platform\n", "use plat$0form\n"), @"platform/env.plumb: «»schema Env {");
        let more = "use platform\nrequest x: platform.Web { image = cart.u$0rl }\n";
        insta::assert_snapshot!(shown(definition, &format!("{SHOP}{more}")), @r#"platform/web.plumb: output «url»: String = "http://${svc.name}""#);
        let more = "let page = file(\"pa$0ge.txt\")\n---- apps/shop/page.txt\nhello\n";
        insta::assert_snapshot!(shown(definition, &format!("{SHOP}{more}")), @"apps/shop/page.txt: «»hello");
    }

    #[test]
    fn what_no_file_declares_leads_nowhere() {
        insta::assert_snapshot!(from(definition, "apps.Deployment", "apps.Dep$0loyment"), @"");
        insta::assert_snapshot!(shown(definition, "type A = Po$0rt\n"), @"");
        insta::assert_snapshot!(shown(definition, "let a = 1 $0+ 2\n"), @"nothing");
    }

    #[test]
    fn schemas_and_fields_lead_to_what_is_made_of_them() {
        insta::assert_snapshot!(from(implementation, "schema Web", "schema W$0eb"), @"platform/web.plumb: compose «Web» as svc {");
        insta::assert_snapshot!(from(implementation, "request cart", "request ca$0rt"), @"platform/web.plumb: compose «Web» as svc {");
        insta::assert_snapshot!(from(implementation, "image = \"cart:1\"", "im$0age = \"cart:1\""), @r#"platform/web.plumb: template.spec.containers = [{ name = "main", image = svc.«image» }]"#);
    }

    #[test]
    fn types_are_found() {
        insta::assert_snapshot!(from(type_definition, "sidecars:", "side$0cars:"), @"platform/web.plumb: schema «Sidecar» {");
        insta::assert_snapshot!(from(type_definition, "svc.replicas", "s$0vc.replicas"), @"platform/web.plumb: schema «Web» {");
        insta::assert_snapshot!(from(type_definition, "request cart", "request ca$0rt"), @"platform/web.plumb: schema «Web» {");
    }

    #[test]
    fn files_and_uses_are_links() {
        let it = Fixture::new(
            "use b\nuse b.{n}\nuse k8s.core.v1 as core\nuse nowhere\nlet a = file(\"x.txt\")\nlet c = file(\"none.txt\")$0\n---- a/x.txt\nhello\n---- b/b.plumb\nlet n = 1\n",
        );
        let text = &it.texts["a/a.plumb"];
        let shown: Vec<String> = links(&it.db, it.workspace, it.file)
            .iter()
            .map(|way| {
                let from = &text[way.from.start as usize..way.from.end as usize];
                format!("{from} -> {}", way.to[0].path)
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        b -> b/b.plumb
        b -> b/b.plumb
        "x.txt" -> a/x.txt
        "#);
    }
}
