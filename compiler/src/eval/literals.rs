//! Record literals, put together entry by entry.

use super::*;

impl<'a> Evaluator<'a> {
    pub(super) fn record(&mut self, frame: &mut Frame<'a>, record: &'a Record) -> Eval<Value> {
        let around = std::mem::take(&mut self.changed);
        let whole = self.put_together(frame, record)?;
        match std::mem::replace(&mut self.changed, around) {
            true => Ok(self.completed_again(&whole, &Path::whole(""))?.unwrap_or(whole)),
            false => Ok(whole),
        }
    }

    /// Completes the values of schemas that were changed in a literal. `None`: there is none.
    fn completed_again(&mut self, value: &Value, path: &Path<'_>) -> Eval<Option<Value>> {
        self.step(1)?;
        match &value.data {
            Data::Record(record) => {
                if let Tag::Changed(id) = record.tag {
                    return self.complete_at(value.clone(), &Ty::Schema(id), path).map(Some);
                }
                let mut changed: Option<Arc<RecordValue>> = None;
                for (name, field) in &record.fields {
                    let path = path.then(PathStep::Field(name));
                    if let Some(done) = self.completed_again(field, &path)? {
                        let changed = changed.get_or_insert_with(|| record.clone());
                        Arc::make_mut(changed).fields.insert(name.clone(), done);
                    }
                }
                Ok(changed.map(|record| Value::new(Data::Record(record), value.origin)))
            }
            Data::List(elements) => {
                let mut changed: Option<Vec<Value>> = None;
                for (index, element) in elements.iter().enumerate() {
                    let path = path.then(PathStep::Element(index, element, &Keys::Plain));
                    if let Some(done) = self.completed_again(element, &path)? {
                        changed.get_or_insert_with(|| elements.to_vec())[index] = done;
                    }
                }
                Ok(changed.map(|elements| Value::list(elements, value.origin)))
            }
            _ => Ok(None),
        }
    }

    fn put_together(&mut self, frame: &mut Frame<'a>, record: &'a Record) -> Eval<Value> {
        let ty = frame.inference.records.get(&record.id).unwrap_or(UNKNOWN);
        let origin = frame.origin(record.id);
        let mut whole = Value::record(Fields::with_capacity(record.entries.len()), origin);
        let mut failed = false;
        for entry in &record.entries {
            if let EntryKind::Spread(value) = &entry.kind {
                match self.expr(frame, value) {
                    Ok(value) if value.is_none() => {}
                    Ok(value) => {
                        self.step(value.fields().map_or(0, |it| it.len() as u64))?;
                        let mut value = value;
                        if let Ty::Schema(id) = ty {
                            self.without_built_in(&mut value, *id);
                        }
                        if let (Ty::Schema(_) | Ty::Request(_), Data::Record(record)) =
                            (ty, &mut value.data)
                        {
                            self.leave_finals(record);
                        }
                        untag(&mut value);
                        whole = self.join(whole, value, ty);
                    }
                    Err(Failed) => failed = true,
                }
            }
        }
        for entry in &record.entries {
            match &entry.kind {
                EntryKind::Spread(_) => {}
                EntryKind::Set { path, value, append, modifier, .. } => {
                    if frame.inference.poisoned.contains(&entry.id)
                        || frame.inference.poisoned.contains(&path.id)
                    {
                        failed = true;
                        continue;
                    }
                    // Most entries are a name that nothing has set before.
                    if let [PathSegment { kind: SegmentKind::Key(name), .. }] =
                        path.segments.as_slice()
                        && let Data::Record(record) = &mut whole.data
                        && !record.fields.contains_key(name)
                    {
                        match self.expr(frame, value) {
                            Ok(value) => {
                                Arc::make_mut(record).fields.insert(name.clone(), value);
                            }
                            Err(Failed) => failed = true,
                        }
                        continue;
                    }
                    let steps: Eval<Vec<Step>> =
                        path.segments.iter().map(|segment| self.segment(frame, segment)).collect();
                    match (steps, self.expr(frame, value)) {
                        (Ok(steps), Ok(value)) => {
                            let entered = Entered {
                                value,
                                append: *append,
                                replace: *modifier == Some(Modifier::Replace),
                                origin: frame.origin(entry.id),
                            };
                            failed |= self.put(&mut whole, ty, &steps, entered).is_err();
                        }
                        _ => failed = true,
                    }
                }
                EntryKind::For { clause, condition, path, value } => {
                    let rounds = self.rounds(frame, clause)?;
                    let before = frame.locals.len();
                    let mut fields = Fields::default();
                    for round in rounds {
                        bind(frame, clause, round);
                        let wanted = match condition {
                            Some(condition) => self.truth(frame, condition),
                            None => Ok(true),
                        };
                        match wanted {
                            Ok(true) => {
                                let step = path
                                    .segments
                                    .first()
                                    .ok_or(Failed)
                                    .and_then(|it| self.segment(frame, it));
                                let name = step.and_then(|step| step.name().ok_or(Failed));
                                match (name, self.expr(frame, value)) {
                                    (Ok(name), Ok(value)) => {
                                        if !value.is_none() {
                                            fields.insert(name, value);
                                        }
                                    }
                                    _ => failed = true,
                                }
                            }
                            Ok(false) => {}
                            Err(Failed) => failed = true,
                        }
                        frame.locals.truncate(before);
                        if self.exhausted {
                            return Err(Failed);
                        }
                    }
                    whole = self.join(whole, Value::record(fields, origin), ty);
                }
            }
        }
        if failed { Err(Failed) } else { Ok(whole) }
    }

