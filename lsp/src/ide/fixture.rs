//! Workspaces for tests: files as text, with `$0` where the cursor is.

use plumb_compiler::Database;
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
