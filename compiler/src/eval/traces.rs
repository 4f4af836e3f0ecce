//! What a value was computed from, for messages: at the fields of the request rather than the line of
//! the platform that refuses them.

use super::*;

impl<'a> Evaluator<'a> {
    /// Tells that a value is refused: at the request's fields that it came from, the platform's
    /// line second.
    pub fn refuse(
        &mut self,
        value: &Value,
        code: Code,
        message: String,
        rule: Option<(Place, String)>,
    ) -> Failed {
        // What lacks a field lacks it whatever the request says.
        let platform = code != code::MISSING_FIELD
            && matches!(value.origin.item.kind(self.db), Kind::Compose | Kind::Fn);
        let mut error = Diagnostic::error(code, value.origin, message);
        if platform {
            let sources: Vec<(String, Value)> =
                self.traced(value, false).into_iter().map(|(_, path, it)| (path, it)).collect();
            let mut places: Vec<(Origin, String)> = Vec::new();
            for (path, source) in &sources {
                let text = format!("`{path}` is {}", shown(source));
                if !places.iter().any(|(origin, _)| *origin == source.origin) {
                    places.push((source.origin, text));
                }
            }
            // The request's own lines first; then overlays' and defaults'.
            places.sort_by_key(|(origin, _)| !layers::is_data(self.db, origin.item));
            let mut places = places.into_iter();
            match places.next() {
                Some((origin, text)) => {
                    error.place = origin.into();
                    error.label = text;
                    for (origin, text) in places {
                        error = error.related(origin, text);
                    }
                    error = error.related(value.origin, "it goes in here");
                }
                None => {
                    error.label = shown(value);
                }
            }
        } else {
            error.label = shown(value);
        }
        if let Some((place, text)) = rule {
            error = error.related(place, text);
        }
        self.report(error)
    }

    /// The fields of the request that the expression at `origin` reads, from its text: through the
    /// lets of its composition, and through what it nests.
    pub fn sources(&self, origin: Origin) -> Vec<(String, Value)> {
        let found = self.leveled_sources(origin);
        found.into_iter().map(|(_, path, value)| (path, value)).collect()
    }

