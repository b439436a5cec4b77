//! Salted aggregations: the same groups as without the salt, or a refusal that says why.

use weir::ErrorKind;
use weir::datafusion::logical_expr::Expr;
use weir::functions::{avg, collect_list, count, count_distinct, max, min, sum, sum_distinct};
use weir::prelude::*;
use weir_tests::files::TempLake;

use super::{ORDERS, rows_of, session, table};

/// Half of the rows are of one key; there are nulls everywhere.
const SKEWED: &str = "
    select case when value % 2 = 0 then 'hot' when value % 13 = 0 then null else 'k' || (value % 5) end as k,
        case when value % 11 = 0 then null else value % 17 end as n,
        case when value % 7 = 0 then null else value / 4.0 end as v
    from generate_series(1, 3000) as t(value)";

fn all() -> Vec<Expr> {
    vec![
        sum(col("n")).alias("sum"),
        count(lit(1)).alias("rows"),
        count(col("n")).alias("count"),
        min(col("v")).alias("min"),
        max(col("n")).alias("max"),
        // Of quarters: sums in any order are the same.
        avg(col("v")).alias("avg"),
        (avg(col("n")) + sum(col("n")) / lit(2)).alias("both"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn salted_groups_are_those_without_a_salt() {
    let lake = TempLake::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(&lake, master, "-1").await;
        let rows = session.sql(SKEWED).await.unwrap();
        type Aggregates = fn() -> Vec<Expr>;
        let cases: Vec<(&str, Aggregates)> = vec![
            ("all", all),
            ("distinct", || {
                vec![
                    count_distinct(col("n")).alias("different"),
                    sum_distinct(col("n")).alias("sum"),
                    count(col("v")).alias("count"),
                ]
            }),
        ];
        for (name, aggregates) in cases {
            for keys in [vec!["k"], vec!["k", "n"]] {
                let plain = rows
                    .clone()
                    .group_by(keys.clone())
                    .agg(aggregates())
                    .unwrap();
                let expected = rows_of(plain).await;
                for buckets in [1, 7, 64] {
                    let salted = rows.clone().group_by(keys.clone()).salted(buckets).unwrap();
                    let salted = rows_of(salted.agg(aggregates()).unwrap()).await;
                    assert_eq!(salted, expected, "{master}: {name} by {keys:?}, {buckets}");
                }
            }
        }
        let counted = rows
            .clone()
            .group_by(["k"])
            .salted(8)
            .unwrap()
            .count()
            .unwrap();
        let expected = rows.group_by(["k"]).count().unwrap();
        assert_eq!(rows_of(counted).await, rows_of(expected).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_that_are_not_made_of_parts_are_refused_by_name() {
    let lake = TempLake::new();
    let session = session(&lake, "local[2]", "-1").await;
    let rows = session.sql(ORDERS).await.unwrap();
    let salted = |aggregate: Expr| {
        let groups = rows.clone().group_by(["id"]).salted(4).unwrap();
        groups.agg([aggregate]).unwrap_err()
    };
    let decimal = rows.expr("cast(amount as decimal(10, 2))").unwrap();
    for (error, said) in [
        (salted(collect_list(col("amount"))), "does not take"),
        (
            salted(count_distinct(col("amount")) + count_distinct(col("id"))),
            "aggregate them apart, and join the results",
        ),
        (
            salted(avg(decimal)),
            "its mean is no double; cast it to one",
        ),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let table = table(&session, "orders").await;
    for (error, said) in [
        (table.clone().group_by(["id"]).salted(0), "salted(0)"),
        (table.clone().group_by(["id"]).salted(1025), "at most 1024"),
        (
            table.clone().rollup(["id"]).salted(4),
            "no rollup, cube or pivot",
        ),
        (
            table.clone().group_by(Vec::<&str>::new()).salted(4),
            "at least one key",
        ),
        (
            table
                .group_by(["id"])
                .salted(4)
                .unwrap()
                .pivot("amount", [1_i64]),
            "no rollup, cube, salt",
        ),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
