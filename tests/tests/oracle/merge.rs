//! Layers onto layers, as docs/language.md says it: whole layers in order, every word remembered.

use crate::model::{
    Entry, EntryId, EntryKind, Expression, Operation, Said, Step, Type, Value, Workspace,
};
use std::collections::BTreeSet;

/// A layer: where it stands and what `plumb why` calls it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// Higher wins; layers of one level may not set the same leaf.
    pub level: usize,
    pub shown: String,
    /// A path through an absent optional record makes it.
    pub creates: bool,
    /// What it says lies below every layer.
    pub is_below: bool,
}

impl Layer {
    /// A request, an overlay, or what a composition asks for by itself.
    fn is_data(&self) -> bool {
        self.creates && self.level > 0
    }
}

/// A word on exactly one field, entry or element.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub layer: Layer,
    pub entry: EntryId,
    /// Brought in by a spread, or by what lies at the bottom of a schema's value.
    pub is_spread: bool,
    pub is_appended: bool,
    pub said: Expression,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Here {
    #[default]
    Nothing,
    Out,
    Plain(Expression),
    Parts(Vec<(String, Node)>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub here: Here,
    /// The earliest first, since it began anew.
    pub told: Vec<Told>,
    /// A record or map was given, rather than only spoken of.
    pub is_given: bool,
    /// The layer that made it final.
    pub sealed: Option<Layer>,
    /// The entry that gave the record or map first, by a request or overlay where one gives it too:
    /// what it lacks is told there.
    pub made_by: EntryId,
    /// That entry is of such a one.
    is_asked_for: bool,
    /// What was there each time it began anew.
    pub before: Vec<Node>,
    /// The level and entry that replaced the whole.
    replaced: Option<(usize, EntryId)>,
}

impl Node {
    pub(crate) fn part(&self, name: &str) -> Option<&Node> {
        match &self.here {
            Here::Parts(parts) => parts.iter().find(|it| it.0 == name).map(|it| &it.1),
            _ => None,
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.here, Here::Nothing | Here::Out)
    }

    fn begin_anew(&mut self) {
        let before = std::mem::take(&mut self.before);
        let last = std::mem::take(self);
        self.before = before;
        if !matches!(last.here, Here::Nothing) {
            self.before.push(last);
        }
    }

    /// Whether this or anything under it was made final by another layer.
    fn holds_seal(&self, layer: &Layer) -> bool {
        self.sealed.as_ref().is_some_and(|it| it != layer)
            || matches!(&self.here, Here::Parts(parts) if parts.iter().any(|it| it.1.holds_seal(layer)))
    }

    /// Whether another entry of the level spoke of this or of anything under it.
    fn is_told(&self, word: &Word) -> bool {
        self.told.iter().any(|it| word.clashes(it))
            || matches!(&self.here, Here::Parts(parts) if parts.iter().any(|it| it.1.is_told(word)))
    }
}

/// An entry of a layer on its way to where its path leads.
#[derive(Clone)]
struct Word<'l> {
    layer: &'l Layer,
    entry: EntryId,
    is_spread: bool,
    operation: Operation,
    sealed: bool,
}

impl Word<'_> {
    fn clashes(&self, told: &Told) -> bool {
        told.layer.level == self.layer.level
            && told.entry != self.entry
            && !told.is_spread
            && !self.is_spread
    }

    fn told(&self, said: Expression) -> Told {
        Told {
            layer: self.layer.clone(),
            entry: self.entry,
            is_spread: self.is_spread || self.layer.is_below,
            is_appended: self.operation == Operation::Append,
            said,
        }
    }
}

/// What is wrong, and the entry that is.
pub(crate) type Wrong = (&'static str, EntryId);

pub(crate) struct Merge<'w> {
    pub workspace: &'w Workspace,
    pub environment: usize,
    pub wrong: Vec<Wrong>,
    /// The fields of the whole that something is wrong with: nothing more is said of them.
    pub failed: BTreeSet<String>,
    /// What may not be said where it is said.
    pub refused: Vec<Expression>,
    /// The field of the whole that is spoken of.
    speaking_of: Option<String>,
    /// The reference leaves open what this means.
    pub is_unclear: bool,
}

