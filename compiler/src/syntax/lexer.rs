//! Text to tokens that tile it.

use super::MAX_ERRORS;
use super::ast::TextRange;
use crate::diagnostics::{SyntaxError, code};
use logos::Logos;

/// A piece of the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands, in bytes of the file.
    pub range: TextRange,
}

/// What a token is. Words of the language are [`TokenKind::Word`]: any of them may be a field name.
#[derive(Logos, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TokenKind {
    /// Spaces, tabs, carriage returns; a byte order mark at the start of the file.
    #[regex(r"[ \t\r]+")]
    Whitespace,
    /// The end of a line.
    #[token("\n")]
    Newline,
    /// `// …`, or four and more slashes.
    #[regex(r"//[^\r\n]*", allow_greedy = true)]
    Comment,
    /// `/// …`
    Doc,
    /// `# …` or `/* … */`: a comment of other languages, which is an error.
    #[token("#")]
    #[token("/*")]
    ForeignComment,
    /// A name or a word of the language.
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*(-+[A-Za-z0-9_]+)*")]
    Word,
    /// Digits.
    #[regex(r"[0-9]")]
    Int,
    /// `1.5`
    Float,
    /// A number with a unit: `128Mi`, `1h30m`.
    Unit,
    /// `2027-01-31`
    Date,
    /// `"…"`, also one whose end is missing.
    #[token("\"")]
    String,
    /// `"""…"""`, also one whose end is missing.
    #[token("\"\"\"")]
    Block,
    /// `r"…"`
    #[token("r\"")]
    Raw,
    /// `r"""…"""`
    #[token("r\"\"\"")]
    RawBlock,
    /// `'…'`: a string of other languages, which is an error.
    #[token("'")]
    Quoted,
    /// `{`
    #[token("{")]
    LeftBrace,
    /// `}`
    #[token("}")]
    RightBrace,
    /// `[`
    #[token("[")]
    LeftBracket,
    /// `]`
    #[token("]")]
    RightBracket,
    /// `(`
    #[token("(")]
    LeftParen,
    /// `)`
    #[token(")")]
    RightParen,
    /// `,`
    #[token(",")]
    Comma,
    /// `;`: an error; it separates all the same.
    #[token(";")]
    Semicolon,
    /// `:`
    #[token(":")]
    Colon,
    /// `.`
    #[token(".")]
    Dot,
    /// `?.`
    #[token("?.")]
    QuestionDot,
    /// `...`
    #[token("...")]
    Spread,
    /// `..=`
    #[token("..=")]
    Range,
    /// `..`: a range of other languages, or a name that is missing between dots.
    #[token("..")]
    DotDot,
    /// `?`
    #[token("?")]
    Question,
    /// `??`
    #[token("??")]
    Otherwise,
    /// `=`
    #[token("=")]
    Equal,
    /// `+=`
    #[token("+=")]
    PlusEqual,
    /// `==`; `===` with an error.
    #[token("==")]
    #[token("===")]
    EqualEqual,
    /// `!=`; `!==` with an error.
    #[token("!=")]
    #[token("!==")]
    NotEqual,
    /// `<`
    #[token("<")]
    Less,
    /// `<=`
    #[token("<=")]
    LessEqual,
    /// `>`
    #[token(">")]
    Greater,
    /// `>=`
    #[token(">=")]
    GreaterEqual,
    /// `=>`
    #[token("=>")]
    FatArrow,
    /// `->`
    #[token("->")]
    Arrow,
    /// `+`
    #[token("+")]
    Plus,
    /// `-`
    #[token("-")]
    Minus,
    /// `*`
    #[token("*")]
    Star,
    /// `/`
    #[token("/")]
    Slash,
    /// `%`
    #[token("%")]
    Percent,
    /// `!`
    #[token("!")]
    Bang,
    /// `&&`; `&` with an error.
    #[token("&&")]
    #[token("&")]
    And,
    /// `||`
    #[token("||")]
    Or,
    /// `|`
    #[token("|")]
    Pipe,
    /// `@`
    #[token("@")]
    At,
    /// Characters that form no token; an error stands there.
    #[regex(r"\?\?\?+")]
    Bad,
    /// The layout pass put a separator here; never in [`super::Parse::tokens`].
    Separator,
    /// The end of a declaration; never in [`super::Parse::tokens`].
    End,
}

