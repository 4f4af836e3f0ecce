//! Plans against what they are a shortcut of: for every request in every environment, what
//! [`Planned`](plumb_compiler::plan::Planned) writes is what [`objects`](plumb_compiler::objects::objects)
//! print.

use plumb_compiler::eval::evaluate;
use plumb_compiler::names::environment_order;
use plumb_compiler::objects::objects;
use plumb_compiler::outputs::requests;
use plumb_compiler::plan::{Made, Planned};
use plumb_compiler::source::Workspace;
use plumb_compiler::{Database, yaml};

/// What was compared.
#[derive(Default, Debug)]
pub struct Compared {
    /// The requests in environments that have manifests.
    pub made: usize,
    /// Those of them that a plan wrote.
    pub planned: usize,
    /// Where it differs, in words.
    pub differences: Vec<String>,
}

/// Compares all of a workspace.
pub fn compare(db: &Database, workspace: Workspace) -> Compared {
    let mut compared = Compared::default();
    for environment in environment_order(db, workspace) {
        let mut planned = Planned::new(db, workspace, *environment);
        for request in requests(db, workspace, *environment) {
            let evaluated = evaluate(db, workspace, request, *environment);
            let Some(value) = &evaluated.value else { continue };
            let full = objects(db, workspace, request, *environment);
            compared.made += usize::from(full.objects.is_some());
            let mut text = String::from("before\n");
            let Some(made) = planned.text(request, value, "---\n", &mut text) else {
                if text != "before\n" {
                    compared.differences.push("a plan that stepped aside left text".into());
                }
                continue;
            };
            compared.planned += 1;
            let at = format!("{} in {}", request.name(db), environment.name(db));
            let Some(objects) = full.objects.as_ref().filter(|_| full.diagnostics.is_empty())
            else {
                let said = &full.diagnostics;
                compared.differences.push(format!("{at}: planned, and there is to say {said:?}"));
                continue;
            };
            let mut whole = String::from("before\n");
            let mut known = Vec::new();
            for object in objects {
                whole.push_str("---\n");
                yaml::write_document(&mut whole, &object.value);
                let end = whole.len() - "before\n".len();
                known.push(Made::of(db, workspace, object, end));
            }
            if text != whole {
                compared.differences.push(format!("{at}: planned\n{text}\nrather than\n{whole}"));
            }
            if made != known {
                compared.differences.push(format!("{at}: told {made:?}\nrather than {known:?}"));
            }
        }
    }
    compared
}
