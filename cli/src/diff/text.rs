//! Differences for people.

use super::{
    Effect, Object, Report, alike, by_request, goes_with, is_alone, lines, maker, meaning, remark,
    shown, source_words, word,
};
use crate::commands::number;
use crate::terminal::visible;
use plumb_compiler::changes::EFFECTS;

/// A difference longer than this, in characters, has a line for each of its values.
const WIDTH: usize = 100;

/// The objects that are named of those that differ alike.
const NAMED: usize = 8;

/// All that differs as text that ends with a newline.
pub(super) fn render(report: &Report<'_>, colour: bool) -> String {
    let paint = |code: &str, text: &str| match colour {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let mut out = String::new();
    for note in &report.notes {
        out += &format!("{}\n\n", visible(note));
    }
    for effect in EFFECTS {
        if !report.objects.iter().any(|it| it.effect == effect) {
            continue;
        }
        let heading = paint(&format!("1;{}", code(effect)), word(effect));
        let meaning = meaning(effect).map(|it| format!(": {it}")).unwrap_or_default();
        out += &format!("{heading}{meaning}\n\n");
        if is_alone(effect) {
            for (request, declared, objects) in by_request(report, effect) {
                out += &format!("  {}  {}\n", paint("1", &visible(request)), visible(declared));
                let address = |object: &Object<'_>| visible(&object.identity.address());
                let width = objects.iter().map(|it| address(it).chars().count()).max().unwrap_or(0);
                for object in objects {
                    let sign = if effect == Effect::Created { "+" } else { "-" };
                    let line = format!("{sign} {:width$}", address(object));
                    let with = goes_with(object).map(|it| format!("{it}; ")).unwrap_or_default();
                    let made = visible(&format!("{with}{}", maker(&object.source)));
                    out += &format!("    {}  {made}\n", paint(code(effect), &line));
                }
                out.push('\n');
            }
            continue;
        }
        for (body, objects) in alike(report, effect, |object| body(report, object)) {
            for object in objects.iter().take(NAMED) {
                let with = goes_with(object).map(|it| format!(", {it}")).unwrap_or_default();
                let address = paint("1", &visible(&object.identity.address()));
                out += &format!("  {address}{with}  {}\n", visible(&object.request));
            }
            if objects.len() > NAMED {
                out += &format!("  and {}\n", number(objects.len() - NAMED, "more object"));
            }
            for line in visible(&body).lines() {
                let inner = line.trim_start();
                let painted = match inner.chars().next() {
                    Some('-') => paint("31", inner),
                    Some('+') => paint("32", inner),
                    Some('~') => paint("33", inner),
                    _ => inner.to_owned(),
                };
                out += &format!("{}{painted}\n", &line[..line.len() - inner.len()]);
            }
            out.push('\n');
        }
    }
    if !report.incomplete.is_empty() {
        out += &format!("{}\n\n", paint("1;31", "not compared"));
        for sentence in report.not_compared() {
            out += &format!("  {}\n", visible(&sentence));
        }
        out.push('\n');
    }
    let (from, to) = (visible(&report.from.shown), visible(&report.to.shown));
    out + &format!("{}, {from} → {to}: {}\n", visible(&report.environment), report.summary())
}

fn code(effect: Effect) -> &'static str {
    match effect {
        Effect::Deleted | Effect::Replaced => "31",
        Effect::Restarted | Effect::Changed => "33",
        Effect::Created => "32",
        Effect::Left => "2",
    }
}

/// What differs in an object, and what made it so.
fn body(report: &Report<'_>, object: &Object<'_>) -> String {
    let mut out = String::new();
    for (difference, source) in &object.differences {
        let path = &difference.path;
        let value = |value| shown(value, difference);
        if let Some(lines) = lines(difference) {
            out += &format!("    ~ {path}:\n");
            for (sign, line) in lines {
                out += &format!("        {}\n", format!("{sign} {line}").trim_end());
            }
        } else {
            match (difference.old, difference.new) {
                (Some(old), Some(new)) => {
                    let (old, new) = (value(old), value(new));
                    if path.chars().count() + old.chars().count() + new.chars().count() > WIDTH {
                        out += &format!("    ~ {path}:\n        - {old}\n        + {new}\n");
                    } else {
                        out += &format!("    ~ {path}: {old} → {new}\n");
                    }
                }
                (Some(old), None) => out += &format!("    - {path}: {}\n", value(old)),
                (None, Some(new)) => out += &format!("    + {path}: {}\n", value(new)),
                (None, None) => {}
            }
        }
        let remark = remark(difference, source).map(|it| format!("{it}; ")).unwrap_or_default();
        out += &format!("        {remark}{}\n", source_words(source, report));
    }
    out
}
