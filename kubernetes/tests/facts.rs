//! What the rest of Plumb relies on in the table of facts, said with the kinds that everybody knows.

use std::collections::BTreeSet;

use plumb_kubernetes::{
    Field, Format, Kubernetes, ListKind, Object, Type, documentation, minors, version,
};

fn newest() -> &'static Kubernetes {
    version(*minors().last().unwrap()).unwrap()
}

fn object(group: &str, version: &str, name: &str) -> &'static Object {
    let kubernetes = newest();
    kubernetes.object(kubernetes.object_by_name(group, version, name).unwrap())
}

fn field(group: &str, version: &str, name: &str, field: &str) -> &'static Field {
    object(group, version, name).field(field).unwrap()
}

fn values(field: &Field) -> &[&'static str] {
    match &field.ty {
        Type::String { values, .. } => values,
        other => panic!("{} is {other:?}", field.name),
    }
}

#[test]
fn every_known_minor_is_decoded_whole() {
    assert!(minors().contains(&36) && minors().is_sorted());
    assert!(version(*minors().last().unwrap() + 1).is_none());
    for minor in minors() {
        let kubernetes = version(*minor).unwrap();
        assert_eq!(kubernetes.minor(), *minor);
        assert!(kubernetes.kinds().count() > 60);
        for (id, kind) in kubernetes.kinds() {
            assert!(kubernetes.has_object(kind.object), "{kind:?}");
            assert_eq!(kubernetes.kind(kind.short_group(), kind.version, kind.kind), Some(id));
            assert!(kubernetes.versions(kind.short_group()).contains(&kind.version));
            let object = kubernetes.object_by_name(kind.short_group(), kind.version, kind.kind);
            assert_eq!(
                object,
                Some(kind.object),
                "the object of a kind goes by the name of the kind"
            );
        }
        for (id, object) in kubernetes.objects() {
            assert!(object.full_name.ends_with(&format!(".{}", object.name)));
            assert!(object.fields.is_sorted_by(|a, b| a.name < b.name), "{}", object.full_name);
            for field in &object.fields {
                assert_eq!(object.field(field.name), Some(field));
                every_object_is_there(kubernetes, &field.ty);
            }
            assert_eq!(kubernetes.object(id), object);
        }
    }
}

/// Also that the keys of a merged list are fields of its elements: required, or with a default.
fn every_object_is_there(kubernetes: &Kubernetes, ty: &Type) {
    match ty {
        Type::Object(object) => assert!(kubernetes.has_object(*object)),
        Type::Map { value } => every_object_is_there(kubernetes, value),
        Type::List { item, merge } => {
            every_object_is_there(kubernetes, item);
            if let ListKind::Map { keys } = merge {
                let Type::Object(item) = **item else { panic!("{item:?} has no keys") };
                assert!(keys.iter().all(|key| kubernetes.object(item).field(key).is_some()));
            }
        }
        _ => {}
    }
}

#[test]
fn a_kind_knows_its_resource() {
    let kubernetes = newest();
    let facts = |group: &str, version: &str, kind: &str| {
        kubernetes.kind_facts(kubernetes.kind(group, version, kind).unwrap())
    };
    let deployment = facts("apps", "v1", "Deployment");
    assert_eq!((deployment.api_version().as_str(), deployment.plural), ("apps/v1", "deployments"));
    assert!(deployment.namespaced && deployment.creatable);
    let service = facts("core", "v1", "Service");
    assert_eq!(
        (service.group, service.api_version().as_str(), service.short_group()),
        ("", "v1", "core")
    );
    let ingress = facts("networking", "v1", "Ingress");
    assert_eq!((ingress.group, ingress.short_group()), ("networking.k8s.io", "networking"));
    assert!(!facts("core", "v1", "Namespace").namespaced);
    assert!(!facts("authentication", "v1", "TokenReview").creatable);
    assert_eq!(kubernetes.kind("apps", "v1", "Deploymen"), None);
    assert_eq!(kubernetes.kind("apps", "v1", "DeploymentList"), None);
}

