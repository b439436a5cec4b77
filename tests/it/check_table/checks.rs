//! What each check says of a table's rows.

use serde_json::json;
use weir_tests::python::python_or_skip;

use super::Checked;
use crate::bronze::expect_parts;
use crate::stream::session;

#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_rows_passes_or_fails_with_the_rows_that_break_it() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let all = Some(5);
    let report = checked
        .expect(&[
            ("type: not_null, column: day", "passed", all, Some(0)),
            ("type: not_null, column: id", "failed", all, Some(1)),
            (
                "type: not_null, column: id, where: status <> 'lost'",
                "passed",
                Some(3),
                Some(0),
            ),
            (
                "type: not_null, column: id, mostly: 0.8",
                "passed",
                all,
                Some(1),
            ),
            (
                "type: not_null, column: id, mostly: 0.81",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: not_null, column: id, tolerance: 0.2",
                "passed",
                all,
                Some(1),
            ),
            // Null is in any range, NaN in none.
            (
                "type: range, column: id, min: 1, max: 3",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: range, column: id, min: 1, exclusive_min: true",
                "failed",
                all,
                Some(1),
            ),
            ("type: range, column: id, max: 2.5", "failed", all, Some(2)),
            (
                "type: range, column: amount, min: -5",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: amount, max: 20",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: price, min: 0.1, max: 99.99",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: range, column: price, max: 99.99, exclusive_max: true",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: price, max: 99.985",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: day, min: 2026-01-31",
                "failed",
                all,
                Some(2),
            ),
            (
                "type: range, column: at, max: '2026-01-31T09:00:00Z'",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: range, column: at, max: '2026-01-31T11:00:00+01:00'",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: in_set, column: status, values: [new, paid, lost]",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: in_set, column: status, values: [new]",
                "failed",
                all,
                Some(2),
            ),
            (
                "type: in_set, column: id, values: [1, 2]",
                "failed",
                all,
                Some(2),
            ),
            (
                "type: matches, column: email, pattern: '@x[.]org$'",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: matches, column: status, pattern: '^[a-z]+$'",
                "passed",
                all,
                Some(0),
            ),
            // A condition that is null does not hold.
            (
                "type: sql, predicate: amount > -100",
                "failed",
                all,
                Some(1),
            ),
            (
                "type: sql, predicate: 'coalesce(id > 0, true)'",
                "passed",
                all,
                Some(0),
            ),
            (
                "type: sql, predicate: day <= current_date()",
                "failed",
                all,
                Some(1),
            ),
            // Rows that `where` leaves out are not even computed: these texts are no numbers.
            (
                "type: sql, predicate: 'cast(email as int) > 0', where: email is null",
                "failed",
                Some(1),
                Some(1),
            ),
            ("type: row_count, equals: 5", "passed", all, None),
            ("type: row_count, min: 6", "failed", all, None),
            (
                "type: row_count, max: 1, where: status = 'new'",
                "failed",
                Some(2),
                None,
            ),
            (
                "type: freshness, column: at, max_age: 2h",
                "passed",
                all,
                None,
            ),
            (
                "type: freshness, column: at, max_age: 1h 59m",
                "failed",
                all,
                None,
            ),
            (
                "type: freshness, column: day, max_age: 1m",
                "passed",
                all,
                None,
            ),
        ])
        .await;
    let checks = &report["checks"];
    assert_eq!(checks[1]["examples"], json!([{"id": null}]));
    assert_eq!(checks[1]["fraction"], json!(0.2));
    assert_eq!(checks[9]["examples"], json!([{"amount": "NaN"}]));
    assert_eq!(checks[6]["observed"], "1 .. 3");
    assert_eq!(checks[26]["observed"], "5");
    assert_eq!(checks[29]["observed"], "2026-01-31T10:00:00+00:00");
    assert_eq!(checks[30]["message"], "7200 s old, more than 7140 s");
    assert_eq!(report["table_version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_unique_or_refer_to_another_table_or_are_shown() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let products = checked.lake.table_url("products");
    let rows =
        "select * from (values ('p1', 1), ('p2', 2), ('p2', 2), ('p3', 3), (null, 4)) v(sku, n)";
    let rows = session().await.sql(rows).await.unwrap();
    rows.write().format("delta").save(&products).await.unwrap();
    let all = Some(5);
    let sku = format!("type: references, column: sku, table: '{products}'");
    let both = format!("type: references, columns: [sku, id], table: '{products}', to: [sku, n]");
    let mixed = format!("type: references, column: id, table: '{products}', to: sku");
    let pinned = format!("{sku}, version: 7");
    let but_p9 = format!("{sku}, where: id is not null");
    let missing = format!("{sku}.missing").replace("'.missing", ".missing'");
    let report = checked
        .expect(&[
            ("type: unique, column: sku", "passed", all, Some(0)),
            ("type: unique, column: id", "failed", all, Some(2)),
            ("type: unique, columns: [id, at]", "passed", all, Some(0)),
            (
                "type: unique, column: id, where: amount > -1",
                "passed",
                Some(3),
                Some(0),
            ),
            (
                "type: unique, column: id, tolerance: 0.4",
                "passed",
                all,
                Some(2),
            ),
            (&sku, "failed", all, Some(1)),
            (&but_p9, "passed", Some(4), Some(0)),
            (&both, "passed", all, Some(0)),
            (&mixed, "error", None, None),
            (&pinned, "error", None, None),
            (&missing, "error", None, None),
        ])
        .await;
    let checks = &report["checks"];
    assert_eq!(checks[1]["examples"], json!([{"id": 3, "(rows)": 2}]));
    assert_eq!(checks[5]["examples"], json!([{"sku": "p9"}]));
    expect_parts(
        checks[8]["message"].as_str().unwrap(),
        &["\"id\"", "Int64", &products],
    );
    expect_parts(checks[9]["message"].as_str().unwrap(), &["version 7"]);
    expect_parts(checks[10]["message"].as_str().unwrap(), &["no delta table"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_table_passes_checks_of_rows_and_is_judged_as_a_whole() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &["--empty"]).await;
    let table = checked.table();
    let itself = format!("type: references, column: sku, table: '{table}'");
    let none = Some(0);
    checked
        .expect(&[
            ("type: not_null, column: id", "passed", none, none),
            ("type: unique, column: id", "passed", none, none),
            ("type: range, column: amount, min: 0", "passed", none, none),
            (
                "type: in_set, column: status, values: [new]",
                "passed",
                none,
                none,
            ),
            (
                "type: matches, column: email, pattern: '@'",
                "passed",
                none,
                none,
            ),
            (
                "type: sql, predicate: id > 0, mostly: 1",
                "passed",
                none,
                none,
            ),
            (&itself, "passed", none, none),
            ("type: row_count, max: 0", "passed", none, None),
            ("type: row_count, min: 1", "failed", none, None),
            (
                "type: freshness, column: at, max_age: 7d",
                "failed",
                none,
                None,
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_that_cannot_be_evaluated_is_an_error_and_the_others_are_reported() {
    let Some(python) = python_or_skip().await else {
        return;
    };
    let checked = Checked::new(&python, &[]).await;
    let checks = [
        "name: good, type: not_null, column: day",
        "name: text_range, type: range, column: status, min: 1, severity: info",
        "name: bad_bound, type: range, column: day, min: 1",
        "name: bad_value, type: in_set, column: id, values: [one]",
        "name: number_matches, type: matches, column: id, pattern: a",
        "name: old_text, type: freshness, column: status, max_age: 1h",
        "name: no_condition, type: sql, predicate: id + 1",
        "name: no_filter, type: not_null, column: id, where: id + 1",
        "name: fails_on_a_row, type: sql, predicate: 'cast(email as int) > 0'",
        "name: broken, type: not_null, column: id",
    ];
    let (report, outcome) = checked.report(1, &checks, &[]).await;
    let statuses: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses[0], "passed");
    assert_eq!(statuses[1..9], ["error"; 8]);
    assert_eq!(statuses[9], "failed");
    for (at, parts) in [
        (1, ["\"status\"", "numbers, dates and timestamps"]),
        (2, ["\"day\"", "\"1\""]),
        (3, ["\"id\"", "one"]),
        (7, ["where", "Int64"]),
    ] {
        expect_parts(report["checks"][at]["message"].as_str().unwrap(), &parts);
    }
    assert_eq!(outcome["status"], "failed");
    assert_eq!(outcome["not_evaluated"].as_array().unwrap().len(), 8);
    assert_eq!(outcome["failed"], json!(["broken"]));
    let message = outcome["error"]["message"].as_str().unwrap();
    expect_parts(message, &["text_range", "fails_on_a_row"]);
}
