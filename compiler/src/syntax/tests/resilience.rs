//! What no text can do.

use super::*;
use std::sync::Arc;

/// What holds for any text: tokens tile it, places lie inside, numbers are in bounds.
fn check(text: &str) -> Parse {
    let parse = parse(text);
    let mut end = 0;
    for token in &tokens(text) {
        assert_eq!(token.range.start, end);
        assert!(token.range.end > end, "an empty token");
        assert!(text.is_char_boundary(token.range.end as usize));
        end = token.range.end;
    }
    assert_eq!(end as usize, text.len());
    let mut last = 0;
    for item in &parse.items {
        assert!(last <= item.range.start, "declarations overlap");
        last = item.range.end;
        assert!(!item.spans.is_empty());
        for span in item.spans.iter() {
            assert!(
                item.range.start <= span.start
                    && span.start <= span.end
                    && span.end <= item.range.end,
                "{span:?} outside {:?}",
                item.range
            );
            assert!(
                text.is_char_boundary(span.start as usize)
                    && text.is_char_boundary(span.end as usize)
            );
        }
        for (node, _) in item.docs.iter() {
            assert!((node.0 as usize) < item.spans.len());
        }
    }
    for error in &parse.errors {
        let places = error.related.iter().map(|(range, _)| *range);
        for range in places.chain([error.range]).chain(error.fix.iter().map(|(range, _)| *range)) {
            assert!(range.start <= range.end && range.end as usize <= text.len(), "{error:?}");
            assert!(
                text.is_char_boundary(range.start as usize)
                    && text.is_char_boundary(range.end as usize)
            );
        }
        assert!(!error.message.is_empty() && !error.message.contains('\n'));
    }
    parse
}

/// Every declaration of `sound` whose text does not touch `cut` stands in `damaged`, in order.
fn assert_neighbours_survive(
    sound: &Parse,
    damaged: &Parse,
    cut: TextRange,
    context: impl Fn() -> String,
) {
    let mut found = damaged.items.iter();
    for item in &sound.items {
        if item.range.start <= cut.end && cut.start <= item.range.end {
            continue;
        }
        assert!(
            found.any(|other| other.item == item.item && !other.damaged),
            "{} lost {}",
            context(),
            printer::item(&item.item)
        );
    }
}

#[test]
fn a_token_that_is_missing_hurts_only_its_own_declaration() {
    let mut count = 0;
    for (name, text) in FILES {
        let sound = parse(text);
        for token in tokens(text).iter().filter(|token| !token.kind.is_trivia()) {
            let (start, end) = (token.range.start as usize, token.range.end as usize);
            let broken = format!("{}{}", &text[..start], &text[end..]);
            let damaged = check(&broken);
            assert_neighbours_survive(&sound, &damaged, token.range, || {
                let line = text[..start].matches('\n').count() + 1;
                format!("{name}:{line} without `{}`", &text[start..end])
            });
            count += 1;
        }
    }
    assert!(count > 2000, "{count}");
}

#[test]
fn a_line_that_is_cut_hurts_only_its_own_declaration() {
    for (name, text) in FILES {
        let sound = parse(text);
        for token in tokens(text).iter().filter(|token| !token.kind.is_trivia()) {
            let start = token.range.end as usize;
            let end = start + text[start..].find('\n').unwrap_or(text.len() - start);
            let broken = format!("{}{}", &text[..start], &text[end..]);
            let damaged = check(&broken);
            assert_neighbours_survive(
                &sound,
                &damaged,
                TextRange::new(start as u32, end as u32),
                || {
                    let line = text[..start].matches('\n').count() + 1;
                    format!(
                        "{name}:{line} cut after `{}`",
                        &text[token.range.start as usize..start]
                    )
                },
            );
        }
    }
}

