//! The rules of the language as documents: `tests/suite/**/*.md`.
//!
//! A heading with fenced blocks below it is one test. Its workspace is the files of
//! `tests/suite/prelude`, those of the blocks before the document's first second-level heading, and
//! its own, the later replacing the earlier of the same path.
//!
//! | block | what it says |
//! |---|---|
//! | `plumb` | a source file; `apps/a.plumb`, or what its first line names: `// file: apps/b.plumb` |
//! | `file PATH` | any other file of the workspace |
//! | `yaml env=E` | the whole stream of manifests that `E` builds |
//! | `yaml part env=E` | these manifests, by kind and name, have at least these fields |
//! | `values env=E` | `request.path = JSON` of evaluated requests, `none` where nothing is |
//! | `why ADDRESS env=E` | `value \| layer \| effect`, then `used by …`; before them `note: …`; or `error: …` |
//!
//! Several environments are `env=dev,prod`: the same holds in each.
//!
//! Diagnostics are comments at the line they point to, of which every one must be told and none
//! besides: `// error: [code] "part of the message" in dev, prod`, `// warning: …`; message and
//! environments may be left out. `// related: "part"` holds where an expected diagnostic has a second
//! place on that line. A line that begins with `// ^` speaks of the line above it.

use plumb_compiler::answers::{Finding, Why};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::eval::evaluate;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::{Data, Value};
use plumb_compiler::{Database, build, check, json, names, why, yaml};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const KUBERNETES_MINOR: u32 = 36;

