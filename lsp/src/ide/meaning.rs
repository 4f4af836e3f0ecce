//! What the words of a declaration stand for: the one thing that definition, references, rename, hover and
//! colours are made of.

use super::tree::Node;
use plumb_compiler::Db;
use plumb_compiler::answers::Location;
use plumb_compiler::builtins::Builtin;
use plumb_compiler::diagnostics::Place;
use plumb_compiler::engine::location;
use plumb_compiler::infer::{Inference, Resolution, Sight, sight};
use plumb_compiler::items::{documentation, item, name_place};
use plumb_compiler::names::{Target, environments, package_of, resolve_path, resolve_word, scope};
use plumb_compiler::outputs::declared_outputs;
use plumb_compiler::source::{ItemId, Kind, Package, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::types::{
    BUILT_IN_FIELDS, Lowering, Ty, UNKNOWN, composition, field_type, schema,
};
use plumb_compiler::versions::kubernetes;
use plumb_kubernetes::{KindId, ObjectId};

/// What a word stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symbol {
    /// A declaration with a name.
    Item(ItemId),
    /// A field of a schema: the schema that declares it, the node of its name there.
    Field(ItemId, NodeId),
    /// An output of a composition, by the node of its name.
    Output(ItemId, NodeId),
    /// A name of a block, parameter or loop, by the node that binds it.
    Local(ItemId, NodeId),
    /// A package.
    Package(Package),
    /// A kind of Kubernetes.
    Kind(KindId),
    /// A type that parts of Kubernetes objects have.
    Object(ObjectId),
    /// A field of such a type.
    ObjectField(ObjectId, Name),
    /// A group of Kubernetes kinds, or one of its versions.
    Group(Name),
    /// A built-in function.
    Builtin(Builtin),
    /// A type that the compiler itself knows.
    BuiltInType(Name),
    /// A field that every request has, or that every environment has.
    BuiltInField(Name),
    /// A word of the language that stands for a value: `environment`, `self`, `it`, `file`, `initial`.
    Word(Name),
}

/// A word with what it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occurrence {
    /// The node of the word.
    pub node: NodeId,
    /// What it stands for.
    pub symbol: Symbol,
    /// Whether this is where it is declared.
    pub declares: bool,
}

/// A declaration with all that is known of its expressions.
pub struct Reading<'a> {
    /// The database.
    pub db: &'a dyn Db,
    /// The workspace.
    pub workspace: Workspace,
    /// The declaration.
    pub id: ItemId,
    /// Its tree.
    pub tree: &'a Item,
    /// What is known of it.
    pub inference: Inference,
    /// The types of its expressions.
    pub sight: Sight,
}

impl<'a> Reading<'a> {
    /// Reads a declaration; `None` where it is gone.
    pub fn new(db: &'a dyn Db, workspace: Workspace, id: ItemId) -> Option<Self> {
        let tree = item(db, id).as_deref()?;
        let (inference, sight) = sight(db, workspace, id);
        Some(Reading { db, workspace, id, tree, inference, sight })
    }

    /// The words that stand for something, in the order of the text.
    pub fn occurrences(&self) -> Vec<Occurrence> {
        let mut found = Vec::new();
        Node::Item(self.tree).walk(&mut |node| self.words_of(node, &mut found));
        found.sort_by_key(|it| it.node);
        // A key that a spread brings in is in its own record too.
        found.dedup_by_key(|it| it.node);
        found
    }

