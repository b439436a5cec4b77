//! Nulls, choices, arrays, maps and structs.

use serde_json::json;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;

use super::golden::{Case, Table, check, pick};
use crate::stream::session;

fn vals() -> Table {
    Table {
        name: "vals",
        schema: "id INT, i INT, j INT, l BIGINT, d DOUBLE, e DOUBLE, s STRING, p STRING, b BOOLEAN, t DATE",
        rows: json!([
            [1, 1, 2, 3, 1.5, 2.5, "a", "b", true, "2020-01-01"],
            [2, null, 2, null, "NaN", 2.5, null, "b", null, null],
            [
                3,
                5,
                null,
                -5,
                "Infinity",
                "NaN",
                "",
                null,
                false,
                "1969-12-31"
            ],
            [4, 2, 2, 2, 0.0, 0.0, "x", "x", true, "2020-01-01"],
            [5, null, null, null, null, null, null, null, null, null]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_nulls_and_choices_give_what_spark_gives() {
    let session = session().await;
    let table = vals();
    let vals = table.frame(&session);
    let one = |expr: Expr| vals.clone().select([expr.alias("c0")]);
    let chosen = when(col("i").gt(lit(1)), lit("more"))
        .when(col("i").eq(lit(1)), lit("one"))
        .otherwise(lit("none"))
        .unwrap();
    let unmatched = when(col("b"), col("s")).end().unwrap();
    let cases: Vec<Case> = vec![
        (
            "vals.select('id', F.coalesce('i', 'j').alias('c0'), F.coalesce('s', 'p', F.lit('z')).alias('c1'), F.coalesce('i', 'l').alias('c2'), \
             F.nvl('d', 'e').alias('c3'), F.ifnull('i', F.lit(0)).alias('c4'), F.nvl2('i', 'j', 'l').alias('c5'), F.nullif('i', 'j').alias('c6'), \
             F.nullif('s', F.lit('')).alias('c7'), F.isnull('i').alias('c8'), F.isnotnull('s').alias('c9'), F.coalesce('i', 'd').alias('c10'), F.nullif('d', 'e').alias('c11'))",
            pick(
                &vals,
                vec![
                    coalesce(vec![col("i"), col("j")]),
                    coalesce(vec![col("s"), col("p"), lit("z")]),
                    coalesce(vec![col("i"), col("l")]),
                    nvl(col("d"), col("e")),
                    ifnull(col("i"), lit(0)),
                    nvl2(col("i"), col("j"), col("l")),
                    nullif(col("i"), col("j")),
                    nullif(col("s"), lit("")),
                    isnull(col("i")),
                    isnotnull(col("s")),
                    coalesce(vec![col("i"), col("d")]),
                    nullif(col("d"), col("e")),
                ],
            ),
        ),
        (
            "vals.select('id', F.greatest('i', 'j').alias('c0'), F.least('i', 'j').alias('c1'), F.greatest('d', 'e').alias('c2'), F.least('d', 'e').alias('c3'), \
             F.greatest('s', 'p').alias('c4'), F.least('s', 'p').alias('c5'), F.greatest('i', 'j', 'l').alias('c6'), F.least('i', 'l', 'd').alias('c7'), F.greatest('t', F.lit('2019-01-01').cast('date')).alias('c8'))",
            pick(
                &vals,
                vec![
                    greatest(vec![col("i"), col("j")]),
                    least(vec![col("i"), col("j")]),
                    greatest(vec![col("d"), col("e")]),
                    least(vec![col("d"), col("e")]),
                    greatest(vec![col("s"), col("p")]),
                    least(vec![col("s"), col("p")]),
                    greatest(vec![col("i"), col("j"), col("l")]),
                    least(vec![col("i"), col("l"), col("d")]),
                    greatest(vec![col("t"), to_date(lit("2019-01-01"), None)]),
                ],
            ),
        ),
        (
            "vals.select('id', F.when(F.col('i') > 1, 'more').when(F.col('i') == 1, 'one').otherwise('none').alias('c0'), F.when(F.col('b'), F.col('s')).alias('c1'), \
             (~F.col('b')).alias('c2'), F.col('i').isin(1, 5).alias('c3'), F.col('i').between(1, 2).alias('c4'), F.col('i').eqNullSafe(F.col('j')).alias('c5'), \
             F.col('d').eqNullSafe(F.col('e')).alias('c6'))",
            pick(
                &vals,
                vec![
                    chosen,
                    unmatched,
                    not(col("b")),
                    col("i").isin([lit(1), lit(5)]),
                    col("i").between(lit(1), lit(2)),
                    col("i").eq_null_safe(col("j")),
                    col("d").eq_null_safe(col("e")),
                ],
            ),
        ),
        (
            "vals.select(F.coalesce('i', F.array('i')).alias('c0'))",
            one(coalesce(vec![col("i"), array(vec![col("i")])])),
        ),
    ];
    check("conditional", &[table], cases).await;
}

fn nested() -> Table {
    Table {
        name: "nested",
        schema: "id INT, a ARRAY<INT>, s ARRAY<STRING>, m MAP<STRING,INT>, n ARRAY<ARRAY<INT>>, r STRUCT<x:INT,y:STRING>, i INT, d ARRAY<DOUBLE>",
        rows: json!([
            [1, [3, 1, 2, 3], ["b", "a"], {"a": 1, "b": 2}, [[1, 2], [3]], {"x": 1, "y": "q"}, 1, [2.5, "NaN", 1.0]],
            [2, [], [], {}, [], {"x": null, "y": ""}, 1, []],
            [3, [null, 2, null], ["é", null, "é"], {"a": null}, [[null], []], {"x": 3, "y": null}, 2, ["NaN", "NaN", null]],
            [4, [5], [""], {"z": 0}, [[1], null], null, 5, [0.5]],
            [5, null, null, null, null, null, null, null]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_arrays_and_maps_give_what_spark_gives() {
    let session = session().await;
    let table = nested();
    let nested = table.frame(&session);
    let some = nested
        .clone()
        .filter(col("id").in_list(vec![lit(1), lit(3), lit(4), lit(5)], false))
        .unwrap();
    let cases: Vec<Case> = vec![
        (
            "nested.select('id', F.size('a').alias('c0'), F.size('m').alias('c1'), F.size('n').alias('c2'), F.array_contains('a', 2).alias('c3'), \
             F.array_contains('s', 'é').alias('c4'), F.array_contains('a', F.col('i')).alias('c5'), F.array_contains('d', float('nan')).alias('c6'), \
             F.array_contains('a', F.lit(2).cast('bigint')).alias('c7'))",
            pick(
                &nested,
                vec![
                    size(col("a")),
                    size(col("m")),
                    size(col("n")),
                    array_contains(col("a"), lit(2)),
                    array_contains(col("s"), lit("é")),
                    array_contains(col("a"), col("i")),
                    array_contains(col("d"), lit(f64::NAN)),
                    array_contains(col("a"), lit(2_i64)),
                ],
            ),
        ),
        (
            "nested.select('id', F.array_distinct('a').alias('c0'), F.array_distinct('s').alias('c1'), F.array_sort('a').alias('c2'), F.sort_array('a').alias('c3'), \
             F.sort_array('a', False).alias('c4'), F.sort_array('s').alias('c5'), F.array_sort('d').alias('c6'), F.flatten('n').alias('c7'), F.array_distinct('d').alias('c8'))",
            pick(
                &nested,
                vec![
                    array_distinct(col("a")),
                    array_distinct(col("s")),
                    array_sort(col("a")),
                    sort_array(col("a"), true),
                    sort_array(col("a"), false),
                    sort_array(col("s"), true),
                    array_sort(col("d")),
                    flatten(col("n")),
                    array_distinct(col("d")),
                ],
            ),
        ),
        (
            "nested.select('id', F.map_keys('m').alias('c0'), F.map_values('m').alias('c1'), F.element_at('m', 'a').alias('c2'), F.col('r').getField('x').alias('c3'), \
             F.col('r.y').alias('c4'), F.array('i', F.lit(7)).alias('c5'), F.named_struct(F.lit('k'), F.col('i'), F.lit('v'), F.lit('w')).alias('c6'), F.array().alias('c7')).drop('c7')",
            pick(
                &nested,
                vec![
                    map_keys(col("m")),
                    map_values(col("m")),
                    element_at(col("m"), lit("a")),
                    col("r").get_field("x"),
                    col("r").get_field("y"),
                    array(vec![col("i"), lit(7)]),
                    named_struct([("k", col("i")), ("v", lit("w"))]),
                ],
            ),
        ),
        (
            "nested.where('id != 2').select('id', F.element_at('a', 1).alias('c0'), F.element_at('a', -1).alias('c1'), F.element_at('s', 1).alias('c2'), F.element_at('n', -1).alias('c3'))",
            pick(
                &some,
                vec![
                    element_at(col("a"), lit(1)),
                    element_at(col("a"), lit(-1)),
                    element_at(col("s"), lit(1)),
                    element_at(col("n"), lit(-1)),
                ],
            ),
        ),
        (
            "nested.select(F.element_at('a', 2).alias('c0'))",
            nested
                .clone()
                .select([element_at(col("a"), lit(2)).alias("c0")]),
        ),
        (
            "nested.select(F.element_at('a', 0).alias('c0'))",
            nested
                .clone()
                .select([element_at(col("a"), lit(0)).alias("c0")]),
        ),
        (
            "nested.select(F.size('i').alias('c0'))",
            nested.clone().select([size(col("i")).alias("c0")]),
        ),
        (
            "nested.select(F.col('r').getField('z').alias('c0'))",
            nested.clone().select([col("r").get_field("z").alias("c0")]),
        ),
    ];
    check("collections", &[table], cases).await;
}
