//! From a plan and a request to text.

use super::{
    Code, Comma, Layout, Made, Notation, OwnField, Part, Plan, STEPS_A_PART, Spot, Step, Template,
    Written,
};
use crate::allow::namespace_problem;
use crate::builtins::scalar_text;
use crate::eval::{Eval, Evaluator, Failed, Frame, MAX_BYTES, MAX_STEPS, bind};
use crate::json;
use crate::objects::{
    Emission, Object, Scaling, fixed, label_value, name_problem, qualified_name, scaled,
};
use crate::syntax::ast::{Name, StatementKind};
use crate::types::{BUILT_IN_FIELDS, Ty};
use crate::value::{Data, Fields, Value};
use crate::yaml::{self, Place};

/// Runs a plan for one request.
pub(super) struct Runner<'r, 'a> {
    pub(super) evaluator: &'r mut Evaluator<'a>,
    pub(super) emission: &'r mut Emission,
    pub(super) frame: &'r mut Frame<'a>,
    pub(super) out: &'r mut String,
    /// Where the text of the request begins.
    pub(super) start: usize,
    pub(super) notation: Notation,
    pub(super) made: Vec<Made>,
    pub(super) plan: &'r Plan<'a>,
    pub(super) written: &'r mut Written,
    /// The request's namespace, once an object went into it.
    pub(super) namespace: Option<Name>,
    /// The parts that were run.
    pub(super) cost: u64,
}

