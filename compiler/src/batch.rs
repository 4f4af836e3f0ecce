//! All requests of an environment, one after the other, without keeping what was made of them.
//!
//! ```text
//! turns ─ in the order of applying ──> Maker, one a thread: a request ─> Outcome, plain data
//!                                        └──> Batch, the one that knows all: findings, clashes, pieces to print
//! ```
//!
//! What of a request there is to say and to print depends on no other request but through outputs, so a
//! host may have as many makers as it has cores; it gives their outcomes to the batch in the order of the
//! turns. The batch knows what requests can do to each other: the identities of their objects, and
//! autoscalers. Of two that are in each other's way, the one whose turn is later makes nothing.

use crate::allow::schema_diagnostic;
use crate::answers::{Finding, Manifest};
use crate::db::Db;
use crate::diagnostics::{Diagnostic, Severity, code};
use crate::engine::{Barrier, Blocked, Gathered, address, concerned, infer_part, platform_blocked};
use crate::eval::{Evaluated, Moulds, Shared, evaluate, kind_facts, settle};
use crate::infer::{infer, request_schema};
use crate::items::{item, name_place};
use crate::layers::{Finder, layers};
use crate::names::{environments, is_whole, packages, scope};
use crate::objects::{Object, emitted, emitted_kinds, objects};
use crate::outputs::{
    Declared, Node, circle, declared_outputs, dependencies, order, output, requests_of, told,
    used_by,
};
use crate::plan::{Made, Notation, Planned};
use crate::source::{ItemId, Package, Workspace};
use crate::syntax::ast::{ItemKind, Name};
use crate::types::composition;
use crate::value::Origin;
use plumb_kubernetes::KindId;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::rc::Rc;

/// A request's turn in an environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It is made now; early: what it makes may come before what all others make.
    Make(ItemId, bool),
    /// It was made before all others, since objects of its come before those of all others; the rest
    /// of them come now.
    Rest(ItemId),
}

/// The part of a workspace that is asked about.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The packages whose requests are made; `None`: all.
    requests: Option<Vec<Package>>,
    /// The packages whose texts and types are looked at.
    texts: Vec<Package>,
}

impl Extent {
    /// All of it.
    pub fn whole(db: &dyn Db, workspace: Workspace) -> Self {
        Extent { requests: None, texts: concerned(db, workspace, |_| true).1 }
    }

    /// What stands in the packages of the files that are chosen by their path: their requests, those of
    /// packages that use them, and all that these stand on. Whether other requests make objects of the same
    /// name is not asked then, since every request would have to be evaluated.
    pub fn of(db: &dyn Db, workspace: Workspace, is_chosen: impl Fn(&str) -> bool) -> Self {
        let (requests, texts) = concerned(db, workspace, is_chosen);
        let is_whole =
            texts.len() == packages(db, workspace).len() && requests.len() == texts.len();
        Extent { requests: (!is_whole).then_some(requests), texts }
    }

    /// Infers the types of a part of its declarations, one of so many: what a host with threads may ask for
    /// ahead of [`Batch::new`]. Nothing is answered, and whoever asks next finds it done.
    pub fn infer_part(&self, db: &dyn Db, workspace: Workspace, part: usize, parts: usize) {
        infer_part(db, workspace, &self.texts, part, parts);
    }
}

/// Namespaces before all, since objects go into them; then the definitions of kinds that others are of.
fn rank(kind: &str) -> usize {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        _ => LAST,
    }
}

/// The rank of everything else.
const LAST: usize = 2;

/// How manifests are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As documents.
    Text(Notation),
    /// As values, for who writes them otherwise.
    Objects,
    /// As values that the engine remembers, for who asks again after a change.
    Remembered,
}

/// Makes what a request in an environment makes.
pub struct Maker<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    environment: ItemId,
    form: Form,
    shared: Rc<Shared<'a>>,
    moulds: Moulds<'a>,
    planned: Planned<'a>,
    finder: Finder<'a>,
    barrier: Barrier<'a>,
    /// By schema.
    platform: FxHashMap<ItemId, Footing<'a>>,
}

