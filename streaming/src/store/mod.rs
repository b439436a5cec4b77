//! Where a checkpoint lives: a small key-value contract with one strong operation.
//!
//! [`CheckpointStore::put_if_absent`] is the only way to write, and of any number of processes that
//! put one path exactly one succeeds. Everything the runtime promises about fencing rests on it, so
//! one contract suite (`store::contract`, tests only) runs over every implementation.

mod local;
mod object;

#[cfg(test)]
mod contract;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::path::Path;
use url::Url;
use weir_plan::object_url::object_url;
use weir_plan::{Error, Result};

pub use local::LocalCheckpointStore;
pub use object::ObjectCheckpointStore;

/// What became of a [`CheckpointStore::put_if_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The entry is there, and it is ours.
    Created,
    /// Somebody else's entry stood there already; nothing was written.
    Exists,
}

/// A directory of small immutable entries, named by relative paths like `offsets/3`.
#[async_trait]
pub trait CheckpointStore: Debug + Send + Sync {
    /// The store's URL or path, for messages.
    fn location(&self) -> String;

    /// Creates `path` with `bytes`, atomically and durably, unless it exists.
    ///
    /// # Errors
    /// `Storage` when denied or full, `Unavailable` when out of reach. The entry may exist after an
    /// error: the caller reads it back before it decides.
    async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<Put>;

    /// The bytes of `path`, if it exists.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`.
    async fn get(&self, path: &str) -> Result<Option<Bytes>>;

    /// The names in directory `dir`, in no order; none if it does not exist.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`.
    async fn list(&self, dir: &str) -> Result<Vec<String>>;

    /// Deletes `path`; it may be gone already.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`.
    async fn delete(&self, path: &str) -> Result<()>;
}

/// The store at `location`: a path, a `file:` URL, with or without slashes for a host, as Spark takes
/// it, or a URL of one of `stores`.
///
/// # Errors
/// `InvalidArgument` for what is none of them, `Unsupported` for a scheme there is no store for.
pub fn open(location: &str, stores: &dyn ObjectStoreRegistry) -> Result<Arc<dyn CheckpointStore>> {
    if location.is_empty() {
        return Err(Error::invalid_argument(
            "checkpointLocation is empty; give a directory that only this query uses",
        ));
    }
    if let Some(url) = object_url(location, "checkpoint location")? {
        let path = Path::from_url_path(url.path()).map_err(|error| {
            Error::invalid_argument(format!(
                "checkpoint location {location:?} is no path of a store"
            ))
            .with_source(error)
        })?;
        if path.as_ref().is_empty() {
            return Err(Error::invalid_argument(format!(
                "checkpoint location {location:?} is a whole bucket; name a directory in it"
            )));
        }
        let store = stores.get_store(&url)?;
        return Ok(Arc::new(ObjectCheckpointStore::new(store, path, url)));
    }
    match Url::parse(location) {
        Ok(url) if url.scheme() == "file" => {
            let path = url.to_file_path().map_err(|()| {
                Error::invalid_argument(format!(
                    "checkpoint location {location:?} names a host; write file:///path"
                ))
            })?;
            Ok(Arc::new(LocalCheckpointStore::new(path)?))
        }
        _ => Ok(Arc::new(LocalCheckpointStore::new(location)?)),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::object_store::DefaultObjectStoreRegistry;
    use object_store::memory::InMemory;
    use weir_plan::ErrorKind;

    use super::*;

    #[test]
    fn every_spelling_of_a_directory_is_the_same_store() {
        for location in [
            "/lake/check point",
            "file:/lake/check%20point",
            "file:///lake/check%20point",
        ] {
            let store = open(location, &DefaultObjectStoreRegistry::new()).unwrap();
            assert_eq!(store.location(), "/lake/check point");
        }
        let stores = DefaultObjectStoreRegistry::new();
        let bucket = Url::parse("s3://bucket").unwrap();
        stores.register_store(&bucket, Arc::new(InMemory::new()));
        for location in ["s3://bucket/lake/ck", "s3a://bucket/lake/ck/"] {
            let store = open(location, &stores).unwrap();
            assert_eq!(store.location(), "s3://bucket/lake/ck");
        }
    }

    #[test]
    fn places_that_do_not_last_or_are_not_known_are_refused_by_name() {
        for (location, kind) in [
            ("", ErrorKind::InvalidArgument),
            ("file://host/lake", ErrorKind::InvalidArgument),
            ("s3://bucket", ErrorKind::InvalidArgument),
            ("hdfs://host/lake", ErrorKind::Unsupported),
            ("memory:///", ErrorKind::Unsupported),
        ] {
            let error = open(location, &DefaultObjectStoreRegistry::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "{location}: {error}");
            assert!(error.to_string().contains(location), "{error}");
        }
    }
}
