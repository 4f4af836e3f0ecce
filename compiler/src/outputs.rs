//! What a request tells others: its outputs, name and namespace; and who speaks of whom.
//!
//! An output is a query of its own that reads only the fields it needs, so two requests may know
//! each other's addresses. Circles among outputs and the fields they read are found from the text,
//! before anything is evaluated: so no query ever waits for itself.

use crate::db::Db;
use crate::diagnostics::{Diagnostic, code};
use crate::eval::{BlockIndex, Evaluator, walk};
use crate::infer::{Emitted, Inference, Resolution, infer, request_schema};
use crate::items::{item, items, name_place};
use crate::layers::{default_layers, layer_record, layers};
use crate::names::{
    ancestry, is_foreign, nearest_named, package_files, package_of, packages, scope,
};
use crate::source::{ItemId, Kind, Package, Workspace};
use crate::syntax::ast::*;
use crate::types::{BUILT_IN_FIELDS, Lowering, Ty, composition, schema, schemas_in};
use crate::value::{Origin, Value};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An output that a composition declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its name.
    pub name: Name,
    /// The node of its name.
    pub node: NodeId,
    /// Its type.
    pub ty: Ty,
}

/// The outputs of a composition, in the order of the text.
#[salsa::tracked]
pub fn declared_outputs(db: &dyn Db, workspace: Workspace, compose: ItemId) -> Vec<Declared> {
    let Some(tree) = item(db, compose) else { return Vec::new() };
    let ItemKind::Compose { block, .. } = &tree.kind else { return Vec::new() };
    let mut lowering = Lowering::new(db, workspace, compose);
    block
        .statements
        .iter()
        .filter_map(|statement| match &statement.kind {
            StatementKind::Output { name, ty, .. } if !name.is_hole() => {
                Some(Declared { name: name.text.clone(), node: name.id, ty: lowering.lower(ty) })
            }
            _ => None,
        })
        .collect()
}

/// What others can read of a request: its outputs, `name` and `namespace`.
pub fn readable(db: &dyn Db, workspace: Workspace, request: ItemId) -> Vec<(Name, Ty)> {
    readable_of(db, workspace, request_schema(db, workspace, request))
}

/// What others can read of a composite of a schema: its outputs, `name` and `namespace`.
pub fn readable_of(db: &dyn Db, workspace: Workspace, schema: Option<ItemId>) -> Vec<(Name, Ty)> {
    let mut found: Vec<(Name, Ty)> = Vec::new();
    if let Some(compose) = schema.and_then(|id| composition(db, workspace, id)) {
        let outputs = declared_outputs(db, workspace, compose);
        found.extend(outputs.iter().map(|output| (output.name.clone(), output.ty.clone())));
    }
    found.push(("name".into(), Ty::String));
    found.push(("namespace".into(), Ty::String));
    found
}

/// A value that depends on others: a top-level field of a request, or one of its outputs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// A field of the merged request.
    Field(ItemId, Name),
    /// An output of its composition.
    Output(ItemId, Name),
}

/// What a node reads in an environment, from its text.
#[salsa::tracked]
fn reads(db: &dyn Db, workspace: Workspace, environment: ItemId, node: Node) -> Vec<Node> {
    let request = match &node {
        Node::Field(request, _) | Node::Output(request, _) => *request,
    };
    let mut reader = Reader::new(db, workspace, environment, request);
    match &node {
        Node::Field(_, name) => reader.field(name),
        Node::Output(_, name) => reader.output(name),
    }
    reader.found
}

/// The way from a node back to itself, if there is one, starting with it.
#[salsa::tracked]
pub fn circle(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    node: Node,
) -> Option<Vec<Node>> {
    let mut seen: Vec<(Node, usize)> = vec![(node.clone(), 0)];
    let mut known: FxHashSet<Node> = FxHashSet::default();
    let mut next = 0;
    while next < seen.len() {
        let current = seen[next].0.clone();
        for read in reads(db, workspace, environment, current) {
            if *read == node {
                let mut way = Vec::new();
                let mut at = next;
                loop {
                    way.push(seen[at].0.clone());
                    if at == 0 {
                        break;
                    }
                    at = seen[at].1;
                }
                way.reverse();
                return Some(way);
            }
            if known.insert(read.clone()) {
                seen.push((read.clone(), next));
            }
        }
        next += 1;
    }
    None
}

