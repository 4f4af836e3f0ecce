//! Handlers of what leads through the text and changes it: definitions, references, names, outlines, calls.

use super::convert::Lines;
use super::handlers::Backend;
use super::owner::Snapshot;
use crate::ide::actions::{self, ActionKind};
use crate::ide::calls::{self, Call, Caller};
use crate::ide::colors::{self, Color};
use crate::ide::navigate::{self, Way};
use crate::ide::outline::{self, FoldKind, Outline, Part};
use crate::ide::{format, references, rename, signature};
use plumb_compiler::Db;
use plumb_compiler::answers::Location as Place;
use plumb_compiler::source::{Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::TextRange;
use std::collections::BTreeMap;
use std::path::Path;
use tower_lsp_server::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp_server::ls_types::*;

/// What the client can do with changes and places.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Can {
    /// Places with the word that leads to them.
    links: bool,
    /// Changes with the versions of the documents that they are of.
    versions: bool,
    /// Changes that rename files.
    rename_files: bool,
}

impl Can {
    pub(crate) fn of(capabilities: &ClientCapabilities) -> Self {
        let definition = capabilities.text_document.as_ref().and_then(|it| it.definition.as_ref());
        let edit = capabilities.workspace.as_ref().and_then(|it| it.workspace_edit.as_ref());
        let versions = edit.is_some_and(|it| it.document_changes == Some(true));
        Can {
            links: definition.is_some_and(|it| it.link_support == Some(true)),
            versions,
            rename_files: versions
                && edit
                    .and_then(|it| it.resource_operations.as_ref())
                    .is_some_and(|it| it.contains(&ResourceOperationKind::Rename)),
        }
    }
}

/// Adds what is answered here to what the server says that it can.
pub(crate) fn offer(to: &mut ServerCapabilities) {
    to.definition_provider = Some(OneOf::Left(true));
    to.declaration_provider = Some(DeclarationCapability::Simple(true));
    to.type_definition_provider = Some(TypeDefinitionProviderCapability::Simple(true));
    to.implementation_provider = Some(ImplementationProviderCapability::Simple(true));
    to.references_provider = Some(OneOf::Left(true));
    to.document_highlight_provider = Some(OneOf::Left(true));
    to.rename_provider = Some(OneOf::Right(RenameOptions {
        prepare_provider: Some(true),
        work_done_progress_options: WorkDoneProgressOptions::default(),
    }));
    to.document_symbol_provider = Some(OneOf::Left(true));
    to.workspace_symbol_provider = Some(OneOf::Left(true));
    to.call_hierarchy_provider = Some(CallHierarchyServerCapability::Simple(true));
    to.document_link_provider = Some(DocumentLinkOptions {
        resolve_provider: Some(false),
        work_done_progress_options: WorkDoneProgressOptions::default(),
    });
    to.folding_range_provider = Some(FoldingRangeProviderCapability::Simple(true));
    to.selection_range_provider = Some(SelectionRangeProviderCapability::Simple(true));
    to.semantic_tokens_provider =
        Some(SemanticTokensServerCapabilities::SemanticTokensOptions(SemanticTokensOptions {
            legend: SemanticTokensLegend {
                token_types: TYPES.to_vec(),
                token_modifiers: MODIFIERS.to_vec(),
            },
            range: Some(true),
            full: Some(SemanticTokensFullOptions::Bool(true)),
            ..SemanticTokensOptions::default()
        }));
    to.signature_help_provider = Some(SignatureHelpOptions {
        trigger_characters: Some(["(", ","].map(str::to_owned).to_vec()),
        ..SignatureHelpOptions::default()
    });
    to.code_action_provider = Some(CodeActionProviderCapability::Options(CodeActionOptions {
        code_action_kinds: Some(vec![
            CodeActionKind::QUICKFIX,
            CodeActionKind::REFACTOR_EXTRACT,
            CodeActionKind::REFACTOR_REWRITE,
        ]),
        ..CodeActionOptions::default()
    }));
    to.document_range_formatting_provider = Some(OneOf::Left(true));
    to.document_on_type_formatting_provider = Some(DocumentOnTypeFormattingOptions {
        first_trigger_character: "}".to_owned(),
        more_trigger_character: Some(["]", ")", "\n"].map(str::to_owned).to_vec()),
    });
    let folders = FileOperationRegistrationOptions {
        filters: vec![FileOperationFilter {
            scheme: Some("file".to_owned()),
            pattern: FileOperationPattern {
                glob: "**".to_owned(),
                matches: Some(FileOperationPatternKind::Folder),
                options: None,
            },
        }],
    };
    let workspace = to.workspace.get_or_insert_default();
    workspace.file_operations = Some(WorkspaceFileOperationsServerCapabilities {
        will_rename: Some(folders),
        ..WorkspaceFileOperationsServerCapabilities::default()
    });
}

