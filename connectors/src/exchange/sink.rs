//! One durable exchange, from what is written to what is read.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_plan::ExecutionPlan;
use url::Url;
use uuid::Uuid;
use weir_plan::object_url::object_url;
use weir_plan::{Error, Result, WriteStep, Written};

use super::columns::stored_schema;
use super::exec::ExchangeWriteExec;
use super::files::ExchangeFiles;
use super::table::ExchangeTable;
use crate::local_path::{absolute_path, without_dots};
use crate::object_stores::ObjectStores;

/// An exchange whose rows are to be written: [`Self::write_step`], then [`Self::into_table`]. Dropped before that, it takes back what was
/// written.
#[derive(Debug)]
pub struct Exchange {
    files: ExchangeFiles,
    stored: SchemaRef,
}

impl Exchange {
    /// A new one, for rows of `schema`, below `base` (a `file://` URL or one of an object store).
    ///
    /// # Errors
    /// `InvalidArgument` for a place that no store has; what the store cannot be opened for.
    pub fn try_new(base: &Url, stores: &ObjectStores, schema: &Schema) -> Result<Self> {
        let name = Uuid::new_v4().simple().to_string();
        let mut url = base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::invalid_argument(format!("{base} is no place for files")))?
            .pop_if_empty()
            .push(&name);
        Ok(Self {
            files: ExchangeFiles::new(url, stores)?,
            stored: stored_schema(schema),
        })
    }

    /// How rows become files.
    #[must_use]
    pub fn write_step(&self) -> Arc<dyn WriteStep> {
        Arc::new(ExchangeWriteStep {
            url: self.files.url().clone(),
            stored: Arc::clone(&self.stored),
        })
    }

    /// The rows of `written`, the manifest of a complete attempt.
    ///
    /// # Errors
    /// `Internal` for a manifest of something else.
    pub fn into_table(self, written: &Written) -> Result<ExchangeTable> {
        ExchangeTable::try_new(self.files, self.stored, written)
    }
}

/// The URL of a directory that exchanges can be below.
///
/// # Errors
/// `Unsupported` for a scheme this build has no store for, `InvalidArgument` for what is no path.
pub fn exchange_base(location: &str) -> Result<Url> {
    const WHAT: &str = "checkpoint directory";
    if let Some(url) = object_url(location, WHAT)? {
        return Ok(url);
    }
    let path = without_dots(&absolute_path(location, "a checkpoint directory", WHAT)?);
    Url::from_directory_path(path)
        .map_err(|()| Error::invalid_argument(format!("{location:?} cannot be written as a URL")))
}

#[derive(Debug)]
struct ExchangeWriteStep {
    url: Url,
    stored: SchemaRef,
}

impl WriteStep for ExchangeWriteStep {
    fn description(&self) -> String {
        format!("exchange {}", self.url)
    }

    fn create_exec(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let exec = ExchangeWriteExec::try_new(self.url.clone(), Arc::clone(&self.stored), input)?;
        Ok(Arc::new(exec))
    }
}
