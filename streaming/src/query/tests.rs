//! The micro-batch loop over in-memory twins.

mod accounting;
mod crashes;
mod evolving;
mod letters;
mod onlookers;
mod plans;
mod races;
mod stops;
mod triggers;

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::LogicalPlan;
use weir_plan::{Result, StreamSource, StreamTable};

use super::{QuerySpec, QuerySummary, StreamingQuery};
use crate::store::{CheckpointStore, ObjectCheckpointStore};
use crate::testing::{MemoryRunner, MemorySink, MemorySource, Script, ScriptedStore, TestClock};
use crate::trigger::Trigger;

/// A source, a table and a checkpoint that outlive the processes which run the query.
struct World {
    source: Arc<MemorySource>,
    sink: Arc<MemorySink>,
    store: Arc<dyn CheckpointStore>,
    runner: Arc<MemoryRunner>,
    clock: Arc<TestClock>,
}

impl World {
    /// Partitions of the given lengths.
    fn new(lengths: &[u64]) -> Self {
        Self {
            source: Arc::new(MemorySource::new(lengths)),
            sink: Arc::new(MemorySink::at("memory:///table")),
            store: Arc::new(ObjectCheckpointStore::in_memory()),
            runner: Arc::new(MemoryRunner::new()),
            clock: Arc::new(TestClock::at("2026-01-31T23:59:58Z")),
        }
    }

    /// As [`Self::new`], in batches of at most `limit` records.
    fn with_limit(lengths: &[u64], limit: u64) -> Self {
        let world = Self::new(lengths);
        world.source.set_limit(limit);
        world
    }

    /// The stream as a dataframe.
    fn frame(&self) -> DataFrame {
        let source = Arc::clone(&self.source) as Arc<dyn StreamSource>;
        let table = Arc::new(StreamTable::new(source));
        self.runner.context().read_table(table).unwrap()
    }

    /// A drain of the whole stream into the table.
    fn spec(&self) -> QuerySpec {
        self.spec_of(self.frame().into_unoptimized_plan())
    }

    fn spec_of(&self, plan: LogicalPlan) -> QuerySpec {
        QuerySpec {
            contract: None,
            evolving: None,
            name: None,
            plan,
            sink: Arc::clone(&self.sink) as _,
            checkpoint: Arc::clone(&self.store),
            trigger: Trigger::AvailableNow,
            retain_batches: 100,
            listeners: Vec::new(),
            runner: Arc::clone(&self.runner) as _,
            clock: Arc::clone(&self.clock) as _,
        }
    }

    /// As [`Self::spec`], with a script for its access to the checkpoint.
    fn scripted(&self) -> (QuerySpec, Script) {
        let script = Script::default();
        let mut spec = self.spec();
        spec.checkpoint = Arc::new(ScriptedStore::new(Arc::clone(&self.store), script.clone()));
        (spec, script)
    }

    /// Runs the query to its end.
    async fn drain(&self) -> QuerySummary {
        finish(self.spec()).await.unwrap()
    }

    /// The names in a directory of the checkpoint, sorted.
    async fn entries(&self, dir: &str) -> Vec<u64> {
        let names = self.store.list(dir).await.unwrap();
        let mut batches: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        batches.sort_unstable();
        batches
    }

    fn assert_exactly_once(&self) {
        assert_eq!(self.sink.values("value"), self.source.values());
    }
}

async fn finish(spec: QuerySpec) -> Result<QuerySummary> {
    let query = StreamingQuery::start(spec).await?;
    query.await_termination().await?;
    Ok(query.summary())
}
