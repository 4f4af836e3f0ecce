//! Compositions as plans: the text of the manifests that they emit, with gaps for what each request
//! decides.
//!
//! A composition was checked against the types of Kubernetes when it was written, and most of what it
//! emits is the same for every request. So for each environment its emits are laid out once: keys,
//! indents, constants and what the environment says become text, and only the gaps are evaluated, checked
//! and printed for each request.
//!
//! A plan is a shortcut and never the last word. It gives the manifests of a request only where nothing
//! at all is to be said of it; at the first sign of anything else (a value that is refused, advice, a
//! budget that could run short, a construct that is not laid out) it steps aside, and
//! [`objects`](crate::objects) makes the same request with everything that messages need. Where it speaks, it
//! says what these would print: the tests hold both against each other.

mod lay;
mod run;

use crate::db::Db;
use crate::eval::{Composed, Evaluator, Frame, MAX_BYTES, Shared};
use crate::infer::Inference;
use crate::json;
use crate::objects::{Emission, Object, Scaling};
use crate::source::{ItemId, Workspace};
use crate::syntax::ast::{BinaryOp, Expr, ForClause, Name, NodeId, Statement};
use crate::types::Ty;
use crate::value::{Data, Origin, Tag, Value};
use crate::yaml::{self, Place};
use run::Runner;
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::rc::Rc;

/// How documents are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notation {
    /// YAML, each document behind its `---` line.
    Yaml,
    /// JSON with line breaks. What stands between documents is the matter of who prints them.
    Json,
}

impl Notation {
    /// Writes a document, with what stands before it.
    pub fn write_document(self, out: &mut String, value: &Value) {
        out.push_str(self.separator());
        match self {
            Notation::Yaml => yaml::write_document(out, value),
            Notation::Json => json::write(out, value, true),
        }
    }

    fn separator(self) -> &'static str {
        match self {
            Notation::Yaml => "---\n",
            Notation::Json => "",
        }
    }

    fn write(self, out: &mut String, value: &Value, spot: Spot) {
        match self {
            Notation::Yaml => yaml::write_at(out, value, spot.column, spot.place),
            Notation::Json => json::write_at(out, value, spot.depth),
        }
    }

    /// The bytes that a plan may write: what is certainly less than [`MAX_BYTES`] of YAML. A line of YAML has
    /// an indent that a line in a text of JSON has not.
    fn room(self) -> usize {
        match self {
            Notation::Yaml => MAX_BYTES / 2,
            Notation::Json => MAX_BYTES / 256,
        }
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Spot {
    /// The column of its key or dash, in YAML.
    column: usize,
    place: Place,
    /// The records and lists that it is in.
    depth: usize,
}

/// How many steps of evaluation a part of a plan stands for, at most: each part of a literal is evaluated,
/// set and completed.
const STEPS_A_PART: u64 = 8;

/// Makes the manifests of the requests of an environment as text, one request after the other. It keeps
/// the plans of their compositions, and nothing of what it made.
pub struct Planned<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    environment: ItemId,
    notation: Notation,
    shared: Rc<Shared<'a>>,
    /// By schema.
    plans: FxHashMap<ItemId, Option<Plan<'a>>>,
    written: Written,
}

/// The fields of the request at hand as they were written, by the plan's number for each: most stand in
/// several places.
#[derive(Default)]
struct Written {
    text: String,
    fields: Vec<WrittenField>,
}

#[derive(Clone, Default)]
struct WrittenField {
    /// Where its line is in the text, if it is one line.
    range: Option<Range<usize>>,
    /// It may be the value of a label.
    is_label: bool,
}

impl<'a> Planned<'a> {
    /// Of an environment.
    pub fn new(
        db: &'a dyn Db,
        workspace: Workspace,
        environment: ItemId,
        notation: Notation,
    ) -> Self {
        Planned::sharing(Shared::new(db, workspace), db, workspace, environment, notation)
    }

    /// The same with what others asked already.
    pub(crate) fn sharing(
        shared: Rc<Shared<'a>>,
        db: &'a dyn Db,
        workspace: Workspace,
        environment: ItemId,
        notation: Notation,
    ) -> Self {
        let (plans, written) = Default::default();
        Planned { db, workspace, environment, notation, shared, plans, written }
    }

    /// Writes the manifests of a request whose complete value this is, each as a document;
    /// what is to be known of them, in the order of emission. `None`, and nothing is written: ask
    /// [`objects`](crate::objects::objects), which has something to say or knows how.
    pub fn text(&mut self, request: ItemId, value: &Value, out: &mut String) -> Option<Vec<Made>> {
        let (db, workspace, notation) = (self.db, self.workspace, self.notation);
        let Data::Record(record) = &value.data else { return None };
        let Tag::Schema(schema_id) = record.tag else { return None };
        let plan = self
            .plans
            .entry(schema_id)
            .or_insert_with(|| Plan::new(db, workspace, schema_id, self.environment, notation))
            .as_ref()?;
        let subject = Origin { item: request, node: NodeId(0) };
        let mut evaluator = Evaluator::of(self.shared.clone(), Some(self.environment), subject);
        evaluator.request = Some(request);
        let composed = Composed { compose: plan.compose, value: value.clone() };
        evaluator.composed.push(composed.clone());
        let mut emission = Emission::new(composed);
        let mut frame = Frame::new(plan.compose, plan.inference);
        frame.locals.push((plan.binder.clone(), value.clone()));
        let start = out.len();
        self.written.text.clear();
        self.written.fields.clear();
        self.written.fields.resize_with(plan.fields.len(), Default::default);
        let mut runner = Runner {
            evaluator: &mut evaluator,
            emission: &mut emission,
            frame: &mut frame,
            out,
            start,
            notation,
            made: Vec::with_capacity(plan.steps.len()),
            plan,
            written: &mut self.written,
            namespace: None,
            cost: 0,
        };
        if runner.run().is_err() {
            out.truncate(start);
            return None;
        }
        Some(runner.made)
    }
}

