//! Layers: which declarations speak of a request in an environment, and how what they say merges.
//!
//! The merge rules are here and nowhere else. A [`Slot`] keeps every setting that it was given, in
//! order, so that the last one is the value and the others are the answer to `plumb why`.

use crate::arms::arm_of;
use crate::by_name::ByName;
use crate::db::Db;
use crate::diagnostics::{Diagnostic, Place, code};
use crate::items::item;
use crate::names::{Scope, ancestry, describe, environments, nearest_named, package_of, scope};
use crate::source::{ItemId, Kind, SourceFile, Workspace};
use crate::syntax::ast::{self, EntryKind, ExprKind, ItemKind, Name, NodeId, SegmentKind};
use crate::types::{Keys, Ty, UNKNOWN, field_of, schema};
use crate::value::{Data, Fields, Origin, Record, Tag, Value};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A declaration that speaks of a request or environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layer {
    /// The declaration.
    pub item: ItemId,
    /// Counts up; layers of one level may not set the same leaf.
    pub level: u32,
    /// What it may do.
    pub kind: LayerKind,
}

/// What a layer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayerKind {
    /// The schema's default.
    Schema,
    /// `defaults`, in these environments only or everywhere.
    Defaults {
        /// `in …` stands in its head.
        in_environment: bool,
    },
    /// The request.
    Request,
    /// An overlay.
    Overlay,
    /// An environment or one of its ancestors.
    Environment,
}

/// The layers of a request in an environment above its schema, the earliest first.
#[salsa::tracked]
pub fn layers(
    db: &dyn Db,
    workspace: Workspace,
    request: ItemId,
    environment: ItemId,
) -> Vec<Layer> {
    layers_of(db, workspace, request, environment)
}

/// [`layers`], kept by nobody: for who asks once.
fn layers_of(
    db: &dyn Db,
    workspace: Workspace,
    request: ItemId,
    environment: ItemId,
) -> Vec<Layer> {
    match crate::infer::request_schema(db, workspace, request) {
        Some(schema) => Finder::new(db, workspace, environment).layers(request, schema),
        None => Vec::new(),
    }
}

/// Finds the layers of the requests of an environment, one after the other. It keeps what they share, so
/// that only what is a request's own is asked for it.
pub struct Finder<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    environment: ItemId,
    chain: &'a [ItemId],
    /// By schema.
    defaults: FxHashMap<ItemId, &'a [Layer]>,
    /// The scope that the file of the request before is in.
    scope: Option<(SourceFile, &'a Scope)>,
}

impl<'a> Finder<'a> {
    /// Of an environment.
    pub fn new(db: &'a dyn Db, workspace: Workspace, environment: ItemId) -> Self {
        let chain = &ancestry(db, workspace, environment).0;
        let defaults = FxHashMap::default();
        Finder { db, workspace, environment, chain, defaults, scope: None }
    }

    /// The layers of a request of a schema above that, the earliest first.
    pub fn layers(&mut self, request: ItemId, schema: ItemId) -> Vec<Layer> {
        let (db, workspace) = (self.db, self.workspace);
        let depth = self.chain.len();
        // Levels: 1 defaults everywhere, then one for each ancestor; the request; one for each again.
        let level_of = |distance: usize| (depth - distance) as u32;
        let defaults = self.defaults.entry(schema);
        let environment = Some(self.environment);
        let defaults =
            defaults.or_insert_with(|| default_layers(db, workspace, schema, environment));
        let file = request.file(db);
        let scope = match self.scope {
            Some((of, scope)) if of == file => scope,
            _ => self.scope.insert((file, scope(db, package_of(db, workspace, file)))).1,
        };
        let overlays = scope.overlays.get(request.name(db)).map_or(&[][..], Vec::as_slice);
        let mut found = Vec::with_capacity(defaults.len() + 1 + overlays.len());
        found.extend_from_slice(defaults);
        let request_level = 2 + depth as u32;
        found.push(Layer { item: request, level: request_level, kind: LayerKind::Request });
        for overlay in overlays {
            if let Some(distance) = distance(db, self.chain, *overlay) {
                let level = request_level + level_of(distance);
                found.push(Layer { item: *overlay, level, kind: LayerKind::Overlay });
            }
        }
        found.sort_by_key(|layer| layer.level);
        found
    }
}

