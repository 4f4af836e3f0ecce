//! A workspace as it is in a commit, read from the repository's objects: no work tree is touched.
//!
//! The repository is taken for the folder that its work tree is in, so that paths mean the same in both, and
//! what a commit says of them can be printed beside it. Files are as git stores them: no filter has turned the
//! ends of their lines or fetched what a pointer stands for.
//!
//! Only this module knows gix, and the one that fetches.

use crate::files::{Files, Kind};
use crate::{LoadError, Loaded, MAX_FILE, read_from};
use gix::bstr::ByteSlice;
use gix::object::tree::EntryKind;
use gix::prelude::ObjectIdExt;
use gix::{ObjectId, open, sec};
use plumb_compiler::diagnostics::nearest;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// As many links as Linux follows on the way to a file.
const MAX_LINKS: usize = 40;

/// As long as paths are on Linux, in bytes. Trees of a repository could nest without end.
const MAX_PATH: usize = 4096;

/// Reads the workspace that `path` lies in as [`crate::load`] does, but as it is in a commit of the repository
/// that it lies in. A revision is whatever git takes for one: `HEAD`, `main`, `v1.2`, `HEAD~2`, a hash. The
/// path need not be in the work tree any more, and the repository may be bare: then it lies in the
/// repository's directory.
///
/// A submodule has its files in another repository: they are left out, and a finding says so.
pub fn load_commit(path: &Path, revision: &str) -> Result<Loaded, LoadError> {
    Commit::find(path, revision)?.load()
}

/// A commit, and a path in it.
pub struct Commit {
    repository: gix::Repository,
    revision: String,
    id: ObjectId,
    tree: ObjectId,
    summary: String,
    /// Where the commit would be checked out: absolute, without symbolic links.
    root: PathBuf,
    /// Absolute.
    path: PathBuf,
    /// The same as the user wrote it.
    shown: PathBuf,
    /// Those that were looked at.
    trees: RefCell<HashMap<PathBuf, Rc<Tree>>>,
}

/// What is in a directory.
type Tree = BTreeMap<OsString, (EntryKind, ObjectId)>;

impl Commit {
    /// The commit of this name in the repository that `path` lies in.
    pub fn find(path: &Path, revision: &str) -> Result<Self, LoadError> {
        let (directory, rest) = existing(path)?;
        let repository = discover(path, &directory)?;
        let root = repository.workdir().unwrap_or_else(|| repository.git_dir());
        let root = fs::canonicalize(root)
            .map_err(|error| LoadError::Unreadable(root.to_owned(), error))?;
        Commit::new(repository, revision, root, directory.join(rest), path)
    }

    /// The commit of this name in a repository that is known, and a path in it: empty or relative to the
    /// directory where the commit would be checked out. What is said of paths is said of this one, so where the
    /// repository lies stays unsaid.
    pub fn within(repository: &Path, revision: &str, path: &str) -> Result<Self, LoadError> {
        let shown = Path::new(if path.is_empty() { "." } else { path });
        let refuse = |why: String| LoadError::Repository(shown.to_owned(), why);
        let opened = gix::open_opts(repository, open::Options::isolated())
            .map_err(|error| refuse(reason(&error)))?;
        let root = opened.workdir().unwrap_or_else(|| opened.git_dir());
        let root = fs::canonicalize(root).map_err(|error| refuse(error.to_string()))?;
        let path = root.join(path);
        Commit::new(opened, revision, root, path, shown)
    }

    fn new(
        repository: gix::Repository,
        revision: &str,
        root: PathBuf,
        path: PathBuf,
        shown: &Path,
    ) -> Result<Self, LoadError> {
        let broken = |error: gix::Error| LoadError::Repository(shown.to_owned(), reason(&error));
        let commit = resolve(&repository, revision)?;
        let (tree, summary) = {
            let commit = repository.find_commit(commit).map_err(broken)?;
            let summary = commit.message().map_err(broken)?.summary().to_str_lossy().into_owned();
            (commit.tree_id().map_err(broken)?.detach(), summary)
        };
        Ok(Commit {
            revision: revision.to_owned(),
            id: commit,
            tree,
            summary,
            root,
            path,
            shown: shown.to_owned(),
            trees: RefCell::default(),
            repository,
        })
    }

