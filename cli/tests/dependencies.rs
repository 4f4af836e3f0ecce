//! Workspaces that depend on others, and what `plumb.toml` allows, with real folders.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const BASE: &str = r#"use k8s.core.v1 as core

schema Env { domain: String }
environment dev: Env { domain = "dev.test" }
environment prod: Env { domain = "test" }

schema Note { text: String = "${environment.domain}", namespace-of: String? }

private schema Hidden { n: Int = 1 }

compose Note as note {
    emit core.ConfigMap { metadata = { name = note.name, namespace = note.namespace-of }, data.text = note.text }
    output text: String = note.text
}

request sample: Note {}
package { namespace = "samples" }
"#;

const SHOP: &str = r#"use platform
use platform.texts.{greeting}

package { namespace = "shop" }

request shop: platform.Note { text = greeting }
overlay shop in prod { text = "prod" }
"#;

/// A folder with an app and the platform beside it, and what each test adds or changes.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let usual = [
        ("app/plumb.toml", "[dependencies]\nplatform = { path = \"../platform\" }\n"),
        ("app/apps/shop/shop.plumb", SHOP),
        ("platform/plumb.toml", ""),
        ("platform/base.plumb", BASE),
        ("platform/texts/texts.plumb", "use texts.deep.{word}\nlet greeting = \"hello ${word}\"\n"),
        ("platform/texts/deep/word.plumb", "let word = \"world\"\n"),
    ];
    for (path, text) in usual.iter().chain(files) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn check(folder: &TempDir) -> (i32, String) {
    let (code, out, errors) = run(&folder.path().join("app"), &["check"]);
    (code, out + &errors)
}

/// The manifests of prod.
fn build(folder: &TempDir) -> String {
    let (code, out, errors) = run(&folder.path().join("app"), &["build", "--env", "prod"]);
    assert_eq!(code, 0, "{out}{errors}");
    out
}

#[test]
fn the_packages_of_a_dependency_are_seen_under_its_name_and_its_requests_are_not_made() {
    let folder = folder(&[]);
    let (code, said) = check(&folder);
    assert_eq!(code, 0, "{said}");
    let manifests = build(&folder);
    assert_eq!(manifests.matches("kind: ConfigMap").count(), 1, "{manifests}");
    assert!(manifests.contains("namespace: shop\ndata:\n  text: prod"), "{manifests}");
    let (_, dev, _) = run(&folder.path().join("app"), &["build", "--env", "dev"]);
    assert!(dev.contains("text: hello world"), "{dev}");
    let (code, why, errors) =
        run(&folder.path().join("app"), &["why", "shop.text", "--env", "dev"]);
    assert_eq!(code, 0, "{errors}");
    assert!(why.contains("schema Note     ../platform/base.plumb:7    overridden"), "{why}");
}

#[test]
fn a_dependency_is_a_workspace_of_its_own() {
    let folder = folder(&[]);
    let (code, out, errors) = run(&folder.path().join("platform"), &["build", "--env", "dev"]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("name: sample"), "{out}");
}

#[test]
fn a_dependency_comes_before_a_directory_of_the_same_name() {
    let folder = folder(&[("app/platform/local.plumb", "let greeting = \"local\"\n")]);
    let (code, said) = check(&folder);
    assert_eq!(code, 0, "{said}");
    assert!(build(&folder).contains("text: prod"));
}

#[test]
fn a_dependency_inside_the_workspace_is_read_once() {
    let folder = folder(&[
        ("app/plumb.toml", "[dependencies]\nplatform = { path = \"vendor/platform\" }\n"),
        ("app/vendor/platform/plumb.toml", ""),
        ("app/vendor/platform/base.plumb", BASE),
        ("app/vendor/platform/texts/texts.plumb", "let greeting = \"vendored\"\n"),
    ]);
    let (code, said) = check(&folder);
    assert_eq!(code, 0, "{said}");
    let (_, dev, _) = run(&folder.path().join("app"), &["build", "--env", "dev"]);
    assert!(dev.contains("text: vendored"), "{dev}");
}

