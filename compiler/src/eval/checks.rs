//! Conditions of schemas, and values completed by their types.

use super::*;

impl<'a> Evaluator<'a> {
    // Conditions.

    /// Fails where a condition of the schema does not hold.
    pub(super) fn member(&mut self, instance: usize, owner: ItemId, member: usize) -> Eval<()> {
        let (tree, inference) = self.shared.declaration(owner);
        let Some(ItemKind::Schema { members, .. }) = tree.map(|tree| &tree.kind) else {
            return Ok(());
        };
        let mut frame = Frame::new(owner, inference);
        frame.own = Some(instance);
        match &members[member].kind {
            MemberKind::Rule(rule) => self.rule(&mut frame, rule, &mut Vec::new()),
            MemberKind::If(branch) => self.rule_branch(&mut frame, branch, &mut Vec::new()),
            _ => Ok(()),
        }
    }

    pub(super) fn rule_branch(
        &mut self,
        frame: &mut Frame<'a>,
        branch: &'a If,
        around: &mut Vec<&'a Expr>,
    ) -> Eval<()> {
        let before = frame.locals.len();
        let holds = self.head(frame, &branch.head)?;
        around.push(&branch.head.expr);
        let block = if holds { Some(&branch.then) } else { branch.otherwise.as_ref() };
        let result = block.map_or(Ok(()), |block| self.rule_block(frame, block, around));
        around.pop();
        frame.locals.truncate(before);
        result
    }

    /// Fails where a condition in a block does not hold.
    fn rule_block(
        &mut self,
        frame: &mut Frame<'a>,
        block: &'a Block,
        around: &mut Vec<&'a Expr>,
    ) -> Eval<()> {
        let before = frame.locals.len();
        let mut result = Ok(());
        for statement in &block.statements {
            match &statement.kind {
                // What follows may read it.
                StatementKind::Let(it) => match self.bound(frame, it) {
                    Ok(value) => frame.locals.push((it.name.text.clone(), value)),
                    Err(Failed) => {
                        result = Err(Failed);
                        break;
                    }
                },
                StatementKind::If(inner) => {
                    result = self.rule_branch(frame, inner, around).and(result);
                }
                StatementKind::Rule(rule) => result = self.rule(frame, rule, around).and(result),
                StatementKind::For { clause, body } => match self.rounds(frame, clause) {
                    Ok(rounds) => {
                        let inner = frame.locals.len();
                        for round in rounds {
                            bind(frame, clause, round);
                            result = self.rule_block(frame, body, around).and(result);
                            frame.locals.truncate(inner);
                        }
                    }
                    Err(Failed) => result = Err(Failed),
                },
                StatementKind::Emit { .. } | StatementKind::Output { .. } => {}
            }
        }
        frame.locals.truncate(before);
        result
    }

    pub(super) fn rule(
        &mut self,
        frame: &mut Frame<'a>,
        rule: &'a Rule,
        around: &mut Vec<&'a Expr>,
    ) -> Eval<()> {
        // A condition on a field that failed has nothing to add.
        if !matches!(self.expr(frame, &rule.condition)?.data, Data::Bool(false)) {
            return Ok(());
        }
        let why = rule.otherwise.as_ref().and_then(|why| self.text(frame, why));
        let message = why.map_or_else(
            || match describe_condition(&rule.condition) {
                Some(text) => format!("this must hold: {text}"),
                None => "a condition of the schema does not hold".to_string(),
            },
            |why| why.to_string(),
        );
        // The request's own fields that the condition reads are where the mistake is.
        let mut read: Vec<(Name, Value)> = Vec::new();
        for expr in [&rule.condition].into_iter().chain(around.iter().copied()) {
            walk(expr, &mut |inner| {
                if let ExprKind::Name(name) = &inner.kind
                    && frame.inference.resolutions.get(&inner.id) == Some(&Resolution::OwnField)
                    && let Some(instance) = frame.own
                    && let Some(value) = self.instances[instance].known(name)
                    && !read.iter().any(|(known, _)| known == name)
                {
                    read.push((name.clone(), value.clone()));
                }
            });
        }
        // A nested composite's fields are the request's that they were computed from.
        let read: Vec<(Name, Value)> = read
            .into_iter()
            .flat_map(|(name, value)| {
                let sources = self.sources(value.origin);
                if sources.is_empty() {
                    vec![(name, value)]
                } else {
                    sources.into_iter().map(|(path, value)| (path.into(), value)).collect()
                }
            })
            .collect();
        let label = |(name, value): &(Name, Value)| format!("`{name}` is {}", shown(value));
        let mut places: Vec<&(Name, Value)> =
            read.iter().filter(|(_, value)| layers::is_data(self.db, value.origin.item)).collect();
        if places.is_empty() {
            places = Vec::new();
        }
        let origin = places.first().map_or(self.subject, |(_, value)| value.origin);
        let mut found = Diagnostic::error(code::CONDITION_FAILED, origin, message);
        if rule.level == RuleLevel::Advise {
            found.severity = Severity::Warning;
        }
        if let Some(first) = places.first() {
            found.label = label(first);
        }
        for other in read.iter().filter(|it| places.first().is_none_or(|first| first.0 != it.0)) {
            found = found.related(other.1.origin, label(other));
        }
        found = found.related(frame.origin(rule.condition.id), "the condition");
        let failed = self.report(found);
        if rule.level == RuleLevel::Advise { Ok(()) } else { Err(failed) }
    }

