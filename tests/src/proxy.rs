//! A TCP proxy on this machine whose connections can be cut: what a broken network looks like from both
//! sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// On connections that were accepted before the given one, but for the first.
    SilentBefore(usize),
}

impl Network {
    fn is_silent(self, connection: usize) -> bool {
        match self {
            Self::Whole => false,
            Self::Silent => true,
            Self::SilentBefore(end) => connection > 0 && connection < end,
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Arc<watch::Sender<Network>>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on a free port, for whatever listens at `target` when somebody connects.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let network = Arc::new(watch::Sender::new(Network::Whole));
        let watched = Arc::clone(&network);
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(number, client, target, watched.subscribe()));
            }
        });
        Self {
            address,
            network,
            accepted,
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

    /// From now on nothing passes on the connections that there are, but for the first, and none of them ends. New ones are whole.
    pub fn cut_all_but_the_first(&self) {
        let end = self.accepted.load(Ordering::SeqCst);
        self.network.send_replace(Network::SilentBefore(end));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    number: usize,
    mut client: TcpStream,
    target: SocketAddr,
    mut network: watch::Receiver<Network>,
) {
    let silent = network.borrow().is_silent(number);
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
        _ = network.wait_for(|network| network.is_silent(number)) => {}
    }
    // Both are open, and nobody reads from them.
    hold((client, server), network).await;
}

/// Keeps what it is given until the proxy is gone.
async fn hold<T>(held: T, mut network: watch::Receiver<Network>) {
    while network.changed().await.is_ok() {}
    drop(held);
}
