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
let failed;

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

after(() => bench?.close());

/** A test that stands on those before it: where one failed, the others cannot tell anything. */
function step(name, body) {
    test(name, async () => {
        assert.equal(failed, undefined, "an earlier step failed");
        try {
            await body();
        } catch (error) {
            failed = name;
            await bench?.shot("failed");
            throw error;
        }
    });
}

const storefront = "apps/shop/storefront.plumb";

step("a file is Plumb, in colour", async () => {
    await bench.openFile(storefront);
    await bench.status(/^Plumb$/).waitFor();
    const word = bench.editor().locator(".view-line span span", { hasText: /^request$/ }).first();
    await word.waitFor();
    assert.notEqual(await word.getAttribute("class"), "mtk1");
    await bench.status("all environments").waitFor();
    await bench.shot("open");
});

step("the environment is chosen in the status bar", async () => {
    await bench.status("all environments").click();
    await bench.page.locator(".quick-input-widget .monaco-list-row", { hasText: "prod-us" }).waitFor();
    await bench.shot("environment");
    await bench.choose("staging");
    await bench.status("staging").waitFor();
    await bench.editor().locator(".codelens-decoration", { hasText: /\d+ manifests in staging/ }).waitFor();
    await bench.run("Plumb: Choose Environment…");
    await bench.choose("prod");
    await bench.editor().locator(".codelens-decoration", { hasText: /\d+ manifests in prod$/ }).waitFor();
    await bench.shot("lens");
});

