//! What is run again after an edit, and what is not. A recording database tells.

use plumb_compiler::source::{Content, ItemId, SourceFile, Workspace};
use plumb_compiler::{Database, answers::Finding, build, check, check_only, environments};
use salsa::Setter;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const ENVIRONMENTS: &str = r#"
schema Env {
    domain: Hostname
    tier: String = "low"
}

environment dev: Env { domain = "dev.test" }
environment prod: Env { domain = "prod.test" }
environment prod-us: Env from prod { tier = "high" }
"#;

const SERVICE: &str = r#"
use k8s.core.v1 as core

schema Service {
    image: String
    replicas: Int = 1
}

compose Service as svc {
    emit core.ConfigMap {
        metadata.name = svc.name
        data = { image = svc.image, replicas = "${svc.replicas}", domain = environment.domain }
    }
}
"#;

const JOB: &str = r#"
use k8s.core.v1 as core

schema Job { command: String }

compose Job as job {
    emit core.ConfigMap { metadata.name = job.name, data = { command = job.command } }
}
"#;

const SHOP: &str = r#"
use platform

package { namespace = "shop" }

request shop: platform.Service { image = "shop" }
request cart: platform.Service { image = "cart" }
"#;

const OVERLAYS: &str = r#"
overlay shop in prod { replicas = 6 }
"#;

const BATCH: &str = r#"
use platform

package { namespace = "batch" }

request nightly: platform.Job { command = "run" }
"#;

/// A workspace in a database that remembers which queries it ran.
struct Recorded {
    db: Database,
    workspace: Workspace,
    files: BTreeMap<String, SourceFile>,
    log: Arc<Mutex<Vec<salsa::DatabaseKeyIndex>>>,
}

impl Recorded {
    fn new(files: &[(&str, &str)]) -> Self {
        let log: Arc<Mutex<Vec<salsa::DatabaseKeyIndex>>> = Arc::default();
        let events = log.clone();
        let db = Database::with_events(Some(Box::new(move |event| {
            if let salsa::EventKind::WillExecute { database_key } = event.kind {
                events.lock().expect("no test panics while it holds the log").push(database_key);
            }
        })));
        let mut known = BTreeMap::new();
        let mut map = BTreeMap::new();
        for (path, text) in files {
            let file = SourceFile::new(&db, (*path).into(), Content::Text((*text).into()));
            known.insert(path.to_string(), file);
            map.insert((*path).into(), file);
        }
        let workspace = Workspace::new(&db, Arc::new(map), 36);
        Recorded { db, workspace, files: known, log }
    }

    fn standard() -> Self {
        let mut recorded = Recorded::new(&[
            ("platform/env.plumb", ENVIRONMENTS),
            ("platform/service.plumb", SERVICE),
            ("platform/job.plumb", JOB),
            ("apps/shop/shop.plumb", SHOP),
            ("apps/shop/shop.prod.plumb", OVERLAYS),
            ("apps/batch/batch.plumb", BATCH),
        ]);
        assert_eq!(recorded.everything(), [], "the workspace is sound");
        recorded
    }

    /// Asks for everything a host can ask for.
    fn everything(&mut self) -> Vec<Finding> {
        for environment in environments(&self.db, self.workspace) {
            build(&self.db, self.workspace, &environment);
        }
        check(&self.db, self.workspace)
    }

    fn edit(&mut self, path: &str, from: &str, to: &str) {
        let file = self.files[path];
        let Content::Text(text) = file.content(&self.db).clone() else { panic!("{path} has text") };
        assert!(text.contains(from), "{path} holds {from:?}");
        file.set_content(&mut self.db).to(Content::Text(text.replacen(from, to, 1).into()));
    }

    /// What an edit makes run again, as `query(key)`, when everything is asked for afterwards.
    fn reruns(&mut self, path: &str, from: &str, to: &str) -> Vec<String> {
        self.edit(path, from, to);
        self.log.lock().expect("as above").clear();
        self.everything();
        let keys = std::mem::take(&mut *self.log.lock().expect("as above"));
        salsa::attach(&self.db, || keys.iter().map(|key| format!("{key:?}")).collect())
    }

    /// The reruns of one query, without their keys' numbers.
    fn count(reruns: &[String], query: &str) -> usize {
        reruns.iter().filter(|key| key.split('(').next() == Some(query)).count()
    }
}

/// The queries that know the meaning, in the order of the pipeline.
const MEANING: &[&str] =
    &["scope", "uses", "schema", "infer", "layers", "environment_field", "evaluate", "objects"];

#[track_caller]
fn assert_runs(reruns: &[String], expected: &[(&str, usize)]) {
    for query in MEANING {
        let wanted = expected.iter().find(|(name, _)| name == query).map_or(0, |(_, count)| *count);
        assert_eq!(Recorded::count(reruns, query), wanted, "{query} after the edit: {reruns:#?}");
    }
}

