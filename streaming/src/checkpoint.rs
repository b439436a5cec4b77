//! A query's checkpoint: what was decided, batch by batch, and by whom.
//!
//! A batch is decided twice, each time by a conditional put. `offsets/N` fixes what it reads;
//! `prepared/N` fixes what it wrote. Whoever creates `prepared/N` owns the batch: a second process,
//! or a process that was paused and woke up, loses that put and stops, naming the winner. There is no
//! lock, so nothing has to time out after a crash.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_plan::{BatchId, Error, ErrorKind, QueryId, Result};

use crate::log::{CommitsEntry, Metadata, OffsetsEntry, PreparedEntry, Writer, decode, encode};
use crate::store::{CheckpointStore, Put};

const METADATA: &str = "metadata";
const OFFSETS: &str = "offsets";
const PREPARED: &str = "prepared";
const COMMITS: &str = "commits";

/// What a start of the query has to do with the last batch it finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovery {
    /// No batch was ever planned.
    Fresh,
    /// The last batch is closed: go on after it.
    Closed(OffsetsEntry),
    /// The last batch was planned and not prepared: run it over its logged ranges.
    Rerun(OffsetsEntry),
    /// The last batch was prepared and not closed: commit what it wrote, never recompute.
    Commit(OffsetsEntry, PreparedEntry),
}

/// The checkpoint of one query.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    store: Arc<dyn CheckpointStore>,
    metadata: Metadata,
}

impl Checkpoint {
    /// Opens the checkpoint in `store`, or makes it, for a query described by `wanted` (its
    /// `query_id` is used only if the checkpoint is new).
    ///
    /// # Errors
    /// `CheckpointMismatch` when the checkpoint is another query's, or its `metadata` is missing
    /// though it holds batches; `CorruptCheckpoint` when `metadata` is damaged.
    pub async fn open(store: Arc<dyn CheckpointStore>, wanted: Metadata) -> Result<Self> {
        let found: Option<Metadata> = read(store.as_ref(), METADATA).await?;
        let metadata = match found {
            Some(found) => found,
            None => {
                refuse_orphaned_batches(store.as_ref()).await?;
                match create(store.as_ref(), METADATA, &wanted).await? {
                    None => wanted.clone(),
                    // Another process made it at this very moment; the batches will tell who wins.
                    Some(theirs) => theirs,
                }
            }
        };
        let checkpoint = Self { store, metadata };
        checkpoint.check_identity(&wanted)?;
        Ok(checkpoint)
    }