/// What a word leads to, as [`navigate`] answers it.
pub(crate) type Lead = fn(&dyn Db, Workspace, SourceFile, u32) -> Option<Way>;

impl Backend {
    /// Where a word leads, in all workspaces that see the document.
    pub(crate) async fn lead(
        &self,
        params: GotoDefinitionParams,
        lead: Lead,
    ) -> Result<Option<GotoDefinitionResponse>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        let can = self.abilities().navigation;
        let found = self.ask_every(&text_document.uri, move |all| {
            let mut from = None;
            let mut to: Vec<Location> = Vec::new();
            for (snapshot, file) in all {
                let offset = snapshot.offset(*file, position);
                let Some(way) = lead(&snapshot.db, snapshot.workspace, *file, offset) else {
                    continue;
                };
                from = from.or_else(|| snapshot.range(file.path(&snapshot.db), way.from));
                for it in way.to.iter().filter_map(|it| snapshot.location(it)) {
                    if !to.contains(&it) {
                        to.push(it);
                    }
                }
            }
            Some(match can.links {
                false => GotoDefinitionResponse::Array(to),
                true => GotoDefinitionResponse::Link(
                    to.into_iter()
                        .map(|it| LocationLink {
                            origin_selection_range: from,
                            target_uri: it.uri,
                            target_range: it.range,
                            target_selection_range: it.range,
                        })
                        .collect(),
                ),
            })
        });
        found.await
    }

    /// Asks about a source that the client holds: nothing of this is in other files.
    async fn ask_source<T: Send + 'static>(
        &self,
        uri: &Uri,
        answer: impl Fn(&Snapshot, SourceFile) -> T + Send + Sync + 'static,
    ) -> Result<Option<T>> {
        let found = self.ask(uri, move |snapshot, file| {
            let is_source = file.path(&snapshot.db).ends_with(".plumb");
            is_source.then(|| answer(snapshot, file))
        });
        Ok(found.await?.flatten())
    }

    pub(crate) async fn users(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let TextDocumentPositionParams { text_document, position } = params.text_document_position;
        let with_declaration = params.context.include_declaration;
        let found = self.ask_every(&text_document.uri, move |all| {
            let mut found: Vec<Location> = Vec::new();
            for (snapshot, file) in all {
                let offset = snapshot.offset(*file, position);
                let (db, workspace) = (&snapshot.db, snapshot.workspace);
                let users = references::references_at(db, workspace, *file, offset);
                let users = users.into_iter().filter(|it| with_declaration || !it.declares);
                for it in users.filter_map(|it| snapshot.location(&it.location)) {
                    if !found.contains(&it) {
                        found.push(it);
                    }
                }
            }
            Some(found)
        });
        found.await
    }

    pub(crate) async fn highlights(
        &self,
        params: DocumentHighlightParams,
    ) -> Result<Option<Vec<DocumentHighlight>>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        let found = self.ask_source(&text_document.uri, move |snapshot, file| {
            let offset = snapshot.offset(file, position);
            let (lines, text) = snapshot.lines(file);
            references::highlights(&snapshot.db, snapshot.workspace, file, offset)
                .into_iter()
                .map(|it| DocumentHighlight {
                    range: lines.range(text, it.location.range, snapshot.encoding),
                    kind: Some(match it.writes {
                        true => DocumentHighlightKind::WRITE,
                        false => DocumentHighlightKind::READ,
                    }),
                })
                .collect()
        });
        found.await
    }

    pub(crate) async fn can_rename(
        &self,
        params: TextDocumentPositionParams,
    ) -> Result<Option<PrepareRenameResponse>> {
        let TextDocumentPositionParams { text_document, position } = params;
        let found = self.ask_source(&text_document.uri, move |snapshot, file| {
            let offset = snapshot.offset(file, position);
            let (range, placeholder) =
                rename::prepare(&snapshot.db, snapshot.workspace, file, offset)?;
            let range = snapshot.range(file.path(&snapshot.db), range).unwrap_or_default();
            let placeholder = placeholder.to_string();
            Ok(PrepareRenameResponse::RangeWithPlaceholder { range, placeholder })
        });
        found.await?.transpose().map_err(refused)
    }

    pub(crate) async fn renamed(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let TextDocumentPositionParams { text_document, position } = params.text_document_position;
        let can = self.abilities().navigation;
        let name = params.new_name;
        let found = self.ask_every(&text_document.uri, move |all| {
            let mut changes = Changes::default();
            for (index, (snapshot, file)) in all.iter().enumerate() {
                let offset = snapshot.offset(*file, position);
                let (db, workspace) = (&snapshot.db, snapshot.workspace);
                let found = rename::rename(db, workspace, *file, offset, &name, index == 0);
                match found {
                    Ok(found) => changes.add(snapshot, found.edits, found.moves),
                    Err(why) => return Some(Err(why)),
                }
            }
            Some(changes.edit(can))
        });
        found.await?.transpose().map_err(refused)
    }

    pub(crate) async fn moved(&self, params: RenameFilesParams) -> Result<Option<WorkspaceEdit>> {
        let can = self.abilities().navigation;
        let found = self.ask_all(move |snapshots| {
            let mut changes = Changes::default();
            for snapshot in snapshots {
                for it in &params.files {
                    let path = |uri: &str| relative(snapshot, &uri.parse().ok()?);
                    if let (Some(old), Some(new)) = (path(&it.old_uri), path(&it.new_uri)) {
                        let (db, workspace) = (&snapshot.db, snapshot.workspace);
                        changes.add(snapshot, rename::moved(db, workspace, &old, &new), None);
                    }
                }
            }
            changes.edit(can)
        });
        found.await?.transpose().map_err(refused)
    }

    pub(crate) async fn outline(
        &self,
        params: DocumentSymbolParams,
    ) -> Result<Option<DocumentSymbolResponse>> {
        let found = self.ask_source(&params.text_document.uri, |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let range = |at| lines.range(text, at, snapshot.encoding);
            let parts = outline::outline(&snapshot.db, file);
            let symbols = parts.into_iter().map(|it| document_symbol(it, &range));
            DocumentSymbolResponse::Nested(symbols.collect())
        });
        found.await
    }

    pub(crate) async fn symbols(
        &self,
        params: WorkspaceSymbolParams,
    ) -> Result<Option<WorkspaceSymbolResponse>> {
        let found = self.ask_all(move |snapshots| {
            let mut found: Vec<WorkspaceSymbol> = Vec::new();
            for snapshot in snapshots {
                for it in outline::find(&snapshot.db, snapshot.workspace, &params.query) {
                    let Some(location) = snapshot.location(&it.location) else { continue };
                    let location = OneOf::Left(location);
                    if found.iter().any(|it| it.location == location) {
                        continue;
                    }
                    found.push(WorkspaceSymbol {
                        name: it.name.to_string(),
                        kind: symbol_kind(Part::Declaration(it.kind)),
                        tags: None,
                        container_name: Some(it.package).filter(|it| !it.is_empty()),
                        location,
                        data: None,
                    });
                }
            }
            WorkspaceSymbolResponse::Nested(found)
        });
        found.await
    }

    pub(crate) async fn callable(
        &self,
        params: CallHierarchyPrepareParams,
    ) -> Result<Option<Vec<CallHierarchyItem>>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        let found = self.ask_source(&text_document.uri, move |snapshot, file| {
            let offset = snapshot.offset(file, position);
            let found = calls::prepare(&snapshot.db, snapshot.workspace, file, offset)?;
            Some(vec![call_item(snapshot, found)?])
        });
        Ok(found.await?.flatten())
    }

    pub(crate) async fn callers(
        &self,
        params: CallHierarchyIncomingCallsParams,
    ) -> Result<Option<Vec<CallHierarchyIncomingCall>>> {
        let found = self.calls(params.item, true).await?.unwrap_or_default();
        let calls = found.into_iter();
        Ok(Some(
            calls
                .map(|(from, from_ranges)| CallHierarchyIncomingCall { from, from_ranges })
                .collect(),
        ))
    }

    pub(crate) async fn called(
        &self,
        params: CallHierarchyOutgoingCallsParams,
    ) -> Result<Option<Vec<CallHierarchyOutgoingCall>>> {
        let found = self.calls(params.item, false).await?.unwrap_or_default();
        let calls = found.into_iter();
        Ok(Some(
            calls.map(|(to, from_ranges)| CallHierarchyOutgoingCall { to, from_ranges }).collect(),
        ))
    }

    /// The calls of something that need not be in a document that the client holds.
    async fn calls(
        &self,
        item: CallHierarchyItem,
        are_incoming: bool,
    ) -> Result<Option<Vec<(CallHierarchyItem, Vec<Range>)>>> {
        let found = self.ask_all(move |snapshots| {
            let ask = if are_incoming { calls::incoming } else { calls::outgoing };
            let mut found: Vec<(CallHierarchyItem, Vec<Range>)> = Vec::new();
            for snapshot in snapshots {
                let Some(file) = relative(snapshot, &item.uri).and_then(|it| snapshot.file(&it))
                else {
                    continue;
                };
                let own = file.path(&snapshot.db).clone();
                let offset = snapshot.offset(file, item.selection_range.start);
                for Call { other, from } in ask(&snapshot.db, snapshot.workspace, file, offset) {
                    // The words stand in the file of who calls.
                    let path = if are_incoming { other.location.path.clone() } else { own.clone() };
                    let ranges = from.iter().filter_map(|it| snapshot.range(&path, *it)).collect();
                    let Some(other) = call_item(snapshot, other) else { continue };
                    // Workspaces that see the same file may call its package differently.
                    let is_it = |it: &CallHierarchyItem| {
                        it.uri == other.uri && it.selection_range == other.selection_range
                    };
                    if !found.iter().any(|(known, _)| is_it(known)) {
                        found.push((other, ranges));
                    }
                }
            }
            found
        });
        found.await
    }

    pub(crate) async fn links(
        &self,
        params: DocumentLinkParams,
    ) -> Result<Option<Vec<DocumentLink>>> {
        let found = self.ask_source(&params.text_document.uri, |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let ways = navigate::links(&snapshot.db, snapshot.workspace, file);
            let links = ways.into_iter().filter_map(|way| {
                let to = snapshot.location(way.to.first()?)?;
                let line = to.range.start.line;
                let target = match line {
                    0 => to.uri,
                    _ => format!("{}#L{}", to.uri.as_str(), line + 1).parse().ok()?,
                };
                Some(DocumentLink {
                    range: lines.range(text, way.from, snapshot.encoding),
                    target: Some(target),
                    tooltip: None,
                    data: None,
                })
            });
            links.collect()
        });
        found.await
    }

    pub(crate) async fn folds(
        &self,
        params: FoldingRangeParams,
    ) -> Result<Option<Vec<FoldingRange>>> {
        let found = self.ask_source(&params.text_document.uri, |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let folds = outline::folds(&snapshot.db, file).into_iter().filter_map(|it| {
                let range = lines.range(text, it.range, snapshot.encoding);
                // The line of the closing bracket stays in view.
                let end_line = match it.kind {
                    FoldKind::Brackets => range.end.line.saturating_sub(1),
                    _ => range.end.line,
                };
                (range.start.line < end_line).then(|| FoldingRange {
                    start_line: range.start.line,
                    end_line,
                    kind: match it.kind {
                        FoldKind::Brackets => None,
                        FoldKind::Comment => Some(FoldingRangeKind::Comment),
                        FoldKind::Uses => Some(FoldingRangeKind::Imports),
                    },
                    ..FoldingRange::default()
                })
            });
            folds.collect()
        });
        found.await
    }

    pub(crate) async fn selections(
        &self,
        params: SelectionRangeParams,
    ) -> Result<Option<Vec<SelectionRange>>> {
        let found = self.ask_source(&params.text_document.uri, move |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let of = |position: &Position| {
                let offset = snapshot.offset(file, *position);
                let steps = outline::selections(&snapshot.db, file, offset);
                let whole = SelectionRange {
                    range: Range { start: *position, end: *position },
                    parent: None,
                };
                steps
                    .into_iter()
                    .rev()
                    .fold(None, |parent, it| {
                        let range = lines.range(text, it, snapshot.encoding);
                        Some(SelectionRange { range, parent: parent.map(Box::new) })
                    })
                    .unwrap_or(whole)
            };
            params.positions.iter().map(of).collect()
        });
        found.await
    }

    pub(crate) async fn colors(
        &self,
        uri: Uri,
        part: Option<Range>,
    ) -> Result<Option<SemanticTokens>> {
        let found = self.ask_source(&uri, move |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let offset = |at| lines.offset(text, at, snapshot.encoding);
            let part = match part {
                Some(it) => TextRange::new(offset(it.start), offset(it.end)),
                None => TextRange::new(0, text.len() as u32),
            };
            let words = colors::colors(&snapshot.db, snapshot.workspace, file, part);
            let range = |at| lines.range(text, at, snapshot.encoding);
            SemanticTokens { result_id: None, data: tokens(&words, &range) }
        });
        found.await
    }

    pub(crate) async fn signature(
        &self,
        params: SignatureHelpParams,
    ) -> Result<Option<SignatureHelp>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        let found = self.ask_source(&text_document.uri, move |snapshot, file| {
            let offset = snapshot.offset(file, position);
            let found = signature::signature_at(&snapshot.db, snapshot.workspace, file, offset)?;
            let active = found.active.map(|it| it as u32);
            // Whatever the positions are counted in, labels are counted in UTF-16.
            let count = |end: u32| found.label[..end as usize].encode_utf16().count() as u32;
            let parameters = found.parameters.iter().map(|(start, end)| ParameterInformation {
                label: ParameterLabel::LabelOffsets([count(*start), count(*end)]),
                documentation: None,
            });
            let parameters: Vec<ParameterInformation> = parameters.collect();
            let signature = SignatureInformation {
                // Beyond the last one none is marked.
                active_parameter: Some(active.unwrap_or(parameters.len() as u32)),
                parameters: Some(parameters),
                label: found.label,
                documentation: found.documentation.map(|value| {
                    Documentation::MarkupContent(MarkupContent {
                        kind: MarkupKind::Markdown,
                        value,
                    })
                }),
            };
            Some(SignatureHelp {
                signatures: vec![signature],
                active_signature: Some(0),
                active_parameter: None,
            })
        });
        Ok(found.await?.flatten())
    }

    pub(crate) async fn actions(
        &self,
        params: CodeActionParams,
    ) -> Result<Option<CodeActionResponse>> {
        let can = self.abilities().navigation;
        let CodeActionParams { text_document, range, context, .. } = params;
        let found = self.ask(&text_document.uri, move |snapshot, file| {
            let (db, workspace) = (&snapshot.db, snapshot.workspace);
            let (lines, text) = snapshot.lines(file);
            let offset = |at| lines.offset(text, at, snapshot.encoding);
            let part = TextRange::new(offset(range.start), offset(range.end));
            // It is asked at every move of the cursor: only where something is told is it looked for.
            let findings = match context.diagnostics.is_empty() {
                true => Vec::new(),
                false => super::diagnostics::findings(snapshot, file),
            };
            let found = actions::actions(db, workspace, file, part, &findings);
            let wanted = |kind: &CodeActionKind| {
                context.only.as_ref().is_none_or(|only| only.iter().any(|it| includes(it, kind)))
            };
            let found = found.into_iter().filter_map(|it| {
                let kind = action_kind(it.kind);
                if !wanted(&kind) {
                    return None;
                }
                let mends = |diagnostic: &&Diagnostic| {
                    let finding = it.finding.and_then(|it| findings.get(it));
                    finding.is_some_and(|finding| {
                        let code = NumberOrString::String(finding.code.as_str().to_owned());
                        let place = finding.location.as_ref();
                        let range = place.and_then(|it| snapshot.range(&it.path, it.range));
                        diagnostic.code == Some(code) && range == Some(diagnostic.range)
                    })
                };
                let mended: Vec<Diagnostic> =
                    context.diagnostics.iter().filter(mends).cloned().collect();
                let mut changes = Changes::default();
                changes.add(snapshot, it.edits, None);
                Some(CodeActionOrCommand::CodeAction(CodeAction {
                    title: it.title,
                    kind: Some(kind),
                    diagnostics: (!mended.is_empty()).then_some(mended),
                    edit: Some(changes.edit(can).ok()?),
                    is_preferred: it.preferred.then_some(true),
                    ..CodeAction::default()
                }))
            });
            found.collect()
        });
        found.await
    }

    pub(crate) async fn format_part(
        &self,
        params: DocumentRangeFormattingParams,
    ) -> Result<Option<Vec<TextEdit>>> {
        let found = self.ask_source(&params.text_document.uri, move |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let offset = |at| lines.offset(text, at, snapshot.encoding);
            let part = TextRange::new(offset(params.range.start), offset(params.range.end));
            text_edits(snapshot, lines, text, format::part(text, part))
        });
        found.await
    }

    pub(crate) async fn format_typed(
        &self,
        params: DocumentOnTypeFormattingParams,
    ) -> Result<Option<Vec<TextEdit>>> {
        let TextDocumentPositionParams { text_document, position } = params.text_document_position;
        let found = self.ask_source(&text_document.uri, move |snapshot, file| {
            let (lines, text) = snapshot.lines(file);
            let offset = snapshot.offset(file, position);
            text_edits(snapshot, lines, text, format::typed(text, offset, &params.ch))
        });
        found.await
    }
}

