//! The connection to a driver.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use weir::{Error, ErrorKind, Result};
use weir_driver::status::from_status;
use weir_proto::jobs::job_service_client::JobServiceClient;

use super::DriverAddress;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How often a driver is asked for a sign of life while an answer is awaited, and how long it may take.
const DRIVER_SILENCE: Duration = Duration::from_secs(10);

/// See the module's documentation.
pub(super) struct Client {
    driver: String,
    jobs: JobServiceClient<Channel>,
}

impl Client {
    /// Connects, within 5 s.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no `http://` URL, `Unavailable` when nobody listens there.
    pub(super) async fn connect(address: &DriverAddress) -> Result<Self> {
        let driver = &address.driver;
        let invalid = |what: &str| {
            Error::invalid_argument(format!(
                "--driver is {driver:?}, {what}; write it like http://127.0.0.1:7077"
            ))
        };
        if !driver.starts_with("http://") {
            return Err(invalid("which is no http:// URL"));
        }
        let channel = Endpoint::from_shared(driver.clone())
            .map_err(|error| invalid("which is no URL").with_source(error))?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(DRIVER_SILENCE)
            .keep_alive_timeout(DRIVER_SILENCE)
            .connect()
            .await
            .map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!("no driver answers at {driver}; is `weir driver` running?"),
                )
                .with_source(error)
            })?;
        Ok(Self {
            driver: driver.clone(),
            jobs: JobServiceClient::new(channel),
        })
    }

    pub(super) fn jobs(&mut self) -> &mut JobServiceClient<Channel> {
        &mut self.jobs
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
