//! The commands that talk to a driver.

mod client;
mod executors;
mod shown;
mod submit;

use clap::{Args, Parser};
use futures::TryStreamExt as _;
use url::Url;
use weir::Result;
use weir_proto::jobs::{FollowJob, JobId, ListJobs};

use crate::output::Output;
use crate::security::SecurityArguments;
use client::Client;
pub(crate) use executors::{Arguments as Executors, executors};
pub(crate) use submit::{Arguments as Submit, submit};

/// Where the driver is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DriverAddress {
    /// The driver's address.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_DRIVER",
        default_value = "http://127.0.0.1:7077"
    )]
    driver: Url,

    #[command(flatten)]
    security: SecurityArguments,
}

/// Arguments of `weir jobs`.
#[derive(Debug, Parser)]
pub(crate) struct Jobs {
    #[command(flatten)]
    address: DriverAddress,

    /// How many, the newest first; 0: all.
    #[arg(long, default_value_t = 50)]
    limit: u32,

    /// How they are shown.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Arguments of commands about one job.
#[derive(Debug, Parser)]
pub(crate) struct OneJob {
    #[command(flatten)]
    address: DriverAddress,

    /// The job's id, as `weir submit` and `weir jobs` show it.
    id: String,

    /// How it is shown.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Arguments of `weir logs`.
#[derive(Debug, Parser)]
pub(crate) struct Logs {
    #[command(flatten)]
    address: DriverAddress,

    /// The job's id.
    id: String,

    /// Go on until the job ends.
    #[arg(long, short)]
    follow: bool,
}

/// `weir jobs`.
pub(crate) async fn jobs(arguments: Jobs) -> Result<()> {
    let mut client = Client::connect(&arguments.address).await?;
    let limit = arguments.limit;
    let listed = client.jobs().list(ListJobs { limit }).await;
    let listed = client.answer(listed)?;
    shown::jobs(&listed.jobs, arguments.output)
}

/// `weir status`.
pub(crate) async fn status(arguments: OneJob) -> Result<()> {
    let mut client = Client::connect(&arguments.address).await?;
    let job = client.jobs().get(JobId { id: arguments.id }).await;
    let job = client.answer(job)?;
    shown::jobs(&[job], arguments.output)
}

/// `weir cancel`.
pub(crate) async fn cancel(arguments: OneJob) -> Result<()> {
    let mut client = Client::connect(&arguments.address).await?;
    let job = client.jobs().cancel(JobId { id: arguments.id }).await;
    let job = client.answer(job)?;
    shown::jobs(&[job], arguments.output)
}

/// `weir logs`.
pub(crate) async fn logs(arguments: Logs) -> Result<()> {
    let mut client = Client::connect(&arguments.address).await?;
    let follow = FollowJob {
        id: arguments.id,
        until_end: arguments.follow,
    };
    let output = client.jobs().follow(follow).await;
    let mut output = client.answer(output)?;
    while let Some(piece) = output
        .try_next()
        .await
        .map_err(|status| client.failed(status))?
    {
        shown::piece_as_it_was(&piece)?;
    }
    Ok(())
}
