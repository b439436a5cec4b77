//! Letting go of tasks that have ended.
//!
//! The library forgets an ended task, and the plan with its hash tables and the rows it had not passed on, when it next looks after its table
//! of tasks: in an idle executor, never. Until then, their memory is not there for others. (The table is a cache of crate moka, which does
//! what is due when it is used, 300 ms after the last time at the earliest.)

use std::convert::Infallible;
use std::time::Duration;

use datafusion_distributed::{ExecuteTaskRequest, ProducerHead, TaskKey, Worker};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

/// The cache is used as often.
const EVERY: Duration = Duration::from_millis(300);

/// There is no such task, and nobody waits for it.
const ANSWERS_WITHIN: Duration = Duration::from_millis(1);

/// Makes `worker` let go of tasks soon after they end, until this is dropped.
pub(crate) async fn sweep(worker: Worker) -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Always the same, so that the table does not grow.
        let nobody = ExecuteTaskRequest {
            task_key: TaskKey {
                query_id: Uuid::nil(),
                stage_id: 0,
                task_number: 0,
            },
            target_partition_start: 0,
            target_partition_end: 0,
            producer_head: ProducerHead::None,
        };
        let _ = timeout(ANSWERS_WITHIN, worker.execute_task(nobody)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use async_trait::async_trait;
    use datafusion::common::DataFusionError;
    use datafusion::execution::SessionState;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion_distributed::{
        MaybeEncoded, SetPlanRequest, WorkerQueryContext, WorkerSessionBuilder,
    };
    use futures::StreamExt as _;
    use http::HeaderMap;
    use tokio::sync::mpsc;
    use url::Url;

    use super::*;

    /// Gives each task a part of the channel, which is closed when all are gone.
    struct Holding(std::sync::Mutex<Option<mpsc::Sender<()>>>);

    #[async_trait]
    impl WorkerSessionBuilder for Holding {
        async fn build_session_state(
            &self,
            context: WorkerQueryContext,
        ) -> Result<SessionState, DataFusionError> {
            let held = self.0.lock().unwrap().take().expect("one task");
            let mut builder = context.builder;
            let config = builder.config().get_or_insert_default();
            config.set_extension(Arc::new(held));
            Ok(builder.build())
        }
    }

    #[tokio::test]
    async fn task_that_has_ended_is_let_go_of_though_no_other_comes() {
        let (held, mut gone) = mpsc::channel(1);
        let holding = Holding(std::sync::Mutex::new(Some(held)));
        let worker = Worker::from_session_builder(holding);
        let plan = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
        let task = SetPlanRequest {
            task_key: TaskKey {
                query_id: Uuid::new_v4(),
                stage_id: 1,
                task_number: 0,
            },
            task_count: 1,
            plan: MaybeEncoded::Decoded(plan),
            work_unit_feed_declarations: Vec::new(),
            target_worker_url: Url::parse("http://localhost").unwrap(),
            query_start_time_ns: 0,
        };
        let of_coordinator = futures::stream::empty().boxed();
        let channel = worker.coordinator_channel(HeaderMap::new(), task, of_coordinator);
        let to_coordinator: Vec<_> = channel.await.unwrap().collect().await;
        assert!(to_coordinator.iter().all(Result::is_ok));
        tokio::select! {
            never = sweep(worker) => match never {},
            closed = gone.recv() => assert_eq!(closed, None),
        }
    }
}
