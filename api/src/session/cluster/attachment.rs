//! A session's connection to a driver: its executors, and the turns of its queries.
//!
//! A driver that is away is looked for again, without end. Meanwhile the executors that were known stay
//! known, queries that run go on, and those that wait for their turn wait for [`AWAY_MAX`] at most.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming};
use tracing::{info, warn};
use url::Url;
use weir_executor::VERSION;
use weir_plan::settings::QUEUE_TIMEOUT;
use weir_plan::{Error, ErrorKind, Result, Settings};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::cluster::{
    Executor, QueryEnded, QueryWaits, SessionHello, SessionMessage, ToSession, session_message,
    to_session,
};
use weir_rpc::{Security, connect, from_status, io};

use super::executors::Executors;

/// The executors of the driver at `HOST:PORT`, and the threads that a query's tasks have on each.
///
/// # Errors
/// As [`Attachment::new`], and for what the environment says of tokens and certificates.
pub(crate) async fn attach(
    driver: &str,
    app_name: &str,
    settings: &Settings,
) -> Result<(usize, Arc<Executors>)> {
    let security = Security::from_environment()?;
    let attachment = Attachment::new(driver, app_name, settings, security.clone()).await?;
    let smallest = attachment
        .executors()
        .borrow()
        .iter()
        .map(|e| e.cores as usize)
        .min();
    let threads = settings.executor_cores()?.or(smallest).unwrap_or(1);
    Ok((threads, Executors::of_driver(attachment, security)))
}

/// How long a new session waits for an executor.
const EXECUTORS_WITHIN: Duration = Duration::from_secs(30);

/// How long the driver may be away before queries that wait for it fail.
const AWAY_MAX: Duration = Duration::from_mins(1);

/// How long it waits before it looks for a driver that is away.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A query's turn; given back when it is dropped.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    query: u64,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({})", self.query)
    }
}

/// See the module's documentation.
pub(super) struct Attachment {
    shared: Arc<Shared>,
    queue_timeout: Duration,
    task: JoinHandle<()>,
}

struct Shared {
    driver: Url,
    security: Security,
    hello: SessionHello,
    executors: watch::Sender<Vec<Executor>>,
    away: watch::Sender<bool>,
    queries: Mutex<Queries>,
}

#[derive(Default)]
struct Queries {
    last: u64,
    /// Those that wait have somebody to be told.
    open: BTreeMap<u64, Option<oneshot::Sender<()>>>,
    /// To the driver, while it is there.
    outgoing: Option<mpsc::UnboundedSender<SessionMessage>>,
}

impl Attachment {
    /// Connects to the driver at `HOST:PORT`, and waits for its executors.
    ///
    /// # Errors
    /// `Unavailable` when the driver does not answer within 5 s or has no fitting executor within 30 s;
    /// what it refuses the session for.
    pub(super) async fn new(
        driver: &str,
        app_name: &str,
        settings: &Settings,
        security: Security,
    ) -> Result<Self> {
        let scheme = match security.connects_by_tls() {
            true => "https",
            false => "http",
        };
        let driver = Url::parse(&format!("{scheme}://{driver}")).map_err(|error| {
            Error::invalid_argument(format!("{driver:?} is no address of a driver"))
                .with_source(error)
        })?;
        let number = |set: Option<usize>| u32::try_from(set.unwrap_or(0)).unwrap_or(u32::MAX);
        let hello = SessionHello {
            version: VERSION.to_owned(),
            app_name: app_name.to_owned(),
            executor_cores: number(settings.executor_cores()?),
            executor_memory_bytes: settings.executor_memory_bytes()?.unwrap_or(0),
            executors: number(settings.executor_instances()?),
            running: Vec::new(),
        };
        let shared = Arc::new(Shared {
            driver,
            security,
            hello,
            executors: watch::Sender::default(),
            away: watch::Sender::new(false),
            queries: Mutex::default(),
        });
        // The first connection is the caller's to wait for, and its failure the caller's to know.
        let answers = shared.attach().await?;
        let task = io::spawn(Arc::clone(&shared).keep(answers))?;
        let attachment = Self {
            shared,
            queue_timeout: settings.queue_timeout()?,
            task,
        };
        attachment.first_executors().await?;
        Ok(attachment)
    }

