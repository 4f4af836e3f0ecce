//! `plumb.toml`.

use crate::finding;
use plumb_compiler::answers::{Finding, Fix, Location};
use plumb_compiler::diagnostics::{code, list, nearest};
use plumb_compiler::source::Allowed;
use plumb_compiler::syntax::ast::{Name, TextRange};
use plumb_compiler::versions::Unknown;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What `plumb.toml` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// `name`: what the workspace is called.
    pub name: Option<Name>,
    /// `kubernetes`: the minor version that manifests are checked against, 36 for `"1.36"`; the
    /// newest that is known where nothing is said.
    pub kubernetes: u32,
    /// `[dependencies]`: other workspaces, whose packages are seen under a name.
    pub dependencies: Vec<Wanted>,
    /// `[[allow]]`: what directories may ask for.
    pub allowed: Vec<Allowed>,
}

/// A dependency as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// What it is called in `use`.
    pub name: Name,
    /// Where its directory is, relative to that of the `plumb.toml`; `None` where nothing says so that
    /// could be used.
    pub path: Option<Name>,
    /// Where that is said, in bytes.
    pub range: TextRange,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest { name: None, kubernetes: newest(), dependencies: Vec::new(), allowed: Vec::new() }
    }
}

fn newest() -> u32 {
    plumb_kubernetes::minors().iter().copied().max().unwrap_or_default()
}

/// Keys that mean something in this version.
const KEYS: [&str; 4] = ["name", "kubernetes", "dependencies", "allow"];

/// Reads a `plumb.toml`, and finds everything that is wrong with it, in the order of its text.
pub(crate) fn parse(text: &str) -> (Manifest, Vec<Finding>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut manifest = Manifest::default();
    let mut findings: Vec<_> = errors.iter().map(|error| no_toml(text, error)).collect();
    // What can be guessed of a broken text would only add mistakes that are none.
    if findings.is_empty() {
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "name" => match value.get_ref() {
                    DeValue::String(name) if !name.trim().is_empty() => {
                        manifest.name = Some(name.as_ref().into());
                    }
                    _ => findings.push(invalid("`name` is a string: \"shop\"", value)),
                },
                "kubernetes" => match minor(value) {
                    Ok(minor) => manifest.kubernetes = minor,
                    Err(problem) => findings.push(*problem),
                },
                "dependencies" => dependencies(value, &mut manifest, &mut findings),
                "allow" => allow(value, &mut manifest, &mut findings),
                unknown => findings.push(unknown_key(unknown, range(key.span()))),
            }
        }
    }
    findings.sort_by(|a, b| a.location.cmp(&b.location));
    (manifest, findings)
}

fn range(span: Range<usize>) -> TextRange {
    // A file has at most 4 MiB.
    TextRange::new(span.start as u32, span.end as u32)
}

fn no_toml(text: &str, error: &toml::de::Error) -> Finding {
    let end = text.len()..text.len();
    finding(
        code::INVALID_MANIFEST,
        format!("plumb.toml is not TOML here: {}", error.message()),
        range(error.span().unwrap_or(end)),
    )
}

fn invalid(message: &str, value: &Spanned<DeValue<'_>>) -> Finding {
    let mut finding = finding(code::INVALID_MANIFEST, message.to_owned(), range(value.span()));
    finding.label = format!("this is {}", describe(value.get_ref()));
    finding
}

fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(text) if text.trim().is_empty() => "an empty string",
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_key(key: &str, at: TextRange) -> Finding {
    unknown_key_of("plumb.toml", key, at, &KEYS)
}

fn unknown_key_of(what: &str, key: &str, at: TextRange, keys: &[&str]) -> Finding {
    let message = format!("{what} has no key `{key}`");
    let mut finding = finding(code::INVALID_MANIFEST, message, at);
    match nearest(key, keys.iter().copied()) {
        Some(meant) => {
            finding.help = Some(format!("did you mean `{meant}`?"));
            finding.fixes = vec![replace(at, meant.to_owned())];
        }
        None => finding.help = Some(format!("its keys are {}", list(keys, "and"))),
    }
    finding
}

