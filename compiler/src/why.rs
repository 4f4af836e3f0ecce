//! Where a value comes from: the chain of layers with every loser.

mod manifest;

pub use manifest::{Source, Tracer};

use crate::answers::{Why, WhyLayer};
use crate::db::Db;
use crate::diagnostics::{Place, nearest};
use crate::engine::{address, location};
use crate::eval::{Evaluator, element_name, inside, join, within, written_way};
use crate::infer::request_schema;
use crate::items::name_place;
use crate::layers::{Content, LayerKind, Slot, describe_layer, finish};
use crate::names::{environment_order, environments, is_foreign, packages, scope};
use crate::objects::{calls, objects};
use crate::outputs::runs_in;
use crate::source::{ItemId, Package, Workspace};
use crate::syntax::ast::{Name, NodeId};
use crate::types::{BUILT_IN_FIELDS, schema};
use crate::value::{Data, Origin, Value};

/// Answers `[package.]request.path` in an environment, or `Kind[.group]/name[@namespace][:path]` for
/// what is in its manifests, or why it is not.
///
/// # Errors
///
/// A sentence where the address names nothing or several things, with the candidates.
pub fn why(
    db: &dyn Db,
    workspace: Workspace,
    environment: &str,
    asked: &str,
) -> Result<Why, String> {
    let Some(environment) = environments(db, workspace).0.get(environment).copied() else {
        let known: Vec<&str> =
            environment_order(db, workspace).iter().map(|id| id.name(db).as_str()).collect();
        return Err(format!(
            "there is no environment `{environment}`; there is {}",
            known.join(", ")
        ));
    };
    // A slash stands in no path but in a quoted key.
    if asked.split(['"', '[', ':']).next().is_some_and(|head| head.contains('/')) {
        return manifest::why(db, workspace, environment, asked);
    }
    let (request, path) = find(db, workspace, environment, asked)?;
    field(db, workspace, environment, request, path, asked)
}

/// Answers for a field of a request; `asked` is what it is called.
fn field(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
    path: Vec<Name>,
    asked: &str,
) -> Result<Why, String> {
    let Some((first, rest)) = path.split_first() else {
        return Err(format!("`{asked}` is a request: ask for one of its fields, `{asked}.field`"));
    };
    let Some(schema_id) = request_schema(db, workspace, request) else {
        return Err(format!("the schema of `{asked}` is not known: `plumb check` says why"));
    };
    let shape = schema(db, workspace, schema_id);
    if shape.field(first).is_none() && !BUILT_IN_FIELDS.contains(&first.as_str()) {
        let names: Vec<&str> = shape
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .chain(BUILT_IN_FIELDS.iter().copied())
            .collect();
        let near = nearest(first, names.iter().copied());
        let hint = match near {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; it has {}", names.join(", ")),
        };
        return Err(format!("`{}` has no field `{first}`{hint}", schema_id.name(db)));
    }
    let subject = match name_place(db, request) {
        Place::Node(item, node) => Origin { item, node },
        Place::Range(..) => Origin { item: request, node: NodeId(0) },
    };
    let mut evaluator = Evaluator::new(db, workspace, Some(environment), subject);
    let slot = evaluator
        .trace(request, environment, first)
        .map_err(|_| format!("`{asked}` has an error: `plumb check` says which"))?;
    let mut at = &slot;
    for name in rest {
        let Content::Parts { parts, keyed, .. } = &at.content else {
            return within_whole(db, workspace, environment, request, at, &path, asked);
        };
        // Elements that there are also go by their position.
        let by_position = || {
            let position = name.parse::<usize>().ok().filter(|_| *keyed)?;
            parts.values().filter(|part| finish(part).is_some()).nth(position)
        };
        match parts.get(name).or_else(by_position) {
            Some(part) => at = part,
            None => {
                let names: Vec<&str> = parts.keys().map(Name::as_str).collect();
                let hint = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None if names.is_empty() => String::new(),
                    None => format!("; there is {}", names.join(", ")),
                };
                return Err(format!(
                    "nothing sets `{name}` of `{asked}` in {}{hint}",
                    environment.name(db)
                ));
            }
        }
    }
    let mut found = Vec::new();
    gather(db, at, "", false, &mut found);
    if found.is_empty() {
        // Nothing set it: the schema's line says that it may be absent.
        if let Some(field) = shape.field(first) {
            found.push((
                0,
                WhyLayer {
                    path: String::new(),
                    value: None,
                    layer: format!("schema {}", field.owner.name(db)),
                    location: location(db, Place::Node(field.owner, field.node)),
                    effect: "",
                },
            ));
        }
    }
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let value = finish(at);
    Ok(Why {
        note: None,
        uses: uses(db, workspace, environment, request, &path, value.as_ref()),
        value,
        layers: found.into_iter().map(|(_, layer)| layer).collect(),
    })
}

