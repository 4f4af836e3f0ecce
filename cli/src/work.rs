//! The requests of an environment on all cores.
//!
//! Each worker has a snapshot of the database and makes every so-many-th chunk of requests; the chunks
//! come back in order, through channels that hold few, so memory stays bounded and what is printed is the
//! same however many workers there are.

use plumb_compiler::Database;
use plumb_compiler::batch::{Batch, Form, Maker, Outcome, Piece, Turn};
use plumb_compiler::source::Workspace;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{env, thread};

/// The requests that a worker makes before it hands them over: enough to make handing over cheap, few
/// enough that all workers are done at about the same time.
const CHUNK: usize = 64;

/// The chunks that a worker may be ahead.
const AHEAD: usize = 2;

/// Stack of a worker, in bytes: what nests deeply grows it.
const STACK: usize = 16 << 20;

/// Requests that were made, with their documents.
struct Chunk {
    text: String,
    outcomes: Vec<(Outcome, Range<usize>)>,
}

/// As many as there are cores; `PLUMB_THREADS` says otherwise.
pub(crate) fn threads() -> usize {
    let asked = env::var("PLUMB_THREADS").ok().and_then(|text| text.parse().ok());
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    asked.filter(|count| *count > 0).unwrap_or_else(cores)
}

/// Gives each request of an environment its turn; what is to be printed goes to `print`, in order.
///
/// # Errors
///
/// Those of `print`; nothing more is made then.
pub(crate) fn run<E: Send>(
    batch: &mut Batch<'_>,
    db: &Database,
    workspace: Workspace,
    environment: &str,
    form: Form,
    threads: usize,
    print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    batch.begin(environment);
    let turns = batch.turns();
    let requests: Vec<_> = turns
        .iter()
        .filter_map(|turn| match turn {
            Turn::Make(request, _) => Some(*request),
            Turn::Rest(_) => None,
        })
        .collect();
    let chunks: Vec<_> = requests.chunks(CHUNK).collect();
    let workers = threads.clamp(1, chunks.len().max(1));
    let make = |maker: &mut Maker<'_>, chunk: usize| {
        let mut made = Chunk { text: String::new(), outcomes: Vec::with_capacity(CHUNK) };
        for request in chunks[chunk] {
            let start = made.text.len();
            let outcome = maker.make(*request, &mut made.text);
            made.outcomes.push((outcome, start..made.text.len()));
        }
        made
    };
    thread::scope(|scope| {
        let mut made: Vec<Receiver<Chunk>> = Vec::new();
        let mut alone = None;
        if workers == 1 {
            alone = Maker::new(db, workspace, environment, form);
        } else {
            for worker in 0..workers {
                let (give, take): (SyncSender<Chunk>, _) = sync_channel(AHEAD);
                made.push(take);
                let (db, make, count) = (db.clone(), &make, chunks.len());
                let work = move || {
                    let Some(mut maker) = Maker::new(&db, workspace, environment, form) else {
                        return;
                    };
                    for chunk in (worker..count).step_by(workers) {
                        // Nobody listens once something could not be written.
                        if give.send(make(&mut maker, chunk)).is_err() {
                            return;
                        }
                    }
                };
                thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, work)
                    .unwrap_or_else(|error| panic!("cannot start a thread: {error}"));
            }
        }
        let mut next = 0;
        let mut ready = Chunk { text: String::new(), outcomes: Vec::new() };
        let mut waiting = Vec::new().into_iter();
        for turn in &turns {
            match turn {
                Turn::Rest(request) => batch.rest(*request, print)?,
                Turn::Make(_, is_early) => {
                    let (outcome, range) = match waiting.next() {
                        Some(made) => made,
                        None => {
                            ready = match &mut alone {
                                Some(maker) => make(maker, next),
                                // A worker that panicked is told of where the scope ends.
                                None => match made[next % workers].recv() {
                                    Ok(chunk) => chunk,
                                    Err(_) => return Ok(()),
                                },
                            };
                            next += 1;
                            waiting = std::mem::take(&mut ready.outcomes).into_iter();
                            match waiting.next() {
                                Some(made) => made,
                                None => return Ok(()),
                            }
                        }
                    };
                    batch.take(outcome, &ready.text[range], *is_early, print)?;
                }
            }
        }
        batch.end(print)
    })
}
