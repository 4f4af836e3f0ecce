//! What Prometheus can ask about: how far the cluster follows git, how long that takes, and what stands in the
//! way.
//!
//! Names follow [Prometheus' conventions](https://prometheus.io/docs/practices/naming/): base units, `_total`
//! for what only grows, `_info` for texts. No label has a name of an object or a message in it: what there is to
//! say of one object is in the log and in its events, and the number of series stays what it is however many
//! objects there are. Values of labels are words and hashes: the library would not escape others.

use crate::git::{Fetched, GitError};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The content type of [`Metrics::text`], as
/// [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/) has it.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of durations, in seconds: from a fetch that finds nothing to a first clone of a large repository.
const BUCKETS: [f64; 13] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// What takes time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Asking git for commits.
    Fetch,
    /// From a commit to objects.
    Compile,
    /// From objects to a cluster that has them.
    Apply,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Fetch => "fetch",
            Phase::Compile => "compile",
            Phase::Apply => "apply",
        }
    }
}

type Label<T = &'static str> = [(&'static str, T); 1];
type Seconds = Gauge<f64, AtomicU64>;

/// All that is measured. Everything can be said from any thread.
pub struct Metrics {
    /// Locked while a set of series is replaced as well, so that no answer sees half of it.
    registry: Mutex<Registry>,
    seen: Family<Label<String>, Seconds>,
    applied: Family<Label<String>, Seconds>,
    success: Seconds,
    durations: Family<Label, Histogram>,
    fetches: Family<Label, Counter>,
    webhooks: Family<Label, Counter>,
    errors: Family<Label, Counter>,
    objects: Family<Label, Gauge>,
    drift: Family<Label, Gauge>,
    held_deletions: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::with_prefix("plumb");
        let version: Family<Label, Gauge> =
            add(&mut all, "build_info", "The version of plumb", Family::default());
        version.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        Metrics {
            seen: add_seconds(
                &mut all,
                "seen_commit_timestamp",
                "The commit that git has, and when it was found",
                Family::default(),
            ),
            applied: add_seconds(
                &mut all,
                "applied_commit_timestamp",
                "The commit that the cluster has, and since when",
                Family::default(),
            ),
            success: add_seconds(
                &mut all,
                "last_success_timestamp",
                "When the cluster was last found to have all of the newest commit",
                Gauge::default(),
            ),
            durations: add_seconds(
                &mut all,
                "phase_duration",
                "How long it took to fetch, to compile, to apply",
                Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            ),
            fetches: add(
                &mut all,
                "fetches",
                "How often git was asked, by what came of it",
                Family::default(),
            ),
            webhooks: add(
                &mut all,
                "webhooks",
                "Messages of the forge, by what came of them",
                Family::default(),
            ),
            errors: add(&mut all, "errors", "Errors, by cause", Family::default()),
            objects: add(
                &mut all,
                "objects",
                "Objects of the applied commit, by state",
                Family::default(),
            ),
            drift: add(
                &mut all,
                "drift",
                "Objects that are not as the commit has them, by what differs",
                Family::default(),
            ),
            held_deletions: add(
                &mut all,
                "held_deletions",
                "Objects that no commit has any more, and that wait to be allowed to go",
                Gauge::default(),
            ),
            registry: Mutex::new(all),
        }
    }
}

fn add<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register(name, help, metric.clone());
    metric
}

fn add_seconds<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

