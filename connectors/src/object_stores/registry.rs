//! The stores of a process, made when they are first asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use url::Url;
use weir_plan::object_url::root_of;
use weir_plan::{Error, Result};

use super::config::StoreSettings;
use super::guarded::Guarded;

/// See the module's documentation. Local files, and what somebody registers, are stores like the others.
pub struct ObjectStores {
    settings: StoreSettings,
    /// By scheme and authority.
    stores: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl ObjectStores {
    /// Stores made with `settings` (`weir.storage.` settings without that prefix) over the environment.
    ///
    /// # Errors
    /// `InvalidArgument` for a key no store has.
    pub fn try_new<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let local: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
        Ok(Self {
            settings: StoreSettings::try_new(settings)?,
            stores: Mutex::new(HashMap::from([("file://".to_owned(), local)])),
        })
    }
}

impl fmt::Debug for ObjectStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStores")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl ObjectStoreRegistry for ObjectStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.insert(root_of(url).to_owned(), store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = stores.remove(root_of(url));
        removed.ok_or_else(|| Error::internal(format!("no store of {}", root_of(url))).into())
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        match stores.entry(root_of(url).to_owned()) {
            Entry::Occupied(store) => Ok(Arc::clone(store.get())),
            Entry::Vacant(place) => {
                let store = Guarded::new(self.settings.store(url)?, root_of(url));
                Ok(Arc::clone(place.insert(Arc::new(store))))
            }
        }
    }
}
