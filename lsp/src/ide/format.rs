//! The one style, as the fewest changes of lines.

use plumb_compiler::syntax::ast::TextRange;
use similar::{DiffOp, TextDiff};

/// What changes a text into the one style: the cursor stays where lines are as they were.
pub fn whole(text: &str) -> Vec<(TextRange, String)> {
    edits(text, &plumb_compiler::format(text).text)
}

/// Those changes that touch a range of lines.
pub fn part(text: &str, range: TextRange) -> Vec<(TextRange, String)> {
    let mut edits = whole(text);
    edits.retain(|(at, _)| at.start < range.end.max(range.start + 1) && at.end >= range.start);
    edits
}

fn edits(old: &str, new: &str) -> Vec<(TextRange, String)> {
    let (olds, news): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut starts = vec![0u32];
    starts.extend(olds.iter().scan(0u32, |at, line| {
        *at += line.len() as u32;
        Some(*at)
    }));
    TextDiff::from_slices(&olds, &news)
        .ops()
        .iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (from, to) = (op.old_range(), op.new_range());
            (TextRange::new(starts[from.start], starts[from.end]), news[to].concat())
        })
        .collect()
}
