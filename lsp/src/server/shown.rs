//! Hints, lenses and the preview: what is shown of values beside the text.

use super::handlers::Backend;
use super::owner::Snapshot;
use crate::ide::cursor::declaration_at;
use crate::ide::hints::{self, LensKind};
use crate::ide::preview;
use plumb_compiler::Database;
use plumb_compiler::source::{SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Name, TextRange};
use plumb_workspace::Commit;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tower_lsp_server::jsonrpc::{Error, Result};
use tower_lsp_server::ls_types::*;

/// Commands that clients have for lenses; who does not have one sees its title all the same.
const PREVIEW: &str = "plumb.preview";
const REFERENCES: &str = "plumb.showReferences";

/// What a lens keeps until it is shown.
#[derive(Serialize, Deserialize)]
struct LensData {
    uri: Uri,
    name: String,
    is_request: bool,
}

/// The question of `plumb/preview`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviewParams {
    text_document: TextDocumentIdentifier,
    position: Option<Position>,
    request: Option<String>,
    environment: Option<String>,
    against: Option<Against>,
}

/// What a preview is held against.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Against {
    /// Another environment.
    Environment(String),
    /// A commit.
    Revision(String),
}

/// The answer of `plumb/preview`.
#[derive(Serialize)]
pub(crate) struct PreviewResult {
    request: String,
    environment: String,
    text: String,
    manifests: Vec<PreviewManifest>,
    map: Vec<PreviewMapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The text that it is held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
}

#[derive(Serialize)]
struct PreviewManifest {
    title: String,
    range: Range,
}

#[derive(Serialize)]
struct PreviewMapping {
    range: Range,
    targets: Vec<Location>,
}

