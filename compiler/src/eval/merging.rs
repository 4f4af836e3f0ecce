//! What the layers say, merged field by field.

use super::*;

impl<'a> Evaluator<'a> {
    /// Merges what the layers say of one top-level field.
    pub(super) fn slot(&mut self, instance: usize, position: usize, ty: &Ty) -> Eval<Slot> {
        let (db, workspace) = (self.db, self.workspace);
        let mut slot = Slot::default();
        let mut failed = false;
        let Instance { shape, origin, .. } = self.instances[instance];
        let name = self.instances[instance].name(position);
        if let Some(field) = shape.fields.get(position) {
            let layer = Layer { item: field.owner, level: 0, kind: LayerKind::Schema };
            match self.default(instance, field) {
                Some(Ok(value)) => {
                    self.charge(&value, true)?;
                    let setting = Setting::new(layer, value.origin);
                    failed |= self
                        .merge(|merge| merge.set(&mut slot, ty, value, Operation::Merge, &setting))
                        .is_err();
                }
                Some(Err(Failed)) => failed = true,
                None => {}
            }
            if field.is_final {
                let origin = Origin { item: field.owner, node: field.node };
                let otherwise = self.shared.declaration(field.owner);
                let otherwise = otherwise.0.and_then(|tree| reason_of(tree, field.node));
                let why = self.reason(otherwise, origin, Some(instance));
                slot.sealed = Some(Seal { setting: Setting::new(layer, origin), why });
            }
        } else {
            let Instance { inherited, request, .. } = &self.instances[instance];
            let below = match (inherited, *request) {
                (Some(inherited), _) => Ok(inherited.get(name).cloned()),
                (None, Some(request)) => self.built_in(request, name, origin),
                (None, None) => Ok(None),
            };
            match below {
                Ok(Some(value)) => {
                    let layer =
                        Layer { item: value.origin.item, level: 0, kind: LayerKind::Schema };
                    let setting = Setting::new(layer, value.origin);
                    failed |= self
                        .merge(|merge| merge.set(&mut slot, ty, value, Operation::Merge, &setting))
                        .is_err();
                }
                Ok(None) => {}
                Err(Failed) => failed = true,
            }
        }
        for (owner, member) in &shape.finals {
            let Some(tree) = item(db, *owner) else { continue };
            let ItemKind::Schema { members, .. } = &tree.kind else { continue };
            let Some(assignment) = Assignment::of_member(&members[*member]) else { continue };
            if first_key(assignment.path).is_none_or(|key| key != name) {
                continue;
            }
            let mut frame = Frame::new(*owner, infer(db, workspace, *owner));
            frame.own = Some(instance);
            let layer = Layer { item: *owner, level: 0, kind: LayerKind::Schema };
            failed |= self.assign(&mut frame, &mut slot, ty, layer, &assignment).is_err();
        }
        for Said { layer, inference, spreads, entries } in &*self.said(instance) {
            let mut frame = Frame::new(layer.item, inference);
            frame.own = Some(instance);
            for value in spreads {
                if inference.poisoned.contains(&value.id) {
                    failed = true;
                    continue;
                }
                match self.expr(&mut frame, value) {
                    Ok(value) => {
                        if let Some(found) =
                            value.fields().and_then(|fields| fields.get(name)).cloned()
                        {
                            let setting =
                                Setting { spread: true, ..Setting::new(*layer, found.origin) };
                            failed |= self
                                .merge(|merge| {
                                    merge.set(&mut slot, ty, found, Operation::Merge, &setting)
                                })
                                .is_err();
                        }
                    }
                    Err(Failed) => failed = true,
                }
            }
            let first = entries.partition_point(|(field, _)| *field < position);
            for (_, entry) in entries[first..].iter().take_while(|(field, _)| *field == position) {
                failed |= self.entry(&mut frame, &mut slot, ty, *layer, entry).is_err();
            }
        }
        if failed { Err(Failed) } else { Ok(slot) }
    }

