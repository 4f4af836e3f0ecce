//! The language server as an editor asks it: what leads through the text and what changes it, end to end.

use plumb_tests::editor::Client;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;
use std::process::Command;

const SHOP: &str = "apps/shop/storefront.plumb";
const WEB: &str = "platform/web.plumb";

/// The example in an editor that can do everything.
struct Desk {
    root: tempfile::TempDir,
    client: Client,
}

impl Desk {
    /// With some files changed first.
    fn new(changes: &[(&str, &str)], capabilities: Json) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/acme");
        copy(&example, root.path());
        for (path, text) in changes {
            fs::write(root.path().join(path), text).expect("it can be written");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
        command.arg("lsp");
        let client = Client::start(&mut command, root.path(), capabilities, json!({}));
        Desk { root, client }
    }

    fn able() -> Self {
        Desk::new(&[], abilities())
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path)).expect("a file")
    }

    fn open(&mut self, path: &str) {
        let text = self.text(path);
        self.client.open(path, &text);
    }

    /// The place in a file behind a text.
    fn behind(&self, path: &str, text: &str) -> Json {
        let whole = self.text(path);
        let at = whole.find(text).unwrap_or_else(|| panic!("{path} has `{text}`")) + text.len();
        let line = whole[..at].matches('\n').count();
        let start = whole[..at].rfind('\n').map_or(0, |it| it + 1);
        self.client.at(path, line, whole[start..at].encode_utf16().count())
    }

    fn ask_behind(&mut self, method: &str, path: &str, text: &str, more: Json) -> Json {
        let mut params = self.behind(path, text);
        for (key, value) in more.as_object().into_iter().flatten() {
            params[key] = value.clone();
        }
        self.client.ask(method, params)
    }

    /// A place as `path:line: what stands there`.
    fn shown(&self, uri: &Json, range: &Json) -> String {
        let root = self.client.uri("");
        let uri = uri.as_str().expect("an address");
        let path = uri.strip_prefix(&root).unwrap_or(uri).trim_start_matches('/');
        let number = |at: &str, what: &str| range[at][what].as_u64().expect("a number") as usize;
        let text = self.text(path);
        let line = text.lines().nth(number("start", "line")).unwrap_or_default();
        let word = match number("start", "line") == number("end", "line") {
            true => &line[number("start", "character")..number("end", "character")],
            false => line,
        };
        format!("{path}:{}: {word}", number("start", "line") + 1)
    }

    fn places(&self, found: &Json) -> Vec<String> {
        let found = found.as_array().expect("places").iter();
        found
            .map(|it| match it.get("targetUri") {
                Some(uri) => self.shown(uri, &it["targetSelectionRange"]),
                None => self.shown(&it["uri"], &it["range"]),
            })
            .collect()
    }

    /// The changes of an answer: each file with the texts that come in.
    fn changes(&self, edit: &Json) -> Vec<String> {
        let root = self.client.uri("") + "/";
        let short = |uri: &Json| uri.as_str().unwrap_or_default().replace(&root, "");
        let operations = edit["documentChanges"].as_array().expect("changes").iter();
        operations
            .map(|it| match it["kind"].as_str() {
                Some(kind) => {
                    format!("{kind} {} to {}", short(&it["oldUri"]), short(&it["newUri"]))
                }
                None => {
                    let edits = it["edits"].as_array().expect("edits").iter();
                    let texts: Vec<&str> = edits.filter_map(|it| it["newText"].as_str()).collect();
                    format!("{}: {}", short(&it["textDocument"]["uri"]), texts.join(", "))
                }
            })
            .collect()
    }
}

/// What an editor can that knows all of this.
fn abilities() -> Json {
    json!({
        "textDocument": { "definition": { "linkSupport": true } },
        "workspace": {
            "workspaceEdit": { "documentChanges": true, "resourceOperations": ["rename"] },
        },
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("it can be listed").path();
        let to = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("it can be copied");
        }
    }
}

