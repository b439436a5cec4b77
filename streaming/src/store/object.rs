//! A checkpoint in an object store that honours conditional puts (`PutMode::Create`).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use weir_plan::{Error, ErrorKind, Result, find_own};

use super::{CheckpointStore, Put};

/// Entries as objects below a prefix.
pub struct ObjectCheckpointStore {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    location: String,
}

impl ObjectCheckpointStore {
    /// The entries of `store` below `prefix`; `location` is what messages call it.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path, location: impl Into<String>) -> Self {
        Self {
            store,
            prefix,
            location: location.into(),
        }
    }

    /// A store that lives and dies with the process: the in-memory twin of the durable ones.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()), Path::default(), "memory:///")
    }

    fn path(&self, relative: &str) -> Path {
        relative
            .split('/')
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn error(&self, doing: &str, path: &str, error: StoreError) -> Error {
        let kind = match (find_own(&error), &error) {
            (Some(own), _) => own.kind(),
            // What a retry of the whole call may cure: the store was out of reach.
            (None, StoreError::Generic { .. } | StoreError::JoinError { .. }) => {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Storage,
        };
        Error::new(
            kind,
            format!("{doing} checkpoint entry {}/{path}", self.location),
        )
        .with_source(error)
    }
}

impl fmt::Debug for ObjectCheckpointStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectCheckpointStore")
            .field(&self.location)
            .finish()
    }
}

#[async_trait]
impl CheckpointStore for ObjectCheckpointStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<Put> {
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .store
            .put_opts(&self.path(path), PutPayload::from_bytes(bytes), options)
            .await;
        match put {
            Ok(_) => Ok(Put::Created),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Ok(Put::Exists)
            }
            Err(error) => Err(self.error("writing", path, error)),
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let fetched = match self.store.get(&self.path(path)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match fetched {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("reading", path, error)),
        }
    }

    async fn list(&self, dir: &str) -> Result<Vec<String>> {
        let objects: Vec<_> = self
            .store
            .list(Some(&self.path(dir)))
            .try_collect()
            .await
            .map_err(|error| self.error("listing", dir, error))?;
        let names = objects
            .iter()
            .filter_map(|object| object.location.filename());
        // Those that begin with a dot are no entries: a store's own, or what tells how it behaves.
        let entries = names.filter(|name| !name.starts_with('.'));
        Ok(entries.map(str::to_owned).collect())
    }

    async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&self.path(path)).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error("deleting", path, error)),
        }
    }
}
