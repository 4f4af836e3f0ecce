//! The tokens of a declaration with what stands before each, and its brackets in pairs.

use super::super::layout;
use super::super::lexer::{Token, TokenKind};
use super::{Trivia, slice};

/// A declaration on its way into the style.
pub(super) struct Declaration<'t> {
    /// At least one.
    pub(super) atoms: Vec<Atom<'t>>,
    /// In the order in which they open.
    pub(super) groups: Vec<Group>,
}

/// A token that is neither blank, comment nor comma.
pub(super) struct Atom<'t> {
    pub(super) kind: TokenKind,
    pub(super) text: &'t str,
    /// The innermost brackets around the place before it: its own where it closes them.
    pub(super) around: Option<usize>,
    /// The brackets that it opens or closes.
    pub(super) group: Option<usize>,
    pub(super) before: Trivia<'t>,
    pub(super) role: Role,
    /// A comma before it that separates no elements: `for key, value in …`, `in dev, prod`.
    pub(super) after_comma: bool,
}

/// What the place before an atom is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The start of the declaration, or right after an opening bracket.
    First,
    /// Between two elements of brackets, or two lines of the declaration itself.
    Separator,
    /// Right before a closing bracket, also of empty ones.
    Close,
    /// Inside of an element.
    Inside,
}

/// A pair of brackets.
pub(super) struct Group {
    /// The atom that opens it.
    pub(super) open: usize,
    /// The atom that closes it.
    pub(super) close: usize,
    pub(super) parent: Option<usize>,
    pub(super) kind: GroupKind,
    /// How many separators stand between its elements.
    pub(super) separators: usize,
    /// What is in it stands on lines of its own.
    pub(super) is_broken: bool,
}

/// What brackets hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GroupKind {
    /// `{ a = 1 }`, also of a schema, a block, a `match`.
    Record,
    /// `{String: Int}`
    MapType,
    /// `use a.{B, C}`
    Names,
    /// `[for x in xs => y]`, `{for k, v in m => [k] = v}`
    For,
    /// `[a, b]`, also as a type.
    List,
    /// `xs[k]`
    Index,
    /// `f(a)`, `fn f(a: A)`, `@a(b)`
    Arguments,
    /// `(a + b)`, `by (a, b)`
    Parentheses,
}

impl<'t> Declaration<'t> {
    pub(super) fn is_word(&self, atom: usize, words: &[&str]) -> bool {
        let atom = &self.atoms[atom];
        atom.kind == TokenKind::Word && words.contains(&atom.text)
    }

    /// Whether it is a word of the language here, after which a value starts.
    pub(super) fn is_keyword(&self, atom: usize) -> bool {
        let is_name = atom.checked_sub(1).is_some_and(|before| {
            matches!(
                self.atoms[before].kind,
                TokenKind::Dot | TokenKind::QuestionDot | TokenKind::At
            ) || self.is_word(before, &["fn"])
        });
        let begins = matches!(self.atoms[atom].role, Role::First | Role::Separator);
        !is_name
            && (self.is_word(atom, &["if", "match"])
                || begins && self.is_word(atom, &["require", "advise", "assert", "emit"])
                || !begins && self.is_word(atom, &["else", "in", "matches", "where", "by"]))
    }

    /// Whether a value or a type ends with the atom, so that what follows on its line belongs to it.
    pub(super) fn ends_value(&self, atom: usize) -> bool {
        use TokenKind::*;
        match self.atoms[atom].kind {
            Word => !self.is_keyword(atom),
            Int | Float | Unit | Date | String | Block | Raw | RawBlock | Question => true,
            kind => kind.closes(),
        }
    }

    /// The places directly between the brackets, the one before the closing bracket included: each
    /// by the atom after it.
    pub(super) fn places(&self, group: usize) -> impl Iterator<Item = usize> {
        let Group { open, close, .. } = self.groups[group];
        let mut at = open;
        std::iter::from_fn(move || {
            if at == close {
                return None;
            }
            // Over what is nested.
            at = match self.atoms[at].group {
                Some(nested) if at > open => self.groups[nested].close + 1,
                _ => at + 1,
            };
            Some(at)
        })
    }
}

