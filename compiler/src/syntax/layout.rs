//! Tokens to declarations with balanced brackets and separators.
//!
//! A declaration word in column 0 closes everything open, so a file is cut into chunks first and
//! each is arranged on its own. What leaves here is balanced: a bracket that nobody closed is
//! closed by a token that is not in the text, one that closes nothing is left out; both are
//! reported here and nowhere else, so the parser needs no thought about them.

use super::MAX_ERRORS;
use super::ast::TextRange;
use super::lexer::{Token, TokenKind, is_declaration};
use crate::diagnostics::{SyntaxError, code};

/// A token as the parser sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) kind: TokenKind,
    pub(super) range: TextRange,
    /// Its number among the tokens of the file; that of the token after it where it is not in the text.
    pub(super) token: u32,
    /// It stands at the start of its line, not even indented.
    pub(super) in_column_0: bool,
    /// A closing bracket that is missing in the text.
    pub(super) is_missing: bool,
}

/// A token that is neither blank nor comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    kind: TokenKind,
    pub(super) range: TextRange,
    token: u32,
    line: u32,
    column: u32,
    /// The column of the first token of its line.
    indent: u32,
    /// The first token of its line closes a bracket.
    after_closing: bool,
    is_first: bool,
}

/// The tokens of the file that are neither blank nor comment.
pub(super) fn marks(text: &str, tokens: &[Token]) -> Vec<Mark> {
    let mut marks = Vec::with_capacity(tokens.len() / 2);
    let mut line = 0;
    let mut line_start =
        if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() as u32 } else { 0 };
    let mut indent = 0;
    let mut after_closing = false;
    let mut is_first = true;
    for (token, Token { kind, range }) in tokens.iter().enumerate() {
        if *kind == TokenKind::Newline {
            line += 1;
            line_start = range.end;
            is_first = true;
        }
        if kind.is_trivia() {
            continue;
        }
        let column = range.start - line_start;
        if is_first {
            indent = column;
            after_closing = kind.closes();
        }
        marks.push(Mark {
            kind: *kind,
            range: *range,
            token: token as u32,
            line,
            column,
            indent,
            after_closing,
            is_first,
        });
        // After a block of several lines the column means nothing, but such a token is never first.
        is_first = false;
    }
    marks
}

/// Where each chunk starts in `marks`: at every declaration word, or the annotations before it, in
/// column 0. The first starts at 0 even where no declaration stands.
pub(super) fn chunks(text: &str, marks: &[Mark]) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    while at < marks.len() {
        if starts_item(text, &marks[at]) {
            if at > 0 {
                starts.push(at);
            }
            while let Some(after) = annotation_end(text, marks, at)
                && marks.get(after).is_some_and(|mark| starts_item(text, mark))
            {
                at = after;
            }
        }
        at += 1;
    }
    starts
}

fn starts_item(text: &str, mark: &Mark) -> bool {
    mark.is_first
        && mark.column == 0
        && match mark.kind {
            TokenKind::At => true,
            TokenKind::Word => is_declaration(slice(text, mark.range)),
            _ => false,
        }
}

fn slice(text: &str, range: TextRange) -> &str {
    &text[range.start as usize..range.end as usize]
}

/// Where the annotation that starts at `at` ends, if one does and it is whole.
fn annotation_end(text: &str, marks: &[Mark], at: usize) -> Option<usize> {
    if marks[at].kind != TokenKind::At {
        return None;
    }
    // The name may be missing.
    let next = marks.get(at + 1)?;
    let mut end = at + 1 + usize::from(next.kind == TokenKind::Word && next.line == marks[at].line);
    if marks.get(end)?.kind == TokenKind::LeftParen {
        let mut depth = 0;
        loop {
            let mark = marks.get(end)?;
            if starts_item(text, mark) {
                return None;
            }
            depth += i32::from(mark.kind.opens()) - i32::from(mark.kind.closes());
            end += 1;
            if depth <= 0 {
                break;
            }
        }
    }
    Some(end)
}

/// Puts separators and missing brackets into one chunk. `pieces` is emptied first and ends with one
/// [`TokenKind::End`]; `open` is only room to work in. Returns what is wrong with the brackets.
pub(super) fn arrange(
    text: &str,
    marks: &[Mark],
    open: &mut Open,
    pieces: &mut Vec<Piece>,
) -> Vec<SyntaxError> {
    let errors = arrange_by(text, marks, open, pieces, false);
    if errors.is_empty() {
        return errors;
    }
    // Something is wrong; the indentation usually says what, and where to go on.
    let mut indented = Vec::new();
    let by_indentation = arrange_by(text, marks, open, &mut indented, true);
    if by_indentation.len() <= errors.len() {
        *pieces = indented;
        by_indentation
    } else {
        errors
    }
}

