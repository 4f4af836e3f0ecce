//! What Kubernetes' own kinds look like: groups, versions, kinds, fields, types, merge keys.
//!
//! ```text
//! facts.tsv      what live API servers say, committed; `cargo run -p xtask -- kubernetes-facts` writes it
//!   -> version(36)         decoded on first use, once a minor version
//! k8s-openapi    Kubernetes' descriptions, deflated into the program at build time
//!   -> documentation(..)   inflated on first use
//! fixed.rs       what cannot be changed in place, by hand: no server tells it
//! ```
//!
//! Everything is `'static` and immutable. Nothing reads a file or asks a cluster.
//!
//! Groups go by their first label here, as users write them: `networking` for `networking.k8s.io`, and
//! `core` for the group without a name. No two groups of Kubernetes' own share a first label.

mod fixed;

pub use fixed::{FIXED, Fixed, When, fixed, rolls_out};

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The table, see `tests/src/facts.rs` for its format.
const FACTS: &str = include_str!("../facts.tsv");

/// The facts of one minor version of Kubernetes.
#[derive(Debug)]
pub struct Kubernetes {
    minor: u32,
    kinds: Vec<Option<Kind>>,
    kind_ids: HashMap<[&'static str; 3], KindId>,
    versions: BTreeMap<&'static str, Vec<&'static str>>,
    objects: Vec<Option<Object>>,
    object_ids: HashMap<[&'static str; 3], ObjectId>,
}

/// A kind, such as Deployment of apps/v1. The same in every minor version that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KindId(pub u32);

/// The type of an object, a kind's or a part's, such as Container. The same in every minor version that
/// has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

/// A kind that an API server serves under a resource of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The whole name of the group, `networking.k8s.io`; empty for the core group.
    pub group: &'static str,
    /// The version of the group, `v1`.
    pub version: &'static str,
    /// The name, `Deployment`.
    pub kind: &'static str,
    /// The name of the resource in URLs, `deployments`.
    pub plural: &'static str,
    /// Whether objects of this kind are in namespaces.
    pub namespaced: bool,
    /// Whether a user can apply such an object: the resource has the verbs create and patch. Reviews
    /// (`TokenReview`), `Binding` and `ComponentStatus` have not.
    pub creatable: bool,
    /// What the server warns whoever uses this kind of: "v1 Endpoints is deprecated in v1.33+; use
    /// discovery.k8s.io/v1 EndpointSlice".
    pub deprecated: Option<&'static str>,
    /// What an object of this kind consists of.
    pub object: ObjectId,
}

/// A type with named fields, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `Container`.
    pub name: &'static str,
    /// `io.k8s.api.core.v1.Container`: its name in OpenAPI.
    pub full_name: &'static str,
    /// Whether server-side apply owns and replaces such an object as a whole
    /// (`x-kubernetes-map-type: atomic`), unless the field that holds it says otherwise, see
    /// [`Field::atomic`].
    pub atomic: bool,
    /// Sorted by name.
    pub fields: Vec<Field>,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As in YAML, `containerPort`.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
    /// Whether the server's OpenAPI requires it. Code of the server may require more (a Deployment
    /// without `spec` is refused).
    pub required: bool,
    /// What the server takes an absent field for, as JSON (`"TCP"`), where its OpenAPI says so. Many
    /// defaults are in the server's code only.
    pub default: Option<&'static str>,
    /// Whether server-side apply owns and replaces the value, an object or a map, as a whole: what the
    /// field says, else what the object says. For lists see [`ListKind`].
    pub atomic: bool,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included. Without bounds: 64 bits, signed.
    Int {
        /// The least.
        min: Option<i64>,
        /// The greatest.
        max: Option<i64>,
    },
    /// A number of 64-bit floating point.
    Float,
    /// A text.
    String {
        /// A notation it is in.
        format: Option<Format>,
        /// The only texts it may be; any, when empty. May hold the empty text.
        values: Vec<&'static str>,
    },
    /// A port number or name, a count or percentage.
    IntOrString,
    /// An amount with a unit, `500m`, `2Gi`. Plain numbers are amounts too.
    Quantity,
    /// A list.
    List {
        /// What its elements are.
        item: Box<Type>,
        /// How two appliers share it.
        merge: ListKind,
    },
    /// A map whose keys are texts.
    Map {
        /// What its values are.
        value: Box<Type>,
    },
    /// An object, closed: other fields are refused.
    Object(ObjectId),
    /// Anything.
    Any,
}

