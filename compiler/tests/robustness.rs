//! Whatever the text says, there is an answer: no panic, no overflow, no place outside its file.

#![allow(clippy::disallowed_methods, reason = "a test reads its cases from files")]

use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, build, check, environments, why};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

type Sources = BTreeMap<String, String>;

fn workspace(db: &Database, sources: &Sources) -> Workspace {
    let files = sources
        .iter()
        .map(|(path, text)| {
            let text = Content::Text(Arc::from(text.as_str()));
            (Name::from(path.as_str()), SourceFile::new(db, path.as_str().into(), text))
        })
        .collect();
    Workspace::new(db, Arc::new(files), 36)
}

/// Asks everything of a workspace; what is found.
fn ask(sources: &Sources) -> Vec<Finding> {
    let db = Database::default();
    let workspace = workspace(&db, sources);
    let findings = check(&db, workspace);
    for finding in &findings {
        let place = finding.location.as_ref().expect("every mistake has a place");
        is_in(sources, place, finding);
        finding.related.iter().for_each(|(place, _)| is_in(sources, place, finding));
        for fix in &finding.fixes {
            fix.edits.iter().for_each(|(place, _)| is_in(sources, place, finding));
        }
        assert!(!finding.message.trim().is_empty());
        assert!(!finding.message.contains('\n'), "{}", finding.message);
    }
    let places: Vec<_> = findings.iter().map(|it| &it.location).collect();
    assert!(places.is_sorted());
    let mut told: Vec<_> =
        findings.iter().map(|it| (it.location.as_ref(), it.code, &it.message)).collect();
    told.dedup();
    assert_eq!(told.len(), findings.len(), "told twice: {findings:#?}");
    for environment in environments(&db, workspace) {
        let built = build(&db, workspace, &environment);
        for finding in &built.findings {
            is_in(sources, finding.location.as_ref().unwrap(), finding);
        }
        for address in ["shop.replicas", "shop.env", "shop.sidecars", "shop.image", "shop.", ""] {
            let _ = why(&db, workspace, &environment, address);
        }
    }
    findings
}

fn is_in(sources: &Sources, place: &Location, finding: &Finding) {
    let text = sources
        .get(place.path.as_str())
        .unwrap_or_else(|| panic!("{} is no file: {finding:?}", place.path));
    let range = place.range.start as usize..place.range.end as usize;
    assert!(text.get(range.clone()).is_some(), "{range:?} of {}: {finding:?}", place.path);
}

/// The workspaces of the tests of mistakes, sound and unsound.
fn corpus() -> &'static [Sources] {
    static CORPUS: OnceLock<Vec<Sources>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let mut base = Sources::new();
        for name in ["env.plumb", "web.plumb"] {
            base.insert(format!("platform/{name}"), read(&format!("platform/{name}")));
        }
        let mut found = Vec::new();
        for name in ["sound.txt", "requests.txt", "platform.txt"] {
            for case in read(name).split("=== ").skip(1) {
                let mut sources = base.clone();
                for part in case.split("\n--- ").skip(1) {
                    let (path, text) = part.split_once('\n').unwrap_or((part, ""));
                    sources.insert(path.to_owned(), text.to_owned());
                }
                found.push(sources);
            }
        }
        found
    })
}

/// Words, numbers, runs of space and single signs.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let class = |it: char| match it {
        _ if it.is_alphanumeric() || it == '_' || it == '-' => 1,
        ' ' => 2,
        _ => 0,
    };
    let mut last = 0;
    for character in text.chars() {
        let this = class(character);
        match found.last_mut() {
            Some(token) if this != 0 && this == last => token.push(character),
            _ => found.push(character.into()),
        }
        last = this;
    }
    found
}

const WORDS: &[&str] = &[
    "shop",
    "Service",
    "platform",
    "svc",
    "core",
    "apps",
    "Deployment",
    "Size",
    "String",
    "Int",
    "Secret",
    "none",
    "null",
    "it",
    "self",
    "environment",
    "final",
    "replace",
    "if",
    "else",
    "let",
    "for",
    "in",
    "match",
    "emit",
    "output",
    "require",
    "request",
    "schema",
    "compose",
    "overlay",
    "defaults",
    "type",
    "fn",
    "use",
    "from",
    "where",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "=",
    "+=",
    ":",
    ".",
    "?.",
    "??",
    "?",
    "...",
    "=>",
    "->",
    "|",
    "\"",
    "${",
    "\"\"\"",
    "r\"",
    "5m",
    "1Gi",
    "1.5",
    "0",
    "-",
    "99999999999999999999",
    "@",
    "//",
    "///",
    "é",
    "\u{1F680}",
    "\t",
    "\n",
    ",",
    ";",
    "by",
    "private",
    "prod",
    "dev",
    "name",
    "image",
    "env",
    "spec",
    "metadata",
    "\u{0}",
];

