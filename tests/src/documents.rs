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
    fn bytes_are_written_by_number() {
        assert_eq!(bytes("a\\xe9b\\x00"), b"a\xe9b\0");
    }
}
