//! Every question at every place, whatever the text; and names that change leave the meaning as it is.

use super::cursor::Cursor;
use super::fixture::{Fixture, SHOP};
use super::meaning::{Reading, Symbol};
use super::rename::Renaming;
use super::{actions, calls, colors, format, navigate, outline, references, rename, signature};
use plumb_compiler::Database;
use plumb_compiler::diagnostics::{Place, code};
use plumb_compiler::engine::location;
use plumb_compiler::items::keyed_items;
use plumb_compiler::source::{Content, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Name, TextRange};
use salsa::Setter;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Asks everything at the cursor; what is answered are places of the texts.
fn ask_all(it: &Fixture) {
    let Fixture { db, workspace, file, offset, texts } = it;
    let (workspace, file, offset) = (*workspace, *file, *offset);
    let path = file.path(db);
    let text = &texts[path];
    let is_place = |path: &Name, at: TextRange| {
        assert!(texts[path].get(at.start as usize..at.end as usize).is_some(), "{path} {at:?}");
    };
    for ask in [navigate::definition, navigate::implementation, navigate::type_definition] {
        if let Some(way) = ask(db, workspace, file, offset) {
            is_place(path, way.from);
            way.to.iter().for_each(|it| is_place(&it.path, it.range));
        }
    }
    for found in references::references_at(db, workspace, file, offset) {
        is_place(&found.location.path, found.location.range);
    }
    references::highlights(db, workspace, file, offset);
    if rename::prepare(db, workspace, file, offset).is_ok()
        && let Ok(found) = rename::rename(db, workspace, file, offset, "other-name", true)
    {
        found.edits.iter().for_each(|(it, _)| is_place(&it.path, it.range));
    }
    if calls::prepare(db, workspace, file, offset).is_some() {
        calls::incoming(db, workspace, file, offset);
        calls::outgoing(db, workspace, file, offset);
    }
    signature::signature_at(db, workspace, file, offset);
    outline::selections(db, file, offset).iter().for_each(|it| is_place(path, *it));
    for letter in ["}", "\n"] {
        format::typed(text, offset, letter).iter().for_each(|(it, _)| is_place(path, *it));
    }
    let line = TextRange::new(offset, (offset + 9).min(text.len() as u32));
    let findings = plumb_compiler::check_only(db, workspace, |it| it == path);
    for action in actions::actions(db, workspace, file, line, &findings) {
        action.edits.iter().for_each(|(it, _)| is_place(&it.path, it.range));
    }
}

/// Asks what is asked of a whole file.
fn ask_of_file(it: &Fixture) {
    let Fixture { db, workspace, file, texts, .. } = it;
    let text = &texts[file.path(db)];
    outline::outline(db, *file);
    outline::folds(db, *file);
    navigate::links(db, *workspace, *file);
    for it in colors::colors(db, *workspace, *file, TextRange::new(0, text.len() as u32)) {
        assert!(text.get(it.range.start as usize..it.range.end as usize).is_some());
    }
}

#[test]
fn any_place_of_any_text_can_be_asked_about() {
    let text = format!(
        "{SHOP}use platform\nrequest x: platform.Web {{\n    env = {{ A = \"a ${{cart.url}} ä\", B = none }}\n}}\n"
    );
    for (start, _) in text.match_indices("---- ") {
        let body = &text[start..];
        let end = body[5..].find("---- ").map_or(body.len(), |it| it + 5);
        let first = body.find('\n').unwrap_or(0) + 1;
        for (at, _) in body[..end].char_indices().skip(first).step_by(13) {
            let (before, after) = text.split_at(start + at);
            for text in
                [format!("{before}$0{after}"), format!("{before}$0\n{}", &text[start + end..])]
            {
                let it = Fixture::new(&text);
                ask_all(&it);
                ask_of_file(&it);
            }
        }
    }
}

