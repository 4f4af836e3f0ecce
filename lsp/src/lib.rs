//! The language server: what an editor asks, answered by the engine that builds and applies.
//!
//! ```text
//! editor ── server ──> documents and files become inputs of the database, in the order they come
//!        ── server ──> a question waits for a snapshot and a thread
//!        ── ide ─────> plain data: no protocol, no lines and columns
//!        <─ server ─── converted back
//! ```

pub mod ide;
pub mod server;
