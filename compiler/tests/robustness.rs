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

/// What is found where the request reads what `read` says beside `text`.
fn reading(text: &str, read: &str) -> Vec<Finding> {
    let mut sources = beside_the_platform(format!("{text}let read = json({read})\n"));
    request_with(&mut sources, "env.A = platform.read");
    on_a_small_stack(sources)
}

fn codes(found: &[Finding]) -> Vec<&str> {
    let mut codes: Vec<_> = found.iter().map(|it| it.code.as_str()).collect();
    codes.dedup();
    codes
}

#[test]
fn what_doubles_with_every_line_ends_at_the_budget() {
    let spread = chain(64, "let x64 = [1]\n", |a, b| format!("let x{a} = [...x{b}, ...x{b}]"));
    let joined = chain(64, "let x64 = [1]\n", |a, b| format!("let x{a} = x{b} + x{b}"));
    for text in [spread, joined] {
        let found = reading(&text, "len(x0)");
        assert_eq!(codes(&found), ["over-budget"], "{found:#?}\n{}", &text[..80]);
    }
    for line in [
        |a, b| format!("let x{a} = \"${{x{b}}}${{x{b}}}\""),
        |a, b| format!("let x{a} = x{b} + x{b}"),
        |a, b| format!("let x{a} = join([x{b}, x{b}], x{b})"),
        |a, b| format!("let x{a} = replace(x{b}, \"a\", \"aa\")"),
    ] as [fn(usize, usize) -> String; 4]
    {
        let found = reading(&chain(64, "let x64 = \"a\"\n", line), "x0");
        assert_eq!(codes(&found), ["over-budget"], "{found:#?}\n{}", line(0, 1));
    }
    let calls = chain(64, "fn f64(n: Int) -> Int = n\n", |a, b| {
        format!("fn f{a}(n: Int) -> Int = f{b}(n) + f{b}(n)")
    });
    assert_eq!(codes(&reading(&calls, "f0(1)")), ["over-budget"]);
}

#[test]
fn looking_through_a_large_text_again_and_again_ends_at_the_budget() {
    let text = chain(20, "let x20 = \"a\"\n", |a, b| format!("let x{a} = x{b} + x{b}"));
    let text = text + "let other = x1 + x1\n";
    for look in ["\"b\" in x0", "x0 < other", "x0 == other", "x0 matches r\"b\"", "x0 in [other]"] {
        let found = reading(&text, &format!("[for i in 1..=100000 => {look}]"));
        assert_eq!(codes(&found), ["over-budget"], "{look}: {found:#?}");
    }
}

#[test]
fn spreads_of_records_that_double_hold_each_name_once() {
    let text = chain(64, "let x64 = { a = 1 }\n", |a, b| {
        format!("let x{a} = {{ ...x{b}, ...x{b}, k{a} = 1 }}")
    });
    assert_eq!(reading(&text, "len(x0)"), []);
}

#[test]
fn comprehensions_in_one_another_end_at_the_budget() {
    for deep in [3, 40] {
        let list = "[for i in 1..=1000 => ".repeat(deep) + "i" + &"]".repeat(deep);
        let found = reading("", &format!("len({list})"));
        assert_eq!(codes(&found), ["over-budget"], "{found:#?}");
        let map = "{ for i in 1..=1000 => [string(i)] = ".repeat(deep) + "i" + &" }".repeat(deep);
        let found = reading("", &format!("len({map})"));
        assert_eq!(codes(&found), ["over-budget"], "{found:#?}");
    }
}

#[test]
fn numbers_that_are_too_large_are_mistakes() {
    let digits = "9".repeat(100_000);
    for number in [
        "9223372036854775808".to_owned(),
        "-9223372036854775809".to_owned(),
        digits.clone(),
        format!("{digits}.{digits}"),
        format!("{digits}Gi"),
        format!("{digits}m"),
        format!("{digits}h"),
        "1e999999999".to_owned(),
        format!("0x{}", "f".repeat(100_000)),
        "9223372036854775807 + 1".to_owned(),
        "9223372036854775807 * 9223372036854775807".to_owned(),
        "-9223372036854775807 - 2".to_owned(),
        "range(9223372036854775807)".to_owned(),
        "len(0..=9223372036854775807)".to_owned(),
        "len([for i in -9223372036854775807..=9223372036854775807 => i])".to_owned(),
        "1 / 0".to_owned(),
    ] {
        let found = reading("", &number);
        let shown = number.chars().take(40).collect::<String>();
        assert!(!found.is_empty(), "{shown}");
        assert!(found.len() < 4, "{shown}: {found:#?}");
        let longest = found.iter().map(|it| it.message.len() + it.label.len()).max();
        assert!(longest < Some(1_000), "{shown}: a message of {longest:?} bytes");
    }
}

