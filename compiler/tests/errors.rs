//! Every mistake is one message, at the right place, with how to mend it.
//!
//! `errors/*.txt` hold small workspaces, each beside the platform of `errors/platform`, with what
//! is found in them in comments that begin with `//~`, under the line that it is found at. A case
//! without such comments is sound: nothing is found, and every environment builds. After a change
//! that is meant, `PLUMB_BLESS=1 cargo test --test errors` writes the comments anew; read the
//! difference before it is kept.

#![allow(clippy::disallowed_methods, reason = "a test reads its cases from files")]

use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::diagnostics::code::CODES;
use plumb_compiler::diagnostics::{Code, Severity, code};
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, build, check, environments, why};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is found in a case, without the advice to pin images: they are short here so that a line
/// shows what matters.
fn found(db: &Database, workspace: Workspace, case: &Case) -> Vec<Finding> {
    let mut findings = check(db, workspace);
    if !case.title.contains("pinned") {
        findings.retain(|it| it.code != code::UNPINNED_IMAGE);
    }
    findings
}

/// What stands before every expectation.
const MARK: &str = "//~";

struct Case {
    title: String,
    /// Path and text, in the order of the case.
    files: Vec<(String, String)>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The case files, by path.
fn case_files() -> BTreeMap<PathBuf, Vec<Case>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "txt") {
            found.insert(path.clone(), cases(&read(&path)));
        }
    }
    assert!(!found.is_empty());
    found
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(title) = line.strip_prefix("=== ") {
            cases.push(Case { title: title.trim_end().to_owned(), files: Vec::new() });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with `=== title`");
        if let Some(path) = line.strip_prefix("--- ") {
            case.files.push((path.trim_end().to_owned(), String::new()));
        } else if let Some((_, text)) = case.files.last_mut() {
            text.push_str(line);
        }
    }
    cases
}

impl Case {
    /// The files as the compiler gets them: the platform's, and the case's without expectations.
    fn sources(&self) -> BTreeMap<String, String> {
        let mut sources = BTreeMap::new();
        for name in ["env.plumb", "web.plumb"] {
            let text = read(&directory().join("platform").join(name));
            sources.insert(format!("platform/{name}"), text);
        }
        for (path, text) in &self.files {
            sources.insert(path.clone(), without_marks(text));
        }
        sources
    }
}

fn without_marks(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with(MARK)).collect()
}

fn workspace(db: &Database, sources: &BTreeMap<String, String>) -> Workspace {
    let files = sources
        .iter()
        .map(|(path, text)| {
            let text = Content::Text(Arc::from(text.as_str()));
            (Name::from(path.as_str()), SourceFile::new(db, path.as_str().into(), text))
        })
        .collect();
    Workspace::new(db, Arc::new(files), 36)
}

/// The text of a place, on one line.
fn quoted(sources: &BTreeMap<String, String>, place: &Location) -> String {
    let Some(text) = sources.get(place.path.as_str()) else {
        panic!("{} is no file of the workspace", place.path)
    };
    let (start, end) = (place.range.start as usize, place.range.end as usize);
    let found = text
        .get(start..end)
        .unwrap_or_else(|| panic!("{start}..{end} is no range of {}", place.path));
    let line = found.lines().next().unwrap_or_default();
    if line.len() < found.trim_end().len() { format!("{line}…") } else { line.to_owned() }
}

/// A finding as the case files tell it.
fn told(sources: &BTreeMap<String, String>, finding: &Finding, indent: &str) -> String {
    let mut out = String::new();
    let place = finding.location.as_ref().expect("every mistake has a place");
    let severity = if finding.severity == Severity::Warning { " advice" } else { "" };
    let within = match finding.environments.as_slice() {
        [] => String::new(),
        many => format!(" in {}", many.join(", ")),
    };
    let at = quoted(sources, place);
    writeln!(out, "{indent}{MARK} {}{severity}{within}, at `{at}`", finding.code).unwrap();
    writeln!(out, "{indent}{MARK}   {}", finding.message).unwrap();
    if !finding.label.is_empty() {
        writeln!(out, "{indent}{MARK}   here: {}", finding.label).unwrap();
    }
    for (place, text) in &finding.related {
        let at = quoted(sources, place);
        writeln!(out, "{indent}{MARK}   {}, `{at}`: {text}", place.path).unwrap();
    }
    if let Some(help) = &finding.help {
        writeln!(out, "{indent}{MARK}   help: {help}").unwrap();
    }
    for fix in &finding.fixes {
        for (place, text) in &fix.edits {
            let at = quoted(sources, place);
            writeln!(out, "{indent}{MARK}   fix: {}: `{at}` becomes `{text}`", fix.title).unwrap();
        }
    }
    out
}

