//! The commit step: files become part of the table, exactly once.
//!
//! Each try looks whether the batch is in the newest version it knows, checks that its files fit that
//! version, and puts the next one under the condition that it does not exist: what was looked at is
//! what is built on. Whoever loses that put reads the log and starts over with the same files. A put
//! whose answer was lost is settled the same way: by what the log says next.
//!
//! A commit that replaces rows also checks what others committed since the version it was computed
//! from: see [`Replacement`].
//!
//! The put is made here and not through delta-rs' commit builder, which lists the log and replays
//! every file of the table at each commit.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use deltalake::kernel::transaction::{CommitData, TransactionError};
use deltalake::kernel::{Action, IsolationLevel, StructType, Transaction};
use deltalake::logstore::{CommitOrBytes, LogStore as _};
use deltalake::protocol::DeltaOperation;
use serde_json::Value;
use tracing::{debug, warn};
use uuid::Uuid;
use weir_plan::{Error, ErrorKind, Result};

use super::entry::Files;
use super::error::table_error;
use super::features::{allows_timestamp_ntz, check_removable, check_writable};
use super::live::LiveFile;
use super::log_action::{create, redefine, widen};
use super::replace::Replacement;
use super::schema::{has_timestamp_ntz, merge};
use super::table::{Table, TableMeta};

/// Races lost before giving up, and for how long.
const CONFLICTS_MAX: u32 = 20;
const CONFLICT_TIME_MAX: Duration = Duration::from_secs(60);
/// Failures of the store before giving up.
const FAILURES_MAX: u32 = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// By what a commit is found again in the log.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// `txn(app_id, version)`: at most once for ever.
    Transaction {
        /// The query.
        app_id: String,
        /// The batch.
        version: i64,
    },
    /// The names of its files: at most once per call.
    Files,
    /// An id in its commit information: at most once per call, also without files.
    Mark(String),
}

/// Where the id of a commit is in its commit information.
const MARK_KEY: &str = "weirWriteId";

/// What is to be committed.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) identity: Identity,
    pub(super) files: Files,
    pub(super) operation: DeltaOperation,
    pub(super) info: BTreeMap<String, Value>,
    pub(super) merge_schema: bool,
    /// A table that is there already is an error.
    pub(super) must_create: bool,
    /// What goes; `None` for an append.
    pub(super) replacement: Option<Replacement>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The version that holds the files; when `already`, the newest one, which does.
    pub(super) version: u64,
    /// It was in the log before the last put.
    pub(super) already: bool,
}

enum Failure {
    /// Another writer was first.
    Conflict(Error),
    /// The store failed; whether the put took place is not known.
    Store(Error),
    /// The proposal does not fit the table.
    Refused(Error),
}

