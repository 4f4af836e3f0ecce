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
    let all = parse(text).tokens;
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
        for token in parse(text).tokens.iter().filter(|token| !token.kind.is_trivia()) {
            let (start, end) = (token.range.start as usize, token.range.end as usize);
            check(&format!("{}{}", &text[..start], &text[end..]));
            let line = end + text[end..].find('\n').unwrap_or(text.len() - end);
            check(&format!("{}{}", &text[..end], &text[line..]));
        }
    }
}

/// The text with other blanks in the place of its own, where these mean nothing.
fn mangled(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    let mut choices = choices.iter().cycle().copied();
    let tokens = parse(text).tokens;
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
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_blanks_are_the_meaning_stays(
        choices in prop::collection::vec(any::<u8>(), 1..500),
        file in 0usize..6,
    ) {
        let text = mangled(FILES[file].1, &choices);
        check(&text);
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
#[ignore]
fn dump() {
    for path in std::env::var("DUMP").unwrap().split_whitespace() {
        let text = std::fs::read_to_string(path).unwrap();
        println!("=== {path}\n{}", format(&text).text);
        std::fs::write(path, format(&text).text).unwrap();
    }
}
