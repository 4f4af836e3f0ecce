//! Changes that are offered at a place: mends of what is wrong, and other ways to say the same.

use super::cursor::Cursor;
use super::imports::{add_use, group_alias, package_alias};
use super::meaning::Symbol;
use super::references::text_of;
use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::diagnostics::code;
use plumb_compiler::items::{extent, item, keyed_items, spans};
use plumb_compiler::layers::layer_record;
use plumb_compiler::names::{environment_order, package_of, packages, scope, use_path};
use plumb_compiler::outputs::runs_in;
use plumb_compiler::source::{ItemId, Kind, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::types::{Check, Ty, display_literal, field_type, required_fields};
use plumb_compiler::versions::kubernetes;

/// What an action is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActionKind {
    /// It mends a mistake.
    Fix,
    /// It gives a part a name of its own.
    Extract,
    /// It says the same, or more, in another way.
    Rewrite,
}

/// A change that is offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// What it does.
    pub title: String,
    /// What it is for.
    pub kind: ActionKind,
    /// Texts that replace ranges.
    pub edits: Vec<(Location, String)>,
    /// The finding that it mends, by its number.
    pub finding: Option<usize>,
    /// It is what is meant most probably.
    pub preferred: bool,
}

/// What can be done about a part of a file, with what is wrong with the file.
pub fn actions(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    part: TextRange,
    findings: &[Finding],
) -> Vec<Action> {
    let mut actions = Actions { db, workspace, file, text: text_of(db, file), found: Vec::new() };
    for (index, finding) in findings.iter().enumerate() {
        let Some(at) = finding.location.as_ref().filter(|it| it.path == *file.path(db)) else {
            continue;
        };
        if at.range.start > part.end || at.range.end < part.start {
            continue;
        }
        let before = actions.found.len();
        actions.fixes(finding);
        match finding.code {
            code::UNKNOWN_NAME => actions.import(at.range),
            code::MISSING_FIELD => actions.missing(at.range, &finding.message),
            code::MAYBE_NONE => actions.if_let(at.range),
            _ => {}
        }
        for action in &mut actions.found[before..] {
            action.finding = Some(index);
        }
    }
    actions.overlays(part.start);
    actions.moves(part.start);
    actions.extract(part);
    actions.found
}

struct Actions<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    file: SourceFile,
    text: &'a str,
    found: Vec<Action>,
}

impl<'a> Actions<'a> {
    fn add(&mut self, title: String, kind: ActionKind, edits: Vec<(Location, String)>) {
        self.found.push(Action { title, kind, edits, finding: None, preferred: false });
    }

    fn here(&self, range: TextRange) -> Location {
        Location { path: self.file.path(self.db).clone(), range }
    }

    fn slice(&self, range: TextRange) -> &'a str {
        self.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// What the finding itself offers.
    fn fixes(&mut self, finding: &Finding) {
        for fix in &finding.fixes {
            self.add(sentence(&fix.title), ActionKind::Fix, fix.edits.clone());
            if let Some(last) = self.found.last_mut() {
                last.preferred = finding.fixes.len() == 1;
            }
        }
    }

