//! Runs the job: read, join, replace the dates, account.

use tokio_util::sync::CancellationToken;
use weir::delta::DeltaTable;
use weir::prelude::*;
use weir::program::print_line;
use weir::{Error, ErrorKind, Result};

use super::arguments::Arguments;
use super::gold::Gold;
use super::{dimension, revenue};
use crate::inputs::Input;
use crate::program::{Ended, unless_stopped};
use crate::tables::{Isolation, newest, replace_where, retry_conflicts, session};
use crate::totals::Totals;

/// Processes the dates. Dropped at any moment, it leaves gold as it was or as it is to be.
pub async fn run(arguments: Arguments, stop: CancellationToken) -> Ended<Gold> {
    unless_stopped(stop, add_up(&arguments)).await
}

async fn add_up(arguments: &Arguments) -> Result<Gold> {
    let session = session(super::NAME, &arguments.conf).await?;
    retry_conflicts(&arguments.gold, async || replace(&session, arguments).await).await
}

/// Replaces the dates once.
async fn replace(session: &Session, arguments: &Arguments) -> Result<Gold> {
    let mut gold = Gold::new(arguments);
    // Gold's version comes first: of two runs at once, the one that read the older silver is the one
    // whose gold has changed since.
    let gold_version = newest(session, &arguments.gold)
        .await?
        .map(|table| table.version());
    let products = Input::open(
        session,
        "--products",
        &arguments.products,
        &dimension::COLUMNS,
    )
    .await?;
    let silver = Input::open(session, "--silver", &arguments.silver, &revenue::COLUMNS).await?;
    gold.products_version = Some(products.version);
    gold.silver_version = Some(silver.version);
    dimension::check(&products, &arguments.products).await?;

    let orders = revenue::on_dates(silver.rows, arguments.date)?;
    let rows = revenue::rows(orders.clone(), dimension::rows(&products)?)?;
    let range = arguments.date;
    let dates = format!(
        "event_date >= {} AND event_date <= {}",
        range.first.sql(),
        range.last.sql()
    );
    let saved = replace_where(
        rows,
        &arguments.gold,
        &["event_date"],
        &dates,
        gold_version,
        Isolation::WriteSerializable,
    )
    .await;
    saved.map_err(|error| error.context("--gold"))?;

    let expected = Totals::of(&revenue::silver_totals(orders)?).await?;
    gold.silver_rows = expected.count("rows")?;
    gold.revenue = expected.text("revenue")?;
    account(session, arguments, &mut gold).await?;
    Ok(gold)
}

/// Reads gold back and checks that it has every row and all of the revenue of silver.
async fn account(session: &Session, arguments: &Arguments, gold: &mut Gold) -> Result<()> {
    let table = DeltaTable::for_path(session, &arguments.gold).await?;
    let (version, written) = (table.version(), table.to_df()?);
    let written = revenue::on_dates(written, arguments.date)?;
    let found = Totals::of(&revenue::gold_totals(written)?).await?;
    gold.gold_version = Some(version);
    gold.gold_rows = found.count("rows")?;
    gold.dates_with_rows = found.count("dates")?;
    gold.matched_rows = found.count("matched")?;
    gold.unmatched_rows = found.count("unmatched")?;
    let revenue = found.text("revenue")?;
    let shown = |revenue: &Option<String>| revenue.clone().unwrap_or_else(|| "0".to_owned());
    let sums = format!(
        "silver {} = matched {} + unmatched {}; revenue of silver {} = of gold {}",
        gold.silver_rows,
        gold.matched_rows,
        gold.unmatched_rows,
        shown(&gold.revenue),
        shown(&revenue)
    );
    let range = arguments.date;
    print_line(format_args!(
        "orders of {} to {}: {sums}",
        range.first, range.last
    ))?;
    if gold.matched_rows + gold.unmatched_rows == gold.silver_rows && revenue == gold.revenue {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "the orders of {} to {} do not add up, should be: {sums}; did another writer change {} \
         meanwhile? run the job again",
            range.first, range.last, arguments.gold
        ),
    ))
}