    /// [`Self::sources`], each with the position in [`Self::composed`] of what has the field: 0 is the
    /// request, the others are nested in it.
    pub fn leveled_sources(&self, origin: Origin) -> Vec<(usize, String, Value)> {
        let composed = self.composed.iter().rposition(|it| it.compose == origin.item);
        let Some(level) = composed else { return Vec::new() };
        let record = &self.composed[level].value;
        let mut found = Vec::new();
        let Some(tree) = item(self.db, origin.item) else { return Vec::new() };
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Vec::new() };
        let index = BlockIndex::of(block);
        let Some(expr) = index.made(origin.node) else { return Vec::new() };
        let mut todo = vec![expr];
        let mut seen: FxHashSet<NodeId> = FxHashSet::default();
        while let Some(expr) = todo.pop() {
            walk(expr, &mut |inner| {
                if let Some(names) = crate::references::chain(inner)
                    && names.len() > 1
                    && names[0].text == binder.text
                {
                    let mut value = record;
                    let mut path = String::new();
                    for name in &names[1..] {
                        match value.fields().and_then(|fields| fields.get(&name.text)) {
                            Some(next) => {
                                value = next;
                                path = join(&path, &name.text);
                            }
                            None => break,
                        }
                    }
                    if !path.is_empty()
                        && !found.iter().any(|(known, _): &(String, Value)| within(known, &path))
                    {
                        found.push((path, value.clone()));
                    }
                }
                if let ExprKind::Name(name) = &inner.kind
                    && let Some(value) = index.bound(name, inner.id)
                    && seen.insert(value.id)
                {
                    todo.push(value);
                }
            });
        }
        // What the composition around a nested one computed for it is traced further.
        let mut traced: Vec<(usize, String, Value)> = Vec::new();
        for (path, value) in found {
            let around = value.origin.item != origin.item
                && self.composed.iter().any(|it| it.compose == value.origin.item);
            let further = if around { self.leveled_sources(value.origin) } else { Vec::new() };
            // What came through unchanged is called as the outermost calls it.
            let unchanged = || {
                self.composed[..level]
                    .iter()
                    .enumerate()
                    .find_map(|(level, it)| Some((level, path_of(&it.value, value.origin)?)))
            };
            let further = match unchanged() {
                _ if !further.is_empty() => further,
                Some((level, path)) => vec![(level, path, value)],
                None => vec![(level, path, value)],
            };
            for (level, path, value) in further {
                let known = traced
                    .iter()
                    .any(|it| it.0 == level && it.1 == path && it.2.origin == value.origin);
                if !known {
                    traced.push((level, path, value));
                }
            }
        }
        traced
    }

    /// The fields that a value was computed from, also through functions; `choices`: and those that
    /// chose between it and others.
    pub fn traced(&self, value: &Value, choices: bool) -> Vec<Traced> {
        let mut found = Vec::new();
        self.trace_into(value, choices, 0, &mut found);
        found
    }

    pub(super) fn trace_into(
        &self,
        value: &Value,
        choices: bool,
        depth: u32,
        found: &mut Vec<Traced>,
    ) {
        // Functions do not call themselves, so this is only what the text can hold.
        if depth > 64 {
            return;
        }
        let origin = value.origin;
        match origin.item.kind(self.db) {
            Kind::Compose => {
                let chosen = if choices { self.choices(origin) } else { Vec::new() };
                for origin in std::iter::once(origin).chain(chosen) {
                    for one in self.leveled_sources(origin) {
                        add_traced(found, one);
                    }
                }
            }
            Kind::Fn => self.through_call(value, choices, depth, found),
            _ => {}
        }
    }

    /// The fields that a value inside of what a function gave was computed from: those that the
    /// arguments came from which its expression reads.
    pub(super) fn through_call(
        &self,
        value: &Value,
        choices: bool,
        depth: u32,
        found: &mut Vec<Traced>,
    ) {
        let origin = value.origin;
        let Some(tree) = item(self.db, origin.item) else { return };
        let ItemKind::Fn { body, .. } = &tree.kind else { return };
        // One function may be called often: the call that gave this very value.
        let call = self
            .calls
            .iter()
            .rev()
            .find(|call| call.function == origin.item && holds(&call.result, value));
        let Some(call) = call else { return };
        let index = BlockIndex::of_expr(body);
        let mut todo: Vec<&Expr> = index.made(origin.node).into_iter().collect();
        if choices {
            todo.extend(heads_of(body, origin.node));
        }
        let mut seen: FxHashSet<NodeId> = FxHashSet::default();
        while let Some(expr) = todo.pop() {
            let mut bases: FxHashSet<NodeId> = FxHashSet::default();
            walk(expr, &mut |inner| {
                let Some(names) = read_chain(inner, &mut bases) else { return };
                let Some(first) = names.first() else { return };
                if let Some(source) = index.bound(&first.text, inner.id) {
                    if seen.insert(source.id) {
                        todo.push(source);
                    }
                    return;
                }
                let Some((_, arg)) = call.args.iter().find(|(name, _)| *name == first.text) else {
                    return;
                };
                let mut at = arg;
                for name in &names[1..] {
                    match at.fields().and_then(|fields| fields.get(&name.text)) {
                        Some(next) => at = next,
                        None => break,
                    }
                }
                self.trace_argument(at, choices, depth, found);
            });
        }
    }

    pub(super) fn trace_argument(
        &self,
        value: &Value,
        choices: bool,
        depth: u32,
        found: &mut Vec<Traced>,
    ) {
        match value.origin.item.kind(self.db) {
            Kind::Compose | Kind::Fn => self.trace_into(value, choices, depth + 1, found),
            _ => {
                let whole = self.composed.iter().enumerate();
                let at = whole
                    .filter_map(|(level, it)| Some((level, path_of(&it.value, value.origin)?)))
                    .next();
                // Outputs are evaluated without the whole request.
                let written = || Some((0, layers::written_path(self.db, value.origin)?));
                if let Some((level, path)) = at.or_else(written) {
                    add_traced(found, (level, path, value.clone()));
                }
            }
        }
    }

    /// The heads of `if` and `match` in the composition that chose the expression at `origin`, the
    /// outermost first.
    pub fn choices(&self, origin: Origin) -> Vec<Origin> {
        let Some(tree) = item(self.db, origin.item) else { return Vec::new() };
        let ItemKind::Compose { block, .. } = &tree.kind else { return Vec::new() };
        let roots = BlockIndex::of(block).roots;
        let heads = roots.into_iter().map(|root| heads_of(root, origin.node));
        let heads = heads.into_iter().find(|heads| !heads.is_empty()).unwrap_or_default();
        heads.into_iter().map(|head| Origin { item: origin.item, node: head.id }).collect()
    }
}

