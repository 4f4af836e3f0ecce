//! Answers for an editor as plain data: paths and byte ranges, nothing of the protocol.
//!
//! Everything here is a plain function over the database, so that the editor and the tests call the same.

pub mod actions;
#[cfg(test)]
mod anywhere;
pub mod calls;
pub mod colors;
pub mod complete;
pub mod cursor;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod hints;
pub mod hover;
pub mod imports;
pub mod meaning;
pub mod navigate;
pub mod outline;
pub mod preview;
pub mod references;
pub mod rename;
pub mod signature;
pub mod tree;
pub mod unused;
pub mod values;
