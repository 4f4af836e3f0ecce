//! Plumb beside other tools, on the same work, in the same run:
//!
//! ```text
//! PLUMB_PEERS=DIR cargo run --release -p plumb-benches --bin peers -- --requests 100 --requests 1000
//! ```
//!
//! Each builds the objects of all requests in all three environments from text. First what it prints
//! is compared to what Plumb prints, then it is timed. A peer that is absent is named, with how to
//! install it. What counts is the processor time, the least of the runs: the wall time of a machine
//! that does other things too says little.

use clap::Parser;
use plumb_benches::measure::{self, Cost, Limits};
use plumb_benches::objects::{self, Format, Objects};
use plumb_benches::peers::{DIRECTORY, PEERS, Peer, built_plumb};
use plumb_benches::requests::{ENVIRONMENTS, Request, requests};
use plumb_benches::{printing, workload};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io};

/// Compares Plumb to other tools on the same work
#[derive(Parser)]
struct Arguments {
    /// How many requests; may be given several times
    #[arg(long, value_name = "N", default_values_t = [100, 1000])]
    requests: Vec<usize>,

    /// How often each is timed; the least processor time counts
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Only those peers whose name has this in it
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Seconds of processor time after which a tool is stopped
    #[arg(long, value_name = "S", default_value_t = 120)]
    seconds: u64,

    /// GiB of memory that a tool may fill
    #[arg(long, value_name = "GIB", default_value_t = 8)]
    memory: u64,
}

