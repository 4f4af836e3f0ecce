//! Answers as JSON. Its shape is a promise to other programs: add to it, change nothing.

use crate::human::{Position, position};
use plumb_compiler::answers::{Finding, Location, Why};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::value::Value;
use plumb_workspace::Loaded;
use serde_json::{Value as Json, json};

/// `{ "version": 1, "diagnostics": [ … ] }`
pub(crate) fn findings(loaded: &Loaded, findings: &[Finding]) -> Json {
    let diagnostics: Vec<Json> =
        findings.iter().map(|finding| diagnostic(loaded, finding)).collect();
    json!({ "version": 1, "diagnostics": diagnostics })
}

fn diagnostic(loaded: &Loaded, finding: &Finding) -> Json {
    let related: Vec<Json> = finding
        .related
        .iter()
        .map(|(location, message)| json!({ "span": span(loaded, location), "message": message }))
        .collect();
    let fixes: Vec<Json> = finding
        .fixes
        .iter()
        .map(|fix| {
            let edits: Vec<Json> = fix
                .edits
                .iter()
                .map(|(location, text)| json!({ "span": span(loaded, location), "text": text }))
                .collect();
            json!({ "title": fix.title, "edits": edits })
        })
        .collect();
    json!({
        "code": finding.code.as_str(),
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": finding.message,
        "environments": finding.environments.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "span": finding.location.as_ref().map(|location| span(loaded, location)),
        "related": related,
        "fixes": fixes,
        "help": finding.help,
    })
}

/// `{ "file", "start": { "line", "column", "offset" }, "end": … }`. A file that was not read has no
/// lines: all its places are its start.
pub(crate) fn span(loaded: &Loaded, location: &Location) -> Json {
    let text = loaded.text(&location.path).map_or("", |text| text);
    let place = |offset| {
        let Position { line, column, offset } = position(text, offset);
        json!({ "line": line, "column": column, "offset": offset })
    };
    json!({
        "file": location.path.as_str(),
        "start": place(location.range.start),
        "end": place(location.range.end),
    })
}

/// `{ "value", "layers": [{ "path", "value", "layer", "span", "effect" }], "uses": [text] }`; a value
/// that is none is null.
pub(crate) fn why(loaded: &Loaded, why: &Why) -> Json {
    let layers: Vec<Json> = why
        .layers
        .iter()
        .map(|layer| {
            json!({
                "path": layer.path,
                "value": value(layer.value.as_ref()),
                "layer": layer.layer,
                "span": span(loaded, &layer.location),
                "effect": layer.effect,
            })
        })
        .collect();
    let mut answer =
        json!({ "value": value(why.value.as_ref()), "layers": layers, "uses": why.uses });
    if let Some(note) = &why.note {
        answer["note"] = json!(note);
    }
    answer
}

/// A value as the compiler prints it.
pub(crate) fn value(value: Option<&Value>) -> Json {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Json::Null };
    let mut text = String::new();
    plumb_compiler::json::write(&mut text, value, false);
    serde_json::from_str(&text).expect("the compiler writes JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human::tests::{at, finding, loaded};
    use plumb_compiler::answers::Fix;

    #[test]
    fn a_finding_is_told_completely() {
        let loaded = loaded(&[("a.plumb", "let é = 1\nlet b = 2\n")]);
        let mut finding = finding("wrong", Some(at("a.plumb", 4, 6)));
        finding.environments = vec!["dev".into(), "prod".into()];
        finding.related = vec![(at("a.plumb", 15, 16), "see this".to_owned())];
        finding.help = Some("do this".to_owned());
        finding.fixes = vec![Fix {
            title: "fix".to_owned(),
            edits: vec![(at("a.plumb", 9, 9), "x".to_owned())],
        }];
        let place = |line: u32, column: u32, offset: u32| json!({ "line": line, "column": column, "offset": offset });
        let span =
            |start: Json, end: Json| json!({ "file": "a.plumb", "start": start, "end": end });
        assert_eq!(
            findings(&loaded, &[finding]),
            json!({ "version": 1, "diagnostics": [{
                "code": "syntax-error",
                "severity": "error",
                "message": "wrong",
                "environments": ["dev", "prod"],
                "span": span(place(1, 5, 4), place(1, 6, 6)),
                "related": [{ "span": span(place(2, 5, 15), place(2, 6, 16)), "message": "see this" }],
                "fixes": [{ "title": "fix", "edits": [
                    { "span": span(place(1, 9, 9), place(1, 9, 9)), "text": "x" },
                ] }],
                "help": "do this",
            }] })
        );
    }

    #[test]
    fn nothing_found_is_an_empty_list() {
        assert_eq!(findings(&loaded(&[]), &[]), json!({ "version": 1, "diagnostics": [] }));
    }

    #[test]
    fn what_has_no_place_has_no_span() {
        let told = findings(&loaded(&[]), &[finding("m", None)]);
        assert_eq!(told["diagnostics"][0]["span"], Json::Null);
        assert_eq!(told["diagnostics"][0]["help"], Json::Null);
    }

    #[test]
    fn a_place_in_a_file_that_was_not_read_is_its_start() {
        let told = findings(&loaded(&[]), &[finding("m", Some(at("gone.plumb", 7, 9)))]);
        let start = json!({ "line": 1, "column": 1, "offset": 0 });
        assert_eq!(
            told["diagnostics"][0]["span"],
            json!({ "file": "gone.plumb", "start": start, "end": start })
        );
    }
}