#[test]
fn a_token_that_is_missing_is_few_errors() {
    // One mistake is one error; where the guess of what was meant is wrong a second may follow.
    let (mut errors, mut mistakes) = (0, 0);
    let mut many = Vec::new();
    for (name, text) in FILES {
        for token in tokens(text).iter().filter(|token| !token.kind.is_trivia()) {
            let (start, end) = (token.range.start as usize, token.range.end as usize);
            let broken = format!("{}{}", &text[..start], &text[end..]);
            let damaged = parse(&broken);
            let line = text[..start].matches('\n').count() + 1;
            if damaged.errors.len() > 1 {
                many.push(format!(
                    "{name}:{line} without `{}`\n{}",
                    &text[start..end],
                    shown_errors(&broken, &damaged)
                ));
            }
            errors += damaged.errors.len();
            mistakes += usize::from(!damaged.errors.is_empty());
        }
    }
    println!("{errors} errors for {mistakes} mistakes; more than one for {}", many.len());
    println!("{}", many.join("\n"));
    assert!(
        many.len() * 50 < mistakes,
        "{} of {mistakes} mistakes are more than one error",
        many.len()
    );
}

#[test]
fn comments_and_blank_lines_change_no_declaration() {
    for (name, text) in FILES {
        let sound = parse(text);
        let mut spread = String::from("\u{FEFF}// first\n\n");
        let mut at = 0;
        for token in &tokens(text) {
            spread.push_str(&text[at..token.range.end as usize]);
            at = token.range.end as usize;
            if token.kind == TokenKind::Newline {
                spread.push_str("  // a comment\n\n\t\r\n");
            }
        }
        let commented = check(&spread);
        assert_eq!(shown_errors(&spread, &commented), "", "{name}");
        assert_eq!(sound.items.len(), commented.items.len());
        for (one, other) in sound.items.iter().zip(&commented.items) {
            assert_eq!(one.item, other.item);
            assert_eq!(one.docs, other.docs);
        }
    }
}

#[test]
fn line_ends_of_windows_change_nothing() {
    for (_, text) in FILES {
        let windows = check(&text.replace('\n', "\r\n"));
        let items: Vec<_> =
            parse(text).items.into_iter().map(|item| (item.item, item.docs)).collect();
        let others: Vec<_> = windows.items.into_iter().map(|item| (item.item, item.docs)).collect();
        assert_eq!(items, others);
        assert!(windows.errors.is_empty());
    }
}

#[test]
fn the_place_of_a_declaration_is_not_in_its_tree() {
    let text = FILES[1].1;
    let mut items = parse(text).items;
    let moved: String = items
        .iter()
        .rev()
        .map(|item| format!("{}\n", &text[item.range.start as usize..item.range.end as usize]))
        .collect();
    let mut others = parse(&moved).items;
    others.reverse();
    for (item, other) in items.drain(..).zip(others.drain(..)) {
        assert_eq!(item.item, other.item);
    }
}

#[test]
fn a_missing_bracket_is_one_error_at_the_bracket() {
    let text = "compose A as a {\n    emit B {\n        x = [1, 2\n        y = 2\n    }\n    emit C {\n        z = 3\n\n    emit D { }\n}\nlet a = 1\n";
    let parse = check(text);
    assert_eq!(
        shown_errors(text, &parse),
        "3: [unclosed-bracket] `[`: this `[` is never closed\n6: [unclosed-bracket] `{`: this `{` is never closed\n"
    );
    assert_eq!(
        printer::item(&parse.items[0].item),
        "compose A as a [(emit B{(x = [1 2]) (y = 2)}) (emit C{(z = 3)}) (emit D{})]"
    );
    assert!(parse.items[0].damaged && !parse.items[1].damaged);
    let error = &parse.errors[0];
    let (place, insert) = error.fix.clone().unwrap_or_default();
    let mended =
        format!("{}{insert}{}", &text[..place.start as usize], &text[place.end as usize..]);
    assert_eq!(parse_errors(&mended), 1);
}

fn parse_errors(text: &str) -> usize {
    parse(text).errors.len()
}

/// Runs `work` on a thread with the stack that a thread has by default.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work);
    assert!(thread.is_ok_and(|thread| thread.join().is_ok()));
}

/// Parses, compares, prints and drops; exactly one error.
fn too_deep(text: &str) {
    let first = check(text);
    let codes: Vec<_> = first.errors.iter().map(|error| error.code).collect();
    let shown: String = text.chars().take(60).collect();
    assert_eq!(codes, [code::TOO_DEEP], "{shown}");
    let second = parse(text);
    for (one, other) in first.items.iter().zip(&second.items) {
        assert_eq!(one.item, other.item);
        let _ = printer::item(&one.item).len() + format!("{:?}", Arc::clone(&one.item)).len();
    }
}

