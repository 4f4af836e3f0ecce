//! Arranged tokens to trees: a cursor, and one function a rule of the grammar.
//!
//! A rule that misses something reports it and goes on with a hole; it never gives up. Lists of
//! things skip to the next separator, which the layout pass put there whatever came before.

mod expressions;
mod items;
mod strings;
mod types;

use super::ast::*;
use super::layout::{self, Mark, Open, Piece};
use super::lexer::{DECLARATIONS, Token, TokenKind, is_declaration, shown};
use super::{MAX_ERRORS, MAX_HEIGHT, MAX_NESTING};
use crate::diagnostics::{SyntaxError, code, nearest};
use smol_str::SmolStr;
use std::sync::Arc;

/// The declarations of a file. `errors` holds those of the tokens, in order, and takes what is
/// found here.
pub(super) fn parse(
    text: &str,
    tokens: &[Token],
    errors: &mut Vec<SyntaxError>,
) -> Vec<ParsedItem> {
    let marks = layout::marks(text, tokens);
    let starts = layout::chunks(text, &marks);
    let mut pieces = Vec::new();
    let mut open = Open::default();
    let mut items = Vec::new();
    let mut found = Vec::new();
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(marks.len());
        let chunk = Chunk { text, tokens, marks: &marks[start..end], lexical: errors };
        let mistakes = chunk.parse(&mut pieces, &mut open, &mut items);
        let room = MAX_ERRORS.saturating_sub(found.len());
        found.extend(mistakes.into_iter().take(room));
    }
    errors.extend(found);
    items
}

/// What stands from one declaration word in column 0 to the next.
struct Chunk<'t> {
    text: &'t str,
    tokens: &'t [Token],
    marks: &'t [Mark],
    /// The errors of all tokens of the file, in order.
    lexical: &'t [SyntaxError],
}

impl Chunk<'_> {
    /// Adds the declaration of the chunk to `items`, returns what is wrong beside its tokens.
    /// `pieces` and `open` are only room to work in.
    fn parse(
        &self,
        pieces: &mut Vec<Piece>,
        open: &mut Open,
        items: &mut Vec<ParsedItem>,
    ) -> Vec<SyntaxError> {
        let mut brackets = layout::arrange(self.text, self.marks, open, pieces);
        let mut parser = Parser {
            text: self.text,
            tokens: self.tokens,
            pieces: std::mem::take(pieces),
            at: 0,
            end: 0,
            // Hardly a piece is more than one node.
            spans: Vec::with_capacity(self.marks.len()),
            docs: Vec::new(),
            errors: Vec::new(),
            reported_at: None,
            stopped: false,
            depth: 0,
            height: 0,
            no_named: false,
        };
        let first = items.len();
        parser.chunk(items, !brackets.is_empty());
        let Parser { pieces: used, errors: mut found, stopped, .. } = parser;
        let start = used.first().map_or(0, |piece| piece.range.start);
        let end = used.last().map_or(0, |piece| piece.range.end);
        *pieces = used;

        // One mistake, one error: a quote that is missing hides the bracket after it, a mistake
        // before a bracket explains why it closes nothing.
        let from = self.lexical.partition_point(|error| error.range.start < start);
        let to = self.lexical.partition_point(|error| error.range.start <= end);
        let lexical = &self.lexical[from..to];
        let mut quotes = lexical.iter().filter(|error| error.code == code::UNTERMINATED_STRING);
        let first_quote = quotes.next().map(|error| error.range.start);
        let last_quote = quotes.next_back().map(|error| error.range.start).or(first_quote);
        let first_mistake = found.iter().map(|error| error.range.start).min();
        let is_before = |place: Option<u32>, at: u32| place.is_some_and(|place| place < at);
        brackets.retain(|bracket| {
            let at = bracket.range.start;
            let is_explained = if closes_nothing(bracket) {
                is_before(first_quote, at) || is_before(first_mistake, at)
            } else {
                last_quote.is_some_and(|quote| at < quote)
            };
            !stopped && !is_explained
        });
        // What stands in a bracket that is not closed is misread, unless it stands on lines of its
        // own.
        for bracket in brackets.iter().filter(|bracket| !closes_nothing(bracket)) {
            let (start, end) =
                (bracket.range, bracket.fix.as_ref().map_or(0, |(place, _)| place.start));
            let rest = self.text[start.end as usize..].trim_start_matches([' ', '\t', '\r']);
            if !rest.starts_with('\n') && !rest.starts_with("//") {
                found.retain(|error| error.range.start < start.start || end < error.range.start);
            }
        }
        found.append(&mut brackets);
        for item in &mut items[first..] {
            item.damaged = found.iter().chain(lexical).any(|error| {
                item.range.start <= error.range.start && error.range.start <= item.range.end
            });
        }
        found
    }
}

