//! An executor of a driver's cluster, as a process: what `weir executor` is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;
use weir_connectors::ObjectStores;
use weir_executor::{Executor, Membership, belong};
use weir_plan::settings::MEMORY_LIMIT;
use weir_plan::{Error, Result, Settings};
use weir_rpc::{Security, io};

use crate::program::{StopSignals, print_line};
use crate::session::{machine_memory_bytes, runtime_env};
use crate::work_dir::{Purpose, WorkDir};

/// What an executor is told.
#[derive(Debug, Clone)]
pub struct ExecutorOptions {
    /// Its driver, `http://` or `https://`.
    pub driver: Url,
    /// Where it listens; port 0 is a free one.
    pub listen: SocketAddr,
    /// `HOST` or `HOST:PORT` at which others find it; without it, the address it listens at.
    pub advertised: Option<String>,
    /// Threads that it says it has; the runtime that it runs on has to have them.
    pub cores: u32,
    /// Queries that run on it at once.
    pub slots: u32,
    /// Memory of its operators before they spill: a size or a share of the machine's.
    pub memory: String,
    /// Where its directory is made; without it, in the system's temporary directory.
    pub dir: Option<PathBuf>,
    /// How long its queries may take to end once it is to stop.
    pub grace: Duration,
    /// Its token and certificates.
    pub security: Security,
}

/// Serves until SIGINT or SIGTERM: then it leaves the cluster, and ends when the queries that run on it
/// have. A second signal ends it at once, and queries that ran on it run again on others.
///
/// # Errors
/// `InvalidArgument` for an address or a size that is none, or an address beyond the loopback interface
/// with nothing to ask of clients; `Storage` for a directory that cannot be used; what the driver refuses
/// it for.
pub async fn serve_executor(options: ExecutorOptions) -> Result<()> {
    let mut settings = Settings::new();
    settings
        .set(MEMORY_LIMIT.key, &options.memory)
        .map_err(|error| error.context("--memory"))?;
    let memory_bytes = settings.memory_limit_bytes(machine_memory_bytes())?;
    let mut signals = StopSignals::listen()?;
    let dir = WorkDir::make(
        &options.dir.unwrap_or_else(std::env::temp_dir),
        Purpose::Executor,
    )?;
    // Sessions bring the settings of theirs; what they leave out is the environment's.
    let stores = Arc::new(ObjectStores::try_new([])?);
    let environment = runtime_env(memory_bytes, Some(dir.path()), &stores)?;
    let security = options.security;
    let advertised = options.advertised.as_deref();
    let executor =
        Executor::bind(options.listen, advertised, environment, security.clone()).await?;
    let announcement = serde_json::to_string(&executor.announcement())
        .map_err(|error| Error::internal("an address has no form as JSON").with_source(error))?;
    let membership = Membership {
        driver: options.driver,
        executor: executor.url().clone(),
        cores: options.cores,
        slots: options.slots,
        memory_bytes,
    };
    let leave = CancellationToken::new();
    let belonging = io::run(belong(membership, security, leave.clone()));
    let serving = executor.serve(std::future::pending());
    tokio::pin!(belonging, serving);
    print_line(announcement)?;
    tokio::select! {
        served = &mut serving => return served,
        refused = &mut belonging => return refused,
        () = signals.next() => {}
    }
    info!("leaving; a second signal ends this at once");
    leave.cancel();
    tokio::select! {
        served = &mut serving => served,
        released = &mut belonging => released,
        () = signals.next() => Ok(()),
        () = tokio::time::sleep(options.grace) => {
            warn!("queries still run here after {:?}; they run again on others", options.grace);
            Ok(())
        }
    }
}
