//! Between bytes of a text and the lines and columns of the protocol, paths and addresses.

use plumb_compiler::Db;
use plumb_compiler::source::{Content, SourceFile};
use plumb_compiler::syntax::ast::TextRange;
use tower_lsp_server::ls_types::{Position, Range};

/// How the client counts columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoding {
    /// In bytes.
    Utf8,
    /// In units of UTF-16, as every client can.
    Utf16,
}

/// Where the lines of a text begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lines {
    starts: Vec<u32>,
}

/// Where the lines of a file begin.
#[salsa::tracked(no_eq)]
pub(crate) fn lines(db: &dyn Db, file: SourceFile) -> Lines {
    Lines::of(text(db, file))
}

/// The text of a file; empty where it cannot be read.
pub(crate) fn text(db: &dyn Db, file: SourceFile) -> &str {
    match file.content(db) {
        Content::Text(text) => text,
        Content::Unreadable(_) => "",
    }
}

impl Lines {
    /// Lines end as the protocol says: with `\n`, `\r\n` or a lone `\r`.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect();
        Lines { starts }
    }

    /// The bytes of a line without its end; empty where there is no such line.
    fn line<'t>(&self, text: &'t str, line: usize) -> &'t str {
        let Some(start) = self.starts.get(line) else { return "" };
        let end = self.starts.get(line + 1).map_or(text.len(), |it| *it as usize);
        text[*start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// The line that a byte stands in, counted from 0.
    pub(crate) fn line_of(&self, offset: u32) -> u32 {
        self.starts.partition_point(|start| *start <= offset) as u32 - 1
    }

    /// The byte that a place of the protocol means. What lies beyond a line's end means its end, beyond the
    /// last line the end of the text; inside a character its beginning.
    pub(crate) fn offset(&self, text: &str, position: Position, encoding: Encoding) -> u32 {
        let number = position.line as usize;
        let Some(start) = self.starts.get(number) else { return text.len() as u32 };
        let line = self.line(text, number);
        let column = position.character as usize;
        let within = match encoding {
            Encoding::Utf8 => {
                let mut at = column.min(line.len());
                while !line.is_char_boundary(at) {
                    at -= 1;
                }
                at
            }
            Encoding::Utf16 => {
                let mut units = 0;
                let found = line.char_indices().find(|(_, char)| {
                    units += char.len_utf16();
                    units > column
                });
                found.map_or(line.len(), |(at, _)| at)
            }
        };
        start + within as u32
    }

    /// The place that the protocol has for a byte.
    pub(crate) fn position(&self, text: &str, offset: u32, encoding: Encoding) -> Position {
        let mut at = (offset as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.line_of(at as u32);
        let before = &text[self.starts[line as usize] as usize..at];
        let character = match encoding {
            Encoding::Utf8 => before.len(),
            Encoding::Utf16 => before.encode_utf16().count(),
        };
        Position { line, character: character as u32 }
    }

    /// The range that the protocol has for a range of bytes.
    pub(crate) fn range(&self, text: &str, range: TextRange, encoding: Encoding) -> Range {
        Range {
            start: self.position(text, range.start, encoding),
            end: self.position(text, range.end, encoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\r\nä𝄞b\rc\n";

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn every_place_is_found_again() {
        let lines = Lines::of(TEXT);
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            for (offset, _) in TEXT.char_indices().filter(|(at, _)| *at != 2) {
                let position = lines.position(TEXT, offset as u32, encoding);
                assert_eq!(lines.offset(TEXT, position, encoding), offset as u32, "{position:?}");
            }
        }
        assert_eq!(lines.position(TEXT, 9, Encoding::Utf16), at(1, 3));
        assert_eq!(lines.position(TEXT, 9, Encoding::Utf8), at(1, 6));
        assert_eq!(lines.position(TEXT, TEXT.len() as u32, Encoding::Utf8), at(3, 0));
    }

    #[test]
    fn what_lies_beyond_means_the_end() {
        let lines = Lines::of(TEXT);
        assert_eq!(lines.offset(TEXT, at(0, 9), Encoding::Utf16), 1);
        assert_eq!(lines.offset(TEXT, at(9, 0), Encoding::Utf16), TEXT.len() as u32);
        // Inside of a pair of units, and inside of a character's bytes.
        assert_eq!(lines.offset(TEXT, at(1, 2), Encoding::Utf16), 5);
        assert_eq!(lines.offset(TEXT, at(1, 3), Encoding::Utf8), 5);
    }
}
