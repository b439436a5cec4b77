//! What every job's `main` does: parse, run until done, stopped or out of time, print the outcome.

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio_util::sync::CancellationToken;
use weir::program::{StopSignals, complain, driver_gone, run_as_executor};
use weir::{Error, ErrorKind, Result};

use crate::outcome::{Details, Outcome, Status};

/// How long a batch that is being committed may take to finish after a stop was asked for: the outcome
/// must be out before the SIGKILL that Kubernetes sends 30 s after SIGTERM.
const GRACE: Duration = Duration::from_secs(20);

/// Why a job was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGTERM or SIGINT.
    Signal,
    /// `--max-runtime`.
    Deadline,
}

impl StopReason {
    fn status(self) -> Status {
        match self {
            Self::Signal => Status::Stopped,
            Self::Deadline => Status::TimedOut,
        }
    }
}

/// How a job ended, with the error's kind if it failed.
pub type Ended<D> = (Outcome<D>, Option<ErrorKind>);

/// Runs `work` that a stop may drop at any moment: it leaves nothing behind but orphan files.
pub async fn unless_stopped<D: Details>(
    stop: CancellationToken,
    work: impl Future<Output = Result<D>>,
) -> Ended<D> {
    tokio::select! {
        done = work => match done {
            Ok(details) => (Outcome::new(Status::Succeeded, details), None),
            Err(error) => (Outcome::failed(&error), Some(error.kind())),
        },
        () = stop.cancelled() => (Outcome::empty(Status::Stopped), None),
    }
}

/// Parses `arguments` as `A` and runs `job` with them: see the module's documentation. A usage error
/// prints an outcome like any other failure.
pub fn main<A, D, F>(
    arguments: impl IntoIterator<Item = OsString>,
    max_runtime: impl Fn(&A) -> Option<Duration>,
    job: impl FnOnce(A, CancellationToken) -> F,
) -> ExitCode
where
    A: Parser,
    D: Details,
    F: Future<Output = Ended<D>>,
{
    let begun = Instant::now();
    weir::program::init_log();
    if let Some(ended) = run_as_executor() {
        return ended;
    }
    let finish = |outcome: Outcome<D>, kind| outcome.print(begun.elapsed()).exit_code(kind);
    let arguments = match A::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) if !usage.use_stderr() => {
            // --help and --version.
            return match usage.print() {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Err(usage) => {
            complain(&usage);
            let error = Error::invalid_argument(usage.to_string().trim().to_owned());
            return finish(Outcome::failed(&error), Some(error.kind()));
        }
    };
    let runtime = match weir::program::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return finish(Outcome::failed(&error), Some(error.kind())),
    };
    let stop = CancellationToken::new();
    let deadline = max_runtime(&arguments);
    let (outcome, kind) = runtime.block_on(async {
        let stopped = stop_reason(deadline);
        let work = job(arguments, stop.clone());
        tokio::pin!(stopped, work);
        tokio::select! {
            done = &mut work => done,
            gone = driver_gone() => (Outcome::failed(&gone), Some(gone.kind())),
            reason = &mut stopped => match reason {
                Ok(reason) => wind_down(&stop, reason, work).await,
                Err(error) => (Outcome::failed(&error), Some(error.kind())),
            },
        }
    });
    // Blocking readers of an abandoned batch must not hold the process.
    runtime.shutdown_background();
    if let Some(failure) = &outcome.error {
        complain(format_args!("error: {}", failure.message));
    }
    finish(outcome, kind)
}

/// Gives the job time to finish or abandon its batch.
async fn wind_down<D, F>(stop: &CancellationToken, reason: StopReason, work: F) -> Ended<D>
where
    D: Details,
    F: Future<Output = Ended<D>>,
{
    tracing::info!(?reason, "stopping");
    stop.cancel();
    match tokio::time::timeout(GRACE, work).await {
        // It ended by itself, or failed, at the same moment: that counts.
        Ok((outcome, kind)) if outcome.status == Status::Failed => (outcome, kind),
        Ok((mut outcome, _)) => {
            if outcome.status == Status::Stopped {
                outcome.status = reason.status();
            }
            (outcome, None)
        }
        Err(_) => (Outcome::empty(reason.status()), None),
    }
}

async fn stop_reason(deadline: Option<Duration>) -> Result<StopReason> {
    let mut signals = StopSignals::listen()?;
    let deadline = async {
        match deadline {
            Some(deadline) => tokio::time::sleep(deadline).await,
            None => std::future::pending().await,
        }
    };
    Ok(tokio::select! {
        () = signals.next() => StopReason::Signal,
        () = deadline => StopReason::Deadline,
    })
}
