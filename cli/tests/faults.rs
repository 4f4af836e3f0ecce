//! `plumb apply --watch` under what befalls it: it is killed and stopped, the API server goes and comes back, git fails,
//! history is rewritten, commits are broken or contradict each other. The program, the control plane and the git server
//! are real.
//!
//! Whatever happens, what is in the cluster stands in the inventory, and in the end the cluster has the newest commit.
//!
//! `PLUMB_FAULTS_SEED` says when things happen, `PLUMB_FAULTS_KILLS` and `PLUMB_FAULTS_FLIPS` how often.

use hmac::{Hmac, Mac};
use plumb_tests::cluster::{ControlPlane, Patch, binaries};
use plumb_tests::git::{Answers, GitServer};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything is waited for that happens within a second or two on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

const SECRET: &str = "between the forge and us";

/// xorshift64: repeatable, and no more is needed of it.
struct Dice(u64);

impl Dice {
    /// Of the seed and something that tells this test from others.
    fn new(of: &str) -> Dice {
        let seed = number("PLUMB_FAULTS_SEED", 0x9e37_79b9_7f4a_7c15);
        eprintln!("PLUMB_FAULTS_SEED={seed}");
        let mixed = of
            .bytes()
            .fold(seed, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Dice(mixed.max(1))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    /// Some time up to this.
    fn time(&mut self, up_to: Duration) -> Duration {
        Duration::from_micros(self.below(up_to.as_micros() as u64))
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise,
    }
}

// What git has.

/// A workspace: of each package its requests, each of which makes [`KINDS`].
#[derive(Clone)]
struct Sources {
    workspace: String,
    /// What all objects say, so that another text changes all of them.
    note: String,
    packages: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What a request makes: where an API server keeps it, and the kind as the inventory says it.
const KINDS: [(&str, &str); 4] = [
    ("/api/v1/namespaces/{}/serviceaccounts", "ServiceAccount"),
    ("/api/v1/namespaces/{}/configmaps", "ConfigMap"),
    ("/api/v1/namespaces/{}/services", "Service"),
    ("/apis/apps/v1/namespaces/{}/deployments", "Deployment.apps"),
];

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.core.v1 as core

schema Space {}

compose Space as space {
    emit core.Namespace {
        metadata.name = space.namespace
    }
}

schema App {
    note: String
    replicas: Int = 1
}

compose App as app {
    let labels = { "app.kubernetes.io/name" = app.name }

    emit core.ServiceAccount {
        metadata = { name = app.name, labels = labels }
    }
    emit core.ConfigMap {
        metadata = { name = app.name, labels = labels }
        data = { note = app.note }
    }
    emit core.Service {
        metadata = { name = app.name, labels = labels }
        spec = { selector = labels, ports = [{ port = 80 }] }
    }
    emit apps.Deployment {
        metadata = { name = app.name, labels = labels }
        spec = {
            replicas = app.replicas
            selector.matchLabels = labels
            template = {
                metadata.labels = labels
                spec.containers = [{ name = "app", image = "app.test/app:1", args = [app.note] }]
            }
        }
    }
}
"#;

const ENVIRONMENT: &str = "schema Env {}\n\nenvironment prod: Env {}\n";

impl Sources {
    /// With so many requests in each of three packages.
    fn new(workspace: &str, requests: usize) -> Sources {
        let packages = ["cart", "pay", "shop"];
        let names = (0..requests).map(|it| format!("app-{it}")).collect::<BTreeSet<_>>();
        Sources {
            workspace: workspace.to_owned(),
            note: "one".to_owned(),
            packages: packages.map(|package| (package, names.clone())).into(),
        }
    }

    fn note(mut self, note: &str) -> Sources {
        note.clone_into(&mut self.note);
        self
    }

    /// With a request less.
    fn without(mut self, package: &str, name: &str) -> Sources {
        assert!(self.packages.get_mut(package).unwrap().remove(name));
        self
    }

    /// With a request more.
    fn with(mut self, package: &str, name: &str) -> Sources {
        assert!(self.packages.get_mut(package).unwrap().insert(name.to_owned()));
        self
    }

    fn namespace(&self, package: &str) -> String {
        format!("{}-{package}", self.workspace)
    }

    fn files(&self) -> Vec<(String, String)> {
        let manifest = format!("name = \"{}\"\nkubernetes = \"1.36\"\n", self.workspace);
        let mut files = vec![
            ("plumb.toml".to_owned(), manifest),
            ("platform/env.plumb".to_owned(), ENVIRONMENT.to_owned()),
            ("platform/app.plumb".to_owned(), PLATFORM.to_owned()),
        ];
        for (package, names) in &self.packages {
            let mut text = format!(
                "use platform\n\npackage {{ namespace = \"{}\" }}\n\nrequest space: platform.Space {{}}\n",
                self.namespace(package)
            );
            for name in names {
                let note = &self.note;
                let _ =
                    write!(text, "\nrequest {name}: platform.App {{\n    note = \"{note}\"\n}}\n");
            }
            files.push((format!("apps/{package}/apps.plumb"), text));
        }
        files
    }

    /// The objects, as the inventory says them: `Deployment.apps shop/cart`.
    fn objects(&self) -> BTreeSet<String> {
        let mut objects = BTreeSet::new();
        for (package, names) in &self.packages {
            let namespace = self.namespace(package);
            objects.insert(format!("Namespace /{namespace}"));
            for (name, (_, kind)) in names.iter().flat_map(|name| KINDS.map(|it| (name, it))) {
                objects.insert(format!("{kind} {namespace}/{name}"));
            }
        }
        objects
    }
}

// Where it goes.

/// A control plane that stays as it is, for all tests that leave it so.
fn calm() -> Arc<ControlPlane> {
    static CALM: OnceLock<Arc<ControlPlane>> = OnceLock::new();
    CALM.get_or_init(fresh).clone()
}

/// One that serves no autoscalers.
fn fresh() -> Arc<ControlPlane> {
    let less = ["--runtime-config=autoscaling/v1=false,autoscaling/v2=false"];
    Arc::new(ControlPlane::start_with(&binaries().unwrap(), &less).unwrap())
}

/// A repository and a cluster, and the one who follows.
struct World {
    cluster: Arc<ControlPlane>,
    git: GitServer,
    state: TempDir,
    name: String,
}

impl World {
    fn new(cluster: Arc<ControlPlane>, name: &str) -> World {
        let (git, state) = (GitServer::start().unwrap(), tempfile::tempdir().unwrap());
        World { cluster, git, state, name: name.to_owned() }
    }

    fn sources(&self, requests: usize) -> Sources {
        Sources::new(&self.name, requests)
    }

    /// What a push brings. Gives the commit's id.
    fn push(&self, sources: &Sources) -> String {
        let files = sources.files();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (&**path, &**text)).collect();
        self.git.repository().commit("Go on", &files).unwrap()
    }

    fn command(&self, interval: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
        command
            .args(["apply", "--watch", "--env", "prod", "--git", &self.git.url()])
            .args(["--interval", interval, "--listen", "127.0.0.1:0", "--state"])
            .arg(self.state.path())
            .args(more)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("PLUMB_WEBHOOK_SECRET", SECRET)
            .env("no_proxy", "*")
            .env_remove("RUST_LOG")
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Begins to follow; git is asked each second.
    fn follow(&self, more: &[&str]) -> Plumb {
        Plumb::start(self.command("1s", more))
    }

    /// The lines of the inventory: by object, its UID and the digest of what was applied.
    fn inventory(&self) -> BTreeMap<String, (String, String)> {
        let path = format!("/api/v1/namespaces/plumb-system/configmaps/{}.prod", self.name);
        let (status, body) = self.cluster.get(&path).unwrap();
        if status == 404 {
            return BTreeMap::new();
        }
        let map: Json = serde_json::from_str(&body).unwrap();
        let mut found = BTreeMap::new();
        for lines in map["data"].as_object().into_iter().flat_map(|it| it.values()) {
            for line in lines.as_str().unwrap().lines() {
                let words: Vec<&str> = line.split(' ').collect();
                let [kind, object, uid, digest, _] = words[..] else { panic!("{line}") };
                found.insert(format!("{kind} {object}"), (uid.to_owned(), digest.to_owned()));
            }
        }
        found
    }

    /// All that Plumb made of this workspace, by object.
    fn applied(&self, sources: &Sources) -> BTreeMap<String, Json> {
        let is_ours = |it: &Json| {
            let mut managers = it["metadata"]["managedFields"].as_array().into_iter().flatten();
            managers.any(|it| it["manager"] == "plumb")
                || !it["metadata"]["labels"]["applyset.kubernetes.io/part-of"].is_null()
        };
        let mut found = BTreeMap::new();
        for package in sources.packages.keys() {
            let namespace = sources.namespace(package);
            let path = format!("/api/v1/namespaces/{namespace}");
            let (status, body) = self.cluster.get(&path).unwrap();
            if status == 200 {
                found.insert(
                    format!("Namespace /{namespace}"),
                    serde_json::from_str(&body).unwrap(),
                );
            }
            for (path, kind) in KINDS {
                for object in self.cluster.list(&path.replace("{}", &namespace)).unwrap() {
                    let name = object["metadata"]["name"].as_str().unwrap();
                    found.insert(format!("{kind} {namespace}/{name}"), object);
                }
            }
        }
        found.retain(|_, it| is_ours(it));
        found
    }

    /// Whatever happened, nothing that Plumb made is unowned.
    fn assert_all_is_owned(&self, sources: &Sources, when: &str) {
        // What is there is read first: a line that is written in between is no lack of one.
        let (applied, inventory) = (self.applied(sources), self.inventory());
        let unowned: Vec<&String> =
            applied.keys().filter(|it| !inventory.contains_key(*it)).collect();
        assert!(unowned.is_empty(), "{when}: {unowned:#?} stand in no line of {inventory:#?}");
    }

    /// The cluster has these sources and nothing else, and the inventory knows all of it.
    fn assert_has(&self, sources: &Sources, when: &str) {
        let wanted = sources.objects();
        let deadline = Instant::now() + PATIENCE;
        // The inventory is written half a second after the last object.
        let inventory = loop {
            let inventory = self.inventory();
            let is_whole = inventory.keys().eq(wanted.iter())
                && inventory.values().all(|(uid, digest)| uid != "-" && digest != "-");
            if is_whole || Instant::now() > deadline {
                break inventory;
            }
            sleep(Duration::from_millis(50));
        };
        let lines: BTreeSet<String> = inventory.keys().cloned().collect();
        let lack: Vec<_> = wanted.difference(&lines).collect();
        let more: Vec<_> = lines.difference(&wanted).collect();
        assert!(
            lack.is_empty() && more.is_empty(),
            "{when}: lines lack {lack:#?}, and there are {more:#?}"
        );
        let applied = self.applied(sources);
        let there: BTreeSet<String> = applied.keys().cloned().collect();
        let lack: Vec<_> = wanted.difference(&there).collect();
        let more: Vec<_> = there.difference(&wanted).collect();
        assert!(lack.is_empty() && more.is_empty(), "{when}: lacks {lack:#?}, and has {more:#?}");
        for (object, live) in &applied {
            let (uid, digest) = &inventory[object];
            assert_eq!(live["metadata"]["uid"], **uid, "{when}: {object}");
            assert_ne!(digest, "-", "{when}: {object}");
            let note = &live["data"]["note"];
            assert!(note.is_null() || *note == *sources.note, "{when}: {object} says {note}");
        }
    }

    /// An object that changes under us.
    fn scale(&self, sources: &Sources, package: &str, name: &str, replicas: u32) {
        let path = format!(
            "/apis/apps/v1/namespaces/{}/deployments/{name}?fieldManager=somebody",
            sources.namespace(package)
        );
        let patch = json!({ "spec": { "replicas": replicas } });
        self.cluster.patch(&path, Patch::Merge, &patch).unwrap();
    }

    fn replicas(&self, sources: &Sources, package: &str, name: &str) -> Json {
        let namespace = sources.namespace(package);
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        self.cluster.read(&path).unwrap()["spec"]["replicas"].clone()
    }
}

// The program.

/// Sends a process a signal: `TERM`, `STOP`.
fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// `plumb apply --watch`, and what it logged so far. Dropping it kills it.
struct Plumb {
    child: Child,
    log: Arc<Mutex<Vec<Json>>>,
}

impl Plumb {
    fn start(mut command: Command) -> Plumb {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Mutex<Vec<Json>>>::default();
        let (lines, into) =
            (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let json = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "text": line }));
                into.lock().unwrap().push(json);
            }
        });
        Plumb { child, log }
    }

    fn log(&self) -> Vec<Json> {
        self.log.lock().unwrap().clone()
    }

    /// How much it has said by now.
    fn said(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    fn told(&self, message: &str) -> Vec<Json> {
        self.log().into_iter().filter(|it| it["message"] == message).collect()
    }

    /// The last lines of its log, for whoever reads why a test failed.
    fn tail(&self) -> String {
        let log = self.log();
        let tail = log[log.len().saturating_sub(40)..].iter();
        tail.map(|it| format!("{it}\n")).collect()
    }

    /// Waits until it says something, after so many lines.
    fn until(&mut self, after: usize, what: &str, wanted: impl Fn(&Json) -> bool) -> Json {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.log().into_iter().skip(after).find(&wanted) {
                return found;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{what}: it ended with {status}\n{}", self.tail());
            }
            assert!(Instant::now() < deadline, "{what} was not said:\n{}", self.tail());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it says that all of a commit is in the cluster.
    fn until_applied(&mut self, commit: &str) -> Json {
        let is_applied = |it: &Json| {
            it["message"] == "commit applied" && it["commit"] == *commit && it["failed"] == 0
        };
        self.until(0, &format!("that {commit} is applied"), is_applied)
    }

    /// Where it answers.
    fn address(&mut self) -> SocketAddr {
        let told = self.until(0, "where it listens", |it| it["message"] == "listening");
        told["address"].as_str().unwrap().parse().unwrap()
    }

    /// The status and body of an answer.
    fn get(&mut self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: plumb\r\n\r\n"))
    }

    fn ask(&mut self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.trim().to_owned())
    }

    /// As GitHub tells of a push.
    fn push_hook(&mut self, commit: &str) {
        let body = json!({ "ref": "refs/heads/main", "after": commit }).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = mac.finalize().into_bytes();
        let signature: String = signature.iter().map(|it| format!("{it:02x}")).collect();
        let (status, said) = self.ask(&format!(
            "POST /webhook HTTP/1.1\r\nHost: plumb\r\nContent-Type: application/json\r\n\
             X-GitHub-Event: push\r\nX-Hub-Signature-256: sha256={signature}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert_eq!(status, 202, "{said}");
    }

    /// The value of a sample of its metrics; 0 where there is none.
    fn metric(&mut self, sample: &str) -> f64 {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let line = text.lines().find_map(|it| it.strip_prefix(sample)?.trim().parse().ok());
        line.unwrap_or_default()
    }

    /// As a machine that fails.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As a kubelet, or somebody at a keyboard. Gives how long it took to end.
    fn terminate(mut self, when: &str) -> Duration {
        let begun = Instant::now();
        signal(self.child.id(), "TERM");
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "{when}: it does not end\n{}", self.tail());
            sleep(Duration::from_millis(5));
        };
        let took = begun.elapsed();
        assert!(status.success(), "{when}: it ended with {status}\n{}", self.tail());
        took
    }
}