/// A path into a value that one layer set as a whole: that layer is the answer.
fn within_whole(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
    slot: &Slot,
    path: &[Name],
    asked: &str,
) -> Result<Why, String> {
    let evaluated = crate::eval::evaluate(db, workspace, request, environment);
    let mut value = evaluated
        .value
        .as_ref()
        .ok_or_else(|| format!("`{asked}` has an error: `plumb check` says which"))?;
    for name in path {
        value = inside(value, name).ok_or_else(|| {
            format!("there is no `{name}` in `{asked}` in {}", environment.name(db))
        })?;
    }
    let mut found = Vec::new();
    gather(db, slot, "", false, &mut found);
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    Ok(Why {
        note: None,
        value: Some(value.clone()),
        layers: found.into_iter().map(|(_, layer)| layer).collect(),
        uses: uses(db, workspace, environment, request, path, Some(value)),
    })
}

/// The settings of a slot and everything under it, the latest of each leaf first. `lost`: something
/// later began anew.
fn gather(db: &dyn Db, slot: &Slot, path: &str, lost: bool, found: &mut Vec<(u32, WhyLayer)>) {
    match &slot.content {
        // Where a record was merged from several layers, its parts say who set what.
        Content::Parts { parts, keyed, .. } if !parts.is_empty() => {
            for (name, part) in parts {
                let inner = match keyed {
                    true => format!("{path}[{name:?}]"),
                    false => join(path, name),
                };
                gather(db, part, &inner, lost, found);
            }
        }
        _ => {
            let mut over = lost;
            for (index, setting) in slot.history.iter().enumerate().rev() {
                // What lies at the bottom of every value of a schema says nothing of a lost one.
                if lost && setting.layer.level == 0 && setting.spread {
                    continue;
                }
                let is_last = index + 1 == slot.history.len();
                let effect = if over {
                    "overridden"
                } else if setting.appended {
                    "appended"
                } else if is_last && slot.sealed.is_some() {
                    "final"
                } else {
                    ""
                };
                // What stands below a list that only grew is still in it.
                over |= !setting.appended;
                found.push((
                    setting.layer.level,
                    WhyLayer {
                        path: path.to_string(),
                        value: setting.value.clone(),
                        layer: layer_name(db, setting.layer.kind, setting),
                        location: location(db, setting.into()),
                        effect,
                    },
                ));
            }
        }
    }
    // A list that only grew since it was taken out holds nothing of what was there before.
    for before in slot.before.iter().rev() {
        gather(db, before, path, true, found);
    }
}

fn layer_name(db: &dyn Db, kind: LayerKind, setting: &crate::layers::Setting) -> String {
    match kind {
        LayerKind::Schema if setting.layer.item.kind(db) == crate::source::Kind::Package => {
            "package".into()
        }
        _ => describe_layer(db, &setting.layer),
    }
}

/// The places of manifests that read a field: what carries its value on, and what is computed
/// from it. `value` is the field's, where it has one.
fn uses(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
    path: &[Name],
    value: Option<&Value>,
) -> Vec<String> {
    let evaluated = crate::eval::evaluate(db, workspace, request, environment);
    let made = objects(db, workspace, request, environment);
    let (Some(record), Some(made)) = (&evaluated.value, &made.objects) else { return Vec::new() };
    let asked = written_way(record, path.iter());
    let mut evaluator = Evaluator::new(
        db,
        workspace,
        Some(environment),
        made.first().map_or(record.origin, |it| it.origin),
    );
    evaluator.calls = calls(db, workspace, request, environment);
    // Values that came through unchanged keep the origin that they have in the request.
    let mut origins = Vec::new();
    let absent =
        || path.iter().try_fold(record, |value, name| value.fields().and_then(|it| it.get(name)));
    if let Some(value) = value.or_else(absent) {
        leaves(value, &mut |leaf| origins.push(leaf.origin));
    }
    let mut found = Vec::new();
    for object in made {
        let Some(kind) = object.value.fields().and_then(|fields| fields.get("kind")) else {
            continue;
        };
        let Data::String(kind) = &kind.data else { continue };
        let head = format!("{kind}/{}", object.name);
        evaluator.composed = object.composed.to_vec();
        visit(&object.value, String::new(), &mut |path, value| {
            let reads = origins.contains(&value.origin)
                || evaluator
                    .traced(value, true)
                    .into_iter()
                    .any(|(_, source, _)| within(&source, &asked) || within(&asked, &source));
            if reads {
                found.push(format!("{head} {path}"));
            }
        });
    }
    found
}

