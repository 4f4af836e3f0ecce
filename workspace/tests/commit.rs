//! What becomes of a commit, with real repositories that git made: what a clean checkout would.

use plumb_compiler::source::Content;
use plumb_workspace::{Commit, LoadError, Loaded, MAX_FILE, load, load_commit};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A repository with a work tree.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
        Repository(folder)
    }

    /// With these files in its first commit.
    fn with(files: &[(&str, &str)]) -> Self {
        let repository = Repository::new();
        for (path, text) in files {
            repository.write(path, text.as_bytes());
        }
        repository.commit("first");
        repository
    }

    fn path(&self) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn git(&self, words: &[&str]) -> String {
        git(&self.path(), words)
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
    }
}

/// Runs git on nothing but what stands here: no configuration of this machine.
fn git(folder: &Path, words: &[&str]) -> String {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
    let plain = ["-c", "core.autocrlf=false", "-c", "protocol.file.allow=always"];
    let done = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(identity)
        .args(plain)
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .output()
        .expect("the tests need git");
    assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A commit and a clean checkout of it are the same workspace.
fn assert_same(path: &Path, revision: &str) -> Loaded {
    let (commit, folder) = (load_commit(path, revision).unwrap(), load(path).unwrap());
    assert_eq!(commit.root, folder.root);
    assert_eq!(commit.selected, folder.selected);
    assert_eq!(commit.files, folder.files);
    assert_eq!(commit.dependencies, folder.dependencies);
    assert_eq!(commit.manifest, folder.manifest);
    assert_eq!(commit.findings, folder.findings);
    commit
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

fn refusal(path: &Path, revision: &str) -> String {
    load_commit(path, revision).unwrap_err().to_string()
}

#[test]
fn the_example_is_the_same_in_a_commit() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let repository = Repository::new();
    copy(&examples, &repository.path().join("examples"));
    repository.commit("the examples");
    for entry in fs::read_dir(repository.path().join("examples")).unwrap() {
        let loaded = assert_same(&entry.unwrap().path(), "HEAD");
        assert!(loaded.files.len() > 2);
    }
    assert_same(&repository.path().join("examples/acme/apps"), "HEAD");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn what_is_left_out_of_a_folder_is_left_out_of_a_commit() {
    let repository = Repository::with(&[
        ("plumb.toml", "name = \"a\"\nkubernetes = \"1.35\""),
        ("apps/a.plumb", "let a = file(\"x.conf\")"),
        ("apps/x.conf", "x"),
        ("apps/below/y.conf", "y"),
        ("apps/.hidden.plumb", ""),
        ("other/z.conf", "z"),
        ("node_modules/c.plumb", ""),
        ("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# cache"),
        ("cache/d.plumb", ""),
        ("inner/plumb.toml", ""),
        ("inner/e.plumb", ""),
    ]);
    let loaded = assert_same(&repository.path().join("apps"), "HEAD");
    assert_eq!(loaded.selected, "apps");
    assert_eq!(loaded.manifest.kubernetes, 35);
    assert_eq!(paths(&loaded), ["apps/a.plumb", "apps/below/y.conf", "apps/x.conf", "plumb.toml"]);
    assert_same(&repository.path().join("inner/e.plumb"), "HEAD");
}

#[test]
fn the_work_tree_says_nothing_of_a_commit() {
    let repository = Repository::with(&[("plumb.toml", ""), ("apps/a.plumb", "let a = 1")]);
    repository.write("apps/a.plumb", b"let a = 2");
    repository.commit("second");
    repository.git(&["tag", "-a", "v1", "-m", "a tag of the second"]);
    fs::remove_dir_all(repository.path().join("apps")).unwrap();
    let text = |revision: &str| {
        let loaded = load_commit(&repository.path().join("apps"), revision).unwrap();
        assert_eq!(loaded.selected, "apps");
        loaded.text("apps/a.plumb").unwrap().to_string()
    };
    for (revision, expected) in [("HEAD", 2), ("main", 2), ("v1", 2), ("HEAD~1", 1), ("v1^", 1)] {
        assert_eq!(text(revision), format!("let a = {expected}"), "{revision}");
    }
    let id = repository.git(&["rev-parse", "HEAD~"]);
    assert_eq!(text(&id), "let a = 1");
    assert_eq!(text(&id[..9]), "let a = 1");
    let commit = Commit::find(&repository.path(), "HEAD").unwrap();
    assert_eq!(commit.id(), repository.git(&["rev-parse", "HEAD"]));
    assert_eq!(commit.short_id(), repository.git(&["rev-parse", "--short", "HEAD"]));
    assert_eq!(commit.summary(), "second");
}

#[test]
fn a_path_may_be_gone_from_the_work_tree_with_the_directories_above_it() {
    let repository = Repository::with(&[("plumb.toml", ""), ("apps/shop/a.plumb", "")]);
    fs::remove_dir_all(repository.path().join("apps")).unwrap();
    let path = repository.path().join("apps/shop/a.plumb");
    assert_eq!(load_commit(&path, "HEAD").unwrap().selected, "apps/shop/a.plumb");
}

#[test]
fn texts_are_as_git_stores_them() {
    let repository = Repository::new();
    repository.write("a.plumb", b"let a = file(\"x.txt\")\r\nlet b = 1\r\n");
    repository.write("x.txt", b"\xef\xbb\xbfone\r\ntwo");
    repository.write("empty.plumb", b"");
    repository.write("latin.plumb", b"// caf\xe9");
    repository.write("most.plumb", &vec![b' '; MAX_FILE as usize]);
    repository.write("large.plumb", &vec![b' '; MAX_FILE as usize + 1]);
    repository.commit("first");
    let loaded = assert_same(&repository.path(), "HEAD");
    assert_eq!(&**loaded.text("a.plumb").unwrap(), "let a = file(\"x.txt\")\r\nlet b = 1\r\n");
    assert_eq!(reason(&loaded, "latin.plumb"), "is not UTF-8");
    assert_eq!(reason(&loaded, "large.plumb"), "is larger than 4 MiB");
}

#[test]
fn packed_objects_are_read_too() {
    let repository = Repository::new();
    for number in 0..50 {
        repository.write("a.plumb", format!("let a = {number}\n").repeat(100).as_bytes());
        repository.write(&format!("b{number}.plumb"), b"");
        repository.commit("another");
    }
    repository.git(&["gc", "--quiet", "--aggressive"]);
    let loaded = assert_same(&repository.path(), "HEAD");
    assert_eq!(loaded.files.len(), 51);
    let loaded = load_commit(&repository.path(), "HEAD~20").unwrap();
    assert!(loaded.text("a.plumb").unwrap().starts_with("let a = 29\n"));
}

#[test]
fn dependencies_are_read_from_the_same_commit() {
    let repository = Repository::with(&[
        ("shop/plumb.toml", "[dependencies]\nplatform = { path = \"../platform\" }"),
        ("shop/a.plumb", ""),
        ("platform/plumb.toml", "[dependencies]\nbase = { path = \"../base\" }"),
        ("platform/web.plumb", "let size = 1"),
        ("base/plumb.toml", "nmae = \"base\""),
        ("base/b.plumb", ""),
    ]);
    let loaded = assert_same(&repository.path().join("shop"), "HEAD");
    assert_eq!(
        paths(&loaded),
        [
            "../base/b.plumb",
            "../base/plumb.toml",
            "../platform/plumb.toml",
            "../platform/web.plumb",
            "a.plumb",
            "plumb.toml"
        ]
    );
    assert_eq!(loaded.findings.len(), 1);
    repository.write("platform/web.plumb", b"let size = 2");
    let loaded = load_commit(&repository.path().join("shop"), "HEAD").unwrap();
    assert_eq!(&**loaded.text("../platform/web.plumb").unwrap(), "let size = 1");
}

#[test]
fn a_dependency_outside_of_the_repository_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("platform")).unwrap();
    fs::write(outside.path().join("platform/plumb.toml"), "").unwrap();
    let path = outside.path().join("shop");
    fs::create_dir(&path).unwrap();
    git(&path, &["init", "--quiet"]);
    fs::write(path.join("a.plumb"), "").unwrap();
    let manifest = "[dependencies]\nplatform = { path = \"../platform\" }\nx = { path = \"x\" }";
    fs::write(path.join("plumb.toml"), manifest).unwrap();
    git(&path, &["add", "."]);
    git(&path, &["commit", "--quiet", "-m", "first"]);
    let loaded = load_commit(&path, "HEAD").unwrap();
    let messages: Vec<_> = loaded.findings.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "dependency `platform`: `../platform` lies outside of the repository, so no commit has it",
            "dependency `x`: `x` does not exist"
        ]
    );
    assert_eq!(load(&path).unwrap().findings.len(), 1);
}

