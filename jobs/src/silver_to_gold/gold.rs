//! What the job did, for its result line.

use serde::Serialize;

use super::arguments::Arguments;
use crate::outcome::Details;

/// The job's part of its result line. `silver_rows` is `matched_rows` + `unmatched_rows`, and `revenue`
/// is the same in silver and in gold.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Gold {
    /// The first date replaced.
    pub first_date: Option<String>,
    /// The last date replaced.
    pub last_date: Option<String>,
    /// Rows of silver on these dates.
    pub silver_rows: u64,
    /// Those whose product is in the dimension.
    pub matched_rows: u64,
    /// Those whose product is not, or who name none.
    pub unmatched_rows: u64,
    /// Rows of gold on these dates.
    pub gold_rows: u64,
    /// How many of these dates have rows.
    pub dates_with_rows: u64,
    /// The sum of silver's amounts, as a decimal number; null without a row.
    pub revenue: Option<String>,
    /// The version of silver that was read.
    pub silver_version: Option<u64>,
    /// The version of the dimension that was read.
    pub products_version: Option<u64>,
    /// The version of gold that was read back.
    pub gold_version: Option<u64>,
}

impl Details for Gold {
    const JOB: &'static str = super::NAME;
}

impl Gold {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self {
            first_date: Some(arguments.date.first.to_string()),
            last_date: Some(arguments.date.last.to_string()),
            ..Self::default()
        }
    }
}
