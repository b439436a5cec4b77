//! Memory of operators: what can spill shares it evenly, and no merge takes what others need.
//!
//! DataFusion's [`FairSpillPool`] gives what does not spill as much as there is. Merging the spilled rows of a sort is such
//! a consumer, and takes as many runs at once as it gets memory for: the sort of the next partition, which still takes
//! rows, then has none left to go on with, and the query fails. Given less, a merge takes fewer runs at a time.
//!
//! An even share of a large pool is little where many could spill and one or two do: as long as 64 MB are free for each that could,
//! who asks is given more. An aggregation of 10 million groups, whose share was an eighth of half of 6 GB, spilled all of
//! them while the other seven held next to nothing: the query took 3.7 s, and takes 1.1. A sort is given no more than its merge may have, which
//! takes all that the sort holds, and fails if it does not get it.
//!
//! What can spill and has nothing yet is given its first batch while the pool as a whole has room, be it more than its share: it has nothing
//! to spill, and would fail. Where rows are merged, half of the pool is for merges, and for those first batches: a sort that has not spilled
//! reserves what it holds once more while it merges it, and cannot spill any longer.
//!
//! Rows between the partitions of one process have memory of their own, a quarter as much again, so that they wait on disk only where many
//! do: of a pool that sorts and aggregations have filled, they would get nothing. `RepartitionExec` of DataFusion 55 can wait forever for
//! what two of its inputs write into files at once (apache/datafusion#24883, mended after 55.2), but not where each batch is a file of its
//! own: [`set_spilling`].

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::common::config::{ConfigNonZeroUsize, ConfigOptions};
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

use crate::registered::{RELEASED_WITHIN, Registered};

/// How the library names its merges of spilled rows.
const MERGE: &str = "ExternalSorterMerge";

/// How the library names the rows of a sort.
const SORT: &str = "ExternalSorter[";

/// How the library names an aggregation that sorts its groups when it spills.
const SORTING_AGGREGATION: &str = "GroupedHashAggregateStream";

/// What a sort reserves of a pool of `pool_bytes` for its merge before it has rows
/// (`datafusion.execution.sort_spill_reservation_bytes`): the library's 10 MB, or less where the sorts of a query, a dozen
/// and more, would reserve all there is.
fn sort_reservation_bytes(pool_bytes: usize) -> usize {
    (pool_bytes / 32).clamp(1 << 20, 10 << 20)
}

/// Makes the settings of operators suit a pool of `pool_bytes`; none if it has no limit.
///
/// # Errors
/// None is known.
pub fn set_spilling(
    options: &mut ConfigOptions,
    pool_bytes: Option<usize>,
) -> Result<(), DataFusionError> {
    let execution = &mut options.execution;
    if let Some(bytes) = pool_bytes {
        execution.sort_spill_reservation_bytes = sort_reservation_bytes(bytes);
    }
    // Of rows between partitions: a file for each batch, so that none is open while another one is read.
    execution.max_spill_file_size_bytes = ConfigNonZeroUsize::try_new(1)?;
    Ok(())
}

/// What is free for each that can spill, and each merge, when one takes more than its share: enough for runs that are worth writing, and to
/// merge a few dozen of them. Up to so much of its share, everybody gets.
const KEPT_FOR_EACH: usize = 64 << 20;

/// How the library names the rows that a join of sorted sides keeps, which it spills when it gets no more memory.
const SORTED_JOIN: &str = "SMJStream";

/// How the library names rows that wait between partitions.
const EXCHANGE: &str = "RepartitionExec";

/// See the module's documentation.
#[derive(Debug)]
pub struct FairPool {
    pool: FairSpillPool,
    exchanges: GreedyMemoryPool,
    bytes: usize,
    merges: AtomicUsize,
    /// What can spill, but for exchanges.
    spilling: AtomicUsize,
    /// Bytes of those. Locked while one of them is given more.
    held: Mutex<usize>,
    registered: Registered,
}

