//! What formatting keeps, whatever the text.

use super::resilience::token_soup;
use super::*;
use std::sync::Arc;

/// A declaration without places: what it says, what documents it, and whether it has a mistake.
type Meaning = (Arc<Item>, Vec<(NodeId, String)>, bool);

/// What a text says.
fn meaning(text: &str) -> Vec<Meaning> {
    let trimmed = |doc: &str| doc.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let docs = |item: &ParsedItem| item.docs.iter().map(|(id, it)| (*id, trimmed(it))).collect();
    parse(text).items.iter().map(|it| (it.item.clone(), docs(it), it.damaged)).collect()
}

/// All comments and documentation, in order.
fn comments(text: &str) -> Vec<&str> {
    let all = crate::syntax::tokens(text);
    let all = all.iter().filter(|it| matches!(it.kind, TokenKind::Comment | TokenKind::Doc));
    all.map(|it| text[it.range.start as usize..it.range.end as usize].trim_end()).collect()
}

/// Holds what is promised of any text; gives the formatted one.
fn check(text: &str) -> Formatted {
    let formatted = format(text);
    let again = format(&formatted.text);
    assert_eq!(formatted.text, again.text, "formatted twice:\n{text}");
    assert!(meaning(text) == meaning(&formatted.text), "{text}\n---\n{}", formatted.text);
    assert_eq!(comments(text), comments(&formatted.text), "{text}\n---\n{}", formatted.text);
    let errors = |text: &str| parse(text).errors.into_iter().map(|it| it.code).collect::<Vec<_>>();
    assert_eq!(errors(text), errors(&formatted.text), "{text}");
    for left in &formatted.left {
        let left = &text[left.start as usize..left.end as usize];
        assert!(formatted.text.contains(left), "{left}");
    }
    formatted
}

/// The same of a text without a mistake, which is formatted whole.
fn check_sound(text: &str) -> String {
    let Formatted { text: formatted, left } = check(text);
    assert_eq!(left, [], "{text}");
    if !formatted.contains("\"\"\"") {
        for line in formatted.lines() {
            assert_eq!(line.trim_end(), line);
        }
    }
    assert!(!formatted.contains('\r') && !formatted.ends_with("\n\n"));
    assert!(formatted.is_empty() || formatted.ends_with('\n'));
    formatted
}

#[test]
fn formatting_changes_no_meaning_and_loses_no_comment() {
    for (_, text) in FILES {
        check_sound(text);
    }
}

#[test]
fn what_is_broken_is_left_as_it_is() {
    for (_, text) in FILES {
        // Each token would take a minute; which ones differ from file to file is enough.
        let tokens = crate::syntax::tokens(text);
        let tokens = tokens.iter().filter(|token| !token.kind.is_trivia());
        for (number, token) in tokens.skip(text.len() % 7).step_by(7).enumerate() {
            let (start, end) = (token.range.start as usize, token.range.end as usize);
            if number % 2 == 0 {
                check(&format!("{}{}", &text[..start], &text[end..]));
            } else {
                let line = end + text[end..].find('\n').unwrap_or(text.len() - end);
                check(&format!("{}{}", &text[..end], &text[line..]));
            }
        }
    }
}