/// What the `in` list of an overlay or defaults, which is part of the key, makes of an environment:
/// see [`nearest_named`].
fn distance(db: &dyn Db, chain: &[ItemId], id: ItemId) -> Option<usize> {
    let named = id.environments(db);
    nearest_named(db, chain, |name| named.split(',').any(|it| it == name))
}

/// The `defaults` of a schema that speak in an environment, the earliest first; without one, those
/// that speak everywhere.
#[salsa::tracked]
pub fn default_layers(
    db: &dyn Db,
    workspace: Workspace,
    schema: ItemId,
    environment: Option<ItemId>,
) -> Vec<Layer> {
    let mut found = Vec::new();
    for defaults in defaults_of(db, workspace, schema) {
        if defaults.environments(db).split(',').all(str::is_empty) {
            let kind = LayerKind::Defaults { in_environment: false };
            found.push(Layer { item: *defaults, level: 1, kind });
        } else if let Some(environment) = environment
            && let chain = &ancestry(db, workspace, environment).0
            && let Some(distance) = distance(db, chain, *defaults)
        {
            let kind = LayerKind::Defaults { in_environment: true };
            let level = 1 + (chain.len() - distance) as u32;
            found.push(Layer { item: *defaults, level, kind });
        }
    }
    found.sort_by_key(|layer| layer.level);
    found
}

/// The `defaults` of a schema: of its own package, and of the one that declares the environments.
#[salsa::tracked]
pub fn defaults_of(db: &dyn Db, workspace: Workspace, schema: ItemId) -> Vec<ItemId> {
    let mut packages = vec![package_of(db, workspace, schema.file(db))];
    for environment in environments(db, workspace).0.values() {
        let package = package_of(db, workspace, environment.file(db));
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let mut found = Vec::new();
    for package in packages {
        for defaults in &scope(db, package).defaults {
            let Some(tree) = item(db, *defaults) else { continue };
            let ItemKind::Defaults { schema: path, .. } = &tree.kind else { continue };
            if crate::names::resolve_schema(db, workspace, *defaults, path) == Ok(schema) {
                found.push(*defaults);
            }
        }
    }
    found
}

/// The record of a layer's declaration.
pub fn layer_record(tree: &crate::syntax::ast::Item) -> Option<&crate::syntax::ast::Record> {
    match &tree.kind {
        ItemKind::Defaults { record, .. }
        | ItemKind::Request { record, .. }
        | ItemKind::Overlay { record, .. }
        | ItemKind::Environment { record, .. } => Some(record),
        _ => None,
    }
}

/// A layer as messages and `plumb why` name it.
pub fn describe_layer(db: &dyn Db, layer: &Layer) -> String {
    describe(db, layer.item)
}

/// A field, map entry or list element on its way through the layers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Slot {
    /// What holds now.
    pub content: Content,
    /// Every setting of exactly this since it began anew, the earliest first.
    pub history: Vec<Setting>,
    /// What refuses every later layer.
    pub sealed: Option<Seal>,
    /// What was there before a layer took it out, replaced it or gave something of another kind.
    pub before: Vec<Slot>,
    /// The setting that replaced all that was below.
    replaced: Option<Setting>,
}

/// The parts of a slot by name or key, in the order they were first set.
pub type Parts = ByName<Slot>;

/// What a slot holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Content {
    /// Nothing was said.
    #[default]
    Unset,
    /// A layer took it out.
    Removed,
    /// A value that does not merge.
    Whole(Value),
    /// What is said of a field whose default is not known before its siblings are.
    Waiting(Vec<Saying>),
    /// A record or map, by field; a keyed list, by key.
    Parts {
        /// In the order they were first set.
        parts: Parts,
        /// Some layer gave it, rather than only spoken of a field inside it.
        given: bool,
        /// Where it was given first, by the request where that gives it too.
        origin: Origin,
        /// The parts are elements of a keyed list.
        keyed: bool,
        /// The record that they are the parts of; of a schema, what it says by default is among them.
        arm: Ty,
    },
}

/// What makes a slot final.
#[derive(Clone, PartialEq, Debug)]
pub struct Seal {
    /// Which layer, and where.
    pub setting: Setting,
    /// Why, if it says so.
    pub why: Option<Reason>,
}

