//! A query's checkpoint: what was decided, batch by batch, and by whom.
//!
//! A batch is decided twice, each time by a conditional put. `offsets/N` fixes what it reads;
//! `prepared/N` fixes what it wrote. Whoever creates `prepared/N` owns the batch: a second process,
//! or a process that was paused and woke up, loses that put and stops, naming the winner. There is no
//! lock, so nothing has to time out after a crash.
//!
//! History is bounded, so a process that slept for long may find the names it wants to put free
//! again. That is why an owner also looks for batches planned after its own: they exist if its name
//! was purged.

mod position;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_plan::functions::PinnedParameters;
use weir_plan::{BatchId, Error, ErrorKind, QueryId, Result};

use crate::log::{
    BatchEntry, CommitsEntry, Metadata, OffsetsEntry, PreparedEntry, StartEntry, Writer, decode,
    encode,
};
use crate::store::{CheckpointStore, Put};

pub use position::Position;

const METADATA: &str = "metadata";
const START: &str = "start";
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

impl Recovery {
    /// The last batch, if any was ever planned.
    #[must_use]
    pub fn batch(&self) -> Option<&OffsetsEntry> {
        match self {
            Self::Fresh => None,
            Self::Closed(batch) | Self::Rerun(batch) | Self::Commit(batch, _) => Some(batch),
        }
    }
}