    fn words_of(&self, node: Node<'_>, found: &mut Vec<Occurrence>) {
        let mut add = |node: NodeId, symbol: Option<Symbol>, declares: bool| {
            if let Some(symbol) = symbol {
                found.push(Occurrence { node, symbol, declares });
            }
        };
        let local = |it: &Ident| (!it.is_hole()).then_some(Symbol::Local(self.id, it.id));
        match node {
            Node::Item(it) => self.heads(it, &mut add),
            Node::Path(path) => self.path(&path.segments, &mut add),
            Node::Type(it) => match &it.kind {
                TypeKind::List { item, keys } if !keys.is_empty() => {
                    let ty = Lowering::new(self.db, self.workspace, self.id).lower(item);
                    for key in keys {
                        add(key.id, self.field(&ty, &key.text), false);
                    }
                }
                _ => {}
            },
            Node::Member(it) => {
                if let MemberKind::Field { name, .. } = &it.kind
                    && !name.is_hole()
                {
                    add(name.id, Some(Symbol::Field(self.id, name.id)), true);
                }
            }
            Node::Statement(it) => match &it.kind {
                StatementKind::Let(it) => add(it.name.id, local(&it.name), true),
                StatementKind::Emit { bind: Some(name), .. } => add(name.id, local(name), true),
                StatementKind::Output { name, .. } if !name.is_hole() => {
                    add(name.id, Some(Symbol::Output(self.id, name.id)), true);
                }
                StatementKind::For { clause, .. } => self.clause(clause, &mut add),
                _ => {}
            },
            Node::Entry(it) => {
                if let EntryKind::For { clause, .. } = &it.kind {
                    self.clause(clause, &mut add);
                }
            }
            Node::Head(it) => it.bind.iter().for_each(|it| add(it.id, local(it), true)),
            Node::Arm(it) => {
                if let Pattern::Typed { name, .. } = &it.pattern {
                    add(name.id, local(name), true);
                }
            }
            Node::Segment(it) => {
                if let SegmentKind::Key(name) = &it.kind {
                    let container = self.sight.containers.get(&it.id);
                    add(it.id, container.and_then(|ty| self.field(ty, name)), false);
                }
            }
            Node::Record(it) => {
                let ty = self.inference.records.get(&it.id).unwrap_or(UNKNOWN);
                for entry in &it.entries {
                    if let EntryKind::Spread(value) = &entry.kind {
                        self.brought_in(value, ty, &mut add);
                    }
                }
            }
            Node::Expr(it) => self.expression(it, &mut add),
            _ => {}
        }
    }

    /// The keys of record literals that a spread brings into a record of a type: they are fields of it.
    fn brought_in(&self, it: &Expr, ty: &Ty, add: &mut dyn FnMut(NodeId, Option<Symbol>, bool)) {
        match &it.kind {
            ExprKind::If { then, otherwise, .. } => {
                self.brought_in(then, ty, add);
                self.brought_in(otherwise, ty, add);
            }
            ExprKind::Match { arms, .. } => {
                arms.iter().for_each(|it| self.brought_in(&it.value, ty, add));
            }
            ExprKind::Record(record) => {
                for entry in &record.entries {
                    let EntryKind::Set { path, value, .. } = &entry.kind else { continue };
                    let mut ty = Some(ty.clone());
                    for segment in &path.segments {
                        let SegmentKind::Key(name) = &segment.kind else {
                            ty = None;
                            break;
                        };
                        let Some(of) = ty else { break };
                        add(segment.id, self.field(&of, name), false);
                        ty = field_type(self.db, self.workspace, &of, name);
                    }
                    if let Some(ty) = ty {
                        self.brought_in(value, &ty, add);
                    }
                }
            }
            _ => {}
        }
    }

    fn clause(&self, it: &ForClause, add: &mut dyn FnMut(NodeId, Option<Symbol>, bool)) {
        for name in [&it.first].into_iter().chain(&it.second) {
            add(name.id, Some(Symbol::Local(self.id, name.id)), true);
        }
    }

    /// What stands in the head of a declaration beside its paths.
    fn heads(&self, tree: &Item, add: &mut dyn FnMut(NodeId, Option<Symbol>, bool)) {
        let (db, workspace) = (self.db, self.workspace);
        if let Some(name) = plumb_compiler::items::declared_name(tree)
            && !name.is_hole()
        {
            add(name.id, Some(Symbol::Item(self.id)), true);
        }
        let environment = |name: &Ident| {
            environments(db, workspace).0.get(&name.text).map(|id| Symbol::Item(*id))
        };
        match &tree.kind {
            ItemKind::Use { path, names, alias } => {
                let base = self.use_target(path);
                for it in names.iter().flatten() {
                    let target = resolve_word(
                        db,
                        workspace,
                        self.id.file(db),
                        &it.alias.as_ref().unwrap_or(&it.name).text,
                    );
                    let symbol = target.and_then(symbol_of);
                    add(it.name.id, symbol.clone(), false);
                    it.alias.iter().for_each(|it| add(it.id, symbol.clone(), false));
                }
                alias.iter().for_each(|it| add(it.id, base.clone(), false));
            }
            ItemKind::Environment { parent, .. } => {
                parent.iter().for_each(|it| add(it.id, environment(it), false));
            }
            ItemKind::Overlay { requests, environments, .. } => {
                let names = &scope(db, package_of(db, workspace, self.id.file(db))).names;
                for it in requests {
                    add(it.id, names.get(&it.text).map(|id| Symbol::Item(*id)), false);
                }
                environments.iter().for_each(|it| add(it.id, environment(it), false));
            }
            ItemKind::Defaults { environments, .. } | ItemKind::Request { environments, .. } => {
                environments.iter().for_each(|it| add(it.id, environment(it), false));
            }
            ItemKind::Compose { binder, .. } => {
                add(binder.id, Some(Symbol::Local(self.id, binder.id)), true);
            }
            ItemKind::Fn { params, .. } => {
                for it in params {
                    add(it.name.id, Some(Symbol::Local(self.id, it.name.id)), true);
                }
            }
            _ => {}
        }
    }

