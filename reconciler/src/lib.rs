//! The cluster follows git, and says where it does not.
//!
//! ```text
//! git        a repository's newest commit ─> plumb_workspace::Loaded
//! render     what an environment should have: objects, each with what made its values
//! inventory  what was applied before, by the ApplySet specification
//! plan       what is to be done: a function of these and of what is there, and nothing else
//! preview    what that would change, field by field
//! apply      does it, through `cluster`, which is the one that speaks to the API server
//! rbac       what whoever does it must be allowed to do
//! health     whether what was applied works
//! drift      where the cluster is not as it was applied, and since whom
//! watch      all of it, again and again, as commits and changes come
//! log, metrics, serve, webhook    what happens, for people and programs, and what wakes it
//! ```
//!
//! Decisions are functions of values. Only `cluster` and `git` reach out.

pub mod apply;
pub mod blame;
pub mod cluster;
pub mod drift;
pub mod git;
pub mod health;
pub mod inventory;
pub mod log;
pub mod metrics;
pub mod owned;
pub mod plan;
pub mod preview;
pub mod rbac;
pub mod refusal;
pub mod render;
pub mod serve;
pub mod status;
#[cfg(test)]
mod testing;
pub mod watch;
pub mod webhook;

/// The name under which Plumb owns fields, for server-side apply.
pub const FIELD_MANAGER: &str = "plumb";