    /// Sets a value at a path inside another, for literals; `none` where nothing is there yet. Where
    /// that fails, nothing is changed.
    pub(super) fn put(
        &mut self,
        at: &mut Value,
        ty: &Ty,
        steps: &[Step],
        entered: Entered,
    ) -> Eval<()> {
        let origin = entered.origin;
        let Some((step, rest)) = steps.split_first() else {
            let (before, value) = (take(at), entered.value);
            *at = match (before.data, value.data) {
                (Data::List(before), Data::List(added)) if entered.append => {
                    let mut elements = Arc::unwrap_or_clone(before);
                    elements.extend(Arc::unwrap_or_clone(added));
                    Value::list(elements, value.origin)
                }
                (before_data, data) if !entered.append && !entered.replace => self.join(
                    Value::new(before_data, before.origin),
                    Value::new(data, value.origin),
                    ty,
                ),
                (_, data) => Value::new(data, value.origin),
            };
            return Ok(());
        };
        if at.is_none() && entered.value.is_none() {
            return Ok(());
        }
        if let (true, Step::Field(name)) = (at.is_none(), step)
            && arms::is_choice(ty)
        {
            return Err(self.no_arm(ty, name, origin));
        }
        let own = own_type(at);
        let base = own.as_ref().unwrap_or_else(|| arms::arm_of(self.db, self.workspace, ty, at));
        if let Data::Record(record) = &mut at.data {
            self.change(record);
        }
        if let (Step::Element(parts, node), Ty::List(item, Keys::By(keys))) = (step, base) {
            let key = &layers::named_key(parts, keys).ok_or(Failed)?;
            let known = match &at.data {
                Data::List(elements) => elements
                    .iter()
                    .position(|it| layers::element_key(it, keys).as_ref() == Some(key)),
                _ => None,
            };
            if known.is_none() && (!rest.is_empty() || entered.value.is_none()) {
                return Err(self.fail(
                    code::KEYED_ELEMENT,
                    Origin { item: origin.item, node: *node },
                    format!("the list has no element `{key}`"),
                ));
            }
            if !matches!(at.data, Data::List(_)) {
                at.data = Data::List(Arc::default());
            }
            let Data::List(elements) = &mut at.data else { return Err(Failed) };
            let elements = Arc::make_mut(elements);
            match known {
                Some(known) if rest.is_empty() && entered.value.is_none() => {
                    elements.remove(known);
                }
                Some(known) => self.put(&mut elements[known], item, rest, entered)?,
                None => elements.push(with_key(entered.value, keys, parts)),
            }
            at.origin = origin;
            return Ok(());
        }
        let name = step.name().ok_or(Failed)?;
        let Data::Record(record) = &mut at.data else {
            let mut inner = Value::new(Data::None, origin);
            let ty = field_of(self.db, self.workspace, base, &name);
            self.put(&mut inner, ty.as_deref().unwrap_or(UNKNOWN), rest, entered)?;
            *at = Value::record(Fields::from_iter([(name, inner)]), origin);
            return Ok(());
        };
        let fields = &mut Arc::make_mut(record).fields;
        if rest.is_empty() && entered.value.is_none() {
            fields.insert(name, entered.value);
            return Ok(());
        }
        let ty = field_of(self.db, self.workspace, base, &name);
        let ty = ty.as_deref().unwrap_or(UNKNOWN);
        match fields.get_mut(&name) {
            Some(inner) => self.put(inner, ty, rest, entered)?,
            None => {
                let mut inner = Value::new(Data::None, origin);
                self.put(&mut inner, ty, rest, entered)?;
                if !inner.is_none() {
                    fields.insert(name, inner);
                }
            }
        }
        Ok(())
    }

