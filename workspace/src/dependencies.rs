//! The workspaces that a workspace depends on: their files join it, under paths relative to its root.

use crate::files::{Files, Kind};
use crate::manifest::{self, Manifest};
use crate::{LoadError, MANIFEST, finding, walk};
use plumb_compiler::answers::Finding;
use plumb_compiler::diagnostics::code;
use plumb_compiler::source::{Content, Dependency};
use plumb_compiler::syntax::ast::{Name, TextRange};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// What dependencies bring.
#[derive(Default)]
pub(crate) struct Read {
    /// The workspace itself first; empty where it depends on nothing.
    pub(crate) dependencies: Vec<Dependency>,
    /// By path relative to the root: `../platform/web.plumb`.
    pub(crate) files: BTreeMap<Name, Content>,
    pub(crate) findings: Vec<Finding>,
}

/// A workspace on the way from the root to a dependency.
struct Step {
    /// Without symbolic links.
    directory: PathBuf,
    /// What the one before calls it.
    name: Name,
}

/// Reads everything that the workspace at `root` depends on, by way of others as well. A folder that is
/// reached by several ways is read once and is one workspace.
pub(crate) fn read(files: &dyn Files, root: &Path, manifest: &Manifest) -> Result<Read, LoadError> {
    let mut read = Read::default();
    if manifest.dependencies.is_empty() {
        return Ok(read);
    }
    read.dependencies.push(Dependency::default());
    let mut known = vec![root.to_owned()];
    let mut way = vec![Step { directory: root.to_owned(), name: "plumb.toml".into() }];
    follow(files, root, 0, manifest, &mut way, &mut known, &mut read)?;
    Ok(read)
}

