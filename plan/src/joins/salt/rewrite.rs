//! A join of salted sides.

use std::sync::Arc;

use datafusion::common::{DataFusionError, JoinSide, JoinType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder, JoinOn, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;

use super::Salt;
use super::exec::{Role, SALT_COLUMN, SaltExec};
use crate::error::Error;
use crate::joins::choice::may_broadcast;

/// Why the rows of `side` of `join` cannot be spread; none if they can.
pub(in crate::joins) fn refused(join: &HashJoinExec, side: JoinSide) -> Option<&'static str> {
    let how = *join.join_type();
    if join.null_aware {
        return Some("NOT IN of values that may be null has one way to run");
    }
    if matches!(how, JoinType::LeftMark | JoinType::RightMark) {
        return Some("its rows are marked");
    }
    if !may_broadcast(how, side.negate()) {
        return Some(
            "rows of the other side that match nothing are returned, too, and would be as often as they are copied",
        );
    }
    if keys_of(join, side).is_none() || keys_of(join, side.negate()).is_none() {
        return Some("its keys are computed");
    }
    None
}

/// The columns of a side that are compared.
pub(super) fn keys_of(join: &HashJoinExec, side: JoinSide) -> Option<Vec<usize>> {
    let keys = join.on().iter().map(|(left, right)| {
        let key = if side == JoinSide::Left { left } else { right };
        key.downcast_ref::<Column>().map(Column::index)
    });
    keys.collect()
}

/// `join`, with the rows of `side` spread and those of the other replicated: the same rows, shuffled by the salt, too.
///
/// # Errors
/// `Internal` where [`refused`] says why not; DataFusion's, when the join cannot be made.
pub(in crate::joins) fn salted(
    join: &HashJoinExec,
    side: JoinSide,
    salt: Salt,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let salted_side = |input: &Arc<dyn ExecutionPlan>, at: JoinSide| {
        let role = if at == side {
            Role::Spread
        } else {
            Role::Replicate
        };
        let keys = keys_of(join, at);
        let keys = keys.ok_or_else(|| Error::internal("a salt for keys that are computed"))?;
        let exec = SaltExec::try_new(salt.clone(), role, keys, Arc::clone(input))?;
        Ok::<_, DataFusionError>(Arc::new(exec) as Arc<dyn ExecutionPlan>)
    };
    let left = salted_side(join.left(), JoinSide::Left)?;
    let right = salted_side(join.right(), JoinSide::Right)?;
    let own = |input: &Arc<dyn ExecutionPlan>| {
        let at = input.schema().fields().len() - 1;
        Arc::new(Column::new(SALT_COLUMN, at)) as Arc<dyn PhysicalExpr>
    };
    let mut on: JoinOn = join.on().to_vec();
    on.push((own(&left), own(&right)));
    let how = *join.join_type();
    let whole = HashJoinExecBuilder::new(left, right, on, how)
        .with_filter(join.filter().cloned())
        .with_partition_mode(PartitionMode::Partitioned)
        .with_null_equality(join.null_equality())
        .build()?;
    let whole: Arc<dyn ExecutionPlan> = Arc::new(whole);
    // The join's columns, among those with the salts: which may be called like one of the user's.
    let (left, right) = (join.left().schema(), join.right().schema());
    let (left, right) = (left.fields().len(), right.fields().len());
    let salts: &[usize] = match how {
        JoinType::LeftSemi | JoinType::LeftAnti => &[left],
        JoinType::RightSemi | JoinType::RightAnti => &[right],
        _ => &[left, left + 1 + right],
    };
    let schema = whole.schema();
    let kept = (0..schema.fields().len()).filter(|at| !salts.contains(at));
    let mut kept: Vec<usize> = kept.collect();
    if let Some(wanted) = join.projection.as_deref() {
        let found = wanted.iter().map(|at| kept.get(*at).copied());
        kept = found
            .collect::<Option<_>>()
            .ok_or_else(|| Error::internal("a join gives a column that it lacks"))?;
    }
    let columns = ProjectionExprs::from_indices(&kept, &schema);
    let projected = ProjectionExec::try_new(columns.iter().cloned(), whole)?;
    Ok(Arc::new(projected))
}

/// Whether `join` is one of salted sides.
pub(in crate::joins) fn is_salted(join: &HashJoinExec) -> bool {
    join.left().is::<SaltExec>()
}
