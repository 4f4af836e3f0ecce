//! The tree of a declaration as nodes that are all alike: what stands at a place, and what is around it.

use plumb_compiler::syntax::ast::*;

/// A node of a declaration's tree.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the tree")]
pub enum Node<'t> {
    Item(&'t Item),
    Annotation(&'t Annotation),
    Ident(&'t Ident),
    Path(&'t Path),
    Record(&'t Record),
    Entry(&'t Entry),
    FieldPath(&'t FieldPath),
    Segment(&'t PathSegment),
    Expr(&'t Expr),
    Arm(&'t Arm),
    Head(&'t Head),
    Type(&'t Type),
    TypeField(&'t TypeField),
    Member(&'t Member),
    Block(&'t Block),
    Statement(&'t Statement),
}

impl<'t> Node<'t> {
    /// Its number in the declaration.
    pub fn id(self) -> NodeId {
        match self {
            Node::Item(_) => NodeId(0),
            Node::Annotation(it) => it.id,
            Node::Ident(it) => it.id,
            Node::Path(it) => it.id,
            Node::Record(it) => it.id,
            Node::Entry(it) => it.id,
            Node::FieldPath(it) => it.id,
            Node::Segment(it) => it.id,
            Node::Expr(it) => it.id,
            Node::Arm(it) => it.id,
            Node::Head(it) => it.id,
            Node::Type(it) => it.id,
            Node::TypeField(it) => it.id,
            Node::Member(it) => it.id,
            Node::Block(it) => it.id,
            Node::Statement(it) => it.id,
        }
    }

    /// Visits the nodes right below, in the order of the text.
    pub fn children(self, visit: &mut dyn FnMut(Node<'t>)) {
        match self {
            Node::Item(it) => item(it, visit),
            Node::Annotation(it) => {
                visit(Node::Ident(&it.name));
                it.args.iter().for_each(|arg| argument(arg, visit));
            }
            Node::Ident(_) => {}
            Node::Path(it) => it.segments.iter().for_each(|it| visit(Node::Ident(it))),
            Node::Record(it) => it.entries.iter().for_each(|it| visit(Node::Entry(it))),
            Node::Entry(it) => match &it.kind {
                EntryKind::Spread(value) => visit(Node::Expr(value)),
                EntryKind::Set { path, value, otherwise, .. } => {
                    visit(Node::FieldPath(path));
                    visit(Node::Expr(value));
                    otherwise.iter().for_each(|it| visit(Node::Expr(it)));
                }
                EntryKind::For { clause: it, condition, path, value } => {
                    clause(it, visit);
                    condition.iter().for_each(|it| visit(Node::Expr(it)));
                    visit(Node::FieldPath(path));
                    visit(Node::Expr(value));
                }
            },
            Node::FieldPath(it) => it.segments.iter().for_each(|it| visit(Node::Segment(it))),
            Node::Segment(it) => match &it.kind {
                SegmentKind::Key(_) => {}
                SegmentKind::Index(keys) => keys.iter().for_each(|it| visit(Node::Expr(it))),
            },
            Node::Expr(it) => expression(it, visit),
            Node::Arm(it) => {
                if let Pattern::Typed { name, ty } = &it.pattern {
                    visit(Node::Ident(name));
                    visit(Node::Type(ty));
                }
                visit(Node::Expr(&it.value));
            }
            Node::Head(it) => {
                it.bind.iter().for_each(|it| visit(Node::Ident(it)));
                visit(Node::Expr(&it.expr));
            }
            Node::Type(it) => type_parts(it, visit),
            Node::TypeField(it) => {
                visit(Node::Ident(&it.name));
                visit(Node::Type(&it.ty));
            }
            Node::Member(it) => member(it, visit),
            Node::Block(it) => it.statements.iter().for_each(|it| visit(Node::Statement(it))),
            Node::Statement(it) => statement(it, visit),
        }
    }

    /// Visits this node and all below it, in the order of the text.
    pub fn walk(self, visit: &mut dyn FnMut(Node<'t>)) {
        visit(self);
        // No tree is higher than the parser's limit.
        self.children(&mut |child| child.walk(visit));
    }
}

fn item<'t>(item: &'t Item, visit: &mut dyn FnMut(Node<'t>)) {
    item.annotations.iter().for_each(|it| visit(Node::Annotation(it)));
    let idents = |all: &'t [Ident], visit: &mut dyn FnMut(Node<'t>)| {
        all.iter().for_each(|it| visit(Node::Ident(it)));
    };
    match &item.kind {
        ItemKind::Use { path, names, alias } => {
            visit(Node::Path(path));
            for it in names.iter().flatten() {
                visit(Node::Ident(&it.name));
                it.alias.iter().for_each(|it| visit(Node::Ident(it)));
            }
            alias.iter().for_each(|it| visit(Node::Ident(it)));
        }
        ItemKind::Package { record } => visit(Node::Record(record)),
        ItemKind::Let(it) => binding(it, visit),
        ItemKind::Schema { name, members } => {
            visit(Node::Ident(name));
            members.iter().for_each(|it| visit(Node::Member(it)));
        }
        ItemKind::Type { name, ty } => {
            visit(Node::Ident(name));
            visit(Node::Type(ty));
        }
        ItemKind::Environment { name, schema, parent, record, .. } => {
            visit(Node::Ident(name));
            visit(Node::Path(schema));
            parent.iter().for_each(|it| visit(Node::Ident(it)));
            visit(Node::Record(record));
        }
        ItemKind::Defaults { schema, environments, record } => {
            visit(Node::Path(schema));
            idents(environments, visit);
            visit(Node::Record(record));
        }
        ItemKind::Compose { schema, binder, block } => {
            visit(Node::Path(schema));
            visit(Node::Ident(binder));
            visit(Node::Block(block));
        }
        ItemKind::Policy { name, target, binder, environments, block } => {
            visit(Node::Ident(name));
            visit(Node::Path(target));
            visit(Node::Ident(binder));
            idents(environments, visit);
            visit(Node::Block(block));
        }
        ItemKind::Fn { name, params, result, body } => {
            visit(Node::Ident(name));
            for param in params {
                visit(Node::Ident(&param.name));
                visit(Node::Type(&param.ty));
            }
            visit(Node::Type(result));
            visit(Node::Expr(body));
        }
        ItemKind::Request { name, schema, environments, record } => {
            visit(Node::Ident(name));
            visit(Node::Path(schema));
            idents(environments, visit);
            visit(Node::Record(record));
        }
        ItemKind::Overlay { requests, environments, record } => {
            idents(requests, visit);
            idents(environments, visit);
            visit(Node::Record(record));
        }
        ItemKind::Adjust { subject, target, environments, record } => {
            visit(Node::Path(subject));
            visit(Node::Path(target));
            idents(environments, visit);
            visit(Node::Record(record));
        }
        ItemKind::Test { name, environments, block } => {
            visit(Node::Expr(name));
            idents(environments, visit);
            visit(Node::Block(block));
        }
    }
}

fn binding<'t>(it: &'t Let, visit: &mut dyn FnMut(Node<'t>)) {
    visit(Node::Ident(&it.name));
    it.ty.iter().for_each(|it| visit(Node::Type(it)));
    visit(Node::Expr(&it.value));
}

fn argument<'t>(arg: &'t Arg, visit: &mut dyn FnMut(Node<'t>)) {
    arg.name.iter().for_each(|it| visit(Node::Ident(it)));
    visit(Node::Expr(&arg.value));
}

fn clause<'t>(it: &'t ForClause, visit: &mut dyn FnMut(Node<'t>)) {
    visit(Node::Ident(&it.first));
    it.second.iter().for_each(|it| visit(Node::Ident(it)));
    visit(Node::Expr(&it.iter));
}

fn rule<'t>(it: &'t Rule, visit: &mut dyn FnMut(Node<'t>)) {
    visit(Node::Expr(&it.condition));
    it.otherwise.iter().for_each(|it| visit(Node::Expr(it)));
}

fn branch<'t>(it: &'t If, visit: &mut dyn FnMut(Node<'t>)) {
    visit(Node::Head(&it.head));
    visit(Node::Block(&it.then));
    it.otherwise.iter().for_each(|it| visit(Node::Block(it)));
}

fn expression<'t>(it: &'t Expr, visit: &mut dyn FnMut(Node<'t>)) {
    match &it.kind {
        ExprKind::Hole | ExprKind::Literal(_) | ExprKind::Name(_) => {}
        ExprKind::Interpolated(parts) => {
            for part in parts {
                if let StringPart::Value(value) = part {
                    visit(Node::Expr(value));
                }
            }
        }
        ExprKind::Field { base, name, .. } => {
            visit(Node::Expr(base));
            visit(Node::Ident(name));
        }
        ExprKind::Index { base, keys } => {
            visit(Node::Expr(base));
            keys.iter().for_each(|it| visit(Node::Expr(it)));
        }
        ExprKind::Call { callee, args } => {
            visit(Node::Expr(callee));
            args.iter().for_each(|it| argument(it, visit));
        }
        ExprKind::Record(record) => visit(Node::Record(record)),
        ExprKind::Named { path, record } => {
            visit(Node::Path(path));
            visit(Node::Record(record));
        }
        ExprKind::List(elements) => elements.iter().for_each(|it| visit(Node::Expr(&it.value))),
        ExprKind::ListFor { clause: it, condition, value } => {
            clause(it, visit);
            condition.iter().for_each(|it| visit(Node::Expr(it)));
            visit(Node::Expr(value));
        }
        ExprKind::If { head, then, otherwise } => {
            visit(Node::Head(head));
            visit(Node::Expr(then));
            visit(Node::Expr(otherwise));
        }
        ExprKind::Match { subject, arms } => {
            visit(Node::Expr(subject));
            arms.iter().for_each(|it| visit(Node::Arm(it)));
        }
        ExprKind::Unary { operand, .. } => visit(Node::Expr(operand)),
        ExprKind::Binary { left, right, .. } => {
            visit(Node::Expr(left));
            visit(Node::Expr(right));
        }
    }
}

fn type_parts<'t>(it: &'t Type, visit: &mut dyn FnMut(Node<'t>)) {
    match &it.kind {
        TypeKind::Hole | TypeKind::Literal(_) => {}
        TypeKind::Path(path) => visit(Node::Path(path)),
        TypeKind::List { item, keys } => {
            visit(Node::Type(item));
            keys.iter().for_each(|it| visit(Node::Ident(it)));
        }
        TypeKind::Map { key, value } => {
            visit(Node::Path(key));
            visit(Node::Type(value));
        }
        TypeKind::Record { fields, .. } => fields.iter().for_each(|it| visit(Node::TypeField(it))),
        TypeKind::Union(arms) => arms.iter().for_each(|it| visit(Node::Type(it))),
        TypeKind::Optional(inner) => visit(Node::Type(inner)),
        TypeKind::Where { base, condition, otherwise } => {
            visit(Node::Type(base));
            visit(Node::Expr(condition));
            otherwise.iter().for_each(|it| visit(Node::Expr(it)));
        }
    }
}

fn member<'t>(it: &'t Member, visit: &mut dyn FnMut(Node<'t>)) {
    match &it.kind {
        MemberKind::Include(path) => visit(Node::Path(path)),
        MemberKind::Field { annotations, name, ty, default, otherwise, .. } => {
            annotations.iter().for_each(|it| visit(Node::Annotation(it)));
            visit(Node::Ident(name));
            visit(Node::Type(ty));
            default.iter().chain(otherwise).for_each(|it| visit(Node::Expr(it)));
        }
        MemberKind::If(it) => branch(it, visit),
        MemberKind::Rule(it) => rule(it, visit),
        MemberKind::Final { path, value, otherwise } => {
            visit(Node::FieldPath(path));
            visit(Node::Expr(value));
            otherwise.iter().for_each(|it| visit(Node::Expr(it)));
        }
    }
}

fn statement<'t>(it: &'t Statement, visit: &mut dyn FnMut(Node<'t>)) {
    match &it.kind {
        StatementKind::Let(it) => binding(it, visit),
        StatementKind::Emit { bind, value } => {
            bind.iter().for_each(|it| visit(Node::Ident(it)));
            visit(Node::Expr(value));
        }
        StatementKind::Output { name, ty, value } => {
            visit(Node::Ident(name));
            visit(Node::Type(ty));
            visit(Node::Expr(value));
        }
        StatementKind::If(it) => branch(it, visit),
        StatementKind::For { clause: it, body } => {
            clause(it, visit);
            visit(Node::Block(body));
        }
        StatementKind::Rule(it) => rule(it, visit),
    }
}

/// The nodes around a place, from the declaration down to the innermost; each holds the place or ends
/// there. `spans` are those of the declaration's nodes. Where two touch at the place, what ends there is
/// meant if it is a word: the cursor stands behind what was just typed.
pub fn around<'t>(item: &'t Item, spans: &[TextRange], offset: u32) -> Vec<Node<'t>> {
    let mut way = vec![Node::Item(item)];
    loop {
        let last = *way.last().expect("begins with the declaration");
        let mut best: Option<(Node<'t>, bool)> = None;
        last.children(&mut |child| {
            let Some(span) = spans.get(child.id().0 as usize) else { return };
            if span.start > offset || span.end < offset {
                return;
            }
            let ends = span.end == offset;
            let is_better = match best {
                None => true,
                // What begins at the place gives way to a word that ends there.
                Some((other, other_ends)) => other_ends && !is_word(other),
            };
            if is_better {
                best = Some((child, ends));
            }
        });
        match best {
            Some((child, _)) => way.push(child),
            None => return way,
        }
    }
}

fn is_word(node: Node<'_>) -> bool {
    match node {
        Node::Ident(it) => !it.is_hole(),
        Node::Segment(it) => matches!(&it.kind, SegmentKind::Key(name) if !name.is_empty()),
        Node::Expr(it) => !matches!(it.kind, ExprKind::Hole),
        Node::Path(_) | Node::FieldPath(_) | Node::Type(_) => true,
        _ => false,
    }
}
