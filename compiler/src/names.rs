//! What a name means: packages, their scopes, what `use` brings in, environments and descent.
//!
//! No query here reads the tree of another file, only its keys ([`items`]); so a change inside a
//! declaration leaves every name alone.

use crate::builtins::Builtin;
use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, code, list};
use crate::items::{declared_name, dotted, item, items, keyed_items, name_place};
use crate::source::{Dependency, ItemId, Kind, Package, SourceFile, Workspace};
use crate::syntax::ast::{Ident, ItemKind, Name, NodeId, Path};
use crate::versions::{self, kubernetes};
use plumb_kubernetes::{KindId, Kubernetes, ObjectId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a path can stand for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A package.
    Package(Package),
    /// A declaration.
    Item(ItemId),
    /// `k8s` itself.
    Kubernetes,
    /// `k8s.apps`
    Group(Name),
    /// `k8s.apps.v1`
    GroupVersion(Name, Name),
    /// `k8s.apps.v1.Deployment`
    Kind(KindId),
    /// `k8s.core.v1.Container`
    Object(ObjectId),
    /// Something an error already spoke of.
    Unknown,
}

/// The types that need the compiler itself and have no declaration.
pub const BUILT_IN_TYPES: &[&str] =
    &["Bool", "Int", "Float", "String", "Quantity", "Duration", "Any", "Image", "CronExpression"];

/// The path of the package that a file belongs to.
fn package_path(dependencies: &[Dependency], path: &str) -> Name {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    // The nearest: a workspace may hold one that it depends on.
    let (inside, dependency) = dependencies
        .iter()
        .filter(|it| !it.directory.is_empty())
        .filter_map(|it| Some((directory.strip_prefix(it.directory.as_str())?, it)))
        .filter(|(inside, _)| inside.is_empty() || inside.starts_with('/'))
        .min_by_key(|(inside, _)| inside.len())
        .unzip();
    match (inside, dependency) {
        (Some(inside), Some(dependency)) => {
            format!("{}{}", dependency.name, inside.replace('/', ".")).into()
        }
        _ => directory.replace('/', ".").into(),
    }
}

/// The package that a file belongs to.
#[salsa::tracked(returns(copy))]
pub fn package_of(db: &dyn Db, workspace: Workspace, file: SourceFile) -> Package {
    Package::new(db, workspace, package_path(workspace.dependencies(db), file.path(db)))
}

/// Whether a package belongs to a workspace that this one depends on: what it says can be used, its
/// requests are not made.
pub fn is_foreign(db: &dyn Db, package: Package) -> bool {
    package.path(db).starts_with('@')
}

/// A package as people call it: `platform.web`, or `platform's base.web` for one that only a
/// dependency depends on.
pub fn package_name(db: &dyn Db, package: Package) -> String {
    shown_package(package.path(db))
}

fn shown_package(path: &str) -> String {
    path.strip_prefix('@').map_or_else(|| path.to_string(), |path| path.replace('@', "'s "))
}

/// Whether every dependency could be read; else nobody knows what is declared in it.
pub fn is_whole(db: &dyn Db, workspace: Workspace) -> bool {
    workspace.dependencies(db).iter().all(|it| it.knows.values().all(|name| !name.is_empty()))
}

/// The workspace that a package belongs to: this one, or one that it depends on.
fn home(db: &dyn Db, workspace: Workspace, package: Package) -> Option<&Dependency> {
    let path = package.path(db).as_str();
    let root = match path.starts_with('@') {
        true => path.split('.').next().unwrap_or_default(),
        false => "",
    };
    workspace.dependencies(db).iter().find(|it| it.name == root)
}

/// A package as a `use` of another names it: `platform.web`; `None` where it cannot, since the workspace of the
/// one does not depend on that of the other. Empty: the root, which has no name.
pub fn use_path(db: &dyn Db, workspace: Workspace, from: Package, to: Package) -> Option<String> {
    let root = |package: Package| match package.path(db).split('.').next() {
        Some(first) if first.starts_with('@') => first.to_owned(),
        _ => String::new(),
    };
    let (own, its) = (root(from), root(to));
    let rest = to.path(db).strip_prefix(its.as_str())?;
    if own == its {
        return Some(rest.trim_start_matches('.').to_owned());
    }
    let known = &home(db, workspace, from)?.knows;
    let (name, _) = known.iter().find(|(_, full)| **full == its)?;
    Some(format!("{name}{rest}"))
}