/// What the requests for a schema stand on.
#[derive(Clone, Copy)]
struct Footing<'a> {
    /// What stands in the way of all of them.
    blocked: Blocked,
    compose: Option<ItemId>,
    outputs: &'a [Declared],
}

impl<'a> Footing<'a> {
    fn new(db: &'a dyn Db, workspace: Workspace, schema: ItemId, environment: ItemId) -> Self {
        let blocked = platform_blocked(db, workspace, schema, environment);
        let compose = composition(db, workspace, schema);
        let outputs = compose.map_or(&[][..], |it| declared_outputs(db, workspace, it));
        Footing { blocked, compose, outputs }
    }
}

/// What of a request in an environment there is to say and to print.
#[derive(Debug)]
pub struct Outcome {
    request: ItemId,
    /// What is wrong, whether it is of this environment alone.
    diagnostics: Vec<(Diagnostic, bool)>,
    /// What it makes; `None` where an error stands in the way.
    made: Option<Vec<Made>>,
    /// The same as values, where these are wanted.
    objects: Vec<Object>,
}

impl Outcome {
    /// What it makes, where objects are wanted; `None` where an error stands in the way.
    pub fn objects(&self) -> Option<&[Object]> {
        self.made.is_some().then_some(&self.objects)
    }
}

impl<'a> Maker<'a> {
    /// Of an environment; `None` where there is no such.
    pub fn new(
        db: &'a dyn Db,
        workspace: Workspace,
        environment: &str,
        form: Form,
    ) -> Option<Maker<'a>> {
        let environment = environments(db, workspace).0.get(environment).copied()?;
        let shared = Shared::new(db, workspace);
        let notation = match form {
            Form::Text(notation) => notation,
            Form::Objects | Form::Remembered => Notation::Yaml,
        };
        let planned = Planned::sharing(shared.clone(), db, workspace, environment, notation);
        Some(Maker {
            db,
            workspace,
            environment,
            form,
            moulds: Moulds::sharing(shared.clone(), environment),
            shared,
            planned,
            finder: Finder::new(db, workspace, environment),
            barrier: Barrier::new(db, workspace),
            platform: FxHashMap::default(),
        })
    }

    /// Makes a request; its documents go behind what is in `text`, nothing where values are wanted.
    pub fn make(&mut self, request: ItemId, text: &mut String) -> Outcome {
        let (db, workspace, environment) = (self.db, self.workspace, self.environment);
        let mut outcome =
            Outcome { request, diagnostics: Vec::new(), made: None, objects: Vec::new() };
        let Some(schema) = request_schema(db, workspace, request) else { return outcome };
        let layers = match self.form {
            Form::Remembered => {
                Cow::Borrowed(layers(db, workspace, request, environment).as_slice())
            }
            _ => Cow::Owned(self.finder.layers(request, schema)),
        };
        let platform = *self
            .platform
            .entry(schema)
            .or_insert_with(|| Footing::new(db, workspace, schema, environment));
        let blocked = self.barrier.blocked(request, &layers, platform.blocked);
        if blocked == Blocked::Everything {
            return outcome;
        }
        let here = |diagnostic: Diagnostic| (diagnostic, true);
        let cast = match self.form {
            Form::Remembered => None,
            _ => self.moulds.cast(request, schema, &layers),
        };
        let evaluated = match cast {
            Some(value) => Evaluated { value: Some(value), diagnostics: Vec::new() },
            None => {
                let evaluated = match self.form {
                    Form::Remembered => evaluate(db, workspace, request, environment).clone(),
                    _ => settle(&self.shared, request, environment, &layers),
                };
                outcome.diagnostics.extend(evaluated.diagnostics.iter().cloned().map(here));
                // One that is misnamed is told so once, not by each of its objects.
                let misnamed = matches!(item(db, request).as_deref(), Some(tree)
                    if matches!(&tree.kind, ItemKind::Request { name, .. }
                        if infer(db, workspace, request).poisoned.contains(&name.id)));
                if misnamed {
                    return outcome;
                }
                evaluated
            }
        };
        let start = text.len();
        if let Some(value) = &evaluated.value {
            let planned = match self.form {
                Form::Text(_) => self.planned.text(request, value, text),
                Form::Objects | Form::Remembered => None,
            };
            if planned.is_some() {
                outcome.made = planned;
            } else {
                let made = match self.form {
                    Form::Remembered => objects(db, workspace, request, environment).clone(),
                    _ => emitted(&self.shared, request, environment, value),
                };
                outcome.diagnostics.extend(made.diagnostics.into_iter().map(here));
                outcome.made = made.objects.as_ref().map(|objects| {
                    objects.iter().map(|object| self.made(object, text, start)).collect()
                });
                if !matches!(self.form, Form::Text(_)) {
                    outcome.objects = made.objects.unwrap_or_default();
                }
            }
        }
        if platform.compose.is_none() {
            return outcome;
        }
        let outputs = platform.outputs;
        let is_read = self.form == Form::Remembered
            || !outputs.is_empty() && !used_by(db, workspace, environment, request).is_empty();
        for declared in outputs {
            let name = &declared.name;
            if circle(db, workspace, environment, Node::Output(request, name.clone())).is_some() {
                continue;
            }
            if is_read {
                let output = output(db, workspace, environment, request, name.clone());
                outcome.diagnostics.extend(output.diagnostics.iter().cloned().map(here));
            } else {
                let output = told(db, workspace, environment, request, name);
                outcome.diagnostics.extend(output.diagnostics.into_iter().map(here));
            }
        }
        // Asked for by who may not: told once, whatever the environment.
        let refused = schema_diagnostic(db, workspace, request);
        if refused.is_some() || blocked != Blocked::No {
            outcome.diagnostics.extend(refused.clone().map(|it| (it, false)));
            outcome.made = None;
        }
        if outcome.made.is_none() {
            text.truncate(start);
            outcome.objects.clear();
        }
        outcome
    }

    /// What is to be known of an object, which is written if text is wanted.
    fn made(&self, object: &Object, text: &mut String, start: usize) -> Made {
        if let Form::Text(notation) = self.form {
            notation.write_document(text, &object.value);
        }
        Made::of(self.db, self.workspace, object, text.len() - start)
    }
}

