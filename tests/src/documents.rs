//! Documents as the tests read them: fenced blocks under headings, which may be files of a workspace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a Markdown document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// What stands after the fence: `plumb`, `yaml`.
    pub language: String,
    /// The lines between the fences, each with its end.
    pub text: String,
    /// The line of the opening fence, from 1.
    pub line: usize,
    /// The text of the nearest heading above, without its marks; empty: there is none.
    pub heading: String,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}

/// The fenced blocks of a document, in order. Fences are three back quotes in column 0.
///
/// # Panics
///
/// If a block is not closed: the rest of the document would silently not be tested.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut heading = String::new();
    let mut open: Option<Block> = None;
    for (index, line) in document.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language: language.trim().to_owned(),
                    text: String::new(),
                    line: index + 1,
                    heading: heading.clone(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {
                if line.starts_with('#') {
                    heading = line.trim_start_matches('#').trim().to_owned();
                }
            }
        }
    }
    if let Some(block) = open {
        panic!("the block of line {} is not closed", block.line);
    }
    found
}

impl Block {
    /// What follows `// name: ` (or `# name: `) in one of the lines that the block begins with.
    pub fn marker(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .map_while(comment)
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }

    /// The file that the block is: its path in the workspace, and its content.
    ///
    /// The path is that of the marker `file`, else `apps/shop/shop.plumb`. Lines with a marker stay in
    /// Plumb and TOML, where they are comments. In a block `bytes`, `\xe9` is the byte of that number.
    pub fn file(&self) -> (String, Vec<u8>) {
        let path = self.marker("file").unwrap_or("apps/shop/shop.plumb").to_owned();
        let without_marker = || self.text.split_once('\n').map_or("", |(_, rest)| rest);
        let content = match self.language.as_str() {
            "plumb" | "toml" => self.text.clone().into_bytes(),
            "bytes" => bytes(without_marker()),
            _ => without_marker().to_owned().into_bytes(),
        };
        (path, content)
    }
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("// ").or_else(|| line.strip_prefix("# "))
}

/// A text in which `\xe9` is a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut found = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (number, rest) = part.split_at(2);
        found.push(u8::from_str_radix(number, 16).expect("two hexadecimal digits after \\x"));
        found.extend_from_slice(rest.as_bytes());
    }
    found
}

/// A rule of the reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The anchor it begins with, without `#`.
    pub anchor: String,
    /// The line that it begins in, from 1.
    pub line: usize,
}

