//! `plumb rbac`: a service account with what it prints, and nothing else, in a real cluster that writes down what is
//! asked of it.

// Other tests use more of it.
#[allow(dead_code)]
mod following;

use following::{Follower, plumb};
use plumb_tests::cluster::{ControlPlane, Patch, binaries};
use plumb_tests::documents::root;
use plumb_tests::git::GitServer;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

/// A cluster, and where it writes down who asked for what.
struct Cluster {
    control_plane: ControlPlane,
    audit: TempDir,
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let audit = tempfile::tempdir().unwrap();
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata", "userGroups": ["system:serviceaccounts"] }],
    });
    fs::write(audit.path().join("policy"), policy.to_string()).unwrap();
    let file = |name: &str| audit.path().join(name).display().to_string();
    let arguments = [
        format!("--audit-policy-file={}", file("policy")),
        format!("--audit-log-path={}", file("log")),
    ];
    let control_plane =
        ControlPlane::start_with(&binaries().unwrap(), &arguments.each_ref().map(String::as_str));
    let control_plane = control_plane.unwrap();
    control_plane.ensure_namespace("default").unwrap();
    Cluster { control_plane, audit }
});

/// A service account, and a copy of a workspace that it applies.
struct Account {
    name: String,
    kubeconfig: PathBuf,
    folder: TempDir,
    environment: &'static str,
}

