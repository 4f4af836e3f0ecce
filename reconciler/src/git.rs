//! The one module that speaks to git: a branch or tag of a repository elsewhere, with its history, kept in a
//! bare repository here.
//!
//! ```text
//! directory, url, reference
//!   -> Mirror::open   the mirror that is there, if it is sound and of them; all else is removed
//!   -> fetch          what does the reference stand for? The same: done. Else it is received
//!   -> load           a workspace, as it is in a commit
//!   -> blame          who wrote a line, and why
//! ```
//!
//! A mirror is a directory `mirror-<url and reference>.<generation>`. It counts once `refs/plumb/tip` stands in
//! it, which is written last and in one piece: so this can be killed at any time. What is damaged or has too many
//! packs is cloned into the next generation, and the old one removed.

mod remote;

use gix::ObjectId;
use gix::bstr::ByteSlice;
use plumb_workspace::{Commit, LoadError, Loaded};
use remote::{Remote, Tip};
use sha2::{Digest, Sha256};
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

/// What the reference stood for when it was last fetched.
const TIP: &str = "refs/plumb/tip";

/// How many packs a mirror may have: each fetch that brings something leaves one, and gix joins none. A workspace
/// of 10,000 files is read from so many in 32 ms, from one in 23 ms.
const MAX_PACKS: usize = 200;

/// Objects that are kept while a line is blamed, in bytes. Picked without measurement.
const BLAME_CACHE: usize = 64 << 20;

/// How long things may take. All picked without measurement.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Between two pieces of an answer, over http.
    stall: Duration,
    /// To ask what a reference stands for.
    ask: Duration,
    /// To receive what it stands for: all of a repository, at first.
    receive: Duration,
}

const LIMITS: Limits = Limits {
    stall: Duration::from_secs(30),
    ask: Duration::from_secs(60),
    receive: Duration::from_secs(30 * 60),
};

/// One branch or tag of a repository elsewhere, as it was when it was last fetched.
///
/// Commits are named by their whole hash, as [`Fetched`] and [`Mirror::tip`] give it.
pub struct Mirror {
    /// The directory of all generations: absolute, without symbolic links.
    directory: PathBuf,
    /// What a generation's directory is called, up to its number.
    name: String,
    generation: u64,
    remote: Arc<Remote>,
    limits: Limits,
    /// With this many packs it is cloned anew.
    max_packs: usize,
    /// A fetch that was given up, and has not noticed yet.
    hanging: Option<JoinHandle<()>>,
    /// Held as long as anything may write to the directory.
    lock: Arc<File>,
}

/// What a fetch found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The commit that the reference stands for.
    pub commit: String,
    /// The whole name of the reference: `refs/heads/main`, also where the remote's HEAD was asked for.
    pub reference: String,
    /// Whether it stood for another commit before.
    pub changed: bool,
}

/// A workspace, as it is in a commit.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its whole hash.
    pub commit: String,
    /// The first line of its message.
    pub summary: String,
    /// Where the workspace's root is in the repository, with `/` between the parts; empty: all of it.
    pub directory: String,
    /// Its `root` is where the directory would be, were the mirror checked out: it is not there.
    pub loaded: Loaded,
}

/// The commit that a line of a file came with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blamed {
    /// Its whole hash.
    pub commit: String,
    /// Who wrote it.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// When it was written, in seconds since 1970.
    pub time: i64,
    /// The first line of its message.
    pub summary: String,
}

/// Why there is nothing new to work on. No url in it has credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GitError {
    /// Nothing answers, or not in time, or the server fails; why.
    Unreachable {
        /// Of the repository.
        url: String,
        /// What happened.
        why: String,
    },
    /// Something answers that is not git: a page of a proxy, or one to sign in.
    NotGit {
        /// Of the repository.
        url: String,
    },
    /// The server wants other credentials.
    Authentication {
        /// Of the repository.
        url: String,
        /// What to do, to follow the url.
        why: &'static str,
    },
    /// There is no repository, or it is hidden.
    NoSuchRepository {
        /// Of the repository.
        url: String,
    },
    /// The repository has commits, but not this reference.
    NoSuchReference {
        /// Of the repository.
        url: String,
        /// As the user wrote it; none: the remote's HEAD.
        reference: Option<String>,
        /// A branch or tag that may be meant.
        suggestion: Option<String>,
    },
    /// The reference stands for something else than a commit; for what.
    NotACommit {
        /// Its whole name.
        reference: String,
        /// `blob`, `tree`.
        kind: String,
    },
    /// The repository has no commit.
    Empty {
        /// Of the repository.
        url: String,
    },
    /// The url is none that can be asked; a sentence.
    Url(String),
    /// Another process works in the directory.
    InUse {
        /// It.
        directory: PathBuf,
        /// The other process.
        by: String,
    },
    /// The mirror cannot be written or read; why.
    Disk {
        /// Where it is.
        directory: PathBuf,
        /// What happened.
        why: String,
    },
    /// It was told to stop.
    Stopped,
}

impl GitError {
    /// Whether trying again may help, without anybody doing anything here.
    pub fn is_transient(&self) -> bool {
        matches!(self, GitError::Unreachable { .. } | GitError::NotGit { .. })
    }

