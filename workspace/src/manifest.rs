//! `plumb.toml`.

use crate::finding;
use plumb_compiler::answers::{Finding, Fix, Location};
use plumb_compiler::diagnostics::{code, nearest};
use plumb_compiler::syntax::ast::{Name, TextRange};
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
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest { name: None, kubernetes: newest() }
    }
}

fn newest() -> u32 {
    plumb_kubernetes::minors().iter().copied().max().unwrap_or_default()
}

/// Keys that mean something in this version.
const KEYS: [&str; 2] = ["name", "kubernetes"];

/// Keys that will mean something in a later one.
const LATER: [&str; 2] = ["dependencies", "allow"];

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
                later if LATER.contains(&later) => findings.push(finding(
                    code::NOT_IN_THIS_VERSION,
                    format!("`{later}` is not in this version of Plumb yet"),
                    range(key.span()),
                )),
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
    let message = format!("plumb.toml has no key `{key}`");
    let mut finding = finding(code::INVALID_MANIFEST, message, at);
    match nearest(key, KEYS.into_iter().chain(LATER)) {
        Some(meant) => {
            finding.help = Some(format!("did you mean `{meant}`?"));
            finding.fixes = vec![replace(at, meant.to_owned())];
        }
        None => finding.help = Some(format!("its keys are `{}`", KEYS.join("` and `"))),
    }
    finding
}

fn replace(range: TextRange, text: String) -> Fix {
    Fix {
        title: format!("replace by `{text}`"),
        edits: vec![(Location { path: crate::MANIFEST.into(), range }, text)],
    }
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
    let known = plumb_kubernetes::minors();
    if let Some(minor) = known.iter().find(|minor| *written == format!("1.{minor}")) {
        return Ok(*minor);
    }
    let message = format!("this version of Plumb does not know Kubernetes \"{written}\"");
    let mut finding = finding(code::UNKNOWN_KUBERNETES_VERSION, message, range(value.span()));
    // "v1.36" and "1.36.2" are 1.36: patch releases do not change the API.
    let meant = written.trim().trim_start_matches('v').split('.').take(2).collect::<Vec<_>>();
    match known.iter().map(|minor| format!("1.{minor}")).find(|known| *known == meant.join(".")) {
        Some(meant) => {
            finding.help = Some(format!("the version has two numbers: \"{meant}\""));
            finding.fixes = vec![replace(range(value.span()), format!("\"{meant}\""))];
        }
        None => {
            let known: Vec<_> = known.iter().map(|minor| format!("\"1.{minor}\"")).collect();
            finding.help = Some(format!("it knows {}", known.join(", ")));
        }
    }
    Err(Box::new(finding))
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
        assert_eq!(manifest, Manifest { name: Some("acme".into()), kubernetes: 36 });
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
        let found = problems("[dependencies]\nx = 1\n\n[[allow]]\ndirectory = \"a\"\n[nmae]\n");
        let codes: Vec<_> = found.iter().map(|(code, at, ..)| (*code, at.as_str())).collect();
        assert_eq!(
            codes,
            [
                ("not-in-this-version", "dependencies"),
                ("not-in-this-version", "allow"),
                ("invalid-manifest", "nmae"),
            ]
        );
        assert_eq!(found[2].3.as_deref(), Some("did you mean `name`?"));
    }

    #[test]
    fn a_key_that_resembles_none_is_told_the_keys_there_are() {
        let found = problems("colour = 1");
        assert_eq!(found[0].3.as_deref(), Some("its keys are `name` and `kubernetes`"));
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
