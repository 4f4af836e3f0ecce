//! One handler a request: convert in, call [`crate::ide`], convert out.

use super::convert::{Encoding, Lines};
use super::diagnostics::Publisher;
use super::navigation;
use super::owner::{Owner, Snapshot};
use crate::ide;
use plumb_compiler::source::SourceFile;
use plumb_compiler::syntax::ast::{Name, TextRange};
use salsa::{Cancelled, Database as _};
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tower_lsp_server::jsonrpc::{Error, Result};
use tower_lsp_server::ls_types::*;
use tower_lsp_server::{Client, LanguageServer};

/// How often a question that edits cancel is asked again.
const TRIES: usize = 5;

/// What takes longer shows that it does. As long as people wait without wondering.
const LONG: Duration = Duration::from_millis(150);

/// What a panic said.
pub(crate) fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a panic".to_owned(),
        },
    }
}

/// What the client can do, said once.
#[derive(Clone, Debug)]
pub(crate) struct Abilities {
    pub(crate) encoding: Encoding,
    /// It asks for the diagnostics of documents, and once more when it is told to: what is wrong with a line
    /// that is being typed is only told after a pause.
    pub(crate) pulls: bool,
    pub(crate) refreshes_hints: bool,
    pub(crate) refreshes_lenses: bool,
    pub(crate) progress: bool,
    pub(crate) watches: bool,
    pub(crate) related: bool,
    pub(crate) snippets: bool,
    pub(crate) navigation: navigation::Can,
    /// The commands that it can run for code lenses.
    pub(crate) commands: Vec<String>,
}

