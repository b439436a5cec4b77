//! The schema registries of the sessions that an executor works for.
//!
//! Tasks of one session, and of others with the same settings, share what a registry told.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use weir_connectors::SchemaRegistryClient;
use weir_plan::{Error, Result, Settings};

/// Settings kept at most; sessions with new ones are few, but credentials may be renewed with each.
const KEPT_MAX: usize = 16;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct RegistriesOfSessions(Mutex<HashMap<Vec<u8>, Arc<SchemaRegistryClient>>>);

impl RegistriesOfSessions {
    /// The registry of `settings`, a JSON object of texts; `None` if they name none.
    ///
    /// # Errors
    /// `Internal` for what is no such object, without repeating it; `InvalidArgument` for settings of no registry.
    pub(crate) fn with(&self, settings: &[u8]) -> Result<Option<Arc<SchemaRegistryClient>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = kept.get(settings) {
            return Ok(Some(Arc::clone(registry)));
        }
        let parsed: BTreeMap<String, String> = serde_json::from_slice(settings)
            .map_err(|_| Error::internal("a task's settings of a schema registry are damaged"))?;
        let mut given = Settings::new();
        for (key, value) in &parsed {
            given.set(key, value)?;
        }
        let Some(named) = given.schema_registry()? else {
            return Ok(None);
        };
        let registry = Arc::new(SchemaRegistryClient::new(&named)?);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(settings.to_vec(), Arc::clone(&registry));
        Ok(Some(registry))
    }
}
