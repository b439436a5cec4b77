//! Runs the jobs as their command lines would, and keeps what each took.

use std::time::Instant;

use clap::Parser;
use tokio_util::sync::CancellationToken;
use weir::program::print_line;
use weir::{Error, ErrorKind, Result};
use weir_jobs::outcome::{Details, Status};
use weir_jobs::program::Ended;

/// The steps so far, for the table at the end.
#[derive(Debug, Default)]
pub(super) struct Steps {
    lines: Vec<(String, u64, f64)>,
}

impl Steps {
    /// Does one step that says how many rows it had, and prints how long it took.
    pub(super) async fn step<T>(
        &mut self,
        name: &str,
        rows: impl FnOnce(&T) -> u64,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let begun = Instant::now();
        let done = work.await?;
        let took = begun.elapsed().as_secs_f64();
        let rows = rows(&done);
        print_line(format_args!("{name:<40} {rows:>8} rows {took:>7.2} s"))?;
        self.lines.push((name.to_owned(), rows, took));
        Ok(done)
    }

    /// The steps as a Markdown table, with their sum.
    pub(super) fn print(&self) -> Result<()> {
        print_line("\n| step | rows | seconds | rows/s |\n|---|---:|---:|---:|")?;
        for (name, rows, took) in &self.lines {
            let rate = *rows as f64 / took.max(1e-3);
            print_line(format_args!("| {name} | {rows} | {took:.2} | {rate:.0} |"))?;
        }
        let sum: f64 = self.lines.iter().map(|(_, _, took)| took).sum();
        print_line(format_args!("| all | | {sum:.2} | |"))
    }
}

/// Runs `job` with the arguments of its command line.
///
/// # Errors
/// What the job reports; a check of severity `error` that fails is one.
pub(super) async fn run_job<A, D, F>(
    arguments: &[&str],
    job: impl FnOnce(A, CancellationToken) -> F,
) -> Result<D>
where
    A: Parser,
    D: Details,
    F: Future<Output = Ended<D>>,
{
    let command_line = [D::JOB].into_iter().chain(arguments.iter().copied());
    let arguments = A::try_parse_from(command_line)
        .map_err(|error| Error::internal(format!("{}: {error}", D::JOB)))?;
    let (outcome, kind) = job(arguments, CancellationToken::new()).await;
    match (outcome.status, outcome.error) {
        (Status::Succeeded, None) => Ok(outcome.details),
        (status, error) => Err(Error::new(
            kind.unwrap_or(ErrorKind::Internal),
            match error {
                Some(error) => format!("{}: {}", D::JOB, error.message),
                None => format!("{} ended as {status:?}", D::JOB),
            },
        )),
    }
}