#[test]
fn a_bare_repository_and_its_work_trees_are_read() {
    let repository = Repository::with(&[("plumb.toml", ""), ("apps/a.plumb", "let a = 1")]);
    let other = tempfile::tempdir().unwrap();
    let other = fs::canonicalize(other.path()).unwrap();
    let bare = other.join("bare.git");
    git(&other, &["clone", "--quiet", "--bare", repository.path().to_str().unwrap(), "bare.git"]);
    let loaded = load_commit(&bare, "main").unwrap();
    assert_eq!(
        (loaded.root.as_path(), paths(&loaded)),
        (&*bare, vec!["apps/a.plumb", "plumb.toml"])
    );
    assert_eq!(load_commit(&bare.join("apps"), "main").unwrap().selected, "apps");

    git(&bare, &["worktree", "add", "--quiet", "-b", "topic", "../topic"]);
    let topic = other.join("topic");
    fs::write(topic.join("apps/b.plumb"), "").unwrap();
    git(&topic, &["add", "."]);
    git(&topic, &["commit", "--quiet", "-m", "second"]);
    // HEAD is that of the work tree.
    let loaded = assert_same(&topic.join("apps"), "HEAD");
    assert_eq!(paths(&loaded), ["apps/a.plumb", "apps/b.plumb", "plumb.toml"]);
    assert_eq!(load_commit(&topic, "main").unwrap().files.len(), 2);
    assert_eq!(load_commit(&bare, "HEAD").unwrap().files.len(), 2);
}