#[test]
fn every_rule_of_the_suite_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let prelude = read_prelude(&root.join("prelude"));
    let mut paths = Vec::new();
    collect(&root, "md", &mut paths);
    assert!(!paths.is_empty(), "no documents under {}", root.display());
    // One filter for those who write a document: a part of its name or of a heading.
    let only = std::env::var("SUITE").unwrap_or_default();
    let mut failures = String::new();
    let mut run = 0;
    for path in paths {
        let shown = path.strip_prefix(&root).expect("collected below it").display().to_string();
        let text = fs::read_to_string(&path).expect("a document that was just listed");
        let tests = match parse(&text) {
            Ok(tests) if tests.is_empty() => Err("it has no tests".to_string()),
            other => other,
        };
        match tests {
            Err(problem) => {
                let _ = writeln!(failures, "\n{shown}: {problem}");
            }
            Ok(tests) => {
                for test in tests {
                    if !shown.contains(&only) && !test.heading.contains(&only) {
                        continue;
                    }
                    run += 1;
                    let problems = test.run(&prelude);
                    if !problems.is_empty() {
                        let _ = writeln!(failures, "\n{shown}:{} {}", test.line, test.heading);
                        for problem in problems {
                            let _ = writeln!(failures, "{problem}");
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(run > 0, "no test has {only:?} in its document's name or heading");
}

fn collect(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the suite")
        .map(|it| it.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

fn read_prelude(root: &Path) -> BTreeMap<String, String> {
    let mut paths = Vec::new();
    collect(root, "plumb", &mut paths);
    assert!(!paths.is_empty(), "no prelude under {}", root.display());
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).expect("collected below it");
            let text = fs::read_to_string(&path).expect("a file that was just listed");
            (name.to_str().expect("UTF-8").to_string(), text)
        })
        .collect()
}

/// A heading with its blocks.
#[derive(Default)]
struct Test {
    heading: String,
    line: usize,
    files: BTreeMap<String, String>,
    claims: Vec<Claim>,
}

/// What must hold of a workspace.
struct Claim {
    kind: ClaimKind,
    environments: Vec<String>,
    text: String,
}

enum ClaimKind {
    Stream,
    Manifests,
    Values,
    Why(String),
}

/// The tests of a document.
fn parse(text: &str) -> Result<Vec<Test>, String> {
    let mut setup: BTreeMap<String, String> = BTreeMap::new();
    let mut tests: Vec<Test> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(heading) = line.strip_prefix("##") {
            let heading = heading.trim_start_matches('#').trim().to_string();
            if tests.iter().any(|test| test.heading == heading) {
                return Err(format!("two headings are {heading:?}"));
            }
            tests.push(Test {
                heading,
                line: number + 1,
                files: setup.clone(),
                claims: Vec::new(),
            });
            continue;
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut body = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => {
                    body.push_str(line);
                    body.push('\n');
                }
                None => return Err(format!("the block in line {} does not end", number + 1)),
            }
        }
        let at = |problem: &str| format!("line {}: {problem}", number + 1);
        let words: Vec<&str> = info.split_whitespace().collect();
        let environments = words.iter().find_map(|word| word.strip_prefix("env="));
        let file = match words.as_slice() {
            ["plumb"] => {
                let named = body.lines().next().and_then(|line| line.strip_prefix("// file: "));
                Some(named.unwrap_or("apps/a.plumb").trim().to_string())
            }
            ["file", path] => Some((*path).to_string()),
            _ => None,
        };
        if let Some(path) = file {
            let files = tests.last_mut().map_or(&mut setup, |test| &mut test.files);
            files.insert(path, body);
            continue;
        }
        let kind = match words.as_slice() {
            ["yaml", _] => ClaimKind::Stream,
            ["yaml", "part", _] => ClaimKind::Manifests,
            ["values", _] => ClaimKind::Values,
            ["why", address, _] => ClaimKind::Why((*address).to_string()),
            _ => return Err(at(&format!("there is no block {info:?}"))),
        };
        let environments = environments.ok_or_else(|| at("the block names no `env=`"))?;
        let test = tests.last_mut().ok_or_else(|| at("a claim stands under no heading"))?;
        test.claims.push(Claim {
            kind,
            environments: environments.split(',').map(str::to_string).collect(),
            text: body,
        });
    }
    // A heading above others is a group.
    tests.retain(|test| test.files != setup || !test.claims.is_empty());
    Ok(tests)
}

/// A diagnostic that a comment asks for.
struct Expected {
    path: String,
    line: usize,
    word: String,
    code: String,
    part: String,
    environments: Option<String>,
    met: bool,
}

impl Test {
    fn run(&self, prelude: &BTreeMap<String, String>) -> Vec<String> {
        let mut files = prelude.clone();
        files.extend(self.files.clone());
        let db = Database::default();
        let inputs: BTreeMap<Name, SourceFile> = files
            .iter()
            .map(|(path, text)| {
                let content = Content::Text(text.as_str().into());
                (path.as_str().into(), SourceFile::new(&db, path.as_str().into(), content))
            })
            .collect();
        let workspace = Workspace::new(&db, Arc::new(inputs), KUBERNETES_MINOR);
        let mut problems = Vec::new();
        self.diagnostics(&files, &check(&db, workspace), &mut problems);
        for claim in &self.claims {
            for environment in &claim.environments {
                claim.hold(&db, workspace, environment, &mut problems);
            }
        }
        problems
    }

    fn diagnostics(
        &self,
        files: &BTreeMap<String, String>,
        findings: &[Finding],
        problems: &mut Vec<String>,
    ) {
        let (mut expected, mut related) = match expectations(files) {
            Ok(found) => found,
            Err(problem) => {
                problems.push(problem);
                return;
            }
        };
        let line_of = |path: &str, offset: u32| {
            files.get(path).map_or(0, |text| text[..offset as usize].matches('\n').count() + 1)
        };
        for finding in findings {
            let word = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let (path, line) = finding.location.as_ref().map_or((String::new(), 0), |at| {
                (at.path.to_string(), line_of(&at.path, at.range.start))
            });
            let environments =
                finding.environments.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
            for (at, text) in &finding.related {
                let line = line_of(&at.path, at.range.start);
                for it in related.iter_mut().filter(|it| it.path == at.path.as_str()) {
                    it.met |= it.line == line && text.contains(&it.part);
                }
            }
            let met = expected.iter_mut().find(|it| {
                !it.met
                    && it.path == path
                    && it.line == line
                    && it.word == word
                    && it.code == finding.code.as_str()
                    && finding.message.contains(&it.part)
                    && it.environments.as_ref().is_none_or(|it| *it == environments)
            });
            match met {
                Some(it) => it.met = true,
                None => {
                    let mut text = format!(
                        "  + {path}:{line} {word}: [{}] {:?} in {environments}",
                        finding.code, finding.message
                    );
                    for (at, note) in &finding.related {
                        let line = line_of(&at.path, at.range.start);
                        let _ = write!(text, "\n      {}:{line} {note:?}", at.path);
                    }
                    if let Some(help) = &finding.help {
                        let _ = write!(text, "\n      help: {help}");
                    }
                    problems.push(text);
                }
            }
        }
        for it in expected.iter().chain(&related).filter(|it| !it.met) {
            let environments = it.environments.as_deref().unwrap_or("");
            problems.push(format!(
                "  - {}:{} {}: [{}] {:?} in {environments}",
                it.path, it.line, it.word, it.code, it.part
            ));
        }
    }
}

/// The comments that ask for diagnostics, and those that ask for second places.
fn expectations(
    files: &BTreeMap<String, String>,
) -> Result<(Vec<Expected>, Vec<Expected>), String> {
    let (mut expected, mut related) = (Vec::new(), Vec::new());
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".plumb")) {
        let mut last = 0;
        for (index, line) in text.lines().enumerate() {
            let above = line.trim_start().starts_with("// ^");
            if !above {
                last = index + 1;
            }
            let mut rest = line;
            while let Some((_, after)) = rest.split_once("//") {
                rest = after;
                let comment = after.split("//").next().unwrap_or_default();
                let comment = comment.trim().trim_start_matches("^ ");
                let Some((word, said)) = comment.split_once(": ") else { continue };
                if !["error", "warning", "related"].contains(&word) {
                    continue;
                }
                let malformed = || format!("{path}:{} cannot be read: {comment}", index + 1);
                let mut said = said.trim();
                let mut it = Expected {
                    path: path.clone(),
                    line: last,
                    word: word.to_string(),
                    code: String::new(),
                    part: String::new(),
                    environments: None,
                    met: false,
                };
                if word != "related" {
                    let inner = said.strip_prefix('[').ok_or_else(malformed)?;
                    let (code, after) = inner.split_once(']').ok_or_else(malformed)?;
                    it.code = code.to_string();
                    said = after.trim();
                }
                if let Some(inner) = said.strip_prefix('"') {
                    // The message itself may hold quotes: its end is the last one.
                    let (part, after) = inner.rsplit_once('"').ok_or_else(malformed)?;
                    it.part = part.to_string();
                    said = after.trim();
                }
                if let Some(environments) = said.strip_prefix("in ") {
                    it.environments = Some(environments.to_string());
                    said = "";
                }
                if !said.is_empty() {
                    return Err(malformed());
                }
                if word == "related" { &mut related } else { &mut expected }.push(it);
            }
        }
    }
    Ok((expected, related))
}

