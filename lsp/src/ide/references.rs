//! Where a symbol is spoken of.

use super::cursor::Cursor;
use super::meaning::{Reading, Symbol};
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::diagnostics::Place;
use plumb_compiler::engine::location;
use plumb_compiler::items::{extent, item, keyed_items};
use plumb_compiler::names::{Target, uses};
use plumb_compiler::source::{Content, ItemId, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;

/// A word that stands for a symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Where.
    pub location: Location,
    /// The declaration it stands in.
    pub id: ItemId,
    /// Its node there.
    pub node: NodeId,
    /// Whether it declares the symbol.
    pub declares: bool,
    /// Whether it gives the symbol a value.
    pub writes: bool,
}

/// The words of a workspace that stand for a symbol, by file and place. Only what holds the name's text is
/// read: so much costs the number of users, not the size of the workspace.
pub fn references(db: &dyn Db, workspace: Workspace, symbol: &Symbol) -> Vec<Reference> {
    let mut found = Vec::new();
    match symbol {
        // Only the parameters of functions are named elsewhere.
        Symbol::Local(id, _) if id.kind(db) != Kind::Fn => {
            in_declaration(db, workspace, symbol, *id, &mut found);
        }
        _ => {
            let sources = workspace.files(db).iter().filter(|(path, _)| path.ends_with(".plumb"));
            sources.for_each(|(_, file)| in_file(db, workspace, symbol, *file, &mut found));
        }
    }
    found
}

/// The words of one file that stand for a symbol.
pub fn references_in(
    db: &dyn Db,
    workspace: Workspace,
    symbol: &Symbol,
    file: SourceFile,
) -> Vec<Reference> {
    let mut found = Vec::new();
    in_file(db, workspace, symbol, file, &mut found);
    found
}

