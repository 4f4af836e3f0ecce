//! Any workspace is checked: no panic, no end without an answer, every finding at a place.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| plumb_fuzz::checked(&plumb_fuzz::sources(text)));