    /// Brings in what has the name of an unknown word.
    fn import(&mut self, at: TextRange) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let word = self.slice(at);
        let Some(cursor) = Cursor::at(db, workspace, file, at.start) else { return };
        // Whom an overlay speaks of stands in its own package.
        let in_head = matches!(cursor.way.as_slice(), [Node::Item(_), Node::Ident(_)]);
        if word.is_empty() || in_head {
            return;
        }
        let own = package_of(db, workspace, file);
        for path in packages(db, workspace).keys() {
            let package = Package::new(db, workspace, path.clone());
            let Some(path) = use_path(db, workspace, own, package) else { continue };
            if package == own || path.is_empty() {
                continue;
            }
            if path.rsplit('.').next() == Some(word) {
                let line = format!("use {path}");
                let (range, text) = add_use(db, file, &line);
                self.add(format!("Add `{line}`"), ActionKind::Fix, vec![(self.here(range), text)]);
            }
            let found = scope(db, package).names.get(word).copied();
            let is_seen = |id: &ItemId| {
                item(db, *id).as_ref().is_some_and(|it| !it.private)
                    && (id.kind(db) != Kind::Request
                        || !plumb_compiler::names::is_foreign(db, package))
            };
            if found.filter(is_seen).is_some() {
                let alias = package_alias(db, workspace, file, package);
                self.bring(at, word, &path, alias.as_deref());
            }
        }
        self.import_kind(at, word);
    }

    fn import_kind(&mut self, at: TextRange, word: &str) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let facts = kubernetes(db, workspace);
        let rest = self.text.get(at.end as usize..).unwrap_or_default();
        let next: &str = rest.strip_prefix('.').map_or("", |rest| {
            let end = rest.find(|it: char| !it.is_ascii_alphanumeric()).unwrap_or(rest.len());
            &rest[..end]
        });
        // `apps.Deployment`, as groups are usually called.
        let of_group = facts.versions(word).iter().find(|version| {
            next.is_empty()
                || facts.kind(word, version, next).is_some()
                || facts.object_by_name(word, version, next).is_some()
        });
        if let Some(version) = of_group {
            let line = format!("use k8s.{word}.{version} as {word}");
            let (range, text) = add_use(db, file, &line);
            self.add(format!("Add `{line}`"), ActionKind::Fix, vec![(self.here(range), text)]);
        }
        // Of each group its best version comes first.
        let mut groups: Vec<&str> = Vec::new();
        let kinds = facts.kinds().filter(|(_, it)| it.kind == word && it.creatable);
        for (_, kind) in kinds {
            if !groups.contains(&kind.short_group()) {
                groups.push(kind.short_group());
            }
        }
        for group in groups {
            let best =
                facts.versions(group).iter().find(|it| facts.kind(group, it, word).is_some());
            let Some(version) = best else { continue };
            let alias = group_alias(db, workspace, file, group, version);
            self.bring(at, word, &format!("k8s.{group}.{version}"), alias.as_deref());
        }
    }

    /// Brings in a name of a package: behind the package where the file uses that, else by a line of `use`.
    fn bring(&mut self, at: TextRange, word: &str, path: &str, alias: Option<&str>) {
        if let Some(alias) = alias {
            let text = format!("{alias}.{word}");
            let title = format!("Change to `{text}`");
            self.add(title, ActionKind::Fix, vec![(self.here(at), text)]);
            return;
        }
        let line = format!("use {path}.{{{word}}}");
        let edit =
            self.beside_used(path, word).unwrap_or_else(|| add_use(self.db, self.file, &line));
        self.add(format!("Add `{line}`"), ActionKind::Fix, vec![(self.here(edit.0), edit.1)]);
    }

    /// The change that adds a name to a `use path.{…}` that is there already.
    fn beside_used(&self, path: &str, word: &str) -> Option<(TextRange, String)> {
        let (db, file) = (self.db, self.file);
        keyed_items(db, file).iter().find_map(|id| {
            let ItemKind::Use { path: its, names: Some(names), .. } =
                &item(db, *id).as_deref()?.kind
            else {
                return None;
            };
            let last = names.last()?;
            let node = last.alias.as_ref().unwrap_or(&last.name).id;
            let at = spans(db, *id).get(node.0 as usize)?.end;
            let is_it = plumb_compiler::items::dotted(its) == path;
            is_it.then(|| (TextRange::new(at, at), format!(", {word}")))
        })
    }

    /// Writes the fields that a record lacks, each with a value to begin with.
    fn missing(&mut self, at: TextRange, message: &str) {
        let (db, workspace) = (self.db, self.workspace);
        let Some(cursor) = Cursor::at(db, workspace, self.file, at.start) else { return };
        let Some(Lacking { record, ty, prefix }) = self.lacking(&cursor, at) else { return };
        let mut lacking = required_fields(db, workspace, &ty);
        let is_told = |it: &Name| message.contains(&format!("`{it}`"));
        lacking.retain(|it| is_told(it) && (!prefix.is_empty() || !sets(record, it)));
        if matches!(ty.base(), Ty::Kind(_)) && message.contains("`metadata.name`") {
            lacking.insert(0, "metadata.name".into());
        }
        let entries: Vec<String> = lacking
            .iter()
            .map(|name| {
                let ty = field_type(db, workspace, &ty, name);
                let value = match name.as_str() {
                    "metadata.name" => "\"\"".to_owned(),
                    _ => ty.map_or("none".to_owned(), |ty| self.placeholder(&ty, 0)),
                };
                format!("{prefix}{name} = {value}")
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let title = match lacking.as_slice() {
            [one] => format!("Add the missing field `{one}`"),
            many => format!("Add the {} missing fields", many.len()),
        };
        let edit = insertion(self.text, record, cursor.spans, &entries);
        self.add(title, ActionKind::Fix, vec![(self.here(edit.0), edit.1)]);
        if let Some(last) = self.found.last_mut() {
            last.preferred = true;
        }
    }

    /// The record that lacks what the finding at a place says.
    fn lacking<'t>(&self, cursor: &Cursor<'t>, at: TextRange) -> Option<Lacking<'t>> {
        let (db, workspace) = (self.db, self.workspace);
        let reading = &cursor.reading;
        // A record that is written as the way into it.
        if let [
            ..,
            Node::Record(record),
            Node::Entry(_),
            Node::FieldPath(path),
            Node::Segment(step),
        ] = cursor.way.as_slice()
            && let SegmentKind::Key(name) = &step.kind
            && cursor.span(step.id) == at
        {
            let ty = field_type(db, workspace, reading.sight.containers.get(&step.id)?, name)?;
            let way = TextRange::new(cursor.span(path.id).start, at.end);
            return Some(Lacking { record, ty, prefix: format!("{}.", self.slice(way)) });
        }
        // The record that the place is, or begins.
        let mut found: Option<&Record> = None;
        Node::Item(reading.tree).walk(&mut |node| {
            if let Node::Record(it) = node {
                let span = cursor.span(it.id);
                if found.is_none() && at.start <= span.start && span.end <= at.end {
                    found = Some(it);
                }
            }
        });
        let record = found.or_else(|| layer_record(reading.tree))?;
        let ty = reading.inference.records.get(&record.id).cloned().or_else(|| {
            let schema = plumb_compiler::infer::request_schema(db, workspace, reading.id)?;
            Some(Ty::Request(schema))
        })?;
        Some(Lacking { record, ty, prefix: String::new() })
    }

    /// A value to begin with.
    fn placeholder(&self, ty: &Ty, depth: u32) -> String {
        let (db, workspace) = (self.db, self.workspace);
        match ty {
            Ty::Optional(inner) => self.placeholder(inner, depth),
            Ty::Refined(refined) => match (&refined.check, &refined.base) {
                (Check::Range(Some(low), _), _) => low.to_string(),
                (Check::Condition(id, node), Ty::Int) => {
                    least(db, *id, *node).unwrap_or(1).to_string()
                }
                (Check::Cron, _) => "\"@daily\"".to_owned(),
                (_, base) => self.placeholder(base, depth),
            },
            Ty::Literal(literal) => display_literal(literal),
            Ty::Union(arms) => {
                arms.first().map_or("none".to_owned(), |it| self.placeholder(it, depth))
            }
            Ty::Bool => "false".to_owned(),
            Ty::Int => "0".to_owned(),
            Ty::Float => "0.0".to_owned(),
            Ty::String => "\"\"".to_owned(),
            Ty::Quantity => "1Gi".to_owned(),
            Ty::Duration => "30s".to_owned(),
            Ty::List(..) => "[]".to_owned(),
            Ty::Schema(_) | Ty::Record(_) | Ty::Object(_) | Ty::Kind(_) if depth < 4 => {
                let entries: Vec<String> = required_fields(db, workspace, ty)
                    .iter()
                    .filter_map(|name| {
                        let ty = field_type(db, workspace, ty, name)?;
                        Some(format!("{name} = {}", self.placeholder(&ty, depth + 1)))
                    })
                    .collect();
                match entries.is_empty() {
                    true => "{}".to_owned(),
                    false => format!("{{ {} }}", entries.join(", ")),
                }
            }
            Ty::None => "none".to_owned(),
            Ty::Null => "null".to_owned(),
            _ => "{}".to_owned(),
        }
    }

    /// An overlay for each environment of a request that has none.
    fn overlays(&mut self, offset: u32) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let Some(id) = super::cursor::declaration_at(db, file, offset) else { return };
        if id.kind(db) != Kind::Request || id.name(db).is_empty() {
            return;
        }
        let name = id.name(db);
        let overlays = scope(db, package_of(db, workspace, file)).overlays.get(name);
        let overlays = overlays.map(Vec::as_slice).unwrap_or_default();
        // Behind the request, or behind what is there of its overlays.
        let here = overlays.iter().filter(|it| it.file(db) == file).chain([&id]);
        let end = here.map(|it| extent(db, *it).end).max().unwrap_or(offset);
        for environment in environment_order(db, workspace) {
            let its = environment.name(db);
            let has_one =
                overlays.iter().any(|it| it.environments(db).split(',').any(|it| it == its));
            if has_one || !runs_in(db, workspace, id, *environment) {
                continue;
            }
            let text = format!("\n\noverlay {name} in {its} {{}}");
            let edit = (self.here(TextRange::new(end, end)), text);
            self.add(format!("Create an overlay in {its}"), ActionKind::Rewrite, vec![edit]);
        }
    }

    /// Moves a value from an overlay to its request, or from a request to one of its overlays.
    fn moves(&mut self, offset: u32) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let Some(cursor) = Cursor::at(db, workspace, file, offset) else { return };
        let [Node::Item(tree), Node::Record(record), Node::Entry(entry), ..] =
            cursor.way.as_slice()
        else {
            return;
        };
        let EntryKind::Set { modifier: None, path, append: false, value, .. } = &entry.kind else {
            return;
        };
        // A field that there is not is no better elsewhere.
        if cursor.reading.inference.poisoned.contains(&path.id) {
            return;
        }
        let package = package_of(db, workspace, file);
        let targets: Vec<ItemId> = match &tree.kind {
            ItemKind::Overlay { requests, .. } => match requests.as_slice() {
                [one] => scope(db, package).names.get(&one.text).copied().into_iter().collect(),
                _ => return,
            },
            ItemKind::Request { name, .. } => {
                let overlays = scope(db, package).overlays.get(&name.text);
                let all = overlays.map(Vec::as_slice).unwrap_or_default().iter().copied();
                // Of several requests, the others would change too.
                all.filter(|it| *it.name(db) == name.text).collect()
            }
            _ => return,
        };
        let written = self.slice(cursor.span(path.id));
        let whole = self.slice(cursor.span(entry.id)).to_owned();
        let new_value = self.slice(cursor.span(value.id));
        if written.is_empty() || new_value.is_empty() {
            return;
        }
        for target in targets {
            let Some(target_tree) = item(db, target).as_deref() else { continue };
            let Some(into) = layer_record(target_tree) else { continue };
            let (text, spans) = (text_of(db, target.file(db)), spans(db, target));
            let slice = |node: NodeId| -> &str {
                let span = spans.get(node.0 as usize).copied().unwrap_or_default();
                text.get(span.start as usize..span.end as usize).unwrap_or_default()
            };
            let there = into.entries.iter().find_map(|it| match &it.kind {
                EntryKind::Set { path, value, .. } if slice(path.id) == written => Some(value.id),
                _ => None,
            });
            let (range, new) = match (there, target.kind(db)) {
                // What is there already is what the overlay says.
                (Some(_), Kind::Overlay) => continue,
                (Some(value), _) => {
                    let Some(range) = spans.get(value.0 as usize) else { continue };
                    (*range, new_value.to_owned())
                }
                (None, _) => insertion(text, into, spans, std::slice::from_ref(&whole)),
            };
            let to = Location { path: target.file(db).path(db).clone(), range };
            let gone = removal(self.text, record, entry, cursor.spans);
            let title =
                format!("Move `{written}` to {}", plumb_compiler::names::describe(db, target));
            self.add(title, ActionKind::Rewrite, vec![(self.here(gone), String::new()), (to, new)]);
        }
    }

    /// Gives the selected expression a name.
    fn extract(&mut self, part: TextRange) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let selected = self.slice(part);
        let trimmed = selected.trim();
        if trimmed.is_empty() {
            return;
        }
        let start = part.start + (selected.len() - selected.trim_start().len()) as u32;
        let part = TextRange::new(start, start + trimmed.len() as u32);
        let Some(cursor) = Cursor::at(db, workspace, file, part.start) else { return };
        let reading = &cursor.reading;
        let mut way: Vec<Node<'_>> = Vec::new();
        let mut found: Option<(&Expr, Vec<Node<'_>>)> = None;
        find_expression(Node::Item(reading.tree), &mut way, &mut |it, way| {
            if cursor.span(it.id) == part && !matches!(it.kind, ExprKind::Hole) {
                found.get_or_insert_with(|| (it, way.to_vec()));
            }
        });
        let Some((expression, way)) = found else { return };
        let occurrences = reading.occurrences();
        let inside = |node: NodeId| {
            let at = cursor.span(node);
            part.start <= at.start && at.end <= part.end
        };
        let used: Vec<&Symbol> =
            occurrences.iter().filter(|it| inside(it.node)).map(|it| &it.symbol).collect();
        let is_called = way.iter().any(|it| {
            matches!(it, Node::Expr(Expr { kind: ExprKind::Call { callee, .. }, .. })
                if callee.id == expression.id)
        });
        if is_called {
            return;
        }
        let taken = &scope(db, package_of(db, workspace, file)).names;
        let name = free_name(reading.tree, taken.keys().cloned().collect());
        // A number with a unit says by itself only how many of it there are.
        let ty = match (&expression.kind, reading.sight.wanted.get(&expression.id).map(Ty::base)) {
            (ExprKind::Literal(_), Some(Ty::Duration)) => ": Duration",
            (ExprKind::Literal(_), Some(Ty::Quantity)) => ": Quantity",
            _ => "",
        };
        let declaration = format!("let {name}{ty} = {trimmed}");
        let statement = way.windows(2).rev().find_map(|pair| match pair {
            [Node::Block(_), Node::Statement(it)] => Some(cursor.span(it.id).start),
            _ => None,
        });
        let (from, text, title) = match statement {
            Some(from) => {
                // What the statement itself binds is not known before it.
                let is_bound_by_it = used.iter().any(|it| {
                    matches!(it, Symbol::Local(id, node) if *id == reading.id
                        && cursor.span(*node).start >= from
                        && !inside(*node))
                });
                if is_bound_by_it {
                    return;
                }
                let indent = indentation(self.text, from);
                (from, format!("{declaration}\n{indent}"), format!("Extract into `let {name}`"))
            }
            None => {
                let is_closed = used.iter().all(|it| match it {
                    Symbol::Local(id, node) => *id == reading.id && inside(*node),
                    _ => true,
                });
                let reads_own = reads_own(expression, &reading.inference.resolutions);
                let takes_values = !matches!(reading.id.kind(db), Kind::Use | Kind::Environment);
                if !is_closed || reads_own || !takes_values {
                    return;
                }
                let title = format!("Extract into `let {name}` of the package");
                (extent(db, reading.id).start, format!("{declaration}\n\n"), title)
            }
        };
        let edits =
            vec![(self.here(TextRange::new(from, from)), text), (self.here(part), name.clone())];
        self.add(title, ActionKind::Extract, edits);
    }

    /// Takes a branch where something that may be `none` is there.
    fn if_let(&mut self, at: TextRange) {
        let (db, workspace, file) = (self.db, self.workspace, self.file);
        let Some(cursor) = Cursor::at(db, workspace, file, at.start) else { return };
        let subject = self.slice(at).trim();
        if subject.is_empty() {
            return;
        }
        let mut taken: Vec<Name> = Vec::new();
        names_of(cursor.reading.tree, &mut taken);
        let last = subject.rsplit(['.', '[', '?']).next().unwrap_or_default();
        let name = numbered(if is_word(last) { last } else { "value" }, &taken);
        let mut statement: Option<(TextRange, bool)> = None;
        let mut entry: Option<(TextRange, NodeId)> = None;
        Node::Item(cursor.reading.tree).walk(&mut |node| {
            let span = cursor.span(node.id());
            if span.start > at.start || span.end < at.end {
                return;
            }
            match node {
                // A name or output must stand where it stands.
                Node::Statement(it) => {
                    let can_move = !matches!(
                        it.kind,
                        StatementKind::Let(_)
                            | StatementKind::Output { .. }
                            | StatementKind::Emit { bind: Some(_), .. }
                    );
                    statement = Some((span, can_move));
                }
                Node::Entry(Entry {
                    kind: EntryKind::Set { value, append: false, .. }, ..
                }) => {
                    entry = Some((cursor.span(value.id), value.id));
                }
                _ => {}
            }
        });
        let whole = self.text;
        let replaced = |range: TextRange| -> String {
            let text = whole.get(range.start as usize..range.end as usize).unwrap_or_default();
            let (before, after) =
                ((at.start - range.start) as usize, (at.end - range.start) as usize);
            match (text.get(..before), text.get(after..)) {
                (Some(before), Some(after)) => format!("{before}{name}{after}"),
                _ => text.to_owned(),
            }
        };
        if let Some((range, value)) =
            entry.filter(|(range, _)| range.start <= at.start && at.end <= range.end)
        {
            let wanted = cursor.reading.sight.wanted.get(&value);
            // Only where nothing may be there.
            if wanted.is_some_and(|it| it.is_optional() && !matches!(it, Ty::Unknown)) {
                let text = format!("if let {name} = {subject} => {} else none", replaced(range));
                let title = format!("Set it only if `{subject}` is there");
                self.add(title, ActionKind::Fix, vec![(self.here(range), text)]);
            }
        }
        if let Some((range, true)) = statement {
            let indent = indentation(self.text, range.start);
            let body = replaced(range).replace('\n', "\n    ");
            let text = format!("if let {name} = {subject} {{\n{indent}    {body}\n{indent}}}");
            let title = format!("Wrap in `if let {name} = {subject}`");
            self.add(title, ActionKind::Fix, vec![(self.here(range), text)]);
        }
    }
}

