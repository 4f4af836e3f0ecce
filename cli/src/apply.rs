//! A cluster becomes what an environment should be.
//!
//! ```text
//! sources ─ plumb_reconciler ─> what is to be done, and what became of it ─> text, or JSON
//! ```

mod follow;

use crate::args::{self, Report as Format};
use crate::cluster::{self, Seen, Session, delete_json, failed, say_held, waiting_json};
use crate::commands::{FOUND_ERRORS, Stop, number};
use crate::machine;
use crate::terminal::{Colour, Progress, say, visible};
use plumb_compiler::answers::Finding;
use plumb_compiler::changes::Identity;
use plumb_compiler::diagnostics::{Severity, code};
use plumb_reconciler::apply::{
    Applier, Deleted, How, Outcome, Report, Told, identity, resource_of, run as carry_out, scopes,
};
use plumb_reconciler::cluster::Cluster;
use plumb_reconciler::health::{Health, health};
use plumb_reconciler::inventory::{Entry, PART_OF};
use plumb_reconciler::plan::{Choice, Delete, Foreign, Held, plan};
use plumb_reconciler::render::{Desired, Render};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at what does not work yet.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Makes a cluster what an environment should be; gives the exit code.
///
/// # Errors
///
/// Where the sources, the cluster or what is remembered there cannot be read.
pub(crate) fn run(args: &args::Apply, colour: Colour) -> Result<u8, Stop> {
    if args.watch {
        return follow::run(args);
    }
    let is_json = args.output == Format::Json;
    let session = Session::open(&args.path, &args.env, colour, is_json)?;
    let mistakes: Vec<Finding> = session.render.errors().cloned().collect();
    session.report(&mistakes);
    if session.render.unknown.all {
        return Err(Stop::Failed("plumb.toml has mistakes, so nothing was applied".to_owned()));
    }
    cluster::runtime()?.block_on(session.apply(args, mistakes))
}

