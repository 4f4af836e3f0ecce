//! Tasks of the project's own: `cargo run -p xtask -- TASK`.

use std::path::Path;
use std::process::ExitCode;

use plumb_tests::cluster::{ControlPlane, MINOR, binaries_of};
use plumb_tests::facts::{self, Table};

const USAGE: &str = "\
usage: cargo run -p xtask -- TASK

kubernetes-facts [1.36 …]   read the facts of minor versions off real API servers into
                            kubernetes/facts.tsv, where they join those of the versions that are there.
                            tests/cluster/1.36/go.mod says what is built for 1.36, which takes minutes.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["kubernetes-facts"] => kubernetes_facts(MINOR),
        ["kubernetes-facts", versions @ ..] => versions
            .iter()
            .map(|version| match version.strip_prefix("1.").map(str::parse) {
                Some(Ok(minor)) => kubernetes_facts(minor),
                _ => Err(format!("{version} is no version such as 1.36\n\n{USAGE}")),
            })
            .collect::<Result<Vec<_>, _>>()
            .map(|done| done.join("\n")),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn kubernetes_facts(minor: u32) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("kubernetes").join("facts.tsv");
    let cannot =
        |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", path.display());
    let mut table = match std::fs::read_to_string(&path) {
        Ok(text) => Table::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Table::default(),
        Err(error) => return Err(cannot("read", error)),
    };
    let server =
        ControlPlane::start_with(&binaries_of(minor)?, &["--runtime-config=api/all=true"])?;
    let facts = facts::read(&server)?;
    if facts.minor != minor {
        return Err(format!("this server is of Kubernetes 1.{}, not 1.{minor}", facts.minor));
    }
    table.replace(facts);
    std::fs::write(&path, table.to_string()).map_err(|error| cannot("write", error))?;
    Ok(format!("{} now says what Kubernetes 1.{minor} does", path.display()))
}