    /// Opens the checkpoint if it is there, and writes nothing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn peek(store: Arc<dyn CheckpointStore>, wanted: Metadata) -> Result<Option<Self>> {
        let Some(metadata) = read(store.as_ref(), METADATA).await? else {
            refuse_orphaned_batches(store.as_ref()).await?;
            return Ok(None);
        };
        let checkpoint = Self { store, metadata };
        checkpoint.check_identity(&wanted)?;
        Ok(Some(checkpoint))
    }

    /// The query's id over all its runs.
    #[must_use]
    pub fn query_id(&self) -> QueryId {
        self.metadata.query_id
    }

    /// Where the checkpoint is, for messages.
    #[must_use]
    pub fn location(&self) -> String {
        self.store.location()
    }

    /// Reads the last batch's entries and says what is left to do about it.
    ///
    /// # Errors
    /// `CheckpointMismatch` when an entry that must exist is missing, `CorruptCheckpoint` when one
    /// is damaged.
    pub async fn recover(&self) -> Result<Recovery> {
        let offsets = self.batches(OFFSETS).await?;
        let prepared = self.batches(PREPARED).await?;
        let commits = self.batches(COMMITS).await?;
        let newest = offsets.last().copied();
        for (dir, batches) in [(PREPARED, &prepared), (COMMITS, &commits)] {
            if let Some(beyond) = batches.last().filter(|batch| Some(**batch) > newest) {
                return Err(self.missing(
                    &format!("{OFFSETS}/{beyond}"),
                    &format!("{dir}/{beyond} exists"),
                ));
            }
        }
        let Some(newest) = newest else {
            return Ok(Recovery::Fresh);
        };
        if let Some(previous) = newest.previous() {
            for (dir, batches) in [(OFFSETS, &offsets), (COMMITS, &commits)] {
                if !batches.contains(&previous) {
                    return Err(self.missing(
                        &format!("{dir}/{previous}"),
                        &format!("{OFFSETS}/{newest} exists"),
                    ));
                }
            }
        }
        let entry: OffsetsEntry = self.read_batch(OFFSETS, newest).await?;
        if entry.batch_id != newest {
            return Err(Error::new(
                ErrorKind::CorruptCheckpoint,
                format!(
                    "checkpoint entry {}/{OFFSETS}/{newest} says it is batch {}: it was copied or \
                     renamed; restore the checkpoint",
                    self.location(),
                    entry.batch_id
                ),
            ));
        }
        self.check_sources(&entry)?;
        if commits.contains(&newest) {
            return Ok(Recovery::Closed(entry));
        }
        if prepared.contains(&newest) {
            let written = self.read_batch(PREPARED, newest).await?;
            return Ok(Recovery::Commit(entry, written));
        }
        Ok(Recovery::Rerun(entry))
    }

    /// Logs what a new batch reads.
    ///
    /// # Errors
    /// `Fenced`, naming the winner, when another process planned this batch first.
    pub async fn log_offsets(&self, entry: &OffsetsEntry) -> Result<()> {
        let path = format!("{OFFSETS}/{}", entry.batch_id);
        match create(self.store.as_ref(), &path, entry).await? {
            None => Ok(()),
            Some(theirs) => Err(self.fenced(entry.batch_id, "planned", &theirs.writer)),
        }
    }

    /// Logs what a batch wrote, and makes this process its owner.
    ///
    /// # Errors
    /// `Fenced`, naming the winner, when another process prepared this batch first.
    pub async fn log_prepared(&self, entry: &PreparedEntry) -> Result<()> {
        let path = format!("{PREPARED}/{}", entry.batch_id);
        match create(self.store.as_ref(), &path, entry).await? {
            None => Ok(()),
            Some(theirs) => Err(self.fenced(entry.batch_id, "prepared", &theirs.writer)),
        }
    }

    /// Closes a batch.
    ///
    /// # Errors
    /// `Fenced`, naming the winner, when another process closed this batch first: the batch is
    /// committed, once, and that process goes on from it.
    pub async fn log_commit(&self, entry: &CommitsEntry) -> Result<()> {
        let path = format!("{COMMITS}/{}", entry.batch_id);
        match create(self.store.as_ref(), &path, entry).await? {
            None => Ok(()),
            Some(theirs) => Err(self.fenced(entry.batch_id, "closed", &theirs.writer)),
        }
    }

    /// Deletes entries of batches older than the newest `retain` up to `newest`.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`; what is left over is deleted by a later call.
    pub async fn purge(&self, newest: BatchId, retain: u64) -> Result<()> {
        let Some(keep_from) = newest.0.checked_sub(retain.saturating_sub(1)) else {
            return Ok(());
        };
        // `commits` goes last: at any crash in between, a batch without its commit has no offsets
        // either, and is older than what recovery reads.
        for dir in [PREPARED, OFFSETS, COMMITS] {
            for batch in self.batches(dir).await? {
                if batch.0 < keep_from {
                    self.store.delete(&format!("{dir}/{batch}")).await?;
                }
            }
        }
        Ok(())
    }

    fn check_identity(&self, wanted: &Metadata) -> Result<()> {
        let found = &self.metadata;
        let mismatch = |what: String| {
            Err(Error::new(
                ErrorKind::CheckpointMismatch,
                format!(
                    "checkpoint {} belongs to another query: {what}; \
                     give this query a checkpoint of its own",
                    self.location()
                ),
            ))
        };
        if found.sources != wanted.sources {
            return mismatch(format!(
                "it reads [{}], this one reads [{}]",
                found.sources.join(", "),
                wanted.sources.join(", ")
            ));
        }
        if found.sink != wanted.sink {
            return mismatch(format!(
                "it writes {} {}, this one writes {} {}",
                found.sink.kind, found.sink.location, wanted.sink.kind, wanted.sink.location
            ));
        }
        Ok(())
    }

    fn check_sources(&self, entry: &OffsetsEntry) -> Result<()> {
        let logged: Vec<&str> = entry.sources.iter().map(|s| s.kind.as_str()).collect();
        if logged == self.metadata.sources {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::CorruptCheckpoint,
            format!(
                "checkpoint entry {}/{OFFSETS}/{} has sources [{}], the checkpoint's metadata has \
                 [{}]; restore the checkpoint",
                self.location(),
                entry.batch_id,
                logged.join(", "),
                self.metadata.sources.join(", ")
            ),
        ))
    }

    async fn read_batch<T: DeserializeOwned>(&self, dir: &str, batch: BatchId) -> Result<T> {
        let path = format!("{dir}/{batch}");
        match read(self.store.as_ref(), &path).await {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err(self.missing(&path, "it was listed a moment ago")),
            // Nothing of a batch is committed from a planned entry, and the table skips a batch it
            // holds already: in either case the damaged entry may go.
            Err(error) if error.kind() == ErrorKind::CorruptCheckpoint && dir != COMMITS => {
                Err(error.context(format!(
                    "batch {batch} is not closed, so nothing is lost by deleting this entry and \
                     starting again"
                )))
            }
            Err(error) => Err(error),
        }
    }

    async fn batches(&self, dir: &str) -> Result<BTreeSet<BatchId>> {
        Ok(batches(self.store.as_ref(), dir).await?)
    }

    fn missing(&self, path: &str, though: &str) -> Error {
        Error::new(
            ErrorKind::CheckpointMismatch,
            format!(
                "checkpoint entry {}/{path} is missing, though {though}; \
                 restore the checkpoint, or start a new one and a new table",
                self.location()
            ),
        )
    }

    fn fenced(&self, batch: BatchId, did: &str, winner: &Writer) -> Error {
        Error::new(
            ErrorKind::Fenced,
            format!(
                "batch {batch} of checkpoint {} was {did} by {winner}: that process goes on, this \
                 one stops; run one process per checkpoint",
                self.location()
            ),
        )
    }
}