    /// One word for it, to count by.
    pub fn cause(&self) -> &'static str {
        match self {
            GitError::Unreachable { .. } => "unreachable",
            GitError::NotGit { .. } => "not_git",
            GitError::Authentication { .. } => "authentication",
            GitError::NoSuchRepository { .. } => "no_such_repository",
            GitError::NoSuchReference { .. } | GitError::NotACommit { .. } => "no_such_reference",
            GitError::Empty { .. } => "empty",
            GitError::Url(_) => "url",
            GitError::InUse { .. } => "in_use",
            GitError::Disk { .. } => "disk",
            GitError::Stopped => "stopped",
        }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GitError::Unreachable { url, why } => write!(f, "`{url}` cannot be reached: {why}"),
            GitError::NotGit { url } => write!(
                f,
                "`{url}` answered with a web page, not git: is this the repository's URL?"
            ),
            GitError::Authentication { url, why } => write!(f, "`{url}` {why}"),
            GitError::NoSuchRepository { url } => {
                write!(
                    f,
                    "there is no repository at `{url}`, or it is hidden from these credentials"
                )
            }
            GitError::NoSuchReference { url, reference, suggestion } => {
                match reference {
                    Some(name) => write!(f, "`{url}` has no branch or tag `{name}`")?,
                    None => write!(f, "the HEAD of `{url}` leads nowhere: name a branch or tag")?,
                }
                match (suggestion, reference) {
                    (Some(meant), Some(_)) => write!(f, "; did you mean `{meant}`?"),
                    (Some(there), None) => write!(f, ", `{there}` for instance"),
                    (None, _) => Ok(()),
                }
            }
            GitError::NotACommit { reference, kind } => {
                write!(f, "`{reference}` names a {kind}, not a commit")
            }
            GitError::Empty { url } => write!(f, "the repository at `{url}` has no commit yet"),
            GitError::Url(why) => f.write_str(why),
            GitError::InUse { directory, by } => write!(
                f,
                "`{}` is in use by process {by}: give each its own state directory",
                directory.display()
            ),
            GitError::Disk { directory, why } => {
                write!(f, "the copy of the repository in `{}` fails: {why}", directory.display())
            }
            GitError::Stopped => write!(f, "it was told to stop while it asked for commits"),
        }
    }
}

impl std::error::Error for GitError {}

impl Mirror {
    /// Takes a directory, which is made where it is not there, to keep a branch or tag in; without one, it is
    /// what the remote's HEAD stands for whenever it is fetched. Nothing is asked yet.
    ///
    /// A mirror that is there and sound is kept, so that there is something to work on before anything
    /// answers; one that is damaged, or of another url or reference, is removed.
    ///
    /// Over https, the credentials are those of the url, or `PLUMB_GIT_TOKEN` with `PLUMB_GIT_USERNAME`; over
    /// ssh, those that the ssh program has.
    pub fn open(directory: &Path, url: &str, reference: Option<&str>) -> Result<Self, GitError> {
        Mirror::open_with(directory, url, reference, LIMITS, |name| std::env::var(name).ok())
    }