#[test]
fn a_comment_runs_one_parse_again_and_nothing_that_knows_the_meaning() {
    let mut recorded = Recorded::standard();
    let reruns = recorded.reruns(
        "platform/service.plumb",
        "schema Service {",
        "// More.\n\nschema Service { // this",
    );
    assert_eq!(Recorded::count(&reruns, "parse"), 1, "{reruns:#?}");
    assert_runs(&reruns, &[]);
}

#[test]
fn a_documentation_comment_evaluates_nothing() {
    let mut recorded = Recorded::standard();
    let reruns =
        recorded.reruns("platform/service.plumb", "    replicas", "    /// Pods.\n    replicas");
    assert_runs(&reruns, &[]);
}

#[test]
fn an_edit_inside_a_composition_leaves_names_types_and_requests_alone() {
    let mut recorded = Recorded::standard();
    let reruns =
        recorded.reruns("platform/service.plumb", "data = { image", "data = { kind = \"x\", image");
    // The composition is typed again, and its two requests emit again in three environments.
    assert_runs(&reruns, &[("infer", 1), ("objects", 6)]);
}

#[test]
fn an_edit_inside_one_file_leaves_the_names_of_other_files_alone() {
    let mut recorded = Recorded::standard();
    let reruns = recorded.reruns("apps/shop/shop.plumb", "image = \"shop\"", "image = \"shop2\"");
    assert_eq!(Recorded::count(&reruns, "items"), 1, "{reruns:#?}");
    assert_runs(&reruns, &[("infer", 1), ("evaluate", 3), ("objects", 3)]);
}

#[test]
fn an_overlay_evaluates_one_request_in_its_environment_and_the_descendants() {
    let mut recorded = Recorded::standard();
    let reruns = recorded.reruns("apps/shop/shop.prod.plumb", "replicas = 6", "replicas = 7");
    assert_runs(&reruns, &[("infer", 1), ("evaluate", 2), ("objects", 2)]);
}

#[test]
fn an_edit_that_loses_goes_no_further_than_the_merge() {
    let mut recorded = Recorded::standard();
    let reruns =
        recorded.reruns("platform/service.plumb", "replicas: Int = 1", "replicas: Int = 2");
    assert_eq!(Recorded::count(&reruns, "evaluate"), 6, "{reruns:#?}");
    // In prod and prod-us the shop's overlay wins, so what is emitted there is as it was.
    assert_eq!(Recorded::count(&reruns, "objects"), 4, "{reruns:#?}");
}

#[test]
fn a_schema_evaluates_only_its_own_requests() {
    let mut recorded = Recorded::standard();
    let reruns = recorded.reruns(
        "platform/job.plumb",
        "command: String",
        "command: String\n    retries: Int = 3",
    );
    // The schema, its composition and its one request are typed again.
    assert_eq!(Recorded::count(&reruns, "evaluate"), 3, "{reruns:#?}");
    assert_eq!(Recorded::count(&reruns, "objects"), 3, "{reruns:#?}");
}

#[test]
fn moving_a_declaration_evaluates_nothing() {
    let mut recorded = Recorded::standard();
    let cart = "request cart: platform.Service { image = \"cart\" }\n";
    recorded.edit("apps/shop/shop.plumb", cart, "");
    let reruns =
        recorded.reruns("apps/shop/shop.plumb", "request shop", &format!("{cart}request shop"));
    // Between the two edits nothing was asked, so the move is one change.
    assert_runs(&reruns, &[]);
}

#[test]
fn an_environments_field_is_read_by_itself() {
    let mut recorded = Recorded::standard();
    let reruns = recorded.reruns("platform/env.plumb", "tier = \"high\"", "tier = \"higher\"");
    // Compositions read the domain, not the tier.
    assert_eq!(Recorded::count(&reruns, "evaluate"), 0, "{reruns:#?}");
    assert_eq!(Recorded::count(&reruns, "objects"), 0, "{reruns:#?}");
    let reruns = recorded.reruns("platform/env.plumb", "\"dev.test\"", "\"dev2.test\"");
    assert_eq!(Recorded::count(&reruns, "objects"), 2, "the services in dev: {reruns:#?}");
}

#[test]
fn another_request_evaluates_itself_alone() {
    let mut recorded = Recorded::standard();
    let reruns = recorded.reruns(
        "apps/batch/batch.plumb",
        "request",
        "request hourly: platform.Job { command = \"h\" }\n\nrequest",
    );
    assert_eq!(Recorded::count(&reruns, "evaluate"), 3, "{reruns:#?}");
    assert_eq!(Recorded::count(&reruns, "objects"), 3, "{reruns:#?}");
}

