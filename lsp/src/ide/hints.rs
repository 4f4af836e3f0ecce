//! What an editor writes between the lines: values that differ between environments, and what stands above
//! declarations.

use super::values::short;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::engine::location;
use plumb_compiler::eval::{evaluate, inside};
use plumb_compiler::infer::request_schema;
use plumb_compiler::items::{extent, item, keyed_items, name_place, spans};
use plumb_compiler::layers::layer_record;
use plumb_compiler::names::{environment_order, is_foreign, packages, scope};
use plumb_compiler::outputs::runs_in;
use plumb_compiler::source::{ItemId, Kind, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::value::Data;

/// A text behind a place.
#[derive(Clone, PartialEq, Debug)]
pub struct Hint {
    /// Where, in bytes of the file.
    pub offset: u32,
    /// `dev 1 | staging 2 | prod 6`
    pub text: String,
    /// Where each environment's value is said, with the environment and what it says.
    pub parts: Vec<(String, Location)>,
}

/// Values longer than this are not shown between the lines, in characters.
const LONGEST: usize = 24;

/// What the fields of requests in a part of a file are where layers make them differ between environments.
pub fn hints(db: &dyn Db, workspace: Workspace, file: SourceFile, part: TextRange) -> Vec<Hint> {
    let touches = |id: &&ItemId| {
        let at = extent(db, **id);
        at.start <= part.end && at.end >= part.start
    };
    let requests = keyed_items(db, file).iter().filter(|it| it.kind(db) == Kind::Request);
    let mut found = Vec::new();
    for request in requests.filter(touches) {
        let Some(record) = item(db, *request).as_deref().and_then(layer_record) else { continue };
        let values: Vec<_> = environment_order(db, workspace)
            .iter()
            .filter(|it| runs_in(db, workspace, *request, **it))
            .map(|it| (it.name(db), evaluate(db, workspace, *request, *it).value.as_ref()))
            .collect();
        let spans = spans(db, *request);
        walk(record, &mut Vec::new(), &mut |entry, steps| {
            let held: Vec<_> = values
                .iter()
                .map(|(name, whole)| {
                    let whole = (*whole)?;
                    let value = steps.iter().try_fold(whole, |at, step| inside(at, step))?;
                    Some((*name, value))
                })
                .collect();
            // Where a layer takes it out there is nothing to show beside it but that.
            let said: Vec<String> = held
                .iter()
                .zip(&values)
                .filter(|(_, (_, whole))| whole.is_some())
                .map(|(it, _)| it.map_or_else(|| "—".to_owned(), |(_, value)| short(value)))
                .collect();
            let is_same = said.windows(2).all(|it| it[0] == it[1]);
            let is_long = said.iter().any(|it| it.chars().count() > LONGEST);
            let merges =
                held.iter().flatten().any(|(_, value)| matches!(value.data, Data::Record(_)));
            if is_same || is_long || merges {
                return;
            }
            let names = values.iter().filter(|(_, whole)| whole.is_some()).map(|(name, _)| *name);
            let shown: Vec<String> =
                names.zip(&said).map(|(name, value)| format!("{name} {value}")).collect();
            let parts = held.iter().flatten().map(|(name, value)| {
                (format!("{name} {}", short(value)), location(db, value.origin.into()))
            });
            let Some(at) = spans.get(entry.id.0 as usize) else { return };
            found.push(Hint { offset: at.end, text: shown.join(" | "), parts: parts.collect() });
        });
    }
    found.retain(|it| part.start <= it.offset && it.offset <= part.end);
    found
}

/// Visits the entries of a record and of those in it, with the steps to each.
fn walk<'t>(record: &'t Record, steps: &mut Vec<Name>, visit: &mut dyn FnMut(&'t Entry, &[Name])) {
    for entry in &record.entries {
        let EntryKind::Set { path, value, append: false, .. } = &entry.kind else { continue };
        let before = steps.len();
        let mut is_known = true;
        for segment in &path.segments {
            match &segment.kind {
                SegmentKind::Key(name) => steps.push(name.clone()),
                SegmentKind::Index(keys) => match keys.as_slice() {
                    [Expr { kind: ExprKind::Literal(Literal::String(text)), .. }] => {
                        steps.push(text.clone());
                    }
                    _ => is_known = false,
                },
            }
        }
        if is_known {
            match &value.kind {
                ExprKind::Record(inner) => walk(inner, steps, visit),
                _ => visit(entry, steps),
            }
        }
        steps.truncate(before);
    }
}

/// What stands above a declaration.
#[derive(Clone, PartialEq, Debug)]
pub struct Lens {
    /// The name of the declaration, in bytes of the file.
    pub range: TextRange,
    /// Its name, by which [`lens_of`] finds it again.
    pub name: Name,
    /// What it is.
    pub kind: LensKind,
}

/// What a lens speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LensKind {
    /// The manifests of a request.
    Manifests,
    /// The requests for a schema.
    Requests,
}

