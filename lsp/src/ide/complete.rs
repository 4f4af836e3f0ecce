//! What can be written at a place.
//!
//! Two things tell what is asked for: the tokens before the cursor on its line, which say what kind of word
//! comes next even where nothing parses yet, and the tree around it, whose holes know the types.

use super::cursor::Cursor;
use super::imports::{add_use, group_alias, package_alias};
use super::meaning::{self, Symbol};
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::builtins::Builtin;
use plumb_compiler::items::{documentation, item};
use plumb_compiler::names::{
    BUILT_IN_TYPES, Target, environments, package_of, packages, prelude_names, resolve_path,
    resolve_use, scope, use_path, uses,
};
use plumb_compiler::source::{Content, ItemId, Kind as Declares, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::syntax::{Token, TokenKind, tokens};
use plumb_compiler::types::{
    Keys, Ty, composition, display, field_names, field_type, required_fields, schema,
};
use plumb_compiler::versions::kubernetes;
use rustc_hash::FxHashSet;

/// What can be written, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Completion {
    /// As the list shows it.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Its type, in a few words.
    pub detail: Option<String>,
    /// What is written of it, as Markdown.
    pub documentation: Option<String>,
    /// What is put in place of [`Completion::replace`]: a snippet, with `$1` where the cursor goes.
    pub snippet: String,
    /// What is put there where the editor knows no snippets.
    pub plain: String,
    /// In bytes of the file.
    pub replace: TextRange,
    /// Other changes that go with it: a `use` line.
    pub also: Vec<(TextRange, String)>,
    /// The smaller, the earlier in the list.
    pub rank: u8,
    /// Whoever chooses it should know better.
    pub deprecated: bool,
    /// It is a schema that something composes.
    is_requestable: bool,
}

/// What something that can be written is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CompletionKind {
    Field,
    Value,
    Keyword,
    Local,
    Constant,
    Function,
    Schema,
    Type,
    KubernetesKind,
    Package,
    Environment,
    Request,
    Output,
    Snippet,
}

/// Says what can be written at a place, whatever was typed of it so far: the editor chooses among it.
pub fn complete(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Vec<Completion> {
    let Content::Text(text) = file.content(db) else { return Vec::new() };
    let all = tokens(text);
    let Some(before) = Before::of(text, &all, offset) else { return Vec::new() };
    let replace = TextRange::new(before.start, before.end);
    let mut list = List { db, workspace, file, replace, found: Vec::new() };
    let cursor = Cursor::at(db, workspace, file, offset);
    list.fill(&before, cursor.as_ref());
    let mut seen = FxHashSet::default();
    list.found.retain(|it| seen.insert((it.label.clone(), it.snippet.clone())));
    list.found.sort_by(|a, b| (a.rank, &a.label).cmp(&(b.rank, &b.label)));
    list.found
}

/// Whether a blank at a place is followed by a word of few: a value behind `=`, an environment behind `in`, a
/// schema behind `:`. An editor that asks at each blank would be in the way elsewhere.
pub fn begins_list(text: &str, offset: u32) -> bool {
    let before = text.get(..offset as usize).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default().trim_end();
    let words = ["=", ":", " in", " from", "use", "overlay", "defaults", "compose"];
    words.iter().any(|it| line.ends_with(it)) && !line.trim_start().starts_with("//")
}

/// What stands before the word at the cursor.
struct Before<'t> {
    /// The tokens of the line, without blanks, up to the word.
    line: Vec<(TokenKind, &'t str)>,
    /// The last token before the word, on an earlier line too.
    last: Option<(TokenKind, &'t str)>,
    /// Where the word begins and ends: what is replaced.
    start: u32,
    end: u32,
    /// The first token behind the word.
    next: Option<TokenKind>,
    /// The cursor is in a string.
    in_string: bool,
    /// Nothing but blanks stands before the word on its line, not even those.
    at_margin: bool,
}

impl<'t> Before<'t> {
    /// `None` where nothing can be completed: in a comment.
    fn of(text: &'t str, all: &[Token], offset: u32) -> Option<Self> {
        let slice = |it: &Token| &text[it.range.start as usize..it.range.end as usize];
        let index = all.partition_point(|it| it.range.end < offset);
        // What ends at the cursor is what was typed.
        let at = all.get(index);
        let is_within = |it: &&Token| it.range.start < offset && offset <= it.range.end;
        let at = at.filter(is_within);
        let (mut start, mut end) = (offset, offset);
        let mut in_string = false;
        match at.map(|it| it.kind) {
            Some(TokenKind::Word) => {
                let it = at.expect("it has a kind");
                (start, end) = (it.range.start, it.range.end);
            }
            Some(TokenKind::Comment | TokenKind::Doc) => return None,
            Some(TokenKind::String | TokenKind::Block) => {
                let it = at.expect("it has a kind");
                let before = &text[it.range.start as usize..offset as usize];
                let is_closed = before.len() > 1 && before.ends_with('"') && offset == it.range.end;
                let hole = before.rfind("${").filter(|at| !before[*at..].contains('}'));
                if let Some(hole) = hole {
                    return Some(Self::in_hole(text, it.range.start + hole as u32 + 2, offset));
                }
                if !is_closed {
                    in_string = true;
                    (start, end) = (it.range.start, it.range.end);
                }
            }
            _ => {}
        }
        let is_blank = |kind: TokenKind| {
            matches!(
                kind,
                TokenKind::Whitespace | TokenKind::Newline | TokenKind::Comment | TokenKind::Doc
            )
        };
        let line_start = text[..start as usize].rfind('\n').map_or(0, |it| it + 1) as u32;
        let earlier = || all.iter().filter(|it| it.range.end <= start && !is_blank(it.kind));
        let line = earlier().filter(|it| it.range.start >= line_start);
        let line = line.map(|it| (it.kind, slice(it))).collect();
        let last = earlier().next_back().map(|it| (it.kind, slice(it)));
        let next = all.iter().find(|it| it.range.start >= end && it.kind != TokenKind::Whitespace);
        let at_margin = start == line_start;
        Some(Before { line, last, start, end, next: next.map(|it| it.kind), in_string, at_margin })
    }

    /// In the braces of an interpolation, which is one token with its string.
    fn in_hole(text: &'t str, hole: u32, offset: u32) -> Self {
        let inner = &text[hole as usize..offset as usize];
        let is_word = |it: char| it.is_alphanumeric() || it == '_' || it == '-';
        let word = inner.trim_end_matches(is_word).len() as u32;
        let start = hole + word;
        let rest = text[offset as usize..].find(|it| !is_word(it)).unwrap_or(0) as u32;
        let last = inner[..word as usize].trim_end().chars().next_back();
        let last = match last {
            Some('.') => (TokenKind::Dot, "."),
            _ => (TokenKind::Equal, "="),
        };
        Before {
            line: vec![last],
            last: Some(last),
            start,
            end: offset + rest,
            next: None,
            in_string: false,
            at_margin: false,
        }
    }

    fn last_is(&self, kind: TokenKind) -> bool {
        self.last.is_some_and(|it| it.0 == kind)
    }

    fn last_word(&self) -> Option<&'t str> {
        self.last.filter(|it| it.0 == TokenKind::Word).map(|it| it.1)
    }

    /// The words joined by dots right before the word at the cursor: `platform.web.` gives both.
    fn qualifier(&self) -> Vec<Name> {
        let mut names: Vec<Name> = Vec::new();
        let mut rest = self.line.iter().rev();
        while let (Some((TokenKind::Dot, _)), Some((TokenKind::Word, word))) =
            (rest.next(), rest.next())
        {
            names.push((*word).into());
        }
        names.reverse();
        names
    }
}

/// What a head asks for next.
enum Head {
    Nothing,
    Types(Wanted),
    Environments,
    Requests,
    Value,
    /// A `use` path; whether in its braces.
    Use(bool),
}

/// What kind of type is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A schema that something composes.
    Requestable,
    /// Any schema.
    Schema,
    /// Any type.
    Any,
}

