//! What becomes of a directory, with real files.

use plumb_compiler::source::Content;
use plumb_workspace::{LoadError, Loaded, MAX_FILE, load};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(folder.path(), path, text.as_bytes());
    }
    folder
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn paths(loaded: &Loaded) -> Vec<&str> {
    loaded.files.keys().map(|path| path.as_str()).collect()
}

fn reason<'a>(loaded: &'a Loaded, path: &str) -> &'a str {
    match &loaded.files[path] {
        Content::Unreadable(reason) => reason,
        Content::Text(text) => panic!("{path} was read: {text:?}"),
    }
}

#[test]
fn the_nearest_plumb_toml_above_marks_the_root() {
    let folder = folder(&[
        ("plumb.toml", ""),
        ("outer.plumb", ""),
        ("inner/plumb.toml", "name = \"inner\""),
        ("inner/apps/shop/shop.plumb", ""),
    ]);
    let loaded = load(&folder.path().join("inner/apps/shop")).unwrap();
    assert_eq!(loaded.root, fs::canonicalize(folder.path().join("inner")).unwrap());
    assert_eq!(loaded.manifest.name.as_deref(), Some("inner"));
    assert_eq!(loaded.selected, "apps/shop");
    assert_eq!(paths(&loaded), ["apps/shop/shop.plumb", "plumb.toml"]);
}

#[test]
fn without_a_plumb_toml_the_directory_given_is_the_root() {
    let folder = folder(&[("a/b/c.plumb", ""), ("d.plumb", "")]);
    let loaded = load(&folder.path().join("a")).unwrap();
    assert_eq!(paths(&loaded), ["b/c.plumb"]);
    assert_eq!(loaded.selected, "");
    let loaded = load(&folder.path().join("a/b/c.plumb")).unwrap();
    assert_eq!(paths(&loaded), ["c.plumb"]);
    assert_eq!(loaded.selected, "c.plumb");
}

#[test]
fn another_workspace_below_is_left_out() {
    let folder =
        folder(&[("plumb.toml", ""), ("a.plumb", ""), ("x/plumb.toml", ""), ("x/b.plumb", "")]);
    assert_eq!(paths(&load(folder.path()).unwrap()), ["a.plumb", "plumb.toml"]);
}

#[test]
fn hidden_files_caches_and_node_modules_are_left_out() {
    let folder = folder(&[
        (".git/a.plumb", ""),
        (".b.plumb", ""),
        ("node_modules/c.plumb", ""),
        ("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# cache"),
        ("target/d.plumb", ""),
        ("apps/target/e.plumb", ""),
        ("apps/other/CACHEDIR.TAG", "something else"),
        ("apps/other/f.plumb", ""),
    ]);
    assert_eq!(paths(&load(folder.path()).unwrap()), ["apps/other/f.plumb", "apps/target/e.plumb"]);
}

#[test]
fn other_files_are_read_where_a_package_can_read_them() {
    let folder = folder(&[
        ("reads/a.plumb", "let a = file(\"x.conf\")"),
        ("reads/x.conf", "x"),
        ("reads/below/y.conf", "y"),
        ("does-not/b.plumb", "let b = 1"),
        ("does-not/z.conf", "z"),
        ("z.conf", "z"),
    ]);
    assert_eq!(
        paths(&load(folder.path()).unwrap()),
        ["does-not/b.plumb", "reads/a.plumb", "reads/below/y.conf", "reads/x.conf"]
    );
}

