//! kill -9 of the job and of its executors, with a registry and dead letters in a table and a topic, while the schema evolves.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use weir_tests::process::{children, eventually, kill_process};
use weir_tests::python::Offsets;

use super::{Parts, avro, avro_renamed, avro_v1, avro_v2, expect_closed, first, renamed, second};
use crate::bronze::{Bronze, RUN_WITHIN};
use crate::dead_letters::{STEPS, letters_of};

const PARTITIONS: i32 = 4;
const CHUNKS: usize = 24;
const CHUNK: usize = 1_000;
const PER_BATCH: usize = 250;

/// Accounts of a chunk: of both versions, and 10% that are none.
fn chunk(topic: &str, number: usize) -> Vec<Value> {
    let start = number * CHUNK;
    let spec = |schema: Value, records: Vec<Value>| json!({"topic": topic, "format": "avro", "schema": schema, "records": records, "partitions": PARTITIONS});
    let broken: Vec<Value> = (0..50).map(|n| json!(format!("ff{n:02x}"))).collect();
    vec![
        spec(avro_v1(), (start..start + 450).map(first).collect()),
        spec(
            avro_renamed(),
            (start + 450..start + 500).map(renamed).collect(),
        ),
        json!({"topic": topic, "format": "bytes", "records": broken, "partitions": PARTITIONS}),
        // Last: it is the newest.
        spec(
            avro_v2(),
            (start + 550..start + 1_000).map(second).collect(),
        ),
    ]
}

/// Kills of a job on `master`, which starts so many `executors`, at each step, and `kills` at random moments.
async fn kills_leave_each_record_in_one_place(master: &str, executors: usize, kills: usize) {
    let Some(parts) = Parts::or_skip().await else {
        return;
    };
    let seed =
        std::env::var("WEIR_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    println!("WEIR_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let topic = parts.broker.new_topic("decoded_kill", PARTITIONS).await;
    let dlq = format!("{topic}.dlq");
    parts.broker.create_topic(&dlq, 2, &[]).await;
    let chunks: Vec<Value> = (0..CHUNKS).flat_map(|n| chunk(&topic, n)).collect();
    parts.produce(json!(chunks)).await;
    let job = parts
        .job(&topic)
        .arg("--dlq-table", parts.letters())
        .arg("--dlq-topic", "{topic}.dlq")
        .arg("--max-dlq-rate", "100%")
        .env("WEIR_MASTER", master);
    let small = job.clone().arg("--max-offsets-per-trigger", PER_BATCH);
    let rows = parts.python.watch_versions(&job.table, Offsets::Distinct);
    let rows = rows.await;
    let letters = parts.letters();
    let letters = parts.python.watch_versions(&letters, Offsets::Distinct);
    let letters = letters.await;

    // Each step once: what it leaves is where the next start begins.
    for step in STEPS {
        let killed = small
            .clone()
            .fault("kill", step)
            // The first file of a batch may be one of letters.
            .env("WEIR_FAULT_TABLE", parts.lake.path().display());
        let killed = killed.start().wait(RUN_WITHIN).await;
        assert!(!killed.status.success(), "{step}: {killed}");
        if step == "offsets_logged" {
            register_note(&parts, &topic).await;
        }
    }
    for kill in 0..kills {
        kill_at_random(&small, &mut random, executors, kill).await;
    }
    let outcome = job.drain().await;
    rows.finish().await.expect_no_violation();
    letters.finish().await.expect_no_violation();

    let rows = parts.rows(&job.table).await;
    let letters = parts.rows(&parts.letters()).await;
    expect_closed(&outcome, &rows, &letters);
    assert_eq!(letters.len(), CHUNKS * 100);
    assert_eq!(rows.len(), CHUNKS * 900 + 100);
    let of_topic: BTreeMap<(i64, i64), ()> = letters_of(parts.broker, &dlq)
        .await
        .iter()
        .map(|letter| ((i64::from(letter.partition), letter.offset), ()))
        .collect();
    assert!(
        of_topic.keys().eq(letters.keys()),
        "the topic and the table hold the same letters"
    );
    let mut ids = Vec::new();
    for row in rows.values() {
        let id = row["id"].as_u64().expect("an id");
        ids.push(id);
        assert_eq!(row["balance"], json!(id as f64 + 0.5), "{row}");
        let currency = match id % CHUNK as u64 {
            0..450 => "EUR",
            _ => "USD",
        };
        assert_eq!(row["currency"], currency, "{row}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "a record is there twice");
    // The batch that was planned before there was a note has none; every later one has it, or its default.
    let without = rows.values().filter(|row| row["note"].is_null()).count();
    assert!(without > 0 && without <= PER_BATCH, "{without}");
    let noted = rows.values().filter(|row| row["note"] == "here").count();
    assert_eq!(noted, 100);
}

/// The version after the newest, and some records of it.
async fn register_note(parts: &Parts, topic: &str) {
    let schema = avro(&[
        ("id", "long", None),
        ("balance", "double", None),
        ("currency", "string", Some(json!("EUR"))),
        ("note", "string", Some(json!("none"))),
    ]);
    let noted = |n: usize| {
        let id = CHUNKS * CHUNK + 500 + n;
        json!({"id": id, "balance": id as f64 + 0.5, "currency": "USD", "note": "here"})
    };
    let records: Vec<Value> = (0..100).map(noted).collect();
    let spec = json!({"topic": topic, "format": "avro", "schema": schema, "records": records, "partitions": PARTITIONS});
    parts.produce(json!([spec])).await;
}

/// A start that is killed at some moment, and every other time, before it, one of its `executors`.
async fn kill_at_random(job: &Bronze, random: &mut StdRng, executors: usize, kill: usize) {
    let mut process = job.start();
    let moment = |random: &mut StdRng| Duration::from_millis(random.random_range(0..500));
    if kill.is_multiple_of(2) {
        process.stderr_line("batch closed", RUN_WITHIN).await;
        if executors > 0 {
            let living = children(process.id());
            assert_eq!(living.len(), executors, "{}", process.stderr());
            tokio::time::sleep(moment(random)).await;
            kill_process(living[random.random_range(0..executors)]);
            // It goes on with those that live.
            let closed = || process.stderr().matches("batch closed").count();
            let seen = closed();
            eventually(RUN_WITHIN, || closed() > seen).await;
        }
    }
    tokio::time::sleep(moment(random)).await;
    assert!(process.is_running(), "drained after {kill} kills");
    process.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_job_that_decodes_leave_each_record_in_the_table_or_the_dead_letters() {
    kills_leave_each_record_in_one_place("local[2]", 0, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_it_and_of_its_executors_leave_each_record_in_the_table_or_the_dead_letters() {
    kills_leave_each_record_in_one_place("local-cluster[2,1]", 2, 8).await;
}
