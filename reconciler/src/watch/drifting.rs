//! Drift: found, confirmed, told, undone.

use super::{BLAME, Drift, EVENTS_A_MINUTE, Key, Line, Message, News, Order, Stage, State};
use crate::cluster::Apply;
use crate::drift::{Gap, Kind, Policy, confirmed, gaps, policy};
use crate::plan::{Action, Foreign, left, outgoing};
use crate::refusal::Refusal;
use crate::render::{Compiler, Desired, at};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use plumb_compiler::answers::Location;
use plumb_compiler::changes::Identity;
use plumb_compiler::value::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

impl State {
    /// Compares an object with what was applied of it.
    pub(super) fn compare(&mut self, identity: &Identity) {
        let Some(following) = self.made.clone() else { return };
        let Some(desired) = self.wanted.get(identity).cloned() else { return };
        let is_applied = self.inventory.as_ref().is_some_and(|it| {
            let entry = it.entries.get(identity);
            entry.is_some_and(|entry| {
                entry.digest.as_deref() == Some(desired.digest.as_str()) && entry.uid.is_some()
            })
        });
        // What is on its way into the cluster does not drift; what it is then, the watch tells.
        if !is_applied || self.running.contains(&desired.request) || self.busy.contains(identity) {
            return;
        }
        let live = self.live.get(identity).map(|it| &**it);
        let object = live.or_else(|| self.others.get(identity));
        if object.is_some_and(|it| !it["metadata"]["deletionTimestamp"].is_null()) {
            return;
        }
        if object.is_none() && self.checking.contains(identity) {
            return;
        }
        let found = gaps(following.render.facts, &desired, object, &self.id);
        let is_alike = self.alike.get(identity).is_some_and(|it| *it == found);
        if found.is_empty() || is_alike {
            return self.mended(identity, &[]);
        }
        let is_certain = found.iter().all(|it| matches!(it.kind, Kind::Deleted | Kind::Disowned));
        let known = |gap: &Gap| {
            self.drift.get(&(identity.clone(), gap.path.clone())).is_some_and(|it| it.gap == *gap)
        };
        // What is known needs no second look; it may be so again after it was corrected.
        if is_certain || found.iter().all(known) {
            return self.drifted(identity, found);
        }
        if !self.confirming.insert(identity.clone()) {
            return;
        }
        let sent = outgoing(&desired, &left(&desired, &self.scaled), object, &self.id);
        let (send, cluster, identity) = (self.send.clone(), self.cluster.clone(), identity.clone());
        tokio::spawn(async move {
            let how = Apply { dry_run: true, force: true };
            let dry_run = cluster.apply(&desired.resource, &identity, &sent, how).await;
            let dry_run = dry_run.map(|it| it.object);
            let _ = send.send(Message::Confirmed { identity, gaps: found, dry_run });
        });
    }

    pub(super) fn confirmed(
        &mut self,
        identity: Identity,
        found: Vec<Gap>,
        dry_run: Result<Json, Refusal>,
    ) {
        self.confirming.remove(&identity);
        let (Some(object), Some(following)) =
            (self.live.get(&identity).cloned(), self.made.clone())
        else {
            return;
        };
        let Some(desired) = self.wanted.get(&identity) else { return };
        // It may have changed since.
        if gaps(following.render.facts, desired, Some(&object), &self.id) != found {
            return self.compare(&identity);
        }
        let real = match &dry_run {
            Ok(dry_run) => confirmed(found.clone(), &object, dry_run),
            // What the server does not take it does not have either.
            Err(refusal) if !refusal.kind.may_pass() => found.clone(),
            Err(_) => {
                self.after(Duration::from_secs(2), Message::Check(identity));
                return;
            }
        };
        if real.is_empty() {
            self.alike.insert(identity.clone(), found);
            return self.mended(&identity, &[]);
        }
        self.drifted(&identity, real);
    }