/// The notation of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Base64.
    Byte,
    /// RFC 3339, `2026-01-31T12:00:00Z`.
    DateTime,
    /// RFC 3339 with six digits of a second, `2026-01-31T12:00:00.000000Z`.
    MicroTime,
}

/// How server-side apply merges a list (`x-kubernetes-list-type`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    /// It is replaced as a whole.
    Atomic,
    /// Its elements, which are scalars, are owned one by one.
    Set,
    /// Its elements are objects, told apart by the values of some of their fields.
    Map {
        /// Names of those fields, in the server's order. An optional one is read as its
        /// [`Field::default`] when absent.
        keys: Vec<&'static str>,
    },
}

/// The minor versions of Kubernetes that are known, ascending: 36 is 1.36.
pub fn minors() -> &'static [u32] {
    static MINORS: OnceLock<Vec<u32>> = OnceLock::new();
    MINORS.get_or_init(|| {
        let minors = FACTS.lines().find_map(|line| line.strip_prefix("minors\t"));
        ranges(minors.unwrap_or_default()).flat_map(|(from, to)| from..=to).collect()
    })
}

/// The facts of a minor version, 36 for 1.36, or `None` when it is not one of [`minors`].
///
/// The first call for a version decodes it (1.5 ms), later ones take nanoseconds.
pub fn version(minor: u32) -> Option<&'static Kubernetes> {
    static DECODED: OnceLock<Vec<OnceLock<Kubernetes>>> = OnceLock::new();
    let place = minors().binary_search(&minor).ok()?;
    let decoded = DECODED.get_or_init(|| minors().iter().map(|_| OnceLock::new()).collect());
    Some(decoded[place].get_or_init(|| Kubernetes::decode(FACTS, &[minor])))
}

/// What any of some minor versions knows, for what is meant for all of them: each kind and field that
/// one of them has, as the newest has it; required is what all of them require. `None` when one of them is not one of [`minors`], or there are none.
///
/// The first call for a set decodes it, as [`version`] does.
pub fn versions(of: &[u32]) -> Option<&'static Kubernetes> {
    static DECODED: Mutex<BTreeMap<Vec<u32>, &'static Kubernetes>> = Mutex::new(BTreeMap::new());
    let mut wanted = of.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    if let [one] = wanted.as_slice() {
        return version(*one);
    }
    if wanted.is_empty() || !wanted.iter().all(|it| minors().contains(it)) {
        return None;
    }
    // There are only so many sets of the known versions, so what is leaked is bounded.
    let mut decoded = DECODED.lock().unwrap_or_else(PoisonError::into_inner);
    let facts = decoded
        .entry(wanted)
        .or_insert_with_key(|wanted| Box::leak(Box::new(Kubernetes::decode(FACTS, wanted))));
    Some(*facts)
}

impl Kubernetes {
    /// The minor version, 36 for 1.36.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// The kind of a name, `("apps", "v1", "Deployment")`.
    pub fn kind(&self, short_group: &str, version: &str, kind: &str) -> Option<KindId> {
        self.kind_ids.get(&[short_group, version, kind]).copied()
    }

    /// What is known of a kind.
    ///
    /// # Panics
    ///
    /// When this version lacks the kind: the id came from another one. See [`Kubernetes::has_kind`].
    pub fn kind_facts(&self, kind: KindId) -> &Kind {
        self.kinds[kind.0 as usize].as_ref().expect("a kind of this version")
    }

    /// Whether this version has a kind that some version has.
    pub fn has_kind(&self, kind: KindId) -> bool {
        self.kinds.get(kind.0 as usize).is_some_and(Option::is_some)
    }

    /// All kinds, sorted by group, version and name, the core group last.
    pub fn kinds(&self) -> impl Iterator<Item = (KindId, &Kind)> {
        let kinds = self.kinds.iter().enumerate();
        kinds.filter_map(|(id, kind)| Some((KindId(id as u32), kind.as_ref()?)))
    }

