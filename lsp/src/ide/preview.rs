//! What a request makes in an environment, and which line of the sources made which of the manifests.

use super::cursor::declaration_at;
use super::values::requests_of;
use plumb_compiler::Db;
use plumb_compiler::answers::{Location, Manifest};
use plumb_compiler::batch::{Form, Maker};
use plumb_compiler::engine::{address, location};
use plumb_compiler::eval::{evaluate, inside, kind_facts};
use plumb_compiler::items::{extent, name_place};
use plumb_compiler::names::{environment_order, environments, packages, scope};
use plumb_compiler::outputs::runs_in;
use plumb_compiler::source::{ItemId, Package, SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Name, TextRange};
use plumb_compiler::value::Value;
use plumb_compiler::why::Tracer;
use plumb_compiler::yaml;
use similar::TextDiff;

/// The manifests of a request in an environment.
#[derive(Clone, PartialEq, Debug)]
pub struct Preview {
    /// The request with its package: `apps.shop.cart`.
    pub request: Name,
    /// The environment.
    pub environment: Name,
    /// YAML, one document a manifest.
    pub text: String,
    /// What each document is: `Deployment/cart`, and where it stands in the text.
    pub manifests: Vec<(String, TextRange)>,
    /// Which places of the sources decided each value of the text: the line that made it first, then those of
    /// the fields that it was computed from. In the order of the text.
    pub map: Vec<(TextRange, Vec<Location>)>,
    /// Why nothing is made, where it is so.
    pub note: Option<String>,
}

