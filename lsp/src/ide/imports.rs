//! Bringing names into a file.

use plumb_compiler::Db;
use plumb_compiler::items::{extent, keyed_items};
use plumb_compiler::names::{Target, uses};
use plumb_compiler::source::{Kind, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Name, TextRange};

/// The change that adds a `use` line, such as `use platform`: after the last one, else at the top.
pub fn add_use(db: &dyn Db, file: SourceFile, line: &str) -> (TextRange, String) {
    let items = keyed_items(db, file);
    let last = items.iter().filter(|id| id.kind(db) == Kind::Use).map(|id| extent(db, *id)).last();
    match (last, items.first()) {
        (Some(last), _) => (TextRange::new(last.end, last.end), format!("\n{line}")),
        (None, Some(first)) => {
            let start = extent(db, *first).start;
            (TextRange::new(start, start), format!("{line}\n\n"))
        }
        (None, None) => (TextRange::new(0, 0), format!("{line}\n\n")),
    }
}

/// What a file calls a package: `web` after `use platform.web`; `None` where it does not use it.
pub fn package_alias(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    package: Package,
) -> Option<Name> {
    uses(db, workspace, file).names.iter().find_map(|(name, (target, _))| match target {
        Target::Package(found) if *found == package => Some(name.clone()),
        _ => None,
    })
}

/// What a file calls a version of a group of Kubernetes kinds: `apps` after `use k8s.apps.v1 as apps`.
pub fn group_alias(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    group: &str,
    version: &str,
) -> Option<Name> {
    uses(db, workspace, file).names.iter().find_map(|(name, (target, _))| match target {
        Target::GroupVersion(its, of) if its == group && of == version => Some(name.clone()),
        _ => None,
    })
}
