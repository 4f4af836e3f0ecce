//! The declarations of a file, by key: the firewall between text and meaning.
//!
//! [`items`] holds keys only, sorted, so neither an edit inside a declaration nor a move changes it.
//! [`item`] is a declaration's tree without positions, so an edit elsewhere in the file leaves it
//! equal. What stands behind these two is run again only for what was touched.

use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, SyntaxError, code};
use crate::source::{Content, ItemId, Kind, SourceFile};
use crate::syntax::ast::{Ident, Item, ItemKind, Name, NodeId, ParsedItem, Path, TextRange};
use crate::syntax::{Parse, parse as parse_text};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The largest source file, in bytes.
pub const MAX_FILE: usize = 4 << 20;

/// What a file says, without places.
#[derive(Clone, Debug)]
pub struct Trees {
    /// The declarations, in the order of the text.
    items: Vec<Arc<Item>>,
    /// Those in which a syntax error stands, by their number, with the text that they are.
    damaged: Vec<(usize, TextRange)>,
    /// What is wrong, in the order of the text.
    errors: Vec<SyntaxError>,
}

/// The trees of a file. Never compared: a changed text nearly always changes it, and [`item`] is
/// where equal parts are found.
#[salsa::tracked(no_eq)]
fn parse(db: &dyn Db, file: SourceFile) -> Trees {
    let Parse { items, errors } = read(db, file);
    let damaged = items.iter().enumerate().filter(|(_, it)| it.damaged);
    let damaged = damaged.map(|(number, it)| (number, it.range)).collect();
    Trees { items: items.into_iter().map(|it| it.item).collect(), damaged, errors }
}

/// Has a file parsed, for who asks next. Nothing is made that has a number: so hosts may parse in any order,
/// and the engine counts declarations in its own.
pub(crate) fn parse_ahead(db: &dyn Db, file: SourceFile) {
    parse(db, file);
}

/// The places of a file's declarations: of each node, and of the documentation. They are larger than the
/// trees and few are ever shown, so who shows one has the text read once more.
#[salsa::tracked(no_eq)]
fn places(db: &dyn Db, file: SourceFile) -> Vec<Places> {
    let items = read(db, file).items.into_iter();
    items.map(|ParsedItem { spans, docs, range, .. }| Places { spans, docs, range }).collect()
}

/// The places of a declaration: see [`ParsedItem`].
#[derive(Clone, Debug)]
struct Places {
    spans: Vec<TextRange>,
    docs: Vec<(NodeId, Name)>,
    range: TextRange,
}

fn read(db: &dyn Db, file: SourceFile) -> Parse {
    match file.content(db) {
        Content::Text(text) if text.len() <= MAX_FILE => parse_text(text),
        _ => parse_text(""),
    }
}

/// The keys of a file's declarations beside the trees they stand for, in the order of the text.
#[salsa::tracked(no_eq)]
pub fn keyed_items(db: &dyn Db, file: SourceFile) -> Vec<ItemId> {
    let keys: Vec<(Kind, Name, Name)> =
        parse(db, file).items.iter().map(|item| key(item)).collect();
    let mut seen: FxHashMap<&(Kind, Name, Name), u32> = FxHashMap::default();
    seen.reserve(keys.len());
    keys.iter()
        .map(|key| {
            let ordinal = seen.entry(key).or_default();
            *ordinal += 1;
            let (kind, name, environments) = key.clone();
            ItemId::new(db, file, kind, name, environments, *ordinal - 1)
        })
        .collect()
}

/// The keys of a file's declarations, sorted: equal after any edit that adds, removes and renames
/// nothing.
#[salsa::tracked]
pub fn items(db: &dyn Db, file: SourceFile) -> Vec<ItemId> {
    let mut items = keyed_items(db, file).clone();
    items.sort_by_cached_key(|id| (id.kind(db), id.name(db), id.environments(db), id.ordinal(db)));
    items
}