/// The request that is meant at a place: the one that is declared there, or the first that an overlay there
/// speaks of.
pub fn request_at(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Option<ItemId> {
    let item = declaration_at(db, file, offset)?;
    requests_of(db, workspace, item).first().copied()
}

/// A request by its package and name.
pub fn request_named(db: &dyn Db, workspace: Workspace, asked: &str) -> Option<ItemId> {
    let (package, name) = asked.rsplit_once('.').unwrap_or(("", asked));
    let path = packages(db, workspace).get_key_value(package)?.0.clone();
    let requests = &scope(db, Package::new(db, workspace, path)).requests;
    requests.iter().copied().find(|it| it.name(db) == name)
}

/// The environment that is shown where none is chosen: the last that the request is for, which mostly is the
/// one that matters most.
pub fn usual_environment(db: &dyn Db, workspace: Workspace, request: ItemId) -> Option<Name> {
    let all = environment_order(db, workspace).iter().rev();
    let mut here = all.filter(|it| runs_in(db, workspace, request, **it));
    here.next().map(|it| it.name(db).clone())
}

/// How many manifests a request makes in an environment; `None` where an error stands in the way.
pub fn count(
    db: &dyn Db,
    workspace: Workspace,
    request: ItemId,
    environment: &str,
) -> Option<usize> {
    let mut maker = Maker::new(db, workspace, environment, Form::Remembered)?;
    maker.make(request, &mut String::new()).objects().map(<[_]>::len)
}

/// Renders what a request makes in an environment; `None` where there is no such environment.
pub fn preview(
    db: &dyn Db,
    workspace: Workspace,
    request: ItemId,
    environment: &str,
) -> Option<Preview> {
    let environment_id = environments(db, workspace).0.get(environment).copied()?;
    let mut result = Preview {
        request: address(db, workspace, request),
        environment: environment.into(),
        text: String::new(),
        manifests: Vec::new(),
        map: Vec::new(),
        note: None,
    };
    if !runs_in(db, workspace, request, environment_id) {
        result.note = Some(format!("`{}` is not in {environment}", request.name(db)));
        return Some(result);
    }
    let mut maker = Maker::new(db, workspace, environment, Form::Remembered)?;
    let outcome = maker.make(request, &mut String::new());
    let Some(objects) = outcome.objects() else {
        result.note = Some(format!(
            "`{}` makes nothing in {environment}: something is wrong with it, or with what it stands on",
            request.name(db)
        ));
        return Some(result);
    };
    if objects.is_empty() {
        result.note = Some(format!("`{}` makes nothing in {environment}", request.name(db)));
    }
    let whole = evaluate(db, workspace, request, environment_id).value.as_ref();
    let mut tracer = Tracer::new(db, workspace, request, environment);
    for object in objects {
        if !result.text.is_empty() {
            result.text.push_str("---\n");
        }
        let manifest = Manifest {
            request: result.request.clone(),
            item: request,
            object: object.value.clone(),
            composed: object.composed.clone(),
        };
        let start = result.text.len() as u32;
        let mut found: Vec<(usize, Vec<Location>)> = Vec::new();
        let mut document = String::new();
        yaml::write_annotated(&mut document, &manifest.object, &mut |value, at| {
            found.push((at, places(db, &mut tracer, &manifest, value, whole)));
            None
        });
        let map = found.into_iter().map(|(at, places)| (line_at(&document, at, start), places));
        result.map.extend(map);
        result.text.push_str(&document);
        let kind = kind_facts(db, workspace, object.kind).kind;
        let range = TextRange::new(start, result.text.len() as u32);
        result.manifests.push((format!("{kind}/{}", object.name), range));
    }
    Some(result)
}

/// The line of a document that a byte stands in, without its end, in bytes of the whole.
fn line_at(document: &str, at: usize, start: u32) -> TextRange {
    let from = document[..at].rfind('\n').map_or(0, |it| it + 1);
    let to = document[at..].find('\n').map_or(document.len(), |it| at + it);
    TextRange::new(start + from as u32, start + to as u32)
}

/// The places that decided a value.
fn places(
    db: &dyn Db,
    tracer: &mut Tracer<'_>,
    manifest: &Manifest,
    value: &Value,
    whole: Option<&Value>,
) -> Vec<Location> {
    let source = tracer.source(manifest, value);
    let mut places = vec![source.location];
    for path in &source.from {
        let steps = path.split('.').map(Name::from);
        let found =
            whole.and_then(|it| steps.into_iter().try_fold(it, |at, step| inside(at, &step)));
        if let Some(found) = found {
            let place = location(db, found.origin.into());
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

/// The declarations that speak of a request, for who follows it: its own, and those of its layers.
pub fn own_place(db: &dyn Db, request: ItemId) -> (Location, TextRange) {
    (location(db, name_place(db, request)), extent(db, request))
}

/// What differs between two texts, as a unified difference; empty where nothing does.
pub fn difference(old: (&str, &str), new: (&str, &str)) -> String {
    if old.1 == new.1 {
        return String::new();
    }
    let lines = TextDiff::from_lines(old.1, new.1);
    lines.unified_diff().context_radius(3).header(old.0, new.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    fn shown(text: &str, environment: &str) -> (Fixture, Preview) {
        let it = Fixture::new(&format!("{SHOP}{text}"));
        let request = request_at(&it.db, it.workspace, it.file, it.offset).expect("a request");
        let found = preview(&it.db, it.workspace, request, environment).expect("an environment");
        (it, found)
    }

    /// The words of the sources that decided the first line that holds `line`.
    fn decided(it: &Fixture, preview: &Preview, line: &str) -> Vec<String> {
        let range = |at: TextRange| at.start as usize..at.end as usize;
        let (_, places) = preview
            .map
            .iter()
            .find(|(at, _)| preview.text[range(*at)].contains(line))
            .expect("a line");
        places.iter().map(|it_| it.texts[&it_.path][range(it_.range)].to_owned()).collect()
    }

    const WEB: &str = "use platform\nrequest x: platform.Web {\n    image = \"x:1\"\n    owner = \"me\"$0\n}\noverlay x in prod { replicas = 4 }\n";

    #[test]
    fn each_line_knows_what_decided_it() {
        let (it, prod) = shown(WEB, "prod");
        assert_eq!(prod.request, "apps.shop.x");
        assert_eq!(
            prod.manifests.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(),
            ["Deployment/x"]
        );
        assert_eq!(decided(&it, &prod, "replicas: 4"), ["4"]);
        assert_eq!(decided(&it, &prod, "image: x:1"), ["\"x:1\""]);
        assert!(prod.text.starts_with("apiVersion: apps/v1\nkind: Deployment\n"));
        assert_eq!(prod.note, None);
    }

    #[test]
    fn environments_differ_where_layers_do() {
        let (_, dev) = shown(WEB, "dev");
        let (_, prod) = shown(WEB, "prod");
        let found = difference(("dev", &dev.text), ("prod", &prod.text));
        assert!(found.contains("-  replicas: 1\n+  replicas: 4\n"), "{found}");
        assert_eq!(difference(("dev", &dev.text), ("dev", &dev.text)), "");
    }

    #[test]
    fn a_request_with_a_mistake_says_so() {
        let (_, found) = shown("use platform\nrequest x: platform.Web { image = 1$0 }\n", "dev");
        assert_eq!(found.text, "");
        assert!(found.note.expect("a note").contains("something is wrong"));
    }

    #[test]
    fn an_overlay_stands_for_its_request() {
        let (_, found) = shown(
            "use platform\nrequest x: platform.Web { image = \"x:1\", owner = \"me\" }\noverlay x in prod { rep$0licas = 3 }\n",
            "prod",
        );
        assert_eq!(found.request, "apps.shop.x");
    }
}
