//! What the job did, for its result line.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arguments::Arguments;
use crate::outcome::Details;

/// The job's part of its result line. `bronze_rows` is `silver_rows` + `duplicate_rows` +
/// `quarantined_rows`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Layered {
    /// The kind of record.
    pub entity: Option<&'static str>,
    /// The load date processed.
    pub load_date: Option<String>,
    /// Rows of bronze with this load date.
    pub bronze_rows: u64,
    /// Rows of silver with this load date.
    pub silver_rows: u64,
    /// Rows of this load that have another row's event_id and came after it.
    pub duplicate_rows: u64,
    /// Rows of this load in quarantine.
    pub quarantined_rows: u64,
    /// Rows of other loads that this run took out of silver: this load has an earlier one.
    pub displaced_rows: u64,
    /// Quarantined rows by the first rule they break.
    pub rules: BTreeMap<String, u64>,
    /// The dates of silver that were replaced.
    pub dates: Vec<String>,
    /// Silver's version; null without a table.
    pub silver_version: Option<u64>,
    /// The quarantine table's version; null without a table.
    pub quarantine_version: Option<u64>,
}

impl Details for Layered {
    const JOB: &'static str = super::NAME;
}

impl Layered {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self {
            entity: Some(arguments.entity.name()),
            load_date: Some(arguments.load_date.to_string()),
            ..Self::default()
        }
    }
}
