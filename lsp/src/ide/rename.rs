//! Other names for what has one.

use super::cursor::Cursor;
use super::meaning::{Occurrence, Reading, Symbol};
use super::references::{Reference, holds_word, references, references_in, text_of, written_name};
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::builtins::Builtin;
use plumb_compiler::diagnostics::Place;
use plumb_compiler::engine::location;
use plumb_compiler::items::{extent, item, keyed_items};
use plumb_compiler::names::{
    BUILT_IN_TYPES, environments, is_foreign, package_name, package_of, packages, prelude_names,
    scope, use_path,
};
use plumb_compiler::source::{Content, ItemId, Kind, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::syntax::{TokenKind, tokens};
use plumb_compiler::types::{BUILT_IN_FIELDS, Ty, composition, schema};

/// What a new name changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Renaming {
    /// Texts that replace others.
    pub edits: Vec<(Location, String)>,
    /// A directory that moves, with where it moves to; after the edits.
    pub moves: Option<(Name, Name)>,
}

/// What can be renamed at a place, with the name that it has.
///
/// # Errors
///
/// Why it cannot, in the user's words.
pub fn prepare(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Result<(TextRange, Name), String> {
    let found = subject(db, workspace, file, offset)?;
    found.own(db, workspace)?;
    Ok((found.range, found.written))
}

/// What changes where the word at a place gets another name. `is_home`: the workspace is the one that the file
/// belongs to; of another one, what a dependency declares is renamed where it is used.
///
/// # Errors
///
/// Why it cannot be, in the user's words.
pub fn rename(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
    name: &str,
    is_home: bool,
) -> Result<Renaming, String> {
    let found = subject(db, workspace, file, offset)?;
    if is_home {
        found.own(db, workspace)?;
    }
    if !is_identifier(name) {
        return Err(format!(
            "`{name}` is no name: letters, digits and underscores, with dashes between them"
        ));
    }
    if name == found.written {
        return Ok(Renaming::default());
    }
    let reserved = !matches!(found.symbol, Symbol::Field(..) | Symbol::Output(..));
    if reserved && RESERVED.contains(&name) {
        return Err(format!("`{name}` is a word of the language"));
    }
    let uses = found.uses(db, workspace);
    found.free(db, workspace, &uses, name)?;
    let mut edits: Vec<(Location, String)> =
        uses.into_iter().map(|it| (inside_quotes(db, &it), name.to_owned())).collect();
    let mut moves = None;
    match &found.symbol {
        _ if found.is_alias => {}
        Symbol::Item(id) => {
            // `plumb.toml` names declarations as a `use` at the root does.
            let root = Package::new(db, workspace, Name::default());
            let package = package_of(db, workspace, id.file(db));
            if let Some(package) = use_path(db, workspace, root, package) {
                let (old, new) = (dotted(&package, &found.written), dotted(&package, name));
                edits.extend(in_manifest(db, workspace, |it| (it == old).then(|| new.clone())));
            }
        }
        Symbol::Package(package) if !is_foreign(db, *package) => {
            let from: Name = package.path(db).replace('.', "/").into();
            let to: Name = match from.rsplit_once('/') {
                Some((above, _)) => format!("{above}/{name}").into(),
                None => name.into(),
            };
            edits.extend(moved_in_manifest(db, workspace, &from, &to));
            moves = Some((from, to));
        }
        _ => {}
    }
    Ok(Renaming { edits, moves })
}

/// A name behind its package.
fn dotted(package: &str, name: &str) -> String {
    match package {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// The word itself, where it stands in quotes.
fn inside_quotes(db: &dyn Db, it: &Reference) -> Location {
    let Location { path, range } = it.location.clone();
    let length = word(db, it.id, range).len() as u32;
    let quotes = (range.end - range.start).saturating_sub(length) / 2;
    Location { path, range: TextRange::new(range.start + quotes, range.end - quotes) }
}

/// What changes in the text of a workspace where a directory moves: the lines that use its packages, and what
/// `plumb.toml` says of it.
pub fn moved(db: &dyn Db, workspace: Workspace, from: &str, to: &str) -> Vec<(Location, String)> {
    let (old, new) = (from.replace('/', "."), to.replace('/', "."));
    let mut edits = Vec::new();
    let inside = packages(db, workspace).keys().filter(|it| below(it, &old, '.').is_some());
    for path in inside {
        let package = Package::new(db, workspace, path.clone());
        let becomes = renamed(path, &old, &new, '.').unwrap_or_default();
        let steps: Vec<&str> = becomes.split('.').collect();
        let last = steps.last().copied().unwrap_or_default();
        for it in references(db, workspace, &Symbol::Package(package)) {
            if Some(word(db, it.id, it.location.range).as_str()) != path.rsplit('.').next() {
                continue;
            }
            let Some(tree) = item(db, it.id).as_deref() else { continue };
            match &tree.kind {
                // The whole way from the root is written anew.
                ItemKind::Use { path, .. } if path.segments.iter().any(|s| s.id == it.node) => {
                    let first = location(db, Place::Node(it.id, path.segments[0].id)).range;
                    let range = TextRange::new(first.start, it.location.range.end);
                    edits.push((Location { range, ..it.location }, becomes.clone()));
                }
                _ => edits.push((it.location, last.to_owned())),
            }
        }
    }
    // Of `use a.b.{C}` and `use a.b` every package on the way is spoken of: the longest says it all.
    edits.sort();
    let all = edits.clone();
    let is_inner = |(at, _): &(Location, String)| {
        all.iter().any(|(other, _)| {
            other.path == at.path
                && other.range.start == at.range.start
                && other.range.end > at.range.end
        })
    };
    edits.retain(|it| !is_inner(it));
    edits.dedup();
    edits.extend(moved_in_manifest(db, workspace, from, to));
    edits
}

fn moved_in_manifest(
    db: &dyn Db,
    workspace: Workspace,
    from: &str,
    to: &str,
) -> Vec<(Location, String)> {
    let (old, new) = (from.replace('/', "."), to.replace('/', "."));
    in_manifest(db, workspace, |it| {
        renamed(it, from, to, '/').or_else(|| renamed(it, &old, &new, '.'))
    })
}

/// What a path below `old` becomes where that becomes `new`.
fn renamed(path: &str, old: &str, new: &str, separator: char) -> Option<String> {
    below(path, old, separator).map(|rest| format!("{new}{rest}"))
}

/// What of a path goes on behind another.
fn below<'p>(path: &'p str, of: &str, separator: char) -> Option<&'p str> {
    let rest = path.strip_prefix(of).filter(|_| !of.is_empty())?;
    (rest.is_empty() || rest.starts_with(separator)).then_some(rest)
}

/// The patterns in the `[[allow]]` of `plumb.toml` that become others.
fn in_manifest(
    db: &dyn Db,
    workspace: Workspace,
    becomes: impl Fn(&str) -> Option<String>,
) -> Vec<(Location, String)> {
    let path: Name = plumb_compiler::MANIFEST.into();
    let Some(file) = workspace.files(db).get(&path) else { return Vec::new() };
    let Content::Text(text) = file.content(db) else { return Vec::new() };
    let mut edits = Vec::new();
    for allowed in workspace.allowed(db).iter() {
        let patterns = allowed.request.iter().flatten().chain([&allowed.directory]);
        for pattern in patterns {
            let Some(new) = becomes(pattern) else { continue };
            let written = format!("\"{pattern}\"");
            let start = allowed.range.start as usize;
            let rest = text.get(start..).unwrap_or_default();
            // The entry ends where another table begins.
            let end = rest.get(2..).and_then(|it| it.find("\n[")).map_or(rest.len(), |it| it + 2);
            if let Some(at) = rest[..end].find(&written) {
                let at = (start + at + 1) as u32;
                let range = TextRange::new(at, at + pattern.len() as u32);
                edits.push((Location { path: path.clone(), range }, new));
            }
        }
    }
    edits.sort();
    edits.dedup();
    edits
}

/// A word that may get another name.
struct Subject {
    symbol: Symbol,
    range: TextRange,
    /// As it stands at the place, without quotes.
    written: Name,
    /// It is the file's own name for what is called otherwise.
    is_alias: bool,
    file: SourceFile,
}

fn subject(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Result<Subject, String> {
    let nothing = || "nothing that has a name stands here".to_owned();
    let cursor = Cursor::at(db, workspace, file, offset).ok_or_else(nothing)?;
    let Occurrence { node, symbol, .. } = cursor.occurrence().ok_or_else(nothing)?;
    let at = location(db, Place::Node(cursor.reading.id, node));
    let written = word(db, cursor.reading.id, at.range);
    let is_alias = written != written_name(db, workspace, &symbol);
    Ok(Subject { symbol, range: at.range, written, is_alias, file })
}

impl Subject {
    /// Whether this workspace has a say in the name.
    fn own(&self, db: &dyn Db, workspace: Workspace) -> Result<(), String> {
        if self.is_alias {
            return Ok(());
        }
        let declared = |id: ItemId| {
            if id.file(db) == db.prelude() {
                return Err(format!("`{}` belongs to the standard library", self.written));
            }
            self.not_foreign(db, package_of(db, workspace, id.file(db)))
        };
        match &self.symbol {
            Symbol::Item(id)
            | Symbol::Field(id, _)
            | Symbol::Output(id, _)
            | Symbol::Local(id, _) => declared(*id),
            Symbol::Package(package) if package.path(db).is_empty() => {
                Err("the root of the workspace has no name of its own".to_owned())
            }
            Symbol::Package(package) => self.not_foreign(db, *package),
            Symbol::Kind(_) | Symbol::Object(_) | Symbol::ObjectField(..) | Symbol::Group(_) => {
                Err(format!("`{}` is Kubernetes' name", self.written))
            }
            Symbol::Builtin(_)
            | Symbol::BuiltInType(_)
            | Symbol::BuiltInField(_)
            | Symbol::Word(_) => Err(format!("`{}` is part of the language", self.written)),
        }
    }

    fn not_foreign(&self, db: &dyn Db, package: Package) -> Result<(), String> {
        match is_foreign(db, package) {
            true => Err(format!(
                "`{}` belongs to `{}`, which this workspace depends on: rename it there",
                self.written,
                package_name(db, package)
            )),
            false => Ok(()),
        }
    }

    /// The words that change.
    fn uses(&self, db: &dyn Db, workspace: Workspace) -> Vec<Reference> {
        let mut found = match self.is_alias {
            true => references_in(db, workspace, &self.symbol, self.file),
            false => references(db, workspace, &self.symbol),
        };
        found.retain(|it| word(db, it.id, it.location.range) == self.written);
        found
    }

    /// Whether another name is free wherever this one stands.
    fn free(
        &self,
        db: &dyn Db,
        workspace: Workspace,
        uses: &[Reference],
        name: &str,
    ) -> Result<(), String> {
        let taken = |what: &str| Err(format!("`{name}` {what}"));
        if !self.is_alias {
            match &self.symbol {
                Symbol::Item(id) if id.kind(db) == Kind::Environment => {
                    return match environments(db, workspace).0.contains_key(name) {
                        true => taken("is an environment already"),
                        false => Ok(()),
                    };
                }
                Symbol::Item(id) => {
                    let package = package_of(db, workspace, id.file(db));
                    if scope(db, package).names.contains_key(name) {
                        return taken("is declared in this package already");
                    }
                }
                Symbol::Field(owner, _) => return self.free_field(db, workspace, *owner, name),
                Symbol::Output(compose, _) => {
                    let outputs =
                        plumb_compiler::outputs::declared_outputs(db, workspace, *compose);
                    if outputs.iter().any(|it| it.name == name) {
                        return taken("is an output already");
                    }
                    return match matches!(name, "name" | "namespace") {
                        true => taken("can be read of every request"),
                        false => Ok(()),
                    };
                }
                Symbol::Package(package) => {
                    let to = match package.path(db).rsplit_once('.') {
                        Some((above, _)) => format!("{above}.{name}"),
                        None => name.to_owned(),
                    };
                    if packages(db, workspace).keys().any(|it| below(it, &to, '.').is_some()) {
                        return taken("is a package already");
                    }
                    if !to.contains('.') && matches!(name, "k8s" | "std" | "crd") {
                        return taken("is the name of other packages");
                    }
                }
                _ => {}
            }
        }
        let is_global = !matches!(self.symbol, Symbol::Local(..));
        if is_global
            && (prelude_names(db).contains_key(name)
                || BUILT_IN_TYPES.contains(&name)
                || Builtin::from_name(name).is_some())
        {
            return taken("means something in every file");
        }
        let mut files: Vec<SourceFile> = uses.iter().map(|it| it.id.file(db)).collect();
        if let Symbol::Item(id) = &self.symbol
            && !self.is_alias
        {
            let package = package_of(db, workspace, id.file(db));
            files.extend(plumb_compiler::names::package_files(db, package));
        }
        for file in files {
            let scope = scope(db, package_of(db, workspace, file));
            let is_used = plumb_compiler::names::uses(db, workspace, file).names.contains_key(name);
            let is_declared = self.is_alias && scope.names.contains_key(name);
            if is_global && (is_used || is_declared) {
                return Err(format!("`{name}` means something else in {}", file.path(db)));
            }
        }
        if !name.starts_with(|it: char| it.is_ascii_uppercase())
            && uses.iter().any(|it| is_key_type(db, it))
        {
            return taken("begins with a small letter, and the type of a map's keys does not");
        }
        for id in declarations(uses) {
            let at = id.file(db).path(db);
            let Some(tree) = item(db, id).as_deref() else { continue };
            let own =
                id.kind(db) == Kind::Schema && schema(db, workspace, id).field(name).is_some();
            let spoken = !is_global && speaks(tree, name);
            if own || binds(tree, name) || spoken {
                return Err(format!("`{name}` means something else in {at}, where this is named"));
            }
        }
        Ok(())
    }

    fn free_field(
        &self,
        db: &dyn Db,
        workspace: Workspace,
        owner: ItemId,
        name: &str,
    ) -> Result<(), String> {
        // Whoever takes the schema in has the field too.
        let all = packages(db, workspace).keys().flat_map(|path| {
            let names = &scope(db, Package::new(db, workspace, path.clone())).names;
            names.values().copied().filter(|id| id.kind(db) == Kind::Schema)
        });
        let holders =
            all.filter(|id| *id == owner || schema(db, workspace, *id).includes.contains(&owner));
        for id in holders {
            let called = id.name(db);
            if schema(db, workspace, id).field(name).is_some() {
                return Err(format!("`{called}` has a field `{name}` already"));
            }
            if BUILT_IN_FIELDS.contains(&name) && composition(db, workspace, id).is_some() {
                return Err(format!("`{name}` is a field that every request has"));
            }
            let Some(tree) = item(db, id).as_deref() else { continue };
            if speaks(tree, name) || binds(tree, name) {
                return Err(format!("`{name}` means something else in `{called}`"));
            }
        }
        match self.brought_in(db, workspace) {
            Some(path) => Err(format!(
                "a `...` in {path} brings in `{}` of a record that is no `{}`: write it out first",
                self.written,
                owner.name(db)
            )),
            None => Ok(()),
        }
    }

    /// Where a spread sets this field by a record that has a field of the same name by itself: a name of that
    /// record's, which does not change with the schema's.
    fn brought_in<'a>(&self, db: &'a dyn Db, workspace: Workspace) -> Option<&'a Name> {
        let sources = || {
            let files = workspace.files(db).iter().filter(|(path, _)| path.ends_with(".plumb"));
            files.flat_map(|(_, file)| declarations_of(db, *file))
        };
        // There hardly ever is such a record.
        let has_own = |(id, text): &(ItemId, &str)| {
            holds_word(text, &self.written)
                && Reading::new(db, workspace, *id)
                    .is_some_and(|it| has_own_key(&it, &self.written))
        };
        if !sources().any(|it| has_own(&it)) {
            return None;
        }
        let spreads = sources().filter(|(_, text)| text.contains("..."));
        let mut found = spreads.filter_map(|(id, _)| Reading::new(db, workspace, id));
        found
            .find(|it| spreads_own_key(it, &self.symbol, &self.written))
            .map(|it| it.id.file(db).path(db))
    }
}