#[test]
fn a_path_within_a_bare_repository_is_told_without_the_repository() {
    let repository = Repository::with(&[
        ("apps/plumb.toml", "[dependencies]\nlib = { path = \"../objects\" }"),
        ("apps/a.plumb", "let a = 1"),
        ("apps/web/b.plumb", ""),
        ("docs/readme.md", ""),
        // As a directory of the repository itself is called.
        ("objects/plumb.toml", ""),
        ("objects/c.plumb", ""),
    ]);
    let other = tempfile::tempdir().unwrap();
    git(other.path(), &["clone", "-q", "--bare", repository.path().to_str().unwrap(), "b.git"]);
    let bare = fs::canonicalize(other.path().join("b.git")).unwrap();

    let load = |path: &str| Commit::within(&bare, "main", path)?.load();
    let loaded = load("apps/web").unwrap();
    assert_eq!((loaded.root, &*loaded.selected), (bare.join("apps"), "web"));
    assert!(loaded.files.contains_key("../objects/c.plumb"));
    assert_eq!(load("objects").unwrap().selected, "");

    let id = Commit::within(&bare, "main", "").unwrap().short_id();
    for (path, said) in [
        ("", "there is no .plumb file in `.`"),
        ("docs", "there is no .plumb file in `docs`"),
        ("apps/gone", "`apps/gone` does not exist"),
        ("apps/a.plumb/b", "`apps/a.plumb/b` cannot be read: not a directory"),
        ("../elsewhere", "`../elsewhere` does not exist"),
        ("/etc", "`/etc` does not exist"),
    ] {
        let error = load(path).unwrap_err();
        assert_eq!(error.to_string(), format!("in main (commit {id}), {said}"), "{path}");
    }
    let error = Commit::within(&bare, "mian", "apps").err().unwrap().to_string();
    assert!(error.contains("did you mean `main`?"), "{error}");
    let error = Commit::within(other.path(), "main", "apps").err().unwrap().to_string();
    assert!(error.starts_with("the git repository of `apps` cannot be read: "), "{error}");
}