impl Metrics {
    /// All that was said, as Prometheus reads it, with [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.lock()).expect("a string takes all that is written to it");
        text
    }

    /// Git has this commit now, named by its hash.
    pub fn seen(&self, commit: &str) {
        self.replace_commit(&self.seen, commit);
    }

    /// The cluster has this commit now.
    pub fn applied(&self, commit: &str) {
        self.replace_commit(&self.applied, commit);
    }

    /// The cluster has all of the newest commit: just applied, or found to be so.
    pub fn succeeded(&self) {
        self.success.set(now());
    }

    /// Git was asked, and it took so long.
    pub fn fetched(&self, result: &Result<Fetched, GitError>, took: Duration) {
        let result = match result {
            Ok(fetched) if fetched.changed => "changed",
            Ok(_) => "unchanged",
            Err(error) => error.cause(),
        };
        self.fetches.get_or_create(&[("result", result)]).inc();
        self.took(Phase::Fetch, took);
    }

    /// A phase has come to its end.
    pub fn took(&self, phase: Phase, duration: Duration) {
        self.durations.get_or_create(&[("phase", phase.name())]).observe(duration.as_secs_f64());
    }

    /// The forge sent a message; `result` is one word for what came of it.
    pub fn webhook(&self, result: &'static str) {
        self.webhooks.get_or_create(&[("result", result)]).inc();
    }

    /// Something went wrong; `cause` is one word for it.
    pub fn error(&self, cause: &'static str) {
        self.errors.get_or_create(&[("cause", cause)]).inc();
    }

    /// How many objects are in each state. States that are not named have none.
    pub fn objects(&self, by_state: &[(&'static str, usize)]) {
        self.replace_counts(&self.objects, "state", by_state);
    }

    /// How many objects are not as the commit has them, by what differs. What is not named differs nowhere.
    pub fn drift(&self, by_kind: &[(&'static str, usize)]) {
        self.replace_counts(&self.drift, "kind", by_kind);
    }

    /// How many objects wait to be allowed to go.
    pub fn held_deletions(&self, count: usize) {
        self.held_deletions.set(count as i64);
    }

    fn replace_commit(&self, family: &Family<Label<String>, Seconds>, commit: &str) {
        let label = [("commit", commit.to_owned())];
        let _whole = self.lock();
        // It came once, however often that is said.
        if family.get(&label).is_none() {
            family.clear();
            family.get_or_create(&label).set(now());
        }
    }

    fn replace_counts(
        &self,
        family: &Family<Label, Gauge>,
        label: &'static str,
        counts: &[(&'static str, usize)],
    ) {
        let _whole = self.lock();
        family.clear();
        for (value, count) in counts {
            family.get_or_create(&[(label, value)]).set(*count as i64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of samples, sorted, without those of the buckets.
    fn samples(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text();
        let lines = text.lines().filter(|it| !it.starts_with('#') && !it.contains("_bucket"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn fetched(changed: bool) -> Result<Fetched, GitError> {
        let reference = "refs/heads/main".to_owned();
        Ok(Fetched { commit: "0d1a26e".to_owned(), reference, changed })
    }

    #[test]
    fn what_was_said_is_told_by_names_that_keep_the_conventions() {
        let metrics = Metrics::default();
        metrics.fetched(&fetched(true), Duration::from_millis(250));
        metrics.fetched(&fetched(false), Duration::from_millis(250));
        metrics.fetched(&Err(GitError::Stopped), Duration::from_millis(500));
        metrics.took(Phase::Compile, Duration::from_secs(2));
        metrics.objects(&[("ready", 12), ("progressing", 1)]);
        metrics.drift(&[("changed", 2)]);
        metrics.held_deletions(3);
        metrics.error("conflict");
        metrics.error("conflict");
        metrics.webhook("push");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            samples(&metrics),
            [
                &format!("plumb_build_info{{version=\"{version}\"}} 1"),
                "plumb_drift{kind=\"changed\"} 2",
                "plumb_errors_total{cause=\"conflict\"} 2",
                "plumb_fetches_total{result=\"changed\"} 1",
                "plumb_fetches_total{result=\"stopped\"} 1",
                "plumb_fetches_total{result=\"unchanged\"} 1",
                "plumb_held_deletions 3",
                "plumb_last_success_timestamp_seconds 0.0",
                "plumb_objects{state=\"progressing\"} 1",
                "plumb_objects{state=\"ready\"} 12",
                "plumb_phase_duration_seconds_count{phase=\"compile\"} 1",
                "plumb_phase_duration_seconds_count{phase=\"fetch\"} 3",
                "plumb_phase_duration_seconds_sum{phase=\"compile\"} 2.0",
                "plumb_phase_duration_seconds_sum{phase=\"fetch\"} 1.0",
                "plumb_webhooks_total{result=\"push\"} 1",
            ]
        );
        let text = metrics.text();
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("# UNIT plumb_phase_duration_seconds seconds\n"), "{text}");
    }

    #[test]
    fn a_commit_has_one_series_that_says_since_when() {
        let metrics = Metrics::default();
        let begun = now();
        let since = |what: &str| -> Vec<(String, f64)> {
            let lines = samples(&metrics).into_iter();
            let rest = lines.filter_map(|it| Some(it.strip_prefix(what)?.to_owned()));
            rest.map(|it| {
                let (label, value) = it.rsplit_once(' ').unwrap();
                (label.to_owned(), value.parse().unwrap())
            })
            .collect()
        };
        metrics.seen("a1");
        let first = since("plumb_seen_commit_timestamp_seconds");
        assert!(first[0].1 >= begun);
        metrics.seen("a1");
        assert_eq!(since("plumb_seen_commit_timestamp_seconds"), first);
        metrics.seen("b2");
        let second = since("plumb_seen_commit_timestamp_seconds");
        assert_eq!((second.len(), second[0].0.as_str()), (1, "{commit=\"b2\"}"));
        assert_eq!(since("plumb_applied_commit_timestamp_seconds"), []);
        metrics.applied("a1");
        assert_eq!(since("plumb_applied_commit_timestamp_seconds")[0].0, "{commit=\"a1\"}");
    }

    #[test]
    fn what_is_not_there_any_more_has_no_series() {
        let metrics = Metrics::default();
        metrics.objects(&[("ready", 1), ("failed", 1)]);
        metrics.objects(&[("ready", 2)]);
        let objects = |it: &String| it.starts_with("plumb_objects");
        let left: Vec<String> = samples(&metrics).into_iter().filter(objects).collect();
        assert_eq!(left, ["plumb_objects{state=\"ready\"} 2"]);
    }
}
