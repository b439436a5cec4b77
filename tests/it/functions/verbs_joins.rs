//! Joins, unions, intersections and differences.

use serde_json::json;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

fn tables() -> [Table; 6] {
    [
        Table {
            name: "l",
            schema: "x STRING, id INT, v INT",
            rows: json!([
                ["a", 1, 10],
                ["b", 2, 20],
                ["c", null, 30],
                ["d", 2, null],
                ["e", 5, 50]
            ]),
        },
        Table {
            name: "r",
            schema: "v DOUBLE, id INT, y STRING",
            rows: json!([
                [0.5, 2, "p"],
                [1.5, 2, "q"],
                [2.5, null, "r"],
                [3.5, 7, null],
                [4.5, 1, "s"]
            ]),
        },
        Table {
            name: "wide",
            schema: "id BIGINT, z STRING",
            rows: json!([[1, "one"], [2, "two"], [9, "nine"]]),
        },
        Table {
            name: "none",
            schema: "id INT, w STRING",
            rows: json!([]),
        },
        Table {
            name: "s1",
            schema: "a INT, b STRING",
            rows: json!([
                [1, "x"],
                [1, "x"],
                [1, "x"],
                [null, "y"],
                [null, "y"],
                [2, null],
                [3, "z"]
            ]),
        },
        Table {
            name: "s2",
            schema: "a INT, b STRING",
            rows: json!([
                [1, "x"],
                [1, "x"],
                [null, "y"],
                [4, "w"],
                [2, null],
                [2, null]
            ]),
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_give_what_spark_gives() {
    let session = session().await;
    let tables = tables();
    let frames: Vec<DataFrame> = tables.iter().map(|table| table.frame(&session)).collect();
    let frame = |at: usize| {
        let frame = frames[at].clone();
        move || frame.clone()
    };
    let (l, r, wide, none) = (frame(0), frame(1), frame(2), frame(3));
    let r_ = || r().drop(["v"]).unwrap();
    let lo = || l().alias("o").unwrap();
    let rp = || r().alias("p").unwrap();
    let sorted = |frame: weir::Result<DataFrame>| frame?.order_by(["id", "x", "y"]);
    let same_id = || col("o.id").eq(col("p.id"));
    let cases: Vec<Case> = vec![
        (
            "l.join(r.drop('v'), 'id').orderBy('id', 'x', 'y')",
            sorted(l().join(r_(), "id", "inner")),
        ),
        (
            "l.join(r.drop('v'), ['id'], 'left').orderBy('id', 'x', 'y')",
            sorted(l().join(r_(), ["id"], "left")),
        ),
        (
            "l.join(r.drop('v'), ['id'], 'left_outer').orderBy('id', 'x', 'y')",
            sorted(l().join(r_(), vec!["id"], "left_outer")),
        ),
        (
            "l.join(r.drop('v'), ['id'], 'right').orderBy('id', 'x', 'y')",
            sorted(l().join(r_(), ["id"], "right")),
        ),
        (
            "l.join(r.drop('v'), ['id'], 'outer').orderBy('id', 'x', 'y')",
            sorted(l().join(r_(), ["id"], "outer")),
        ),
        (
            "l.join(r.drop('v'), ['id'], 'leftsemi').orderBy('id', 'x')",
            l().join(r_(), ["id"], "leftsemi")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        (
            "l.join(r, ['id'], 'left_anti').orderBy('id', 'x')",
            l().join(r(), ["id"], "left_anti")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        (
            "l.join(r.drop('v'), ['id'], 'sideways')",
            l().join(r_(), ["id"], "sideways"),
        ),
        ("l.join(r, ['nope'])", l().join(r(), ["nope"], "inner")),
        ("l.join(r, ['y'])", l().join(r(), ["y"], "inner")),
        // Both have a `v`: both stay, and neither can be meant by its name alone.
        (
            "l.join(r, ['id']).orderBy('id', 'x', 'y')",
            sorted(l().join(r(), ["id"], "inner")),
        ),
        (
            "l.join(r, ['id']).select('v')",
            l().join(r(), ["id"], "inner").and_then(|f| f.select(["v"])),
        ),
        (
            "l.join(r, ['id']).drop('v').orderBy('id', 'x', 'y')",
            sorted(l().join(r(), ["id"], "inner").and_then(|f| f.drop(["v"]))),
        ),
        (
            "l.alias('o').join(r.alias('p'), 'id').select('id', 'x', 'y', 'o.v', (F.col('p.v') * 2).alias('w')).orderBy('id', 'x', 'y')",
            sorted(lo().join(rp(), "id", "inner").and_then(|f| {
                f.select([
                    col("id"),
                    col("x"),
                    col("y"),
                    col("o.v"),
                    (col("p.v") * lit(2)).alias("w"),
                ])
            })),
        ),
        (
            "l.join(r, ['id', 'v'], 'full').orderBy('id', 'v', 'x')",
            l().join(r(), ["id", "v"], "full")
                .and_then(|f| f.order_by(["id", "v", "x"])),
        ),
        (
            "l.join(wide, ['id'], 'inner').orderBy('id', 'x')",
            l().join(wide(), ["id"], "inner")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        (
            "l.join(wide, ['id'], 'full').orderBy('id', 'x')",
            l().join(wide(), ["id"], "full")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        (
            "l.join(wide, ['id'], 'right').orderBy('id', 'x')",
            l().join(wide(), ["id"], "right")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        (
            "l.join(none, ['id'], 'left').orderBy('id', 'x')",
            l().join(none(), ["id"], "left")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        ("l.join(none, ['id'])", l().join(none(), ["id"], "inner")),
        (
            "l.join(none, ['id'], 'anti').orderBy('id', 'x')",
            l().join(none(), ["id"], "anti")
                .and_then(|f| f.order_by(["id", "x"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('o.id') == F.col('p.id'), 'inner').orderBy('x', 'y')",
            lo().join(rp(), same_id(), "inner")
                .and_then(|f| f.order_by(["x", "y"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), [F.col('o.id') == F.col('p.id'), F.col('o.v') > F.col('p.v') * 10], 'full').orderBy('x', 'y', 'p.id')",
            lo().join(
                rp(),
                [same_id(), col("o.v").gt(col("p.v") * lit(10))],
                "full",
            )
            .and_then(|f| f.order_by(["x", "y", "p.id"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('o.id') < F.col('p.id'), 'left').orderBy('x', 'y')",
            lo().join(rp(), col("o.id").lt(col("p.id")), "left")
                .and_then(|f| f.order_by(["x", "y"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('o.id') == F.col('p.id'), 'semi').orderBy('x')",
            lo().join(rp(), same_id(), "semi")
                .and_then(|f| f.order_by(["x"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('o.id') == F.col('p.id')).select('id')",
            lo().join(rp(), same_id(), "inner")
                .and_then(|f| f.select(["id"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('id') == F.col('p.id'))",
            lo().join(rp(), col("id").eq(col("p.id")), "inner"),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('o.id') == F.col('p.id')).select('p.*', 'x').orderBy('x', 'y')",
            lo().join(rp(), same_id(), "inner")
                .and_then(|f| f.select(["p.*", "x"])?.order_by(["x", "y"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), F.col('o.id') == F.col('p.id')).filter('o.v > 10 and P.v < 1').selectExpr('o.id', 'p.V as w')",
            lo().join(rp(), same_id(), "inner").and_then(|f| {
                f.filter("o.v > 10 and P.v < 1")?
                    .select_expr(["o.id", "p.V as w"])
            }),
        ),
        (
            "l.alias('a').join(l.alias('b'), F.col('a.id') == F.col('b.id')).select('a.x', F.col('b.x').alias('bx')).orderBy('x', 'bx')",
            l().alias("a").and_then(|a| {
                a.join(l().alias("b")?, col("a.id").eq(col("b.id")), "inner")?
                    .select([col("a.x"), col("b.x").alias("bx")])?
                    .order_by(["x", "bx"])
            }),
        ),
        (
            "l.join(l, ['id', 'x'], 'left').orderBy('x')",
            l().join(l(), ["id", "x"], "left")
                .and_then(|f| f.order_by(["x"])),
        ),
        (
            "l.alias('o').join(r.alias('p'), 'id').join(wide.alias('q'), 'id', 'left').select('id', 'o.v', 'p.v', 'z').orderBy('id', 'o.v', 'p.v')",
            lo().join(rp(), "id", "inner").and_then(|f| {
                f.join(wide().alias("q")?, "id", "left")?
                    .select(["id", "o.v", "p.v", "z"])?
                    .order_by(["id", "o.v", "p.v"])
            }),
        ),
        (
            "l.select('x').crossJoin(r.select('y')).orderBy('x', 'y')",
            l().select(["x"])
                .and_then(|f| f.cross_join(r().select(["y"])?)?.order_by(["x", "y"])),
        ),
        (
            "l.select('x', 'v').crossJoin(wide.select('z')).filter(\"z = 'one'\").orderBy('x')",
            l().select(["x", "v"]).and_then(|f| {
                f.cross_join(wide().select(["z"])?)?
                    .filter("z = 'one'")?
                    .order_by(["x"])
            }),
        ),
        (
            "l.crossJoin(r).select('v')",
            l().cross_join(r()).and_then(|f| f.select(["v"])),
        ),
        ("l.crossJoin(none)", l().cross_join(none())),
    ];
    check("verbs_joins", &tables, cases).await;
}

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
