//! The database: inputs, and the answers that are still true.

use crate::source::{Content, SourceFile};
use salsa::{Durability, Event};
use std::sync::Arc;

/// What every query may ask of its host.
#[salsa::db]
pub trait Db: salsa::Database {
    /// The standard library: names that every file sees unless it declares its own.
    fn prelude(&self) -> SourceFile;
}

/// The database. A clone is a cheap snapshot for another thread; a change of an input waits until
/// every clone is gone.
#[salsa::db]
#[derive(Clone)]
pub struct Database {
    storage: salsa::Storage<Self>,
    prelude: Option<SourceFile>,
}

#[salsa::db]
impl salsa::Database for Database {}

#[salsa::db]
impl Db for Database {
    fn prelude(&self) -> SourceFile {
        self.prelude.expect("a database is only made with its prelude")
    }
}

/// The path under which the standard library's file is shown.
pub(crate) const PRELUDE_PATH: &str = "std/prelude.plumb";

impl Database {
    /// An empty database. `on_event` hears of everything the engine does; tests record what is run
    /// again.
    pub fn with_events(on_event: Option<Box<dyn Fn(Event) + Send + Sync>>) -> Self {
        let mut db = Database { storage: salsa::Storage::new(on_event), prelude: None };
        let text: Arc<str> = include_str!("../../stdlib/prelude.plumb").into();
        db.prelude = Some(
            SourceFile::builder(PRELUDE_PATH.into(), Content::Text(text))
                .durability(Durability::NEVER_CHANGE)
                .new(&db),
        );
        db
    }
}

impl Default for Database {
    fn default() -> Self {
        Database::with_events(None)
    }
}