/// Reads what the workspace at `position` names.
fn follow(
    files: &dyn Files,
    root: &Path,
    position: usize,
    manifest: &Manifest,
    way: &mut Vec<Step>,
    known: &mut Vec<PathBuf>,
    read: &mut Read,
) -> Result<(), LoadError> {
    /// A chain of dependencies longer than this is hardly meant. Picked without measurement.
    const MAX_DEPTH: usize = 64;
    let from = known[position].clone();
    let place: Name = match read.dependencies[position].directory.as_str() {
        "" => MANIFEST.into(),
        directory => format!("{directory}/{MANIFEST}").into(),
    };
    for wanted in &manifest.dependencies {
        let refuse = |message: String, help: Option<String>| {
            let mut problem = finding(code::INVALID_MANIFEST, message, wanted.range);
            if let Some(location) = &mut problem.location {
                location.path = place.clone();
            }
            problem.help = help;
            problem
        };
        // Whoever uses it is not told that as well.
        let unknown = |read: &mut Read| {
            read.dependencies[position].knows.insert(wanted.name.clone(), Name::default());
        };
        let Some(wanted_path) = &wanted.path else {
            unknown(read);
            continue;
        };
        let path = from.join(wanted_path.as_str());
        let found = files.resolve(&path).and_then(|directory| match files.covers(&directory) {
            true => Ok((files.kind(&directory)?, directory)),
            false => Ok((Kind::Other, directory)),
        });
        let directory = match found {
            Ok((Kind::Directory, directory)) => directory,
            Ok((_, directory)) if !files.covers(&directory) => {
                read.findings.push(refuse(
                    format!(
                        "dependency `{}`: `{}` lies outside of the repository, so no commit has it",
                        wanted.name, wanted_path
                    ),
                    Some("bring it into the repository to have commits compared".to_owned()),
                ));
                unknown(read);
                continue;
            }
            Ok(_) => {
                read.findings.push(refuse(
                    format!("dependency `{}`: `{}` is a file", wanted.name, wanted_path),
                    Some("name the directory that has its plumb.toml".to_owned()),
                ));
                unknown(read);
                continue;
            }
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::NotFound => "does not exist".to_owned(),
                    _ => walk::describe(&error),
                };
                read.findings.push(refuse(
                    format!("dependency `{}`: `{}` {why}", wanted.name, wanted_path),
                    Some("the path is relative to the directory of this plumb.toml".to_owned()),
                ));
                unknown(read);
                continue;
            }
        };
        let marker = files.leads_to(&directory.join(MANIFEST));
        if !matches!(marker, Ok(Kind::File)) {
            let (why, help) = match marker {
                // A submodule of a commit.
                Err(error) if error.kind() == std::io::ErrorKind::Other => {
                    (walk::describe(&error), None)
                }
                _ => (
                    "has no plumb.toml".to_owned(),
                    Some("a plumb.toml marks the root of a workspace; an empty one is enough"),
                ),
            };
            read.findings.push(refuse(
                format!("dependency `{}`: `{}` {why}", wanted.name, wanted_path),
                help.map(str::to_owned),
            ));
            unknown(read);
            continue;
        }
        if let Some(start) = way.iter().position(|step| step.directory == directory) {
            let names: Vec<&str> = way[start + 1..]
                .iter()
                .map(|step| step.name.as_str())
                .chain([wanted.name.as_str()])
                .collect();
            let message = match names.as_slice() {
                [one] => format!("`{one}` is this workspace itself"),
                names => format!("dependencies go round: {}", names.join(" → ")),
            };
            read.findings.push(refuse(message, Some("leave it out".to_owned())));
            unknown(read);
            continue;
        }
        if way.len() > MAX_DEPTH {
            read.findings.push(refuse("the chain of dependencies is too long".to_owned(), None));
            unknown(read);
            continue;
        }
        if let Some(there) = known.iter().position(|it| *it == directory) {
            let name = read.dependencies[there].name.clone();
            read.dependencies[position].knows.insert(wanted.name.clone(), name);
            continue;
        }
        let relative = relative(root, &directory);
        let name: Name = format!("{}@{}", read.dependencies[position].name, wanted.name).into();
        read.dependencies[position].knows.insert(wanted.name.clone(), name.clone());
        let child = read.dependencies.len();
        read.dependencies.push(Dependency {
            directory: relative.clone(),
            name,
            knows: BTreeMap::new(),
        });
        known.push(directory.clone());

        let content = walk::read(files, &directory, &directory.join(MANIFEST));
        let (inner, problems) = match &content {
            Content::Text(text) => manifest::parse(text),
            Content::Unreadable(reason) => {
                let message = format!("plumb.toml {reason}");
                let problem = finding(code::UNREADABLE_FILE, message, TextRange::default());
                (Manifest::default(), vec![problem])
            }
        };
        let walked = walk::walk(files, &directory)?;
        // Its own version of Kubernetes says nothing here.
        let problems =
            problems.into_iter().filter(|it| it.code != code::UNKNOWN_KUBERNETES_VERSION);
        for mut problem in problems.chain(walked.findings) {
            if let Some(location) = &mut problem.location {
                location.path = format!("{relative}/{}", location.path).into();
            }
            for edit in problem.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
                edit.0.path = format!("{relative}/{}", edit.0.path).into();
            }
            read.findings.push(problem);
        }
        read.files.insert(format!("{relative}/{MANIFEST}").into(), content);
        let others = walked.files.into_iter();
        read.files
            .extend(others.map(|(path, content)| (format!("{relative}/{path}").into(), content)));

        way.push(Step { directory, name: wanted.name.clone() });
        follow(files, root, child, &inner, way, known, read)?;
        way.pop();
    }
    Ok(())
}

/// The way from one directory to another, both absolute and without symbolic links.
fn relative(from: &Path, to: &Path) -> Name {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| "..".into());
    let down = to[shared..].iter().map(|it| it.as_os_str().to_string_lossy());
    up.chain(down).collect::<Vec<_>>().join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_directories_goes_up_and_down() {
        for (from, to, expected) in [
            ("/a/b", "/a/c", "../c"),
            ("/a/b", "/a/b/c/d", "c/d"),
            ("/a/b/c", "/a", "../.."),
            ("/a", "/b/c", "../b/c"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), expected, "{from} to {to}");
        }
    }
}