/// The least number of a condition `it in a..=b`.
fn least(db: &dyn Db, id: ItemId, node: NodeId) -> Option<i64> {
    let mut found = None;
    Node::Item(item(db, id).as_deref()?).walk(&mut |it| {
        if let Node::Type(Type { id, kind: TypeKind::Where { condition, .. } }) = it
            && *id == node
            && let ExprKind::Binary { op: BinaryOp::In, right, .. } = &condition.kind
            && let ExprKind::Binary { op: BinaryOp::Range, left, .. } = &right.kind
            && let ExprKind::Literal(Literal::Int(least)) = left.kind
        {
            found = Some(least);
        }
    });
    found
}

/// A record that lacks fields.
struct Lacking<'t> {
    /// Where they are to be written.
    record: &'t Record,
    /// What they are fields of.
    ty: Ty,
    /// What stands before their names there.
    prefix: String,
}

/// Whether a record sets a field, or a part of it.
fn sets(record: &Record, name: &str) -> bool {
    record.entries.iter().any(|it| match &it.kind {
        EntryKind::Set { path, .. } => path
            .segments
            .first()
            .is_some_and(|it| matches!(&it.kind, SegmentKind::Key(key) if key == name)),
        _ => false,
    })
}

/// The blanks that the line of a place begins with.
fn indentation(text: &str, offset: u32) -> &str {
    let before = text.get(..offset as usize).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |it| it + 1);
    let rest = &text[line..];
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}

