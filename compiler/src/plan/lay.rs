//! From a composition to its plan: what is known becomes text, what is not becomes a gap.
//!
//! Whatever does not fit is [`Unplanned`] and run as it is written: a smaller part where that is possible,
//! else the whole statement.

use super::{Code, Comma, Layout, Notation, OwnField, Part, Plan, Spot, Step, Template};
use crate::db::Db;
use crate::eval::{Evaluator, Failed, Frame};
use crate::infer::{Emitted, Inference, Resolution, infer, signature};
use crate::items::item;
use crate::json;
use crate::objects::{is_autoscaler, label_value, qualified_name};
use crate::source::{ItemId, Kind, Workspace};
use crate::syntax::ast::*;
use crate::types::{BUILT_IN_FIELDS, Field, Ty, composition, field_type, required_fields, schema};
use crate::value::{Data, Origin, Value};
use crate::versions::{self, kubernetes};
use crate::yaml::{self, Place};
use plumb_kubernetes::{Kubernetes, Type as Fact};

/// The largest constant text of an emit: one near the limits is left to those who measure it.
const MAX_TEXT: usize = 1 << 20;

/// The shape of what an `emit` makes.
enum Node<'a> {
    Record(Vec<(Name, Node<'a>)>),
    List(Vec<Node<'a>>),
    Loop { over: Code<'a>, clause: &'a ForClause, body: Box<Node<'a>> },
    Leaf { code: Code<'a>, check: Option<Ty>, certain: bool },
}

/// A name of the composition while it is laid out.
struct Bound<'a> {
    name: &'a Name,
    /// It is never `none`.
    certain: bool,
    /// A let: its number and what it is.
    given: Option<(usize, &'a Expr)>,
    /// The request itself.
    is_request: bool,
}

/// It cannot be laid out.
struct Unplanned;

type Laid<T> = Result<T, Unplanned>;

impl<'a> Plan<'a> {
    /// The plan of a schema's composition in an environment; `None` where something is to be said of the
    /// composition itself.
    pub(super) fn new(
        db: &'a dyn Db,
        workspace: Workspace,
        schema_id: ItemId,
        environment: ItemId,
        notation: Notation,
    ) -> Option<Plan<'a>> {
        let compose = composition(db, workspace, schema_id)?;
        let tree = item(db, compose).as_ref()?;
        let ItemKind::Compose { binder, block, .. } = &tree.kind else { return None };
        let inference = infer(db, workspace, compose);
        if inference.has_errors() {
            return None;
        }
        let subject = Origin { item: compose, node: NodeId(0) };
        let mut planner = Planner {
            evaluator: Evaluator::new(db, workspace, Some(environment), subject),
            db,
            workspace,
            notation,
            compose,
            inference,
            schema: schema_id,
            own: plumb_kubernetes::version(versions::runs(db, workspace, environment).0)?,
            known: kubernetes(db, workspace),
            scope: Vec::new(),
            read: Vec::new(),
            laid: Vec::new(),
            fields: Vec::new(),
        };
        planner.scope.push(Bound {
            name: &binder.text,
            certain: true,
            given: None,
            is_request: true,
        });
        let steps = planner.block(block);
        if !planner.evaluator.diagnostics.is_empty() {
            return None;
        }
        // One that nothing names is evaluated all the same: it may fail.
        let read =
            planner.read.iter().zip(&planner.laid).map(|(read, laid)| *read || !laid).collect();
        let (binder, fields) = (&binder.text, planner.fields);
        Some(Plan { compose, inference, binder, steps, fields, read })
    }
}

struct Planner<'a> {
    /// For what is the same in every request.
    evaluator: Evaluator<'a>,
    db: &'a dyn Db,
    workspace: Workspace,
    notation: Notation,
    compose: ItemId,
    inference: &'a Inference,
    schema: ItemId,
    /// What the environment's own version knows.
    own: &'static Kubernetes,
    /// What some environment's version knows.
    known: &'static Kubernetes,
    scope: Vec<Bound<'a>>,
    /// The lets that are read by their name.
    read: Vec<bool>,
    /// The lets that were laid out where they are named.
    laid: Vec<bool>,
    /// The fields of the request that are written as they are.
    fields: Vec<OwnField<'a>>,
}

impl<'a> Planner<'a> {
    fn origin(&self, node: NodeId) -> Origin {
        Origin { item: self.compose, node }
    }

    fn block(&mut self, block: &'a Block) -> Vec<Step<'a>> {
        let before = self.scope.len();
        let mut steps = Vec::new();
        for statement in &block.statements {
            match &statement.kind {
                // What its type says more of is held against it as it is written.
                StatementKind::Let(it) if self.inference.lets.contains_key(&it.name.id) => {
                    let certain = self.is_certain(&it.value);
                    self.other(statement, &mut steps);
                    let name = &it.name.text;
                    self.scope.push(Bound { name, certain, given: None, is_request: false });
                }
                StatementKind::Let(it) => {
                    let number = self.read.len();
                    self.read.push(false);
                    self.laid.push(false);
                    let certain = self.is_certain(&it.value);
                    let code = self.code(&it.value);
                    let name = &it.name.text;
                    steps.push(Step::Let { number, name, code });
                    let given = Some((number, &it.value));
                    self.scope.push(Bound { name, certain, given, is_request: false });
                }
                StatementKind::Emit { bind: None, value } => {
                    match self.template(statement, value) {
                        Ok(template) => steps.push(Step::Emit(Box::new(template))),
                        Err(Unplanned) => self.other(statement, &mut steps),
                    }
                }
                StatementKind::If(it) => {
                    let code = self.code(&it.head.expr);
                    let inner = self.scope.len();
                    if let Some(bind) = &it.head.bind {
                        self.bind(&bind.text);
                    }
                    let then = self.block(&it.then);
                    self.scope.truncate(inner);
                    let otherwise = it.otherwise.as_ref().map(|it| self.block(it));
                    let otherwise = otherwise.unwrap_or_default();
                    let bind = it.head.bind.as_ref().map(|bind| &bind.text);
                    steps.push(Step::If { bind, code, then, otherwise });
                }
                StatementKind::Output { .. } => {}
                StatementKind::Emit { .. } | StatementKind::For { .. } | StatementKind::Rule(_) => {
                    self.other(statement, &mut steps);
                    // Bound only where it succeeds; elsewhere the plan steps aside.
                    if let StatementKind::Emit { bind: Some(bind), .. } = &statement.kind {
                        self.bind(&bind.text);
                    }
                }
            }
        }
        self.scope.truncate(before);
        steps
    }

    /// A name of something that is there.
    fn bind(&mut self, name: &'a Name) {
        self.scope.push(Bound { name, certain: true, given: None, is_request: false });
    }

    fn other(&mut self, statement: &'a Statement, steps: &mut Vec<Step<'a>>) {
        statement_expressions(statement, &mut |expr| self.reads(expr));
        steps.push(Step::Other(statement));
    }

    /// Marks the lets that an expression names, which is evaluated as it is written.
    fn reads(&mut self, expr: &'a Expr) {
        crate::eval::walk(expr, &mut |inner| {
            if let ExprKind::Name(name) = &inner.kind {
                let bound = self.scope.iter().filter(|bound| bound.name == name);
                for (number, _) in bound.filter_map(|bound| bound.given) {
                    self.read[number] = true;
                }
            }
        });
    }

    // Objects.

    fn template(&mut self, statement: &'a Statement, value: &'a Expr) -> Laid<Template<'a>> {
        let ExprKind::Named { record, .. } = &value.kind else { return Err(Unplanned) };
        let Some(Emitted::Object(_)) = self.inference.emits.get(&statement.id) else {
            return Err(Unplanned);
        };
        let Some(Ty::Kind(kind)) = self.inference.records.get(&record.id) else {
            return Err(Unplanned);
        };
        let kind = *kind;
        if !self.own.has_kind(kind) {
            return Err(Unplanned);
        }
        let facts = self.known.kind_facts(kind);
        let fields = self.record(record, &Ty::Kind(kind))?;
        let is_served = self.agrees_object(facts.object, &fields, true);
        if !is_served {
            return Err(Unplanned);
        }
        let replicas = at(&fields, &["spec", "replicas"])?;
        let replicas = match replicas {
            // What is left to its owner is fixed by nobody.
            Some(Node::Leaf { code: Code::Initial(_, origin), .. })
                if self.inference.initials.contains_key(&origin.node) =>
            {
                None
            }
            Some(Node::Leaf { code, .. }) => Some(code.clone()),
            Some(_) => return Err(Unplanned),
            None => None,
        };
        let scales = match at(&fields, &["spec", "scaleTargetRef"])? {
            _ if !is_autoscaler(facts) => None,
            None => None,
            Some(Node::Record(target)) => {
                let part = |name: &str| match target.iter().find(|(it, _)| it == name) {
                    Some((_, Node::Leaf { code, .. })) => Ok(Some(code.clone())),
                    Some(_) => Err(Unplanned),
                    None => Ok(None),
                };
                Some([part("apiVersion")?, part("kind")?, part("name")?])
            }
            Some(_) => return Err(Unplanned),
        };
        let mut metadata = None;
        let mut others = Vec::new();
        for (name, node) in fields {
            match name.as_str() {
                "metadata" => metadata = Some(node),
                "apiVersion" | "kind" => {}
                _ => others.push((name, node)),
            }
        }
        let Some(Node::Record(metadata)) = metadata else { return Err(Unplanned) };
        let name = match at(&metadata, &["name"])? {
            Some(Node::Leaf { code, check: None, certain: true }) => code.clone(),
            _ => return Err(Unplanned),
        };
        let mut writer = Writer::new(self.notation);
        match self.notation {
            Notation::Yaml => writer.text(&format!(
                "apiVersion: {}\nkind: {}\nmetadata:\n",
                facts.api_version(),
                facts.kind
            )),
            Notation::Json => writer.text(&format!(
                "{{\n  \"apiVersion\": \"{}\",\n  \"kind\": \"{}\",\n  \"metadata\": {{",
                facts.api_version(),
                facts.kind
            )),
        }
        self.metadata(&mut writer, metadata, facts.namespaced)?;
        writer.close(1);
        let mut line = Line { is_begun: false, comma: Comma::Yes };
        for (name, node) in &others {
            self.field(&mut writer, name, node, 0, 0, &mut line)?;
        }
        writer.close(0);
        Ok(Template {
            kind,
            facts,
            origin: self.origin(statement.id),
            name,
            replicas,
            scales,
            text: writer.done()?,
        })
    }

    /// In the order of [`objects`](crate::objects): name, namespace, labels, annotations, the others.
    fn metadata(
        &mut self,
        writer: &mut Writer<'a>,
        mut fields: Vec<(Name, Node<'a>)>,
        namespaced: bool,
    ) -> Laid<()> {
        let mut take = |name: &str| {
            let position = fields.iter().position(|(it, _)| it == name)?;
            Some(fields.remove(position).1)
        };
        if take("namespace").is_some() || take("generateName").is_some() {
            return Err(Unplanned);
        }
        let name = take("name").ok_or(Unplanned)?;
        let own = [("labels", take("labels")), ("annotations", take("annotations"))];
        let mut line = Line { is_begun: false, comma: Comma::No };
        let at = Spot { column: 2, place: Place::Key, depth: 2 };
        self.field(writer, &"name".into(), &name, 2, 1, &mut line)?;
        if namespaced {
            writer.key(namespace_key(), 2, 1, &mut line)?;
            let code = Code::Field(namespace_key(), self.place(namespace_key()));
            let part = self.gap(&code, None, at);
            writer.parts.push(part);
        }
        for (key, node) in own {
            let Some(node) = node else {
                writer.parts.push(Part::Inherited { key, own: None });
                continue;
            };
            let Node::Record(entries) = node else { return Err(Unplanned) };
            if entries.is_empty() {
                return Err(Unplanned);
            }
            writer.key(&key.into(), 2, 1, &mut line)?;
            writer.open();
            let mut inner = Line { is_begun: false, comma: Comma::No };
            for (name, node) in &entries {
                let Node::Leaf { code, check: None, certain: true } = node else {
                    return Err(Unplanned);
                };
                if qualified_name(name).is_err() {
                    return Err(Unplanned);
                }
                match code {
                    Code::Constant(Value { data: Data::String(text), .. })
                        if key == "annotations" || label_value(text).is_ok() =>
                    {
                        self.field(writer, name, node, 4, 2, &mut inner)?;
                    }
                    Code::Constant(_) => return Err(Unplanned),
                    code if key == "labels" => {
                        writer.key(name, 4, 2, &mut inner)?;
                        writer.weight += 1;
                        let at = Spot { column: 4, place: Place::Key, depth: 3 };
                        let part = match self.gap(code, None, at) {
                            Part::Own { field, spot, .. } => {
                                Part::Own { field, is_label: true, spot }
                            }
                            _ => Part::Label { code: code.clone(), spot: at },
                        };
                        writer.parts.push(part);
                    }
                    _ => self.field(writer, name, node, 4, 2, &mut inner)?,
                }
            }
            let own = entries.into_iter().map(|(name, _)| name).collect();
            writer.parts.push(Part::Inherited { key, own: Some(own) });
            writer.close(2);
        }
        for (name, node) in &fields {
            self.field(writer, name, node, 2, 1, &mut line)?;
        }
        Ok(())
    }

    /// Whether what of an object is there is the same for the version of the environment as for what is
    /// known of all of them, so that [`versions::check`] has nothing to say.
    fn agrees_object(
        &self,
        object: plumb_kubernetes::ObjectId,
        fields: &[(Name, Node<'a>)],
        is_top: bool,
    ) -> bool {
        if std::ptr::eq(self.own, self.known) {
            return true;
        }
        if !self.own.has_object(object) {
            return false;
        }
        let own = self.own.object(object);
        let known = self.known.object(object);
        let given = |name: &str| {
            is_top && matches!(name, "apiVersion" | "kind")
                || fields.iter().any(|it| it.0 == name && it.1.is_certain())
        };
        let asks = |field: &plumb_kubernetes::Field| field.required && field.default.is_none();
        own.fields.iter().all(|field| !asks(field) || given(field.name))
            && fields.iter().all(|(name, node)| match (own.field(name), known.field(name)) {
                (Some(own), Some(known)) => self.agrees(&own.ty, &known.ty, node),
                _ => false,
            })
    }

    fn agrees(&self, own: &Fact, known: &Fact, node: &Node<'a>) -> bool {
        match (own, known, node) {
            (Fact::Object(own), Fact::Object(known), Node::Record(fields)) => {
                own == known && self.agrees_object(*own, fields, false)
            }
            (
                Fact::List { item: own, .. },
                Fact::List { item: known, .. },
                Node::List(elements),
            ) => elements.iter().all(|element| self.agrees(own, known, element)),
            (
                Fact::List { item: own, .. },
                Fact::List { item: known, .. },
                Node::Loop { body, .. },
            ) => self.agrees(own, known, body),
            (Fact::Map { value: own }, Fact::Map { value: known }, Node::Record(fields)) => {
                fields.iter().all(|(_, node)| self.agrees(own, known, node))
            }
            // What is written as it comes may hold anything that its type allows.
            (own, known, _) => own == known && self.is_same(own, &mut Vec::new()),
        }
    }

    /// Whether a type and all that it holds is the same in the environment's version.
    fn is_same(&self, ty: &Fact, seen: &mut Vec<plumb_kubernetes::ObjectId>) -> bool {
        match ty {
            Fact::List { item, .. } => self.is_same(item, seen),
            Fact::Map { value } => self.is_same(value, seen),
            Fact::Object(object) => {
                if seen.contains(object) {
                    return true;
                }
                seen.push(*object);
                self.own.has_object(*object)
                    && self.own.object(*object) == self.known.object(*object)
                    && self.own.object(*object).fields.iter().all(|it| self.is_same(&it.ty, seen))
            }
            _ => true,
        }
    }

    // Values.

    /// The fields of a literal, in the order in which they are first set.
    fn record(&mut self, record: &'a Record, ty: &Ty) -> Laid<Vec<(Name, Node<'a>)>> {
        if crate::arms::is_choice(ty) {
            return Err(Unplanned);
        }
        let mut fields: Vec<(Name, Node<'a>)> = Vec::new();
        for entry in &record.entries {
            let EntryKind::Set { modifier: None, path, append: false, value, .. } = &entry.kind
            else {
                return Err(Unplanned);
            };
            let mut keys = Vec::new();
            let mut of = ty.clone();
            for segment in &path.segments {
                let SegmentKind::Key(key) = &segment.kind else { return Err(Unplanned) };
                // What a choice of records has is found by what is there.
                if crate::arms::is_choice(&of) {
                    return Err(Unplanned);
                }
                of = field_type(self.db, self.workspace, &of, key).ok_or(Unplanned)?;
                keys.push(key);
            }
            let node = self.node(value, &of)?;
            // A path to what may be absent makes nothing on its way.
            if keys.len() > 1 && !node.is_certain() {
                return Err(Unplanned);
            }
            put(&mut fields, &keys, node)?;
        }
        let lacks =
            |name: &Name| !fields.iter().any(|(field, node)| field == name && node.is_certain());
        if required_fields(self.db, self.workspace, ty).iter().any(lacks) {
            return Err(Unplanned);
        }
        Ok(fields)
    }

    fn node(&mut self, expr: &'a Expr, ty: &Ty) -> Laid<Node<'a>> {
        let base = ty.base();
        let is_part =
            matches!(base, Ty::Object(_) | Ty::Kind(_) | Ty::Map(..) | Ty::Any | Ty::Unknown);
        match &expr.kind {
            ExprKind::Record(record) | ExprKind::Named { record, .. } if is_part => {
                let inner = self.inference.records.get(&record.id);
                let fits = matches!(inner, None | Some(Ty::Unknown | Ty::Any))
                    || inner.is_some_and(|inner| {
                        matches!(inner.base(), Ty::Object(_) | Ty::Kind(_) | Ty::Map(..))
                    });
                // What can be laid out in part is better than nothing: else as it is written.
                if fits
                    && let Ok(fields) = self.record(record, ty)
                    && (fields.is_empty() || fields.iter().any(|(_, node)| node.is_certain()))
                {
                    return Ok(Node::Record(fields));
                }
                self.leaf(expr, ty)
            }
            ExprKind::List(elements) if matches!(base, Ty::List(..)) => {
                let Ty::List(item, _) = base else { return Err(Unplanned) };
                let mut found = Vec::new();
                for element in elements {
                    let node = match element.spread {
                        true => return self.leaf(expr, ty),
                        false => self.node(&element.value, item)?,
                    };
                    if !node.is_certain() {
                        return self.leaf(expr, ty);
                    }
                    found.push(node);
                }
                Ok(Node::List(found))
            }
            ExprKind::ListFor { clause, condition: None, value }
                if matches!(base, Ty::List(..)) =>
            {
                let Ty::List(item, _) = base else { return Err(Unplanned) };
                let over = self.code(&clause.iter);
                let inner = self.scope.len();
                self.bind(&clause.first.text);
                if let Some(second) = &clause.second {
                    self.bind(&second.text);
                }
                let body = self.node(value, item);
                self.scope.truncate(inner);
                let body = body?;
                if !body.is_certain() {
                    return self.leaf(expr, ty);
                }
                Ok(Node::Loop { over, clause, body: Box::new(body) })
            }
            ExprKind::Name(name)
                if self.inference.resolutions.get(&expr.id) == Some(&Resolution::Local) =>
            {
                let slot = self.slot(name).ok_or(Unplanned)?;
                let Some((number, value)) = self.scope[slot].given else {
                    return self.leaf(expr, ty);
                };
                // A let that is a literal is laid out where it is named, as it was when it was bound.
                if !matches!(value.kind, ExprKind::Record(_) | ExprKind::List(_)) {
                    return self.leaf(expr, ty);
                }
                let later = self.scope.split_off(slot);
                let node = self.node(value, ty);
                self.scope.extend(later);
                match node {
                    Ok(node) if node.is_movable() => {
                        self.laid[number] = true;
                        Ok(node)
                    }
                    _ => self.leaf(expr, ty),
                }
            }
            _ => self.leaf(expr, ty),
        }
    }

    fn leaf(&mut self, expr: &'a Expr, ty: &Ty) -> Laid<Node<'a>> {
        let code = self.code(expr);
        let certain = self.is_certain(expr);
        if let Code::Constant(value) = &code {
            let done =
                self.evaluator.complete(value.clone(), ty, "").map_err(|Failed| Unplanned)?;
            let certain = !done.is_none();
            return Ok(Node::Leaf { code: Code::Constant(done), check: None, certain });
        }
        let check = (!is_settled(ty)).then(|| ty.clone());
        Ok(Node::Leaf { code, check, certain })
    }

    /// Where the value of an expression stands that is there.
    fn gap(&mut self, code: &Code<'a>, check: Option<&Ty>, spot: Spot) -> Part<'a> {
        let check = check.cloned();
        let Code::Field(name, at) = *code else {
            return Part::Value { code: code.clone(), check, spot };
        };
        let own = OwnField { name, place: at, check };
        let field = self.fields.iter().position(|it| *it == own).unwrap_or_else(|| {
            self.fields.push(own);
            self.fields.len() - 1
        });
        Part::Own { field, is_label: false, spot }
    }

    // Expressions.

    fn slot(&self, name: &Name) -> Option<usize> {
        self.scope.iter().rposition(|bound| bound.name == name)
    }

    fn code(&mut self, expr: &'a Expr) -> Code<'a> {
        if self.is_constant(expr) {
            let mut frame = Frame::new(self.compose, self.inference);
            let before = self.evaluator.diagnostics.len();
            match self.evaluator.expr(&mut frame, expr) {
                Ok(value) => return Code::Constant(value),
                // Told with each request, if it comes to that.
                Err(Failed) => self.evaluator.diagnostics.truncate(before),
            }
        }
        match &expr.kind {
            ExprKind::Name(name)
                if self.inference.resolutions.get(&expr.id) == Some(&Resolution::Local) =>
            {
                if let Some(slot) = self.slot(name) {
                    if let Some((number, _)) = self.scope[slot].given {
                        self.read[number] = true;
                    }
                    return Code::Local(slot);
                }
            }
            ExprKind::Field { base, name, optional: false } => {
                if let ExprKind::Name(word) = &base.kind
                    && self.inference.resolutions.get(&base.id) == Some(&Resolution::Local)
                    && !matches!(
                        self.inference.resolutions.get(&expr.id),
                        Some(Resolution::UsedBy | Resolution::Uses)
                    )
                    && let Some(slot) = self.slot(word)
                    && self.scope[slot].is_request
                {
                    return Code::Field(&name.text, self.place(&name.text));
                }
            }
            ExprKind::Interpolated(parts) => {
                let mut pieces: Vec<(Name, Option<Code<'a>>)> = Vec::new();
                for part in parts {
                    match part {
                        StringPart::Text(text) => pieces.push((text.clone(), None)),
                        StringPart::Value(value) => {
                            let code = self.code(value);
                            match pieces.last_mut() {
                                Some((_, gap @ None)) => *gap = Some(code),
                                _ => pieces.push((Name::default(), Some(code))),
                            }
                        }
                    }
                }
                return Code::Text(pieces, self.origin(expr.id));
            }
            ExprKind::Call { callee, args }
                if self.inference.resolutions.get(&callee.id) == Some(&Resolution::Initial) =>
            {
                if let [value, _] = args.as_slice() {
                    let code = self.code(&value.value);
                    return Code::Initial(Box::new(code), self.origin(expr.id));
                }
            }
            ExprKind::Binary {
                op:
                    op @ (BinaryOp::Add
                    | BinaryOp::Subtract
                    | BinaryOp::Multiply
                    | BinaryOp::Divide
                    | BinaryOp::Remainder),
                left,
                right,
            } => {
                let both = Box::new([self.code(left), self.code(right)]);
                return Code::Arithmetic(*op, both, self.origin(expr.id));
            }
            _ => {}
        }
        self.reads(expr);
        Code::Any(expr)
    }

    /// Whether an expression has the same value for every request.
    fn is_constant(&self, expr: &'a Expr) -> bool {
        let mut constant = true;
        crate::eval::walk(expr, &mut |inner| {
            let resolution = self.inference.resolutions.get(&inner.id);
            constant &= match (&inner.kind, resolution) {
                (_, Some(Resolution::UsedBy | Resolution::Uses | Resolution::Initial)) => false,
                (_, Some(Resolution::Item(of))) => matches!(of.kind(self.db), Kind::Let | Kind::Fn),
                (ExprKind::Name(_), Some(it)) => {
                    matches!(
                        it,
                        Resolution::Environment | Resolution::Builtin(_) | Resolution::File
                    )
                }
                (ExprKind::Name(_), None) => false,
                _ => true,
            };
        });
        constant
    }

    /// Whether an expression that has a value is never `none`. Where that is not seen, it may be.
    fn is_certain(&self, expr: &'a Expr) -> bool {
        match &expr.kind {
            ExprKind::Literal(literal) => !matches!(literal, Literal::None),
            ExprKind::Interpolated(_)
            | ExprKind::Record(_)
            | ExprKind::Named { .. }
            | ExprKind::List(_)
            | ExprKind::ListFor { .. }
            | ExprKind::Unary { .. } => true,
            ExprKind::Binary { op: BinaryOp::Otherwise, right, .. } => self.is_certain(right),
            ExprKind::Binary { .. } => true,
            ExprKind::If { then, otherwise, .. } => {
                self.is_certain(then) && self.is_certain(otherwise)
            }
            ExprKind::Match { arms, .. } => arms.iter().all(|arm| self.is_certain(&arm.value)),
            ExprKind::Name(name) => {
                self.inference.resolutions.get(&expr.id) == Some(&Resolution::Local)
                    && self.slot(name).is_some_and(|slot| self.scope[slot].certain)
            }
            ExprKind::Field { base, name, optional: false } => match &base.kind {
                ExprKind::Name(word)
                    if self.inference.resolutions.get(&base.id) == Some(&Resolution::Local) =>
                {
                    self.slot(word).is_some_and(|slot| self.scope[slot].is_request)
                        && self.is_certain_field(&name.text)
                }
                ExprKind::Name(_) => {
                    self.inference.resolutions.get(&base.id) == Some(&Resolution::Environment)
                        && name.text == "name"
                }
                _ => false,
            },
            ExprKind::Call { callee, args } => match self.inference.resolutions.get(&callee.id) {
                Some(Resolution::Item(function)) => signature(self.db, self.workspace, *function)
                    .as_ref()
                    .is_some_and(|(_, result)| !result.is_optional()),
                Some(Resolution::Initial) => {
                    args.first().is_some_and(|value| self.is_certain(&value.value))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Where a request keeps a field: those that are built in come first.
    fn place(&self, name: &Name) -> usize {
        let fields = &schema(self.db, self.workspace, self.schema).fields;
        let own = fields.iter().position(|field| field.name == *name);
        let built_in = || BUILT_IN_FIELDS.iter().position(|built_in| built_in == name);
        // Of `after` nothing is kept.
        own.map(|at| at + BUILT_IN_FIELDS.len() - 1).or_else(built_in).unwrap_or_default()
    }

    fn is_certain_field(&self, name: &Name) -> bool {
        match schema(self.db, self.workspace, self.schema).field(name) {
            Some(Field { ty, .. }) => !ty.is_optional(),
            None => matches!(name.as_str(), "name" | "namespace" | "labels" | "annotations"),
        }
    }

    // Text.

    /// A field of a record that is in `depth` others and whose keys stand at `column`.
    fn field(
        &mut self,
        writer: &mut Writer<'a>,
        name: &Name,
        node: &Node<'a>,
        column: usize,
        depth: usize,
        line: &mut Line,
    ) -> Laid<()> {
        let spot = Spot { column, place: Place::Key, depth: depth + 1 };
        match node {
            Node::Leaf { code, check, certain: false } => {
                // The line that it would begin is the next one's then.
                if line.is_begun {
                    return Err(Unplanned);
                }
                let mut before = Writer::new(self.notation);
                let mut first = Line { is_begun: false, comma: Comma::No };
                before.key(name, column, depth, &mut first)?;
                let Some(Part::Text(before)) = before.parts.pop() else { return Err(Unplanned) };
                writer.weight += 1;
                let (code, check, comma) = (code.clone(), check.clone(), line.comma);
                writer.parts.push(Part::Field { comma, before, code, check, spot });
                line.comma = line.comma.max(Comma::Maybe);
                Ok(())
            }
            _ => {
                writer.key(name, column, depth, line)?;
                self.value(writer, node, spot)
            }
        }
    }

    /// A value behind its key or dash, with the newline where its notation ends it with one.
    fn value(&mut self, writer: &mut Writer<'a>, node: &Node<'a>, spot: Spot) -> Laid<()> {
        let Spot { column, place, depth } = spot;
        let is_json = self.notation == Notation::Json;
        writer.weight += 1;
        match node {
            Node::Leaf { code: Code::Constant(value), .. } => {
                let mut text = String::new();
                self.notation.write(&mut text, value, spot);
                writer.weight += weight(value);
                writer.text(&text);
            }
            Node::Leaf { code, check, .. } => {
                let part = self.gap(code, check.as_ref(), spot);
                writer.parts.push(part);
            }
            Node::Record(fields) if fields.is_empty() => {
                writer.text(if is_json { "{}" } else { " {}\n" });
            }
            Node::Record(fields) => {
                let is_begun = place == Place::Dash && !is_json;
                let mut line = Line { is_begun, comma: Comma::No };
                match is_json {
                    true => writer.text("{"),
                    false => writer.text(if line.is_begun { " " } else { "\n" }),
                }
                for (name, node) in fields {
                    self.field(writer, name, node, column + 2, depth, &mut line)?;
                }
                writer.close(depth);
            }
            Node::List(elements) if elements.is_empty() => {
                writer.text(if is_json { "[]" } else { " []\n" });
            }
            Node::List(elements) if is_json => {
                for (at, element) in elements.iter().enumerate() {
                    writer.text(if at == 0 { "[" } else { "," });
                    writer.line(depth + 1);
                    self.value(writer, element, Spot { depth: depth + 1, ..spot })?;
                }
                writer.line(depth);
                writer.text("]");
            }
            Node::List(elements) => {
                let (inner, mut on_line) = match place {
                    Place::Dash => (column + 2, true),
                    _ => (column, false),
                };
                writer.text(if on_line { " " } else { "\n" });
                let spot = Spot { column: inner, place: Place::Dash, depth: depth + 1 };
                for element in elements {
                    if !std::mem::take(&mut on_line) {
                        writer.indent(inner);
                    }
                    writer.text("-");
                    self.value(writer, element, spot)?;
                }
            }
            Node::Loop { over, clause, body } => {
                // In a list, the first round would stand behind the dash.
                if place == Place::Dash {
                    return Err(Unplanned);
                }
                let mut inner = Writer::new(self.notation);
                match is_json {
                    true => inner.line(depth + 1),
                    false => {
                        inner.indent(column);
                        inner.text("-");
                    }
                }
                let spot = Spot { column, place: Place::Dash, depth: depth + 1 };
                self.value(&mut inner, body, spot)?;
                let (over, body) = (over.clone(), inner.done()?);
                writer.parts.push(Part::Loop { over, clause, body, depth });
            }
        }
        Ok(())
    }
}

fn namespace_key() -> &'static Name {
    static KEY: Name = Name::new_static("namespace");
    &KEY
}

/// Every expression of a statement.
fn statement_expressions<'a>(statement: &'a Statement, visit: &mut dyn FnMut(&'a Expr)) {
    let block = |block: &'a Block, visit: &mut dyn FnMut(&'a Expr)| {
        block.statements.iter().for_each(|it| statement_expressions(it, visit));
    };
    match &statement.kind {
        StatementKind::Let(it) => visit(&it.value),
        StatementKind::Emit { value, .. } | StatementKind::Output { value, .. } => visit(value),
        StatementKind::If(it) => {
            visit(&it.head.expr);
            block(&it.then, visit);
            it.otherwise.iter().for_each(|it| block(it, visit));
        }
        StatementKind::For { clause, body } => {
            visit(&clause.iter);
            block(body, visit);
        }
        StatementKind::Rule(rule) => {
            visit(&rule.condition);
            rule.otherwise.iter().for_each(visit);
        }
    }
}

/// Sets a node at a path of keys. What is set twice is left to who merges values.
fn put<'a>(fields: &mut Vec<(Name, Node<'a>)>, keys: &[&'a Name], node: Node<'a>) -> Laid<()> {
    let Some((key, rest)) = keys.split_first() else { return Err(Unplanned) };
    let there = fields.iter_mut().find(|(name, _)| name == *key);
    match (there, rest.is_empty(), node) {
        (None, true, node) => fields.push(((*key).clone(), node)),
        (None, false, node) => {
            let mut inner = Vec::new();
            put(&mut inner, rest, node)?;
            fields.push(((*key).clone(), Node::Record(inner)));
        }
        (Some((_, Node::Record(inner))), false, node) => put(inner, rest, node)?,
        (Some((_, Node::Record(inner))), true, Node::Record(added)) => {
            for (name, node) in added {
                if inner.iter().any(|(known, _)| *known == name) {
                    return Err(Unplanned);
                }
                inner.push((name, node));
            }
        }
        _ => return Err(Unplanned),
    }
    Ok(())
}

/// What is at a path of keys.
fn at<'n, 'a>(fields: &'n [(Name, Node<'a>)], path: &[&str]) -> Laid<Option<&'n Node<'a>>> {
    let Some((first, rest)) = path.split_first() else { return Err(Unplanned) };
    let Some((_, node)) = fields.iter().find(|(name, _)| name == first) else { return Ok(None) };
    match (rest, node) {
        ([], node) => Ok(Some(node)),
        (_, Node::Record(inner)) => at(inner, rest),
        // What is inside is known with each request only.
        _ => Err(Unplanned),
    }
}

/// The values in a value.
fn weight(value: &Value) -> u64 {
    match &value.data {
        Data::Record(record) => record.fields.values().map(|it| 1 + weight(it)).sum(),
        Data::List(elements) => elements.iter().map(|it| 1 + weight(it)).sum(),
        _ => 1,
    }
}

/// Whether a value whose type was checked where it is written needs no look: no condition is in the type,
/// and nothing is filled in.
fn is_settled(ty: &Ty) -> bool {
    match ty {
        Ty::Bool
        | Ty::Int
        | Ty::Float
        | Ty::String
        | Ty::Quantity
        | Ty::Duration
        | Ty::Literal(_) => true,
        Ty::Optional(inner) => is_settled(inner),
        Ty::Union(arms) => arms.iter().all(is_settled),
        _ => false,
    }
}

impl Node<'_> {
    /// Whether it is there for every request.
    fn is_certain(&self) -> bool {
        !matches!(self, Node::Leaf { certain: false, .. })
    }

    /// Whether it means the same in a place with more names around it, and cannot fail.
    fn is_movable(&self) -> bool {
        match self {
            Node::Record(fields) => fields.iter().all(|(_, node)| node.is_movable()),
            Node::List(elements) => elements.iter().all(Node::is_movable),
            Node::Loop { .. } => false,
            Node::Leaf { code, .. } => code.is_movable(),
        }
    }
}

impl Code<'_> {
    fn is_movable(&self) -> bool {
        match self {
            Code::Constant(_) | Code::Local(_) => true,
            // That nothing says a namespace is told of the let that reads it.
            Code::Field(name, _) => *name != "namespace",
            Code::Text(pieces, _) => {
                pieces.iter().all(|(_, code)| code.iter().all(Code::is_movable))
            }
            Code::Initial(..) | Code::Arithmetic(..) | Code::Any(_) => false,
        }
    }
}

/// Where the next field of a record goes.
struct Line {
    /// Its line is begun, by a dash.
    is_begun: bool,
    comma: Comma,
}

/// Joins what is known into text.
struct Writer<'a> {
    notation: Notation,
    parts: Vec<Part<'a>>,
    weight: u64,
}

impl<'a> Writer<'a> {
    fn new(notation: Notation) -> Self {
        Writer { notation, parts: Vec::new(), weight: 0 }
    }

    fn text(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    fn indent(&mut self, column: usize) {
        self.text(&" ".repeat(column));
    }

    /// Begins a line of JSON.
    fn line(&mut self, depth: usize) {
        self.text("\n");
        self.indent(2 * depth);
    }

    /// A record begins that has a field, behind its key.
    fn open(&mut self) {
        self.text(match self.notation {
            Notation::Yaml => "\n",
            Notation::Json => "{",
        });
    }

    /// A record ends that has a field.
    fn close(&mut self, depth: usize) {
        if self.notation == Notation::Json {
            self.line(depth);
            self.text("}");
        }
    }

    /// The key of a field that is there.
    fn key(&mut self, name: &Name, column: usize, depth: usize, line: &mut Line) -> Laid<()> {
        let mut text = String::new();
        match self.notation {
            Notation::Yaml => {
                if !std::mem::take(&mut line.is_begun) {
                    text.push_str(&" ".repeat(column));
                }
                yaml::write_key(&mut text, name).ok_or(Unplanned)?;
                text.push(':');
            }
            Notation::Json => {
                line.is_begun = false;
                match std::mem::replace(&mut line.comma, Comma::Yes) {
                    Comma::No => {}
                    Comma::Maybe => self.parts.push(Part::Comma),
                    Comma::Yes => self.text(","),
                }
                self.line(depth + 1);
                json::write_string(&mut text, name);
                text.push_str(": ");
            }
        }
        self.text(&text);
        Ok(())
    }

    fn done(self) -> Laid<Layout<'a>> {
        let text = |part: &Part<'a>| match part {
            Part::Text(text) => text.len(),
            _ => 0,
        };
        if self.parts.iter().map(text).sum::<usize>() > MAX_TEXT {
            return Err(Unplanned);
        }
        Ok(Layout { parts: self.parts, weight: self.weight })
    }
}