impl Backend {
    pub(crate) async fn hints(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        let found = self.ask(&params.text_document.uri, move |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let offset = |at| lines.offset(text, at, snapshot.encoding);
            let part = TextRange::new(offset(params.range.start), offset(params.range.end));
            let found = hints::hints(&snapshot.db, snapshot.workspace, file, part);
            let found = found.into_iter().map(|hint| InlayHint {
                position: lines.position(text, hint.offset, snapshot.encoding),
                label: InlayHintLabel::LabelParts(label_parts(snapshot, &hint)),
                kind: None,
                text_edits: None,
                tooltip: None,
                padding_left: Some(true),
                padding_right: None,
                data: None,
            });
            found.collect()
        });
        found.await
    }

    pub(crate) async fn lenses(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let uri = params.text_document.uri;
        let found = self.ask(&uri.clone(), move |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let found = hints::lenses(&snapshot.db, snapshot.workspace, file).into_iter();
            let found = found.map(|lens| CodeLens {
                range: lines.range(text, lens.range, snapshot.encoding),
                command: None,
                data: serde_json::to_value(LensData {
                    uri: uri.clone(),
                    name: lens.name.to_string(),
                    is_request: lens.kind == LensKind::Manifests,
                })
                .ok(),
            });
            found.collect()
        });
        found.await
    }

    pub(crate) async fn resolved_lens(&self, mut lens: CodeLens) -> Result<CodeLens> {
        let Some(data) =
            lens.data.take().and_then(|it| serde_json::from_value::<LensData>(it).ok())
        else {
            return Ok(lens);
        };
        let (chosen, abilities) = (self.chosen(), self.abilities());
        let uri = data.uri.clone();
        let position = lens.range.start;
        let found = self.ask_every(&uri, move |all| {
            let can = |command: &str| abilities.commands.iter().any(|it| it == command);
            match data.is_request {
                true => {
                    let (snapshot, file) = all.first()?;
                    manifests_command(snapshot, *file, &data, chosen.as_deref(), &can)
                }
                false => requests_command(all, &data, position, &can),
            }
        });
        // What is gone since has nothing to say.
        lens.command = Some(found.await?.unwrap_or_default());
        Ok(lens)
    }

    /// `plumb/users`: the requests for the schema that is declared at a place, those that its lens counts.
    pub(crate) async fn requests(
        &self,
        params: TextDocumentPositionParams,
    ) -> Result<Vec<Location>> {
        let found = self.ask_every(&params.text_document.uri, move |all| {
            let mut places: Vec<Location> = Vec::new();
            for (snapshot, file) in all {
                let offset = snapshot.offset(*file, params.position);
                let Some(schema) = declaration_at(&snapshot.db, *file, offset) else { continue };
                for place in hints::requests_for(&snapshot.db, snapshot.workspace, schema) {
                    places.extend(snapshot.location(&place).filter(|it| !places.contains(it)));
                }
            }
            Some(places)
        });
        Ok(found.await?.unwrap_or_default())
    }

    /// `plumb/preview`
    pub(crate) async fn preview(&self, params: PreviewParams) -> Result<Option<PreviewResult>> {
        let chosen = self.chosen();
        let uri = params.text_document.uri.clone();
        let last = self.last_commit();
        let found = self.ask(&uri, move |snapshot, file| {
            let (db, workspace) = (&snapshot.db, snapshot.workspace);
            let request = match (&params.request, params.position) {
                (Some(asked), _) => preview::request_named(db, workspace, asked)?,
                (None, Some(position)) => {
                    let offset = snapshot.offset(file, position);
                    preview::request_at(db, workspace, file, offset)?
                }
                (None, None) => return None,
            };
            let usual = || preview::usual_environment(db, workspace, request);
            let asked = params.environment.as_deref().map(Name::from);
            let environment = asked.or_else(|| chosen.clone()).or_else(usual)?;
            let found = preview::preview(db, workspace, request, &environment)?;
            let old = match &params.against {
                None => None,
                Some(Against::Environment(other)) => {
                    preview::preview(db, workspace, request, other)
                        .map(|it| (other.clone(), it.text))
                }
                Some(Against::Revision(revision)) => {
                    let read = |db: &Database, workspace| {
                        let request = preview::request_named(db, workspace, &found.request)?;
                        Some(preview::preview(db, workspace, request, &environment)?.text)
                    };
                    match last.at(&snapshot.root, revision, read) {
                        // What was not there yet made nothing.
                        Ok(text) => Some((revision.clone(), text.unwrap_or_default())),
                        Err(problem) => return Some(Err(problem)),
                    }
                }
            };
            Some(Ok(preview_result(snapshot, found, old)))
        });
        match found.await?.flatten() {
            None => Ok(None),
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(problem)) => Err(Error::invalid_params(problem)),
        }
    }
}

/// The commit that was compared with last: who compares once mostly does so again.
#[derive(Clone, Default)]
pub(crate) struct LastCommit(Arc<Mutex<Option<Committed>>>);

/// A workspace as it is in a commit.
struct Committed {
    root: PathBuf,
    id: String,
    db: Database,
    workspace: Workspace,
}

impl std::fmt::Debug for LastCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastCommit")
    }
}

impl LastCommit {
    /// Asks the workspace as it is in a commit; a sentence where there is no such.
    fn at<T>(
        &self,
        root: &Path,
        revision: &str,
        read: impl FnOnce(&Database, Workspace) -> T,
    ) -> std::result::Result<T, String> {
        let commit = Commit::find(root, revision).map_err(|error| error.to_string())?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |it: &&mut Committed| it.root == root && it.id == commit.id();
        let known = match last.as_mut().filter(is_it) {
            Some(known) => known,
            None => {
                let loaded = commit.load().map_err(|error| error.to_string())?;
                let db = Database::default();
                let workspace = loaded.open(&db);
                last.insert(Committed { root: root.to_owned(), id: commit.id(), db, workspace })
            }
        };
        Ok(read(&known.db, known.workspace))
    }
}

