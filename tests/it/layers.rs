//! A lake of tables that Python writes, and the jobs that make tables of them, as child processes.

use std::process::{Command, Stdio};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use weir_tests::files::TempLake;
use weir_tests::process::{Finished, Process};
use weir_tests::python::{Python, python_or_skip};

use crate::bronze::{RUN_WITHIN, expect_error};

/// Tables, each with rows that a test gives, and one job to run over them.
pub struct Layers {
    pub lake: TempLake,
    python: Python,
    job: &'static str,
}

/// A table's columns and their types, as `write_rows.py` takes them, and its partition column.
pub type Shape<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);

impl Layers {
    pub async fn new(job: &'static str) -> Option<Self> {
        Some(Self {
            python: python_or_skip().await?,
            lake: TempLake::new(),
            job,
        })
    }

    pub fn url(&self, table: &str) -> String {
        self.lake.table_url(table)
    }

    /// Makes `rows` the rows of `table`.
    pub async fn write(&self, table: &str, (schema, partition): Shape<'_>, rows: &[Value]) {
        let schema: Map<String, Value> = schema
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), json!(kind)))
            .collect();
        let partition: Vec<&str> = partition.into_iter().collect();
        let content = json!({"schema": schema, "partition_by": partition, "rows": rows});
        let file = self.lake.file(&format!("{table}.json"));
        std::fs::write(&file, content.to_string()).unwrap();
        let file = file.display().to_string();
        let written = self
            .python
            .script("write_rows.py", &[&self.url(table), &file]);
        written.wait(RUN_WITHIN).await.expect_success();
    }

    /// The columns of every row of `table`, sorted by their text.
    pub async fn rows(&self, table: &str, columns: &[&str]) -> Vec<Vec<Value>> {
        let rows = self.python.read_rows(&self.url(table), &[]).await;
        sorted(&rows, columns)
    }

    /// The rows that a script of `support/python` computes, as [`Self::rows`] gives them.
    pub async fn expected(
        &self,
        script: &str,
        arguments: &[&str],
        columns: &[&str],
    ) -> Vec<Vec<Value>> {
        let computed = self.python.script(script, arguments).wait(RUN_WITHIN).await;
        let rows: Vec<Value> = computed
            .expect_success()
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        sorted(&rows, columns)
    }

    pub fn start(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-test-node"));
        command.arg(self.job).args(arguments).stdin(Stdio::null());
        Process::spawn(command)
    }

    pub async fn run(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).wait(RUN_WITHIN).await
    }

    /// Runs to success and returns the outcome.
    pub async fn succeed(&self, arguments: &[&str]) -> Value {
        let outcome = self.run(arguments).await.expect_success().last_json();
        assert_eq!(outcome["job"], self.job, "{outcome}");
        assert_eq!(outcome["status"], "succeeded", "{outcome}");
        outcome
    }

    /// Runs to a failure with exit code `code` and error kind `kind`, whose message holds each of
    /// `parts`.
    pub async fn refuse(&self, arguments: &[&str], code: i32, kind: &str, parts: &[&str]) {
        let finished = self.run(arguments).await;
        assert_eq!(finished.status.code(), Some(code), "{finished}");
        expect_error(&finished.last_json(), kind, parts);
    }

    /// Kills the job at random moments, first early ones, then ever more until one comes after its commit:
    /// after each, `table` has to hold the rows `before` or the rows `after`. `usual` is what a run takes.
    pub async fn kill_until_replaced(
        &self,
        arguments: &[&str],
        random: &mut StdRng,
        usual: Duration,
        table: (&str, &[&str]),
        [before, after]: [&[Vec<Value>]; 2],
    ) {
        for kill in 0..40 {
            let within = if kill < 6 { usual / 2 } else { usual * 2 };
            let mut process = self.pause_at_random(arguments, random, within).await;
            process.kill();
            let rows = self.rows(table.0, table.1).await;
            if rows == after {
                println!("kill {kill} came after the commit");
                return;
            }
            assert_eq!(rows, before, "after kill {kill}");
        }
        panic!("no kill came after the commit");
    }

    /// Starts the job and stops it (SIGSTOP) at a random moment from now on.
    pub async fn pause_at_random(
        &self,
        arguments: &[&str],
        random: &mut StdRng,
        within: Duration,
    ) -> Process {
        let process = self.start(arguments);
        tokio::time::sleep(random.random_range(Duration::ZERO..within)).await;
        process.pause();
        process
    }
}

fn sorted(rows: &[Value], columns: &[&str]) -> Vec<Vec<Value>> {
    let of_row = |row: &Value| -> Vec<Value> {
        let cells = columns.iter().map(|column| {
            row.get(column)
                .unwrap_or_else(|| panic!("no column {column}: {row}"))
        });
        assert_eq!(row.as_object().unwrap().len(), columns.len(), "{row}");
        cells.cloned().collect()
    };
    let mut rows: Vec<Vec<Value>> = rows.iter().map(of_row).collect();
    rows.sort_by_key(|row| json!(row).to_string());
    rows
}

/// A generator of random rows, whose seed the test prints.
pub fn random() -> StdRng {
    use rand::SeedableRng;
    let seed =
        std::env::var("WEIR_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    println!("WEIR_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
