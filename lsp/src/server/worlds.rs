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
}

/// A text that the editor holds.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The workspace it belongs to, by its directory.
    pub(crate) root: PathBuf,
    /// Relative to it.
    pub(crate) path: Name,
    /// The text.
    pub(crate) text: Arc<str>,
    /// As the client counts.
    pub(crate) version: i32,
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
                });
                self.worlds.len() - 1
            }
        };
        let world = &mut self.worlds[index];
        let (db, workspace) = (&mut self.db, world.workspace);
        if workspace.kubernetes(db) != manifest.kubernetes {
            workspace.set_kubernetes(db).to(manifest.kubernetes);
        }
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
        let mut texts: BTreeMap<&Name, Content> =
            world.disk.iter().map(|(path, content)| (path, content.clone())).collect();
        for document in self.documents.values().filter(|it| it.root == world.root) {
            texts.insert(&document.path, Content::Text(document.text.clone()));
        }
        let mut files = BTreeMap::new();
        for (path, content) in texts {
            let file = match world.inputs.get(path) {
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
            files.insert(path.clone(), file);
        }
        if **world.workspace.files(&self.db) != files {
            world.workspace.set_files(&mut self.db).to(Arc::new(files));
        }
    }

    /// Sets one file of a workspace to what the editor holds, else to what the disk does.
    fn settle_file(&mut self, index: usize, path: &Name) {
        let world = &self.worlds[index];
        let mut documents = self.documents.values();
        let held = documents.find(|it| it.root == world.root && it.path == *path);
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

    fn relative(root: &Path, path: &Path) -> Option<Name> {
        let parts = path.strip_prefix(root).ok()?.components();
        let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
        Some(parts?.join("/").into())
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
        let root = self.worlds[index].root.clone();
        let Some(path) = Self::relative(&root, &path) else { return false };
        let document = Document { root, path: path.clone(), text, version };
        self.documents.insert(address.to_owned(), document);
        self.told(index, &path);
        true
    }

    /// The editor's text has changed.
    pub(crate) fn change(&mut self, address: &str, version: i32, text: Arc<str>) {
        let Some(document) = self.documents.get_mut(address) else { return };
        document.text = text;
        document.version = version;
        let (root, path) = (document.root.clone(), document.path.clone());
        if let Some(index) = self.worlds.iter().position(|it| it.root == root) {
            self.told(index, &path);
        }
    }

    /// The editor no longer holds a text: the disk's is what counts.
    pub(crate) fn close(&mut self, address: &str) {
        let Some(document) = self.documents.remove(address) else { return };
        if let Some(index) = self.worlds.iter().position(|it| it.root == document.root) {
            let file = document.root.join(&*document.path);
            self.read(index, &document.path, &file);
            self.told(index, &document.path);
        }
    }

    /// What a file's change changes: itself; with `plumb.toml`, all that it says.
    fn told(&mut self, index: usize, path: &Name) {
        if path == MANIFEST {
            self.reload(index);
        } else {
            self.settle_file(index, path);
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
            for index in 0..self.worlds.len() {
                let root = self.worlds[index].root.clone();
                let Some(name) = Self::relative(&root, &path) else {
                    again[index] |= self.depends_on(index, &path);
                    continue;
                };
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
                    again[index] = true;
                }
            }
        }
        for index in (0..again.len()).filter(|it| again[*it]) {
            self.reload(index);
        }
    }

    /// Whether a file is one of another workspace that this one depends on.
    fn depends_on(&self, index: usize, path: &Path) -> bool {
        let world = &self.worlds[index];
        let others = world.workspace.dependencies(&self.db).iter();
        let mut others = others.filter(|it| !it.directory.is_empty());
        others.any(|it| {
            let directory = std::fs::canonicalize(world.root.join(&*it.directory));
            directory.is_ok_and(|it| path.starts_with(it))
        })
    }

    /// A folder is no longer of interest; the documents of it that are open still are.
    pub(crate) fn leave(&mut self, path: &Path) {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let held: Vec<PathBuf> = self.documents.values().map(|it| it.root.clone()).collect();
        self.worlds.retain(|it| !it.root.starts_with(&path) || held.contains(&it.root));
    }

    /// Begins with an empty database, so that what was interned for names that nobody uses any more is
    /// given back.
    pub(crate) fn renew(&mut self) {
        self.db = Database::default();
        for index in 0..self.worlds.len() {
            let world = &mut self.worlds[index];
            world.inputs.clear();
            let root = world.root.clone();
            // The old inputs are of the old database: nothing of them may be asked.
            let newest = plumb_workspace::Manifest::default().kubernetes;
            world.workspace = Workspace::new(&self.db, Arc::default(), newest);
            match load(&root) {
                Ok(loaded) => self.take(loaded),
                Err(_) => self.settle(index),
            }
        }
    }
}
