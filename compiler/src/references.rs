//! Who speaks of whom, found from the text alone.
//!
//! Cycles among lets, functions, schemas and compositions are found here, by a worklist over
//! these lists, before anything is typed or evaluated: so no query ever waits for itself.

use crate::db::Db;
use crate::items::item;
use crate::names::{Target, resolve_path};
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The declarations that a declaration names outside its own locals, in the order of the text.
#[salsa::tracked]
pub fn references(db: &dyn Db, workspace: Workspace, id: ItemId) -> Vec<ItemId> {
    let Some(tree) = item(db, id) else { return Vec::new() };
    let mut walk = Walk { db, workspace, item: id, locals: Vec::new(), found: Vec::new() };
    walk.item(tree);
    walk.found
}

/// Everything a declaration stands on, itself included: what must be sound for it to be.
#[salsa::tracked]
pub fn closure(db: &dyn Db, workspace: Workspace, id: ItemId) -> Arc<Vec<ItemId>> {
    let mut seen = vec![id];
    let mut next = 0;
    let mut known: BTreeSet<salsa::Id> = BTreeSet::from([salsa::plumbing::AsId::as_id(&id)]);
    while let Some(current) = seen.get(next).copied() {
        next += 1;
        for reference in references(db, workspace, current) {
            // A request that another names is sound or not by itself.
            if reference.kind(db) != Kind::Request
                && known.insert(salsa::plumbing::AsId::as_id(reference))
            {
                seen.push(*reference);
            }
        }
        if current.kind(db) == Kind::Request || current.kind(db) == Kind::Schema {
            let composition = if current.kind(db) == Kind::Schema && current != id {
                crate::types::composition(db, workspace, current)
            } else {
                None
            };
            if let Some(composition) = composition
                && known.insert(salsa::plumbing::AsId::as_id(&composition))
            {
                seen.push(composition);
            }
        }
    }
    Arc::new(seen)
}

/// Whether a let or function reaches itself; the way round, starting with it.
#[salsa::tracked]
pub fn circle(db: &dyn Db, workspace: Workspace, id: ItemId) -> Option<Vec<ItemId>> {
    // The first way found is the shortest, since the walk is by breadth.
    let mut seen: Vec<(ItemId, usize)> = vec![(id, 0)];
    let mut next = 0;
    while next < seen.len() {
        let (current, _) = seen[next];
        for reference in references(db, workspace, current) {
            if *reference == id {
                let mut way = Vec::new();
                let mut at = next;
                loop {
                    way.push(seen[at].0);
                    if at == 0 {
                        break;
                    }
                    at = seen[at].1;
                }
                way.reverse();
                return Some(way);
            }
            let follows = matches!(reference.kind(db), Kind::Let | Kind::Fn);
            if follows && !seen.iter().any(|(known, _)| known == reference) {
                seen.push((*reference, next));
            }
        }
        next += 1;
    }
    None
}

struct Walk<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    item: ItemId,
    locals: Vec<Name>,
    found: Vec<ItemId>,
}