impl Claim {
    fn hold(
        &self,
        db: &Database,
        workspace: Workspace,
        environment: &str,
        problems: &mut Vec<String>,
    ) {
        let mut differ = |what: &str, wanted: &str, found: &str| {
            if wanted != found {
                problems.push(format!("  {what} in {environment}:\n{}", diff(wanted, found)));
            }
        };
        match &self.kind {
            ClaimKind::Stream => {
                let made = build(db, workspace, environment);
                let mut found = String::new();
                yaml::write_stream(&mut found, made.manifests.iter().map(|it| &it.object));
                differ("manifests", &self.text, &found);
            }
            ClaimKind::Manifests => {
                let made = build(db, workspace, environment);
                let objects: Vec<serde_json::Value> =
                    made.manifests.iter().map(|it| plain(&it.object)).collect();
                for document in self.text.split("---\n") {
                    let wanted = match read_yaml(document) {
                        Ok(wanted) => wanted,
                        Err(problem) => {
                            differ("manifests", &problem, "");
                            continue;
                        }
                    };
                    let identity = |it: &serde_json::Value| {
                        (it["kind"].clone(), it["metadata"]["name"].clone())
                    };
                    match objects.iter().find(|it| identity(it) == identity(&wanted)) {
                        None => differ("manifests", document, "(no such manifest)\n"),
                        Some(found) => {
                            let mut missing = Vec::new();
                            part_of(&wanted, found, "", &mut missing);
                            differ("manifests", "", &missing.join(""));
                        }
                    }
                }
            }
            ClaimKind::Values => {
                let mut found = String::new();
                for line in self.text.lines() {
                    let path = line.split_once(" = ").map_or(line, |(path, _)| path);
                    let _ =
                        writeln!(found, "{path} = {}", value_at(db, workspace, environment, path));
                }
                differ("values", &self.text, &found);
            }
            ClaimKind::Why(address) => {
                let found = match why(db, workspace, environment, address) {
                    Ok(chain) => chain_text(&chain, self.text.contains("used by ")),
                    Err(problem) => format!("error: {problem}\n"),
                };
                differ(&format!("why {address}"), &self.text, &found);
            }
        }
    }
}

