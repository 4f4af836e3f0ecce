//! What the text stage promises, as sentences.

use super::ast::*;
use super::lexer::{Token, TokenKind};
use super::*;
use crate::diagnostics::code;
use proptest::prelude::*;

mod format;
mod printer;
mod resilience;
mod slips;
mod trees;

/// Real programs, and every corner of the grammar.
const FILES: [(&str, &str); 6] = [
    ("env", include_str!("../../tests/data/env.plumb")),
    ("web", include_str!("../../tests/data/web.plumb")),
    ("shop", include_str!("../../tests/data/shop.plumb")),
    ("policies", include_str!("../../tests/data/policies.plumb")),
    ("programs", include_str!("../../tests/data/programs.plumb")),
    ("corners", include_str!("../../tests/data/corners.plumb")),
];

/// Every token of the text, blanks and comments too.
fn tokens(text: &str) -> Vec<Token> {
    lexer::lex(text).0
}

/// One line an error: its line, code, place and sentence.
fn shown_errors(text: &str, parse: &Parse) -> String {
    parse
        .errors
        .iter()
        .map(|error| {
            let place = &text[error.range.start as usize..error.range.end as usize];
            let line = text[..error.range.start as usize].matches('\n').count() + 1;
            format!("{line}: [{}] `{place}`: {}\n", error.code, error.message)
        })
        .collect()
}

#[test]
fn the_programs_of_the_design_have_no_errors() {
    for (name, text) in FILES {
        let parse = parse(text);
        let errors = shown_errors(text, &parse);
        assert_eq!(errors, "", "{name}");
        assert!(parse.items.iter().all(|item| !item.damaged));
    }
}
