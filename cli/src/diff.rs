//! What sets two commits apart, or a commit and the working tree: the manifests of both, compared.
//!
//! ```text
//! two workspaces, one database ─> the manifests of both ─ plumb_compiler::changes ─> Report, plain data
//!   -> text       for people
//!   -> markdown   for pull requests
//!   -> data       for programs
//! ```

mod data;
mod markdown;
mod text;

use crate::args::{self, Differences};
use crate::chain::{cut, short};
use crate::commands::{Stop, number, unknown_environment, working_directory};
use crate::human::{self, Printer};
use crate::machine;
use crate::terminal::{Colour, Progress, say};
use plumb_compiler::Database;
use plumb_compiler::answers::{Finding, Manifest};
use plumb_compiler::batch::{Extent, Form, Piece};
use plumb_compiler::changes::{
    Change, Changes, Difference, EFFECTS, Effect, Side, changes, package,
};
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
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::path::Path;

/// The sides differ, or it cannot be told: what `diff` and `kubectl diff` exit with.
const DIFFERENT: u8 = 1;

/// Values longer than this are cut, in characters: an image with its digest is whole.
const MAX_VALUE: usize = 160;

/// The lines that are shown of what differs between two texts.
const MAX_LINES: usize = 24;

/// Compares what two versions of a workspace make in an environment; gives the exit code.
///
/// # Errors
///
/// Where a side cannot be read, or has mistakes in its `plumb.toml`.
pub(crate) fn run(args: &args::Diff, colour: Colour) -> Result<u8, Stop> {
    let reading = Progress::new("Reading");
    let find = |revision: &String| Commit::find(&args.path, revision);
    let from = Version { commit: Some(find(&args.from)?), revision: Some(args.from.clone()) };
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
    let report = report(&db, &args.env, &from, &to, &all, notes);
    let stream = io::stdout().lock();
    let colour_on = colour.on(&stream);
    let mut out = BufWriter::new(stream);
    match args.output {
        Differences::Human => out.write_all(text::render(&report, colour_on).as_bytes())?,
        Differences::Markdown => out.write_all(markdown::render(&report).as_bytes())?,
        Differences::Json => {
            serde_json::to_writer_pretty(&mut out, &data::render(&report))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
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

/// All there is to print.
struct Report<'v> {
    environment: String,
    from: Named,
    to: Named,
    /// The gravest first.
    objects: Vec<Object<'v>>,
    same: usize,
    incomplete: Vec<Incomplete>,
    /// What else is to be known, a sentence each.
    notes: Vec<String>,
}

/// What a side is called.
struct Named {
    /// In a sentence: `main (1a2b3c4)`.
    shown: String,
    /// Nothing of these for the working tree.
    revision: Option<String>,
    commit: Option<String>,
    summary: Option<String>,
}

/// An object that differs.
struct Object<'v> {
    change: &'v Change<'v>,
    /// What makes it, or made it.
    source: Source,
    /// Where its request is declared.
    request: String,
    /// What made the value of each difference, as it will be or, where it is taken out, as it was.
    sources: Vec<Source>,
}

/// What made a value.
struct Source {
    is_old: bool,
    layer: String,
    place: String,
    span: Json,
    from: Vec<String>,
    left_to: Option<Name>,
}

/// A request that one side says too little of.
struct Incomplete {
    request: Name,
    /// The request itself does not build there; otherwise another one of its package.
    is_blocked: bool,
    is_old: bool,
    /// It builds on neither side.
    is_both: bool,
    /// The objects that are left out for that reason.
    objects: usize,
}

fn report<'v>(
    db: &'v Database,
    environment: &str,
    from: &'v Opened<'_>,
    to: &'v Opened<'_>,
    all: &'v Changes<'v>,
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
    let objects = all
        .objects
        .iter()
        .map(|change| {
            let mut trace = |value: (Option<&Value>, Option<&Value>)| match (change, value) {
                (Change { new: Some(manifest), .. }, (_, Some(value))) => {
                    new.source(manifest, value)
                }
                (Change { old: Some(manifest), .. }, (Some(value), _)) => {
                    old.source(manifest, value)
                }
                _ => unreachable!("a value is of a manifest"),
            };
            let whole = |manifest: Option<&'v Manifest>| manifest.map(|it| &it.object);
            let source = trace((whole(change.old), whole(change.new)));
            let sources = change.differences.iter().map(|it| trace((it.old, it.new))).collect();
            let request = match change.new {
                Some(manifest) => new.request(manifest),
                None => old.request(change.old.expect("a change is of an object")),
            };
            Object { change, source, request, sources }
        })
        .collect();
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
        notes,
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
        Source {
            is_old: self.is_old,
            layer: found.layer,
            place: self.printer.line(&found.location),
            span: machine::span(self.side.loaded, &found.location),
            from: found.from,
            left_to: found.left_to,
        }
    }

    fn request(&self, manifest: &Manifest) -> String {
        self.printer.line(&location(self.db, name_place(self.db, manifest.item)))
    }
}