/// The `else` of what makes something final. It is read where that is told, and not before: it may read fields
/// that are made of what is final.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reason {
    /// The entry, member or field that says it.
    pub at: Origin,
    /// The instance whose fields it reads.
    pub own: Option<usize>,
}

/// A layer's word on a field that waits: said again once what lies below it is known.
#[derive(Clone, PartialEq, Debug)]
pub struct Saying {
    /// Which layer, and where.
    pub setting: Setting,
    /// The word.
    pub word: Word,
    /// It is what a schema says of the values inside its own, below every layer.
    pub is_below: bool,
}

/// What a layer says.
#[derive(Clone, PartialEq, Debug)]
pub enum Word {
    /// A value.
    Value(Value),
    /// An entry of its braces, from a step of its path on, with the instance whose fields it reads.
    Entry {
        /// The node of the entry.
        node: NodeId,
        /// How many steps lead to the field.
        way: usize,
        /// The instance, which is at work for as long as this is waited for.
        own: Option<usize>,
    },
}

impl Slot {
    /// Of a field whose default reads its siblings. `sealed`: something at or under it is final.
    pub(crate) fn waiting(sealed: Option<Setting>) -> Self {
        let sealed = sealed.map(|setting| Seal { setting, why: None });
        Slot { content: Content::Waiting(Vec::new()), sealed, ..Slot::default() }
    }

    /// All that was below is replaced: its layer may not speak of a part of it as well.
    pub fn close(&mut self, replacing: &Setting) {
        self.replaced = Some(replacing.clone());
    }

    /// Begins anew: what was there stays known, and nothing of it holds.
    fn renew(&mut self) {
        if matches!(self.content, Content::Unset) {
            return;
        }
        let content = std::mem::take(&mut self.content);
        let history = std::mem::take(&mut self.history);
        self.before.push(Slot { content, history, ..Slot::default() });
        self.replaced = None;
    }

    /// The setting that took it out, where nothing has given it since: a path may only have spoken of
    /// what is inside.
    fn taken_out(&self) -> Option<&Setting> {
        let only_spoken_of = |it: &Slot| matches!(it.content, Content::Parts { given: false, .. });
        let last = match only_spoken_of(self) {
            true => self.before.iter().rev().find(|it| !only_spoken_of(it))?,
            false => self,
        };
        last.history.last().filter(|_| matches!(last.content, Content::Removed))
    }

    /// Puts this below every layer: whatever is written out wins over it.
    pub(crate) fn lay_below(&mut self) {
        let below = |setting: &mut Setting| {
            setting.layer.level = 0;
            setting.spread = true;
        };
        self.history.iter_mut().for_each(below);
        self.sealed.iter_mut().for_each(|seal| below(&mut seal.setting));
        self.replaced = None;
        self.before.iter_mut().for_each(Slot::lay_below);
        match &mut self.content {
            Content::Parts { parts, .. } => parts.values_mut().for_each(Slot::lay_below),
            Content::Waiting(sayings) => {
                sayings.iter_mut().for_each(|saying| saying.is_below = true)
            }
            _ => {}
        }
    }
}

/// One layer's word on a slot.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// Which layer.
    pub layer: Layer,
    /// What it set; `None` where it took it out.
    pub value: Option<Value>,
    /// Where.
    pub origin: Origin,
    /// It came in by `...`, which what is written out wins over.
    pub spread: bool,
    /// It was added to a list by `+=`.
    pub appended: bool,
}

impl Setting {
    /// A layer's word, made at `origin`; what it sets is still to be said.
    pub fn new(layer: Layer, origin: Origin) -> Self {
        Setting { layer, value: None, origin, spread: false, appended: false }
    }

    /// The same layer's word on a part, made at `origin`; what it sets is still to be said.
    pub fn of(&self, origin: Origin) -> Setting {
        Setting { value: None, origin, ..*self }
    }
}

/// How a setting is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// `=`: merges records, maps and keyed lists, replaces everything else.
    Merge,
    /// `replace … =`
    Replace,
    /// `+=`
    Append,
}

/// Merges settings; collects what is wrong with them.
pub struct Merge<'a> {
    /// The database.
    pub db: &'a dyn Db,
    /// The workspace.
    pub workspace: Workspace,
    /// Whose defaults of nested values hold.
    pub environment: Option<ItemId>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Which of these are to say why something is final.
    pub reasons: Vec<(usize, Reason)>,
}