    fn open_with(
        directory: &Path,
        url: &str,
        reference: Option<&str>,
        limits: Limits,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, GitError> {
        let remote = Remote::new(url, reference, limits.stall, environment)?;
        // Whoever was first said the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: io::Error| disk(directory, error.to_string());
        fs::create_dir_all(directory).map_err(failed)?;
        let directory = fs::canonicalize(directory).map_err(failed)?;
        let lock = lock(&directory)?;
        // A branch cannot have a line break in its name.
        let of = format!("{}\n{}", remote.shown, reference.unwrap_or_default());
        let name = format!("mirror-{:.12x}.", Sha256::digest(of));
        let mut mirror = Mirror {
            directory,
            name,
            generation: 0,
            remote: Arc::new(remote),
            limits,
            max_packs: MAX_PACKS,
            hanging: None,
            lock: Arc::new(lock),
        };
        mirror.settle().map_err(|error| mirror.disk(error))?;
        Ok(mirror)
    }

    /// Finds the newest sound generation, or makes an empty one, and removes all else that is a mirror.
    fn settle(&mut self) -> io::Result<()> {
        let mut generations = self.generations()?;
        generations.sort_unstable();
        let sound = generations.into_iter().rev().find(|it| is_sound(&self.at(*it)));
        self.generation = sound.unwrap_or_default();
        let keep = sound.map(|_| self.place());
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let is_mirror = entry.file_name().to_string_lossy().starts_with("mirror-");
            if is_mirror && keep.as_ref() != Some(&entry.path()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        match sound {
            Some(_) => clear(&self.place()),
            None => init(&self.place()),
        }
    }

    fn generations(&self) -> io::Result<Vec<u64>> {
        let entries = fs::read_dir(&self.directory)?.collect::<Result<Vec<_>, _>>()?;
        let number = |entry: &fs::DirEntry| {
            entry.file_name().to_str()?.strip_prefix(&self.name)?.parse().ok()
        };
        Ok(entries.iter().filter_map(number).collect())
    }

    fn at(&self, generation: u64) -> PathBuf {
        self.directory.join(format!("{}{generation}", self.name))
    }

    fn place(&self) -> PathBuf {
        self.at(self.generation)
    }

    /// Where the repository is, without credentials.
    pub fn url(&self) -> &str {
        &self.remote.shown
    }

    /// The commit that the reference stood for when it was last fetched, by this process or one before.
    pub fn tip(&self) -> Option<String> {
        tip(&self.place()).ok().map(|(_, commit)| commit.to_string())
    }

    /// Brings what the reference stands for now, with all its history. Where it stands for what it did, nothing
    /// else is asked. History that was rewritten is taken as it is.
    ///
    /// It blocks, but no longer than its limits, and ends within a second once `stop` is set. What it waited
    /// for then ends by itself, since it cannot be interrupted while a server says nothing: over http when that
    /// has been so for half a minute, over ssh when ssh notices. Until then this mirror asks for nothing else.
    pub fn fetch(&mut self, stop: &AtomicBool) -> Result<Fetched, GitError> {
        if self.hanging.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let why = "it has not answered what it was asked before";
            return Err(self.unreachable(why.to_owned()));
        }
        // Somebody may have tidied up.
        if open(&self.place()).is_err() {
            self.settle().map_err(|error| self.disk(error))?;
        }
        let before = tip(&self.place()).ok();
        let (remote, place) = (Arc::clone(&self.remote), self.place());
        let Limits { ask, receive, .. } = self.limits;
        let tip = self.within(ask, stop, move |_| remote.ask(&place))?;
        let found = |commit: ObjectId| Fetched {
            commit: commit.to_string(),
            reference: tip.name.clone(),
            changed: before.is_none_or(|(_, known)| known != commit),
        };
        if let Some((object, commit)) = before
            && object == tip.object
        {
            // Nobody waits for it now.
            if self.packs() >= self.max_packs
                && let Err(error) = self.renew(&tip, stop)
            {
                tracing::warn!(%error, "the copy of the repository could not be made anew");
                self.max_packs += MAX_PACKS;
            }
            return Ok(found(commit));
        }
        match self.receive(self.place(), &tip, receive, stop) {
            // What is damaged here is not mended, only replaced.
            Err(GitError::Disk { .. }) => self.renew(&tip, stop),
            done => done,
        }
        .map(found)
    }

    /// Clones into the next generation, which then is the one.
    fn renew(&mut self, tip: &Tip, stop: &AtomicBool) -> Result<ObjectId, GitError> {
        let (old, new) = (self.place(), self.at(self.generation + 1));
        let made = match new.exists() {
            // Of a clone that was given up.
            true => fs::remove_dir_all(&new),
            false => Ok(()),
        };
        made.and_then(|()| init(&new)).map_err(|error| self.disk(error))?;
        let commit = self.receive(new, tip, self.limits.receive, stop)?;
        self.generation += 1;
        self.max_packs = MAX_PACKS;
        // What is left is removed when the mirror is opened next.
        let _ = fs::remove_dir_all(old);
        Ok(commit)
    }

    /// Receives a tip into a repository, and gives the commit that it stands for there.
    fn receive(
        &mut self,
        place: PathBuf,
        wanted: &Tip,
        limit: Duration,
        stop: &AtomicBool,
    ) -> Result<ObjectId, GitError> {
        let (remote, wanted) = (Arc::clone(&self.remote), wanted.clone());
        self.within(limit, stop, move |interrupt| remote.receive(&place, &wanted, interrupt))
    }

    /// Works on a thread of its own, for as long as it may; then the thread is left to itself.
    fn within<T: Send + 'static>(
        &mut self,
        limit: Duration,
        stop: &AtomicBool,
        work: impl FnOnce(&AtomicBool) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        /// How often is looked whether to stop.
        const TICK: Duration = Duration::from_millis(50);
        let interrupt = Arc::new(AtomicBool::new(false));
        let (done, result) = mpsc::channel();
        let (interrupted, lock) = (Arc::clone(&interrupt), Arc::clone(&self.lock));
        let thread = thread::Builder::new().name("git".to_owned()).spawn(move || {
            let _ = done.send(work(&interrupted));
            drop(lock);
        });
        let thread = thread.map_err(|error| self.disk(error))?;
        let begun = Instant::now();
        let error = loop {
            match result.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                    break GitError::Stopped;
                }
                Err(RecvTimeoutError::Timeout) if begun.elapsed() >= limit => {
                    break self.unreachable(format!("it took longer than {} s", limit.as_secs()));
                }
                Err(RecvTimeoutError::Timeout) => {}
                done => {
                    // So that nothing holds the directory any more.
                    let _ = thread.join();
                    let panicked = |_| self.disk(io::Error::other("git came to an unexpected end"));
                    return done.map_err(panicked)?;
                }
            }
        };
        interrupt.store(true, Ordering::Relaxed);
        self.hanging = Some(thread);
        Err(error)
    }

    fn packs(&self) -> usize {
        let packs = fs::read_dir(self.place().join("objects/pack")).into_iter().flatten().flatten();
        packs.filter(|it| it.path().extension().is_some_and(|end| end == "pack")).count()
    }

    /// Reads the workspace that `path` lies in, relative to the repository's root, as it is in a commit; without
    /// a path, the one at the root.
    pub fn load(&self, commit: &str, path: Option<&str>) -> Result<Revision, LoadError> {
        let path = path.unwrap_or_default().trim_matches('/');
        let place = self.place();
        let commit = Commit::within(&place, commit, path)?;
        let loaded = commit.load()?;
        let inside = loaded.root.strip_prefix(&place).unwrap_or(Path::new(""));
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        Ok(Revision {
            commit: commit.id(),
            summary: commit.summary().to_owned(),
            directory: parts.join("/"),
            loaded,
        })
    }

    /// Tells whom a line of a file is by, in a commit: the one that last changed it, under any name the file had.
    /// The file is named from the repository's root on; lines are counted from 1.
    ///
    /// It walks back as far as it must: through ten thousand commits in a fifth of a second.
    pub fn blame(&self, commit: &str, file: &str, line: u32) -> Result<Blamed, String> {
        let find = || -> gix::Result<Option<Blamed>> {
            let mut repository = open(&self.place())?;
            repository.object_cache_size_if_unset(BLAME_CACHE);
            let commit = repository.rev_parse_single(commit)?.object()?.peel_to_commit()?;
            let is_there =
                commit.tree()?.lookup_entry_by_path(file)?.is_some_and(|it| it.mode().is_blob());
            if !is_there || line == 0 {
                return Ok(None);
            }
            let options = gix::repository::blame_file::Options {
                ranges: gix::blame::BlameRanges::from_one_based_inclusive_range(line..=line)?,
                rewrites: Some(gix::diff::Rewrites::default()),
                ..Default::default()
            };
            let blamed = repository.blame_file(file.into(), commit.id, options)?;
            let Some(entry) = blamed.entries.first() else { return Ok(None) };
            let commit = repository.find_commit(entry.commit_id)?;
            let author = commit.author()?;
            Ok(Some(Blamed {
                commit: commit.id.to_string(),
                author: author.name.to_str_lossy().into_owned(),
                email: author.email.to_str_lossy().into_owned(),
                time: author.time()?.seconds,
                summary: commit.message()?.summary().to_str_lossy().into_owned(),
            }))
        };
        match find() {
            Ok(Some(blamed)) => Ok(blamed),
            Ok(None) => Err(format!("there is no line {line} of `{file}` in commit {commit}")),
            Err(error) => Err(format!("who wrote `{file}` cannot be told: {}", why(&error))),
        }
    }

    fn unreachable(&self, why: String) -> GitError {
        GitError::Unreachable { url: self.remote.shown.clone(), why }
    }

    fn disk(&self, error: io::Error) -> GitError {
        disk(&self.directory, error.to_string())
    }
}

