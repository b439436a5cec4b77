//! `weir demo`: the main job on an embedded default, with nothing to install.

mod records;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use tokio_util::sync::CancellationToken;
use weir::prelude::*;
use weir::program::print_line;
use weir::{EmbeddedKafka, Error, ErrorKind, Result};
use weir_jobs::kafka_to_bronze::{self, Drained};
use weir_jobs::outcome::Status;

use records::{PARTITIONS, TOPICS, seeded_records};

/// How many bytes a record takes at most, in the broker: sizes the demo within its memory.
const RECORD_BYTES_MAX: u64 = 400;

/// Arguments of `weir demo`.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Records to produce.
    #[arg(long, default_value_t = 100_000)]
    records: u64,

    /// Seed of the records: the same seed gives the same records.
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// An empty directory for the table and the checkpoint [default: a new temporary one].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Produces, drains, shows, accounts.
///
/// # Errors
/// `InvalidArgument` for arguments, `Internal` when the accounting does not close, and what the job
/// reports.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let capacity = EmbeddedKafka::capacity_bytes(PARTITIONS) * TOPICS.len() as u64;
    if arguments.records == 0 || arguments.records > capacity / RECORD_BYTES_MAX {
        return Err(Error::invalid_argument(format!(
            "--records is {}; the embedded broker holds 1 to {}",
            arguments.records,
            capacity / RECORD_BYTES_MAX
        )));
    }
    let dir = empty_directory(arguments.dir.as_deref())?;
    print_line("Weir demo: Kafka -> bronze Delta table, exactly once\n")?;
    print_line("broker      librdkafka's mock cluster, in this process (not Apache Kafka)")?;

    let begun = Instant::now();
    let mut broker = EmbeddedKafka::start()?;
    for topic in TOPICS {
        broker.create_topic(topic, PARTITIONS)?;
    }
    let produced = broker.produce(seeded_records(arguments.seed, arguments.records))?;
    let lost = broker.lost_records()?;
    if lost > 0 {
        return Err(Error::internal(format!(
            "the embedded broker dropped {lost} records before they were read"
        )));
    }
    print_line(format_args!(
        "produced    {produced} records into {} topics x {PARTITIONS} partitions, seed {}, {:.2} s",
        TOPICS.len(),
        arguments.seed,
        begun.elapsed().as_secs_f64()
    ))?;

    let table = dir.join("bronze");
    let begun = Instant::now();
    let outcome = drain(&broker, &dir, &table).await?;
    let took = begun.elapsed().as_secs_f64();
    print_line(format_args!(
        "drained     {} records in {} batches, table version {}, {took:.2} s, {:.0} records/s\n",
        outcome.rows,
        outcome.batches,
        outcome.delta_version.unwrap_or_default(),
        outcome.rows as f64 / took
    ))?;
    account(&table, produced, &outcome).await?;
    print_line(format_args!("\nfiles       {}", dir.display()))
}

/// The job itself, as its command line would start it.
async fn drain(broker: &EmbeddedKafka, dir: &Path, table: &Path) -> Result<Drained> {
    let arguments = kafka_to_bronze::Arguments::try_parse_from([
        kafka_to_bronze::NAME,
        "--bootstrap-servers",
        &broker.bootstrap_servers(),
        "--topics",
        &TOPICS.join(","),
        &format!("--out={}", table.display()),
        &format!("--checkpoint={}", dir.join("checkpoint").display()),
        "--max-offsets-per-trigger",
        "40000",
    ])
    .map_err(|error| Error::internal(error.to_string()))?;
    let (outcome, kind) =
        kafka_to_bronze::run(arguments, CancellationToken::new(), Vec::new()).await;
    match (&outcome.error, outcome.status) {
        (None, Status::Succeeded) => Ok(outcome.details),
        (error, status) => Err(Error::new(
            kind.unwrap_or(ErrorKind::Internal),
            match error {
                Some(error) => error.message.clone(),
                None => format!("the job ended as {status:?}"),
            },
        )),
    }
}

/// Reads the table back: a few rows, rows per topic, and whether every record is there once.
async fn account(table: &Path, produced: u64, outcome: &Drained) -> Result<()> {
    let session = Session::builder().app_name("demo").create().await?;
    let bronze = session.read().delta(&table.to_string_lossy()).await?;
    bronze
        .clone()
        .select([
            col("topic"),
            col("partition"),
            col("offset"),
            col("kafka_timestamp"),
            col("message_key"),
            col("message_value"),
        ])?
        .order_by([col("topic"), col("partition"), col("offset")])?
        .show_rows(5, Some(44))
        .await?;
    bronze
        .clone()
        .group_by([col("topic")])
        .count()?
        .order_by([col("topic")])?
        .show()
        .await?;
    let rows = bronze.count().await?;
    let distinct = bronze
        .select([col("topic"), col("partition"), col("offset")])?
        .distinct()?
        .count()
        .await?;
    print_line(format_args!(
        "\nproduced {produced} = drained {} = in the table {rows} = distinct {distinct}",
        outcome.rows
    ))?;
    if [outcome.rows, rows, distinct] != [produced; 3] {
        return Err(Error::internal(
            "the records do not add up: this is a defect of Weir",
        ));
    }
    print_line("every record is there, exactly once")
}

fn empty_directory(wanted: Option<&Path>) -> Result<PathBuf> {
    let storage = |place: String, error: std::io::Error| {
        Error::new(ErrorKind::Storage, format!("making {place}")).with_source(error)
    };
    let Some(dir) = wanted else {
        return tempfile::Builder::new()
            .prefix("weir-demo-")
            .tempdir()
            .map(tempfile::TempDir::keep)
            .map_err(|error| storage("a temporary directory".to_owned(), error));
    };
    let place = dir.display().to_string();
    std::fs::create_dir_all(dir).map_err(|error| storage(place.clone(), error))?;
    let mut entries = std::fs::read_dir(dir).map_err(|error| storage(place.clone(), error))?;
    if entries.next().is_some() {
        return Err(Error::invalid_argument(format!(
            "--dir {place} is not empty: the demo's topics are new each time, its checkpoint must be too"
        )));
    }
    Ok(dir.to_path_buf())
}
