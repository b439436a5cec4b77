//! Connections.

use std::task::{Context, Poll};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;
use url::Url;
use weir_plan::{Error, ErrorKind, Result, causes};

use crate::io::{self, Connections};
use crate::{PEER_SILENCE, PEER_SILENCE_CHECK, Security, WINDOW_BYTES};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A connection that shows the token with each request. Cheap to clone; requests of all share it.
#[derive(Debug, Clone)]
pub struct Connection {
    channel: Channel,
    security: Security,
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<std::result::Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(token) = self.security.token() {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        self.channel.call(request)
    }
}

/// A connection to `what` ("a driver") at `url`, which is there within 5 s.
///
/// # Errors
/// `InvalidArgument` for what is no `http://` or `https://` URL, `Unavailable` when nobody answers, with
/// what TLS says where it is the reason.
pub async fn connect(what: &str, url: &Url, security: &Security) -> Result<Connection> {
    let endpoint = endpoint(url, security)?;
    let nobody = format!("no {what} answers at {url}; does `weir {what}` run there?");
    let channel = io::run(async move {
        endpoint.connect().await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, nobody).with_source(reasons(&error))
        })
    });
    let channel = channel.await?;
    Ok(Connection {
        channel,
        security: security.clone(),
    })
}

/// A connection that is made at its first request, and again when it was lost.
///
/// # Errors
/// `InvalidArgument` for what is no `http://` or `https://` URL.
pub fn connect_lazily(url: &Url, security: &Security) -> Result<Connection> {
    let channel = endpoint(url, security)?.connect_lazy();
    Ok(Connection {
        channel,
        security: security.clone(),
    })
}

/// The library's error says "transport error" only; what went wrong is in its causes.
fn reasons(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for cause in causes(error) {
        let reason = cause.to_string();
        // Some say their cause's words, too.
        reasons.retain(|known| !reason.contains(known.as_str()));
        if !reasons.iter().any(|known| known.contains(&reason)) {
            reasons.push(reason);
        }
    }
    reasons.join(": ")
}

fn endpoint(url: &Url, security: &Security) -> Result<Endpoint> {
    let invalid = || Error::invalid_argument(format!("{url} is no address of a process of Weir's"));
    let endpoint = Endpoint::from_shared(url.to_string())
        .map_err(|error| invalid().with_source(error))?
        .executor(Connections::new()?)
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PEER_SILENCE_CHECK)
        .keep_alive_timeout(PEER_SILENCE)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES);
    match url.scheme() {
        "http" => Ok(endpoint),
        "https" => endpoint
            .tls_config(security.client_tls()?)
            .map_err(|error| {
                Error::invalid_argument("the certificates of WEIR_TLS_CA cannot be used")
                    .with_source(error)
            }),
        _ => Err(invalid()),
    }
}