/// The words of a workspace that stand for what the word at a place does.
pub fn references_at(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Vec<Reference> {
    let found = Cursor::at(db, workspace, file, offset).and_then(|it| it.occurrence());
    found.map_or_else(Vec::new, |it| references(db, workspace, &it.symbol))
}

/// The words of the file that stand for what the word at a place does.
pub fn highlights(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Vec<Reference> {
    let found = Cursor::at(db, workspace, file, offset).and_then(|it| it.occurrence());
    found.map_or_else(Vec::new, |it| references_in(db, workspace, &it.symbol, file))
}

fn in_file(
    db: &dyn Db,
    workspace: Workspace,
    symbol: &Symbol,
    file: SourceFile,
    found: &mut Vec<Reference>,
) {
    let Content::Text(text) = file.content(db) else { return };
    let name = written_name(db, workspace, symbol);
    // Who names a parameter calls the function.
    let (known_by, mut words) = match symbol {
        Symbol::Local(id, _) => (id.name(db).clone(), vec![name]),
        _ => (name.clone(), vec![name]),
    };
    if !holds_word(text, &known_by) {
        return;
    }
    for (alias, (target, _)) in &uses(db, workspace, file).names {
        if !words.contains(alias) && is_target(symbol, target) {
            words.push(alias.clone());
        }
    }
    for id in keyed_items(db, file) {
        let at = extent(db, *id);
        let part = text.get(at.start as usize..at.end as usize).unwrap_or_default();
        if words.iter().any(|it| holds_word(part, it)) {
            in_declaration(db, workspace, symbol, *id, found);
        }
    }
}

fn in_declaration(
    db: &dyn Db,
    workspace: Workspace,
    symbol: &Symbol,
    id: ItemId,
    found: &mut Vec<Reference>,
) {
    let Some(reading) = Reading::new(db, workspace, id) else { return };
    let occurrences = reading.occurrences().into_iter().filter(|it| it.symbol == *symbol);
    let set = set_steps(reading.tree);
    found.extend(occurrences.map(|it| Reference {
        location: location(db, Place::Node(id, it.node)),
        id,
        node: it.node,
        declares: it.declares,
        writes: it.declares || set.contains(&it.node),
    }));
}

/// The steps at the ends of paths that are set.
fn set_steps(tree: &Item) -> Vec<NodeId> {
    let mut found = Vec::new();
    Node::Item(tree).walk(&mut |node| {
        if let Node::FieldPath(path) = node {
            found.extend(path.segments.last().map(|it| it.id));
        }
    });
    found
}

/// The word that text has for a symbol where no alias is given to it.
pub fn written_name(db: &dyn Db, workspace: Workspace, symbol: &Symbol) -> Name {
    let name = symbol.name(db, workspace);
    match symbol {
        // `apps.v1`; `@platform`, as a dependency's package is known.
        Symbol::Group(_) | Symbol::Package(_) => {
            name.rsplit(['.', '@']).next().unwrap_or_default().into()
        }
        _ => name,
    }
}

fn is_target(symbol: &Symbol, target: &Target) -> bool {
    match (symbol, target) {
        (Symbol::Item(a), Target::Item(b)) => a == b,
        (Symbol::Package(a), Target::Package(b)) => a == b,
        (Symbol::Kind(a), Target::Kind(b)) => a == b,
        (Symbol::Object(a), Target::Object(b)) => a == b,
        (Symbol::Group(a), Target::Group(b)) => a == b,
        (Symbol::Group(a), Target::GroupVersion(group, version)) => {
            a.strip_prefix(group.as_str()).and_then(|it| it.strip_prefix('.')) == Some(version)
        }
        _ => false,
    }
}

/// The text of a file; empty where it cannot be read.
pub(super) fn text_of(db: &dyn Db, file: SourceFile) -> &str {
    match file.content(db) {
        Content::Text(text) => text,
        Content::Unreadable(_) => "",
    }
}

/// Whether a text holds a word, not as a part of a longer one.
pub(super) fn holds_word(text: &str, word: &str) -> bool {
    if word.is_empty() {
        return false;
    }
    let is_part = |it: Option<u8>| it.is_some_and(|it| it.is_ascii_alphanumeric() || it == b'_');
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|it| it.find(word)) {
        let (start, end) = (from + at, from + at + word.len());
        let before = start.checked_sub(1).and_then(|it| text.as_bytes().get(it).copied());
        if !is_part(before) && !is_part(text.as_bytes().get(end).copied()) {
            return true;
        }
        from = end;
    }
    false
}

/// The compositions and functions that read a field: what becomes of it.
pub fn readers(db: &dyn Db, workspace: Workspace, symbol: &Symbol) -> Vec<Reference> {
    let mut found = references(db, workspace, symbol);
    found.retain(|it| {
        !it.writes
            && matches!(it.id.kind(db), Kind::Compose | Kind::Fn)
            && item(db, it.id).is_some()
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP, marked};

    fn shown(text: &str) -> String {
        let it = Fixture::new(text);
        let found = Cursor::at(&it.db, it.workspace, it.file, it.offset).unwrap();
        let symbol = found.occurrence().expect("the cursor is at a word").symbol;
        let found = references(&it.db, it.workspace, &symbol);
        let shown = found.iter().map(|found| {
            let mark = match (found.declares, found.writes) {
                (true, _) => "= ",
                (_, true) => "w ",
                _ => "  ",
            };
            format!("{mark}{}\n", marked(&it, &found.location))
        });
        shown.collect()
    }

    #[test]
    fn a_field_is_found_where_it_is_set_and_read() {
        insta::assert_snapshot!(shown(&SHOP.replace("replicas: Int", "rep$0licas: Int")), @r#"
        w apps/shop/team.plumb: overlay cart in prod { «replicas» = 6, size = "large" }
        = platform/web.plumb: «replicas»: Int where it in 1..=50 = 1
          platform/web.plumb: replicas = svc.«replicas»
        w platform/web.plumb: defaults Web in prod { «replicas» = 2 }
        "#);
    }

    #[test]
    fn so_is_the_key_of_a_list() {
        let text = SHOP.replace("schema Sidecar {\n    name", "schema Sidecar {\n    na$0me");
        insta::assert_snapshot!(shown(&text), @r#"
        = platform/web.plumb: «name»: String
          platform/web.plumb: sidecars: [Sidecar by «name»] = []
        "#);
    }

    #[test]
    fn a_schema_is_found_by_its_aliases() {
        let text = SHOP.replace("schema Web {", "schema W$0eb {")
            + "use platform.{Web as Site}\nrequest x: Site { image = \"\", owner = \"\" }\n";
        insta::assert_snapshot!(shown(&text), @r#"
          apps/shop/team.plumb: request cart: platform.«Web» {
          apps/shop/x.plumb: use platform.{«Web» as Site}
          apps/shop/x.plumb: use platform.{Web as «Site»}
          apps/shop/x.plumb: request x: «Site» { image = "", owner = "" }
        = platform/web.plumb: schema «Web» {
          platform/web.plumb: compose «Web» as svc {
          platform/web.plumb: defaults «Web» in prod { replicas = 2 }
        "#);
    }

    #[test]
    fn requests_environments_outputs_and_parameters_are_found() {
        let more = "request x: platform.Web { image = cart.url, owner = cart.na$0me }\n";
        insta::assert_snapshot!(shown(&format!("{SHOP}use platform\n{}", more.replace("cart.na$0me", "car$0t.name"))), @r#"
        = apps/shop/team.plumb: request «cart»: platform.Web {
          apps/shop/team.plumb: overlay «cart» in prod { replicas = 6, size = "large" }
          apps/shop/x.plumb: request x: platform.Web { image = «cart».url, owner = cart.name }
          apps/shop/x.plumb: request x: platform.Web { image = cart.url, owner = «cart».name }
        "#);
        insta::assert_snapshot!(shown(&SHOP.replace("environment prod", "environment pr$0od")), @r#"
          apps/shop/team.plumb: overlay cart in «prod» { replicas = 6, size = "large" }
        = platform/env.plumb: environment «prod»: Env { domain = "shop.test", tier = "prod" }
          platform/web.plumb: defaults Web in «prod» { replicas = 2 }
        "#);
        let text = format!("{SHOP}use platform\n{more}").replace("na$0me", "name");
        insta::assert_snapshot!(shown(&text.replace("output url", "output u$0rl")), @r#"
          apps/shop/x.plumb: request x: platform.Web { image = cart.«url», owner = cart.name }
        = platform/web.plumb: output «url»: String = "http://${svc.name}"
        "#);
        let text = "fn double(num$0ber: Int) -> Int = number * 2\n---- b/b.plumb\nuse a.{double}\nlet number = double(number = 1)\n";
        insta::assert_snapshot!(shown(text), @r#"
        = a/a.plumb: fn double(«number»: Int) -> Int = number * 2
          a/a.plumb: fn double(number: Int) -> Int = «number» * 2
          b/b.plumb: let number = double(«number» = 1)
        "#);
    }

    #[test]
    fn half_typed_declarations_keep_their_words() {
        let text = "let comm$0on = 1\nlet other = common +\nlet more = { a = common.\n";
        insta::assert_snapshot!(shown(text), @r#"
        = a/a.plumb: let «common» = 1
          a/a.plumb: let other = «common» +
          a/a.plumb: let more = { a = «common».
        "#);
    }
}
