//! A workspace as plain data: what is generated, written out as text, and evaluated naively.

/// Where an entry of a layer is known by, in the text and in what is predicted.
pub(crate) type EntryId = u32;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Takes out; never part of a finished value.
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    Quantity(Quantity),
    List(Vec<Value>),
    /// Fields of a record or entries of a map, in their order.
    Record(Vec<(String, Value)>),
}

/// An amount as it is written: `1500m`, `64Mi`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantity {
    pub amount: i64,
    pub unit: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Bool,
    /// With the least and the most it may be.
    Int(Option<(i64, i64)>),
    Text,
    Choice(Vec<&'static str>),
    /// With the most it may be.
    Quantity(Option<Quantity>),
    Optional(Box<Type>),
    Record(Vec<(&'static str, Type)>),
    Schema(usize),
    Map(Box<Type>),
    List(Box<Type>),
    /// By the field `name` of a schema.
    Keyed(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub ty: Type,
    pub default: Option<Said>,
    pub sealed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub name: &'static str,
    pub fields: Vec<Field>,
    /// `final path = value` beside the fields.
    pub seals: Vec<Entry>,
    pub conditions: Vec<Condition>,
    /// Only what is composed can be requested.
    pub composition: Option<Composition>,
}

/// `require` over fields of one schema.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// `require a <= b`, of two `Int`s.
    AtMost(&'static str, &'static str),
    /// `if a { require b >= n }`, of a `Bool` and an `Int`.
    If(&'static str, &'static str, i64),
    /// `if a != none { require b != "" }`, of an optional and a `String`.
    IfThere(&'static str, &'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub name: &'static str,
    pub parent: Option<usize>,
    pub is_abstract: bool,
    pub domain: Option<&'static str>,
    pub tier: Option<&'static str>,
}

/// A statement of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: EntryId,
    pub kind: EntryKind,
}

#[derive(Clone, Debug)]
pub(crate) enum EntryKind {
    /// `...common`
    Spread(usize),
    Set {
        path: Vec<Step>,
        operation: Operation,
        sealed: bool,
        said: Said,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Field(&'static str),
    /// An entry of a map.
    Key(&'static str),
    /// An element of a keyed list.
    Element(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operation {
    Set,
    Append,
    Replace,
}

/// The right side of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Expression(Expression),
    Braces(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Literal(Value),
    /// A `let` of the package.
    Let(usize),
    /// Another field of the schema, plus a number: defaults of schemas.
    Sibling(&'static str, i64),
    /// A text with what is read in it.
    Text(Vec<Piece>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Plain(&'static str),
    /// A field of the environment.
    Environment(&'static str),
    /// `${self.field}`
    Own(&'static str),
    /// `${cart.url}`: an output, or what every request has.
    Other(usize, &'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub schema: usize,
    pub environments: Vec<usize>,
    /// In the package of the environments rather than that of the schema.
    pub beside_environments: bool,
    pub entries: Vec<Entry>,
}

/// A package of requests.
#[derive(Clone, Debug)]
pub(crate) struct Team {
    pub name: &'static str,
    /// The namespace is the team's name; with the environment's after it where this is set.
    pub is_split: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Let {
    pub team: usize,
    pub name: &'static str,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub team: usize,
    pub name: &'static str,
    pub schema: usize,
    /// None: all of them.
    pub environments: Vec<usize>,
    /// The requests that it comes after.
    pub after: Vec<usize>,
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    /// Of one team.
    pub requests: Vec<usize>,
    pub environments: Vec<usize>,
    /// In a file of its own rather than beside the requests.
    pub apart: bool,
    pub entries: Vec<Entry>,
}

/// What a composition of schema `S` as `svc` says.
#[derive(Clone, Debug)]
pub(crate) struct Composition {
    pub statements: Vec<Statement>,
    /// `output url`, with this field behind the name.
    pub url: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// `emit core.ConfigMap`, `suffix` behind its name.
    Config { suffix: &'static str, label: Option<&'static str>, data: Vec<(&'static str, Made)> },
    /// `emit core.Service` with the field as its port.
    Service { port: &'static str },
    /// `emit apps.Deployment` with the field as its replicas.
    Deployment { replicas: Option<&'static str> },
    /// `if svc.field { … } else { … }`, of a `Bool`.
    If(&'static str, Vec<Statement>, Vec<Statement>),
    /// `if let x = svc.field { … } else { … }`; the name is `found`.
    IfLet(&'static str, Vec<Statement>, Vec<Statement>),
    /// `for key, value in svc.field { … }`: a config a round, of a map of strings.
    ForEntries(&'static str),
    /// `for index, value in svc.field`: a config a round, of a list of strings.
    ForElements(&'static str),
    /// `let held: (Int where it in least..=most) = svc.field`, of an `Int`.
    Held { field: &'static str, least: i64, most: i64 },
    /// `emit part = Store { … }`, and a config that reads its outputs.
    Nested { bound: &'static str, schema: usize, set: Vec<(&'static str, Made)> },
}

/// An expression of a composition. In configs its text is what counts.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Literal(Value),
    /// `svc.field` as it is, of a type that fits.
    Field(&'static str),
    /// `json(svc.field)`, `"none"` where it is not there.
    Json(&'static str),
    /// `svc.field ?? literal` in a text.
    Otherwise(&'static str, Value),
    /// `"${svc.field}"`, of a scalar.
    Written(&'static str),
    /// `match svc.field { … }` with an arm for each choice, the last one `_`.
    Match(&'static str, Vec<(&'static str, &'static str)>),
    /// `join([for it in svc.field if it != skipped => "<${it}>"], ",")`, of strings.
    Joined(&'static str, &'static str),
    /// What the `if let` around it found.
    Found,
    /// `environment.name`
    EnvironmentName,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace {
    pub environments: Vec<Environment>,
    /// A schema speaks of earlier ones only.
    pub schemas: Vec<Schema>,
    pub defaults: Vec<Defaults>,
    pub teams: Vec<Team>,
    pub lets: Vec<Let>,
    pub requests: Vec<Request>,
    pub overlays: Vec<Overlay>,
    pub next_entry: EntryId,
}

impl Type {
    pub(crate) fn base(&self) -> &Type {
        match self {
            Type::Optional(inner) => inner,
            other => other,
        }
    }

    pub(crate) fn is_optional(&self) -> bool {
        matches!(self, Type::Optional(_))
    }

    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self, Type::Bool | Type::Int(_) | Type::Text | Type::Choice(_) | Type::Quantity(_))
    }
}

impl Schema {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|it| it.name == name)
    }
}

impl Workspace {
    /// An environment's ancestors, the oldest first, itself last.
    pub(crate) fn descent(&self, environment: usize) -> Vec<usize> {
        let mut found = match self.environments[environment].parent {
            Some(parent) => self.descent(parent),
            None => Vec::new(),
        };
        found.push(environment);
        found
    }

    /// How near an environment is to one of those named: the place in its descent of the nearest.
    pub(crate) fn nearest(&self, named: &[usize], environment: usize) -> Option<usize> {
        self.descent(environment).iter().rposition(|it| named.contains(it))
    }

    pub(crate) fn runs_in(&self, request: usize, environment: usize) -> bool {
        let named = &self.requests[request].environments;
        named.is_empty() || self.nearest(named, environment).is_some()
    }

    /// Whether each request and overlay has a say in some environment that is built.
    pub(crate) fn is_all_heard(&self) -> bool {
        let built = self.built();
        (0..self.requests.len()).all(|it| built.iter().any(|at| self.runs_in(it, *at)))
            && self.overlays.iter().all(|overlay| {
                overlay.requests.iter().all(|it| {
                    built.iter().any(|at| {
                        self.runs_in(*it, *at) && self.nearest(&overlay.environments, *at).is_some()
                    })
                })
            })
    }

    pub(crate) fn built(&self) -> Vec<usize> {
        (0..self.environments.len()).filter(|it| !self.environments[*it].is_abstract).collect()
    }

    /// Every list of entries that layers are made of: requests, overlays, `defaults`.
    pub(crate) fn layers(&mut self) -> Vec<&mut Vec<Entry>> {
        let mut found: Vec<&mut Vec<Entry>> = Vec::new();
        found.extend(self.requests.iter_mut().map(|it| &mut it.entries));
        found.extend(self.overlays.iter_mut().map(|it| &mut it.entries));
        found.extend(self.defaults.iter_mut().map(|it| &mut it.entries));
        found
    }

    pub(crate) fn entry(&mut self, kind: EntryKind) -> Entry {
        self.next_entry += 1;
        Entry { id: self.next_entry, kind }
    }
}
