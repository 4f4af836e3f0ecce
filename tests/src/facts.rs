//! The table of facts about Kubernetes' own kinds, `kubernetes/facts.tsv`: read off a live API server.
//!
//! ```text
//! read(control plane)  /version, discovery, /openapi/v3  ->  (minor, rows)
//! Table::replace       the rows of one minor version     ->  a table of all of them
//! ```
//!
//! A live server, because only its OpenAPI has the enums. Every row that does not hold in all minor
//! versions of the table says in which, so a new version touches only the rows in which it differs.
//!
//! # Format
//!
//! Columns are separated by tabs. `#` starts a comment line.
//!
//! ```text
//! minors  36
//! kind    apps/v1  Deployment  deployments  io.k8s.api.apps.v1.Deployment  [namespaced]  [apply]  [deprecated=TEXT]  [@minors]
//! object  io.k8s.api.apps.v1.Deployment  [atomic]  [@minors]
//!         replicas  int32  [required]  [default=JSON]  [atomic | granular]  [@minors]
//! ```
//!
//! `apply`: the resource has the verbs create and patch, so a user can apply it. `deprecated`: what the
//! server warns of who lists it (its `Warning` header). `atomic`: owned and
//! replaced as a whole (`x-kubernetes-map-type`), on a field whatever its object says; `granular` is the
//! opposite. `@minors` is a list of numbers and ranges, `33,35-36`; absent, the row holds in all.
//!
//! Types: `bool`, `int32`, `int64`, `double`, `string`, `byte` (base64), `date-time`, `micro-time`,
//! `quantity`, `int-or-string`, `any`, `enum(a|b)`, the name of an object, `{T}` for a map of strings to
//! T, and lists by their `x-kubernetes-list-type`: `[T]` atomic, `[T]set`, `[T]map(key,key)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use crate::cluster::ControlPlane;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// A row of the table. The order is that of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Kind {
        api_version: String,
        kind: String,
        plural: String,
        object: String,
        namespaced: bool,
        apply: bool,
        /// What the server warns of whoever uses it.
        deprecated: Option<String>,
    },
    Object {
        name: String,
        atomic: bool,
    },
    Field {
        object: String,
        name: String,
        ty: String,
        attributes: Vec<String>,
    },
}

impl Row {
    /// What rows are sorted by: kinds, then every object before its fields.
    fn place(&self) -> (u8, &str, &str) {
        match self {
            Row::Kind { api_version, kind, .. } => (0, api_version, kind),
            Row::Object { name, .. } => (1, name, ""),
            Row::Field { object, name, .. } => (1, object, name),
        }
    }
}

/// The rows of any number of minor versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    minors: BTreeSet<u32>,
    rows: BTreeMap<Row, BTreeSet<u32>>,
}

impl Table {
    /// Reads a table as [`Table`] prints it.
    ///
    /// # Errors
    ///
    /// The line that is none of a table.
    pub fn parse(text: &str) -> Result<Table, String> {
        let mut table = Table::default();
        let mut object = String::new();
        for (number, line) in text.lines().enumerate() {
            let wrong = || format!("line {}: not a fact: {line}", number + 1);
            let mut columns: Vec<&str> = line.split('\t').collect();
            let minors = match columns.last().and_then(|it| it.strip_prefix('@')) {
                Some(minors) => {
                    columns.pop();
                    parse_minors(minors).ok_or_else(wrong)?
                }
                None => table.minors.clone(),
            };
            let owned = |text: &&str| (*text).to_owned();
            let row = match columns.as_slice() {
                [line] if line.is_empty() || line.starts_with('#') => continue,
                ["minors", minors] => {
                    table.minors = parse_minors(minors).ok_or_else(wrong)?;
                    continue;
                }
                ["kind", api_version, kind, plural, object, attributes @ ..] => Row::Kind {
                    api_version: owned(api_version),
                    kind: owned(kind),
                    plural: owned(plural),
                    object: owned(object),
                    namespaced: attributes.contains(&"namespaced"),
                    apply: attributes.contains(&"apply"),
                    deprecated: attributes
                        .iter()
                        .find_map(|it| it.strip_prefix("deprecated="))
                        .map(str::to_owned),
                },
                ["object", name, attributes @ ..] => {
                    object = owned(name);
                    Row::Object { name: owned(name), atomic: attributes.contains(&"atomic") }
                }
                ["", name, ty, attributes @ ..] => Row::Field {
                    object: object.clone(),
                    name: owned(name),
                    ty: owned(ty),
                    attributes: attributes.iter().map(owned).collect(),
                },
                _ => return Err(wrong()),
            };
            table.rows.entry(row).or_default().extend(minors);
        }
        Ok(table)
    }

