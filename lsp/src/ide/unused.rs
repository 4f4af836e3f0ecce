//! What is written and read by nobody: shown paler, told to nobody else.

use super::meaning::{Reading, Symbol};
use plumb_compiler::Db;
use plumb_compiler::items::{item, keyed_items, spans};
use plumb_compiler::names::{Target, uses};
use plumb_compiler::source::{ItemId, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use rustc_hash::FxHashSet;

/// A word that nothing reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unused {
    /// Where, in bytes of the file.
    pub range: TextRange,
    /// "nothing here reads `apps`"
    pub message: String,
}

/// The names that `use` lines bring into a file, and those that blocks bind, which nothing reads. None where a
/// declaration of the file has a mistake: what it reads is not known then.
pub fn unused(db: &dyn Db, workspace: Workspace, file: SourceFile) -> Vec<Unused> {
    let mut found = Vec::new();
    let mut brought: FxHashSet<Name> = FxHashSet::default();
    for id in keyed_items(db, file).iter().filter(|it| it.kind(db) != Kind::Use) {
        let Some(reading) = Reading::new(db, workspace, *id) else { continue };
        if reading.inference.has_errors() {
            return Vec::new();
        }
        locals(&reading, &mut found);
        first_words(&reading, &mut brought);
    }
    for id in keyed_items(db, file).iter().filter(|it| it.kind(db) == Kind::Use) {
        let spans = spans(db, *id);
        for name in bound(db, *id) {
            let is_known = uses(db, workspace, file)
                .names
                .get(&name.text)
                .is_some_and(|(target, _)| *target != Target::Unknown);
            if is_known
                && !brought.contains(&name.text)
                && let Some(range) = spans.get(name.id.0 as usize)
            {
                let message = format!("nothing in this file reads `{}`", name.text);
                found.push(Unused { range: *range, message });
            }
        }
    }
    found.sort_by_key(|it| it.range.start);
    found
}

/// The names that a `use` binds.
fn bound(db: &dyn Db, id: ItemId) -> Vec<Ident> {
    let Some(tree) = item(db, id).as_deref() else { return Vec::new() };
    let ItemKind::Use { path, names, alias } = &tree.kind else { return Vec::new() };
    let bound: Vec<&Ident> = match names {
        Some(names) => names.iter().map(|it| it.alias.as_ref().unwrap_or(&it.name)).collect(),
        None => alias.iter().chain(path.segments.last().filter(|_| alias.is_none())).collect(),
    };
    bound.into_iter().filter(|it| !it.is_hole()).cloned().collect()
}

/// The words that begin paths and names of a declaration: what a `use` could have brought.
fn first_words(reading: &Reading<'_>, found: &mut FxHashSet<Name>) {
    super::tree::Node::Item(reading.tree).walk(&mut |node| match node {
        super::tree::Node::Path(path) => {
            found.extend(path.segments.first().map(|it| it.text.clone()));
        }
        super::tree::Node::Expr(Expr { kind: ExprKind::Name(name), .. }) => {
            found.insert(name.clone());
        }
        super::tree::Node::Type(Type { kind: TypeKind::Map { key, .. }, .. }) => {
            found.extend(key.segments.first().map(|it| it.text.clone()));
        }
        _ => {}
    });
}

/// The names of a declaration's blocks that nothing reads; those that begin with `_` say that they know.
fn locals(reading: &Reading<'_>, found: &mut Vec<Unused>) {
    let all = reading.occurrences();
    let read: FxHashSet<NodeId> = all
        .iter()
        .filter(|it| !it.declares)
        .filter_map(|it| match it.symbol {
            Symbol::Local(id, node) if id == reading.id => Some(node),
            _ => None,
        })
        .collect();
    // The parameters of a function and the request of a composition belong to their heads.
    let in_head = |node: NodeId| match &reading.tree.kind {
        ItemKind::Compose { binder, .. } => binder.id == node,
        ItemKind::Fn { params, .. } => params.iter().any(|it| it.name.id == node),
        _ => false,
    };
    let spans = spans(reading.db, reading.id);
    for it in all.iter().filter(|it| it.declares) {
        let Symbol::Local(_, node) = it.symbol else { continue };
        let name = it.symbol.name(reading.db, reading.workspace);
        if read.contains(&node) || in_head(node) || name.is_empty() || name.starts_with('_') {
            continue;
        }
        if let Some(range) = spans.get(node.0 as usize) {
            let message = format!("nothing reads `{name}`");
            found.push(Unused { range: *range, message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    fn shown(text: &str) -> Vec<String> {
        let it = Fixture::new(text);
        unused(&it.db, it.workspace, it.file).into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn what_nothing_reads_is_found() {
        let text = SHOP.replacen("emit apps.Deployment {", "$0let a = 1\n    let b = a\n    let _c = 1\n    for key, value in svc.env { let d = key }\n    emit apps.Deployment {", 1);
        assert_eq!(
            shown(&text),
            ["nothing reads `b`", "nothing reads `value`", "nothing reads `d`"]
        );
        let text = format!(
            "{SHOP}use platform\nuse k8s.core.v1 as core\nuse k8s.apps.v1.{{Deployment as D, StatefulSet}}\nlet a: D? = none$0\n"
        );
        assert_eq!(
            shown(&text),
            [
                "nothing in this file reads `platform`",
                "nothing in this file reads `core`",
                "nothing in this file reads `StatefulSet`"
            ]
        );
    }

    #[test]
    fn where_something_is_wrong_nobody_knows() {
        assert!(shown(&format!("{SHOP}use platform\nlet a: Int = \"\"$0\n")).is_empty());
    }

    #[test]
    fn the_example_reads_all_that_it_writes() {
        assert!(shown(&SHOP.replacen("compose Web", "compose $0Web", 1)).is_empty());
    }
}
