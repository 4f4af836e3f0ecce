//! What files are read from: the folders of this machine, or a commit. All else is the same for both.

use crate::MAX_FILE;
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    /// A pipe, a device.
    Other,
}

/// What files are read from.
pub(crate) trait Files {
    /// Whether an absolute path can be in it at all: a commit has nothing outside of its repository.
    fn covers(&self, path: &Path) -> bool;

    /// Where a path leads: absolute, without symbolic links.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// What stands at the path itself, which may be a link.
    fn kind(&self, path: &Path) -> io::Result<Kind>;

    /// Hands over what is in a directory, in any order, until `take` wants no more.
    fn list(
        &self,
        directory: &Path,
        take: &mut dyn FnMut(OsString, Kind) -> bool,
    ) -> io::Result<()>;

    /// What is in a file; `None` where it is larger than [`MAX_FILE`].
    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>>;

    /// What stands where a path leads.
    fn leads_to(&self, path: &Path) -> io::Result<Kind> {
        self.kind(&self.resolve(path)?)
    }

    /// Whether a path leads to a file.
    fn is_file(&self, path: &Path) -> bool {
        self.leads_to(path).is_ok_and(|kind| kind == Kind::File)
    }
}

/// The folders of this machine.
pub(crate) struct Folders;

impl Files for Folders {
    fn covers(&self, _: &Path) -> bool {
        true
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Ok(kind(fs::symlink_metadata(path)?.file_type()))
    }

    fn list(
        &self,
        directory: &Path,
        take: &mut dyn FnMut(OsString, Kind) -> bool,
    ) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if !take(entry.file_name(), kind(entry.file_type()?)) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        let file = File::open(file)?;
        // Room for all of it, and to see that it ends: else it is read piece by piece.
        let mut bytes = Vec::with_capacity(file.metadata()?.len().min(MAX_FILE) as usize + 1);
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= MAX_FILE).then_some(bytes))
    }

    fn leads_to(&self, path: &Path) -> io::Result<Kind> {
        Ok(kind(fs::metadata(path)?.file_type()))
    }
}

fn kind(of: FileType) -> Kind {
    if of.is_file() {
        Kind::File
    } else if of.is_dir() {
        Kind::Directory
    } else if of.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}