impl Abilities {
    fn of(params: &InitializeParams) -> Self {
        let capabilities = &params.capabilities;
        let workspace = capabilities.workspace.as_ref();
        let document = capabilities.text_document.as_ref();
        let window = capabilities.window.as_ref();
        let general = capabilities.general.as_ref();
        let encodings = general.and_then(|it| it.position_encodings.as_ref());
        let is_utf8 = encodings.is_some_and(|it| it.contains(&PositionEncodingKind::UTF8));
        let options: Options = params
            .initialization_options
            .clone()
            .and_then(|it| serde_json::from_value(it).ok())
            .unwrap_or_default();
        Abilities {
            encoding: if is_utf8 { Encoding::Utf8 } else { Encoding::Utf16 },
            pulls: document.is_some_and(|it| it.diagnostic.is_some())
                && workspace
                    .and_then(|it| it.diagnostics.as_ref())
                    .is_some_and(|it| it.refresh_support == Some(true)),
            refreshes_hints: workspace
                .and_then(|it| it.inlay_hint.as_ref())
                .is_some_and(|it| it.refresh_support == Some(true)),
            refreshes_lenses: workspace
                .and_then(|it| it.code_lens.as_ref())
                .is_some_and(|it| it.refresh_support == Some(true)),
            progress: window.is_some_and(|it| it.work_done_progress == Some(true)),
            watches: workspace
                .and_then(|it| it.did_change_watched_files.as_ref())
                .is_some_and(|it| it.dynamic_registration == Some(true)),
            related: document
                .and_then(|it| it.publish_diagnostics.as_ref())
                .is_some_and(|it| it.related_information == Some(true)),
            snippets: document
                .and_then(|it| it.completion.as_ref())
                .and_then(|it| it.completion_item.as_ref())
                .is_some_and(|it| it.snippet_support == Some(true)),
            navigation: navigation::Can::of(capabilities),
            commands: options.client_commands,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    environment: Option<String>,
    client_commands: Vec<String>,
}

/// The server, as the protocol sees it.
#[derive(Debug)]
pub(crate) struct Backend {
    client: Client,
    owner: Owner,
    abilities: OnceLock<Arc<Abilities>>,
    publisher: OnceLock<Publisher>,
    /// The environment that the user looks at.
    environment: Mutex<Option<Name>>,
    /// What was compared with last.
    last_commit: super::shown::LastCommit,
    /// The folders to open once the client is ready.
    folders: Mutex<Vec<PathBuf>>,
}

/// Cancels what runs on a snapshot when the client no longer waits for it.
struct Withdraw(Option<salsa::CancellationToken>);

impl Drop for Withdraw {
    fn drop(&mut self) {
        if let Some(token) = self.0.take() {
            token.cancel();
        }
    }
}

impl Backend {
    pub(crate) fn new(client: Client) -> Self {
        Backend {
            client,
            owner: Owner::start(),
            abilities: OnceLock::new(),
            publisher: OnceLock::new(),
            environment: Mutex::new(None),
            last_commit: super::shown::LastCommit::default(),
            folders: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn abilities(&self) -> Arc<Abilities> {
        self.abilities
            .get()
            .cloned()
            .unwrap_or_else(|| Arc::new(Abilities::of(&InitializeParams::default())))
    }

    pub(crate) fn last_commit(&self) -> super::shown::LastCommit {
        self.last_commit.clone()
    }

    pub(crate) fn chosen(&self) -> Option<Name> {
        self.environment.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks about a document that the client holds. `None` where it holds no such document.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        uri: &Uri,
        answer: impl Fn(&Snapshot, SourceFile) -> T + Send + Sync + 'static,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'static {
        self.ask_every(uri, move |all| {
            let (snapshot, file) = all.first()?;
            Some(answer(snapshot, *file))
        })
    }

    /// Asks about a document in every workspace that sees it, first the one that it belongs to.
    pub(crate) fn ask_every<T: Send + 'static>(
        &self,
        uri: &Uri,
        answer: impl Fn(&[(&Snapshot, SourceFile)]) -> Option<T> + Send + Sync + 'static,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'static {
        let address = uri.as_str().to_owned();
        let encoding = self.abilities().encoding;
        self.on_snapshot(
            move |worlds| {
                Some(Snapshot::with(worlds, &address, encoding)).filter(|it| !it.is_empty())
            },
            move |all| {
                let files = all.iter().filter_map(|(it, path)| Some((it, it.file(path)?)));
                answer(&files.collect::<Vec<_>>())
            },
            |all| &all[0].0.db,
        )
    }

    /// Asks about all that is open.
    pub(crate) fn ask_all<T: Send + 'static>(
        &self,
        answer: impl Fn(&[Snapshot]) -> T + Send + Sync + 'static,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'static {
        let encoding = self.abilities().encoding;
        self.on_snapshot(
            move |worlds| Some(Snapshot::all(worlds, encoding)).filter(|it| !it.is_empty()),
            move |snapshots| Some(answer(snapshots)),
            |snapshots| &snapshots[0].db,
        )
    }

    /// Takes a snapshot and answers on a thread of the pool; once more where an edit comes in between. The
    /// first task is queued at once, before anything is awaited.
    fn on_snapshot<S: Send + 'static, T: Send + 'static>(
        &self,
        take: impl Fn(&super::worlds::Worlds) -> Option<S> + Send + Sync + 'static,
        answer: impl Fn(&S) -> Option<T> + Send + Sync + 'static,
        database: fn(&S) -> &plumb_compiler::Database,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'static {
        let (take, answer) = (Arc::new(take), Arc::new(answer));
        let (owner, client) = (self.owner.clone(), self.client.clone());
        let request = move || {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let take = take.clone();
            owner.send(move |worlds| {
                // Who asked may be gone.
                let _ = sender.send(take(worlds));
            });
            receiver
        };
        let first = request();
        async move {
            let mut receiver = Some(first);
            for _ in 0..TRIES {
                let receiver = receiver.take().unwrap_or_else(&request);
                let Ok(taken) = receiver.await else { return Err(Error::internal_error()) };
                let Some(snapshot) = taken else { return Ok(None) };
                let token = database(&snapshot).cancellation_token();
                let mut withdraw = Withdraw(Some(token));
                let answer = answer.clone();
                let run = tokio::task::spawn_blocking(move || {
                    Cancelled::catch(AssertUnwindSafe(|| answer(&snapshot)))
                });
                let outcome = run.await;
                withdraw.0 = None;
                match outcome {
                    Ok(Ok(found)) => return Ok(found),
                    Ok(Err(Cancelled::PendingWrite)) => {}
                    Ok(Err(_)) => return Err(Error::request_cancelled()),
                    Err(panic) => {
                        let what = panic_text(panic.into_panic());
                        let report =
                            format!("this is a mistake in Plumb, please report it: {what}");
                        // Who asked is not kept waiting until the client has read it.
                        let client = client.clone();
                        tokio::spawn(async move {
                            client.log_message(MessageType::ERROR, report).await;
                        });
                        return Err(Error::internal_error());
                    }
                }
            }
            Err(Error::content_modified())
        }
    }

    /// Does something with all that is open, then has told what changed.
    fn alter(&self, task: impl FnOnce(&mut super::worlds::Worlds) + Send + 'static) {
        self.owner.send(task);
        if let Some(publisher) = self.publisher.get() {
            publisher.changed();
        }
    }

    /// `plumb/environments`
    pub(crate) async fn environments(&self, _: serde_json::Value) -> Result<Environments> {
        let found = self.ask_all(|snapshots| {
            let mut found: Vec<String> = Vec::new();
            for snapshot in snapshots {
                for name in plumb_compiler::environments(&snapshot.db, snapshot.workspace) {
                    if !found.iter().any(|it| *it == name) {
                        found.push(name.into());
                    }
                }
            }
            found
        });
        Ok(Environments { environments: found.await?.unwrap_or_default() })
    }

    /// `plumb/setEnvironment`
    pub(crate) async fn set_environment(&self, params: SetEnvironment) {
        *self.environment.lock().unwrap_or_else(PoisonError::into_inner) =
            params.environment.map(Name::from);
        self.refresh().await;
    }

    /// Has the client ask again for what follows the environment.
    async fn refresh(&self) {
        let (client, abilities) = (self.client.clone(), self.abilities());
        tokio::spawn(async move {
            // What the client does not take it may refuse.
            if abilities.refreshes_lenses {
                let _ = client.code_lens_refresh().await;
            }
            if abilities.refreshes_hints {
                let _ = client.inlay_hint_refresh().await;
            }
        });
    }

    /// Opens folders; says so where that takes time.
    fn open_folders(&self, folders: Vec<PathBuf>) -> impl Future<Output = ()> + Send + 'static {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.alter(move |worlds| {
            let mut told = Vec::new();
            for folder in &folders {
                match worlds.load(folder) {
                    Ok(()) | Err(plumb_workspace::LoadError::NoSources(_)) => {}
                    Err(error) => told.push(error.to_string()),
                }
            }
            let _ = sender.send(told);
        });
        let (client, has_progress) = (self.client.clone(), self.abilities().progress);
        async move {
            tokio::pin!(receiver);
            let problems = match tokio::time::timeout(LONG, &mut receiver).await {
                Ok(problems) => problems,
                Err(_) => {
                    let token = ProgressToken::String("plumb/load".to_owned());
                    let shows = has_progress
                        && client.create_work_done_progress(token.clone()).await.is_ok();
                    let title = "Plumb: reading the workspace";
                    let progress = if shows {
                        Some(client.progress(token, title).begin().await)
                    } else {
                        None
                    };
                    let problems = receiver.await;
                    if let Some(progress) = progress {
                        progress.finish().await;
                    }
                    problems
                }
            };
            for problem in problems.unwrap_or_default() {
                client.show_message(MessageType::WARNING, problem).await;
            }
        }
    }
}

/// The answer of `plumb/environments`.
#[derive(Serialize)]
pub(crate) struct Environments {
    environments: Vec<String>,
}

/// The question of `plumb/setEnvironment`.
#[derive(Deserialize)]
pub(crate) struct SetEnvironment {
    environment: Option<String>,
}

fn folder_path(uri: &Uri) -> Option<PathBuf> {
    (uri.scheme().as_str() == "file")
        .then(|| uri.to_file_path().map(|it| it.into_owned()))
        .flatten()
}

fn completion_item(
    it: ide::complete::Completion,
    index: usize,
    has_snippets: bool,
    range: &dyn Fn(TextRange) -> Range,
) -> CompletionItem {
    use ide::complete::CompletionKind as Kind;
    let kind = match it.kind {
        Kind::Field => CompletionItemKind::FIELD,
        Kind::Value => CompletionItemKind::ENUM_MEMBER,
        Kind::Keyword => CompletionItemKind::KEYWORD,
        Kind::Local => CompletionItemKind::VARIABLE,
        Kind::Constant => CompletionItemKind::CONSTANT,
        Kind::Function => CompletionItemKind::FUNCTION,
        Kind::Schema | Kind::KubernetesKind => CompletionItemKind::CLASS,
        Kind::Type => CompletionItemKind::INTERFACE,
        Kind::Package => CompletionItemKind::MODULE,
        Kind::Environment => CompletionItemKind::ENUM,
        Kind::Request => CompletionItemKind::STRUCT,
        Kind::Output => CompletionItemKind::PROPERTY,
        Kind::Snippet => CompletionItemKind::SNIPPET,
    };
    let is_snippet = has_snippets && it.snippet != it.plain;
    let new_text = if is_snippet { it.snippet } else { it.plain };
    let also: Vec<TextEdit> =
        it.also.into_iter().map(|(at, new_text)| TextEdit { range: range(at), new_text }).collect();
    CompletionItem {
        label: it.label,
        kind: Some(kind),
        // Beside each entry of the list, not only the chosen one.
        label_details: it.detail.as_ref().map(|detail| CompletionItemLabelDetails {
            detail: None,
            description: Some(detail.clone()),
        }),
        detail: it.detail,
        documentation: it.documentation.map(|value| {
            Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })
        }),
        tags: it.deprecated.then(|| vec![CompletionItemTag::DEPRECATED]),
        sort_text: Some(format!("{index:05}")),
        insert_text_format: is_snippet.then_some(InsertTextFormat::SNIPPET),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit { range: range(it.replace), new_text })),
        additional_text_edits: (!also.is_empty()).then_some(also),
        ..CompletionItem::default()
    }
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let abilities = Arc::new(Abilities::of(&params));
        let options: Options = params
            .initialization_options
            .clone()
            .and_then(|it| serde_json::from_value(it).ok())
            .unwrap_or_default();
        *self.environment.lock().unwrap_or_else(PoisonError::into_inner) =
            options.environment.map(Name::from);
        let mut folders: Vec<PathBuf> = params
            .workspace_folders
            .iter()
            .flatten()
            .filter_map(|it| folder_path(&it.uri))
            .collect();
        #[allow(deprecated, reason = "clients that know no folders send it")]
        if folders.is_empty() {
            folders.extend(params.root_uri.as_ref().and_then(folder_path));
        }
        *self.folders.lock().unwrap_or_else(PoisonError::into_inner) = folders;
        let encoding = match abilities.encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        };
        let _ = self.abilities.set(abilities.clone());
        let publisher =
            Publisher::start(self.client.clone(), self.owner.clone(), abilities.clone());
        let _ = self.publisher.set(publisher);
        let mut capabilities = ServerCapabilities {
            position_encoding: Some(encoding),
            text_document_sync: Some(TextDocumentSyncCapability::Options(
                TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::INCREMENTAL),
                    save: Some(TextDocumentSyncSaveOptions::Supported(true)),
                    ..TextDocumentSyncOptions::default()
                },
            )),
            document_formatting_provider: Some(OneOf::Left(true)),
            completion_provider: Some(CompletionOptions {
                trigger_characters: Some([".", "\"", "{", " "].map(str::to_owned).to_vec()),
                ..CompletionOptions::default()
            }),
            code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(true) }),
            inlay_hint_provider: Some(OneOf::Left(true)),
            hover_provider: Some(HoverProviderCapability::Simple(true)),
            diagnostic_provider: abilities.pulls.then(|| {
                DiagnosticServerCapabilities::Options(DiagnosticOptions {
                    identifier: Some("plumb".to_owned()),
                    inter_file_dependencies: true,
                    workspace_diagnostics: false,
                    ..DiagnosticOptions::default()
                })
            }),
            workspace: Some(WorkspaceServerCapabilities {
                workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                    supported: Some(true),
                    change_notifications: Some(OneOf::Left(true)),
                }),
                ..WorkspaceServerCapabilities::default()
            }),
            ..ServerCapabilities::default()
        };
        navigation::offer(&mut capabilities);
        Ok(InitializeResult {
            capabilities,
            server_info: Some(ServerInfo {
                name: "plumb".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        if self.abilities().watches {
            let watchers = ["**/*.plumb", "**/plumb.toml"].map(|glob| FileSystemWatcher {
                glob_pattern: GlobPattern::String(glob.to_owned()),
                kind: None,
            });
            let options = DidChangeWatchedFilesRegistrationOptions { watchers: watchers.to_vec() };
            let registration = Registration {
                id: "plumb/watch".to_owned(),
                method: "workspace/didChangeWatchedFiles".to_owned(),
                register_options: serde_json::to_value(options).ok(),
            };
            let client = self.client.clone();
            tokio::spawn(async move {
                if let Err(error) = client.register_capability(vec![registration]).await {
                    let what = format!("the client does not watch files: {error}");
                    client.log_message(MessageType::WARNING, what).await;
                }
            });
        }
        let folders =
            std::mem::take(&mut *self.folders.lock().unwrap_or_else(PoisonError::into_inner));
        self.open_folders(folders).await;
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem { uri, version, text, .. } = params.text_document;
        let Some(path) = folder_path(&uri) else { return };
        self.alter(move |worlds| {
            worlds.open(uri.as_str(), &path, version, text.into());
        });
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        let encoding = self.abilities().encoding;
        self.alter(move |worlds| {
            let Some(document) = worlds.documents.get(uri.as_str()) else { return };
            let mut text = document.text.to_string();
            let mut typed = None;
            for change in params.content_changes {
                match change.range {
                    None => text = change.text,
                    Some(range) => {
                        let lines = Lines::of(&text);
                        let start = lines.offset(&text, range.start, encoding) as usize;
                        let end = lines.offset(&text, range.end, encoding) as usize;
                        text.replace_range(start..end.max(start), &change.text);
                        typed = Some((start + change.text.len()) as u32);
                    }
                }
            }
            worlds.change(uri.as_str(), version, text.into(), typed);
        });
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        let Some(path) = folder_path(&params.text_document.uri) else { return };
        self.alter(move |worlds| worlds.changed_on_disk(&[path]));
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.alter(move |worlds| worlds.close(params.text_document.uri.as_str()));
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        let paths: Vec<PathBuf> =
            params.changes.iter().filter_map(|it| folder_path(&it.uri)).collect();
        self.alter(move |worlds| worlds.changed_on_disk(&paths));
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        let gone: Vec<PathBuf> =
            params.event.removed.iter().filter_map(|it| folder_path(&it.uri)).collect();
        let added = params.event.added.iter().filter_map(|it| folder_path(&it.uri)).collect();
        self.alter(move |worlds| gone.iter().for_each(|it| worlds.leave(it)));
        self.open_folders(added).await;
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let TextDocumentPositionParams { text_document, position } = params.text_document_position;
        let has_snippets = self.abilities().snippets;
        // A space asks only where a list of words is sure to come.
        let by_space =
            params.context.is_some_and(|it| it.trigger_character.as_deref() == Some(" "));
        let found = self.ask(&text_document.uri, move |snapshot, file| {
            let offset = snapshot.offset(file, position);
            let (lines, text) = snapshot.lines(file);
            if by_space && !ide::complete::begins_list(text, offset) {
                return Vec::new();
            }
            let range = |range| lines.range(text, range, snapshot.encoding);
            ide::complete::complete(&snapshot.db, snapshot.workspace, file, offset)
                .into_iter()
                .enumerate()
                .map(|(index, it)| completion_item(it, index, has_snippets, &range))
                .collect()
        });
        let items = found.await?.unwrap_or_default();
        Ok(Some(CompletionResponse::List(CompletionList { is_incomplete: false, items })))
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        self.hints(params).await
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        self.lenses(params).await
    }

    async fn code_lens_resolve(&self, params: CodeLens) -> Result<CodeLens> {
        self.resolved_lens(params).await
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        let chosen = self.chosen();
        let found = self.ask(&text_document.uri, move |snapshot, file| {
            let offset = snapshot.offset(file, position);
            let chosen = chosen.as_deref();
            let found = ide::hover::hover(&snapshot.db, snapshot.workspace, file, offset, chosen)?;
            let (lines, text) = snapshot.lines(file);
            Some(Hover {
                range: Some(lines.range(text, found.range, snapshot.encoding)),
                contents: HoverContents::Markup(MarkupContent {
                    kind: MarkupKind::Markdown,
                    value: found.text,
                }),
            })
        });
        Ok(found.await?.flatten())
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        let found = self.ask(&params.text_document.uri, |snapshot, file| {
            // A `plumb.toml` is written in another style.
            if !file.path(&snapshot.db).ends_with(".plumb") {
                return Vec::new();
            }
            let (lines, text) = snapshot.lines(file);
            let edits = ide::format::whole(text);
            edits
                .into_iter()
                .map(|(range, new_text)| TextEdit {
                    range: lines.range(text, range, snapshot.encoding),
                    new_text,
                })
                .collect()
        });
        found.await
    }

    async fn goto_definition(
        &self,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        self.lead(params, ide::navigate::definition).await
    }

    async fn goto_declaration(
        &self,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        self.lead(params, ide::navigate::definition).await
    }

    async fn goto_type_definition(
        &self,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        self.lead(params, ide::navigate::type_definition).await
    }

    async fn goto_implementation(
        &self,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        self.lead(params, ide::navigate::implementation).await
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        self.users(params).await
    }

    async fn document_highlight(
        &self,
        params: DocumentHighlightParams,
    ) -> Result<Option<Vec<DocumentHighlight>>> {
        self.highlights(params).await
    }

    async fn prepare_rename(
        &self,
        params: TextDocumentPositionParams,
    ) -> Result<Option<PrepareRenameResponse>> {
        self.can_rename(params).await
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        self.renamed(params).await
    }

    async fn will_rename_files(&self, params: RenameFilesParams) -> Result<Option<WorkspaceEdit>> {
        self.moved(params).await
    }

    async fn document_symbol(
        &self,
        params: DocumentSymbolParams,
    ) -> Result<Option<DocumentSymbolResponse>> {
        self.outline(params).await
    }

    async fn symbol(
        &self,
        params: WorkspaceSymbolParams,
    ) -> Result<Option<WorkspaceSymbolResponse>> {
        self.symbols(params).await
    }

    async fn prepare_call_hierarchy(
        &self,
        params: CallHierarchyPrepareParams,
    ) -> Result<Option<Vec<CallHierarchyItem>>> {
        self.callable(params).await
    }

    async fn incoming_calls(
        &self,
        params: CallHierarchyIncomingCallsParams,
    ) -> Result<Option<Vec<CallHierarchyIncomingCall>>> {
        self.callers(params).await
    }

    async fn outgoing_calls(
        &self,
        params: CallHierarchyOutgoingCallsParams,
    ) -> Result<Option<Vec<CallHierarchyOutgoingCall>>> {
        self.called(params).await
    }

    async fn document_link(&self, params: DocumentLinkParams) -> Result<Option<Vec<DocumentLink>>> {
        self.links(params).await
    }

    async fn folding_range(&self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        self.folds(params).await
    }

    async fn selection_range(
        &self,
        params: SelectionRangeParams,
    ) -> Result<Option<Vec<SelectionRange>>> {
        self.selections(params).await
    }

    async fn signature_help(&self, params: SignatureHelpParams) -> Result<Option<SignatureHelp>> {
        self.signature(params).await
    }

    async fn range_formatting(
        &self,
        params: DocumentRangeFormattingParams,
    ) -> Result<Option<Vec<TextEdit>>> {
        self.format_part(params).await
    }

    async fn on_type_formatting(
        &self,
        params: DocumentOnTypeFormattingParams,
    ) -> Result<Option<Vec<TextEdit>>> {
        self.format_typed(params).await
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        self.actions(params).await
    }

    async fn semantic_tokens_full(
        &self,
        params: SemanticTokensParams,
    ) -> Result<Option<SemanticTokensResult>> {
        Ok(self.colors(params.text_document.uri, None).await?.map(SemanticTokensResult::Tokens))
    }

    async fn semantic_tokens_range(
        &self,
        params: SemanticTokensRangeParams,
    ) -> Result<Option<SemanticTokensRangeResult>> {
        let found = self.colors(params.text_document.uri, Some(params.range)).await?;
        Ok(found.map(SemanticTokensRangeResult::Tokens))
    }

    async fn diagnostic(
        &self,
        params: DocumentDiagnosticParams,
    ) -> Result<DocumentDiagnosticReportResult> {
        let abilities = self.abilities();
        let found = self.ask(&params.text_document.uri, move |snapshot, file| {
            super::diagnostics::of_file(snapshot, file, &abilities)
        });
        let items = found.await?.unwrap_or_default();
        Ok(DocumentDiagnosticReportResult::Report(DocumentDiagnosticReport::Full(
            RelatedFullDocumentDiagnosticReport {
                related_documents: None,
                full_document_diagnostic_report: FullDocumentDiagnosticReport {
                    result_id: None,
                    items,
                },
            },
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_lsp_server::LspService;

    #[test]
    fn a_panic_is_one_error_and_the_next_question_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.plumb"), "let a = 1\n").unwrap();
        let path = folder.path().to_owned();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (service, _socket) = LspService::new(Backend::new);
            let backend = service.inner();
            backend.owner.send(move |worlds| worlds.load(&path).unwrap());
            let broken = backend.ask_all(|_| -> usize { panic!("on purpose") }).await;
            assert_eq!(broken.unwrap_err(), Error::internal_error());
            assert_eq!(backend.ask_all(|all| all.len()).await.unwrap(), Some(1));
        });
        runtime.shutdown_background();
    }
}