/// The declarations of a file, each with its text.
fn declarations_of(db: &dyn Db, file: SourceFile) -> impl Iterator<Item = (ItemId, &str)> {
    let text = text_of(db, file);
    keyed_items(db, file).iter().map(move |id| {
        let at = extent(db, *id);
        (*id, text.get(at.start as usize..at.end as usize).unwrap_or_default())
    })
}

/// Whether a declaration has a record with a field of a name that no schema declares.
fn has_own_key(reading: &Reading<'_>, name: &str) -> bool {
    let known = reading.occurrences();
    let is_known = |node: NodeId| known.iter().any(|it| it.node == node);
    let mut found = false;
    Node::Item(reading.tree).walk(&mut |node| match node {
        Node::Segment(PathSegment { id, kind: SegmentKind::Key(key) }) => {
            found |= key == name && !is_known(*id);
        }
        Node::TypeField(it) => found |= it.name.text == name,
        _ => {}
    });
    found
}

/// Whether a spread in a declaration sets a field by a record's own.
fn spreads_own_key(reading: &Reading<'_>, field: &Symbol, name: &str) -> bool {
    fn leaves<'t>(it: &'t Expr, visit: &mut dyn FnMut(&'t Expr)) {
        match &it.kind {
            ExprKind::If { then, otherwise, .. } => {
                leaves(then, visit);
                leaves(otherwise, visit);
            }
            ExprKind::Match { arms, .. } => arms.iter().for_each(|it| leaves(&it.value, visit)),
            // What is written in place has the schema's names.
            ExprKind::Record(_) => {}
            _ => visit(it),
        }
    }
    let mut found = false;
    Node::Item(reading.tree).walk(&mut |node| {
        let Node::Record(record) = node else { return };
        let ty = reading.inference.records.get(&record.id);
        if ty.and_then(|ty| reading.field(ty, name)).as_ref() != Some(field) {
            return;
        }
        for entry in &record.entries {
            let EntryKind::Spread(value) = &entry.kind else { continue };
            leaves(value, &mut |leaf| {
                let ty = reading.sight.types.get(&leaf.id).map(Ty::base);
                found |= matches!(ty, Some(Ty::Record(it)) if it.fields.iter().any(|(key, _)| key == name));
            });
        }
    });
    found
}

