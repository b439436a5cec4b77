//! The cluster service on the wire.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{info, warn};
use weir_plan::{Error, ErrorKind, Result};
use weir_proto::cluster::cluster_service_server::{ClusterService, ClusterServiceServer};
use weir_proto::cluster::{
    Executor, ExecutorHello, ExecutorList, ExecutorMessage, ListExecutorsRequest, QueryGranted,
    Registered, Released, SessionExecutors, SessionHello, SessionMessage, ToExecutor, ToSession,
    executor_message, session_message, to_executor, to_session,
};
use weir_rpc::{PEER_SILENCE, to_status};

use super::book::{Book, Needs, SessionId, Told};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The executors and sessions of a driver. Cheap to clone.
#[derive(Clone, Default)]
pub struct Cluster {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    book: Book,
    executors: HashMap<String, mpsc::UnboundedSender<ToExecutor>>,
    sessions: HashMap<SessionId, mpsc::UnboundedSender<ToSession>>,
}

/// The gRPC service of `cluster`.
#[must_use]
pub fn cluster_server(cluster: Cluster) -> ClusterServiceServer<impl ClusterService> {
    ClusterServiceServer::new(cluster)
}

impl Cluster {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an executor in, and keeps it while it sends.
    fn register(
        &self,
        hello: ExecutorHello,
        mut messages: Streaming<ExecutorMessage>,
    ) -> mpsc::UnboundedReceiver<ToExecutor> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let ExecutorHello { id, url, .. } = hello.clone();
        info!(
            "executor {url} is there: {} cores, {} slots",
            hello.cores, hello.slots
        );
        {
            let mut state = self.state();
            // Before anything else it is told.
            tell_executor(&sender, to_executor::Message::Registered(Registered {}));
            state.executors.insert(id.clone(), sender.clone());
            let executor = Executor {
                id: hello.id,
                url: hello.url,
                cores: hello.cores,
                slots: hello.slots,
                memory_bytes: hello.memory_bytes,
                queries: 0,
                leaving: false,
            };
            let told = state.book.join(executor);
            state.tell(told);
        }
        let cluster = self.clone();
        tokio::spawn(async move {
            let ended = loop {
                match timeout(PEER_SILENCE, messages.message()).await {
                    Ok(Ok(Some(ExecutorMessage {
                        message: Some(executor_message::Message::Leave(_)),
                    }))) => {
                        let mut state = cluster.state();
                        let told = state.book.leave(&id);
                        state.tell(told);
                    }
                    Ok(Ok(Some(_))) => {}
                    Ok(Ok(None)) => break "it left".to_owned(),
                    Ok(Err(status)) => break format!("its connection ended: {}", status.message()),
                    Err(_) => break format!("it was silent for {PEER_SILENCE:?}"),
                }
            };
            info!("executor {url} is gone: {ended}");
            let mut state = cluster.state();
            // It may have connected again before this connection was known to be lost.
            let current = state.executors.get(&id);
            if current.is_some_and(|current| current.same_channel(&sender)) {
                state.executors.remove(&id);
                let told = state.book.lost(&id);
                state.tell(told);
            }
        });
        receiver
    }

    /// Takes a session in, and keeps it while it is connected.
    fn attach(
        &self,
        hello: SessionHello,
        mut messages: Streaming<SessionMessage>,
    ) -> mpsc::UnboundedReceiver<ToSession> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let id = {
            let mut state = self.state();
            let needs = Needs {
                cores: hello.executor_cores,
                memory_bytes: hello.executor_memory_bytes,
                executors: hello.executors,
            };
            let (id, told) = state.book.attach(needs, &hello.running);
            state.sessions.insert(id, sender);
            state.tell(told);
            id
        };
        let name = hello.app_name;
        info!("session {name:?} is there");
        let cluster = self.clone();
        tokio::spawn(async move {
            // Its end, and a connection that broke, are the same here.
            while let Ok(Some(message)) = messages.message().await {
                let mut state = cluster.state();
                let told = match message.message {
                    Some(session_message::Message::Waits(waits)) => {
                        state.book.wait(id, waits.query)
                    }
                    Some(session_message::Message::Ended(ended)) => state.book.end(id, ended.query),
                    Some(session_message::Message::Hello(_)) | None => Vec::new(),
                };
                state.tell(told);
            }
            info!("session {name:?} is gone");
            let mut state = cluster.state();
            state.sessions.remove(&id);
            let told = state.book.detach(id);
            state.tell(told);
        });
        receiver
    }
}

