//! The files below a directory, read within limits.

use crate::files::{Files, Kind};
use crate::{LoadError, MANIFEST, MAX_FILE, is_source};
use plumb_compiler::answers::Finding;
use plumb_compiler::diagnostics::{Severity, code};
use plumb_compiler::source::Content;
use plumb_compiler::syntax::ast::Name;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Files and directories looked at before giving up. Listing a million takes some seconds; who
/// started in `/` or a home directory should not wait longer. Picked without measurement.
const MAX_ENTRIES: usize = 1_000_000;

/// Bytes of files other than `.plumb` that are held in memory. Picked without measurement: far above
/// what configuration needs.
const MAX_OTHERS: u64 = 256 << 20;

/// How a cache directory marks itself, see <https://bford.info/cachedir/>.
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What lies below a directory.
pub(crate) struct Walked {
    /// By path relative to the root.
    pub(crate) files: BTreeMap<Name, Content>,
    /// Directories that could not be read.
    pub(crate) findings: Vec<Finding>,
}

/// A directory still to be looked at.
struct Directory {
    path: PathBuf,
    /// Relative to the root, with `/` between the parts; empty: the root.
    name: String,
    /// A package at or above it may read its files.
    wanted: bool,
    /// Its path is not UTF-8, so no text can name what is in it.
    unnameable: bool,
}

/// An entry of a directory.
struct Entry {
    name: String,
    path: PathBuf,
    kind: Kind,
    unnameable: bool,
}

/// Reads what lies below `root`. The order in which files are listed changes nothing.
pub(crate) fn walk(files: &dyn Files, root: &Path) -> Result<Walked, LoadError> {
    walk_within(files, root, MAX_ENTRIES, MAX_OTHERS)
}

fn walk_within(
    files: &dyn Files,
    root: &Path,
    max_entries: usize,
    max_others: u64,
) -> Result<Walked, LoadError> {
    let mut walked = Walked { files: BTreeMap::new(), findings: Vec::new() };
    let mut entries_left = max_entries;
    let mut others_left = max_others;
    // A list rather than recursion: no depth of directories can exhaust the stack.
    let mut waiting = vec![Directory {
        path: root.to_owned(),
        name: String::new(),
        wanted: false,
        unnameable: false,
    }];
    while let Some(directory) = waiting.pop() {
        let entries = match list(files, &directory, &mut entries_left) {
            Ok(Some(entries)) => entries,
            Ok(None) => return Err(LoadError::TooManyFiles(root.to_owned(), max_entries)),
            Err(error) if directory.name.is_empty() => {
                return Err(LoadError::Unreadable(root.to_owned(), error));
            }
            Err(error) => {
                walked.findings.push(unreadable_directory(&directory.name, &error));
                continue;
            }
        };
        if !directory.name.is_empty() && is_foreign(files, &entries) {
            continue;
        }
        let (sources, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| is_source(&entry.name) && entry.kind != Kind::Directory);

        let mut wanted = directory.wanted;
        for entry in sources {
            let content = if entry.unnameable {
                Content::Unreadable("has a name that is not UTF-8".to_owned())
            } else {
                read_as(files, root, &entry.path, entry.kind)
            };
            // Only a text with this word can call `file()`: a directory of large files beside
            // packages that do not costs nothing.
            wanted |= matches!(&content, Content::Text(text) if text.contains("file"));
            walked.files.insert(directory.child(&entry.name).into(), content);
        }
        let mut below = Vec::new();
        for entry in others {
            if entry.kind == Kind::Directory {
                below.push(Directory {
                    name: directory.child(&entry.name),
                    path: entry.path,
                    wanted,
                    unnameable: entry.unnameable,
                });
            } else if wanted && !entry.unnameable && !leads_to_directory(files, &entry) {
                let content = if others_left == 0 {
                    let limit = max_others >> 20;
                    Content::Unreadable(format!(
                        "was not read: the files beside the .plumb files are larger than {limit} MiB together"
                    ))
                } else {
                    read_as(files, root, &entry.path, entry.kind)
                };
                if let Content::Text(text) = &content {
                    others_left = others_left.saturating_sub(text.len() as u64);
                }
                walked.files.insert(directory.child(&entry.name).into(), content);
            }
        }
        waiting.extend(below.into_iter().rev());
    }
    Ok(walked)
}

impl Directory {
    fn child(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}/{name}", self.name) }
    }
}

/// The entries that are looked at, sorted by name; `None` when `left` reaches zero.
fn list(
    files: &dyn Files,
    directory: &Directory,
    left: &mut usize,
) -> io::Result<Option<Vec<Entry>>> {
    let mut entries = Vec::new();
    let mut too_many = false;
    files.list(&directory.path, &mut |file_name, kind| {
        if *left == 0 {
            too_many = true;
            return false;
        }
        *left -= 1;
        let (name, nameable) = match file_name.to_str() {
            Some(name) => (name.to_owned(), true),
            None => (file_name.to_string_lossy().into_owned(), false),
        };
        if !name.starts_with('.') && name != "node_modules" {
            entries.push(Entry {
                name,
                path: directory.path.join(file_name),
                kind,
                unnameable: directory.unnameable || !nameable,
            });
        }
        true
    })?;
    entries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok((!too_many).then_some(entries))
}