    /// Puts what is now known of a minor version in the place of what was known of it.
    pub fn replace(&mut self, facts: Facts) {
        for minors in self.rows.values_mut() {
            minors.remove(&facts.minor);
        }
        for row in facts.rows {
            self.rows.entry(row).or_default().insert(facts.minor);
        }
        self.rows.retain(|_, minors| !minors.is_empty());
        self.minors.insert(facts.minor);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What the API servers of Kubernetes say about their own kinds.")?;
        writeln!(
            f,
            "# Source: /openapi/v3 and discovery of live kube-apiservers with all APIs enabled (api/all=true)."
        )?;
        writeln!(f, "# Written by: cargo run -p xtask -- kubernetes-facts")?;
        writeln!(f, "# Format: tests/src/facts.rs")?;
        writeln!(f, "minors\t{}", print_minors(&self.minors))?;
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|(a, _), (b, _)| a.place().cmp(&b.place()).then_with(|| a.cmp(b)));
        for (row, minors) in rows {
            let mut columns: Vec<&str> = Vec::new();
            let warning;
            match row {
                Row::Kind { api_version, kind, plural, object, namespaced, apply, deprecated } => {
                    columns.extend(["kind", api_version, kind, plural, object]);
                    columns.extend(namespaced.then_some("namespaced"));
                    columns.extend(apply.then_some("apply"));
                    warning = deprecated.as_ref().map(|text| format!("deprecated={text}"));
                    columns.extend(warning.as_deref());
                }
                Row::Object { name, atomic } => {
                    columns.extend(["object", name]);
                    columns.extend(atomic.then_some("atomic"));
                }
                Row::Field { name, ty, attributes, .. } => {
                    columns.extend(["", name, ty]);
                    columns.extend(attributes.iter().map(String::as_str));
                }
            }
            write!(f, "{}", columns.join("\t"))?;
            if *minors != self.minors {
                write!(f, "\t@{}", print_minors(minors))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// `33,35-36` as a set.
fn parse_minors(text: &str) -> Option<BTreeSet<u32>> {
    let mut minors = BTreeSet::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        minors.extend(from.parse::<u32>().ok()?..=to.parse().ok()?);
    }
    Some(minors)
}

/// A set as `33,35-36`.
fn print_minors(minors: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &minor in minors {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == minor => *to = minor,
            _ => ranges.push((minor, minor)),
        }
    }
    let print = |(from, to): (u32, u32)| {
        if from == to { from.to_string() } else { format!("{from}-{to}") }
    };
    ranges.into_iter().map(print).collect::<Vec<_>>().join(",")
}

/// What one API server says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The minor version of the server: 36 of 1.36.3.
    pub minor: u32,
    rows: BTreeSet<Row>,
}

/// Reads the facts off a running server. For all of them it has to run with
/// `--runtime-config=api/all=true`.
///
/// # Errors
///
/// What the server did not answer, or what of its OpenAPI this reader does not know: to leave that out
/// silently would make the table wrong.
pub fn read(server: &ControlPlane) -> Result<Facts, String> {
    let get = |path: &str| -> Result<Value, String> {
        let (status, body) = server.get(path)?;
        if status != 200 {
            return Err(format!("{path} answered HTTP {status}: {body}"));
        }
        serde_json::from_str(&body).map_err(|error| format!("{path} answered no JSON: {error}"))
    };
    let version = get("/version")?;
    let minor = version["minor"].as_str().and_then(|it| it.trim_end_matches('+').parse().ok());
    let minor = minor.ok_or_else(|| format!("/version without a minor: {version}"))?;

    let mut group_versions = vec![("api/v1".to_owned(), "v1".to_owned())];
    for group in array(&get("/apis")?, "groups")? {
        for version in array(group, "versions")? {
            let name = string(version, "groupVersion")?;
            group_versions.push((format!("apis/{name}"), name.to_owned()));
        }
    }

    let openapi = get("/openapi/v3")?;
    let mut schemas = Map::new();
    let mut resources = Vec::new();
    for (path, group_version) in group_versions {
        let url = string(&openapi["paths"][&path], "serverRelativeURL")?;
        let mut document = get(url)?;
        let Value::Object(more) = document["components"]["schemas"].take() else {
            return Err(format!("{url} has no schemas"));
        };
        // Types of several groups, such as ObjectMeta, are the same in each of their documents.
        schemas.extend(more);
        for resource in array(&get(&format!("/{path}"))?, "resources")? {
            if !string(resource, "name")?.contains('/') {
                resources.push((group_version.clone(), resource.clone()));
            }
        }
    }

    let mut reader = Reader {
        by_kind: by_kind(&schemas)?,
        schemas: &schemas,
        rows: BTreeSet::new(),
        objects: BTreeSet::new(),
        keys: BTreeSet::new(),
    };
    for (group_version, resource) in &resources {
        let base = match group_version.contains('/') {
            true => format!("/apis/{group_version}"),
            false => format!("/api/{group_version}"),
        };
        let has_list = array(resource, "verbs")?.iter().any(|verb| verb == "list");
        let deprecated = match has_list {
            true => {
                let path = format!("{base}/{}?limit=1", string(resource, "name")?);
                server.warnings(&path)?.into_iter().find(|it| is_deprecated(it, minor))
            }
            false => None,
        };
        reader.kind(group_version, resource, deprecated)?;
    }
    reader.drop_zero_defaults();
    Ok(Facts { minor, rows: reader.rows })
}

