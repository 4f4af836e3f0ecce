//! Expressions, records, and the paths of their fields.

use super::*;

/// How tightly an operator binds; a higher one binds tighter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    Any,
    Or,
    And,
    Compare,
    Range,
    Otherwise,
    Add,
    Multiply,
    Unary,
}

impl Power {
    fn next(self) -> Power {
        match self {
            Power::Any => Power::Or,
            Power::Or => Power::And,
            Power::And => Power::Compare,
            Power::Compare => Power::Range,
            Power::Range => Power::Otherwise,
            Power::Otherwise => Power::Add,
            Power::Add => Power::Multiply,
            Power::Multiply | Power::Unary => Power::Unary,
        }
    }
}

/// What a value stands in, which says whether the next line can be its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    Item,
    Entries,
    Members,
    Statements,
}

impl Parser<'_> {
    pub(super) fn hole(&mut self) -> Expr {
        Expr { id: self.empty_node(), kind: ExprKind::Hole }
    }

    /// An expression.
    pub(super) fn expr(&mut self) -> Expr {
        self.nested(Self::expr_inner, Self::hole)
    }

    fn expr_inner(&mut self) -> Expr {
        match self.word() {
            "if" => self.if_expr(),
            "match" => self.match_expr(),
            // Most values are a single literal or word.
            _ if self.begins_value()
                && self.kind() != TokenKind::LeftBrace
                && self.ahead_is_stop(1) =>
            {
                self.primary()
            }
            _ => {
                let value = self.binary(Power::Any);
                if self.kind() == TokenKind::Question {
                    self.foreign_choice();
                }
                value
            }
        }
    }

    /// `a ? b : c` of other languages.
    fn foreign_choice(&mut self) {
        let range = self.piece().range;
        self.skip_to_stop();
        self.report(SyntaxError::new(
            code::SYNTAX_ERROR,
            range,
            "a choice is written `if condition => a else b`",
        ));
    }

    /// The value after `=`. It must start on the same line; where the next line can be nothing else
    /// it is taken all the same, with an error.
    pub(super) fn value(&mut self, around: Around) -> Expr {
        if self.kind() == TokenKind::Separator && !self.ahead_is_stop(1) && self.continues(around) {
            self.join_line("value");
        }
        self.expr()
    }

    /// Reports that `what` stands on the next line, and goes there.
    pub(super) fn join_line(&mut self, what: &str) {
        let before = self.pieces[self.at - 1].range;
        let next = self.peek(1).range;
        let gap = TextRange::new(before.end, next.start);
        let error = SyntaxError::new(
            code::SYNTAX_ERROR,
            before,
            format!("the {what} starts on the line of the `{}`", self.slice(before)),
        )
        .related(next, format!("the {what} stands here"));
        let is_blank = self.slice(gap).trim().is_empty();
        self.report(if is_blank { error.fix(gap, " ") } else { error });
        self.bump();
    }

    /// Whether the line after the separator at the cursor can only be the value that is missing.
    fn continues(&self, around: Around) -> bool {
        let next = self.peek(1);
        if next.in_column_0 || matches!(next.kind, TokenKind::At | TokenKind::Bad) {
            return false;
        }
        let sets = |ahead| {
            matches!(
                self.kind_at(ahead),
                TokenKind::Equal
                    | TokenKind::Colon
                    | TokenKind::Dot
                    | TokenKind::PlusEqual
                    | TokenKind::LeftBracket
            )
        };
        let word = self.word_at(1);
        match around {
            Around::Item => !is_declaration(word),
            Around::Statements => !matches!(
                word,
                "let" | "emit" | "output" | "if" | "for" | "require" | "advise" | "assert"
            ),
            Around::Entries | Around::Members => match next.kind {
                // A word alone is a field that has no value yet.
                TokenKind::Word if sets(2) || self.ahead_is_stop(2) => false,
                TokenKind::Word if around == Around::Members => {
                    !matches!(word, "final" | "if" | "require" | "advise" | "assert")
                }
                TokenKind::Word => !matches!(word, "final" | "replace"),
                TokenKind::String | TokenKind::Quoted => !sets(2),
                TokenKind::LeftBracket => !sets(self.after_group(1)),
                TokenKind::Spread | TokenKind::Minus => false,
                _ => true,
            },
        }
    }

    /// An expression that must hold: `=` in it is a slip for `==`.
    pub(super) fn condition(&mut self) -> Expr {
        let start = self.here();
        let left = self.expr();
        if self.kind() != TokenKind::Equal {
            return left;
        }
        let range = self.piece().range;
        self.bump();
        self.report(
            SyntaxError::new(code::SYNTAX_ERROR, range, "`=` sets a field, `==` compares")
                .fix(range, "=="),
        );
        let right = self.expr();
        let kind =
            ExprKind::Binary { op: BinaryOp::Equal, left: Box::new(left), right: Box::new(right) };
        Expr { id: self.node_from(start), kind }
    }

    /// The head of an `if`.
    pub(super) fn head(&mut self) -> Head {
        let id = self.node(self.here());
        let mut bind = None;
        if self.word() == "let"
            && (self.kind_at(1) == TokenKind::Word || self.kind_at(1) == TokenKind::Equal)
        {
            self.bump();
            bind = Some(self.ident("a name"));
            self.expect(TokenKind::Equal, "`=`");
        }
        let expr = self.head_expr();
        self.finish(id);
        Head { id, bind, expr }
    }

    /// An expression before a body: a brace after a name starts the body.
    pub(super) fn head_expr(&mut self) -> Expr {
        let no_named = std::mem::replace(&mut self.no_named, true);
        let expr = self.condition();
        self.no_named = no_named;
        expr
    }

    fn if_expr(&mut self) -> Expr {
        let id = self.node(self.here());
        self.bump();
        let head = Box::new(self.head());
        if self.kind() == TokenKind::LeftBrace {
            return self.foreign_if(id, head);
        }
        self.expect_arrow();
        let then = Box::new(self.expr());
        let otherwise = Box::new(if self.eat_word("else") {
            self.expr()
        } else {
            let place = TextRange::new(self.end, self.end);
            self.missing_with("`else`", |error| {
                error
                    .help("a choice between values has both: `if condition => a else b`")
                    .fix(place, " else none")
            });
            self.hole()
        });
        self.finish(id);
        Expr { id, kind: ExprKind::If { head, then, otherwise } }
    }

    /// `if c { a } else { b }` where a value must stand.
    fn foreign_if(&mut self, id: NodeId, head: Box<Head>) -> Expr {
        self.expected(|range| {
            SyntaxError::new(
                code::SYNTAX_ERROR,
                range,
                "a choice between values is written `if condition => a else b`",
            )
        });
        let then = Box::new(self.hole());
        self.skip_one();
        while self.eat_word("else") {
            while !self.at_stop() && self.kind() != TokenKind::LeftBrace {
                self.bump();
            }
            if self.kind() == TokenKind::LeftBrace {
                self.skip_one();
            }
        }
        let otherwise = Box::new(self.hole());
        self.finish(id);
        Expr { id, kind: ExprKind::If { head, then, otherwise } }
    }

    /// Takes `=>`. Where something else stands before it, the mistake is there and what follows it
    /// is sound.
    fn expect_arrow(&mut self) {
        if self.expect(TokenKind::FatArrow, "`=>`") {
            return;
        }
        let mut ahead = 0;
        while !self.ahead_is_stop(ahead) && self.kind_at(ahead) != TokenKind::FatArrow {
            ahead = if self.kind_at(ahead).opens() { self.after_group(ahead) } else { ahead + 1 };
        }
        if self.kind_at(ahead) == TokenKind::FatArrow {
            for _ in 0..=ahead {
                self.bump();
            }
        }
    }

    fn match_expr(&mut self) -> Expr {
        let id = self.node(self.here());
        self.bump();
        let subject = Box::new(self.head_expr());
        let mut arms = Vec::new();
        if self.kind() == TokenKind::LeftBrace {
            self.bracketed(
                |_| false,
                |parser| {
                    let arm = parser.arm();
                    arms.push(arm);
                },
            );
        } else {
            self.expect(TokenKind::LeftBrace, "`{`");
        }
        self.finish(id);
        Expr { id, kind: ExprKind::Match { subject, arms } }
    }

    fn arm(&mut self) -> Arm {
        let id = self.node(self.here());
        let pattern = self.pattern();
        let value = if self.eat(TokenKind::FatArrow) {
            self.expr()
        } else if matches!(self.kind(), TokenKind::Arrow | TokenKind::Colon | TokenKind::Equal) {
            let range = self.piece().range;
            self.report(
                SyntaxError::new(code::SYNTAX_ERROR, range, "an arm is written `pattern => value`")
                    .fix(range, "=>"),
            );
            self.bump();
            self.expr()
        } else {
            self.expect(TokenKind::FatArrow, "`=>`");
            self.hole()
        };
        self.finish(id);
        Arm { id, pattern, value }
    }

    fn pattern(&mut self) -> Pattern {
        let word = self.word();
        if word == "_" {
            self.bump();
            return Pattern::Any;
        }
        if word == "none" && self.kind_at(1) != TokenKind::Pipe {
            self.bump();
            return Pattern::None;
        }
        let is_name =
            self.kind() == TokenKind::Word && !matches!(word, "none" | "true" | "false" | "null");
        if is_name || self.kind() == TokenKind::Colon {
            let range = self.piece().range;
            if !is_name || matches!(self.kind_at(1), TokenKind::Colon | TokenKind::Word) {
                let name = self.ident("a name");
                self.expect(TokenKind::Colon, "`:`");
                return Pattern::Typed { name, ty: self.ty() };
            }
            self.bump();
            let error =
                SyntaxError::new(code::SYNTAX_ERROR, range, format!("`{word}` is no pattern"));
            self.report(match word {
                "else" | "default" | "otherwise" => {
                    error.help("the arm for everything else is `_`").fix(range, "_")
                }
                _ => error
                    .help(format!("text is written in quotes; a value of a type is `{word}: T`"))
                    .fix(range, format!("\"{word}\"")),
            });
            return Pattern::Hole;
        }
        let mut literals = Vec::new();
        loop {
            let start = self.here();
            match self.literal() {
                Some(Some(literal)) => literals.push((self.node_from(start), literal)),
                Some(None) => {}
                None => {
                    if self.kind() == TokenKind::Bad {
                        self.reported_at = Some(self.at);
                        self.bump();
                    } else {
                        self.missing("a pattern");
                    }
                }
            }
            if !self.eat(TokenKind::Pipe) {
                break;
            }
        }
        if literals.is_empty() { Pattern::Hole } else { Pattern::Literals(literals) }
    }

    /// A literal with its sign, as types and patterns have them: `None` where none stands there,
    /// `Some(None)` where one does that is not understood.
    pub(super) fn literal(&mut self) -> Option<Option<Literal>> {
        let minus = self.kind() == TokenKind::Minus
            && matches!(self.kind_at(1), TokenKind::Int | TokenKind::Float | TokenKind::Unit);
        if minus {
            self.bump();
        }
        let kind = self.kind();
        let range = self.piece().range;
        let text = self.slice(range);
        Some(match kind {
            TokenKind::String
            | TokenKind::Quoted
            | TokenKind::Block
            | TokenKind::Raw
            | TokenKind::RawBlock => match self.string() {
                ExprKind::Literal(literal) => Some(literal),
                _ => {
                    self.report(SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        "no `${…}` may stand in this text",
                    ));
                    None
                }
            },
            TokenKind::Int => {
                self.bump();
                self.int(range, minus)
            }
            TokenKind::Float => {
                self.bump();
                self.float(range, minus)
            }
            TokenKind::Unit => {
                self.bump();
                Some(Literal::Unit(if minus { format!("-{text}").into() } else { text.into() }))
            }
            TokenKind::Date => {
                self.bump();
                Some(Literal::Date(text.into()))
            }
            TokenKind::Word => {
                let literal = word_literal(text)?;
                self.bump();
                Some(literal)
            }
            _ => return None,
        })
    }

    /// The value of digits.
    fn int(&mut self, range: TextRange, minus: bool) -> Option<Literal> {
        let digits = self.slice(range);
        let value = if minus { format!("-{digits}").parse() } else { digits.parse() };
        if value.is_err() {
            self.report(
                SyntaxError::new(
                    code::NUMBER_OUT_OF_RANGE,
                    range,
                    format!("`{}` is too large for an Int", shown(digits)),
                )
                .help("an Int has 64 bits: at most 9223372036854775807; text is written in quotes"),
            );
        }
        value.ok().map(Literal::Int)
    }

    fn float(&mut self, range: TextRange, minus: bool) -> Option<Literal> {
        let value: f64 = self.slice(range).parse().unwrap_or(f64::INFINITY);
        if value.is_infinite() {
            self.report(SyntaxError::new(
                code::NUMBER_OUT_OF_RANGE,
                range,
                "this is too large for a Float",
            ));
            return None;
        }
        Some(Literal::Float(if minus { -value } else { value }.to_bits()))
    }

    /// The infix operator at the cursor.
    fn operator(&self) -> Option<(BinaryOp, Power)> {
        Some(match self.kind() {
            TokenKind::Star => (BinaryOp::Multiply, Power::Multiply),
            TokenKind::Slash => (BinaryOp::Divide, Power::Multiply),
            TokenKind::Percent => (BinaryOp::Remainder, Power::Multiply),
            TokenKind::Plus => (BinaryOp::Add, Power::Add),
            TokenKind::Minus => (BinaryOp::Subtract, Power::Add),
            TokenKind::Otherwise => (BinaryOp::Otherwise, Power::Otherwise),
            TokenKind::Range | TokenKind::DotDot => (BinaryOp::Range, Power::Range),
            TokenKind::EqualEqual => (BinaryOp::Equal, Power::Compare),
            TokenKind::NotEqual => (BinaryOp::NotEqual, Power::Compare),
            TokenKind::Less => (BinaryOp::Less, Power::Compare),
            TokenKind::LessEqual => (BinaryOp::LessOrEqual, Power::Compare),
            TokenKind::Greater => (BinaryOp::Greater, Power::Compare),
            TokenKind::GreaterEqual => (BinaryOp::GreaterOrEqual, Power::Compare),
            TokenKind::And => (BinaryOp::And, Power::And),
            TokenKind::Or => (BinaryOp::Or, Power::Or),
            TokenKind::Word => match self.word() {
                "in" => (BinaryOp::In, Power::Compare),
                "matches" => (BinaryOp::Matches, Power::Compare),
                "and" => (BinaryOp::And, Power::And),
                "or" => (BinaryOp::Or, Power::Or),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn binary(&mut self, least: Power) -> Expr {
        let outer = std::mem::replace(&mut self.height, 0);
        let start = self.here();
        let mut left = self.unary();
        let mut last: Option<(Power, TextRange)> = None;
        while let Some((op, power)) = self.operator() {
            if power < least {
                break;
            }
            let range = self.piece().range;
            if let Some((before, first)) = last
                && before == power
                && matches!(power, Power::Compare | Power::Range)
            {
                self.report(
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        "comparisons and ranges do not chain",
                    )
                    .related(first, "the first one")
                    .help("write both, joined: `a < b && b < c`; or put one in parentheses"),
                );
            }
            last = Some((power, range));
            if self.kind() == TokenKind::DotDot {
                self.report(
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        "a range is written `..=`, its end included",
                    )
                    .fix(range, "..="),
                );
            }
            match self.word() {
                "and" => {
                    self.report(
                        SyntaxError::new(code::SYNTAX_ERROR, range, "`and` is written `&&`")
                            .fix(range, "&&"),
                    );
                }
                "or" => {
                    self.report(
                        SyntaxError::new(code::SYNTAX_ERROR, range, "`or` is written `||`")
                            .fix(range, "||"),
                    );
                }
                _ => {}
            }
            self.bump();
            let height = self.height;
            let right = self.nested(|parser| parser.binary(power.next()), Self::hole);
            self.grow(height);
            let kind = ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) };
            left = Expr { id: self.node_from(start), kind };
        }
        self.height = self.height.max(outer);
        left
    }

    fn unary(&mut self) -> Expr {
        let op = match self.kind() {
            TokenKind::Bang => UnaryOp::Not,
            TokenKind::Minus => UnaryOp::Negate,
            TokenKind::Word
                if self.word() == "not"
                    && self.kind_at(1) == TokenKind::Word
                    && !matches!(
                        self.word_at(1),
                        "in" | "matches" | "and" | "or" | "else" | "where"
                    ) =>
            {
                let range = self.piece().range;
                self.report(
                    SyntaxError::new(code::SYNTAX_ERROR, range, "`not` is written `!`")
                        .fix(range, "!"),
                );
                UnaryOp::Not
            }
            _ => return self.postfix(),
        };
        let id = self.node(self.here());
        self.bump();
        if op == UnaryOp::Negate
            && self.kind() == TokenKind::Int
            && self.slice(self.piece().range) == "9223372036854775808"
        {
            // The one number whose positive does not fit.
            self.bump();
            self.finish(id);
            return Expr { id, kind: ExprKind::Literal(Literal::Int(i64::MIN)) };
        }
        let operand = Box::new(self.nested(Self::unary, Self::hole));
        self.finish(id);
        Expr { id, kind: ExprKind::Unary { op, operand } }
    }

    fn postfix(&mut self) -> Expr {
        let start = self.here();
        let mut base = self.primary();
        loop {
            if self.stopped {
                return base;
            }
            let height = self.height;
            let kind = match self.kind() {
                TokenKind::Dot | TokenKind::QuestionDot => {
                    let optional = self.kind() == TokenKind::QuestionDot;
                    self.bump();
                    let name = self.segment();
                    ExprKind::Field { base: Box::new(base), name, optional }
                }
                TokenKind::LeftParen => {
                    ExprKind::Call { callee: Box::new(base), args: self.args() }
                }
                TokenKind::LeftBracket => {
                    ExprKind::Index { base: Box::new(base), keys: self.index() }
                }
                TokenKind::LeftBrace if !self.no_named && is_path(&base) => {
                    let path = Box::new(self.named_path(base, start));
                    ExprKind::Named { path, record: self.record() }
                }
                _ => return base,
            };
            self.grow(height);
            base = Expr { id: self.node_from(start), kind };
        }
    }

    /// Names and fields as a path.
    fn named_path(&mut self, expr: Expr, start: u32) -> Path {
        let mut segments = Vec::new();
        let id = if matches!(expr.kind, ExprKind::Field { .. }) {
            expr.id
        } else {
            self.node_from(start)
        };
        let mut rest = expr;
        loop {
            match rest.kind {
                ExprKind::Field { base, name, .. } => {
                    segments.push(name);
                    rest = *base;
                }
                ExprKind::Name(text) => {
                    segments.push(Ident { id: rest.id, text });
                    break;
                }
                _ => break,
            }
        }
        segments.reverse();
        Path { id, segments }
    }

    /// `(a, b = c)`
    pub(super) fn args(&mut self) -> Vec<Arg> {
        let mut args = Vec::new();
        self.bracketed(Self::begins_value, |parser| {
            let mut name = None;
            if parser.kind() == TokenKind::Word
                && matches!(parser.kind_at(1), TokenKind::Equal | TokenKind::Colon)
            {
                name = Some(parser.ident("a name"));
                let range = parser.piece().range;
                if parser.kind() == TokenKind::Colon {
                    parser.report(
                        SyntaxError::new(
                            code::SYNTAX_ERROR,
                            range,
                            "a named argument is written `name = value`",
                        )
                        .fix(range, " ="),
                    );
                }
                parser.bump();
            }
            let value = parser.expr();
            args.push(Arg { name, value });
        });
        args
    }

    /// `[a, b]` after what is indexed.
    fn index(&mut self) -> Vec<Expr> {
        let bracket = self.piece().range;
        let mut keys = Vec::new();
        self.bracketed(Self::begins_value, |parser| keys.push(parser.expr()));
        if keys.is_empty() {
            self.report(SyntaxError::new(code::SYNTAX_ERROR, bracket, "a key is missing in `[]`"));
            keys.push(self.hole());
        }
        keys
    }

    /// Whether a literal or a name stands at the cursor.
    fn begins_value(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::Word
                | TokenKind::Int
                | TokenKind::Float
                | TokenKind::Unit
                | TokenKind::Date
                | TokenKind::String
                | TokenKind::Raw
                | TokenKind::LeftBrace
        )
    }

    pub(super) fn primary(&mut self) -> Expr {
        let start = self.here();
        let kind = match self.kind() {
            TokenKind::LeftBrace => {
                if self.no_named {
                    // The only group of braces after a head is its body.
                    let after = self.after_group(0);
                    if self.ahead_is_stop(after) || self.word_at(after) == "else" {
                        return self.no_value();
                    }
                }
                let record = self.record();
                return Expr { id: self.node_from(start), kind: ExprKind::Record(record) };
            }
            TokenKind::LeftBracket => return self.list(),
            TokenKind::LeftParen => return self.parenthesized(),
            TokenKind::String | TokenKind::Quoted | TokenKind::Block => {
                let id = self.node(start);
                let kind = self.string();
                self.finish(id);
                return Expr { id, kind };
            }
            TokenKind::Bad => {
                self.reported_at = Some(self.at);
                self.bump();
                ExprKind::Hole
            }
            TokenKind::Word if word_literal(self.word()).is_none() => return self.name(),
            TokenKind::Minus => return self.no_value(),
            _ => match self.literal() {
                Some(literal) => literal.map_or(ExprKind::Hole, ExprKind::Literal),
                None => return self.no_value(),
            },
        };
        Expr { id: self.node_from(start), kind }
    }

    fn no_value(&mut self) -> Expr {
        self.missing("a value");
        self.hole()
    }

    /// A word as a value.
    fn name(&mut self) -> Expr {
        let start = self.here();
        let word = self.word();
        match word {
            "else" | "in" | "matches" | "where" => return self.no_value(),
            "if" | "match" => {
                let range = self.piece().range;
                self.report(SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    format!("`{word}` beside an operator is put in parentheses"),
                ));
                return self.expr();
            }
            "for" if self.kind_at(1) == TokenKind::Word => {
                self.expected(|range| {
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        "`for` as a value stands in brackets: `[for x in xs => y]`",
                    )
                });
                let hole = self.hole();
                while !self.at_stop() || self.kind() == TokenKind::Comma {
                    self.skip_one();
                }
                return hole;
            }
            _ => {}
        }
        self.bump();
        Expr { id: self.node_from(start), kind: ExprKind::Name(word.into()) }
    }

    /// `(a)`: no node of its own.
    fn parenthesized(&mut self) -> Expr {
        let no_named = std::mem::replace(&mut self.no_named, false);
        self.bump();
        let expr = self.expr();
        self.close_group();
        self.no_named = no_named;
        expr
    }

    fn list(&mut self) -> Expr {
        let id = self.node(self.here());
        if self.word_at(1) == "for" && self.kind_at(2) == TokenKind::Word {
            let no_named = std::mem::replace(&mut self.no_named, false);
            self.bump();
            self.bump();
            let clause = Box::new(self.for_clause(Self::expr));
            let condition = self.eat_word("if").then(|| Box::new(self.condition()));
            self.expect_arrow();
            let value = Box::new(self.expr());
            self.close_group();
            self.no_named = no_named;
            self.finish(id);
            return Expr { id, kind: ExprKind::ListFor { clause, condition, value } };
        }
        let mut elements = Vec::new();
        self.bracketed(Self::begins_value, |parser| {
            let spread = parser.eat(TokenKind::Spread);
            let value = parser.expr();
            elements.push(Element { spread, value });
        });
        self.finish(id);
        Expr { id, kind: ExprKind::List(elements) }
    }

    /// `first, second in iter`, after `for`.
    pub(super) fn for_clause(&mut self, iter: impl FnOnce(&mut Self) -> Expr) -> ForClause {
        let first = self.ident("a name");
        let second = self.eat(TokenKind::Comma).then(|| self.ident("a name"));
        self.expect_word("in");
        ForClause { first, second, iter: iter(self) }
    }

    /// The record of a declaration: its brace must stand at the cursor.
    pub(super) fn item_record(&mut self) -> Record {
        if self.open_brace() {
            return self.record();
        }
        Record { id: self.empty_node(), entries: Vec::new() }
    }

    /// Goes to the opening brace, or reports that there is none.
    pub(super) fn open_brace(&mut self) -> bool {
        if self.kind() == TokenKind::LeftBrace {
            return true;
        }
        if self.kind() == TokenKind::Separator && self.kind_at(1) == TokenKind::LeftBrace {
            let range = self.peek(1).range;
            let gap = TextRange::new(self.end, range.start);
            let error = SyntaxError::new(
                code::SYNTAX_ERROR,
                range,
                "`{` stands at the end of the line before it",
            );
            let is_blank = self.slice(gap).trim().is_empty();
            self.report(if is_blank { error.fix(gap, " ") } else { error });
            self.bump();
            return true;
        }
        self.expect(TokenKind::LeftBrace, "`{`");
        let is_indented = self.kind() == TokenKind::Separator && !self.peek(1).in_column_0;
        if self.depth == 0 && is_indented && self.kind_at(1) != TokenKind::End {
            // The lines below a declaration can only be its body.
            return true;
        }
        // Something else stands before it: the mistake is there, the body is sound.
        let mut ahead = 0;
        while !self.ahead_is_stop(ahead) {
            if self.kind_at(ahead) == TokenKind::LeftBrace {
                for _ in 0..ahead {
                    self.bump();
                }
                return true;
            }
            ahead += 1;
        }
        false
    }

    /// `{ … }` with entries. Its brace stands at the cursor.
    pub(super) fn record(&mut self) -> Record {
        let id = self.node(self.here());
        let mut entries = Vec::new();
        if self.word_at(1) == "for" && self.kind_at(2) == TokenKind::Word {
            let no_named = std::mem::replace(&mut self.no_named, false);
            self.bump();
            let entry = self.node(self.here());
            self.bump();
            let clause = Box::new(self.for_clause(Self::expr));
            let condition = self.eat_word("if").then(|| Box::new(self.condition()));
            self.expect_arrow();
            let path = self.field_path();
            self.expect(TokenKind::Equal, "`=`");
            let value = Box::new(self.expr());
            self.finish(entry);
            self.close_group();
            self.no_named = no_named;
            entries
                .push(Entry { id: entry, kind: EntryKind::For { clause, condition, path, value } });
        } else {
            self.bracketed(Self::begins_entry, |parser| {
                let entry = parser.entry();
                entries.push(entry);
            });
            entries.shrink_to_fit();
        }
        self.finish(id);
        Record { id, entries }
    }

    /// Whether a field with its value stands at the cursor.
    fn begins_entry(&self) -> bool {
        matches!(self.kind(), TokenKind::Word | TokenKind::String)
            && matches!(
                self.kind_at(1),
                TokenKind::Equal
                    | TokenKind::PlusEqual
                    | TokenKind::Dot
                    | TokenKind::Colon
                    | TokenKind::LeftBracket
            )
    }

    fn entry(&mut self) -> Entry {
        let id = self.node(self.here());
        if self.eat(TokenKind::Spread) {
            let value = self.expr();
            self.finish(id);
            return Entry { id, kind: EntryKind::Spread(value) };
        }
        let has_key =
            matches!(self.kind_at(1), TokenKind::Word | TokenKind::String | TokenKind::Quoted);
        let modifier = match self.word() {
            "final" if has_key => Some(Modifier::Final),
            "replace" if has_key => Some(Modifier::Replace),
            _ => None,
        };
        if modifier.is_some() {
            self.bump();
        }
        let path = self.field_path();
        let mut append = false;
        let range = self.piece().range;
        let value = match self.kind() {
            TokenKind::Equal => {
                self.bump();
                self.value(Around::Entries)
            }
            TokenKind::PlusEqual => {
                self.bump();
                append = true;
                self.value(Around::Entries)
            }
            TokenKind::Colon | TokenKind::EqualEqual => {
                let slip = self.slice(range);
                self.bump();
                self.report(
                    SyntaxError::new(
                        code::SYNTAX_ERROR,
                        range,
                        format!("a field is set with `=`, not `{slip}`"),
                    )
                    .fix(range, if slip == ":" { " =" } else { "=" }),
                );
                if self.at_stop() {
                    // The lines below were meant: they speak for themselves.
                    self.reported_at = Some(self.at);
                }
                self.value(Around::Entries)
            }
            TokenKind::LeftBrace
            | TokenKind::LeftBracket
            | TokenKind::String
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Unit
            | TokenKind::Date => {
                let place = TextRange::new(self.end, self.end);
                self.missing_with("`=`", |error| error.fix(place, " ="));
                self.expr()
            }
            _ => {
                self.no_field_value(&path);
                self.hole()
            }
        };
        let otherwise = self.otherwise().map(Box::new);
        self.finish(id);
        Entry { id, kind: EntryKind::Set { modifier, path, append, value, otherwise } }
    }

    /// A field without `=`.
    fn no_field_value(&mut self, path: &FieldPath) {
        let range = self.spans[path.id.0 as usize];
        if range.start == range.end {
            self.reported_at = Some(self.at);
            return;
        }
        if self.at_stop() {
            let text = shown(self.slice(range));
            let place = TextRange::new(self.end, self.end);
            self.expected(|_| {
                SyntaxError::new(code::SYNTAX_ERROR, range, format!("`{text}` has no value"))
                    .fix(place, " = ")
            });
        } else {
            self.expect(TokenKind::Equal, "`=`");
        }
    }

    /// `a.b["c"].d`
    pub(super) fn field_path(&mut self) -> FieldPath {
        let id = self.node(self.here());
        // Nearly always one.
        let mut segments = Vec::with_capacity(1);
        if self.kind() == TokenKind::LeftBracket {
            let segment = self.index_segment();
            segments.push(segment);
        } else {
            let segment = self.key_segment(true);
            segments.push(segment);
        }
        loop {
            match self.kind() {
                TokenKind::Dot | TokenKind::DotDot => {
                    segments.reserve_exact(1);
                    self.dots(|parser| segments.push(parser.key_segment(false)));
                }
                TokenKind::QuestionDot => {
                    let range = self.piece().range;
                    self.bump();
                    self.report(
                        SyntaxError::new(
                            code::SYNTAX_ERROR,
                            range,
                            "`?.` reads; a path that is set has `.` only",
                        )
                        .fix(range, "."),
                    );
                    let segment = self.key_segment(false);
                    segments.push(segment);
                }
                TokenKind::LeftBracket if !self.begins_list() => {
                    let segment = self.index_segment();
                    segments.push(segment);
                }
                _ => break,
            }
        }
        self.finish(id);
        FieldPath { id, segments }
    }

    /// Whether the bracket at the cursor can only be a list: an `=` is missing before it.
    fn begins_list(&self) -> bool {
        let inside = self.kind_at(1);
        let is_list = matches!(
            inside,
            TokenKind::LeftBrace
                | TokenKind::LeftBracket
                | TokenKind::RightBracket
                | TokenKind::Spread
        ) || self.word_at(1) == "for" && self.kind_at(2) == TokenKind::Word;
        is_list
            && !matches!(self.kind_at(self.after_group(0)), TokenKind::Equal | TokenKind::PlusEqual)
    }

    fn index_segment(&mut self) -> PathSegment {
        let id = self.node(self.here());
        let keys = self.index();
        self.finish(id);
        PathSegment { id, kind: SegmentKind::Index(keys) }
    }

    fn key_segment(&mut self, is_first: bool) -> PathSegment {
        if matches!(
            self.kind(),
            TokenKind::Int | TokenKind::Float | TokenKind::Unit | TokenKind::Date
        ) {
            self.number_key();
            let start = self.here();
            let text = self.slice(self.piece().range).into();
            self.bump();
            return PathSegment { id: self.node_from(start), kind: SegmentKind::Key(text) };
        }
        if is_first && self.kind() == TokenKind::Minus {
            self.expected(|range| {
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    "a list is written in brackets: `[a, b]`",
                )
            });
            return PathSegment { id: self.empty_node(), kind: SegmentKind::Key(Name::default()) };
        }
        if is_first
            && !matches!(
                self.kind(),
                TokenKind::Word | TokenKind::String | TokenKind::Quoted | TokenKind::Bad
            )
        {
            let found = self.found();
            self.expected(|range| {
                SyntaxError::new(
                    code::SYNTAX_ERROR,
                    range,
                    format!("a field such as `name = value` must stand here, not {found}"),
                )
            });
            return PathSegment { id: self.empty_node(), kind: SegmentKind::Key(Name::default()) };
        }
        let key = self.key();
        PathSegment { id: key.id, kind: SegmentKind::Key(key.text) }
    }

    /// `else "why"`
    pub(super) fn otherwise(&mut self) -> Option<Expr> {
        if !self.eat_word("else") {
            return None;
        }
        if !matches!(
            self.kind(),
            TokenKind::String
                | TokenKind::Quoted
                | TokenKind::Block
                | TokenKind::Raw
                | TokenKind::RawBlock
        ) {
            self.missing_with("a text in quotes", |error| {
                error.help("it tells the reader why: `else \"…\"`")
            });
            if self.at_stop() || self.kind() == TokenKind::LeftBrace {
                return Some(self.hole());
            }
            return Some(self.expr());
        }
        Some(self.primary())
    }
}

/// Whether it is words joined by dots.
fn is_path(expr: &Expr) -> bool {
    let mut expr = expr;
    loop {
        match &expr.kind {
            ExprKind::Name(_) => return true,
            ExprKind::Field { base, optional: false, .. } => expr = base,
            _ => return false,
        }
    }
}

/// The words that are values.
fn word_literal(word: &str) -> Option<Literal> {
    Some(match word {
        "none" => Literal::None,
        "null" => Literal::Null,
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        _ => return None,
    })
}
