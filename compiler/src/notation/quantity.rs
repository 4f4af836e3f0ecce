//! Amounts as Kubernetes writes them.

use super::{Fault, number_and_letters, read};
use chumsky::prelude::*;
use std::cmp::Ordering;
use std::fmt;

/// An amount as Kubernetes writes it: `500m`, `128Mi`, `12e6`.
///
/// `==` tells apart what prints differently (`1024` and `1Ki`), as a cache must; amounts are
/// compared with [`Quantity::compare`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
// Nothing else that a value may be is aligned so widely: all of them would grow by a half.
#[repr(Rust, packed(8))]
pub struct Quantity {
    /// Billionths: Kubernetes keeps nothing finer.
    pub nanos: i128,
    /// How it is printed.
    pub format: Format,
}

/// How a quantity is printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Format {
    /// With `n u m k M G T P E`, powers of 1000.
    #[default]
    Decimal,
    /// With `Ki Mi Gi Ti Pi Ei`, powers of 1024.
    Binary,
    /// With an exponent: `12e6`.
    Exponent,
}

const NANOS: i128 = 1_000_000_000;

/// The suffixes of powers of 1000, from 10^-9 up.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// The suffixes of powers of 1024, from 2^10 up.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Reads an amount.
    ///
    /// Accepts what Kubernetes' `resource.ParseQuantity` accepts: a sign, digits with or without a
    /// point (`.5`, `5.`), and a suffix or an exponent. What is finer than a billionth is rounded
    /// away from zero, as there.
    ///
    /// Three things that Kubernetes lets pass are errors here: a suffix without any digit (`Gi`,
    /// there 0), a binary amount above 2^63-1 (there cut down to it without a word), and an
    /// amount above 1.7e29.
    pub fn parse(text: &str) -> Result<Quantity, String> {
        if let Some((number, letters)) = number_and_letters(text)
            && let Some(suffix) = known_suffix(letters)
            && let Ok(quantity) = amount(false, number, "", suffix)
        {
            return Ok(quantity);
        }
        read("a quantity", text, grammar())
    }

    /// The amount `value`.
    pub fn from_int(value: i64) -> Quantity {
        Quantity { nanos: i128::from(value) * NANOS, format: Format::Decimal }
    }

    /// The amount `value`, as its shortest decimal notation reads. An error for what is not finite
    /// or too large.
    pub fn from_float(value: f64) -> Result<Quantity, String> {
        Quantity::parse(&value.to_string())
    }

    /// Orders by amount: `1024` and `1Ki` are equal.
    pub fn compare(self, other: Quantity) -> Ordering {
        let (one, other) = (self.nanos, other.nanos);
        one.cmp(&other)
    }

    /// The sum, printed like `self` unless that is zero. `None` when it is too large.
    pub fn checked_add(self, other: Quantity) -> Option<Quantity> {
        Some(Quantity {
            nanos: self.nanos.checked_add(other.nanos)?,
            format: self.format_with(other),
        })
    }

    /// The difference, printed like `self` unless that is zero. `None` when it is too large.
    pub fn checked_sub(self, other: Quantity) -> Option<Quantity> {
        Some(Quantity {
            nanos: self.nanos.checked_sub(other.nanos)?,
            format: self.format_with(other),
        })
    }

    /// `factor` times as much. `None` when it is too large.
    pub fn checked_mul(self, factor: i64) -> Option<Quantity> {
        Some(Quantity { nanos: self.nanos.checked_mul(i128::from(factor))?, ..self })
    }

    /// The amount with the other sign. `None` when it is too large.
    pub fn checked_neg(self) -> Option<Quantity> {
        Some(Quantity { nanos: self.nanos.checked_neg()?, ..self })
    }

    /// The whole number of units, a fraction rounded away from zero, as Kubernetes counts bytes
    /// (`Quantity.Value`). `None` when it does not fit.
    pub fn bytes(self) -> Option<i64> {
        let whole = self.nanos / NANOS;
        let rest = (self.nanos % NANOS).signum();
        i64::try_from(whole + rest).ok()
    }

    /// The whole number of units, a fraction cut off towards zero. `None` when it does not fit.
    pub fn truncated(self) -> Option<i64> {
        i64::try_from(self.nanos / NANOS).ok()
    }

    fn format_with(self, other: Quantity) -> Format {
        if self.nanos == 0 { other.format } else { self.format }
    }
}

