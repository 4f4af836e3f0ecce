//! Work on all cores.
//!
//! Each worker has a snapshot of the database and makes every so-many-th chunk of requests; the chunks
//! come back in order, through channels that hold few, so memory stays bounded and what is printed is the
//! same however many workers there are.

use plumb_compiler::Database;
use plumb_compiler::batch::{Batch, Extent, Form, Maker, Outcome, Piece, Turn};
use plumb_compiler::engine::parse_part;
use plumb_compiler::source::Workspace;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::{Scope, ScopedJoinHandle};
use std::{env, thread};

/// The requests that a worker makes before it hands them over: enough to make handing over cheap, few
/// enough that all workers are done at about the same time.
const CHUNK: usize = 64;

/// The chunks that a worker may be ahead.
const AHEAD: usize = 1;

/// Stack of a worker, in bytes: what nests deeply grows it.
const STACK: usize = 16 << 20;

/// Requests that were made, with their documents.
struct Chunk {
    text: String,
    outcomes: Vec<(Outcome, Range<usize>)>,
}

/// As many as there are cores; `PLUMB_THREADS` says otherwise.
pub fn threads() -> usize {
    let asked = env::var("PLUMB_THREADS").ok().and_then(|text| text.parse().ok());
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    asked.filter(|count| *count > 0).unwrap_or_else(cores)
}

/// Has all files parsed.
pub fn parse(db: &Database, workspace: Workspace, threads: usize) {
    parts(db, threads, |db, part| parse_part(db, workspace, part, threads));
}

/// Begins a batch; the types of all declarations are inferred for it.
pub fn batch(db: &Database, workspace: Workspace, extent: Extent, threads: usize) -> Batch<'_> {
    parts(db, threads, |db, part| extent.infer_part(db, workspace, part, threads));
    Batch::new(db, workspace, extent)
}

/// Has work done in so many parts, the first of them by this thread: each thread more is memory that only it
/// fills.
fn parts(db: &Database, threads: usize, work: impl Fn(&Database, usize) + Sync) {
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|part| {
                let (db, work) = (db.clone(), &work);
                spawn(scope, move || work(&db, part))
            })
            .collect();
        work(db, 0);
        for other in others {
            // Of its panic the hook has spoken already.
            other.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

fn spawn<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce() -> T + Send + 's,
) -> ScopedJoinHandle<'s, T> {
    let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
    thread.unwrap_or_else(|error| panic!("cannot start a thread: {error}"))
}

