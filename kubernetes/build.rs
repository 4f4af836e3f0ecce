//! Writes the documentation of Kubernetes' kinds and fields, deflated, for `documentation` in the library.
//!
//! k8s-openapi has the descriptions that Kubernetes publishes. It is needed here only: nothing of it is
//! in the program. What it says of structure is not used, a live server says more (see `facts.tsv`).

use std::path::Path;

use schemars::SchemaGenerator;
use serde_json::Value;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaGenerator::default();
    describe(&mut generator);

    // name of an object \0 name of a field, or nothing for the object itself \0 text \0
    let mut texts = String::new();
    for (object, schema) in generator.definitions() {
        let mut say = |field: &str, schema: &Value| {
            if let Some(text) = schema["description"].as_str() {
                texts.extend([object, "\0", field, "\0", text, "\0"]);
            }
        };
        say("", schema);
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            say(field, schema);
        }
    }
    let folder = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let deflated = miniz_oxide::deflate::compress_to_vec(texts.as_bytes(), 9);
    std::fs::write(Path::new(&folder).join("documentation"), deflated)
        .expect("OUT_DIR can be written");
}

/// Takes in the schemas of the kinds with these names, and of all that they consist of.
macro_rules! kinds {
    ($($($module:ident)::+ => $($kind:ident),+;)+) => {
        fn describe(generator: &mut SchemaGenerator) {
            $({
                use k8s_openapi::$($module)::+::{$($kind),+};
                $(generator.subschema_for::<$kind>();)+
            })+
        }
    };
}

// The kinds of `facts.tsv`; a test of the library says which have no documentation.
kinds! {
    api::admissionregistration::v1 => MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration;
    api::admissionregistration::v1alpha1 => MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding;
    api::admissionregistration::v1beta1 => MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding;
    api::apiserverinternal::v1alpha1 => StorageVersion;
    api::apps::v1 => ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet;
    api::authentication::v1 => SelfSubjectReview, TokenReview;
    api::authorization::v1 => LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview;
    api::autoscaling::v1 => HorizontalPodAutoscaler;
    api::autoscaling::v2 => HorizontalPodAutoscaler;
    api::batch::v1 => CronJob, Job;
    api::certificates::v1 => CertificateSigningRequest;
    api::coordination::v1 => Lease;
    api::coordination::v1alpha2 => LeaseCandidate;
    api::coordination::v1beta1 => LeaseCandidate;
    api::core::v1 => Binding, ComponentStatus, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, Service, ServiceAccount;
    api::discovery::v1 => EndpointSlice;
    api::events::v1 => Event;
    api::flowcontrol::v1 => FlowSchema, PriorityLevelConfiguration;
    api::networking::v1 => IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR;
    api::networking::v1beta1 => IPAddress, ServiceCIDR;
    api::node::v1 => RuntimeClass;
    api::policy::v1 => PodDisruptionBudget;
    api::rbac::v1 => ClusterRole, ClusterRoleBinding, Role, RoleBinding;
    api::resource::v1 => DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
    api::resource::v1alpha3 => DeviceTaintRule, ResourcePoolStatusRequest;
    api::resource::v1beta1 => DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
    api::resource::v1beta2 => DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
    api::scheduling::v1 => PriorityClass;
    api::storage::v1 => CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass;
    api::storage::v1beta1 => VolumeAttributesClass;
    apiextensions_apiserver::pkg::apis::apiextensions::v1 => CustomResourceDefinition;
    kube_aggregator::pkg::apis::apiregistration::v1 => APIService;
}
