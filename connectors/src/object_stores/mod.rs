//! Object stores by URL: S3 and what speaks its protocol, Google Cloud Storage, Azure.
//!
//! [`ObjectStores`] makes the store of a URL when it is first asked for it, from the process's
//! environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`) and the settings of a session over it, on every process
//! the same way: a plan names stores by their URL and holds no setting.
//!
//! What the module guarantees:
//! - a store is written to by a conditional put only after it was seen to refuse one
//!   (`guarded`): commits and checkpoints rest on that;
//! - a setting that no store knows is refused by name, and no value of one is shown;
//! - a failure has a kind that says whether to try again, and what to look at (`failure`).

mod config;
mod failure;
mod guarded;
mod registry;

#[cfg(test)]
mod tests;

use datafusion::execution::object_store::ObjectStoreUrl;
use url::Url;
use weir_plan::object_url::root_of;
use weir_plan::{Error, Result};

pub use registry::ObjectStores;

/// How a plan names the store of `url`.
pub(crate) fn store_url(url: &Url) -> Result<ObjectStoreUrl> {
    match url.scheme() {
        "file" => Ok(ObjectStoreUrl::local_filesystem()),
        _ => ObjectStoreUrl::parse(root_of(url)).map_err(Error::from),
    }
}
