//! Servers.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::transport::server::TcpIncoming;
use tower_layer::{Identity, Stack};
use url::Url;
use weir_plan::{Error, ErrorKind, Result};

use crate::io::{self, ServeOn};
use crate::security::AskForToken;
use crate::{PEER_SILENCE, PEER_SILENCE_CHECK, Security, WINDOW_BYTES};

type Layers = Stack<ServeOn, Stack<InterceptorLayer<AskForToken>, Identity>>;

/// A server before its services.
pub type RpcServer = Server<Layers>;

/// A server that asks for what `security` says, and computes its answers on the runtime it is made on.
///
/// # Errors
/// `InvalidArgument` for certificates that are none, `Internal` outside a runtime.
pub fn server(security: &Security) -> Result<RpcServer> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(PEER_SILENCE_CHECK))
        .http2_keepalive_timeout(Some(PEER_SILENCE))
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES);
    if let Some(tls) = security.server_tls() {
        server = server.tls_config(tls).map_err(|error| {
            Error::invalid_argument("the certificate of WEIR_TLS_CERT cannot be served")
                .with_source(error)
        })?;
    }
    let here = Handle::try_current()
        .map_err(|error| Error::internal("a server is made on a runtime").with_source(error))?;
    Ok(server
        .layer(InterceptorLayer::new(security.asked()))
        .layer(ServeOn(here)))
}

/// An address that is listened at.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens at `address` for `what` ("the driver"); port 0 is a free one.
    ///
    /// # Errors
    /// `InvalidArgument` for an address beyond the loopback interface when `security` asks for nothing,
    /// `Unavailable` when it cannot listen.
    pub async fn bind(what: &str, address: SocketAddr, security: &Security) -> Result<Self> {
        if !address.ip().is_loopback() && !security.asks() {
            return Err(Error::invalid_argument(format!(
                "{what} does not listen at {address}: it asks nobody for a proof of who they are; give a \
                 token (WEIR_TOKEN_FILE) or mutual TLS (WEIR_TLS_MUTUAL), or listen at an address of this \
                 machine (127.0.0.1)"
            )));
        }
        let what = what.to_owned();
        let refused = move |error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("{what} cannot listen at {address}"),
            )
            .with_source(error)
        };
        let listener =
            io::run(async move { TcpListener::bind(address).await.map_err(refused) }).await?;
        let address = listener.local_addr().map_err(|error| {
            Error::internal("a socket that listens has no address").with_source(error)
        })?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where others find it: at `advertised`, `HOST` or `HOST:PORT`, or at the address it listens at.
    ///
    /// # Errors
    /// `InvalidArgument` for what is neither, and for an address that stands for all of the machine's.
    pub fn url(&self, advertised: Option<&str>, security: &Security) -> Result<Url> {
        let scheme = match security.serves_tls() {
            true => "https",
            false => "http",
        };
        let own = self.address;
        if advertised.is_none() && own.ip().is_unspecified() {
            return Err(Error::invalid_argument(format!(
                "{own} stands for every address of this machine; say at which of them others find it \
                 (--advertise HOST)"
            )));
        }
        let place = advertised.map_or_else(|| own.to_string(), str::to_owned);
        let invalid =
            || Error::invalid_argument(format!("{place:?} is no HOST or HOST:PORT to connect to"));
        let mut url = Url::parse(&format!("{scheme}://{place}"))
            .map_err(|error| invalid().with_source(error))?;
        if url.path() != "/" || !url.has_host() {
            return Err(invalid());
        }
        // A port that is the scheme's own is not to be told from none.
        if url.port().is_none() {
            url.set_port(Some(own.port())).map_err(|()| invalid())?;
        }
        Ok(url)
    }

    /// Serves `services`, those of `what`, until `stopped`.
    ///
    /// # Errors
    /// `Unavailable` when it can listen no longer.
    pub async fn serve(
        self,
        what: &str,
        services: Router<Layers>,
        stopped: impl Future<Output = ()>,
    ) -> Result<()> {
        // Of connections that it is handed, tonic's server sets nothing itself.
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let failed = format!("the server of {what} failed");
        let serving = io::run(async move {
            let served = services.serve_with_incoming(incoming).await;
            served.map_err(|error| Error::new(ErrorKind::Unavailable, failed).with_source(error))
        });
        tokio::select! {
            served = serving => served,
            () = stopped => Ok(()),
        }
    }
}
