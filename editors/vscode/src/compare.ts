// The manifests of a request beside those of another environment, or of the last commit.

import * as vscode from "vscode";
import type { Environment } from "./environment";
import type { Preview } from "./preview";

export async function withEnvironment(preview: Preview, environment: Environment): Promise<void> {
    const subject = await found(preview);
    if (subject === undefined) {
        return;
    }
    const others = environment.declared.filter((name) => name !== subject.environment);
    const other = await vscode.window.showQuickPick(others, {
        title: `Compare ${subject.request} in ${subject.environment} with`,
        placeHolder: "Another environment",
    });
    if (other !== undefined) {
        await show(
            preview.address({ ...subject, environment: other }),
            preview.address(subject),
            `${subject.request}: ${other} ↔ ${subject.environment}`,
        );
    }
}

export async function withRevision(preview: Preview, revision: string): Promise<void> {
    const subject = await found(preview);
    if (subject === undefined) {
        return;
    }
    const past = { ...subject, revision };
    const answer = await preview.ask(past);
    const name = `${subject.request} in ${subject.environment}`;
    if (answer?.before === undefined) {
        void vscode.window.showWarningMessage(
            answer?.note ?? `There is no ${revision} to compare ${name} with.`,
        );
    } else if (answer.difference === "") {
        void vscode.window.showInformationMessage(`The manifests of ${name} are those of ${revision}.`);
    } else {
        await show(preview.address(past), preview.address(subject), `${name}: ${revision} ↔ now`);
    }
}

async function found(preview: Preview): ReturnType<Preview["subject"]> {
    const subject = await preview.subject();
    if (subject === undefined) {
        void vscode.window.showInformationMessage("Put the cursor into a request or an overlay first.");
    }
    return subject;
}

async function show(left: vscode.Uri, right: vscode.Uri, title: string): Promise<void> {
    await vscode.commands.executeCommand("vscode.diff", left, right, title);
}
