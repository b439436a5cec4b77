//! `weir lag`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use serde_json::{Value, json};
use weir::lag::{Consumer, LagReader, LagReport, PartitionLag};
use weir::program::{StopSignals, complain, print_line};
use weir::{Error, ErrorKind, Options, Result, exit_code};
use weir_jobs::value::{look_up, read_properties, resolve_pair};

use crate::output::{Output, table};

/// Settings of object stores begin so.
const STORAGE: &str = "weir.storage.";

/// Arguments of `weir lag`.
///
/// Exit codes: 0 within the thresholds, 1 failed, 2 usage, 3 over a threshold, 4 records are gone that
/// were not read, 75 brokers or store out of reach (worth retrying).
///
/// A value may be @env:NAME or @file:PATH (numbers and choices may not), and so may the VALUE of a
/// KEY=VALUE, so that a secret stands in no process list.
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
#[command(group(ArgGroup::new("whose").required(true).args(["group", "checkpoint"])))]
pub(crate) struct Arguments {
    /// Kafka brokers, host:port[,host:port...].
    #[arg(long, value_name = "B", value_parser = look_up)]
    bootstrap_servers: String,

    /// A consumer group, of a stream or of any other program.
    #[arg(long, value_name = "G", value_parser = look_up)]
    group: Option<String>,

    /// A stream's checkpoint: a directory, or a URL (file://, s3://).
    #[arg(long, value_name = "URL", value_parser = look_up)]
    checkpoint: Option<String>,

    /// Only this topic; may be given again [default: all that the group or the stream has read].
    #[arg(long, value_name = "T", value_parser = look_up)]
    topic: Vec<String>,

    /// The most offsets that all partitions together may be behind: exit code 3 beyond it.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    threshold: Option<u64>,

    /// The most seconds that may have passed since the first unread record of any partition: exit code 3
    /// beyond it.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    max_seconds: Option<u64>,

    /// How it is shown.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,

    /// Measure again and again until SIGINT or SIGTERM, then exit as the last measurement says. Brokers
    /// that are out of reach are reported and waited for.
    #[arg(long)]
    watch: bool,

    /// The time between two measurements (30s, 1m) [default: 10s].
    #[arg(long, value_name = "DURATION", requires = "watch", value_parser = parse_interval)]
    interval: Option<Duration>,

    /// A Kafka client property (kafka.security.protocol=SASL_SSL), or a setting of the checkpoint's
    /// object store (weir.storage.*).
    #[arg(long, value_name = "KEY=VALUE")]
    conf: Vec<String>,

    /// A file of Kafka client properties, KEY=VALUE lines without "kafka."; --conf goes before it.
    #[arg(long, value_name = "FILE", value_parser = look_up)]
    kafka_config: Option<String>,
}

/// Shows a consumer's lag.
///
/// # Errors
/// As [`LagReader::try_new`] and [`LagReader::measure`].
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let reader = arguments.reader()?;
    if !arguments.watch {
        let report = reader.measure().await?;
        return arguments.show(&report).map(ExitCode::from);
    }
    let mut signals = StopSignals::listen()?;
    let interval = arguments.interval.unwrap_or(Duration::from_secs(10));
    let mut code = 0;
    loop {
        let measured = tokio::select! {
            measured = reader.measure() => measured,
            () = signals.next() => return Ok(ExitCode::from(code)),
        };
        code = match measured {
            Ok(report) => arguments.show(&report)?,
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                complain(format_args!("error: {error}"));
                exit_code(error.kind())
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = signals.next() => return Ok(ExitCode::from(code)),
        }
    }
}

impl Arguments {
    fn reader(&self) -> Result<LagReader> {
        let consumer = match (&self.group, &self.checkpoint) {
            (Some(group), None) if group.trim().is_empty() => {
                return Err(Error::invalid_argument(
                    "--group is empty: give a consumer group's name",
                ));
            }
            (Some(group), None) => Consumer::Group(group.clone()),
            (None, Some(checkpoint)) => Consumer::Checkpoint(checkpoint.clone()),
            _ => {
                return Err(Error::invalid_argument(
                    "give one of --group and --checkpoint",
                ));
            }
        };
        let options = self.options()?;
        LagReader::try_new(consumer, self.topic.clone(), &options)
    }

