//! Jobs and their output on the terminal.

use chrono::{DateTime, Utc};
use serde_json::json;
use weir::program::print_line;
use weir::{Error, ErrorKind, Result};
use weir_proto::cluster::ExecutorList;
use weir_proto::jobs::{Job, JobOutput, JobState, OutputStream};

use crate::output::{Output, table};

/// Prints jobs, one per line.
pub(super) fn jobs(jobs: &[Job], output: Output) -> Result<()> {
    if output == Output::Json {
        return jobs.iter().try_for_each(|job| print_line(as_json(job)));
    }
    let heading = [
        "ID",
        "NAME",
        "STATE",
        "SUBMITTED",
        "SECONDS",
        "TRIES",
        "EXIT",
        "REASON",
    ];
    table(heading, jobs.iter().map(row))
}

/// Prints a driver's executors, one per line.
pub(super) fn executors(listed: &ExecutorList, output: Output) -> Result<()> {
    if output == Output::Json {
        return listed.executors.iter().try_for_each(|executor| {
            print_line(json!({
                "url": executor.url,
                "cores": executor.cores,
                "slots": executor.slots,
                "queries": executor.queries,
                "memory_bytes": executor.memory_bytes,
                "leaving": executor.leaving,
            }))
        });
    }
    let rows = listed.executors.iter().map(|executor| {
        [
            executor.url.clone(),
            executor.cores.to_string(),
            format!("{}/{}", executor.queries, executor.slots),
            format!("{} MB", executor.memory_bytes >> 20),
            match executor.leaving {
                true => "leaving".to_owned(),
                false => "there".to_owned(),
            },
        ]
    });
    table(["URL", "CORES", "QUERIES", "MEMORY", "STATE"], rows)
}

fn row(job: &Job) -> [String; 8] {
    let spec = job.spec.clone().unwrap_or_default();
    [
        job.id.clone(),
        spec.name,
        state(job).to_owned(),
        time(job.submitted_ms).unwrap_or_default(),
        seconds(job).map_or_else(String::new, |seconds| format!("{seconds:.1}")),
        job.tries.to_string(),
        job.exit_code
            .map_or_else(String::new, |code| code.to_string()),
        job.reason.clone(),
    ]
}

fn as_json(job: &Job) -> serde_json::Value {
    let spec = job.spec.clone().unwrap_or_default();
    let result: Option<serde_json::Value> = serde_json::from_str(&job.result).ok();
    json!({
        "id": job.id,
        "name": spec.name,
        "state": state(job),
        "arguments": spec.arguments,
        "supervise": spec.supervise,
        "submitted": time(job.submitted_ms),
        "started": time(job.started_ms),
        "ended": time(job.ended_ms),
        "tries": job.tries,
        "exit_code": job.exit_code,
        "reason": job.reason,
        "result": result,
    })
}

/// A state's name, as users see it.
pub(super) fn state(job: &Job) -> &'static str {
    match job.state() {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::TimedOut => "timed_out",
        JobState::Lost => "lost",
        JobState::Unspecified => "unknown",
    }
}

fn time(milliseconds: u64) -> Option<String> {
    let milliseconds = i64::try_from(milliseconds).ok().filter(|ms| *ms > 0)?;
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(milliseconds)?;
    Some(time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn seconds(job: &Job) -> Option<f64> {
    let ended = match job.ended_ms {
        0 => u64::try_from(Utc::now().timestamp_millis()).ok()?,
        ended => ended,
    };
    let took = ended
        .checked_sub(job.started_ms)
        .filter(|_| job.started_ms > 0)?;
    Some(took as f64 / 1000.0)
}

/// Writes a piece of a job's output to the stream it came from.
pub(super) fn piece_as_it_was(piece: &JobOutput) -> Result<()> {
    match piece.stream() {
        OutputStream::Stdout => written(std::io::stdout().lock(), &piece.data),
        OutputStream::Stderr => written(std::io::stderr().lock(), &piece.data),
    }
}

/// Writes a piece of a job's output to stderr.
pub(super) fn piece_on_stderr(piece: &JobOutput) -> Result<()> {
    written(std::io::stderr().lock(), &piece.data)
}

fn written(mut out: impl std::io::Write, data: &[u8]) -> Result<()> {
    let written = out.write_all(data).and_then(|()| out.flush());
    written.map_err(|error| {
        Error::new(ErrorKind::Storage, "a job's output cannot be printed").with_source(error)
    })
}
