//! Runs the job: arguments to a query, the query to an outcome.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir::quality::Expectations;
use weir::{DataStreamWriter, ErrorKind, QueryListener, Result};

use super::arguments::{Arguments, ValueAs};
use super::decoding::{Decoding, ERROR};
use super::{Drained, NAME, columns, dry_run};
use crate::check_table::{Suite, expectations};
use crate::outcome::{Outcome, Status};
use crate::program::Ended;

/// How long the outcome waits for the remaining lag: a job that was told to stop must not hang on a
/// broker that does not answer.
const LAG_WITHIN: Duration = Duration::from_secs(10);

/// Drains what is there and ends. The error's kind goes with a failed outcome.
pub async fn run(
    arguments: Arguments,
    stop: CancellationToken,
    listeners: Vec<Arc<dyn QueryListener>>,
) -> Ended<Drained> {
    let starting = start(&arguments, listeners);
    let started = tokio::select! {
        started = starting => started,
        () = stop.cancelled() => return (Outcome::empty(Status::Stopped), None),
    };
    match started {
        Ok(Started::DryRun(outcome)) => (*outcome, None),
        Ok(Started::Query(query)) => drain(&arguments, query, stop).await,
        Err(error) => {
            let error = advised(&arguments, error);
            (Outcome::failed(&error), Some(error.kind()))
        }
    }
}

enum Started {
    DryRun(Box<Outcome<Drained>>),
    Query(StreamingQuery),
}

async fn start(arguments: &Arguments, listeners: Vec<Arc<dyn QueryListener>>) -> Result<Started> {
    let mut builder = Session::builder().app_name(NAME);
    for (key, value) in arguments.settings()? {
        builder = builder.config(key, value);
    }
    let session = builder.create().await?;
    let mut writer = bronze(&session, arguments).await?;
    for listener in listeners {
        writer = writer.listener(listener);
    }
    if arguments.dry_run {
        let plan = writer.dry_run(&arguments.out).await?;
        return Ok(Started::DryRun(Box::new(dry_run::print(&plan)?)));
    }
    Ok(Started::Query(writer.start(&arguments.out).await?))
}

/// The whole pipeline.
async fn bronze(session: &Session, arguments: &Arguments) -> Result<DataStreamWriter> {
    let load_date = match &arguments.load_date {
        Some(date) => date.clone(),
        None => Utc::now().format("%Y-%m-%d").to_string(),
    };
    let records = session
        .read_stream()
        .format("kafka")
        .options(arguments.source_options()?)
        .load()
        .await?;
    let decoding = Decoding::of(arguments)?;
    let value_as = match decoding {
        Some(_) => arguments.value_as,
        None => Some(arguments.value_as.unwrap_or(ValueAs::String)),
    };
    let bronze = columns::bronze(value_as, arguments.include_headers, &load_date)?;
    let writer = match decoding {
        None => {
            let rows = records.select(bronze)?;
            match &arguments.expect {
                None => rows.write_stream(),
                Some(suite) => {
                    let rules = expectations(&Suite::read(suite)?, &rows, None)?;
                    rows.write_stream().expectations(Expectations::new(rules))
                }
            }
        }
        Some(decoding) => decoded(session, arguments, records, decoding, bronze)?,
    };
    Ok(writer
        .query_name(NAME)
        .format("delta")
        .output_mode("append")
        .partition_by(["topic", "load_date"])
        .option("checkpointLocation", &arguments.checkpoint)
        .option("mergeSchema", true)
        .options(arguments.dead_letter_options()?)
        .trigger(Trigger::AvailableNow))
}

/// The rows of records whose values are decoded.
fn decoded(
    session: &Session,
    arguments: &Arguments,
    records: DataFrame,
    decoding: Decoding,
    bronze: Vec<Expr>,
) -> Result<DataStreamWriter> {
    let writer = match decoding.reader() {
        None => decoding.rows(records, None, &bronze)?.write_stream(),
        Some((reader, subject)) => {
            let registry = session.schema_registry();
            registry.map_err(|error| error.context(format!("--subject {subject}")))?;
            let reader = reader.clone();
            let writer = records.write_stream();
            writer.reader_schema(reader, move |records, schema| {
                decoding.rows(records, Some(schema), &bronze)
            })
        }
    };
    let decodable = Decoding::rule(arguments.has_dead_letters());
    let suite = arguments.expect.as_deref().map(Suite::read).transpose()?;
    let rules = move |rows: &DataFrame| {
        let mut rules = vec![decodable.clone()];
        if let Some(suite) = &suite {
            rules.extend(expectations(suite, rows, Some(&col(ERROR)))?);
        }
        Ok(Expectations::new(rules))
    };
    Ok(writer.expectations_of(rules).without_columns([ERROR]))
}

/// What the arguments can do about schemas that do not go together.
fn advised(arguments: &Arguments, error: weir::Error) -> weir::Error {
    match &arguments.subject {
        Some(subject) if error.kind() == ErrorKind::SchemaMismatch => error.context(format!(
            "--subject {subject} (--subject-version N reads with an older version; --on-breaking-schema keep makes of what does not fit \
             that one bad records, null writes null for what is gone)"
        )),
        _ => error,
    }
}

async fn drain(
    arguments: &Arguments,
    query: StreamingQuery,
    stop: CancellationToken,
) -> Ended<Drained> {
    let ended = {
        let ended = query.await_termination();
        tokio::pin!(ended);
        tokio::select! {
            ended = &mut ended => ended,
            () = stop.cancelled() => {
                query.stop();
                ended.await
            }
        }
    };
    let ended = ended.map_err(|error| advised(arguments, error));
    let kind = ended.as_ref().err().map(weir::Error::kind);
    let summary = query.summary();
    let mut outcome = match &ended {
        Ok(()) if query.is_stopped() => Outcome::empty(Status::Stopped),
        Ok(()) if summary.batches_over_max_dlq_rate > 0 => {
            Outcome::empty(Status::TooManyDeadLetters)
        }
        Ok(()) => Outcome::empty(Status::Succeeded),
        Err(error) => Outcome::failed(error),
    };
    outcome.details = Drained::new(query.id().to_string(), summary);
    // What is out of reach now was not just now: a result without these is still a result.
    if ended.is_ok() {
        match tokio::time::timeout(LAG_WITHIN, query.remaining_lag()).await {
            Ok(Ok(lag)) => outcome.details.remaining_lag = Some(lag),
            Ok(Err(error)) => tracing::warn!(%error, "the remaining lag could not be found out"),
            Err(_) => tracing::warn!(
                "the remaining lag could not be found out: no answer within {LAG_WITHIN:?}"
            ),
        }
        if outcome.details.delta_version.is_none() {
            outcome.details.delta_version = query.sink_version().await.unwrap_or_default();
        }
    }
    (outcome, kind)
}