    pub(super) fn drifted(&mut self, identity: &Identity, found: Vec<Gap>) {
        let Some(desired) = self.wanted.get(identity).cloned() else { return };
        // The line that says otherwise is known when the next commit is compiled.
        if self.is_compiling && self.compiler.try_lock().is_err() {
            self.after(Duration::from_millis(100), Message::Check(identity.clone()));
            return;
        }
        self.mended(identity, &found);
        let policy = policy(&desired, self.options.drift);
        let uid = self
            .live
            .get(identity)
            .and_then(|it| it["metadata"]["uid"].as_str().map(str::to_owned));
        let mut is_new = false;
        for gap in found {
            let key = (identity.clone(), gap.path.clone());
            let before = self.drift.get(&key);
            if before.is_some_and(|it| it.gap == gap) {
                continue;
            }
            is_new = true;
            let since = before.map_or_else(SystemTime::now, |it| it.since);
            let (source, layers) = self.sources(&desired, &gap);
            let drift = Drift {
                identity: identity.clone(),
                api_version: desired.resource.api_version(),
                request: desired.request.clone(),
                uid: uid.clone(),
                gap,
                since,
                blamed: None,
                source,
                layers,
                policy,
            };
            self.untold.insert(key.clone());
            match (&drift.source, &self.made) {
                (Some(line), Some(following)) => {
                    let _ = self.order.send(Order::Blame {
                        commit: following.commit.clone(),
                        file: line.file.clone(),
                        line: line.line,
                        of: key.clone(),
                    });
                    self.after(BLAME, Message::Tell(key.clone()));
                    self.drift.insert(key, drift);
                }
                _ => {
                    self.drift.insert(key.clone(), drift);
                    self.tell(&key);
                }
            }
        }
        if policy == Policy::Correct && (is_new || !self.correcting.contains(identity)) {
            self.correct_soon(identity);
        }
    }

    pub(super) fn tell(&mut self, key: &Key) {
        self.count_soon();
        if self.untold.remove(key)
            && let Some(drift) = self.drift.get(key)
        {
            self.listener.hear(&News::Drift(drift));
            let event = drift_event(drift);
            let namespace = drift.identity.namespace.clone().unwrap_or_else(|| "default".into());
            // Who may see the object sees it there; more than that is in the log.
            let now = Instant::now();
            self.posted.retain(|it| now.duration_since(*it) < Duration::from_secs(60));
            if self.posted.len() < EVENTS_A_MINUTE {
                self.posted.push_back(now);
                let cluster = self.cluster.clone();
                tokio::spawn(async move {
                    let _ = cluster.post_event(&namespace, &event).await;
                });
            }
        }
    }

    /// The line that a gap departs from, and the layers behind it.
    pub(super) fn sources(&self, desired: &Desired, gap: &Gap) -> (Option<Line>, Vec<String>) {
        let object = &desired.manifest.object;
        let value = at(object, &gap.steps).unwrap_or(object);
        let line = self.line(desired, value);
        let (Some(following), Ok(compiler)) = (&self.made, self.compiler.try_lock()) else {
            return (line, Vec::new());
        };
        if gap.path.is_empty() {
            return (line, Vec::new());
        }
        let address = format!("{}:{}", identity_address(&desired.identity), gap.path);
        let layers = compiler.why(&self.options.environment, &address).map(|it| it.layers);
        let told = layers.into_iter().flatten().map(|layer| {
            let (file, line) = place(&compiler, &following.directory, &layer.location);
            format!("{}, {file}:{line}", layer.layer)
        });
        (line, told.collect())
    }

    /// The line that made a value of an object. None while the next commit is compiled: nobody waits for that.
    pub(super) fn line(&self, desired: &Desired, value: &Value) -> Option<Line> {
        let following = self.made.as_ref()?;
        let compiler = self.compiler.try_lock().ok()?;
        let source = compiler.source(&self.options.environment, &desired.manifest, value)?;
        let (file, line) = place(&compiler, &following.directory, &source.location);
        Some(Line { file, line, layer: source.layer })
    }

