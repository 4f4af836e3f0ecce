//! The rules of the language at work: `tests/suite/**/*.md`, read as `tests/suite/README.md` says, and
//! held against the rules that `docs/language.md` states.

use plumb_compiler::answers::{Finding, Why};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::diagnostics::code::CODES;
use plumb_compiler::eval::evaluate;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::{Data, Value};
use plumb_compiler::{Database, build, check, json, names, why, yaml};
use plumb_tests::{documents, plans};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_heading_of_the_suite_holds() {
    let prelude = read_prelude(&root().join("prelude"));
    // One filter for those who write a document: a part of its name or of a heading.
    let only = std::env::var("SUITE").unwrap_or_default();
    let mut failures = String::new();
    let mut run = 0;
    for (shown, tests) in pages() {
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

#[test]
fn every_rule_of_the_reference_is_shown_by_the_suite_and_every_heading_shows_one() {
    let reference = fs::read_to_string(documents::root().join("docs/language.md")).unwrap();
    let rules = match documents::rules(&reference) {
        Ok(rules) => rules,
        Err(problems) => panic!("docs/language.md:\n{}", problems.join("\n")),
    };
    let mut problems = String::new();
    let mut shown = BTreeSet::new();
    for (page, tests) in pages() {
        // A page that cannot be read fails the test above.
        for test in tests.unwrap_or_default() {
            for rule in test.rules {
                if rules.iter().all(|it| it.anchor != rule) {
                    let _ = writeln!(
                        problems,
                        "tests/suite/{page}:{} {}: no rule of docs/language.md has the anchor {rule}",
                        test.line, test.heading
                    );
                }
                shown.insert(rule);
            }
        }
    }
    for rule in rules.iter().filter(|it| !shown.contains(&it.anchor)) {
        let _ = writeln!(
            problems,
            "docs/language.md:{} no heading of the suite cites #{}",
            rule.line, rule.anchor
        );
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_diagnostic_is_expected_somewhere_in_the_suite() {
    let mut paths = Vec::new();
    collect(&root(), "md", &mut paths);
    let pages: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let missing: Vec<&str> = CODES
        .iter()
        .map(|code| code.as_str())
        .filter(|code| !pages.contains(&format!("error: [{code}]")))
        .filter(|code| !pages.contains(&format!("warning: [{code}]")))
        .collect();
    // What is no text cannot stand in a document; its page has bytes for it, which are run too. And no
    // document is known that shows a mistake of Plumb.
    assert_eq!(missing, ["unreadable-file", "internal-error"]);
}

fn root() -> PathBuf {
    documents::root().join("tests/suite")
}

/// The documents of the suite by their path in it, each with its tests or why it cannot be read.
fn pages() -> Vec<(String, Result<Vec<Test>, String>)> {
    let mut paths = Vec::new();
    collect(&root(), "md", &mut paths);
    let named = paths.into_iter().map(|path| {
        let name = path.strip_prefix(root()).expect("collected below it").display().to_string();
        (name, path)
    });
    let pages: Vec<_> = named
        .filter(|(name, _)| name != "README.md")
        .map(|(name, path)| {
            let text = fs::read_to_string(&path).expect("a document that was just listed");
            let tests = parse(&text).and_then(|tests| {
                if tests.is_empty() { Err("it has no tests".to_string()) } else { Ok(tests) }
            });
            (name, tests)
        })
        .collect();
    assert!(!pages.is_empty(), "no documents under {}", root().display());
    pages
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
    collect(root, "toml", &mut paths);
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
    /// The anchors of the rules that it shows.
    rules: Vec<String>,
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
    Expressions,
    Why(String),
}

/// The tests of a document.
fn parse(text: &str) -> Result<Vec<Test>, String> {
    let mut setup: BTreeMap<String, String> = BTreeMap::new();
    let mut tests: Vec<Test> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(heading) = line.strip_prefix("##") {
            let heading = heading.strip_prefix(' ').unwrap_or_default().to_string();
            if heading.is_empty() {
                return Err(format!("line {}: a test's heading begins with `## `", number + 1));
            }
            if tests.iter().any(|test| test.heading == heading) {
                return Err(format!("two headings are {heading:?}"));
            }
            let cited = lines.by_ref().map(|(_, line)| line).find(|line| !line.is_empty());
            let rules = cited.and_then(citations).ok_or_else(|| {
                format!("line {}: below it stands no line `Rules: #anchor, #anchor`", number + 1)
            })?;
            tests.push(Test {
                heading,
                line: number + 1,
                rules,
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
            ["expressions", _] => ClaimKind::Expressions,
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
    match tests.iter().find(|test| test.files == setup && test.claims.is_empty()) {
        Some(test) => Err(format!("line {}: below the heading stands no block", test.line)),
        None => Ok(tests),
    }
}

/// The anchors of `Rules: #a, #b`.
fn citations(line: &str) -> Option<Vec<String>> {
    let anchor = |it: &str| {
        let anchor = it.strip_prefix('#')?;
        let sound = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
        (!anchor.is_empty() && anchor.chars().all(sound)).then(|| anchor.to_string())
    };
    line.strip_prefix("Rules: ")?.split(", ").map(anchor).collect()
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
        for claim in &self.claims {
            if let ClaimKind::Expressions = claim.kind {
                files.insert("platform/expressions.plumb".to_string(), computing(&claim.text));
                files.insert(
                    "apps/expressions.plumb".to_string(),
                    "use platform\nrequest expressions: platform.Expressions {}\n".to_string(),
                );
            }
        }
        let written: documents::Files =
            files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
        let folder = documents::write(&written);
        let loaded = plumb_workspace::load(folder.path()).expect("the workspace was just written");
        let db = Database::default();
        let workspace = loaded.open(&db);
        let mut findings = loaded.findings.clone();
        findings.extend(check(&db, workspace));
        let mut problems = Vec::new();
        Self::diagnostics(&files, &findings, &mut problems);
        for claim in &self.claims {
            for environment in &claim.environments {
                claim.hold(&db, workspace, environment, &mut problems);
            }
        }
        problems.extend(plans::compare(&db, workspace).differences);
        problems
    }

    fn diagnostics(
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
                    it.met |= it.word == "related" && it.line == line && text.contains(&it.part);
                }
            }
            if let Some(help) = &finding.help {
                for it in related.iter_mut().filter(|it| it.path == path) {
                    it.met |= it.word == "help" && it.line == line && help.contains(&it.part);
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

/// The comments that ask for diagnostics, and those that ask for their second places and help.
fn expectations(
    files: &BTreeMap<String, String>,
) -> Result<(Vec<Expected>, Vec<Expected>), String> {
    let (mut expected, mut related) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let mark = match Path::new(path).extension().and_then(|it| it.to_str()) {
            Some("plumb") => "//",
            Some("toml") => "#",
            _ => continue,
        };
        let mut last = 0;
        for (index, line) in text.lines().enumerate() {
            let above = line.trim_start().starts_with(&format!("{mark} ^"));
            if !above {
                last = index + 1;
            }
            let mut rest = line;
            while let Some((_, after)) = rest.split_once(mark) {
                rest = after;
                let comment = after.split(mark).next().unwrap_or_default();
                let comment = comment.trim().trim_start_matches("^ ");
                let Some((word, said)) = comment.split_once(": ") else { continue };
                if !["error", "warning", "related", "help"].contains(&word) {
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
                let about = ["related", "help"].contains(&word);
                if !about {
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
                if about { &mut related } else { &mut expected }.push(it);
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
                    let absent = wanted["absent"] == serde_json::Value::Bool(true);
                    match objects.iter().find(|it| identity(it) == identity(&wanted)) {
                        None if absent => {}
                        Some(_) if absent => differ("manifests", document, "(there is one)\n"),
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
            ClaimKind::Expressions => {
                let made = build(db, workspace, environment);
                let data = made
                    .manifests
                    .iter()
                    .map(|it| plain(&it.object))
                    .find(|it| it["metadata"]["name"] == "expressions")
                    .map_or(serde_json::Value::Null, |it| it["data"].clone());
                let mut found = String::new();
                for (index, (expression, _)) in expressions(&self.text).enumerate() {
                    let value = data[format!("v{index}")].as_str().unwrap_or("(nothing)");
                    let _ = writeln!(found, "{expression} // {value}");
                }
                differ("expressions", &self.text, &found);
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

/// The lines `expression // value`.
fn expressions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|line| line.rsplit_once(" // ").unwrap_or((line, "")))
}

/// A composition that emits the JSON of every expression.
fn computing(text: &str) -> String {
    let mut made = String::from(
        "use k8s.core.v1 as core\nschema Expressions { absent: Int? }\n\
         compose Expressions as own {\n",
    );
    for (index, (expression, _)) in expressions(text).enumerate() {
        let _ = writeln!(made, "    let v{index} = {expression}");
    }
    made += "    emit core.ConfigMap {\n        metadata.name = own.name\n";
    for (index, _) in expressions(text).enumerate() {
        let _ = writeln!(made, "        data.v{index} = json(v{index})");
    }
    made + "    }\n}\n"
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