fn string<'a>(value: &'a Value, field: &str) -> Result<&'a str, String> {
    value[field].as_str().ok_or_else(|| format!("no text `{field}` in {value}"))
}

fn array<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, String> {
    value[field].as_array().ok_or_else(|| format!("no list `{field}` in {value}"))
}

/// The names of the schemas of kinds, by `apps/v1` and `Deployment`.
fn by_kind(schemas: &Map<String, Value>) -> Result<BTreeMap<(String, String), &str>, String> {
    let mut by_kind = BTreeMap::new();
    for (name, schema) in schemas {
        // DeleteOptions and WatchEvent belong to every group; they are no kinds of anything.
        let Some([kind]) = schema["x-kubernetes-group-version-kind"].as_array().map(Vec::as_slice)
        else {
            continue;
        };
        let (group, version, kind) =
            (string(kind, "group")?, string(kind, "version")?, string(kind, "kind")?);
        let api_version =
            if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        by_kind.insert((api_version, kind.to_owned()), name.as_str());
    }
    Ok(by_kind)
}

/// Whether a warning says that a minor version deprecates what was asked for. A server that does not
/// know its own version, as those that Go builds from modules, warns of what later ones will deprecate.
fn is_deprecated(warning: &str, minor: u32) -> bool {
    warning
        .split_once(" is deprecated in v1.")
        .and_then(|(_, rest)| rest.split_once('+')?.0.parse::<u32>().ok())
        .is_some_and(|since| since <= minor)
}

struct Reader<'a> {
    schemas: &'a Map<String, Value>,
    by_kind: BTreeMap<(String, String), &'a str>,
    rows: BTreeSet<Row>,
    /// Objects that were read or are being read.
    objects: BTreeSet<String>,
    /// The fields by which lists of an object are merged, as (object, field).
    keys: BTreeSet<(String, String)>,
}

