//! How long an editor waits for `plumb lsp`, over standard input and output, as an editor asks.
//!
//! ```text
//! PLUMB_PEERS=DIR cargo run --release -p plumb-benches --bin editor -- --requests 100 --requests 1000
//! ```
//!
//! Before each question something is typed, so that no answer is one that was known. Every answer is checked.
//! Beside it, yaml-language-server on the YAML of the same requests: `npm install --prefix DIR/npm
//! yaml-language-server@1.25.0` puts it where it is looked for. It has no schema, so it knows less.
//!
//! Where there is valgrind, instructions are counted too: those of many questions less those of few, a
//! question each.

use clap::Parser;
use plumb_benches::measure::Process;
use plumb_benches::{peers, workload};
use plumb_tests::editor::Client;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Times the answers of the language server
#[derive(Parser)]
struct Arguments {
    /// How many requests; may be given several times
    #[arg(long, value_name = "N", default_values_t = [100, 1000, 10000])]
    requests: Vec<usize>,

    /// How often each question is asked
    #[arg(long, value_name = "R", default_value_t = 200)]
    rounds: usize,

    /// Count instructions with valgrind, which takes minutes
    #[arg(long)]
    instructions: bool,
}

/// The package that is edited.
const PATH: &str = "apps/team-001/apps.plumb";

/// A question and what its answer must be.
struct Question {
    what: &'static str,
    method: &'static str,
    /// The parameters, by the document and the place of the line that is typed in.
    params: fn(document: &Json, line: usize) -> Json,
    /// Whether an answer is the right one, of the port that was typed.
    is_right: fn(answer: &Json, port: usize) -> bool,
}

const QUESTIONS: [Question; 7] = [
    Question {
        what: "hover",
        method: "textDocument/hover",
        params: |document, line| at(document, line, 6),
        is_right: |answer, port| {
            let text = answer["contents"]["value"].as_str().unwrap_or_default();
            text.matches(&format!("`{port}`")).count() == 3
        },
    },
    Question {
        what: "completion",
        method: "textDocument/completion",
        params: |document, line| at(document, line, 6),
        is_right: |answer, _| {
            let items = answer["items"].as_array();
            items.is_some_and(|it| it.iter().any(|it| it["label"] == "port"))
        },
    },
    Question {
        what: "diagnostics",
        method: "textDocument/diagnostic",
        params: |document, _| json!({ "textDocument": document }),
        is_right: |answer, _| answer["items"].as_array().is_some_and(Vec::is_empty),
    },
    Question {
        what: "inlay hints",
        method: "textDocument/inlayHint",
        params: |document, _| {
            json!({
                "textDocument": document,
                "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 60, "character": 0 } },
            })
        },
        is_right: |answer, _| answer.as_array().is_some_and(|it| !it.is_empty()),
    },
    Question {
        what: "definition",
        method: "textDocument/definition",
        params: |document, line| at(document, line, 6),
        is_right: |answer, _| answer.to_string().contains("platform/app.plumb"),
    },
    Question {
        what: "rename of a request",
        method: "textDocument/rename",
        // Two lines above is the line that declares it.
        params: |document, line| {
            let mut params = at(document, line - 3, 12);
            params["newName"] = json!("renamed");
            params
        },
        is_right: |answer, _| answer.to_string().matches("\"renamed\"").count() >= 2,
    },
    Question {
        what: "preview",
        method: "plumb/preview",
        params: |document, line| {
            let mut params = at(document, line, 6);
            params["environment"] = json!("prod");
            params
        },
        is_right: |answer, port| {
            answer["text"]
                .as_str()
                .is_some_and(|it| it.contains(&format!("containerPort: {port}\n")))
        },
    },
];

fn at(document: &Json, line: usize, character: usize) -> Json {
    json!({ "textDocument": document, "position": { "line": line, "character": character } })
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let plumb = peers::built_plumb()?;
    for count in &arguments.requests {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = folder.path().join("workspace");
        workload::write(&root, *count).map_err(|error| error.to_string())?;
        println!("\n{count} requests, 3 environments\n");
        let mut program = Command::new(&plumb);
        program.arg("lsp");
        serve(&mut program, &root, arguments)?;
        if arguments.instructions {
            instructions(&plumb, &root)?;
        }
        beside(&plumb, folder.path(), &root, arguments)?;
    }
    Ok(())
}

