//! What makes a `main` a program: runtime, log, allocator, exit codes.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use weir_connectors::ObjectStores;
use weir_connectors::exchange::removals;
use weir_executor::Executor;
use weir_plan::{Error, ErrorKind, Result};
use weir_rpc::Security;

use crate::session::runtime_env;

/// The allocator of Weir's binaries: batches are freed on other threads than the one that made
/// them, which mimalloc does well.
pub type Allocator = mimalloc::MiMalloc;

/// For `#[global_allocator]`.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;

/// The log's filter: targets and levels as in `weir=debug,warn`.
const LOG_VARIABLE: &str = "WEIR_LOG";
/// The library under the Delta tables logs as an error that a table is not there, which is how a new
/// one begins; what it returns is reported by us.
const LOG_DEFAULT: &str =
    "warn,buoyant_kernel=off,weir=info,weir_streaming=info,weir_connectors=info,weir_jobs=info";

/// Set by a session for the processes it starts: the JSON of an [`ExecutorRole`]. A program that finds
/// it is that executor, whatever its arguments.
pub(crate) const ROLE_VARIABLE: &str = "WEIR_EXECUTOR_ROLE";

/// How long a program that has ended waits until what it kept is removed.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);

/// Set by a driver for its jobs: the job's id.
const JOB_VARIABLE: &str = "WEIR_JOB_ID";

/// What an executor of `local-cluster` is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExecutorRole {
    /// Tasks that run at once.
    pub(crate) threads: usize,
    /// Memory of its operators, in bytes.
    pub(crate) memory_bytes: u64,
    /// Where they spill; the system's temporary directory without it.
    pub(crate) local_dir: Option<PathBuf>,
}

/// Runs a program's future on a new runtime, with the log on stderr. An error is printed there and
/// becomes [`exit_code`].
///
/// Where the environment says that this process is an executor of `local-cluster`, it is one instead.
///
/// A job of a driver (`WEIR_JOB_ID`) ends when its stdin does: with its driver, however that ends.
pub fn run(program: impl Future<Output = Result<()>>) -> ExitCode {
    run_to_code(async { program.await.map(|()| ExitCode::SUCCESS) })
}

/// As [`run`], of a program that says how it exits.
pub fn run_to_code(program: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    init_log();
    if let Some(ended) = run_as_executor() {
        return ended;
    }
    run_on(runtime(), async {
        tokio::select! {
            ended = program => ended,
            gone = driver_gone() => Err(gone),
        }
    })
}

/// Where the environment says that this process is an executor of `local-cluster`, it is one until it is
/// no longer needed. For a `main` that is not made by [`run`].
pub fn run_as_executor() -> Option<ExitCode> {
    let role = std::env::var(ROLE_VARIABLE).ok()?;
    let executor = async { executor(&role).await.map(|()| ExitCode::SUCCESS) };
    Some(run_on(executor_runtime(&role), executor))
}

/// Waits until the driver of this job is gone, which is an error; for ever in a process that is not a
/// driver's job. A job that goes on would be in the way of the one that is started in its place. For a
/// `main` that is not made by [`run`].
pub async fn driver_gone() -> Error {
    if std::env::var_os(JOB_VARIABLE).is_none() {
        return std::future::pending().await;
    }
    end_of_stdin().await;
    Error::new(
        ErrorKind::Cancelled,
        "the driver of this job is gone; submit it again",
    )
}

/// As [`run`], on a runtime of `threads` threads.
pub fn run_on_threads(threads: usize, program: impl Future<Output = Result<()>>) -> ExitCode {
    init_log();
    let runtime = build(Builder::new_multi_thread().worker_threads(threads.max(1)));
    run_on(runtime, async { program.await.map(|()| ExitCode::SUCCESS) })
}