/// The brackets that are open.
#[derive(Default)]
pub(super) struct Open {
    /// Their marks, the innermost last.
    marks: Vec<usize>,
    /// For `{`, `[` and `(`: where they stand in `marks`. Without it a closing bracket would search
    /// all that is open, and a hostile text would take quadratic time.
    places: [Vec<usize>; 3],
    kinds: Vec<usize>,
}

impl Open {
    fn number(kind: TokenKind) -> usize {
        match kind {
            TokenKind::LeftBrace | TokenKind::RightBrace => 0,
            TokenKind::LeftBracket | TokenKind::RightBracket => 1,
            _ => 2,
        }
    }

    fn push(&mut self, mark: usize, kind: TokenKind) {
        self.places[Open::number(kind)].push(self.marks.len());
        self.kinds.push(Open::number(kind));
        self.marks.push(mark);
    }

    fn pop(&mut self) -> Option<usize> {
        self.places[self.kinds.pop()?].pop();
        self.marks.pop()
    }

    /// Where in `marks` the innermost bracket stands that `closing` could close.
    fn innermost(&self, closing: TokenKind) -> Option<usize> {
        self.places[Open::number(closing)].last().copied()
    }
}

fn arrange_by(
    text: &str,
    marks: &[Mark],
    open: &mut Open,
    pieces: &mut Vec<Piece>,
    by_indentation: bool,
) -> Vec<SyntaxError> {
    pieces.clear();
    let mut errors = Vec::new();
    for (at, mark) in marks.iter().enumerate() {
        if by_indentation && mark.is_first {
            let left = open
                .marks
                .iter()
                .rev()
                .take_while(|opener| {
                    let opener = &marks[**opener];
                    opener.line != mark.line
                        && (opener.indent > mark.column
                            || opener.indent == mark.column && !mark.kind.closes())
                })
                .count();
            close(text, marks, pieces, open, left, at, &mut errors);
        }
        if mark.kind.closes() {
            let mut opener = open.innermost(mark.kind);
            if by_indentation {
                opener = opener.filter(|opener| {
                    pairs(marks, open.marks[*opener], at, *opener + 1 == open.marks.len())
                });
            }
            let Some(opener) = opener else {
                let message = format!("this `{}` closes nothing", slice(text, mark.range));
                let error = SyntaxError::new(code::UNCLOSED_BRACKET, mark.range, message);
                if errors.len() < MAX_ERRORS {
                    errors.push(error.fix(mark.range, ""));
                }
                continue;
            };
            let left = open.marks.len() - opener - 1;
            close(text, marks, pieces, open, left, at, &mut errors);
            open.pop();
        } else if mark.is_first
            && separates(
                text,
                marks,
                at,
                pieces,
                open.marks.last().map(|opener| marks[*opener].kind),
            )
        {
            let end = pieces.last().map_or(mark.range.start, |piece| piece.range.end);
            pieces.push(Piece {
                kind: TokenKind::Separator,
                range: TextRange::new(end, end),
                token: mark.token,
                in_column_0: false,
                is_missing: false,
            });
        }
        if mark.kind.opens() {
            open.push(at, mark.kind);
        }
        let is_separator = mark.kind == TokenKind::Semicolon;
        let before = pieces.last().map_or(mark.range.start, |piece| piece.range.end);
        pieces.push(Piece {
            kind: if is_separator { TokenKind::Separator } else { mark.kind },
            range: if is_separator { TextRange::new(before, before) } else { mark.range },
            token: mark.token,
            in_column_0: mark.is_first && mark.column == 0,
            is_missing: false,
        });
    }
    let left = open.marks.len();
    close(text, marks, pieces, open, left, marks.len(), &mut errors);
    let (end, token) = marks.last().map_or((0, 0), |mark| (mark.range.end, mark.token + 1));
    pieces.push(Piece {
        kind: TokenKind::End,
        range: TextRange::new(end, end),
        token,
        in_column_0: false,
        is_missing: false,
    });
    errors
}

/// Whether the brackets at `opener` and `at` look like a pair. `is_innermost`: nothing is open
/// between them.
fn pairs(marks: &[Mark], opener: usize, at: usize, is_innermost: bool) -> bool {
    let (first, last) = (&marks[opener], &marks[at]);
    if first.line == last.line {
        return true;
    }
    // A bracket that ends its line is closed by one that begins its own.
    let ends_line = marks.get(opener + 1).is_some_and(|next| next.line != first.line);
    last.after_closing && first.indent == last.indent || is_innermost && !ends_line
}