/// The change that adds entries to the end of a record.
fn insertion(
    text: &str,
    record: &Record,
    spans: &[TextRange],
    entries: &[String],
) -> (TextRange, String) {
    let span = |node: NodeId| spans.get(node.0 as usize).copied().unwrap_or_default();
    let braces = span(record.id);
    let is_closed = text.as_bytes().get((braces.end as usize).saturating_sub(1)) == Some(&b'}');
    let inner_end = if is_closed { braces.end - 1 } else { braces.end };
    let inside = text.get(braces.start as usize + 1..inner_end as usize).unwrap_or_default();
    let has_lines = inside.contains('\n');
    match record.entries.last() {
        Some(last) => {
            let at = span(last.id);
            let first = record.entries.first().map_or(at, |it| span(it.id));
            let own_lines = text
                .get(braces.start as usize..first.start as usize)
                .is_some_and(|it| it.contains('\n'));
            let new = match own_lines {
                true => {
                    let indent = indentation(text, first.start);
                    entries.iter().map(|it| format!("\n{indent}{it}")).collect()
                }
                false => entries.iter().map(|it| format!(", {it}")).collect(),
            };
            (TextRange::new(at.end, at.end), new)
        }
        None => {
            let at = TextRange::new(braces.start + 1, inner_end.max(braces.start + 1));
            let outer = indentation(text, braces.start);
            let new = match has_lines {
                true => {
                    let lines: String =
                        entries.iter().map(|it| format!("\n{outer}    {it}")).collect();
                    format!("{lines}\n{outer}")
                }
                false => format!(" {} ", entries.join(", ")),
            };
            (at, new)
        }
    }
}