/// What to do about a damaged entry of `commits`.
const RECOMMIT: &str =
    "delete the entry: the batch is committed again, and the table skips what it holds";

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
        let metadata = match find_metadata(store.as_ref()).await? {
            Some(found) => found,
            None => match create(store.as_ref(), METADATA, &wanted).await? {
                None => wanted.clone(),
                // Another process made it at this very moment; the batches will tell who wins.
                Some(theirs) => theirs,
            },
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
        let Some(metadata) = find_metadata(store.as_ref()).await? else {
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
    /// is damaged, `Fenced` when another process moves on while this one looks.
    pub async fn recover(&self) -> Result<Recovery> {
        let offsets = self.batches(OFFSETS).await?;
        match self.recover_from(&offsets).await {
            // To a process that is not alone, entries come and go between two looks.
            Err(error) if error.kind() == ErrorKind::CheckpointMismatch => {
                self.refuse_newer(offsets.last().copied()).await?;
                Err(error)
            }
            recovered => recovered,
        }
    }

    async fn recover_from(&self, offsets: &BTreeSet<BatchId>) -> Result<Recovery> {
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
            for (dir, batches) in [(OFFSETS, offsets), (COMMITS, &commits)] {
                if !batches.contains(&previous) {
                    return Err(self.missing(
                        &format!("{dir}/{previous}"),
                        &format!("{OFFSETS}/{newest} exists"),
                    ));
                }
            }
        }
        let (prepared, closed) = (prepared.contains(&newest), commits.contains(&newest));
        // With the ranges gone, the batch could only be planned anew: if the table holds it, it
        // would skip the new ranges, and records would be lost.
        let advice = if prepared || closed {
            "restore it, or start a new checkpoint and a new table"
        } else {
            "nothing of this batch is in the table: delete the entry, and the batch is planned anew"
        };
        let batch: OffsetsEntry = self.read_batch(OFFSETS, newest, advice).await?;
        self.check_sources(&batch)?;
        if closed {
            let _: CommitsEntry = self.read_batch(COMMITS, newest, RECOMMIT).await?;
            return Ok(Recovery::Closed(batch));
        }
        if prepared {
            let advice = "delete the entry: the batch runs again over its logged offsets, and the \
                          table skips it if it holds it";
            let written = self.read_batch(PREPARED, newest, advice).await?;
            return Ok(Recovery::Commit(batch, written));
        }
        Ok(Recovery::Rerun(batch))
    }

    /// The newest entry that closed a batch.
    ///
    /// # Errors
    /// `CorruptCheckpoint` when it is damaged.
    pub async fn last_commit(&self) -> Result<Option<CommitsEntry>> {
        let Some(newest) = self.batches(COMMITS).await?.last().copied() else {
            return Ok(None);
        };
        self.read_batch(COMMITS, newest, RECOMMIT).await.map(Some)
    }

    /// Where the first batch begins, if a run has found that out.
    ///
    /// # Errors
    /// `CorruptCheckpoint` when the entry is damaged.
    pub async fn start(&self) -> Result<Option<StartEntry>> {
        let corrupt = |what: String| {
            Error::new(
                ErrorKind::CorruptCheckpoint,
                format!(
                    "{what}; no batch was planned from it: delete the entry, and the query begins \
                     where its options say"
                ),
            )
        };
        match read::<StartEntry>(self.store.as_ref(), START).await {
            Ok(Some(start)) if start.sources.len() != self.metadata.sources.len() => {
                Err(corrupt(format!(
                    "checkpoint entry {}/{START} has {} sources, the checkpoint's metadata has {}",
                    self.location(),
                    start.sources.len(),
                    self.metadata.sources.len()
                )))
            }
            Err(error) if error.kind() == ErrorKind::CorruptCheckpoint => {
                Err(corrupt(error.to_string()))
            }
            read => read,
        }
    }

    /// Logs where the first batch begins. Returns what is logged: another process may have been
    /// first, and its answer counts.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`.
    pub async fn log_start(&self, entry: StartEntry) -> Result<StartEntry> {
        let theirs = create(self.store.as_ref(), START, &entry).await?;
        Ok(theirs.unwrap_or(entry))
    }

    /// Logs what a new batch reads.
    ///
    /// # Errors
    /// `Fenced`, naming the winner, when another process planned this batch first.
    pub async fn log_offsets(&self, entry: &OffsetsEntry) -> Result<()> {
        self.log(OFFSETS, entry, "planned").await
    }

    /// Logs what a batch wrote, and makes this process its owner.
    ///
    /// # Errors
    /// `Fenced`, naming the winner, when another process prepared this batch first.
    pub async fn log_prepared(&self, entry: &PreparedEntry) -> Result<()> {
        self.log(PREPARED, entry, "prepared").await?;
        self.refuse_newer(Some(entry.batch_id)).await
    }

    /// Closes a batch.
    ///
    /// # Errors
    /// `Fenced`, naming the winner, when another process closed this batch first: the batch is
    /// committed, once, and that process goes on from it.
    pub async fn log_commit(&self, entry: &CommitsEntry) -> Result<()> {
        self.log(COMMITS, entry, "closed").await
    }

    /// Deletes entries of batches older than the newest `retain` up to `newest`; the last two stay,
    /// whatever `retain` says, because recovery looks at both.
    ///
    /// # Errors
    /// `Storage` or `Unavailable`; what is left over is deleted by a later call.
    pub async fn purge(&self, newest: BatchId, retain: u64) -> Result<()> {
        let Some(keep_from) = newest.0.checked_sub(retain.max(2) - 1) else {
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

    async fn log<T: BatchEntry>(&self, dir: &str, entry: &T, did: &str) -> Result<()> {
        let path = format!("{dir}/{}", entry.batch_id());
        match create(self.store.as_ref(), &path, entry).await {
            Ok(None) => Ok(()),
            Ok(Some(theirs)) => Err(self.fenced(entry.batch_id(), did, theirs.writer())),
            // The entry in our way was purged before it was read: its writer is batches ahead.
            Err(error) if error.kind() == ErrorKind::Storage => {
                self.refuse_newer(Some(entry.batch_id())).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Stops a process that is not alone: another one has planned a batch after `newest`.
    async fn refuse_newer(&self, newest: Option<BatchId>) -> Result<()> {
        let mut gone = None;
        loop {
            let Some(last) = self.batches(OFFSETS).await?.last().copied() else {
                return Ok(());
            };
            if Some(last) <= newest {
                return Ok(());
            }
            let path = format!("{OFFSETS}/{last}");
            match read::<OffsetsEntry>(self.store.as_ref(), &path).await? {
                Some(theirs) => return Err(self.fenced(last, "planned", &theirs.writer)),
                None if gone == Some(last) => {
                    return Err(self.missing(&path, "it was listed a moment ago"));
                }
                // Purged between the two looks: a newer one was planned.
                None => gone = Some(last),
            }
        }
    }

    /// The entry of `batch` in `dir`; `advice` is what to do if it is damaged.
    async fn read_batch<T: BatchEntry>(
        &self,
        dir: &str,
        batch: BatchId,
        advice: &str,
    ) -> Result<T> {
        let path = format!("{dir}/{batch}");
        let entry: T = match read(self.store.as_ref(), &path).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return Err(self.missing(&path, "it was listed a moment ago")),
            Err(error) if error.kind() == ErrorKind::CorruptCheckpoint => {
                return Err(Error::new(error.kind(), format!("{error}; {advice}")));
            }
            Err(error) => return Err(error),
        };
        if entry.batch_id() == batch {
            return Ok(entry);
        }
        Err(Error::new(
            ErrorKind::CorruptCheckpoint,
            format!(
                "checkpoint entry {}/{path} says it is batch {}: it was copied or renamed; restore \
                 the checkpoint",
                self.location(),
                entry.batch_id()
            ),
        ))
    }

    async fn batches(&self, dir: &str) -> Result<BTreeSet<BatchId>> {
        batches(self.store.as_ref(), dir).await
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

/// What the last batch that was planned with the checkpoint in `store` was logged with, if there is one.
///
/// # Errors
/// `CorruptCheckpoint` when its entry is damaged, `Storage` when it cannot be read.
pub async fn last_parameters(store: &dyn CheckpointStore) -> Result<Option<PinnedParameters>> {
    let Some(newest) = batches(store, OFFSETS).await?.last().copied() else {
        return Ok(None);
    };
    let entry: Option<OffsetsEntry> = read(store, &format!("{OFFSETS}/{newest}")).await?;
    Ok(entry.map(|entry| entry.parameters))
}

async fn batches(store: &dyn CheckpointStore, dir: &str) -> Result<BTreeSet<BatchId>> {
    let names = store.list(dir).await?;
    Ok(names
        .iter()
        .filter_map(|name| name.parse().ok().map(BatchId))
        .collect())
}

async fn find_metadata(store: &dyn CheckpointStore) -> Result<Option<Metadata>> {
    if let Some(found) = read(store, METADATA).await? {
        return Ok(Some(found));
    }
    for dir in [OFFSETS, PREPARED, COMMITS] {
        let Some(batch) = batches(store, dir).await?.last().copied() else {
            continue;
        };
        // Another process may have made both since the first look.
        if let Some(found) = read(store, METADATA).await? {
            return Ok(Some(found));
        }
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
    Ok(None)
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
