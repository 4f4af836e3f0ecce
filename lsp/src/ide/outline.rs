//! What files declare: of one as a tree, of all by a few letters.

use super::references::text_of;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::engine::location;
use plumb_compiler::items::{
    declared_name, dotted, extent, items, keyed_items, name_place, spans, trees,
};
use plumb_compiler::names::{describe, package_name, package_of};
use plumb_compiler::source::{ItemId, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;

/// What a part of an outline is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A declaration.
    Declaration(Kind),
    /// A field of a schema or of a record type.
    Field,
    /// An output.
    Output,
    /// An `emit`.
    Emit,
    /// A name of a block.
    Local,
    /// What a request, overlay or environment sets.
    Setting,
}

/// A part of a file's outline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline {
    /// What it is called; never empty.
    pub name: String,
    /// Its type or schema, as written.
    pub detail: Option<String>,
    /// What it is.
    pub part: Part,
    /// All of it, with its documentation.
    pub range: TextRange,
    /// Its name, inside of `range`.
    pub selection: TextRange,
    /// What is in it.
    pub children: Vec<Outline>,
}

/// The declarations of a file with what is in them, in the order of the text. What has no name yet is left out.
pub fn outline(db: &dyn Db, file: SourceFile) -> Vec<Outline> {
    let text = text_of(db, file);
    trees(db, file)
        .filter_map(|(id, tree)| {
            let writer = Writer { text, spans: spans(db, id), whole: extent(db, id) };
            writer.declaration(db, id, tree)
        })
        .collect()
}

struct Writer<'a> {
    text: &'a str,
    spans: &'a [TextRange],
    whole: TextRange,
}

impl Writer<'_> {
    fn span(&self, node: NodeId) -> TextRange {
        self.spans.get(node.0 as usize).copied().unwrap_or(self.whole)
    }

    fn written(&self, node: NodeId) -> String {
        let at = self.span(node);
        let text = self.text.get(at.start as usize..at.end as usize).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn part(&self, name: String, part: Part, node: NodeId, of_name: NodeId) -> Option<Outline> {
        if name.is_empty() {
            return None;
        }
        let range = self.span(node);
        let name_at = self.span(of_name);
        let selection = TextRange {
            start: name_at.start.clamp(range.start, range.end),
            end: name_at.end.clamp(range.start, range.end),
        };
        Some(Outline { name, detail: None, part, range, selection, children: Vec::new() })
    }

    fn declaration(&self, db: &dyn Db, id: ItemId, tree: &Item) -> Option<Outline> {
        let (name, of_name) = match &tree.kind {
            ItemKind::Use { .. } => return None,
            ItemKind::Compose { schema, .. } | ItemKind::Defaults { schema, .. } => {
                (describe(db, id), schema.id)
            }
            ItemKind::Overlay { requests, .. } => (describe(db, id), requests.first()?.id),
            ItemKind::Package { record } => (describe(db, id), record.id),
            ItemKind::Test { name, .. } => (self.written(name.id), name.id),
            _ => {
                let name = declared_name(tree)?;
                (name.text.to_string(), name.id)
            }
        };
        let mut found = self.part(name, Part::Declaration(id.kind(db)), NodeId(0), of_name)?;
        found.range = self.whole.cover(found.range);
        found.detail = match &tree.kind {
            ItemKind::Request { schema, .. } | ItemKind::Environment { schema, .. } => {
                Some(dotted(schema).to_string())
            }
            ItemKind::Fn { result, .. } => Some(self.written(result.id)),
            ItemKind::Let(Let { ty: Some(ty), .. }) => Some(self.written(ty.id)),
            ItemKind::Type { ty, .. } => Some(self.written(ty.id)).filter(|it| it.len() <= 60),
            _ => None,
        };
        found.detail = found.detail.filter(|it| !it.is_empty());
        found.children = match &tree.kind {
            ItemKind::Schema { members, .. } => {
                members.iter().filter_map(|it| self.member(it)).collect()
            }
            ItemKind::Compose { block, .. } => self.block(block),
            ItemKind::Package { record }
            | ItemKind::Environment { record, .. }
            | ItemKind::Defaults { record, .. }
            | ItemKind::Request { record, .. }
            | ItemKind::Overlay { record, .. } => {
                record.entries.iter().filter_map(|it| self.setting(it)).collect()
            }
            _ => Vec::new(),
        };
        Some(found)
    }

    fn member(&self, it: &Member) -> Option<Outline> {
        let MemberKind::Field { name, ty, .. } = &it.kind else { return None };
        let mut found = self.part(name.text.to_string(), Part::Field, it.id, name.id)?;
        found.detail = Some(self.written(ty.id)).filter(|it| !it.is_empty());
        Some(found)
    }

    fn setting(&self, it: &Entry) -> Option<Outline> {
        let EntryKind::Set { path, .. } = &it.kind else { return None };
        self.part(self.written(path.id), Part::Setting, it.id, path.id)
    }

    fn block(&self, block: &Block) -> Vec<Outline> {
        let mut found = Vec::new();
        for it in &block.statements {
            match &it.kind {
                StatementKind::Let(Let { name, .. }) => {
                    found.extend(self.part(name.text.to_string(), Part::Local, it.id, name.id));
                }
                StatementKind::Output { name, ty, .. } => {
                    let part = self.part(name.text.to_string(), Part::Output, it.id, name.id);
                    found.extend(
                        part.map(|part| Outline { detail: Some(self.written(ty.id)), ..part }),
                    );
                }
                StatementKind::Emit { value, .. } => {
                    let (name, node) = match &value.kind {
                        ExprKind::Named { path, .. } => (dotted(path).to_string(), path.id),
                        ExprKind::Call { callee, .. } => (self.written(callee.id), callee.id),
                        _ => ("emit".to_owned(), value.id),
                    };
                    found.extend(self.part(name, Part::Emit, it.id, node));
                }
                StatementKind::If(it) => {
                    found.extend(self.block(&it.then));
                    found.extend(it.otherwise.iter().flat_map(|it| self.block(it)));
                }
                StatementKind::For { body, .. } => found.extend(self.block(body)),
                StatementKind::Rule(_) => {}
            }
        }
        found
    }
}

