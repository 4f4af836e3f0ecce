//! The language server under what editors do to it: whatever is typed, undone, made and removed, it stays up,
//! and what it says in the end is what a check of the final text says.
//!
//! `PLUMB_TYPING_SEED` and `PLUMB_TYPING_EDITS` say what is typed and how much of it.

use plumb_tests::editor::Client;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Edits after which what the server says is held against a fresh check.
const BETWEEN: u64 = 250;

/// What a server may grow by while it is edited, in MiB: allocators keep some, and the engine keeps the names
/// that were typed. A leak of a file an edit would be many times as much.
const GROWTH: u64 = 150;

/// xorshift64: repeatable, and no more is needed of it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise,
    }
}

/// What people type, and what they do not mean to.
const PIECES: &[&str] = &[
    "\n",
    " ",
    "    ",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    ".",
    ",",
    "=",
    ":",
    "${",
    "a",
    "x",
    "1",
    "0",
    "-",
    "request z: platform.Web {\n    image = \"z:1\"\n}\n",
    "overlay storefront in dev {\n    replicas = 3\n}\n",
    "replicas = 2\n",
    "none",
    "replace ",
    "final ",
    "use platform\n",
    "// ä𝄞\n",
    "/// text\n",
    "env.A = \"b\"\n",
    "if ",
    "for x in ",
    "let y = 1\n",
    "\r\n",
    "\u{feff}",
    "platform.",
    "\"\"\"",
    "...",
    "+= [1]",
];

/// A copy of the example, whose documents are typed in.
struct Desk {
    root: tempfile::TempDir,
    client: Client,
    /// What the editor holds, with what to go back to.
    open: BTreeMap<String, (String, Vec<String>)>,
    dice: Dice,
    made: u32,
}

impl Desk {
    fn new(seed: u64) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/acme");
        copy(&example, root.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
        command.arg("lsp");
        let client = Client::start(&mut command, root.path(), json!({}), json!({}));
        let mut desk =
            Desk { root, client, open: BTreeMap::new(), dice: Dice(seed * 2 + 1), made: 0 };
        for path in
            ["apps/shop/storefront.plumb", "apps/billing/invoices.plumb", "platform/web.plumb"]
        {
            desk.open(path);
        }
        desk
    }

    fn open(&mut self, path: &str) {
        let text = fs::read_to_string(self.root.path().join(path)).expect("a file");
        self.client.open(path, &text);
        self.open.insert(path.to_owned(), (text, Vec::new()));
    }

    fn any(&mut self) -> String {
        let paths: Vec<String> = self.open.keys().cloned().collect();
        self.dice.of(&paths).clone()
    }

