//! The Plumb compiler: text in, diagnostics, answers and Kubernetes manifests out. No I/O.

pub mod answers;
pub mod builtins;
pub mod diagnostics;
pub mod json;
pub mod notation;
#[allow(missing_docs, reason = "salsa documents none of what it generates")]
pub mod source;
pub mod syntax;
#[cfg(test)]
mod testing;
pub mod value;
pub mod yaml;