/// The parts of a record, made where there are none.
pub(crate) fn parts_of(node: &mut Node) -> &mut Vec<(String, Node)> {
    if !matches!(node.here, Here::Parts(_)) {
        node.here = Here::Parts(Vec::new());
    }
    match &mut node.here {
        Here::Parts(parts) => parts,
        _ => unreachable!("made above"),
    }
}

pub(crate) fn entry_of<'n>(parts: &'n mut Vec<(String, Node)>, name: &str) -> &'n mut Node {
    let at = match parts.iter().position(|it| it.0 == name) {
        Some(at) => at,
        None => {
            parts.push((name.to_string(), Node::default()));
            parts.len() - 1
        }
    };
    &mut parts[at].1
}

impl<'w> Merge<'w> {
    pub(crate) fn new(workspace: &'w Workspace, environment: usize) -> Self {
        Merge {
            workspace,
            environment,
            wrong: Vec::new(),
            failed: BTreeSet::new(),
            refused: Vec::new(),
            speaking_of: None,
            is_unclear: false,
        }
    }

    /// Speaks of a field, of the whole or inside one of its fields.
    fn of_field(&mut self, name: &str, run: impl FnOnce(&mut Self)) {
        if self.speaking_of.is_some() {
            return run(self);
        }
        self.speaking_of = Some(name.to_string());
        let before = self.wrong.len();
        run(self);
        self.speaking_of = None;
        if self.wrong.len() > before {
            // Which of several mistakes of one field are told, the reference does not say.
            self.is_unclear |= self.wrong.len() > before + 1;
            self.is_unclear |= !self.failed.insert(name.to_string());
        }
    }

    /// Applies the entries of a layer to a record of `ty`: what it spreads, then what it says.
    pub(crate) fn layer(&mut self, node: &mut Node, ty: &Type, entries: &[Entry], layer: &Layer) {
        for entry in entries {
            if let EntryKind::Spread(index) = &entry.kind {
                let Value::Record(fields) = self.workspace.lets[*index].value.clone() else {
                    self.is_unclear = true;
                    continue;
                };
                for (name, value) in fields {
                    let word = Word {
                        layer,
                        entry: entry.id,
                        is_spread: true,
                        operation: Operation::Set,
                        sealed: false,
                    };
                    let Some(ty) = self.part_type(ty, &name) else { continue };
                    let part = entry_of(parts_of(node), &name);
                    self.of_field(&name, |it| {
                        it.value(part, &ty, &Expression::Literal(value), &word);
                    });
                }
            }
        }
        for entry in entries {
            if let EntryKind::Set { path, operation, sealed, said } = &entry.kind {
                let word = Word {
                    layer,
                    entry: entry.id,
                    is_spread: false,
                    operation: *operation,
                    sealed: *sealed,
                };
                let (Step::Field(name) | Step::Key(name) | Step::Element(name)) = &path[0];
                self.of_field(name, |it| it.walk(node, ty, path, said, &word));
            }
        }
    }

    /// What a schema says of its values, below every layer: defaults of its fields, what it makes
    /// final, and the `defaults` of the environment.
    pub(crate) fn bottom(&mut self, schema: usize) -> Vec<(String, Node)> {
        let mut node = Node::default();
        parts_of(&mut node);
        self.schema_layer(&mut node, schema, true);
        for (_, entries, mut layer) in self.defaults_of(schema) {
            layer.is_below = true;
            layer.level = 0;
            self.layer(&mut node, &Type::Schema(schema), &entries, &layer);
        }
        let order = &self.workspace.schemas[schema].fields;
        let mut parts = std::mem::take(parts_of(&mut node));
        parts.sort_by_key(|it| order.iter().position(|field| field.name == it.0));
        parts
    }

    /// What a schema itself says of its fields.
    pub(crate) fn schema_layer(&mut self, node: &mut Node, schema: usize, is_below: bool) {
        let workspace = self.workspace;
        let schema = &workspace.schemas[schema];
        let layer =
            Layer { level: 0, shown: format!("schema {}", schema.name), creates: true, is_below };
        for field in &schema.fields {
            let Some(said) = &field.default else { continue };
            let word = Word {
                layer: &layer,
                entry: 0,
                is_spread: false,
                operation: Operation::Set,
                sealed: field.sealed,
            };
            let node = entry_of(parts_of(node), field.name);
            self.of_field(field.name, |it| it.walk(node, &field.ty, &[], said, &word));
        }
        let own = Type::Schema(
            self.workspace
                .schemas
                .iter()
                .position(|it| it.name == schema.name)
                .expect("it is one of them"),
        );
        self.layer(node, &own, &schema.seals, &layer);
    }

