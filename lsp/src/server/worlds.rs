//! The workspaces that are open: files of folders, with the texts that the editor holds above them.
//!
//! One thread owns this. Nothing here is of the protocol but the addresses of documents, which are kept as
//! the client spelled them.

use plumb_compiler::Database;
use plumb_compiler::answers::Finding;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_workspace::{LoadError, Loaded, MANIFEST, load};
use rustc_hash::FxHashMap;
use salsa::Setter;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A workspace that is open.
#[derive(Debug)]
pub(crate) struct World {
    /// Its directory: absolute, without symbolic links.
    pub(crate) root: PathBuf,
    /// The input of the engine.
    pub(crate) workspace: Workspace,
    /// What is wrong with `plumb.toml` and the directories.
    pub(crate) findings: Arc<Vec<Finding>>,
    /// What the disk holds, without the editor's texts.
    disk: BTreeMap<Name, Content>,
    /// The inputs, those of files that are gone too: a file that comes back is the one that it was.
    inputs: FxHashMap<Name, SourceFile>,
    /// Where the workspaces are that this one depends on, and what its paths into them begin with.
    others: Vec<(PathBuf, Name)>,
}

impl World {
    /// What the workspace calls a file; `None` where it lies neither in it nor in one that it depends on.
    pub(crate) fn name_of(&self, path: &Path) -> Option<Name> {
        if let Some(name) = relative(&self.root, path) {
            return Some(name);
        }
        self.others.iter().find_map(|(directory, name)| {
            Some(format!("{name}/{}", relative(directory, path)?).into())
        })
    }

    /// The same of a file that is one of its own: it belongs to the workspace, or the disk has it there.
    fn own_name_of(&self, document: &Document) -> Option<Name> {
        let name = self.name_of(&document.path)?;
        (document.home == self.root || self.disk.contains_key(&name)).then_some(name)
    }
}

fn relative(root: &Path, path: &Path) -> Option<Name> {
    let parts = path.strip_prefix(root).ok()?.components();
    let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
    Some(parts?.join("/").into())
}

/// A text that the editor holds.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The workspace it belongs to, by its directory. Others may depend on that and see it too.
    pub(crate) home: PathBuf,
    /// Absolute, without symbolic links.
    pub(crate) path: PathBuf,
    /// The text.
    pub(crate) text: Arc<str>,
    /// As the client counts.
    pub(crate) version: i32,
    /// Where the last change ends, in bytes, and when it came.
    pub(crate) typed: Option<(u32, Instant)>,
}

/// All that is open.
pub(crate) struct Worlds {
    pub(crate) db: Database,
    pub(crate) worlds: Vec<World>,
    /// By address, as the client spells it.
    pub(crate) documents: BTreeMap<String, Document>,
}

impl Worlds {
    pub(crate) fn new() -> Self {
        Worlds { db: Database::default(), worlds: Vec::new(), documents: BTreeMap::new() }
    }

    /// Opens the workspace that a folder lies in, or reads it again.
    pub(crate) fn load(&mut self, path: &Path) -> Result<(), LoadError> {
        let loaded = load(path)?;
        self.take(loaded);
        Ok(())
    }

    /// Takes in what was read of a workspace.
    pub(crate) fn take(&mut self, loaded: Loaded) {
        let Loaded { root, files, dependencies, manifest, findings, .. } = loaded;
        let index = match self.worlds.iter().position(|it| it.root == root) {
            Some(index) => index,
            None => {
                let workspace = Workspace::new(&self.db, Arc::default(), manifest.kubernetes);
                self.worlds.push(World {
                    root,
                    workspace,
                    findings: Arc::default(),
                    disk: BTreeMap::new(),
                    inputs: FxHashMap::default(),
                    others: Vec::new(),
                });
                self.worlds.len() - 1
            }
        };
        let world = &mut self.worlds[index];
        let (db, workspace) = (&mut self.db, world.workspace);
        if workspace.kubernetes(db) != manifest.kubernetes {
            workspace.set_kubernetes(db).to(manifest.kubernetes);
        }
        let others = dependencies.iter().filter(|it| !it.directory.is_empty());
        let others = others.filter_map(|it| {
            let directory = std::fs::canonicalize(world.root.join(&*it.directory)).ok()?;
            Some((directory, it.directory.clone()))
        });
        world.others = others.collect();
        if **workspace.dependencies(db) != dependencies {
            workspace.set_dependencies(db).to(Arc::new(dependencies));
        }
        if **workspace.allowed(db) != manifest.allowed {
            workspace.set_allowed(db).to(Arc::new(manifest.allowed));
        }
        world.findings = Arc::new(findings);
        world.disk = files;
        self.settle(index);
    }

