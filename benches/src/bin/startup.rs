//! How soon a process has its first result.
//!
//! `cargo run --release -p weir-benches --bin startup` prints, from process start to process end:
//! filter + count over a Delta table of a million rows, and a `kafka_to_bronze` that finds nothing new
//! on a real broker (3 topics x 6 partitions).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be run has no result"
)]

use std::process::{Command, ExitCode};

use weir::prelude::*;
use weir_benches::{HEADING, Timings};
use weir_tests::files::TempLake;
use weir_tests::kafka::{Record, broker_or_skip};

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

const ROWS: i64 = 1_000_000;
const RUNS: usize = 15;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let mode = arguments.next().unwrap_or_default();
    match mode.to_str() {
        Some("count") => {
            let table = arguments.next().expect("a table");
            weir::program::run(count_some(table.into_string().expect("UTF-8")))
        }
        Some("kafka_to_bronze") => {
            let arguments = std::iter::once(program).chain(arguments);
            weir_jobs::kafka_to_bronze::main(arguments, Vec::new())
        }
        _ => weir::program::run(measure()),
    }
}

async fn count_some(table: String) -> weir::Result<()> {
    let session = Session::builder().get_or_create().await?;
    let rows = session.read().delta(&table).await?;
    let found = rows.filter(col("id").lt(lit(ROWS / 2)))?.count().await?;
    assert_eq!(found, ROWS as u64 / 2);
    println!("{found}");
    Ok(())
}

async fn measure() -> weir::Result<()> {
    let lake = TempLake::new();
    let table = lake.table_url("rows");
    let session = Session::builder().get_or_create().await?;
    let rows = format!(
        "SELECT value AS id, value % 1000 AS k, concat('name ', value) AS name \
         FROM generate_series(0, {})",
        ROWS - 1
    );
    session
        .sql(&rows)
        .await?
        .write()
        .format("delta")
        .save(&table)
        .await?;
    let this = std::env::current_exe().expect("a running program knows its path");

    println!("{HEADING}");
    let first = Timings::of_process(
        "filter + count, Delta table of 1,000,000 rows",
        RUNS,
        || {
            let mut command = Command::new(&this);
            command.args(["count", &table]);
            command
        },
    );
    println!("{}", first.row());

    let Some(broker) = broker_or_skip().await else {
        return Ok(());
    };
    let mut topics = Vec::new();
    for name in ["a", "b", "c"] {
        let topic = broker.new_topic(name, 6).await;
        let records = |n: usize| Record::of(format!("{n}"));
        broker.producer().produce_n(&topic, 6, 6_000, records).await;
        topics.push(topic);
    }
    let drain = || {
        let mut command = Command::new(&this);
        command.arg("kafka_to_bronze");
        command.args(["--bootstrap-servers", broker.bootstrap()]);
        command.args(["--topics", &topics.join(",")]);
        command.args(["--out", &lake.table_url("bronze")]);
        command.args(["--checkpoint", &lake.checkpoint_url("bronze")]);
        command
    };
    let output = drain().output().expect("the process starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let empty = Timings::of_process("kafka_to_bronze, nothing new, 18 partitions", RUNS, drain);
    println!("{}", empty.row());
    Ok(())
}
