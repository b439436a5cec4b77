//! The daily pipeline on a real broker: two days of records, some late, broken or sent twice, and every job
//! killed at random moments before each of its runs, and run again after. `pipeline.py` computes the same
//! tables in plain Python from the same records.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::Value;
use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, Record, broker_or_skip};
use weir_tests::process::{Finished, Process};
use weir_tests::python::{Python, python_or_skip};

use crate::bronze::RUN_WITHIN;
use crate::layers::random;

const DAYS: [&str; 2] = ["2026-01-30", "2026-01-31"];
const RECORDS_PER_DAY: &str = "3000";
const PARTITIONS: i32 = 3;
/// Kills before each run.
const KILLS: usize = 2;

struct Pipeline {
    broker: &'static Broker,
    python: Python,
    lake: TempLake,
    /// The topic of each entity.
    topics: BTreeMap<String, String>,
    random: StdRng,
    /// How long each job took when it was let be: kills fall within.
    took: BTreeMap<String, Duration>,
}

impl Pipeline {
    async fn new() -> Option<Self> {
        let broker = broker_or_skip().await?;
        let python = python_or_skip().await?;
        let mut topics = BTreeMap::new();
        for entity in ["orders", "clicks"] {
            // The records' days are older than what a broker keeps by default.
            let kept = [("retention.ms", "-1")];
            let topic = broker.new_topic_with(entity, PARTITIONS, &kept).await;
            topics.insert(entity.to_owned(), topic);
        }
        Some(Self {
            broker,
            python,
            lake: TempLake::new(),
            topics,
            random: random(),
            took: BTreeMap::new(),
        })
    }

    async fn script(&self, arguments: &[&str]) -> Finished {
        let script = self.python.script("pipeline.py", arguments);
        script.wait(RUN_WITHIN).await.expect_success()
    }

    /// Produces the records of a file, in its order.
    async fn produce(&self, day: usize) {
        let file = self.lake.path().join(format!("{day}.jsonl"));
        let lines = std::fs::read_to_string(file).unwrap();
        let producer = self.broker.producer();
        for (entity, topic) in &self.topics {
            let records = lines
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .filter(|record| record["topic"] == entity.as_str())
                .map(|record| {
                    let partition = i32::try_from(record["partition"].as_i64().unwrap()).unwrap();
                    let value = record["value"].as_str();
                    let sent = match value {
                        Some(value) => Record::of(value),
                        None => Record::tombstone("gone"),
                    };
                    let at = record["timestamp_ms"].as_i64().unwrap();
                    (partition, sent.timestamp_ms(at))
                });
            producer.produce_all(topic, records).await;
        }
    }

    fn start(&self, job: &str, arguments: &[String]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-test-node"));
        command.arg(job).args(arguments).stdin(Stdio::null());
        Process::spawn(command)
    }

    /// Kills the job a few times, then lets it finish, and returns its outcome.
    async fn run(&mut self, job: &str, arguments: &[String]) -> Value {
        let longest = self.took.get(job).copied();
        for _ in 0..KILLS {
            let mut process = self.start(job, arguments);
            let longest = longest.unwrap_or(Duration::from_secs(2));
            // The moment is the point: it is random, and waits for nothing.
            tokio::time::sleep(self.random.random_range(Duration::ZERO..longest)).await;
            process.kill();
        }
        let finished = self.start(job, arguments).wait(RUN_WITHIN).await;
        let finished = finished.expect_success();
        self.took.insert(job.to_owned(), finished.elapsed);
        let outcome = finished.last_json();
        assert_eq!(outcome["status"], "succeeded", "{outcome}");
        outcome
    }

    fn url(&self, table: &str) -> String {
        self.lake.path().join(table).display().to_string()
    }