/// What a composition does in an environment.
struct Plan<'a> {
    compose: ItemId,
    inference: &'a Inference,
    /// What the request is called.
    binder: &'a Name,
    steps: Vec<Step<'a>>,
    /// The fields of the request that are written as they are.
    fields: Vec<OwnField<'a>>,
    /// Which lets are evaluated, by [`Step::Let`]'s number; the others were laid out wherever they are
    /// named.
    read: Vec<bool>,
}

/// A field of the request, with the place it has there, see [`Planner::place`], and the type that it is
/// checked against.
#[derive(PartialEq)]
struct OwnField<'a> {
    name: &'a Name,
    place: usize,
    check: Option<Ty>,
}

enum Step<'a> {
    /// Its value is bound whether it is read or not, so that the places of locals are known.
    Let {
        number: usize,
        name: &'a Name,
        code: Code<'a>,
    },
    /// Where it holds, or where what is bound is there.
    If {
        bind: Option<&'a Name>,
        code: Code<'a>,
        then: Vec<Step<'a>>,
        otherwise: Vec<Step<'a>>,
    },
    Emit(Box<Template<'a>>),
    /// What is not laid out, run as it is written.
    Other(&'a Statement),
}

/// An `emit` of an object whose fields are known.
struct Template<'a> {
    kind: plumb_kubernetes::KindId,
    facts: &'static plumb_kubernetes::Kind,
    origin: Origin,
    name: Code<'a>,
    /// The number of replicas, unless it is left to its owner.
    replicas: Option<Code<'a>>,
    /// Version, kind and name of what an autoscaler scales.
    scales: Option<[Option<Code<'a>>; 3]>,
    text: Layout<'a>,
}

/// Text with gaps.
struct Layout<'a> {
    parts: Vec<Part<'a>>,
    /// The parts of the literals that it was made of: what a round through it costs.
    weight: u64,
}

/// Whether a comma stands before a field, in JSON: whether another does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Comma {
    No,
    Maybe,
    Yes,
}

enum Part<'a> {
    Text(String),
    /// A value that is there.
    Value {
        code: Code<'a>,
        check: Option<Ty>,
        spot: Spot,
    },
    /// A field that may be absent, with the text before its value.
    Field {
        comma: Comma,
        before: String,
        code: Code<'a>,
        check: Option<Ty>,
        spot: Spot,
    },
    /// The value of a label.
    Label {
        code: Code<'a>,
        spot: Spot,
    },
    /// Before a field that others may stand before.
    Comma,
    /// A field of the request, by its number in the plan, that is there.
    Own {
        field: usize,
        is_label: bool,
        spot: Spot,
    },
    /// An element for each round.
    Loop {
        over: Code<'a>,
        clause: &'a ForClause,
        body: Layout<'a>,
        depth: usize,
    },
    /// The request's labels or annotations that the object does not set itself; `own`: its own, whose
    /// text stands before; `None`: it has none.
    Inherited {
        key: &'static str,
        own: Option<Vec<Name>>,
    },
}

/// An expression made ready.
#[derive(Clone)]
enum Code<'a> {
    Constant(Value),
    /// A local, by its place.
    Local(usize),
    /// A field of the request, with the place it has there, see [`Planner::place`].
    Field(&'a Name, usize),
    /// A text with values in it.
    Text(Vec<(Name, Option<Code<'a>>)>, Origin),
    /// `initial(…)`, whose origin shows that the value is left to its owner.
    Initial(Box<Code<'a>>, Origin),
    /// Two numbers or amounts.
    Arithmetic(BinaryOp, Box<[Code<'a>; 2]>, Origin),
    /// Anything else.
    Any(&'a Expr),
}

/// What is to be known of a manifest whose text is written.
#[derive(Clone, PartialEq, Debug)]
pub struct Made {
    /// What it is.
    pub kind: plumb_kubernetes::KindId,
    /// Its namespace; `None` where its kind has none.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
    /// The `emit` that made it.
    pub origin: Origin,
    /// What it says of replicas.
    pub scaling: Scaling,
    /// Where its text ends in that of its request.
    pub end: usize,
}

impl Made {
    /// Of an object that was made as a value, whose text ends there.
    pub fn of(db: &dyn Db, workspace: Workspace, object: &Object, end: usize) -> Self {
        Made {
            kind: object.kind,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            origin: object.origin,
            scaling: Scaling::of(db, workspace, object),
            end,
        }
    }
}
