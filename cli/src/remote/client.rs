//! The connection to a driver.

use tonic::{Response, Status};
use weir::{Error, Result};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::jobs::job_service_client::JobServiceClient;
use weir_rpc::{Connection, connect, from_status};

use super::DriverAddress;

/// See the module's documentation.
pub(super) struct Client {
    driver: String,
    connection: Connection,
    jobs: JobServiceClient<Connection>,
}

impl Client {
    /// Connects, within 5 s.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no `http://` or `https://` URL, `Unavailable` when nobody listens there.
    pub(super) async fn connect(address: &DriverAddress) -> Result<Self> {
        let security = address.security.open()?;
        let connection = connect("driver", &address.driver, &security)
            .await
            .map_err(|error| error.context("--driver"))?;
        Ok(Self {
            driver: address.driver.to_string(),
            jobs: JobServiceClient::new(connection.clone()),
            connection,
        })
    }

    pub(super) fn jobs(&mut self) -> &mut JobServiceClient<Connection> {
        &mut self.jobs
    }

    pub(super) fn cluster(&self) -> ClusterServiceClient<Connection> {
        ClusterServiceClient::new(self.connection.clone())
    }

    /// The answer, or the driver's error.
    pub(super) fn answer<T>(&self, answer: std::result::Result<Response<T>, Status>) -> Result<T> {
        let answer = answer.map_err(|status| self.failed(status))?;
        Ok(answer.into_inner())
    }

    /// The error of a call, or of a stream's end.
    pub(super) fn failed(&self, status: Status) -> Error {
        from_status(&format!("the driver at {}", self.driver), status)
    }
}