#[test]
fn a_file_that_is_no_text_or_too_large_tells_so() {
    let folder = folder(&[("a.plumb", "let a = file(\"x.bin\")")]);
    write(folder.path(), "x.bin", &[0xff, 0xfe]);
    write(folder.path(), "latin.plumb", b"// caf\xe9");
    write(folder.path(), "most.plumb", &vec![b' '; MAX_FILE as usize]);
    write(folder.path(), "large.plumb", &vec![b' '; MAX_FILE as usize + 1]);
    let loaded = load(folder.path()).unwrap();
    assert_eq!(reason(&loaded, "x.bin"), "is not UTF-8");
    assert_eq!(reason(&loaded, "latin.plumb"), "is not UTF-8");
    assert_eq!(reason(&loaded, "large.plumb"), "is larger than 4 MiB");
    assert!(loaded.text("most.plumb").is_some());
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let folder = folder(&[("a.plumb", "")]);
    for missing in ["nowhere", "nowhere/at/all.plumb"] {
        let error = load(&folder.path().join(missing)).unwrap_err();
        assert!(matches!(error, LoadError::NoSuchPath(_)));
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[test]
fn a_directory_without_sources_is_an_error_unless_it_is_a_new_workspace() {
    let empty = folder(&[("README.md", "")]);
    assert!(matches!(load(empty.path()), Err(LoadError::NoSources(_))));
    let new = folder(&[("plumb.toml", ""), ("docs/a.md", "")]);
    assert_eq!(paths(&load(new.path()).unwrap()), ["plumb.toml"]);
    assert!(matches!(load(&new.path().join("docs")), Err(LoadError::NoSources(_))));
    assert!(load(&new.path().join("plumb.toml")).is_ok());
}

#[test]
fn a_broken_plumb_toml_leaves_the_rest_to_work_on() {
    let folder = folder(&[("plumb.toml", "kubernetes = 1"), ("a.plumb", "")]);
    let loaded = load(folder.path()).unwrap();
    assert_eq!(loaded.findings.len(), 1);
    assert_eq!(loaded.findings[0].location.as_ref().unwrap().path, "plumb.toml");
    assert_eq!(&**loaded.text("plumb.toml").unwrap(), "kubernetes = 1");
    assert_eq!(paths(&loaded), ["a.plumb", "plumb.toml"]);
}

#[test]
fn a_plumb_toml_that_is_no_text_is_a_finding() {
    let folder = folder(&[("a.plumb", "")]);
    write(folder.path(), "plumb.toml", &[0xff]);
    let loaded = load(folder.path()).unwrap();
    assert_eq!(loaded.findings[0].message, "plumb.toml is not UTF-8");
}

#[test]
fn a_selection_holds_whole_names_only() {
    let folder =
        folder(&[("plumb.toml", ""), ("apps/shop/a.plumb", ""), ("apps/shop-eu/b.plumb", "")]);
    let loaded = load(&folder.path().join("apps/shop")).unwrap();
    let selected: Vec<_> = loaded.selected_sources().collect();
    assert_eq!(selected, ["apps/shop/a.plumb"]);
    assert!(loaded.selects_package("apps.shop"));
    assert!(loaded.selects_package("apps.shop.cart"));
    assert!(!loaded.selects_package("apps.shop-eu"));
    assert!(!loaded.selects_package("apps"));
}

#[test]
fn a_selected_file_stands_for_its_package_when_packages_are_asked() {
    let folder = folder(&[("plumb.toml", ""), ("root.plumb", ""), ("apps/a.plumb", "")]);
    let loaded = load(&folder.path().join("apps/a.plumb")).unwrap();
    assert!(loaded.selects("apps/a.plumb") && !loaded.selects("apps/b.plumb"));
    assert!(loaded.selects_package("apps") && !loaded.selects_package(""));
    let loaded = load(&folder.path().join("root.plumb")).unwrap();
    assert!(loaded.selects_package("") && loaded.selects_package("apps"));
}

#[test]
fn a_very_deep_directory_is_walked() {
    let folder = tempfile::tempdir().unwrap();
    let path = vec!["d"; 500].join("/");
    write(folder.path(), &format!("{path}/a.plumb"), b"");
    assert_eq!(load(folder.path()).unwrap().files.len(), 1);
}

#[test]
fn the_engine_gets_every_file_and_the_version() {
    let folder = folder(&[
        ("plumb.toml", "kubernetes = \"1.36\""),
        ("b.plumb", "let b = 1"),
        ("a/a.plumb", ""),
    ]);
    let loaded = load(folder.path()).unwrap();
    let db = salsa::DatabaseImpl::default();
    let workspace = loaded.open(&db);
    assert_eq!(workspace.kubernetes(&db), 36);
    let files = workspace.files(&db);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a/a.plumb", "b.plumb", "plumb.toml"]);
    assert_eq!(files["b.plumb"].path(&db), "b.plumb");
    assert_eq!(*files["b.plumb"].content(&db), Content::Text("let b = 1".into()));
}

#[test]
fn two_workspaces_share_the_files_that_are_the_same() {
    let one = folder(&[("a.plumb", "let a = 1"), ("b.plumb", "let b = 1")]);
    let two = folder(&[("a.plumb", "let a = 1"), ("b.plumb", "let b = 2"), ("c.plumb", "")]);
    let db = salsa::DatabaseImpl::default();
    let first = load(one.path()).unwrap().open(&db);
    let second = load(two.path()).unwrap().open_beside(&db, first);
    let (first, second) = (first.files(&db), second.files(&db));
    assert_eq!(first["a.plumb"], second["a.plumb"]);
    assert_ne!(first["b.plumb"], second["b.plumb"]);
    assert_eq!(*second["b.plumb"].content(&db), Content::Text("let b = 2".into()));
    assert_eq!(second.len(), 3);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_files_of_the_workspace_only() {
        let outside = folder(&[("secret.plumb", "let secret = 1")]);
        let folder = folder(&[("a.plumb", "let a = 1"), ("dir/b.plumb", "")]);
        let at = |name: &str| folder.path().join(name);
        symlink("a.plumb", at("link.plumb")).unwrap();
        symlink(outside.path().join("secret.plumb"), at("out.plumb")).unwrap();
        symlink("nowhere", at("dangling.plumb")).unwrap();
        symlink("loop.plumb", at("loop.plumb")).unwrap();
        symlink(".", at("dir/again")).unwrap();
        symlink("..", at("dir/up")).unwrap();
        symlink(outside.path(), at("elsewhere")).unwrap();
        let loaded = load(folder.path()).unwrap();
        assert_eq!(
            paths(&loaded),
            ["a.plumb", "dangling.plumb", "dir/b.plumb", "link.plumb", "loop.plumb", "out.plumb"]
        );
        assert_eq!(&**loaded.text("link.plumb").unwrap(), "let a = 1");
        assert_eq!(
            reason(&loaded, "out.plumb"),
            "is a symbolic link that leads out of the workspace"
        );
        assert_eq!(reason(&loaded, "dangling.plumb"), "is a symbolic link that leads nowhere");
        assert_eq!(reason(&loaded, "loop.plumb"), "is a symbolic link that leads nowhere");
    }

    #[test]
    fn what_is_no_regular_file_is_not_waited_for() {
        let folder = folder(&[("a.plumb", "")]);
        let socket = folder.path().join("socket.plumb");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(reason(&load(folder.path()).unwrap(), "socket.plumb"), "is not a regular file");
    }

    #[test]
    fn names_that_are_not_utf_8_are_reported_for_sources_and_passed_over_otherwise() {
        let folder = folder(&[("a.plumb", "let a = file(\"x\")")]);
        for name in [&b"caf\xe9.plumb"[..], b"caf\xe9.conf"] {
            // Some file systems refuse such names: then there is nothing to show.
            if fs::write(folder.path().join(OsStr::from_bytes(name)), "").is_err() {
                return;
            }
        }
        let loaded = load(folder.path()).unwrap();
        assert_eq!(paths(&loaded), ["a.plumb", "caf\u{fffd}.plumb"]);
        assert_eq!(reason(&loaded, "caf\u{fffd}.plumb"), "has a name that is not UTF-8");
    }
}
