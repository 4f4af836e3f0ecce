//! The rules of the language, each shown at work: `tests/rules/*.md`.
//!
//! A heading is a test, its sentence what must hold. The blocks under it are files of the workspace that
//! the pages of the diagnostics describe (`docs/diagnostics/README.md`), and what is expected:
//!
//! - `// error: code` in the first lines of a block: this code is reported, and no other. Without one, nothing
//!   is.
//! - A block `yaml prod` holds parts of manifests of prod: each has one of the same kind and name, with at
//!   least these fields. Lists are compared whole; `null` says that a field, or with `metadata.name`
//!   alone a manifest, is not there: `kind: X`, `metadata: { name: y }`, `absent: true`.
//! - In a block `values` each line is `expression // value`, the value as JSON. The expression stands in a
//!   composition; `own.absent` is an optional Int that is `none`.

use std::fmt::Write as _;
use std::fs;

use plumb_compiler::Database;
use plumb_tests::documents::{Block, Files, blocks, root, write};
use serde_json::{Map, Value, json};

#[test]
fn every_heading_of_the_suite_holds() {
    let mut wrong = String::new();
    let mut pages: Vec<_> = fs::read_dir(root().join("tests/rules"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    for page in pages {
        let found = blocks(&fs::read_to_string(&page).unwrap());
        assert!(!found.is_empty(), "{} tests nothing", page.display());
        for test in found.chunk_by(|a, b| a.heading == b.heading) {
            let problems = run(test);
            if !problems.is_empty() {
                let name = page.file_name().unwrap_or_default().to_string_lossy();
                let _ = write!(wrong, "\n{name}:{}: {}{problems}", test[0].line, test[0].heading);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What does not hold; empty: all does.
fn run(test: &[Block]) -> String {
    let document = fs::read_to_string(root().join("docs/diagnostics/README.md")).unwrap();
    let mut files: Files = blocks(&document)
        .iter()
        .filter(|block| block.marker("file").is_some())
        .map(Block::file)
        .collect();
    let is_file =
        |block: &&Block| !block.language.starts_with("yaml") && block.language != "values";
    files.extend(test.iter().filter(is_file).map(Block::file));
    let values: Vec<&Block> = test.iter().filter(|it| it.language == "values").collect();
    if !values.is_empty() {
        files.extend([
            ("platform/values.plumb".to_owned(), composition(&values).into_bytes()),
            (
                "apps/shop/values.plumb".to_owned(),
                b"use platform\nrequest values: platform.Values {}\n".to_vec(),
            ),
        ]);
    }

    let folder = write(&files);
    let loaded = plumb_workspace::load(folder.path()).unwrap();
    let db = Database::default();
    let workspace = loaded.open(&db);
    let mut findings = loaded.findings.clone();
    findings.extend(plumb_compiler::check(&db, workspace));
    let wanted: Vec<&str> = test.iter().filter_map(|it| it.marker("error")).collect();
    let mut problems = String::new();
    for finding in &findings {
        if !wanted.contains(&finding.code.as_str()) {
            let place = finding.location.as_ref();
            let place = place.map_or("?".into(), |it| format!("{}:{}", it.path, it.range.start));
            let _ = write!(problems, "\n  {place}: {} [{}]", finding.message, finding.code);
        }
    }
    for code in wanted {
        if !findings.iter().any(|it| it.code.as_str() == code) {
            let _ = write!(problems, "\n  no {code}");
        }
    }

    let build = |environment: &str| -> Vec<Value> {
        let build = plumb_compiler::build(&db, workspace, environment);
        build.manifests.iter().map(|it| to_json(&it.object)).collect()
    };
    for block in test {
        let Some(environment) = block.language.strip_prefix("yaml ") else { continue };
        let built = build(environment);
        let expected: Vec<Value> = serde_saphyr::from_multiple(&block.text).unwrap();
        for part in expected {
            let same = |it: &&Value| {
                it["kind"] == part["kind"] && it["metadata"]["name"] == part["metadata"]["name"]
            };
            match built.iter().find(same) {
                None if part["absent"] == true => {}
                None => {
                    let _ =
                        write!(problems, "\n  line {}: {environment} has no {part}", block.line);
                }
                Some(_) if part["absent"] == true => {
                    let _ = write!(problems, "\n  line {}: {environment} has {part}", block.line);
                }
                Some(manifest) => differences(&part, manifest, "", &mut problems),
            }
        }
    }
    if !values.is_empty() && problems.is_empty() {
        let built = build("prod");
        let data = built
            .iter()
            .find(|it| it["metadata"]["name"] == "values")
            .map(|it| it["data"].clone())
            .unwrap_or_default();
        for (index, (expression, expected)) in lines(&values).enumerate() {
            let found = data[format!("v{index}")].as_str().unwrap_or("nothing");
            if found != expected {
                let _ = write!(problems, "\n  {expression} is {found}, not {expected}");
            }
        }
    }
    problems
}

fn lines<'b>(values: &'b [&Block]) -> impl Iterator<Item = (&'b str, &'b str)> {
    values.iter().flat_map(|block| block.text.lines()).map(|line| {
        let (expression, value) =
            line.rsplit_once(" // ").expect("a line is `expression // value`");
        (expression.trim(), value.trim())
    })
}

/// A composition that emits the JSON of every expression.
fn composition(values: &[&Block]) -> String {
    let mut text = String::from(
        "use k8s.core.v1 as core\nschema Values { absent: Int? }\ncompose Values as own {\n",
    );
    for (index, (expression, _)) in lines(values).enumerate() {
        let _ = writeln!(text, "    let v{index} = {expression}");
    }
    text += "    emit core.ConfigMap {\n        metadata.name = own.name\n";
    for (index, _) in lines(values).enumerate() {
        let _ = writeln!(text, "        data.v{index} = json(v{index})");
    }
    text + "    }\n}\n"
}

fn to_json(value: &plumb_compiler::value::Value) -> Value {
    let mut text = String::new();
    plumb_compiler::json::write(&mut text, value, false);
    serde_json::from_str(&text).unwrap()
}

/// Where a manifest is not what a part of one says.
fn differences(part: &Value, manifest: &Value, path: &str, problems: &mut String) {
    match (part, manifest) {
        (Value::Object(part), Value::Object(manifest)) => {
            fields(part, manifest, path, problems);
        }
        (Value::Array(part), Value::Array(manifest)) if part.len() == manifest.len() => {
            for (index, (part, manifest)) in part.iter().zip(manifest).enumerate() {
                differences(part, manifest, &format!("{path}[{index}]"), problems);
            }
        }
        _ if part == manifest => {}
        _ => {
            let _ = write!(problems, "\n  {path} is {manifest}, not {part}");
        }
    }
}

fn fields(
    part: &Map<String, Value>,
    manifest: &Map<String, Value>,
    path: &str,
    problems: &mut String,
) {
    for (name, part) in part {
        let path = format!("{path}.{name}");
        match manifest.get(name) {
            None if part.is_null() => {}
            None => {
                let _ = write!(problems, "\n  {path} is not there");
            }
            Some(found) if part.is_null() => {
                let _ = write!(problems, "\n  {path} is {found}, and should not be there");
            }
            Some(found) => differences(part, found, &path, problems),
        }
    }
}

#[test]
fn a_part_that_does_not_hold_is_told() {
    let manifest = json!({ "a": { "b": [1, 2] }, "c": "x" });
    let told = |part: Value| {
        let mut problems = String::new();
        differences(&part, &manifest, "", &mut problems);
        !problems.is_empty()
    };
    assert!(!told(json!({ "a": { "b": [1, 2] }, "d": null })));
    assert!(told(json!({ "c": null })));
    assert!(told(json!({ "a": { "b": [1] } })));
    assert!(told(json!({ "a": { "x": 1 } })));
    assert!(told(json!({ "c": "y" })));
}
