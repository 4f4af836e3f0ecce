//! Text of one file to a tree with holes and a list of errors.

pub mod ast;
