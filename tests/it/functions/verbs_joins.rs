//! Joins.

use serde_json::json;
use weir::functions::broadcast;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

pub fn tables() -> [Table; 6] {
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
        // Hints change how, not what.
        (
            "l.join(F.broadcast(r.drop('v')), 'id').orderBy('id', 'x', 'y')",
            sorted(l().join(broadcast(r_()).unwrap(), "id", "inner")),
        ),
        (
            "l.hint('merge').join(r.drop('v'), ['id'], 'outer').orderBy('id', 'x', 'y')",
            sorted(
                l().hint("merge")
                    .and_then(|l| l.join(r_(), ["id"], "outer")),
            ),
        ),
        (
            "l.join(r.drop('v').hint('SHUFFLE_HASH'), ['id'], 'left').orderBy('id', 'x', 'y')",
            sorted(
                r_().hint("SHUFFLE_HASH")
                    .and_then(|r| l().join(r, ["id"], "left")),
            ),
        ),
    ];
    check("verbs_joins", &tables, cases).await;
}
