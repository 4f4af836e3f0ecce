//! The questions that hosts ask, answered for a whole workspace.

use crate::answers::{Build, Finding, Fix, Location};
use crate::batch::{Batch, Extent, Form, Maker, Piece, Turn};
use crate::db::{Db, PRELUDE_PATH};
use crate::diagnostics::{Diagnostic, Place, Severity, code};
use crate::eval::{default_diagnostics, environment_diagnostics};
use crate::infer::{infer, request_schema};
use crate::items::{
    Soundness, items, locate, name_place, parse_ahead, soundness, syntax_diagnostics,
};
use crate::layers::{Layer, LayerKind};
use crate::names::{
    environment_order, environments as all_environments, is_foreign, is_whole, package_files,
    package_of, packages, scope, used_packages, uses,
};
use crate::objects::{nesting_circle, nesting_diagnostic};
use crate::references::{closure, named, order as typing_order};
use crate::source::{ItemId, Kind, Package, SourceFile, Workspace};
use crate::syntax::ast::Name;
use crate::types::alias;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// The environments that can be built, in the order they are declared.
pub fn environments(db: &dyn Db, workspace: Workspace) -> Vec<Name> {
    environment_order(db, workspace).iter().map(|id| id.name(db).clone()).collect()
}

/// Every diagnostic of every request in every environment, each told once, sorted by place.
pub fn check(db: &dyn Db, workspace: Workspace) -> Vec<Finding> {
    check_only(db, workspace, |_| true)
}

/// As [`check`], for a part of the workspace: see [`Extent::of`].
pub fn check_only(
    db: &dyn Db,
    workspace: Workspace,
    is_chosen: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut batch = Batch::new(db, workspace, Extent::of(db, workspace, is_chosen));
    for environment in environments(db, workspace) {
        run(&mut batch, db, workspace, &environment, &mut |_| {});
    }
    batch.findings()
}

/// The packages with a file that is chosen and those that use them, at any remove; beside them these with
/// all that they use. Both by path.
pub(crate) fn concerned(
    db: &dyn Db,
    workspace: Workspace,
    is_chosen: impl Fn(&str) -> bool,
) -> (Vec<Package>, Vec<Package>) {
    let all = packages(db, workspace);
    let paths: Vec<&Name> = all.keys().collect();
    let mut chosen: Vec<bool> =
        all.values().map(|files| files.iter().any(|it| is_chosen(it.path(db)))).collect();
    // Requests stand on the environments, and on what is said beside them, without a `use`.
    let environments: Vec<Name> = all_environments(db, workspace)
        .0
        .values()
        .map(|id| package_of(db, workspace, id.file(db)).path(db).clone())
        .collect();
    let shared: Vec<bool> = paths.iter().map(|path| environments.contains(path)).collect();
    if chosen.iter().zip(&shared).any(|(chosen, shared)| *chosen && *shared) {
        chosen.fill(true);
    }
    if !chosen.contains(&false) {
        let all: Vec<Package> =
            paths.iter().map(|path| Package::new(db, workspace, (*path).clone())).collect();
        return (all.clone(), all);
    }
    let index: FxHashMap<&Name, usize> =
        paths.iter().enumerate().map(|(index, path)| (*path, index)).collect();
    let used: Vec<Vec<usize>> = all
        .values()
        .map(|files| {
            let used = files.iter().flat_map(|file| used_packages(db, workspace, *file));
            used.filter_map(|path| index.get(&path).copied()).collect()
        })
        .collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); paths.len()];
    for (user, used) in used.iter().enumerate() {
        used.iter().for_each(|used| users[*used].push(user));
    }
    spread(&mut chosen, &users);
    let mut standing: Vec<bool> = chosen.iter().zip(&shared).map(|(a, b)| *a || *b).collect();
    spread(&mut standing, &used);
    let those = |taken: &[bool]| -> Vec<Package> {
        let taken = paths.iter().zip(taken).filter(|(_, taken)| **taken);
        taken.map(|(path, _)| Package::new(db, workspace, (*path).clone())).collect()
    };
    (those(&chosen), those(&standing))
}

