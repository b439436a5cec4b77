//! The files of one exchange: where they are, how they are reported, and that they go when it does.

use std::fmt;
use std::sync::{Arc, LazyLock};

use datafusion::execution::object_store::{ObjectStoreRegistry as _, ObjectStoreUrl};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;
use tracing::warn;
use url::Url;
use weir_plan::{Error, Result};

use crate::object_stores::{ObjectStores, store_url};

static REMOVALS: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// The removals of files from object stores that are under way. A program that ends before them leaves files behind.
#[must_use]
pub fn removals() -> &'static TaskTracker {
    &REMOVALS
}

/// Where the files of one exchange are. Dropped, it removes them.
pub(super) struct ExchangeFiles {
    url: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ExchangeFiles {
    /// Those below `url`, a directory of nobody else's.
    pub(super) fn new(url: Url, stores: &ObjectStores) -> Result<Self> {
        Ok(Self {
            store: stores.get_store(&url).map_err(Error::from)?,
            prefix: path_of(&url)?,
            url,
        })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn path(&self) -> &Path {
        &self.prefix
    }

    pub(super) fn store_url(&self) -> Result<ObjectStoreUrl> {
        store_url(&self.url)
    }
}

/// A written file, as it stands in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// The directory of the execution that wrote it.
    pub(super) attempt: String,
    pub(super) name: String,
    pub(super) bytes: u64,
}

impl FileEntry {
    pub(super) fn encode(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::internal("cannot encode a file's entry").with_source(error))
    }

    pub(super) fn decode(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::internal(format!("{text:.200} is no file of an exchange")).with_source(error)
        })
    }

    /// Its path, the exchange being at `root`.
    pub(super) fn below(&self, root: &Path) -> Path {
        root.clone()
            .join(self.attempt.as_str())
            .join(self.name.as_str())
    }
}

/// The path of `url` in its store.
pub(super) fn path_of(url: &Url) -> Result<Path> {
    let path = match url.scheme() {
        "file" => {
            let path = url.to_file_path().map_err(|()| not_a_place(url))?;
            Path::from_absolute_path(path)
        }
        _ => Path::from_url_path(url.path()),
    };
    path.map_err(|error| not_a_place(url).with_source(error))
}

fn not_a_place(url: &Url) -> Error {
    Error::invalid_argument(format!("{url} is no place for the rows of an exchange"))
}

impl Drop for ExchangeFiles {
    fn drop(&mut self) {
        if let Ok(path) = self.url.to_file_path() {
            match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    warn!(%error, "rows of an exchange are left behind in {}", path.display());
                }
                _ => {}
            }
            return;
        }
        let (store, prefix, url) = (
            Arc::clone(&self.store),
            self.prefix.clone(),
            self.url.clone(),
        );
        let removal = async move {
            if let Err(error) = remove(&store, &prefix).await {
                warn!(%error, "rows of an exchange are left behind in {url}");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(REMOVALS.spawn_on(removal, &runtime)),
            Err(_) => warn!("rows of an exchange are left behind in {}", self.url),
        }
    }
}

async fn remove(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Result<(), object_store::Error> {
    let files = store.list(Some(prefix)).map_ok(|file| file.location);
    store
        .delete_stream(files.boxed())
        .try_for_each(|_| std::future::ready(Ok(())))
        .await
}

impl fmt::Debug for ExchangeFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExchangeFiles({})", self.url)
    }
}
