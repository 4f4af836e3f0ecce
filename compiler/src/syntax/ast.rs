//! The tree of one declaration.
//!
//! The tree holds no positions. Every node that can be pointed at carries a [`NodeId`], numbered in
//! the order of the text within its item; the side table [`ParsedItem::spans`] says where it
//! stands. So two texts that differ only in comments, blank lines or the place of a declaration
//! have equal trees, and whatever was computed from the tree stays valid.
//!
//! A missing piece is a hole ([`ExprKind::Hole`], [`TypeKind::Hole`], an empty [`Ident`]) in its
//! parent, never an absent parent: completion stands on it.

use smol_str::SmolStr;
use std::sync::Arc;

/// A word or key of the source. Short ones are stored inline.
pub type Name = SmolStr;

/// A node of one item, numbered from 0 in the order of the text. Node 0 is the item itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

/// A half-open range of bytes in a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TextRange {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl TextRange {
    /// The range from `start` up to, not including, `end`.
    pub fn new(start: u32, end: u32) -> Self {
        TextRange { start, end: end.max(start) }
    }

    /// The smallest range that holds both.
    pub fn cover(self, other: TextRange) -> TextRange {
        TextRange { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One declaration with its places.
#[derive(Clone, Debug)]
pub struct ParsedItem {
    /// The declaration, without positions.
    pub item: Arc<Item>,
    /// The place of each node: `spans[id.0]`, in bytes of the file.
    pub spans: Vec<TextRange>,
    /// Documentation (`///`) of nodes: the item (node 0), schema fields, record type fields, union
    /// arms, outputs. Sorted by node. Lines are joined by newlines, the markers removed.
    pub docs: Vec<(NodeId, SmolStr)>,
    /// The whole declaration with its documentation and annotations.
    pub range: TextRange,
    /// Whether a syntax error stands inside `range`.
    pub damaged: bool,
}

/// A declaration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Item {
    /// `@deprecated("…")` and the like, in order.
    pub annotations: Vec<Annotation>,
    /// The word `private` stood before it.
    pub private: bool,
    /// What it declares.
    pub kind: ItemKind,
}

/// `@name(args)`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Annotation {
    /// The whole annotation.
    pub id: NodeId,
    /// The word after `@`.
    pub name: Ident,
    /// The arguments; none where there are no parentheses.
    pub args: Vec<Arg>,
}

/// What an item declares.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ItemKind {
    /// `use a.b.{C as D} as e`
    Use {
        /// The segments before the braces.
        path: Path,
        /// `{C, D as E}`: `None` where there are no braces.
        names: Option<Vec<Alias>>,
        /// `as e`
        alias: Option<Ident>,
    },
    /// `package { … }`
    Package {
        /// Its settings.
        record: Record,
    },
    /// `let name: T = value`
    Let(Let),
    /// `schema Name { … }`
    Schema {
        /// The name.
        name: Ident,
        /// Its members in order.
        members: Vec<Member>,
    },
    /// `type Name = T where … else "…"`
    Type {
        /// The name.
        name: Ident,
        /// What it stands for.
        ty: Type,
    },
    /// `abstract environment name: Schema from parent { … }`
    Environment {
        /// `abstract` stood before it.
        is_abstract: bool,
        /// The name.
        name: Ident,
        /// The environment schema.
        schema: Path,
        /// `from parent`
        parent: Option<Ident>,
        /// Its values.
        record: Record,
    },
    /// `defaults Schema in envs { … }`
    Defaults {
        /// The schema.
        schema: Path,
        /// `in a, b`; empty: everywhere.
        environments: Vec<Ident>,
        /// Its values.
        record: Record,
    },
    /// `compose Schema as binder { … }`
    Compose {
        /// The schema.
        schema: Path,
        /// The request's name inside.
        binder: Ident,
        /// What it does.
        block: Block,
    },
    /// `policy name for Kind as binder in envs { … }`
    Policy {
        /// The name.
        name: Ident,
        /// A Kubernetes kind or a schema.
        target: Path,
        /// Its name inside.
        binder: Ident,
        /// `in a, b`; empty: everywhere.
        environments: Vec<Ident>,
        /// The rules.
        block: Block,
    },
    /// `fn name(a: A) -> R = body`
    Fn {
        /// The name.
        name: Ident,
        /// The parameters in order.
        params: Vec<Param>,
        /// The type of the result.
        result: Type,
        /// The value.
        body: Expr,
    },
    /// `request name: Schema in envs { … }`
    Request {
        /// The name.
        name: Ident,
        /// The schema.
        schema: Path,
        /// `in a, b`; empty: everywhere.
        environments: Vec<Ident>,
        /// Its values.
        record: Record,
    },
    /// `overlay a, b in envs { … }`
    Overlay {
        /// The requests.
        requests: Vec<Ident>,
        /// `in a, b`; empty only where it is missing in the text, which is an error.
        environments: Vec<Ident>,
        /// Its values.
        record: Record,
    },
    /// `adjust request: Kind in envs { … }`
    Adjust {
        /// A request or a schema.
        subject: Path,
        /// The Kubernetes kind.
        target: Path,
        /// `in a, b`; empty: everywhere.
        environments: Vec<Ident>,
        /// Its values.
        record: Record,
    },
    /// `test "name" in envs { … }`
    Test {
        /// The sentence; a hole where it is missing.
        name: Expr,
        /// `in a, b`; empty: everywhere.
        environments: Vec<Ident>,
        /// The assertions.
        block: Block,
    },
}