/// Whether the error of a bracket is that of a closing one: those of opening ones name their end.
fn closes_nothing(bracket: &SyntaxError) -> bool {
    bracket.related.is_empty()
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Token],
    pieces: Vec<Piece>,
    /// The current piece.
    at: usize,
    /// Where the last piece that was taken ends.
    end: u32,
    spans: Vec<TextRange>,
    docs: Vec<(NodeId, SmolStr)>,
    errors: Vec<SyntaxError>,
    /// The piece at which something was found missing; a second thing missing there is the same mistake.
    reported_at: Option<usize>,
    /// Nested too deep: everything is skipped and nothing more is said.
    stopped: bool,
    /// How many rules that nest are being read.
    depth: u32,
    /// The height of the highest tree read since the innermost nesting rule began.
    height: u32,
    /// In the head of `if`, `match` or `for`: a brace after a name starts the body.
    no_named: bool,
}

/// The cursor.
impl<'t> Parser<'t> {
    fn piece(&self) -> &Piece {
        &self.pieces[self.at]
    }

    fn peek(&self, ahead: usize) -> &Piece {
        &self.pieces[(self.at + ahead).min(self.pieces.len() - 1)]
    }

    fn kind(&self) -> TokenKind {
        self.piece().kind
    }

    fn kind_at(&self, ahead: usize) -> TokenKind {
        self.peek(ahead).kind
    }

    fn slice(&self, range: TextRange) -> &'t str {
        &self.text[range.start as usize..range.end as usize]
    }

    /// The word at the cursor; empty where there is none.
    fn word(&self) -> &'t str {
        self.word_at(0)
    }

    fn word_at(&self, ahead: usize) -> &'t str {
        let piece = self.peek(ahead);
        if piece.kind == TokenKind::Word { self.slice(piece.range) } else { "" }
    }

    /// Where the current piece begins.
    fn here(&self) -> u32 {
        self.piece().range.start
    }

    fn bump(&mut self) {
        if self.kind() != TokenKind::End {
            self.end = self.piece().range.end;
            self.at += 1;
        }
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.bump();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.word() == word;
        if found {
            self.bump();
        }
        found
    }

    /// Whether nothing more can come before the next separator.
    fn at_stop(&self) -> bool {
        self.ahead_is_stop(0)
    }

    fn ahead_is_stop(&self, ahead: usize) -> bool {
        let kind = self.kind_at(ahead);
        matches!(kind, TokenKind::Separator | TokenKind::Comma | TokenKind::End) || kind.closes()
    }

    /// Takes one piece, or a bracket with all that is in it.
    fn skip_one(&mut self) {
        let mut depth = 0;
        loop {
            let kind = self.kind();
            depth += i32::from(kind.opens()) - i32::from(kind.closes());
            self.bump();
            if depth <= 0 || self.kind() == TokenKind::End {
                return;
            }
        }
    }

    /// Skips to the next separator, closing bracket or the end.
    fn skip_to_stop(&mut self) {
        while !self.at_stop() {
            self.skip_one();
        }
    }

    /// The piece after the bracket that opens `ahead`, counted from the cursor.
    fn after_group(&self, mut ahead: usize) -> usize {
        let mut depth = 0;
        loop {
            let kind = self.kind_at(ahead);
            depth += i32::from(kind.opens()) - i32::from(kind.closes());
            ahead += 1;
            if depth <= 0 || kind == TokenKind::End {
                return ahead;
            }
        }
    }

    /// Takes separators. Commas with nothing between them are reported.
    fn separators(&mut self) {
        while matches!(self.kind(), TokenKind::Separator | TokenKind::Comma) {
            if self.kind() == TokenKind::Comma {
                let before = self.at.checked_sub(1).map(|before| self.pieces[before].kind);
                if before.is_some_and(|before| before == TokenKind::Comma || before.opens()) {
                    let range = self.piece().range;
                    self.report(
                        SyntaxError::new(
                            code::SYNTAX_ERROR,
                            range,
                            "nothing stands before this comma",
                        )
                        .fix(range, ""),
                    );
                }
            }
            self.bump();
        }
    }

    /// Reads the things of a bracket, from the opening piece at the cursor to its closing one. `one`
    /// reads a thing; `begins` says whether the cursor stands where one begins, though no separator
    /// does. What `one` leaves before the next separator is reported and skipped.
    fn bracketed(&mut self, begins: fn(&Self) -> bool, mut one: impl FnMut(&mut Self)) {
        let no_named = std::mem::replace(&mut self.no_named, false);
        if self.kind().opens() {
            self.bump();
        }
        // Of a run of things that are not understood only the first is reported.
        let mut failed = false;
        loop {
            self.separators();
            if self.kind().closes() || self.kind() == TokenKind::End {
                break;
            }
            let (start, errors) = (self.at, self.errors.len());
            one(self);
            if self.at_stop() {
                failed = false;
                continue;
            }
            let is_known = self.errors.len() > errors;
            if failed && is_known {
                self.errors.truncate(errors);
            }
            if failed {
                self.reported_at = Some(self.at);
            }
            failed = true;
            if !is_known && self.at > start && begins(self) {
                let place = TextRange::new(self.end, self.end);
                let found = self.found();
                self.expected(|range| {
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        format!("a comma or a new line is missing before {found}"),
                    )
                    .fix(place, ",")
                });
                continue;
            }
            if !is_known {
                let found = self.found();
                self.expected(|range| {
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        format!("{found} is not expected here"),
                    )
                    .help("a new line or a comma stands before the next one")
                });
            }
            self.skip_to_stop();
        }
        if self.kind().closes() {
            self.bump();
        }
        self.no_named = no_named;
    }
}

