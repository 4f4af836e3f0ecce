//! Lines that fit, written out.

use super::super::lexer::TokenKind;
use super::atoms::{Declaration, Group, GroupKind, Role};
use super::breaks::Broken;
use super::{INDENT, WIDTH};

struct Writer<'t> {
    declaration: Declaration<'t>,
    begins_line: Vec<bool>,
    /// How many columns all atoms before have where everything stands on one line.
    columns: Vec<usize>,
    /// How far the line is indented in which brackets open.
    indents: Vec<usize>,
    /// The brackets around a line that began with `where`, until the next element begins.
    condition: Option<Option<usize>>,
    out: String,
}

/// How a line is broken.
enum Way {
    /// Before these atoms.
    Before(Vec<usize>),
    /// By giving what is in these brackets lines of its own.
    Inside(usize),
}

/// Writes a declaration, without a line feed at its end.
pub(super) fn write(broken: Broken<'_>) -> String {
    let Broken { declaration, begins_line } = broken;
    let mut columns = vec![0];
    for (at, atom) in declaration.atoms.iter().enumerate() {
        let comma = atom.role == Role::Separator || atom.after_comma;
        let blank = at > 0 && declaration.is_spaced(at);
        // What follows a text of several lines is not counted on.
        let text = atom.text.lines().next().unwrap_or_default().chars().count();
        columns.push(columns[at] + usize::from(comma) + usize::from(blank) + text);
    }
    let indents = vec![0; declaration.groups.len()];
    let out = String::new();
    let mut writer = Writer { declaration, begins_line, columns, indents, condition: None, out };
    let mut start = 0;
    while start < writer.begins_line.len() {
        let indent = writer.indent(start);
        let mut end = writer.end(start);
        while writer.is_too_long(start, end, indent) && writer.break_line(start, end, indent) {
            end = writer.end(start);
        }
        writer.line(start, end, indent);
        start = end;
    }
    writer.out
}

