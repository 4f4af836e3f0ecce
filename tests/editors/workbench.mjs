// A real VS Code workbench, served by code-server to Debian's Chromium, with the packaged extension in it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const here = import.meta.dirname;
const modules = path.join(here, "node_modules");
// code-server runs on this version of Node, whatever the machine has.
const node = path.join(modules, `node-linux-${process.arch}/bin/node`);
const entry = path.join(modules, "code-server/out/node/entry.js");
const extension = path.join(here, "../../editors/vscode/plumb.vsix");

/** Where what the tests saw is kept. */
export const shots = process.env.SHOTS ?? path.join(here, "shots");

/** How long anything may take to show, in milliseconds. */
const PATIENCE = 30_000;

const settings = {
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "workbench.enableExperiments": false,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.welcomePage.walkthroughs.openOnInstall": false,
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.layoutControl.enabled": false,
    "workbench.tips.enabled": false,
    "workbench.reduceMotion": "on",
    "window.commandCenter": false,
    "security.workspace.trust.enabled": false,
    "chat.disableAIFeatures": true,
    "extensions.autoUpdate": false,
    "extensions.autoCheckUpdates": false,
    "extensions.ignoreRecommendations": true,
    "git.openRepositoryInParentFolders": "never",
    "git.blame.statusBarItem.enabled": false,
    "editor.minimap.enabled": false,
    "editor.hover.delay": 100,
    "editor.fontFamily": "DejaVu Sans Mono",
    "editor.fontSize": 13,
    "editor.stickyScroll.enabled": false,
    "files.autoSave": "off",
};

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const ended = (child) => new Promise((done) => child.once("exit", done));

function freePort() {
    return new Promise((done) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });
}

/** Whether any process of the group is still there. */
function isAlive(group) {
    try {
        return process.kill(-group, 0);
    } catch {
        return false;
    }
}

/** Waits until it is true; tells what was not reached. */
export async function until(holds, what) {
    const end = Date.now() + PATIENCE;
    while (!(await holds())) {
        assert.ok(Date.now() < end, `not reached: ${what}`);
        await pause(50);
    }
}

export class Workbench {
    /** Opens the folder that `fill` fills. `plumb` is the program of the language server. */
    static async open({ plumb, fill }) {
        const bench = new Workbench();
        bench.scratch = mkdtempSync(path.join(tmpdir(), "plumb-vscode-"));
        bench.folder = path.join(bench.scratch, "acme");
        bench.user = path.join(bench.scratch, "user");
        mkdirSync(shots, { recursive: true });
        mkdirSync(path.join(bench.user, "User"), { recursive: true });
        mkdirSync(path.join(bench.user, "Machine"));
        writeFileSync(path.join(bench.user, "User/settings.json"), JSON.stringify(settings, null, 4));
        bench.configure(plumb);
        await fill(bench.folder);
        try {
            await bench.start();
        } catch (error) {
            await bench.close();
            throw error;
        }
        return bench;
    }

    /** Says which program `plumb` is, where VS Code watches what holds for a machine. */
    configure(program) {
        const file = path.join(this.user, "Machine/settings.json");
        writeFileSync(file, JSON.stringify({ "plumb.path": program }));
    }

    async start() {
        const port = await freePort();
        const config = path.join(this.scratch, "code-server.yaml");
        const log = path.join(this.scratch, "code-server.log");
        writeFileSync(config, `auth: none\nbind-addr: 127.0.0.1:${port}\n`);
        // A home of its own leaves nothing behind; what a VS Code around this test sets would lead to that one.
        const env = Object.fromEntries(
            Object.entries(process.env).filter(([name]) => !/^(VSCODE_|XDG_|PASSWORD$)/.test(name)),
        );
        Object.assign(env, { HOME: this.scratch, TMPDIR: this.scratch, EXTENSIONS_GALLERY: "{}" });
        const common = ["--config", config, "--user-data-dir", this.user];
        common.push("--extensions-dir", path.join(this.scratch, "extensions"));
        const file = openSync(log, "a");
        const stdio = ["ignore", file, file];
        const install = spawn(node, [entry, ...common, "--install-extension", extension], { env, stdio });
        assert.equal(await ended(install), 0, readFileSync(log, "utf8"));
        const quiet = ["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"];
        quiet.push("--disable-getting-started-override");
        // A process group of its own: extension host and language server end with it.
        this.server = spawn(node, [entry, ...common, ...quiet], { env, stdio, detached: true });
        const address = `http://127.0.0.1:${port}`;
        await until(async () => {
            assert.equal(this.server.exitCode, null, readFileSync(log, "utf8"));
            return fetch(`${address}/healthz`).then(
                (answer) => answer.ok,
                () => false,
            );
        }, "VS Code's server is up");
        this.browser = await chromium.launch({
            executablePath: "/usr/bin/chromium",
            args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        });
        this.page = await this.browser.newPage({ viewport: { width: 1280, height: 800 } });
        this.page.setDefaultTimeout(PATIENCE);
        await this.page.goto(`${address}/?folder=${encodeURIComponent(this.folder)}`);
        await this.page.locator(".monaco-workbench .explorer-folders-view").waitFor();
    }

