//! The one style, as the fewest changes of lines.

use plumb_compiler::syntax::ast::TextRange;
use similar::{DiffOp, TextDiff};

/// What changes a text into the one style: the cursor stays where lines are as they were.
pub fn whole(text: &str) -> Vec<(TextRange, String)> {
    edits(text, &plumb_compiler::format(text).text)
}

/// What changes the declarations that a range touches into the one style.
pub fn part(text: &str, range: TextRange) -> Vec<(TextRange, String)> {
    let items = plumb_compiler::syntax::parse(text).items;
    let touched = items
        .iter()
        .map(|it| it.range)
        .filter(|it| it.start < range.end.max(range.start + 1) && it.end >= range.start);
    let mut found = Vec::new();
    for it in touched {
        // With the end of its last line, and a comment there.
        let rest = text.get(it.end as usize..).unwrap_or_default();
        let end = rest.find('\n').map_or(text.len(), |at| it.end as usize + at + 1);
        let Some(declaration) = text.get(it.start as usize..end) else { continue };
        let edits = edits(declaration, &plumb_compiler::format(declaration).text);
        found.extend(
            edits
                .into_iter()
                .map(|(at, new)| (TextRange::new(at.start + it.start, at.end + it.start), new)),
        );
    }
    found
}

/// What a letter that was just typed before a place changes. A closing bracket has the declaration that it
/// closes brought into the style, where it is whole; a new line has what stands before it.
pub fn typed(text: &str, offset: u32, letter: &str) -> Vec<(TextRange, String)> {
    let at = (offset as usize).min(text.len());
    let Some(before) = text.get(..at) else { return Vec::new() };
    if letter != "\n" {
        let last = offset.saturating_sub(1);
        return part(text, TextRange::new(last, last));
    }
    // The cursor's own line is left to the editor, which indents it.
    let end = before.rfind('\n').map_or(0, |it| it + 1) as u32;
    let last = end.saturating_sub(1);
    let start = before[..last as usize].rfind('\n').map_or(0, |it| it + 1) as u32;
    let mut edits = part(text, TextRange::new(start, last));
    edits.retain(|(at, _)| at.start >= start && at.end <= end);
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
    let mut edits = Vec::new();
    for op in TextDiff::from_slices(&olds, &news).ops() {
        let (from, to) = (op.old_range(), op.new_range());
        match op {
            DiffOp::Equal { .. } => {}
            // Line by line, as the lines are the author's.
            DiffOp::Replace { .. } if from.len() == to.len() => {
                edits.extend(from.zip(to).filter(|(from, to)| olds[*from] != news[*to]).map(
                    |(from, to)| {
                        (TextRange::new(starts[from], starts[from + 1]), news[to].to_owned())
                    },
                ));
            }
            _ => edits
                .push((TextRange::new(starts[from.start], starts[from.end]), news[to].concat())),
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, letter: &str) -> String {
        let offset = text.find("$0").expect("a cursor");
        let mut text = text.replacen("$0", "", 1);
        for (at, new) in typed(&text, offset as u32, letter).into_iter().rev() {
            text.replace_range(at.start as usize..at.end as usize, &new);
        }
        text
    }

    #[test]
    fn a_bracket_that_closes_formats_its_declaration() {
        let text = "let a={b=1}\nlet c={\n  d=1\n }$0\nlet e={f=1}\n";
        assert_eq!(after(text, "}"), "let a={b=1}\nlet c = {\n    d = 1\n}\nlet e={f=1}\n");
    }

    #[test]
    fn a_new_line_formats_the_one_before() {
        let text = "let a={b=1}\nlet c={d=1}\n$0\nlet e={f=1}\n";
        assert_eq!(after(text, "\n"), "let a={b=1}\nlet c = { d = 1 }\n\nlet e={f=1}\n");
    }

    #[test]
    fn what_is_not_whole_stays() {
        for letter in ["}", "\n"] {
            let text = "let a={b=1\n  }}$0\nlet é={";
            assert_eq!(after(text, letter), text.replace("$0", ""));
        }
    }

    #[test]
    fn a_range_takes_what_touches_it() {
        let text = "let a={}\nlet b={}\nlet c={}\n";
        let edits = part(text, TextRange::new(9, 12));
        assert_eq!(edits, vec![(TextRange::new(9, 18), "let b = {}\n".to_owned())]);
    }
}
