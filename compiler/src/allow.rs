//! What a directory may ask for: the `[[allow]]` entries of `plumb.toml`.
//!
//! Patterns are of parts: the parts of a directory's path (`apps/**`) or of a schema's name
//! (`platform.*`). In a part `*` stands for any letters, the part `**` for any number of parts, also none. A
//! directory that several patterns match follows the nearest, the one that names the most parts; of
//! equals the later.

use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, code, list};
use crate::infer::request_schema;
use crate::items::{item, name_place};
use crate::names::{package_name, package_of};
use crate::source::{Allowed, ItemId, Workspace};
use crate::syntax::ast::{ItemKind, TextRange};

/// What holds for the packages of a file's directory; `None`: all is allowed.
pub fn allowed<'a>(db: &'a dyn Db, workspace: Workspace, path: &str) -> Option<&'a Allowed> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    workspace
        .allowed(db)
        .iter()
        .filter(|it| matches(&it.directory, directory, '/'))
        .max_by_key(|it| it.directory.split('/').filter(|part| *part != "**").count())
}

/// Whether a pattern takes a whole text, both of parts with `separator` between them.
pub fn matches(pattern: &str, text: &str, separator: char) -> bool {
    let parts = |text: &str| -> Vec<String> {
        text.split(separator).filter(|it| !it.is_empty()).map(String::from).collect()
    };
    let (pattern, text) = (parts(pattern), parts(text));
    // What each part of the pattern may have taken: a row of the usual table.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for part in &pattern {
        let mut next = vec![false; text.len() + 1];
        if part == "**" {
            let mut any = false;
            for (at, reached) in reached.iter().enumerate() {
                any |= reached;
                next[at] = any;
            }
        } else {
            for at in 0..text.len() {
                next[at + 1] = reached[at] && takes(part, &text[at]);
            }
        }
        reached = next;
    }
    reached[text.len()]
}

/// Whether one part with `*` in it takes a whole text.
fn takes(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Where an entry stands in `plumb.toml`.
fn place(db: &dyn Db, workspace: Workspace, range: TextRange) -> Option<Place> {
    Some(Place::Range(*workspace.files(db).get(crate::MANIFEST)?, range))
}

/// The mistake of a request for a schema that its directory may not ask for.
pub fn schema_diagnostic(db: &dyn Db, workspace: Workspace, request: ItemId) -> Option<Diagnostic> {
    let allowed = allowed(db, workspace, request.file(db).path(db))?;
    let patterns = allowed.request.as_ref()?;
    let schema = request_schema(db, workspace, request)?;
    let package = package_name(db, package_of(db, workspace, schema.file(db)));
    let name = match package.as_str() {
        "" => schema.name(db).to_string(),
        package => format!("{package}.{}", schema.name(db)),
    };
    if patterns.iter().any(|pattern| matches(pattern, &name, '.')) {
        return None;
    }
    let at = match item(db, request).as_deref().map(|tree| &tree.kind) {
        Some(ItemKind::Request { schema, .. }) => Place::Node(request, schema.id),
        _ => name_place(db, request),
    };
    let mut error = Diagnostic::error(
        code::NOT_ALLOWED,
        at,
        format!("{} may not request `{name}`", described(request.file(db).path(db))),
    )
    .help(match patterns.as_slice() {
        [] => "it may request nothing".to_string(),
        patterns => format!("it may request {}", quoted(patterns)),
    });
    if let Some(place) = place(db, workspace, allowed.range) {
        error = error.related(place, "this decides");
    }
    Some(error)
}

/// What is wrong with using a namespace in a request's directory: the message, and the entry that
/// decides.
pub fn namespace_problem(
    db: &dyn Db,
    workspace: Workspace,
    request: ItemId,
    namespace: &str,
) -> Option<(String, Option<(Place, String)>)> {
    let path = request.file(db).path(db);
    let allowed = allowed(db, workspace, path)?;
    let patterns = allowed.namespaces.as_ref()?;
    if patterns.iter().any(|pattern| takes(pattern, namespace)) {
        return None;
    }
    let may = match patterns.as_slice() {
        [] => "none".to_string(),
        patterns => quoted(patterns),
    };
    let message =
        format!("{} may not use namespace {namespace:?}; it may use {may}", described(path));
    Some((message, place(db, workspace, allowed.range).map(|at| (at, "this decides".to_string()))))
}

fn described(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, _)) => format!("directory {directory}"),
        None => "the root directory".into(),
    }
}

fn quoted(patterns: &[crate::syntax::ast::Name]) -> String {
    let quoted: Vec<&str> = patterns.iter().map(|it| it.as_str()).collect();
    list(&quoted, "and")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_part_and_two_stars_take_any_number() {
        for (pattern, text, expected) in [
            ("apps/**", "apps", true),
            ("apps/**", "apps/shop", true),
            ("apps/**", "apps/shop/deep", true),
            ("apps/**", "app", false),
            ("apps/*", "apps/shop", true),
            ("apps/*", "apps", false),
            ("apps/*", "apps/shop/deep", false),
            ("**", "", true),
            ("**", "a/b", true),
            ("**/shop", "shop", true),
            ("**/shop", "a/b/shop", true),
            ("**/shop", "a/shop/b", false),
            ("a/**/b/**/c", "a/b/c", true),
            ("a/**/b/**/c", "a/x/b/y/z/c", true),
            ("a/**/b/**/c", "a/c/b", false),
            ("team-*", "team-a", true),
            ("*-a-*", "x-a-y", true),
            ("a*b*c", "abbc", true),
            ("a*a", "a", false),
            ("", "", true),
            ("", "a", false),
            ("apps/", "apps", true),
        ] {
            assert_eq!(matches(pattern, text, '/'), expected, "{pattern} and {text}");
        }
        assert!(matches("platform.*", "platform.Web", '.'));
        assert!(!matches("platform.*", "platform.web.Service", '.'));
        assert!(matches("platform.**", "platform.web.Service", '.'));
    }

    #[test]
    fn many_stars_take_no_more_than_the_product_of_both() {
        let pattern = "**/a*a*a*a*b/".repeat(200);
        let text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/".repeat(2_000);
        assert!(!matches(&pattern, &text, '/'));
    }
}
