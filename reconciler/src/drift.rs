//! Where the cluster is not as it was applied: which field, what git says, what is there, and whom that is of.
//!
//! ```text
//! Desired, the live object ─> Gap: a field, both values, its owner by managedFields
//!   ─ once, a dry run: what the server would not change is only written otherwise ─> Drift
//! ```
//!
//! Only what git still has as it was applied can drift: else the difference is a change that is on its way.

use crate::inventory::PART_OF;
use crate::owned::{Owner, is_applied, last_writer, owners};
use crate::plan::{inside, member_of, not_as_declared};
use crate::render::Desired;
use plumb_compiler::changes::Step;
use plumb_kubernetes::Kubernetes;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The corrections of an object in [`CALM`] that are made at once.
const FREE_CORRECTIONS: usize = 3;

/// The time in which corrections count.
const CALM: Duration = Duration::from_secs(600);

/// The longest pause between two corrections of an object that somebody takes turns at.
const LONGEST: Duration = Duration::from_secs(3600);

/// The annotation of an object that says what becomes of its drift: `report` or `correct`.
pub const POLICY: &str = "plumb.dev/drift";

/// What becomes of drift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// It is told.
    Report,
    /// It is told, and undone.
    Correct,
}

/// What becomes of an object's drift: what the object says, else what the environment does.
pub fn policy(desired: &Desired, environment: Policy) -> Policy {
    match desired.json["metadata"]["annotations"][POLICY].as_str() {
        Some("correct") => Policy::Correct,
        Some("report") => Policy::Report,
        _ => environment,
    }
}

/// How something differs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A field has another value.
    Changed,
    /// A field, or an element of a list, is not there.
    Removed,
    /// The object is not there.
    Deleted,
    /// The object is there, and not ours any more: not in our set, or applied by somebody else since.
    Disowned,
}

impl Kind {
    /// In a word, for metrics and programs.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Changed => "changed",
            Kind::Removed => "removed",
            Kind::Deleted => "deleted",
            Kind::Disowned => "disowned",
        }
    }
}

/// A place where the cluster is not as it was applied.
#[derive(Clone, PartialEq, Debug)]
pub struct Gap {
    /// How.
    pub kind: Kind,
    /// The way to it; none where the whole object is meant.
    pub steps: Vec<Step>,
    /// The same as text, as `plumb why` takes it behind a colon.
    pub path: String,
    /// What git says.
    pub declared: Option<Json>,
    /// What is there.
    pub live: Option<Json>,
    /// Whose it is, by `managedFields`.
    pub owner: Option<Owner>,
    /// Nobody owns what is not there: the owner is who wrote the object last, and perhaps somebody else.
    pub is_guess: bool,
    /// The values are of a Secret.
    pub is_secret: bool,
}

/// Compares an object with what was applied; `None` where it is not there. `set` is the id of our set.
pub fn gaps(facts: &Kubernetes, desired: &Desired, object: Option<&Json>, set: &str) -> Vec<Gap> {
    let whole = |kind, owner: Option<Owner>, live| Gap {
        kind,
        steps: Vec::new(),
        path: String::new(),
        declared: None,
        live,
        is_guess: owner.is_some(),
        owner,
        is_secret: false,
    };
    let Some(object) = object else { return vec![whole(Kind::Deleted, None, None)] };
    let mut found = Vec::new();
    if member_of(object) != Some(set) || !is_applied(object) {
        let steps = ["metadata", "labels", PART_OF].map(|it| Step::Field(it.into()));
        let owner = owners(object, &steps).into_iter().find(|it| !it.is_plumb());
        let mut gap = whole(Kind::Disowned, owner.clone().or_else(|| last_writer(object)), None);
        gap.is_guess = owner.is_none();
        gap.live = member_of(object).map(|it| json!(it));
        found.push(gap);
    }
    found.extend(not_as_declared(facts, desired, object).into_iter().map(|departure| {
        let other = owners(object, &departure.steps).into_iter().find(|it| !it.is_plumb());
        let is_guess = other.is_none();
        Gap {
            kind: if departure.live.is_some() { Kind::Changed } else { Kind::Removed },
            owner: other.or_else(|| last_writer(object)),
            is_guess,
            steps: departure.steps,
            path: departure.path,
            declared: departure.declared,
            live: departure.live,
            is_secret: departure.is_secret,
        }
    }));
    found
}

/// What of gaps the server would change, by a dry run of applying: the rest is only written otherwise.
pub fn confirmed(gaps: Vec<Gap>, object: &Json, dry_run: &Json) -> Vec<Gap> {
    let is_real = |gap: &Gap| match gap.kind {
        Kind::Changed | Kind::Removed => inside(object, &gap.steps) != inside(dry_run, &gap.steps),
        Kind::Deleted | Kind::Disowned => true,
    };
    gaps.into_iter().filter(is_real).collect()
}

