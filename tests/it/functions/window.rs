//! Window functions, frames, and the order of nulls.

use serde_json::json;
use weir::datafusion::common::ScalarValue;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

fn sales() -> Table {
    Table {
        name: "sales",
        schema: "id INT, k STRING, n INT, v DOUBLE",
        rows: json!([
            [1, "a", 1, 1.5],
            [2, "a", 2, null],
            [3, "a", 2, -2.0],
            [4, "a", null, 4.0],
            [5, "a", 7, 0.5],
            [6, "b", -3, 1.0],
            [7, "b", null, null],
            [8, "b", null, 2.0],
            [9, "b", 10, 8.0],
            [10, null, 5, 3.0],
            [11, null, 6, null],
            [12, "c", 1, null]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_functions_give_what_spark_gives() {
    let session = session().await;
    let table = sales();
    let frame = table.frame(&session);
    let by_n = || Window::partition_by([col("k")]).order_by([col("n")]);
    let by_id = || Window::partition_by([col("k")]).order_by([col("id")]);
    let with = |exprs: Vec<weir::Result<Expr>>| -> weir::Result<DataFrame> {
        let mut columns = vec![col("id")];
        for (index, expr) in exprs.into_iter().enumerate() {
            columns.push(expr?.alias(format!("c{index}")));
        }
        frame.clone().select(columns)?.order_by([col("id")])
    };
    let one = Some(ScalarValue::Int32(Some(-1)));
    let cases: Vec<Case> = vec![
        (
            "(lambda w: sales.select('id', F.rank().over(w).alias('c0'), F.dense_rank().over(w).alias('c1'), \
             F.percent_rank().over(w).alias('c2'), F.cume_dist().over(w).alias('c3')).orderBy('id'))\
             (Window.partitionBy('k').orderBy('n'))",
            with(vec![
                rank().over(&by_n()),
                dense_rank().over(&by_n()),
                percent_rank().over(&by_n()),
                cume_dist().over(&by_n()),
            ]),
        ),
        (
            "(lambda w: sales.select('id', F.row_number().over(w).alias('c0'), F.ntile(3).over(w).alias('c1'), \
             F.lag('n').over(w).alias('c2'), F.lead('n', 2, -1).over(w).alias('c3'), \
             F.lag('v', 1).over(w).alias('c4')).orderBy('id'))(Window.partitionBy('k').orderBy('id'))",
            with(vec![
                row_number().over(&by_id()),
                ntile(3).over(&by_id()),
                lag(col("n"), 1, None).over(&by_id()),
                lead(col("n"), 2, one).over(&by_id()),
                lag(col("v"), 1, None).over(&by_id()),
            ]),
        ),
        // The default frame with an order takes the row's peers in.
        (
            "(lambda w: sales.select('id', F.sum('v').over(w).alias('c0'), F.count('v').over(w).alias('c1'), \
             F.min('n').over(w).alias('c2'), F.max('v').over(w).alias('c3'), F.avg('n').over(w).alias('c4'), \
             F.sum('n').over(w).alias('c5')).orderBy('id'))(Window.partitionBy('k').orderBy('n'))",
            with(vec![
                sum(col("v")).over(&by_n()),
                count(col("v")).over(&by_n()),
                min(col("n")).over(&by_n()),
                max(col("v")).over(&by_n()),
                avg(col("n")).over(&by_n()),
                sum(col("n")).over(&by_n()),
            ]),
        ),
        (
            "(lambda w: sales.select('id', F.sum('v').over(w).alias('c0'), F.count(F.lit(1)).over(w).alias('c1'), \
             F.max('n').over(w).alias('c2')).orderBy('id'))(Window.partitionBy('k'))",
            with(vec![
                sum(col("v")).over(&Window::partition_by([col("k")])),
                count(lit(1)).over(&Window::partition_by([col("k")])),
                max(col("n")).over(&Window::partition_by([col("k")])),
            ]),
        ),
        (
            "(lambda w: sales.select('id', F.sum('v').over(w).alias('c0'), F.first('v').over(w).alias('c1'), \
             F.last('v').over(w).alias('c2'), F.last('v', True).over(w).alias('c3'), F.first('v', True).over(w).alias('c4'), \
             F.nth_value('v', 2).over(w).alias('c5'), F.count('n').over(w).alias('c6')).orderBy('id'))\
             (Window.partitionBy('k').orderBy('id').rowsBetween(-1, 1))",
            {
                let w = by_id().rows_between(-1, 1);
                with(vec![
                    sum(col("v")).over(&w),
                    first(col("v"), false).over(&w),
                    last(col("v"), false).over(&w),
                    last(col("v"), true).over(&w),
                    first(col("v"), true).over(&w),
                    nth_value(col("v"), 2).over(&w),
                    count(col("n")).over(&w),
                ])
            },
        ),
        (
            "(lambda w: sales.select('id', F.sum('n').over(w).alias('c0'), F.last('v', True).over(w).alias('c1')).orderBy('id'))\
             (Window.partitionBy('k').orderBy('id').rowsBetween(Window.unboundedPreceding, Window.currentRow))",
            {
                let w = by_id().rows_between(Window::UNBOUNDED_PRECEDING, Window::CURRENT_ROW);
                with(vec![sum(col("n")).over(&w), last(col("v"), true).over(&w)])
            },
        ),
        (
            "(lambda w: sales.select('id', F.sum('n').over(w).alias('c0'), F.min('n').over(w).alias('c1')).orderBy('id'))\
             (Window.partitionBy('k').orderBy('id').rowsBetween(1, Window.unboundedFollowing))",
            {
                let w = by_id().rows_between(1, Window::UNBOUNDED_FOLLOWING);
                with(vec![sum(col("n")).over(&w), min(col("n")).over(&w)])
            },
        ),
        (
            "(lambda w: sales.select('id', F.sum('id').over(w).alias('c0'), F.count('n').over(w).alias('c1')).orderBy('id'))\
             (Window.partitionBy('k').orderBy('n').rangeBetween(-4, 1))",
            {
                let w = by_n().range_between(-4, 1);
                with(vec![sum(col("id")).over(&w), count(col("n")).over(&w)])
            },
        ),
        (
            "(lambda w: sales.select('id', F.sum('id').over(w).alias('c0')).orderBy('id'))\
             (Window.partitionBy('k').orderBy(F.col('n').desc()).rangeBetween(Window.currentRow, 5))",
            {
                let w = Window::partition_by([col("k")])
                    .order_by([col("n").desc()])
                    .range_between(Window::CURRENT_ROW, 5);
                with(vec![sum(col("id")).over(&w)])
            },
        ),
        (
            "sales.select('id', F.row_number().over(Window.orderBy(F.col('n').desc(), F.col('id').desc())).alias('c0'), \
             F.row_number().over(Window.orderBy(F.col('n').asc_nulls_last(), F.col('id').asc())).alias('c1')).orderBy('id')",
            with(vec![
                row_number().over(&Window::order_by([col("n").desc(), col("id").desc()])),
                row_number().over(&Window::order_by([
                    col("n").asc_nulls_last(),
                    col("id").asc(),
                ])),
            ]),
        ),
        (
            "sales.select('n', 'id').orderBy('n', 'id')",
            frame
                .clone()
                .select([col("n"), col("id")])
                .unwrap()
                .order_by([col("n"), col("id")]),
        ),
        (
            "sales.select('n', 'id').orderBy(F.col('n').desc(), F.col('id').asc())",
            frame
                .clone()
                .select([col("n"), col("id")])
                .unwrap()
                .order_by([col("n").desc(), col("id").asc()]),
        ),
        (
            "sales.select('n', 'id').orderBy(F.col('n').desc_nulls_first(), F.col('id').asc_nulls_first())",
            frame
                .clone()
                .select([col("n"), col("id")])
                .unwrap()
                .order_by([col("n").desc_nulls_first(), col("id").asc_nulls_first()]),
        ),
        (
            "sales.select('n', 'id').orderBy(F.col('n').asc_nulls_last(), F.col('id').desc_nulls_last())",
            frame
                .clone()
                .select([col("n"), col("id")])
                .unwrap()
                .order_by([col("n").asc_nulls_last(), col("id").desc_nulls_last()]),
        ),
        (
            "sales.select('id', F.row_number().over(Window.partitionBy('k')).alias('c0'))",
            with(vec![row_number().over(&Window::partition_by([col("k")]))]),
        ),
        (
            "sales.select('id', F.rank().over(Window.orderBy('n').rowsBetween(-1, 0)).alias('c0'))",
            with(vec![
                rank().over(&Window::order_by([col("n")]).rows_between(-1, 0)),
            ]),
        ),
        (
            "sales.select('id', F.sum('n').over(Window.orderBy('n').rowsBetween(1, -1)).alias('c0'))",
            with(vec![
                sum(col("n")).over(&Window::order_by([col("n")]).rows_between(1, -1)),
            ]),
        ),
        (
            "sales.select('id', F.sum('n').over(Window.orderBy('n', 'id').rangeBetween(-1, 1)).alias('c0'))",
            with(vec![sum(col("n")).over(
                &Window::order_by([col("n"), col("id")]).range_between(-1, 1),
            )]),
        ),
        (
            "sales.select('id', F.upper('k').over(Window.orderBy('n')).alias('c0'))",
            with(vec![col("k").over(&Window::order_by([col("n")]))]),
        ),
    ];
    check("window", &[table], cases).await;
}

#[tokio::test]
async fn range_over_dates_is_refused() {
    let session = session().await;
    let dates =
        "select cast('2020-01-01' as date) + cast(value as int) as d from generate_series(1, 5)";
    let frame = session.sql(dates).await.unwrap();
    let window = Window::order_by([col("d")]).range_between(-1, Window::CURRENT_ROW);
    let counted = count(lit(1)).over(&window).unwrap();
    let rows = frame.select([col("d"), counted.alias("n")]);
    let error = match rows {
        Ok(rows) => rows.collect().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), weir::ErrorKind::InvalidPlan, "{error}");
}
