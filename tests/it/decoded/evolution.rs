//! What becomes of batches, tables and drains when a subject gets a version between a kill and the restart, or one that breaks what was.

use serde_json::{Value, json};

use super::{
    Parts, avro, avro_renamed, avro_v1, avro_v2, expect_account, expect_closed, first, renamed,
    second, spec,
};
use crate::bronze::RUN_WITHIN;
use crate::dead_letters::STEPS;

#[tokio::test(flavor = "multi_thread")]
async fn batch_planned_before_a_kill_is_read_with_the_version_it_was_planned_with() {
    let Some(mut parts) = Parts::or_skip().await else {
        return;
    };
    // A closed batch is not read again.
    for step in STEPS.into_iter().filter(|step| *step != "closed") {
        parts.lake = weir_tests::files::TempLake::new();
        let topic = parts.broker.new_topic("pinned_reader", 2).await;
        let broken = super::bytes(&topic, &[json!("00")]);
        parts
            .produce(json!([spec(&topic, avro_v1(), (0..40).map(first)), broken]))
            .await;
        let job = parts
            .job(&topic)
            .arg("--dlq-table", parts.letters())
            .arg("--max-dlq-rate", "100%");
        let killed = job
            .clone()
            .fault("kill", step)
            .env("WEIR_FAULT_TABLE", parts.lake.path().display());
        let killed = killed.start().wait(RUN_WITHIN).await;
        assert!(!killed.status.success(), "{step}: {killed}");

        // The records that are read again and those that come have a currency by the newer version.
        parts
            .produce(json!([
                spec(&topic, avro_v2(), (40..60).map(second)),
                spec(&topic, avro_v1(), (60..80).map(first)),
            ]))
            .await;
        let outcome = job.drain().await;
        let rows = parts.rows(&job.table).await;
        expect_closed(&outcome, &rows, &parts.rows(&parts.letters()).await);
        assert_eq!(rows.len(), 80, "{step}");
        for row in rows.values() {
            let id = row["id"].as_u64().expect("an id");
            assert_eq!(row["balance"], json!(id as f64 + 0.5), "{step}: {row}");
            let currency = match id {
                0..40 => Value::Null,
                40..60 => json!("USD"),
                _ => json!("EUR"),
            };
            assert_eq!(row["currency"], currency, "{step}: {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_is_finished_before_a_breaking_version_ends_the_drain() {
    let Some(parts) = Parts::or_skip().await else {
        return;
    };
    let topic = parts.broker.new_topic("breaking", 2).await;
    parts
        .produce(json!([spec(&topic, avro_v2(), (0..40).map(second))]))
        .await;
    let job = parts
        .job(&topic)
        .arg("--dlq-table", parts.letters())
        .arg("--max-dlq-rate", "100%");
    let killed = job.clone().fault("kill", "offsets_logged");
    let killed = killed.start().wait(RUN_WITHIN).await;
    assert!(!killed.status.success(), "{killed}");
    parts
        .produce(json!([spec(&topic, avro_renamed(), (40..60).map(renamed))]))
        .await;
    let gone = [
        "version 2",
        "column \"balance\" (double) is gone",
        "--subject-version",
    ];
    job.refuse(1, "schema_mismatch", &gone).await;
    assert_eq!(parts.rows(&job.table).await.len(), 40);
    // The same is said by who only wants to know.
    let dry = job.clone().flag("--dry-run");
    dry.refuse(1, "schema_mismatch", &gone).await;

    // Who reads on with the version before has letters.
    let old = job.clone().arg("--subject-version", 1);
    expect_account(&old.drain().await, 0, 20);
    // Who takes the nulls has them from then on.
    parts
        .produce(json!([spec(&topic, avro_renamed(), (60..80).map(renamed))]))
        .await;
    job.refuse(1, "schema_mismatch", &gone).await;
    let null = job.clone().arg("--on-breaking-schema", "null");
    expect_account(&null.drain().await, 20, 0);
    parts
        .produce(json!([spec(&topic, avro_renamed(), (80..90).map(renamed))]))
        .await;
    let outcome = job.drain().await;
    expect_account(&outcome, 10, 0);
    let rows = parts.rows(&job.table).await;
    expect_closed(&outcome, &rows, &parts.rows(&parts.letters()).await);
    for row in rows.values() {
        let id = row["id"].as_u64().expect("an id");
        let value = json!(id as f64 + 0.5);
        let expected = match id {
            0..40 => [value, Value::Null],
            _ => [Value::Null, value],
        };
        assert_eq!(
            [&row["balance"], &row["amount"]],
            [&expected[0], &expected[1]],
            "{row}"
        );
    }

    // No table column changes its type, whatever the user takes.
    let changed = avro(&[
        ("id", "string", None),
        ("amount", "double", None),
        ("currency", "string", Some(json!("EUR"))),
    ]);
    let records = [json!({"id": "x", "amount": 1.0, "currency": "USD"})];
    parts
        .produce(json!([spec(&topic, changed, records.into_iter())]))
        .await;
    let parts_of = ["column \"id\" is string and was bigint", "version 3"];
    null.refuse(1, "schema_mismatch", &parts_of).await;
    job.refuse(1, "schema_mismatch", &parts_of).await;
    // A new checkpoint knows no version before: the table itself says so.
    let fresh = job.replacing("--checkpoint", &parts.lake.checkpoint_url("other"));
    fresh
        .refuse(
            1,
            "schema_mismatch",
            &["\"id\"", "long", "string", "version 3"],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suite_of_decoded_columns_is_about_records_that_were_decoded() {
    let Some(parts) = Parts::or_skip().await else {
        return;
    };
    let topic = parts.broker.new_topic("decoded_suite", 2).await;
    let broken = super::bytes(&topic, &[json!("00"), Value::Null]);
    let negative = json!({"id": 9, "balance": -1.0});
    let accounts = (0..4).map(first).chain([negative]);
    parts
        .produce(json!([spec(&topic, avro_v1(), accounts), broken]))
        .await;
    let suite = parts.lake.file("suite.yaml");
    std::fs::write(
        &suite,
        "checks:
  - {name: balance_given, type: sql, predicate: message_key is null or balance is not null, action: drop}
  - {name: not_negative, type: range, column: balance, min: 0}
  - {name: no_zero, type: sql, predicate: balance is null or balance <> 0, action: fail}
",
    )
    .unwrap();
    let job = parts
        .job(&topic)
        .arg("--expect", suite.display())
        .arg("--dlq-table", parts.letters())
        .arg("--max-dlq-rate", "100%");
    let outcome = job.drain().await;
    assert_eq!(outcome["rows"], 4, "{outcome}");
    assert_eq!(outcome["dropped"], 1, "the tombstone: {outcome}");
    assert_eq!(outcome["dead_letters"], 2, "{outcome}");
    let letters = parts.rows(&parts.letters()).await;
    let mut rules: Vec<String> = letters
        .values()
        .map(|letter| {
            format!(
                "{} {} {}",
                letter["rule"], letter["rules"], letter["error_type"]
            )
        })
        .collect();
    rules.sort();
    assert_eq!(
        rules,
        [
            "\"decoded\" [\"decoded\"] \"SCHEMA_VIOLATION\"",
            "\"not_negative\" [\"not_negative\"] \"SEMANTIC_ERROR\"",
        ]
    );

    // Of a version without the column that the suite is about, nothing is asked that it cannot answer.
    parts
        .produce(json!([spec(&topic, avro_renamed(), (10..14).map(renamed))]))
        .await;
    let gone = ["column \"balance\" (double) is gone"];
    job.refuse(1, "schema_mismatch", &gone).await;
    let outcome = job.arg("--on-breaking-schema", "keep").drain().await;
    expect_account(&outcome, 0, 4);
}
