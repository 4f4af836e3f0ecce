//! What comes in: the files of a workspace, and the declarations in them by key.

use crate::syntax::ast::{Name, TextRange};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A source file. Workspaces that hold the same file share the input.
#[salsa::input(debug)]
pub struct SourceFile {
    /// Relative to the workspace root, with `/` between the parts.
    #[returns(ref)]
    pub path: Name,
    /// Its content, or why there is none.
    #[returns(ref)]
    pub content: Content,
}

/// What a host could read of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// The text.
    Text(Arc<str>),
    /// It exists and cannot be used; the reason, in the user's words ("is not UTF-8").
    Unreadable(String),
}

/// The files that belong together. A value like any other: a working tree, a commit and another
/// commit can live in one database and share files.
#[salsa::input(debug)]
pub struct Workspace {
    /// Every `.plumb` file, and every other file that `file()` may read, by path.
    #[returns(ref)]
    pub files: Arc<BTreeMap<Name, SourceFile>>,
    /// The minor version of Kubernetes that manifests are checked against: 36 for 1.36.
    #[returns(copy)]
    pub kubernetes: u32,
    /// Where the files of other workspaces are that this one depends on, by directory; none by default.
    #[default]
    #[returns(ref)]
    pub dependencies: Arc<Vec<Dependency>>,
    /// What directories may ask for; all may ask for all by default.
    #[default]
    #[returns(ref)]
    pub allowed: Arc<Vec<Allowed>>,
}

/// Another workspace whose packages are seen in this one, or this one itself where it depends on
/// others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dependency {
    /// Where its files are, relative to the root of the workspace: `../platform`; empty: the root.
    pub directory: Name,
    /// What its packages are called: `@platform`, `@platform@base` for one that only `@platform` knows.
    /// The sign keeps a directory of the same name apart. Empty: the workspace itself.
    pub name: Name,
    /// The dependencies that its own files name, each with the name of its packages.
    pub knows: BTreeMap<Name, Name>,
}

/// An `[[allow]]` of `plumb.toml`: what the packages of some directories may ask for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowed {
    /// The directories: `apps/**`, see [`crate::allow`].
    pub directory: Name,
    /// The schemas that may be requested, as the workspace names them: `platform.*`; `None`: all.
    pub request: Option<Vec<Name>>,
    /// The namespaces that may be used: `team-*`; `None`: all.
    pub namespaces: Option<Vec<Name>>,
    /// Where in `plumb.toml` it stands, in bytes.
    pub range: TextRange,
}

/// What a declaration declares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the declaration words")]
pub enum Kind {
    Use,
    Package,
    Let,
    Schema,
    Type,
    Environment,
    Defaults,
    Compose,
    Policy,
    Fn,
    Request,
    Overlay,
    Adjust,
    Test,
}

/// A declaration, by what it is called and never by where it stands, so that moving it in its file
/// changes nothing.
// Interned ids are plain numbers here: values hold them, and outlive no database.
#[salsa::interned(unsafe(no_lifetime), revisions = usize::MAX, debug)]
pub struct ItemId {
    /// The file it stands in.
    #[returns(copy)]
    pub file: SourceFile,
    /// What it declares.
    #[returns(copy)]
    pub kind: Kind,
    /// Its name or names: of an overlay the requests, of defaults the schema path.
    #[returns(ref)]
    pub name: Name,
    /// The environments after `in`, joined by commas.
    #[returns(ref)]
    pub environments: Name,
    /// Counts up among declarations of the file that are equal in all of the above.
    #[returns(copy)]
    pub ordinal: u32,
}

/// A directory of a workspace: all its files share one scope.
#[salsa::interned(unsafe(no_lifetime), revisions = usize::MAX, debug)]
pub struct Package {
    /// The workspace.
    #[returns(copy)]
    pub workspace: Workspace,
    /// The directory's path with dots for slashes; empty for the root. In a dependency, relative to
    /// its root and with [`Dependency::name`] before it.
    #[returns(ref)]
    pub path: Name,
}