/// A manifest to print.
pub enum Piece<'p> {
    /// A document.
    Text(&'p str),
    /// A value.
    Manifest(&'p Manifest),
}

/// Group and kind by their number in [`Families`], namespace and name.
type Identity = (usize, Option<Name>, Name);

/// Groups and kinds, whatever the version: short to compare, since every object is looked for by its own.
#[derive(Default)]
struct Families {
    all: Vec<(Name, Name)>,
    of: FxHashMap<KindId, usize>,
}

impl Families {
    fn number(&mut self, group: &str, kind: &str) -> usize {
        let known = self.all.iter().position(|known| known.0 == group && known.1 == kind);
        known.unwrap_or_else(|| {
            self.all.push((group.into(), kind.into()));
            self.all.len() - 1
        })
    }

    fn of(&mut self, db: &dyn Db, workspace: Workspace, kind: KindId) -> usize {
        if let Some(known) = self.of.get(&kind) {
            return *known;
        }
        let facts = kind_facts(db, workspace, kind);
        let number = self.number(facts.group, facts.kind);
        self.of.insert(kind, number);
        number
    }
}

/// What is known of the requests of an environment that have had their turn, and of the findings of all
/// environments so far.
pub struct Batch<'a> {
    db: &'a dyn Db,
    workspace: Workspace,
    extent: Extent,
    gathered: Gathered<'a>,
    environment: Option<ItemId>,
    families: Families,
    /// The request that makes each object, and the `emit`.
    objects: FxHashMap<Identity, (ItemId, Origin)>,
    /// The objects whose number of replicas is fixed, and where.
    fixed: FxHashMap<Identity, Origin>,
    /// What autoscalers scale, each with its request and `emit`.
    scaled: FxHashMap<Identity, (ItemId, Origin)>,
    blocked: Vec<Name>,
    /// The requests that make nothing and of which nothing is told that says why, each in an environment.
    unexplained: Vec<(ItemId, ItemId)>,
    /// What was made early and comes with all others.
    kept: FxHashMap<ItemId, Vec<Kept>>,
    /// What was made early and comes before all others, by rank; `None` once it was printed.
    first: Option<[Vec<Kept>; LAST]>,
}