    fn options(&self) -> Result<Options> {
        let mut options = Options::new();
        if let Some(path) = &self.kafka_config {
            for (key, value) in read_properties("--kafka-config", path)? {
                options.set(format!("kafka.{key}"), value);
            }
        }
        for pair in &self.conf {
            let (key, value) = resolve_pair("--conf", pair)?;
            if !key.starts_with("kafka.") && !key.starts_with(STORAGE) {
                return Err(Error::invalid_argument(format!(
                    "--conf {key} is neither a property of the Kafka client (kafka.*) nor a setting of an object store ({STORAGE}*)"
                )));
            }
            if self.checkpoint.is_none() && key.starts_with(STORAGE) {
                return Err(Error::invalid_argument(format!(
                    "--conf {key} is for a --checkpoint on an object store; remove it"
                )));
            }
            options.set(key, value);
        }
        let servers = "kafka.bootstrap.servers";
        match options.get(servers) {
            Some(other) if other != self.bootstrap_servers => {
                return Err(Error::invalid_argument(format!(
                    "--bootstrap-servers is {:?}, and the Kafka properties have {other:?}; give it once",
                    self.bootstrap_servers
                )));
            }
            _ => options.set(servers, &self.bootstrap_servers),
        }
        Ok(options)
    }

    /// Prints the report. Returns what it means as an exit code.
    fn show(&self, report: &LagReport) -> Result<u8> {
        let over = self.over(report);
        match self.output {
            Output::Json => {
                let mut line = serde_json::to_value(report).map_err(|error| {
                    Error::internal("cannot encode the report").with_source(error)
                })?;
                if let Value::Object(fields) = &mut line {
                    fields.insert("over_threshold".to_owned(), json!(over));
                }
                print_line(line)?;
            }
            Output::Table => self.show_table(report)?,
        }
        Ok(match (report.data_loss, over) {
            (true, _) => exit_code(ErrorKind::DataLoss),
            (false, true) => 3,
            (false, false) => 0,
        })
    }

    fn over(&self, report: &LagReport) -> bool {
        let lag = self.threshold.is_some_and(|most| report.total_lag > most);
        let seconds = self
            .max_seconds
            .is_some_and(|most| report.max_seconds_behind > most as f64);
        lag || seconds
    }

    fn show_table(&self, report: &LagReport) -> Result<()> {
        let heading = [
            "TOPIC",
            "PARTITION",
            "COMMITTED",
            "LOG-START",
            "END",
            "LAG",
            "SECONDS",
            "STATE",
        ];
        table(heading, report.partitions.iter().map(row))?;
        let ends = match report.isolation_level.as_str() {
            "read_uncommitted" => "high watermarks",
            _ => "last stable offsets",
        };
        print_line(format_args!(
            "total lag {}, oldest unread record {:.1} s; ends are {ends} (kafka.isolation.level={})",
            report.total_lag, report.max_seconds_behind, report.isolation_level
        ))?;
        let open: u64 = report.partitions.iter().map(behind_end).sum();
        if open > 0 {
            print_line(format_args!(
                "{open} offsets lie beyond the ends, held back by open transactions"
            ))?;
        }
        if report.data_loss {
            let some = report.partitions.iter().filter(|at| at.state.is_loss());
            print_line(format_args!(
                "records that were not read are gone in {} partitions, see STATE",
                some.count()
            ))?;
        }
        let over = |argument: &str, most: Option<u64>, is: f64| match most {
            Some(most) if is > most as f64 => print_line(format_args!("over {argument} {most}")),
            _ => Ok(()),
        };
        over("--threshold", self.threshold, report.total_lag as f64)?;
        over("--max-seconds", self.max_seconds, report.max_seconds_behind)
    }
}

/// Offsets that are written and held back by open transactions.
fn behind_end(partition: &PartitionLag) -> u64 {
    match (partition.end, partition.high_watermark) {
        (Some(end), Some(high)) => u64::try_from(high.saturating_sub(end)).unwrap_or(0),
        _ => 0,
    }
}

fn row(partition: &PartitionLag) -> [String; 8] {
    let shown = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |at| at.to_string());
    [
        partition.topic.clone(),
        partition.partition.to_string(),
        shown(partition.committed),
        shown(partition.log_start),
        shown(partition.end),
        partition
            .lag
            .map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
        partition
            .seconds_behind
            .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}")),
        match partition.lost {
            0 => partition.state.as_str().to_owned(),
            lost => format!("{} ({lost} offsets)", partition.state.as_str()),
        },
    ]
}

fn parse_interval(text: &str) -> Result<Duration> {
    let interval = weir::settings::parse_duration("--interval", &look_up(text)?)?;
    match interval.is_zero() {
        true => Err(Error::invalid_argument(
            "--interval is 0: give the time between two measurements, e.g. 10s",
        )),
        false => Ok(interval),
    }
}
