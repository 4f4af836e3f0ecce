//! `plumb diff`, as a user runs it in a repository.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.autoscaling.v2 as autoscaling
use k8s.core.v1 as core

schema Env { domain: Hostname }

environment dev: Env { domain = "dev.acme.test" }
environment prod: Env { domain = "acme.test" }

/// A stateless HTTP service.
schema Web {
    image: String
    replicas: Int = 1
    max: Int?
    tier: String = "web"
    env: {EnvName: String} = {}
    config: String?
    token: String?
}

compose Web as web {
    let labels = { app = web.name, tier = web.tier }
    emit apps.Deployment {
        metadata.name = web.name
        spec = {
            replicas = initial(web.replicas, owner = "hpa")
            selector.matchLabels = labels
            template.metadata.labels = labels
            template.spec.containers = [{
                name = web.name
                image = web.image
                env = [for name, value in web.env => { name = name, value = value }]
            }]
        }
    }
    emit core.Service {
        metadata.name = web.name
        spec = { selector = labels, ports = [{ port = 80 }] }
    }
    if let max = web.max {
        emit autoscaling.HorizontalPodAutoscaler {
            metadata.name = web.name
            spec = {
                scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = web.name }
                maxReplicas = max
            }
        }
    }
    if let config = web.config {
        emit core.ConfigMap { metadata.name = web.name, data = { "app.conf" = config } }
    }
    if let token = web.token {
        emit core.Secret { metadata.name = web.name, stringData = { token = token } }
    }
}
"#;

const CART: &str = r#"use platform

package { namespace = "shop" }

request cart: platform.Web {
    image = "registry.acme.test/cart@sha256:c4f39ab85784e5ce9a83cacfbf2918580e60ab3de057a1f1f0173381e953f707"
    env = { TTL = "72h", URL = "https://cart.${environment.domain}" }
    config = file("app.conf")
    token = "one"
}

overlay cart in prod {
    max = 4
}
"#;

const CATALOG: &str = r#"use platform

request catalog: platform.Web {
    image = "registry.acme.test/catalog:1"
    replicas = 2
}

request importer: platform.Web {
    image = "registry.acme.test/importer:1"
}
"#;

const CONF: &str = "listen 80\nworkers 4\nlog info\ntimeout 30\nkeepalive 5\n";

/// A repository with a workspace in its first commit, which is tagged `before`.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Repository(tempfile::tempdir().unwrap());
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.write("plumb.toml", "");
        repository.write("platform/platform.plumb", PLATFORM);
        repository.write("shop/cart.plumb", CART);
        repository.write("shop/catalog.plumb", CATALOG);
        repository.write("shop/app.conf", CONF);
        repository.commit("The shop");
        repository.git(&["tag", "before"]);
        repository
    }

    fn path(&self) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn edit(&self, path: &str, edits: &[(&str, &str)]) {
        let mut text = fs::read_to_string(self.path().join(path)).unwrap();
        for (from, to) in edits {
            assert!(text.contains(from), "{path}: {from}");
            text = text.replace(from, to);
        }
        self.write(path, &text);
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
    }

    fn git(&self, words: &[&str]) -> String {
        let done = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
            .args(words)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("the tests need git");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// The exit code, stdout and stderr, in which commits are called by what they are.
    fn diff(&self, words: &[&str]) -> (i32, String, String) {
        let (code, out, err) = run(&self.path(), words);
        let mut texts = [out, err];
        for (name, called) in [("before", "1111111"), ("HEAD", "2222222")] {
            let whole = self.git(&["rev-parse", &format!("{name}^{{commit}}")]);
            let short = self.git(&["rev-parse", "--short", &format!("{name}^{{commit}}")]);
            texts = texts.map(|it| it.replace(&whole, &called.repeat(5)).replace(&short, called));
        }
        let [out, err] = texts;
        (code, out, err)
    }

    fn json(&self, words: &[&str]) -> Value {
        let (code, out, err) = self.diff(&[words, &["--output", "json"]].concat());
        assert!(code <= 1, "{err}");
        serde_json::from_str(&out).unwrap()
    }
}

fn run(directory: &Path, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .current_dir(directory)
        .arg("diff")
        .args(words)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Every effect at once.
fn changed() -> Repository {
    let repository = Repository::new();
    repository.edit(
        "shop/cart.plumb",
        &[
            ("\"72h\"", "\"24h\""),
            ("c4f39ab8", "d4f39ab8"),
            ("token = \"one\"", "token = \"two\""),
            ("max = 4", "max = 8"),
        ],
    );
    repository.edit("shop/app.conf", &[("workers 4", "workers 8"), ("keepalive 5\n", "")]);
    repository.edit("shop/catalog.plumb", &[("replicas = 2", "replicas = 3\n    max = 5")]);
    repository
        .edit("shop/catalog.plumb", &[("importer:1\"", "importer:1\"\n    tier = \"batch\"")]);
    repository.write(
        "shop/search.plumb",
        "use platform\n\nrequest search: platform.Web { image = \"search:1\" }\n",
    );
    repository.commit("Search, and `smaller` <carts> @all");
    repository
}

const BOTH: [&str; 6] = ["--from", "before", "--to", "HEAD", "--env", "prod"];

#[test]
fn people_see_what_happens_the_gravest_first() {
    let (code, out, err) = changed().diff(&BOTH);
    assert_eq!((code, err.as_str()), (1, ""));
    insta::assert_snapshot!("human", out);
}

#[test]
fn a_pull_request_has_it_folded() {
    let (code, out, err) = changed().diff(&[&BOTH[..], &["--output", "markdown"]].concat());
    assert_eq!((code, err.as_str()), (1, ""));
    insta::assert_snapshot!("markdown", out);
}

#[test]
fn programs_get_every_value_with_its_place() {
    let told = changed().json(&BOTH);
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&told).unwrap());
}

