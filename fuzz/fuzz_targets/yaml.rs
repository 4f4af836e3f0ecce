//! Any YAML and JSON is read or refused, and what was read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plumb_compiler::{json, yaml};

fuzz_target!(|text: &str| {
    let origin = plumb_fuzz::origin();
    if let Ok(value) = yaml::read(text, origin) {
        let mut written = String::new();
        yaml::write_document(&mut written, &value);
        let again = yaml::read(&written, origin).expect("what is written can be read");
        assert_eq!(json::canonical(&value), json::canonical(&again), "{written}");
    }
    if let Ok(value) = json::read(text, origin) {
        let mut written = String::new();
        json::write(&mut written, &value, true);
        let again = json::read(&written, origin).expect("what is written can be read");
        assert_eq!(json::canonical(&value), json::canonical(&again), "{written}");
    }
});
