//! The Plumb compiler: text in, diagnostics, answers and Kubernetes manifests out. No I/O.

pub mod answers;
pub mod diagnostics;
pub mod notation;
#[allow(missing_docs, reason = "salsa documents none of what it generates")]
pub mod source;
pub mod syntax;
pub mod value;