fn leaves(value: &Value, visit: &mut dyn FnMut(&Value)) {
    match &value.data {
        Data::Record(record) if !record.fields.is_empty() => {
            record.fields.values().for_each(|it| leaves(it, visit))
        }
        Data::List(elements) if !elements.is_empty() => {
            elements.iter().for_each(|it| leaves(it, visit))
        }
        _ => visit(value),
    }
}

fn visit(value: &Value, path: String, run: &mut dyn FnMut(&str, &Value)) {
    match &value.data {
        Data::Record(record) if !record.fields.is_empty() => {
            for (name, inner) in &record.fields {
                let plain = name.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-');
                let inner_path = match (path.is_empty(), plain) {
                    (true, true) => name.to_string(),
                    (false, true) => format!("{path}.{name}"),
                    (_, false) => format!("{path}[{:?}]", name.as_str()),
                };
                visit(inner, inner_path, run);
            }
        }
        Data::List(elements) => {
            for (index, inner) in elements.iter().enumerate() {
                let key = match element_name(inner) {
                    Some(name) => format!("{name:?}"),
                    None => index.to_string(),
                };
                visit(inner, format!("{path}[{key}]"), run);
            }
        }
        Data::None => {}
        _ => run(&path, value),
    }
}

/// The request that an address begins with, and the steps after it.
fn find(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    asked: &str,
) -> Result<(ItemId, Vec<Name>), String> {
    let words = split(asked)?;
    let mut candidates: Vec<(ItemId, usize)> = Vec::new();
    for path in packages(db, workspace).keys() {
        let package = Package::new(db, workspace, path.clone());
        if is_foreign(db, package) {
            continue;
        }
        let segments: Vec<&str> = path.split('.').filter(|it| !it.is_empty()).collect();
        for request in &scope(db, package).requests {
            let name = request.name(db);
            if words.first() == Some(name) {
                candidates.push((*request, 1));
            }
            let full = words.len() > segments.len()
                && !segments.is_empty()
                && words.iter().zip(&segments).all(|(word, segment)| word == segment)
                && words[segments.len()] == *name;
            if full {
                candidates.push((*request, segments.len() + 1));
            }
        }
    }
    // The longer address says more.
    let longest = candidates.iter().map(|(_, length)| *length).max().unwrap_or_default();
    candidates.retain(|(_, length)| *length == longest);
    match candidates.as_slice() {
        [(request, length)] => {
            if !runs_in(db, workspace, *request, environment) {
                return Err(format!("`{}` is not in {}", request.name(db), environment.name(db)));
            }
            Ok((*request, words[*length..].to_vec()))
        }
        [] => {
            let mut names: Vec<Name> = Vec::new();
            for path in packages(db, workspace).keys() {
                let package = Package::new(db, workspace, path.clone());
                if is_foreign(db, package) {
                    continue;
                }
                names.extend(
                    scope(db, package).requests.iter().map(|request| request.name(db).clone()),
                );
            }
            names.sort_unstable();
            names.dedup();
            let first = words.first().cloned().unwrap_or_default();
            let hint = match nearest(&first, names.iter().map(Name::as_str)) {
                Some(near) => format!("; did you mean `{near}`?"),
                None if names.is_empty() => "; this workspace has none".into(),
                None if names.len() <= 12 => format!("; there is {}", names.join(", ")),
                None => String::new(),
            };
            Err(format!("there is no request `{first}`{hint}"))
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(request, _)| address(db, workspace, *request).to_string())
                .collect();
            Err(format!("`{}` is several requests: say which of {}", words[0], names.join(", ")))
        }
    }
}

/// What stands in brackets, up to the one that closes them, and what follows: the parts of a key of
/// several fields joined as the key of an element is.
fn bracket(text: &str) -> Option<(Name, &str)> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ']' if !quoted => return Some((parts.join("/").into(), &text[at + 1..])),
            ',' if !quoted => parts.push(String::new()),
            ' ' if !quoted => {}
            letter => parts.last_mut()?.push(letter),
        }
    }
    None
}

/// `a.b["c.d"].e` to its steps.
fn split(asked: &str) -> Result<Vec<Name>, String> {
    let mut words = Vec::new();
    let mut rest = asked;
    loop {
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((key, after)) = bracket(inner) else {
                return Err(format!("`{asked}`: a bracket is not closed"));
            };
            words.push(key);
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('"') {
            let Some((key, after)) = inner.split_once('"') else {
                return Err(format!("`{asked}`: a quote is not closed"));
            };
            words.push(Name::from(key));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("`{asked}` is no address: write REQUEST.FIELD"));
            }
            words.push(Name::from(&rest[..end]));
            rest = &rest[end..];
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(words),
            None if rest.starts_with('[') => {}
            None => return Err(format!("`{asked}` is no address: write REQUEST.FIELD")),
        }
    }
}
