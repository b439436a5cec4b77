//! Requests to a registry: bounded, tried again where that may help, on a thread of their own.

use std::error::Error as _;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use url::Url;
use weir_plan::settings::{
    Credentials, SCHEMA_REGISTRY_CA, SCHEMA_REGISTRY_RETRIES, SchemaRegistrySettings,
};
use weir_plan::{Error, ErrorKind, Result};

use super::answer::{Refusal, refusal};

/// Before a request is sent a second time; each further time it is doubled.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The thread that talks to registries.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("weir-schema-registry")
        .enable_all()
        .build()
});

/// Runs `task` on that thread, from a function that computes: it blocks, and lets the tasks that wait for this thread go on elsewhere.
pub(super) fn blocking<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // Who asked may be gone.
        let _ = answer.send(task.await);
    });
    let wait = || {
        answered
            .recv()
            .unwrap_or_else(|_| Err(Error::internal("a request to a schema registry panicked")))
    };
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// Runs `task` on that thread.
pub(super) async fn run<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let joined = runtime()?.spawn(task).await;
    joined.unwrap_or_else(|_| Err(Error::internal("a request to a schema registry panicked")))
}

fn runtime() -> Result<&'static Runtime> {
    RUNTIME.as_ref().map_err(|error| {
        Error::new(
            ErrorKind::ResourcesExhausted,
            format!("cannot start the thread that talks to schema registries: {error}"),
        )
    })
}

/// Asks one registry.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    credentials: Credentials,
    urls: Vec<Url>,
    retries: u32,
}

impl Http {
    /// # Errors
    /// `InvalidArgument` for a file of authorities that cannot be read.
    pub(super) fn new(settings: &SchemaRegistrySettings) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/vnd.schemaregistry.v1+json, application/json"),
        );
        let mut builder = Client::builder()
            .default_headers(headers)
            .timeout(settings.timeout);
        if let Some(path) = &settings.ca_location {
            let refused = |error: String| {
                Error::invalid_argument(format!(
                    "setting {:?}: {path:?} is no file of certificates: {error}",
                    SCHEMA_REGISTRY_CA.key
                ))
            };
            let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|error| refused(chain(&error)))?;
            if certificates.is_empty() {
                return Err(refused("it holds none".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| {
            Error::internal(format!(
                "no client for schema registries: {}",
                chain(&error)
            ))
        })?;
        Ok(Self {
            client,
            credentials: settings.credentials.clone(),
            urls: settings.urls.clone(),
            retries: settings.retries,
        })
    }

    /// The body of the answer to `GET path`, or to `POST path` with `body`; `what` it is, for messages.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `SchemaMismatch`, `InvalidArgument` as the registry says; `Unavailable` when no attempt was answered.
    pub(super) async fn send(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&serde_json::Value>,
        what: &str,
    ) -> Result<Vec<u8>> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        loop {
            let base = &self.urls[attempt as usize % self.urls.len()];
            let failed = match self.once(base, path, query, body, what).await {
                Ok(body) => return Ok(body),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Retry(failed)) => failed,
            };
            if attempt >= self.retries {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "the schema registry at {base} was asked {} times for {what}: {failed}; see that it is up, \
                         or raise {}",
                        attempt + 1,
                        SCHEMA_REGISTRY_RETRIES.key
                    ),
                ));
            }
            tracing::warn!(url = %base, attempt, %failed, "the schema registry did not answer for {what}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            attempt += 1;
        }
    }

    async fn once(
        &self,
        base: &Url,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&serde_json::Value>,
        what: &str,
    ) -> Result<Vec<u8>, Refusal> {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let failed = |error: reqwest::Error| Refusal::Retry(chain(&error.without_url()));
        let request = match body {
            None => self.client.get(url),
            Some(body) => (self.client.post(url))
                .header(CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")
                .body(body.to_string()),
        };
        let request = match &self.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
        };
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        match status.is_success() {
            true => Ok(body.to_vec()),
            false => Err(refusal(status.as_u16(), &body, what, base.as_str())),
        }
    }
}

/// An error and what caused it.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