impl Drop for Plumb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never was so that {what}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn whatever_is_killed_owns_what_it_applied_and_goes_on() {
    let cluster = calm();
    let mut dice = Dice::new("kills");
    let rounds = number("PLUMB_FAULTS_KILLS", 20).div_ceil(2);
    // How long it takes where nobody interferes, to spread the kills over.
    let mut usual = [Duration::from_secs(3); 2];
    for round in 0..rounds {
        let world = World::new(Arc::clone(&cluster), &format!("kill-{round}"));
        let before = world.sources(5);
        let first = world.push(&before);
        // A change of all, a delete, and a rename, which is a delete and a new one.
        let after = before.clone().note("two").without("pay", "app-1").without("shop", "app-2");
        let after = after.with("shop", "renamed");

        if round > 0 {
            let moment = dice.time(usual[0].mul_f64(1.1));
            let plumb = world.follow(&[]);
            sleep(moment);
            plumb.kill();
            let when =
                format!("round {round}, killed {moment:?} after the start of the first apply");
            world.assert_all_is_owned(&before, &when);
        }
        let begun = Instant::now();
        let mut plumb = world.follow(&[]);
        plumb.until_applied(&first);
        usual[0] = if round == 0 { begun.elapsed() } else { usual[0] };
        world.assert_has(&before, &format!("round {round}, the first commit"));

        let mut second = world.push(&after);
        let mut newest = &after;
        plumb.push_hook(&second);
        if round > 0 {
            let moment = dice.time(usual[1].mul_f64(1.1));
            sleep(moment);
            plumb.kill();
            let when = format!("round {round}, killed {moment:?} after the push of a change");
            world.assert_all_is_owned(&before, &when);
            if dice.below(2) == 0 {
                // What was interrupted is taken back.
                (second, newest) = (world.push(&before), &before);
            }
            plumb = world.follow(&[]);
        }
        let begun = Instant::now();
        plumb.until_applied(&second);
        usual[1] = if round == 0 { begun.elapsed() } else { usual[1] };
        world.assert_has(newest, &format!("round {round}, the change"));
        assert!(plumb.told("drift").is_empty(), "round {round}: {:#?}", plumb.told("drift"));
    }
}

