//! Rows of a stream that break a rule: dead letters, counts, and what a query does about many of them.

mod incident;
mod job;
mod kill;
mod redrive;
mod refused;
mod registry;
mod topic;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use weir::dlq::{self, DeadLetter, LetterFilter, LetterSource};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, Record};
use weir_tests::process::{Finished, Process};
use weir_tests::python::Python;

/// A run that has to end by itself ends within this.
const RUN_WITHIN: Duration = Duration::from_secs(120);

/// The steps of a batch with dead letters at which a process can be killed.
pub(crate) const STEPS: [&str; 6] = [
    "offsets_logged",
    "mid_write",
    "prepared",
    "dead_letters_committed",
    "sink_committed",
    "closed",
];

/// One way to run the program `accounts` of `weir-test-node`; each `start` is a new process.
#[derive(Debug, Clone)]
struct Accounts {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    table: String,
    letters: String,
}

impl Accounts {
    /// The topic's accounts in table `accounts` of `lake`, and no place for dead letters.
    fn bare(broker: &Broker, lake: &TempLake, topic: &str) -> Self {
        let table = lake.table_url("accounts");
        let arguments = [
            "accounts".to_owned(),
            broker.bootstrap().to_owned(),
            topic.to_owned(),
            table.clone(),
            lake.checkpoint_url("accounts"),
        ];
        Self {
            arguments: arguments.to_vec(),
            environment: Vec::new(),
            table,
            letters: lake.table_url("accounts_dlq"),
        }
    }

    /// The same with dead letters in table `accounts_dlq`.
    fn new(broker: &Broker, lake: &TempLake, topic: &str) -> Self {
        let job = Self::bare(broker, lake, topic);
        let letters = job.letters.clone();
        job.option("dlqTable", letters)
    }

    /// Dead letters in Kafka topic `name` of the same broker, too.
    fn with_topic(self, broker: &Broker, name: &str) -> Self {
        self.option("dlqTopic", name)
            .option("kafka.bootstrap.servers", broker.bootstrap())
    }

    fn option(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.arguments.push(format!("{key}={value}"));
        self
    }

    fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// A process that dies at a step: see `weir-test-node`.
    fn killed_at(self, step: &str, table: &std::path::Path) -> Self {
        self.env("WEIR_FAULT", "kill")
            .env("WEIR_FAULT_AT", step)
            .env("WEIR_FAULT_TABLE", table.display())
    }

    fn start(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-test-node"));
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        Process::spawn(command)
    }

    async fn run(&self) -> Finished {
        self.start().wait(RUN_WITHIN).await
    }

    /// Runs to success; each batch's progress, and the counts.
    async fn drain(&self) -> (Vec<Value>, Value) {
        let finished = self.run().await.expect_success();
        let lines = finished.stdout.lines();
        let mut lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect();
        let counts = lines.pop().expect("the counts");
        (lines, counts)
    }

    /// Runs to a failure that says each of `parts`.
    async fn refuse(&self, parts: &[&str]) -> Finished {
        let finished = self.run().await;
        assert!(!finished.status.success(), "{finished}");
        for part in parts {
            assert!(finished.stderr.contains(part), "{part:?}: {finished}");
        }
        finished
    }
}

/// A good account.
fn good(n: usize) -> Record {
    Record::of(format!("{{\"id\":\"a{n}\",\"balance\":\"{}.50\"}}", n + 1)).key(format!("k{n}"))
}

/// One whose producer calls the balance another name.
fn renamed(n: usize) -> Record {
    Record::of(format!(
        "{{\"id\":\"a{n}\",\"balance_eur\":\"{}.50\"}}",
        n + 1
    ))
    .key(format!("k{n}"))
    .header("producer", Some(b"v2"))
}

/// What is no JSON.
fn broken(n: usize) -> Record {
    Record::of(format!("{{\"id\":\"a{n}\",")).key(format!("k{n}"))
}

/// The (partition, offset) of each row of a table, sorted; panics if one is there twice.
async fn places(python: &Python, table: &str) -> Vec<(i64, i64)> {
    let rows = python.read_rows(table, &["partition", "offset"]).await;
    let mut places: Vec<(i64, i64)> = rows
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().expect("a number");
            (number("partition"), number("offset"))
        })
        .collect();
    places.sort_unstable();
    let all = places.len();
    places.dedup();
    assert_eq!(places.len(), all, "{table} holds a record twice");
    places
}

/// The committed letters of a topic; panics if one is there twice.
pub(crate) async fn letters_of(broker: &Broker, topic: &str) -> Vec<DeadLetter> {
    let mut options = weir::Options::new();
    options.set("kafka.bootstrap.servers", broker.bootstrap());
    let source = LetterSource::Topic {
        name: topic.to_owned(),
        options,
    };
    let session = crate::stream::session().await;
    let letters = dlq::show(&session, &source, &LetterFilter::default(), None).await;
    let letters = letters.unwrap();
    let places: std::collections::BTreeSet<_> = letters
        .iter()
        .map(|letter| (letter.topic.clone(), letter.partition, letter.offset))
        .collect();
    assert_eq!(places.len(), letters.len(), "{topic} holds a letter twice");
    letters
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