/// A manifest that waits for its turn.
enum Kept {
    Text(String),
    Manifest(Box<Manifest>),
}

impl<'a> Batch<'a> {
    /// With what is wrong with the text and the types, whatever the environment.
    pub fn new(db: &'a dyn Db, workspace: Workspace, extent: Extent) -> Self {
        Batch {
            db,
            workspace,
            gathered: Gathered::new(db, workspace, &extent.texts),
            extent,
            environment: None,
            families: Families::default(),
            objects: FxHashMap::default(),
            fixed: FxHashMap::default(),
            scaled: FxHashMap::default(),
            blocked: Vec::new(),
            unexplained: Vec::new(),
            kept: FxHashMap::default(),
            first: None,
        }
    }

    /// Begins an environment.
    pub fn begin(&mut self, environment: &str) {
        self.environment = environments(self.db, self.workspace).0.get(environment).copied();
        self.objects.clear();
        self.fixed.clear();
        self.scaled.clear();
        self.kept.clear();
        self.first = Some(Default::default());
    }

    /// The turns of the environment's requests: first those that can make what is applied before all else,
    /// then all, in the order of applying. None where there is no such environment.
    pub fn turns(&self) -> Vec<Turn> {
        let (db, workspace) = (self.db, self.workspace);
        let Some(environment) = self.environment else { return Vec::new() };
        let requests: Vec<ItemId> = match &self.extent.requests {
            None => order(db, workspace, environment),
            Some(packages) => packages
                .iter()
                .flat_map(|package| requests_of(db, workspace, *package, environment))
                .collect(),
        };
        let emits_early = |compose: ItemId| {
            let mut kinds = emitted_kinds(db, workspace, compose).iter();
            kinds.any(|kind| rank(kind_facts(db, workspace, *kind).kind) < LAST)
        };
        // In most workspaces none is, and no request need be asked.
        let some_are_early = packages(db, workspace).keys().any(|path| {
            let composes = &scope(db, Package::new(db, workspace, path.clone())).composes;
            composes.iter().any(|compose| emits_early(*compose))
        });
        let mut early: FxHashMap<ItemId, bool> = FxHashMap::default();
        let mut is_early = |request: &ItemId| {
            let Some(schema) = request_schema(db, workspace, *request) else { return false };
            *early
                .entry(schema)
                .or_insert_with(|| composition(db, workspace, schema).is_some_and(emits_early))
        };
        let (mut first, mut rest) = (Vec::new(), Vec::with_capacity(requests.len()));
        for request in requests {
            if some_are_early && is_early(&request) {
                first.push(Turn::Make(request, true));
                rest.push(Turn::Rest(request));
            } else {
                rest.push(Turn::Make(request, false));
            }
        }
        first.extend(rest);
        first
    }

    /// The turn of a request that was made, whose documents are `text`. What there is to print now goes to
    /// `print`, in order.
    ///
    /// # Errors
    ///
    /// Those of `print`; the batch goes no further then.
    pub fn take<E>(
        &mut self,
        outcome: Outcome,
        text: &str,
        is_early: bool,
        print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(environment) = self.environment else { return Ok(()) };
        let Outcome { request, diagnostics, made, objects } = outcome;
        let is_told = diagnostics.iter().any(|(it, _)| it.severity == Severity::Error);
        if made.is_none() && !is_told {
            self.unexplained.push((request, environment));
        }
        for (diagnostic, here) in &diagnostics {
            self.gathered.add(diagnostic, here.then_some(environment));
        }
        if !is_early {
            self.print_first(print)?;
        }
        let made = made.filter(|made| self.is_alone(request, made, environment));
        let Some(made) = made else {
            self.blocked.push(address(self.db, self.workspace, request));
            return Ok(());
        };
        let mut objects = objects.into_iter();
        let mut start = 0;
        for one in &made {
            let document = &text[std::mem::replace(&mut start, one.end)..one.end];
            let piece = match objects.next() {
                Some(object) => Kept::Manifest(Box::new(Manifest {
                    request: address(self.db, self.workspace, request),
                    item: request,
                    object: object.value,
                    composed: object.composed,
                })),
                None if is_early => Kept::Text(document.to_owned()),
                None => {
                    print(Piece::Text(document))?;
                    continue;
                }
            };
            let rank = rank(kind_facts(self.db, self.workspace, one.kind).kind);
            match &mut self.first {
                Some(first) if is_early && rank < LAST => first[rank].push(piece),
                _ if is_early => self.kept.entry(request).or_default().push(piece),
                _ => piece.print(print)?,
            }
        }
        Ok(())
    }

