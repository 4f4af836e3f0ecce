// What client and server say to each other beyond the Language Server Protocol.

import {
    type Location,
    NotificationType,
    type Position,
    type Range,
    RequestType,
} from "vscode-languageclient/node";

/** The commands that the client runs for code lenses. */
export const clientCommands = ["plumb.preview", "plumb.showReferences"];

export interface Environments {
    environments: string[];
}

export interface PreviewParams {
    textDocument: { uri: string };
    /** Finds the request that stands there. */
    position?: Position;
    /** `package.name`, in place of a position. */
    request?: string;
    /** Left out: the one chosen, else the server's choice. */
    environment?: string;
    against?: { environment: string } | { revision: string };
}

/** A line and a character of it, counted from 0. */
export type Place = Position;

/** A place of the manifests, and the places of the source that decided what stands there. */
export interface Link {
    range: Range;
    targets: Location[];
}

export interface Preview {
    request: string;
    environment: string;
    /** YAML, a document a manifest. */
    text: string;
    manifests: { title: string; range: Range }[];
    map: Link[];
    /** Why nothing, or less, is made. */
    note?: string;
    /** The text of what it is held against. */
    before?: string;
    /** A unified diff; empty where both are equal. */
    difference?: string;
}

/** What the lens over a request hands to `plumb.preview`. */
export interface LensTarget {
    uri: string;
    request: string;
    environment: string;
}

export const environments = new RequestType<object, Environments, void>("plumb/environments");
export const preview = new RequestType<PreviewParams, Preview | null, void>("plumb/preview");
/** The requests that use the schema that stands there. */
export const users = new RequestType<
    { textDocument: { uri: string }; position: Position },
    Location[] | null,
    void
>("plumb/users");
export const setEnvironment = new NotificationType<{ environment: string | null }>("plumb/setEnvironment");
export const environmentsChanged = new NotificationType<Environments>("plumb/environmentsChanged");
