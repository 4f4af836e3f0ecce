//! Workspaces that are made to hurt end in an answer, with little memory: the system gives the program no
//! more than what is said here.
#![cfg(unix)]

use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What the program may hold, in KiB: all address space counts, so far more than it uses.
const MEMORY: u64 = 1 << 20;

/// The exit code, stdout and stderr. One thread, as each sets address space aside for itself.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_plumb");
    let mut command = Command::new("sh");
    command
        .current_dir(directory)
        .args(["-c", &format!("ulimit -v {MEMORY} && exec \"$0\" \"$@\""), program])
        .args(arguments)
        .env("PLUMB_THREADS", "1");
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (code, stdout, stderr)
}

/// A workspace as `plumb init` makes it, and a file more.
fn workspace(path: &str, text: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(folder.path(), &["init"]);
    assert_eq!(code, 0, "{stderr}");
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    folder
}

/// `check` finds this, and `build` ends as well.
fn refused(folder: &TempDir, message: &str) {
    let (code, stdout, stderr) = run(folder.path(), &["check"]);
    let told = stdout + &stderr;
    assert_eq!(code, 1, "{}", told.get(..4_000).unwrap_or(&told));
    assert!(told.contains(message), "{}", told.get(..4_000).unwrap_or(&told));
    assert!(told.len() < 1 << 20, "{} bytes are told", told.len());
    let (code, _, _) = run(folder.path(), &["build", "--all-envs"]);
    assert!(code <= 1, "build ends with {code}");
}

/// `check` finds nothing.
fn sound(folder: &TempDir) {
    let (code, stdout, stderr) = run(folder.path(), &["check"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[test]
fn a_file_of_100_mb_is_not_read() {
    let folder = workspace("apps/large/large.plumb", b"");
    // No block of it is on the disk.
    let file = File::create(folder.path().join("apps/large/large.plumb")).unwrap();
    file.set_len(100_000_000).unwrap();
    refused(&folder, "apps/large/large.plumb is larger than 4 MiB");
    let (code, _, stderr) = run(folder.path(), &["fmt", "--check"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("apps/large/large.plumb is larger than 4 MiB"), "{stderr}");
}

#[test]
fn a_million_requests_in_a_file_are_too_many() {
    let mut text = String::from("use platform\n");
    for number in 0..1_000_000 {
        writeln!(text, "request r{number}: platform.Web {{}}").unwrap();
    }
    let folder = workspace("apps/many/many.plumb", text.as_bytes());
    refused(&folder, "apps/many/many.plumb is larger than 4 MiB");
}

#[test]
fn a_deep_tree_of_directories_is_walked() {
    let deep = "d/".repeat(600);
    let folder = workspace(&format!("apps/{deep}deep.plumb"), b"let a = missing\n");
    refused(&folder, "missing");
}

#[test]
fn links_that_go_round_are_not_followed() {
    let folder = workspace("apps/round/round.plumb", b"let a = file(\"again.txt\")\n");
    let at = |name: &str| folder.path().join("apps/round").join(name);
    symlink("..", at("up")).unwrap();
    symlink(".", at("here")).unwrap();
    symlink("again.txt", at("again.txt")).unwrap();
    symlink("two.plumb", at("one.plumb")).unwrap();
    symlink("one.plumb", at("two.plumb")).unwrap();
    refused(&folder, "apps/round/one.plumb is a symbolic link that leads nowhere");
}

#[test]
fn bytes_that_are_no_text_are_a_mistake() {
    for bytes in [&b"let a = \"caf\xe9\"\n"[..], b"\xff\xfel\0e\0t\0", b"\xf0\x80\x80\x80"] {
        refused(&workspace("apps/bytes/bytes.plumb", bytes), "apps/bytes/bytes.plumb is not UTF-8");
    }
    refused(&workspace("apps/bytes/bytes.plumb", &[0; 1 << 16]), "apps/bytes/bytes.plumb");
}

#[test]
fn a_byte_order_mark_and_other_ends_of_lines_are_fine() {
    sound(&workspace(
        "apps/ends/ends.plumb",
        b"\xef\xbb\xbflet a = 1\r\nlet b = {\r\n    c = a\r\n}\r\n",
    ));
    sound(&workspace("plumb.toml", b"\xef\xbb\xbfname = \"acme\"\r\nkubernetes = \"1.36\"\r\n"));
}

#[test]
fn what_may_not_be_read_is_told() {
    let folder = workspace("apps/closed/closed.plumb", b"let a = 1\n");
    let path = folder.path().join("apps/closed/closed.plumb");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Nothing is closed to the superuser.
    if File::open(&path).is_ok() {
        sound(&folder);
    } else {
        refused(&folder, "apps/closed/closed.plumb cannot be read: permission denied");
    }
}

#[test]
fn values_that_grow_without_end_are_stopped() {
    let chain = |line: fn(usize, usize) -> String, last: &str| {
        let mut text = String::new();
        (0..64).for_each(|number| text += &line(number, number + 1));
        text + last
    };
    let spread = chain(|a, b| format!("let x{a} = [...x{b}, ...x{b}]\n"), "let x64 = [1]\n");
    let doubled = chain(|a, b| format!("let x{a} = \"${{x{b}}}${{x{b}}}\"\n"), "let x64 = \"a\"\n");
    let shared = chain(
        |a, b| format!("let x{a}: {{String: Any}} = {{ a = x{b}, b = x{b}, c = x{b} }}\n"),
        "let x64: {String: Any} = { a = 1 }\n",
    );
    let nested =
        "let x0 = ".to_string() + &"[for i in 1..=1000 => ".repeat(6) + "i" + &"]".repeat(6);
    for (text, message) in [
        (spread, "1000000 steps"),
        (doubled, "16 MiB"),
        (shared, "1000000 steps"),
        (nested + "\n", "1000000 steps"),
        ("let x0 = range(9223372036854775807)\n".to_string(), "values; "),
    ] {
        let text = text
            + "schema Bomb { text: String = json(x0) }\ncompose Bomb as bomb {}\n\
               request bomb: Bomb {}\n";
        refused(&workspace("platform/bomb.plumb", text.as_bytes()), message);
    }
}

#[test]
fn patterns_that_grow_without_end_are_refused() {
    for pattern in ["(a{1000}){1000}", "((((a{100}){100}){100}){100}){100}", r"\pL{5000}"] {
        let text = format!("let x = \"a\" matches r\"{pattern}\"\n");
        refused(&workspace("platform/bomb.plumb", text.as_bytes()), "it is too large");
    }
}
