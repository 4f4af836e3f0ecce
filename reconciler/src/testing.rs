//! What tests of decisions share: renders of a text, and a cluster that is a map.

use crate::apply::identity;
use crate::plan::Live;
use crate::refusal::Refusal;
use crate::render::{Compiler, Render};
use plumb_compiler::batch::Form;
use plumb_compiler::changes::Identity;
use plumb_compiler::source::Content;
use plumb_compiler::syntax::ast::Name;
use plumb_workspace::{Loaded, Manifest};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const PLATFORM: &str = r#"use k8s.apps.v1 as apps
use k8s.autoscaling.v2 as autoscaling
use k8s.core.v1 as core

schema Env {}

environment prod: Env {}

schema Web {
    replicas: Int? = 2
    left: Bool = false
    max: Int?
    data: {String: String} = {}
    ports: [Int] = [80]
}

compose Web as web {
    let meta = { name = web.name }
    emit core.ConfigMap { metadata = meta, data = web.data }
    emit apps.Deployment {
        metadata = meta
        spec = {
            replicas = if let count = web.replicas => (if web.left => initial(count, owner = "hpa") else count) else none
            selector.matchLabels = { app = web.name }
            template.metadata.labels = { app = web.name }
            template.spec.containers = [{
                name = "web"
                image = "web:1"
                resources.requests = { cpu = 1500m }
                ports = [for port in web.ports => { containerPort = port }]
            }]
        }
    }
    if let max = web.max {
        emit autoscaling.HorizontalPodAutoscaler {
            metadata = meta
            spec = {
                scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = web.name }
                maxReplicas = max
            }
        }
    }
}

schema Space {}

compose Space as space {
    emit core.Namespace { metadata.name = space.name }
    emit core.PersistentVolumeClaim {
        metadata = { name = space.name, namespace = "shop" }
        spec = { accessModes = ["ReadWriteOnce"], resources.requests = { storage = 1Gi } }
    }
}

schema Key { text: String }

compose Key as key {
    emit core.Secret { metadata.name = key.name, stringData = { text = key.text } }
}
"#;

/// The render of packages beside the platform, each with the namespace `shop`.
pub(crate) fn render(packages: &[(&str, &str)]) -> Render {
    compile(loaded(packages)).1
}

/// The sources of such a render.
pub(crate) fn loaded(packages: &[(&str, &str)]) -> Loaded {
    let mut files: BTreeMap<_, _> = BTreeMap::new();
    files.insert("platform/platform.plumb".into(), Content::Text(PLATFORM.into()));
    for (package, text) in packages {
        let text = format!("use platform\n\npackage {{ namespace = \"shop\" }}\n\n{text}\n");
        files.insert(format!("{package}/a.plumb").into(), Content::Text(text.into()));
    }
    sources(files)
}

/// The render of one file that declares all, and what made its values.
pub(crate) fn render_of(text: &str) -> (Compiler, Render) {
    let files = [("a.plumb".into(), Content::Text(text.into()))].into();
    let (compiler, render) = compile(sources(files));
    assert_eq!(render.findings, []);
    (compiler, render)
}

fn sources(files: BTreeMap<Name, Content>) -> Loaded {
    Loaded {
        root: "/work".into(),
        selected: "".into(),
        files,
        dependencies: Vec::new(),
        manifest: Manifest::default(),
        findings: Vec::new(),
    }
}

fn compile(loaded: Loaded) -> (Compiler, Render) {
    let mut compiler = Compiler::default();
    let render = compiler.render(loaded, "prod", Form::Objects).expect("there is a prod");
    (compiler, render)
}

/// A cluster.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) objects: BTreeMap<Identity, Json>,
    pub(crate) unseen: BTreeMap<Identity, Refusal>,
    pub(crate) inhabited: BTreeSet<Identity>,
}

impl Live for Cluster {
    fn object(&self, identity: &Identity) -> Option<&Json> {
        self.objects.get(identity)
    }

    fn unseen(&self, identity: &Identity) -> Option<&Refusal> {
        self.unseen.get(identity)
    }

    fn has_objects(&self, definition: &Identity) -> bool {
        self.inhabited.contains(definition)
    }
}

impl Cluster {
    /// A cluster that has these, with this UID each.
    pub(crate) fn with(objects: impl IntoIterator<Item = Json>, uid: &str) -> Self {
        let mut cluster = Cluster::default();
        for mut object in objects {
            object["metadata"]["uid"] = json!(uid);
            cluster.objects.insert(identity(&object), object);
        }
        cluster
    }

    pub(crate) fn get(&mut self, kind: &str, name: &str) -> &mut Json {
        let mut found = self.objects.iter_mut();
        let found = found.find(|(it, _)| it.kind == kind && it.name == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}")).1
    }
}

/// An object as a server has it that was sent it by `manager`: with what it owns in its `managedFields`. Lists of
/// objects with a name, and of ports, have keys.
pub(crate) fn applied(object: &Json, manager: &str, operation: &str) -> Json {
    let mut object = object.clone();
    let mut fields = owned(&object);
    for name in ["f:apiVersion", "f:kind"] {
        fields.as_object_mut().unwrap().shift_remove(name);
    }
    let metadata = fields["f:metadata"].as_object_mut().unwrap();
    metadata.shift_remove("f:name");
    metadata.shift_remove("f:namespace");
    object["metadata"]["managedFields"] = json!([
        { "manager": manager, "operation": operation, "time": "2026-01-01T10:00:00Z", "fieldsV1": fields },
    ]);
    object
}

fn owned(value: &Json) -> Json {
    match value {
        Json::Object(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(name, value)| (format!("f:{name}"), owned(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Json::Array(elements) => {
            let keyed: Option<serde_json::Map<String, Json>> = elements
                .iter()
                .map(|element| {
                    let key = match (element.get("name"), element.get("containerPort")) {
                        (_, Some(port)) => json!({ "containerPort": port, "protocol": "TCP" }),
                        (Some(name), None) => json!({ "name": name }),
                        (None, None) => return None,
                    };
                    let mut inner = owned(element);
                    inner["."] = json!({});
                    Some((format!("k:{key}"), inner))
                })
                .collect();
            keyed.map_or(json!({}), Json::Object)
        }
        _ => json!({}),
    }
}