/// An output of a request in an environment.
#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    /// Its value; `None` where an error stands in the way.
    pub value: Option<Value>,
    /// What is wrong with the output itself.
    pub diagnostics: Vec<Diagnostic>,
}

/// An output, or the name or namespace, of a request in an environment. Who reads it depends on
/// this value only. Must not be asked for where [`circle`] finds one; one that it cannot see in the text is told
/// by the answer.
#[salsa::tracked(cycle_result = circling)]
pub fn output(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
    name: Name,
) -> Output {
    told(db, workspace, environment, request, &name)
}

fn circling(
    db: &dyn Db,
    _id: salsa::Id,
    _workspace: Workspace,
    _environment: ItemId,
    request: ItemId,
    name: Name,
) -> Output {
    let message = format!("`{}.{name}` depends on itself", request.name(db));
    let error = Diagnostic::error(code::CYCLE, name_place(db, request), message)
        .help("a value that it is made of reads it");
    Output { value: None, diagnostics: vec![error] }
}

/// [`output`], kept by nobody: for one that no other request reads.
pub fn told(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
    name: &Name,
) -> Output {
    let origin = Origin { item: request, node: NodeId(0) };
    let mut evaluator = Evaluator::new(db, workspace, Some(environment), origin);
    let value = evaluator.output(request, environment, name).ok();
    Output { value, diagnostics: evaluator.diagnostics }
}

/// The requests that a request speaks of in an environment: by reading them, or in `after`.
pub fn dependencies(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
) -> &[ItemId] {
    // Most requests are data in all their layers, and name nothing.
    let package = package_of(db, workspace, request.file(db));
    let defaults = request_schema(db, workspace, request)
        .map(|schema| default_layers(db, workspace, schema, Some(environment)));
    let mut defaults = defaults.into_iter().flatten();
    if !speaks(db, workspace, package) && defaults.all(|it| is_silent(db, workspace, it.item)) {
        return &[];
    }
    named_requests(db, workspace, environment, request)
}

/// Whether a request or overlay of a package names anything.
#[salsa::tracked(returns(copy))]
fn speaks(db: &dyn Db, workspace: Workspace, package: Package) -> bool {
    let files = package_files(db, package).iter();
    let layers = files
        .flat_map(|file| items(db, *file))
        .filter(|id| matches!(id.kind(db), Kind::Request | Kind::Overlay));
    layers.copied().any(|id| !is_silent(db, workspace, id))
}

/// Whether any request, overlay or defaults of a workspace names anything.
fn names_anything(db: &dyn Db, workspace: Workspace) -> bool {
    packages(db, workspace).keys().any(|path| {
        let package = Package::new(db, workspace, path.clone());
        let defaults = &scope(db, package).defaults;
        speaks(db, workspace, package) || defaults.iter().any(|it| !is_silent(db, workspace, *it))
    })
}

/// Whether a layer is nothing but data.
fn is_silent(db: &dyn Db, workspace: Workspace, layer: ItemId) -> bool {
    infer(db, workspace, layer).resolutions.is_empty()
}

#[salsa::tracked(returns(deref))]
fn named_requests(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
) -> Vec<ItemId> {
    let mut reader = Reader::new(db, workspace, environment, request);
    for layer in layers(db, workspace, request, environment) {
        let Some(tree) = item(db, layer.item) else { continue };
        let Some(record) = layer_record(tree) else { continue };
        for entry in &record.entries {
            reader.entry(layer.item, entry);
        }
    }
    let mut found: Vec<ItemId> = Vec::new();
    for node in reader.found {
        let (Node::Field(other, _) | Node::Output(other, _)) = node;
        if other != request && !found.contains(&other) {
            found.push(other);
        }
    }
    found
}

/// Who speaks of whom in an environment, by who is spoken of.
#[salsa::tracked]
fn users(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
) -> Arc<BTreeMap<Name, Vec<ItemId>>> {
    let mut found: BTreeMap<Name, Vec<ItemId>> = BTreeMap::new();
    for request in requests(db, workspace, environment) {
        for other in dependencies(db, workspace, environment, request) {
            found.entry(crate::engine::address(db, workspace, *other)).or_default().push(request);
        }
    }
    Arc::new(found)
}

/// The requests that speak of a request in an environment, by package and name.
#[salsa::tracked(returns(deref))]
pub fn used_by(
    db: &dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
) -> Vec<ItemId> {
    users(db, workspace, environment)
        .get(&crate::engine::address(db, workspace, request))
        .cloned()
        .unwrap_or_default()
}

