//! Connections between the processes of a cluster: kept, and given up when the other side is silent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use url::Url;
use weir_plan::Error;
use weir_rpc::{Connection, Security, connect_lazily};

use crate::plans::PlanWritingChannel;

/// One connection per executor, shared by all queries of a process.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    open: Arc<Mutex<HashMap<Url, Connection>>>,
    security: Security,
}

impl Channels {
    /// None yet; they will show what `security` says.
    #[must_use]
    pub fn new(security: Security) -> Self {
        Self {
            open: Arc::default(),
            security,
        }
    }

    /// The connection to `executor`. It is made at its first request, and again when it was lost.
    ///
    /// # Errors
    /// `InvalidArgument` when `executor` is no `http://` or `https://` URL.
    pub fn channel(&self, executor: &Url) -> Result<Connection, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(executor) {
            return Ok(channel.clone());
        }
        let channel = connect_lazily(executor, &self.security)?;
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
