//! What stands between quotes.

use super::*;

/// The pieces of a text as they are found.
#[derive(Default)]
struct Text {
    parts: Vec<StringPart>,
    last: String,
}

impl Parser<'_> {
    /// The string at the cursor, of any kind.
    pub(super) fn string(&mut self) -> ExprKind {
        let piece = *self.piece();
        self.bump();
        let token = self.slice(piece.range);
        let is_raw = matches!(piece.kind, TokenKind::Raw | TokenKind::RawBlock);
        let is_block = matches!(piece.kind, TokenKind::Block | TokenKind::RawBlock);
        let quote = match piece.kind {
            TokenKind::Quoted => "'",
            _ if is_block => "\"\"\"",
            _ => "\"",
        };
        let open = usize::from(is_raw) + quote.len();
        let is_closed = token.len() >= open + quote.len() && token.ends_with(quote);
        let inner = TextRange::new(
            piece.range.start + open as u32,
            piece.range.end - if is_closed { quote.len() as u32 } else { 0 },
        );
        if !is_block && (is_raw || !self.slice(inner).contains(['\\', '$'])) {
            let text = self.slice(inner).into();
            return ExprKind::Literal(match is_raw {
                true => Literal::Raw(text),
                false => Literal::String(text),
            });
        }
        let mut text = Text::default();
        if is_block && self.slice(inner).contains('\n') {
            self.text_block(inner, is_raw, &mut text);
        } else if is_raw {
            text.last.push_str(self.slice(inner));
        } else {
            self.escapes(inner, &mut text);
        }
        if is_raw {
            return ExprKind::Literal(Literal::Raw(text.last.into()));
        }
        if text.parts.is_empty() {
            return ExprKind::Literal(Literal::String(text.last.into()));
        }
        if !text.last.is_empty() {
            text.parts.push(StringPart::Text(text.last.into()));
        }
        ExprKind::Interpolated(text.parts)
    }

    /// The string at the cursor as a key, which holds no `${}`.
    pub(super) fn key_text(&mut self) -> Name {
        let range = self.piece().range;
        match self.string() {
            ExprKind::Literal(Literal::String(text) | Literal::Raw(text)) => text,
            _ => {
                let key = self.slice(range);
                self.report(
                    SyntaxError::new(code::SYNTAX_ERROR, range, "a key in quotes holds no `${…}`")
                        .help("a computed key stands in brackets: `[key] = value`")
                        .fix(range, format!("[{key}]")),
                );
                Name::default()
            }
        }
    }

    /// The lines of a `"""` block. The white space that all lines with text and the line of the
    /// closing quotes begin with is removed; a line of white space is empty; every line ends with a
    /// newline, but where a `\` ends it.
    fn text_block(&mut self, inner: TextRange, is_raw: bool, text: &mut Text) {
        let content = self.slice(inner);
        let mut lines = Vec::new();
        let mut start = inner.start;
        for line in content.split('\n') {
            let kept = line.strip_suffix('\r').unwrap_or(line);
            lines.push(TextRange::new(start, start + kept.len() as u32));
            start += line.len() as u32 + 1;
        }
        let opening = lines[0];
        if self.slice(opening).trim().is_empty() {
            lines.remove(0);
        } else {
            self.report(SyntaxError::new(
                code::SYNTAX_ERROR,
                opening,
                "the text of a block starts on the line after `\"\"\"`",
            ));
        }
        let blank = |text: &str| text.bytes().all(|byte| byte == b' ' || byte == b'\t');
        let mut indent: Option<&str> = None;
        for (number, line) in lines.iter().enumerate() {
            let line = self.slice(*line);
            if blank(line) && number + 1 < lines.len()
                || line.as_ptr() == self.slice(opening).as_ptr()
            {
                continue;
            }
            let own = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
            indent = Some(match indent {
                None => own,
                Some(indent) => {
                    let common =
                        own.bytes().zip(indent.bytes()).take_while(|(a, b)| a == b).count();
                    &indent[..common]
                }
            });
        }
        let indent = indent.unwrap_or_default().len() as u32;
        if lines.last().is_some_and(|line| blank(self.slice(*line))) {
            lines.pop();
        }
        for mut line in lines {
            if line.start != opening.start {
                line.start = (line.start + indent).min(line.end);
            }
            if blank(self.slice(line)) {
                text.last.push('\n');
                continue;
            }
            if is_raw {
                text.last.push_str(self.slice(line));
                text.last.push('\n');
                continue;
            }
            let slashes = self.slice(line).bytes().rev().take_while(|byte| *byte == b'\\').count();
            line.end -= (slashes % 2) as u32;
            self.escapes(line, text);
            if slashes % 2 == 0 {
                text.last.push('\n');
            }
        }
    }

    /// Text with escapes and `${…}`.
    fn escapes(&mut self, range: TextRange, text: &mut Text) {
        let content = self.slice(range);
        let mut at = 0;
        let mut is_open = false;
        while let Some(found) = content[at..].find(['\\', '$']) {
            text.last.push_str(&content[at..at + found]);
            at += found;
            let place = range.start + at as u32;
            if content[at..].starts_with("${") && !is_open {
                let length = match content[at..].find('}') {
                    Some(length) => {
                        let end = place + length as u32;
                        let value = self.interpolation(TextRange::new(place + 2, end));
                        if !text.last.is_empty() {
                            text.parts
                                .push(StringPart::Text(std::mem::take(&mut text.last).into()));
                        }
                        text.parts.push(StringPart::Value(value));
                        length + 1
                    }
                    None => {
                        // Nor is any other one after it.
                        is_open = true;
                        self.report(
                            SyntaxError::new(code::UNTERMINATED_STRING, TextRange::new(place, place + 2), "`${` is never closed")
                                .help("write `}` after the path; for the two characters themselves write `\\${`"),
                        );
                        2
                    }
                };
                at += length;
                continue;
            }
            if content[at..].starts_with('$') {
                text.last.push('$');
                at += 1;
                continue;
            }
            at += self.escape(&content[at..], place, text);
        }
        text.last.push_str(&content[at..]);
    }

    /// One escape at the start of `content`; returns its length.
    fn escape(&mut self, content: &str, place: u32, text: &mut Text) -> usize {
        let Some(letter) = content[1..].chars().next() else {
            // A lone backslash before the end of a text that is not closed.
            text.last.push('\\');
            return 1;
        };
        match letter {
            'n' => text.last.push('\n'),
            't' => text.last.push('\t'),
            '"' | '\\' | '$' => text.last.push(letter),
            'u' => {
                let near =
                    content[2..].char_indices().nth(8).map_or(content.len(), |(at, _)| at + 2);
                let digits = content[2..near]
                    .strip_prefix('{')
                    .and_then(|rest| rest.split_once('}'))
                    .map(|(digits, _)| digits);
                let character = digits
                    .filter(|digits| {
                        (1..=6).contains(&digits.len())
                            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                    })
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                    .and_then(char::from_u32);
                if let (Some(digits), Some(character)) = (digits, character) {
                    text.last.push(character);
                    return digits.len() + 4;
                }
                self.report(
                    SyntaxError::new(
                        code::BAD_ESCAPE,
                        TextRange::new(place, place + 2),
                        "`\\u` names no character",
                    )
                    .help("write its number in hexadecimal: `\\u{e9}`"),
                );
                text.last.push('u');
            }
            _ => {
                let length = 1 + letter.len_utf8();
                let error = SyntaxError::new(
                    code::BAD_ESCAPE,
                    TextRange::new(place, place + length as u32),
                    format!("`{}` is no escape", shown(&content[..length])),
                );
                self.report(match letter {
                    'r' => error.help("a carriage return is `\\u{d}`"),
                    'd' | 'w' | 's' | 'b' | '.' | '-' | '/' | '[' | '(' | '+' | '*' | '?' => error
                        .help("a pattern is written raw: `r\"…\"`; a backslash itself is `\\\\`"),
                    _ => error.help("escapes are \\n \\t \\\" \\\\ \\$ \\u{…}"),
                });
                text.last.push(letter);
                return length;
            }
        }
        1 + letter.len_utf8()
    }

    /// The path in `${…}`: names joined by `.` and `?.`.
    fn interpolation(&mut self, range: TextRange) -> Expr {
        let content = self.slice(range);
        // What follows is not in the pieces, so nodes and errors are placed by hand.
        let end = std::mem::replace(&mut self.end, range.start);
        let value = self.interpolated_path(content, range);
        self.end = end;
        value
    }

    fn interpolated_path(&mut self, content: &str, range: TextRange) -> Expr {
        let mut at = content.len() - content.trim_start().len();
        let stop = content.trim_end().len();
        if at >= stop {
            self.report(SyntaxError::new(
                code::SYNTAX_ERROR,
                TextRange::new(range.start - 2, range.end + 1),
                "a path is missing in `${}`",
            ));
            return Expr { id: self.empty_node(), kind: ExprKind::Hole };
        }
        let start = range.start + at as u32;
        let mut value: Option<Expr> = None;
        let outer = std::mem::replace(&mut self.height, 0);
        let mut optional = false;
        loop {
            let length = identifier_length(&content[at..stop]);
            let from = range.start + at as u32;
            at += length;
            self.end = range.start + at as u32;
            let name: Name = content[at - length..at].into();
            if length == 0 && (at < stop || value.is_none()) {
                break;
            }
            value = Some(match value {
                None => Expr { id: self.node_from(from), kind: ExprKind::Name(name) },
                Some(base) => {
                    if length == 0 {
                        self.report(SyntaxError::new(
                            code::SYNTAX_ERROR,
                            TextRange::new(from - 1, from),
                            "a name is missing after `.`",
                        ));
                    }
                    let name = Ident { id: self.node_from(from), text: name };
                    self.grow(0);
                    let kind = ExprKind::Field { base: Box::new(base), name, optional };
                    Expr { id: self.node_from(start), kind }
                }
            });
            if self.stopped {
                break;
            }
            optional = content[at..stop].starts_with("?.");
            match &content[at..stop] {
                rest if rest.starts_with("?.") => at += 2,
                rest if rest.starts_with('.') => at += 1,
                _ => break,
            }
        }
        self.height = self.height.max(outer);
        if at < stop || value.is_none() {
            self.report(
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    TextRange::new(start, range.start + stop as u32),
                    "`${…}` holds a path such as `svc.name`, nothing else",
                )
                .help("give the value a name with `let` before, and write `${name}`"),
            );
            self.end = start;
            return Expr { id: self.empty_node(), kind: ExprKind::Hole };
        }
        value.unwrap_or_else(|| Expr { id: self.empty_node(), kind: ExprKind::Hole })
    }
}

/// How much of the text is a name, by the lexer's rule for words.
fn identifier_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if !bytes.first().is_some_and(|byte| is_part(byte) && !byte.is_ascii_digit()) {
        return 0;
    }
    let mut at = 0;
    loop {
        at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
        let dashes = bytes[at..].iter().take_while(|byte| **byte == b'-').count();
        if dashes == 0 || !bytes.get(at + dashes).is_some_and(is_part) {
            return at;
        }
        at += dashes;
    }
}
