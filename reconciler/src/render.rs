//! A workspace becomes what an environment should have.
//!
//! ```text
//! Loaded ─ inputs of one database, only what differs is set ─> requests, each once ─> Render
//! ```
//!
//! The database lives as long as its [`Compiler`], so of the next commit only what it changed is evaluated.

use base64::Engine as _;
use plumb_compiler::answers::{Finding, Location, Manifest, Why};
use plumb_compiler::batch::{Extent, Form, Piece};
use plumb_compiler::by_name::ByName;
use plumb_compiler::changes::{Identity, Step, package};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::engine::{address, location};
use plumb_compiler::eval::initial_owner;
use plumb_compiler::items::name_place;
use plumb_compiler::names::environments;
use plumb_compiler::outputs::dependencies;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::{Data, Fields, Record, Value};
use plumb_compiler::versions::runs;
use plumb_compiler::why::{Source, Tracer};
use plumb_compiler::{Database, json};
use plumb_kubernetes::Kubernetes;
use plumb_workspace::{Loaded, work};
use salsa::Setter;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

/// An object as git has it.
pub struct Desired {
    /// Which one.
    pub identity: Identity,
    /// Where the API server keeps its kind.
    pub resource: Resource,
    /// The request that makes it, with its package.
    pub request: Name,
    /// Its values, and what they were made from. Of a Secret, `stringData` stands in `data`.
    pub manifest: Manifest,
    /// The same, as it is sent.
    pub json: Json,
    /// Names that by its content.
    pub digest: String,
    /// What is set when it is made and then left to somebody else.
    pub left: Vec<Left>,
}

/// A field that is left to an owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The way to it: names of fields, places in lists.
    pub path: Vec<Pointer>,
    /// What `initial` calls the owner.
    pub owner: Name,
}

/// A step in the JSON of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pointer {
    /// Into a field.
    Field(String),
    /// To an element.
    At(usize),
}

/// Where an API server keeps objects of a kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Resource {
    /// The whole name of the group; empty for the core group.
    pub group: Name,
    /// `v1`
    pub version: Name,
    /// `Deployment`
    pub kind: Name,
    /// `deployments`
    pub plural: Name,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// `apps/v1`, `v1`
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }
}

impl From<&plumb_kubernetes::Kind> for Resource {
    fn from(kind: &plumb_kubernetes::Kind) -> Self {
        Resource {
            group: kind.group.into(),
            version: kind.version.into(),
            kind: kind.kind.into(),
            plural: kind.plural.into(),
            namespaced: kind.namespaced,
        }
    }
}

/// A request that makes objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// With its package.
    pub name: Name,
    /// The places in [`Render::requests`] of those that it speaks of.
    pub needs: Vec<usize>,
    /// The places of its objects in [`Render::objects`], in the order of applying.
    pub objects: Vec<usize>,
}

/// What an environment should have, by one state of its sources.
pub struct Render {
    /// The environment.
    pub environment: Name,
    /// What is known of the version of Kubernetes that it runs.
    pub facts: &'static Kubernetes,
    /// In the order they are applied.
    pub objects: Vec<Arc<Desired>>,
    /// Those that make something, in the order they are applied.
    pub requests: Vec<Request>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is not known because of it.
    pub unknown: Unknown,
}

impl Render {
    /// The errors among the findings.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.severity == Severity::Error)
    }
}

/// What a render does not say, since something of the sources does not build.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unknown {
    /// Nothing is known: what the workspace is was not read as a whole.
    pub all: bool,
    /// The requests that make nothing because of an error, each with its package.
    pub requests: BTreeSet<Name>,
    /// The packages with an error, and their text: a request that is not seen may be in there.
    pub packages: BTreeMap<Name, Vec<Arc<str>>>,
}

