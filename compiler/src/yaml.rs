//! YAML: what is written, and what is read.
//!
//! What is written must mean the same to a reader of YAML 1.1 and one of YAML 1.2: kubectl and Helm
//! read the one, most others the other, and between them `on`, `012`, `1e3` or `12:30` change their type.
//! So a plain scalar is one that no reader could take for anything but a string; all others are in
//! double quotes.

use crate::json::{Budget, Reader, Room, TooLong};
use crate::value::{Data, Fields, Origin, Value};
use serde::de::DeserializeSeed;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use std::fmt::Write as _;

/// Writes one document, without a `---` line, as kubectl lays it out: two spaces an indent, lists
/// not indented under their key, texts of several lines as block scalars.
///
/// A field or element that is `none` is left out, a document that is `none` is empty; empty records and
/// lists are `{}` and `[]`. Quantities and durations are strings in their canonical form.
pub fn write_document(out: &mut String, value: &Value) {
    // Only a limit makes a printer stop.
    let _ = write_within(out, value, usize::MAX);
}

/// What to say of a value in a comment behind it, by the value and the byte of the output where it begins;
/// `None`: nothing.
pub type Note<'n> = dyn FnMut(&Value, usize) -> Option<String> + 'n;

/// [`write_document`] with a comment behind each scalar, empty record and empty list: what `note` says
/// of it. Only what can be seen of a note is written, on one line.
pub fn write_annotated(out: &mut String, value: &Value, note: &mut Note<'_>) {
    if !value.is_none() {
        let mut printer = Printer { out, room: Room(usize::MAX), note: Some(note) };
        // Only a limit makes a printer stop.
        let _ = printer.value(value, 0, Place::Top);
    }
}

/// Writes documents with a `---` line between them; one that is `none` is left out.
pub fn write_stream<'v>(out: &mut String, documents: impl IntoIterator<Item = &'v Value>) {
    let mut first = true;
    for document in documents.into_iter().filter(|document| !document.is_none()) {
        if !std::mem::take(&mut first) {
            out.push_str("---\n");
        }
        write_document(out, document);
    }
}

/// [`write_document`], unless that takes more than about `limit` bytes. A value that refers to one
/// part many times can be small in memory and of any size as text.
pub(crate) fn write_within(out: &mut String, value: &Value, limit: usize) -> Result<(), TooLong> {
    if value.is_none() {
        return Ok(());
    }
    Printer { out, room: Room(limit), note: None }.value(value, 0, Place::Top)
}

/// No less than the bytes that [`write_document`] writes, and no less than [`write_within`] asks for: what
/// has room for it need not be printed to be counted. Mostly several times as much.
pub(crate) fn size_at_most(value: &Value, limit: usize) -> Result<usize, TooLong> {
    /// Of a byte of text: it is looked at, and can become the four of `\x1b`.
    const BYTE: usize = 5;
    /// Of what stands around anything: dash, quotes, colon, the marks of long keys, newline.
    const AROUND: usize = 16;
    /// Of a number, quantity or duration.
    const NUMBER: usize = 128;
    // Twice the indent: it is taken before it is written, and a long key has two.
    fn take(room: &mut Room, value: &Value, column: usize) -> Result<(), TooLong> {
        room.take(AROUND + 2 * column)?;
        match &value.data {
            Data::Record(record) => record.fields.iter().try_for_each(|(key, value)| {
                room.take(BYTE * key.len())?;
                take(room, value, column + 2)
            }),
            Data::List(elements) => {
                elements.iter().try_for_each(|element| take(room, element, column + 2))
            }
            // Each of its bytes can be a line of its own.
            Data::String(text) => room.take(text.len().saturating_mul(BYTE + 2 * column)),
            _ => room.take(NUMBER),
        }
    }
    let mut room = Room(limit);
    take(&mut room, value, 2)?;
    Ok(limit - room.0)
}

/// Reads one document of YAML 1.2 (the core schema); every value in it gets `origin`.
///
/// So `yes`, `012` and `1_000` are strings. `null`, `~` and an empty document are [`Data::Null`].
/// An error is one sentence with line and column: a syntax error, a second document, a key that stands
/// twice or is not a text, a merge key, a tag other than YAML's own, a number that is no Int or Float,
/// nesting deeper than 128, or aliases that make the document larger than a million values or 16 MiB.
/// What `!!binary` encodes is read when it is text.
pub fn read(text: &str, origin: Origin) -> Result<Value, String> {
    read_within(text, origin, 1_000_000, 16 << 20)
}

