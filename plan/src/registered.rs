//! Who holds a part of a memory pool, for those that wait until others have let go.
//!
//! A query that failed leaves tasks behind that end when they next look up: on every executor it ran on, and in what it spawned here. Until
//! then they hold their memory, which an attempt that begins at once would fail for lack of.

use std::collections::BTreeSet;
use std::time::Duration;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, TrackConsumersPool};
use tokio::sync::watch;

use crate::memory_pool::FairPool;

/// Nobody waits longer: other queries of the same session hold memory, too, and may run for hours.
pub(crate) const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// The consumers of a pool, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Registered(watch::Sender<BTreeSet<usize>>);

impl Registered {
    pub(crate) fn add(&self, consumer: &MemoryConsumer) {
        self.0.send_modify(|ids| {
            ids.insert(consumer.id());
        });
    }

    pub(crate) fn remove(&self, consumer: &MemoryConsumer) {
        self.0.send_modify(|ids| {
            ids.remove(&consumer.id());
        });
    }

    /// Ends when all that are registered now are gone, whoever came meanwhile, or after `within`. Whether they are.
    pub(crate) fn released(&self, within: Duration) -> impl Future<Output = bool> + Send + use<> {
        let before = self.0.borrow().clone();
        let mut ids = self.0.subscribe();
        async move {
            let gone = ids.wait_for(|ids| ids.is_disjoint(&before));
            // Nobody is left in a pool that is gone.
            tokio::time::timeout(within, gone).await.is_ok()
        }
    }
}

/// Ends when all that hold memory of `pool` now have let go of it, or after five seconds: at once, if it is not known who does.
pub async fn memory_released(pool: &dyn MemoryPool) {
    let tracked = pool.downcast_ref::<TrackConsumersPool<FairPool>>();
    let fair = tracked.map(TrackConsumersPool::inner);
    if let Some(fair) = fair.or_else(|| pool.downcast_ref()) {
        fair.released().await;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn those_that_come_later_are_not_waited_for() {
        let pool = TrackConsumersPool::new(FairPool::new(100), NonZeroUsize::MIN);
        let pool: Arc<dyn MemoryPool> = Arc::new(pool);
        memory_released(pool.as_ref()).await;
        let first = MemoryConsumer::new("first").register(&pool);
        let fair = pool.downcast_ref::<TrackConsumersPool<FairPool>>();
        let released = fair.unwrap().inner().released();
        let _second = MemoryConsumer::new("second").register(&pool);
        drop(first);
        assert!(released.await);
    }

    #[tokio::test]
    async fn those_that_do_not_let_go_are_not_waited_for_without_end() {
        let registered = Registered::default();
        registered.add(&MemoryConsumer::new("held"));
        assert!(!registered.released(Duration::from_millis(10)).await);
    }
}
