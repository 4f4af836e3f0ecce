//! The functions that are built into the language.
//!
//! What is `none` is not there: an element or field that is `none` is neither counted, listed,
//! compared nor printed by any of them.

use crate::json;
use crate::notation::{Duration, Quantity, quoted};
use crate::value::{Data, Fields, Origin, Value};
use crate::yaml;
use base64::Engine as _;
use rustc_hash::FxHashSet;
use smol_str::{SmolStr, ToSmolStr as _};
use std::cmp::Ordering;

/// A built-in function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "`documentation` says what each does")]
pub enum Builtin {
    Len,
    Keys,
    Values,
    Sort,
    Unique,
    Join,
    Split,
    Replace,
    Lower,
    Upper,
    Trim,
    Min,
    Max,
    Sum,
    Range,
    Digest,
    Base64,
    Yaml,
    Json,
    ParseYaml,
    ParseJson,
    Int,
    String,
}

/// A parameter of a built-in function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Parameter {
    /// What it is called in the documentation.
    pub name: &'static str,
    /// A call may leave it out.
    pub optional: bool,
    /// A call may give more than one; always the last.
    pub repeated: bool,
}

/// What a call may make. Checked before anything of that size is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// The most values in a result.
    pub elements: usize,
    /// The most bytes of text in a result.
    pub bytes: usize,
}

const fn required(name: &'static str) -> Parameter {
    Parameter { name, optional: false, repeated: false }
}

const fn optional(name: &'static str) -> Parameter {
    Parameter { name, optional: true, repeated: false }
}

const fn repeated(name: &'static str) -> Parameter {
    Parameter { name, optional: false, repeated: true }
}

impl Builtin {
    /// All of them, in the order of the documentation.
    pub const ALL: [Builtin; 23] = [
        Builtin::Len,
        Builtin::Keys,
        Builtin::Values,
        Builtin::Sort,
        Builtin::Unique,
        Builtin::Join,
        Builtin::Split,
        Builtin::Replace,
        Builtin::Lower,
        Builtin::Upper,
        Builtin::Trim,
        Builtin::Min,
        Builtin::Max,
        Builtin::Sum,
        Builtin::Range,
        Builtin::Digest,
        Builtin::Base64,
        Builtin::Yaml,
        Builtin::Json,
        Builtin::ParseYaml,
        Builtin::ParseJson,
        Builtin::Int,
        Builtin::String,
    ];