fn replace(range: TextRange, text: String) -> Fix {
    Fix {
        title: format!("replace by `{text}`"),
        edits: vec![(Location { path: crate::MANIFEST.into(), range }, text)],
    }
}

/// `[dependencies]`: `platform = { path = "../platform" }`.
fn dependencies(
    value: &Spanned<DeValue<'_>>,
    manifest: &mut Manifest,
    findings: &mut Vec<Finding>,
) {
    let example = "`[dependencies]` names workspaces: platform = { path = \"../platform\" }";
    let DeValue::Table(table) = value.get_ref() else {
        findings.push(invalid(example, value));
        return;
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if ["std", "k8s", "crd"].contains(&name) {
            findings.push(finding(
                code::INVALID_MANIFEST,
                format!("a dependency cannot be called `{name}`: the word has a meaning in `use`"),
                range(key.span()),
            ));
            continue;
        }
        if !is_identifier(name) {
            let message = format!("`{name}` is no name for a dependency");
            let mut finding = finding(code::INVALID_MANIFEST, message, range(key.span()));
            finding.help =
                Some("`use` names it: letters, digits and `_`, dashes between them".to_owned());
            findings.push(finding);
            continue;
        }
        let DeValue::Table(parts) = value.get_ref() else {
            let mut finding = invalid(example, value);
            if let DeValue::String(path) = value.get_ref() {
                let text = format!("{{ path = {:?} }}", path.as_ref());
                finding.fixes = vec![replace(range(value.span()), text)];
            }
            findings.push(finding);
            let range = range(value.span());
            manifest.dependencies.push(Wanted { name: name.into(), path: None, range });
            continue;
        };
        let mut path = None;
        let mut later = false;
        for (key, value) in parts {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("path", DeValue::String(text)) if !text.trim().is_empty() => {
                    path = Some((text, value))
                }
                ("path", _) => {
                    findings.push(invalid("`path` is a directory: \"../platform\"", value));
                    later = true;
                }
                ("git" | "tag", _) => {
                    if !std::mem::replace(&mut later, true) {
                        let message = "dependencies from git are not in this version of Plumb";
                        let at = range(key.span());
                        let mut finding = finding(code::NOT_IN_THIS_VERSION, message.into(), at);
                        finding.help =
                            Some("check it out beside this one and name its `path`".into());
                        findings.push(finding);
                    }
                }
                (other, _) => {
                    findings.push(unknown_key_of(
                        "a dependency",
                        other,
                        range(key.span()),
                        &["path", "git", "tag"],
                    ));
                }
            }
        }
        let at = path.map_or(range(key.span()), |(_, value)| range(value.span()));
        if path.is_none() && !later {
            let message = format!("dependency `{name}` has no `path`");
            findings.push(finding(code::INVALID_MANIFEST, message, at));
        }
        let path = path.map(|(path, _)| path.as_ref().into());
        manifest.dependencies.push(Wanted { name: name.into(), path, range: at });
    }
}