/// [`read`] with other limits on the number of values and the bytes of their texts.
pub(crate) fn read_within(
    text: &str,
    origin: Origin,
    values: usize,
    bytes: usize,
) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 128 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let budget = Budget::new(values, bytes);
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Reader { origin, budget: &budget }.deserialize(deserializer)
    })
    .map_err(|error| format!("not YAML: {error}"))
}

/// Writes a value behind what stands before it on its line, up to and with its newline; `column` is where
/// its key or dash stands.
pub(crate) fn write_at(out: &mut String, value: &Value, column: usize, place: Place) {
    let mut printer = Printer { out, room: Room(usize::MAX), note: None };
    // Only a limit makes a printer stop.
    let _ = printer.value(value, column, place);
}

/// Writes a key without its colon. `None`: it is one of those that need more than a line.
pub(crate) fn write_key(out: &mut String, key: &str) -> Option<()> {
    let start = out.len();
    string(out, key);
    (out.len() - start <= LONGEST_KEY).then_some(())
}

/// What stands before a value on its line.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// Nothing: it is the document.
    Top,
    /// `key:`
    Key,
    /// `-`
    Dash,
}

/// Readers need not look further than 1024 characters for the `:` of a plain key.
const LONGEST_KEY: usize = 1000;

struct Printer<'o, 'n> {
    out: &'o mut String,
    note: Option<&'o mut Note<'n>>,
    room: Room,
}

impl Printer<'_, '_> {
    /// Writes a value up to and with its newline. `column` is where the key or dash before it stands.
    fn value(&mut self, value: &Value, column: usize, place: Place) -> Result<(), TooLong> {
        let start = self.out.len();
        match &value.data {
            Data::Record(record) if record.fields.values().any(|field| !field.is_none()) => {
                return match place {
                    Place::Top => self.record(&record.fields, 0, false),
                    Place::Key => {
                        self.out.push('\n');
                        self.record(&record.fields, column + 2, false)
                    }
                    Place::Dash => {
                        self.out.push(' ');
                        self.record(&record.fields, column + 2, true)
                    }
                };
            }
            Data::List(elements) if elements.iter().any(|element| !element.is_none()) => {
                return match place {
                    Place::Top => self.list(elements, 0, false),
                    Place::Key => {
                        self.out.push('\n');
                        self.list(elements, column, false)
                    }
                    Place::Dash => {
                        self.out.push(' ');
                        self.list(elements, column + 2, true)
                    }
                };
            }
            _ => {}
        }
        if place != Place::Top {
            self.out.push(' ');
        }
        let comment = match self.note.as_mut().and_then(|note| note(value, self.out.len())) {
            Some(note) => {
                let seen: String =
                    note.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
                format!("  # {seen}")
            }
            None => String::new(),
        };
        match &value.data {
            Data::None | Data::Null => self.out.push_str("null"),
            Data::Bool(bool) => self.out.push_str(if *bool { "true" } else { "false" }),
            Data::Int(int) => self.out.push_str(itoa::Buffer::new().format(*int)),
            Data::Float(float) => self.float(*float),
            Data::String(text) => {
                self.room.take(text.len())?;
                let classes = Classes::of(text);
                match block(text, classes) {
                    Some(header) if place != Place::Top => {
                        self.block(text, header, column + 2, &comment)?
                    }
                    _ if is_plain(text, classes) => self.out.push_str(text),
                    _ => quote(self.out, text),
                }
            }
            Data::Quantity(quantity) => self.displayed(quantity),
            Data::Duration(duration) => self.displayed(duration),
            // Only what has no live element or field arrives here; looking at it took its length.
            Data::List(elements) => {
                self.room.take(elements.len())?;
                self.out.push_str("[]");
            }
            Data::Record(record) => {
                self.room.take(record.fields.len())?;
                self.out.push_str("{}");
            }
        }
        if !self.out.ends_with('\n') || self.out.len() == start {
            self.out.push_str(&comment);
            self.out.push('\n');
        }
        self.room.take(self.out.len() - start)
    }

