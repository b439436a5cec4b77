//! Which executors a session knows, and which of them live.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion_distributed::{ChannelResolver as _, GetWorkerInfoRequest, WorkerResolver};
use futures::future::join_all;
use url::Url;
use weir_executor::Channels;
use weir_plan::{Error, ErrorKind, Result};

/// How long an executor may take to say that it lives.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// An executor of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorAddress {
    /// Where it listens.
    pub url: Url,
    /// Its process, if the session started it.
    pub process_id: Option<u32>,
}

/// See the module's documentation.
pub(crate) struct Executors {
    channels: Channels,
    all: Vec<ExecutorAddress>,
    lost: Mutex<BTreeSet<Url>>,
    /// Ends the processes it started when it is dropped.
    _processes: Box<dyn Send + Sync>,
}

impl Executors {
    pub(super) fn new(all: Vec<ExecutorAddress>, processes: impl Send + Sync + 'static) -> Self {
        Self {
            channels: Channels::default(),
            all,
            lost: Mutex::default(),
            _processes: Box::new(processes),
        }
    }

    pub(crate) fn all(&self) -> &[ExecutorAddress] {
        &self.all
    }

    pub(super) fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Those that are not known to be lost.
    pub(super) fn living(&self) -> Vec<Url> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let urls = self.all.iter().map(|executor| &executor.url);
        urls.filter(|url| !lost.contains(url)).cloned().collect()
    }

    /// Asks every executor for a sign of life. Those that do not answer are lost; those that were lost and
    /// answer are back.
    pub(super) async fn look(&self) {
        let asked = self.all.iter().map(|executor| async {
            let answered = tokio::time::timeout(ANSWER_WITHIN, self.ask(&executor.url)).await;
            (&executor.url, matches!(answered, Ok(Ok(()))))
        });
        let answers = join_all(asked).await;
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for (executor, lives) in answers {
            if lives {
                lost.remove(executor);
            } else {
                self.channels.forget(executor);
                lost.insert(executor.clone());
            }
        }
    }

    async fn ask(&self, executor: &Url) -> Result<()> {
        let mut client = self.channels.get_worker_client_for_url(executor).await?;
        client.get_worker_info(GetWorkerInfoRequest {}).await?;
        Ok(())
    }
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executors")
            .field("all", &self.all)
            .finish_non_exhaustive()
    }
}

/// The living, for the planner.
pub(super) struct Living(pub(super) Arc<Executors>);

impl WorkerResolver for Living {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        let living = self.0.living();
        if living.is_empty() {
            return Err(none_left(&self.0.all).into());
        }
        Ok(living)
    }
}

pub(super) fn none_left(all: &[ExecutorAddress]) -> Error {
    let all: Vec<&str> = all.iter().map(|executor| executor.url.as_str()).collect();
    Error::new(
        ErrorKind::Unavailable,
        format!("no executor is left of {}", all.join(", ")),
    )
}