/// A declaration that is found by a few letters of its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its name.
    pub name: Name,
    /// Its package, as people call it.
    pub package: String,
    /// What it declares.
    pub kind: Kind,
    /// Its name's place.
    pub location: Location,
}

/// The most declarations that are found at once: nobody reads more, and clients ask again as letters come.
const MOST: usize = 128;

/// The declarations whose name holds the letters of a text in its order, the nearest first; with a dot in the
/// text, of the package and the name. Of an empty text all.
pub fn find(db: &dyn Db, workspace: Workspace, query: &str) -> Vec<Found> {
    let query: Vec<char> = query.chars().flat_map(char::to_lowercase).collect();
    let with_package = query.contains(&'.');
    let mut found: Vec<(u32, ItemId)> = Vec::new();
    let sources = workspace.files(db).iter().filter(|(path, _)| path.ends_with(".plumb"));
    for (_, file) in sources {
        let package = package_of(db, workspace, *file);
        for id in items(db, *file) {
            let is_named = matches!(
                id.kind(db),
                Kind::Let
                    | Kind::Schema
                    | Kind::Type
                    | Kind::Fn
                    | Kind::Environment
                    | Kind::Request
            );
            let name = id.name(db);
            if !is_named || name.is_empty() {
                continue;
            }
            let distance = match with_package {
                false => distance(&query, name),
                true => distance(&query, &format!("{}.{name}", package.path(db))),
            };
            found.extend(distance.map(|it| (it, *id)));
        }
    }
    let key = |(distance, id): &(u32, ItemId)| {
        (*distance, id.name(db).clone(), id.file(db).path(db).clone())
    };
    if found.len() > MOST {
        found.select_nth_unstable_by_key(MOST, key);
        found.truncate(MOST);
    }
    found.sort_by_cached_key(key);
    let found = found.into_iter().map(|(_, id)| Found {
        name: id.name(db).clone(),
        package: package_name(db, package_of(db, workspace, id.file(db))),
        kind: id.kind(db),
        location: location(db, name_place(db, id)),
    });
    found.collect()
}

/// How far a name is from letters that it holds in their order; `None` where it does not. Letters at the start
/// of words and in a row are near.
fn distance(query: &[char], name: &str) -> Option<u32> {
    let mut wanted = query.iter().peekable();
    let (mut cost, mut before, mut last_found) = (0, None::<char>, true);
    for char in name.chars() {
        let Some(next) = wanted.peek() else {
            // What goes on behind the letters is a little farther.
            cost += 1;
            continue;
        };
        let begins = before
            .is_none_or(|it| !it.is_alphanumeric() || it.is_lowercase() && char.is_uppercase());
        if char.to_lowercase().eq([**next]) {
            cost += if last_found || begins { 0 } else { 8 };
            last_found = true;
            wanted.next();
        } else {
            cost += 4;
            last_found = false;
        }
        before = Some(char);
    }
    wanted.peek().is_none().then_some(cost)
}