    fn edit(&mut self) {
        match self.dice.below(100) {
            0..=59 => self.insert(),
            60..=79 => self.delete(),
            80..=93 => self.undo(),
            94..=95 => self.make(),
            96 => self.rename(),
            97 => self.remove(),
            98 => self.reopen(),
            _ => self.ask_in_between(),
        }
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.dice.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn replace(&mut self, path: &str, from: usize, to: usize, with: &str) {
        let (text, history) = self.open.get_mut(path).expect("it is open");
        let range = json!({ "start": position(text, from), "end": position(text, to) });
        history.push(text.clone());
        if history.len() > 40 {
            history.remove(0);
        }
        // In the middle of a line's end the protocol knows no place: both sides must mean the same.
        let (from, to) = (meant(text, from), meant(text, to));
        text.replace_range(from..to, with);
        self.client.change(path, json!([{ "range": range, "text": with }]));
    }

    fn insert(&mut self) {
        let path = self.any();
        let text = self.open[&path].0.clone();
        let at = self.place(&text);
        let piece = *self.dice.of(PIECES);
        self.replace(&path, at, at, piece);
    }

    fn delete(&mut self) {
        let path = self.any();
        let text = self.open[&path].0.clone();
        let from = self.place(&text);
        let mut to = (from + 1 + self.dice.below(12)).min(text.len());
        while !text.is_char_boundary(to) {
            to += 1;
        }
        self.replace(&path, from, to, "");
    }

    /// Back to what was there some edits ago, as a whole.
    fn undo(&mut self) {
        let path = self.any();
        let (text, history) = self.open.get_mut(&path).expect("it is open");
        let Some(index) = history.len().checked_sub(1) else { return };
        let back = self.dice.below(index + 1);
        *text = history[back].clone();
        history.truncate(back);
        let text = text.clone();
        self.client.change(&path, json!([{ "text": text }]));
    }

    fn make(&mut self) {
        self.made += 1;
        let path = format!("apps/shop/made-{}.plumb", self.made % 7);
        let file = self.root.path().join(&path);
        let request = format!("use platform\nrequest made-{}: platform.Web {{ }}\n", self.made);
        fs::write(&file, &request).expect("it can be written");
        self.watched(&path, 1);
        if self.dice.below(2) == 0 && !self.open.contains_key(&path) {
            self.open(&path);
        }
    }

    fn rename(&mut self) {
        let made: Vec<String> = (0..7).map(|it| format!("apps/shop/made-{it}.plumb")).collect();
        let from = self.dice.of(&made).clone();
        let to = format!("apps/billing/moved-{}.plumb", self.dice.below(3));
        if self.open.contains_key(&from) || self.open.contains_key(&to) {
            return;
        }
        if fs::rename(self.root.path().join(&from), self.root.path().join(&to)).is_ok() {
            self.watched(&from, 3);
            self.watched(&to, 1);
        }
    }

    fn remove(&mut self) {
        let path = format!("apps/shop/made-{}.plumb", self.dice.below(7));
        if fs::remove_file(self.root.path().join(&path)).is_ok() {
            self.watched(&path, 3);
        }
    }

    fn reopen(&mut self) {
        let path = self.any();
        self.client.close(&path);
        self.open.remove(&path);
        let file = self.root.path().join(&path);
        if file.exists() {
            self.open(&path);
        } else if self.open.is_empty() {
            self.make();
        }
    }

    fn watched(&mut self, path: &str, kind: u32) {
        let change = json!({ "uri": self.client.uri(path), "type": kind });
        self.client.tell("workspace/didChangeWatchedFiles", json!({ "changes": [change] }));
    }

    /// Questions whose answers nobody waits for, at any place: what half a text does to them.
    fn ask_in_between(&mut self) {
        let path = self.any();
        let text = self.open[&path].0.clone();
        let at = self.place(&text);
        let at = position(&text, at);
        let document = json!({ "uri": self.client.uri(&path) });
        let place = json!({ "textDocument": document, "position": at });
        let method = *self.dice.of(&[
            "textDocument/hover",
            "textDocument/completion",
            "textDocument/definition",
            "textDocument/references",
            "textDocument/documentSymbol",
            "textDocument/semanticTokens/full",
            "textDocument/foldingRange",
            "textDocument/codeLens",
            "textDocument/formatting",
            "textDocument/prepareRename",
            "textDocument/signatureHelp",
            "textDocument/documentHighlight",
        ]);
        let mut params = place;
        params["context"] = json!({ "includeDeclaration": true });
        params["options"] = json!({ "tabSize": 4, "insertSpaces": true });
        let id = self.client.request(method, params);
        if self.dice.below(2) == 0 {
            self.client.tell("$/cancelRequest", json!({ "id": id }));
        }
    }

    /// What the server says of its documents, each mistake by file, line and code.
    fn told(&mut self) -> BTreeSet<(String, u64, String)> {
        let paths: Vec<String> = self.open.keys().cloned().collect();
        let mut found = BTreeSet::new();
        for path in paths {
            // Half a line is no mistake yet: what is typed must be at rest.
            let params = self.client.document(&path);
            let answer = loop {
                match self.client.try_ask("textDocument/diagnostic", params.clone()) {
                    Ok(answer) => break answer,
                    // An edit came in between: the client asks again.
                    Err(error) if error["code"] == -32801 => {}
                    Err(error) => panic!("{error}"),
                }
            };
            for it in answer["items"].as_array().expect("a list") {
                // What nothing reads is no finding of a check.
                if it["severity"] == 4 {
                    continue;
                }
                let line = it["range"]["start"]["line"].as_u64().expect("a line");
                let code = it["code"].as_str().expect("a code");
                found.insert((path.clone(), line + 1, code.to_owned()));
            }
        }
        found
    }

    /// What `plumb check` says of the same texts, as files.
    fn checked(&self) -> BTreeSet<(String, u64, String)> {
        let copied = tempfile::tempdir().expect("a directory");
        copy(self.root.path(), copied.path());
        for (path, (text, _)) in &self.open {
            fs::write(copied.path().join(path), text).expect("it can be written");
        }
        let mut found = BTreeSet::new();
        for path in self.open.keys() {
            // As the server is asked: of one file, in the workspace that it belongs to.
            let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
                .args(["check", "--output", "json"])
                .arg(copied.path().join(path))
                .output()
                .expect("it runs");
            let answer: Json = serde_json::from_slice(&output.stdout).expect("JSON");
            let home = if path.starts_with("platform/") { "platform/" } else { "" };
            for it in answer["diagnostics"].as_array().expect("a list") {
                let Some(file) = it["span"]["file"].as_str() else { continue };
                if format!("{home}{file}") != *path {
                    continue;
                }
                let line = it["span"]["start"]["line"].as_u64().expect("a line");
                let code = it["code"].as_str().expect("a code");
                found.insert((path.clone(), line, code.to_owned()));
            }
        }
        found
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a kind").is_dir() {
            fs::create_dir_all(&target).expect("a directory");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// Where the protocol places a byte: lines end with `\n`, `\r\n` or a lone `\r`.
fn position(text: &str, at: usize) -> Json {
    let at = meant(text, at);
    let mut line = 0;
    let mut start = 0;
    let bytes = text.as_bytes();
    for index in 0..at {
        let ends =
            bytes[index] == b'\n' || bytes[index] == b'\r' && bytes.get(index + 1) != Some(&b'\n');
        if ends {
            line += 1;
            start = index + 1;
        }
    }
    json!({ "line": line, "character": text[start..at].encode_utf16().count() })
}

/// Between `\r` and `\n` there is no place: it is the one before both.
fn meant(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    match at > 0 && bytes[at - 1] == b'\r' && bytes.get(at) == Some(&b'\n') {
        true => at - 1,
        false => at,
    }
}

/// The memory of a process, in MiB.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") / 1024
}

#[test]
fn whatever_is_typed_the_server_stays_up_and_says_what_a_check_says() {
    let seed = number("PLUMB_TYPING_SEED", 1);
    let edits = number("PLUMB_TYPING_EDITS", 3000);
    println!("PLUMB_TYPING_SEED={seed} PLUMB_TYPING_EDITS={edits}");
    let mut desk = Desk::new(seed);
    let mut before = None;
    for number in 1..=edits {
        desk.edit();
        if number % BETWEEN == 0 || number == edits {
            // What was typed last counts as written after a pause, which begins when the server has read it.
            // The pause is 300 ms: who waits longer than that from then on waits long enough on any machine.
            desk.client.ask("plumb/environments", json!({}));
            std::thread::sleep(std::time::Duration::from_millis(400));
            let (told, checked) = (desk.told(), desk.checked());
            assert_eq!(
                told,
                checked,
                "seed {seed}, after {number} edits, in {:#?}",
                desk.open.iter().map(|(path, (text, _))| (path, text)).collect::<Vec<_>>()
            );
            let now = memory(desk.client.process());
            let began = *before.get_or_insert(now);
            assert!(
                now < began + GROWTH,
                "{now} MiB after {number} edits, {began} at the beginning"
            );
        }
    }
    let logged: Vec<&Json> = desk
        .client
        .notifications
        .iter()
        .filter(|it| it["method"] == "window/logMessage" && it["params"]["type"] == 1)
        .collect();
    assert!(logged.is_empty(), "{logged:?}");
    println!("{} MiB in the end", memory(desk.client.process()));
    assert!(desk.client.stop(), "it ends as it is asked to");
}
