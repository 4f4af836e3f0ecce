//! Who speaks of whom, found from the text alone.
//!
//! Circles among lets, functions and types are found here, before anything is typed or evaluated:
//! so no query ever waits for itself.

use crate::db::Db;
use crate::items::{item, items};
use crate::names::{Target, packages, resolve_path, resolve_word};
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// The declarations that a declaration names outside its own locals, in the order of the text.
#[salsa::tracked]
pub fn references(db: &dyn Db, workspace: Workspace, id: ItemId) -> Vec<ItemId> {
    named(db, workspace, id)
}

/// As [`references`], for what nothing names and which is therefore asked once.
pub fn named(db: &dyn Db, workspace: Workspace, id: ItemId) -> Vec<ItemId> {
    let Some(tree) = item(db, id) else { return Vec::new() };
    let mut walk = Walk {
        db,
        workspace,
        item: id,
        locals: Vec::new(),
        known: FxHashSet::default(),
        found: Vec::new(),
    };
    walk.item(tree);
    walk.found
}

/// Everything a declaration stands on, itself included: what must be sound for it to be.
pub fn closure(db: &dyn Db, workspace: Workspace, id: ItemId) -> Vec<ItemId> {
    let mut seen = vec![id];
    let mut next = 0;
    let mut known: FxHashSet<ItemId> = FxHashSet::from_iter([id]);
    while let Some(current) = seen.get(next).copied() {
        next += 1;
        for reference in references(db, workspace, current) {
            // A request that another names is sound or not by itself.
            if reference.kind(db) != Kind::Request && known.insert(*reference) {
                seen.push(*reference);
            }
        }
        if current.kind(db) == Kind::Schema
            && let Some(composition) = crate::types::composition(db, workspace, current)
            && known.insert(composition)
        {
            seen.push(composition);
        }
    }
    seen
}

/// The order in which declarations can be looked at so that each comes after those it stands on,
/// and the circles in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Order {
    /// Lets, functions and types, those that others stand on first.
    pub items: Vec<ItemId>,
    /// Those that reach themselves. The first of a circle has the shortest way round, starting
    /// with itself; for the others it is empty, so that a circle is told once.
    circles: FxHashMap<ItemId, Vec<ItemId>>,
}

/// Whether a declaration is evaluated or expanded where it is named, so that it must not reach
/// itself.
fn unfolds(kind: Kind) -> bool {
    matches!(kind, Kind::Let | Kind::Fn | Kind::Type)
}

/// The lets, functions and types of a workspace by who needs whom: Tarjan's components, with a
/// stack of its own, since a chain of them may be as long as the text.
#[salsa::tracked]
pub fn order(db: &dyn Db, workspace: Workspace) -> Order {
    let mut all: Vec<ItemId> = Vec::new();
    for file in packages(db, workspace).values().flatten().copied().chain([db.prelude()]) {
        all.extend(items(db, file).iter().copied().filter(|id| unfolds(id.kind(db))));
    }
    let edges = |id: ItemId| references(db, workspace, id).iter().filter(|it| unfolds(it.kind(db)));
    let mut order = Order::default();
    let mut number: FxHashMap<ItemId, usize> = FxHashMap::default();
    let mut low: FxHashMap<ItemId, usize> = FxHashMap::default();
    let mut open: Vec<ItemId> = Vec::new();
    let mut is_open: FxHashSet<ItemId> = FxHashSet::default();
    for root in all {
        if number.contains_key(&root) {
            continue;
        }
        let mut path: Vec<(ItemId, usize)> = vec![(root, 0)];
        while let Some((current, next)) = path.last_mut() {
            let current = *current;
            if *next == 0 && !number.contains_key(&current) {
                low.insert(current, number.len());
                number.insert(current, number.len());
                open.push(current);
                is_open.insert(current);
            }
            if let Some(reference) = references(db, workspace, current).get(*next).copied() {
                *next += 1;
                if !unfolds(reference.kind(db)) {
                    continue;
                }
                if !number.contains_key(&reference) {
                    path.push((reference, 0));
                } else if is_open.contains(&reference) {
                    let reached = low[&current].min(number[&reference]);
                    low.insert(current, reached);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                let reached = low[parent].min(low[&current]);
                low.insert(*parent, reached);
            }
            if low[&current] == number[&current] {
                let start = open.iter().rposition(|id| *id == current).unwrap_or(0);
                let component = open.split_off(start);
                component.iter().for_each(|id| {
                    is_open.remove(id);
                });
                let first = component
                    .iter()
                    .min_by_key(|id| (id.file(db).path(db), id.name(db)))
                    .copied()
                    .unwrap_or(current);
                if let Some(way) = way_round(first, &component, edges) {
                    order.circles.extend(component.iter().map(|id| (*id, Vec::new())));
                    order.circles.insert(first, way);
                }
                order.items.extend(component);
            }
        }
    }
    order
}

/// The shortest way from a member of a component back to it.
fn way_round<'a, I: Iterator<Item = &'a ItemId>>(
    id: ItemId,
    component: &[ItemId],
    edges: impl Fn(ItemId) -> I,
) -> Option<Vec<ItemId>> {
    let members: FxHashSet<ItemId> = component.iter().copied().collect();
    // By breadth, so the first way found is the shortest.
    let mut seen: Vec<(ItemId, usize)> = vec![(id, 0)];
    let mut known: FxHashSet<ItemId> = FxHashSet::from_iter([id]);
    let mut next = 0;
    while next < seen.len() {
        for reference in edges(seen[next].0).copied().filter(|it| members.contains(it)) {
            if reference == id {
                let mut way = Vec::new();
                let mut at = next;
                while at != 0 {
                    way.push(seen[at].0);
                    at = seen[at].1;
                }
                way.push(id);
                way.reverse();
                return Some(way);
            }
            if known.insert(reference) {
                seen.push((reference, next));
            }
        }
        next += 1;
    }
    None
}

/// Whether a let, function or type reaches itself; for the first of the circle the way round,
/// starting with it.
#[salsa::tracked]
pub fn circle(db: &dyn Db, workspace: Workspace, id: ItemId) -> Option<Vec<ItemId>> {
    order(db, workspace).circles.get(&id).cloned()
}

struct Walk<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    item: ItemId,
    locals: Vec<Name>,
    known: FxHashSet<ItemId>,
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
            ItemKind::Request { record, .. } => {
                self.add(crate::infer::request_schema(self.db, self.workspace, self.item));
                self.record(record);
            }
            ItemKind::Defaults { schema, record, .. } => {
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
            && self.means_something(first)
            && let Ok(Target::Item(found)) =
                resolve_path(self.db, self.workspace, self.item, segments)
        {
            self.add(Some(found));
        }
    }

    fn add(&mut self, found: Option<ItemId>) {
        self.found.extend(found.filter(|id| self.known.insert(*id)));
    }

    /// Whether a word stands for something outside the declaration. Asked first, since making the
    /// error for one that does not looks at every name there is.
    fn means_something(&self, word: &Ident) -> bool {
        !self.locals.contains(&word.text)
            && resolve_word(self.db, self.workspace, self.item.file(self.db), &word.text).is_some()
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
                Some(names) if self.means_something(&names[0]) => {
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
