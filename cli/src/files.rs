//! Manifests as files: one an object, below a directory that this program keeps.
//!
//! ```text
//! DIR/plumb-files.json                    what was written, and for which request
//! DIR/prod/shop/deployment-cart.yaml      environment, namespace, kind, name
//! DIR/prod/_cluster/namespace-shop.yaml   what belongs to no namespace
//! ```
//!
//! A file that is no longer made is removed, if the list says that it was written by us. A request that
//! has an error keeps the files it had. The list is widened before anything is written and narrowed after
//! all is done, and each file is replaced whole: whoever is interrupted loses nothing, and the next build
//! cleans up.

use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::{Data, Value};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// The list of what was written.
pub(crate) const LIST: &str = "plumb-files.json";

/// What stands in the list for a file.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    /// The request that makes it, with its package: `apps.shop.cart`.
    request: Name,
}

/// A directory of manifests.
pub(crate) struct Directory {
    path: PathBuf,
    /// What an earlier build wrote, by path relative to the directory, with `/`.
    before: BTreeMap<String, Entry>,
    /// What this one makes.
    made: BTreeMap<String, (Entry, String)>,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Written {
    /// Files that were not there.
    pub(crate) new: usize,
    /// Files that were there and say something else now.
    pub(crate) changed: usize,
    /// Files that say what they said.
    pub(crate) unchanged: usize,
    /// Files that are no longer made, and are gone.
    pub(crate) removed: usize,
    /// Files of requests that have an error now, which stay as they were.
    pub(crate) kept: usize,
}

/// What stands in the way; a sentence without a period.
pub(crate) type Problem = String;

impl Directory {
    /// Reads the list of a directory, which need not be there.
    ///
    /// # Errors
    ///
    /// Where the list cannot be read, or is none: nothing is written then.
    pub(crate) fn open(path: &Path) -> Result<Directory, Problem> {
        let list = path.join(LIST);
        let before = match fs::read_to_string(&list) {
            Ok(text) => parse(&text).ok_or_else(|| {
                format!(
                    "{} is no list of files that plumb wrote; remove it, or take another directory",
                    list.display()
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(format!("cannot read {}: {error}", list.display())),
        };
        Ok(Directory { path: path.to_owned(), before, made: BTreeMap::new() })
    }

    /// Takes in a manifest of an environment; `extension` is that of its text.
    pub(crate) fn add(
        &mut self,
        environment: &str,
        request: &Name,
        object: &Value,
        text: String,
        extension: &str,
    ) {
        let path = format!("{environment}/{}.{extension}", file_name(object));
        self.made.insert(path, (Entry { request: request.clone() }, text));
    }

    /// Writes what was taken in. `environments` were built, `chosen` says of which requests all
    /// manifests were taken in, `blocked` which have an error in an environment.
    ///
    /// # Errors
    ///
    /// The first file that cannot be written, or that is there and was written by somebody else. What
    /// was written until then is in the list.
    pub(crate) fn write(
        self,
        environments: &[Name],
        chosen: impl Fn(&Name) -> bool,
        blocked: impl Fn(&str, &Name) -> bool,
    ) -> Result<Written, Problem> {
        let mut written = Written::default();
        let mut after: BTreeMap<String, Entry> =
            self.made.iter().map(|(path, (entry, _))| (path.clone(), entry.clone())).collect();
        let mut gone: BTreeSet<&String> = BTreeSet::new();
        for (path, entry) in &self.before {
            if self.made.contains_key(path) {
                continue;
            }
            let environment = path.split('/').next().unwrap_or_default();
            let built = environments.iter().any(|it| *it == environment);
            if built && chosen(&entry.request) && !blocked(environment, &entry.request) {
                gone.insert(path);
            } else {
                written.kept += usize::from(built && chosen(&entry.request));
                after.insert(path.clone(), entry.clone());
            }
        }
        // Before anything is written: a file of somebody else is not ours to replace.
        for (path, (_, text)) in &self.made {
            let file = self.path.join(path);
            if !self.before.contains_key(path)
                && fs::read(&file).is_ok_and(|found| found != text.as_bytes())
            {
                return Err(format!(
                    "{} is there, and plumb did not write it; take another directory, or remove it",
                    file.display()
                ));
            }
        }
        let mut both = self.before.clone();
        both.extend(after.clone());
        if both != self.before {
            self.write_list(&both)?;
        }
        for (path, (_, text)) in &self.made {
            let file = self.path.join(path);
            match fs::read(&file) {
                Ok(found) if found == text.as_bytes() => {
                    written.unchanged += 1;
                    continue;
                }
                Ok(_) => written.changed += 1,
                Err(_) => written.new += 1,
            }
            replace(&file, text)?;
        }
        for path in gone {
            let file = self.path.join(path);
            match fs::remove_file(&file) {
                Ok(()) => written.removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot remove {}: {error}", file.display())),
            }
            // Directories that are empty now; one that is not stays, by the system's own check.
            let mut folder = file.parent();
            while let Some(it) = folder.filter(|it| **it != *self.path) {
                if fs::remove_dir(it).is_err() {
                    break;
                }
                folder = it.parent();
            }
        }
        if after != both {
            self.write_list(&after)?;
        }
        Ok(written)
    }

    fn write_list(&self, entries: &BTreeMap<String, Entry>) -> Result<(), Problem> {
        let files: serde_json::Map<String, Json> = entries
            .iter()
            .map(|(path, entry)| (path.clone(), json!({ "request": entry.request.as_str() })))
            .collect();
        let text = format!("{:#}\n", json!({ "version": 1, "files": files }));
        replace(&self.path.join(LIST), &text)
    }
}

/// The list; `None` where it is none, or names files outside of the directory.
fn parse(text: &str) -> Option<BTreeMap<String, Entry>> {
    let list: Json = serde_json::from_str(text).ok()?;
    if list["version"] != 1 {
        return None;
    }
    let files = list["files"].as_object()?;
    files
        .iter()
        .map(|(path, entry)| {
            let inside =
                Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
            let request = entry["request"].as_str()?.into();
            (inside && !path.is_empty()).then(|| (path.clone(), Entry { request }))
        })
        .collect()
}

/// `shop/deployment-cart`: of a kind's name that several groups have, with the group.
fn file_name(object: &Value) -> String {
    let text = |path: &[&str]| {
        let mut at = object;
        for name in path {
            at = at.fields()?.get(name)?;
        }
        match &at.data {
            Data::String(text) => Some(text.as_str()),
            _ => None,
        }
    };
    let kind = text(&["kind"]).unwrap_or_default();
    let version = text(&["apiVersion"]).unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let namespace = text(&["metadata", "namespace"]).unwrap_or("_cluster");
    let name = text(&["metadata", "name"]).unwrap_or_default();
    let group = match shared_kinds().contains(kind) && !group.is_empty() {
        true => format!(".{group}"),
        false => String::new(),
    };
    format!("{namespace}/{}{group}-{}", kind.to_lowercase(), escaped(name))
}

/// The kinds whose name several groups have, in any version of Kubernetes: so the file of an object is
/// called the same whatever else there is.
fn shared_kinds() -> &'static BTreeSet<&'static str> {
    static SHARED: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let mut groups: BTreeMap<&str, &str> = BTreeMap::new();
        let known = plumb_kubernetes::versions(plumb_kubernetes::minors());
        known
            .into_iter()
            .flat_map(|facts| facts.kinds())
            .filter(|(_, it)| *groups.entry(it.kind).or_insert(it.group) != it.group)
            .map(|(_, it)| it.kind)
            .collect()
    })
}

/// A name that every file system takes. The names of RBAC's objects may hold `:`, and capitals, which
/// some file systems do not tell from small letters.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            'a'..='z' | '0'..='9' | '-' | '.' | '_' => out.push(char),
            _ => char
                .encode_utf8(&mut [0; 4])
                .bytes()
                .for_each(|byte| out.push_str(&format!("%{byte:02x}"))),
        }
    }
    out
}