    // Completing values by their types.

    /// Fills in what a type's schemas say by default, and checks what only evaluation can:
    /// conditions, ranges, required fields. `path` names the value in messages.
    pub fn complete(&mut self, value: Value, ty: &Ty, path: &str) -> Eval<Value> {
        self.complete_at(value, ty, &Path::whole(path))
    }

    pub(super) fn complete_at(&mut self, value: Value, ty: &Ty, path: &Path<'_>) -> Eval<Value> {
        Ok(self.completed(&value, ty, path)?.unwrap_or(value))
    }

    /// [`Self::complete`] of a value that others may hold as well; `None`: nothing was to be filled in.
    pub(super) fn completed(
        &mut self,
        value: &Value,
        ty: &Ty,
        path: &Path<'_>,
    ) -> Eval<Option<Value>> {
        self.step(1)?;
        if self.depth == MAX_DEPTH {
            return Err(self.too_deep(value.origin));
        }
        if ty.is_plain() {
            return Ok(None);
        }
        self.depth += 1;
        let result =
            stacker::maybe_grow(64 << 10, 1 << 20, || self.completed_inner(value, ty, path));
        self.depth -= 1;
        result
    }

    pub(super) fn too_deep(&mut self, origin: Origin) -> Failed {
        self.fail(code::OVER_BUDGET, origin, format!("this nests deeper than {MAX_DEPTH} levels"))
    }

