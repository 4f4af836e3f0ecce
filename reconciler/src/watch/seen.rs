//! What is there: watches of all that the set has or will have, and what else has its names.

use super::{GATHER, Message, News, SAID_AGAIN, Stage, State, Watch, uid};
use crate::apply::{Scope, Unseen, identity, inhabited, look_for, resource_of, scopes};
use crate::cluster::Event;
use crate::drift::Kind;
use crate::health::{Health, health};
use crate::inventory::{Inventory, PART_OF};
use crate::refusal::{Reason, Refusal};
use futures::StreamExt;
use plumb_compiler::changes::Identity;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl State {
    /// Watches all that is, or will be, of the set; when that has told all, looks for what else has its names.
    pub(super) fn look(&mut self) {
        let (Some(inventory), Some(following)) = (&self.inventory, &self.made) else { return };
        let render = &following.render;
        let members = inventory.entries.keys().map(|it| (it, None));
        let wanted = render.objects.iter().map(|it| (&it.identity, Some(&it.resource)));
        let needed = scopes(wanted.chain(members), &|identity| resource_of(render, identity));
        let selector = format!("{PART_OF}={}", self.id);
        self.watches.retain(|scope, watch| {
            let is_needed = needed.contains(scope);
            if !is_needed {
                watch.task.abort();
            }
            is_needed
        });
        for scope in needed {
            if self.watches.contains_key(&scope) {
                continue;
            }
            let send = self.send.clone();
            let mut events = Box::pin(self.cluster.watch(&scope.0, scope.1.as_deref(), &selector));
            let of = scope.clone();
            let task = tokio::spawn(async move {
                while let Some(event) = events.next().await {
                    if send.send(Message::Watched(of.clone(), event)).is_err() {
                        return;
                    }
                }
            });
            let watch =
                Watch { task: task.abort_handle(), is_complete: false, refused: None, told: None };
            self.watches.insert(scope, watch);
        }
        self.look_further();
    }

    pub(super) fn look_further(&mut self) {
        let is_looking = self.round.as_ref().is_some_and(|it| it.stage == Stage::Looking);
        // What may not be watched keeps nothing else waiting.
        let is_open = |it: &Watch| !it.is_complete && it.refused.is_none();
        if !is_looking || self.watches.values().any(is_open) {
            return;
        }
        let (Some(round), Some(following)) = (&self.round, &self.made) else { return };
        let Some(inventory) = self.inventory.clone() else { return };
        let (number, render) = (round.number, Arc::clone(&following.render));
        let live: HashSet<Identity> = self.live.keys().cloned().collect();
        let unseen = self.unseen();
        let unwanted = self.live.iter().filter(|(it, _)| !self.wanted.contains_key(*it));
        let unwanted: Vec<(Identity, Arc<Json>)> =
            unwanted.map(|(it, object)| (it.clone(), Arc::clone(object))).collect();
        let (send, cluster) = (self.send.clone(), self.cluster.clone());
        tokio::spawn(async move {
            let known = |it: &Identity| live.contains(it) || unseen.of(it).is_some();
            let mut looked = look_for(&cluster, &render, &inventory, &known).await;
            if let Ok(snapshot) = &mut looked {
                let unwanted = unwanted.iter().map(|(identity, object)| (identity, &**object));
                match inhabited(&cluster, unwanted).await {
                    Ok(inhabited) => snapshot.inhabited = inhabited,
                    Err(refusal) => looked = Err(refusal),
                }
            }
            let _ = send.send(Message::Looked(number, looked));
        });
    }

    /// What may not be watched.
    pub(super) fn unseen(&self) -> Unseen {
        let mut unseen = Unseen::default();
        for (scope, watch) in &self.watches {
            if let Some(refusal) = &watch.refused {
                unseen.insert(scope.clone(), refusal.clone());
            }
        }
        unseen
    }

    pub(super) fn watched(&mut self, scope: Scope, event: Event) {
        let Some(watch) = self.watches.get_mut(&scope) else { return };
        match event {
            Event::Is(object) => {
                let identity = identity(&object);
                if let Some(told) = &mut watch.told {
                    told.insert(identity.clone());
                }
                self.is(identity, object);
            }
            Event::Gone(object) => {
                let (identity, uid) = (identity(&object), uid(&object));
                // What we were answered of it may be worked on only now.
                match self.busy.contains(&identity) {
                    true => self.buried.insert(uid.to_owned()),
                    false => self.buried.remove(uid),
                };
                // Another one of its name may be known already.
                if self.live.get(&identity).is_none_or(|it| version(it) <= version(&object)) {
                    self.gone(identity);
                }
            }
            Event::Anew => watch.told = Some(HashSet::new()),
            Event::Complete => {
                watch.is_complete = true;
                // It may be watched now: what could not be decided before can be.
                let was_refused = watch.refused.take().is_some();
                let Some(told) = watch.told.take() else { return };
                let is_of = |identity: &Identity| {
                    identity.kind == scope.0.kind
                        && identity.group == scope.0.group
                        && scope
                            .1
                            .as_deref()
                            .is_none_or(|it| identity.namespace.as_deref() == Some(it))
                };
                let gone: Vec<Identity> = self
                    .live
                    .keys()
                    .filter(|it| is_of(it) && !told.contains(it))
                    .cloned()
                    .collect();
                gone.into_iter().for_each(|identity| self.gone(identity));
                match was_refused && self.round.as_ref().is_some_and(|it| it.stage == Stage::Over) {
                    true => self.begin_round(Instant::now()),
                    false => self.look_further(),
                }
            }
            // What was is forgotten, so all is told anew.
            Event::Lost(refusal) if refusal.kind == Reason::Gone => {}
            Event::Lost(refusal) => {
                // Each watch tries by itself, and all of them find the same.
                let now = Instant::now();
                let is_told = self.lost.is_some_and(|(reason, when)| {
                    reason == refusal.kind && now.duration_since(when) < SAID_AGAIN
                });
                let is_known = watch.refused.as_ref().is_some_and(|it| it.kind == refusal.kind);
                if !is_told && !is_known {
                    self.lost = Some((refusal.kind, now));
                    self.listener.hear(&News::Lost(&refusal));
                }
                if matches!(refusal.kind, Reason::Forbidden | Reason::NoKind) {
                    watch.refused = Some(refusal);
                    self.look_further();
                }
            }
        }
    }

    pub(super) fn is(&mut self, identity: Identity, object: Json) {
        if self.buried.contains(uid(&object)) {
            return;
        }
        let known = self.live.get(&identity);
        // What we applied may be known before the watch tells of what was before.
        if known.is_some_and(|known| version(known) > version(&object)) {
            return;
        }
        self.others.remove(&identity);
        self.live.insert(identity.clone(), Arc::new(object));
        self.look_at_health(&identity);
        self.compare(&identity);
    }

    /// Has all counted soon, with what happens until then.
    pub(super) fn count_soon(&mut self) {
        if !self.is_counting {
            self.is_counting = true;
            self.after(GATHER, Message::Count);
        }
    }

    pub(super) fn count(&mut self) {
        self.is_counting = false;
        let mut objects = [("settled", 0), ("moving", 0), ("failed", 0), ("not-applied", 0)];
        for (identity, desired) in &self.wanted {
            let entry = self.inventory.as_ref().and_then(|it| it.entries.get(identity));
            let is_applied =
                entry.is_some_and(|it| it.digest.as_deref() == Some(desired.digest.as_str()));
            let state = match self.health.get(identity) {
                _ if !is_applied => 3,
                Some(Health::Settled) | None => 0,
                Some(Health::Moving(_)) => 1,
                Some(Health::Failed(_)) => 2,
            };
            objects[state].1 += 1;
        }
        let kinds = [Kind::Changed, Kind::Removed, Kind::Deleted, Kind::Disowned];
        let drift = kinds.map(|kind| {
            (kind.word(), self.drift.values().filter(|it| it.gap.kind == kind).count())
        });
        self.listener.hear(&News::Counts { objects: &objects, drift: &drift });
    }

    pub(super) fn look_at_health(&mut self, identity: &Identity) {
        let (Some(desired), Some(object)) = (self.wanted.get(identity), self.live.get(identity))
        else {
            return;
        };
        let now = health(object);
        let before = self.health.get(identity);
        // That something works is news where it did not.
        if before != Some(&now) && (before.is_some() || now != Health::Settled) {
            self.listener.hear(&News::Health(desired, &now));
        }
        if before != Some(&now) {
            self.health.insert(identity.clone(), now);
            self.count_soon();
        }
    }

    pub(super) fn gone(&mut self, identity: Identity) {
        self.live.remove(&identity);
        self.health.remove(&identity);
        if !self.wanted.contains_key(&identity) {
            let is_known = |it: &mut Inventory| it.entries.remove(&identity).is_some();
            if self.inventory.as_mut().is_some_and(is_known) {
                self.flush_soon();
            }
            return;
        }
        // It may only have left the set.
        self.check(identity);
    }

    /// Looks whether an object is there, in the set or not.
    pub(super) fn check(&mut self, identity: Identity) {
        let Some(desired) = self.wanted.get(&identity).cloned() else { return };
        if self.live.contains_key(&identity) {
            return self.compare(&identity);
        }
        if self.checking.insert(identity.clone()) {
            let (send, cluster) = (self.send.clone(), self.cluster.clone());
            tokio::spawn(async move {
                let found = cluster.get(&desired.resource, &identity).await;
                let _ = send.send(Message::Checked(identity, found));
            });
        }
    }

    pub(super) fn checked(&mut self, identity: Identity, found: Result<Option<Json>, Refusal>) {
        self.checking.remove(&identity);
        match found {
            Ok(Some(object)) => {
                // Of members the watch tells.
                if crate::plan::member_of(&object) != Some(self.id.as_str()) {
                    self.others.insert(identity.clone(), object);
                    self.compare(&identity);
                }
            }
            Ok(None) => {
                self.others.remove(&identity);
                self.compare(&identity);
            }
            Err(refusal) => {
                self.listener.hear(&News::Lost(&refusal));
                self.after(Duration::from_secs(2), Message::Check(identity));
            }
        }
    }
}

/// The version of an object. It counts up: since Kubernetes 1.35 that is promised, and before it was so.
pub(super) fn version(object: &Json) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.and_then(|it| it.parse().ok()).unwrap_or_default()
}