    /// The function of this name.
    pub fn from_name(name: &str) -> Option<Builtin> {
        Builtin::ALL.into_iter().find(|builtin| builtin.name() == name)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Builtin::Len => "len",
            Builtin::Keys => "keys",
            Builtin::Values => "values",
            Builtin::Sort => "sort",
            Builtin::Unique => "unique",
            Builtin::Join => "join",
            Builtin::Split => "split",
            Builtin::Replace => "replace",
            Builtin::Lower => "lower",
            Builtin::Upper => "upper",
            Builtin::Trim => "trim",
            Builtin::Min => "min",
            Builtin::Max => "max",
            Builtin::Sum => "sum",
            Builtin::Range => "range",
            Builtin::Digest => "digest",
            Builtin::Base64 => "base64",
            Builtin::Yaml => "yaml",
            Builtin::Json => "json",
            Builtin::ParseYaml => "parse_yaml",
            Builtin::ParseJson => "parse_json",
            Builtin::Int => "int",
            Builtin::String => "string",
        }
    }

    /// What it takes, in order.
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Builtin::Len => const { &[required("of")] },
            Builtin::Keys | Builtin::Values => const { &[required("map")] },
            Builtin::Sort | Builtin::Unique | Builtin::Sum => const { &[required("list")] },
            Builtin::Join => const { &[required("list"), required("separator")] },
            Builtin::Split => const { &[required("text"), required("separator")] },
            Builtin::Replace => const { &[required("text"), required("from"), required("to")] },
            Builtin::Lower
            | Builtin::Upper
            | Builtin::Trim
            | Builtin::Base64
            | Builtin::ParseYaml
            | Builtin::ParseJson => const { &[required("text")] },
            Builtin::Min | Builtin::Max => const { &[repeated("values")] },
            Builtin::Range => const { &[required("from"), optional("to")] },
            Builtin::Digest | Builtin::Yaml | Builtin::Json | Builtin::Int | Builtin::String => {
                const { &[required("value")] }
            }
        }
    }

    /// Its signature and what it does, in Markdown.
    pub fn documentation(self) -> &'static str {
        match self {
            Builtin::Len => {
                "```plumb\nlen(of: String | [T] | {String: T}) -> Int\n```\n\
                 The number of characters (Unicode scalar values), elements or fields."
            }
            Builtin::Keys => {
                "```plumb\nkeys(map: {String: T}) -> [String]\n```\n\
                 The keys, in the order they were first set."
            }
            Builtin::Values => {
                "```plumb\nvalues(map: {String: T}) -> [T]\n```\n\
                 The values, in the order their keys were first set."
            }
            Builtin::Sort => {
                "```plumb\nsort(list: [T]) -> [T]\n```\n\
                 Ascending: numbers, quantities and durations by value, strings by their UTF-8 bytes. \
                 What is equal keeps its order."
            }
            Builtin::Unique => {
                "```plumb\nunique(list: [T]) -> [T]\n```\n\
                 Each value once, where it first stands. Quantities are compared by value, records and \
                 lists by their JSON, in which the order of fields does not count."
            }
            Builtin::Join => {
                "```plumb\njoin(list: [String], separator: String) -> String\n```\n\
                 The strings one after the other, the separator between them."
            }
            Builtin::Split => {
                "```plumb\nsplit(text: String, separator: String) -> [String]\n```\n\
                 The pieces of the text between the separators; an empty text has one empty piece. \
                 The separator is not empty."
            }
            Builtin::Replace => {
                "```plumb\nreplace(text: String, from: String, to: String) -> String\n```\n\
                 The text with every `from`, which is not empty, replaced; left to right, without overlap."
            }
            Builtin::Lower => {
                "```plumb\nlower(text: String) -> String\n```\n\
                 The text in lower case, by the rules of Unicode."
            }
            Builtin::Upper => {
                "```plumb\nupper(text: String) -> String\n```\n\
                 The text in upper case, by the rules of Unicode."
            }
            Builtin::Trim => {
                "```plumb\ntrim(text: String) -> String\n```\n\
                 The text without the white space at both ends."
            }
            Builtin::Min => {
                "```plumb\nmin(values: T...) -> T\nmin(values: [T]) -> T\n```\n\
                 The smallest of the values, or of a list that is not empty; of equal ones the first."
            }
            Builtin::Max => {
                "```plumb\nmax(values: T...) -> T\nmax(values: [T]) -> T\n```\n\
                 The largest of the values, or of a list that is not empty; of equal ones the first."
            }
            Builtin::Sum => {
                "```plumb\nsum(list: [T]) -> T\n```\n\
                 The numbers, quantities or durations of the list added up; 0 for an empty list."
            }
            Builtin::Range => {
                "```plumb\nrange(to: Int) -> [Int]\nrange(from: Int, to: Int) -> [Int]\n```\n\
                 The integers from `from`, or 0, up to but not including `to`; empty where `to` is not \
                 above `from`."
            }
            Builtin::Digest => {
                "```plumb\ndigest(value: T) -> String\n```\n\
                 Ten hexadecimal digits that change with the content: of the SHA-256 of its JSON with \
                 sorted keys."
            }
            Builtin::Base64 => {
                "```plumb\nbase64(text: String) -> String\n```\n\
                 The UTF-8 bytes of the text in Base64, standard alphabet, padded."
            }
            Builtin::Yaml => {
                "```plumb\nyaml(value: T) -> String\n```\n\
                 The value as a YAML document that readers of YAML 1.1 and 1.2 read alike. It ends with \
                 a newline."
            }
            Builtin::Json => {
                "```plumb\njson(value: T) -> String\n```\n\
                 The value as JSON on one line."
            }
            Builtin::ParseYaml => {
                "```plumb\nparse_yaml(text: String) -> Any\n```\n\
                 The one document of a YAML 1.2 text: `yes` and `012` are strings."
            }
            Builtin::ParseJson => {
                "```plumb\nparse_json(text: String) -> Any\n```\n\
                 The value of a JSON text."
            }
            Builtin::Int => {
                "```plumb\nint(value: String | Float | Quantity | Int) -> Int\n```\n\
                 The decimal integer in a string, or a number or quantity without its fraction, cut off \
                 towards zero."
            }
            Builtin::String => {
                "```plumb\nstring(value: Bool | Int | Float | String | Quantity | Duration) -> String\n```\n\
                 The text of a scalar, as `\"${value}\"` prints it."
            }
        }
    }
}

