//! `deploy/`: what runs the reconciler in a cluster is taken by a real one, and runs.

// Other tests use more of it.
#[allow(dead_code)]
mod following;

use following::{plumb, told};
use plumb_tests::cluster::{ControlPlane, binaries};
use plumb_tests::documents::root;
use plumb_tests::git::GitServer;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Output, Stdio};
use std::sync::LazyLock;

/// One that what `deploy/` says of prod was applied to.
static CLUSTER: LazyLock<ControlPlane> = LazyLock::new(|| {
    let cluster = ControlPlane::start(&binaries().unwrap()).unwrap();
    let mut apply = plumb(&cluster.kubeconfig());
    let done = apply.args(["apply", "--env", "prod"]).arg(root().join("deploy")).output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
    cluster
});

const ENVIRONMENTS: [&str; 2] = ["staging", "prod"];

/// Runs the program in `deploy/` as somebody who may do everything.
fn run(words: &[&str]) -> Output {
    let mut command = plumb(&CLUSTER.kubeconfig());
    command.current_dir(root().join("deploy")).args(words).output().unwrap()
}

fn built(environment: &str) -> Vec<Value> {
    let done = run(&["build", "--env", environment, "--output", "json"]);
    assert!(done.status.success() && done.stderr.is_empty(), "{}", told(&done));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    objects.iter().find(|it| it["kind"] == kind).unwrap()
}

#[test]
fn it_has_no_mistake_and_is_in_the_style() {
    for words in [&["check"][..], &["fmt", "--check"]] {
        let done = run(words);
        assert!(done.status.success(), "{}", told(&done));
    }
    for environment in ENVIRONMENTS {
        let objects = built(environment);
        let deployment = of_kind(&objects, "Deployment");
        assert_eq!(deployment["spec"]["replicas"], 1);
        assert_eq!(deployment["spec"]["strategy"], json!({ "type": "Recreate" }));
    }
}

#[test]
fn a_cluster_takes_it_and_a_restricted_namespace_its_pod() {
    let again = run(&["diff", "--env", "prod"]);
    assert!(again.status.success(), "{}", told(&again));
    let namespace = CLUSTER.read("/api/v1/namespaces/plumb-system").unwrap();
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let objects = built("prod");
    let mut pod = of_kind(&objects, "Deployment")["spec"]["template"].clone();
    pod["metadata"]["name"] = json!("plumb");
    let pods = "/api/v1/namespaces/plumb-system/pods";
    // It is there without its controller. Nobody mounts a token where no controller makes service accounts.
    CLUSTER.create(pods, &pod).unwrap();
    // That anything is looked at.
    pod["metadata"]["name"] = json!("other");
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = CLUSTER.create(pods, &pod).unwrap_err();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

/// A process that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The status of an answer.
fn ask(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: plumb\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

const FOLLOWED: &str = r#"use k8s.core.v1 as core

schema Env {}

environment prod: Env {}

schema Word { text: String }

compose Word as word {
    emit core.ConfigMap { metadata.name = word.name, data = { text = word.text } }
}
"#;

#[test]
fn what_it_starts_follows_a_repository_with_what_is_printed_as_its_permissions() {
    let server = GitServer::start().unwrap();
    let files = [
        ("plumb.toml", "name = \"words\"\n"),
        ("platform/platform.plumb", FOLLOWED),
        (
            "words/words.plumb",
            "use platform\n\npackage { namespace = \"words\" }\n\nrequest hello: platform.Word { text = \"hello\" }\n",
        ),
    ];
    server.repository().commit("Say hello", &files).unwrap();
    server.repository().git(&["branch", "release", "main"]).unwrap();

    // What the README says, with another repository.
    let workspace = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = workspace.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    CLUSTER.ensure_namespace("words").unwrap();
    let token = CLUSTER.service_account_token("plumb-system", "plumb").unwrap();
    let mut rbac = plumb(&CLUSTER.kubeconfig());
    rbac.args(["rbac", "--env", "prod", "--output", "json"]).arg(workspace.path());
    let printed = rbac.output().unwrap();
    let roles: Vec<Value> = serde_json::from_slice(&printed.stdout).unwrap();
    for object in roles {
        CLUSTER.server_side_apply(&object).unwrap();
    }

    let objects = built("prod");
    let container = &of_kind(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let state = tempfile::tempdir().unwrap();
    let arguments: Vec<String> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| match it.as_str().unwrap() {
            "https://git.example.org/platform.git" => server.url(),
            "0.0.0.0:8080" => "127.0.0.1:0".to_owned(),
            "/var/lib/plumb" => state.path().display().to_string(),
            other => other.to_owned(),
        })
        .collect();
    let mut command = plumb(&CLUSTER.kubeconfig_of(&token).unwrap());
    // A pod has nothing else, and can write nowhere else.
    command.env_clear().env("KUBECONFIG", CLUSTER.kubeconfig_of(&token).unwrap());
    command.env("TMPDIR", "/nowhere").current_dir("/");
    let mut variables: Vec<&str> = Vec::new();
    for variable in container["env"].as_array().unwrap() {
        assert_eq!(variable["valueFrom"]["secretKeyRef"]["name"], "plumb");
        variables.push(variable["name"].as_str().unwrap());
    }
    assert_eq!(variables, ["PLUMB_GIT_TOKEN", "PLUMB_WEBHOOK_SECRET"]);
    // A token is not sent in clear text, which is what this repository speaks.
    command.env("PLUMB_WEBHOOK_SECRET", "what the forge signs with");
    let mut process =
        command.args(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
    let _running = Running(process);
    let mut said = Vec::new();
    let mut until = |message: &str| -> Value {
        for line in log.by_ref() {
            let line: Value = serde_json::from_str(&line).unwrap_or(json!({ "message": line }));
            said.push(line.to_string());
            if line["message"] == message {
                return line;
            }
        }
        panic!("it ended before `{message}`:\n{}", said.join("\n"));
    };
    let address = until("listening")["address"].as_str().unwrap().to_owned();
    until("commit applied");
    let word = CLUSTER.read("/api/v1/namespaces/words/configmaps/hello").unwrap();
    assert_eq!(word["data"]["text"], "hello");

    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(ask(&address, "GET", path), "200", "{path}");
    }
    let annotations =
        &of_kind(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(ask(&address, "GET", annotations["prometheus.io/path"].as_str().unwrap()), "200");
    // It listens to the forge, and to nobody who only says so.
    let rule = &of_kind(&objects, "Ingress")["spec"]["rules"][0];
    let webhook = rule["http"]["paths"][0]["path"].as_str().unwrap();
    assert_ne!(ask(&address, "POST", webhook), "404");
    assert_ne!(ask(&address, "POST", webhook), "202");
}