/// A word with its place. Empty where the text has none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ident {
    /// Its place.
    pub id: NodeId,
    /// The word, or the content of a quoted key.
    pub text: Name,
}

impl Ident {
    /// Whether the word is missing in the text.
    pub fn is_hole(&self) -> bool {
        self.text.is_empty()
    }
}

/// `a.b."c.d".E`: words and strings joined by dots.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// The whole path.
    pub id: NodeId,
    /// At least one; a hole where the text has none.
    pub segments: Vec<Ident>,
}

/// `Name as Alias` in a `use`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Alias {
    /// What is taken in.
    pub name: Ident,
    /// `as …`
    pub alias: Option<Ident>,
}

/// `name: T`
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Param {
    /// The name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
}

/// `let name: T = value`, as an item or a statement.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Let {
    /// The name.
    pub name: Ident,
    /// The type, where it is written.
    pub ty: Option<Type>,
    /// The value.
    pub value: Expr,
}

/// A member of a schema.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// The whole member.
    pub id: NodeId,
    /// What it is.
    pub kind: MemberKind,
}

/// What a member of a schema is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MemberKind {
    /// `...Schema`
    Include(Path),
    /// `final name: T = default else "…"`
    Field {
        /// `@deprecated` and the like.
        annotations: Vec<Annotation>,
        /// `final` stood before it.
        is_final: bool,
        /// The field's name.
        name: Ident,
        /// Its type, refinement included ([`TypeKind::Where`]).
        ty: Type,
        /// `= default`
        default: Option<Expr>,
        /// `else "…"`: why it is final.
        otherwise: Option<Expr>,
    },
    /// `if head { require … }`
    If(If),
    /// `require cond else "…"`
    Rule(Rule),
    /// `final path = value else "…"`
    Final {
        /// Which field.
        path: FieldPath,
        /// Its value.
        value: Expr,
        /// Why.
        otherwise: Option<Expr>,
    },
}

/// `require`, `advise` or `assert`, with its condition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// Which word.
    pub level: RuleLevel,
    /// What must hold.
    pub condition: Expr,
    /// `else "…"`: a string expression.
    pub otherwise: Option<Expr>,
}

/// The word of a [`Rule`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RuleLevel {
    /// An error where it does not hold.
    Require,
    /// A warning where it does not hold.
    Advise,
    /// A test's assertion.
    Assert,
}

