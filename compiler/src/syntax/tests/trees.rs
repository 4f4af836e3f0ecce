//! What a text means: input and tree side by side.

use super::*;

/// The trees of the declarations of a text without errors.
fn trees(text: &str) -> Vec<String> {
    let parse = parse(text);
    assert_eq!(shown_errors(text, &parse), "", "{text}");
    parse.items.iter().map(|item| printer::item(&item.item)).collect()
}

/// The tree of one value.
fn value(text: &str) -> String {
    let all = trees(&format!("let x = {text}\n"));
    assert_eq!(all.len(), 1, "{text}");
    all[0].strip_prefix("let x = ").unwrap_or_default().to_owned()
}

/// The tree of one type.
fn type_of(text: &str) -> String {
    trees(&format!("type X = {text}\n"))
        .concat()
        .strip_prefix("type X ")
        .unwrap_or_default()
        .to_owned()
}

/// The entries of a record whose lines these are.
fn entries(text: &str) -> String {
    let all = trees(&format!("request r: R {{\n{text}\n}}\n"));
    all.concat().strip_prefix("request r: R ").unwrap_or_default().to_owned()
}

/// The text of a string as written, between `let x = ` and a new line.
fn string(text: &str) -> String {
    let text = format!("let x = {text}\n");
    let parse = parse(&text);
    assert_eq!(shown_errors(&text, &parse), "", "{text}");
    match &parse.items[0].item.kind {
        ItemKind::Let(Let {
            value: Expr { kind: ExprKind::Literal(Literal::String(text) | Literal::Raw(text)), .. },
            ..
        }) => text.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn operators_bind_as_the_language_says() {
    for (text, tree) in [
        ("a || b && c", "(|| a (&& b c))"),
        ("a && b == c", "(&& a (== b c))"),
        ("it in 1..=50", "(in it (..= 1 50))"),
        ("a ?? 1 >= 2", "(>= (?? a 1) 2)"),
        ("1 ..= a ?? b", "(..= 1 (?? a b))"),
        ("a ?? b + c", "(?? a (+ b c))"),
        ("a ?? b ?? c", "(?? (?? a b) c)"),
        ("a - b - c * d % e", "(- (- a b) (% (* c d) e))"),
        ("-a.b * !c", "(* (- a.b) (! c))"),
        ("- -a", "(- (- a))"),
        ("(a + b) * c", "(* (+ a b) c)"),
        ("a matches r\"x\" && b", "(&& (matches a r\"x\") b)"),
        ("a -1", "(- a 1)"),
        ("a-1", "a-1"),
        ("f(a, b = 1).c?.d[0][\"x\", y](z)", "f(a b=1).c?.d[0][\"x\" y](z)"),
        ("if a == b => c else d + e", "(if (== a b) => c else (+ d e))"),
        (
            "if let h = a.b => h else if c => 1 else 2",
            "(if let h = a.b => h else (if c => 1 else 2))",
        ),
    ] {
        assert_eq!(value(text), tree, "{text}");
    }
}

#[test]
fn the_smallest_int_can_be_written() {
    assert_eq!(value("-9223372036854775808"), "-9223372036854775808");
    assert_eq!(value("9223372036854775807"), "9223372036854775807");
}

#[test]
fn numbers_have_units_and_dates_are_values() {
    for text in [
        "500m",
        "128Mi",
        "2Gi",
        "30s",
        "1h30m",
        "1.5Gi",
        "250ms",
        "7d",
        "4k",
        "1P",
        "2027-01-31",
        "1d2h3m4s5ms",
    ] {
        assert_eq!(value(text), text);
    }
    assert_eq!(value("[0.5, 1.50, 0]"), "[0.5 1.5 0]");
    assert_eq!(value("1m..=5m"), "(..= 1m 5m)");
    assert_eq!(value("30s.seconds"), "30s.seconds");
}

#[test]
fn names_have_dashes_and_minus_has_spaces() {
    assert_eq!(value("prod-us - load-test-2"), "(- prod-us load-test-2)");
}

#[test]
fn any_word_is_a_field_name() {
    assert_eq!(
        entries(
            "\n in = 1, if = 2\n for = 3\n match.x = 4\n else = 5\n matches += 6\n where[0] = 7\n final = 8\n replace.a = 9\n let = 1\n schema = 2\n use.x = 1, none = 2, true = 3"
        ),
        "{(in = 1) (if = 2) (for = 3) (match.x = 4) (else = 5) (matches += 6) (where[0] = 7) (final = 8) (replace.a = 9) (let = 1) (schema = 2) (use.x = 1) (none = 2) (true = 3)}"
    );
    assert_eq!(
        trees(
            "schema S {\n for: Int\n if: Bool\n require: Int = 1\n final: A\n let: B, in: C?\n}\n"
        ),
        ["schema S [(for: Int) (if: Bool) (require: Int = 1) (final: A) (let: B) (in: C?)]"]
    );
    assert_eq!(value("{ for = 1 }"), "{(for = 1)}");
    assert_eq!(value("{ for x in xs => [x] = 1 }"), "{(for x in xs => [x] = 1)}");
    assert_eq!(value("a.in.if.else"), "a.in.if.else");
    assert_eq!(type_of("{ for: Int, match: A }"), "{for: Int match: A}");
}

#[test]
fn a_line_goes_on_after_and_before_an_infix_operator() {
    assert_eq!(entries("a = b +\n c\nd = e\n + f\ng = 1"), "{(a = (+ b c)) (d = (+ e f)) (g = 1)}");
    assert_eq!(entries("a = b\n    && c\n    || d\n    ?? e"), "{(a = (|| (&& b c) (?? d e)))}");
    assert_eq!(entries("a = b\n in c\nd = e in\n f"), "{(a = (in b c)) (d = (in e f))}");
}

#[test]
fn a_line_that_begins_with_a_minus_is_new() {
    assert_eq!(value("[\n 1\n -1\n - 2\n]"), "[1 (- 1) (- 2)]");
}

#[test]
fn a_line_goes_on_before_a_word_that_is_no_field() {
    assert_eq!(
        entries(
            "final a = b\n else \"why\"\nc = d\n matches r\"x\"\ne = f\n in g\nelse = 1\nin.x = 2\nwhere += 3\nmatches[4] = 5"
        ),
        "{(final a = b else \"why\") (c = (matches d r\"x\")) (e = (in f g)) (else = 1) (in.x = 2) (where += 3) (matches[4] = 5)}"
    );
    // One at the end of its line is a field that has no value yet.
    let text = "request r: R {\n a = b\n in\n c = d\n}\n";
    assert_eq!(
        printer::item(&parse(text).items[0].item),
        "request r: R {(a = b) (in = ?) (c = d)}"
    );
}

#[test]
fn nothing_goes_on_after_an_equals_sign() {
    let text = "request r: R {\n    image =\n    size = 1\n}\n";
    let parse = parse(text);
    assert_eq!(printer::item(&parse.items[0].item), "request r: R {(image = ?) (size = 1)}");
    assert_eq!(shown_errors(text, &parse), "2: [syntax-error] `=`: a value is missing after `=`\n");
    for (text, tree) in [
        ("request r: R {\n a.\n b = 1\n}", "request r: R {(a.? = ?) (b = 1)}"),
        ("request r: R {\n a = b.\n c = 1\n}", "request r: R {(a = b.?) (c = 1)}"),
        ("request r: R {\n a = b?.\n c = 1\n}", "request r: R {(a = b?.?) (c = 1)}"),
        ("schema r {\n a:\n b: Int\n}", "schema r [(a: ?) (b: Int)]"),
        ("let x = match a {\n 1 =>\n 2 => b\n}", "let x = (match a [(1 => ?) (2 => b)])"),
    ] {
        let parse = super::parse(text);
        assert_eq!(printer::item(&parse.items[0].item), tree);
        assert_eq!(parse.errors.len(), 1, "{text}");
    }
}

#[test]
fn inside_parentheses_lines_mean_nothing() {
    assert_eq!(value("f(\n a,\n b\n + c\n -1,\n)"), "f(a (- (+ b c) 1))");
    assert_eq!(value("(\n a\n -1\n)"), "(- a 1)");
    assert_eq!(value("f({\n a = 1\n b = 2\n})"), "f({(a = 1) (b = 2)})");
}

#[test]
fn commas_and_lines_are_one_thing() {
    let tree = "{(a = 1) (b = [1 2]) (c = {(d = 1)})}";
    assert_eq!(entries("a = 1, b = [1, 2], c = { d = 1 }"), tree);
    assert_eq!(entries("a = 1,\n\nb = [\n1\n2,\n]\n,c = {\nd = 1,\n}\n"), tree);
}

#[test]
fn a_head_takes_no_named_literal() {
    assert_eq!(
        trees(
            "compose A as a {\n if a.b { emit B { c = 1 } }\n for x in a.c { emit x }\n if (A { x = 1 }).x { emit f(A { }) }\n}\n"
        ),
        [
            "compose A as a [(if a.b [(emit B{(c = 1)})]) (for x in a.c [(emit x)]) (if A{(x = 1)}.x [(emit f(A{}))])]"
        ]
    );
    assert_eq!(value("match a { _ => B { } }"), "(match a [(_ => B{})])");
    assert_eq!(
        trees("compose A as a { for x in { k = 1 } { } }\n"),
        ["compose A as a [(for x in {(k = 1)} [])]"]
    );
}

#[test]
fn patterns_are_literals_names_with_types_none_and_the_rest() {
    assert_eq!(
        value(
            "match a { \"x\" | \"y\" => 1, -1 | -2.5 => 2, s: String? => 3, none => 4, true => 5, 5m => 6, _ => 7 }"
        ),
        "(match a [(\"x\"|\"y\" => 1) (-1|-2.5 => 2) (s: String? => 3) (none => 4) (true => 5) (5m => 6) (_ => 7)])"
    );
}

#[test]
fn types_are_as_the_language_says() {
    for (text, tree) in [
        ("\"a\" | \"b\"", "(\"a\" | \"b\")"),
        ("\n    | \"a\"\n    | 80", "(\"a\" | 80)"),
        ("[A.B by name]?", "[A.B by name]?"),
        ("[T by (a, b)]", "[T by a b]"),
        ("{String: {a.Key: T}}", "{String: {a.Key: T}}"),
        ("{ a: T, \"b.c\": U?, ... }", "{a: T b.c: U? ...}"),
        ("{}", "{}"),
        ("(A | B)?", "(A | B)?"),
        ("A? | none | -1", "(A? | none | -1)"),
        ("Int where it in 1..=50 else \"no\"", "(Int where (in it (..= 1 50)) else \"no\")"),
        ("Int where it > 0\n    else \"no\"", "(Int where (> it 0) else \"no\")"),
    ] {
        assert_eq!(type_of(text), tree, "{text}");
    }
}

#[test]
fn schemas_have_fields_includes_rules_and_finals() {
    assert_eq!(
        trees(
            "schema S {\n ...a.B\n @renamed(from = \"y\")\n x: Int where it > 0 = 1\n final k: \"s\" = \"s\" else \"why\"\n final a.b[\"c\"] = 2 else \"why\"\n if let h = x { require h else \"m ${h}\" } else if y { } else { require z }\n require q\n \"q.r\": T\n}\n"
        ),
        [
            "schema S [(...a.B) (@renamed(from=\"y\") x: (Int where (> it 0)) = 1) (final k: \"s\" = \"s\" else \"why\") (final a.b[\"c\"] = 2 else \"why\") (if let h = x [(require h else \"m \" ${h})] else [(if y [] else [(require z)])]) (require q) (q.r: T)]"
        ]
    );
}

#[test]
fn declarations_have_their_parts() {
    assert_eq!(
        trees(
            "use a.b\nuse a.\"b.c\".{D, E as F}\nuse a as b\nprivate let x: Int = 1\nabstract environment e: E { }\nenvironment f-1: a.E from e { x = 1 }\ndefaults a.S in p, q { x = 1 }\npolicy n for a.D as d in p { require d.x }\nfn f(a: A, b: [B],) -> C? = a\nrequest r: a.S in p { }\noverlay r, s in p, q { replace x = { } }\nadjust r: a.D in p { x.y = 1 }\ntest \"a\" in p { assert x }\npackage { a = 1 }\n@allow(x, until = 2027-01-31)\n@deprecated\nlet y = none\n"
        ),
        [
            "use a.b",
            "use a.b.c {D E>F}",
            "use a as b",
            "private let x: Int = 1",
            "abstract environment e: E {}",
            "environment f-1: a.E from e {(x = 1)}",
            "defaults a.S in p q {(x = 1)}",
            "policy n for a.D as d in p [(require d.x)]",
            "fn f(a: A b: [B]) -> C? = a",
            "request r: a.S in p {}",
            "overlay r s in p q {(replace x = {})}",
            "adjust r: a.D in p {(x.y = 1)}",
            "test \"a\" in p [(assert x)]",
            "package {(a = 1)}",
            "@allow(x until=2027-01-31) @deprecated() let y = none",
        ]
    );
}

#[test]
fn statements_are_as_the_language_says() {
    assert_eq!(
        trees(
            "compose S as s {\n let a: Int = 1, emit db = P { x = 1 }\n emit f(a)\n output u: String = \"a\"\n for k, v in m { advise k else \"e\" }\n if a { } else if let b = c { } else { }\n}\n"
        ),
        [
            "compose S as s [(let a: Int = 1) (emit db = P{(x = 1)}) (emit f(a)) (output u: String = \"a\") (for k, v in m [(advise k else \"e\")]) (if a [] else [(if let b = c [] else [])])]"
        ]
    );
}

#[test]
fn comprehensions_make_lists_and_records() {
    assert_eq!(
        value("[for x in xs if x > 1 => { a = x }]"),
        "[for x in xs if (> x 1) => {(a = x)}]"
    );
    assert_eq!(value("{for k, v in m if v => [k] = v}"), "{(for k, v in m if v => [k] = v)}");
    assert_eq!(value("[...a, ...[for x in xs => x], 1]"), "[...a ...[for x in xs => x] 1]");
}

#[test]
fn escapes_are_characters() {
    assert_eq!(string(r#""\n\t\"\\\$\u{e9}\u{1F600}""#), "\n\t\"\\$é😀");
    assert_eq!(string(r#""$ $x \${y}""#), "$ $x ${y}");
    assert_eq!(string(r#"r"\d\n${x}""#), r"\d\n${x}");
}

#[test]
fn interpolation_holds_a_path() {
    assert_eq!(value(r#""a${b}c${d.e-f?.g}""#), r#""a" ${b} "c" ${d.e-f?.g}"#);
    assert_eq!(value(r#""${ b }""#), "${b}");
    // The places are those of the file.
    let text = "let x = \"é${ab.c}\"\n";
    let item = &parse(text).items[0];
    let places: Vec<&str> =
        item.spans.iter().map(|span| &text[span.start as usize..span.end as usize]).collect();
    assert_eq!(places, ["let x = \"é${ab.c}\"", "x", "\"é${ab.c}\"", "ab", "c", "ab.c"]);
}

#[test]
fn a_block_of_text_loses_the_indentation_all_lines_share() {
    assert_eq!(string("\"\"\"\n    a\n      b\n\n    c\n    \"\"\""), "a\n  b\n\nc\n");
    assert_eq!(string("\"\"\"\n    a\n  \"\"\""), "  a\n", "the closing line counts");
    assert_eq!(string("\"\"\"\n    a\n        \"\"\""), "a\n");
    assert_eq!(string("\"\"\"\n    a\n    b\"\"\""), "a\nb\n");
    assert_eq!(
        string("\"\"\"\n    a\n    b\\\n    \"\"\""),
        "a\nb",
        "a backslash ends a line without its end"
    );
    assert_eq!(string("\"\"\"\n    a \\\n    b\n    \"\"\""), "a b\n");
    assert_eq!(string("\"\"\"\n    a\\\\\n    \"\"\""), "a\\\n");
    assert_eq!(string("\"\"\"\n  \"x\" \\\"\"\" \\t\n  \"\"\""), "\"x\" \"\"\" \t\n");
    assert_eq!(
        string("\"\"\"say \"a\" now\"\"\""),
        "say \"a\" now",
        "on one line it is as written"
    );
    assert_eq!(string("\"\"\"\n  \"\"\""), "");
    assert_eq!(string("\"\"\"\n    a\r\n\r\n    b\r\n    \"\"\""), "a\n\nb\n");
    assert_eq!(string("r\"\"\"\n    \\d${x}\n    \"\"\""), "\\d${x}\n");
    assert_eq!(string("\"\"\"\"\"\""), "");
    assert_eq!(value("\"\"\"\n    a ${b}\n      c\n    \"\"\""), "\"a \" ${b} \"\\n  c\\n\"");
}

#[test]
fn documentation_goes_to_what_follows() {
    let text = "/// Item.\n/// Two.\n\n@deprecated\nschema S {\n    /// Field.\n    // not this\n    @deprecated\n    a: { \n /// Inner.\n b: Int }\n    c: Int\n}\n///No space.\ntype T =\n    /// One.\n    | \"a\"\n    | \"b\" | /// Three.\n    \"c\"\n//// not this\ncompose S as s {\n    /// Out.\n    output o: Int = 1\n}\n/// Of nothing.\n";
    let parse = parse(text);
    assert_eq!(shown_errors(text, &parse), "");
    let docs: Vec<(String, String)> = parse
        .items
        .iter()
        .flat_map(|item| {
            item.docs.iter().map(|(id, doc)| {
                let span = item.spans[id.0 as usize];
                let place: String =
                    text[span.start as usize..span.end as usize].chars().take(11).collect();
                (place, doc.to_string())
            })
        })
        .collect();
    let expected = [
        ("@deprecated", "Item.\nTwo."),
        ("@deprecated", "Field."),
        ("b: Int", "Inner."),
        ("type T =\n  ", "No space."),
        ("\"a\"", "One."),
        ("\"c\"", "Three."),
        ("output o: I", "Out."),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(place, doc)| (place.to_string(), doc.to_string())).collect();
    assert_eq!(docs, expected);
    assert_eq!(parse.items[0].range.start, 0, "the range holds the documentation");
    assert_eq!(
        parse.items[1].item,
        super::parse("type T = \"a\" | \"b\" | \"c\"").items[0].item,
        "the tree does not"
    );
}

#[test]
fn nodes_are_numbered_and_node_0_is_the_declaration() {
    for (_, text) in FILES {
        for item in parse(text).items {
            let whole = &text[item.spans[0].start as usize..item.spans[0].end as usize];
            let alone = parse(whole);
            assert_eq!(alone.items.len(), 1);
            assert_eq!(alone.items[0].item, item.item);
            assert_eq!(alone.items[0].spans.len(), item.spans.len());
        }
    }
}
