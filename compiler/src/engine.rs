//! The questions that hosts ask, answered for a whole workspace.

use crate::allow::schema_diagnostic;
use crate::answers::{Build, Finding, Fix, Location, Manifest};
use crate::db::{Db, PRELUDE_PATH};
use crate::diagnostics::{Diagnostic, Place, Severity, code};
use crate::eval::{
    default_diagnostics, environment_diagnostics, evaluate, initial_owner, kind_facts,
};
use crate::infer::infer;
use crate::items::{Soundness, item, items, locate, name_place, soundness, syntax_diagnostics};
use crate::layers::LayerKind;
use crate::names::{
    environment_order, environments as all_environments, is_foreign, is_whole, package_files,
    package_of, packages, scope, used_packages, uses,
};
use crate::objects::{Object, nesting_circle, nesting_diagnostic, objects};
use crate::outputs::{Node, circle, declared_outputs, order, output, requests_of};
use crate::references::{closure, named, order as typing_order};
use crate::source::{ItemId, Kind, Package, SourceFile, Workspace};
use crate::syntax::ast::{ItemKind, Name};
use crate::types::alias;
use crate::value::{Data, Origin, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// The environments that can be built, in the order they are declared.
pub fn environments(db: &dyn Db, workspace: Workspace) -> Vec<Name> {
    environment_order(db, workspace).iter().map(|id| id.name(db).clone()).collect()
}

/// Every diagnostic of every request in every environment, each told once, sorted by place.
pub fn check(db: &dyn Db, workspace: Workspace) -> Vec<Finding> {
    check_only(db, workspace, |_| true)
}

/// As [`check`], for what stands in the packages of the files that are chosen by their path: their
/// requests, those of packages that use them, and all that these stand on. Whether other requests
/// make objects of the same name is not asked, since every request would have to be evaluated.
pub fn check_only(
    db: &dyn Db,
    workspace: Workspace,
    is_chosen: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let (concerned, all) = concerned(db, workspace, is_chosen);
    let mut gathered = Gathered::new(db, workspace);
    gathered.statics(&all);
    for environment in environment_order(db, workspace) {
        let mut identities = Identities::default();
        let packages = concerned.iter().copied();
        for request in packages.flat_map(|it| requests_of(db, workspace, it, *environment)) {
            for object in gathered.request(request, *environment).into_iter().flatten() {
                gathered.identity(&mut identities, request, object, *environment);
            }
        }
        gathered.autoscaled(&identities, *environment);
    }
    gathered.findings()
}

/// The packages with a file that is chosen and those that use them, at any remove; beside them these with
/// all that they use. Both by path.
fn concerned(
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
pub fn build(db: &dyn Db, workspace: Workspace, environment: &str) -> Build {
    let mut gathered = Gathered::new(db, workspace);
    let all: Vec<Package> = packages(db, workspace)
        .keys()
        .map(|path| Package::new(db, workspace, path.clone()))
        .collect();
    gathered.statics(&all);
    let mut made: Vec<(u8, ItemId, Manifest)> = Vec::new();
    let mut blocked: Vec<Name> = Vec::new();
    if let Some(environment) = all_environments(db, workspace).0.get(environment).copied() {
        gathered.environments = vec![environment];
        let mut identities = Identities::default();
        for request in order(db, workspace, environment) {
            let Some(emitted) = gathered.request(request, environment) else {
                blocked.push(address(db, workspace, request));
                continue;
            };
            let clash = emitted
                .iter()
                .filter(|object| gathered.identity(&mut identities, request, object, environment))
                .count();
            if clash > 0 {
                blocked.push(address(db, workspace, request));
                continue;
            }
            for object in emitted {
                let rank = match kind_facts(db, workspace, object.kind).kind {
                    "Namespace" => 0,
                    "CustomResourceDefinition" => 1,
                    _ => 2,
                };
                made.push((
                    rank,
                    request,
                    Manifest {
                        request: address(db, workspace, request),
                        item: request,
                        object: object.value.clone(),
                        composed: object.composed.clone(),
                    },
                ));
            }
        }
        let fixed = gathered.autoscaled(&identities, environment);
        made.retain(|(_, request, _)| !fixed.contains(request));
        blocked.extend(fixed.iter().map(|request| address(db, workspace, *request)));
        blocked.sort_unstable();
    }
    // Stable: within a rank, who is needed first, then by package, request and emission.
    made.sort_by_key(|(rank, ..)| *rank);
    Build {
        manifests: made.into_iter().map(|(.., manifest)| manifest).collect(),
        findings: gathered.findings(),
        blocked,
    }
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
enum Blocked {
    /// Nothing.
    No,
    /// A syntax error elsewhere in a package that it stands on: it is checked, but makes nothing.
    Manifests,
    /// What it stands on has an error: whatever it would say now would be a consequence.
    Everything,
}

/// What stands in the way of a request: an error of the platform, or a broken file of a package
/// that it stands on. Its own layers fail field by field instead, so that all their mistakes are
/// found.
fn blocked(db: &dyn Db, workspace: Workspace, request: ItemId, environment: ItemId) -> Blocked {
    let Some(schema) = crate::infer::request_schema(db, workspace, request) else {
        return Blocked::Everything;
    };
    if crate::types::composition(db, workspace, schema).is_none() {
        return Blocked::Everything;
    }
    let ancestry = &crate::names::ancestry(db, workspace, environment).0;
    let platform = ancestry.iter().chain([&schema]).map(|id| footing(db, workspace, *id)).max();
    let unsound = |file| unsound_layers(db, workspace, package_of(db, workspace, file));
    let own = unsound(request.file(db));
    let layers = crate::layers::layers(db, workspace, request, environment).iter().map(|layer| {
        // Overlays stand in the package of their request, defaults in others.
        let unsound = match layer.kind {
            LayerKind::Defaults { .. } => unsound(layer.item.file(db)),
            _ => own,
        };
        unsound.get(&layer.item).copied().unwrap_or(Blocked::No)
    });
    layers.chain(platform).max().unwrap_or(Blocked::No)
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
    for layer in layers {
        let blocked = named(db, workspace, layer)
            .into_iter()
            // A request that another names is sound or not by itself.
            .filter(|id| id.kind(db) != Kind::Request)
            .map(|id| footing(db, workspace, id))
            .chain([damage(text, layer)])
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

/// Group, kind, namespace and name.
type Identity = (Name, Name, Option<Name>, Name);

/// The objects of an environment that others can clash with.
#[derive(Default)]
struct Identities {
    /// The request that makes each, and the `emit`.
    objects: FxHashMap<Identity, (ItemId, Origin)>,
    /// The objects whose number of replicas is fixed, and where.
    fixed: FxHashMap<Identity, Origin>,
    /// What autoscalers scale, each with its request and `emit`.
    scaled: Vec<(Identity, ItemId, Origin)>,
}

/// Diagnostics on their way to findings: one place and message is one finding, however many
/// environments it shows in.
struct Gathered<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    environments: Vec<ItemId>,
    found: Vec<(Diagnostic, Vec<ItemId>)>,
    index: FxHashMap<String, usize>,
}

impl<'a> Gathered<'a> {
    fn new(db: &'a dyn Db, workspace: Workspace) -> Self {
        let environments = environment_order(db, workspace).clone();
        Gathered { db, workspace, environments, found: Vec::new(), index: FxHashMap::default() }
    }

    fn add(&mut self, diagnostic: &Diagnostic, environment: Option<ItemId>) {
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

    /// What is wrong with the text and the types of packages, whatever the environment.
    fn statics(&mut self, of: &[Package]) {
        let (db, workspace) = (self.db, self.workspace);
        let files = of.iter().flat_map(|package| package_files(db, *package)).copied();
        let taken: FxHashSet<SourceFile> = files.chain([db.prelude()]).collect();
        // What others stand on comes first, so that no answer waits for a long chain of others.
        let order = typing_order(db, workspace).items.iter();
        for id in order.filter(|id| taken.contains(&id.file(db))) {
            if id.kind(db) == Kind::Type {
                alias(db, workspace, *id);
            }
            infer(db, workspace, *id);
        }
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
        if self.environments.is_empty() && is_whole(db, workspace) {
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

    /// A request in an environment; its objects, where nothing stands in the way.
    fn request(&mut self, request: ItemId, environment: ItemId) -> Option<&'a Vec<Object>> {
        let (db, workspace) = (self.db, self.workspace);
        let blocked = blocked(db, workspace, request, environment);
        if blocked == Blocked::Everything {
            return None;
        }
        let evaluated = evaluate(db, workspace, request, environment);
        // One that is misnamed is told so once, not by each of its objects.
        let misnamed = matches!(item(db, request).as_deref(), Some(tree)
            if matches!(&tree.kind, ItemKind::Request { name, .. }
                if infer(db, workspace, request).poisoned.contains(&name.id)));
        for diagnostic in &evaluated.diagnostics {
            self.add(diagnostic, Some(environment));
        }
        if misnamed {
            return None;
        }
        let made = objects(db, workspace, request, environment);
        for diagnostic in &made.diagnostics {
            self.add(diagnostic, Some(environment));
        }
        let schema = crate::infer::request_schema(db, workspace, request)?;
        let compose = crate::types::composition(db, workspace, schema)?;
        for declared in declared_outputs(db, workspace, compose) {
            let node = Node::Output(request, declared.name.clone());
            if circle(db, workspace, environment, node).is_none() {
                let output = output(db, workspace, environment, request, declared.name.clone());
                for diagnostic in &output.diagnostics {
                    self.add(diagnostic, Some(environment));
                }
            }
        }
        // Asked for by who may not: told once, whatever the environment.
        if let Some(diagnostic) = schema_diagnostic(db, workspace, request) {
            self.add(&diagnostic, None);
            return None;
        }
        if blocked == Blocked::No { made.objects.as_ref() } else { None }
    }

    /// Whether an object has the identity of another; says so.
    fn identity(
        &mut self,
        known: &mut Identities,
        request: ItemId,
        object: &Object,
        environment: ItemId,
    ) -> bool {
        let facts = kind_facts(self.db, self.workspace, object.kind);
        let key = (
            Name::from(facts.group),
            Name::from(facts.kind),
            object.namespace.clone(),
            object.name.clone(),
        );
        let Some((other, origin)) = known.objects.get(&key).copied() else {
            self.scaling(known, &key, request, object);
            known.objects.insert(key, (request, object.origin));
            return false;
        };
        let within =
            object.namespace.as_ref().map(|it| format!(" in namespace {it}")).unwrap_or_default();
        let mut error = Diagnostic::error(
            code::DUPLICATE_OBJECT,
            name_place(self.db, request),
            format!("two objects are {} {}{within}", facts.kind, object.name),
        )
        .label("makes one of them")
        .help("give one of the requests another name or namespace");
        if other == request {
            error = error
                .related(origin, "one is emitted here")
                .related(object.origin, "the other one here");
        } else {
            error = error
                .related(
                    name_place(self.db, other),
                    format!("`{}` makes the other one", other.name(self.db)),
                )
                .related(object.origin, "emitted here");
        }
        self.add(&error, Some(environment));
        true
    }

    /// What an object says of replicas: a number of its own, or what it scales.
    fn scaling(&self, known: &mut Identities, key: &Identity, request: ItemId, object: &Object) {
        let Some(spec) = object.value.fields().and_then(|fields| fields.get("spec")) else {
            return;
        };
        let get = |value: &Value, name: &str| {
            value.fields().and_then(|fields| fields.get(name)).filter(|it| !it.is_none()).cloned()
        };
        if let Some(replicas) = get(spec, "replicas")
            && initial_owner(self.db, self.workspace, &replicas).is_none()
        {
            // What the request asked for is right: the composition should leave it.
            let own = matches!(replicas.origin.item.kind(self.db), Kind::Compose | Kind::Fn);
            known.fixed.insert(key.clone(), if own { replicas.origin } else { object.origin });
        }
        if (key.0.as_str(), key.1.as_str()) == ("autoscaling", "HorizontalPodAutoscaler")
            && let Some(target) = get(spec, "scaleTargetRef")
        {
            let text = |name: &str| match get(&target, name).map(|it| it.data) {
                Some(Data::String(text)) => text,
                _ => Name::default(),
            };
            let version = text("apiVersion");
            let group = version.split_once('/').map_or("", |(group, _)| group);
            let scaled = (group.into(), text("kind"), key.2.clone(), text("name"));
            known.scaled.push((scaled, request, object.origin));
        }
    }

    /// The requests whose objects have a number of replicas that an autoscaler changes; says so.
    fn autoscaled(&mut self, known: &Identities, environment: ItemId) -> FxHashSet<ItemId> {
        let mut wrong = FxHashSet::default();
        for (key, request, scaler) in &known.scaled {
            let (Some(fixed), Some((owner, _))) = (known.fixed.get(key), known.objects.get(key))
            else {
                continue;
            };
            let (_, kind, _, name) = key;
            let error = Diagnostic::error(
                code::FIXED_REPLICAS,
                *fixed,
                format!("the `replicas` of {kind} {name} are fixed here, and an autoscaler changes them"),
            )
            .related(*scaler, "the autoscaler")
            .related(name_place(self.db, *request), "for this request")
            .help("write `replicas = initial(…, owner = \"hpa\")`, or leave it out: what is applied again and again would undo the autoscaler");
            self.add(&error, Some(environment));
            wrong.insert(*owner);
        }
        wrong
    }

    fn findings(mut self) -> Vec<Finding> {
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