    /// The turn of a request that was made early.
    ///
    /// # Errors
    ///
    /// Those of `print`.
    pub fn rest<E>(
        &mut self,
        request: ItemId,
        print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.print_first(print)?;
        self.kept.remove(&request).into_iter().flatten().try_for_each(|piece| piece.print(print))
    }

    /// All requests of the environment had their turn.
    ///
    /// # Errors
    ///
    /// Those of `print`.
    pub fn end<E>(&mut self, print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        self.print_first(print)
    }

    fn print_first<E>(
        &mut self,
        print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.first.take().into_iter().flatten().flatten().try_for_each(|piece| piece.print(print))
    }

    /// The requests that make nothing because of an error, by package and name, of all environments so
    /// far that were not asked for yet.
    pub fn blocked(&mut self) -> Vec<Name> {
        self.blocked.sort_unstable();
        std::mem::take(&mut self.blocked)
    }

    /// Everything that is wrong, each told once, sorted by place.
    pub fn findings(mut self) -> Vec<Finding> {
        let (db, workspace) = (self.db, self.workspace);
        // A mistake of a text may be why, and so may be one of a request that is read, which is told there and
        // need not be in the extent. That a dependency is not there is told by who looked for it.
        let of_texts = self.gathered.errors().any(<[ItemId]>::is_empty) || !is_whole(db, workspace);
        let of_others = self.extent.requests.is_some() || self.gathered.errors().next().is_some();
        for (request, environment) in std::mem::take(&mut self.unexplained) {
            let reads = !dependencies(db, workspace, environment, request).is_empty()
                || !used_by(db, workspace, environment, request).is_empty();
            if !(of_texts || reads && of_others) {
                self.gathered.add(&unexplained(db, request), Some(environment));
            }
        }
        self.gathered.findings()
    }

    /// Whether what a request makes is in the way of nothing that was made before; says so.
    fn is_alone(&mut self, request: ItemId, made: &[Made], environment: ItemId) -> bool {
        let (db, workspace) = (self.db, self.workspace);
        let mut alone = true;
        let mut identities: Vec<Identity> = Vec::with_capacity(made.len());
        for one in made {
            let family = self.families.of(db, workspace, one.kind);
            let identity = (family, one.namespace.clone(), one.name.clone());
            match self.objects.entry(identity.clone()) {
                Entry::Occupied(other) => {
                    let other = *other.get();
                    self.clash(request, one.origin, &identity, other, environment);
                    alone = false;
                }
                Entry::Vacant(place) => {
                    place.insert((request, one.origin));
                }
            }
            identities.push(identity);
        }
        if !alone {
            return false;
        }
        let mut target = |one: &Made| {
            let (group, kind, name) = one.scaling.scales.as_ref()?;
            Some((self.families.number(group, kind), one.namespace.clone(), name.clone()))
        };
        let targets: Vec<Option<Identity>> = made.iter().map(&mut target).collect();
        for ((one, identity), target) in made.iter().zip(&identities).zip(&targets) {
            if let Some(fixed) = one.scaling.fixed {
                self.fixed.insert(identity.clone(), fixed);
            }
            if let Some(target) = target {
                self.scaled.insert(target.clone(), (request, one.origin));
            }
        }
        // What an autoscaler scales may have had its turn, or the autoscaler.
        for ((one, identity), target) in made.iter().zip(&identities).zip(&targets) {
            if let Some(target) = target
                && let Some(fixed) = self.fixed.get(target).copied()
            {
                self.fixed_replicas(fixed, target, (request, one.origin), environment);
                alone = false;
            } else if let Some(fixed) = one.scaling.fixed
                && let Some(scaler) = self.scaled.get(identity).copied()
                && scaler.0 != request
            {
                self.fixed_replicas(fixed, identity, scaler, environment);
                alone = false;
            }
        }
        alone
    }