impl Report<'_> {
    /// "1 deleted, 3 restarted; 40 the same".
    fn summary(&self) -> String {
        let counts = EFFECTS.iter().filter_map(|effect| {
            let count = self.objects.iter().filter(|it| it.change.effect == *effect).count();
            (count > 0).then(|| format!("{count} {}", word(*effect)))
        });
        let mut parts: Vec<String> = counts.collect();
        let lacking = self.not_compared().len();
        if lacking > 0 {
            parts.push(format!("{} not compared", number(lacking, "request")));
        }
        let same = number(self.same, "object");
        match parts.is_empty() {
            true => format!("no difference in {same}"),
            false => format!("{}; {same} the same", parts.join(", ")),
        }
    }

    /// What a side says too little of, a sentence for each request.
    fn not_compared(&self) -> Vec<String> {
        let once = self.incomplete.iter().filter(|it| !(it.is_both && it.is_old));
        once.map(|it| self.told(it)).collect()
    }

    fn told(&self, incomplete: &Incomplete) -> String {
        let Incomplete { request, is_blocked, is_old, is_both, objects } = incomplete;
        if *is_both {
            return format!("{request} builds on neither side");
        }
        let side = if *is_old { &self.from.shown } else { &self.to.shown };
        let theirs = |count: usize| match count {
            1 => "its object is".to_owned(),
            count => format!("its {count} objects are"),
        };
        match (is_blocked, is_old, objects) {
            (true, _, 0) => format!("{request} does not build in {side}"),
            (true, true, count) => {
                let theirs = theirs(*count);
                format!("{request} does not build in {side}, so whether {theirs} new is not known")
            }
            (true, false, count) => {
                format!("{request} does not build in {side}, so {} left as they were", theirs(*count))
            }
            (false, _, count) => format!(
                "{request} is not in {side}, but its package does not build there, so {} left as they were",
                theirs(*count)
            ),
        }
        .replace("object is left as they were", "object is left as it was")
    }
}

/// What becomes of objects, in a word.
fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Deleted => "deleted",
        Effect::Replaced => "replaced",
        Effect::Restarted => "restarted",
        Effect::Changed => "changed in place",
        Effect::Created => "created",
        Effect::Left => "left alone",
    }
}

/// What that means, where the word does not say it all.
fn meaning(effect: Effect) -> Option<&'static str> {
    match effect {
        Effect::Replaced => Some(
            "what differs cannot be changed in place, so that it takes deleting and making anew",
        ),
        Effect::Restarted => Some("new pods take the place of the old ones"),
        Effect::Left => {
            Some("what differs is set when an object is made, and then left to its owner")
        }
        Effect::Deleted | Effect::Changed | Effect::Created => None,
    }
}