impl FairPool {
    /// Of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            pool: FairSpillPool::new(bytes),
            exchanges: GreedyMemoryPool::new(bytes / 4),
            bytes,
            merges: AtomicUsize::new(0),
            spilling: AtomicUsize::new(0),
            held: Mutex::new(0),
            registered: Registered::default(),
        }
    }

    /// Ends when all that are registered now are gone, or after five seconds. Whether they are.
    pub fn released(&self) -> impl Future<Output = bool> + Send + use<> {
        self.registered.released(RELEASED_WITHIN)
    }

    fn pool_of(&self, consumer: &MemoryConsumer) -> &dyn MemoryPool {
        match is_exchange(consumer) {
            true => &self.exchanges,
            false => &self.pool,
        }
    }

    /// More for one that can spill: its first batch, or as long as there is enough for all, or up to its share. Where rows are merged, that is
    /// an even share of one half of the pool.
    fn grow_spilling(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.grow_beside(*held, reservation, additional)?;
        *held += additional;
        Ok(())
    }

    /// As [`Self::grow_spilling`], where those that can spill hold `held` bytes.
    fn grow_beside(
        &self,
        held: usize,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        let has = reservation.size();
        let taken = self.pool.reserved().saturating_add(additional);
        if has == 0 {
            return match self.pool.try_grow(reservation, additional) {
                Err(_) if taken <= self.bytes => {
                    self.pool.grow(reservation, additional);
                    Ok(())
                }
                done => done,
            };
        }
        let merges = self.merges.load(Ordering::Relaxed);
        let spilling = self.spilling.load(Ordering::Relaxed).max(1);
        let wants = has.saturating_add(additional);
        let kept = KEPT_FOR_EACH.saturating_mul(spilling + merges);
        if taken.saturating_add(kept) <= self.bytes && wants <= self.most_beyond_share(reservation)
        {
            self.pool.grow(reservation, additional);
            return Ok(());
        }
        let half = self.bytes / 2;
        let share = match merges {
            0 => self.bytes / spilling,
            _ => half / spilling,
        };
        if merges > 0 && wants > share {
            return Err(refused(reservation, additional, share, has));
        }
        // What one was given beyond its share is not there for the others.
        let for_merges = KEPT_FOR_EACH.saturating_mul(merges).min(half);
        let used = held.saturating_add(for_merges).saturating_add(additional);
        let used = used.max(taken);
        if used > self.bytes && wants > KEPT_FOR_EACH.min(share) {
            return Err(refused(reservation, additional, self.bytes, used));
        }
        self.pool.try_grow(reservation, additional)
    }

    /// What one may have that is given more than its share. A sort's rows are merged from memory, and one kind of aggregation sorts what it
    /// holds before it spills: they fail if they do not get as much again.
    fn most_beyond_share(&self, reservation: &MemoryReservation) -> usize {
        let name = reservation.consumer().name();
        match name {
            _ if name.starts_with(SORT) => self.merge_bytes_max(),
            _ if name.starts_with(SORTING_AGGREGATION) => 0,
            _ => usize::MAX,
        }
    }

    /// More for a join of sorted sides. Where rows are merged, that is what nobody else has taken of one half of the pool, and of what sorts
    /// have reserved.
    fn grow_sorted_join(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        let merges = self.merges.load(Ordering::Relaxed);
        let reserved = sort_reservation_bytes(self.bytes).saturating_mul(merges);
        let most = (self.bytes / 2).saturating_add(reserved).min(self.bytes);
        let taken = self.pool.reserved();
        if merges > 0 && taken.saturating_add(additional) > most {
            return Err(refused(reservation, additional, most, taken));
        }
        self.pool.try_grow(reservation, additional)
    }

    /// An even share of the other half for each merge: what a sort holds, which it merges if it has not spilled, needs no more. At least
    /// what a sort reserves for it, and a bit.
    fn merge_bytes_max(&self) -> usize {
        let merges = self.merges.load(Ordering::Relaxed).max(1);
        let least = sort_reservation_bytes(self.bytes) / 5 * 8;
        (self.bytes / 2 / merges).max(least)
    }
}

fn refused(
    reservation: &MemoryReservation,
    additional: usize,
    most: usize,
    has: usize,
) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!(
        "{} has {} bytes and asks for {additional} more; with them, {most} may be reserved, and {has} are",
        reservation.consumer().name(),
        reservation.size()
    ))
}

/// Whether it is one of those that share the pool evenly.
fn shares(consumer: &MemoryConsumer) -> bool {
    consumer.can_spill() && !is_exchange(consumer)
}

fn is_exchange(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with(EXCHANGE)
}

fn is_merge(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with(MERGE)
}

impl fmt::Display for FairPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pool)
    }
}