/// The tree of a declaration. `None` once it is gone from its file.
#[salsa::tracked]
pub fn item(db: &dyn Db, id: ItemId) -> Option<Arc<Item>> {
    let position = positions(db, id.file(db)).get(&id)?;
    parse(db, id.file(db)).items.get(*position).cloned()
}

/// The declarations of a file with their trees. A plain function, for who looks through whole files
/// outside of queries.
pub fn trees(db: &dyn Db, file: SourceFile) -> impl Iterator<Item = (ItemId, &Item)> {
    let items = parse(db, file).items.iter();
    keyed_items(db, file).iter().copied().zip(items.map(|it| &**it))
}

/// Where each declaration of a file stands among them.
#[salsa::tracked(no_eq)]
fn positions(db: &dyn Db, file: SourceFile) -> FxHashMap<ItemId, usize> {
    keyed_items(db, file).iter().enumerate().map(|(position, id)| (*id, position)).collect()
}

/// The places of a declaration. A plain function: whoever reads it depends on the whole text of the
/// file, so only what shows something to the user may.
fn places_of(db: &dyn Db, id: ItemId) -> Option<&Places> {
    let file = id.file(db);
    let position = positions(db, file).get(&id)?;
    places(db, file).get(*position)
}

/// The places of a declaration's nodes by their number, in bytes of its file; none once it is gone. As
/// everything that knows places, it is for who shows something.
pub fn spans(db: &dyn Db, id: ItemId) -> &[TextRange] {
    places_of(db, id).map_or(&[], |it| &it.spans)
}

/// Where a declaration stands, with its documentation and annotations.
pub fn extent(db: &dyn Db, id: ItemId) -> TextRange {
    places_of(db, id).map(|it| it.range).unwrap_or_default()
}

/// Where a place is now. A declaration that is gone is at the start of its file.
pub fn locate(db: &dyn Db, place: Place) -> (SourceFile, TextRange) {
    match place {
        Place::Range(file, range) => (file, range),
        Place::Node(id, node) => {
            let range = places_of(db, id)
                .and_then(|places| places.spans.get(node.0 as usize).copied())
                .unwrap_or_default();
            (id.file(db), range)
        }
    }
}

/// The documentation of a node, without its markers.
pub fn documentation(db: &dyn Db, id: ItemId, node: NodeId) -> Option<Name> {
    let docs = &places_of(db, id)?.docs;
    let index = docs.binary_search_by_key(&node, |(node, _)| *node).ok()?;
    Some(docs[index].1.clone())
}

/// What is wrong with the text of a file itself.
#[salsa::tracked]
pub fn syntax_diagnostics(db: &dyn Db, file: SourceFile) -> Vec<Diagnostic> {
    let start = TextRange::default();
    match file.content(db) {
        Content::Unreadable(why) => {
            return vec![Diagnostic::error(
                code::UNREADABLE_FILE,
                Place::Range(file, start),
                format!("{} {why}", file.path(db)),
            )];
        }
        Content::Text(text) if text.len() > MAX_FILE => {
            return vec![
                Diagnostic::error(
                    code::UNREADABLE_FILE,
                    Place::Range(file, start),
                    format!(
                        "{} is larger than 4 MiB, the most a source file may hold",
                        file.path(db)
                    ),
                )
                .help("split it; every file of a directory belongs to the same package"),
            ];
        }
        Content::Text(_) => {}
    }
    parse(db, file)
        .errors
        .iter()
        .map(|error| {
            let mut found = Diagnostic::error(
                error.code,
                Place::Range(file, error.range),
                error.message.clone(),
            )
            .label(error.label.clone());
            for (range, text) in &error.related {
                found = found.related(Place::Range(file, *range), text.clone());
            }
            found.help = error.help.clone();
            found.fix = error.fix.as_ref().map(|(range, text)| {
                (format!("write `{text}`"), Place::Range(file, *range), text.clone())
            });
            found
        })
        .collect()
}

