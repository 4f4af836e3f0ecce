//! Gathers the pages of docs/diagnostics, which `plumb explain` prints, into one list.

use std::fmt::Write;
use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs").join("diagnostics");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut pages: Vec<_> = std::fs::read_dir(&folder)
        .expect("docs/diagnostics can be read")
        .map(|entry| entry.expect("docs/diagnostics can be read").path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .filter(|path| path.file_stem().is_some_and(|it| it != "README"))
        .collect();
    pages.sort();
    let mut list = String::from("&[\n");
    for path in pages {
        println!("cargo::rerun-if-changed={}", path.display());
        let code = path.file_stem().unwrap_or_default().display();
        let path = path.to_str().expect("a path that is UTF-8");
        writeln!(list, "    (\"{code}\", include_str!({path:?})),").expect("a String takes all");
    }
    list.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("pages.rs"), list).expect("OUT_DIR can be written");
}
