//! The Plumb compiler: text in, diagnostics, answers and Kubernetes manifests out. No I/O.

pub mod diagnostics;
pub mod syntax;
