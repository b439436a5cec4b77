//! Independent readers of Delta tables: the `deltalake` Python package, in a virtual environment of its own.
//!
//! The environment is made once per content of `support/python/requirements.txt`, in the user's cache. [`Python::read_delta`] summarises one
//! version of a table; [`Python::read_rows`] returns rows; [`Python::check_versions`] and [`DeltaWatcher`] look at every version there has been.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::cache;
use crate::ledger::{Ledger, PartitionRows};
use crate::process::{Process, blocking};
use crate::requirements::{Unavailable, require_or_skip, require_program, support};

const REQUIREMENTS: &str = include_str!("../support/python/requirements.txt");
const READ_WITHIN: Duration = Duration::from_secs(180);

/// The Python that has the packages of `support/python/requirements.txt`.
///
/// ```no_run
/// # async fn scenario_plus_outcome(url: &str, ledger: &weir_tests::ledger::Ledger) {
/// let Some(python) = weir_tests::python::python_or_skip().await else { return };
/// python.read_delta(url).await.expect_exactly(ledger);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Python {
    interpreter: PathBuf,
    environment: Vec<(String, String)>,
}

/// Python with its packages, installed by the first test on this machine that asks.
pub async fn python_or_skip() -> Option<Python> {
    static FOUND: OnceCell<Result<Python, Unavailable>> = OnceCell::const_new();
    let found = FOUND.get_or_init(|| blocking(install)).await;
    require_or_skip(found.clone())
}

/// One version of a Delta table, as an independent reader saw it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DeltaSummary {
    /// The version that was read.
    pub version: u64,
    /// How many rows.
    pub rows: u64,
    /// How many data files.
    pub files: u64,
    /// The table's partition columns, in order.
    pub partition_columns: Vec<String>,
    /// The schema in Delta's JSON form.
    pub schema: Value,
    /// Distinct (topic, partition, offset). This and what follows: of tables that have those columns.
    #[serde(default)]
    pub distinct_keys: u64,
    /// Per topic partition, sorted.
    #[serde(default)]
    pub partitions: Vec<PartitionSummary>,
    /// The checksum of keys and values: see [`crate::ledger`].
    #[serde(default)]
    pub checksum: u64,
    /// The same, of timestamps and their types: see `support/python/delta_rows.py`.
    #[serde(default)]
    pub timestamp_checksum: u64,
}

/// The rows of one topic partition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PartitionSummary {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// How many rows.
    pub rows: u64,
    /// How many distinct offsets.
    pub distinct: u64,
    /// The smallest offset.
    pub offset_min: i64,
    /// The greatest offset.
    pub offset_max: i64,
}

impl DeltaSummary {
    /// Asserts that the table holds each record of the ledger once, and nothing else.
    #[track_caller]
    pub fn expect_exactly(&self, ledger: &Ledger) {
        assert_eq!(
            self.distinct_keys, self.rows,
            "the table holds a record twice: {:#?}",
            self.partitions
        );
        let read = Ledger {
            rows: self.rows,
            checksum: self.checksum,
            partitions: self
                .partitions
                .iter()
                .map(|read| {
                    let rows = PartitionRows {
                        rows: read.rows,
                        offset_min: read.offset_min,
                        offset_max: read.offset_max,
                    };
                    ((read.topic.clone(), read.partition), rows)
                })
                .collect(),
        };
        assert_eq!(
            &read, ledger,
            "left: what the table holds; right: what was produced"
        );
    }

    /// The Delta type of a column: `"string"`, or an object for a nested type.
    pub fn column_type(&self, name: &str) -> Option<&Value> {
        let fields = self.schema["fields"].as_array()?;
        fields
            .iter()
            .find(|field| field["name"] == name)
            .map(|field| &field["type"])
    }
}

/// What every version of a table was found to hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct VersionsReport {
    /// How many versions were read.
    pub versions_checked: u64,
    /// The latest; `None` when there was no table.
    pub latest: Option<u64>,
    /// How many rows the latest version holds.
    pub rows: u64,
    /// Per topic partition of the latest version, sorted.
    pub partitions: Vec<PartitionSummary>,
    /// One sentence for each rule that a version broke.
    pub violations: Vec<String>,
}