impl Merge<'_> {
    /// Gives `value` to a slot of type `ty`.
    pub fn set(
        &mut self,
        slot: &mut Slot,
        ty: &Ty,
        value: Value,
        operation: Operation,
        setting: &Setting,
    ) {
        if let Content::Waiting(sayings) = &mut slot.content {
            let (setting, word) = (setting.clone(), Word::Value(value));
            sayings.push(Saying { setting, word, is_below: false });
            return;
        }
        if !self.admitted(slot, setting) {
            return;
        }
        let setting = Setting {
            value: (!value.is_none()).then(|| value.clone()),
            ..setting.of(setting.origin)
        };
        let ty = arm_of(self.db, self.workspace, ty, &value);
        match (&value.data, operation) {
            (Data::None, _) => {
                if self.may_begin_anew(slot, &setting) {
                    if matches!(slot.content, Content::Parts { .. }) {
                        slot.renew();
                    }
                    slot.content = Content::Removed;
                    slot.history.push(setting);
                }
            }
            (_, Operation::Replace) => {
                if self.may_begin_anew(slot, &setting) {
                    // Of what does not merge, to replace is to set.
                    if matches!(slot.content, Content::Parts { .. }) {
                        slot.renew();
                    }
                    self.set(slot, ty, value, Operation::Merge, &setting);
                    slot.replaced = Some(setting);
                }
            }
            (Data::List(added), Operation::Append) => self.append(slot, ty, added, &setting),
            (Data::Record(record), _) => {
                let Some(parts) = self.parts(slot, ty, value.origin, &setting, true) else {
                    return;
                };
                let mut taken = std::mem::take(parts);
                let mut record = record.clone();
                if let Tag::Schema(schema) = record.tag {
                    leave_finals(self.db, self.workspace, self.environment, schema, &mut record);
                }
                for (name, field) in &record.fields {
                    let ty = field_of(self.db, self.workspace, ty, name);
                    self.set(
                        taken.entry(name.clone()).or_default(),
                        ty.as_deref().unwrap_or(UNKNOWN),
                        field.clone(),
                        Operation::Merge,
                        &setting.of(field.origin),
                    );
                }
                put_back(slot, taken);
                slot.history.push(setting);
            }
            (Data::List(elements), _) if matches!(ty, Ty::List(_, Keys::By(_))) => {
                let Ty::List(item, Keys::By(keys)) = ty else { unreachable!("matched above") };
                let Some(parts) = self.parts(slot, ty, value.origin, &setting, true) else {
                    return;
                };
                let mut taken = std::mem::take(parts);
                let mut seen = BTreeSet::new();
                for element in elements.iter() {
                    let Some(key) = element_key(element, keys) else { continue };
                    if !seen.insert(key.clone()) {
                        self.diagnostics.push(
                            Diagnostic::error(
                                code::KEYED_ELEMENT,
                                element.origin,
                                format!("this list has two elements with the key `{key}`"),
                            )
                            .help("the key of a keyed list is unique"),
                        );
                        continue;
                    }
                    self.set(
                        taken.entry(key).or_default(),
                        item,
                        element.clone(),
                        Operation::Merge,
                        &setting.of(element.origin),
                    );
                }
                put_back(slot, taken);
                slot.history.push(setting);
            }
            _ => {
                if self.may_begin_anew(slot, &setting) {
                    if matches!(slot.content, Content::Parts { .. }) {
                        slot.renew();
                    }
                    slot.content = Content::Whole(value);
                    slot.history.push(setting);
                }
            }
        }
    }

    fn append(&mut self, slot: &mut Slot, ty: &Ty, added: &Arc<Vec<Value>>, setting: &Setting) {
        let setting = &Setting { appended: true, ..setting.clone() };
        let other = slot.history.iter().find(|it| {
            clash(it, setting) && (it.appended || !matches!(slot.content, Content::Parts { .. }))
        });
        if let Some(other) = other.cloned() {
            self.twice(&other, setting);
            return;
        }
        if let Ty::List(item, Keys::By(keys)) = ty {
            let Some(parts) = self.parts(slot, ty, setting.origin, setting, true) else { return };
            let mut taken = std::mem::take(parts);
            for element in added.iter() {
                let Some(key) = element_key(element, keys) else { continue };
                // The element is added; what is in it wins over what its schema says.
                let inner = Setting { appended: false, ..setting.of(element.origin) };
                let slot = taken.entry(key.clone()).or_default();
                if !matches!(slot.content, Content::Unset | Content::Removed) {
                    let mut error = Diagnostic::error(
                        code::KEYED_ELEMENT,
                        element.origin,
                        format!("the list already has an element `{key}`"),
                    )
                    .help("`+=` adds new elements; to change one write its path: `xs[\"key\"].field = …`");
                    if let Some(first) = slot.history.first() {
                        error = error.related(first.origin, "it is here");
                    }
                    self.diagnostics.push(error);
                    continue;
                }
                self.set(slot, item, element.clone(), Operation::Merge, &inner);
            }
            put_back(slot, taken);
            slot.history.push(setting.clone());
            return;
        }
        let mut elements = match &slot.content {
            Content::Whole(Value { data: Data::List(before), .. }) => before.to_vec(),
            _ => Vec::new(),
        };
        elements.extend(added.iter().cloned());
        slot.content = Content::Whole(Value::list(elements, setting.origin));
        slot.history.push(setting.clone());
    }

    /// Goes through a slot of type `ty` to a part of it, for a dotted path. `creates`: the way may
    /// make a record that is not there.
    pub fn part<'s>(
        &mut self,
        slot: &'s mut Slot,
        ty: &Ty,
        name: &Name,
        setting: &Setting,
        creates: bool,
    ) -> Option<&'s mut Slot> {
        if !self.admitted(slot, setting) {
            return None;
        }
        let parts = self.parts(slot, ty, setting.origin, setting, creates)?;
        Some(parts.entry(name.clone()).or_default())
    }

    /// Gives a slot of type `ty` a record or map whose fields follow one by one: what braces that
    /// are written in a layer begin with. `false` where that is refused.
    pub fn open(
        &mut self,
        slot: &mut Slot,
        ty: &Ty,
        operation: Operation,
        setting: &Setting,
    ) -> bool {
        if !self.admitted(slot, setting) {
            return false;
        }
        if operation == Operation::Replace {
            if !self.may_begin_anew(slot, setting) {
                return false;
            }
            slot.renew();
        }
        let opened = self.parts(slot, ty, setting.origin, setting, true).is_some();
        if opened {
            let value = Some(Value::record(Fields::default(), setting.origin));
            slot.history.push(Setting { value, ..setting.clone() });
        }
        opened
    }

    /// The parts of a slot of type `ty`, made where it had none: then what a schema says of its
    /// values lies at the bottom. `None` where its own layer said that there are none, or replaced all.
    fn parts<'s>(
        &mut self,
        slot: &'s mut Slot,
        ty: &Ty,
        origin: Origin,
        setting: &Setting,
        gives: bool,
    ) -> Option<&'s mut Parts> {
        if let Some(other) = slot.replaced.as_ref().filter(|it| clash(it, setting)).cloned() {
            self.twice(&other, setting);
            return None;
        }
        let other_arm = match &slot.content {
            Content::Parts { arm, .. } => {
                gives && arm != ty && !matches!((arm, ty), (Ty::Unknown, _) | (_, Ty::Unknown))
            }
            _ => false,
        };
        if other_arm && !self.may_begin_anew(slot, setting) {
            return None;
        }
        if other_arm || !matches!(slot.content, Content::Parts { .. }) {
            if let Some(other) = slot.history.iter().find(|it| clash(it, setting)).cloned() {
                self.twice(&other, setting);
                return None;
            }
            let mut parts = Parts::default();
            if let Some(schema) = schema_of(ty) {
                let (below, diagnostics) =
                    crate::eval::laid(self.db, self.workspace, schema, self.environment);
                parts.clone_from(below);
                self.diagnostics.extend(diagnostics.iter().cloned());
            }
            slot.renew();
            let keyed = matches!(ty, Ty::List(..));
            slot.content = Content::Parts { parts, given: false, origin, keyed, arm: ty.clone() };
        }
        match &mut slot.content {
            Content::Parts { parts, given, origin: first, .. } => {
                if gives && !*given {
                    *given = true;
                    *first = origin;
                } else if gives
                    && is_data(self.db, setting.origin.item)
                    && !is_data(self.db, first.item)
                {
                    // What is wrong with the whole is told to who asks for it, not to the platform.
                    *first = setting.origin;
                }
                Some(parts)
            }
            _ => unreachable!("made above"),
        }
    }

    /// Whether no earlier layer made this final.
    fn admitted(&mut self, slot: &Slot, setting: &Setting) -> bool {
        match &slot.sealed {
            Some(seal) if seal.setting.layer != setting.layer => {
                self.refuse(seal, setting);
                false
            }
            _ => true,
        }
    }

    /// Whether a layer may say something else of the whole: nothing of it is final, and no other line
    /// of the same level set it or anything under it.
    fn may_begin_anew(&mut self, slot: &Slot, setting: &Setting) -> bool {
        if !self.nothing_sealed(slot, setting) {
            return false;
        }
        let Some(other) = clashing(slot, setting) else { return true };
        self.twice(&other.clone(), setting);
        false
    }

    /// Whether nothing at or under this is final.
    fn nothing_sealed(&mut self, slot: &Slot, setting: &Setting) -> bool {
        self.admitted(slot, setting)
            && match &slot.content {
                Content::Parts { parts, .. } => {
                    parts.values().all(|part| self.nothing_sealed(part, setting))
                }
                _ => true,
            }
    }

    fn refuse(&mut self, seal: &Seal, setting: &Setting) {
        let by = describe_layer(self.db, &seal.setting.layer);
        let mut error = Diagnostic::error(
            code::FINAL_OVERRIDDEN,
            setting.origin,
            format!("this is final, set by {by}"),
        )
        .related(seal.setting.origin, format!("made final here, by {by}"))
        .help("leave it out: no later layer can change it");
        error.label = "set again here".into();
        self.reasons.extend(seal.why.map(|why| (self.diagnostics.len(), why)));
        self.diagnostics.push(error);
    }

    fn twice(&mut self, other: &Setting, setting: &Setting) {
        let layer = describe_layer(self.db, &setting.layer);
        let before = describe_layer(self.db, &other.layer);
        let path = written_path(self.db, setting.origin);
        let shown = path.as_ref().map_or("this".to_string(), |path| format!("`{path}`"));
        let message = if setting.layer.item == other.layer.item {
            match written_path(self.db, other.origin) {
                Some(whole) if path.as_ref() != Some(&whole) => {
                    format!("{layer} sets {shown}, and `{whole}` as well")
                }
                _ => format!("{layer} sets {shown} twice"),
            }
        } else if layer == before {
            format!("{layer} is there twice, and both set {shown}")
        } else {
            format!("{before} and {layer} both set {shown}, and neither is above the other")
        };
        let mut error = Diagnostic::error(code::SET_TWICE, setting.origin, message)
            .related(other.origin, "the other one is here")
            .help("keep one of them");
        error.label = "set here".into();
        self.diagnostics.push(error);
    }
}

