//! `weir dlq`: dead letters shown, and produced again.

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Parser, Subcommand};
use serde_json::json;
use weir::dlq::{DeadLetter, LetterFilter, LetterSource, RedriveSpec, redrive, show};
use weir::program::print_line;
use weir::quality::ErrorType;
use weir::{Error, Options, Result, Session};
use weir_jobs::value::{look_up, read_properties, resolve_pair};

use crate::output::Output;

/// The commands of `weir dlq`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print dead letters of a table or topic.
    Show(Show),
    /// Produce dead letters again, each once: a redrive that was killed is finished by starting the same again.
    Redrive(Redrive),
}

/// Where letters are, and which are meant.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("where").required(true).args(["table", "topic"])))]
struct Letters {
    /// The Delta table of dead letters: a directory, or a URL (file://, s3://).
    #[arg(long, value_name = "URL", value_parser = look_up)]
    table: Option<String>,

    /// The Kafka topic of dead letters.
    #[arg(long, value_name = "NAME", value_parser = look_up)]
    topic: Option<String>,

    /// Kafka brokers, host:port[,host:port...].
    #[arg(long, value_name = "B", value_parser = look_up)]
    bootstrap_servers: Option<String>,

    /// A file of Kafka client properties, KEY=VALUE lines.
    #[arg(long, value_name = "FILE", value_parser = look_up)]
    kafka_config: Option<String>,

    /// A Kafka client property; goes before --kafka-config. The value may be @env:NAME or @file:PATH.
    #[arg(long, value_name = "KEY=VALUE")]
    kafka: Vec<String>,

    /// A setting of the session.
    #[arg(long, value_name = "KEY=VALUE")]
    conf: Vec<String>,

    /// Letters of records of this topic.
    #[arg(long, value_name = "TOPIC")]
    of_topic: Option<String>,

    /// Letters whose first broken rule is this.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// Letters of this error type: SCHEMA_VIOLATION, SEMANTIC_ERROR, COMPUTE_ERROR.
    #[arg(long, value_name = "TYPE")]
    error_type: Option<ErrorType>,

    /// Letters that this query found.
    #[arg(long, value_name = "ID")]
    query_id: Option<String>,

    /// Letters found at this time or later, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,

    /// Letters found before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
}

/// Arguments of `weir dlq show`.
#[derive(Debug, Parser)]
pub(crate) struct Show {
    #[command(flatten)]
    letters: Letters,

    /// How many: of a table the oldest first, of a topic as they stand in it; 0: all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    /// How they are shown.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Arguments of `weir dlq redrive`.
#[derive(Debug, Parser)]
pub(crate) struct Redrive {
    #[command(flatten)]
    letters: Letters,

    /// The topic to produce to [default: each record's own].
    #[arg(long, value_name = "TOPIC", value_parser = look_up)]
    to: Option<String>,

    /// Print how many letters are meant, whether they were produced before or not, and produce none.
    #[arg(long)]
    dry_run: bool,
}

impl Letters {
    async fn session(&self) -> Result<Session> {
        let mut builder = Session::builder().app_name("dlq");
        for pair in &self.conf {
            let (key, value) = resolve_pair("--conf", pair)?;
            builder = builder.config(key, value);
        }
        builder.create().await
    }

    fn options(&self) -> Result<Options> {
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
        if let Some(servers) = &self.bootstrap_servers {
            options.set("kafka.bootstrap.servers", servers);
        }
        Ok(options)
    }

    fn source(&self) -> Result<LetterSource> {
        match (&self.table, &self.topic) {
            (Some(table), None) => Ok(LetterSource::Table(table.clone())),
            (None, Some(topic)) => Ok(LetterSource::Topic {
                name: topic.clone(),
                options: self.options()?,
            }),
            _ => Err(Error::invalid_argument("give one of --table and --topic")),
        }
    }

    fn filter(&self) -> LetterFilter {
        LetterFilter {
            topic: self.of_topic.clone(),
            rule: self.rule.clone(),
            error_type: self.error_type,
            query_id: self.query_id.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

/// Runs a command of `weir dlq`.
///
/// # Errors
/// `NotFound` and `Unavailable` for a table or topic that is not there or out of reach, `InvalidArgument` for what is missing.
pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Show(arguments) => {
            let Show {
                letters,
                limit,
                output,
            } = arguments;
            let session = letters.session().await?;
            let limit = (limit > 0).then_some(limit);
            let found = show(&session, &letters.source()?, &letters.filter(), limit).await?;
            found.iter().try_for_each(|letter| print(letter, output))
        }
        Command::Redrive(arguments) => {
            let letters = &arguments.letters;
            let session = letters.session().await?;
            let (source, filter) = (letters.source()?, letters.filter());
            if arguments.dry_run {
                let found = show(&session, &source, &filter, None).await?;
                return print_line(json!({ "status": "dry_run", "letters": found.len() }));
            }
            let spec = RedriveSpec {
                source,
                filter,
                to: arguments.to,
                options: letters.options()?,
            };
            let done = redrive(&session, &spec).await?;
            print_line(json!({
                "status": "succeeded",
                "redriven": done.letters,
                "already_redriven": done.already,
            }))
        }
    }
}

fn print(letter: &DeadLetter, output: Output) -> Result<()> {
    let shown = letter.to_json();
    if output == Output::Json {
        return print_line(shown);
    }
    print_line(format_args!(
        "{}-{}@{}  {}  {}  retries {}",
        letter.topic,
        letter.partition,
        letter.offset,
        shown["failed_at"].as_str().unwrap_or_default(),
        letter.error_type,
        letter.retry_count
    ))?;
    print_line(format_args!("  {}: {}", letter.rule, letter.error_message))?;
    print_line(format_args!("  key    {}", shown["key"]))?;
    print_line(format_args!("  value  {}", shown["value"]))?;
    if let Some(headers) = shown["headers"]
        .as_array()
        .filter(|headers| !headers.is_empty())
    {
        for header in headers {
            print_line(format_args!(
                "  header {} = {}",
                header["key"].as_str().unwrap_or_default(),
                header["value"]
            ))?;
        }
    }
    print_line(format_args!(
        "  query {} batch {}",
        letter.query_id, letter.batch_id
    ))
}