fn action_kind(kind: ActionKind) -> CodeActionKind {
    match kind {
        ActionKind::Fix => CodeActionKind::QUICKFIX,
        ActionKind::Extract => CodeActionKind::REFACTOR_EXTRACT,
        ActionKind::Rewrite => CodeActionKind::REFACTOR_REWRITE,
    }
}

/// Whether a kind of actions is another or holds it: `refactor` holds `refactor.extract`.
fn includes(kind: &CodeActionKind, other: &CodeActionKind) -> bool {
    let rest = other.as_str().strip_prefix(kind.as_str());
    rest.is_some_and(|it| kind.as_str().is_empty() || it.is_empty() || it.starts_with('.'))
}

/// An answer that the user is told.
fn refused(why: String) -> Error {
    // `RequestFailed`
    Error { code: ErrorCode::ServerError(-32803), message: why.into(), data: None }
}

fn text_edits(
    snapshot: &Snapshot,
    lines: &Lines,
    text: &str,
    edits: Vec<(TextRange, String)>,
) -> Vec<TextEdit> {
    let edit =
        |(at, new_text)| TextEdit { range: lines.range(text, at, snapshot.encoding), new_text };
    edits.into_iter().map(edit).collect()
}

/// A path as a workspace knows it; `None` where it lies elsewhere.
fn relative(snapshot: &Snapshot, uri: &Uri) -> Option<String> {
    let path = uri.to_file_path()?;
    let canonical = std::fs::canonicalize(&path);
    let path: &Path = canonical.as_deref().unwrap_or(&path);
    let parts = path.strip_prefix(&snapshot.root).ok()?.components();
    let parts: Option<Vec<&str>> = parts.map(|it| it.as_os_str().to_str()).collect();
    Some(parts?.join("/"))
}