/// The path of the entry of a layer that a setting was written as: `env.A`, `sidecars["proxy"].image`.
pub(crate) fn written_path(db: &dyn Db, origin: Origin) -> Option<String> {
    fn entries(record: &ast::Record, node: NodeId, before: &str) -> Option<String> {
        record.entries.iter().find_map(|entry| {
            let EntryKind::Set { path, value, .. } = &entry.kind else { return None };
            let mut shown = before.to_string();
            for segment in &path.segments {
                match &segment.kind {
                    SegmentKind::Key(name) if shown.is_empty() => shown.push_str(name),
                    SegmentKind::Key(name) => shown = format!("{shown}.{name}"),
                    SegmentKind::Index(keys) => {
                        let keys: Option<Vec<String>> = keys
                            .iter()
                            .map(|key| match &key.kind {
                                ExprKind::Literal(literal) => {
                                    Some(crate::types::display_literal(literal))
                                }
                                _ => None,
                            })
                            .collect();
                        shown = format!("{shown}[{}]", keys?.join(", "));
                    }
                }
            }
            if entry.id == node || value.id == node {
                return Some(shown);
            }
            match &value.kind {
                ExprKind::Record(inner) | ExprKind::Named { record: inner, .. } => {
                    if inner.id == node { Some(shown) } else { entries(inner, node, &shown) }
                }
                _ => None,
            }
        })
    }
    entries(layer_record(item(db, origin.item).as_ref()?)?, origin.node, "")
}

