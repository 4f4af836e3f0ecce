//! Where a cluster is not as it was applied, told at the lines that say otherwise.
//!
//! ```text
//! sources ─ render ─┐
//! inventory ────────┼─ of each object that was applied as the sources have it ─> gaps ─ one dry run ─> findings, JSON
//! watches ──────────┘
//! ```

use crate::args::{DriftArgs, Report as Format};
use crate::cluster::{self, Session};
use crate::commands::{FOUND_ERRORS, Stop, number, working_directory};
use crate::human::Printer;
use crate::machine;
use crate::terminal::{Colour, Progress, say};
use futures::StreamExt;
use futures::stream::select_all;
use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::changes::{Identity, package};
use plumb_compiler::diagnostics::{Severity, code};
use plumb_reconciler::apply::{Scope, identity, resource_of, scopes};
use plumb_reconciler::cluster::{Apply, Cluster, Event};
use plumb_reconciler::drift::{Gap, Kind, confirmed, gaps};
use plumb_reconciler::inventory::{Inventory, PART_OF, group_kind};
use plumb_reconciler::log::owner;
use plumb_reconciler::plan::{left, outgoing, scaled};
use plumb_reconciler::render::{Desired, at};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

/// Tells where a cluster is not as it was applied; gives the exit code.
///
/// # Errors
///
/// Where the sources, the cluster or what is remembered there cannot be read.
pub(crate) fn run(args: &DriftArgs, colour: Colour) -> Result<u8, Stop> {
    let session = Session::open(&args.path, &args.env, colour, args.output == Format::Json)?;
    cluster::runtime()?.block_on(async {
        let set = session.set(&args.cluster.inventory_namespace)?;
        let cluster =
            Cluster::connect(args.cluster.context.as_deref()).await.map_err(Stop::Failed)?;
        let pages =
            cluster.pages(&set).await.map_err(cluster::failed("the inventory cannot be read"))?;
        let inventory = Inventory::read(&set, &pages).map_err(Stop::Failed)?;
        let scaled = scaled(&session.render);
        let look = Look { session, scaled, cluster, id: set.id(), colour, watch: args.watch };
        look.run(&inventory).await
    })
}

struct Look {
    session: Session,
    scaled: BTreeSet<Identity>,
    cluster: Cluster,
    /// Of our set.
    id: String,
    colour: Colour,
    watch: bool,
}

/// What drifts of each object.
type Drift = BTreeMap<Identity, Vec<Gap>>;

