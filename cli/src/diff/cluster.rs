//! A cluster, compared with what applying an environment makes of it.

use super::{By, DIFFERENT, Incomplete, Named, Object, Origin, Report, Source};
use crate::args::{self, Differences};
use crate::cluster::{self, Seen, Session, delete_json, say_held, waiting_json};
use crate::commands::{Stop, working_directory};
use crate::human::Printer;
use crate::machine;
use crate::terminal::{Colour, Progress, say};
use plumb_compiler::answers::Finding;
use plumb_compiler::changes::{Difference, Effect, package};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::Value;
use plumb_reconciler::apply::{Applier, How, Snapshot};
use plumb_reconciler::owned::applied;
use plumb_reconciler::plan::{Action, Choice, Live, Plan, plan};
use plumb_reconciler::preview::{Maker, Preview, Previews, Versions, preview};
use plumb_reconciler::render::Desired;
use serde_json::{Value as Json, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a server that fails is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells what `plumb apply` would change in a cluster; gives the exit code.
///
/// # Errors
///
/// Where the sources, the cluster or what is remembered there cannot be read.
pub(super) fn run(args: &args::Diff, colour: Colour) -> Result<u8, Stop> {
    let is_json = args.output == Differences::Json;
    let session = Session::open(&args.path, &args.env, colour, is_json)?;
    if session.render.unknown.all {
        session.report(&session.loaded.findings);
        return Err(Stop::Failed("plumb.toml has mistakes, so nothing was compared".to_owned()));
    }
    cluster::runtime()?.block_on(diff(&session, args, colour))
}

async fn diff(session: &Session, args: &args::Diff, colour: Colour) -> Result<u8, Stop> {
    let Seen { cluster, set, inventory, snapshot } = session.look(&args.cluster).await?;
    let id = set.id();
    let choice = Choice {
        set: &id,
        is_chosen: &|package| session.loaded.selects_package(package),
        adopt: args.adopt,
        confirm: None,
    };
    let plan = plan(&session.render, &inventory, &snapshot, &choice);
    let how = How { dry_run: true, force: args.force_conflicts, until: Instant::now() + PATIENCE };
    let applier = Applier::new(cluster.clone(), Arc::clone(&session.render), id.clone(), how);
    let previews = {
        let _progress = Progress::new(&format!("Asking {}", cluster.shown()));
        preview(&applier, &plan, &snapshot).await
    };

    let directory = working_directory();
    let printer = Printer::new(&session.loaded, &directory, &session.environments, false);
    let tracing = Tracing { session, printer };
    let mut found = Found::default();
    for (place, action) in &plan.objects {
        let desired = &*session.render.objects[*place];
        match action {
            Action::Keep => found.same += 1,
            Action::Wait => found.problem("still being deleted", [session.leaving(desired)]),
            Action::Refuse(whose) => found.problem("not ours", [session.foreign(desired, whose)]),
            Action::Unseen(refusal) => found.problem("not seen", session.refused(desired, refusal)),
            Action::Create | Action::Apply => match &previews.objects[place] {
                Preview::Created => {
                    found.objects.push(tracing.object(desired, Effect::Created, Vec::new()));
                }
                Preview::Applied(versions) => match tracing.differences(desired, versions) {
                    same if same.is_empty() => found.same += 1,
                    differences => {
                        let gravest = differences.iter().map(|(it, _)| it.effect).max();
                        let effect = gravest.unwrap_or(Effect::Changed);
                        found.objects.push(tracing.object(desired, effect, differences));
                    }
                },
                Preview::Replaced(versions, rest) => {
                    let differences = tracing.differences(desired, versions);
                    found.objects.push(tracing.object(desired, Effect::Replaced, differences));
                    let rest = rest.iter().flat_map(|it| session.refused(desired, it));
                    found.problems.extend(rest);
                }
                Preview::Refused(refusal) => {
                    found.problem("refused", session.refused(desired, refusal));
                }
            },
        }
    }
    found.objects.extend(tracing.deletes(&plan, &previews, &snapshot));
    found.objects.sort_by(|a, b| {
        let key = |it: &Object<'_>| (Reverse(it.effect), it.request.clone(), it.identity.clone());
        key(a).cmp(&key(b))
    });
    let unseen = plan.unknown.iter().filter(|it| !session.render.unknown.may_hide(&it.request));
    *found.others.entry("not seen").or_default() += unseen.count();
    for (count, what) in
        [(plan.held.len(), "held back"), (previews.refused.len(), "not to be deleted")]
    {
        found.others.insert(what, count);
    }
    found.others.retain(|_, count| *count > 0);
    let shown = cluster.shown();
    let report = Report {
        environment: session.render.environment.to_string(),
        from: Named::of(shown, Some(shown)),
        to: Named::of("the working tree", None),
        objects: found.objects,
        same: found.same,
        incomplete: incomplete(session, &plan),
        others: found.others.iter().map(|(what, count)| format!("{count} {what}")).collect(),
        notes: match inventory.is_new() {
            true => vec![format!("nothing of {} was applied to {shown} yet", set.name)],
            false => Vec::new(),
        },
    };

    let told: Vec<Finding> = session.render.errors().cloned().chain(found.problems).collect();
    let refused = previews.refused.iter().filter_map(|(identity, refusal)| {
        let delete = plan.deletes.iter().find(|it| it.identity == *identity)?;
        Some(delete_json(identity, &delete.request, "refused", Some(refusal.message.clone())))
    });
    let deletes: Vec<Json> = refused.chain(waiting_json(&plan.held, &plan.unknown)).collect();
    let more = [
        ("deletes", json!(deletes)),
        ("confirm", if plan.held.is_empty() { Json::Null } else { json!(plan.hash) }),
        ("diagnostics", machine::findings(&session.loaded, &told)["diagnostics"].take()),
    ];
    report.write(args.output, colour, &more)?;
    session.report(&told);
    if !session.is_silent {
        for (identity, refusal) in &previews.refused {
            say(&format!("{} would not be deleted: {refusal}", identity.address()));
        }
        say_held(&plan.held, &plan.hash, (&args.env, &args.path), &args.cluster);
    }
    let is_equal = report.objects.is_empty()
        && report.incomplete.is_empty()
        && told.is_empty()
        && deletes.is_empty();
    Ok(if is_equal { 0 } else { DIFFERENT })
}

/// What is told of a cluster.
#[derive(Default)]
struct Found<'v> {
    objects: Vec<Object<'v>>,
    same: usize,
    /// What is neither, by what it is called.
    others: BTreeMap<&'static str, usize>,
    problems: Vec<Finding>,
}