/// Whether two settings of one slot cannot both stand: neither is above the other, and neither came
/// in by a spread.
fn clash(one: &Setting, other: &Setting) -> bool {
    one.layer.level == other.layer.level
        && one.origin != other.origin
        && !one.spread
        && !other.spread
}

/// A setting at or under a slot that cannot stand beside one of the whole.
fn clashing<'s>(slot: &'s Slot, setting: &Setting) -> Option<&'s Setting> {
    let here = slot.history.iter().find(|it| clash(it, setting));
    here.or_else(|| match &slot.content {
        Content::Parts { parts, .. } => parts.values().find_map(|part| clashing(part, setting)),
        Content::Waiting(sayings) => {
            sayings.iter().map(|saying| &saying.setting).find(|it| clash(it, setting))
        }
        _ => None,
    })
}

/// What is final in the values of a schema, by the names that lead there, with who says so; not what is
/// final in the values inside them, nor what only evaluation leads to.
#[salsa::tracked]
pub fn finals(
    db: &dyn Db,
    workspace: Workspace,
    id: ItemId,
    environment: Option<ItemId>,
) -> Vec<(Vec<Name>, Setting)> {
    fn of_entries(
        layer: Layer,
        record: &ast::Record,
        way: &[Name],
        found: &mut Vec<(Vec<Name>, Setting)>,
    ) {
        for entry in &record.entries {
            let EntryKind::Set { modifier, path, value, .. } = &entry.kind else { continue };
            let Some(names) = names_of(path) else { continue };
            let way = [way, &names].concat();
            if *modifier == Some(ast::Modifier::Final) {
                let origin = Origin { item: layer.item, node: path.id };
                found.push((way, Setting::new(layer, origin)));
            } else if let ExprKind::Record(inner) | ExprKind::Named { record: inner, .. } =
                &value.kind
            {
                of_entries(layer, inner, &way, found);
            }
        }
    }
    let shape = schema(db, workspace, id);
    let of_schema = |item, node| {
        let layer = Layer { item, level: 0, kind: LayerKind::Schema };
        Setting::new(layer, Origin { item, node })
    };
    let fields = shape.fields.iter().filter(|field| field.is_final);
    let mut found: Vec<(Vec<Name>, Setting)> = fields
        .map(|field| (vec![field.name.clone()], of_schema(field.owner, field.node)))
        .collect();
    for (owner, member) in &shape.finals {
        if let Some(tree) = item(db, *owner)
            && let ItemKind::Schema { members, .. } = &tree.kind
            && let ast::MemberKind::Final { path, .. } = &members[*member].kind
            && let Some(names) = names_of(path)
        {
            found.push((names, of_schema(*owner, path.id)));
        }
    }
    for layer in default_layers(db, workspace, id, environment) {
        if let Some(record) = item(db, layer.item).as_deref().and_then(layer_record) {
            of_entries(*layer, record, &[], &mut found);
        }
    }
    found
}

