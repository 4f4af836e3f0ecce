//! Writes the benchmark's workspace into a directory: `workload 1000 /tmp/n1000`.

use plumb_benches::workload;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(count), Some(directory)) =
        (arguments.first().and_then(|it| it.parse().ok()), arguments.get(1))
    else {
        eprintln!("usage: workload REQUESTS DIRECTORY");
        return ExitCode::from(2);
    };
    match workload::write(Path::new(directory), count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workload: {directory}: {error}");
            ExitCode::from(2)
        }
    }
}