#[test]
fn commits_that_contradict_each_other_end_at_the_newest() {
    let world = World::new(calm(), "flips");
    let mut dice = Dice::new("flips");
    let one = world.sources(5);
    let other = one.clone().note("two").without("pay", "app-1").without("shop", "app-2");
    let other = other.with("shop", "renamed").with("cart", "new");
    let mut last = world.push(&one);
    let mut plumb = world.follow(&[]);
    plumb.until_applied(&last);
    for flip in 0..number("PLUMB_FAULTS_FLIPS", 12) {
        // Taken back before it is there: while it is compiled, planned, applied, deleted.
        let mut pauses = Vec::new();
        let mut newest = &one;
        for _ in 0..1 + dice.below(3) {
            for sources in [&other, &one] {
                pauses.push(dice.time(Duration::from_millis(500)));
                sleep(pauses[pauses.len() - 1]);
                last = world.push(sources);
                plumb.push_hook(&last);
                newest = sources;
            }
        }
        if dice.below(2) == 0 {
            sleep(dice.time(Duration::from_millis(300)));
            last = world.push(&other);
            plumb.push_hook(&last);
            newest = &other;
        }
        let when = format!("flip {flip}, after pauses of {pauses:?}");
        let done =
            plumb.until(0, &when, |it| it["message"] == "commit applied" && it["commit"] == *last);
        assert_eq!(done["failed"], 0, "{when}: {done}\n{}", plumb.tail());
        world.assert_has(newest, &when);
    }
    assert!(plumb.told("drift").is_empty(), "{:#?}", plumb.told("drift"));
}

