//! Two versions of a workspace, compared by the manifests that they make.

use super::{DIFFERENT, Incomplete, Named, Object, Origin, Report, Source};
use crate::args;
use crate::commands::{Stop, number, unknown_environment, working_directory};
use crate::human::{self, Printer};
use crate::machine;
use crate::terminal::{Colour, Progress, say};
use plumb_compiler::Database;
use plumb_compiler::answers::{Finding, Manifest};
use plumb_compiler::batch::{Extent, Form, Piece};
use plumb_compiler::changes::{Change, Changes, Side, changes, package};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::engine::location;
use plumb_compiler::eval::initial_owner;
use plumb_compiler::items::name_place;
use plumb_compiler::names::environments;
use plumb_compiler::source::{ItemId, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::{Data, Value};
use plumb_compiler::versions::runs;
use plumb_compiler::why::Tracer;
use plumb_kubernetes::Kubernetes;
use plumb_workspace::{Commit, LoadError, Loaded, load, work};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::path::Path;

/// Compares what two versions of a workspace make in an environment; gives the exit code.
///
/// # Errors
///
/// Where a side cannot be read, or has mistakes in its `plumb.toml`.
pub(super) fn run(args: &args::Diff, from: &String, colour: Colour) -> Result<u8, Stop> {
    let reading = Progress::new("Reading");
    let find = |revision: &String| Commit::find(&args.path, revision);
    let from = Version { commit: Some(find(from)?), revision: Some(from.clone()) };
    let to = Version { commit: args.to.as_ref().map(find).transpose()?, revision: args.to.clone() };
    let mut notes = Vec::new();
    let (from_loaded, to_loaded) = load_both(&args.path, &from, &to, &mut notes)?;
    // What was asked for may be on one side alone.
    let chosen = if to_loaded.selected.is_empty() { &from_loaded } else { &to_loaded };
    drop(reading);

    // Never dropped: the process ends with the command.
    let db = ManuallyDrop::new(Database::default());
    let from_workspace = from_loaded.open(&*db);
    let to_workspace = to_loaded.open_beside(&*db, from_workspace);
    let mut from = Opened::new(&db, from, &from_loaded, from_workspace);
    let mut to = Opened::new(&db, to, &to_loaded, to_workspace);
    for side in [&from, &to] {
        if human::errors(&side.loaded.findings) > 0 {
            side.report(&side.loaded.findings, colour);
            let name = side.version.shown();
            return Err(Stop::Failed(format!("in {name}, plumb.toml has mistakes")));
        }
    }
    for (side, other) in [(&from, &to), (&to, &from)] {
        if !side.environments.iter().any(|it| *it == args.env) {
            if !other.environments.iter().any(|it| *it == args.env) {
                let all = [to.environments.as_slice(), &from.environments].concat();
                return Err(Stop::Failed(match all.is_empty() {
                    true => "neither side has an environment".to_owned(),
                    false => unknown_environment(&args.env, &distinct(all)),
                }));
            }
            notes.push(format!("{} has no environment `{}`", side.version.shown(), args.env));
        }
    }
    for side in [&mut from, &mut to] {
        let name = side.version.shown();
        let _progress = Progress::new(&format!("Building {} in {name}", args.env));
        side.build(&db, &args.env, &|request| chosen.selects_package(package(request)));
    }
    let facts = facts(&db, &args.env, [from.workspace, to.workspace]);
    let [from_left, to_left] = [from.workspace, to.workspace].map(|workspace| {
        let db = &*db;
        move |value: &Value| initial_owner(db, workspace, value).is_some()
    });
    let all = changes(facts, &from.side(&from_left), &to.side(&to_left));
    let report = report(&db, &args.env, &from, &to, all, notes);
    report.write(args.output, colour, &[])?;
    // Why what is missing is missing.
    for side in [&from, &to] {
        let errors: Vec<Finding> =
            side.findings.iter().filter(|it| it.severity == Severity::Error).cloned().collect();
        if !errors.is_empty() {
            say(&format!("{} in {}:", number(errors.len(), "error"), side.version.shown()));
            side.report(&errors, colour);
        }
    }
    let is_equal = report.objects.is_empty() && report.incomplete.is_empty();
    Ok(if is_equal { 0 } else { DIFFERENT })
}

/// A commit, or the working tree.
struct Version {
    commit: Option<Commit>,
    /// As the user named it.
    revision: Option<String>,
}

impl Version {
    /// `main (1a2b3c4)`, in a sentence.
    fn shown(&self) -> String {
        let (Some(commit), Some(revision)) = (&self.commit, &self.revision) else {
            return "the working tree".to_owned();
        };
        let short = commit.short_id();
        match commit.id().starts_with(revision.as_str()) {
            true => short,
            false => format!("{revision} ({short})"),
        }
    }

    fn load(&self, path: &Path) -> Result<Loaded, LoadError> {
        match &self.commit {
            Some(commit) => commit.load(),
            None => load(path),
        }
    }

    /// The whole workspace at its root; one without files where it is not there.
    fn load_root(&self, root: &Path) -> Result<Loaded, LoadError> {
        let read = match &self.revision {
            Some(revision) => Commit::find(root, revision)?.load(),
            None => load(root),
        };
        match read {
            Err(error) if is_absent(&error) => Ok(Loaded {
                root: root.to_owned(),
                selected: Name::default(),
                files: BTreeMap::new(),
                dependencies: Vec::new(),
                manifest: Default::default(),
                findings: Vec::new(),
            }),
            read => read,
        }
    }
}

fn is_absent(error: &LoadError) -> bool {
    match error {
        LoadError::NoSuchPath(_) | LoadError::NoSources(_) => true,
        LoadError::InCommit(_, error) => is_absent(error),
        _ => false,
    }
}

/// Reads both sides. What is asked for may be on one of them alone: a team's new directory.
fn load_both(
    path: &Path,
    from: &Version,
    to: &Version,
    notes: &mut Vec<String>,
) -> Result<(Loaded, Loaded), Stop> {
    let mut note = |version: &Version| {
        notes.push(format!("{} has no `{}`", version.shown(), path.display()));
    };
    Ok(match (from.load(path), to.load(path)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(error), Ok(loaded)) if is_absent(&error) => {
            note(from);
            (from.load_root(&loaded.root)?, loaded)
        }
        (Ok(loaded), Err(error)) if is_absent(&error) => {
            note(to);
            let other = to.load_root(&loaded.root)?;
            (loaded, other)
        }
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    })
}

