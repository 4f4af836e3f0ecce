//! Any text, as a workspace: what each shortcut says is what its long way says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plumb_fuzz::{open, sources};

#[path = "../../tests/src/plans.rs"]
#[allow(dead_code, reason = "the tests count what was compared, too")]
mod plans;

fuzz_target!(|text: &str| {
    let (db, workspace) = open(&sources(text));
    let compared = plans::compare(&db, workspace);
    assert!(compared.differences.is_empty(), "{}", compared.differences.join("\n"));
});
