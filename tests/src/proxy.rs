//! A TCP proxy on this machine whose connections can be cut: what a broken network looks like from both
//! sides.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Whole,
    /// Nothing arrives, and nobody is told.
    Silent,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Arc<watch::Sender<Network>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on a free port, for whatever listens at `target` when somebody connects.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let network = Arc::new(watch::Sender::new(Network::Whole));
        let watched = Arc::clone(&network);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target, watched.subscribe()));
            }
        });
        Self {
            address,
            network,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, and no connection ends.
    pub fn cut(&self) {
        self.network.send_replace(Network::Silent);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr, mut network: watch::Receiver<Network>) {
    let silent = *network.borrow() == Network::Silent;
    if silent {
        hold(client, network).await;
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        // Either side has ended it.
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = network.wait_for(|network| *network == Network::Silent) => {}
    }
    // Both are open, and nobody reads from them.
    hold((client, server), network).await;
}

/// Keeps what it is given until the proxy is gone.
async fn hold<T>(held: T, mut network: watch::Receiver<Network>) {
    while network.changed().await.is_ok() {}
    drop(held);
}
