//! Which keys of a side are hot: what a sample of its rows says.
//!
//! Sampled is what is read from files, and filtered and projected only: some thousand rows from each of many places, so that
//! the order of the rows matters little. It is read where the query is planned, before it runs: of the columns, only the keys
//! and what filters look at, and several places at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef};
use arrow::util::display::array_value_to_string;
use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_optimizer::PhysicalOptimizerRule as _;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties as _, ReplaceChildrenOptions,
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::joins::marker::without_hint;

/// Places of a table to look at.
const PLACES: usize = 64;

/// Rows that are read, from all places together.
const ROWS: usize = 1 << 17;

/// Places that are read at a time.
const PLACES_AT_ONCE: usize = 8;

/// Rows of which nothing can be said of a whole.
const ROWS_MIN: u64 = 1000;

/// Rows of a key of which nothing can be said either: many partitions make the share of one small.
const ROWS_OF_KEY_MIN: u64 = 32;

/// The rows of the task with the most, as a multiple of what it would have if all had as many: more are not even.
const EVEN: f64 = 1.5;

/// What was seen of a side's keys.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) rows: u64,
    /// Those of which a key is null.
    pub(super) nulls: u64,
    /// The most frequent first.
    pub(super) hot: Vec<HotKey>,
    /// Of keys that are not null, by their hashes.
    counts: HashMap<u64, Count>,
    /// Of each place, the rows of the keys in `hot`.
    hot_rows: Vec<u64>,
}

/// How often a key was seen, and the batch and row where it was first.
#[derive(Debug, Clone, Copy)]
struct Count {
    rows: u64,
    at: (usize, usize),
}

/// A key that is as frequent as was asked for.
#[derive(Debug)]
pub(super) struct HotKey {
    pub(super) hash: u64,
    pub(super) rows: u64,
    /// `7`, or `7, a` of two columns.
    pub(super) shown: String,
}

impl Sample {
    /// The part of the rows whose keys have these hashes, from 0 to 1; of no rows, all of them.
    pub(super) fn share_of(&self, hashes: &[u64]) -> f64 {
        if self.rows == 0 {
            return 1.0;
        }
        let counts = hashes.iter().filter_map(|hash| self.counts.get(hash));
        counts.map(|count| count.rows).sum::<u64>() as f64 / self.rows as f64
    }

    /// Whether none of `tasks` tasks that share the places has many more rows of hot keys than another.
    pub(super) fn is_everywhere(&self, tasks: usize) -> bool {
        let each = self.hot_rows.len().div_ceil(tasks.max(1)).max(1);
        let of_tasks = self.hot_rows.chunks(each).map(|rows| rows.iter().sum());
        let most: u64 = of_tasks.max().unwrap_or_default();
        let all: u64 = self.hot_rows.iter().sum();
        all > 0 && most as f64 * tasks as f64 <= EVEN * all as f64
    }

    /// Whether `rows` of those sampled are at least `share` of them, and enough to tell.
    pub(super) fn is_hot(&self, rows: u64, share: f64) -> bool {
        let enough = self.rows >= ROWS_MIN && rows >= ROWS_OF_KEY_MIN;
        enough && rows as f64 >= share * self.rows as f64
    }
}

