//! Findings on their way to the editor: of what a change concerns at once, of everything after a pause.

use super::handlers::Abilities;
use super::owner::{Owner, Snapshot};
use plumb_compiler::answers::Finding;
use plumb_compiler::batch::{Batch, Extent, Form, Maker, Turn};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::plan::Notation;
use plumb_compiler::source::SourceFile;
use plumb_compiler::syntax::ast::{Name, TextRange};
use plumb_compiler::{check_only, environments};
use salsa::Cancelled;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tower_lsp_server::Client;
use tower_lsp_server::ls_types::*;

/// The pause after which the whole workspace is checked, and after which a line counts as written: until then
/// nobody is told what is wrong with it. Long enough that typing goes undisturbed, short
/// enough that who stops to look sees all. Picked without measurement.
pub(crate) const PAUSE: Duration = Duration::from_millis(300);

/// Tells the client what is wrong, whenever something changed.
#[derive(Debug)]
pub(crate) struct Publisher {
    changed: Arc<Notify>,
}

impl Publisher {
    /// Starts the task, which lives as long as the runtime.
    pub(crate) fn start(client: Client, owner: Owner, abilities: Arc<Abilities>) -> Self {
        let changed = Arc::new(Notify::new());
        tokio::spawn(run(client, owner, abilities, changed.clone()));
        Publisher { changed }
    }

    /// Something changed.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }
}

/// What was told last, by address.
type Told = BTreeMap<String, Known>;

/// What is wrong with a file, and which version of it where the client holds it.
#[derive(Default)]
struct Known {
    version: Option<i32>,
    diagnostics: Vec<Diagnostic>,
}

async fn run(client: Client, owner: Owner, abilities: Arc<Abilities>, changed: Arc<Notify>) {
    let mut told = Told::new();
    let mut names: Vec<String> = Vec::new();
    loop {
        changed.notified().await;
        loop {
            // At once what is in view, where the client does not ask for it itself.
            tell_in_view(&client, &owner, &abilities, &mut told).await;
            // Then, when nothing more comes, also what is wrong with the line that was typed.
            if tokio::time::timeout(PAUSE, changed.notified()).await.is_err() {
                break;
            }
        }
        tell_in_view(&client, &owner, &abilities, &mut told).await;
        if abilities.pulls {
            let client = client.clone();
            tokio::spawn(async move { client.workspace_diagnostic_refresh().await });
        }
        let all = on_snapshots(&owner, &abilities, everything);
        match all.await {
            Ok(Some((found, environments))) => {
                publish(&client, &mut told, found, true).await;
                if environments != names {
                    names = environments;
                    client
                        .send_notification::<EnvironmentsChanged>(EnvironmentNames {
                            environments: names.clone(),
                        })
                        .await;
                }
            }
            // An edit came in between: it has said so.
            Ok(None) => changed.notify_one(),
            // What was told stays; once more it would go wrong again.
            Err(panic) => {
                let what = format!("this is a mistake in Plumb, please report it: {panic}");
                client.log_message(MessageType::ERROR, what).await;
            }
        }
    }
}

async fn tell_in_view(client: &Client, owner: &Owner, abilities: &Arc<Abilities>, told: &mut Told) {
    if !abilities.pulls
        && let Ok(Some(found)) = on_snapshots(owner, abilities, in_view).await
    {
        publish(client, told, found, false).await;
    }
}

/// The notification `plumb/environmentsChanged`.
enum EnvironmentsChanged {}

#[derive(serde::Serialize, serde::Deserialize)]
struct EnvironmentNames {
    environments: Vec<String>,
}

impl notification::Notification for EnvironmentsChanged {
    type Params = EnvironmentNames;
    const METHOD: &'static str = "plumb/environmentsChanged";
}