impl TokenKind {
    /// Whether the parser never sees it: blanks and comments.
    pub(super) fn is_trivia(self) -> bool {
        use TokenKind::*;
        matches!(self, Whitespace | Newline | Comment | Doc | ForeignComment)
    }

    /// Whether nothing is left to find out about a token that was cut before this byte.
    fn is_whole(self, next: Option<&u8>) -> bool {
        use TokenKind::*;
        match self {
            Word => next.is_none_or(u8::is_ascii),
            Comment | Int | String | Raw | Quoted | Block | RawBlock | ForeignComment
            | Semicolon | And | EqualEqual | NotEqual | Bad => false,
            _ => true,
        }
    }

    /// Whether it is `{`, `[` or `(`.
    pub(super) fn opens(self) -> bool {
        matches!(self, TokenKind::LeftBrace | TokenKind::LeftBracket | TokenKind::LeftParen)
    }

    /// Whether it is `}`, `]` or `)`.
    pub(super) fn closes(self) -> bool {
        matches!(self, TokenKind::RightBrace | TokenKind::RightBracket | TokenKind::RightParen)
    }
}

/// The words that start a declaration in column 0. `private` and `abstract` stand before one.
pub(super) const DECLARATIONS: [&str; 16] = [
    "use",
    "package",
    "let",
    "schema",
    "type",
    "environment",
    "defaults",
    "compose",
    "policy",
    "fn",
    "request",
    "overlay",
    "adjust",
    "test",
    "private",
    "abstract",
];

/// Whether the word starts a declaration in column 0.
pub(super) fn is_declaration(word: &str) -> bool {
    DECLARATIONS.contains(&word)
}