fn distinct(names: Vec<Name>) -> Vec<Name> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// What is known of the versions of Kubernetes that an environment runs on both sides.
fn facts(db: &Database, environment: &str, workspaces: [Workspace; 2]) -> &'static Kubernetes {
    let minors: Vec<u32> = workspaces
        .into_iter()
        .filter_map(|workspace| {
            let id = environments(db, workspace).0.get(environment).copied()?;
            Some(runs(db, workspace, id).0)
        })
        .collect();
    plumb_kubernetes::versions(&minors)
        .or_else(|| plumb_kubernetes::version(*plumb_kubernetes::minors().last()?))
        .expect("the table of facts has at least one version")
}

/// A side, and what it makes.
struct Opened<'l> {
    version: Version,
    loaded: &'l Loaded,
    workspace: Workspace,
    environments: Vec<Name>,
    manifests: Vec<Manifest>,
    blocked: Vec<Name>,
    /// The packages that have an error.
    broken: BTreeSet<Name>,
    findings: Vec<Finding>,
}

impl<'l> Opened<'l> {
    fn new(db: &Database, version: Version, loaded: &'l Loaded, workspace: Workspace) -> Self {
        work::parse(db, workspace, work::threads());
        Opened {
            version,
            loaded,
            workspace,
            environments: plumb_compiler::environments(db, workspace),
            manifests: Vec::new(),
            blocked: Vec::new(),
            broken: BTreeSet::new(),
            findings: Vec::new(),
        }
    }

    /// Makes the manifests of the chosen requests.
    fn build(&mut self, db: &Database, environment: &str, is_chosen: &dyn Fn(&str) -> bool) {
        let extent = Extent::whole(db, self.workspace);
        let mut batch = work::batch(db, self.workspace, extent, work::threads());
        let manifests = &mut self.manifests;
        let print = &mut |piece: Piece<'_>| {
            if let Piece::Manifest(manifest) = piece
                && is_chosen(&manifest.request)
            {
                manifests.push(manifest.clone());
            }
            Ok::<(), Infallible>(())
        };
        let (form, threads) = (Form::Objects, work::threads());
        let Ok(()) = work::run(&mut batch, db, self.workspace, environment, form, threads, print);
        self.blocked = batch.blocked().into_iter().filter(|it| is_chosen(it)).collect();
        self.findings = self.loaded.findings.clone();
        self.findings.extend(batch.findings());
        let errors = self.findings.iter().filter(|it| it.severity == Severity::Error);
        self.broken = errors
            .filter_map(|it| it.location.as_ref())
            .map(|it| it.path.rsplit_once('/').map_or("", |(directory, _)| directory))
            .map(|directory| directory.replace('/', ".").into())
            .collect();
    }

    fn side<'v>(&'v self, is_left: &'v dyn Fn(&Value) -> bool) -> Side<'v> {
        Side { manifests: &self.manifests, blocked: &self.blocked, broken: &self.broken, is_left }
    }

    /// Writes findings to stderr. When it is closed the product still counts.
    fn report(&self, findings: &[Finding], colour: Colour) {
        let stderr = io::stderr().lock();
        let directory = working_directory();
        let colour = colour.on(&stderr);
        let mut printer = Printer::new(self.loaded, &directory, &self.environments, colour);
        let mut out = BufWriter::new(stderr);
        for finding in findings {
            let _ = printer.print(&mut out, finding);
        }
        let _ = out.flush();
    }
}