impl Reader<'_> {
    fn kind(
        &mut self,
        api_version: &str,
        resource: &Value,
        deprecated: Option<String>,
    ) -> Result<(), String> {
        let kind = string(resource, "kind")?.to_owned();
        let object = self.by_kind.get(&(api_version.to_owned(), kind.clone()));
        let object =
            (*object.ok_or_else(|| format!("{api_version} {kind} has no schema"))?).to_owned();
        let has = |verb: &str| {
            resource["verbs"].as_array().is_some_and(|it| it.iter().any(|it| it == verb))
        };
        self.object(&object)?;
        self.rows.insert(Row::Kind {
            api_version: api_version.to_owned(),
            kind,
            plural: string(resource, "name")?.to_owned(),
            object,
            namespaced: resource["namespaced"] == true,
            apply: has("create") && has("patch"),
            deprecated,
        });
        Ok(())
    }

    fn object(&mut self, name: &str) -> Result<(), String> {
        if !self.objects.insert(name.to_owned()) {
            return Ok(());
        }
        let schema = self
            .schemas
            .get(name)
            .and_then(Value::as_object)
            .ok_or_else(|| format!("no schema {name}"))?;
        only(
            name,
            schema,
            &[
                "type",
                "properties",
                "required",
                "x-kubernetes-group-version-kind",
                "x-kubernetes-map-type",
                "x-kubernetes-unions",
            ],
        )?;
        if schema.get("type").is_none_or(|it| it != "object") {
            return Err(format!("{name} is no object"));
        }
        self.rows.insert(Row::Object {
            name: name.to_owned(),
            atomic: schema.get("x-kubernetes-map-type").is_some_and(|it| it == "atomic"),
        });
        let required = schema.get("required").and_then(Value::as_array);
        for (field, schema) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let place = format!("{name}.{field}");
            let schema = schema.as_object().ok_or_else(|| format!("{place} has no schema"))?;
            let ty = self.ty(&place, schema)?;
            let mut attributes = Vec::new();
            let required = required.is_some_and(|it| it.iter().any(|it| it == field));
            if required {
                attributes.push("required".to_owned());
            } else if let Some(default) = schema.get("default").filter(|it| !it.is_object()) {
                // The default of a required field, and `{}`, are what Go calls zero: nobody gets them.
                attributes.push(format!("default={default}"));
            }
            match schema.get("x-kubernetes-map-type").and_then(Value::as_str) {
                Some(kind @ ("atomic" | "granular")) => attributes.push(kind.to_owned()),
                Some(other) => return Err(format!("{place} has the unknown map type {other}")),
                None => {}
            }
            self.rows.insert(Row::Field {
                object: name.to_owned(),
                name: field.clone(),
                ty,
                attributes,
            });
        }
        Ok(())
    }

    fn ty(&mut self, place: &str, schema: &Map<String, Value>) -> Result<String, String> {
        only(
            place,
            schema,
            &[
                "type",
                "format",
                "enum",
                "items",
                "additionalProperties",
                "allOf",
                "$ref",
                "default",
                "x-kubernetes-list-type",
                "x-kubernetes-list-map-keys",
                "x-kubernetes-map-type",
                // How clients merged before server-side apply.
                "x-kubernetes-patch-strategy",
                "x-kubernetes-patch-merge-key",
            ],
        )?;
        let unknown =
            || format!("{place} is of an unknown type: {}", Value::Object(schema.clone()));
        let nested =
            |value: Option<&Value>| value.and_then(Value::as_object).cloned().ok_or_else(unknown);
        let one_of_all = schema.get("allOf").and_then(Value::as_array).and_then(|it| it.first());
        if let Some(target) = one_of_all.unwrap_or(&Value::Null).get("$ref").or(schema.get("$ref"))
        {
            let target = target
                .as_str()
                .and_then(|it| it.strip_prefix("#/components/schemas/"))
                .ok_or_else(unknown)?;
            return self.reference(target);
        }
        let text = |field: &str| schema.get(field).and_then(Value::as_str);
        Ok(match (text("type"), text("format")) {
            (Some("boolean"), None) => "bool".to_owned(),
            (Some("integer"), Some(format @ ("int32" | "int64"))) => format.to_owned(),
            (Some("number"), Some("double")) => "double".to_owned(),
            (Some("string"), Some(format @ ("byte" | "date-time"))) => format.to_owned(),
            (Some("string"), None) => match schema.get("enum") {
                None => "string".to_owned(),
                Some(values) => {
                    let values = values.as_array().ok_or_else(unknown)?.iter().map(Value::as_str);
                    let mut values: Vec<&str> =
                        values.collect::<Option<_>>().ok_or_else(unknown)?;
                    if values.iter().any(|it| it.contains(['|', '(', ')', '\t', '\n'])) {
                        return Err(unknown());
                    }
                    // Some enums name their Go zero value, which stands for "not set". A field can be
                    // that (`hostPath.type`), an element of a list cannot (`ipFamilies`, refused).
                    if place.ends_with("[]") {
                        values.retain(|it| !it.is_empty());
                    }
                    format!("enum({})", values.join("|"))
                }
            },
            (Some("object"), None) => {
                let value = nested(schema.get("additionalProperties"))?;
                format!("{{{}}}", self.ty(&format!("{place}{{}}"), &value)?)
            }
            (Some("array"), None) => {
                let item = self.ty(&format!("{place}[]"), &nested(schema.get("items"))?)?;
                match text("x-kubernetes-list-type") {
                    // Without a word it is atomic, says structured-merge-diff.
                    None | Some("atomic") => format!("[{item}]"),
                    Some("set") => format!("[{item}]set"),
                    Some("map") => {
                        let keys =
                            schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                        let keys = keys.ok_or_else(unknown)?.iter().map(Value::as_str);
                        let keys: Vec<&str> = keys.collect::<Option<_>>().ok_or_else(unknown)?;
                        self.keys.extend(keys.iter().map(|key| (item.clone(), (*key).to_owned())));
                        format!("[{item}]map({})", keys.join(","))
                    }
                    Some(_) => return Err(unknown()),
                }
            }
            _ => return Err(unknown()),
        })
    }

    /// The type that a schema with a name stands for: its own, or the object of that name.
    fn reference(&mut self, name: &str) -> Result<String, String> {
        let schema = self.schemas.get(name).ok_or_else(|| format!("no schema {name}"))?;
        let short = name.strip_prefix(META).unwrap_or(name);
        let own = match short {
            "io.k8s.apimachinery.pkg.api.resource.Quantity" => "quantity",
            "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => "int-or-string",
            "Time" => "date-time",
            // Unlike Time it takes six digits of a second, no more and no fewer.
            "MicroTime" => "micro-time",
            // Objects of any content, which OpenAPI v3 as served cannot tell from empty ones.
            "FieldsV1" | "Patch" | "io.k8s.apimachinery.pkg.runtime.RawExtension" => "{any}",
            // JSON, and `JSONSchemaPropsOrBool` and the like: nothing but a description.
            _ if schema.as_object().is_some_and(|it| it.keys().all(|it| it == "description")) => {
                "any"
            }
            _ => {
                self.object(name)?;
                name
            }
        };
        Ok(own.to_owned())
    }

    /// Drops the defaults that are Go's zero values. A server publishes one for every field that is no
    /// pointer, even where its code fills in something else (`FlowSchema.spec.matchingPrecedence` says 0
    /// and becomes 1000). Only for the keys of lists are they the truth: there, the merge itself reads
    /// them.
    fn drop_zero_defaults(&mut self) {
        let keys = &self.keys;
        let rows = std::mem::take(&mut self.rows).into_iter().map(|mut row| {
            if let Row::Field { object, name, attributes, .. } = &mut row
                && !keys.contains(&(object.clone(), name.clone()))
            {
                attributes.retain(|it| {
                    !matches!(it.as_str(), "default=\"\"" | "default=0" | "default=false")
                });
            }
            row
        });
        self.rows = rows.collect();
    }
}

