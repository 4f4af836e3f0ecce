//! Random workspaces as a strategy, and how one that fails is made smaller.

use crate::generate::{Dice, generate};
use crate::model::{Entry, EntryKind, Expression, Overlay, Piece, Said, Statement, Workspace};
use crate::predict::pieces;
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

/// Workspaces; a quarter of them has one or two mistakes.
#[derive(Debug)]
pub(crate) struct Workspaces;

impl Strategy for Workspaces {
    type Tree = Shrinking;
    type Value = Workspace;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let workspace = generate(&mut Dice(runner.new_rng()));
        Ok(Shrinking { best: workspace.clone(), current: workspace, next: 0, progress: false })
    }
}

/// Takes away what a failure does not need, one thing after the other, until nothing can go.
pub(crate) struct Shrinking {
    best: Workspace,
    current: Workspace,
    next: usize,
    progress: bool,
}

impl Shrinking {
    fn advance(&mut self) -> bool {
        loop {
            match without(&self.best, self.next) {
                Some(Some(smaller)) => {
                    self.next += 1;
                    self.current = smaller;
                    return true;
                }
                Some(None) => self.next += 1,
                None if self.progress => {
                    self.progress = false;
                    self.next = 0;
                }
                None => {
                    self.current = self.best.clone();
                    return false;
                }
            }
        }
    }
}

impl ValueTree for Shrinking {
    type Value = Workspace;

    fn current(&self) -> Workspace {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        if self.next > 0 {
            self.best = self.current.clone();
            self.progress = true;
            // What followed has moved up.
            self.next -= 1;
        }
        self.advance()
    }

    fn complicate(&mut self) -> bool {
        self.advance()
    }
}

/// The workspace without its `index`th thing; `Some(None)`: others need it; `None`: there are no more.
fn without(workspace: &Workspace, index: usize) -> Option<Option<Workspace>> {
    let mut at = index;
    let mut smaller = workspace.clone();
    // Each list is asked in turn; what is left counts from the next one on.
    let mut take = |count: usize| {
        let found = (at < count).then_some(at);
        at = at.saturating_sub(count);
        found
    };
    if let Some(it) = take(workspace.overlays.len()) {
        smaller.overlays.remove(it);
        return Some(Some(smaller));
    }
    if let Some(it) = take(workspace.defaults.len()) {
        smaller.defaults.remove(it);
        return Some(Some(smaller));
    }
    if let Some(it) = take(workspace.requests.len()) {
        return Some(without_request(smaller, it));
    }
    if let Some(it) = take(workspace.lets.len()) {
        return Some(without_let(smaller, it));
    }
    if take(usize::from(workspace.schemas.len() > 1)).is_some() {
        return Some(without_schema(smaller));
    }
    for schema in 0..workspace.schemas.len() {
        if let Some(it) = take(workspace.schemas[schema].conditions.len()) {
            smaller.schemas[schema].conditions.remove(it);
            return Some(Some(smaller));
        }
        if let Some(it) = take(workspace.schemas[schema].seals.len()) {
            smaller.schemas[schema].seals.remove(it);
            return Some(Some(smaller));
        }
        if let Some(composition) = &workspace.schemas[schema].composition {
            if let Some(it) = take(composition.statements.len()) {
                smaller.schemas[schema].composition.as_mut()?.statements.remove(it);
                return Some(Some(smaller));
            }
            for statement in 0..composition.statements.len() {
                if let Statement::Config { data, .. } = &composition.statements[statement]
                    && let Some(it) = take(data.len())
                {
                    let composition = smaller.schemas[schema].composition.as_mut()?;
                    if let Statement::Config { data, .. } = &mut composition.statements[statement] {
                        data.remove(it);
                    }
                    return Some(Some(smaller));
                }
            }
        }
        if let Some(it) = take(workspace.schemas[schema].fields.len()) {
            return Some(without_field(smaller, schema, it));
        }
    }
    let mut left = at;
    if remove_entry(&mut smaller, &mut left) {
        return Some(Some(smaller));
    }
    None
}

fn remove_entry(workspace: &mut Workspace, left: &mut usize) -> bool {
    fn remove(entries: &mut Vec<Entry>, left: &mut usize) -> bool {
        for index in 0..entries.len() {
            if *left == 0 {
                entries.remove(index);
                return true;
            }
            *left -= 1;
            if let EntryKind::Set { said: Said::Braces(inner), .. } = &mut entries[index].kind
                && remove(inner, left)
            {
                return true;
            }
        }
        false
    }
    workspace.layers().into_iter().any(|entries| remove(entries, left))
}

