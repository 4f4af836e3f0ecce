//! The one way to speak to the user.
//!
//! Stages make [`Diagnostic`]s and return them beside their result; nothing is printed here. A
//! place is kept relative to its declaration ([`Place::Node`]), so that a diagnostic of an
//! evaluation stays valid when the declaration moves; it becomes a range of a file only when it is
//! shown.

use crate::syntax::ast::{Name, TextRange};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $constant:ident = $text:literal;)+) => {
        $($(#[doc = $doc])+ pub const $constant: Code = Code($text);)+
        /// Every code, in the order of this file. Each has a page `docs/diagnostics/<code>.md`.
        pub const CODES: &[Code] = &[$($constant),+];
    };
}

/// A stable, readable name of a kind of mistake: `unknown-field`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code(&'static str);

impl Code {
    /// The name as users see it.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// The codes, one constant each.
pub mod code {
    use super::Code;
    codes! {
        /// A token or construct that the grammar does not allow where it stands.
        SYNTAX_ERROR = "syntax-error";
        /// A bracket, brace or parenthesis that is never closed, or closes nothing.
        UNCLOSED_BRACKET = "unclosed-bracket";
        /// A string or interpolation that does not end.
        UNTERMINATED_STRING = "unterminated-string";
        /// An escape in a string that is none.
        BAD_ESCAPE = "bad-escape";
        /// Characters that form no token: a number glued to letters, a stray symbol.
        BAD_TOKEN = "bad-token";
        /// A number that does not fit.
        NUMBER_OUT_OF_RANGE = "number-out-of-range";
        /// Brackets nested deeper than the compiler follows.
        TOO_DEEP = "too-deep";
        /// A file larger than a source file may be, or not UTF-8.
        UNREADABLE_FILE = "unreadable-file";
        /// A part of the language that this version of Plumb does not have yet.
        NOT_IN_THIS_VERSION = "not-in-this-version";
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// What it touches is not built.
    Error,
    /// Advice: nothing is blocked.
    Warning,
}

/// A mistake found in the text of one file, before anything is known of its meaning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// Which kind.
    pub code: Code,
    /// Where.
    pub range: TextRange,
    /// One line, in the user's words.
    pub message: String,
    /// A few words at the place itself; empty: none.
    pub label: String,
    /// Other places that matter, with a few words each.
    pub related: Vec<(TextRange, String)>,
    /// How to mend it.
    pub help: Option<String>,
    /// A change the editor can apply: replace the range by the text.
    pub fix: Option<(TextRange, String)>,
}

/// Names that might have been meant for `wrong`: the nearest of `known`, at most one, and only
/// where it is near enough that a person would see the slip.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match wrong.chars().count() {
        0..=1 => 0,
        2..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .filter(|candidate| *candidate != wrong)
        .map(|candidate| (distance(wrong, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The number of single-character insertions, deletions, replacements and swaps of neighbours
/// between the two, without regard to case; anything above `limit` is only known to be above it.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let width = b.len() + 1;
    let mut rows = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let removed = rows[(i - 1) * width + j] + 1;
                let added = rows[i * width + j - 1] + 1;
                let mut best = replaced.min(removed).min(added);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len() * width + b.len()]
}

#[allow(unused, reason = "names of the stages to come")]
type _Names = Name;