    /// The first labels of the groups, sorted.
    pub fn groups(&self) -> impl Iterator<Item = &'static str> {
        self.versions.keys().copied()
    }

    /// The versions of a group, the one to prefer first: stable before beta before alpha, and each from
    /// new to old. Empty for an unknown group.
    pub fn versions(&self, short_group: &str) -> &[&'static str] {
        self.versions.get(short_group).map_or(&[], Vec::as_slice)
    }

    /// What an object consists of.
    ///
    /// # Panics
    ///
    /// When this version lacks the object: the id came from another one. See
    /// [`Kubernetes::has_object`].
    pub fn object(&self, object: ObjectId) -> &Object {
        self.objects[object.0 as usize].as_ref().expect("an object of this version")
    }

    /// Whether this version has an object that some version has.
    pub fn has_object(&self, object: ObjectId) -> bool {
        self.objects.get(object.0 as usize).is_some_and(Option::is_some)
    }

    /// The object of a name, a kind's or a part's: `("core", "v1", "Container")`. What all groups share
    /// is in `meta`: `("meta", "v1", "ObjectMeta")`.
    pub fn object_by_name(&self, short_group: &str, version: &str, name: &str) -> Option<ObjectId> {
        self.object_ids.get(&[short_group, version, name]).copied()
    }

    /// All objects, sorted by their whole name.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, &Object)> {
        let objects = self.objects.iter().enumerate();
        objects.filter_map(|(id, object)| Some((ObjectId(id as u32), object.as_ref()?)))
    }

    /// Reads the rows of some minor versions, ascending; of rows that say different things of one name,
    /// the newest. A name has the same id in all: its place in the whole table.
    fn decode(facts: &'static str, of: &[u32]) -> Kubernetes {
        let minor = of.last().copied().unwrap_or_default();
        let mut names: HashMap<&str, ObjectId> = HashMap::new();
        let mut atomic: Vec<bool> = Vec::new();
        // The version that what is known of the last kind, object or field is of.
        let mut known = 0;
        for row in facts.lines().filter_map(|line| line.strip_prefix("object\t")) {
            let mut columns = row.split('\t');
            let next = ObjectId(names.len() as u32);
            let id = *names.entry(columns.next().unwrap_or_default()).or_insert(next);
            atomic.resize(names.len(), false);
            let attributes = Attributes::read(columns);
            if next == id {
                known = 0;
            }
            if let Some(newest) = attributes.hold_in(of).filter(|newest| *newest > known) {
                known = newest;
                atomic[id.0 as usize] = attributes.atomic == Some(true);
            }
        }
        let mut decoded = Kubernetes {
            minor,
            kinds: Vec::new(),
            kind_ids: HashMap::new(),
            versions: BTreeMap::new(),
            objects: names.iter().map(|_| None).collect(),
            object_ids: HashMap::new(),
        };
        // OpenAPI names an object by a package, which is mostly, not always, the first label of a group.
        let mut groups: HashMap<&str, &str> = HashMap::new();
        let mut last_kind = ("", "");
        known = 0;
        // Where the fields of the object above go.
        let mut object = None;
        let mut last_field = "";
        let (mut required, mut held) = (true, 0);
        for (number, line) in facts.lines().enumerate() {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap_or_default();
            match next() {
                "kind" => {
                    let (api_version, kind, plural, full_name) = (next(), next(), next(), next());
                    // A kind that changed has several rows, next to each other.
                    if last_kind != (api_version, kind) {
                        last_kind = (api_version, kind);
                        decoded.kinds.push(None);
                        known = 0;
                    }
                    let attributes = Attributes::read(columns);
                    match attributes.hold_in(of).filter(|newest| *newest > known) {
                        Some(newest) => known = newest,
                        None => continue,
                    }
                    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                    let facts = Kind {
                        group,
                        version,
                        kind,
                        plural,
                        namespaced: attributes.namespaced,
                        creatable: attributes.apply,
                        deprecated: attributes.deprecated,
                        object: names[full_name],
                    };
                    let short_group = facts.short_group();
                    groups.insert(Name::of(full_name).package, short_group);
                    let versions = decoded.versions.entry(short_group).or_default();
                    if !versions.contains(&version) {
                        versions.push(version);
                    }
                    let id = KindId(decoded.kinds.len() as u32 - 1);
                    decoded.kind_ids.insert([short_group, version, kind], id);
                    decoded.kinds[id.0 as usize] = Some(facts);
                }
                "object" => {
                    let full_name = next();
                    let attributes = Attributes::read(columns);
                    let id = names[full_name];
                    if object != Some(id) {
                        last_field = "";
                    }
                    object = Some(id);
                    if attributes.hold_in(of).is_none() || decoded.objects[id.0 as usize].is_some()
                    {
                        continue;
                    }
                    let Name { package, version, name } = Name::of(full_name);
                    let short_group = groups.get(package).copied().unwrap_or(package);
                    decoded.object_ids.insert([short_group, version, name], id);
                    decoded.objects[id.0 as usize] = Some(Object {
                        name,
                        full_name,
                        atomic: atomic[id.0 as usize],
                        fields: Vec::new(),
                    });
                }
                // A field of the object above. Its row holds in no version that the object's does not.
                "" if !line.is_empty() => {
                    let (name, ty) = (next(), next());
                    let attributes = Attributes::read(columns);
                    let Some(newest) = attributes.hold_in(of) else { continue };
                    if last_field != name {
                        last_field = name;
                        (known, required, held) = (0, true, 0);
                    }
                    required &= attributes.required;
                    held += of.iter().filter(|it| attributes.hold_in(&[**it]).is_some()).count();
                    let object = object.and_then(|it| decoded.objects[it.0 as usize].as_mut());
                    let fields = &mut object.expect("a field below its object").fields;
                    if newest > known {
                        // What an older version said of it stands last, if anything does.
                        if known > 0 {
                            fields.pop();
                        }
                        known = newest;
                        let ty = read_type(ty, &names)
                            .unwrap_or_else(|| panic!("facts.tsv, line {}: {line}", number + 1));
                        let inherited = matches!(ty, Type::Object(it) if atomic[it.0 as usize]);
                        fields.push(Field {
                            name,
                            ty,
                            required: false,
                            default: attributes.default,
                            atomic: attributes.atomic.unwrap_or(inherited),
                        });
                    }
                    // What one of the versions can do without is not asked for.
                    if let Some(field) = fields.last_mut() {
                        field.required = required && held == of.len();
                    }
                }
                _ => {}
            }
        }
        for versions in decoded.versions.values_mut() {
            versions.sort_by_key(|it| std::cmp::Reverse(priority(it)));
        }
        decoded
    }
}