/// Marks all that can be reached from what is marked.
fn spread(marked: &mut [bool], edges: &[Vec<usize>]) {
    let mut todo: Vec<usize> = (0..marked.len()).filter(|it| marked[*it]).collect();
    while let Some(from) = todo.pop() {
        for to in edges[from].iter().copied() {
            if !std::mem::replace(&mut marked[to], true) {
                todo.push(to);
            }
        }
    }
}

/// The manifests of an environment, and what is wrong in it. A request with an error has none.
/// An environment that is not declared has no manifests and no findings of its own.
///
/// All are kept: who prints them one by one gives a [`Batch`] its turns itself.
pub fn build(db: &dyn Db, workspace: Workspace, environment: &str) -> Build {
    let mut batch = Batch::new(db, workspace, Extent::whole(db, workspace));
    let mut manifests = Vec::new();
    run(&mut batch, db, workspace, environment, &mut |piece| {
        if let Piece::Manifest(manifest) = piece {
            manifests.push(manifest.clone());
        }
    });
    let blocked = batch.blocked();
    Build { manifests, findings: batch.findings(), blocked }
}

/// Gives an environment's requests their turns; what is asked for again after a change is remembered.
fn run(
    batch: &mut Batch<'_>,
    db: &dyn Db,
    workspace: Workspace,
    environment: &str,
    print: &mut dyn FnMut(Piece<'_>),
) {
    let maker = Maker::new(db, workspace, environment, Form::Remembered);
    let Some(mut maker) = maker else { return };
    let mut print = |piece: Piece<'_>| -> Result<(), Infallible> {
        print(piece);
        Ok(())
    };
    batch.begin(environment);
    let mut text = String::new();
    for turn in batch.turns() {
        let Ok(()) = match turn {
            Turn::Make(request, is_early) => {
                text.clear();
                let outcome = maker.make(request, &mut text);
                batch.take(outcome, &text, is_early, &mut print)
            }
            Turn::Rest(request) => batch.rest(request, &mut print),
        };
    }
    let Ok(()) = batch.end(&mut print);
}

/// A request by its package and name: `apps.shop.shop`.
pub fn address(db: &dyn Db, workspace: Workspace, request: ItemId) -> Name {
    let package = package_of(db, workspace, request.file(db));
    let path = package.path(db);
    if path.is_empty() {
        request.name(db).clone()
    } else {
        format!("{path}.{}", request.name(db)).into()
    }
}

/// What stands in the way of a request, before it is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Blocked {
    /// Nothing.
    No,
    /// A mistake in a layer of its own, or a syntax error elsewhere in a package that it stands on:
    /// it is checked, but makes nothing.
    Manifests,
    /// What it stands on has an error: whatever it would say now would be a consequence.
    Everything,
}

/// What stands in the way of requests, asked for one after the other: an error of the [`platform_blocked`], or a
/// broken file of a package that one stands on. Their own layers fail field by field instead, so that all their
/// mistakes are found.
pub(crate) struct Barrier<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    /// The layers with something in their way of the package that a file is in.
    unsound: FxHashMap<SourceFile, &'a FxHashMap<ItemId, Blocked>>,
}

impl<'a> Barrier<'a> {
    pub(crate) fn new(db: &'a dyn Db, workspace: Workspace) -> Self {
        Barrier { db, workspace, unsound: FxHashMap::default() }
    }

    fn unsound(&mut self, file: SourceFile) -> &'a FxHashMap<ItemId, Blocked> {
        let (db, workspace) = (self.db, self.workspace);
        self.unsound
            .entry(file)
            .or_insert_with(|| unsound_layers(db, workspace, package_of(db, workspace, file)))
    }

    /// What stands in the way of a request with these layers.
    pub(crate) fn blocked(
        &mut self,
        request: ItemId,
        layers: &[Layer],
        platform: Blocked,
    ) -> Blocked {
        let own = self.unsound(request.file(self.db));
        let mut blocked = platform;
        for layer in layers {
            // Overlays stand in the package of their request, defaults in others.
            let unsound = match layer.kind {
                LayerKind::Defaults { .. } => self.unsound(layer.item.file(self.db)),
                _ => own,
            };
            blocked = blocked.max(unsound.get(&layer.item).copied().unwrap_or(Blocked::No));
        }
        blocked
    }
}