/// The rules that the reference states, in order; or what stands in it as a rule and has no anchor.
///
/// A rule is a paragraph, an item of a list or a row of a table below the first second-level heading.
/// It begins with its anchor, `<a id="name"></a>`. The first paragraph below a heading may go by the
/// anchor of the heading. No rules are: a paragraph without an anchor that ends with a colon, which
/// leads to what follows; the head of a table; a row whose first cell links to a rule of the page,
/// which it sums up.
///
/// # Errors
///
/// A line for each rule without an anchor.
pub fn rules(document: &str) -> Result<Vec<Rule>, Vec<String>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut in_section = false;
    // The anchor of the heading above, while nothing stands between.
    let mut of_heading = None;
    for part in parts(document) {
        let (anchor, text) = match anchored(&part.text) {
            Some((anchor, text)) => (Some(anchor.to_owned()), text),
            None => (None, part.text.as_str()),
        };
        if part.kind == PartKind::Heading {
            in_section |= text.starts_with("##");
            of_heading = anchor;
            continue;
        }
        let of_heading = of_heading.take().filter(|_| part.kind == PartKind::Paragraph);
        let leads_on = anchor.is_none() && text.ends_with(':');
        let sums_up = part.kind == PartKind::Row
            && text.replace("\\|", "").split('|').next().is_some_and(|it| it.contains("](#"));
        if !in_section || leads_on || sums_up || part.kind == PartKind::Block {
            continue;
        }
        match anchor.or(of_heading) {
            Some(anchor) => found.push(Rule { anchor, line: part.line }),
            None => {
                let start: String = text.chars().take(60).collect();
                problems.push(format!("line {}: a rule without an anchor: {start}", part.line));
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The anchor that a text begins with, and what follows it.
fn anchored(text: &str) -> Option<(&str, &str)> {
    let (anchor, rest) = text.trim_start().strip_prefix("<a id=\"")?.split_once("\"></a>")?;
    Some((anchor, rest.trim_start()))
}

struct Part {
    kind: PartKind,
    /// The line that it begins in, from 1.
    line: usize,
    /// Its lines, joined by spaces; a heading's begins with the anchor above it.
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Heading,
    Paragraph,
    Item,
    /// A row of a table that is not its head, from its first cell on.
    Row,
    /// A fenced block, without its text.
    Block,
}

/// What a document consists of, in order.
fn parts(document: &str) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    let mut fenced = false;
    // Whether the next line may go on with the last part.
    let mut open = false;
    let mut lines = document.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let next = lines.peek().map_or("", |(_, line)| *line);
        if line.starts_with("```") {
            fenced = !fenced;
            open = false;
            if fenced {
                found.push(Part { kind: PartKind::Block, line: index + 1, text: String::new() });
            }
            continue;
        }
        if fenced || line.trim().is_empty() || line.starts_with("|---") {
            open = false;
            continue;
        }
        let numbered = || {
            let (digits, rest) = line.split_once(". ")?;
            digits.bytes().all(|it| it.is_ascii_digit()).then_some(rest)
        };
        let (kind, text) = if line.starts_with('#') {
            match found.last_mut() {
                // The anchor above it was taken for a paragraph.
                Some(above) if open => {
                    above.kind = PartKind::Heading;
                    above.text.push_str(line);
                    open = false;
                    continue;
                }
                _ => (PartKind::Heading, line),
            }
        } else if let Some(row) = line.strip_prefix('|') {
            if next.starts_with("|---") {
                continue;
            }
            (PartKind::Row, row)
        } else if let Some(item) = line.strip_prefix("- ").or_else(numbered) {
            (PartKind::Item, item)
        } else if open && let Some(last) = found.last_mut() {
            last.text.push(' ');
            last.text.push_str(line.trim());
            continue;
        } else {
            (PartKind::Paragraph, line)
        };
        found.push(Part { kind, line: index + 1, text: text.to_owned() });
        open = matches!(kind, PartKind::Paragraph | PartKind::Item);
    }
    found
}

/// The files of a workspace, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Writes a workspace into a folder that is gone with the result.
///
/// # Panics
///
/// If it cannot be written.
pub fn write(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_its_heading_language_and_file() {
        let document = "# A\n\n## B\n```plumb\n// file: a/b.plumb\nlet x = 1\n```\n";
        let found = blocks(document);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].heading.as_str(), found[0].line), ("B", 4));
        let (path, content) = found[0].file();
        assert_eq!(path, "a/b.plumb");
        assert_eq!(content, b"// file: a/b.plumb\nlet x = 1\n");
    }

    #[test]
    fn a_heading_inside_a_block_is_none() {
        let found = blocks("# A\n```toml\n# file: plumb.toml\n```\n```text\nx\n```\n");
        assert_eq!(found[1].heading, "A");
    }

    #[test]
    fn a_rule_is_a_paragraph_an_item_or_a_row_with_its_anchor() {
        let document = "# A\n\nIntroduction.\n\n<a id=\"b\"></a>\n## B\n\nFirst.\n\n<a id=\"c\"></a>\nSecond,\n\
                        on two lines. Then:\n\n- <a id=\"d\"></a>One\n  item.\n\nA table:\n\n| head |\n|---|\n\
                        | <a id=\"e\"></a>row |\n| [sum](#d) |\n\n<a id=\"f\"></a>\n## C\n\n```plumb\ntext\n```\n\n\
                        1. <a id=\"g\"></a>One.\n";
        let found = rules(document).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.anchor.as_str(), it.line)).collect();
        assert_eq!(found, [("b", 8), ("c", 10), ("d", 14), ("e", 21), ("g", 31)]);
    }

    #[test]
    fn a_rule_without_an_anchor_is_told() {
        for rule in
            ["First.\n\nSecond.", "- item", "| head |\n|---|\n| row |", "```\n```\n\nAfter."]
        {
            let document = format!("<a id=\"a\"></a>\n## A\n\n{rule}\n");
            assert_eq!(rules(&document).unwrap_err().len(), 1, "{rule}");
        }
    }

    #[test]
    fn bytes_are_written_by_number() {
        assert_eq!(bytes("a\\xe9b\\x00"), b"a\xe9b\0");
    }
}