    /// What is said of a field of a value inside others: by its schema, and by what gives the value.
    pub(super) fn given(&mut self, instance: usize, position: usize, ty: &Ty) -> Eval<Slot> {
        let mut slot = self.slot(instance, position, ty)?;
        let name = self.instances[instance].name(position);
        let Some(given) = &self.instances[instance].given else { return Ok(slot) };
        let own = given.record.fields.get(name).cloned();
        let waiting = given.waiting.get(name).cloned();
        if let Some(value) = own {
            let (item, level, kind) = (value.origin.item, u32::MAX, LayerKind::Request);
            let setting = Setting::new(Layer { item, level, kind }, value.origin);
            self.merge(|merge| merge.set(&mut slot, ty, value, Operation::Merge, &setting))?;
        }
        let Some(waiting) = waiting else { return Ok(slot) };
        slot.lay_below();
        let mut result = Ok(());
        for saying in &waiting {
            result = self.say(&mut slot, ty, saying).and(result);
            if saying.is_below {
                slot.lay_below();
            }
        }
        result.map(|()| slot)
    }

    /// Says again what a layer said of a field that waited.
    fn say(&mut self, slot: &mut Slot, ty: &Ty, saying: &Saying) -> Eval<()> {
        let Saying { setting, word, .. } = saying;
        match word {
            Word::Value(value) => {
                let value = value.clone();
                self.merge(|merge| merge.set(slot, ty, value, Operation::Merge, setting))
            }
            Word::Entry { node, way, own } => {
                let (tree, inference) = self.shared.declaration(setting.layer.item);
                let assignment = tree.and_then(|tree| Assignment::of_node(tree, *node));
                let assignment = Assignment { way: *way, ..assignment.ok_or(Failed)? };
                let mut frame = Frame::new(setting.layer.item, inference);
                frame.own = *own;
                self.assign(&mut frame, slot, ty, setting.layer, &assignment)
            }
        }
    }

    /// Puts together what is said of fields that waited, in the values that a slot holds; `path` leads to it.
    /// `all`: also where only their schema speaks, and in what does not hold.
    pub(super) fn settle(&mut self, slot: &mut Slot, path: &Path<'_>, all: bool) -> Eval<()> {
        let mut result = Ok(());
        for before in slot.before.iter_mut().filter(|_| all) {
            result = self.settle(before, path, all).and(result);
        }
        let Content::Parts { parts, given, origin, keyed, arm } = &mut slot.content else {
            return result;
        };
        if !(all || *given) {
            return result;
        }
        let mut waiting = ByName::default();
        for (name, part) in parts.iter_mut() {
            match &mut part.content {
                Content::Waiting(sayings) if all || !sayings.is_empty() => {
                    waiting.insert(name.clone(), std::mem::take(sayings));
                }
                _ => {
                    let step = if *keyed { PathStep::Key(name) } else { PathStep::Field(name) };
                    result = self.settle(part, &path.then(step), all).and(result);
                }
            }
        }
        let (Ty::Schema(schema), false) = (&*arm, waiting.is_empty()) else { return result };
        let fields = layers::fields(parts, true);
        let record = Arc::new(RecordValue { tag: Tag::Partial(*schema), fields });
        let names: Vec<Name> = waiting.keys().cloned().collect();
        let instance = self.default_instance(*schema, *origin);
        let (given, path_of) = (Given { record, laid: true, waiting }, path.to_string().into());
        let instance = self.push(Instance { given: Some(given), path: path_of, ..instance });
        for name in &names {
            let found = self.waited(instance, name, *origin).and_then(|mut found| {
                let path = path.then(PathStep::Field(name));
                self.settle(&mut found, &path, all).map(|()| found)
            });
            match (found, parts.get_mut(name)) {
                (Ok(found), Some(part)) => *part = found,
                _ => result = Err(Failed),
            }
        }
        self.instances.pop();
        result
    }

    /// What is said of a field that waited.
    fn waited(&mut self, instance: usize, name: &Name, reader: Origin) -> Eval<Slot> {
        let shape = self.instances[instance].shape;
        let position = self.instances[instance].position(name).ok_or(Failed)?;
        let field = shape.fields.get(position).ok_or(Failed)?;
        self.instances[instance].fields[position] = State::Open;
        self.open.push((instance, position, reader));
        let found = self.given(instance, position, &field.ty);
        self.open.pop();
        self.instances[instance].fields[position] = State::Unread;
        found
    }

