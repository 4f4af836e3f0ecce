//! What a program costs: processor time, wall time, peak memory.
//!
//! The system counts what children cost that were waited for, all of them together, and a child
//! begins with the peak memory of who started it. So each program is started by a fresh process that
//! does nothing else: this program itself, called with [`HELPER`].

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use serde_json::json;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The first argument that makes a program the helper, see [`helper`].
pub const HELPER: &str = "--measured";

/// How much a program may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seconds of processor time.
    pub seconds: u64,
    /// Bytes of data in memory.
    pub memory: u64,
}

/// What a program used.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time, the program's and the system's for it.
    pub cpu: Duration,
    /// From its start to its end.
    pub wall: Duration,
    /// At its peak, in bytes.
    pub memory: u64,
    /// Whether it ended well.
    pub success: bool,
}

/// Runs a program in a directory. What it prints goes into the files `stdout` and `stderr` there.
pub fn run(
    directory: &Path,
    program: &Path,
    arguments: &[&str],
    limits: Limits,
) -> io::Result<Cost> {
    let output = Command::new(std::env::current_exe()?)
        .args([HELPER, &limits.seconds.to_string(), &limits.memory.to_string()])
        .arg(program)
        .args(arguments)
        .current_dir(directory)
        .stderr(Stdio::inherit())
        .output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
    let number = |name: &str| said[name].as_u64().unwrap_or_default();
    Ok(Cost {
        cpu: Duration::from_micros(number("cpu")),
        wall: Duration::from_micros(number("wall")),
        memory: number("memory"),
        success: said["success"] == true,
    })
}

/// What a program does first whose costs or others' are measured by [`run`]: if it was started to
/// be the helper, it is that, and nothing else.
pub fn helper() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [word, seconds, memory, program, arguments @ ..] = arguments.as_slice() else {
        return None;
    };
    if word != HELPER {
        return None;
    }
    let limits = Limits { seconds: seconds.parse().ok()?, memory: memory.parse().ok()? };
    match help(program, arguments, limits) {
        Ok(said) => {
            println!("{said}");
            Some(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{program}: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}

fn help(program: &str, arguments: &[String], limits: Limits) -> io::Result<serde_json::Value> {
    setrlimit(Resource::RLIMIT_CPU, limits.seconds, limits.seconds)?;
    setrlimit(Resource::RLIMIT_DATA, limits.memory, limits.memory)?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create("stdout")?)
        .stderr(File::create("stderr")?)
        .status()?;
    let wall = start.elapsed();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = used.user_time() + used.system_time();
    // The system counts in KiB.
    let memory = used.max_rss() * 1024;
    Ok(json!({
        "cpu": cpu.num_microseconds(),
        "wall": wall.as_micros() as u64,
        "memory": memory,
        "success": status.success(),
    }))
}

/// The processor time that this process has used.
pub fn used() -> io::Result<Duration> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    let cpu = used.user_time() + used.system_time();
    Ok(Duration::from_micros(cpu.num_microseconds().unsigned_abs()))
}

/// What a process that runs has used, and uses.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Processor time, the program's and the system's for it.
    pub cpu: Duration,
    /// Now, in bytes.
    pub memory: u64,
    /// At its peak, in bytes.
    pub peak: u64,
}

impl Process {
    /// By its id.
    ///
    /// # Errors
    ///
    /// When it does not run, or this is no Linux.
    pub fn of(process: u32) -> Result<Self, String> {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
        };
        let (status, stat) = (read("status")?, read("stat")?);
        let kibibytes = |name: &str| {
            let line = status.lines().find_map(|it| it.strip_prefix(name));
            let number =
                line.and_then(|it| it.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
            number.unwrap_or_default()
        };
        // The name of the program stands in brackets, whatever it holds. Then the times are the 12th and 13th, in
        // hundredths of a second.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let hundredths: u64 = fields.skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
        Ok(Process {
            cpu: Duration::from_millis(hundredths * 10),
            memory: kibibytes("VmRSS:") * 1024,
            peak: kibibytes("VmHWM:") * 1024,
        })
    }
}
