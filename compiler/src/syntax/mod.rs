//! Text of one file to a tree with holes and a list of errors.
//!
//! Three steps, each total: `lexer` cuts the text into tokens that tile it, `layout` cuts the
//! tokens into declarations, balances their brackets and puts the separators in, `parser` reads
//! each declaration with one function a rule of the grammar. Whatever is missing becomes a hole.
//!
//! `format` goes the other way: from the tokens to the text in the one style.

pub mod ast;
mod format;
mod layout;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use crate::diagnostics::{Code, SyntaxError};
use ast::{ParsedItem, TextRange};
pub use format::{Formatted, format};
pub use lexer::{Token, TokenKind};

/// Brackets, operators and blocks nest no deeper than this; the language states the number.
const MAX_NESTING: u32 = 128;

/// No tree is higher than this. A chain such as `a + b + c` nests to the left without any bracket,
/// so its length is bounded too: what walks a tree recursively stays far from the end of a 2 MiB
/// stack. No written program was seen with a chain of more than ten.
const MAX_HEIGHT: u32 = 256;

/// More mistakes than this are not listed, those of tokens and those of the grammar each: a file
/// with so many is no program, and the list must not outgrow the memory.
const MAX_ERRORS: usize = 1000;

/// What one file says.
#[derive(Clone, Debug)]
pub struct Parse {
    /// The declarations, in the order of the text.
    pub items: Vec<ParsedItem>,
    /// What is wrong, in the order of the text.
    pub errors: Vec<SyntaxError>,
}

/// Reads the text of one file: any text gives tokens, declarations with holes, and errors. Places
/// are bytes of `text`, which must be shorter than 4 GiB.
pub fn parse(text: &str) -> Parse {
    let (tokens, mut errors) = lexer::lex(text);
    let items = parser::parse(text, &tokens, &mut errors);
    errors.sort_by_key(|error| (error.range.start, error.range.end));
    Parse { items, errors }
}

/// The tokens of a text, which tile it: for who shows or rewrites text.
pub fn tokens(text: &str) -> Vec<Token> {
    lexer::lex(text).0
}

impl SyntaxError {
    /// An error with nothing but its place and its sentence.
    fn new(code: Code, range: TextRange, message: impl Into<String>) -> Self {
        SyntaxError {
            code,
            range,
            message: message.into(),
            label: String::new(),
            related: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// The same with a few words at the place.
    fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with advice.
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a change the editor can apply.
    fn fix(mut self, range: TextRange, text: impl Into<String>) -> Self {
        self.fix = Some((range, text.into()));
        self
    }

    /// The same with another place that matters.
    fn related(mut self, range: TextRange, text: impl Into<String>) -> Self {
        self.related.push((range, text.into()));
        self
    }
}