#[test]
fn a_burst_of_commits_ends_at_the_newest_and_the_forge_brings_it_at_once() {
    let world = World::new(calm(), "burst");
    let sources = world.sources(3);
    let first = world.push(&sources);
    // By itself it would ask again in an hour.
    let mut plumb = Plumb::start(world.command("1h", &[]));
    plumb.until_applied(&first);
    let mut newest = (first, sources.clone());
    for commit in 0..200 {
        let sources = sources.clone().note(&format!("note {commit}"));
        newest = (world.push(&sources), sources);
        plumb.push_hook(&newest.0);
    }
    plumb.until_applied(&newest.0);
    world.assert_has(&newest.1, "after the burst");
    let compiled = plumb.told("commit compiled").len();
    assert!(compiled < 100, "of 200 commits {compiled} were compiled");

    let last = sources.note("the last");
    let commit = world.push(&last);
    plumb.push_hook(&commit);
    plumb.until_applied(&commit);
    world.assert_has(&last, "after the last");
}

#[test]
fn history_that_was_rewritten_is_followed() {
    let world = World::new(calm(), "rewritten");
    let sources = world.sources(3);
    let root = world.push(&sources);
    let gone = world.push(&sources.clone().with("shop", "experiment").note("two"));
    let mut plumb = world.follow(&[]);
    plumb.until_applied(&gone);

    let instead = sources.note("three").without("pay", "app-0");
    let files = instead.files();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let tip = world.git.repository().force_push(&root, "Think again", &files).unwrap();
    plumb.until_applied(&tip);
    world.assert_has(&instead, "after the forced push");

    let said = plumb.said();
    let namespace = instead.namespace("shop");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/app-1?fieldManager=somebody");
    world.cluster.patch(&path, Patch::Merge, &json!({ "data": { "note": "mine" } })).unwrap();
    let drift = plumb.until(said, "the drift", |it| it["message"] == "drift");
    assert_eq!(drift["path"], "data.note", "{drift}");
    assert_eq!(drift["commit"], *tip, "{drift}");
    assert_eq!(drift["author"], "Plumb <plumb@example.org>", "{drift}");
}

