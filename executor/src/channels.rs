//! Connections between the processes of a cluster: kept, and given up when the other side is silent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use tonic::transport::{Channel, Endpoint};
use url::Url;
use weir_plan::Error;

use crate::plans::PlanWritingChannel;

/// How often a connection with a request under way is asked for a sign of life.
pub const PEER_SILENCE_CHECK: Duration = Duration::from_secs(2);

/// How long the answer may take before the connection, and every request on it, fails.
pub const PEER_SILENCE: Duration = Duration::from_secs(6);

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Bytes in flight on one connection, and on one stream of it: what keeps a fast network busy.
pub(crate) const WINDOW_BYTES: u32 = 4 << 20;

/// One connection per executor, shared by all queries of a process.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    open: Arc<Mutex<HashMap<Url, Channel>>>,
}

impl Channels {
    /// The connection to `executor`. It is made at its first request, and again when it was lost.
    ///
    /// # Errors
    /// `InvalidArgument` when `executor` is no `http://` URL.
    pub fn channel(&self, executor: &Url) -> Result<Channel, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(executor) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(executor.to_string()).map_err(|error| {
            Error::invalid_argument(format!("executor {executor} cannot be connected to"))
                .with_source(error)
        })?;
        let channel = endpoint
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PEER_SILENCE_CHECK)
            .keep_alive_timeout(PEER_SILENCE)
            .initial_connection_window_size(WINDOW_BYTES)
            .initial_stream_window_size(WINDOW_BYTES)
            .connect_lazy();
        open.insert(executor.clone(), channel.clone());
        Ok(channel)
    }

    /// Forgets the connection to an executor that is gone.
    pub fn forget(&self, executor: &Url) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(executor);
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(
        &self,
        url: &Url,
    ) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        let channel = self
            .channel(url)
            .map_err(|error| error.context("a task's plan"))?;
        let client = create_worker_client(BoxCloneSyncChannel::new(channel));
        Ok(Box::new(PlanWritingChannel(client)))
    }
}