fn disk(directory: &Path, why: String) -> GitError {
    GitError::Disk { directory: directory.to_owned(), why }
}

/// What is at the bottom of an error.
fn why(error: &gix::Error) -> String {
    error.probable_cause().to_string()
}

/// Takes the directory for this process.
fn lock(directory: &Path) -> Result<File, GitError> {
    let failed = |error: io::Error| disk(directory, error.to_string());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))
        .map_err(failed)?;
    // A process that is ending, or has just begun another, has it for a moment.
    let mut tries = 20;
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::Error(error) => return Err(failed(error)),
            TryLockError::WouldBlock if tries > 0 => thread::sleep(Duration::from_millis(50)),
            TryLockError::WouldBlock => {
                let mut by = String::new();
                let _ = file.read_to_string(&mut by);
                return Err(GitError::InUse { directory: directory.to_owned(), by });
            }
        }
        tries -= 1;
    }
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

fn open(place: &Path) -> gix::Result<gix::Repository> {
    gix::open_opts(place, gix::open::Options::isolated())
}

fn init(place: &Path) -> io::Result<()> {
    gix::ThreadSafeRepository::init_opts(
        place,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gix::open::Options::isolated(),
    )
    .map(drop)
    .map_err(|error| io::Error::other(why(&error)))
}

/// What the reference stands for in a repository here, and the commit that this names.
fn tip(place: &Path) -> gix::Result<(ObjectId, ObjectId)> {
    let repository = open(place)?;
    let object = repository.find_reference(TIP)?.id().object()?;
    Ok((object.id, object.peel_to_commit()?.id))
}

/// Whether all that the tip holds can be found.
fn is_sound(place: &Path) -> bool {
    let find = || -> gix::Result<()> {
        let repository = open(place)?;
        let tree = repository.find_commit(tip(place)?.1)?.tree()?;
        for file in tree.traverse().breadthfirst.files()? {
            if !file.mode.is_commit() {
                repository.find_header(file.oid)?;
            }
        }
        Ok(())
    };
    find().is_ok()
}