    pub(super) fn completed_inner(
        &mut self,
        value: &Value,
        ty: &Ty,
        path: &Path<'_>,
    ) -> Eval<Option<Value>> {
        match ty {
            Ty::Optional(_) if value.is_none() => Ok(None),
            Ty::Optional(inner) => self.completed_inner(value, inner, path),
            Ty::Refined(refined) => {
                let done = self.completed_inner(value, &refined.base, path)?;
                let held = done.as_ref().unwrap_or(value);
                if !held.is_none() {
                    self.refine(held, &refined.check, &format_args!("`{path}`"))?;
                }
                Ok(done)
            }
            Ty::Schema(id) | Ty::Request(id) => {
                let Data::Record(record) = &value.data else { return Ok(None) };
                let (id, laid) = match record.tag {
                    Tag::Plain => (*id, false),
                    Tag::Changed(own) => (own, false),
                    Tag::Partial(_) => (*id, true),
                    // A value of this schema, or of one that includes it, is complete.
                    Tag::Schema(_) | Tag::Kind(_) => return Ok(None),
                };
                let instance = self.default_instance(id, value.origin);
                let instance = self.push(Instance {
                    given: Some(Given { record: record.clone(), laid, waiting: ByName::default() }),
                    path: path.to_string().into(),
                    ..instance
                });
                let result = self.all_fields(instance);
                self.instances.pop();
                result.map(Some)
            }
            Ty::Record(record) => {
                let type_of = |name: &str| {
                    let known = record.fields.iter().find(|(field, _)| field == name);
                    known.map_or(UNKNOWN, |(_, ty)| ty)
                };
                self.completed_fields(value, path, ty, record.required(), type_of)
            }
            Ty::Object(object) => {
                let shape = self.shapes().of(*object);
                let type_of = |name: &str| shape.fields.get(name).unwrap_or(UNKNOWN);
                self.completed_fields(value, path, ty, shape.required.iter(), type_of)
            }
            Ty::Kind(kind) => {
                let shape = self.shapes().of_kind(*kind);
                let type_of = |name: &str| {
                    let known = shape.fields.get(name).filter(|_| !is_said_by_kind(name));
                    known.unwrap_or(UNKNOWN)
                };
                let required = shape.required_beside_kind();
                let done = self.completed_fields(value, path, ty, required, type_of)?;
                // A record without a name before its braces is of the kind that its place takes.
                match &done.as_ref().unwrap_or(value).data {
                    Data::Record(record) if record.tag == Tag::Plain => {
                        let mut record = record.clone();
                        Arc::make_mut(&mut record).tag = Tag::Kind(*kind);
                        Ok(Some(Value::new(Data::Record(record), value.origin)))
                    }
                    _ => Ok(done),
                }
            }
            Ty::Map(key, inner) => {
                if let (Ty::Refined(refined), Some(fields)) = (&**key, value.fields()) {
                    let mut failed = false;
                    for (name, entry) in fields {
                        let key = Value::new(Data::String(name.clone()), entry.origin);
                        failed |= self
                            .refine(&key, &refined.check, &format_args!("a key of `{path}`"))
                            .is_err();
                    }
                    if failed {
                        return Err(Failed);
                    }
                }
                self.completed_fields(value, path, ty, std::iter::empty(), |_| inner)
            }
            Ty::List(inner, keys) => {
                let Data::List(elements) = &value.data else { return Ok(None) };
                let mut failed = false;
                let mut changed: Option<Vec<Value>> = None;
                for (index, element) in elements.iter().enumerate() {
                    let path = path.then(PathStep::Element(index, element, keys));
                    match self.completed(element, inner, &path) {
                        Ok(None) => {}
                        Ok(Some(done)) => {
                            changed.get_or_insert_with(|| elements.to_vec())[index] = done;
                        }
                        Err(Failed) => failed = true,
                    }
                }
                if failed {
                    return Err(Failed);
                }
                Ok(changed.map(|elements| Value::list(elements, value.origin)))
            }
            Ty::Union(arms) => {
                let record = match arms::is_choice(ty) {
                    true => arms::of_value(self.db, self.workspace, ty, value),
                    false => None,
                };
                let takes = |arm: &&Ty| match record {
                    Some(record) => arm.base() == record,
                    None => self.takes(arm, value),
                };
                let Some(arm) = arms.iter().find(takes) else {
                    let why = describe_type(self.db, self.workspace, ty);
                    let shown = shown(value);
                    return Err(self.refuse(
                        value,
                        code::NOT_ONE_OF,
                        format!("`{path}` is {shown}; it must be {why}"),
                        None,
                    ));
                };
                self.completed_inner(value, arm, path)
            }
            _ => Ok(None),
        }
    }

