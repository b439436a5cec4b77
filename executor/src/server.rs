//! The executor's server.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use serde::{Deserialize, Serialize};
use url::Url;
use weir_plan::Result;
use weir_rpc::{Listener, Security, server};

use crate::channels::Channels;
use crate::sweep::sweep;
use crate::worker::{VERSION, worker};

/// What an executor tells whoever started it, as one JSON line on its stdout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Where it listens.
    pub executor: Url,
    /// Its Weir.
    pub version: String,
}

/// An executor that listens.
#[derive(Debug)]
pub struct Executor {
    listener: Listener,
    url: Url,
    runtime: Arc<RuntimeEnv>,
    security: Security,
}

impl Executor {
    /// Listens at `address`; port 0 is a free one. Others find it at `advertised`, or at that address.
    ///
    /// # Errors
    /// As [`Listener::bind`] and [`Listener::url`].
    pub async fn bind(
        address: SocketAddr,
        advertised: Option<&str>,
        runtime: Arc<RuntimeEnv>,
        security: Security,
    ) -> Result<Self> {
        let listener = Listener::bind("an executor", address, &security).await?;
        let url = listener.url(advertised, &security)?;
        Ok(Self {
            listener,
            url,
            runtime,
            security,
        })
    }

    /// Where others find it.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What it is to tell.
    #[must_use]
    pub fn announcement(&self) -> Announcement {
        Announcement {
            executor: self.url.clone(),
            version: VERSION.to_owned(),
        }
    }

    /// Serves until `stopped`.
    ///
    /// # Errors
    /// `Unavailable` when it can listen no longer.
    pub async fn serve(self, stopped: impl Future<Output = ()>) -> Result<()> {
        let worker = worker(self.runtime, Channels::new(self.security.clone()));
        let swept = sweep(worker.clone());
        let services = server(&self.security)?.add_service(worker.into_worker_server());
        let served = self.listener.serve("the executor", services, stopped);
        tokio::select! {
            served = served => served,
            never = swept => match never {},
        }
    }
}