/// A document in which the port of its first request is typed again and again.
struct Typed {
    client: Client,
    path: String,
    /// Where the digits stand.
    line: usize,
    column: usize,
    port: usize,
}

impl Typed {
    fn new(client: Client, root: &Path, path: &str, before: &str) -> Result<Self, String> {
        let text =
            fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        let found = text.lines().enumerate().find_map(|(line, it)| Some((line, it.find(before)?)));
        let (line, column) = found.ok_or_else(|| format!("no `{before}` in {path}"))?;
        let mut typed = Typed {
            client,
            path: path.to_owned(),
            line,
            column: column + before.len(),
            port: 8000,
        };
        typed.client.open(path, &text);
        Ok(typed)
    }

    fn document(&self) -> Json {
        json!({ "uri": self.client.uri(&self.path) })
    }

    /// Types another port over the one that is there, of four digits too.
    fn type_port(&mut self, port: usize) {
        let range = json!({
            "start": { "line": self.line, "character": self.column },
            "end": { "line": self.line, "character": self.column + 4 },
        });
        self.port = port;
        self.client.change(&self.path, json!([{ "range": range, "text": port.to_string() }]));
    }

    fn ask(&mut self, question: &Question) -> Result<Json, String> {
        let params = (question.params)(&self.document(), self.line);
        let answer = self.client.try_ask(question.method, params);
        let answer = answer.map_err(|error| format!("{}: {error}", question.what))?;
        match (question.is_right)(&answer, self.port) {
            true => Ok(answer),
            false => Err(format!("{}: a wrong answer: {answer}", question.what)),
        }
    }
}

fn serve(program: &mut Command, root: &Path, arguments: &Arguments) -> Result<(), String> {
    let start = Instant::now();
    let capabilities = json!({ "textDocument": { "diagnostic": {} } });
    let client = Client::start(program, root, capabilities, json!({}));
    let mut typed = Typed::new(client, root, PATH, "    port = ")?;
    let text = fs::read_to_string(root.join(PATH)).map_err(|error| error.to_string())?;
    let digits = text.lines().nth(typed.line).and_then(|it| it.get(typed.column..));
    typed.port = digits.and_then(|it| it.trim().parse().ok()).unwrap_or_default();
    typed.ask(&QUESTIONS[0])?;
    let first = start.elapsed();
    typed.client.notified("plumb/environmentsChanged", |_| true);
    let all = start.elapsed();
    let loaded = memory(typed.client.process());
    println!("| after an edit | p50 | p99 | longest |");
    println!("|---|--:|--:|--:|");
    for question in &QUESTIONS {
        let mut times = Vec::new();
        for round in 0..arguments.rounds {
            typed.type_port(8000 + round % 1000);
            let start = Instant::now();
            typed.ask(question)?;
            times.push(start.elapsed());
        }
        row(question.what, times);
    }
    println!();
    println!(
        "First answer after the start: {} ms. Everything checked: {} ms. Memory: {loaded} MiB then, {} MiB in the end.",
        first.as_millis(),
        all.as_millis(),
        memory(typed.client.process()),
    );
    Ok(())
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let of = |part: f64| {
        let index = ((times.len() as f64 * part) as usize).min(times.len() - 1);
        times[index].as_secs_f64() * 1000.0
    };
    println!("| {what} | {:.1} ms | {:.1} ms | {:.1} ms |", of(0.5), of(0.99), of(1.0));
}

/// The memory of a process, in MiB.
fn memory(process: u32) -> u64 {
    Process::of(process).map_or(0, |it| it.memory >> 20)
}

/// The instructions that a question takes with the edit before it: so many questions less few.
fn instructions(plumb: &Path, root: &Path) -> Result<(), String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\nvalgrind is absent: no instructions.");
        return Ok(());
    }
    println!("\n| after an edit | instructions |\n|---|--:|");
    for question in &QUESTIONS {
        let few = counted(plumb, root, question, 5)?;
        let many = counted(plumb, root, question, 25)?;
        println!("| {} | {:.1} M |", question.what, many.saturating_sub(few) as f64 / 20.0 / 1e6);
    }
    Ok(())
}

