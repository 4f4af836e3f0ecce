//! Differences for the description of a pull request, or a comment on it.

use super::{Object, Report, alike, goes_with, lines, meaning, remark, shown, source_words, word};
use crate::commands::number;
use crate::terminal::visible;
use plumb_compiler::changes::EFFECTS;

/// GitHub takes comments of 65,536 characters, others more; what stands around it needs some.
const MAX_BYTES: usize = 60_000;

/// The objects that are named of those that differ alike.
const NAMED: usize = 20;

/// All that differs, as far as there is room.
pub(super) fn render(report: &Report<'_>) -> String {
    render_within(report, MAX_BYTES)
}

fn render_within(report: &Report<'_>, most: usize) -> String {
    let environment = code(&report.environment);
    let mut out = format!("### {environment}: {}\n\n", report.summary());
    let side = |named: &super::Named| {
        let summary = named.summary.as_deref().filter(|it| !it.is_empty());
        match summary {
            Some(summary) => format!("{} {}", code(&named.shown), code(summary)),
            None => code(&named.shown),
        }
    };
    out += &format!("{} → {}\n", side(&report.from), side(&report.to));
    for note in &report.notes {
        out += &format!("\n{}\n", escape(note));
    }
    if !report.incomplete.is_empty() {
        out += "\n**not compared**\n\n";
        for incomplete in &report.incomplete {
            out += &format!("- {}\n", escape(&report.told(incomplete)));
        }
    }
    let mut left_out = 0;
    for effect in EFFECTS {
        let groups = alike(report, effect, |object| body(report, object));
        if groups.is_empty() {
            continue;
        }
        let count: usize = groups.iter().map(|(_, objects)| objects.len()).sum();
        let meaning = meaning(effect).map(|it| format!(": {it}")).unwrap_or_default();
        let head =
            format!("\n<details><summary><b>{} {}</b>{meaning}</summary>\n", count, word(effect));
        let mut section = String::new();
        for (body, objects) in groups {
            let mut group = String::from("\n");
            for object in objects.iter().take(NAMED) {
                let change = object.change;
                let with = goes_with(change).map(|it| format!(", {it}")).unwrap_or_default();
                let address = code(&change.identity.address());
                group += &format!("- **{address}**{with} of {}\n", code(change.request()));
            }
            if objects.len() > NAMED {
                group += &format!("- and {}\n", number(objects.len() - NAMED, "more object"));
            }
            group += &fenced(&body);
            let end = "\n</details>\n".len();
            if out.len() + head.len() + section.len() + group.len() + end > most {
                left_out += objects.len();
            } else {
                section += &group;
            }
        }
        if !section.is_empty() {
            out += &format!("{head}{section}\n</details>\n");
        }
    }
    if left_out > 0 {
        let what = match left_out {
            1 => "1 more object differs".to_owned(),
            count => format!("{count} more objects differ"),
        };
        out += &format!("\n{what}, for which there is no room here: `plumb diff` prints all.\n");
    }
    out
}

/// What differs in an object, as lines of a patch.
fn body(report: &Report<'_>, object: &Object<'_>) -> String {
    let mut out = String::new();
    if object.change.differences.is_empty() {
        out += &format!("  # {}\n", source_words(&object.source, report));
        out += &format!("  # for the request at {}\n", object.request);
    }
    for (difference, source) in object.change.differences.iter().zip(&object.sources) {
        let path = &difference.path;
        if let Some(lines) = lines(difference) {
            out += &format!("  {path}:\n");
            for (sign, line) in lines {
                out += &format!("{sign}     {line}\n");
            }
        } else {
            for (sign, value) in [('-', difference.old), ('+', difference.new)] {
                if let Some(value) = value {
                    out += &format!("{sign} {path}: {}\n", shown(value, difference));
                }
            }
        }
        let remark = remark(difference, source).map(|it| format!("{it}; ")).unwrap_or_default();
        out += &format!("  # {remark}{}\n", source_words(source, report));
    }
    out
}

/// A block whose text cannot end it.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("\n{fence}diff\n{}{fence}\n", visible(text))
}

/// Text as it stands.
fn code(text: &str) -> String {
    let text = visible(text).replace('\n', " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    match text.contains('`') {
        true => format!("{ticks} {text} {ticks}"),
        false => format!("`{text}`"),
    }
}

/// How many backticks stand beside each other at most.
fn longest_run(text: &str) -> usize {
    text.split(|it| it != '`').map(str::len).max().unwrap_or_default()
}

/// A sentence in which nothing but backticks means anything: they are ours, around names.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for it in visible(text).chars() {
        if matches!(it, '<' | '>' | '&' | '*' | '_' | '[' | ']' | '#' | '@' | '|' | '\\') {
            out.push('\\');
        }
        out.push(it);
    }
    out
}
