//! A warm database against a cold one: after any edit both must say and print the same.

use crate::edits::{Files, edit};
use crate::generate::{Dice, generate};
use crate::{number, render};
use plumb_compiler::answers::Finding;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, build, check, environments, yaml};
use salsa::Setter;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// How many edits one workspace lives through.
const EDITS: u64 = 12;

#[test]
fn after_every_edit_a_warm_database_answers_as_a_cold_one_does() {
    let seed = number("PLUMB_ORACLE_SEED", 1);
    let edits = number("PLUMB_ORACLE_EDITS", 180);
    println!("PLUMB_ORACLE_SEED={seed} PLUMB_ORACLE_EDITS={edits}");
    for index in 0..edits.div_ceil(EDITS) {
        let mut dice = Dice::new(seed, index);
        let sound = render::render(&generate(&mut dice)).files;
        let mut files = sound.clone();
        let mut warm = Host::new(&files);
        let mut history = Vec::new();
        warm.answers();
        for _ in 0..EDITS {
            let before = files.clone();
            history.push(edit(&mut dice, &mut files, &sound));
            warm.set(&files);
            // Now and then several edits come before the next question.
            if dice.chance(20) {
                continue;
            }
            let (found, expected) = (warm.answers(), Host::new(&files).answers());
            assert!(
                found == expected,
                "seed {seed}, workspace {index}, after {history:?}\n{}\n{}",
                shown(&before, &files),
                difference(&expected, &found),
            );
        }
    }
}

/// Everything a host can be told: what is wrong, and the bytes of each environment.
type Answers = (Vec<Finding>, BTreeMap<Name, (String, Vec<Name>)>);

struct Host {
    db: Database,
    workspace: Workspace,
    files: BTreeMap<String, SourceFile>,
}

impl Host {
    fn new(files: &Files) -> Self {
        let db = Database::default();
        let workspace = Workspace::new(&db, Arc::default(), 36);
        let mut host = Host { db, workspace, files: BTreeMap::new() };
        host.set(files);
        host
    }

    /// Sets what differs, as a host does that watches a folder. A file that comes back is the one that
    /// it was.
    fn set(&mut self, files: &Files) {
        for (path, text) in files {
            let content = Content::Text(text.as_str().into());
            match self.files.get(path) {
                Some(file) if *file.content(&self.db) == content => {}
                Some(file) => {
                    file.set_content(&mut self.db).to(content);
                }
                None => {
                    let file = SourceFile::new(&self.db, path.as_str().into(), content);
                    self.files.insert(path.clone(), file);
                }
            }
        }
        let now: BTreeMap<Name, SourceFile> =
            files.keys().map(|path| (Name::from(path.as_str()), self.files[path])).collect();
        if **self.workspace.files(&self.db) != now {
            self.workspace.set_files(&mut self.db).to(Arc::new(now));
        }
    }

    fn answers(&self) -> Answers {
        let made = environments(&self.db, self.workspace).into_iter().map(|environment| {
            let made = build(&self.db, self.workspace, &environment);
            let mut text = String::new();
            yaml::write_stream(&mut text, made.manifests.iter().map(|it| &it.object));
            (environment, (text, made.blocked))
        });
        let made = made.collect();
        (check(&self.db, self.workspace), made)
    }
}

/// The files, with what they were before the last edit where that differs.
fn shown(before: &Files, files: &Files) -> String {
    let mut out = String::new();
    for (path, text) in files {
        match before.get(path) {
            Some(before) if before != text => {
                let _ = writeln!(out, "---- {path}, before\n{before}\n---- {path}, now\n{text}");
            }
            _ => {
                let _ = writeln!(out, "---- {path}\n{text}");
            }
        }
    }
    out
}

fn difference(expected: &Answers, found: &Answers) -> String {
    let mut out = String::new();
    for it in expected.0.iter().filter(|it| !found.0.contains(it)) {
        let _ = writeln!(out, "  cold only: {it:?}");
    }
    for it in found.0.iter().filter(|it| !expected.0.contains(it)) {
        let _ = writeln!(out, "  warm only: {it:?}");
    }
    for (environment, cold) in &expected.1 {
        match found.1.get(environment) {
            Some(warm) if warm == cold => {}
            warm => {
                let _ = writeln!(out, "  {environment}: cold {cold:?}\n  warm {warm:?}");
            }
        }
    }
    out
}
