//! Findings where reviews show them: the workflow commands of GitHub Actions, and SARIF 2.1.0, which
//! code scanning and editors read.
//!
//! Both name files relative to the directory the user is in, which in CI is the root of the checkout.

use crate::explain;
use crate::human::{Position, Printer, position};
use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::diagnostics::Severity;
use plumb_workspace::Loaded;
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// What a finding says, where there is one text: the message, in which environments, how to mend it.
fn text(printer: &Printer<'_>, finding: &Finding) -> String {
    let mut text = finding.message.clone();
    if !finding.label.is_empty() && !finding.message.contains(&finding.label) {
        let _ = write!(text, " ({})", finding.label);
    }
    if let Some(note) = printer.environments(finding) {
        let _ = write!(text, "\n{note}");
    }
    for (location, related) in &finding.related {
        let _ = write!(text, "\n{related}: {}", printer.line(location));
    }
    if let Some(help) = &finding.help {
        let _ = write!(text, "\nHelp: {help}");
    }
    text
}

/// A finding as a workflow command: `::error file=…,line=…::message`.
///
/// The grammar is that of <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>,
/// the escapes those of actions/toolkit.
pub(crate) fn github(loaded: &Loaded, printer: &Printer<'_>, finding: &Finding) -> String {
    let mut properties: Vec<(&str, String)> = Vec::new();
    if let Some(location) = &finding.location {
        properties.push(("file", printer.path(location)));
        if let Some((start, end)) = ends(loaded, location) {
            properties.push(("line", start.line.to_string()));
            properties.push(("endLine", end.line.to_string()));
            // Columns are shown only within one line; the last one is part of what is meant.
            if start.line == end.line {
                properties.push(("col", start.column.to_string()));
                let last = end.column.saturating_sub(1).max(start.column);
                properties.push(("endColumn", last.to_string()));
            }
        }
    }
    properties.push(("title", format!("plumb: {}", finding.code)));
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={}", escaped(&value, true)))
        .collect();
    let level = level(finding.severity);
    let message = escaped(&text(printer, finding), false);
    format!("::{level} {}::{message}", properties.join(","))
}

fn escaped(text: &str, property: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            ':' if property => out.push_str("%3A"),
            ',' if property => out.push_str("%2C"),
            _ => out.push(char),
        }
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Where a location begins and ends; `None` where its file was not read.
fn ends(loaded: &Loaded, location: &Location) -> Option<(Position, Position)> {
    let text = loaded.text(&location.path)?;
    Some((position(text, location.range.start), position(text, location.range.end)))
}

/// All findings as one SARIF log.
pub(crate) fn sarif(loaded: &Loaded, printer: &Printer<'_>, findings: &[Finding]) -> Json {
    // The rules that occur, in the order of their names.
    let mut codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Json> = codes
        .iter()
        .map(|code| {
            let page = explain::page(code).unwrap_or_default();
            let help = explain::rendered(page, str::to_owned);
            json!({
                "id": code,
                "shortDescription": { "text": explain::summary(page) },
                "help": { "text": help, "markdown": page },
            })
        })
        .collect();
    let results: Vec<Json> =
        findings.iter().map(|finding| result(loaded, printer, finding, &codes)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "plumb",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(loaded: &Loaded, printer: &Printer<'_>, finding: &Finding, codes: &[&str]) -> Json {
    let code = finding.code.as_str();
    let mut message = finding.message.clone();
    if let Some(help) = &finding.help {
        let _ = write!(message, "\n{help}");
    }
    let mut result = json!({
        "ruleId": code,
        "ruleIndex": codes.iter().position(|it| *it == code),
        "level": level(finding.severity),
        "message": { "text": message },
        "properties": {
            "environments": finding.environments.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        },
    });
    if let Some(location) = &finding.location {
        let mut place = physical(loaded, printer, location);
        if !finding.label.is_empty() {
            place["message"] = json!({ "text": finding.label });
        }
        result["locations"] = json!([place]);
    }
    if !finding.related.is_empty() {
        let related = finding.related.iter().enumerate().map(|(index, (location, text))| {
            let mut place = physical(loaded, printer, location);
            place["id"] = json!(index);
            place["message"] = json!({ "text": text });
            place
        });
        result["relatedLocations"] = related.collect();
    }
    let fixes: Vec<Json> = finding
        .fixes
        .iter()
        .map(|fix| {
            let changes: Vec<Json> = fix
                .edits
                .iter()
                .map(|(location, text)| {
                    let place = physical(loaded, printer, location);
                    json!({
                        "artifactLocation": place["physicalLocation"]["artifactLocation"],
                        "replacements": [{
                            "deletedRegion": place["physicalLocation"]["region"],
                            "insertedContent": { "text": text },
                        }],
                    })
                })
                .collect();
            json!({ "description": { "text": fix.title }, "artifactChanges": changes })
        })
        .collect();
    if !fixes.is_empty() {
        result["fixes"] = fixes.into();
    }
    result
}

/// `{ "physicalLocation": … }`. The end is exclusive, as SARIF wants it; a file that was not read has no
/// lines, and all its places are its first.
fn physical(loaded: &Loaded, printer: &Printer<'_>, location: &Location) -> Json {
    let region = match ends(loaded, location) {
        Some((start, end)) => json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        }),
        None => json!({ "startLine": 1 }),
    };
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&printer.path(location)) },
        "region": region,
    } })
}

