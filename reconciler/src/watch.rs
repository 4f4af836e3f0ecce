//! The cluster follows git: all of it, again and again.
//!
//! ```text
//! git, on a thread of its own ─ the newest commit ─> render ─> a round:
//!   watches of all that the set has or will have ─> plan ─> the inventory ─> namespaces, definitions ─> requests, deletes
//! watches ─ an object changed ─> gaps ─ one dry run ─> drift: told, and corrected where that is wanted
//! ```
//!
//! One task has the state and decides; whatever waits is a task of its own that sends back what it found. A request
//! that is refused is asked for again by itself, and keeps nobody waiting. A newer commit begins a new round at once.
//!
//! Without changes nothing is sent: what is as declared is known from the watches.

use crate::apply::{
    AT_ONCE, Applier, How, Outcome, Schedule, Scope, Snapshot, Unseen, identity, inhabited,
    look_for, resource_of, scopes, write,
};
use crate::blame;
use crate::cluster::{Apply, Cluster, Event};
use crate::drift::{Gap, Kind, Policy, Turns, confirmed, gaps, policy};
use crate::git::{Blamed, Fetched, GitError, Mirror, Revision};
use crate::health::{Health, health};
use crate::inventory::{Entry, Inventory, PART_OF, Set};
use crate::plan::{
    Action, Choice, Delete, Foreign, Live, Plan, action, left, outgoing, plan, scaled,
};
use crate::refusal::{Reason, Refusal};
use crate::render::{Compiler, Desired, Render, at};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use plumb_compiler::answers::Location;
use plumb_compiler::batch::Form;
use plumb_compiler::changes::Identity;
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::Value;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as threads};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// What ends must end in this time: who asked a process to stop waits a second for it.
const FAREWELL: Duration = Duration::from_millis(900);

/// What was applied is remembered together with what follows in this time.
const GATHER: Duration = Duration::from_millis(500);

/// Drift is told without whom its line is by where that takes longer.
const BLAME: Duration = Duration::from_millis(300);

/// The Events that are written at most: an API server keeps each for an hour.
const EVENTS_A_MINUTE: usize = 60;

/// What stands in the way of many watches is said once in this time.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// A refusal that asking again does not help is looked at again all the same, if rarely: quotas and webhooks change.
const RARELY: Duration = Duration::from_secs(600);

/// How an environment is followed.
pub struct Options {
    /// Which.
    pub environment: String,
    /// Of the inventory.
    pub namespace: String,
    /// The directory of the workspace in the repository; the whole of it where none is named.
    pub path: Option<String>,
    /// Between two looks at the repository.
    pub interval: Duration,
    /// Objects that are there already and in no set are taken over.
    pub adopt: bool,
    /// With these, their fields that others own are, too.
    pub force: bool,
    /// What becomes of drift where an object does not say.
    pub drift: Policy,
}