#[test]
fn while_git_fails_the_cluster_stays_as_it_is() {
    let world = World::new(calm(), "git-fails");
    let mut sources = world.sources(3);
    let mut newest = world.push(&sources);
    world.git.answer(Answers::Status(500));

    // What never worked is not ready.
    let mut plumb = world.follow(&[]);
    plumb.until(0, "that git fails", |it| it["message"] == "the repository cannot be asked");
    let (status, why) = plumb.get("/readyz");
    assert_eq!(status, 503);
    assert!(why.contains("500"), "{why}");
    assert_eq!(plumb.get("/healthz").0, 200);
    assert!(world.applied(&sources).is_empty());
    world.git.answer(Answers::Git);
    plumb.until_applied(&newest);
    assert_eq!(plumb.get("/readyz"), (200, "ok".to_owned()));
    world.assert_has(&sources, "once git answers");

    type Act = fn(&GitServer);
    let fail: [(&str, &str, &str, Act); 4] = [
        ("fails", "unreachable", "it answered `500", |git| git.answer(Answers::Status(500))),
        ("answers a page", "not_git", "web page, not git", |git| git.answer(Answers::Html)),
        ("hangs", "", "", |git| git.answer(Answers::Hang)),
        ("is gone", "unreachable", "cannot be reached", GitServer::stop),
    ];
    for (what, cause, words, act) in fail {
        let said = plumb.said();
        let errors = plumb.metric(&format!("plumb_errors_total{{cause=\"{cause}\"}}"));
        act(&world.git);
        let before = world.inventory();
        sources = sources.note(&format!("after it {what}"));
        newest = world.push(&sources);
        if cause.is_empty() {
            // Nothing is said of what may still be answered.
            sleep(Duration::from_millis(1500));
        } else {
            let told = plumb.until(said, what, |it| it["cause"] == *cause);
            let error = told["error"].as_str().unwrap();
            assert!(error.contains(words), "{error}");
            let now = plumb.metric(&format!("plumb_errors_total{{cause=\"{cause}\"}}"));
            assert!(now > errors, "{what}: {errors} errors and now {now}");
        }
        assert_eq!(plumb.get("/readyz").0, 200, "git {what}");
        assert_eq!(world.inventory(), before, "git {what}");
        world.git.restart().unwrap();
        world.git.answer(Answers::Git);
        plumb.until_applied(&newest);
        world.assert_has(&sources, what);
    }
}