#[test]
fn a_check_of_one_package_evaluates_its_requests_and_those_of_who_uses_it() {
    let evaluated = |directory: &str| {
        let files = [
            ("platform/env.plumb", ENVIRONMENTS),
            ("platform/service.plumb", SERVICE),
            ("jobs/job.plumb", JOB),
            ("apps/shop/shop.plumb", SHOP),
            ("apps/shop/shop.prod.plumb", OVERLAYS),
            ("apps/batch/batch.plumb", &BATCH.replace("platform", "jobs")),
        ];
        let recorded = Recorded::new(&files);
        let found =
            check_only(&recorded.db, recorded.workspace, |path| path.starts_with(directory));
        assert_eq!(found, [], "{directory}");
        let keys = std::mem::take(&mut *recorded.log.lock().expect("as above"));
        let runs: Vec<String> =
            salsa::attach(&recorded.db, || keys.iter().map(|key| format!("{key:?}")).collect());
        (Recorded::count(&runs, "evaluate"), Recorded::count(&runs, "objects"))
    };
    assert_eq!(evaluated("apps/batch/"), (3, 3));
    assert_eq!(evaluated("apps/shop/shop.prod"), (6, 6), "a file stands for its package");
    assert_eq!(evaluated("jobs/"), (3, 3), "who uses it");
    // Everything stands on the environments.
    assert_eq!(evaluated("platform/env"), (9, 9));
    assert_eq!(evaluated("nowhere/"), (0, 0));
}

#[test]
fn a_check_of_one_package_tells_of_what_it_stands_on() {
    let recorded = Recorded::new(&[
        ("platform/env.plumb", ENVIRONMENTS),
        ("web/service.plumb", &SERVICE.replace("image = svc.image", "image = svc.imag")),
        ("apps/shop/shop.plumb", &SHOP.replace("platform", "web")),
        ("apps/other/other.plumb", "let mistake: Int = \"one\"\n"),
    ]);
    let told = |directory: &str| -> Vec<String> {
        check_only(&recorded.db, recorded.workspace, |path| path.starts_with(directory))
            .into_iter()
            .map(|it| it.code.to_string())
            .collect()
    };
    assert_eq!(told("apps/shop/"), ["unknown-field"]);
    assert_eq!(told("apps/other/"), ["type-mismatch"]);
}

#[test]
fn two_workspaces_in_one_database_share_what_their_files_share() {
    let mut recorded = Recorded::standard();
    let before = build(&recorded.db, recorded.workspace, "prod");
    // A second workspace: the same files but for one, as another commit has them.
    let mut files = recorded.workspace.files(&recorded.db).as_ref().clone();
    let overlay = OVERLAYS.replace("6", "8");
    let file = SourceFile::new(
        &recorded.db,
        "apps/shop/shop.prod.plumb".into(),
        Content::Text(overlay.into()),
    );
    files.insert("apps/shop/shop.prod.plumb".into(), file);
    recorded.log.lock().expect("as above").clear();
    let other = Workspace::new(&recorded.db, Arc::new(files), 36);
    let after = build(&recorded.db, other, "prod");
    let keys = std::mem::take(&mut *recorded.log.lock().expect("as above"));
    let reruns: Vec<String> =
        salsa::attach(&recorded.db, || keys.iter().map(|key| format!("{key:?}")).collect());
    assert_eq!(Recorded::count(&reruns, "parse"), 1, "{reruns:#?}");
    assert_eq!(before.manifests.len(), after.manifests.len());
    assert_ne!(before, after);
    assert_eq!(before, build(&recorded.db, recorded.workspace, "prod"), "the first is untouched");
    assert_eq!(recorded.everything(), []);
}

#[test]
fn a_warm_database_answers_as_a_cold_one_does() {
    let mut warm = Recorded::standard();
    let edits: &[(&str, &str, &str)] = &[
        ("apps/shop/shop.plumb", "image = \"cart\"", "imag = \"cart\""),
        ("platform/service.plumb", "replicas: Int = 1", "replicas: Int where it <= 5 = 1"),
        ("apps/shop/shop.plumb", "imag = ", "image = "),
        ("platform/env.plumb", "from prod", "from dev"),
        ("apps/shop/shop.prod.plumb", "{ replicas = 6 }", "{ replicas = "),
        ("apps/shop/shop.prod.plumb", "{ replicas = ", "{ replicas = 4 }"),
        ("platform/env.plumb", "from dev", "from nowhere"),
        ("platform/job.plumb", "schema Job", "schema Work"),
    ];
    for (path, from, to) in edits {
        warm.edit(path, from, to);
        assert_cold_answers_so(&warm, &format!("after {to:?} in {path}"));
    }
}