/// What is told while it goes on: a log, metrics.
pub trait Listener: Send {
    /// Something happened.
    fn hear(&mut self, news: &News<'_>);
}

/// What happens.
pub enum News<'n> {
    /// The repository has a new commit.
    Seen(&'n Revision),
    /// The repository was asked; what came of it, and how long it took. Where it cannot be, what was applied last stays.
    Fetched(&'n Result<Fetched, GitError>, Duration),
    /// A commit was compiled.
    Compiled {
        /// Which.
        commit: &'n str,
        /// What it says.
        render: &'n Render,
        /// How long it took.
        took: Duration,
    },
    /// Nothing of a commit can be applied; what was applied last stays.
    Unusable {
        /// Which.
        commit: &'n str,
        /// Why.
        why: &'n str,
    },
    /// An object was applied, or not.
    Applied(&'n Desired, &'n Outcome),
    /// What an API server has against an object, at the line that made it so; each is one.
    Refused {
        /// The object.
        desired: &'n Desired,
        /// All that it said.
        refusal: &'n Refusal,
        /// The field that is meant, as the server writes its path; empty for the whole object.
        field: &'n str,
        /// What it has against that.
        why: &'n str,
        /// What made it, where that is known.
        line: Option<Line>,
    },
    /// An object was deleted, or not; whether it is gone.
    Deleted(&'n Identity, Result<bool, &'n Refusal>),
    /// Deletes wait for a person, who confirms them by this hash.
    Held(usize, &'n str),
    /// All of a commit was tried.
    Settled {
        /// Which commit.
        commit: &'n str,
        /// The objects that git has.
        objects: usize,
        /// Those that are not as git has them, since they were refused.
        failed: usize,
        /// The requests that do not build, so that they stay as they are.
        blocked: usize,
        /// Since it was seen.
        took: Duration,
    },
    /// An object is not as it was applied.
    Drift(&'n Drift),
    /// It is again, or git has something else now.
    Mended(&'n Drift),
    /// An object works, or does not, or is on its way to; it was otherwise before.
    Health(&'n Desired, &'n Health),
    /// Somebody changes an object again and again after it was corrected.
    TakingTurns(&'n Drift, Duration),
    /// The cluster could not be asked.
    Lost(&'n Refusal),
    /// How much there is of what.
    Counts {
        /// Objects that git has, by state.
        objects: &'n [(&'static str, usize)],
        /// Drift, by kind.
        drift: &'n [(&'static str, usize)],
    },
}

/// An object, or a field of one, that is not as it was applied.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The object.
    pub identity: Identity,
    /// `apps/v1`
    pub api_version: String,
    /// The request that makes it, with its package.
    pub request: Name,
    /// The UID of the object, where it is there.
    pub uid: Option<String>,
    /// What differs.
    pub gap: Gap,
    /// When it was first seen.
    pub since: SystemTime,
    /// The line that says otherwise.
    pub source: Option<Line>,
    /// The layers that speak of it, the one that holds first: "overlay shop in prod, apps/shop/shop.plumb:23".
    pub layers: Vec<String>,
    /// Whom that line is by.
    pub blamed: Option<Blamed>,
    /// What becomes of it.
    pub policy: Policy,
}

/// A line of the sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// From the repository's root on.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// "overlay shop in prod"
    pub layer: String,
}

/// What the tasks send to the one that decides.
enum Message {
    Seen(Box<Revision>),
    Fetched(Result<Fetched, GitError>, Duration),
    Unusable {
        commit: String,
        why: String,
    },
    Compiled(Box<Result<Made, (String, String)>>),
    Watched(Scope, Event),
    Looked(u64, Result<Snapshot, Refusal>),
    Written(Set, Box<(Inventory, Result<(), Refusal>)>),
    Read(Set, Result<Inventory, Refusal>),
    Done {
        request: Option<usize>,
        round: u64,
        outcomes: Vec<(Arc<Desired>, Outcome)>,
        /// All that is the request's, and so was not compared in the meantime.
        all: Vec<Identity>,
    },
    Deleted(u64, Vec<(Delete, Result<bool, Refusal>)>),
    Again(u64),
    Retry(Name),
    Check(Identity),
    Checked(Identity, Result<Option<Json>, Refusal>),
    Confirmed {
        identity: Identity,
        gaps: Vec<Gap>,
        dry_run: Result<Json, Refusal>,
    },
    Blamed(Key, Blamed),
    Tell(Key),
    Correct(Identity),
    Flush,
    Count,
}

/// What drifts: an object, and a path in it.
type Key = (Identity, String);

/// A compiled commit.
struct Made {
    commit: String,
    directory: String,
    workspace: Name,
    seen: Instant,
    took: Duration,
    render: Render,
}

/// What the thread that has the mirror is asked.
enum Order {
    Fetch,
    Blame { commit: String, file: String, line: u32, of: Key },
}

/// Wakes whoever waits between two looks at the repository.
#[derive(Clone)]
pub struct Waker(threads::Sender<Order>);

impl Waker {
    /// Has the repository looked at now.
    pub fn wake(&self) {
        let _ = self.0.send(Order::Fetch);
    }
}

/// A follower that was set up, and its waker.
pub struct Follower {
    state: State,
    messages: mpsc::UnboundedReceiver<Message>,
    orders: threads::Receiver<Order>,
    mirror: Mirror,
    stop: Arc<AtomicBool>,
}

impl Follower {
    /// Sets up: nothing is asked yet.
    pub fn new(
        cluster: Cluster,
        mirror: Mirror,
        options: Options,
        listener: Box<dyn Listener>,
    ) -> (Self, Waker) {
        let (send, messages) = mpsc::unbounded_channel();
        let (order, orders) = threads::channel();
        let state = State {
            cluster,
            options: Arc::new(options),
            listener,
            send,
            order: order.clone(),
            compiler: Arc::default(),
            is_compiling: false,
            waiting: None,
            set: None,
            id: String::new(),
            made: None,
            wanted: HashMap::new(),
            scaled: Arc::default(),
            inventory: None,
            written: Inventory::default(),
            is_writing: false,
            is_flushing: false,
            is_counting: false,
            live: HashMap::new(),
            health: HashMap::new(),
            others: BTreeMap::new(),
            watches: HashMap::new(),
            round: None,
            rounds: 0,
            running: HashSet::new(),
            busy: HashSet::new(),
            buried: HashSet::new(),
            failing: HashMap::new(),
            checking: HashSet::new(),
            confirming: HashSet::new(),
            alike: HashMap::new(),
            drift: BTreeMap::new(),
            untold: HashSet::new(),
            posted: VecDeque::new(),
            is_holding: false,
            turns: HashMap::new(),
            correcting: HashSet::new(),
            lost: None,
            is_ending: false,
        };
        let stop = Arc::default();
        (Follower { state, messages, orders, mirror, stop }, Waker(order))
    }