impl<'a> Runner<'_, 'a> {
    /// `Err`: something is to be said, or may be.
    pub(super) fn run(&mut self) -> Eval<()> {
        self.steps(&self.plan.steps)?;
        let steps = self.cost.saturating_mul(STEPS_A_PART) + self.evaluator.steps();
        let clean = self.evaluator.diagnostics.is_empty() && !self.emission.failed;
        let small = steps <= MAX_STEPS && self.out.len() - self.start <= self.notation.room();
        if clean && small { Ok(()) } else { Err(Failed) }
    }

    fn steps(&mut self, steps: &[Step<'a>]) -> Eval<()> {
        let before = self.frame.locals.len();
        for step in steps {
            match step {
                Step::Let { number, name, code } => {
                    let value = match self.plan.read[*number] {
                        true => self.value(code)?,
                        false => Value::new(Data::None, self.evaluator.subject),
                    };
                    self.frame.locals.push(((*name).clone(), value));
                }
                Step::If { bind, code, then, otherwise } => {
                    let inner = self.frame.locals.len();
                    let value = self.value(code)?;
                    let holds = match (bind, &value.data) {
                        (None, Data::Bool(holds)) => *holds,
                        (None, _) => return Err(Failed),
                        (Some(_), Data::None) => false,
                        (Some(bind), _) => {
                            self.frame.locals.push(((*bind).clone(), value));
                            true
                        }
                    };
                    self.steps(if holds { then } else { otherwise })?;
                    self.frame.locals.truncate(inner);
                }
                Step::Emit(template) => self.emit(template)?,
                Step::Other(statement) => {
                    let locals = self.frame.locals.len();
                    self.emission.statement(self.evaluator, self.frame, statement);
                    let bound = matches!(
                        statement.kind,
                        StatementKind::Let(_) | StatementKind::Emit { bind: Some(_), .. }
                    );
                    if self.emission.failed
                        || self.frame.locals.len() != locals + usize::from(bound)
                    {
                        return Err(Failed);
                    }
                    for object in std::mem::take(&mut self.emission.emitted) {
                        self.write(&object);
                    }
                }
            }
        }
        self.frame.locals.truncate(before);
        Ok(())
    }

    fn write(&mut self, object: &Object) {
        self.notation.write_document(self.out, &object.value);
        let (db, workspace) = (self.evaluator.db, self.evaluator.workspace);
        self.made.push(Made::of(db, workspace, object, self.out.len() - self.start));
    }

    fn emit(&mut self, template: &Template<'a>) -> Eval<()> {
        let (db, workspace) = (self.evaluator.db, self.evaluator.workspace);
        let Data::String(name) = self.value(&template.name)?.data else { return Err(Failed) };
        if name_problem(template.facts, &name).is_some() {
            return Err(Failed);
        }
        let namespace = match template.facts.namespaced {
            false => None,
            true => Some(self.namespace()?),
        };
        let mut scaling = Scaling::default();
        if let Some(code) = &template.replicas {
            scaling.fixed = fixed(db, workspace, template.origin, &self.value(code)?);
        }
        if let Some([version, kind, name]) = &template.scales {
            let mut part =
                |code: &Option<Code<'a>>| code.as_ref().map(|code| self.value(code)).transpose();
            scaling.scales = Some(scaled([part(version)?, part(kind)?, part(name)?]));
        }
        self.out.push_str(self.notation.separator());
        self.layout(&template.text)?;
        let end = self.out.len() - self.start;
        let (kind, origin) = (template.kind, template.origin);
        self.made.push(Made { kind, namespace, name, origin, scaling, end });
        Ok(())
    }

    /// The request's namespace, which it may use.
    fn namespace(&mut self) -> Eval<Name> {
        if let Some(known) = &self.namespace {
            return Ok(known.clone());
        }
        let request = &self.frame.locals.first().ok_or(Failed)?.1;
        let value = request.fields().and_then(|fields| fields.get_near(1, "namespace"));
        let Some(Value { data: Data::String(text), .. }) = value else { return Err(Failed) };
        let (db, workspace) = (self.evaluator.db, self.evaluator.workspace);
        if let Some(request) = self.evaluator.request
            && namespace_problem(db, workspace, request, text).is_some()
        {
            return Err(Failed);
        }
        self.namespace = Some(text.clone());
        Ok(text.clone())
    }

    fn layout(&mut self, layout: &Layout<'a>) -> Eval<()> {
        self.cost = self.cost.saturating_add(layout.weight);
        if self.cost.saturating_mul(STEPS_A_PART) > MAX_STEPS
            || self.out.len() - self.start > self.notation.room()
        {
            return Err(Failed);
        }
        for part in &layout.parts {
            match part {
                Part::Text(text) => self.out.push_str(text),
                Part::Value { code: Code::Local(slot), check: None, spot } => {
                    let (_, value) = self.frame.locals.get(*slot).ok_or(Failed)?;
                    if value.is_none() {
                        return Err(Failed);
                    }
                    self.notation.write(self.out, value, *spot);
                }
                Part::Value { code, check, spot } => {
                    let value = self.checked(code, check.as_ref())?;
                    if value.is_none() {
                        return Err(Failed);
                    }
                    self.notation.write(self.out, &value, *spot);
                }
                Part::Field { comma, before, code, check, spot } => {
                    let value = self.checked(code, check.as_ref())?;
                    if !value.is_none() {
                        self.comma(*comma);
                        self.out.push_str(before);
                        self.notation.write(self.out, &value, *spot);
                    }
                }
                Part::Label { code, spot } => {
                    let value = self.value(code)?;
                    match &value.data {
                        Data::String(text) if label_value(text).is_ok() => {}
                        _ => return Err(Failed),
                    }
                    self.notation.write(self.out, &value, *spot);
                }
                Part::Comma => self.comma(Comma::Maybe),
                Part::Own { field, is_label, spot } => self.own(*field, *is_label, *spot)?,
                Part::Loop { over, clause, body, depth } => {
                    let over = self.value(over)?;
                    let rounds = self.evaluator.rounds_of(&over)?;
                    let is_json = self.notation == Notation::Json;
                    if rounds.is_empty() {
                        self.out.push_str(if is_json { "[]" } else { " []\n" });
                        continue;
                    }
                    self.out.push(if is_json { '[' } else { '\n' });
                    let before = self.frame.locals.len();
                    for round in rounds {
                        self.comma(Comma::Maybe);
                        bind(self.frame, clause, round);
                        self.layout(body)?;
                        self.frame.locals.truncate(before);
                    }
                    if is_json {
                        self.line(*depth);
                        self.out.push(']');
                    }
                }
                Part::Inherited { key, own } => self.inherited(key, own.as_deref())?,
            }
        }
        Ok(())
    }

    /// Writes the comma before a field or element, where the notation has one and another stands before.
    fn comma(&mut self, comma: Comma) {
        let stands = match comma {
            Comma::No => false,
            // What ends with a bracket that opens is no value.
            Comma::Maybe => !self.out.ends_with(['{', '[']),
            Comma::Yes => true,
        };
        if self.notation == Notation::Json && stands {
            self.out.push(',');
        }
    }

    /// Begins a line of JSON.
    fn line(&mut self, depth: usize) {
        self.out.push('\n');
        yaml::indent(self.out, 2 * depth);
    }

    /// Writes a field of the request, as it was written before where that is the same in every place.
    fn own(&mut self, field: usize, is_label: bool, spot: Spot) -> Eval<()> {
        let known = &self.written.fields[field];
        if let Some(range) = &known.range
            && (known.is_label || !is_label)
        {
            self.out.push_str(&self.written.text[range.clone()]);
            return Ok(());
        }
        let OwnField { name, place: at, check } = &self.plan.fields[field];
        let value = self.checked(&Code::Field(name, *at), check.as_ref())?;
        if value.is_none() {
            return Err(Failed);
        }
        if is_label {
            match &value.data {
                Data::String(text) if label_value(text).is_ok() => {}
                _ => return Err(Failed),
            }
            self.written.fields[field].is_label = true;
        }
        let start = self.written.text.len();
        self.notation.write(&mut self.written.text, &value, spot);
        let line = &self.written.text[start..];
        if line.find('\n').is_none_or(|end| end == line.len() - 1) {
            self.out.push_str(line);
            self.written.fields[field].range = Some(start..self.written.text.len());
        } else {
            self.written.text.truncate(start);
            self.notation.write(self.out, &value, spot);
        }
        Ok(())
    }

    fn inherited(&mut self, key: &'static str, own: Option<&[Name]>) -> Eval<()> {
        let request = &self.frame.locals.first().ok_or(Failed)?.1;
        let place = BUILT_IN_FIELDS.iter().position(|it| *it == key).unwrap_or_default();
        let given = request.fields().and_then(|fields| fields.get_near(place, key));
        let given = given.and_then(Value::fields);
        let Some(given) = given else { return Ok(()) };
        if given.is_empty() {
            return Ok(());
        }
        let own_keys = own.unwrap_or_default();
        let mut fields = Fields::default();
        for (name, value) in given {
            if own_keys.contains(name) {
                continue;
            }
            let Data::String(text) = &value.data else { return Err(Failed) };
            if qualified_name(name).is_err() || key == "labels" && label_value(text).is_err() {
                return Err(Failed);
            }
            fields.insert(name.clone(), value.clone());
        }
        if fields.is_empty() {
            return Ok(());
        }
        let spot = Spot { column: 2, place: Place::Key, depth: 2 };
        match (self.notation, own) {
            (Notation::Yaml, None) => {
                self.out.push_str("  ");
                self.out.push_str(key);
                self.out.push(':');
                let value = Value::record(fields, request.origin);
                self.notation.write(self.out, &value, spot);
            }
            (Notation::Yaml, Some(_)) => {
                // The text of its own ends a line, and the first line of these is their key's.
                let mut text = String::new();
                let value = Value::record(fields, request.origin);
                self.notation.write(&mut text, &value, spot);
                self.out.push_str(text.strip_prefix('\n').unwrap_or(&text));
            }
            (Notation::Json, None) => {
                let value = Value::record(fields, request.origin);
                self.out.push(',');
                self.line(2);
                json::write_string(self.out, key);
                self.out.push_str(": ");
                self.notation.write(self.out, &value, spot);
            }
            (Notation::Json, Some(_)) => {
                for (name, value) in &fields {
                    self.out.push(',');
                    self.line(3);
                    json::write_string(self.out, name);
                    self.out.push_str(": ");
                    self.notation.write(self.out, value, Spot { depth: 3, ..spot });
                }
            }
        }
        Ok(())
    }

    fn checked(&mut self, code: &Code<'a>, check: Option<&Ty>) -> Eval<Value> {
        let value = self.value(code)?;
        match check {
            Some(ty) if !value.is_none() => self.evaluator.complete(value, ty, ""),
            _ => Ok(value),
        }
    }

    fn value(&mut self, code: &Code<'a>) -> Eval<Value> {
        match code {
            Code::Constant(value) => Ok(value.clone()),
            Code::Local(slot) => self.frame.locals.get(*slot).map(|it| it.1.clone()).ok_or(Failed),
            Code::Field(name, place) => {
                let request = &self.frame.locals.first().ok_or(Failed)?.1;
                let found = request.fields().and_then(|fields| fields.get_near(*place, name));
                let found = found.ok_or(Failed)?;
                // A namespace that nobody says is a mistake of who reads it.
                if found.is_none() && name.as_str() == "namespace" {
                    return Err(Failed);
                }
                Ok(found.clone())
            }
            Code::Text(pieces, origin) => {
                let mut text = String::new();
                for (before, gap) in pieces {
                    text.push_str(before);
                    if let Some(code) = gap {
                        let value = self.value(code)?;
                        text.push_str(&scalar_text(&value.data).ok_or(Failed)?);
                    }
                    if text.len() > MAX_BYTES / 2 {
                        return Err(Failed);
                    }
                }
                self.cost = self.cost.saturating_add((text.len() / 64) as u64);
                Ok(Value::new(Data::String(text.into()), *origin))
            }
            Code::Initial(code, origin) => {
                let mut value = self.value(code)?;
                if !value.is_none() {
                    value.origin = *origin;
                }
                Ok(value)
            }
            Code::Arithmetic(op, both, origin) => {
                self.cost = self.cost.saturating_add(1);
                let (a, b) = (self.value(&both[0])?, self.value(&both[1])?);
                match self.evaluator.arithmetic(*op, &a.data, &b.data) {
                    // These may be large, and are charged for.
                    Ok(Data::String(_) | Data::List(_)) | Err(_) => Err(Failed),
                    Ok(data) => Ok(Value::new(data, *origin)),
                }
            }
            Code::Any(expr) => self.evaluator.expr(self.frame, expr),
        }
    }
}
