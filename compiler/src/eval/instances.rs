//! Values of schemas in the making: requests, environments, nested composites. Each field is evaluated
//! when it is first read.

use super::*;

impl<'a> Evaluator<'a> {
    // Requests and environments.

    pub(super) fn request_instance(
        &mut self,
        request: ItemId,
        schema_id: ItemId,
        environment: ItemId,
    ) -> usize {
        let layers = layers::layers(self.db, self.workspace, request, environment);
        let instance = self.instance(schema_id, layers, self.subject);
        self.push(Instance { request: Some(request), ..instance })
    }

    /// A value of a schema, of which no field is evaluated yet.
    pub(super) fn instance(
        &self,
        schema_id: ItemId,
        layers: impl Into<Cow<'a, [Layer]>>,
        origin: Origin,
    ) -> Instance<'a> {
        let shape = schema(self.db, self.workspace, schema_id);
        Instance {
            schema: schema_id,
            shape,
            layers: layers.into(),
            said: None,
            given: None,
            fields: vec![State::Unread; shape.fields.len() + BUILT_IN_FIELDS.len()],
            request: None,
            inherited: None,
            path: Rc::default(),
            origin,
        }
    }

    /// An output of a request, or its name or namespace; only the fields it reads are evaluated.
    pub fn output(&mut self, request: ItemId, environment: ItemId, name: &Name) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let schema_id = crate::infer::request_schema(db, workspace, request).ok_or(Failed)?;
        self.subject = name_origin(db, request);
        self.request = Some(request);
        let origin = self.subject;
        let instance = self.request_instance(request, schema_id, environment);
        let compose = crate::types::composition(db, workspace, schema_id).ok_or(Failed)?;
        let tree = item(db, compose).as_ref().ok_or(Failed)?;
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Err(Failed) };
        let found = block.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Output { name: own, value, .. } if own.text == *name => Some(value),
            _ => None,
        });
        let Some(expr) = found else { return self.own_field(instance, name, origin) };
        let declared = crate::outputs::declared_outputs(db, workspace, compose);
        let ty =
            declared.iter().find(|it| it.name == *name).map_or(Ty::Unknown, |it| it.ty.clone());
        let mut frame = Frame::new(compose, infer(db, workspace, compose));
        frame.lazy = Some(Lazy { binder: &binder.text, instance: Some(instance), block });
        let value = self.expr(&mut frame, expr)?;
        self.complete(value, &ty, name)
    }

    // Nested composites.

    /// A composite of a schema, nested in another: its schema, its defaults, and the literal that
    /// emits it. `around` is what it inherits: the name it has if it says none, namespace, labels.
    pub fn nested(&mut self, literal: Value, schema_id: ItemId, around: Fields) -> Eval<Value> {
        self.step(1)?;
        let origin = literal.origin;
        let Data::Record(record) = literal.data else { return Err(Failed) };
        let value = match record.tag {
            // One that a function made is complete, and says nothing of its name and labels.
            Tag::Schema(_) => {
                let mut whole = around;
                whole.extend(Arc::unwrap_or_clone(record).fields);
                let tag = Tag::Schema(schema_id);
                Value::new(Data::Record(Arc::new(RecordValue { tag, fields: whole })), origin)
            }
            _ => {
                let laid = matches!(record.tag, Tag::Partial(_));
                let instance = self.default_instance(schema_id, origin);
                let instance = self.push(Instance {
                    given: Some(Given { record, laid, waiting: ByName::default() }),
                    inherited: Some(around),
                    ..instance
                });
                let result =
                    self.around(Around::Instance(instance), |this| this.all_fields(instance));
                self.instances.pop();
                result?
            }
        };
        let name = value.fields().and_then(|fields| fields.get("name")).ok_or(Failed)?;
        let Data::String(text) = &name.data else { return Err(Failed) };
        let Err(problem) = notation::dns_label(text) else { return Ok(value) };
        let what = schema_id.name(self.db);
        let message = match text.len() {
            64.. => format!(
                "the name of its {what} would have {} characters, of which 63 are allowed: {text:?}",
                text.len(),
            ),
            _ => format!("the name of its {what} would be {:?}: {problem}", text.as_str()),
        };
        Err(self.refuse(
            name,
            code::REFINEMENT_FAILED,
            message,
            Some((origin.into(), "it is emitted here".into())),
        ))
    }

    /// What a nested composite inherits from the one around it; `bind` is the name it is bound to.
    pub fn inherited(around: &Value, bind: Option<&Name>) -> Fields {
        let mut inherited = Fields::default();
        let fields = around.fields();
        let get = |name: &str| fields.and_then(|fields| fields.get(name));
        if let (Some(bind), Some(Value { data: Data::String(name), origin })) = (bind, get("name"))
        {
            let name = Data::String(format!("{name}-{bind}").into());
            inherited.insert("name".into(), Value::new(name, *origin));
        }
        for name in ["namespace", "labels"] {
            if let Some(value) = get(name) {
                inherited.insert(name.into(), value.clone());
            }
        }
        inherited
    }

    /// What can be read of a nested composite: its outputs, name and namespace.
    pub fn nested_outputs(&mut self, schema_id: ItemId, value: &Value) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let compose = crate::types::composition(db, workspace, schema_id).ok_or(Failed)?;
        let tree = item(db, compose).as_ref().ok_or(Failed)?;
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return Err(Failed) };
        let mut found = Fields::default();
        for name in ["name", "namespace"] {
            if let Some(value) = value.fields().and_then(|fields| fields.get(name)) {
                found.insert(name.into(), value.clone());
            }
        }
        let declared = crate::outputs::declared_outputs(db, workspace, compose);
        self.composed.push(Composed { compose, value: value.clone() });
        self.arounds.push(Around::Composed);
        let mut frame = Frame::new(compose, infer(db, workspace, compose));
        frame.lazy = Some(Lazy { binder: &binder.text, instance: None, block });
        frame.locals.push((binder.text.clone(), value.clone()));
        let mut failed = false;
        for statement in &block.statements {
            let StatementKind::Output { name, value: expr, .. } = &statement.kind else { continue };
            let ty = declared.iter().find(|it| it.name == name.text).map(|it| it.ty.clone());
            let output = self
                .expr(&mut frame, expr)
                .and_then(|value| self.complete(value, &ty.unwrap_or(Ty::Unknown), &name.text));
            match output {
                Ok(mut output) => {
                    // Whoever reads it sees the composite that it is of.
                    if !layers::is_data(db, output.origin.item) {
                        output.origin = value.origin;
                    }
                    found.insert(name.text.clone(), output);
                }
                Err(Failed) => failed = true,
            }
        }
        self.arounds.pop();
        self.composed.pop();
        if failed { Err(Failed) } else { Ok(Value::record(found, value.origin)) }
    }

    /// A nested composite's outputs, for an output of the one around it.
    pub(super) fn lazy_nested(
        &mut self,
        frame: &mut Frame<'a>,
        statement: &'a Statement,
        reader: Origin,
    ) -> Eval<Value> {
        let StatementKind::Emit { bind, value } = &statement.kind else { return Err(Failed) };
        let Some(crate::infer::Emitted::Composite(schema_id)) =
            frame.inference.emits.get(&statement.id)
        else {
            return Err(Failed);
        };
        if crate::objects::nesting_circle(self.db, self.workspace, frame.item).is_some() {
            return Err(Failed);
        }
        // The manifests evaluate it too, and tell what is wrong with it.
        let told = self.diagnostics.len();
        let literal = self.expr(frame, value);
        self.diagnostics.truncate(told);
        let literal = literal?;
        let lazy = frame.lazy.as_ref().ok_or(Failed)?;
        let around = match lazy.instance {
            Some(instance) => {
                let mut fields = Fields::default();
                for name in ["name", "namespace", "labels"] {
                    fields.insert(name.into(), self.own_field(instance, name, reader)?);
                }
                Value::record(fields, reader)
            }
            None => {
                let binder = frame.locals.iter().find(|(name, _)| name == lazy.binder);
                binder.map(|(_, value)| value.clone()).ok_or(Failed)?
            }
        };
        let bind = bind.as_ref().map(|bind| &bind.text);
        let inherited = Self::inherited(&around, bind);
        let known = self.composed.last().is_some_and(|it| it.compose == frame.item);
        if !known {
            self.composed.push(Composed { compose: frame.item, value: around });
        }
        let outputs = self
            .nested(literal, *schema_id, inherited)
            .and_then(|nested| self.nested_outputs(*schema_id, &nested));
        if !known {
            self.composed.pop();
        }
        self.diagnostics.truncate(told);
        outputs
    }

    /// What another request tells, read at `reader`.
    pub(super) fn read(&mut self, request: ItemId, name: &Name, reader: Origin) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let environment = self.environment.ok_or(Failed)?;
        self.present(request, environment, reader)?;
        let node = crate::outputs::Node::Output(request, name.clone());
        if let Some(way) = crate::outputs::circle(db, workspace, environment, node) {
            // A circle is one mistake: it is told where one of its fields reads its first output.
            let field = self.open.iter().rev().find_map(|(instance, field, _)| {
                let instance = &self.instances[*instance];
                let name = Name::from(instance.name(*field));
                Some(crate::outputs::Node::Field(instance.request?, name))
            });
            if way.first() == crate::outputs::first_of(db, way)
                && field.is_some_and(|it| way.contains(&it))
            {
                self.report(crate::outputs::circle_error(db, way, reader));
            }
            return Err(Failed);
        }
        let value = self.told(request, environment, name)?;
        Ok(Value::new(self.settled(name, value, reader)?.data, reader))
    }

    /// What a request tells. Where that has an error, it is the one that is told there, once.
    fn told(&mut self, request: ItemId, environment: ItemId, name: &Name) -> Eval<Value> {
        let (db, workspace) = (self.db, self.workspace);
        let output = crate::outputs::output(db, workspace, environment, request, name.clone());
        if output.value.is_none() {
            output.diagnostics.iter().cloned().for_each(|error| {
                self.report(error);
            });
        }
        output.value.clone().ok_or(Failed)
    }

    /// Whether a request that is spoken of at `reader` is in an environment; says so where it is not.
    pub(super) fn present(
        &mut self,
        request: ItemId,
        environment: ItemId,
        reader: Origin,
    ) -> Eval<()> {
        let (db, workspace) = (self.db, self.workspace);
        if crate::outputs::runs_in(db, workspace, request, environment) {
            return Ok(());
        }
        Err(self.report(
            Diagnostic::error(
                code::REQUEST_NOT_HERE,
                reader,
                format!("`{}` is not in this environment", request.name(db)),
            )
            .related(name_origin(db, request), "it lists its environments here")
            .help("take it into the environment, or leave this field to an overlay of those that have it"),
        ))
    }

    /// A declaration that is named at `reader`: a `let`, or in `after` a request, which is known by
    /// its address.
    pub(super) fn declared(&mut self, found: ItemId, reader: Origin) -> Eval<Value> {
        if found.kind(self.db) != Kind::Request {
            return self.let_value(found);
        }
        self.present(found, self.environment.ok_or(Failed)?, reader)?;
        let address = crate::engine::address(self.db, self.workspace, found);
        Ok(Value::new(Data::String(address), reader))
    }

    pub(super) fn neighbours(&mut self, found: &[ItemId], origin: Origin) -> Eval<Value> {
        let environment = self.environment.ok_or(Failed)?;
        let mut list = Vec::new();
        for request in found {
            let mut fields = Fields::default();
            for name in ["name", "namespace"] {
                let name = Name::new_static(name);
                let value = self.told(*request, environment, &name)?;
                fields.insert(name, value);
            }
            list.push(Value::record(fields, origin));
        }
        Ok(Value::list(list, origin))
    }

    /// A local that an output reads before it was evaluated: the request, or a let beside it.
    pub(super) fn lazy_local(
        &mut self,
        frame: &mut Frame<'a>,
        name: &Name,
        reader: Origin,
    ) -> Eval<Value> {
        let Some(lazy) = &frame.lazy else { return Err(Failed) };
        let (binder, instance, block) = (lazy.binder, lazy.instance, lazy.block);
        if name == binder {
            return self.itself(instance.ok_or(Failed)?, reader);
        }
        let statement = block.statements.iter().find(|statement| match &statement.kind {
            StatementKind::Let(it) => it.name.text == *name,
            StatementKind::Emit { bind: Some(bind), .. } => bind.text == *name,
            _ => false,
        });
        let statement = statement.ok_or(Failed)?;
        let value = match &statement.kind {
            StatementKind::Let(it) => self.bound(frame, it)?,
            _ => self.lazy_nested(frame, statement, reader)?,
        };
        frame.locals.insert(0, (name.clone(), value.clone()));
        Ok(value)
    }

    pub(super) fn environment_instance(&mut self, environment: ItemId) -> Option<usize> {
        let (db, workspace) = (self.db, self.workspace);
        let schema = crate::infer::environment_schema_of(db, workspace, environment)?;
        let layers: Vec<Layer> = ancestry(db, workspace, environment)
            .0
            .iter()
            .enumerate()
            .map(|(level, item)| Layer {
                item: *item,
                level: level as u32 + 1,
                kind: LayerKind::Environment,
            })
            .collect();
        let instance = self.instance(schema, layers, self.subject);
        Some(self.push(instance))
    }

    /// A value of a schema of which only `defaults` speak.
    pub(super) fn default_instance(&self, schema_id: ItemId, origin: Origin) -> Instance<'a> {
        let (db, workspace) = (self.db, self.workspace);
        let layers = layers::default_layers(db, workspace, schema_id, self.environment);
        self.instance(schema_id, layers, origin)
    }

    pub(super) fn push(&mut self, instance: Instance<'a>) -> usize {
        let index = self.instances.len();
        if instance.request.is_some() {
            self.arounds.push(Around::Instance(index));
        }
        self.instances.push(instance);
        index
    }

    /// Every field of an instance, then its conditions.
    pub(super) fn all_fields(&mut self, instance: usize) -> Eval<Value> {
        let Instance { shape, origin, .. } = self.instances[instance];
        let mut fields = Fields::with_capacity(shape.fields.len() + BUILT_IN_FIELDS.len());
        let mut failed = false;
        let mut missing: Vec<(&Name, Place)> = Vec::new();
        let has_built_in = self.instances[instance].has_built_in();
        for name in BUILT_IN_FIELDS.iter().filter(|name| has_built_in && **name != "after") {
            match self.own_field(instance, name, origin) {
                Ok(value) => {
                    fields.insert(Name::new_static(name), value);
                }
                Err(Failed) => failed = true,
            }
        }
        // Nobody reads what it comes after, yet it must be right.
        if self.instances[instance].request.is_some() {
            failed |= self.own_field(instance, "after", origin).is_err();
        }
        for (position, field) in shape.fields.iter().enumerate() {
            match self.field_at(instance, position, origin) {
                Ok(value) => {
                    if value.is_none() && !field.ty.is_optional() {
                        failed = true;
                        // A misspelt field was told already; it is not missing as well.
                        if self.is_misspelt(instance, &field.name) {
                            continue;
                        }
                        missing.push((&field.name, Place::Node(field.owner, field.node)));
                        failed = true;
                    }
                    fields.insert(field.name.clone(), value);
                }
                Err(Failed) => failed = true,
            }
        }
        // A field that a misspelt one was meant to be is not missing.
        missing.retain(|(name, _)| {
            !self.instances[instance].layers.iter().any(|layer| {
                infer(self.db, self.workspace, layer.item).meant.values().any(|it| it == *name)
            })
        });
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            let who = match self.instances[instance].request {
                Some(request) => format!("request `{}`", request.name(self.db)),
                None if self.instances[instance].given.is_some() => {
                    format!("this `{}`", self.instances[instance].schema.name(self.db))
                }
                None => format!("environment `{}`", origin.item.name(self.db)),
            };
            let mut error = Diagnostic::error(
                code::MISSING_FIELD,
                origin,
                format!("{who} lacks {}", list(&names, "and")),
            );
            for (name, place) in &missing {
                error = error.related(*place, format!("`{name}` has no default"));
            }
            // What the schema says of it is what the user needs to fill it in.
            error.help = shape
                .fields
                .iter()
                .filter(|field| missing.iter().any(|(name, _)| **name == field.name))
                .find_map(|field| {
                    let tree = item(self.db, field.owner).as_ref()?;
                    let ItemKind::Schema { members, .. } = &tree.kind else { return None };
                    let text = documentation(self.db, field.owner, members[field.member].id)?;
                    let paragraph: Vec<&str> =
                        text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
                    Some(format!("{}: {}", field.name, paragraph.join(" ")))
                });
            self.report(error);
        }
        for (owner, member) in &shape.conditions {
            failed |= self.member(instance, *owner, *member).is_err();
        }
        if failed {
            return Err(Failed);
        }
        let tag = Tag::Schema(self.instances[instance].schema);
        Ok(Value::new(Data::Record(Arc::new(RecordValue { tag, fields })), origin))
    }

    /// Whether a layer has an unknown field that was meant for this one.
    pub(super) fn is_misspelt(&self, instance: usize, name: &Name) -> bool {
        self.instances[instance].layers.iter().any(|layer| {
            infer(self.db, self.workspace, layer.item).diagnostics.iter().any(|found| {
                found.code == code::UNKNOWN_FIELD
                    && found.fix.as_ref().is_some_and(|fix| fix.2 == *name)
            })
        })
    }

    /// A field of an instance, evaluated at its first reading. `reader` is told of a circle.
    pub(super) fn own_field(&mut self, instance: usize, name: &str, reader: Origin) -> Eval<Value> {
        let position = self.instances[instance].position(name).ok_or(Failed)?;
        self.field_at(instance, position, reader)
    }

    /// [`Self::own_field`] by its position.
    pub(super) fn field_at(
        &mut self,
        instance: usize,
        position: usize,
        reader: Origin,
    ) -> Eval<Value> {
        if self.bare == Some(instance) {
            self.reads_own = true;
            return Err(Failed);
        }
        match &self.instances[instance].fields[position] {
            State::Done(done) => return done.clone(),
            State::Open => return Err(self.circle(instance, position, reader)),
            State::Unread => {}
        }
        self.instances[instance].fields[position] = State::Open;
        self.open.push((instance, position, reader));
        let result = self.compute(instance, position);
        self.open.pop();
        self.instances[instance].fields[position] = State::Done(result.clone());
        result
    }

    /// Tells of a field that is read while it is evaluated: at the request's line that closes the
    /// circle, if one does.
    pub(super) fn circle(&mut self, instance: usize, position: usize, reader: Origin) -> Failed {
        let start = self.open.iter().position(|it| it.0 == instance && it.1 == position);
        let circle: Vec<(&str, Origin)> = self.open[start.unwrap_or(0)..]
            .iter()
            .map(|(instance, position, reader)| {
                (self.instances[*instance].name(*position), *reader)
            })
            .collect();
        let name = self.instances[instance].name(position);
        let names: Vec<&str> = circle.iter().map(|(name, _)| *name).chain([name]).collect();
        // Who reads each field of the circle, the first one last.
        let reads: Vec<(&str, Origin)> =
            circle[1..].iter().copied().chain([(name, reader)]).collect();
        let at = reads
            .iter()
            .position(|(_, reader)| layers::is_data(self.db, reader.item))
            .unwrap_or(reads.len() - 1);
        let mut error =
            Diagnostic::error(code::CYCLE, reads[at].1, format!("`{name}` depends on itself"))
                .help(format!("the circle is {}", names.join(" → ")));
        error.label = format!("reads `{}`", reads[at].0);
        for (index, (name, reader)) in reads.iter().enumerate() {
            if index != at {
                error = error.related(*reader, format!("reads `{name}`"));
            }
        }
        self.report(error)
    }

    pub(super) fn compute(&mut self, instance: usize, position: usize) -> Eval<Value> {
        self.step(1)?;
        let Instance { shape, origin, .. } = self.instances[instance];
        let name = self.instances[instance].name(position);
        let field = shape.fields.get(position);
        let built_in;
        let ty = match field {
            Some(field) => &field.ty,
            None if self.instances[instance].has_built_in() => {
                built_in = crate::types::built_in_field(name).map_or(Ty::Unknown, |(_, set)| set);
                &built_in
            }
            None => return self.of_around(instance, name),
        };
        if self.instances[instance].given.is_some() {
            return self.compute_given(instance, position, ty);
        }
        let mut is_whole = true;
        let value = match self.plain(instance, position, ty) {
            Some(value) => value?,
            None => {
                let mut slot = self.slot(instance, position, ty)?;
                is_whole = self.settled_slot(&mut slot, &Path::whole(name))?;
                self.advise_hidden(&slot, &name);
                layers::finish(&slot).unwrap_or_else(|| {
                    let unset = || match field {
                        Some(field) => Origin { item: field.owner, node: field.node },
                        None => origin,
                    };
                    let origin = slot.history.last().map_or_else(unset, |setting| setting.origin);
                    Value::new(Data::None, origin)
                })
            }
        };
        if value.is_none() && field.is_some() && !ty.is_optional() {
            return Ok(value);
        }
        if value.is_none() && field.is_none() && name == "namespace" {
            // Where nobody reads it, nothing is wrong: not every request needs one.
            let is_request = self.instances[instance].request.is_some();
            let origin = if is_request { origin } else { value.origin };
            return Ok(Value::new(Data::None, origin));
        }
        let is_label = field.is_none() && (name == "name" || name == "namespace");
        let request = self.instances[instance].request;
        // What is wrong with its own name is told where it is declared.
        if is_label && request.is_some() && value.origin != origin {
            let label = crate::types::prelude_type(self.db, self.workspace, "DnsLabel");
            return self.complete(value, &label, name);
        }
        let value = self.complete(value, ty, name)?;
        if is_whole { Ok(value) } else { Err(Failed) }
    }

    /// A field of a value inside others.
    fn compute_given(&mut self, instance: usize, position: usize, ty: &Ty) -> Eval<Value> {
        let Instance { origin, .. } = self.instances[instance];
        let name = self.instances[instance].name(position);
        let around = self.instances[instance].path.clone();
        let around = Path::whole(&around);
        let path = around.then(PathStep::Field(name));
        let given = self.instances[instance].given.as_ref();
        let laid = given.filter(|it| it.laid).and_then(|it| it.record.fields.get(name)).cloned();
        let mut is_whole = true;
        let value = match laid {
            Some(value) => value,
            None => {
                let mut slot = self.given(instance, position, ty)?;
                is_whole = self.settled_slot(&mut slot, &path)?;
                layers::finish(&slot).unwrap_or(Value::new(Data::None, origin))
            }
        };
        if value.is_none() && !ty.is_optional() {
            return Ok(value);
        }
        // What the request gave to a nested composite is called as the request calls it.
        let asked = match (&self.instances[instance].inherited, self.composed.first()) {
            (Some(_), Some(whole)) if layers::is_data(self.db, value.origin.item) => {
                path_of(&whole.value, value.origin)
            }
            _ => None,
        };
        let value = match asked {
            Some(path) => self.complete(value, ty, &path)?,
            None => self.complete_at(value, ty, &path)?,
        };
        if is_whole { Ok(value) } else { Err(Failed) }
    }

    /// Puts together what waited in a slot; whether all of it could be. `Err`: that was told.
    fn settled_slot(&mut self, slot: &mut Slot, path: &Path<'_>) -> Eval<bool> {
        let told = self.diagnostics.len();
        match self.settle(slot, path, false) {
            Ok(()) => Ok(true),
            // What its default lacks is told of the value as a whole.
            Err(Failed) if self.diagnostics.len() == told => Ok(false),
            Err(Failed) => Err(Failed),
        }
    }

    /// What only requests have, of a value inside one: that of the request.
    fn of_around(&mut self, instance: usize, name: &str) -> Eval<Value> {
        let Instance { schema, origin, .. } = self.instances[instance];
        let reader = self.open.last().map_or(origin, |(.., reader)| *reader);
        match self.arounds.last() {
            Some(Around::Instance(around)) => return self.own_field(*around, name, reader),
            Some(Around::Composed) | None if let Some(composed) = self.composed.last() => {
                let found = composed.value.fields().and_then(|fields| fields.get(name));
                return Ok(found.cloned().unwrap_or(Value::new(Data::None, origin)));
            }
            _ => {}
        }
        // With what this is laid into it is known.
        self.reads_own |= self.bare.is_some();
        Err(self.is_no_request(schema, origin, name, reader))
    }

    /// Whether a value inside others has what only requests have, since it stands in one.
    pub(super) fn is_in_request(&self, instance: usize) -> bool {
        let is_in_one = match self.arounds.last() {
            Some(Around::Instance(_)) => true,
            Some(Around::Composed) | None => !self.composed.is_empty(),
            Some(Around::Nothing) => false,
        };
        let schema = self.instances[instance].schema;
        is_in_one && crate::types::composition(self.db, self.workspace, schema).is_some()
    }

    /// Tells that a value which stands in no request is asked for what only these have.
    pub(super) fn is_no_request(
        &mut self,
        schema: ItemId,
        value: Origin,
        name: &str,
        reader: Origin,
    ) -> Failed {
        let what = schema.name(self.db);
        let message = format!("only a request has `{name}`, and this `{what}` is in none");
        self.report(
            Diagnostic::error(code::MISPLACED, reader, message)
                .label("read here")
                .related(value, "the value")
                .help("make the value in a request or composition, rather than in a `let` or function"),
        )
    }

    /// A field of a request with everything the layers said of it: what `plumb why` shows.
    pub fn trace(&mut self, request: ItemId, environment: ItemId, name: &Name) -> Eval<Slot> {
        let (db, workspace) = (self.db, self.workspace);
        let schema_id = crate::infer::request_schema(db, workspace, request).ok_or(Failed)?;
        let instance = self.request_instance(request, schema_id, environment);
        let position = self.instances[instance].position(name).ok_or(Failed)?;
        let ty = match schema(db, workspace, schema_id).field(name) {
            Some(field) => field.ty.clone(),
            None => crate::types::built_in_field(name).map_or(Ty::Unknown, |(_, set)| set),
        };
        self.instances[instance].fields[position] = State::Open;
        self.open.push((instance, position, self.subject));
        let mut slot = self.slot(instance, position, &ty)?;
        let path = Path::whole(name);
        self.settle(&mut slot, &path, false)?;
        // What is lost, or only spoken of, need not hold.
        let _ = self.settle(&mut slot, &path, true);
        Ok(slot)
    }

    pub(super) fn default(
        &mut self,
        instance: usize,
        field: &crate::types::Field,
    ) -> Option<Eval<Value>> {
        if !field.has_default {
            return None;
        }
        let (tree, inference) = self.shared.declaration(field.owner);
        let default = default_of(tree, field)?;
        let mut frame = Frame::new(field.owner, inference);
        frame.own = Some(instance);
        Some(self.expr(&mut frame, default))
    }

    /// The value of a field of which only literals are said that replace each other, which is what most
    /// requests say of most fields: the last one holds, and no [`Slot`] is needed to find it. `None`: more
    /// is said.
    pub(super) fn plain(
        &mut self,
        instance: usize,
        position: usize,
        ty: &Ty,
    ) -> Option<Eval<Value>> {
        let Instance { shape, request, origin, .. } = self.instances[instance];
        let field = shape.fields.get(position);
        let (tree, inference) = match field {
            _ if !shape.finals.is_empty() => return None,
            Some(field) if field.is_final || ty.merges() || arms::is_choice(ty) => return None,
            Some(field) => self.shared.declaration(field.owner),
            None => self.shared.declaration(request?),
        };
        let said = self.said(instance);
        // The layer and its value that hold so far; of one level only one may speak.
        let mut last: Option<(Layer, &'a Inference, &'a Expr)> = None;
        let mut hides = false;
        for Said { layer, inference, spreads, entries } in &*said {
            if !spreads.is_empty() {
                return None;
            }
            for (_, entry) in entries.iter().filter(|(field, _)| *field == position) {
                let EntryKind::Set { modifier: None, append: false, path, value, .. } = &entry.kind
                else {
                    return None;
                };
                let is_plain = path.segments.len() == 1 && is_scalar(value);
                let is_second = last.is_some_and(|(other, ..)| other.level == layer.level);
                if !is_plain || is_second || !inference.poisoned.is_empty() {
                    return None;
                }
                // What a request hides is advice, which a slot knows to give.
                hides |= layer.kind == LayerKind::Defaults { in_environment: true };
                last = Some((*layer, inference, value));
            }
        }
        let default = field.filter(|field| field.has_default);
        let default = default.map(|field| default_of(tree, field).ok_or(Failed));
        match (last, field) {
            (Some((layer, inference, value)), _) => {
                // One that fails is told of, also where it does not hold.
                let is_silent = default.is_none_or(|it| it.is_ok_and(is_scalar));
                if !is_silent || (hides && layer.kind == LayerKind::Request) || field.is_none() {
                    return None;
                }
                Some(self.scalar(layer.item, inference, value))
            }
            (None, Some(field)) => match default {
                Some(Ok(default)) if is_scalar(default) => {
                    Some(self.scalar(field.owner, inference, default))
                }
                Some(_) => None,
                None => {
                    let origin = Origin { item: field.owner, node: field.node };
                    Some(Ok(Value::new(Data::None, origin)))
                }
            },
            (None, None) => {
                let name = self.instances[instance].name(position);
                match self.built_in(request?, name, origin) {
                    Ok(value) => Some(Ok(value.unwrap_or(Value::new(Data::None, origin)))),
                    Err(Failed) => Some(Err(Failed)),
                }
            }
        }
    }

    /// The value of a literal of a declaration.
    pub(super) fn scalar(
        &mut self,
        item: ItemId,
        inference: &'a Inference,
        expr: &'a Expr,
    ) -> Eval<Value> {
        self.step(1)?;
        let ExprKind::Literal(literal) = &expr.kind else { return Err(Failed) };
        if inference.poisoned.contains(&expr.id) {
            return Err(Failed);
        }
        let frame = Frame::new(item, inference);
        let data = self.literal(&frame, expr, literal)?;
        Ok(Value::new(data, frame.origin(expr.id)))
    }

    /// What the layers of an instance say.
    pub(super) fn said(&mut self, instance: usize) -> Rc<[Said<'a>]> {
        let shared = &self.shared;
        let Instance { said, shape, layers, .. } = &mut self.instances[instance];
        let made = said.get_or_insert_with(|| {
            let said = layers.iter().filter_map(|layer| {
                let (tree, inference) = shared.declaration(layer.item);
                let record = layer_record(tree?)?;
                let mut said = Said {
                    layer: *layer,
                    inference,
                    spreads: Vec::new(),
                    entries: Vec::with_capacity(record.entries.len()),
                };
                for entry in &record.entries {
                    match &entry.kind {
                        EntryKind::Spread(value) => said.spreads.push(value),
                        EntryKind::Set { path, .. } => {
                            let field = first_key(path).and_then(|name| position(shape, name));
                            said.entries.extend(field.map(|field| (field, entry)));
                        }
                        EntryKind::For { .. } => {}
                    }
                }
                said.entries.sort_by_key(|(field, _)| *field);
                Some(said)
            });
            said.collect()
        });
        made.clone()
    }
}

/// The default that a field is declared with.
pub(super) fn default_of<'a>(
    tree: Option<&'a Item>,
    field: &crate::types::Field,
) -> Option<&'a Expr> {
    let ItemKind::Schema { members, .. } = &tree?.kind else { return None };
    match &members.get(field.member)?.kind {
        MemberKind::Field { default, .. } => default.as_ref(),
        _ => None,
    }
}

/// Whether an expression is a literal that is something: it has a value whatever is around it.
pub(super) fn is_scalar(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Literal(literal) if !matches!(literal, Literal::None | Literal::Null))
}