#[test]
fn a_commit_that_is_broken_deletes_nothing() {
    let world = World::new(calm(), "broken");
    let sources = world.sources(3).with("pay", "checkout");
    let repository = world.git.repository();
    let first = world.push(&sources);
    let mut plumb = world.follow(&[]);
    plumb.until_applied(&first);
    world.assert_has(&sources, "at first");
    let before = world.inventory();

    let all: Vec<String> = sources.files().into_iter().map(|(path, _)| path).collect();
    let plumbs: Vec<&str> =
        all.iter().map(String::as_str).filter(|it| it.ends_with(".plumb")).collect();
    type Break<'w> = Box<dyn Fn() -> String + 'w>;
    let write = |path: &'static str, text: &'static str| -> Break<'_> {
        Box::new(move || repository.commit("Break it", &[(path, text)]).unwrap())
    };
    let breaks: Vec<(&str, Break<'_>)> = vec![
        ("a plumb.toml that is none", write("plumb.toml", "name = \n")),
        ("a plumb.toml with a key too many", write("plumb.toml", "name = \"broken\"\nwhat = 1\n")),
        ("a plumb.toml without a name", write("plumb.toml", "kubernetes = \"1.36\"\n")),
        (
            "an environment that does not parse",
            write("platform/env.plumb", "schema Env {\n\nenvironment prod Env }"),
        ),
        (
            "an environment that is another",
            write("platform/env.plumb", "schema Env {}\nenvironment dev: Env {}\n"),
        ),
        ("an environment that says nothing", write("platform/env.plumb", "")),
        ("a platform that does not parse", write("platform/app.plumb", "compose App as {{{\n")),
        ("a platform without its schema", write("platform/app.plumb", "let nothing = 1\n")),
        (
            "applications that do not parse",
            Box::new(|| {
                let files = plumbs.iter().filter(|it| it.starts_with("apps/"));
                let files: Vec<_> = files.map(|it| (*it, "request app-0: {\n")).collect();
                repository.commit("Break it", &files).unwrap()
            }),
        ),
        (
            "applications that ask for nothing",
            Box::new(|| {
                let files = plumbs.iter().filter(|it| it.starts_with("apps/"));
                let files: Vec<_> = files.map(|it| (*it, "// Nothing.\n")).collect();
                repository.commit("Break it", &files).unwrap()
            }),
        ),
        ("no plumb.toml", Box::new(|| repository.remove("Break it", &["plumb.toml"]).unwrap())),
        ("no .plumb file", Box::new(|| repository.remove("Break it", &plumbs).unwrap())),
        (
            "no file",
            Box::new(|| {
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                repository.remove("Break it", &all).unwrap()
            }),
        ),
    ];
    for (what, break_it) in breaks {
        let commit = break_it();
        // It is told, and it has an end.
        plumb.until(0, what, |it| {
            let ends = ["commit cannot be applied", "commit applied"];
            it["commit"] == *commit && ends.iter().any(|end| it["message"] == *end)
        });
        assert_eq!(world.inventory(), before, "{what}");
        assert_eq!(world.applied(&sources).len(), before.len(), "{what}");
        assert_eq!(plumb.get("/readyz").0, 200, "{what}");
        let sound = world.push(&sources);
        plumb.until_applied(&sound);
    }
    // What is broken in one package holds up no other.
    let files = sources.files();
    let shop = files.iter().find(|(path, _)| path == "apps/shop/apps.plumb").unwrap();
    let pay = sources.clone().without("pay", "checkout").files();
    let pay = pay.into_iter().find(|(path, _)| path == "apps/pay/apps.plumb").unwrap();
    let broken = format!("{}\nrequest app-7: platform.App {{\n", shop.1);
    repository.commit("Half", &[(&shop.0, &broken), (&pay.0, &pay.1)]).unwrap();
    let less = sources.without("pay", "checkout");
    until("the sound package is followed", || world.inventory().keys().eq(less.objects().iter()));
}

#[test]
fn a_kind_that_is_not_served_keeps_nothing_else_waiting() {
    let world = World::new(calm(), "unserved");
    let sources = world.sources(2);
    world.push(&sources);
    let scaler = r#"use k8s.autoscaling.v2 as autoscaling

schema Scaled { note: String }

compose Scaled as scaled {
    emit app = App { name = scaled.name, note = scaled.note }
    emit autoscaling.HorizontalPodAutoscaler {
        metadata.name = scaled.name
        spec = {
            scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = "other" }
            maxReplicas = 3
        }
    }
}
"#;
    let request = format!(
        "use platform\n\npackage {{ namespace = \"{}\" }}\n\nrequest scaled: platform.Scaled {{ note = \"one\" }}\n",
        sources.namespace("shop")
    );
    let files = [("platform/scaled.plumb", scaler), ("apps/scaled/scaled.plumb", &*request)];
    let commit = world.git.repository().commit("Scale", &files).unwrap();
    let mut plumb = world.follow(&[]);
    let done = plumb.until(0, "that it is applied", |it| {
        it["message"] == "commit applied" && it["commit"] == *commit
    });
    assert_eq!((&done["failed"], &done["blocked"]), (&json!(1), &json!(0)), "{done}");
    let refused = plumb.told("refused");
    assert!(refused.iter().all(|it| it["reason"] == "no-kind"), "{refused:#?}");
    until("all else is there", || {
        let inventory = world.inventory();
        sources.objects().iter().all(|it| inventory.get(it).is_some_and(|it| it.1 != "-"))
    });
    // What is tried again corrects nothing that is only to be told.
    let said = plumb.said();
    world.scale(&sources, "shop", "scaled", 9);
    plumb.until(said, "the drift", |it| it["message"] == "drift" && it["live"] == "9");
    sleep(Duration::from_secs(3));
    assert_eq!(world.replicas(&sources, "shop", "scaled"), 9);
}

