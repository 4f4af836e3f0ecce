//! Does what a plan says.
//!
//! ```text
//! the inventory, with all that will be applied ─> namespaces ─> definitions, until they are served
//!   ─> requests, many at once, whom others need first; the objects of one in their order
//!   ─> deletes ─> the inventory, as it is now
//! ```
//!
//! A request stops at the first object that is refused: what follows may stand on it. The rest of it is sent as a dry
//! run then, so that all that is wrong is told at once.

use crate::cluster::{Apply, Cluster};
use crate::inventory::{Inventory, Set};
use crate::plan::{Action, Delete, Foreign, Live, Plan, left, outgoing, scaled};
use crate::refusal::{Reason, Refusal};
use crate::render::{Desired, Render, Resource};
use futures::StreamExt;
use plumb_compiler::changes::Identity;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// The requests that are worked on at once: what keeps an API server on two cores busy. Picked by measuring 8, 16 and 32.
pub const AT_ONCE: usize = 16;

/// The namespaces up to which each is looked into for itself, so that whoever looks need not be allowed to look into all.
const FEW_NAMESPACES: usize = 16;

/// So many objects of one kind in one namespace are looked for in a list, fewer one by one.
const MANY: usize = 10;

/// What is in the cluster of a set, and what else has the name of what git has.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Objects, whole where they are members of the set, else at least their metadata.
    pub objects: BTreeMap<Identity, Json>,
    /// The definitions of custom resources that have objects.
    pub inhabited: BTreeSet<Identity>,
    /// What the server does not let be seen, by kind and namespace; why.
    pub unseen: Unseen,
}

/// What a server does not let be seen.
#[derive(Clone, Debug, Default)]
pub struct Unseen(BTreeMap<Scope, Refusal>);

impl Unseen {
    /// Why it cannot be told whether an object is there, if that is so.
    pub fn of(&self, identity: &Identity) -> Option<&Refusal> {
        let is_of = |(resource, namespace): &Scope| {
            resource.kind == identity.kind
                && resource.group == identity.group
                && namespace.as_deref().is_none_or(|it| identity.namespace.as_deref() == Some(it))
        };
        self.0.iter().find(|(scope, _)| is_of(scope)).map(|(_, refusal)| refusal)
    }

    /// This and what else cannot be seen.
    pub fn extend(&mut self, other: Unseen) {
        self.0.extend(other.0);
    }

    /// Notes that objects of a kind cannot be seen.
    pub fn insert(&mut self, scope: Scope, refusal: Refusal) {
        self.0.insert(scope, refusal);
    }
}

impl Live for Snapshot {
    fn object(&self, identity: &Identity) -> Option<&Json> {
        self.objects.get(identity)
    }

    fn unseen(&self, identity: &Identity) -> Option<&Refusal> {
        self.unseen.of(identity)
    }

    fn has_objects(&self, definition: &Identity) -> bool {
        self.inhabited.contains(definition)
    }
}

/// A kind, in a namespace or in all.
pub type Scope = (Resource, Option<String>);

/// Where the members of a set are looked for: by kind, and by namespace where these are few.
pub fn scopes<'i>(
    members: impl Iterator<Item = (&'i Identity, Option<&'i Resource>)>,
    known: &dyn Fn(&Identity) -> Option<Resource>,
) -> BTreeSet<Scope> {
    let mut found: BTreeSet<Scope> = BTreeSet::new();
    let mut namespaces: BTreeSet<String> = BTreeSet::new();
    for (identity, resource) in members {
        let Some(resource) = resource.cloned().or_else(|| known(identity)) else { continue };
        namespaces.extend(identity.namespace.as_ref().map(ToString::to_string));
        found.insert((resource, identity.namespace.as_ref().map(ToString::to_string)));
    }
    if namespaces.len() > FEW_NAMESPACES {
        found = found.into_iter().map(|(resource, _)| (resource, None)).collect();
    }
    found
}