/// What stands in the way of all requests for a schema in an environment.
pub(crate) fn platform_blocked(
    db: &dyn Db,
    workspace: Workspace,
    schema: ItemId,
    environment: ItemId,
) -> Blocked {
    if crate::types::composition(db, workspace, schema).is_none() {
        return Blocked::Everything;
    }
    let ancestry = &crate::names::ancestry(db, workspace, environment).0;
    let platform = ancestry.iter().chain([&schema]).map(|id| footing(db, workspace, *id)).max();
    platform.unwrap_or(Blocked::No)
}

/// What stands in the way of who stands on a declaration: of the platform, nobody's own layer.
#[salsa::tracked(returns(copy))]
fn footing(db: &dyn Db, workspace: Workspace, id: ItemId) -> Blocked {
    let mut result = Blocked::No;
    for id in closure(db, workspace, id) {
        if id.file(db) == db.prelude() {
            continue;
        }
        let is_broken = !uses(db, workspace, id.file(db)).diagnostics.is_empty()
            || infer(db, workspace, id).has_errors()
            || match id.kind(db) {
                Kind::Compose => nesting_circle(db, workspace, id).is_some(),
                Kind::Environment => !environment_diagnostics(db, workspace, id).is_empty(),
                _ => false,
            };
        if is_broken {
            return Blocked::Everything;
        }
        let package = package_of(db, workspace, id.file(db));
        result = result.max(damage(damaged(db, package), id));
    }
    result
}

/// The requests, overlays and defaults of a package with something in their way, but for their own
/// mistakes. Of the package together, since hardly any has: an answer for each would be mostly paper.
#[salsa::tracked]
fn unsound_layers(
    db: &dyn Db,
    workspace: Workspace,
    package: Package,
) -> FxHashMap<ItemId, Blocked> {
    let is_layer =
        |id: &ItemId| matches!(id.kind(db), Kind::Request | Kind::Overlay | Kind::Defaults);
    let files = package_files(db, package).iter();
    let layers = files.flat_map(|file| items(db, *file)).copied().filter(is_layer);
    let text = damaged(db, package);
    let mut found = FxHashMap::default();
    let mut footings: FxHashMap<ItemId, Blocked> = FxHashMap::default();
    for layer in layers {
        let inference = infer(db, workspace, layer);
        // Of most layers it is seen at once what they name: their schema, and that is all.
        let named = match layer.kind(db) {
            Kind::Request if inference.is_bare() => {
                request_schema(db, workspace, layer).into_iter().collect()
            }
            Kind::Overlay if inference.is_bare() => Vec::new(),
            _ => named(db, workspace, layer),
        };
        let blocked = named
            .into_iter()
            // A request that another names is sound or not by itself.
            .filter(|id| id.kind(db) != Kind::Request)
            .map(|id| *footings.entry(id).or_insert_with(|| footing(db, workspace, id)))
            .chain([damage(text, layer)])
            // Also where what is wrong could be left out, such as a field that there is not.
            .chain(inference.has_errors().then_some(Blocked::Manifests))
            .max();
        if let Some(blocked) = blocked.filter(|it| *it != Blocked::No) {
            found.insert(layer, blocked);
        }
    }
    found
}

/// What the text of a declaration's package does to it.
fn damage(text: &Soundness, id: ItemId) -> Blocked {
    match text {
        Soundness::Sound => Blocked::No,
        Soundness::Damaged(damaged) if !damaged.contains(&id) => Blocked::Manifests,
        Soundness::Damaged(_) | Soundness::Torn => Blocked::Everything,
    }
}

/// Whether the text of a package can be trusted.
#[salsa::tracked]
fn damaged(db: &dyn Db, package: Package) -> Soundness {
    if !scope(db, package).doubled.is_empty() {
        return Soundness::Torn;
    }
    let mut all = Vec::new();
    for file in package_files(db, package) {
        match soundness(db, *file) {
            Soundness::Sound => {}
            // A damaged overlay may be one of any request, whatever it now says.
            Soundness::Damaged(found) if found.iter().all(|id| id.kind(db) != Kind::Overlay) => {
                all.extend(found);
            }
            Soundness::Damaged(_) | Soundness::Torn => return Soundness::Torn,
        }
    }
    if all.is_empty() { Soundness::Sound } else { Soundness::Damaged(all) }
}

