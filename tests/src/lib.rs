//! The tests of what users see.