/// Prints Kubernetes' canonical form: no fraction, the largest suffix that loses nothing. A binary
/// amount that is below 1024 or not whole is printed with a decimal suffix.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        let mut amount = self.nanos.unsigned_abs();
        if self.format == Format::Binary
            && amount >= 1024 * NANOS as u128
            && amount.is_multiple_of(NANOS as u128)
        {
            amount /= NANOS as u128;
            let mut suffix = "";
            for larger in BINARY {
                if !amount.is_multiple_of(1024) {
                    break;
                }
                amount /= 1024;
                suffix = larger;
            }
            return write!(f, "{amount}{suffix}");
        }
        let mut thousands = 0;
        while amount.is_multiple_of(1000)
            && (self.format == Format::Exponent || thousands + 1 < DECIMAL.len())
        {
            amount /= 1000;
            thousands += 1;
        }
        match (self.format, thousands) {
            (_, 3) => write!(f, "{amount}"),
            (Format::Exponent, _) => write!(f, "{amount}e{}", thousands as i64 * 3 - 9),
            _ => write!(f, "{amount}{}", DECIMAL[thousands]),
        }
    }
}

/// What stands after the number.
#[derive(Clone, Copy)]
enum Suffix {
    /// A power of ten, and whether it was written as an exponent.
    Ten { power: i64, exponent: bool },
    /// A power of two.
    Two { power: u32 },
}

fn grammar<'a>() -> impl Parser<'a, &'a str, Quantity, Fault<'a>> {
    let digits = || any().filter(char::is_ascii_digit).repeated().to_slice();
    let sign = one_of("+-").or_not().labelled("a sign");
    let number = digits().then(just('.').ignore_then(digits()).or_not()).try_map(
        |(whole, fraction): (&str, Option<&str>), span| {
            let fraction = fraction.unwrap_or_default();
            if whole.is_empty() && fraction.is_empty() {
                return Err(Rich::custom(span, "it has no digits"));
            }
            Ok((whole, fraction))
        },
    );
    let exponent = one_of("eE")
        .ignore_then(one_of("+-").or_not())
        .then(any().filter(char::is_ascii_digit).repeated().at_least(1).to_slice())
        .map(|(sign, digits): (Option<char>, &str)| {
            // An exponent that does not fit is as good as this one: both are far outside what
            // an amount can hold.
            let power = digits.parse().unwrap_or(i64::from(i32::MAX));
            Suffix::Ten { power: if sign == Some('-') { -power } else { power }, exponent: true }
        });
    let suffix =
        any().filter(|c: &char| c.is_alphabetic()).repeated().to_slice().try_map(
            |letters, span| suffix(letters).map_err(|message| Rich::custom(span, message)),
        );
    sign.then(number).then(exponent.or(suffix)).try_map(
        |((sign, (whole, fraction)), suffix), span| {
            amount(sign == Some('-'), whole, fraction, suffix)
                .map_err(|message| Rich::custom(span, message))
        },
    )
}

fn known_suffix(letters: &str) -> Option<Suffix> {
    if let Some(index) = DECIMAL.iter().position(|name| *name == letters) {
        return Some(Suffix::Ten { power: index as i64 * 3 - 9, exponent: false });
    }
    let index = BINARY.iter().position(|name| *name == letters)?;
    Some(Suffix::Two { power: (index as u32 + 1) * 10 })
}

fn suffix(letters: &str) -> Result<Suffix, String> {
    if let Some(known) = known_suffix(letters) {
        return Ok(known);
    }
    // `MB`, `mib`, `K`, `Kb`: the size that was meant is clear, the base is not.
    let lower = letters.to_ascii_lowercase();
    let size = lower.trim_end_matches('b').trim_end_matches('i');
    Err(match ["k", "m", "g", "t", "p", "e"].iter().position(|known| *known == size) {
        Some(index) => format!(
            "`{letters}` is no unit; write `{}` (powers of 1000) or `{}` (powers of 1024)",
            DECIMAL[index + 4],
            BINARY[index]
        ),
        None => format!(
            "{} is no unit; an amount ends in n, u, m, k, M, G, T, P, E or Ki, Mi, Gi, Ti, Pi, Ei",
            super::quoted(letters)
        ),
    })
}