impl Unknown {
    /// Whether an object that the render does not have may be one of it all the same; `request` made it, by what is
    /// remembered.
    ///
    /// What its own package makes is not all known where anything of that does not build. A request that was moved
    /// keeps its name: it may be in any package that does not build.
    pub fn may_hide(&self, request: &str) -> bool {
        let (own, name) = (package(request), request.rsplit('.').next().unwrap_or(request));
        self.all
            || self.packages.contains_key(own)
            || self
                .requests
                .iter()
                .any(|it| package(it) == own || it.ends_with(&format!(".{name}")) || it == name)
            || self.packages.values().flatten().any(|text| has_word(text, name))
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_' || char == '-';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// Makes renders of one workspace after the other, as its sources change.
#[derive(Default)]
pub struct Compiler {
    db: Database,
    /// What was read last, as the database has it.
    held: Option<(Workspace, Arc<BTreeMap<Name, SourceFile>>)>,
    loaded: Option<Loaded>,
}

/// An environment that the workspace does not declare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownEnvironment {
    /// As it was asked for.
    pub asked: String,
    /// Those that there are, in the order they are declared.
    pub known: Vec<Name>,
}

impl fmt::Display for UnknownEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known.as_slice() {
            [] => write!(f, "the workspace declares no environment"),
            known => {
                write!(f, "there is no environment `{}`; there is {}", self.asked, known.join(", "))
            }
        }
    }
}

impl Compiler {
    /// What an environment should have by these sources. `form` says whether more commits will follow, whose
    /// unchanged requests are then not evaluated again.
    ///
    /// # Errors
    ///
    /// Where the sources declare no such environment, and nothing is in the way of seeing it.
    pub fn render(
        &mut self,
        loaded: Loaded,
        environment: &str,
        form: Form,
    ) -> Result<Render, UnknownEnvironment> {
        let workspace = self.open(&loaded);
        let is_torn = loaded.findings.iter().any(|it| it.severity == Severity::Error);
        let db = &self.db;
        let threads = work::threads();
        work::parse(db, workspace, threads);
        let Some(id) = environments(db, workspace).0.get(environment).copied() else {
            let known = plumb_compiler::environments(db, workspace);
            return Err(UnknownEnvironment { asked: environment.to_owned(), known });
        };
        let minors = [runs(db, workspace, id).0];
        let facts = plumb_kubernetes::versions(&minors)
            .or_else(|| plumb_kubernetes::version(*plumb_kubernetes::minors().last()?))
            .expect("the table of facts has at least one version");

        let extent = Extent::whole(db, workspace);
        let mut batch = work::batch(db, workspace, extent, threads);
        let mut manifests: Vec<Manifest> = Vec::new();
        let print = &mut |piece: Piece<'_>| {
            if let Piece::Manifest(manifest) = piece {
                manifests.push(manifest.clone());
            }
            Ok::<(), Infallible>(())
        };
        let Ok(()) = work::run(&mut batch, db, workspace, environment, form, threads, print);
        let blocked: BTreeSet<Name> = batch.blocked().into_iter().collect();
        let mut findings = loaded.findings.clone();
        findings.extend(batch.findings());