    /// What Kubernetes' objects consist of.
    pub(super) fn shapes(&mut self) -> &'a Shapes {
        let (db, workspace) = (self.db, self.workspace);
        self.shapes.get_or_insert_with(|| shapes(db, workspace))
    }

    pub(super) fn completed_fields<'t>(
        &mut self,
        value: &Value,
        path: &Path<'_>,
        ty: &Ty,
        required: impl Iterator<Item = &'t Name>,
        type_of: impl Fn(&str) -> &'t Ty,
    ) -> Eval<Option<Value>> {
        let Data::Record(record) = &value.data else { return Ok(None) };
        let mut failed = false;
        let mut changed: Option<Arc<RecordValue>> = None;
        for (name, field) in record.fields.iter().filter(|(_, field)| !field.is_none()) {
            match self.completed(field, type_of(name), &path.then(PathStep::Field(name))) {
                Ok(None) => {}
                Ok(Some(done)) => {
                    let changed = changed.get_or_insert_with(|| record.clone());
                    Arc::make_mut(changed).fields.insert(name.clone(), done);
                }
                Err(Failed) => failed = true,
            }
        }
        let lacking: Vec<&str> = required
            .filter(|name| record.fields.get(name).is_none_or(Value::is_none))
            .map(Name::as_str)
            .collect();
        if !lacking.is_empty() {
            let path = path.to_string();
            let what = if path.is_empty() { display(self.db, self.workspace, ty) } else { path };
            self.refuse(
                value,
                code::MISSING_FIELD,
                format!("`{what}` lacks {}", list(&lacking, "and")),
                None,
            );
            failed = true;
        }
        if failed {
            return Err(Failed);
        }
        Ok(changed.map(|record| Value::new(Data::Record(record), value.origin)))
    }

    /// A value as an arm of a `match` binds it that asks for a type; `None` where it is not of it. `of`
    /// is the type of what is matched.
    pub(super) fn taken(&mut self, ty: &Ty, of: &Ty, value: &Value) -> Option<Value> {
        if value.is_none() {
            return None;
        }
        if arms::is_choice(of)
            && let Some(arm) = arms::of_value(self.db, self.workspace, of, value)
        {
            return crate::types::fits(self.db, self.workspace, arm, ty).then(|| value.clone());
        }
        if !matches!(of, Ty::Any) && !matches!(ty, Ty::Refined(_)) {
            return self.takes(ty, value).then(|| value.clone());
        }
        // Nothing is known of it: it is of the type if it can be completed to a value of it.
        if !self.is_shaped(ty, value) {
            return None;
        }
        let told = self.diagnostics.len();
        let done = self.complete(value.clone(), ty, "").ok();
        self.diagnostics.truncate(told);
        done
    }

    /// Whether a value of which nothing is known has the shape of a type, all the way down.
    pub(super) fn is_shaped(&self, ty: &Ty, value: &Value) -> bool {
        match (ty, &value.data) {
            (Ty::Refined(refined), _) => self.is_shaped(&refined.base, value),
            (Ty::Optional(inner), _) => value.is_none() || self.is_shaped(inner, value),
            (Ty::Union(arms), _) => arms.iter().any(|arm| self.is_shaped(arm, value)),
            (Ty::List(item, _), Data::List(items)) => {
                items.iter().all(|it| self.is_shaped(item, it))
            }
            (Ty::Map(_, of), Data::Record(record)) => {
                record.fields.values().all(|it| it.is_none() || self.is_shaped(of, it))
            }
            (Ty::Record(_) | Ty::Schema(_) | Ty::Object(_), Data::Record(record)) => {
                let open = matches!(ty, Ty::Record(record) if record.open);
                record.fields.iter().all(|(name, value)| {
                    match field_type(self.db, self.workspace, ty, name) {
                        Some(ty) => self.is_shaped(&ty, value),
                        None => open || value.is_none(),
                    }
                })
            }
            _ => self.takes(ty, value),
        }
    }

    /// Whether a value is of an arm's kind.
    pub(super) fn takes(&self, arm: &Ty, value: &Value) -> bool {
        match (arm, &value.data) {
            (Ty::Unknown | Ty::Any, _) => true,
            (Ty::Literal(literal), data) => literal_is(literal, data),
            (Ty::Refined(refined), _) => self.takes(&refined.base, value),
            (Ty::Optional(inner), _) => value.is_none() || self.takes(inner, value),
            (Ty::Union(arms), _) => arms.iter().any(|arm| self.takes(arm, value)),
            (Ty::None, Data::None)
            | (Ty::Null, Data::Null)
            | (Ty::Bool, Data::Bool(_))
            | (Ty::Int, Data::Int(_))
            | (Ty::Float, Data::Float(_))
            | (Ty::String, Data::String(_))
            | (Ty::Quantity, Data::Quantity(_))
            | (Ty::Duration, Data::Duration(_))
            | (Ty::List(..), Data::List(_)) => true,
            (Ty::Schema(id) | Ty::Request(id), Data::Record(record)) => match record.tag {
                Tag::Schema(tag) | Tag::Partial(tag) | Tag::Changed(tag) => {
                    tag == *id || schema(self.db, self.workspace, tag).includes.contains(id)
                }
                Tag::Plain => true,
                Tag::Kind(_) => false,
            },
            (Ty::Kind(kind), Data::Record(record)) => {
                record.tag == Tag::Kind(*kind) || record.tag == Tag::Plain
            }
            (Ty::Map(..) | Ty::Record(_) | Ty::Object(_), Data::Record(_)) => true,
            _ => false,
        }
    }

    /// Checks a condition of a value; `name` is what messages call it.
    pub(super) fn refine(
        &mut self,
        value: &Value,
        check: &Check,
        name: &dyn fmt::Display,
    ) -> Eval<()> {
        let subject = || format!("{name} is {}", shown(value));
        let text = match &value.data {
            Data::String(text) => text.as_str(),
            _ => "",
        };
        let problem: Option<String> = match check {
            Check::Condition(owner, node) => return self.condition(value, *owner, *node, name),
            Check::Range(low, high) => {
                let Data::Int(number) = value.data else { return Ok(()) };
                let fits =
                    low.is_none_or(|low| low <= number) && high.is_none_or(|high| number <= high);
                (!fits).then(|| match (low, high) {
                    (Some(low), Some(high)) => format!("it must be from {low} to {high}"),
                    (Some(low), None) => format!("it must be {low} or more"),
                    (None, Some(high)) => format!("it must be {high} or less"),
                    (None, None) => String::new(),
                })
            }
            Check::Image => {
                match notation::image(text) {
                    Ok(image) => {
                        if image.digest.is_none() {
                            self.report(
                            Diagnostic::warning(
                                code::UNPINNED_IMAGE,
                                value.origin,
                                format!("{name} is not pinned: its tag can name another image tomorrow"),
                            )
                            .help("add the digest of the image that was tested: `name:tag@sha256:…`"),
                        );
                        }
                        None
                    }
                    Err(why) => Some(why),
                }
            }
            Check::Cron => notation::cron(text).err(),
            Check::Base64 => (!is_base64(text)).then(|| "it must be base64".to_string()),
            Check::DateTime => (!is_date_time(text))
                .then(|| "it must be a time such as 2026-01-31T12:00:00Z".to_string()),
        };
        match problem {
            None => Ok(()),
            Some(problem) => {
                let message = format!("{}; {problem}", subject());
                Err(self.refuse(value, code::REFINEMENT_FAILED, message, None))
            }
        }
    }

    pub(super) fn condition(
        &mut self,
        value: &Value,
        owner: ItemId,
        node: NodeId,
        name: &dyn fmt::Display,
    ) -> Eval<()> {
        let Some((condition, otherwise)) = self.shared.condition(owner, node) else {
            return Ok(());
        };
        let mut frame = Frame::new(owner, self.shared.declaration(owner).1);
        frame.it = Some(value.clone());
        match self.expr(&mut frame, condition)?.data {
            Data::Bool(true) => Ok(()),
            _ => {
                let why = otherwise.and_then(|why| self.text(&mut frame, why));
                let rule = match why {
                    Some(why) => why.to_string(),
                    None => match describe_condition(condition) {
                        Some(text) => format!("it must be {text}"),
                        None => "it breaks the condition of its type".to_string(),
                    },
                };
                let message = format!("{name} is {}; {rule}", shown(value));
                let place = Place::Node(owner, condition.id);
                Err(self.refuse(
                    value,
                    code::REFINEMENT_FAILED,
                    message,
                    Some((place, "the condition".into())),
                ))
            }
        }
    }
}