impl State {
    fn tell(&self, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Executors(session, executors) => {
                    if let Some(session) = self.sessions.get(&session) {
                        let executors = SessionExecutors { executors };
                        tell_session(session, to_session::Message::Executors(executors));
                    }
                }
                Told::Granted(session, query) => {
                    if let Some(session) = self.sessions.get(&session) {
                        tell_session(
                            session,
                            to_session::Message::Granted(QueryGranted { query }),
                        );
                    }
                }
                Told::Released(executor) => {
                    if let Some(executor) = self.executors.get(&executor) {
                        tell_executor(executor, to_executor::Message::Released(Released {}));
                    }
                }
            }
        }
    }
}

// One that is gone is noticed by the task that reads from it.

fn tell_executor(executor: &mpsc::UnboundedSender<ToExecutor>, message: to_executor::Message) {
    let message = Some(message);
    let _ = executor.send(ToExecutor { message });
}

fn tell_session(session: &mpsc::UnboundedSender<ToSession>, message: to_session::Message) {
    let message = Some(message);
    let _ = session.send(ToSession { message });
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executors = self.state().book.executors();
        f.debug_struct("Cluster")
            .field("executors", &executors)
            .finish_non_exhaustive()
    }
}

type Answer<T> = std::result::Result<Response<T>, Status>;
type Answers<T> = BoxStream<'static, std::result::Result<T, Status>>;

#[tonic::async_trait]
impl ClusterService for Cluster {
    type RegisterStream = Answers<ToExecutor>;

    async fn register(
        &self,
        request: Request<Streaming<ExecutorMessage>>,
    ) -> Answer<Self::RegisterStream> {
        let mut messages = request.into_inner();
        let Some(executor_message::Message::Hello(hello)) = messages
            .message()
            .await?
            .and_then(|message| message.message)
        else {
            return Err(to_status(&no_hello("an executor")));
        };
        check_version("an executor", &hello.url, &hello.version).map_err(|error| {
            warn!(%error, "an executor was refused");
            to_status(&error)
        })?;
        let told = UnboundedReceiverStream::new(Self::register(self, hello, messages));
        Ok(Response::new(told.map(Ok).boxed()))
    }

    type AttachStream = Answers<ToSession>;

    async fn attach(
        &self,
        request: Request<Streaming<SessionMessage>>,
    ) -> Answer<Self::AttachStream> {
        let mut messages = request.into_inner();
        let Some(session_message::Message::Hello(hello)) = messages
            .message()
            .await?
            .and_then(|message| message.message)
        else {
            return Err(to_status(&no_hello("a session")));
        };
        check_version("a session", &hello.app_name, &hello.version)
            .map_err(|error| to_status(&error))?;
        let told = UnboundedReceiverStream::new(Self::attach(self, hello, messages));
        Ok(Response::new(told.map(Ok).boxed()))
    }

    async fn list_executors(&self, _: Request<ListExecutorsRequest>) -> Answer<ExecutorList> {
        let state = self.state();
        Ok(Response::new(ExecutorList {
            executors: state.book.executors(),
            waiting: u32::try_from(state.book.waiting()).unwrap_or(u32::MAX),
        }))
    }
}

fn no_hello(who: &str) -> Error {
    Error::invalid_argument(format!("{who} has to say hello first"))
}

fn check_version(who: &str, name: &str, version: &str) -> Result<()> {
    if version == VERSION {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{who} ({name}) is of Weir {version:?} and this driver of Weir {VERSION:?}; \
             run the same version everywhere"
        ),
    ))
}