#[test]
fn groups_go_by_their_first_label_and_the_best_version_comes_first() {
    let kubernetes = newest();
    let groups: Vec<&str> = kubernetes.groups().collect();
    for group in ["apps", "batch", "core", "networking", "policy", "rbac"] {
        assert!(groups.contains(&group), "{group}");
    }
    let whole: BTreeSet<&str> = kubernetes.kinds().map(|(_, kind)| kind.group).collect();
    assert_eq!(whole.len(), groups.len(), "two groups have one first label");
    assert_eq!(kubernetes.versions("autoscaling"), ["v2", "v1"]);
    assert_eq!(kubernetes.versions("resource"), ["v1", "v1beta2", "v1beta1", "v1alpha3"]);
    assert!(kubernetes.versions("shop").is_empty());
}

#[test]
fn fields_are_required_where_the_servers_openapi_says_so() {
    let spec = |minor| {
        let kubernetes = version(minor).unwrap();
        let deployment = kubernetes.object_by_name("apps", "v1", "Deployment").unwrap();
        kubernetes.object(deployment).field("spec").unwrap().required
    };
    assert!(!spec(36) && spec(37));
    assert!(field("apps", "v1", "DeploymentSpec", "selector").required);
    assert!(field("apps", "v1", "DeploymentSpec", "template").required);
    assert!(!field("apps", "v1", "DeploymentSpec", "replicas").required);
    // Required although the server publishes a default, Go's zero.
    let port = field("core", "v1", "ContainerPort", "containerPort");
    assert_eq!((port.required, port.default), (true, None));
    let name = field("core", "v1", "Container", "name");
    assert_eq!((name.required, name.default), (true, None));
}

#[test]
fn integers_have_the_bounds_of_their_format() {
    let replicas = Type::Int { min: Some(-2_147_483_648), max: Some(2_147_483_647) };
    assert_eq!(field("apps", "v1", "DeploymentSpec", "replicas").ty, replicas);
    let seconds = &field("core", "v1", "PodSpec", "activeDeadlineSeconds").ty;
    assert_eq!(*seconds, Type::Int { min: None, max: None });
}

#[test]
fn ports_merge_by_number_and_protocol_and_the_protocol_is_tcp_when_absent() {
    for (ports, keys) in [
        (field("core", "v1", "ServiceSpec", "ports"), ["port", "protocol"]),
        (field("core", "v1", "Container", "ports"), ["containerPort", "protocol"]),
    ] {
        let Type::List { item, merge } = &ports.ty else { panic!("{ports:?}") };
        assert_eq!(*merge, ListKind::Map { keys: keys.to_vec() });
        let Type::Object(item) = **item else { panic!("{item:?}") };
        assert_eq!(newest().object(item).field("protocol").unwrap().default, Some("\"TCP\""));
    }
    // The same for a key whose default is the empty text.
    assert_eq!(field("core", "v1", "LocalObjectReference", "name").default, Some("\"\""));
}

#[test]
fn lists_say_how_they_merge() {
    let merge = |field: &'static Field| match &field.ty {
        Type::List { merge, .. } => merge,
        other => panic!("{other:?}"),
    };
    assert_eq!(*merge(field("core", "v1", "Container", "args")), ListKind::Atomic);
    assert_eq!(*merge(field("core", "v1", "PodSpec", "tolerations")), ListKind::Atomic);
    assert_eq!(*merge(field("meta", "v1", "ObjectMeta", "finalizers")), ListKind::Set);
    assert_eq!(
        *merge(field("core", "v1", "PodSpec", "containers")),
        ListKind::Map { keys: vec!["name"] }
    );
    assert_eq!(
        *merge(field("core", "v1", "Container", "volumeMounts")),
        ListKind::Map { keys: vec!["mountPath"] }
    );
}

#[test]
fn objects_and_maps_say_whether_they_are_replaced_whole() {
    assert!(field("core", "v1", "ServiceSpec", "selector").atomic);
    assert!(!field("meta", "v1", "ObjectMeta", "labels").atomic);
    // The object says so, and its field does not contradict,
    assert!(object("meta", "v1", "LabelSelector").atomic);
    assert!(field("apps", "v1", "DeploymentSpec", "selector").atomic);
    // or does.
    assert!(object("core", "v1", "ObjectReference").atomic);
    assert!(!field("core", "v1", "PersistentVolumeSpec", "claimRef").atomic);
}