    /// What the path of a `use` means, which begins at the root.
    fn use_target(&self, path: &Path) -> Option<Symbol> {
        use_step(self.db, self.workspace, self.id, &path.segments).and_then(symbol_of)
    }

    fn path(&self, segments: &[Ident], add: &mut dyn FnMut(NodeId, Option<Symbol>, bool)) {
        for (index, segment) in segments.iter().enumerate() {
            let before = &segments[..=index];
            let target = if self.id.kind(self.db) == Kind::Use {
                use_step(self.db, self.workspace, self.id, before)
            } else {
                resolve_path(self.db, self.workspace, self.id, before).ok()
            };
            let symbol = match target {
                Some(target) => symbol_of(target),
                None if segments.len() == 1 && is_built_in_type(&segment.text) => {
                    Some(Symbol::BuiltInType(segment.text.clone()))
                }
                None => None,
            };
            add(segment.id, symbol, false);
        }
    }

    fn expression(&self, it: &Expr, add: &mut dyn FnMut(NodeId, Option<Symbol>, bool)) {
        match &it.kind {
            ExprKind::ListFor { clause, .. } => self.clause(clause, add),
            ExprKind::Binary { op: BinaryOp::Equal | BinaryOp::NotEqual, left, right } => {
                for (read, written) in [(left, right), (right, left)] {
                    self.environment_texts(read, &[written], add);
                }
            }
            ExprKind::Binary { op: BinaryOp::In, left, right } => {
                if let ExprKind::List(elements) = &right.kind {
                    let written: Vec<&Expr> = elements.iter().map(|it| &it.value).collect();
                    self.environment_texts(left, &written, add);
                }
            }
            ExprKind::Match { subject, arms } if self.is_environment_name(subject) => {
                for arm in arms {
                    let Pattern::Literals(all) = &arm.pattern else { continue };
                    all.iter().for_each(|(node, it)| add(*node, self.environment_of(it), false));
                }
            }
            ExprKind::Name(name) => {
                let symbol = match self.inference.resolutions.get(&it.id) {
                    Some(Resolution::Local) => {
                        self.sight.locals.get(&it.id).map(|at| Symbol::Local(self.id, *at))
                    }
                    Some(Resolution::OwnField) => self.field(&Ty::Schema(self.id), name),
                    Some(Resolution::Item(id)) => Some(Symbol::Item(*id)),
                    Some(Resolution::Builtin(builtin)) => Some(Symbol::Builtin(*builtin)),
                    Some(_) => Some(Symbol::Word(name.clone())),
                    // The head of a path into packages.
                    None => resolve_word(self.db, self.workspace, self.id.file(self.db), name)
                        .and_then(symbol_of),
                };
                add(it.id, symbol, false);
            }
            ExprKind::Field { base, name, .. } => {
                let symbol = match self.inference.resolutions.get(&it.id) {
                    Some(Resolution::Item(id)) => Some(Symbol::Item(*id)),
                    _ => match self.sight.types.get(&base.id) {
                        Some(ty) => self.field(ty, &name.text),
                        None => plumb_compiler::references::chain(it).and_then(|names| {
                            resolve_path(self.db, self.workspace, self.id, &names)
                                .ok()
                                .and_then(symbol_of)
                        }),
                    },
                };
                add(name.id, symbol, false);
            }
            ExprKind::Call { callee, args } => {
                let Some(Resolution::Item(id)) = self.inference.resolutions.get(&callee.id) else {
                    return;
                };
                let Some(ItemKind::Fn { params, .. }) =
                    item(self.db, *id).as_deref().map(|it| &it.kind)
                else {
                    return;
                };
                for name in args.iter().filter_map(|it| it.name.as_ref()) {
                    let param = params.iter().find(|it| it.name.text == name.text);
                    add(name.id, param.map(|it| Symbol::Local(*id, it.name.id)), false);
                }
            }
            _ => {}
        }
    }

    /// Texts that `environment.name` is held against are names of environments.
    fn environment_texts(
        &self,
        read: &Expr,
        written: &[&Expr],
        add: &mut dyn FnMut(NodeId, Option<Symbol>, bool),
    ) {
        if !self.is_environment_name(read) {
            return;
        }
        for it in written {
            if let ExprKind::Literal(literal) = &it.kind {
                add(it.id, self.environment_of(literal), false);
            }
        }
    }