/// The names and keys of a path; `None` where one of them is computed.
fn names_of(path: &ast::FieldPath) -> Option<Vec<Name>> {
    let names = path.segments.iter().map(|segment| match &segment.kind {
        SegmentKind::Key(name) => Some(name.clone()),
        SegmentKind::Index(keys) => {
            let keys = keys.iter().map(|key| match &key.kind {
                ExprKind::Literal(literal) => Some(plain_text(literal)),
                _ => None,
            });
            Some(keys.collect::<Option<Vec<Name>>>()?.join("/").into())
        }
    });
    names.collect()
}

/// Takes a value of a schema apart: what is final in it is the schema's to say, wherever the value is given.
pub fn leave_finals(
    db: &dyn Db,
    workspace: Workspace,
    environment: Option<ItemId>,
    schema: ItemId,
    record: &mut Arc<Record>,
) {
    fn leave(db: &dyn Db, workspace: Workspace, ty: &Ty, record: &mut Record, way: &[Name]) {
        let [name, way @ ..] = way else { return };
        let ty = field_of(db, workspace, ty, name);
        match (way, record.fields.get_mut(name), ty.as_deref().map(Ty::base)) {
            ([], ..) => {
                record.fields.shift_remove(name);
            }
            (_, Some(Value { data: Data::Record(inner), .. }), Some(ty)) => {
                leave(db, workspace, ty, Arc::make_mut(inner), way);
            }
            (
                [key, way @ ..],
                Some(Value { data: Data::List(elements), .. }),
                Some(Ty::List(item, Keys::By(keys))),
            ) => {
                let is_it = |it: &Value| element_key(it, keys).as_ref() == Some(key);
                let Some(at) = elements.iter().position(is_it) else { return };
                let elements = Arc::make_mut(elements);
                match &mut elements[at].data {
                    Data::Record(inner) if !way.is_empty() => {
                        leave(db, workspace, item, Arc::make_mut(inner), way);
                    }
                    _ => {
                        elements.remove(at);
                    }
                }
            }
            _ => {}
        }
    }
    for (way, _) in finals(db, workspace, schema, environment) {
        leave(db, workspace, &Ty::Schema(schema), Arc::make_mut(record), way);
    }
}