/// A path as a relative reference by RFC 3986: all but what may stand in a path is escaped by bytes.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char);
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human::tests::{at, finding, loaded};
    use std::path::Path;

    #[test]
    fn a_workflow_command_is_one_line_whatever_it_says() {
        let loaded = loaded(&[("a,b/é%.plumb", "let é = 1\nlet b = 2\n")]);
        let environments = ["dev".into(), "prod".into()];
        let directory = loaded.root.clone();
        let printer = Printer::new(&loaded, &directory, &environments, false);
        let mut one = finding("wrong: 100%,\nreally", Some(at("a,b/é%.plumb", 4, 6)));
        one.environments = vec!["prod".into()];
        one.related = vec![(at("a,b/é%.plumb", 15, 16), "see this".to_owned())];
        one.help = Some("do this".to_owned());
        assert_eq!(
            github(&loaded, &printer, &one),
            "::error file=a%2Cb/é%25.plumb,line=1,endLine=1,col=5,endColumn=5,title=plumb%3A syntax-error\
             ::wrong: 100%25,%0Areally%0Ain prod%0Asee this: a,b/é%.plumb:2%0AHelp: do this"
                .replace("é%.plumb:2", "é%25.plumb:2")
        );
        let mut two = finding("m", Some(at("a,b/é%.plumb", 0, 14)));
        two.severity = Severity::Warning;
        assert!(github(&loaded, &printer, &two).starts_with(
            "::warning file=a%2Cb/é%25.plumb,line=1,endLine=2,title=plumb%3A syntax-error::m"
        ));
        assert_eq!(
            github(&loaded, &printer, &finding("m", None)),
            "::error title=plumb%3A syntax-error::m"
        );
    }

    #[test]
    fn paths_are_relative_references() {
        assert_eq!(uri("apps/shop/a b%é.plumb"), "apps/shop/a%20b%25%C3%A9.plumb");
    }

    #[test]
    fn paths_lead_from_the_directory_to_the_file() {
        let loaded = loaded(&[("a.plumb", "let a = 1\n")]);
        let directory = loaded.root.parent().unwrap_or(Path::new("/")).to_owned();
        let printer = Printer::new(&loaded, &directory, &[], false);
        let log = sarif(&loaded, &printer, &[finding("m", Some(at("a.plumb", 0, 3)))]);
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        let folder = loaded.root.file_name().unwrap_or_default().display().to_string();
        assert_eq!(place["artifactLocation"]["uri"], json!(format!("{folder}/a.plumb")));
        assert_eq!(
            place["region"],
            json!({ "startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 4 })
        );
    }
}
