//! The Plumb compiler: text in, diagnostics, answers and Kubernetes manifests out.
//!
//! ```text
//! text ─ syntax ─> tree with holes          a query a file
//!      ─ items ──> keys of declarations     the firewall: an edit inside one stops here
//!      ─ names ──> scopes, environments
//!      ─ types, infer ─> types, mistakes    a query a declaration
//!      ─ layers, eval ─> a request in an environment, merged, completed, checked
//!      ─ objects ──> checked Kubernetes objects
//!      ─ engine, why ─> answers             plain functions over the same values
//! ```
//!
//! No I/O, no clock, no thread, nothing of a cluster or an editor. Broken text is a tree with holes
//! and a list of errors, never a panic. The same input gives the same bytes.

pub mod allow;
pub mod answers;
pub mod arms;
pub mod batch;
pub mod builtins;
pub mod by_name;
pub mod changes;
mod db;
pub mod diagnostics;
pub mod engine;
pub mod eval;
pub mod infer;
pub mod items;
pub mod json;
pub mod layers;
pub mod names;
pub mod notation;
pub mod objects;
pub mod outputs;
pub mod plan;
pub mod references;
#[allow(missing_docs, reason = "salsa documents none of what it generates")]
pub mod source;
pub mod syntax;
#[cfg(test)]
mod testing;
pub mod types;
pub mod value;
pub mod versions;
pub mod why;
pub mod yaml;

/// The file that marks the root of a workspace.
pub const MANIFEST: &str = "plumb.toml";

pub use db::{Database, Db};
pub use engine::{build, check, check_only, environments};
pub use syntax::format;
pub use why::why;
