//! Runs the job: read, tell apart, settle, replace what the load touches, account.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;
use weir::datafusion::arrow::array::cast::AsArray;
use weir::datafusion::arrow::datatypes::{Date32Type, Int64Type};
use weir::datafusion::arrow::util::display::array_value_to_string;
use weir::datafusion::common::JoinType;
use weir::delta::DeltaTable;
use weir::prelude::*;
use weir::program::print_line;
use weir::{DataFrame, Error, ErrorKind, Result};

use super::arguments::Arguments;
use super::layered::Layered;
use super::settle::{KEY, Settled};
use crate::dates::Day;
use crate::program::{Ended, unless_stopped};
use crate::tables::{Isolation, newest, replace_where, retry_conflicts, session};

/// Processes one load. Dropped at any moment, it leaves each table as it was or as it is to be.
pub async fn run(arguments: Arguments, stop: CancellationToken) -> Ended<Layered> {
    unless_stopped(stop, load(&arguments)).await
}

async fn load(arguments: &Arguments) -> Result<Layered> {
    check_apart(arguments)?;
    let session = session(super::NAME, &arguments.conf).await?;
    retry_conflicts(&arguments.silver, async || {
        attempt(&session, arguments).await
    })
    .await
}

/// A table of one shape over one of another would spoil both.
fn check_apart(arguments: &Arguments) -> Result<()> {
    let quarantine = arguments.quarantine();
    let tables = [
        ("--bronze", arguments.bronze.as_str()),
        ("--silver", arguments.silver.as_str()),
        ("--quarantine", quarantine.as_str()),
    ];
    for (n, (name, location)) in tables.iter().enumerate() {
        let same = |other: &str| other.trim_end_matches('/') == location.trim_end_matches('/');
        if let Some((other, _)) = tables[..n].iter().find(|(_, table)| same(table)) {
            return Err(Error::invalid_argument(format!(
                "{name} is {location:?}, as {other} is; give each a table of its own"
            )));
        }
    }
    Ok(())
}

/// Processes the load once.
async fn attempt(session: &Session, arguments: &Arguments) -> Result<Layered> {
    // The versions of what is replaced come first: of two runs at once, the one that read the older
    // bronze is the one whose tables have changed since.
    let old_quarantine = newest(session, &arguments.quarantine()).await?;
    let old_silver = newest(session, &arguments.silver).await?;
    let bronze = DeltaTable::for_path(session, &arguments.bronze).await?;
    let topics = arguments.topics();
    let bronze = bronze
        .to_df()?
        .filter(col("load_date").eq(lit(arguments.load_date.to_string())))?
        .filter(col("topic").isin(topics.into_iter().map(lit)))?;
    let mut layered = Layered::new(arguments);
    layered.bronze_rows = bronze.clone().count().await?;

    let (entity, load_date) = (arguments.entity, arguments.load_date);
    let checked = entity.check(bronze, load_date)?;
    // The quarantine goes first: once silver has the load, all of it is done.
    let rejected = entity.quarantine(checked.quarantined(), load_date)?;
    let version = old_quarantine.map(|table| table.version());
    quarantine(arguments, rejected, version).await?;
    let valid = entity.silver(checked.valid(), load_date)?;
    silver(arguments, valid, old_silver.as_ref(), &mut layered).await?;
    account(session, arguments, &mut layered).await?;
    Ok(layered)
}

/// Replaces what earlier runs of this load put into quarantine. Without a broken row, too: whether there
/// is one would take another look at every record.
async fn quarantine(
    arguments: &Arguments,
    rejected: DataFrame,
    version: Option<u64>,
) -> Result<()> {
    let own = format!(
        "entity = '{}' AND load_date = '{}'",
        arguments.entity.name(),
        arguments.load_date
    );
    let location = arguments.quarantine();
    let partitions = ["entity", "load_date"];
    let isolation = Isolation::WriteSerializable;
    let saved = replace_where(rejected, &location, &partitions, &own, version, isolation).await;
    saved.map_err(|error| error.context("--quarantine"))
}

