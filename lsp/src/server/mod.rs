//! The protocol around the answers: convert in, call, convert out.
//!
//! ```text
//! main task ── edits, in the order they come ──> owner: one thread has the database
//!           ── a question ──> owner hands out a snapshot ──> a thread of the pool answers
//!           <─ findings ── publisher: after each change what it concerns, after a pause all
//! ```
//!
//! Nothing is awaited before an edit is queued. An edit cancels what runs on older text: those questions
//! are asked again on the new one. A panic in one question is one error response.

mod convert;
mod diagnostics;
mod handlers;
mod navigation;
mod owner;
mod shown;
mod worlds;

use handlers::Backend;
use tower_lsp_server::{LspService, Server};

/// Stack of a thread that evaluates, in bytes: as the command line's, what is not touched costs nothing.
const STACK: usize = 64 << 20;

/// Questions that are looked at in one go. Each waits for nothing but its own thread; with few at once, an
/// edit would wait behind slow answers.
const AT_ONCE: usize = 64;

/// Serves one client on standard input and output until it says `exit`; blocks.
///
/// # Errors
///
/// Where no thread can be started.
pub fn serve() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (service, socket) = service();
        Server::new(tokio::io::stdin(), tokio::io::stdout(), socket)
            .concurrency_level(AT_ONCE)
            .serve(service)
            .await;
    });
    // A read of standard input that nobody ends would keep the process.
    runtime.shutdown_background();
    Ok(())
}

fn service() -> (LspService<Backend>, tower_lsp_server::ClientSocket) {
    LspService::build(Backend::new)
        .custom_method("plumb/environments", Backend::environments)
        .custom_method("plumb/preview", Backend::preview)
        .custom_method("plumb/users", Backend::requests)
        .custom_method("plumb/setEnvironment", Backend::set_environment)
        .finish()
}