/// What goes with an object that is deleted.
fn goes_with(change: &Change<'_>) -> Option<&'static str> {
    if !matches!(change.effect, Effect::Deleted | Effect::Replaced) {
        return None;
    }
    match change.identity.kind.as_str() {
        "Namespace" => Some("with all that is in it"),
        "CustomResourceDefinition" => Some("with all objects of its kind"),
        "PersistentVolumeClaim" => Some("with its data, unless its volume is retained"),
        _ => None,
    }
}

/// "overlay cart in prod, apps/shop/cart.plumb:17, from env.CART_TTL"; of what was taken out, with the commit
/// that has the line.
fn source_words(source: &Source, report: &Report<'_>) -> String {
    let from = match source.from.as_slice() {
        [] => String::new(),
        from => format!(", from {}", from.join(", ")),
    };
    let commit = match source.is_old {
        true => format!(" in {}", report.from.shown),
        false => String::new(),
    };
    format!("{}, {}{commit}{from}", source.layer, source.place)
}

/// Where a declaration stands, with the commit where it is not there any more.
fn declared(place: &str, effect: Effect, report: &Report<'_>) -> String {
    match effect {
        Effect::Deleted => format!("{place} in {}", report.from.shown),
        _ => place.to_owned(),
    }
}

/// What is to be known of a difference beside its values, where there is something.
fn remark(difference: &Difference<'_>, source: &Source) -> Option<String> {
    match (difference.effect, &source.left_to) {
        (Effect::Replaced, _) => Some("cannot be changed in place".to_owned()),
        (Effect::Left, Some(owner)) => {
            Some(format!("left to {owner}: an object that is there keeps what it has"))
        }
        _ if difference.is_order => Some("the same elements in another order".to_owned()),
        _ => None,
    }
}

/// A value on one line.
fn shown(value: &Value, difference: &Difference<'_>) -> String {
    match difference.is_secret {
        true => "(hidden)".to_owned(),
        false => cut(&short(Some(value)), MAX_VALUE),
    }
}

/// What is behind the sign of a line.
type Line = (char, String);

/// The lines that differ between two texts of several lines, with one around them.
fn lines(difference: &Difference<'_>) -> Option<Vec<Line>> {
    let text = |value: Option<&Value>| match &value?.data {
        Data::String(text) => Some(text.to_string()),
        _ => None,
    };
    let (old, new) = (text(difference.old)?, text(difference.new)?);
    if difference.is_secret || !(old.contains('\n') && new.contains('\n')) {
        return None;
    }
    let compared = TextDiff::from_lines(&old, &new);
    let mut lines: Vec<Line> = Vec::new();
    for group in compared.grouped_ops(1) {
        if !lines.is_empty() {
            lines.push((' ', "…".to_owned()));
        }
        for change in group.iter().flat_map(|op| compared.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value().trim_end_matches(['\n', '\r']);
            lines.push((sign, cut(line, MAX_VALUE)));
        }
    }
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push((' ', format!("… {}", number(more, "more line"))));
    }
    // Only the ends of lines differ, or the last one.
    (!lines.is_empty()).then_some(lines)
}

/// Objects that are there on one side alone, by request: where that is declared, and the objects.
fn by_request<'r, 'v>(
    report: &'r Report<'v>,
    effect: Effect,
) -> Vec<(&'r Name, &'r str, Vec<&'r Object<'v>>)> {
    let mut groups: Vec<(&Name, &str, Vec<&Object<'v>>)> = Vec::new();
    for object in report.objects.iter().filter(|it| it.change.effect == effect) {
        let request = object.change.request();
        match groups.last_mut() {
            Some((last, _, objects)) if *last == request => objects.push(object),
            _ => groups.push((request, &object.request, vec![object])),
        }
    }
    groups
}

/// Whether objects of an effect are on one side alone, so that there are no fields to tell of.
fn is_alone(effect: Effect) -> bool {
    matches!(effect, Effect::Created | Effect::Deleted)
}

/// Objects of an effect that differ alike, in the order of the first: a change of a platform is told once,
/// with all whom it concerns.
fn alike<'r, 'v>(
    report: &'r Report<'v>,
    effect: Effect,
    body: impl Fn(&Object<'v>) -> String,
) -> Vec<(String, Vec<&'r Object<'v>>)> {
    let mut groups: Vec<(String, Vec<&Object<'v>>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for object in report.objects.iter().filter(|it| it.change.effect == effect) {
        let body = body(object);
        match known.get(&body) {
            Some(at) => groups[*at].1.push(object),
            None => {
                known.insert(body.clone(), groups.len());
                groups.push((body, vec![object]));
            }
        }
    }
    groups
}