fn without_request(mut workspace: Workspace, gone: usize) -> Option<Workspace> {
    let mut speaks = false;
    for entries in workspace.layers() {
        pieces(entries, &mut |it| speaks |= matches!(it, Piece::Other(other, _) if *other == gone));
    }
    if speaks {
        return None;
    }
    workspace.requests.remove(gone);
    let moved = |it: usize| if it > gone { it - 1 } else { it };
    for request in &mut workspace.requests {
        request.after.retain(|it| *it != gone);
        request.after.iter_mut().for_each(|it| *it = moved(*it));
    }
    for overlay in &mut workspace.overlays {
        overlay.requests.retain(|it| *it != gone);
        overlay.requests.iter_mut().for_each(|it| *it = moved(*it));
    }
    workspace.overlays.retain(|it| !it.requests.is_empty());
    fn renumber(entries: &mut [Entry], moved: &dyn Fn(usize) -> usize) {
        for entry in entries {
            if let EntryKind::Set { said, .. } = &mut entry.kind {
                match said {
                    Said::Braces(inner) => renumber(inner, moved),
                    Said::Expression(Expression::Text(all)) => {
                        for piece in all {
                            if let Piece::Other(other, _) = piece {
                                *other = moved(*other);
                            }
                        }
                    }
                    Said::Expression(_) => {}
                }
            }
        }
    }
    for entries in workspace.layers() {
        renumber(entries, &moved);
    }
    Some(workspace)
}

fn without_let(mut workspace: Workspace, gone: usize) -> Option<Workspace> {
    fn speaks(entries: &mut [Entry], gone: usize) -> bool {
        entries.iter_mut().any(|entry| match &mut entry.kind {
            EntryKind::Spread(it) => {
                let found = *it == gone;
                *it -= usize::from(*it > gone);
                found
            }
            EntryKind::Set { said: Said::Braces(inner), .. } => speaks(inner, gone),
            EntryKind::Set { said: Said::Expression(Expression::Let(it)), .. } => {
                let found = *it == gone;
                *it -= usize::from(*it > gone);
                found
            }
            EntryKind::Set { .. } => false,
        })
    }
    if workspace.layers().into_iter().any(|it| speaks(it, gone)) {
        return None;
    }
    workspace.lets.remove(gone);
    Some(workspace)
}

/// A field goes with what is said of it, unless something else reads it.
fn without_field(mut workspace: Workspace, schema: usize, gone: usize) -> Option<Workspace> {
    let name = format!("{:?}", workspace.schemas[schema].fields[gone].name);
    if name == "\"name\"" {
        return None;
    }
    workspace.schemas[schema].fields.remove(gone);
    // What is inside others may be spoken of anywhere.
    let is_part = workspace.schemas[schema].composition.is_none();
    let schemas = workspace.schemas.iter().enumerate();
    let own = |it: usize| it == schema || is_part && it >= schema;
    let mut reads = schemas.filter(|it| own(it.0)).map(|it| {
        let it = it.1;
        format!("{:?}{:?}{:?}", it.seals, it.conditions, it.composition)
            + &it.fields.iter().map(|it| format!("{:?}", it.default)).collect::<String>()
    });
    let read = reads.any(|it| it.contains(&name));
    let layers = workspace.requests.iter().filter(|it| own(it.schema)).map(|it| &it.entries);
    let first = |it: &Overlay| workspace.requests[it.requests[0]].schema;
    let layers = layers
        .chain(workspace.overlays.iter().filter(|it| own(first(it))).map(|it| &it.entries))
        .chain(workspace.defaults.iter().filter(|it| own(it.schema)).map(|it| &it.entries));
    let read = read
        || layers.into_iter().any(|it| format!("{it:?}").contains(&name))
        || format!("{:?}", workspace.lets).contains(&name)
        || workspace.schemas.iter().any(|it| {
            it.composition.as_ref().is_some_and(|it| {
                it.statements.iter().any(|it| {
                    matches!(it, Statement::Nested { schema: of, set, .. }
                        if *of == schema && format!("{set:?}").contains(&name))
                })
            })
        });
    (!read).then_some(workspace)
}

/// The last schema goes when nothing is left that it could be known by.
fn without_schema(mut workspace: Workspace) -> Option<Workspace> {
    let last = workspace.schemas.len() - 1;
    workspace.schemas.pop();
    let requested = workspace.requests.iter().any(|it| it.schema == last);
    let defaulted = workspace.defaults.iter().any(|it| it.schema == last);
    (!requested && !defaulted).then_some(workspace)
}
