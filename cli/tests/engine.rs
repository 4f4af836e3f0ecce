//! The commands on real workspaces: what users type and what they see.

use serde_json::Value as Json;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.core.v1 as core

schema Env { domain: Hostname }

environment dev: Env { domain = "dev.acme.test" }
environment prod: Env { domain = "acme.test" }
environment prod-us: Env from prod { domain = "us.acme.test" }

/// A stateless HTTP service.
schema Service {
    image: Image
    replicas: Int where it in 1..=50 = 1
    host: Hostname?
    env: {EnvName: String} = {}
}

defaults Service in prod { replicas = 2 }

compose Service as svc {
    let labels = { app = svc.name }
    emit apps.Deployment {
        metadata = { name = svc.name, labels = labels }
        spec = {
            replicas = svc.replicas
            selector.matchLabels = labels
            template = {
                metadata.labels = labels
                spec.containers = [{
                    name = svc.name
                    image = svc.image
                    env = [for name, value in svc.env => { name = name, value = value }]
                }]
            }
        }
    }
    if let host = svc.host {
        emit core.ConfigMap { metadata.name = svc.name, data = { host = host, ok = "yes" } }
    }
}
"#;

const SHOP: &str = r#"use platform

package { namespace = "shop" }

let digest = "registry.acme.test/shop@sha256:0000000000000000000000000000000000000000000000000000000000000001"

request shop: platform.Service {
    image = digest
    host = "shop.${environment.domain}"
    env = { LOG_LEVEL = "info", TZ = "UTC" }
}

overlay shop in prod {
    replicas = 6
    env.LOG_LEVEL = "warn"
}
"#;

const CART: &str = r#"use platform
use apps.shop.{digest as image}

package { namespace = "cart" }

request cart: platform.Service { image = image }
"#;

fn workspace(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plumb.toml"), "name = \"acme\"\nkubernetes = \"1.36\"\n")
        .unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn sound() -> TempDir {
    workspace(&[
        ("platform/web.plumb", PLATFORM),
        ("apps/shop/shop.plumb", SHOP),
        ("apps/cart/cart.plumb", CART),
    ])
}

/// The exit code, stdout and stderr.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .current_dir(directory)
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_sound_workspace_checks_fine() {
    let folder = sound();
    let (code, stdout, stderr) = run(folder.path(), &["check"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("checked 3 files in 3 environments: no problems"), "{stderr}");
}

#[test]
fn build_prints_a_stream_that_any_reader_understands() {
    let folder = sound();
    let (code, stdout, stderr) = run(folder.path(), &["build", "--env", "prod"]);
    assert_eq!(code, 0, "{stderr}");
    let expected = "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: cart
  labels:
    app: cart
spec:
  replicas: 2
  selector:
    matchLabels:
      app: cart
  template:
    metadata:
      labels:
        app: cart
    spec:
      containers:
      - name: cart
        image: registry.acme.test/shop@sha256:0000000000000000000000000000000000000000000000000000000000000001
        env: []
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: shop
  labels:
    app: shop
spec:
  replicas: 6
  selector:
    matchLabels:
      app: shop
  template:
    metadata:
      labels:
        app: shop
    spec:
      containers:
      - name: shop
        image: registry.acme.test/shop@sha256:0000000000000000000000000000000000000000000000000000000000000001
        env:
        - name: LOG_LEVEL
          value: warn
        - name: TZ
          value: UTC
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: shop
  namespace: shop
data:
  host: shop.acme.test
  ok: \"yes\"
";
    assert_eq!(stdout, expected);
}

#[test]
fn build_as_json_is_an_array_and_with_all_environments_a_map() {
    let folder = sound();
    let (code, stdout, _) = run(folder.path(), &["build", "--env", "dev", "--output", "json"]);
    let objects: Json = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, objects.as_array().unwrap().len()), (0, 3));
    assert_eq!(objects[2]["data"]["host"], "shop.dev.acme.test");

    let (code, stdout, _) = run(folder.path(), &["build", "--all-envs", "--output", "json"]);
    let all: Json = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    let replicas: Vec<(&str, &Json)> = all
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, it)| (name.as_str(), &it[1]["spec"]["replicas"]))
        .collect();
    assert_eq!(
        replicas,
        [("dev", &Json::from(1)), ("prod", &Json::from(6)), ("prod-us", &Json::from(6))]
    );
}