/// The source files of each package, by the package's path.
#[salsa::tracked]
pub fn packages(db: &dyn Db, workspace: Workspace) -> Arc<BTreeMap<Name, Vec<SourceFile>>> {
    let mut packages: BTreeMap<Name, Vec<SourceFile>> = BTreeMap::new();
    for (path, file) in workspace.files(db).iter().filter(|(path, _)| path.ends_with(".plumb")) {
        let package = package_path(workspace.dependencies(db), path);
        packages.entry(package).or_default().push(*file);
    }
    Arc::new(packages)
}

/// The source files of a package, by path.
#[salsa::tracked]
pub fn package_files(db: &dyn Db, package: Package) -> Vec<SourceFile> {
    packages(db, package.workspace(db)).get(package.path(db)).cloned().unwrap_or_default()
}

/// The declarations of a package, by what looks them up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Lets, schemas, types, functions and requests.
    pub names: BTreeMap<Name, ItemId>,
    /// Requests, sorted by name.
    pub requests: Vec<ItemId>,
    /// Overlays by the request they speak of.
    pub overlays: BTreeMap<Name, Vec<ItemId>>,
    /// Defaults, sorted by key.
    pub defaults: Vec<ItemId>,
    /// Compositions, sorted by key.
    pub composes: Vec<ItemId>,
    /// Names that are declared twice: nobody knows which is meant.
    pub doubled: BTreeSet<Name>,
    /// `package { }`
    pub package: Option<ItemId>,
    /// Two declarations where one may be.
    pub diagnostics: Vec<Diagnostic>,
}

/// The scope of a package.
#[salsa::tracked]
pub fn scope(db: &dyn Db, package: Package) -> Scope {
    let mut scope = Scope::default();
    for file in package_files(db, package) {
        for id in items(db, *file).iter().copied() {
            let name = id.name(db);
            match id.kind(db) {
                Kind::Let | Kind::Schema | Kind::Type | Kind::Fn | Kind::Request => {
                    if name.is_empty() {
                        continue;
                    }
                    if let Some(first) = scope.names.get(name) {
                        scope.doubled.insert(name.clone());
                        scope.diagnostics.push(
                            Diagnostic::error(
                                code::DUPLICATE_NAME,
                                name_place(db, id),
                                format!("`{name}` is declared twice in this package"),
                            )
                            .related(name_place(db, *first), "the other one is here")
                            .help("all files of a directory share one scope: rename one of them"),
                        );
                        continue;
                    }
                    scope.names.insert(name.clone(), id);
                    if id.kind(db) == Kind::Request {
                        scope.requests.push(id);
                    }
                }
                Kind::Overlay => {
                    for request in name.split(',') {
                        scope.overlays.entry(request.into()).or_default().push(id);
                    }
                }
                Kind::Defaults => scope.defaults.push(id),
                Kind::Compose => scope.composes.push(id),
                Kind::Package => match scope.package {
                    None => scope.package = Some(id),
                    Some(first) => scope.diagnostics.push(
                        Diagnostic::error(
                            code::DUPLICATE_NAME,
                            name_place(db, id),
                            "a package has one `package { }`",
                        )
                        .related(name_place(db, first), "the other one is here")
                        .help("move its settings into the other one"),
                    ),
                },
                Kind::Use | Kind::Environment | Kind::Policy | Kind::Adjust | Kind::Test => {}
            }
        }
    }
    scope.requests.sort_by(|a, b| a.name(db).cmp(b.name(db)));
    // Stable, and nothing of the file's path: what stands in which file means nothing.
    let key = |id: &ItemId| (id.name(db).clone(), id.environments(db).clone());
    scope.overlays.values_mut().for_each(|it| it.sort_by_key(key));
    scope.defaults.sort_by_key(key);
    scope
}

/// A declaration of a package by its name; `Some(None)` where there are two, so that nobody knows which
/// is meant. A query a name, so that a new neighbour leaves alone whoever asked for another.
#[salsa::tracked(returns(copy))]
fn declared(db: &dyn Db, package: Package, name: Name) -> Option<Option<ItemId>> {
    let scope = scope(db, package);
    let found = scope.names.get(&name).copied()?;
    Some((!scope.doubled.contains(&name)).then_some(found))
}

