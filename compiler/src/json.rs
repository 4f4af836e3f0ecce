//! JSON: what is written, what is read, and the one form that digests are made of.

use crate::value::{Data, Fields, Origin, Value};
use crate::yaml::indent;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use std::cell::Cell;
use std::fmt::{self, Write as _};

/// Writes `value`, on one line or, `pretty`, indented by two spaces. No newline follows.
///
/// A field or element that is `none` is left out; `none` itself is written as `null`. Quantities and
/// durations are strings in their canonical form.
pub fn write(out: &mut String, value: &Value, pretty: bool) {
    let layout = if pretty { Layout::Pretty } else { Layout::Compact };
    // Only a limit makes a printer stop.
    let _ = Printer { out, room: Room(usize::MAX), layout }.value(value, 0);
}

/// Writes a value as it stands in `depth` others of a text with line breaks.
pub(crate) fn write_at(out: &mut String, value: &Value, depth: usize) {
    // Only a limit makes a printer stop.
    let _ = Printer { out, room: Room(usize::MAX), layout: Layout::Pretty }.value(value, depth);
}

/// Writes a text in its quotes.
pub(crate) fn write_string(out: &mut String, text: &str) {
    let _ = Printer { out, room: Room(usize::MAX), layout: Layout::Pretty }.string(text);
}

/// Writes `value` on one line, unless that takes more than about `limit` bytes. A value that refers to
/// one part many times can be small in memory and of any size as text.
pub(crate) fn write_within(out: &mut String, value: &Value, limit: usize) -> Result<(), TooLong> {
    Printer { out, room: Room(limit), layout: Layout::Compact }.value(value, 0)
}

/// The one text of a value: JSON on one line, the keys of each record sorted by their bytes, and
/// `none` left out. Values that print the same in a manifest but for the order of fields have the
/// same canonical form.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    let _ = Printer { out: &mut out, room: Room(usize::MAX), layout: Layout::Canonical }
        .value(value, 0);
    out
}

/// [`canonical`], unless it takes more than about `limit` bytes.
pub(crate) fn canonical_within(value: &Value, limit: usize) -> Result<String, TooLong> {
    let mut out = String::new();
    Printer { out: &mut out, room: Room(limit), layout: Layout::Canonical }.value(value, 0)?;
    Ok(out)
}

/// What names a value by its content: the first 10 hexadecimal digits of the SHA-256 of
/// [`canonical`].
pub fn digest(value: &Value) -> String {
    digest_of(&canonical(value))
}

pub(crate) fn digest_of(canonical: &str) -> String {
    let hash = Sha256::digest(canonical.as_bytes());
    hash.iter().take(5).fold(String::with_capacity(10), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Reads one JSON text; every value in it gets `origin`.
///
/// An error is one sentence with line and column: a syntax error, a key that stands twice, an integer
/// that needs more than 64 bits, or nesting deeper than 127. `null` is [`Data::Null`]; numbers with a
/// fraction or an exponent are floats.
pub fn read(text: &str, origin: Origin) -> Result<Value, String> {
    read_within(text, origin, usize::MAX, usize::MAX)
}

/// The value that a program's JSON stands for, such as an API server's answer; every value in it gets `origin`.
/// `null` is nothing.
pub fn value(json: &serde_json::Value, origin: Origin) -> Value {
    use serde_json::Value as Json;
    let data = match json {
        Json::Null => Data::None,
        Json::Bool(it) => Data::Bool(*it),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Data::Int(int),
            (None, Some(float)) if float.is_finite() => Data::Float(float),
            _ => Data::String(SmolStr::from(number.to_string())),
        },
        Json::String(text) => Data::String(text.into()),
        Json::Array(elements) => {
            return Value::list(elements.iter().map(|it| value(it, origin)).collect(), origin);
        }
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, it)| (name.into(), value(it, origin)));
            return Value::record(fields.collect(), origin);
        }
    };
    Value::new(data, origin)
}

/// [`read`] with limits on the number of values and the bytes of their texts.
pub(crate) fn read_within(
    text: &str,
    origin: Origin,
    values: usize,
    bytes: usize,
) -> Result<Value, String> {
    let budget = Budget::new(values, bytes);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Reader { origin, budget: &budget }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| format!("not JSON: {error}"))
}

/// The text grew beyond what was allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLong;

/// What a printer may still do: a byte of text costs one, and so does a look at a value.
pub(crate) struct Room(pub(crate) usize);

