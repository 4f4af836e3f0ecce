//! What the commands that speak of a cluster have in common.
//!
//! ```text
//! sources ─> Session: an environment, and what made each of its values
//!   ─> look: what is remembered, and what is there
//!   ─> problems: what the cluster does not take, at the lines that made it so
//! ```

use crate::args;
use crate::commands::{Stop, number, unknown_environment, working_directory};
use crate::human::{self, Printer};
use crate::terminal::{Colour, Progress, say};
use plumb_compiler::answers::Finding;
use plumb_compiler::batch::Form;
use plumb_compiler::changes::Identity;
use plumb_compiler::diagnostics::{Code, Severity, code};
use plumb_compiler::syntax::ast::Name;
use plumb_reconciler::apply::{Snapshot, look};
use plumb_reconciler::blame;
use plumb_reconciler::cluster::Cluster;
use plumb_reconciler::inventory::{Entry, Inventory, Set};
use plumb_reconciler::plan::{Delete, Foreign, Held};
use plumb_reconciler::refusal::{Reason, Refusal};
use plumb_reconciler::render::{Compiler, Desired, Render};
use plumb_workspace::{Loaded, load};
use serde_json::{Value as Json, json};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// An environment of a workspace.
pub(crate) struct Session {
    pub(crate) loaded: Loaded,
    pub(crate) compiler: Compiler,
    pub(crate) environments: Vec<Name>,
    pub(crate) render: Arc<Render>,
    /// Nothing is written but what the command is for: findings are a part of it.
    pub(crate) is_silent: bool,
    colour: Colour,
}

/// What is in a cluster of an environment.
pub(crate) struct Seen {
    pub(crate) cluster: Cluster,
    pub(crate) set: Set,
    pub(crate) inventory: Inventory,
    pub(crate) snapshot: Snapshot,
}

impl Session {
    /// Reads a workspace and makes an environment of it.
    ///
    /// # Errors
    ///
    /// Where the sources cannot be read, or declare no such environment.
    pub(crate) fn open(
        path: &Path,
        environment: &str,
        colour: Colour,
        is_silent: bool,
    ) -> Result<Session, Stop> {
        let loaded = {
            let _progress = Progress::new("Reading");
            load(path)?
        };
        let mut compiler = Compiler::default();
        let _progress = Progress::new(&format!("Building {environment}"));
        let render =
            compiler.render(loaded.clone(), environment, Form::Objects).map_err(|unknown| {
                Stop::Failed(match unknown.known.is_empty() {
                    true => unknown.to_string(),
                    false => unknown_environment(environment, &unknown.known),
                })
            })?;
        let environments = compiler.environments();
        Ok(Session { loaded, compiler, environments, render: Arc::new(render), is_silent, colour })
    }

    /// The set of the environment, whose inventory is in a namespace.
    ///
    /// # Errors
    ///
    /// Where the workspace has no name.
    pub(crate) fn set(&self, namespace: &str) -> Result<Set, Stop> {
        let Some(name) = &self.loaded.manifest.name else {
            return Err(Stop::Failed(
                "the workspace has no name: what is applied is remembered under it. Write `name = \"…\"` into its \
                 plumb.toml"
                    .to_owned(),
            ));
        };
        Ok(Set::new(name, &self.render.environment, namespace))
    }

    /// Looks at the cluster that is meant.
    ///
    /// # Errors
    ///
    /// Where it is not known, cannot be reached, or does not let be seen what is in it.
    pub(crate) async fn look(&self, place: &args::Where) -> Result<Seen, Stop> {
        let set = self.set(&place.inventory_namespace)?;
        let cluster = Cluster::connect(place.context.as_deref()).await.map_err(Stop::Failed)?;
        let _progress = Progress::new(&format!("Looking at {}", cluster.shown()));
        let pages = cluster.pages(&set).await.map_err(failed("the inventory cannot be read"))?;
        let inventory = Inventory::read(&set, &pages).map_err(Stop::Failed)?;
        let snapshot = look(&cluster, &self.render, &inventory, &set.id())
            .await
            .map_err(failed("what is in the cluster cannot be seen"))?;
        Ok(Seen { cluster, set, inventory, snapshot })
    }

    /// What is wrong with an object that the server does not take, at the lines that made it so.
    pub(crate) fn refused(&self, desired: &Desired, refusal: &Refusal) -> Vec<Finding> {
        let address = desired.identity.address();
        let help = match refusal.kind {
            Reason::Owned => Some("`--force-conflicts` takes the fields over"),
            Reason::Forbidden => Some("`plumb rbac` prints what who applies must be allowed to do"),
            Reason::Invalid if refusal.message.contains("field is immutable") => Some(
                "it cannot be changed in place: delete the object and apply again, which makes it anew",
            ),
            Reason::NoNamespace => {
                Some("make the namespace: a composition can emit it, or somebody makes it once")
            }
            Reason::Terminating => Some("apply again when what is being deleted is gone"),
            _ => None,
        };
        if refusal.causes.is_empty() {
            let message = format!("the cluster does not take {address}: {}", refusal.message);
            return vec![self.finding(code::REFUSED, desired, "", message, String::new(), help)];
        }
        refusal
            .causes
            .iter()
            .map(|(field, why)| {
                let message = format!("the cluster does not take {address}: {field}: {why}");
                self.finding(code::REFUSED, desired, field, message, why.clone(), help)
            })
            .collect()
    }

