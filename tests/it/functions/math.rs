//! Numbers and hashes.

use serde_json::json;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;

use super::golden::{Case, Table, check, pick};
use crate::stream::session;

fn nums() -> Table {
    Table {
        name: "nums",
        schema: "id INT, y TINYINT, h SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, m DECIMAL(10,3), w DECIMAL(38,0)",
        rows: json!([
            [1, 1, 2, 3, 4, 2.5, 2.5, 2.5, 25],
            [2, -5, -25, -125, -1250, -2.5, -2.675, -2.675, -25],
            [
                3,
                127,
                32767,
                i32::MAX,
                i64::MAX,
                3.4e38,
                1e300,
                9_999_999.999,
                12
            ],
            [4, 0, 0, 0, 0, 0.0, 0.0, 0, 0],
            [
                5,
                -127,
                -32767,
                -2_147_483_647,
                -9_223_372_036_854_775_807_i64,
                "NaN",
                "NaN",
                -0.001,
                1
            ],
            [6, 15, 150, 1500, 15000, "Infinity", "Infinity", 0.5, 5],
            [7, 3, 35, 45, 55, "-INF", "-INF", 1.005, 15],
            [8, 10, 10, 10, 10, 1e-3, 0.1, 0.1, 10],
            [9, 20, 20, 20, 20, 1.005, 1.005, -1.5, -15],
            [10, null, null, null, null, null, null, null, null]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_numbers_give_what_spark_gives() {
    let session = session().await;
    let table = nums();
    let nums = table.frame(&session);
    let small = nums
        .clone()
        .filter(col("id").not_eq(lit(3)).and(col("id").not_eq(lit(5))))
        .unwrap();
    let one = |expr: Expr| nums.clone().select([expr.alias("c0")]);
    let d = || col("d");
    let cases: Vec<Case> = vec![
        (
            "nums.select('id', F.abs('y').alias('c0'), F.abs('h').alias('c1'), F.abs('i').alias('c2'), F.abs('l').alias('c3'), \
             F.abs('f').alias('c4'), F.abs('d').alias('c5'), F.abs('m').alias('c6'), F.abs('w').alias('c7'))",
            pick(
                &nums,
                ["y", "h", "i", "l", "f", "d", "m", "w"]
                    .map(|name| abs(col(name)))
                    .into(),
            ),
        ),
        (
            "nums.select('id', F.ceil('i').alias('c0'), F.ceil('d').alias('c1'), F.ceil('m').alias('c2'), F.ceil('f').alias('c3'), F.ceil('w').alias('c4'), \
             F.floor('y').alias('c5'), F.floor('d').alias('c6'), F.floor('m').alias('c7'), F.floor('f').alias('c8'), F.floor('l').alias('c9'))",
            pick(
                &nums,
                vec![
                    ceil(col("i")),
                    ceil(d()),
                    ceil(col("m")),
                    ceil(col("f")),
                    ceil(col("w")),
                    floor(col("y")),
                    floor(d()),
                    floor(col("m")),
                    floor(col("f")),
                    floor(col("l")),
                ],
            ),
        ),
        (
            "nums.select('id', F.round('i', 1).alias('c0'), F.round('d', 2).alias('c1'), F.round('d').alias('c2'), F.round('d', -1).alias('c3'), \
             F.round('f', 2).alias('c4'), F.round('m', 2).alias('c5'), F.round('m').alias('c6'), F.round('m', 5).alias('c7'), F.round('m', -2).alias('c8'), \
             F.round('w', -1).alias('c9'), F.round('l', 0).alias('c10'), F.round('f', -1).alias('c11'))",
            pick(
                &nums,
                vec![
                    round(col("i"), 1),
                    round(d(), 2),
                    round(d(), 0),
                    round(d(), -1),
                    round(col("f"), 2),
                    round(col("m"), 2),
                    round(col("m"), 0),
                    round(col("m"), 5),
                    round(col("m"), -2),
                    round(col("w"), -1),
                    round(col("l"), 0),
                    round(col("f"), -1),
                ],
            ),
        ),
        (
            "nums.where('id not in (3, 5)').select('id', F.round('y', -1).alias('c0'), F.round('h', -1).alias('c1'), F.round('i', -2).alias('c2'), F.round('l', -20).alias('c3'), \
             F.bround('y', -1).alias('c4'), F.bround('h', -1).alias('c5'), F.bround('i', -1).alias('c6'), F.bround('d', 2).alias('c7'), F.bround('d').alias('c8'), \
             F.bround('m', 2).alias('c9'), F.bround('m').alias('c10'), F.bround('w', -1).alias('c11'), F.rint('d').alias('c12'))",
            pick(
                &small,
                vec![
                    round(col("y"), -1),
                    round(col("h"), -1),
                    round(col("i"), -2),
                    round(col("l"), -20),
                    bround(col("y"), -1),
                    bround(col("h"), -1),
                    bround(col("i"), -1),
                    bround(d(), 2),
                    bround(d(), 0),
                    bround(col("m"), 2),
                    bround(col("m"), 0),
                    bround(col("w"), -1),
                    rint(d()),
                ],
            ),
        ),
        (
            "nums.select('id', F.sqrt('d').alias('c0'), F.cbrt('d').alias('c1'), F.exp('d').alias('c2'), F.expm1('d').alias('c3'), F.ln('d').alias('c4'), \
             F.log10('d').alias('c5'), F.log2('d').alias('c6'), F.log1p('d').alias('c7'), F.log(3.0, 'd').alias('c8'), F.sqrt('i').alias('c9'), \
             F.ln('m').alias('c10'), F.signum('d').alias('c11'), F.signum('i').alias('c12'))",
            pick(
                &nums,
                vec![
                    sqrt(d()),
                    cbrt(d()),
                    exp(d()),
                    expm1(d()),
                    ln(d()),
                    log10(d()),
                    log2(d()),
                    log1p(d()),
                    log(3.0, d()),
                    sqrt(col("i")),
                    ln(col("m")),
                    signum(d()),
                    signum(col("i")),
                ],
            ),
        ),
        (
            "nums.where('id != 3').select('id', F.sin('d').alias('c0'), F.cos('d').alias('c1'), F.tan('d').alias('c2'), F.asin('d').alias('c3'), F.acos('d').alias('c4'), \
             F.atan('d').alias('c5'), F.atan2('d', 'i').alias('c6'), F.sinh('d').alias('c7'), F.cosh('d').alias('c8'), F.tanh('d').alias('c9'), \
             F.hypot('d', 'i').alias('c10'), F.degrees('d').alias('c11'), F.radians('d').alias('c12'))",
            pick(
                &nums.clone().filter(col("id").not_eq(lit(3))).unwrap(),
                vec![
                    sin(d()),
                    cos(d()),
                    tan(d()),
                    asin(d()),
                    acos(d()),
                    atan(d()),
                    atan2(d(), col("i")),
                    sinh(d()),
                    cosh(d()),
                    tanh(d()),
                    hypot(d(), col("i")),
                    degrees(d()),
                    radians(d()),
                ],
            ),
        ),
        (
            "nums.select('id', F.pow('d', F.lit(2)).alias('c0'), F.pow('y', F.lit(-0.5)).alias('c1'), F.pow('d', F.lit(0)).alias('c2'), F.pow(F.lit(1), 'd').alias('c3'), \
             F.pow(F.lit(-1), 'd').alias('c4'), F.pmod('i', F.lit(7)).alias('c5'), F.pmod('l', F.lit(-7)).alias('c6'), F.pmod('d', F.lit(0.7)).alias('c7'), \
             F.pmod('y', F.lit(7)).alias('c8'), F.pmod('i', 'f').alias('c9')).where('id not in (4, 3)')",
            pick(
                &nums,
                vec![
                    pow(d(), lit(2)),
                    pow(col("y"), lit(-0.5)),
                    pow(d(), lit(0)),
                    pow(lit(1), d()),
                    pow(lit(-1), d()),
                    pmod(col("i"), lit(7)),
                    pmod(col("l"), lit(-7)),
                    pmod(d(), lit(0.7)),
                    pmod(col("y"), lit(7)),
                    pmod(col("i"), col("f")),
                ],
            )
            .and_then(|frame| frame.filter(col("id").in_list(vec![lit(4), lit(3)], true))),
        ),
        (
            "nums.select('id', F.bin('l').alias('c0'), F.bin('y').alias('c1'), F.factorial('y').alias('c2'), F.isnan('d').alias('c3'), F.isnan('f').alias('c4'), \
             F.nanvl('d', F.lit(7.0)).alias('c5'), F.nanvl('d', 'm').alias('c6'))",
            pick(
                &nums,
                vec![
                    bin(col("l")),
                    bin(col("y")),
                    factorial(col("y")),
                    isnan(d()),
                    isnan(col("f")),
                    nanvl(d(), lit(7.0)),
                    nanvl(d(), col("m")),
                ],
            ),
        ),
        (
            "nums.select(F.abs(F.lit(-9223372036854775808)).alias('c0'))",
            one(abs(lit(i64::MIN))),
        ),
        (
            "nums.select(F.pmod('i', F.lit(0)).alias('c0'))",
            one(pmod(col("i"), lit(0))),
        ),
        (
            "nums.select(F.pmod('d', F.lit(0.0)).alias('c0'))",
            one(pmod(d(), lit(0.0))),
        ),
        (
            "nums.select(F.round('i', -1).alias('c0'))",
            one(round(col("i"), -1)),
        ),
        (
            "nums.select(F.round('y', -1).alias('c0'))",
            one(round(col("y"), -1)),
        ),
        (
            "nums.select(F.abs(F.array('i')).alias('c0'))",
            one(abs(array(vec![col("i")]))),
        ),
    ];
    check("math", &[table], cases).await;
}

fn keys() -> Table {
    Table {
        name: "keys",
        schema: "id INT, s STRING, x BINARY, y TINYINT, i INT, l BIGINT, f FLOAT, d DOUBLE, m DECIMAL(10,2), w DECIMAL(38,3), b BOOLEAN, e DATE, \
                 t TIMESTAMP, a ARRAY<INT>, r STRUCT<p:INT,q:STRING>",
        rows: json!([
            [1, "a", "Zm9v", 1, 1, 1, 1.0, 1.0, 1.0, 1.0, true, "2020-01-01", "2020-01-01 00:00:00", [1, 2], {"p": 1, "q": "x"}],
            [2, "", "", -1, -1, -1, -0.0, -0.0, -1.5, -1.5, false, "1969-12-31", "1969-12-31 23:59:59.999999", [], {"p": null, "q": ""}],
            [3, "é😀", "/wCAgQ==", 127, i32::MAX, i64::MAX, "NaN", "NaN", 99_999_999.99, "99999999999999999999999999999999999.999", true, "9999-12-31", "9999-12-31 00:00:00", [null, 3], {"p": 5, "q": null}],
            [4, "The quick brown fox jumps over the lazy dog, twice over.", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj", 0, 0, 0, 0.0, 0.0, 0, "-99999999999999999999999999999999999.999", false, "1970-01-01", "1970-01-01 00:00:00", [1], {"p": 1, "q": "y"}],
            [5, null, null, null, null, null, null, null, null, null, null, null, null, null, null]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_are_those_of_spark() {
    let session = session().await;
    let table = keys();
    let keys = table.frame(&session);
    let names = [
        "s", "x", "y", "i", "l", "f", "d", "m", "w", "b", "e", "t", "a", "r",
    ];
    let all = || names.map(col).to_vec();
    let cases: Vec<Case> = vec![
        (
            "keys.select('id', *[F.hash(c).alias('c%d' % n) for n, c in enumerate('sxyilfdmwbetar')])",
            pick(&keys, names.map(|name| hash(vec![col(name)])).into()),
        ),
        (
            "keys.select('id', *[F.xxhash64(c).alias('c%d' % n) for n, c in enumerate('sxyilfdmwbetar')])",
            pick(&keys, names.map(|name| xxhash64(vec![col(name)])).into()),
        ),
        (
            "keys.select('id', F.hash(*'sxyilfdmwbetar').alias('c0'), F.xxhash64(*'sxyilfdmwbetar').alias('c1'))",
            pick(&keys, vec![hash(all()), xxhash64(all())]),
        ),
        (
            "keys.select('id', F.md5('s').alias('c0'), F.sha1('s').alias('c1'), F.sha2('s', 0).alias('c2'), F.sha2('s', 224).alias('c3'), F.sha2('s', 256).alias('c4'), \
             F.sha2('s', 384).alias('c5'), F.sha2('s', 512).alias('c6'), F.crc32('s').alias('c7'), F.md5('x').alias('c8'), F.sha1('x').alias('c9'), \
             F.sha2('x', 256).alias('c10'), F.crc32('x').alias('c11'))",
            pick(
                &keys,
                vec![
                    md5(col("s")),
                    sha1(col("s")),
                    sha2(col("s"), 0),
                    sha2(col("s"), 224),
                    sha2(col("s"), 256),
                    sha2(col("s"), 384),
                    sha2(col("s"), 512),
                    crc32(col("s")),
                    md5(col("x")),
                    sha1(col("x")),
                    sha2(col("x"), 256),
                    crc32(col("x")),
                ],
            ),
        ),
        (
            "keys.select(F.hash(F.create_map('id', 's')).alias('c0'))",
            keys.clone()
                .select([hash(vec![weir::datafusion::functions_nested::map::map(
                    vec![lit("k")],
                    vec![col("s")],
                )])
                .alias("c0")]),
        ),
    ];
    check("hash", &[table], cases).await;
}
