//! Lengths of time.

use super::{Fault, number_and_letters, quoted, read};
use chumsky::prelude::*;
use std::fmt;

/// A length of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Duration {
    /// Milliseconds.
    pub millis: i64,
}

/// The units of the language in milliseconds, the largest first: a part must be smaller than the
/// one before it.
const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The units of Go's `time.ParseDuration` in nanoseconds.
const GO_UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("µs", 1000),
    ("μs", 1000),
    ("ns", 1),
];

/// The longest duration that Kubernetes can hold: Go counts nanoseconds in 63 bits, about 292 years.
const LONGEST: i64 = i64::MAX / 1_000_000;

impl Duration {
    /// Reads a length of time: parts of a number and one of `d h m s ms`, the larger unit first
    /// (`1h30m`, `1.5h`, `1m30.25s`), with or without a sign; `0` needs no unit.
    ///
    /// An error for what is finer than a millisecond or longer than 292 years.
    pub fn parse(text: &str) -> Result<Duration, String> {
        if text == "0" {
            return Ok(Duration { millis: 0 });
        }
        if let Some((whole, unit)) = number_and_letters(text)
            && is_unit(unit)
            && let Ok(millis) = total(&[Part { whole, fraction: "", unit }])
        {
            return Ok(Duration { millis });
        }
        read("a duration", text, grammar())
    }

    /// The sum. `None` beyond 292 years.
    pub fn checked_add(self, other: Duration) -> Option<Duration> {
        Duration::within(self.millis.checked_add(other.millis)?)
    }

    /// The difference. `None` beyond 292 years.
    pub fn checked_sub(self, other: Duration) -> Option<Duration> {
        Duration::within(self.millis.checked_sub(other.millis)?)
    }

    /// `factor` times as long. `None` beyond 292 years.
    pub fn checked_mul(self, factor: i64) -> Option<Duration> {
        Duration::within(self.millis.checked_mul(factor)?)
    }

    /// The duration with the other sign. `None` beyond 292 years.
    pub fn checked_neg(self) -> Option<Duration> {
        Duration::within(self.millis.checked_neg()?)
    }

    /// Whole seconds, rounded down: `1500ms` are 1, `-1500ms` are -2.
    pub fn seconds(self) -> i64 {
        self.millis.div_euclid(1000)
    }

    fn within(millis: i64) -> Option<Duration> {
        (-LONGEST..=LONGEST).contains(&millis).then_some(Duration { millis })
    }
}

/// Prints what Go, and so Kubernetes, reads: hours, minutes and seconds that are not zero (`1h30m`,
/// `1m30s`, `1.5s`), milliseconds below a second (`250ms`), and `0s`. Days are hours, since Go
/// knows no `d`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis < 0 {
            f.write_str("-")?;
        }
        let millis = self.millis.unsigned_abs();
        match millis {
            0 => return f.write_str("0s"),
            1..1000 => return write!(f, "{millis}ms"),
            _ => {}
        }
        let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
        let (seconds, rest) = (millis / 1000 % 60, millis % 1000);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        match (seconds, rest) {
            (0, 0) => Ok(()),
            (_, 0) => write!(f, "{seconds}s"),
            _ => write!(f, "{seconds}.{}s", format!("{rest:03}").trim_end_matches('0')),
        }
    }
}

/// Whether `letters` is a unit of time.
pub(super) fn is_unit(letters: &str) -> bool {
    UNITS.iter().any(|(name, _)| *name == letters)
}

/// A number and its unit, as written.
struct Part<'a> {
    whole: &'a str,
    fraction: &'a str,
    unit: &'a str,
}

fn sign<'a>() -> impl Parser<'a, &'a str, bool, Fault<'a>> {
    one_of("+-").or_not().labelled("a sign").map(|sign| sign == Some('-'))
}

