// The environment that the user looks at, in the status bar.

import * as vscode from "vscode";
import type { Server } from "./server";

const KEY = "plumb.environment";

export class Environment implements vscode.Disposable {
    private readonly item = vscode.window.createStatusBarItem(
        "plumb.environment",
        vscode.StatusBarAlignment.Right,
        // Left of the kind of the document, which says what is looked at.
        101,
    );
    private readonly changed = new vscode.EventEmitter<string | null>();
    private readonly subscriptions: vscode.Disposable[] = [];
    private all: string[] = [];

    readonly onDidChange = this.changed.event;

    constructor(private readonly memory: vscode.Memento) {
        this.item.name = "Plumb environment";
    }

    /** The one chosen, if it is still there. */
    get chosen(): string | null {
        const remembered = this.memory.get<{ name: string | null }>(KEY);
        const wanted = remembered === undefined ? this.configured : remembered.name;
        // Before the server has said what there is, what was chosen is believed.
        return wanted !== null && (this.all.length === 0 || this.all.includes(wanted)) ? wanted : null;
    }

    get declared(): readonly string[] {
        return this.all;
    }

    attend(server: Server): void {
        this.subscriptions.push(
            server.onDidChangeEnvironments((environments) => {
                const before = this.chosen;
                this.all = environments;
                if (this.chosen !== before) {
                    this.tell(server);
                }
                this.show(server);
            }),
            server.onDidChangeState(() => this.show(server)),
            vscode.window.onDidChangeActiveTextEditor(() => this.show(server)),
            vscode.workspace.onDidChangeConfiguration((event) => {
                if (event.affectsConfiguration("plumb.environment")) {
                    this.tell(server);
                }
            }),
        );
        this.show(server);
    }

    async choose(server: Server): Promise<void> {
        if (server.state === "failed") {
            return server.restart();
        }
        const none = {
            label: "All environments",
            description: this.chosen === null ? "shown now" : "",
            name: null as string | null,
        };
        const items = this.all.map((name) => ({
            label: name,
            description: name === this.chosen ? "shown now" : "",
            name: name as string | null,
        }));
        const choice = await vscode.window.showQuickPick([...items, none], {
            title: "Environment that lenses, hints and manifests show",
            placeHolder:
                items.length === 0 ? "This workspace declares no environment" : "Choose an environment",
        });
        if (choice !== undefined) {
            await this.memory.update(KEY, { name: choice.name });
            this.tell(server);
        }
    }

    dispose(): void {
        for (const each of [this.item, this.changed, ...this.subscriptions]) {
            each.dispose();
        }
    }

    private get configured(): string | null {
        return vscode.workspace.getConfiguration("plumb").get<string | null>("environment", null);
    }

    private tell(server: Server): void {
        void server.chooseEnvironment(this.chosen);
        this.show(server);
        this.changed.fire(this.chosen);
    }

    private show(server: Server): void {
        const active = vscode.window.activeTextEditor?.document;
        if (active?.languageId !== "plumb" && active?.uri.scheme !== "plumb-preview") {
            this.item.hide();
            return;
        }
        const failed = server.state === "failed";
        this.item.backgroundColor = failed
            ? new vscode.ThemeColor("statusBarItem.errorBackground")
            : undefined;
        if (failed) {
            this.item.text = "$(error) Plumb";
            this.item.tooltip = "The language server of Plumb does not run. Click to try again.";
            this.item.command = "plumb.restartServer";
        } else {
            this.item.text =
                server.state === "starting"
                    ? "$(loading~spin) Plumb"
                    : `$(layers) ${this.chosen ?? "all environments"}`;
            this.item.tooltip = "Plumb: the environment that lenses, hints and manifests show";
            this.item.command = "plumb.chooseEnvironment";
        }
        this.item.show();
    }
}
