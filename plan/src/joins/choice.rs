//! What is done for one join, and why.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::compute::SortOptions;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DataFusionError, JoinSide, JoinType, NullEquality, Statistics};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, HashJoinExecBuilder, NestedLoopJoinExec, PartitionMode,
    SortMergeJoinExec,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use super::broadcast::{BroadcastLimit, BroadcastLimitExec};
use super::hint::JoinHint;
use super::marker::hint_of;
use super::salt::{Hot, Salt, is_salted, refused, salted};
use crate::settings::AUTO_BROADCAST_JOIN_THRESHOLD;

/// One join of a plan, as it was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// `Inner join on id = id`.
    pub join: String,
    /// `broadcast hash join`.
    pub strategy: String,
    /// Why.
    pub reason: String,
    /// A hint that was not followed, and why not.
    pub refused: Option<String>,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}, because {}",
            self.join, self.strategy, self.reason
        )?;
        if let Some(refused) = &self.refused {
            write!(f, "; {refused}")?;
        }
        Ok(())
    }
}

/// The joins of the last plan that was made, those at the bottom first: an extension of a session's configuration, for who wants to
/// know them.
#[derive(Debug, Default)]
pub struct DecidedJoins(Mutex<Vec<Chosen>>);

impl DecidedJoins {
    pub(crate) fn put(&self, joins: Vec<Chosen>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = joins;
    }

