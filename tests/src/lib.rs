//! What the tests of users' behaviour share.
//!
//! The tests themselves are in `tests/tests/*.rs`; this library holds what several of them stand on.

pub mod cluster;
pub mod documents;
pub mod editor;
pub mod facts;
pub mod git;
pub mod plans;
