//! A round: what the newest commit means for what is there is decided, and done.

use super::{Failing, Following, Message, News, RARELY, Stage, State, View, uid};
use crate::apply::{AT_ONCE, Applier, How, Outcome, Snapshot, Unseen, resource_of};
use crate::blame;
use crate::inventory::Entry;
use crate::plan::{Action, Choice, Delete, Foreign, Live, action, left, plan};
use crate::refusal::{Reason, Refusal};
use crate::render::{Desired, Render};
use plumb_compiler::changes::Identity;
use plumb_compiler::syntax::ast::Name;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl State {
    pub(super) fn looked(&mut self, number: u64, looked: Result<Snapshot, Refusal>) {
        let is_current = self.round.as_ref().is_some_and(|it| it.number == number);
        if !is_current {
            return;
        }
        match looked {
            Ok(snapshot) => {
                let mut unseen = self.unseen();
                unseen.extend(snapshot.unseen);
                self.others = snapshot.objects;
                self.begin(snapshot.inhabited, unseen);
            }
            Err(refusal) => {
                self.listener.hear(&News::Lost(&refusal));
                let pause = refusal.retry_after.unwrap_or(Duration::from_secs(2));
                self.after(pause, Message::Again(number));
            }
        }
    }

    pub(super) fn again(&mut self, number: u64) {
        match &self.round {
            Some(round) if round.number == number && round.stage == Stage::Over => {
                self.begin_round(Instant::now());
            }
            Some(round) if round.number == number => self.look_further(),
            _ => {}
        }
    }

    /// Decides what the newest commit means for what is there.
    pub(super) fn begin(&mut self, inhabited: BTreeSet<Identity>, unseen: Unseen) {
        let (Some(round), Some(following)) = (&mut self.round, &self.made) else { return };
        let Some(inventory) = &mut self.inventory else { return };
        if round.stage != Stage::Looking {
            return;
        }
        let render = Arc::clone(&following.render);
        let view = View { live: &self.live, others: &self.others, inhabited, unseen };
        let choice = Choice {
            set: &self.id,
            is_chosen: &|_| true,
            adopt: self.options.adopt,
            confirm: None,
        };
        let mut decided = plan(&render, inventory, &view, &choice);
        round.is_partial = decided.leave_out(&render, &|it| self.busy.contains(it));
        for (place, action) in &mut decided.objects {
            let desired = &render.objects[*place];
            let known = inventory.entries.get(&desired.identity);
            let object = view.object(&desired.identity);
            let is_sent = matches!(action, Action::Create | Action::Apply);
            if is_sent && is_drift(known, desired, object) {
                *action = Action::Keep;
            } else if is_sent {
                inventory.expect(&desired.identity, &desired.request, &desired.digest);
            } else if let (Action::Keep, Some(object)) = (&*action, object) {
                inventory.expect(&desired.identity, &desired.request, &desired.digest);
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
                inventory.applied(&desired.identity, uid, &desired.digest);
            }
        }
        for identity in decided.gone.iter().chain(decided.foreign.iter().map(|it| &it.identity)) {
            inventory.entries.remove(identity);
        }
        for delete in &decided.deletes {
            inventory.expect_gone(&delete.identity);
        }
        if !decided.held.is_empty() || self.is_holding {
            self.is_holding = !decided.held.is_empty();
            self.listener.hear(&News::Held(decided.held.len(), &decided.hash));
        }
        round.actions = decided.objects.drain(..).collect();
        round.plan = decided;
        round.stage = Stage::Remembering;
        self.remember();
        // What differs is no change of git's.
        let wanted: Vec<Identity> = self.wanted.keys().cloned().collect();
        for identity in &wanted {
            self.look_at_health(identity);
            self.compare(identity);
        }
    }

    /// The inventory has what was known a moment ago.
    pub(super) fn remembered(&mut self) {
        let Some(following) = self.made.clone() else { return };
        if let Some(round) = &mut self.round
            && round.stage == Stage::Remembering
        {
            let has = |place: &usize| {
                let desired = &following.render.objects[*place];
                self.written.expects(&desired.identity, &desired.digest)
            };
            let sent = round
                .actions
                .iter()
                .filter(|(_, action)| matches!(action, Action::Create | Action::Apply));
            let mut deletes = round.plan.deletes.iter();
            if sent.map(|(place, _)| place).all(has)
                && deletes.all(|it| self.written.expects_gone(&it.identity))
            {
                round.stage = Stage::First(0);
                self.work();
            } else {
                self.flush_soon();
            }
        }
    }

    /// Begins whatever can be begun.
    pub(super) fn work(&mut self) {
        let Some(following) = self.made.clone() else { return };
        let render = &following.render;
        // Nothing before the namespaces that are being made.
        if self.is_ending || self.running.contains("") {
            return;
        }
        loop {
            let Some(round) = &mut self.round else { return };
            match round.stage {
                Stage::Looking | Stage::Remembering | Stage::Over => return,
                Stage::First(2) => round.stage = Stage::Working,
                Stage::First(at) => {
                    let kind = ["Namespace", "CustomResourceDefinition"][at];
                    let first: Vec<usize> = round
                        .actions
                        .iter()
                        .filter(|(place, action)| {
                            render.objects[**place].identity.kind == kind
                                && matches!(action, Action::Create | Action::Apply)
                        })
                        .map(|(place, _)| *place)
                        .collect();
                    round.stage = Stage::First(at + 1);
                    if !first.is_empty() {
                        let actions = &mut round.actions;
                        let work = first
                            .into_iter()
                            .map(|place| (place, actions.remove(&place).unwrap_or(Action::Keep)))
                            .collect();
                        return self.start(None, following.clone(), work, false);
                    }
                }
                Stage::Working => break,
            }
        }
        self.delete();
        let mut busy = 0;
        loop {
            if self.running.len() >= AT_ONCE {
                return;
            }
            let Some(round) = &mut self.round else { return };
            if busy == round.schedule.ready() {
                break;
            }
            let Some(request) = round.schedule.take() else { break };
            // What an older commit began comes to its end first.
            if self.running.contains(&render.requests[request].name) {
                round.schedule.put_back(request);
                busy += 1;
                continue;
            }
            let places = &render.requests[request].objects;
            let work: Vec<(usize, Action)> = places
                .iter()
                .filter_map(|place| Some((*place, round.actions.remove(place)?)))
                .filter(|(_, action)| *action != Action::Keep)
                .collect();
            if work.is_empty() {
                round.schedule.done(request);
                round.open -= 1;
                continue;
            }
            self.start(Some(request), following.clone(), work, false);
        }
        self.over();
    }

    pub(super) fn over(&mut self) {
        let Some(following) = self.made.clone() else { return };
        let Some(round) = &mut self.round else { return };
        if round.stage != Stage::Working || round.open > 0 || !round.is_deleted {
            return;
        }
        if round.is_partial {
            let seen = round.seen;
            if self.running.is_empty() {
                self.begin_round(seen);
            }
            return;
        }
        round.stage = Stage::Over;
        let render = &following.render;
        let took = round.seen.elapsed();
        let is_done = |it: &&Arc<Desired>| {
            let entry = self.inventory.as_ref().and_then(|known| known.entries.get(&it.identity));
            entry.is_some_and(|entry| entry.digest.as_deref() == Some(it.digest.as_str()))
        };
        let done = render.objects.iter().filter(is_done).count();
        self.listener.hear(&News::Settled {
            commit: &following.commit,
            objects: render.objects.len(),
            failed: render.objects.len() - done,
            blocked: render.unknown.requests.len(),
            took,
        });
        self.count_soon();
        self.flush_soon();
    }

    /// Has objects applied: of a request, or those that come before all requests. `force` also takes over fields that
    /// others own in what is not known to be ours.
    pub(super) fn start(
        &mut self,
        request: Option<usize>,
        following: Arc<Following>,
        work: Vec<(usize, Action)>,
        force: bool,
    ) {
        let render = Arc::clone(&following.render);
        let name = match request {
            Some(request) => render.requests[request].name.clone(),
            None => Name::default(),
        };
        self.running.insert(name);
        let round = self.rounds;
        self.busy.extend(work.iter().map(|(place, _)| render.objects[*place].identity.clone()));
        let objects: Vec<(usize, Action, Option<Json>)> = work
            .into_iter()
            .map(|(place, action)| {
                let identity = &render.objects[place].identity;
                let live = self.live.get(identity).map(|it| (**it).clone());
                (place, action, live.or_else(|| self.others.get(identity).cloned()))
            })
            .collect();
        let how = How {
            dry_run: false,
            force: force || self.options.force,
            // Short: whoever fails waits by itself, not here.
            until: tokio::time::Instant::now() + Duration::from_secs(2),
        };
        let (cluster, scaled) = (self.cluster.clone(), Arc::clone(&self.scaled));
        let applier = Applier::scaling(cluster, Arc::clone(&render), scaled, self.id.clone(), how);
        let places = match request {
            Some(request) => render.requests[request].objects.clone(),
            None => objects.iter().map(|(place, ..)| *place).collect(),
        };
        let all = places.iter().map(|it| render.objects[*it].identity.clone()).collect();
        let send = self.send.clone();
        tokio::spawn(async move {
            let mut outcomes = Vec::with_capacity(objects.len());
            let tell = |place: usize, outcome| {
                outcomes.push((Arc::clone(&render.objects[place]), outcome));
            };
            applier.objects(objects, tell).await;
            let _ = send.send(Message::Done { request, round, outcomes, all });
        });
    }

    pub(super) fn done(
        &mut self,
        request: Option<usize>,
        round: u64,
        outcomes: Vec<(Arc<Desired>, Outcome)>,
    ) {
        let name = match outcomes.first() {
            Some((desired, _)) if request.is_some() => desired.request.clone(),
            _ => Name::default(),
        };
        self.running.remove(&name);
        if let (None, Some(current), Some(following)) = (request, &mut self.round, &self.made)
            && current.number == round
        {
            // Namespaces and definitions that were refused are tried again with the requests that make them.
            let refused = outcomes.iter().filter(|(_, outcome)| !outcome.is_done());
            let objects = &following.render.objects;
            let refused = refused
                .filter_map(|(desired, _)| objects.iter().position(|it| Arc::ptr_eq(it, desired)));
            current.actions.extend(refused.map(|place| (place, Action::Apply)));
        }
        let mut worst: Option<Refusal> = None;
        for (desired, outcome) in outcomes {
            self.listener.hear(&News::Applied(&desired, &outcome));
            if let Outcome::Refused(refusal) = &outcome {
                let whole = [(String::new(), refusal.message.clone())];
                let causes = if refusal.causes.is_empty() { &whole[..] } else { &refusal.causes };
                for (field, why) in causes {
                    let line = self.line(&desired, blame::value(&desired, field));
                    let refused = News::Refused { desired: &desired, refusal, field, why, line };
                    self.listener.hear(&refused);
                }
            }
            self.busy.remove(&desired.identity);
            self.correcting.remove(&desired.identity);
            match outcome {
                Outcome::Created(object) | Outcome::Changed(object) | Outcome::Same(object) => {
                    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                    if let Some(inventory) = &mut self.inventory {
                        inventory.applied(&desired.identity, &uid, &desired.digest);
                    }
                    self.is(desired.identity.clone(), object);
                    self.buried.remove(&uid);
                }
                Outcome::Refused(refusal) => {
                    let is_worse = worst.as_ref().is_none_or(|it| it.kind.may_pass());
                    worst = if is_worse { Some(refusal) } else { worst };
                }
                Outcome::Waiting => {
                    worst.get_or_insert(Refusal {
                        kind: Reason::Terminating,
                        message: "it is still being deleted".to_owned(),
                        causes: Vec::new(),
                        retry_after: None,
                    });
                }
                Outcome::Foreign(Foreign::Member(_) | Foreign::Unclaimed(_))
                | Outcome::NotTried
                | Outcome::Kept => {}
            }
        }
        self.flush_soon();
        match (request, worst) {
            (Some(_), Some(refusal)) => self.fail(name, &refusal),
            (Some(_), None) => {
                if let Some(failing) = self.failing.remove(&name) {
                    failing.timer.abort();
                    self.settled_late();
                }
            }
            (None, _) => {}
        }
        if let (Some(request), Some(current)) = (request, &mut self.round)
            && current.number == round
            && matches!(current.stage, Stage::Working)
            && current.open > 0
        {
            current.schedule.done(request);
            current.open -= 1;
        }
        self.work();
    }

    /// Has a request tried again later.
    pub(super) fn fail(&mut self, request: Name, refusal: &Refusal) {
        let times = self.failing.remove(&request).map_or(0, |it| {
            it.timer.abort();
            it.times
        });
        // Somebody may make the namespace any moment.
        let pause = match refusal.kind.may_pass() || refusal.kind == Reason::NoNamespace {
            true => refusal
                .retry_after
                .unwrap_or(Duration::from_secs(1) * 2u32.saturating_pow(times))
                .min(Duration::from_secs(60)),
            false => RARELY,
        };
        let timer = self.after(pause, Message::Retry(request.clone()));
        self.failing.insert(request, Failing { times: times + 1, timer });
    }

    pub(super) fn retry(&mut self, name: &Name) {
        let Some(following) = self.made.clone() else { return };
        let render = &following.render;
        let Some(request) = render.requests.iter().position(|it| it.name == *name) else {
            self.failing.remove(name);
            return;
        };
        let is_between = self.round.as_ref().is_some_and(|it| it.stage != Stage::Over);
        if is_between || self.running.contains(name) || self.running.len() >= AT_ONCE {
            let timer = self.after(Duration::from_millis(500), Message::Retry(name.clone()));
            self.failing.entry(name.clone()).and_modify(|it| it.timer = timer);
            return;
        }
        let (unseen, mut work) = (self.unseen(), Vec::new());
        for place in &render.requests[request].objects {
            let desired = &render.objects[*place];
            let identity = &desired.identity;
            let known = self.inventory.as_ref().and_then(|it| it.entries.get(identity));
            let object = self.live.get(identity).map(|it| &**it);
            let object = object.or_else(|| self.others.get(identity));
            // Once it can be seen, all is decided anew.
            if unseen.of(identity).is_some() || is_drift(known, desired, object) {
                continue;
            }
            match self.action_of(desired, render) {
                // An answer that did not reach us was one that it was applied.
                Action::Keep => {
                    if let (Some(inventory), Some(object)) = (&mut self.inventory, object) {
                        inventory.expect(identity, &desired.request, &desired.digest);
                        inventory.applied(identity, uid(object), &desired.digest);
                    }
                }
                // None is applied before it stands in the inventory.
                Action::Create | Action::Apply
                    if !self.written.expects(identity, &desired.digest) =>
                {
                    return self.begin_round(Instant::now());
                }
                action => work.push((*place, action)),
            }
        }
        if work.is_empty() {
            self.flush_soon();
            self.failing.remove(name);
            return self.settled_late();
        }
        self.start(Some(request), following.clone(), work, false);
    }

    /// All that was refused of a commit was taken in the end.
    pub(super) fn settled_late(&mut self) {
        if self.failing.is_empty()
            && let Some(round) = &mut self.round
            && round.stage == Stage::Over
        {
            round.stage = Stage::Working;
            self.over();
        }
    }

    pub(super) fn action_of(&self, desired: &Desired, render: &Render) -> Action {
        let identity = &desired.identity;
        let object = self.live.get(identity).map(|it| &**it).or_else(|| self.others.get(identity));
        let known = self.inventory.as_ref().and_then(|it| it.entries.get(identity));
        let choice = Choice {
            set: &self.id,
            is_chosen: &|_| true,
            adopt: self.options.adopt,
            confirm: None,
        };
        action(render.facts, desired, &left(desired, &self.scaled), known, object, &choice)
    }

    pub(super) fn delete(&mut self) {
        let Some(following) = self.made.clone() else { return };
        let Some(round) = &mut self.round else { return };
        // Those of an older commit come to their end first.
        if self.running.contains("(deletes)") {
            return;
        }
        let deletes = std::mem::take(&mut round.plan.deletes);
        if deletes.is_empty() {
            round.is_deleted = true;
            return;
        }
        let number = round.number;
        self.busy.extend(deletes.iter().map(|it| it.identity.clone()));
        self.running.insert("(deletes)".into());
        let (send, cluster) = (self.send.clone(), self.cluster.clone());
        tokio::spawn(async move {
            let mut done = Vec::new();
            for delete in deletes {
                let resource = resource_of(&following.render, &delete.identity);
                let outcome = match resource {
                    Some(resource) => {
                        cluster.delete(&resource, &delete.identity, &delete.uid, false).await
                    }
                    None => {
                        Err(Refusal::unreachable("this version of Plumb does not know its kind"))
                    }
                };
                done.push((delete, outcome));
            }
            let _ = send.send(Message::Deleted(number, done));
        });
    }

    pub(super) fn deleted(&mut self, number: u64, deletes: Vec<(Delete, Result<bool, Refusal>)>) {
        self.running.remove("(deletes)");
        let mut has_failed = false;
        for (Delete { identity, uid, .. }, result) in deletes {
            self.busy.remove(&identity);
            self.listener.hear(&News::Deleted(&identity, result.as_ref().map(|it| *it)));
            has_failed |= result.is_err();
            if let (Ok(true), Some(inventory)) = (result, &mut self.inventory) {
                inventory.entries.remove(&identity);
                match self.live.remove(&identity) {
                    Some(_) => self.buried.insert(uid),
                    None => self.buried.remove(&uid),
                };
            }
        }
        self.flush_soon();
        if let Some(round) = &mut self.round
            && round.number == number
        {
            round.is_deleted = true;
            if has_failed {
                self.after(Duration::from_secs(10), Message::Again(number));
            }
        }
        self.work();
    }
}

/// What git has as it had is no change of git's: if it is otherwise in the cluster, that is drift.
fn is_drift(known: Option<&Entry>, desired: &Desired, object: Option<&Json>) -> bool {
    known.is_some_and(|it| {
        it.digest.as_deref() == Some(desired.digest.as_str())
            && it.uid.is_some()
            && object.is_none_or(|object| it.uid.as_deref() == Some(uid(object)))
    })
}
