// From places of manifests to places of the source, and back.

import * as vscode from "vscode";
import type { Range } from "vscode-languageclient/node";
import type { Link, Place } from "./protocol";

/** The link of the smallest range that holds the place; else the one of the place's line. */
export function at(map: readonly Link[], place: Place): Link | undefined {
    const around = map.filter((link) => holds(link.range, place));
    const near = around.length > 0 ? around : map.filter((link) => link.range.start.line === place.line);
    return near.reduce<Link | undefined>(
        (best, link) => (best === undefined || smaller(link.range, best.range) ? link : best),
        undefined,
    );
}

/** What the place of the source decided: what the smallest range around it decided, else its line. */
export function of(
    map: readonly Link[],
    uri: vscode.Uri,
    place: Place,
    parse: (uri: string) => vscode.Uri,
): Range[] {
    const here = map.flatMap((link) =>
        link.targets
            .filter((target) => parse(target.uri).toString() === uri.toString())
            .map((target) => ({ from: target.range, to: link.range })),
    );
    const around = here.filter((each) => holds(each.from, place));
    const [first, ...rest] = around;
    if (first === undefined) {
        return here.filter((each) => each.from.start.line === place.line).map((each) => each.to);
    }
    const best = rest.reduce((best, each) => (smaller(each.from, best.from) ? each : best), first);
    return around.filter((each) => same(each.from, best.from)).map((each) => each.to);
}

/** The range, so many lines further down. */
export function down(range: Range, lines: number): vscode.Range {
    return new vscode.Range(
        range.start.line + lines,
        range.start.character,
        range.end.line + lines,
        range.end.character,
    );
}

function holds(range: Range, place: Place): boolean {
    return compare(range.start, place) <= 0 && compare(place, range.end) <= 0;
}

function compare(a: Place, b: Place): number {
    return a.line - b.line || a.character - b.character;
}

function same(a: Range, b: Range): boolean {
    return compare(a.start, b.start) === 0 && compare(a.end, b.end) === 0;
}

/** Whether fewer lines, or on as many lines fewer characters, are between its ends. */
function smaller(a: Range, b: Range): boolean {
    const size = (range: Range) =>
        [range.end.line - range.start.line, range.end.character - range.start.character] as const;
    const [lines, characters] = size(a);
    const [otherLines, otherCharacters] = size(b);
    return lines < otherLines || (lines === otherLines && characters < otherCharacters);
}