impl VersionsReport {
    /// Asserts that no version broke a rule.
    #[track_caller]
    pub fn expect_no_violation(&self) {
        assert!(self.violations.is_empty(), "{:#?}", self.violations);
    }
}

/// What [`Python::check_versions`] and [`Python::watch_versions`] ask of each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offsets {
    /// No (topic, partition, offset) occurs twice.
    Distinct,
    /// Nor has any partition a hole, another first offset than before, or fewer offsets than before. Not for compacted topics, nor
    /// for transactions, whose markers take offsets.
    DensePrefix,
}

impl Python {
    /// The same, with more in its environment: how to reach an object store.
    pub fn with_environment(
        mut self,
        more: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let more = more.into_iter();
        self.environment
            .extend(more.map(|(name, value)| (name.to_owned(), value)));
        self
    }

    /// Summarises the latest version of a table.
    pub async fn read_delta(&self, url: &str) -> DeltaSummary {
        self.summary(&[url]).await
    }

    /// Summarises one version of a table.
    pub async fn read_delta_version(&self, url: &str, version: u64) -> DeltaSummary {
        self.summary(&[url, "--version", &version.to_string()])
            .await
    }

    /// The rows of the latest version, in no order; every column when `columns` is empty. Binary is hexadecimal, a timestamp ISO 8601.
    pub async fn read_rows(&self, url: &str, columns: &[&str]) -> Vec<Value> {
        let finished = self
            .script("read_delta.py", &[url, "--rows", &columns.join(",")])
            .wait(READ_WITHIN)
            .await
            .expect_success();
        finished
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("the script prints JSON lines"))
            .collect()
    }

    /// Checks every version of a table, from 0 to the latest.
    pub async fn check_versions(&self, url: &str, offsets: Offsets) -> VersionsReport {
        let finished = self
            .script("check_versions.py", &versions_args(url, offsets))
            .wait(READ_WITHIN)
            .await
            .expect_success();
        serde_json::from_value(finished.last_json()).expect("the script prints a report")
    }

    /// Follows a table, which need not exist yet, and checks each version as it appears. Returns once the watcher watches.
    pub async fn watch_versions(&self, url: &str, offsets: Offsets) -> DeltaWatcher {
        let mut args = versions_args(url, offsets);
        args.push("--watch");
        let mut command = self.command("check_versions.py", &args);
        command.stdin(Stdio::piped());
        let mut process = Process::spawn(command);
        process.stderr_line("watching", READ_WITHIN).await;
        DeltaWatcher { process }
    }

    /// A script of `support/python`, started.
    pub fn script(&self, name: &str, args: &[&str]) -> Process {
        let mut command = self.command(name, args);
        command.stdin(Stdio::null());
        Process::spawn(command)
    }

    async fn summary(&self, args: &[&str]) -> DeltaSummary {
        let finished = self
            .script("read_delta.py", args)
            .wait(READ_WITHIN)
            .await
            .expect_success();
        serde_json::from_value(finished.last_json()).expect("the script prints a summary")
    }

    fn command(&self, script: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.interpreter);
        // -B: no compiled files in the source tree.
        command
            .arg("-B")
            .arg(support("python").join(script))
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A reader that checks each version of a table while others write it.
#[derive(Debug)]
pub struct DeltaWatcher {
    process: Process,
}

impl DeltaWatcher {
    /// Checks what is new once more, and reports.
    pub async fn finish(mut self) -> VersionsReport {
        drop(self.process.take_stdin());
        let finished = self.process.wait(READ_WITHIN).await.expect_success();
        serde_json::from_value(finished.last_json()).expect("the script prints a report")
    }
}

fn versions_args(url: &str, offsets: Offsets) -> Vec<&str> {
    match offsets {
        Offsets::Distinct => vec![url],
        Offsets::DensePrefix => vec![url, "--dense"],
    }
}

fn install() -> Result<Python, Unavailable> {
    require_program("python3", "--version")?;
    let name = format!("python-{:08x}", crc32fast::hash(REQUIREMENTS.as_bytes()));
    let environment = cache::installed(&name, |directory| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(directory);
        cache::run("a Python virtual environment", &mut venv)?;
        let mut pip = Command::new(directory.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(support("python/requirements.txt"));
        cache::run("the Python package deltalake", &mut pip)
    })?;
    Ok(Python {
        interpreter: environment.join("bin/python"),
        environment: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
