//! Formatting, on everything that is written in Plumb here: it keeps what is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plumb_compiler::Database;
use plumb_compiler::format;
use plumb_compiler::syntax::{TokenKind, parse, tokens};
use plumb_tests::documents::{Files, blocks, root, write};

/// Every file below a folder whose name ends so.
fn below(folder: &str, end: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, end, found);
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), end, &mut found);
    assert!(!found.is_empty(), "{folder}");
    found
}

/// The files that are to be read, and those in documents, each by its place.
fn shown() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for folder in ["examples", "stdlib", "cli/templates"] {
        for path in below(folder, ".plumb") {
            texts.insert(path.display().to_string(), fs::read_to_string(path).unwrap());
        }
    }
    let mut documents = below("docs", ".md");
    documents.push(root().join("README.md"));
    texts.extend(documents.iter().flat_map(|path| in_document(path)));
    texts
}

/// The blocks of a document that are Plumb.
fn in_document(path: &Path) -> Vec<(String, String)> {
    let found = blocks(&fs::read_to_string(path).unwrap());
    let plumb = found.into_iter().filter(|it| it.language.split(' ').next() == Some("plumb"));
    plumb.map(|it| (format!("{}:{}", path.display(), it.line), it.text)).collect()
}

/// What a text says, and its comments.
fn meaning(text: &str) -> (String, Vec<&str>) {
    let parse = parse(text);
    let items = parse.items.iter().map(|it| format!("{:?} {:?}\n", it.item, it.docs)).collect();
    let tokens = tokens(text);
    let comments = tokens.iter().filter(|it| {
        matches!(it.kind, TokenKind::Comment | TokenKind::Doc | TokenKind::ForeignComment)
    });
    let text = |range: plumb_compiler::syntax::ast::TextRange| {
        text[range.start as usize..range.end as usize].trim_end()
    };
    (items, comments.map(|it| text(it.range)).collect())
}

#[test]
fn what_is_shown_to_people_is_in_the_style() {
    let mut wrong = String::new();
    for (place, text) in shown() {
        let formatted = format(&text);
        if formatted.text != text {
            wrong += &format!("\n{place}: `plumb fmt` writes\n{}", formatted.text);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn whatever_is_written_in_plumb_says_the_same_in_the_style() {
    let mut texts = shown();
    texts.extend(below("tests/suite", ".md").iter().flat_map(|path| in_document(path)));
    for path in below("compiler/tests/data", ".plumb") {
        texts.insert(path.display().to_string(), fs::read_to_string(path).unwrap());
    }
    assert!(texts.len() > 600, "{}", texts.len());
    for (place, text) in texts {
        let formatted = format(&text);
        assert_eq!(meaning(&formatted.text), meaning(&text), "{place}");
        assert_eq!(format(&formatted.text).text, formatted.text, "{place}");
        assert_eq!(formatted.left.is_empty(), parse(&text).errors.is_empty(), "{place}");
    }
}

/// The text with other blanks where blanks mean nothing: no indentation but what keeps words out of
/// the first column, commas and empty lines as nobody writes them.
fn mangled(text: &str) -> String {
    let mut out = String::new();
    let tokens = tokens(text);
    for (number, token) in tokens.iter().enumerate() {
        let slice = &text[token.range.start as usize..token.range.end as usize];
        match token.kind {
            TokenKind::Whitespace => out.push_str(if number % 3 == 0 { " \t " } else { " " }),
            TokenKind::Newline => out.push_str(if number % 5 == 0 { " \r\n\n\n" } else { "\n" }),
            TokenKind::Comma if number % 2 == 0 => out.push_str("\n ,"),
            TokenKind::LeftBrace | TokenKind::RightBrace
                if number % 2 == 0 && !out.ends_with('\n') =>
            {
                out.push_str("  ");
                out.push_str(slice);
            }
            _ => out.push_str(slice),
        }
    }
    out
}

/// What every environment of a workspace builds to.
fn built(files: &Files) -> Vec<String> {
    let folder = write(files);
    let loaded = plumb_workspace::load(folder.path()).unwrap();
    let db = Database::default();
    let workspace = loaded.open(&db);
    let environments = plumb_compiler::environments(&db, workspace);
    assert!(!environments.is_empty());
    environments
        .iter()
        .map(|environment| {
            let build = plumb_compiler::build(&db, workspace, environment);
            assert!(build.findings.is_empty(), "{:?}", build.findings);
            let objects: Vec<_> = build.manifests.into_iter().map(|it| it.object).collect();
            let mut out = String::new();
            plumb_compiler::yaml::write_stream(&mut out, &objects);
            out
        })
        .collect()
}

#[test]
fn the_example_builds_to_the_same_however_its_blanks_are_and_once_it_is_formatted() {
    let example = root().join("examples/acme");
    let files: Files = below("examples/acme", "")
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&example).unwrap().display().to_string();
            (name, fs::read(path).unwrap())
        })
        .collect();
    let change = |change: &dyn Fn(&str) -> String| -> Files {
        let text = |content: &Vec<u8>| String::from_utf8(content.clone()).unwrap();
        let all = files.iter().map(|(name, content)| match name.ends_with(".plumb") {
            true => (name.clone(), change(&text(content)).into_bytes()),
            false => (name.clone(), content.clone()),
        });
        all.collect()
    };
    let expected = built(&files);
    let ugly = change(&mangled);
    assert_ne!(ugly, files);
    assert_eq!(built(&ugly), expected);
    let mended = change(&|text| {
        let formatted = format(&mangled(text));
        assert_eq!(formatted.left, []);
        formatted.text
    });
    assert_ne!(mended, ugly);
    assert_eq!(built(&mended), expected);
}