/// The schema whose values a type's are.
fn schema_of(ty: &Ty) -> Option<ItemId> {
    match ty {
        Ty::Schema(id) | Ty::Request(id) => Some(*id),
        _ => None,
    }
}

/// Puts the parts back that were taken out of a slot while they merged, since merging needs the
/// whole [`Merge`].
fn put_back(slot: &mut Slot, taken: Parts) {
    if let Content::Parts { parts, .. } = &mut slot.content {
        *parts = taken;
    }
}

/// The fields that a keyed list is keyed by, each with the value it has where it is left out.
pub type KeyFields = [(Name, Option<crate::syntax::ast::Literal>)];

/// The key of an element, its parts joined where there are several. `None` where it is missing,
/// which the check of required fields says.
pub fn element_key(element: &Value, keys: &KeyFields) -> Option<Name> {
    let fields = element.fields()?;
    joined(keys, |_, name| fields.get(name).filter(|value| !value.is_none()))
}

/// The key that the parts in brackets name; parts that are left out have the value that the fields
/// have then.
pub fn named_key(parts: &[Value], keys: &KeyFields) -> Option<Name> {
    joined(keys, |index, _| parts.get(index))
}

fn joined<'v>(keys: &KeyFields, part: impl Fn(usize, &Name) -> Option<&'v Value>) -> Option<Name> {
    let mut texts = Vec::with_capacity(keys.len());
    for (index, (name, default)) in keys.iter().enumerate() {
        texts.push(match part(index, name) {
            Some(value) => crate::eval::scalar_text(value)?,
            None => plain_text(default.as_ref()?),
        });
    }
    Some(match texts.len() {
        1 => texts.remove(0),
        _ => texts.join("/").into(),
    })
}

/// A literal as a part of a key.
fn plain_text(literal: &ast::Literal) -> Name {
    match literal {
        ast::Literal::String(text) | ast::Literal::Raw(text) => text.clone(),
        other => crate::types::display_literal(other).into(),
    }
}

/// The value of a slot after all layers; `None` where nothing holds.
pub fn finish(slot: &Slot) -> Option<Value> {
    match &slot.content {
        Content::Unset | Content::Removed | Content::Waiting(_) => None,
        Content::Whole(value) => Some(value.clone()),
        Content::Parts { parts, given, origin, keyed, arm } => {
            let schema = schema_of(arm);
            if !given {
                return None;
            }
            if *keyed {
                return Some(Value::list(parts.values().filter_map(finish).collect(), *origin));
            }
            let fields = fields(parts, schema.is_some());
            let tag = schema.map_or(Tag::Plain, Tag::Partial);
            Some(Value::new(Data::Record(Arc::new(Record { tag, fields })), *origin))
        }
    }
}

/// The values of the parts of a record or map; `of_schema`: defaults of it are still to come.
pub fn fields(parts: &Parts, of_schema: bool) -> Fields {
    let mut fields = Fields::default();
    for (name, part) in parts {
        if let Some(value) = finish(part) {
            fields.insert(name.clone(), value);
        } else if let Some(last) = part.taken_out().filter(|_| of_schema) {
            // A default must not fill it again.
            fields.insert(name.clone(), Value::new(Data::None, last.origin));
        }
    }
    fields
}

/// The place of a setting, for messages.
impl From<&Setting> for Place {
    fn from(setting: &Setting) -> Self {
        setting.origin.into()
    }
}

/// Whether a declaration is a layer of data that users write.
pub fn is_data(db: &dyn Db, item: ItemId) -> bool {
    matches!(item.kind(db), Kind::Request | Kind::Overlay)
}