    /// The `defaults` that speak in the environment, the earliest first, each with its level.
    pub(crate) fn defaults_of(&self, schema: usize) -> Vec<(usize, Vec<Entry>, Layer)> {
        let workspace = self.workspace;
        let mut found = Vec::new();
        for it in workspace.defaults.iter().filter(|it| it.schema == schema) {
            let level = match it.environments.is_empty() {
                true => Some(1),
                false => workspace.nearest(&it.environments, self.environment).map(|it| it + 2),
            };
            let Some(level) = level else { continue };
            let shown = format!(
                "defaults {}{}",
                workspace.schemas[schema].name,
                within(workspace, &it.environments)
            );
            let layer = Layer { level, shown, creates: false, is_below: false };
            found.push((level, it.entries.clone(), layer, it.beside_environments));
        }
        // Those of one level: of the schema's own package first, else by their heads.
        found.sort_by_key(|it| (it.0, it.3, it.2.shown.replace(", ", ",")));
        found.into_iter().map(|it| (it.0, it.1, it.2)).collect()
    }

    fn walk(&mut self, node: &mut Node, ty: &Type, path: &[Step], said: &Said, word: &Word) {
        let takes_out = matches!(said, Said::Expression(Expression::Literal(Value::None)));
        if node.sealed.as_ref().is_some_and(|it| it != word.layer) {
            // What cannot be taken out may be wrong for that alone.
            self.is_unclear |= takes_out;
            self.wrong.push(("final-overridden", word.entry));
            return;
        }
        let Some((step, rest)) = path.split_first() else {
            match said {
                Said::Braces(entries) => self.braces(node, ty, entries, word),
                Said::Expression(it) => self.value(node, ty, it, word),
            }
            if word.sealed {
                node.sealed = Some(word.layer.clone());
            }
            return;
        };
        let makes = !takes_out && (word.layer.creates || !ty.is_optional());
        if !self.open(node, ty, word, makes) {
            // An element that is not there either, or what cannot be taken out, is wrong for that alone.
            self.is_unclear |= takes_out || matches!(step, Step::Element(_));
            return;
        }
        let (Step::Field(name) | Step::Key(name) | Step::Element(name)) = step;
        let Some(inner) = self.part_type(ty, name) else { return };
        if let Step::Element(_) = step {
            let is_there = node.part(name).is_some_and(Node::is_there);
            let adds = rest.is_empty() && !takes_out;
            if !is_there && !adds {
                self.is_unclear |= takes_out && !rest.is_empty();
                // It may have been there for the layers below.
                self.is_unclear |= node.part(name).is_some_and(|it| it.is_told(word));
                self.wrong.push(("keyed-element", word.entry));
                return;
            }
            let part = entry_of(parts_of(node), name);
            if adds && self.open(part, &inner, word, true) {
                // Its key is taken from the brackets, which nobody sets twice by that.
                let word = Word { is_spread: true, sealed: false, ..word.clone() };
                let key = Expression::Literal(Value::Text((*name).into()));
                self.value(entry_of(parts_of(part), "name"), &Type::Text, &key, &word);
            }
            self.walk(part, &inner, rest, said, word);
            return;
        }
        let part = entry_of(parts_of(node), name);
        self.walk(part, &inner, rest, said, word);
    }

    fn part_type(&self, ty: &Type, name: &str) -> Option<Type> {
        match ty.base() {
            Type::Schema(schema) => match name {
                "name" if self.workspace.schemas[*schema].field("name").is_none() => {
                    Some(Type::Text)
                }
                "labels" | "annotations" => Some(Type::Map(Box::new(Type::Text))),
                _ => self.workspace.schemas[*schema].field(name).map(|it| it.ty.clone()),
            },
            Type::Record(fields) => fields.iter().find(|it| it.0 == name).map(|it| it.1.clone()),
            // Entries and elements can be taken out.
            Type::Map(value) => Some(Type::Optional(value.clone())),
            Type::Keyed(schema) => Some(Type::Optional(Box::new(Type::Schema(*schema)))),
            _ => None,
        }
    }

