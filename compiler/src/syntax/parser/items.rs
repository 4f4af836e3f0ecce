//! Declarations, their members and statements.

use super::expressions::Around;
use super::*;

/// Words of other languages and what Plumb says instead.
const FOREIGN: [(&str, &str); 31] = [
    ("def", "fn"),
    ("func", "fn"),
    ("function", "fn"),
    ("fun", "fn"),
    ("import", "use"),
    ("include", "use"),
    ("from", "use"),
    ("require", "use"),
    ("var", "let"),
    ("const", "let"),
    ("val", "let"),
    ("local", "let"),
    ("locals", "let"),
    ("variable", "let"),
    ("class", "schema"),
    ("struct", "schema"),
    ("interface", "schema"),
    ("record", "schema"),
    ("message", "schema"),
    ("object", "schema"),
    ("enum", "type"),
    ("typedef", "type"),
    ("env", "environment"),
    ("namespace", "package"),
    ("module", "package"),
    ("component", "compose"),
    ("composition", "compose"),
    ("template", "compose"),
    ("resource", "request"),
    ("rule", "policy"),
    ("patch", "overlay"),
];

impl Parser<'_> {
    /// Reads the chunk: what starts with a declaration word is a declaration, everything else is
    /// reported once a run. `has_bracket_errors`: text after a declaration is already explained.
    pub(super) fn chunk(&mut self, items: &mut Vec<ParsedItem>, has_bracket_errors: bool) {
        loop {
            while self.kind() == TokenKind::Separator {
                self.bump();
            }
            if self.kind() == TokenKind::End {
                return;
            }
            let errors = self.errors.len();
            let (start, end, height) = (self.at, self.end, self.height);
            let is_guess = !self.at_declaration();
            let Some(word) = self.declaration_word() else {
                self.no_declaration();
                continue;
            };
            let item = self.item(word);
            if is_guess && self.is_wrong_guess(start, errors) {
                self.errors.truncate(errors);
                (self.at, self.end, self.reported_at) = (start, end, None);
                // What made it stop was read as something that it is not.
                (self.stopped, self.height) = (false, height);
                self.no_declaration();
                continue;
            }
            let Some(mut item) = item else { continue };
            let is_sound = self.errors.len() == errors && !has_bracket_errors;
            if is_sound && !matches!(self.kind(), TokenKind::End | TokenKind::Separator) {
                let found = self.found();
                self.expected(|range| {
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        format!("{found} is not expected here"),
                    )
                    .help("the declaration is complete before it; the next starts on a new line")
                });
            }
            // What stands on the lines after a sound declaration is a mistake of its own; after a
            // broken one it is what the declaration lost.
            let is_over = |parser: &Self| {
                parser.kind() == TokenKind::End
                    || parser.kind() == TokenKind::Separator && (is_sound || parser.at_other())
            };
            while !is_over(self) {
                self.bump();
                item.range.end = self.end;
            }
            if self.kind() == TokenKind::End {
                // A bracket that closes nothing is not among the pieces, but it is text of this one.
                item.range.end = item.range.end.max(self.here());
            }
            items.push(item);
        }
    }

    /// Whether a declaration word or an annotation stands at the cursor.
    fn at_declaration(&self) -> bool {
        self.kind() == TokenKind::At || is_declaration(self.word())
    }

    /// Whether the line of a declaration whose word was guessed has a mistake beside that word: then
    /// it was meant to be something else.
    fn is_wrong_guess(&self, start: usize, errors: usize) -> bool {
        let word = self.pieces[start].range.start as usize;
        let beside = |error: &SyntaxError| {
            let place = (error.range.start as usize).max(word);
            !self.text[word..place].contains('\n')
        };
        self.errors[errors..].iter().skip(1).any(beside)
    }

    /// Whether the next line looks like a declaration of its own, though it is none.
    fn at_other(&self) -> bool {
        let next = self.peek(1);
        self.kind() == TokenKind::Separator
            && (next.in_column_0 && !next.kind.closes() && !next.kind.opens()
                || is_declaration(self.word_at(1))
                    && !matches!(self.kind_at(2), TokenKind::Equal | TokenKind::Colon))
    }

    /// The declaration word that the cursor stands at or that was meant, its mistake reported.
    fn declaration_word(&mut self) -> Option<&'static str> {
        if self.kind() == TokenKind::At {
            return Some("");
        }
        let word = self.word();
        let range = self.piece().range;
        let known = |word: &str| DECLARATIONS.into_iter().find(|known| *known == word);
        if let Some(known) = known(word) {
            if self.piece().in_column_0 {
                return Some(known);
            }
            let error = SyntaxError::new(
                code::SYNTAX_ERROR,
                range,
                "a declaration starts at the beginning of its line",
            );
            let before = &self.tokens[..self.piece().token as usize];
            let error = match before {
                [rest @ .., blank]
                    if blank.kind == TokenKind::Whitespace
                        && rest.last().is_none_or(|last| last.kind == TokenKind::Newline) =>
                {
                    error.fix(blank.range, "")
                }
                _ => error,
            };
            self.report(error);
            return Some(known);
        }
        if word.is_empty()
            || matches!(self.kind_at(1), TokenKind::Equal | TokenKind::Colon | TokenKind::Dot)
        {
            return None;
        }
        self.meant()
    }

    /// The declaration word that the word at the cursor was meant to be, its mistake reported.
    fn meant(&mut self) -> Option<&'static str> {
        let word = self.word();
        let foreign = FOREIGN.iter().find(|(foreign, _)| *foreign == word).map(|(_, meant)| *meant);
        let meant = foreign.or_else(|| nearest(word, DECLARATIONS))?;
        // Only where the rest looks like it too.
        let goes_on = match meant {
            "package" => self.kind_at(1) == TokenKind::LeftBrace,
            "test" => self.kind_at(1) == TokenKind::String,
            _ => self.kind_at(1) == TokenKind::Word,
        };
        if !goes_on {
            return None;
        }
        let range = self.piece().range;
        self.report(
            SyntaxError::new(code::SYNTAX_ERROR, range, format!("`{word}` starts no declaration"))
                .label(format!("did you mean `{meant}`?"))
                .fix(range, meant),
        );
        DECLARATIONS.into_iter().find(|known| *known == meant)
    }

    /// Reports text that is no declaration, and skips it.
    fn no_declaration(&mut self) {
        let start = self.here();
        let word = self.word();
        let first = self.piece().range;
        let is_setting = self.kind_at(1) == TokenKind::Equal;
        let is_bad = self.kind() == TokenKind::Bad;
        loop {
            self.skip_one();
            if self.kind() == TokenKind::End {
                break;
            }
            let next = self.word_at(1);
            if self.kind() == TokenKind::Separator
                && (is_declaration(next)
                    || self.peek(1).in_column_0 && nearest(next, DECLARATIONS).is_some())
            {
                break;
            }
        }
        if is_bad {
            return;
        }
        let range = TextRange::new(start, self.end);
        let error = SyntaxError::new(code::SYNTAX_ERROR, range, "this is no declaration");
        self.report(if is_setting && !word.is_empty() {
            let error = error.help(format!(
                "a value with a name is `let {word} = …`; fields stand in the braces of a declaration"
            ));
            let is_one = !self.slice(range).contains('\n');
            if is_one { error.fix(TextRange::new(first.start, first.start), "let ") } else { error }
        } else {
            error.help("a declaration starts with `request`, `overlay`, `let`, `use`, `package`, `schema`, `type`, `environment`, `defaults`, `compose`, `fn`, `policy`, `adjust` or `test`")
        });
    }

    /// One declaration, whose first word is `word` or was meant to be; empty at an annotation.
    fn item(&mut self, word: &'static str) -> Option<ParsedItem> {
        self.spans.clear();
        self.docs.clear();
        let start = self.here();
        let doc = self.doc();
        let range_start = self.doc_start();
        self.end = start;
        let node = self.node(start);
        let annotations = self.annotations();
        let mut word =
            if annotations.is_empty() { word } else { self.declaration_after("annotation")? };
        let doc = [doc, if annotations.is_empty() { None } else { self.doc() }];
        let mut private = false;
        if word == "private" {
            self.bump();
            private = true;
            word = self.declaration_after("`private`")?;
        }
        let is_abstract = word == "abstract";
        if is_abstract {
            self.bump();
            word = self.declaration_after("`abstract`")?;
            if word != "environment" {
                let range = self.pieces[self.at - 1].range;
                self.report(
                    SyntaxError::new(code::SYNTAX_ERROR, range, "only an environment is abstract")
                        .fix(TextRange::new(range.start, self.here()), ""),
                );
            }
        }
        if matches!(word, "private" | "abstract") {
            let range = self.piece().range;
            self.report(
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    format!("`{word}` stands once before a declaration"),
                )
                .fix(TextRange::new(range.start, self.peek(1).range.start), ""),
            );
            self.skip_to_stop();
            return None;
        }
        self.bump();
        let kind = self.declaration(word, is_abstract);
        self.finish(node);
        self.document(node, doc);
        self.docs.sort_by_key(|(id, _)| *id);
        Some(ParsedItem {
            item: Arc::new(Item { annotations, private, kind }),
            spans: std::mem::take(&mut self.spans),
            docs: std::mem::take(&mut self.docs),
            range: TextRange::new(range_start, self.end),
            damaged: false,
        })
    }

    /// The declaration word that must stand at the cursor, after an annotation or `private`.
    fn declaration_after(&mut self, what: &str) -> Option<&'static str> {
        let word = self.word();
        if let Some(known) = DECLARATIONS.into_iter().find(|known| *known == word) {
            return Some(known);
        }
        if let Some(meant) = self.meant() {
            return Some(meant);
        }
        let range =
            self.at.checked_sub(1).map_or(self.piece().range, |before| self.pieces[before].range);
        self.report(SyntaxError::new(
            code::SYNTAX_ERROR,
            range,
            format!("a declaration is missing after the {what}").replace("the `", "`"),
        ));
        while self.kind() != TokenKind::End && !self.at_other() {
            self.bump();
        }
        None
    }

    /// Where the documentation before the cursor starts; the cursor itself where there is none.
    fn doc_start(&self) -> u32 {
        let token = (self.piece().token as usize).min(self.tokens.len());
        let gap = self.tokens[..token].iter().rev().take_while(|token| token.kind.is_trivia());
        gap.filter(|token| token.kind == TokenKind::Doc)
            .last()
            .map_or(self.here(), |token| token.range.start)
    }

    fn annotations(&mut self) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        while self.kind() == TokenKind::At {
            let id = self.node(self.here());
            self.bump();
            let name = self.ident("a name");
            let args = if self.kind() == TokenKind::LeftParen { self.args() } else { Vec::new() };
            self.finish(id);
            annotations.push(Annotation { id, name, args });
            if self.kind() == TokenKind::Separator && !self.ahead_is_stop(1) {
                let end = self.end;
                self.bump();
                self.end = end;
            }
        }
        annotations
    }

    fn declaration(&mut self, word: &str, is_abstract: bool) -> ItemKind {
        match word {
            "use" => self.use_item(),
            "package" => ItemKind::Package { record: self.item_record() },
            "let" => ItemKind::Let(self.let_binding(Around::Item)),
            "schema" => {
                let name = self.ident("a name");
                ItemKind::Schema { name, members: self.members() }
            }
            "type" => {
                let name = self.ident("a name");
                self.expect(TokenKind::Equal, "`=`");
                let is_below = self.kind() == TokenKind::Separator && !self.ahead_is_stop(1);
                if is_below && !self.at_other() {
                    self.join_line("type");
                }
                ItemKind::Type { name, ty: self.refined_type() }
            }
            "environment" => {
                let name = self.ident("a name");
                self.expect(TokenKind::Colon, "`:`");
                let schema = self.path("a schema");
                let parent = self.eat_word("from").then(|| self.ident("an environment"));
                ItemKind::Environment {
                    is_abstract,
                    name,
                    schema,
                    parent,
                    record: self.item_record(),
                }
            }
            "defaults" => {
                let schema = self.path("a schema");
                let environments = self.environments();
                ItemKind::Defaults { schema, environments, record: self.item_record() }
            }
            "compose" => {
                let schema = self.path("a schema");
                self.expect_word("as");
                let binder = self.ident("a name");
                ItemKind::Compose { schema, binder, block: self.block() }
            }
            "policy" => {
                let name = self.ident("a name");
                self.expect_word("for");
                let target = self.path("a kind");
                self.expect_word("as");
                let binder = self.ident("a name");
                let environments = self.environments();
                ItemKind::Policy { name, target, binder, environments, block: self.block() }
            }
            "fn" => self.function(),
            "request" => {
                let name = self.ident("a name");
                self.expect(TokenKind::Colon, "`:`");
                let schema = self.path("a schema");
                let environments = self.environments();
                ItemKind::Request { name, schema, environments, record: self.item_record() }
            }
            "overlay" => {
                let requests = self.idents("a request");
                if self.word() != "in" {
                    self.missing_with("`in`", |error| {
                        error.help("an overlay says where it holds: `overlay shop in prod { … }`")
                    });
                }
                let environments = self.environments();
                ItemKind::Overlay { requests, environments, record: self.item_record() }
            }
            "adjust" => {
                let subject = self.path("a request");
                self.expect(TokenKind::Colon, "`:`");
                let target = self.path("a kind");
                let environments = self.environments();
                ItemKind::Adjust { subject, target, environments, record: self.item_record() }
            }
            // "test": the words before a declaration were taken by the caller.
            _ => {
                let name = if matches!(
                    self.kind(),
                    TokenKind::String | TokenKind::Quoted | TokenKind::Raw | TokenKind::Block
                ) {
                    self.primary()
                } else {
                    self.missing_with("a sentence in quotes", |error| {
                        error.help("`test \"what must hold\" in prod { … }`")
                    });
                    self.hole()
                };
                let environments = self.environments();
                ItemKind::Test { name, environments, block: self.block() }
            }
        }
    }

    fn use_item(&mut self) -> ItemKind {
        let start = self.here();
        let mut segments = vec![self.ident("a package")];
        let mut names = None;
        let mut end = self.end;
        while matches!(self.kind(), TokenKind::Dot | TokenKind::DotDot) {
            if self.kind_at(1) == TokenKind::LeftBrace {
                if self.kind() == TokenKind::DotDot {
                    self.missing("a name");
                }
                self.bump();
                let mut aliases = Vec::new();
                self.bracketed(
                    |parser| parser.kind() == TokenKind::Word,
                    |parser| {
                        let name = parser.ident("a name");
                        let alias = parser.eat_word("as").then(|| parser.ident("a name"));
                        aliases.push(Alias { name, alias });
                    },
                );
                names = Some(aliases);
                break;
            }
            self.dots(|parser| segments.push(parser.segment()));
            end = self.end;
        }
        let id = self.node(start);
        self.spans[id.0 as usize].end = end.max(start);
        let alias = self.eat_word("as").then(|| self.ident("a name"));
        ItemKind::Use { path: Path { id, segments }, names, alias }
    }

    fn let_binding(&mut self, around: Around) -> Let {
        let name = self.ident("a name");
        let ty = self.eat(TokenKind::Colon).then(|| self.ty());
        let value =
            if self.expect(TokenKind::Equal, "`=`") { self.value(around) } else { self.hole() };
        Let { name, ty, value }
    }

    fn function(&mut self) -> ItemKind {
        let name = self.ident("a name");
        let mut params = Vec::new();
        if self.kind() == TokenKind::LeftParen {
            self.bracketed(
                |parser| parser.kind() == TokenKind::Word,
                |parser| {
                    let name = parser.ident("a parameter");
                    parser.field_colon(&name);
                    let ty = parser.ty();
                    params.push(Param { name, ty });
                },
            );
        } else {
            self.expect(TokenKind::LeftParen, "`(`");
            while !self.at_stop() && !matches!(self.kind(), TokenKind::Arrow | TokenKind::Equal)
                || self.kind() == TokenKind::Comma
            {
                self.skip_one();
            }
        }
        let range = self.piece().range;
        let result = match self.kind() {
            TokenKind::Colon | TokenKind::FatArrow => {
                self.bump();
                self.report(
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        "the type of the result stands after `->`",
                    )
                    .fix(range, " ->"),
                );
                self.ty()
            }
            TokenKind::Equal => {
                self.missing_with("`-> T`, the type of the result,", |error| error);
                Type { id: self.empty_node(), kind: TypeKind::Hole }
            }
            _ => {
                self.expect(TokenKind::Arrow, "`->`");
                self.ty()
            }
        };
        let range = self.piece().range;
        let body = if self.eat(TokenKind::Equal) {
            self.value(Around::Item)
        } else if self.kind() == TokenKind::LeftBrace {
            self.expected(|_| {
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    "the body of a function is one value after `=`",
                )
            });
            self.skip_one();
            self.hole()
        } else if self.kind() == TokenKind::FatArrow {
            self.bump();
            self.report(
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    "the value of a function stands after `=`",
                )
                .fix(range, "="),
            );
            self.value(Around::Item)
        } else {
            self.expect(TokenKind::Equal, "`=`");
            self.hole()
        };
        ItemKind::Fn { name, params, result, body }
    }

    fn members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        if self.open_brace() {
            self.bracketed(
                |parser| {
                    matches!(parser.kind(), TokenKind::Word | TokenKind::String)
                        && parser.kind_at(1) == TokenKind::Colon
                },
                |parser| {
                    let member = parser.member();
                    members.push(member);
                },
            );
        }
        members
    }

    fn member(&mut self) -> Member {
        let mut doc = [self.doc(), None];
        let id = self.node(self.here());
        // A word before a colon is a field whatever it means elsewhere.
        let is_field = |parser: &Self| {
            matches!(parser.kind_at(1), TokenKind::Colon | TokenKind::Equal)
                || parser.kind_at(1) == TokenKind::Question && parser.kind_at(2) == TokenKind::Colon
        };
        if self.eat(TokenKind::Spread) {
            let path = self.path("a schema");
            self.finish(id);
            return Member { id, kind: MemberKind::Include(path) };
        }
        if !is_field(self) {
            match self.word() {
                "if" => {
                    self.bump();
                    let kind = MemberKind::If(self.if_rest());
                    self.finish(id);
                    return Member { id, kind };
                }
                "require" | "advise" | "assert" if !self.ahead_is_stop(1) => {
                    if self.word() != "require" {
                        let range = self.piece().range;
                        self.report(
                            SyntaxError::new(
                                code::SYNTAX_ERROR,
                                range,
                                "the conditions of a schema are written `require`",
                            )
                            .fix(range, "require"),
                        );
                    }
                    let kind = MemberKind::Rule(self.rule());
                    self.finish(id);
                    return Member { id, kind };
                }
                _ => {}
            }
        }
        let annotations = self.annotations();
        if !annotations.is_empty() {
            doc[1] = self.doc();
        }
        let mut is_final = false;
        if self.word() == "final" && !is_field(self) && !self.ahead_is_stop(1) {
            self.bump();
            is_final = true;
            let is_path =
                matches!(self.kind(), TokenKind::Word | TokenKind::String | TokenKind::LeftBracket)
                    && matches!(
                        self.kind_at(1),
                        TokenKind::Equal
                            | TokenKind::Dot
                            | TokenKind::LeftBracket
                            | TokenKind::PlusEqual
                    );
            if is_path || self.kind() == TokenKind::LeftBracket {
                let path = self.field_path();
                self.expect(TokenKind::Equal, "`=`");
                let value = self.value(Around::Members);
                let otherwise = self.otherwise();
                self.finish(id);
                return Member { id, kind: MemberKind::Final { path, value, otherwise } };
            }
        }
        let name = if matches!(
            self.kind(),
            TokenKind::Word | TokenKind::String | TokenKind::Quoted | TokenKind::Bad
        ) {
            self.key()
        } else {
            let found = self.found();
            self.expected(|range| {
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    format!("a field such as `name: T` must stand here, not {found}"),
                )
            });
            Ident { id: self.empty_node(), text: Name::default() }
        };
        self.field_colon(&name);
        // Without a colon and with something else, the rest of the line is skipped by the caller.
        let ty =
            if self.kind() == TokenKind::Equal { self.type_missing() } else { self.refined_type() };
        let default = self.eat(TokenKind::Equal).then(|| self.value(Around::Members));
        let otherwise = self.otherwise();
        self.finish(id);
        self.document(id, doc);
        Member {
            id,
            kind: MemberKind::Field { annotations, is_final, name, ty, default, otherwise },
        }
    }

    fn type_missing(&mut self) -> Type {
        self.missing("a type");
        Type { id: self.empty_node(), kind: TypeKind::Hole }
    }

    /// `{ statements }`
    fn block(&mut self) -> Block {
        if !self.open_brace() {
            return Block { id: self.empty_node(), statements: Vec::new() };
        }
        self.nested(
            |parser| {
                let id = parser.node(parser.here());
                let mut statements = Vec::new();
                parser.bracketed(Self::begins_statement, |parser| {
                    if let Some(statement) = parser.statement() {
                        statements.push(statement);
                    }
                });
                parser.finish(id);
                Block { id, statements }
            },
            |parser| Block { id: parser.empty_node(), statements: Vec::new() },
        )
    }

    fn begins_statement(&self) -> bool {
        matches!(self.word(), "let" | "emit" | "output" | "require" | "advise" | "assert")
    }

    fn statement(&mut self) -> Option<Statement> {
        let start = self.here();
        let doc = self.doc();
        let id = self.node(start);
        let kind = match self.word() {
            "let" => {
                self.bump();
                StatementKind::Let(self.let_binding(Around::Statements))
            }
            "emit" => {
                self.bump();
                let mut bind = None;
                if self.kind() == TokenKind::Word && self.kind_at(1) == TokenKind::Equal {
                    bind = Some(self.ident("a name"));
                    self.bump();
                }
                StatementKind::Emit { bind, value: self.expr() }
            }
            "output" => {
                self.bump();
                let name = self.ident("a name");
                self.field_colon(&name);
                let ty = self.ty();
                let value = if self.expect(TokenKind::Equal, "`=`") {
                    self.value(Around::Statements)
                } else {
                    self.hole()
                };
                self.document(id, [doc, None]);
                StatementKind::Output { name, ty, value }
            }
            "if" => {
                self.bump();
                StatementKind::If(self.if_rest())
            }
            "for" => {
                self.bump();
                let clause = self.for_clause(Self::head_expr);
                StatementKind::For { clause, body: self.block() }
            }
            "require" | "advise" | "assert" => StatementKind::Rule(self.rule()),
            word => {
                let found = self.found();
                let is_setting = !word.is_empty() && self.kind_at(1) == TokenKind::Equal;
                self.expected(|range| {
                    let error = SyntaxError::new(code::SYNTAX_ERROR, range, format!("{found} starts no statement"));
                    if is_setting {
                        error.help(format!("a value with a name is `let {word} = …`"))
                    } else if let Some(meant) = nearest(word, ["let", "emit", "output", "if", "for", "require", "advise", "assert"]) {
                        error.label(format!("did you mean `{meant}`?")).fix(range, meant)
                    } else {
                        error.help("a statement starts with `let`, `emit`, `output`, `if`, `for`, `require`, `advise` or `assert`")
                    }
                });
                return None;
            }
        };
        self.finish(id);
        Some(Statement { id, kind })
    }

    /// What stands after `if` in a block or a schema.
    fn if_rest(&mut self) -> If {
        let head = self.head();
        let then = self.block();
        let mut otherwise = None;
        if self.eat_word("else") {
            otherwise = Some(if self.word() == "if" {
                self.nested(
                    |parser| {
                        let block = parser.node(parser.here());
                        let id = parser.node(parser.here());
                        parser.bump();
                        let kind = StatementKind::If(parser.if_rest());
                        parser.finish(id);
                        parser.finish(block);
                        Block { id: block, statements: vec![Statement { id, kind }] }
                    },
                    |parser| Block { id: parser.empty_node(), statements: Vec::new() },
                )
            } else {
                self.block()
            });
        }
        If { head, then, otherwise }
    }

    /// `require cond else "why"`
    fn rule(&mut self) -> Rule {
        let level = match self.word() {
            "advise" => RuleLevel::Advise,
            "assert" => RuleLevel::Assert,
            _ => RuleLevel::Require,
        };
        self.bump();
        let condition = self.condition();
        let otherwise = self.otherwise();
        Rule { level, condition, otherwise }
    }
}