    async fn drain(&mut self, day: &str) {
        let topics: Vec<&str> = self.topics.values().map(String::as_str).collect();
        let arguments = arguments(&[
            ("--bootstrap-servers", self.broker.bootstrap()),
            ("--topics", &topics.join(",")),
            ("--out", &self.url("bronze")),
            ("--checkpoint", &self.url("checkpoint")),
            ("--load-date", day),
            ("--max-offsets-per-trigger", "700"),
        ]);
        self.run("kafka_to_bronze", &arguments).await;
    }

    /// Both entities' silver of one load; returns the rows of bronze, and those that are accounted for.
    async fn silver(&mut self, day: &str) -> (u64, u64) {
        let mut rows = (0, 0);
        for (entity, topic) in self.topics.clone() {
            let arguments = arguments(&[
                ("--bronze", &self.url("bronze")),
                ("--silver", &self.url(&format!("silver_{entity}"))),
                ("--quarantine", &self.url("quarantine")),
                ("--entity", &entity),
                ("--topics", &topic),
                ("--load-date", day),
            ]);
            let outcome = self.run("bronze_to_silver", &arguments).await;
            let of = |name: &str| outcome[name].as_u64().unwrap();
            rows.0 += of("bronze_rows");
            rows.1 += of("silver_rows") + of("duplicate_rows") + of("quarantined_rows");
        }
        rows
    }

    async fn gold(&mut self) {
        let gold = arguments(&[
            ("--silver", &self.url("silver_orders")),
            ("--products", &self.url("products")),
            ("--gold", &self.url("gold")),
            ("--date", &DAYS.join("..")),
        ]);
        self.run("silver_to_gold", &gold).await;
        for day in DAYS {
            let sessions = arguments(&[
                ("--silver", &self.url("silver_clicks")),
                ("--out", &self.url("sessions")),
                ("--date", day),
            ]);
            self.run("sessionize", &sessions).await;
        }
    }

    /// What `pipeline.py` says of the tables.
    #[track_caller]
    fn expect_as_computed(report: &Value) {
        assert_eq!(report["problems"], Value::Array(Vec::new()), "{report:#}");
    }

    async fn check(&self) -> Value {
        let lake = self.lake.path().display().to_string();
        self.script(&["check", &lake, &lake]).await.last_json()
    }
}

fn arguments(pairs: &[(&str, &str)]) -> Vec<String> {
    let each = pairs.iter().flat_map(|(name, value)| [*name, *value]);
    each.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_days_with_every_job_killed_and_rerun_give_the_tables_of_plain_python() {
    let Some(mut pipeline) = Pipeline::new().await else {
        return;
    };
    let lake = pipeline.lake.path().display().to_string();
    let seed = pipeline.random.random::<u32>().to_string();
    pipeline
        .script(&["make", &lake, &seed, RECORDS_PER_DAY])
        .await;
    pipeline
        .script(&["products", &pipeline.url("products")])
        .await;

    // The first day's layers are there before the second day comes, with its late and repeated records.
    for (number, day) in DAYS.into_iter().enumerate() {
        pipeline.produce(number + 1).await;
        pipeline.drain(day).await;
        let (bronze, accounted) = pipeline.silver(day).await;
        assert_eq!(bronze, accounted);
    }
    pipeline.gold().await;
    let report = pipeline.check().await;
    Pipeline::expect_as_computed(&report);

    // The input has what this test is about.
    for what in ["duplicates", "across_midnight", "unmatched"] {
        assert!(report[what].as_u64().unwrap() > 0, "no {what}: {report}");
    }
    assert_eq!(report["rules"].as_array().unwrap().len(), 7, "{report}");

    // Everything once more, the days in the other order: nothing changes, and the accounts close.
    let (mut bronze, mut accounted) = (0, 0);
    for day in DAYS.into_iter().rev() {
        pipeline.drain(day).await;
        let rows = pipeline.silver(day).await;
        bronze += rows.0;
        accounted += rows.1;
    }
    pipeline.gold().await;
    assert_eq!(bronze, report["records"].as_u64().unwrap());
    assert_eq!(bronze, accounted);
    assert_eq!(pipeline.check().await, report);
}