#[test]
fn patterns_that_are_too_large_are_mistakes_and_no_text_makes_one_slow() {
    for pattern in [
        "(a{1000}){1000}".to_owned(),
        "((((a{100}){100}){100}){100}){100}".to_owned(),
        "a{4294967295}".to_owned(),
        "a{99999999999999999999}".to_owned(),
        "(".repeat(10_000) + &")".repeat(10_000),
        "(a|".repeat(10_000) + &")".repeat(10_000),
        "\\pL{5000}".to_owned(),
        "[a-z".repeat(10_000),
        "(?i)[^a]".repeat(10_000),
        "(a*)*(b".to_owned(),
        "(a)\\1".to_owned(),
    ] {
        let found = reading("", &format!("\"a\" matches r\"{pattern}\""));
        let shown = pattern.chars().take(40).collect::<String>();
        assert_eq!(codes(&found), ["bad-pattern"], "{shown}: {found:#?}");
        let longest = found.iter().map(|it| it.message.len() + it.label.len()).max();
        assert!(longest < Some(1_000), "{shown}: a message of {longest:?} bytes");
    }
    // What takes exponential time where a matcher goes back.
    let text = "a".repeat(1 << 16);
    let text = format!(
        "let t = \"{text}!\"\nlet n = [t matches r\"^(a+)+$\", t matches r\"^(a|a)*$\", t matches r\"(x+x+)+y\"]\n"
    );
    assert_eq!(reading(&text, "n"), []);
}

#[test]
fn a_million_requests_are_more_than_a_file_holds() {
    let mut text = String::from("use platform\n");
    for number in 0..1_000_000 {
        writeln!(text, "request r{number}: platform.Service {{}}").unwrap();
    }
    let mut sources = beside_the_platform(String::new());
    sources.insert("apps/many.plumb".into(), text);
    let found = on_a_small_stack(sources);
    assert_eq!(codes(&found), ["unreadable-file"]);
    assert!(found[0].message.contains("larger than 4 MiB"), "{}", found[0].message);
}

#[test]
fn ends_of_lines_and_a_byte_order_mark_change_nothing() {
    let built = |sources: &Sources| {
        let db = Database::default();
        let workspace = workspace(&db, sources);
        let mut texts = Vec::new();
        for environment in environments(&db, workspace) {
            for manifest in build(&db, workspace, &environment).manifests {
                let mut text = String::new();
                plumb_compiler::yaml::write_document(&mut text, &manifest.object);
                texts.push(text);
            }
        }
        let messages = check(&db, workspace).into_iter().map(|it| (it.code, it.message));
        (texts, messages.collect::<Vec<_>>())
    };
    let mut seen = 0;
    for sources in corpus().iter().step_by(5) {
        let other = |text: &String| format!("\u{FEFF}{}", text.replace('\n', "\r\n"));
        let windows = sources.iter().map(|(path, text)| (path.clone(), other(text))).collect();
        let before = built(sources);
        seen += before.0.len();
        assert_eq!(before, built(&windows), "{sources:#?}");
    }
    assert!(seen > 0);
}

#[test]
fn formatting_changes_no_manifest() {
    let built = |sources: &Sources| {
        let db = Database::default();
        let workspace = workspace(&db, sources);
        let built = environments(&db, workspace).into_iter().map(|environment| {
            let built = build(&db, workspace, &environment);
            let mut text = String::new();
            for manifest in &built.manifests {
                plumb_compiler::yaml::write_document(&mut text, &manifest.object);
            }
            (environment, text, built.findings.len())
        });
        built.collect::<Vec<_>>()
    };
    for sources in corpus() {
        let formatted = |text: &String| plumb_compiler::format(text).text;
        let formatted =
            sources.iter().map(|(path, text)| (path.clone(), formatted(text))).collect();
        assert_eq!(built(sources), built(&formatted), "{sources:#?}");
    }
}