/// Changes of files, of all workspaces that see them: each once.
#[derive(Default)]
pub(crate) struct Changes {
    documents: BTreeMap<String, (Option<i32>, Vec<TextEdit>)>,
    moves: Vec<(Uri, Uri)>,
}

impl Changes {
    pub(crate) fn add(
        &mut self,
        snapshot: &Snapshot,
        edits: Vec<(Place, String)>,
        moves: Option<(plumb_compiler::syntax::ast::Name, plumb_compiler::syntax::ast::Name)>,
    ) {
        for (place, new_text) in edits {
            let Some(Location { uri, range }) = snapshot.location(&place) else { continue };
            let version = snapshot.held.get(&place.path).map(|it| it.version);
            let (_, edits) =
                self.documents.entry(uri.as_str().to_owned()).or_insert((version, Vec::new()));
            let edit = TextEdit { range, new_text };
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        if let Some((from, to)) = moves
            && let (Some(from), Some(to)) = (snapshot.address(&from), snapshot.address(&to))
        {
            self.moves.push((from, to));
        }
    }

    /// As the client takes them.
    pub(crate) fn edit(self, can: Can) -> std::result::Result<WorkspaceEdit, String> {
        if !self.moves.is_empty() && !can.rename_files {
            return Err("this editor cannot rename directories, and a package is one".to_owned());
        }
        let documents = self
            .documents
            .into_iter()
            .filter_map(|(uri, (version, edits))| Some((uri.parse::<Uri>().ok()?, version, edits)));
        if !can.versions {
            let changes = documents.map(|(uri, _, edits)| (uri, edits)).collect();
            return Ok(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() });
        }
        let edits = documents.map(|(uri, version, edits)| TextDocumentEdit {
            text_document: OptionalVersionedTextDocumentIdentifier { uri, version },
            edits: edits.into_iter().map(OneOf::Left).collect(),
        });
        let document_changes = match self.moves.is_empty() {
            true => DocumentChanges::Edits(edits.collect()),
            false => {
                // What is in a directory is changed where it still is.
                let edits = edits.map(DocumentChangeOperation::Edit);
                let moves = self.moves.into_iter().map(|(old_uri, new_uri)| {
                    DocumentChangeOperation::Op(ResourceOp::Rename(RenameFile {
                        old_uri,
                        new_uri,
                        options: None,
                        annotation_id: None,
                    }))
                });
                DocumentChanges::Operations(edits.chain(moves).collect())
            }
        };
        Ok(WorkspaceEdit { document_changes: Some(document_changes), ..WorkspaceEdit::default() })
    }
}