pub(super) fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|it| **it == b'=').count();
    bytes.len().is_multiple_of(4)
        && padding <= 2
        && bytes[..bytes.len() - padding]
            .iter()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/'))
}

pub(super) fn is_date_time(text: &str) -> bool {
    static SHAPE: std::sync::LazyLock<Option<regex::Regex>> = std::sync::LazyLock::new(|| {
        pattern(r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$").ok()
    });
    SHAPE.as_ref().is_some_and(|shape| shape.is_match(text))
}

/// The condition written at a node of a declaration.
pub(super) fn find_condition(tree: &Item, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
    pub(super) fn in_type(ty: &Type, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
        match &ty.kind {
            TypeKind::Where { base, condition, otherwise } => {
                if ty.id == node {
                    return Some((condition, otherwise.as_deref()));
                }
                in_type(base, node)
            }
            TypeKind::List { item, .. } => in_type(item, node),
            TypeKind::Map { value, .. } => in_type(value, node),
            TypeKind::Record { fields, .. } => {
                fields.iter().find_map(|field| in_type(&field.ty, node))
            }
            TypeKind::Union(arms) => arms.iter().find_map(|arm| in_type(arm, node)),
            TypeKind::Optional(inner) => in_type(inner, node),
            TypeKind::Hole | TypeKind::Literal(_) | TypeKind::Path(_) => None,
        }
    }
    pub(super) fn in_branch(branch: &If, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
        let mut blocks = std::iter::once(&branch.then).chain(&branch.otherwise);
        blocks.find_map(|block| in_block(block, node))
    }
    pub(super) fn in_block(block: &Block, node: NodeId) -> Option<(&Expr, Option<&Expr>)> {
        block.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Let(it) => it.ty.as_ref().and_then(|ty| in_type(ty, node)),
            StatementKind::Output { ty, .. } => in_type(ty, node),
            StatementKind::If(it) => in_branch(it, node),
            StatementKind::For { body, .. } => in_block(body, node),
            _ => None,
        })
    }
    match &tree.kind {
        ItemKind::Schema { members, .. } => members.iter().find_map(|member| match &member.kind {
            MemberKind::Field { ty, .. } => in_type(ty, node),
            MemberKind::If(it) => in_branch(it, node),
            _ => None,
        }),
        ItemKind::Type { ty, .. } => in_type(ty, node),
        ItemKind::Let(it) => it.ty.as_ref().and_then(|ty| in_type(ty, node)),
        ItemKind::Fn { params, result, .. } => params
            .iter()
            .find_map(|param| in_type(&param.ty, node))
            .or_else(|| in_type(result, node)),
        ItemKind::Compose { block, .. } => in_block(block, node),
        _ => None,
    }
}

