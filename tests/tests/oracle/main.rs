//! The compiler against an independent oracle: random workspaces must mean the same to both.
//!
//! A workspace is plain data ([`model`]), drawn at random ([`generate`]). It is written out as text for the
//! compiler ([`render`]), and evaluated by whole layers and by hand ([`merge`], [`predict`]), after
//! `docs/language.md`: no syntax, no queries, no types, values or places of the compiler. Both must agree on
//!
//! - the manifests of every environment, read back from the printed YAML and JSON, with the order of
//!   manifests, keys and elements;
//! - every chain of `plumb why`, of every field, entry and element of every request that is built;
//! - which requests are blocked where, and by what: codes, lines and environments of errors.
//!
//! It knows schemas with defaults, `final`, ranges and conditions; records, maps, lists and keyed lists inside
//! each other; `defaults`, requests and overlays along descending environments; paths, braces, spreads,
//! `none`, `+=`, `replace`; texts that read the environment, the request and other requests; compositions with
//! branches, loops, `match` and composites inside. It does not know unions of records, includes, functions,
//! durations, floats, files, dependencies, `initial`, warnings, nor how a syntax or type error is found. Where the reference leaves open what a workspace means, it has no opinion
//! (`is_unclear`): two mistakes in one field, two objects of one identity.
//!
//! [`incremental`] edits such workspaces as text, breaks and repairs them, and holds a warm database against a
//! cold one.
//!
//! `PLUMB_ORACLE_SEED`, `PLUMB_ORACLE_CASES` and `PLUMB_ORACLE_EDITS` say what is drawn and how much. A failure is
//! made smaller and printed with its files; what it shows then becomes a test of the suite.

mod edits;
mod generate;
mod incremental;
mod merge;
mod model;
mod predict;
mod quantity;
mod render;
mod shrink;

use generate::Dice;
use model::Workspace as Model;
use plumb_compiler::answers::Finding;
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, build, check, json, why, yaml};
use predict::{At, ChainLine, Prediction, is_platform_sound, predict};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use shrink::Workspaces;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

#[test]
fn workspaces_mean_the_same_to_the_compiler_and_to_the_oracle() {
    let seed = number("PLUMB_ORACLE_SEED", 1);
    let cases = number("PLUMB_ORACLE_CASES", 300);
    println!("PLUMB_ORACLE_SEED={seed} PLUMB_ORACLE_CASES={cases}");
    let config = Config {
        cases: u32::try_from(cases).expect("fewer cases"),
        // What failed is printed whole, with its seed; a rule it shows is then a test of the suite.
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let rng = Dice::new(seed, 0).0;
    let result = TestRunner::new_with_rng(config, rng)
        .run(&Workspaces, |workspace| agree(&workspace).map_err(TestCaseError::fail));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(_, workspace)) => {
            let difference = agree(&workspace).err().unwrap_or_default();
            let mut shown = String::new();
            for (path, text) in render::render(&workspace).files {
                let _ = writeln!(shown, "---- {path}\n{text}");
            }
            panic!("seed {seed}: the compiler and the oracle disagree\n{shown}{difference}");
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise,
    }
}

fn agree(model: &Model) -> Result<(), String> {
    // What speaks nowhere is checked as text alone, of which the oracle knows nothing. Every team uses the
    // package of what can be requested.
    let is_used = model.schemas.iter().any(|it| it.composition.is_some());
    if !is_used || !model.is_all_heard() || !is_platform_sound(model) {
        return Ok(());
    }
    let text = render::render(model);
    let db = Database::default();
    let files: BTreeMap<Name, SourceFile> = text
        .files
        .iter()
        .map(|(path, text)| {
            let content = Content::Text(text.as_str().into());
            (Name::from(path.as_str()), SourceFile::new(&db, path.as_str().into(), content))
        })
        .collect();
    let workspace = Workspace::new(&db, Arc::new(files), 36);
    let findings = check(&db, workspace);
    let told: Vec<Told> = findings
        .iter()
        .filter(|it| it.severity == Severity::Error)
        .map(|it| Told::new(it, &text.files))
        .collect();
    let mut problems = String::new();
    let mut expected = BTreeSet::new();
    for environment in model.built() {
        let Some(predicted) = predict(model, environment) else { return Ok(()) };
        let name = model.environments[environment].name;
        for (code, at) in &predicted.mistakes {
            expected.insert(*code);
            let place = match at {
                At::Entry(entry) => text.places.get(entry),
                At::Head(request) => text.heads.get(*request),
                At::Somewhere => None,
            };
            let is_it = |it: &&Told| {
                it.code == *code && place.is_none_or(|at| it.at == *at) && it.shows_in(name)
            };
            if !told.iter().any(|it| is_it(&it)) {
                let _ = writeln!(problems, "not told: {code} at {place:?} in {name}");
            }
        }
        compare(&db, workspace, name, &predicted, &mut problems);
    }
    for it in told.iter().filter(|it| !expected.contains(it.code)) {
        let _ = writeln!(problems, "not expected: {it}");
    }
    for difference in plumb_tests::plans::compare(&db, workspace).differences {
        let _ = writeln!(problems, "{difference}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        let told: Vec<String> = told.iter().map(Told::to_string).collect();
        Err(format!("{problems}\nthe compiler tells {told:#?}"))
    }
}

/// An error as the compiler tells it.
struct Told {
    code: &'static str,
    message: String,
    /// Its file and line.
    at: (String, usize),
    /// Empty: it is wrong wherever it shows.
    environments: Vec<String>,
}

impl Told {
    fn new(finding: &Finding, files: &BTreeMap<String, String>) -> Self {
        let at = finding.location.as_ref().map_or((String::new(), 0), |at| {
            let text = files.get(at.path.as_str()).map_or("", String::as_str);
            let line = text[..at.range.start as usize].matches('\n').count() + 1;
            (at.path.to_string(), line)
        });
        Told {
            code: finding.code.as_str(),
            message: finding.message.clone(),
            at,
            environments: finding.environments.iter().map(Name::to_string).collect(),
        }
    }

    fn shows_in(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|it| it == environment)
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Told { code, message, at: (path, line), environments } = self;
        write!(f, "{path}:{line} [{code}] {message} in {}", environments.join(", "))
    }
}

