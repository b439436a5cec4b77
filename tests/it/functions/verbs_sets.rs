//! Unions, intersections and differences.

use serde_json::json;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use super::verbs_joins::tables;
use crate::stream::session;

#[tokio::test(flavor = "multi_thread")]
async fn set_operations_give_what_spark_gives() {
    let session = session().await;
    let mut tables: Vec<Table> = tables().into();
    tables.push(Table {
        name: "types",
        schema: "i INT, b BIGINT, s STRING, d DOUBLE, f FLOAT, p DECIMAL(10,2), q DECIMAL(5,4), t DATE, m TIMESTAMP, l ARRAY<INT>, k BOOLEAN, y TINYINT",
        rows: json!([
            [1, 2, "3", 4.5, 5.5, 6.25, 1.2345, "2026-01-31", "2026-01-31 01:02:03", [1], true, 7],
            [null, null, null, null, null, null, null, null, null, null, null, null]
        ]),
    });
    let frames: Vec<DataFrame> = tables.iter().map(|table| table.frame(&session)).collect();
    let (none, s1, s2, types) = (&frames[3], &frames[4], &frames[5], &frames[6]);
    let by = |frame: weir::Result<DataFrame>| frame?.order_by(["a", "b"]);
    let two = |a: &'static str, b: &'static str| {
        let one = types.clone().select([col(a).alias("v")])?;
        one.union(types.clone().select([b])?)?.order_by(["v"])
    };
    let swapped = || s2.clone().select(["b", "a"]);
    let cases: Vec<Case> = vec![
        (
            "s1.union(s2).orderBy('a', 'b')",
            by(s1.clone().union(s2.clone())),
        ),
        (
            "s1.unionByName(s2.select('b', 'a')).orderBy('a', 'b')",
            by(swapped().and_then(|o| s1.clone().union_by_name(o, false))),
        ),
        (
            "s1.union(s2.select(F.col('b').alias('q'), F.col('a').alias('r')))",
            s2.clone()
                .select([col("b").alias("q"), col("a").alias("r")])
                .and_then(|o| s1.clone().union(o)),
        ),
        (
            "s1.union(s2.toDF('p', 'q')).orderBy('a', 'b')",
            by(s2
                .clone()
                .to_df(["p", "q"])
                .and_then(|o| s1.clone().union(o))),
        ),
        (
            "s1.union(s2.select('a'))",
            s2.clone().select(["a"]).and_then(|o| s1.clone().union(o)),
        ),
        (
            "s1.union(none.toDF('a', 'b')).orderBy('a', 'b')",
            by(none
                .clone()
                .to_df(["a", "b"])
                .and_then(|o| s1.clone().union(o))),
        ),
        (
            "types.select(F.col('i').alias('v')).union(types.select('b')).orderBy('v')",
            two("i", "b"),
        ),
        (
            "types.select(F.col('i').alias('v')).union(types.select('s')).orderBy('v')",
            two("i", "s"),
        ),
        (
            "types.select(F.col('i').alias('v')).union(types.select('d')).orderBy('v')",
            two("i", "d"),
        ),
        (
            "types.select(F.col('i').alias('v')).union(types.select('f')).orderBy('v')",
            two("i", "f"),
        ),
        (
            "types.select(F.col('y').alias('v')).union(types.select('f')).orderBy('v')",
            two("y", "f"),
        ),
        (
            "types.select(F.col('i').alias('v')).union(types.select('p')).orderBy('v')",
            two("i", "p"),
        ),
        (
            "types.select(F.col('b').alias('v')).union(types.select('p')).orderBy('v')",
            two("b", "p"),
        ),
        (
            "types.select(F.col('p').alias('v')).union(types.select('q')).orderBy('v')",
            two("p", "q"),
        ),
        (
            "types.select(F.col('p').alias('v')).union(types.select('f')).orderBy('v')",
            two("p", "f"),
        ),
        (
            "types.select(F.col('p').alias('v')).union(types.select('d')).orderBy('v')",
            two("p", "d"),
        ),
        (
            "types.select(F.col('p').alias('v')).union(types.select('s')).orderBy('v')",
            two("p", "s"),
        ),
        (
            "types.select(F.col('s').alias('v')).union(types.select('d')).orderBy('v')",
            two("s", "d"),
        ),
        (
            "types.select(F.col('t').alias('v')).union(types.select('m')).orderBy('v')",
            two("t", "m"),
        ),
        (
            "types.select(F.col('t').alias('v')).union(types.select('i')).orderBy('v')",
            two("t", "i"),
        ),
        (
            "types.select(F.col('l').alias('v')).union(types.select('i')).orderBy('v')",
            two("l", "i"),
        ),
        (
            "types.select(F.col('k').alias('v')).union(types.select('i')).orderBy('v')",
            two("k", "i"),
        ),
        (
            "types.select(F.col('k').alias('v')).union(types.select(F.lit(None))).orderBy('v')",
            types.clone().select([col("k").alias("v")]).and_then(|f| {
                f.union(
                    types
                        .clone()
                        .select([lit(weir::datafusion::common::ScalarValue::Null)])?,
                )?
                .order_by(["v"])
            }),
        ),
        (
            "s1.unionByName(s2.withColumnRenamed('b', 'c'))",
            s2.clone()
                .with_column_renamed("b", "c")
                .and_then(|o| s1.clone().union_by_name(o, false)),
        ),
        (
            "s1.unionByName(s2.withColumnRenamed('b', 'c'), allowMissingColumns=True).orderBy('a', 'b', 'c')",
            s2.clone()
                .with_column_renamed("b", "c")
                .and_then(|o| s1.clone().union_by_name(o, true)?.order_by(["a", "b", "c"])),
        ),
        (
            "s1.unionByName(s2.drop('a'))",
            s2.clone()
                .drop(["a"])
                .and_then(|o| s1.clone().union_by_name(o, false)),
        ),
        (
            "s1.intersect(s2).orderBy('a', 'b')",
            by(s1.clone().intersect(s2.clone())),
        ),
        (
            "s1.intersectAll(s2).orderBy('a', 'b')",
            by(s1.clone().intersect_all(s2.clone())),
        ),
        (
            "s2.intersectAll(s1).orderBy('a', 'b')",
            by(s2.clone().intersect_all(s1.clone())),
        ),
        (
            "s1.subtract(s2).orderBy('a', 'b')",
            by(s1.clone().subtract(s2.clone())),
        ),
        (
            "s1.exceptAll(s2).orderBy('a', 'b')",
            by(s1.clone().except_all(s2.clone())),
        ),
        (
            "s2.exceptAll(s1).orderBy('a', 'b')",
            by(s2.clone().except_all(s1.clone())),
        ),
        (
            "s1.exceptAll(none).orderBy('a', 'b')",
            by(s1.clone().except_all(none.clone())),
        ),
        ("s1.intersect(none)", s1.clone().intersect(none.clone())),
        (
            "s1.intersect(s2.select('a'))",
            s2.clone()
                .select(["a"])
                .and_then(|o| s1.clone().intersect(o)),
        ),
        (
            "types.select(F.col('i').alias('v')).intersect(types.select('d').union(types.select('i'))).orderBy('v')",
            types.clone().select([col("i").alias("v")]).and_then(|f| {
                f.intersect(
                    types
                        .clone()
                        .select(["d"])?
                        .union(types.clone().select(["i"])?)?,
                )?
                .order_by(["v"])
            }),
        ),
        (
            "types.select(F.col('i').alias('v')).subtract(types.select('l'))",
            types
                .clone()
                .select([col("i").alias("v")])
                .and_then(|f| f.subtract(types.clone().select(["l"])?)),
        ),
    ];
    check("verbs_sets", &tables, cases).await;
}