    /// Of an object's drift, all but this is over.
    pub(super) fn mended(&mut self, identity: &Identity, still: &[Gap]) {
        let over: Vec<(Identity, String)> = self
            .drift
            .range((identity.clone(), String::new())..)
            .take_while(|((it, _), _)| it == identity)
            .filter(|((_, path), _)| !still.iter().any(|gap| gap.path == *path))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            self.tell(&key);
            if let Some(drift) = self.drift.remove(&key) {
                self.listener.hear(&News::Mended(&drift));
            }
        }
    }

    /// What git does not have any more, or has otherwise, does not drift.
    pub(super) fn forget_mended(&mut self) {
        let identities: BTreeSet<Identity> = self.drift.keys().map(|(it, _)| it.clone()).collect();
        for identity in identities {
            let applied = self.inventory.as_ref().and_then(|it| it.entries.get(&identity));
            let is_same = match (self.wanted.get(&identity), applied) {
                (Some(desired), Some(entry)) => {
                    entry.digest.as_deref() == Some(desired.digest.as_str())
                }
                _ => false,
            };
            if !is_same {
                self.mended(&identity, &[]);
            }
        }
    }

    pub(super) fn correct_soon(&mut self, identity: &Identity) {
        let now = Instant::now();
        let turns = self.turns.entry(identity.clone()).or_default();
        let next = turns.next(now);
        let pause = next.duration_since(now);
        if turns.is_contended(now)
            && let Some((_, drift)) = self
                .drift
                .range((identity.clone(), String::new())..)
                .take_while(|((it, _), _)| it == identity)
                .next()
        {
            self.listener.hear(&News::TakingTurns(drift, pause));
        }
        self.correcting.insert(identity.clone());
        self.after(pause, Message::Correct(identity.clone()));
    }

    pub(super) fn correct(&mut self, identity: Identity) {
        let Some(following) = self.made.clone() else { return };
        let render = &following.render;
        let has_drift = self.drift.keys().any(|(it, _)| *it == identity);
        let place = render.objects.iter().position(|it| it.identity == identity);
        let (true, Some(place)) = (has_drift, place) else {
            self.correcting.remove(&identity);
            return;
        };
        let desired = &render.objects[place];
        let Some(request) = render.requests.iter().position(|it| it.name == desired.request) else {
            return;
        };
        let is_between = self.round.as_ref().is_some_and(|it| it.stage != Stage::Over);
        if is_between || self.running.contains(&desired.request) {
            self.after(Duration::from_millis(200), Message::Correct(identity));
            return;
        }
        let mut action = self.action_of(desired, render);
        // One that left our set was ours: it is brought back.
        let object = self.others.get(&identity);
        if let (Action::Refuse(Foreign::Unclaimed(_)), Some(object)) = (&action, object) {
            let uid = object["metadata"]["uid"].as_str();
            let known = self.inventory.as_ref().and_then(|it| it.entries.get(&identity));
            if known.is_some_and(|it| it.uid.as_deref() == uid) {
                action = Action::Apply;
            }
        }
        if matches!(action, Action::Create | Action::Apply) {
            self.turns.entry(identity).or_default().corrected(Instant::now());
            self.start(Some(request), following.clone(), vec![(place, action)], true);
        } else {
            self.correcting.remove(&identity);
        }
    }
}

/// The file of a location, from the repository's root on, and its line.
fn place(compiler: &Compiler, directory: &str, location: &Location) -> (String, u32) {
    let file = match directory {
        "" => location.path.to_string(),
        directory => format!("{directory}/{}", location.path),
    };
    let text = compiler.loaded().and_then(|it| it.text(&location.path));
    let text = text.map_or("", |it| &**it);
    let end = (location.range.start as usize).min(text.len());
    let before = text.as_bytes()[..end].iter().filter(|it| **it == b'\n').count();
    (file, 1 + before as u32)
}

/// `Deployment.apps/shop@apps`, which means one object alone.
fn identity_address(identity: &Identity) -> String {
    let kind = crate::inventory::group_kind(&identity.group, &identity.kind);
    match &identity.namespace {
        Some(namespace) => format!("{kind}/{}@{namespace}", identity.name),
        None => format!("{kind}/{}", identity.name),
    }
}

/// An Event (events.k8s.io/v1) on the object that drifted.
fn drift_event(drift: &Drift) -> Json {
    let identity = &drift.identity;
    let mut note = crate::log::sentence(drift);
    if let Some(line) = &drift.source {
        note = format!("{note} ({}, {}:{})", line.layer, line.file, line.line);
    }
    // An API server takes 1 KiB.
    let end = note.char_indices().map(|(at, _)| at).take_while(|it| *it < 1000).last();
    note.truncate(end.filter(|_| note.len() > 1000).unwrap_or(note.len()));
    let now = MicroTime(Timestamp::now());
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "generateName": format!("{}.drift-", identity.name.chars().take(200).collect::<String>()),
            "namespace": identity.namespace.as_deref().unwrap_or("default"),
        },
        "eventTime": now,
        "type": "Warning",
        "reason": "Drift",
        "action": match drift.policy {
            Policy::Report => "Report",
            Policy::Correct => "Correct",
        },
        "note": note,
        "reportingController": "plumb.dev/reconciler",
        "reportingInstance": drift.request.chars().take(128).collect::<String>(),
        "regarding": {
            "apiVersion": drift.api_version,
            "kind": identity.kind.as_str(),
            "namespace": identity.namespace.as_deref(),
            "name": identity.name.as_str(),
            "uid": drift.uid,
        },
    })
}