/// Whether a word is the type of the keys of a map.
fn is_key_type(db: &dyn Db, it: &Reference) -> bool {
    let mut found = false;
    if let Some(tree) = item(db, it.id).as_deref() {
        Node::Item(tree).walk(&mut |node| {
            if let Node::Type(Type { kind: TypeKind::Map { key, .. }, .. }) = node {
                found |= matches!(key.segments.as_slice(), [one] if one.id == it.node);
            }
        });
    }
    found
}

/// Words that cannot name a declaration or local.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "none",
    "null",
    "if",
    "else",
    "match",
    "for",
    "in",
    "let",
    "where",
    "matches",
    "environment",
    "self",
    "it",
    "file",
    "initial",
    "emit",
    "output",
    "require",
    "advise",
    "assert",
    "final",
    "replace",
    "as",
    "use",
];

/// The word at a place of a declaration's file, without quotes.
fn word(db: &dyn Db, id: ItemId, range: TextRange) -> Name {
    let Content::Text(text) = id.file(db).content(db) else { return Name::default() };
    let word = text.get(range.start as usize..range.end as usize).unwrap_or_default();
    word.trim_matches('"').into()
}

fn declarations(uses: &[Reference]) -> Vec<ItemId> {
    let mut found: Vec<ItemId> = Vec::new();
    for it in uses {
        if found.last() != Some(&it.id) {
            found.push(it.id);
        }
    }
    found
}

