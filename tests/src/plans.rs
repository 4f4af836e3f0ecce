//! Shortcuts against what they are shortcuts of: what is inferred at a glance is what is inferred with all that
//! an editor shows; for every request in every environment, what [`Moulds`] give is what [`evaluate`] does, and
//! what [`Planned`] writes is what [`objects`] print; and a batch that forgets finds and prints what is found and
//! built otherwise.

use plumb_compiler::batch::{Batch, Extent, Form, Maker, Piece, Turn};
use plumb_compiler::eval::{Moulds, evaluate};
use plumb_compiler::infer::{infer, request_schema, sight};
use plumb_compiler::items::items;
use plumb_compiler::layers::layers;
use plumb_compiler::names::{environment_order, packages};
use plumb_compiler::objects::objects;
use plumb_compiler::outputs::requests;
use plumb_compiler::plan::{Made, Notation, Planned};
use plumb_compiler::source::Workspace;
use plumb_compiler::value::Value;
use plumb_compiler::{Database, build, check, environments, yaml};
use std::convert::Infallible;

/// What was compared.
#[derive(Default, Debug)]
pub struct Compared {
    /// The requests in environments that have manifests.
    pub made: usize,
    /// Those of them whose values came out of a mould.
    pub cast: usize,
    /// Those of them that a plan wrote.
    pub planned: usize,
    /// Where it differs, in words.
    pub differences: Vec<String>,
}

/// Compares all of a workspace.
pub fn compare(db: &Database, workspace: Workspace) -> Compared {
    let mut compared = Compared::default();
    for environment in environment_order(db, workspace) {
        let mut planned = [Notation::Yaml, Notation::Json]
            .map(|notation| (notation, Planned::new(db, workspace, *environment, notation)));
        let mut moulds = Moulds::new(db, workspace, *environment);
        for request in requests(db, workspace, *environment) {
            let evaluated = evaluate(db, workspace, request, *environment);
            let at = format!("{} in {}", request.name(db), environment.name(db));
            let layers = layers(db, workspace, request, *environment);
            let cast = request_schema(db, workspace, request)
                .and_then(|schema| moulds.cast(request, schema, layers));
            if let Some(cast) = &cast
                && !(evaluated.diagnostics.is_empty()
                    && evaluated.value.as_ref().is_some_and(|value| is_same(value, cast)))
            {
                let difference = format!("{at}: cast {cast:?}\nrather than {evaluated:?}");
                compared.differences.push(difference);
            }
            let Some(value) = &evaluated.value else { continue };
            let full = objects(db, workspace, request, *environment);
            compared.made += usize::from(full.objects.is_some());
            compared.cast += usize::from(full.objects.is_some() && cast.is_some());
            for (notation, planned) in &mut planned {
                let mut text = String::from("before\n");
                let Some(made) = planned.text(request, value, &mut text) else {
                    if text != "before\n" {
                        compared.differences.push("a plan that stepped aside left text".into());
                    }
                    continue;
                };
                compared.planned += usize::from(*notation == Notation::Yaml);
                let Some(objects) = full.objects.as_ref().filter(|_| full.diagnostics.is_empty())
                else {
                    let said = &full.diagnostics;
                    let difference = format!("{at}: planned, and there is to say {said:?}");
                    compared.differences.push(difference);
                    continue;
                };
                let mut whole = String::from("before\n");
                let mut known = Vec::new();
                for object in objects {
                    notation.write_document(&mut whole, &object.value);
                    let end = whole.len() - "before\n".len();
                    known.push(Made::of(db, workspace, object, end));
                }
                if text != whole {
                    let difference = format!("{at}: planned\n{text}\nrather than\n{whole}");
                    compared.differences.push(difference);
                }
                if made != known {
                    let difference = format!("{at}: told {made:?}\nrather than {known:?}");
                    compared.differences.push(difference);
                }
            }
        }
    }
    in_sight(db, workspace, &mut compared.differences);
    in_batch(db, workspace, &mut compared.differences);
    compared
}

/// What is inferred of data at a glance is what is found with all that an editor shows.
fn in_sight(db: &Database, workspace: Workspace, differences: &mut Vec<String>) {
    for file in packages(db, workspace).values().flatten() {
        for id in items(db, *file) {
            let (inferred, (mut seen, _)) = (infer(db, workspace, *id), sight(db, workspace, *id));
            // What records are that can be nothing else, only an editor asks.
            seen.records.retain(|record, _| inferred.records.contains_key(record));
            if **inferred != seen {
                let name = id.name(db);
                differences.push(format!("{name}: inferred {inferred:?}\nrather than {seen:?}"));
            }
        }
    }
}

/// Whether two values are the same to the last origin, and to the order of fields.
fn is_same(value: &Value, other: &Value) -> bool {
    match (value.fields(), other.fields()) {
        (Some(a), Some(b)) => {
            a.keys().eq(b.keys())
                && a.values().zip(b.values()).all(|(a, b)| is_same(a, b))
                && value == other
        }
        _ => value == other,
    }
}

/// A batch that forgets what it made finds and prints what one finds and makes that remembers.
fn in_batch(db: &Database, workspace: Workspace, differences: &mut Vec<String>) {
    let form = Form::Text(Notation::Yaml);
    let mut batch = Batch::new(db, workspace, Extent::whole(db, workspace));
    for environment in environments(db, workspace) {
        let Some(mut maker) = Maker::new(db, workspace, &environment, form) else { continue };
        let (mut text, mut printed) = (String::new(), String::new());
        let mut print = |piece: Piece<'_>| {
            if let Piece::Text(document) = piece {
                printed.push_str(document);
            }
            Ok::<(), Infallible>(())
        };
        batch.begin(&environment);
        for turn in batch.turns() {
            let Ok(()) = match turn {
                Turn::Make(request, is_early) => {
                    text.clear();
                    let outcome = maker.make(request, &mut text);
                    batch.take(outcome, &text, is_early, &mut print)
                }
                Turn::Rest(request) => batch.rest(request, &mut print),
            };
        }
        let Ok(()) = batch.end(&mut print);
        let built = build(db, workspace, &environment);
        let mut whole = String::new();
        for manifest in &built.manifests {
            whole.push_str("---\n");
            yaml::write_document(&mut whole, &manifest.object);
        }
        if printed != whole {
            differences.push(format!("{environment}: printed\n{printed}\nrather than\n{whole}"));
        }
        let blocked = batch.blocked();
        if blocked != built.blocked {
            differences.push(format!("{environment}: {blocked:?} rather than {:?}", built.blocked));
        }
    }
    let (found, all) = (batch.findings(), check(db, workspace));
    if found != all {
        differences.push(format!("found {found:#?}\nrather than {all:#?}"));
    }
}