impl Kind {
    /// What stands in `apiVersion`: `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The first label of the group, `networking` of `networking.k8s.io`; `core` for the core group.
    pub fn short_group(&self) -> &'static str {
        match self.group.split_once('.') {
            _ if self.group.is_empty() => "core",
            Some((first, _)) => first,
            None => self.group,
        }
    }
}

impl Object {
    /// The field of a name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let place = self.fields.binary_search_by(|field| field.name.cmp(name)).ok()?;
        Some(&self.fields[place])
    }
}

/// The parts of a name in OpenAPI.
struct Name {
    package: &'static str,
    version: &'static str,
    name: &'static str,
}

impl Name {
    /// Takes `io.k8s.api.core.v1.Container` apart.
    fn of(full_name: &'static str) -> Name {
        let mut parts = full_name.rsplitn(4, '.');
        let mut next = || parts.next().unwrap_or_default();
        let (name, version, package) = (next(), next(), next());
        Name { package, version, name }
    }
}

/// The columns of a row that may be absent.
#[derive(Default)]
struct Attributes {
    namespaced: bool,
    apply: bool,
    required: bool,
    default: Option<&'static str>,
    atomic: Option<bool>,
    deprecated: Option<&'static str>,
    minors: Option<&'static str>,
}

impl Attributes {
    fn read(columns: impl Iterator<Item = &'static str>) -> Attributes {
        let mut attributes = Attributes::default();
        for column in columns {
            match column {
                "namespaced" => attributes.namespaced = true,
                "apply" => attributes.apply = true,
                "required" => attributes.required = true,
                "atomic" => attributes.atomic = Some(true),
                "granular" => attributes.atomic = Some(false),
                _ => {
                    attributes.default = attributes.default.or(column.strip_prefix("default="));
                    attributes.deprecated =
                        attributes.deprecated.or(column.strip_prefix("deprecated="));
                    attributes.minors = attributes.minors.or(column.strip_prefix('@'));
                }
            }
        }
        attributes
    }

    /// The newest of some minor versions, ascending, that the row holds in.
    fn hold_in(&self, minors: &[u32]) -> Option<u32> {
        let holds = |minor: &&u32| {
            self.minors.is_none_or(|it| ranges(it).any(|(from, to)| (from..=to).contains(minor)))
        };
        minors.iter().rev().find(holds).copied()
    }
}

