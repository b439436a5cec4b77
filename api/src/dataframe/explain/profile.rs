//! What a query has measured while it ran: by node, and by stage.
//!
//! A stage is what runs between two exchanges; its tasks are its partitions, as in Spark, wherever they run. A task's time is the
//! time its nodes have computed, without waiting for rows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::human_readable_size;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::metrics::{Metric, MetricValue};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion_distributed::{
    DISTRIBUTED_DATAFUSION_TASK_ID_LABEL, DistributedMetricsFormat, NetworkBoundaryExt as _,
    display_plan_ascii,
};
use futures::TryStreamExt as _;
use weir_plan::Result;

use crate::dataframe::{DataFrame, draw};
use crate::session::{Joins, Prepared, with_task_metrics};

/// Times that nodes measure themselves computing by; each node has at most one of them.
const COMPUTING: &[&str] = &[
    "elapsed_compute",
    "time_elapsed_processing",
    "repartition_time",
];

/// What a network node calls the bytes that it has received.
const RECEIVED: &str = "bytes_transferred";

/// A query that ran, as its nodes have measured it. `Display` shows both.
#[derive(Debug, Clone)]
pub struct QueryProfile {
    /// The physical plan with the metrics of each node, of all tasks together.
    pub plan: String,
    /// Those whose rows are needed last come first.
    pub stages: Vec<StageProfile>,
}

/// The tasks of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageProfile {
    /// Its topmost node, and the joins and aggregations in it.
    pub what: String,
    /// Those that have measured something.
    pub tasks: usize,
    /// Rows that leave it.
    pub rows: u64,
    /// Bytes that it has received from tasks of other processes.
    pub received_bytes: u64,
    /// Bytes that it has written to disk for lack of memory.
    pub spilled_bytes: u64,
    /// The time of all tasks together.
    pub total: Duration,
    /// The time of the task in the middle.
    pub median: Duration,
    /// The time of the slowest task.
    pub max: Duration,
}

impl StageProfile {
    /// How many times longer its slowest task took than the one in the middle; 1 of a stage that took no time.
    #[must_use]
    pub fn skew(&self) -> f64 {
        match self.median.is_zero() {
            true => 1.0,
            false => self.max.as_secs_f64() / self.median.as_secs_f64(),
        }
    }
}

impl DataFrame {
    /// Runs the query and leaves its rows; what it has measured: rows, bytes, spills, and the times of its tasks.
    ///
    /// # Errors
    /// What the query reports.
    pub async fn profile(&self) -> Result<QueryProfile> {
        let prepared = self.prepare().await?;
        let run = |joins| run(&prepared, joins);
        let ran = self.session().exchanges().complete(run).await?;
        let mut profile = QueryProfile {
            plan: String::new(),
            stages: Vec::new(),
        };
        // What ran first is needed last.
        for plan in [&ran].into_iter().chain(prepared.parts().iter().rev()) {
            let shown = with_task_metrics(Arc::clone(plan), DistributedMetricsFormat::Aggregated);
            profile.plan += &display_plan_ascii(shown.await?.as_ref(), true);
            let by_task = with_task_metrics(Arc::clone(plan), DistributedMetricsFormat::PerTask);
            add_stages(&by_task.await?, &mut profile.stages);
        }
        Ok(profile)
    }
}

/// Runs one attempt; its plan.
async fn run(prepared: &Prepared, joins: Joins) -> Result<Arc<dyn ExecutionPlan>> {
    let attempt = prepared.attempt(joins).await?;
    let mut rows = attempt.rows()?;
    while rows.try_next().await?.is_some() {}
    Ok(attempt.into_plan())
}

/// The number of the task that measured it, of those of a process.
fn task_of(metric: &Metric) -> Option<u64> {
    let mut labels = metric.labels().iter();
    let task = labels.find(|label| label.name() == DISTRIBUTED_DATAFUSION_TASK_ID_LABEL)?;
    task.value().parse().ok()
}

/// What is known of a stage while its nodes are visited.
#[derive(Default)]
struct Stage {
    names: Vec<String>,
    rows: Option<u64>,
    received: u64,
    spilled: u64,
    /// By number of the task of a process, and of the partition in it.
    times: BTreeMap<(u64, usize), Duration>,
}

/// Adds the stage that ends with `plan`, and those it takes rows from.
fn add_stages(plan: &Arc<dyn ExecutionPlan>, stages: &mut Vec<StageProfile>) {
    let mut stage = Stage::default();
    let mut below = Vec::new();
    add_node(plan, &mut stage, &mut below);
    if !stage.times.is_empty() {
        stages.push(stage.into_profile());
    }
    for plan in &below {
        add_stages(plan, stages);
    }
}

/// Adds `plan` and its inputs to `stage`, up to the next exchanges: what is below them, to `below`.
fn add_node(
    plan: &Arc<dyn ExecutionPlan>,
    stage: &mut Stage,
    below: &mut Vec<Arc<dyn ExecutionPlan>>,
) {
    let is_boundary = plan.is_network_boundary();
    let gathers = plan.is::<CoalescePartitionsExec>() || plan.is::<SortPreservingMergeExec>();
    let is_exchange = plan.is::<RepartitionExec>();
    // The rows of an exchange are measured by where they come from.
    if is_exchange && !stage.names.is_empty() {
        below.push(Arc::clone(plan));
        return;
    }
    stage.add(plan);
    let inputs = plan.children().into_iter().map(Arc::clone);
    // The branches of a union have partitions of their own numbers.
    let has_branches = inputs.len() > 1 && plan.name().contains("Union");
    if is_boundary || gathers || has_branches {
        below.extend(inputs);
        return;
    }
    for input in inputs {
        add_node(&input, stage, below);
    }
}

