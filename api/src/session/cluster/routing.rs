//! Which executor runs which task: those of a query are dealt to executors in turns, and each of its stages begins with the same one.
//!
//! Tasks of one number, of all stages, are then neighbours: rows that a salt keeps beside the task that has read them
//! ([`weir_plan::joins::place_salts`]) do not leave their process. Queries begin with different executors, so that small ones do not meet.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    RouteTasksEvent, RouteTasksEventResponse, get_distributed_worker_resolver,
};
use weir_plan::RemoteTasks;

/// The executor of a query's first tasks, among those that live: counted from any of them, and over their end.
struct FirstExecutor(usize);

/// Lets the tasks of one query, which `config` is for alone, begin with an executor of their own, if plans are distributed.
pub(in crate::session) fn choose_first_executor(config: &mut SessionConfig) {
    if config.get_extension::<RemoteTasks>().is_none() {
        return;
    }
    let random = uuid::Uuid::new_v4().as_u64_pair().0;
    let first = usize::try_from(random).unwrap_or_default();
    config.set_extension(Arc::new(FirstExecutor(first)));
}

/// A stage of one task is left to the library, which puts it beside what it reads.
pub(super) fn route(
    event: RouteTasksEvent<'_>,
) -> Option<Result<RouteTasksEventResponse, DataFusionError>> {
    let config = event.task_ctx.session_config();
    let first = config.get_extension::<FirstExecutor>()?.0;
    if event.task_count == 1 {
        return None;
    }
    let executors = get_distributed_worker_resolver(config).and_then(|living| living.get_urls());
    Some(executors.map(|executors| {
        let first = first % executors.len().max(1);
        let dealt = executors.iter().cycle().skip(first);
        RouteTasksEventResponse::new(dealt.take(event.task_count).cloned().collect())
    }))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::execution::TaskContext;
    use datafusion::physical_plan::ExecutionPlan;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion_distributed::{DistributedExt as _, WorkerResolver};
    use url::Url;

    use super::*;

    struct Three;

    impl WorkerResolver for Three {
        fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
            let urls = ["http://a", "http://b", "http://c"];
            Ok(urls.map(|url| Url::parse(url).unwrap()).to_vec())
        }
    }

    fn session() -> SessionConfig {
        SessionConfig::new()
            .with_distributed_worker_resolver(Three)
            .with_extension(Arc::new(RemoteTasks))
    }

    fn routed(config: &SessionConfig, task_count: usize) -> Option<Vec<Url>> {
        let plan: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
        let task_ctx = TaskContext::default().with_session_config(config.clone());
        let routed = route(RouteTasksEvent {
            task_ctx: Arc::new(task_ctx),
            plan: &plan,
            task_count,
        });
        routed.map(|routed| routed.unwrap().urls)
    }

    #[test]
    fn tasks_of_one_number_are_on_one_executor_in_all_stages_of_a_query() {
        let session = session();
        let mut firsts = std::collections::HashSet::new();
        for _ in 0..100 {
            let mut query = session.clone();
            choose_first_executor(&mut query);
            let few = routed(&query, 2).unwrap();
            let many = routed(&query, 7).unwrap();
            assert_eq!(few[..], many[..2]);
            assert_eq!(many[..3], many[3..6]);
            assert_eq!(many[0], many[6]);
            firsts.insert(few[0].clone());
        }
        assert_eq!(firsts.len(), 3);
    }

    #[test]
    fn stage_of_one_task_is_left_to_the_library() {
        let mut query = session();
        choose_first_executor(&mut query);
        assert_eq!(routed(&query, 1), None);
    }
}
