//! What the documents show is what the compiler does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plumb_compiler::Database;
use plumb_compiler::answers::Finding;
use plumb_compiler::diagnostics::{Severity, code};
use plumb_tests::documents::{Block, Files, blocks, root, write};

/// A diagnostic as a failed test shows it.
fn show(finding: &Finding) -> String {
    let place = finding.location.as_ref();
    let place = place.map_or("?".into(), |it| format!("{}:{}", it.path, it.range.start));
    let help = finding.help.as_deref().unwrap_or("");
    format!("\n  {place}: {} [{}] {help}", finding.message, finding.code)
}

fn show_all(findings: &[Finding]) -> String {
    findings.iter().map(show).collect()
}

/// Everything that is wrong with a workspace.
fn check(files: &Files) -> Vec<Finding> {
    let folder = write(files);
    let loaded = plumb_workspace::load(folder.path()).expect("the workspace can be read");
    let db = Database::default();
    let workspace = loaded.open(&db);
    let mut findings = loaded.findings.clone();
    findings.extend(plumb_compiler::check(&db, workspace));
    findings
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The workspace that the examples of the documents stand in.
fn surroundings() -> Files {
    let document = read("docs/diagnostics/README.md");
    blocks(&document)
        .iter()
        .filter(|block| block.marker("file").is_some())
        .map(Block::file)
        .collect()
}

/// The workspace around the examples with the files of these blocks. Several blocks of one file are
/// its parts.
fn with<'b>(found: impl IntoIterator<Item = &'b Block>) -> Files {
    let mut written = Files::new();
    for block in found {
        let (path, mut content) = block.file();
        written.entry(path).or_default().append(&mut content);
    }
    let mut files = surroundings();
    files.extend(written);
    files
}

#[test]
fn the_workspace_around_the_examples_has_no_mistake() {
    let findings = check(&surroundings());
    assert!(findings.is_empty(), "{}", show_all(&findings));
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes: BTreeSet<String> = code::CODES.iter().map(ToString::to_string).collect();
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(root().join("docs/diagnostics")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".md").expect("only pages in docs/diagnostics");
        if name != "README" {
            pages.insert(name.to_owned());
        }
    }
    assert_eq!(
        codes.difference(&pages).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "codes without a page"
    );
    assert_eq!(
        pages.difference(&codes).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "pages without a code"
    );
}

