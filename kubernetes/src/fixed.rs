//! What an API server does not let be changed in an object that is there, and what makes pods anew.
//!
//! OpenAPI says nothing of either: it is in the code of the server, and of the controllers that run pods.
//! So these tables are written by hand, each row with the function of Kubernetes that it was read from;
//! `tests/tests/fixed_fields.rs` holds the first of them against a real API server.

/// A field that keeps its value for as long as the object is there, with all that is below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fixed {
    /// The whole name of the group; empty for the core group.
    pub group: &'static str,
    /// `Deployment`
    pub kind: &'static str,
    /// `spec.selector`
    pub path: &'static str,
    /// What below it can be changed all the same, relative to it; `*` stands for any element of a list.
    pub but: &'static [&'static str],
    /// When it is so.
    pub when: When,
}

/// When a field is fixed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Whatever else the object says.
    Always,
    /// Where the object that is there says `immutable: true`.
    Immutable,
    /// Where the new amount is less: a volume grows, and never shrinks.
    Less,
    /// Where it is not `spec.completionMode: Indexed`: such a Job can be scaled.
    NotIndexed,
    /// Where neither version is `spec.type: ExternalName`: such a Service has no address.
    NotExternal,
    /// Where both versions are `spec.type: LoadBalancer`.
    LoadBalancer,
}

impl Fixed {
    /// Whether it speaks of the value at a path, given by its steps: names of fields, `*` for an element of a list.
    pub fn covers(&self, steps: &[&str]) -> bool {
        let Some(rest) = below(steps, self.path) else { return false };
        !self.but.iter().any(|path| below(rest, path).is_some())
    }
}

