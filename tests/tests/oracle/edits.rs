//! Edits of a workspace's text, sound and not, as somebody who types makes them.

use crate::generate::Dice;
use std::collections::BTreeMap;

pub(crate) type Files = BTreeMap<String, String>;

/// The words that a declaration begins with.
const WORDS: [&str; 12] = [
    "use ",
    "package ",
    "let ",
    "schema ",
    "abstract ",
    "environment ",
    "defaults ",
    "compose ",
    "request ",
    "overlay ",
    "type ",
    "fn ",
];

/// One edit. `sound` is what the files were before the last one that broke something.
pub(crate) fn edit(dice: &mut Dice, files: &mut Files, sound: &Files) -> &'static str {
    let paths: Vec<String> = files.keys().cloned().collect();
    if paths.is_empty() || dice.chance(12) {
        files.clone_from(sound);
        return "repair everything";
    }
    let path = dice.pick(&paths).clone();
    let text = files[&path].clone();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let line = dice.below(lines.len());
    let (what, changed) = match dice.below(14) {
        0 | 1 => ("change a value", with_another_value(dice, &text)),
        2 => ("change another word", with_words_exchanged(dice, &text)),
        3 => ("delete a token", without_token(dice, &text)),
        4 if !lines.is_empty() => {
            let cut = dice.below(lines[line].chars().count() + 1);
            lines[line] = lines[line].chars().take(cut).collect();
            ("cut a line", lines.join("\n"))
        }
        5 if !lines.is_empty() => {
            lines.remove(line);
            ("remove a line", lines.join("\n"))
        }
        6 if !lines.is_empty() => {
            lines.insert(line, lines[line].clone());
            ("say a line twice", lines.join("\n"))
        }
        7 => {
            lines.insert(line, "// a comment".into());
            ("add a comment", lines.join("\n"))
        }
        8 => {
            let comment = ("/// what follows", "    /// what follows");
            let comment = if dice.chance(50) { comment.0 } else { comment.1 };
            lines.insert(line, comment.into());
            ("add documentation", lines.join("\n"))
        }
        9 | 10 => {
            let mut all = declarations(&text);
            let from = dice.below(all.len());
            let moved = all.remove(from);
            if dice.chance(60) {
                all.insert(dice.below(all.len() + 1), moved);
                ("move a declaration", all.concat())
            } else if dice.chance(50) {
                ("remove a declaration", all.concat())
            } else {
                let other = dice.pick(&paths).clone();
                if other != path {
                    let joined = format!("{}\n{moved}", files[&other]);
                    files.insert(other, joined);
                }
                ("move a declaration to another file", all.concat())
            }
        }
        11 => {
            let mut all = declarations(&text);
            let again = dice.pick(&all).clone();
            all.push(again);
            ("declare again", all.concat())
        }
        12 => {
            files.remove(&path);
            return "remove a file";
        }
        _ => {
            let folder = path.rsplit_once('/').map_or("", |it| it.0);
            files.insert(format!("{folder}/more{}.plumb", dice.below(2)), text);
            return "copy a file";
        }
    };
    files.insert(path, changed + "\n");
    what
}

/// The declarations of a file, each with all up to the next.
fn declarations(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines() {
        if WORDS.iter().any(|it| line.starts_with(it)) {
            found.push(String::new());
        }
        let last = found.last_mut().expect("it begins with one");
        last.push_str(line);
        last.push('\n');
    }
    found
}

/// Words, numbers, texts, blanks and signs, which together are the text.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if first.is_alphanumeric() {
            rest.find(|it: char| !it.is_alphanumeric() && it != '-' && it != '_')
        } else if first.is_whitespace() {
            rest.find(|it: char| !it.is_whitespace())
        } else if first == '"' {
            rest[1..].find(['"', '\n']).map(|it| it + 2)
        } else {
            Some(first.len_utf8())
        };
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()).min(rest.len()));
        found.push(token);
        rest = after;
    }
    found
}

fn without_token(dice: &mut Dice, text: &str) -> String {
    let mut all = tokens(text);
    let solid: Vec<usize> = (0..all.len()).filter(|it| !all[*it].trim().is_empty()).collect();
    if !solid.is_empty() {
        all.remove(*dice.pick(&solid));
    }
    all.concat()
}

fn with_another_value(dice: &mut Dice, text: &str) -> String {
    let mut all = tokens(text);
    let is_value = |it: &&str| {
        it.starts_with('"')
            || it.starts_with(|it: char| it.is_ascii_digit())
            || ["true", "false", "none"].contains(it)
    };
    let values: Vec<usize> = (0..all.len()).filter(|it| is_value(&all[*it])).collect();
    if !values.is_empty() {
        let at = *dice.pick(&values);
        all[at] =
            *dice.pick(&["1", "77", "-4", "\"other\"", "\"\"", "true", "none", "3Gi", "[]", "{}"]);
    }
    all.concat()
}

fn with_words_exchanged(dice: &mut Dice, text: &str) -> String {
    let mut all = tokens(text);
    let is_word = |it: &&str| it.starts_with(|it: char| it.is_ascii_alphabetic());
    let words: Vec<usize> = (0..all.len()).filter(|it| is_word(&all[*it])).collect();
    if !words.is_empty() {
        let (one, other) = (*dice.pick(&words), *dice.pick(&words));
        all[one] = all[other];
    }
    all.concat()
}
