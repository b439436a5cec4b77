//! The session: where dataframes come from, and what they run on.

mod builder;
mod cluster;
mod exchanges;
mod master;
mod runner;
mod tables;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::prelude::SessionContext;
use weir_connectors::{ObjectStores, SchemaRegistryClient};
use weir_plan::joins::mark_hints;
use weir_plan::settings::SCHEMA_REGISTRY_URL;
use weir_plan::{Error, Result, Settings};
use weir_streaming::{BatchRunner, QueryListener};

use crate::dataframe::DataFrame;
use crate::io::{DataFrameReader, DataStreamReader};

pub(crate) use builder::{machine_memory_bytes, runtime_env};

use cluster::Executors;
pub(crate) use cluster::with_task_metrics;
pub(crate) use exchanges::{Exchanges, Joins, Prepared, without_running};

pub use builder::SessionBuilder;
pub use cluster::ExecutorAddress;
pub use master::Master;

/// A connection to an engine: in process (`local[N]`), or executors (`local-cluster[E,C]`,
/// `weir://HOST:PORT`). Cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    app_name: String,
    master: Master,
    settings: Settings,
    context: SessionContext,
    stores: Arc<ObjectStores>,
    registry: Option<Arc<SchemaRegistryClient>>,
    runner: Arc<dyn BatchRunner>,
    executors: Option<Arc<Executors>>,
    exchanges: Arc<Exchanges>,
    listeners: Mutex<Vec<Arc<dyn QueryListener>>>,
}

impl Session {
    /// Settings of a new session.
    #[must_use]
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// The application's name.
    #[must_use]
    pub fn app_name(&self) -> &str {
        &self.inner.app_name
    }

    /// What it runs on.
    #[must_use]
    pub fn master(&self) -> &Master {
        &self.inner.master
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The schema registry that its settings name ([`crate::settings::SCHEMA_REGISTRY_URL`]).
    ///
    /// # Errors
    /// `InvalidArgument` when they name none.
    pub fn schema_registry(&self) -> Result<&SchemaRegistryClient> {
        self.inner.registry.as_deref().ok_or_else(|| {
            Error::invalid_argument(format!(
                "the session has no schema registry: set {}",
                SCHEMA_REGISTRY_URL.key
            ))
        })
    }

    /// Reads a table or a bounded range of a source.
    #[must_use]
    pub fn read(&self) -> DataFrameReader {
        DataFrameReader::new(self.clone())
    }

    /// Reads a stream.
    #[must_use]
    pub fn read_stream(&self) -> DataStreamReader {
        DataStreamReader::new(self.clone())
    }

    /// The rows of a SQL query over the session's views. Comments like `/*+ BROADCAST(p) */` after a `SELECT` are hints
    /// for the joins of its relations ([`DataFrame::hint`]).
    ///
    /// # Errors
    /// `InvalidPlan` when it does not parse or names what does not exist; `InvalidArgument` or `Unsupported` for a hint
    /// that is not known.
    pub async fn sql(&self, query: &str) -> Result<DataFrame> {
        let context = &self.inner.context;
        let state = context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let mut statement = state.sql_to_statement(query, &dialect)?;
        mark_hints(&mut statement)?;
        let plan = state.statement_to_plan(statement).await?;
        let frame = context.execute_logical_plan(plan).await?;
        Ok(DataFrame::new(self.clone(), frame))
    }

    /// Events of every query this session starts from now on go to `listener`, too. Spark's
    /// `spark.streams.addListener`.
    pub fn add_listener(&self, listener: Arc<dyn QueryListener>) {
        self.inner
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }

    pub(crate) fn listeners(&self) -> Vec<Arc<dyn QueryListener>> {
        self.inner
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The executors it started or was given; none when it runs in process.
    #[must_use]
    pub fn executors(&self) -> Vec<ExecutorAddress> {
        let executors = self.inner.executors.as_ref();
        executors.map_or_else(Vec::new, |executors| executors.all())
    }

    /// What it keeps of its queries.
    pub(crate) fn exchanges(&self) -> &Exchanges {
        &self.inner.exchanges
    }

    pub(crate) fn runner(&self) -> Arc<dyn BatchRunner> {
        Arc::clone(&self.inner.runner)
    }

    /// Its object stores: what tables and checkpoints are in.
    pub(crate) fn stores(&self) -> &ObjectStores {
        &self.inner.stores
    }

    /// The same for who keeps them.
    pub(crate) fn shared_stores(&self) -> Arc<ObjectStores> {
        Arc::clone(&self.inner.stores)
    }

    /// DataFusion's session, for what Weir does not wrap.
    #[must_use]
    pub fn datafusion(&self) -> &SessionContext {
        &self.inner.context
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("app_name", &self.inner.app_name)
            .field("master", &self.inner.master)
            .finish_non_exhaustive()
    }
}
