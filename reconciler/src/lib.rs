//! The cluster follows git.

pub mod git;
pub mod webhook;
pub mod metrics;
pub mod serve;
