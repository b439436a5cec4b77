//! The job's command line.

use std::time::Duration;

use chrono::Datelike as _;
use clap::{ArgGroup, Parser, ValueEnum};
use weir::{Error, Options, Result};

use super::decoding::{Format, OnBreaking};
use crate::value::{look_up, read_properties, resolve_pair};

/// Drain Kafka topics into a bronze Delta table, each record exactly once, then end.
///
/// The last line on stdout is the outcome as JSON. Exit codes: 0 done (also with nothing to do),
/// 1 failed, 2 usage, 3 done, with more dead letters than --max-dlq-rate, 4 data loss detected, 75 broker or store out of reach (worth retrying),
/// 124 --max-runtime passed, 143 stopped by a signal.
///
/// A value may be @env:NAME or @file:PATH (numbers and choices may not), and so may the VALUE of a
/// KEY=VALUE, so that a secret stands in no process list.
#[derive(Debug, Clone, Parser)]
#[command(name = "kafka_to_bronze", version, verbatim_doc_comment)]
#[command(group(ArgGroup::new("what").required(true).args(["topics", "topic_pattern", "assign"])))]
#[command(group(ArgGroup::new("rules").multiple(true).args(["expect", "schema", "subject"])))]
pub struct Arguments {
    /// Kafka brokers, host:port[,host:port...].
    #[arg(long, value_name = "B", value_parser = look_up)]
    pub bootstrap_servers: String,

    /// Topics to read, a,b,c.
    #[arg(long, value_name = "a,b", value_parser = look_up)]
    pub topics: Option<String>,

    /// A regular expression over topic names.
    #[arg(long, value_name = "RE", value_parser = look_up)]
    pub topic_pattern: Option<String>,

    /// Partitions to read, `{"topic":[0,1]}`.
    #[arg(long, value_name = "JSON", value_parser = look_up)]
    pub assign: Option<String>,

    /// The table: a directory, or a URL (file://, s3://); made if it is not there.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub out: String,

    /// The checkpoint: a directory, or a URL (file://, s3://), that only this job on this table uses.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub checkpoint: String,

    /// The value of column load_date, YYYY-MM-DD [default: today in UTC]. A batch that was planned
    /// by an earlier run keeps the date it was planned with.
    #[arg(long, value_name = "D", value_parser = parse_date)]
    pub load_date: Option<String>,

    /// Where a new checkpoint begins: earliest, latest, or {"topic":{"0":42}} with -2 earliest and
    /// -1 latest.
    #[arg(long, value_name = "earliest|latest|JSON", default_value = "earliest", value_parser = look_up)]
    pub starting_offsets: String,

    /// Where a new checkpoint begins: the first record at or after this time, RFC 3339 or
    /// milliseconds since the epoch. Goes before --starting-offsets.
    #[arg(long, value_name = "T", value_parser = parse_timestamp)]
    pub starting_timestamp: Option<i64>,