/// Gives each request of an environment its turn; what is to be printed goes to `print`, in order.
///
/// # Errors
///
/// Those of `print`; nothing more is made then.
pub fn run<E>(
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
    let work = |db: &Database, numbers: &mut dyn Iterator<Item = usize>, give: Give<'_, Chunk>| {
        let Some(mut maker) = Maker::new(db, workspace, environment, form) else { return };
        let mut size = 0;
        for number in numbers {
            // A chunk is about as long as the one before.
            let text = String::with_capacity(size + size / 8);
            let mut made = Chunk { text, outcomes: Vec::with_capacity(CHUNK) };
            for request in chunks[number] {
                let start = made.text.len();
                let outcome = maker.make(*request, &mut made.text);
                made.outcomes.push((outcome, start..made.text.len()));
            }
            size = made.text.len();
            if !give(made) {
                return;
            }
        }
    };
    let mut turns = turns.iter();
    in_order(db, threads, chunks.len(), work, &mut |made| {
        for (outcome, range) in made.outcomes {
            for turn in turns.by_ref() {
                match turn {
                    Turn::Rest(request) => batch.rest(*request, print)?,
                    Turn::Make(_, is_early) => {
                        batch.take(outcome, &made.text[range], *is_early, print)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    })?;
    for turn in turns {
        if let Turn::Rest(request) = turn {
            batch.rest(*request, print)?;
        }
    }
    batch.end(print)
}

/// Takes what a worker made; whether more is wanted.
type Give<'g, T> = &'g mut dyn FnMut(T) -> bool;

/// Has things made by so many workers, and takes them in the order of their numbers, from 0 to `count`.
/// `work` makes those of one worker, one after the other.
///
/// # Errors
///
/// Those of `take`; nothing more is made then.
fn in_order<T: Send, E>(
    db: &Database,
    workers: usize,
    count: usize,
    work: impl Fn(&Database, &mut dyn Iterator<Item = usize>, Give<'_, T>) + Sync,
    take: &mut dyn FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let workers = workers.min(count);
    if workers <= 1 {
        let mut taken = Ok(());
        work(db, &mut (0..count), &mut |made| {
            taken = take(made);
            taken.is_ok()
        });
        return taken;
    }
    thread::scope(|scope| {
        let mut all = Vec::with_capacity(workers);
        for worker in 0..workers {
            let (give, made) = sync_channel(AHEAD);
            let (db, work) = (db.clone(), &work);
            let work = move || {
                // Nobody listens once something could not be taken.
                let give = &mut |made| give.send(made).is_ok();
                work(&db, &mut (worker..count).step_by(workers), give);
            };
            all.push((made, spawn(scope, work)));
        }
        for number in 0..count {
            match all[number % workers].0.recv() {
                Ok(made) => take(made)?,
                Err(_) => {
                    // It panicked, of which the hook has spoken already: so nobody speaks again.
                    let (_, thread) = all.swap_remove(number % workers);
                    return thread.join().map_or_else(|panic| resume_unwind(panic), Ok);
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Loaded, Manifest};
    use plumb_compiler::answers::Finding;
    use plumb_compiler::plan::Notation;
    use plumb_compiler::source::Content;
    use std::convert::Infallible;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    const PLATFORM: &str = r#"use k8s.core.v1 as core

schema Env {}

environment dev: Env {}
environment prod: Env {}

schema App { object: String }

compose App as a {
    emit core.ConfigMap { metadata.name = a.object, data = { from = "${environment.name}" } }
}

schema Team { size: Int }

compose Team as t {
    emit core.ConfigMap { metadata.name = t.name, data = { size = "${t.size}" } }
    emit core.Namespace { metadata.name = "space-${t.name}" }
}
"#;

    /// What is printed of a workspace of several chunks, and what is wrong in it: two requests make the
    /// same object, and the last ones make namespaces.
    fn built(threads: usize) -> (String, Vec<Finding>) {
        let mut requests = String::from("use platform\n\npackage { namespace = \"apps\" }\n");
        for number in 0..CHUNK * 3 {
            let object = if number == 7 { 150 } else { number };
            requests += &format!(
                "\nrequest app-{number:03}: platform.App {{ object = \"object-{object}\" }}\n"
            );
        }
        for number in 0..3 {
            requests += &format!("\nrequest team-{number}: platform.Team {{ size = {number} }}\n");
        }
        let files = [("platform/platform.plumb", PLATFORM), ("apps/apps.plumb", &requests)];
        let db = Database::default();
        let files = files.map(|(path, text)| (path.into(), Content::Text(text.into())));
        let loaded = Loaded {
            root: "/work".into(),
            selected: "".into(),
            files: files.into_iter().collect(),
            dependencies: Vec::new(),
            manifest: Manifest::default(),
            findings: Vec::new(),
        };
        let workspace = loaded.open(&db);
        parse(&db, workspace, threads);
        let extent = Extent::whole(&db, workspace);
        let mut batch = batch(&db, workspace, extent, threads);
        let mut out = String::new();
        for environment in ["dev", "prod"] {
            let print = &mut |piece: Piece<'_>| {
                let Piece::Text(text) = piece else { panic!("text was asked for") };
                out.push_str(text);
                Ok::<(), Infallible>(())
            };
            let Ok(()) = run(
                &mut batch,
                &db,
                workspace,
                environment,
                Form::Text(Notation::Yaml),
                threads,
                print,
            );
        }
        (out, batch.findings())
    }

    #[test]
    fn what_is_printed_and_told_is_the_same_on_any_number_of_threads() {
        let (out, findings) = built(1);
        let clashes: Vec<_> = findings.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(clashes, ["two objects are ConfigMap object-150 in namespace apps"]);
        assert_eq!(findings[0].environments, ["dev", "prod"]);
        let kinds: Vec<_> = out.lines().filter(|line| line.starts_with("kind: ")).collect();
        let (dev, prod) = kinds.split_at(kinds.len() / 2);
        assert_eq!(dev, prod);
        assert_eq!(dev.len(), CHUNK * 3 - 1 + 2 * 3);
        assert!(dev[..3].iter().all(|line| *line == "kind: Namespace"), "{:?}", &dev[..4]);
        for threads in [2, 5] {
            assert_eq!(built(threads), (out.clone(), findings.clone()), "{threads} threads");
        }
    }

    /// Numbers as so many workers make them, until `last` was taken.
    fn counted(workers: usize, last: usize) -> (Vec<usize>, Result<(), usize>) {
        let mut taken = Vec::new();
        let db = Database::default();
        let work =
            |_: &Database, numbers: &mut dyn Iterator<Item = usize>, give: Give<'_, usize>| {
                for number in numbers {
                    if !give(number) {
                        return;
                    }
                }
            };
        let result = in_order(&db, workers, 100, work, &mut |number| {
            taken.push(number);
            if number == last { Err(number) } else { Ok(()) }
        });
        (taken, result)
    }

    #[test]
    fn things_are_taken_in_order_until_one_cannot_be() {
        for workers in [0, 1, 2, 5, 200] {
            assert_eq!(counted(workers, 100), ((0..100).collect(), Ok(())));
            assert_eq!(counted(workers, 31), ((0..=31).collect(), Err(31)));
        }
    }

    #[test]
    fn a_panic_of_a_worker_is_one_of_who_waits_for_it() {
        for workers in [1, 2, 5] {
            let db = Database::default();
            let work =
                |_: &Database, numbers: &mut dyn Iterator<Item = usize>, give: Give<'_, ()>| {
                    for number in numbers {
                        // Past the hook: it is the whole process's, and another test listens to it.
                        if number == 31 {
                            resume_unwind(Box::new("number 31 is wrong"));
                        }
                        if !give(()) {
                            return;
                        }
                    }
                };
            let run = || in_order(&db, workers, 100, work, &mut |()| Ok::<(), Infallible>(()));
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"number 31 is wrong"));
        }
    }
}