fn amount(negative: bool, whole: &str, fraction: &str, suffix: Suffix) -> Result<Quantity, String> {
    let (nanos, format) = match suffix {
        Suffix::Ten { power, exponent } => (
            decimal(whole, fraction, power)
                .ok_or("it is larger than any amount that Kubernetes can count with (1.7e29)")?,
            if exponent { Format::Exponent } else { Format::Decimal },
        ),
        Suffix::Two { power } => (
            binary(whole, fraction, power)
                .ok_or("it is larger than 9223372036854775807, where binary amounts end")?,
            Format::Binary,
        ),
    };
    let format = if format == Format::Binary && nanos < NANOS { Format::Decimal } else { format };
    Ok(Quantity { nanos: if negative { -nanos } else { nanos }, format })
}

/// `whole.fraction` * 10^`power`, in billionths, rounded up. `None` when it is too large.
fn decimal(whole: &str, fraction: &str, power: i64) -> Option<i128> {
    let digits = || whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit - b'0'));
    // The place of the point when the number is written in billionths.
    let point = (whole.len() as i64).checked_add(power)?.checked_add(9)?;
    let mut nanos: i128 = 0;
    let mut index: i64 = 0;
    let mut rest = false;
    for digit in digits() {
        if index < point {
            nanos = nanos.checked_mul(10)?.checked_add(digit)?;
        } else {
            rest |= digit != 0;
        }
        index += 1;
    }
    if nanos != 0 {
        while index < point {
            nanos = nanos.checked_mul(10)?;
            index += 1;
        }
    }
    nanos.checked_add(i128::from(rest))
}

