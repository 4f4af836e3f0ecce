// Holds the grammar against `cases.plumb`, by VS Code's own reader of grammars, and against every Plumb
// file of the project, in which nothing may be marked as wrong.
//
// A comment below a line says what stands there: `// ^^^ scope` of the columns above the carets,
// `// <--- scope` of as many columns as there are dashes, from the first on.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const here = import.meta.dirname;
const extension = path.join(here, "../..");
const project = path.join(extension, "../..");

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
const registry = new textmate.Registry({
    onigLib: Promise.resolve({
        createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
        createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope) => {
        const file = path.join(extension, "syntaxes/plumb.tmLanguage.json");
        return scope === "source.plumb" ? textmate.parseRawGrammar(readFileSync(file, "utf8"), file) : null;
    },
});
const grammar = await registry.loadGrammar("source.plumb");

/** The tokens of each line. */
function tokens(lines) {
    let state = textmate.INITIAL;
    return lines.map((line) => {
        const result = grammar.tokenizeLine(line, state);
        state = result.ruleStack;
        return result.tokens;
    });
}

const mistakes = [];
let count = 0;

function cases(file) {
    const lines = readFileSync(file, "utf8").split("\n");
    const found = tokens(lines);
    let subject = 0;
    lines.forEach((line, number) => {
        const caret = /^\/\/\s*(\^+|<-+)\s+(!?)(\S+)$/.exec(line);
        if (caret === null) {
            subject = number;
            return;
        }
        const [, marks, not, scope] = caret;
        const start = marks.startsWith("^") ? line.indexOf("^") : 0;
        const end = marks.startsWith("^") ? start + marks.length : marks.length - 1;
        count += 1;
        for (const token of found[subject]) {
            const has = token.scopes.some((each) => each === scope || each.startsWith(`${scope}.`));
            if (token.startIndex < end && token.endIndex > start && has === (not === "!")) {
                const text = lines[subject].slice(token.startIndex, token.endIndex);
                mistakes.push(
                    `cases.plumb:${number + 1}: \`${text}\` is ${token.scopes.slice(1).join(" ") || "nothing"}`,
                );
            }
        }
    });
}

function sound(file) {
    const lines = readFileSync(path.join(project, file), "utf8").split("\n");
    tokens(lines).forEach((line, number) => {
        for (const token of line) {
            const wrong = token.scopes.find((scope) => scope.startsWith("invalid"));
            if (wrong !== undefined) {
                const text = lines[number].slice(token.startIndex, token.endIndex);
                mistakes.push(`${file}:${number + 1}: \`${text}\` is ${wrong}`);
            }
        }
    });
}

cases(path.join(here, "cases.plumb"));
const listed = execFileSync("git", ["ls-files", "*.plumb"], { cwd: project, encoding: "utf8" });
const files = listed.split("\n").filter((file) => file !== "" && !file.startsWith("editors/"));
files.forEach(sound);

if (count === 0 || files.length === 0 || mistakes.length > 0) {
    throw new Error(["the grammar is wrong:", ...mistakes].join("\n"));
}
process.stdout.write(`grammar: ${count} cases, ${files.length} files\n`);
