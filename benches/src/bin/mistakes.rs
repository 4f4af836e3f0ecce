//! What other languages print for the mistakes of `docs/errors.md`, each made in an equivalent
//! program of theirs:
//!
//! ```text
//! PLUMB_PEERS=DIR cargo run -p plumb-benches --bin mistakes
//! ```
//!
//! The programs are in `mistakes/`, a folder a language; the page is written from this by hand.

use plumb_benches::peers::{DIRECTORY, PEERS};
use std::path::Path;
use std::process::{Command, ExitCode};

/// What stands for the program's file in the arguments.
const FILE: &str = "FILE";

/// The peer, the ending of its files, and how it checks a file.
const LANGUAGES: [(&str, &str, &[&str]); 4] = [
    ("CUE", "cue", &["vet", "-c", "platform.cue", FILE]),
    ("KCL", "k", &["../../peers/run_kcl.py", FILE]),
    ("Pkl", "pkl", &["eval", "-f", "yaml", FILE]),
    ("Nickel", "ncl", &["../../peers/run_nickel.py", FILE]),
];

/// A program without a mistake: what refuses it does not understand the others either.
const SOUND: &str = "sound";

const MISTAKES: [&str; 10] = [
    "misspelt-field",
    "wrong-type",
    "out-of-range",
    "missing-required",
    "bad-enum-value",
    "unknown-environment",
    "two-overlays",
    "final-overridden",
    "circle",
    "unclosed-brace",
];

/// Longer is no message any more.
const LINES: usize = 40;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (name, ending, arguments) in LANGUAGES {
        let peer = PEERS.iter().find(|peer| peer.name == name).expect("it is one of the peers");
        let Some((program, version)) = peer.find() else {
            println!("{name} is absent. To install it below `{DIRECTORY}`: `{}`\n", peer.install);
            continue;
        };
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("mistakes").join(name.to_lowercase());
        let refuses = |mistake: &str| {
            let file = format!("{mistake}.{ending}");
            let arguments = arguments.iter().map(|it| if *it == FILE { &file } else { *it });
            let output = Command::new(&program).args(arguments).current_dir(&folder).output();
            match output {
                Ok(output) if output.status.success() => None,
                Ok(output) => Some(plain(&String::from_utf8_lossy(&output.stderr))),
                Err(error) => Some(error.to_string()),
            }
        };
        if let Some(said) = refuses(SOUND) {
            println!("{name} {version} refuses the program without a mistake:\n{said}");
            code = ExitCode::FAILURE;
            continue;
        }
        for mistake in MISTAKES {
            println!("=== {mistake}, {name} {version}\n");
            let said = refuses(mistake).unwrap_or_else(|| "(no error)".to_owned());
            let lines: Vec<&str> = said.trim_matches('\n').lines().collect();
            println!("{}", lines[..lines.len().min(LINES)].join("\n"));
            if lines.len() > LINES {
                println!("… and {} more lines", lines.len() - LINES);
            }
            println!();
        }
    }
    code
}

/// A text without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}