#[test]
fn words_lead_to_what_they_stand_for_and_back() {
    let mut desk = Desk::able();
    desk.open(SHOP);
    desk.open(WEB);
    let mut ask = |method: &str, path: &str, text: &str| {
        let found = desk.ask_behind(&format!("textDocument/{method}"), path, text, json!({}));
        desk.places(&found)
    };
    assert_eq!(ask("definition", SHOP, "    repl"), ["platform/web.plumb:20: replicas"]);
    assert_eq!(ask("definition", SHOP, "CART_URL = ca"), ["apps/shop/cart.plumb:4: cart"]);
    assert_eq!(ask("declaration", SHOP, "cart.u"), ["platform/web.plumb:64: url"]);
    assert_eq!(ask("definition", SHOP, "file(\"ngi"), ["apps/shop/nginx.conf:1: "]);
    assert_eq!(
        ask("definition", WEB, "minRep"),
        ["platform/web.plumb:20: replicas"],
        "an entry of an object leads to the field that it is made of"
    );
    assert_eq!(ask("typeDefinition", WEB, "    sca"), ["platform/web.plumb:8: Scale"]);
    assert_eq!(ask("implementation", SHOP, "platform.W"), ["platform/web.plumb:60: Web"]);
    let made = ask("implementation", SHOP, "    repl");
    assert_eq!(made.len(), 5, "{made:?}");
    assert_eq!(ask("definition", WEB, "emit apps.Dep"), [""; 0], "no file declares it");
}

#[test]
fn users_are_found_in_every_workspace_that_is_open() {
    let mut desk = Desk::able();
    desk.open(WEB);
    let with = json!({ "context": { "includeDeclaration": false } });
    // The platform is a workspace of its own, which the example depends on.
    let found = desk.ask_behind("textDocument/references", WEB, "schema W", with);
    let places = desk.places(&found);
    assert!(places.contains(&"apps/shop/cart.plumb:4: Web".to_owned()), "{places:?}");
    assert!(!places.contains(&"platform/web.plumb:15: Web".to_owned()), "{places:?}");
    let found = desk.ask_behind("textDocument/documentHighlight", WEB, "    repl", json!({}));
    let kinds: Vec<u64> =
        found.as_array().unwrap().iter().filter_map(|it| it["kind"].as_u64()).collect();
    // Declared, read by two conditions, set by defaults, read by the composition.
    assert_eq!(kinds, [3, 2, 2, 3, 2, 2, 2, 2, 2]);
}