#[test]
fn the_other_way_round_what_was_created_is_deleted() {
    let repository = changed();
    let there = repository.json(&BOTH);
    let back = repository.json(&["--from", "HEAD", "--to", "before", "--env", "prod"]);
    let count = |told: &Value, effect: &str| {
        told["objects"].as_array().unwrap().iter().filter(|it| it["effect"] == effect).count()
    };
    for (one, other) in [("created", "deleted"), ("deleted", "created"), ("restarted", "restarted")]
    {
        assert_eq!(count(&there, one), count(&back, other), "{one}");
    }
    assert!(count(&there, "created") > 0);
}

#[test]
fn the_working_tree_is_compared_where_no_other_commit_is_named() {
    let repository = Repository::new();
    let words = ["--from", "HEAD", "--env", "prod"];
    let (code, out, err) = repository.diff(&words);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "prod, HEAD (1111111) → the working tree: no difference in 9 objects\n", "")
    );
    let told = repository.json(&words);
    assert_eq!((&told["objects"], &told["same"]), (&json!([]), &json!(9)));
    assert_eq!(
        told["to"],
        json!({ "revision": null, "commit": null, "summary": null, "cluster": null })
    );
    // Comments and the order of declarations change nothing.
    repository.edit("shop/cart.plumb", &[("request cart", "// In front.\n\nrequest cart")]);
    assert_eq!(repository.diff(&words).0, 0);
    repository.edit("shop/cart.plumb", &[("\"72h\"", "\"24h\"")]);
    let (code, out, _) = repository.diff(&words);
    assert_eq!(code, 1);
    assert!(out.contains("env[\"TTL\"].value: \"72h\" → \"24h\"\n"), "{out}");
    assert!(out.contains("        request cart, shop/cart.plumb:9\n"), "{out}");
}

#[test]
fn what_does_not_build_is_said_and_not_shown_as_deleted() {
    let repository = Repository::new();
    repository.edit("shop/catalog.plumb", &[("replicas = 2", "replicas = \"two\"")]);
    let (code, out, err) = repository.diff(&["--from", "before", "--env", "prod"]);
    assert_eq!(code, 1);
    assert!(!out.contains("deleted"), "{out}");
    assert!(
        out.contains("  shop.catalog does not build in the working tree, so its 2 objects are left as they were\n"),
        "{out}"
    );
    assert!(err.starts_with("1 error in the working tree:\n[type-mismatch]"), "{err}");
    // And the other way round, nothing is created.
    repository.commit("Broken");
    let told = repository.json(&["--from", "HEAD", "--to", "before", "--env", "prod"]);
    assert_eq!(told["objects"], json!([]));
    assert_eq!(
        told["incomplete"],
        json!([{ "request": "shop.catalog", "side": "from", "objects": 2 }])
    );
    // What builds on neither side is said once.
    let (code, out, _) = repository.diff(&["--from", "HEAD", "--env", "prod"]);
    assert_eq!(code, 1);
    assert!(out.contains("\n  shop.catalog builds on neither side\n"), "{out}");
    assert!(out.ends_with(": 1 request not compared; 7 objects the same\n"), "{out}");
    // A declaration that cannot be read at all is not taken for one that is gone.
    repository.edit("shop/catalog.plumb", &[("request catalog:", "request catalog %")]);
    let (_, out, _) = repository.diff(&["--from", "before", "--env", "prod"]);
    assert!(!out.contains("deleted"), "{out}");
}

const MANY: &str = "use platform\n\npackage { namespace = \"many\" }\n\n";

#[test]
fn a_change_of_the_platform_is_told_once_with_all_whom_it_concerns() {
    let repository = Repository::new();
    let many: Vec<String> = (0..30)
        .map(|it| format!("request app-{it:02}: platform.Web {{ image = \"a\" }}\n"))
        .collect();
    repository.write("many/many.plumb", &format!("{MANY}{}", many.join("\n")));
    repository.commit("Many");
    repository.edit("platform/platform.plumb", &[("port = 80", "port = 8080")]);
    let (code, out, _) = repository.diff(&["--from", "HEAD", "--env", "prod", "many"]);
    assert_eq!(code, 1);
    assert!(out.contains("  Service/app-07@many  many.app-07\n  and 22 more objects\n"), "{out}");
    assert!(out.lines().count() < 20, "{out}");
}