/// Calls a built-in function.
///
/// A value that is taken from an argument keeps its origin; a new one gets `origin`. An error is one
/// sentence about this call: a value that the function does not take, an overflow, a result beyond
/// `limit`. Never panics, whatever the arguments are.
pub fn call(
    builtin: Builtin,
    args: &[Value],
    origin: Origin,
    limit: Limit,
) -> Result<Value, String> {
    check_count(builtin, args.len())?;
    let call = Call { builtin, origin, limit };
    match (builtin, args) {
        (Builtin::Len, [of]) => call.len(of),
        (Builtin::Keys, [map]) => {
            let keys: Vec<&SmolStr> = call.live_fields(map)?.map(|(key, _)| key).collect();
            call.elements(keys.len())?;
            Ok(call.list(keys.into_iter().map(|key| call.text(key.clone())).collect()))
        }
        (Builtin::Values, [map]) => {
            let values = call.live_fields(map)?.map(|(_, value)| value.clone()).collect();
            Ok(call.list(values))
        }
        (Builtin::Sort, [list]) => call.sort(list),
        (Builtin::Unique, [list]) => call.unique(list),
        (Builtin::Join, [list, separator]) => call.join(list, separator),
        (Builtin::Split, [text, separator]) => call.split(text, separator),
        (Builtin::Replace, [text, from, to]) => call.replace(text, from, to),
        (Builtin::Lower, [text]) => {
            call.cased(text, |c| c.to_lowercase().map(char::len_utf8).sum(), str::to_lowercase)
        }
        (Builtin::Upper, [text]) => {
            call.cased(text, |c| c.to_uppercase().map(char::len_utf8).sum(), str::to_uppercase)
        }
        (Builtin::Trim, [text]) => Ok(call.text(call.string(text)?.trim())),
        (Builtin::Min, args) => call.extreme(args, Ordering::Less),
        (Builtin::Max, args) => call.extreme(args, Ordering::Greater),
        (Builtin::Sum, [list]) => call.sum(list),
        (Builtin::Range, [to]) => call.range(0, call.int(to)?),
        (Builtin::Range, [from, to]) => call.range(call.int(from)?, call.int(to)?),
        (Builtin::Digest, [value]) => {
            call.present(value)?;
            let canonical =
                json::canonical_within(value, limit.bytes).map_err(|_| call.too_long())?;
            Ok(call.text(json::digest_of(&canonical)))
        }
        (Builtin::Base64, [text]) => {
            let bytes = call.string(text)?.as_bytes();
            call.bytes(bytes.len().div_ceil(3).saturating_mul(4))?;
            Ok(call.text(base64::engine::general_purpose::STANDARD.encode(bytes)))
        }
        (Builtin::Yaml, [value]) => {
            call.present(value)?;
            let mut out = String::new();
            yaml::write_within(&mut out, value, limit.bytes).map_err(|_| call.too_long())?;
            Ok(call.text(out))
        }
        (Builtin::Json, [value]) => {
            call.present(value)?;
            let mut out = String::new();
            json::write_within(&mut out, value, limit.bytes).map_err(|_| call.too_long())?;
            Ok(call.text(out))
        }
        (Builtin::ParseYaml, [text]) => {
            yaml::read_within(call.string(text)?, origin, limit.elements, limit.bytes)
        }
        (Builtin::ParseJson, [text]) => {
            json::read_within(call.string(text)?, origin, limit.elements, limit.bytes)
        }
        (Builtin::Int, [value]) => call.to_int(value),
        (Builtin::String, [value]) => match scalar_text(&value.data) {
            Some(text) => Ok(call.text(text)),
            None => Err(call.mismatch("a Bool, number, String, Quantity or Duration", value)),
        },
        _ => Err(format!("`{}` cannot be called like this", builtin.name())),
    }
}

/// The text of a scalar, as interpolation prints it: a string as it is, a float with its shortest digits
/// and always a point or an exponent (`1.0`), a quantity or duration in its canonical form. `None` for
/// what is no scalar, and for `none` and `null`.
pub fn scalar_text(data: &Data) -> Option<SmolStr> {
    Some(match data {
        Data::Bool(bool) => SmolStr::new_static(if *bool { "true" } else { "false" }),
        Data::Int(int) => int.to_smolstr(),
        Data::Float(float) => format!("{float:?}").into(),
        Data::String(text) => text.clone(),
        Data::Quantity(quantity) => quantity.to_smolstr(),
        Data::Duration(duration) => duration.to_smolstr(),
        Data::None | Data::Null | Data::List(_) | Data::Record(_) => return None,
    })
}

