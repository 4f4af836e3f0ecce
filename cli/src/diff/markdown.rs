//! Differences for the description of a pull request, or a comment on it.

use super::{
    Effect, Object, Origin, Report, alike, by_request, goes_with, is_alone, lines, maker, meaning,
    remark, shown, source_words, word,
};
use crate::commands::number;
use crate::terminal::visible;
use plumb_compiler::changes::EFFECTS;
use plumb_compiler::syntax::ast::Name;

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
        let sentences = report.not_compared();
        for sentence in sentences.iter().take(NAMED) {
            out += &format!("- {}\n", escape(sentence));
        }
        if sentences.len() > NAMED {
            out += &format!("- and {}\n", number(sentences.len() - NAMED, "more request"));
        }
    }
    let mut left_out = 0;
    for effect in EFFECTS {
        let count = report.objects.iter().filter(|it| it.effect == effect).count();
        if count == 0 {
            continue;
        }
        let meaning = meaning(effect).map(|it| format!(": {it}")).unwrap_or_default();
        // What cannot be undone is read before it is merged.
        let open = if effect >= Effect::Replaced { " open" } else { "" };
        let word = word(effect);
        let head = format!("\n<details{open}><summary><b>{count} {word}</b>{meaning}</summary>\n");
        const END: &str = "\n</details>\n";
        let mut section = String::new();
        for (group, objects) in groups(report, effect) {
            if out.len() + head.len() + section.len() + group.len() + END.len() > most {
                left_out += objects;
            } else {
                section += &group;
            }
        }
        if !section.is_empty() {
            out += &format!("{head}{section}{END}");
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

/// What belongs together among the objects of an effect, and how many objects that are.
fn groups(report: &Report<'_>, effect: Effect) -> Vec<(String, usize)> {
    let with =
        |object: &Object<'_>| goes_with(object).map(|it| format!(", {it}")).unwrap_or_default();
    if is_alone(effect) {
        let group = |(request, declared, objects): (&Name, &str, Vec<&Object<'_>>)| {
            let mut group = format!("\n**{}** at {}\n", code(request), code(declared));
            for object in &objects {
                let address = code(&object.identity.address());
                let made = match &object.source.origin {
                    Some(Origin { layer, place, .. }) => {
                        format!("{}, {}", escape(layer), code(place))
                    }
                    None => escape(&maker(&object.source)),
                };
                group += &format!("- {address}{}: {made}\n", with(object));
            }
            (group, objects.len())
        };
        return by_request(report, effect).into_iter().map(group).collect();
    }
    let group = |(body, objects): (String, Vec<&Object<'_>>)| {
        let mut group = String::from("\n");
        for object in objects.iter().take(NAMED) {
            let (address, request) = (code(&object.identity.address()), code(&object.request));
            group += &format!("- **{address}**{} of {request}\n", with(object));
        }
        if objects.len() > NAMED {
            group += &format!("- and {}\n", number(objects.len() - NAMED, "more object"));
        }
        group += &fenced(&body);
        (group, objects.len())
    };
    alike(report, effect, |object| body(report, object)).into_iter().map(group).collect()
}

/// What differs in an object, as lines of a patch.
fn body(report: &Report<'_>, object: &Object<'_>) -> String {
    let mut out = String::new();
    for (difference, source) in &object.differences {
        let path = &difference.path;
        if let Some(lines) = lines(difference) {
            out += &format!("  {path}:\n");
            for (sign, line) in lines {
                out += &format!("{}\n", format!("{sign}     {line}").trim_end());
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
    let mut in_code = false;
    for it in visible(text).chars() {
        in_code ^= it == '`';
        let means = matches!(it, '<' | '>' | '&' | '*' | '_' | '[' | ']' | '#' | '@' | '|' | '\\');
        if means && !in_code {
            out.push('\\');
        }
        out.push(it);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
        assert_eq!(code("``` <b>"), "```` ``` <b> ````");
        assert_eq!(code("a\n# b"), "`a # b`");
        assert_eq!(escape("a_b has no `c_d` <x> @y"), "a\\_b has no `c_d` \\<x\\> \\@y");
        assert_eq!(fenced("  a: ```\n"), "\n````diff\n  a: ```\n````\n");
    }
}
