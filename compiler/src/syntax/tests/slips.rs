//! What people write by mistake, and what is said.

use super::*;

/// Each mistake, and its errors: code, place, sentence. Where there is a mend, applying it leaves
/// no error.
const SLIPS: &[(&str, &[&str])] = &[
    // In records.
    ("request r: R { a: 1 }", &["syntax-error `:` a field is set with `=`, not `:`"]),
    ("request r: R { a == 1 }", &["syntax-error `==` a field is set with `=`, not `==`"]),
    ("request r: R { a 1 }", &["syntax-error `a` `=` is missing after `a`"]),
    ("request r: R { a { b = 1 } }", &["syntax-error `a` `=` is missing after `a`"]),
    ("request r: R { a [1] }", &["syntax-error `a [1]` `a [1]` has no value"]),
    ("request r: R { a [{ b = 1 }] }", &["syntax-error `a` `=` is missing after `a`"]),
    ("request r: R {\n    replicas\n}", &["syntax-error `replicas` `replicas` has no value"]),
    ("request r: R {\n    a.b\n}", &["syntax-error `a.b` `a.b` has no value"]),
    ("request r: R { a = }", &["syntax-error `=` a value is missing after `=`"]),
    ("request r: R { a += }", &["syntax-error `+=` a value is missing after `+=`"]),
    (
        "request r: R { a = 1 b = 2 }",
        &["syntax-error `b` a comma or a new line is missing before `b`"],
    ),
    ("request r: R { a = 1,, b = 2 }", &["syntax-error `,` nothing stands before this comma"]),
    ("request r: R { , a = 1 }", &["syntax-error `,` nothing stands before this comma"]),
    (
        "request r: R { a = 1; b = 2; }",
        &[
            "bad-token `;` there are no semicolons: a new line or a comma separates",
            "bad-token `;` there are no semicolons: a new line or a comma separates",
        ],
    ),
    (
        "request r: R { 80 = 1 }",
        &["syntax-error `80` a key that starts with a digit is written in quotes"],
    ),
    (
        "request r: R { 8080-1 = 1 }",
        &[
            "bad-token `8080-1` `8080-1` is no number (text and keys are written in quotes; a minus has a space on both sides)",
        ],
    ),
    (
        "request r: R { a?.b = 1 }",
        &["syntax-error `?.` `?.` reads; a path that is set has `.` only"],
    ),
    ("request r: R { a. = 1 }", &["syntax-error `.` a field is missing after `.`"]),
    ("request r: R { a..b = 1 }", &["syntax-error `..` a name is missing between the dots"]),
    (
        "request r: R { \"${a}\" = 1 }",
        &[
            "syntax-error `\"${a}\"` a key in quotes holds no `${…}` (a computed key stands in brackets: `[key] = value`)",
        ],
    ),
    (
        "request r: R {\n    a:\n        - 1\n        - 2\n}",
        &[
            "syntax-error `:` a field is set with `=`, not `:`",
            "syntax-error `-` a list is written in brackets: `[a, b]`",
        ],
    ),
    (
        "request r: R {\n    a =\n        [1]\n}",
        &["syntax-error `=` the value starts on the line of the `=`"],
    ),
    (
        "request r: R {\n    a = [for x in xs => x\n    b = 1\n}",
        &["unclosed-bracket `[` this `[` is never closed (write `]`)"],
    ),
    ("request r: R { ... }", &["syntax-error `...` a value is missing after `...`"]),
    ("request r: R { a[] = 1 }", &["syntax-error `[` a key is missing in `[]`"]),
    (
        "request r: R { {} }",
        &["syntax-error `{` a field such as `name = value` must stand here, not `{`"],
    ),
    (
        "request r: R { final a = 1 else why }",
        &[
            "syntax-error `else` a text in quotes is missing after `else` (it tells the reader why: `else \"…\"`)",
        ],
    ),
    // Words and signs of other languages.
    ("let x = 'a'", &["bad-token `'a'` text is written in double quotes"]),
    ("let x = 1 # why", &["bad-token `# why` a comment starts with `//`"]),
    ("/* why */\nlet x = 1", &["bad-token `/* why */` a comment starts with `//`"]),
    (
        "let x = a and b or not c",
        &[
            "syntax-error `and` `and` is written `&&`",
            "syntax-error `or` `or` is written `||`",
            "syntax-error `not` `not` is written `!`",
        ],
    ),
    ("let x = a & b", &["bad-token `&` `and` is written `&&`"]),
    ("let x = a === b", &["bad-token `===` `===` is written `==`"]),
    ("let x = 1..50", &["syntax-error `..` a range is written `..=`, its end included"]),
    ("let x = c ? a : b", &["syntax-error `?` a choice is written `if condition => a else b`"]),
    (
        "let x = if c { a } else { b }",
        &["syntax-error `{` a choice between values is written `if condition => a else b`"],
    ),
    (
        "let x = if c => a",
        &[
            "syntax-error `a` `else` is missing after `a` (a choice between values has both: `if condition => a else b`)",
        ],
    ),
    (
        "let x = 1 + if c => a else b",
        &["syntax-error `if` `if` beside an operator is put in parentheses"],
    ),
    (
        "let x = a < b < c",
        &[
            "syntax-error `<` comparisons and ranges do not chain (write both, joined: `a < b && b < c`; or put one in parentheses)",
        ],
    ),
    (
        "let x = for a in b => c",
        &["syntax-error `for` `for` as a value stands in brackets: `[for x in xs => y]`"],
    ),
    ("let x = f(a: 1)", &["syntax-error `:` a named argument is written `name = value`"]),
    ("let x = f(a b)", &["syntax-error `b` a comma or a new line is missing before `b`"]),
    (
        "let x = a ??? b",
        &["bad-token `???` `???` is not understood (`a ?? b` takes `b` where `a` is absent)"],
    ),
    (
        "let x = $a",
        &[
            "bad-token `$a` `$a` is not understood (a name is written as it is; `${…}` stands only inside quotes)",
        ],
    ),
    (
        "let x = `a`",
        &["bad-token ``a`` ``a`` is not understood (text is written in straight double quotes)"],
    ),
    (
        "let x = “a”",
        &["bad-token `“a”` `“a”` is not understood (text is written in straight double quotes)"],
    ),
    (
        "let x =\u{a0}1",
        &["bad-token `\u{a0}` `U+00A0` is not understood (an invisible character: write a blank)"],
    ),
    (
        "let größe = 1",
        &[
            "bad-token `größe` `größe` is not understood (names have the letters a to z, digits, `_` and `-`; any other key is written in quotes)",
        ],
    ),
    ("let x = 1\u{0}", &["bad-token `\0` `U+0000` is not understood"]),
    // Numbers.
    (
        "let x = 3x",
        &[
            "bad-token `3x` `x` is no unit (units are ms s m h d for time, k M G T P and Ki Mi Gi Ti Pi for amounts; text is written in quotes)",
        ],
    ),
    (
        "let x = 5MB",
        &[
            "bad-token `5MB` `MB` is no unit (units are ms s m h d for time, k M G T P and Ki Mi Gi Ti Pi for amounts; text is written in quotes)",
        ],
    ),
    ("let x = 1_000", &["bad-token `1_000` `1_000` is no number (digits are not grouped)"]),
    (
        "let x = 0644",
        &[
            "bad-token `0644` the number `0644` starts with a zero (numbers are decimal; octal 0644 is 420)",
        ],
    ),
    (
        "let x = 1e3",
        &[
            "bad-token `1e3` `1e3` is no number (text and keys that start with a digit are written in quotes)",
        ],
    ),
    (
        "let x = 0xff",
        &[
            "bad-token `0xff` `0xff` is no number (text and keys that start with a digit are written in quotes)",
        ],
    ),
    (
        "let x = 5-3",
        &[
            "bad-token `5-3` `5-3` is no number (text and keys are written in quotes; a minus has a space on both sides)",
        ],
    ),
    (
        "let x = 1.2.3",
        &[
            "bad-token `1.2.3` `1.2.3` is no number (text and keys that start with a digit are written in quotes)",
        ],
    ),
    (
        "let x = 9223372036854775808",
        &[
            "number-out-of-range `9223372036854775808` `9223372036854775808` is too large for an Int (an Int has 64 bits: at most 9223372036854775807; text is written in quotes)",
        ],
    ),
    (
        "let x = -9223372036854775809",
        &[
            "number-out-of-range `9223372036854775809` `9223372036854775809` is too large for an Int (an Int has 64 bits: at most 9223372036854775807; text is written in quotes)",
        ],
    ),
    // Text.
    (
        "let x = \"a\nlet y = 1",
        &[
            "unterminated-string `\"a` this text has no closing quote (a text in quotes ends on its line; one of several lines is written `\"\"\"`)",
        ],
    ),
    (
        "request r: R { a = [\"x] }",
        &[
            "unterminated-string `\"x] }` this text has no closing quote (a text in quotes ends on its line; one of several lines is written `\"\"\"`)",
        ],
    ),
    (
        "let x = \"\\q\"",
        &["bad-escape `\\q` `\\q` is no escape (escapes are \\n \\t \\\" \\\\ \\$ \\u{…})"],
    ),
    (
        "let x = \"\\d+\"",
        &[
            "bad-escape `\\d` `\\d` is no escape (a pattern is written raw: `r\"…\"`; a backslash itself is `\\\\`)",
        ],
    ),
    (
        "let x = \"\\u{110000}\"",
        &["bad-escape `\\u` `\\u` names no character (write its number in hexadecimal: `\\u{e9}`)"],
    ),
    ("let x = \"${}\"", &["syntax-error `${}` a path is missing in `${}`"]),
    (
        "let x = \"${a b}\"",
        &[
            "syntax-error `a b` `${…}` holds a path such as `svc.name`, nothing else (give the value a name with `let` before, and write `${name}`)",
        ],
    ),
    ("let x = \"${a.}\"", &["syntax-error `.` a name is missing after `.`"]),
    (
        "let x = \"${f(\"y\")}\"",
        &[
            "syntax-error `f(\"y\")` `${…}` holds a path such as `svc.name`, nothing else (give the value a name with `let` before, and write `${name}`)",
        ],
    ),
    (
        "let x = \"${a\"",
        &[
            "unterminated-string `${` `${` is never closed (write `}` after the path; for the two characters themselves write `\\${`)",
        ],
    ),
    (
        "let x = \"\"\"\n  a\nlet y = 1",
        &[
            "unterminated-string `\"\"\"\n  a` this block of text has no closing `\"\"\"` (a line that starts in column 0 with a declaration word ends the block: indent the text)",
        ],
    ),
    (
        "let x = \"\"\"a\n  b\n  \"\"\"",
        &["syntax-error `a` the text of a block starts on the line after `\"\"\"`"],
    ),
    // Types.
    ("type X = String[]", &["syntax-error `String[]` a list of `String` is written `[String]`"]),
    (
        "type X = List<String>",
        &[
            "syntax-error `<` a type takes no parameters (a list is written `[T]`, a map `{String: T}`, what may be absent `T?`)",
        ],
    ),
    ("type X =", &["syntax-error `=` a type is missing after `=`"]),
    ("type X = A??", &["syntax-error `??` a type is optional once: `T?`"]),
    ("type X =\n    A", &["syntax-error `=` the type starts on the line of the `=`"]),
    (
        "type X = { a: B = 1 }",
        &[
            "syntax-error `=` a field of a record type has no default (a field of a `schema` has: name this type with `schema`)",
        ],
    ),
    (
        "type X = {A: B, C: D}",
        &[
            "syntax-error `C` a map has one type of key and one of value (fields of a record type start with a small letter or stand in quotes)",
        ],
    ),
    (
        "schema S { a?: B }",
        &["syntax-error `?` what may be absent has the `?` after its type: `a: T?`"],
    ),
    ("schema S { a = 1 }", &["syntax-error `a` a type is missing after `a` (write `a: T`)"]),
    ("schema S { a }", &["syntax-error `a` a type is missing after `a` (write `a: T`)"]),
    ("schema S { a B }", &["syntax-error `a` `:` is missing after `a`"]),
    (
        "schema S { advise a }",
        &["syntax-error `advise` the conditions of a schema are written `require`"],
    ),
    ("schema S { if a = 1 { } }", &["syntax-error `=` `=` sets a field, `==` compares"]),
    ("schema S { require a = 1 }", &["syntax-error `=` `=` sets a field, `==` compares"]),
    (
        "schema S { require a else b }",
        &[
            "syntax-error `else` a text in quotes is missing after `else` (it tells the reader why: `else \"…\"`)",
        ],
    ),
    ("schema S { if { } }", &["syntax-error `if` a value is missing after `if`"]),
    // Functions and patterns.
    ("fn f(a: A): B = a", &["syntax-error `:` the type of the result stands after `->`"]),
    ("fn f(a: A) = a", &["syntax-error `)` `-> T`, the type of the result, is missing after `)`"]),
    ("fn f(a) -> B = a", &["syntax-error `a` a type is missing after `a` (write `a: T`)"]),
    ("fn f(a: A) -> B { a }", &["syntax-error `{` the body of a function is one value after `=`"]),
    ("fn f(a: A) -> B =\n    a", &["syntax-error `=` the value starts on the line of the `=`"]),
    ("fn f -> B = a", &["syntax-error `f` `(` is missing after `f`"]),
    (
        "let x = match a { b => 1 }",
        &[
            "syntax-error `b` `b` is no pattern (text is written in quotes; a value of a type is `b: T`)",
        ],
    ),
    (
        "let x = match a { else => 1 }",
        &["syntax-error `else` `else` is no pattern (the arm for everything else is `_`)"],
    ),
    ("let x = match a { 1 -> 2 }", &["syntax-error `->` an arm is written `pattern => value`"]),
    ("let x = match a { 1: 2 }", &["syntax-error `:` an arm is written `pattern => value`"]),
    ("let x = match { 1 => 2 }", &["syntax-error `match` a value is missing after `match`"]),
    ("let x = match a", &["syntax-error `a` `{` is missing after `a`"]),
    // Statements.
    (
        "compose S as s { x = 1 }",
        &["syntax-error `x` `x` starts no statement (a value with a name is `let x = …`)"],
    ),
    ("compose S as s { emti a }", &["syntax-error `emti` `emti` starts no statement"]),
    ("compose S as s { emit }", &["syntax-error `emit` a value is missing after `emit`"]),
    (
        "compose S as s {\n    emit A\n        b = 1\n        c = 2\n}",
        &["syntax-error `b` `b` starts no statement (a value with a name is `let b = …`)"],
    ),
    ("compose S as s { for x in { } }", &["syntax-error `in` a value is missing after `in`"]),
    (
        "compose S as s { output x = 1 }",
        &["syntax-error `x` a type is missing after `x` (write `x: T`)"],
    ),
    ("compose S { }", &["syntax-error `S` `as` is missing after `S`"]),
    // Declarations.
    ("shcema S { a: B }", &["syntax-error `shcema` `shcema` starts no declaration"]),
    ("function f() -> A = a", &["syntax-error `function` `function` starts no declaration"]),
    ("def f() -> A = a", &["syntax-error `def` `def` starts no declaration"]),
    ("import a.b", &["syntax-error `import` `import` starts no declaration"]),
    (" let x = 1", &["syntax-error `let` a declaration starts at the beginning of its line"]),
    (
        "let x = 1 let y = 2",
        &[
            "syntax-error `let` `let` is not expected here (the declaration is complete before it; the next starts on a new line)",
        ],
    ),
    (
        "x = 1",
        &[
            "syntax-error `x = 1` this is no declaration (a value with a name is `let x = …`; fields stand in the braces of a declaration)",
        ],
    ),
    (
        "x: 1\ny: 2\nlet z = 1",
        &[
            "syntax-error `x: 1\ny: 2` this is no declaration (a declaration starts with `request`, `overlay`, `let`, `use`, `package`, `schema`, `type`, `environment`, `defaults`, `compose`, `fn`, `policy`, `adjust` or `test`)",
        ],
    ),
    (
        "just some words\nover two lines\nlet z = 1",
        &[
            "syntax-error `just some words\nover two lines` this is no declaration (a declaration starts with `request`, `overlay`, `let`, `use`, `package`, `schema`, `type`, `environment`, `defaults`, `compose`, `fn`, `policy`, `adjust` or `test`)",
        ],
    ),
    ("}\nlet z = 1", &["unclosed-bracket `}` this `}` closes nothing"]),
    ("let z = 1\n}", &["unclosed-bracket `}` this `}` closes nothing"]),
    ("schema\n", &["syntax-error `schema` a name is missing after `schema`"]),
    ("schema S\n{\n    a: B\n}", &["syntax-error `{` `{` stands at the end of the line before it"]),
    ("schema S\n    a: B\n}", &["syntax-error `S` `{` is missing after `S`"]),
    ("request r R { }", &["syntax-error `r` `:` is missing after `r`"]),
    ("request \"r\": R { }", &["syntax-error `\"r\"` a name is written without quotes"]),
    (
        "request r: R in \"prod\" { }",
        &["syntax-error `\"prod\"` an environment is written without quotes"],
    ),
    (
        "overlay r { }",
        &[
            "syntax-error `r` `in` is missing after `r` (an overlay says where it holds: `overlay shop in prod { … }`)",
        ],
    ),
    ("private\n", &["syntax-error `private` a declaration is missing after `private`"]),
    (
        "private private let x = 1",
        &["syntax-error `private` `private` stands once before a declaration"],
    ),
    ("abstract let x = 1", &["syntax-error `abstract` only an environment is abstract"]),
    ("@a(1)\n", &["syntax-error `)` a declaration is missing after the annotation"]),
    (
        "test { }",
        &[
            "syntax-error `test` a sentence in quotes is missing after `test` (`test \"what must hold\" in prod { … }`)",
        ],
    ),
    ("policy p for A { }", &["syntax-error `A` `as` is missing after `A`"]),
    ("use a.", &["syntax-error `.` a name is missing after `.`"]),
    ("use a..b", &["syntax-error `..` a name is missing between the dots"]),
    // Brackets.
    ("request r: R { a = [1, 2 }", &["unclosed-bracket `[` this `[` is never closed (write `]`)"]),
    (
        "request r: R { a = f(1, [2 }",
        &["unclosed-bracket `(` this `(` is never closed (write `])`)"],
    ),
    (
        "request r: R {\n    a = {\n        b = 1\n    c = 2\n}",
        &["unclosed-bracket `{` this `{` is never closed (write `}`)"],
    ),
    (
        "request r: R {\n    a = 1\nlet z = 1",
        &["unclosed-bracket `{` this `{` is never closed (write `}`)"],
    ),
    ("request r: R { a = 1) }", &["unclosed-bracket `)` this `)` closes nothing"]),
    ("let x = f(1, 2\nlet y = 1", &["unclosed-bracket `(` this `(` is never closed (write `)`)"]),
];

