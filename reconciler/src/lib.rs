//! The cluster follows git.

pub mod git;