        let mut requests: Vec<Request> = Vec::new();
        let mut places: HashMap<Name, usize> = HashMap::new();
        let mut items = Vec::new();
        let mut objects = Vec::with_capacity(manifests.len());
        for (place, manifest) in manifests.into_iter().enumerate() {
            let at = *places.entry(manifest.request.clone()).or_insert_with(|| {
                let name = manifest.request.clone();
                requests.push(Request { name, needs: Vec::new(), objects: Vec::new() });
                items.push(manifest.item);
                requests.len() - 1
            });
            requests[at].objects.push(place);
            objects.push(Arc::new(desired(db, workspace, facts, manifest)));
        }
        for (request, item) in requests.iter_mut().zip(items) {
            let others = dependencies(db, workspace, id, item).iter();
            let others = others.filter_map(|it| places.get(&address(db, workspace, *it)));
            request.needs = others.copied().collect();
        }
        let unknown = Unknown {
            all: is_torn,
            requests: blocked,
            packages: packages_with_errors(&loaded, &findings),
        };
        self.loaded = Some(loaded);
        let environment = environment.into();
        Ok(Render { environment, facts, objects, requests, findings, unknown })
    }

    /// What was read last.
    pub fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    /// The environments of what was read last.
    pub fn environments(&self) -> Vec<Name> {
        let workspace = self.held.as_ref().map(|(workspace, _)| *workspace);
        workspace.map_or_else(Vec::new, |it| plumb_compiler::environments(&self.db, it))
    }

    /// What made a value of an object of the last render.
    pub fn source(&self, environment: &str, manifest: &Manifest, value: &Value) -> Option<Source> {
        let (workspace, _) = self.held.as_ref()?;
        let mut tracer = Tracer::new(&self.db, *workspace, manifest.item, environment);
        Some(tracer.source(manifest, value))
    }

    /// The layers that speak of a value of an object: `Deployment/shop@apps:spec.replicas`.
    pub fn why(&self, environment: &str, asked: &str) -> Option<Why> {
        let (workspace, _) = self.held.as_ref()?;
        plumb_compiler::why::why(&self.db, *workspace, environment, asked).ok()
    }

    /// Where the request of an object is declared.
    pub fn request(&self, manifest: &Manifest) -> Location {
        location(&self.db, name_place(&self.db, manifest.item))
    }

    /// Makes what was read the inputs of the database; what is the same stays the input that it is.
    fn open(&mut self, loaded: &Loaded) -> Workspace {
        let Some((workspace, held)) = self.held.clone() else {
            let workspace = loaded.open(&self.db);
            self.held = Some((workspace, workspace.files(&self.db).clone()));
            return workspace;
        };
        let db = &mut self.db;
        let mut files = BTreeMap::new();
        for (path, content) in &loaded.files {
            let file = match held.get(path) {
                Some(file) => {
                    if file.content(db) != content {
                        file.set_content(db).to(content.clone());
                    }
                    *file
                }
                None => SourceFile::new(db, path.clone(), content.clone()),
            };
            files.insert(path.clone(), file);
        }
        let files = Arc::new(files);
        if *held != *files {
            workspace.set_files(db).to(Arc::clone(&files));
        }
        if workspace.kubernetes(db) != loaded.manifest.kubernetes {
            workspace.set_kubernetes(db).to(loaded.manifest.kubernetes);
        }
        if **workspace.dependencies(db) != loaded.dependencies {
            workspace.set_dependencies(db).to(Arc::new(loaded.dependencies.clone()));
        }
        if **workspace.allowed(db) != loaded.manifest.allowed {
            workspace.set_allowed(db).to(Arc::new(loaded.manifest.allowed.clone()));
        }
        self.held = Some((workspace, files));
        workspace
    }
}

/// The packages with an error, and the texts of their files.
fn packages_with_errors(loaded: &Loaded, findings: &[Finding]) -> BTreeMap<Name, Vec<Arc<str>>> {
    let directory = |path: &str| path.rsplit_once('/').map_or("", |(it, _)| it).to_owned();
    let errors = findings.iter().filter(|it| it.severity == Severity::Error);
    let broken: BTreeSet<String> =
        errors.filter_map(|it| it.location.as_ref()).map(|it| directory(&it.path)).collect();
    broken
        .into_iter()
        .map(|broken| {
            let files = loaded.files.iter().filter(|(path, _)| directory(path) == broken);
            let texts = files.filter_map(|(path, content)| match content {
                Content::Text(text) if path.ends_with(".plumb") => Some(Arc::clone(text)),
                _ => None,
            });
            (broken.replace('/', ".").into(), texts.collect())
        })
        .collect()
}