impl Room {
    pub(crate) fn take(&mut self, cost: usize) -> Result<(), TooLong> {
        self.0 = self.0.checked_sub(cost).ok_or(TooLong)?;
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Compact,
    Pretty,
    Canonical,
}

struct Printer<'o> {
    out: &'o mut String,
    room: Room,
    layout: Layout,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), TooLong> {
        let start = self.out.len();
        match &value.data {
            Data::None | Data::Null => self.out.push_str("null"),
            Data::Bool(bool) => self.out.push_str(if *bool { "true" } else { "false" }),
            Data::Int(int) => self.out.push_str(itoa::Buffer::new().format(*int)),
            // A float is never NaN or infinite; were it, JSON has no word for it.
            Data::Float(float) if !float.is_finite() => self.out.push_str("null"),
            Data::Float(float) => drop(write!(self.out, "{float:?}")),
            Data::String(text) => return self.string(text),
            Data::Quantity(quantity) => drop(write!(self.out, "\"{quantity}\"")),
            Data::Duration(duration) => drop(write!(self.out, "\"{duration}\"")),
            Data::List(elements) => return self.list(elements, depth),
            Data::Record(record) => return self.record(&record.fields, depth),
        }
        self.room.take(self.out.len() - start)
    }

    fn list(&mut self, elements: &[Value], depth: usize) -> Result<(), TooLong> {
        self.room.take(elements.len())?;
        self.char('[')?;
        let mut first = true;
        for element in elements.iter().filter(|element| !element.is_none()) {
            self.separate(&mut first, depth)?;
            self.value(element, depth + 1)?;
        }
        self.close(']', first, depth)
    }

    fn record(&mut self, fields: &Fields, depth: usize) -> Result<(), TooLong> {
        self.room.take(fields.len())?;
        self.char('{')?;
        let mut first = true;
        let mut live = fields.iter().filter(|(_, value)| !value.is_none());
        if self.layout == Layout::Canonical {
            let mut sorted: Vec<_> = live.collect();
            sorted.sort_unstable_by_key(|(key, _)| key.as_str());
            sorted.into_iter().try_for_each(|field| self.field(field, &mut first, depth))?;
        } else {
            live.try_for_each(|field| self.field(field, &mut first, depth))?;
        }
        self.close('}', first, depth)
    }

    fn field(
        &mut self,
        (key, value): (&SmolStr, &Value),
        first: &mut bool,
        depth: usize,
    ) -> Result<(), TooLong> {
        self.separate(first, depth)?;
        self.string(key)?;
        self.char(':')?;
        if self.layout == Layout::Pretty {
            self.char(' ')?;
        }
        self.value(value, depth + 1)
    }

    fn separate(&mut self, first: &mut bool, depth: usize) -> Result<(), TooLong> {
        if !std::mem::take(first) {
            self.char(',')?;
        }
        self.line(depth + 1)
    }

    fn close(&mut self, bracket: char, empty: bool, depth: usize) -> Result<(), TooLong> {
        if !empty {
            self.line(depth)?;
        }
        self.char(bracket)
    }

    fn line(&mut self, depth: usize) -> Result<(), TooLong> {
        if self.layout != Layout::Pretty {
            return Ok(());
        }
        self.room.take(1 + 2 * depth)?;
        self.out.push('\n');
        indent(self.out, 2 * depth);
        Ok(())
    }

    fn char(&mut self, c: char) -> Result<(), TooLong> {
        self.room.take(1)?;
        self.out.push(c);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), TooLong> {
        self.room.take(text.len() + 2)?;
        self.out.push('"');
        let mut written = 0;
        for (index, byte) in text.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.push_str(&text[written..index]);
            written = index + 1;
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                _ => drop(write!(self.out, "\\u{byte:04x}")),
            }
        }
        self.out.push_str(&text[written..]);
        self.out.push('"');
        Ok(())
    }
}

/// What may still be read: aliases of YAML can make much of little.
pub(crate) struct Budget {
    values: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    pub(crate) fn new(values: usize, bytes: usize) -> Self {
        Budget { values: Cell::new(values), bytes: Cell::new(bytes) }
    }

    fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let left =
            |cell: &Cell<usize>, cost| cell.get().checked_sub(cost).map(|left| cell.set(left));
        left(&self.values, 1)
            .and_then(|()| left(&self.bytes, bytes))
            .ok_or_else(|| E::custom("it holds more values than are allowed"))
    }
}

/// Makes values of whatever a serde deserializer reads.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'b> {
    /// What every value gets.
    pub(crate) origin: Origin,
    /// Shared by all values of one text.
    pub(crate) budget: &'b Budget,
}

impl Reader<'_> {
    fn scalar<E: serde::de::Error>(self, data: Data) -> Result<Value, E> {
        self.budget.take(0)?;
        Ok(Value::new(data, self.origin))
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, true, false, a number, a text, a list or a record")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(Data::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(Data::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(Data::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        let value = i64::try_from(value).map_err(|_| {
            E::custom(format!("{value} is larger than the largest Int, {}", i64::MAX))
        })?;
        self.scalar(Data::Int(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if !value.is_finite() {
            return Err(E::custom("a Float is never infinite or not a number"));
        }
        self.scalar(Data::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.budget.take(value.len())?;
        Ok(Value::new(Data::String(value.into()), self.origin))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.take(0)?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(self)? {
            elements.push(element);
        }
        Ok(Value::list(elements, self.origin))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.take(0)?;
        let mut fields = Fields::default();
        while let Some(key) = access.next_key_seed(KeyReader(self))? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
            let value = access.next_value_seed(self)?;
            fields.insert(key, value);
        }
        Ok(Value::record(fields, self.origin))
    }
}

