//! The files of a folder become a workspace value: the one way text comes in.
//!
//! ```text
//! path             in a folder, or in a commit of the repository that it lies in
//!   -> root            the nearest directory upwards with a plumb.toml
//!   -> files           walked in sorted order, within limits, no link followed out of the root
//!   -> manifest        plumb.toml, every mistake at its place
//!   -> dependencies    the files of the workspaces that it names
//!   -> Loaded          plain data
//!   -> Workspace       inputs of the engine
//! ```
//!
//! Nothing here knows the language. What is wrong with a file that is read becomes a finding or a
//! [`Content::Unreadable`]; only what leaves nothing to work on is a [`LoadError`].

mod commit;
mod dependencies;
mod files;
mod manifest;
mod walk;
pub mod work;

pub use commit::{Commit, load_commit};
pub use manifest::Manifest;

use files::{Files, Folders, Kind};
use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::diagnostics::{Code, Severity, code};
use plumb_compiler::source::{Content, Dependency, SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Name, TextRange};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

pub use plumb_compiler::MANIFEST;

/// A file larger than this is [`Content::Unreadable`], in bytes.
pub const MAX_FILE: u64 = 4 << 20;

/// A workspace as it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The directory that everything is relative to: absolute, without symbolic links.
    pub root: PathBuf,
    /// The part that was asked for, relative to the root: a directory or a file; empty: all of it.
    pub selected: Name,
    /// `plumb.toml` if there is one, every `.plumb` file, and the other files of packages that may
    /// read them. By path relative to the root, with `/` between the parts.
    pub files: BTreeMap<Name, Content>,
    /// The workspaces whose packages are seen here: this one first; empty where it depends on none.
    pub dependencies: Vec<Dependency>,
    /// What `plumb.toml` says; the defaults where it says nothing or nothing that can be used.
    pub manifest: Manifest,
    /// What is wrong with `plumb.toml`, and which directories could not be read. `.plumb` files that
    /// cannot be read are not among them: the compiler reports those.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// Makes the engine's inputs. Each call makes new ones: call it once a database.
    pub fn open(&self, db: &dyn salsa::Database) -> Workspace {
        self.open_with(db, |path, content| SourceFile::new(db, path.clone(), content.clone()))
    }

    /// As [`Loaded::open`], in a database that has another workspace already: files that are the same in both are
    /// one input, so what the engine knows of them is known once.
    pub fn open_beside(&self, db: &dyn salsa::Database, other: Workspace) -> Workspace {
        let known = other.files(db);
        self.open_with(db, |path, content| match known.get(path) {
            Some(file) if file.content(db) == content => *file,
            _ => SourceFile::new(db, path.clone(), content.clone()),
        })
    }

    fn open_with(
        &self,
        db: &dyn salsa::Database,
        input: impl Fn(&Name, &Content) -> SourceFile,
    ) -> Workspace {
        let files = self.files.iter();
        let files = files.map(|(path, content)| (path.clone(), input(path, content))).collect();
        Workspace::builder(Arc::new(files), self.manifest.kubernetes)
            .dependencies(Arc::new(self.dependencies.clone()))
            .allowed(Arc::new(self.manifest.allowed.clone()))
            .new(db)
    }

    /// The text of a file of the workspace, if it was read and is text.
    pub fn text(&self, path: &str) -> Option<&Arc<str>> {
        match self.files.get(path)? {
            Content::Text(text) => Some(text),
            Content::Unreadable(_) => None,
        }
    }

    /// Whether a file is the selected one or lies in the selected directory.
    pub fn selects(&self, path: &str) -> bool {
        is_within(path, &self.selected)
    }

    /// Whether a package, named by its directories with dots between them, lies in the selected
    /// directory; where a file is selected, whether it is that file's package.
    pub fn selects_package(&self, package: &str) -> bool {
        let directory = if self.files.contains_key(&self.selected) {
            self.selected.rsplit_once('/').map_or("", |(directory, _)| directory)
        } else {
            &self.selected
        };
        is_within(&package.replace('.', "/"), directory)
    }

    /// Whether a file is one of a dependency.
    fn is_foreign(&self, path: &str) -> bool {
        let mut others = self.dependencies.iter().filter(|it| !it.directory.is_empty());
        others.any(|it| is_within(path, &it.directory))
    }

    /// The paths of the workspace's own `.plumb` files that are selected, sorted.
    pub fn selected_sources(&self) -> impl Iterator<Item = &Name> {
        self.files
            .keys()
            .filter(|path| is_source(path) && self.selects(path) && !self.is_foreign(path))
    }
}