    /// Follows until `farewell` is done, and ends within a second of that.
    pub async fn run(self, farewell: impl Future<Output = ()>) {
        let Follower { mut state, mut messages, orders, mirror, stop } = self;
        let thread = GitThread {
            mirror,
            orders,
            send: state.send.clone(),
            stop: Arc::clone(&stop),
            interval: state.options.interval,
            path: state.options.path.clone(),
        };
        std::thread::Builder::new()
            .name("git".to_owned())
            .spawn(move || thread.run())
            .expect("a thread can be started");
        tokio::pin!(farewell);
        loop {
            tokio::select! {
                () = &mut farewell => break,
                message = messages.recv() => match message {
                    Some(message) => state.take(message),
                    None => break,
                },
            }
        }
        stop.store(true, Ordering::Relaxed);
        state.is_ending = true;
        // What is under way comes to its end, if it does so soon; what was applied is remembered.
        let _ = timeout(FAREWELL, async {
            let work = timeout(FAREWELL / 2, async {
                while !state.running.is_empty() || state.is_writing {
                    match messages.recv().await {
                        Some(message) => state.rest(message),
                        None => break,
                    }
                }
            });
            let _ = work.await;
            state.remember_all().await;
        })
        .await;
    }
}

/// The one that has the mirror.
struct GitThread {
    mirror: Mirror,
    orders: threads::Receiver<Order>,
    send: mpsc::UnboundedSender<Message>,
    stop: Arc<AtomicBool>,
    interval: Duration,
    path: Option<String>,
}

impl GitThread {
    fn run(mut self) {
        // What was fetched before is worked on even when nothing answers.
        let mut known = None;
        if let Some(tip) = self.mirror.tip()
            && self.show(&tip)
        {
            known = Some(tip);
        }
        let mut next = Instant::now();
        let mut failures = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            let mut is_wanted = Instant::now() >= next;
            if !is_wanted {
                // Short enough to end soon when asked to.
                let wait = next.duration_since(Instant::now()).min(Duration::from_millis(200));
                let first = match self.orders.recv_timeout(wait) {
                    Ok(order) => Some(order),
                    Err(threads::RecvTimeoutError::Timeout) => None,
                    Err(threads::RecvTimeoutError::Disconnected) => return,
                };
                // Pushes that came while it was asked are found by asking once more.
                for order in first.into_iter().chain(self.orders.try_iter()) {
                    match order {
                        Order::Fetch => is_wanted = true,
                        Order::Blame { commit, file, line, of } => {
                            if let Ok(blamed) = self.mirror.blame(&commit, &file, line) {
                                let _ = self.send.send(Message::Blamed(of, blamed));
                            }
                        }
                    }
                }
            }
            if !is_wanted {
                continue;
            }
            let began = Instant::now();
            let fetched = self.mirror.fetch(&self.stop);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let tip = fetched.as_ref().ok().map(|it| it.commit.clone());
            let _ = self.send.send(Message::Fetched(fetched, began.elapsed()));
            match tip {
                Some(tip) => {
                    failures = 0;
                    if known.as_ref() != Some(&tip) && self.show(&tip) {
                        known = Some(tip);
                    }
                }
                None => failures += 1,
            }
            // A server that fails is asked less often, up to ten times.
            let factor = 2u32.saturating_pow(failures).min(10);
            next = Instant::now() + self.interval * factor.max(1);
        }
    }