fn run_on(runtime: Result<Runtime>, program: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(async {
            let ended = program.await;
            // What its last dataframes kept in an object store goes before it does.
            removals().close();
            if timeout(REMOVED_WITHIN, removals().wait()).await.is_err() {
                tracing::warn!("rows of an exchange are left behind: their store does not answer");
            }
            ended
        });
        // Blocking readers of an abandoned batch must not hold the process.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::from(exit_code(error.kind()))
        }
    }
}

fn role(json: &str) -> Result<ExecutorRole> {
    serde_json::from_str(json).map_err(|error| {
        Error::invalid_argument(format!("{ROLE_VARIABLE} is {json:?}, which is no role"))
            .with_source(error)
    })
}

fn executor_runtime(json: &str) -> Result<Runtime> {
    let threads = role(json)?.threads;
    build(Builder::new_multi_thread().worker_threads(threads.max(1)))
}

/// Serves until its stdin ends, which it does with the process that started it.
async fn executor(json: &str) -> Result<()> {
    let role = role(json)?;
    // Each task brings its session's settings over the environment's.
    let stores = Arc::new(ObjectStores::try_new([])?);
    let environment = runtime_env(role.memory_bytes, role.local_dir.as_deref(), &stores)?;
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let security = Security::from_environment()?;
    let executor = Executor::bind(anywhere, None, environment, security).await?;
    let announcement = serde_json::to_string(&executor.announcement())
        .map_err(|error| Error::internal("an address has no form as JSON").with_source(error))?;
    print_line(announcement)?;
    tokio::select! {
        served = executor.serve(std::future::pending()) => served,
        // Its tasks end with the process: nobody is left to take their rows.
        () = end_of_stdin() => Ok(()),
    }
}

async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    while let Ok(1..) = stdin.read(&mut ignored).await {}
}

/// SIGINT and SIGTERM, from when they are listened for: neither ends the process any longer.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Listens.
    ///
    /// # Errors
    /// `Internal` when the system allows no handler.
    pub fn listen() -> Result<Self> {
        let handler = |kind| {
            signal(kind).map_err(|error| {
                Error::internal("cannot install a signal handler").with_source(error)
            })
        };
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of either.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A multi-threaded runtime with everything enabled.
///
/// # Errors
/// `ResourcesExhausted` when the system gives no threads.
pub fn runtime() -> Result<Runtime> {
    build(&mut Builder::new_multi_thread())
}

fn build(runtime: &mut Builder) -> Result<Runtime> {
    runtime.enable_all().build().map_err(|error| {
        Error::new(ErrorKind::ResourcesExhausted, "cannot start the runtime").with_source(error)
    })
}

/// The log on stderr, filtered by the environment's `WEIR_LOG`. A second call does nothing.
pub fn init_log() {
    let wanted = std::env::var(LOG_VARIABLE).ok();
    let filter = wanted.as_deref().unwrap_or(LOG_DEFAULT).parse::<Targets>();
    let (filter, complaint) = match filter {
        Ok(filter) => (filter, None),
        Err(error) => (
            Targets::new().with_default(tracing::Level::WARN),
            Some(error),
        ),
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    let first = tracing_subscriber::registry()
        .with(layer)
        .with(filter)
        .try_init();
    if let (Ok(()), Some(error)) = (first, complaint) {
        tracing::warn!(
            "{LOG_VARIABLE} is {wanted:?}, which is no filter ({error}); \
             write one like weir=debug,warn"
        );
    }
}

/// Prints a line on stdout; `println!` panics when it cannot.
///
/// # Errors
/// `Storage` when nobody reads it any longer, or the file it goes to cannot take it.
pub fn print_line(line: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot print on stdout").with_source(error)
        })
}

/// Prints a line on stderr, if it can be: there is nowhere else to tell that it cannot.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The process exit code of a failure: 2 usage, 4 data loss, 75 worth retrying (`EX_TEMPFAIL` of
/// sysexits), 1 anything else.
#[must_use]
pub fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidArgument => 2,
        ErrorKind::DataLoss => 4,
        ErrorKind::Unavailable | ErrorKind::Conflict => 75,
        _ => 1,
    }
}