impl Found<'_> {
    fn problem(&mut self, what: &'static str, problems: impl IntoIterator<Item = Finding>) {
        *self.others.entry(what).or_default() += 1;
        self.problems.extend(problems);
    }
}

/// The requests of which the sources say too little.
fn incomplete(session: &Session, plan: &Plan) -> Vec<Incomplete> {
    let blocked = &session.render.unknown.requests;
    let is_chosen = |it: &&Name| session.loaded.selects_package(package(it));
    let mut counts: BTreeMap<&Name, usize> =
        blocked.iter().filter(is_chosen).map(|it| (it, 0)).collect();
    // What the cluster does not let be seen is another matter.
    for entry in plan.unknown.iter().filter(|it| session.render.unknown.may_hide(&it.request)) {
        *counts.entry(&entry.request).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(request, objects)| Incomplete {
            request: request.clone(),
            is_blocked: blocked.contains(request),
            is_old: false,
            is_both: false,
            objects,
        })
        .collect()
}

impl Named {
    fn of(shown: &str, cluster: Option<&str>) -> Self {
        Named {
            shown: shown.to_owned(),
            revision: None,
            commit: None,
            summary: None,
            cluster: cluster.map(str::to_owned),
        }
    }
}

/// Tells what makes what is applied.
struct Tracing<'s> {
    session: &'s Session,
    printer: Printer<'s>,
}

impl Tracing<'_> {
    fn object<'v>(
        &self,
        desired: &Desired,
        effect: Effect,
        differences: Vec<(Difference<'v>, Source)>,
    ) -> Object<'v> {
        Object {
            identity: desired.identity.clone(),
            api_version: desired.resource.api_version(),
            effect,
            request: desired.request.clone(),
            declared: self.declared(desired),
            source: self.source(desired, &desired.manifest.object),
            differences,
        }
    }

    /// Where the request of an object is declared.
    fn declared(&self, desired: &Desired) -> String {
        self.printer.line(&self.session.compiler.request(&desired.manifest))
    }

    fn differences<'v>(
        &self,
        desired: &'v Desired,
        versions: &'v Versions,
    ) -> Vec<(Difference<'v>, Source)> {
        let facts = self.session.render.facts;
        let differences = versions.differences(facts, desired);
        let makers = versions.makers(facts, desired, &differences);
        let source = |maker| match maker {
            Maker::Git(value, owner) => Source { owner, ..self.source(desired, value) },
            Maker::Server(value) => Source { by: By::Server, ..self.source(desired, value) },
            Maker::Nobody(owner) => Source::of(By::Nobody, Some(owner)),
            Maker::Other(owner) => Source::of(By::Manager, Some(owner)),
            Maker::Membership => Source::of(By::Plumb, None),
        };
        let sources: Vec<Source> = makers.into_iter().map(source).collect();
        differences.into_iter().zip(sources).collect()
    }

    /// The line that makes a value of an object.
    fn source(&self, desired: &Desired, value: &Value) -> Source {
        let Session { compiler, render, loaded, .. } = self.session;
        let found = compiler.source(&render.environment, &desired.manifest, value);
        let origin = found.map(|found| Origin {
            layer: found.layer,
            place: self.printer.line(&found.location),
            span: machine::span(loaded, &found.location),
            from: found.from,
        });
        Source { origin, ..Source::default() }
    }

    /// The objects that are deleted.
    fn deletes<'v>(
        &self,
        plan: &Plan,
        previews: &Previews,
        snapshot: &Snapshot,
    ) -> Vec<Object<'v>> {
        let deletes = plan.deletes.iter();
        let deletes = deletes.filter(|it| !previews.refused.contains_key(&it.identity));
        let objects = &self.session.render.objects;
        let object = |live: &Json| live["apiVersion"].as_str().unwrap_or_default().to_owned();
        deletes
            .map(|delete| {
                let live = snapshot.object(&delete.identity);
                let declared = objects.iter().find(|it| it.request == delete.request);
                Object {
                    identity: delete.identity.clone(),
                    api_version: live.map(object).unwrap_or_default(),
                    effect: Effect::Deleted,
                    request: delete.request.clone(),
                    declared: match declared {
                        Some(desired) => self.declared(desired),
                        None => "makes nothing any more".to_owned(),
                    },
                    source: Source {
                        is_old: true,
                        ..Source::of(By::Nobody, live.and_then(applied))
                    },
                    differences: Vec::new(),
                }
            })
            .collect()
    }
}

impl Source {
    /// Of what no line makes.
    fn of(by: By, owner: Option<plumb_reconciler::owned::Owner>) -> Self {
        Source { is_old: by != By::Plumb, by, owner, ..Source::default() }
    }
}