/// Breaking.
impl Writer<'_> {
    /// Where the line ends that begins with the atom `start`.
    fn end(&self, start: usize) -> usize {
        let rest = &self.begins_line[start + 1..];
        rest.iter().position(|it| *it).map_or(self.begins_line.len(), |it| start + 1 + it)
    }

    /// How many columns the line has that begins with the atom `start` before the atom `end`.
    fn width(&self, start: usize, end: usize, indent: usize) -> usize {
        let first = self.columns[start + 1]
            - self.declaration.atoms[start].text.lines().next().unwrap_or_default().chars().count();
        indent + self.columns[end] - first
    }

    fn is_too_long(&self, start: usize, end: usize, indent: usize) -> bool {
        let block = self.declaration.atoms[start..end].iter().position(|it| it.text.contains('\n'));
        let end = block.map_or(end, |block| start + block + 1);
        self.width(start, end, indent) > WIDTH
    }

    /// Breaks the line; `false` where that cannot be done.
    fn break_line(&mut self, start: usize, end: usize, indent: usize) -> bool {
        match self.way(start, end, indent) {
            Some(Way::Before(atoms)) => self.begin(atoms),
            Some(Way::Inside(group)) => self.open(group, start, indent),
            None => return false,
        }
        true
    }

    /// How to break the line: what comes first here reads best.
    fn way(&self, start: usize, end: usize, indent: usize) -> Option<Way> {
        let (places, groups) = self.outermost(start, end);
        let group = |group: usize| &self.declaration.groups[group];
        let widest = |groups: &[usize]| {
            let groups = groups.iter().copied();
            groups
                .filter(|it| self.width(start, group(*it).open + 1, indent) <= WIDTH)
                .max_by_key(|it| self.columns[group(*it).close] - self.columns[group(*it).open])
                .map(Way::Inside)
        };
        let before = |is_one: &dyn Fn(usize) -> bool| {
            let atoms: Vec<usize> = places.iter().copied().filter(|it| is_one(*it)).collect();
            (!atoms.is_empty()).then_some(Way::Before(atoms))
        };
        let before_kind = |kind: TokenKind| {
            before(&|it| {
                self.declaration.atoms[it].kind == kind && self.declaration.may_begin_line(it)
            })
        };
        let is_value = |it: &usize| group(*it).kind != GroupKind::Arguments;
        let values: Vec<usize> = groups.iter().copied().filter(is_value).collect();
        // Between two values that both have brackets neither of them is the one to break.
        let between = |kind: TokenKind| {
            let (first, last) = (group(*values.first()?).open, group(*values.last()?).open);
            before_kind(kind).filter(|way| match way {
                Way::Before(atoms) => atoms.iter().any(|it| (first..last).contains(it)),
                Way::Inside(_) => false,
            })
        };
        const OPERATORS: [TokenKind; 3] = [TokenKind::Pipe, TokenKind::Or, TokenKind::And];
        before(&|it| self.declaration.atoms[it].role == Role::Separator)
            .or_else(|| between(TokenKind::Word))
            .or_else(|| OPERATORS.into_iter().find_map(between))
            .or_else(|| widest(&values))
            .or_else(|| before_kind(TokenKind::Word))
            .or_else(|| widest(&groups))
            .or_else(|| OPERATORS.into_iter().find_map(before_kind))
            .or_else(|| groups.first().copied().map(Way::Inside))
    }

    /// The atoms of the line that stand in no brackets of it, and the outermost of its brackets that
    /// can be broken.
    fn outermost(&self, start: usize, end: usize) -> (Vec<usize>, Vec<usize>) {
        let (mut places, mut groups) = (Vec::new(), Vec::new());
        let mut at = start;
        // Where the outermost brackets end that cannot be broken.
        let mut inside = start + 1;
        while at < end {
            let atom = &self.declaration.atoms[at];
            if at >= inside {
                places.push(at);
            }
            let opened = atom.group.filter(|_| atom.kind.opens());
            if let Some(group) = opened {
                let close = self.declaration.groups[group].close;
                if close < end && self.is_breakable(group) {
                    groups.push(group);
                    at = close;
                } else if close < end {
                    inside = inside.max(close);
                }
            }
            at += 1;
        }
        (places, groups)
    }

    /// Begins lines with these atoms.
    fn begin(&mut self, atoms: Vec<usize>) {
        atoms.into_iter().for_each(|it| self.begins_line[it] = true);
    }

    /// Whether anything is gained by breaking these brackets.
    fn is_breakable(&self, group: usize) -> bool {
        let it = &self.declaration.groups[group];
        if it.is_broken || it.open + 1 == it.close {
            return false;
        }
        match it.kind {
            GroupKind::Record | GroupKind::Names | GroupKind::For => true,
            GroupKind::List | GroupKind::Arguments => {
                it.separators > 0 || self.last(group).is_some()
            }
            GroupKind::MapType | GroupKind::Index | GroupKind::Parentheses => false,
        }
    }

    /// The brackets with which the last element ends, if breaking them is enough: `[{ … }]`,
    /// `f(a, { … })`, `[for x in xs => { … }]`.
    fn last(&self, group: usize) -> Option<usize> {
        let it = &self.declaration.groups[group];
        let last = self.declaration.atoms[it.close - 1].group.filter(|last| *last != group)?;
        let is_enough = match it.kind {
            GroupKind::List => it.separators == 0,
            GroupKind::For => true,
            GroupKind::Arguments => self.declaration.groups[last].kind != GroupKind::Arguments,
            _ => false,
        };
        (is_enough && self.is_breakable(last)).then_some(last)
    }

    /// Puts what is in the brackets, or in the last ones in them, on lines of its own.
    fn open(&mut self, mut group: usize, start: usize, indent: usize) {
        while let Some(last) = self.last(group) {
            let Group { open, close, kind, .. } = self.declaration.groups[group];
            let fits = indent + INDENT + self.columns[close] - self.columns[open + 1] <= WIDTH;
            let last_open = self.declaration.groups[last].open;
            if kind != GroupKind::Arguments && fits
                || self.width(start, last_open + 1, indent) > WIDTH
            {
                break;
            }
            group = last;
        }
        self.declaration.groups[group].is_broken = true;
        let places: Vec<usize> = self
            .declaration
            .places(group)
            .filter(|it| self.declaration.atoms[*it].role != Role::Inside)
            .collect();
        self.begin(places);
        let after = self.declaration.groups[group].close + 1;
        if after < self.begins_line.len() && self.declaration.follows_closing(after) {
            self.begins_line[after] &= !self.declaration.atoms[after].before.comments.is_empty();
        }
    }
}

