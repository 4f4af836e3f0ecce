//! The git server that other tests stand on: it serves what was committed, and fails as it is told.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plumb_tests::git::{Answers, GitServer, Repository, git};
use tempfile::TempDir;

#[test]
fn what_is_committed_is_cloned_and_fetched() {
    let server = GitServer::start().unwrap();
    let repository = server.repository();
    let first = repository.commit("Open", &[("shop/a.plumb", "a\n"), ("b.plumb", "b")]).unwrap();
    let folder = TempDir::new().unwrap();
    said(git(folder.path()).args(["clone", "--quiet", &server.url(), "clone"])).unwrap();
    let clone = folder.path().join("clone");
    assert_eq!(fs::read_to_string(clone.join("shop/a.plumb")).unwrap(), "a\n");
    assert_eq!(said(git(&clone).args(["rev-parse", "HEAD"])).unwrap(), first);
    assert!(server.requests().contains(&"POST /workspace.git/git-upload-pack".to_owned()));

    repository.commit("Change", &[("b.plumb", "c")]).unwrap();
    repository.remove("Tidy", &["shop/a.plumb"]).unwrap();
    said(git(&clone).args(["pull", "--quiet"])).unwrap();
    assert_eq!(fs::read_to_string(clone.join("b.plumb")).unwrap(), "c");
    assert!(!clone.join("shop").exists());
    assert_eq!(said(git(&clone).args(["log", "--format=%s"])).unwrap(), "Tidy\nChange\nOpen");

    let other = repository.force_push(&first, "Instead", &[("b.plumb", "d")]).unwrap();
    assert!(said(git(&clone).args(["pull", "--quiet", "--ff-only"])).is_err());
    said(git(&clone).args(["reset", "--quiet", "--hard", "origin/main"])).unwrap();
    assert_eq!(said(git(&clone).args(["rev-parse", "HEAD"])).unwrap(), other);
    assert_eq!(said(git(&clone).args(["log", "--format=%s"])).unwrap(), "Instead\nOpen");
}

#[test]
fn a_folder_is_committed_as_it_is() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    fs::write(folder.path().join("shop/with space.plumb"), "a").unwrap();
    let repository = Repository::new().unwrap();
    repository.commit("Before", &[("gone.plumb", "")]).unwrap();
    repository.commit_folder("After", folder.path()).unwrap();
    let files = repository.git(&["ls-tree", "-r", "--name-only", "main"]).unwrap();
    assert_eq!(files, "shop/with space.plumb");
}

#[test]
fn the_same_commits_have_the_same_ids() {
    let burst = || -> Vec<String> {
        let repository = Repository::new().unwrap();
        (0..20).map(|it| repository.commit("Go on", &[("n", &it.to_string())]).unwrap()).collect()
    };
    let ids = burst();
    assert_ne!(ids[18], ids[19]);
    assert_eq!(ids, burst());
}

#[test]
fn a_server_fails_as_it_is_told() {
    let server = GitServer::start().unwrap();
    let id = server.repository().commit("Open", &[("a.plumb", "a")]).unwrap();
    let url = server.url();
    let refused = || said(&mut ls_remote(&url)).unwrap_err();
    assert!(said(&mut ls_remote(&url)).unwrap().starts_with(&id));

    server.answer(Answers::Status(500));
    assert!(refused().contains("error: 500"), "{}", refused());
    server.answer(Answers::Html);
    assert!(refused().contains("is this a git repository?"), "{}", refused());

    server.answer(Answers::GitFor("Basic c2hvcDpzZWNyZXQ=".to_owned()));
    assert!(refused().contains("could not read Username"), "{}", refused());
    let with_password = url.replace("http://", "http://shop:secret@");
    assert!(said(&mut ls_remote(&with_password)).unwrap().starts_with(&id));

    server.answer(Answers::Hang);
    let before = server.requests().len();
    let mut waits = ls_remote(&url).stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| server.requests().len() > before);
    assert!(waits.try_wait().unwrap().is_none());
    server.answer(Answers::Git);
    assert!(!waits.wait().unwrap().success());
    assert!(said(&mut ls_remote(&url)).unwrap().starts_with(&id));
}

#[test]
fn a_stopped_server_is_back_on_its_port() {
    let server = GitServer::start().unwrap();
    let id = server.repository().commit("Open", &[("a.plumb", "a")]).unwrap();
    server.answer(Answers::Hang);
    let mut waits = ls_remote(&server.url()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| !server.requests().is_empty());
    server.stop();
    assert!(!waits.wait().unwrap().success());
    let refused = said(&mut ls_remote(&server.url())).unwrap_err();
    assert!(
        refused.contains("Failed to connect") || refused.contains("Couldn't connect"),
        "{refused}"
    );

    server.answer(Answers::Git);
    server.restart().unwrap();
    assert!(said(&mut ls_remote(&server.url())).unwrap().starts_with(&id));
}

fn ls_remote(url: &str) -> Command {
    let mut command = git(&std::env::temp_dir());
    command.args(["ls-remote", url, "main"]);
    command
}

fn said(command: &mut Command) -> Result<String, String> {
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(10));
    }
}