/// Asks all that is open; `None` where an edit came in between, an error where the answer panics.
async fn on_snapshots<T: Send + 'static>(
    owner: &Owner,
    abilities: &Arc<Abilities>,
    answer: fn(&[Snapshot], &Abilities) -> T,
) -> Result<Option<T>, String> {
    let (sender, receiver) = oneshot::channel();
    let (encoding, abilities) = (abilities.encoding, abilities.clone());
    owner.send(move |worlds| {
        let _ = sender.send(Snapshot::all(worlds, encoding));
    });
    let snapshots = receiver.await.map_err(|_| "no snapshot".to_owned())?;
    let run = tokio::task::spawn_blocking(move || {
        Cancelled::catch(AssertUnwindSafe(|| answer(&snapshots, &abilities))).ok()
    });
    run.await.map_err(|error| match error.try_into_panic() {
        Ok(payload) => super::handlers::panic_text(payload),
        Err(error) => error.to_string(),
    })
}

/// Tells what differs from what was told. Where `found` is all there is, what it lacks is mended.
async fn publish(client: &Client, told: &mut Told, found: Told, is_all: bool) {
    let mut gone: Vec<String> = Vec::new();
    if is_all {
        gone.extend(told.keys().filter(|it| !found.contains_key(*it)).cloned());
    }
    for address in gone {
        told.remove(&address);
        if let Ok(uri) = address.parse() {
            client.publish_diagnostics(uri, Vec::new(), None).await;
        }
    }
    for (address, known) in found {
        let before = told.get(&address).map(|it| &it.diagnostics);
        if before.map_or(known.diagnostics.is_empty(), |it| *it == known.diagnostics) {
            continue;
        }
        if let Ok(uri) = address.parse() {
            client.publish_diagnostics(uri, known.diagnostics.clone(), known.version).await;
        }
        told.insert(address, known);
    }
}

/// What is wrong with one file, and what is wrong elsewhere that its requests show; with what is wrong with the
/// workspace.
pub(crate) fn findings(snapshot: &Snapshot, file: SourceFile) -> Vec<Finding> {
    let path = file.path(&snapshot.db);
    let mut findings = (*snapshot.findings).clone();
    if path.ends_with(".plumb") {
        findings.extend(check_only(&snapshot.db, snapshot.workspace, |it| it == path));
    }
    findings
}

/// What is wrong with one file, as the client is told.
pub(crate) fn of_file(
    snapshot: &Snapshot,
    file: SourceFile,
    abilities: &Abilities,
) -> Vec<Diagnostic> {
    let path = file.path(&snapshot.db);
    let typing = snapshot.held.get(path).and_then(|it| it.typing);
    let (lines, _) = snapshot.lines(file);
    // Half a line is no mistake yet.
    let is_half = |at: TextRange| {
        typing.is_some_and(|it| {
            (lines.line_of(at.start)..=lines.line_of(at.end)).contains(&lines.line_of(it))
        })
    };
    findings(snapshot, file)
        .iter()
        .filter(|it| it.location.as_ref().is_none_or(|it| !is_half(it.range)))
        .filter(|it| it.location.as_ref().is_some_and(|it| it.path == *path))
        .filter_map(|it| diagnostic(snapshot, it, abilities))
        .chain(unused(snapshot, file))
        .collect()
}

/// What nothing reads: shown paler, listed nowhere.
fn unused(snapshot: &Snapshot, file: SourceFile) -> Vec<Diagnostic> {
    if !file.path(&snapshot.db).ends_with(".plumb") {
        return Vec::new();
    }
    let (lines, text) = snapshot.lines(file);
    let found = crate::ide::unused::unused(&snapshot.db, snapshot.workspace, file).into_iter();
    let found = found.map(|it| Diagnostic {
        range: lines.range(text, it.range, snapshot.encoding),
        severity: Some(DiagnosticSeverity::HINT),
        source: Some("plumb".to_owned()),
        message: it.message,
        tags: Some(vec![DiagnosticTag::UNNECESSARY]),
        ..Diagnostic::default()
    });
    found.collect()
}

/// What is wrong with the documents that the client holds, by address.
fn in_view(snapshots: &[Snapshot], abilities: &Abilities) -> Told {
    let held = |snapshot: &Snapshot| -> Told {
        let documents = snapshot.held.iter().filter_map(|(path, held)| {
            let file = snapshot.file(path)?;
            let diagnostics = of_file(snapshot, file, abilities);
            Some((held.address.clone(), Known { version: Some(held.version), diagnostics }))
        });
        documents.collect()
    };
    snapshots.iter().flat_map(held).collect()
}