/// Values that differ in nothing but their order are not the same to who prints them.
#[test]
fn another_order_is_printed_anew() {
    let mut warm = Recorded::new(&[
        ("platform/env.plumb", ENVIRONMENTS),
        (
            "platform/note.plumb",
            r#"
use k8s.core.v1 as core

let names = ["b", "a"]
let crossed = {for name in names => [name] = "x"}

schema Note { lines: {String: String} = crossed }

compose Note as note {
    emit core.ConfigMap { metadata.name = note.name, data = note.lines }
}
"#,
        ),
        (
            "apps/note.plumb",
            "use platform\n\npackage { namespace = \"apps\" }\n\nrequest note: platform.Note {}\n",
        ),
    ]);
    assert_eq!(warm.everything(), [], "the workspace is sound");
    let before = printed(&warm, "dev");
    warm.edit("platform/note.plumb", r#"["b", "a"]"#, r#"["a", "b"]"#);
    assert_ne!(printed(&warm, "dev"), before);
    assert_cold_answers_so(&warm, "after the names changed their order");
}

#[track_caller]
fn assert_cold_answers_so(warm: &Recorded, when: &str) {
    let files: Vec<(String, String)> = warm
        .files
        .iter()
        .map(|(path, file)| match file.content(&warm.db) {
            Content::Text(text) => (path.clone(), text.to_string()),
            Content::Unreadable(why) => panic!("{path} {why}"),
        })
        .collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let cold = Recorded::new(&files);
    assert_eq!(check(&warm.db, warm.workspace), check(&cold.db, cold.workspace), "{when}");
    for environment in environments(&cold.db, cold.workspace) {
        assert_eq!(
            printed(warm, &environment),
            printed(&cold, &environment),
            "{environment} {when}"
        );
    }
}

fn printed(recorded: &Recorded, environment: &str) -> String {
    let mut out = String::new();
    for manifest in build(&recorded.db, recorded.workspace, environment).manifests {
        plumb_compiler::yaml::write_document(&mut out, &manifest.object);
    }
    out
}

/// Declarations are told apart by what they are called.
#[test]
fn a_declaration_keeps_its_key_when_others_come_before_it() {
    let mut recorded = Recorded::standard();
    let file = recorded.files["apps/shop/shop.plumb"];
    let keys = |recorded: &Recorded| -> Vec<ItemId> {
        plumb_compiler::items::items(&recorded.db, file).clone()
    };
    let before = keys(&recorded);
    recorded.edit("apps/shop/shop.plumb", "request shop", "let a = 1\n\nrequest shop");
    let after = keys(&recorded);
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|key| after.contains(key)));
}

#[test]
fn a_request_is_where_it_lists_itself_and_in_the_descendants() {
    let mut recorded = Recorded::standard();
    let names = |recorded: &Recorded, environment: &str| -> Vec<String> {
        let made = build(&recorded.db, recorded.workspace, environment).manifests;
        made.iter().map(|it| it.request.to_string()).collect()
    };
    assert_eq!(names(&recorded, "dev"), ["apps.batch.nightly", "apps.shop.cart", "apps.shop.shop"]);
    recorded.edit(
        "apps/shop/shop.plumb",
        "cart: platform.Service",
        "cart: platform.Service in prod",
    );
    assert_eq!(names(&recorded, "dev"), ["apps.batch.nightly", "apps.shop.shop"]);
    assert_eq!(
        names(&recorded, "prod-us"),
        ["apps.batch.nightly", "apps.shop.cart", "apps.shop.shop"]
    );
}

#[test]
fn who_reads_an_output_depends_on_its_value_only() {
    let mut recorded = Recorded::new(&[
        ("platform/env.plumb", ENVIRONMENTS),
        (
            "platform/service.plumb",
            &SERVICE.replace("}\n}", "}\n    output url: String = \"http://${svc.name}\"\n}"),
        ),
        (
            "a/cart.plumb",
            "use platform\npackage { namespace = \"a\" }\nrequest cart: platform.Service { image = \"one\" }\n",
        ),
        (
            "b/shop.plumb",
            "use platform\nuse a\npackage { namespace = \"b\" }\nrequest shop: platform.Service { image = a.cart.url }\n",
        ),
    ]);
    assert_eq!(recorded.everything(), []);
    let reruns = recorded.reruns("a/cart.plumb", "\"one\"", "\"two\"");
    // The cart, in three environments; the shop reads its address, which is as it was.
    assert_runs(&reruns, &[("infer", 1), ("evaluate", 3), ("objects", 3)]);
    let reruns = recorded.reruns("a/cart.plumb", "\"two\" }", "\"two\", name = \"basket\" }");
    assert_eq!(Recorded::count(&reruns, "evaluate"), 6, "{reruns:#?}");
}