    /// Sees to it that there are parts; `makes`: they are given by this.
    fn open(&mut self, node: &mut Node, ty: &Type, word: &Word, makes: bool) -> bool {
        let level = word.layer.level;
        let replaced = node.replaced.is_some_and(|it| it.0 == level && it.1 != word.entry);
        if replaced && !word.is_spread {
            self.wrong.push(("set-twice", word.entry));
            return false;
        }
        // Beside what cannot be taken out and was: two mistakes again.
        let none = Expression::Literal(Value::None);
        self.is_unclear |= !matches!(node.here, Here::Out)
            && node.told.iter().any(|it| word.clashes(it) && it.said == none);
        if !matches!(node.here, Here::Parts(_)) {
            if node.told.iter().any(|it| word.clashes(it)) {
                self.wrong.push(("set-twice", word.entry));
                return false;
            }
            node.begin_anew();
            node.here = Here::Parts(match ty.base() {
                Type::Schema(schema) => self.bottom(*schema),
                _ => Vec::new(),
            });
        }
        if makes {
            let asks = word.layer.is_data();
            if !node.is_given || asks && !node.is_asked_for {
                node.made_by = word.entry;
                node.is_asked_for = asks;
            }
            node.is_given = true;
        }
        true
    }

    fn may_go(&mut self, node: &Node, word: &Word) -> bool {
        if node.holds_seal(word.layer) {
            self.is_unclear |= node.is_told(word);
            self.wrong.push(("final-overridden", word.entry));
            return false;
        }
        if node.is_told(word) {
            self.wrong.push(("set-twice", word.entry));
            return false;
        }
        true
    }

    fn braces(&mut self, node: &mut Node, ty: &Type, entries: &[Entry], word: &Word) {
        // What may not be said as a whole, and holds what may not be said either.
        let wrong_inside = takes_out(entries);
        if word.operation == Operation::Replace {
            if !self.may_go(node, word) {
                self.is_unclear |= wrong_inside;
                return;
            }
            node.begin_anew();
        }
        if !self.open(node, ty, word, true) {
            self.is_unclear |= wrong_inside;
            return;
        }
        // Two braces of one record in one layer: the reference does not say.
        self.is_unclear |= node.told.iter().any(|it| word.clashes(it) && it.layer == *word.layer);
        node.told.push(word.told(Expression::Literal(Value::Record(Vec::new()))));
        self.layer(node, ty, entries, word.layer);
        if word.operation == Operation::Replace {
            node.replaced = Some((word.layer.level, word.entry));
        }
    }