/// Whether a declaration is marked `private`. A query of its own, so that who names a declaration
/// does not depend on what stands in it.
#[salsa::tracked(returns(copy))]
fn is_private(db: &dyn Db, id: ItemId) -> bool {
    item(db, id).as_ref().is_some_and(|tree| tree.private)
}

/// The `package { }` of a package.
#[salsa::tracked(returns(copy))]
pub fn package_declaration(db: &dyn Db, package: Package) -> Option<ItemId> {
    scope(db, package).package
}

/// What the `use` lines of a file bring in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uses {
    /// What each name stands for.
    pub names: BTreeMap<Name, (Target, Place)>,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
}

/// What the `use` lines of a file bring in.
#[salsa::tracked]
pub fn uses(db: &dyn Db, workspace: Workspace, file: SourceFile) -> Uses {
    let mut found = Uses::default();
    for id in items(db, file).iter().copied().filter(|id| id.kind(db) == Kind::Use) {
        let Some(tree) = item(db, id) else { continue };
        let ItemKind::Use { path, names, alias } = &tree.kind else { continue };
        let bind = |found: &mut Uses, ident: &Ident, target: Target| {
            if ident.is_hole() {
                return;
            }
            let place = Place::Node(id, ident.id);
            if let Some((_, first)) = found.names.get(&ident.text) {
                found.diagnostics.push(
                    Diagnostic::error(
                        code::DUPLICATE_NAME,
                        place,
                        format!("`{}` is brought in twice", ident.text),
                    )
                    .related(*first, "the other one is here")
                    .help("give one of them another name with `as`"),
                );
                return;
            }
            found.names.insert(ident.text.clone(), (target, place));
        };
        let base = match resolve_absolute(db, workspace, id, &path.segments) {
            Ok(target) => target,
            Err(diagnostic) => {
                found.diagnostics.extend(diagnostic);
                Target::Unknown
            }
        };
        match names {
            None => {
                let ident = alias.as_ref().or(path.segments.last()).expect("a path has a segment");
                bind(&mut found, ident, base);
            }
            Some(names) => {
                for name in names {
                    let target = match step(
                        db,
                        workspace,
                        Some(package_of(db, workspace, file)),
                        &base,
                        id,
                        &name.name,
                    ) {
                        Ok(target) => target,
                        Err(diagnostic) => {
                            found.diagnostics.extend(diagnostic);
                            Target::Unknown
                        }
                    };
                    bind(&mut found, name.alias.as_ref().unwrap_or(&name.name), target);
                }
            }
        }
    }
    found
}

/// The packages that the `use` lines of a file reach into, by path.
pub fn used_packages(db: &dyn Db, workspace: Workspace, file: SourceFile) -> Vec<Name> {
    let mut found = Vec::new();
    for (target, _) in uses(db, workspace, file).names.values() {
        match target {
            Target::Item(id) => {
                found.push(package_of(db, workspace, id.file(db)).path(db).clone());
            }
            Target::Package(package) => {
                // Also those below it can be named.
                let path = package.path(db);
                let all = packages(db, workspace).range(path.clone()..);
                let below = all.map(|(path, _)| path).take_while(|it| it.starts_with(&**path));
                found.extend(
                    below
                        .filter(|it| {
                            path.is_empty()
                                || it.len() == path.len()
                                || it[path.len()..].starts_with('.')
                        })
                        .cloned(),
                );
            }
            _ => {}
        }
    }
    found
}

/// What the first segments of the path of a `use` mean, which begins at the root of the workspace.
pub fn resolve_use(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    segments: &[Ident],
) -> Option<Target> {
    resolve_absolute(db, workspace, id, segments).ok()
}