#[test]
fn every_slip_is_named_once_with_its_mend() {
    let mut wrong = String::new();
    for (text, expected) in SLIPS {
        let parse = parse(text);
        let found: Vec<String> = parse
            .errors
            .iter()
            .map(|error| {
                let place = &text[error.range.start as usize..error.range.end as usize];
                let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{} `{place}` {}{help}", error.code, error.message)
            })
            .collect();
        if found != *expected {
            wrong.push_str(&format!("    (\n        {text:?},\n        &[\n"));
            for line in &found {
                wrong.push_str(&format!("            {line:?},\n"));
            }
            wrong.push_str("        ],\n    ),\n");
        }
        let mut mended = text.to_string();
        let mut fixes: Vec<_> = parse.errors.iter().filter_map(|error| error.fix.clone()).collect();
        if fixes.is_empty() || fixes.len() < parse.errors.len() || mends_with_a_hole(&fixes) {
            continue;
        }
        fixes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        for (range, text) in fixes {
            mended.replace_range(range.start as usize..range.end as usize, &text);
        }
        let after = super::parse(&mended);
        if !after.errors.is_empty() {
            wrong.push_str(&format!(
                "    // {text:?} is not mended by {mended:?}: {}",
                shown_errors(&mended, &after)
            ));
        }
    }
    assert!(wrong.is_empty(), "what is said:\n{wrong}");
}

/// Whether the mend leaves the value for the writer: `replicas = `.
fn mends_with_a_hole(fixes: &[(TextRange, String)]) -> bool {
    fixes.iter().any(|(_, text)| text == " = ")
}