impl Walk<'_> {
    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Use { .. } => {}
            ItemKind::Package { record } => self.record(record),
            ItemKind::Let(it) => {
                self.option_type(&it.ty);
                self.expr(&it.value);
            }
            ItemKind::Schema { members, .. } => {
                // Inside a schema its own fields hide what is outside.
                for member in members {
                    if let MemberKind::Field { name, .. } = &member.kind {
                        self.locals.push(name.text.clone());
                    }
                }
                for member in members {
                    match &member.kind {
                        MemberKind::Include(path) => self.path(&path.segments),
                        MemberKind::Field { ty, default, otherwise, .. } => {
                            self.ty(ty);
                            default.iter().chain(otherwise).for_each(|it| self.expr(it));
                        }
                        MemberKind::If(it) => self.branch(it),
                        MemberKind::Rule(rule) => self.rule(rule),
                        MemberKind::Final { path, value, otherwise } => {
                            self.field_path(path);
                            self.expr(value);
                            otherwise.iter().for_each(|it| self.expr(it));
                        }
                    }
                }
            }
            ItemKind::Type { ty, .. } => self.ty(ty),
            ItemKind::Environment { schema, record, .. } => {
                self.path(&schema.segments);
                self.record(record);
            }
            ItemKind::Defaults { schema, record, .. }
            | ItemKind::Request { schema, record, .. } => {
                self.path(&schema.segments);
                self.record(record);
            }
            ItemKind::Compose { schema, binder, block } => {
                self.path(&schema.segments);
                self.locals.push(binder.text.clone());
                self.block(block);
            }
            ItemKind::Policy { target, binder, block, .. } => {
                self.path(&target.segments);
                self.locals.push(binder.text.clone());
                self.block(block);
            }
            ItemKind::Fn { params, result, body, .. } => {
                for param in params {
                    self.ty(&param.ty);
                }
                self.ty(result);
                self.locals.extend(params.iter().map(|param| param.name.text.clone()));
                self.expr(body);
            }
            ItemKind::Overlay { record, .. } => self.record(record),
            ItemKind::Adjust { target, record, .. } => {
                self.path(&target.segments);
                self.record(record);
            }
            ItemKind::Test { block, .. } => self.block(block),
        }
    }

    fn path(&mut self, segments: &[Ident]) {
        if let Some(first) = segments.first()
            && !self.locals.contains(&first.text)
            && let Ok(Target::Item(found)) =
                resolve_path(self.db, self.workspace, self.item, segments)
            && !self.found.contains(&found)
        {
            self.found.push(found);
        }
    }

    fn option_type(&mut self, ty: &Option<Type>) {
        ty.iter().for_each(|ty| self.ty(ty));
    }

    fn ty(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Hole | TypeKind::Literal(_) => {}
            TypeKind::Path(path) => self.path(&path.segments),
            TypeKind::List { item, .. } => self.ty(item),
            TypeKind::Map { key, value } => {
                self.path(&key.segments);
                self.ty(value);
            }
            TypeKind::Record { fields, .. } => fields.iter().for_each(|field| self.ty(&field.ty)),
            TypeKind::Union(arms) => arms.iter().for_each(|arm| self.ty(arm)),
            TypeKind::Optional(inner) => self.ty(inner),
            TypeKind::Where { base, condition, otherwise } => {
                self.ty(base);
                self.bound(["it".into()], |walk| {
                    walk.expr(condition);
                    otherwise.iter().for_each(|it| walk.expr(it));
                });
            }
        }
    }

    /// Runs with more names in scope.
    fn bound(&mut self, names: impl IntoIterator<Item = Name>, run: impl FnOnce(&mut Self)) {
        let before = self.locals.len();
        self.locals.extend(names);
        run(self);
        self.locals.truncate(before);
    }

    fn clause(&mut self, clause: &ForClause, run: impl FnOnce(&mut Self)) {
        self.expr(&clause.iter);
        let names = [Some(&clause.first), clause.second.as_ref()];
        self.bound(names.into_iter().flatten().map(|it| it.text.clone()).collect::<Vec<_>>(), run);
    }

    fn head(&mut self, head: &Head, run: impl FnOnce(&mut Self)) {
        self.expr(&head.expr);
        self.bound(head.bind.iter().map(|it| it.text.clone()), run);
    }

    fn rule(&mut self, rule: &Rule) {
        self.expr(&rule.condition);
        rule.otherwise.iter().for_each(|it| self.expr(it));
    }

    fn branch(&mut self, it: &If) {
        self.head(&it.head, |walk| walk.block(&it.then));
        it.otherwise.iter().for_each(|block| self.block(block));
    }

    fn block(&mut self, block: &Block) {
        let before = self.locals.len();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let(it) => {
                    self.option_type(&it.ty);
                    self.expr(&it.value);
                    self.locals.push(it.name.text.clone());
                }
                StatementKind::Emit { bind, value } => {
                    self.expr(value);
                    self.locals.extend(bind.iter().map(|it| it.text.clone()));
                }
                StatementKind::Output { ty, value, .. } => {
                    self.ty(ty);
                    self.expr(value);
                }
                StatementKind::If(it) => self.branch(it),
                StatementKind::For { clause, body } => self.clause(clause, |walk| walk.block(body)),
                StatementKind::Rule(rule) => self.rule(rule),
            }
        }
        self.locals.truncate(before);
    }

    fn record(&mut self, record: &Record) {
        for entry in &record.entries {
            match &entry.kind {
                EntryKind::Spread(expr) => self.expr(expr),
                EntryKind::Set { path, value, otherwise, .. } => {
                    self.field_path(path);
                    self.expr(value);
                    otherwise.iter().for_each(|it| self.expr(it));
                }
                EntryKind::For { clause, condition, path, value } => self.clause(clause, |walk| {
                    condition.iter().for_each(|it| walk.expr(it));
                    walk.field_path(path);
                    walk.expr(value);
                }),
            }
        }
    }

    fn field_path(&mut self, path: &FieldPath) {
        for segment in &path.segments {
            if let SegmentKind::Index(keys) = &segment.kind {
                keys.iter().for_each(|key| self.expr(key));
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Hole | ExprKind::Literal(_) => {}
            ExprKind::Interpolated(parts) => parts.iter().for_each(|part| {
                if let StringPart::Value(value) = part {
                    self.expr(value);
                }
            }),
            ExprKind::Name(_) | ExprKind::Field { .. } => match chain(expr) {
                // The longest prefix that names a declaration is the reference.
                Some(names) if !self.locals.contains(&names[0].text) => {
                    for length in (1..=names.len()).rev() {
                        if let Ok(Target::Item(_)) =
                            resolve_path(self.db, self.workspace, self.item, &names[..length])
                        {
                            self.path(&names[..length]);
                            break;
                        }
                    }
                }
                Some(_) => {}
                None => {
                    if let ExprKind::Field { base, .. } = &expr.kind {
                        self.expr(base);
                    }
                }
            },
            ExprKind::Index { base, keys } => {
                self.expr(base);
                keys.iter().for_each(|key| self.expr(key));
            }
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                args.iter().for_each(|arg| self.expr(&arg.value));
            }
            ExprKind::Record(record) => self.record(record),
            ExprKind::Named { path, record } => {
                self.path(&path.segments);
                self.record(record);
            }
            ExprKind::List(elements) => {
                elements.iter().for_each(|element| self.expr(&element.value))
            }
            ExprKind::ListFor { clause, condition, value } => self.clause(clause, |walk| {
                condition.iter().for_each(|it| walk.expr(it));
                walk.expr(value);
            }),
            ExprKind::If { head, then, otherwise } => {
                self.head(head, |walk| walk.expr(then));
                self.expr(otherwise);
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject);
                for arm in arms {
                    match &arm.pattern {
                        Pattern::Typed { name, ty } => {
                            self.ty(ty);
                            self.bound([name.text.clone()], |walk| walk.expr(&arm.value));
                        }
                        _ => self.expr(&arm.value),
                    }
                }
            }
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
        }
    }
}

/// `a.b.c` as words, where an expression is nothing else.
pub fn chain(expr: &Expr) -> Option<Vec<Ident>> {
    match &expr.kind {
        ExprKind::Name(name) => Some(vec![Ident { id: expr.id, text: name.clone() }]),
        ExprKind::Field { base, name, optional: false } => {
            let mut names = chain(base)?;
            names.push(name.clone());
            Some(names)
        }
        _ => None,
    }
}