    /// Hands the engine the files of a workspace: what the editor holds, else what the disk does.
    fn settle(&mut self, index: usize) {
        let world = &mut self.worlds[index];
        let mut texts: BTreeMap<Name, Content> =
            world.disk.iter().map(|(path, content)| (path.clone(), content.clone())).collect();
        for document in self.documents.values() {
            if let Some(name) = world.own_name_of(document) {
                texts.insert(name, Content::Text(document.text.clone()));
            }
        }
        let mut files = BTreeMap::new();
        for (path, content) in texts {
            let file = match world.inputs.get(&path) {
                Some(file) => {
                    if *file.content(&self.db) != content {
                        file.set_content(&mut self.db).to(content);
                    }
                    *file
                }
                None => {
                    let file = SourceFile::new(&self.db, path.clone(), content);
                    world.inputs.insert(path.clone(), file);
                    file
                }
            };
            files.insert(path, file);
        }
        if **world.workspace.files(&self.db) != files {
            world.workspace.set_files(&mut self.db).to(Arc::new(files));
        }
    }

    /// Sets one file of a workspace to what the editor holds, else to what the disk does.
    fn settle_file(&mut self, index: usize, path: &Name) {
        let world = &self.worlds[index];
        let mut documents = self.documents.values();
        let held = documents.find(|it| world.own_name_of(it).as_ref() == Some(path));
        let content = match held {
            Some(document) => Some(Content::Text(document.text.clone())),
            None => world.disk.get(path).cloned(),
        };
        let known = world.workspace.files(&self.db).get(path).copied();
        match (known, content) {
            (Some(file), Some(content)) => {
                if *file.content(&self.db) != content {
                    file.set_content(&mut self.db).to(content);
                }
            }
            (None, None) => {}
            _ => self.settle(index),
        }
    }

    /// The workspace of a file: the innermost open one that holds it, unless a directory on the way is the
    /// root of another; then, or where there is none, that one is opened. The file need not exist.
    fn world_of(&mut self, path: &Path) -> Option<usize> {
        let directory = path.parent()?;
        let marked = directory.ancestors().find(|it| it.join(MANIFEST).is_file());
        let holds = |world: &&World| path.starts_with(&world.root);
        let open = self.worlds.iter().filter(holds).max_by_key(|it| it.root.components().count());
        let root = match (marked, open.map(|it| it.root.clone())) {
            (Some(marked), Some(open)) if open.starts_with(marked) => open,
            (Some(marked), _) => marked.to_owned(),
            (None, Some(open)) => open,
            (None, None) => directory.to_owned(),
        };
        if let Some(index) = self.worlds.iter().position(|it| it.root == root) {
            return Some(index);
        }
        self.load(&root).ok();
        let known = self.worlds.iter().position(|it| it.root == root);
        // A directory without files yet: what the editor holds is all there is.
        known.or_else(|| {
            self.take(Loaded {
                root,
                selected: Name::default(),
                files: BTreeMap::new(),
                dependencies: Vec::new(),
                manifest: plumb_workspace::Manifest::default(),
                findings: Vec::new(),
            });
            Some(self.worlds.len() - 1)
        })
    }

    /// The path of a file as the workspaces know it.
    fn canonical(path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        std::fs::canonicalize(parent).map_or_else(|_| path.to_owned(), |it| it.join(name))
    }