/// Whether a declaration binds a local of a name.
fn binds(tree: &Item, name: &str) -> bool {
    binders(tree).iter().any(|it| it.text == name)
}

/// The names that a declaration binds for a part of itself.
pub(super) fn binders(tree: &Item) -> Vec<&Ident> {
    let mut found = match &tree.kind {
        ItemKind::Compose { binder, .. } => vec![binder],
        ItemKind::Fn { params, .. } => params.iter().map(|it| &it.name).collect(),
        _ => Vec::new(),
    };
    fn clause(it: &ForClause) -> impl Iterator<Item = &Ident> {
        [&it.first].into_iter().chain(&it.second)
    }
    Node::Item(tree).walk(&mut |node| match node {
        Node::Statement(it) => match &it.kind {
            StatementKind::Let(it) => found.push(&it.name),
            StatementKind::Emit { bind, .. } => found.extend(bind),
            StatementKind::For { clause: it, .. } => found.extend(clause(it)),
            _ => {}
        },
        Node::Entry(Entry { kind: EntryKind::For { clause: it, .. }, .. })
        | Node::Expr(Expr { kind: ExprKind::ListFor { clause: it, .. }, .. }) => {
            found.extend(clause(it));
        }
        Node::Head(it) => found.extend(&it.bind),
        Node::Arm(Arm { pattern: Pattern::Typed { name, .. }, .. }) => found.push(name),
        _ => {}
    });
    found
}