/// Resolves the absolute path of a `use`. An `Err` without a diagnostic is a hole, which the parser
/// spoke of.
fn resolve_absolute(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    segments: &[Ident],
) -> Result<Target, Option<Diagnostic>> {
    if segments.iter().any(Ident::is_hole) {
        return Err(None);
    }
    let own = Some(package_of(db, workspace, id.file(db)));
    let first = &segments[0];
    match first.text.as_str() {
        "k8s" => {
            let mut target = Target::Kubernetes;
            for segment in &segments[1..] {
                target = step(db, workspace, own, &target, id, segment)?;
            }
            return Ok(target);
        }
        "crd" | "std" => {
            return Err(Some(
                Diagnostic::error(
                    code::NOT_IN_THIS_VERSION,
                    Place::Node(id, first.id),
                    format!("`{}` packages are not in this version of Plumb", first.text),
                )
                .help("what every file needs of the standard library is there without a `use`"),
            ));
        }
        _ => {}
    }
    let packages = packages(db, workspace);
    // A dependency's name comes first; what stands in a dependency starts at its own root.
    let home = own.and_then(|own| home(db, workspace, own));
    let dependency = home.and_then(|home| home.knows.get(&first.text));
    let (base, start) = match (dependency, home) {
        (Some(name), _) => (name.as_str(), 1),
        (None, Some(home)) => (home.name.as_str(), 0),
        (None, None) => ("", 0),
    };
    let join = |count: usize| -> Name {
        let steps = segments[start..count].iter().map(|it| it.text.as_str());
        Some(base)
            .filter(|it| !it.is_empty())
            .into_iter()
            .chain(steps)
            .collect::<Vec<_>>()
            .join(".")
            .into()
    };
    let whole = join(segments.len());
    if start == 1 && base.is_empty() {
        // A dependency that could not be read: plumb.toml has the mistake.
        return Ok(Target::Unknown);
    }
    if start == segments.len() || packages.contains_key(&whole) {
        return Ok(Target::Package(Package::new(db, workspace, whole)));
    }
    for count in (start..segments.len()).rev() {
        let path = join(count);
        if count > 0 && (count == start || packages.contains_key(&path)) {
            let mut target = Target::Package(Package::new(db, workspace, path));
            for segment in &segments[count..] {
                target = step(db, workspace, own, &target, id, segment)?;
            }
            return Ok(target);
        }
    }
    let root = home.map_or("", |home| home.name.as_str());
    let own_packages = packages.keys().filter_map(|path| match root {
        "" => Some(path.as_str()).filter(|path| !path.is_empty() && !path.starts_with('@')),
        _ => path.strip_prefix(root)?.strip_prefix('.'),
    });
    let dependencies = home.into_iter().flat_map(|home| home.knows.keys().map(Name::as_str));
    let known = own_packages.chain(dependencies).chain(["k8s"]);
    let whole = segments.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(".");
    Err(Some(
        Diagnostic::error(
            code::UNKNOWN_PACKAGE,
            Place::Node(id, first.id),
            format!("there is no package `{whole}`"),
        )
        .label("no directory of this workspace")
        .suggest(Place::Node(id, first.id), &whole, known),
    ))
}

