//! Which executors a session knows, and which of them live.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion_distributed::{ChannelResolver as _, GetWorkerInfoRequest, WorkerResolver};
use futures::future::join_all;
use tokio::task::JoinHandle;
use url::Url;
use weir_executor::Channels;
use weir_plan::{Error, ErrorKind, Result};
use weir_proto::cluster::Executor;
use weir_rpc::Security;

use super::attachment::{Attachment, Turn};

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
    known: Mutex<Known>,
    source: Source,
}

#[derive(Default)]
struct Known {
    all: Vec<ExecutorAddress>,
    lost: BTreeSet<Url>,
}

/// Where they come from.
enum Source {
    /// Processes of the session's own, which end when this is dropped.
    Own { _processes: Box<dyn Send + Sync> },
    /// A driver, and the task that follows what it says.
    Driver {
        attachment: Attachment,
        following: JoinHandle<()>,
    },
}

impl Executors {
    /// Those that the session has started.
    pub(super) fn own(
        all: Vec<ExecutorAddress>,
        security: Security,
        processes: impl Send + Sync + 'static,
    ) -> Self {
        let lost = BTreeSet::new();
        Self {
            channels: Channels::new(security),
            known: Mutex::new(Known { all, lost }),
            source: Source::Own {
                _processes: Box::new(processes),
            },
        }
    }

    /// Those that a driver has, as they come and go; with the threads that each has.
    pub(super) fn of_driver(attachment: Attachment, security: Security) -> Arc<Self> {
        let mut executors = attachment.executors();
        Arc::new_cyclic(|this: &Weak<Self>| {
            let this = Weak::clone(this);
            let known = Known::default().with(&executors.borrow_and_update());
            let following = tokio::spawn(async move {
                while executors.changed().await.is_ok() {
                    let Some(this) = this.upgrade() else {
                        return;
                    };
                    let told = executors.borrow_and_update();
                    let mut known = this.known();
                    *known = std::mem::take(&mut *known).with(&told);
                }
            });
            Self {
                channels: Channels::new(security),
                known: Mutex::new(known),
                source: Source::Driver {
                    attachment,
                    following,
                },
            }
        })
    }

    pub(crate) fn all(&self) -> Vec<ExecutorAddress> {
        self.known().all.clone()
    }

    pub(super) fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Those that are not known to be lost.
    pub(super) fn living(&self) -> Vec<Url> {
        let known = self.known();
        let urls = known.all.iter().map(|executor| &executor.url);
        urls.filter(|url| !known.lost.contains(url))
            .cloned()
            .collect()
    }

    /// Waits until it is the turn of a query, where a driver says whose turn it is.
    ///
    /// # Errors
    /// As [`Attachment::turn`].
    pub(crate) async fn turn(&self) -> Result<Option<Turn>> {
        match &self.source {
            Source::Own { .. } => Ok(None),
            Source::Driver { attachment, .. } => attachment.turn().await.map(Some),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every executor for a sign of life. Those that do not answer are lost; those that were lost and
    /// answer are back.
    pub(super) async fn look(&self) {
        let all = self.all();
        let asked = all.iter().map(|executor| async {
            let answered = tokio::time::timeout(ANSWER_WITHIN, self.ask(&executor.url)).await;
            (&executor.url, matches!(answered, Ok(Ok(()))))
        });
        let answers = join_all(asked).await;
        let mut known = self.known();
        for (executor, lives) in answers {
            if lives {
                known.lost.remove(executor);
            } else {
                self.channels.forget(executor);
                known.lost.insert(executor.clone());
            }
        }
    }

    async fn ask(&self, executor: &Url) -> Result<()> {
        let mut client = self.channels.get_worker_client_for_url(executor).await?;
        client.get_worker_info(GetWorkerInfoRequest {}).await?;
        Ok(())
    }
}

impl Known {
    /// After a driver has told its executors: one that it has anew is not lost.
    fn with(self, told: &[Executor]) -> Self {
        let addresses = told.iter().filter_map(|executor| {
            // The driver's executors are where they say they are; what is no URL cannot be reached.
            let url = Url::parse(&executor.url).ok()?;
            Some(ExecutorAddress {
                url,
                process_id: None,
            })
        });
        let all: Vec<ExecutorAddress> = addresses.collect();
        let mut lost = self.lost;
        lost.retain(|url| {
            let had = self.all.iter().any(|executor| executor.url == *url);
            had && all.iter().any(|executor| executor.url == *url)
        });
        Self { all, lost }
    }
}

impl Drop for Executors {
    fn drop(&mut self) {
        if let Source::Driver { following, .. } = &self.source {
            following.abort();
        }
    }
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executors")
            .field("all", &self.all())
            .finish_non_exhaustive()
    }
}

/// The living, for the planner.
pub(super) struct Living(pub(super) Arc<Executors>);

impl WorkerResolver for Living {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        let living = self.0.living();
        if living.is_empty() {
            return Err(none_left(&self.0.all()).into());
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
