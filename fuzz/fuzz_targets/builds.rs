//! Any workspace is built: what is written is read back as what was meant.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| plumb_fuzz::built(&plumb_fuzz::sources(text)));
