//! What happens, as a structured log: a line each, fields that programs can read.

use crate::apply::Outcome;
use crate::drift::Kind;
use crate::health::Health;
use crate::owned::Owner;
use crate::plan::Foreign;
use crate::watch::{Drift, Listener, News};
use serde_json::Value as Json;
use std::time::{Duration, SystemTime};
use tracing::{debug, error, info, warn};

/// Writes the log.
pub struct Log;

impl Listener for Log {
    fn hear(&mut self, news: &News<'_>) {
        match news {
            News::Seen(revision) => {
                info!(commit = revision.commit, summary = revision.summary, "commit seen");
            }
            News::Fetched(Err(failure), _) if failure.is_transient() => {
                warn!(cause = failure.cause(), error = %failure, "the repository cannot be asked");
            }
            News::Fetched(Err(failure), _) => {
                error!(cause = failure.cause(), error = %failure, "the repository cannot be asked");
            }
            News::Fetched(Ok(_), took) => {
                debug!(milliseconds = took.as_millis() as u64, "the repository was asked");
            }
            News::Counts { .. } => {}
            News::Compiled { commit, render, took } => {
                let errors = render.errors().count();
                info!(
                    commit,
                    objects = render.objects.len(),
                    requests = render.requests.len(),
                    errors,
                    milliseconds = took.as_millis() as u64,
                    "commit compiled"
                );
                for finding in render.errors() {
                    let file = finding.location.as_ref().map_or("", |it| it.path.as_str());
                    error!(
                        commit,
                        code = finding.code.as_str(),
                        file,
                        message = finding.message,
                        "does not build"
                    );
                }
                for request in &render.unknown.requests {
                    warn!(commit, request = request.as_str(), "stays as it is: it does not build");
                }
            }
            News::Unusable { commit, why } => error!(commit, why, "commit cannot be applied"),
            News::Applied(desired, outcome) => {
                let (object, request) = (desired.identity.address(), desired.request.as_str());
                match outcome {
                    Outcome::Created(_) => info!(object, request, "created"),
                    Outcome::Changed(_) => info!(object, request, "changed"),
                    Outcome::Same(_) => debug!(object, request, "applied, and the same"),
                    // It is told by what it was refused for.
                    Outcome::Kept | Outcome::Refused(_) => {}
                    Outcome::Foreign(Foreign::Member(set)) => {
                        error!(object, request, set, "not ours: it is in another set");
                    }
                    Outcome::Foreign(Foreign::Unclaimed(writer)) => {
                        let writer = writer.as_deref().unwrap_or_default();
                        error!(object, request, writer, "not ours: it was there already");
                    }
                    Outcome::Waiting => warn!(object, request, "still being deleted"),
                    Outcome::NotTried => {
                        warn!(object, request, "not tried: one before it was refused");
                    }
                }
            }
            News::Refused { desired, refusal, field, why, line } => error!(
                object = desired.identity.address(),
                request = desired.request.as_str(),
                reason = refusal.kind.word(),
                field,
                error = why,
                source =
                    line.as_ref().map(|it| format!("{}:{}", it.file, it.line)).unwrap_or_default(),
                layer = line.as_ref().map(|it| it.layer.as_str()).unwrap_or_default(),
                "refused"
            ),
            News::Deleted(identity, result) => match result {
                Ok(true) => info!(object = identity.address(), "deleted"),
                Ok(false) => info!(object = identity.address(), "is being deleted"),
                Err(refusal) => {
                    error!(object = identity.address(), error = %refusal, "not deleted");
                }
            },
            News::Held(0, _) => info!("no deletes wait any more"),
            News::Held(count, hash) => {
                warn!(objects = count, confirm = hash, "deletes wait for somebody to confirm them");
            }
            News::Settled { commit, objects, failed, blocked, took } => info!(
                commit,
                objects,
                failed,
                blocked,
                milliseconds = took.as_millis() as u64,
                "commit applied"
            ),
            News::Drift(drift) => tell_drift(drift),
            News::Mended(drift) => info!(
                object = drift.identity.address(),
                path = drift.gap.path,
                request = drift.request.as_str(),
                "drift is over"
            ),
            News::Health(desired, health) => {
                let (object, request) = (desired.identity.address(), desired.request.as_str());
                match health {
                    Health::Settled => info!(object, request, "works"),
                    Health::Moving(why) => info!(object, request, why, "is on its way"),
                    Health::Failed(why) => error!(object, request, why, "does not work"),
                }
            }
            News::TakingTurns(drift, pause) => warn!(
                object = drift.identity.address(),
                path = drift.gap.path,
                request = drift.request.as_str(),
                with = owner(drift.gap.owner.as_ref()),
                next_in_seconds = pause.as_secs(),
                "somebody takes turns with us"
            ),
            News::Lost(refusal) => {
                warn!(reason = refusal.kind.word(), error = %refusal, "the cluster cannot be asked");
            }
        }
    }
}

fn tell_drift(drift: &Drift) {
    let gap = &drift.gap;
    let shown = |value: Option<&Json>| match value {
        Some(_) if gap.is_secret => "(hidden)".to_owned(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let line = drift.source.as_ref();
    let blamed = drift.blamed.as_ref();
    warn!(
        object = drift.identity.address(),
        path = gap.path,
        kind = gap.kind.word(),
        declared = shown(gap.declared.as_ref()),
        live = shown(gap.live.as_ref()),
        owner = owner(gap.owner.as_ref()),
        owner_is_guess = gap.is_guess,
        changed_at = gap.owner.as_ref().and_then(|it| it.time.as_deref()).unwrap_or_default(),
        request = drift.request.as_str(),
        source = line.map(|it| format!("{}:{}", it.file, it.line)).unwrap_or_default(),
        layer = line.map(|it| it.layer.as_str()).unwrap_or_default(),
        layers = drift.layers.join("; "),
        commit = blamed.map(|it| it.commit.as_str()).unwrap_or_default(),
        author = blamed.map(|it| format!("{} <{}>", it.author, it.email)).unwrap_or_default(),
        since = seconds(drift.since),
        policy = match drift.policy {
            crate::drift::Policy::Report => "report",
            crate::drift::Policy::Correct => "correct",
        },
        "drift"
    );
}

/// "kubectl (Update of scale)"
pub fn owner(owner: Option<&Owner>) -> String {
    match owner {
        None => String::new(),
        Some(owner) if owner.subresource.is_empty() => {
            format!("{} ({})", owner.manager, owner.operation)
        }
        Some(owner) => format!("{} ({} of {})", owner.manager, owner.operation, owner.subresource),
    }
}

/// What differs, in a sentence.
pub fn sentence(drift: &Drift) -> String {
    let gap = &drift.gap;
    let value = |value: Option<&Json>| match value {
        Some(_) if gap.is_secret => "(hidden)".to_owned(),
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    let (declared, live) = (value(gap.declared.as_ref()), value(gap.live.as_ref()));
    let by = match (&gap.owner, gap.is_guess) {
        (None, _) => String::new(),
        (some, true) => format!("; last written by {}", owner(some.as_ref())),
        (some, false) => format!(", by {}", owner(some.as_ref())),
    };
    match gap.kind {
        Kind::Changed => format!("{} is {live}{by}; git says {declared}", gap.path),
        Kind::Removed => format!("{} is not there{by}; git says {declared}", gap.path),
        Kind::Deleted => "it was deleted".to_owned(),
        Kind::Disowned => format!("it was taken out of our set{by}"),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
