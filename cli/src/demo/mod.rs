//! `weir demo`: the whole daily pipeline on an embedded default, with nothing to install.

mod account;
mod lake;
mod pipeline;
mod records;
mod steps;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::Parser;
use weir::program::print_line;
use weir::{DemoBroker, Error, ErrorKind, Result};

use lake::Lake;
use pipeline::Pipeline;
use records::{Maker, PARTITIONS, Topics};

/// How many bytes a record takes at most, in the broker: sizes the demo within its memory.
const RECORD_BYTES_MAX: u64 = 400;

/// Arguments of `weir demo`.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Records to produce; about 1% more are sent twice.
    #[arg(long, default_value_t = 100_000)]
    records: u64,

    /// Seed of the records: the same seed gives the same records.
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// An empty directory for the tables and checkpoints [default: a new temporary one].
    #[arg(long)]
    dir: Option<PathBuf>,

    /// Servers of a real Kafka (host:port,...), without encryption; the demo's topics are new ones, and
    /// deleted at the end [default: a broker inside this process].
    #[arg(long, value_name = "HOST:PORT,...")]
    bootstrap_servers: Option<String>,
}

/// Produces, drains, makes the layers, checks, shows, accounts.
///
/// # Errors
/// `InvalidArgument` for arguments, `Internal` when the accounting does not close, and what the jobs
/// report.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut broker = match &arguments.bootstrap_servers {
        Some(servers) => DemoBroker::connect(servers)?,
        None => DemoBroker::embedded()?,
    };
    check_records(arguments.records, broker.capacity_bytes(PARTITIONS))?;
    let lake = Lake::new(empty_directory(arguments.dir.as_deref())?);
    print_line("Weir demo: Kafka -> bronze -> silver -> gold, each record exactly once\n")?;
    let topics = match &arguments.bootstrap_servers {
        None => {
            print_line(
                "broker      librdkafka's mock cluster, in this process (not Apache Kafka)",
            )?;
            Topics {
                orders: "raw.orders".to_owned(),
                clicks: "raw.clicks".to_owned(),
            }
        }
        Some(servers) => {
            print_line(format_args!("broker      {servers}"))?;
            // The lake's directory is new, so its name makes topics that are, too.
            let process = std::process::id();
            let now = chrono::Utc::now().timestamp_millis();
            Topics {
                orders: format!("weir-demo-{now}-{process}.orders"),
                clicks: format!("weir-demo-{now}-{process}.clicks"),
            }
        }
    };
    for topic in [&topics.orders, &topics.clicks] {
        broker.create_topic(topic, PARTITIONS).await?;
    }
    print_line(format_args!(
        "topics      {} and {}, {PARTITIONS} partitions each",
        topics.orders, topics.clicks
    ))?;
    print_line(format_args!("files       {}\n", lake.dir().display()))?;

    let first_day = NaiveDate::from_ymd_opt(2026, 1, 30)
        .ok_or_else(|| Error::internal("2026-01-30 is no date"))?;
    let maker = Maker::new(arguments.seed, arguments.records, first_day, topics.clone());
    let done = Pipeline::new(&broker, &lake, &topics, maker)
        .run(first_day, arguments.records)
        .await;
    // The topics of a run that failed go, too: its files tell the rest.
    let deleted = broker.delete_topics().await;
    let (made, steps) = done?;
    deleted?;
    account::show(&lake).await?;
    steps.print()?;
    account::close(&lake, &made).await?;
    print_line(format_args!("\nfiles       {}", lake.dir().display()))
}

fn check_records(records: u64, capacity_per_topic: Option<u64>) -> Result<()> {
    // Two topics, but one partition is fuller than another.
    let most = capacity_per_topic.map_or(u64::MAX, |bytes| bytes / RECORD_BYTES_MAX * 2);
    if (1..=most).contains(&records) {
        return Ok(());
    }
    let holder = match capacity_per_topic {
        Some(_) => format!("the embedded broker holds 1 to {most}"),
        None => "it takes at least 1".to_owned(),
    };
    Err(Error::invalid_argument(format!(
        "--records is {records}; {holder}"
    )))
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