step("hover tells the value of each environment and the layer that set it", async () => {
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

step("completion fills what a new request needs", async () => {
    await bench.openFile("apps/shop/team.plumb");
    await bench.press("Control+End");
    await bench.page.keyboard.type("\nreq");
    const widget = bench.page.locator(".suggest-widget.visible");
    await widget.locator(".monaco-list-row", { hasText: "request" }).first().waitFor();
    await bench.shot("complete-head");
    await bench.page.keyboard.type("uest reviews: platform.");
    await widget.locator(".monaco-list-row", { hasText: "Worker" }).waitFor();
    await bench.shot("complete-schema");
    await bench.page.keyboard.type("Wor");
    await bench.press("Enter");
    await bench.page.keyboard.type(" {");
    await bench.press("Enter", "Control+Space");
    const all = widget.locator(".monaco-list-row", { hasText: "all required fields" });
    await all.waitFor();
    // Once more: the documentation of the one that is selected.
    await bench.press("ArrowDown", "ArrowDown", "Control+Space");
    await bench.page.locator(".suggest-details", { hasText: "Queue the jobs come from" }).waitFor();
    await bench.shot("completion");
    await all.click();
    await bench.page.keyboard.type("registry.acme.test/reviews");
    await until(async () => (await bench.lines()).join("\n").includes("    queue = "), "the fields are there");
    await bench.shot("completed");
    // The list would show its documentation from now on.
    await bench.press("Escape", "Escape");
    await discard();
});

step("a mistake shows as it is typed, in all environments", async () => {
    await bench.openFile(storefront);
    await bench.cursor("prod {\n    replicas = 6", { file: storefront });
    await bench.page.keyboard.type("00");
    await bench.editor().locator(".squiggly-error").first().waitFor();
    await bench.press("Control+Shift+M");
    const row = bench.page.locator(".markers-panel .monaco-list-row", { hasText: "refinement-failed" });
    await row.waitFor();
    await bench.shot("diagnostics");
    await bench.press("Control+Shift+M");
    await discard();
    await bench.editor().locator(".squiggly-error").first().waitFor({ state: "detached" });
});

step("a quick fix mends a misspelt field", async () => {
    await bench.cursor("sidecars[\"thumbnails\"].size", { file: storefront });
    await bench.press("Home");
    await bench.page.keyboard.type("reeplicas = 3\n");
    await bench.press("ArrowUp");
    await bench.editor().locator(".squiggly-error").first().waitFor();
    const menu = bench.page.locator(".action-widget:visible");
    await until(async () => {
        await bench.press("Control+.");
        const row = menu.locator(".monaco-list-row").first();
        return row.waitFor({ timeout: 3_000 }).then(
            () => true,
            () => false,
        );
    }, "fixes are offered");
    await bench.shot("quick-fix");
    await menu.locator(".monaco-list-row", { hasText: "replicas" }).first().click();
    await until(async () => !(await bench.lines()).join("\n").includes("reeplicas"), "the word is mended");
    await discard();
});

step("a request is renamed in every file", async () => {
    await bench.openFile("apps/shop/cart.plumb");
    await bench.cursor("request ca", { file: "apps/shop/cart.plumb" });
    await bench.press("F2");
    const box = bench.page.locator(".rename-box input");
    await box.waitFor();
    await box.fill("basket");
    await bench.shot("rename");
    await bench.press("Enter");
    await until(async () => (await bench.lines()).join("\n").includes("overlay basket in prod"), "the overlay follows");
    await bench.run("File: Save All");
    const says = (file) => readFileSync(path.join(bench.folder, file), "utf8");
    await until(() => says(storefront).includes("CART_URL = basket.url"), "a request of the package follows");
    await until(() => says("apps/billing/invoices.plumb").includes("CART_URL = shop.basket.url"), "another package follows");
    execFileSync("git", ["checkout", "--quiet", "."], { cwd: bench.folder });
});

step("a lens over a schema lists the requests that use it", async () => {
    await bench.openFile("platform/web.plumb");
    await bench.cursor("schema Web", { file: "platform/web.plumb" });
    const lens = bench.editor().locator(".codelens-decoration a", { hasText: /^used by \d+ requests$/ });
    await lens.first().waitFor();
    const count = Number.parseInt((await bench.text(lens.last())).split(" ")[2], 10);
    assert.equal(count, 3);
    await lens.last().click();
    const list = bench.page.locator(".peekview-widget");
    await list.locator(".peekview-title", { hasText: `(${count})` }).waitFor();
    await list.locator(".monaco-list-row", { hasText: "storefront.plumb" }).waitFor();
    await bench.shot("references");
    await bench.press("Escape");
});

step("the preview shows the manifests beside the source, and follows the cursor both ways", async () => {
    await bench.openFile(storefront);
    await bench.cursor("overlay storefront in prod {\n    replicas = 6", { file: storefront });
    await bench.run("Plumb: Show Manifests to the Side");
    await until(async () => (await bench.marked(1)).includes("  replicas: 6"), "the line of the manifest is marked");
    await bench.shot("preview");
    // The other way: a line of a manifest, while the source looks elsewhere.
    await bench.goto(1);
    await until(async () => (await bench.marked(1)).length === 0, "no line is marked");
    await bench.click(1, /^replicas$/);
    await until(async () => (await bench.marked(0)).includes("    replicas = 6"), "the line of the source is marked");
    await bench.shot("follow");
});

step("the preview changes while the source is typed, and with the environment", async () => {
    await bench.focus(0);
    await bench.cursor("overlay storefront in prod {\n    replicas = 6", { file: storefront });
    await bench.press("Backspace");
    await bench.page.keyboard.type("9");
    await until(async () => (await bench.lines(1)).includes("  replicas: 9"), "the manifest has the new value");
    await bench.shot("typed");
    await bench.status("prod").click();
    await bench.choose("staging");
    await until(async () => (await bench.lines(1)).includes("  replicas: 2"), "the manifest of staging");
    await bench.shot("preview-staging");
    await bench.status("staging").click();
    await bench.choose("prod");
});

step("manifests are compared with another environment and with HEAD", async () => {
    const diff = bench.page.locator(".monaco-diff-editor");
    await bench.focus(0);
    await bench.run("Plumb: Compare Manifests with Another Environment…");
    await bench.choose("prod-us");
    await diff.locator(".line-delete").first().waitFor();
    await bench.shot("compare-environment");
    await bench.run("View: Close Editor");
    await bench.focus(0);
    await bench.run("Plumb: Compare Manifests with Git HEAD");
    await diff.locator(".view-line", { hasText: "replicas: 9" }).first().waitFor();
    await bench.shot("compare-head");
    await bench.run("View: Close Editor");
    await bench.focus(0);
    await discard();
});

step("without the program it says what to do, and goes on once it is there", async () => {
    bench.configure("/nowhere/plumb");
    const toast = bench.notification("/nowhere/plumb");
    await toast.waitFor();
    await toast.getByText("How to Install").waitFor();
    await bench.status("Plumb").first().waitFor();
    await bench.shot("missing");
    await toast.getByText("Open Setting").click();
    await bench.page.locator(".settings-editor", { hasText: "Plumb: Path" }).waitFor();
    await bench.shot("setting");
    await bench.press("Escape");
    await bench.page.locator(".settings-editor").waitFor({ state: "detached" });
    // Whoever asks for what the server makes is told again.
    await bench.run("Plumb: Show Manifests to the Side");
    await toast.waitFor();
    // A program of this name that is another one.
    bench.configure("/bin/false");
    const other = bench.notification("/bin/false is another program");
    await other.waitFor();
    await other.getByText("How to Install").click();
    await bench.page.locator(".tab.active", { hasText: "readme.md" }).waitFor();
    await until(async () => {
        const said = bench.page.frames().map((frame) => frame.getByText("needs the program").count().catch(() => 0));
        return (await Promise.all(said)).some((count) => count > 0);
    }, "the page says how to install");
    await bench.shot("install");
    await bench.run("View: Close Editor");
    await bench.run("Plumb: Show Output of the Language Server");
    await bench.page.locator(".output-view .view-line", { hasText: /bin\/false/ }).first().waitFor();
    await bench.press("Control+J");
    bench.configure(PLUMB);
    await bench.status("prod").waitFor();
});

step("a line of a manifest leads to its source, where that is open", async () => {
    await bench.focus(0);
    await bench.openFile("apps/shop/cart.plumb");
    await bench.cursor("request cart", { file: "apps/shop/cart.plumb" });
    await until(async () => (await bench.lines(1))[0]?.includes("apps.shop.cart in prod"), "the other request is shown");
    await bench.focus(1);
    await bench.press("Control+F");
    await bench.page.keyboard.type("CART_TTL");
    await bench.press("Enter");
    await until(async () => {
        await bench.press("Escape");
        return (await bench.page.locator(".find-widget.visible").count()) === 0;
    }, "nothing is searched any more");
    await bench.press("ArrowDown", "End", "F12");
    await bench.status("Ln 17").waitFor();
    await bench.shot("definition");
    assert.equal(await bench.page.locator(".editor-group-container").nth(1).locator(".tab").count(), 1);
});

step("the environment is remembered", async () => {
    await bench.page.reload();
    await bench.page.locator(".monaco-workbench .explorer-folders-view").waitFor();
    await bench.openFile(storefront);
    await bench.status("prod").waitFor();
    await bench.goto(1);
    await bench.editor().locator(".codelens-decoration", { hasText: /^\d+ manifests in prod$/ }).waitFor();
});

/** Leaves the file as it is on disk. */
async function discard() {
    await bench.run("File: Revert File");
    await bench.page.locator(".tab.active.dirty").waitFor({ state: "detached" });
}