/// Whether a name can stand in `use`.
fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// `[[allow]]`: what the packages of some directories may ask for.
fn allow(value: &Spanned<DeValue<'_>>, manifest: &mut Manifest, findings: &mut Vec<Finding>) {
    const KEYS: [&str; 5] = ["directory", "request", "namespaces", "adjust", "exempt"];
    let DeValue::Array(entries) = value.get_ref() else {
        findings.push(invalid("`allow` is a list of tables, each under a line `[[allow]]`", value));
        return;
    };
    for entry in entries {
        let DeValue::Table(table) = entry.get_ref() else {
            findings.push(invalid("each `[[allow]]` is a table", entry));
            continue;
        };
        let mut allowed = Allowed::default();
        let mut directory = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "directory" => match value.get_ref() {
                    DeValue::String(text) => directory = Some((text, value)),
                    _ => findings.push(invalid("`directory` is a pattern: \"apps/**\"", value)),
                },
                "request" => allowed.request = texts("request", "platform.*", value, findings),
                "namespaces" => allowed.namespaces = texts("namespaces", "team-*", value, findings),
                later @ ("adjust" | "exempt") => findings.push(finding(
                    code::NOT_IN_THIS_VERSION,
                    format!("`{later}` is not in this version of Plumb yet"),
                    range(key.span()),
                )),
                other => {
                    findings.push(unknown_key_of("`[[allow]]`", other, range(key.span()), &KEYS))
                }
            }
        }
        let Some((text, value)) = directory else {
            if !table.contains_key("directory") {
                findings.push(finding(
                    code::INVALID_MANIFEST,
                    "this `[[allow]]` names no `directory`".to_owned(),
                    range(entry.span()),
                ));
            }
            continue;
        };
        let text = text.trim_start_matches("./").trim_end_matches('/');
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            findings.push(invalid("`directory` is one of this workspace: \"apps/**\"", value));
            continue;
        }
        if manifest.allowed.iter().any(|other| other.directory == text) {
            findings.push(finding(
                code::INVALID_MANIFEST,
                format!("there is another `[[allow]]` for `{text}`"),
                range(value.span()),
            ));
            continue;
        }
        allowed.directory = text.into();
        allowed.range = range(value.span());
        manifest.allowed.push(allowed);
    }
}

/// A list of texts; nothing that could be used: it allows nothing.
fn texts(
    key: &str,
    example: &str,
    value: &Spanned<DeValue<'_>>,
    findings: &mut Vec<Finding>,
) -> Option<Vec<Name>> {
    let DeValue::Array(elements) = value.get_ref() else {
        findings.push(invalid(&format!("`{key}` is a list of patterns: [\"{example}\"]"), value));
        return Some(Vec::new());
    };
    let mut found = Vec::new();
    for element in elements {
        match element.get_ref() {
            DeValue::String(text) => found.push(text.as_ref().into()),
            _ => findings.push(invalid(&format!("`{key}` holds patterns: \"{example}\""), element)),
        }
    }
    Some(found)
}

