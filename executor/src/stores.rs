//! The object stores of the sessions that an executor works for.
//!
//! Tasks of one session, and of others with the same settings, share their connections.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use weir_connectors::ObjectStores;
use weir_plan::{Error, Result};

/// Settings kept at most; sessions with new ones are few, but credentials may be renewed with each.
const KEPT_MAX: usize = 16;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct StoresOfSessions(Mutex<HashMap<Vec<u8>, Arc<ObjectStores>>>);

impl StoresOfSessions {
    /// The stores made with `settings`, a JSON object of texts, over the environment.
    ///
    /// # Errors
    /// `Internal` for what is none, without repeating it; `InvalidArgument` for settings of no store.
    pub(crate) fn with(&self, settings: &[u8]) -> Result<Arc<ObjectStores>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stores) = kept.get(settings) {
            return Ok(Arc::clone(stores));
        }
        let parsed: BTreeMap<String, String> = serde_json::from_slice(settings)
            .map_err(|_| Error::internal("a task's settings of object stores are damaged"))?;
        let pairs = parsed.iter();
        let pairs = pairs.map(|(key, value)| (key.as_str(), value.as_str()));
        let stores = Arc::new(ObjectStores::try_new(pairs)?);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(settings.to_vec(), Arc::clone(&stores));
        Ok(stores)
    }
}