    fn is_environment_name(&self, it: &Expr) -> bool {
        let ExprKind::Field { base, name, .. } = &it.kind else { return false };
        name.text == "name" && matches!(self.sight.types.get(&base.id), Some(Ty::Environment(_)))
    }

    fn environment_of(&self, it: &Literal) -> Option<Symbol> {
        let Literal::String(name) = it else { return None };
        environments(self.db, self.workspace).0.get(name).map(|id| Symbol::Item(*id))
    }

    /// What a field of a type is.
    pub fn field(&self, ty: &Ty, name: &str) -> Option<Symbol> {
        field(self.db, self.workspace, ty, name)
    }
}

/// What a field of a type is: where it is declared.
pub fn field(db: &dyn Db, workspace: Workspace, ty: &Ty, name: &str) -> Option<Symbol> {
    let of_schema = |id: ItemId| {
        schema(db, workspace, id).field(name).map(|it| Symbol::Field(it.owner, it.node))
    };
    let built_in = || Symbol::BuiltInField(name.into());
    let output = |id: ItemId| {
        let compose = composition(db, workspace, id)?;
        let outputs = declared_outputs(db, workspace, compose);
        let found = outputs.iter().find(|it| it.name == name)?;
        Some(Symbol::Output(compose, found.node))
    };
    match ty.base() {
        Ty::Schema(id) => of_schema(*id),
        Ty::Request(id) => of_schema(*id).or_else(|| {
            let is_known = BUILT_IN_FIELDS.contains(&name) || matches!(name, "uses" | "used_by");
            is_known.then(built_in)
        }),
        Ty::Environment(id) => id.and_then(of_schema).or_else(|| Some(built_in())),
        Ty::Nested(id) => output(*id).or_else(|| of_schema(*id)).or_else(|| Some(built_in())),
        Ty::Outputs(Some(id)) => {
            let schema = plumb_compiler::infer::request_schema(db, workspace, *id)?;
            output(schema).or_else(|| Some(built_in()))
        }
        Ty::Kind(kind) => {
            let object = kubernetes(db, workspace).kind_facts(*kind).object;
            object_field(db, workspace, object, name)
        }
        Ty::Object(object) => object_field(db, workspace, *object, name),
        Ty::Union(arms) => arms.iter().find_map(|arm| field(db, workspace, arm, name)),
        _ => None,
    }
}

fn object_field(db: &dyn Db, workspace: Workspace, object: ObjectId, name: &str) -> Option<Symbol> {
    let facts = kubernetes(db, workspace).object(object);
    facts.field(name).map(|it| Symbol::ObjectField(object, it.name.into()))
}

fn is_built_in_type(name: &str) -> bool {
    plumb_compiler::names::BUILT_IN_TYPES.contains(&name)
}

/// What the first segments of a `use` mean: its path begins at the root of the workspace.
fn use_step(db: &dyn Db, workspace: Workspace, id: ItemId, segments: &[Ident]) -> Option<Target> {
    plumb_compiler::names::resolve_use(db, workspace, id, segments)
}

fn symbol_of(target: Target) -> Option<Symbol> {
    Some(match target {
        Target::Package(it) => Symbol::Package(it),
        Target::Item(it) => Symbol::Item(it),
        Target::Kubernetes => Symbol::Group("k8s".into()),
        Target::Group(it) => Symbol::Group(it),
        Target::GroupVersion(group, version) => Symbol::Group(format!("{group}.{version}").into()),
        Target::Kind(it) => Symbol::Kind(it),
        Target::Object(it) => Symbol::Object(it),
        Target::Unknown => return None,
    })
}

impl Symbol {
    /// Where it is declared; `None` for what no file declares.
    pub fn place(&self, db: &dyn Db) -> Option<Location> {
        let place = match self {
            Symbol::Item(id) => name_place(db, *id),
            Symbol::Field(id, node) | Symbol::Output(id, node) | Symbol::Local(id, node) => {
                Place::Node(*id, *node)
            }
            _ => return None,
        };
        Some(location(db, place))
    }