#[test]
fn a_submodule_is_left_out_and_told() {
    let other = Repository::with(&[("plumb.toml", ""), ("web.plumb", "")]);
    let repository = Repository::with(&[
        ("plumb.toml", "[dependencies]\nplatform = { path = \"platform\" }"),
        ("a.plumb", ""),
    ]);
    let url = other.path();
    repository.git(&["submodule", "--quiet", "add", url.to_str().unwrap(), "platform"]);
    repository.commit("a submodule");
    let loaded = load_commit(&repository.path(), "HEAD").unwrap();
    assert_eq!(paths(&loaded), ["a.plumb", "plumb.toml"]);
    let messages: Vec<_> = loaded.findings.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "the directory `platform` cannot be read: it is a submodule, whose files are in another repository; whatever is in it is left out",
            "dependency `platform`: `platform` cannot be read: it is a submodule, whose files are in another repository"
        ]
    );
}

#[test]
fn without_a_plumb_toml_the_directory_given_is_the_root() {
    let repository = Repository::with(&[("a/b/c.plumb", ""), ("d.plumb", "")]);
    assert_eq!(paths(&assert_same(&repository.path().join("a"), "HEAD")), ["b/c.plumb"]);
    assert_same(&repository.path().join("a/b/c.plumb"), "HEAD");
}

#[test]
fn a_very_deep_directory_is_read() {
    let repository = Repository::new();
    repository.write(&format!("{}/a.plumb", vec!["d"; 400].join("/")), b"");
    repository.commit("deep");
    assert_eq!(assert_same(&repository.path(), "HEAD").files.len(), 1);
}

#[test]
fn where_there_is_no_repository_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.plumb"), "").unwrap();
    let error = load_commit(folder.path(), "HEAD").unwrap_err();
    assert!(matches!(error, LoadError::NoRepository(_)), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("lies in no git repository, so there is no commit to read it from")
    );
}

#[test]
fn a_revision_that_is_not_there_is_told_the_near_one() {
    let repository = Repository::with(&[("a.plumb", "")]);
    let path = repository.path();
    repository.git(&["branch", "release/1.2"]);
    repository.git(&["tag", "v1.0"]);
    let clone = tempfile::tempdir().unwrap();
    repository.git(&["branch", "topic"]);
    git(clone.path(), &["clone", "--quiet", path.to_str().unwrap(), "clone"]);
    for (revision, expected) in [
        ("mian", "no branch, tag or commit `mian`; did you mean `main`?"),
        ("mian~2", "no branch, tag or commit `mian`; did you mean `main~2`?"),
        ("1.2", "did you mean `release/1.2`?"),
        ("v1.1", "did you mean `v1.0`?"),
        ("head-of-all", "no branch, tag or commit of this name"),
        ("HEAD~3", "`HEAD` is there, but `~3` leads nowhere from it"),
        ("HEAD:a.plumb", "it names a blob, not a commit"),
        ("HEAD^{tree}", "it names a tree, not a commit"),
        ("main..v1.0", "it names several commits"),
        ("0123456789012345678901234567890123456789", "no branch, tag or commit"),
    ] {
        let said = refusal(&path, revision);
        assert!(said.starts_with(&format!("there is no commit `{revision}`: ")), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("shallow"), "{said}");
    }
    assert!(refusal(&path, "").starts_with("there is no commit ``: "));
    let said = refusal(&clone.path().join("clone"), "topic");
    assert!(said.ends_with("did you mean `origin/topic`?"), "{said}");
}

#[test]
fn a_shallow_clone_says_where_older_commits_are() {
    let repository = Repository::with(&[("a.plumb", "")]);
    repository.commit("second");
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", repository.path().display());
    git(clone.path(), &["clone", "--quiet", "--depth=1", &url, "clone"]);
    let clone = clone.path().join("clone");
    assert_eq!(load_commit(&clone, "HEAD").unwrap().files.len(), 1);
    for revision in ["HEAD~1", &repository.git(&["rev-parse", "HEAD~1"])] {
        let said = refusal(&clone, revision);
        assert!(said.contains("`git fetch --unshallow`, or `fetch-depth: 0`"), "{said}");
    }
}

