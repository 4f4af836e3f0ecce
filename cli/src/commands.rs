//! The commands: load, ask the engine, print.

use crate::args::{self, Cli, Command, Manifests, Report};
use crate::human::{self, Printer};
use crate::terminal::{Colour, Progress, say};
use crate::{annotations, apply, chain, diff, drift, explain, files, fmt, init, machine, rbac};
use clap::CommandFactory;
use plumb_compiler::Database;
use plumb_compiler::answers::{Finding, Location, Manifest};
use plumb_compiler::batch::{Batch, Extent, Form, Piece};
use plumb_compiler::diagnostics::nearest;
use plumb_compiler::plan::Notation;
use plumb_compiler::source::Workspace;
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::Value;
use plumb_compiler::why::{Source, Tracer};
use plumb_compiler::yaml::Note;
use plumb_workspace::{Loaded, load, work};
use std::convert::Infallible;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Errors were found.
pub(crate) const FOUND_ERRORS: u8 = 1;

/// The command could not do its work.
pub(crate) const COULD_NOT_RUN: u8 = 2;

/// What is written at once, in bytes.
const BLOCK: usize = 256 << 10;

/// Why a command stopped.
pub(crate) enum Stop {
    /// It could not run; what the user is told, without a period.
    Failed(String),
    /// It could not write.
    Write(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Write(error)
    }
}