/// One step along a path: `base.segment`.
fn step(
    db: &dyn Db,
    workspace: Workspace,
    own: Option<Package>,
    base: &Target,
    id: ItemId,
    segment: &Ident,
) -> Result<Target, Option<Diagnostic>> {
    if segment.is_hole() {
        return Err(None);
    }
    let place = Place::Node(id, segment.id);
    let name = segment.text.as_str();
    let facts = || kubernetes(db, workspace);
    let version = || versions::shown(db, workspace);
    // What another version has is no slip of the pen.
    let elsewhere = |error: Diagnostic, has: &dyn Fn(&Kubernetes) -> bool| match versions::elsewhere(
        db, workspace, has,
    ) {
        Some(when) => Diagnostic { fix: None, ..error.help(format!("it {when}")) },
        None => error,
    };
    match base {
        Target::Unknown => Err(None),
        Target::Package(package) => {
            if let Some(found) = declared(db, *package, segment.text.clone()) {
                let Some(found) = found else { return Ok(Target::Unknown) };
                if found.kind(db) == Kind::Request
                    && own != Some(*package)
                    && is_foreign(db, *package)
                {
                    return Err(Some(
                        Diagnostic::error(
                            code::REQUEST_NOT_HERE,
                            place,
                            format!(
                                "`{name}` is a request of another workspace, which is not made here"
                            ),
                        )
                        .related(name_place(db, found), "declared here")
                        .help("of a dependency, schemas, types, functions and lets can be used"),
                    ));
                }
                if own != Some(*package) && is_private(db, found) {
                    return Err(Some(
                        Diagnostic::error(
                            code::PRIVATE_NAME,
                            place,
                            format!(
                                "`{name}` is private to package `{}`",
                                package_name(db, *package)
                            ),
                        )
                        .related(name_place(db, found), "declared private here"),
                    ));
                }
                return Ok(Target::Item(found));
            }
            let inner: Name = format!("{}.{name}", package.path(db)).into();
            if packages(db, workspace).contains_key(&inner) {
                return Ok(Target::Package(Package::new(db, workspace, inner)));
            }
            let visible = scope(db, *package).names.iter().filter(|(_, id)| {
                own == Some(*package) || item(db, **id).as_ref().is_some_and(|tree| !tree.private)
            });
            Err(Some(
                Diagnostic::error(
                    code::UNKNOWN_NAME,
                    place,
                    format!("package `{}` declares no `{name}`", package_name(db, *package)),
                )
                .suggest(place, name, visible.map(|(name, _)| name.as_str())),
            ))
        }
        Target::Kubernetes => {
            if facts().groups().any(|group| group == name) {
                return Ok(Target::Group(segment.text.clone()));
            }
            let error = Diagnostic::error(
                code::UNKNOWN_KIND,
                place,
                format!("{} has no API group `{name}`", version()),
            )
            .suggest(place, name, facts().groups());
            Err(Some(elsewhere(error, &|it| it.groups().any(|group| group == name))))
        }
        Target::Group(group) => {
            if facts().versions(group).contains(&name) {
                return Ok(Target::GroupVersion(group.clone(), segment.text.clone()));
            }
            let error = Diagnostic::error(
                code::UNKNOWN_KIND,
                place,
                format!("{} does not serve `{group}` in version `{name}`", version()),
            )
            .suggest(place, name, facts().versions(group).iter().copied());
            Err(Some(elsewhere(error, &|it| it.versions(group).contains(&name))))
        }
        Target::GroupVersion(group, api) => {
            if let Some(kind) = facts().kind(group, api, name) {
                return Ok(Target::Kind(kind));
            }
            if let Some(object) = facts().object_by_name(group, api, name) {
                return Ok(Target::Object(object));
            }
            let known: Vec<&str> = facts()
                .kinds()
                .filter(|(_, kind)| kind.short_group() == group && kind.version == api)
                .map(|(_, kind)| kind.kind)
                .collect();
            let mut error = Diagnostic::error(
                code::UNKNOWN_KIND,
                place,
                format!("{} has no kind `{name}` in `{group}.{api}`", version()),
            )
            .suggest(place, name, known);
            let is_there = |it: &Kubernetes| {
                it.kind(group, api, name).is_some() || it.object_by_name(group, api, name).is_some()
            };
            let when =
                versions::elsewhere(db, workspace, is_there).map(|when| format!("it {when}"));
            let home = home_of_kind(facts(), name).map(|home| format!("`k8s.{home}` has it"));
            if when.is_some() || home.is_some() {
                error.help =
                    Some([when, home].into_iter().flatten().collect::<Vec<_>>().join("; "));
                error.fix = None;
            }
            Err(Some(error))
        }
        Target::Item(_) | Target::Kind(_) | Target::Object(_) => Err(Some(Diagnostic::error(
            code::UNKNOWN_NAME,
            place,
            format!(
                "there is nothing named `{name}` here: what stands before the dot is no package"
            ),
        ))),
    }
}

/// The group and newest version that serve a kind of this name.
fn home_of_kind(facts: &Kubernetes, name: &str) -> Option<String> {
    let homes = facts.kinds().filter(|(_, kind)| kind.kind == name && kind.creatable);
    // The best version of a group comes first.
    let rank = |kind: &plumb_kubernetes::Kind| {
        facts.versions(kind.short_group()).iter().position(|version| *version == kind.version)
    };
    let (_, kind) = homes.min_by_key(|(_, kind)| rank(kind))?;
    Some(format!("{}.{}", kind.short_group(), kind.version))
}

/// What a single word means in a file: what `use` brings in, the package's declarations, the
/// standard library.
pub fn resolve_word(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    word: &Name,
) -> Option<Target> {
    if let Some((target, _)) = uses(db, workspace, file).names.get(word) {
        return Some(target.clone());
    }
    let own = if file == db.prelude() { None } else { Some(package_of(db, workspace, file)) };
    if let Some(package) = own
        && let Some(found) = declared(db, package, word.clone())
    {
        return Some(found.map_or(Target::Unknown, Target::Item));
    }
    prelude_names(db).get(word).copied().map(Target::Item)
}

/// The declarations of the standard library that every file sees.
#[salsa::tracked]
pub fn prelude_names(db: &dyn Db) -> BTreeMap<Name, ItemId> {
    items(db, db.prelude()).iter().map(|id| (id.name(db).clone(), *id)).collect()
}