fn is_within(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_source(path: &str) -> bool {
    path.ends_with(".plumb")
}

/// Why there is no workspace to work on.
#[derive(Debug)]
pub enum LoadError {
    /// The path does not exist.
    NoSuchPath(PathBuf),
    /// The path exists and cannot be read.
    Unreadable(PathBuf, io::Error),
    /// There is no `.plumb` file at the path or below it.
    NoSources(PathBuf),
    /// More than this many files and directories: hardly the directory that was meant.
    TooManyFiles(PathBuf, usize),
    /// The path lies in no git repository.
    NoRepository(PathBuf),
    /// The git repository that the path lies in cannot be read; why.
    Repository(PathBuf, String),
    /// The repository has no commit of this name; what is known of it.
    NoSuchRevision(String, String),
    /// What is so in a commit, which is named for the user.
    InCommit(String, Box<LoadError>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NoSuchPath(path) => write!(f, "`{}` does not exist", path.display()),
            LoadError::Unreadable(path, error) => {
                write!(f, "`{}` {}", path.display(), walk::describe(error))
            }
            LoadError::NoSources(path) => {
                write!(f, "there is no .plumb file in `{}`", path.display())
            }
            LoadError::TooManyFiles(path, limit) => write!(
                f,
                "`{}` holds more than {limit} files; put a plumb.toml into the directory that is the workspace",
                path.display()
            ),
            LoadError::NoRepository(path) => write!(
                f,
                "`{}` lies in no git repository, so there is no commit to read it from",
                path.display()
            ),
            LoadError::Repository(path, why) => {
                write!(f, "the git repository of `{}` cannot be read: {why}", path.display())
            }
            LoadError::NoSuchRevision(revision, why) => {
                write!(f, "there is no commit `{revision}`: {why}")
            }
            LoadError::InCommit(commit, error) => write!(f, "in {commit}, {error}"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Unreadable(_, error) => Some(error),
            LoadError::InCommit(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Reads the workspace that `path` lies in: of the path and the directories above it, the nearest
/// that has a `plumb.toml` is the root; where none has, the directory itself (a file's directory) is.
///
/// Left out are hidden files and directories, `node_modules`, directories marked as caches by a
/// [`CACHEDIR.TAG`](https://bford.info/cachedir/), directories with a `plumb.toml` of their own
/// (those are other workspaces), and symbolic links to directories. A symbolic link to a file is
/// followed if it stays within the root.
///
/// Other files than `.plumb` are read where a package above them can read them with `file()`.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    read_from(&Folders, path, path)
}

/// Reads the workspace that `path` lies in; errors call the path `shown`.
fn read_from(files: &dyn Files, path: &Path, shown: &Path) -> Result<Loaded, LoadError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::NoSuchPath(shown.to_owned()),
        _ => LoadError::Unreadable(shown.to_owned(), error),
    };
    let is_directory = files.leads_to(path).map_err(unreadable)? == Kind::Directory;
    // A file that is a link is meant where it stands, not where it leads.
    let (directory, file) = match (is_directory, path.parent(), path.file_name()) {
        (false, Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            (files.resolve(parent).map_err(unreadable)?, Some(name))
        }
        _ => (files.resolve(path).map_err(unreadable)?, None),
    };
    let marked = directory.ancestors().find(|ancestor| files.is_file(&ancestor.join(MANIFEST)));
    let root = marked.unwrap_or(&directory);
    let inside = directory.strip_prefix(root).unwrap_or(Path::new(""));
    let selected: Name = inside
        .components()
        .map(|part| part.as_os_str())
        .chain(file)
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
        .into();

    let walk::Walked { files: mut contents, mut findings } = walk::walk(files, root)?;
    let manifest = match marked {
        None => Manifest::default(),
        Some(_) => {
            let content = walk::read(files, root, &root.join(MANIFEST));
            let (manifest, mut problems) = match &content {
                Content::Text(text) => manifest::parse(text),
                Content::Unreadable(reason) => {
                    let message = format!("plumb.toml {reason}");
                    let place = TextRange::default();
                    (Manifest::default(), vec![finding(code::UNREADABLE_FILE, message, place)])
                }
            };
            contents.insert(MANIFEST.into(), content);
            problems.append(&mut findings);
            findings = problems;
            manifest
        }
    };
    let mut read = dependencies::read(files, root, &manifest)?;
    contents.append(&mut read.files);
    findings.append(&mut read.findings);
    let loaded = Loaded {
        root: root.to_owned(),
        selected,
        files: contents,
        dependencies: read.dependencies,
        manifest,
        findings,
    };
    // A workspace may still be empty; a part of one that was asked for by name may not.
    let may_be_empty = match marked {
        Some(_) => loaded.selected.is_empty() || loaded.selected == MANIFEST,
        None => false,
    };
    if !may_be_empty && loaded.selected_sources().next().is_none() {
        return Err(LoadError::NoSources(shown.to_owned()));
    }
    Ok(loaded)
}

/// Reads one file on its own, whatever its name and wherever it stands; a symbolic link is followed.
/// Where there is no text, says why, to follow the path: "is not UTF-8".
pub fn read(path: &Path) -> Result<String, String> {
    walk::read_text(&Folders, path)
}

/// An error in `plumb.toml`.
fn finding(code: Code, message: String, range: TextRange) -> Finding {
    Finding {
        code,
        severity: Severity::Error,
        message,
        environments: Vec::new(),
        location: Some(Location { path: MANIFEST.into(), range }),
        label: String::new(),
        related: Vec::new(),
        help: None,
        fixes: Vec::new(),
    }
}