    fn show(&self, commit: &str) -> bool {
        let message = match self.mirror.load(commit, self.path.as_deref()) {
            Ok(revision) => Message::Seen(Box::new(revision)),
            Err(error) => Message::Unusable { commit: commit.to_owned(), why: error.to_string() },
        };
        self.send.send(message).is_ok()
    }
}

/// A commit on its way into the cluster.
struct Round {
    number: u64,
    seen: Instant,
    stage: Stage,
    schedule: Schedule,
    /// What is to be done of each object; taken out as it is begun.
    actions: BTreeMap<usize, Action>,
    plan: Plan,
    /// The requests that are not done.
    open: usize,
    is_deleted: bool,
    /// An older commit was at something, which is decided about when that is over.
    is_partial: bool,
}

#[derive(PartialEq, Eq, Debug)]
enum Stage {
    /// Until the watches have told all that there is, and what else has its names is known.
    Looking,
    /// Until the inventory has all that will be applied.
    Remembering,
    /// Namespaces, then definitions.
    First(usize),
    /// Requests and deletes.
    Working,
    /// All was tried.
    Over,
}

/// What is watched.
struct Watch {
    task: AbortHandle,
    is_complete: bool,
    /// Why it cannot be, where that is nothing that passes.
    refused: Option<Refusal>,
    /// What was told since it began anew.
    told: Option<HashSet<Identity>>,
}

/// A request that was refused.
struct Failing {
    times: u32,
    timer: AbortHandle,
}

struct State {
    cluster: Cluster,
    options: Arc<Options>,
    listener: Box<dyn Listener>,
    send: mpsc::UnboundedSender<Message>,
    order: threads::Sender<Order>,
    compiler: Arc<Mutex<Compiler>>,
    is_compiling: bool,
    /// The newest commit that is not compiled yet: those in between are passed over.
    waiting: Option<(Box<Revision>, Instant)>,
    set: Option<Set>,
    id: String,
    made: Option<Arc<Following>>,
    /// What the cluster should have: of the newest commit, and of older ones what does not build any more.
    wanted: HashMap<Identity, Arc<Desired>>,
    scaled: Arc<BTreeSet<Identity>>,
    /// As it is known here; what the cluster has of it is `written`.
    inventory: Option<Inventory>,
    written: Inventory,
    is_writing: bool,
    is_flushing: bool,
    is_counting: bool,
    live: HashMap<Identity, Arc<Json>>,
    health: HashMap<Identity, Health>,
    /// What else has the name of something that git has.
    others: BTreeMap<Identity, Json>,
    watches: HashMap<Scope, Watch>,
    round: Option<Round>,
    rounds: u64,
    running: HashSet<Name>,
    /// What is being sent or deleted: what becomes of it is known when that is over.
    busy: HashSet<Identity>,
    /// UIDs of objects that are gone, of which something older may still be told.
    buried: HashSet<String>,
    failing: HashMap<Name, Failing>,
    checking: HashSet<Identity>,
    confirming: HashSet<Identity>,
    /// The gaps of objects that a dry run found to be only written otherwise.
    alike: HashMap<Identity, Vec<Gap>>,
    drift: BTreeMap<Key, Drift>,
    /// What is told once it is known whom its line is by, or that takes too long.
    untold: HashSet<Key>,
    /// When Events were written of late.
    posted: VecDeque<Instant>,
    /// Deletes wait for a person.
    is_holding: bool,
    turns: HashMap<Identity, Turns>,
    correcting: HashSet<Identity>,
    /// Why a watch was last told to be lost, and when.
    lost: Option<(Reason, Instant)>,
    /// Nothing is begun any more.
    is_ending: bool,
}