/// Resolves a path as written in a declaration of `id`'s file. An `Err` without a diagnostic was
/// spoken of already.
pub fn resolve_path(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    segments: &[Ident],
) -> Result<Target, Option<Diagnostic>> {
    let file = id.file(db);
    let first = segments.first().ok_or(None)?;
    if first.is_hole() {
        return Err(None);
    }
    let mut target = resolve_word(db, workspace, file, &first.text)
        .ok_or_else(|| Some(unknown_word(db, workspace, id, first, &[], Sense::Type)))?;
    for segment in &segments[1..] {
        target = step(db, workspace, Some(package_of(db, workspace, file)), &target, id, segment)?;
    }
    Ok(target)
}

/// What a word is looked up as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sense {
    /// A value or function.
    Value,
    /// A type, schema or kind.
    Type,
}

impl Sense {
    fn takes(self, kind: Kind) -> bool {
        match self {
            Sense::Value => matches!(kind, Kind::Let | Kind::Fn | Kind::Request),
            Sense::Type => matches!(kind, Kind::Schema | Kind::Type),
        }
    }
}

/// The error for a word that means nothing, with the nearest of what it could have meant; `locals`
/// are the names that only stand where it was used.
pub fn unknown_word(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    word: &Ident,
    locals: &[Name],
    sense: Sense,
) -> Diagnostic {
    let file = id.file(db);
    let place = Place::Node(id, word.id);
    let scope = scope(db, package_of(db, workspace, file));
    let takes = |id: &ItemId| sense.takes(id.kind(db));
    let brought = uses(db, workspace, file).names.iter().filter(|(_, (target, _))| match target {
        Target::Item(id) => takes(id),
        Target::Kind(_) | Target::Object(_) => sense == Sense::Type,
        _ => true,
    });
    let declared = scope.names.iter().chain(prelude_names(db)).filter(|(_, id)| takes(id));
    let built_in: Vec<&str> = match sense {
        Sense::Type => BUILT_IN_TYPES.to_vec(),
        Sense::Value => Builtin::ALL.iter().map(|it| it.name()).chain(["file"]).collect(),
    };
    let known = locals
        .iter()
        .chain(brought.map(|(name, _)| name))
        .chain(declared.map(|(name, _)| name))
        .map(Name::as_str)
        .chain(built_in);
    let found = Diagnostic::error(
        code::UNKNOWN_NAME,
        place,
        format!("nothing here is named `{}`", word.text),
    );
    if let Some(near) = crate::diagnostics::nearest(&word.text, known) {
        return found.suggest(place, &word.text, [near]);
    }
    // The slip may be a missing `use`: say which package has it.
    let mut having: Vec<(String, bool)> = packages(db, workspace)
        .keys()
        .filter(|path| !path.is_empty())
        .filter_map(|path| {
            let package = Package::new(db, workspace, path.clone());
            let declares =
                crate::names::scope(db, package).names.get(&word.text).is_some_and(takes);
            let is_it = path.rsplit('.').next() == Some(&word.text);
            (declares || is_it).then(|| (path.to_string(), is_it))
        })
        .collect();
    having.sort_by_key(|(_, is_it)| !is_it);
    if let Some((path, is_it)) = having.first() {
        return match is_it {
            true => found.help(format!("bring the package in: `use {path}`")),
            false => {
                found.help(format!("package `{path}` declares it: `use {path}.{{{}}}`", word.text))
            }
        };
    }
    let facts = kubernetes(db, workspace);
    if word.text == "k8s" {
        return found.help("bring what you need of it in first: `use k8s.core.v1 as core`");
    }
    if let Some(version) = facts.versions(&word.text).last() {
        let group = &word.text;
        return found.help(format!("bring it in: `use k8s.{group}.{version} as {group}`"));
    }
    if sense == Sense::Type
        && let Some(home) = home_of_kind(facts, &word.text)
    {
        return found.help(format!("bring it in: `use k8s.{home}.{{{}}}`", word.text));
    }
    found
}

/// The environments of a file, sorted by key.
#[salsa::tracked]
fn file_environments(db: &dyn Db, file: SourceFile) -> Vec<ItemId> {
    items(db, file).iter().copied().filter(|id| id.kind(db) == Kind::Environment).collect()
}

