//! What a host asks and what it gets: plain data, places resolved to files, nothing of the engine.

use crate::diagnostics::{Code, Severity};
use crate::eval::Composed;
use crate::source::ItemId;
use crate::syntax::ast::{Name, TextRange};
use crate::value::Value;
use std::sync::Arc;

/// A place in a file of the workspace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Location {
    /// Relative to the workspace root.
    pub path: Name,
    /// In bytes.
    pub range: TextRange,
}

/// A diagnostic as a host shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which kind of mistake.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line, in the user's words.
    pub message: String,
    /// The environments it shows in, in the workspace's order; empty: it is none of theirs.
    pub environments: Vec<Name>,
    /// Where. `None` only where the workspace as a whole is meant ("no environment is declared").
    pub location: Option<Location>,
    /// A few words at the place itself; may be empty.
    pub label: String,
    /// Other places that matter.
    pub related: Vec<(Location, String)>,
    /// How to mend it.
    pub help: Option<String>,
    /// Changes that an editor can apply.
    pub fixes: Vec<Fix>,
}

/// A change that mends a mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fix {
    /// What it does: "rename to `replicas`".
    pub title: String,
    /// Texts that replace ranges.
    pub edits: Vec<(Location, String)>,
}

/// The manifests of one environment.
#[derive(Clone, PartialEq, Debug)]
pub struct Build {
    /// In the order they are applied.
    pub manifests: Vec<Manifest>,
    /// What is wrong. A request with an error has no manifests.
    pub findings: Vec<Finding>,
    /// The requests that have none for that reason, each with its package.
    pub blocked: Vec<Name>,
}

/// A Kubernetes object.
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    /// The request it comes from, with its package: `apps.shop.shop`.
    pub request: Name,
    /// The object: a record that begins with apiVersion, kind, metadata.
    pub object: Value,
    /// The request, for [`crate::why::Tracer`].
    pub item: ItemId,
    /// What its values are traced to.
    pub composed: Arc<[Composed]>,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Debug)]
pub struct Why {
    /// What is to be said in words: why there is no such object.
    pub note: Option<String>,
    /// The value that holds; `None` where there is none.
    pub value: Option<Value>,
    /// The layers that set it or something below it, the one that holds first.
    pub layers: Vec<WhyLayer>,
    /// The places that read it: "Deployment/shop spec.replicas".
    pub uses: Vec<String>,
}

/// A layer that spoke of a value.
#[derive(Clone, PartialEq, Debug)]
pub struct WhyLayer {
    /// The field this layer set, relative to the one asked for; empty: that one itself. For a value of
    /// a manifest, the field of the request that it comes from, with the request: `shop.replicas`.
    pub path: String,
    /// What it set; `None` where it took the field out.
    pub value: Option<Value>,
    /// "overlay shop in prod", "defaults Service in prod", "request shop", "schema Service".
    pub layer: String,
    /// Where.
    pub location: Location,
    /// "", "overridden", "merged", "appended", "final".
    pub effect: &'static str,
}
