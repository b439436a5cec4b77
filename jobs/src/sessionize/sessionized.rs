//! What the job did, for its result line.

use serde::Serialize;

use super::arguments::Arguments;
use crate::outcome::Details;

/// The job's part of its result line. `silver_rows` is `day_events` + `continued_events` +
/// `rows_without_user`; the table's `event_count`s of the day add up to `day_events` + `later_events`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sessionized {
    /// The day.
    pub date: Option<String>,
    /// The gap, in seconds.
    pub gap_seconds: Option<f64>,
    /// Rows of silver on the day.
    pub silver_rows: u64,
    /// Sessions that start on the day.
    pub sessions: u64,
    /// Their events on the day.
    pub day_events: u64,
    /// Their events after the day.
    pub later_events: u64,
    /// Events on the day of sessions that began before.
    pub continued_events: u64,
    /// Rows on the day without a user_id: in no session.
    pub rows_without_user: u64,
    /// Sessions of the day that clicks silver does not have yet may go on: their gap reaches beyond its
    /// last event.
    pub open_sessions: u64,
    /// The last date of silver that was read.
    pub read_to: Option<String>,
    /// The version of silver that was read.
    pub silver_version: Option<u64>,
    /// The version of the table that was read back.
    pub out_version: Option<u64>,
}

impl Details for Sessionized {
    const JOB: &'static str = super::NAME;
}

impl Sessionized {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self {
            date: Some(arguments.date.to_string()),
            gap_seconds: Some(arguments.gap.micros() as f64 / 1e6),
            ..Self::default()
        }
    }
}