/// Parses a part of a workspace's files, one of so many: what a host with threads may ask for ahead of all
/// else. Nothing is answered, and whoever asks next finds it done.
pub fn parse_part(db: &dyn Db, workspace: Workspace, part: usize, parts: usize) {
    let files = packages(db, workspace).values().flatten();
    files.skip(part).step_by(parts).for_each(|file| parse_ahead(db, *file));
}

/// Infers the types of a part of the declarations of packages, one of so many.
pub(crate) fn infer_part(
    db: &dyn Db,
    workspace: Workspace,
    of: &[Package],
    part: usize,
    parts: usize,
) {
    // Each part goes through all of it: none is far behind another, whose answers it would make for it, one
    // inside the other.
    stand(db, workspace, of);
    let files = of.iter().flat_map(|package| package_files(db, *package));
    for file in files.skip(part).step_by(parts) {
        for id in items(db, *file) {
            infer(db, workspace, *id);
        }
    }
}

/// Asks first for what others stand on, so that no answer waits for a long chain of others.
fn stand(db: &dyn Db, workspace: Workspace, of: &[Package]) {
    let files = of.iter().flat_map(|package| package_files(db, *package)).copied();
    let taken: FxHashSet<SourceFile> = files.chain([db.prelude()]).collect();
    let order = typing_order(db, workspace).items.iter();
    for id in order.filter(|id| taken.contains(&id.file(db))) {
        if id.kind(db) == Kind::Type {
            alias(db, workspace, *id);
        }
        infer(db, workspace, *id);
    }
}

/// Diagnostics on their way to findings: one place and message is one finding, however many
/// environments it shows in.
pub(crate) struct Gathered<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    found: Vec<(Diagnostic, Vec<ItemId>)>,
    index: FxHashMap<String, usize>,
}

impl<'a> Gathered<'a> {
    /// With what is wrong with these packages whatever the environment.
    pub(crate) fn new(db: &'a dyn Db, workspace: Workspace, packages: &[Package]) -> Self {
        let mut gathered =
            Gathered { db, workspace, found: Vec::new(), index: FxHashMap::default() };
        gathered.statics(packages);
        gathered
    }

    /// Adds a mistake that shows in an environment, or whatever the environment.
    pub(crate) fn add(&mut self, diagnostic: &Diagnostic, environment: Option<ItemId>) {
        // A request without a namespace, or with the name of another, is one mistake however many
        // objects it makes.
        let what = match diagnostic.code {
            code::MISSING_NAMESPACE => String::new(),
            code::CYCLE => {
                // The same circle is found from each of its members.
                let mut places: Vec<String> = diagnostic
                    .related
                    .iter()
                    .map(|(place, _)| place)
                    .chain([&diagnostic.place])
                    .map(|place| format!("{place:?}"))
                    .collect();
                places.sort();
                places.concat()
            }
            code::DUPLICATE_OBJECT => format!("{:?}", diagnostic.related[0].0),
            // Of a composition, whatever requests show it.
            code::FIXED_REPLICAS => String::new(),
            _ => diagnostic.message.clone(),
        };
        let key = match diagnostic.code {
            code::CYCLE => what,
            code => format!("{code:?}{:?}{what}", diagnostic.place),
        };
        let index = *self.index.entry(key).or_insert_with(|| {
            self.found.push((diagnostic.clone(), Vec::new()));
            self.found.len() - 1
        });
        if let Some(environment) = environment {
            let environments = &mut self.found[index].1;
            if !environments.contains(&environment) {
                environments.push(environment);
            }
        }
    }

