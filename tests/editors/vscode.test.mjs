// The extension in the real VS Code, with the real `plumb`, on the example.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { until, Workbench } from "./workbench.mjs";

const { PLUMB } = process.env;
assert.ok(PLUMB, "PLUMB names the program to test");
const example = path.join(import.meta.dirname, "../../examples/acme");

let bench;

before(async () => {
    bench = await Workbench.open({
        plumb: PLUMB,
        fill: (folder) => {
            cpSync(example, folder, { recursive: true });
            const git = (...args) =>
                execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@acme.test", ...args], { cwd: folder });
            git("init", "--quiet");
            git("add", ".");
            git("commit", "--quiet", "--message", "The example");
        },
    });
});

after(async () => {
    await bench?.shot("end");
    await bench?.close();
});

const storefront = "apps/shop/storefront.plumb";

test("a file is Plumb, in colour", async () => {
    await bench.openFile(storefront);
    await bench.status(/^Plumb$/).waitFor();
    const word = bench.editor().locator(".view-line span span", { hasText: /^request$/ }).first();
    await word.waitFor();
    assert.notEqual(await word.getAttribute("class"), "mtk1");
    await bench.status("all environments").waitFor();
    await bench.shot("open");
});

test("the environment is chosen in the status bar", async () => {
    await bench.status("all environments").click();
    await bench.page.locator(".quick-input-widget .monaco-list-row", { hasText: "prod-us" }).waitFor();
    await bench.shot("environment");
    await bench.choose("staging");
    await bench.status("staging").waitFor();
    await bench.editor().locator(".codelens-decoration", { hasText: /\d+ manifests in staging/ }).waitFor();
    await bench.run("Plumb: Choose Environment");
    await bench.choose("prod");
    await bench.editor().locator(".codelens-decoration", { hasText: /\d+ manifests in prod$/ }).waitFor();
    await bench.shot("lens");
});

test("hover tells the value of each environment and the layer that set it", async () => {
    await bench.cursor("prod {\n    replicas", { file: storefront });
    await bench.press("Control+K", "Control+I");
    const hover = bench.page.locator(".monaco-hover:visible", { hasText: "Pods that serve traffic" });
    await hover.waitFor();
    const said = await bench.text(hover);
    assert.match(said, /dev\W+1\b/);
    assert.match(said, /staging\W+2\b/);
    assert.match(said, /prod\W+6\b/);
    assert.match(said, /prod-us\W+3\b/);
    await bench.shot("hover");
    await bench.press("Escape", "Escape");
});

test("completion fills what a new request needs", async () => {
    await bench.openFile("apps/shop/team.plumb");
    await bench.press("Control+End");
    await bench.page.keyboard.type("\nrequest reviews: platform.");
    const widget = bench.page.locator(".suggest-widget.visible");
    await widget.locator(".monaco-list-row", { hasText: "Worker" }).waitFor();
    await bench.shot("complete-schema");
    await bench.page.keyboard.type("Wor");
    await bench.press("Enter");
    await bench.page.keyboard.type(" {");
    await bench.press("Enter", "Control+Space");
    await widget.locator(".monaco-list-row").first().waitFor();
    await bench.shot("complete-fields");
});