/// A run of a text that can be folded away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fold {
    /// From where the fold begins to its last byte.
    pub range: TextRange,
    /// What it is.
    pub kind: FoldKind,
}

/// What can be folded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FoldKind {
    /// Brackets.
    Brackets,
    /// Comments on lines of their own, one below the other.
    Comment,
    /// `use` lines.
    Uses,
}

/// What can be folded in a file: brackets of several lines, comments and `use` lines that follow each other.
pub fn folds(db: &dyn Db, file: SourceFile) -> Vec<Fold> {
    use plumb_compiler::syntax::TokenKind as T;
    let text = text_of(db, file);
    let several = |range: TextRange| {
        text.get(range.start as usize..range.end as usize).is_some_and(|it| it.contains('\n'))
    };
    let mut found = Vec::new();
    let mut open: Vec<(T, u32)> = Vec::new();
    let mut comment: Option<TextRange> = None;
    let mut lines_since = 2;
    let mut is_first = true;
    for token in plumb_compiler::syntax::tokens(text) {
        match token.kind {
            T::LeftBrace | T::LeftBracket | T::LeftParen => {
                open.push((token.kind, token.range.end));
            }
            T::RightBrace | T::RightBracket | T::RightParen => {
                let opens = match token.kind {
                    T::RightBrace => T::LeftBrace,
                    T::RightBracket => T::LeftBracket,
                    _ => T::LeftParen,
                };
                // What was never closed is left open.
                if let Some(at) = open.iter().rposition(|(kind, _)| *kind == opens) {
                    let range = TextRange::new(open[at].1, token.range.start);
                    open.truncate(at);
                    found.push(Fold { range, kind: FoldKind::Brackets });
                }
            }
            _ => {}
        }
        match token.kind {
            T::Comment | T::Doc if is_first => {
                comment = match comment {
                    Some(run) if lines_since == 1 => Some(run.cover(token.range)),
                    before => {
                        found.extend(before.map(|range| Fold { range, kind: FoldKind::Comment }));
                        Some(token.range)
                    }
                };
                lines_since = 0;
                is_first = false;
            }
            T::Newline => {
                lines_since += 1;
                is_first = true;
            }
            T::Whitespace => {}
            _ => {
                found.extend(comment.take().map(|range| Fold { range, kind: FoldKind::Comment }));
                is_first = false;
            }
        }
    }
    found.extend(comment.map(|range| Fold { range, kind: FoldKind::Comment }));
    let mut run: Option<TextRange> = None;
    for id in keyed_items(db, file) {
        let at = extent(db, *id);
        if id.kind(db) == Kind::Use {
            run = Some(run.map_or(at, |it| it.cover(at)));
        } else {
            found.extend(run.take().map(|range| Fold { range, kind: FoldKind::Uses }));
        }
    }
    found.extend(run.map(|range| Fold { range, kind: FoldKind::Uses }));
    found.retain(|it| several(it.range));
    found.sort();
    found
}