#[test]
fn build_of_a_directory_prints_what_its_requests_make() {
    let folder = sound();
    let (code, stdout, _) = run(folder.path(), &["build", "--env", "prod", "apps/cart"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("name: cart") && !stdout.contains("name: shop"), "{stdout}");
}

#[test]
fn an_environment_that_is_not_there_is_named_with_the_nearest() {
    let folder = sound();
    let (code, stdout, stderr) = run(folder.path(), &["build", "--env", "prdo"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("`prdo`") && stderr.contains("prod"), "{stderr}");
}

#[test]
fn a_request_with_an_error_makes_nothing_and_the_others_everything() {
    let folder = sound();
    let broken = SHOP.replace("replicas = 6", "replicas = 60");
    fs::write(folder.path().join("apps/shop/shop.plumb"), broken).unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["build", "--env", "prod"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("name: cart") && !stdout.contains("name: shop"), "{stdout}");
    assert!(stderr.contains("`replicas` is 60; it must be from 1 to 50"), "{stderr}");
    // In dev the overlay says nothing.
    let (code, stdout, _) = run(folder.path(), &["build", "--env", "dev"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("name: shop"), "{stdout}");
}

#[test]
fn one_mistake_in_several_environments_is_told_once() {
    let folder = sound();
    let broken = SHOP.replace("replicas = 6", "replicas = 60");
    fs::write(folder.path().join("apps/shop/shop.plumb"), broken).unwrap();
    let (code, stdout, _) = run(folder.path(), &["check", "--output", "json"]);
    assert_eq!(code, 1);
    let report: Json = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["version"], 1);
    let found = report["diagnostics"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{stdout}");
    assert_eq!(found[0]["code"], "refinement-failed");
    assert_eq!(found[0]["environments"], serde_json::json!(["prod", "prod-us"]));
    assert_eq!(found[0]["span"]["file"], "apps/shop/shop.plumb");
    assert_eq!(
        found[0]["span"]["start"],
        serde_json::json!({ "line": 14, "column": 16, "offset": 336 })
    );
}

#[test]
fn every_mistake_is_told_in_one_run() {
    let folder = sound();
    let broken = SHOP
        .replace("host = ", "hots = ")
        .replace("replicas = 6", "replicas = \"6\"")
        .replace("env.LOG_LEVEL", "env.log-level");
    fs::write(folder.path().join("apps/shop/shop.plumb"), broken).unwrap();
    let cart = CART.replace("image = image", "image = image, port = 1");
    fs::write(folder.path().join("apps/cart/cart.plumb"), cart).unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["check"]);
    assert_eq!(code, 1);
    for expected in
        ["no field `hots`", "did you mean `host`?", "takes an Int", "log-level", "no field `port`"]
    {
        assert!(stdout.contains(expected), "{expected} in {stdout}");
    }
    assert!(stderr.contains("4 errors"), "{stderr}");
}

#[test]
fn why_prints_the_chain_of_layers() {
    let folder = sound();
    let (code, stdout, stderr) = run(folder.path(), &["why", "shop.replicas", "--env", "prod"]);
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<Vec<&str>> = stdout
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["6", "overlay shop in prod", "apps/shop/shop.plumb:14"],
            vec!["2", "defaults Service in prod", "platform/web.plumb:18", "overridden"],
            vec!["1", "schema Service", "platform/web.plumb:13", "overridden"],
            vec!["used by Deployment/shop spec.replicas"],
        ]
    );
    // The same by its whole address, and as data.
    let (_, whole, _) = run(folder.path(), &["why", "apps.shop.shop.replicas", "--env", "prod"]);
    assert_eq!(whole, stdout);
    let (_, json, _) =
        run(folder.path(), &["why", "shop.replicas", "--env", "prod", "--output", "json"]);
    let why: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(why["value"], 6);
    assert_eq!(why["layers"].as_array().unwrap().len(), 3);
    assert_eq!(why["uses"], serde_json::json!(["Deployment/shop spec.replicas"]));
}

