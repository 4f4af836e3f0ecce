//! The floor of a build: objects that are finished already, only printed.

use crate::measure;
use plumb_compiler::{Database, build, environments, yaml};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// The processor time of printing all objects of a workspace as YAML, the least of some runs, and
/// what was printed.
pub fn cost(directory: &Path, runs: usize) -> io::Result<(Duration, String)> {
    let loaded = plumb_workspace::load(directory).map_err(io::Error::other)?;
    let db = Database::default();
    let workspace = loaded.open(&db);
    let built: Vec<_> = environments(&db, workspace)
        .iter()
        .flat_map(|environment| build(&db, workspace, environment).manifests)
        .collect();
    let print = |out: &mut dyn Write| -> io::Result<()> {
        let mut text = String::new();
        for manifest in &built {
            text.clear();
            text.push_str("---\n");
            yaml::write_document(&mut text, &manifest.object);
            out.write_all(text.as_bytes())?;
        }
        out.flush()
    };
    let mut printed = Vec::new();
    print(&mut printed)?;
    let mut least = Duration::MAX;
    for _ in 0..runs {
        // A file, as in the builds that this is compared to.
        let mut out = BufWriter::new(tempfile::tempfile()?);
        let before = measure::used()?;
        print(&mut out)?;
        least = least.min(measure::used()? - before);
    }
    Ok((least, String::from_utf8(printed).map_err(io::Error::other)?))
}