/// What is taken away with an entry: its lines where it has them to itself, else the comma beside it.
fn removal(text: &str, record: &Record, entry: &Entry, spans: &[TextRange]) -> TextRange {
    let span = |node: NodeId| spans.get(node.0 as usize).copied().unwrap_or_default();
    let at = span(entry.id);
    let (start, end) = (at.start as usize, at.end as usize);
    let line = text[..start].rfind('\n').map_or(0, |it| it + 1);
    let rest = text[end..].find('\n').map_or(text.len(), |it| end + it);
    let is_alone = text[line..start].trim().is_empty()
        && text[end..rest].trim_matches([' ', ',', '\t', '\r']).is_empty();
    if is_alone {
        return TextRange::new(line as u32, (rest + 1).min(text.len()) as u32);
    }
    let index = record.entries.iter().position(|it| it.id == entry.id).unwrap_or(0);
    let next = record.entries.get(index + 1).map(|it| span(it.id));
    let before = index.checked_sub(1).and_then(|it| record.entries.get(it)).map(|it| span(it.id));
    match (next, before) {
        (Some(next), _) => TextRange::new(at.start, next.start),
        (None, Some(before)) => TextRange::new(before.end, at.end),
        (None, None) => at,
    }
}

/// Visits the expressions below a node, each with the nodes around it.
fn find_expression<'t>(
    node: Node<'t>,
    way: &mut Vec<Node<'t>>,
    visit: &mut dyn FnMut(&'t Expr, &[Node<'t>]),
) {
    if let Node::Expr(it) = node {
        visit(it, way);
    }
    way.push(node);
    node.children(&mut |child| find_expression(child, way, visit));
    way.pop();
}

