//! Differences as JSON. Its shape is a promise to other programs: add to it, change nothing.

use super::{By, Effect, Named, Object, Report, Source};
use crate::machine::value;
use plumb_compiler::changes::Difference;
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
    json!({
        "revision": named.revision,
        "commit": named.commit,
        "summary": named.summary,
        "cluster": named.cluster,
    })
}

fn object(object: &Object<'_>) -> Json {
    let changes = object.differences.iter();
    json!({
        "effect": word(object.effect),
        "apiVersion": object.api_version,
        "kind": object.identity.kind.as_str(),
        "namespace": object.identity.namespace.as_deref(),
        "name": object.identity.name.as_str(),
        "request": object.request.as_str(),
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
    let line = source.origin.as_ref();
    let by = match source.by {
        By::Git => "git",
        By::Server => "server",
        By::Nobody => "nobody",
        By::Manager => "manager",
        By::Plumb => "plumb",
    };
    let owner = source.owner.as_ref().map(|it| {
        json!({
            "manager": it.manager,
            "operation": it.operation,
            "subresource": it.subresource,
            "time": it.time,
        })
    });
    json!({
        "side": side(source.is_old),
        "by": by,
        "layer": line.map(|it| it.layer.as_str()),
        "span": line.map(|it| &it.span),
        "from": line.map(|it| it.from.as_slice()).unwrap_or_default(),
        "owner": owner,
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
