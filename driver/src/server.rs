//! The driver's server.

use std::future::Future;
use std::net::SocketAddr;

use url::Url;
use weir_plan::Result;
use weir_rpc::{Listener, Security, server};

use crate::cluster::{Cluster, cluster_server};
use crate::jobs::{Jobs, job_server};

/// A driver that listens.
#[derive(Debug)]
pub struct Driver {
    listener: Listener,
    security: Security,
}

impl Driver {
    /// Listens at `address`; port 0 is a free one.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub async fn bind(address: SocketAddr, security: Security) -> Result<Self> {
        let listener = Listener::bind("the driver", address, &security).await?;
        Ok(Self { listener, security })
    }

    /// Where others find it, as [`Listener::url`].
    ///
    /// # Errors
    /// As [`Listener::url`].
    pub fn url(&self, advertised: Option<&str>) -> Result<Url> {
        self.listener.url(advertised, &self.security)
    }

    /// Serves `jobs` and `cluster` until `stopped`.
    ///
    /// # Errors
    /// `Unavailable` when it can listen no longer.
    pub async fn serve(
        self,
        jobs: Jobs,
        cluster: Cluster,
        stopped: impl Future<Output = ()>,
    ) -> Result<()> {
        let services = server(&self.security)?
            .add_service(job_server(jobs))
            .add_service(cluster_server(cluster));
        self.listener.serve("the driver", services, stopped).await
    }
}