/// What is wrong with all that is open, by address, and the environments that there are.
fn everything(snapshots: &[Snapshot], abilities: &Abilities) -> (Told, Vec<String>) {
    let mut told = Told::new();
    let mut names: Vec<String> = Vec::new();
    for snapshot in snapshots {
        let (db, workspace) = (&snapshot.db, snapshot.workspace);
        // What is asked once is not remembered: a workspace of any size can be looked at whole.
        let mut batch = Batch::new(db, workspace, Extent::whole(db, workspace));
        for environment in environments(db, workspace) {
            let Some(mut maker) =
                Maker::new(db, workspace, &environment, Form::Text(Notation::Yaml))
            else {
                continue;
            };
            batch.begin(&environment);
            let mut text = String::new();
            for turn in batch.turns() {
                salsa::Database::unwind_if_revision_cancelled(db);
                let done = match turn {
                    Turn::Make(request, is_early) => {
                        text.clear();
                        let outcome = maker.make(request, &mut text);
                        batch.take(outcome, &text, is_early, &mut |_| Ok::<(), ()>(()))
                    }
                    Turn::Rest(request) => batch.rest(request, &mut |_| Ok(())),
                };
                debug_assert!(done.is_ok());
            }
            let _ = batch.end(&mut |_| Ok::<(), ()>(()));
            if !names.iter().any(|it| *it == environment) {
                names.push(environment.into());
            }
        }
        let findings = batch.findings();
        for finding in snapshot.findings.iter().chain(&findings) {
            let Some(location) = &finding.location else { continue };
            let is_held = snapshot.held.contains_key(&location.path);
            // Two sources of one document's diagnostics would be shown twice.
            if is_held && abilities.pulls {
                continue;
            }
            let Some(uri) = snapshot.address(&location.path) else { continue };
            let Some(diagnostic) = diagnostic(snapshot, finding, abilities) else { continue };
            let told = &mut told.entry(uri.as_str().to_owned()).or_default().diagnostics;
            // Several workspaces may see one file, and mistakes in it.
            if !told.iter().any(|it| (it.range, &it.code) == (diagnostic.range, &diagnostic.code)) {
                told.push(diagnostic);
            }
        }
        if !abilities.pulls {
            for (path, held) in &snapshot.held {
                let known = told.entry(held.address.clone()).or_default();
                known.version = Some(held.version);
                for found in snapshot.file(path).into_iter().flat_map(|it| unused(snapshot, it)) {
                    // Several workspaces may see one file.
                    if !known.diagnostics.contains(&found) {
                        known.diagnostics.push(found);
                    }
                }
            }
        }
    }
    (told, names)
}

/// A finding as the protocol has it. What mends it comes with the code actions.
pub(crate) fn diagnostic(
    snapshot: &Snapshot,
    finding: &Finding,
    abilities: &Abilities,
) -> Option<Diagnostic> {
    let location = finding.location.as_ref()?;
    let range = snapshot.range(&location.path, location.range).unwrap_or_default();
    let mut message = finding.message.clone();
    if !finding.environments.is_empty() {
        let all = environments(&snapshot.db, snapshot.workspace).len();
        if finding.environments.len() < all {
            let names: Vec<&str> = finding.environments.iter().map(Name::as_str).collect();
            message += &format!(" (in {})", names.join(", "));
        }
    }
    // What only repeats a part of the sentence says nothing more.
    if !finding.label.is_empty() && !finding.message.contains(&finding.label) {
        message += &format!("\n{}", finding.label);
    }
    if let Some(help) = &finding.help {
        message += &format!("\nHelp: {help}");
    }
    let related = abilities.related.then(|| {
        let related = finding.related.iter();
        related
            .filter_map(|(place, message)| {
                Some(DiagnosticRelatedInformation {
                    location: snapshot.location(place)?,
                    message: message.clone(),
                })
            })
            .collect()
    });
    let code = finding.code.as_str();
    let tags = code.starts_with("deprecated").then(|| vec![DiagnosticTag::DEPRECATED]);
    Some(Diagnostic {
        range,
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(code.to_owned())),
        source: Some("plumb".to_owned()),
        message,
        related_information: related,
        tags,
        ..Diagnostic::default()
    })
}
