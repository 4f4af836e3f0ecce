//! A workspace to begin with.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Its files, without `plumb.toml`.
const FILES: &[(&str, &str)] = &[
    ("platform/environments.plumb", include_str!("../templates/init/environments.plumb")),
    ("platform/web.plumb", include_str!("../templates/init/web.plumb")),
    ("apps/hello/hello.plumb", include_str!("../templates/init/hello.plumb")),
];

/// Writes the files into a directory, which is made where it is not there; gives their paths.
///
/// # Errors
///
/// A sentence without a period: where one of the files is there already, before any is written, and where
/// one cannot be written.
pub(crate) fn write(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let manifest = manifest(directory);
    let files: Vec<(&str, &str)> =
        [("plumb.toml", manifest.as_str())].into_iter().chain(FILES.iter().copied()).collect();
    let there: Vec<String> = files
        .iter()
        .map(|(path, _)| directory.join(path))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if !there.is_empty() {
        let are = if there.len() == 1 { "is" } else { "are" };
        return Err(format!("{} {are} there already; nothing was written", there.join(", ")));
    }
    let mut written = Vec::new();
    for (path, text) in files {
        let path = directory.join(path);
        let cannot = |error: io::Error| format!("cannot write {}: {error}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(directory)).map_err(cannot)?;
        // Never over a file that came between.
        fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(cannot)?;
        written.push(path);
    }
    Ok(written)
}

/// `plumb.toml`, with the directory's name and the newest Kubernetes that is known.
fn manifest(directory: &Path) -> String {
    let whole = std::path::absolute(directory).unwrap_or_default();
    let name: String = whole
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase()
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() { char } else { '-' })
        .collect();
    let name = match name.trim_matches('-') {
        "" => "workspace",
        name => name,
    };
    let minor = plumb_kubernetes::minors().last().copied().unwrap_or_default();
    format!(
        "name = \"{name}\"\n# What manifests are checked against, unless an environment says its own.\nkubernetes = \"1.{minor}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_directory() {
        assert!(manifest(Path::new("/tmp/My Shop!")).starts_with("name = \"my-shop\"\n"));
        assert!(manifest(Path::new("/")).starts_with("name = \"workspace\"\n"));
    }
}