    /// Merges two values of a type as layers do: the later one wins.
    pub(super) fn join(&mut self, before: Value, after: Value, ty: &Ty) -> Value {
        let own = own_type(&before);
        let mut base = own.as_ref().unwrap_or_else(|| record_arm(ty.base()));
        match own_type(&after) {
            // A value of another schema replaces.
            Some(other) if own.as_ref().is_some_and(|own| *own != other) => return after,
            _ => {}
        }
        if arms::is_choice(ty) {
            let one = arms::of_value(self.db, self.workspace, ty, &before);
            let other = arms::of_value(self.db, self.workspace, ty, &after);
            // Another record replaces.
            match (one, other) {
                (Some(one), Some(other)) if one == other => base = one,
                _ => return after,
            }
        }
        match (before.data, after.data) {
            (Data::Record(mut a), Data::Record(mut b)) => {
                if b.fields.is_empty() && b.tag == Tag::Plain {
                    return Value::new(Data::Record(a), after.origin);
                }
                self.change(&mut a);
                if !a.fields.is_empty() {
                    self.change(&mut b);
                }
                let tag = if a.tag == Tag::Plain { b.tag } else { a.tag };
                if a.fields.is_empty() {
                    if b.tag != tag {
                        Arc::make_mut(&mut b).tag = tag;
                    }
                    return Value::new(Data::Record(b), after.origin);
                }
                let whole = Arc::make_mut(&mut a);
                whole.tag = tag;
                for (name, value) in Arc::unwrap_or_clone(b).fields {
                    match whole.fields.get_mut(&name) {
                        Some(slot) => {
                            let ty = field_of(self.db, self.workspace, base, &name);
                            let before = take(slot);
                            *slot = self.join(before, value, ty.as_deref().unwrap_or(UNKNOWN));
                        }
                        None => {
                            whole.fields.insert(name, value);
                        }
                    }
                }
                Value::new(Data::Record(a), after.origin)
            }
            (Data::List(mut a), Data::List(b)) => {
                let Ty::List(item, Keys::By(keys)) = base else {
                    return Value::new(Data::List(b), after.origin);
                };
                let elements = Arc::make_mut(&mut a);
                for element in Arc::unwrap_or_clone(b) {
                    let key = layers::element_key(&element, keys);
                    let known = key.as_ref().and_then(|key| {
                        elements
                            .iter_mut()
                            .find(|it| layers::element_key(it, keys).as_ref() == Some(key))
                    });
                    match known {
                        Some(known) => {
                            let before = take(known);
                            *known = self.join(before, element, item);
                        }
                        None => elements.push(element),
                    }
                }
                Value::new(Data::List(a), after.origin)
            }
            (_, data) => Value::new(data, after.origin),
        }
    }

    /// Of a complete value of a schema that something else is set in: it is to be completed again.
    fn change(&mut self, record: &mut Arc<RecordValue>) {
        let Tag::Schema(id) = record.tag else { return };
        self.leave_finals(record);
        Arc::make_mut(record).tag = Tag::Changed(id);
        self.changed = true;
    }

    /// Takes out of a complete value of a schema what is final in it, which is the schema's to say.
    fn leave_finals(&mut self, record: &mut Arc<RecordValue>) {
        let Tag::Schema(id) = record.tag else { return };
        layers::leave_finals(self.db, self.workspace, self.environment, id, record);
    }

    pub(super) fn named(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        record: &'a Record,
    ) -> Eval<Value> {
        let ty = frame.inference.records.get(&record.id).unwrap_or(UNKNOWN);
        let mut value = self.record(frame, record)?;
        value.origin = frame.origin(expr.id);
        match ty {
            Ty::Kind(kind) => {
                let Data::Record(inner) = &mut value.data else { return Err(Failed) };
                Arc::make_mut(inner).tag = Tag::Kind(*kind);
                Ok(value)
            }
            Ty::Schema(_) => self.complete(value, ty, ""),
            // A request's is what an `emit` makes a composite of, which completes it.
            _ => Ok(value),
        }
    }
}

/// The schema that a value is of by itself, whatever its place takes.
fn own_type(value: &Value) -> Option<Ty> {
    match &value.data {
        Data::Record(record) => match record.tag {
            Tag::Schema(id) | Tag::Changed(id) => Some(Ty::Schema(id)),
            _ => None,
        },
        _ => None,
    }
}

/// Takes a value out of its place.
pub(super) fn take(value: &mut Value) -> Value {
    std::mem::replace(value, Value::new(Data::None, value.origin))
}

/// What is spread is taken apart: the record is no longer an instance of anything.
pub(super) fn untag(value: &mut Value) {
    if let Data::Record(record) = &mut value.data
        && record.tag != Tag::Plain
    {
        Arc::make_mut(record).tag = Tag::Plain;
    }
}