/// Closes the innermost `count` brackets before the mark `at`. Those that were opened on one line
/// are one mistake.
fn close(
    text: &str,
    marks: &[Mark],
    pieces: &mut Vec<Piece>,
    open: &mut Open,
    count: usize,
    at: usize,
    errors: &mut Vec<SyntaxError>,
) {
    let mut group: Option<(usize, String)> = None;
    let end = at.checked_sub(1).map_or(0, |last| marks[last].range.end);
    let place = TextRange::new(end, end);
    let report = |group: Option<(usize, String)>, errors: &mut Vec<SyntaxError>| {
        let Some((opener, missing)) = group else { return };
        if errors.len() >= MAX_ERRORS {
            return;
        }
        let range = marks[opener].range;
        let error = SyntaxError::new(
            code::UNCLOSED_BRACKET,
            range,
            format!("this `{}` is never closed", slice(text, range)),
        )
        .label("opened here")
        .help(format!("write `{}`", super::lexer::shown(&missing)))
        .fix(place, missing);
        errors.push(match marks.get(at) {
            Some(next) if next.kind.closes() => error.related(
                next.range,
                format!("`{}` ends what is around it", slice(text, next.range)),
            ),
            Some(next) => error.related(next.range, "it must end before this line"),
            None => error.related(
                marks.last().map_or(place, |mark| mark.range),
                "the declaration ends here",
            ),
        });
    };
    for _ in 0..count {
        let Some(opener) = open.pop() else { break };
        let kind = closing(marks[opener].kind);
        pieces.push(Piece {
            kind,
            range: place,
            token: marks.get(at).map_or(marks[opener].token, |mark| mark.token),
            in_column_0: false,
            is_missing: true,
        });
        let character = match kind {
            TokenKind::RightBrace => '}',
            TokenKind::RightBracket => ']',
            _ => ')',
        };
        match &mut group {
            Some((first, missing)) if marks[*first].line == marks[opener].line => {
                *first = opener;
                missing.push(character);
            }
            _ => {
                report(group.take(), errors);
                group = Some((opener, character.into()));
            }
        }
    }
    report(group, errors);
}

fn closing(opener: TokenKind) -> TokenKind {
    match opener {
        TokenKind::LeftBrace => TokenKind::RightBrace,
        TokenKind::LeftBracket => TokenKind::RightBracket,
        _ => TokenKind::RightParen,
    }
}

/// Whether the line break before the mark `at` is a separator. `around` is the innermost bracket.
fn separates(
    text: &str,
    marks: &[Mark],
    at: usize,
    pieces: &[Piece],
    around: Option<TokenKind>,
) -> bool {
    let mark = &marks[at];
    let Some(last) = pieces.last() else { return false };
    if around == Some(TokenKind::LeftParen)
        || last.kind.opens()
        || matches!(last.kind, TokenKind::Comma | TokenKind::Separator)
        || mark.kind == TokenKind::Comma
        || is_infix(last.kind)
    {
        return false;
    }
    if last.kind == TokenKind::Word && matches!(slice(text, last.range), "in" | "matches") {
        let before = pieces.len().checked_sub(2).map(|before| pieces[before].kind);
        let is_operator = before.is_some_and(|before| {
            !before.opens()
                && !matches!(
                    before,
                    TokenKind::Separator
                        | TokenKind::Comma
                        | TokenKind::Dot
                        | TokenKind::QuestionDot
                )
        });
        if is_operator {
            return false;
        }
    }
    match mark.kind {
        TokenKind::Minus => true,
        // Nothing can begin with an arrow, so a head may be broken before it.
        TokenKind::FatArrow | TokenKind::Arrow => false,
        TokenKind::Word
            if matches!(slice(text, mark.range), "else" | "matches" | "in" | "where") =>
        {
            match marks.get(at + 1) {
                Some(next) => {
                    next.is_first
                        || matches!(
                            next.kind,
                            TokenKind::Equal
                                | TokenKind::Colon
                                | TokenKind::Dot
                                | TokenKind::PlusEqual
                                | TokenKind::LeftBracket
                        )
                }
                None => true,
            }
        }
        kind => !is_infix(kind),
    }
}

fn is_infix(kind: TokenKind) -> bool {
    use TokenKind::*;
    matches!(
        kind,
        Star | Slash
            | Percent
            | Plus
            | Minus
            | Otherwise
            | Range
            | EqualEqual
            | NotEqual
            | Less
            | LessEqual
            | Greater
            | GreaterEqual
            | And
            | Or
            | Pipe
    )
}