/// The minor version that the value of `kubernetes` names.
fn minor(value: &Spanned<DeValue<'_>>) -> Result<u32, Box<Finding>> {
    let DeValue::String(written) = value.get_ref() else {
        let mut finding = invalid("`kubernetes` is a version in quotes: \"1.36\"", value);
        // 1.30 is the number 1.3: only the text as it was written tells them apart.
        if let DeValue::Float(number) = value.get_ref() {
            finding.fixes = vec![replace(range(value.span()), format!("\"{}\"", number.as_str()))];
        }
        return Err(Box::new(finding));
    };
    plumb_compiler::versions::read(written).map_err(|Unknown { message, help, meant }| {
        let mut finding = finding(code::UNKNOWN_KUBERNETES_VERSION, message, range(value.span()));
        finding.help = Some(help);
        finding.fixes = meant
            .map(|meant| replace(range(value.span()), format!("\"{meant}\"")))
            .into_iter()
            .collect();
        Box::new(finding)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code, the text at the place, the message and the help of each finding.
    fn problems(text: &str) -> Vec<(&'static str, String, String, Option<String>)> {
        let (_, findings) = parse(text);
        findings
            .into_iter()
            .map(|finding| {
                let range = finding.location.unwrap().range;
                let at = text[range.start as usize..range.end as usize].to_owned();
                (finding.code.as_str(), at, finding.message, finding.help)
            })
            .collect()
    }

    #[test]
    fn the_name_and_the_version_of_kubernetes_are_read() {
        let (manifest, findings) = parse("name = \"acme\"\nkubernetes = \"1.36\"\n");
        let expected =
            Manifest { name: Some("acme".into()), kubernetes: 36, ..Manifest::default() };
        assert_eq!(manifest, expected);
        assert_eq!(findings, []);
    }

    #[test]
    fn an_empty_file_means_the_newest_kubernetes() {
        let (manifest, findings) = parse("");
        assert_eq!(manifest.kubernetes, *plumb_kubernetes::minors().iter().max().unwrap());
        assert_eq!(findings, []);
    }

    #[test]
    fn every_mistake_is_found_at_its_place() {
        let found = problems(
            "[dependencies]\nx = 1\nstd = { path = \"a\" }\ng = { git = \"a\", tag = \"b\" }\nh = {}\n\"a b\" = { path = \"a\" }\n\
             [[allow]]\nrequest = 1\n[[allow]]\ndirectory = \"../a\"\nadjust = []\n[[allow]]\ndirectory = \"b\"\nnamespace = []\n\
             [[allow]]\ndirectory = \"b\"\nnamespaces = [1]\n[nmae]\n",
        );
        let codes: Vec<_> = found.iter().map(|(code, at, ..)| (*code, at.as_str())).collect();
        assert_eq!(
            codes,
            [
                ("invalid-manifest", "1"),
                ("invalid-manifest", "std"),
                ("not-in-this-version", "git"),
                ("invalid-manifest", "h"),
                ("invalid-manifest", "\"a b\""),
                ("invalid-manifest", "[[allow]]"),
                ("invalid-manifest", "1"),
                ("invalid-manifest", "\"../a\""),
                ("not-in-this-version", "adjust"),
                ("invalid-manifest", "namespace"),
                ("invalid-manifest", "\"b\""),
                ("invalid-manifest", "1"),
                ("invalid-manifest", "nmae"),
            ]
        );
        assert_eq!(found.last().unwrap().3.as_deref(), Some("did you mean `name`?"));
        assert_eq!(found[9].3.as_deref(), Some("did you mean `namespaces`?"));
    }

    #[test]
    fn a_key_that_resembles_none_is_told_the_keys_there_are() {
        let found = problems("colour = 1");
        assert_eq!(
            found[0].3.as_deref(),
            Some("its keys are `name`, `kubernetes`, `dependencies` and `allow`")
        );
    }

    #[test]
    fn a_version_without_quotes_is_mended_as_it_was_written() {
        let (_, findings) = parse("kubernetes = 1.30");
        assert_eq!(findings[0].code, code::INVALID_MANIFEST);
        assert_eq!(findings[0].label, "this is a number");
        assert_eq!(findings[0].fixes[0].edits[0].1, "\"1.30\"");
    }

    #[test]
    fn a_version_that_is_not_known_tells_the_known_ones_and_the_newest_stands_in() {
        let (manifest, findings) = parse("kubernetes = \"1.2\"");
        assert_eq!(findings[0].code, code::UNKNOWN_KUBERNETES_VERSION);
        assert!(findings[0].help.as_deref().unwrap().contains("\"1.36\""));
        assert_eq!(manifest, Manifest::default());
    }

    #[test]
    fn a_patch_release_or_a_v_is_told_the_version_that_is_meant() {
        for written in ["1.36.2", "v1.36"] {
            let (_, findings) = parse(&format!("kubernetes = {written:?}"));
            assert_eq!(findings[0].fixes[0].edits[0].1, "\"1.36\"", "{written}");
        }
    }

    #[test]
    fn a_name_is_a_string_with_something_in_it() {
        for (value, label) in [("\" \"", "this is an empty string"), ("[]", "this is a list")] {
            let (manifest, findings) = parse(&format!("name = {value}"));
            assert_eq!(findings[0].label, label);
            assert_eq!(manifest.name, None);
        }
    }

    #[test]
    fn broken_toml_is_a_finding_within_the_text() {
        for text in ["name = ", "[", "name = \"a", "a = 1\na = 2", "\u{feff}name = é", "=", "]]"] {
            let (manifest, findings) = parse(text);
            assert!(!findings.is_empty(), "{text:?}");
            assert_eq!(manifest, Manifest::default());
            for finding in findings {
                assert_eq!(finding.code, code::INVALID_MANIFEST);
                assert!(finding.location.unwrap().range.end as usize <= text.len(), "{text:?}");
            }
        }
    }

    #[test]
    fn deep_nesting_is_a_finding() {
        let (_, findings) = parse(&format!("a = {}", "[".repeat(100_000)));
        assert_eq!(findings[0].code, code::INVALID_MANIFEST);
    }
}
