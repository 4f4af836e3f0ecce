//! A client of a language server on standard input and output, as an editor is one.

use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// No answer takes longer but that of a server that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs, and the documents that it was told of.
pub struct Client {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Json>,
    next: u64,
    root: PathBuf,
    versions: HashMap<String, i64>,
    /// What the server has told without being asked, in order.
    pub notifications: Vec<Json>,
    /// What it said when it was started.
    pub capabilities: Json,
}

impl Client {
    /// Starts a server for the workspace of a directory, with what the client can do and its options.
    ///
    /// # Panics
    ///
    /// Where the server cannot be started, as everywhere here: who tests wants to know at once.
    pub fn start(command: &mut Command, root: &Path, capabilities: Json, options: Json) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut output = output;
            // Ends with the server, or with who listens.
            while let Ok(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let root = root.canonicalize().expect("the directory is there");
        let mut client = Client {
            child,
            input,
            messages,
            next: 0,
            root,
            versions: HashMap::new(),
            notifications: Vec::new(),
            capabilities: Json::Null,
        };
        let folder = json!({ "uri": client.uri(""), "name": "workspace" });
        let answer = client.ask(
            "initialize",
            json!({
                "processId": null,
                "rootUri": null,
                "workspaceFolders": [folder],
                "capabilities": capabilities,
                "initializationOptions": options,
            }),
        );
        client.capabilities = answer["capabilities"].clone();
        client.tell("initialized", json!({}));
        client
    }

    /// The number of the server's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The address of a file, by its path relative to the workspace.
    pub fn uri(&self, path: &str) -> String {
        let path = self.root.join(path);
        format!("file://{}", path.display()).trim_end_matches('/').to_owned()
    }

    /// Sends a notification.
    pub fn tell(&mut self, method: &str, params: Json) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request and does not wait; its number.
    pub fn request(&mut self, method: &str, params: Json) -> u64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Sends a request and waits for its result.
    pub fn ask(&mut self, method: &str, params: Json) -> Json {
        match self.try_ask(method, params) {
            Ok(result) => result,
            Err(error) => panic!("{method}: {error}"),
        }
    }

    /// The same; an error of the server is an `Err`.
    pub fn try_ask(&mut self, method: &str, params: Json) -> Result<Json, Json> {
        let id = self.request(method, params);
        self.wait(id)
    }

    /// Waits for the answer to a request.
    pub fn wait(&mut self, id: u64) -> Result<Json, Json> {
        loop {
            let mut message = self.receive(PATIENCE).expect("the server answers");
            if message["id"] == json!(id) && message.get("method").is_none() {
                return match message.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(message["result"].take()),
                };
            }
            self.hear(message);
        }
    }

    /// Waits for a notification for which `is_it` holds, also among those that came already.
    pub fn notified(&mut self, method: &str, mut is_it: impl FnMut(&Json) -> bool) -> Json {
        let mut seen = 0;
        let start = Instant::now();
        loop {
            while let Some(message) = self.notifications.get(seen) {
                if message["method"] == method && is_it(&message["params"]) {
                    return self.notifications.remove(seen)["params"].take();
                }
                seen += 1;
            }
            assert!(start.elapsed() < PATIENCE, "no {method}");
            if let Some(message) = self.receive(Duration::from_millis(100)) {
                self.hear(message);
            }
        }
    }

    /// Takes in what has come, waiting for so long.
    pub fn listen(&mut self, time: Duration) {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()) {
            if let Some(message) = self.receive(left) {
                self.hear(message);
            }
        }
    }

    /// Opens a document with a text.
    pub fn open(&mut self, path: &str, text: &str) {
        let uri = self.uri(path);
        self.versions.insert(path.to_owned(), 1);
        let document = json!({ "uri": uri, "languageId": "plumb", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Changes a document: `changes` as the protocol has them.
    pub fn change(&mut self, path: &str, changes: Json) {
        let uri = self.uri(path);
        let version = self.versions.entry(path.to_owned()).or_default();
        *version += 1;
        let document = json!({ "uri": uri, "version": version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.tell("textDocument/didChange", params);
    }

    /// Closes a document.
    pub fn close(&mut self, path: &str) {
        let uri = self.uri(path);
        self.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    }

    /// A document, for the parameters of a request.
    pub fn document(&self, path: &str) -> Json {
        json!({ "textDocument": { "uri": self.uri(path) } })
    }

    /// A place in a document, for the parameters of a request.
    pub fn at(&self, path: &str, line: usize, character: usize) -> Json {
        json!({
            "textDocument": { "uri": self.uri(path) },
            "position": { "line": line, "character": character },
        })
    }

    /// Shuts the server down as the protocol says and waits for its end; whether it went well.
    pub fn stop(mut self) -> bool {
        self.ask("shutdown", Json::Null);
        self.tell("exit", Json::Null);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.success();
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn send(&mut self, message: &Json) {
        let text = message.to_string();
        let whole = format!("Content-Length: {}\r\n\r\n{text}", text.len());
        self.input.write_all(whole.as_bytes()).expect("the server reads");
        self.input.flush().expect("the server reads");
    }

    fn receive(&mut self, time: Duration) -> Option<Json> {
        match self.messages.recv_timeout(time) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the server is gone"),
        }
    }

    /// Keeps a notification, and answers a request as one who takes note.
    fn hear(&mut self, message: Json) {
        match message.get("id") {
            Some(id) if message.get("method").is_some() => {
                let answer = json!({ "jsonrpc": "2.0", "id": id, "result": null });
                self.send(&answer);
            }
            // The answer to a question that nobody waits for.
            Some(_) => {}
            None => self.notifications.push(message),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One message.
fn read(input: &mut impl BufRead) -> io::Result<Json> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let mut content = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    input.read_exact(&mut content)?;
    serde_json::from_slice(&content).map_err(io::Error::other)
}