fn main() -> ExitCode {
    if let Some(code) = measure::helper() {
        return code;
    }
    match compare(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("peers: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A peer that is there.
struct Present {
    peer: &'static Peer,
    program: PathBuf,
    version: String,
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    let plumb = built_plumb()?;
    let chosen = PEERS.iter().filter(|peer| {
        let name = peer.name.to_lowercase();
        arguments.only.as_ref().is_none_or(|it| name.contains(&it.to_lowercase()))
    });
    let (mut present, mut absent) = (Vec::new(), BTreeSet::new());
    for peer in chosen {
        match peer.find() {
            Some((program, version)) => present.push(Present { peer, program, version }),
            None => _ = absent.insert((peer.name, peer.install)),
        }
    }
    let limits = Limits { seconds: arguments.seconds, memory: arguments.memory << 30 };
    // Who was stopped is not asked again for more.
    let mut stopped = BTreeSet::new();
    for count in &arguments.requests {
        compare_at(*count, &plumb, &present, arguments.runs, limits, &mut stopped)?;
    }
    for (name, install) in absent {
        println!("{name} is absent. To install it below `{DIRECTORY}`: `{install}`");
    }
    Ok(())
}

fn compare_at(
    count: usize,
    plumb: &Path,
    present: &[Present],
    runs: u32,
    limits: Limits,
    stopped: &mut BTreeSet<&'static [&'static str]>,
) -> Result<(), String> {
    let requests: Vec<Request> = requests(count).collect();
    let folder = tempfile::tempdir().map_err(told)?;
    let directory = folder.path().join("plumb");
    workload::write(&directory, count).map_err(told)?;
    let timed = |format: &str| {
        let arguments = ["build", "--all-envs", "--output", format];
        timed(&directory, plumb, &arguments, runs, limits)
    };

    let (yaml, expected) = timed("yaml")?.checked("Plumb", Format::Yaml)?;
    let (json, same) = timed("json")?.checked("Plumb", Format::Json)?;
    equal("Plumb, JSON", &expected, &same)?;
    // Every third request has an Ingress beside the other three objects.
    let objects = (3 * count + count.div_ceil(3)) * ENVIRONMENTS.len();
    if expected.len() != objects {
        return Err(format!("Plumb makes {} objects; it should make {objects}", expected.len()));
    }
    let (floor, printed) = printing::cost(&directory, runs as usize).map_err(told)?;
    equal("only printing", &expected, &objects::read(&printed, Format::Yaml)?)?;
    drop((printed, same));

    println!("\n{count} requests, {} environments, {objects} objects\n", ENVIRONMENTS.len());
    println!("| tool | prints | CPU | × Plumb | wall | × Plumb | peak memory | × Plumb |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    row("Plumb", Format::Yaml, yaml, yaml);
    row("Plumb", Format::Json, json, json);
    println!(
        "| only printing Plumb's finished objects | YAML | {} | {} | | | | |",
        seconds(floor),
        ratio(floor.as_secs_f64(), yaml.cpu.as_secs_f64()),
    );
    for Present { peer, program, version } in present {
        let name = format!("{} {version}", peer.name);
        if stopped.contains(peer.arguments) {
            println!("| {name} | {} | not asked: it was stopped before |", label(peer.format));
            continue;
        }
        let directory = folder.path().join(peer.name);
        fs::create_dir_all(&directory).map_err(told)?;
        for (file, text) in (peer.program)(&requests) {
            fs::write(directory.join(file), text).map_err(told)?;
        }
        let ran = self::timed(&directory, program, peer.arguments, runs, limits)?;
        if !ran.cost.success {
            stopped.insert(peer.arguments);
            println!("| {name} | {} | {} |", label(peer.format), ran.reason(limits));
            continue;
        }
        let (cost, found) = ran.checked(&name, peer.format)?;
        equal(&name, &expected, &found)?;
        row(&name, peer.format, cost, if peer.format == Format::Yaml { yaml } else { json });
    }
    println!();
    Ok(())
}

/// What came of running a program some times.
struct Ran {
    /// Of the run with the least processor time.
    cost: Cost,
    directory: PathBuf,
}

fn timed(
    directory: &Path,
    program: &Path,
    arguments: &[&str],
    runs: u32,
    limits: Limits,
) -> Result<Ran, String> {
    let mut best: Option<Cost> = None;
    for _ in 0..runs {
        let cost = measure::run(directory, program, arguments, limits).map_err(told)?;
        if best.is_none_or(|best| cost.cpu < best.cpu || !cost.success) {
            best = Some(cost);
        }
        if !cost.success {
            break;
        }
    }
    let cost = best.ok_or("nothing was run")?;
    Ok(Ran { cost, directory: directory.to_owned() })
}

impl Ran {
    /// The cost, and the objects that were printed.
    fn checked(self, name: &str, format: Format) -> Result<(Cost, Objects), String> {
        if !self.cost.success {
            return Err(format!("{name} fails: {}", self.said()));
        }
        let text = fs::read_to_string(self.directory.join("stdout")).map_err(told)?;
        Ok((self.cost, objects::read(&text, format).map_err(|it| format!("{name}: {it}"))?))
    }

    /// Why there is no result.
    fn reason(&self, limits: Limits) -> String {
        if self.cost.cpu.as_secs() >= limits.seconds {
            return format!("stopped after {} s of CPU", limits.seconds);
        }
        format!("failed: {}", self.said())
    }

    /// The first line of what it said of its failure.
    fn said(&self) -> String {
        let said = fs::read_to_string(self.directory.join("stderr")).unwrap_or_default();
        said.lines().next().unwrap_or("without a word").to_owned()
    }
}

fn equal(name: &str, expected: &Objects, found: &Objects) -> Result<(), String> {
    match objects::difference(expected, found) {
        None => Ok(()),
        Some(difference) => Err(format!("{name} does not say the same as Plumb: {difference}")),
    }
}

fn row(name: &str, format: Format, cost: Cost, plumb: Cost) {
    let mebibytes = cost.memory >> 20;
    println!(
        "| {name} | {} | {} | {} | {} | {} | {mebibytes} MiB | {} |",
        label(format),
        seconds(cost.cpu),
        ratio(cost.cpu.as_secs_f64(), plumb.cpu.as_secs_f64()),
        seconds(cost.wall),
        ratio(cost.wall.as_secs_f64(), plumb.wall.as_secs_f64()),
        ratio(cost.memory as f64, plumb.memory as f64),
    );
}

fn label(format: Format) -> &'static str {
    match format {
        Format::Yaml => "YAML",
        Format::Json => "JSON",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn ratio(value: f64, of: f64) -> String {
    format!("{:.2}", value / of)
}

fn told(error: io::Error) -> String {
    error.to_string()
}
