//! Aggregates, over groups and windows.

use serde_json::json;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

fn facts() -> Table {
    Table {
        name: "facts",
        schema: "id INT, k STRING, y TINYINT, i INT, l BIGINT, f FLOAT, d DOUBLE, m DECIMAL(10,2), b BOOLEAN, s STRING",
        rows: json!([
            [1, "a", 1, 10, 100, 0.5, 1.5, 1.25, true, "x"],
            [2, "a", 2, 20, 100, 1.5, -2.5, 2.25, true, "y"],
            [3, "a", 3, null, 300, 2.5, 4.0, null, null, "x"],
            [4, "b", -1, -5, -1, 1.0, null, -0.01, false, ""],
            [5, "b", null, null, null, null, null, null, null, null],
            [6, "c", 7, 70, 700, 7.0, "NaN", 99_999_999.99, true, "é"],
            [7, "d", null, null, null, null, null, null, null, null],
            [8, null, 5, 50, 50, 5.0, 5.0, 5, false, "n"],
            [9, null, 5, 51, 51, 5.5, 6.0, 6, true, "n"]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_give_what_spark_gives() {
    let session = session().await;
    let table = facts();
    let facts = table.frame(&session);
    let by = |exprs: Vec<weir::datafusion::logical_expr::Expr>| -> weir::Result<DataFrame> {
        let named = exprs
            .into_iter()
            .zip(0..)
            .map(|(expr, index)| expr.alias(format!("c{index}")));
        facts
            .clone()
            .group_by([col("k")])
            .agg(named)?
            .order_by([col("k")])
    };
    let all = |exprs: Vec<weir::datafusion::logical_expr::Expr>| -> weir::Result<DataFrame> {
        let named = exprs
            .into_iter()
            .zip(0..)
            .map(|(expr, index)| expr.alias(format!("c{index}")));
        facts.clone().filter(col("id").gt(lit(99)))?.agg(named)
    };
    let by_k = Window::partition_by([col("k")]);
    let cases: Vec<Case> = vec![
        (
            "facts.groupBy('k').agg(F.sum('y').alias('c0'), F.sum('i').alias('c1'), F.sum('l').alias('c2'), F.sum('f').alias('c3'), F.sum('d').alias('c4'), F.sum('m').alias('c5'), \
             F.avg('y').alias('c6'), F.avg('l').alias('c7'), F.avg('d').alias('c8'), F.avg('m').alias('c9'), F.mean('f').alias('c10'), F.sum_distinct('l').alias('c11')).orderBy('k')",
            by(vec![
                sum(col("y")),
                sum(col("i")),
                sum(col("l")),
                sum(col("f")),
                sum(col("d")),
                sum(col("m")),
                avg(col("y")),
                avg(col("l")),
                avg(col("d")),
                avg(col("m")),
                mean(col("f")),
                sum_distinct(col("l")),
            ]),
        ),
        (
            "facts.groupBy('k').agg(F.min('i').alias('c0'), F.max('d').alias('c1'), F.min('d').alias('c2'), F.max('s').alias('c3'), F.min('b').alias('c4'), F.max('m').alias('c5'), \
             F.count('i').alias('c6'), F.count(F.lit(1)).alias('c7'), F.count_distinct('s').alias('c8'), F.approx_count_distinct('l').alias('c9'), F.count_if('b').alias('c10')).orderBy('k')",
            by(vec![
                min(col("i")),
                max(col("d")),
                min(col("d")),
                max(col("s")),
                min(col("b")),
                max(col("m")),
                count(col("i")),
                count(lit(1)),
                count_distinct(col("s")),
                approx_count_distinct(col("l")),
                count_if(col("b")),
            ]),
        ),
        (
            "facts.groupBy('k').agg(F.stddev('i').alias('c0'), F.stddev_samp('l').alias('c1'), F.stddev_pop('m').alias('c2'), F.variance('f').alias('c3'), F.var_samp('i').alias('c4'), \
             F.var_pop('l').alias('c5'), F.corr('i', 'f').alias('c6'), F.covar_samp('i', 'l').alias('c7'), F.covar_pop('f', 'l').alias('c8'), F.median('i').alias('c9'), F.median('m').alias('c10')).orderBy('k')",
            by(vec![
                stddev(col("i")),
                stddev_samp(col("l")),
                stddev_pop(col("m")),
                variance(col("f")),
                var_samp(col("i")),
                var_pop(col("l")),
                corr(col("i"), col("f")),
                covar_samp(col("i"), col("l")),
                covar_pop(col("f"), col("l")),
                median(col("i")),
                median(col("m")),
            ]),
        ),
        (
            "facts.groupBy('k').agg(F.bool_and('b').alias('c0'), F.bool_or('b').alias('c1'), F.every('b').alias('c2'), F.some('b').alias('c3'), F.max_by('s', 'l').alias('c4'), \
             F.min_by('s', 'i').alias('c5'), F.max_by('i', 'f').alias('c6'), F.sort_array(F.collect_list('s')).alias('c7'), F.sort_array(F.collect_set('s')).alias('c8'), \
             F.size(F.collect_list('i')).alias('c9')).where(\"k in ('a', 'b', 'd')\").orderBy('k')",
            by(vec![
                bool_and(col("b")),
                bool_or(col("b")),
                every(col("b")),
                some(col("b")),
                max_by(col("s"), col("id") * lit(0) + col("l")),
                min_by(col("s"), col("i")),
                max_by(col("i"), col("f")),
                sort_array(collect_list(col("s")), true),
                sort_array(collect_set(col("s")), true),
                size(collect_list(col("i"))),
            ])
            .and_then(|frame| frame.filter(col("k").isin([lit("a"), lit("b"), lit("d")]))),
        ),
        (
            "facts.where('id > 99').agg(F.sum('i').alias('c0'), F.avg('m').alias('c1'), F.count('i').alias('c2'), F.collect_list('s').alias('c3'), F.collect_set('i').alias('c4'), \
             F.stddev('d').alias('c5'), F.median('d').alias('c6'), F.bool_and('b').alias('c7'), F.max_by('s', 'i').alias('c8'), F.approx_count_distinct('i').alias('c9'), \
             F.count_if('b').alias('c10'), F.any_value('s').alias('c11'), F.corr('i', 'l').alias('c12'))",
            all(vec![
                sum(col("i")),
                avg(col("m")),
                count(col("i")),
                collect_list(col("s")),
                collect_set(col("i")),
                stddev(col("d")),
                median(col("d")),
                bool_and(col("b")),
                max_by(col("s"), col("i")),
                approx_count_distinct(col("i")),
                count_if(col("b")),
                any_value(col("s")),
                corr(col("i"), col("l")),
            ]),
        ),
        (
            "facts.groupBy('k').agg(F.any_value('k').alias('c0'), (F.sum('i') / F.count('i')).alias('c1')).select('k', 'c0').orderBy('k')",
            by(vec![any_value(col("k"))]),
        ),
        (
            "(lambda w: facts.select('id', F.sum('m').over(w).alias('c0'), F.avg('i').over(w).alias('c1'), F.count_if('b').over(w).alias('c2'), F.stddev('l').over(w).alias('c3'), \
             F.approx_count_distinct('s').over(w).alias('c4'), F.size(F.collect_list('s').over(w)).alias('c5'), F.sort_array(F.collect_set('s').over(w)).alias('c6')).orderBy('id'))(Window.partitionBy('k'))",
            (|| {
                let columns = vec![
                    col("id"),
                    sum(col("m")).over(&by_k)?.alias("c0"),
                    avg(col("i")).over(&by_k)?.alias("c1"),
                    count_if(col("b")).over(&by_k)?.alias("c2"),
                    stddev(col("l")).over(&by_k)?.alias("c3"),
                    approx_count_distinct(col("s")).over(&by_k)?.alias("c4"),
                    size(collect_list(col("s")).over(&by_k)?).alias("c5"),
                    sort_array(collect_set(col("s")).over(&by_k)?, true).alias("c6"),
                ];
                facts.clone().select(columns)?.order_by([col("id")])
            })(),
        ),
        (
            "facts.select(F.count_distinct('s').over(Window.partitionBy('k')).alias('c0'))",
            count_distinct(col("s"))
                .over(&by_k)
                .and_then(|counted| facts.clone().select([counted.alias("c0")])),
        ),
        (
            "facts.select(F.lit(9223372036854775807).alias('v')).agg(F.sum('v').alias('c0'))",
            facts
                .clone()
                .select([lit(i64::MAX).alias("v")])
                .and_then(|frame| frame.agg([sum(col("v")).alias("c0")])),
        ),
        (
            "facts.select('k', F.lit(9223372036854775807).alias('v')).groupBy('k').agg(F.sum('v').alias('c0'))",
            facts
                .clone()
                .select([col("k"), lit(i64::MAX).alias("v")])
                .and_then(|frame| frame.group_by([col("k")]).agg([sum(col("v")).alias("c0")])),
        ),
    ];
    check("aggregates", &[table], cases).await;
}

#[tokio::test]
async fn correlation_of_a_column_with_one_value_is_null() {
    let session = session().await;
    let rows = "select value as v, 1 as one from generate_series(1, 3)";
    let frame = session.sql(rows).await.unwrap();
    let found = frame
        .agg([corr(col("v"), col("one")).is_null().alias("null")])
        .unwrap();
    assert_eq!(found.filter(col("null")).unwrap().count().await.unwrap(), 1);
}
