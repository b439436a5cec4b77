//! Runs `kafka_to_bronze` as a child process, the way a user does, with faults where a test wants
//! them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use weir_tests::files::TempLake;
use weir_tests::kafka::Broker;
use weir_tests::process::{Finished, Process};

/// A run that has to end by itself ends within this.
pub const RUN_WITHIN: Duration = Duration::from_secs(120);

/// One way to call the job; each `start` is a new process.
#[derive(Debug, Clone)]
pub struct Bronze {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    pub table: String,
    pub checkpoint: String,
    table_path: PathBuf,
    checkpoint_path: PathBuf,
}

impl Bronze {
    /// The job over `topics` of `broker`, into table and checkpoint `bronze` of `lake`.
    pub fn new(broker: &Broker, lake: &TempLake, topics: &[&str]) -> Self {
        Self::bare(broker.bootstrap(), lake).arg("--topics", topics.join(","))
    }

    /// The job without topics.
    pub fn bare(bootstrap: &str, lake: &TempLake) -> Self {
        let table = lake.table_url("bronze");
        let checkpoint = lake.checkpoint_url("bronze");
        let mut job = Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            table: table.clone(),
            checkpoint: checkpoint.clone(),
            table_path: lake.table("bronze"),
            checkpoint_path: lake.checkpoint("bronze"),
        };
        job = job.arg("--bootstrap-servers", bootstrap);
        job.arg("--out", table).arg("--checkpoint", checkpoint)
    }

    pub fn arg(mut self, name: &str, value: impl ToString) -> Self {
        self.arguments.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// Another value for an argument given before.
    pub fn replacing(mut self, name: &str, value: &str) -> Self {
        let at = self.arguments.iter().position(|argument| argument == name);
        self.arguments[at.expect("the argument was given") + 1] = value.to_owned();
        self
    }

    pub fn flag(mut self, name: &str) -> Self {
        self.arguments.push(name.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// What it takes to reach a store.
    pub fn envs(self, more: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        more.into_iter()
            .fold(self, |job, (name, value)| job.env(name, value))
    }

    /// A process that dies, or pauses, at a step: see `weir-test-node`.
    pub fn fault(self, fault: &str, at: &str) -> Self {
        let table = self.table_path().display().to_string();
        self.env("WEIR_FAULT", fault)
            .env("WEIR_FAULT_AT", at)
            .env("WEIR_FAULT_TABLE", table)
    }

    pub fn table_path(&self) -> PathBuf {
        self.table_path.clone()
    }

    pub fn checkpoint_path(&self) -> PathBuf {
        self.checkpoint_path.clone()
    }

    /// What messages call the checkpoint: a path, or the URL of a place in a store.
    pub fn checkpoint_shown(&self) -> String {
        self.checkpoint.trim_start_matches("file://").to_owned()
    }

    pub fn start(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-test-node"));
        command
            .arg("kafka_to_bronze")
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped());
        Process::spawn(command)
    }

    pub async fn run(&self) -> Finished {
        self.start().wait(RUN_WITHIN).await
    }

    /// Runs to success and returns the outcome.
    pub async fn drain(&self) -> Value {
        let finished = self.run().await;
        let finished = finished.expect_success();
        let outcome = finished.last_json();
        assert_eq!(outcome["status"], "succeeded", "{outcome}");
        outcome
    }

    /// Runs to a failure with exit code `code` and error kind `kind`, whose message holds each of
    /// `parts`; returns the message.
    pub async fn refuse(&self, code: i32, kind: &str, parts: &[&str]) -> String {
        let outcome = self.fail(code).await;
        expect_error(&outcome, kind, parts)
    }

    /// Asserts that no run has made a table or a checkpoint.
    #[track_caller]
    pub fn expect_untouched(&self) {
        for path in [self.table_path(), self.checkpoint_path()] {
            assert!(!path.exists(), "{} exists", path.display());
        }
    }

    /// Runs to a failure with exit code `code` and returns the outcome.
    pub async fn fail(&self, code: i32) -> Value {
        let finished = self.run().await;
        assert_eq!(finished.status.code(), Some(code), "{finished}");
        let outcome = finished.last_json();
        assert_eq!(outcome["status"], "failed", "{outcome}");
        outcome
    }
}

/// Asserts the error of an outcome, and returns its message.
#[track_caller]
pub fn expect_error(outcome: &Value, kind: &str, parts: &[&str]) -> String {
    assert_eq!(outcome["status"], "failed", "{outcome}");
    assert_eq!(outcome["error"]["kind"], kind, "{outcome}");
    let message = outcome["error"]["message"].as_str().expect("a message");
    expect_parts(message, parts);
    message.to_owned()
}

/// Asserts that `text` holds each of `parts`.
#[track_caller]
pub fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Lets a paused process go on.
pub fn unpause(process: &mut Process) {
    use std::io::Write;
    let mut stdin = process.take_stdin().expect("stdin is piped");
    stdin.write_all(b"go\n").expect("the process listens");
}

/// The sum of the offsets in an outcome's `end_offsets` or `start_offsets`.
pub fn total(offsets: &Value) -> i64 {
    offsets
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(_, partitions)| partitions.as_object().into_iter().flatten())
        .map(|(_, offset)| offset.as_i64().expect("an offset"))
        .sum()
}
