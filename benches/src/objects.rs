//! What programs print, in one form that tells whether two of them mean the same objects.

use serde_json::Value;
use std::collections::BTreeMap;

/// How a program prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Format {
    Yaml,
    Json,
}

/// Objects by kind, namespace and name; each as JSON with its keys sorted, and the environment
/// variables of its containers by name: some languages sort maps, others keep the order of layers.
pub type Objects = BTreeMap<String, String>;

/// The objects that a text holds, however they are wrapped: a stream, a list, lists by name.
pub fn read(text: &str, format: Format) -> Result<Objects, String> {
    let mut objects = Objects::new();
    match format {
        Format::Json => {
            let value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
            collect(value, &mut objects)?;
        }
        Format::Yaml => {
            // What is read was made by programs of our own choice, and may be long. `n` is no boolean in
            // YAML 1.2, which most of them write.
            let options = serde_saphyr::options! { budget: None, strict_booleans: true };
            // One document at a time: a stream of many is large as values. No object here holds a text
            // of several lines, so such a line is nothing else.
            for document in text.split("\n---\n") {
                let value = serde_saphyr::from_str_with_options(document, options.clone())
                    .map_err(|error| format!("not YAML: {error}"))?;
                collect(value, &mut objects)?;
            }
        }
    }
    Ok(objects)
}

fn collect(value: Value, objects: &mut Objects) -> Result<(), String> {
    match value {
        Value::Object(ref fields) if fields.contains_key("apiVersion") => {
            let part = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
            let identity = format!(
                "{} {}/{}",
                part("/kind").unwrap_or_default(),
                part("/metadata/namespace").unwrap_or_default(),
                part("/metadata/name").unwrap_or_default(),
            );
            let mut value = value;
            value.sort_all_objects();
            sort_variables(&mut value);
            match objects.insert(identity.clone(), value.to_string()) {
                None => Ok(()),
                Some(_) => Err(format!("{identity} is there twice")),
            }
        }
        Value::Object(fields) => fields.into_iter().try_for_each(|(_, it)| collect(it, objects)),
        Value::Array(elements) => elements.into_iter().try_for_each(|it| collect(it, objects)),
        _ => Err("there is something else than objects".to_owned()),
    }
}

fn sort_variables(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Value::Array(variables)) = (name == "env", &mut *value) {
                    variables.sort_by_key(|it| it["name"].to_string());
                }
                sort_variables(value);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(sort_variables),
        _ => {}
    }
}

/// What is different, in a few lines; `None`: nothing.
pub fn difference(expected: &Objects, found: &Objects) -> Option<String> {
    let missing = expected.keys().find(|it| !found.contains_key(*it));
    if let Some(identity) = missing {
        return Some(format!("{identity} is missing"));
    }
    let more = found.keys().find(|it| !expected.contains_key(*it));
    if let Some(identity) = more {
        return Some(format!("{identity} should not be there"));
    }
    let (identity, value) =
        expected.iter().find(|(identity, value)| found[*identity] != **value)?;
    Some(format!("{identity}\n  should be {value}\n  and is    {}", found[identity]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{ "dev": [{
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "namespace": "n" },
        "spec": { "env": [{ "name": "A", "value": "0" }, { "name": "B", "value": "1" }] }
    }] }"#;

    const YAML: &str = "---\n# environment: dev\nkind: Pod\napiVersion: v1\nmetadata:\n  namespace: n\n  name: a\n\
                        spec:\n  env:\n  - {name: B, value: \"1\"}\n  - {name: A, value: \"0\"}\n";

    #[test]
    fn order_and_wrapping_mean_nothing() {
        let json = read(JSON, Format::Json).unwrap();
        assert_eq!(json.keys().collect::<Vec<_>>(), ["Pod n/a"]);
        assert_eq!(difference(&json, &read(YAML, Format::Yaml).unwrap()), None);
    }

    #[test]
    fn a_value_of_another_type_is_a_difference() {
        let json = read(JSON, Format::Json).unwrap();
        let other = read(&YAML.replace("\"0\"", "0"), Format::Yaml).unwrap();
        assert!(difference(&json, &other).is_some_and(|it| it.starts_with("Pod n/a\n")));
    }

    #[test]
    fn an_object_too_few_or_too_many_is_a_difference() {
        let json = read(JSON, Format::Json).unwrap();
        let none = Objects::new();
        assert_eq!(difference(&json, &none).as_deref(), Some("Pod n/a is missing"));
        assert_eq!(difference(&none, &json).as_deref(), Some("Pod n/a should not be there"));
        assert!(
            read(&format!("[{JSON},{JSON}]"), Format::Json).is_err_and(|it| it.ends_with("twice"))
        );
    }
}
