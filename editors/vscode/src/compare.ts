// The manifests of a request beside those of another environment, or of the last commit.

import * as vscode from "vscode";
import type { Environment } from "./environment";
import type { Preview, Subject } from "./preview";

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
            preview,
            { ...subject, environment: other },
            subject,
            `${name(subject)}: ${other} ↔ ${subject.environment}`,
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
    const what = `${name(subject)} in ${subject.environment}`;
    if (answer?.before === undefined) {
        void vscode.window.showWarningMessage(
            answer?.note ?? `There is no ${revision} to compare ${what} with.`,
        );
    } else if (answer.difference === "") {
        void vscode.window.showInformationMessage(`The manifests of ${what} are those of ${revision}.`);
    } else {
        await show(preview, past, subject, `${what}: ${revision} ↔ now`);
    }
}

async function found(preview: Preview): ReturnType<Preview["subject"]> {
    if (!(await preview.ready())) {
        return undefined;
    }
    const subject = await preview.subject();
    if (subject === undefined) {
        void vscode.window.showInformationMessage("Put the cursor into a request or an overlay first.");
    }
    return subject;
}

/** In the preview's place where there is one: the source stays in view, and changes what is shown. */
async function show(preview: Preview, left: Subject, right: Subject, title: string): Promise<void> {
    const [old, now] = [left, right].map((subject) => preview.address(subject));
    await vscode.commands.executeCommand("vscode.diff", old, now, title, {
        viewColumn: preview.column ?? vscode.ViewColumn.Active,
    });
}

/** The request, without its package. */
function name(subject: { request: string }): string {
    return subject.request.slice(subject.request.lastIndexOf(".") + 1);
}
