//! The sink: opens a table, plans the write of a batch, and commits it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::physical_plan::ExecutionPlan;
use deltalake::kernel::StructType;
use deltalake::logstore::LogStoreRef;
use deltalake::protocol::{DeltaOperation, OutputMode, SaveMode};
use tokio::sync::Mutex;
use url::Url;
use weir_plan::dead_letters::{Diversion, rows_schema};
use weir_plan::{
    BatchId, CommitRequest, Committed, Error, ErrorKind, Options, QueryId, Result, StreamSink,
    WriteStep, Written,
};

use super::commit::{Identity, Outcome, Proposal, check_ntz, check_partitioning, commit, exists};
use super::data_type::delta_schema;
use super::entry::Files;
use super::exec::DeltaWriteExec;
use super::features::check_writable;
use super::location::{log_store, newest_snapshot, table_url};
use super::options::{DEFAULT_TARGET_FILE_SIZE_BYTES, WriteOptions};
use super::partition::partition_columns;
use super::present::check_present;
use super::schema::merge;
use super::spec::{Diverting, StatsColumns, WriteSpec};
use super::table::{Table, TableMeta};

/// What a batch write does about a table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendMode {
    /// Adds to it; creates it if it is not there.
    Append,
    /// Fails.
    ErrorIfExists,
    /// Leaves it as it is.
    Ignore,
}

impl AppendMode {
    fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::ErrorIfExists => "error",
            Self::Ignore => "ignore",
        }
    }
}

/// A Delta table that rows are appended to: by a streaming query, through [`StreamSink`], or by a
/// batch job, through [`Self::prepare_append`], [`StreamSink::write_step`] and [`Self::append`]. A batch
/// job replaces rows through [`Self::overwrite`].
#[derive(Debug)]
pub struct DeltaSink {
    url: Url,
    partition_by: Vec<String>,
    options: WriteOptions,
    log_store: LogStoreRef,
    table: Mutex<Table>,
}

impl DeltaSink {
    /// The sink that writes to the table at `location`, a path or a URL of one of `stores`. No I/O: the
    /// table is created by the first commit if it is not there.
    ///
    /// Without `partition_by`, a table that is there keeps its partitioning.
    ///
    /// # Errors
    /// `InvalidArgument` for options not in [`WRITE_OPTIONS`](super::WRITE_OPTIONS) or values they do
    /// not take; `Unsupported` for a location there is no store for.
    pub fn try_new(
        location: &str,
        partition_by: Vec<String>,
        options: &Options,
        stores: &dyn ObjectStoreRegistry,
    ) -> Result<Self> {
        let url = table_url(location)?;
        let options = WriteOptions::parse(options)?;
        let log_store = log_store(&url, stores)?;
        Ok(Self {
            table: Mutex::new(Table::new(url.clone(), Arc::clone(&log_store))),
            url,
            partition_by,
            options,
            log_store,
        })
    }

    /// Whether a table is there.
    ///
    /// # Errors
    /// `Storage` when that cannot be read.
    pub async fn exists(&self) -> Result<bool> {
        Ok(self.latest_version().await?.is_some())
    }

    /// Called before a batch write is planned: checks that rows of `schema` can be written under
    /// `mode`. `false`: there is nothing to do, for the table is there and `mode` leaves it, or it has
    /// the write's transaction already.
    ///
    /// # Errors
    /// `InvalidArgument` for a table that must not be there; else as [`StreamSink::open`].
    pub async fn prepare_append(&self, schema: SchemaRef, mode: AppendMode) -> Result<bool> {
        self.options
            .check_no_overwrite(&format!("mode {:?}", mode.name()))?;
        let mut table = self.table.lock().await;
        table.read().await?;
        if self.is_done(&mut table).await? {
            return Ok(false);
        }
        let meta = table.meta();
        match mode {
            AppendMode::Ignore if meta.is_some() => return Ok(false),
            AppendMode::ErrorIfExists if meta.is_some() => {
                return Err(exists(&self.place(), Some(0)));
            }
            _ => {}
        }
        self.spec(&schema, meta)?;
        Ok(true)
    }

