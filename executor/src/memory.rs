//! Memory of one session on an executor: a limit of its own within the executor's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use weir_plan::memory_pool::FairPool;

/// The pools of sessions with a limit, each as long as a task of its session runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionMemory {
    open: Arc<Mutex<HashMap<String, Weak<SessionPool>>>>,
}

impl SessionMemory {
    /// At most `bytes` of `executor`'s for all tasks of `session` together.
    pub(crate) fn pool(
        &self,
        session: &str,
        bytes: usize,
        executor: &Arc<dyn MemoryPool>,
    ) -> Arc<dyn MemoryPool> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, pool| pool.strong_count() > 0);
        if let Some(pool) = open.get(session).and_then(Weak::upgrade) {
            return pool;
        }
        let pool = Arc::new(SessionPool {
            own: FairPool::new(bytes),
            executor: Arc::clone(executor),
        });
        open.insert(session.to_owned(), Arc::downgrade(&pool));
        pool
    }
}

/// Ends when all that hold memory of `pool` now have let go of it, or after some seconds.
pub(crate) async fn memory_released(pool: &dyn MemoryPool) {
    match pool.downcast_ref::<SessionPool>() {
        Some(session) => {
            session.own.released().await;
        }
        None => weir_plan::memory_released(pool).await,
    }
}

/// Takes from both pools, or from neither.
#[derive(Debug)]
struct SessionPool {
    own: FairPool,
    executor: Arc<dyn MemoryPool>,
}

impl fmt::Display for SessionPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "weir.executor.memory ({}) within {}",
            self.own, self.executor
        )
    }
}

impl MemoryPool for SessionPool {
    fn name(&self) -> &'static str {
        "weir.executor.memory"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
        self.executor.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
        self.executor.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.executor.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.executor.shrink(reservation, shrink);
    }

    fn try_grow(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        self.own
            .try_grow(reservation, additional)
            .map_err(|error| error.context("weir.executor.memory is used up"))?;
        self.executor
            .try_grow(reservation, additional)
            .inspect_err(|_| self.own.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_a_session_share_its_limit_and_the_executors() {
        let executor: Arc<dyn MemoryPool> = Arc::new(FairPool::new(1000));
        let memory = SessionMemory::default();
        let one = memory.pool("one", 600, &executor);
        let again = memory.pool("one", 600, &executor);
        let other = memory.pool("other", 600, &executor);
        let first = MemoryConsumer::new("first").register(&one);
        let second = MemoryConsumer::new("second").register(&again);
        let third = MemoryConsumer::new("third").register(&other);
        first.try_grow(500).unwrap();
        // Its session's is used up.
        let error = second.try_grow(200).unwrap_err();
        assert!(
            error.to_string().contains("weir.executor.memory"),
            "{error}"
        );
        // The executor's is.
        assert!(third.try_grow(550).is_err());
        third.try_grow(500).unwrap();
        assert_eq!(executor.reserved(), 1000);
        drop((first, second, third));
        assert_eq!(executor.reserved(), 0);
    }
}