    /// Its whole hash.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// As much of its hash as tells it apart.
    pub fn short_id(&self) -> String {
        self.id.attach(&self.repository).shorten_or_id().to_string()
    }

    /// The first line of its message.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Reads the workspace that the path lies in.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        read_from(self, &self.path, &self.shown).map_err(|mut error| {
            // The directory of the workspace, which nobody wrote: told as it stands in the commit.
            if let LoadError::TooManyFiles(path, _) | LoadError::Unreadable(path, _) = &mut error
                && let Ok(inside) = path.strip_prefix(&self.root)
            {
                *path = if inside.as_os_str().is_empty() { ".".into() } else { inside.to_owned() };
            }
            let (revision, id) = (&self.revision, self.short_id());
            let commit = match self.id().starts_with(revision.as_str()) {
                true => format!("commit {id}"),
                false => format!("{revision} (commit {id})"),
            };
            LoadError::InCommit(commit, Box::new(error))
        })
    }

    /// What a directory of the commit has.
    fn tree(&self, directory: &Path) -> io::Result<Rc<Tree>> {
        if let Some(tree) = self.trees.borrow().get(directory) {
            return Ok(Rc::clone(tree));
        }
        if directory.as_os_str().len() > MAX_PATH {
            return Err(io::Error::other("its path is too long"));
        }
        let id = match self.entry(directory)? {
            (EntryKind::Tree, id) => id,
            (EntryKind::Commit, _) => {
                return Err(io::Error::other(
                    "it is a submodule, whose files are in another repository",
                ));
            }
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        };
        let found = self.repository.find_tree(id).map_err(unreadable)?;
        let entries = found.decode().map_err(unreadable)?.entries;
        let tree: Rc<Tree> = Rc::new(
            entries
                .iter()
                .map(|entry| {
                    let name = entry.filename.to_path_lossy().into_owned().into_os_string();
                    (name, (entry.mode.kind(), entry.oid.to_owned()))
                })
                .collect(),
        );
        self.trees.borrow_mut().insert(directory.to_owned(), Rc::clone(&tree));
        Ok(tree)
    }

    /// What stands at a path without links on the way.
    fn entry(&self, path: &Path) -> io::Result<(EntryKind, ObjectId)> {
        if path == self.root {
            return Ok((EntryKind::Tree, self.tree));
        }
        let (true, Some(directory), Some(name)) =
            (self.covers(path), path.parent(), path.file_name())
        else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.tree(directory)?.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    fn blob(&self, id: ObjectId) -> io::Result<Vec<u8>> {
        Ok(self.repository.find_blob(id).map_err(unreadable)?.take_data())
    }
}

impl Files for Commit {
    fn covers(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let parts = |path: &Path| -> Vec<OsString> {
            path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
        };
        let mut left = parts(path);
        let mut links = 0;
        let mut at = PathBuf::new();
        while let Some(part) = left.pop() {
            match Path::new(&part).components().next() {
                Some(Component::Normal(name)) => {
                    let next = at.join(name);
                    // Outside of the repository nothing is known, and nothing asked.
                    if !self.covers(&next) {
                        at = next;
                        continue;
                    }
                    match self.entry(&next)? {
                        (EntryKind::Link, id) => {
                            links += 1;
                            if links > MAX_LINKS {
                                return Err(io::Error::other("too many symbolic links"));
                            }
                            left.extend(parts(&self.blob(id)?.as_bstr().to_path_lossy()));
                        }
                        (EntryKind::Blob | EntryKind::BlobExecutable, _) if !left.is_empty() => {
                            return Err(io::ErrorKind::NotADirectory.into());
                        }
                        _ => at = next,
                    }
                }
                Some(Component::ParentDir) => {
                    at.pop();
                }
                Some(Component::CurDir) | None => {}
                // A link may begin at the root of all.
                Some(Component::RootDir | Component::Prefix(_)) => at.push(&part),
            }
        }
        Ok(at)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Ok(kind(self.entry(path)?.0))
    }