/// One part and more. The label names the units that may follow a number.
fn parts<'a>(units: &'static str) -> impl Parser<'a, &'a str, Vec<Part<'a>>, Fault<'a>> {
    let digits = || any().filter(char::is_ascii_digit).repeated().to_slice();
    let number = digits().then(just('.').ignore_then(digits()).or_not()).try_map(
        |(whole, fraction): (&str, Option<&str>), span| {
            let fraction = fraction.unwrap_or_default();
            if whole.is_empty() && fraction.is_empty() {
                return Err(Rich::custom(span, "a number is missing before a unit"));
            }
            Ok((whole, fraction))
        },
    );
    let unit = any()
        .filter(|c: &char| c.is_alphabetic())
        .repeated()
        .at_least(1)
        .to_slice()
        .labelled(units);
    any()
        .filter(|c: &char| c.is_ascii_digit() || *c == '.')
        .rewind()
        .labelled("a digit")
        .ignore_then(number)
        .then(unit)
        .map(|((whole, fraction), unit)| Part { whole, fraction, unit })
        .repeated()
        .at_least(1)
        .collect()
}

fn grammar<'a>() -> impl Parser<'a, &'a str, Duration, Fault<'a>> {
    sign().then(parts("one of ms, s, m, h, d")).try_map(|(negative, parts), span| {
        let millis = total(&parts).map_err(|message| Rich::custom(span, message))?;
        Ok(Duration { millis: if negative { -millis } else { millis } })
    })
}

fn total(parts: &[Part<'_>]) -> Result<i64, String> {
    let too_long = || "it is longer than Kubernetes can count, 292 years".to_owned();
    let mut sum: i64 = 0;
    let mut smallest = i64::MAX;
    for part in parts {
        let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == part.unit) else {
            return Err(format!(
                "{} is no unit of time; those are ms, s, m, h, d",
                quoted(part.unit)
            ));
        };
        if *unit >= smallest {
            return Err(format!(
                "`{}` stands after a unit that is not larger; write it as in 1h30m",
                part.unit
            ));
        }
        smallest = *unit;
        let millis = millis(part, *unit)?.ok_or_else(too_long)?;
        sum = sum.checked_add(millis).filter(|sum| *sum <= LONGEST).ok_or_else(too_long)?;
    }
    Ok(sum)
}

/// Milliseconds of one part; `None` when they do not fit.
fn millis(part: &Part<'_>, unit: i64) -> Result<Option<i64>, String> {
    let fraction = part.fraction.trim_end_matches('0');
    // A day is 2^10 * 3^3 * 5^5 milliseconds: no more than ten decimals can come out whole.
    let scale = 10_i128.pow(fraction.len().min(10) as u32);
    let share = fraction.get(..fraction.len().min(10)).unwrap_or_default();
    let share = share.bytes().fold(0, |number, digit| number * 10 + i128::from(digit - b'0'))
        * i128::from(unit);
    if fraction.len() > 10 || share % scale != 0 {
        return Err("it is finer than a millisecond".to_owned());
    }
    let whole = part.whole.bytes().try_fold(0_i128, |number, digit| {
        number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
    });
    Ok(whole
        .and_then(|whole| whole.checked_mul(i128::from(unit)))
        .and_then(|millis| i64::try_from(millis.checked_add(share / scale)?).ok()))
}