#[derive(Clone, Debug)]
enum Change {
    Delete(usize),
    Double(usize),
    Swap(usize, usize),
    Insert(usize, usize),
    Replace(usize, usize),
    Cut(usize),
    /// Words of the text itself stand in for each other.
    Rename(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..usize::MAX;
    prop_oneof![
        at.clone().prop_map(Change::Delete),
        at.clone().prop_map(Change::Double),
        (at.clone(), at.clone()).prop_map(|(a, b)| Change::Swap(a, b)),
        (at.clone(), at.clone()).prop_map(|(a, b)| Change::Insert(a, b)),
        (at.clone(), at.clone()).prop_map(|(a, b)| Change::Replace(a, b)),
        at.clone().prop_map(Change::Cut),
        (at.clone(), at).prop_map(|(a, b)| Change::Rename(a, b)),
    ]
}

fn apply(tokens: &mut Vec<String>, change: &Change) {
    if tokens.is_empty() {
        return;
    }
    let count = tokens.len();
    match change {
        Change::Delete(at) => {
            tokens.remove(at % count);
        }
        Change::Double(at) => {
            let token = tokens[at % count].clone();
            tokens.insert(at % count, token);
        }
        Change::Swap(a, b) => tokens.swap(a % count, b % count),
        Change::Insert(at, word) => {
            tokens.insert(at % count, format!(" {} ", WORDS[word % WORDS.len()]));
        }
        Change::Replace(at, word) => tokens[at % count] = WORDS[word % WORDS.len()].to_owned(),
        Change::Cut(at) => {
            // From a token to the end of its line.
            let start = at % count;
            let end = tokens[start..].iter().position(|it| it == "\n").unwrap_or(count - start);
            tokens.drain(start..start + end);
        }
        Change::Rename(a, b) => {
            let is_word = |it: &&usize| tokens[**it].starts_with(char::is_alphabetic);
            let all: Vec<usize> = (0..count).collect();
            let words: Vec<usize> = all.iter().filter(is_word).copied().collect();
            if !words.is_empty() {
                let from = tokens[words[b % words.len()]].clone();
                tokens[words[a % words.len()]] = from;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(64)
    ) })]

    #[test]
    fn a_damaged_workspace_is_answered(
        which in 0..usize::MAX,
        file in 0..usize::MAX,
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let mut sources = corpus()[which % corpus().len()].clone();
        let path = sources.keys().nth(file % sources.len()).unwrap().clone();
        let mut damaged = tokens(&sources[&path]);
        changes.iter().for_each(|change| apply(&mut damaged, change));
        sources.insert(path, damaged.concat());
        ask(&sources);
    }
}

/// Runs on a thread with the stack that the standard library gives one.
fn on_a_small_stack(sources: Sources) -> Vec<Finding> {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || ask(&sources))
        .unwrap()
        .join()
        .unwrap()
}

/// The platform of the tests, beside `text` in its package.
fn beside_the_platform(text: String) -> Sources {
    let mut sources = corpus()[0].clone();
    sources.retain(|path, _| path.ends_with("env.plumb") || path.ends_with("web.plumb"));
    sources.insert("platform/long.plumb".into(), text);
    request_with(&mut sources, "");
    sources
}

/// Gives the workspace a request that also says this.
fn request_with(sources: &mut Sources, entries: &str) {
    let digest = "a".repeat(64);
    let text = format!(
        "use platform\npackage {{ namespace = \"shop\" }}\n\
         request shop: platform.Service {{ image = \"a@sha256:{digest}\"\n{entries} }}\n"
    );
    sources.insert("apps/shop.plumb".into(), text);
}

/// One line for each number, of the number and the next one.
fn chain(count: usize, last: &str, line: impl Fn(usize, usize) -> String) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "{}", line(number, number + 1)).unwrap();
    }
    text + last
}

const LONG: usize = 10_000;

#[test]
fn a_long_chain_of_lets_is_followed() {
    let text = chain(LONG, &format!("let x{LONG} = \"a\"\n"), |a, b| format!("let x{a} = x{b}"));
    assert_eq!(on_a_small_stack(beside_the_platform(text)), []);
}

#[test]
fn what_takes_too_long_a_chain_to_calculate_is_refused() {
    let lets = chain(LONG, &format!("let x{LONG} = \"a\"\n"), |a, b| format!("let x{a} = x{b}"));
    let calls = chain(LONG, &format!("fn f{LONG}(n: Int) -> Int = n\n"), |a, b| {
        format!("fn f{a}(n: Int) -> Int = f{b}(n) + 1")
    });
    let read = "let called = string(f0(1))\n";
    for (text, entry) in [(lets, "env.A = platform.x0"), (calls + read, "env.A = platform.called")]
    {
        let mut sources = beside_the_platform(text);
        request_with(&mut sources, entry);
        let found = on_a_small_stack(sources);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code.as_str(), "over-budget");
    }
}

#[test]
fn a_long_circle_of_lets_is_one_mistake() {
    let text = chain(LONG, &format!("let x{LONG} = x0\n"), |a, b| format!("let x{a} = x{b}"));
    let found = on_a_small_stack(beside_the_platform(text));
    assert_eq!(found.len(), 1);
}

