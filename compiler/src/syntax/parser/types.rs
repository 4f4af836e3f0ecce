//! Types.

use super::*;

impl Parser<'_> {
    /// `T where cond else "why"`
    pub(super) fn refined_type(&mut self) -> Type {
        self.nested(
            |parser| {
                let start = parser.here();
                let base = parser.type_inner();
                if !parser.eat_word("where") {
                    return base;
                }
                let condition = Box::new(parser.expr());
                let otherwise = parser.otherwise().map(Box::new);
                let kind = TypeKind::Where { base: Box::new(base), condition, otherwise };
                Type { id: parser.node_from(start), kind }
            },
            Self::type_hole,
        )
    }

    /// `A | B`
    pub(super) fn ty(&mut self) -> Type {
        self.nested(Self::type_inner, Self::type_hole)
    }

    fn type_hole(&mut self) -> Type {
        Type { id: self.empty_node(), kind: TypeKind::Hole }
    }

    fn type_inner(&mut self) -> Type {
        let start = self.here();
        let mut doc = [self.doc(), None];
        if self.eat(TokenKind::Pipe) {
            doc[1] = self.doc();
        }
        let first = self.type_arm();
        if self.kind() != TokenKind::Pipe {
            return first;
        }
        // The documentation before the first arm is its own only where the arm begins a line;
        // otherwise it is that of the field.
        if doc.iter().any(Option::is_some) {
            self.document(first.id, doc);
        }
        let mut arms = vec![first];
        loop {
            let before = self.doc();
            if !self.eat(TokenKind::Pipe) {
                break;
            }
            let doc = [before, self.doc()];
            let arm = self.type_arm();
            self.document(arm.id, doc);
            arms.push(arm);
        }
        Type { id: self.node_from(start), kind: TypeKind::Union(arms) }
    }

    /// One arm of a union, with its `?`.
    fn type_arm(&mut self) -> Type {
        let start = self.here();
        let ty = self.type_atom();
        let range = self.piece().range;
        match self.kind() {
            TokenKind::Question => self.bump(),
            TokenKind::Otherwise => {
                self.bump();
                self.report(
                    SyntaxError::new(code::SYNTAX_ERROR, range, "a type is optional once: `T?`")
                        .fix(range, "?"),
                );
            }
            _ => return ty,
        }
        if self.kind() == TokenKind::Question {
            let range = self.piece().range;
            self.bump();
            self.report(
                SyntaxError::new(code::SYNTAX_ERROR, range, "a type is optional once: `T?`")
                    .fix(range, ""),
            );
        }
        Type { id: self.node_from(start), kind: TypeKind::Optional(Box::new(ty)) }
    }

    fn type_atom(&mut self) -> Type {
        let start = self.here();
        match self.kind() {
            TokenKind::LeftBracket => self.list_type(),
            TokenKind::LeftBrace => self.brace_type(),
            TokenKind::LeftParen => {
                let mut inner = None;
                let no_named = std::mem::replace(&mut self.no_named, false);
                self.bump();
                if !self.kind().closes() {
                    inner = Some(self.refined_type());
                }
                self.close_group();
                self.no_named = no_named;
                inner.unwrap_or_else(|| {
                    self.missing("a type");
                    self.type_hole()
                })
            }
            TokenKind::Word if !matches!(self.word(), "true" | "false" | "none" | "null") => {
                if matches!(self.word(), "where" | "else") {
                    self.missing("a type");
                    return self.type_hole();
                }
                let path = self.path("a type");
                self.foreign_generics(&path);
                Type { id: self.node_from(start), kind: TypeKind::Path(path) }
            }
            TokenKind::Bad => {
                self.reported_at = Some(self.at);
                self.bump();
                Type { id: self.node_from(start), kind: TypeKind::Hole }
            }
            _ => match self.literal() {
                Some(kind) => Type {
                    id: self.node_from(start),
                    kind: kind.map_or(TypeKind::Hole, TypeKind::Literal),
                },
                None => {
                    self.missing("a type");
                    self.type_hole()
                }
            },
        }
    }

    /// `String[]` and `List<String>` of other languages.
    fn foreign_generics(&mut self, path: &Path) {
        let start = self.spans[path.id.0 as usize].start;
        let name = self.slice(self.spans[path.id.0 as usize]);
        let range = self.piece().range;
        if self.kind() == TokenKind::LeftBracket && self.kind_at(1) == TokenKind::RightBracket {
            self.bump();
            self.bump();
            let range = TextRange::new(start, self.end);
            self.report(
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    format!("a list of `{name}` is written `[{name}]`"),
                )
                .fix(range, format!("[{name}]")),
            );
        } else if self.kind() == TokenKind::Less {
            self.skip_to_stop();
            self.report(
                SyntaxError::new(code::SYNTAX_ERROR, range, "a type takes no parameters")
                    .help("a list is written `[T]`, a map `{String: T}`, what may be absent `T?`"),
            );
        }
    }

    /// `[T by name]`
    fn list_type(&mut self) -> Type {
        let start = self.here();
        let no_named = std::mem::replace(&mut self.no_named, false);
        self.bump();
        let item = Box::new(self.ty());
        let mut keys = Vec::new();
        if self.eat_word("by") {
            if self.eat(TokenKind::LeftParen) {
                keys = self.idents("a field");
                self.close_group();
            } else {
                keys.push(self.ident("a field"));
            }
        }
        self.close_group();
        self.no_named = no_named;
        Type { id: self.node_from(start), kind: TypeKind::List { item, keys } }
    }

    /// Takes the closing bracket; what stands before it is reported and skipped.
    pub(super) fn close_group(&mut self) {
        self.separators();
        if !self.kind().closes() {
            let found = self.found();
            self.expected(|range| {
                SyntaxError::new(code::SYNTAX_ERROR, range, format!("{found} is not expected here"))
            });
            while !self.kind().closes() && self.kind() != TokenKind::End {
                self.skip_one();
            }
        }
        if self.kind().closes() {
            self.bump();
        }
    }

    /// `{K: V}` or `{ a: T, b: U? }`
    fn brace_type(&mut self) -> Type {
        let start = self.here();
        let word = self.word_at(1);
        let is_map = word.starts_with(|first: char| first.is_ascii_uppercase())
            || !word.is_empty() && self.kind_at(2) == TokenKind::Dot;
        if is_map {
            let no_named = std::mem::replace(&mut self.no_named, false);
            self.bump();
            let key = self.path("a type");
            self.expect(TokenKind::Colon, "`:`");
            let value = Box::new(self.ty());
            self.separators();
            if !self.kind().closes() {
                self.expected(|range| {
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        "a map has one type of key and one of value",
                    )
                    .help("fields of a record type start with a small letter or stand in quotes")
                });
            }
            self.close_group();
            self.no_named = no_named;
            return Type { id: self.node_from(start), kind: TypeKind::Map { key, value } };
        }
        let mut fields = Vec::new();
        let mut open = false;
        self.bracketed(
            |parser| {
                matches!(parser.kind(), TokenKind::Word | TokenKind::String)
                    && parser.kind_at(1) == TokenKind::Colon
            },
            |parser| {
                if parser.eat(TokenKind::Spread) {
                    open = true;
                    if !parser.at_stop() {
                        parser.expected(|range| {
                            SyntaxError::new(
                                code::SYNTAX_ERROR,
                                range,
                                "`...` stands alone in a record type",
                            )
                            .help("only a `schema` takes in the fields of another one")
                        });
                    }
                    return;
                }
                let doc = parser.doc();
                let id = parser.node(parser.here());
                let name = parser.key();
                parser.field_colon(&name);
                let ty = parser.refined_type();
                if parser.kind() == TokenKind::Equal {
                    parser.expected(|range| {
                        SyntaxError::new(
                            code::SYNTAX_ERROR,
                            range,
                            "a field of a record type has no default",
                        )
                        .help("a field of a `schema` has: name this type with `schema`")
                    });
                }
                parser.finish(id);
                parser.document(id, [doc, None]);
                fields.push(TypeField { id, name, ty });
            },
        );
        Type { id: self.node_from(start), kind: TypeKind::Record { fields, open } }
    }

    /// The colon between a field and its type.
    pub(super) fn field_colon(&mut self, name: &Ident) {
        let range = self.piece().range;
        if self.kind() == TokenKind::Question && self.kind_at(1) == TokenKind::Colon {
            self.bump();
            self.report(
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    format!("what may be absent has the `?` after its type: `{}: T?`", name.text),
                )
                .fix(range, ""),
            );
        }
        if self.eat(TokenKind::Colon) {
            return;
        }
        if self.at_stop() || self.kind() == TokenKind::Equal {
            let name = name.text.clone();
            self.missing_with("a type", |error| error.help(format!("write `{name}: T`")));
        } else {
            self.expect(TokenKind::Colon, "`:`");
        }
    }

    /// `name` or `"name"`
    pub(super) fn key(&mut self) -> Ident {
        let start = self.here();
        if matches!(self.kind(), TokenKind::String | TokenKind::Quoted) {
            let text = self.key_text();
            return Ident { id: self.node_from(start), text };
        }
        self.number_key();
        self.ident("a field")
    }

    /// Reports a number where a key must stand.
    pub(super) fn number_key(&mut self) {
        if matches!(
            self.kind(),
            TokenKind::Int | TokenKind::Float | TokenKind::Unit | TokenKind::Date
        ) {
            let number = self.slice(self.piece().range);
            self.expected(|range| {
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    "a key that starts with a digit is written in quotes",
                )
                .fix(range, format!("\"{number}\""))
            });
            // Taken as if it were quoted.
            self.reported_at = Some(self.at);
        }
    }
}
