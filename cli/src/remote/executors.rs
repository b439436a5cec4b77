//! `weir executors`.

use weir::Result;
use weir_proto::cluster::ListExecutorsRequest;

use super::client::Client;
use super::{DriverAddress, shown};
use crate::output::Output;

/// Arguments of `weir executors`.
#[derive(Debug, clap::Parser)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: DriverAddress,

    /// How they are shown.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Lists the executors of a driver.
///
/// # Errors
/// `Unavailable` when there is no driver; `PermissionDenied`.
pub(crate) async fn executors(arguments: Arguments) -> Result<()> {
    let client = Client::connect(&arguments.address).await?;
    let listed = client
        .cluster()
        .list_executors(ListExecutorsRequest {})
        .await;
    let listed = client.answer(listed)?;
    shown::executors(&listed, arguments.output)
}
