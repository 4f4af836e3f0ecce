//! The files below a directory, read within limits.

use crate::{LoadError, MANIFEST, MAX_FILE, is_source};
use plumb_compiler::answers::Finding;
use plumb_compiler::diagnostics::{Severity, code};
use plumb_compiler::source::Content;
use plumb_compiler::syntax::ast::Name;
use std::collections::BTreeMap;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
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
    kind: FileType,
    unnameable: bool,
}

/// Reads what lies below `root`. The order in which the system lists files changes nothing.
pub(crate) fn walk(root: &Path) -> Result<Walked, LoadError> {
    walk_within(root, MAX_ENTRIES, MAX_OTHERS)
}

fn walk_within(root: &Path, max_entries: usize, max_others: u64) -> Result<Walked, LoadError> {
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
        let entries = match list(&directory, &mut entries_left) {
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
        if !directory.name.is_empty() && is_foreign(&entries) {
            continue;
        }
        let (sources, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| is_source(&entry.name) && !entry.kind.is_dir());

        let mut wanted = directory.wanted;
        for entry in sources {
            let content = if entry.unnameable {
                Content::Unreadable("has a name that is not UTF-8".to_owned())
            } else {
                read_as(root, &entry.path, entry.kind)
            };
            // Only a text with this word can call `file()`: a directory of large files beside
            // packages that do not costs nothing.
            wanted |= matches!(&content, Content::Text(text) if text.contains("file"));
            walked.files.insert(directory.child(&entry.name).into(), content);
        }
        let mut below = Vec::new();
        for entry in others {
            if entry.kind.is_dir() {
                below.push(Directory {
                    name: directory.child(&entry.name),
                    path: entry.path,
                    wanted,
                    unnameable: entry.unnameable,
                });
            } else if wanted && !entry.unnameable && !leads_to_directory(&entry) {
                let content = if others_left == 0 {
                    let limit = max_others >> 20;
                    Content::Unreadable(format!(
                        "was not read: the files beside the .plumb files are larger than {limit} MiB together"
                    ))
                } else {
                    read_as(root, &entry.path, entry.kind)
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
fn list(directory: &Directory, left: &mut usize) -> io::Result<Option<Vec<Entry>>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(&directory.path)? {
        let entry = entry?;
        if *left == 0 {
            return Ok(None);
        }
        *left -= 1;
        let name = entry.file_name();
        let (name, nameable) = match name.to_str() {
            Some(name) => (name.to_owned(), true),
            None => (name.to_string_lossy().into_owned(), false),
        };
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        entries.push(Entry {
            name,
            path: entry.path(),
            kind: entry.file_type()?,
            unnameable: directory.unnameable || !nameable,
        });
    }
    entries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok(Some(entries))
}

/// Whether a directory with these entries is a cache or another workspace.
fn is_foreign(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match entry.name.as_str() {
        MANIFEST => entry.path.is_file(),
        "CACHEDIR.TAG" if entry.kind.is_file() => {
            let mut start = Vec::new();
            File::open(&entry.path)
                .and_then(|file| file.take(CACHE_SIGNATURE.len() as u64).read_to_end(&mut start))
                .is_ok_and(|_| start == CACHE_SIGNATURE)
        }
        _ => false,
    })
}

fn leads_to_directory(entry: &Entry) -> bool {
    entry.kind.is_symlink() && entry.path.is_dir()
}

/// The content of a file, or why there is none. `path` is below `root`, which holds no links.
pub(crate) fn read(root: &Path, path: &Path) -> Content {
    match fs::symlink_metadata(path) {
        Ok(metadata) => read_as(root, path, metadata.file_type()),
        Err(error) => Content::Unreadable(describe(&error)),
    }
}

/// As [`read`], of what is known to be a file, a link or something else.
fn read_as(root: &Path, path: &Path, kind: FileType) -> Content {
    match try_read(root, path, kind) {
        Ok(text) => Content::Text(text.into()),
        Err(reason) => Content::Unreadable(reason),
    }
}

fn try_read(root: &Path, path: &Path, mut kind: FileType) -> Result<String, String> {
    if kind.is_symlink() {
        let target = fs::canonicalize(path)
            .map_err(|_| "is a symbolic link that leads nowhere".to_owned())?;
        // What lies outside is in no commit: it could differ on every machine.
        if !target.starts_with(root) {
            return Err("is a symbolic link that leads out of the workspace".to_owned());
        }
        kind = fs::metadata(path).map_err(|error| describe(&error))?.file_type();
    }
    text_of(path, kind)
}

/// The text of a file, wherever its path leads; or why there is none.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    text_of(path, fs::metadata(path).map_err(|error| describe(&error))?.file_type())
}

fn text_of(path: &Path, kind: FileType) -> Result<String, String> {
    // Opening a pipe would wait for its other end.
    if !kind.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| describe(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("is larger than {} MiB", MAX_FILE >> 20));
    }
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

    #[test]
    fn a_directory_with_too_many_files_is_an_error_and_no_long_wait() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.plumb", "b.plumb", "c.plumb"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(matches!(walk_within(folder.path(), 2, 10), Err(LoadError::TooManyFiles(_, 2))));
        assert_eq!(walk_within(folder.path(), 3, 10).unwrap().files.len(), 3);
    }

    #[test]
    fn other_files_are_read_in_order_until_the_memory_for_them_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.plumb"), "let a = file(\"x\")").unwrap();
        for name in ["x", "y", "z"] {
            fs::write(folder.path().join(name), "12345678").unwrap();
        }
        let files = walk_within(folder.path(), 100, 10).unwrap().files;
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
        let walked = walk(folder.path()).unwrap();
        // Nothing is closed to the superuser.
        let closed = usize::from(fs::read_dir(&data).is_err());
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(walked.files.len(), 1);
        assert_eq!(walked.findings.len(), closed);
    }
}
