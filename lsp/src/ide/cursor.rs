//! What stands at a place of a file.

use super::meaning::{Occurrence, Reading};
use super::tree::{Node, around};
use plumb_compiler::Db;
use plumb_compiler::items::{extent, keyed_items, spans};
use plumb_compiler::source::{ItemId, SourceFile, Workspace};
use plumb_compiler::syntax::ast::{NodeId, TextRange};

/// The declaration at a place; where it stands between two, the one that ends there.
pub fn declaration_at(db: &dyn Db, file: SourceFile, offset: u32) -> Option<ItemId> {
    // Other files hold no declarations, whatever they say.
    if !file.path(db).ends_with(".plumb") {
        return None;
    }
    let holds = |id: &&ItemId| {
        let at = extent(db, **id);
        at.start <= offset && offset <= at.end
    };
    keyed_items(db, file).iter().find(holds).copied()
}

/// A place in a declaration, and what is known around it.
pub struct Cursor<'a> {
    /// In bytes of the file.
    pub offset: u32,
    /// The declaration.
    pub reading: Reading<'a>,
    /// Where its nodes stand.
    pub spans: &'a [TextRange],
    /// The nodes around the place, the declaration first.
    pub way: Vec<Node<'a>>,
}

impl<'a> Cursor<'a> {
    /// The place of a file; `None` where no declaration stands.
    pub fn at(db: &'a dyn Db, workspace: Workspace, file: SourceFile, offset: u32) -> Option<Self> {
        let reading = Reading::new(db, workspace, declaration_at(db, file, offset)?)?;
        let spans = spans(db, reading.id);
        let way = around(reading.tree, spans, offset);
        Some(Cursor { offset, reading, spans, way })
    }

    /// The word at the place that stands for something.
    pub fn occurrence(&self) -> Option<Occurrence> {
        let all = self.reading.occurrences();
        let at = |node: NodeId| all.iter().find(|it| it.node == node).cloned();
        self.way.iter().rev().find_map(|node| match node {
            Node::Ident(_) | Node::Segment(_) | Node::Expr(_) => at(node.id()),
            _ => None,
        })
    }

    /// Where a node stands.
    pub fn span(&self, node: NodeId) -> TextRange {
        self.spans.get(node.0 as usize).copied().unwrap_or_default()
    }
}
