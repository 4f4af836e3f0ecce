//! Git repositories for tests, and a server for them.
//!
//! ```text
//! GitServer::start()        git's own `git http-backend` behind HTTP on loopback
//!   .repository().commit(..)  what a push would bring
//!   .answer(Answers::Hang)    what servers do on bad days
//! ```
//!
//! Everything is done by the git program, without any configuration of this machine.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

pub use server::{Answers, GitServer};

mod server;

/// A bare repository with one branch, `main`.
///
/// Commits are made as fast as git can, without a work tree. Their author never changes and each is one
/// second after the one before, so the same commits have the same ids.
#[derive(Debug)]
pub struct Repository {
    folder: TempDir,
    /// How many commits were made, and where `main` is.
    main: Mutex<(u64, Option<String>)>,
}

impl Repository {
    /// The name of the repository in the folder that it is alone in.
    const NAME: &str = "workspace.git";

    /// A repository without commits.
    ///
    /// # Errors
    ///
    /// What git says, or that there is no git.
    pub fn new() -> Result<Repository, String> {
        let folder = tempfile::Builder::new()
            .prefix("plumb-git-")
            .tempdir()
            .map_err(|error| format!("cannot create a folder for a repository: {error}"))?;
        let init = ["init", "--quiet", "--bare", "--initial-branch=main", Self::NAME];
        run(git(folder.path()).args(init), b"")?;
        let repository = Repository { folder, main: Mutex::default() };
        // As the large hosts have it.
        repository.git(&["config", "uploadpack.allowFilter", "true"])?;
        repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        Ok(repository)
    }

    /// Where the repository is. A path is an address for git as well.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(Self::NAME)
    }

    /// Runs git in the repository. Returns what it prints, without the last line end.
    ///
    /// # Errors
    ///
    /// What git says.
    pub fn git(&self, words: &[&str]) -> Result<String, String> {
        run(git(&self.path()).args(words), b"")
    }

    /// Commits files to `main`; others stay as they are. Returns the commit's id.
    ///
    /// # Errors
    ///
    /// What git says.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> Result<String, String> {
        self.import(message, Parent::Main, &written(files))
    }

    /// Commits that files are gone. Returns the commit's id.
    ///
    /// # Errors
    ///
    /// What git says.
    pub fn remove(&self, message: &str, paths: &[&str]) -> Result<String, String> {
        let gone: Vec<u8> =
            paths.iter().flat_map(|path| format!("D {path}\n").into_bytes()).collect();
        self.import(message, Parent::Main, &gone)
    }

    /// Commits all files of a folder, and that all others are gone. Returns the commit's id.
    ///
    /// # Errors
    ///
    /// What git says, or that a file cannot be read.
    pub fn commit_folder(&self, message: &str, folder: &Path) -> Result<String, String> {
        let mut changes = b"deleteall\n".to_vec();
        let mut folders = vec![folder.to_owned()];
        let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
        while let Some(inner) = folders.pop() {
            for entry in fs::read_dir(&inner).map_err(cannot)? {
                let path = entry.map_err(cannot)?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                write_file(
                    &mut changes,
                    &name.replace('\\', "/"),
                    &fs::read(&path).map_err(cannot)?,
                );
            }
        }
        self.import(message, Parent::Main, &changes)
    }

    /// What `git push --force` does: `main` is this commit and one more with these files, whatever it was
    /// before. Returns the id of the one more.
    ///
    /// # Errors
    ///
    /// What git says.
    pub fn force_push(
        &self,
        onto: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> Result<String, String> {
        self.import(message, Parent::Commit(onto), &written(files))
    }

    /// Makes a commit of changes in the language of `git fast-import`.
    fn import(&self, message: &str, parent: Parent<'_>, changes: &[u8]) -> Result<String, String> {
        let mut main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        let time = 1_767_225_600 + main.0;
        let mut stream = format!(
            "commit refs/heads/main\nmark :1\ncommitter Plumb <plumb@example.org> {time} +0000\n\
             data {}\n{message}\n",
            message.len()
        )
        .into_bytes();
        let parent = match parent {
            Parent::Main => main.1.as_deref(),
            Parent::Commit(id) => Some(id),
        };
        if let Some(parent) = parent {
            stream.extend(format!("from {parent}\n").into_bytes());
        }
        stream.extend_from_slice(changes);
        stream.extend_from_slice(b"\nget-mark :1\n");
        let mut import = git(&self.path());
        import.args(["fast-import", "--quiet", "--force", "--date-format=raw"]);
        let id = run(&mut import, &stream)?;
        *main = (main.0 + 1, Some(id.clone()));
        Ok(id)
    }
}

/// What a commit is made on.
enum Parent<'a> {
    Main,
    Commit(&'a str),
}

fn written(files: &[(&str, &str)]) -> Vec<u8> {
    let mut changes = Vec::new();
    for (path, text) in files {
        write_file(&mut changes, path, text.as_bytes());
    }
    changes
}

fn write_file(changes: &mut Vec<u8>, path: &str, content: &[u8]) {
    changes.extend(format!("M 100644 inline {path}\ndata {}\n", content.len()).into_bytes());
    changes.extend_from_slice(content);
    changes.push(b'\n');
}

/// The git program in a folder, on nothing but what stands here: no configuration of this machine, no
/// repository that this process was started in, no proxy, and nobody to ask.
pub fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env("no_proxy", "*")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null());
    git
}

/// Runs a program on some input. Returns what it prints, without the last line end.
fn run(command: &mut Command, input: &[u8]) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot run git: {error}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    // One that has heard enough says why itself.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let done = child.wait_with_output().map_err(cannot)?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
}
