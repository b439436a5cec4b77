//! The executor's server.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use url::Url;
use weir_plan::{Error, ErrorKind, Result};

use crate::channels::{Channels, PEER_SILENCE, PEER_SILENCE_CHECK, WINDOW_BYTES};
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
    listener: TcpListener,
    address: SocketAddr,
    runtime: Arc<RuntimeEnv>,
}

impl Executor {
    /// Listens at `address`; port 0 is a free one.
    ///
    /// # Errors
    /// `Unavailable` when it cannot.
    pub async fn bind(address: SocketAddr, runtime: Arc<RuntimeEnv>) -> Result<Self> {
        let refused = |error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("an executor cannot listen at {address}"),
            )
            .with_source(error)
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self {
            listener,
            address,
            runtime,
        })
    }

    /// What it is to tell.
    ///
    /// # Errors
    /// `Internal` when its address has no form as a URL.
    pub fn announcement(&self) -> Result<Announcement> {
        let executor = Url::parse(&format!("http://{}", self.address)).map_err(|error| {
            Error::internal(format!("address {} is no URL", self.address)).with_source(error)
        })?;
        Ok(Announcement {
            executor,
            version: VERSION.to_owned(),
        })
    }

    /// Serves until `stopped`.
    ///
    /// # Errors
    /// `Unavailable` when it can listen no longer.
    pub async fn serve(self, stopped: impl Future<Output = ()>) -> Result<()> {
        let worker = worker(self.runtime, Channels::default());
        Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(PEER_SILENCE_CHECK))
            .http2_keepalive_timeout(Some(PEER_SILENCE))
            .initial_connection_window_size(WINDOW_BYTES)
            .initial_stream_window_size(WINDOW_BYTES)
            .add_service(worker.into_worker_server())
            .serve_with_incoming_shutdown(TcpListenerStream::new(self.listener), stopped)
            .await
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, "the executor's server failed")
                    .with_source(error)
            })
    }
}
