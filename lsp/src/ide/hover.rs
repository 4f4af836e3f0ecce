//! What is to be said of the word under the cursor.

use super::cursor::Cursor;
use super::meaning::Symbol;
use super::tree::Node;
use super::values::{self, Held};
use plumb_compiler::Db;
use plumb_compiler::engine::address;
use plumb_compiler::eval::describe_condition;
use plumb_compiler::items::{item, spans};
use plumb_compiler::names::{describe, package_name, package_of};
use plumb_compiler::source::{Content, ItemId, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::types::{Check, Refined, Ty, display};
use plumb_compiler::versions::kubernetes;
use std::fmt::Write as _;

/// What an editor shows beside a word.
#[derive(Clone, PartialEq, Debug)]
pub struct Hover {
    /// The word, in bytes of the file.
    pub range: TextRange,
    /// Markdown.
    pub text: String,
}

/// Lines of a declaration that are shown; what follows is left out.
const MAX_LINES: usize = 12;

/// Says what the word at a place is: its declaration, what is written of it, what it may be, and what it
/// is in each environment with the layer that says so. `chosen` is the environment the user looks at: it is
/// marked.
pub fn hover(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
    chosen: Option<&str>,
) -> Option<Hover> {
    let cursor = Cursor::at(db, workspace, file, offset)?;
    let Some(found) = cursor.occurrence() else {
        return of_key(&cursor, chosen).or_else(|| of_literal(&cursor, chosen));
    };
    let symbol = &found.symbol;
    let mut text = String::new();
    code(&mut text, &head(&cursor, symbol, found.node));
    if let Some(words) = symbol.documentation(db, workspace) {
        // What the signature of a built-in function says was said above.
        let words = match symbol {
            Symbol::Builtin(_) => words.rsplit("```\n").next().unwrap_or_default().to_owned(),
            _ => words,
        };
        paragraph(&mut text, words.trim());
    }
    if let Some(words) = limits(&cursor, symbol, found.node) {
        paragraph(&mut text, &words);
    }
    table(&mut text, &held(&cursor, symbol), chosen);
    Some(Hover { range: cursor.span(found.node), text })
}

/// Of an entry of a map, whose key nothing declares.
fn of_key(cursor: &Cursor<'_>, chosen: Option<&str>) -> Option<Hover> {
    let reading = &cursor.reading;
    let Some(Node::Segment(segment)) = cursor.way.last() else { return None };
    let SegmentKind::Key(name) = &segment.kind else { return None };
    let Ty::Map(_, value) = reading.sight.containers.get(&segment.id)?.base() else { return None };
    let mut text = String::new();
    code(&mut text, &format!("{name}: {}", display(reading.db, reading.workspace, value)));
    table(&mut text, &values::in_layer(reading, &cursor.way), chosen);
    Some(Hover { range: cursor.span(segment.id), text })
}

/// Of a value that is written out, its type and what becomes of it.
fn of_literal(cursor: &Cursor<'_>, chosen: Option<&str>) -> Option<Hover> {
    let reading = &cursor.reading;
    let value = cursor.way.iter().rev().find_map(|node| match node {
        Node::Expr(it) if matches!(it.kind, ExprKind::Literal(_) | ExprKind::Interpolated(_)) => {
            Some(it)
        }
        _ => None,
    })?;
    let ty = reading
        .sight
        .wanted
        .get(&value.id)
        .filter(|it| !matches!(it, Ty::Unknown))
        .or_else(|| reading.sight.types.get(&value.id))?;
    let mut text = String::new();
    code(&mut text, &display(reading.db, reading.workspace, ty));
    if let Some(words) = of_type(reading.db, reading.workspace, ty) {
        paragraph(&mut text, &words);
    }
    table(&mut text, &values::in_layer(reading, &cursor.way), chosen);
    Some(Hover { range: cursor.span(value.id), text })
}

fn code(out: &mut String, what: &str) {
    let _ = write!(out, "```plumb\n{what}\n```");
}

fn paragraph(out: &mut String, words: &str) {
    if !words.is_empty() {
        let _ = write!(out, "\n\n{words}");
    }
}

/// The first line: the declaration as it is written, or what says the same.
fn head(cursor: &Cursor<'_>, symbol: &Symbol, node: NodeId) -> String {
    let (db, workspace) = (cursor.reading.db, cursor.reading.workspace);
    let facts = kubernetes(db, workspace);
    let ty = |ty: &plumb_kubernetes::Type| {
        display(db, workspace, &plumb_compiler::types::kubernetes_type(facts, ty))
    };
    match symbol {
        Symbol::Item(id) => declaration(db, workspace, *id),
        Symbol::Field(id, name) => {
            member_text(db, *id, *name).unwrap_or_else(|| symbol.name(db, workspace).to_string())
        }
        Symbol::Output(id, name) => {
            let text = statement_text(db, *id, *name);
            text.unwrap_or_else(|| symbol.name(db, workspace).to_string())
        }
        Symbol::Local(id, name) => {
            let known = if *id == cursor.reading.id {
                cursor.reading.sight.types.get(name).cloned()
            } else {
                None
            };
            let shown = known.map(|it| format!(": {}", display(db, workspace, &it)));
            format!("{}{}", symbol.name(db, workspace), shown.unwrap_or_default())
        }
        Symbol::Package(package) => format!("package {}", package_name(db, *package)),
        Symbol::Kind(kind) => {
            let kind = facts.kind_facts(*kind);
            format!("{} ({})", kind.kind, kind.api_version())
        }
        Symbol::Object(object) => facts.object(*object).full_name.to_owned(),
        Symbol::ObjectField(object, name) => {
            let object = facts.object(*object);
            match object.field(name) {
                Some(field) => {
                    let optional = if field.required { "" } else { "?" };
                    format!("{}.{name}: {}{optional}", object.name, ty(&field.ty))
                }
                None => name.to_string(),
            }
        }
        Symbol::Group(name) => format!("k8s.{name}").replace("k8s.k8s", "k8s"),
        Symbol::Builtin(it) => {
            let words = it.documentation();
            let signature = words.strip_prefix("```plumb\n").and_then(|it| it.split_once("\n```"));
            signature.map_or_else(|| it.name().to_owned(), |(it, _)| it.to_owned())
        }
        Symbol::BuiltInType(name) => name.to_string(),
        Symbol::BuiltInField(name) | Symbol::Word(name) => {
            let known = cursor.way.iter().rev().find_map(|it| match it {
                Node::Expr(it) if it.id == node || matches!(it.kind, ExprKind::Field { .. }) => {
                    cursor.reading.sight.types.get(&it.id)
                }
                _ => None,
            });
            match known {
                Some(ty) => format!("{name}: {}", display(db, workspace, ty)),
                None => name.to_string(),
            }
        }
    }
}

/// The head of a declaration as it is written; of short ones, all of it.
fn declaration(db: &dyn Db, workspace: Workspace, id: ItemId) -> String {
    let text = source(db, id, NodeId(0)).unwrap_or_default();
    let text = without_documentation(&text);
    let shown = match id.kind(db) {
        Kind::Schema | Kind::Let | Kind::Type | Kind::Fn | Kind::Environment => lines(&text),
        _ => text.split(" {").next().unwrap_or_default().to_owned(),
    };
    let package = package_of(db, workspace, id.file(db));
    let of = package_name(db, package);
    match id.kind(db) {
        Kind::Request => format!("{shown}  // {}", address(db, workspace, id)),
        _ if id.file(db) == db.prelude() => format!("{shown}  // in every file"),
        _ if of.is_empty() => shown,
        _ => format!("// {of}\n{shown}"),
    }
}

fn lines(text: &str) -> String {
    let mut kept: Vec<&str> = text.lines().take(MAX_LINES).collect();
    if text.lines().count() > MAX_LINES {
        kept.push("    …");
    }
    kept.join("\n")
}

/// Without the lines that document it: they are shown as prose.
fn without_documentation(text: &str) -> String {
    let kept = text.lines().filter(|it| !it.trim_start().starts_with("///"));
    kept.collect::<Vec<_>>().join("\n")
}

/// The text of a node.
fn source(db: &dyn Db, id: ItemId, node: NodeId) -> Option<String> {
    let Content::Text(text) = id.file(db).content(db) else { return None };
    let at = spans(db, id).get(node.0 as usize)?;
    text.get(at.start as usize..at.end as usize).map(str::to_owned)
}

fn member_text(db: &dyn Db, id: ItemId, name: NodeId) -> Option<String> {
    let tree = item(db, id).as_deref()?;
    let ItemKind::Schema { members, .. } = &tree.kind else { return None };
    let member = members
        .iter()
        .find(|it| matches!(&it.kind, MemberKind::Field { name: it, .. } if it.id == name))?;
    let text = without_documentation(&source(db, id, member.id)?);
    Some(format!("// schema {}\n{}", id.name(db), lines(text.trim())))
}

fn statement_text(db: &dyn Db, id: ItemId, name: NodeId) -> Option<String> {
    let tree = item(db, id).as_deref()?;
    let mut found = None;
    Node::Item(tree).walk(&mut |node| {
        if let Node::Statement(it) = node
            && let StatementKind::Output { name: it, .. } = &it.kind
            && it.id == name
        {
            found = Some(node.id());
        }
    });
    let text = without_documentation(&source(db, id, found?)?);
    Some(format!("// {}\n{}", describe(db, id), lines(text.trim())))
}

/// What a field may be, in words.
fn limits(cursor: &Cursor<'_>, symbol: &Symbol, node: NodeId) -> Option<String> {
    let (db, workspace) = (cursor.reading.db, cursor.reading.workspace);
    match symbol {
        Symbol::Field(id, name) => {
            let shape = plumb_compiler::types::schema(db, workspace, *id);
            let field = shape.fields.iter().find(|it| it.node == *name && it.owner == *id)?;
            of_type(db, workspace, &field.ty)
        }
        Symbol::Local(id, at) if *id == cursor.reading.id => {
            of_type(db, workspace, cursor.reading.sight.types.get(at)?)
        }
        Symbol::Item(id) if id.kind(db) == Kind::Type => {
            of_type(db, workspace, &plumb_compiler::types::alias(db, workspace, *id).0)
        }
        Symbol::Kind(kind) => kubernetes(db, workspace)
            .kind_facts(*kind)
            .deprecated
            .map(|it| format!("**Deprecated.** {it}")),
        Symbol::ObjectField(object, name) => {
            let facts = kubernetes(db, workspace);
            let field = facts.object(*object).field(name)?;
            let mut words = Vec::new();
            if field.required {
                words.push("Required.".to_owned());
            }
            if let Some(default) = field.default {
                words.push(format!("Default `{default}`."));
            }
            (!words.is_empty()).then(|| words.join(" "))
        }
        _ => {
            let _ = node;
            None
        }
    }
}

/// The conditions of a type in words.
fn of_type(db: &dyn Db, workspace: Workspace, ty: &Ty) -> Option<String> {
    match ty {
        Ty::Optional(inner) => of_type(db, workspace, inner),
        Ty::Refined(refined) => {
            let own = condition(db, refined);
            let below = of_type(db, workspace, &refined.base);
            match (own, below) {
                (Some(own), Some(below)) => Some(format!("{own} {below}")),
                (own, below) => own.or(below),
            }
        }
        Ty::Union(arms) if arms.iter().all(|it| matches!(it, Ty::Literal(_))) => {
            let shown: Vec<String> =
                arms.iter().map(|it| format!("`{}`", display(db, workspace, it))).collect();
            Some(format!("One of {}.", shown.join(", ")))
        }
        _ => None,
    }
}

fn condition(db: &dyn Db, refined: &Refined) -> Option<String> {
    match &refined.check {
        Check::Condition(owner, node) => {
            let tree = item(db, *owner).as_deref()?;
            let mut found = None;
            Node::Item(tree).walk(&mut |it| {
                if let Node::Type(it) = it
                    && it.id == *node
                    && let TypeKind::Where { condition, otherwise, .. } = &it.kind
                {
                    found = Some((condition.as_ref(), otherwise.as_deref()));
                }
            });
            let (expr, otherwise) = found?;
            // What its author says of it is better than what can be said of any.
            if let Some(ExprKind::Literal(Literal::String(why))) = otherwise.map(|it| &it.kind) {
                return Some(sentence(why));
            }
            Some(match describe_condition(expr) {
                Some(words) => format!("Must be {words}."),
                None => format!("Must hold: `{}`.", source(db, *owner, expr.id)?),
            })
        }
        Check::Range(Some(low), Some(high)) => Some(format!("From {low} to {high}.")),
        Check::Range(Some(low), None) => Some(format!("At least {low}.")),
        Check::Range(None, Some(high)) => Some(format!("At most {high}.")),
        Check::Range(None, None) => None,
        Check::Image => Some("A reference to a container image.".to_owned()),
        Check::Cron => Some("A schedule as cron writes it.".to_owned()),
        Check::Base64 => Some("Base64.".to_owned()),
        Check::DateTime => Some("A time as RFC 3339 writes it.".to_owned()),
    }
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// What the word is in each environment.
fn held(cursor: &Cursor<'_>, symbol: &Symbol) -> Vec<Held> {
    let reading = &cursor.reading;
    let (db, workspace) = (reading.db, reading.workspace);
    let is_step = cursor.way.iter().any(|it| matches!(it, Node::FieldPath(_)));
    if is_step {
        return values::in_layer(reading, &cursor.way);
    }
    // What is read of the environment or of another request.
    let read = cursor.way.iter().rev().find_map(|it| match it {
        Node::Expr(Expr { kind: ExprKind::Field { base, name, .. }, .. }) => Some((base, name)),
        _ => None,
    });
    let Some((base, name)) = read.filter(|_| !matches!(symbol, Symbol::Item(_))) else {
        return Vec::new();
    };
    match reading.sight.types.get(&base.id) {
        Some(Ty::Environment(_)) if name.text == "name" => Vec::new(),
        Some(Ty::Environment(_)) => {
            values::of_environments(db, workspace, std::slice::from_ref(&name.text))
        }
        Some(Ty::Outputs(Some(id))) => values::of_output(db, workspace, *id, &name.text),
        _ => Vec::new(),
    }
}

fn table(out: &mut String, held: &[Held], chosen: Option<&str>) {
    if held.is_empty() {
        return;
    }
    let is_several = held.iter().any(|it| it.of != held[0].of && it.of != it.environment);
    out.push_str("\n\n| | | |\n|---|---|---|\n");
    for it in held {
        let name = match chosen == Some(&*it.environment) {
            true => format!("**{}**", it.environment),
            false => it.environment.to_string(),
        };
        let of = if is_several { format!("{} ", it.of) } else { String::new() };
        let value = match &it.value {
            Some(value) => format!("`{}`", value.replace('|', "\\|")),
            None => "—".to_owned(),
        };
        let _ = writeln!(out, "| {of}{name} | {value} | {} |", it.layer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    /// The text at a place of the shop's file, or of the platform's where `$0` is put into it.
    fn shown(text: &str) -> String {
        let it = Fixture::new(&format!("{SHOP}{text}"));
        hover(&it.db, it.workspace, it.file, it.offset, Some("prod"))
            .map_or("none".into(), |it| it.text)
    }

    fn on_platform(from: &str, to: &str) -> String {
        let it = Fixture::new(&SHOP.replacen(from, to, 1));
        hover(&it.db, it.workspace, it.file, it.offset, None).map_or("none".into(), |it| it.text)
    }

    const WEB: &str = "use platform\nrequest x: platform.Web {\n    image = \"x:1\"\n    owner = \"me\"\n    FIELD\n}\noverlay x in prod { replicas = 4, env.LOG = \"warn\" }\n";

    #[test]
    fn a_field_is_shown_with_its_value_in_each_environment() {
        insta::assert_snapshot!(shown(&WEB.replace("FIELD", "repl$0icas = 3")), @r"
        ```plumb
        // schema Web
        replicas: Int where it in 1..=50 = 1
        ```

        Pods that serve traffic.

        Must be from 1 to 50.

        | | | |
        |---|---|---|
        | dev | `3` | request x |
        | **prod** | `4` | overlay x in prod |
        ");
    }

    #[test]
    fn so_is_an_entry_of_a_map() {
        insta::assert_snapshot!(shown(&WEB.replace("FIELD", "env = { LO$0G = \"info\" }")), @r#"
        ```plumb
        LOG: String
        ```

        | | | |
        |---|---|---|
        | dev | `"info"` | request x |
        | **prod** | `"warn"` | overlay x in prod |
        "#);
    }

    #[test]
    fn a_field_that_is_not_set_and_a_request_with_a_mistake_say_so() {
        let found = shown(&WEB.replace("FIELD", "scale$0.max = none"));
        assert!(found.contains("| dev | — | has an error |"), "{found}");
        let found = shown(&WEB.replace("FIELD", "scal$0e = none"));
        assert!(found.contains("| dev | — | not set |"), "{found}");
    }

    #[test]
    fn what_is_read_of_others_is_shown_with_its_value() {
        let found = shown(&WEB.replace("FIELD", "env.A = cart.ur$0l"));
        assert!(found.contains("// compose Web\noutput url: String"), "{found}");
        assert!(found.contains("| dev | `\"http://cart\"` | compose Web |"), "{found}");
        let found = shown(&WEB.replace("FIELD", "env.A = environment.dom$0ain"));
        assert!(found.contains("Public names end in this."), "{found}");
        assert!(found.contains("| **prod** | `\"shop.test\"` | environment prod |"), "{found}");
    }

    #[test]
    fn a_field_of_kubernetes_has_its_own_documentation() {
        let found = on_platform("selector.matchLabels", "selector.match$0Labels");
        assert!(found.contains("LabelSelector.matchLabels: {String: String}?"), "{found}");
        assert!(found.contains("matchLabels is a map of {key,value} pairs."), "{found}");
        let found = on_platform("emit apps.Deployment", "emit apps.Deploy$0ment");
        assert!(found.contains("Deployment (apps/v1)"), "{found}");
    }

    #[test]
    fn declarations_types_and_functions_are_shown_as_they_are_written() {
        let found = shown("use platform\nrequest x: platform.W$0eb { }\n");
        assert!(found.contains("// platform\nschema Web {"), "{found}");
        assert!(found.contains("A service that answers."), "{found}");
        let found = on_platform("image = svc.image", "image = low$0er(svc.image)");
        assert!(found.contains("lower(text: String) -> String"), "{found}");
        let found = on_platform("compose Web as svc {", "compose Web as s$0vc {");
        assert!(found.contains("svc: Web"), "{found}");
    }

    #[test]
    fn half_a_line_and_what_means_nothing_have_no_hover() {
        assert_eq!(shown("use platform\nrequest x: platform.Web { replicas = $0"), "none");
        assert_eq!(shown("$0\n\n"), "none");
    }
}