/// Refuses a schema that says more than is understood.
fn only(place: &str, schema: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match schema.keys().find(|key| *key != "description" && !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{place} has the unknown keyword {key}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, ty: &str) -> Row {
        Row::Field {
            object: "Shop".to_owned(),
            name: name.to_owned(),
            ty: ty.to_owned(),
            attributes: vec!["required".to_owned()],
        }
    }

    fn facts(minor: u32, rows: impl IntoIterator<Item = Row>) -> Facts {
        let object = Row::Object { name: "Shop".to_owned(), atomic: false };
        Facts { minor, rows: rows.into_iter().chain([object]).collect() }
    }

    fn printed(table: &Table) -> String {
        table
            .to_string()
            .lines()
            .filter(|it| !it.starts_with('#'))
            .map(|it| format!("{it}\n"))
            .collect()
    }

    #[test]
    fn a_new_minor_touches_only_the_rows_in_which_it_differs() {
        let mut table = Table::default();
        table.replace(facts(35, [field("name", "string"), field("price", "int32")]));
        assert_eq!(
            printed(&table),
            "minors\t35\nobject\tShop\n\tname\tstring\trequired\n\tprice\tint32\trequired\n"
        );

        table.replace(facts(
            36,
            [field("name", "string"), field("price", "int64"), field("tax", "int32")],
        ));
        let two = "minors\t35-36\nobject\tShop\n\tname\tstring\trequired\n\tprice\tint32\trequired\t@35\n\
                   \tprice\tint64\trequired\t@36\n\ttax\tint32\trequired\t@36\n";
        assert_eq!(printed(&table), two);

        table.replace(facts(33, [field("name", "string"), field("price", "int32")]));
        assert!(printed(&table).contains("\tprice\tint32\trequired\t@33,35\n"));
    }

    #[test]
    fn a_minor_read_again_replaces_what_was_known_of_it() {
        let mut table = Table::default();
        table.replace(facts(35, [field("name", "string")]));
        table.replace(facts(36, [field("name", "enum(|a b|c)"), field("tax", "int32")]));
        table.replace(facts(36, [field("name", "string")]));
        assert_eq!(printed(&table), "minors\t35-36\nobject\tShop\n\tname\tstring\trequired\n");
    }

    #[test]
    fn a_table_reads_what_it_prints() {
        let mut table = Table::default();
        table.replace(facts(34, [field("name", "string")]));
        table.replace(facts(36, [field("name", "[enum(|a b|c)]map(x,y)")]));
        let kind = Row::Kind {
            api_version: "shop.example/v1".to_owned(),
            kind: "Shop".to_owned(),
            plural: "shops".to_owned(),
            object: "Shop".to_owned(),
            namespaced: true,
            apply: false,
            deprecated: Some(
                "shop.example/v1 Shop is deprecated in v1.36+; use a stall".to_owned(),
            ),
        };
        table.replace(facts(37, [kind]));
        assert_eq!(Table::parse(&table.to_string()), Ok(table));
        assert_eq!(Table::parse("minors\t36\nshop"), Err("line 2: not a fact: shop".to_owned()));
    }
}
