//! Tasks of the project's own: `cargo run -p xtask -- TASK`.

use std::path::Path;
use std::process::ExitCode;

use plumb_tests::cluster::{ControlPlane, binaries};
use plumb_tests::facts::{self, Table};

const USAGE: &str = "\
usage: cargo run -p xtask -- TASK

kubernetes-facts   read the facts of one minor version off a real API server into kubernetes/facts.tsv.
                   The version is the one that tests/cluster/go.mod pins. For another, let
                   KUBEBUILDER_ASSETS name a folder with its etcd and kube-apiserver: its facts join
                   those of the versions that are there.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["kubernetes-facts"] => kubernetes_facts(),
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

fn kubernetes_facts() -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("kubernetes").join("facts.tsv");
    let cannot =
        |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", path.display());
    let mut table = match std::fs::read_to_string(&path) {
        Ok(text) => Table::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Table::default(),
        Err(error) => return Err(cannot("read", error)),
    };
    let server = ControlPlane::start_with(&binaries()?, &["--runtime-config=api/all=true"])?;
    let facts = facts::read(&server)?;
    let minor = facts.minor;
    table.replace(facts);
    std::fs::write(&path, table.to_string()).map_err(|error| cannot("write", error))?;
    Ok(format!("{} now says what Kubernetes 1.{minor} does", path.display()))
}