/// The ranges of `33,35-36`.
fn ranges(text: &str) -> impl Iterator<Item = (u32, u32)> {
    text.split(',').filter_map(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some((from.parse().ok()?, to.parse().ok()?))
    })
}

/// Reads a type as the table writes it.
fn read_type(text: &'static str, names: &HashMap<&str, ObjectId>) -> Option<Type> {
    let plain = |format| Type::String { format, values: Vec::new() };
    Some(match text {
        "bool" => Type::Bool,
        "int32" => Type::Int { min: Some(i32::MIN.into()), max: Some(i32::MAX.into()) },
        "int64" => Type::Int { min: None, max: None },
        "double" => Type::Float,
        "string" => plain(None),
        "byte" => plain(Some(Format::Byte)),
        "date-time" => plain(Some(Format::DateTime)),
        "micro-time" => plain(Some(Format::MicroTime)),
        "quantity" => Type::Quantity,
        "int-or-string" => Type::IntOrString,
        "any" => Type::Any,
        _ => {
            if let Some(values) = text.strip_prefix("enum(") {
                let values = values.strip_suffix(')')?.split('|').collect();
                Type::String { format: None, values }
            } else if let Some(value) = text.strip_prefix('{') {
                Type::Map { value: Box::new(read_type(value.strip_suffix('}')?, names)?) }
            } else if let Some(list) = text.strip_prefix('[') {
                // Enum values hold no brackets, so the last one closes this list.
                let (item, merge) = list.rsplit_once(']')?;
                let merge = match merge {
                    "" => ListKind::Atomic,
                    "set" => ListKind::Set,
                    _ => {
                        let keys = merge.strip_prefix("map(")?.strip_suffix(')')?;
                        ListKind::Map { keys: keys.split(',').collect() }
                    }
                };
                Type::List { item: Box::new(read_type(item, names)?), merge }
            } else {
                Type::Object(*names.get(text)?)
            }
        }
    })
}

/// What makes one version of a group preferred: v2 over v1 over v1beta2 over v1beta1 over v1alpha1
/// (Kubernetes' version priority).
fn priority(version: &str) -> (u8, u32, u32) {
    let digits = |text: &str| text.parse().unwrap_or(0);
    let version = version.trim_start_matches('v');
    if let Some((major, beta)) = version.split_once("beta") {
        (1, digits(major), digits(beta))
    } else if let Some((major, alpha)) = version.split_once("alpha") {
        (0, digits(major), digits(alpha))
    } else {
        (2, digits(version), 0)
    }
}