#[test]
fn names_change_everywhere_or_not_at_all() {
    let mut desk = Desk::able();
    desk.open(WEB);
    desk.open(SHOP);
    let prepared = desk.ask_behind("textDocument/prepareRename", WEB, "    repl", json!({}));
    assert_eq!(prepared["placeholder"], "replicas");
    let name = json!({ "newName": "pods" });
    let edit = desk.ask_behind("textDocument/rename", WEB, "    repl", name.clone());
    assert_eq!(
        desk.changes(&edit),
        [
            "apps/shop/storefront.plumb: pods, pods, pods",
            &format!("{WEB}: {}", ["pods"; 9].join(", "))
        ]
    );
    let refused = |desk: &mut Desk, path: &str, text: &str, name: &str| -> String {
        let mut params = desk.behind(path, text);
        params["newName"] = name.into();
        let error = desk.client.try_ask("textDocument/rename", params).unwrap_err();
        error["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        refused(&mut desk, SHOP, "    repl", "pods"),
        "`replicas` belongs to `platform`, which this workspace depends on: rename it there"
    );
    assert_eq!(refused(&mut desk, WEB, "    repl", "image"), "`Web` has a field `image` already");
    assert_eq!(refused(&mut desk, WEB, "emit apps.Dep", "X"), "`Deployment` is Kubernetes' name");
    assert_eq!(refused(&mut desk, WEB, "sch", "x"), "nothing that has a name stands here");
}

#[test]
fn a_package_is_renamed_with_its_directory() {
    let path = "apps/billing/invoices.plumb";
    let mut desk = Desk::able();
    desk.open(path);
    let name = json!({ "newName": "store" });
    let edit = desk.ask_behind("textDocument/rename", path, "use apps.sh", name.clone());
    assert_eq!(
        desk.changes(&edit),
        [
            "apps/billing/invoices.plumb: store, store",
            "plumb.toml: apps/store",
            "rename apps/shop to apps/store",
        ]
    );
    let files = json!([{
        "oldUri": desk.client.uri("apps/shop"), "newUri": desk.client.uri("teams/shop/web"),
    }]);
    let edit = desk.client.ask("workspace/willRenameFiles", json!({ "files": files }));
    assert_eq!(
        desk.changes(&edit),
        ["apps/billing/invoices.plumb: teams.shop.web, web", "plumb.toml: teams/shop/web"]
    );
    // Who cannot rename directories is told, and nothing changes by half.
    let mut desk = Desk::new(&[], json!({}));
    desk.open(path);
    let mut params = desk.behind(path, "use apps.sh");
    params["newName"] = "store".into();
    let error = desk.client.try_ask("textDocument/rename", params).unwrap_err();
    assert_eq!(error["message"], "this editor cannot rename directories, and a package is one");
    let edit =
        desk.ask_behind("textDocument/rename", path, "request in", json!({ "newName": "bills" }));
    assert!(edit["changes"].is_object(), "{edit}");
}

#[test]
fn files_have_outlines_folds_links_and_colours() {
    let mut desk = Desk::able();
    desk.open(WEB);
    desk.open(SHOP);
    let names = |found: &Json| -> Vec<String> {
        let all = found.as_array().expect("a list").iter();
        all.map(|it| it["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let document = desk.client.document(WEB);
    let found = desk.client.ask("textDocument/documentSymbol", document.clone());
    assert_eq!(names(&found), ["Scale", "Web", "defaults Web in prod", "compose Web"]);
    assert_eq!(names(&found[0]["children"]), ["max", "cpu"]);
    let found = desk.client.ask("workspace/symbol", json!({ "query": "stfr" }));
    assert_eq!(names(&found), ["storefront"]);
    assert_eq!(found[0]["containerName"], "apps.shop");

    let found = desk.client.ask("textDocument/foldingRange", document.clone());
    assert_eq!(found[0], json!({ "startLine": 0, "endLine": 4, "kind": "imports" }));
    assert_eq!(found[1], json!({ "startLine": 7, "endLine": 11 }));
    let position = desk.behind(WEB, "    repl")["position"].clone();
    let mut params = document.clone();
    params["positions"] = json!([position]);
    let found = desk.client.ask("textDocument/selectionRange", params);
    let uri = document["textDocument"]["uri"].clone();
    assert_eq!(desk.shown(&uri, &found[0]["range"]), "platform/web.plumb:20: replicas");
    assert_eq!(
        desk.shown(&uri, &found[0]["parent"]["range"]),
        "platform/web.plumb:20: replicas: Int where it in 1..=50 = 1"
    );

    let found = desk.client.ask("textDocument/documentLink", desk.client.document(SHOP));
    let targets: Vec<&Json> = found.as_array().unwrap().iter().map(|it| &it["target"]).collect();
    let file = desk.client.uri("apps/shop/nginx.conf");
    assert!(targets.contains(&&json!(file)), "{targets:?}");

    let found = desk.client.ask("textDocument/semanticTokens/full", desk.client.document(SHOP));
    // `platform` of `use platform`: a namespace.
    assert_eq!(
        found["data"].as_array().unwrap()[..5],
        [json!(0), json!(4), json!(8), json!(0), json!(0)]
    );
    let mut params = desk.client.document(SHOP);
    params["range"] = json!({
        "start": { "line": 3, "character": 0 }, "end": { "line": 3, "character": 40 },
    });
    let found = desk.client.ask("textDocument/semanticTokens/range", params);
    // `storefront`, declared; `platform`; `Web`.
    assert_eq!(found["data"], json!([3, 8, 10, 4, 1, 0, 12, 8, 0, 0, 0, 9, 3, 1, 0]));
}

#[test]
fn compositions_know_who_has_them_make_what() {
    let mut desk = Desk::able();
    desk.open(WEB);
    let found = desk.ask_behind("textDocument/prepareCallHierarchy", WEB, "compose W", json!({}));
    let item = json!({ "item": found[0] });
    assert_eq!(found[0]["name"], "compose Web");
    let names = |found: &Json, end: &str| -> Vec<String> {
        let all = found.as_array().expect("calls").iter();
        all.map(|it| it[end]["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let found = desk.client.ask("callHierarchy/incomingCalls", item.clone());
    assert_eq!(names(&found, "from"), ["request cart", "request catalog", "request storefront"]);
    let found = desk.client.ask("callHierarchy/outgoingCalls", item);
    let called = names(&found, "to");
    for name in ["Deployment", "compose Store", "fn labels-of"] {
        assert_eq!(called.iter().filter(|it| *it == name).count(), 1, "{called:?}");
    }
    // From there on, also of what is in no document of the editor.
    let at = called.iter().position(|it| it == "compose Store").unwrap();
    let item = json!({ "item": found[at]["to"] });
    let found = desk.client.ask("callHierarchy/incomingCalls", item);
    assert!(names(&found, "from").contains(&"request articles".to_owned()), "{found}");
}

#[test]
fn calls_are_explained_while_they_are_written() {
    let mut desk = Desk::able();
    desk.open(WEB);
    let call = "let labels = labels-of(svc.name, ";
    let found = desk.ask_behind("textDocument/signatureHelp", WEB, call, json!({}));
    let signature = &found["signatures"][0];
    assert_eq!(
        signature["label"],
        "labels-of(name: String, component: String) -> {String: String}"
    );
    assert_eq!(signature["activeParameter"], 1);
}

#[test]
fn a_part_is_formatted_alone() {
    let text = "let a={b=1}\nlet c={d=1}\n";
    let mut desk = Desk::new(&[("apps/shop/more.plumb", text)], abilities());
    desk.open("apps/shop/more.plumb");
    let options = json!({ "tabSize": 4, "insertSpaces": true });
    let mut params = desk.client.document("apps/shop/more.plumb");
    params["options"] = options.clone();
    params["range"] = json!({
        "start": { "line": 1, "character": 0 }, "end": { "line": 1, "character": 3 },
    });
    let found = desk.client.ask("textDocument/rangeFormatting", params);
    assert_eq!(found[0]["newText"], "let c = { d = 1 }\n");
    assert_eq!(found.as_array().unwrap().len(), 1);
    let more = json!({ "options": options, "ch": "}" });
    let found =
        desk.ask_behind("textDocument/onTypeFormatting", "apps/shop/more.plumb", "c={d=1}", more);
    assert_eq!(found[0]["newText"], "let c = { d = 1 }\n");
}

#[test]
fn mistakes_are_mended_and_values_moved() {
    let text = "request new: platform.Web {\n    replica = 2\n}\n";
    let path = "apps/shop/more.plumb";
    let mut desk = Desk::new(&[(path, text)], abilities());
    desk.open(path);
    let mut actions = |text: &str, only: Json| -> Vec<(String, String)> {
        let position = desk.behind(path, text)["position"].clone();
        let mut params = desk.client.document(path);
        let told = desk.client.ask("textDocument/diagnostic", params.clone());
        params["range"] = json!({ "start": position, "end": position });
        params["context"] = json!({ "diagnostics": told["items"], "only": only });
        let found = desk.client.ask("textDocument/codeAction", params);
        let found = found.as_array().expect("actions").iter();
        found
            .map(|it| {
                let title = it["title"].as_str().unwrap_or_default().to_owned();
                (title, desk.changes(&it["edit"]).join("; "))
            })
            .collect()
    };
    assert_eq!(
        actions("new: pl", json!(["quickfix"])),
        [("Add `use platform`".to_owned(), format!("{path}: use platform\n\n"))]
    );
    let found = actions("request n", json!(["refactor"]));
    let titles: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(
        titles,
        ["dev", "staging", "prod", "prod-us"].map(|it| format!("Create an overlay in {it}"))
    );
    assert!(desk.client.stop());
}