#[test]
fn why_of_what_is_not_there_says_who_decided_it() {
    let folder = sound();
    let (code, stdout, _) = run(folder.path(), &["why", "cart.host", "--env", "prod"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("none") && stdout.contains("schema Service"), "{stdout}");
    let (code, _, stderr) = run(folder.path(), &["why", "cart.replcas", "--env", "prod"]);
    assert_ne!(code, 0);
    assert!(stderr.contains("did you mean `replicas`?"), "{stderr}");
    let (code, _, stderr) = run(folder.path(), &["why", "crat.replicas", "--env", "prod"]);
    assert_ne!(code, 0);
    assert!(stderr.contains("did you mean `cart`?"), "{stderr}");
}

#[test]
fn annotated_manifests_say_behind_each_value_who_made_it_and_mean_the_same() {
    let sound = sound();
    let (code, plain, _) = run(sound.path(), &["build", "--env", "prod"]);
    assert_eq!(code, 0);
    let (code, annotated, errors) = run(sound.path(), &["build", "--env", "prod", "--annotate"]);
    assert_eq!(code, 0, "{errors}");
    let comments: Vec<&str> = annotated.lines().filter(|line| line.contains("  # ")).collect();
    let values = plain.lines().filter(|it| !it.ends_with(':') && !it.starts_with('-')).count();
    assert!(comments.len() >= values, "{annotated}");
    let replicas = comments.iter().find(|line| line.contains("replicas:")).unwrap();
    assert!(replicas.contains("  # defaults Service in prod, platform/web.plumb:18"), "{replicas}");
    let stripped: String = annotated
        .lines()
        .map(|line| line.split_once("  # ").map_or(line, |(line, _)| line).to_owned() + "\n")
        .collect();
    assert_eq!(stripped, plain);
    let (code, _, errors) =
        run(sound.path(), &["build", "--env", "prod", "--annotate", "--output", "json"]);
    assert_eq!(code, 2);
    assert!(errors.contains("JSON has none"), "{errors}");
}

#[test]
fn why_answers_for_values_of_manifests_and_for_those_that_are_not_there() {
    let sound = sound();
    let (code, out, errors) =
        run(sound.path(), &["why", "Deployment/shop:spec.replicas", "--env", "prod"]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.starts_with("Deployment/shop:spec.replicas = "), "{out}");
    assert!(out.contains("defaults Service in prod"), "{out}");
    let (code, out, _) = run(
        sound.path(),
        &["why", "Deployment/shop:spec.replicas", "--env", "prod", "--output", "json"],
    );
    assert_eq!(code, 0);
    let answer: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["layers"][0]["path"], "shop.replicas");
    assert!(answer.get("note").is_none());
    let (code, _, errors) = run(sound.path(), &["why", "Ingress/shop", "--env", "prod"]);
    assert_eq!(code, 2);
    assert!(errors.contains("nothing makes Ingress/shop in prod"), "{errors}");
}

#[test]
fn hostile_files_end_in_a_message() {
    let folder = sound();
    fs::write(folder.path().join("apps/shop/latin.plumb"), [0x66, 0xfc, 0x72]).unwrap();
    fs::write(
        folder.path().join("apps/cart/deep.plumb"),
        format!("let a = {}", "[".repeat(10_000)),
    )
    .unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["check"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("is not UTF-8"), "{stdout}");
    assert!(stdout.contains("[too-deep]"), "{stdout}");
}
