//! Which partition of the exchange above a hot row goes to: its salt says so. Of the salts that lead to one partition, one is used.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use datafusion::common::DataFusionError;
use datafusion::common::hash_utils::create_hashes;
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;

/// The partitions of the exchange above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// Of all tasks.
    pub(super) total: usize,
    /// Of one task: they are next to each other.
    pub(super) each: usize,
    /// To which the tasks of all stages are dealt in turns, each beginning with the same one.
    pub(super) executors: usize,
}

impl Places {
    /// Whether `partition` is joined by the executor that runs task `task`.
    fn is_beside(self, partition: usize, task: usize) -> bool {
        partition / self.each % self.executors == task % self.executors
    }
}

/// The salts that a task gives to the rows of each hot key.
#[derive(Debug)]
pub(super) struct OwnSalts {
    /// Of an exchange that is not known: none.
    places: Option<Places>,
    /// The task that rows stay beside; none if they may go anywhere.
    task: Option<usize>,
    all: Vec<u32>,
    /// By the number of the hot key.
    found: Vec<Vec<u32>>,
}

impl OwnSalts {
    pub(super) fn new(places: Option<Places>, task: Option<usize>, buckets: u32) -> Self {
        Self {
            places,
            task,
            all: (0..buckets).collect(),
            found: Vec::new(),
        }
    }

    /// Those of hot key number `key`, which row `row` of `keys` has: one for each partition that the rows may go to, and that there is a
    /// salt for; at least one.
    pub(super) fn of(
        &mut self,
        key: usize,
        keys: &[&ArrayRef],
        row: usize,
    ) -> Result<&[u32], DataFusionError> {
        let Some(places) = self.places else {
            return Ok(&self.all);
        };
        if self.found.len() <= key {
            self.found.resize(key + 1, Vec::new());
        }
        if self.found[key].is_empty() {
            self.found[key] = self.find(places, keys, row)?;
        }
        Ok(&self.found[key])
    }

    fn find(
        &self,
        places: Places,
        keys: &[&ArrayRef],
        row: usize,
    ) -> Result<Vec<u32>, DataFusionError> {
        let row = UInt32Array::from(vec![row as u32; self.all.len()]);
        let keys = keys.iter().map(|key| take(key.as_ref(), &row, None));
        let mut columns = keys.collect::<Result<Vec<_>, _>>()?;
        columns.push(Arc::new(UInt32Array::from(self.all.clone())));
        let mut hashes = vec![0; self.all.len()];
        let state = REPARTITION_RANDOM_STATE.random_state();
        create_hashes(&columns, state, &mut hashes)?;
        let mut taken = HashSet::new();
        let led = self.all.iter().zip(hashes);
        let led = led.map(|(salt, hash)| (*salt, (hash % places.total as u64) as usize));
        let first: Vec<_> = led.filter(|(_, place)| taken.insert(*place)).collect();
        let beside = |place| self.task.is_none_or(|task| places.is_beside(place, task));
        // Of few salts, none may lead to a partition of one's own.
        let near = first.iter().any(|(_, place)| beside(*place));
        let own = first.iter().filter(|(_, place)| !near || beside(*place));
        Ok(own.map(|(salt, _)| *salt).collect())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn partitions(salts: &[u32], keys: &[ArrayRef], row: usize, total: u64) -> Vec<u64> {
        let rows = UInt32Array::from(vec![row as u32; salts.len()]);
        let mut columns: Vec<ArrayRef> = keys
            .iter()
            .map(|key| take(key.as_ref(), &rows, None).unwrap())
            .collect();
        columns.push(Arc::new(UInt32Array::from(salts.to_vec())));
        let mut hashes = vec![0; salts.len()];
        let state = REPARTITION_RANDOM_STATE.random_state();
        create_hashes(&columns, state, &mut hashes).unwrap();
        let mut partitions: Vec<u64> = hashes.iter().map(|hash| hash % total).collect();
        partitions.sort_unstable();
        partitions
    }

    /// The salts of row `row` of three, and the partitions that they lead to.
    fn found(
        places: Places,
        task: Option<usize>,
        buckets: u32,
        row: usize,
    ) -> (Vec<u32>, Vec<u64>) {
        let keys: [ArrayRef; 2] = [
            Arc::new(Int64Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec!["a", "b", "c"])),
        ];
        let mut own = OwnSalts::new(Some(places), task, buckets);
        let salts = own.of(row, &keys.each_ref(), row).unwrap().to_vec();
        let partitions = partitions(&salts, &keys, row, places.total as u64);
        (salts, partitions)
    }

    #[test]
    fn rows_of_a_task_stay_on_its_executor_and_share_its_partitions() {
        // Six tasks of two partitions, on three executors.
        let places = Places {
            total: 12,
            each: 2,
            executors: 3,
        };
        for (task, expected) in [(0, [0, 1, 6, 7]), (1, [2, 3, 8, 9]), (5, [4, 5, 10, 11])] {
            let (_, partitions) = found(places, Some(task), 256, 2);
            assert_eq!(partitions, expected);
        }
    }

    #[test]
    fn rows_that_may_go_anywhere_have_one_salt_for_each_partition() {
        let places = Places {
            total: 8,
            each: 2,
            executors: 4,
        };
        let (_, partitions) = found(places, None, 256, 0);
        assert_eq!(partitions, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn fewer_salts_than_partitions_are_all_used_if_none_leads_near() {
        let places = Places {
            total: 1000,
            each: 1,
            executors: 1000,
        };
        let (salts, _) = found(places, Some(7), 2, 1);
        assert_eq!(salts, [0, 1]);
    }
}