    /// Commits what a batch write wrote, once per call, and returns the version that holds it. A
    /// table that is not there is created, even by a write without rows.
    ///
    /// `None`: the table is there, and nothing was written or `mode` leaves it.
    ///
    /// # Errors
    /// `InvalidArgument` for a table that must not be there; else as [`StreamSink::commit`].
    pub async fn append(
        &self,
        written: &Written,
        schema: SchemaRef,
        mode: AppendMode,
    ) -> Result<Option<u64>> {
        let mut table = self.table.lock().await;
        table.read().await?;
        if mode == AppendMode::Ignore && table.version().is_some() {
            return Ok(None);
        }
        let files = match Files::decode(&written.files)? {
            Some(files) => files,
            None if mode == AppendMode::Append
                && table.version().is_some()
                && self.options.transaction.is_none() =>
            {
                return Ok(None);
            }
            None => {
                let spec = self.spec(&schema, table.meta())?;
                Files {
                    adds: Vec::new(),
                    schema: spec.schema,
                    partition_by: spec.partition_by,
                }
            }
        };
        let proposal = Proposal {
            identity: self.transaction_identity().unwrap_or(Identity::Files),
            operation: DeltaOperation::Write {
                mode: match mode {
                    AppendMode::Append => SaveMode::Append,
                    AppendMode::ErrorIfExists => SaveMode::ErrorIfExists,
                    AppendMode::Ignore => SaveMode::Ignore,
                },
                partition_by: (!files.partition_by.is_empty()).then(|| files.partition_by.clone()),
                predicate: None,
            },
            files,
            info: std::collections::BTreeMap::new(),
            merge_schema: self.options.merge_schema,
            must_create: mode != AppendMode::Append,
            replacement: None,
        };
        match commit(&mut table, &proposal).await {
            Ok(outcome) => Ok(Some(outcome.version)),
            // It was created meanwhile.
            Err(error)
                if mode == AppendMode::Ignore && error.kind() == ErrorKind::InvalidArgument =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn place(&self) -> String {
        format!("delta table {}", self.url)
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn options(&self) -> &WriteOptions {
        &self.options
    }

    pub(super) fn log_store(&self) -> &LogStoreRef {
        &self.log_store
    }

    pub(super) fn table(&self) -> &Mutex<Table> {
        &self.table
    }

    /// The identity the options give a batch write.
    pub(super) fn transaction_identity(&self) -> Option<Identity> {
        let transaction = self.options.transaction.as_ref()?;
        Some(Identity::Transaction {
            app_id: transaction.app_id.clone(),
            version: transaction.version,
        })
    }

    /// Whether `table` has the batch write's transaction, or a later one of its application.
    pub(super) async fn is_done(&self, table: &mut Table) -> Result<bool> {
        let Some(transaction) = &self.options.transaction else {
            return Ok(false);
        };
        let committed = table.transaction_version(&transaction.app_id).await?;
        Ok(committed.is_some_and(|committed| committed >= transaction.version))
    }

    /// How rows of `schema` are written to the table of `meta`, or to a new one.
    pub(super) fn spec(&self, schema: &SchemaRef, meta: Option<&TableMeta>) -> Result<WriteSpec> {
        let place = self.place();
        let data = delta_schema(schema)?;
        if data.num_fields() == 0 {
            return Err(super::data_type::mismatch(format!(
                "the rows for {place} have no columns"
            )));
        }
        let (schema, partition_by) = match meta {
            None => {
                let columns = partition_columns(&self.partition_by, &data, &place)?;
                (data, columns)
            }
            Some(meta) if self.options.overwrite_schema => {
                check_ntz(&place, meta, &data)?;
                let columns = partition_columns(&self.partition_by, &data, &place)?;
                (data, columns)
            }
            Some(meta) => self.fit(&place, &data, meta)?,
        };
        let own_size = meta.and_then(TableMeta::target_file_size_bytes);
        Ok(WriteSpec {
            url: self.url.clone(),
            schema,
            partition_by,
            target_file_size_bytes: self
                .options
                .target_file_size_bytes
                .or(own_size)
                .unwrap_or(DEFAULT_TARGET_FILE_SIZE_BYTES),
            stats: meta.map_or_else(StatsColumns::default, |meta| meta.stats.clone()),
            codec: self.options.codec,
            hash_by_partition: self.options.hash_by_partition,
            row_check: None,
            diversion: None,
        })
    }

    /// The schema and partitioning of files of `data` for the table of `meta`.
    fn fit(
        &self,
        place: &str,
        data: &StructType,
        meta: &TableMeta,
    ) -> Result<(StructType, Vec<String>)> {
        check_writable(place, &meta.protocol, &meta.metadata, &meta.schema)?;
        let own = meta.metadata.partition_columns();
        if !self.partition_by.is_empty() {
            check_partitioning(place, &self.partition_by, own)?;
        }
        let merged = merge(&meta.schema, data, self.options.merge_schema, place)?;
        check_ntz(place, meta, &merged.schema)?;
        let columns = partition_columns(own, &merged.schema, place)?;
        Ok((merged.schema, columns))
    }
}

#[async_trait]
impl StreamSink for DeltaSink {
    fn kind(&self) -> &'static str {
        "delta"
    }

    fn location(&self) -> String {
        self.url.to_string()
    }

    async fn open(&self, _query_id: QueryId, schema: SchemaRef) -> Result<()> {
        self.options.check_streaming()?;
        let mut table = self.table.lock().await;
        table.read().await?;
        self.spec(&schema, table.meta()).map(|_| ())
    }

    async fn write_step(&self, schema: SchemaRef) -> Result<Arc<dyn WriteStep>> {
        let mut table = self.table.lock().await;
        table.ensure_read().await?;
        let spec = self.spec(&schema, table.meta())?;
        Ok(Arc::new(DeltaWriteStep::new(spec, schema)))
    }

    async fn diverting_step(
        &self,
        schema: SchemaRef,
        diversion: Diversion,
        letters: Option<Arc<dyn WriteStep>>,
    ) -> Result<Arc<dyn WriteStep>> {
        let letters = match letters {
            None => None,
            Some(letters) => {
                let letters = letters.as_ref() as &dyn std::any::Any;
                let Some(letters) = letters.downcast_ref::<DeltaWriteStep>() else {
                    return Err(Error::internal(
                        "dead letters of a delta sink are written by another one",
                    ));
                };
                Some(Box::new(letters.spec.as_ref().clone()))
            }
        };
        let mut table = self.table.lock().await;
        table.ensure_read().await?;
        let rows = Arc::new(rows_schema(&schema)?);
        let mut spec = self.spec(&rows, table.meta())?;
        spec.diversion = Some(Diverting { diversion, letters });
        Ok(Arc::new(DeltaWriteStep::new(spec, schema)))
    }

    async fn commit(&self, request: CommitRequest<'_>) -> Result<Committed> {
        let Some(files) = Files::decode(&request.written.files)? else {
            return Ok(Committed {
                version: None,
                already: false,
            });
        };
        let epoch = i64::try_from(request.batch_id.0)
            .map_err(|_| Error::internal(format!("batch {} is beyond i64", request.batch_id)))?;
        let proposal = Proposal {
            identity: Identity::Transaction {
                app_id: request.query_id.to_string(),
                version: epoch,
            },
            files,
            operation: DeltaOperation::StreamingUpdate {
                output_mode: OutputMode::Append,
                query_id: request.query_id.to_string(),
                epoch_id: epoch,
            },
            info: request.info,
            merge_schema: self.options.merge_schema,
            must_create: false,
            replacement: None,
        };
        let mut table = self.table.lock().await;
        if request.recovered {
            table.ensure_read().await?;
            let app_id = request.query_id.to_string();
            let committed = table.transaction_version(&app_id).await?;
            if committed.is_none_or(|committed| committed < epoch) {
                check_present(&table, &proposal.files.adds, request.batch_id).await?;
            }
        }
        let Outcome { version, already } = commit(&mut table, &proposal)
            .await
            .map_err(|error| error.context(format!("batch {}", request.batch_id)))?;
        Ok(Committed {
            version: Some(version),
            already,
        })
    }

    async fn committed_batch(&self, query_id: QueryId) -> Result<Option<BatchId>> {
        let mut table = self.table.lock().await;
        table.ensure_read().await?;
        let committed = table.transaction_version(&query_id.to_string()).await?;
        Ok(committed
            .and_then(|batch| u64::try_from(batch).ok())
            .map(BatchId))
    }

    async fn latest_version(&self) -> Result<Option<u64>> {
        let newest = newest_snapshot(&self.url, &self.log_store).await?;
        Ok(newest.map(|snapshot| snapshot.version()))
    }
}

/// Makes the write node of a batch.
pub(super) struct DeltaWriteStep {
    spec: Arc<WriteSpec>,
    input: SchemaRef,
}

impl DeltaWriteStep {
    /// For rows of `input`.
    pub(super) fn new(spec: WriteSpec, input: SchemaRef) -> Self {
        Self {
            spec: Arc::new(spec),
            input,
        }
    }
}

impl fmt::Debug for DeltaWriteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

impl WriteStep for DeltaWriteStep {
    fn description(&self) -> String {
        format!("delta {}", self.spec.url)
    }

    fn create_exec(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        // Of one type in the table there are several in a plan: a string is a view of one where it was
        // read from Parquet, and the optimizer chooses.
        if delta_schema(&input.schema())? != delta_schema(&self.input)? {
            return Err(Error::invalid_plan(format!(
                "the write to delta table {} was made for rows of {} and is given {}",
                self.spec.url,
                self.input,
                input.schema()
            )));
        }
        Ok(Arc::new(DeltaWriteExec::try_new(
            Arc::clone(&self.spec),
            input,
        )?))
    }
}
