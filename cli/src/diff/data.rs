//! Differences as JSON. Its shape is a promise to other programs: add to it, change nothing.

use super::{Effect, Named, Object, Report, Source};
use crate::machine::value;
use plumb_compiler::changes::Difference;
use plumb_compiler::value::Data;
use serde_json::{Value as Json, json};

/// `{ "version": 1, "environment", "from", "to", "same", "objects": [ … ], "incomplete": [ … ] }`
pub(super) fn render(report: &Report<'_>) -> Json {
    let incomplete: Vec<Json> = report
        .incomplete
        .iter()
        .map(|it| {
            json!({
                "request": it.request.as_str(),
                "side": side(it.is_old),
                "objects": it.objects,
            })
        })
        .collect();
    json!({
        "version": 1,
        "environment": report.environment,
        "from": named(&report.from),
        "to": named(&report.to),
        "same": report.same,
        "objects": report.objects.iter().map(object).collect::<Vec<_>>(),
        "incomplete": incomplete,
    })
}

fn named(named: &Named) -> Json {
    json!({ "revision": named.revision, "commit": named.commit, "summary": named.summary })
}

fn object(object: &Object<'_>) -> Json {
    let change = object.change;
    let manifest = change.new.or(change.old).expect("a change is of an object");
    let api_version = manifest.object.fields().and_then(|fields| fields.get("apiVersion"));
    let api_version = match api_version.map(|it| &it.data) {
        Some(Data::String(text)) => text.as_str(),
        _ => "",
    };
    let changes = change.differences.iter().zip(&object.sources);
    json!({
        "effect": word(change.effect),
        "apiVersion": api_version,
        "kind": change.identity.kind.as_str(),
        "namespace": change.identity.namespace.as_deref(),
        "name": change.identity.name.as_str(),
        "request": change.request().as_str(),
        "source": source(&object.source),
        "changes": changes.map(|(it, from)| difference(it, from)).collect::<Vec<_>>(),
    })
}

fn difference(difference: &Difference<'_>, from: &Source) -> Json {
    let shown = |of| if difference.is_secret { Json::Null } else { value(of) };
    json!({
        "path": difference.path,
        "effect": word(difference.effect),
        "old": shown(difference.old),
        "new": shown(difference.new),
        "order": difference.is_order,
        "secret": difference.is_secret,
        "source": source(from),
    })
}

fn source(source: &Source) -> Json {
    json!({
        "side": side(source.is_old),
        "layer": source.layer,
        "span": source.span,
        "from": source.from,
    })
}

fn side(is_old: bool) -> &'static str {
    if is_old { "from" } else { "to" }
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Changed => "changed",
        Effect::Left => "left",
        other => super::word(other),
    }
}