#[test]
fn a_pull_request_has_room_for_so_much() {
    let repository = Repository::new();
    let many = |text: &str| {
        let requests: Vec<String> = (0..600)
            .map(|it| format!("request app-{it:03}: platform.Web {{ image = \"{text}-{it}\" }}\n"))
            .collect();
        repository.write("many/many.plumb", &format!("{MANY}{}", requests.join("\n")));
    };
    many("one");
    repository.commit("Many");
    many("two");
    let words = ["--from", "HEAD", "--env", "prod", "--output", "markdown"];
    let (code, out, _) = repository.diff(&words);
    assert_eq!(code, 1);
    assert!(out.len() < 61_000 && out.len() > 55_000, "{}", out.len());
    let shown = out.matches("\n- **`").count();
    let last = format!(
        "\n{} more objects differ, for which there is no room here: `plumb diff` prints all.\n",
        600 - shown
    );
    assert!(out.ends_with(&last), "{}", &out[out.len() - 200..]);
    assert_eq!(out.matches("<details").count(), out.matches("</details>").count());
}

#[test]
fn a_part_may_be_there_on_one_side_alone() {
    let repository = Repository::new();
    repository.write(
        "new/search.plumb",
        &format!("{MANY}request search: platform.Web {{ image = \"search:1\" }}\n"),
    );
    repository.commit("Search");
    let words = ["--from", "before", "--to", "HEAD", "--env", "prod", "new"];
    let (code, out, err) = repository.diff(&words);
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(out.starts_with("before (1111111) has no `new`\n\ncreated\n"), "{out}");
    assert!(out.ends_with(": 2 created; 0 objects the same\n"), "{out}");
    let words = ["--from", "HEAD", "--to", "before", "--env", "prod", "new"];
    let (_, out, _) = repository.diff(&words);
    assert!(out.ends_with(": 2 deleted; 0 objects the same\n"), "{out}");
    // Only what was asked for is compared.
    repository.edit("shop/cart.plumb", &[("\"72h\"", "\"24h\"")]);
    assert_eq!(repository.diff(&["--from", "HEAD", "--env", "prod", "new"]).0, 0);
    assert_eq!(repository.diff(&["--from", "HEAD", "--env", "prod", "shop"]).0, 1);
    assert_eq!(repository.diff(&["--from", "HEAD", "--env", "prod", "shop/cart.plumb"]).0, 1);
}

#[test]
fn an_environment_may_be_new() {
    let repository = Repository::new();
    repository.edit(
        "platform/platform.plumb",
        &[("environment prod:", "environment test: Env { domain = \"test\" }\nenvironment prod:")],
    );
    let (code, out, _) = repository.diff(&["--from", "HEAD", "--env", "test"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("HEAD (1111111) has no environment `test`\n\ncreated\n"), "{out}");
}

#[test]
fn what_could_not_run_is_exit_code_2() {
    let repository = Repository::new();
    for (words, expected) in [
        (&["--from", "mian", "--env", "prod"][..], "did you mean `main`?"),
        (&["--from", "main", "--to", "HEAD~9", "--env", "prod"], "there is no commit `HEAD~9`"),
        (
            &["--from", "main", "--env", "prd"],
            "there is no environment `prd`; did you mean `prod`?",
        ),
        (&["--from", "main", "--env", "prod", "nowhere"], "`nowhere` does not exist"),
        (&["--to", "HEAD", "--env", "prod"], "--from <REV>"),
        (&["--from", "main", "--context", "a", "--env", "prod"], "cannot be used with"),
        (&["--from", "main", "--adopt", "--env", "prod"], "cannot be used with"),
        (&["--env", "prod"], "the workspace has no name"),
        (&["--from", "main"], "--env <ENV>"),
    ] {
        let (code, out, err) = repository.diff(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains(expected), "{words:?}: {err}");
    }
    repository.write("plumb.toml", "nmae = \"a\"");
    let (code, out, err) = repository.diff(&["--from", "main", "--env", "prod"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("did you mean `name`?"), "{err}");
    assert!(err.ends_with("plumb: in the working tree, plumb.toml has mistakes\n"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.plumb"), "").unwrap();
    let (code, _, err) = run(folder.path(), &["--from", "main", "--env", "prod"]);
    assert_eq!((code, err.contains("lies in no git repository")), (2, true), "{err}");
}

#[test]
fn it_is_run_from_anywhere_in_the_workspace() {
    let repository = Repository::new();
    repository.edit("shop/cart.plumb", &[("\"72h\"", "\"24h\"")]);
    let (code, out, _) = run(&repository.path().join("shop"), &["--from", "HEAD", "--env", "prod"]);
    assert_eq!(code, 1);
    assert!(out.contains("        request cart, ../shop/cart.plumb:7\n"), "{out}");
}
