//! The one style of a text, without a change to what it says.
//!
//! A file is cut into declarations as the parser cuts it, and each is written anew from its tokens:
//!
//! ```text
//! atoms      tokens with the comments, commas and line breaks before them, brackets in pairs
//!   -> breaks   which line breaks of the author stay, which are added
//!   -> lines    lines that are too long are broken; indentation, blanks, text
//! ```
//!
//! Whatever is written anew is read again and compared with what stood there. A declaration that has
//! a syntax error, or that would not be the same, is left byte for byte as it is.

mod atoms;
mod breaks;
mod lines;

use super::ast::TextRange;
use super::lexer::{self, Token, TokenKind};
use super::{layout, parse};

/// What is longer, in characters, is broken where that can be done without a change of meaning.
const WIDTH: usize = 100;

/// Columns of a level.
const INDENT: usize = 4;

/// A text in the one style.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Formatted {
    /// The text. Lines end with a line feed, there is no byte order mark.
    pub text: String,
    /// What was left byte for byte as it is, in bytes of the text that was given: declarations that
    /// have a syntax error, and what is no declaration.
    pub left: Vec<TextRange>,
}

/// Writes the text of a file in the one style. Any text can be given; what is broken stays as it is.
/// Nothing is lost or gained but blanks, line breaks and commas: every comment is there, and the
/// declarations say what they said. A text in the style is given back unchanged.
pub fn format(text: &str) -> Formatted {
    let (tokens, _) = lexer::lex(text);
    let marks = layout::marks(text, &tokens);
    let starts = layout::chunks(text, &marks);
    let mut formatted = Formatted { text: String::with_capacity(text.len()), left: Vec::new() };
    // Where the last declaration ends, and whether what follows may be touched.
    let (mut end, mut is_sound) = (0, true);
    for (number, &start) in starts.iter().enumerate() {
        let marks = &marks[start..starts.get(number + 1).copied().unwrap_or(marks.len())];
        let (Some(first), Some(last)) = (marks.first(), marks.last()) else { continue };
        let body = TextRange::new(first.range.start, last.range.end);
        let rewritten =
            if begins_line(text, body.start) { rewrite(slice(text, body)) } else { None };
        let gap = TextRange::new(end, body.start);
        formatted.gap(text, &tokens, gap, is_sound && rewritten.is_some());
        (end, is_sound) = (body.end, rewritten.is_some());
        match rewritten {
            Some(rewritten) => formatted.text.push_str(&rewritten),
            None => {
                formatted.text.push_str(slice(text, body));
                formatted.left.push(body);
            }
        }
    }
    formatted.gap(text, &tokens, TextRange::new(end, text.len() as u32), is_sound);
    formatted
}

fn slice(text: &str, range: TextRange) -> &str {
    &text[range.start as usize..range.end as usize]
}

/// Whether nothing stands before this place on its line.
fn begins_line(text: &str, at: u32) -> bool {
    let before = &text[..at as usize];
    before.is_empty() || before == "\u{FEFF}" || before.ends_with('\n')
}

/// One declaration in the style; `None` where it has a mistake, or would say something else.
fn rewrite(source: &str) -> Option<String> {
    let before = parse(source);
    if !before.errors.is_empty() {
        return None;
    }
    let rewritten = lines::write(breaks::decide(atoms::read(source, &super::tokens(source))));
    let after = parse(&rewritten);
    let docs = |parse: &super::Parse| -> Vec<_> {
        let lines = |doc: &str| doc.lines().map(|it| it.trim_end().to_owned()).collect::<Vec<_>>();
        let all = parse.items.iter().flat_map(|it| it.docs.iter());
        all.map(|(node, doc)| (*node, lines(doc))).collect()
    };
    let is_same = after.errors.is_empty()
        && before.items.iter().map(|it| &it.item).eq(after.items.iter().map(|it| &it.item))
        && docs(&before) == docs(&after);
    is_same.then_some(rewritten)
}

/// A comment of any kind.
#[derive(Clone, Copy, Debug)]
struct Comment<'t> {
    text: &'t str,
    /// Nothing else stands before it on its line.
    is_alone: bool,
    /// The line before it is empty.
    after_blank: bool,
}

/// What stands between two tokens: comments, and how many lines end.
#[derive(Clone, Default, Debug)]
struct Trivia<'t> {
    comments: Vec<Comment<'t>>,
    /// A line ends in it.
    has_newline: bool,
    /// Line ends since the last token or comment.
    newlines: usize,
}

impl<'t> Trivia<'t> {
    fn take(&mut self, text: &'t str, token: &Token) {
        match token.kind {
            TokenKind::Newline => {
                self.newlines += 1;
                self.has_newline = true;
            }
            TokenKind::Comment | TokenKind::Doc => {
                self.comments.push(Comment {
                    text: slice(text, token.range).trim_end(),
                    is_alone: self.newlines > 0,
                    after_blank: self.newlines > 1,
                });
                self.newlines = 0;
            }
            _ => {}
        }
    }
}

impl Formatted {
    /// Writes what stands between declarations: as it is unless it `may_change`.
    fn gap(&mut self, text: &str, tokens: &[Token], gap: TextRange, may_change: bool) {
        let from = tokens.partition_point(|token| token.range.start < gap.start);
        let to = tokens.partition_point(|token| token.range.start < gap.end);
        let is_known = |token: &Token| match token.kind {
            TokenKind::Whitespace => {
                let is_mark = token.range.start == 0 && slice(text, token.range) == "\u{FEFF}";
                is_mark || slice(text, token.range).bytes().all(|it| b" \t\r".contains(&it))
            }
            kind => kind != TokenKind::ForeignComment,
        };
        if !may_change || !tokens[from..to].iter().all(is_known) {
            let gap = slice(text, gap);
            let gap = if from == 0 { gap.strip_prefix('\u{FEFF}').unwrap_or(gap) } else { gap };
            self.text.push_str(gap);
            return;
        }
        let mut trivia = Trivia::default();
        tokens[from..to].iter().for_each(|token| trivia.take(text, token));
        for comment in &trivia.comments {
            if self.text.is_empty() {
            } else if comment.is_alone {
                self.text.push_str(if comment.after_blank { "\n\n" } else { "\n" });
            } else {
                self.text.push(' ');
            }
            self.text.push_str(comment.text);
        }
        let is_last = gap.end as usize == text.len();
        if !self.text.is_empty() {
            self.text.push_str(if trivia.newlines > 1 && !is_last { "\n\n" } else { "\n" });
        }
    }
}