    fn record(&mut self, fields: &Fields, column: usize, mut on_line: bool) -> Result<(), TooLong> {
        self.room.take(fields.len())?;
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_none()) {
            self.room.take(key.len() + column + 1)?;
            if !std::mem::take(&mut on_line) {
                indent(self.out, column);
            }
            let start = self.out.len();
            string(self.out, key);
            if self.out.len() - start > LONGEST_KEY {
                self.out.insert_str(start, "? ");
                self.out.push('\n');
                indent(self.out, column);
            }
            self.out.push(':');
            self.value(value, column, Place::Key)?;
        }
        Ok(())
    }

    fn list(
        &mut self,
        elements: &[Value],
        column: usize,
        mut on_line: bool,
    ) -> Result<(), TooLong> {
        self.room.take(elements.len())?;
        for element in elements.iter().filter(|element| !element.is_none()) {
            self.room.take(column + 1)?;
            if !std::mem::take(&mut on_line) {
                indent(self.out, column);
            }
            self.out.push('-');
            self.value(element, column, Place::Dash)?;
        }
        Ok(())
    }

    /// The shortest digits that read back as the same float, in the one form that both versions take
    /// for a float: a point, and a sign in the exponent (`1.0e+16`).
    fn float(&mut self, float: f64) {
        // A float is never NaN or infinite; were it, these are YAML's words.
        if float.is_nan() {
            return self.out.push_str(".nan");
        }
        if float.is_infinite() {
            return self.out.push_str(if float > 0.0 { ".inf" } else { "-.inf" });
        }
        let start = self.out.len();
        let _ = write!(self.out, "{float:?}");
        if let Some(exponent) = self.out[start..].find('e').map(|at| start + at) {
            if !self.out[exponent..].starts_with("e-") {
                self.out.insert(exponent + 1, '+');
            }
            if !self.out[start..exponent].contains('.') {
                self.out.insert_str(exponent, ".0");
            }
        }
    }

    /// What is written with digits is judged as any other string.
    fn displayed(&mut self, value: &impl std::fmt::Display) {
        let start = self.out.len();
        let _ = write!(self.out, "{value}");
        let written = &self.out[start..];
        if !is_plain(written, Classes::of(written)) {
            let text = self.out.split_off(start);
            quote(self.out, &text);
        }
    }

    fn block(
        &mut self,
        text: &str,
        header: Header,
        column: usize,
        comment: &str,
    ) -> Result<(), TooLong> {
        self.out.push('|');
        if header.indented {
            self.out.push('2');
        }
        self.out.push_str(header.chomping);
        self.out.push_str(comment);
        self.out.push('\n');
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.room.take(column)?;
                indent(self.out, column);
            }
            self.out.push_str(line);
        }
        Ok(())
    }
}

pub(crate) fn indent(out: &mut String, column: usize) {
    const SPACES: &str = "                                                                ";
    match SPACES.get(..column) {
        Some(spaces) => out.push_str(spaces),
        None => out.extend(std::iter::repeat_n(' ', column)),
    }
}

/// What a byte can do to a plain scalar.
mod class {
    /// It cannot stand in any scalar as it is.
    pub(super) const CONTROL: u8 = 1;
    /// It is of a character that needs a look.
    pub(super) const WIDE: u8 = 2;
    /// It can stand in a number, a date or a time of some YAML version.
    pub(super) const NUMERIC: u8 = 4;
    /// A plain scalar may start with it.
    pub(super) const START: u8 = 8;
    /// `\n`
    pub(super) const NEWLINE: u8 = 16;
    /// It ends a plain scalar beside a space: `:`, `#`.
    pub(super) const ENDING: u8 = 32;
    /// A digit.
    pub(super) const DIGIT: u8 = 64;
    /// It can stand in one of the words that are no strings.
    pub(super) const WORD: u8 = 128;
}

/// What the bytes of a text can do to a plain scalar.
#[derive(Clone, Copy)]
struct Classes {
    /// What one of them can.
    any: u8,
    /// What all of them can.
    all: u8,
}

impl Classes {
    fn of(text: &str) -> Classes {
        text.bytes().fold(Classes { any: 0, all: !0 }, |Classes { any, all }, byte| {
            let class = CLASS[byte as usize];
            Classes { any: any | class, all: all & class }
        })
    }
}