    /// For a partition without a record as young as --starting-timestamp: error ends the job, latest
    /// begins at the partition's end [default: error].
    #[arg(long, value_name = "error|latest", value_parser = ["error", "latest"],
          requires = "starting_timestamp")]
    pub starting_timestamp_strategy: Option<String>,

    /// Most records per batch, shared out over partitions by what waits in each.
    #[arg(long, value_name = "N")]
    pub max_offsets_per_trigger: Option<u64>,

    /// Split large ranges into about this many, for more tasks per partition; at most one task per
    /// core reads at a time.
    #[arg(long, value_name = "N")]
    pub min_partitions: Option<u32>,

    /// Whether records that are gone before they were read end the job (exit code 4).
    #[arg(long, value_name = "true|false", default_value = "true", action = clap::ArgAction::Set)]
    pub fail_on_data_loss: bool,

    /// Whether records of open and aborted transactions are read [default: read_committed].
    #[arg(long, value_name = "read_committed|read_uncommitted",
          value_parser = ["read_committed", "read_uncommitted"])]
    pub isolation_level: Option<String>,

    /// Adds column headers.
    #[arg(long)]
    pub include_headers: bool,

    /// string: message_value holds the text, and message_value_raw the bytes that are no UTF-8;
    /// binary: message_value_raw holds every value [default: string; of values that are decoded, neither].
    #[arg(long, value_enum)]
    pub value_as: Option<ValueAs>,

    /// Decode values into columns, by --schema. With --subject, what its schemas must be.
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// The schema of all values, or @file:PATH. json, csv: a Spark schema, 'id BIGINT NOT NULL, name STRING',
    /// where NOT NULL is a field that must be there; avro: Avro's JSON; protobuf: @file:PATH of what
    /// protoc --include_imports --descriptor_set_out wrote.
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "subject",
        requires = "format"
    )]
    pub schema: Option<String>,

    /// Decode values in Confluent's wire format into the columns of the newest schema of this subject, of the registry
    /// of --conf weir.schema.registry.url=URL. New fields become columns.
    #[arg(long, value_name = "NAME", value_parser = look_up)]
    pub subject: Option<String>,

    /// Read with this version of the subject, whatever comes after it.
    #[arg(long, value_name = "N", requires = "subject", value_parser = clap::value_parser!(u32).range(1..))]
    pub subject_version: Option<u32>,

    /// What is done about a newest version that lacks a column of the one before, or has it of another type. fail: the
    /// job ends before it reads with it; keep: it reads with the one before, and records that do not fit are bad;
    /// null: what is gone is null from then on, another type ends the job.
    #[arg(long, value_enum, default_value = "fail", requires = "subject")]
    pub on_breaking_schema: OnBreaking,

    /// The message of --schema, or of the subject's schema [default: its first], with Protobuf.
    #[arg(long, value_name = "NAME")]
    pub message: Option<String>,

    /// Keep the decoded value in one column of this name, instead of a column for each of its fields.
    #[arg(long, value_name = "NAME")]
    pub message_column: Option<String>,

    /// Rules of the rows: a suite of checks as of check_table, in YAML or TOML. A row that breaks one
    /// of severity error is a dead letter, unless the check has another action.
    #[arg(long, value_name = "FILE", value_parser = look_up)]
    pub expect: Option<String>,

    /// The Delta table of dead letters: a directory, or a URL (file://, s3://); made if it is not there.
    #[arg(long, value_name = "URL", value_parser = look_up, requires = "rules")]
    pub dlq_table: Option<String>,

    /// The Kafka topic of dead letters, on the same brokers, which exists; {topic} stands for a
    /// record's own: {topic}.dlq.
    #[arg(long, value_name = "NAME", value_parser = look_up, requires = "rules")]
    pub dlq_topic: Option<String>,

    /// The part of a batch's records that may be dead letters, 0.001 or 0.1% [default: 0.1%].
    #[arg(long, value_name = "R", requires = "rules")]
    pub max_dlq_rate: Option<String>,

    /// What more of them do: warn ends the job with exit code 3 once all is done; fail ends it with 1
    /// before anything of the batch is committed [default: warn].
    #[arg(long, value_name = "warn|fail", value_parser = ["warn", "fail"], requires = "rules")]
    pub max_dlq_rate_action: Option<String>,

    /// A file of Kafka client properties, KEY=VALUE lines.
    #[arg(long, value_name = "FILE", value_parser = look_up)]
    pub kafka_config: Option<String>,

    /// A Kafka client property; goes before --kafka-config.
    #[arg(long, value_name = "KEY=VALUE")]
    pub kafka: Vec<String>,

    /// A setting of the session.
    #[arg(long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,

    /// Stop after this time (30s, 10m, 1h 30m); the batch at hand is finished or abandoned.
    #[arg(long, value_name = "DURATION", value_parser = crate::value::parse_max_runtime)]
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
        for (argument, key, value) in [
            (
                "--bootstrap-servers",
                "bootstrap.servers",
                Some(&self.bootstrap_servers),
            ),
            (
                "--isolation-level",
                "isolation.level",
                self.isolation_level.as_ref(),
            ),
        ] {
            if let Some(value) = value {
                set_once(&mut options, argument, key, value)?;
            }
        }
        options.set("failOnDataLoss", self.fail_on_data_loss);
        // A dead letter keeps its record's headers.
        options.set(
            "includeHeaders",
            self.include_headers || self.has_dead_letters(),
        );
        options.set("startingOffsets", &self.starting_offsets);
        let optional = [
            ("subscribe", self.topics.clone()),
            ("subscribePattern", self.topic_pattern.clone()),
            ("assign", self.assign.clone()),
            ("startingTimestamp", text(self.starting_timestamp)),
            (
                "startingOffsetsByTimestampStrategy",
                self.starting_timestamp_strategy.clone(),
            ),
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

    /// Whether dead letters have a place.
    #[must_use]
    pub fn has_dead_letters(&self) -> bool {
        self.dlq_table.is_some() || self.dlq_topic.is_some()
    }

    /// The writer's options about dead letters.
    ///
    /// # Errors
    /// As [`Self::source_options`].
    pub fn dead_letter_options(&self) -> Result<Options> {
        let mut options = Options::new();
        for (key, value) in [
            ("dlqTable", &self.dlq_table),
            ("dlqTopic", &self.dlq_topic),
            ("maxDlqRate", &self.max_dlq_rate),
            ("maxDlqRateAction", &self.max_dlq_rate_action),
        ] {
            if let Some(value) = value {
                options.set(key, value);
            }
        }
        if self.dlq_topic.is_some() {
            for (key, value) in self.source_options()?.with_prefix("kafka.") {
                // Of who reads; a producer has neither.
                if !["group.id", "isolation.level"].contains(&key.to_lowercase().as_str()) {
                    options.set(format!("kafka.{key}"), value);
                }
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

/// Sets Kafka property `key`, which has an argument of its own.
fn set_once(options: &mut Options, argument: &str, key: &str, value: &str) -> Result<()> {
    let option = format!("kafka.{key}");
    match options.get(&option) {
        Some(other) if other != value => Err(Error::invalid_argument(format!(
            "{argument} is {value:?}, and the Kafka properties have {key}={other}; give it once"
        ))),
        _ => {
            options.set(option, value);
            Ok(())
        }
    }
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn parse_date(text: &str) -> Result<String> {
    let text = look_up(text)?;
    match chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        // Others take it for a date, too.
        Ok(date) if (1..=9999).contains(&date.year()) => Ok(date.format("%Y-%m-%d").to_string()),
        _ => Err(Error::invalid_argument("it takes a date like 2026-01-31")),
    }
}

fn parse_timestamp(text: &str) -> Result<i64> {
    let text = look_up(text)?;
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    match chrono::DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Ok(time.timestamp_millis()),
        Err(_) => Err(Error::invalid_argument(
            "it takes a time like 2026-01-31T00:00:00Z, or milliseconds since the epoch",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parse(more: &[&str]) -> std::result::Result<Arguments, clap::Error> {
        let given = ["job", "--bootstrap-servers", "b:1", "--topics", "t"];
        let places = ["--out", "o", "--checkpoint", "c"];
        Arguments::try_parse_from([&given[..], &places, more].concat())
    }

    #[test]
    fn value_from_elsewhere_is_taken_for_what_it_stands_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "2026-1-31\n").unwrap();
        let mut from_file = OsString::from("@file:");
        from_file.push(file.path());
        let arguments = parse(&["--load-date", &from_file.to_string_lossy()]).unwrap();
        assert_eq!(arguments.load_date.as_deref(), Some("2026-01-31"));
        let error = parse(&["--assign", "@env:WEIR_NO_SUCH_VARIABLE"]).unwrap_err();
        assert!(
            error.to_string().contains("WEIR_NO_SUCH_VARIABLE"),
            "{error}"
        );
    }

    #[test]
    fn property_given_again_by_its_own_argument_is_refused_unless_the_same() {
        let same = parse(&["--kafka", "bootstrap.servers=b:1"]).unwrap();
        same.source_options().unwrap();
        let alone = parse(&["--kafka", "isolation.level=read_uncommitted"]).unwrap();
        let options = alone.source_options().unwrap();
        assert_eq!(
            options.get("kafka.isolation.level"),
            Some("read_uncommitted")
        );
        for (pair, argument) in [
            ("bootstrap.servers=other:1", "--bootstrap-servers"),
            ("isolation.level=read_uncommitted", "--isolation-level"),
        ] {
            let both = ["--isolation-level", "read_committed", "--kafka", pair];
            let error = parse(&both).unwrap().source_options().unwrap_err();
            assert!(error.to_string().contains(argument), "{error}");
        }
    }

    #[test]
    fn dates_that_others_do_not_read_are_refused() {
        for date in ["+12026-01-01", "0000-01-01", "2026-02-30", "today"] {
            assert!(parse_date(date).is_err(), "{date}");
        }
    }
}