#[test]
fn a_folder_that_two_ways_lead_to_is_one_workspace() {
    let both = "[dependencies]\nplatform = { path = \"../platform\" }\nmiddle = { path = \"../middle\" }\n";
    let folder = folder(&[
        ("app/plumb.toml", both),
        ("middle/plumb.toml", "[dependencies]\nground = { path = \"../platform/../platform\" }\n"),
        ("middle/middle.plumb", "use ground.{Note}\nfn of(note: Note) -> String = note.text\n"),
        (
            "app/apps/shop/shop.plumb",
            "use platform\nuse middle.{of}\npackage { namespace = \"shop\" }\n\
             let other = of(platform.Note { text = \"same\" })\n\
             request shop: platform.Note { text = other }\n",
        ),
    ]);
    let (code, said) = check(&folder);
    assert!(said.contains("logic-in-request") || code == 0, "{said}");
    let (_, dev, errors) = run(&folder.path().join("app"), &["build", "--env", "dev"]);
    assert!(dev.contains("text: same"), "{dev}{errors}");
}

#[test]
fn what_a_dependency_depends_on_is_its_own_affair() {
    let folder = folder(&[
        ("platform/plumb.toml", "[dependencies]\nground = { path = \"../ground\" }\n"),
        ("ground/plumb.toml", ""),
        ("ground/words.plumb", "let word = \"ground\"\n"),
        ("platform/texts/texts.plumb", "use ground.{word}\nlet greeting = word\n"),
        ("app/apps/other/other.plumb", "use ground.{word}\n"),
    ]);
    let (code, said) = check(&folder);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("there is no package `ground.word`")
            || said.contains("there is no package `ground`"),
        "{said}"
    );
    assert_eq!(said.matches("Error").count(), 1, "{said}");
    let (_, dev, _) = run(&folder.path().join("app"), &["build", "--env", "dev"]);
    assert!(dev.contains("text: ground"), "{dev}");
}

#[test]
fn the_private_and_the_requests_of_a_dependency_stay_there() {
    let folder = folder(&[(
        "app/apps/shop/more.plumb",
        "use platform\nuse platform.{Hidden}\nrequest a: platform.Note { text = platform.sample.text }\nuse platform.texts.{nothing}\n",
    )]);
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(said.contains("`Hidden` is private to package `platform`"), "{said}");
    assert!(said.contains("`sample` is a request of another workspace"), "{said}");
    assert!(said.contains("package `platform.texts` declares no `nothing`"), "{said}");
    assert_eq!(said.matches("Error").count(), 3, "{said}");
}

#[test]
fn mistakes_in_a_dependency_are_told_where_they_can_be_opened() {
    let folder = folder(&[("platform/texts/deep/word.plumb", "let word: Int = \"world\"\n")]);
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(said.contains("../platform/texts/deep/word.plumb:1:"), "{said}");
    assert_eq!(said.matches("Error").count(), 1, "{said}");
}

#[test]
fn every_mistake_of_a_dependency_is_told_in_plumb_toml_and_nothing_follows_from_it() {
    for (toml, expected) in [
        ("platform = { path = \"../nowhere\" }", "does not exist"),
        ("platform = { path = \"apps/shop/shop.plumb\" }", "is a file"),
        ("platform = { path = \"apps\" }", "`apps` has no plumb.toml"),
        ("platform = { path = \".\" }", "`platform` is this workspace itself"),
        (
            "platform = { git = \"https://example.org/a.git\", tag = \"v1\" }",
            "from git are not in this version",
        ),
        ("platform = \"../platform\"", "names workspaces"),
    ] {
        let folder = folder(&[("app/plumb.toml", &format!("[dependencies]\n{toml}\n"))]);
        let (code, said) = check(&folder);
        assert_eq!(code, 1, "{toml}: {said}");
        assert!(said.contains(expected), "{toml}: {said}");
        assert!(said.contains("plumb.toml:2:"), "{toml}: {said}");
        assert!(!said.contains("no package"), "{toml}: {said}");
    }
}