/// Commits `proposal`: see the module's documentation.
///
/// # Errors
/// `SchemaMismatch` or `Unsupported` when the table does not take the files; `Unavailable` or
/// `Storage` when they are not known to be committed.
pub(super) async fn commit(table: &mut Table, proposal: &Proposal) -> Result<Outcome> {
    let started = Instant::now();
    let (mut conflicts, mut failures) = (0, 0);
    // The version the first try saw: what is found after it is this call's doing.
    let mut base: Option<Option<u64>> = None;
    let mut give_up: Option<Error> = None;
    let mut refresh = false;
    loop {
        let failure = match landed(table, proposal, refresh, &mut base).await {
            Ok(Some(outcome)) => return Ok(outcome),
            Ok(None) if give_up.is_some() => {
                return Err(give_up
                    .take()
                    .unwrap_or_else(|| Error::internal("no error")));
            }
            Ok(None) => match put(table, proposal, base.flatten()).await {
                Ok(version) => {
                    return Ok(Outcome {
                        version,
                        already: false,
                    });
                }
                Err(failure) => failure,
            },
            Err(error) if give_up.is_some() => return Err(unknown(table, proposal, error)),
            Err(error) => Failure::Store(error),
        };
        refresh = true;
        let tries = match failure {
            Failure::Refused(error) => return Err(error),
            Failure::Conflict(error) => {
                conflicts += 1;
                debug!(table = %table.url(), conflicts, "another writer committed first");
                if conflicts >= CONFLICTS_MAX || started.elapsed() >= CONFLICT_TIME_MAX {
                    give_up = Some(error.context(format!(
                        "not committed: other writers were first {conflicts} times in {:.1} s; \
                         commit again when fewer write at once",
                        started.elapsed().as_secs_f64()
                    )));
                }
                conflicts
            }
            Failure::Store(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            Failure::Store(error) => {
                failures += 1;
                // What is known of the table may be what is wrong: it is read anew, as a whole.
                table.forget();
                warn!(table = %table.url(), failures, %error, "a commit failed; reading the log again");
                if failures >= FAILURES_MAX {
                    give_up = Some(error.context("not committed"));
                }
                failures
            }
        };
        if give_up.is_none() {
            tokio::time::sleep(backoff(tries)).await;
        }
    }
}

/// Whether the log has the proposal's files, after reading it.
async fn landed(
    table: &mut Table,
    proposal: &Proposal,
    refresh: bool,
    base: &mut Option<Option<u64>>,
) -> Result<Option<Outcome>> {
    if refresh {
        table.read().await?;
    } else {
        table.ensure_read().await?;
    }
    let found = match &proposal.identity {
        Identity::Transaction { app_id, version } => table
            .transaction_version(app_id)
            .await?
            .is_some_and(|committed| committed >= *version),
        Identity::Files => match (*base, proposal.files.adds.first()) {
            (Some(base), Some(add)) => {
                let name = add.path.rsplit('/').next().unwrap_or(&add.path);
                table.has_commit_with(base, name).await?
            }
            _ => false,
        },
        Identity::Mark(id) => match *base {
            Some(base) => table.has_commit_with(base, id).await?,
            None => false,
        },
    };
    if base.is_none() {
        *base = Some(table.version());
    }
    Ok(table.version().filter(|_| found).map(|version| Outcome {
        version,
        already: true,
    }))
}

/// One conditional put of the version after the one known.
async fn put(
    table: &mut Table,
    proposal: &Proposal,
    base: Option<u64>,
) -> std::result::Result<u64, Failure> {
    if let Some(replacement) = &proposal.replacement {
        let checked = replacement.check_since(table).await;
        checked.map_err(|error| match error.kind() {
            ErrorKind::Storage => Failure::Store(error),
            _ => Failure::Refused(error),
        })?;
    }
    let mut actions = table_actions(table, proposal, base).map_err(Failure::Refused)?;
    let changed = !actions.is_empty();
    actions.extend(proposal.files.adds.iter().cloned().map(Action::Add));
    let known = table.version();
    let removes = proposal.replacement.as_ref();
    let removes = removes.map_or(&[][..], |replacement| &replacement.removes);
    let is_transaction = matches!(proposal.identity, Identity::Transaction { .. });
    if actions.is_empty() && removes.is_empty() && !is_transaction {
        // Nothing was added to a table that is there, and nothing goes.
        return known.ok_or_else(|| Failure::Refused(Error::internal("nothing to commit")));
    }
    if known.is_some() && !table.still_there().await.map_err(Failure::Store)? {
        return Err(Failure::Store(Error::new(
            ErrorKind::Storage,
            format!("the newest version of delta table {} is gone", table.url()),
        )));
    }
    let version = known.map_or(0, |known| known + 1);
    let entry = entry(proposal, actions, removes, known)?;
    // Only a put that finds no such version succeeds: no lock, and no list of the log.
    let written = table
        .log_store()
        .write_commit_entry(version, CommitOrBytes::LogBytes(entry), Uuid::new_v4())
        .await;
    match written {
        Ok(()) => {}
        Err(TransactionError::VersionAlreadyExists(_)) => {
            return Err(Failure::Conflict(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "version {version} of delta table {} is another writer's",
                    table.url()
                ),
            )));
        }
        Err(error) => {
            let error = table_error(table.url(), "committing to", error.into());
            return Err(Failure::Store(error));
        }
    }
    table.committed(version, changed).await;
    if let Identity::Transaction {
        app_id,
        version: epoch,
    } = &proposal.identity
    {
        table.note_transaction(app_id, version, Some(*epoch));
    }
    table.checkpoint_if_due(version).await;
    Ok(version)
}

/// The log entry of `actions`.
fn entry(
    proposal: &Proposal,
    mut actions: Vec<Action>,
    removes: &[LiveFile],
    known: Option<u64>,
) -> std::result::Result<Bytes, Failure> {
    let now = chrono::Utc::now().timestamp_millis();
    let mut info = proposal.operation.get_commit_info();
    info.timestamp = Some(now);
    info.engine_info = Some(concat!("weir/", env!("CARGO_PKG_VERSION")).to_owned());
    match &proposal.replacement {
        Some(replacement) => {
            info.read_version = replacement.base;
            info.is_blind_append = Some(false);
            info.isolation_level = Some(IsolationLevel::Serializable);
        }
        None => {
            info.read_version = known;
            // Only adds, and nothing was read: others' transactions need not conflict with it.
            info.is_blind_append = Some(true);
        }
    }
    if let Identity::Mark(id) = &proposal.identity {
        info.info
            .insert(MARK_KEY.to_owned(), Value::from(id.clone()));
    }
    if !proposal.info.is_empty() {
        // The one field of a commit that every engine's history shows; it is a string.
        info.user_metadata = serde_json::to_string(&proposal.info).ok();
    }
    actions.insert(0, Action::CommitInfo(info));
    let transactions = match &proposal.identity {
        // Without a time, which would let it expire: a batch is never committed twice, however late.
        Identity::Transaction { app_id, version } => vec![Transaction::new(app_id, *version)],
        Identity::Files | Identity::Mark(_) => Vec::new(),
    };
    let written = CommitData::new(
        actions,
        proposal.operation.clone(),
        HashMap::new(),
        transactions,
    )
    .get_bytes()
    .map_err(|error| {
        Failure::Refused(Error::internal("cannot encode a delta log entry").with_source(error))
    })?;
    if removes.is_empty() {
        return Ok(written);
    }
    let mut entry = written.to_vec();
    for file in removes {
        entry.push(b'\n');
        entry.extend_from_slice(file.remove_line(now).as_bytes());
    }
    Ok(entry.into())
}

