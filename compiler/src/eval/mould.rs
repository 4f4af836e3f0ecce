//! Requests that say nothing but literals, made in one pass over what their layers say.
//!
//! That is nearly all of most workspaces. So what a schema's fields take, which defaults they have and
//! which conditions hold among them is made ready once for an environment, and each request is then a
//! walk through its own entries. What a mould has no place for, such as a default that reads other fields,
//! is evaluated in the midst of it as ever.
//!
//! A mould is a shortcut and never the last word: it gives the value of a request, to the last origin,
//! where there is nothing to say of it; at the first sign of anything else the request is settled from its
//! beginning.

use super::*;

/// Makes the requests of an environment that say nothing but literals, one after the other. It keeps what is
/// ready of their schemas, and nothing of what it made.
pub struct Moulds<'a> {
    shared: Rc<Shared<'a>>,
    environment: ItemId,
    /// By schema; `None`: it does not fit into any.
    schemas: FxHashMap<ItemId, Option<Rc<Mould<'a>>>>,
    /// The namespace that the package of a file says, with the steps to it; `None`: that must be seen with
    /// each request.
    namespaces: FxHashMap<SourceFile, Option<(Option<Value>, u64)>>,
}

/// A schema made ready.
struct Mould<'a> {
    schema: ItemId,
    shape: &'a Schema,
    /// By position among the schema's own.
    places: Vec<Place<'a>>,
    conditions: Vec<Rules<'a>>,
    /// What it took to make it ready, which each request pays for.
    steps: u64,
}

/// What a field takes.
enum Place<'a> {
    /// A value that replaces the one before; what holds where no layer says any.
    Whole { test: Test<'a>, unset: Value, is_optional: bool },
    /// A map of such values by name. `default`: it is there, and empty, where no layer gives it.
    Map { key: Test<'a>, of: Test<'a>, default: Option<Origin> },
    /// Anything else.
    Other,
}

