//! Which line of the sources something of an object comes from.

use crate::render::{Desired, at};
use plumb_compiler::changes::Step;
use plumb_compiler::value::{Data, Value};

/// The value of an object that a path of an API server means, or the innermost around it that there is:
/// `spec.template.spec.containers[0].image`, `.spec.containers[name="shop"].image`, `data[a.b]`.
pub fn value<'d>(desired: &'d Desired, path: &str) -> &'d Value {
    let mut value = &desired.manifest.object;
    for part in parts(path) {
        let found = match (&value.data, part) {
            (Data::Record(record), Part::Name(name)) => record.fields.get(name),
            (Data::List(elements), Part::Name(at)) => {
                at.parse().ok().and_then(|at: usize| elements.get(at))
            }
            (Data::Record(record), Part::Keyed(name, _)) => record.fields.get(name),
            (Data::List(_), Part::Keyed(name, key)) => {
                let fields = vec![("name", key.into())];
                let step = Step::Key { name: key.into(), fields };
                let found = at(value, &[step]);
                found.filter(|_| name == "name")
            }
            _ => None,
        };
        match found {
            Some(found) if !found.is_none() => value = found,
            _ => break,
        }
    }
    value
}

enum Part<'p> {
    Name(&'p str),
    Keyed(&'p str, &'p str),
}

fn parts(path: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').unwrap_or(inner.len());
            let inside = &inner[..end];
            parts.push(match inside.split_once('=') {
                Some((name, key)) => Part::Keyed(name, key.trim_matches('"')),
                None => Part::Name(inside.trim_matches('"')),
            });
            rest = inner.get(end + 1..).unwrap_or_default().trim_start_matches('.');
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        parts.push(Part::Name(&rest[..end]));
        rest = rest[end..].trim_start_matches('.');
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::render;

    #[test]
    fn paths_of_an_api_server_lead_to_values() {
        let render = render(&[("shop", "request a: platform.Web { data = { \"a.b\" = \"x\" } }")]);
        let found = |object: usize, path: &str| {
            let value = value(&render.objects[object], path);
            let mut text = String::new();
            plumb_compiler::json::write(&mut text, value, false);
            text
        };
        for (object, path, expected) in [
            (0, "data[a.b]", "\"x\""),
            (1, "spec.replicas", "2"),
            (1, ".spec.template.spec.containers[0].image", "\"web:1\""),
            (1, ".spec.template.spec.containers[name=\"web\"].image", "\"web:1\""),
            (1, "spec.template.spec.containers[0].ports[0].containerPort", "80"),
            // The innermost that there is.
            (1, "spec.template.spec.containers[0].ports[7].x", "[{\"containerPort\":80}]"),
            (1, "spec.replicas.x[", "2"),
        ] {
            assert_eq!(found(object, path), expected, "{path}");
        }
        for path in ["", "nowhere", "[", "[]", "..", "[0]"] {
            assert!(found(0, path).starts_with("{\"apiVersion\""), "{path}");
        }
    }
}