/// What of the steps leads on from a path, if they do.
fn below<'s, 'n>(steps: &'s [&'n str], path: &str) -> Option<&'s [&'n str]> {
    let mut rest = steps;
    for wanted in path.split('.') {
        let (first, after) = rest.split_first()?;
        if *first != wanted {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// The fields of a kind that are fixed. The group is the whole name, empty for the core group.
pub fn fixed<'k>(group: &'k str, kind: &'k str) -> impl Iterator<Item = &'static Fixed> + use<'k> {
    FIXED.iter().filter(move |it| it.group == group && it.kind == kind)
}

/// Whether new pods take the place of the old ones when `spec.template` changes: in the kinds whose
/// controllers roll out. Those of a ReplicaSet and a Job stay as they are, and a CronJob's next Job has
/// the new ones.
///
/// `pkg/controller/deployment/sync.go` getNewReplicaSet, `pkg/controller/daemon/update.go` rollingUpdate,
/// `pkg/controller/statefulset/stateful_set_control.go` updateStatefulSet.
pub fn rolls_out(group: &str, kind: &str) -> bool {
    group == "apps" && ["Deployment", "DaemonSet", "StatefulSet"].contains(&kind)
}

const fn always(group: &'static str, kind: &'static str, path: &'static str) -> Fixed {
    Fixed { group, kind, path, but: &[], when: When::Always }
}

const fn when(when: When, kind: &'static str, path: &'static str) -> Fixed {
    Fixed { group: "", kind, path, but: &[], when }
}

/// All rows, in the order of groups and kinds.
pub const FIXED: &[Fixed] = &[
    // pkg/apis/core/validation/validation.go ValidateConfigMapUpdate
    when(When::Immutable, "ConfigMap", "data"),
    when(When::Immutable, "ConfigMap", "binaryData"),
    when(When::Immutable, "ConfigMap", "immutable"),
    // ValidatePersistentVolumeUpdate: where the data is, and from which nodes.
    Fixed {
        but: &[
            "accessModes",
            "capacity",
            "claimRef",
            "mountOptions",
            "nodeAffinity",
            "persistentVolumeReclaimPolicy",
            "storageClassName",
            "volumeAttributesClassName",
        ],
        ..always("", "PersistentVolume", "spec")
    },
    // ValidatePersistentVolumeClaimUpdate
    Fixed {
        but: &["resources.requests", "volumeAttributesClassName"],
        ..always("", "PersistentVolumeClaim", "spec")
    },
    when(When::Less, "PersistentVolumeClaim", "spec.resources.requests.storage"),
    // ValidatePodUpdate: tolerations can be added, which is not told apart here.
    Fixed {
        but: &[
            "containers.*.image",
            "initContainers.*.image",
            "activeDeadlineSeconds",
            "tolerations",
        ],
        ..always("", "Pod", "spec")
    },
    // ValidateResourceQuotaUpdate
    always("", "ResourceQuota", "spec.scopes"),
    // ValidateSecretUpdate. `stringData` becomes `data`.
    always("", "Secret", "type"),
    when(When::Immutable, "Secret", "data"),
    when(When::Immutable, "Secret", "stringData"),
    when(When::Immutable, "Secret", "immutable"),
    // ValidateServiceUpdate, validateServiceClusterIPsRelatedFields: the first address stays. One that is
    // left out is kept by pkg/registry/core/service/strategy.go patchAllocatedValues, so that a Service
    // with an address does not become headless either.
    when(When::NotExternal, "Service", "spec.clusterIP"),
    when(When::NotExternal, "Service", "spec.clusterIPs"),
    // The same: the first family goes with the first address.
    when(When::NotExternal, "Service", "spec.ipFamilies"),
    // validateLoadBalancerClassField
    when(When::LoadBalancer, "Service", "spec.loadBalancerClass"),
    // staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go
    // ValidateCustomResourceDefinitionUpdate, once it is established.
    always("apiextensions.k8s.io", "CustomResourceDefinition", "spec.scope"),
    always("apiextensions.k8s.io", "CustomResourceDefinition", "spec.names.kind"),
    // pkg/apis/apps/validation/validation.go ValidateControllerRevisionUpdate
    always("apps", "ControllerRevision", "data"),
    // pkg/registry/apps/daemonset/strategy.go ValidateUpdate
    always("apps", "DaemonSet", "spec.selector"),
    // pkg/registry/apps/deployment/strategy.go ValidateUpdate
    always("apps", "Deployment", "spec.selector"),
    // pkg/registry/apps/replicaset/strategy.go ValidateUpdate
    always("apps", "ReplicaSet", "spec.selector"),
    // pkg/apis/apps/validation/validation.go ValidateStatefulSetUpdate
    Fixed {
        but: &[
            "minReadySeconds",
            "ordinals",
            "persistentVolumeClaimRetentionPolicy",
            "replicas",
            "revisionHistoryLimit",
            "template",
            "updateStrategy",
        ],
        ..always("apps", "StatefulSet", "spec")
    },
    // pkg/apis/batch/validation/validation.go ValidateJobSpecUpdate. The template of a Job that is
    // suspended and never ran can be changed in some fields, which is not told apart here.
    always("batch", "Job", "spec.backoffLimitPerIndex"),
    always("batch", "Job", "spec.completionMode"),
    Fixed { when: When::NotIndexed, ..always("batch", "Job", "spec.completions") },
    always("batch", "Job", "spec.managedBy"),
    always("batch", "Job", "spec.podFailurePolicy"),
    always("batch", "Job", "spec.selector"),
    always("batch", "Job", "spec.successPolicy"),
    always("batch", "Job", "spec.template"),
    // pkg/apis/discovery/validation/validation.go ValidateEndpointSliceUpdate
    always("discovery.k8s.io", "EndpointSlice", "addressType"),
    // pkg/apis/networking/validation/validation.go ValidateIngressClassUpdate
    always("networking.k8s.io", "IngressClass", "spec.controller"),
    // pkg/apis/node/validation/validation.go ValidateRuntimeClassUpdate
    always("node.k8s.io", "RuntimeClass", "handler"),
    // pkg/apis/rbac/validation/validation.go ValidateClusterRoleBindingUpdate, ValidateRoleBindingUpdate
    always("rbac.authorization.k8s.io", "ClusterRoleBinding", "roleRef"),
    always("rbac.authorization.k8s.io", "RoleBinding", "roleRef"),
    // pkg/apis/scheduling/validation/validation.go ValidatePriorityClassUpdate
    always("scheduling.k8s.io", "PriorityClass", "preemptionPolicy"),
    always("scheduling.k8s.io", "PriorityClass", "value"),
    // pkg/apis/storage/validation/validation.go ValidateCSIDriverUpdate
    always("storage.k8s.io", "CSIDriver", "spec.attachRequired"),
    always("storage.k8s.io", "CSIDriver", "spec.volumeLifecycleModes"),
    // ValidateStorageClassUpdate
    always("storage.k8s.io", "StorageClass", "parameters"),
    always("storage.k8s.io", "StorageClass", "provisioner"),
    always("storage.k8s.io", "StorageClass", "reclaimPolicy"),
    always("storage.k8s.io", "StorageClass", "volumeBindingMode"),
    // ValidateVolumeAttributesClassUpdate
    always("storage.k8s.io", "VolumeAttributesClass", "driverName"),
    always("storage.k8s.io", "VolumeAttributesClass", "parameters"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fixed(group: &str, kind: &str, path: &str) -> bool {
        let steps: Vec<&str> = path.split('.').collect();
        fixed(group, kind).any(|it| it.covers(&steps))
    }

    #[test]
    fn a_field_is_fixed_with_all_below_it_and_without_what_is_left_out() {
        for (group, kind, path, expected) in [
            ("apps", "Deployment", "spec.selector.matchLabels.app", true),
            ("apps", "Deployment", "spec.selector", true),
            ("apps", "Deployment", "spec.selectors", false),
            ("apps", "Deployment", "spec", false),
            ("apps", "Deployment", "spec.template.spec", false),
            ("apps", "StatefulSet", "spec.volumeClaimTemplates.*.spec", true),
            ("apps", "StatefulSet", "spec.template.spec.containers.*.image", false),
            ("", "Pod", "spec.containers.*.image", false),
            ("", "Pod", "spec.containers.*.command.*", true),
            ("", "PersistentVolumeClaim", "spec.resources.limits.storage", true),
            ("batch", "CronJob", "spec.jobTemplate.spec.template", false),
            ("apps", "Service", "spec.clusterIP", false),
        ] {
            assert_eq!(is_fixed(group, kind, path), expected, "{kind} {path}");
        }
    }

    #[test]
    fn every_row_speaks_of_a_field_of_a_kind_that_is_known() {
        let newest = crate::minors().iter().max().unwrap();
        let facts = crate::version(*newest).unwrap();
        for row in FIXED {
            let short = row.group.split('.').next().filter(|it| !it.is_empty()).unwrap_or("core");
            let mut of_kind =
                facts.versions(short).iter().filter_map(|it| facts.kind(short, it, row.kind));
            let kind = facts.kind_facts(of_kind.next().unwrap_or_else(|| panic!("{row:?}")));
            let but = row.but.iter().map(|path| format!("{}.{path}", row.path));
            for path in but.chain([row.path.to_owned()]) {
                let mut ty = &crate::Type::Object(kind.object);
                for step in path.split('.') {
                    ty = match ty {
                        crate::Type::Object(id) => {
                            let field = facts.object(*id).field(step);
                            &field.unwrap_or_else(|| panic!("{row:?}: {path}")).ty
                        }
                        crate::Type::List { item, .. } if step == "*" => item,
                        crate::Type::Map { value } => value,
                        _ => panic!("{row:?}: {path}"),
                    };
                }
            }
        }
    }
}
