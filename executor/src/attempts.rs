//! Attempts that run because an earlier one ran out of memory: they begin when it has let go of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::memory_pool::MemoryPool;
use tokio::sync::OnceCell;

use crate::memory::memory_released;

/// Attempts remembered. A task of one that is forgotten waits for the other tasks of its own, which takes seconds and does no harm.
const KEPT_MAX: usize = 256;

/// Whether the memory of those before an attempt is free.
type Released = Arc<OnceCell<()>>;

/// The attempts whose tasks came to this executor, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<VecDeque<(String, Released)>>);

impl Attempts {
    /// Ends when those who held memory of `pool` when the first task of `attempt` came have let go of it, or after some seconds.
    pub(crate) async fn begin(&self, attempt: &str, pool: &dyn MemoryPool) {
        let released = self.released(attempt);
        released.get_or_init(|| memory_released(pool)).await;
    }

    fn released(&self, attempt: &str) -> Released {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, released)) = kept.iter().find(|(known, _)| known == attempt) {
            return Arc::clone(released);
        }
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        let released = Released::default();
        kept.push_back((attempt.to_owned(), Arc::clone(&released)));
        released
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datafusion::execution::memory_pool::MemoryConsumer;
    use weir_plan::memory_pool::FairPool;

    use super::*;

    #[tokio::test]
    async fn tasks_of_one_attempt_wait_for_those_before_it_and_not_for_each_other() {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairPool::new(100));
        let attempts = Attempts::default();
        let failed = MemoryConsumer::new("of an attempt that failed").register(&pool);
        let (first, second) = (
            attempts.begin("second", pool.as_ref()),
            attempts.begin("second", pool.as_ref()),
        );
        tokio::pin!(first, second);
        let wait = Duration::from_millis(10);
        assert!(tokio::time::timeout(wait, &mut first).await.is_err());
        assert!(tokio::time::timeout(wait, &mut second).await.is_err());
        drop(failed);
        first.await;
        let _own = MemoryConsumer::new("of its first task").register(&pool);
        second.await;
        attempts.begin("second", pool.as_ref()).await;
    }
}