/// The words that begin a declaration, with what they begin it by.
const DECLARATIONS: &[(&str, &str, &str)] = &[
    (
        "request",
        "request ${1:name}: ${2:Schema} {\n    $0\n}",
        "asks for something that a schema offers",
    ),
    (
        "overlay",
        "overlay ${1:request} in ${2:environment} {\n    $0\n}",
        "changes a request in an environment",
    ),
    (
        "defaults",
        "defaults ${1:Schema} in ${2:environment} {\n    $0\n}",
        "changes what a schema says by default",
    ),
    ("schema", "schema ${1:Name} {\n    $0\n}", "says what can be asked for"),
    ("compose", "compose ${1:Schema} as ${2:it} {\n    $0\n}", "says what becomes of a request"),
    ("environment", "environment ${1:name}: ${2:Env} {\n    $0\n}", "declares where requests run"),
    (
        "abstract environment",
        "abstract environment ${1:name}: ${2:Env} {\n    $0\n}",
        "what several environments share",
    ),
    ("type", "type ${1:Name} = ${0:String}", "names a type"),
    ("fn", "fn ${1:name}(${2:it}: ${3:String}) -> ${4:String} = $0", "names a computation"),
    ("let", "let ${1:name} = $0", "names a value"),
    ("use", "use $0", "brings in names of a package or of Kubernetes"),
    (
        "package",
        "package {\n    namespace = \"$1\"\n}",
        "what all requests of this directory share",
    ),
    ("private", "private $0", "keeps a declaration to its package"),
];

/// What can stand in a composition.
const STATEMENTS: &[(&str, &str, &str)] = &[
    ("emit", "emit $0", "makes an object"),
    ("output", "output ${1:name}: ${2:String} = $0", "what other requests can read"),
    ("let", "let ${1:name} = $0", "names a value"),
    ("if", "if $1 {\n    $0\n}", "where a condition holds"),
    ("if let", "if let ${1:name} = $2 {\n    $0\n}", "where a value is there"),
    ("for", "for ${1:it} in $2 {\n    $0\n}", "for each of several"),
    ("require", "require $1 else \"$2\"", "what must hold"),
    ("advise", "advise $1 else \"$2\"", "what had better hold"),
];

struct List<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    file: SourceFile,
    replace: TextRange,
    found: Vec<Completion>,
}

impl<'a> List<'a> {
    fn add(&mut self, label: &str, kind: CompletionKind, rank: u8) -> &mut Completion {
        self.found.push(Completion {
            label: label.to_owned(),
            kind,
            detail: None,
            documentation: None,
            snippet: escaped(label),
            plain: label.to_owned(),
            replace: self.replace,
            also: Vec::new(),
            rank,
            deprecated: false,
            is_requestable: false,
        });
        self.found.last_mut().expect("it was pushed")
    }

    fn words(&mut self, words: &[(&str, &str, &str)]) {
        for (word, snippet, what) in words {
            let it = self.add(word, CompletionKind::Keyword, 5);
            it.detail = Some((*what).to_owned());
            it.snippet = (*snippet).to_owned();
            it.plain = (*word).to_owned();
        }
    }

    fn fill(&mut self, before: &Before<'_>, cursor: Option<&Cursor<'a>>) {
        let is_in_body = cursor.is_some_and(|it| {
            it.way.iter().any(|node| {
                let is_body = matches!(node, Node::Record(_) | Node::Block(_) | Node::Member(_));
                let span = it.span(node.id());
                is_body && span.start < before.start && span.end >= before.start
            })
        });
        if !is_in_body && let Some(head) = head(&before.line) {
            match head {
                Head::Nothing => {}
                Head::Types(wanted) => self.types(before, wanted),
                Head::Environments => self.environments(),
                Head::Requests => self.own_requests(),
                Head::Value => self.values(before, cursor, &Ty::Unknown),
                Head::Use(in_braces) => self.used(before, in_braces),
            }
            return;
        }
        let Some(cursor) = cursor else {
            if before.at_margin && !before.in_string {
                self.words(DECLARATIONS);
            }
            return;
        };
        if before.at_margin && !is_in_body && !before.in_string {
            self.words(DECLARATIONS);
            return;
        }
        self.inside(before, cursor);
    }