const UNITS: [&str; 15] =
    ["ms", "s", "m", "h", "d", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"];
const DURATIONS: [&str; 5] = ["ms", "s", "m", "h", "d"];

/// How far a guess about a mistake looks ahead on its line, so that no text takes quadratic time.
const LOOKAHEAD: usize = 256;

/// Cuts the text into tokens. Their ranges tile it; what forms no token is [`TokenKind::Bad`] with
/// an error. The errors are in the order of the text.
pub(super) fn lex(text: &str) -> (Vec<Token>, Vec<SyntaxError>) {
    let mut errors: Vec<SyntaxError> = Vec::new();
    // Real files have a token every four to six bytes, blanks included; a list that grows is copied.
    let mut tokens = Vec::with_capacity(text.len() / 3);
    let bom = if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 };
    if bom > 0 {
        tokens.push(Token { kind: TokenKind::Whitespace, range: TextRange::new(0, bom as u32) });
    }
    let mut lexer = TokenKind::lexer(&text[bom..]);
    while let Some(found) = lexer.next() {
        let start = (bom + lexer.span().start) as u32;
        let mut kind = found.unwrap_or(TokenKind::Bad);
        let next = lexer.remainder().as_bytes().first();
        if kind.is_whole(next) {
            let range = TextRange::new(start, (bom + lexer.span().end) as u32);
            tokens.push(Token { kind, range });
            continue;
        }
        let mut problem: Option<(
            crate::diagnostics::Code,
            String,
            Option<String>,
            Option<String>,
        )> = None;
        match kind {
            TokenKind::Comment => {
                let slice = lexer.slice().as_bytes();
                if slice.starts_with(b"///") && slice.get(3) != Some(&b'/') {
                    kind = TokenKind::Doc;
                }
            }
            // A word with letters of another script in it is one mistake, not three tokens.
            TokenKind::Word
                if lexer
                    .remainder()
                    .starts_with(|next: char| !next.is_ascii() && next.is_alphanumeric()) =>
            {
                lexer.bump(word_length(lexer.remainder()));
                kind = TokenKind::Bad;
                problem = Some(foreign_word(lexer.slice()));
            }
            TokenKind::Int => {
                lexer.bump(number_length(lexer.remainder()));
                match classify_number(lexer.slice()) {
                    Ok(number) => kind = number,
                    Err((message, help, fix)) => {
                        kind = TokenKind::Bad;
                        problem = Some((code::BAD_TOKEN, message, Some(help), fix));
                    }
                }
            }
            TokenKind::String | TokenKind::Raw | TokenKind::Quoted => {
                let quote = if kind == TokenKind::Quoted { b'\'' } else { b'"' };
                let (length, closed) =
                    string_length(lexer.remainder(), quote, kind == TokenKind::Raw);
                lexer.bump(length);
                if !closed {
                    problem = Some((
                        code::UNTERMINATED_STRING,
                        "this text has no closing quote".into(),
                        Some("a text in quotes ends on its line; one of several lines is written `\"\"\"`".into()),
                        None,
                    ));
                } else if kind == TokenKind::Quoted {
                    let inner = &lexer.slice()[1..lexer.slice().len() - 1];
                    problem = Some((
                        code::BAD_TOKEN,
                        "text is written in double quotes".into(),
                        None,
                        (!inner.contains('"')).then(|| format!("\"{inner}\"")),
                    ));
                }
            }
            TokenKind::Block | TokenKind::RawBlock => {
                let (length, closed) = block_length(lexer.remainder(), kind == TokenKind::RawBlock);
                lexer.bump(length);
                if !closed {
                    problem = Some((
                        code::UNTERMINATED_STRING,
                        "this block of text has no closing `\"\"\"`".into(),
                        Some("a line that starts in column 0 with a declaration word ends the block: indent the text".into()),
                        None,
                    ));
                }
            }
            TokenKind::ForeignComment => {
                if lexer.slice() == "#" {
                    lexer.bump(line_length(lexer.remainder()));
                } else {
                    lexer.bump(comment_length(lexer.remainder()));
                }
                let rest = lexer.slice().strip_prefix('#').map(|rest| format!("//{rest}"));
                problem = Some((code::BAD_TOKEN, "a comment starts with `//`".into(), None, rest));
            }
            TokenKind::Semicolon => {
                let rest = lexer.remainder().trim_start_matches([' ', '\t', '\r']);
                let goes_on =
                    rest.starts_with(|next| !matches!(next, '\n' | '}' | ']' | ')' | '/'));
                problem = Some((
                    code::BAD_TOKEN,
                    "there are no semicolons: a new line or a comma separates".into(),
                    None,
                    Some(if goes_on { ",".into() } else { String::new() }),
                ));
            }
            TokenKind::And if lexer.slice() == "&" => {
                problem = Some((
                    code::BAD_TOKEN,
                    "`and` is written `&&`".into(),
                    None,
                    Some("&&".into()),
                ));
            }
            TokenKind::EqualEqual | TokenKind::NotEqual if lexer.slice().len() == 3 => {
                let right = &lexer.slice()[..2];
                problem = Some((
                    code::BAD_TOKEN,
                    format!("`{}` is written `{right}`", lexer.slice()),
                    None,
                    Some(right.into()),
                ));
            }
            TokenKind::Bad => {
                lexer.bump(foreign_length(lexer.slice(), lexer.remainder()));
                problem = Some(foreign_word(lexer.slice()));
                if lexer.slice().starts_with(is_invisible) {
                    kind = TokenKind::Whitespace;
                }
            }
            _ => {}
        }
        let range = TextRange::new(start, (bom + lexer.span().end) as u32);
        if kind == TokenKind::Bad
            && let Some(last) = tokens.last_mut()
            && last.kind == TokenKind::Bad
        {
            // Glued to what was bad already: still the same mistake.
            last.range.end = range.end;
            if let Some(error) = errors.last_mut()
                && error.range.end == range.start
            {
                error.range.end = range.end;
                error.message = format!(
                    "`{}` is not understood",
                    shown(&text[error.range.start as usize..range.end as usize])
                );
                error.fix = None;
            }
            continue;
        }
        if let Some((code, message, help, fix)) = problem
            && errors.len() < MAX_ERRORS
        {
            let mut error = SyntaxError::new(code, range, message);
            error.help = help;
            error.fix = fix.map(|text| (range, text));
            errors.push(error);
        }
        tokens.push(Token { kind, range });
    }
    (tokens, errors)
}

/// Text of the file as a message shows it: short, nothing invisible.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == 40 || character == '\n' {
            out.push('…');
            break;
        }
        // Also the marks that turn the direction of text.
        if character.is_control()
            || is_invisible(character)
            || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        {
            out.push_str(&format!("U+{:04X}", character as u32));
        } else {
            out.push(character);
        }
    }
    out
}

/// Characters that look like a blank or like nothing, and come with text copied from elsewhere.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{A0}' | '\u{2000}'..='\u{200F}' | '\u{202F}' | '\u{2060}' | '\u{3000}' | '\u{FEFF}'
    )
}

