//! An attempt at a query, or at a part of it: as it was planned first, or as one that the memory is enough for.

use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect, execute_stream};
use weir_plan::compact::CompactSorts;
use weir_plan::joins::{NoBroadcasts, is_broadcast_too_large};
use weir_plan::{Error, Result, causes, memory_released};

use crate::session::cluster::{
    begin_when_memory_is_released, choose_first_executor, set_batch_rows,
};

/// How an attempt may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joins {
    /// As the planner chooses.
    Chosen,
    /// Nothing is broadcast but where a join has no other way: a side turned out too large.
    NotBroadcast,
    /// What would be shuffled into hash tables, which cannot spill, is sorted: one did not fit the memory.
    Sorted,
    /// Nor is anything broadcast: the hash table may have been that of such a join.
    OnlySorted,
}

impl Joins {
    /// How to try again after `error`, and what the query then does; none if that does not help.
    pub(super) fn instead(self, error: &Error) -> Option<(Self, &'static str)> {
        if is_broadcast_too_large(error) {
            let instead = match self {
                Self::Chosen => Self::NotBroadcast,
                Self::Sorted => Self::OnlySorted,
                Self::NotBroadcast | Self::OnlySorted => return None,
            };
            return Some((instead, "broadcasts nothing"));
        }
        let exhausted = causes(error).any(|cause| {
            let text = cause.to_string();
            text.contains("Resources exhausted") && text.contains(HASH_TABLE)
        });
        match self {
            _ if !exhausted => None,
            Self::Chosen => Some((Self::Sorted, "sorts what it would shuffle and join")),
            Self::NotBroadcast | Self::Sorted => {
                Some((Self::OnlySorted, "sorts all that it joins"))
            }
            Self::OnlySorted => None,
        }
    }

    fn broadcasts(self) -> bool {
        matches!(self, Self::Chosen | Self::Sorted)
    }

    fn sorts(self) -> bool {
        matches!(self, Self::Sorted | Self::OnlySorted)
    }
}

/// Of a query that ran out of memory: a quarter of what is usual.
const SORTED_BATCH_ROWS: usize = 2048;

/// DataFusion's name of the memory that the hash table of a join takes. It arrives from executors as text.
const HASH_TABLE: &str = "HashJoinInput";

/// A plan, and what it runs under: the two go together.
#[derive(Debug)]
pub(crate) struct Attempt {
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
}

impl Attempt {
    /// The attempt at `optimized` that joins so.
    ///
    /// # Errors
    /// `InvalidPlan` when it cannot be planned.
    pub(super) async fn plan(
        state: &SessionState,
        optimized: &LogicalPlan,
        joins: Joins,
    ) -> Result<Self> {
        let mut state = state.clone();
        if joins.sorts() {
            // One before ran out of memory, and may be ending still, here and on executors.
            memory_released(state.runtime_env().memory_pool.as_ref()).await;
            begin_when_memory_is_released(state.config_mut())?;
        }
        let config = state.config_mut();
        choose_first_executor(config);
        if !joins.broadcasts() {
            config.set_extension(Arc::new(NoBroadcasts));
            let optimizer = &mut config.options_mut().optimizer;
            optimizer.hash_join_single_partition_threshold = 0;
            optimizer.hash_join_single_partition_threshold_rows = 0;
        }
        if joins.sorts() {
            let options = config.options_mut();
            options.optimizer.prefer_hash_join = false;
            // In one partition, every join has a hash table.
            let partitions = &mut options.execution.target_partitions;
            *partitions = (*partitions).max(2);
            // Sorts and what is between them hold a few batches each, whatever they spill.
            config.set_extension(Arc::new(CompactSorts));
            if config.batch_size() > SORTED_BATCH_ROWS {
                set_batch_rows(config, SORTED_BATCH_ROWS)?;
            }
        }
        let planner = Arc::clone(state.query_planner());
        let plan = planner.create_physical_plan(optimized, &state).await?;
        let task = state.task_ctx();
        Ok(Self { plan, task })
    }

    /// The plan, which knows what it counted once it has run.
    pub(crate) fn into_plan(self) -> Arc<dyn ExecutionPlan> {
        self.plan
    }

    /// Its rows, as they come.
    ///
    /// # Errors
    /// What the query reports at its start.
    pub(crate) fn rows(&self) -> Result<SendableRecordBatchStream> {
        Ok(execute_stream(
            Arc::clone(&self.plan),
            Arc::clone(&self.task),
        )?)
    }

    /// All of its rows.
    ///
    /// # Errors
    /// What the query reports.
    pub(crate) async fn collect(&self) -> Result<Vec<RecordBatch>> {
        Ok(collect(Arc::clone(&self.plan), Arc::clone(&self.task)).await?)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    #[tokio::test]
    async fn batches_of_a_sorted_attempt_are_small_when_it_runs() {
        let context = SessionContext::new_with_config(SessionConfig::new());
        let state = context.state();
        let query = "select value from generate_series(1, 10000) order by value desc";
        let query = state.create_logical_plan(query).await.unwrap();
        let query = state.optimize(&query).unwrap();
        for (joins, rows) in [
            (Joins::Chosen, 8192),
            (Joins::NotBroadcast, 8192),
            (Joins::Sorted, SORTED_BATCH_ROWS),
            (Joins::OnlySorted, SORTED_BATCH_ROWS),
        ] {
            let attempt = Attempt::plan(&state, &query, joins).await.unwrap();
            let batches = attempt.collect().await.unwrap();
            let largest = batches.iter().map(RecordBatch::num_rows).max();
            assert_eq!(largest, Some(rows), "{joins:?}");
        }
    }
}