/// The resource of an object that only the inventory knows: the newest version of its kind.
pub fn resource_of(render: &Render, identity: &Identity) -> Option<Resource> {
    let kinds = render.facts.kinds().map(|(_, kind)| kind);
    let mut kinds: Vec<_> =
        kinds.filter(|it| it.group == identity.group && it.kind == identity.kind).collect();
    // `v1` before `v2beta1`, and that before `v1beta1`: what is stable first, then what is newer.
    kinds.sort_by_key(|it| {
        (it.version.contains("alpha"), it.version.contains("beta"), std::cmp::Reverse(it.version))
    });
    kinds.first().map(|it| Resource::from(*it))
}

/// Looks at what is there.
///
/// # Errors
///
/// Where the server does not let it be seen: then nothing may be decided.
pub async fn look(
    cluster: &Cluster,
    render: &Render,
    inventory: &Inventory,
    set: &str,
) -> Result<Snapshot, Refusal> {
    let mut snapshot = Snapshot::default();
    let selector = format!("{}={set}", crate::inventory::PART_OF);
    let resources: BTreeMap<&Identity, &Resource> =
        render.objects.iter().map(|it| (&it.identity, &it.resource)).collect();
    let members = inventory.entries.keys().map(|it| (it, resources.get(it).copied()));
    let scopes = scopes(members, &|identity| resource_of(render, identity));
    let lists = scopes.into_iter().map(|(resource, namespace)| {
        let selector = &selector;
        async move {
            let found = cluster.list(&resource, namespace.as_deref(), selector).await;
            ((resource, namespace), found)
        }
    });
    let mut lists = futures::stream::iter(lists).buffer_unordered(AT_ONCE);
    while let Some((scope, found)) = lists.next().await {
        match found {
            Ok(found) => {
                let found = found.into_iter().map(|object| (identity(&object), object));
                snapshot.objects.extend(found);
            }
            // Others are seen all the same.
            Err(refusal) if refusal.kind == Reason::Forbidden => {
                snapshot.unseen.insert(scope, refusal);
            }
            Err(refusal) => return Err(refusal),
        }
    }
    drop(lists);
    let known = |identity: &Identity| {
        snapshot.objects.contains_key(identity) || snapshot.unseen.of(identity).is_some()
    };
    let rest = look_for(cluster, render, inventory, &known).await?;
    snapshot.objects.extend(rest.objects);
    snapshot.unseen.extend(rest.unseen);
    let unwanted = snapshot.objects.iter().filter(|(it, _)| !resources.contains_key(it));
    snapshot.inhabited = inhabited(cluster, unwanted).await?;
    Ok(snapshot)
}

/// Of some objects, the definitions of custom resources that have objects.
///
/// # Errors
///
/// As [`look`].
pub async fn inhabited<'o>(
    cluster: &Cluster,
    objects: impl Iterator<Item = (&'o Identity, &'o Json)>,
) -> Result<BTreeSet<Identity>, Refusal> {
    let mut inhabited = BTreeSet::new();
    for (identity, object) in objects {
        if identity.kind == "CustomResourceDefinition" && cluster.has_any(&defined(object)).await? {
            inhabited.insert(identity.clone());
        }
    }
    Ok(inhabited)
}

