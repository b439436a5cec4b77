//! The table as a writer knows it: its newest version and what that asks of writers.
//!
//! The list of files is never loaded: an append does not need it, and a commit to a table of many
//! files costs what one to an empty table does. What is known stays true over the writer's own
//! commits, because each is put under the condition that nobody else made that version.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::{Metadata, Protocol, Snapshot, StructType};
use deltalake::logstore::{LogStore as _, LogStoreRef, ObjectStoreRef, commit_uri_from_version};
use deltalake::operations::write::WriterStatsConfig;
use object_store::ObjectStoreExt as _;
use tracing::warn;
use url::Url;
use weir_plan::settings::parse_bytes;
use weir_plan::{Error, ErrorKind, Result};

use super::error::table_error;
use super::location::newest_snapshot;
use super::spec::StatsColumns;
use super::transaction::{self, Known};

/// Commits between checkpoints of the log, unless the table sets `delta.checkpointInterval`. A reader
/// reads at most so many small files beside the checkpoint; a writer pays for a checkpoint, which
/// lists every file of the table, once in so many commits.
const CHECKPOINT_INTERVAL: u64 = 50;

/// What a table's log says about writing to it, at one version.
#[derive(Debug, Clone)]
pub(super) struct TableMeta {
    pub(super) protocol: Protocol,
    pub(super) metadata: Metadata,
    pub(super) schema: Arc<StructType>,
    pub(super) stats: StatsColumns,
}

impl TableMeta {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let stats = WriterStatsConfig::from_config(snapshot.table_configuration());
        let metadata = snapshot.metadata();
        let first = metadata
            .configuration()
            .get("delta.dataSkippingNumIndexedCols")
            .and_then(|text| text.trim().parse().ok())
            .filter(|first| *first >= -1);
        Self {
            protocol: snapshot.protocol().clone(),
            metadata: metadata.clone(),
            schema: snapshot.schema(),
            stats: StatsColumns {
                first: first.unwrap_or(StatsColumns::default().first),
                named: stats.stats_columns,
            },
        }
    }

    /// The names of the table's columns.
    pub(super) fn schema_names(&self) -> Vec<String> {
        let fields = self.schema.fields();
        fields.map(|field| field.name().clone()).collect()
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

#[derive(Debug)]
struct Head {
    version: u64,
    meta: TableMeta,
}

/// See the module's documentation.
pub(super) struct Table {
    url: Url,
    log_store: LogStoreRef,
    head: Option<Head>,
    transaction: Option<Known>,
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
            head: None,
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

    /// The newest version known; `None` before [`Self::read`] and without a table.
    pub(super) fn version(&self) -> Option<u64> {
        self.head.as_ref().map(|head| head.version)
    }

    /// What the log said when it was last read.
    pub(super) fn meta(&self) -> Option<&TableMeta> {
        self.head.as_ref().map(|head| &head.meta)
    }

    /// Reads the log, unless the table is known.
    pub(super) async fn ensure_read(&mut self) -> Result<()> {
        match self.head {
            Some(_) => Ok(()),
            None => self.read().await,
        }
    }

    /// Reads the newest version and what it asks of writers.
    ///
    /// # Errors
    /// `NotFound` when the table that was there is gone or replaced; `Storage`.
    pub(super) async fn read(&mut self) -> Result<()> {
        match newest_snapshot(&self.url, &self.log_store).await? {
            Some(snapshot) => self.adopt(&snapshot),
            None => self.absent(),
        }
    }

    /// Forgets the table's version, so that the next use reads the log.
    pub(super) fn forget(&mut self) {
        self.head = None;
    }

    fn adopt(&mut self, snapshot: &Snapshot) -> Result<()> {
        let id = snapshot.metadata().id();
        match &self.id {
            Some(known) if known != id => {
                self.head = None;
                Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "delta table {} was replaced by another one while it was written to (id \
                         {known}, now {id}); start the query with a new checkpoint to fill the new one",
                        self.url
                    ),
                ))
            }
            _ => {
                self.id = Some(id.to_owned());
                self.head = Some(Head {
                    version: snapshot.version(),
                    meta: TableMeta::new(snapshot),
                });
                Ok(())
            }
        }
    }

    fn absent(&mut self) -> Result<()> {
        self.head = None;
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

    /// Whether the log still has the known version: a table that was removed must not be continued.
    pub(super) async fn still_there(&self) -> Result<bool> {
        let store: ObjectStoreRef = self.log_store.object_store(None);
        match store.head(&commit_uri_from_version(self.version())).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(table_error(&self.url, "reading the log of", error.into())),
        }
    }

    /// The version last committed by application `app_id`, at the known version.
    pub(super) async fn transaction_version(&mut self, app_id: &str) -> Result<Option<i64>> {
        let Some(at) = self.version() else {
            return Ok(None);
        };
        let known = self
            .transaction
            .take()
            .filter(|known| known.app_id == app_id);
        let committed = transaction::find(&self.log_store, at, app_id, known.as_ref())
            .await
            .map_err(|error| table_error(&self.url, "reading the transactions of", error))?;
        self.note_transaction(app_id, at, committed);
        Ok(committed)
    }

    /// Takes note of this writer's own commit of `version`, which changed what the log asks of
    /// writers if `changed`.
    pub(super) async fn committed(&mut self, version: u64, changed: bool) {
        match &mut self.head {
            Some(head) if !changed => head.version = version,
            _ => {
                self.head = None;
                // The commit is done: a failure shows at the next one.
                if let Err(error) = self.read().await {
                    warn!(table = %self.url, version, %error, "the log was not read after a commit");
                }
            }
        }
    }

    /// Remembers that `app_id` had committed `committed` at version `at`.
    pub(super) fn note_transaction(&mut self, app_id: &str, at: u64, committed: Option<i64>) {
        self.transaction = Some(Known {
            app_id: app_id.to_owned(),
            at,
            committed,
        });
    }

    /// Writes a checkpoint of the log if it is time for one after the commit of `version`. A failure
    /// is only logged: the commit is done, and readers do without.
    pub(super) async fn checkpoint_if_due(&self, version: u64) {
        let Some(meta) = self.meta() else {
            return;
        };
        if !(version + 1).is_multiple_of(meta.checkpoint_interval()) {
            return;
        }
        let mut table = DeltaTable::new(Arc::clone(&self.log_store));
        let done = match table.load_version(version).await {
            Ok(()) => deltalake::checkpoints::create_checkpoint(&table, None).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
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