fn document_symbol(it: Outline, range: &dyn Fn(TextRange) -> Range) -> DocumentSymbol {
    let children: Vec<DocumentSymbol> =
        it.children.into_iter().map(|it| document_symbol(it, range)).collect();
    #[allow(deprecated, reason = "the field must be given")]
    DocumentSymbol {
        name: it.name,
        detail: it.detail,
        kind: symbol_kind(it.part),
        tags: None,
        deprecated: None,
        range: range(it.range),
        selection_range: range(it.selection),
        children: (!children.is_empty()).then_some(children),
    }
}

fn symbol_kind(part: Part) -> SymbolKind {
    match part {
        Part::Declaration(kind) => match kind {
            Kind::Schema => SymbolKind::CLASS,
            Kind::Type => SymbolKind::INTERFACE,
            Kind::Environment => SymbolKind::ENUM_MEMBER,
            Kind::Fn => SymbolKind::FUNCTION,
            Kind::Compose => SymbolKind::CONSTRUCTOR,
            Kind::Request => SymbolKind::OBJECT,
            Kind::Overlay | Kind::Defaults | Kind::Adjust => SymbolKind::STRUCT,
            Kind::Let => SymbolKind::CONSTANT,
            Kind::Package | Kind::Use => SymbolKind::PACKAGE,
            Kind::Policy | Kind::Test => SymbolKind::METHOD,
        },
        Part::Field => SymbolKind::FIELD,
        Part::Output => SymbolKind::PROPERTY,
        Part::Emit => SymbolKind::OBJECT,
        Part::Local => SymbolKind::VARIABLE,
        Part::Setting => SymbolKind::PROPERTY,
    }
}