/// Writing.
impl Writer<'_> {
    /// How far what stands in the brackets is indented; `None`: in the declaration itself.
    fn inner(&self, group: Option<usize>) -> usize {
        let mut group = group;
        while let Some(it) = group {
            if self.declaration.groups[it].is_broken {
                return self.indents[it] + INDENT;
            }
            group = self.declaration.groups[it].parent;
        }
        0
    }

    /// How far a line is indented that begins with the atom.
    fn indent(&self, at: usize) -> usize {
        let atom = &self.declaration.atoms[at];
        let inner = self.inner(atom.around);
        match atom.role {
            Role::First | Role::Separator => inner,
            Role::Close => inner.saturating_sub(INDENT),
            Role::Inside if self.declaration.follows_closing(at) => inner,
            // Joined conditions stand under the `where` they belong to.
            Role::Inside
                if self.condition == Some(atom.around)
                    && matches!(atom.kind, TokenKind::And | TokenKind::Or) =>
            {
                inner + 2 * INDENT
            }
            Role::Inside => inner + INDENT,
        }
    }

    /// Writes the atoms of a line that is indented so far.
    fn line(&mut self, start: usize, end: usize, indent: usize) {
        self.before(start);
        if start > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
        let first = &self.declaration.atoms[start];
        if first.role != Role::Inside {
            self.condition = None;
        } else if self.declaration.is_word(start, &["where"]) {
            self.condition = Some(first.around);
        }
        for at in start..end {
            let atom = &self.declaration.atoms[at];
            if at > start {
                if atom.role == Role::Separator || atom.after_comma {
                    self.out.push(',');
                }
                if self.declaration.is_spaced(at) {
                    self.out.push(' ');
                }
            }
            if atom.kind.opens()
                && let Some(group) = atom.group
            {
                self.indents[group] = indent;
            }
            match atom.kind {
                TokenKind::Block | TokenKind::RawBlock => {
                    let text = indented(atom.text, indent + INDENT);
                    self.out.push_str(&text);
                }
                _ => self.out.push_str(atom.text),
            }
        }
    }

    /// Writes what stands between the line before and the line that begins with the atom.
    fn before(&mut self, at: usize) {
        let atom = &self.declaration.atoms[at];
        if self.has_comma(at) {
            self.out.push(',');
        }
        let indent = match atom.role {
            Role::Close => self.inner(atom.around),
            _ => self.indent(at),
        };
        // Nothing stands on a line of its own since the opening bracket.
        let is_empty = atom.around.is_some_and(|it| self.declaration.groups[it].open + 1 == at);
        let mut is_first = is_empty;
        for comment in &atom.before.comments {
            if comment.is_alone {
                if comment.after_blank && !is_first && atom.role != Role::Inside {
                    self.out.push('\n');
                }
                self.out.push('\n');
                self.out.extend(std::iter::repeat_n(' ', indent));
                is_first = false;
            } else {
                self.out.push(' ');
            }
            self.out.push_str(comment.text);
        }
        let is_blank = atom.before.newlines > 1 && !is_first;
        if is_blank && matches!(atom.role, Role::First | Role::Separator) {
            self.out.push('\n');
        }
    }

    /// Whether a comma ends the line before the one that begins with the atom.
    fn has_comma(&self, at: usize) -> bool {
        let atom = &self.declaration.atoms[at];
        let kind = atom.around.map(|it| self.declaration.groups[it].kind);
        let is_nothing = atom.around.is_some_and(|it| self.declaration.groups[it].open + 1 == at);
        // Without the comma the lines would be one.
        let could_continue = || {
            self.declaration.continues_line(at)
                || self.declaration.is_word(at - 1, &["in", "matches"])
        };
        match atom.role {
            Role::First => false,
            Role::Close => kind == Some(GroupKind::Arguments) && !is_nothing,
            Role::Separator => {
                matches!(kind, Some(GroupKind::Arguments | GroupKind::Parentheses))
                    || kind.is_some() && could_continue()
            }
            Role::Inside => atom.after_comma,
        }
    }
}

/// The block of text with its lines moved to this column. What all of them begin with is no part of
/// the text, and neither are the blanks of a line that has nothing else.
fn indented(block: &str, indent: usize) -> String {
    let mut lines: Vec<&str> =
        block.split('\n').map(|it| it.strip_suffix('\r').unwrap_or(it)).collect();
    if lines.len() == 1 {
        return block.to_owned();
    }
    let first = lines.remove(0).trim_end();
    let blanks = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let mut common: Option<&str> = None;
    for line in lines.iter().filter(|it| blanks(it) < it.len()) {
        let own = &line[..blanks(line)];
        common = Some(match common {
            None => own,
            Some(common) => {
                let same = own.bytes().zip(common.bytes()).take_while(|(a, b)| a == b).count();
                &common[..same]
            }
        });
    }
    let common = common.unwrap_or_default().len();
    let mut out = first.to_owned();
    for line in lines {
        out.push('\n');
        if blanks(line) < line.len() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(&line[common..]);
        }
    }
    out
}

impl Declaration<'_> {
    /// Whether a blank stands before the atom where both it and the one before are in one line.
    fn is_spaced(&self, at: usize) -> bool {
        use TokenKind::*;
        let (before, atom) = (&self.atoms[at - 1], &self.atoms[at]);
        if atom.after_comma || atom.role == Role::Separator {
            return true;
        }
        let has_blanks = |group: Option<usize>| {
            group.is_some_and(|it| {
                let group = &self.groups[it];
                group.kind == GroupKind::Record && group.open + 1 != group.close
            })
        };
        if before.kind == LeftBrace {
            return has_blanks(before.group);
        }
        if atom.kind == RightBrace {
            return has_blanks(atom.group);
        }
        if matches!(
            before.kind,
            LeftParen | LeftBracket | Dot | QuestionDot | Spread | Range | Bang | At
        ) || matches!(
            atom.kind,
            RightParen | RightBracket | Dot | QuestionDot | Range | Question | Colon
        ) {
            return false;
        }
        if before.kind == Minus && self.is_sign(at - 1) {
            return false;
        }
        match atom.kind {
            LeftBracket | LeftParen => !atom.group.is_some_and(|it| {
                matches!(self.groups[it].kind, GroupKind::Index | GroupKind::Arguments)
            }),
            _ => true,
        }
    }

    /// Whether the minus stands before its only operand.
    fn is_sign(&self, at: usize) -> bool {
        matches!(self.atoms[at].role, Role::First | Role::Separator) || !self.ends_value(at - 1)
    }
}