/// Removes what a process that was killed left behind.
fn clear(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place.join("objects/pack"))? {
        let path = entry?.path();
        let is_kept = path.extension().is_some_and(|end| end == "pack" || end == "idx");
        if !is_kept {
            fs::remove_file(path)?;
        }
    }
    match fs::remove_file(place.join(format!("{TIP}.lock"))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_tests::git::{Answers, GitServer};
    use std::iter;
    use std::net::TcpListener;
    use std::process::{Command, Stdio};
    use tempfile::TempDir;

    static GO: AtomicBool = AtomicBool::new(false);

    const IMPATIENT: Limits = Limits {
        stall: Duration::from_secs(1),
        ask: Duration::from_secs(3),
        receive: Duration::from_secs(20),
    };

    /// A repository that is pushed to, and a state directory.
    struct World(TempDir);

    impl World {
        /// With `plumb.toml` and `apps/web.plumb` in its first commit.
        fn new() -> Self {
            let world = World(tempfile::tempdir().unwrap());
            fs::create_dir(world.origin()).unwrap();
            world.git(&["init", "--quiet", "--initial-branch=main"]);
            world.push("plumb.toml", "");
            world.push("apps/web.plumb", "let a = 1\n");
            world
        }

        fn origin(&self) -> PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join("origin")
        }

        fn state(&self) -> PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join("state")
        }

        fn url(&self) -> String {
            format!("file://{}", self.origin().display())
        }

        /// Runs git on nothing but what stands here: no configuration of this machine.
        fn git(&self, words: &[&str]) -> String {
            let done = Command::new("git")
                .arg("-C")
                .arg(self.origin())
                .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
                .args(words)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env_remove("GIT_DIR")
                .output()
                .expect("the tests need git");
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "git {words:?}: {said}");
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        }

        /// Commits a file, and gives the commit.
        fn push(&self, path: &str, text: &str) -> String {
            let file = self.origin().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
            self.git(&["add", "--all"]);
            self.git(&[
                "commit",
                "--quiet",
                "--allow-empty",
                "-m",
                &format!("Write {path}\n\nBody"),
            ]);
            self.git(&["rev-parse", "HEAD"])
        }

        fn open(&self, reference: Option<&str>) -> Mirror {
            Mirror::open(&self.state(), &self.url(), reference).unwrap()
        }

        /// Opens it over an ssh that runs this script, with the command for the other end in `$command`.
        fn open_by(&self, script: &str) -> Mirror {
            let program = self.0.path().join("ssh");
            let words = "while [ $# -gt 2 ]; do shift; done; command=\"$1 $2\"";
            fs::write(&program, format!("{words}\n{script}\n")).unwrap();
            let command = format!("sh {}", program.display());
            let url = format!("ssh://git@acme.test{}", self.origin().display());
            let environment = |name: &str| (name == "GIT_SSH_COMMAND").then(|| command.clone());
            Mirror::open_with(&self.state(), &url, None, IMPATIENT, environment).unwrap()
        }
    }

    fn fetch(mirror: &mut Mirror) -> Fetched {
        mirror.fetch(&GO).unwrap()
    }

    fn refusal(mirror: &mut Mirror) -> String {
        mirror.fetch(&GO).unwrap_err().to_string()
    }

    /// Answers each request with these bytes, and closes; with none, says nothing and holds on.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/acme/config.git", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.extend(byte);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                if answer.is_empty() {
                    held.push(stream);
                }
            }
        });
        url
    }

    /// A mirror of what such a server has.
    fn asking(state: &TempDir, answer: &'static str) -> Mirror {
        let nothing = |_: &str| None;
        Mirror::open_with(state.path(), &server(answer), None, IMPATIENT, nothing).unwrap()
    }

    #[test]
    fn a_branch_is_followed_and_its_commits_are_loaded() {
        let world = World::new();
        let mut mirror = world.open(None);
        assert_eq!(mirror.tip(), None);
        let first = fetch(&mut mirror);
        assert_eq!(first.commit, world.git(&["rev-parse", "HEAD"]));
        assert_eq!((first.reference.as_str(), first.changed), ("refs/heads/main", true));
        assert!(!fetch(&mut mirror).changed);

        let second = world.push("apps/api.plumb", "let b = 2\n");
        let fetched = fetch(&mut mirror);
        assert_eq!((fetched.commit.as_str(), fetched.changed), (second.as_str(), true));
        assert_eq!(mirror.tip().as_ref(), Some(&second));

        let loaded = mirror.load(&second, Some("/apps/")).unwrap();
        assert_eq!((loaded.commit, loaded.summary.as_str()), (second, "Write apps/api.plumb"));
        assert_eq!((loaded.directory.as_str(), &*loaded.loaded.selected), ("", "apps"));
        assert_eq!(loaded.loaded.selected_sources().count(), 2);
        assert_eq!(mirror.load(&first.commit, None).unwrap().loaded.files.len(), 2);
    }

    #[test]
    fn over_http_a_repository_is_followed_through_all_that_happens_to_its_server() {
        let server = GitServer::start().unwrap();
        let repository = server.repository();
        let first = repository.commit("first", &[("plumb.toml", ""), ("a.plumb", "")]).unwrap();
        let state = tempfile::tempdir().unwrap();
        let nothing = |_: &str| None;
        let mut mirror =
            Mirror::open_with(state.path(), &server.url(), None, IMPATIENT, nothing).unwrap();
        assert_eq!(fetch(&mut mirror).commit, first);
        let asked = server.requests().len();
        assert!(!fetch(&mut mirror).changed);
        assert_eq!(
            server.requests()[asked..],
            [
                "GET /workspace.git/info/refs?service=git-upload-pack",
                "POST /workspace.git/git-upload-pack"
            ],
            "only what the reference stands for"
        );

        let second = repository.commit("second", &[("a.plumb", "let a = 1")]).unwrap();
        let said = |mirror: &mut Mirror| {
            let said = refusal(mirror);
            let said = said.strip_prefix(&format!("`{}` cannot be reached: ", server.url()));
            said.unwrap_or_default().to_owned()
        };
        server.answer(Answers::Hang);
        assert_eq!(said(&mut mirror), "operation timed out");
        server.answer(Answers::Status(502));
        assert_eq!(said(&mut mirror), "it answered `502 Bad Gateway`");
        server.answer(Answers::Git);
        server.stop();
        assert_eq!(said(&mut mirror), "Connection refused (os error 111)");
        server.restart().unwrap();
        assert_eq!((mirror.tip(), fetch(&mut mirror).commit), (Some(first.clone()), second));

        let third = repository.force_push(&first, "other", &[("b.plumb", "")]).unwrap();
        assert_eq!(fetch(&mut mirror).commit, third);
        let files = mirror.load(&third, None).unwrap().loaded.files;
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.plumb", "b.plumb", "plumb.toml"]);
    }

    #[test]
    fn a_mirror_is_there_before_anything_answers() {
        let world = World::new();
        let commit = fetch(&mut world.open(None)).commit;
        fs::rename(world.origin(), world.0.path().join("elsewhere")).unwrap();
        let mut mirror = world.open(None);
        assert_eq!(mirror.tip().as_ref(), Some(&commit));
        assert!(mirror.load(&commit, Some("apps")).is_ok());
        assert_eq!(
            refusal(&mut mirror),
            format!(
                "there is no repository at `{}`, or it is hidden from these credentials",
                world.url()
            )
        );
    }

    #[test]
    fn a_workspace_within_the_repository_is_told_from_its_root() {
        let world = World::new();
        world.push("teams/shop/plumb.toml", "");
        let commit = world.push("teams/shop/web/a.plumb", "");
        let mut mirror = world.open(None);
        fetch(&mut mirror);
        let revision = mirror.load(&commit, Some("teams/shop/web")).unwrap();
        assert_eq!(
            (revision.directory.as_str(), &*revision.loaded.selected),
            ("teams/shop", "web")
        );
        for (path, said) in [
            ("teams/gone", "`teams/gone` does not exist"),
            ("../state", "`../state` does not exist"),
            ("teams/none", "`teams/none` does not exist"),
        ] {
            let error = mirror.load(&commit, Some(path)).unwrap_err().to_string();
            assert_eq!(error, format!("in commit {}, {said}", &commit[..7]));
        }
    }

    #[test]
    fn history_that_was_rewritten_is_taken_as_it_is() {
        let world = World::new();
        world.push("apps/api.plumb", "let b = 2\n");
        let mut mirror = world.open(Some("main"));
        fetch(&mut mirror);
        world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        let back = fetch(&mut mirror);
        assert_eq!((back.commit, back.changed), (world.git(&["rev-parse", "HEAD"]), true));
        world.git(&["checkout", "--quiet", "--orphan", "other"]);
        let other = world.push("apps/web.plumb", "let a = 3\n");
        world.git(&["branch", "--force", "main", "other"]);
        assert_eq!(fetch(&mut mirror).commit, other);
        assert_eq!(
            mirror.load(&other, None).unwrap().loaded.text("apps/web.plumb").unwrap().len(),
            10
        );
    }

    #[test]
    fn a_reference_is_a_branch_or_a_tag() {
        let world = World::new();
        let commit = world.git(&["rev-parse", "HEAD"]);
        world.git(&["tag", "-a", "v1", "-m", "first"]);
        world.git(&["tag", "light"]);
        world.git(&["branch", "teams/shop"]);
        world.git(&["tag", "page", "HEAD:plumb.toml"]);
        let fetched = |reference| {
            let fetched = world.open(Some(reference)).fetch(&GO);
            fetched.map(|it| (it.commit, it.reference)).map_err(|error| error.to_string())
        };
        for (reference, whole) in [
            ("main", "refs/heads/main"),
            ("teams/shop", "refs/heads/teams/shop"),
            ("refs/heads/main", "refs/heads/main"),
            ("v1", "refs/tags/v1"),
            ("light", "refs/tags/light"),
        ] {
            assert_eq!(fetched(reference), Ok((commit.clone(), whole.to_owned())));
        }
        let url = world.url();
        for (reference, suggestion) in [
            ("mian", "; did you mean `main`?"),
            ("origin/main", "; did you mean `main`?"),
            ("v2.0.0-beta", ""),
            ("no such thing", ""),
            ("a:b", ""),
        ] {
            let said = format!("`{url}` has no branch or tag `{reference}`{suggestion}");
            assert_eq!(fetched(reference), Err(said));
        }
        let said = "`refs/tags/page` names a blob, not a commit".to_owned();
        assert_eq!(fetched("page"), Err(said));
    }

    #[test]
    fn without_a_reference_the_remotes_head_is_followed_wherever_it_leads() {
        let world = World::new();
        let mut mirror = world.open(None);
        fetch(&mut mirror);
        world.git(&["branch", "stable", "HEAD~1"]);
        world.git(&["symbolic-ref", "HEAD", "refs/heads/stable"]);
        assert_eq!(fetch(&mut mirror).reference, "refs/heads/stable");
        world.git(&["symbolic-ref", "HEAD", "refs/heads/gone"]);
        assert_eq!(
            refusal(&mut mirror),
            format!(
                "the HEAD of `{}` leads nowhere: name a branch or tag, `main` for instance",
                world.url()
            )
        );
        world.git(&["checkout", "--quiet", "--detach", "main"]);
        assert_eq!(fetch(&mut mirror).reference, "HEAD");
    }

    #[test]
    fn an_empty_repository_says_so_until_it_has_a_commit() {
        let world = World::new();
        fs::remove_dir_all(world.origin()).unwrap();
        fs::create_dir(world.origin()).unwrap();
        world.git(&["init", "--quiet", "--initial-branch=main"]);
        let mut mirror = world.open(None);
        let said = format!("the repository at `{}` has no commit yet", world.url());
        assert_eq!(refusal(&mut mirror), said);
        let commit = world.push("plumb.toml", "");
        assert_eq!(fetch(&mut mirror).commit, commit);
    }

    #[test]
    fn answers_that_are_not_gits_say_what_they_are() {
        let state = tempfile::tempdir().unwrap();
        let advertisement = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\
            Content-Type: application/x-git-upload-pack-advertisement\r\n\r\n001e# service=git-upload-pack\n";
        for (answer, transient, said) in [
            (
                "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
                true,
                "`<url>` cannot be reached: it answered `500 Internal Server Error`",
            ),
            (
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
                true,
                "`<url>` cannot be reached: it answered `503 Service Unavailable`",
            ),
            (
                "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
                true,
                "`<url>` cannot be reached: it answered `429 Too Many Requests`",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
                true,
                "`<url>` answered with a web page, not git: is this the repository's URL?",
            ),
            (advertisement, true, "`<url>` cannot be reached: the answer ended too early"),
            (
                "SSH-2.0-OpenSSH_9.2\r\n\r\n",
                true,
                "`<url>` cannot be reached: invalid HTTP version parsed",
            ),
            (
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                false,
                "there is no repository at `<url>`, or it is hidden from these credentials",
            ),
            (
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
                false,
                "`<url>` wants credentials: set PLUMB_GIT_TOKEN, or look whether the repository exists, since \
                 some servers answer so for one that does not",
            ),
            (
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
                false,
                "`<url>` wants credentials: set PLUMB_GIT_TOKEN, or look whether the repository exists, since \
                 some servers answer so for one that does not",
            ),
        ] {
            let mut mirror = asking(&state, answer);
            let error = mirror.fetch(&GO).unwrap_err();
            assert_eq!(error.to_string(), said.replace("<url>", mirror.url()));
            assert_eq!(error.is_transient(), transient, "{error}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{closed}/config.git");
        let mut mirror = Mirror::open(state.path(), &url, None).unwrap();
        let said = format!("`{url}` cannot be reached: Connection refused (os error 111)");
        assert_eq!(refusal(&mut mirror), said);
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let state = tempfile::tempdir().unwrap();
        let mut mirror = asking(&state, "");
        let begun = Instant::now();
        let said = format!("`{}` cannot be reached: operation timed out", mirror.url());
        assert_eq!(refusal(&mut mirror), said);
        assert!(begun.elapsed() < IMPATIENT.ask, "{:?}", begun.elapsed());
    }

    #[test]
    fn told_to_stop_it_does_so_at_once_and_can_be_asked_again_later() {
        let state = tempfile::tempdir().unwrap();
        let mut mirror = asking(&state, "");
        let stop = Arc::new(AtomicBool::new(false));
        let later = Arc::clone(&stop);
        let begun = Instant::now();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            later.store(true, Ordering::Relaxed);
        });
        assert_eq!(mirror.fetch(&stop), Err(GitError::Stopped));
        assert!(begun.elapsed() < IMPATIENT.stall, "{:?}", begun.elapsed());

        let waits = "it has not answered what it was asked before";
        assert!(refusal(&mut mirror).ends_with(waits));
        let again = iter::repeat_with(|| {
            thread::sleep(Duration::from_millis(50));
            refusal(&mut mirror)
        });
        let after = again.take(200).find(|it| !it.ends_with(waits));
        assert!(after.is_some_and(|it| it.ends_with("operation timed out")));
    }

    #[test]
    fn over_ssh_git_is_asked_by_the_program_that_is_configured() {
        let world = World::new();
        let mut mirror = world.open_by("eval $command");
        assert_eq!(fetch(&mut mirror).reference, "refs/heads/main");
        let url = mirror.url().to_owned();
        assert!(url.starts_with("ssh://git@acme.test/"), "{url}");
        drop(mirror);
        for (script, said) in [
            (
                "echo 'git@acme.test: Permission denied (publickey).' >&2; sleep 0.3; exit 255",
                "accepts no key that ssh has: may one of them read it?",
            ),
            (
                "echo 'ssh: connect to host acme.test port 22: No route to host' >&2; sleep 0.3; exit 255",
                "cannot be reached: ssh: connect to host acme.test port 22: No route to host",
            ),
            (
                "exit 128",
                "cannot be reached: the connection ended too early, and what ssh wrote may say why",
            ),
            ("exec sleep 9", "cannot be reached: it took longer than 3 s"),
        ] {
            assert_eq!(refusal(&mut world.open_by(script)), format!("`{url}` {said}"));
        }
    }

    #[test]
    fn an_answer_that_breaks_off_changes_nothing() {
        let world = World::new();
        let first = fetch(&mut world.open_by("eval $command")).commit;
        let text: String = (0..20_000_u64).map(|it| format!("{} ", it * it % 104_729)).collect();
        let second = world.push("notes", &text);
        let mut mirror = world.open_by(
            r#"(echo 'echo $$ > '$0.pid; echo exec $command) > $0.git
            sh $0.git | (dd bs=1 count=20000 status=none; kill $(cat $0.pid) 2>/dev/null)"#,
        );
        let said = "the connection ended too early, and what ssh wrote may say why";
        let refused = refusal(&mut mirror);
        assert!(refused.ends_with(said), "{refused}");
        assert_eq!(mirror.tip(), Some(first));
        drop(mirror);
        assert_eq!(fetch(&mut world.open_by("eval $command")).commit, second);
    }

    #[test]
    fn a_directory_is_for_one_process() {
        let world = World::new();
        let mirror = world.open(None);
        let error = Mirror::open(&world.state(), &world.url(), None).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "`{}` is in use by process {}: give each its own state directory",
                world.state().display(),
                std::process::id()
            )
        );
        drop(mirror);
        world.open(None);
    }

    #[test]
    fn what_another_url_or_reference_left_is_removed_and_nothing_else() {
        let (world, other) = (World::new(), World::new());
        other.push("other", "");
        world.git(&["branch", "stable", "HEAD~1"]);
        fetch(&mut world.open(None));
        fs::write(world.state().join("inventory"), "").unwrap();
        let names = || {
            let entries = fs::read_dir(world.state()).unwrap();
            let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        for (url, reference) in [(other.url(), None), (world.url(), Some("stable"))] {
            let mut mirror = Mirror::open(&world.state(), &url, reference).unwrap();
            assert_eq!(mirror.tip(), None);
            fetch(&mut mirror);
            assert_eq!((names().len(), names() == before), (before.len(), false));
        }
    }

    #[test]
    fn a_mirror_that_is_damaged_is_made_anew() {
        let world = World::new();
        let packs = |mirror: &Mirror| -> Vec<PathBuf> {
            let entries = fs::read_dir(mirror.place().join("objects/pack")).unwrap();
            let files = entries.map(|it| it.unwrap().path());
            files.filter(|it| it.extension().is_some_and(|end| end == "pack")).collect()
        };
        let damages: [&dyn Fn(&Mirror); 5] = [
            &|mirror| fs::remove_dir_all(mirror.place()).unwrap(),
            &|mirror| fs::write(mirror.place().join("HEAD"), "").unwrap(),
            &|mirror| fs::write(mirror.place().join(TIP), "").unwrap(),
            &|mirror| fs::write(mirror.place().join(format!("{TIP}.lock")), "").unwrap(),
            &|mirror| {
                for pack in packs(mirror) {
                    // It is read only.
                    fs::remove_file(&pack).unwrap();
                    fs::write(pack, "PACK").unwrap();
                }
            },
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            let mut mirror = world.open(None);
            fetch(&mut mirror);
            damage(&mirror);
            let commit = world.push("apps/web.plumb", &format!("let a = {number}1\n"));
            assert_eq!(fetch(&mut mirror).commit, commit, "{number}, while it is open");
            assert!(mirror.load(&commit, None).is_ok());
            damage(&mirror);
            drop(mirror);
            let mut mirror = world.open(None);
            let commit = world.push("apps/web.plumb", &format!("let a = {number}2\n"));
            assert_eq!(fetch(&mut mirror).commit, commit, "{number}, before it is opened");
            assert!(mirror.load(&commit, None).is_ok());
        }
    }

    #[test]
    fn many_packs_are_made_one_while_nothing_changes() {
        let world = World::new();
        let mut mirror = world.open(None);
        mirror.max_packs = 3;
        fetch(&mut mirror);
        for number in 0..2 {
            world.push("apps/web.plumb", &format!("let a = {number}\n"));
            assert!(fetch(&mut mirror).changed);
        }
        assert_eq!((mirror.packs(), mirror.generation), (3, 0));
        let fetched = fetch(&mut mirror);
        assert!(!fetched.changed);
        assert_eq!((mirror.packs(), mirror.generation), (1, 1));
        assert_eq!(mirror.tip(), Some(fetched.commit.clone()));
        drop(mirror);
        assert_eq!(world.open(None).tip(), Some(fetched.commit));
    }

    /// Not a test of its own: a process that is killed.
    #[test]
    fn child() {
        let Ok(state) = std::env::var("PLUMB_TEST_STATE") else { return };
        let url = std::env::var("PLUMB_TEST_URL").unwrap();
        let mut mirror = Mirror::open(Path::new(&state), &url, None).unwrap();
        mirror.max_packs = 2;
        loop {
            fetch(&mut mirror);
        }
    }

    #[test]
    fn killed_at_any_moment_it_leaves_a_mirror_that_can_be_used() {
        let world = World::new();
        let mut known: Option<String> = None;
        for round in 0..40 {
            let text: String =
                (0..3000_u64).map(|it| format!("{} ", it * it % (97 + round))).collect();
            let pushed = world.push(&format!("notes/{round}"), &text);
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "git::tests::child", "--nocapture"])
                .env("PLUMB_TEST_STATE", world.state())
                .env("PLUMB_TEST_URL", world.url())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            thread::sleep(Duration::from_millis(2 * round));
            child.kill().unwrap();
            child.wait().unwrap();
            let mut mirror = world.open(None);
            if let Some(tip) = mirror.tip() {
                assert!(tip == pushed || known == Some(tip), "round {round}");
            } else {
                assert_eq!(known, None, "round {round}");
            }
            if round % 4 == 3 {
                assert_eq!(fetch(&mut mirror).commit, pushed);
                assert!(mirror.load(&pushed, None).is_ok());
            }
            known = mirror.tip();
        }
    }

    #[test]
    fn a_line_is_by_whom_changed_it_last_under_any_name() {
        let world = World::new();
        let first = world.git(&["rev-parse", "HEAD"]);
        let second = world.push("apps/web.plumb", "let a = 1\nlet b = 2\nlet c = 3\nlet d = 4\n");
        world.git(&["mv", "apps/web.plumb", "apps/site.plumb"]);
        world.git(&["commit", "--quiet", "-m", "Call it a site"]);
        let last = world.push("apps/site.plumb", "let a = 1\nlet b = 2\nlet c = 5\nlet d = 4\n");
        let mut mirror = world.open(None);
        fetch(&mut mirror);
        let by = |line| mirror.blame(&last, "apps/site.plumb", line).unwrap();
        let commits = [1, 2, 3, 4].map(|line| by(line).commit);
        assert_eq!(commits, [first, second.clone(), last.clone(), second]);
        let blamed = by(3);
        assert_eq!(
            (blamed.author.as_str(), blamed.email.as_str(), blamed.summary.as_str()),
            ("Ada", "ada@example.org", "Write apps/site.plumb")
        );
        assert_eq!(blamed.time.to_string(), world.git(&["log", "-1", "--format=%at"]));
        for (file, line) in
            [("apps/web.plumb", 1), ("apps/site.plumb", 5), ("apps/site.plumb", 0), ("apps", 1)]
        {
            let said = format!("there is no line {line} of `{file}` in commit {last}");
            assert_eq!(mirror.blame(&last, file, line), Err(said));
        }
    }
}
