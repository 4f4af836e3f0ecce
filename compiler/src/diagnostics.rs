//! The one way to speak to the user.
//!
//! Stages make [`Diagnostic`]s and return them beside their result; nothing is printed here. A
//! place is kept relative to its declaration ([`Place::Node`]), so that a diagnostic of an
//! evaluation stays valid when the declaration moves; it becomes a range of a file only when it is
//! shown.

use crate::source::{ItemId, SourceFile};
use crate::syntax::ast::{NodeId, TextRange};
use crate::value::Origin;

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
        /// Brackets, types, includes or environments nested deeper than the compiler follows.
        TOO_DEEP = "too-deep";
        /// A file larger than a source file may be, or not UTF-8.
        UNREADABLE_FILE = "unreadable-file";
        /// A part of the language that this version of Plumb does not have yet.
        NOT_IN_THIS_VERSION = "not-in-this-version";
        /// A `plumb.toml` that is no TOML, or says something that means nothing there.
        INVALID_MANIFEST = "invalid-manifest";
        /// A version of Kubernetes that this version of Plumb knows nothing of.
        UNKNOWN_KUBERNETES_VERSION = "unknown-kubernetes-version";
        /// A name that is declared nowhere it could be seen from.
        UNKNOWN_NAME = "unknown-name";
        /// Two declarations of one name.
        DUPLICATE_NAME = "duplicate-name";
        /// A declaration of another package that is marked `private`.
        PRIVATE_NAME = "private-name";
        /// A `use` that names nothing.
        UNKNOWN_PACKAGE = "unknown-package";
        /// An environment that is not declared.
        UNKNOWN_ENVIRONMENT = "unknown-environment";
        /// A Kubernetes group, version or kind that the API server does not serve.
        UNKNOWN_KIND = "unknown-kind";
        /// A field that the schema or kind does not have.
        UNKNOWN_FIELD = "unknown-field";
        /// A required field that nothing sets.
        MISSING_FIELD = "missing-field";
        /// A value of another type than its place takes.
        TYPE_MISMATCH = "type-mismatch";
        /// A value that is none of those its place takes.
        NOT_ONE_OF = "not-one-of";
        /// A value that breaks the condition of its type.
        REFINEMENT_FAILED = "refinement-failed";
        /// A condition of a schema that does not hold.
        CONDITION_FAILED = "condition-failed";
        /// Something that may be `none` is read as if it were there.
        MAYBE_NONE = "maybe-none";
        /// `if let` or `??` for something that is always there.
        ALWAYS_THERE = "always-there";
        /// A declaration or value that depends on itself.
        CYCLE = "cycle";
        /// A leaf set twice in one layer.
        SET_TWICE = "set-twice";
        /// A later layer sets what an earlier one made final.
        FINAL_OVERRIDDEN = "final-overridden";
        /// A request's own value hides the defaults of an environment.
        HIDES_ENVIRONMENT_DEFAULT = "hides-environment-default";
        /// An element of a keyed list that is not there, or is there already.
        KEYED_ELEMENT = "keyed-element";
        /// A schema or namespace that `plumb.toml` does not let a directory use.
        NOT_ALLOWED = "not-allowed";
        /// A request for a schema that nothing composes.
        NOT_REQUESTABLE = "not-requestable";
        /// A declaration in a package where it has no say.
        WRONG_PACKAGE = "wrong-package";
        /// An overlay, default or statement that stands where it means nothing.
        MISPLACED = "misplaced";
        /// A call with too few, too many or unknown arguments.
        WRONG_ARGUMENTS = "wrong-arguments";
        /// A `match` that leaves a value without an arm.
        INCOMPLETE_MATCH = "incomplete-match";
        /// A number with the unit `m` where nothing says what it counts.
        AMBIGUOUS_UNIT = "ambiguous-unit";
        /// A pattern that is no regular expression.
        BAD_PATTERN = "bad-pattern";
        /// Arithmetic or a function that has no result for these values.
        FAILED_EXPRESSION = "failed-expression";
        /// A request that needs more steps, output or depth than it may.
        OVER_BUDGET = "over-budget";
        /// A file that `file()` names and that is not there.
        MISSING_FILE = "missing-file";
        /// A request that is read in an environment which it is not in.
        REQUEST_NOT_HERE = "request-not-here";
        /// Two objects with one identity.
        DUPLICATE_OBJECT = "duplicate-object";
        /// A number of replicas that the manifests and an autoscaler both set.
        FIXED_REPLICAS = "fixed-replicas";
        /// A record that may be one of several of a union, and nothing says which.
        AMBIGUOUS_RECORD = "ambiguous-record";
        /// A value that the Kubernetes API server would refuse.
        KUBERNETES_REFUSES = "kubernetes-refuses";
        /// A kind, field or value that the Kubernetes of the environment does not have.
        NOT_IN_KUBERNETES = "not-in-kubernetes";
        /// A kind that Kubernetes means to remove.
        DEPRECATED_KIND = "deprecated-kind";
        /// A namespaced object without a namespace.
        MISSING_NAMESPACE = "missing-namespace";
        /// An image without a digest, which can change while its name stays.
        UNPINNED_IMAGE = "unpinned-image";
        /// Logic in a request or overlay, which hold data only.
        LOGIC_IN_REQUEST = "logic-in-request";
        /// A request that makes nothing without a reason that was told: a mistake of Plumb.
        INTERNAL_ERROR = "internal-error";
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
        2..=4 => 1,
        5..=11 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .filter(|candidate| *candidate != wrong)
        .map(|candidate| (distance(wrong, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, candidate)| {
            // Of two that are as near, the one whose first letter is in the same case: `jb` is
            // rather `job` than `Job`.
            let upper = |text: &str| text.starts_with(char::is_uppercase);
            (*distance, upper(candidate) != upper(wrong), *candidate)
        })
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

/// A place that stays true when its declaration moves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// A node of a declaration.
    Node(ItemId, NodeId),
    /// A range of a file, for what belongs to no declaration.
    Range(SourceFile, TextRange),
}