/// How a value is checked that has the type of its field but for conditions.
enum Test<'a> {
    /// It is fine.
    Fine,
    All(Vec<Test<'a>>),
    Range(Option<i64>, Option<i64>),
    Condition(Code<'a>),
    OneOf(&'a [Ty]),
    /// As it is written.
    Other(&'a Ty),
}

/// What must hold among the fields.
enum Rules<'a> {
    Rule(Code<'a>),
    If(Code<'a>, Vec<Rules<'a>>, Vec<Rules<'a>>),
    /// As it is written: a member of a schema.
    Other(ItemId, usize),
}

/// A condition made ready.
enum Code<'a> {
    Constant(Value),
    It,
    /// A field, by its place in the value.
    Field(usize),
    Compare(BinaryOp, Box<[Code<'a>; 2]>),
    Between(Box<[Code<'a>; 3]>),
    Matches(Box<Code<'a>>, &'a regex::Regex),
    Len(Box<Code<'a>>),
    Not(Box<Code<'a>>),
    And(Box<[Code<'a>; 2]>),
    Or(Box<[Code<'a>; 2]>),
}

/// The built-in fields that a request's value has; of `after` nothing is kept.
const KEPT: usize = BUILT_IN_FIELDS.len() - 1;

/// The bytes of a text, and the entries of a map, that are worth a look here.
const MAX_TEXT: usize = 4_096;
const MAX_PARTS: usize = 32;

/// How many steps of evaluation a field and an entry stand for, at most, beside their conditions: each is
/// set, charged and completed.
const STEPS_A_FIELD: usize = 16;
const STEPS_AN_ENTRY: usize = 16 + 2 * MAX_TEXT / BYTES_PER_STEP;

/// What was said of a field so far.
enum Found {
    Nothing,
    Whole(Value, Word),
    Map(Origin, Vec<(Name, Value, Word)>),
    /// It is evaluated from the beginning.
    Other,
}

/// Which layer said it.
#[derive(Clone, Copy)]
struct Word {
    level: u32,
    /// What a request hides of this is advice.
    is_of_environment: bool,
}

impl Word {
    fn of(layer: &Layer) -> Self {
        let is_of_environment = layer.kind == LayerKind::Defaults { in_environment: true };
        Word { level: layer.level, is_of_environment }
    }

    /// Whether a layer may replace this without a word.
    fn yields_to(self, layer: &Layer) -> bool {
        self.level != layer.level && !(self.is_of_environment && layer.kind == LayerKind::Request)
    }
}

impl<'a> Moulds<'a> {
    /// Of an environment.
    pub fn new(db: &'a dyn Db, workspace: Workspace, environment: ItemId) -> Self {
        Moulds::sharing(Shared::new(db, workspace), environment)
    }

    /// The same with what others asked already.
    pub(crate) fn sharing(shared: Rc<Shared<'a>>, environment: ItemId) -> Self {
        let (schemas, namespaces) = Default::default();
        Moulds { shared, environment, schemas, namespaces }
    }

    /// The value of a request of a schema that these layers speak of, and of which nothing is to be told.
    /// `None`: settle it.
    pub fn cast(&mut self, request: ItemId, schema: ItemId, layers: &[Layer]) -> Option<Value> {
        let (db, workspace) = (self.shared.db, self.shared.workspace);
        let origin = name_origin(db, request);
        let evaluator =
            |subject| Evaluator::of(self.shared.clone(), Some(self.environment), subject);
        let mould = self
            .schemas
            .entry(schema)
            .or_insert_with(|| evaluator(name_origin(db, schema)).mould(schema).map(Rc::new))
            .clone()?;
        let namespace = self.namespaces.entry(request.file(db)).or_insert_with(|| {
            let mut evaluator = evaluator(origin);
            let said = evaluator.built_in(request, "namespace", origin).and_then(|said| {
                let label = crate::types::prelude_type(db, workspace, "DnsLabel");
                let said = said.filter(|value| !value.is_none());
                said.map(|value| evaluator.complete(value, &label, "namespace")).transpose()
            });
            let said = said.ok().filter(|_| evaluator.diagnostics.is_empty())?;
            Some((said, evaluator.steps))
        });
        let (namespace, steps) = namespace.clone()?;
        let namespace = namespace.unwrap_or(Value::new(Data::None, origin));
        let mut evaluator = evaluator(origin);
        evaluator.steps = steps + mould.steps;
        let value = evaluator.cast(&mould, request, layers, origin, namespace).ok()?;
        evaluator.diagnostics.is_empty().then_some(value)
    }
}

impl<'a> Evaluator<'a> {
    fn mould(&mut self, id: ItemId) -> Option<Mould<'a>> {
        let shape = schema(self.db, self.workspace, id);
        let is_request = crate::types::composition(self.db, self.workspace, id).is_some();
        let is_shadowed =
            |field: &crate::types::Field| BUILT_IN_FIELDS.contains(&field.name.as_str());
        if !shape.finals.is_empty() || !is_request || shape.fields.iter().any(is_shadowed) {
            return None;
        }
        let places = shape.fields.iter().map(|field| self.place(field)).collect();
        let mut conditions = Vec::new();
        for (owner, member) in &shape.conditions {
            let rules = self.rules(shape, *owner, *member);
            conditions.push(rules.unwrap_or(Rules::Other(*owner, *member)));
        }
        let steps = self.steps;
        self.diagnostics.is_empty().then_some(Mould {
            schema: id,
            shape,
            places,
            conditions,
            steps,
        })
    }

    fn place(&mut self, field: &'a crate::types::Field) -> Place<'a> {
        let (tree, inference) = self.shared.declaration(field.owner);
        let default = default_of(tree, field);
        if field.is_final || field.has_default != default.is_some() {
            return Place::Other;
        }
        if let Ty::Map(key, of) = &field.ty
            && of.is_scalar()
            && !matches!(**of, Ty::Unknown)
        {
            let default = match default.map(|it| &it.kind) {
                None => None,
                Some(ExprKind::Record(record)) if record.entries.is_empty() => {
                    Some(Origin { item: field.owner, node: record.id })
                }
                Some(_) => return Place::Other,
            };
            if default.is_some() && !inference.poisoned.is_empty() {
                return Place::Other;
            }
            // Only the condition of a key is asked for.
            let key = match &**key {
                Ty::Refined(refined) => match self.test_of(&refined.check) {
                    Some(test) => test,
                    None => return Place::Other,
                },
                _ => Test::Fine,
            };
            return Place::Map { key, of: self.test(of), default };
        }
        if field.ty.merges() || arms::is_choice(&field.ty) {
            return Place::Other;
        }
        let test = self.test(&field.ty);
        let unset = match default {
            None => {
                let origin = Origin { item: field.owner, node: field.node };
                Value::new(Data::None, origin)
            }
            Some(default) if is_scalar(default) => {
                let value = self.scalar(field.owner, inference, default);
                let value = value.and_then(|value| self.complete(value, &field.ty, &field.name));
                if value.is_err() || !self.diagnostics.is_empty() {
                    self.diagnostics.clear();
                    return Place::Other;
                }
                value.unwrap_or(Value::new(Data::None, self.subject))
            }
            Some(_) => return Place::Other,
        };
        Place::Whole { test, unset, is_optional: field.ty.is_optional() }
    }

    fn test(&mut self, ty: &'a Ty) -> Test<'a> {
        let is_of_scalars = |it: &Ty| it.is_plain() && it.is_scalar();
        match ty {
            _ if ty.is_plain() => Test::Fine,
            Ty::Optional(inner) => self.test(inner),
            Ty::Refined(refined) => {
                match (self.test(&refined.base), self.test_of(&refined.check)) {
                    (Test::Other(_), _) | (_, None) => Test::Other(ty),
                    (Test::Fine, Some(own)) => own,
                    (base, Some(own)) => Test::All(vec![base, own]),
                }
            }
            Ty::Union(arms) if arms.iter().all(is_of_scalars) => Test::OneOf(arms),
            _ => Test::Other(ty),
        }
    }

    fn test_of(&mut self, check: &'a Check) -> Option<Test<'a>> {
        match check {
            Check::Range(low, high) => Some(Test::Range(*low, *high)),
            Check::Condition(owner, node) => {
                let (condition, _) = self.shared.condition(*owner, *node)?;
                self.code(None, *owner, condition).map(Test::Condition)
            }
            _ => None,
        }
    }

    fn rules(&mut self, shape: &Schema, owner: ItemId, member: usize) -> Option<Rules<'a>> {
        let ItemKind::Schema { members, .. } = &self.shared.declaration(owner).0?.kind else {
            return None;
        };
        match &members[member].kind {
            MemberKind::Rule(rule) => {
                self.code(Some(shape), owner, &rule.condition).map(Rules::Rule)
            }
            MemberKind::If(branch) => self.branch(shape, owner, branch),
            _ => None,
        }
    }

    fn branch(&mut self, shape: &Schema, owner: ItemId, branch: &'a If) -> Option<Rules<'a>> {
        if branch.head.bind.is_some() {
            return None;
        }
        let head = self.code(Some(shape), owner, &branch.head.expr)?;
        let mut block = |block: &'a Block| {
            let statements = block.statements.iter().map(|statement| match &statement.kind {
                StatementKind::Rule(rule) => {
                    self.code(Some(shape), owner, &rule.condition).map(Rules::Rule)
                }
                StatementKind::If(inner) => self.branch(shape, owner, inner),
                _ => None,
            });
            statements.collect::<Option<Vec<_>>>()
        };
        let then = block(&branch.then)?;
        let otherwise = branch.otherwise.as_ref().map_or(Some(Vec::new()), block)?;
        Some(Rules::If(head, then, otherwise))
    }

    /// `None`: it is evaluated as it is written.
    fn code(&mut self, own: Option<&Schema>, item: ItemId, expr: &'a Expr) -> Option<Code<'a>> {
        let inference = self.shared.declaration(item).1;
        if !inference.poisoned.is_empty() {
            return None;
        }
        let resolution = |expr: &Expr| inference.resolutions.get(&expr.id);
        let place = |name: &str| {
            let shape = own?;
            let position = position(shape, name)?;
            match position.checked_sub(shape.fields.len()) {
                None => Some(KEPT + position),
                Some(built_in) => (built_in < KEPT).then_some(built_in),
            }
        };
        Some(match &expr.kind {
            ExprKind::Literal(_) => self.constant(item, expr)?,
            ExprKind::Name(name) => match resolution(expr)? {
                Resolution::It => Code::It,
                Resolution::OwnField => Code::Field(place(name)?),
                Resolution::Item(of) if of.kind(self.db) == Kind::Let => {
                    self.constant(item, expr)?
                }
                _ => return None,
            },
            ExprKind::Field { base, name, optional: false } => match resolution(base)? {
                Resolution::Environment => self.constant(item, expr)?,
                // That there is no namespace is told of who reads it.
                Resolution::Itself if name.text != "namespace" => Code::Field(place(&name.text)?),
                _ => return None,
            },
            ExprKind::Call { callee, args } => match (resolution(callee)?, args.as_slice()) {
                (Resolution::Builtin(Builtin::Len), [of]) => {
                    Code::Len(Box::new(self.code(own, item, &of.value)?))
                }
                _ => return None,
            },
            ExprKind::Unary { op: UnaryOp::Not, operand } => {
                Code::Not(Box::new(self.code(own, item, operand)?))
            }
            ExprKind::Binary { op, left, right } => match (op, &right.kind) {
                (BinaryOp::Matches, ExprKind::Literal(Literal::Raw(pattern))) => {
                    let left = self.code(own, item, left)?;
                    Code::Matches(Box::new(left), self.shared.pattern(pattern)?)
                }
                (
                    BinaryOp::In,
                    ExprKind::Binary { op: BinaryOp::Range, left: low, right: high },
                ) => {
                    let mut part = |part: &'a Expr| self.code(own, item, part);
                    Code::Between(Box::new([part(left)?, part(low)?, part(high)?]))
                }
                (
                    BinaryOp::Equal
                    | BinaryOp::NotEqual
                    | BinaryOp::Less
                    | BinaryOp::LessOrEqual
                    | BinaryOp::Greater
                    | BinaryOp::GreaterOrEqual
                    | BinaryOp::And
                    | BinaryOp::Or,
                    _,
                ) => {
                    let both = [self.code(own, item, left)?, self.code(own, item, right)?];
                    match op {
                        BinaryOp::And => Code::And(Box::new(both)),
                        BinaryOp::Or => Code::Or(Box::new(both)),
                        op => Code::Compare(*op, Box::new(both)),
                    }
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What has the same value for every request of the environment.
    fn constant(&mut self, item: ItemId, expr: &'a Expr) -> Option<Code<'a>> {
        let mut frame = Frame::new(item, self.shared.declaration(item).1);
        let told = self.diagnostics.len();
        let value = self.expr(&mut frame, expr);
        let is_silent = self.diagnostics.len() == told;
        self.diagnostics.truncate(told);
        value.ok().filter(|_| is_silent).map(Code::Constant)
    }

    // Requests.

    fn cast(
        &mut self,
        mould: &Mould<'a>,
        request: ItemId,
        layers: &[Layer],
        origin: Origin,
        namespace: Value,
    ) -> Eval<Value> {
        let (found, other) = self.found(mould, layers)?;
        let shape = mould.shape;
        let name = Value::new(Data::String(request.name(self.db).clone()), origin);
        let empty = Value::record(Fields::default(), origin);
        let mut fields: Vec<(Name, Value)> = Vec::with_capacity(KEPT + shape.fields.len());
        let built_in = [name, namespace, empty.clone(), empty];
        fields.extend(BUILT_IN_FIELDS.iter().map(|name| Name::new_static(name)).zip(built_in));
        for ((field, place), found) in shape.fields.iter().zip(&mould.places).zip(found) {
            let value = match (found, place) {
                (Found::Whole(value, _), Place::Whole { test, .. }) => {
                    self.holds(test, &value)?;
                    value
                }
                (Found::Nothing, Place::Whole { unset, is_optional, .. }) => {
                    if unset.is_none() && !is_optional {
                        return Err(Failed);
                    }
                    unset.clone()
                }
                (Found::Map(origin, parts), Place::Map { key, of, .. }) => {
                    let mut entries = Vec::with_capacity(parts.len());
                    for (name, value, _) in parts {
                        if !matches!(key, Test::Fine) {
                            let name = Value::new(Data::String(name.clone()), value.origin);
                            self.holds(key, &name)?;
                        }
                        self.holds(of, &value)?;
                        entries.push((name, value));
                    }
                    Value::record(Fields::of_distinct(entries), origin)
                }
                (Found::Nothing, Place::Map { default: Some(origin), .. }) => {
                    Value::record(Fields::default(), *origin)
                }
                (Found::Nothing, Place::Map { .. }) => return Err(Failed),
                // Below.
                _ => Value::new(Data::None, origin),
            };
            fields.push((field.name.clone(), value));
        }
        // What has no place is evaluated beside what has, and so are conditions that are not ready.
        let is_ready = |it: &Rules<'a>| !matches!(it, Rules::Other(..));
        let mut instance = None;
        if !other.is_empty() || !mould.conditions.iter().all(is_ready) {
            let whole = self.instance(mould.schema, layers.to_vec(), origin);
            let whole = self.push(Instance { request: Some(request), ..whole });
            for (place, (_, value)) in fields.iter().enumerate() {
                let position = match place.checked_sub(KEPT) {
                    Some(position) => position,
                    None => shape.fields.len() + place,
                };
                if !other.contains(&position) {
                    self.instances[whole].fields[position] = State::Done(Ok(value.clone()));
                }
            }
            for position in other {
                let value = self.field_at(whole, position, origin)?;
                match shape.fields.get(position) {
                    Some(field) if value.is_none() && !field.ty.is_optional() => {
                        return Err(Failed);
                    }
                    Some(_) => fields[KEPT + position].1 = value,
                    None => {
                        if let Some(place) = fields.get_mut(position - shape.fields.len())
                            && position - shape.fields.len() < KEPT
                        {
                            place.1 = value;
                        }
                    }
                }
            }
            instance = Some(whole);
        }
        for rules in &mould.conditions {
            self.obeys(rules, &fields, instance)?;
        }
        let fields = Fields::of_distinct(fields);
        let tag = Tag::Schema(mould.schema);
        Ok(Value::new(Data::Record(Arc::new(RecordValue { tag, fields })), origin))
    }

    /// What the layers say of each of the schema's fields, and the positions of those that are evaluated
    /// as ever.
    fn found(&mut self, mould: &Mould<'a>, layers: &[Layer]) -> Eval<(Vec<Found>, Vec<usize>)> {
        let (db, workspace) = (self.db, self.workspace);
        let shape = mould.shape;
        let mut other = Vec::new();
        let mut found: Vec<Found> = Vec::with_capacity(shape.fields.len());
        for (position, place) in mould.places.iter().enumerate() {
            found.push(match place {
                Place::Other => {
                    other.push(position);
                    Found::Other
                }
                _ => Found::Nothing,
            });
        }
        let mut count = 0;
        for layer in layers {
            let record = item(db, layer.item).as_deref().and_then(layer_record).ok_or(Failed)?;
            let inference = infer(db, workspace, layer.item);
            count += record.entries.len();
            if !inference.poisoned.is_empty() {
                return Err(Failed);
            }
            let frame = Frame::new(layer.item, inference);
            // Most say their fields in the order of the schema.
            let mut near = 0;
            for entry in &record.entries {
                let EntryKind::Set { modifier, path, append, value, .. } = &entry.kind else {
                    return Err(Failed);
                };
                let (name, way) = match path.segments.as_slice() {
                    [PathSegment { kind: SegmentKind::Key(name), .. }, way @ ..] => (name, way),
                    _ => return Err(Failed),
                };
                let position = match shape.fields.get(near) {
                    Some(field) if field.name == *name => near,
                    _ => position(shape, name).ok_or(Failed)?,
                };
                near = position + 1;
                let taken = modifier.is_none() && !append && position < shape.fields.len() && {
                    let place = &mould.places[position];
                    let found = &mut found[position];
                    count += self.says(&frame, layer, place, found, way, value)?;
                    !matches!(found, Found::Other)
                };
                if !taken && !other.contains(&position) {
                    other.push(position);
                    if let Some(found) = found.get_mut(position) {
                        *found = Found::Other;
                    }
                }
            }
        }
        self.step((count * STEPS_AN_ENTRY + found.len() * STEPS_A_FIELD) as u64)?;
        Ok((found, other))
    }

    /// Adds what a layer says of a field; how many entries that has beside itself.
    fn says(
        &mut self,
        frame: &Frame<'a>,
        layer: &Layer,
        place: &Place<'a>,
        found: &mut Found,
        way: &'a [PathSegment],
        value: &'a Expr,
    ) -> Eval<usize> {
        let word = Word::of(layer);
        match (place, way) {
            (Place::Whole { .. }, []) if is_scalar(value) => {
                match found {
                    Found::Nothing => {}
                    Found::Whole(_, before) if before.yields_to(layer) => {}
                    _ => {
                        *found = Found::Other;
                        return Ok(0);
                    }
                }
                *found = Found::Whole(self.plain_literal(frame, value)?, word);
                return Ok(0);
            }
            (Place::Map { default, .. }, _) => {
                let (given, entries) = match (way, &value.kind) {
                    ([], ExprKind::Record(record)) => {
                        (frame.origin(record.id), record.entries.as_slice())
                    }
                    ([_], _) if is_scalar(value) => (frame.origin(value.id), [].as_slice()),
                    _ => {
                        *found = Found::Other;
                        return Ok(0);
                    }
                };
                if let Found::Nothing = found {
                    *found = Found::Map(default.unwrap_or(given), Vec::new());
                }
                let Found::Map(origin, parts) = found else { return Ok(0) };
                // What is wrong with the whole is told to who asks for it, not to the platform.
                if layers::is_data(self.db, given.item) && !layers::is_data(self.db, origin.item) {
                    *origin = given;
                }
                let said = entries.iter().map(|entry| match &entry.kind {
                    EntryKind::Set { modifier: None, append: false, path, value, .. } => {
                        Some((path.segments.as_slice(), value))
                    }
                    _ => None,
                });
                let one = (!way.is_empty()).then_some(Some((way, value)));
                let mut is_taken = true;
                for said in said.chain(one) {
                    is_taken = match said {
                        Some(([PathSegment { kind: SegmentKind::Key(key), .. }], value))
                            if is_scalar(value) =>
                        {
                            let value = self.plain_literal(frame, value)?;
                            match parts.iter_mut().find(|(name, ..)| name == key) {
                                Some((_, there, before)) if before.yields_to(layer) => {
                                    (*there, *before) = (value, word);
                                    true
                                }
                                Some(_) => false,
                                None => {
                                    parts.push((key.clone(), value, word));
                                    true
                                }
                            }
                        }
                        _ => false,
                    };
                    if !is_taken {
                        break;
                    }
                }
                if !is_taken || parts.len() > MAX_PARTS {
                    *found = Found::Other;
                }
                return Ok(entries.len());
            }
            _ => {}
        }
        *found = Found::Other;
        Ok(0)
    }

    fn plain_literal(&mut self, frame: &Frame<'a>, expr: &Expr) -> Eval<Value> {
        let ExprKind::Literal(literal) = &expr.kind else { return Err(Failed) };
        match self.literal(frame, expr, literal)? {
            Data::String(text) if text.len() > MAX_TEXT => Err(Failed),
            data => Ok(Value::new(data, frame.origin(expr.id))),
        }
    }

    /// Fails where a value is not what its field takes, or something is to be told of it.
    fn holds(&mut self, test: &Test<'a>, value: &Value) -> Eval<()> {
        let holds = match test {
            Test::Fine => true,
            Test::All(tests) => {
                return tests.iter().try_for_each(|test| self.holds(test, value));
            }
            Test::Range(low, high) => match value.data {
                Data::Int(number) => {
                    low.is_none_or(|low| low <= number) && high.is_none_or(|high| number <= high)
                }
                _ => true,
            },
            Test::Condition(code) => self.truth_of(code, Some(value), &[])?,
            Test::OneOf(arms) => arms.iter().any(|arm| self.takes(arm, value)),
            // Of a scalar nothing can be filled in.
            Test::Other(ty) => matches!(self.completed(value, ty, &Path::whole("")), Ok(None)),
        };
        if holds { Ok(()) } else { Err(Failed) }
    }

    fn obeys(
        &mut self,
        rules: &Rules<'a>,
        fields: &[(Name, Value)],
        instance: Option<usize>,
    ) -> Eval<()> {
        match rules {
            Rules::Rule(code) => match self.truth_of(code, None, fields)? {
                true => Ok(()),
                false => Err(Failed),
            },
            Rules::If(head, then, otherwise) => {
                let holds = self.truth_of(head, None, fields)?;
                let block = if holds { then } else { otherwise };
                block.iter().try_for_each(|rules| self.obeys(rules, fields, instance))
            }
            Rules::Other(owner, member) => self.member(instance.ok_or(Failed)?, *owner, *member),
        }
    }

    fn truth_of(
        &mut self,
        code: &Code<'a>,
        it: Option<&Value>,
        fields: &[(Name, Value)],
    ) -> Eval<bool> {
        self.step(4)?;
        Ok(match code {
            Code::Compare(op, both) => {
                let (a, b) =
                    (self.value_of(&both[0], it, fields)?, self.value_of(&both[1], it, fields)?);
                match op {
                    BinaryOp::Equal => self.equal(&a, &b)?,
                    BinaryOp::NotEqual => !self.equal(&a, &b)?,
                    op => {
                        let order = compare(&a.data, &b.data).ok_or(Failed)?;
                        match op {
                            BinaryOp::Less => order.is_lt(),
                            BinaryOp::LessOrEqual => order.is_le(),
                            BinaryOp::Greater => order.is_gt(),
                            _ => order.is_ge(),
                        }
                    }
                }
            }
            Code::Between(parts) => {
                let [value, low, high] = &**parts;
                let (value, low, high) = (
                    self.value_of(value, it, fields)?,
                    self.value_of(low, it, fields)?,
                    self.value_of(high, it, fields)?,
                );
                let above = compare(&value.data, &low.data).ok_or(Failed)?;
                let below = compare(&value.data, &high.data).ok_or(Failed)?;
                above.is_ge() && below.is_le()
            }
            Code::Matches(text, regex) => match &self.value_of(text, it, fields)?.data {
                Data::String(text) => regex.is_match(text),
                _ => return Err(Failed),
            },
            Code::Not(inner) => !self.truth_of(inner, it, fields)?,
            Code::And(both) => {
                self.truth_of(&both[0], it, fields)? && self.truth_of(&both[1], it, fields)?
            }
            Code::Or(both) => {
                self.truth_of(&both[0], it, fields)? || self.truth_of(&both[1], it, fields)?
            }
            Code::Constant(_) | Code::It | Code::Field(_) | Code::Len(_) => {
                match self.value_of(code, it, fields)?.data {
                    Data::Bool(value) => value,
                    _ => return Err(Failed),
                }
            }
        })
    }

    fn value_of<'v>(
        &mut self,
        code: &'v Code<'a>,
        it: Option<&'v Value>,
        fields: &'v [(Name, Value)],
    ) -> Eval<Cow<'v, Value>> {
        match code {
            Code::Constant(value) => Ok(Cow::Borrowed(value)),
            Code::It => it.map(Cow::Borrowed).ok_or(Failed),
            Code::Field(place) => {
                fields.get(*place).map(|(_, value)| Cow::Borrowed(value)).ok_or(Failed)
            }
            Code::Len(of) => {
                let of = self.value_of(of, it, fields)?;
                self.charge(&of, false)?;
                let limit = self.limit();
                let value = builtins::call(Builtin::Len, &[of.into_owned()], self.subject, limit);
                value.map(Cow::Owned).map_err(|_| Failed)
            }
            _ => {
                let data = Data::Bool(self.truth_of(code, it, fields)?);
                Ok(Cow::Owned(Value::new(data, self.subject)))
            }
        }
    }
}
