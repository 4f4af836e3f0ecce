//! Random workspaces, three of four of them sound.

use crate::model::{
    Composition, Condition, Defaults, Entry, EntryKind, Environment, Expression, Field, Let, Made,
    Operation, Overlay, Piece, Quantity, Request, Said, Schema, Statement, Step, Team, Type, Value,
    Workspace,
};
use crate::predict::{is_platform_sound, predict};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// Decisions at random.
pub(crate) struct Dice(pub TestRng);

impl Dice {
    /// Those of the `index`th run of a seed.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&index.to_le_bytes());
        Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.0.next_u32() as usize) % count.max(1)
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// Some of them, in their order.
    fn some<T: Clone>(&mut self, all: &[T], percent: usize) -> Vec<T> {
        all.iter().filter(|_| self.chance(percent)).cloned().collect()
    }
}

const TEXTS: [&str; 12] = [
    "",
    "a",
    "b",
    "plain words",
    "yes",
    "1",
    "1e3",
    "on: # \"q\"",
    "$x \\",
    "é",
    "two\nlines",
    "-",
];
const KEYS: [&str; 4] = ["a", "b", "c", "x1"];
const ELEMENTS: [&str; 4] = ["a", "b", "proxy", "log"];
const CHOICES: [&str; 3] = ["small", "medium", "large"];
const REQUESTS: [&str; 4] = ["cart", "mail", "shop", "stock"];

/// Which layer an entry stands in.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Inside braces of a schema's default.
    Schema,
    /// `defaults` of what is requested.
    Defaults,
    /// `defaults` of what is inside others.
    Parts,
    /// A request or overlay of a team.
    Data(usize),
}

struct Generator<'d> {
    dice: &'d mut Dice,
    workspace: Workspace,
    /// Values that break conditions and requests that are not there may come up.
    wild: bool,
}

pub(crate) fn generate(dice: &mut Dice) -> Workspace {
    let mut generator = Generator { dice, workspace: Workspace::default(), wild: false };
    generator.environments();
    generator.schemas();
    generator.teams();
    generator.requests();
    generator.layers();
    generator.conditions();
    if generator.dice.chance(25) {
        generator.mistakes();
    }
    generator.workspace
}

/// Whether nothing is wrong in any environment; `None` where that is left open.
fn is_sound(workspace: &Workspace) -> Option<bool> {
    let mut sound = is_platform_sound(workspace);
    for environment in workspace.built() {
        sound &= predict(workspace, environment)?.blocked.is_empty();
    }
    Some(sound)
}

