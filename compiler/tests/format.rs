//! The one style, case by case.
//!
//! `format/*.txt` hold cases: a title, a text, and after `--- is written` how it is written; without
//! that part the text is in the style already. After a change that is meant, `PLUMB_BLESS=1 cargo test
//! -p plumb-compiler --test format` writes what follows the mark anew; read the difference before it
//! is kept.

#![allow(clippy::disallowed_methods, reason = "a test reads its cases from files")]

use plumb_compiler::format;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const MARK: &str = "--- is written\n";

struct Case {
    title: String,
    before: String,
    /// `None`: as before.
    after: Option<String>,
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Blanks at the ends of lines cannot be seen: `·` stands for them.
fn cases(text: &str) -> Vec<Case> {
    let parts = text.split("=== ").skip(1);
    parts
        .map(|part| {
            let (title, body) = part.split_once('\n').expect("a title ends its line");
            let (before, after) = match body.split_once(MARK) {
                Some((before, after)) => (before, Some(after)),
                None => (body, None),
            };
            // An empty line parts the cases.
            let end = |text: &str| format!("{}\n", text.trim_end_matches('\n'));
            let before = end(before).replace('·', " ");
            Case { title: title.to_owned(), before, after: after.map(end) }
        })
        .collect()
}

#[test]
fn every_case_is_written_as_it_says() {
    let bless = std::env::var_os("PLUMB_BLESS").is_some();
    let mut wrong = String::new();
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut blessed = Vec::new();
        for case in cases(&text) {
            let written = format(&case.before).text;
            let again = format(&written).text;
            assert_eq!(written, again, "{}: written twice", case.title);
            let expected = case.after.as_ref().unwrap_or(&case.before);
            if written != *expected {
                write!(wrong, "\n=== {}\n{written}--- instead of\n{expected}", case.title).unwrap();
            }
            let shown = case.before.replace(" \n", "·\n");
            let after =
                if written == case.before { String::new() } else { MARK.to_owned() + &written };
            blessed.push(format!("=== {}\n{shown}{after}", case.title));
        }
        if bless {
            std::fs::write(&path, blessed.join("\n")).unwrap();
        }
    }
    assert!(bless || wrong.is_empty(), "{wrong}");
}