/// Whether a declaration speaks of a word that stands for itself, not behind a dot.
fn speaks(tree: &Item, name: &str) -> bool {
    let mut found = false;
    Node::Item(tree).walk(&mut |node| match node {
        Node::Expr(Expr { kind: ExprKind::Name(it), .. }) => found |= it == name,
        Node::Path(path) => found |= path.segments.first().is_some_and(|it| it.text == name),
        _ => {}
    });
    found
}

/// Whether a text is one word of the language.
fn is_identifier(text: &str) -> bool {
    matches!(tokens(text).as_slice(), [one] if one.kind == TokenKind::Word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP, difference};

    fn shown(text: &str, name: &str) -> String {
        let it = Fixture::new(text);
        let prepared = prepare(&it.db, it.workspace, it.file, it.offset);
        let found = rename(&it.db, it.workspace, it.file, it.offset, name, true);
        match prepared.and(found) {
            Ok(Renaming { edits, moves }) => {
                let moves = moves.map(|(from, to)| format!("{from} -> {to}\n"));
                difference(&it, edits) + &moves.unwrap_or_default()
            }
            Err(why) => why,
        }
    }

    fn from(before: &str, after: &str, name: &str) -> String {
        assert!(SHOP.contains(before), "{before}");
        shown(&SHOP.replacen(before, after, 1), name)
    }

    #[test]
    fn a_field_is_renamed_wherever_it_is_set_and_read() {
        insta::assert_snapshot!(from("replicas = 6", "repl$0icas = 6", "pods"), @r#"
        apps/shop/team.plumb
        -overlay cart in prod { replicas = 6, size = "large" }
        +overlay cart in prod { pods = 6, size = "large" }
        platform/web.plumb
        -    replicas: Int where it in 1..=50 = 1
        +    pods: Int where it in 1..=50 = 1
        -            replicas = svc.replicas
        +            replicas = svc.pods
        -defaults Web in prod { replicas = 2 }
        +defaults Web in prod { pods = 2 }
        "#);
        insta::assert_snapshot!(from("name: String", "n$0ame: String", "label"), @r#"
        platform/web.plumb
        -    name: String
        +    label: String
        -    sidecars: [Sidecar by name] = []
        +    sidecars: [Sidecar by label] = []
        "#);
    }

    #[test]
    fn so_are_declarations_requests_environments_outputs_and_locals() {
        insta::assert_snapshot!(from("schema Web", "schema W$0eb", "Site"), @r#"
        apps/shop/team.plumb
        -request cart: platform.Web {
        +request cart: platform.Site {
        platform/web.plumb
        -schema Web {
        +schema Site {
        -compose Web as svc {
        +compose Site as svc {
        -defaults Web in prod { replicas = 2 }
        +defaults Site in prod { replicas = 2 }
        "#);
        insta::assert_snapshot!(from("request cart", "request c$0art", "basket"), @r#"
        apps/shop/team.plumb
        -request cart: platform.Web {
        +request basket: platform.Web {
        -overlay cart in prod { replicas = 6, size = "large" }
        +overlay basket in prod { replicas = 6, size = "large" }
        "#);
        insta::assert_snapshot!(from("environment prod", "environment p$0rod", "live"), @r#"
        apps/shop/team.plumb
        -overlay cart in prod { replicas = 6, size = "large" }
        +overlay cart in live { replicas = 6, size = "large" }
        platform/env.plumb
        -environment prod: Env { domain = "shop.test", tier = "prod" }
        +environment live: Env { domain = "shop.test", tier = "prod" }
        platform/web.plumb
        -defaults Web in prod { replicas = 2 }
        +defaults Web in live { replicas = 2 }
        "#);
        insta::assert_snapshot!(from("Web as svc", "Web as s$0vc", "web"), @r#"
        platform/web.plumb
        -compose Web as svc {
        +compose Web as web {
        -    output url: String = "http://${svc.name}"
        +    output url: String = "http://${web.name}"
        -        metadata = { name = svc.name }
        +        metadata = { name = web.name }
        -            replicas = svc.replicas
        -            selector.matchLabels = { app = svc.name }
        -            template.metadata.labels = { app = svc.name }
        -            template.spec.containers = [{ name = "main", image = svc.image }]
        +            replicas = web.replicas
        +            selector.matchLabels = { app = web.name }
        +            template.metadata.labels = { app = web.name }
        +            template.spec.containers = [{ name = "main", image = web.image }]
        "#);
        insta::assert_snapshot!(from("output url", "output u$0rl", "address"), @r#"
        platform/web.plumb
        -    output url: String = "http://${svc.name}"
        +    output address: String = "http://${svc.name}"
        "#);
        let text = "let xs = [for x$0 in [1, 2] => x + 1]\n";
        insta::assert_snapshot!(shown(text, "n"), @r#"
        a/a.plumb
        -let xs = [for x in [1, 2] => x + 1]
        +let xs = [for n in [1, 2] => n + 1]
        "#);
    }

    #[test]
    fn what_the_manifest_allows_follows() {
        let it = Fixture::new(
            "---- platform/web.plumb\nschema W$0eb {}\n---- plumb.toml\nname = \"x\"\n\n[[allow]]\n\
             directory = \"a\"\nrequest = [\"platform.Web\", \"platform.Webs\"]\n",
        );
        let start = it.texts["plumb.toml"].find("[[allow]]").unwrap() as u32;
        let db = it.db.clone();
        let allowed = plumb_compiler::source::Allowed {
            directory: "a".into(),
            request: Some(vec!["platform.Web".into(), "platform.Webs".into()]),
            namespaces: None,
            range: TextRange::new(start, start + 9),
        };
        let files = it.workspace.files(&it.db).clone();
        let workspace =
            Workspace::builder(files, 36).allowed(std::sync::Arc::new(vec![allowed])).new(&db);
        let found = rename(&db, workspace, it.file, it.offset, "Site", true).unwrap();
        insta::assert_snapshot!(difference(&it, found.edits), @r#"
        platform/web.plumb
        -schema Web {}
        +schema Site {}
        plumb.toml
        -request = ["platform.Web", "platform.Webs"]
        +request = ["platform.Site", "platform.Webs"]
        "#);
    }

    #[test]
    fn an_alias_is_a_name_of_its_file() {
        insta::assert_snapshot!(from("emit apps.", "emit ap$0ps.", "a"), @r#"
        platform/web.plumb
        -use k8s.apps.v1 as apps
        +use k8s.apps.v1 as a
        -    emit apps.Deployment {
        +    emit a.Deployment {
        "#);
    }

    #[test]
    fn a_package_moves_with_its_directory() {
        insta::assert_snapshot!(from("use platform\n", "use plat$0form\n", "base"), @r#"
        apps/shop/team.plumb
        -use platform
        +use base
        -request cart: platform.Web {
        +request cart: base.Web {
        platform -> base
        "#);
        let text = "---- a/b/x.plumb\nlet n = 1\n---- a/b/c/y.plumb\nlet m = 1\n---- z/z.plumb\n\
            use a.b\nuse a.b.c.{m}\nuse a.b.c as other\nlet x = b$0.n + m + other.m\n\
            ---- plumb.toml\nname = \"x\"\n";
        insta::assert_snapshot!(shown(text, "d"), @r#"
        z/z.plumb
        -use a.b
        -use a.b.c.{m}
        -use a.b.c as other
        -let x = b.n + m + other.m
        +use a.d
        +use a.d.c.{m}
        +use a.d.c as other
        +let x = d.n + m + other.m
        a/b -> a/d
        "#);
    }

    #[test]
    fn a_directory_that_moves_takes_its_names_along() {
        let it = Fixture::new(
            "---- a/b/x.plumb\nlet n = 1\n---- a/b/c/y.plumb\nlet m = 1\n---- z/z.plumb\n\
             use a.b\nuse a.b.c.{m}\nuse a.b.c as other\nlet x = b.n + m + other.m + b.c.m$0\n",
        );
        let edits = moved(&it.db, it.workspace, "a/b", "q/r/s");
        insta::assert_snapshot!(difference(&it, edits), @r#"
        z/z.plumb
        -use a.b
        -use a.b.c.{m}
        -use a.b.c as other
        -let x = b.n + m + other.m + b.c.m
        +use q.r.s
        +use q.r.s.c.{m}
        +use q.r.s.c as other
        +let x = s.n + m + other.m + s.c.m
        "#);
    }

    #[test]
    fn an_environment_is_renamed_where_its_name_is_compared() {
        let text = "schema E { a: Bool = true }\nenvironment p$0rod: E {}\nschema S {\n    \
            a: Bool = environment.name == \"prod\"\n    \
            b: Int = match environment.name { \"prod\" | \"dev\" => 1, _ => 2 }\n    \
            c: Bool = environment.name in [\"dev\", \"prod\"]\n    d: String = \"prod\"\n}\n";
        insta::assert_snapshot!(shown(text, "live"), @r#"
        a/a.plumb
        -environment prod: E {}
        +environment live: E {}
        -    a: Bool = environment.name == "prod"
        -    b: Int = match environment.name { "prod" | "dev" => 1, _ => 2 }
        -    c: Bool = environment.name in ["dev", "prod"]
        +    a: Bool = environment.name == "live"
        +    b: Int = match environment.name { "live" | "dev" => 1, _ => 2 }
        +    c: Bool = environment.name in ["dev", "live"]
        "#);
    }

    #[test]
    fn what_belongs_to_others_keeps_its_name() {
        insta::assert_snapshot!(from("apps.Deployment", "apps.Dep$0loyment", "x"), @"`Deployment` is Kubernetes' name");
        insta::assert_snapshot!(from("svc.name }", "svc.na$0me }", "x"), @"`name` is part of the language");
        insta::assert_snapshot!(shown("type A = Po$0rt\n", "x"), @"`Port` belongs to the standard library");
        insta::assert_snapshot!(shown("let a = l$0en([1])\n", "x"), @"`len` is part of the language");
        insta::assert_snapshot!(shown("let a = 1$0\n", "x"), @"nothing that has a name stands here");
    }

    #[test]
    fn names_that_cannot_be_or_are_taken_are_refused() {
        insta::assert_snapshot!(from("schema Web", "schema W$0eb", "a b"), @"`a b` is no name: letters, digits and underscores, with dashes between them");
        insta::assert_snapshot!(from("schema Web", "schema W$0eb", "Scale"), @"`Scale` is declared in this package already");
        insta::assert_snapshot!(from("schema Web", "schema W$0eb", "Port"), @"`Port` means something in every file");
        insta::assert_snapshot!(from("schema Web", "schema W$0eb", "apps"), @"`apps` means something else in platform/web.plumb");
        insta::assert_snapshot!(from("schema Web", "schema W$0eb", "none"), @"`none` is a word of the language");
        insta::assert_snapshot!(from("replicas: Int", "repl$0icas: Int", "image"), @"`Web` has a field `image` already");
        insta::assert_snapshot!(from("replicas: Int", "repl$0icas: Int", "labels"), @"`labels` is a field that every request has");
        let more = "use platform\nlet common = { owner = \"me\" }\nrequest x: platform.Web { ...common, image = \"\" }\n";
        insta::assert_snapshot!(shown(&format!("{SHOP}{more}").replacen("owner: String", "own$0er: String", 1), "team"), @"a `...` in apps/shop/x.plumb brings in `owner` of a record that is no `Web`: write it out first");
        let more =
            "use platform\nrequest x: platform.Web { ...{ owner = \"me\" }, image = \"\" }\n";
        insta::assert_snapshot!(shown(&format!("{SHOP}{more}").replacen("owner: String", "own$0er: String", 1), "team"), @r#"
        apps/shop/team.plumb
        -    owner = "shop"
        +    team = "shop"
        apps/shop/x.plumb
        -request x: platform.Web { ...{ owner = "me" }, image = "" }
        +request x: platform.Web { ...{ team = "me" }, image = "" }
        platform/web.plumb
        -    owner: String
        +    team: String
        "#);
        insta::assert_snapshot!(from("environment prod", "environment p$0rod", "dev"), @"`dev` is an environment already");
        insta::assert_snapshot!(shown("type N$0 = String\ntype M = {N: Int}\n", "n"), @"`n` begins with a small letter, and the type of a map's keys does not");
        insta::assert_snapshot!(shown("fn f(a$0: Int, b: Int) -> Int = a + b\n", "b"), @"`b` means something else in a/a.plumb, where this is named");
    }
}