/// Reads a key, which must be a text.
struct KeyReader<'b>(Reader<'b>);

impl KeyReader<'_> {
    fn refuse<E: serde::de::Error>(&self, what: impl fmt::Display) -> E {
        E::custom(format!("the key {what} is not a text; put it in quotes"))
    }
}

impl<'de> DeserializeSeed<'de> for KeyReader<'_> {
    type Value = SmolStr;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<SmolStr, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyReader<'_> {
    type Value = SmolStr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key, which is a text")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<SmolStr, E> {
        self.0.budget.take(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<SmolStr, E> {
        Err(self.refuse("`null`"))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<SmolStr, E> {
        Err(self.refuse(format_args!("`{value}`")))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<SmolStr, E> {
        Err(self.refuse(format_args!("`{value}`")))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<SmolStr, E> {
        Err(self.refuse(format_args!("`{value}`")))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<SmolStr, E> {
        Err(self.refuse(format_args!("`{value}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{int, list, none, origin, record, text, value};
    use proptest::prelude::*;

    fn compact(value: &Value) -> String {
        let mut out = String::new();
        write(&mut out, value, false);
        out
    }

    #[test]
    fn none_is_left_out_of_records_and_lists() {
        let value = record([
            ("a", int(1)),
            ("b", none()),
            ("c", list([none(), int(2)])),
            ("d", list([none()])),
        ]);
        assert_eq!(compact(&value), r#"{"a":1,"c":[2],"d":[]}"#);
    }

    #[test]
    fn scalars_are_written_in_their_canonical_form() {
        let quantity = crate::notation::Quantity::parse("1024Mi").unwrap();
        let duration = crate::notation::Duration::parse("90s").unwrap();
        let value = list([
            value(Data::Null),
            value(Data::Bool(true)),
            value(Data::Float(1.0)),
            value(Data::Float(1e300)),
            value(Data::Quantity(quantity)),
            value(Data::Duration(duration)),
            text("a\"\\\n\u{1}é"),
        ]);
        assert_eq!(compact(&value), r#"[null,true,1.0,1e300,"1Gi","1m30s","a\"\\\n\u0001é"]"#);
    }

    #[test]
    fn pretty_json_is_indented_by_two() {
        let mut out = String::new();
        write(
            &mut out,
            &record([("a", list([int(1), int(2)])), ("b", record([])), ("c", list([]))]),
            true,
        );
        assert_eq!(out, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}");
    }

    #[test]
    fn a_digest_depends_on_content_and_not_on_the_order_of_fields() {
        let one = record([("b", int(1)), ("a", record([("z", int(1)), ("y", none())]))]);
        let other = record([("a", record([("z", int(1))])), ("b", int(1))]);
        assert_eq!(canonical(&one), r#"{"a":{"z":1},"b":1}"#);
        assert_eq!(digest(&one), digest(&other));
        assert_ne!(digest(&one), digest(&record([("b", int(2))])));
        // printf '{}' | sha256sum
        assert_eq!(digest(&record([])), "44136fa355");
    }

    #[test]
    fn what_is_read_keeps_order_and_kinds() {
        let value = read(r#" {"b": [1, 1.0, "x", null, true], "a": {}} "#, origin()).unwrap();
        assert_eq!(compact(&value), r#"{"b":[1,1.0,"x",null,true],"a":{}}"#);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (json, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{} x", "trailing characters at line 1 column 4"),
            (r#"{"a":1,"a":2}"#, "the key `a` stands twice at line 1 column 10"),
            ("9223372036854775808", "9223372036854775808 is larger than the largest Int"),
            ("1e999", "number out of range"),
            ("{1: 2}", "key must be a string"),
        ] {
            let error = read(json, origin()).unwrap_err();
            assert!(error.starts_with("not JSON: ") && error.contains(reason), "{json}: {error}");
        }
        assert!(read(&"[".repeat(100_000), origin()).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn a_limit_bounds_what_sharing_multiplies() {
        let mut shared = list([int(1), none()]);
        for _ in 0..100 {
            shared = list([shared.clone(), shared]);
        }
        let mut out = String::new();
        assert_eq!(write_within(&mut out, &shared, 10_000), Err(TooLong));
        assert!(out.len() <= 10_000);
        assert_eq!(canonical_within(&shared, 10_000), Err(TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in crate::testing::any_value()) {
            for pretty in [false, true] {
                let mut out = String::new();
                write(&mut out, &value, pretty);
                prop_assert_eq!(&read(&out, origin()).unwrap(), &value);
                let independent: serde_json::Value = serde_json::from_str(&out).unwrap();
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&canonical(&value)).unwrap(), independent);
            }
        }
    }
}
