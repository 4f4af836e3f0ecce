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
