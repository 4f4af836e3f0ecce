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

mod drifting;
mod remembered;
mod repository;
mod round;
mod seen;

use crate::apply::{Outcome, Schedule, Scope, Snapshot, Unseen};
use crate::cluster::{Cluster, Event};
use crate::drift::{Gap, Policy, Turns};
use crate::git::{Blamed, Fetched, GitError, Mirror, Revision};
use crate::health::Health;
use crate::inventory::{Inventory, Set};
use crate::plan::{Action, Delete, Live, Plan, scaled};
use crate::refusal::{Reason, Refusal};
use crate::render::{Compiler, Desired, Render};
use plumb_compiler::batch::Form;
use plumb_compiler::changes::Identity;
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::syntax::ast::Name;
use repository::GitThread;
use serde_json::Value as Json;
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

    fn after(&self, pause: Duration, message: Message) -> AbortHandle {
        let send = self.send.clone();
        let task = tokio::spawn(async move {
            sleep(pause).await;
            let _ = send.send(message);
        });
        task.abort_handle()
    }
}

/// What tells an object from others that had its name.
fn uid(object: &Json) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}
