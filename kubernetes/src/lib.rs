//! What a real Kubernetes API server serves: kinds, fields, types.

/// A kind of one version of Kubernetes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KindId(pub u32);