    /// The environments that each error shows in; none: it is one whatever the environment.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &[ItemId]> {
        let errors = self.found.iter().filter(|(it, _)| it.severity == Severity::Error);
        errors.map(|(_, environments)| environments.as_slice())
    }

    /// What is wrong with the text and the types of packages, whatever the environment.
    fn statics(&mut self, of: &[Package]) {
        let (db, workspace) = (self.db, self.workspace);
        stand(db, workspace, of);
        for diagnostic in &all_environments(db, workspace).1 {
            self.add(diagnostic, None);
        }
        for package in of {
            for diagnostic in &scope(db, *package).diagnostics {
                self.add(diagnostic, None);
            }
            for file in package_files(db, *package) {
                for diagnostic in syntax_diagnostics(db, *file) {
                    self.add(diagnostic, None);
                }
                for diagnostic in &uses(db, workspace, *file).diagnostics {
                    self.add(diagnostic, None);
                }
                for id in items(db, *file) {
                    for diagnostic in &infer(db, workspace, *id).diagnostics {
                        self.add(diagnostic, None);
                    }
                    if id.kind(db) == Kind::Compose
                        && let Some(diagnostic) = nesting_diagnostic(db, workspace, *id)
                    {
                        self.add(&diagnostic, None);
                    }
                    if id.kind(db) == Kind::Schema {
                        for diagnostic in default_diagnostics(db, workspace, *id) {
                            self.add(diagnostic, None);
                        }
                    }
                }
            }
        }
        let mut any_request = None;
        for environment in all_environments(db, workspace).0.values() {
            for diagnostic in environment_diagnostics(db, workspace, *environment) {
                self.add(diagnostic, None);
            }
        }
        if environment_order(db, workspace).is_empty() && is_whole(db, workspace) {
            for path in packages(db, workspace).keys() {
                let package = Package::new(db, workspace, path.clone());
                if is_foreign(db, package) {
                    continue;
                }
                any_request = any_request.or(scope(db, package).requests.first().copied());
            }
            if let Some(request) = any_request {
                self.add(
                    &Diagnostic::error(
                        code::UNKNOWN_ENVIRONMENT,
                        name_place(db, request),
                        "there is no environment that this could run in",
                    )
                    .help("declare one, usually in the platform's package: `environment dev: Env { … }`"),
                    None,
                );
            }
        }
    }

    /// Each mistake as hosts show it, sorted by place.
    pub(crate) fn findings(mut self) -> Vec<Finding> {
        let db = self.db;
        // Where something must be mended, advice can wait.
        let wrong: FxHashSet<Place> = self
            .found
            .iter()
            .filter(|(it, _)| it.severity == Severity::Error)
            .map(|(it, _)| it.place)
            .collect();
        self.found.retain(|(it, _)| it.severity == Severity::Error || !wrong.contains(&it.place));
        let order: BTreeMap<salsa::Id, usize> = environment_order(db, self.workspace)
            .iter()
            .enumerate()
            .map(|(index, id)| (salsa::plumbing::AsId::as_id(id), index))
            .collect();
        let mut findings: Vec<Finding> = self
            .found
            .into_iter()
            .map(|(diagnostic, mut environments)| {
                environments
                    .sort_by_key(|id| order.get(&salsa::plumbing::AsId::as_id(id)).copied());
                finding(db, diagnostic, environments.iter().map(|id| id.name(db).clone()).collect())
            })
            .collect();
        findings.sort_by(|a, b| {
            let key = |it: &Finding| {
                (
                    it.location.clone(),
                    it.severity,
                    it.code,
                    it.message.clone(),
                    it.environments.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
        findings
    }
}

/// A place as a host shows it. The standard library's file has no place in the workspace.
pub fn location(db: &dyn Db, place: Place) -> Location {
    let (file, range) = locate(db, place);
    Location { path: file.path(db).clone(), range }
}

fn finding(db: &dyn Db, diagnostic: Diagnostic, environments: Vec<Name>) -> Finding {
    let related = diagnostic
        .related
        .iter()
        .map(|(place, text)| (location(db, *place), text.clone()))
        .filter(|(place, _)| place.path != PRELUDE_PATH)
        .collect();
    Finding {
        code: diagnostic.code,
        severity: diagnostic.severity,
        message: diagnostic.message,
        environments,
        location: Some(location(db, diagnostic.place)),
        label: diagnostic.label,
        related,
        help: diagnostic.help,
        fixes: diagnostic
            .fix
            .into_iter()
            .map(|(title, place, text)| Fix { title, edits: vec![(location(db, place), text)] })
            .collect(),
    }
}

/// Whether any of the findings must be mended.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