fn label_parts(snapshot: &Snapshot, hint: &hints::Hint) -> Vec<InlayHintLabelPart> {
    // Each environment's part leads to the line that says so; where one is taken out, the text is one part.
    let joined: Vec<&str> = hint.parts.iter().map(|(text, _)| text.as_str()).collect();
    if joined.join(" | ") != hint.text {
        let value = hint.text.clone();
        return vec![InlayHintLabelPart { value, ..InlayHintLabelPart::default() }];
    }
    let mut parts = Vec::new();
    for (index, (text, place)) in hint.parts.iter().enumerate() {
        let before = if index == 0 { "" } else { " | " };
        if !before.is_empty() {
            let value = before.to_owned();
            parts.push(InlayHintLabelPart { value, ..InlayHintLabelPart::default() });
        }
        parts.push(InlayHintLabelPart {
            value: text.clone(),
            location: snapshot.location(place),
            ..InlayHintLabelPart::default()
        });
    }
    parts
}

/// The title, and what the client does about it where it can.
fn command(
    title: String,
    name: &str,
    arguments: Vec<serde_json::Value>,
    can: &dyn Fn(&str) -> bool,
) -> Command {
    match can(name) {
        true => Command { title, command: name.to_owned(), arguments: Some(arguments) },
        false => Command { title, command: String::new(), arguments: None },
    }
}

fn manifests_command(
    snapshot: &Snapshot,
    file: SourceFile,
    data: &LensData,
    chosen: Option<&str>,
    can: &dyn Fn(&str) -> bool,
) -> Option<Command> {
    let (db, workspace) = (&snapshot.db, snapshot.workspace);
    let request = hints::lens_of(db, file, &data.name, LensKind::Manifests)?;
    let usual = || preview::usual_environment(db, workspace, request);
    let environment = chosen.map(Name::from).or_else(usual)?;
    let title = match preview::count(db, workspace, request, &environment) {
        None => format!("no manifests in {environment}: something is wrong"),
        Some(1) => format!("1 manifest in {environment}"),
        Some(count) => format!("{count} manifests in {environment}"),
    };
    let named = plumb_compiler::engine::address(db, workspace, request);
    let argument =
        json!({ "uri": data.uri, "request": named.as_str(), "environment": environment.as_str() });
    Some(command(title, PREVIEW, vec![argument], can))
}

fn requests_command(
    all: &[(&Snapshot, SourceFile)],
    data: &LensData,
    position: Position,
    can: &dyn Fn(&str) -> bool,
) -> Option<Command> {
    // Where they are is asked for when somebody wants to know: that takes reading each of their files.
    let counts = all.iter().filter_map(|(snapshot, file)| {
        let schema = hints::lens_of(&snapshot.db, *file, &data.name, LensKind::Requests)?;
        Some(hints::count_requests_for(&snapshot.db, snapshot.workspace, schema))
    });
    // A workspace that depends on another sees the same requests and more.
    let title = match counts.max().unwrap_or_default() {
        0 => return Some(command("used by no request".to_owned(), "", Vec::new(), &|_| false)),
        1 => "used by 1 request".to_owned(),
        count => format!("used by {count} requests"),
    };
    let arguments = vec![json!(data.uri), json!(position)];
    Some(command(title, REFERENCES, arguments, can))
}

fn preview_result(
    snapshot: &Snapshot,
    found: preview::Preview,
    old: Option<(String, String)>,
) -> PreviewResult {
    let lines = super::convert::Lines::of(&found.text);
    let range = |at| lines.range(&found.text, at, snapshot.encoding);
    let manifests = found.manifests.iter();
    let map = found.map.iter();
    let difference = old
        .as_ref()
        .map(|(name, text)| preview::difference((name, text), (&found.environment, &found.text)));
    PreviewResult {
        manifests: manifests
            .map(|(title, at)| PreviewManifest { title: title.clone(), range: range(*at) })
            .collect(),
        map: map
            .map(|(at, places)| PreviewMapping {
                range: range(*at),
                targets: places.iter().filter_map(|it| snapshot.location(it)).collect(),
            })
            .collect(),
        request: found.request.to_string(),
        environment: found.environment.to_string(),
        note: found.note,
        difference,
        before: old.map(|(_, text)| text),
        text: found.text,
    }
}
