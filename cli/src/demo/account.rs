//! What is in the tables in the end: shown, and compared with what was made.

use weir::prelude::*;
use weir::program::print_line;
use weir::{DataFrame, Error, Result};

use super::lake::Lake;
use super::records::Made;

/// Characters of a column that are shown.
const WIDTH: usize = 36;

/// Prints a few rows of each table, and what is in quarantine by rule.
pub(super) async fn show(lake: &Lake) -> Result<()> {
    let session = Session::builder().app_name("demo").create().await?;
    for (name, order) in [
        ("bronze", "topic, partition, offset"),
        ("silver_orders", "event_time, event_id"),
        ("silver_clicks", "event_time, event_id"),
        ("gold_revenue", "event_date, category"),
        ("gold_sessions", "event_count DESC, session_start"),
    ] {
        let rows = lake.read(&session, name).await?;
        rows.create_or_replace_temp_view(name)?;
        let count = rows.count().await?;
        print_line(format_args!("\n{name}: {count} rows"))?;
        let query = format!("SELECT * FROM {name} ORDER BY {order}");
        session.sql(&query).await?.show_rows(4, Some(WIDTH)).await?;
    }
    print_line("\nquarantine, by rule")?;
    let quarantine = lake.read(&session, "quarantine").await?;
    quarantine
        .group_by([col("entity"), col("rule"), col("reason")])
        .count()?
        .order_by([col("entity"), col("rule")])?
        .show_rows(20, Some(60))
        .await
}

/// Compares the tables with what was made.
///
/// # Errors
/// `Internal` when a number differs.
pub(super) async fn close(lake: &Lake, made: &Made) -> Result<()> {
    let session = Session::builder().app_name("demo").create().await?;
    let mut found = [0; 4];
    for (count, name) in
        found
            .iter_mut()
            .zip(["bronze", "silver_orders", "silver_clicks", "quarantine"])
    {
        *count = lake.read(&session, name).await?.count().await?;
    }
    let [bronze, orders, clicks, quarantine] = found;
    let in_sessions = total(lake.read(&session, "gold_sessions").await?, "event_count").await?;
    let records = made.records;
    print_line(format_args!(
        "\nproduced {records} = bronze {bronze} = orders {orders} + clicks {clicks} + quarantine {quarantine} + duplicates {}",
        made.duplicates
    ))?;
    print_line(format_args!(
        "clicks {clicks} = clicks in sessions {in_sessions}"
    ))?;
    let wanted = [
        made.records,
        made.orders,
        made.clicks,
        made.broken,
        made.clicks,
    ];
    if [bronze, orders, clicks, quarantine, in_sessions] != wanted {
        return Err(Error::internal(format!(
            "the records do not add up, there must be {made:?}: this is a defect of Weir"
        )));
    }
    print_line("every record is where it belongs, exactly once")
}

/// The sum of a column of whole numbers.
async fn total(rows: DataFrame, column: &str) -> Result<u64> {
    use weir::datafusion::arrow::array::cast::AsArray;
    use weir::datafusion::arrow::datatypes::Int64Type;
    let sum = rows
        .agg([sum(col(column).cast("bigint")?)])?
        .collect()
        .await?;
    let value = sum.first().and_then(|batch| {
        let column = batch.column(0).as_primitive_opt::<Int64Type>()?;
        column.iter().next().flatten()
    });
    Ok(u64::try_from(value.unwrap_or_default()).unwrap_or_default())
}
