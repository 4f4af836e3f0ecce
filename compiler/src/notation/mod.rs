//! The small notations inside values: quantities, durations, images, schedules, names.
//!
//! Each is read whole or refused with one sentence that says what is wrong with it. What is
//! accepted is what Kubernetes accepts, but for a few forms that only a slip of the keyboard
//! makes; each function names those.

mod cron;
mod duration;
mod image;
mod names;
mod quantity;

pub use cron::cron;
pub use duration::Duration;
pub use image::{ImageRef, image};
pub use names::{dns_label, dns_subdomain, env_var_name};
pub use quantity::{Format, Quantity};

use chumsky::error::{RichPattern, RichReason};
use chumsky::prelude::*;

/// What a literal with a unit means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unit {
    /// `128Mi`, `250u`
    Quantity(Quantity),
    /// `30s`, `1h30m`
    Duration(Duration),
    /// `5m` is five thousandths and five minutes: its target decides.
    Ambiguous {
        /// What it is where a `Quantity` is asked for.
        quantity: Quantity,
        /// What it is where a `Duration` is asked for.
        duration: Duration,
    },
}

/// Reads a literal with a unit.
///
/// Goes in: digits and units as written in a source, `1h30m`. Comes out: what it means; an error is
/// a sentence in the user's words. A number without a unit is a quantity.
pub fn unit(text: &str) -> Result<Unit, String> {
    let quantity = Quantity::parse(text);
    // `m` is the only unit of both.
    if let Ok(quantity) = quantity
        && !text.ends_with('m')
    {
        return Ok(Unit::Quantity(quantity));
    }
    match (quantity, Duration::parse(text)) {
        (Ok(quantity), Ok(duration)) => Ok(Unit::Ambiguous { quantity, duration }),
        (Ok(quantity), Err(_)) => Ok(Unit::Quantity(quantity)),
        (Err(_), Ok(duration)) => Ok(Unit::Duration(duration)),
        (Err(quantity), Err(duration)) => {
            Err(if meant_as_duration(text) { duration } else { quantity })
        }
    }
}

/// A text that is digits and then no digit, point or sign, cut between the two: what nearly everyone
/// writes. The grammars are for all else, and for the words of a refusal.
fn number_and_letters(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, letters) = text.split_at(digits);
    let is_simple = digits > 0 && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_simple.then_some((number, letters))
}

/// Whether the first unit in `text` is one of time. Decides only which of two errors is shown.
fn meant_as_duration(text: &str) -> bool {
    let after_number = text.trim_start_matches(|c: char| c.is_ascii_digit() || ".+-".contains(c));
    let end = after_number.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after_number.len());
    let letters = &after_number[..end];
    duration::is_unit(letters) && (letters != "m" || end < after_number.len())
}

/// The errors of the grammars.
type Fault<'a> = extra::Err<Rich<'a, char>>;

/// Runs `grammar` over the whole of `text`; `what` is the notation with its article, for the error.
fn read<'a, T>(
    what: &str,
    text: &'a str,
    grammar: impl Parser<'a, &'a str, T, Fault<'a>>,
) -> Result<T, String> {
    grammar
        .then_ignore(end())
        .parse(text)
        .into_result()
        .map_err(|faults| format!("{} is not {what}: {}", quoted(text), explain(text, &faults)))
}

/// One sentence for the first thing that is wrong.
fn explain(text: &str, faults: &[Rich<'_, char>]) -> String {
    let Some(fault) = faults.first() else { return "it cannot be read".to_owned() };
    let (expected, found) = match fault.reason() {
        RichReason::Custom(message) => return message.clone(),
        RichReason::ExpectedFound { expected, found } => (expected, found),
    };
    // A label is a word for the user; bare characters are shown only where there is none.
    let labels = expected.iter().filter_map(|pattern| match pattern {
        RichPattern::Label(label) => Some(label.to_string()),
        _ => None,
    });
    let mut wanted: Vec<String> = labels.collect();
    if wanted.is_empty()
        && !expected.iter().any(|pattern| matches!(pattern, RichPattern::EndOfInput))
    {
        wanted.extend(expected.iter().filter_map(|pattern| match pattern {
            RichPattern::Token(token) => Some(format!("`{}`", **token)),
            _ => None,
        }));
    }
    wanted.sort();
    wanted.dedup();
    let wanted = match wanted.split_last() {
        None => "its end".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    };
    let before = text.get(..fault.span().start).unwrap_or_default();
    let place = if before.is_empty() {
        "at its start".to_owned()
    } else {
        format!("after {}", quoted(before))
    };
    match found {
        Some(found) => {
            format!("{place} stands {}, not {wanted}", quoted(found.encode_utf8(&mut [0; 4])))
        }
        None => format!("{place}, {wanted} is missing"),
    }
}

/// The text in backquotes, shortened, and without characters that would disturb a terminal.
pub(crate) fn quoted(text: &str) -> String {
    /// Longer texts hide the sentence around them.
    const LONGEST: usize = 60;
    let mut shown = String::from("`");
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        if c.is_control() || crate::yaml::is_disturbing(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown.push('`');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_memory_is_a_quantity_and_a_unit_of_time_a_duration() {
        assert_eq!(unit("128Mi"), Ok(Unit::Quantity(Quantity::parse("128Mi").unwrap())));
        assert_eq!(unit("1h30m"), Ok(Unit::Duration(Duration { millis: 5_400_000 })));
        assert_eq!(unit("250ms"), Ok(Unit::Duration(Duration { millis: 250 })));
        assert_eq!(unit("1d"), Ok(Unit::Duration(Duration { millis: 86_400_000 })));
        assert_eq!(unit("2M"), Ok(Unit::Quantity(Quantity::parse("2M").unwrap())));
    }

    #[test]
    fn m_alone_is_both() {
        let Ok(Unit::Ambiguous { quantity, duration }) = unit("5m") else { panic!("5m is both") };
        assert_eq!(quantity.to_string(), "5m");
        assert_eq!(duration.to_string(), "5m");
        assert_eq!(duration.millis, 300_000);
    }

    #[test]
    fn m_that_is_no_whole_number_of_milliseconds_is_a_quantity_only() {
        assert_eq!(unit("0.00001m"), Ok(Unit::Quantity(Quantity::parse("10n").unwrap())));
    }

    #[test]
    fn an_unknown_unit_is_named_with_what_was_meant() {
        assert_eq!(
            unit("512MB").unwrap_err(),
            "`512MB` is not a quantity: `MB` is no unit; write `M` (powers of 1000) or `Mi` (powers of 1024)"
        );
        assert_eq!(
            unit("30s5").unwrap_err(),
            "`30s5` is not a duration: after `30s5`, one of ms, s, m, h, d is missing"
        );
        assert!(unit("5parsecs").unwrap_err().contains("`parsecs` is no unit"));
    }

    #[test]
    fn a_long_or_disturbing_text_is_shortened_and_escaped() {
        assert_eq!(quoted("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(100)), format!("`{}…`", "x".repeat(60)));
    }
}