/// `whole.fraction` * 2^`power`, in billionths, rounded up. `None` above 2^63-1.
fn binary(whole: &str, fraction: &str, power: u32) -> Option<i128> {
    let unit = NANOS << power;
    let mut units: i128 = 0;
    for digit in whole.bytes() {
        units = units.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    // From the last digit to the first: rounding up after each division gives the same as
    // rounding up once at the end, and no intermediate number grows beyond ten units.
    let part = fraction.bytes().rev().fold(0, |part: i128, digit| {
        let sum = i128::from(digit - b'0') * unit + part;
        (sum + 9) / 10
    });
    let nanos = units.checked_mul(unit)?.checked_add(part)?;
    (nanos <= i128::from(i64::MAX) * NANOS).then_some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{
        Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    fn canonical(text: &str) -> String {
        Quantity::parse(text).unwrap_or_else(|error| panic!("{error}")).to_string()
    }

    #[test]
    fn an_amount_is_printed_in_the_canonical_form_of_kubernetes() {
        for (written, printed) in [
            ("0", "0"),
            ("0Gi", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("-1", "-1"),
            ("007", "7"),
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("1000m", "1"),
            (".5", "500m"),
            ("5.", "5"),
            ("1.G", "1G"),
            ("0.5Gi", "512Mi"),
            ("1536Mi", "1536Mi"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1Ki", "1Ki"),
            ("1023Ki", "1023Ki"),
            ("0.5Ki", "512"),
            ("0.25Ki", "256"),
            ("1.1Ki", "1126400m"),
            ("-2048Ki", "-2Mi"),
            ("-0.5Ki", "-512"),
            ("0.0001Gi", "107374182400u"),
            ("1000", "1k"),
            ("1000000", "1M"),
            ("1234567", "1234567"),
            ("1000k", "1M"),
            ("100k", "100k"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e6", "12e6"),
            ("1500e0", "1500"),
            ("1e-3", "1e-3"),
            ("1e+2", "100"),
            ("1E", "1E"),
            ("10E", "10E"),
            ("999E", "999E"),
            ("7Ei", "7Ei"),
            ("100m", "100m"),
            ("0.1m", "100u"),
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            ("1.0000000001", "1000000001n"),
            ("9223372036854775807", "9223372036854775807"),
            ("0e999999999999", "0"),
            ("1e-999999999999", "1e-9"),
            ("3k", "3k"),
            ("12u", "12u"),
            ("5n", "5n"),
        ] {
            assert_eq!(canonical(written), printed, "{written}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_the_reason() {
        for (written, reason) in [
            ("", "`` is not a quantity: it has no digits"),
            (".", "`.` is not a quantity: it has no digits"),
            ("-", "`-` is not a quantity: it has no digits"),
            ("Gi", "`Gi` is not a quantity: it has no digits"),
            ("1 Gi", "`1 Gi` is not a quantity: after `1` stands ` `, not its end"),
            (
                "1K",
                "`1K` is not a quantity: `K` is no unit; write `k` (powers of 1000) or `Ki` (powers of 1024)",
            ),
            (
                "1gb",
                "`1gb` is not a quantity: `gb` is no unit; write `G` (powers of 1000) or `Gi` (powers of 1024)",
            ),
            (
                "1x",
                "`1x` is not a quantity: `x` is no unit; an amount ends in n, u, m, k, M, G, T, P, E or Ki, Mi, Gi, Ti, Pi, Ei",
            ),
            (
                "8Ei",
                "`8Ei` is not a quantity: it is larger than 9223372036854775807, where binary amounts end",
            ),
            (
                "1e30",
                "`1e30` is not a quantity: it is larger than any amount that Kubernetes can count with (1.7e29)",
            ),
            (
                "1e99999999999999999999",
                "`1e99999999999999999999` is not a quantity: it is larger than any amount that Kubernetes can count with (1.7e29)",
            ),
        ] {
            assert_eq!(Quantity::parse(written).unwrap_err(), reason, "{written}");
        }
        for written in ["1e", "1.2.3", "--1", "1Kii", "1iK", "one", "1e3.5", "1,5"] {
            assert!(Quantity::parse(written).is_err(), "{written}");
        }
    }

    #[test]
    fn amounts_compare_by_value() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse("1Ki").compare(parse("1024")), Ordering::Equal);
        assert_eq!(parse("1000m").compare(parse("1")), Ordering::Equal);
        assert_eq!(parse("1G").compare(parse("1Gi")), Ordering::Less);
        assert_ne!(parse("1Ki"), parse("1024"), "they print differently");
    }

    #[test]
    fn arithmetic_keeps_the_format_of_the_left_and_never_wraps() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse("512Mi").checked_add(parse("512Mi")).unwrap().to_string(), "1Gi");
        assert_eq!(parse("0").checked_add(parse("1Gi")).unwrap().to_string(), "1Gi");
        assert_eq!(parse("1Gi").checked_sub(parse("1Mi")).unwrap().to_string(), "1023Mi");
        assert_eq!(parse("500m").checked_mul(3).unwrap().to_string(), "1500m");
        assert_eq!(parse("500m").checked_neg().unwrap().to_string(), "-500m");
        let most = Quantity { nanos: i128::MAX, format: Format::Decimal };
        assert_eq!(most.checked_add(parse("1n")), None);
        assert_eq!(most.checked_mul(2), None);
        let least = Quantity { nanos: i128::MIN, format: Format::Binary };
        assert_eq!(least.checked_sub(parse("1n")), None);
        assert_eq!(least.checked_neg(), None);
        assert_eq!(least.bytes(), None);
        assert!(least.to_string().starts_with('-'));
    }

    #[test]
    fn bytes_round_away_from_zero() {
        let bytes = |text| Quantity::parse(text).unwrap().bytes();
        assert_eq!(bytes("1Ki"), Some(1024));
        assert_eq!(bytes("1500m"), Some(2));
        assert_eq!(bytes("-1500m"), Some(-2));
        assert_eq!(bytes("1n"), Some(1));
        assert_eq!(bytes("100E"), None);
        assert_eq!(Quantity::parse("1900m").unwrap().truncated(), Some(1));
    }

    #[test]
    fn numbers_become_amounts() {
        assert_eq!(Quantity::from_int(i64::MIN).to_string(), "-9223372036854775808");
        assert_eq!(Quantity::from_float(0.1).unwrap().to_string(), "100m");
        assert!(Quantity::from_float(f64::INFINITY).is_err());
        assert!(Quantity::from_float(1e300).is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_amount(
            nanos in prop_oneof![any::<i64>().prop_map(i128::from), any::<i64>().prop_map(|n| i128::from(n) * NANOS), -i128::MAX..i128::MAX],
            format in prop_oneof![Just(Format::Decimal), Just(Format::Binary), Just(Format::Exponent)],
        ) {
            let quantity = Quantity { nanos, format };
            let printed = quantity.to_string();
            // Only binary amounts that the notation cannot hold may be refused.
            match Quantity::parse(&printed) {
                Ok(read) => {
                    prop_assert_eq!(read.nanos, nanos);
                    // As in Kubernetes, a binary amount without a suffix reads back as a decimal one.
                    if format != Format::Binary {
                        prop_assert_eq!(read.to_string(), printed);
                    }
                }
                Err(_) => prop_assert!(printed.ends_with('i') && nanos.abs() > i128::from(i64::MAX) * NANOS),
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eEinumkKMGTP]{0,12}|\\PC{0,20}") {
            let _ = Quantity::parse(&text);
            let _ = crate::notation::unit(&text);
        }
    }
}