impl Generator<'_> {
    fn environments(&mut self) {
        let names = ["base", "dev", "prod", "prod-us", "prod-us-1"];
        let count = 2 + self.dice.below(4);
        for (index, name) in names.into_iter().take(count).enumerate() {
            let parent = (index > 0 && self.dice.chance(60)).then(|| self.dice.below(index));
            let domain = *self.dice.pick(&[None, Some("a.test"), Some("b.test")]);
            let tier = *self.dice.pick(&[None, Some("low"), Some("high")]);
            let is_abstract = index == 0 && self.dice.chance(30);
            let it = Environment { name, parent, is_abstract, domain, tier };
            self.workspace.environments.push(it);
        }
    }

    fn int(&mut self) -> Type {
        Type::Int(*self.dice.pick(&[None, Some((0, 50)), Some((-5, 20))]))
    }

    fn scalar(&mut self) -> Type {
        match self.dice.below(6) {
            0 => Type::Bool,
            1 | 2 => self.int(),
            3 => Type::Choice(CHOICES.to_vec()),
            4 => Type::Quantity(None),
            _ => Type::Text,
        }
    }

    fn maybe_optional(&mut self, ty: Type, percent: usize) -> Type {
        if self.dice.chance(percent) { Type::Optional(Box::new(ty)) } else { ty }
    }

    /// A field that may stand in schema number `schema`, by its name.
    fn field_type(&mut self, name: &str, schema: usize) -> Option<Type> {
        let (ty, optional) = match name {
            "count" | "depth" | "weight" => (self.int(), 15),
            "port" => (Type::Int(Some((1, 65535))), 0),
            "image" | "note" | "title" => (Type::Text, 30),
            "public" | "paused" => (Type::Bool, 10),
            "tier" => (Type::Choice(CHOICES.to_vec()), 20),
            "memory" => (Type::Quantity(None), 25),
            "disk" => (Type::Quantity(Some(Quantity { amount: 10, unit: "Gi" })), 25),
            "env" | "marks" => (Type::Map(Box::new(Type::Text)), 15),
            "sizes" => {
                let size = if self.dice.chance(60) { Type::Int(None) } else { self.int() };
                (Type::Map(Box::new(size)), 15)
            }
            "args" | "hosts" => (Type::List(Box::new(Type::Text)), 15),
            "ports" => (Type::List(Box::new(Type::Int(None))), 15),
            "sidecars" => (Type::Keyed(0), 15),
            "probe" if schema > 1 => (Type::Schema(1), 50),
            "limits" if schema > 2 => (Type::Schema(2), 50),
            "place" => {
                let inner = self.scalar();
                let fields = vec![
                    ("zone", Type::Text),
                    ("row", Type::Optional(Box::new(inner))),
                    ("tags", Type::Optional(Box::new(Type::Map(Box::new(Type::Text))))),
                ];
                (Type::Record(fields), 50)
            }
            _ => return None,
        };
        Some(self.maybe_optional(ty, optional))
    }

    fn schemas(&mut self) {
        let flat = [
            "count", "weight", "image", "note", "public", "tier", "memory", "env", "args", "sizes",
        ];
        let some = ["probe", "count", "title", "marks", "hosts", "disk", "place", "sizes"];
        let all = [
            "count", "depth", "weight", "port", "image", "note", "title", "public", "paused",
            "tier", "memory", "disk", "env", "marks", "sizes", "args", "hosts", "ports",
            "sidecars", "probe", "limits", "place",
        ];
        self.schema("Sidecar", &flat, 35, false);
        self.schema("Probe", &flat, 35, false);
        self.schema("Limits", &some, 45, false);
        let services = 1 + self.dice.below(3);
        for name in ["Store", "Web", "Job"].into_iter().take(services) {
            self.schema(name, &all, 30, true);
        }
    }

    fn schema(
        &mut self,
        name: &'static str,
        names: &[&'static str],
        percent: usize,
        composed: bool,
    ) {
        let schema = self.workspace.schemas.len();
        let mut fields = Vec::new();
        if name == "Sidecar" {
            fields.push(Field { name: "name", ty: Type::Text, default: None, sealed: false });
        }
        for name in self.dice.some(names, percent) {
            let Some(ty) = self.field_type(name, schema) else { continue };
            let wants = if ty.is_optional() { 25 } else { 75 };
            let default = if self.dice.chance(wants) { self.default(&ty, &fields) } else { None };
            let is_computed = matches!(default, Some(Said::Expression(Expression::Sibling(..))));
            let often = if is_computed { 30 } else { 5 };
            let sealed = ty.is_scalar() && default.is_some() && self.dice.chance(often);
            fields.push(Field { name, ty, default, sealed });
        }
        let composition = composed.then(|| self.composition(&fields));
        let mut schema =
            Schema { name, fields, seals: Vec::new(), conditions: Vec::new(), composition };
        if composed
            && self.dice.chance(10)
            && let Some(field) = schema
                .fields
                .iter()
                .find(|it| it.default.is_some() && it.ty == Type::Map(Box::new(Type::Text)))
        {
            let path = vec![Step::Field(field.name), Step::Key("owner")];
            let said = Said::Expression(Expression::Literal(Value::Text("platform".into())));
            let operation = Operation::Set;
            let kind = EntryKind::Set { path, operation, sealed: true, said };
            schema.seals.push(self.workspace.entry(kind));
        }
        if let Some(sizes) = schema.field("sizes").filter(|it| it.default.is_some())
            && let Some(computed) = self.computed(&schema.fields)
            && self.dice.chance(25)
        {
            let path = vec![Step::Field(sizes.name), Step::Key("owner")];
            let (operation, said) = (Operation::Set, Said::Expression(computed));
            let kind = EntryKind::Set { path, operation, sealed: true, said };
            schema.seals.push(self.workspace.entry(kind));
        }
        self.workspace.schemas.push(schema);
    }

    /// What is computed from another field.
    fn computed(&mut self, fields: &[Field]) -> Option<Expression> {
        let before = fields.iter().find(|it| it.ty == Type::Int(None))?;
        Some(Expression::Sibling(before.name, self.dice.below(3) as i64))
    }

    fn default(&mut self, ty: &Type, fields: &[Field]) -> Option<Said> {
        if *ty == Type::Int(None) && self.dice.chance(30) {
            return self.computed(fields).map(Said::Expression);
        }
        if *ty.base() == Type::Map(Box::new(Type::Int(None)))
            && self.dice.chance(60)
            && let Some(computed) = self.computed(fields)
        {
            let mut entries = Vec::new();
            for key in self.dice.some(&KEYS, 40) {
                let value = match self.dice.chance(60) {
                    true => computed.clone(),
                    false => Expression::Literal(self.literal(&Type::Int(None))?),
                };
                entries.push(self.set(
                    vec![Step::Key(key)],
                    Operation::Set,
                    Said::Expression(value),
                ));
            }
            return Some(Said::Braces(entries));
        }
        if *ty == Type::Text && self.dice.chance(20) {
            let at = *self.dice.pick(&["name", "domain", "tier"]);
            let pieces = vec![Piece::Plain("at-"), Piece::Environment(at)];
            return Some(Said::Expression(Expression::Text(pieces)));
        }
        match ty.base() {
            Type::Schema(schema) => {
                let needs = |it: &Field| it.default.is_none() && !it.ty.is_optional();
                if self.workspace.schemas[*schema].fields.iter().any(needs) {
                    return None;
                }
                let entries = if self.dice.chance(50) {
                    Vec::new()
                } else {
                    let ty = Type::Schema(*schema);
                    self.inside(&ty, Place::Schema, 1, false)
                };
                Some(Said::Braces(entries))
            }
            base => Some(Said::Expression(Expression::Literal(self.literal(&base.clone())?))),
        }
    }

    fn literal(&mut self, ty: &Type) -> Option<Value> {
        Some(match ty.base() {
            Type::Bool => Value::Bool(self.dice.chance(50)),
            Type::Int(range) => {
                let (least, most) = range.unwrap_or((-3, 9));
                let width = usize::try_from((most - least).min(30)).expect("ranges are not empty");
                match range {
                    Some(_) if self.wild && self.dice.chance(70) => {
                        Value::Int(*self.dice.pick(&[least - 1, most + 7]))
                    }
                    _ => Value::Int(least + self.dice.below(width + 1) as i64),
                }
            }
            Type::Text => Value::Text((*self.dice.pick(&TEXTS)).into()),
            Type::Choice(choices) => Value::Text((*self.dice.pick(choices)).into()),
            Type::Quantity(most) => {
                let amounts = [
                    (500, "m"),
                    (1500, "m"),
                    (2000, "m"),
                    (128, "Mi"),
                    (2048, "Mi"),
                    (1, "Gi"),
                    (3, "k"),
                    (1000, "M"),
                    (0, "Ki"),
                ];
                let over = most.is_some() && self.wild && self.dice.chance(70);
                let (amount, unit) = if over { (11, "Gi") } else { *self.dice.pick(&amounts) };
                Value::Quantity(Quantity { amount, unit })
            }
            Type::List(element) => {
                let count = self.dice.below(3);
                Value::List((0..count).filter_map(|_| self.literal(element)).collect())
            }
            Type::Map(value) => {
                let mut fields = Vec::new();
                for key in self.dice.some(&KEYS, 35) {
                    fields.push((key.to_string(), self.literal(value)?));
                }
                Value::Record(fields)
            }
            Type::Record(fields) => {
                let mut found = Vec::new();
                for (name, ty) in fields {
                    if !ty.is_optional() || self.dice.chance(40) {
                        found.push(((*name).to_string(), self.literal(ty)?));
                    }
                }
                Value::Record(found)
            }
            Type::Keyed(schema) => {
                let mut elements = Vec::new();
                for key in self.dice.some(&ELEMENTS, 35) {
                    elements.push(self.element(*schema, key)?);
                }
                Value::List(elements)
            }
            Type::Schema(_) | Type::Optional(_) => return None,
        })
    }

    /// An element of a keyed list as it is written in one: its key and some fields.
    fn element(&mut self, schema: usize, key: &str) -> Option<Value> {
        let mut fields = vec![("name".to_string(), Value::Text(key.into()))];
        for field in self.workspace.schemas[schema].fields.clone().into_iter().skip(1) {
            let needed = field.default.is_none() && !field.ty.is_optional();
            // What the platform writes is complete by itself.
            let often = if self.workspace.teams.is_empty() { 100 } else { 95 };
            if !field.sealed && self.dice.chance(if needed { often } else { 25 }) {
                let value = self.literal(&field.ty)?;
                fields.push((field.name.to_string(), value));
            }
        }
        Some(Value::Record(fields))
    }

    fn teams(&mut self) {
        let count = 1 + self.dice.below(2);
        for name in ["blue", "red"].into_iter().take(count) {
            let is_split = self.dice.chance(30);
            self.workspace.teams.push(Team { name, is_split });
        }
        for team in 0..count {
            if self.dice.chance(60) {
                let entries = self.dice.some(&KEYS, 50);
                let value = Value::Record(
                    entries
                        .into_iter()
                        .map(|it| (it.to_string(), Value::Text((*self.dice.pick(&TEXTS)).into())))
                        .collect(),
                );
                if !matches!(&value, Value::Record(fields) if fields.is_empty()) {
                    self.workspace.lets.push(Let { team, name: "common", value });
                }
            }
            if self.dice.chance(40) {
                let value = Value::List(vec![Value::Text("flag".into()), Value::Text("-v".into())]);
                self.workspace.lets.push(Let { team, name: "flags", value });
            }
            if self.dice.chance(50) {
                let mut whole = Vec::new();
                let schemas = self.workspace.schemas.clone();
                let last = schemas.last().expect("there is one");
                for field in &last.fields {
                    let plain = matches!(
                        &field.ty,
                        Type::Text | Type::Int(None) | Type::List(_) | Type::Map(_)
                    );
                    if plain
                        && self.dice.chance(40)
                        && let Some(value) = self.literal(&field.ty)
                        && !matches!(&value, Value::List(all) if all.is_empty())
                        && !matches!(&value, Value::Record(all) if all.is_empty())
                    {
                        whole.push((field.name.to_string(), value));
                    }
                }
                if !whole.is_empty() {
                    let value = Value::Record(whole);
                    self.workspace.lets.push(Let { team, name: "whole", value });
                }
            }
        }
    }

    fn requests(&mut self) {
        let composed: Vec<usize> = (0..self.workspace.schemas.len())
            .filter(|it| self.workspace.schemas[*it].composition.is_some())
            .collect();
        let all: Vec<usize> = (0..self.workspace.environments.len()).collect();
        let count = 1 + self.dice.below(4);
        for name in REQUESTS.into_iter().take(count) {
            let schema = *self.dice.pick(&composed);
            let team = self.dice.below(self.workspace.teams.len());
            let environments =
                if self.dice.chance(25) { self.dice.some(&all, 40) } else { Vec::new() };
            let mut entries = Vec::new();
            for field in self.workspace.schemas[schema].fields.clone() {
                if field.default.is_none() && !field.ty.is_optional() {
                    let path = vec![Step::Field(field.name)];
                    if let Some(it) = self.whole(&field.ty, path, Place::Data(team)) {
                        entries.push(it);
                    }
                }
            }
            let before = self.workspace.clone();
            let after = Vec::new();
            self.workspace.requests.push(Request {
                team,
                name,
                schema,
                environments,
                after,
                entries,
            });
            if is_sound(&self.workspace) != Some(true) || !self.workspace.is_all_heard() {
                self.workspace = before;
            }
        }
        for request in 0..self.workspace.requests.len() {
            if self.dice.chance(15) {
                let before = self.workspace.clone();
                let other = self.dice.below(self.workspace.requests.len());
                let lives = before
                    .built()
                    .into_iter()
                    .all(|it| !before.runs_in(request, it) || before.runs_in(other, it));
                if other != request && lives {
                    self.workspace.requests[request].after.push(other);
                }
            }
        }
    }

    /// Entries one by one; one that would be a mistake is not kept.
    fn layers(&mut self) {
        for index in 0..self.workspace.schemas.len() {
            let composed = self.workspace.schemas[index].composition.is_some();
            let count = self.dice.below(if composed { 3 } else { 2 });
            for _ in 0..count {
                let environments = self.some_environments(60);
                let beside_environments = self.dice.chance(20);
                let it =
                    Defaults { schema: index, environments, beside_environments, entries: vec![] };
                self.workspace.defaults.push(it);
                let place = if composed { Place::Defaults } else { Place::Parts };
                for _ in 0..1 + self.dice.below(3) {
                    self.grow(index, place, &|it| it.defaults.last_mut().map(|it| &mut it.entries));
                }
            }
        }
        for request in 0..self.workspace.requests.len() {
            let (schema, team) =
                (self.workspace.requests[request].schema, self.workspace.requests[request].team);
            for _ in 0..self.dice.below(5) {
                self.grow(schema, Place::Data(team), &|it| Some(&mut it.requests[request].entries));
            }
        }
        for _ in 0..self.dice.below(6) {
            if self.workspace.requests.is_empty() {
                break;
            }
            let first = self.dice.below(self.workspace.requests.len());
            let (schema, team) =
                (self.workspace.requests[first].schema, self.workspace.requests[first].team);
            let mut requests = vec![first];
            for other in 0..self.workspace.requests.len() {
                let it = &self.workspace.requests[other];
                if other != first && (it.schema, it.team) == (schema, team) && self.dice.chance(40)
                {
                    requests.push(other);
                }
            }
            let environments = self.some_environments(100);
            let apart = self.dice.chance(40);
            self.workspace.overlays.push(Overlay {
                requests,
                environments,
                apart,
                entries: vec![],
            });
            if !self.workspace.is_all_heard() {
                self.workspace.overlays.pop();
                continue;
            }
            for _ in 0..1 + self.dice.below(4) {
                self.grow(schema, Place::Data(team), &|it| {
                    it.overlays.last_mut().map(|it| &mut it.entries)
                });
            }
        }
    }

    fn some_environments(&mut self, percent: usize) -> Vec<usize> {
        if !self.dice.chance(percent) {
            return Vec::new();
        }
        let all: Vec<usize> = (0..self.workspace.environments.len()).collect();
        let mut some = self.dice.some(&all, 30);
        if some.is_empty() {
            some.push(*self.dice.pick(&all));
        }
        some
    }

    /// Adds an entry to a layer where that leaves the workspace sound.
    fn grow(
        &mut self,
        schema: usize,
        place: Place,
        layer: &dyn Fn(&mut Workspace) -> Option<&mut Vec<Entry>>,
    ) {
        let Some(entry) = self.any_entry(schema, place) else { return };
        let before = self.workspace.clone();
        let Some(entries) = layer(&mut self.workspace) else { return };
        entries.push(entry);
        if is_sound(&self.workspace) != Some(true) {
            let next = self.workspace.next_entry;
            self.workspace = before;
            self.workspace.next_entry = next;
        }
    }

    fn any_entry(&mut self, schema: usize, place: Place) -> Option<Entry> {
        if let Place::Data(_) = place {
            match self.dice.below(20) {
                0 => {
                    let key = *self.dice.pick(&["team", "example.test/owner", "part"]);
                    let field = *self.dice.pick(&["labels", "annotations"]);
                    let value = Value::Text((*self.dice.pick(&["x", "y", "one"])).into());
                    let path = vec![Step::Field(field), Step::Key(key)];
                    return Some(self.set(
                        path,
                        Operation::Set,
                        Said::Expression(Expression::Literal(value)),
                    ));
                }
                1 => {
                    let name = *self.dice.pick(&REQUESTS);
                    let value = Value::Text(format!("{name}-{}", self.dice.below(1000)));
                    let path = vec![Step::Field("name")];
                    return Some(self.set(
                        path,
                        Operation::Set,
                        Said::Expression(Expression::Literal(value)),
                    ));
                }
                2 => return self.spread(&Type::Schema(schema)),
                _ => {}
            }
        }
        let fields = self.workspace.schemas[schema].fields.clone();
        if fields.is_empty() {
            return None;
        }
        let field = self.dice.pick(&fields).clone();
        self.somehow(&field.ty, vec![Step::Field(field.name)], place)
    }

    fn set(&mut self, path: Vec<Step>, operation: Operation, said: Said) -> Entry {
        self.workspace.entry(EntryKind::Set { path, operation, sealed: false, said })
    }

    /// A spread of a `let` whose fields `ty` has.
    fn spread(&mut self, ty: &Type) -> Option<Entry> {
        let fits = |it: &Let| {
            let Value::Record(fields) = &it.value else { return false };
            match ty.base() {
                Type::Map(value) => {
                    **value == Type::Text && fields.iter().all(|it| matches!(it.1, Value::Text(_)))
                }
                Type::Schema(schema) => fields.iter().all(|(name, value)| {
                    self.workspace.schemas[*schema].field(name).is_some_and(|field| {
                        match (value, field.ty.base()) {
                            (Value::Int(_), Type::Int(_)) | (Value::Text(_), Type::Text) => true,
                            (Value::List(all), Type::List(element)) => {
                                all.iter().all(|it| match it {
                                    Value::Int(_) => **element == Type::Int(None),
                                    _ => **element == Type::Text,
                                })
                            }
                            (Value::Record(all), Type::Map(entry)) => {
                                all.iter().all(|it| match it.1 {
                                    Value::Int(_) => matches!(**entry, Type::Int(_)),
                                    _ => **entry == Type::Text,
                                })
                            }
                            _ => false,
                        }
                    })
                }),
                _ => false,
            }
        };
        let fitting: Vec<usize> =
            (0..self.workspace.lets.len()).filter(|it| fits(&self.workspace.lets[*it])).collect();
        if fitting.is_empty() {
            return None;
        }
        let index = *self.dice.pick(&fitting);
        Some(self.workspace.entry(EntryKind::Spread(index)))
    }

    /// Says something of a field, whole or in part.
    fn somehow(&mut self, ty: &Type, mut path: Vec<Step>, place: Place) -> Option<Entry> {
        if ty.is_optional() && self.dice.chance(12) || self.wild && self.dice.chance(5) {
            let none = Said::Expression(Expression::Literal(Value::None));
            return Some(self.set(path, Operation::Set, none));
        }
        match ty.base().clone() {
            Type::List(_) if self.dice.chance(45) => {
                let value = self.literal(ty)?;
                if matches!(&value, Value::List(all) if all.is_empty()) {
                    return None;
                }
                let said = Said::Expression(Expression::Literal(value));
                Some(self.set(path, Operation::Append, said))
            }
            Type::Map(value) if self.dice.chance(45) => {
                let key = *self.dice.pick(&KEYS);
                path.push(Step::Key(key));
                if self.dice.chance(25) {
                    let none = Said::Expression(Expression::Literal(Value::None));
                    return Some(self.set(path, Operation::Set, none));
                }
                self.whole(&value, path, place)
            }
            Type::Schema(schema) if self.dice.chance(60) => {
                let fields = self.workspace.schemas[schema].fields.clone();
                if fields.is_empty() {
                    return None;
                }
                let field = self.dice.pick(&fields).clone();
                path.push(Step::Field(field.name));
                self.somehow(&field.ty, path, place)
            }
            Type::Record(fields) if self.dice.chance(60) => {
                let (name, ty) = self.dice.pick(&fields).clone();
                path.push(Step::Field(name));
                self.somehow(&ty, path, place)
            }
            Type::Keyed(schema)
                if self.workspace.schemas[schema].fields.len() > 1 && self.dice.chance(75) =>
            {
                let key = *self.dice.pick(&ELEMENTS);
                match self.dice.below(10) {
                    0..4 => {
                        let fields = self.workspace.schemas[schema].fields.clone();
                        let field = self.dice.pick(&fields[1..]).clone();
                        path.push(Step::Element(key));
                        path.push(Step::Field(field.name));
                        self.somehow(&field.ty, path, place)
                    }
                    4..7 => {
                        path.push(Step::Element(key));
                        let entries = self.inside(&Type::Schema(schema), place, 2, true);
                        Some(self.set(path, Operation::Set, Said::Braces(entries)))
                    }
                    7 => {
                        path.push(Step::Element(key));
                        let none = Said::Expression(Expression::Literal(Value::None));
                        Some(self.set(path, Operation::Set, none))
                    }
                    _ => {
                        let element = self.element(schema, key)?;
                        let list = Value::List(vec![element]);
                        let said = Said::Expression(Expression::Literal(list));
                        Some(self.set(path, Operation::Append, said))
                    }
                }
            }
            _ => self.whole(ty, path, place),
        }
    }

    /// Gives a field a value as a whole.
    fn whole(&mut self, ty: &Type, path: Vec<Step>, place: Place) -> Option<Entry> {
        let operation = if self.dice.chance(10) && place != Place::Schema {
            Operation::Replace
        } else {
            Operation::Set
        };
        let said = match ty.base() {
            Type::Schema(_) | Type::Record(_)
                if self.dice.chance(75) || matches!(ty.base(), Type::Schema(_)) =>
            {
                Said::Braces(self.inside(ty, place, 2, true))
            }
            Type::Map(value) if self.dice.chance(60) => {
                let value = (**value).clone();
                let mut entries = Vec::new();
                if let Place::Data(_) = place
                    && self.dice.chance(35)
                {
                    entries.extend(self.spread(ty));
                }
                for key in self.dice.some(&KEYS, 40) {
                    entries.extend(self.whole_value(&value, vec![Step::Key(key)], place));
                }
                Said::Braces(entries)
            }
            base => {
                let base = base.clone();
                Said::Expression(self.expression(&base, place)?)
            }
        };
        let is_sealable = matches!(place, Place::Defaults) && ty.is_scalar();
        if is_sealable && operation == Operation::Set && self.dice.chance(12) {
            return Some(self.workspace.entry(EntryKind::Set {
                path,
                operation,
                sealed: true,
                said,
            }));
        }
        Some(self.set(path, operation, said))
    }

    fn whole_value(&mut self, ty: &Type, path: Vec<Step>, place: Place) -> Option<Entry> {
        let said = Said::Expression(self.expression(ty, place)?);
        Some(self.set(path, Operation::Set, said))
    }

    fn expression(&mut self, ty: &Type, place: Place) -> Option<Expression> {
        if *ty == Type::Text && place != Place::Schema && self.dice.chance(30) {
            return Some(self.text(place));
        }
        if let Place::Data(_) = place
            && *ty == Type::List(Box::new(Type::Text))
            && self.dice.chance(20)
            && let Some(index) = self.workspace.lets.iter().position(|it| it.name == "flags")
        {
            return Some(Expression::Let(index));
        }
        self.literal(ty).map(Expression::Literal)
    }

    fn text(&mut self, place: Place) -> Expression {
        let before = *self.dice.pick(&["of ", "x-", ""]);
        let mut pieces = vec![Piece::Plain(before)];
        match self.dice.below(4) {
            0 => {
                let field = *self.dice.pick(&["name", "domain", "tier"]);
                pieces.push(Piece::Environment(field));
            }
            1 if place != Place::Parts => pieces.push(Piece::Own("name")),
            _ => {
                if let Place::Data(_) = place
                    && !self.workspace.requests.is_empty()
                {
                    let other = self.dice.below(self.workspace.requests.len());
                    let what = *self.dice.pick(&["url", "url", "name", "namespace"]);
                    pieces.push(Piece::Other(other, what));
                } else {
                    pieces.push(Piece::Environment("name"));
                }
            }
        }
        if self.dice.chance(30) {
            pieces.push(Piece::Plain(" end"));
        }
        Expression::Text(pieces)
    }

    /// Entries for the braces of a record: what it needs (`full`), and up to `count` others.
    fn inside(&mut self, ty: &Type, place: Place, count: usize, full: bool) -> Vec<Entry> {
        let mut fields: Vec<(&'static str, Type, bool)> = match ty.base() {
            Type::Schema(schema) => self.workspace.schemas[*schema]
                .fields
                .iter()
                .filter(|it| it.name != "name" && !it.sealed)
                .map(|it| (it.name, it.ty.clone(), it.default.is_none() && !it.ty.is_optional()))
                .collect(),
            Type::Record(fields) => {
                fields.iter().map(|(name, ty)| (*name, ty.clone(), !ty.is_optional())).collect()
            }
            _ => Vec::new(),
        };
        let mut entries = Vec::new();
        for (name, ty, needed) in &fields {
            if *needed && full && self.dice.chance(90) {
                entries.extend(self.whole(ty, vec![Step::Field(name)], place));
            }
        }
        fields.retain(|it| !it.2);
        for _ in 0..self.dice.below(count + 1) {
            if fields.is_empty() {
                break;
            }
            let at = self.dice.below(fields.len());
            let (name, ty, _) = fields.remove(at);
            let entry = if place == Place::Schema {
                self.literal(&ty).map(|it| {
                    let said = Said::Expression(Expression::Literal(it));
                    self.set(vec![Step::Field(name)], Operation::Set, said)
                })
            } else {
                self.somehow(&ty, vec![Step::Field(name)], place)
            };
            entries.extend(entry);
        }
        entries
    }

    fn composition(&mut self, fields: &[Field]) -> Composition {
        let mut data: Vec<(&'static str, Made)> = Vec::new();
        for field in fields {
            data.push((field.name, Made::Json(field.name)));
        }
        let mut statements = Vec::new();
        let mut extras: Vec<(&'static str, Made)> = vec![("at", Made::EnvironmentName)];
        for field in fields {
            let ty = &field.ty;
            if !self.dice.chance(35) {
                continue;
            }
            match ty {
                Type::Choice(_) => {
                    let arms = CHOICES.into_iter().zip(["one", "two", "three"]).collect();
                    extras.push(("choice", Made::Match(field.name, arms)));
                }
                Type::List(element) if **element == Type::Text => {
                    extras.push(("joined", Made::Joined(field.name, "a")));
                }
                it if it.is_scalar() => extras.push(("written", Made::Written(field.name))),
                Type::Optional(inner) if inner.is_scalar() => {
                    if let Some(value) = self.literal(inner) {
                        extras.push(("otherwise", Made::Otherwise(field.name, value)));
                    }
                }
                _ => {}
            }
            extras.dedup_by_key(|it| it.0);
        }
        let mut seen = Vec::new();
        for (key, made) in extras {
            if !seen.contains(&key) {
                seen.push(key);
                data.push((key, made));
            }
        }
        statements.push(Statement::Config { suffix: "", label: None, data });
        let config = |suffix, key, made| Statement::Config {
            suffix,
            label: Some("extra"),
            data: vec![(key, made)],
        };
        let mut seen_services = false;
        for field in fields {
            match &field.ty {
                Type::Bool if self.dice.chance(50) && !seen_services => {
                    seen_services = true;
                    let then = vec![config("-on", "is", Made::EnvironmentName)];
                    let otherwise = vec![config("-off", "is", Made::Written(field.name))];
                    statements.push(Statement::If(field.name, then, otherwise));
                }
                Type::Optional(inner) if inner.is_scalar() && self.dice.chance(30) => {
                    let literal = Made::Literal(Value::Text("nothing".into()));
                    let suffix = match field.name {
                        "count" => "-count",
                        "image" => "-image",
                        "note" => "-note",
                        "memory" => "-memory",
                        _ => continue,
                    };
                    let then = vec![config(suffix, "found", Made::Found)];
                    let otherwise = vec![config(suffix, "found", literal)];
                    statements.push(Statement::IfLet(field.name, then, otherwise));
                }
                Type::Map(_) if self.dice.chance(30) => {
                    statements.push(Statement::ForEntries(field.name));
                }
                Type::List(_) if self.dice.chance(30) => {
                    statements.push(Statement::ForElements(field.name));
                }
                Type::Int(Some((1, 65535))) if self.dice.chance(70) => {
                    statements.push(Statement::Service { port: field.name });
                }
                _ => {}
            }
        }
        if self.dice.chance(30) {
            let replicas = fields
                .iter()
                .find(|it| it.ty.base() == &Type::Int(Some((0, 50))))
                .map(|it| it.name);
            statements.push(Statement::Deployment { replicas });
        }
        if self.dice.chance(40) {
            statements.extend(held(fields, (-1000, 70000)));
        }
        let composed: Vec<usize> = (0..self.workspace.schemas.len())
            .filter(|it| self.workspace.schemas[*it].composition.is_some())
            .collect();
        if !composed.is_empty() && self.dice.chance(50) {
            let schema = *self.dice.pick(&composed);
            statements.extend(self.nested(schema, fields));
        }
        let url = fields
            .iter()
            .find(|it| matches!(it.ty, Type::Int(_) | Type::Choice(_)))
            .map(|it| it.name)
            .filter(|_| self.dice.chance(50));
        Composition { statements, url }
    }

    fn nested(&mut self, schema: usize, fields: &[Field]) -> Option<Statement> {
        let mut set = Vec::new();
        for inner in self.workspace.schemas[schema].fields.clone() {
            let needed = inner.default.is_none() && !inner.ty.is_optional();
            if inner.sealed || !needed && !self.dice.chance(25) {
                continue;
            }
            let like = fields.iter().find(|it| it.ty == inner.ty && it.ty.base().is_scalar());
            match like {
                Some(it) if self.dice.chance(70) => set.push((inner.name, Made::Field(it.name))),
                _ => match self.literal(&inner.ty) {
                    Some(value) => set.push((inner.name, Made::Literal(value))),
                    None if needed => return None,
                    None => {}
                },
            }
        }
        Some(Statement::Nested { bound: "db", schema, set })
    }

    /// Conditions that hold of what there is.
    fn conditions(&mut self) {
        for schema in 0..self.workspace.schemas.len() {
            if self.workspace.schemas[schema].composition.is_none() {
                continue;
            }
            let fields = self.workspace.schemas[schema].fields.clone();
            let of = |wanted: &dyn Fn(&Type) -> bool| -> Vec<&'static str> {
                fields.iter().filter(|it| wanted(&it.ty)).map(|it| it.name).collect()
            };
            let ints = of(&|it| matches!(it, Type::Int(_)));
            let bools = of(&|it| *it == Type::Bool);
            let texts = of(&|it| *it == Type::Text);
            let optionals = of(&|it| it.is_optional());
            let mut found = Vec::new();
            if ints.len() > 1 {
                found.push(Condition::AtMost(ints[0], ints[1]));
                found.push(Condition::AtMost(ints[1], ints[0]));
            }
            if let (Some(a), Some(b)) = (bools.first(), ints.first()) {
                found.push(Condition::If(a, b, 1));
            }
            if let (Some(a), Some(b)) = (optionals.first(), texts.first()) {
                found.push(Condition::IfThere(a, b));
            }
            for condition in self.dice.some(&found, 50) {
                self.workspace.schemas[schema].conditions.push(condition);
                if is_sound(&self.workspace) != Some(true) {
                    self.workspace.schemas[schema].conditions.pop();
                }
            }
        }
    }

    /// One or two mistakes, of a kind that the oracle knows.
    fn mistakes(&mut self) {
        self.wild = true;
        let mut wanted = 1 + self.dice.below(2);
        for _ in 0..40 {
            let before = self.workspace.clone();
            // To say something again is always a mistake, the others often are none.
            match self.dice.below(16) {
                0 => self.repeat(),
                1..4 => self.forget(),
                4 => self.hold(),
                _ => self.grow_wildly(),
            }
            if is_sound(&self.workspace) == Some(false) {
                wanted -= 1;
                if wanted == 0 {
                    return;
                }
            } else {
                self.workspace = before;
            }
        }
    }

    fn hold(&mut self) {
        let schema = self.dice.below(self.workspace.schemas.len());
        let schema = &mut self.workspace.schemas[schema];
        if let Some(composition) = &mut schema.composition {
            composition.statements.extend(held(&schema.fields, (100, 200)));
        }
    }

    fn forget(&mut self) {
        let mut layers = self.workspace.layers();
        let at = self.dice.below(layers.len());
        if let Some(entries) = layers.get_mut(at)
            && !entries.is_empty()
        {
            let index = self.dice.below(entries.len());
            entries.remove(index);
        }
    }

    fn repeat(&mut self) {
        let next = self.workspace.next_entry + 1;
        self.workspace.next_entry = next;
        // What the platform says twice is its own mistake, whoever asks for it.
        let platform = self.workspace.defaults.len();
        let mut layers = self.workspace.layers();
        let at = self.dice.below(layers.len() - platform);
        if let Some(entries) = layers.get_mut(at)
            && !entries.is_empty()
        {
            let mut entry = self.dice.pick(entries).clone();
            if matches!(&entry.kind, EntryKind::Set { said: Said::Expression(_), .. }) {
                entry.id = next;
                entries.push(entry);
            }
        }
    }

    fn grow_wildly(&mut self) {
        if self.workspace.requests.is_empty() {
            return;
        }
        let overlay = self.dice.below(self.workspace.overlays.len() + 1);
        if let Some(it) = self.workspace.overlays.get(overlay) {
            let request = &self.workspace.requests[it.requests[0]];
            if let Some(entry) = self.any_entry(request.schema, Place::Data(request.team)) {
                self.workspace.overlays[overlay].entries.push(entry);
            }
        } else {
            let request = self.dice.below(self.workspace.requests.len());
            let it = &self.workspace.requests[request];
            if let Some(entry) = self.any_entry(it.schema, Place::Data(it.team)) {
                self.workspace.requests[request].entries.push(entry);
            }
        }
    }
}

/// A `let` of a composition that holds a field to what it may be.
fn held(fields: &[Field], (least, most): (i64, i64)) -> Option<Statement> {
    let field = fields.iter().find(|it| matches!(it.ty, Type::Int(_)))?.name;
    Some(Statement::Held { field, least, most })
}
