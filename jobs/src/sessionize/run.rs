//! Runs the job: read as far as the day's sessions go, replace the day, account.

use tokio_util::sync::CancellationToken;
use weir::delta::DeltaTable;
use weir::prelude::*;
use weir::program::print_line;
use weir::{DataFrame, Error, ErrorKind, Result};

use super::arguments::Arguments;
use super::sessionized::Sessionized;
use super::sessions::{COLUMNS, Counted, Scope, Tally};
use crate::dates::Day;
use crate::inputs::Input;
use crate::program::{Ended, unless_stopped};
use crate::tables::{Isolation, newest, replace_where, retry_conflicts, session};
use crate::totals::Totals;

/// Processes the day. Dropped at any moment, it leaves the table as it was or as it is to be.
pub async fn run(arguments: Arguments, stop: CancellationToken) -> Ended<Sessionized> {
    unless_stopped(stop, sessionize(&arguments)).await
}

async fn sessionize(arguments: &Arguments) -> Result<Sessionized> {
    let session = session(super::NAME, &arguments.conf).await?;
    retry_conflicts(&arguments.out, async || replace(&session, arguments).await).await
}

/// Replaces the day once.
async fn replace(session: &Session, arguments: &Arguments) -> Result<Sessionized> {
    // The table's version comes first: of two runs at once, the one that read the older silver is the
    // one whose table has changed since.
    let out_version = newest(session, &arguments.out)
        .await?
        .map(|table| table.version());
    let silver = Input::open(session, "--silver", &arguments.silver, &COLUMNS).await?;
    let mut done = Sessionized::new(arguments);
    done.silver_version = Some(silver.version);

    let found = find(arguments, &silver).await?;
    done.read_to = Some(found.last.to_string());
    done.silver_rows = found.counted.rows;
    done.rows_without_user = found.counted.without_user;
    done.sessions = found.tally.sessions;
    done.day_events = found.tally.day_events;
    done.later_events = found.tally.later_events;
    done.continued_events = found.tally.continued_events;
    done.open_sessions = found.tally.open;

    let scope = Scope::new(arguments.date, arguments.gap);
    let rows = scope.of_day(found.sessions)?;
    let day = format!("session_date = {}", arguments.date.sql());
    let saved = replace_where(
        rows,
        &arguments.out,
        &["session_date"],
        &day,
        out_version,
        Isolation::WriteSerializable,
    )
    .await;
    saved.map_err(|error| error.context("--out"))?;
    account(session, arguments, &mut done).await?;
    Ok(done)
}

/// The sessions that touch the day, over all dates they go on to.
struct Found {
    sessions: DataFrame,
    counted: Counted,
    tally: Tally,
    /// The last date read.
    last: Day,
}

/// Reads the day after, too, and ever more days while a session of the day may go on beyond them.
async fn find(arguments: &Arguments, silver: &Input) -> Result<Found> {
    let day = arguments.date;
    let scope = Scope::new(day, arguments.gap);
    let mut ahead = 1;
    let mut newest = None;
    loop {
        let last = match newest {
            Some(newest) => day.plus(ahead).min(newest),
            None => day.plus(ahead),
        };
        let rows = scope.rows(silver.rows.clone(), last)?;
        let counted = scope.count(rows.clone()).await?;
        if counted.misplaced > 0 {
            return Err(Error::new(
                ErrorKind::Compute,
                format!(
                    "--silver: table {} at version {} has {} rows up to {last} whose event_time is not \
                     on their event_date in UTC, so that sessions could miss events; correct \
                     event_date, then run the job again",
                    arguments.silver, silver.version, counted.misplaced
                ),
            ));
        }
        let sessions = scope.sessions(rows)?;
        let tally = scope.tally(sessions.clone(), counted.newest).await?;
        let found = |tally| Found {
            sessions,
            counted,
            tally,
            last,
        };
        if !scope.may_go_on(&tally, last) {
            let closed = last_date_after(silver, last).await?.is_some();
            return Ok(found(Tally {
                open: if closed { 0 } else { tally.open },
                ..tally
            }));
        }
        newest = last_date_after(silver, last).await?;
        if newest.is_none() {
            return Ok(found(tally));
        }
        // Not day by day: a user who never stops would be read once for each.
        ahead *= 2;
    }
}

/// Silver's last date, if it is after `day`.
async fn last_date_after(silver: &Input, day: Day) -> Result<Option<Day>> {
    let later = silver
        .rows
        .clone()
        .filter(col("event_date").gt(day.literal()))?;
    let totals = later.agg([max(col("event_date")).alias("newest")])?;
    Totals::of(&totals).await?.day("newest")
}

/// Checks that every event of the day is in a session, and the table has the sessions.
async fn account(session: &Session, arguments: &Arguments, done: &mut Sessionized) -> Result<()> {
    let table = DeltaTable::for_path(session, &arguments.out).await?;
    let (version, written) = (table.version(), table.to_df()?);
    let totals = written
        .filter(col("session_date").eq(arguments.date.literal()))?
        .agg([
            count(lit(1_i64)).alias("sessions"),
            sum(col("event_count")).alias("events"),
        ])?;
    let totals = Totals::of(&totals).await?;
    let (sessions, events) = (totals.count("sessions")?, totals.count("events")?);
    done.out_version = Some(version);
    let sums = format!(
        "silver {} = in the day's sessions {} + in sessions begun before {} + without a user {}; \
         {} sessions hold {} events = {} of the day + {} of later days",
        done.silver_rows,
        done.day_events,
        done.continued_events,
        done.rows_without_user,
        sessions,
        events,
        done.day_events,
        done.later_events
    );
    print_line(format_args!("events of {}: {sums}", arguments.date))?;
    let of_day = done.day_events + done.continued_events + done.rows_without_user;
    if of_day == done.silver_rows
        && sessions == done.sessions
        && events == done.day_events + done.later_events
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "the events of {} do not add up, should be {} sessions: {sums}; did another writer change {} \
         meanwhile? run the job again",
            arguments.date, done.sessions, arguments.out
        ),
    ))
}