static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        table[byte] = match c {
            b'\n' => class::NEWLINE,
            // A tab is white space to some readers and text to others.
            0..0x20 | 0x7f => class::CONTROL,
            0x80.. => class::WIDE | class::START,
            b'0'..=b'9' => class::NUMERIC | class::START | class::DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => class::NUMERIC | class::START,
            // `0x`, `0o`, hexadecimal exponents, and the letters of time stamps.
            b'x' | b'X' | b'o' | b'O' | b'p' | b'P' | b't' | b'T' | b'z' | b'Z' => {
                class::NUMERIC | class::START
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'\\' | b'$' | b'(' | b')' | b'^' | b';' => {
                class::START
            }
            b'_' | b'-' => class::NUMERIC | class::START,
            b'.' | b',' | b'+' | b' ' => class::NUMERIC,
            b':' => class::NUMERIC | class::ENDING,
            b'#' => class::ENDING,
            _ => 0,
        };
        byte += 1;
    }
    // Those that stand in `WORDS`, and the sign before them.
    let letters = b"-yneosftrualiYNEOSFTRUALI";
    let mut index = 0;
    while index < letters.len() {
        table[letters[index] as usize] |= class::WORD;
        index += 1;
    }
    table
};

/// Words that some version of YAML, or some reader of it, takes for a boolean, a null or a number,
/// in any case.
const WORDS: [&str; 12] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];

/// Writes a text on one line: plain where it is safe, else in double quotes.
fn string(out: &mut String, text: &str) {
    if is_plain(text, Classes::of(text)) { out.push_str(text) } else { quote(out, text) }
}

/// Whether every reader takes the bare `text` for this string.
fn is_plain(text: &str, Classes { any, all }: Classes) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if CLASS[first as usize] & class::START == 0
        || any & (class::CONTROL | class::NEWLINE) != 0
        || last == b' '
    {
        return false;
    }
    // A sign does not make a number of what is none.
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match unsigned.first() {
        // `-`, `- x`, `-.5`, `-?`: only `-x` and `--x` are words; `---` ends a document.
        Some(&after) if first == b'-' => {
            let word =
                after.is_ascii_alphanumeric() || (after == b'-' && bytes.get(2) != Some(&b'-'));
            if !word {
                return false;
            }
        }
        None => return false,
        _ => {}
    }
    if all & class::NUMERIC != 0
        && unsigned.first().is_some_and(|byte| CLASS[*byte as usize] & class::DIGIT != 0)
    {
        return false;
    }
    if all & class::WORD != 0
        && WORDS.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(unsigned))
    {
        return false;
    }
    if any & class::ENDING != 0
        && (last == b':' || bytes.windows(2).any(|pair| pair == b": " || pair == b" #"))
    {
        return false;
    }
    any & class::WIDE == 0 || !text.chars().any(|c| is_disturbing(c) || is_blank(c))
}

