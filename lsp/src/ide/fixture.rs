//! Workspaces for tests: files as text, with `$0` where the cursor is.

use plumb_compiler::Database;
use plumb_compiler::answers::Location;
use plumb_compiler::source::{Content, SourceFile, Workspace};
use plumb_compiler::syntax::ast::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A workspace with a cursor in it.
pub(crate) struct Fixture {
    pub(crate) db: Database,
    pub(crate) workspace: Workspace,
    /// The file with the cursor.
    pub(crate) file: SourceFile,
    pub(crate) offset: u32,
    pub(crate) texts: BTreeMap<Name, String>,
}

impl Fixture {
    /// Files one after the other, each behind a line `---- path`; without such a line, `a/a.plumb`.
    pub(crate) fn new(text: &str) -> Self {
        let mut texts: BTreeMap<Name, String> = BTreeMap::new();
        let mut path = Name::from("a/a.plumb");
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("---- ") {
                Some(rest) => path = rest.trim().into(),
                None => texts.entry(path.clone()).or_default().push_str(line),
            }
        }
        let (cursor, at) = texts
            .iter()
            .find_map(|(path, text)| Some((path.clone(), text.find("$0")?)))
            .expect("a fixture has a cursor");
        let held = texts.get_mut(&cursor).expect("it was found");
        held.replace_range(at..at + 2, "");
        let db = Database::default();
        let files: BTreeMap<Name, SourceFile> = texts
            .iter()
            .map(|(path, text)| {
                let content = Content::Text(text.as_str().into());
                (path.clone(), SourceFile::new(&db, path.clone(), content))
            })
            .collect();
        let file = files[&cursor];
        let workspace = Workspace::new(&db, Arc::new(files), 36);
        Fixture { db, workspace, file, offset: at as u32, texts }
    }
}

/// The line of a place, with the place between signs, behind the path of its file.
pub(crate) fn marked(it: &Fixture, at: &Location) -> String {
    let Some(text) = it.texts.get(&at.path) else { return format!("{}: ?", at.path) };
    let (start, end) = (at.range.start as usize, at.range.end as usize);
    let line = text[..start].rfind('\n').map_or(0, |it| it + 1);
    let rest = text[end..].find('\n').map_or(text.len(), |it| end + it);
    let marked = format!("{}«{}»{}", &text[line..start], &text[start..end], &text[end..rest]);
    format!("{}: {}", at.path, marked.trim())
}

/// The texts of the files after changes.
pub(crate) fn changed(
    it: &Fixture,
    edits: impl IntoIterator<Item = (Location, String)>,
) -> BTreeMap<Name, String> {
    let mut edits: Vec<(Location, String)> = edits.into_iter().collect();
    edits.sort_by_key(|(at, _)| std::cmp::Reverse((at.range.start, at.range.end)));
    let mut texts = it.texts.clone();
    for (at, new) in edits {
        let text = texts.get_mut(&at.path).expect("edits are of files that there are");
        text.replace_range(at.range.start as usize..at.range.end as usize, &new);
    }
    texts
}

/// The lines that changes make different, each file with its path.
pub(crate) fn difference(
    it: &Fixture,
    edits: impl IntoIterator<Item = (Location, String)>,
) -> String {
    let mut shown = String::new();
    for (path, new) in changed(it, edits) {
        let diff = similar::TextDiff::from_lines(&it.texts[&path], &new);
        let changes = diff.iter_all_changes().filter(|it| it.tag() != similar::ChangeTag::Equal);
        let lines: String =
            changes.map(|it| format!("{}{}\n", it.tag(), it.value().trim_end())).collect();
        if !lines.is_empty() {
            shown += &format!("{path}\n{lines}");
        }
    }
    shown
}

/// A small platform and the beginning of a shop: what follows is a file of the shop.
pub(crate) const SHOP: &str = r#"---- platform/env.plumb
schema Env {
    /// Public names end in this.
    domain: String
    tier: "dev" | "prod" = "dev"
}
/// For trying things.
environment dev: Env { domain = "dev.test" }
environment prod: Env { domain = "shop.test", tier = "prod" }
---- platform/web.plumb
use k8s.apps.v1 as apps
/// How far it grows.
schema Scale {
    max: Int where it in 2..=200
    cpu: Int = 70
}
schema Sidecar {
    name: String
    image: String
}
/// A service that answers.
schema Web {
    /// What runs.
    image: String
    /// Pods that serve traffic.
    replicas: Int where it in 1..=50 = 1
    size: "small" | "large" = "small"
    owner: String
    scale: Scale?
    env: {String: String} = {}
    sidecars: [Sidecar by name] = []
}
compose Web as svc {
    /// Where others call it.
    output url: String = "http://${svc.name}"
    emit apps.Deployment {
        metadata = { name = svc.name }
        spec = {
            replicas = svc.replicas
            selector.matchLabels = { app = svc.name }
            template.metadata.labels = { app = svc.name }
            template.spec.containers = [{ name = "main", image = svc.image }]
        }
    }
}
defaults Web in prod { replicas = 2 }
---- apps/shop/team.plumb
use platform
package { namespace = "shop" }
/// The cart.
request cart: platform.Web {
    image = "cart:1"
    owner = "shop"
}
overlay cart in prod { replicas = 6, size = "large" }
---- apps/shop/x.plumb
"#;
