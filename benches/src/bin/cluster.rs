//! How fast a real cluster becomes what git says, and how little that costs while nothing happens: etcd and
//! kube-apiserver on loopback, without controllers.
//!
//! ```text
//! cargo run --release -p plumb-benches --bin cluster
//! ```
//!
//! Beside `plumb apply`, a client that only sends the same requests, so many at once as Plumb does: each in a
//! namespace of its own of the same control plane, one after the other, each first in turn. What is in the cluster
//! then is compared with what was sent.
//!
//! `plumb apply --watch` is told by its log. Each line is checked for its object and its path, and the audit log of the
//! API server for what was asked in the meantime.

use clap::Parser;
use plumb_benches::audit::{Asked, Audit, verbs};
use plumb_benches::bare::{self, Request};
use plumb_benches::follower::Follower;
use plumb_benches::measure::{self, Limits, Process};
use plumb_benches::{peers, workload};
use plumb_reconciler::apply::AT_ONCE;
use plumb_tests::cluster::{Binaries, ControlPlane, Patch, binaries};
use plumb_tests::git::GitServer;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Times what Plumb does to a cluster
#[derive(Parser)]
struct Arguments {
    /// Requests of a workspace that is applied, and then watched: 300 make 1000 objects
    #[arg(long, value_name = "N", default_value_t = 300)]
    requests: usize,

    /// How often that is applied by each
    #[arg(long, value_name = "R", default_value_t = 5)]
    runs: usize,

    /// Changes at objects
    #[arg(long, value_name = "N", default_value_t = 200)]
    changes: usize,

    /// Requests of the workspace that is pushed to: 1200 make 4000 objects
    #[arg(long, value_name = "N", default_value_t = 1200)]
    many: usize,

    /// Pushes, each of one change
    #[arg(long, value_name = "N", default_value_t = 20)]
    pushes: usize,

    /// Seconds in which nothing happens
    #[arg(long, value_name = "S", default_value_t = 60)]
    idle: u64,
}

/// What is remembered is written with what follows in half a second; then all is quiet.
const QUIET: Duration = Duration::from_secs(2);

const LIMITS: Limits = Limits { seconds: 600, memory: 8 << 30 };