    fn clash(
        &mut self,
        request: ItemId,
        origin: Origin,
        (family, namespace, name): &Identity,
        (other, at): (ItemId, Origin),
        environment: ItemId,
    ) {
        let kind = &self.families.all[*family].1;
        let within = namespace.as_ref().map(|it| format!(" in namespace {it}")).unwrap_or_default();
        let mut error = Diagnostic::error(
            code::DUPLICATE_OBJECT,
            name_place(self.db, request),
            format!("two objects are {kind} {name}{within}"),
        )
        .label("makes one of them")
        .help("give one of the requests another name or namespace");
        if other == request {
            error = error.related(at, "one is emitted here").related(origin, "the other one here");
        } else {
            error = error
                .related(
                    name_place(self.db, other),
                    format!("`{}` makes the other one", other.name(self.db)),
                )
                .related(origin, "emitted here");
        }
        self.gathered.add(&error, Some(environment));
    }

    fn fixed_replicas(
        &mut self,
        fixed: Origin,
        (family, _, name): &Identity,
        (request, scaler): (ItemId, Origin),
        environment: ItemId,
    ) {
        let kind = &self.families.all[*family].1;
        let error = Diagnostic::error(
            code::FIXED_REPLICAS,
            fixed,
            format!("the `replicas` of {kind} {name} are fixed here, and an autoscaler changes them"),
        )
        .related(scaler, "the autoscaler")
        .related(name_place(self.db, request), "for this request")
        .help("write `replicas = initial(…, owner = \"hpa\")`, or leave it out: what is applied again and again would undo the autoscaler");
        self.gathered.add(&error, Some(environment));
    }
}

/// That a request makes nothing is never passed over, whatever may be wrong with Plumb.
fn unexplained(db: &dyn Db, request: ItemId) -> Diagnostic {
    Diagnostic::error(
        code::INTERNAL_ERROR,
        name_place(db, request),
        format!("`{}` makes nothing, and nothing says why", request.name(db)),
    )
    .help("this is a mistake of Plumb: please report it, with what the request says")
}

impl Kept {
    fn print<E>(self, print: &mut dyn FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Kept::Text(text) => print(Piece::Text(&text)),
            Kept::Manifest(manifest) => print(Piece::Manifest(&manifest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;
    use crate::source::{Content, SourceFile};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// What is told where requests make nothing without a word. No text is known that comes to this, so
    /// they are taken as if it had.
    fn told(text: &str) -> Vec<String> {
        let db = Database::default();
        let file = SourceFile::new(&db, "a.plumb".into(), Content::Text(text.into()));
        let files = BTreeMap::from([("a.plumb".into(), file)]);
        let workspace = Workspace::new(&db, Arc::new(files), 36);
        let environment = environments(&db, workspace).0["dev"];
        let package = Package::new(&db, workspace, Name::default());
        let mut batch = Batch::new(&db, workspace, Extent::whole(&db, workspace));
        batch.begin("dev");
        for request in requests_of(&db, workspace, package, environment) {
            let (diagnostics, objects) = Default::default();
            let outcome = Outcome { request, diagnostics, made: None, objects };
            batch.take(outcome, "", false, &mut |_| Ok::<(), ()>(())).unwrap();
        }
        batch.findings().into_iter().map(|it| format!("[{}] {}", it.code, it.message)).collect()
    }

    #[test]
    fn a_request_that_makes_nothing_without_a_word_is_told() {
        let platform = "schema Env {}\nenvironment dev: Env {}\nschema A { x: String = \"\" }\n\
                        compose A as a { output y: String = a.x }\n";
        let lone = "request one: A {}\n";
        let unexplained = "[internal-error] `one` makes nothing, and nothing says why";
        assert_eq!(told(&format!("{platform}{lone}")), [unexplained]);
        // What a text has may be why.
        let wrong = format!("{platform}{lone}let it = nowhere\n");
        assert_eq!(told(&wrong), ["[unknown-name] nothing here is named `nowhere`"]);
    }
}
