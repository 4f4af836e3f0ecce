// Finding the program `plumb`.

import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";

/** What `plumb.path` says, `~` and `${workspaceFolder}` written out. */
export function configured(): string {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
    return vscode.workspace
        .getConfiguration("plumb")
        .get("path", "plumb")
        .trim()
        .replace(/^~(?=[/\\]|$)/, homedir())
        .replace(/\$\{workspaceFolder\}/g, folder);
}

/** The program of this name or path, if it is there and can be run. */
export function find(program: string): string | undefined {
    if (/[/\\]/.test(program)) {
        return isProgram(program) ? program : undefined;
    }
    const endings = process.platform === "win32" ? (process.env.PATHEXT ?? ".EXE").split(";") : [""];
    return (process.env.PATH ?? "")
        .split(path.delimiter)
        .filter((directory) => directory !== "")
        .flatMap((directory) => endings.map((ending) => path.join(directory, program + ending)))
        .find(isProgram);
}

/** Whether the program can serve an editor: it may be an older one, or another of the same name. */
export function serves(program: string): Promise<boolean> {
    return new Promise((done) => {
        execFile(program, ["lsp", "--help"], { timeout: 5_000 }, (error) => done(error === null));
    });
}

function isProgram(file: string): boolean {
    try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
    } catch {
        return false;
    }
}