    fn list(
        &self,
        directory: &Path,
        take: &mut dyn FnMut(OsString, Kind) -> bool,
    ) -> io::Result<()> {
        for (name, (of, _)) in self.tree(directory)?.iter() {
            if !take(name.clone(), kind(*of)) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        let (_, id) = self.entry(file)?;
        // Asked first: what is too large is not unpacked.
        let header = self.repository.find_header(id).map_err(unreadable)?;
        if header.size() > MAX_FILE {
            return Ok(None);
        }
        self.blob(id).map(Some)
    }
}

fn kind(of: EntryKind) -> Kind {
    match of {
        EntryKind::Blob | EntryKind::BlobExecutable => Kind::File,
        // A submodule is checked out as a directory.
        EntryKind::Tree | EntryKind::Commit => Kind::Directory,
        EntryKind::Link => Kind::Link,
    }
}

/// The nearest directory of a path that is there, without links, and what of the path follows. A link at
/// the end of the path is meant where it stands.
fn existing(path: &Path) -> Result<(PathBuf, PathBuf), LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_owned(), error);
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let mut rest: Vec<&std::ffi::OsStr> = Vec::new();
    let mut above = absolute.as_path();
    while !above.is_dir() {
        let Some(parent) = above.parent() else { break };
        rest.extend(above.components().next_back().map(|part| part.as_os_str()));
        above = parent;
    }
    Ok((fs::canonicalize(above).map_err(unreadable)?, rest.iter().rev().collect()))
}

/// The repository that a directory lies in. Nothing but its own configuration is read: what a commit holds is the
/// same for all users.
fn discover(path: &Path, directory: &Path) -> Result<gix::Repository, LoadError> {
    let isolated = open::Options::isolated();
    let trust = sec::trust::Mapping { full: isolated.clone(), reduced: isolated };
    gix::ThreadSafeRepository::discover_opts(
        directory,
        gix::discover::upwards::Options::default(),
        trust,
    )
    .map(|repository| repository.to_thread_local())
    .map_err(|error| match error.is_not_found() {
        true => LoadError::NoRepository(path.to_owned()),
        false => LoadError::Repository(path.to_owned(), reason(&error)),
    })
}

/// The commit that a revision names.
fn resolve(repository: &gix::Repository, revision: &str) -> Result<ObjectId, LoadError> {
    let refuse = |why: String| LoadError::NoSuchRevision(revision.to_owned(), why);
    let id = match repository.rev_parse(revision) {
        Ok(found) => found.single().ok_or_else(|| {
            refuse("it names several commits, and one is wanted: `main`, `HEAD~2`".to_owned())
        })?,
        Err(error) => return Err(refuse(unknown(repository, revision, &error))),
    };
    let object = id.object().map_err(|error| refuse(reason(&error)))?;
    let kind = object.kind;
    let commit = object.peel_to_kind(gix::object::Kind::Commit);
    Ok(commit.map_err(|_| refuse(format!("it names a {kind}, not a commit")))?.id)
}

/// Why a revision is none, and what may be meant.
fn unknown(repository: &gix::Repository, revision: &str, error: &gix::Error) -> String {
    let shallow = match repository.is_shallow() {
        Ok(true) => {
            "; this clone is shallow, and what is older is not in it: `git fetch --unshallow`, or \
             `fetch-depth: 0` where CI checks it out"
        }
        _ => "",
    };
    let end = revision.find(['~', '^', '@', ':']).unwrap_or(revision.len());
    let (base, way) = revision.split_at(end);
    if base.is_empty() {
        return format!("{}{shallow}", reason(error));
    }
    if !way.is_empty() && repository.rev_parse_single(base).is_ok() {
        return format!("`{base}` is there, but `{way}` leads nowhere from it{shallow}");
    }
    let mut names = vec!["HEAD".to_owned()];
    if let Ok(references) = repository.references()
        && let Ok(all) = references.all()
    {
        names.extend(all.flatten().map(|it| it.name().shorten().to_string()));
    }
    // A clone has but one branch of its own, and knows all of the others'.
    let elsewhere = names
        .iter()
        .find(|name| name.strip_suffix(base).is_some_and(|before| before.ends_with('/')));
    match elsewhere.map(String::as_str).or(nearest(base, names.iter().map(String::as_str))) {
        Some(meant) => {
            format!(
                "the repository has no branch, tag or commit `{base}`; did you mean `{meant}{way}`?{shallow}"
            )
        }
        None => format!("the repository has no branch, tag or commit of this name{shallow}"),
    }
}

fn unreadable(error: gix::Error) -> io::Error {
    io::Error::other(reason(&error))
}

/// What went wrong, and why.
fn reason(error: &gix::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in error.iter_errors() {
        let part = error.to_string();
        if !part.is_empty() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(": ")
}