/// Whether the text of a file can be trusted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Soundness {
    /// No syntax error.
    Sound,
    /// Every error stands inside one of these declarations.
    Damaged(Vec<ItemId>),
    /// Some text belongs to no declaration, so one may be missing, or there is no text at all.
    Torn,
}

/// Whether the text of a file can be trusted. Any error blocks what its package makes; but where
/// the damage is known, what stands on nothing damaged is still held against the rules, so that a
/// slip of the pen does not hide the other mistakes.
#[salsa::tracked]
pub fn soundness(db: &dyn Db, file: SourceFile) -> Soundness {
    let errors = syntax_diagnostics(db, file);
    if errors.is_empty() {
        return Soundness::Sound;
    }
    let damaged = &parse(db, file).damaged;
    let inside = errors.iter().all(|error| match error.place {
        Place::Range(_, at) => {
            damaged.iter().any(|(_, item)| item.start <= at.start && at.start <= item.end)
        }
        Place::Node(..) => true,
    });
    if !inside || damaged.is_empty() {
        return Soundness::Torn;
    }
    let keys = keyed_items(db, file);
    Soundness::Damaged(damaged.iter().map(|(number, _)| keys[*number]).collect())
}

fn key(item: &Item) -> (Kind, Name, Name) {
    let path = |path: &Path| dotted(path);
    let envs = |names: &[Ident]| {
        Name::from(names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(","))
    };
    let none = Name::default;
    match &item.kind {
        ItemKind::Use { path: at, .. } => (Kind::Use, path(at), none()),
        ItemKind::Package { .. } => (Kind::Package, none(), none()),
        ItemKind::Let(it) => (Kind::Let, it.name.text.clone(), none()),
        ItemKind::Schema { name, .. } => (Kind::Schema, name.text.clone(), none()),
        ItemKind::Type { name, .. } => (Kind::Type, name.text.clone(), none()),
        ItemKind::Environment { name, .. } => (Kind::Environment, name.text.clone(), none()),
        ItemKind::Defaults { schema, environments, .. } => {
            (Kind::Defaults, path(schema), envs(environments))
        }
        ItemKind::Compose { schema, .. } => (Kind::Compose, path(schema), none()),
        ItemKind::Policy { name, .. } => (Kind::Policy, name.text.clone(), none()),
        ItemKind::Fn { name, .. } => (Kind::Fn, name.text.clone(), none()),
        ItemKind::Request { name, environments, .. } => {
            (Kind::Request, name.text.clone(), envs(environments))
        }
        ItemKind::Overlay { requests, environments, .. } => {
            (Kind::Overlay, envs(requests), envs(environments))
        }
        ItemKind::Adjust { subject, environments, .. } => {
            (Kind::Adjust, path(subject), envs(environments))
        }
        ItemKind::Test { .. } => (Kind::Test, none(), none()),
    }
}

/// A path as it was written.
pub fn dotted(path: &Path) -> Name {
    match path.segments.as_slice() {
        [one] => one.text.clone(),
        many => many.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(".").into(),
    }
}

/// The name a declaration is called by, with its place; `None` for what has no name.
pub fn declared_name(item: &Item) -> Option<&Ident> {
    match &item.kind {
        ItemKind::Let(it) => Some(&it.name),
        ItemKind::Schema { name, .. }
        | ItemKind::Type { name, .. }
        | ItemKind::Environment { name, .. }
        | ItemKind::Policy { name, .. }
        | ItemKind::Fn { name, .. }
        | ItemKind::Request { name, .. } => Some(name),
        _ => None,
    }
}

/// Where a declaration is pointed at: its name, else the whole of it.
pub fn name_place(db: &dyn Db, id: ItemId) -> Place {
    let node = item(db, id)
        .as_ref()
        .and_then(|item| declared_name(item).map(|name| name.id))
        .unwrap_or(NodeId(0));
    Place::Node(id, node)
}
