//! Groups, subtotals, pivots, and missing values.

use serde_json::json;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

fn tables() -> [Table; 3] {
    [
        Table {
            name: "t",
            schema: "k STRING, g INT, n INT, big BIGINT, v DOUBLE, p DECIMAL(10,2), f FLOAT, ok BOOLEAN",
            rows: json!([
                ["a", 1, 1, 10, 1.5, 1.25, 0.5, true],
                ["a", 1, 2, null, null, 2.5, 1.5, false],
                ["a", 2, null, 30, 2.5, null, null, null],
                ["b", 1, 4, 40, "NaN", -1.0, 2.5, true],
                [null, 2, 5, 50, -0.5, 0.01, 3.5, null],
                [null, null, null, null, null, null, "NaN", null],
                [null, null, null, null, null, null, null, null]
            ]),
        },
        Table {
            name: "none",
            schema: "k STRING, n INT, v DOUBLE",
            rows: json!([]),
        },
        Table {
            name: "wide",
            schema: "id INT, x INT, y BIGINT, z DOUBLE, s STRING, l ARRAY<INT>",
            rows: json!([[1, 10, 20, 0.5, "p", [1]], [2, null, 21, null, null, null]]),
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_pivots_and_missing_values_give_what_spark_gives() {
    let session = session().await;
    let tables = tables();
    let [t, none, wide] = [0, 1, 2].map(|at| tables[at].frame(&session));
    let t = || t.clone();
    let by_k = |frame: weir::Result<DataFrame>| frame?.order_by(["k"]);
    let by_kg = |frame: weir::Result<DataFrame>| frame?.order_by(["k", "g"]);
    let aggregates = || [sum(col("n")).alias("s"), count(lit(1)).alias("c")];
    let nope: [&str; 0] = [];
    let cases: Vec<Case> = vec![
        (
            "t.groupBy('k').count().orderBy('k')",
            by_k(t().group_by(["k"]).count()),
        ),
        (
            "t.groupBy('k', 'g').agg(F.sum('n').alias('s'), F.count(F.lit(1)).alias('c')).orderBy('k', 'g')",
            by_kg(t().group_by(["k", "g"]).agg(aggregates())),
        ),
        (
            "t.groupBy('k').sum().orderBy('k')",
            by_k(t().group_by(["k"]).sum(nope)),
        ),
        (
            "t.groupBy('k').sum('n', 'p').orderBy('k')",
            by_k(t().group_by(["k"]).sum(["n", "p"])),
        ),
        (
            "t.groupBy('k').avg('n', 'p', 'f').orderBy('k')",
            by_k(t().group_by(["k"]).avg(["n", "p", "f"])),
        ),
        (
            "t.groupBy('k').mean('big').orderBy('k')",
            by_k(t().group_by(["k"]).mean(["big"])),
        ),
        (
            "t.groupBy('k').min().orderBy('k')",
            by_k(t().group_by(["k"]).min(nope)),
        ),
        (
            "t.groupBy('k').max('n', 'v', 'f').orderBy('k')",
            by_k(t().group_by(["k"]).max(["n", "v", "f"])),
        ),
        ("t.groupBy('k').sum('ok')", t().group_by(["k"]).sum(["ok"])),
        (
            "t.groupBy('k').max('nope')",
            t().group_by(["k"]).max(["nope"]),
        ),
        ("t.groupBy('nope').count()", t().group_by(["nope"]).count()),
        (
            "t.groupBy((F.col('g') % 2).alias('odd')).agg(F.max('n').alias('m')).orderBy('odd')",
            t().group_by([(col("g") % lit(2)).alias("odd")])
                .agg([max(col("n")).alias("m")])
                .and_then(|f| f.order_by(["odd"])),
        ),
        // Aggregates may be computed with, and so may keys.
        (
            "t.groupBy('k', 'g').agg((F.sum('n') / F.count('n')).alias('mean'), (F.col('g') + 1).alias('h')).orderBy('k', 'g')",
            by_kg(t().group_by(["k", "g"]).agg([
                (sum(col("n")) / count(col("n"))).alias("mean"),
                (col("g") + lit(1)).alias("h"),
            ])),
        ),
        (
            "t.groupBy('k').agg(F.sum('n'), F.min('v')).orderBy('k')",
            by_k(t().group_by(["k"]).agg([sum(col("n")), min(col("v"))])),
        ),
        (
            "t.groupBy('k').agg(F.col('n'))",
            t().group_by(["k"]).agg([col("n")]),
        ),
        (
            "t.agg(F.sum('big').alias('s'), F.count('n').alias('c'), F.avg('p').alias('a'), F.sum('f').alias('f'))",
            t().agg([
                sum(col("big")).alias("s"),
                count(col("n")).alias("c"),
                avg(col("p")).alias("a"),
                sum(col("f")).alias("f"),
            ]),
        ),
        (
            "none.agg(F.sum('n').alias('s'), F.count('n').alias('c'))",
            none.clone()
                .agg([sum(col("n")).alias("s"), count(col("n")).alias("c")]),
        ),
        (
            "none.groupBy('k').agg(F.sum('n').alias('s'))",
            none.clone().group_by(["k"]).agg([sum(col("n")).alias("s")]),
        ),
        (
            "none.groupBy('k').count()",
            none.clone().group_by(["k"]).count(),
        ),
        (
            "t.rollup('k', 'g').agg(F.sum('n').alias('s'), F.count(F.lit(1)).alias('c')).orderBy('k', 'g', 'c')",
            t().rollup(["k", "g"])
                .agg(aggregates())
                .and_then(|f| f.order_by(["k", "g", "c"])),
        ),
        (
            "t.cube('k', 'g').agg(F.sum('n').alias('s'), F.count(F.lit(1)).alias('c')).orderBy('k', 'g', 'c', 's')",
            t().cube(["k", "g"])
                .agg(aggregates())
                .and_then(|f| f.order_by(["k", "g", "c", "s"])),
        ),
        (
            "t.rollup('k').count().orderBy('k', 'count')",
            t().rollup(["k"])
                .count()
                .and_then(|f| f.order_by(["k", "count"])),
        ),
        (
            "t.groupBy('k').pivot('g', [1, 2, 9]).sum('n').orderBy('k')",
            by_k(
                t().group_by(["k"])
                    .pivot("g", [1, 2, 9])
                    .and_then(|g| g.sum(["n"])),
            ),
        ),
        (
            "t.groupBy('k').pivot('g', [1, 2, 9]).count().orderBy('k')",
            by_k(
                t().group_by(["k"])
                    .pivot("g", [1, 2, 9])
                    .and_then(|g| g.count()),
            ),
        ),
        (
            "t.groupBy('g').pivot('k', ['a', 'b']).agg(F.max('n').alias('m'), F.count('n').alias('c')).orderBy('g')",
            t().group_by(["g"]).pivot("k", ["a", "b"]).and_then(|g| {
                g.agg([max(col("n")).alias("m"), count(col("n")).alias("c")])?
                    .order_by(["g"])
            }),
        ),
        (
            "t.groupBy('g').pivot('ok', [True, False]).agg(F.sum('n')).orderBy('g')",
            t().group_by(["g"])
                .pivot("ok", [true, false])
                .and_then(|g| g.agg([sum(col("n"))])?.order_by(["g"])),
        ),
        (
            "t.groupBy('k').pivot('nope', [1]).count()",
            t().group_by(["k"])
                .pivot("nope", [1])
                .and_then(|g| g.count()),
        ),
        (
            "t.rollup('k').pivot('g', [1]).count()",
            t().rollup(["k"]).pivot("g", [1]).and_then(|g| g.count()),
        ),
        (
            "wide.unpivot('id', ['x', 'y', 'z'], 'name', 'value').orderBy('id', 'name')",
            wide.clone()
                .unpivot(["id"], ["x", "y", "z"], "name", "value")
                .and_then(|f| f.order_by(["id", "name"])),
        ),
        (
            "wide.melt(['id', 's'], ['x', 'y'], 'name', 'value').orderBy('id', 'name')",
            wide.clone()
                .melt(["id", "s"], ["x", "y"], "name", "value")
                .and_then(|f| f.order_by(["id", "name"])),
        ),
        (
            "wide.unpivot('id', ['x', 's'], 'name', 'value')",
            wide.clone().unpivot(["id"], ["x", "s"], "name", "value"),
        ),
        (
            "wide.unpivot('id', ['x', 'l'], 'name', 'value')",
            wide.clone().unpivot(["id"], ["x", "l"], "name", "value"),
        ),
        (
            "wide.unpivot('id', ['nope'], 'name', 'value')",
            wide.clone().unpivot(["id"], ["nope"], "name", "value"),
        ),
        (
            "wide.unpivot('id', [], 'name', 'value')",
            wide.clone().unpivot(["id"], [], "name", "value"),
        ),
        ("t.fillna(0)", t().fillna(0)),
        ("t.fillna(1.7)", t().fillna(1.7)),
        ("t.fillna('?')", t().fillna("?")),
        ("t.fillna(False)", t().fillna(false)),
        (
            "t.fillna(9, ['n', 'v', 'k'])",
            t().fillna_subset(9, ["n", "v", "k"]),
        ),
        ("t.fillna(9, ['nope'])", t().fillna_subset(9, ["nope"])),
        (
            "t.fillna({'n': 1.7, 'k': 'none', 'ok': True})",
            t().fillna_columns([
                ("n", Fill::from(1.7)),
                ("k", Fill::from("none")),
                ("ok", Fill::from(true)),
            ]),
        ),
        (
            "t.fillna({'n': 'many'})",
            t().fillna_columns([("n", "many")]),
        ),
        ("t.fillna({'k': 5})", t().fillna_columns([("k", 5)])),
        ("t.fillna({'nope': 5})", t().fillna_columns([("nope", 5)])),
        ("none.fillna(0)", none.clone().fillna(0)),
        ("t.dropna()", t().dropna(DropNa::any())),
        ("t.dropna('all')", t().dropna(DropNa::all())),
        ("t.dropna(thresh=3)", t().dropna(DropNa::thresh(3))),
        ("t.dropna(thresh=0)", t().dropna(DropNa::thresh(0))),
        (
            "t.dropna(subset=['v', 'k'])",
            t().dropna(DropNa::any().subset(["v", "k"])),
        ),
        (
            "t.dropna('all', subset=['g', 'v'])",
            t().dropna(DropNa::all().subset(["g", "v"])),
        ),
        (
            "t.dropna(subset=['nope'])",
            t().dropna(DropNa::any().subset(["nope"])),
        ),
    ];
    check("verbs_groups", &tables, cases).await;
}