/// Where in a record the value made at `origin` is, as an address says it: `env.A`,
/// `sidecars["proxy"].image`, `quota."requests.cpu"`.
pub fn path_of(value: &Value, origin: Origin) -> Option<String> {
    let way = way_to(value, origin)?;
    Some(written_way(value, way.iter()))
}

/// The steps to the value made at `origin`, positions in lists as numbers.
pub(super) fn way_to(value: &Value, origin: Origin) -> Option<Vec<Name>> {
    let into = |step: Name, inner: &Value| {
        if inner.origin == origin {
            return Some(vec![step]);
        }
        let mut way = stacker::maybe_grow(64 << 10, 1 << 20, || way_to(inner, origin))?;
        way.insert(0, step);
        Some(way)
    };
    match &value.data {
        Data::Record(record) => {
            record.fields.iter().find_map(|(name, field)| into(name.clone(), field))
        }
        Data::List(elements) => {
            elements.iter().enumerate().find_map(|(at, it)| into(at.to_string().into(), it))
        }
        _ => None,
    }
}

/// The steps into a value as an address says them.
pub fn written_way<'n>(value: &Value, steps: impl Iterator<Item = &'n Name>) -> String {
    let mut path = String::new();
    let mut at = Some(value);
    for step in steps {
        path = match at.map(|it| &it.data) {
            Some(Data::List(elements)) => {
                let position = step.parse::<usize>().ok().filter(|at| *at < elements.len());
                match position.map(|at| element_name(&elements[at])) {
                    Some(None) => format!("{path}[{step}]"),
                    Some(Some(name)) => format!("{path}[{name:?}]"),
                    None => format!("{path}[{step:?}]"),
                }
            }
            _ => join(&path, step),
        };
        at = at.and_then(|it| inside(it, step));
    }
    path
}

/// What an address goes on to from a value: a field, or an element by its name or position.
pub fn inside<'v>(value: &'v Value, step: &Name) -> Option<&'v Value> {
    match &value.data {
        Data::Record(record) => record.fields.get(step),
        Data::List(elements) => elements
            .iter()
            .find(|it| element_name(it) == Some(step))
            .or_else(|| step.parse::<usize>().ok().and_then(|at| elements.get(at))),
        _ => None,
    }
}

/// What an element of a list is called by in addresses.
pub fn element_name(element: &Value) -> Option<&Name> {
    match &element.fields()?.get("name")?.data {
        Data::String(name) => Some(name),
        _ => None,
    }
}

/// Whether a path is another one, or leads on from it.
pub fn within(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A path and a field of what it leads to; quoted where it is no identifier.
pub fn join(path: &str, name: &str) -> String {
    Path::whole(path).then(PathStep::Field(name)).to_string()
}

/// What a value is called in messages. Most are never told, so only then is it put together.
pub(super) struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: PathStep<'p>,
}

