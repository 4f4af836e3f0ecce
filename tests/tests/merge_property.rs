//! The merge against a second, naive one: random workspaces of layers, whose values must be the same
//! in each environment.
//!
//! The reference knows plain data only. It applies whole layers in order to one record; it has no
//! slots, no origins, no laziness and shares no code with the compiler.

use plumb_compiler::eval::evaluate;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::{Database, check, json, names};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// The environments, each with its ancestors, itself last.
const ENVIRONMENTS: [(&str, &[&str]); 4] = [
    ("base", &["base"]),
    ("mid", &["base", "mid"]),
    ("leaf", &["base", "mid", "leaf"]),
    ("other", &["other"]),
];

/// One line of a layer.
#[derive(Clone, Debug)]
enum Line {
    Scalar(i64),
    Text(Option<&'static str>),
    List(Vec<i64>),
    Append(Vec<i64>),
    Entry(&'static str, Option<i64>),
    ReplaceMap(Vec<(&'static str, i64)>),
    Element(&'static str, i64, Option<i64>),
    ElementField(&'static str, i64),
    RemoveElement(&'static str),
    ReplaceKeyed(Vec<(&'static str, i64)>),
    InnerA(i64),
    InnerEntry(&'static str, Option<i64>),
    Maybe(Option<i64>),
    MaybeField(i64),
    RemoveMaybe,
}

impl Line {
    /// The leaf it speaks of: two lines of one layer may not share one.
    fn leaf(&self) -> String {
        match self {
            Line::Scalar(_) => "scalar".into(),
            Line::Text(_) => "text".into(),
            Line::List(_) | Line::Append(_) => "list".into(),
            Line::Entry(..) | Line::ReplaceMap(_) => "map".into(),
            Line::Element(..)
            | Line::ElementField(..)
            | Line::RemoveElement(_)
            | Line::ReplaceKeyed(_) => "keyed".into(),
            Line::InnerA(_) => "inner.a".into(),
            Line::InnerEntry(..) => "inner.env".into(),
            Line::Maybe(_) | Line::MaybeField(_) | Line::RemoveMaybe => "maybe".into(),
        }
    }

    fn source(&self) -> String {
        let entries = |list: &[(&str, i64)]| {
            list.iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let optional = |value: &Option<i64>| value.map_or("none".to_string(), |it| it.to_string());
        match self {
            Line::Scalar(value) => format!("scalar = {value}"),
            Line::Text(None) => "text = none".into(),
            Line::Text(Some(text)) => format!("text = {text:?}"),
            Line::List(list) => format!("list = {list:?}"),
            Line::Append(list) => format!("list += {list:?}"),
            // The two ways to write one thing, told apart by the value.
            Line::Entry(key, Some(value)) if value % 2 == 0 => {
                format!("map = {{ {key} = {value} }}")
            }
            Line::Entry(key, value) => format!("map.{key} = {}", optional(value)),
            Line::ReplaceMap(list) => format!("replace map = {{ {} }}", entries(list)),
            Line::Element(name, a, b) => match b {
                Some(b) => format!("keyed = [{{ name = {name:?}, a = {a}, b = {b} }}]"),
                None => format!("keyed[{name:?}] = {{ a = {a} }}"),
            },
            Line::ElementField(name, a) => format!("keyed[{name:?}].a = {a}"),
            Line::RemoveElement(name) => format!("keyed[{name:?}] = none"),
            Line::ReplaceKeyed(list) => {
                let elements: Vec<String> = list
                    .iter()
                    .map(|(name, a)| format!("{{ name = {name:?}, a = {a} }}"))
                    .collect();
                format!("replace keyed = [{}]", elements.join(", "))
            }
            Line::InnerA(value) => format!("inner.a = {value}"),
            Line::InnerEntry(key, Some(value)) if value % 2 == 0 => {
                format!("inner = {{ env = {{ {key} = {value} }} }}")
            }
            Line::InnerEntry(key, value) => format!("inner.env.{key} = {}", optional(value)),
            Line::Maybe(None) => "maybe = {}".into(),
            Line::Maybe(Some(a)) => format!("maybe = {{ a = {a} }}"),
            Line::MaybeField(a) => format!("maybe.a = {a}"),
            Line::RemoveMaybe => "maybe = none".into(),
        }
    }
}

fn inner() -> Json {
    json!({ "a": 7, "env": { "x": 1, "y": 2 } })
}

fn schema_values() -> Json {
    json!({
        "scalar": 1, "list": [1], "map": { "x": 1, "y": 1 },
        "keyed": [{ "name": "x", "a": 1, "b": 5 }], "inner": inner(),
    })
}

/// Applies a line; `false`: it asks for an element that is not there. `pending` holds what `defaults`
/// said of an optional record before anything made it.
fn apply(state: &mut Json, pending: &mut Option<i64>, line: &Line, is_defaults: bool) -> bool {
    let record = state.as_object_mut().expect("a record");
    let put = |map: &mut Map<String, Json>, key: &str, value: &Option<i64>| match value {
        Some(value) => {
            map.insert(key.into(), json!(value));
        }
        None => {
            map.shift_remove(key);
        }
    };
    fn at<'j>(record: &'j mut Map<String, Json>, key: &str) -> &'j mut Map<String, Json> {
        record[key].as_object_mut().expect("a record")
    }
    match line {
        Line::Scalar(value) => record["scalar"] = json!(value),
        Line::Text(None) => {
            record.shift_remove("text");
        }
        Line::Text(Some(text)) => {
            record.insert("text".into(), json!(text));
        }
        Line::List(list) => record["list"] = json!(list),
        Line::Append(list) => {
            let whole = record["list"].as_array_mut().expect("a list");
            whole.extend(list.iter().map(|it| json!(it)));
        }
        Line::Entry(key, value) => put(at(record, "map"), key, value),
        Line::ReplaceMap(list) => {
            record["map"] = list.iter().map(|(key, it)| ((*key).to_string(), json!(it))).collect();
        }
        Line::Element(name, a, b) => {
            let list = record["keyed"].as_array_mut().expect("a list");
            match list.iter_mut().find(|it| it["name"] == *name) {
                // What was taken out begins anew, in its first place.
                Some(element) if element["removed"] == true => {
                    *element = json!({ "name": name, "a": a, "b": b.unwrap_or(3) });
                }
                Some(element) => {
                    element["a"] = json!(a);
                    if let Some(b) = b {
                        element["b"] = json!(b);
                    }
                }
                None => list.push(json!({ "name": name, "a": a, "b": b.unwrap_or(3) })),
            }
        }
        Line::ElementField(name, a) => {
            let list = record["keyed"].as_array_mut().expect("a list");
            let there = |it: &&mut Json| it["name"] == *name && it["removed"] != true;
            let Some(found) = list.iter_mut().find(there) else { return false };
            found["a"] = json!(a);
        }
        Line::RemoveElement(name) => {
            let list = record["keyed"].as_array_mut().expect("a list");
            let there = |it: &&mut Json| it["name"] == *name && it["removed"] != true;
            let Some(found) = list.iter_mut().find(there) else { return false };
            *found = json!({ "name": name, "removed": true });
        }
        Line::ReplaceKeyed(list) => {
            record["keyed"] =
                list.iter().map(|(name, a)| json!({ "name": name, "a": a, "b": 3 })).collect();
        }
        Line::InnerA(value) => record["inner"]["a"] = json!(value),
        Line::InnerEntry(key, value) => put(at(at(record, "inner"), "env"), key, value),
        Line::MaybeField(a) if is_defaults && !record.contains_key("maybe") => *pending = Some(*a),
        Line::Maybe(Some(a)) | Line::MaybeField(a) => {
            if !record.contains_key("maybe") {
                record.insert("maybe".into(), inner());
            }
            record["maybe"]["a"] = json!(a);
            *pending = None;
        }
        Line::Maybe(None) => {
            let mut made = inner();
            if let Some(a) = pending.take() {
                made["a"] = json!(a);
            }
            record.entry("maybe").or_insert(made);
        }
        Line::RemoveMaybe => {
            record.shift_remove("maybe");
            *pending = None;
        }
    }
    true
}

/// Lines of one layer, of which no two speak of one leaf.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let key = || prop::sample::select(vec!["x", "y", "z"]);
    let small = || -9_i64..100;
    let pairs = move || {
        prop::collection::btree_map(key(), small(), 0..3)
            .prop_map(|it| it.into_iter().collect::<Vec<_>>())
    };
    let line = prop_oneof![
        small().prop_map(Line::Scalar),
        prop::option::of(prop::sample::select(vec!["", "a", "b"])).prop_map(Line::Text),
        prop::collection::vec(small(), 0..3).prop_map(Line::List),
        prop::collection::vec(small(), 0..3).prop_map(Line::Append),
        (key(), prop::option::of(small())).prop_map(|(key, value)| Line::Entry(key, value)),
        pairs().prop_map(Line::ReplaceMap),
        (key(), small(), prop::option::of(small())).prop_map(|(k, a, b)| Line::Element(k, a, b)),
        (key(), small()).prop_map(|(key, a)| Line::ElementField(key, a)),
        key().prop_map(Line::RemoveElement),
        pairs().prop_map(Line::ReplaceKeyed),
        small().prop_map(Line::InnerA),
        (key(), prop::option::of(small())).prop_map(|(key, value)| Line::InnerEntry(key, value)),
        prop::option::of(small()).prop_map(Line::Maybe),
        small().prop_map(Line::MaybeField),
        Just(Line::RemoveMaybe),
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| {
        let mut kept: Vec<Line> = Vec::new();
        for line in lines {
            if !kept.iter().any(|it| it.leaf() == line.leaf()) {
                kept.push(line);
            }
        }
        kept
    })
}

#[derive(Clone, Debug)]
struct Layers {
    everywhere: Vec<Line>,
    defaults: Vec<Vec<Line>>,
    request: Vec<Line>,
    overlays: Vec<Vec<Line>>,
}

fn workspaces() -> impl Strategy<Value = Layers> {
    let each = || prop::collection::vec(lines(), ENVIRONMENTS.len());
    (lines(), each(), lines(), each()).prop_map(|(everywhere, defaults, request, overlays)| {
        Layers { everywhere, defaults, request, overlays }
    })
}

impl Layers {
    fn block(lines: &[Line]) -> String {
        let lines: Vec<String> = lines.iter().map(Line::source).collect();
        format!("{{\n    {}\n}}\n", lines.join("\n    "))
    }

    fn files(&self) -> [(&'static str, String); 2] {
        let mut platform = String::from(
            "schema Env {}\n\
             environment base: Env {}\n\
             environment mid: Env from base {}\n\
             environment leaf: Env from mid {}\n\
             environment other: Env {}\n\
             schema Inner { a: Int = 7, env: {String: Int} = { x = 1, y = 2 } }\n\
             schema Element { name: String, a: Int, b: Int = 3 }\n\
             schema T {\n    scalar: Int = 1\n    text: String?\n    list: [Int] = [1]\n    \
             map: {String: Int} = { x = 1, y = 1 }\n    \
             keyed: [Element by name] = [{ name = \"x\", a = 1, b = 5 }]\n    \
             inner: Inner = {}\n    maybe: Inner?\n}\ncompose T as t {}\n",
        );
        let _ = write!(platform, "defaults T {}", Layers::block(&self.everywhere));
        let mut apps = format!("use platform.{{T}}\nrequest r: T {}", Layers::block(&self.request));
        for (index, (name, _)) in ENVIRONMENTS.iter().enumerate() {
            let _ =
                write!(platform, "defaults T in {name} {}", Layers::block(&self.defaults[index]));
            let _ = write!(apps, "overlay r in {name} {}", Layers::block(&self.overlays[index]));
        }
        [("platform/t.plumb", platform), ("apps/a.plumb", apps)]
    }

    /// The values in an environment; `None` where a line asks for an element that is not there.
    fn reference(&self, ancestors: &[&str]) -> Option<Json> {
        let of = |layers: &[Vec<Line>]| -> Vec<Vec<Line>> {
            let position = |name: &&str| ENVIRONMENTS.iter().position(|it| it.0 == *name);
            ancestors.iter().filter_map(position).map(|at| layers[at].clone()).collect()
        };
        let mut state = schema_values();
        let mut pending = None;
        let defaults = std::iter::once(self.everywhere.clone()).chain(of(&self.defaults));
        let rest = std::iter::once(self.request.clone()).chain(of(&self.overlays));
        let all = defaults.map(|it| (it, true)).chain(rest.map(|it| (it, false)));
        for (lines, is_defaults) in all {
            for line in &lines {
                if !apply(&mut state, &mut pending, line, is_defaults) {
                    return None;
                }
            }
        }
        state["keyed"].as_array_mut().expect("a list").retain(|it| it["removed"] != true);
        Some(state)
    }
}

/// The compiler's values in each environment; `None` where the request has an error.
fn compiled(layers: &Layers) -> Vec<Option<Json>> {
    let db = Database::default();
    let files: BTreeMap<Name, SourceFile> = layers
        .files()
        .into_iter()
        .map(|(path, text)| {
            let content = Content::Text(text.as_str().into());
            (Name::from(path), SourceFile::new(&db, path.into(), content))
        })
        .collect();
    let workspace = Workspace::new(&db, Arc::new(files), 36);
    let findings = check(&db, workspace);
    let expected = ["keyed-element", "hides-environment-default"];
    let other = findings.iter().find(|it| !expected.contains(&it.code.as_str()));
    assert!(other.is_none(), "{other:?}");
    let value = |name: &str| {
        let environment = names::environments(&db, workspace).0[name];
        let request = plumb_compiler::outputs::requests(&db, workspace, environment)[0];
        let value = evaluate(&db, workspace, request, environment).value.clone()?;
        let mut text = String::new();
        json::write(&mut text, &value, false);
        let mut value: Json = serde_json::from_str(&text).expect("what the compiler writes");
        let fields = value.as_object_mut().expect("a record");
        for built_in in ["name", "namespace", "labels", "annotations"] {
            fields.shift_remove(built_in);
        }
        Some(value)
    };
    ENVIRONMENTS.iter().map(|(name, _)| value(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        // What failed is printed whole, with its seed; a rule it shows is then a test of the suite.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn layers_merge_as_the_naive_reference_does(layers in workspaces()) {
        let found = compiled(&layers);
        for ((name, ancestors), found) in ENVIRONMENTS.iter().zip(found) {
            let [(_, platform), (_, apps)] = layers.files();
            prop_assert_eq!(
                found,
                layers.reference(ancestors),
                "in {}:\n{}\n{}",
                name,
                platform,
                apps
            );
        }
    }
}