fn call_item(snapshot: &Snapshot, it: Caller) -> Option<CallHierarchyItem> {
    let Location { uri, range } = snapshot.location(&it.location)?;
    Some(CallHierarchyItem {
        name: it.name,
        kind: it.kind.map_or(SymbolKind::OBJECT, |it| symbol_kind(Part::Declaration(it))),
        tags: None,
        detail: Some(it.detail).filter(|it| !it.is_empty()),
        uri,
        range,
        selection_range: snapshot.range(&it.location.path, it.selection)?,
        data: None,
    })
}

/// The types of words, in the order of [`Color`].
const TYPES: &[SemanticTokenType] = &[
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::CLASS,
    SemanticTokenType::TYPE,
    SemanticTokenType::STRUCT,
    SemanticTokenType::EVENT,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::PROPERTY,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::VARIABLE,
    SemanticTokenType::KEYWORD,
];

const MODIFIERS: &[SemanticTokenModifier] = &[
    SemanticTokenModifier::DECLARATION,
    SemanticTokenModifier::READONLY,
    SemanticTokenModifier::DEPRECATED,
    SemanticTokenModifier::DEFAULT_LIBRARY,
];

/// Words as the protocol has them: each relative to the one before.
fn tokens(words: &[colors::Colored], range: &dyn Fn(TextRange) -> Range) -> Vec<SemanticToken> {
    let mut before = Position::default();
    let mut found = Vec::with_capacity(words.len());
    for it in words {
        let Range { start, end } = range(it.range);
        let is_same_line = start.line == before.line;
        let marks = [it.declares, it.readonly, it.deprecated, it.library];
        let bits = marks.iter().enumerate().map(|(bit, is_set)| u32::from(*is_set) << bit).sum();
        found.push(SemanticToken {
            delta_line: start.line - before.line,
            delta_start: if is_same_line {
                start.character - before.character
            } else {
                start.character
            },
            length: end.character.saturating_sub(start.character),
            token_type: type_of(it.color),
            token_modifiers_bitset: bits,
        });
        before = start;
    }
    found
}

fn type_of(color: Color) -> u32 {
    match color {
        Color::Package => 0,
        Color::Schema => 1,
        Color::Type => 2,
        Color::Kind => 3,
        Color::Request => 4,
        Color::Environment => 5,
        Color::Field => 6,
        Color::Function => 7,
        Color::Parameter => 8,
        Color::Variable => 9,
        Color::Word => 10,
    }
}