async fn batches(store: &dyn CheckpointStore, dir: &str) -> Result<BTreeSet<BatchId>> {
    let names = store.list(dir).await?;
    Ok(names
        .iter()
        .filter_map(|name| name.parse().ok().map(BatchId))
        .collect())
}

async fn refuse_orphaned_batches(store: &dyn CheckpointStore) -> Result<()> {
    for dir in [OFFSETS, PREPARED, COMMITS] {
        if let Some(batch) = batches(store, dir).await?.last() {
            return Err(Error::new(
                ErrorKind::CheckpointMismatch,
                format!(
                    "checkpoint entry {}/{METADATA} is missing, though {dir}/{batch} exists: with a \
                     new query id every batch would be committed a second time; restore it, or \
                     start a new checkpoint and a new table",
                    store.location()
                ),
            ));
        }
    }
    Ok(())
}

async fn read<T: DeserializeOwned>(store: &dyn CheckpointStore, path: &str) -> Result<Option<T>> {
    match store.get(path).await? {
        Some(bytes) => decode(&format!("{}/{path}", store.location()), &bytes).map(Some),
        None => Ok(None),
    }
}

/// Puts `entry` at `path`. `None`: it is there, and it is ours. `Some`: another one is.
///
/// A put may fail after it took effect (a lost answer), and a store's own retry then finds "our"
/// entry in its way. So the entry that is there decides: byte for byte ours, or not.
async fn create<T: Serialize + DeserializeOwned>(
    store: &dyn CheckpointStore,
    path: &str,
    entry: &T,
) -> Result<Option<T>> {
    let bytes = encode(entry)?;
    let put = store.put_if_absent(path, bytes.clone()).await;
    if let Ok(Put::Created) = put {
        return Ok(None);
    }
    let found = store.get(path).await;
    match (put, found) {
        (_, Ok(Some(found))) if found == bytes => Ok(None),
        (_, Ok(Some(found))) => decode(&format!("{}/{path}", store.location()), &found).map(Some),
        (Err(error), _) => Err(error),
        (Ok(_), Ok(None)) => Err(Error::new(
            ErrorKind::Storage,
            format!(
                "checkpoint entry {}/{path} could not be created and does not exist",
                store.location()
            ),
        )),
        (Ok(_), Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
