//! An executor's place in a cluster.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{once, select};
use tokio_stream::wrappers::IntervalStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{info, warn};
use url::Url;
use weir_plan::{ErrorKind, Result};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::cluster::{
    ExecutorHello, ExecutorMessage, Heartbeat, Leave, executor_message, to_executor,
};
use weir_rpc::{HEARTBEAT, Security, connect, from_status};

use crate::worker::VERSION;

/// How long it waits before it looks for a driver that is away.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What an executor says of itself to a driver.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The driver.
    pub driver: Url,
    /// Where sessions and other executors find it.
    pub executor: Url,
    /// Threads of its tasks.
    pub cores: u32,
    /// Queries that run on it at once.
    pub slots: u32,
    /// Memory of its operators, in bytes.
    pub memory_bytes: u64,
}

/// Belongs to the driver's cluster until `leave` is cancelled and no query runs here any longer. A driver
/// that is away is looked for again, without end: queries that run do not need it.
///
/// # Errors
/// What the driver refuses it for (another version, no token), and `InvalidArgument` for an address that
/// cannot be one.
pub async fn belong(
    membership: Membership,
    security: Security,
    leave: CancellationToken,
) -> Result<()> {
    let id = uuid::Uuid::new_v4().to_string();
    let mut known = true;
    loop {
        let again = match belong_once(&id, &membership, &security, &leave).await {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Unavailable => error,
            Err(refused) => return Err(refused),
        };
        if leave.is_cancelled() {
            // Nobody is left to say when it may go.
            return Ok(());
        }
        if std::mem::replace(&mut known, false) {
            warn!(error = %again, "looking for the driver at {}", membership.driver);
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN_AFTER) => {}
            () = leave.cancelled() => {}
        }
    }
}

async fn belong_once(
    id: &str,
    membership: &Membership,
    security: &Security,
    leave: &CancellationToken,
) -> Result<()> {
    let driver = &membership.driver;
    let place = format!("the driver at {driver}");
    let connection = connect("driver", driver, security).await?;
    let hello = ExecutorHello {
        version: VERSION.to_owned(),
        url: membership.executor.to_string(),
        cores: membership.cores,
        slots: membership.slots,
        memory_bytes: membership.memory_bytes,
        id: id.to_owned(),
    };
    let failed = |status: Status| from_status(&place, status);
    let beats = IntervalStream::new(tokio::time::interval(HEARTBEAT));
    let beats = beats.map(|_| message(executor_message::Message::Heartbeat(Heartbeat {})));
    let leaving = leave.clone();
    let leaves = once(async move {
        leaving.cancelled().await;
        message(executor_message::Message::Leave(Leave {}))
    });
    let hello = once(async { message(executor_message::Message::Hello(hello)) });
    let says = hello.chain(select(beats, leaves));
    let mut client = ClusterServiceClient::new(connection);
    let mut answers = client.register(says).await.map_err(failed)?.into_inner();
    loop {
        let answer = answers.message().await.map_err(failed)?;
        let Some(answer) = answer else {
            return Err(failed(Status::unavailable("it ended the connection")));
        };
        match answer.message {
            Some(to_executor::Message::Registered(_)) => {
                info!("registered with {place} as {}", membership.executor);
            }
            Some(to_executor::Message::Released(_)) => return Ok(()),
            None => {}
        }
    }
}

fn message(message: executor_message::Message) -> ExecutorMessage {
    ExecutorMessage {
        message: Some(message),
    }
}