/// The texts of the example, as one workspace.
fn example() -> BTreeMap<Name, String> {
    fn read(root: &Path, folder: &Path, texts: &mut BTreeMap<Name, String>) {
        for entry in std::fs::read_dir(folder).expect("the example is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                read(root, &path, texts);
            } else if path.file_name().is_some_and(|it| it != "plumb.toml") {
                let name = path.strip_prefix(root).expect("it is below").to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("it is a text");
                texts.insert(name.as_ref().into(), text);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/acme");
    let mut texts = BTreeMap::new();
    read(&root, &root, &mut texts);
    texts
}

fn workspace(db: &Database, texts: &BTreeMap<Name, String>) -> Workspace {
    let files: BTreeMap<Name, SourceFile> = texts
        .iter()
        .map(|(path, text)| {
            let content = Content::Text(text.as_str().into());
            (path.clone(), SourceFile::new(db, path.clone(), content))
        })
        .collect();
    Workspace::new(db, Arc::new(files), 36)
}

/// What the example builds in prod.
fn built(db: &Database, workspace: Workspace) -> String {
    let mut text = String::new();
    for manifest in plumb_compiler::build(db, workspace, "prod").manifests {
        plumb_compiler::yaml::write_document(&mut text, &manifest.object);
    }
    text
}

/// Whatever in the example can be renamed gets another name: nothing is wrong then, and what is built is the
/// same, but for the names that manifests show.
#[test]
fn whatever_is_renamed_means_the_same() {
    let mut db = Database::default();
    let of = workspace(&db, &example());
    assert_eq!(plumb_compiler::check(&db, of), []);
    let before = built(&db, of);
    let names = rename_all(&mut db, of, |db, symbol| !is_shown(db, symbol));
    assert!(names > 100, "{names}");
    assert_eq!(plumb_compiler::check(&db, of), []);
    assert_eq!(built(&db, of), before);
    assert!(rename_all(&mut db, of, is_shown) > 10);
    let mut findings = plumb_compiler::check(&db, of);
    // What a team's request is called is what a condition is about.
    findings.retain(|it| it.code != code::CONDITION_FAILED);
    assert_eq!(findings, []);
}

/// Whether manifests show what something is called.
fn is_shown(db: &Database, symbol: &Symbol) -> bool {
    let kinds = [Kind::Request, Kind::Environment];
    matches!(symbol, Symbol::Item(id) if kinds.contains(&id.kind(db)))
}

/// Gives another name to every word of a workspace that is chosen and can have one; how many.
fn rename_all(
    db: &mut Database,
    of: Workspace,
    is_chosen: fn(&Database, &Symbol) -> bool,
) -> usize {
    let mut renamed = 0;
    let mut files: Vec<SourceFile> = of.files(db).values().copied().collect();
    files.retain(|it| it.path(db).ends_with(".plumb"));
    for file in &files {
        // Other names leave the number of things and their order alone.
        for index in 0..keyed_items(db, *file).len() {
            for word in 0.. {
                let id = keyed_items(db, *file)[index];
                let reading = Reading::new(db, of, id).expect("it is there");
                let Some(found) = reading.occurrences().into_iter().nth(word) else { break };
                let called = found.symbol.name(db, of);
                if !is_chosen(db, &found.symbol) || called.to_lowercase().starts_with("zz") {
                    continue;
                }
                let at = location(db, Place::Node(id, found.node)).range;
                let cursor = Cursor::at(db, of, *file, at.start + 1);
                if cursor.and_then(|it| it.occurrence()).is_none_or(|it| it.symbol != found.symbol)
                {
                    continue;
                }
                let first = called.chars().next().unwrap_or_default();
                let name = if first.is_uppercase() { "Zz" } else { "zz" };
                let name = format!("{name}{renamed}");
                let Ok(Renaming { mut edits, moves: None }) =
                    rename::rename(db, of, *file, at.start + 1, &name, true)
                else {
                    continue;
                };
                renamed += 1;
                edits.sort_by_key(|(at, _)| std::cmp::Reverse(at.range.start));
                for (at, new) in edits {
                    let file = of.files(db)[&at.path];
                    let mut text = super::references::text_of(db, file).to_owned();
                    text.replace_range(at.range.start as usize..at.range.end as usize, &new);
                    file.set_content(db).to(Content::Text(text.into()));
                }
            }
        }
    }
    renamed
}