    /// In the body of a declaration.
    fn inside(&mut self, before: &Before<'_>, cursor: &Cursor<'a>) {
        let reading = &cursor.reading;
        // The innermost that is more than the word itself.
        for (index, node) in cursor.way.iter().enumerate().rev() {
            let below = cursor.way.get(index + 1);
            match node {
                Node::Segment(segment) if !before.in_string => {
                    if let SegmentKind::Key(_) = &segment.kind {
                        let container = reading.sight.containers.get(&segment.id);
                        let record = cursor.way[..index].iter().rev().find_map(|it| match it {
                            Node::Record(it) => Some(*it),
                            _ => None,
                        });
                        let is_first = matches!(cursor.way[index - 1], Node::FieldPath(path) if path.segments[0].id == segment.id);
                        if let Some(container) = container {
                            let container = container.clone();
                            self.fields(before, &container, record.filter(|_| is_first), cursor);
                        }
                        return;
                    }
                }
                Node::Ident(_) => {}
                Node::Expr(it) => match &it.kind {
                    ExprKind::Field { base, name, .. }
                        if before.last_is(TokenKind::Dot)
                            && (below.is_none()
                                || matches!(below, Some(Node::Ident(below)) if below.id == name.id)) =>
                    {
                        self.members(base, cursor);
                        return;
                    }
                    ExprKind::Hole | ExprKind::Name(_) | ExprKind::Literal(_) => {
                        if before.last_is(TokenKind::Dot) {
                            continue;
                        }
                        let wanted = reading.sight.wanted.get(&it.id).cloned();
                        self.values(before, Some(cursor), &wanted.unwrap_or(Ty::Unknown));
                        return;
                    }
                    ExprKind::List(_) if below.is_none() => {
                        let wanted = reading.sight.wanted.get(&it.id).map(Ty::base);
                        let item = match wanted {
                            Some(Ty::List(item, _)) => (**item).clone(),
                            _ => Ty::Unknown,
                        };
                        self.values(before, Some(cursor), &item);
                        return;
                    }
                    _ => {}
                },
                Node::Type(_) | Node::Path(_) if !before.in_string => {
                    let is_named = index > 0
                        && matches!(
                            cursor.way[index - 1],
                            Node::Expr(Expr { kind: ExprKind::Named { .. }, .. })
                        );
                    if is_named
                        || matches!(cursor.way.get(index.wrapping_sub(1)), Some(Node::Statement(_)))
                    {
                        self.values(before, Some(cursor), &Ty::Unknown);
                    } else {
                        self.types(before, Wanted::Any);
                    }
                    return;
                }
                Node::Record(record) => {
                    if let Some(wanted) = self.value_of_last(cursor, before) {
                        self.values(before, Some(cursor), &wanted);
                    } else if before.last_is(TokenKind::Dot) {
                        return;
                    } else if before.last_is(TokenKind::Spread) {
                        self.values(before, Some(cursor), &Ty::Unknown);
                    } else if let Some(ty) = reading.inference.records.get(&record.id) {
                        let ty = ty.clone();
                        self.fields(before, &ty, Some(record), cursor);
                    }
                    return;
                }
                Node::Member(member) if !before.in_string => {
                    match &member.kind {
                        MemberKind::Field { name, .. }
                            if cursor.span(name.id).end >= before.end => {}
                        _ if before.last_is(TokenKind::Equal) || before.last_word().is_some() => {
                            let wanted = self.value_of_last(cursor, before);
                            self.values(before, Some(cursor), &wanted.unwrap_or(Ty::Unknown));
                        }
                        _ => self.types(before, Wanted::Any),
                    }
                    return;
                }
                Node::Block(_) => {
                    if before.line.is_empty() {
                        self.words(STATEMENTS);
                    } else if before.last_is(TokenKind::Colon) {
                        self.types(before, Wanted::Any);
                    } else if before.last_is(TokenKind::Dot) {
                        self.qualified(before, cursor);
                    } else {
                        let wanted = self.value_of_last(cursor, before);
                        self.values(before, Some(cursor), &wanted.unwrap_or(Ty::Unknown));
                    }
                    return;
                }
                Node::Item(item) => {
                    match &item.kind {
                        ItemKind::Schema { .. } if before.line.is_empty() => {
                            for (word, snippet, what) in [
                                (
                                    "require",
                                    "require $1 else \"$2\"",
                                    "what must hold between fields",
                                ),
                                ("final", "final ", "what no layer may change"),
                                ("if", "if $1 {\n    $0\n}", "where a condition holds"),
                            ] {
                                self.words(&[(word, snippet, what)]);
                            }
                        }
                        ItemKind::Schema { .. } if before.last_is(TokenKind::Spread) => {
                            self.types(before, Wanted::Schema);
                        }
                        ItemKind::Schema { .. } if before.last_is(TokenKind::Colon) => {
                            self.types(before, Wanted::Any)
                        }
                        ItemKind::Compose { .. } if before.line.is_empty() => {
                            self.words(STATEMENTS)
                        }
                        _ => {
                            let wanted = self.value_of_last(cursor, before);
                            self.values(before, Some(cursor), &wanted.unwrap_or(Ty::Unknown));
                        }
                    }
                    return;
                }
                Node::Statement(it) => {
                    if before.last_is(TokenKind::Colon) {
                        self.types(before, Wanted::Any);
                        return;
                    }
                    if before.line.is_empty() && !matches!(it.kind, StatementKind::Emit { .. }) {
                        self.words(STATEMENTS);
                        return;
                    }
                    if before.last_is(TokenKind::Dot) {
                        self.qualified(before, cursor);
                        return;
                    }
                    let wanted = self.value_of_last(cursor, before);
                    self.values(before, Some(cursor), &wanted.unwrap_or(Ty::Unknown));
                    return;
                }
                _ => {}
            }
        }
    }

    /// What the value that is missing behind a `=` right before the cursor must be.
    fn value_of_last(&self, cursor: &Cursor<'a>, before: &Before<'_>) -> Option<Ty> {
        if !before.last_is(TokenKind::Equal) && !before.last_is(TokenKind::PlusEqual) {
            return None;
        }
        let mut found: Option<(u32, NodeId)> = None;
        Node::Item(cursor.reading.tree).walk(&mut |node| {
            let (head, value) = match node {
                Node::Entry(Entry { kind: EntryKind::Set { path, value, .. }, .. }) => {
                    (path.id, value.id)
                }
                Node::Member(Member {
                    kind: MemberKind::Field { ty, default: Some(value), .. },
                    ..
                }) => (ty.id, value.id),
                Node::Statement(Statement { kind: StatementKind::Let(it), .. }) => {
                    (it.name.id, it.value.id)
                }
                Node::Statement(Statement {
                    kind: StatementKind::Output { ty, value, .. },
                    ..
                }) => (ty.id, value.id),
                _ => return,
            };
            let end = cursor.span(head).end;
            if end <= before.start && found.is_none_or(|(at, _)| at <= end) {
                found = Some((end, value));
            }
        });
        let wanted = found.and_then(|(_, value)| cursor.reading.sight.wanted.get(&value));
        Some(wanted.cloned().unwrap_or(Ty::Unknown))
    }

    // What can be written.

