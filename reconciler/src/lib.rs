//! The cluster follows git.