    fn value(&mut self, node: &mut Node, ty: &Type, said: &Expression, word: &Word) {
        if node.sealed.as_ref().is_some_and(|it| it != word.layer) {
            self.wrong.push(("final-overridden", word.entry));
            return;
        }
        let value = match said {
            Expression::Literal(value) => Some(value.clone()),
            Expression::Let(index) => Some(self.workspace.lets[*index].value.clone()),
            _ => None,
        };
        match (value, ty.base()) {
            (Some(Value::None), _) if !ty.is_optional() => {
                // How one entry is told that is wrong twice over is not said either.
                self.is_unclear |= node.is_told(word);
                self.wrong.push(("type-mismatch", word.entry));
                node.told.push(word.told(said.clone()));
            }
            (Some(Value::None), _) => {
                if self.may_go(node, word) {
                    if matches!(node.here, Here::Parts(_)) {
                        node.begin_anew();
                    }
                    node.is_given = false;
                    node.here = Here::Out;
                    node.told.push(word.told(Expression::Literal(Value::None)));
                }
            }
            (Some(Value::List(added)), Type::Keyed(_)) => self.elements(node, ty, added, word),
            (Some(Value::Record(fields)), Type::Map(_) | Type::Record(_) | Type::Schema(_)) => {
                if word.operation == Operation::Replace {
                    if !self.may_go(node, word) {
                        return;
                    }
                    node.begin_anew();
                }
                if !self.open(node, ty, word, true) {
                    return;
                }
                self.is_unclear |=
                    node.told.iter().any(|it| word.clashes(it) && it.layer == *word.layer);
                node.told.push(word.told(Expression::Literal(Value::Record(Vec::new()))));
                let inner = Word { operation: Operation::Set, ..word.clone() };
                for (name, value) in fields {
                    let Some(ty) = self.part_type(ty, &name) else { continue };
                    let part = entry_of(parts_of(node), &name);
                    self.value(part, &ty, &Expression::Literal(value), &inner);
                }
                if word.operation == Operation::Replace {
                    node.replaced = Some((word.layer.level, word.entry));
                }
            }
            (Some(Value::List(added)), Type::List(_)) if word.operation == Operation::Append => {
                if node.told.iter().any(|it| word.clashes(it)) {
                    self.wrong.push(("set-twice", word.entry));
                    return;
                }
                let mut whole = match &node.here {
                    Here::Plain(Expression::Literal(Value::List(whole))) => whole.clone(),
                    _ => Vec::new(),
                };
                whole.extend(added.clone());
                node.here = Here::Plain(Expression::Literal(Value::List(whole)));
                node.told.push(word.told(Expression::Literal(Value::List(added))));
            }
            (value, _) => {
                let said = value.map_or_else(|| said.clone(), Expression::Literal);
                if self.may_go(node, word) {
                    node.here = Here::Plain(said.clone());
                    node.told.push(word.told(said));
                } else {
                    self.refused.push(said);
                }
            }
        }
    }

    fn elements(&mut self, node: &mut Node, ty: &Type, added: Vec<Value>, word: &Word) {
        let appends = word.operation == Operation::Append;
        if word.operation == Operation::Replace {
            if !self.may_go(node, word) {
                return;
            }
            node.begin_anew();
        }
        if appends && node.told.iter().any(|it| word.clashes(it) && it.is_appended) {
            self.wrong.push(("set-twice", word.entry));
            return;
        }
        // `=` beside `+=` in one level, or two of one layer: the reference does not say.
        let mixed =
            |it: &Told| word.clashes(it) && (it.is_appended != appends || it.layer == *word.layer);
        self.is_unclear |= node.told.iter().any(mixed);
        if !self.open(node, ty, word, true) {
            return;
        }
        let Type::Keyed(schema) = ty.base() else { unreachable!("asked for by its caller") };
        let inner = Word { operation: Operation::Set, ..word.clone() };
        for element in added {
            let Value::Record(fields) = &element else { continue };
            let Some((_, Value::Text(key))) = fields.iter().find(|it| it.0 == "name") else {
                continue;
            };
            let part = entry_of(parts_of(node), key);
            if appends && part.is_there() {
                self.wrong.push(("keyed-element", word.entry));
                continue;
            }
            let element = Expression::Literal(element.clone());
            self.value(part, &Type::Schema(*schema), &element, &inner);
        }
        node.told.push(word.told(Expression::Literal(Value::List(Vec::new()))));
        if word.operation == Operation::Replace {
            node.replaced = Some((word.layer.level, word.entry));
        }
    }

    /// Gives a field of the whole a value, as `layer` does.
    pub(crate) fn give(
        &mut self,
        root: &mut Node,
        (name, ty): (&str, &Type),
        value: Value,
        layer: &Layer,
        entry: EntryId,
    ) {
        let word =
            Word { layer, entry, is_spread: false, operation: Operation::Set, sealed: false };
        let node = entry_of(parts_of(root), name);
        self.of_field(name, |it| it.value(node, ty, &Expression::Literal(value), &word));
    }
}

/// Whether something in the braces is taken out.
fn takes_out(entries: &[Entry]) -> bool {
    entries.iter().any(|it| match &it.kind {
        EntryKind::Set { said: Said::Braces(inner), .. } => takes_out(inner),
        EntryKind::Set { said: Said::Expression(it), .. } => {
            *it == Expression::Literal(Value::None)
        }
        EntryKind::Spread(_) => false,
    })
}

/// ` in dev, prod`
pub(crate) fn within(workspace: &Workspace, environments: &[usize]) -> String {
    if environments.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = environments.iter().map(|it| workspace.environments[*it].name).collect();
    format!(" in {}", names.join(", "))
}