/// The requests of all environments, by package and name.
pub fn all_requests(db: &dyn Db, workspace: Workspace) -> Vec<ItemId> {
    let mut found = Vec::new();
    for path in packages(db, workspace).keys() {
        let package = Package::new(db, workspace, path.clone());
        if !is_foreign(db, package) {
            found.extend(&scope(db, package).requests);
        }
    }
    found
}

/// The requests of an environment, by package and name.
pub fn requests(db: &dyn Db, workspace: Workspace, environment: ItemId) -> Vec<ItemId> {
    let mut found = all_requests(db, workspace);
    found.retain(|it| lists(db, workspace, *it, environment));
    found
}

/// The requests of a package that are for an environment, by name; none of a dependency.
pub fn requests_of(
    db: &dyn Db,
    workspace: Workspace,
    package: Package,
    environment: ItemId,
) -> impl Iterator<Item = ItemId> {
    let requests = match is_foreign(db, package) {
        true => &[],
        false => scope(db, package).requests.as_slice(),
    };
    requests.iter().copied().filter(move |it| lists(db, workspace, *it, environment))
}

/// Whether a request is for an environment. What it lists is no part of its key: a request stays the
/// same one when it is taken into another environment.
#[salsa::tracked(returns(copy))]
pub fn runs_in(db: &dyn Db, workspace: Workspace, request: ItemId, environment: ItemId) -> bool {
    lists(db, workspace, request, environment)
}

/// As [`runs_in`], where it is asked of all requests: no answer is kept for each.
fn lists(db: &dyn Db, workspace: Workspace, request: ItemId, environment: ItemId) -> bool {
    let tree = item(db, request).as_deref();
    let Some(ItemKind::Request { environments, .. }) = tree.map(|tree| &tree.kind) else {
        return true;
    };
    let mut named = environments.iter().filter(|it| !it.is_hole()).peekable();
    if named.peek().is_none() {
        return true;
    }
    let named: Vec<&Name> = named.map(|it| &it.text).collect();
    let chain = &ancestry(db, workspace, environment).0;
    nearest_named(db, chain, |name| named.contains(&name)).is_some()
}

/// The requests of an environment in the order they are applied: who is needed comes first; those
/// that need each other stay together; else by package and name.
pub fn order(db: &dyn Db, workspace: Workspace, environment: ItemId) -> Vec<ItemId> {
    let all = requests(db, workspace, environment);
    if !names_anything(db, workspace) {
        return all;
    }
    let index: rustc_hash::FxHashMap<ItemId, usize> =
        all.iter().enumerate().map(|(index, id)| (*id, index)).collect();
    let needs: Vec<Vec<usize>> = all
        .iter()
        .map(|request| {
            let mut needs: Vec<usize> = dependencies(db, workspace, environment, *request)
                .iter()
                .filter_map(|other| index.get(other).copied())
                .collect();
            needs.sort_unstable();
            needs
        })
        .collect();
    components(&needs).into_iter().map(|index| all[index]).collect()
}

/// The strongly connected components of a graph one after the other, who is needed first, each
/// sorted. Tarjan's algorithm with its own stack, so that a chain of any length fits.
fn components(needs: &[Vec<usize>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let mut order = vec![UNSEEN; needs.len()];
    let mut low = vec![0; needs.len()];
    let mut on_stack = vec![false; needs.len()];
    let mut stack = Vec::new();
    let mut count = 0;
    let mut found = Vec::with_capacity(needs.len());
    let mut work = Vec::new();
    for root in 0..needs.len() {
        if order[root] != UNSEEN {
            continue;
        }
        work.push((root, 0));
        while let Some((node, edge)) = work.pop() {
            if edge == 0 {
                order[node] = count;
                low[node] = count;
                count += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(next) = needs[node].get(edge).copied() {
                work.push((node, edge + 1));
                if order[next] == UNSEEN {
                    work.push((next, 0));
                } else if on_stack[next] {
                    low[node] = low[node].min(order[next]);
                }
                continue;
            }
            if low[node] == order[node] {
                let start = found.len();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    found.push(member);
                    if member == node {
                        break;
                    }
                }
                found[start..].sort_unstable();
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
        }
    }
    found
}

/// The output of a circle that it is told at: the first by name.
pub fn first_of<'n>(db: &dyn Db, way: &'n [Node]) -> Option<&'n Node> {
    way.iter().filter(|node| matches!(node, Node::Output(..))).min_by_key(|node| {
        let (Node::Field(request, name) | Node::Output(request, name)) = node;
        (request.file(db).path(db).clone(), request.name(db).clone(), name.clone())
    })
}

