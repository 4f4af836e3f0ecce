//! Where lines end before any of them is found to be too long.

use super::super::lexer::TokenKind;
use super::atoms::{Declaration, GroupKind, Role};

/// A declaration with its lines.
pub(super) struct Broken<'t> {
    pub(super) declaration: Declaration<'t>,
    /// Whether a line begins with the atom of this number.
    pub(super) begins_line: Vec<bool>,
}

/// Takes over the author's lines. Brackets of several lines hold them on lines of their own, unless
/// all that is in them is one element that itself has brackets: `[{`, `f(a, {`.
pub(super) fn decide(mut declaration: Declaration<'_>) -> Broken<'_> {
    let count = declaration.groups.len();
    // Whether a line ends anywhere in the brackets.
    let mut has_lines = vec![false; count];
    for atom in &declaration.atoms {
        let Some(around) = atom.around else { continue };
        let is_empty = declaration.groups[around].open + 1 == declaration.groups[around].close;
        let breaks = atom.before.has_newline && !is_empty || !atom.before.comments.is_empty();
        if atom.role != Role::Inside {
            declaration.groups[around].is_broken |= breaks;
        }
        has_lines[around] |= breaks || atom.text.contains('\n');
    }
    // What is nested comes after what it stands in.
    for group in (0..count).rev() {
        let it = &mut declaration.groups[group];
        it.is_broken |= has_lines[group]
            && match it.kind {
                GroupKind::Record => true,
                GroupKind::List => it.separators > 0,
                _ => false,
            };
        if let Some(parent) = it.parent {
            has_lines[parent] |= has_lines[group] || it.is_broken;
        }
    }
    let mut begins_line: Vec<bool> = declaration
        .atoms
        .iter()
        .map(|atom| {
            !atom.before.comments.is_empty()
                || match (atom.role, atom.around) {
                    (Role::First | Role::Close, around) => {
                        around.is_some_and(|it| declaration.groups[it].is_broken)
                    }
                    (Role::Separator | Role::Inside, _) => atom.before.has_newline,
                }
        })
        .collect();
    for (at, atom) in declaration.atoms.iter().enumerate() {
        if declaration.follows_closing(at) && atom.before.comments.is_empty() {
            begins_line[at] = false;
        }
    }
    for group in 0..count {
        if declaration.groups[group].is_broken {
            separate(&declaration, group, &mut begins_line);
        }
    }
    Broken { declaration, begins_line }
}

/// Gives an element of broken brackets lines of its own where it has several. Others stand together
/// where the author put them together; arguments never do.
fn separate(declaration: &Declaration<'_>, group: usize, begins_line: &mut [bool]) {
    let kind = declaration.groups[group].kind;
    let is_alone = matches!(kind, GroupKind::Arguments | GroupKind::Parentheses);
    // Where the current element starts, and whether it has several lines.
    let (mut start, mut has_lines) = (declaration.groups[group].open + 1, false);
    let mut last = start;
    for place in declaration.places(group).skip(1) {
        has_lines |= declaration.atoms[last].text.contains('\n')
            || begins_line[last + 1..place].iter().any(|it| *it);
        last = place;
        match declaration.atoms[place].role {
            Role::Separator | Role::Close => {
                if has_lines && declaration.atoms[start].role == Role::Separator {
                    begins_line[start] = true;
                }
                begins_line[place] |= is_alone || has_lines;
                (start, has_lines) = (place, false);
            }
            _ => has_lines |= begins_line[place],
        }
    }
}

impl Declaration<'_> {
    /// Whether the atom is an `else` after brackets of several lines, which it stands behind.
    pub(super) fn follows_closing(&self, atom: usize) -> bool {
        self.atoms[atom].role == Role::Inside
            && self.is_word(atom, &["else"])
            && atom.checked_sub(1).and_then(|before| self.atoms[before].group).is_some_and(
                |group| self.groups[group].close + 1 == atom && self.groups[group].is_broken,
            )
    }

    /// Whether a line may begin with this atom, though none does.
    pub(super) fn may_begin_line(&self, atom: usize) -> bool {
        use TokenKind::{And, Or, Pipe, Word};
        if self.atoms[atom].role != Role::Inside || self.follows_closing(atom) {
            return false;
        }
        match self.atoms[atom].kind {
            And | Or | Pipe => true,
            Word => self.is_word(atom, &["else", "where"]) && self.continues_line(atom),
            _ => false,
        }
    }

    /// Whether a line that begins with this atom goes on with the line before, by its word: before a
    /// sign that sets a field the word is the name of one.
    pub(super) fn continues_line(&self, atom: usize) -> bool {
        use TokenKind::*;
        self.is_word(atom, &["else", "matches", "in", "where"])
            && self.atoms.get(atom + 1).is_some_and(|next| {
                !matches!(next.kind, Equal | Colon | Dot | PlusEqual | LeftBracket)
            })
    }
}