/// The case's files with what is found in them, and what is found elsewhere.
fn annotated(case: &Case, findings: &[Finding]) -> String {
    let sources = case.sources();
    let mut out = format!("=== {}\n", case.title);
    let mut told_here = 0;
    for (path, text) in &case.files {
        writeln!(out, "--- {path}").unwrap();
        let text = without_marks(text);
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            out.push_str(line);
            let end = offset + line.len();
            let indent = &line[..line.len() - line.trim_start().len()];
            let indent = indent.trim_end_matches('\n');
            for finding in findings {
                let place = finding.location.as_ref().unwrap();
                let start = place.range.start as usize;
                let last = end == text.len() && start >= end;
                if place.path == path.as_str() && ((offset..end).contains(&start) || last) {
                    out.push_str(&told(&sources, finding, indent));
                    told_here += 1;
                }
            }
            offset = end;
        }
    }
    if told_here < findings.len() {
        let files: BTreeSet<&str> = case.files.iter().map(|(path, _)| path.as_str()).collect();
        for finding in findings {
            let place = finding.location.as_ref().unwrap();
            if !files.contains(place.path.as_str()) {
                writeln!(out, "{MARK} in {}:", place.path).unwrap();
                out.push_str(&told(&sources, finding, ""));
            }
        }
    }
    out
}

#[test]
fn every_mistake_is_told_once_at_its_place_with_its_mend() {
    let bless = std::env::var_os("PLUMB_BLESS").is_some();
    let mut wrong = Vec::new();
    for (path, cases) in case_files() {
        let mut whole = String::new();
        for case in &cases {
            let db = Database::default();
            let workspace = workspace(&db, &case.sources());
            whole += &annotated(case, &found(&db, workspace, case));
        }
        if bless {
            std::fs::write(&path, &whole).unwrap();
        } else if whole != read(&path) {
            wrong.push(difference(&read(&path), &whole));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The cases that differ.
fn difference(expected: &str, found: &str) -> String {
    let split = |text: &str| -> Vec<String> { text.split("=== ").map(str::to_owned).collect() };
    let (expected, found) = (split(expected), split(found));
    expected
        .iter()
        .zip(&found)
        .filter(|(expected, found)| expected != found)
        .map(|(expected, found)| format!("=== EXPECTED {expected}=== FOUND {found}"))
        .collect()
}

fn expects_nothing(case: &Case) -> bool {
    case.files.iter().all(|(_, text)| !text.contains(MARK))
}

#[test]
fn what_is_sound_builds_in_every_environment() {
    for case in case_files().values().flatten() {
        let db = Database::default();
        let workspace = workspace(&db, &case.sources());
        for environment in environments(&db, workspace) {
            let mut built = build(&db, workspace, &environment);
            built.findings.retain(|it| it.code != code::UNPINNED_IMAGE);
            // Also where something is wrong there is an answer.
            let _ = why(&db, workspace, &environment, "shop.replicas");
            if expects_nothing(case) {
                assert_eq!(built.findings, [], "{}", case.title);
                let requests = case.files.iter().any(|(_, text)| text.contains("\nrequest "));
                assert_eq!(!built.manifests.is_empty(), requests, "{}", case.title);
            }
        }
    }
}

#[test]
fn a_fix_mends_its_mistake() {
    for case in case_files().values().flatten() {
        let sources = case.sources();
        let db = Database::default();
        let findings = check(&db, workspace(&db, &sources));
        for finding in findings.iter().filter(|finding| !finding.fixes.is_empty()) {
            let mut mended = sources.clone();
            for (place, text) in finding.fixes.iter().flat_map(|fix| &fix.edits) {
                let file = mended.get_mut(place.path.as_str()).unwrap();
                file.replace_range(place.range.start as usize..place.range.end as usize, text);
            }
            let db = Database::default();
            let after = check(&db, workspace(&db, &mended));
            let is_it = |it: &&Finding| it.code == finding.code && it.message == finding.message;
            let (before, after) =
                (findings.iter().filter(is_it).count(), after.iter().filter(is_it).count());
            assert!(after < before, "{}: {} is not mended", case.title, finding.message);
        }
    }
}

/// Codes that need a working tree: what `plumb.toml` says, and files that cannot be used. And that of a mistake
/// of Plumb, for which no text is known.
const OF_NO_TEXT: &[Code] = &[
    code::INTERNAL_ERROR,
    code::INVALID_MANIFEST,
    code::UNKNOWN_KUBERNETES_VERSION,
    code::UNREADABLE_FILE,
    code::NOT_ALLOWED,
];

#[test]
fn every_code_is_produced_by_a_case() {
    let mut produced = BTreeSet::new();
    for case in case_files().values().flatten() {
        let db = Database::default();
        produced.extend(check(&db, workspace(&db, &case.sources())).iter().map(|it| it.code));
    }
    let missing: Vec<&Code> = CODES
        .iter()
        .filter(|code| !produced.contains(code) && !OF_NO_TEXT.contains(code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