/// Where something can stand above declarations of a file: cheap, since an editor asks after each change.
pub fn lenses(db: &dyn Db, workspace: Workspace, file: SourceFile) -> Vec<Lens> {
    let composed = |id: ItemId| plumb_compiler::types::composition(db, workspace, id).is_some();
    let items = keyed_items(db, file).iter().filter_map(|id| {
        let kind = match id.kind(db) {
            Kind::Request => LensKind::Manifests,
            Kind::Schema if composed(*id) => LensKind::Requests,
            _ => return None,
        };
        let range = location(db, name_place(db, *id)).range;
        Some(Lens { range, name: id.name(db).clone(), kind })
    });
    items.collect()
}

/// The declaration that a lens stands above; `None` where it is gone.
pub fn lens_of(db: &dyn Db, file: SourceFile, name: &str, kind: LensKind) -> Option<ItemId> {
    let wanted = match kind {
        LensKind::Manifests => Kind::Request,
        LensKind::Requests => Kind::Schema,
    };
    keyed_items(db, file).iter().copied().find(|it| it.kind(db) == wanted && it.name(db) == name)
}

/// The requests of a package with the schema of each.
#[salsa::tracked]
fn requested(db: &dyn Db, package: Package) -> Vec<(ItemId, ItemId)> {
    let workspace = package.workspace(db);
    let requests = scope(db, package).requests.iter();
    requests.filter_map(|it| Some((*it, request_schema(db, workspace, *it)?))).collect()
}

/// Where the requests for a schema are declared, by package and name.
pub fn requests_for(db: &dyn Db, workspace: Workspace, schema: ItemId) -> Vec<Location> {
    let all = packages(db, workspace).keys();
    let own = all
        .map(|path| Package::new(db, workspace, path.clone()))
        .filter(|package| !is_foreign(db, *package));
    let requests = own.flat_map(|it| requested(db, it)).filter(|(_, of)| *of == schema);
    requests.map(|(request, _)| location(db, name_place(db, *request))).collect()
}

/// How many requests there are for a schema.
pub fn count_requests_for(db: &dyn Db, workspace: Workspace, schema: ItemId) -> usize {
    let all = packages(db, workspace).keys();
    let own = all
        .map(|path| Package::new(db, workspace, path.clone()))
        .filter(|package| !is_foreign(db, *package));
    own.map(|it| requested(db, it).iter().filter(|(_, of)| *of == schema).count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    fn shown(text: &str) -> Vec<String> {
        let it = Fixture::new(&format!("{SHOP}{text}$0"));
        let all = TextRange::new(0, text.len() as u32);
        let found = hints(&it.db, it.workspace, it.file, all);
        let line = |at: u32| text[..at as usize].rsplit('\n').next().unwrap_or_default().trim();
        found.iter().map(|it| format!("{} ~ {}", line(it.offset), it.text)).collect()
    }

    #[test]
    fn what_an_overlay_changes_is_shown_at_the_request() {
        let found = shown(
            "use platform\nrequest x: platform.Web {\n    image = \"x:1\"\n    owner = \"me\"\n    replicas = 1\n    env = { A = \"a\", B = \"b\" }\n}\noverlay x in prod {\n    replicas = 4\n    env.B = none\n}\n",
        );
        assert_eq!(
            found,
            ["replicas = 1 ~ dev 1 | prod 4", "env = { A = \"a\", B = \"b\" ~ dev \"b\" | prod —"]
        );
    }

    #[test]
    fn what_is_the_same_everywhere_is_not() {
        let found =
            shown("use platform\nrequest x: platform.Web { image = \"x:1\", owner = \"me\" }\n");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_schema_knows_its_requests() {
        let it = Fixture::new(&SHOP.replace("schema Web {", "schema W$0eb {"));
        let schema = lens_of(&it.db, it.file, "Web", LensKind::Requests).expect("a schema");
        assert_eq!(count_requests_for(&it.db, it.workspace, schema), 1);
        assert_eq!(requests_for(&it.db, it.workspace, schema)[0].path, "apps/shop/team.plumb");
        let found = lenses(&it.db, it.workspace, it.file);
        assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["Web"]);
    }
}
