//! The table as a writer knows it: read once, then kept true by its own commits.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::{Metadata, Protocol, Snapshot, StructType};
use deltalake::logstore::{LogStore, LogStoreRef};
use deltalake::operations::write::WriterStatsConfig;
use deltalake::table::state::DeltaTableState;
use tracing::warn;
use url::Url;
use weir_plan::settings::parse_bytes;
use weir_plan::{Error, ErrorKind, Result};

use super::error::table_error;
use super::location::is_vacant;
use super::spec::StatsColumns;

/// Commits between checkpoints of the log, unless the table sets `delta.checkpointInterval`. A reader
/// reads at most so many small files beside the checkpoint; a writer pays for one in so many commits.
const CHECKPOINT_INTERVAL: u64 = 20;

/// What a table's log says about writing to it, at one version.
#[derive(Debug, Clone)]
pub(super) struct TableMeta {
    pub(super) protocol: Protocol,
    pub(super) metadata: Metadata,
    pub(super) schema: Arc<StructType>,
    pub(super) stats: StatsColumns,
}

impl TableMeta {
    fn new(
        protocol: &Protocol,
        metadata: &Metadata,
        schema: Arc<StructType>,
        stats: WriterStatsConfig,
    ) -> Self {
        let first = metadata
            .configuration()
            .get("delta.dataSkippingNumIndexedCols")
            .and_then(|text| text.trim().parse().ok())
            .filter(|first| *first >= -1);
        Self {
            protocol: protocol.clone(),
            metadata: metadata.clone(),
            schema,
            stats: StatsColumns {
                first: first.unwrap_or(StatsColumns::default().first),
                named: stats.stats_columns,
            },
        }
    }

    /// The table's own wish for the size of its files.
    pub(super) fn target_file_size_bytes(&self) -> Option<u64> {
        let text = self.metadata.configuration().get("delta.targetFileSize")?;
        parse_bytes(text).filter(|bytes| *bytes > 0)
    }

    fn checkpoint_interval(&self) -> u64 {
        self.metadata
            .configuration()
            .get("delta.checkpointInterval")
            .and_then(|text| text.trim().parse().ok())
            .filter(|interval| *interval > 0)
            .unwrap_or(CHECKPOINT_INTERVAL)
    }
}

/// A transaction version known to hold at a table version.
#[derive(Debug, Clone)]
struct KnownTransaction {
    app_id: String,
    version: Option<i64>,
    at: u64,
}

