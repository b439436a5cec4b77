//! How the leaves of this crate are shared out among the tasks of a stage.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use weir_plan::Result;

use crate::files::JsonReadExec;
use crate::kafka::KafkaReadExec;

/// A leaf that can be read by several tasks.
pub trait SharedLeaf {
    /// How many parts it can be cut into at most.
    fn parts(&self) -> usize;

    /// One leaf per task, each with as many partitions as this one, which together read everything once.
    ///
    /// # Errors
    /// `Internal` when a part has no plan.
    fn share(&self, tasks: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>>;
}

/// `plan` as such a leaf, if it is one of this crate's.
#[must_use]
pub fn shared_leaf(plan: &dyn ExecutionPlan) -> Option<&dyn SharedLeaf> {
    let kafka = plan.downcast_ref::<KafkaReadExec>();
    let json = || plan.downcast_ref::<JsonReadExec>();
    kafka
        .map(|leaf| leaf as &dyn SharedLeaf)
        .or_else(|| json().map(|leaf| leaf as &dyn SharedLeaf))
}

/// Parts of the given sizes shared out to `tasks` tasks of `partitions` partitions each: the largest
/// first, each to the place that has least.
pub(crate) fn share_out<T>(
    parts: impl IntoIterator<Item = T>,
    size: impl Fn(&T) -> u128,
    tasks: usize,
    partitions: usize,
) -> Vec<Vec<Vec<T>>> {
    let (tasks, partitions) = (tasks.max(1), partitions.max(1));
    let mut parts: Vec<(u128, T)> = parts.into_iter().map(|part| (size(&part), part)).collect();
    parts.sort_by_key(|(size, _)| Reverse(*size));
    // First one partition of each task, so that few parts go to many tasks.
    let mut places: BinaryHeap<_> = (0..partitions)
        .flat_map(|partition| (0..tasks).map(move |task| Reverse((0_u128, partition, task))))
        .collect();
    let mut shared: Vec<Vec<Vec<T>>> = Vec::new();
    shared.resize_with(tasks, || {
        let mut places = Vec::new();
        places.resize_with(partitions, Vec::new);
        places
    });
    for (size, part) in parts {
        if let Some(Reverse((has, partition, task))) = places.pop() {
            shared[task][partition].push(part);
            places.push(Reverse((has.saturating_add(size), partition, task)));
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_in_one_place_and_every_task_has_all_its_partitions() {
        for (parts, tasks, partitions) in [(0, 3, 2), (1, 3, 2), (7, 3, 1), (7, 2, 2), (5, 1, 4)] {
            let shared = share_out(0..parts, |_| 1, tasks, partitions);
            assert_eq!(shared.len(), tasks);
            assert!(shared.iter().all(|task| task.len() == partitions));
            let mut all: Vec<i32> = shared.into_iter().flatten().flatten().collect();
            all.sort_unstable();
            assert_eq!(all, (0..parts).collect::<Vec<i32>>());
        }
    }

    #[test]
    fn few_parts_go_to_different_tasks_and_a_large_one_stays_alone() {
        let shared = share_out([1_u128, 1, 10, 1], |part| *part, 2, 1);
        assert_eq!(shared, [[vec![10]], [vec![1, 1, 1]]]);
        let shared = share_out([1_u128, 1], |part| *part, 2, 4);
        let of_task: Vec<usize> = shared
            .iter()
            .map(|task| task.iter().flatten().count())
            .collect();
        assert_eq!(of_task, [1, 1]);
    }
}