/// Checks what Go's `time.ParseDuration` accepts, without a sign: what `@every` of a schedule takes.
pub(super) fn check_go(text: &str) -> Result<(), String> {
    if text == "0" {
        return Ok(());
    }
    let parts = read("a duration", text, parts("one of ns, us, ms, s, m, h"))?;
    let mut sum: u64 = 0;
    for part in parts {
        let Some((_, unit)) = GO_UNITS.iter().find(|(name, _)| *name == part.unit) else {
            return Err(format!(
                "{} is no unit of time; those are ns, us, ms, s, m, h",
                quoted(part.unit)
            ));
        };
        let whole = if part.whole.is_empty() { Some(0) } else { part.whole.parse::<u64>().ok() };
        sum = whole
            .and_then(|whole| whole.checked_mul(*unit)?.checked_add(sum))
            .filter(|sum| *sum <= i64::MAX as u64)
            .ok_or_else(|| {
                format!("{} is longer than Kubernetes can count, 292 years", quoted(text))
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, prop_oneof, proptest};

    #[test]
    fn a_duration_is_printed_as_go_reads_it() {
        for (written, printed) in [
            ("0", "0s"),
            ("0s", "0s"),
            ("0d", "0s"),
            ("30s", "30s"),
            ("90s", "1m30s"),
            ("5m", "5m"),
            ("1h30m", "1h30m"),
            ("1.5h", "1h30m"),
            ("60m", "1h"),
            ("1d", "24h"),
            ("90d", "2160h"),
            ("1d12h", "36h"),
            ("250ms", "250ms"),
            ("1500ms", "1.5s"),
            ("1m30.25s", "1m30.25s"),
            ("1h5ms", "1h0.005s"),
            (".5s", "500ms"),
            ("-1h30m", "-1h30m"),
            ("+5s", "5s"),
            ("0.00000001157407407407d", ""),
        ] {
            match Duration::parse(written) {
                Ok(duration) => assert_eq!(duration.to_string(), printed, "{written}"),
                Err(error) => assert!(printed.is_empty(), "{error}"),
            }
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        for (written, reason) in [
            ("5", "`5` is not a duration: after `5`, one of ms, s, m, h, d is missing"),
            ("h", "`h` is not a duration: at its start stands `h`, not a digit or a sign"),
            (
                "1h1h",
                "`1h1h` is not a duration: `h` stands after a unit that is not larger; write it as in 1h30m",
            ),
            (
                "30m1h",
                "`30m1h` is not a duration: `h` stands after a unit that is not larger; write it as in 1h30m",
            ),
            ("1w", "`1w` is not a duration: `w` is no unit of time; those are ms, s, m, h, d"),
            ("0.5ms", "`0.5ms` is not a duration: it is finer than a millisecond"),
            (
                "200000d",
                "`200000d` is not a duration: it is longer than Kubernetes can count, 292 years",
            ),
            (
                "99999999999999999999999999999999999999999s",
                "`99999999999999999999999999999999999999999s` is not a duration: it is longer than Kubernetes can count, 292 years",
            ),
            (".s", "`.s` is not a duration: a number is missing before a unit"),
        ] {
            assert_eq!(Duration::parse(written).unwrap_err(), reason, "{written}");
        }
        assert!(Duration::parse("").is_err());
        assert!(Duration::parse("1h 30m").is_err());
    }

    #[test]
    fn arithmetic_stays_within_what_kubernetes_can_count() {
        let parse = |text| Duration::parse(text).unwrap();
        assert_eq!(parse("1h").checked_add(parse("30m")), Some(parse("1h30m")));
        assert_eq!(parse("1h").checked_sub(parse("90m")), Some(parse("-30m")));
        assert_eq!(parse("20m").checked_mul(3), Some(parse("1h")));
        assert_eq!(parse("20m").checked_neg(), Some(parse("-20m")));
        assert_eq!(parse("100000d").checked_add(parse("100000d")), None);
        assert_eq!(parse("1d").checked_mul(i64::MAX), None);
        assert_eq!(Duration { millis: i64::MIN }.checked_neg(), None);
        assert!(Duration { millis: i64::MIN }.to_string().starts_with('-'));
    }

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(Duration::parse("1500ms").unwrap().seconds(), 1);
        assert_eq!(Duration::parse("-1500ms").unwrap().seconds(), -2);
        assert_eq!(Duration::parse("1h").unwrap().seconds(), 3600);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in prop_oneof![-LONGEST..=LONGEST, -100_000_000_i64..100_000_000]) {
            let duration = Duration { millis };
            prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.dhmsnuµ]{0,12}|\\PC{0,20}") {
            let _ = Duration::parse(&text);
            let _ = check_go(&text);
        }
    }
}
