import * as vscode from "vscode";
import type { Position } from "vscode-languageclient/node";
import * as compare from "./compare";
import { Environment } from "./environment";
import { Preview } from "./preview";
import * as protocol from "./protocol";
import { Server } from "./server";

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
    const environment = new Environment(context.workspaceState);
    const running = new Server(context.extensionUri, () => environment.chosen);
    server = running;
    environment.attend(running);
    const preview = new Preview(running, environment);
    const command = vscode.commands.registerCommand;
    context.subscriptions.push(
        environment,
        preview,
        // From a menu the argument is the document's address, from a lens what it stands over.
        command("plumb.preview", (target?: protocol.LensTarget | vscode.Uri) =>
            preview.open(target === undefined || target instanceof vscode.Uri ? undefined : target),
        ),
        command("plumb.openSource", () => preview.openSource()),
        command("plumb.compareEnvironment", () => compare.withEnvironment(preview, environment)),
        command("plumb.compareHead", () => compare.withRevision(preview, "HEAD")),
        command("plumb.chooseEnvironment", () => environment.choose(running)),
        command("plumb.restartServer", () => running.restart()),
        command("plumb.showOutput", () => running.showOutput()),
        command("plumb.showReferences", (uri: string, at: Position) => showUsers(running, uri, at)),
        vscode.workspace.onDidChangeConfiguration(
            (event) => event.affectsConfiguration("plumb.path") && running.restart(),
        ),
    );
    await running.restart();
}

export async function deactivate(): Promise<void> {
    await server?.dispose();
}

/** The list of those that a lens counts. */
async function showUsers(server: Server, uri: string, position: Position): Promise<void> {
    const found = await server.ask(protocol.users, { textDocument: { uri }, position });
    await vscode.commands.executeCommand(
        "editor.action.showReferences",
        vscode.Uri.parse(uri),
        new vscode.Position(position.line, position.character),
        (found ?? []).map((location) => server.location(location)),
    );
}
