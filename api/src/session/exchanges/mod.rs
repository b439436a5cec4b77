//! Queries in parts: what a long query has computed is kept, so that a lost executor costs no more than what came after.
//!
//! On a cluster, parts of a plan that are large (`weir.sql.durableExchangeThreshold`) and whose rows are shuffled again run first, each as a
//! query of its own that is repeated alone. Their rows are kept ([`weir_connectors::exchange`]) and take the part's place in the plan, with
//! their exact number: joins that come after are planned with what was measured. Rows that the user asked to persist
//! ([`PersistNode`]) are computed by the first query that needs them, in the same way, and read by the others.

mod attempt;
mod cut;
mod directory;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner as _;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt as _;
use tracing::{info, warn};
use weir_connectors::ObjectStores;
use weir_connectors::exchange::Exchange;
use weir_plan::estimate::{estimated_bytes, read_bytes};
use weir_plan::logical::{PersistNode, WeirQueryPlanner, WriteNode};
use weir_plan::manifest::collect_manifest;
use weir_plan::partitioning::{RangeBounds, RangeNode};
use weir_plan::{Error, Result, Settings};

use super::Master;
use super::cluster::{Executors, Turn, complete};
pub(crate) use attempt::{Attempt, Joins};
use cut::{candidates, node_at, replaced, shuffles};
use directory::Directory;

/// What a session keeps of its queries, and where.
#[derive(Debug)]
pub(crate) struct Exchanges {
    stores: Arc<ObjectStores>,
    executors: Option<Arc<Executors>>,
    directory: Directory,
    /// Bytes from which a part is kept without being asked for.
    threshold: Option<u64>,
}

/// A query whose parts have run.
#[derive(Debug)]
pub(crate) struct Prepared {
    state: SessionState,
    /// Optimized. It holds what was kept.
    plan: LogicalPlan,
    /// The executed plans of the parts, for what they counted.
    parts: Vec<Arc<dyn ExecutionPlan>>,
    /// Held from the first part to the end: a driver that is gone meanwhile is not needed.
    turn: Option<Turn>,
}

impl Prepared {
    pub(crate) fn parts(&self) -> &[Arc<dyn ExecutionPlan>] {
        &self.parts
    }

    /// Lets the next query have its turn: how long this one takes is up to who reads its rows.
    pub(crate) fn end_turn(&mut self) {
        self.turn = None;
    }

    /// An attempt at the rest, on those that live now.
    ///
    /// # Errors
    /// `InvalidPlan` when it cannot be planned.
    pub(crate) async fn attempt(&self, joins: Joins) -> Result<Attempt> {
        Attempt::plan(&self.state, &self.plan, joins).await
    }
}

/// The plan as it would be in one process: planned, but not distributed.
async fn undistributed(
    state: &SessionState,
    optimized: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(WeirQueryPlanner { find_skew: false }
        .create_physical_plan(optimized, state)
        .await?)
}

/// `plan` as it can be explained: with the rows that are kept, and ranges without bounds.
///
/// # Errors
/// `InvalidPlan` for a plan that cannot be made.
pub(crate) fn without_running(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let mut plan = PersistNode::replaced_in(plan.clone(), &PersistNode::kept)?;
    while let Some(ranges) = RangeNode::lowest_in(&plan)? {
        plan = ranges.replaced_in(plan, &RangeBounds::default())?;
    }
    Ok(plan)
}

impl Exchanges {
    /// Those of a session.
    ///
    /// # Errors
    /// `InvalidArgument` for a checkpoint directory that is none.
    pub(super) fn try_new(
        master: &Master,
        settings: &Settings,
        stores: &Arc<ObjectStores>,
        executors: Option<&Arc<Executors>>,
    ) -> Result<Self> {
        let directory = Directory::try_new(master, settings)?;
        let threshold = settings.durable_exchange_threshold()?;
        // Who has no executors loses none.
        let wanted = executors.is_some() && directory.parent().is_ok();
        Ok(Self {
            stores: Arc::clone(stores),
            executors: executors.map(Arc::clone),
            threshold: threshold.filter(|_| wanted),
            directory,
        })
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        let stores = ObjectStores::try_new([]).expect("stores without settings");
        let local = Master::Local { threads: 1 };
        Self::try_new(&local, &Settings::new(), &Arc::new(stores), None).expect("no settings")
    }

    /// `plan`, with its large parts run and kept, once it is the query's turn.
    ///
    /// # Errors
    /// `InvalidPlan` when it cannot be planned; `Unavailable` when its turn does not come; what a part fails with.
    pub(crate) async fn prepare(
        &self,
        state: SessionState,
        plan: &LogicalPlan,
    ) -> Result<Prepared> {
        let turn = match &self.executors {
            Some(executors) => executors.turn().await?,
            None => None,
        };
        let mut prepared = self.run_parts(state, plan).await?;
        prepared.turn = turn;
        Ok(prepared)
    }

