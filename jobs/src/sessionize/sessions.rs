//! Which events are one session, and what is known of those that touch a day.
//!
//! An event begins a session when it comes more than the gap after the user's event before; at exactly the
//! gap it still belongs. So it is in Spark: `session_window` describes a window as ending before its start
//! plus the gap, but merges an event that begins where the window ends (`UpdatingSessionsIterator`).
//!
//! Events at the same time are in one session in any order, and no column of a session depends on it.

use weir::datafusion::arrow::datatypes::{DataType, TimeUnit};
use weir::datafusion::functions::crypto::expr_fn::md5;
use weir::datafusion::functions::string::expr_fn::concat;
use weir::datafusion::logical_expr::{Cast, Expr};
use weir::prelude::*;
use weir::{DataFrame, Result};

use super::gap::Gap;
use crate::dates::Day;
use crate::inputs::ColumnKind;
use crate::totals::Totals;

/// The columns silver must have.
pub(super) const COLUMNS: [(&str, ColumnKind); 3] = [
    ("event_date", ColumnKind::Date),
    ("event_time", ColumnKind::Timestamp),
    ("user_id", ColumnKind::Key),
];

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The event's time in microseconds since the epoch.
const AT: &str = "__at";
/// Where the event's session starts, in the same.
const START: &str = "__start";
/// The session's last event, in the same.
const END: &str = "__end";
/// How many of the session's events are on the day.
const ON_DAY: &str = "__on_day";
/// How many are after it.
const AFTER: &str = "__after";

/// A day and the gap: which events and sessions are the day's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    day: Day,
    gap: Gap,
}

/// What silver holds on the dates read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Rows of the day.
    pub(super) rows: u64,
    /// Those without a user.
    pub(super) without_user: u64,
    /// Rows whose event_time is not on their event_date, of any date.
    pub(super) misplaced: u64,
    /// The last event, in microseconds since the epoch.
    pub(super) newest: Option<i64>,
}

/// What is known of the sessions that touch the day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Those that start on it.
    pub(super) sessions: u64,
    /// Their events on it.
    pub(super) day_events: u64,
    /// Their events after it.
    pub(super) later_events: u64,
    /// Events on it of sessions that began before.
    pub(super) continued_events: u64,
    /// The last event of those that start on it, in microseconds since the epoch.
    pub(super) end: Option<i64>,
    /// Those that start on it and whose gap reaches to the last event of silver.
    pub(super) open: u64,
}

impl Scope {
    pub(super) fn new(day: Day, gap: Gap) -> Self {
        Self { day, gap }
    }

    /// The rows of silver that decide about the day, if no session of the day goes on after `last`: its
    /// own, those before that are within the gap of its beginning, and those after. event_date is
    /// silver's partition column: other partitions are not read.
    pub(super) fn rows(self, silver: DataFrame, last: Day) -> Result<DataFrame> {
        let first = self.day.plus(-self.gap.days());
        silver.filter(col("event_date").between(first.literal(), last.literal()))
    }

    /// Counts `rows` as they are in silver.
    pub(super) async fn count(self, rows: DataFrame) -> Result<Counted> {
        let own = col("event_date").eq(self.day.literal());
        let right = col("event_time").cast("date")?.eq(col("event_date"));
        let totals = rows.agg([
            number(own.clone())?.alias("rows"),
            number(own.and(col("user_id").is_null()))?.alias("without_user"),
            number(not(coalesce(vec![right, lit(false)])))?.alias("misplaced"),
            max(micros("event_time")).alias("newest"),
        ])?;
        let totals = Totals::of(&totals).await?;
        Ok(Counted {
            rows: totals.count("rows")?,
            without_user: totals.count("without_user")?,
            misplaced: totals.count("misplaced")?,
            newest: totals.long("newest")?,
        })
    }

    /// The sessions of `rows`, with their parts; the first of a user may have begun before the rows do.
    pub(super) fn sessions(self, rows: DataFrame) -> Result<DataFrame> {
        let (begin, end) = (lit(self.begin()), lit(self.end()));
        let events = rows
            .filter(col("user_id").is_not_null())?
            .select([col("user_id"), micros("event_time").alias(AT)])?
            .filter(col(AT).gt_eq(begin.clone() - self.gap.literal()))?;
        let of_user = Window::partition_by([col("user_id")]).order_by([col(AT)]);
        let before = lag(col(AT), 1, None).over(&of_user)?;
        let begins = "__begins";
        let with_start = events
            .with_column("__before", before)?
            .with_column(
                begins,
                when(
                    (col(AT) - col("__before")).lt_eq(self.gap.literal()),
                    lit(weir::datafusion::common::ScalarValue::Int64(None)),
                )
                .otherwise(col(AT))?,
            )?
            // Times ascend, so the last start up to an event is the greatest.
            .with_column(START, max(col(begins)).over(&of_user)?)?;
        let on_day = col(AT).gt_eq(begin).and(col(AT).lt(end.clone()));
        with_start.group_by(["user_id", START].map(col)).agg([
            max(col(AT)).alias(END),
            count(lit(1_i64)).alias("event_count"),
            number(on_day)?.alias(ON_DAY),
            number(col(AT).gt_eq(end))?.alias(AFTER),
        ])
    }