/// The corrections of an object: two managers that take turns are not fought for ever.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    made: VecDeque<Instant>,
    pause: Option<Duration>,
}

impl Turns {
    /// When the object may be corrected next; now or later.
    pub fn next(&self, now: Instant) -> Instant {
        let recent = self.made.iter().filter(|it| now.duration_since(**it) < CALM).count();
        match (self.made.back(), self.pause) {
            (Some(last), Some(pause)) if now.duration_since(*last) < LONGEST * 2 => {
                (*last + pause).max(now)
            }
            (Some(last), _) if recent >= FREE_CORRECTIONS => {
                (*last + Duration::from_secs(60)).max(now)
            }
            _ => now,
        }
    }

    /// Whether somebody takes turns with us.
    pub fn is_contended(&self, now: Instant) -> bool {
        self.made.iter().filter(|it| now.duration_since(**it) < CALM).count() >= FREE_CORRECTIONS
            || self.pause.is_some()
                && self.made.back().is_some_and(|it| now.duration_since(*it) < LONGEST * 2)
    }

    /// Notes a correction.
    pub fn corrected(&mut self, now: Instant) {
        let is_calm = self.made.back().is_none_or(|it| now.duration_since(*it) >= LONGEST * 2);
        if is_calm {
            self.pause = None;
        } else if self.is_contended(now) {
            let pause = self.pause.map_or(Duration::from_secs(60), |it| it * 2);
            self.pause = Some(pause.min(LONGEST));
        }
        self.made.push_back(now);
        while self.made.len() > FREE_CORRECTIONS * 2 {
            self.made.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::identity;
    use crate::plan::outgoing;
    use crate::render::Render;
    use crate::testing::{applied, render};

    const SET: &str = "applyset-ours-v1";

    fn deployment(render: &Render) -> &Desired {
        render.objects.iter().find(|it| it.identity.kind == "Deployment").unwrap()
    }

    /// "kind path: declared -> live, owner" of what differs in a Deployment that was applied, and then changed.
    fn told(request: &str, change: impl FnOnce(&mut Json)) -> Vec<String> {
        let render = render(&[("shop", request)]);
        let desired = deployment(&render);
        let mut object = applied(&outgoing(desired, &desired.left, None, SET), "plumb", "Apply");
        assert_eq!(identity(&object), desired.identity);
        change(&mut object);
        let text = |it: &Option<Json>| it.as_ref().map_or("-".to_owned(), Json::to_string);
        gaps(render.facts, desired, Some(&object), SET)
            .iter()
            .map(|gap| {
                let owner = gap.owner.as_ref().map_or("nobody", |it| it.manager.as_str());
                let guess = if gap.is_guess { "?" } else { "" };
                let (kind, path) = (gap.kind.word(), &gap.path);
                format!(
                    "{kind} {path}: {} -> {}, {owner}{guess}",
                    text(&gap.declared),
                    text(&gap.live)
                )
            })
            .collect()
    }

    const WEB: &str = "request a: platform.Web { ports = [80, 81] }";

    /// Somebody changes an object, and has these fields since.
    fn own(object: &mut Json, manager: &str, fields: Json) {
        let managers = object["metadata"]["managedFields"].as_array_mut().unwrap();
        let time = "2026-01-01T11:00:00Z";
        managers.push(
            json!({ "manager": manager, "operation": "Update", "time": time, "fieldsV1": fields }),
        );
    }

    #[test]
    fn what_is_as_it_was_applied_has_no_gap() {
        assert_eq!(told(WEB, |_| {}), Vec::<String>::new());
    }

    #[test]
    fn a_gap_has_a_path_both_values_and_an_owner() {
        let image = r#"spec.template.spec.containers["web"].image"#;
        let port = r#"spec.template.spec.containers["web"].ports["81"]"#;
        let container = "k:{\"name\":\"web\"}";
        assert_eq!(
            told(WEB, |it| {
                it["spec"]["replicas"] = json!(7);
                own(it, "kubectl", json!({ "f:spec": { "f:replicas": {} } }));
            }),
            ["changed spec.replicas: 2 -> 7, kubectl"]
        );
        assert_eq!(
            told(WEB, |it| {
                it["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
                own(
                    it,
                    "ui",
                    json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": {
                    container: { "f:image": {} },
                } } } } }),
                );
            }),
            [format!("changed {image}: \"web:1\" -> \"web:2\", ui")]
        );
        // Nobody owns what was taken out; who wrote last is perhaps who did it.
        let without = |it: &mut Json| {
            let ports = &mut it["spec"]["template"]["spec"]["containers"][0]["ports"];
            ports.as_array_mut().unwrap().pop();
        };
        assert_eq!(
            told(WEB, without),
            [format!("removed {port}: {{\"containerPort\":81}} -> -, nobody?")]
        );
        assert_eq!(
            told(WEB, |it| {
                without(it);
                own(it, "kubectl-edit", json!({ "f:spec": { "f:paused": {} } }));
            }),
            [format!("removed {port}: {{\"containerPort\":81}} -> -, kubectl-edit?")]
        );
    }

    #[test]
    fn an_object_that_is_gone_or_not_ours_is_told_as_a_whole() {
        let render = render(&[("shop", WEB)]);
        let gone = gaps(render.facts, deployment(&render), None, SET);
        assert_eq!((gone.len(), gone[0].kind), (1, Kind::Deleted));
        let disowned = told(WEB, |it| it["metadata"]["labels"] = json!({}));
        assert_eq!(disowned, ["disowned : - -> -, nobody?"]);
        let taken = told(WEB, |it| {
            it["metadata"]["labels"][PART_OF] = json!("theirs");
            own(
                it,
                "helm",
                json!({ "f:metadata": { "f:labels": { format!("f:{PART_OF}"): {} } } }),
            );
        });
        assert_eq!(taken, ["disowned : - -> \"theirs\", helm"]);
        let applied_by_others = told(WEB, |it| {
            it["metadata"]["managedFields"][0]["operation"] = json!("Update");
        });
        assert_eq!(applied_by_others, ["disowned : - -> \"applyset-ours-v1\", plumb"]);
    }

    #[test]
    fn a_dry_run_tells_what_is_only_written_otherwise() {
        let render = render(&[("shop", WEB)]);
        let desired = deployment(&render);
        let object = applied(&outgoing(desired, &[], None, SET), "plumb", "Apply");
        let mut live = object.clone();
        live["spec"]["replicas"] = json!(7);
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("docker.io/web:1");
        let found = gaps(render.facts, desired, Some(&live), SET);
        assert_eq!(found.len(), 2);
        // A webhook writes images in full, whoever applies them.
        let mut dry_run = object;
        dry_run["spec"]["template"]["spec"]["containers"][0]["image"] = json!("docker.io/web:1");
        let real = confirmed(found, &live, &dry_run);
        assert_eq!(real.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["spec.replicas"]);
    }

    #[test]
    fn an_object_says_what_becomes_of_its_drift() {
        let render = render(&[("shop", WEB)]);
        let mut desired = render.objects.into_iter().next().unwrap();
        let desired = std::sync::Arc::get_mut(&mut desired).unwrap();
        for (says, environment, expected) in [
            (None, Policy::Report, Policy::Report),
            (None, Policy::Correct, Policy::Correct),
            (Some("report"), Policy::Correct, Policy::Report),
            (Some("correct"), Policy::Report, Policy::Correct),
            (Some("perhaps"), Policy::Report, Policy::Report),
        ] {
            desired.json["metadata"]["annotations"] = json!({ POLICY: says });
            assert_eq!(policy(desired, environment), expected, "{says:?}");
        }
    }

    #[test]
    fn whoever_takes_turns_with_us_is_corrected_ever_more_rarely() {
        let start = Instant::now();
        let mut turns = Turns::default();
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let next = turns.next(now);
            pauses.push(next.duration_since(now).as_secs());
            now = next;
            turns.corrected(now);
            // It is changed again at once.
            now += Duration::from_secs(1);
        }
        assert_eq!(pauses[..3], [0, 0, 0], "the first are at once");
        assert!(pauses[3] >= 58, "{pauses:?}");
        assert!(pauses[4..].windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert_eq!(*pauses.last().unwrap(), 3599, "{pauses:?}");
        assert!(turns.is_contended(now));
        // After two quiet hours it is as if nothing had been.
        let later = now + LONGEST * 2;
        assert_eq!(turns.next(later), later);
        assert!(!turns.is_contended(later));
        turns.corrected(later);
        assert_eq!(turns.next(later + Duration::from_secs(1)), later + Duration::from_secs(1));
    }

    #[test]
    fn a_change_now_and_then_is_nobody_taking_turns() {
        let mut turns = Turns::default();
        let mut now = Instant::now();
        for _ in 0..20 {
            assert_eq!(turns.next(now), now);
            assert!(!turns.is_contended(now));
            turns.corrected(now);
            now += Duration::from_secs(400);
        }
    }
}
