//! Writes the corpus that fuzzing begins with: every Plumb text of the project, and every block of YAML in
//! its documents.

use std::fs;
use std::path::{Path, PathBuf};

/// The line that begins another file in an input.
const FILE: &str = "// file: ";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut plumb, mut yaml) = (Vec::new(), Vec::new());
    for folder in ["compiler", "docs", "examples", "stdlib", "tests", "cli", "README.md"] {
        collect(&root.join(folder), &mut plumb, &mut yaml);
    }
    for target in ["parse", "check", "builds", "format", "shortcuts"] {
        write(target, &plumb);
    }
    write("yaml", &yaml);
}

fn write(target: &str, texts: &[String]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder for the corpus");
    for (number, text) in texts.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:04}")), text).expect("a seed");
    }
    println!("{} seeds for {target}", texts.len());
}

fn collect(path: &Path, plumb: &mut Vec<String>, yaml: &mut Vec<String>) {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).expect("a folder").map(|it| it.expect("an entry").path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| collect(entry, plumb, yaml));
        return;
    }
    let Ok(text) = fs::read_to_string(path) else { return };
    match path.extension().and_then(|it| it.to_str()) {
        Some("plumb") => plumb.push(text),
        Some("yaml") => yaml.extend(text.split("---\n").map(str::to_string)),
        Some("md") => {
            blocks(&text, plumb, yaml);
            // A heading of the suite is a workspace.
            for heading in text.split("\n## ").skip(1) {
                let mut files = Vec::new();
                blocks(heading, &mut files, &mut Vec::new());
                plumb.push(files.iter().map(|it| within(FILE, it)).collect());
            }
        }
        // The cases of mistakes and of the style.
        Some("txt") => {
            for case in text.split("=== ").skip(1) {
                let case = case.split_once('\n').map_or("", |(_, text)| text);
                let (before, _) = case.split_once("--- is written\n").unwrap_or((case, ""));
                plumb
                    .push(before.replace("\n--- ", &format!("\n{FILE}")).replacen("--- ", FILE, 1));
            }
        }
        _ => {}
    }
}

/// A block with the line that says which file it is; a request's where it has none.
fn within(line: &str, block: &str) -> String {
    if block.starts_with(line) {
        block.to_string()
    } else {
        format!("{line}apps/shop/shop.plumb\n{block}")
    }
}

/// The fenced blocks of a document.
fn blocks(text: &str, plumb: &mut Vec<String>, yaml: &mut Vec<String>) {
    let mut block: Option<(&str, String)> = None;
    for line in text.split_inclusive('\n') {
        match (line.strip_prefix("```"), &mut block) {
            (Some(info), None) => block = Some((info.trim(), String::new())),
            (Some(_), Some((info, body))) => {
                match info.split(' ').next() {
                    Some("plumb") => plumb.push(std::mem::take(body)),
                    Some("yaml" | "json") => yaml.push(std::mem::take(body)),
                    _ => {}
                }
                block = None;
            }
            (None, Some((_, body))) => body.push_str(line),
            (None, None) => {}
        }
    }
}