fn main() -> ExitCode {
    if let Some(code) = measure::helper() {
        return code;
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("cluster: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let plumb = peers::built_plumb()?;
    let binaries = binaries()?;
    cold(&plumb, &binaries, arguments)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (control_plane, mut audit) = Audit::start(&binaries, folder.path())?;
    drift(&plumb, &control_plane, arguments)?;
    follow(&plumb, &control_plane, &mut audit, arguments)
}

/// A workspace of so many requests, whose objects are in a namespace of its name.
fn workspace(name: &str, requests: usize) -> Vec<(String, String)> {
    let mut files = workload::files(requests);
    for (path, text) in &mut files {
        if path == "plumb.toml" {
            *text = text.replacen("name = \"benchmark\"", &format!("name = \"{name}\""), 1);
        } else if path.ends_with("/package.plumb") {
            *text = text.replacen("environment.name", &format!("\"{name}\""), 1);
        }
    }
    files
}

fn write(root: &Path, files: &[(String, String)]) -> Result<(), String> {
    for (path, text) in files {
        let path = root.join(path);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(root)).and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The objects of a workspace in prod.
fn built(plumb: &Path, root: &Path) -> Result<Vec<Json>, String> {
    let built =
        Command::new(plumb).args(["build", "--env", "prod", "--output", "json"]).arg(root).output();
    let built = built.map_err(|error| format!("{}: {error}", plumb.display()))?;
    serde_json::from_slice(&built.stdout).map_err(|error| format!("plumb build: {error}"))
}

/// Holds what is in the cluster against what git has.
fn check(control_plane: &ControlPlane, objects: &[Json]) -> Result<(), String> {
    let paths = objects.iter().map(|it| control_plane.path(it)).collect::<Result<Vec<_>, _>>()?;
    let collection =
        |path: &str| path.rsplit_once('/').map(|(it, _)| it.to_owned()).unwrap_or_default();
    let collections: BTreeSet<String> = paths.iter().map(|it| collection(it)).collect();
    let mut live = BTreeMap::new();
    for collection in collections {
        for object in control_plane.list(&collection)? {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            live.insert(format!("{collection}/{name}"), object);
        }
    }
    if live.len() != objects.len() {
        return Err(format!("{} objects are there, and {} should be", live.len(), objects.len()));
    }
    match paths
        .iter()
        .zip(objects)
        .find(|(path, it)| !live.get(*path).is_some_and(|live| has(live, it)))
    {
        Some((path, _)) => Err(format!("{path} is not as it was applied")),
        None => Ok(()),
    }
}

/// Whether all that was sent is there; a list item of a server says no kind.
fn has(live: &Json, sent: &Json) -> bool {
    match (live, sent) {
        (Json::Object(live), Json::Object(sent)) => {
            sent.iter().all(|(name, sent)| match live.get(name) {
                Some(live) => has(live, sent),
                None => name == "apiVersion" || name == "kind",
            })
        }
        (Json::Array(live), Json::Array(sent)) => {
            live.len() == sent.len() && live.iter().zip(sent).all(|(live, sent)| has(live, sent))
        }
        (live, sent) => live == sent,
    }
}

/// `plumb apply` of a workspace that nothing is there of, beside the bare client.
fn cold(plumb: &Path, binaries: &Binaries, arguments: &Arguments) -> Result<(), String> {
    println!("\nCold: {} requests, of whose objects none is there.\n", arguments.requests);
    println!(
        "| run | | objects | a second | of the bare client's | wall | CPU | the servers' CPU | peak memory |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut ratios = Vec::new();
    for run in 0..arguments.runs {
        // A server is the slower the more it has, and slow at the first objects of a kind: each gets a fresh one that
        // has seen some.
        let of = |apply: fn(&Path, &ControlPlane, &str, usize) -> Result<Cost, String>| {
            let control_plane = ControlPlane::start(binaries)?;
            by_client(plumb, &control_plane, "warm", 30)?;
            apply(plumb, &control_plane, "cold", arguments.requests)
        };
        let (ours, theirs) = match run % 2 {
            0 => (of(by_plumb)?, of(by_client)?),
            _ => {
                let theirs = of(by_client)?;
                (of(by_plumb)?, theirs)
            }
        };
        ratios.push(theirs.wall.as_secs_f64() / ours.wall.as_secs_f64());
        for (who, of) in [("Plumb", &ours), ("bare client", &theirs)] {
            let wall = of.wall.as_secs_f64();
            println!(
                "| {} | {who} | {} | {:.0} | {:.0} % | {wall:.2} s | {:.2} s | {:.2} s | {} |",
                run + 1,
                of.objects,
                of.objects as f64 / wall,
                theirs.wall.as_secs_f64() / wall * 100.0,
                of.cpu.as_secs_f64(),
                of.servers.as_secs_f64(),
                of.memory.map(|it| format!("{} MiB", it >> 20)).unwrap_or_default(),
            );
        }
    }
    ratios.sort_by(f64::total_cmp);
    if let Some(median) = ratios.get(ratios.len() / 2) {
        println!("\nThe median is {:.0} %.", median * 100.0);
    }
    Ok(())
}

/// What applying took.
struct Cost {
    objects: usize,
    wall: Duration,
    cpu: Duration,
    /// What etcd and kube-apiserver used meanwhile.
    servers: Duration,
    /// Of the bare client it would be that of all that measures.
    memory: Option<u64>,
}

fn by_plumb(
    plumb: &Path,
    control_plane: &ControlPlane,
    name: &str,
    requests: usize,
) -> Result<Cost, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    write(folder.path(), &workspace(name, requests))?;
    control_plane.ensure_namespace(name)?;
    let kubeconfig = format!("KUBECONFIG={}", control_plane.kubeconfig().display());
    let program = plumb.display().to_string();
    let words = ["--unset=RUST_LOG", &kubeconfig, &program, "apply", "--env", "prod"];
    let before = servers(control_plane)?;
    // `env` becomes what it starts.
    let cost = measure::run(folder.path(), Path::new("env"), &words, LIMITS)
        .map_err(|error| error.to_string())?;
    let servers = servers(control_plane)? - before;
    if !cost.success {
        let said = fs::read_to_string(folder.path().join("stderr")).unwrap_or_default();
        return Err(format!("plumb apply: {said}"));
    }
    let objects = built(plumb, folder.path())?;
    check(control_plane, &objects)?;
    Ok(Cost {
        objects: objects.len(),
        wall: cost.wall,
        cpu: cost.cpu,
        servers,
        memory: Some(cost.memory),
    })
}

fn by_client(
    plumb: &Path,
    control_plane: &ControlPlane,
    name: &str,
    requests: usize,
) -> Result<Cost, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    write(folder.path(), &workspace(name, requests))?;
    control_plane.ensure_namespace(name)?;
    let objects = built(plumb, folder.path())?;
    let bodies = objects.iter().map(|object| {
        let mut sent = object.clone();
        // As long as the id of a set.
        let set = "applyset-0000000000000000000000000000000000000000000-v1";
        sent["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = json!(set);
        Ok(Request { path: control_plane.path(object)?, body: sent.to_string().into_bytes() })
    });
    let bodies = bodies.collect::<Result<Vec<_>, String>>()?;
    let (before, used) = (servers(control_plane)?, measure::used());
    let used = used.map_err(|error| error.to_string())?;
    let wall = bare::apply(&control_plane.kubeconfig(), bodies, AT_ONCE)?;
    let cpu = measure::used().map_err(|error| error.to_string())? - used;
    let servers = servers(control_plane)? - before;
    check(control_plane, &objects)?;
    Ok(Cost { objects: objects.len(), wall, cpu, servers, memory: None })
}

/// The processor time of etcd and kube-apiserver.
fn servers(control_plane: &ControlPlane) -> Result<Duration, String> {
    control_plane.process_ids().into_iter().map(|it| Process::of(it).map(|it| it.cpu)).sum()
}

/// A repository, and the process that follows it.
struct Followed {
    server: GitServer,
    follower: Follower,
    objects: Vec<Json>,
}

impl Followed {
    /// Begins to follow, and waits until all is applied.
    fn start(
        plumb: &Path,
        control_plane: &ControlPlane,
        name: &str,
        requests: usize,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        write(folder.path(), &workspace(name, requests))?;
        control_plane.ensure_namespace(name)?;
        let server = GitServer::start()?;
        let commit = server.repository().commit_folder("Say what is wanted", folder.path())?;
        let follower = Follower::start(plumb, &control_plane.kubeconfig(), &server.url())?;
        let (_, applied) =
            follower.until("commit applied", |it| it["commit"] == commit.as_str())?;
        let objects = built(plumb, folder.path())?;
        check(control_plane, &objects)?;
        if applied["failed"] != 0 {
            return Err(format!("not all was applied: {applied}"));
        }
        thread::sleep(QUIET);
        let process = Process::of(follower.process())?;
        println!(
            "\n{} objects of {requests} requests, followed: applied {} ms after the commit was seen, with {:.2} s of CPU and \
             {} MiB at the peak.",
            objects.len(),
            applied["milliseconds"],
            process.cpu.as_secs_f64(),
            process.peak >> 20,
        );
        Ok(Followed { server, follower, objects })
    }
}

/// From a change of an object to the line that tells of it.
fn drift(plumb: &Path, control_plane: &ControlPlane, arguments: &Arguments) -> Result<(), String> {
    let Followed { follower, objects, server: _server } =
        Followed::start(plumb, control_plane, "watched", arguments.requests)?;
    let mut times = Vec::new();
    for (number, object) in shuffled(&objects).take(arguments.changes).enumerate() {
        let change = Change::of(object, number)?;
        let path = format!("{}?fieldManager=somebody", control_plane.path(object)?);
        control_plane.patch(&path, Patch::Json, &json!([change.patch]))?;
        let answered = Instant::now();
        // Whatever is told of next is this change.
        let (told, line) = follower.until("drift", |_| true)?;
        let has = |field: &str, value: &str| line[field] == value;
        let is_right = has("object", &change.object)
            && has("path", &change.path)
            && has("live", &change.patch["value"].to_string())
            && has("owner", "somebody (Update)")
            && has("author", "Plumb <plumb@example.org>")
            && line["source"].as_str().is_some_and(|it| it.contains(".plumb:"));
        if !is_right {
            return Err(format!(
                "{}:{} was changed, and told of was {line}",
                change.object, change.path
            ));
        }
        times.push(told.saturating_duration_since(answered));
    }
    println!(
        "\n| {} changes, one after the other | p50 | p99 | longest |\n|---|--:|--:|--:|",
        times.len()
    );
    row("from the answer to the change to the line that tells of it", times);
    if let Some(line) = follower.rest().iter().find(|it| it["message"] == "drift") {
        return Err(format!("told twice: {line}"));
    }
    Ok(())
}

/// What somebody changes at an object.
struct Change {
    /// As the log calls it.
    object: String,
    path: String,
    patch: Json,
}

impl Change {
    fn of(object: &Json, number: usize) -> Result<Self, String> {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let (pointer, path, value) = match kind.as_str() {
            "Deployment" => (
                "/spec/template/spec/containers/0/image",
                format!("spec.template.spec.containers[\"{name}\"].image"),
                json!(format!("registry.local/other:{number}")),
            ),
            "Service" => (
                "/spec/selector/env",
                "spec.selector.env".to_owned(),
                json!(format!("other-{number}")),
            ),
            "HorizontalPodAutoscaler" => {
                ("/spec/maxReplicas", "spec.maxReplicas".to_owned(), json!(100 + number))
            }
            "Ingress" => (
                "/spec/rules/0/host",
                "spec.rules[0].host".to_owned(),
                json!(format!("other-{number}.example.com")),
            ),
            other => return Err(format!("nobody knows what to change of a {other}")),
        };
        Ok(Change {
            object: format!("{kind}/{name}@{}", text(&object["metadata"]["namespace"])),
            path,
            patch: json!({ "op": "replace", "path": pointer, "value": value }),
        })
    }
}

/// In an order that is random and always the same.
fn shuffled(objects: &[Json]) -> impl Iterator<Item = &Json> {
    let mut random = 1u64;
    let mut order: Vec<(u64, usize)> = (0..objects.len())
        .map(|index| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 32, index)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| &objects[index])
}

/// From a push to the object that it changes; then nothing.
fn follow(
    plumb: &Path,
    control_plane: &ControlPlane,
    audit: &mut Audit,
    arguments: &Arguments,
) -> Result<(), String> {
    let Followed { server, follower, objects } =
        Followed::start(plumb, control_plane, "pushed", arguments.many)?;
    let mut files: BTreeMap<String, String> =
        workspace("pushed", arguments.many).into_iter().collect();
    let deployments = shuffled(&objects).filter(|it| it["kind"] == "Deployment");
    let (mut seen_after, mut changed_after, mut applied_after, mut since_seen) =
        (vec![], vec![], vec![], vec![]);
    let mut heard = Vec::new();
    for (number, deployment) in deployments.take(arguments.pushes).enumerate() {
        audit.since()?;
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        let tag = format!("v2.0.{number}");
        let (path, text) = with_tag(&files, name, &tag)?;
        let commit = server.repository().commit("Another version", &[(&path, &text)])?;
        files.insert(path, text);
        let start = Instant::now();
        follower.pushed(&commit)?;
        let of = |it: &Json| it["commit"] == commit.as_str();
        let (seen, _) = follower.until("commit seen", of)?;
        // The first object that is told of; what else was sent, the server tells.
        let (changed, line) = follower.until("changed", |_| true)?;
        let (applied, said) = follower.until("commit applied", of)?;
        let live = control_plane.read(&control_plane.path(deployment)?)?;
        let image =
            live["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        if line["object"] != format!("Deployment/{name}@pushed")
            || said["failed"] != 0
            || !image.ends_with(&tag)
        {
            return Err(format!(
                "{name} was changed to {tag}; told of was {line}; its image is {image}"
            ));
        }
        thread::sleep(QUIET);
        let asked = audit.since()?;
        let is_changed = |it: &&Asked| {
            it.verb != "patch" || (it.resource.as_str(), it.name.as_str()) != ("deployments", name)
        };
        let is_remembered = |it: &Asked| it.verb == "update" && it.resource == "configmaps";
        let beside: Vec<&Asked> =
            asked.iter().filter(is_changed).filter(|it| !is_remembered(it)).collect();
        if !beside.is_empty() || asked.iter().filter(|it| it.verb == "patch").count() != 1 {
            return Err(format!("{name} was changed, and asked was {asked:?}"));
        }
        heard.extend(asked);
        seen_after.push(seen - start);
        changed_after.push(changed - start);
        applied_after.push(applied - start);
        since_seen.push(applied - seen);
    }
    println!(
        "\n| {} pushes of one change each | p50 | p99 | longest |\n|---|--:|--:|--:|",
        since_seen.len()
    );
    row("from the webhook to the commit, fetched and read", seen_after);
    row("to the object, changed in the cluster", changed_after);
    row("to \"commit applied\"", applied_after);
    row("from the commit, fetched, to \"commit applied\"", since_seen);
    println!("\nRequests of all of them: {}.", verbs(&heard));

    let (before, start) = (Process::of(follower.process())?, Instant::now());
    audit.since()?;
    thread::sleep(Duration::from_secs(arguments.idle));
    let (after, asked) = (Process::of(follower.process())?, audit.since()?);
    if let Some(asked) = asked.iter().find(|it| it.verb != "watch") {
        return Err(format!("nothing happened, and asked was {asked:?}"));
    }
    println!(
        "\n{} s in which nothing happens, at {} objects: {:.2} s of CPU, {} MiB (at the peak before: {} MiB); requests: {}.",
        start.elapsed().as_secs(),
        objects.len(),
        (after.cpu - before.cpu).as_secs_f64(),
        after.memory >> 20,
        after.peak >> 20,
        verbs(&asked),
    );
    Ok(())
}

/// The file of a request, with another tag of its image.
fn with_tag(
    files: &BTreeMap<String, String>,
    request: &str,
    tag: &str,
) -> Result<(String, String), String> {
    let head = format!("request {request}: ");
    let found = files.iter().find_map(|(path, text)| Some((path, text, text.find(&head)?)));
    let (path, text, at) = found.ok_or_else(|| format!("nobody declares {request}"))?;
    let (before, rest) = text.split_at(at);
    let (lines, value) = rest.split_once("tag = \"").ok_or("no tag")?;
    let (_, after) = value.split_once('"').ok_or("no end of a tag")?;
    Ok((path.clone(), format!("{before}{lines}tag = \"{tag}\"{after}")))
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let of = |part: f64| {
        let index = ((times.len() as f64 * part) as usize).min(times.len() - 1);
        times[index].as_secs_f64() * 1000.0
    };
    println!("| {what} | {:.0} ms | {:.0} ms | {:.0} ms |", of(0.5), of(0.99), of(1.0));
}