fn counted(plumb: &Path, root: &Path, question: &Question, rounds: usize) -> Result<u64, String> {
    let out = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut program = Command::new("valgrind");
    program
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.path().display()))
        .arg(plumb)
        .arg("lsp");
    let capabilities = json!({ "textDocument": { "diagnostic": {} } });
    let client = Client::start(&mut program, root, capabilities, json!({}));
    let mut typed = Typed::new(client, root, PATH, "    port = ")?;
    typed.client.notified("plumb/environmentsChanged", |_| true);
    for round in 0..rounds {
        typed.type_port(8000 + round);
        typed.ask(question)?;
    }
    // What is done after a pause belongs to both counts.
    thread::sleep(Duration::from_millis(600));
    if !typed.client.stop() {
        return Err("the server does not end well".to_owned());
    }
    let text = fs::read_to_string(out.path()).map_err(|error| error.to_string())?;
    let total = text.lines().find_map(|it| it.strip_prefix("totals: "));
    total.and_then(|it| it.trim().parse().ok()).ok_or_else(|| "no count".to_owned())
}

/// yaml-language-server on the manifests of the same requests, a file a package as people keep them.
fn beside(plumb: &Path, folder: &Path, root: &Path, arguments: &Arguments) -> Result<(), String> {
    let place = std::env::var_os("PLUMB_PEERS").map(PathBuf::from).unwrap_or_default();
    let server = place.join("npm/node_modules/.bin/yaml-language-server");
    if !server.exists() {
        println!(
            "\nyaml-language-server is absent. To install it below `PLUMB_PEERS`: \
             `npm install --prefix DIR/npm yaml-language-server@1.25.0`"
        );
        return Ok(());
    }
    let yaml = folder.join("yaml");
    let package = Path::new(PATH).parent().expect("it is in a directory");
    fs::create_dir_all(yaml.join(package)).map_err(|error| error.to_string())?;
    let output = Command::new(plumb)
        .args(["build", "--env", "prod"])
        .arg(root.join(package))
        .output()
        .map_err(|error| error.to_string())?;
    let path = package.join("apps.yaml");
    fs::write(yaml.join(&path), &output.stdout).map_err(|error| error.to_string())?;
    let start = Instant::now();
    let mut program = Command::new(&server);
    program.arg("--stdio");
    let client = Client::start(&mut program, &yaml, json!({}), json!({}));
    let path = path.to_string_lossy().into_owned();
    let mut typed = Typed::new(client, &yaml, &path, "containerPort: ")?;
    let symbols = json!({ "textDocument": typed.document() });
    typed.client.ask("textDocument/documentSymbol", symbols);
    println!("\nyaml-language-server on the YAML of the same 20 requests in prod:\n");
    println!("| after an edit | p50 | p99 | longest |");
    println!("|---|--:|--:|--:|");
    let first = start.elapsed();
    for (what, method) in
        [("hover", "textDocument/hover"), ("completion", "textDocument/completion")]
    {
        let mut times = Vec::new();
        for round in 0..arguments.rounds {
            typed.type_port(8000 + round % 1000);
            let params = at(&typed.document(), typed.line, typed.column);
            let start = Instant::now();
            typed.client.try_ask(method, params).map_err(|error| format!("{what}: {error}"))?;
            times.push(start.elapsed());
        }
        row(what, times);
    }
    let mut times = Vec::new();
    for round in 0..arguments.rounds.min(50) {
        typed.client.listen(Duration::from_millis(1));
        typed.client.notifications.clear();
        typed.type_port(8000 + round);
        let start = Instant::now();
        typed.client.notified("textDocument/publishDiagnostics", |_| true);
        times.push(start.elapsed());
    }
    row("diagnostics", times);
    println!(
        "\nFirst answer after the start: {} ms. Memory: {} MiB.",
        first.as_millis(),
        memory(typed.client.process())
    );
    Ok(())
}
