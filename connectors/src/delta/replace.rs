//! What a commit replaces, and which commits of others it cannot follow.
//!
//! A replacement was computed from one version of the table. Another commit that landed since is
//! followed without computing anew as long as the result is what it would be had this write begun
//! after it: it added no file that could hold replaced rows, removed none of the replaced files, and
//! left the table's metadata and protocol alone. Delta Lake calls this `Serializable`; it is stricter
//! than its default in that an append of rows that would be replaced is a conflict, too.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use deltalake::logstore::LogStore as _;
use serde::Deserialize;
use weir_plan::{Error, ErrorKind, Result};

use super::error::table_error;
use super::file_stats::partition_array;
use super::live::LiveFile;
use super::predicate::ReplaceWhere;
use super::table::Table;

/// Which rows are replaced.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    /// All.
    Table,
    /// Those a predicate is true of.
    Where(Box<ReplaceWhere>),
    /// Those of some partitions.
    Partitions(PartitionSet),
}

impl Scope {
    /// Of each of `files`, whether it can hold such a row.
    pub(super) fn may_match(&self, files: &[LiveFile]) -> Result<Vec<bool>> {
        match self {
            Self::Table => Ok(vec![true; files.len()]),
            Self::Where(predicate) => predicate.may_match(files),
            Self::Partitions(partitions) => partitions.contains(files),
        }
    }

    fn described(&self) -> String {
        match self {
            Self::Table => "the table".to_owned(),
            Self::Where(predicate) => format!("the rows where {}", predicate.text()),
            Self::Partitions(_) => "the partitions it wrote".to_owned(),
        }
    }
}

/// Partitions by their typed values: writers do not agree on the text of a value.
#[derive(Debug, Clone)]
pub(super) struct PartitionSet {
    schema: SchemaRef,
    partition_by: Vec<String>,
    values: HashSet<Vec<ScalarValue>>,
}

impl PartitionSet {
    /// The partitions of `files` of a table of `schema`.
    pub(super) fn of(
        files: &[LiveFile],
        schema: SchemaRef,
        partition_by: &[String],
    ) -> Result<Self> {
        let mut set = Self {
            schema,
            partition_by: partition_by.to_vec(),
            values: HashSet::new(),
        };
        set.values = set.keys(files)?.into_iter().collect();
        Ok(set)
    }

    fn contains(&self, files: &[LiveFile]) -> Result<Vec<bool>> {
        let keys = self.keys(files)?;
        Ok(keys.iter().map(|key| self.values.contains(key)).collect())
    }

    fn keys(&self, files: &[LiveFile]) -> Result<Vec<Vec<ScalarValue>>> {
        let mut keys = vec![Vec::with_capacity(self.partition_by.len()); files.len()];
        for name in &self.partition_by {
            let field = self.schema.field_with_name(name).map_err(|error| {
                Error::internal(format!("partition column {name:?} is not in the table"))
                    .with_source(error)
            })?;
            let values = partition_array(files, field)?;
            for (row, key) in keys.iter_mut().enumerate() {
                key.push(ScalarValue::try_from_array(&values, row).map_err(Error::from)?);
            }
        }
        Ok(keys)
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Replacement {
    /// The version it was computed from; `None`: there was no table.
    pub(super) base: Option<u64>,
    pub(super) scope: Scope,
    /// The files of that version that go.
    pub(super) removes: Vec<LiveFile>,
    /// Every commit of rows since is a conflict, wherever the rows are.
    pub(super) serializable: bool,
    /// The table's columns and partitioning become those of the new files.
    pub(super) new_schema: bool,
}

/// What of a log line can conflict.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<LiveFile>,
    remove: Option<Removed>,
    meta_data: Option<serde::de::IgnoredAny>,
    protocol: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Removed {
    path: String,
}

impl Replacement {
    /// Checks the commits after the version it was computed from, up to the newest known.
    ///
    /// # Errors
    /// `Conflict` when one of them cannot be followed; `Storage`.
    pub(super) async fn check_since(&self, table: &Table) -> Result<()> {
        let Some(newest) = table.version() else {
            return match self.base {
                None => Ok(()),
                Some(_) => Err(Error::internal("a replaced table is not known")),
            };
        };
        let Some(base) = self.base else {
            return Err(self.conflict(table, 0, "created the table"));
        };
        let removes: HashSet<&str> = self.removes.iter().map(|file| file.path.as_str()).collect();
        for version in base + 1..=newest {
            let entry = table.log_store().read_commit_entry(version).await;
            let entry =
                entry.map_err(|error| table_error(table.url(), "reading the log of", error))?;
            let Some(entry) = entry else {
                return Err(self.conflict(table, version, "is no longer in the log"));
            };
            if let Some(what) = self.conflict_in(&entry, &removes)? {
                return Err(self.conflict(table, version, what));
            }
        }
        Ok(())
    }

    fn conflict_in(&self, entry: &[u8], removes: &HashSet<&str>) -> Result<Option<&'static str>> {
        let mut added = Vec::new();
        for line in String::from_utf8_lossy(entry).lines() {
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(line).map_err(|error| {
                Error::new(ErrorKind::Storage, "an entry of the delta log is no JSON")
                    .with_source(error)
            })?;
            if line.meta_data.is_some() {
                return Ok(Some("changed the table's metadata"));
            }
            if line.protocol.is_some() {
                return Ok(Some("changed the table's protocol"));
            }
            if self.serializable && (line.add.is_some() || line.remove.is_some()) {
                return Ok(Some("changed rows"));
            }
            if line
                .remove
                .is_some_and(|removed| removes.contains(removed.path.as_str()))
            {
                return Ok(Some("removed files that are to be replaced"));
            }
            added.extend(line.add);
        }
        let any = self.scope.may_match(&added)?.contains(&true);
        Ok(any.then_some("added rows that could be among the replaced"))
    }

    fn conflict(&self, table: &Table, version: u64, what: &str) -> Error {
        let since = match self.base {
            Some(base) => format!("since version {base}, which it was computed from"),
            None => "since it began".to_owned(),
        };
        Error::new(
            ErrorKind::Conflict,
            format!(
                "not committed: the write replaces {} in delta table {}, and {since}, version \
                 {version} {what}; read the table again and run the write again",
                self.scope.described(),
                table.url()
            ),
        )
    }
}