    async fn first_executors(&self) -> Result<()> {
        let mut executors = self.shared.executors.subscribe();
        let some = executors.wait_for(|executors| !executors.is_empty());
        if let Ok(Ok(_)) = tokio::time::timeout(EXECUTORS_WITHIN, some).await {
            return Ok(());
        }
        let SessionHello {
            executor_cores,
            executor_memory_bytes,
            ..
        } = self.shared.hello;
        let mut wanted = Vec::new();
        if executor_cores > 0 {
            wanted.push(format!("{executor_cores} cores (weir.executor.cores)"));
        }
        if executor_memory_bytes > 0 {
            wanted.push(format!(
                "{executor_memory_bytes} bytes of memory (weir.executor.memory)"
            ));
        }
        let wanted = match wanted.is_empty() {
            true => String::new(),
            false => format!(" with {}", wanted.join(" and ")),
        };
        let driver = &self.shared.driver;
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "the driver at {driver} has had no executor{wanted} for {} s; \
                 start one with `weir executor --driver {driver}`",
                EXECUTORS_WITHIN.as_secs()
            ),
        ))
    }

    /// The executors of the session, as they change.
    pub(super) fn executors(&self) -> watch::Receiver<Vec<Executor>> {
        self.shared.executors.subscribe()
    }

    /// Waits for the turn of a query.
    ///
    /// # Errors
    /// `Unavailable` when the driver is away for a minute, `ResourcesExhausted` after
    /// `weir.driver.queueTimeout`.
    pub(super) async fn turn(&self) -> Result<Turn> {
        let (granted, turn) = self.shared.ask();
        let mut away = self.shared.away.subscribe();
        let driver = &self.shared.driver;
        let lost = async {
            loop {
                // Its sender lives as long as the session.
                let _ = away.wait_for(|away| *away).await;
                let back = away.wait_for(|away| !*away);
                if tokio::time::timeout(AWAY_MAX, back).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            _ = granted => Ok(turn),
            () = lost => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the driver at {driver} has been away for {} s, and queries wait for it to give them \
                     their turn",
                    AWAY_MAX.as_secs()
                ),
            )),
            () = tokio::time::sleep(self.queue_timeout) => Err(Error::new(
                ErrorKind::ResourcesExhausted,
                format!(
                    "the query has waited for its turn for {:?} ({}); others hold the executors",
                    self.queue_timeout, QUEUE_TIMEOUT.key
                ),
            )),
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queries = self.shared.queries();
        queries.open.remove(&self.query);
        let query = self.query;
        queries.say(session_message::Message::Ended(QueryEnded { query }));
    }
}

impl Queries {
    fn say(&self, message: session_message::Message) {
        let Some(outgoing) = &self.outgoing else {
            return;
        };
        // A connection that has ended is noticed by who reads from it.
        let _ = outgoing.send(SessionMessage {
            message: Some(message),
        });
    }
}

impl Shared {
    fn queries(&self) -> MutexGuard<'_, Queries> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>) -> (impl Future<Output = ()> + use<>, Turn) {
        let (grant, granted) = oneshot::channel();
        let mut queries = self.queries();
        queries.last += 1;
        let query = queries.last;
        queries.open.insert(query, Some(grant));
        queries.say(session_message::Message::Waits(QueryWaits { query }));
        let shared = Arc::clone(self);
        let granted = async {
            // Its sender is dropped with the turn only.
            let _ = granted.await;
        };
        (granted, Turn { shared, query })
    }

    /// Connects; says what runs and what waits.
    async fn attach(&self) -> Result<Streaming<ToSession>> {
        let connection = connect("driver", &self.driver, &self.security).await?;
        let mut client = ClusterServiceClient::new(connection);
        let (outgoing, says) = mpsc::unbounded_channel();
        {
            let mut queries = self.queries();
            queries.outgoing = Some(outgoing);
            let running = queries.open.iter().filter(|(_, waits)| waits.is_none());
            let hello = SessionHello {
                running: running.map(|(query, _)| *query).collect(),
                ..self.hello.clone()
            };
            queries.say(session_message::Message::Hello(hello));
            let waiting = queries.open.iter().filter(|(_, waits)| waits.is_some());
            for (query, _) in waiting {
                let query = *query;
                queries.say(session_message::Message::Waits(QueryWaits { query }));
            }
        }
        let answers = client.attach(UnboundedReceiverStream::new(says)).await;
        Ok(answers.map_err(|status| self.failed(status))?.into_inner())
    }

    fn failed(&self, status: Status) -> Error {
        from_status(&format!("the driver at {}", self.driver), status)
    }

    /// Takes what the driver says, and connects again where it stops.
    async fn keep(self: Arc<Self>, mut answers: Streaming<ToSession>) {
        loop {
            let ended = loop {
                match answers.message().await {
                    Ok(Some(answer)) => self.take(answer),
                    Ok(None) => break Status::unavailable("it ended the connection"),
                    Err(status) => break status,
                }
            };
            let error = self.failed(ended);
            warn!(%error, "queries that run go on; looking for the driver");
            self.queries().outgoing = None;
            self.away.send_replace(true);
            answers = loop {
                tokio::time::sleep(AGAIN_AFTER).await;
                match self.attach().await {
                    Ok(answers) => break answers,
                    // Said when it was lost; what it is refused for now is what `turn` will not get.
                    Err(_) => self.queries().outgoing = None,
                }
            };
            info!("the driver at {} is back", self.driver);
            self.away.send_replace(false);
        }
    }

    fn take(&self, answer: ToSession) {
        match answer.message {
            // A driver that was away has none until they have found it again.
            Some(to_session::Message::Executors(told)) if !told.executors.is_empty() => {
                self.executors.send_replace(told.executors);
            }
            Some(to_session::Message::Granted(granted)) => {
                let mut queries = self.queries();
                if let Some(waits) = queries.open.get_mut(&granted.query)
                    && let Some(waits) = waits.take()
                {
                    // One that has given up has dropped its turn, or is about to.
                    let _ = waits.send(());
                }
            }
            Some(to_session::Message::Executors(_)) | None => {}
        }
    }
}
