//! A real Apache Kafka broker for tests, and the means to fill it.
//!
//! [`broker_or_skip`] gives the one broker that a test process shares; [`private_broker_or_skip`] gives a test its own, to stop, kill
//! and restart. `KAFKA_BOOTSTRAP=host:port` makes the shared one an existing cluster; otherwise it is a single KRaft node on a free port,
//! run on Java 17 from jars that Maven fetched once into the user's cache. Tests stay apart by topic: see [`unique_topic`].
//!
//! - [`Broker`]: create, grow, trim and delete topics; watermarks.
//! - [`SecureBroker`]: one that demands TLS, SASL or certificates.
//! - [`GroupCommand`]: what `kafka-consumer-groups.sh` shows.
//! - [`Producer`], [`TransactionalProducer`]: send [`Record`]s, check every delivery report, and return the [`crate::ledger::Ledger`]
//!   of what was acknowledged.

mod broker;
mod distribution;
mod producer;
mod secure;
mod server;
mod tools;

pub use broker::{Broker, Watermarks};
pub use producer::{Producer, Record, TransactionalProducer};
pub use secure::{SECRET, SecureBroker, USER};
pub use tools::{GroupCommand, group_command_or_skip};

use tokio::sync::OnceCell;

use crate::requirements::{Unavailable, require_or_skip};

static SHARED: OnceCell<Result<Broker, Unavailable>> = OnceCell::const_new();

/// The broker that this test process shares, started by the first test that asks.
///
/// ```no_run
/// # async fn scenario_plus_outcome() {
/// let Some(broker) = weir_tests::kafka::broker_or_skip().await else { return };
/// let topic = broker.new_topic("orders", 3).await;
/// # }
/// ```
///
/// # Panics
/// When Java and Maven are there but the broker does not answer in time; the message holds the tail of its log.
pub async fn broker_or_skip() -> Option<&'static Broker> {
    let broker = SHARED
        .get_or_init(|| async {
            match std::env::var("KAFKA_BOOTSTRAP") {
                Ok(bootstrap) if !bootstrap.is_empty() => Ok(Broker::external(&bootstrap).await),
                _ => Broker::start_private().await,
            }
        })
        .await;
    require_or_skip(broker.as_ref().map_err(Clone::clone))
}

/// A broker of the test's own, which it may [`Broker::stop`], [`Broker::kill`] and [`Broker::restart`]. Costs about 4 s.
pub async fn private_broker_or_skip() -> Option<Broker> {
    require_or_skip(Broker::start_private().await)
}

/// A topic name that no other test, process or run uses. Nothing is created.
pub fn unique_topic(prefix: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{prefix}.{}", &id[..12])
}

#[cfg(test)]
mod tests;