impl From<plumb_workspace::LoadError> for Stop {
    fn from(error: plumb_workspace::LoadError) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// Runs a command and says what the program exits with.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let done = match &cli.command {
        Command::Check(args) => check(args, cli.color),
        Command::Build(args) => build(args, cli.color),
        Command::Why(args) => why(args, cli.color),
        Command::Diff(args) => diff::run(args, cli.color),
        Command::Apply(args) => apply::run(args, cli.color),
        Command::Drift(args) => drift::run(args, cli.color),
        Command::Rbac(args) => rbac::run(args, cli.color),
        Command::Fmt(args) => fmt::run(args, cli.color),
        Command::Lsp { .. } => plumb_lsp::server::serve()
            .map(|()| 0)
            .map_err(|error| Stop::Failed(format!("cannot start: {error}"))),
        Command::Init { directory } => init(directory),
        Command::Explain { code } => explain_code(code.as_deref(), cli.color),
        Command::Completions { shell } => completions(*shell),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        // Who stops reading has what they wanted: `plumb build … | head`.
        Err(Stop::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Stop::Write(error)) => {
            say(&format!("plumb: cannot write: {error}"));
            ExitCode::from(COULD_NOT_RUN)
        }
        Err(Stop::Failed(message)) => {
            say(&format!("plumb: {message}"));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// A workspace, and an engine that holds it.
struct Session {
    loaded: Loaded,
    db: Database,
    workspace: Workspace,
    environments: Vec<Name>,
    colour: Colour,
}

impl Session {
    /// Never dropped: the process ends with the command, and giving back what an engine remembers piece by
    /// piece takes a tenth of a large build.
    fn open(path: &Path, colour: Colour) -> Result<ManuallyDrop<Session>, Stop> {
        let loaded = {
            let _progress = Progress::new("Reading");
            load(path)?
        };
        let db = Database::default();
        let workspace = loaded.open(&db);
        work::parse(&db, workspace, work::threads());
        let environments = plumb_compiler::environments(&db, workspace);
        Ok(ManuallyDrop::new(Session { loaded, db, workspace, environments, colour }))
    }

    /// Everything that is wrong, what the loader found first.
    fn findings(&self) -> Vec<Finding> {
        self.findings_of(|_| true)
    }

    /// What is wrong with some files, those that use them, and what they stand on.
    fn findings_of(&self, is_chosen: impl Fn(&str) -> bool) -> Vec<Finding> {
        let files = number(self.loaded.files.len(), "file");
        let environments = number(self.environments.len(), "environment");
        let _progress = Progress::new(&format!("Checking {files} in {environments}"));
        let extent = Extent::of(&self.db, self.workspace, is_chosen);
        let mut batch = self.batch(extent);
        for environment in &self.environments {
            let print = &mut |_: Piece<'_>| Ok::<(), Infallible>(());
            let Ok(()) = self.run(&mut batch, environment, Form::Text(Notation::Yaml), print);
        }
        self.all(batch)
    }

    /// Begins a batch.
    fn batch(&self, extent: Extent) -> Batch<'_> {
        work::batch(&self.db, self.workspace, extent, work::threads())
    }

    /// Gives each request of an environment its turn, on all cores.
    fn run<E: Send>(
        &self,
        batch: &mut Batch<'_>,
        environment: &str,
        form: Form,
        print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        work::run(batch, &self.db, self.workspace, environment, form, work::threads(), print)
    }

    /// What the loader found, and then what a batch found.
    fn all(&self, batch: Batch<'_>) -> Vec<Finding> {
        let mut findings = self.loaded.findings.clone();
        findings.extend(batch.findings());
        findings
    }

    /// Writes findings to a stream, buffered: the lock is taken once, and the screen does not flicker.
    fn print(&self, stream: impl Write + IsTerminal, findings: &[Finding]) -> io::Result<()> {
        let directory = working_directory();
        let colour = self.colour.on(&stream);
        let mut printer = Printer::new(&self.loaded, &directory, &self.environments, colour);
        let mut out = BufWriter::new(stream);
        for finding in findings {
            printer.print(&mut out, finding)?;
        }
        out.flush()
    }

    /// The findings on stderr and their number, where the product is something else. When stderr is
    /// closed the product still counts.
    fn report(&self, findings: &[Finding]) {
        let _ = self.print(io::stderr().lock(), findings);
        if let Some(count) = human::count(findings) {
            say(&count);
        }
    }

    /// The environment of this name; otherwise what the user is told.
    fn environment(&self, wanted: &str) -> Result<&Name, Stop> {
        if let Some(name) = self.environments.iter().find(|name| *name == wanted) {
            return Ok(name);
        }
        if self.environments.is_empty() {
            // Most likely a mistake hides them: without it the message would make no sense.
            self.report(&self.findings());
            return Err(Stop::Failed("the workspace has no environment".to_owned()));
        }
        Err(Stop::Failed(unknown_environment(wanted, &self.environments)))
    }

    /// `plumb.toml` decides what everything else means: where it is wrong, nothing is built.
    fn manifest_is_wrong(&self) -> bool {
        human::errors(&self.loaded.findings) > 0
    }
}

pub(crate) fn unknown_environment(wanted: &str, environments: &[Name]) -> String {
    let names = environments.iter().map(|name| name.as_str());
    let guess = match nearest(wanted, names) {
        Some(meant) => format!("did you mean `{meant}`? "),
        None => String::new(),
    };
    let all = environments.join(", ");
    format!("there is no environment `{wanted}`; {guess}the workspace has {all}")
        .replace("? the workspace has", "? The workspace has")
}

pub(crate) fn number(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The directory that paths are shown relative to. Without one they are shown absolute.
pub(crate) fn working_directory() -> PathBuf {
    std::env::current_dir().and_then(std::fs::canonicalize).unwrap_or_default()
}

fn check(args: &args::Check, colour: Colour) -> Result<u8, Stop> {
    let session = Session::open(&args.path, colour)?;
    let chosen = session.findings_of(|path| session.loaded.selects(path));
    let (findings, elsewhere) = select(&session.loaded, chosen);
    let directory = working_directory();
    let printer = Printer::new(&session.loaded, &directory, &session.environments, false);
    let mut out = BufWriter::new(io::stdout().lock());
    match args.output {
        args::Findings::Json => {
            serde_json::to_writer_pretty(&mut out, &machine::findings(&session.loaded, &findings))
                .map_err(io::Error::from)?;
            writeln!(out)?;
            out.flush()?;
        }
        args::Findings::Sarif => {
            let log = annotations::sarif(&session.loaded, &printer, &findings);
            serde_json::to_writer_pretty(&mut out, &log).map_err(io::Error::from)?;
            writeln!(out)?;
            out.flush()?;
        }
        args::Findings::Github => {
            for finding in &findings {
                writeln!(out, "{}", annotations::github(&session.loaded, &printer, finding))?;
            }
            out.flush()?;
            say(&human::count(&findings).unwrap_or_else(|| "no problems".to_owned()));
        }
        args::Findings::Human => {
            drop(out);
            session.print(io::stdout().lock(), &findings)?;
            let mut summary = human::count(&findings).unwrap_or_else(|| {
                let files = number(session.loaded.selected_sources().count(), "file");
                let environments = number(session.environments.len(), "environment");
                format!("checked {files} in {environments}: no problems")
            });
            if let Some(elsewhere) = human::count(&elsewhere) {
                summary += &format!("; {elsewhere} elsewhere in the workspace");
            }
            say(&summary);
        }
    }
    Ok(if human::errors(&findings) > 0 { FOUND_ERRORS } else { 0 })
}

/// Those findings that concern the selected path, and the others. What has no place, and what is
/// wrong with `plumb.toml`, concerns all.
fn select(loaded: &Loaded, findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    findings.into_iter().partition(|finding| {
        let Some(location) = &finding.location else { return true };
        location.path == plumb_workspace::MANIFEST
            || loaded.selects(&location.path)
            || finding.related.iter().any(|(location, _)| loaded.selects(&location.path))
    })
}

fn build(args: &args::Build, colour: Colour) -> Result<u8, Stop> {
    let session = Session::open(&args.path, colour)?;
    if session.manifest_is_wrong() {
        session.report(&session.loaded.findings);
        return Ok(FOUND_ERRORS);
    }
    let environments = match &args.env {
        Some(name) => std::slice::from_ref(session.environment(name)?),
        None if session.environments.is_empty() => std::slice::from_ref(session.environment("")?),
        None => &session.environments,
    };
    if args.annotate && args.output == Manifests::Json {
        return Err(Stop::Failed("--annotate writes comments, and JSON has none".to_owned()));
    }
    let directory = working_directory();
    let printer = Printer::new(&session.loaded, &directory, &session.environments, false);
    let out = BufWriter::with_capacity(BLOCK, io::stdout().lock());
    let mut out = Stream::new(args.output, args.all_envs, out);
    let mut folder = match &args.out_dir {
        Some(path) => Some(files::Directory::open(path).map_err(Stop::Failed)?),
        None => None,
    };
    let is_plain = !args.annotate && folder.is_none();
    let whole = session.loaded.selected.is_empty();
    let form = match args.output {
        Manifests::Yaml if is_plain && whole => Form::Text(Notation::Yaml),
        Manifests::Json if is_plain && whole => Form::Text(Notation::Json),
        _ => Form::Objects,
    };
    let mut blocked: Vec<(Name, Name)> = Vec::new();
    let extent = Extent::whole(&session.db, session.workspace);
    let mut batch = session.batch(extent);
    for environment in environments {
        let _progress = Progress::new(&format!("Building {environment}"));
        if folder.is_none() {
            out.environment(environment)?;
        }
        // Manifests of one request follow each other, but for what is applied before all.
        let mut tracer: Option<Tracer<'_>> = None;
        session.run(&mut batch, environment, form, &mut |piece| {
            let manifest = match piece {
                Piece::Text(document) => return out.document(document),
                Piece::Manifest(manifest) if is_selected(&session.loaded, manifest) => manifest,
                Piece::Manifest(_) => return Ok(()),
            };
            if args.annotate && tracer.as_ref().is_none_or(|it| it.request() != manifest.item) {
                let (db, workspace) = (&session.db, session.workspace);
                tracer = Some(Tracer::new(db, workspace, manifest.item, environment));
            }
            let mut tell = |value: &Value, _| {
                let source = tracer.as_mut()?.source(manifest, value);
                Some(note(&source, &printer.line(&source.location)))
            };
            let note = args.annotate.then_some(&mut tell as &mut Note<'_>);
            match &mut folder {
                Some(folder) => {
                    let (text, extension) = document(args.output, manifest, note);
                    folder.add(environment, &manifest.request, &manifest.object, text, extension);
                    Ok(())
                }
                None => out.manifest(manifest, note),
            }
        })?;
        blocked.extend(batch.blocked().into_iter().map(|it| (environment.clone(), it)));
    }
    let findings = session.all(batch);
    match (folder, &args.out_dir) {
        (Some(folder), Some(path)) => {
            let chosen = |request: &Name| {
                session.loaded.selects_package(request.rsplit_once('.').map_or("", |it| it.0))
            };
            let is_blocked = |environment: &str, request: &Name| {
                blocked.iter().any(|(of, it)| *of == environment && it == request)
            };
            let written = folder.write(environments, chosen, is_blocked).map_err(Stop::Failed)?;
            say(&summary(&written, path));
        }
        _ => out.end()?,
    }
    // Also those outside the selected path: a mistake in the platform's package can be the reason why
    // a manifest that was asked for is missing.
    session.report(&findings);
    Ok(if human::errors(&findings) > 0 { FOUND_ERRORS } else { 0 })
}

/// A manifest as a file holds it, and what its name ends with.
fn document(
    format: Manifests,
    manifest: &Manifest,
    note: Option<&mut Note<'_>>,
) -> (String, &'static str) {
    let mut text = String::new();
    match (format, note) {
        (Manifests::Json, _) => {
            plumb_compiler::json::write(&mut text, &manifest.object, true);
            text.push('\n');
            (text, "json")
        }
        (Manifests::Yaml, Some(note)) => {
            plumb_compiler::yaml::write_annotated(&mut text, &manifest.object, note);
            (text, "yaml")
        }
        (Manifests::Yaml, None) => {
            plumb_compiler::yaml::write_document(&mut text, &manifest.object);
            (text, "yaml")
        }
    }
}

/// "45 manifests in out: 2 new, 1 changed, 1 removed".
fn summary(written: &files::Written, path: &Path) -> String {
    let all = written.new + written.changed + written.unchanged;
    let of = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let parts: Vec<String> = [
        of(written.new, "new"),
        of(written.changed, "changed"),
        of(written.unchanged, "unchanged"),
        of(written.removed, "removed"),
        of(written.kept, "kept of requests with errors"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("{} in {}{parts}", number(all, "manifest"), path.display())
}

fn init(directory: &Path) -> Result<u8, Stop> {
    let written = init::write(directory).map_err(Stop::Failed)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for path in written {
        writeln!(out, "{}", path.display())?;
    }
    out.flush()?;
    let step = match directory == Path::new(".") {
        true => "",
        false => &format!("cd {} && ", directory.display()),
    };
    say(&format!("a workspace to begin with; next: {step}plumb build --env prod"));
    Ok(0)
}

fn explain_code(code: Option<&str>, colour: Colour) -> Result<u8, Stop> {
    let stream = io::stdout().lock();
    let colour = colour.on(&stream);
    let mut out = BufWriter::new(stream);
    let bold = |text: &str| match colour {
        true => format!("\x1b[1m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    match code {
        Some(code) => {
            // As it is printed, in brackets, is fine too.
            let code = code.trim_start_matches('[').trim_end_matches(']');
            let Some(page) = explain::page(code) else {
                let known = explain::PAGES.iter().map(|(code, _)| *code);
                let guess = match nearest(code, known) {
                    Some(meant) => format!("; did you mean `{meant}`?"),
                    None => "; `plumb explain` lists them".to_owned(),
                };
                return Err(Stop::Failed(format!("there is no diagnostic `{code}`{guess}")));
            };
            write!(out, "{}", explain::rendered(page, bold))?;
        }
        None => {
            let width = explain::PAGES.iter().map(|(code, _)| code.len()).max().unwrap_or_default();
            for (code, page) in explain::PAGES {
                let padding = " ".repeat(width - code.len());
                let summary = explain::summary(page);
                // To the end of the first sentence.
                let summary = summary.split_once(". ").map_or(summary.as_str(), |(it, _)| it);
                writeln!(out, "{}{padding}  {}", bold(code), summary.trim_end_matches('.'))?;
            }
        }
    }
    out.flush()?;
    Ok(0)
}

/// What made a value, as the comment behind it says.
fn note(source: &Source, place: &str) -> String {
    let from = match source.from.as_slice() {
        [] => String::new(),
        from => format!(", from {}", from.join(", ")),
    };
    let left = match &source.left_to {
        Some(owner) => format!("; set at first, then left to {owner}"),
        None => String::new(),
    };
    format!("{}, {place}{from}{left}", source.layer)
}

fn is_selected(loaded: &Loaded, manifest: &Manifest) -> bool {
    let package = manifest.request.rsplit_once('.').map_or("", |(package, _)| package);
    loaded.selects_package(package)
}

/// Manifests on their way out, one at a time.
struct Stream<W: Write> {
    format: Manifests,
    /// Whether each manifest is told apart by its environment.
    by_environment: bool,
    out: W,
    /// The environment whose manifests come now, and whether one of them was written.
    current: Option<(Name, bool)>,
    /// One manifest as text, kept to reuse its memory.
    text: String,
}

impl<W: Write> Stream<W> {
    fn new(format: Manifests, by_environment: bool, out: W) -> Self {
        Stream { format, by_environment, out, current: None, text: String::new() }
    }

    /// What follows belongs to this environment.
    fn environment(&mut self, name: &Name) -> io::Result<()> {
        let first = self.current.is_none();
        self.end_environment()?;
        if self.format == Manifests::Json {
            match (self.by_environment, first) {
                (true, true) => write!(self.out, "{{\n{}: [", Json(name))?,
                (true, false) => write!(self.out, ",\n{}: [", Json(name))?,
                (false, _) => write!(self.out, "[")?,
            }
        }
        self.current = Some((name.clone(), false));
        Ok(())
    }

    /// A document as text: of YAML behind its `---` line, which stands also before the first, so that what
    /// several builds print can be put one after the other.
    fn document(&mut self, document: &str) -> io::Result<()> {
        let Some((environment, any)) = &mut self.current else { return Ok(()) };
        let first = !std::mem::replace(any, true);
        match (self.format, document.split_once('\n')) {
            (Manifests::Json, _) => self.out.write_all(if first { b"\n" } else { b",\n" })?,
            (Manifests::Yaml, Some((separator, document))) if first && self.by_environment => {
                return write!(self.out, "{separator}\n# environment: {environment}\n{document}");
            }
            _ => {}
        }
        self.out.write_all(document.as_bytes())
    }

    /// `note` says what stands in a comment behind each value, in YAML.
    fn manifest(&mut self, manifest: &Manifest, note: Option<&mut Note<'_>>) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        match (self.format, note) {
            (Manifests::Yaml, Some(note)) => {
                text.push_str("---\n");
                plumb_compiler::yaml::write_annotated(&mut text, &manifest.object, note);
            }
            (Manifests::Yaml, None) => Notation::Yaml.write_document(&mut text, &manifest.object),
            (Manifests::Json, _) => Notation::Json.write_document(&mut text, &manifest.object),
        }
        let done = self.document(&text);
        self.text = text;
        done
    }

    fn end_environment(&mut self) -> io::Result<()> {
        match (self.format, &self.current) {
            (Manifests::Json, Some((_, true))) => write!(self.out, "\n]"),
            (Manifests::Json, Some((_, false))) => write!(self.out, "]"),
            _ => Ok(()),
        }
    }

    /// Nothing follows.
    fn end(mut self) -> io::Result<()> {
        self.end_environment()?;
        if self.format == Manifests::Json {
            self.out.write_all(if self.by_environment { b"\n}\n" } else { b"\n" })?;
        }
        self.out.flush()
    }
}

/// A name as a JSON string.
struct Json<'a>(&'a Name);

impl std::fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", serde_json::Value::from(self.0.as_str()))
    }
}

fn why(args: &args::Why, colour: Colour) -> Result<u8, Stop> {
    let session = Session::open(&args.path, colour)?;
    if session.manifest_is_wrong() {
        session.report(&session.loaded.findings);
        return Ok(FOUND_ERRORS);
    }
    let environment = session.environment(&args.env)?;
    let why = plumb_compiler::why(&session.db, session.workspace, environment, &args.address)
        .map_err(Stop::Failed)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match args.output {
        Report::Json => {
            serde_json::to_writer_pretty(&mut out, &machine::why(&session.loaded, &why))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Report::Human => {
            let directory = working_directory();
            let printer = Printer::new(&session.loaded, &directory, &session.environments, false);
            let place = |location: &Location| printer.line(location);
            out.write_all(chain::render(&args.address, &why, place).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(0)
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Stop> {
    // Into memory first: the generator panics where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "plumb", &mut text);
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::origin;
    use crate::human::tests::{at, finding, loaded};
    use plumb_compiler::value::{Data, Fields, Value};
    use serde_json::json;

    #[test]
    fn an_unknown_environment_is_told_the_near_one_and_all() {
        let environments = ["dev", "staging", "prod"].map(Name::from);
        assert_eq!(
            unknown_environment("prd", &environments),
            "there is no environment `prd`; did you mean `prod`? The workspace has dev, staging, prod"
        );
        assert_eq!(
            unknown_environment("moon", &environments),
            "there is no environment `moon`; the workspace has dev, staging, prod"
        );
    }

    #[test]
    fn a_finding_concerns_a_path_where_it_or_what_is_related_to_it_stands() {
        let mut loaded = loaded(&[("apps/shop/a.plumb", ""), ("platform/b.plumb", "")]);
        loaded.selected = "apps/shop".into();
        let here = finding("here", Some(at("apps/shop/a.plumb", 0, 0)));
        let there = finding("there", Some(at("platform/b.plumb", 0, 0)));
        let manifest = finding("manifest", Some(at("plumb.toml", 0, 0)));
        let all = finding("all", None);
        let mut related = there.clone();
        related.related = vec![(at("apps/shop/a.plumb", 0, 0), String::new())];
        let findings =
            vec![here.clone(), there.clone(), related.clone(), manifest.clone(), all.clone()];
        let (selected, elsewhere) = select(&loaded, findings);
        assert_eq!(selected, [here, related, manifest, all]);
        assert_eq!(elsewhere, [there]);
    }

    fn manifest(request: &str, number: i64) -> Manifest {
        let origin = origin();
        let mut fields = Fields::default();
        fields.insert("count".into(), Value::new(Data::Int(number), origin));
        Manifest {
            item: origin.item,
            request: request.into(),
            object: Value::record(fields, origin),
            composed: [].into(),
        }
    }

    /// What is printed of environments with manifests that hold these numbers.
    fn stream(format: Manifests, by_environment: bool, environments: &[(&str, &[i64])]) -> String {
        let mut out = Vec::new();
        let mut stream = Stream::new(format, by_environment, &mut out);
        for (name, numbers) in environments {
            stream.environment(&(*name).into()).unwrap();
            for number in *numbers {
                stream.manifest(&manifest("shop", *number), None).unwrap();
            }
        }
        stream.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn yaml_documents_are_separated_and_told_their_environment_where_there_are_several() {
        assert_eq!(
            stream(Manifests::Yaml, false, &[("prod", &[1, 2])]),
            "---\ncount: 1\n---\ncount: 2\n"
        );
        assert_eq!(
            stream(Manifests::Yaml, true, &[("dev", &[1, 2]), ("test", &[]), ("prod", &[3])]),
            "---\n# environment: dev\ncount: 1\n---\ncount: 2\n---\n# environment: prod\ncount: 3\n"
        );
        assert_eq!(stream(Manifests::Yaml, false, &[("prod", &[])]), "");
    }

    #[test]
    fn json_is_an_array_or_an_object_of_arrays() {
        let json = |by_environment, environments: &[(&str, &[i64])]| -> serde_json::Value {
            serde_json::from_str(&stream(Manifests::Json, by_environment, environments)).unwrap()
        };
        assert_eq!(json(false, &[("prod", &[1, 2])]), json!([{ "count": 1 }, { "count": 2 }]));
        assert_eq!(json(false, &[("prod", &[])]), json!([]));
        assert_eq!(
            json(true, &[("dev", &[1, 2]), ("test", &[]), ("prod", &[3])]),
            json!({ "dev": [{ "count": 1 }, { "count": 2 }], "test": [], "prod": [{ "count": 3 }] })
        );
    }

    #[test]
    fn manifests_are_selected_by_the_package_of_their_request() {
        let mut loaded = loaded(&[("apps/shop/a.plumb", ""), ("a.plumb", "")]);
        let selected = |loaded: &Loaded, request| is_selected(loaded, &manifest(request, 1));
        assert!(selected(&loaded, "apps.shop.shop") && selected(&loaded, "top"));
        loaded.selected = "apps/shop".into();
        assert!(selected(&loaded, "apps.shop.shop"));
        assert!(!selected(&loaded, "apps.shop") && !selected(&loaded, "top"));
    }
}