#[test]
fn a_definition_goes_once_nothing_is_of_it() {
    let world = World::new(calm(), "defined");
    let sources = world.sources(1);
    world.push(&sources);
    let definition = r#"use k8s.apiextensions.v1 as extensions

schema Kind {}

compose Kind as kind {
    emit extensions.CustomResourceDefinition {
        metadata.name = "wishes.defined.test"
        spec = {
            group = "defined.test"
            scope = "Namespaced"
            names = { kind = "Wish", plural = "wishes", singular = "wish", listKind = "WishList" }
            versions = [{
                name = "v1"
                served = true
                storage = true
                schema.openAPIV3Schema = { type = "object" }
            }]
        }
    }
}
"#;
    let request = "use platform\n\nrequest wish: platform.Kind {}\n";
    let files = [("platform/kind.plumb", definition), ("apps/kind/kind.plumb", request)];
    let commit = world.git.repository().commit("Define", &files).unwrap();
    let mut plumb = world.follow(&[]);
    plumb.until_applied(&commit);
    let path = "/apis/defined.test/v1/namespaces/defined-shop/wishes";
    let wish = json!({
        "apiVersion": "defined.test/v1", "kind": "Wish", "metadata": { "name": "a-wish" },
    });
    until("wishes are served", || world.cluster.create(path, &wish).is_ok());

    let commit = world.git.repository().remove("Wish no more", &["apps/kind/kind.plumb"]).unwrap();
    plumb.until(0, "that it waits", |it| {
        it["message"] == "deletes wait for somebody to confirm them" && it["objects"] == 1
    });
    plumb.until_applied(&commit);
    assert!(world.cluster.read(&format!("{path}/a-wish")).is_ok());

    world.cluster.delete(&format!("{path}/a-wish")).unwrap();
    let commit = world.push(&sources.note("two"));
    plumb.until_applied(&commit);
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/wishes.defined.test";
    world.cluster.until(definition, |it| it["code"] == 404).unwrap();
}

#[test]
fn what_is_idle_asks_the_api_server_nothing() {
    let cluster = fresh();
    let world = World::new(Arc::clone(&cluster), "idle");
    let sources = world.sources(3);
    let commit = world.push(&sources);
    let mut plumb = world.follow(&["--drift", "correct"]);
    plumb.until_applied(&commit);
    world.assert_has(&sources, "at first");
    sleep(Duration::from_secs(2));
    let counts = || {
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        for line in cluster.get("/metrics").unwrap().1.lines() {
            let Some(rest) = line.strip_prefix("apiserver_request_total{") else { continue };
            let (labels, count) = rest.rsplit_once("} ").unwrap();
            *counts.entry(labels.to_owned()).or_default() += count.parse::<f64>().unwrap();
        }
        counts
    };
    let fetches = world.git.requests().len();
    let before = counts();
    sleep(Duration::from_secs(number("PLUMB_FAULTS_IDLE", 10)));
    let after = counts();
    assert!(world.git.requests().len() > fetches, "git is asked all the same");
    // The API server keeps its own lease, reads its own documents, and looks through the services of all namespaces.
    let own = ["resource=\"leases\"", "resource=\"\"", "resource=\"services\",scope=\"cluster\""];
    let is_news =
        |it: &str| !it.contains("verb=\"WATCH\"") && !own.iter().any(|own| it.contains(own));
    let asked: Vec<_> =
        after.iter().filter(|(it, count)| is_news(it) && before.get(*it) != Some(count)).collect();
    assert!(asked.is_empty(), "{asked:#?}");
}

/// A control plane that one test after the other ill-treats, and leaves as it found it.
fn rough() -> MutexGuard<'static, Arc<ControlPlane>> {
    static ROUGH: OnceLock<Mutex<Arc<ControlPlane>>> = OnceLock::new();
    let rough = ROUGH.get_or_init(|| Mutex::new(fresh()));
    rough.lock().unwrap_or_else(|poisoned| {
        let cluster = poisoned.into_inner();
        cluster.restart_api_server().unwrap();
        cluster
    })
}

#[test]
fn an_api_server_that_was_away_finds_us_where_it_left_us() {
    let cluster = rough();
    let world = World::new(Arc::clone(&cluster), "away");
    let sources = world.sources(3);
    let first = world.push(&sources);
    let mut plumb = world.follow(&[]);
    plumb.until_applied(&first);
    world.assert_has(&sources, "at first");

    for (round, away) in [1, number("PLUMB_FAULTS_AWAY", 15)].into_iter().enumerate() {
        let said = plumb.said();
        cluster.stop_api_server().unwrap();
        let newer = sources.clone().note(&format!("pushed meanwhile {round}"));
        let newer = if round == 1 { newer.with("shop", "new") } else { newer };
        let commit = world.push(&newer);
        plumb.until(said, "that it is away", |it| it["message"] == "the cluster cannot be asked");
        sleep(Duration::from_secs(away));
        assert_eq!(plumb.get("/readyz").0, 200);
        cluster.restart_api_server().unwrap();
        let back = Instant::now();
        world.scale(&newer, "pay", "app-1", 7 + round as u32);
        let wanted = json!(7 + round).to_string();
        plumb.until(said, "the drift", |it| it["message"] == "drift" && it["live"] == *wanted);
        let saw = back.elapsed();
        plumb.until_applied(&commit);
        assert!(saw < Duration::from_secs(15), "it was seen after {saw:?}");
        world.assert_has(&newer, "once it is back");
    }
}

#[test]
fn an_api_server_that_is_restarted_amid_an_apply_gets_the_rest_of_it() {
    let cluster = rough();
    let mut dice = Dice::new("amid");
    for round in 0..3 {
        let world = World::new(Arc::clone(&cluster), &format!("amid-{round}"));
        let sources = world.sources(5);
        let first = world.push(&sources);
        let mut plumb = world.follow(&[]);
        let moment = dice.time(Duration::from_millis(600));
        sleep(moment);
        cluster.stop_api_server().unwrap();
        sleep(dice.time(Duration::from_secs(2)));
        cluster.restart_api_server().unwrap();
        let when = format!("restarted after {moment:?}");
        world.assert_all_is_owned(&sources, &when);
        plumb.until_applied(&first);
        world.assert_has(&sources, &when);
        assert!(plumb.told("drift").is_empty(), "{when}: {:#?}", plumb.told("drift"));
    }
}