/// See the module's documentation.
pub(super) struct Table {
    url: Url,
    log_store: LogStoreRef,
    /// With the list of files; from the first commit on.
    state: Option<DeltaTableState>,
    meta: Option<TableMeta>,
    transaction: Option<KnownTransaction>,
    /// The table's own id, once seen: another table in its place is not the one written so far.
    id: Option<String>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("url", &self.url.as_str())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(url: Url, log_store: LogStoreRef) -> Self {
        Self {
            url,
            log_store,
            state: None,
            meta: None,
            transaction: None,
            id: None,
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn log_store(&self) -> &LogStoreRef {
        &self.log_store
    }

    pub(super) fn state(&self) -> Option<&DeltaTableState> {
        self.state.as_ref()
    }

    /// The loaded version.
    pub(super) fn version(&self) -> Option<u64> {
        self.state.as_ref().map(DeltaTableState::version)
    }

    /// What the log said when it was last read; reads it if it never was. `None`: there is no table.
    pub(super) async fn meta(&mut self) -> Result<Option<TableMeta>> {
        if self.meta.is_none() {
            self.read_meta().await?;
        }
        Ok(self.meta.clone())
    }

    /// Reads what the log says now, without the list of files.
    pub(super) async fn read_meta(&mut self) -> Result<()> {
        let snapshot = match Snapshot::try_new(&self.log_store, None).await {
            Ok(snapshot) => snapshot,
            Err(_) if is_vacant(&self.log_store).await => return self.absent(),
            Err(error) => return Err(table_error(&self.url, "reading the log of", error)),
        };
        let stats = WriterStatsConfig::from_config(snapshot.table_configuration());
        self.adopt(TableMeta::new(
            snapshot.protocol(),
            snapshot.metadata(),
            snapshot.schema(),
            stats,
        ))
    }

    /// Loads the table for a commit; `refresh` reads what others committed since it was loaded.
    pub(super) async fn load(&mut self, refresh: bool) -> Result<()> {
        let doing = "reading the log of";
        if let Some(mut state) = self.state.take() {
            if !refresh {
                self.state = Some(state);
                return Ok(());
            }
            // After an error the state is not kept: the next load reads it anew.
            return match state.update(&self.log_store, None).await {
                Ok(()) => self.keep(state),
                Err(_) if is_vacant(&self.log_store).await => self.absent(),
                Err(error) => Err(table_error(&self.url, doing, error)),
            };
        }
        match DeltaTableState::try_new(&self.log_store, None).await {
            Ok(state) => self.keep(state),
            Err(_) if is_vacant(&self.log_store).await => self.absent(),
            Err(error) => Err(table_error(&self.url, doing, error)),
        }
    }

    /// Drops the loaded state, so that the next [`Self::load`] reads the log from its checkpoint.
    pub(super) fn forget(&mut self) {
        self.state = None;
        self.meta = None;
    }

    /// Takes over the state a commit led to.
    pub(super) fn keep(&mut self, state: DeltaTableState) -> Result<()> {
        let snapshot = state.snapshot();
        let stats = WriterStatsConfig::from_config(snapshot.table_configuration());
        self.adopt(TableMeta::new(
            snapshot.protocol(),
            snapshot.metadata(),
            snapshot.schema(),
            stats,
        ))?;
        self.state = Some(state);
        Ok(())
    }

    fn adopt(&mut self, meta: TableMeta) -> Result<()> {
        let id = meta.metadata.id();
        match &self.id {
            Some(known) if known != id => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "delta table {} was replaced by another one while it was written to (id {known}, \
                     now {id}); start the query with a new checkpoint to fill the new table",
                    self.url
                ),
            )),
            _ => {
                self.id = Some(id.to_owned());
                self.meta = Some(meta);
                Ok(())
            }
        }
    }

    fn absent(&mut self) -> Result<()> {
        self.state = None;
        self.meta = None;
        match &self.id {
            // Creating it anew would hide that earlier batches are gone.
            Some(id) => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "delta table {} (id {id}) is gone while it was written to; restore it, or start \
                     the query with a new checkpoint",
                    self.url
                ),
            )),
            None => Ok(()),
        }
    }

    /// The version last committed by application `app_id`, in the loaded state.
    pub(super) async fn transaction_version(&mut self, app_id: &str) -> Result<Option<i64>> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let at = state.version();
        if let Some(known) = &self.transaction
            && known.at == at
            && known.app_id == app_id
        {
            return Ok(known.version);
        }
        let version = state
            .transaction_version(&self.log_store, app_id)
            .await
            .map_err(|error| table_error(&self.url, "reading the transactions of", error))?;
        self.note_transaction(app_id, version);
        Ok(version)
    }

    /// Remembers the version of `app_id` in the loaded state.
    pub(super) fn note_transaction(&mut self, app_id: &str, version: Option<i64>) {
        self.transaction = self.version().map(|at| KnownTransaction {
            app_id: app_id.to_owned(),
            version,
            at,
        });
    }

    /// Writes a checkpoint of the log if it is time for one after the commit of `version`. A failure
    /// is only logged: the commit is done, and readers do without.
    pub(super) async fn checkpoint_if_due(&self, version: u64) {
        let (Some(state), Some(meta)) = (&self.state, &self.meta) else {
            return;
        };
        if !(version + 1).is_multiple_of(meta.checkpoint_interval()) {
            return;
        }
        let mut table = DeltaTable::new(Arc::clone(&self.log_store));
        table.state = Some(state.clone());
        if let Err(error) = deltalake::checkpoints::create_checkpoint(&table, None).await {
            warn!(table = %self.url, version, %error, "no checkpoint of the delta log was written");
        }
    }

    /// Whether a commit after version `base` (all, for `None`) names the file `name`.
    pub(super) async fn has_commit_with(&self, base: Option<u64>, name: &str) -> Result<bool> {
        let Some(newest) = self.version() else {
            return Ok(false);
        };
        for version in base.map_or(0, |base| base + 1)..=newest {
            let entry = self.log_store.read_commit_entry(version).await;
            let entry =
                entry.map_err(|error| table_error(&self.url, "reading the log of", error))?;
            if entry.is_some_and(|bytes| String::from_utf8_lossy(&bytes).contains(name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
