// The language server: started, watched, asked.

import * as vscode from "vscode";
import { LanguageClient, type RequestType } from "vscode-languageclient/node";
import * as program from "./program";
import * as protocol from "./protocol";

export type State = "starting" | "running" | "failed";

export class Server implements vscode.Disposable {
    private client: LanguageClient | undefined;
    /** Starts and stops happen one after the other, whoever asks for them. */
    private turn: Promise<void> = Promise.resolve();
    private readonly output = vscode.window.createOutputChannel("Plumb", { log: true });
    private readonly trace = vscode.window.createOutputChannel("Plumb Trace", { log: true });
    private readonly changed = new vscode.EventEmitter<State>();
    private readonly named = new vscode.EventEmitter<string[]>();

    state: State = "starting";
    readonly onDidChangeState = this.changed.event;
    /** The environments of the workspace, whenever they are others. */
    readonly onDidChangeEnvironments = this.named.event;

    constructor(
        private readonly extension: vscode.Uri,
        private readonly environment: () => string | null,
    ) {}

    restart(): Promise<void> {
        this.turn = this.turn.then(() => this.stop()).then(() => this.start());
        return this.turn;
    }

    /** Whether it runs; where it does not, it is tried again, which says why not. */
    async ready(): Promise<boolean> {
        await this.turn;
        if (this.state === "failed") {
            await this.restart();
        }
        return this.state === "running";
    }

    /** What the server answers; nothing where it does not run, or has no answer now. */
    async ask<P, R>(type: RequestType<P, R, void>, params: P): Promise<R | undefined> {
        await this.turn;
        try {
            return await this.client?.sendRequest<R>(type.method, params);
        } catch (error) {
            this.output.error(`${type.method}: ${message(error)}`);
            return undefined;
        }
    }

    async chooseEnvironment(environment: string | null): Promise<void> {
        await this.turn;
        await this.client?.sendNotification(protocol.setEnvironment, { environment });
    }

    /** The place of the source, as the editor writes places. */
    location(location: protocol.Link["targets"][number]): vscode.Location {
        return new vscode.Location(
            vscode.Uri.parse(location.uri),
            new vscode.Range(
                location.range.start.line,
                location.range.start.character,
                location.range.end.line,
                location.range.end.character,
            ),
        );
    }

    showOutput(): void {
        this.output.show(true);
    }

    dispose(): Promise<void> {
        return this.turn
            .then(() => this.stop())
            .finally(() => {
                for (const each of [this.output, this.trace, this.changed, this.named]) {
                    each.dispose();
                }
            });
    }

    private async start(): Promise<void> {
        this.become("starting");
        const wanted = program.configured();
        const command = program.find(wanted);
        if (command === undefined) {
            this.fail(
                /[/\\]/.test(wanted)
                    ? `Plumb's language server cannot start: there is no program ${wanted}.`
                    : `Plumb's language server cannot start: there is no program “${wanted}” in PATH.`,
                "How to Install",
            );
            return;
        }
        if (!(await program.serves(command))) {
            this.fail(
                `Plumb's language server cannot start: ${command} is another program, or a Plumb without one.`,
                "How to Install",
            );
            return;
        }
        this.output.info(`starting ${command} lsp`);
        const client = new LanguageClient(
            "plumb",
            "Plumb",
            { command, args: ["lsp"] },
            {
                documentSelector: [
                    { scheme: "file", language: "plumb" },
                    { scheme: "file", pattern: "**/plumb.toml" },
                ],
                initializationOptions: () => ({
                    environment: this.environment(),
                    clientCommands: protocol.clientCommands,
                }),
                outputChannel: this.output,
                traceOutputChannel: this.trace,
                // A failed start is told below, with what can be done about it.
                initializationFailedHandler: () => false,
                revealOutputChannelOn: 4,
            },
        );
        client.onNotification(protocol.environmentsChanged, ({ environments }) =>
            this.named.fire(environments),
        );
        this.client = client;
        try {
            await client.start();
            this.become("running");
            this.named.fire((await client.sendRequest(protocol.environments, {})).environments);
        } catch (error) {
            this.output.error(message(error));
            await this.stop();
            this.fail(`Plumb's language server did not start: ${command} lsp`, "Show Output");
        }
    }

    private async stop(): Promise<void> {
        const client = this.client;
        this.client = undefined;
        try {
            await client?.dispose();
        } catch (error) {
            this.output.warn(message(error));
        }
    }

    private become(state: State): void {
        this.state = state;
        this.changed.fire(state);
    }

    private fail(text: string, first: "How to Install" | "Show Output"): void {
        this.output.error(text);
        this.become("failed");
        void vscode.window.showErrorMessage(text, first, "Open Setting").then((choice) => {
            switch (choice) {
                case "How to Install":
                    // In the package its name is in lower case.
                    return vscode.commands.executeCommand(
                        "markdown.showPreview",
                        vscode.Uri.joinPath(this.extension, "readme.md").with({ fragment: "install" }),
                    );
                case "Show Output":
                    return this.showOutput();
                case "Open Setting":
                    // A path is a machine's: where that is another one, its settings are a page of their own.
                    return vscode.commands.executeCommand(
                        vscode.env.remoteName === undefined
                            ? "workbench.action.openSettings"
                            : "workbench.action.openRemoteSettings",
                        { query: "@id:plumb.path" },
                    );
                default:
                    return undefined;
            }
        });
    }
}

function message(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