/// Reads the tokens of one declaration without a mistake.
pub(super) fn read<'t>(source: &'t str, tokens: &[Token]) -> Declaration<'t> {
    let mut pieces = Vec::new();
    let marks = layout::marks(source, tokens);
    layout::arrange(source, &marks, &mut layout::Open::default(), &mut pieces);
    let mut declaration = Declaration { atoms: Vec::new(), groups: Vec::new() };
    let mut open: Vec<usize> = Vec::new();
    let mut before = Trivia::default();
    let (mut separates, mut after_comma) = (false, false);
    let mut token = 0;
    for piece in &pieces {
        if piece.kind == TokenKind::End {
            break;
        }
        if piece.kind == TokenKind::Separator {
            separates = true;
            continue;
        }
        for trivia in &tokens[token..piece.token as usize] {
            before.take(source, trivia);
        }
        token = piece.token as usize + 1;
        if piece.kind == TokenKind::Comma {
            let is_clause = open.is_empty() || declaration.ends_with_loop();
            separates |= !is_clause;
            after_comma |= is_clause;
            before.newlines = 0;
            continue;
        }
        declaration.push(
            &mut open,
            piece.kind,
            slice(source, piece.range),
            std::mem::take(&mut before),
            std::mem::take(&mut separates),
            std::mem::take(&mut after_comma),
        );
    }
    declaration
}

impl<'t> Declaration<'t> {
    /// Whether the last atoms are `for name`: a comma after them belongs to the loop.
    fn ends_with_loop(&self) -> bool {
        self.atoms.len() > 1
            && self.atoms[self.atoms.len() - 1].kind == TokenKind::Word
            && self.is_word(self.atoms.len() - 2, &["for"])
    }

    fn push(
        &mut self,
        open: &mut Vec<usize>,
        kind: TokenKind,
        text: &'t str,
        before: Trivia<'t>,
        separates: bool,
        after_comma: bool,
    ) {
        let at = self.atoms.len();
        let around = open.last().copied();
        let role = if kind.closes() {
            Role::Close
        } else if around.map_or(at == 0, |around| self.groups[around].open + 1 == at) {
            Role::First
        } else if separates {
            Role::Separator
        } else {
            Role::Inside
        };
        if let Some(around) = around {
            self.groups[around].separators += usize::from(role == Role::Separator);
        }
        let mut group = None;
        if kind.opens() {
            group = Some(self.groups.len());
            let kind = self.kind_of(kind, role);
            self.groups.push(Group {
                open: at,
                close: at,
                parent: around,
                kind,
                separators: 0,
                is_broken: false,
            });
            open.extend(group);
        } else if kind.closes() {
            group = open.pop();
            if let Some(group) = group {
                self.groups[group].close = at;
                self.find_loop(group);
            }
        } else if kind == TokenKind::Colon {
            self.find_map_type(around);
        }
        self.atoms.push(Atom { kind, text, around, group, before, role, after_comma });
    }

    /// What brackets are that open now, as far as can be told from what stands before them.
    fn kind_of(&self, kind: TokenKind, role: Role) -> GroupKind {
        let last = self.atoms.len().checked_sub(1);
        let last = last.filter(|_| !matches!(role, Role::First | Role::Separator));
        let ends_value = last.is_some_and(|last| self.ends_value(last));
        let is_after = |kind| last.is_some_and(|last| self.atoms[last].kind == kind);
        match kind {
            TokenKind::LeftBrace if is_after(TokenKind::Dot) => GroupKind::Names,
            TokenKind::LeftBrace => GroupKind::Record,
            TokenKind::LeftBracket if ends_value => GroupKind::Index,
            TokenKind::LeftBracket => GroupKind::List,
            _ if ends_value => GroupKind::Arguments,
            _ => GroupKind::Parentheses,
        }
    }

    /// At a closing bracket: `[for x in xs => y]`, not a block whose first statement is a `for`.
    fn find_loop(&mut self, group: usize) {
        let Group { open, close, kind, .. } = self.groups[group];
        let is_loop = matches!(kind, GroupKind::Record | GroupKind::List)
            && open + 2 < close.min(self.atoms.len())
            && self.is_word(open + 1, &["for"])
            && self.atoms[open + 2].kind == TokenKind::Word
            && self
                .places(group)
                .any(|it| it < close && self.atoms[it].kind == TokenKind::FatArrow);
        if is_loop {
            self.groups[group].kind = GroupKind::For;
        }
    }

    /// At a colon: `{` and a path that begins with a capital before it are a map type, except where
    /// the braces have a name before them, which makes them the fields of a schema.
    fn find_map_type(&mut self, around: Option<usize>) {
        let Some(around) = around else { return };
        let Group { open, kind, .. } = self.groups[around];
        let is_named = open.checked_sub(1).is_some_and(|before| self.ends_value(before));
        let path = &self.atoms[open + 1..];
        let is_path = path.iter().all(|it| matches!(it.kind, TokenKind::Word | TokenKind::Dot));
        let is_type =
            path.first().is_some_and(|it| it.text.starts_with(|it: char| it.is_uppercase()))
                || path.len() > 1;
        if kind == GroupKind::Record && !is_named && is_path && is_type {
            self.groups[around].kind = GroupKind::MapType;
        }
    }
}
