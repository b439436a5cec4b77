//! What becomes of salts once the exchanges of a plan are known.
//!
//! The salts of hot rows are those that lead to the partitions there are, one to each ([`Places`]). If the other side's copies are made for these alone,
//! a partition has one copy of what a hot row matches, and a hash join compares the keys without the salts: it may then find
//! them in an array, as unsalted ones are. A join of another kind has copies for all salts, and compares them.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::Transformed;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::joins::{HashJoinExec, JoinOn};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties as _, Partitioning,
    ReplaceChildrenOptions,
};

use super::exec::{Role, SaltExec};
use super::places::Places;

/// If `plan` is an exchange of rows of hot keys: with salts for the partitions that it has by now, `each` in a task, of tasks that are dealt
/// to `executors` processes. If it is a hash join above such an exchange: by its own keys, without the salts. For each node of a plan, from below.
///
/// # Errors
/// DataFusion's, when a node cannot be made again.
pub fn place_salts(
    plan: Arc<dyn ExecutionPlan>,
    each: usize,
    executors: usize,
) -> Result<Transformed<Arc<dyn ExecutionPlan>>, DataFusionError> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return Ok(match by_keys_alone(join)? {
            Some(join) => Transformed::yes(join),
            None => Transformed::no(plan),
        });
    }
    let exchange = SaltedExchange::of(&plan);
    // If all keys are hot, the partitions of each had to be found.
    let exchange = exchange
        .filter(|exchange| exchange.salts.role == Role::Spread)
        .filter(|exchange| !exchange.salts.salt.hot.is_all());
    let Some(SaltedExchange { partitions, .. }) = exchange else {
        return Ok(Transformed::no(plan));
    };
    let places = Places {
        total: partitions,
        each: each.clamp(1, partitions),
        executors: executors.max(1),
    };
    placed(&plan, places).map(Transformed::yes)
}

/// `join`, if salts have been placed below one of its sides, with copies on the other for these, and by its own keys.
fn by_keys_alone(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
    let (left, right) = (join.left(), join.right());
    let (Some(of_left), Some(of_right)) =
        (SaltedExchange::below(left), SaltedExchange::below(right))
    else {
        return Ok(None);
    };
    let (spread, copied) = match (of_left.salts.role, of_right.salts.role) {
        (Role::Spread, Role::Replicate) => (&of_left, 1),
        (Role::Replicate, Role::Spread) => (&of_right, 0),
        _ => return Ok(None),
    };
    let places = spread.salts.places;
    let Some(places) = places.filter(|_| of_left.partitions == of_right.partitions) else {
        return Ok(None);
    };
    let is = |key: &Arc<dyn PhysicalExpr>, salt: usize| {
        let column = key.downcast_ref::<Column>();
        column.is_some_and(|column| column.index() == salt)
    };
    let mut on: JoinOn = join.on().to_vec();
    on.retain(|keys| !(is(&keys.0, of_left.salt) && is(&keys.1, of_right.salt)));
    if on.len() + 1 != join.on().len() {
        return Ok(None);
    }
    let mut sides = vec![Arc::clone(left), Arc::clone(right)];
    sides[copied] = placed(&sides[copied], places)?;
    let join = join.builder().with_new_children(sides)?.with_on(on);
    join.build_exec().map(Some)
}

/// `exchange`, or the exchange below it, with salts for these places.
fn placed(
    exchange: &Arc<dyn ExecutionPlan>,
    places: Places,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let inputs = exchange.children().into_iter();
    let inputs = inputs.map(|input| match input.downcast_ref::<SaltExec>() {
        Some(salts) => {
            let salts = salts.clone().with_places(Some(places));
            Ok(Arc::new(salts) as Arc<dyn ExecutionPlan>)
        }
        None => placed(input, places),
    });
    let inputs = inputs.collect::<Result<_, DataFusionError>>()?;
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(exchange).replace_children(inputs, options)
}

/// An exchange of salted rows by the hash of their keys and then their salt, which is how places are reckoned.
struct SaltedExchange<'a> {
    salts: &'a SaltExec,
    /// The column of the salt.
    salt: usize,
    partitions: usize,
}

impl<'a> SaltedExchange<'a> {
    fn of(plan: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        let exchange = plan.downcast_ref::<RepartitionExec>()?;
        let salts = exchange.input().downcast_ref::<SaltExec>()?;
        let Partitioning::Hash(by, partitions) = exchange.partitioning() else {
            return None;
        };
        let salt = exchange.schema().fields().len().checked_sub(1)?;
        let by = by.iter().map(|by| by.downcast_ref::<Column>());
        let by = by.map(|column| column.map(Column::index));
        let keys = salts.keys.iter().copied().chain([salt]);
        by.eq(keys.map(Some)).then_some(Self {
            salts,
            salt,
            partitions: *partitions,
        })
    }

