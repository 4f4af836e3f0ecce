//! Any text is formatted: once is enough, and nothing is said that was not said before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plumb_compiler::syntax::{format, parse};

fuzz_target!(|text: &str| {
    let formatted = format(text).text;
    assert_eq!(format(&formatted).text, formatted, "formatted twice is something else");
    let items =
        |text: &str| parse(text).items.into_iter().map(|it| (it.item, it.docs)).collect::<Vec<_>>();
    let (before, after) = (parse(text), parse(&formatted));
    assert_eq!(before.errors.len(), after.errors.len(), "other errors");
    if before.errors.is_empty() {
        assert_eq!(items(text), items(&formatted), "means something else");
    }
});