impl Look {
    async fn run(&self, inventory: &Inventory) -> Result<u8, Stop> {
        let wanted = self.wanted(inventory);
        let chosen = self
            .session
            .render
            .objects
            .iter()
            .filter(|it| self.session.loaded.selects_package(package(&it.request)));
        let not_applied = chosen.count() - wanted.len();
        let members = wanted.values().map(|it| (&it.identity, Some(&it.resource)));
        let scopes = scopes(members, &|identity| resource_of(&self.session.render, identity));
        let selector = format!("{PART_OF}={}", self.id);
        let mut open: BTreeSet<Scope> = scopes.clone();
        let mut events = select_all(scopes.into_iter().map(|scope| {
            let events = self.cluster.watch(&scope.0, scope.1.as_deref(), &selector);
            Box::pin(events.map(move |event| (scope.clone(), event)))
        }));
        let mut live: BTreeMap<Identity, Json> = BTreeMap::new();
        let mut told: Drift = BTreeMap::new();
        let progress = Progress::new(&format!("Looking at {}", self.cluster.shown()));
        let mut progress = Some(progress);
        while !open.is_empty() {
            let Some((scope, event)) = events.next().await else { break };
            match event {
                Event::Is(object) => {
                    live.insert(identity(&object), object);
                }
                Event::Gone(object) => {
                    live.remove(&identity(&object));
                }
                Event::Anew => {}
                Event::Complete => {
                    open.remove(&scope);
                }
                Event::Lost(refusal) => {
                    let kind = group_kind(&scope.0.group, &scope.0.kind);
                    return Err(Stop::Failed(format!("{kind} cannot be looked at: {refusal}")));
                }
            }
        }
        for desired in wanted.values() {
            let found = self.gaps(desired, live.get(&desired.identity)).await?;
            if !found.is_empty() {
                told.insert(desired.identity.clone(), found);
            }
        }
        progress.take();
        let is_whole = self.tell_all(&wanted, &told, not_applied)?;
        if !self.watch {
            return Ok(if told.is_empty() && is_whole { 0 } else { FOUND_ERRORS });
        }
        // Until the process is stopped.
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            let event = tokio::select! {
                _ = &mut interrupted => break,
                event = events.next() => event,
            };
            let Some((_, event)) = event else { break };
            let (identity, object) = match event {
                Event::Is(object) => (identity(&object), Some(object)),
                Event::Gone(object) => (identity(&object), None),
                Event::Lost(refusal) => {
                    say(&format!("{refusal}; it is asked again"));
                    continue;
                }
                Event::Anew | Event::Complete => continue,
            };
            let Some(desired) = wanted.get(&identity) else { continue };
            let now = self.gaps(desired, object.as_ref()).await?;
            let before = told.remove(&identity).unwrap_or_default();
            self.tell_changes(desired, &before, &now)?;
            if !now.is_empty() {
                told.insert(identity, now);
            }
        }
        Ok(if told.is_empty() { 0 } else { FOUND_ERRORS })
    }

    /// The objects that were applied as the sources have them.
    fn wanted(&self, inventory: &Inventory) -> BTreeMap<Identity, Arc<Desired>> {
        let is_applied = |desired: &Desired| {
            let entry = inventory.entries.get(&desired.identity);
            entry.is_some_and(|it| {
                it.uid.is_some() && it.digest.as_deref() == Some(desired.digest.as_str())
            })
        };
        let objects = self.session.render.objects.iter();
        objects
            .filter(|it| {
                self.session.loaded.selects_package(package(&it.request)) && is_applied(it)
            })
            .map(|it| (it.identity.clone(), Arc::clone(it)))
            .collect()
    }

    /// What of an object is not as it was applied.
    async fn gaps(&self, desired: &Desired, live: Option<&Json>) -> Result<Vec<Gap>, Stop> {
        let failed = |refusal| {
            Stop::Failed(format!("{} cannot be looked at: {refusal}", desired.identity.address()))
        };
        let mut found;
        let object = match live {
            Some(object) => object,
            // It may only have left the set.
            None => {
                found =
                    self.cluster.get(&desired.resource, &desired.identity).await.map_err(failed)?;
                match &mut found {
                    Some(object) => object,
                    None => return Ok(gaps(self.session.render.facts, desired, None, &self.id)),
                }
            }
        };
        let found = gaps(self.session.render.facts, desired, Some(object), &self.id);
        if !found.iter().any(|it| matches!(it.kind, Kind::Changed | Kind::Removed)) {
            return Ok(found);
        }
        // The server knows what it only writes otherwise.
        let sent = outgoing(desired, &left(desired, &self.scaled), Some(object), &self.id);
        let how = Apply { dry_run: true, force: true };
        match self.cluster.apply(&desired.resource, &desired.identity, &sent, how).await {
            Ok(dry_run) => Ok(confirmed(found, object, &dry_run.object)),
            // What it does not take it does not have either; who may not apply is told what the values say.
            Err(_) => Ok(found),
        }
    }

    /// Tells all that drifts; gives whether all of the sources builds.
    fn tell_all(
        &self,
        wanted: &BTreeMap<Identity, Arc<Desired>>,
        told: &Drift,
        not_applied: usize,
    ) -> io::Result<bool> {
        let mistakes: Vec<Finding> = self.session.render.errors().cloned().collect();
        let all = told
            .iter()
            .flat_map(|(identity, found)| found.iter().map(|gap| (&wanted[identity], gap)));
        if self.session.is_silent && !self.watch {
            let drift: Vec<Json> = all.map(|(desired, gap)| self.json(desired, gap)).collect();
            let shown = json!({
                "version": 1,
                "environment": self.session.render.environment.as_str(),
                "cluster": self.cluster.shown(),
                "notApplied": not_applied,
                "drift": drift,
                "diagnostics": machine::findings(&self.session.loaded, &mistakes)["diagnostics"],
            });
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &shown).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(mistakes.is_empty());
        }
        self.print(&mistakes, io::stderr().lock())?;
        let all: Vec<(&Arc<Desired>, &Gap)> = all.collect();
        for (desired, gap) in &all {
            self.tell(desired, gap)?;
        }
        if !self.session.is_silent {
            if not_applied > 0 {
                say(&format!(
                    "{} not applied as the sources have them: `plumb diff` shows what an apply changes",
                    match not_applied {
                        1 => "1 object is".to_owned(),
                        count => format!("{count} objects are"),
                    }
                ));
            }
            let objects = number(wanted.len(), "object");
            say(&match all.len() {
                0 => format!("no drift in {objects}"),
                count => format!("{} in {objects}", number(count, "difference")),
            });
        }
        Ok(mistakes.is_empty())
    }

    fn tell_changes(&self, desired: &Desired, before: &[Gap], now: &[Gap]) -> io::Result<()> {
        for gap in now.iter().filter(|it| !before.contains(it)) {
            self.tell(desired, gap)?;
        }
        for gap in before.iter().filter(|it| !now.iter().any(|now| now.path == it.path)) {
            if self.session.is_silent {
                let mut shown = self.json(desired, gap);
                shown["difference"] = Json::Null;
                writeln!(io::stdout(), "{shown}")?;
            } else {
                let address = desired.identity.address();
                writeln!(io::stdout(), "{address}: {} is as it was applied again\n", place(gap))?;
            }
        }
        Ok(())
    }

    fn tell(&self, desired: &Desired, gap: &Gap) -> io::Result<()> {
        if self.session.is_silent {
            return writeln!(io::stdout(), "{}", self.json(desired, gap));
        }
        self.print(&[self.finding(desired, gap)], io::stdout().lock())
    }

    fn print<W: Write + io::IsTerminal>(&self, findings: &[Finding], stream: W) -> io::Result<()> {
        let directory = working_directory();
        let colour = self.colour.on(&stream);
        let mut printer =
            Printer::new(&self.session.loaded, &directory, &self.session.environments, colour);
        let mut out = BufWriter::new(stream);
        for finding in findings {
            printer.print(&mut out, finding)?;
        }
        out.flush()
    }

    fn finding(&self, desired: &Desired, gap: &Gap) -> Finding {
        let address = desired.identity.address();
        let shown = |value: Option<&Json>| match value {
            Some(_) if gap.is_secret => "(hidden)".to_owned(),
            Some(value) => value.to_string(),
            None => "nothing".to_owned(),
        };
        let (declared, live) = (shown(gap.declared.as_ref()), shown(gap.live.as_ref()));
        let message = match gap.kind {
            Kind::Changed => format!("{address}: {} is {live}, not {declared}", gap.path),
            Kind::Removed => format!("{address}: {} is not there", gap.path),
            Kind::Deleted => format!("{address} was deleted"),
            Kind::Disowned => format!("{address} is not in our set any more"),
        };
        let when = gap.owner.as_ref().and_then(|it| it.time.as_ref());
        let when = when.map(|it| format!(" at {it}")).unwrap_or_default();
        let by = owner(gap.owner.as_ref());
        let whom = match (&gap.owner, gap.is_guess) {
            (None, _) => None,
            (Some(_), true) => Some(format!("it was last written by {by}{when}")),
            (Some(_), false) => Some(format!("it was set by {by}{when}")),
        };
        let mend = match gap.kind {
            Kind::Changed | Kind::Removed => "apply to undo it, or change this line to keep it",
            Kind::Deleted | Kind::Disowned => "apply to bring it back, or take it out of here",
        };
        let help = match whom {
            Some(whom) => format!("{whom}; {mend}"),
            None => mend.to_owned(),
        };
        let request = self.session.compiler.request(&desired.manifest);
        let source = self.source(desired, gap);
        let label = match gap.kind {
            Kind::Changed | Kind::Removed => format!("says {declared}"),
            Kind::Deleted | Kind::Disowned => String::new(),
        };
        let location = source.map_or_else(|| request.clone(), |it| it.1);
        let related = match location == request {
            true => Vec::new(),
            false => vec![(request, format!("for request {}", desired.request))],
        };
        Finding {
            code: code::DRIFT,
            severity: Severity::Warning,
            message,
            environments: vec![self.session.render.environment.clone()],
            location: Some(location),
            label,
            related,
            help: Some(help),
            fixes: Vec::new(),
        }
    }

    /// What says otherwise: a layer, and where.
    fn source(&self, desired: &Desired, gap: &Gap) -> Option<(String, Location)> {
        let object = &desired.manifest.object;
        let value = at(object, &gap.steps).unwrap_or(object);
        let source = self.session.compiler.source(
            &self.session.render.environment,
            &desired.manifest,
            value,
        )?;
        Some((source.layer, source.location))
    }

    fn json(&self, desired: &Desired, gap: &Gap) -> Json {
        let Identity { kind, namespace, name, .. } = &desired.identity;
        let value = |value: Option<&Json>| match gap.is_secret {
            true => Json::Null,
            false => value.cloned().unwrap_or_default(),
        };
        let owner = gap.owner.as_ref().map(|it| {
            json!({
                "manager": it.manager, "operation": it.operation, "subresource": it.subresource,
                "time": it.time, "guess": gap.is_guess,
            })
        });
        let source = self.source(desired, gap);
        let layers: Vec<String> = match gap.path.as_str() {
            "" => Vec::new(),
            path => {
                let group_kind = group_kind(&desired.identity.group, kind);
                let namespace = namespace.as_ref().map(|it| format!("@{it}")).unwrap_or_default();
                let asked = format!("{group_kind}/{name}{namespace}:{path}");
                let why = self.session.compiler.why(&self.session.render.environment, &asked);
                let directory = working_directory();
                let printer = Printer::new(
                    &self.session.loaded,
                    &directory,
                    &self.session.environments,
                    false,
                );
                let layers = why.into_iter().flat_map(|it| it.layers);
                layers.map(|it| format!("{}, {}", it.layer, printer.line(&it.location))).collect()
            }
        };
        json!({
            "apiVersion": desired.resource.api_version(),
            "kind": kind.as_str(),
            "namespace": namespace.as_deref(),
            "name": name.as_str(),
            "request": desired.request.as_str(),
            "path": gap.path,
            "difference": gap.kind.word(),
            "declared": value(gap.declared.as_ref()),
            "live": value(gap.live.as_ref()),
            "owner": owner,
            "layer": source.as_ref().map(|it| it.0.as_str()),
            "span": source.as_ref().map(|it| machine::span(&self.session.loaded, &it.1)),
            "layers": layers,
        })
    }
}

/// What differs, in a sentence.
fn place(gap: &Gap) -> &str {
    if gap.path.is_empty() { "it" } else { &gap.path }
}
