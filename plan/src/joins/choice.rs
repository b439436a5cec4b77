//! What is done for one join, and why.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, JoinSide, JoinType, Statistics};
use datafusion::physical_plan::joins::{
    HashJoinExec, HashJoinExecBuilder, PartitionMode, SortMergeJoinExec,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::ExecutionPlan;

use super::hint::JoinHint;
use super::marker::hint_of;
use crate::settings::AUTO_BROADCAST_JOIN_THRESHOLD;

/// One join of a plan, as it was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// `Inner on (id = id)`.
    pub join: String,
    /// `broadcast hash join, the right side to all tasks`.
    pub strategy: String,
    /// Why.
    pub reason: String,
    /// A hint that was not followed, and why not.
    pub refused: Option<String>,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.join, self.strategy, self.reason)?;
        if let Some(refused) = &self.refused {
            write!(f, "; {refused}")?;
        }
        Ok(())
    }
}

/// Follows the hints at the sides of `join`, which `JoinSelection` has chosen. The new plan is none if it stays.
pub(super) fn choose(
    join: &HashJoinExec,
    config: &ConfigOptions,
) -> Result<(Option<Arc<dyn ExecutionPlan>>, Chosen), DataFusionError> {
    let described = describe(join);
    let hints = [
        (JoinSide::Left, hint_of(join.left())),
        (JoinSide::Right, hint_of(join.right())),
    ];
    let mut hints: Vec<(JoinHint, JoinSide)> = hints
        .into_iter()
        .filter_map(|(side, hint)| Some((hint?, side)))
        .collect();
    hints.sort_by_key(|(hint, _)| *hint);
    let mut refused = None;
    for (hint, side) in hints {
        match follow(join, hint, side)? {
            Ok(plan) => {
                let chosen = Chosen {
                    join: described,
                    strategy: strategy(&plan),
                    reason: format!("hint {hint} of the {} side", name(side)),
                    refused,
                };
                return Ok((Some(plan), chosen));
            }
            Err(why) => {
                refused.get_or_insert(format!("hint {hint} of the {} side is not followed: {why}", name(side)));
            }
        }
    }
    let chosen = Chosen {
        join: described,
        strategy: strategy_of(join),
        reason: by_size(join, config),
        refused,
    };
    Ok((None, chosen))
}

/// The join as `hint` wants it, or why it cannot be.
fn follow(
    join: &HashJoinExec,
    hint: JoinHint,
    side: JoinSide,
) -> Result<Result<Arc<dyn ExecutionPlan>, String>, DataFusionError> {
    let how = join.join_type();
    if join.null_aware {
        return Ok(Err("NOT IN has one way to run".to_owned()));
    }
    let mode = match hint {
        JoinHint::Merge => return sort_merge(join).map(Ok),
        JoinHint::Broadcast if !may_broadcast(*how, side) => {
            return Ok(Err(format!(
                "in a {how} join its rows are returned without a match, too, which no task alone can tell"
            )));
        }
        JoinHint::Broadcast => PartitionMode::CollectLeft,
        JoinHint::ShuffleHash => PartitionMode::Partitioned,
    };
    if side == JoinSide::Left {
        let plan = join.builder().with_partition_mode(mode).build()?;
        return Ok(Ok(Arc::new(plan)));
    }
    if !how.supports_swap() {
        return Ok(Err(format!("a {how} join builds its table of the left side")));
    }
    join.swap_inputs(mode).map(Ok)
}

/// Whether each task can tell alone what a row of `side` is matched with: Spark's `canBuildBroadcastLeft` and `Right`.
fn may_broadcast(how: JoinType, side: JoinSide) -> bool {
    match side {
        JoinSide::Left => matches!(
            how,
            JoinType::Inner
                | JoinType::Right
                | JoinType::RightSemi
                | JoinType::RightAnti
                | JoinType::RightMark
        ),
        JoinSide::Right => matches!(
            how,
            JoinType::Inner
                | JoinType::Left
                | JoinType::LeftSemi
                | JoinType::LeftAnti
                | JoinType::LeftMark
        ),
        JoinSide::None => false,
    }
}

fn sort_merge(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let whole: HashJoinExec = HashJoinExecBuilder::from(join).with_projection(None).build()?;
    let options = vec![SortOptions::default(); whole.on().len()];
    let merge = SortMergeJoinExec::try_new(
        Arc::clone(whole.left()),
        Arc::clone(whole.right()),
        whole.on().to_vec(),
        whole.filter().cloned(),
        *whole.join_type(),
        options,
        whole.null_equality(),
    )?;
    let merge: Arc<dyn ExecutionPlan> = Arc::new(merge);
    match join.projection.as_deref() {
        None => Ok(merge),
        Some(columns) => {
            let columns = datafusion::physical_expr::projection::ProjectionExprs::from_indices(
                columns,
                &merge.schema(),
            );
            Ok(Arc::new(ProjectionExec::try_new(columns, merge)?))
        }
    }
}

fn name(side: JoinSide) -> &'static str {
    match side {
        JoinSide::Left => "left",
        JoinSide::Right => "right",
        JoinSide::None => "neither",
    }
}

/// `Inner on (a = b)`.
fn describe(join: &HashJoinExec) -> String {
    let on: Vec<String> = join
        .on()
        .iter()
        .map(|(left, right)| format!("{left} = {right}"))
        .collect();
    format!("{} on ({})", join.join_type(), on.join(", "))
}

fn strategy(plan: &Arc<dyn ExecutionPlan>) -> String {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return strategy_of(join);
    }
    match plan.downcast_ref::<ProjectionExec>() {
        // Swapped sides are put in their order again.
        Some(projection) => strategy(projection.input()),
        None => "sort-merge join, both sides shuffled".to_owned(),
    }
}

fn strategy_of(join: &HashJoinExec) -> String {
    match join.partition_mode() {
        PartitionMode::CollectLeft => "broadcast hash join".to_owned(),
        PartitionMode::Partitioned | PartitionMode::Auto => {
            "shuffled hash join, both sides shuffled".to_owned()
        }
    }
}

/// Why `JoinSelection` chose as it did. The side that the table is built of is the left by then.
fn by_size(join: &HashJoinExec, config: &ConfigOptions) -> String {
    let threshold = config.optimizer.hash_join_single_partition_threshold;
    let key = AUTO_BROADCAST_JOIN_THRESHOLD.key;
    let build = estimate(join.left());
    match join.partition_mode() {
        _ if join.null_aware => "NOT IN has one way to run".to_owned(),
        PartitionMode::CollectLeft => {
            format!("one side is estimated at {build}, under {key} ({threshold} bytes)")
        }
        _ => format!(
            "the sides are estimated at {build} and {}, neither under {key} ({threshold} bytes)",
            estimate(join.right())
        ),
    }
}

fn estimate(side: &Arc<dyn ExecutionPlan>) -> String {
    let statistics = StatisticsContext::new().compute(side.as_ref(), &StatisticsArgs::new());
    let known = |statistics: &Statistics| {
        let bytes = statistics.total_byte_size.get_value();
        let rows = statistics.num_rows.get_value();
        let bytes = bytes.map(|bytes| format!("{bytes} bytes"));
        bytes.or_else(|| rows.map(|rows| format!("{rows} rows")))
    };
    let known = statistics.ok().and_then(|statistics| known(&statistics));
    known.unwrap_or_else(|| "an unknown size".to_owned())
}
