//! `from_csv`.

use serde_json::json;
use weir::prelude::*;
use weir::{DataFrame, ErrorKind};

use super::golden::{Case, Table, check};
use crate::stream::session;

fn texts() -> Table {
    let texts = [
        "1,a,2.5,2020-02-29,2020-01-01 12:00:00,true,1.005",
        "1,a,2.5,2020-02-30,noon,yes,x",
        "1,a",
        "1,a,2.5,2020-02-29,2020-01-01 12:00:00,true,1.5,more",
        "x,,,,,,",
        "99999999999,\"q,1\",NaN,,,TRUE,123456789",
        "-7,\"say \\\"hi\\\"\",Inf,,,False,-0.005",
        "+8, b ,-Inf,,,,1e2",
        " 9,c, 1.5,,,,12",
        ",,,,,,",
        "",
        "2,\u{e9}\u{20ac}\u{1f600},1e400,,,,",
    ];
    let mut rows: Vec<_> = texts.iter().map(|text| json!([text])).collect();
    rows.push(json!([null]));
    Table {
        name: "texts",
        schema: "j STRING",
        rows: json!(rows),
    }
}

fn read(texts: &DataFrame, schema: &str, options: &[(&str, &str)]) -> weir::Result<DataFrame> {
    let parsed = from_csv(col("j"), schema, options.iter().copied())?;
    texts.clone().select([col("j"), parsed.alias("r")])
}

const SCHEMA: &str =
    "i INT, s STRING, d DOUBLE, e DATE, z TIMESTAMP_NTZ, o BOOLEAN, n DECIMAL(10,2)";

#[tokio::test(flavor = "multi_thread")]
async fn from_csv_gives_what_spark_gives() {
    let session = session().await;
    let table = texts();
    let frame = table.frame(&session);
    let corrupt = format!("{SCHEMA}, _corrupt_record STRING");
    let only = |text: &str| frame.clone().filter(col("j").eq(lit(text))).unwrap();
    let cases: Vec<Case> = vec![
        (
            "texts.select('j', F.from_csv('j', 'i INT, s STRING, d DOUBLE, e DATE, z TIMESTAMP_NTZ, o BOOLEAN, n DECIMAL(10,2), \
             _corrupt_record STRING').alias('r'))",
            read(&frame, &corrupt, &[]),
        ),
        (
            "texts.select('j', F.from_csv('j', 'i BIGINT, s STRING, d FLOAT').alias('r'))",
            read(&frame, "i BIGINT, s STRING, d FLOAT", &[]),
        ),
        (
            "texts.select('j', F.from_csv('j', 'bad STRING, i SMALLINT, s STRING', {'columnNameOfCorruptRecord': 'bad', \
             'nullValue': 'a', 'ignoreLeadingWhiteSpace': 'true', 'ignoreTrailingWhiteSpace': 'true'}).alias('r'))",
            read(
                &frame,
                "bad STRING, i SMALLINT, s STRING",
                &[
                    ("columnNameOfCorruptRecord", "bad"),
                    ("nullValue", "a"),
                    ("ignoreLeadingWhiteSpace", "true"),
                    ("ignoreTrailingWhiteSpace", "true"),
                ],
            ),
        ),
        (
            "texts.select('j', F.from_csv('j', 'a STRING, b STRING', {'sep': ' '}).alias('r'))",
            read(&frame, "a STRING, b STRING", &[("sep", " ")]),
        ),
        (
            "texts.filter(F.col('j') == '1,a').select('j', F.from_csv('j', 'i INT, s STRING', {'mode': 'FAILFAST'}).alias('r'))",
            read(&only("1,a"), "i INT, s STRING", &[("mode", "FAILFAST")]),
        ),
        (
            "texts.filter(F.col('j') == '1,a').select('j', F.from_csv('j', 'i INT, s INT', {'mode': 'FAILFAST'}).alias('r'))",
            read(&only("1,a"), "i INT, s INT", &[("mode", "FAILFAST")]),
        ),
    ];
    check("csv", &[table], cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_csv_says_why_and_refuses_by_name() {
    let session = session().await;
    let frame = texts().frame(&session);
    let options = [("mode", "PERMISSIVE"), ("columnNameOfError", "why")];
    let parsed = from_csv(col("j"), "i INT, s STRING", options).unwrap();
    let rows = frame
        .filter(col("j").in_list(vec![lit("1,a"), lit("x,,,,,,")], false))
        .unwrap()
        .select([to_json(parsed).alias("r")])
        .unwrap()
        .sort([col("r")])
        .unwrap();
    let rows = rows.collect().await.unwrap();
    let shown = weir::datafusion::arrow::util::pretty::pretty_format_batches(&rows)
        .unwrap()
        .to_string();
    assert!(shown.contains(r#"{"i":1,"s":"a"}"#), "{shown}");
    assert!(
        shown.contains(r#"{"why":"field \"i\": \"x\" is no INT"}"#),
        "{shown}"
    );
    for (schema, option, part) in [
        ("i INT", ("seperator", ";"), "\"seperator\""),
        ("i INT", ("header", "true"), "\"header\""),
        ("i INT", ("sep", "||"), "one ASCII character"),
        ("i INT", ("mode", "DROPMALFORMED"), "\"DROPMALFORMED\""),
        ("a ARRAY<INT>", ("sep", ";"), "\"a\""),
        ("why INT", options[1], "must be a STRING"),
    ] {
        let error = from_csv(col("j"), schema, [option]).unwrap_err();
        assert!(error.to_string().contains(part), "{option:?}: {error}");
        assert_ne!(error.kind(), ErrorKind::Internal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_read_as_they_are_and_what_is_no_text_is_a_bad_record() {
    let session = session().await;
    let rows = "select * from (values (1, x'312c61'), (2, x'322ce9'), (3, null)) as t(n, j)";
    let frame = session.sql(rows).await.unwrap();
    let schema = "i INT, s STRING, _corrupt_record STRING";
    let options = [("mode", "PERMISSIVE"), ("columnNameOfError", "why")];
    let expected = [
        r#"{"i":1,"s":"a"}"#,
        "{\"_corrupt_record\":\"2,\u{fffd}\",\"why\":\"it is no UTF-8, at byte 2\"}",
    ];
    for text in [col("j"), col("j").cast("string").unwrap()] {
        let parsed = to_json(from_csv(text.clone(), schema, options).unwrap());
        let rows = frame.clone().select([col("n"), parsed.alias("r")]).unwrap();
        let rows = rows.sort([col("n")]).unwrap().collect().await.unwrap();
        let rows = weir::datafusion::arrow::util::pretty::pretty_format_batches(&rows)
            .unwrap()
            .to_string();
        for expected in expected {
            assert!(rows.contains(expected), "{expected}: {rows}");
        }
        assert!(rows.contains("| 3 |   "), "{rows}");
        let strict = from_csv(text, schema, [("mode", "FAILFAST")]).unwrap();
        let rows = frame.clone().select([strict.alias("r")]).unwrap();
        let error = rows.collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compute, "{error}");
        assert!(error.to_string().contains("no UTF-8"), "{error}");
    }
}