/// Every environment of a workspace, abstract ones included, and two of one name.
#[salsa::tracked]
pub fn environments(
    db: &dyn Db,
    workspace: Workspace,
) -> (BTreeMap<Name, ItemId>, Vec<Diagnostic>) {
    let mut found: BTreeMap<Name, ItemId> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for file in packages(db, workspace).values().flatten() {
        for id in file_environments(db, *file) {
            let name = id.name(db);
            if name.is_empty() {
                continue;
            }
            match found.get(name) {
                None => {
                    found.insert(name.clone(), *id);
                }
                Some(first) => diagnostics.push(
                    Diagnostic::error(
                        code::DUPLICATE_NAME,
                        name_place(db, *id),
                        format!("environment `{name}` is declared twice"),
                    )
                    .related(name_place(db, *first), "the other one is here")
                    .help("environments are shared by the whole workspace: rename one of them"),
                ),
            }
        }
    }
    (found, diagnostics)
}

/// The environments that are not abstract, as they are listed: by the order of the text.
#[salsa::tracked]
pub fn environment_order(db: &dyn Db, workspace: Workspace) -> Vec<ItemId> {
    let known = &environments(db, workspace).0;
    let mut order = Vec::new();
    for file in packages(db, workspace).values().flatten() {
        if file_environments(db, *file).is_empty() {
            continue;
        }
        for id in keyed_items(db, *file).iter().copied() {
            if known.get(id.name(db)) == Some(&id)
                && let Some(tree) = item(db, id)
                && let ItemKind::Environment { is_abstract: false, .. } = tree.kind
            {
                order.push(id);
            }
        }
    }
    order
}

/// The most environments that one may descend from, itself included.
const MAX_DESCENT: usize = 64;

/// An environment's ancestors, the root first, itself last; beside it the error where its descent
/// is broken.
#[salsa::tracked]
pub fn ancestry(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
) -> (Vec<ItemId>, Vec<Diagnostic>) {
    let known = &environments(db, workspace).0;
    let mut chain = vec![environment];
    let mut diagnostics = Vec::new();
    let mut current = environment;
    while let Some(tree) = item(db, current) {
        let ItemKind::Environment { parent: Some(parent), .. } = &tree.kind else { break };
        let place = Place::Node(current, parent.id);
        let Some(next) = known.get(&parent.text).copied() else {
            // Said once, at the environment whose line it is.
            if current == environment && !parent.is_hole() {
                diagnostics.push(unknown_environment(db, workspace, place, &parent.text));
            }
            break;
        };
        if chain.contains(&next) {
            // A circle is one mistake: it is told at its first member.
            let first = chain.iter().min_by_key(|id| (id.file(db).path(db), id.name(db)));
            if next == environment && first == Some(&environment) {
                let names: Vec<&str> = chain
                    .iter()
                    .map(|id| id.name(db).as_str())
                    .chain([parent.text.as_str()])
                    .collect();
                // At its own `from`, which is where the walk began.
                let own = match item(db, environment).as_deref().map(|tree| &tree.kind) {
                    Some(ItemKind::Environment { parent: Some(parent), .. }) => {
                        Place::Node(environment, parent.id)
                    }
                    _ => place,
                };
                diagnostics.push(
                    Diagnostic::error(
                        code::CYCLE,
                        own,
                        format!("environment `{}` descends from itself", environment.name(db)),
                    )
                    .help(format!("the circle is {}", names.join(" → "))),
                );
            }
            break;
        }
        if chain.len() == MAX_DESCENT {
            diagnostics.push(Diagnostic::error(
                code::TOO_DEEP,
                Place::Node(environment, NodeId(0)),
                format!(
                    "environment `{}` descends from more than {MAX_DESCENT} others",
                    environment.name(db)
                ),
            ));
            break;
        }
        chain.push(next);
        current = next;
    }
    chain.reverse();
    (chain, diagnostics)
}