/// Looks for what is not known yet to be there, and has the name of something that git has or that is remembered.
///
/// # Errors
///
/// As [`look`].
pub async fn look_for(
    cluster: &Cluster,
    render: &Render,
    inventory: &Inventory,
    known: &(dyn Fn(&Identity) -> bool + Sync),
) -> Result<Snapshot, Refusal> {
    let mut snapshot = Snapshot::default();
    let resources: BTreeMap<&Identity, &Resource> =
        render.objects.iter().map(|it| (&it.identity, &it.resource)).collect();
    let mut missing: BTreeMap<Scope, BTreeSet<Identity>> = BTreeMap::new();
    let remembered = inventory.entries.keys();
    for identity in render.objects.iter().map(|it| &it.identity).chain(remembered) {
        if known(identity) {
            continue;
        }
        let resource = resources.get(identity).map(|it| (*it).clone());
        let Some(resource) = resource.or_else(|| resource_of(render, identity)) else { continue };
        let namespace = identity.namespace.as_ref().map(ToString::to_string);
        missing.entry((resource, namespace)).or_default().insert(identity.clone());
    }
    let looks = missing.into_iter().map(|(scope, wanted)| async move {
        let found = find(cluster, &scope, wanted).await;
        (scope, found)
    });
    let mut looks = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some((scope, found)) = looks.next().await {
        match found {
            Ok(found) => snapshot.objects.extend(found),
            Err(refusal) if refusal.kind == Reason::Forbidden => {
                snapshot.unseen.insert(scope, refusal);
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(snapshot)
}

/// Of some objects of one kind, those that are there.
async fn find(
    cluster: &Cluster,
    (resource, namespace): &Scope,
    wanted: BTreeSet<Identity>,
) -> Result<Vec<(Identity, Json)>, Refusal> {
    if wanted.len() >= MANY {
        let all = cluster.list_metadata(resource, namespace.as_deref()).await?;
        let all = all.into_iter().map(|object| (identity(&object), object));
        return Ok(all.filter(|(identity, _)| wanted.contains(identity)).collect());
    }
    let mut found = Vec::new();
    for wanted in wanted {
        let object = cluster.get(resource, &wanted).await?;
        found.extend(object.map(|object| (wanted, object)));
    }
    Ok(found)
}

/// The kind that a definition defines.
fn defined(definition: &Json) -> Resource {
    let (spec, names) = (&definition["spec"], &definition["spec"]["names"]);
    let text = |value: &Json| value.as_str().unwrap_or_default().into();
    let versions = spec["versions"].as_array();
    let served = versions.into_iter().flatten().find(|it| it["served"] == true);
    Resource {
        group: text(&spec["group"]),
        version: served.map_or_else(|| "v1".into(), |it| text(&it["name"])),
        kind: text(&names["kind"]),
        plural: text(&names["plural"]),
        namespaced: spec["scope"] == "Namespaced",
    }
}

/// What tells an object of a cluster apart.
pub fn identity(object: &Json) -> Identity {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let api_version = text(&object["apiVersion"]);
    let metadata = &object["metadata"];
    Identity {
        kind: text(&object["kind"]).into(),
        group: api_version.rsplit_once('/').map_or("", |(group, _)| group).into(),
        namespace: metadata["namespace"].as_str().map(Into::into),
        name: text(&metadata["name"]).into(),
    }
}

/// How a plan is done.
#[derive(Clone, Debug)]
pub struct How {
    /// The server says what it would do; nothing is kept.
    pub dry_run: bool,
    /// Fields that others own become ours also in objects that are taken over.
    pub force: bool,
    /// Until when a server that fails is asked again.
    pub until: Instant,
}

/// What became of an object.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was made.
    Created(Json),
    /// It is another now.
    Changed(Json),
    /// It was applied, and is what it was.
    Same(Json),
    /// It was as declared, so nothing was sent.
    Kept,
    /// The server did not take it.
    Refused(Refusal),
    /// It is somebody else's.
    Foreign(Foreign),
    /// It is still being deleted.
    Waiting,
    /// Something before it in its request was refused; it would be taken.
    NotTried,
}

impl Outcome {
    /// Whether it is in the cluster as git has it.
    pub fn is_done(&self) -> bool {
        matches!(self, Outcome::Created(_) | Outcome::Changed(_) | Outcome::Same(_) | Outcome::Kept)
    }

    fn object(&self) -> Option<&Json> {
        match self {
            Outcome::Created(object) | Outcome::Changed(object) | Outcome::Same(object) => {
                Some(object)
            }
            _ => None,
        }
    }
}

/// What became of a delete.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It is on its way out; something holds it.
    Leaving,
    /// The server did not let it go.
    Refused(Refusal),
}

/// What is told while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Told<'t> {
    /// An object, by its place in the render.
    Object(usize, &'t Outcome),
    /// A delete.
    Delete(&'t Delete, &'t Deleted),
}

/// What became of all.
#[derive(Debug, Default)]
pub struct Report {
    /// By place in the render.
    pub objects: BTreeMap<usize, Outcome>,
    /// In the order they were done.
    pub deletes: Vec<(Delete, Deleted)>,
}

/// Who applies: all that is the same for every object.
pub struct Applier {
    /// Where.
    pub cluster: Cluster,
    /// What.
    pub render: Arc<Render>,
    /// The id of the set.
    pub set: String,
    scaled: Arc<BTreeSet<Identity>>,
    how: How,
}

impl Applier {
    /// Of a render.
    pub fn new(cluster: Cluster, render: Arc<Render>, set: String, how: How) -> Self {
        let scaled = Arc::new(scaled(&render));
        Applier::scaling(cluster, render, scaled, set, how)
    }

    /// As [`Applier::new`], where it is known what of the render is scaled.
    pub fn scaling(
        cluster: Cluster,
        render: Arc<Render>,
        scaled: Arc<BTreeSet<Identity>>,
        set: String,
        how: How,
    ) -> Self {
        Applier { cluster, render, set, scaled, how }
    }

    /// Applies objects, one after the other; `live` are those that are there.
    pub async fn objects(
        &self,
        objects: Vec<(usize, Action, Option<Json>)>,
        mut tell: impl FnMut(usize, Outcome),
    ) {
        let mut is_stopped = false;
        for (place, action, live) in objects {
            let desired = &self.render.objects[place];
            let outcome = match action {
                Action::Keep => Outcome::Kept,
                Action::Wait => Outcome::Waiting,
                Action::Refuse(foreign) => Outcome::Foreign(foreign),
                Action::Unseen(refusal) => Outcome::Refused(refusal),
                Action::Create | Action::Apply if is_stopped => {
                    let tried = self.send(desired, live, true).await;
                    match tried {
                        // It may lack just what was refused.
                        Err(refusal) if !refusal.kind.may_pass() => Outcome::Refused(refusal),
                        _ => Outcome::NotTried,
                    }
                }
                Action::Create | Action::Apply => {
                    let version = live.as_ref().map(|it| it["metadata"]["resourceVersion"].clone());
                    match self.send(desired, live, self.how.dry_run).await {
                        Ok((object, true)) => Outcome::Created(object),
                        Ok((object, false))
                            if version.as_ref() == Some(&object["metadata"]["resourceVersion"]) =>
                        {
                            Outcome::Same(object)
                        }
                        Ok((object, false)) => Outcome::Changed(object),
                        Err(refusal) if self.is_only_dry(desired, &refusal) => {
                            Outcome::Created(desired.json.clone())
                        }
                        Err(refusal) => Outcome::Refused(refusal),
                    }
                }
            };
            is_stopped |= !outcome.is_done();
            tell(place, outcome);
        }
    }

    /// What the server would make of an object, `live` being what is there. Nothing is kept.
    ///
    /// # Errors
    ///
    /// What the server has against it.
    pub async fn try_out(&self, desired: &Desired, live: Option<Json>) -> Result<Json, Refusal> {
        self.send(desired, live, true).await.map(|(object, _)| object)
    }

    /// A dry run makes no namespace, so that what goes into it is refused.
    fn is_only_dry(&self, desired: &Desired, refusal: &Refusal) -> bool {
        self.how.dry_run
            && refusal.kind == Reason::NoNamespace
            && self.render.objects.iter().any(|it| {
                it.identity.kind == "Namespace"
                    && Some(&it.identity.name) == desired.identity.namespace.as_ref()
            })
    }

    /// Applies an object, and asks a server that fails again for as long as there is time. Gives what the server made of
    /// it, and whether it is new.
    async fn send(
        &self,
        desired: &Desired,
        mut live: Option<Json>,
        dry_run: bool,
    ) -> Result<(Json, bool), Refusal> {
        let left = left(desired, &self.scaled);
        let is_member = live.as_ref().and_then(crate::plan::member_of).is_some();
        // What is ours is as git says. What is taken over is so only where that was asked for.
        let how = Apply { dry_run, force: self.how.force || is_member || live.is_none() };
        let mut pause = Duration::from_millis(200);
        loop {
            let mut sent = outgoing(desired, &left, live.as_ref(), &self.set);
            // What was read of it is sent back: nobody may have changed it in between.
            if let (false, Some(live)) = (left.is_empty(), &live) {
                sent["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            }
            let refusal =
                match self.cluster.apply(&desired.resource, &desired.identity, &sent, how).await {
                    Ok(applied) => return Ok((applied.object, applied.is_new)),
                    Err(refusal) => refusal,
                };
            let pause_now = refusal.retry_after.unwrap_or(pause).min(Duration::from_secs(30));
            // A dry run has nothing served that is not.
            let may_pass = refusal.kind.may_pass() && !(dry_run && refusal.kind == Reason::NoKind);
            if !may_pass || Instant::now() + pause_now >= self.how.until {
                return Err(refusal);
            }
            if refusal.kind == Reason::Stale {
                live = self.cluster.get(&desired.resource, &desired.identity).await?;
                continue;
            }
            sleep(jittered(pause_now, &desired.identity.name)).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }
}

/// Not all at once: what was refused together is not asked for together again.
fn jittered(pause: Duration, name: &str) -> Duration {
    let seed =
        name.bytes().fold(7u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    pause.mul_f64(0.75 + f64::from(seed % 256) / 512.0)
}

/// Which requests can be worked on: not before those that they speak of, in the order of applying.
pub struct Schedule {
    unmet: Vec<usize>,
    users: Vec<Vec<usize>>,
    ready: VecDeque<usize>,
}

impl Schedule {
    /// Of the requests of a render.
    pub fn new(render: &Render) -> Self {
        let count = render.requests.len();
        let mut users = vec![Vec::new(); count];
        let mut unmet = vec![0; count];
        for (at, request) in render.requests.iter().enumerate() {
            // Those that need each other stand beside each other, and one of them has to be first.
            for needed in request.needs.iter().filter(|it| **it < at) {
                users[*needed].push(at);
                unmet[at] += 1;
            }
        }
        let ready = (0..count).filter(|it| unmet[*it] == 0).collect();
        Schedule { unmet, users, ready }
    }

    /// The next request to work on, if there is one now.
    pub fn take(&mut self) -> Option<usize> {
        self.ready.pop_front()
    }

    /// A request that cannot be worked on yet comes after all others.
    pub fn put_back(&mut self, request: usize) {
        self.ready.push_back(request);
    }

    /// The requests that can be worked on now.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// A request was worked on, whatever became of it: who needs it is not kept waiting by its mistakes.
    pub fn done(&mut self, request: usize) {
        for user in std::mem::take(&mut self.users[request]) {
            self.unmet[user] -= 1;
            if self.unmet[user] == 0 {
                self.ready.push_back(user);
            }
        }
    }
}

/// Does a plan. `tell` hears of each object as it is done.
///
/// # Errors
///
/// Where the inventory could not be written: before anything is applied, or when all is done.
pub async fn run(
    applier: Applier,
    plan: Plan,
    snapshot: Snapshot,
    inventory: &mut Inventory,
    set: &Set,
    tell: &mut dyn FnMut(&Render, Told<'_>),
) -> Result<Report, Refusal> {
    let applier = Arc::new(applier);
    let render = Arc::clone(&applier.render);
    let mut snapshot = snapshot;
    let mut report = Report::default();
    let dry_run = applier.how.dry_run;

    let before = inventory.clone();
    for identity in plan.gone.iter().chain(plan.foreign.iter().map(|it| &it.identity)) {
        inventory.entries.remove(identity);
    }
    for (place, action) in &plan.objects {
        if matches!(action, Action::Create | Action::Apply | Action::Keep) {
            let desired = &render.objects[*place];
            inventory.expect(&desired.identity, &desired.request, &desired.digest);
        }
    }
    for (place, action) in &plan.objects {
        let Desired { identity, digest, .. } = &*render.objects[*place];
        if let (Action::Keep, Some(object)) = (action, snapshot.objects.get(identity)) {
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
            inventory.applied(identity, uid, digest);
        }
    }
    for delete in &plan.deletes {
        inventory.expect_gone(&delete.identity);
    }
    let will_apply =
        plan.objects.iter().any(|(_, it)| matches!(it, Action::Create | Action::Apply));
    let mut written = before;
    if !dry_run && (will_apply || !plan.deletes.is_empty()) {
        write(&applier.cluster, inventory, &written, set).await?;
        written = inventory.clone();
    }

    let mut actions: BTreeMap<usize, Action> = plan.objects.into_iter().collect();
    // Namespaces, then definitions, then all the rest by request.
    for kind in ["Namespace", "CustomResourceDefinition"] {
        let places: Vec<usize> = actions
            .keys()
            .copied()
            .filter(|it| render.objects[*it].identity.kind == kind)
            .collect();
        let mut work = JoinSet::new();
        for place in places {
            let action = actions.remove(&place).expect("its place is from the actions");
            let live = snapshot.objects.remove(&render.objects[place].identity);
            let applier = Arc::clone(&applier);
            work.spawn(async move {
                let mut outcome = None;
                applier.objects(vec![(place, action, live)], |_, it| outcome = Some(it)).await;
                (place, outcome.expect("each object has an outcome"))
            });
        }
        let mut served = Vec::new();
        while let Some(done) = work.join_next().await {
            let (place, outcome) = done.expect("a task neither panics nor is cancelled");
            if kind == "CustomResourceDefinition" && outcome.object().is_some() {
                served.push(place);
            }
            note(&mut report, inventory, &render, place, outcome, tell);
        }
        if !dry_run {
            for place in served {
                until_served(&applier, &render.objects[place]).await;
            }
        }
    }

    let mut schedule = Schedule::new(&render);
    let mut work: JoinSet<(usize, Vec<(usize, Outcome)>)> = JoinSet::new();
    loop {
        while work.len() < AT_ONCE
            && let Some(request) = schedule.take()
        {
            let places = &render.requests[request].objects;
            let objects: Vec<_> = places
                .iter()
                .filter_map(|place| {
                    let action = actions.remove(place)?;
                    let live = snapshot.objects.remove(&render.objects[*place].identity);
                    Some((*place, action, live))
                })
                .collect();
            let is_kept = objects.iter().all(|(_, action, _)| *action == Action::Keep);
            if is_kept {
                for (place, ..) in objects {
                    note(&mut report, inventory, &render, place, Outcome::Kept, tell);
                }
                schedule.done(request);
                continue;
            }
            let applier = Arc::clone(&applier);
            work.spawn(async move {
                let mut outcomes = Vec::with_capacity(objects.len());
                applier.objects(objects, |place, outcome| outcomes.push((place, outcome))).await;
                (request, outcomes)
            });
        }
        let Some(done) = work.join_next().await else { break };
        let (request, outcomes) = done.expect("a task neither panics nor is cancelled");
        schedule.done(request);
        for (place, outcome) in outcomes {
            note(&mut report, inventory, &render, place, outcome, tell);
        }
    }

    for delete in plan.deletes {
        let outcome = match resource_of(&render, &delete.identity) {
            None => Deleted::Refused(Refusal::unreachable(
                "this version of Plumb does not know its kind",
            )),
            Some(resource) => {
                let asked =
                    applier.cluster.delete(&resource, &delete.identity, &delete.uid, dry_run);
                match asked.await {
                    Ok(true) => Deleted::Gone,
                    Ok(false) => Deleted::Leaving,
                    Err(refusal) => Deleted::Refused(refusal),
                }
            }
        };
        if matches!(outcome, Deleted::Gone) && !dry_run {
            inventory.entries.remove(&delete.identity);
        }
        tell(&render, Told::Delete(&delete, &outcome));
        report.deletes.push((delete, outcome));
    }
    if !dry_run {
        write(&applier.cluster, inventory, &written, set).await?;
    }
    Ok(report)
}

fn note(
    report: &mut Report,
    inventory: &mut Inventory,
    render: &Render,
    place: usize,
    outcome: Outcome,
    tell: &mut dyn FnMut(&Render, Told<'_>),
) {
    if let Some(uid) = outcome.object().and_then(|it| it["metadata"]["uid"].as_str()) {
        let Desired { identity, digest, .. } = &*render.objects[place];
        inventory.applied(identity, uid, digest);
    }
    tell(render, Told::Object(place, &outcome));
    report.objects.insert(place, outcome);
}

/// Waits until a kind is served, as long as there is time; what is of that kind tells if it is not.
async fn until_served(applier: &Applier, definition: &Desired) {
    let until = applier.how.until.min(Instant::now() + Duration::from_secs(60));
    while Instant::now() < until {
        let found = applier.cluster.get(&definition.resource, &definition.identity).await;
        if let Ok(Some(object)) = found
            && crate::health::health(&object) == crate::health::Health::Settled
        {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Writes the pages of an inventory that differ from what was written before.
///
/// # Errors
///
/// Those of the server; what was written until then is noted.
pub async fn write(
    cluster: &Cluster,
    inventory: &mut Inventory,
    before: &Inventory,
    set: &Set,
) -> Result<(), Refusal> {
    let pages = inventory.pages(set, before).map_err(|why| Refusal {
        kind: Reason::Invalid,
        message: why,
        causes: Vec::new(),
        retry_after: None,
    })?;
    if !pages.is_empty() && inventory.is_new() {
        cluster.ensure_namespace(&set.namespace).await?;
    }
    for page in pages {
        let version = cluster.write_page(set, &page).await?;
        inventory.written(page.number, version);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::render;

    /// The requests in the order in which they can be worked on, one at a time.
    fn order(render: &Render) -> Vec<&str> {
        let mut schedule = Schedule::new(render);
        let mut order = Vec::new();
        while let Some(request) = schedule.take() {
            order.push(render.requests[request].name.as_str());
            schedule.done(request);
        }
        order
    }

    #[test]
    fn who_is_needed_comes_first_and_nobody_is_forgotten() {
        let render = render(&[(
            "shop",
            "request a: platform.Web { after = [c] }\n\nrequest b: platform.Web {}\n\nrequest c: platform.Web { data = { of = d.name } }\n\nrequest d: platform.Web {}",
        )]);
        assert_eq!(render.findings, []);
        let place = |name: &str| order(&render).iter().position(|it| *it == name).unwrap();
        assert_eq!(order(&render).len(), 4);
        assert!(place("shop.d") < place("shop.c") && place("shop.c") < place("shop.a"));
        // What nobody waits for is ready at once.
        assert_eq!(Schedule::new(&render).ready(), 2);
    }

    #[test]
    fn those_that_need_each_other_are_all_worked_on() {
        let mut render =
            render(&[("shop", "request a: platform.Web {}\n\nrequest b: platform.Web {}")]);
        render.requests[0].needs = vec![1];
        render.requests[1].needs = vec![0];
        assert_eq!(order(&render).len(), 2);
    }

    #[test]
    fn a_request_that_is_put_back_comes_after_the_others() {
        let render =
            render(&[("shop", "request a: platform.Web {}\n\nrequest b: platform.Web {}")]);
        let mut schedule = Schedule::new(&render);
        let first = schedule.take().unwrap();
        schedule.put_back(first);
        assert_ne!(schedule.take(), Some(first));
        assert_eq!(schedule.take(), Some(first));
        assert_eq!(schedule.take(), None);
    }

    #[test]
    fn few_namespaces_are_looked_into_one_by_one_and_many_at_once() {
        let identity = |namespace: usize| Identity {
            kind: "ConfigMap".into(),
            group: "".into(),
            namespace: Some(format!("n{namespace}").into()),
            name: "a".into(),
        };
        let resource = crate::cluster::config_maps();
        let of = |count: usize| {
            let all: Vec<Identity> = (0..count).map(identity).collect();
            scopes(all.iter().map(|it| (it, Some(&resource))), &|_| None).len()
        };
        assert_eq!([of(0), of(1), of(16), of(17), of(1000)], [0, 1, 16, 1, 1]);
    }
}
