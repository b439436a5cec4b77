//! Arguments that cannot be meant, schemas that do not fit, registries that are not there.

use serde_json::json;
use weir_tests::files::files_under;
use weir_tests::kafka::Record;

use super::{Parts, avro, avro_v1, first, spec};
use crate::bronze::{Bronze, expect_error};

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_do_not_go_together_are_refused_naming_value_and_remedy() {
    let Some(broker) = weir_tests::kafka::broker_or_skip().await else {
        return;
    };
    let lake = weir_tests::files::TempLake::new();
    let topic = broker.new_topic("decoded_bad", 1).await;
    let bare = Bronze::new(broker, &lake, &[&topic]);
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--format", "avro"],
            &["--format avro", "--schema", "--subject"],
        ),
        (&["--schema", "id INT"], &["--format"]),
        (&["--format", "xml"], &["xml", "protobuf"]),
        (
            &["--format", "json", "--schema", "id INTT"],
            &["--schema", "INTT", "int"],
        ),
        (
            &["--format", "json", "--schema", "@file:/nowhere.ddl"],
            &["--schema", "/nowhere.ddl"],
        ),
        (
            &["--format", "json", "--schema", "ARRAY<INT>"],
            &["--schema", "ARRAY<INT>"],
        ),
        (
            &[
                "--format",
                "json",
                "--schema",
                "a ARRAY<STRUCT<b: INT NOT NULL>>",
            ],
            &["NOT NULL", "\"a\""],
        ),
        (&["--format", "avro", "--schema", "id INT"], &["--schema"]),
        (
            &["--format", "avro", "--schema", "\"string\""],
            &["--schema", "no record"],
        ),
        (
            &["--format", "protobuf", "--schema", "message M {}"],
            &["@file:PATH", "descriptor_set_out"],
        ),
        (
            &["--format", "json", "--schema", "offset INT"],
            &["\"offset\"", "--message-column"],
        ),
        (
            &["--format", "json", "--schema", "Message_Key INT"],
            &["\"Message_Key\"", "message_key"],
        ),
        (
            &[
                "--format",
                "json",
                "--schema",
                "a INT",
                "--message-column",
                "topic",
            ],
            &["--message-column", "\"topic\""],
        ),
        (
            &["--format", "json", "--schema", "a INT", "--message", "M"],
            &["--message", "json"],
        ),
        (
            &["--message-column", "m"],
            &["--message-column", "--format"],
        ),
        (&["--message", "m"], &["--message", "--subject"]),
        (
            &["--subject", "s", "--format", "json", "--schema", "a INT"],
            &["--schema", "--subject"],
        ),
        (&["--subject-version", "1"], &["--subject"]),
        (&["--subject", "s", "--subject-version", "0"], &["0"]),
        (&["--on-breaking-schema", "keep"], &["--subject"]),
        (
            &["--subject", "s", "--on-breaking-schema", "shrug"],
            &["shrug", "keep"],
        ),
        (
            &["--subject", "s", "--format", "csv"],
            &["csv", "\"s\"", "--schema"],
        ),
        (
            &["--subject", "s"],
            &["--subject s", "weir.schema.registry.url"],
        ),
    ];
    for (arguments, parts) in cases {
        let mut job = bare.clone();
        for pair in arguments.chunks(2) {
            job = job.arg(pair[0], pair[1]);
        }
        let finished = job.run().await;
        assert_eq!(finished.status.code(), Some(2), "{arguments:?}: {finished}");
        let kind = finished.last_json()["error"]["kind"].clone();
        assert!(
            kind == "invalid_argument" || kind == "unsupported",
            "{arguments:?}: {finished}"
        );
        expect_error(&finished.last_json(), kind.as_str().unwrap(), parts);
        bare.expect_untouched();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_that_are_not_there_or_of_another_format_are_refused_by_name() {
    let Some(mut parts) = Parts::or_skip().await else {
        return;
    };
    let topic = parts.broker.new_topic("subject_bad", 2).await;
    let job = parts.job(&topic);
    job.refuse(1, "not_found", &[&format!("{topic}-value")])
        .await;
    parts
        .produce(json!([spec(&topic, avro_v1(), (0..4).map(first))]))
        .await;
    job.clone()
        .arg("--subject-version", 7)
        .refuse(1, "not_found", &["version 7"])
        .await;
    job.clone()
        .arg("--format", "protobuf")
        .refuse(2, "invalid_argument", &["--format is protobuf", "AVRO"])
        .await;
    job.clone()
        .arg("--message", "M")
        .refuse(2, "invalid_argument", &["messageName", "Protobuf"])
        .await;
    let taken = parts.broker.new_topic("subject_taken", 2).await;
    let schema = avro(&[("id", "long", None), ("Offset", "double", None)]);
    let records = [json!({"id": 1, "Offset": 2.0})];
    parts
        .produce(json!([spec(&taken, schema, records.into_iter())]))
        .await;
    let clash = parts.job(&taken);
    clash
        .refuse(2, "invalid_argument", &["\"Offset\"", "--message-column"])
        .await;
    job.expect_untouched();
    let clash = clash.arg("--message-column", "message");
    clash.drain().await;
    // Down at the start: worth retrying.
    parts.registry.kill();
    let quick = job.arg("--conf", "weir.schema.registry.max.retries=1");
    let refused = format!("{topic}-value");
    quick.refuse(75, "unavailable", &[&refused]).await;
    // A drain without records has nothing to ask. With some, it begins nothing.
    let quick = clash.arg("--conf", "weir.schema.registry.max.retries=1");
    assert_eq!(quick.drain().await["records"], 0);
    let producer = parts.broker.producer();
    producer.produce_n(&taken, 2, 3, |_| Record::of("x")).await;
    let refused = format!("{taken}-value");
    quick.refuse(75, "unavailable", &[&refused]).await;
    let entries = files_under(&quick.checkpoint_path().join("offsets"), "");
    let planned = entries
        .iter()
        .filter(|entry| entry.ends_with("0") || entry.ends_with("1"));
    assert_eq!(planned.count(), 1, "{entries:?}");
}