impl Account {
    /// One that may nothing yet.
    fn new(name: &str, environment: &'static str, files: &[(&str, &str)]) -> Self {
        let cluster = &CLUSTER.control_plane;
        let token = cluster.service_account_token("plumb-system", name).unwrap();
        let kubeconfig = cluster.kubeconfig_of(&token).unwrap();
        let account = Account {
            name: name.to_owned(),
            kubeconfig,
            folder: tempfile::tempdir().unwrap(),
            environment,
        };
        for (path, text) in files {
            account.write(path, text);
        }
        account
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The exit code, stdout and stderr.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = plumb(&self.kubeconfig);
        command.current_dir(self.folder.path()).args(words).args(["--env", self.environment]);
        let done = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    /// What `plumb rbac` prints.
    fn rbac(&self) -> Vec<Value> {
        let account = format!("plumb-system/{}", self.name);
        let words = ["rbac", "--service-account", &account, "--output", "json"];
        let (code, out, err) = self.run(&words);
        assert_eq!((code, err.as_str()), (0, ""));
        serde_json::from_str(&out).unwrap()
    }

    /// Allows what `plumb rbac` prints, in its order, as `kubectl apply --field-manager plumb` does.
    fn allow(&self, objects: &[Value]) {
        for object in objects {
            CLUSTER.control_plane.server_side_apply(object).unwrap();
        }
    }

    fn apply(&self) -> Value {
        let (code, out, err) = self.run(&["apply", "--output", "json"]);
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// What this account asked for: each as a line, and whether it was allowed.
    fn asked(&self) -> Vec<(Asked, bool)> {
        let log = fs::read_to_string(CLUSTER.audit.path().join("log")).unwrap();
        let user = format!("system:serviceaccount:plumb-system:{}", self.name);
        let lines = log.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
        let own = lines.filter(|it| it["user"]["username"] == user.as_str());
        own.flat_map(|it| {
            let of = &it["objectRef"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let asked = |verb: &str| Asked {
                namespace: match of["resource"] == "namespaces" {
                    true => String::new(),
                    false => text(&of["namespace"]),
                },
                group: text(&of["apiGroup"]),
                resource: text(&of["resource"]),
                verb: verb.to_owned(),
            };
            let is_allowed = it["annotations"]["authorization.k8s.io/decision"] == "allow";
            let mut all = vec![(asked(it["verb"].as_str().unwrap()), is_allowed)];
            // Applying what is not there yet is allowed as creating, too.
            if it["verb"] == "patch" && it["responseStatus"]["code"] == 201 {
                all.push((asked("create"), true));
            }
            all
        })
        .collect()
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Asked {
    namespace: String,
    group: String,
    resource: String,
    verb: String,
}

/// What roles allow.
fn allowed(objects: &[Value]) -> BTreeSet<Asked> {
    let words = |value: &Value| -> Vec<String> {
        let list = value.as_array().unwrap().iter();
        list.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut all = BTreeSet::new();
    for object in objects {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        for rule in object["rules"].as_array().into_iter().flatten() {
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for verb in words(&rule["verbs"]) {
                        let namespace = namespace.to_owned();
                        let (group, resource) = (group.clone(), resource.clone());
                        all.insert(Asked { namespace, group, resource, verb });
                    }
                }
            }
        }
    }
    all
}

/// The files of a directory, by path relative to it.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inside = files(&path).into_iter();
            found.extend(inside.map(|(path, text)| (format!("{name}/{path}"), text)));
        } else {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn the_example_is_applied_compared_and_pruned_with_nothing_else() {
    let files = files(&root().join("examples/acme"));
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let account = Account::new("acme", "prod", &files);
    account.allow(&account.rbac());
    let done = account.apply();
    let count = |done: &Value, action: &str| {
        done["objects"].as_array().unwrap().iter().filter(|it| it["action"] == action).count()
    };
    let all = done["objects"].as_array().unwrap().len();
    // The two namespaces were made with the roles.
    assert_eq!(
        (
            count(&done, "created") + count(&done, "same") + count(&done, "changed"),
            count(&done, "created")
        ),
        (all, all - 2)
    );
    assert!(all >= 40, "{all}");
    let again = account.apply();
    assert_eq!(count(&again, "same"), all);
    let (code, out, _) = account.run(&["diff"]);
    assert_eq!(code, 0, "{out}");
    fs::remove_file(account.folder.path().join("apps/billing/invoices.plumb")).unwrap();
    let (code, out, _) = account.run(&["diff"]);
    assert_eq!(code, 1, "{out}");
    let pruned = account.apply();
    let deletes = pruned["deletes"].as_array().unwrap();
    assert!(!deletes.is_empty() && deletes.iter().all(|it| it["action"] == "deleted"), "{pruned}");
    let refused: Vec<Asked> =
        account.asked().into_iter().filter(|(_, is_allowed)| !is_allowed).map(|it| it.0).collect();
    assert_eq!(refused, []);
}

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.core.v1 as core
use k8s.rbac.v1 as rbac
use k8s.scheduling.v1 as scheduling

schema Env {}

environment prod: Env {}

schema Team {}

compose Team as team {
    emit core.Namespace { metadata.name = team.name }
    emit scheduling.PriorityClass { metadata.name = team.name, value = 1000 }
    emit rbac.Role {
        metadata.name = "reader"
        rules = [{ apiGroups = [""], resources = ["pods"], verbs = ["get"] }]
    }
    emit rbac.RoleBinding {
        metadata.name = "reader"
        roleRef = { apiGroup = "rbac.authorization.k8s.io", kind = "Role", name = "reader" }
    }
}

schema Web { image: String }

compose Web as web {
    emit core.ConfigMap { metadata.name = web.name, data = { image = web.image } }
    emit apps.Deployment {
        metadata.name = web.name
        spec = {
            selector.matchLabels.app = web.name
            template = {
                metadata.labels.app = web.name
                spec.containers = [{ name = web.name, image = web.image }]
            }
        }
    }
}

schema Mark {}

compose Mark as mark {
    emit core.ConfigMap { metadata = { name = mark.name, namespace = "plumb-system" } }
}
"#;

/// A workspace of a team whose namespace is called after it.
fn team(name: &str) -> Vec<(&'static str, String)> {
    let package = format!("use platform\n\npackage {{ namespace = \"{name}\" }}\n\n");
    vec![
        ("plumb.toml", format!("name = \"{name}\"\n")),
        ("platform/platform.plumb", PLATFORM.to_owned()),
        ("team/team.plumb", format!("{package}request {name}: platform.Team {{}}\n")),
        (
            "team/web.plumb",
            "use platform\n\nrequest web: platform.Web { image = \"web:1\" }\n".to_owned(),
        ),
        ("mark/mark.plumb", format!("use platform\n\nrequest {name}-mark: platform.Mark {{}}\n")),
    ]
}

fn of_team(name: &str) -> Account {
    let files = team(name);
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    Account::new(name, "prod", &files)
}

#[test]
fn all_that_is_allowed_is_asked_for() {
    let account = of_team("till");
    account.write("team/other.plumb", "use platform\n\nrequest till-other: platform.Mark {}\n");
    let objects = account.rbac();
    account.allow(&objects);
    account.write(
        "platform/platform.plumb",
        &PLATFORM.replace(
            "metadata.name = team.name }",
            "metadata = { name = team.name, labels = { new = \"yes\" } } }",
        ),
    );
    account.apply();
    account.apply();

    // It is followed, and somebody changes what is in the namespace and what is in none.
    let server = GitServer::start().unwrap();
    let files = team("till");
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let commit = server.repository().commit("A team", &files).unwrap();
    {
        let follower = Follower::start(&account.kubeconfig, &server.url(), "prod", &[]);
        follower.applied(&commit);
        for (path, body) in [
            ("/api/v1/namespaces/till/configmaps/web", json!({ "data": { "image": "web:hot" } })),
            (
                "/apis/scheduling.k8s.io/v1/priorityclasses/till",
                json!({ "description": "hot", "metadata": { "labels": { "applyset.kubernetes.io/part-of": null } } }),
            ),
        ] {
            let path = format!("{path}?fieldManager=kubectl-edit");
            CLUSTER.control_plane.patch(&path, Patch::Merge, &body).unwrap();
        }
        for namespace in ["till", "default"] {
            let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
            CLUSTER
                .control_plane
                .until(&path, |list| list["items"].as_array().is_some_and(|it| !it.is_empty()))
                .unwrap();
        }
    }
    account.apply();
    fs::remove_dir_all(account.folder.path().join("team")).unwrap();
    let (_, out, err) = account.run(&["apply", "--output", "json"]);
    let held: Value = serde_json::from_str(&out).unwrap();
    let hash = held["confirm"].as_str().unwrap_or_else(|| panic!("{out}{err}"));
    let (code, out, err) = account.run(&["apply", "--confirm", hash]);
    assert!(code == 0 || out.contains("Namespace/till is being deleted"), "{out}{err}");

    let asked = account.asked();
    let refused: Vec<&Asked> = asked.iter().filter(|(_, it)| !it).map(|(asked, _)| asked).collect();
    assert_eq!(refused, Vec::<&Asked>::new());
    let asked: BTreeSet<&Asked> = asked.iter().map(|(asked, _)| asked).collect();
    let allowed = allowed(&objects);
    let unasked: Vec<String> = allowed
        .iter()
        .filter(|it| !asked.contains(it))
        .map(|it| format!("{} {} {}", it.namespace, it.resource, it.verb))
        .collect();
    let expected = [
        // Those that are there by now were made with the roles.
        " namespaces create",
        // Of objects in it.
        "plumb-system events create",
        // What somebody is granted.
        "till pods get",
    ];
    assert_eq!(unasked, expected);
}

/// The same roles without one verb of a resource.
fn without(objects: &[Value], namespace: &str, resource: &str, verb: &str) -> Vec<Value> {
    let mut is_found = false;
    let mut objects = objects.to_vec();
    for object in &mut objects {
        let is_there = object["metadata"]["namespace"].as_str().unwrap_or_default() == namespace;
        let Some(rules) = object["rules"].as_array().filter(|_| is_there) else { continue };
        let mut single: Vec<Value> = Vec::new();
        for rule in rules {
            for it in rule["resources"].as_array().unwrap() {
                let mut rule = rule.clone();
                rule["resources"] = json!([it]);
                if it == resource {
                    let verbs = rule["verbs"].as_array_mut().unwrap();
                    is_found |= verbs.iter().any(|it| it == verb);
                    verbs.retain(|it| it != verb);
                }
                if rule["verbs"].as_array().is_some_and(|it| !it.is_empty()) {
                    single.push(rule);
                }
            }
        }
        object["rules"] = json!(single);
    }
    assert!(is_found, "{namespace} {resource} {verb}");
    objects
}

#[test]
fn what_is_left_out_is_missed() {
    let cases = [
        ("own", "deployments", "patch", 1, "cannot patch resource \\\"deployments\\\""),
        ("own", "configmaps", "create", 1, "cannot create resource \\\"configmaps\\\""),
        ("own", "roles", "get", 1, "cannot get resource \\\"roles\\\""),
        ("own", "pods", "get", 1, "is attempting to grant RBAC permissions not currently held"),
        ("", "priorityclasses", "patch", 1, "cannot patch resource \\\"priorityclasses\\\""),
        ("plumb-system", "configmaps", "list", 2, "the inventory cannot be read"),
        ("plumb-system", "configmaps", "create", 2, "the inventory cannot be written"),
    ];
    for (at, (namespace, resource, verb, expected, message)) in cases.into_iter().enumerate() {
        let name = format!("missing-{at}");
        let account = of_team(&name);
        let namespace = namespace.replace("own", &name);
        account.allow(&without(&account.rbac(), &namespace, resource, verb));
        let (code, out, err) = account.run(&["apply", "--timeout", "1s", "--output", "json"]);
        assert_eq!(code, expected, "{resource} {verb}: {out}{err}");
        assert!(format!("{out}{err}").contains(message), "{resource} {verb}: {out}{err}");
    }
}

#[test]
fn deleting_and_looking_again_take_more_than_applying() {
    for (at, (resource, verb)) in
        [("deployments", "delete"), ("deployments", "list")].into_iter().enumerate()
    {
        let account = of_team(&format!("later-{at}"));
        let name = account.name.clone();
        account.allow(&without(&account.rbac(), &name, resource, verb));
        account.apply();
        fs::remove_file(account.folder.path().join("team/web.plumb")).unwrap();
        let (code, out, err) = account.run(&["apply", "--output", "json"]);
        let told: Value = serde_json::from_str(&out).unwrap();
        let deletes = told["deletes"].as_array().unwrap().iter();
        let action = deletes.filter(|it| it["kind"] == "Deployment").map(|it| it["action"].clone());
        let expected = if verb == "delete" { "refused" } else { "unknown" };
        assert_eq!(action.collect::<Vec<_>>(), [expected], "{code} {out}{err}");
    }
}