/// The error for a circle, told at the place that reads into it.
pub fn circle_error(db: &dyn Db, way: &[Node], place: Origin) -> Diagnostic {
    let show = |node: &Node| match node {
        Node::Field(request, name) | Node::Output(request, name) => {
            format!("{}.{name}", request.name(db))
        }
    };
    let mut names: Vec<String> = way.iter().map(show).collect();
    // A field and the output that is called as it are one step to who reads this.
    names.dedup();
    names.push(names[0].clone());
    Diagnostic::error(code::CYCLE, place, format!("`{}` depends on itself", names[0]))
        .help(format!("the circle is {}", names.join(" → ")))
}

/// Collects what expressions read.
struct Reader<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    environment: ItemId,
    request: ItemId,
    /// Lets, functions and locals that were read already.
    seen: FxHashSet<(ItemId, Name)>,
    found: Vec<Node>,
}

impl<'a> Reader<'a> {
    fn new(db: &'a dyn Db, workspace: Workspace, environment: ItemId, request: ItemId) -> Self {
        let (seen, found) = Default::default();
        Reader { db, workspace, environment, request, seen, found }
    }

    fn add(&mut self, node: Node) {
        if !self.found.contains(&node) {
            self.found.push(node);
        }
    }

    /// All that a field's value can come from: every layer's word on it, its defaults.
    fn field(&mut self, name: &Name) {
        let (db, workspace, environment) = (self.db, self.workspace, self.environment);
        let Some(schema_id) = request_schema(db, workspace, self.request) else { return };
        let shape = schema(db, workspace, schema_id);
        if let Some(field) = shape.field(name) {
            self.default(field);
            // The values in it are made and checked with it.
            let mut nested = FxHashSet::default();
            schemas_in(&field.ty, &mut nested);
            self.values(nested);
        }
        for (owner, member) in &shape.finals {
            if let Some(kind) = self.member(*owner, *member)
                && let MemberKind::Final { path, .. } = kind
                && matches!(&path.segments[0].kind, SegmentKind::Key(key) if key == name)
            {
                self.said(*owner, kind);
            }
        }
        for layer in layers(db, workspace, self.request, environment) {
            let Some(tree) = item(db, layer.item) else { continue };
            let Some(record) = layer_record(tree) else { continue };
            for entry in &record.entries {
                let concerned = match &entry.kind {
                    EntryKind::Spread(_) | EntryKind::For { .. } => true,
                    EntryKind::Set { path, .. } => {
                        matches!(&path.segments[0].kind, SegmentKind::Key(key) if key == name)
                    }
                };
                if concerned {
                    self.entry(layer.item, entry);
                }
            }
        }
    }