fn desired(
    db: &Database,
    workspace: Workspace,
    facts: &'static Kubernetes,
    mut manifest: Manifest,
) -> Desired {
    let identity = Identity::of(&manifest.object);
    if identity.kind == "Secret" && identity.group.is_empty() {
        manifest.object = with_data_only(&manifest.object);
    }
    let mut left = Vec::new();
    find_left(db, workspace, &manifest.object, &mut Vec::new(), &mut left);
    let mut text = String::new();
    json::write(&mut text, &manifest.object, false);
    let json = serde_json::from_str(&text).expect("what is written as JSON is JSON");
    let digest = json::digest(&manifest.object);
    let resource = resource(facts, &identity, &json);
    Desired { identity, resource, request: manifest.request.clone(), manifest, json, digest, left }
}

/// Where an API server keeps an object, by the table of facts.
fn resource(facts: &Kubernetes, identity: &Identity, json: &Json) -> Resource {
    let api_version = json["apiVersion"].as_str().unwrap_or_default();
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let known = facts.kinds().map(|(_, kind)| kind).find(|kind| {
        kind.group == identity.group && kind.version == version && kind.kind == identity.kind
    });
    match known {
        Some(kind) => kind.into(),
        // Only kinds of the table have a type, so there is no other.
        None => Resource {
            group: identity.group.clone(),
            version: version.into(),
            kind: identity.kind.clone(),
            plural: format!("{}s", identity.kind.to_lowercase()).into(),
            namespaced: identity.namespace.is_some(),
        },
    }
}

