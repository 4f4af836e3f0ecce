//! Schedules of a CronJob.

use super::{Fault, duration, quoted, read};
use chumsky::prelude::*;

/// A field of a schedule.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` up.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of the week",
        min: 0,
        max: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const SHORTHANDS: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Checks a schedule as the API server checks `CronJob.spec.schedule`: five fields (minute, hour, day
/// of the month, month, day of the week), `@daily` and its like, or `@every 1h30m`. Each field is a
/// list of `*`, `?`, numbers, names and ranges, with steps. A time zone inside the schedule is
/// refused, as there: it belongs in `spec.timeZone`.
///
/// Stricter than the server in what has no sensible meaning: empty list elements (`1,,2`), a range
/// that starts with `*` (`*-5`), signs (`+5`), and a negative `@every`.
pub fn cron(text: &str) -> Result<(), String> {
    let wrong = |reason: String| Err(format!("{} is not a schedule: {reason}", quoted(text)));
    if text.contains("TZ") {
        return wrong("a time zone stands in it; set `timeZone` of the CronJob instead".to_owned());
    }
    if let Some(every) = text.strip_prefix("@every ") {
        return duration::check_go(every).or_else(wrong);
    }
    if text.starts_with('@') {
        if SHORTHANDS.contains(&text) {
            return Ok(());
        }
        return wrong(format!("the shorthands are {} and `@every 1h30m`", SHORTHANDS.join(", ")));
    }
    let written: Vec<&str> = text.split_whitespace().collect();
    if written.len() != FIELDS.len() {
        let seconds = if written.len() == 6 { "; Kubernetes knows no seconds" } else { "" };
        return wrong(format!(
            "it has {} of the 5 fields minute, hour, day of the month, month, day of the week{seconds}",
            written.len()
        ));
    }
    for (field, written) in FIELDS.iter().zip(written) {
        let article = if field.name == "hour" { "an" } else { "a" };
        read(&format!("{article} {}", field.name), written, list(*field)).or_else(wrong)?;
    }
    Ok(())
}

fn list<'a>(field: Field) -> impl Parser<'a, &'a str, (), Fault<'a>> {
    let number = || any().filter(char::is_ascii_digit).repeated().at_least(1).to_slice();
    let value = || {
        any()
            .filter(char::is_ascii_alphanumeric)
            .repeated()
            .at_least(1)
            .to_slice()
            .labelled(if field.names.is_empty() { "a number" } else { "a number or a name" })
            .try_map(move |text: &str, span| {
                value(field, text).map_err(|message| Rich::custom(span, message))
            })
    };
    let range = value().then(just('-').ignore_then(value()).or_not()).try_map(
        |(from, to), span| match to {
            Some(to) if to < from => Err(Rich::custom(span, "the range ends before it starts")),
            _ => Ok(()),
        },
    );
    let step =
        just('/').ignore_then(number().labelled("a number")).try_map(|digits: &str, span| {
            // Kubernetes holds a step in 63 bits; a larger one than the field is once per cycle.
            match digits.parse::<i64>() {
                Ok(0) => Err(Rich::custom(span, "a step of 0 never comes")),
                Ok(_) => Ok(()),
                Err(_) => {
                    Err(Rich::custom(span, format!("the step {} is too large", quoted(digits))))
                }
            }
        });
    one_of("*?")
        .ignored()
        .or(range)
        .then(step.or_not())
        .ignored()
        .separated_by(just(','))
        .at_least(1)
}

fn value(field: Field, text: &str) -> Result<u32, String> {
    if let Some(index) = field.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(field.min + index as u32);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(match field.names {
            [] => format!("{} is no number", quoted(text)),
            names => {
                format!("{} is neither a number nor one of {}", quoted(text), names.join(", "))
            }
        });
    }
    match text.parse::<u32>() {
        Ok(number) if (field.min..=field.max).contains(&number) => Ok(number),
        Ok(7) if field.name == "day of the week" => {
            Err("days go from 0 (Sunday) to 6 (Saturday)".to_owned())
        }
        _ => Err(format!("{} is not within {} to {}", quoted(text), field.min, field.max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn the_forms_that_kubernetes_accepts_are_accepted() {
        for schedule in [
            "* * * * *",
            "*/5 * * * ?",
            "0 0 1 1 *",
            "0 3 * * MON-FRI",
            "0 3 * jan,FEB,Mar sun",
            "1-5,10-20/3,59 0-23/2 1-31 1-12 0-6",
            "5/15 * * * *",
            "05 04 * * *",
            "*/90 * * * *",
            "  0   0 * *\t* ",
            "@hourly",
            "@daily",
            "@midnight",
            "@weekly",
            "@monthly",
            "@yearly",
            "@annually",
            "@every 1h30m",
            "@every 1.5h",
            "@every 500us",
        ] {
            assert_eq!(cron(schedule), Ok(()), "{schedule}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        for (schedule, reason) in [
            ("", "it has 0 of the 5 fields"),
            ("* * * *", "it has 4 of the 5 fields"),
            (
                "0 * * * * *",
                "it has 6 of the 5 fields minute, hour, day of the month, month, day of the week; Kubernetes knows no seconds",
            ),
            ("60 * * * *", "`60` is not a minute: `60` is not within 0 to 59"),
            ("* 24 * * *", "`24` is not an hour: `24` is not within 0 to 23"),
            ("* * 0 * *", "`0` is not within 1 to 31"),
            ("* * * 13 *", "`13` is not within 1 to 12"),
            ("* * * * 7", "days go from 0 (Sunday) to 6 (Saturday)"),
            ("* * * foo *", "`foo` is neither a number nor one of jan, feb"),
            ("mon * * * *", "`mon` is no number"),
            ("20-10 * * * *", "the range ends before it starts"),
            ("*/0 * * * *", "a step of 0 never comes"),
            ("*/x * * * *", "after `*/` stands `x`, not a number"),
            ("1,,2 * * * *", "after `1,` stands `,`"),
            ("1- * * * *", "after `1-`, a number is missing"),
            ("*-5 * * * *", "after `*` stands `-`"),
            ("TZ=UTC 0 0 * * *", "a time zone stands in it; set `timeZone` of the CronJob instead"),
            ("CRON_TZ=UTC 0 0 * * *", "a time zone stands in it"),
            ("@noon", "the shorthands are @yearly"),
            ("@every 5", "after `5`, one of ns, us, ms, s, m, h is missing"),
            ("@every 1d", "`d` is no unit of time"),
            ("@every -5m", "at its start stands `-`, not a digit"),
            ("@every 300000000h", "longer than Kubernetes can count"),
        ] {
            let error = cron(schedule).unwrap_err();
            assert!(error.contains(reason), "{schedule}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-*?/,0-9a-z ]{0,24}|\\PC{0,20}") {
            let _ = cron(&text);
        }
    }
}
