//! `weir driver`: runs submitted jobs.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use weir::program::{StopSignals, print_line};
use weir::{Error, ErrorKind, Master, Result};
use weir_driver::cluster::Cluster;
use weir_driver::jobs::{JobSettings, Jobs};
use weir_driver::server::Driver;

use crate::security::SecurityArguments;

/// Arguments of `weir driver`.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Where to listen: an address of this machine, or any with a token or mutual TLS.
    #[arg(long, default_value = "127.0.0.1:7077")]
    listen: SocketAddr,

    /// Where programs, outputs and the history of jobs are kept.
    #[arg(long, value_name = "DIR", default_value = "weir-driver")]
    dir: PathBuf,

    /// Jobs that run at once; others wait.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    max_jobs: u32,

    /// Where jobs find it, if that is not where it listens: a name that its certificate has.
    #[arg(long, value_name = "HOST[:PORT]")]
    advertise: Option<String>,

    /// What jobs run on, unless they say otherwise [default: this driver's executors].
    #[arg(long, value_name = "MASTER")]
    job_master: Option<Master>,

    /// Seconds a job may take to end after it was asked to.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,

    #[command(flatten)]
    security: SecurityArguments,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// `InvalidArgument` for an address of another machine, `Storage`, `Unavailable`.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let security = arguments.security.open()?;
    let driver = Driver::bind(arguments.listen, security.clone()).await?;
    let url = driver.url(arguments.advertise.as_deref())?;
    let own_master = || Master::Cluster {
        driver: url.authority().to_owned(),
    };
    let master = arguments.job_master.clone().unwrap_or_else(own_master);
    let storage = |error| {
        let place = arguments.dir.display();
        Error::new(ErrorKind::Storage, format!("making {place}")).with_source(error)
    };
    // What jobs are given may be secret.
    let mut private = DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(&arguments.dir).map_err(storage)?;
    let directory = arguments.dir.canonicalize().map_err(storage)?;
    let jobs = Jobs::open(JobSettings {
        directory: directory.clone(),
        running_max: arguments.max_jobs as usize,
        master: master.to_string(),
        security,
        grace: Duration::from_secs(arguments.grace),
    })
    .await?;
    let mut signals = StopSignals::listen()?;
    print_line(format_args!(
        "weir driver {} listens at {}; its files are in {}",
        env!("CARGO_PKG_VERSION"),
        url.as_str().trim_end_matches('/'),
        directory.display()
    ))?;
    driver.serve(jobs, Cluster::default(), signals.next()).await
}
