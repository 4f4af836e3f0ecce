//! The program `plumb`: arguments in, text out.
//!
//! ```text
//! args       what can be said on the command line, and its help
//!   -> commands   one function each: load, ask the engine, print; the exit code
//!   -> human      findings with the lines they speak of
//!   -> chain      the answer of `why` as a table
//!   -> machine    the same answers as JSON
//!   -> diff       what two commits make, compared
//!   -> apply      a cluster becomes what an environment should be
//!   -> drift      where a cluster is not as it was applied
//!   -> rbac       what whoever applies must be allowed to do
//!   -> cluster    what the commands that speak of a cluster have in common
//!   -> annotations  findings for reviews: GitHub, SARIF
//!   -> explain    the pages of the diagnostics
//!   -> files      manifests as files of a directory
//!   -> fmt        files in the one style
//!   -> init       a workspace to begin with
//!   -> terminal   colours, progress, and what happens when nobody reads
//! ```
//!
//! Nothing here knows what a finding means. Writing can fail anywhere (a closed pipe, a full disk),
//! so nothing here prints with macros that panic.

mod annotations;
mod apply;
mod args;
mod chain;
mod cluster;
mod commands;
mod diff;
mod drift;
mod explain;
mod files;
mod fmt;
mod human;
mod init;
mod machine;
mod rbac;
mod terminal;

use clap::Parser;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// All work is done on threads, for which the C library's allocator asks the kernel page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of the thread that does the work, in bytes. Nesting is limited everywhere, but the main
/// thread has only 1 MiB on some systems, and what is not touched costs nothing.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        // A closed stderr must not turn one panic into two.
        let _ = std::io::stderr().write_all(bug_report(info).as_bytes());
    }));
    guarded(|| commands::run(args::Cli::parse()))
}

/// Runs the program; a panic in it, of which the hook has spoken already, is exit code 2.
fn guarded(program: impl FnOnce() -> ExitCode + Send + 'static) -> ExitCode {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(program);
    match thread.map(|thread| thread.join()) {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => ExitCode::from(commands::COULD_NOT_RUN),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "plumb: cannot start a thread: {error}");
            ExitCode::from(commands::COULD_NOT_RUN)
        }
    }
}

/// What a user is told when Plumb itself is wrong.
fn bug_report(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(|place| format!(" ({place})")).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let mut report = format!(
        "\nplumb: this is a mistake in Plumb, not in your files. Nothing after this point was done.\n\
         plumb: please report it with these lines and, if you can, the files that show it:\n\
         plumb:   {what}{place}, plumb {version}\n"
    );
    let backtrace = std::backtrace::Backtrace::capture();
    match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => report.push_str(&backtrace.to_string()),
        _ => report.push_str("plumb: RUST_BACKTRACE=1 adds where it came from.\n"),
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_panic_asks_for_a_report_and_is_exit_code_2() {
        let said = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&said);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| *hears.lock().unwrap() = bug_report(info)));
        let code = guarded(|| panic!("layer {} is not there", 7));
        std::panic::set_hook(usual);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
        let said = said.lock().unwrap();
        assert!(said.contains("please report it"), "{said}");
        assert!(said.contains("layer 7 is not there (cli/src/main.rs:"), "{said}");
    }

    #[test]
    fn without_a_panic_the_code_of_the_program_is_the_code() {
        let code = guarded(|| ExitCode::from(1));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
    }
}
