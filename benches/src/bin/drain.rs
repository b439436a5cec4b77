//! How fast Weir drains Kafka, beside what could: see docs/performance.md.
//!
//! `cargo build --release -p weir-benches -p weir-jobs && target/release/drain`; `--help` lists the arguments.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be run has no result"
)]

use std::process::ExitCode;

use clap::Parser as _;
use weir::Session;
use weir_benches::drain::arguments::{Arguments, Part, Peer};
use weir_benches::drain::peers::others::Others;
use weir_benches::drain::peers::{decode, encode, json, limit};
use weir_benches::drain::rounds::Rounds;
use weir_benches::drain::table::{HEADING, rows};
use weir_benches::drain::topics::{COMPRESSION, Topics};

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    match arguments.part.take() {
        None => weir::program::run(measure(arguments)),
        Some(Part::Limit(source)) => {
            limit::run(&source);
            ExitCode::SUCCESS
        }
        Some(Part::Decode {
            source,
            max_records,
        }) => weir::program::run(async move { decode::run(&source, max_records).await }),
        Some(Part::Json { source, out }) => {
            weir::program::run(async move { json::run(&source, &out).await })
        }
        Some(Part::Encode {
            records,
            partitions,
            out,
        }) => weir::program::run(async move { encode::run(records, partitions, &out).await }),
    }
}

async fn measure(arguments: Arguments) -> weir::Result<()> {
    let asked = |peer| arguments.peers.contains(&peer);
    let spark = asked(Peer::SparkCold) || asked(Peer::SparkWarm);
    let others = Others::new(
        spark.then_some(arguments.spark_memory.as_str()),
        asked(Peer::Python),
    );
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = arguments.keep.as_deref().unwrap_or(temporary.path());
    let topics = Topics::open(directory).await;
    let session = Session::builder().get_or_create().await?;
    let rounds = Rounds {
        arguments: &arguments,
        topics: &topics,
        others: &others,
        session: &session,
    };
    let mut table = vec![HEADING.to_owned()];
    for &records in &arguments.records {
        for &partitions in &arguments.partitions {
            let topic = topics.topic(records, partitions).await;
            let expected = topic.expected;
            eprintln!(
                "{}: {} records, {} bytes of values ({} each), {} bytes in the broker ({COMPRESSION}): {:.2} to 1",
                topic.name,
                expected.records,
                expected.value_bytes,
                expected.value_bytes / expected.records.max(1),
                topic.stored_bytes,
                expected.value_bytes as f64 / topic.stored_bytes.max(1) as f64,
            );
            let costs = rounds.run(&topic).await?;
            table.extend(rows(&topic, &costs));
        }
    }
    for row in table {
        println!("{row}");
    }
    Ok(())
}
