//! The requests as a program of each peer. What renders them stands in `peers/`, one library a
//! language, written as its own users would; here is only data, written out.

use crate::requests::{ENVIRONMENTS, Request, Settings};
use serde_json::{Map, Value};

/// The files of a program, each by its name.
pub type Program = Vec<(&'static str, String)>;

/// For jrsonnet and go-jsonnet.
pub fn jsonnet(requests: &[Request]) -> Program {
    let lines = each(requests, |request| {
        let mut fields = base(request);
        // Jsonnet has no fields that may be absent and are declared; it asks for null instead.
        fields.entry("host").or_insert(Value::Null);
        fields.insert("overlays".to_owned(), Value::Object(overlays(request)));
        format!("  {},\n", Value::Object(fields))
    });
    let main = format!(
        "local lib = import 'lib.libsonnet';\nlocal apps = [\n{lines}];\n\
         [r for a in apps for e in ['dev', 'staging', 'prod'] for r in lib.render(a, e)]\n"
    );
    vec![
        ("lib.libsonnet", include_str!("../peers/lib.libsonnet").to_owned()),
        ("main.jsonnet", main),
        ("run_go_jsonnet.py", include_str!("../peers/run_go_jsonnet.py").to_owned()),
    ]
}

/// For KCL.
pub fn kcl(requests: &[Request]) -> Program {
    let lines = each(requests, |request| {
        let overlays: Vec<String> = overlays(request)
            .iter()
            .map(|(environment, it)| format!("{environment} = Overlay {}", value(it, " = ")))
            .collect();
        let base = fields(&base(request), " = ");
        format!("    App {{{base}, overlays = {{{}}}}}\n", overlays.join(", "))
    });
    let main = format!(
        "_apps: [App] = [\n{lines}]\n\
         items = [r for a in _apps for e in _ENVS for r in _render(a, e)]\n"
    );
    vec![
        ("lib.k", include_str!("../peers/lib.k").to_owned()),
        ("main.k", main),
        ("run_kcl.py", include_str!("../peers/run_kcl.py").to_owned()),
    ]
}

/// For Pkl.
pub fn pkl(requests: &[Request]) -> Program {
    fn body(fields: &Map<String, Value>) -> String {
        let parts: Vec<String> = fields
            .iter()
            .map(|(name, value)| match value {
                Value::Object(entries) => {
                    let entries: Vec<String> = entries
                        .iter()
                        .map(|(key, value)| format!("[\"{key}\"] = {value}"))
                        .collect();
                    format!("{name} {{ {} }}", entries.join("; "))
                }
                scalar => format!("{name} = {scalar}"),
            })
            .collect();
        parts.join("; ")
    }
    let lines = each(requests, |request| {
        let overlays: Vec<String> = ENVIRONMENTS
            .iter()
            .zip(&request.overlays)
            .map(|(environment, it)| format!("[\"{environment}\"] {{ {} }}", body(&settings(it))))
            .collect();
        format!("  new {{ {}; overlays {{ {} }} }}\n", body(&base(request)), overlays.join("; "))
    });
    vec![
        ("lib.pkl", include_str!("../peers/lib.pkl").to_owned()),
        ("main.pkl", format!("amends \"lib.pkl\"\napps {{\n{lines}}}\n")),
    ]
}

/// For Nickel.
pub fn nickel(requests: &[Request]) -> Program {
    let lines = each(requests, |request| {
        let base = value(&Value::Object(base(request)), " = ");
        // Nickel merges symmetrically: who overrides must say so.
        let overlays = value(&Value::Object(overlays(request)), " | force = ");
        format!("  {{ base = {base}, overlays = {overlays} }},\n")
    });
    let main = format!(
        "let lib = import \"lib.ncl\" in\nlet apps = [\n{lines}] in\n\
         apps |> std.array.flat_map (fun a => lib.envs |> std.array.flat_map (fun e => lib.render a e))\n"
    );
    vec![
        ("lib.ncl", include_str!("../peers/lib.ncl").to_owned()),
        ("main.ncl", main),
        ("run_nickel.py", include_str!("../peers/run_nickel.py").to_owned()),
    ]
}

/// For CUE, of which JSON is a part.
pub fn cue(requests: &[Request]) -> Program {
    let lines = each(requests, |request| {
        let mut fields = base(request);
        fields.insert("overlays".to_owned(), Value::Object(overlays(request)));
        format!("  {},\n", Value::Object(fields))
    });
    vec![
        ("lib.cue", include_str!("../peers/lib.cue").to_owned()),
        ("main.cue", format!("package p\n\napps: [\n{lines}]\n")),
    ]
}

fn each(requests: &[Request], line: impl FnMut(&Request) -> String) -> String {
    requests.iter().map(line).collect()
}

/// What holds in every environment.
fn base(request: &Request) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), request.name.clone().into());
    fields.insert("image".to_owned(), request.image.clone().into());
    fields.insert("tag".to_owned(), request.tag.clone().into());
    fields.insert("port".to_owned(), request.port.into());
    fields.extend(settings(&request.base));
    if let Some(host) = &request.host {
        fields.insert("host".to_owned(), host.clone().into());
    }
    fields
}

/// What each environment says otherwise, by its name.
fn overlays(request: &Request) -> Map<String, Value> {
    ENVIRONMENTS
        .iter()
        .zip(&request.overlays)
        .map(|(environment, it)| (environment.to_string(), Value::Object(settings(it))))
        .collect()
}

fn settings(settings: &Settings) -> Map<String, Value> {
    let Settings { replicas, cpu, memory, env } = settings;
    let env: Map<String, Value> =
        env.iter().map(|(name, value)| (name.to_string(), value.clone().into())).collect();
    [
        ("replicas", replicas.map(Value::from)),
        ("cpu", cpu.map(Value::from)),
        ("memory", memory.map(Value::from)),
        ("env", (!env.is_empty()).then_some(Value::Object(env))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

/// A value as most of these languages write it. `sign` stands before a scalar.
fn value(value: &Value, sign: &str) -> String {
    match value {
        Value::Object(entries) => format!("{{{}}}", fields(entries, sign)),
        scalar => scalar.to_string(),
    }
}

fn fields(entries: &Map<String, Value>, sign: &str) -> String {
    let parts: Vec<String> = entries
        .iter()
        .map(|(name, it)| {
            let before = if it.is_object() { " = " } else { sign };
            format!("{name}{before}{}", value(it, sign))
        })
        .collect();
    parts.join(", ")
}