#[test]
fn every_mistake_of_a_page_yields_its_code_and_every_mend_nothing() {
    let mut wrong = String::new();
    // Of a mistake of Plumb itself there is none to show.
    for code in code::CODES.iter().filter(|code| **code != code::INTERNAL_ERROR) {
        let document = read(format!("docs/diagnostics/{code}.md"));
        if !document.starts_with(&format!("# {code}\n\n")) {
            wrong += &format!("\n{code}: the title is `# {code}`");
        }
        let found = blocks(&document);
        let part = |heading: &'static str| found.iter().filter(move |it| it.heading == heading);
        if part("The mistake").next().is_none() || part("The mend").next().is_none() {
            wrong += &format!(
                "\n{code}: a page has `## The mistake` and `## The mend`, each with a block"
            );
            continue;
        }
        let findings = check(&with(part("The mistake")));
        if !findings.iter().any(|it| it.code == *code) {
            wrong += &format!("\n{code}: the mistake does not yield it:{}", show_all(&findings));
        }
        let others: Vec<Finding> = findings
            .into_iter()
            .filter(|it| it.code != *code && it.severity == Severity::Error)
            .collect();
        if !others.is_empty() {
            wrong +=
                &format!("\n{code}: the mistake yields other errors too:{}", show_all(&others));
        }
        let findings = check(&with(part("The mend")));
        if !findings.is_empty() {
            wrong += &format!("\n{code}: the mend is none:{}", show_all(&findings));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The blocks under one heading are the files of one workspace. One that begins with `// error: code`
/// stands in for a file of it and has this mistake and no other.
#[test]
fn every_example_of_the_reference_does_what_it_says() {
    let document = read("docs/language.md");
    let found: Vec<Block> =
        blocks(&document).into_iter().filter(|it| it.language != "text").collect();
    let mut wrong = String::new();
    for part in found.chunk_by(|a, b| a.heading == b.heading) {
        let (mistaken, sound): (Vec<&Block>, Vec<&Block>) =
            part.iter().partition(|it| it.marker("error").is_some());
        let findings = check(&with(sound.iter().copied()));
        if !findings.is_empty() {
            wrong += &format!("\n{}: mistakes:{}", part[0].heading, show_all(&findings));
        }
        for block in mistaken {
            let mut files = with(sound.iter().copied());
            files.extend([block.file()]);
            let findings = check(&files);
            let code = block.marker("error").unwrap_or_default();
            if findings.is_empty() || findings.iter().any(|it| it.code.as_str() != code) {
                wrong +=
                    &format!("\nline {}: not {code} alone:{}", block.line, show_all(&findings));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_example_of_the_style_has_no_mistake() {
    let found = blocks(&read("docs/formatting.md"));
    let findings = check(&with(found.iter().filter(|it| it.language == "plumb")));
    assert!(findings.is_empty(), "{}", show_all(&findings));
}

/// README's blocks of Plumb and TOML are a workspace, its block of YAML is what `plumb build --env prod`
/// prints for it.
#[test]
fn the_example_of_the_readme_builds_to_what_it_shows() {
    let found = blocks(&read("README.md"));
    let files: Files =
        found.iter().filter(|it| it.marker("file").is_some()).map(Block::file).collect();
    let shown: Vec<&Block> = found.iter().filter(|it| it.language == "yaml").collect();
    assert_eq!(shown.len(), 1, "README shows one output");

    let findings = check(&files);
    assert!(findings.is_empty(), "{}", show_all(&findings));
    let folder = write(&files);
    let loaded = plumb_workspace::load(folder.path()).unwrap();
    let db = Database::default();
    let workspace = loaded.open(&db);
    let build = plumb_compiler::build(&db, workspace, "prod");
    let mut built = String::new();
    for manifest in &build.manifests {
        built.push_str("---\n");
        plumb_compiler::yaml::write_document(&mut built, &manifest.object);
    }
    assert_eq!(shown[0].text, built, "README shows\n{}\nbut Plumb builds\n{built}", shown[0].text);
}

/// Every Markdown file of the repository's own.
fn documents() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found
}

/// The targets of the links of a document, `[text](target)`, outside of its blocks.
fn links(document: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        if inside {
            continue;
        }
        for rest in line.split("](").skip(1) {
            found.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

/// The anchors that a document sets by itself: `<a id="layers"></a>`.
fn anchors(document: &str) -> Vec<&str> {
    document
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(id, _)| id))
        .collect()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut broken = String::new();
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        for target in links(&document).iter().filter(|it| !it.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.with_file_name("").join(file),
            };
            let there = match fs::read_to_string(&file) {
                Ok(text) => anchor.is_empty() || anchors(&text).contains(&anchor),
                // A directory, or a picture.
                Err(_) => anchor.is_empty() && file.exists(),
            };
            if !there {
                broken += &format!("\n{}: {target}", path.display());
            }
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn every_section_of_the_reference_has_an_anchor_of_its_own() {
    let document = read("docs/language.md");
    let lines: Vec<&str> = document.lines().collect();
    let mut inside = false;
    for (index, line) in lines.iter().enumerate() {
        inside ^= line.starts_with("```");
        if !inside && line.starts_with("##") {
            let above = index.checked_sub(1).map_or("", |it| lines[it]);
            assert!(
                above.starts_with("<a id=\""),
                "line {}: {line} has no anchor above it",
                index + 1
            );
        }
    }
    let anchors = anchors(&document);
    let distinct: BTreeSet<&&str> = anchors.iter().collect();
    assert_eq!(distinct.len(), anchors.len(), "an anchor stands twice");
}