#[test]
fn what_nests_too_deep_after_a_word_that_is_no_declaration_is_a_mistake() {
    let text = format!("cet a = {}1{}\n", "[".repeat(200), "]".repeat(200));
    assert_eq!(shown_errors(&text, &parse(&text)).lines().count(), 1);
    assert_eq!(crate::format(&text).text, text);
}

#[test]
fn ten_thousand_nested_things_are_one_error() {
    on_a_small_stack(|| {
        let n = 10_000;
        for (open, middle, close) in [
            ("[", "1", "]"),
            ("(", "1", ")"),
            ("{ a = ", "1", " }"),
            ("[{ a = (", "1", ") }]"),
            ("f(", "1", ")"),
            ("a[", "1", "]"),
            ("A { b = ", "1", " }"),
            ("!", "a", ""),
            ("-", "a", ""),
            ("- !", "a", ""),
            ("if a => ", "1", " else 2"),
            ("if a => 1 else ", "2", ""),
            ("if ", "a", " => 1 else 2"),
            ("match a { _ => ", "1", " }"),
            ("match ", "a", " { _ => 1 }"),
            ("[for a in ", "b", " => c]"),
            ("{ for a in ", "b", " => [c] = d }"),
            ("a || b && c == 1 ..= 2 ?? 3 + 4 * (", "1", ")"),
            ("a || b && c == 1 ..= 2 ?? 3 + 4 * - ! [{ a = ", "1", " }]"),
            ("", "a", ".b"),
            ("", "a", "?.b"),
            ("", "a", "(1)"),
            ("", "a", "[1]"),
            ("a + ", "a", ""),
            ("a ?? ", "a", ""),
            ("a && ", "a", ""),
            ("a || b && ", "a", ""),
        ] {
            too_deep(&format!("let x = {}{middle}{}\n", open.repeat(n), close.repeat(n)));
        }
        for (open, middle, close) in
            [("[", "A", "]"), ("(", "A", ")"), ("{ a: ", "A", " }"), ("{A: ", "A", "}")]
        {
            too_deep(&format!("type X = {}{middle}{}\n", open.repeat(n), close.repeat(n)));
        }
        for (open, middle, close) in
            [("if a { ", "", " }"), ("for a in b { ", "", " }"), ("if a { } else ", "{ }", "")]
        {
            too_deep(&format!(
                "compose A as a {{ {}{middle}{} }}\n",
                open.repeat(n),
                close.repeat(n)
            ));
            if open.starts_with("if") {
                too_deep(&format!(
                    "schema A {{ {}{middle}{} }}\n",
                    open.repeat(n),
                    close.repeat(n)
                ));
            }
        }
        too_deep(&format!("request a: A {{ a{} = 1 }}\n", "[b".repeat(n) + &"]".repeat(n)));
        too_deep(&format!("let x = \"${{a{}}}\"\n", ".b".repeat(n)));
        // Never closed.
        for open in ["[", "{ a = ", "f(", "if a => (", "[[[{ a = (("] {
            too_deep(&format!("let x = {}\n", open.repeat(n)));
        }
    });
}

#[test]
fn what_people_write_is_not_too_deep() {
    let text = format!(
        "let x = {}1{}\nlet y = {}\nlet z = {}\nlet w = a{}\ntype T = {}\n",
        "[".repeat(100),
        "]".repeat(100),
        vec!["a"; 200].join(" + "),
        "if a => 1 else ".repeat(100) + "2",
        ".b".repeat(200),
        vec!["\"a\""; 10_000].join(" | "),
    );
    let parse = check(&text);
    assert_eq!(shown_errors(&text, &parse), "");
}

#[test]
fn long_lists_are_not_deep() {
    on_a_small_stack(|| {
        let text = format!(
            "let x = [{}]\nrequest r: R {{\n{}}}\nrequest c: R {{ a{} = 1 }}\n",
            "1, ".repeat(20_000),
            "a = 1\n".repeat(20_000),
            ".b".repeat(20_000)
        );
        assert!(parse(&text).errors.is_empty());
    });
}