/// Whether a directory with these entries is a cache or another workspace.
fn is_foreign(files: &dyn Files, entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match entry.name.as_str() {
        MANIFEST => files.is_file(&entry.path),
        "CACHEDIR.TAG" if entry.kind == Kind::File => {
            let tag = files.read(&entry.path);
            matches!(tag, Ok(Some(bytes)) if bytes.starts_with(CACHE_SIGNATURE))
        }
        _ => false,
    })
}

fn leads_to_directory(files: &dyn Files, entry: &Entry) -> bool {
    entry.kind == Kind::Link
        && files.leads_to(&entry.path).is_ok_and(|kind| kind == Kind::Directory)
}

/// The content of a file, or why there is none. `path` is below `root`, which holds no links.
pub(crate) fn read(files: &dyn Files, root: &Path, path: &Path) -> Content {
    match files.kind(path) {
        Ok(kind) => read_as(files, root, path, kind),
        Err(error) => Content::Unreadable(describe(&error)),
    }
}

/// As [`read`], of what is known to be a file, a link or something else.
fn read_as(files: &dyn Files, root: &Path, path: &Path, kind: Kind) -> Content {
    match try_read(files, root, path, kind) {
        Ok(text) => Content::Text(text.into()),
        Err(reason) => Content::Unreadable(reason),
    }
}

fn try_read(files: &dyn Files, root: &Path, path: &Path, kind: Kind) -> Result<String, String> {
    if kind != Kind::Link {
        return text_of(files, path, kind);
    }
    let target =
        files.resolve(path).map_err(|_| "is a symbolic link that leads nowhere".to_owned())?;
    // What lies outside is in no commit: it could differ on every machine.
    if !target.starts_with(root) {
        return Err("is a symbolic link that leads out of the workspace".to_owned());
    }
    text_of(files, &target, files.kind(&target).map_err(|error| describe(&error))?)
}

/// The text of a file, wherever its path leads; or why there is none.
pub(crate) fn read_text(files: &dyn Files, path: &Path) -> Result<String, String> {
    text_of(files, path, files.leads_to(path).map_err(|error| describe(&error))?)
}

fn text_of(files: &dyn Files, path: &Path, kind: Kind) -> Result<String, String> {
    // Opening a pipe would wait for its other end.
    if kind != Kind::File {
        return Err("is not a regular file".to_owned());
    }
    let Some(bytes) = files.read(path).map_err(|error| describe(&error))? else {
        return Err(format!("is larger than {} MiB", MAX_FILE >> 20));
    };
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// What a user is told of an error of the system, to follow a path: "cannot be read: …".
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there any more".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// A warning rather than an error: the data directory of a database beside the packages must not
/// stop the work, but what may lie in it must not go missing silently.
fn unreadable_directory(name: &str, error: &io::Error) -> Finding {
    Finding {
        code: code::UNREADABLE_FILE,
        severity: Severity::Warning,
        message: format!(
            "the directory `{name}` {}; whatever is in it is left out",
            describe(error)
        ),
        environments: Vec::new(),
        location: None,
        label: String::new(),
        related: Vec::new(),
        help: None,
        fixes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Folders;
    use std::fs;

    #[test]
    fn a_directory_with_too_many_files_is_an_error_and_no_long_wait() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.plumb", "b.plumb", "c.plumb"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(matches!(
            walk_within(&Folders, folder.path(), 2, 10),
            Err(LoadError::TooManyFiles(_, 2))
        ));
        assert_eq!(walk_within(&Folders, folder.path(), 3, 10).unwrap().files.len(), 3);
    }

    #[test]
    fn other_files_are_read_in_order_until_the_memory_for_them_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.plumb"), "let a = file(\"x\")").unwrap();
        for name in ["x", "y", "z"] {
            fs::write(folder.path().join(name), "12345678").unwrap();
        }
        let files = walk_within(&Folders, folder.path(), 100, 10).unwrap().files;
        assert!(matches!(files["x"], Content::Text(_)));
        assert!(matches!(files["y"], Content::Text(_)));
        assert!(matches!(&files["z"], Content::Unreadable(reason) if reason.contains("together")));
    }

    #[test]
    fn a_directory_that_may_not_be_read_is_told_and_does_not_stop_the_work() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let finding = unreadable_directory("data", &error);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.message,
            "the directory `data` cannot be read: permission denied; whatever is in it is left out"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_rest_is_read_beside_a_directory_that_may_not_be_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.plumb"), "").unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o000)).unwrap();
        let walked = walk(&Folders, folder.path()).unwrap();
        // Nothing is closed to the superuser.
        let closed = usize::from(fs::read_dir(&data).is_err());
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(walked.files.len(), 1);
        assert_eq!(walked.findings.len(), closed);
    }
}
