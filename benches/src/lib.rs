//! How fast Plumb is, beside other tools on the same work.
//!
//! ```text
//! requests     what is asked for, as plain data: N requests in three environments
//!   -> workload   the same as a workspace of Plumb
//!   -> notation   the same as a program of each peer
//! ```
//!
//! Whoever times something checks first that its result is the right one: a fast wrong answer is
//! worth nothing.

pub mod requests;
pub mod workload;