#[test]
fn history_that_the_api_server_forgot_is_asked_for_anew() {
    let cluster = rough();
    let world = World::new(Arc::clone(&cluster), "forgot");
    let sources = world.sources(3);
    let first = world.push(&sources);
    let mut plumb = world.follow(&[]);
    plumb.until_applied(&first);
    world.assert_has(&sources, "at first");
    // Much happens elsewhere, and all of it is forgotten.
    cluster.ensure_namespace("elsewhere").unwrap();
    for name in 0..20 {
        let map = json!({ "metadata": { "name": format!("map-{name}") } });
        cluster.create("/api/v1/namespaces/elsewhere/configmaps", &map).unwrap();
    }
    let said = plumb.said();
    cluster.stop_api_server().unwrap();
    cluster.compact().unwrap();
    cluster.restart_api_server().unwrap();
    // It counts anew. Nobody lists but who was told that what it knows is too old.
    until("all is told anew", || {
        let metrics = cluster.get("/metrics").unwrap().1;
        let mut requests = metrics.lines().filter(|it| it.starts_with("apiserver_request_total{"));
        requests.any(|it| it.contains("resource=\"deployments\"") && it.contains("verb=\"LIST\""))
    });
    world.scale(&sources, "shop", "app-2", 9);
    plumb.until(said, "the drift", |it| it["message"] == "drift" && it["live"] == "9");
    let drift = plumb.told("drift");
    assert_eq!(drift.len(), 1, "{drift:#?}");
    assert_eq!(world.replicas(&sources, "shop", "app-2"), 9, "it is only told");
    let second = world.push(&sources.clone().note("two"));
    plumb.until_applied(&second);
    let wrong =
        |it: &&Json| ["created", "deleted", "refused"].iter().any(|what| it["message"] == **what);
    let log = plumb.log();
    let wrong: Vec<&Json> = log.iter().skip(said).filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn it_ends_within_a_second_whatever_it_is_at() {
    let cluster = rough();
    let world = World::new(Arc::clone(&cluster), "ends");
    let sources = world.sources(12);
    let first = world.push(&sources);
    let mut dice = Dice::new("ends");
    let mut took = Vec::new();

    // In the midst of an apply; what was applied by then is remembered with its UID.
    for part in 1..4 {
        let sources = Sources { workspace: format!("ends-{part}"), ..sources.clone() };
        let world = World::new(Arc::clone(&cluster), &sources.workspace);
        world.push(&sources);
        let mut plumb = world.follow(&[]);
        plumb.until(0, "the namespaces", |it| it["message"] == "created");
        sleep(dice.time(Duration::from_millis(30)));
        took.push(("amid an apply", plumb.terminate("amid an apply")));
        let (applied, inventory) = (world.applied(&sources), world.inventory());
        for (object, live) in &applied {
            let (uid, digest) = &inventory[object];
            assert_eq!(live["metadata"]["uid"], **uid, "{object}");
            assert_ne!(digest, "-", "{object}");
        }
    }

    let mut plumb = world.follow(&[]);
    plumb.until_applied(&first);
    // The inventory may not be written yet.
    took.push(("just done", plumb.terminate("just done")));
    world.assert_has(&sources, "just done");

    let mut plumb = world.follow(&[]);
    plumb.until_applied(&first);
    sleep(Duration::from_secs(1));
    took.push(("idle", plumb.terminate("idle")));
    world.assert_has(&sources, "idle");

    world.git.answer(Answers::Hang);
    let asked = world.git.requests().len();
    let plumb = world.follow(&[]);
    until("git is asked", || world.git.requests().len() > asked);
    took.push(("git hangs", plumb.terminate("git hangs")));
    world.git.answer(Answers::Git);

    let mut plumb = world.follow(&[]);
    plumb.until_applied(&first);
    let second = world.push(&sources.clone().note("hangs"));
    let api_server = cluster.process_ids()[1];
    signal(api_server, "STOP");
    plumb
        .until(0, "the commit", |it| it["message"] == "commit compiled" && it["commit"] == *second);
    took.push(("the API server hangs", plumb.terminate("the API server hangs")));
    signal(api_server, "CONT");

    let mut plumb = world.follow(&[]);
    plumb.until_applied(&second);
    cluster.stop_api_server().unwrap();
    let said = plumb.said();
    world.push(&sources.clone().note("two"));
    plumb.until(said, "the new commit", |it| it["message"] == "commit compiled");
    took.push(("the API server is gone", plumb.terminate("the API server is gone")));
    let mut plumb = world.follow(&[]);
    plumb.until(0, "that it is gone", |it| it["message"] == "the cluster cannot be asked");
    took.push(("it never was there", plumb.terminate("it never was there")));
    cluster.restart_api_server().unwrap();
    for (what, took) in took {
        assert!(took < Duration::from_millis(1100), "{what}: it took {took:?}");
    }
}