/// A type as written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Type {
    /// The whole type.
    pub id: NodeId,
    /// What it is.
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TypeKind {
    /// Nothing was written.
    Hole,
    /// `"small"`, `80`, `true`, `none`
    Literal(Literal),
    /// `String`, `platform.Size`, `apps.Deployment`
    Path(Path),
    /// `[T]`, `[T by name]`, `[T by (a, b)]`
    List {
        /// The element; `None` for `[]`, which only values can be.
        item: Box<Type>,
        /// The key fields; empty: a plain list.
        keys: Vec<Ident>,
    },
    /// `{K: V}` with an upper-case first word
    Map {
        /// A string type.
        key: Path,
        /// The values.
        value: Box<Type>,
    },
    /// `{ a: T, b: U?, ... }`
    Record {
        /// Its fields in order.
        fields: Vec<TypeField>,
        /// `...` stood in it.
        open: bool,
    },
    /// `A | B`, at least two.
    Union(Vec<Type>),
    /// `T?`
    Optional(Box<Type>),
    /// `T where cond else "…"`
    Where {
        /// What it refines.
        base: Box<Type>,
        /// The condition on `it`.
        condition: Box<Expr>,
        /// Why: a string expression.
        otherwise: Option<Box<Expr>>,
    },
}

/// `name: T` in a structural record type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TypeField {
    /// The whole field.
    pub id: NodeId,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
}

/// An expression.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Expr {
    /// The whole expression.
    pub id: NodeId,
    /// What it is.
    pub kind: ExprKind,
}

/// What an expression is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ExprKind {
    /// Nothing was written, or it was not understood (an error says so).
    Hole,
    /// A value as written.
    Literal(Literal),
    /// A string with `${…}` in it.
    Interpolated(Vec<StringPart>),
    /// A word: a local, a declaration, a built-in.
    Name(Name),
    /// `base.name`, `base?.name`
    Field {
        /// What it is read from.
        base: Box<Expr>,
        /// The field; a hole after a lone dot.
        name: Ident,
        /// `?.`
        optional: bool,
    },
    /// `base[a, b]`
    Index {
        /// What it is read from.
        base: Box<Expr>,
        /// The key's parts; usually one.
        keys: Vec<Expr>,
    },
    /// `f(a, b = c)`
    Call {
        /// What is called.
        callee: Box<Expr>,
        /// The arguments.
        args: Vec<Arg>,
    },
    /// `{ a = 1 }`
    Record(Record),
    /// `apps.Deployment { … }`
    Named {
        /// The schema or kind.
        path: Box<Path>,
        /// Its fields.
        record: Record,
    },
    /// `[a, ...b]`
    List(Vec<Element>),
    /// `[for x in xs if c => y]`
    ListFor {
        /// What is bound from what.
        clause: Box<ForClause>,
        /// `if cond`
        condition: Option<Box<Expr>>,
        /// Each element.
        value: Box<Expr>,
    },
    /// `if head => then else otherwise`
    If {
        /// The condition.
        head: Box<Head>,
        /// The value where it holds.
        then: Box<Expr>,
        /// The value where it does not.
        otherwise: Box<Expr>,
    },
    /// `match subject { … }`
    Match {
        /// What is looked at.
        subject: Box<Expr>,
        /// The arms in order.
        arms: Vec<Arm>,
    },
    /// `-a`, `!a`
    Unary {
        /// Which.
        op: UnaryOp,
        /// Its operand.
        operand: Box<Expr>,
    },
    /// `a + b`
    Binary {
        /// Which.
        op: BinaryOp,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
}

/// A value as written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Literal {
    /// `none`
    None,
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `80`: never negative (a minus is an operator). One that does not fit is a hole and an error.
    Int(i64),
    /// `1.5`, as IEEE bits, so that literals compare and hash.
    Float(u64),
    /// `128Mi`, `1h30m`: digits and a unit, as written.
    Unit(Name),
    /// `2027-01-31`, as written.
    Date(Name),
    /// A string without interpolation, escapes resolved; also raw strings and `"""` blocks.
    String(Name),
    /// `r"…"`: kept apart since `matches` takes only these.
    Raw(Name),
}

/// A piece of an interpolated string.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StringPart {
    /// Text, escapes resolved.
    Text(Name),
    /// `${path}`
    Value(Expr),
}

/// An argument of a call.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Arg {
    /// `name =`
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// An element of a list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Element {
    /// `...` stood before it.
    pub spread: bool,
    /// The value.
    pub value: Expr,
}

/// `for first, second in iter`
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ForClause {
    /// The element; the key where there are two.
    pub first: Ident,
    /// The value of a map's entry.
    pub second: Option<Ident>,
    /// What is walked.
    pub iter: Expr,
}