/// What is selected around a place, step by step: the word, what it is part of, up to the whole file.
pub fn selections(db: &dyn Db, file: SourceFile, offset: u32) -> Vec<TextRange> {
    let text = text_of(db, file);
    let mut found = vec![TextRange::new(0, text.len() as u32)];
    if let Some(id) = super::cursor::declaration_at(db, file, offset) {
        found.push(extent(db, id));
        if let Some(tree) = plumb_compiler::items::item(db, id).as_deref() {
            let spans = spans(db, id);
            let way = super::tree::around(tree, spans, offset);
            found.extend(way.iter().filter_map(|it| spans.get(it.id().0 as usize).copied()));
        }
    }
    // Each inside the one before, and smaller.
    let mut steps: Vec<TextRange> = Vec::new();
    for range in found {
        let holds = range.start <= offset && offset <= range.end;
        let is_step = steps
            .last()
            .is_none_or(|it| it.start <= range.start && range.end <= it.end && *it != range);
        if holds && is_step {
            steps.push(range);
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    fn shown(parts: &[Outline], indent: usize, out: &mut String) {
        for it in parts {
            let detail = it.detail.as_deref().map_or(String::new(), |it| format!(": {it}"));
            *out += &format!("{}{:?} {}{detail}\n", "  ".repeat(indent), it.part, it.name);
            assert!(it.range.start <= it.selection.start && it.selection.end <= it.range.end);
            shown(&it.children, indent + 1, out);
        }
    }

    fn outlined(text: &str) -> String {
        let it = Fixture::new(text);
        let mut out = String::new();
        shown(&outline(&it.db, it.file), 0, &mut out);
        out
    }

    #[test]
    fn a_file_is_a_tree_of_what_it_declares() {
        insta::assert_snapshot!(outlined(&SHOP.replace("use k8s.apps", "$0use k8s.apps")), @r#"
        Declaration(Schema) Scale
          Field max: Int where it in 2..=200
          Field cpu: Int
        Declaration(Schema) Sidecar
          Field name: String
          Field image: String
        Declaration(Schema) Web
          Field image: String
          Field replicas: Int where it in 1..=50
          Field size: "small" | "large"
          Field owner: String
          Field scale: Scale?
          Field env: {String: String}
          Field sidecars: [Sidecar by name]
        Declaration(Compose) compose Web
          Output url: String
          Emit apps.Deployment
        Declaration(Defaults) defaults Web in prod
          Setting replicas
        "#);
        insta::assert_snapshot!(outlined(&SHOP.replace("package {", "$0package {")), @r#"
        Declaration(Package) package
          Setting namespace
        Declaration(Request) cart: platform.Web
          Setting image
          Setting owner
        Declaration(Overlay) overlay cart in prod
          Setting replicas
          Setting size
        "#);
    }

    #[test]
    fn what_is_half_typed_has_no_name_yet() {
        insta::assert_snapshot!(outlined("schema \nrequest x: \nschema A { b: , c\n$0fn f(\nlet = 1\noverlay\n"), @r#"
        Declaration(Request) x
        Declaration(Schema) A
          Field b
          Field c
        Declaration(Fn) f
        Declaration(Overlay) overlay
        "#);
    }

    #[test]
    fn declarations_are_found_by_letters() {
        let it = Fixture::new(&format!("{SHOP}$0request cart-search: Web {{}}\n"));
        let names = |query: &str| -> String {
            let found = find(&it.db, it.workspace, query);
            let shown: Vec<String> = found
                .iter()
                .map(|it| format!("{:?} {}.{}", it.kind, it.package, it.name))
                .collect();
            shown.join(", ")
        };
        insta::assert_snapshot!(names("cart"), @"Request apps.shop.cart, Request apps.shop.cart-search");
        insta::assert_snapshot!(names("cs"), @"Request apps.shop.cart-search");
        insta::assert_snapshot!(names("shop.c"), @"Request apps.shop.cart, Request apps.shop.cart-search");
        insta::assert_snapshot!(names("sc"), @"Schema platform.Scale, Schema platform.Sidecar, Request apps.shop.cart-search");
        insta::assert_snapshot!(names("zzz"), @"");
        assert_eq!(find(&it.db, it.workspace, "").len(), 8);
    }

    #[test]
    fn brackets_comments_and_uses_fold() {
        let it = Fixture::new(
            "use a\nuse b\n\n// one\n// two\n\n// three\nlet x = { // four\n    y = [\n        1\n    ]\n}\nlet z = {\n    u = (\n$0",
        );
        let text = &it.texts["a/a.plumb"];
        let found = folds(&it.db, it.file);
        let shown: Vec<String> = found
            .iter()
            .map(|it| {
                format!("{:?} {:?}", it.kind, &text[it.range.start as usize..it.range.end as usize])
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        Uses "use a\nuse b"
        Comment "// one\n// two"
        Brackets " // four\n    y = [\n        1\n    ]\n"
        Brackets "\n        1\n    "
        "#);
    }

    #[test]
    fn a_selection_grows_by_what_things_are_part_of() {
        let it = Fixture::new("/// A.\nlet a = { b = [1, 2$03] }\nlet c = 1\n");
        let text = &it.texts["a/a.plumb"];
        let steps = selections(&it.db, it.file, it.offset);
        let shown: Vec<&str> =
            steps.iter().map(|it| &text[it.start as usize..it.end as usize]).collect();
        insta::assert_snapshot!(format!("{shown:#?}"), @r#"
        [
            "23",
            "[1, 23]",
            "b = [1, 23]",
            "{ b = [1, 23] }",
            "let a = { b = [1, 23] }",
            "/// A.\nlet a = { b = [1, 23] }",
            "/// A.\nlet a = { b = [1, 23] }\nlet c = 1\n",
        ]
        "#);
    }
}