impl MemoryPool for FairPool {
    fn name(&self) -> &'static str {
        "fair"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.merges
            .fetch_add(usize::from(is_merge(consumer)), Ordering::Relaxed);
        self.spilling
            .fetch_add(usize::from(shares(consumer)), Ordering::Relaxed);
        self.pool_of(consumer).register(consumer);
        self.registered.add(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.merges
            .fetch_sub(usize::from(is_merge(consumer)), Ordering::Relaxed);
        self.spilling
            .fetch_sub(usize::from(shares(consumer)), Ordering::Relaxed);
        self.pool_of(consumer).unregister(consumer);
        self.registered.remove(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let consumer = reservation.consumer();
        if shares(consumer) {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) += additional;
        }
        self.pool_of(consumer).grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let consumer = reservation.consumer();
        if shares(consumer) {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) -= shrink;
        }
        self.pool_of(consumer).shrink(reservation, shrink);
    }

    fn try_grow(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        let consumer = reservation.consumer();
        if shares(consumer) {
            return self.grow_spilling(reservation, additional);
        }
        if consumer.name().starts_with(SORTED_JOIN) {
            return self.grow_sorted_join(reservation, additional);
        }
        let most = self.merge_bytes_max();
        let has = reservation.size();
        if is_merge(consumer) && has.saturating_add(additional) > most {
            return Err(refused(reservation, additional, most, has));
        }
        self.pool_of(consumer).try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.pool.reserved() + self.exchanges.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_expr::Partitioning;
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_plan::ExecutionPlan as _;
    use datafusion::physical_plan::repartition::RepartitionExec;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use futures::TryStreamExt as _;

    use super::*;

    #[test]
    fn sorts_reserve_a_small_part_of_a_pool() {
        assert_eq!(sort_reservation_bytes(8 << 30), 10 << 20);
        assert_eq!(sort_reservation_bytes(64 << 20), 2 << 20);
        assert_eq!(sort_reservation_bytes(0), 1 << 20);
    }

    #[test]
    fn merge_gets_its_share_and_leaves_the_others_theirs() {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairPool::new(80 << 20));
        let merge =
            |partition: usize| MemoryConsumer::new(format!("{MERGE}[{partition}]")).register(&pool);
        let (first, second) = (merge(0), merge(1));
        assert!(first.try_grow(21 << 20).is_err());
        first.try_grow(20 << 20).unwrap();
        second.try_grow(20 << 20).unwrap();
        let other = MemoryConsumer::new("Aggregate").register(&pool);
        other.try_grow(40 << 20).unwrap();
        drop((second, other));
        // One merge less: the half is its.
        first.try_grow(20 << 20).unwrap();
        assert!(first.try_grow(1).is_err());
    }

    #[test]
    fn rows_between_partitions_have_memory_where_sorts_have_taken_all() {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairPool::new(100));
        let table = MemoryConsumer::new("HashJoinInput").register(&pool);
        table.try_grow(100).unwrap();
        let spilling = MemoryConsumer::new("RepartitionExec[0]").with_can_spill(true);
        let rows = spilling.register(&pool);
        rows.try_grow(20).unwrap();
        assert!(rows.try_grow(6).is_err());
        assert_eq!(pool.reserved(), 120);
        rows.shrink(10);
        rows.try_grow(15).unwrap();
        drop(rows);
        assert_eq!(pool.reserved(), 100);
    }

    // The hang itself takes a chance that no test has met.
    #[tokio::test]
    async fn each_batch_that_waits_on_disk_between_partitions_is_a_file_of_its_own() {
        const ROWS: usize = 64;
        let numbers = Int64Array::from_iter_values(0..ROWS as i64);
        let texts = StringArray::from_iter_values((0..ROWS).map(|_| "x".repeat(100)));
        let columns = [("n", Arc::new(numbers) as ArrayRef), ("t", Arc::new(texts))];
        let batches = vec![RecordBatch::try_from_iter(columns).unwrap(); 200];
        let inputs = [batches.clone(), batches];
        let pool = Arc::new(FairPool::new(400 << 10));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool);
        let mut config = SessionConfig::new().with_batch_size(ROWS);
        set_spilling(config.options_mut(), Some(400 << 10)).unwrap();
        let runtime = runtime.build_arc().unwrap();
        let context = SessionContext::new_with_config_rt(config, runtime).task_ctx();
        let rows = MemorySourceConfig::try_new_exec(&inputs, inputs[0][0].schema(), None).unwrap();
        let by = Partitioning::Hash(vec![Arc::new(Column::new("n", 0))], 2);
        let exchange = RepartitionExec::try_new(rows, by).unwrap();
        let [first, second] =
            [0, 1].map(|partition| exchange.execute(partition, Arc::clone(&context)).unwrap());
        // What is not asked for yet goes to disk while the rest is taken.
        let mut taken: Vec<RecordBatch> = first.try_collect().await.unwrap();
        taken.extend(second.try_collect::<Vec<_>>().await.unwrap());
        let rows: usize = taken.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 2 * 200 * ROWS);
        let metrics = exchange.metrics().unwrap();
        let (files, rows) = (metrics.spill_count(), metrics.spilled_rows());
        let (files, rows) = (files.unwrap_or(0), rows.unwrap_or(0));
        assert!(rows > 10 * ROWS, "{rows} rows");
        assert!(files * ROWS >= rows, "{files} files of {rows} rows");
    }

    #[test]
    fn one_of_many_takes_more_than_its_share_while_enough_is_left_for_each_of_the_others() {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairPool::new(1 << 30));
        let spilling = |name: &str| {
            let consumer = MemoryConsumer::new(name).with_can_spill(true);
            consumer.register(&pool)
        };
        let [large, other, late, idle] = ["a", "b", "c", "d"].map(spilling);
        let merge = MemoryConsumer::new(format!("{MERGE}[0]")).register(&pool);
        // Of half, a fourth is 128 MB. Of all, 64 are left for each of five.
        large.try_grow(1 << 20).unwrap();
        large.try_grow(703 << 20).unwrap();
        large.try_grow(1).unwrap_err();
        // The others have their shares, until what is kept for the merge is all there is.
        other.try_grow(1 << 20).unwrap();
        other.try_grow(127 << 20).unwrap();
        other.try_grow(1).unwrap_err();
        late.try_grow(1 << 20).unwrap();
        late.try_grow(127 << 20).unwrap();
        late.shrink(64 << 20);
        idle.try_grow(60 << 20).unwrap();
        late.try_grow(5 << 20).unwrap_err();
        merge.try_grow(64 << 20).unwrap();
        large.shrink(703 << 20);
        late.try_grow(300 << 20).unwrap();
    }

    #[test]
    fn sort_takes_no_more_than_its_merge_may_have() {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairPool::new(1 << 30));
        let sorter = |at: usize| {
            let sort = MemoryConsumer::new(format!("ExternalSorter[{at}]")).with_can_spill(true);
            let merge = MemoryConsumer::new(format!("{MERGE}[{at}]"));
            (sort.register(&pool), merge.register(&pool))
        };
        let [(sort, merge), _idle] = [0, 1].map(sorter);
        let others =
            ["a", "b", "c", "d"].map(|name| MemoryConsumer::new(name).with_can_spill(true));
        let _others = others.map(|other| other.register(&pool));
        sort.try_grow(1 << 20).unwrap();
        sort.try_grow(255 << 20).unwrap();
        sort.try_grow(1).unwrap_err();
        merge.try_grow(256 << 20).unwrap();
    }

    #[test]
    fn who_has_nothing_gets_its_first_batch_and_who_has_some_leaves_half_to_merges() {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairPool::new(160 << 20));
        let spilling = |name: &str| {
            let consumer = MemoryConsumer::new(name).with_can_spill(true);
            consumer.register(&pool)
        };
        let sorts = ["a", "b", "c", "d"].map(spilling);
        sorts[0].try_grow(10 << 20).unwrap();
        // A fourth of all, where nothing is merged.
        sorts[0].try_grow(30 << 20).unwrap();
        sorts[0].try_grow(1).unwrap_err();
        sorts[0].shrink(30 << 20);
        let merge = MemoryConsumer::new(format!("{MERGE}[0]")).register(&pool);
        sorts[0].try_grow(10 << 20).unwrap();
        sorts[0].try_grow(1).unwrap_err();
        // One batch may be more, while there is room.
        sorts[1].try_grow(60 << 20).unwrap();
        sorts[1].try_grow(1).unwrap_err();
        // 80 of the half, and of what the merge has reserved, are taken.
        let join = MemoryConsumer::new("SMJStream[0]").register(&pool);
        join.try_grow(6 << 20).unwrap_err();
        join.try_grow(5 << 20).unwrap();
        merge.try_grow(70 << 20).unwrap();
        // More than its share, of a pool that has no room.
        sorts[2].try_grow(22 << 20).unwrap_err();
        sorts[2].try_grow(5 << 20).unwrap();
    }
}