    async close() {
        await this.browser?.close();
        const group = this.server?.pid;
        if (group !== undefined && isAlive(group)) {
            process.kill(-group, "SIGTERM");
            await until(() => !isAlive(group), "VS Code has ended");
        }
        rmSync(this.scratch, { recursive: true, force: true });
    }

    /** Keeps what is on the screen. */
    async shot(name) {
        await this.away();
        await this.page.screenshot({ path: path.join(shots, `${name}.png`), animations: "disabled" });
    }

    /** Takes the mouse where nothing tells what it is over. */
    away() {
        return this.page.mouse.move(24, 600);
    }

    press(...keys) {
        return keys.reduce((before, key) => before.then(() => this.page.keyboard.press(key)), Promise.resolve());
    }

    /** Opens a file of the folder, by its name. */
    async openFile(name) {
        await this.press("Control+P");
        await this.choose(name);
        await this.page.locator(".tab.active", { hasText: path.basename(name) }).waitFor();
        await this.editor().locator(".view-line").first().waitFor();
    }

    /** Types into the quick pick that is open, and takes what it finds. */
    async choose(text) {
        const pick = this.page.locator(".quick-input-widget:visible");
        await pick.locator("input").first().fill(text);
        await pick.locator(".monaco-list-row.focused", { hasText: path.basename(text) }).waitFor();
        await this.press("Enter");
        await pick.waitFor({ state: "hidden" });
    }

    /** Runs a command by its title. */
    async run(title) {
        // Commands come late after the start, and a list that is open does not learn of them.
        const pick = this.page.locator(".quick-input-widget:visible");
        const name = this.page.locator(".label-name").getByText(title, { exact: true });
        await until(async () => {
            await this.press("F1");
            await pick.locator("input").first().fill(`>${title}`);
            const row = pick.locator(".monaco-list-row", { has: name }).first();
            const listed = await row.waitFor({ timeout: 2_000 }).then(
                () => true,
                () => false,
            );
            await (listed ? row.click() : this.press("Escape"));
            return listed;
        }, `the command ${title}`);
        await this.away();
    }

    /** The editor that has the focus, or the one of this tab. */
    editor(group = 0) {
        return this.page.locator(".editor-group-container").nth(group).locator(".editor-instance .monaco-editor").first();
    }

    /** Puts the cursor behind the first place where the text stands; it is the user's text on disk that is read. */
    async cursor(text, { file, before = false }) {
        const content = readFileSync(path.join(this.folder, file), "utf8");
        const at = content.indexOf(text);
        assert.ok(at >= 0, `${text} is not in ${file}`);
        const lines = content.slice(0, before ? at : at + text.length).split("\n");
        await this.goto(lines.length, lines.at(-1).length + 1);
    }

    async goto(line, column = 1) {
        await this.press("Control+G");
        const pick = this.page.locator(".quick-input-widget:visible");
        await pick.locator("input").first().fill(`:${line}:${column}`);
        await this.press("Enter");
        await pick.waitFor({ state: "hidden" });
    }

    /** Puts the focus into an editor group, counted from 0. */
    focus(group) {
        return this.press(`Control+${group + 1}`);
    }

    /** Clicks on a line that is in view, without what scrolls a page to get there. */
    async click(group, text) {
        const box = await this.editor(group).locator(".view-line span span", { hasText: text }).first().boundingBox();
        await this.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    }

    /** What an element says, with plain blanks. */
    async text(locator) {
        return (await locator.innerText()).replaceAll("\u00a0", " ");
    }

    /** The lines that an editor shows, in order. */
    async lines(group = 0) {
        const found = await this.editor(group)
            .locator(".view-lines .view-line")
            .evaluateAll((lines) => lines.map((line) => [Number.parseInt(line.style.top, 10), line.textContent]));
        return found.sort((a, b) => a[0] - b[0]).map((line) => line[1].replaceAll("\u00a0", " "));
    }

    /** The lines that the extension marks in an editor. */
    async marked(group = 0) {
        const tops = await this.editor(group)
            .locator(".view-overlays .cdr[class*=ced-]")
            .evaluateAll((marks) => marks.map((mark) => mark.parentElement.style.top));
        const lines = await this.editor(group)
            .locator(".view-lines .view-line")
            .evaluateAll((lines) => lines.map((line) => [line.style.top, line.textContent.replaceAll("\u00a0", " ")]));
        return lines.filter(([top]) => tops.includes(top)).map(([, text]) => text);
    }

    status(text) {
        return this.page.locator(".statusbar-item", { hasText: text });
    }

    notification(text) {
        return this.page.locator(".notification-toast", { hasText: text });
    }
}
