//! What a workspace means in one environment: values, mistakes, manifests, chains of layers.

use crate::merge::{Here, Layer, Merge, Node, parts_of, within};
use crate::model::{
    Condition, Entry, EntryId, EntryKind, Expression, Made, Operation, Piece, Said, Statement,
    Type, Value, Workspace,
};
use crate::quantity::{canonical, worth};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// Where a mistake is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    Entry(EntryId),
    /// The head of a request.
    Head(usize),
    /// Somewhere that the reference does not fix to one line.
    Somewhere,
}

/// A line of `plumb why`: value, layer, effect.
pub(crate) type ChainLine = (String, String, &'static str);

#[derive(Clone, Debug, Default)]
pub(crate) struct Prediction {
    /// In their order.
    pub manifests: Vec<Value>,
    /// The requests that have none, by package and name.
    pub blocked: BTreeSet<String>,
    pub mistakes: BTreeSet<(&'static str, At)>,
    /// By address, of the requests that are not blocked.
    pub chains: BTreeMap<String, Vec<ChainLine>>,
}

/// The request failed, and it is told where.
#[derive(Clone, Debug)]
pub(crate) struct Failed;

type Maybe = Result<Option<Value>, Failed>;

/// `None` where the reference leaves open what the workspace means.
pub(crate) fn predict(workspace: &Workspace, environment: usize) -> Option<Prediction> {
    let oracle = Oracle {
        workspace,
        environment,
        mistakes: RefCell::default(),
        depth: Cell::new(0),
        is_unclear: Cell::new(false),
    };
    let found = oracle.predict();
    (!oracle.is_unclear.get()).then_some(found)
}

/// Whether what the platform says is right by itself: that it is not is told whoever asks for what.
pub(crate) fn is_platform_sound(workspace: &Workspace) -> bool {
    let once = workspace.defaults.iter().all(|it| {
        let mut merge = Merge::new(workspace, 0);
        let layer = Layer { level: 1, shown: String::new(), creates: false, is_below: false };
        let mut root = Node::default();
        parts_of(&mut root);
        merge.layer(&mut root, &Type::Schema(it.schema), &it.entries, &layer);
        let whole = |entry: &Entry, of: &Entry| match (&entry.kind, &of.kind) {
            (EntryKind::Set { path, operation, said, .. }, EntryKind::Set { path: other, .. }) => {
                let is_open = matches!(said, Said::Braces(_)) && *operation == Operation::Set;
                entry.id != of.id && other.starts_with(path) && !(is_open && other != path)
            }
            _ => false,
        };
        // Of elements that are not there by themselves, only the text shows it.
        let twice = it.entries.iter().any(|a| it.entries.iter().any(|b| whole(a, b)));
        !twice && !merge.is_unclear && merge.wrong.iter().all(|it| it.0 != "set-twice")
    });
    let held = (0..workspace.environments.len()).all(|environment| {
        (0..workspace.schemas.len()).all(|schema| {
            let mut merge = Merge::new(workspace, environment);
            merge.bottom(schema);
            merge.wrong.is_empty()
        })
    });
    // A default is checked where it stands, with what is said in every environment.
    let mut everywhere =
        Workspace { requests: Vec::new(), overlays: Vec::new(), ..workspace.clone() };
    everywhere.defaults.retain(|it| it.environments.is_empty());
    let oracle = Oracle {
        workspace: &everywhere,
        environment: 0,
        mistakes: RefCell::default(),
        depth: Cell::new(0),
        is_unclear: Cell::new(false),
    };
    for (index, schema) in everywhere.schemas.iter().enumerate() {
        let mut merge = Merge::new(&everywhere, 0);
        let mut root = Node::default();
        merge.schema_layer(&mut root, index, false);
        let instance = oracle.instance(merge, 0, index, root);
        for field in schema.fields.iter().filter(|it| it.default.is_some()) {
            let _ = oracle.field(&instance, field.name);
        }
    }
    once && held && oracle.mistakes.borrow().is_empty() && !oracle.is_unclear.get()
}

/// A request, or a composite that is nested in one.
struct Instance {
    /// The request that it belongs to.
    request: usize,
    schema: usize,
    root: Node,
    /// The fields that a mistake of a layer touches.
    failed: BTreeSet<String>,
    /// What was said there and may not be.
    refused: Vec<Expression>,
}

struct Oracle<'w> {
    workspace: &'w Workspace,
    environment: usize,
    mistakes: RefCell<BTreeSet<(&'static str, At)>>,
    depth: Cell<usize>,
    is_unclear: Cell<bool>,
}

impl Oracle<'_> {
    fn predict(&self) -> Prediction {
        let mut found = Prediction::default();
        for request in self.order() {
            let instance = self.request(request);
            let address = self.address(request);
            let checked = self.check(&instance);
            let objects = checked.and_then(|()| self.objects(&instance));
            match objects {
                Ok(objects) => {
                    found.manifests.extend(objects);
                    self.chains(&instance, &address, &mut found.chains);
                }
                _ => {
                    found.blocked.insert(address);
                }
            }
        }
        found.mistakes = self.mistakes.borrow().clone();
        // Of two objects with one identity, the reference does not say whose request is blocked.
        let identity = |it: &Value| match it {
            Value::Record(fields) => format!(
                "{:?}",
                &fields[..3]
                    .iter()
                    .map(|it| match &it.1 {
                        Value::Record(metadata) => metadata[..2].to_vec(),
                        plain => vec![(String::new(), plain.clone())],
                    })
                    .collect::<Vec<_>>()
            ),
            _ => String::new(),
        };
        let identities: BTreeSet<String> = found.manifests.iter().map(identity).collect();
        if identities.len() < found.manifests.len() {
            self.is_unclear.set(true);
        }
        found
    }

    fn address(&self, request: usize) -> String {
        let it = &self.workspace.requests[request];
        format!("apps.{}.{}", self.workspace.teams[it.team].name, it.name)
    }

    fn mistake(&self, code: &'static str, at: At) -> Failed {
        self.mistakes.borrow_mut().insert((code, at));
        Failed
    }

    // Who needs whom.

    /// The requests of the environment: who is needed comes first, else by package and name.
    fn order(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.workspace.requests.len())
            .filter(|it| self.workspace.runs_in(*it, self.environment))
            .collect();
        all.sort_by_key(|it| {
            let request = &self.workspace.requests[*it];
            (self.workspace.teams[request.team].name, request.name)
        });
        let mut placed = Vec::new();
        for request in &all {
            self.place(*request, &all, &mut placed);
        }
        placed
    }

    fn place(&self, request: usize, all: &[usize], placed: &mut Vec<usize>) {
        if placed.contains(&request) {
            return;
        }
        // Those that need each other stay together.
        let reached = self.reached(request);
        let group: Vec<usize> = all
            .iter()
            .copied()
            .filter(|it| {
                *it == request || reached.contains(it) && self.reached(*it).contains(&request)
            })
            .collect();
        for member in &group {
            let needs = self.needs(*member);
            for other in all.iter().filter(|it| needs.contains(it) && !group.contains(it)) {
                self.place(*other, all, placed);
            }
        }
        placed.extend(group);
    }

    fn reached(&self, request: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = vec![request];
        while let Some(next) = open.pop() {
            for other in self.needs(next) {
                if found.insert(other) {
                    open.push(other);
                }
            }
        }
        found
    }

    /// Of whom a request's layers speak in the environment, from the text.
    fn needs(&self, request: usize) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> =
            self.workspace.requests[request].after.iter().copied().collect();
        let mut add = |entries: &[Entry]| {
            pieces(entries, &mut |piece| {
                if let Piece::Other(other, _) = piece {
                    found.insert(*other);
                }
            });
        };
        add(&self.workspace.requests[request].entries);
        for (_, overlay) in self.overlays(request) {
            add(&self.workspace.overlays[overlay].entries);
        }
        found
    }

    /// The overlays of a request in the environment by how near they are, the earliest first; those
    /// of one level by their heads. Equal heads are told apart by their files, which should mean
    /// nothing, but some order there must be.
    fn overlays(&self, request: usize) -> Vec<(usize, usize)> {
        let workspace = self.workspace;
        let mut found = Vec::new();
        for (index, it) in workspace.overlays.iter().enumerate() {
            if it.requests.contains(&request)
                && let Some(near) = workspace.nearest(&it.environments, self.environment)
            {
                found.push((near, index));
            }
        }
        let head = |index: usize| {
            let it = &workspace.overlays[index];
            let names: Vec<&str> =
                it.requests.iter().map(|it| workspace.requests[*it].name).collect();
            let team = workspace.teams[workspace.requests[request].team].name;
            let file = if it.apart { "overlays" } else { team };
            (names.join(","), within(workspace, &it.environments).replace(", ", ","), file)
        };
        found.sort_by_key(|it| (it.0, head(it.1)));
        found
    }

    // Layers.

    fn request(&self, request: usize) -> Instance {
        let workspace = self.workspace;
        let it = &workspace.requests[request];
        let ty = Type::Schema(it.schema);
        let mut merge = Merge::new(self.workspace, self.environment);
        let mut root = Node::default();
        let team = &workspace.teams[it.team];
        let behind = if team.is_split {
            format!("-{}", workspace.environments[self.environment].name)
        } else {
            String::new()
        };
        let package = Layer { level: 0, shown: "package".into(), creates: true, is_below: false };
        let namespace = Value::Text(format!("{}{behind}", team.name));
        merge.give(&mut root, ("namespace", &Type::Text), namespace, &package, 0);
        // What every request has, before any layer.
        let built_in = Layer { shown: format!("request {}", it.name), ..package };
        let name = Value::Text(it.name.into());
        merge.give(&mut root, ("name", &Type::Text), name, &built_in, 0);
        merge.schema_layer(&mut root, it.schema, false);
        for (_, entries, layer) in merge.defaults_of(it.schema) {
            merge.layer(&mut root, &ty, &entries, &layer);
        }
        let level = workspace.environments.len() + 2;
        let own = Layer { level, ..built_in };
        merge.layer(&mut root, &ty, &it.entries, &own);
        for (near, overlay) in self.overlays(request) {
            let overlay = &workspace.overlays[overlay];
            let names: Vec<&str> =
                overlay.requests.iter().map(|it| workspace.requests[*it].name).collect();
            let layer = Layer {
                level: level + 1 + near,
                shown: format!(
                    "overlay {}{}",
                    names.join(", "),
                    within(workspace, &overlay.environments)
                ),
                creates: true,
                is_below: false,
            };
            merge.layer(&mut root, &ty, &overlay.entries, &layer);
        }
        root.is_given = true;
        self.instance(merge, request, it.schema, root)
    }

    fn instance(&self, merge: Merge<'_>, request: usize, schema: usize, root: Node) -> Instance {
        if merge.is_unclear {
            self.is_unclear.set(true);
        }
        for (code, entry) in merge.wrong {
            self.mistake(code, At::Entry(entry));
        }
        Instance { request, schema, root, failed: merge.failed, refused: merge.refused }
    }

    // Values.

    /// A field of an instance, a built-in one too.
    fn field(&self, instance: &Instance, name: &str) -> Maybe {
        if instance.failed.contains(name) {
            // Which of several mistakes of one field are told, the reference does not say.
            let root = &instance.root;
            let more = root.part(name).is_some_and(|it| self.every_word(instance, it).is_err())
                || instance
                    .refused
                    .iter()
                    .any(|it| self.expression(instance, root, it, 0).is_err());
            self.is_unclear.set(self.is_unclear.get() | more);
            return Err(Failed);
        }
        let ty = match name {
            "labels" | "annotations" => Type::Map(Box::new(Type::Text)),
            _ => match self.workspace.schemas[instance.schema].field(name) {
                Some(field) => field.ty.clone(),
                None => Type::Text,
            },
        };
        let nothing = Node::default();
        let node = instance.root.part(name).unwrap_or(&nothing);
        let built_in = ["labels", "annotations"].contains(&name);
        if built_in && !node.is_there() {
            return Ok(Some(Value::Record(Vec::new())));
        }
        // What loses is evaluated all the same, since it is told.
        self.every_word(instance, node)?;
        self.finish(instance, &instance.root, node, &ty, At::Head(instance.request))
    }

    /// Fails where something that was said of a node, or under it, cannot be read here.
    fn every_word(&self, instance: &Instance, node: &Node) -> Result<(), Failed> {
        let mut failed = false;
        for it in &node.told {
            if let Expression::Text(_) = it.said {
                failed |= self.expression(instance, &instance.root, &it.said, it.entry).is_err();
            }
        }
        if let Here::Parts(parts) = &node.here {
            failed |= parts.iter().any(|it| self.every_word(instance, &it.1).is_err());
        }
        failed |= node.before.iter().any(|it| self.every_word(instance, it).is_err());
        if failed { Err(Failed) } else { Ok(()) }
    }

    /// The text of a scalar field.
    fn text(&self, instance: &Instance, name: &str) -> Result<String, Failed> {
        match self.field(instance, name)? {
            Some(value) => Ok(written(&value)),
            None => Err(Failed),
        }
    }

    /// What a node comes to; `record` is what it stands in, `lacking` where its absence is told.
    fn finish(
        &self,
        instance: &Instance,
        record: &Node,
        node: &Node,
        ty: &Type,
        lacking: At,
    ) -> Maybe {
        match &node.here {
            Here::Nothing | Here::Out => match ty {
                Type::Optional(_) => Ok(None),
                _ => Err(self.mistake("missing-field", lacking)),
            },
            Here::Plain(said) => {
                let entry = node.told.last().map_or(0, |it| it.entry);
                let value = self.expression(instance, record, said, entry)?;
                if let Some(value) = &value
                    && !self.fits(value, ty.base())
                {
                    return Err(self.mistake("refinement-failed", At::Entry(entry)));
                }
                Ok(value)
            }
            Here::Parts(_) if !node.is_given => match ty {
                Type::Optional(_) => Ok(None),
                _ => Err(self.mistake("missing-field", lacking)),
            },
            Here::Parts(parts) => {
                let made = At::Entry(node.made_by);
                let mut own: Vec<(String, Type)> = Vec::new();
                match ty.base() {
                    Type::Schema(schema) => {
                        let schema = &self.workspace.schemas[*schema];
                        own.extend(schema.fields.iter().map(|it| (it.name.into(), it.ty.clone())));
                    }
                    Type::Record(fields) => {
                        own.extend(fields.iter().map(|it| (it.0.into(), it.1.clone())));
                        // A key keeps the place where it was first set.
                        let place = |name: &str| parts.iter().position(|it| it.0 == name);
                        own.sort_by_key(|it| place(&it.0).unwrap_or(usize::MAX));
                    }
                    Type::Map(value) => {
                        let there = parts.iter().filter(|it| it.1.is_there());
                        own.extend(there.map(|it| (it.0.clone(), (**value).clone())));
                    }
                    Type::Keyed(schema) => {
                        let there = parts.iter().filter(|it| it.1.is_there());
                        own.extend(there.map(|it| (it.0.clone(), Type::Schema(*schema))));
                    }
                    _ => {}
                }
                let nothing = Node::default();
                let mut values = Vec::new();
                for (name, inner) in &own {
                    let part = node.part(name).unwrap_or(&nothing);
                    let record = siblings(record, node, ty);
                    values.push((name, self.finish(instance, record, part, inner, made)));
                }
                if let Type::Schema(schema) = ty.base() {
                    let values = values.iter().map(|it| (it.0.clone(), it.1.clone())).collect();
                    self.conditions(*schema, &values)?;
                }
                let mut fields = Vec::new();
                for (name, value) in values {
                    fields.extend(value?.map(|it| (name.clone(), it)));
                }
                Ok(Some(match ty.base() {
                    Type::Keyed(_) => Value::List(fields.into_iter().map(|it| it.1).collect()),
                    _ => Value::Record(fields),
                }))
            }
        }
    }

    fn fits(&self, value: &Value, ty: &Type) -> bool {
        match (value, ty) {
            (Value::Int(it), Type::Int(Some((least, most)))) => (least..=most).contains(&it),
            (Value::Quantity(it), Type::Quantity(Some(most))) => worth(*it) <= worth(*most),
            _ => true,
        }
    }

    fn expression(
        &self,
        instance: &Instance,
        record: &Node,
        said: &Expression,
        entry: EntryId,
    ) -> Maybe {
        // Deeper than any chain of references: somebody reads itself.
        if self.depth.get() > 40 {
            self.is_unclear.set(true);
            return Err(Failed);
        }
        self.depth.set(self.depth.get() + 1);
        let found = self.compute(instance, record, said, entry);
        self.depth.set(self.depth.get() - 1);
        found
    }

    fn compute(
        &self,
        instance: &Instance,
        record: &Node,
        said: &Expression,
        entry: EntryId,
    ) -> Maybe {
        match said {
            Expression::Literal(value) => Ok(Some(value.clone())),
            Expression::Let(index) => Ok(Some(self.workspace.lets[*index].value.clone())),
            Expression::Sibling(name, more) => {
                if std::ptr::eq(record, &instance.root) && instance.failed.contains(*name) {
                    return Err(Failed);
                }
                let nothing = Node::default();
                let node = record.part(name).unwrap_or(&nothing);
                match self.finish(
                    instance,
                    record,
                    node,
                    &Type::Int(None),
                    At::Head(instance.request),
                )? {
                    Some(Value::Int(it)) => Ok(Some(Value::Int(it + more))),
                    other => Ok(other),
                }
            }
            Expression::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Plain(plain) => text.push_str(plain),
                        Piece::Environment(name) => text.push_str(&self.environment_field(name)),
                        Piece::Own(name) => text.push_str(&self.text(instance, name)?),
                        Piece::Other(other, name) => {
                            if !self.workspace.runs_in(*other, self.environment) {
                                return Err(self.mistake("request-not-here", At::Entry(entry)));
                            }
                            let other = self.request(*other);
                            let part = match *name {
                                "url" => self.url(&other)?,
                                name => self.text(&other, name)?,
                            };
                            text.push_str(&part);
                        }
                    }
                }
                Ok(Some(Value::Text(text)))
            }
        }
    }

    fn environment_field(&self, name: &str) -> String {
        let descent = self.workspace.descent(self.environment);
        let nearest = |get: &dyn Fn(usize) -> Option<&'static str>| {
            descent.iter().rev().find_map(|it| get(*it))
        };
        let environments = &self.workspace.environments;
        match name {
            "name" => environments[self.environment].name.into(),
            "domain" => nearest(&|it| environments[it].domain).unwrap_or("example.test").into(),
            _ => nearest(&|it| environments[it].tier).unwrap_or("low").into(),
        }
    }

    fn url(&self, instance: &Instance) -> Result<String, Failed> {
        let composition =
            self.workspace.schemas[instance.schema].composition.as_ref().expect("it is composed");
        let mut url = format!(
            "http://{}.{}",
            self.text(instance, "name")?,
            self.text(instance, "namespace")?
        );
        if let Some(field) = composition.url {
            url += "/";
            url += &self.text(instance, field)?;
        }
        Ok(url)
    }

    /// The conditions of a schema; of fields that failed nothing more is said.
    fn conditions(&self, schema: usize, fields: &BTreeMap<String, Maybe>) -> Result<(), Failed> {
        let read = |name: &str| match fields.get(name) {
            Some(Ok(value)) => Ok(value.clone()),
            _ => Err(Failed),
        };
        let int = |name: &str| match read(name)? {
            Some(Value::Int(it)) => Ok(it),
            _ => Err(Failed),
        };
        let holds = |condition: &Condition| -> Result<bool, Failed> {
            match condition {
                Condition::AtMost(a, b) => Ok(int(a)? <= int(b)?),
                Condition::If(a, b, least) => {
                    Ok(read(a)? != Some(Value::Bool(true)) || int(b)? >= *least)
                }
                Condition::IfThere(a, b) => {
                    Ok(read(a)?.is_none() || read(b)? != Some(Value::Text(String::new())))
                }
            }
        };
        let mut failed = false;
        for condition in &self.workspace.schemas[schema].conditions {
            if let Ok(false) = holds(condition) {
                self.mistake("condition-failed", At::Somewhere);
                failed = true;
            }
        }
        if failed { Err(Failed) } else { Ok(()) }
    }

    /// Every field and condition of an instance.
    fn check(&self, instance: &Instance) -> Result<(), Failed> {
        let schema = &self.workspace.schemas[instance.schema];
        let built_in = ["name", "namespace", "labels", "annotations"];
        let names = built_in.into_iter().chain(schema.fields.iter().map(|it| it.name));
        let values: BTreeMap<String, Maybe> =
            names.map(|name| (name.to_string(), self.field(instance, name))).collect();
        let failed = values.values().any(Result::is_err);
        self.conditions(instance.schema, &values)?;
        if failed { Err(Failed) } else { Ok(()) }
    }

    // Compositions.

    fn objects(&self, instance: &Instance) -> Result<Vec<Value>, Failed> {
        let composition =
            self.workspace.schemas[instance.schema].composition.as_ref().expect("it is composed");
        let mut objects = Vec::new();
        self.statements(instance, &composition.statements, None, &mut objects)?;
        Ok(objects)
    }

    fn statements(
        &self,
        instance: &Instance,
        statements: &[Statement],
        found: Option<&Value>,
        objects: &mut Vec<Value>,
    ) -> Result<(), Failed> {
        let mut result = Ok(());
        for statement in statements {
            result = self.statement(instance, statement, found, objects).and(result);
        }
        result
    }

    fn statement(
        &self,
        instance: &Instance,
        statement: &Statement,
        found: Option<&Value>,
        objects: &mut Vec<Value>,
    ) -> Result<(), Failed> {
        match statement {
            Statement::Config { suffix, label, data } => {
                let mut entries = Vec::new();
                for (key, made) in data {
                    if let Some(value) = self.made(instance, made, found)? {
                        entries.push(((*key).to_string(), Value::Text(written(&value))));
                    }
                }
                let labels = label.iter().map(|it| ("part".into(), Value::Text((*it).into())));
                objects.push(self.config(instance, suffix, labels.collect(), entries)?);
            }
            Statement::Service { port } => {
                let name = Value::Text(self.text(instance, "name")?);
                let port = self.field(instance, port)?.ok_or(Failed)?;
                let ports = vec![record([("port", port)])];
                let spec =
                    record([("selector", record([("app", name)])), ("ports", Value::List(ports))]);
                let head = self.head(instance, "v1", "Service", "", Vec::new())?;
                objects.push(with(head, [("spec", spec)]));
            }
            Statement::Deployment { replicas } => {
                let name = Value::Text(self.text(instance, "name")?);
                let marks = vec![("app".to_string(), name)];
                let mut spec = Vec::new();
                if let Some(replicas) = replicas
                    && let Some(replicas) = self.field(instance, replicas)?
                {
                    spec.push(("replicas".to_string(), replicas));
                }
                let labels = Value::Record(marks.clone());
                spec.push(("selector".into(), record([("matchLabels", labels.clone())])));
                let container = record([
                    ("name", Value::Text("main".into())),
                    ("image", Value::Text("example.test/main".into())),
                ]);
                let template = record([
                    ("metadata", record([("labels", labels)])),
                    ("spec", record([("containers", Value::List(vec![container]))])),
                ]);
                spec.push(("template".into(), template));
                let head = self.head(instance, "apps/v1", "Deployment", "", marks)?;
                objects.push(with(head, [("spec", Value::Record(spec))]));
            }
            Statement::If(field, then, otherwise) => {
                let holds = self.field(instance, field)? == Some(Value::Bool(true));
                self.statements(instance, if holds { then } else { otherwise }, found, objects)?;
            }
            Statement::IfLet(field, then, otherwise) => match self.field(instance, field)? {
                Some(value) => self.statements(instance, then, Some(&value), objects)?,
                None => self.statements(instance, otherwise, found, objects)?,
            },
            Statement::ForEntries(field) => {
                let Some(Value::Record(entries)) = self.field(instance, field)? else {
                    return Err(Failed);
                };
                for (key, value) in entries {
                    let data = vec![("value".to_string(), Value::Text(written(&value)))];
                    objects.push(self.config(
                        instance,
                        &format!("-{field}-{key}"),
                        vec![],
                        data,
                    )?);
                }
            }
            Statement::ForElements(field) => {
                let Some(Value::List(elements)) = self.field(instance, field)? else {
                    return Err(Failed);
                };
                for (index, value) in elements.into_iter().enumerate() {
                    let data = vec![("value".to_string(), Value::Text(written(&value)))];
                    objects.push(self.config(
                        instance,
                        &format!("-{field}-{index}"),
                        vec![],
                        data,
                    )?);
                }
            }
            Statement::Held { field, least, most } => {
                if let Some(Value::Int(it)) = self.field(instance, field)?
                    && !(least..=most).contains(&&it)
                {
                    let at = At::Entry(said_by(instance, field));
                    return Err(self.mistake("refinement-failed", at));
                }
            }
            Statement::Nested { bound, schema, set } => {
                let nested = self.nested(instance, bound, *schema, set)?;
                self.check(&nested)?;
                objects.extend(self.objects(&nested)?);
                let data = vec![
                    ("name".to_string(), Value::Text(self.text(&nested, "name")?)),
                    ("url".to_string(), Value::Text(self.url(&nested)?)),
                ];
                objects.push(self.config(instance, &format!("-reads-{bound}"), vec![], data)?);
            }
        }
        Ok(())
    }

    /// A composite inside another: its schema, the `defaults` of it, and what it is given.
    fn nested(
        &self,
        outer: &Instance,
        bound: &str,
        schema: usize,
        set: &[(&'static str, Made)],
    ) -> Result<Instance, Failed> {
        let ty = Type::Schema(schema);
        let mut merge = Merge::new(self.workspace, self.environment);
        let mut root = Node::default();
        let inherited =
            Layer { level: 0, shown: "inherited".into(), creates: true, is_below: false };
        let name = Value::Text(format!("{}-{bound}", self.text(outer, "name")?));
        merge.give(&mut root, ("name", &Type::Text), name, &inherited, 0);
        let namespace = Value::Text(self.text(outer, "namespace")?);
        merge.give(&mut root, ("namespace", &Type::Text), namespace, &inherited, 0);
        let labels = self.field(outer, "labels")?.unwrap_or(Value::Record(Vec::new()));
        let map = Type::Map(Box::new(Type::Text));
        merge.give(&mut root, ("labels", &map), labels, &inherited, 0);
        merge.schema_layer(&mut root, schema, false);
        for (_, entries, layer) in merge.defaults_of(schema) {
            merge.layer(&mut root, &ty, &entries, &layer);
        }
        let literal = Layer {
            level: self.workspace.environments.len() + 2,
            shown: "the literal".into(),
            creates: true,
            is_below: false,
        };
        for (name, made) in set {
            let value = self.made(outer, made, None)?.unwrap_or(Value::None);
            let ty = &self.workspace.schemas[schema].field(name).expect("it is generated so").ty;
            // What it is wrong for is told where the request's field got its value.
            let entry = match made {
                Made::Field(field) => said_by(outer, field),
                _ => 0,
            };
            merge.give(&mut root, (name, ty), value, &literal, entry);
        }
        root.is_given = true;
        Ok(self.instance(merge, outer.request, schema, root))
    }

    fn config(
        &self,
        instance: &Instance,
        suffix: &str,
        labels: Vec<(String, Value)>,
        data: Vec<(String, Value)>,
    ) -> Result<Value, Failed> {
        let head = self.head(instance, "v1", "ConfigMap", suffix, labels)?;
        // What is reached by paths alone is there where one of them has a value.
        if data.is_empty() { Ok(head) } else { Ok(with(head, [("data", Value::Record(data))])) }
    }

    fn head(
        &self,
        instance: &Instance,
        version: &str,
        kind: &str,
        suffix: &str,
        mut labels: Vec<(String, Value)>,
    ) -> Result<Value, Failed> {
        let name = Value::Text(format!("{}{suffix}", self.text(instance, "name")?));
        let namespace = Value::Text(self.text(instance, "namespace")?);
        let mut metadata = vec![("name".to_string(), name), ("namespace".into(), namespace)];
        if let Some(Value::Record(own)) = self.field(instance, "labels")? {
            for (key, value) in own {
                // The composition's own win.
                if labels.iter().all(|it| it.0 != key) {
                    labels.push((key, value));
                }
            }
        }
        if !labels.is_empty() {
            metadata.push(("labels".into(), Value::Record(labels)));
        }
        if let Some(Value::Record(annotations)) = self.field(instance, "annotations")?
            && !annotations.is_empty()
        {
            metadata.push(("annotations".into(), Value::Record(annotations)));
        }
        Ok(record([
            ("apiVersion", Value::Text(version.into())),
            ("kind", Value::Text(kind.into())),
            ("metadata", Value::Record(metadata)),
        ]))
    }

    fn made(&self, instance: &Instance, made: &Made, found: Option<&Value>) -> Maybe {
        let text = |it: String| Ok(Some(Value::Text(it)));
        match made {
            Made::Literal(value) => Ok(Some(value.clone())),
            Made::Field(name) => self.field(instance, name),
            Made::Json(name) => match self.field(instance, name)? {
                Some(value) => text(json(&value)),
                None => text("none".into()),
            },
            Made::Otherwise(name, value) => {
                text(written(&self.field(instance, name)?.unwrap_or_else(|| value.clone())))
            }
            Made::Written(name) => text(self.text(instance, name)?),
            Made::Match(name, arms) => {
                let value = self.text(instance, name)?;
                let arm = arms.iter().find(|it| it.0 == value).or(arms.last());
                text(arm.map_or_else(String::new, |it| it.1.to_string()))
            }
            Made::Joined(name, skipped) => {
                let Some(Value::List(elements)) = self.field(instance, name)? else {
                    return Err(Failed);
                };
                let kept = elements.iter().map(written).filter(|it| it != skipped);
                text(kept.map(|it| format!("<{it}>")).collect::<Vec<_>>().join(","))
            }
            Made::Found => text(found.map(written).unwrap_or_default()),
            Made::EnvironmentName => text(self.environment_field("name")),
        }
    }

    // Chains of layers.

    fn chains(
        &self,
        instance: &Instance,
        address: &str,
        chains: &mut BTreeMap<String, Vec<ChainLine>>,
    ) {
        let schema = &self.workspace.schemas[instance.schema];
        for field in &schema.fields {
            let path = format!("{address}.{}", field.name);
            match instance.root.part(field.name) {
                Some(node) if !matches!(node.here, Here::Nothing) => {
                    self.chain(instance, &instance.root, node, &field.ty, &path, chains);
                }
                _ => {
                    let line = ("none".into(), format!("schema {}", schema.name), "");
                    chains.insert(path, vec![line]);
                }
            }
        }
        for name in ["name", "namespace", "labels", "annotations"] {
            if let Some(node) = instance.root.part(name) {
                let ty = match name {
                    "name" | "namespace" => Type::Text,
                    _ => Type::Map(Box::new(Type::Text)),
                };
                let path = format!("{address}.{name}");
                self.chain(instance, &instance.root, node, &ty, &path, chains);
            }
        }
    }

    /// The chain of a node, and of every node under it.
    fn chain(
        &self,
        instance: &Instance,
        record: &Node,
        node: &Node,
        ty: &Type,
        path: &str,
        chains: &mut BTreeMap<String, Vec<ChainLine>>,
    ) {
        let mut lines = Vec::new();
        if self.gather(instance, record, node, ty, "", false, &mut lines).is_ok() {
            // Stable: of one level, the later word first.
            lines.sort_by_key(|it| std::cmp::Reverse(it.0));
            chains.insert(path.into(), lines.into_iter().map(|it| it.1).collect());
        }
        if let Here::Parts(parts) = &node.here {
            for (name, part) in parts {
                let Some(inner) = self.part_type(ty, name) else { continue };
                let at = match ty.base() {
                    Type::Keyed(_) | Type::Map(_) => format!("[{name:?}]"),
                    _ => format!(".{name}"),
                };
                let record = siblings(record, node, ty);
                self.chain(instance, record, part, &inner, &format!("{path}{at}"), chains);
            }
        }
    }

    fn part_type(&self, ty: &Type, name: &str) -> Option<Type> {
        match ty.base() {
            Type::Schema(schema) => {
                self.workspace.schemas[*schema].field(name).map(|it| it.ty.clone())
            }
            Type::Record(fields) => fields.iter().find(|it| it.0 == name).map(|it| it.1.clone()),
            Type::Keyed(schema) => Some(Type::Schema(*schema)),
            Type::Map(value) => Some((**value).clone()),
            _ => None,
        }
    }

    /// Who spoke of a node and of what is under it, each with its level, the later word first.
    /// `lost`: it began anew since.
    #[allow(clippy::too_many_arguments, reason = "they are what it walks with")]
    fn gather(
        &self,
        instance: &Instance,
        record: &Node,
        node: &Node,
        ty: &Type,
        path: &str,
        lost: bool,
        lines: &mut Vec<(usize, ChainLine)>,
    ) -> Result<(), Failed> {
        match &node.here {
            Here::Parts(parts) if !parts.is_empty() => {
                for (name, part) in parts {
                    let Some(inner) = self.part_type(ty, name) else { continue };
                    let at = match (ty.base(), path) {
                        (Type::Keyed(_), _) => format!("{path}[{name:?}]"),
                        (_, "") => addressed(name),
                        _ => format!("{path}.{}", addressed(name)),
                    };
                    let record = siblings(record, node, ty);
                    self.gather(instance, record, part, &inner, &at, lost, lines)?;
                }
            }
            _ => {
                let mut over = lost;
                for (index, it) in node.told.iter().rev().enumerate() {
                    // What every value of the schema has says nothing of a lost one.
                    if lost && it.layer.is_below {
                        continue;
                    }
                    let value = match &it.said {
                        Expression::Literal(Value::None) => "none".to_string(),
                        said => self
                            .expression(instance, record, said, it.entry)?
                            .map_or("none".into(), |value| json(&value)),
                    };
                    let effect = if over {
                        "overridden"
                    } else if it.is_appended {
                        "appended"
                    } else if index == 0 && node.sealed.is_some() {
                        "final"
                    } else {
                        ""
                    };
                    over |= !it.is_appended;
                    let cell = if path.is_empty() { value } else { format!("{path} = {value}") };
                    lines.push((it.layer.level, (cell, it.layer.shown.clone(), effect)));
                }
            }
        }
        for before in node.before.iter().rev() {
            self.gather(instance, record, before, ty, path, true, lines)?;
        }
        Ok(())
    }
}

/// The entry that gave a field of the whole its value.
fn said_by(instance: &Instance, field: &str) -> EntryId {
    instance.root.part(field).and_then(|it| it.told.last()).map_or(0, |it| it.entry)
}

/// What the defaults of what is in a node read: the fields of the value that it is, else of the one around it.
fn siblings<'n>(around: &'n Node, node: &'n Node, ty: &Type) -> &'n Node {
    if matches!(ty.base(), Type::Schema(_)) { node } else { around }
}

/// Every piece of text in the entries.
pub(crate) fn pieces(entries: &[Entry], visit: &mut dyn FnMut(&Piece)) {
    for entry in entries {
        if let EntryKind::Set { said, .. } = &entry.kind {
            match said {
                Said::Braces(inner) => pieces(inner, visit),
                Said::Expression(Expression::Text(all)) => all.iter().for_each(&mut *visit),
                Said::Expression(_) => {}
            }
        }
    }
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Record(fields.into_iter().map(|(name, it)| (name.to_string(), it)).collect())
}

fn with<const N: usize>(value: Value, more: [(&str, Value); N]) -> Value {
    let (Value::Record(mut fields), Value::Record(more)) = (value, record(more)) else {
        unreachable!("both are records");
    };
    fields.extend(more);
    Value::Record(fields)
}

/// A scalar in a text.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Quantity(it) => canonical(*it),
        other => json(other),
    }
}

/// A value as compact JSON.
pub(crate) fn json(value: &Value) -> String {
    match value {
        Value::None => "null".into(),
        Value::Bool(it) => it.to_string(),
        Value::Int(it) => it.to_string(),
        Value::Text(it) => serde_json::to_string(it).expect("a text is JSON"),
        Value::Quantity(it) => serde_json::to_string(&canonical(*it)).expect("a text is JSON"),
        Value::List(elements) => {
            let elements: Vec<String> = elements.iter().map(json).collect();
            format!("[{}]", elements.join(","))
        }
        Value::Record(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, it)| format!("{}:{}", json(&Value::Text(name.clone())), json(it)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

/// A key as addresses have it.
fn addressed(key: &str) -> String {
    let is_plain = key.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-');
    if is_plain { key.to_string() } else { format!("{key:?}") }
}
