//! The language server and clients that do not keep to the protocol: each mistake has its answer, and the next
//! question is answered as if nothing had been.

use plumb_tests::editor::Client;
use serde_json::{Value as Json, json};
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const TEXT: &str = "schema Env { }\nenvironment dev: Env { }\nlet a: Int = 1\n";

fn server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.arg("lsp");
    command
}

#[test]
fn what_makes_no_sense_is_an_error_or_nothing_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.plumb"), TEXT).unwrap();
    let mut client = Client::start(&mut server(), folder.path(), json!({}), json!({}));
    // Of documents that were never opened.
    client.change("b.plumb", json!([{ "text": "let" }]));
    client.close("b.plumb");
    assert_eq!(client.ask("textDocument/hover", client.at("b.plumb", 0, 0)), Json::Null);
    // Twice the same, and another thing under an address that is no file.
    client.open("a.plumb", TEXT);
    client.open("a.plumb", TEXT);
    let untitled =
        json!({ "uri": "untitled:Untitled-1", "languageId": "plumb", "version": 1, "text": "let" });
    client.tell("textDocument/didOpen", json!({ "textDocument": untitled }));
    // Places that there are not, and ranges that end before they begin.
    for (line, character) in [(2, 99), (99, 0), (u32::MAX as usize, u32::MAX as usize)] {
        client.ask("textDocument/hover", client.at("a.plumb", line, character));
        client.ask("textDocument/completion", client.at("a.plumb", line, character));
    }
    let backwards =
        json!({ "start": { "line": 2, "character": 5 }, "end": { "line": 0, "character": 0 } });
    client.change("a.plumb", json!([{ "range": backwards, "text": "" }]));
    // What nobody knows, and what lacks what it needs.
    assert_eq!(client.try_ask("plumb/nothing", json!({})).unwrap_err()["code"], -32601);
    assert_eq!(
        client.try_ask("textDocument/hover", json!({ "a": 1 })).unwrap_err()["code"],
        -32602
    );
    client.tell("$/somebody/elses", json!({}));
    client.tell(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [{ "uri": "file:///nowhere/x.plumb", "type": 2 }] }),
    );
    client.tell("$/cancelRequest", json!({ "id": 12345 }));
    let hover = client.ask("textDocument/hover", client.at("a.plumb", 2, 4));
    assert!(hover["contents"]["value"].as_str().unwrap().contains("let a: Int = 1"), "{hover}");
    assert!(client.stop());
}

#[test]
fn a_client_that_goes_without_a_word_takes_the_server_with_it() {
    let mut child = server().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"Content-Length: 5\r\n\r\n{bad}").unwrap();
    drop(input);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("-32700"), "{said}");
    child.wait().unwrap();
}
