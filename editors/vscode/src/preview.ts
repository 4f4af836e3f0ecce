// The manifests of a request beside its source, as read-only documents that the server writes.

import * as vscode from "vscode";
import type { Environment } from "./environment";
import * as places from "./places";
import * as protocol from "./protocol";
import type { Server } from "./server";

export const SCHEME = "plumb-preview";

/** The document that follows the cursor. */
const LIVE = vscode.Uri.from({ scheme: SCHEME, path: "/Manifests.yaml" });

/** How long the cursor rests before it is followed, in milliseconds: arrow keys held down ask once. */
const REST = 60;

const NOTHING = [
    "No request here.",
    "",
    "Put the cursor into a request or an overlay, and this shows the manifests that it becomes.",
];

/** What a document shows. */
export interface Subject {
    uri: string;
    request?: string;
    position?: { line: number; character: number };
    environment?: string;
    /** The side of a comparison that shows the past. */
    revision?: string;
}

/** A document as it is shown: the server's text below lines of comment. */
interface Page {
    subject: Subject;
    answer: protocol.Preview | undefined;
    text: string;
    /** How many lines stand above the server's text. */
    shift: number;
}

export class Preview
    implements vscode.TextDocumentContentProvider, vscode.DefinitionProvider, vscode.Disposable
{
    private readonly changed = new vscode.EventEmitter<vscode.Uri>();
    private readonly pages = new Map<string, Page>();
    private readonly marks = vscode.window.createTextEditorDecorationType({
        isWholeLine: true,
        backgroundColor: new vscode.ThemeColor("editor.selectionHighlightBackground"),
        borderColor: new vscode.ThemeColor("focusBorder"),
        borderStyle: "solid",
        borderWidth: "0 0 0 2px",
        overviewRulerColor: new vscode.ThemeColor("focusBorder"),
        overviewRulerLane: vscode.OverviewRulerLane.Center,
    });
    private readonly subscriptions: vscode.Disposable[];
    private timer: NodeJS.Timeout | undefined;
    /** When the timer ends. */
    private due = 0;
    private live: Subject | undefined;
    /** Where the cursor of the source is; what belongs to it is marked once the text is there. */
    private cursor: vscode.Location | undefined;
    /** The last question about each page: an answer to an older one is dropped. */
    private readonly questions = new Map<string, number>();

    readonly onDidChange = this.changed.event;

    constructor(
        private readonly server: Server,
        private readonly environment: Environment,
    ) {
        const disk = vscode.workspace.createFileSystemWatcher("**/{*.plumb,plumb.toml}");
        const again = () => this.later(this.delay);
        this.subscriptions = [
            this.changed,
            this.marks,
            disk,
            disk.onDidChange(again),
            disk.onDidCreate(again),
            disk.onDidDelete(again),
            vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
            vscode.languages.registerDefinitionProvider({ scheme: SCHEME }, this),
            vscode.workspace.onDidChangeTextDocument((event) => this.edited(event)),
            vscode.workspace.onDidCloseTextDocument(({ uri }) => this.pages.delete(uri.toString())),
            vscode.window.onDidChangeTextEditorSelection((event) => this.moved(event)),
            vscode.window.onDidChangeActiveTextEditor((editor) => editor && this.follow(editor)),
            environment.onDidChange(() => {
                if (this.live !== undefined) {
                    delete this.live.environment;
                }
                this.later(0);
            }),
            server.onDidChangeState((state) => state === "running" && this.later(0)),
        ];
    }

    /** Whether there is a server to ask; where there is none, the user is told. */
    ready(): Promise<boolean> {
        return this.server.ready();
    }

    /** Shows what the cursor is in, or what a lens names. */
    async open(lens?: protocol.LensTarget): Promise<void> {
        if (!(await this.ready())) {
            return;
        }
        const editor = vscode.window.activeTextEditor;
        if (lens !== undefined) {
            this.live = { ...lens };
            // A lens may stand elsewhere than the cursor.
            this.cursor = undefined;
        } else if (editor?.document.languageId === "plumb") {
            this.live = subjectAt(editor);
            this.cursor = new vscode.Location(editor.document.uri, editor.selection.active);
        }
        await this.refresh(LIVE);
        const shown = this.editor(LIVE);
        const document = await vscode.workspace.openTextDocument(LIVE);
        await vscode.window.showTextDocument(document, {
            viewColumn: shown?.viewColumn ?? vscode.ViewColumn.Beside,
            preserveFocus: true,
            preview: false,
        });
        this.markText();
    }

    /** Goes to what decided the line under the cursor of a manifest, beside it: in the source that is open, if it is one. */
    async openSource(): Promise<void> {
        const editor = vscode.window.activeTextEditor;
        const link = editor && this.linkAt(editor.document, editor.selection.active);
        const targets = link?.targets.map((target) => this.server.location(target)) ?? [];
        const sources = vscode.window.visibleTextEditors.filter(
            ({ document }) => document.languageId === "plumb",
        );
        const isOpen = (target: vscode.Location) =>
            sources.some(({ document }) => document.uri.toString() === target.uri.toString());
        const target = targets.find(isOpen) ?? targets[0];
        if (target !== undefined) {
            await vscode.window.showTextDocument(target.uri, {
                viewColumn: sources[0]?.viewColumn ?? vscode.ViewColumn.One,
                selection: target.range,
            });
        }
    }

    /** Where the document is shown that follows the cursor. */
    get column(): vscode.ViewColumn | undefined {
        return this.editor(LIVE)?.viewColumn;
    }

    /** What the active editor speaks of, with the request and environment that the server finds. */
    async subject(): Promise<Required<Pick<Subject, "uri" | "request" | "environment">> | undefined> {
        const editor = vscode.window.activeTextEditor;
        if (editor === undefined) {
            return undefined;
        }
        const shown = this.pages.get(editor.document.uri.toString());
        const subject =
            shown?.subject ?? (editor.document.languageId === "plumb" ? subjectAt(editor) : undefined);
        const answer = subject && (await this.ask(subject));
        return answer && { uri: subject.uri, request: answer.request, environment: answer.environment };
    }

    /** What the server makes of it; nothing where no request is found. */
    async ask(subject: Subject): Promise<protocol.Preview | undefined> {
        const environment = subject.environment ?? this.environment.chosen;
        const answer = await this.server.ask(protocol.preview, {
            textDocument: { uri: subject.uri },
            ...(subject.request === undefined ? {} : { request: subject.request }),
            ...(subject.position === undefined ? {} : { position: subject.position }),
            ...(environment === null ? {} : { environment }),
            ...(subject.revision === undefined ? {} : { against: { revision: subject.revision } }),
        });
        return answer ?? undefined;
    }

    /** The address of a document that keeps showing one request in one environment. */
    address(subject: Subject): vscode.Uri {
        const name = subject.request?.split(".").at(-1) ?? "manifests";
        return vscode.Uri.from({ scheme: SCHEME, path: `/${name}.yaml`, query: JSON.stringify(subject) });
    }

    async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
        const known = this.pages.get(uri.toString()) ?? (await this.make(uri));
        this.pages.set(uri.toString(), known);
        return known.text;
    }

    /** From a line of a manifest to what decided it. */
    provideDefinition(document: vscode.TextDocument, position: vscode.Position): vscode.LocationLink[] {
        const link = this.linkAt(document, position);
        return (link?.targets ?? []).map((target) => {
            const place = this.server.location(target);
            return { targetUri: place.uri, targetRange: place.range };
        });
    }

    dispose(): void {
        clearTimeout(this.timer);
        for (const each of this.subscriptions) {
            each.dispose();
        }
    }

    private linkAt(document: vscode.TextDocument, position: vscode.Position): protocol.Link | undefined {
        const page = this.pages.get(document.uri.toString());
        return page?.answer && places.at(page.answer.map, up(position, page.shift));
    }

    private get delay(): number {
        return vscode.workspace.getConfiguration("plumb.preview").get("delay", 150);
    }

    private get follows(): boolean {
        return vscode.workspace.getConfiguration("plumb.preview").get("followCursor", true);
    }

    private editor(uri: vscode.Uri): vscode.TextEditor | undefined {
        return vscode.window.visibleTextEditors.find(
            (editor) => editor.document.uri.toString() === uri.toString(),
        );
    }

    private edited(event: vscode.TextDocumentChangeEvent): void {
        const uri = event.document.uri.toString();
        if (uri === LIVE.toString()) {
            this.markText();
        } else if (event.document.languageId === "plumb") {
            this.later(this.delay);
        }
    }

    private moved(event: vscode.TextEditorSelectionChangeEvent): void {
        const editor = event.textEditor;
        if (editor.document.uri.toString() === LIVE.toString()) {
            // What the user did not move is where a new text left the cursor.
            if (event.kind !== undefined && this.follows) {
                this.markSource(editor.selection.active);
            }
        } else {
            this.follow(editor);
        }
    }

    private follow(editor: vscode.TextEditor): void {
        if (editor.document.languageId !== "plumb" || !this.follows || this.editor(LIVE) === undefined) {
            return;
        }
        this.cursor = new vscode.Location(editor.document.uri, editor.selection.active);
        editor.setDecorations(this.marks, []);
        this.markText();
        this.later(REST);
    }

    /** Makes all pages again that are open, once nothing has happened for so long. */
    private later(milliseconds: number): void {
        if (this.pages.size === 0) {
            return;
        }
        clearTimeout(this.timer);
        // Typing moves the cursor, too, which would not wait as long.
        this.due = Math.max(this.due, Date.now() + milliseconds);
        this.timer = setTimeout(() => {
            this.due = 0;
            for (const uri of this.pages.keys()) {
                void this.refresh(vscode.Uri.parse(uri));
            }
        }, this.due - Date.now());
    }

    private async refresh(uri: vscode.Uri): Promise<void> {
        const key = uri.toString();
        const question = (this.questions.get(key) ?? 0) + 1;
        this.questions.set(key, question);
        const page = await this.make(uri);
        if (this.questions.get(key) !== question) {
            return;
        }
        const before = this.pages.get(key);
        this.pages.set(key, page);
        if (before?.text !== page.text) {
            this.changed.fire(uri);
        } else {
            this.markText();
        }
    }

    private async make(uri: vscode.Uri): Promise<Page> {
        if (uri.toString() !== LIVE.toString()) {
            const subject = JSON.parse(uri.query) as Subject;
            const answer = await this.ask(subject);
            const text = subject.revision === undefined ? answer?.text : answer?.before;
            return { subject, answer, text: text ?? "", shift: 0 };
        }
        const before = this.pages.get(LIVE.toString());
        const [subject, answer] = await this.current();
        if (answer === undefined) {
            // Half a line typed, or a cursor between requests: what was shown stays.
            return before?.answer === undefined ? page(subject, undefined, NOTHING) : before;
        }
        this.live = { uri: subject.uri, request: answer.request, environment: answer.environment };
        const what = `${answer.request} in ${answer.environment}`;
        const notes = answer.note?.split("\n") ?? [];
        const last = before?.answer;
        if (
            answer.manifests.length === 0 &&
            last?.request === answer.request &&
            last.environment === answer.environment
        ) {
            // A mistake on the way to the next word does not take the manifests away.
            return page(this.live, last, [`${what}, before the mistake`, ...notes]);
        }
        return page(this.live, answer, [
            `${what}: ${counted(answer.manifests.length, "manifest")}`,
            ...notes,
        ]);
    }

    /** The request under the cursor, else the one shown before. */
    private async current(): Promise<[Subject, protocol.Preview | undefined]> {
        const before = this.live;
        if (this.cursor !== undefined && this.follows) {
            const { line, character } = this.cursor.range.start;
            const here = { uri: this.cursor.uri.toString(), position: { line, character } };
            const answer = await this.ask(here);
            if (answer !== undefined) {
                return [here, answer];
            }
        }
        return before === undefined ? [{ uri: "" }, undefined] : [before, await this.ask(before)];
    }

    /** Marks in the manifests what the cursor of the source decided. */
    private markText(): void {
        const editor = this.editor(LIVE);
        const page = this.pages.get(LIVE.toString());
        // A text that the editor does not show yet has its lines elsewhere.
        if (editor === undefined || page?.answer === undefined || editor.document.getText() !== page.text) {
            return;
        }
        const ranges =
            this.cursor === undefined || !this.follows
                ? []
                : places
                      .of(page.answer.map, this.cursor.uri, this.cursor.range.start, (uri) =>
                          vscode.Uri.parse(uri),
                      )
                      .map((range) => places.down(range, page.shift));
        mark(editor, this.marks, ranges);
    }

    /** Marks in the sources that are visible what decided the line of the manifests. */
    private markSource(position: vscode.Position): void {
        const page = this.pages.get(LIVE.toString());
        const link = page?.answer && places.at(page.answer.map, up(position, page.shift));
        const targets = link?.targets.map((target) => this.server.location(target)) ?? [];
        for (const editor of vscode.window.visibleTextEditors) {
            if (editor.document.languageId === "plumb") {
                const uri = editor.document.uri.toString();
                const here = targets.filter((target) => target.uri.toString() === uri);
                mark(
                    editor,
                    this.marks,
                    here.map((target) => target.range),
                );
            }
        }
        this.editor(LIVE)?.setDecorations(
            this.marks,
            link && page ? [places.down(link.range, page.shift)] : [],
        );
    }
}

function subjectAt(editor: vscode.TextEditor): Subject {
    const { line, character } = editor.selection.active;
    return { uri: editor.document.uri.toString(), position: { line, character } };
}

function page(subject: Subject, answer: protocol.Preview | undefined, comment: string[]): Page {
    const above = comment.map((line) => `# ${line}`.trimEnd());
    return {
        subject,
        answer,
        text: [...above, answer?.text ?? ""].join("\n"),
        shift: above.length,
    };
}

function counted(count: number, what: string): string {
    return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}

function up(position: vscode.Position, lines: number): protocol.Place {
    return { line: position.line - lines, character: position.character };
}

function mark(
    editor: vscode.TextEditor,
    marks: vscode.TextEditorDecorationType,
    ranges: vscode.Range[],
): void {
    editor.setDecorations(marks, ranges);
    const [first] = ranges;
    if (first !== undefined) {
        editor.revealRange(first, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    }
}