/// The text with other blanks in the place of its own, where these mean nothing.
fn mangled(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    let mut choices = choices.iter().cycle().copied();
    let tokens = crate::syntax::tokens(text);
    let mut starts_line = true;
    for token in &tokens {
        let slice = &text[token.range.start as usize..token.range.end as usize];
        let choice = choices.next().unwrap_or(0);
        match token.kind {
            TokenKind::Newline => {
                out.push_str(match choice % 8 {
                    0 => "\r\n",
                    1 => "  \n",
                    2 => "\n\n\n",
                    3 => "\n \t\n",
                    4 => " // c\n",
                    5 => "\n    // own line\n",
                    6 => "\n\n// own line\n\n",
                    _ => "\n",
                });
                starts_line = true;
                continue;
            }
            // Never into column 0, where a declaration starts.
            TokenKind::Whitespace => {
                out.push_str([" ", "\t", "  \t ", "       "][usize::from(choice % 4)])
            }
            _ if !starts_line && token.kind.opens() => {
                out.push_str(slice);
                out.push_str(
                    ["", " ", "\n", "\n\n\n ", " // in\n\t", "\n // in\n\n "]
                        [usize::from(choice % 6)],
                );
                // Only blanks follow in column 0.
                if out.ends_with('\n') {
                    out.push(' ');
                }
            }
            _ if token.kind.closes() => {
                out.push_str(
                    ["", " ", "\n", " \n\n\n ", " // out\n\t", "\n // out\n\n "]
                        [usize::from(choice % 6)],
                );
                if out.ends_with('\n') {
                    out.push(' ');
                }
                out.push_str(slice);
            }
            TokenKind::Comma => {
                out.push_str(
                    [",", " ,", ",\n ", "\n , ", ", // c\n ", " // c\n , \n\n "]
                        [usize::from(choice % 6)],
                );
            }
            _ => out.push_str(slice),
        }
        starts_line = false;
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_blanks_are_the_meaning_stays(
        choices in prop::collection::vec(any::<u8>(), 1..500),
        file in 0usize..6,
    ) {
        let text = mangled(FILES[file].1, &choices);
        let formatted = check(&text);
        if parse(&text).errors.is_empty() {
            assert_eq!(formatted.left, [], "{text}");
        }
    }

    #[test]
    fn any_bytes_are_formatted(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_tokens_are_formatted(text in token_soup()) {
        check(&text);
    }

    #[test]
    fn a_program_with_anything_in_it_is_formatted(at in 0usize..5000, soup in token_soup(), file in 0usize..6) {
        let text = FILES[file].1;
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        check(&format!("{}{soup}{}", &text[..at], &text[at..]));
    }
}

#[test]
fn a_file_of_nothing_is_nothing() {
    for text in ["", "\u{FEFF}", "\n\n \t\n", " \r\n"] {
        assert_eq!(format(text).text, "", "{text:?}");
    }
    assert_eq!(format("\u{FEFF}// only\r\n\r\n").text, "// only\n");
}

#[test]
fn a_byte_order_mark_goes_whatever_follows_it() {
    assert_eq!(format("\u{FEFF}let   a=1").text, "let a = 1\n");
    assert_eq!(format("\u{FEFF}  let   a = ").text, "  let   a = ");
}

#[test]
fn a_blank_that_cannot_be_seen_is_a_mistake_and_stays() {
    assert_eq!(format("let a =\u{A0}  1\nlet   b=2\n").text, "let a =\u{A0}  1\nlet b = 2\n");
    assert_eq!(format("let   a=1\n\u{A0}\nlet   b=2\n").text, "let a = 1\n\u{A0}\nlet b = 2\n");
}

#[test]
fn no_text_takes_more_than_linear_time_to_format() {
    let n = 20_000;
    for (before, piece) in [
        ("let x = [", "1, "),
        ("let x = [", "f(a, b), "),
        ("type X = \"a\"", " | \"a\""),
        ("type X = \"a\"", " | { a: T, b: U }"),
        ("request r: R { ", "a = { b = 1, c = 2 }, "),
        ("request r: R {\n", "a = 1\n"),
        ("let x = [\n", "// c\n"),
        ("", "/// doc\n"),
        ("", "let x = 1 // c\n"),
        ("type X = { ", "a: T, "),
        ("let x = ", "[{("),
    ] {
        let close = match before.chars().rev().find(|it| "[{".contains(*it)) {
            Some('[') => "]",
            Some(_) => "}",
            None => "",
        };
        let text = format!("{before}{}{close}\n", piece.repeat(n));
        let formatted = format(&text).text;
        assert_eq!(format(&formatted).text, formatted, "{piece}");
    }
}