    /// The editor holds a text from now on. `false` where it is none of a workspace's.
    pub(crate) fn open(
        &mut self,
        address: &str,
        path: &Path,
        version: i32,
        text: Arc<str>,
    ) -> bool {
        let path = Self::canonical(path);
        let Some(index) = self.world_of(&path) else { return false };
        let home = self.worlds[index].root.clone();
        let document = Document { home, path: path.clone(), text, version, typed: None };
        self.documents.insert(address.to_owned(), document);
        self.told(&path);
        true
    }

    /// The editor's text has changed, the last time up to `end`.
    pub(crate) fn change(&mut self, address: &str, version: i32, text: Arc<str>, end: Option<u32>) {
        let Some(document) = self.documents.get_mut(address) else { return };
        document.text = text;
        document.version = version;
        document.typed = end.map(|end| (end, Instant::now()));
        let path = document.path.clone();
        self.told(&path);
    }

    /// The editor no longer holds a text: the disk's is what counts.
    pub(crate) fn close(&mut self, address: &str) {
        let Some(document) = self.documents.remove(address) else { return };
        for index in 0..self.worlds.len() {
            if let Some(name) = self.worlds[index].name_of(&document.path) {
                self.read(index, &name, &document.path);
            }
        }
        self.told(&document.path);
    }

    /// What a file's change changes, in every workspace that sees it: itself; with `plumb.toml`, all that it
    /// says.
    fn told(&mut self, path: &Path) {
        for index in 0..self.worlds.len() {
            match self.worlds[index].name_of(path) {
                Some(name) if name == MANIFEST => self.reload(index),
                Some(name) => self.settle_file(index, &name),
                None => {}
            }
        }
    }

    fn reload(&mut self, index: usize) {
        let root = self.worlds[index].root.clone();
        match load(&root) {
            Ok(loaded) => self.take(loaded),
            // Emptied or gone: what the editor holds is all there is.
            Err(_) => {
                self.worlds[index].disk.clear();
                self.settle(index);
            }
        }
    }

    /// Looks again at one file of the disk.
    fn read(&mut self, index: usize, path: &Name, file: &Path) {
        let world = &mut self.worlds[index];
        if !file.is_file() {
            world.disk.remove(path);
        } else if path.ends_with(".plumb") || world.disk.contains_key(path) {
            let content = match plumb_workspace::read(file) {
                Ok(text) => Content::Text(text.into()),
                Err(why) => Content::Unreadable(why),
            };
            world.disk.insert(path.clone(), content);
        }
    }

    /// Files of the disk have changed, come or gone. One by one where it is sources that changed; what
    /// other files mean (a `plumb.toml`, a directory, a file that `file()` reads) is found by reading all
    /// again.
    pub(crate) fn changed_on_disk(&mut self, paths: &[PathBuf]) {
        let mut again = vec![false; self.worlds.len()];
        for path in paths {
            let path = Self::canonical(path);
            for (index, again) in again.iter_mut().enumerate() {
                let Some(name) = self.worlds[index].name_of(&path) else { continue };
                let is_source = name.ends_with(".plumb") && !path.is_dir();
                let directory = name.rsplit_once('/').map_or("", |(it, _)| it);
                let is_here = self.worlds[index]
                    .disk
                    .keys()
                    .any(|it| it.rsplit_once('/').map_or("", |(it, _)| it) == directory);
                // A new directory may be a workspace of its own, or hidden.
                if is_source && is_here {
                    self.read(index, &name, &path);
                    self.settle_file(index, &name);
                } else {
                    *again = true;
                }
            }
        }
        for index in (0..again.len()).filter(|it| again[*it]) {
            self.reload(index);
        }
    }

    /// A folder is no longer of interest; the documents of it that are open still are.
    pub(crate) fn leave(&mut self, path: &Path) {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let held: Vec<PathBuf> = self.documents.values().map(|it| it.home.clone()).collect();
        self.worlds.retain(|it| !it.root.starts_with(&path) || held.contains(&it.root));
    }
}
