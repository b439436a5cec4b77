//! Dates and times.

use serde_json::json;
use weir::prelude::*;

use super::golden::{Case, Table, check, pick};
use crate::stream::session;

fn dates() -> Table {
    Table {
        name: "dates",
        schema: "id INT, d DATE, t TIMESTAMP, z TIMESTAMP_NTZ, o DATE, p TIMESTAMP, n INT",
        rows: json!([
            [
                1,
                "2026-01-31",
                "2026-01-31 23:59:59.999999",
                "2026-01-31 23:59:59.999999",
                "2026-02-28",
                "2026-02-28 10:30:00",
                1
            ],
            [
                2,
                "2024-02-29",
                "2024-02-29 12:34:56.123456",
                "2024-02-29 12:34:56.5",
                "2023-02-28",
                "2023-02-28 12:34:56.123",
                12
            ],
            [
                3,
                "1969-12-31",
                "1969-12-31 23:59:59.999999",
                "1969-12-31 00:00:00",
                "1970-01-01",
                "1970-01-01 00:00:00",
                -1
            ],
            [
                4,
                "0001-01-02",
                "0002-01-01 00:00:00",
                "0002-01-01 00:00:00.000001",
                "9999-12-31",
                "9999-12-31 23:59:59.999999",
                0
            ],
            [
                5,
                "9999-11-30",
                "9999-12-31 23:59:59.999999",
                "9999-12-31 23:59:59.999999",
                "0001-01-01",
                "0002-01-01 00:00:00",
                1
            ],
            [
                6,
                "1900-03-01",
                "1900-02-28 00:00:00.000001",
                "1900-02-28 00:00:00",
                "1900-02-28",
                "1900-03-31 07:07:07.77",
                -120
            ],
            [
                7,
                "2021-01-03",
                "2021-01-03 13:00:00",
                "2021-01-03 13:00:00.1",
                "2020-12-31",
                "2021-01-03 12:59:59",
                7
            ],
            [8, null, null, null, "2020-01-01", "2020-01-01 00:00:00", 3],
            [
                9,
                "2020-06-30",
                "2020-06-30 05:06:07.89",
                "2020-06-30 05:06:07.89",
                null,
                null,
                null
            ]
        ]),
    }
}

fn text() -> Table {
    let texts = [
        "2026-01-31",
        "2026-01-31 12:34:56.789",
        "2020-2-9",
        "31/01/2026",
        "31/01/2026 23:59:59",
        "2026-01-31T10:00:00+02:00",
        "2021-02-29",
        "",
        " 2026-01-31 ",
        "1970",
        "ü",
    ];
    let mut rows: Vec<_> = (1..)
        .zip(texts)
        .map(|(id, text)| json!([id, text]))
        .collect();
    rows.push(json!([99, null]));
    Table {
        name: "text",
        schema: "id INT, s STRING",
        rows: json!(rows),
    }
}