impl Session {
    async fn apply(&self, args: &args::Apply, mut told: Vec<Finding>) -> Result<u8, Stop> {
        let until = Instant::now() + args.timeout;
        let Seen { cluster, set, inventory, snapshot } = self.look(&args.cluster).await?;
        let id = set.id();
        let choice = Choice {
            set: &id,
            is_chosen: &|package| self.loaded.selects_package(package),
            adopt: args.adopt,
            confirm: args.confirm.as_deref(),
        };
        let plan = plan(&self.render, &inventory, &snapshot, &choice);
        if let Some(hash) = &args.confirm
            && *hash != plan.hash
        {
            return Err(Stop::Failed(match plan.hash.as_str() {
                "" => format!(
                    "nothing is to be deleted, so there is nothing to confirm with `{hash}`"
                ),
                now => format!(
                    "what is to be deleted is not what `{hash}` was shown for; nothing was done. It is `{now}` now: \
                     look with --dry-run"
                ),
            }));
        }
        let (held, unknown, hash) = (plan.held.clone(), plan.unknown.clone(), plan.hash.clone());
        let how = How { dry_run: args.dry_run, force: args.force_conflicts, until };
        let applier = Applier::new(cluster.clone(), Arc::clone(&self.render), id.clone(), how);
        let total = plan.objects.len() + plan.deletes.len();
        let mut inventory = inventory;
        let mut lines = Lines {
            out: BufWriter::new(io::stdout()),
            done: 0,
            total,
            progress: None,
            failed: None,
        };
        let json = self.is_silent;
        let report =
            carry_out(applier, plan, snapshot, &mut inventory, &set, &mut |render, told| {
                lines.tell(render, told, args.dry_run, json);
            })
            .await
            .map_err(failed("the inventory cannot be written"))?;
        lines.end()?;

        let mut problems: Vec<Finding> = Vec::new();
        for (place, outcome) in &report.objects {
            problems.extend(self.problems(&self.render.objects[*place], outcome));
        }
        self.report(&problems);
        told.extend(problems);
        let unsettled = match args.wait && !args.dry_run {
            true => self.settle(&cluster, &id, &report, until).await?,
            false => BTreeMap::new(),
        };
        let unsettled = self.unsettled(&unsettled, args.timeout);
        self.report(&unsettled);
        told.extend(unsettled);

        let refused: Vec<&(Delete, Deleted)> =
            report.deletes.iter().filter(|(_, it)| matches!(it, Deleted::Refused(_))).collect();
        if self.is_silent {
            let shown = json!({
                "version": 1,
                "environment": self.render.environment.as_str(),
                "cluster": cluster.shown(),
                "set": { "name": set.name, "namespace": set.namespace, "id": id },
                "dryRun": args.dry_run,
                "objects": objects_json(&self.render, &report),
                "deletes": deletes_json(&report, &held, &unknown),
                "confirm": if held.is_empty() { Json::Null } else { json!(hash) },
                "diagnostics": machine::findings(&self.loaded, &told)["diagnostics"],
            });
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &shown).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            for (delete, deleted) in &refused {
                if let Deleted::Refused(refusal) = deleted {
                    say(&format!("{} was not deleted: {refusal}", delete.identity.address()));
                }
            }
            say_held(&held, &hash, (&args.env, &args.path), &args.cluster);
            if !unknown.is_empty() {
                let count = number(unknown.len(), "object");
                say(&format!(
                    "{count} that nothing makes any more stay: where they may be made does not build"
                ));
            }
            say(&summary(&report, args.dry_run));
        }
        let is_fine = told.iter().all(|it| it.severity != Severity::Error)
            && refused.is_empty()
            && held.is_empty();
        Ok(if is_fine { 0 } else { FOUND_ERRORS })
    }

    /// What is wrong with an object that is not in the cluster as git has it, at the lines that made it so.
    fn problems(&self, desired: &Desired, outcome: &Outcome) -> Vec<Finding> {
        match outcome {
            Outcome::Refused(refusal) => self.refused(desired, refusal),
            Outcome::Foreign(whose) => vec![self.foreign(desired, whose)],
            Outcome::Waiting => vec![self.leaving(desired)],
            _ => Vec::new(),
        }
    }

    /// Waits until all that was applied works, or will not. Gives what does not.
    async fn settle(
        &self,
        cluster: &Cluster,
        set: &str,
        report: &Report,
        until: Instant,
    ) -> Result<BTreeMap<usize, Health>, Stop> {
        let done = report.objects.iter().filter(|(_, outcome)| outcome.is_done());
        let mut waiting: BTreeMap<Identity, usize> =
            done.map(|(place, _)| (self.render.objects[*place].identity.clone(), *place)).collect();
        let mut failed = BTreeMap::new();
        let selector = format!("{PART_OF}={set}");
        let mut states: BTreeMap<usize, Health> = BTreeMap::new();
        loop {
            let members = waiting
                .iter()
                .map(|(identity, place)| (identity, Some(&self.render.objects[*place].resource)));
            let scopes = scopes(members, &|identity| resource_of(&self.render, identity));
            let _progress =
                Progress::new(&format!("Waiting for {}", number(waiting.len(), "object")));
            for (resource, namespace) in scopes {
                let listed = cluster.list(&resource, namespace.as_deref(), &selector).await;
                // A server that fails is asked again.
                let Ok(objects) = listed else { continue };
                for object in objects {
                    let identity = identity(&object);
                    let Some(place) = waiting.get(&identity).copied() else { continue };
                    match health(&object) {
                        Health::Settled => {
                            waiting.remove(&identity);
                            states.remove(&place);
                        }
                        Health::Failed(why) => {
                            waiting.remove(&identity);
                            failed.insert(place, Health::Failed(why));
                        }
                        moving => {
                            states.insert(place, moving);
                        }
                    }
                }
            }
            if waiting.is_empty() || Instant::now() >= until {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        for (_, place) in waiting {
            let state = states.remove(&place);
            failed.insert(place, state.unwrap_or(Health::Moving("it is not there".to_owned())));
        }
        Ok(failed)
    }

    fn unsettled(&self, states: &BTreeMap<usize, Health>, timeout: Duration) -> Vec<Finding> {
        states
            .iter()
            .map(|(place, state)| {
                let desired = &self.render.objects[*place];
                let address = desired.identity.address();
                let message = match state {
                    Health::Failed(why) => format!("{address} does not work: {why}"),
                    Health::Moving(why) => {
                        format!("{address} does not work after {} s: {why}", timeout.as_secs())
                    }
                    Health::Settled => unreachable!("what works is not told"),
                };
                self.finding(code::UNSETTLED, desired, "", message, String::new(), None)
            })
            .collect()
    }
}

/// A line for each object that is not as it was.
struct Lines<W: Write> {
    out: W,
    done: usize,
    total: usize,
    progress: Option<Progress>,
    failed: Option<io::Error>,
}

impl<W: Write> Lines<W> {
    fn tell(&mut self, render: &Render, told: Told<'_>, dry_run: bool, is_silent: bool) {
        self.done += 1;
        let line = match told {
            Told::Object(place, outcome) => {
                let desired = &render.objects[place];
                let word = match outcome {
                    Outcome::Created(_) => Some("created"),
                    Outcome::Changed(_) => Some("changed"),
                    _ => None,
                };
                word.map(|word| {
                    let request = &desired.request;
                    format!("{} {word}  {request}", desired.identity.address())
                })
            }
            Told::Delete(delete, deleted) => {
                let word = match deleted {
                    Deleted::Gone => Some("deleted"),
                    Deleted::Leaving => Some("is being deleted"),
                    Deleted::Refused(_) => None,
                };
                word.map(|word| format!("{} {word}  {}", delete.identity.address(), delete.request))
            }
        };
        self.progress = None;
        if let Some(line) = line.filter(|_| !is_silent) {
            let dry = if dry_run { " (dry run)" } else { "" };
            let written =
                writeln!(self.out, "{}{dry}", visible(&line)).and_then(|()| self.out.flush());
            if let Err(error) = written {
                self.failed.get_or_insert(error);
            }
        }
        if self.done < self.total {
            self.progress =
                Some(Progress::new(&format!("Applying: {} of {}", self.done, self.total)));
        }
    }

    /// # Errors
    ///
    /// The first of writing: what is applied is applied to its end all the same.
    fn end(mut self) -> io::Result<()> {
        self.progress = None;
        match self.failed {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

/// "3 created, 1 changed, 1 deleted; 40 objects the same".
fn summary(report: &Report, dry_run: bool) -> String {
    let count = |is: &dyn Fn(&Outcome) -> bool| report.objects.values().filter(|it| is(it)).count();
    let deletes =
        report.deletes.iter().filter(|(_, it)| !matches!(it, Deleted::Refused(_))).count();
    let parts = [
        (count(&|it| matches!(it, Outcome::Created(_))), "created"),
        (count(&|it| matches!(it, Outcome::Changed(_))), "changed"),
        (deletes, "deleted"),
        (count(&|it| matches!(it, Outcome::Refused(_))), "refused"),
        (count(&|it| matches!(it, Outcome::Foreign(_))), "not ours"),
        (count(&|it| matches!(it, Outcome::Waiting)), "still being deleted"),
        (count(&|it| matches!(it, Outcome::NotTried)), "not tried"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let same = count(&|it| matches!(it, Outcome::Kept | Outcome::Same(_)));
    let dry = if dry_run { "; nothing was kept, as this was a dry run" } else { "" };
    match (parts.is_empty(), same) {
        (true, _) => format!("{} as declared{dry}", number(same, "object")),
        (false, 0) => format!("{}{dry}", parts.join(", ")),
        (false, _) => format!("{}; {same} as declared{dry}", parts.join(", ")),
    }
}

fn objects_json(render: &Render, report: &Report) -> Vec<Json> {
    let shown = report.objects.iter().map(|(place, outcome)| {
        let desired = &render.objects[*place];
        let (action, reason, message) = match outcome {
            Outcome::Created(_) => ("created", None, None),
            Outcome::Changed(_) => ("changed", None, None),
            Outcome::Same(_) | Outcome::Kept => ("same", None, None),
            Outcome::Refused(it) => ("refused", Some(it.kind.word()), Some(it.message.clone())),
            Outcome::Foreign(Foreign::Member(set)) => ("foreign", None, Some(set.clone())),
            Outcome::Foreign(Foreign::Unclaimed(by)) => ("foreign", None, by.clone()),
            Outcome::Waiting => ("waiting", None, None),
            Outcome::NotTried => ("not-tried", None, None),
        };
        json!({
            "action": action,
            "apiVersion": desired.resource.api_version(),
            "kind": desired.identity.kind.as_str(),
            "namespace": desired.identity.namespace.as_deref(),
            "name": desired.identity.name.as_str(),
            "request": desired.request.as_str(),
            "reason": reason,
            "message": message,
        })
    });
    shown.collect()
}

fn deletes_json(report: &Report, held: &[(Delete, Held)], unknown: &[Entry]) -> Vec<Json> {
    let done = report.deletes.iter().map(|(delete, deleted)| {
        let (action, message) = match deleted {
            Deleted::Gone => ("deleted", None),
            Deleted::Leaving => ("leaving", None),
            Deleted::Refused(refusal) => ("refused", Some(refusal.message.clone())),
        };
        delete_json(&delete.identity, &delete.request, action, message)
    });
    done.chain(waiting_json(held, unknown)).collect()
}