    /// `input` itself, or right below it: between stages, the node that takes an exchange's partitions from other processes.
    fn below(input: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(exchange) = Self::of(input) {
            return Some(exchange);
        }
        // Whatever puts partitions together says that it has others.
        let Partitioning::Hash(..) = input.output_partitioning() else {
            return None;
        };
        match input.children().as_slice() {
            [only] if only.schema() == input.schema() => Self::of(only),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::JoinType;
    use datafusion::common::tree_node::TreeNode as _;
    use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
    use datafusion::physical_plan::coop::CooperativeExec;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::joins::{HashJoinExecBuilder, PartitionMode};

    use super::super::{Hot, Salt};
    use super::*;

    /// Rows of column `id`, salted, in partitions by the hash of these columns: the salt is number 1.
    fn exchange(role: Role, by: &[usize], partitions: usize) -> Arc<dyn ExecutionPlan> {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let salt = Salt {
            hot: Hot::Hashes([7].into()),
            buckets: 64,
            nulls_match: false,
            stays: false,
        };
        let input = Arc::new(EmptyExec::new(schema));
        let salts = SaltExec::try_new(salt, role, vec![0], input).unwrap();
        let by = by.iter().map(|at| column(*at)).collect();
        let by = Partitioning::Hash(by, partitions);
        Arc::new(RepartitionExec::try_new(Arc::new(salts), by).unwrap())
    }

    fn column(at: usize) -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new(["id", "__weir_salt"][at], at))
    }

    /// What a join of these sides becomes, and how many keys it compares.
    fn joined(sides: [Arc<dyn ExecutionPlan>; 2]) -> (Arc<dyn ExecutionPlan>, usize) {
        let [left, right] = sides.map(|side| place_salts(side, 4, 1).unwrap().data);
        let on = vec![(column(0), column(0)), (column(1), column(1))];
        let join = HashJoinExecBuilder::new(left, right, on, JoinType::Inner)
            .with_partition_mode(PartitionMode::Partitioned)
            .build_exec();
        let join = place_salts(join.unwrap(), 4, 1).unwrap().data;
        let keys = join.downcast_ref::<HashJoinExec>().unwrap().on().len();
        (join, keys)
    }

    fn has_places(side: &Arc<dyn ExecutionPlan>) -> bool {
        SaltedExchange::of(side).is_some_and(|exchange| exchange.salts.places.is_some())
    }

    #[test]
    fn join_of_salted_sides_has_one_copy_in_each_partition_and_compares_no_salts() {
        for [left, right] in [
            [Role::Spread, Role::Replicate],
            [Role::Replicate, Role::Spread],
        ] {
            let sides = [left, right].map(|role| exchange(role, &[0, 1], 4));
            let (join, keys) = joined(sides);
            assert_eq!(keys, 1);
            assert!(join.children().into_iter().all(has_places));
        }
    }

    #[test]
    fn exchange_is_found_below_what_keeps_its_partitions() {
        let sides = |above: fn(Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan>| {
            [Role::Spread, Role::Replicate].map(|role| above(exchange(role, &[0, 1], 4)))
        };
        let (_, keys) = joined(sides(|side| Arc::new(CooperativeExec::new(side))).map(walked));
        assert_eq!(keys, 1);
        let (_, keys) =
            joined(sides(|side| Arc::new(CoalescePartitionsExec::new(side))).map(walked));
        assert_eq!(keys, 2);
    }

    /// With salts placed in all nodes.
    fn walked(side: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let placed = side.transform_up(|plan| place_salts(plan, 4, 1));
        placed.unwrap().data
    }

    #[test]
    fn salts_are_compared_where_places_are_not_those_of_the_exchange() {
        // By the salt first; and one side in other partitions.
        for [left, right] in [
            [([1, 0], 4), ([1, 0], 4)],
            [([0, 1], 4), ([1, 0], 4)],
            [([0, 1], 4), ([0, 1], 8)],
        ] {
            let spread = exchange(Role::Spread, &left.0, left.1);
            let copied = exchange(Role::Replicate, &right.0, right.1);
            let (join, keys) = joined([spread, copied]);
            assert_eq!(keys, 2, "{left:?} {right:?}");
            // There are copies for all salts.
            assert!(!has_places(join.children()[1]), "{left:?} {right:?}");
        }
    }
}