    /// Fails where a layer may not say what it says: what is asked for is then not what anybody meant.
    pub(super) fn merge(&mut self, run: impl FnOnce(&mut Merge<'a>)) -> Eval<()> {
        let mut merge = Merge {
            db: self.db,
            workspace: self.workspace,
            environment: self.environment,
            diagnostics: Vec::new(),
            reasons: Vec::new(),
        };
        run(&mut merge);
        let Merge { mut diagnostics, reasons, .. } = merge;
        for (told, reason) in reasons {
            if let Some(why) = self.why_final(reason) {
                diagnostics[told].message = format!("this is final: {why}");
            }
        }
        let failed = diagnostics.iter().any(|it| it.severity == Severity::Error);
        for diagnostic in diagnostics {
            self.report(diagnostic);
        }
        if failed { Err(Failed) } else { Ok(()) }
    }

    /// Why something is final, by its `else`.
    fn reason(
        &mut self,
        otherwise: Option<&'a Expr>,
        at: Origin,
        own: Option<usize>,
    ) -> Option<Reason> {
        if let (Some(why), Some(_)) = (otherwise, self.bare) {
            let inference = self.shared.declaration(at.item).1;
            walk(why, &mut |inner| {
                let read = inference.resolutions.get(&inner.id);
                self.reads_own |= matches!(read, Some(Resolution::OwnField | Resolution::Itself));
            });
        }
        otherwise.map(|_| Reason { at, own })
    }

    /// The words for a reason.
    fn why_final(&mut self, Reason { at, own }: Reason) -> Option<Name> {
        let (tree, inference) = self.shared.declaration(at.item);
        let otherwise = reason_of(tree?, at.node)?;
        let mut frame = Frame::new(at.item, inference);
        frame.own = own;
        let told = self.diagnostics.len();
        let why = self.text(&mut frame, otherwise);
        // What they read may be made of what is final, which is no circle.
        let told = self.diagnostics.split_off(told);
        self.diagnostics.extend(told.into_iter().filter(|it| it.code != code::CYCLE));
        why
    }

    pub(super) fn text(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Option<Name> {
        match self.expr(frame, expr).ok()?.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// What a built-in field is before any layer.
    pub(super) fn built_in(
        &mut self,
        request: ItemId,
        name: &str,
        origin: Origin,
    ) -> Eval<Option<Value>> {
        match name {
            "name" => Ok(Some(Value::new(Data::String(request.name(self.db).clone()), origin))),
            "labels" | "annotations" => Ok(Some(Value::record(Fields::default(), origin))),
            "namespace" => {
                let package = package_of(self.db, self.workspace, request.file(self.db));
                let Some(declaration) = crate::names::package_declaration(self.db, package) else {
                    return Ok(None);
                };
                let (tree, inference) = self.shared.declaration(declaration);
                let Some(ItemKind::Package { record }) = tree.map(|tree| &tree.kind) else {
                    return Ok(None);
                };
                let mut frame = Frame::new(declaration, inference);
                for entry in &record.entries {
                    if let EntryKind::Set { path, value, .. } = &entry.kind
                        && first_key(path).is_some_and(|key| key == "namespace")
                        && path.segments.len() == 1
                    {
                        if frame.inference.poisoned.contains(&entry.id) {
                            return Err(Failed);
                        }
                        return self.expr(&mut frame, value).map(Some);
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// An entry of a layer, its path's first step already taken.
    pub(super) fn entry(
        &mut self,
        frame: &mut Frame<'a>,
        slot: &mut Slot,
        ty: &Ty,
        layer: Layer,
        entry: &'a Entry,
    ) -> Eval<()> {
        let Some(assignment) = Assignment::of_entry(entry) else { return Ok(()) };
        if frame.inference.poisoned.contains(&entry.id)
            || frame.inference.poisoned.contains(&assignment.path.id)
        {
            return Err(Failed);
        }
        self.assign(frame, slot, ty, layer, &assignment)
    }

    pub(super) fn assign(
        &mut self,
        frame: &mut Frame<'a>,
        slot: &mut Slot,
        ty: &Ty,
        layer: Layer,
        assignment: &Assignment<'a>,
    ) -> Eval<()> {
        let mut steps = Vec::new();
        for segment in &assignment.path.segments[assignment.way..] {
            steps.push(self.segment(frame, segment)?);
        }
        // Braces are many paths at once, so that in them as outside a path reaches what the layers
        // below say.
        let braces = match &assignment.value.kind {
            _ if assignment.operation == Operation::Append => None,
            ExprKind::Record(record) | ExprKind::Named { record, .. }
                if record.entries.iter().all(|it| !matches!(it.kind, EntryKind::For { .. })) =>
            {
                Some(record)
            }
            _ => None,
        };
        if frame.inference.poisoned.contains(&assignment.value.id) {
            return Err(Failed);
        }
        let mut value = match braces {
            Some(_) => None,
            None => Some(self.expr(frame, assignment.value)?),
        };
        let takes_out = value.as_ref().is_some_and(Value::is_none);
        let why = self.reason(assignment.otherwise, frame.origin(assignment.node), frame.own);
        // Where the path is longer than a name, the entry is where it is set.
        let origin = match (&value, braces) {
            (Some(value), _) if value.origin.item == layer.item => value.origin,
            (None, Some(record)) => frame.origin(record.id),
            _ => frame.origin(assignment.node),
        };
        let setting = Setting::new(layer, origin);
        let mut ty = Cow::Borrowed(ty);
        let mut at = slot;
        // The element that the path went through last, and its key.
        let mut element: Option<(Arc<layers::KeyFields>, &[Value])> = None;
        let mut way = 0;
        for (index, step) in steps.iter().enumerate() {
            if waits(at, frame, assignment, index, &setting) {
                return Ok(());
            }
            let last = index + 1 == steps.len();
            let container = match (&at.content, step) {
                (Content::Parts { arm, .. }, _) if arms::is_choice(&ty) => arm.clone(),
                (_, Step::Field(name)) if arms::is_choice(&ty) => {
                    return Err(self.no_arm(&ty, name, frame.origin(assignment.path.id)));
                }
                _ => record_arm(ty.base()).clone(),
            };
            if let Step::Field(name) = step
                && arms::is_choice(&ty)
                && field_of(self.db, self.workspace, &container, name).is_none()
            {
                let origin = frame.origin(assignment.path.id);
                return Err(self.other_arm(at, &container, name, origin));
            }
            let creates = !takes_out
                && (!matches!(layer.kind, LayerKind::Defaults { .. }) || !ty.is_optional());
            let name = match step {
                Step::Field(name) => {
                    way += 1;
                    let inner = field_type(self.db, self.workspace, &container, name);
                    ty = Cow::Owned(inner.unwrap_or(Ty::Unknown));
                    name.clone()
                }
                Step::Element(parts, node) => match &container {
                    Ty::List(item, Keys::By(keys)) => {
                        let key = layers::named_key(parts, keys).ok_or(Failed)?;
                        let there = matches!(&at.content, Content::Parts { parts, .. }
                            if parts.get(&key).is_some_and(|it| !matches!(it.content, Content::Unset | Content::Removed)));
                        if !there
                            && (!last || assignment.operation == Operation::Append || takes_out)
                        {
                            // As a path through an absent optional record creates none there.
                            if matches!(layer.kind, LayerKind::Defaults { .. }) && ty.is_optional()
                            {
                                return Ok(());
                            }
                            return Err(self.no_element(at, &key, frame.origin(*node)));
                        }
                        element = Some((keys.clone(), parts));
                        way = 0;
                        ty = Cow::Owned((**item).clone());
                        key
                    }
                    _ => {
                        element = None;
                        let key = parts.first().and_then(scalar_text).ok_or(Failed)?;
                        let inner = field_type(self.db, self.workspace, &container, &key);
                        ty = Cow::Owned(inner.unwrap_or(Ty::Unknown));
                        key
                    }
                },
            };
            let mut next = None;
            self.merge(|merge| next = merge.part(at, &container, &name, &setting, creates))?;
            match next {
                Some(inner) => at = inner,
                None => return Err(Failed),
            }
        }
        if let (Some((keys, parts)), Some(given)) = (&element, &mut value)
            && !takes_out
        {
            match steps.last() {
                Some(Step::Element(..)) => *given = with_key(given.clone(), keys, parts),
                Some(Step::Field(name)) if way == 1 => self.same_key(keys, parts, name, given)?,
                _ => {}
            }
        }
        if waits(at, frame, assignment, steps.len(), &setting) {
            return Ok(());
        }
        match (value, braces) {
            (Some(value), _) => {
                self.charge(&value, true)?;
                self.merge(|merge| merge.set(at, &ty, value, assignment.operation, &setting))?;
            }
            (None, Some(record)) => {
                let key = element.as_ref().filter(|_| way == 0);
                self.braces(frame, at, &ty, record, assignment.operation, &setting, key)?;
            }
            (None, None) => return Err(Failed),
        }
        if let Some((keys, parts)) = &element
            && let Content::Parts { parts: fields, .. } = &at.content
            && way == 0
        {
            for (name, _) in keys.iter() {
                if let Some(Slot { content: Content::Whole(found), .. }) = fields.get(name) {
                    self.same_key(keys, parts, name, found)?;
                }
            }
        }
        if assignment.sealed {
            let setting = setting.of(frame.origin(assignment.path.id));
            at.sealed = Some(Seal { setting, why });
        }
        Ok(())
    }

    /// The braces of a layer: each entry by itself. `key`: the element that they are.
    #[allow(clippy::too_many_arguments, reason = "one call site; the parts of an assignment")]
    pub(super) fn braces(
        &mut self,
        frame: &mut Frame<'a>,
        slot: &mut Slot,
        ty: &Ty,
        record: &'a Record,
        operation: Operation,
        setting: &Setting,
        key: Option<&(Arc<layers::KeyFields>, &[Value])>,
    ) -> Eval<()> {
        self.step(1)?;
        let container = match frame.inference.records.get(&record.id) {
            Some(arm) if arms::is_choice(ty) => arm,
            _ => record_arm(ty.base()),
        };
        let mut opened = false;
        self.merge(|merge| opened = merge.open(slot, container, operation, setting))?;
        if !opened {
            return Err(Failed);
        }
        if let Some((keys, parts)) = key {
            for ((name, _), part) in keys.iter().zip(parts.iter()) {
                let inner = Setting { spread: true, ..setting.of(part.origin) };
                let ty = field_of(self.db, self.workspace, container, name);
                let ty = ty.as_deref().unwrap_or(UNKNOWN);
                self.merge(|merge| {
                    if let Some(field) = merge.part(slot, container, name, &inner, true) {
                        merge.set(field, ty, part.clone(), Operation::Merge, &inner);
                    }
                })?;
            }
        }
        let mut failed = false;
        for entry in &record.entries {
            let EntryKind::Spread(value) = &entry.kind else { continue };
            match self.expr(frame, value) {
                Ok(value) if value.is_none() => {}
                Ok(value) => {
                    self.step(value.fields().map_or(0, |it| it.len() as u64))?;
                    let inner = Setting { spread: true, ..setting.of(value.origin) };
                    failed |= self
                        .merge(|merge| merge.set(slot, container, value, Operation::Merge, &inner))
                        .is_err();
                }
                Err(Failed) => failed = true,
            }
        }
        for entry in &record.entries {
            let EntryKind::Set { path, .. } = &entry.kind else { continue };
            let name = match path.segments.first().ok_or(Failed)? {
                PathSegment { kind: SegmentKind::Key(name), .. } => Ok(name.clone()),
                segment => match self.segment(frame, segment) {
                    Ok(Step::Element(parts, _)) => {
                        parts.first().and_then(scalar_text).ok_or(Failed)
                    }
                    _ => Err(Failed),
                },
            };
            let Ok(name) = name else {
                failed = true;
                continue;
            };
            if frame.inference.poisoned.contains(&path.id) {
                failed = true;
                continue;
            }
            let ty = field_of(self.db, self.workspace, container, &name);
            let ty = ty.as_deref().unwrap_or(UNKNOWN);
            let inner = setting.of(frame.origin(entry.id));
            let mut part = None;
            let met = self.merge(|merge| part = merge.part(slot, container, &name, &inner, true));
            match part.filter(|_| met.is_ok()) {
                Some(part) => failed |= self.entry(frame, part, ty, setting.layer, entry).is_err(),
                None => failed = true,
            }
        }
        if operation == Operation::Replace {
            slot.close(setting);
        }
        if failed { Err(Failed) } else { Ok(()) }
    }

    /// A path goes into a choice of records, and nothing is there yet that is one of them.
    pub(super) fn no_arm(&mut self, ty: &Ty, name: &Name, origin: Origin) -> Failed {
        let shown: Vec<String> =
            arms::records(ty).into_iter().map(|it| display(self.db, self.workspace, it)).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        self.report(
            Diagnostic::error(
                code::AMBIGUOUS_RECORD,
                origin,
                format!("nothing says yet which of {} `{name}` is set in", list(&shown, "and")),
            )
            .help("set the whole first, in braces"),
        )
    }

    /// A path goes into a choice of records, and the one that is there has no such field.
    pub(super) fn other_arm(
        &mut self,
        slot: &Slot,
        arm: &Ty,
        name: &Name,
        origin: Origin,
    ) -> Failed {
        let shown = display(self.db, self.workspace, arm);
        let mut error = Diagnostic::error(
            code::UNKNOWN_FIELD,
            origin,
            format!("this is `{shown}`, which has no field `{name}`"),
        )
        .help("to make it another, set the whole in braces");
        if let Some(setting) = slot.history.last() {
            error = error.related(setting.origin, "it is set here");
        }
        self.report(error)
    }

    /// The key of an element is what it is reached by; it does not change.
    pub(super) fn same_key(
        &mut self,
        keys: &layers::KeyFields,
        parts: &[Value],
        name: &Name,
        given: &Value,
    ) -> Eval<()> {
        let named = keys.iter().position(|(key, _)| key == name).and_then(|at| parts.get(at));
        match named {
            Some(part) if !same(part, given) => Err(self.report(
                Diagnostic::error(
                    code::KEYED_ELEMENT,
                    given.origin,
                    format!("`{name}` is the key of this element and is {}", shown(part)),
                )
                .help(format!("leave it out; for another `{name}` add another element")),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn no_element(&mut self, slot: &Slot, key: &Name, origin: Origin) -> Failed {
        let known: Vec<Name> = match &slot.content {
            Content::Parts { parts, .. } => parts
                .iter()
                .filter(|(_, it)| !matches!(it.content, Content::Unset | Content::Removed))
                .map(|(name, _)| name.clone())
                .collect(),
            _ => Vec::new(),
        };
        let mut error = Diagnostic::error(
            code::KEYED_ELEMENT,
            origin,
            format!("the list has no element `{key}`"),
        );
        error.help = Some(match crate::diagnostics::nearest(key, known.iter().map(Name::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                format!("to add it, set the whole element: `[\"{key}\"] = {{ … }}`")
            }
            None => {
                let names: Vec<&str> = known.iter().map(Name::as_str).collect();
                format!(
                    "it has {}; to add one, set the whole element: `[\"{key}\"] = {{ … }}`",
                    list(&names, "and")
                )
            }
        });
        self.report(error)
    }

    pub(super) fn segment(
        &mut self,
        frame: &mut Frame<'a>,
        segment: &'a PathSegment,
    ) -> Eval<Step> {
        Ok(match &segment.kind {
            SegmentKind::Key(name) => Step::Field(name.clone()),
            SegmentKind::Index(keys) => {
                let mut parts = Vec::new();
                for key in keys {
                    parts.push(self.expr(frame, key)?);
                }
                Step::Element(parts, segment.id)
            }
        })
    }

    /// Advice where a request's own value hides what the platform says for this environment.
    pub(super) fn advise_hidden(&mut self, slot: &Slot, name: &dyn fmt::Display) {
        if let Content::Parts { parts, .. } = &slot.content {
            for (part, inner) in parts {
                self.advise_hidden(inner, &format_args!("{name}.{part}"));
            }
            return;
        }
        let Some(last) = slot.history.last().filter(|it| it.layer.kind == LayerKind::Request)
        else {
            return;
        };
        let hidden = slot
            .history
            .iter()
            .rev()
            .find(|it| it.layer.kind == (LayerKind::Defaults { in_environment: true }))
            .filter(|hidden| match (&hidden.value, &last.value) {
                (Some(a), Some(b)) => !same(a, b),
                (a, b) => a.is_some() != b.is_some(),
            });
        let Some(hidden) = hidden else { return };
        let value = hidden.value.as_ref().map_or("none".to_string(), shown);
        let layer = describe_layer(self.db, &hidden.layer);
        self.report(
            Diagnostic::warning(
                code::HIDES_ENVIRONMENT_DEFAULT,
                last.origin,
                format!("`{name}` here hides {value}, which the platform sets by {layer}"),
            )
            .related(hidden.origin, "hidden here")
            .help("leave it out, or move it into an overlay of the environments that need it"),
        );
    }
}

/// Whether a slot that an assignment came to waits for the siblings of its field; the assignment then waits
/// with it.
fn waits(
    slot: &mut Slot,
    frame: &Frame<'_>,
    assignment: &Assignment<'_>,
    steps: usize,
    setting: &Setting,
) -> bool {
    let Content::Waiting(sayings) = &mut slot.content else { return false };
    let (node, way, own) = (assignment.node, assignment.way + steps, frame.own);
    let word = Word::Entry { node, way, own };
    sayings.push(Saying { setting: setting.clone(), word, is_below: false });
    true
}

/// A layer's entry, ready to be applied.
pub(super) struct Assignment<'a> {
    node: NodeId,
    path: &'a FieldPath,
    /// How many of its steps were taken.
    way: usize,
    value: &'a Expr,
    operation: Operation,
    sealed: bool,
    otherwise: Option<&'a Expr>,
}

impl<'a> Assignment<'a> {
    /// An entry of a layer, its path's first step already taken.
    fn of_entry(entry: &'a Entry) -> Option<Self> {
        let EntryKind::Set { modifier, path, append, value, otherwise } = &entry.kind else {
            return None;
        };
        Some(Assignment {
            node: entry.id,
            path,
            way: 1,
            value,
            operation: match (modifier, append) {
                (_, true) => Operation::Append,
                (Some(Modifier::Replace), _) => Operation::Replace,
                _ => Operation::Merge,
            },
            sealed: *modifier == Some(Modifier::Final),
            otherwise: otherwise.as_deref(),
        })
    }

    /// `final path = value` of a schema.
    fn of_member(member: &'a Member) -> Option<Self> {
        let MemberKind::Final { path, value, otherwise } = &member.kind else { return None };
        let operation = Operation::Merge;
        let otherwise = otherwise.as_ref();
        Some(Assignment {
            node: member.id,
            path,
            way: 1,
            value,
            operation,
            sealed: true,
            otherwise,
        })
    }

    /// The one of a node, wherever in a layer.
    fn of_node(tree: &'a Item, node: NodeId) -> Option<Self> {
        match &tree.kind {
            ItemKind::Schema { members, .. } => {
                members.iter().find(|it| it.id == node).and_then(Self::of_member)
            }
            _ => entry_of(layer_record(tree)?, node).and_then(Self::of_entry),
        }
    }
}

/// The `else` of what makes something final: of a field, by its name, or of an entry or member.
fn reason_of(tree: &Item, node: NodeId) -> Option<&Expr> {
    let of_field = match &tree.kind {
        ItemKind::Schema { members, .. } => members.iter().find_map(|member| match &member.kind {
            MemberKind::Field { name, otherwise, .. } if name.id == node => otherwise.as_ref(),
            _ => None,
        }),
        _ => None,
    };
    of_field.or_else(|| Assignment::of_node(tree, node)?.otherwise)
}

fn entry_of(record: &Record, node: NodeId) -> Option<&Entry> {
    record.entries.iter().find_map(|entry| match &entry.kind {
        _ if entry.id == node => Some(entry),
        EntryKind::Set { value, .. } => match &value.kind {
            ExprKind::Record(inner) | ExprKind::Named { record: inner, .. } => {
                entry_of(inner, node)
            }
            _ => None,
        },
        _ => None,
    })
}

/// An element of a keyed list with the key that its path named.
pub(super) fn with_key(value: Value, keys: &layers::KeyFields, parts: &[Value]) -> Value {
    let Data::Record(record) = &value.data else { return value };
    let mut fields = Fields::default();
    for ((key, _), part) in keys.iter().zip(parts) {
        if record.fields.get(key).is_none_or(Value::is_none) {
            fields.insert(key.clone(), part.clone());
        }
    }
    fields.extend(record.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    Value::new(Data::Record(Arc::new(RecordValue { tag: record.tag, fields })), value.origin)
}