/// The head of an `if`: `cond`, or `let name = value`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Head {
    /// The whole head.
    pub id: NodeId,
    /// `let name =`: holds where the value is not `none`.
    pub bind: Option<Ident>,
    /// The condition or the value.
    pub expr: Expr,
}

/// An arm of a `match`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Arm {
    /// The whole arm.
    pub id: NodeId,
    /// What it takes.
    pub pattern: Pattern,
    /// Its value.
    pub value: Expr,
}

/// What an arm takes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// Nothing was written.
    Hole,
    /// `"a" | "b"`: each with its place. A minus before a number is folded into the literal.
    Literals(Vec<(NodeId, Literal)>),
    /// `name: T`
    Typed {
        /// The name inside the arm.
        name: Ident,
        /// The type it takes.
        ty: Type,
    },
    /// `none`
    None,
    /// `_`
    Any,
}

/// `!`, `-`
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Negate,
}

/// The infix operators.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum BinaryOp {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    /// `??`
    Otherwise,
    /// `..=`
    Range,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `in`
    In,
    /// `matches`
    Matches,
    And,
    Or,
}

/// `{ … }` with entries.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// From brace to brace.
    pub id: NodeId,
    /// In the order of the text.
    pub entries: Vec<Entry>,
}

/// An entry of a record.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// The whole entry.
    pub id: NodeId,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a record is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum EntryKind {
    /// `...expr`
    Spread(Expr),
    /// `path = value`, `path += value`
    Set {
        /// `final` or `replace` before it.
        modifier: Option<Modifier>,
        /// Which field.
        path: FieldPath,
        /// `+=` rather than `=`.
        append: bool,
        /// The value. A bare word is a field with a hole.
        value: Expr,
        /// `else "…"`, after `final`.
        otherwise: Option<Box<Expr>>,
    },
    /// `for k, v in m if c => [k] = v`: the only entry of its record.
    For {
        /// What is bound from what.
        clause: Box<ForClause>,
        /// `if cond`
        condition: Option<Box<Expr>>,
        /// The key of each entry: usually computed, `[k]`.
        path: FieldPath,
        /// The value of each entry.
        value: Box<Expr>,
    },
}

/// The word before a field path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Modifier {
    /// `final`
    Final,
    /// `replace`
    Replace,
}

/// `a.b["c"].d`
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FieldPath {
    /// The whole path.
    pub id: NodeId,
    /// At least one.
    pub segments: Vec<PathSegment>,
}

/// A step of a [`FieldPath`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PathSegment {
    /// Its place.
    pub id: NodeId,
    /// A field, or an element.
    pub kind: SegmentKind,
}

/// What a step of a path takes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SegmentKind {
    /// `a`, `"a.b"`; empty where the text has none.
    Key(Name),
    /// `[k]`, `[80, "TCP"]`: a computed key, or the key of a keyed list.
    Index(Vec<Expr>),
}

/// `{ statements }`
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Block {
    /// From brace to brace.
    pub id: NodeId,
    /// In the order of the text.
    pub statements: Vec<Statement>,
}

/// A statement.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Statement {
    /// The whole statement.
    pub id: NodeId,
    /// What it is.
    pub kind: StatementKind,
}

/// What a statement is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StatementKind {
    /// `let name: T = value`
    Let(Let),
    /// `emit name = value`
    Emit {
        /// `name =`
        bind: Option<Ident>,
        /// A Kubernetes object or a schema value.
        value: Expr,
    },
    /// `output name: T = value`
    Output {
        /// The name.
        name: Ident,
        /// Its type.
        ty: Type,
        /// Its value.
        value: Expr,
    },
    /// `if head { … } else { … }`
    If(If),
    /// `for x in xs { … }`
    For {
        /// What is bound from what.
        clause: ForClause,
        /// What is done with each.
        body: Block,
    },
    /// `require cond else "…"`
    Rule(Rule),
}

/// `if head { … } else if … { … } else { … }`
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct If {
    /// The condition.
    pub head: Head,
    /// What is done where it holds.
    pub then: Block,
    /// `else`: a block; one with a single [`StatementKind::If`] for `else if`.
    pub otherwise: Option<Block>,
}