/// Pieces of programs, sound and broken, in any order.
pub(super) fn token_soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "schema",
        "request",
        "let",
        "compose",
        "overlay",
        "fn",
        "type",
        "use",
        "test",
        "policy",
        "private",
        "abstract",
        "environment",
        "defaults",
        "package",
        "adjust",
        "emit",
        "output",
        "if",
        "else",
        "match",
        "for",
        "in",
        "where",
        "matches",
        "final",
        "replace",
        "require",
        "none",
        "as",
        "by",
        "from",
        "not",
        "and",
        "a",
        "A",
        "shop",
        "prod-us",
        "1",
        "1.5",
        "128Mi",
        "1h30m",
        "2027-01-31",
        "3x",
        "99999999999999999999",
        "\"a\"",
        "\"${a.b}\"",
        "\"${",
        "\"\\q\"",
        "\"open",
        "\"\"\"",
        "\"\"\"\n  a\n  \"\"\"",
        "r\"x\"",
        "'y'",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ",",
        ";",
        ":",
        ".",
        "?.",
        "...",
        "..=",
        "..",
        "?",
        "??",
        "???",
        "=",
        "+=",
        "==",
        "!=",
        "<",
        ">=",
        "=>",
        "->",
        "+",
        "-",
        "*",
        "!",
        "&&",
        "||",
        "|",
        "@",
        "#",
        "// c",
        "/// doc",
        "/*",
        "*/",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\n    ",
        "\t",
        "é",
        "\u{0}",
        "“",
        "$",
        "\\",
    ]);
    let glue = prop::sample::select(vec!["", " ", " ", " ", "\n"]);
    prop::collection::vec((words, glue), 0..120)
        .prop_map(|pieces| pieces.into_iter().map(|(word, glue)| format!("{word}{glue}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_tokens_are_read(text in token_soup()) {
        check(&text);
    }

    #[test]
    fn a_program_with_anything_in_it_is_read(at in 0usize..5000, soup in token_soup(), file in 0usize..6) {
        let text = FILES[file].1;
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        check(&format!("{}{soup}{}", &text[..at], &text[at..]));
    }
}

#[test]
fn a_declaration_word_in_column_0_closes_everything() {
    for open in [
        "{ a = ",
        "{ a = [",
        "{ a = f(",
        "{ a = \"\"\"\n  text",
        "{ a = r\"\"\"\n  text",
        "{ a = \"text",
        "{ a = (\n  b",
    ] {
        let text =
            format!("request r: R {open}\n\n/// Kept.\n@deprecated(\"x\")\nprivate let y = 1\n");
        let parse = check(&text);
        let last: Vec<String> =
            parse.items.iter().map(|item| printer::item(&item.item)).skip(1).collect();
        assert_eq!(last, ["@deprecated(\"x\") private let y = 1"], "{text}");
        assert_eq!(parse.items[1].docs.len(), 1, "{text}");
        assert!(parse.items[0].damaged && !parse.items[1].damaged, "{text}");
        assert_eq!(parse.errors.len(), 1, "{text}{}", shown_errors(&text, &parse));
    }
}

#[test]
fn a_declaration_whose_word_is_misspelt_is_read_as_what_was_meant() {
    let text = "let a = 1\nreqest shop: Web { a = 1 }\n\nlet b = 2\n";
    let parse = check(text);
    let items: Vec<String> = parse.items.iter().map(|item| printer::item(&item.item)).collect();
    assert_eq!(items, ["let a = 1", "request shop: Web {(a = 1)}", "let b = 2"]);
    assert_eq!(
        parse.items.iter().map(|item| item.damaged).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(parse.errors[0].label, "did you mean `request`?");
}

#[test]
fn text_between_declarations_is_one_error_a_run_and_damages_nobody() {
    let text = "hello world\n{ a = 1 }\n\nlet a = 1\nfoo bar\n  baz [\n]\nlet b = 2\n";
    let parse = check(text);
    assert_eq!(parse.items.len(), 2);
    assert!(parse.items.iter().all(|item| !item.damaged));
    assert_eq!(parse.errors.len(), 2, "{}", shown_errors(text, &parse));
}

#[test]
fn an_error_names_the_other_places_that_matter() {
    let text = "request r: R {\n    a = [1, 2\n    b = 1\n}\n";
    let error = &check(text).errors[0];
    let places: Vec<(&str, &str)> = error
        .related
        .iter()
        .map(|(range, label)| (&text[range.start as usize..range.end as usize], label.as_str()))
        .collect();
    assert_eq!(places, [("b", "it must end before this line")]);
    assert_eq!(error.label, "opened here");
}

#[test]
fn a_tree_holds_a_hole_where_something_is_missing() {
    for (text, tree) in [
        ("request", "request ?: ? {}"),
        ("request r:", "request r: ? {}"),
        ("request r: a.", "request r: a.? {}"),
        ("schema S { a: }", "schema S [(a: ?)]"),
        ("let x = f(a, ", "let x = f(a)"),
        ("let x = a +", "let x = (+ a ?)"),
        ("let x = if a =>", "let x = (if a => ? else ?)"),
        ("compose S as s { emit }", "compose S as s [(emit ?)]"),
        ("compose S as s { if let h = ", "compose S as s [(if let h = ? [])]"),
        ("let x = \"${a.}\"", "let x = ${a.?}"),
        ("let x = 3x", "let x = ?"),
        ("let x = 99999999999999999999", "let x = ?"),
        ("overlay r { a = 1 }", "overlay r {(a = 1)}"),
        ("use a.b.{", "use a.b {}"),
    ] {
        let parse = check(text);
        assert_eq!(printer::item(&parse.items[0].item), tree, "{text}");
        assert_eq!(parse.errors.len(), 1, "{text}: {}", shown_errors(text, &parse));
        assert!(parse.items[0].damaged, "{text}");
    }
}

#[test]
fn no_text_takes_more_than_linear_time() {
    // Anything quadratic would take minutes here.
    let n = 30_000;
    for (before, piece) in [
        ("let x = \"", "${"),
        ("let x = \"", "${a}"),
        ("let x = ", "\"${\""),
        ("let x = \"", "\\u{"),
        ("let x = ", "/*"),
        ("let x = ", "/*\n"),
        ("let x = ", "“"),
        ("let x = ", "` "),
        ("let x = ", "'"),
        ("", ";let"),
        ("", ";reqest a"),
        ("", ";reqest a: a {}"),
        ("", "let\n"),
        ("let x = ", "("),
        ("let x = ", "(\n"),
        ("let x = ", ")"),
        ("let x = [\n", "(\n"),
        ("let x = {\n", "} x "),
        ("let x = {\n {\n {\n", "} x "),
        ("let x = ", "[{("),
        ("let x = ", "}])"),
        ("request r: R { ", "a ["),
        ("request r: R { ", "a = 1 "),
        ("request r: R { ", "a:\n"),
        ("let x = ", "if a "),
        ("compose S as s { ", "for x in {} "),
        ("let x = ", "é"),
        ("let x = ", "$"),
        ("let x = ", "1-"),
        ("", "/// doc\n"),
        ("", "@a\n"),
        ("", "@a("),
        ("let x = \"\"\"\n", "@a\n"),
        ("type X = ", "A | "),
        ("use a.{", "a, "),
    ] {
        check(&format!("{before}{}\n)]}}\nlet y = 1\n", piece.repeat(n)));
    }
    let many = format!("let x = {}\n{}\n{}", "[\n".repeat(n), "(\n".repeat(n), "]\n".repeat(n));
    check(&many);
}

#[test]
fn the_list_of_errors_is_bounded() {
    for piece in [";", "let\n", "}", "request r: R { = }\n", "1x\n"] {
        assert!(parse(&piece.repeat(50_000)).errors.len() <= 2 * MAX_ERRORS, "{piece}");
    }
}

#[test]
fn a_mistake_of_a_token_damages_its_declaration_wherever_it_stands() {
    let text = "let a = (\nlet b = 3x\nlet c = \"\\q\"\nlet d = 'e'\nlet e = 1\n";
    let damaged: Vec<bool> = check(text).items.iter().map(|item| item.damaged).collect();
    assert_eq!(damaged, [true, true, true, true, false]);
}