/// Nodes and errors.
impl Parser<'_> {
    /// Numbers a node that begins at `start`.
    fn node(&mut self, start: u32) -> NodeId {
        let id = NodeId(self.spans.len() as u32);
        self.spans.push(TextRange::new(start, start));
        id
    }

    /// The node ends with what was taken last; where that is before its start, nothing was taken.
    fn finish(&mut self, id: NodeId) {
        let span = &mut self.spans[id.0 as usize];
        span.start = span.start.min(self.end);
        span.end = self.end;
    }

    /// Numbers a node from `start` to what was taken last.
    fn node_from(&mut self, start: u32) -> NodeId {
        let id = self.node(start);
        self.finish(id);
        id
    }

    /// A node of no width, right after what was taken last.
    fn empty_node(&mut self) -> NodeId {
        self.node(self.end)
    }

    fn report(&mut self, error: SyntaxError) {
        if !self.stopped && self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    /// Reports that the piece at the cursor is not what must stand there, unless that piece is
    /// itself a mistake that was reported.
    fn expected(&mut self, error: impl FnOnce(TextRange) -> SyntaxError) {
        let piece = *self.piece();
        let after_missing =
            self.at.checked_sub(1).is_some_and(|before| self.pieces[before].is_missing);
        let is_known = piece.kind == TokenKind::Bad
            || piece.is_missing
            || after_missing
            || self.reported_at == Some(self.at);
        self.reported_at = Some(self.at);
        if !is_known {
            self.report(error(piece.range));
        }
    }

    /// Reports that `what` is missing at the cursor; the place is what stands before it.
    fn missing(&mut self, what: &str) {
        self.missing_with(what, |error| error);
    }

    fn missing_with(&mut self, what: &str, more: impl FnOnce(SyntaxError) -> SyntaxError) {
        let Some(before) = self.at.checked_sub(1).map(|before| self.pieces[before]) else {
            return self.expected(|range| {
                more(SyntaxError::new(code::SYNTAX_ERROR, range, format!("{what} is missing")))
            });
        };
        let after = shown(self.slice(before.range));
        let found = if self.at_stop() { None } else { Some((self.piece().range, self.found())) };
        self.expected(|_| {
            let error = if after.trim().is_empty() {
                SyntaxError::new(code::SYNTAX_ERROR, before.range, format!("{what} is missing"))
            } else {
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    before.range,
                    format!("{what} is missing after `{after}`"),
                )
            };
            let error = match found {
                Some((range, found)) => error.related(range, format!("{found} stands there")),
                None => error,
            };
            more(error)
        });
    }

    /// The piece at the cursor, as a sentence names it.
    fn found(&self) -> String {
        let piece = self.piece();
        match piece.kind {
            TokenKind::End => "the end of the declaration".into(),
            TokenKind::Separator => "the end of the line".into(),
            _ => format!("`{}`", shown(self.slice(piece.range))),
        }
    }

    /// Takes `kind`, or reports that it is missing and goes on without it.
    fn expect(&mut self, kind: TokenKind, what: &str) -> bool {
        let found = self.eat(kind);
        if !found {
            let place = TextRange::new(self.end, self.end);
            let insert = format!(" {}", what.trim_matches('`'));
            self.missing_with(
                what,
                |error| if kind.opens() { error } else { error.fix(place, insert) },
            );
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> bool {
        let found = self.eat_word(word);
        if !found {
            self.missing(&format!("`{word}`"));
        }
        found
    }

    /// Reads what nests: counts the depth and the height, and stops where either is too much.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> T,
        hole: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if self.depth >= MAX_NESTING {
            self.stop();
            return hole(self);
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.height, 0);
        let parsed = parse(self);
        self.depth -= 1;
        self.height = outer.max(self.height + 1);
        if self.height >= MAX_HEIGHT {
            self.stop();
        }
        parsed
    }

    /// A tree of height `left` gets a parent, beside what was read since.
    fn grow(&mut self, left: u32) {
        self.height = self.height.max(left) + 1;
        if self.height >= MAX_HEIGHT {
            self.stop();
        }
    }

    /// Skips the rest of the chunk.
    fn stop(&mut self) {
        let range = self.piece().range;
        self.report(
            SyntaxError::new(code::TOO_DEEP, range, "this is nested too deep")
                .label(format!("brackets and operators nest {MAX_NESTING} deep at most, a chain has less than {MAX_HEIGHT} links"))
                .help("name a part of it with `let`"),
        );
        self.stopped = true;
        self.at = self.pieces.len() - 1;
    }

    /// The documentation before the piece at the cursor.
    fn doc(&self) -> Option<SmolStr> {
        let before = &self.tokens[..(self.piece().token as usize).min(self.tokens.len())];
        let gap = before.iter().rev().take_while(|token| token.kind.is_trivia());
        let mut lines: Vec<&str> = gap
            .filter(|token| token.kind == TokenKind::Doc)
            .map(|token| {
                let line = &self.slice(token.range)[3..];
                line.strip_prefix(' ').unwrap_or(line)
            })
            .collect();
        if lines.is_empty() {
            return None;
        }
        lines.reverse();
        Some(lines.join("\n").into())
    }

    /// Gives the node the documentation before its parts.
    fn document(&mut self, id: NodeId, parts: [Option<SmolStr>; 2]) {
        match parts {
            [Some(first), Some(second)] => {
                self.docs.push((id, format!("{first}\n{second}").into()))
            }
            [Some(only), None] | [None, Some(only)] => self.docs.push((id, only)),
            [None, None] => {}
        }
    }

    /// A word that names something.
    fn ident(&mut self, what: &str) -> Ident {
        let start = self.here();
        match self.kind() {
            TokenKind::Word => {
                let text = self.word().into();
                self.bump();
                Ident { id: self.node_from(start), text }
            }
            TokenKind::String | TokenKind::Quoted => {
                let range = self.piece().range;
                let text = self.key_text();
                self.report(
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        format!("{what} is written without quotes"),
                    )
                    .fix(range, text.as_str()),
                );
                Ident { id: self.node_from(start), text }
            }
            TokenKind::Bad => {
                self.reported_at = Some(self.at);
                self.bump();
                Ident { id: self.node_from(start), text: Name::default() }
            }
            _ => {
                self.missing(what);
                Ident { id: self.empty_node(), text: Name::default() }
            }
        }
    }

    /// `in a, b`
    fn environments(&mut self) -> Vec<Ident> {
        if !self.eat_word("in") {
            return Vec::new();
        }
        self.idents("an environment")
    }

    /// `a, b`
    fn idents(&mut self, what: &str) -> Vec<Ident> {
        let mut idents = vec![self.ident(what)];
        while self.eat(TokenKind::Comma) {
            idents.push(self.ident(what));
        }
        idents
    }

    /// `a.b."c"`
    fn path(&mut self, what: &str) -> Path {
        let start = self.here();
        let first = self.ident(what);
        if first.is_hole() && self.kind() != TokenKind::Dot {
            return Path { id: self.empty_node(), segments: vec![first] };
        }
        let mut segments = vec![first];
        while matches!(self.kind(), TokenKind::Dot | TokenKind::DotDot) {
            segments.reserve_exact(1);
            self.dots(|parser| segments.push(parser.segment()));
        }
        Path { id: self.node_from(start), segments }
    }

    /// Takes `.` or `..` and what follows: `one` is called for each name, also for the one that is
    /// missing between two dots.
    fn dots(&mut self, mut one: impl FnMut(&mut Self)) {
        if self.kind() == TokenKind::DotDot {
            let range = self.piece().range;
            self.report(
                SyntaxError::new(code::SYNTAX_ERROR, range, "a name is missing between the dots")
                    .fix(range, "."),
            );
            // The first name is read at the second dot, where nothing more is said.
            self.reported_at = Some(self.at);
            self.end = range.start + 1;
            one(self);
        }
        self.bump();
        one(self);
    }

    /// What stands after the dot of a path.
    fn segment(&mut self) -> Ident {
        let start = self.here();
        if self.kind() == TokenKind::String {
            let text = self.key_text();
            return Ident { id: self.node_from(start), text };
        }
        self.ident("a name")
    }
}
