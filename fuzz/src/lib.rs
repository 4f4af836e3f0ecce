//! What the fuzz targets hold every input against.

use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, build, check, environments, format, yaml};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The texts of a workspace, by path.
pub type Sources = BTreeMap<String, String>;

/// A small platform, so that an input can be a request at once.
const PLATFORM: [(&str, &str); 2] = [
    ("platform/env.plumb", include_str!("../../compiler/tests/errors/platform/env.plumb")),
    ("platform/web.plumb", include_str!("../../compiler/tests/errors/platform/web.plumb")),
];

/// The line that begins another file in an input: `// file: apps/b.plumb`.
const FILE: &str = "// file: ";

/// The files of an input beside the small platform; the first is a request's unless it says otherwise.
pub fn sources(text: &str) -> Sources {
    let mut files: Sources =
        PLATFORM.iter().map(|(path, text)| ((*path).to_string(), (*text).to_string())).collect();
    let mut path = "apps/shop/shop.plumb".to_string();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix(FILE) {
            // What is no path of a source stays what it is: a comment.
            Some(named) if named.trim_end().ends_with(".plumb") && files.len() < 8 => {
                path = named.trim_end().to_string();
                files.insert(path.clone(), String::new());
            }
            _ => files.entry(path.clone()).or_default().push_str(line),
        }
    }
    files
}

/// A database with these files.
pub fn open(sources: &Sources) -> (Database, Workspace) {
    let db = Database::default();
    let files = sources
        .iter()
        .map(|(path, text)| {
            let text = Content::Text(Arc::from(text.as_str()));
            (Name::from(path.as_str()), SourceFile::new(&db, path.as_str().into(), text))
        })
        .collect();
    let workspace = Workspace::new(&db, Arc::new(files), 36);
    (db, workspace)
}

/// Checks a workspace, and that each finding has a place in its files.
pub fn checked(sources: &Sources) {
    let (db, workspace) = open(sources);
    for finding in check(&db, workspace) {
        holds(sources, &finding);
    }
}

/// Builds every environment: what is written is read back, a request with an error has nothing, and the
/// same is written where every file is formatted first.
pub fn built(sources: &Sources) {
    let formatted = sources.iter().map(|(path, text)| (path.clone(), format(text).text)).collect();
    assert_eq!(manifests(sources), manifests(&formatted), "formatting changes what is built");
}

/// The manifests of every environment as text.
fn manifests(sources: &Sources) -> Vec<String> {
    let (db, workspace) = open(sources);
    let findings = check(&db, workspace);
    let mut texts = Vec::new();
    for environment in environments(&db, workspace) {
        let made = build(&db, workspace, &environment);
        made.findings.iter().for_each(|finding| holds(sources, finding));
        for manifest in &made.manifests {
            let mut text = String::new();
            yaml::write_document(&mut text, &manifest.object);
            let read = yaml::read(&text, manifest.object.origin)
                .unwrap_or_else(|why| panic!("{why}:\n{text}"));
            let mut again = String::new();
            yaml::write_document(&mut again, &read);
            assert_eq!(text, again, "reads back as something else");
            texts.push(format!("{environment}: {text}"));
        }
        if findings.is_empty() {
            assert!(made.blocked.is_empty(), "blocked, and nothing said: {:?}", made.blocked);
        }
    }
    texts
}

fn holds(sources: &Sources, finding: &Finding) {
    let is_in = |place: &Location| {
        let range = place.range.start as usize..place.range.end as usize;
        let text = sources.get(place.path.as_str());
        assert!(text.is_some_and(|text| text.get(range).is_some()), "no such place: {finding:?}");
    };
    finding.location.iter().for_each(is_in);
    finding.related.iter().for_each(|(place, _)| is_in(place));
    finding.fixes.iter().flat_map(|fix| &fix.edits).for_each(|(place, _)| is_in(place));
    assert!(!finding.message.trim().is_empty() && !finding.message.contains('\n'), "{finding:?}");
}

/// An origin for values that no declaration made.
pub fn origin() -> plumb_compiler::value::Origin {
    use plumb_compiler::names::environment_order;
    use std::sync::OnceLock;
    static ORIGIN: OnceLock<plumb_compiler::value::Origin> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let (db, workspace) = open(&sources(""));
        let item = environment_order(&db, workspace)[0];
        plumb_compiler::value::Origin { item, node: plumb_compiler::syntax::ast::NodeId(0) }
    })
}