#[test]
fn what_a_commit_does_not_have_is_told_with_the_commit() {
    let repository = Repository::with(&[("plumb.toml", ""), ("docs/a.md", "")]);
    repository.write("apps/a.plumb", b"");
    let id = Commit::find(&repository.path(), "HEAD").unwrap().short_id();
    let said = refusal(&repository.path().join("apps"), "HEAD");
    assert!(said.starts_with(&format!("in HEAD (commit {id}), `")), "{said}");
    assert!(said.ends_with("apps` does not exist"), "{said}");
    let said = refusal(&repository.path().join("docs"), &id);
    assert!(said.starts_with(&format!("in commit {id}, there is no .plumb file in `")), "{said}");
    assert!(refusal(&repository.path().join(".git/apps"), "HEAD").contains("does not exist"));
}

#[test]
fn a_repository_without_a_commit_has_no_head() {
    let repository = Repository::new();
    let said = refusal(&repository.path(), "HEAD");
    assert!(said.starts_with("there is no commit `HEAD`: "), "{said}");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_files_of_the_workspace_only() {
        let repository = Repository::with(&[
            ("outside.plumb", ""),
            ("shop/plumb.toml", ""),
            ("shop/a.plumb", "let a = file(\"x\")"),
            ("shop/dir/b.plumb", "let b = 1"),
            ("shop/x", "x"),
        ]);
        let at = |name: &str| repository.path().join("shop").join(name);
        symlink("a.plumb", at("link.plumb")).unwrap();
        symlink("link.plumb", at("twice.plumb")).unwrap();
        symlink("../dir/./b.plumb", at("dir/around.plumb")).unwrap();
        symlink(at("x"), at("absolute")).unwrap();
        symlink("../outside.plumb", at("out.plumb")).unwrap();
        symlink("/etc/hostname", at("far.plumb")).unwrap();
        symlink("nowhere", at("dangling.plumb")).unwrap();
        symlink("a.plumb/x", at("through.plumb")).unwrap();
        symlink("loop.plumb", at("loop.plumb")).unwrap();
        symlink(".", at("dir/again")).unwrap();
        symlink("dir", at("elsewhere")).unwrap();
        symlink("elsewhere/b.plumb", at("through-a-link.plumb")).unwrap();
        symlink("../../../../../../../../../etc/passwd", at("up.plumb")).unwrap();
        repository.commit("links");
        let loaded = assert_same(&at(""), "HEAD");
        assert_eq!(&**loaded.text("link.plumb").unwrap(), "let a = file(\"x\")");
        assert_eq!(&**loaded.text("dir/around.plumb").unwrap(), "let b = 1");
        assert_eq!(&**loaded.text("through-a-link.plumb").unwrap(), "let b = 1");
        assert_eq!(&**loaded.text("absolute").unwrap(), "x");
        let out = "is a symbolic link that leads out of the workspace";
        for path in ["out.plumb", "far.plumb", "up.plumb"] {
            assert_eq!(reason(&loaded, path), out, "{path}");
        }
        for path in ["dangling.plumb", "loop.plumb", "through.plumb"] {
            assert_eq!(reason(&loaded, path), "is a symbolic link that leads nowhere", "{path}");
        }
        // Asked for by name, a link is meant where it stands.
        assert_eq!(assert_same(&at("link.plumb"), "HEAD").selected, "link.plumb");
        assert_eq!(assert_same(&at("elsewhere"), "HEAD").selected, "dir");
    }

    #[test]
    fn names_that_are_not_utf_8_are_reported_for_sources_and_passed_over_otherwise() {
        let repository = Repository::with(&[("a.plumb", "let a = file(\"x\")")]);
        for name in [&b"caf\xe9.plumb"[..], b"caf\xe9.conf"] {
            // Some file systems refuse such names: then there is nothing to show.
            if fs::write(repository.path().join(OsStr::from_bytes(name)), "").is_err() {
                return;
            }
        }
        repository.commit("names");
        let loaded = assert_same(&repository.path(), "HEAD");
        assert_eq!(paths(&loaded), ["a.plumb", "caf\u{fffd}.plumb"]);
    }

    #[test]
    fn a_folder_that_is_reached_through_a_link_is_the_same() {
        let repository = Repository::with(&[("plumb.toml", ""), ("apps/a.plumb", "")]);
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        symlink(repository.path(), &link).unwrap();
        assert_same(&link.join("apps"), "HEAD");
    }
}