    /// Counts the `sessions` of [`Self::sessions`]; `newest` is silver's last event.
    pub(super) async fn tally(self, sessions: DataFrame, newest: Option<i64>) -> Result<Tally> {
        let own = self.starts_on_day();
        let of_own = |value: Expr| -> Result<Expr> { Ok(when(own.clone(), value).end()?) };
        let open_from = newest.map_or(i64::MAX, |newest| newest.saturating_sub(self.gap.micros()));
        let totals = sessions.agg([
            number(own.clone())?.alias("sessions"),
            sum(of_own(col(ON_DAY))?).alias("day_events"),
            sum(of_own(col(AFTER))?).alias("later_events"),
            sum(when(col(START).lt(lit(self.begin())), col(ON_DAY)).end()?)
                .alias("continued_events"),
            max(of_own(col(END))?).alias("end"),
            number(own.clone().and(col(END).gt_eq(lit(open_from))))?.alias("open"),
        ])?;
        let totals = Totals::of(&totals).await?;
        Ok(Tally {
            sessions: totals.count("sessions")?,
            day_events: totals.count("day_events")?,
            later_events: totals.count("later_events")?,
            continued_events: totals.count("continued_events")?,
            end: totals.long("end")?,
            open: totals.count("open")?,
        })
    }

    /// Whether an event after the day `last` may belong to a session of `tally`.
    pub(super) fn may_go_on(self, tally: &Tally, last: Day) -> bool {
        let read_to = (i64::from(last.since_epoch()) + 1) * MICROS_PER_DAY;
        tally
            .end
            .is_some_and(|end| end.saturating_add(self.gap.micros()) >= read_to)
    }

    /// The rows of the sessions that start on the day.
    ///
    /// | column | type | |
    /// |---|---|---|
    /// | user_id | as in silver | |
    /// | session_id | string | MD5 of `USER|MICROSECONDS`: user_id and session_start since the epoch; hexadecimal |
    /// | session_start | timestamp | the first event |
    /// | session_end | timestamp | the last event |
    /// | event_count | bigint | |
    /// | session_duration_seconds | bigint | whole seconds from start to end |
    /// | session_date | date | the day of session_start in UTC; the table's partitions |
    pub(super) fn of_day(self, sessions: DataFrame) -> Result<DataFrame> {
        let id = vec![
            col("user_id").cast("string")?,
            lit("|"),
            col(START).cast("string")?,
        ];
        sessions.filter(self.starts_on_day())?.select([
            col("user_id"),
            md5(concat(id)).cast("string")?.alias("session_id"),
            timestamp(col(START)).alias("session_start"),
            timestamp(col(END)).alias("session_end"),
            col("event_count"),
            // A quotient is a double; the part below a second goes.
            ((col(END) - col(START)) / lit(MICROS_PER_SECOND))
                .cast("bigint")?
                .alias("session_duration_seconds"),
            self.day.literal().alias("session_date"),
        ])
    }

    fn starts_on_day(self) -> Expr {
        let start = || col(START);
        start()
            .gt_eq(lit(self.begin()))
            .and(start().lt(lit(self.end())))
    }

    /// Where the day begins, in microseconds since the epoch.
    fn begin(self) -> i64 {
        i64::from(self.day.since_epoch()) * MICROS_PER_DAY
    }

    /// Where the next one does.
    fn end(self) -> i64 {
        self.begin() + MICROS_PER_DAY
    }
}

/// How many rows `condition` is true of; null without rows.
fn number(condition: Expr) -> Result<Expr> {
    Ok(sum(when(condition, lit(1_i64)).otherwise(lit(0_i64))?))
}

/// Column `name`, a timestamp, in microseconds since the epoch.
fn micros(name: &str) -> Expr {
    Expr::Cast(Cast::new(Box::new(timestamp(col(name))), DataType::Int64))
}

/// As a timestamp in UTC: microseconds since the epoch, or another timestamp.
fn timestamp(expr: Expr) -> Expr {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Expr::Cast(Cast::new(Box::new(expr), utc))
}
