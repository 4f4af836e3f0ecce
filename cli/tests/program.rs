//! The program as a user starts it: exit codes, and what goes to which stream.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn plumb(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.current_dir(directory).args(arguments.split_whitespace());
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    command
}

/// The exit code, stdout and stderr.
fn run(directory: &Path, arguments: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = plumb(directory, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A workspace whose only source is empty, and whose plumb.toml says this.
fn workspace(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plumb.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("apps")).unwrap();
    fs::write(folder.path().join("apps/a.plumb"), "").unwrap();
    folder
}

#[test]
fn help_goes_to_stdout_and_is_fine() {
    let folder = workspace("");
    for (arguments, expected) in [
        ("--help", "plumb build --env prod"),
        ("check --help", "plumb check apps/shop"),
        ("build --help", "--all-envs"),
        ("why --help", "used by Deployment/shop spec.replicas"),
        ("-h", "Exit codes"),
    ] {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments}");
        assert_eq!(stdout.contains(expected), arguments != "-h", "{arguments}: {stdout}");
        assert!(!stdout.contains('\u{1b}'), "{arguments}");
    }
}

#[test]
fn a_mistake_on_the_command_line_is_exit_code_2() {
    let folder = workspace("");
    for arguments in [
        "",
        "chekc",
        "build",
        "build --env a --all-envs",
        "why shop.replicas",
        "check --output xml",
    ] {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}");
        assert!(stderr.contains("--help"), "{arguments}: {stderr}");
    }
}

#[test]
fn a_path_that_is_not_there_is_exit_code_2() {
    let folder = workspace("");
    for arguments in ["check nowhere", "build --all-envs nowhere", "why a.b --env c --path nowhere"]
    {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}");
        assert_eq!(stderr, "plumb: `nowhere` does not exist\n");
    }
}

#[test]
fn a_directory_without_sources_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), "check");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert_eq!(stderr, "plumb: there is no .plumb file in `.`\n");
}

#[test]
fn a_workspace_without_the_environment_is_exit_code_2() {
    let folder = workspace("");
    for arguments in ["build --env prod", "build --all-envs", "why shop.replicas --env prod"] {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}");
        assert!(
            stderr.ends_with("plumb: the workspace has no environment\n"),
            "{arguments}: {stderr}"
        );
    }
}

#[test]
fn check_prints_findings_to_stdout_and_their_number_to_stderr() {
    let folder = workspace("kubernets = \"1.36\"\n");
    let (code, stdout, stderr) = run(folder.path(), "check");
    assert_eq!(code, 1);
    assert!(
        stdout.contains("[invalid-manifest] Error: plumb.toml has no key `kubernets`"),
        "{stdout}"
    );
    assert!(stdout.contains("[ plumb.toml:1:1 ]"), "{stdout}");
    assert!(stdout.contains("did you mean `kubernetes`?"), "{stdout}");
    assert!(stderr.starts_with("1 error"), "{stderr}");
}

#[test]
fn paths_are_printed_from_where_the_user_is() {
    let folder = workspace("x = 1\n");
    let (_, stdout, _) = run(&folder.path().join("apps"), "check");
    assert!(stdout.contains("[ ../plumb.toml:1:1 ]"), "{stdout}");
}

#[test]
fn check_prints_json_for_programs_and_nothing_else() {
    let folder = workspace("kubernets = \"1.36\"\n");
    let (code, stdout, stderr) = run(folder.path(), "check --output json");
    assert_eq!((code, stderr.as_str()), (1, ""));
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["version"], 1);
    assert_eq!(told["diagnostics"][0]["code"], "invalid-manifest");
    assert_eq!(told["diagnostics"][0]["span"]["file"], "plumb.toml");
    assert_eq!(told["diagnostics"][0]["fixes"][0]["edits"][0]["text"], "kubernetes");
}

#[test]
fn a_wrong_manifest_builds_nothing() {
    let folder = workspace("kubernetes = \"0.1\"\n");
    for arguments in ["build --env prod", "build --all-envs", "why shop.replicas --env prod"] {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (1, ""), "{arguments}");
        assert!(stderr.contains("[unknown-kubernetes-version]"), "{arguments}: {stderr}");
        assert!(stderr.ends_with("1 error\n"), "{arguments}: {stderr}");
    }
}

#[test]
fn colours_are_for_who_wants_them() {
    let folder = workspace("x = 1\n");
    let colourful = |command: &mut Command| command.output().unwrap().stdout.contains(&0x1b);
    assert!(!colourful(&mut plumb(folder.path(), "check")));
    assert!(colourful(&mut plumb(folder.path(), "check --color always")));
    assert!(colourful(plumb(folder.path(), "check").env("CLICOLOR_FORCE", "1")));
    assert!(!colourful(
        plumb(folder.path(), "check").env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")
    ));
}

#[test]
fn completions_are_printed_for_every_shell() {
    let folder = workspace("");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, stdout, _) = run(folder.path(), &format!("completions {shell}"));
        assert_eq!(code, 0);
        assert!(stdout.contains("all-envs"), "{shell}");
    }
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let folder = workspace("x = 1\n");
    for arguments in ["check", "check --output json", "completions bash"] {
        // A pipe whose reading end is closed before the program starts.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            plumb(folder.path(), arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {stderr}");
        assert_eq!(stderr, "", "{arguments}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_exit_code_2() {
    let folder = workspace("x = 1\n");
    for arguments in ["check", "check --output json", "completions bash"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = plumb(folder.path(), arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("plumb: cannot write: "), "{arguments}: {stderr}");
    }
}