impl From<Origin> for Place {
    fn from(origin: Origin) -> Self {
        Place::Node(origin.item, origin.node)
    }
}

/// Something to tell the user, found by a stage that knows the meaning.
///
/// Built as one expression: `Diagnostic::error(CODE, place, "…").label("…").help("…")`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Which kind of mistake.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line, in the user's words.
    pub message: String,
    /// Where.
    pub place: Place,
    /// A few words at the place itself; may be empty.
    pub label: String,
    /// Other places that matter, with a few words each.
    pub related: Vec<(Place, String)>,
    /// How to mend it.
    pub help: Option<String>,
    /// A change the editor can apply: a title, a place, and the text that replaces it.
    pub fix: Option<(String, Place, String)>,
}

impl Diagnostic {
    /// What must be mended before what it touches is built.
    pub fn error(code: Code, place: impl Into<Place>, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            place: place.into(),
            label: String::new(),
            related: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Advice.
    pub fn warning(code: Code, place: impl Into<Place>, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, place, message) }
    }

    /// A few words at the place itself.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// Another place that matters.
    pub fn related(mut self, place: impl Into<Place>, text: impl Into<String>) -> Self {
        self.related.push((place.into(), text.into()));
        self
    }

    /// How to mend it.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Offers the nearest of `known` for `wrong` at `place`, as help and as a fix; otherwise, where
    /// `list` and there are few enough to read, names them all.
    pub fn suggest<'a>(
        mut self,
        place: impl Into<Place>,
        wrong: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        if let Some(name) = nearest(wrong, known.iter().copied()) {
            self.help = Some(format!("did you mean `{name}`?"));
            self.fix = Some((format!("change to `{name}`"), place.into(), name.to_string()));
        } else if !known.is_empty() && known.len() <= 16 {
            self.help = Some(format!("there is {}", list(&known, "and")));
        }
        self
    }
}

/// `a`, `b` and `c`, each in back quotes.
pub fn list(names: &[&str], word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}