/// What Kubernetes says an object or one of its fields is for, in Markdown-like prose.
///
/// `object` is an [`Object::full_name`]; without a field, the text is about the object itself. `None`
/// when there is no such thing or nothing is said of it. The texts are those of one version of
/// Kubernetes, 1.36, whichever version is asked about.
///
/// The first call inflates all texts (5 ms), later ones take nanoseconds.
pub fn documentation(object: &str, field: Option<&str>) -> Option<&'static str> {
    static TEXTS: OnceLock<HashMap<(&'static str, &'static str), &'static str>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let deflated = include_bytes!(concat!(env!("OUT_DIR"), "/documentation"));
        let inflated =
            miniz_oxide::inflate::decompress_to_vec(deflated).expect("what build.rs deflated");
        let inflated: &'static str =
            String::from_utf8(inflated).expect("what build.rs wrote as text").leak();
        let mut parts = inflated.split('\0');
        std::iter::from_fn(|| Some(((parts.next()?, parts.next()?), parts.next()?))).collect()
    });
    texts.get(&(object, field.unwrap_or_default())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "\
# A table of two versions.
minors\t35-36
kind\tshop.example/v1\tOrder\torders\tx.shop.v1.Order\tapply\t@35
kind\tshop.example/v1\tOrder\torders\tx.shop.v1.Order\tnamespaced\tapply\t@36
kind\tshop.example/v1\tStall\tstalls\tx.shop.v1.Stall\t@36
object\tx.shop.v1.Order
\tprice\tint32\trequired\t@35
\tprice\tint64\trequired\t@36
\tstall\tx.shop.v1.Stall\t@36
\tzone\tx.shop.v1.Zone\tgranular
object\tx.shop.v1.Stall\tatomic\t@36
\tname\tenum(|a b|c)\tdefault=\"a b\"\t@36
object\tx.shop.v1.Zone\t@35
object\tx.shop.v1.Zone\tatomic\t@36
\tname\t[enum(a|b)]set
";

    fn names(object: &Object) -> Vec<&str> {
        object.fields.iter().map(|it| it.name).collect()
    }

    #[test]
    fn a_version_has_the_rows_that_hold_in_it() {
        let (old, new) = (Kubernetes::decode(TWO, &[35]), Kubernetes::decode(TWO, &[36]));
        let order = new.kind("shop", "v1", "Order").unwrap();
        assert!(!old.kind_facts(order).namespaced && new.kind_facts(order).namespaced);
        assert_eq!(old.kinds().count(), 1);

        let id = new.kind_facts(order).object;
        assert_eq!(names(old.object(id)), ["price", "zone"]);
        assert_eq!(names(new.object(id)), ["price", "stall", "zone"]);
        assert_ne!(
            old.object(id).field("price").unwrap().ty,
            new.object(id).field("price").unwrap().ty
        );

        let zone = new.object_by_name("shop", "v1", "Zone").unwrap();
        assert!(!old.object(zone).atomic && new.object(zone).atomic);
        assert!(!new.object(id).field("zone").unwrap().atomic);
        assert!(new.object(id).field("stall").unwrap().atomic);
    }

    #[test]
    fn a_name_has_one_id_in_all_versions() {
        let (old, new) = (Kubernetes::decode(TWO, &[35]), Kubernetes::decode(TWO, &[36]));
        assert_eq!(old.kind("shop", "v1", "Order"), new.kind("shop", "v1", "Order"));
        assert_eq!(
            old.object_by_name("shop", "v1", "Zone"),
            new.object_by_name("shop", "v1", "Zone")
        );

        let stall = new.kind("shop", "v1", "Stall").unwrap();
        assert!(new.has_kind(stall) && !old.has_kind(stall));
        assert!(!old.has_object(new.kind_facts(stall).object));
        assert_eq!(old.kind("shop", "v1", "Stall"), None);
        assert_eq!(old.object_by_name("shop", "v1", "Stall"), None);
        assert!(!old.has_kind(KindId(99)) && !old.has_object(ObjectId(99)));
    }

    #[test]
    fn several_versions_have_what_any_of_them_has_as_the_newest_has_it() {
        let (both, new) = (Kubernetes::decode(TWO, &[35, 36]), Kubernetes::decode(TWO, &[36]));
        let order = both.kind("shop", "v1", "Order").unwrap();
        assert_eq!(both.kind_facts(order), new.kind_facts(order));
        assert_eq!(both.kinds().count(), 2);
        let id = both.kind_facts(order).object;
        assert_eq!(both.object(id), new.object(id));
        let zone = both.object_by_name("shop", "v1", "Zone").unwrap();
        assert!(both.object(zone).atomic);
        // What one of them can do without is not required.
        let optional: &'static str = TWO.replace("int32\trequired\t@35", "int32\t@35").leak();
        let both = Kubernetes::decode(optional, &[35, 36]);
        assert!(!both.object(id).field("price").unwrap().required);
        // A field that only the older has is there as well.
        let gone = TWO.replace("\tprice\tint64\trequired\t@36\n", "");
        let both = Kubernetes::decode(gone.leak(), &[35, 36]);
        assert_eq!(names(both.object(id)), ["price", "stall", "zone"]);
        assert!(!both.object(id).field("price").unwrap().required);
    }

    #[test]
    fn a_deprecated_kind_says_what_the_server_warns_of() {
        let table =
            TWO.replace("\tapply\t@36", "\tapply\tdeprecated=use a Stall; it is better\t@36");
        let table: &'static str = table.leak();
        let of = |minor| {
            let facts = Kubernetes::decode(table, &[minor]);
            facts.kind_facts(facts.kind("shop", "v1", "Order").unwrap()).deprecated
        };
        assert_eq!((of(35), of(36)), (None, Some("use a Stall; it is better")));
    }

    #[test]
    fn enum_values_hold_blanks_and_may_be_empty() {
        let new = Kubernetes::decode(TWO, &[36]);
        let stall = new.object(new.object_by_name("shop", "v1", "Stall").unwrap());
        let name = stall.field("name").unwrap();
        assert_eq!(name.ty, Type::String { format: None, values: vec!["", "a b", "c"] });
        assert_eq!(name.default, Some("\"a b\""));
    }
}
