//! Any text gives tokens that tile it, and declarations and errors whose places are in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plumb_compiler::syntax::{parse, tokens};

fuzz_target!(|text: &str| {
    let parsed = parse(text);
    let mut end = 0;
    for token in tokens(text) {
        assert_eq!(token.range.start, end, "a gap or an overlap between tokens");
        end = token.range.end;
    }
    assert_eq!(end as usize, text.len(), "tokens end before the text does");
    let is_in = |start: u32, end: u32| text.get(start as usize..end as usize).is_some();
    for error in &parsed.errors {
        assert!(is_in(error.range.start, error.range.end), "{error:?}");
        for (range, _) in error.related.iter().chain(&error.fix) {
            assert!(is_in(range.start, range.end), "{error:?}");
        }
    }
    for item in &parsed.items {
        assert!(item.spans.iter().all(|span| is_in(span.start, span.end)), "{item:?}");
    }
});
