//! The one thread that has the database, and the snapshots that it hands out.

use super::convert::{Encoding, Lines, lines, text};
use super::worlds::Worlds;
use plumb_compiler::Database;
use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::source::{SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Name, TextRange};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use tower_lsp_server::ls_types::{self as lsp, Position, Range, Uri};

/// Something to be done with all that is open.
type Task = Box<dyn FnOnce(&mut Worlds) + Send>;

/// Speaks to the thread that has the database: what is sent is done in order.
#[derive(Clone, Debug)]
pub(crate) struct Owner(Sender<Task>);

impl Owner {
    /// Starts the thread. It ends when nobody can speak to it any more.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = channel::<Task>();
        let run = move || {
            let mut worlds = Worlds::new();
            for task in receiver {
                // What one message breaks must not end the others; the database stays as it was, since
                // inputs are set last.
                let run = std::panic::AssertUnwindSafe(|| task(&mut worlds));
                let _ = std::panic::catch_unwind(run);
            }
        };
        std::thread::Builder::new()
            .name("owner".into())
            .stack_size(super::STACK)
            .spawn(run)
            .expect("a thread can be started");
        Owner(sender)
    }

    /// Queues a task.
    pub(crate) fn send(&self, task: impl FnOnce(&mut Worlds) + Send + 'static) {
        // Nobody listens only while the process ends.
        let _ = self.0.send(Box::new(task));
    }
}

/// What is open at one moment, for a thread that answers. An edit waits until it is dropped.
pub(crate) struct Snapshot {
    pub(crate) db: Database,
    pub(crate) root: PathBuf,
    pub(crate) workspace: Workspace,
    /// What is wrong with the workspace's manifest and directories.
    pub(crate) findings: Arc<Vec<Finding>>,
    /// How the client spells the addresses of the documents that it holds, with their versions.
    pub(crate) held: BTreeMap<Name, (String, i32)>,
    pub(crate) encoding: Encoding,
}

impl Snapshot {
    /// Of every open workspace.
    pub(crate) fn all(worlds: &Worlds, encoding: Encoding) -> Vec<Self> {
        (0..worlds.worlds.len()).map(|index| Self::of(worlds, index, encoding)).collect()
    }

    fn of(worlds: &Worlds, index: usize, encoding: Encoding) -> Self {
        let world = &worlds.worlds[index];
        let held = worlds.documents.iter().filter(|(_, it)| it.root == world.root);
        Snapshot {
            db: worlds.db.clone(),
            root: world.root.clone(),
            workspace: world.workspace,
            findings: world.findings.clone(),
            held: held
                .map(|(address, it)| (it.path.clone(), (address.clone(), it.version)))
                .collect(),
            encoding,
        }
    }

    /// Of the workspace of a document that the client holds, with the document's path.
    pub(crate) fn with(worlds: &Worlds, address: &str, encoding: Encoding) -> Option<(Self, Name)> {
        let document = worlds.documents.get(address)?;
        let index = worlds.worlds.iter().position(|it| it.root == document.root)?;
        Some((Self::of(worlds, index, encoding), document.path.clone()))
    }

    /// A file of the workspace.
    pub(crate) fn file(&self, path: &str) -> Option<SourceFile> {
        self.workspace.files(&self.db).get(path).copied()
    }

    /// The address of a file, as the client spells it.
    pub(crate) fn address(&self, path: &str) -> Option<Uri> {
        if let Some((address, _)) = self.held.get(path) {
            return address.parse().ok();
        }
        Uri::from_file_path(normal(&self.root.join(path)))
    }

    /// A place as the protocol has it; `None` for what no file of the workspace holds.
    pub(crate) fn location(&self, location: &Location) -> Option<lsp::Location> {
        let range = self.range(&location.path, location.range)?;
        Some(lsp::Location { uri: self.address(&location.path)?, range })
    }

    /// A range as the protocol has it.
    pub(crate) fn range(&self, path: &str, range: TextRange) -> Option<Range> {
        let (lines, text) = self.lines(self.file(path)?);
        Some(lines.range(text, range, self.encoding))
    }

    /// The byte of a file that a place of the protocol means.
    pub(crate) fn offset(&self, file: SourceFile, position: Position) -> u32 {
        let (lines, text) = self.lines(file);
        lines.offset(text, position, self.encoding)
    }

    /// The lines and the text of a file.
    pub(crate) fn lines(&self, file: SourceFile) -> (&Lines, &str) {
        (lines(&self.db, file), text(&self.db, file))
    }
}

/// A path without `..` in it: dependencies are known by where they are from here.
fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}