/// Whether a character is no text to some reader, ends a line for some reader, or turns the text
/// around it: it is escaped wherever it stands. C0 controls are not asked about.
pub(crate) fn is_disturbing(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        // The noncharacters at the end of each plane, and those of the first.
        || c as u32 & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

/// Whether a character beyond ASCII cannot be seen: in a plain scalar it could be lost in an editor.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}')
        || (!c.is_ascii() && c.is_whitespace())
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (index, c) in text.char_indices() {
        let harmless = match c {
            '"' | '\\' | '\0'..='\x1f' => false,
            ' '..='~' => true,
            _ => !is_disturbing(c) && !is_blank(c),
        };
        if harmless {
            continue;
        }
        out.push_str(&text[written..index]);
        written = index + c.len_utf8();
        let _ = match (c, c as u32) {
            ('"', _) => out.write_str("\\\""),
            ('\\', _) => out.write_str("\\\\"),
            ('\n', _) => out.write_str("\\n"),
            ('\t', _) => out.write_str("\\t"),
            ('\r', _) => out.write_str("\\r"),
            (_, code @ 0..=0xff) => write!(out, "\\x{code:02x}"),
            (_, code @ 0..=0xffff) => write!(out, "\\u{code:04x}"),
            (_, code) => write!(out, "\\U{code:08x}"),
        };
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// How a block scalar begins.
#[derive(Clone, Copy)]
struct Header {
    /// The first line has white space of its own, so the indent is told.
    indented: bool,
    /// What becomes of the newlines at the end.
    chomping: &'static str,
}

/// How `text` is written as a block scalar; `None` when it is one line or cannot be.
fn block(text: &str, classes: Classes) -> Option<Header> {
    if classes.any & class::NEWLINE == 0 {
        return None;
    }
    let content = text.trim_end_matches('\n');
    if content.is_empty() {
        return None;
    }
    let mut any = 0;
    for &byte in text.as_bytes() {
        any |= if byte == b'\t' { 0 } else { CLASS[byte as usize] };
    }
    if any & class::CONTROL != 0 || (any & class::WIDE != 0 && text.chars().any(is_disturbing)) {
        return None;
    }
    Some(Header {
        indented: text.starts_with([' ', '\t', '\n']),
        chomping: match text.len() - content.len() {
            0 => "-",
            1 => "",
            _ => "+",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_value, hostile_text, int, list, none, origin, record, text, value};
    use libyaml_safer::{Encoding, EventData, Parser, ScalarStyle};
    use proptest::prelude::*;
    use regex::RegexSet;
    use std::sync::LazyLock;

    fn document(value: &Value) -> String {
        let mut out = String::new();
        write_document(&mut out, value);
        out
    }

    fn scalar(written: &str) -> String {
        document(&text(written)).trim_end_matches('\n').to_owned()
    }

    /// What YAML 1.1 takes for something other than a string, from the resolution rules of its type
    /// repository (yaml.org/type), in any case.
    static YAML_1_1: LazyLock<RegexSet> = LazyLock::new(|| {
        RegexSet::new([
            r"(?i)^(y|yes|n|no|true|false|on|off)$",
            r"(?i)^(~|null|)$",
            r"^[-+]?0b[0-1_]+$",
            r"^[-+]?0[0-7_]+$",
            r"^[-+]?(0|[1-9][0-9_]*)$",
            r"(?i)^[-+]?0x[0-9a-f_]+$",
            r"^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$",
            r"(?i)^[-+]?([0-9][0-9_]*)?\.[0-9.]*(e[-+][0-9]+)?$",
            r"^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*$",
            r"(?i)^[-+]?\.inf$",
            r"(?i)^\.nan$",
            r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?$",
            r"^(<<|=)$",
        ])
        .unwrap()
    });

    /// What YAML 1.2 (core schema) takes for something other than a string, and what Go's and other
    /// readers take beside it.
    static YAML_1_2: LazyLock<RegexSet> = LazyLock::new(|| {
        RegexSet::new([
            r"^(true|True|TRUE|false|False|FALSE)$",
            r"^(~|null|Null|NULL|)$",
            r"^[-+]?[0-9]+$",
            r"^0o[0-7]+$",
            r"^0x[0-9a-fA-F]+$",
            r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$",
            r"^[-+]?(\.inf|\.Inf|\.INF)$",
            r"^(\.nan|\.NaN|\.NAN)$",
            r"(?i)^[-+]?(inf|infinity|nan)$",
            r"(?i)^[-+]?0[xob][0-9a-f_.]+(p[-+]?[0-9]+)?$",
            r"^[-+]?[0-9][0-9_]*$",
        ])
        .unwrap()
    });

    /// A reader that shares nothing with the one of this module: libyaml's scanner and parser, and
    /// the two sets of rules above for plain scalars. Returns JSON-like text that tells strings
    /// from everything else.
    fn read_by_libyaml(yaml: &str) -> Result<Vec<String>, String> {
        let mut input = yaml.as_bytes();
        let mut parser = Parser::new();
        // Told, not guessed: its guess takes some first letters for a broken byte order mark.
        parser.set_encoding(Encoding::Utf8);
        parser.set_input_string(&mut input);
        let mut seen = Vec::new();
        loop {
            let event = parser.parse().map_err(|error| format!("{error:?}"))?;
            match event.data {
                EventData::StreamStart { .. }
                | EventData::DocumentStart { .. }
                | EventData::DocumentEnd { .. } => {}
                EventData::StreamEnd => return Ok(seen),
                EventData::Alias { anchor } => seen.push(format!("alias {anchor}")),
                EventData::Scalar { value, style, tag, anchor, .. } => {
                    if tag.is_some() || anchor.is_some() {
                        return Err("a tag or an anchor".to_owned());
                    }
                    let plain = style == ScalarStyle::Plain;
                    let typed = plain && (YAML_1_1.is_match(&value) || YAML_1_2.is_match(&value));
                    seen.push(if typed {
                        format!("typed {value}")
                    } else {
                        format!("text {value:?}")
                    });
                }
                EventData::SequenceStart { .. } => seen.push("[".to_owned()),
                EventData::SequenceEnd => seen.push("]".to_owned()),
                EventData::MappingStart { .. } => seen.push("{".to_owned()),
                EventData::MappingEnd => seen.push("}".to_owned()),
            }
        }
    }

    /// What [`read_by_libyaml`] must see.
    fn events(value: &Value, seen: &mut Vec<String>) {
        let key = |key: &str| format!("text {key:?}");
        match &value.data {
            Data::Null => seen.push("typed null".to_owned()),
            Data::Bool(bool) => seen.push(format!("typed {bool}")),
            Data::Int(int) => seen.push(format!("typed {int}")),
            Data::Float(float) => seen.push(format!("float {float:?}")),
            Data::String(text) => seen.push(key(text)),
            Data::List(elements) => {
                seen.push("[".to_owned());
                elements.iter().for_each(|element| events(element, seen));
                seen.push("]".to_owned());
            }
            Data::Record(record) => {
                seen.push("{".to_owned());
                for (name, field) in &record.fields {
                    seen.push(key(name));
                    events(field, seen);
                }
                seen.push("}".to_owned());
            }
            Data::None | Data::Quantity(_) | Data::Duration(_) => {
                unreachable!("not made by any_value")
            }
        }
    }

    fn check(value: &Value) -> Result<(), TestCaseError> {
        let yaml = document(value);
        // 1.2, through serde-saphyr.
        let read = read(&yaml, origin())
            .map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        prop_assert_eq!(&read, value, "{}", yaml);
        // 1.1, through libyaml.
        let seen = read_by_libyaml(&yaml)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        let mut expected = Vec::new();
        events(value, &mut expected);
        prop_assert_eq!(seen.len(), expected.len(), "{}", yaml);
        for (seen, expected) in seen.iter().zip(&expected) {
            match expected.strip_prefix("float ") {
                Some(float) => {
                    let digits = seen.strip_prefix("typed ").unwrap_or_default();
                    prop_assert_eq!(digits.parse::<f64>().ok(), float.parse().ok(), "{}", yaml);
                    let rule = YAML_1_1.matches(digits);
                    prop_assert!(rule.matched(7), "{} is no float of YAML 1.1", digits);
                }
                None => prop_assert_eq!(seen, expected, "{}", yaml),
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_in_both_versions(value in any_value()) {
            check(&value)?;
        }

        #[test]
        fn any_text_reads_back_as_document_value_key_and_element(hostile in hostile_text()) {
            let leaf = || text(&hostile);
            check(&leaf())?;
            check(&record([(&hostile, leaf())]))?;
            check(&record([(&hostile, list([leaf(), leaf()])), ("z", int(1))]))?;
            check(&record([(&hostile, record([(&hostile, leaf())])), ("z", leaf())]))?;
            check(&list([leaf(), list([leaf(), list([leaf()])]), record([(&hostile, leaf())]), leaf()]))?;
        }

        #[test]
        fn what_has_room_by_its_size_at_most_is_written_within_it(
            value in any_value(),
            hostile in hostile_text(),
        ) {
            let lines = || text(&format!("{hostile}\na\n\nb\n"));
            let long = "\u{1b}".repeat(400);
            let nested = record([(&hostile, list([list([lines()]), record([(&long, lines())])]))]);
            for value in [value, text(&hostile), lines(), nested] {
                let size = size_at_most(&value, usize::MAX).unwrap();
                let mut out = String::new();
                prop_assert_eq!(write_within(&mut out, &value, size), Ok(()));
                prop_assert!(out.len() <= size, "{} {}", out.len(), size);
                prop_assert_eq!(size_at_most(&value, size - 1), Err(TooLong));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(yaml in "[-?:,\\[\\]{}#&*!|>'\"%@` a0\\n\\t]{0,24}|\\PC{0,20}") {
            let _ = read(&yaml, origin());
        }
    }

    #[test]
    fn a_manifest_is_laid_out_as_kubectl_does() {
        let manifest = record([
            ("apiVersion", text("v1")),
            ("kind", text("Example")),
            ("metadata", record([("name", text("shop")), ("labels", record([]))])),
            (
                "spec",
                record([
                    ("absent", none()),
                    (
                        "containers",
                        list([record([
                            ("name", text("main")),
                            (
                                "args",
                                list([text("-c"), text("--port=8080"), text("exit 0; # done")]),
                            ),
                            ("env", list([record([("name", text("A")), ("value", text("yes"))])])),
                            (
                                "resources",
                                record([(
                                    "limits",
                                    record([
                                        (
                                            "cpu",
                                            value(Data::Quantity(
                                                crate::notation::Quantity::from_int(1),
                                            )),
                                        ),
                                        (
                                            "memory",
                                            value(Data::Quantity(
                                                crate::notation::Quantity::parse("1024Mi").unwrap(),
                                            )),
                                        ),
                                    ]),
                                )]),
                            ),
                        ])]),
                    ),
                    ("matrix", list([list([int(1), int(2)]), list([]), list([none(), int(3)])])),
                    (
                        "timeout",
                        value(Data::Duration(crate::notation::Duration { millis: 90_000 })),
                    ),
                    ("nothing", value(Data::Null)),
                    ("hollow", record([("a", none())])),
                    ("script", text("set -e\necho\n")),
                    ("keep", text("a\n\n")),
                    ("strip", text("a\nb")),
                    ("deep", text("  a\nb\n")),
                ]),
            ),
        ]);
        assert_eq!(
            document(&manifest),
            "\
apiVersion: v1
kind: Example
metadata:
  name: shop
  labels: {}
spec:
  containers:
  - name: main
    args:
    - -c
    - --port=8080
    - \"exit 0; # done\"
    env:
    - name: A
      value: \"yes\"
    resources:
      limits:
        cpu: \"1\"
        memory: 1Gi
  matrix:
  - - 1
    - 2
  - []
  - - 3
  timeout: 1m30s
  nothing: null
  hollow: {}
  script: |
    set -e
    echo
  keep: |+
    a

  strip: |-
    a
    b
  deep: |2
      a
    b
"
        );
    }

    #[test]
    fn a_note_stands_behind_each_value_and_changes_none() {
        let text = "a: 1\nb:\n- x\n- {}\n- c: []\ntext: |\n  one\n  two\nq: '#'\n";
        let value = read(text, origin()).unwrap();
        let mut out = String::new();
        let mut notes = 0;
        write_annotated(&mut out, &value, &mut |_, _| {
            notes += 1;
            Some(format!("note {notes}\nsecond line: [x"))
        });
        assert!(out.contains("a: 1  # note 1 second line: [x\n"), "{out}");
        assert!(out.contains("text: |  # note 5 second line: [x\n  one\n"), "{out}");
        assert_eq!(notes, 6);
        let again = read(&out, origin()).unwrap();
        assert_eq!(document(&again), document(&value));
        assert_eq!(read_by_libyaml(&out), read_by_libyaml(&document(&value)));
    }

    #[test]
    fn documents_of_a_stream_are_separated_by_a_line() {
        let mut out = String::new();
        write_stream(&mut out, [&record([("a", int(1))]), &none(), &list([int(2)]), &record([])]);
        assert_eq!(out, "a: 1\n---\n- 2\n---\n{}\n");
    }

    #[test]
    fn a_text_that_some_reader_takes_for_something_else_is_quoted() {
        for written in [
            "",
            "y",
            "N",
            "Yes",
            "nO",
            "on",
            "OFF",
            "true",
            "False",
            "null",
            "NULL",
            "~",
            "1",
            "-1",
            "+1",
            "0x1F",
            "0o17",
            "0b1",
            "017",
            "08",
            "1_000",
            "1e3",
            "12e03",
            "1.5",
            ".5",
            "5.",
            "12:30",
            "190:20:30",
            "2020-01-01",
            "2001-12-14 21:59:43.10 -5",
            "2001-12-14T21:59:43Z",
            ".inf",
            "-.inf",
            ".nan",
            "NaN",
            "inf",
            "-Infinity",
            "<<",
            "=",
            "-",
            "---",
            "--- a",
            "...",
            "?",
            ":",
            "- a",
            "? a",
            "a: b",
            "a:",
            "a #b",
            " a",
            "a ",
            "1.2.3",
            "10.0.0.1",
            "1234e56",
            "1d",
            "1P",
            "-0x1",
            "!a",
            "&a",
            "*a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "'a",
            "\"a",
            "[a",
            "{a",
            "]",
            "}",
            ",",
            "#a",
            "a\tb",
            "\u{a0}",
            "-.5",
            "-?",
        ] {
            let yaml = scalar(written);
            assert!(yaml.starts_with('"') && yaml.ends_with('"'), "{written:?} is written {yaml}");
        }
    }

    #[test]
    fn a_text_that_every_reader_takes_for_a_text_is_plain() {
        for written in [
            "a",
            "shop-1",
            "a b",
            "a, b",
            "a:b",
            "http://a.b/c?d=e&f",
            "a#b",
            "500m",
            "128Mi",
            "1h30m",
            "30s",
            "8080/tcp",
            "10.0.0.0/8",
            "-c",
            "--flag",
            "-Xmx1g",
            "/bin/sh",
            "$(A)",
            "${A}",
            "(a)",
            "deadbeef",
            "f00",
            "nginx:1.27",
            "a'b\"c",
            "yesterday",
            "nil",
            "é",
            "日本語",
            "https://a/b#c",
            "key=value",
            "a*",
            "a[0]",
            "a{b}",
            "ends in dash-",
        ] {
            assert_eq!(scalar(written), written);
        }
    }

    #[test]
    fn what_cannot_be_seen_or_turns_the_text_is_escaped() {
        assert_eq!(scalar("a\u{0}\u{1b}"), r#""a\x00\x1b""#);
        assert_eq!(scalar("\u{85}\u{2028}\u{feff}"), r#""\x85\u2028\ufeff""#);
        assert_eq!(scalar("a\u{202e}b"), r#""a\u202eb""#);
        assert_eq!(scalar("a\u{e0041}"), r#""a\U000e0041""#);
        assert_eq!(document(&record([("a", text("x\r\ny\n"))])), "a: \"x\\r\\ny\\n\"\n");
    }

    #[test]
    fn a_key_longer_than_readers_look_is_explicit() {
        let long = "k".repeat(1100);
        assert_eq!(document(&record([(&long, list([int(1)]))])), format!("? {long}\n:\n- 1\n"));
    }

    #[test]
    fn what_is_read_follows_yaml_1_2() {
        let read = |yaml| read(yaml, origin()).unwrap();
        assert_eq!(
            read("[yes, on, 012, 1_000, 2020-01-01]"),
            list(["yes", "on", "012", "1_000", "2020-01-01"].map(text))
        );
        assert_eq!(
            read("[true, null, ~, 0x10, 0o10, -5, 1e3]"),
            list([
                value(Data::Bool(true)),
                value(Data::Null),
                value(Data::Null),
                int(16),
                int(8),
                int(-5),
                value(Data::Float(1000.0)),
            ])
        );
        assert_eq!(read(""), value(Data::Null));
        assert_eq!(
            read("a: &x [1]\nb: *x\n"),
            record([("a", list([int(1)])), ("b", list([int(1)]))])
        );
        assert_eq!(read("!!binary aGk="), text("hi"));
    }

    #[test]
    fn what_is_no_single_sound_document_is_refused() {
        let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
            + &(b'b'..=b'i')
                .map(|c| {
                    let (this, last) = (c as char, (c - 1) as char);
                    format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 10].join(", "))
                })
                .collect::<String>();
        let deep = "[".repeat(10_000);
        for yaml in [
            "a: 1\na: 2",
            "a: 1\n---\nb: 2",
            "1: a",
            "true: a",
            "~: a",
            "? [a]\n: b",
            "a: !custom b",
            "a: !!binary /w==",
            "<<: {a: 1}",
            "a: [",
            "a: b: c",
            "a: *x",
            "&a [*a]",
            "9223372036854775808",
            ".nan",
            "1e999",
            &bomb,
            &deep,
        ] {
            let error = read(yaml, origin())
                .map(|value| document(&value))
                .expect_err(yaml.get(..20).unwrap_or(yaml));
            assert!(error.starts_with("not YAML: "), "{error}");
        }
    }

    #[test]
    fn a_limit_bounds_what_sharing_multiplies() {
        let mut shared = list([int(1), none()]);
        for _ in 0..100 {
            shared = list([shared.clone(), shared]);
        }
        let mut out = String::new();
        assert_eq!(write_within(&mut out, &shared, 10_000), Err(TooLong));
        assert!(out.len() <= 20_000);
    }
}
