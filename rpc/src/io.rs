//! The threads that connections live on.
//!
//! What it guarantees: a process gives signs of life, and notices those of others, however long its tasks compute without
//! a pause. A task of a query is polled for a hundred batches on end, so that a connection that had to wait for the
//! threads of tasks would be taken for lost.
//!
//! What is served is computed elsewhere: on the runtime that the server was made on.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinHandle, JoinSet};
use tonic::Status;
use tonic::body::Body;
use tower_layer::Layer;
use tower_service::Service;
use weir_plan::{Error, ErrorKind, Result};

/// One thread moves some GB/s.
const CORES_PER_THREAD: usize = 8;
const THREADS_MAX: usize = 4;

static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads((cores / CORES_PER_THREAD).clamp(1, THREADS_MAX))
        .thread_name("weir-io")
        .enable_all()
        .build()
});

fn runtime() -> Result<&'static Runtime> {
    RUNTIME.as_ref().map_err(|error| {
        Error::new(
            ErrorKind::ResourcesExhausted,
            format!("cannot start the threads of connections: {error}"),
        )
    })
}

/// Runs `task`, which computes nothing that takes long, beside the connections of this process. It goes on when
/// the handle is dropped.
///
/// # Errors
/// `ResourcesExhausted` when the system gives no threads.
pub fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> Result<JoinHandle<T>> {
    Ok(runtime()?.spawn(task))
}

/// Runs `task` beside the connections, until its end or until this is dropped.
///
/// # Errors
/// `ResourcesExhausted` when the system gives no threads, `Internal` when it panics, and its own.
pub async fn run<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    joined(task, runtime()?.handle()).await.unwrap_or_else(|| {
        Err(Error::internal(
            "a task of the connections of this process panicked",
        ))
    })
}

/// None if it panicked.
async fn joined<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
    handle: &Handle,
) -> Option<T> {
    // Dropped, it ends its task.
    let mut tasks = JoinSet::new();
    tasks.spawn_on(task, handle);
    tasks.join_next().await?.ok()
}

/// Where tonic is to run connections.
#[derive(Debug, Clone)]
pub(crate) struct Connections(&'static Runtime);

impl Connections {
    pub(crate) fn new() -> Result<Self> {
        runtime().map(Self)
    }
}

impl hyper::rt::Executor<Pin<Box<dyn Future<Output = ()> + Send>>> for Connections {
    fn execute(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(task);
    }
}

/// Serves requests on a runtime that is not the connections'.
#[derive(Debug, Clone)]
pub struct ServeOn(pub(crate) Handle);

impl<S> Layer<S> for ServeOn {
    type Service = ServedOn<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServedOn {
            inner,
            handle: self.0.clone(),
        }
    }
}

/// See [`ServeOn`].
#[derive(Debug, Clone)]
pub struct ServedOn<S> {
    inner: S,
    handle: Handle,
}

impl<S> Service<Request<Body>> for ServedOn<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future =
        Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.inner.call(request);
        let handle = self.handle.clone();
        Box::pin(async move {
            joined(answer, &handle).await.unwrap_or_else(|| {
                Ok(Status::internal("what serves the request panicked").into_http())
            })
        })
    }
}
