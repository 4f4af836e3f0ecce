//! The examples: what they build, to the letter, and that a real API server takes all of it.
//!
//! `UPDATE_EXPECT=1 cargo test -p plumb-tests --test examples` writes what is built where it is
//! expected; read the difference before it is committed.

use std::fs;

use plumb_compiler::Database;
use plumb_compiler::answers::Finding;
use plumb_compiler::source::Workspace;
use plumb_compiler::value::Value;
use plumb_tests::cluster::{ControlPlane, MINOR, binaries_of};
use plumb_tests::documents::root;

/// The example workspace, held by an engine.
struct Example {
    db: Database,
    workspace: Workspace,
}

impl Example {
    /// Opens `examples/<name>`.
    fn open(name: &str) -> Example {
        let loaded = plumb_workspace::load(&root().join("examples").join(name)).unwrap();
        assert!(loaded.findings.is_empty(), "{}", show(&loaded.findings));
        let db = Database::default();
        let workspace = loaded.open(&db);
        Example { db, workspace }
    }

    fn environments(&self) -> Vec<String> {
        let names = plumb_compiler::environments(&self.db, self.workspace);
        names.iter().map(ToString::to_string).collect()
    }

    /// The objects of an environment, in the order they are applied.
    fn objects(&self, environment: &str) -> Vec<Value> {
        let build = plumb_compiler::build(&self.db, self.workspace, environment);
        assert!(build.findings.is_empty(), "{}", show(&build.findings));
        build.manifests.into_iter().map(|manifest| manifest.object).collect()
    }
}

fn show(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|it| {
            let place = it.location.as_ref();
            let place = place.map_or("?".into(), |at| format!("{}:{}", at.path, at.range.start));
            format!("\n{place}: {} [{}]", it.message, it.code)
        })
        .collect()
}

#[test]
fn the_example_has_no_mistake() {
    let acme = Example::open("acme");
    let findings = plumb_compiler::check(&acme.db, acme.workspace);
    assert!(findings.is_empty(), "{}", show(&findings));
}

#[test]
fn the_example_has_four_environments_and_at_least_forty_manifests_in_prod() {
    let acme = Example::open("acme");
    assert_eq!(acme.environments(), ["dev", "staging", "prod", "prod-us"]);
    assert!(acme.objects("prod").len() >= 40, "{}", acme.objects("prod").len());
}

#[test]
fn every_environment_builds_to_the_manifests_that_are_expected() {
    let acme = Example::open("acme");
    let folder = root().join("tests/workspaces/acme");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut expected_files: Vec<String> = Vec::new();
    for environment in acme.environments() {
        let mut built = String::new();
        plumb_compiler::yaml::write_stream(&mut built, &acme.objects(&environment));
        let name = format!("{environment}.yaml");
        let path = folder.join(&name);
        expected_files.push(name);
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &built).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if let Some(line) = difference(&expected, &built) {
            panic!(
                "{} differs at line {line}; UPDATE_EXPECT=1 writes it anew. Built is:\n{built}",
                path.display()
            );
        }
    }
    let mut there: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    expected_files.sort();
    assert_eq!(there, expected_files, "manifests of environments that are not there");
}

/// The first line in which two texts differ, from 1.
fn difference(expected: &str, built: &str) -> Option<usize> {
    if expected == built {
        return None;
    }
    let same = expected.lines().zip(built.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let build = || {
        let acme = Example::open("acme");
        let mut built = String::new();
        plumb_compiler::yaml::write_stream(&mut built, &acme.objects("prod"));
        built
    };
    assert_eq!(build(), build());
}

/// The environments of an example, each with the minor version of Kubernetes that it runs.
#[test]
fn plans_write_what_objects_print() {
    let acme = Example::open("acme");
    let compared = plumb_tests::plans::compare(&acme.db, acme.workspace);
    assert!(compared.differences.is_empty(), "{}", compared.differences.join("\n"));
    // That there is something to compare.
    assert!(compared.planned * 4 > compared.made * 3, "{compared:?}");
    assert!(compared.cast * 4 > compared.made * 3, "{compared:?}");
}

fn versions(example: &Example) -> Vec<(String, u32)> {
    let (db, workspace) = (&example.db, example.workspace);
    plumb_compiler::names::environment_order(db, workspace)
        .iter()
        .map(|id| (id.name(db).to_string(), plumb_compiler::versions::runs(db, workspace, *id).0))
        .collect()
}

/// Applies every object of an environment to a fresh API server of the environment's own version: what
/// it refuses, and what it warns of. Each environment has a cluster of its own, as in life: names may
/// repeat between them.
fn apply(example: &Example, environment: &str, minor: u32) -> String {
    let control_plane = ControlPlane::start(&binaries_of(minor).unwrap()).unwrap();
    let (status, version) = control_plane.get("/version").unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    let release = version["gitVersion"].as_str().unwrap();
    assert!(status == 200 && release.starts_with(&format!("v1.{minor}.")), "{release}");
    let mut problems = String::new();
    for object in example.objects(environment) {
        let mut text = String::new();
        plumb_compiler::json::write(&mut text, &object, false);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let what = format!("{environment}: {} {}", json["kind"], json["metadata"]["name"]);
        match control_plane.server_side_apply(&json) {
            Ok(applied) => {
                for warning in applied.warnings {
                    problems += &format!("\n{what}: warning: {warning}");
                }
            }
            Err(refusal) => problems += &format!("\n{what}: {refusal}"),
        }
    }
    problems
}

#[test]
fn a_real_api_server_takes_every_object_without_a_warning() {
    let acme = Example::open("acme");
    let here: Vec<_> = versions(&acme).into_iter().filter(|(_, minor)| *minor == MINOR).collect();
    assert!(!here.is_empty(), "no environment runs Kubernetes 1.{MINOR}");
    let problems: String =
        here.iter().map(|(environment, minor)| apply(&acme, environment, *minor)).collect();
    assert!(problems.is_empty(), "{problems}");
}

#[test]
#[ignore = "builds the API server of each version that the other environments run, minutes each"]
fn a_real_api_server_of_another_version_takes_every_object_without_a_warning() {
    let acme = Example::open("acme");
    let there: Vec<_> = versions(&acme).into_iter().filter(|(_, minor)| *minor != MINOR).collect();
    assert!(!there.is_empty(), "every environment runs Kubernetes 1.{MINOR}");
    let problems: String =
        there.iter().map(|(environment, minor)| apply(&acme, environment, *minor)).collect();
    assert!(problems.is_empty(), "{problems}");
}