fn chain_text(chain: &Why, uses: bool) -> String {
    let mut out = String::new();
    if let Some(note) = &chain.note {
        let _ = writeln!(out, "note: {note}");
    }
    for layer in &chain.layers {
        let value = layer.value.as_ref().map_or("none".to_string(), compact);
        let cell = match layer.path.as_str() {
            "" => value,
            path => format!("{path} = {value}"),
        };
        let line = format!("{cell} | {} | {}", layer.layer, layer.effect);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for user in chain.uses.iter().filter(|_| uses) {
        let _ = writeln!(out, "used by {user}");
    }
    out
}

fn compact(value: &Value) -> String {
    if value.is_none() {
        return "none".to_string();
    }
    let mut text = String::new();
    json::write(&mut text, value, false);
    text
}

/// The value of a request's field: `shop.env.A`, `shop.args.0`.
fn value_at(db: &Database, workspace: Workspace, environment: &str, path: &str) -> String {
    let Some(id) = names::environments(db, workspace).0.get(environment).copied() else {
        return format!("(there is no environment {environment})");
    };
    let mut steps = path.split('.');
    let wanted = steps.next().unwrap_or_default();
    let requests = plumb_compiler::outputs::requests(db, workspace, id);
    let Some(request) = requests.iter().find(|it| it.name(db) == wanted) else {
        return "(no such request)".to_string();
    };
    let evaluated = evaluate(db, workspace, *request, id);
    let Some(mut value) = evaluated.value.as_ref() else { return "(failed)".to_string() };
    for step in steps {
        let next = match &value.data {
            Data::Record(record) => record.fields.get(step),
            Data::List(elements) => step.parse::<usize>().ok().and_then(|at| elements.get(at)),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return "none".to_string(),
        }
    }
    compact(value)
}

fn plain(value: &Value) -> serde_json::Value {
    let mut text = String::new();
    json::write(&mut text, value, false);
    serde_json::from_str(&text).expect("what the compiler writes")
}

fn read_yaml(text: &str) -> Result<serde_json::Value, String> {
    // The compiler's own reader, whose tests hold it against an independent one.
    let db = Database::default();
    let file = SourceFile::new(&db, "expected.yaml".into(), Content::Text(text.into()));
    let item = plumb_compiler::source::ItemId::new(
        &db,
        file,
        plumb_compiler::source::Kind::Test,
        Name::from("expected"),
        Name::default(),
        0,
    );
    let origin =
        plumb_compiler::value::Origin { item, node: plumb_compiler::syntax::ast::NodeId(0) };
    yaml::read(text, origin).map(|value| plain(&value))
}

/// Where `found` lacks what is wanted: lists are compared element by element.
fn part_of(
    wanted: &serde_json::Value,
    found: &serde_json::Value,
    path: &str,
    missing: &mut Vec<String>,
) {
    match (wanted, found) {
        (serde_json::Value::Object(wanted), serde_json::Value::Object(fields)) => {
            for (name, wanted) in wanted {
                let null = serde_json::Value::Null;
                part_of(
                    wanted,
                    fields.get(name).unwrap_or(&null),
                    &format!("{path}.{name}"),
                    missing,
                );
            }
        }
        (serde_json::Value::Array(wanted), serde_json::Value::Array(elements))
            if wanted.len() == elements.len() =>
        {
            for (index, (wanted, found)) in wanted.iter().zip(elements).enumerate() {
                part_of(wanted, found, &format!("{path}[{index}]"), missing);
            }
        }
        _ if wanted == found => {}
        _ => missing.push(format!("{path}: wanted {wanted}, is {found}\n")),
    }
}

/// Both texts, line by line: what is missing, then what came instead, common lines between.
fn diff(wanted: &str, found: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), found.lines().collect());
    // The longest common subsequence; the texts are small.
    let mut length = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i][j] = if a[i] == b[j] {
                length[i + 1][j + 1] + 1
            } else {
                length[i + 1][j].max(length[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = String::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            let _ = writeln!(out, "      {}", a[i]);
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || length[i + 1][j] >= length[i][j + 1]) {
            let _ = writeln!(out, "    - {}", a[i]);
            i += 1;
        } else {
            let _ = writeln!(out, "    + {}", b[j]);
            j += 1;
        }
    }
    out
}