fn numbers() -> Table {
    Table {
        name: "numbers",
        schema: "id INT, n BIGINT, f DOUBLE, m DECIMAL(20,3), i INT",
        rows: json!([
            [1, 0, 0.0, 0.0, 2000],
            [
                2,
                1_769_857_200_i64,
                1_769_857_200.123_456_7,
                1_769_857_200.123,
                20_484
            ],
            [3, -1, -0.5, -0.001, -1],
            [4, -62_104_060_800_i64, 253_402_300_799.0, 1.999, 2_932_896],
            [5, null, null, null, null]
        ]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn date_and_time_functions_give_what_spark_gives() {
    let session = session().await;
    let tables = [dates(), text(), numbers()];
    let [dates, text, numbers] = tables.each_ref().map(|table| table.frame(&session));
    let at = |id: i32| text.clone().filter(col("id").eq(lit(id))).unwrap();
    let mut cases: Vec<Case> = vec![
        (
            "dates.select('id', F.year('d').alias('c0'), F.quarter('d').alias('c1'), F.month('d').alias('c2'), \
             F.dayofmonth('d').alias('c3'), F.day('d').alias('c4'), F.dayofweek('d').alias('c5'), F.weekday('d').alias('c6'), \
             F.dayofyear('d').alias('c7'), F.weekofyear('d').alias('c8'))",
            pick(
                &dates,
                vec![
                    year(col("d")),
                    quarter(col("d")),
                    month(col("d")),
                    dayofmonth(col("d")),
                    day(col("d")),
                    dayofweek(col("d")),
                    weekday(col("d")),
                    dayofyear(col("d")),
                    weekofyear(col("d")),
                ],
            ),
        ),
        (
            "dates.select('id', F.year('t').alias('c0'), F.dayofweek('z').alias('c1'), F.hour('t').alias('c2'), \
             F.minute('t').alias('c3'), F.second('t').alias('c4'), F.hour('z').alias('c5'), F.second('z').alias('c6'), \
             F.hour('d').alias('c7'), F.weekofyear('t').alias('c8'))",
            pick(
                &dates,
                vec![
                    year(col("t")),
                    dayofweek(col("z")),
                    hour(col("t")),
                    minute(col("t")),
                    second(col("t")),
                    hour(col("z")),
                    second(col("z")),
                    hour(col("d")),
                    weekofyear(col("t")),
                ],
            ),
        ),
        (
            "dates.where('id != 4 and id != 5').select('id', F.date_add('d', 'n').alias('c0'), F.date_sub('d', 'n').alias('c1'), \
             F.date_add('t', 1).alias('c2'), F.add_months('d', 'n').alias('c3'), F.add_months('d', 1).alias('c4'), \
             F.add_months('d', -12).alias('c5'), F.date_sub('o', 59).alias('c6'))",
            pick(
                &dates
                    .clone()
                    .filter(col("id").not_eq(lit(4)).and(col("id").not_eq(lit(5))))
                    .unwrap(),
                vec![
                    date_add(col("d"), col("n")),
                    date_sub(col("d"), col("n")),
                    date_add(col("t"), lit(1)),
                    add_months(col("d"), col("n")),
                    add_months(col("d"), lit(1)),
                    add_months(col("d"), lit(-12)),
                    date_sub(col("o"), lit(59)),
                ],
            ),
        ),
        (
            "dates.select('id', F.datediff('d', 'o').alias('c0'), F.date_diff('p', 't').alias('c1'), \
             F.months_between('t', 'p').alias('c2'), F.months_between('p', 't', False).alias('c3'), \
             F.months_between('d', 'o').alias('c4'), F.last_day('d').alias('c5'), F.last_day('p').alias('c6'))",
            pick(
                &dates,
                vec![
                    datediff(col("d"), col("o")),
                    date_diff(col("p"), col("t")),
                    months_between(col("t"), col("p"), true),
                    months_between(col("p"), col("t"), false),
                    months_between(col("d"), col("o"), true),
                    last_day(col("d")),
                    last_day(col("p")),
                ],
            ),
        ),
        (
            "dates.where('id != 5').select('id', F.next_day('d', 'Mon').alias('c0'), F.next_day('d', 'SUNDAY').alias('c1'), \
             F.next_day('t', 'fr').alias('c2'), F.next_day('d', 'tUe').alias('c3'))",
            pick(
                &dates.clone().filter(col("id").not_eq(lit(5))).unwrap(),
                vec![
                    next_day(col("d"), "Mon"),
                    next_day(col("d"), "SUNDAY"),
                    next_day(col("t"), "fr"),
                    next_day(col("d"), "tUe"),
                ],
            ),
        ),
        (
            "dates.select('id', F.trunc('d', 'year').alias('c0'), F.trunc('d', 'MM').alias('c1'), F.trunc('d', 'quarter').alias('c2'), \
             F.trunc('t', 'yy').alias('c3'), F.trunc('d', 'day').alias('c4'), F.trunc('d', 'x').alias('c5'), F.trunc('d', 'mon').alias('c6'))",
            pick(
                &dates,
                vec![
                    trunc(col("d"), "year"),
                    trunc(col("d"), "MM"),
                    trunc(col("d"), "quarter"),
                    trunc(col("t"), "yy"),
                    trunc(col("d"), "day"),
                    trunc(col("d"), "x"),
                    trunc(col("d"), "mon"),
                ],
            ),
        ),
        (
            "dates.where('id != 4').select('id', F.trunc('d', 'week').alias('c0'), F.date_trunc('week', 't').alias('c1'))",
            pick(
                &dates.clone().filter(col("id").not_eq(lit(4))).unwrap(),
                vec![trunc(col("d"), "week"), date_trunc("week", col("t"))],
            ),
        ),
        (
            "dates.select('id', F.date_trunc('year', 't').alias('c0'), F.date_trunc('quarter', 't').alias('c1'), \
             F.date_trunc('month', 't').alias('c2'), F.date_trunc('dd', 't').alias('c3'), F.date_trunc('HOUR', 't').alias('c4'), \
             F.date_trunc('minute', 't').alias('c5'), F.date_trunc('second', 't').alias('c6'), F.date_trunc('millisecond', 't').alias('c7'), \
             F.date_trunc('microsecond', 't').alias('c8'), F.date_trunc('x', 't').alias('c9'), F.date_trunc('day', 'd').alias('c10'), \
             F.date_trunc('hour', 'z').alias('c11'))",
            pick(
                &dates,
                vec![
                    date_trunc("year", col("t")),
                    date_trunc("quarter", col("t")),
                    date_trunc("month", col("t")),
                    date_trunc("dd", col("t")),
                    date_trunc("HOUR", col("t")),
                    date_trunc("minute", col("t")),
                    date_trunc("second", col("t")),
                    date_trunc("millisecond", col("t")),
                    date_trunc("microsecond", col("t")),
                    date_trunc("x", col("t")),
                    date_trunc("day", col("d")),
                    date_trunc("hour", col("z")),
                ],
            ),
        ),
        (
            "dates.select('id', F.date_format('t', 'yyyy-MM-dd HH:mm:ss.SSSSSS').alias('c0'), F.date_format('d', 'EEE d MMM yy').alias('c1'), \
             F.date_format('z', 'hh:mm a, EEEE, D').alias('c2'), F.date_format('t', \"yyyyMMdd'T'HH\").alias('c3'), \
             F.date_format('t', '').alias('c4'), F.date_format('t', 'QQQ G XXX z').alias('c5'))",
            pick(
                &dates,
                vec![
                    date_format(col("t"), "yyyy-MM-dd HH:mm:ss.SSSSSS"),
                    date_format(col("d"), "EEE d MMM yy"),
                    date_format(col("z"), "hh:mm a, EEEE, D"),
                    date_format(col("t"), "yyyyMMdd'T'HH"),
                    date_format(col("t"), ""),
                    date_format(col("t"), "QQQ G XXX z"),
                ],
            ),
        ),
        (
            "dates.select('id', F.unix_timestamp('t').alias('c0'), F.unix_timestamp('d').alias('c1'), F.unix_seconds('t').alias('c2'), \
             F.unix_millis('t').alias('c3'), F.unix_micros('t').alias('c4'), F.unix_date('d').alias('c5'), F.to_date('t').alias('c6'), \
             F.to_timestamp('d').alias('c7'), F.to_timestamp('z').alias('c8'), F.to_date('z').alias('c9'), \
             F.to_date('t', 'dd').alias('c10'))",
            pick(
                &dates,
                vec![
                    unix_timestamp(col("t"), None),
                    unix_timestamp(col("d"), None),
                    unix_seconds(col("t")),
                    unix_millis(col("t")),
                    unix_micros(col("t")),
                    unix_date(col("d")),
                    to_date(col("t"), None),
                    to_timestamp(col("d"), None),
                    to_timestamp(col("z"), None),
                    to_date(col("z"), None),
                    to_date(col("t"), Some("dd")),
                ],
            ),
        ),
        (
            "numbers.select('id', F.timestamp_seconds('n').alias('c0'), F.timestamp_seconds('f').alias('c1'), \
             F.timestamp_seconds('m').alias('c2'), F.timestamp_seconds('i').alias('c3'), F.timestamp_millis('n').alias('c4'), \
             F.timestamp_micros('n').alias('c5'), F.from_unixtime('n').alias('c6'), F.from_unixtime('n', 'dd.MM.yyyy').alias('c7'), \
             F.date_from_unix_date('i').alias('c8'))",
            pick(
                &numbers,
                vec![
                    timestamp_seconds(col("n")),
                    timestamp_seconds(col("f")),
                    timestamp_seconds(col("m")),
                    timestamp_seconds(col("i")),
                    timestamp_millis(col("n")),
                    timestamp_micros(col("n")),
                    from_unixtime(col("n"), None),
                    from_unixtime(col("n"), Some("dd.MM.yyyy")),
                    date_from_unix_date(col("i")),
                ],
            ),
        ),
        (
            "numbers.where('id in (1, 5)').select('id', F.make_date(F.lit(2024), F.lit(2), F.lit(29)).alias('c0'), F.make_date('i', F.lit(2), F.lit(1)).alias('c1'))",
            pick(
                &numbers
                    .clone()
                    .filter(col("id").in_list(vec![lit(1), lit(5)], false))
                    .unwrap(),
                vec![
                    make_date(lit(2024), lit(2), lit(29)),
                    make_date(col("i"), lit(2), lit(1)),
                ],
            ),
        ),
        (
            "numbers.select(F.make_date(F.lit(2023), F.lit(2), F.lit(29)).alias('c0'))",
            numbers
                .clone()
                .select([make_date(lit(2023), lit(2), lit(29)).alias("c0")]),
        ),
        (
            "numbers.select(F.timestamp_seconds(F.lit(9223372036854775807)).alias('c0'))",
            numbers
                .clone()
                .select([timestamp_seconds(lit(i64::MAX)).alias("c0")]),
        ),
        (
            "dates.select(F.add_months('d', 2147483647).alias('c0'))",
            dates
                .clone()
                .select([add_months(col("d"), lit(i32::MAX)).alias("c0")]),
        ),
        (
            "dates.select(F.next_day('d', 'someday').alias('c0'))",
            dates
                .clone()
                .select([next_day(col("d"), "someday").alias("c0")]),
        ),
        (
            "dates.select(F.date_format('d', 'YYYY').alias('c0'))",
            dates
                .clone()
                .select([date_format(col("d"), "YYYY").alias("c0")]),
        ),
        (
            "dates.select(F.year('n').alias('c0'))",
            dates.clone().select([year(col("n")).alias("c0")]),
        ),
        (
            "dates.select((F.current_date() == F.to_date(F.current_timestamp())).alias('c0')).distinct()",
            dates
                .clone()
                .select([current_date()
                    .eq(to_date(current_timestamp(), None))
                    .alias("c0")])
                .and_then(DataFrame::distinct),
        ),
        (
            "dates.select(F.current_timestamp().alias('c0'), F.current_date().alias('c1')).limit(0)",
            dates
                .clone()
                .select([current_timestamp().alias("c0"), current_date().alias("c1")])
                .and_then(|frame| frame.limit(0)),
        ),
    ];
    // Text is tried one by one, since one that does not fit ends the query.
    for id in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99] {
        let mut both = |python: &str, column| {
            let case = format!("text.where('id = {id}').select({python}.alias('c0'))");
            cases.push((
                case.leak(),
                at(id).select([weir::datafusion::logical_expr::Expr::alias(column, "c0")]),
            ));
        };
        both("F.to_date('s')", to_date(col("s"), None));
        both("F.to_timestamp('s')", to_timestamp(col("s"), None));
        both(
            "F.to_date('s', 'yyyy-MM-dd')",
            to_date(col("s"), Some("yyyy-MM-dd")),
        );
        both(
            "F.to_timestamp('s', 'dd/MM/yyyy[ HH:mm:ss]')",
            to_timestamp(col("s"), Some("dd/MM/yyyy[ HH:mm:ss]")),
        );
        both(
            "F.unix_timestamp('s', 'y-M-d')",
            unix_timestamp(col("s"), Some("y-M-d")),
        );
        both("F.year('s')", year(col("s")));
        both("F.hour('s')", hour(col("s")));
    }
    check("datetime", &tables, cases).await;
}