/// A Secret with its `stringData` in its `data`, as the server keeps it: the former is write-only (core/v1 `Secret`),
/// so it could not be compared, and a value that is no longer set would stay for ever.
fn with_data_only(secret: &Value) -> Value {
    let Data::Record(record) = &secret.data else { return secret.clone() };
    let Some(texts) = record.fields.get("stringData").filter(|it| !it.is_none()) else {
        return secret.clone();
    };
    let mut data = match record.fields.get("data").and_then(Value::fields) {
        Some(fields) => fields.clone(),
        None => Fields::default(),
    };
    let encoded = |value: &Value| {
        let text = match &value.data {
            Data::String(text) => text.as_str(),
            _ => return value.clone(),
        };
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        Value::new(Data::String(text.into()), value.origin)
    };
    for (name, value) in texts.fields().into_iter().flat_map(ByName::iter) {
        data.insert(name.clone(), encoded(value));
    }
    let mut fields: Fields = record
        .fields
        .iter()
        .filter(|(name, _)| !["stringData", "data"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields.insert("data".into(), Value::record(data, texts.origin));
    Value::new(Data::Record(Arc::new(Record { tag: record.tag, fields })), secret.origin)
}

/// The values that are left to an owner.
fn find_left(
    db: &Database,
    workspace: Workspace,
    value: &Value,
    path: &mut Vec<Pointer>,
    found: &mut Vec<Left>,
) {
    if value.is_none() {
        return;
    }
    if let Some(owner) = initial_owner(db, workspace, value) {
        found.push(Left { path: path.clone(), owner: owner.clone() });
        return;
    }
    match &value.data {
        Data::Record(record) => {
            for (name, value) in record.fields.iter() {
                path.push(Pointer::Field(name.to_string()));
                find_left(db, workspace, value, path, found);
                path.pop();
            }
        }
        Data::List(elements) => {
            let elements = elements.iter().filter(|it| !it.is_none());
            for (at, value) in elements.enumerate() {
                path.push(Pointer::At(at));
                find_left(db, workspace, value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The value that a path leads to.
pub fn at<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match (step, &value.data) {
        (Step::Field(name), Data::Record(record)) => record.fields.get(name),
        (Step::At(at), Data::List(elements)) => elements.get(*at),
        (Step::Key { fields, .. }, Data::List(elements)) => elements.iter().find(|element| {
            fields.iter().all(|(name, wanted)| {
                let said = element.fields().and_then(|it| it.get(name)).filter(|it| !it.is_none());
                said.and_then(plumb_compiler::eval::scalar_text).is_none_or(|it| it == *wanted)
            })
        }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::loaded;
    use std::sync::Mutex;

    /// A compiler, and the names of the queries that it ran.
    fn recorded() -> (Compiler, Arc<Mutex<Vec<salsa::DatabaseKeyIndex>>>) {
        let ran: Arc<Mutex<Vec<salsa::DatabaseKeyIndex>>> = Arc::default();
        let log = Arc::clone(&ran);
        let db = Database::with_events(Some(Box::new(move |event| {
            if let salsa::EventKind::WillExecute { database_key } = event.kind {
                log.lock().unwrap().push(database_key);
            }
        })));
        (Compiler { db, held: None, loaded: None }, ran)
    }

    #[test]
    fn of_the_next_commit_only_what_it_changed_is_evaluated() {
        let (mut compiler, ran) = recorded();
        let commit = |text: &str| {
            loaded(&[
                ("shop", "request a: platform.Web {}\n\nrequest b: platform.Web {}"),
                ("other", text),
            ])
        };
        let mut render = |text: &str| {
            let render = compiler.render(commit(text), "prod", Form::Remembered).unwrap();
            assert_eq!(render.findings, []);
            let ran = std::mem::take(&mut *ran.lock().unwrap());
            let names: Vec<String> =
                salsa::attach(&compiler.db, || ran.iter().map(|it| format!("{it:?}")).collect());
            let evaluated = names.iter().filter(|it| it.starts_with("evaluate(")).count();
            (render.objects.iter().map(|it| it.digest.clone()).collect::<Vec<_>>(), evaluated)
        };
        let (first, count) = render("request c: platform.Web {}");
        assert_eq!((first.len(), count), (6, 3));
        let (same, count) = render("request c: platform.Web {}");
        assert_eq!((same, count), (first.clone(), 0));
        let (moved, count) = render("// A comment.\nrequest c: platform.Web {}");
        assert_eq!((moved, count), (first.clone(), 0));
        let (changed, count) = render("request c: platform.Web { replicas = 3 }");
        assert_eq!(count, 1);
        let differ = changed.iter().zip(&first).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 1, "the Deployment, and not its ConfigMap");
        // What comes and goes costs what it is.
        let (more, count) = render("request c: platform.Web {}\n\nrequest d: platform.Web {}");
        assert_eq!(more.len(), 8);
        assert!(count <= 2, "{count}");
    }

    #[test]
    fn a_render_that_follows_others_is_the_one_that_stands_alone() {
        let texts = [
            "request a: platform.Web {}",
            "request a: platform.Web { data = { x = \"1\" } }\n\nrequest b: platform.Web { max = 9, left = true }",
            "request a: platform.Web { replicas = \"x\" }",
            "request a: platform.Web { ) }",
            "request b: platform.Space {}",
        ];
        let mut compiler = Compiler::default();
        for text in texts.iter().chain(texts.iter().rev()) {
            let sources = || loaded(&[("shop", text)]);
            let warm = compiler.render(sources(), "prod", Form::Remembered).unwrap();
            let cold = Compiler::default().render(sources(), "prod", Form::Objects).unwrap();
            let json =
                |it: &Render| it.objects.iter().map(|it| it.json.clone()).collect::<Vec<_>>();
            assert_eq!(json(&warm), json(&cold), "{text}");
            assert_eq!((warm.requests, warm.unknown), (cold.requests, cold.unknown), "{text}");
            assert_eq!(warm.findings, cold.findings, "{text}");
        }
    }

    #[test]
    fn an_environment_that_is_not_there_is_told_with_those_that_are() {
        let unknown = Compiler::default().render(loaded(&[]), "dev", Form::Objects).err().unwrap();
        assert_eq!(unknown.to_string(), "there is no environment `dev`; there is prod");
    }
}
