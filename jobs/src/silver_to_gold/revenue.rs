//! Gold's rows, over orders and the dimension.

use weir::datafusion::common::JoinType;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::{DataFrame, Result};

use super::dimension::{FOUND, KEY};
use crate::dates::DayRange;
use crate::inputs::ColumnKind;

/// The columns silver must have.
pub(super) const COLUMNS: [(&str, ColumnKind); 5] = [
    ("event_date", ColumnKind::Date),
    ("order_id", ColumnKind::Key),
    ("product_id", ColumnKind::Key),
    ("quantity", ColumnKind::Integer),
    ("amount", ColumnKind::Decimal),
];

/// Silver's product as text, null as it is.
const ORDERED: &str = "__ordered_product_id";

/// The rows on the dates of `range`. event_date is the tables' partition column: other partitions are
/// not read.
pub(super) fn on_dates(rows: DataFrame, range: DayRange) -> Result<DataFrame> {
    rows.filter(col("event_date").between(range.first.literal(), range.last.literal()))
}

/// Gold's rows.
///
/// | column | type | |
/// |---|---|---|
/// | event_date | date | the table's partitions |
/// | category | string | of the dimension; null without one there, and without a product there |
/// | matched | boolean | whether the dimension has the product |
/// | order_count | bigint | different order_id |
/// | item_count | bigint | rows of silver: order lines |
/// | quantity | bigint | the sum of quantity; null if no line gives one |
/// | revenue | decimal | the sum of amount |
///
/// Orders are on the left, so that none is lost; the engine swaps the sides to build its hash table
/// from the dimension.
pub(super) fn rows(orders: DataFrame, dimension: DataFrame) -> Result<DataFrame> {
    let session = orders.session().clone();
    let orders = orders.select([
        col("event_date"),
        col("order_id"),
        col("product_id").cast("string")?.alias(ORDERED),
        col("quantity").cast("bigint")?.alias("quantity"),
        col("amount"),
    ])?;
    let (orders, dimension) = (orders.into_datafusion(), dimension.into_datafusion());
    let joined = orders.join(dimension, JoinType::Left, &[ORDERED], &[KEY], None)?;
    DataFrame::from_datafusion(&session, joined)
        .with_column("matched", col(FOUND).is_not_null())?
        .group_by(["event_date", "category", "matched"].map(col))
        .agg([
            count_distinct(col("order_id")).alias("order_count"),
            count(lit(1_i64)).alias("item_count"),
            sum(col("quantity")).alias("quantity"),
            sum(col("amount")).alias("revenue"),
        ])
}

/// What silver must hold, for comparison: `rows` and `revenue`.
pub(super) fn silver_totals(orders: DataFrame) -> Result<DataFrame> {
    orders.agg([
        count(lit(1_i64)).alias("rows"),
        sum(col("amount")).alias("revenue"),
    ])
}

/// What gold holds: `rows`, `dates`, `matched`, `unmatched` and `revenue`.
pub(super) fn gold_totals(gold: DataFrame) -> Result<DataFrame> {
    let items = |matched: Expr| -> Result<Expr> {
        Ok(sum(when(matched, col("item_count")).otherwise(lit(0_i64))?))
    };
    gold.agg([
        count(lit(1_i64)).alias("rows"),
        count_distinct(col("event_date")).alias("dates"),
        items(col("matched"))?.alias("matched"),
        items(not(col("matched")))?.alias("unmatched"),
        sum(col("revenue")).alias("revenue"),
    ])
}
