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
/// amount is a line's total: it is not multiplied by quantity.
///
/// Orders are on the left, so that none is lost. The engine builds its hash table from the side that its
/// statistics say is smaller, and gathers that side for every task (a broadcast join) if it takes less than
/// 1 MiB or, where only rows are known, has fewer than 131,072 of them
/// (`weir.sql.autoBroadcastJoinThreshold`). Two larger sides are both spread by product.
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

#[cfg(test)]
mod tests {
    use weir::datafusion::physical_plan::displayable;

    use super::*;
    use crate::inputs::Input;
    use crate::silver_to_gold::dimension;

    async fn table(session: &Session, location: &str, sql: &str) {
        let rows = session.sql(sql).await.unwrap();
        rows.write().format("delta").save(location).await.unwrap();
    }

    /// Gold's physical plan over 50,000 orders and so many products.
    async fn plan(products: u32) -> String {
        let lake = tempfile::tempdir().unwrap();
        let path = |name: &str| lake.path().join(name).display().to_string();
        let builder = Session::builder().master("local[2]");
        let session = builder.create().await.unwrap();
        let orders = "SELECT DATE '2026-01-31' AS event_date, 'o' || value AS order_id, \
                      'p' || (value % 100) AS product_id, CAST(1 AS INT) AS quantity, \
                      CAST(1 AS DECIMAL(18,2)) AS amount FROM generate_series(1, 50000)";
        table(&session, &path("silver"), orders).await;
        let dimension = format!(
            "SELECT 'p' || value AS product_id, 'c' || (value % 7) AS category, \
             'the name of product ' || value AS name FROM generate_series(1, {products})"
        );
        table(&session, &path("products"), &dimension).await;
        let (silver, dimension) = (path("silver"), path("products"));
        let silver = Input::open(&session, "--silver", &silver, &COLUMNS);
        let silver = silver.await.unwrap();
        let products = Input::open(&session, "--products", &dimension, &dimension::COLUMNS);
        let products = dimension::rows(&products.await.unwrap()).unwrap();
        let rows = rows(silver.rows, products).unwrap();
        let plan = rows.into_datafusion().create_physical_plan().await.unwrap();
        displayable(plan.as_ref()).indent(false).to_string()
    }

    #[tokio::test]
    async fn smaller_side_is_gathered_for_every_task_and_no_order_is_moved() {
        // The right side's rows are the kept ones: orders.
        let plan_of_small = plan(1_000).await;
        let gathered = "HashJoinExec: mode=CollectLeft, join_type=Right, on=[(__product_id@0";
        assert!(plan_of_small.contains(gathered), "{plan_of_small}");
        // More products than orders.
        let plan_of_large = plan(60_000).await;
        let gathered = "HashJoinExec: mode=CollectLeft, join_type=Left, on=[(__ordered_product_id";
        assert!(plan_of_large.contains(gathered), "{plan_of_large}");
    }
}
