//! What an edit costs while everything else is known: the time an editor waits.
//!
//! ```text
//! cargo run --release -p plumb-benches --bin edits -- --requests 100 --requests 1000
//! ```
//!
//! Each edit makes a mistake, and is then taken back. Both are checked: so many findings, then none.

use clap::Parser;
use plumb_benches::{measure, workload};
use plumb_compiler::answers::Finding;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, check, check_only};
use salsa::Setter;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Times what an edit of a large workspace costs
#[derive(Parser)]
struct Arguments {
    /// How many requests; may be given several times
    #[arg(long, value_name = "N", default_values_t = [100, 1000, 10000])]
    requests: Vec<usize>,

    /// How often each edit is made; the least processor time counts
    #[arg(long, value_name = "R", default_value_t = 5)]
    runs: usize,
}

/// A change of one file.
struct Edit {
    what: &'static str,
    path: &'static str,
    from: &'static str,
    /// What makes a mistake of it.
    to: &'static str,
    /// How many findings the mistake is among so many requests.
    findings: fn(usize) -> usize,
}

const EDITS: [Edit; 3] = [
    Edit {
        what: "an overlay",
        path: "apps/team-000/apps.plumb",
        from: "    replicas = 6\n",
        to: "    replicas = 600\n",
        findings: |_| 1,
    },
    Edit {
        what: "a request",
        path: "apps/team-000/apps.plumb",
        from: "    port = 8004\n",
        to: "    port = 80040\n",
        findings: |_| 1,
    },
    Edit {
        what: "the schema",
        path: "platform/app.plumb",
        from: "Int where it in 1..=100",
        to: "Int where it in 1..=5",
        // Every fifth request has six pods in prod.
        findings: |requests| requests / 5,
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("Processor time of `check`; of the file alone that is changed; of all.\n");
    println!(
        "| requests | cold | nothing changed | an overlay: its file | all | a request: its file | all | the schema |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for count in &arguments.requests {
        match times(*count, arguments.runs) {
            Ok(times) => {
                let cells: Vec<String> = times.iter().map(|it| milliseconds(*it)).collect();
                println!("| {count} | {} |", cells.join(" | "));
            }
            Err(message) => {
                eprintln!("edits: with {count} requests, {message}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Cold, with nothing changed, and after each of [`EDITS`].
fn times(count: usize, runs: usize) -> Result<Vec<Duration>, String> {
    let mut db = Database::default();
    let files: BTreeMap<Name, SourceFile> = workload::files(count)
        .into_iter()
        .filter(|(path, _)| path.ends_with(".plumb"))
        .map(|(path, text)| {
            let path = Name::from(path);
            (path.clone(), SourceFile::new(&db, path, Content::Text(text.into())))
        })
        .collect();
    let workspace = Workspace::new(&db, Arc::new(files.clone()), workload::KUBERNETES);

    let all = || check(&db, workspace);
    let mut times = vec![timed("cold", 0, all)?];
    let mut least = Duration::MAX;
    for _ in 0..runs {
        least = least.min(timed("with nothing changed", 0, all)?);
    }
    times.push(least);
    for Edit { what, path, from, to, findings } in EDITS {
        let file = *files.get(path).ok_or_else(|| format!("there is no {path}"))?;
        let Content::Text(sound) = file.content(&db).clone() else {
            return Err(format!("{path} has no text"));
        };
        let broken: Arc<str> = sound.replacen(from, to, 1).into();
        // Of the schema all requests are what it concerns.
        let is_local = path.starts_with("apps/");
        let (mut in_file, mut in_all) = (Duration::MAX, Duration::MAX);
        for _ in 0..runs {
            for (text, found) in [(&broken, findings(count)), (&sound, 0)] {
                file.set_content(&mut db).to(Content::Text(text.clone()));
                if is_local {
                    let only = || check_only(&db, workspace, |it| it == path);
                    in_file = in_file.min(timed(what, found, only)?);
                }
                in_all = in_all.min(timed(what, found, || check(&db, workspace))?);
            }
        }
        times.extend(is_local.then_some(in_file));
        times.push(in_all);
    }
    Ok(times)
}

/// Checks, and is content only with so many findings.
fn timed(
    what: &str,
    findings: usize,
    check: impl Fn() -> Vec<Finding>,
) -> Result<Duration, String> {
    let before = measure::used().map_err(|error| error.to_string())?;
    let found = check();
    let after = measure::used().map_err(|error| error.to_string())?;
    match found.len() == findings {
        true => Ok(after - before),
        false => Err(format!("{what}: {} findings; there should be {findings}", found.len())),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
