//! The driver's server.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use weir_plan::{Error, ErrorKind, Result};

use crate::jobs::{Jobs, job_server};

/// How often a client with a request under way is asked for a sign of life, and how long it may take.
const CLIENT_SILENCE: Duration = Duration::from_secs(10);

/// A driver that listens.
#[derive(Debug)]
pub struct Driver {
    listener: TcpListener,
    address: SocketAddr,
}

impl Driver {
    /// Listens at `address`, which has to be one of the loopback interface: nothing is asked of clients.
    /// Port 0 is a free one.
    ///
    /// # Errors
    /// `InvalidArgument` for another address, `Unavailable` when it cannot listen.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(Error::invalid_argument(format!(
                "the driver does not listen at {address}: it asks clients for no proof of who they are, \
                 so that only addresses of this machine (127.0.0.1:7077) are allowed"
            )));
        }
        let refused = |error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the driver cannot listen at {address}"),
            )
            .with_source(error)
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `jobs` until `stopped`.
    ///
    /// # Errors
    /// `Unavailable` when it can listen no longer.
    pub async fn serve(self, jobs: Jobs, stopped: impl Future<Output = ()>) -> Result<()> {
        let serving = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(CLIENT_SILENCE))
            .http2_keepalive_timeout(Some(CLIENT_SILENCE))
            .add_service(job_server(jobs))
            .serve_with_incoming(TcpListenerStream::new(self.listener));
        tokio::select! {
            served = serving => served.map_err(|error| {
                Error::new(ErrorKind::Unavailable, "the driver's server failed").with_source(error)
            }),
            () = stopped => Ok(()),
        }
    }
}
