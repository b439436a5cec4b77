//! What makes a `main` a program: runtime, log, allocator, exit codes.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use weir_plan::{Error, ErrorKind, Result};

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

/// Runs a program's future on a new runtime, with the log on stderr. An error is printed there and
/// becomes [`exit_code`].
pub fn run(program: impl Future<Output = Result<()>>) -> ExitCode {
    init_log();
    let ended = runtime().and_then(|runtime| {
        let ended = runtime.block_on(program);
        // Blocking readers of an abandoned batch must not hold the process.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::from(exit_code(error.kind()))
        }
    }
}

/// A multi-threaded runtime with everything enabled.
///
/// # Errors
/// `ResourcesExhausted` when the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
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