/// Whether an expression reads what is known only inside of its declaration.
fn reads_own(
    expression: &Expr,
    resolutions: &rustc_hash::FxHashMap<NodeId, plumb_compiler::infer::Resolution>,
) -> bool {
    use plumb_compiler::infer::Resolution as R;
    let mut found = false;
    Node::Expr(expression).walk(&mut |node| {
        found |= matches!(
            resolutions.get(&node.id()),
            Some(
                R::OwnField | R::Environment | R::Itself | R::It | R::UsedBy | R::Uses | R::Initial
            )
        );
    });
    found
}

/// A name that nothing in a declaration or its package has.
fn free_name(tree: &Item, mut taken: Vec<Name>) -> String {
    names_of(tree, &mut taken);
    numbered("value", &taken)
}

/// A name, with a number behind it where it is taken.
fn numbered(base: &str, taken: &[Name]) -> String {
    std::iter::once(base.to_owned())
        .chain((2..).map(|count| format!("{base}{count}")))
        .find(|it| !taken.iter().any(|known| known == it))
        .unwrap_or_default()
}

/// The words that mean something in a declaration by themselves.
fn names_of(tree: &Item, found: &mut Vec<Name>) {
    found.extend(super::rename::binders(tree).into_iter().map(|it| it.text.clone()));
    Node::Item(tree).walk(&mut |node| match node {
        Node::Path(it) => found.extend(it.segments.first().map(|it| it.text.clone())),
        Node::Expr(Expr { kind: ExprKind::Name(name), .. }) => found.push(name.clone()),
        _ => {}
    });
}

fn is_word(text: &str) -> bool {
    use plumb_compiler::syntax::{TokenKind, tokens};
    matches!(tokens(text).as_slice(), [one] if one.kind == TokenKind::Word)
}