/// How much of `rest` belongs to the characters before it that form no token.
fn foreign_length(text: &str, rest: &str) -> usize {
    let closing = match text.chars().next() {
        Some('`') => '`',
        Some('“' | '”' | '„') => '”',
        Some('‘' | '’') => '’',
        Some('$') => return word_length(rest),
        Some(first) if first.is_alphanumeric() => return word_length(rest),
        _ => return 0,
    };
    let line = rest.char_indices().take(LOOKAHEAD).take_while(|(_, next)| *next != '\n');
    line.filter(|(_, next)| *next == closing)
        .map(|(at, _)| at + closing.len_utf8())
        .next()
        .unwrap_or(0)
}

/// The error of characters that form no token.
fn foreign_word(text: &str) -> (crate::diagnostics::Code, String, Option<String>, Option<String>) {
    let message = format!("`{}` is not understood", shown(text));
    let (help, fix) = match text.chars().next() {
        Some('“' | '”' | '„' | '‘' | '’' | '`') => {
            let inner = text.trim_matches(['“', '”', '„', '‘', '’', '`']);
            let is_whole = text.chars().count() > 1 && !inner.contains(['"', '\\']);
            (Some("text is written in straight double quotes".into()), is_whole.then(|| format!("\"{inner}\"")))
        }
        Some(first) if is_invisible(first) => (Some("an invisible character: write a blank".into()), Some(" ".into())),
        Some('$') => (
            Some("a name is written as it is; `${…}` stands only inside quotes".into()),
            (text.len() > 1).then(|| text[1..].to_owned()),
        ),
        Some('?') => (Some("`a ?? b` takes `b` where `a` is absent".into()), None),
        Some(first) if first.is_alphanumeric() => {
            (Some("names have the letters a to z, digits, `_` and `-`; any other key is written in quotes".into()), None)
        }
        _ => (None, None),
    };
    (code::BAD_TOKEN, message, help, fix)
}

/// How much of `rest` continues a word, with letters of any script.
fn word_length(rest: &str) -> usize {
    rest.find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(rest.len())
}

/// How much of `rest` is glued to a number that starts before it.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => at += 1,
            Some(b'.') if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => at += 2,
            Some(b'-') if bytes.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric()) => {
                at += 2
            }
            Some(byte) if *byte >= 0x80 => match word_length(&rest[at..]) {
                0 => return at,
                length => at += length,
            },
            _ => return at,
        }
    }
}

/// What a number glued together is, or: message, help, replacement.
fn classify_number(text: &str) -> Result<TokenKind, (String, String, Option<String>)> {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut end = whole;
    if bytes.get(whole) == Some(&b'.') && digits(whole + 1) > 0 {
        end = whole + 1 + digits(whole + 1);
    }
    let rest = &text[end..];
    if whole > 1 && bytes[0] == b'0' && end == text.len() {
        let octal = i64::from_str_radix(&text[..whole], 8).ok().filter(|_| end == whole);
        return Err((
            format!("the number `{}` starts with a zero", shown(text)),
            match octal {
                Some(value) => format!("numbers are decimal; octal {text} is {value}"),
                None => "numbers are decimal; text is written in quotes".into(),
            },
            octal.map(|value| value.to_string()),
        ));
    }
    if rest.is_empty() {
        return Ok(if end == whole { TokenKind::Int } else { TokenKind::Float });
    }
    if UNITS.contains(&rest) {
        return Ok(TokenKind::Unit);
    }
    if is_date(bytes) {
        return Ok(TokenKind::Date);
    }
    // `1h30m`: digits and a unit of time, repeated.
    let mut compound = text;
    while !compound.is_empty() {
        let count = compound.bytes().take_while(u8::is_ascii_digit).count();
        let letters = compound[count..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if count == 0 || !DURATIONS.contains(&&compound[count..count + letters]) {
            break;
        }
        compound = &compound[count + letters..];
    }
    if compound.is_empty() {
        return Ok(TokenKind::Unit);
    }
    let name = shown(text);
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        let plain = text.replace('_', "");
        return Err((
            format!("`{name}` is no number"),
            "digits are not grouped".into(),
            Some(plain),
        ));
    }
    if rest.bytes().all(|byte| byte.is_ascii_alphabetic()) && !text.starts_with("0x") {
        return Err((
            format!("`{}` is no unit", shown(rest)),
            "units are ms s m h d for time, k M G T P and Ki Mi Gi Ti Pi for amounts; text is written in quotes".into(),
            None,
        ));
    }
    let minus = text.split('-').count() == 2
        && text.split('-').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    Err((
        format!("`{name}` is no number"),
        if minus {
            "text and keys are written in quotes; a minus has a space on both sides".into()
        } else {
            "text and keys that start with a digit are written in quotes".into()
        },
        Some(format!("\"{text}\"")),
    ))
}