/// The actions beside the files: those that create the table or widen its schema.
fn table_actions(table: &Table, proposal: &Proposal, base: Option<u64>) -> Result<Vec<Action>> {
    let files = &proposal.files;
    let place = format!("delta table {}", table.url());
    let Some(meta) = table.meta() else {
        return create(&files.schema, &files.partition_by);
    };
    if proposal.must_create {
        return Err(exists(&place, base));
    }
    check_writable(&place, &meta.protocol, &meta.metadata, &meta.schema)?;
    if let Some(replacement) = &proposal.replacement {
        check_removable(&place, &meta.metadata)?;
        if replacement.new_schema {
            return redefined(&place, meta, files);
        }
    }
    check_partitioning(
        &place,
        &files.partition_by,
        meta.metadata.partition_columns(),
    )?;
    let merged = merge(&meta.schema, &files.schema, proposal.merge_schema, &place)?;
    check_nulls(&place, &meta.schema, &files.schema)?;
    if merged.added.is_empty() {
        return Ok(Vec::new());
    }
    check_ntz(&place, meta, &merged.schema)?;
    Ok(vec![widen(&meta.metadata, &merged.schema)?])
}

/// The action that gives the table the columns and partitioning of `files`, if it has others.
fn redefined(place: &str, meta: &TableMeta, files: &Files) -> Result<Vec<Action>> {
    if *meta.schema == files.schema && meta.metadata.partition_columns() == files.partition_by {
        return Ok(Vec::new());
    }
    check_ntz(place, meta, &files.schema)?;
    let metadata = redefine(&meta.metadata, &files.schema, &files.partition_by)?;
    Ok(vec![metadata])
}

/// The table at `place` was to be created.
pub(super) fn exists(place: &str, base: Option<u64>) -> Error {
    let since = match base {
        Some(_) => "",
        None => " since the write began",
    };
    Error::invalid_argument(format!(
        "{place} exists{since}; use mode \"append\" to add to it or \"ignore\" to leave it"
    ))
}

/// Refuses another partitioning than the table's.
pub(super) fn check_partitioning(place: &str, wanted: &[String], own: &[String]) -> Result<()> {
    let same = wanted.len() == own.len()
        && wanted
            .iter()
            .zip(own)
            .all(|(wanted, own)| wanted.eq_ignore_ascii_case(own));
    if same {
        return Ok(());
    }
    Err(super::data_type::mismatch(format!(
        "{place} is partitioned by [{}] and the write by [{}]; leave partition_by out to use the \
         table's",
        own.join(", "),
        wanted.join(", ")
    )))
}

/// Refuses to add a column of timestamps without time zone to a table that does not allow them.
pub(super) fn check_ntz(place: &str, meta: &TableMeta, merged: &StructType) -> Result<()> {
    if has_timestamp_ntz(merged)
        && !has_timestamp_ntz(&meta.schema)
        && !allows_timestamp_ntz(&meta.protocol)
    {
        return Err(Error::unsupported(format!(
            "{place} lacks the feature \"timestampNtz\" that a new column of timestamps without time \
             zone needs; cast it to a timestamp with time zone"
        )));
    }
    Ok(())
}

/// The files were written before the table forbade nulls in a column: they may hold some.
fn check_nulls(place: &str, own: &StructType, written: &StructType) -> Result<()> {
    let strict = own.fields().find(|field| {
        !field.is_nullable()
            && super::schema::find(written, field.name()).is_some_and(|file| file.is_nullable())
    });
    match strict {
        None => Ok(()),
        Some(field) => Err(super::data_type::mismatch(format!(
            "column {:?} of {place} must not be null since the rows were written; restart the query",
            field.name()
        ))),
    }
}

fn unknown(table: &Table, proposal: &Proposal, error: Error) -> Error {
    let what = match &proposal.identity {
        Identity::Transaction { app_id, version } => {
            format!("batch {version} of query {app_id} is committed; committing it again is safe")
        }
        Identity::Files | Identity::Mark(_) => {
            "the files are committed; look before writing again".to_owned()
        }
    };
    error.context(format!(
        "the log of delta table {} cannot be read to see whether {what}",
        table.url()
    ))
}

/// Twice as long each time, of which a random part, so that racing writers part.
fn backoff(tries: u32) -> Duration {
    let full = BACKOFF_FIRST
        .saturating_mul(1 << tries.min(16))
        .min(BACKOFF_MAX);
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let share = random as f64 / u64::MAX as f64;
    full.mul_f64(share)
}