#[test]
fn a_long_chain_of_functions_is_followed() {
    let text = chain(LONG, &format!("fn f{LONG}(n: Int) -> Int = n\n"), |a, b| {
        format!("fn f{a}(n: Int) -> Int = f{b}(n) + 1")
    });
    assert_eq!(on_a_small_stack(beside_the_platform(text)), []);
}

#[test]
fn a_long_chain_of_types_is_followed() {
    let text = chain(LONG, &format!("type T{LONG} = Int\n"), |a, b| format!("type T{a} = T{b}"));
    let text = text + "schema Long { a: T0 = 1 }\n";
    assert_eq!(on_a_small_stack(beside_the_platform(text)), []);
}

#[test]
fn types_and_values_that_nest_with_every_step_are_refused() {
    let types = chain(LONG, &format!("type T{LONG} = Int\n"), |a, b| format!("type T{a} = [T{b}]"));
    let found = on_a_small_stack(beside_the_platform(types));
    assert!(found.iter().all(|it| it.code.as_str() == "too-deep"), "{:?}", &found[..1]);
    let values =
        chain(LONG, &format!("let x{LONG} = 1\n"), |a, b| format!("let x{a} = {{ a = x{b} }}"));
    let found = on_a_small_stack(beside_the_platform(values));
    assert!(!found.is_empty());
    assert!(found.iter().all(|it| it.code.as_str() == "too-deep"), "{:?}", &found[..1]);
    let wide = chain(64, "let x64 = 1\n", |a, b| format!("let x{a} = {{ a = x{b}, b = x{b} }}"));
    let found = on_a_small_stack(beside_the_platform(wide));
    assert!(found.iter().all(|it| it.code.as_str() == "too-deep"), "{:?}", &found[..1]);
}

#[test]
fn a_long_chain_of_includes_is_refused() {
    let text = chain(1_000, "schema S1000 { end: Int }\n", |a, b| {
        format!("schema S{a} {{ ...S{b}\n f{a}: Int = 1 }}")
    });
    let found = on_a_small_stack(beside_the_platform(text));
    assert!(!found.is_empty());
    assert!(found.iter().all(|it| it.code.as_str() == "too-deep"), "{:?}", &found[..1]);
}

#[test]
fn a_long_descent_of_environments_is_refused() {
    let text =
        chain(300, "environment e300: Env { domain = \"a.b\", tier = \"dev\" }\n", |a, b| {
            format!("abstract environment e{a}: Env from e{b} {{}}")
        });
    let found = on_a_small_stack(beside_the_platform(text));
    assert!(!found.is_empty());
    assert!(found.iter().all(|it| it.code.as_str() == "too-deep"), "{:?}", &found[..1]);
}

#[test]
fn values_nest_as_deep_as_the_parser_follows() {
    for deep in [60, 120, 2_000, 100_000] {
        let nested = |open: &str, inner: &str, close: &str| {
            format!("{}{inner}{}", open.repeat(deep), close.repeat(deep))
        };
        let mut text = String::new();
        writeln!(text, "let a = {}", nested("[", "1", "]")).unwrap();
        writeln!(text, "let b = {}", nested("{ a = ", "1", " }")).unwrap();
        writeln!(text, "let c = {}", nested("(", "1", ")")).unwrap();
        writeln!(text, "let d = {}", nested("!", "true", "")).unwrap();
        writeln!(text, "let e = {}", nested("if true => ", "1", " else 2")).unwrap();
        writeln!(text, "let f = {}", nested("len([", "", "])")).unwrap();
        writeln!(text, "let g = 1{}", " + 1".repeat(deep)).unwrap();
        writeln!(text, "let h = b{}", ".a".repeat(deep)).unwrap();
        writeln!(text, "let i = \"\" ?? {}", nested("\"\" ?? ", "\"\"", "")).unwrap();
        writeln!(text, "type J = {}", nested("[", "Int", "]")).unwrap();
        writeln!(text, "type K = {}", nested("{ a: ", "Int", " }")).unwrap();
        writeln!(text, "type L = {}", nested("(", "Int", ")")).unwrap();
        writeln!(text, "type M = Int{}", "?".repeat(deep)).unwrap();
        writeln!(text, "type N = {}", nested("{String: ", "Int", "}")).unwrap();
        writeln!(text, "compose O as o {{ {} }}", nested("if true { ", "", " }")).unwrap();
        on_a_small_stack(beside_the_platform(text));
    }
}

#[test]
fn many_declarations_and_many_entries_take_time_that_grows_with_them() {
    let mut text = String::new();
    for number in 0..LONG {
        writeln!(text, "let x{number} = {number}").unwrap();
    }
    writeln!(text, "let all = {{").unwrap();
    for number in 0..LONG {
        writeln!(text, "    k{number} = x{number}").unwrap();
    }
    writeln!(text, "}}\nlet list = [").unwrap();
    for number in 0..LONG {
        writeln!(text, "    x{number}").unwrap();
    }
    writeln!(
        text,
        "]\ntype Many = {}",
        (0..2_000).map(|it| format!("\"v{it}\"")).collect::<Vec<_>>().join(" | ")
    )
    .unwrap();
    assert_eq!(on_a_small_stack(beside_the_platform(text)), []);
}