/// Whether it is written `dddd-dd-dd`.
fn is_date(text: &[u8]) -> bool {
    text.len() == 10
        && text.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// How much of `rest` stands before the end of the line.
fn line_length(rest: &str) -> usize {
    let line = rest.find('\n').unwrap_or(rest.len());
    line - usize::from(rest[..line].ends_with('\r'))
}

/// How long the text in quotes is whose opening quote stands before `rest`, and whether it is closed.
fn string_length(rest: &str, quote: u8, raw: bool) -> (usize, bool) {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => break,
            b'\\'
                if !raw
                    && bytes.get(at + 1).is_some_and(|next| *next != b'\n' && *next != b'\r') =>
            {
                at += 2
            }
            b'$' if !raw && bytes.get(at + 1) == Some(&b'{') => {
                at += interpolation_length(&bytes[at..], quote)
            }
            _ if byte == quote => return (at + 1, true),
            _ => at += 1,
        }
    }
    (line_length(rest), false)
}

/// How far to go past `${`. A path has no quotes in it; where somebody wrote a call with a text as
/// its argument all of it is skipped, so that it is one mistake inside one string.
fn interpolation_length(bytes: &[u8], quote: u8) -> usize {
    let near = &bytes[..bytes.len().min(LOOKAHEAD)];
    let line = &near[..near.iter().position(|byte| *byte == b'\n').unwrap_or(near.len())];
    let mut depth = 0;
    let mut quotes = 0;
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            _ if byte == quote => quotes += 1,
            _ if quotes % 2 == 1 => {}
            b'{' => depth += 1,
            b'}' if depth > 1 => depth -= 1,
            b'}' if quotes == 0 => return at + 1,
            b'}' => {
                // An odd number of quotes after it: one of them closes this string.
                let after = line[at..].iter().filter(|byte| **byte == quote).count();
                return if after % 2 == 1 { at + 1 } else { 2 };
            }
            _ => {}
        }
    }
    2
}

/// How long the block is whose `"""` stands before `rest`, and whether it is closed. A declaration
/// word in column 0 ends it: a block that somebody has not closed yet takes no declaration with it.
fn block_length(rest: &str, raw: bool) -> (usize, bool) {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if !raw && bytes.get(at + 1) == Some(&b'\n') => at += 1,
            b'\\' if !raw && bytes.get(at + 1).is_some() => at += 2,
            b'"' if bytes[at..].starts_with(b"\"\"\"") => return (at + 3, true),
            b'\n' if starts_declaration(&rest[at + 1..]) => {
                return (before_annotations(&rest[..at]), false);
            }
            _ => at += 1,
        }
    }
    (rest.trim_end().len(), false)
}

/// How long the foreign comment is whose `/*` stands before `rest`. Like a block of text it ends
/// before a declaration.
fn comment_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"*/") {
            return at + 2;
        }
        if bytes[at] == b'\n' && starts_declaration(&rest[at + 1..]) {
            return before_annotations(&rest[..at]);
        }
    }
    rest.trim_end().len()
}

/// Whether the line looks like the start of a declaration.
fn starts_declaration(line: &str) -> bool {
    let word = line.bytes().take_while(u8::is_ascii_lowercase).count();
    is_declaration(&line[..word])
        && matches!(line.as_bytes().get(word), Some(b' ' | b'\t' | b'{' | b'"'))
}

/// The end of `text` without the last lines that document or annotate what comes after it.
fn before_annotations(text: &str) -> usize {
    let mut end = text.len();
    while let Some(line) = text[..end].rfind('\n') {
        if !text[line + 1..end].starts_with("///") && !text[line + 1..end].starts_with('@') {
            break;
        }
        end = line;
    }
    end - usize::from(text[..end].ends_with('\r'))
}