/// A title as editors write them: it begins with a capital.
fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP, difference};

    /// The actions at the cursor, or for what stands between it and `$1`, whose title holds a text.
    fn shown(text: &str, title: &str) -> String {
        let (text, end) = match text.find("$1") {
            Some(at) => {
                let start = text.rfind("$0").expect("a selection has a start");
                (text.replacen("$1", "", 1), Some((at - start - 2) as u32))
            }
            None => (text.to_owned(), None),
        };
        let it = Fixture::new(&text);
        let path = it.file.path(&it.db).clone();
        let findings = plumb_compiler::check_only(&it.db, it.workspace, |it| it == path);
        let part = TextRange::new(it.offset, it.offset + end.unwrap_or(0));
        let found = actions(&it.db, it.workspace, it.file, part, &findings);
        let shown = found.into_iter().filter(|it| it.title.contains(title)).map(|action| {
            format!("# {} ({:?})\n{}", action.title, action.kind, difference(&it, action.edits))
        });
        shown.collect()
    }

    fn in_shop(text: &str, title: &str) -> String {
        shown(&format!("{SHOP}{text}"), title)
    }

    fn in_platform(text: &str, title: &str) -> String {
        shown(&format!("{SHOP}\n---- platform/more.plumb\n{text}"), title)
    }

    #[test]
    fn what_a_finding_offers_is_an_action() {
        insta::assert_snapshot!(in_shop("use platform\nrequest x: platform.Web { image = \"a\", owner = \"b\", replica$0 = 2 }\n", ""), @r#"
        # Change to `replicas` (Fix)
        apps/shop/x.plumb
        -request x: platform.Web { image = "a", owner = "b", replica = 2 }
        +request x: platform.Web { image = "a", owner = "b", replicas = 2 }
        # Create an overlay in dev (Rewrite)
        apps/shop/x.plumb
        +
        +overlay x in dev {}
        # Create an overlay in prod (Rewrite)
        apps/shop/x.plumb
        +
        +overlay x in prod {}
        "#);
    }

    #[test]
    fn unknown_names_are_brought_in() {
        insta::assert_snapshot!(in_shop("\nrequest x: plat$0form.Web {}\n", "Add"), @r#"
        # Add `use platform` (Fix)
        apps/shop/x.plumb
        +use platform
        +
        "#);
        insta::assert_snapshot!(in_shop("\nrequest x: We$0b {}\n", "Add"), @r#"
        # Add `use platform.{Web}` (Fix)
        apps/shop/x.plumb
        +use platform.{Web}
        +
        "#);
        insta::assert_snapshot!(in_shop("use platform\nrequest x: We$0b {}\n", "Change"), @r#"
        # Change to `platform.Web` (Fix)
        apps/shop/x.plumb
        -request x: Web {}
        +request x: platform.Web {}
        "#);
        insta::assert_snapshot!(in_shop("use platform.{Scale}\n\nrequest x: We$0b {}\n", "Add"), @r#"
        # Add `use platform.{Web}` (Fix)
        apps/shop/x.plumb
        -use platform.{Scale}
        +use platform.{Scale, Web}
        "#);
        insta::assert_snapshot!(in_platform("use k8s.apps.v1 as apps\n\nschema A {}\ncompose A as a {\n    emit Config$0Map { metadata.name = a.name }\n}\n", "Add"), @r#"
        # Add `use k8s.core.v1.{ConfigMap}` (Fix)
        platform/more.plumb
        +use k8s.core.v1.{ConfigMap}
        "#);
        insta::assert_snapshot!(in_platform("use k8s.core.v1 as c\n\nschema A {}\ncompose A as a {\n    emit Config$0Map { metadata.name = a.name }\n}\n", "Change"), @r#"
        # Change to `c.ConfigMap` (Fix)
        platform/more.plumb
        -    emit ConfigMap { metadata.name = a.name }
        +    emit c.ConfigMap { metadata.name = a.name }
        "#);
        insta::assert_snapshot!(in_platform("schema A {}\ncompose A as a {\n    emit ap$0ps.Deployment { metadata.name = a.name }\n}\n", "Add `use k8s"), @r#"
        # Add `use k8s.apps.v1 as apps` (Fix)
        platform/more.plumb
        +use k8s.apps.v1 as apps
        +
        "#);
    }

    #[test]
    fn missing_fields_are_added() {
        insta::assert_snapshot!(in_shop("use platform\n\nrequest x$0: platform.Web {}\n", "missing"), @r#"
        # Add the 2 missing fields (Fix)
        apps/shop/x.plumb
        -request x: platform.Web {}
        +request x: platform.Web { image = "", owner = "" }
        "#);
        insta::assert_snapshot!(in_shop("use platform\n\nrequest x$0: platform.Web {\n    owner = \"b\"\n}\n", "missing"), @r#"
        # Add the missing field `image` (Fix)
        apps/shop/x.plumb
        +    image = ""
        "#);
        insta::assert_snapshot!(in_shop("use platform\n\nrequest x: platform.Web {\n    image = \"a\"\n    owner = \"b\"\n    scale = {$0}\n}\n", "missing"), @r#"
        # Add the missing field `max` (Fix)
        apps/shop/x.plumb
        -    scale = {}
        +    scale = { max = 2 }
        "#);
        insta::assert_snapshot!(in_platform("use k8s.apps.v1 as apps\n\nschema A {}\ncompose A as a {\n    emit apps.Deployment {\n        $0metadata.name = a.name\n    }\n}\n", "missing"), @r#"
        # Add the missing field `spec` (Fix)
        platform/more.plumb
        +        spec = { selector = {}, template = { spec = { containers = [] } } }
        "#);
        insta::assert_snapshot!(in_platform("use k8s.apps.v1 as apps\n\nschema A {}\ncompose A as a {\n    emit apps.Deployment { metadata.name = a.name, sp$0ec.replicas = 1 }\n}\n", "missing"), @r#"
        # Add the 2 missing fields (Fix)
        platform/more.plumb
        -    emit apps.Deployment { metadata.name = a.name, spec.replicas = 1 }
        +    emit apps.Deployment { metadata.name = a.name, spec.replicas = 1, spec.selector = {}, spec.template = { spec = { containers = [] } } }
        "#);
    }

    #[test]
    fn overlays_are_created_where_there_are_none() {
        insta::assert_snapshot!(shown(&SHOP.replace("request cart", "request c$0art"), "overlay in"), @r#"
        # Create an overlay in dev (Rewrite)
        apps/shop/team.plumb
        +
        +overlay cart in dev {}
        "#);
    }

    #[test]
    fn values_move_between_layers() {
        insta::assert_snapshot!(shown(&SHOP.replace("replicas = 6", "repl$0icas = 6"), "Move"), @r#"
        # Move `replicas` to request cart (Rewrite)
        apps/shop/team.plumb
        +    replicas = 6
        -overlay cart in prod { replicas = 6, size = "large" }
        +overlay cart in prod { size = "large" }
        "#);
        insta::assert_snapshot!(shown(&SHOP.replace("owner = \"shop\"", "ow$0ner = \"shop\""), "Move"), @r#"
        # Move `owner` to overlay cart in prod (Rewrite)
        apps/shop/team.plumb
        -    owner = "shop"
        -overlay cart in prod { replicas = 6, size = "large" }
        +overlay cart in prod { replicas = 6, size = "large", owner = "shop" }
        "#);
        let both = SHOP
            .replace("owner = \"shop\"", "size = \"small\"")
            .replace("size = \"large\" }\n", "si$0ze = \"large\" }\n");
        insta::assert_snapshot!(shown(&both, "Move"), @r#"
        # Move `size` to request cart (Rewrite)
        apps/shop/team.plumb
        -    size = "small"
        +    size = "large"
        -overlay cart in prod { replicas = 6, size = "large" }
        +overlay cart in prod { replicas = 6 }
        "#);
    }

    #[test]
    fn expressions_get_names() {
        insta::assert_snapshot!(shown(&SHOP.replace("{ app = svc.name }\n            template.m", "$0{ app = svc.name }$1\n            template.m"), "Extract"), @r#"
        # Extract into `let value` (Extract)
        platform/web.plumb
        +    let value = { app = svc.name }
        -            selector.matchLabels = { app = svc.name }
        +            selector.matchLabels = value
        "#);
        insta::assert_snapshot!(in_platform("fn f(a: Int) -> Int = a + $0len([1, 2])$1\n", "Extract"), @r#"
        # Extract into `let value` of the package (Extract)
        platform/more.plumb
        -fn f(a: Int) -> Int = a + len([1, 2])
        +let value = len([1, 2])
        +
        +fn f(a: Int) -> Int = a + value
        "#);
        insta::assert_snapshot!(in_platform("fn f(a: Int) -> Int = $0a + 1$1\n", "Extract"), @"");
        insta::assert_snapshot!(in_platform("schema S { a: Duration = $05m$1 }\n", "Extract"), @r#"
        # Extract into `let value` of the package (Extract)
        platform/more.plumb
        -schema S { a: Duration = 5m }
        +let value: Duration = 5m
        +
        +schema S { a: Duration = value }
        "#);
        insta::assert_snapshot!(in_platform("schema S { a: Int = 1, b: Int = $0a + 1$1 }\n", "Extract"), @"");
        insta::assert_snapshot!(in_platform("use k8s.core.v1 as core\nschema A { xs: [String] = [] }\ncompose A as a {\n    for x in a.xs {\n        emit core.ConfigMap { metadata.name = $0\"${x}-y\"$1 }\n    }\n}\n", "Extract"), @r#"
        # Extract into `let value` (Extract)
        platform/more.plumb
        -        emit core.ConfigMap { metadata.name = "${x}-y" }
        +        let value = "${x}-y"
        +        emit core.ConfigMap { metadata.name = value }
        "#);
        insta::assert_snapshot!(in_platform("use k8s.core.v1 as core\nschema A { xs: [String] = [] }\ncompose A as a {\n    emit core.ConfigMap { metadata.name = a.name, data = {for x in a.xs => [x] = $0\"${x}-y\"$1} }\n}\n", "Extract"), @"");
    }

    #[test]
    fn what_may_be_none_is_asked_for() {
        let text = "use k8s.core.v1 as core\nschema A { note: String?, }\ncompose A as a {\n    emit core.ConfigMap {\n        metadata.name = a.name\n        data = { note = \"n: ${a.no$0te}\" }\n    }\n}\n";
        insta::assert_snapshot!(in_platform(text, ""), @r#"
        # Set it only if `a.note` is there (Fix)
        platform/more.plumb
        -        data = { note = "n: ${a.note}" }
        +        data = { note = if let note = a.note => "n: ${note}" else none }
        # Wrap in `if let note = a.note` (Fix)
        platform/more.plumb
        -    emit core.ConfigMap {
        -        metadata.name = a.name
        -        data = { note = "n: ${a.note}" }
        +    if let note = a.note {
        +        emit core.ConfigMap {
        +            metadata.name = a.name
        +            data = { note = "n: ${note}" }
        +        }
        "#);
    }

    #[test]
    fn half_typed_text_is_borne() {
        for text in [
            "request x: We",
            "let a = {",
            "compose A as a { emit Web { a = ",
            "overlay cart in prod { a",
            "use a.{",
            "let x = é",
        ] {
            for at in (0..=text.len()).filter(|it| text.is_char_boundary(*it)) {
                let (before, after) = text.split_at(at);
                in_shop(&format!("{before}$0{after}"), "");
                in_shop(&format!("$0{before}$1{after}"), "");
            }
        }
    }
}