    /// What there is.
    #[must_use]
    pub fn take(&self) -> Vec<Chosen> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What becomes of one join: none if it stays as `JoinSelection` has chosen it, and the description.
pub(super) type Choice = (Option<Arc<dyn ExecutionPlan>>, Chosen);

/// Follows the hints at the sides of `plan`, which `JoinSelection` has been over, but those for broadcasts only if
/// `broadcasts_allowed`. None if it is no join.
pub(super) fn choose(
    plan: &Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
    broadcasts_allowed: bool,
) -> Result<Option<Choice>, DataFusionError> {
    let Some(join) = Join::of(plan) else {
        return Ok(None);
    };
    let described = join.describe();
    let [left, right] = join.sides();
    let mut hints: Vec<(JoinHint, JoinSide)> = [(JoinSide::Left, left), (JoinSide::Right, right)]
        .into_iter()
        .filter_map(|(at, side)| Some((hint_of(side)?, at)))
        .collect();
    hints.sort_by_key(|(hint, _)| *hint);
    let mut refused = None;
    for (hint, side) in hints {
        let followed = match hint {
            JoinHint::Broadcast if !broadcasts_allowed => Err("it turned out to be too large"),
            _ => join.follow(plan, hint, side)?,
        };
        match followed {
            Ok(followed) => {
                let chosen = Chosen {
                    join: described,
                    strategy: strategy(&followed),
                    reason: format!("hint {hint}"),
                    refused,
                };
                return Ok(Some((Some(followed), chosen)));
            }
            Err(why) => {
                refused.get_or_insert(format!("hint {hint} is not followed: {why}"));
            }
        }
    }
    let (changed, reason) = match &join {
        Join::Hash(hash) if is_shuffled(hash) && !config.optimizer.prefer_hash_join => {
            let reason = "datafusion.optimizer.prefer_hash_join is false".to_owned();
            (Some(sort_merge(hash)?), reason)
        }
        _ => (None, join.reason(config)),
    };
    let chosen = Chosen {
        join: described,
        strategy: strategy(changed.as_ref().unwrap_or(plan)),
        reason,
        refused,
    };
    Ok(Some((changed, chosen)))
}

/// A join that `JoinSelection` leaves behind.
enum Join<'a> {
    Hash(&'a HashJoinExec),
    /// No columns are compared for equality.
    Loop(&'a NestedLoopJoinExec),
    Cross(&'a CrossJoinExec),
}

impl<'a> Join<'a> {
    fn of(plan: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        let hash = plan.downcast_ref().map(Self::Hash);
        hash.or_else(|| plan.downcast_ref().map(Self::Loop))
            .or_else(|| plan.downcast_ref().map(Self::Cross))
    }

    fn sides(&self) -> [&'a Arc<dyn ExecutionPlan>; 2] {
        match self {
            Self::Hash(join) => [join.left(), join.right()],
            Self::Loop(join) => [join.left(), join.right()],
            Self::Cross(join) => [join.left(), join.right()],
        }
    }

    fn how(&self) -> JoinType {
        match self {
            Self::Hash(join) => *join.join_type(),
            Self::Loop(join) => *join.join_type(),
            Self::Cross(_) => JoinType::Inner,
        }
    }

    /// `Inner join on a = b`.
    fn describe(&self) -> String {
        let how = self.how();
        match self {
            Self::Hash(join) => {
                let on: Vec<String> = join
                    .on()
                    .iter()
                    .map(|(left, right)| format!("{left} = {right}"))
                    .collect();
                format!("{how} join on {}", on.join(" and "))
            }
            Self::Loop(join) => match join.filter() {
                Some(filter) => format!("{how} join on {}", filter.expression()),
                None => format!("{how} join on nothing"),
            },
            Self::Cross(_) => "Cross join".to_owned(),
        }
    }

    /// The join, which is `plan`, as `hint` wants `side` to be joined, or why it cannot be.
    fn follow(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        hint: JoinHint,
        side: JoinSide,
    ) -> Result<Result<Arc<dyn ExecutionPlan>, &'static str>, DataFusionError> {
        if hint == JoinHint::Broadcast && !may_broadcast(self.how(), side) {
            return Ok(Err(
                "rows of this side that match nothing are returned, too, and no task alone can tell which",
            ));
        }
        let join = match self {
            Self::Hash(join) => *join,
            _ if hint != JoinHint::Broadcast => {
                return Ok(Err("no columns are compared for equality"));
            }
            Self::Loop(join) => {
                return match side {
                    JoinSide::Left => Ok(Ok(Arc::clone(plan))),
                    _ => join.swap_inputs().map(Ok),
                };
            }
            Self::Cross(join) => {
                return match side {
                    JoinSide::Left => Ok(Ok(Arc::clone(plan))),
                    _ => join.swap_inputs().map(Ok),
                };
            }
        };
        if join.null_aware {
            return Ok(Err(NULL_AWARE));
        }
        let mode = match hint {
            JoinHint::Merge => return sort_merge(join).map(Ok),
            JoinHint::Salted(buckets) => {
                let salt = Salt {
                    hot: Hot::All,
                    buckets,
                    nulls_match: join.null_equality() == NullEquality::NullEqualsNull,
                    stays: false,
                };
                return match refused(join, side) {
                    Some(why) => Ok(Err(why)),
                    None => salted(join, side, salt).map(Ok),
                };
            }
            JoinHint::Broadcast => PartitionMode::CollectLeft,
            JoinHint::ShuffleHash => PartitionMode::Partitioned,
        };
        if side == JoinSide::Left {
            let plan = join.builder().with_partition_mode(mode).build()?;
            return Ok(Ok(Arc::new(plan)));
        }
        if !join.join_type().supports_swap() {
            return Ok(Err("the table of such a join is built of its other side"));
        }
        join.swap_inputs(mode).map(Ok)
    }

    /// Why `JoinSelection` chose as it did.
    fn reason(&self, config: &ConfigOptions) -> String {
        let Self::Hash(join) = self else {
            return "no columns are compared for equality".to_owned();
        };
        if join.null_aware {
            return NULL_AWARE.to_owned();
        }
        if !shuffles(config) {
            return "there is one partition".to_owned();
        }
        let key = AUTO_BROADCAST_JOIN_THRESHOLD.key;
        let limits = &config.optimizer;
        let under = format!(
            "{key} ({} bytes, or {} rows where bytes are not known)",
            limits.hash_join_single_partition_threshold,
            limits.hash_join_single_partition_threshold_rows
        );
        // The side of which the table is built is the left by now.
        let [build, probe] = self.sides().map(estimate);
        match is_shuffled(join) {
            false => format!("one side is estimated at {build}, under {under}"),
            true => format!("no side is known to be under {under}: {build} and {probe}"),
        }
    }
}

const NULL_AWARE: &str = "NOT IN of values that may be null has one way to run";

pub(super) fn is_shuffled(join: &HashJoinExec) -> bool {
    *join.partition_mode() != PartitionMode::CollectLeft
}

/// `plan` with a limit for what it broadcasts; itself if it does not. The side of which rows are returned without a match is
/// not: whatever its join is planned as, it is joined in one place, or shuffled.
pub(super) fn limit_broadcast(
    plan: Arc<dyn ExecutionPlan>,
    limit: BroadcastLimit,
) -> Result<Transformed<Arc<dyn ExecutionPlan>>, DataFusionError> {
    match Join::of(&plan) {
        Some(Join::Hash(join)) if is_shuffled(join) => return Ok(Transformed::no(plan)),
        Some(join) if may_broadcast(join.how(), JoinSide::Left) => {}
        _ => return Ok(Transformed::no(plan)),
    }
    let mut children: Vec<_> = plan.children().into_iter().cloned().collect();
    if let Some(sent) = children.first_mut() {
        *sent = Arc::new(BroadcastLimitExec::new(limit.bytes, Arc::clone(sent)));
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.replace_children(children, options)
        .map(Transformed::yes)
}

/// Whether joins can be shuffled at all.
pub(super) fn shuffles(config: &ConfigOptions) -> bool {
    config.execution.target_partitions > 1 && config.optimizer.repartition_joins
}

/// Whether `plan` is a join, whatever became of it.
pub(super) fn is_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    Join::of(plan).is_some() || plan.is::<SortMergeJoinExec>()
}

/// Whether each task can tell alone what a row of `side` is matched with: Spark's `canBuildBroadcastLeft` and `Right`.
pub(super) fn may_broadcast(how: JoinType, side: JoinSide) -> bool {
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
    let whole: HashJoinExec = HashJoinExecBuilder::from(join)
        .with_projection(None)
        .build()?;
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
            let columns = ProjectionExprs::from_indices(columns, &merge.schema());
            let columns = columns.iter().cloned();
            Ok(Arc::new(ProjectionExec::try_new(columns, merge)?))
        }
    }
}

pub(super) fn strategy(plan: &Arc<dyn ExecutionPlan>) -> String {
    let known = match Join::of(plan) {
        Some(Join::Hash(join)) if is_salted(join) => "salted hash join",
        Some(Join::Hash(join)) if is_shuffled(join) => "shuffled hash join",
        Some(Join::Hash(_)) => "broadcast hash join",
        Some(Join::Loop(_) | Join::Cross(_)) => "broadcast nested loop join",
        None => match plan.downcast_ref::<ProjectionExec>() {
            // Swapped sides are put in their order again.
            Some(projection) => return strategy(projection.input()),
            None => "sort-merge join",
        },
    };
    known.to_owned()
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
