//! The small notations inside values.

/// An amount as Kubernetes writes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Quantity {
    /// Billionths.
    pub nanos: i128,
    /// Printed with `Ki`, `Mi`, … rather than `k`, `M`, ….
    pub binary: bool,
}

/// A length of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Duration {
    /// Milliseconds.
    pub millis: i64,
}
