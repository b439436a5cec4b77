//! `weir executor`: runs the tasks of a driver's queries.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use url::Url;
use weir::executor::{ExecutorOptions, serve_executor};
use weir::program::run_on_threads;

use crate::security::SecurityArguments;

/// Arguments of `weir executor`.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The driver's address.
    #[arg(long, value_name = "URL", env = "WEIR_DRIVER")]
    driver: Url,

    /// Where to listen for sessions and other executors; port 0 is a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where they find it, if that is not where it listens.
    #[arg(long, value_name = "HOST[:PORT]")]
    advertise: Option<String>,

    /// Threads; all of the machine's unless given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    cores: Option<u32>,

    /// Queries that run at once; others wait for their turn.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    slots: u32,

    /// Memory of the process: a size (8GB) or a share of the machine's. Sorts, joins and aggregations take a third of it before they
    /// spill.
    #[arg(long, default_value = "80%")]
    memory: String,

    /// Where it spills; the system's temporary directory unless given.
    #[arg(long)]
    dir: Option<PathBuf>,

    /// Seconds that queries may take to end once it is to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    grace: u64,

    #[command(flatten)]
    security: SecurityArguments,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    let cores = arguments
        .cores
        .unwrap_or_else(|| u32::try_from(available()).unwrap_or(u32::MAX));
    run_on_threads(cores as usize, async move {
        serve_executor(ExecutorOptions {
            driver: arguments.driver,
            listen: arguments.listen,
            advertised: arguments.advertise,
            cores,
            slots: arguments.slots,
            memory: arguments.memory,
            dir: arguments.dir,
            grace: Duration::from_secs(arguments.grace),
            security: arguments.security.open()?,
        })
        .await
    })
}