/// The order that `<`, `sort`, `min` and `max` share. `None` where the two have no order: they are of
/// different types, or of a type that has none.
pub fn compare(left: &Data, right: &Data) -> Option<Ordering> {
    match (left, right) {
        (Data::Int(left), Data::Int(right)) => Some(left.cmp(right)),
        (Data::Float(left), Data::Float(right)) => left.partial_cmp(right),
        (Data::String(left), Data::String(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Data::Quantity(left), Data::Quantity(right)) => Some(left.compare(*right)),
        (Data::Duration(left), Data::Duration(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn check_count(builtin: Builtin, given: usize) -> Result<(), String> {
    let parameters = builtin.parameters();
    let least = parameters.iter().filter(|parameter| !parameter.optional).count();
    let most = if parameters.iter().any(|parameter| parameter.repeated) {
        usize::MAX
    } else {
        parameters.len()
    };
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let wanted = match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        (least, usize::MAX) => format!("{least} or more arguments"),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} or {most} arguments"),
    };
    Err(format!("`{}` takes {wanted}, not {given}", builtin.name()))
}

/// One call: what its errors and results need.
#[derive(Clone, Copy)]
struct Call {
    builtin: Builtin,
    origin: Origin,
    limit: Limit,
}

/// What [`Call::unique`] compares scalars by.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Null,
    Bool(bool),
    Int(i64),
    Float(u64),
    String(SmolStr),
    Quantity(i128),
    Duration(i64),
    /// The canonical JSON of a list or record.
    Composite(String),
}

impl Call {
    fn len(self, of: &Value) -> Result<Value, String> {
        let len = match &of.data {
            Data::String(text) => text.chars().count(),
            Data::List(elements) => live(elements).count(),
            Data::Record(record) => record.fields.values().filter(|value| !value.is_none()).count(),
            _ => return Err(self.mismatch("a String, list or map", of)),
        };
        i64::try_from(len).map(|len| self.value(Data::Int(len))).map_err(|_| self.overflow("Int"))
    }

    fn sort(self, list: &Value) -> Result<Value, String> {
        let mut elements: Vec<Value> = live(self.elements_of(list)?).cloned().collect();
        // One type throughout, or the comparison below would be no order.
        if let Some(first) = elements.first() {
            let unlike =
                elements.iter().find(|element| compare(&first.data, &element.data).is_none());
            if let Some(unlike) = unlike {
                return Err(self.incomparable(first, unlike));
            }
        }
        elements.sort_by(|left, right| compare(&left.data, &right.data).unwrap_or(Ordering::Equal));
        Ok(self.list(elements))
    }

    fn unique(self, list: &Value) -> Result<Value, String> {
        let mut seen = FxHashSet::default();
        let mut unique = Vec::new();
        // Shared by all elements: together they may print no more than one text could.
        let mut room = self.limit.bytes;
        for element in live(self.elements_of(list)?) {
            let identity = match &element.data {
                Data::None | Data::Null => Identity::Null,
                Data::Bool(bool) => Identity::Bool(*bool),
                Data::Int(int) => Identity::Int(*int),
                // 0.0 and -0.0 are equal.
                Data::Float(float) => Identity::Float((float + 0.0).to_bits()),
                Data::String(text) => Identity::String(text.clone()),
                Data::Quantity(quantity) => Identity::Quantity(quantity.nanos),
                Data::Duration(duration) => Identity::Duration(duration.millis),
                Data::List(_) | Data::Record(_) => {
                    let json =
                        json::canonical_within(element, room).map_err(|_| self.too_long())?;
                    room -= json.len().min(room);
                    Identity::Composite(json)
                }
            };
            if seen.insert(identity) {
                unique.push(element.clone());
            }
        }
        Ok(self.list(unique))
    }

    fn join(self, list: &Value, separator: &Value) -> Result<Value, String> {
        let separator = self.string(separator)?;
        let elements = self.elements_of(list)?;
        let mut size = 0_usize;
        let mut pieces = Vec::new();
        for element in live(elements) {
            let Data::String(text) = &element.data else {
                return Err(self.mismatch("a list of Strings", element));
            };
            let gap = if pieces.is_empty() { 0 } else { separator.len() };
            size = size.saturating_add(gap).saturating_add(text.len());
            pieces.push(text.as_str());
        }
        self.bytes(size)?;
        Ok(self.text(pieces.join(separator)))
    }

    fn split(self, text: &Value, separator: &Value) -> Result<Value, String> {
        let (text, separator) = (self.string(text)?, self.string(separator)?);
        if separator.is_empty() {
            return Err("`split` needs a separator that is not empty".to_owned());
        }
        self.elements(text.matches(separator).count().saturating_add(1))?;
        Ok(self.list(text.split(separator).map(|piece| self.text(piece)).collect()))
    }

    fn replace(self, text: &Value, from: &Value, to: &Value) -> Result<Value, String> {
        let (text, from, to) = (self.string(text)?, self.string(from)?, self.string(to)?);
        if from.is_empty() {
            return Err("`replace` needs a text to look for that is not empty".to_owned());
        }
        let count = text.matches(from).count();
        let kept = text.len() - count * from.len();
        self.bytes(kept.saturating_add(count.saturating_mul(to.len())))?;
        Ok(self.text(text.replace(from, to)))
    }

    fn cased(
        self,
        text: &Value,
        len: fn(char) -> usize,
        cased: fn(&str) -> String,
    ) -> Result<Value, String> {
        let text = self.string(text)?;
        self.bytes(text.chars().map(len).fold(0, usize::saturating_add))?;
        Ok(self.text(cased(text)))
    }

    /// `min` and `max`: the first value that no other one exceeds in the direction of `wanted`.
    fn extreme(self, args: &[Value], wanted: Ordering) -> Result<Value, String> {
        let values = match args {
            [Value { data: Data::List(elements), .. }] => elements.as_slice(),
            values => values,
        };
        let mut found: Option<&Value> = None;
        for value in live(values) {
            let Some(best) = found else {
                if compare(&value.data, &value.data).is_none() {
                    return Err(self.mismatch("numbers, Strings, Quantities or Durations", value));
                }
                found = Some(value);
                continue;
            };
            match compare(&value.data, &best.data) {
                None => return Err(self.incomparable(best, value)),
                Some(order) if order == wanted => found = Some(value),
                Some(_) => {}
            }
        }
        found
            .cloned()
            .ok_or_else(|| format!("`{}` of nothing: the list is empty", self.builtin.name()))
    }

    fn sum(self, list: &Value) -> Result<Value, String> {
        let mut sum: Option<Data> = None;
        for element in live(self.elements_of(list)?) {
            let added = match (sum.take(), &element.data) {
                (None, Data::Int(_) | Data::Float(_) | Data::Quantity(_) | Data::Duration(_)) => {
                    element.data.clone()
                }
                (Some(Data::Int(left)), Data::Int(right)) => {
                    Data::Int(left.checked_add(*right).ok_or_else(|| self.overflow("Int"))?)
                }
                (Some(Data::Float(left)), Data::Float(right)) => Data::Float(
                    Some(left + right)
                        .filter(|sum| sum.is_finite())
                        .ok_or_else(|| self.overflow("Float"))?,
                ),
                (Some(Data::Quantity(left)), Data::Quantity(right)) => Data::Quantity(
                    Quantity::checked_add(left, *right).ok_or_else(|| self.overflow("Quantity"))?,
                ),
                (Some(Data::Duration(left)), Data::Duration(right)) => Data::Duration(
                    Duration::checked_add(left, *right).ok_or_else(|| self.overflow("Duration"))?,
                ),
                (Some(left), _) => return Err(self.incomparable(&self.value(left), element)),
                (None, _) => {
                    return Err(
                        self.mismatch("a list of numbers, Quantities or Durations", element)
                    );
                }
            };
            sum = Some(added);
        }
        Ok(self.value(sum.unwrap_or(Data::Int(0))))
    }

    fn range(self, from: i64, to: i64) -> Result<Value, String> {
        // The distance of two i64 fits a u64.
        let count = if to > from { to.abs_diff(from) } else { 0 };
        self.elements(usize::try_from(count).unwrap_or(usize::MAX))?;
        Ok(self.list((from..to).map(|int| self.value(Data::Int(int))).collect()))
    }

    fn to_int(self, value: &Value) -> Result<Value, String> {
        let int = match &value.data {
            Data::Int(int) => *int,
            Data::Float(float) => {
                let whole = float.trunc();
                // 2^63 itself does not fit; every float below it does.
                if !(-(2_f64.powi(63))..2_f64.powi(63)).contains(&whole) {
                    return Err(self.overflow("Int"));
                }
                whole as i64
            }
            Data::Quantity(quantity) => quantity.truncated().ok_or_else(|| self.overflow("Int"))?,
            Data::String(text) => {
                let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(format!("{} is not a whole number", quoted(text)));
                }
                text.parse().map_err(|_| self.overflow("Int"))?
            }
            _ => return Err(self.mismatch("a String, Float, Quantity or Int", value)),
        };
        Ok(self.value(Data::Int(int)))
    }

    fn value(self, data: Data) -> Value {
        Value::new(data, self.origin)
    }

    fn text(self, text: impl Into<SmolStr>) -> Value {
        self.value(Data::String(text.into()))
    }

    fn list(self, elements: Vec<Value>) -> Value {
        Value::list(elements, self.origin)
    }

    fn string(self, value: &Value) -> Result<&str, String> {
        match &value.data {
            Data::String(text) => Ok(text),
            _ => Err(self.mismatch("a String", value)),
        }
    }

    fn int(self, value: &Value) -> Result<i64, String> {
        match &value.data {
            Data::Int(int) => Ok(*int),
            _ => Err(self.mismatch("an Int", value)),
        }
    }

    fn elements_of(self, value: &Value) -> Result<&[Value], String> {
        match &value.data {
            Data::List(elements) => Ok(elements),
            _ => Err(self.mismatch("a list", value)),
        }
    }

    fn live_fields(
        self,
        value: &Value,
    ) -> Result<impl Iterator<Item = <&Fields as IntoIterator>::Item>, String> {
        let fields = value.fields().ok_or_else(|| self.mismatch("a map", value))?;
        Ok(fields.iter().filter(|(_, value)| !value.is_none()))
    }

    fn present(self, value: &Value) -> Result<(), String> {
        if value.is_none() { Err(self.mismatch("a value", value)) } else { Ok(()) }
    }

    fn elements(self, count: usize) -> Result<(), String> {
        if count > self.limit.elements {
            let (name, limit) = (self.builtin.name(), self.limit.elements);
            return Err(format!("`{name}` would make {count} values; {limit} are allowed"));
        }
        Ok(())
    }

    fn bytes(self, count: usize) -> Result<(), String> {
        if count > self.limit.bytes { Err(self.too_long()) } else { Ok(()) }
    }

    fn too_long(self) -> String {
        format!("`{}` would make more than {} bytes of text", self.builtin.name(), self.limit.bytes)
    }

    fn overflow(self, what: &str) -> String {
        format!("the result of `{}` is too large for {what}", self.builtin.name())
    }

    fn mismatch(self, wanted: &str, value: &Value) -> String {
        format!("`{}` takes {wanted}, not {}", self.builtin.name(), described(&value.data))
    }

    fn incomparable(self, left: &Value, right: &Value) -> String {
        let name = self.builtin.name();
        if std::mem::discriminant(&left.data) == std::mem::discriminant(&right.data) {
            return format!("`{name}` does not take {}", described(&left.data));
        }
        format!(
            "`{name}` takes values of one type, not {} and {}",
            described(&left.data),
            described(&right.data)
        )
    }
}

fn live(elements: &[Value]) -> impl Iterator<Item = &Value> {
    elements.iter().filter(|element| !element.is_none())
}

/// A value's type with its article.
fn described(data: &Data) -> &'static str {
    match data {
        Data::None => "none",
        Data::Null => "null",
        Data::Bool(_) => "a Bool",
        Data::Int(_) => "an Int",
        Data::Float(_) => "a Float",
        Data::String(_) => "a String",
        Data::Quantity(_) => "a Quantity",
        Data::Duration(_) => "a Duration",
        Data::List(_) => "a list",
        Data::Record(_) => "a record",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_value, int, list, none, origin, other_origin, record, text, value};
    use proptest::prelude::*;

    const LIMIT: Limit = Limit { elements: 1000, bytes: 10_000 };

    /// Calls with `origin()` arguments; what is new has `other_origin()`.
    fn run<const N: usize>(builtin: Builtin, args: [Value; N]) -> Result<Data, String> {
        call(builtin, &args, other_origin(), LIMIT).map(|value| value.data)
    }

    fn int_of<const N: usize>(builtin: Builtin, args: [Value; N]) -> i64 {
        match run(builtin, args) {
            Ok(Data::Int(int)) => int,
            other => panic!("{other:?}"),
        }
    }

    fn text_of<const N: usize>(builtin: Builtin, args: [Value; N]) -> String {
        match run(builtin, args) {
            Ok(Data::String(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The result as JSON, which shows data and order.
    fn json_of<const N: usize>(builtin: Builtin, args: [Value; N]) -> String {
        let mut out = String::new();
        json::write(
            &mut out,
            &value(run(builtin, args).unwrap_or_else(|error| panic!("{error}"))),
            false,
        );
        out
    }

    fn error_of<const N: usize>(builtin: Builtin, args: [Value; N]) -> String {
        run(builtin, args).expect_err("an error")
    }

    fn float(float: f64) -> Value {
        value(Data::Float(float))
    }

    fn quantity(text: &str) -> Value {
        value(Data::Quantity(Quantity::parse(text).unwrap()))
    }

    fn duration(text: &str) -> Value {
        value(Data::Duration(Duration::parse(text).unwrap()))
    }

    #[test]
    fn every_function_is_found_by_its_name_and_documented() {
        for builtin in Builtin::ALL {
            assert_eq!(Builtin::from_name(builtin.name()), Some(builtin));
            let signature = format!("```plumb\n{}(", builtin.name());
            assert!(builtin.documentation().starts_with(&signature), "{}", builtin.name());
            assert!(!builtin.parameters().is_empty());
        }
        assert_eq!(Builtin::from_name("print"), None);
    }

    #[test]
    fn len_counts_characters_elements_and_fields() {
        assert_eq!(int_of(Builtin::Len, [text("日本é")]), 3);
        assert_eq!(int_of(Builtin::Len, [text("")]), 0);
        assert_eq!(int_of(Builtin::Len, [list([int(1), none(), int(2)])]), 2);
        assert_eq!(int_of(Builtin::Len, [record([("a", int(1)), ("b", none())])]), 1);
        assert_eq!(
            error_of(Builtin::Len, [int(1)]),
            "`len` takes a String, list or map, not an Int"
        );
    }

    #[test]
    fn keys_and_values_keep_order_and_leave_out_none() {
        let map = || record([("b", int(1)), ("a", int(2)), ("c", none())]);
        assert_eq!(json_of(Builtin::Keys, [map()]), r#"["b","a"]"#);
        assert_eq!(json_of(Builtin::Values, [map()]), "[1,2]");
        assert_eq!(error_of(Builtin::Keys, [list([])]), "`keys` takes a map, not a list");
    }

    #[test]
    fn what_is_taken_keeps_its_origin_and_what_is_new_gets_the_call() {
        let map = record([("a", int(1))]);
        let elements = |value: Value| match value.data {
            Data::List(elements) => elements.to_vec(),
            other => panic!("{other:?}"),
        };
        let values =
            call(Builtin::Values, std::slice::from_ref(&map), other_origin(), LIMIT).unwrap();
        assert_eq!(values.origin, other_origin());
        assert_eq!(elements(values)[0].origin, origin());
        let keys = call(Builtin::Keys, &[map], other_origin(), LIMIT).unwrap();
        assert_eq!(elements(keys)[0].origin, other_origin());
        let least = call(Builtin::Min, &[int(1), int(2)], other_origin(), LIMIT).unwrap();
        assert_eq!(least.origin, origin());
    }

    #[test]
    fn sort_orders_by_value_and_is_stable() {
        assert_eq!(json_of(Builtin::Sort, [list([int(2), none(), int(-1), int(1)])]), "[-1,1,2]");
        assert_eq!(json_of(Builtin::Sort, [list([float(1.5), float(-0.5)])]), "[-0.5,1.5]");
        assert_eq!(
            json_of(Builtin::Sort, [list([text("b"), text("Z"), text("é"), text("a")])]),
            r#"["Z","a","b","é"]"#
        );
        let amounts = list([quantity("1Gi"), quantity("1024"), quantity("1Ki"), quantity("500m")]);
        assert_eq!(json_of(Builtin::Sort, [amounts]), r#"["500m","1024","1Ki","1Gi"]"#);
        assert_eq!(
            json_of(Builtin::Sort, [list([duration("1h"), duration("90s")])]),
            r#"["1m30s","1h"]"#
        );
        assert_eq!(json_of(Builtin::Sort, [list([])]), "[]");
        assert_eq!(
            error_of(Builtin::Sort, [list([int(1), text("a")])]),
            "`sort` takes values of one type, not an Int and a String"
        );
        assert_eq!(
            error_of(Builtin::Sort, [list([value(Data::Bool(true))])]),
            "`sort` does not take a Bool"
        );
    }

    #[test]
    fn unique_keeps_the_first_of_equals() {
        assert_eq!(json_of(Builtin::Unique, [list([int(2), int(1), none(), int(2)])]), "[2,1]");
        assert_eq!(
            json_of(Builtin::Unique, [list([quantity("1"), quantity("1000m"), text("1")])]),
            r#"["1","1"]"#
        );
        assert_eq!(json_of(Builtin::Unique, [list([float(0.0), float(-0.0)])]), "[0.0]");
        let one = record([("a", int(1)), ("b", int(2))]);
        let other = record([("b", int(2)), ("c", none()), ("a", int(1))]);
        assert_eq!(
            json_of(Builtin::Unique, [list([one, other, list([]), record([])])]),
            r#"[{"a":1,"b":2},[],{}]"#
        );
    }

    #[test]
    fn join_and_split_are_opposites() {
        assert_eq!(
            text_of(Builtin::Join, [list([text("a"), none(), text("b")]), text(", ")]),
            "a, b"
        );
        assert_eq!(text_of(Builtin::Join, [list([]), text(",")]), "");
        assert_eq!(
            error_of(Builtin::Join, [list([int(1)]), text(",")]),
            "`join` takes a list of Strings, not an Int"
        );
        assert_eq!(json_of(Builtin::Split, [text("a,,b"), text(",")]), r#"["a","","b"]"#);
        assert_eq!(json_of(Builtin::Split, [text(""), text(",")]), r#"[""]"#);
        assert_eq!(
            error_of(Builtin::Split, [text("a"), text("")]),
            "`split` needs a separator that is not empty"
        );
    }

    #[test]
    fn texts_are_changed() {
        assert_eq!(text_of(Builtin::Replace, [text("aaa"), text("aa"), text("b")]), "ba");
        assert_eq!(text_of(Builtin::Replace, [text("a"), text("x"), text("y")]), "a");
        assert!(error_of(Builtin::Replace, [text("a"), text(""), text("b")]).contains("not empty"));
        assert_eq!(text_of(Builtin::Lower, [text("ÀB")]), "àb");
        assert_eq!(text_of(Builtin::Upper, [text("straße")]), "STRASSE");
        assert_eq!(text_of(Builtin::Trim, [text(" \t a b\n")]), "a b");
        assert_eq!(text_of(Builtin::Base64, [text("hi?é")]), "aGk/w6k=");
        assert_eq!(text_of(Builtin::Base64, [text("")]), "");
    }

    #[test]
    fn min_and_max_take_values_or_a_list() {
        assert_eq!(int_of(Builtin::Min, [int(2), int(1), int(3)]), 1);
        assert_eq!(int_of(Builtin::Max, [list([int(2), none(), int(3)])]), 3);
        assert_eq!(json_of(Builtin::Max, [quantity("1G"), quantity("1Gi")]), r#""1Gi""#);
        assert_eq!(json_of(Builtin::Min, [quantity("1024"), quantity("1Ki")]), r#""1024""#);
        assert_eq!(json_of(Builtin::Min, [text("b"), text("a")]), r#""a""#);
        assert_eq!(error_of(Builtin::Min, [list([])]), "`min` of nothing: the list is empty");
        assert_eq!(error_of(Builtin::Max, [list([none()])]), "`max` of nothing: the list is empty");
        assert_eq!(
            error_of(Builtin::Max, [int(1), float(1.0)]),
            "`max` takes values of one type, not an Int and a Float"
        );
        assert!(error_of(Builtin::Max, [record([])]).contains("not a record"));
        assert_eq!(error_of(Builtin::Max, []), "`max` takes 1 or more arguments, not 0");
    }

    #[test]
    fn sum_is_checked() {
        assert_eq!(int_of(Builtin::Sum, [list([int(2), none(), int(3)])]), 5);
        assert_eq!(int_of(Builtin::Sum, [list([])]), 0);
        assert_eq!(json_of(Builtin::Sum, [list([float(0.5), float(1.0)])]), "1.5");
        assert_eq!(
            json_of(Builtin::Sum, [list([quantity("512Mi"), quantity("512Mi")])]),
            r#""1Gi""#
        );
        assert_eq!(json_of(Builtin::Sum, [list([duration("30m"), duration("90m")])]), r#""2h""#);
        assert_eq!(
            error_of(Builtin::Sum, [list([int(i64::MAX), int(1)])]),
            "the result of `sum` is too large for Int"
        );
        assert!(
            error_of(Builtin::Sum, [list([float(f64::MAX), float(f64::MAX)])])
                .contains("too large for Float")
        );
        assert!(error_of(Builtin::Sum, [list([text("a")])]).contains("not a String"));
        assert!(error_of(Builtin::Sum, [list([int(1), float(1.0)])]).contains("one type"));
    }

    #[test]
    fn range_excludes_its_end() {
        assert_eq!(json_of(Builtin::Range, [int(3)]), "[0,1,2]");
        assert_eq!(json_of(Builtin::Range, [int(-1), int(1)]), "[-1,0]");
        assert_eq!(json_of(Builtin::Range, [int(0)]), "[]");
        assert_eq!(json_of(Builtin::Range, [int(2), int(1)]), "[]");
        assert_eq!(
            error_of(Builtin::Range, [int(1_000_000_000)]),
            "`range` would make 1000000000 values; 1000 are allowed"
        );
        assert!(
            error_of(Builtin::Range, [int(i64::MIN), int(i64::MAX)]).contains("1000 are allowed")
        );
        assert_eq!(error_of(Builtin::Range, []), "`range` takes 1 or 2 arguments, not 0");
    }

    #[test]
    fn values_become_text_and_back() {
        let content = || record([("a", list([int(1), text("yes")]))]);
        assert_eq!(text_of(Builtin::Yaml, [content()]), "a:\n- 1\n- \"yes\"\n");
        assert_eq!(text_of(Builtin::Json, [content()]), r#"{"a":[1,"yes"]}"#);
        assert_eq!(text_of(Builtin::Digest, [content()]), json::digest(&content()));
        assert_eq!(error_of(Builtin::Digest, [none()]), "`digest` takes a value, not none");
        assert_eq!(json_of(Builtin::ParseYaml, [text("a:\n- 1\n- yes\n")]), r#"{"a":[1,"yes"]}"#);
        assert_eq!(json_of(Builtin::ParseJson, [text(r#"{"a":[1,"yes"]}"#)]), r#"{"a":[1,"yes"]}"#);
        assert!(error_of(Builtin::ParseJson, [text("{")]).starts_with("not JSON: "));
        assert!(error_of(Builtin::ParseYaml, [text("{")]).starts_with("not YAML: "));
    }

    #[test]
    fn int_reads_and_cuts_off() {
        assert_eq!(int_of(Builtin::Int, [text("-42")]), -42);
        assert_eq!(int_of(Builtin::Int, [text("+7")]), 7);
        assert_eq!(int_of(Builtin::Int, [text("007")]), 7);
        assert_eq!(int_of(Builtin::Int, [float(-1.9)]), -1);
        assert_eq!(int_of(Builtin::Int, [quantity("1900m")]), 1);
        assert_eq!(int_of(Builtin::Int, [quantity("1Ki")]), 1024);
        assert_eq!(int_of(Builtin::Int, [int(5)]), 5);
        assert_eq!(int_of(Builtin::Int, [float(-(2_f64.powi(63)))]), i64::MIN);
        assert!(error_of(Builtin::Int, [float(2_f64.powi(63))]).contains("too large for Int"));
        assert!(
            error_of(Builtin::Int, [text("9223372036854775808")]).contains("too large for Int")
        );
        for written in ["", "-", "1.5", " 1", "1e3", "0x1", "a"] {
            assert_eq!(
                error_of(Builtin::Int, [text(written)]),
                format!("`{written}` is not a whole number")
            );
        }
        assert!(error_of(Builtin::Int, [value(Data::Bool(true))]).contains("not a Bool"));
    }

    #[test]
    fn string_prints_scalars() {
        for (value, printed) in [
            (value(Data::Bool(true)), "true"),
            (int(-1), "-1"),
            (float(1.0), "1.0"),
            (float(0.1), "0.1"),
            (text("a"), "a"),
            (quantity("1024Mi"), "1Gi"),
            (duration("90s"), "1m30s"),
        ] {
            assert_eq!(text_of(Builtin::String, [value]), printed);
        }
        assert!(error_of(Builtin::String, [list([])]).ends_with("not a list"));
        assert!(error_of(Builtin::String, [none()]).ends_with("not none"));
    }

    #[test]
    fn nothing_larger_than_the_limit_is_made() {
        let tight = Limit { elements: 3, bytes: 8 };
        let limited = |builtin, args: &[Value]| call(builtin, args, origin(), tight).unwrap_err();
        let bytes = |name| format!("`{name}` would make more than 8 bytes of text");
        assert_eq!(
            limited(Builtin::Replace, &[text("aaaaa"), text("a"), text("bb")]),
            bytes("replace")
        );
        assert_eq!(
            limited(Builtin::Join, &[list([text("aaaa"), text("aaaa")]), text(",")]),
            bytes("join")
        );
        assert_eq!(limited(Builtin::Upper, &[text("ŉŉŉ")]), bytes("upper"));
        assert_eq!(limited(Builtin::Base64, &[text("1234567")]), bytes("base64"));
        assert_eq!(limited(Builtin::Json, &[list([text("12345678")])]), bytes("json"));
        assert_eq!(limited(Builtin::Yaml, &[list([text("12345678")])]), bytes("yaml"));
        assert_eq!(limited(Builtin::Digest, &[text("12345678")]), bytes("digest"));
        assert_eq!(
            limited(Builtin::Unique, &[list([list([int(12345)]), list([int(12345)])])]),
            bytes("unique")
        );
        assert!(limited(Builtin::Split, &[text("a,b,c,d"), text(",")]).contains("3 are allowed"));
        assert!(limited(Builtin::Range, &[int(4)]).contains("3 are allowed"));
        assert!(
            limited(Builtin::ParseJson, &[text("[1,2,3]")])
                .contains("more values than are allowed")
        );
        assert!(
            limited(Builtin::ParseYaml, &[text("[&a x, *a, *a]")])
                .contains("more values than are allowed")
        );
    }

    proptest! {
        #[test]
        fn any_call_returns(
            index in 0..Builtin::ALL.len(),
            args in prop::collection::vec(prop_oneof![any_value(), Just(none()), any::<i64>().prop_map(int)], 0..4),
        ) {
            let _ = call(Builtin::ALL[index], &args, origin(), LIMIT);
        }
    }
}
