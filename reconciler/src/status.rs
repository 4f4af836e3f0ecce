//! How far the cluster follows, kept for whoever asks: metrics, and whether it is ready.

use crate::apply::Outcome;
use crate::metrics::{Metrics, Phase};
use crate::watch::{Listener, News};
use std::sync::Arc;
use tokio::sync::watch;

/// Keeps metrics and readiness up to date, and tells another listener all of it.
pub struct Status<L> {
    metrics: Arc<Metrics>,
    ready: watch::Sender<Result<(), String>>,
    follows: watch::Sender<Option<String>>,
    /// The commit that the cluster has.
    applied: String,
    /// It has all of it.
    is_whole: bool,
    then: L,
}

/// What can be asked.
pub struct Asked {
    /// All that is measured.
    pub metrics: Arc<Metrics>,
    /// Whether the cluster follows; if not, why.
    pub ready: watch::Receiver<Result<(), String>>,
    /// The whole name of the reference that is followed, once it is known.
    pub follows: watch::Receiver<Option<String>>,
}

impl<L> Status<L> {
    /// What keeps it, and what can be asked.
    pub fn new(then: L) -> (Self, Asked) {
        let metrics = Arc::new(Metrics::default());
        let (ready, is_ready) = watch::channel(Err("nothing was applied yet".to_owned()));
        let (follows, followed) = watch::channel(None);
        let asked = Asked { metrics: Arc::clone(&metrics), ready: is_ready, follows: followed };
        let (applied, is_whole) = (String::new(), false);
        (Status { metrics, ready, follows, applied, is_whole, then }, asked)
    }

    /// What keeps the first commit from being applied. Once one was, the cluster has something to go on with.
    fn not_yet(&self, why: &str) {
        self.ready.send_if_modified(|ready| match ready {
            Ok(()) => false,
            Err(known) => {
                let differs = known != why;
                why.clone_into(known);
                differs
            }
        });
    }
}

impl<L: Listener> Listener for Status<L> {
    fn hear(&mut self, news: &News<'_>) {
        match news {
            News::Fetched(result, took) => {
                self.metrics.fetched(result, *took);
                match result {
                    Ok(fetched) => {
                        let reference = Some(fetched.reference.clone());
                        self.follows.send_if_modified(|it| {
                            let differs = *it != reference;
                            it.clone_from(&reference);
                            differs
                        });
                        if self.is_whole && self.applied == fetched.commit {
                            self.metrics.succeeded();
                        }
                    }
                    Err(error) => {
                        self.metrics.error(error.cause());
                        self.not_yet(&error.to_string());
                    }
                }
            }
            News::Seen(revision) => self.metrics.seen(&revision.commit),
            News::Compiled { took, .. } => self.metrics.took(Phase::Compile, *took),
            News::Unusable { commit, why } => {
                self.metrics.error("commit");
                self.not_yet(&format!("commit {commit} cannot be applied: {why}"));
            }
            News::Applied(_, Outcome::Refused(refusal)) => self.metrics.error(refusal.kind.word()),
            News::Applied(_, Outcome::Foreign(_)) => self.metrics.error("foreign"),
            News::Deleted(_, Err(refusal)) => self.metrics.error(refusal.kind.word()),
            News::Held(count, _) => self.metrics.held_deletions(*count),
            News::Settled { commit, failed, blocked, took, .. } => {
                self.metrics.took(Phase::Apply, *took);
                self.metrics.applied(commit);
                (*commit).clone_into(&mut self.applied);
                self.is_whole = *failed == 0 && *blocked == 0;
                if self.is_whole {
                    self.metrics.succeeded();
                }
                // What one team's request lacks is in the log and the metrics: the rest follows.
                let _ = self.ready.send(Ok(()));
            }
            News::Lost(refusal) => {
                self.metrics.error(refusal.kind.word());
                self.not_yet(&refusal.to_string());
            }
            News::Counts { objects, drift } => {
                self.metrics.objects(objects);
                self.metrics.drift(drift);
            }
            _ => {}
        }
        self.then.hear(news);
    }
}