/// Puts a text in the place of a file, whole or not at all. Who may read and write it stays.
pub(crate) fn replace(file: &Path, text: &str) -> Result<(), Problem> {
    let cannot = |error: io::Error| format!("cannot write {}: {error}", file.display());
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(cannot)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let done = fs::File::create(&beside)
        .and_then(|mut out| out.write_all(text.as_bytes()))
        .and_then(|()| match fs::metadata(file) {
            Ok(before) => fs::set_permissions(&beside, before.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| fs::rename(&beside, file));
    done.map_err(|error| {
        let _ = fs::remove_file(&beside);
        cannot(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_leads_out_of_the_directory_is_none() {
        let list = |path: &str| json!({ "version": 1, "files": { path: { "request": "a" } } });
        assert!(parse(&list("prod/shop/a.yaml").to_string()).is_some());
        for path in ["../a.yaml", "/etc/passwd", "prod/../../a", ""] {
            assert!(parse(&list(path).to_string()).is_none(), "{path}");
        }
        for text in ["", "{}", r#"{"version":2,"files":{}}"#, r#"{"version":1}"#] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_group_is_named_where_a_kind_needs_it() {
        assert!(shared_kinds().contains("Event") && !shared_kinds().contains("Deployment"));
    }

    #[test]
    fn names_are_told_apart_on_every_file_system() {
        assert_eq!(escaped("system:Node"), "system%3a%4eode");
        assert_ne!(escaped("A"), escaped("a"));
    }
}
