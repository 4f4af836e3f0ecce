//! What evaluation makes: values that know where they came from.

use crate::by_name::ByName;
use crate::notation::{Duration, Quantity};
use crate::source::ItemId;
use crate::syntax::ast::{Name, NodeId};
use std::sync::Arc;

/// The expression that made a value: a node of a declaration, never a place in a file, so that it
/// stays true when the declaration moves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// The declaration.
    pub item: ItemId,
    /// The node in it.
    pub node: NodeId,
}

/// A value. There is no way to make one without an origin.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// What made it.
    pub origin: Origin,
}

/// What a value is. Cloning is cheap: what can be large is shared.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// `none`: nothing is there.
    None,
    /// `null`, where a schema says nullable.
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// Never NaN or infinite.
    Float(f64),
    /// Text; also images, dates, secrets' names.
    String(Name),
    /// `128Mi`
    Quantity(Quantity),
    /// `30s`
    Duration(Duration),
    /// A list, plain or keyed: which of them, its type knows.
    List(Arc<Vec<Value>>),
    /// A record, map, schema value or Kubernetes object.
    Record(Arc<Record>),
}

// Values are most of what a build holds and moves.
const _: () = assert!(size_of::<Data>() <= 32 && size_of::<Value>() <= 48);

/// Fields in the order they were first set.
pub type Fields = ByName<Value>;

/// A record.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Record {
    /// What it is an instance of.
    pub tag: Tag,
    /// Its fields. A field that is `none` is kept here and left out when it is printed.
    pub fields: Fields,
}

/// What a record is an instance of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Tag {
    /// A map or a structural record.
    #[default]
    Plain,
    /// A value of this schema.
    Schema(ItemId),
    /// A value of this schema on its way out of the layers: what the schema's defaults say is in
    /// it, but for those that read its other fields, and no condition is checked yet.
    Partial(ItemId),
    /// A value of this schema that was changed since it was complete, to be completed again: what is final in it
    /// is the schema's to say.
    Changed(ItemId),
    /// A Kubernetes object of this kind; apiVersion and kind are not among its fields.
    Kind(plumb_kubernetes::KindId),
}

impl Value {
    /// A value made at `origin`.
    pub fn new(data: Data, origin: Origin) -> Self {
        Value { data, origin }
    }

    /// A plain record made at `origin`.
    pub fn record(fields: Fields, origin: Origin) -> Self {
        Value::new(Data::Record(Arc::new(Record { tag: Tag::Plain, fields })), origin)
    }

    /// A list made at `origin`.
    pub fn list(elements: Vec<Value>, origin: Origin) -> Self {
        Value::new(Data::List(Arc::new(elements)), origin)
    }

    /// Whether it is `none`.
    pub fn is_none(&self) -> bool {
        matches!(self.data, Data::None)
    }

    /// The record's fields, if it is a record.
    pub fn fields(&self) -> Option<&Fields> {
        match &self.data {
            Data::Record(record) => Some(&record.fields),
            _ => None,
        }
    }
}