/// Replaces the dates of silver, which was `old`, that this load touches, or once touched.
async fn silver(
    arguments: &Arguments,
    valid: DataFrame,
    old: Option<&DeltaTable>,
    layered: &mut Layered,
) -> Result<()> {
    let version = old.map(DeltaTable::version);
    let current = old.map(DeltaTable::to_df).transpose()?;
    let load_date = arguments.load_date;
    let others = col("load_date").not_eq(lit(load_date.to_string()));
    let prior = match &current {
        None => None,
        Some(current) => {
            let days = i64::from(arguments.lookback_days);
            let around = col("load_date").between(
                lit(load_date.plus(-days).to_string()),
                lit(load_date.plus(days).to_string()),
            );
            Some(current.clone().filter(around)?.filter(others.clone())?)
        }
    };
    let settled = Settled::new(valid, prior)?;
    let tally = settled.tally().await?;
    layered.duplicate_rows = tally.lost;
    layered.displaced_rows = tally.displaced;
    let mut dates: BTreeSet<Day> = tally.dates.into_iter().collect();
    if let Some(current) = &current {
        // What an earlier run made of this load, which may have been another one then.
        let own = current
            .clone()
            .filter(col("load_date").eq(lit(load_date.to_string())))?;
        dates.extend(days_of(own).await?);
    }
    layered.dates = dates.iter().map(ToString::to_string).collect();
    if dates.is_empty() {
        return Ok(());
    }
    let mut rows = settled.winners()?;
    if let Some(current) = current {
        let literals = dates.iter().map(|day| day.literal()).collect();
        let mut kept = current
            .filter(col("event_date").in_list(literals, false))?
            .filter(others)?;
        if tally.displaced > 0 {
            kept = kept.join(settled.displaced()?, KEY, JoinType::LeftAnti)?;
        }
        let columns = rows.columns();
        rows = rows.union(kept.select(columns.into_iter().map(col))?)?;
    }
    let dates: Vec<String> = dates.into_iter().map(Day::sql).collect();
    let dates = format!("event_date IN ({})", dates.join(", "));
    // What is replaced was decided by silver's other dates, too: a duplicate may be on any.
    let isolation = Isolation::Serializable;
    let location = &arguments.silver;
    let saved = replace_where(rows, location, &["event_date"], &dates, version, isolation).await;
    saved.map_err(|error| error.context("--silver"))
}

/// The event dates of `rows`.
async fn days_of(rows: DataFrame) -> Result<Vec<Day>> {
    let mut days = Vec::new();
    for batch in rows
        .select([col("event_date")])?
        .distinct()?
        .collect()
        .await?
    {
        let column = batch.column(0).as_primitive_opt::<Date32Type>();
        let column = column.ok_or_else(|| Error::internal("event_date is no date"))?;
        days.extend((0..column.len()).filter_map(|row| Day::from_epoch(column.value(row))));
    }
    Ok(days)
}

/// How many of the quarantined `rows` break which rule first.
async fn by_rule(rows: DataFrame) -> Result<BTreeMap<String, u64>> {
    let mut rules = BTreeMap::new();
    for batch in rows.group_by([col("rule")]).count()?.collect().await? {
        let counts = batch.column(1).as_primitive_opt::<Int64Type>();
        let counts = counts.ok_or_else(|| Error::internal("a count is no bigint"))?;
        for row in 0..batch.num_rows() {
            let rule = array_value_to_string(batch.column(0), row)
                .map_err(|error| Error::internal("a rule's name is no text").with_source(error))?;
            rules.insert(rule, u64::try_from(counts.value(row)).unwrap_or_default());
        }
    }
    Ok(rules)
}

/// Reads both tables back and checks that every bronze row is somewhere.
async fn account(session: &Session, arguments: &Arguments, layered: &mut Layered) -> Result<()> {
    let load_date = arguments.load_date.to_string();
    let of_load = col("load_date").eq(lit(load_date));
    if let Some(silver) = newest(session, &arguments.silver).await? {
        layered.silver_version = Some(silver.version());
        let own = silver.to_df()?.filter(of_load.clone())?;
        layered.silver_rows = own.count().await?;
    }
    if let Some(quarantine) = newest(session, &arguments.quarantine()).await? {
        layered.quarantine_version = Some(quarantine.version());
        let rows = quarantine.to_df()?;
        let own = of_load.and(col("entity").eq(lit(arguments.entity.name())));
        layered.rules = by_rule(rows.filter(own)?).await?;
        layered.quarantined_rows = layered.rules.values().sum();
    }
    let sum = layered.silver_rows + layered.duplicate_rows + layered.quarantined_rows;
    print_line(format_args!(
        "{} of {}: bronze {} = silver {} + duplicates {} + quarantine {}",
        arguments.entity.name(),
        arguments.load_date,
        layered.bronze_rows,
        layered.silver_rows,
        layered.duplicate_rows,
        layered.quarantined_rows
    ))?;
    if sum != layered.bronze_rows {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "the rows of load date {} do not add up: bronze {} is not silver {} + duplicates {} + \
             quarantine {}; did another writer change the tables meanwhile? run the job again",
                arguments.load_date,
                layered.bronze_rows,
                layered.silver_rows,
                layered.duplicate_rows,
                layered.quarantined_rows
            ),
        ));
    }
    Ok(())
}