    /// As [`Self::prepare`], in the turn of the query that `plan` is, or is a part of.
    async fn run_parts(&self, state: SessionState, plan: &LogicalPlan) -> Result<Prepared> {
        let mut parts = Vec::new();
        let plan = match plan {
            LogicalPlan::Explain(_) => without_running(plan)?,
            _ => {
                let plan = self.with_persisted(&state, plan, &mut parts).await?;
                self.with_ranges(&state, plan).await?
            }
        };
        let mut prepared = Prepared {
            plan: state.optimize(&plan)?,
            state,
            parts,
            turn: None,
        };
        let Some(threshold) = self.threshold else {
            return Ok(prepared);
        };
        let candidates = candidates(&prepared.plan);
        if candidates.is_empty() {
            return Ok(prepared);
        }
        let whole = undistributed(&prepared.state, &prepared.plan).await?;
        if read_bytes(&whole) < threshold {
            return Ok(prepared);
        }
        for candidate in candidates {
            // Those inside of it are replaced already, by nodes of the same columns: places are as they were.
            let at = |place: &[usize]| {
                node_at(&prepared.plan, place)
                    .ok_or_else(|| Error::internal("a part of a plan is gone"))
            };
            let (consumer, part) = (at(&candidate.consumer)?, at(&candidate.part)?.clone());
            if !shuffles(&undistributed(&prepared.state, consumer).await?, &part) {
                continue;
            }
            let estimate = estimated_bytes(&undistributed(&prepared.state, &part).await?);
            if estimate < threshold {
                continue;
            }
            let (kept, executed) = self.keep(&prepared.state, &part).await?;
            prepared.parts.push(executed);
            prepared.plan = replaced(prepared.plan, &candidate.part, kept)?;
        }
        Ok(prepared)
    }

    /// `plan` with the rows that are to be kept: computed, where they are not. Adds the plans that were executed for it to `parts`.
    async fn with_persisted(
        &self,
        state: &SessionState,
        plan: &LogicalPlan,
        parts: &mut Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<LogicalPlan> {
        let mut kept: Vec<(PersistNode, LogicalPlan)> = Vec::new();
        for node in PersistNode::all_in(plan)? {
            let compute = async || {
                let prepared = Box::pin(self.run_parts(state.clone(), node.input())).await?;
                let (rows, executed) = self.keep(&prepared.state, &prepared.plan).await?;
                parts.extend(prepared.parts.into_iter().chain([executed]));
                Ok(rows)
            };
            if let Some(rows) = node.rows().ensure(compute).await? {
                kept.push((node, rows));
            }
        }
        // Whatever others do to them meanwhile, a query reads the same rows wherever it reads them.
        PersistNode::replaced_in(plan.clone(), &|wanted| {
            let mut kept = kept.iter();
            let found = kept.find(|(node, _)| node.is_of(wanted));
            found.map(|(_, rows)| rows.clone())
        })
    }

    /// `plan` with the bounds of the ranges that it is to be repartitioned by.
    async fn with_ranges(&self, state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut plan = plan;
        while let Some(node) = RangeNode::lowest_in(&plan)? {
            let keys = state.optimize(&node.keys()?)?;
            let attempt = async |joins| {
                let mut keys = Attempt::plan(state, &keys, joins).await?.rows()?;
                let mut sample = node.sample();
                while let Some(batch) = keys.try_next().await? {
                    sample.add(batch.columns())?;
                }
                Ok(sample.into_bounds())
            };
            let bounds = self.complete(attempt).await?;
            plan = node.replaced_in(plan, &bounds)?;
        }
        Ok(plan)
    }

    /// The result of the first complete attempt at a query: see [`complete`]. If what it broadcasts turns out too large, or the hash
    /// table of a join, that of the first without them.
    ///
    /// # Errors
    /// As [`complete`].
    pub(crate) async fn complete<T, F, Fut>(&self, mut attempt: F) -> Result<T>
    where
        F: FnMut(Joins) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let executors = self.executors.as_deref();
        let mut joins = Joins::Chosen;
        loop {
            let error = match complete(executors, || attempt(joins)).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some((instead, what)) = joins.instead(&error) else {
                return Err(error);
            };
            warn!(%error, "the query runs again, and {what}");
            joins = instead;
        }
    }

    /// # Errors
    /// `InvalidArgument`, naming the setting, when there is no place to keep rows in.
    pub(crate) fn check_place(&self) -> Result<()> {
        self.directory.parent().map(drop)
    }

    /// Runs `prepared` and keeps its rows; the plan that gives them.
    ///
    /// # Errors
    /// What the query reports; `Storage` when its rows cannot be kept.
    pub(crate) async fn checkpoint(&self, prepared: &Prepared) -> Result<LogicalPlan> {
        let (kept, _) = self.keep(&prepared.state, &prepared.plan).await?;
        Ok(kept)
    }

    /// Runs `part`, which is optimized.
    async fn keep(
        &self,
        state: &SessionState,
        part: &LogicalPlan,
    ) -> Result<(LogicalPlan, Arc<dyn ExecutionPlan>)> {
        let begun = Instant::now();
        let base = self.directory.url().await?;
        let exchange = Exchange::try_new(base, &self.stores, part.schema().as_arrow())?;
        let write = WriteNode::plan(exchange.write_step(), part.clone())?;
        let write = &write;
        let attempt = async |joins| {
            let attempt = Attempt::plan(state, write, joins).await?;
            let rows = attempt.collect().await?;
            Ok((collect_manifest(&rows)?, attempt.into_plan()))
        };
        let (written, executed) = self.complete(attempt).await?;
        info!(
            rows = written.rows,
            bytes = written.bytes,
            files = written.files.len(),
            seconds = begun.elapsed().as_secs_f64(),
            "a part of the query is done and kept"
        );
        let table = exchange.into_table(&written)?;
        Ok((table.into_plan(part)?, executed))
    }
}