#[test]
fn dependencies_that_go_round_are_told_with_the_way() {
    let folder = folder(&[
        ("platform/plumb.toml", "[dependencies]\nback = { path = \"../ground\" }\n"),
        ("ground/plumb.toml", "[dependencies]\nagain = { path = \"../platform\" }\n"),
    ]);
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(said.contains("dependencies go round: back → again"), "{said}");
    assert!(said.contains("../ground/plumb.toml:2:"), "{said}");
}

#[test]
fn the_kubernetes_and_the_allowances_of_a_dependency_say_nothing_here() {
    let limits =
        "kubernetes = \"1.99\"\n[[allow]]\ndirectory = \"**\"\nrequest = []\nnamespaces = []\n";
    let folder = folder(&[("platform/plumb.toml", limits)]);
    let (code, said) = check(&folder);
    assert_eq!(code, 0, "{said}");
}

fn allowing(entries: &str, files: &[(&str, &str)]) -> TempDir {
    let toml = format!("[dependencies]\nplatform = {{ path = \"../platform\" }}\n{entries}");
    let mut all = vec![("app/plumb.toml", toml.as_str())];
    all.extend(files);
    folder(&all)
}

#[test]
fn a_schema_that_a_directory_may_not_request_is_told_at_the_request_and_not_built() {
    let folder = allowing(
        "[[allow]]\ndirectory = \"apps/**\"\nrequest = [\"platform.web.*\", \"other.Note\"]\n",
        &[],
    );
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(said.contains("directory apps/shop may not request `platform.Note`"), "{said}");
    assert!(said.contains("it may request `platform.web.*` and `other.Note`"), "{said}");
    assert!(said.contains("plumb.toml:4:") && said.contains("this decides"), "{said}");
    assert_eq!(said.matches("Error").count(), 1, "{said}");
    let (code, out, _) = run(&folder.path().join("app"), &["build", "--env", "prod"]);
    assert_eq!((code, out.as_str()), (1, ""));
}

#[test]
fn the_nearest_entry_decides_and_a_directory_without_one_may_ask_for_all() {
    let entries = "[[allow]]\ndirectory = \"apps/**\"\nrequest = []\n\
                   [[allow]]\ndirectory = \"apps/shop\"\nrequest = [\"platform.*\"]\n";
    let more = "use platform\npackage { namespace = \"a\" }\nrequest a: platform.Note {}\n";
    let folder = allowing(
        entries,
        &[("app/apps/other/a.plumb", more), ("app/infra/a.plumb", &more.replace("\"a\"", "\"b\""))],
    );
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(said.contains("directory apps/other may not request"), "{said}");
    assert!(said.contains("it may request nothing"), "{said}");
    assert_eq!(said.matches("Error").count(), 1, "{said}");
}

#[test]
fn a_namespace_that_a_directory_may_not_use_is_told_where_it_is_said() {
    let entries = "[[allow]]\ndirectory = \"apps/**\"\nnamespaces = [\"shop-*\"]\n";
    let folder = allowing(entries, &[]);
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(
        said.contains("directory apps/shop may not use namespace \"shop\"; it may use `shop-*`"),
        "{said}"
    );
    assert!(said.contains("apps/shop/shop.plumb:4:"), "{said}");
    assert_eq!(said.matches("Error").count(), 1, "{said}");

    let folder = allowing(
        entries,
        &[(
            "app/apps/shop/shop.plumb",
            "use platform\npackage { namespace = \"shop-${environment.name}\" }\n\
             request fine: platform.Note {}\n\
             request own: platform.Note { namespace = \"kube-system\" }\n\
             request asked: platform.Note { namespace-of = \"kube-public\" }\n",
        )],
    );
    let (code, said) = check(&folder);
    assert_eq!(code, 1);
    assert!(said.contains("apps/shop/shop.plumb:4:42"), "{said}");
    assert!(said.contains("apps/shop/shop.plumb:5:47"), "{said}");
    assert_eq!(said.matches("Error").count(), 2, "{said}");
}