/// The keys in columns `keys` of `side` that are of at least `share` of its rows. None if it is not read from files.
///
/// # Errors
/// What reading reports.
pub(super) async fn sample(
    side: &Arc<dyn ExecutionPlan>,
    keys: &[usize],
    share: f64,
    state: &SessionState,
) -> Result<Option<Sample>, DataFusionError> {
    let config = state.config_options();
    let Some(plan) = sampled(&only(keys, side, config)?, config)? else {
        return Ok(None);
    };
    let mut seen = Sample::default();
    let mut kept: Vec<Vec<ArrayRef>> = Vec::new();
    // Places that read each other's rows would say nothing of where rows are, and other samples each time.
    let mut own = state.clone();
    let execution = &mut own.config_mut().options_mut().execution;
    execution.enable_file_stream_work_stealing = false;
    let context = own.task_ctx();
    let places = 0..plan.output_partitioning().partition_count();
    let places = futures::stream::iter(places).map(|place| {
        let rows = plan.execute(place, Arc::clone(&context));
        let read = async move { rows?.try_collect::<Vec<_>>().await };
        async move {
            let read = SpawnedTask::spawn(read).join_unwind().await;
            read.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
        }
    });
    // In their order, so that two samples of the same files show the same.
    let mut places = places.buffered(PLACES_AT_ONCE);
    let mut of_places = Vec::new();
    while let Some(batches) = places.try_next().await? {
        let mut of_place = Vec::new();
        for batch in batches {
            let columns = batch.columns();
            let mut hashes = vec![0; batch.num_rows()];
            create_hashes(
                columns,
                REPARTITION_RANDOM_STATE.random_state(),
                &mut hashes,
            )?;
            let nulls: Vec<_> = columns
                .iter()
                .filter_map(|key| key.logical_nulls())
                .collect();
            for (row, &hash) in hashes.iter().enumerate() {
                match nulls.iter().any(|nulls| nulls.is_null(row)) {
                    true => seen.nulls += 1,
                    false => {
                        let at = (kept.len(), row);
                        let count = seen.counts.entry(hash);
                        count.or_insert(Count { rows: 0, at }).rows += 1;
                    }
                }
            }
            seen.rows += batch.num_rows() as u64;
            kept.push(columns.to_vec());
            of_place.push(hashes);
        }
        of_places.push(of_place);
    }
    let mut hot = Vec::new();
    let counts = seen.counts.iter();
    for (hash, count) in counts.filter(|(_, count)| seen.is_hot(count.rows, share)) {
        let (batch, row) = count.at;
        let values = kept[batch]
            .iter()
            .map(|key| array_value_to_string(key, row));
        let shown = values.collect::<Result<Vec<_>, _>>()?.join(", ");
        let (hash, rows) = (*hash, count.rows);
        hot.push(HotKey { hash, rows, shown });
    }
    hot.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.shown.cmp(&b.shown)));
    seen.hot = hot;
    let hot: HashSet<u64> = seen.hot.iter().map(|key| key.hash).collect();
    let hot_rows = of_places.iter().map(|hashes| {
        let hot = hashes.iter().flatten().filter(|hash| hot.contains(hash));
        hot.count() as u64
    });
    seen.hot_rows = hot_rows.collect();
    Ok(Some(seen))
}

/// The columns `keys` of `side`, and no others if what it reads can leave them out.
fn only(
    keys: &[usize],
    side: &Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let side = Arc::clone(side).transform_up(|plan| Ok(without_hint(plan)))?;
    let columns = ProjectionExprs::from_indices(keys, &side.data.schema());
    let only = ProjectionExec::try_new(columns.iter().cloned(), side.data)?;
    ProjectionPushdown::new().optimize(Arc::new(only), config)
}

/// `plan`, reading some rows from many places.
fn sampled(
    plan: &Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
    if plan.is::<DataSourceExec>() {
        // Its partitions share what is left to be read: what the sample takes of the query's own, the query would not get.
        let own = Arc::clone(plan).reset_state()?;
        let places = own.repartitioned(PLACES, config)?.unwrap_or(own);
        let rows = ROWS / places.output_partitioning().partition_count().max(1);
        return Ok(Some(Arc::new(LocalLimitExec::new(places, rows))));
    }
    let passes_on = plan.is::<FilterExec>() || plan.is::<ProjectionExec>();
    let children = plan.children();
    let [input] = children.as_slice() else {
        return Ok(None);
    };
    if !passes_on {
        return Ok(None);
    }
    let Some(input) = sampled(input, config)? else {
        return Ok(None);
    };
    use datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
    let options = ReplaceChildrenOptions::new(Recompute);
    Arc::clone(plan)
        .replace_children(vec![input], options)
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_seen_a_few_times_is_not_hot_however_small_its_share_may_be() {
        let seen = Sample {
            rows: 2_000,
            ..Sample::default()
        };
        assert!(!seen.is_hot(1, 0.0001));
        assert!(!seen.is_hot(31, 0.0001));
        assert!(seen.is_hot(32, 0.0001));
        assert!(!seen.is_hot(32, 0.1));
        assert!(seen.is_hot(200, 0.1));
    }
}