/// The error for an environment that is not declared.
pub fn unknown_environment(
    db: &dyn Db,
    workspace: Workspace,
    place: Place,
    name: &str,
) -> Diagnostic {
    let known = &environments(db, workspace).0;
    let mut error = Diagnostic::error(
        code::UNKNOWN_ENVIRONMENT,
        place,
        format!("there is no environment `{name}`"),
    )
    .suggest(place, name, known.keys().map(Name::as_str));
    if known.is_empty() {
        return error.help("declare one: `environment dev: Env { … }`");
    }
    // `production` for `prod`, or the other way round.
    let longer = known.keys().filter(|known| {
        let (short, long) =
            if known.len() < name.len() { (known.as_str(), name) } else { (name, known.as_str()) };
        short.len() >= 3 && long.starts_with(short)
    });
    if let Some(near) = longer.min_by_key(|known| known.len())
        && error.fix.is_none()
    {
        error.help = Some(format!("did you mean `{near}`?"));
        error.fix = Some((format!("change to `{near}`"), place, near.to_string()));
    }
    // There are few of them, and a guess can be wrong.
    if error.fix.is_some() && known.len() <= 16 {
        let names: Vec<&str> = known.keys().map(Name::as_str).collect();
        let guess = error.help.unwrap_or_default();
        error.help = Some(format!("{guess} There is {}", list(&names, "and")));
    }
    error
}

/// What an `in` list makes of an environment with this [`ancestry`]: how far up its nearest named
/// ancestor is, the environment itself being 0; `None` where the declaration does not speak of it.
pub fn nearest_named(
    db: &dyn Db,
    chain: &[ItemId],
    is_named: impl Fn(&Name) -> bool,
) -> Option<usize> {
    chain.iter().rev().position(|id| is_named(id.name(db)))
}

/// A declaration's name for messages: "request `shop`".
pub fn describe(db: &dyn Db, id: ItemId) -> String {
    let name = id.name(db);
    let environments = id.environments(db);
    let within = if environments.is_empty() {
        String::new()
    } else {
        format!(" in {}", environments.replace(',', ", "))
    };
    let name = name.replace(',', ", ");
    match id.kind(db) {
        Kind::Use => format!("use {name}"),
        Kind::Package => "package".to_string(),
        Kind::Let => format!("let {name}"),
        Kind::Schema => format!("schema {name}"),
        Kind::Type => format!("type {name}"),
        Kind::Environment => format!("environment {name}"),
        Kind::Defaults => format!("defaults {name}{within}"),
        Kind::Compose => format!("compose {name}"),
        Kind::Policy => format!("policy {name}"),
        Kind::Fn => format!("fn {name}"),
        Kind::Request => format!("request {name}"),
        Kind::Overlay => format!("overlay {name}{within}"),
        Kind::Adjust => format!("adjust {name}{within}"),
        Kind::Test => "test".to_string(),
    }
}

/// Every name of a list that is not an environment is an error.
pub fn check_environment_names(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    names: &[Ident],
    diagnostics: &mut Vec<Diagnostic>,
) {
    if names.is_empty() || !is_whole(db, workspace) {
        return;
    }
    let known = &environments(db, workspace).0;
    for name in names.iter().filter(|name| !name.is_hole() && !known.contains_key(&name.text)) {
        diagnostics.push(unknown_environment(db, workspace, Place::Node(id, name.id), &name.text));
    }
}

/// The schema that a path names, or the error that it names none.
pub fn resolve_schema(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    path: &Path,
) -> Result<ItemId, Option<Diagnostic>> {
    match resolve_path(db, workspace, id, &path.segments)? {
        Target::Item(found) if found.kind(db) == Kind::Schema => Ok(found),
        Target::Unknown => Err(None),
        other => {
            let what = match other {
                Target::Item(found) => {
                    let word = describe(db, found);
                    let mut error = Diagnostic::error(
                        code::UNKNOWN_NAME,
                        Place::Node(id, path.id),
                        format!("`{}` is no schema", dotted(path)),
                    )
                    .label(format!("this is {word}"));
                    if let Some(tree) = item(db, found)
                        && declared_name(tree).is_some()
                    {
                        error = error.related(name_place(db, found), "declared here");
                    }
                    return Err(Some(error));
                }
                Target::Package(_) => "a package",
                Target::Kind(_) | Target::Object(_) => "a Kubernetes type",
                _ => "a Kubernetes API group",
            };
            let package = dotted(path);
            let mut error = Diagnostic::error(
                code::UNKNOWN_NAME,
                Place::Node(id, path.id),
                format!("`{package}` is no schema but {what}"),
            );
            if let Target::Package(package) = other {
                let schemas: Vec<&str> = scope(db, package)
                    .names
                    .iter()
                    .filter(|(_, id)| id.kind(db) == Kind::Schema)
                    .map(|(name, _)| name.as_str())
                    .collect();
                if !schemas.is_empty() {
                    error = error.help(format!("its schemas are {}", list(&schemas, "and")));
                }
            }
            Err(Some(error))
        }
    }
}
