//! `from_json`, `get_json_object`, `to_json`.

use serde_json::json;
use weir::ErrorKind;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

const SCHEMA: &str = "a INT, b STRUCT<c: INT, d: STRING>, s STRING, l ARRAY<INT>, t TIMESTAMP, y TINYINT, \
                      _corrupt_record STRING";
const TYPES: &str = "i BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10,2), e DATE, z TIMESTAMP_NTZ, o BOOLEAN, x BINARY, \
                     m MAP<STRING,INT>, h SMALLINT, w ARRAY<STRUCT<a: INT, b: ARRAY<STRING>>>";

fn texts() -> Table {
    let texts = [
        // Nothing, and no record.
        "null",
        "",
        "  ",
        "1",
        "[1]",
        "[{\"a\":1}]",
        "{}",
        " {\"a\" : 1 } ",
        "\"x\"",
        "{\"a\":1}xyz",
        "{\"a\":1}{\"a\":2}",
        // Malformed.
        "{",
        "{\"a\":1",
        "{\"a\":{\"x\":tru},\"s\":\"k\"}",
        "{\"b\":{\"c\": tru},\"s\":\"k\"}",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{\"s\":\"a\tb\"}",
        "{\"s\":\"\\x\"}",
        "{\"s\":\"\\u12\"}",
        "{a:1}",
        "{\"a\":1 \"s\":2}",
        "{\"l\":[1,2}",
        "{\"zz\":[1,2}",
        "{\"s\":\"open",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"zz\":{\"y\":[{}]},\"s\":\"k\"}",
        "{'a':1,'s':'it\\'s'}",
        // Repeated names.
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"a\":\"x\"}",
        "{\"a\":1,\"a\":null}",
        "{\"s\":\"1\",\"s\":\"2\",\"a\":3}",
        "{\"l\":[1],\"l\":[2,3]}",
        "{\"b\":{\"c\":1,\"d\":\"x\"},\"b\":{\"c\":2}}",
        // Numbers, words and structures as text.
        "{\"s\":1.50}",
        "{\"s\":1e10}",
        "{\"s\":-0}",
        "{\"s\":12345678901234567890123}",
        "{\"s\":true}",
        "{\"s\":{\"x\" : 1.50, \"y\":[ ]}}",
        "{\"s\":[1, \"\\u00e9/\\\"\"]}",
        "{\"s\":NaN}",
        "{\"s\":\"\"}",
        "{\"s\":\"\\ud83d\\ude00 \\ud800 \\n\\/ ü\"}",
        "{\"s\":\"\\ud83d\\ude00\"}",
        "{\"s\":[\"😀\"]}",
        // Values of another type.
        "{\"a\":99999999999,\"s\":\"k\"}",
        "{\"a\":1.0}",
        "{\"a\":\"1\"}",
        "{\"a\":\"\"}",
        "{\"a\":true}",
        "{\"a\":-0}",
        "{\"a\":1e2}",
        "{\"a\":[]}",
        "{\"l\":[1,\"x\",3],\"s\":\"k\"}",
        "{\"l\":[1,null]}",
        "{\"l\":[]}",
        "{\"l\":5}",
        "{\"l\":{}}",
        "{\"y\":200}",
        "{\"y\":300,\"s\":\"k\"}",
        "{\"y\":-129}",
        "{\"b\":{\"c\":\"x\",\"d\":\"e\"},\"s\":\"k\"}",
        "{\"b\":5,\"s\":\"k\"}",
        "{\"b\":null}",
        "{\"b\":{\"d\":null}}",
        "{\"A\":1}",
        "{\"t\":\"2020-01-01T00:00:00+02:00\"}",
        "{\"t\":\"2020-2-29 1:2:3.4567891\"}",
        "{\"t\":\"2021-02-29\"}",
        "{\"t\":1}",
        "{\"t\":1.5}",
        "{\"t\":\"x\",\"s\":\"k\"}",
        "{\"t\":\"\"}",
        "{\"t\":\" 2020-01-01 \"}",
        "{\"t\":\"2020-01-01 00:00:00 Europe/Paris\"}",
        // The second schema.
        "{\"i\":9223372036854775807,\"f\":0.1,\"d\":0.1,\"n\":1.005,\"e\":\"2020-02-29\",\"z\":\"2020-01-01 12:00:00Z\",\"o\":true,\"x\":\"Zm9v\"}",
        "{\"i\":9223372036854775808,\"f\":\"NaN\",\"d\":\"-INF\",\"n\":\"12.345\",\"e\":\"2020-02-30\",\"o\":\"true\",\"x\":\"?\"}",
        "{\"d\":\"INF\",\"f\":\"+INF\"}",
        "{\"d\":Infinity,\"f\":-INF,\"n\":123456789.0,\"e\":18000,\"o\":1}",
        "{\"d\":\"1.5\",\"n\":-0.005,\"f\":1e40,\"h\":40000}",
        "{\"d\":1e400,\"n\":1e3,\"m\":{\"k\":1,\"j\":null},\"h\":-32768}",
        "{\"n\":\"\",\"d\":\"\",\"m\":{}}",
        "{\"n\":\"x\",\"d\":5,\"m\":[]}",
        "{\"w\":[{\"a\":1,\"b\":[\"x\",null]},null,{\"b\":[]},{}]}",
        "{\"w\":[{\"a\":\"bad\",\"b\":[\"x\"]},{\"a\":2}]}",
        "{\"w\":[{\"a\":1},2]}",
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
    let parsed = from_json(col("j"), schema, options.iter().copied())?;
    texts.clone().select([col("j"), parsed.alias("r")])
}

#[tokio::test(flavor = "multi_thread")]
async fn json_functions_give_what_spark_gives() {
    let session = session().await;
    let table = texts();
    let frame = table.frame(&session);
    let only = |text: &str| frame.clone().filter(col("j").eq(lit(text))).unwrap();
    // Jackson cannot write half a surrogate pair, and Spark's answer is null; Weir's is `?`, as in
    // `from_json`.
    let has_half = weir::datafusion::functions::expr_fn::contains(col("j"), lit("ud800"));
    let without_half_surrogates = frame.clone().filter(not(has_half)).unwrap();
    let cases: Vec<Case> = vec![
        (
            "texts.select('j', F.from_json('j', 'a INT, b STRUCT<c: INT, d: STRING>, s STRING, l ARRAY<INT>, \
             t TIMESTAMP, y TINYINT, _corrupt_record STRING').alias('r'))",
            read(&frame, SCHEMA, &[]),
        ),
        (
            "texts.select('j', F.from_json('j', 'i BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10,2), e DATE, \
             z TIMESTAMP_NTZ, o BOOLEAN, x BINARY, m MAP<STRING,INT>, h SMALLINT, \
             w ARRAY<STRUCT<a: INT, b: ARRAY<STRING>>>').alias('r'))",
            read(&frame, TYPES, &[]),
        ),
        (
            "texts.select('j', F.from_json('j', 'array<int>').alias('r'))",
            read(&frame, "array<int>", &[]),
        ),
        (
            "texts.select('j', F.from_json('j', 'map<string,string>').alias('r'))",
            read(&frame, "map<string,string>", &[]),
        ),
        (
            "texts.select(F.to_json(F.from_json('j', 'map<string,string>')).alias('r'))",
            read(&frame, "map<string,string>", &[])
                .unwrap()
                .select([to_json(col("r")).alias("r")]),
        ),
        (
            "texts.select('j', F.from_json('j', 'bad STRING, a INT', {'columnNameOfCorruptRecord': 'bad', \
             'allowSingleQuotes': 'false', 'allowNumericLeadingZeros': 'true', 'allowUnquotedControlChars': 'true', \
             'allowNonNumericNumbers': 'false'}).alias('r'))",
            read(
                &frame,
                "bad STRING, a INT",
                &[
                    ("columnNameOfCorruptRecord", "bad"),
                    ("allowSingleQuotes", "false"),
                    ("allowNumericLeadingZeros", "true"),
                    ("allowUnquotedControlChars", "true"),
                    ("allowNonNumericNumbers", "false"),
                ],
            ),
        ),
        (
            "texts.select(F.from_json('j', 't TIMESTAMP, e DATE', {'timestampFormat': \"yyyy-MM-dd'T'HH:mm:ssXXX\", \
             'dateFormat': 'yyyy-MM-dd'}).alias('r'))",
            frame.clone().select([from_json(
                col("j"),
                "t TIMESTAMP, e DATE",
                [
                    ("timestampFormat", "yyyy-MM-dd'T'HH:mm:ssXXX"),
                    ("dateFormat", "yyyy-MM-dd"),
                ],
            )
            .unwrap()
            .alias("r")]),
        ),
        (
            "texts.filter(F.col('j') == '{\"a\":1.0}').select('j', F.from_json('j', 'a INT', {'mode': 'FAILFAST'}).alias('r'))",
            read(&only("{\"a\":1.0}"), "a INT", &[("mode", "FAILFAST")]),
        ),
        (
            "texts.filter(F.col('j') == '{}').select('j', F.from_json('j', 'a INT', {'mode': 'FAILFAST'}).alias('r'))",
            read(&only("{}"), "a INT", &[("mode", "failfast")]),
        ),
        (
            "texts.filter(~F.col('j').contains('ud800')).select(F.get_json_object('j', '$.s').alias('s'), F.get_json_object('j', '$.l[1]').alias('l'), \
             F.get_json_object('j', \"$['b'].c\").alias('c'), F.get_json_object('j', '$').alias('all'), \
             F.get_json_object('j', 's').alias('no'))",
            without_half_surrogates.select([
                get_json_object(col("j"), "$.s").alias("s"),
                get_json_object(col("j"), "$.l[1]").alias("l"),
                get_json_object(col("j"), "$['b'].c").alias("c"),
                get_json_object(col("j"), "$").alias("all"),
                get_json_object(col("j"), "s").alias("no"),
            ]),
        ),
        (
            "texts.select(F.to_json(F.from_json('j', 'a INT, b STRUCT<c: INT, d: STRING>, s STRING, l ARRAY<INT>, \
             t TIMESTAMP, y TINYINT')).alias('r'))",
            frame.clone().select([to_json(
                from_json(
                    col("j"),
                    SCHEMA.rsplit_once(',').unwrap().0,
                    [("mode", "PERMISSIVE")],
                )
                .unwrap(),
            )
            .alias("r")]),
        ),
        (
            "texts.select(F.to_json(F.from_json('j', 'i BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10,2), e DATE, \
             z TIMESTAMP_NTZ, o BOOLEAN, x BINARY, m MAP<STRING,INT>, h SMALLINT, \
             w ARRAY<STRUCT<a: INT, b: ARRAY<STRING>>>')).alias('r'))",
            frame.clone().select([to_json(
                from_json(col("j"), TYPES, [("mode", "PERMISSIVE")]).unwrap(),
            )
            .alias("r")]),
        ),
    ];
    check("json", &[table], cases).await;
}

#[tokio::test]
async fn options_and_schemas_that_are_not_supported_are_refused_by_name() {
    for (schema, option, part) in [
        (
            "a INT",
            ("allowUnquotedFieldNames", "true"),
            "\"allowUnquotedFieldNames\"",
        ),
        (
            "a INT",
            ("timestampFormt", "yyyy"),
            "did you mean \"timestampFormat\"?",
        ),
        ("a INT", ("mode", "DROPMALFORMED"), "\"DROPMALFORMED\""),
        ("a INT", ("dateFormat", "YYYY"), "'Y'"),
        ("a INT", ("timeZone", "Europe/Paris"), "\"Europe/Paris\""),
        ("a INTT", ("mode", "PERMISSIVE"), "\"INTT\""),
        ("int", ("mode", "PERMISSIVE"), "not a struct"),
        ("a map<int,int>", ("mode", "PERMISSIVE"), "keys are strings"),
        (
            "a INT, a STRING",
            ("mode", "PERMISSIVE"),
            "two fields \"a\"",
        ),
        (
            "_corrupt_record INT",
            ("mode", "PERMISSIVE"),
            "must be a STRING",
        ),
    ] {
        let error = from_json(col("j"), schema, [option]).unwrap_err();
        assert!(
            error.to_string().contains(part),
            "{schema} {option:?}: {error}"
        );
    }
    let session = session().await;
    let bad = session.sql("select '{' as j").await.unwrap();
    let error = read(&bad, "a INT", &[("mode", "FAILFAST")])
        .unwrap()
        .collect()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compute);
    assert!(error.to_string().contains("FAILFAST"), "{error}");
}

#[tokio::test]
async fn fields_taken_one_by_one_parse_the_text_once() {
    let session = session().await;
    let rows = session
        .sql("select '{\"a\":1,\"b\":\"x\"}' as j from generate_series(1, 3)")
        .await
        .unwrap();
    let parsed = from_json(col("j"), "a INT, b STRING", [("mode", "PERMISSIVE")]).unwrap();
    let field =
        |name: &str| weir::datafusion::functions::expr_fn::get_field(col("r"), name).alias(name);
    let rows = rows
        .select([parsed.alias("r")])
        .unwrap()
        .select([field("a"), field("b")])
        .unwrap();
    let plan = rows
        .explain_string(weir::ExplainMode::Simple)
        .await
        .unwrap();
    assert_eq!(plan.matches("from_json").count(), 1, "{plan}");
}