    /// The fields of a type that a record has not set; with several missing that must be there, one entry for
    /// all of them.
    fn fields(
        &mut self,
        before: &Before<'_>,
        container: &Ty,
        record: Option<&Record>,
        cursor: &Cursor<'a>,
    ) {
        let (db, workspace) = (self.db, self.workspace);
        if let Ty::Union(arms) = container.base() {
            for arm in arms.iter().filter(|it| it.merges()) {
                self.fields(before, arm, record, cursor);
            }
            return;
        }
        let set: FxHashSet<Name> = record
            .iter()
            .flat_map(|it| &it.entries)
            .filter(|entry| {
                let at = cursor.span(entry.id);
                at.end < before.start || at.start > before.end
            })
            .filter_map(|entry| match &entry.kind {
                EntryKind::Set { path, .. } => match path.segments.as_slice() {
                    [PathSegment { kind: SegmentKind::Key(name), .. }] => Some(name.clone()),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let is_bare = !matches!(
            before.next,
            Some(
                TokenKind::Equal
                    | TokenKind::PlusEqual
                    | TokenKind::Dot
                    | TokenKind::LeftBracket
                    | TokenKind::LeftBrace
            )
        );
        let required = required_fields(db, workspace, container);
        // An overlay changes what is there: nothing is missing in it.
        let adds = !matches!(cursor.reading.id.kind(db), Declares::Overlay | Declares::Defaults);
        let mut missing: Vec<(Name, Ty)> = Vec::new();
        for name in field_names(db, workspace, container) {
            if set.contains(&name) {
                continue;
            }
            let Some(ty) = self.settable(container, &name) else { continue };
            let is_required = adds && required.contains(&name);
            let is_built_in = matches!(container.base(), Ty::Request(id)
                if schema(db, workspace, *id).field(&name).is_none());
            let symbol = meaning::field(db, workspace, container, &name);
            // What the cluster says of an object nobody writes.
            let is_status = name == "status" && matches!(container.base(), Ty::Kind(_));
            let rank = match (is_required, is_built_in || is_status) {
                (true, _) => 0,
                (_, false) => 1,
                (_, true) => 3,
            };
            let (text, snippet) = (quoted(&name), entry_snippet(&name, &ty, 1));
            let it = self.add(&text, CompletionKind::Field, rank);
            let default = match &symbol {
                Some(Symbol::Field(owner, node)) => default_text(db, *owner, *node),
                _ => None,
            };
            let shown = display(db, workspace, &ty);
            it.detail = Some(match (&default, is_required) {
                (Some(default), _) => format!("{shown} = {default}"),
                (None, true) => format!("{}, required", shown.trim_end_matches('?')),
                (None, false) => shown,
            });
            it.documentation = symbol.and_then(|it| it.documentation(db, workspace));
            if is_bare {
                it.snippet = snippet;
                it.plain = format!("{text} = ");
            }
            if is_required {
                missing.push((name, ty));
            }
        }
        if is_bare && missing.len() > 1 && record.is_some() {
            let entries = missing.iter().enumerate();
            let lines: Vec<String> =
                entries.map(|(index, (name, ty))| entry_snippet(name, ty, index + 1)).collect();
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            let it = self.add("all required fields", CompletionKind::Snippet, 0);
            it.detail = Some(names.join(", "));
            it.snippet = lines.join("\n");
            it.plain = names.iter().map(|it| format!("{it} = ")).collect::<Vec<_>>().join("\n");
        }
    }

    /// What a field can be set to.
    fn settable(&self, container: &Ty, name: &Name) -> Option<Ty> {
        let (db, workspace) = (self.db, self.workspace);
        if let Ty::Request(id) = container.base()
            && schema(db, workspace, *id).field(name).is_none()
            && name == "after"
        {
            return Some(Ty::List(std::sync::Arc::new(Ty::Outputs(None)), Keys::Plain));
        }
        field_type(db, workspace, container, name)
    }

    /// What can be read of a value.
    fn members(&mut self, base: &Expr, cursor: &Cursor<'a>) {
        let (db, workspace) = (self.db, self.workspace);
        match cursor.reading.sight.types.get(&base.id) {
            Some(ty) if !matches!(ty, Ty::Unknown) => {
                let ty = ty.clone();
                self.members_of(&ty);
            }
            _ => {
                let Some(names) = plumb_compiler::references::chain(base) else { return };
                if let Ok(target) = resolve_path(db, workspace, cursor.reading.id, &names) {
                    self.parts_of(&target, true, true);
                }
            }
        }
    }

    fn members_of(&mut self, ty: &Ty) {
        let (db, workspace) = (self.db, self.workspace);
        let mut names = field_names(db, workspace, ty);
        match ty.base() {
            Ty::Request(_) => names.extend(["uses", "used_by"].map(Name::from)),
            Ty::Quantity => names.push("bytes".into()),
            Ty::Duration => names.push("seconds".into()),
            Ty::Union(arms) => {
                for arm in arms.iter() {
                    names.extend(field_names(db, workspace, arm));
                }
            }
            _ => {}
        }
        for name in names {
            let found = field_type(db, workspace, ty, &name);
            let symbol = meaning::field(db, workspace, ty, &name);
            let kind = match symbol {
                Some(Symbol::Output(..)) => CompletionKind::Output,
                _ => CompletionKind::Field,
            };
            let is_built_in = matches!(symbol, Some(Symbol::BuiltInField(_)));
            let it = self.add(&quoted(&name), kind, if is_built_in { 2 } else { 1 });
            it.detail = found.map(|it| display(db, workspace, &it));
            it.documentation = symbol.and_then(|it| it.documentation(db, workspace));
        }
    }

    /// Behind a dot in a place that is a path of packages, as in `emit apps.`
    fn qualified(&mut self, before: &Before<'_>, cursor: &Cursor<'a>) {
        let names = before.qualifier();
        let segments: Vec<Ident> =
            names.into_iter().map(|text| Ident { id: NodeId(0), text }).collect();
        let locals = self.locals(cursor);
        if let [only] = segments.as_slice()
            && let Some((_, ty)) = locals.iter().find(|(name, _)| *name == only.text)
        {
            let ty = ty.clone();
            self.members_of(&ty);
            return;
        }
        if let Ok(target) = resolve_path(self.db, self.workspace, cursor.reading.id, &segments) {
            self.parts_of(&target, true, true);
        }
    }

    /// What a package or a group of Kubernetes has: for types, for values, or both.
    fn parts_of(&mut self, target: &Target, types: bool, values: bool) {
        let (db, workspace) = (self.db, self.workspace);
        let facts = kubernetes(db, workspace);
        match target {
            Target::Package(package) => {
                let own = package_of(db, workspace, self.file) == *package;
                for (name, id) in &scope(db, *package).names {
                    let is_private = item(db, *id).as_ref().is_some_and(|it| it.private);
                    if is_private && !own {
                        continue;
                    }
                    let is_type = matches!(id.kind(db), Declares::Schema | Declares::Type);
                    if is_type && types || !is_type && values {
                        self.declared(name, *id, 1);
                    }
                }
                let path = package.path(db);
                let below: Vec<Name> = packages(db, workspace)
                    .keys()
                    .filter_map(|it| match path.is_empty() {
                        true => Some(it.as_str()),
                        false => it.strip_prefix(path.as_str())?.strip_prefix('.'),
                    })
                    .filter_map(|it| it.split('.').next())
                    .filter(|it| !it.is_empty() && !it.starts_with('@'))
                    .map(Name::from)
                    .collect();
                for name in below {
                    self.add(&name, CompletionKind::Package, 2);
                }
            }
            Target::Kubernetes => {
                let groups: Vec<&str> = facts.groups().collect();
                for group in groups {
                    self.add(group, CompletionKind::Package, 2);
                }
            }
            Target::Group(group) => {
                for version in facts.versions(group) {
                    self.add(version, CompletionKind::Package, 1);
                }
            }
            Target::GroupVersion(group, version) => {
                for (id, kind) in facts.kinds() {
                    if kind.short_group() == group && kind.version == *version {
                        let it = self.add(kind.kind, CompletionKind::KubernetesKind, 1);
                        it.documentation = Symbol::Kind(id).documentation(db, workspace);
                        it.deprecated = kind.deprecated.is_some();
                        if !kind.creatable {
                            it.rank = 3;
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn declared(&mut self, name: &str, id: ItemId, rank: u8) {
        let (db, workspace) = (self.db, self.workspace);
        let kind = match id.kind(db) {
            Declares::Schema => CompletionKind::Schema,
            Declares::Type => CompletionKind::Type,
            Declares::Fn => CompletionKind::Function,
            Declares::Request => CompletionKind::Request,
            _ => CompletionKind::Constant,
        };
        let words = documentation(db, id, NodeId(0)).map(|it| it.to_string());
        let it = self.add(name, kind, rank);
        it.documentation = words;
        match kind {
            CompletionKind::Schema => it.is_requestable = composition(db, workspace, id).is_some(),
            CompletionKind::Function => {
                if let Some((params, result)) = plumb_compiler::infer::signature(db, workspace, id)
                {
                    let shown: Vec<String> = params
                        .iter()
                        .map(|(name, ty)| format!("{name}: {}", display(db, workspace, ty)))
                        .collect();
                    it.detail = Some(format!(
                        "({}) -> {}",
                        shown.join(", "),
                        display(db, workspace, result)
                    ));
                }
                it.snippet = format!("{}($0)", escaped(name));
                it.plain = format!("{name}(");
            }
            CompletionKind::Request => {
                let of = plumb_compiler::infer::request_schema(db, workspace, id);
                it.detail = of.map(|it| it.name(db).to_string());
            }
            CompletionKind::Constant => {
                let ty = plumb_compiler::infer::infer(db, workspace, id).ty.as_ref();
                it.detail = ty.map(|it| display(db, workspace, it));
            }
            _ => {}
        }
    }

    /// The types that can be named here, schemas of other packages too.
    fn types(&mut self, before: &Before<'_>, wanted: Wanted) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let names = before.qualifier();
        if before.last_is(TokenKind::Dot) {
            let segments: Vec<Ident> =
                names.into_iter().map(|text| Ident { id: NodeId(0), text }).collect();
            if let Some(id) = any_item(db, file)
                && let Ok(target) = resolve_path(db, workspace, id, &segments)
            {
                self.parts_of(&target, true, false);
            }
            self.found.retain(|it| match it.kind {
                CompletionKind::Type | CompletionKind::KubernetesKind => wanted == Wanted::Any,
                _ => true,
            });
            if wanted == Wanted::Requestable {
                self.found.retain(|it| it.kind != CompletionKind::Schema || it.is_requestable);
            }
            return;
        }
        let is_it = |id: &ItemId| match id.kind(db) {
            Declares::Schema => {
                wanted != Wanted::Requestable || composition(db, workspace, *id).is_some()
            }
            Declares::Type => wanted == Wanted::Any,
            _ => false,
        };
        for (name, (target, _)) in &uses(db, workspace, file).names {
            match target {
                Target::Item(id) if is_it(id) => self.declared(name, *id, 1),
                Target::Package(_) | Target::GroupVersion(..) => {
                    self.add(name, CompletionKind::Package, 2);
                }
                _ => {}
            }
        }
        let own = package_of(db, workspace, file);
        for (name, id) in scope(db, own).names.iter().filter(|(_, id)| is_it(id)) {
            self.declared(name, *id, 1);
        }
        if wanted == Wanted::Any {
            for (name, id) in prelude_names(db).iter().filter(|(_, id)| is_it(id)) {
                self.declared(name, *id, 3);
            }
            for name in BUILT_IN_TYPES {
                let words = Symbol::BuiltInType((*name).into()).documentation(db, workspace);
                let it = self.add(name, CompletionKind::Type, 2);
                it.documentation = words;
            }
        }
        self.schemas_elsewhere(own, wanted == Wanted::Requestable);
    }

    /// The schemas of packages that the file may not use yet: a `use` line comes with them.
    fn schemas_elsewhere(&mut self, own: Package, requestable: bool) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        for path in packages(db, workspace).keys() {
            let package = Package::new(db, workspace, path.clone());
            let Some(path) = use_path(db, workspace, own, package) else { continue };
            if package == own || path.is_empty() {
                continue;
            }
            let last = path.rsplit('.').next().unwrap_or(&path);
            let alias = package_alias(db, workspace, file, package);
            for (name, id) in &scope(db, package).names {
                if id.kind(db) != Declares::Schema
                    || item(db, *id).as_ref().is_some_and(|it| it.private)
                    || requestable && composition(db, workspace, *id).is_none()
                {
                    continue;
                }
                let qualified = format!("{}.{name}", alias.as_deref().unwrap_or(last));
                let also = match alias {
                    Some(_) => Vec::new(),
                    None => vec![add_use(db, file, &format!("use {path}"))],
                };
                self.declared(&qualified, *id, 1);
                let it = self.found.last_mut().expect("it was added");
                if !also.is_empty() {
                    it.detail = Some(format!("adds `use {path}`"));
                    it.rank = 2;
                }
                it.also = also;
            }
        }
    }

    fn environments(&mut self) {
        let (db, workspace) = (self.db, self.workspace);
        for (name, id) in &environments(db, workspace).0 {
            let words = documentation(db, *id, NodeId(0)).map(|it| it.to_string());
            let it = self.add(name, CompletionKind::Environment, 1);
            it.documentation = words;
        }
    }

    fn own_requests(&mut self) {
        let own = package_of(self.db, self.workspace, self.file);
        for id in scope(self.db, own).requests.clone() {
            self.declared(&id.name(self.db).clone(), id, 1);
        }
    }

    /// What a `use` can bring in.
    fn used(&mut self, before: &Before<'_>, in_braces: bool) {
        let (db, workspace) = (self.db, self.workspace);
        let words = before.line.iter().skip(1).take_while(|it| it.0 != TokenKind::LeftBrace);
        let path: Vec<Ident> = words
            .filter(|it| it.0 == TokenKind::Word)
            .map(|(_, word)| Ident { id: NodeId(0), text: (*word).into() })
            .collect();
        if path.is_empty() {
            let own = package_of(db, workspace, self.file);
            let all = packages(db, workspace).keys();
            let mut firsts: Vec<String> = all
                .map(|path| Package::new(db, workspace, path.clone()))
                .filter_map(|it| use_path(db, workspace, own, it))
                .filter_map(|path| path.split('.').next().map(str::to_owned))
                .filter(|it| !it.is_empty())
                .collect();
            firsts.sort();
            firsts.dedup();
            for name in firsts {
                self.add(&name, CompletionKind::Package, 1);
            }
            self.add("k8s", CompletionKind::Package, 2);
            return;
        }
        let Some(id) = any_item(db, self.file) else { return };
        let Some(target) = resolve_use(db, workspace, id, &path) else { return };
        match target {
            Target::Package(_) if !in_braces => {
                let is_package = |it: &Completion| it.kind == CompletionKind::Package;
                self.parts_of(&target, false, false);
                self.found.retain(is_package);
            }
            _ => self.parts_of(&target, true, true),
        }
    }

    /// The values that fit a place, and what a value can be made of.
    fn values(&mut self, before: &Before<'_>, cursor: Option<&Cursor<'a>>, wanted: &Ty) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        if before.last_is(TokenKind::Dot) {
            if let Some(cursor) = cursor {
                self.qualified(before, cursor);
            }
            return;
        }
        self.literals(before, wanted);
        if before.in_string {
            return;
        }
        let Some(cursor) = cursor else { return };
        if let Ty::Outputs(None) = wanted.base() {
            self.own_requests();
            let own = cursor.reading.id.name(db);
            self.found.retain(|it| it.label != *own);
            return;
        }
        let is_data = matches!(cursor.reading.id.kind(db), Declares::Request | Declares::Overlay);
        for (name, ty) in self.locals(cursor) {
            let it = self.add(&name, CompletionKind::Local, 1);
            it.detail = Some(display(db, workspace, &ty));
        }
        if cursor.reading.id.kind(db) == Declares::Schema {
            for field in &schema(db, workspace, cursor.reading.id).fields {
                let it = self.add(&field.name, CompletionKind::Field, 1);
                it.detail = Some(display(db, workspace, &field.ty));
            }
        }
        // Before the braces of a record only.
        let names_records = !is_data && !wanted.present().is_scalar();
        let own = package_of(db, workspace, file);
        let is_value =
            |id: &ItemId| matches!(id.kind(db), Declares::Let | Declares::Fn | Declares::Request);
        for (name, (target, _)) in &uses(db, workspace, file).names {
            match target {
                Target::Item(id)
                    if is_value(id) || names_records && id.kind(db) == Declares::Schema =>
                {
                    self.declared(name, *id, 2);
                }
                Target::Package(_) => {
                    self.add(name, CompletionKind::Package, 3);
                }
                Target::GroupVersion(..) | Target::Kind(_) if !is_data => {
                    self.add(name, CompletionKind::Package, 3);
                }
                _ => {}
            }
        }
        for (name, id) in &scope(db, own).names {
            let is_schema = id.kind(db) == Declares::Schema;
            if is_value(id) && *id != cursor.reading.id || is_schema && names_records {
                self.declared(name, *id, 2);
            }
        }
        if !matches!(
            cursor.reading.id.kind(db),
            Declares::Fn | Declares::Type | Declares::Environment
        ) {
            let it = self.add("environment", CompletionKind::Local, 3);
            it.documentation = Symbol::Word("environment".into()).documentation(db, workspace);
        }
        if is_data {
            return;
        }
        for builtin in Builtin::ALL {
            let it = self.add(builtin.name(), CompletionKind::Function, 4);
            it.documentation = Some(builtin.documentation().to_owned());
            it.snippet = format!("{}($0)", builtin.name());
            it.plain = format!("{}(", builtin.name());
        }
        let is_emit = before.line.iter().any(|it| it.1 == "emit");
        if is_emit {
            self.kinds();
        }
    }

    /// The kinds of Kubernetes that a composition can emit; a `use` line comes with those whose group the file
    /// does not use yet.
    fn kinds(&mut self) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        for (id, kind) in kubernetes(db, workspace).kinds().filter(|(_, it)| it.creatable) {
            let group = kind.short_group();
            let alias = group_alias(db, workspace, file, group, kind.version);
            let also = match alias {
                Some(_) => Vec::new(),
                None => {
                    let line = format!("use k8s.{group}.{} as {group}", kind.version);
                    vec![add_use(db, file, &line)]
                }
            };
            let name = format!("{}.{}", alias.as_deref().unwrap_or(group), kind.kind);
            let words = Symbol::Kind(id).documentation(db, workspace);
            let it = self.add(
                &name,
                CompletionKind::KubernetesKind,
                if also.is_empty() { 2 } else { 3 },
            );
            it.documentation = words;
            it.detail = Some(match also.is_empty() {
                true => kind.api_version(),
                false => format!("{}, adds a `use`", kind.api_version()),
            });
            it.deprecated = kind.deprecated.is_some();
            it.snippet = format!("{name} {{\n    $0\n}}");
            it.also = also;
        }
    }

    /// The values that a type has few of.
    fn literals(&mut self, before: &Before<'_>, wanted: &Ty) {
        match wanted {
            Ty::Optional(inner) => {
                self.literals(before, inner);
                if !before.in_string {
                    self.add("none", CompletionKind::Keyword, 3);
                }
            }
            Ty::Refined(refined) => self.literals(before, &refined.base),
            Ty::Union(arms) => arms.iter().for_each(|arm| self.literals(before, arm)),
            Ty::Literal(literal) => {
                let text = plumb_compiler::types::display_literal(literal);
                self.add(&text, CompletionKind::Value, 0);
            }
            Ty::Bool if !before.in_string => {
                for word in ["true", "false"] {
                    self.add(word, CompletionKind::Value, 0);
                }
            }
            Ty::Record(_) | Ty::Map(..) | Ty::Schema(_) | Ty::Object(_) if !before.in_string => {
                let it = self.add("{ … }", CompletionKind::Snippet, 0);
                it.detail = Some("a record".to_owned());
                it.snippet = "{\n    $0\n}".to_owned();
                it.plain = "{".to_owned();
            }
            _ => {}
        }
    }

    /// The names of the blocks around the cursor, with their types, the innermost first.
    fn locals(&self, cursor: &Cursor<'a>) -> Vec<(Name, Ty)> {
        let mut names: Vec<&Ident> = Vec::new();
        for (index, node) in cursor.way.iter().enumerate() {
            let below = cursor.way.get(index + 1).map(|it| it.id());
            match node {
                Node::Item(item) => match &item.kind {
                    ItemKind::Compose { binder, .. } => names.push(binder),
                    ItemKind::Fn { params, .. } => names.extend(params.iter().map(|it| &it.name)),
                    _ => {}
                },
                Node::Block(block) => {
                    for statement in &block.statements {
                        if Some(statement.id) == below
                            || cursor.span(statement.id).start >= cursor.offset
                        {
                            break;
                        }
                        match &statement.kind {
                            StatementKind::Let(it) => names.push(&it.name),
                            StatementKind::Emit { bind: Some(it), .. } => names.push(it),
                            _ => {}
                        }
                    }
                }
                Node::Statement(it) => match &it.kind {
                    StatementKind::For { clause, body } if Some(body.id) == below => {
                        names.push(&clause.first);
                        names.extend(&clause.second);
                    }
                    StatementKind::If(it) if Some(it.then.id) == below => {
                        names.extend(&it.head.bind);
                    }
                    _ => {}
                },
                Node::Expr(it) => match &it.kind {
                    ExprKind::ListFor { clause, .. } if Some(clause.iter.id) != below => {
                        names.push(&clause.first);
                        names.extend(&clause.second);
                    }
                    ExprKind::If { head, then, .. } if Some(then.id) == below => {
                        names.extend(&head.bind);
                    }
                    _ => {}
                },
                Node::Entry(Entry { kind: EntryKind::For { clause, .. }, .. })
                    if Some(clause.iter.id) != below =>
                {
                    names.push(&clause.first);
                    names.extend(&clause.second);
                }
                Node::Arm(Arm { pattern: Pattern::Typed { name, .. }, .. }) => names.push(name),
                _ => {}
            }
        }
        let types = &cursor.reading.sight.types;
        let known = names.into_iter().rev().filter(|it| !it.is_hole());
        known
            .map(|it| (it.text.clone(), types.get(&it.id).cloned().unwrap_or(Ty::Unknown)))
            .collect()
    }
}

/// Any declaration of a file, to resolve names in it.
fn any_item(db: &dyn Db, file: SourceFile) -> Option<ItemId> {
    plumb_compiler::items::keyed_items(db, file).first().copied()
}

/// What the head of a declaration asks for next, by the tokens of its line; `None` where the line is no head.
fn head(line: &[(TokenKind, &str)]) -> Option<Head> {
    let mut words = line.iter().peekable();
    while words.peek().is_some_and(|it| matches!(it.1, "private" | "abstract")) {
        words.next();
    }
    let (kind, first) = words.next()?;
    if *kind != TokenKind::Word {
        return None;
    }
    let rest: Vec<_> = words.copied().collect();
    let has = |kind: TokenKind| rest.iter().any(|it| it.0 == kind);
    let said = |word: &str| rest.iter().any(|it| it.1 == word);
    if *first != "use" && has(TokenKind::LeftBrace) {
        return None;
    }
    // A word alone is a name that nobody can know.
    Some(match *first {
        "use" if has(TokenKind::RightBrace) || said("as") => Head::Nothing,
        "use" => Head::Use(has(TokenKind::LeftBrace)),
        "request" | "environment" if said("in") || said("from") => Head::Environments,
        "request" if has(TokenKind::Colon) => Head::Types(Wanted::Requestable),
        "environment" if has(TokenKind::Colon) => Head::Types(Wanted::Schema),
        "overlay" | "defaults" if said("in") => Head::Environments,
        "overlay" => Head::Requests,
        "defaults" => Head::Types(Wanted::Schema),
        "compose" if !said("as") => Head::Types(Wanted::Schema),
        "request" | "environment" | "compose" | "schema" => Head::Nothing,
        "let" | "type" if has(TokenKind::Equal) => match *first {
            "type" => Head::Types(Wanted::Any),
            _ => Head::Value,
        },
        "let" if has(TokenKind::Colon) => Head::Types(Wanted::Any),
        "let" | "type" => Head::Nothing,
        "fn" if has(TokenKind::Equal) => Head::Value,
        "fn" if matches!(rest.last(), Some((TokenKind::Colon | TokenKind::Arrow, _))) => {
            Head::Types(Wanted::Any)
        }
        "fn" => Head::Nothing,
        _ => return None,
    })
}

/// A key as it is written: quoted where it is no name.
fn quoted(name: &str) -> String {
    let is_plain = plumb_compiler::syntax::tokens(name)
        .iter()
        .all(|it| it.kind == TokenKind::Word && it.range.end as usize == name.len());
    if is_plain && !name.is_empty() { name.to_owned() } else { format!("{name:?}") }
}

/// A text in a snippet.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}")
}

/// An entry with room for its value, which is the snippet's stop of this number.
fn entry_snippet(name: &str, ty: &Ty, at: usize) -> String {
    format!("{} = {}", escaped(&quoted(name)), value_snippet(ty, at))
}

fn value_snippet(ty: &Ty, at: usize) -> String {
    let literal = |it: &Ty| match it {
        Ty::Literal(it) => Some(plumb_compiler::types::display_literal(it)),
        _ => None,
    };
    match ty {
        Ty::Optional(inner) => value_snippet(inner, at),
        Ty::Refined(refined) => value_snippet(&refined.base, at),
        Ty::Bool => format!("${{{at}|true,false|}}"),
        Ty::Union(arms) => {
            let all: Option<Vec<String>> = arms.iter().map(literal).collect();
            match all {
                Some(all) if all.iter().all(|it| !it.contains([',', '|', '$', '}', '\\'])) => {
                    format!("${{{at}|{}|}}", all.join(","))
                }
                _ => format!("${at}"),
            }
        }
        Ty::String => format!("\"${at}\""),
        Ty::List(..) => format!("[${at}]"),
        Ty::Map(..) | Ty::Record(_) | Ty::Schema(_) | Ty::Object(_) => {
            format!("{{\n    ${at}\n}}")
        }
        _ => format!("${at}"),
    }
}

/// The default of a field as it is written, where it is short.
fn default_text(db: &dyn Db, owner: ItemId, name: NodeId) -> Option<String> {
    let tree = item(db, owner).as_deref()?;
    let ItemKind::Schema { members, .. } = &tree.kind else { return None };
    let default = members.iter().find_map(|it| match &it.kind {
        MemberKind::Field { name: it, default, .. } if it.id == name => default.as_ref(),
        _ => None,
    })?;
    let Content::Text(text) = owner.file(db).content(db) else { return None };
    let at = plumb_compiler::items::spans(db, owner).get(default.id.0 as usize)?;
    let text = text.get(at.start as usize..at.end as usize)?;
    (!text.contains('\n') && text.len() <= 40).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    fn complete_in(text: &str) -> Vec<Completion> {
        let it = Fixture::new(&format!("{SHOP}{text}"));
        complete(&it.db, it.workspace, it.file, it.offset)
    }

    /// The labels, one after the other.
    fn labels(text: &str) -> String {
        let labels: Vec<String> = complete_in(text).into_iter().map(|it| it.label).collect();
        labels.join(" ")
    }

    /// The first labels, of a file that uses the platform.
    fn first(count: usize, text: &str) -> String {
        let labels = labels(&format!("use platform\n{text}"));
        labels.split(' ').take(count).collect::<Vec<_>>().join(" ")
    }

    /// The same in a composition of the platform.
    fn in_compose(count: usize, body: &str) -> String {
        let text = SHOP.replacen(
            "    emit apps.Deployment {",
            &format!("    {body}\n    emit apps.Deployment {{"),
            1,
        );
        let it = Fixture::new(&text);
        let found = complete(&it.db, it.workspace, it.file, it.offset);
        let labels: Vec<String> = found.into_iter().map(|it| it.label).take(count).collect();
        labels.join(" ")
    }

    #[test]
    fn a_schema_of_another_package_brings_its_use() {
        for text in ["request x: We$0", "request x: We$0\n", "request x: $0 {\n}\n"] {
            let found = complete_in(text);
            let web = found.iter().find(|it| it.label == "platform.Web").expect(text);
            assert_eq!(web.also.len(), 1);
            assert_eq!(web.also[0].1, "use platform\n\n");
        }
    }

    #[test]
    fn required_fields_come_first_with_one_entry_for_all() {
        let found = complete_in("use platform\nrequest x: platform.Web {\n    $0\n}\n");
        let shown: Vec<_> = found.iter().take(3).map(|it| it.label.as_str()).collect();
        assert_eq!(shown, ["all required fields", "image", "owner"]);
        assert_eq!(found[0].snippet, "image = \"$1\"\nowner = \"$2\"");
        assert_eq!(found[1].detail.as_deref(), Some("String, required"));
        assert_eq!(found[1].documentation.as_deref(), Some("What runs."));
        let replicas = found.iter().find(|it| it.label == "replicas").expect("a field");
        assert_eq!(replicas.detail.as_deref(), Some("Int = 1"));
        let size = found.iter().find(|it| it.label == "size").expect("a field");
        assert_eq!(size.snippet, "size = ${1|\"small\",\"large\"|}");
    }

    #[test]
    fn so_at_the_end_of_a_file() {
        let text = "request y: platform.Web { image = \"y\", owner = \"me\" }\n\nrequest x: platform.Web {\n    $0\n}";
        assert_eq!(first(4, text), "all required fields image");
    }

    #[test]
    fn what_is_set_is_not_offered_again_and_a_key_keeps_its_value() {
        let text = "request x: platform.Web {\n    image = \"x\"\n    rep$0\n}\n";
        assert!(!labels(&format!("use platform\n{text}")).contains("image"));
        let found = complete_in("use platform\nrequest x: platform.Web {\n    rep$0 = 3\n}\n");
        let it = found.iter().find(|it| it.label == "replicas").expect("a field");
        assert_eq!((it.snippet.as_str(), it.plain.as_str()), ("replicas", "replicas"));
    }

    #[test]
    fn nothing_is_missing_in_an_overlay() {
        let found = first(3, "request x: platform.Web { }\noverlay x in prod {\n    $0\n}\n");
        assert_eq!(found, "env image owner");
    }

    #[test]
    fn values_are_those_that_the_place_takes() {
        for (value, expected) in [
            ("size = $0", "\"large\" \"small\""),
            ("size = \"$0\"", "\"large\" \"small\""),
            ("size = \"sm$0", "\"large\" \"small\""),
            ("after = [$0]", "cart"),
            ("env.A = cart.$0", "url name namespace"),
            ("env.A = \"${cart.$0}\"", "url name namespace"),
            ("env.A = \"a ${environment.d$0}\"", "domain tier"),
            ("scale.$0", "max cpu"),
            ("scale = { $0 }", "max cpu"),
        ] {
            let count = expected.split(' ').count();
            let text = format!("request x: platform.Web {{\n    {value}\n}}\n");
            assert_eq!(first(count, &text), expected, "{value}");
        }
        assert_eq!(
            first(4, "request x: platform.Web { sidecars = [{ $0 }] }\n"),
            "all required fields image"
        );
    }

    #[test]
    fn heads_know_what_comes_next() {
        for (head, expected) in [
            ("request x: platform.$0\n", "Web"),
            ("defaults platform.$0\n", "Env Scale Sidecar Web"),
            ("overlay $0\n", "cart"),
            ("overlay cart in $0\n", "dev prod"),
            ("overlay cart in dev, p$0\n", "dev prod"),
            ("use $0\n", "apps platform k8s"),
            ("use k8s.apps.$0\n", "v1"),
            ("use k8s.apps.v1.{D$0}\n", "ControllerRevision DaemonSet Deployment"),
            ("$0", "abstract environment compose"),
        ] {
            let count = expected.split(' ').count();
            assert_eq!(first(count, head), expected, "{head}");
        }
        assert_eq!(labels("request $0"), "");
    }

    #[test]
    fn a_composition_offers_statements_kinds_and_what_it_knows() {
        for (body, expected) in [
            ("$0", "advise emit for"),
            ("let a = svc.$0", "env image owner"),
            ("emit apps.$0", "ControllerRevision DaemonSet Deployment"),
            ("if let own = svc.scale {\n    let b = own.$0\n    }", "cpu max"),
            ("let a = len($0)", "svc"),
        ] {
            let count = expected.split(' ').count();
            assert_eq!(in_compose(count, body), expected, "{body}");
        }
        let all = in_compose(500, "emit $0");
        assert!(all.contains("apps.Deployment") && all.contains("core.ConfigMap"), "{all}");
    }

    #[test]
    fn a_kind_of_a_group_that_is_not_used_brings_its_use() {
        let it = Fixture::new(&SHOP.replacen("    emit apps", "    emit Conf$0\n    emit apps", 1));
        let found = complete(&it.db, it.workspace, it.file, it.offset);
        let map = found.iter().find(|it| it.label == "core.ConfigMap").expect("a kind");
        assert_eq!(map.also[0].1, "\nuse k8s.core.v1 as core");
        assert_eq!(map.snippet, "core.ConfigMap {\n    $0\n}");
    }

    #[test]
    fn fields_of_kubernetes_are_offered_with_their_documentation() {
        let it = Fixture::new(&SHOP.replacen("{ name = \"main\",", "{ im$0\n", 1));
        let found = complete(&it.db, it.workspace, it.file, it.offset);
        let image = found.iter().find(|it| it.label == "imagePullPolicy").expect("a field");
        assert_eq!(image.snippet, "imagePullPolicy = ${1|\"Always\",\"IfNotPresent\",\"Never\"|}");
        assert!(
            image.documentation.as_deref().is_some_and(|it| it.starts_with("Image pull policy"))
        );
    }

    #[test]
    fn nothing_is_offered_in_comments() {
        assert!(complete_in("// ab$0").is_empty());
        assert!(
            complete_in("use platform\nrequest x: platform.Web {\n    /// a$0\n}\n").is_empty()
        );
    }

    /// Every place of every file, whole and cut off there: nothing panics, and what is replaced is there.
    #[test]
    fn any_place_can_be_asked_about() {
        let text = format!(
            "{SHOP}use platform\nrequest x: platform.Web {{\n    env = {{ A = \"a ${{cart.url}} ä\", B = none }}\n}}\n"
        );
        for (start, body) in
            text.match_indices("---- ").map(|(at, _)| at).map(|at| (at, &text[at..]))
        {
            let end = body[5..].find("---- ").map_or(body.len(), |it| it + 5);
            for (at, _) in
                body[..end].char_indices().skip(body.find('\n').unwrap_or(0) + 1).step_by(7)
            {
                let (before, after) = text.split_at(start + at);
                for text in
                    [format!("{before}$0{after}"), format!("{before}$0\n{}", &text[start + end..])]
                {
                    let it = Fixture::new(&text);
                    for found in complete(&it.db, it.workspace, it.file, it.offset) {
                        let source = &it.texts[it.file.path(&it.db)];
                        assert!(
                            source
                                .get(found.replace.start as usize..found.replace.end as usize)
                                .is_some()
                        );
                    }
                    crate::ide::hover::hover(&it.db, it.workspace, it.file, it.offset, None);
                }
            }
        }
    }
}