pub(super) enum PathStep<'p> {
    /// What the value is in; empty for one that is all there is.
    Whole(&'p str),
    Field(&'p str),
    /// An element by its key.
    Key(&'p str),
    Element(usize, &'p Value, &'p Keys),
}

impl<'p> Path<'p> {
    pub(super) fn whole(name: &'p str) -> Self {
        Path { above: None, step: PathStep::Whole(name) }
    }

    pub(super) fn then(&'p self, step: PathStep<'p>) -> Self {
        Path { above: Some(self), step }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            steps.push(&path.step);
            at = path.above;
        }
        let mut shown = String::new();
        for step in steps.into_iter().rev() {
            match step {
                PathStep::Whole(name) => shown.push_str(name),
                PathStep::Field(name) => {
                    if !shown.is_empty() {
                        shown.push('.');
                    }
                    match name.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-') {
                        true => shown.push_str(name),
                        false => write!(shown, "{name:?}")?,
                    }
                }
                PathStep::Key(key) => write!(shown, "[{key:?}]")?,
                PathStep::Element(index, element, keys) => {
                    let key = match keys {
                        Keys::By(keys) => layers::element_key(element, keys),
                        Keys::Plain => None,
                    };
                    match key {
                        Some(key) => write!(shown, "[{key:?}]")?,
                        None => write!(shown, "[{index}]")?,
                    }
                }
            }
        }
        formatter.write_str(&shown)
    }
}

/// The expressions of a block, at any depth, and what the names in them are bound to.
#[derive(Default)]
pub struct BlockIndex<'a> {
    /// Every expression, as [`walk`] goes: what is inside one follows it.
    expressions: Vec<&'a Expr>,
    /// Where each of them is.
    positions: FxHashMap<NodeId, usize>,
    /// What a name is bound to in which of them, by name. One name may be bound in several places.
    bindings: FxHashMap<&'a Name, Vec<(Range<usize>, &'a Expr)>>,
    /// Those that stand in no other.
    pub roots: Vec<&'a Expr>,
}

impl<'a> BlockIndex<'a> {
    /// Of everything in a block.
    pub fn of(block: &'a Block) -> Self {
        let mut index = BlockIndex::default();
        index.block(block);
        index
    }

    /// Of everything in an expression.
    pub(super) fn of_expr(expr: &'a Expr) -> Self {
        let mut index = BlockIndex::default();
        index.add(expr);
        index
    }