    /// That an object is somebody else's.
    pub(crate) fn foreign(&self, desired: &Desired, whose: &Foreign) -> Finding {
        let address = desired.identity.address();
        let (message, help) = match whose {
            Foreign::Unclaimed(writer) => {
                let by = writer.as_ref().map(|it| format!(", made by {it}")).unwrap_or_default();
                (
                    format!("{address} is there already{by}, and not of this workspace"),
                    "`--adopt` takes it over: it will then be as git has it, and go when git no longer has it",
                )
            }
            Foreign::Member(set) => (
                format!("{address} is there already, as a member of another set, {set}"),
                "two sets would take turns: take it out of one of them",
            ),
        };
        self.finding(code::FOREIGN_OBJECT, desired, "", message, String::new(), Some(help))
    }

    /// That an object is still on its way out.
    pub(crate) fn leaving(&self, desired: &Desired) -> Finding {
        let address = desired.identity.address();
        let message = format!("{address} is still being deleted, so it is not applied");
        let mut finding = self.finding(code::REFUSED, desired, "", message, String::new(), None);
        finding.severity = Severity::Warning;
        finding
    }

    /// A finding at the line that made a field of an object.
    pub(crate) fn finding(
        &self,
        code: Code,
        desired: &Desired,
        field: &str,
        message: String,
        label: String,
        help: Option<&str>,
    ) -> Finding {
        let environment = &self.render.environment;
        let value = blame::value(desired, field);
        let source = self.compiler.source(environment, &desired.manifest, value);
        let request = self.compiler.request(&desired.manifest);
        let location = source.map(|it| it.location).or_else(|| Some(request.clone()));
        let is_elsewhere = location.as_ref() != Some(&request);
        Finding {
            code,
            severity: Severity::Error,
            message,
            environments: vec![environment.clone()],
            location,
            label,
            related: match is_elsewhere {
                true => vec![(request, format!("for request {}", desired.request))],
                false => Vec::new(),
            },
            help: help.map(str::to_owned),
            fixes: Vec::new(),
        }
    }

    /// Writes findings to stderr, and how many there are. When it is closed the product still counts.
    pub(crate) fn report(&self, findings: &[Finding]) {
        if self.is_silent || findings.is_empty() {
            return;
        }
        let stderr = io::stderr().lock();
        let directory = working_directory();
        let colour = self.colour.on(&stderr);
        let mut printer = Printer::new(&self.loaded, &directory, &self.environments, colour);
        let mut out = BufWriter::new(stderr);
        for finding in findings {
            let _ = printer.print(&mut out, finding);
        }
        if let Some(count) = human::count(findings) {
            let _ = writeln!(out, "{count}");
        }
        let _ = out.flush();
    }
}

/// What waits for answers of a cluster, in one thread: to wake another for each of them costs more than what is done
/// with it.
///
/// # Errors
///
/// Where the system does not give what it waits with.
pub(crate) fn runtime() -> Result<Runtime, Stop> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::Failed(format!("cannot start: {error}")))
}

/// What a command says that stops at a refusal.
pub(crate) fn failed(what: &str) -> impl Fn(Refusal) -> Stop {
    let what = what.to_owned();
    move |refusal| Stop::Failed(format!("{what}: {refusal}"))
}

/// Says which deletes wait for a person, and how to do them all the same.
pub(crate) fn say_held(
    held: &[(Delete, Held)],
    hash: &str,
    (environment, path): (&str, &Path),
    place: &args::Where,
) {
    let Some((_, why)) = held.first() else { return };
    let count = number(held.len(), "object");
    say(&match why {
        Held::EmptySource => format!(
            "{count} would be deleted, since the sources make nothing at all. That is hardly meant, so they stay:"
        ),
        Held::TooMany(limit) => {
            format!(
                "{count} would be deleted, more than {limit}, so they stay until somebody has looked:"
            )
        }
        Held::Precious => {
            format!(
                "{count} would be deleted with what cannot be got back, so they stay until somebody has looked:"
            )
        }
    });
    for (delete, _) in held {
        say(&format!("  {}  {}", delete.identity.address(), delete.request));
    }
    if *why != Held::EmptySource {
        let path = match path.to_string_lossy() {
            path if path == "." => String::new(),
            path => format!(" {path}"),
        };
        say(&format!(
            "to delete them: plumb apply --env {environment}{path}{place} --confirm {hash}"
        ));
    }
}

/// The deletes that wait, as programs get them: each as an object with an `action`.
pub(crate) fn waiting_json(held: &[(Delete, Held)], unknown: &[Entry]) -> Vec<Json> {
    let held = held.iter().map(|(delete, why)| {
        let why = match why {
            Held::EmptySource => "the sources make nothing".to_owned(),
            Held::TooMany(limit) => format!("more than {limit} at once"),
            Held::Precious => "what goes with it cannot be got back".to_owned(),
        };
        delete_json(&delete.identity, &delete.request, "held", Some(why))
    });
    let unknown =
        unknown.iter().map(|entry| delete_json(&entry.identity, &entry.request, "unknown", None));
    held.chain(unknown).collect()
}

/// A delete, as programs get it.
pub(crate) fn delete_json(
    identity: &Identity,
    request: &Name,
    action: &str,
    message: Option<String>,
) -> Json {
    json!({
        "group": identity.group.as_str(),
        "kind": identity.kind.as_str(),
        "namespace": identity.namespace.as_deref(),
        "name": identity.name.as_str(),
        "action": action,
        "request": request.as_str(),
        "message": message,
    })
}