#[test]
fn enums_are_closed() {
    assert_eq!(
        values(field("networking", "v1", "HTTPIngressPath", "pathType")),
        ["Exact", "ImplementationSpecific", "Prefix"]
    );
    assert_eq!(
        values(field("batch", "v1", "CronJobSpec", "concurrencyPolicy")),
        ["Allow", "Forbid", "Replace"]
    );
    assert_eq!(
        values(field("core", "v1", "Container", "imagePullPolicy")),
        ["Always", "IfNotPresent", "Never"]
    );
    assert_eq!(values(field("core", "v1", "ServicePort", "protocol")), ["SCTP", "TCP", "UDP"]);
    assert!(values(field("core", "v1", "Container", "image")).is_empty());
    // The empty text is a value of this one, it means "check nothing".
    assert!(values(field("core", "v1", "HostPathVolumeSource", "type")).contains(&""));
    // But not of this one, whatever the server's OpenAPI says.
    let families = field("core", "v1", "ServiceSpec", "ipFamilies");
    let item = Type::String { format: None, values: vec!["IPv4", "IPv6"] };
    assert_eq!(families.ty, Type::List { item: Box::new(item), merge: ListKind::Atomic });
}

#[test]
fn scalars_of_kubernetes_own_are_told_apart() {
    let map = |value| Type::Map { value: Box::new(value) };
    let text = |format| Type::String { format: Some(format), values: Vec::new() };
    assert_eq!(field("core", "v1", "ResourceRequirements", "limits").ty, map(Type::Quantity));
    assert_eq!(field("core", "v1", "ServicePort", "targetPort").ty, Type::IntOrString);
    assert_eq!(field("core", "v1", "Secret", "data").ty, map(text(Format::Byte)));
    assert_eq!(field("meta", "v1", "ObjectMeta", "creationTimestamp").ty, text(Format::DateTime));
    assert_eq!(field("coordination", "v1", "LeaseSpec", "renewTime").ty, text(Format::MicroTime));
    assert_eq!(field("apps", "v1", "ControllerRevision", "data").ty, map(Type::Any));
    assert_eq!(field("apiextensions", "v1", "JSONSchemaProps", "default").ty, Type::Any);
    assert!(object("apiextensions", "v1", "CustomResourceSubresourceStatus").fields.is_empty());
}

#[test]
fn parts_are_found_by_group_version_and_name() {
    assert_eq!(object("core", "v1", "Container").full_name, "io.k8s.api.core.v1.Container");
    // OpenAPI calls this group's package apiserverinternal.
    let storage = object("internal", "v1alpha1", "StorageVersionStatus");
    assert_eq!(storage.full_name, "io.k8s.api.apiserverinternal.v1alpha1.StorageVersionStatus");
    assert_eq!(newest().object_by_name("core", "v1", "Contain"), None);
    // Written as one scalar, so no objects.
    assert_eq!(newest().object_by_name("meta", "v1", "Time"), None);
}

#[test]
fn kinds_and_fields_are_documented() {
    let replicas = documentation("io.k8s.api.apps.v1.DeploymentSpec", Some("replicas")).unwrap();
    assert!(replicas.starts_with("Number of desired pods."), "{replicas}");
    assert!(documentation("io.k8s.api.apps.v1.Deployment", None).unwrap().contains("Deployment"));
    assert_eq!(documentation("io.k8s.api.apps.v1.DeploymentSpec", Some("replica")), None);
    assert_eq!(documentation("io.k8s.api.apps.v1.Deploy", None), None);
}

/// A kind that is new in the table is missing in the list of build.rs, and this test says so.
#[test]
fn hardly_anything_is_undocumented() {
    let mut undocumented = BTreeSet::new();
    // The version whose documentation it is.
    for (_, object) in version(36).unwrap().objects() {
        if documentation(object.full_name, None).is_none() {
            undocumented.insert(object.full_name.to_owned());
        }
        // JSON Schema is documented elsewhere, says Kubernetes by silence.
        if !matches!(object.name, "JSONSchemaProps" | "ExternalDocumentation") {
            let fields = object
                .fields
                .iter()
                .filter(|it| documentation(object.full_name, Some(it.name)).is_none());
            undocumented.extend(fields.map(|it| format!("{}#{}", object.full_name, it.name)));
        }
    }
    let expected = [
        "io.k8s.api.admissionregistration.v1alpha1.MatchCondition",
        "io.k8s.api.certificates.v1.CertificateSigningRequest#metadata",
        "io.k8s.api.networking.v1.IngressRule#http",
    ];
    assert_eq!(undocumented.iter().collect::<Vec<_>>(), expected);
}