fn report<'v>(
    db: &'v Database,
    environment: &str,
    from: &'v Opened<'_>,
    to: &'v Opened<'_>,
    all: Changes<'v>,
    notes: Vec<String>,
) -> Report<'v> {
    let directory = working_directory();
    let mut tracing = [from, to].map(|side| Tracing {
        db,
        side,
        environment,
        printer: Printer::new(side.loaded, &directory, &side.environments, false),
        is_old: std::ptr::eq(side, from),
        tracers: HashMap::new(),
    });
    let [old, new] = &mut tracing;
    let object = |change: Change<'v>| {
        let mut trace = |value: (Option<&Value>, Option<&Value>)| match (&change, value) {
            (Change { new: Some(manifest), .. }, (_, Some(value))) => new.source(manifest, value),
            (Change { old: Some(manifest), .. }, (Some(value), _)) => old.source(manifest, value),
            _ => unreachable!("a value is of a manifest"),
        };
        let whole = |manifest: Option<&'v Manifest>| manifest.map(|it| &it.object);
        let source = trace((whole(change.old), whole(change.new)));
        let sources: Vec<Source> =
            change.differences.iter().map(|it| trace((it.old, it.new))).collect();
        let manifest = change.new.or(change.old).expect("a change is of an object");
        let declared = match change.new {
            Some(manifest) => new.request(manifest),
            None => format!("{} in {}", old.request(manifest), from.version.shown()),
        };
        Object {
            identity: change.identity,
            api_version: api_version(manifest),
            effect: change.effect,
            request: manifest.request.clone(),
            declared,
            source,
            differences: change.differences.into_iter().zip(sources).collect(),
        }
    };
    let objects = all.objects.into_iter().map(object).collect();
    let mut incomplete = Vec::new();
    for (side, counts, is_old) in [(to, &all.lost, false), (from, &all.found, true)] {
        let requests: BTreeSet<&Name> = side.blocked.iter().chain(counts.keys()).collect();
        incomplete.extend(requests.into_iter().map(|request| Incomplete {
            request: request.clone(),
            is_blocked: side.blocked.contains(request),
            is_both: from.blocked.contains(request) && to.blocked.contains(request),
            is_old,
            objects: counts.get(request).copied().unwrap_or_default(),
        }));
    }
    Report {
        environment: environment.to_owned(),
        from: from.named(),
        to: to.named(),
        objects,
        same: all.same,
        incomplete,
        others: Vec::new(),
        notes,
    }
}

fn api_version(manifest: &Manifest) -> String {
    let said = manifest.object.fields().and_then(|fields| fields.get("apiVersion"));
    match said.map(|it| &it.data) {
        Some(Data::String(text)) => text.to_string(),
        _ => String::new(),
    }
}

impl Opened<'_> {
    fn named(&self) -> Named {
        let commit = self.version.commit.as_ref();
        Named {
            shown: self.version.shown(),
            revision: self.version.revision.clone(),
            commit: commit.map(Commit::id),
            summary: commit.map(|it| it.summary().to_owned()),
            cluster: None,
        }
    }
}

/// Tells what made the values of a side.
struct Tracing<'v> {
    db: &'v Database,
    side: &'v Opened<'v>,
    environment: &'v str,
    printer: Printer<'v>,
    is_old: bool,
    tracers: HashMap<ItemId, Tracer<'v>>,
}

impl Tracing<'_> {
    fn source(&mut self, manifest: &Manifest, value: &Value) -> Source {
        let (db, workspace) = (self.db, self.side.workspace);
        let tracer = self
            .tracers
            .entry(manifest.item)
            .or_insert_with(|| Tracer::new(db, workspace, manifest.item, self.environment));
        let found = tracer.source(manifest, value);
        let origin = Origin {
            layer: found.layer,
            place: self.printer.line(&found.location),
            span: machine::span(self.side.loaded, &found.location),
            from: found.from,
        };
        Source {
            is_old: self.is_old,
            origin: Some(origin),
            left_to: found.left_to,
            ..Source::default()
        }
    }

    fn request(&self, manifest: &Manifest) -> String {
        self.printer.line(&location(self.db, name_place(self.db, manifest.item)))
    }
}