fn compare(
    db: &Database,
    workspace: Workspace,
    environment: &str,
    predicted: &Prediction,
    problems: &mut String,
) {
    let made = build(db, workspace, environment);
    let blocked: BTreeSet<String> = made.blocked.iter().map(|it| it.to_string()).collect();
    if blocked != predicted.blocked {
        let _ = writeln!(
            problems,
            "blocked in {environment}: the oracle says {:?}, the compiler {blocked:?}",
            predicted.blocked
        );
    }
    let mut stream = String::new();
    yaml::write_stream(&mut stream, made.manifests.iter().map(|it| &it.object));
    let mut texts = Vec::new();
    for manifest in &made.manifests {
        let mut text = String::new();
        json::write(&mut text, &manifest.object, true);
        texts.push(text);
    }
    let from_json: Vec<serde_json::Value> =
        texts.iter().map(|it| serde_json::from_str(it).expect("printed JSON is JSON")).collect();
    let from_yaml: Vec<serde_json::Value> = if made.manifests.is_empty() {
        Vec::new()
    } else {
        serde_saphyr::from_multiple(&stream).expect("printed YAML is YAML")
    };
    let expected: Vec<String> = predicted.manifests.iter().map(predict::json).collect();
    for (what, found) in [("JSON", from_json), ("YAML", from_yaml)] {
        let found: Vec<String> = found.iter().map(serde_json::Value::to_string).collect();
        if found != expected {
            let _ = writeln!(problems, "manifests in {environment} as {what}:");
            difference(&expected, &found, problems);
        }
    }
    for (address, chain) in &predicted.chains {
        if predicted.blocked.iter().any(|it| address.starts_with(&format!("{it}."))) {
            continue;
        }
        let found: Result<Vec<ChainLine>, String> =
            why(db, workspace, environment, address).map(|it| {
                it.layers
                    .iter()
                    .map(|layer| {
                        let value = layer.value.as_ref().map_or("none".to_string(), |value| {
                            let mut text = String::new();
                            json::write(&mut text, value, false);
                            text
                        });
                        let cell = if layer.path.is_empty() {
                            value
                        } else {
                            format!("{} = {value}", layer.path)
                        };
                        (cell, layer.layer.clone(), layer.effect)
                    })
                    .collect()
            });
        let expected = Ok(chain.clone());
        if found != expected {
            let lines = |it: &Result<Vec<ChainLine>, String>| match it {
                Ok(lines) => {
                    lines.iter().map(|it| format!("{} | {} | {}", it.0, it.1, it.2)).collect()
                }
                Err(why) => vec![why.clone()],
            };
            let _ = writeln!(problems, "why {address} --env {environment}:");
            difference(&lines(&expected), &lines(&found), problems);
        }
    }
}

/// What the oracle says and the compiler does not, and the other way round.
fn difference(expected: &[String], found: &[String], problems: &mut String) {
    for it in expected {
        let sign = if found.contains(it) { " " } else { "-" };
        let _ = writeln!(problems, "  {sign} {it}");
    }
    let more: Vec<&String> = found.iter().filter(|it| !expected.contains(it)).collect();
    for it in &more {
        let _ = writeln!(problems, "  + {it}");
    }
    if more.is_empty() && found.len() == expected.len() {
        let _ = writeln!(problems, "  in the order of the compiler:");
        found.iter().for_each(|it| {
            let _ = writeln!(problems, "    {it}");
        });
    }
}