    /// What is written of it, as Markdown.
    pub fn documentation(&self, db: &dyn Db, workspace: Workspace) -> Option<String> {
        let facts = kubernetes(db, workspace);
        match self {
            Symbol::Item(id) => documentation(db, *id, NodeId(0)).map(|it| it.to_string()),
            Symbol::Field(id, node) | Symbol::Output(id, node) => {
                documentation_of(db, *id, *node).map(|it| it.to_string())
            }
            Symbol::Kind(kind) => {
                let object = facts.object(facts.kind_facts(*kind).object);
                plumb_kubernetes::documentation(object.full_name, None).map(str::to_owned)
            }
            Symbol::Object(object) => {
                let name = facts.object(*object).full_name;
                plumb_kubernetes::documentation(name, None).map(str::to_owned)
            }
            Symbol::ObjectField(object, field) => {
                let name = facts.object(*object).full_name;
                plumb_kubernetes::documentation(name, Some(field)).map(str::to_owned)
            }
            Symbol::Builtin(it) => Some(it.documentation().to_owned()),
            Symbol::BuiltInField(name) => built_in_documentation(name).map(str::to_owned),
            Symbol::Word(name) => word_documentation(name).map(str::to_owned),
            Symbol::BuiltInType(name) => type_documentation(name).map(str::to_owned),
            _ => None,
        }
    }

    /// The word it is called by where it is declared.
    pub fn name(&self, db: &dyn Db, workspace: Workspace) -> Name {
        let facts = kubernetes(db, workspace);
        match self {
            Symbol::Item(id) => id.name(db).clone(),
            Symbol::Field(id, node) | Symbol::Output(id, node) | Symbol::Local(id, node) => {
                let mut name = Name::default();
                if let Some(tree) = item(db, *id).as_deref() {
                    Node::Item(tree).walk(&mut |it| {
                        if let Node::Ident(ident) = it
                            && ident.id == *node
                        {
                            name = ident.text.clone();
                        }
                    });
                }
                name
            }
            Symbol::Package(package) => {
                package.path(db).rsplit('.').next().unwrap_or_default().into()
            }
            Symbol::Kind(kind) => facts.kind_facts(*kind).kind.into(),
            Symbol::Object(object) => facts.object(*object).name.into(),
            Symbol::ObjectField(_, name)
            | Symbol::Group(name)
            | Symbol::BuiltInType(name)
            | Symbol::BuiltInField(name)
            | Symbol::Word(name) => name.clone(),
            Symbol::Builtin(it) => it.name().into(),
        }
    }
}

/// The documentation before a name: it belongs to the member or statement that declares it.
fn documentation_of(db: &dyn Db, id: ItemId, name: NodeId) -> Option<Name> {
    let tree = item(db, id).as_deref()?;
    let mut owner = None;
    Node::Item(tree).walk(&mut |node| {
        let declares = match node {
            Node::Member(it) => {
                matches!(&it.kind, MemberKind::Field { name: it, .. } if it.id == name)
            }
            Node::Statement(it) => {
                matches!(&it.kind, StatementKind::Output { name: it, .. } if it.id == name)
            }
            _ => false,
        };
        if declares {
            owner = Some(node.id());
        }
    });
    documentation(db, id, owner?)
}

fn built_in_documentation(name: &str) -> Option<&'static str> {
    Some(match name {
        "name" => "The name of the request, or of the environment.",
        "namespace" => {
            "The namespace that the objects of the request go into; its package's unless the request says one."
        }
        "labels" => "Labels that every object of the request carries.",
        "annotations" => "Annotations that every object of the request carries.",
        "after" => "The requests whose objects are applied before those of this one.",
        "used_by" => {
            "The requests that read an output of this one, each with `name` and `namespace`."
        }
        "uses" => "The requests whose outputs this one reads, each with `name` and `namespace`.",
        "kubernetes" => "The version of Kubernetes that the cluster of this environment runs.",
        _ => return None,
    })
}

fn word_documentation(name: &str) -> Option<&'static str> {
    Some(match name {
        "environment" => "The environment that is built: the fields of its schema, and `name`.",
        "self" => "The request itself, as it is in the end.",
        "it" => "The value that the condition is about.",
        "file" => "The text of a file of the package: `file(\"path\")`.",
        "initial" => "A value that is set when the object is created and then left to its owner.",
        _ => return None,
    })
}

fn type_documentation(name: &str) -> Option<&'static str> {
    Some(match name {
        "Bool" => "`true` or `false`.",
        "Int" => "A whole number of 64 bits.",
        "Float" => "A number with a fraction.",
        "String" => "A text.",
        "Quantity" => "An amount as Kubernetes writes it: `500m`, `2Gi`, `4`.",
        "Duration" => "A span of time: `30s`, `1h30m`.",
        "Any" => "Anything: what is in it is not known until a `match` asks.",
        "Image" => "A reference to a container image: `ghcr.io/acme/shop:1.4.2`.",
        "CronExpression" => "A schedule as cron writes it: `0 3 * * *`.",
        _ => return None,
    })
}