/// A condition in words: what tools understand of it; `None` where it is more than that.
pub fn describe_condition(expr: &Expr) -> Option<String> {
    let atom = |expr: &Expr| -> Option<String> {
        match &expr.kind {
            ExprKind::Name(name) => Some(name.to_string()),
            ExprKind::Literal(literal) => Some(match literal {
                Literal::Raw(text) => format!("r\"{text}\""),
                other => display_literal(other),
            }),
            ExprKind::Field { .. } => {
                let names = crate::references::chain(expr)?;
                Some(names.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join("."))
            }
            ExprKind::Call { callee, args } => match (&callee.kind, args.as_slice()) {
                (ExprKind::Name(name), [arg]) if name == "len" => match &arg.value.kind {
                    ExprKind::Name(inner) if inner == "it" => Some("its length".to_string()),
                    ExprKind::Name(inner) => Some(format!("the length of {inner}")),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    };
    let ExprKind::Binary { op, left, right } = &expr.kind else { return None };
    match op {
        BinaryOp::And => {
            Some(format!("{} and {}", describe_condition(left)?, describe_condition(right)?))
        }
        BinaryOp::Or => {
            Some(format!("{} or {}", describe_condition(left)?, describe_condition(right)?))
        }
        _ => {
            let subject = match atom(left)?.as_str() {
                "it" => String::new(),
                other => format!("{other} "),
            };
            if let (
                BinaryOp::In,
                ExprKind::Binary { op: BinaryOp::Range, left: low, right: high },
            ) = (op, &right.kind)
            {
                return Some(format!("{subject}from {} to {}", atom(low)?, atom(high)?));
            }
            let right = atom(right)?;
            let word = match op {
                BinaryOp::Less => "below",
                BinaryOp::LessOrEqual => "at most",
                BinaryOp::Greater => "above",
                BinaryOp::GreaterOrEqual => "at least",
                BinaryOp::Equal => "equal to",
                BinaryOp::NotEqual => "other than",
                BinaryOp::Matches => "like",
                BinaryOp::In => "in",
                _ => return None,
            };
            Some(format!("{subject}{word} {right}"))
        }
    }
}