    /// The expression that made a value. A record's origin is its braces.
    pub(super) fn made(&self, node: NodeId) -> Option<&'a Expr> {
        let made = |expr: &&&Expr| match &expr.kind {
            ExprKind::Record(record) if record.id == node => true,
            _ => expr.id == node,
        };
        self.expressions.iter().find(made).copied()
    }

    /// What a name is bound to where an expression stands: what stands nearest around it.
    pub(super) fn bound(&self, name: &Name, at: NodeId) -> Option<&'a Expr> {
        let position = self.positions.get(&at)?;
        let around = self.bindings.get(name)?.iter().filter(|(range, _)| range.contains(position));
        around.max_by_key(|(range, _)| range.start).map(|(_, value)| *value)
    }

    pub(super) fn bind(&mut self, name: &'a Ident, range: Range<usize>, value: &'a Expr) {
        self.bindings.entry(&name.text).or_default().push((range, value));
    }

    /// Binds what a loop walks, in a part of it.
    pub(super) fn bind_clause(&mut self, clause: &'a ForClause, range: Range<usize>) {
        for name in [Some(&clause.first), clause.second.as_ref()].into_iter().flatten() {
            self.bind(name, range.clone(), &clause.iter);
        }
    }

    /// An expression with what is inside it.
    pub(super) fn range(&self, expr: &Expr) -> Range<usize> {
        let start = self.positions[&expr.id];
        let mut size = 0;
        walk(expr, &mut |_| size += 1);
        start..start + size
    }

    pub(super) fn add(&mut self, expr: &'a Expr) {
        self.roots.push(expr);
        let first = self.expressions.len();
        walk(expr, &mut |inner| {
            self.positions.insert(inner.id, self.expressions.len());
            self.expressions.push(inner);
        });
        for position in first..self.expressions.len() {
            match &self.expressions[position].kind {
                ExprKind::ListFor { clause, value, .. } => {
                    let range = self.range(&clause.iter).end..self.range(value).end;
                    self.bind_clause(clause, range);
                }
                ExprKind::Record(record) | ExprKind::Named { record, .. } => {
                    for entry in &record.entries {
                        let EntryKind::For { clause, path, value, .. } = &entry.kind else {
                            continue;
                        };
                        let range = self.range(&clause.iter).end..self.range(value).end;
                        self.bind_clause(clause, range);
                        for segment in &path.segments {
                            let SegmentKind::Index(keys) = &segment.kind else { continue };
                            for key in keys {
                                self.bind_clause(clause, self.range(key));
                            }
                        }
                    }
                }
                ExprKind::If { head, then, .. } => {
                    if let Some(name) = &head.bind {
                        self.bind(name, self.range(then), &head.expr);
                    }
                }
                ExprKind::Match { subject, arms } => {
                    for arm in arms {
                        if let Pattern::Typed { name, .. } = &arm.pattern {
                            self.bind(name, self.range(&arm.value), subject);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn block(&mut self, block: &'a Block) {
        // What is bound for the rest of the block.
        let mut bound: Vec<(&'a Ident, usize, &'a Expr)> = Vec::new();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let(it) => {
                    self.add(&it.value);
                    bound.push((&it.name, self.expressions.len(), &it.value));
                }
                StatementKind::Emit { bind, value } => {
                    self.add(value);
                    bound.extend(bind.iter().map(|bind| (bind, self.expressions.len(), value)));
                }
                StatementKind::Output { value, .. } => self.add(value),
                StatementKind::If(it) => {
                    self.add(&it.head.expr);
                    let start = self.expressions.len();
                    self.block(&it.then);
                    if let Some(name) = &it.head.bind {
                        self.bind(name, start..self.expressions.len(), &it.head.expr);
                    }
                    it.otherwise.iter().for_each(|block| self.block(block));
                }
                StatementKind::For { clause, body } => {
                    self.add(&clause.iter);
                    let start = self.expressions.len();
                    self.block(body);
                    self.bind_clause(clause, start..self.expressions.len());
                }
                StatementKind::Rule(rule) => self.add(&rule.condition),
            }
        }
        for (name, start, value) in bound {
            self.bind(name, start..self.expressions.len(), value);
        }
    }
}

/// Whether an expression is the one of this node, or has it inside. A record's origin is its braces.
pub(super) fn contains(expr: &Expr, node: NodeId) -> bool {
    let mut found = false;
    walk(expr, &mut |inner| {
        found |= inner.id == node
            || matches!(&inner.kind, ExprKind::Record(record) if record.id == node);
    });
    found
}

/// The heads of `if` and `match` in an expression that chose the one of this node, the outermost first.
pub(super) fn heads_of(root: &Expr, node: NodeId) -> Vec<&Expr> {
    let mut heads: Vec<&Expr> = Vec::new();
    if !contains(root, node) {
        return heads;
    }
    walk(root, &mut |inner| match &inner.kind {
        ExprKind::If { head, then, otherwise }
            if contains(then, node) || contains(otherwise, node) =>
        {
            heads.push(&head.expr);
        }
        ExprKind::Match { subject, arms } if arms.iter().any(|arm| contains(&arm.value, node)) => {
            heads.push(subject);
        }
        _ => {}
    });
    heads
}

/// The names that a path reads, `a.b.c`; `None` also for the paths it begins with, which only lead to it.
pub(super) fn read_chain(expr: &Expr, bases: &mut FxHashSet<NodeId>) -> Option<Vec<Ident>> {
    let names = crate::references::chain(expr)?;
    if let ExprKind::Field { base, .. } = &expr.kind {
        bases.insert(base.id);
    }
    (!bases.contains(&expr.id)).then_some(names)
}

pub(super) fn add_traced(found: &mut Vec<Traced>, one: Traced) {
    if !found.iter().any(|it| it.0 == one.0 && it.1 == one.1) {
        found.push(one);
    }
}

/// Whether a value is in another: of the same origin, and with the same content.
pub(super) fn holds(whole: &Value, part: &Value) -> bool {
    let here = || whole.origin == part.origin && whole.data == part.data;
    match &whole.data {
        _ if here() => true,
        Data::Record(record) => record.fields.values().any(|it| holds(it, part)),
        Data::List(elements) => elements.iter().any(|it| holds(it, part)),
        _ => false,
    }
}
