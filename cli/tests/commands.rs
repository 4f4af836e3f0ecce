//! The commands around the engine, as a user starts them: manifests as files, findings for reviews, a
//! workspace to begin with, the pages of the diagnostics.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The exit code, stdout and stderr.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.current_dir(directory).args(arguments);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A workspace as `plumb init` makes it.
fn workspace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(folder.path(), &["init"]);
    assert_eq!(code, 0, "{stderr}");
    folder
}

/// The files below a directory, by path, with their texts.
fn files(directory: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, directory: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, &mut found);
    found
}

fn names(directory: &Path) -> Vec<String> {
    files(directory).into_keys().collect()
}

fn append(path: PathBuf, text: &str) {
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, before + text).unwrap();
}

const HELLO: &str = "apps/hello/hello.plumb";
const IMAGE: &str = "registry.acme.test/shop@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

#[test]
fn init_makes_a_workspace_that_checks_clean_and_builds() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["init", "My Shop"]);
    assert_eq!(code, 0, "{stderr}");
    let root = folder.path().join("My Shop");
    assert_eq!(
        stdout.lines().collect::<Vec<_>>(),
        ["plumb.toml", "platform/environments.plumb", "platform/web.plumb", HELLO]
            .map(|it| format!("My Shop/{it}"))
    );
    assert!(stderr.contains("plumb build --env prod"), "{stderr}");
    assert!(fs::read_to_string(root.join("plumb.toml")).unwrap().contains("name = \"my-shop\""));
    let (code, stdout, stderr) = run(&root, &["check"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("no problems"), "{stderr}");
    let (code, stdout, stderr) = run(&root, &["build", "--env", "prod"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for kind in ["Deployment", "Service", "Ingress"] {
        assert!(stdout.contains(&format!("kind: {kind}\n")), "{stdout}");
    }
    assert!(stdout.contains("replicas: 2\n") && stdout.contains("value: Hello from prod\n"));
    let (_, stdout, _) = run(&root, &["build", "--env", "dev"]);
    assert!(!stdout.contains("Ingress") && stdout.contains("replicas: 1\n"), "{stdout}");
}

#[test]
fn init_writes_over_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("platform")).unwrap();
    fs::write(folder.path().join("platform/web.plumb"), "mine").unwrap();
    fs::write(folder.path().join("readme"), "mine too").unwrap();
    let before = files(folder.path());
    let (code, stdout, stderr) = run(folder.path(), &["init"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("platform/web.plumb is there already; nothing was written"),
        "{stderr}"
    );
    assert_eq!(files(folder.path()), before);
    fs::remove_file(folder.path().join("platform/web.plumb")).unwrap();
    assert_eq!(run(folder.path(), &["init"]).0, 0);
    assert_eq!(run(folder.path(), &["init"]).0, 2);
    assert_eq!(files(folder.path())["readme"], "mine too");
}

#[test]
fn explain_prints_the_page_of_a_code() {
    let folder = tempfile::tempdir().unwrap();
    for code in ["unknown-field", "[unknown-field]"] {
        let (status, stdout, stderr) = run(folder.path(), &["explain", code]);
        assert_eq!((status, stderr.as_str()), (0, ""));
        assert!(stdout.starts_with("unknown-field\n\n"), "{stdout}");
        assert!(stdout.contains("\nThe mistake\n") && stdout.contains("\nThe mend\n"), "{stdout}");
        assert!(!stdout.contains("```"), "{stdout}");
    }
    let (status, stdout, stderr) = run(folder.path(), &["explain", "unknwon-field"]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert_eq!(
        stderr,
        "plumb: there is no diagnostic `unknwon-field`; did you mean `unknown-field`?\n"
    );
    let (status, stdout, _) = run(folder.path(), &["explain"]);
    assert_eq!(status, 0);
    assert!(stdout.lines().count() > 40 && stdout.lines().all(|it| it.contains("  ")), "{stdout}");
    let (_, stdout, _) = run(folder.path(), &["explain", "cycle", "--color", "always"]);
    assert!(stdout.starts_with("\u{1b}[1mcycle\u{1b}[0m\n"), "{stdout:?}");
}

#[test]
fn a_directory_holds_a_file_for_each_object() {
    let folder = workspace();
    let root = folder.path();
    let (code, stdout, stderr) = run(root, &["build", "--all-envs", "--out-dir", "out"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert_eq!(stderr, "5 manifests in out: 5 new\n");
    let out = root.join("out");
    assert_eq!(
        names(&out),
        [
            "dev/hello/deployment-hello.yaml",
            "dev/hello/service-hello.yaml",
            "plumb-files.json",
            "prod/hello/deployment-hello.yaml",
            "prod/hello/ingress-hello.yaml",
            "prod/hello/service-hello.yaml",
        ]
    );
    // Together the files are what is printed.
    let (_, printed, _) = run(root, &["build", "--env", "prod"]);
    let found = files(&out);
    for document in printed.split("---\n").filter(|it| !it.is_empty()) {
        assert!(found.values().any(|text| text == document), "{document}");
    }
    // A second time nothing is written.
    let time = |path: &str| fs::metadata(out.join(path)).unwrap().modified().unwrap();
    let before = (time("plumb-files.json"), time("dev/hello/service-hello.yaml"));
    let (_, _, stderr) = run(root, &["build", "--all-envs", "--out-dir", "out"]);
    assert_eq!(stderr, "5 manifests in out: 5 unchanged\n");
    assert_eq!(before, (time("plumb-files.json"), time("dev/hello/service-hello.yaml")));
}

#[test]
fn what_is_no_longer_made_is_removed_and_what_is_not_ours_stays() {
    let folder = workspace();
    let root = folder.path();
    let out = root.join("out");
    let build =
        |arguments: &[&str]| run(root, &[&["build", "--out-dir", "out"], arguments].concat());
    append(
        root.join("apps/shop/shop.plumb"),
        &format!(
            "use platform\npackage {{ namespace = \"shop\" }}\nrequest cart: platform.Web {{ image = \"{IMAGE}\" }}\n"
        ),
    );
    assert_eq!(build(&["--all-envs"]).0, 0);
    append(out.join("prod/shop/notes.txt"), "mine");
    fs::remove_file(root.join(HELLO)).unwrap();
    // Of one environment only, and of one directory only.
    let (_, _, stderr) = build(&["--env", "dev"]);
    assert_eq!(stderr, "2 manifests in out: 2 unchanged, 2 removed\n");
    let (_, _, stderr) = build(&["--env", "prod", "apps/shop"]);
    assert_eq!(stderr, "2 manifests in out: 2 unchanged\n");
    assert!(!out.join("dev/hello").exists() && out.join("prod/hello/ingress-hello.yaml").exists());
    let (_, _, stderr) = build(&["--all-envs"]);
    assert_eq!(stderr, "4 manifests in out: 4 unchanged, 3 removed\n");
    fs::remove_file(root.join("apps/shop/shop.plumb")).unwrap();
    let (_, _, stderr) = build(&["--all-envs"]);
    assert_eq!(stderr, "0 manifests in out: 4 removed\n");
    assert_eq!(names(&out), ["plumb-files.json", "prod/shop/notes.txt"]);
}

#[test]
fn a_request_with_an_error_keeps_the_files_it_had() {
    let folder = workspace();
    let root = folder.path();
    let out = root.join("out");
    run(root, &["build", "--all-envs", "--out-dir", "out"]);
    let before = files(&out);
    append(root.join(HELLO), "\noverlay hello in prod { replicas = 99 }\n");
    let (code, _, stderr) = run(root, &["build", "--all-envs", "--out-dir", "out"]);
    assert_eq!(code, 1);
    assert!(
        stderr.starts_with("2 manifests in out: 2 unchanged, 3 kept of requests with errors\n"),
        "{stderr}"
    );
    assert_eq!(files(&out), before);
}

#[test]
fn a_file_of_somebody_else_is_not_written_over() {
    let folder = workspace();
    let root = folder.path();
    append(root.join("out/prod/hello/service-hello.yaml"), "mine\n");
    let (code, _, stderr) = run(root, &["build", "--all-envs", "--out-dir", "out"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("service-hello.yaml is there, and plumb did not write it"), "{stderr}");
    assert_eq!(names(&root.join("out")), ["prod/hello/service-hello.yaml"]);
    // Nor is a list believed that leads elsewhere.
    fs::remove_dir_all(root.join("out")).unwrap();
    append(
        root.join("out/plumb-files.json"),
        r#"{"version":1,"files":{"../plumb.toml":{"request":"apps.hello.hello"}}}"#,
    );
    let (code, _, stderr) = run(root, &["build", "--all-envs", "--out-dir", "out"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("is no list of files that plumb wrote"), "{stderr}");
    assert!(root.join("plumb.toml").exists());
}

#[test]
fn files_are_json_or_annotated_where_that_is_asked_for() {
    let folder = workspace();
    let root = folder.path();
    let out = root.join("out");
    run(root, &["build", "--env", "prod", "--out-dir", "out", "--output", "json"]);
    let text = &files(&out)["prod/hello/ingress-hello.json"];
    let json: Value = serde_json::from_str(text).unwrap();
    assert_eq!(json["kind"], "Ingress");
    run(root, &["build", "--env", "prod", "--out-dir", "out", "--annotate"]);
    let found = files(&out);
    assert!(!found.contains_key("prod/hello/ingress-hello.json"));
    let text = &found["prod/hello/deployment-hello.yaml"];
    assert!(text.contains("replicas: 2  # defaults Web in prod, platform/web.plumb:"), "{text}");
}

/// A workspace with an error that has all parts, and a warning.
fn wrong() -> TempDir {
    let folder = workspace();
    append(
        folder.path().join(HELLO),
        "\noverlay hello in dev { replica = 3 }\nrequest old: platform.Web { image = \"nginx:1.27\", replicas = 99 }\n",
    );
    folder
}

/// A workflow command by the grammar that GitHub documents: level, properties, message.
fn workflow_command(line: &str) -> (String, BTreeMap<String, String>, String) {
    let rest = line.strip_prefix("::").unwrap();
    let (head, message) = rest.split_once("::").unwrap();
    let (level, properties) = head.split_once(' ').unwrap();
    let unescape = |text: &str| {
        text.replace("%3A", ":").replace("%2C", ",").replace("%0A", "\n").replace("%25", "%")
    };
    let properties = properties
        .split(',')
        .map(|it| it.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), unescape(value)))
        .collect();
    (level.to_owned(), properties, unescape(message))
}

#[test]
fn github_shows_findings_at_their_lines() {
    let folder = wrong();
    let (code, stdout, stderr) = run(folder.path(), &["check", "--output", "github"]);
    assert_eq!(code, 1);
    let commands: Vec<_> = stdout.lines().map(workflow_command).collect();
    let find = |code: &str| {
        let title = format!("plumb: {code}");
        commands.iter().find(|(_, properties, _)| properties["title"] == title).unwrap()
    };
    let (level, properties, message) = find("unknown-field");
    assert_eq!((level.as_str(), properties["file"].as_str()), ("error", HELLO));
    assert_eq!(
        ["line", "endLine", "col", "endColumn"].map(|it| properties[it].as_str()),
        ["18", "18", "24", "30"]
    );
    assert!(message.starts_with("`Web` has no field `replica`"), "{message}");
    assert!(message.contains("\nHelp: did you mean `replicas`?"), "{message}");
    assert_eq!(find("unpinned-image").0, "warning");
    assert!(find("refinement-failed").2.contains("\nin every environment"));
    assert_eq!(stderr, "2 errors and 1 warning\n");
    // From elsewhere, paths lead there.
    let (_, stdout, _) = run(&folder.path().join("apps"), &["check", "--output", "github", ".."]);
    assert!(
        stdout.lines().all(|line| line.contains("file=../apps/hello/hello.plumb,")),
        "{stdout}"
    );
    // Where nothing is wrong, nothing is said.
    let (code, stdout, _) = run(workspace().path(), &["check", "--output", "github"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
}

/// The schema of SARIF, as its committee publishes it: the crate of SARIF's types holds a copy.
fn sarif_schema() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter();
    let package = package.into_iter().find(|it| it["name"] == "serde-sarif").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let schema = manifest.with_file_name("src").join("schema.json");
    // Its pattern of a language is no regular expression: a bracket in it is not escaped.
    let text = fs::read_to_string(schema).unwrap();
    let wrong = "[a-zA-Z]{2}]?$";
    assert!(text.contains(wrong));
    serde_json::from_str(&text.replace(wrong, "[a-zA-Z]{2}$")).unwrap()
}

#[test]
fn sarif_is_what_its_schema_says() {
    let validator = jsonschema::validator_for(&sarif_schema()).unwrap();
    assert!(!validator.is_valid(&serde_json::json!({ "version": "2.1.0", "runs": [{}] })));
    let folder = wrong();
    let mut logs = Vec::new();
    for directory in [folder.path(), workspace().path()] {
        let (_, stdout, _) = run(directory, &["check", "--output", "sarif"]);
        let log: Value = serde_json::from_str(&stdout).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(&log).map(|it| format!("{}: {it}", it.instance_path())).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        let typed: serde_sarif::sarif::Sarif = serde_json::from_str(&stdout).unwrap();
        assert_eq!(typed.runs.len(), 1);
        logs.push(log);
    }
    assert_eq!(logs[1]["runs"][0]["results"], serde_json::json!([]));
    let run = &logs[0]["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let one = results.iter().find(|it| it["ruleId"] == "unknown-field").unwrap();
    let rule = &run["tool"]["driver"]["rules"][one["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], "unknown-field");
    assert!(rule["help"]["markdown"].as_str().unwrap().starts_with("# unknown-field\n"));
    let place = &one["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], HELLO);
    assert_eq!(
        place["region"],
        serde_json::json!({ "startLine": 18, "startColumn": 24, "endLine": 18, "endColumn": 31 })
    );
    let change = &one["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "replicas");
    assert_eq!(change["deletedRegion"], place["region"]);
    assert_eq!(one["relatedLocations"][0]["message"]["text"], "the schema");
    let other = results.iter().find(|it| it["ruleId"] == "refinement-failed").unwrap();
    assert_eq!(other["properties"]["environments"], serde_json::json!(["dev", "prod"]));
}

/// `apps/hello/hello.plumb` of a new workspace with other blanks, and what it was before.
fn unformatted(root: &Path) -> String {
    let before = fs::read_to_string(root.join(HELLO)).unwrap();
    fs::write(root.join(HELLO), before.replace("    ", "  ").replace(" = ", "=")).unwrap();
    before
}

#[test]
fn fmt_writes_files_in_the_style_and_names_them() {
    let folder = workspace();
    let root = folder.path();
    let (code, stdout, stderr) = run(root, &["fmt"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", "3 files are formatted\n"));
    let before = unformatted(root);
    let (code, stdout, stderr) = run(&root.join("apps"), &["fmt"]);
    assert_eq!((code, stdout.as_str()), (0, "hello/hello.plumb\n"));
    assert_eq!(stderr, "formatted 1 of 1 file\n");
    assert_eq!(fs::read_to_string(root.join(HELLO)).unwrap(), before);
    // Nothing else is there.
    assert_eq!(names(&root.join("apps")), ["hello/hello.plumb"]);
    // A path that is not the workspace of the directory, and a file of any name.
    unformatted(root);
    fs::write(root.join("note.txt"), "let   a=1").unwrap();
    let paths = ["fmt", "platform", "note.txt", HELLO, "./note.txt"];
    let (code, stdout, _) = run(root, &paths);
    assert_eq!((code, stdout.as_str()), (0, "apps/hello/hello.plumb\nnote.txt\n"));
    assert_eq!(fs::read_to_string(root.join("note.txt")).unwrap(), "let a = 1\n");
}

#[test]
fn fmt_check_names_what_is_not_in_the_style_and_writes_nothing() {
    let folder = workspace();
    let root = folder.path();
    let (code, stdout, _) = run(root, &["fmt", "--check"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    unformatted(root);
    let before = files(root);
    let (code, stdout, stderr) = run(root, &["fmt", "--check"]);
    assert_eq!((code, stdout.as_str()), (1, "apps/hello/hello.plumb\n"));
    assert_eq!(stderr, "1 of 3 files is not formatted\n");
    assert_eq!(files(root), before);
}

#[test]
fn fmt_diff_is_a_patch() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("a.plumb"), "let a = 1\nlet   b=2\n").unwrap();
    let expected =
        "--- a.plumb\n+++ a.plumb\n@@ -1,2 +1,2 @@\n let a = 1\n-let   b=2\n+let b = 2\n";
    let (code, stdout, _) = run(root, &["fmt", "--diff"]);
    assert_eq!((code, stdout.as_str()), (1, expected));
    let (code, stdout, _) = run(root, &["fmt", "--diff", "--check"]);
    assert_eq!((code, stdout), (1, format!("a.plumb\n{expected}")));
    let (_, stdout, _) = run(root, &["fmt", "--diff", "--color", "always"]);
    assert!(stdout.contains("\u{1b}[32m+let b = 2\u{1b}[0m\n"), "{stdout:?}");
    assert_eq!(fs::read_to_string(root.join("a.plumb")).unwrap(), "let a = 1\nlet   b=2\n");
    run(root, &["fmt"]);
    let (code, stdout, _) = run(root, &["fmt", "--diff"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
}

#[test]
fn fmt_leaves_what_is_broken_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("a.plumb"), "let   a=1\nlet   b=\nlet   c=\n").unwrap();
    let (code, stdout, stderr) = run(root, &["fmt"]);
    assert_eq!((code, stdout.as_str()), (0, "a.plumb\n"));
    assert!(
        stderr.starts_with(
            "plumb: a.plumb:2: 2 declarations have syntax errors and are left as they are"
        ),
        "{stderr}"
    );
    let text = fs::read_to_string(root.join("a.plumb")).unwrap();
    assert_eq!(text, "let a = 1\nlet   b=\nlet   c=\n");
    let (code, stdout, _) = run(root, &["fmt", "--check"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
}

#[test]
fn fmt_tells_what_it_cannot_read_and_formats_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("a.plumb"), b"let a = \"\xe9\"\n").unwrap();
    fs::write(root.join("b.plumb"), "let   b=1\n").unwrap();
    let (code, stdout, stderr) = run(root, &["fmt"]);
    assert_eq!((code, stdout.as_str()), (2, "b.plumb\n"));
    assert!(stderr.starts_with("plumb: a.plumb is not UTF-8\n"), "{stderr}");
    assert_eq!(fs::read(root.join("a.plumb")).unwrap(), b"let a = \"\xe9\"\n");
    let (code, _, stderr) = run(root, &["fmt", "c.plumb"]);
    assert_eq!((code, stderr.as_str()), (2, "plumb: `c.plumb` does not exist\n"));
    let (code, _, stderr) = run(root, &["fmt", "-", "b.plumb"]);
    assert_eq!((code, stderr.as_str()), (2, "plumb: `-` is stdin and stands alone\n"));
}

#[test]
fn fmt_reads_stdin() {
    use std::io::Write as _;
    let given = |arguments: &[&str], text: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    };
    let written = given(&["fmt", "-"], b"let   a=1");
    assert_eq!(written, (0, "let a = 1\n".to_owned(), String::new()));
    let (code, stdout, _) = given(&["fmt", "--check", "-"], b"let   a=1");
    assert_eq!((code, stdout.as_str()), (1, "<stdin>\n"));
    let (code, stdout, stderr) = given(&["fmt", "-"], b"\xff");
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (2, "", "plumb: stdin is not UTF-8\n"));
}

#[cfg(unix)]
#[test]
fn fmt_keeps_links_and_permissions_and_changes_no_read_only_file() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("a")).unwrap();
    let file = root.join("a/real.txt");
    fs::write(&file, "let   a=1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a/real.txt", root.join("link.plumb")).unwrap();
    let (code, stdout, stderr) = run(root, &["fmt"]);
    assert_eq!((code, stdout.as_str()), (0, "link.plumb\n"), "{stderr}");
    assert!(root.join("link.plumb").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), "let a = 1\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // A file in the style is not touched.
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    run(root, &["fmt"]);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
    fs::write(&file, "let   a=1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    let (code, stdout, stderr) = run(root, &["fmt"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("it is read-only"), "{stderr}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "let   a=1\n");
}