impl Stage {
    fn add(&mut self, plan: &Arc<dyn ExecutionPlan>) {
        self.names.push(plan.name().to_owned());
        let metrics = plan.metrics().unwrap_or_default();
        // Not every node counts its rows: those of the first that does.
        if self.rows.is_none() {
            self.rows = metrics.output_rows().map(|rows| rows as u64);
        }
        self.spilled += metrics.spilled_bytes().unwrap_or_default() as u64;
        // An exchange gives its rows to more tasks, or fewer, than it takes them from: those are the stage's.
        let is_exchange = plan.is::<RepartitionExec>();
        let of_stage = |metric: &&Arc<Metric>| {
            !is_exchange || !matches!(metric.value(), MetricValue::ElapsedCompute(_))
        };
        // Where a file was sampled before the query ran, the sample's places are among what is measured of reading it.
        let in_tasks = metrics.iter().any(|metric| task_of(metric).is_some());
        let partitions = match plan.children().is_empty() {
            true => plan.output_partitioning().partition_count(),
            false => usize::MAX,
        };
        let of_query = |metric: &&Arc<Metric>| match in_tasks {
            true => task_of(metric).is_some(),
            false => metric.partition().is_none_or(|at| at < partitions),
        };
        for metric in metrics.iter().filter(of_stage).filter(of_query) {
            self.measure(metric);
        }
    }

    fn measure(&mut self, metric: &Metric) {
        let value = metric.value();
        if value.name() == RECEIVED {
            self.received += value.as_usize() as u64;
        }
        let Some(partition) = metric.partition() else {
            return;
        };
        let time = match value {
            MetricValue::ElapsedCompute(time) | MetricValue::Time { time, .. } => time,
            _ => return,
        };
        if !COMPUTING.contains(&value.name()) {
            return;
        }
        let at = (task_of(metric).unwrap_or_default(), partition);
        let nanos = u64::try_from(time.value()).unwrap_or(u64::MAX);
        *self.times.entry(at).or_default() += Duration::from_nanos(nanos);
    }

    fn into_profile(self) -> StageProfile {
        let mut times: Vec<Duration> = self.times.into_values().collect();
        times.sort_unstable();
        let is_heavy = |name: &&String| name.contains("Join") || name.contains("Aggregate");
        let first = self.names.first().into_iter();
        let heavy = self.names.iter().skip(1).filter(is_heavy);
        let mut what: Vec<&str> = first.chain(heavy).map(String::as_str).collect();
        what.dedup();
        StageProfile {
            what: what.join(", "),
            tasks: times.len(),
            rows: self.rows.unwrap_or_default(),
            received_bytes: self.received,
            spilled_bytes: self.spilled,
            total: times.iter().sum(),
            median: times.get(times.len() / 2).copied().unwrap_or_default(),
            max: times.last().copied().unwrap_or_default(),
        }
    }
}

impl fmt::Display for QueryProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            "stage",
            "tasks",
            "rows",
            "received",
            "spilled",
            "total",
            "median",
            "max",
            "max/median",
        ];
        let rows = self.stages.iter().map(|stage| {
            let bytes =
                |bytes: u64| human_readable_size(usize::try_from(bytes).unwrap_or(usize::MAX));
            vec![
                stage.what.clone(),
                stage.tasks.to_string(),
                stage.rows.to_string(),
                bytes(stage.received_bytes),
                bytes(stage.spilled_bytes),
                format!("{:.1?}", stage.total),
                format!("{:.1?}", stage.median),
                format!("{:.1?}", stage.max),
                format!("{:.1}", stage.skew()),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let plan = self.plan.trim_end();
        writeln!(f, "== Physical Plan ==\n{plan}\n\n== Stages ==")?;
        f.write_str(&draw(&names.map(str::to_owned), &rows))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    #[tokio::test]
    async fn stages_end_at_exchanges_and_tasks_are_partitions() {
        let config = SessionConfig::new().with_target_partitions(3);
        let context = SessionContext::new_with_config(config);
        let query = "select value % 10 as n, count(*) from generate_series(1, 1000) group by 1";
        let rows = context.sql(query).await.unwrap();
        let task = Arc::new(rows.task_ctx());
        let plan = rows.create_physical_plan().await.unwrap();
        collect(Arc::clone(&plan), task).await.unwrap();
        let mut stages = Vec::new();
        add_stages(&plan, &mut stages);
        let last = &stages[0];
        assert_eq!((last.tasks, last.rows), (3, 10), "{stages:?}");
        assert!(last.what.contains("AggregateExec"), "{stages:?}");
        assert!(last.max >= last.median && last.total >= last.max);
        assert!(stages.len() > 1, "{stages:?}");
    }

    #[test]
    fn stage_that_took_no_time_has_no_skew() {
        assert_eq!(Stage::default().into_profile().skew(), 1.0);
    }
}