/// The commit that is followed.
struct Following {
    commit: String,
    directory: String,
    render: Arc<Render>,
}

/// What is there, as the watches say, and beside it what has a name that git has.
struct View<'s> {
    live: &'s HashMap<Identity, Arc<Json>>,
    others: &'s BTreeMap<Identity, Json>,
    inhabited: BTreeSet<Identity>,
    unseen: Unseen,
}

impl Live for View<'_> {
    fn object(&self, identity: &Identity) -> Option<&Json> {
        self.live.get(identity).map(|it| &**it).or_else(|| self.others.get(identity))
    }

    fn unseen(&self, identity: &Identity) -> Option<&Refusal> {
        self.unseen.of(identity)
    }

    fn has_objects(&self, definition: &Identity) -> bool {
        self.inhabited.contains(definition)
    }
}

impl State {
    fn take(&mut self, message: Message) {
        match message {
            Message::Seen(revision) => {
                self.listener.hear(&News::Seen(&revision));
                self.waiting = Some((revision, Instant::now()));
                self.compile();
            }
            Message::Fetched(result, took) => self.listener.hear(&News::Fetched(&result, took)),
            Message::Count => self.count(),
            Message::Unusable { commit, why } => {
                self.listener.hear(&News::Unusable { commit: &commit, why: &why });
            }
            Message::Compiled(made) => self.compiled(*made),
            Message::Read(set, read) => self.read(&set, read),
            Message::Watched(scope, event) => self.watched(scope, event),
            Message::Looked(round, looked) => self.looked(round, looked),
            Message::Written(..) => self.rest(message),
            Message::Done { .. } | Message::Deleted(..) => self.rest(message),
            Message::Again(round) => self.again(round),
            Message::Retry(request) => {
                self.failing.entry(request.clone()).and_modify(|it| it.timer.abort());
                self.retry(&request);
            }
            Message::Check(identity) => self.check(identity),
            Message::Checked(identity, found) => self.checked(identity, found),
            Message::Confirmed { identity, gaps, dry_run } => {
                self.confirmed(identity, gaps, dry_run);
            }
            Message::Blamed(key, blamed) => {
                if let Some(drift) = self.drift.get_mut(&key) {
                    drift.blamed = Some(blamed);
                }
                self.tell(&key);
            }
            Message::Tell(key) => self.tell(&key),
            Message::Correct(identity) => self.correct(identity),
            Message::Flush => {
                self.is_flushing = false;
                self.remember();
            }
        }
    }

    /// What is heard even while it ends.
    fn rest(&mut self, message: Message) {
        match message {
            Message::Done { request, round, outcomes, all } => {
                self.done(request, round, outcomes);
                all.iter().for_each(|identity| self.compare(identity));
            }
            Message::Deleted(round, deletes) => self.deleted(round, deletes),
            Message::Written(set, written) => self.wrote(&set, *written),
            _ => {}
        }
    }

    // The newest commit becomes what is wanted.