    fn member(&self, owner: ItemId, member: usize) -> Option<&'a MemberKind> {
        match &item(self.db, owner).as_ref()?.kind {
            ItemKind::Schema { members, .. } => Some(&members[member].kind),
            _ => None,
        }
    }

    fn default(&mut self, field: &crate::types::Field) {
        if let Some(kind) = self.member(field.owner, field.member) {
            self.said(field.owner, kind);
        }
    }

    /// What a schema says: a default, what is final, a condition.
    fn said(&mut self, owner: ItemId, member: &MemberKind) {
        let inference = infer(self.db, self.workspace, owner);
        match member {
            MemberKind::Field { default: Some(value), .. } | MemberKind::Final { value, .. } => {
                self.expr(owner, inference, value);
            }
            MemberKind::Rule(rule) => self.expr(owner, inference, &rule.condition),
            MemberKind::If(branch) => {
                self.expr(owner, inference, &branch.head.expr);
                for block in [&branch.then].into_iter().chain(&branch.otherwise) {
                    for expr in BlockIndex::of(block).roots {
                        self.expr(owner, inference, expr);
                    }
                }
            }
            MemberKind::Field { .. } | MemberKind::Include(_) => {}
        }
    }

    /// All that values of schemas come from by themselves, with the values inside them.
    fn values(&mut self, mut known: FxHashSet<ItemId>) {
        let (db, workspace, request) = (self.db, self.workspace, self.request);
        let mut todo: Vec<ItemId> = known.iter().copied().collect();
        while let Some(id) = todo.pop() {
            let shape = schema(db, workspace, id);
            let before = self.found.len();
            for field in &shape.fields {
                self.default(field);
                let mut inner = FxHashSet::default();
                schemas_in(&field.ty, &mut inner);
                todo.extend(inner.into_iter().filter(|id| known.insert(*id)));
            }
            for (owner, member) in shape.finals.iter().chain(&shape.conditions) {
                if let Some(kind) = self.member(*owner, *member) {
                    self.said(*owner, kind);
                }
            }
            for layer in default_layers(db, workspace, id, Some(self.environment)) {
                let record = item(db, layer.item).as_deref().and_then(layer_record);
                let entries = record.map_or(&[][..], |record| &record.entries);
                entries.iter().for_each(|entry| self.entry(layer.item, entry));
            }
            // They read their own fields, and of the request what only requests have.
            let added = self.found.split_off(before);
            self.found.extend(added.into_iter().filter(|node| match node {
                Node::Field(of, name) if *of == request => {
                    BUILT_IN_FIELDS.contains(&name.as_str()) && shape.field(name).is_none()
                }
                _ => true,
            }));
        }
    }

    fn entry(&mut self, owner: ItemId, entry: &Entry) {
        let inference = infer(self.db, self.workspace, owner);
        match &entry.kind {
            EntryKind::Spread(value) => self.expr(owner, inference, value),
            EntryKind::Set { path, value, .. } => {
                for segment in &path.segments {
                    if let SegmentKind::Index(keys) = &segment.kind {
                        keys.iter().for_each(|key| self.expr(owner, inference, key));
                    }
                }
                self.expr(owner, inference, value);
            }
            EntryKind::For { clause, condition, value, .. } => {
                self.expr(owner, inference, &clause.iter);
                condition.iter().for_each(|it| self.expr(owner, inference, it));
                self.expr(owner, inference, value);
            }
        }
    }

    fn output(&mut self, name: &Name) {
        let (db, workspace) = (self.db, self.workspace);
        if name == "name" || name == "namespace" {
            self.add(Node::Field(self.request, name.clone()));
            return;
        }
        let Some(compose) = request_schema(db, workspace, self.request)
            .and_then(|id| composition(db, workspace, id))
        else {
            return;
        };
        let Some(tree) = item(db, compose) else { return };
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return };
        for statement in &block.statements {
            if let StatementKind::Output { name: own, value, .. } = &statement.kind
                && own.text == *name
            {
                stacker::maybe_grow(64 << 10, 1 << 20, || {
                    self.composed(compose, binder, block, value);
                });
            }
        }
    }

    /// An expression of the composition: what it reads of the request, through the block's lets.
    fn composed(&mut self, compose: ItemId, binder: &Ident, block: &Block, expr: &Expr) {
        let inference = infer(self.db, self.workspace, compose);
        self.expr(compose, inference, expr);
        let mut read: Vec<Node> = Vec::new();
        let mut lets: Vec<&Expr> = Vec::new();
        // A binder that is the base of a field is read by that field only.
        let mut bases: FxHashSet<NodeId> = FxHashSet::default();
        walk(expr, &mut |inner| {
            if let ExprKind::Field { base, name, .. } = &inner.kind
                && is_local(base, &binder.text, inference)
            {
                bases.insert(base.id);
                read.push(Node::Field(self.request, name.text.clone()));
            }
        });
        let mut whole = false;
        walk(expr, &mut |inner| {
            if is_local(inner, &binder.text, inference) && !bases.contains(&inner.id) {
                whole = true;
            }
            if let ExprKind::Name(name) = &inner.kind
                && *name != binder.text
                && inference.resolutions.get(&inner.id) == Some(&Resolution::Local)
            {
                for statement in &block.statements {
                    match &statement.kind {
                        StatementKind::Let(it) if it.name.text == *name => lets.push(&it.value),
                        StatementKind::Emit { bind: Some(bind), value } if bind.text == *name => {
                            lets.push(value);
                            if let Some(Emitted::Composite(schema)) =
                                inference.emits.get(&statement.id)
                            {
                                self.nested(*schema);
                                // What it inherits.
                                for name in ["name", "namespace", "labels"] {
                                    read.push(Node::Field(self.request, name.into()));
                                }
                            }
                        }
                        _ => {}
                    }
                }
            }
        });
        if whole && let Some(id) = request_schema(self.db, self.workspace, self.request) {
            read.extend(self.whole(id));
        }
        read.into_iter().for_each(|node| self.add(node));
        for value in lets {
            if self.seen.insert((compose, format!("{}", value.id.0).into())) {
                stacker::maybe_grow(64 << 10, 1 << 20, || {
                    self.composed(compose, binder, block, value);
                });
            }
        }
    }

    /// Every field of the request at hand, whose schema this is.
    fn whole(&self, schema_id: ItemId) -> impl Iterator<Item = Node> {
        let request = self.request;
        let own = schema(self.db, self.workspace, schema_id).fields.iter();
        let own = own.map(|field| field.name.clone());
        let built_in = ["name", "namespace", "labels", "annotations"].map(Name::from);
        own.chain(built_in).map(move |name| Node::Field(request, name))
    }

    /// All that the outputs of a nested composite can come from beside its literal: its schema, and its
    /// composition.
    fn nested(&mut self, schema_id: ItemId) {
        if !self.seen.insert((schema_id, "nested".into())) {
            return;
        }
        let (db, workspace) = (self.db, self.workspace);
        let before = self.found.len();
        self.values(FxHashSet::from_iter([schema_id]));
        if let Some(compose) = composition(db, workspace, schema_id)
            && let Some(tree) = item(db, compose)
            && let ItemKind::Compose { block, .. } = &tree.kind
        {
            let inference = infer(db, workspace, compose);
            for expr in BlockIndex::of(block).roots {
                self.expr(compose, inference, expr);
            }
            for emitted in inference.emits.values() {
                if let Emitted::Composite(inner) = emitted {
                    stacker::maybe_grow(64 << 10, 1 << 20, || self.nested(*inner));
                }
            }
        }
        // Its own fields are not the request's.
        let request = self.request;
        let added = self.found.split_off(before);
        self.found.extend(
            added.into_iter().filter(|node| !matches!(node, Node::Field(id, _) if *id == request)),
        );
    }

    fn expr(&mut self, owner: ItemId, inference: &'a Inference, expr: &Expr) {
        let _ = owner;
        // A worklist, since a chain of lets or functions may be as long as the text.
        let mut todo = self.reads(inference, expr);
        while let Some(global) = todo.pop() {
            if !self.seen.insert((global, Name::default())) {
                continue;
            }
            let Some(tree) = item(self.db, global) else { continue };
            let inference = infer(self.db, self.workspace, global);
            match &tree.kind {
                ItemKind::Let(it) => todo.extend(self.reads(inference, &it.value)),
                ItemKind::Fn { body, .. } => todo.extend(self.reads(inference, body)),
                _ => {}
            }
        }
    }

    /// Adds what an expression itself reads; the lets and functions it names, the last first.
    fn reads(&mut self, inference: &Inference, expr: &Expr) -> Vec<ItemId> {
        let mut globals: Vec<ItemId> = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut bases: FxHashSet<NodeId> = FxHashSet::default();
        walk(expr, &mut |inner| {
            if let ExprKind::Field { base, name, .. } = &inner.kind {
                match inference.resolutions.get(&base.id) {
                    Some(Resolution::Item(other)) if other.kind(self.db) == Kind::Request => {
                        bases.insert(base.id);
                        nodes.push(Node::Output(*other, name.text.clone()));
                    }
                    Some(Resolution::Itself) => {
                        bases.insert(base.id);
                        nodes.push(Node::Field(self.request, name.text.clone()));
                    }
                    _ => {}
                }
            }
        });
        walk(expr, &mut |inner| match inference.resolutions.get(&inner.id) {
            Some(Resolution::Item(other)) if other.kind(self.db) == Kind::Request => {
                // What stands before a dot is read by what stands behind it, above.
                let whole =
                    (!bases.contains(&inner.id)).then(|| Node::Output(*other, "name".into()));
                nodes.extend(whole);
            }
            Some(Resolution::Item(other)) => globals.push(*other),
            Some(Resolution::OwnField) => {
                if let ExprKind::Name(name) = &inner.kind {
                    nodes.push(Node::Field(self.request, name.clone()));
                }
            }
            Some(Resolution::Itself) if !bases.contains(&inner.id) => {
                if let Some(id) = request_schema(self.db, self.workspace, self.request) {
                    nodes.extend(self.whole(id));
                }
            }
            _ => {}
        });
        nodes.into_iter().for_each(|node| self.add(node));
        globals.reverse();
        globals
    }
}

fn is_local(expr: &Expr, name: &Name, inference: &Inference) -> bool {
    matches!(&expr.kind, ExprKind::Name(word) if word == name)
        && inference.resolutions.get(&expr.id) == Some(&Resolution::Local)
}
