//! The job's command line.

use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use weir::{Error, Options, Result};

use crate::value::{read_properties, resolve, resolve_pair};

/// Drain Kafka topics into a bronze Delta table, each record exactly once, then end.
///
/// The last line on stdout is the outcome as JSON. Exit codes: 0 done (also with nothing to do),
/// 1 failed, 2 usage, 4 data loss detected, 75 broker or store out of reach (worth retrying),
/// 124 --max-runtime passed, 143 stopped by a signal.
///
/// VALUES may be @env:NAME or @file:PATH, so that a secret stands in no process list.
#[derive(Debug, Clone, Parser)]
#[command(name = "kafka_to_bronze", version, verbatim_doc_comment)]
#[command(group(ArgGroup::new("what").required(true).args(["topics", "topic_pattern", "assign"])))]
pub struct Arguments {
    /// Kafka brokers, host:port[,host:port...].
    #[arg(long, value_name = "B")]
    pub bootstrap_servers: String,

    /// Topics to read, a,b,c.
    #[arg(long, value_name = "a,b")]
    pub topics: Option<String>,

    /// A regular expression over topic names.
    #[arg(long, value_name = "RE")]
    pub topic_pattern: Option<String>,

    /// Partitions to read, {"topic":[0,1]}.
    #[arg(long, value_name = "JSON")]
    pub assign: Option<String>,

    /// The table: a directory or file:// URL; made if it is not there.
    #[arg(long, value_name = "URL")]
    pub out: String,

    /// The checkpoint: a directory or file:// URL that only this job on this table uses.
    #[arg(long, value_name = "URL")]
    pub checkpoint: String,

    /// The value of column load_date, YYYY-MM-DD [default: today in UTC]. A batch that was planned
    /// by an earlier run keeps the date it was planned with.
    #[arg(long, value_name = "D", value_parser = parse_date)]
    pub load_date: Option<String>,

    /// Where a new checkpoint begins: earliest, latest, or {"topic":{"0":42}} with -2 earliest and
    /// -1 latest.
    #[arg(long, value_name = "earliest|latest|JSON", default_value = "earliest")]
    pub starting_offsets: String,

    /// Where a new checkpoint begins: the first record at or after this time, RFC 3339 or
    /// milliseconds since the epoch. Goes before --starting-offsets.
    #[arg(long, value_name = "T", value_parser = parse_timestamp)]
    pub starting_timestamp: Option<i64>,

    /// Most records per batch, shared out over partitions by what waits in each.
    #[arg(long, value_name = "N")]
    pub max_offsets_per_trigger: Option<u64>,

    /// Split large ranges so that at least this many tasks read.
    #[arg(long, value_name = "N")]
    pub min_partitions: Option<u32>,

    /// Whether records that are gone before they were read end the job (exit code 4).
    #[arg(long, value_name = "true|false", default_value = "true", action = clap::ArgAction::Set)]
    pub fail_on_data_loss: bool,

    /// Whether records of open and aborted transactions are read.
    #[arg(long, value_name = "read_committed|read_uncommitted", default_value = "read_committed",
          value_parser = ["read_committed", "read_uncommitted"])]
    pub isolation_level: String,

    /// Adds column headers.
    #[arg(long)]
    pub include_headers: bool,

    /// string: message_value holds the text, and message_value_raw the bytes that are no UTF-8;
    /// binary: message_value_raw holds every value.
    #[arg(long, value_enum, default_value_t = ValueAs::String)]
    pub value_as: ValueAs,

    /// A file of Kafka client properties, KEY=VALUE lines.
    #[arg(long, value_name = "FILE")]
    pub kafka_config: Option<String>,

    /// A Kafka client property; goes before --kafka-config.
    #[arg(long, value_name = "KEY=VALUE")]
    pub kafka: Vec<String>,

    /// A setting of the session.
    #[arg(long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,

    /// Stop after this time (30s, 10m, 1h 30m); the batch at hand is finished or abandoned.
    #[arg(long, value_name = "DURATION", value_parser = parse_max_runtime)]
    pub max_runtime: Option<Duration>,

    /// Print what would be read and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How `--value-as` keeps values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValueAs {
    /// As text where it is text.
    String,
    /// As bytes.
    Binary,
}

impl Arguments {
    /// The options of the Kafka source.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that cannot be resolved.
    pub fn source_options(&self) -> Result<Options> {
        let mut options = Options::new();
        if let Some(path) = &self.kafka_config {
            for (key, value) in read_properties("--kafka-config", path)? {
                options.set(format!("kafka.{key}"), value);
            }
        }
        for pair in &self.kafka {
            let (key, value) = resolve_pair("--kafka", pair)?;
            options.set(format!("kafka.{key}"), value);
        }
        let servers = resolve("--bootstrap-servers", &self.bootstrap_servers)?;
        options.set("kafka.bootstrap.servers", servers);
        options.set("kafka.isolation.level", &self.isolation_level);
        options.set("failOnDataLoss", self.fail_on_data_loss);
        options.set("includeHeaders", self.include_headers);
        options.set("startingOffsets", &self.starting_offsets);
        let optional = [
            ("subscribe", self.topics.clone()),
            ("subscribePattern", self.topic_pattern.clone()),
            ("assign", self.assign.clone()),
            ("startingTimestamp", text(self.starting_timestamp)),
            ("maxOffsetsPerTrigger", text(self.max_offsets_per_trigger)),
            ("minPartitions", text(self.min_partitions)),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                options.set(key, value);
            }
        }
        Ok(options)
    }

    /// The session's settings.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that cannot be resolved.
    pub fn settings(&self) -> Result<Vec<(String, String)>> {
        self.conf
            .iter()
            .map(|pair| resolve_pair("--conf", pair))
            .collect()
    }
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn parse_date(text: &str) -> std::result::Result<String, String> {
    match chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) => Ok(date.format("%Y-%m-%d").to_string()),
        Err(_) => Err("it takes a date like 2026-01-31".to_owned()),
    }
}

fn parse_timestamp(text: &str) -> std::result::Result<i64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.timestamp_millis()),
        Err(_) => Err(
            "it takes a time like 2026-01-31T00:00:00Z, or milliseconds since the epoch".to_owned(),
        ),
    }
}

fn parse_max_runtime(text: &str) -> std::result::Result<Duration, String> {
    weir::settings::parse_duration("--max-runtime", text).map_err(|error: Error| error.to_string())
}