    fn compile(&mut self) {
        if self.is_compiling {
            return;
        }
        let Some((revision, seen)) = self.waiting.take() else { return };
        self.is_compiling = true;
        let (send, compiler) = (self.send.clone(), Arc::clone(&self.compiler));
        let environment = self.options.environment.clone();
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let Revision { commit, directory, loaded, .. } = *revision;
            let made = match &loaded.manifest.name {
                None => {
                    let why = match loaded.findings.iter().find(|it| it.severity == Severity::Error)
                    {
                        Some(mistake) => format!("plumb.toml has mistakes: {}", mistake.message),
                        None => "the workspace has no name: its plumb.toml says none".to_owned(),
                    };
                    Err((commit, why))
                }
                Some(name) => {
                    let workspace = name.clone();
                    let mut compiler = compiler.lock().unwrap_or_else(PoisonError::into_inner);
                    // A mistake of the compiler is one commit that cannot be applied, and no end of all.
                    let render = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        compiler.render(loaded, &environment, Form::Remembered)
                    }));
                    match render {
                        Ok(Ok(render)) => {
                            let took = began.elapsed();
                            Ok(Made { commit, directory, workspace, seen, took, render })
                        }
                        Ok(Err(unknown)) => Err((commit, unknown.to_string())),
                        Err(_) => {
                            *compiler = Compiler::default();
                            Err((commit, "the compiler panicked: a mistake of Plumb".to_owned()))
                        }
                    }
                }
            };
            let _ = send.send(Message::Compiled(Box::new(made)));
        });
    }

    fn compiled(&mut self, made: Result<Made, (String, String)>) {
        self.is_compiling = false;
        let made = match made {
            Ok(made) => made,
            Err((commit, why)) => {
                self.listener.hear(&News::Unusable { commit: &commit, why: &why });
                return self.compile();
            }
        };
        let Made { commit, render, took, .. } = &made;
        self.listener.hear(&News::Compiled { commit, render, took: *took });
        if render.unknown.all {
            let why = "plumb.toml has mistakes, so nothing is applied";
            self.listener.hear(&News::Unusable { commit, why });
        } else {
            let set = Set::new(&made.workspace, &self.options.environment, &self.options.namespace);
            if self.set.as_ref().is_some_and(|it| *it != set) {
                // Under another name it is another set: what was applied under the old one stays with that.
                self.forget();
            }
            if self.set.is_none() {
                self.id = set.id();
                self.set = Some(set);
                self.read_inventory(Duration::ZERO);
            }
            self.follow(made);
        }
        // A commit that came in between is next.
        self.compile();
    }

    fn forget(&mut self) {
        self.watches.drain().for_each(|(_, watch)| watch.task.abort());
        self.live.clear();
        self.others.clear();
        self.inventory = None;
        self.written = Inventory::default();
        self.wanted.clear();
        self.drift.clear();
        self.set = None;
        self.round = None;
    }

    fn follow(&mut self, made: Made) {
        let render = Arc::new(made.render);
        let unknown = &render.unknown;
        let mut wanted: HashMap<Identity, Arc<Desired>> =
            render.objects.iter().map(|it| (it.identity.clone(), Arc::clone(it))).collect();
        // What does not build keeps what it has, as it was wanted last.
        for (identity, desired) in self.wanted.drain() {
            if unknown.may_hide(&desired.request) {
                wanted.entry(identity).or_insert(desired);
            }
        }
        self.wanted = wanted;
        self.scaled = Arc::new(scaled(&render));
        let Made { commit, directory, seen, .. } = made;
        self.made = Some(Arc::new(Following { commit, directory, render: Arc::clone(&render) }));
        for (_, failing) in self.failing.drain() {
            failing.timer.abort();
        }
        self.forget_mended();
        self.begin_round(seen);
    }

    fn begin_round(&mut self, seen: Instant) {
        let Some(following) = &self.made else { return };
        self.rounds += 1;
        self.round = Some(Round {
            number: self.rounds,
            seen,
            stage: Stage::Looking,
            schedule: Schedule::new(&following.render),
            actions: BTreeMap::new(),
            plan: Plan::default(),
            open: following.render.requests.len(),
            is_deleted: false,
            is_partial: false,
        });
        self.look();
    }

    // The inventory.

    fn read_inventory(&self, after: Duration) {
        let (send, cluster) = (self.send.clone(), self.cluster.clone());
        let Some(set) = self.set.clone() else { return };
        tokio::spawn(async move {
            sleep(after).await;
            let read = match cluster.pages(&set).await {
                Ok(pages) => Inventory::read(&set, &pages).map_err(Refusal::unreachable),
                Err(refusal) => Err(refusal),
            };
            let _ = send.send(Message::Read(set, read));
        });
    }

    fn read(&mut self, set: &Set, read: Result<Inventory, Refusal>) {
        // The workspace may have another name by now.
        if self.set.as_ref() != Some(set) {
            return;
        }
        match read {
            Ok(read) => {
                let known = match self.inventory.take() {
                    None => read.clone(),
                    // Somebody took it away: it is what we know, and is written anew.
                    Some(mut ours) if read.is_new() => {
                        ours.stands_as(&read);
                        ours
                    }
                    // Somebody else wrote it, too: what was changed here is changed there.
                    Some(ours) => read.clone().with_changes(&self.written, &ours),
                };
                self.written = read;
                self.inventory = Some(known);
                self.look();
                self.remember();
            }
            Err(refusal) => {
                self.listener.hear(&News::Lost(&refusal));
                self.read_inventory(refusal.retry_after.unwrap_or(Duration::from_secs(2)));
            }
        }
    }

    /// Writes what is not written yet.
    fn remember(&mut self) {
        let (Some(set), Some(inventory)) = (&self.set, &self.inventory) else { return };
        if self.is_writing {
            return;
        }
        if inventory.entries == self.written.entries {
            return self.remembered();
        }
        self.is_writing = true;
        let (send, cluster, set) = (self.send.clone(), self.cluster.clone(), set.clone());
        let (mut inventory, before) = (inventory.clone(), self.written.clone());
        tokio::spawn(async move {
            let result = write(&cluster, &mut inventory, &before, &set).await;
            let _ = send.send(Message::Written(set, Box::new((inventory, result))));
        });
    }

    fn wrote(&mut self, set: &Set, (written, result): (Inventory, Result<(), Refusal>)) {
        self.is_writing = false;
        if self.set.as_ref() != Some(set) {
            return self.remember();
        }
        match result {
            Ok(()) => {
                if let Some(inventory) = &mut self.inventory {
                    inventory.stands_as(&written);
                }
                self.written = written;
                self.remembered();
                // More may have come while it was written.
                self.flush_soon();
            }
            Err(refusal) => {
                self.listener.hear(&News::Lost(&refusal));
                let after = match refusal.kind {
                    Reason::Stale => Duration::ZERO,
                    _ => refusal.retry_after.unwrap_or(Duration::from_secs(2)),
                };
                // What is there now is read, and what was changed here is changed in that.
                self.read_inventory(after);
            }
        }
    }

    /// Has what was applied remembered soon, with what follows.
    fn flush_soon(&mut self) {
        let is_behind =
            self.inventory.as_ref().is_some_and(|it| it.entries != self.written.entries);
        if is_behind && !self.is_flushing {
            self.is_flushing = true;
            self.after(GATHER, Message::Flush);
        }
    }

    async fn remember_all(&mut self) {
        let (Some(set), Some(inventory)) = (&self.set, &mut self.inventory) else { return };
        if inventory.entries != self.written.entries && !self.is_writing {
            let _ = write(&self.cluster, inventory, &self.written, set).await;
        }
    }

    fn after(&self, pause: Duration, message: Message) -> AbortHandle {
        let send = self.send.clone();
        let task = tokio::spawn(async move {
            sleep(pause).await;
            let _ = send.send(message);
        });
        task.abort_handle()
    }

    // What is there.

    /// Watches all that is, or will be, of the set; when that has told all, looks for what else has its names.
    fn look(&mut self) {
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

    fn look_further(&mut self) {
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
    fn unseen(&self) -> Unseen {
        let mut unseen = Unseen::default();
        for (scope, watch) in &self.watches {
            if let Some(refusal) = &watch.refused {
                unseen.insert(scope.clone(), refusal.clone());
            }
        }
        unseen
    }

    fn watched(&mut self, scope: Scope, event: Event) {
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

    fn is(&mut self, identity: Identity, object: Json) {
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
    fn count_soon(&mut self) {
        if !self.is_counting {
            self.is_counting = true;
            self.after(GATHER, Message::Count);
        }
    }

    fn count(&mut self) {
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

    fn look_at_health(&mut self, identity: &Identity) {
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

    fn gone(&mut self, identity: Identity) {
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
    fn check(&mut self, identity: Identity) {
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

    fn checked(&mut self, identity: Identity, found: Result<Option<Json>, Refusal>) {
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

    // A round.

    fn looked(&mut self, number: u64, looked: Result<Snapshot, Refusal>) {
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

    fn again(&mut self, number: u64) {
        match &self.round {
            Some(round) if round.number == number && round.stage == Stage::Over => {
                self.begin_round(Instant::now());
            }
            Some(round) if round.number == number => self.look_further(),
            _ => {}
        }
    }

    /// Decides what the newest commit means for what is there.
    fn begin(&mut self, inhabited: BTreeSet<Identity>, unseen: Unseen) {
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
    fn remembered(&mut self) {
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
    fn work(&mut self) {
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

    fn over(&mut self) {
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
    fn start(
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

    fn done(&mut self, request: Option<usize>, round: u64, outcomes: Vec<(Arc<Desired>, Outcome)>) {
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
    fn fail(&mut self, request: Name, refusal: &Refusal) {
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

    fn retry(&mut self, name: &Name) {
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
    fn settled_late(&mut self) {
        if self.failing.is_empty()
            && let Some(round) = &mut self.round
            && round.stage == Stage::Over
        {
            round.stage = Stage::Working;
            self.over();
        }
    }

    fn action_of(&self, desired: &Desired, render: &Render) -> Action {
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

    fn delete(&mut self) {
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

    fn deleted(&mut self, number: u64, deletes: Vec<(Delete, Result<bool, Refusal>)>) {
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

    // Drift.

    /// Compares an object with what was applied of it.
    fn compare(&mut self, identity: &Identity) {
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

    fn confirmed(&mut self, identity: Identity, found: Vec<Gap>, dry_run: Result<Json, Refusal>) {
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

    fn drifted(&mut self, identity: &Identity, found: Vec<Gap>) {
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

    fn tell(&mut self, key: &Key) {
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
    fn sources(&self, desired: &Desired, gap: &Gap) -> (Option<Line>, Vec<String>) {
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
    fn line(&self, desired: &Desired, value: &Value) -> Option<Line> {
        let following = self.made.as_ref()?;
        let compiler = self.compiler.try_lock().ok()?;
        let source = compiler.source(&self.options.environment, &desired.manifest, value)?;
        let (file, line) = place(&compiler, &following.directory, &source.location);
        Some(Line { file, line, layer: source.layer })
    }

    /// Of an object's drift, all but this is over.
    fn mended(&mut self, identity: &Identity, still: &[Gap]) {
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
    fn forget_mended(&mut self) {
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

    fn correct_soon(&mut self, identity: &Identity) {
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

    fn correct(&mut self, identity: Identity) {
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

/// The version of an object. It counts up: since Kubernetes 1.35 that is promised, and before it was so.
fn version(object: &Json) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// What git has as it had is no change of git's: if it is otherwise in the cluster, that is drift.
fn is_drift(known: Option<&Entry>, desired: &Desired, object: Option<&Json>) -> bool {
    known.is_some_and(|it| {
        it.digest.as_deref() == Some(desired.digest.as_str())
            && it.uid.is_some()
            && object.is_none_or(|object| it.uid.as_deref() == Some(uid(object)))
    })
}

/// What tells an object from others that had its name.
fn uid(object: &Json) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
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
