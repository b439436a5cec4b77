//! The plan node that reads Kafka offset ranges.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result as DfResult, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use tokio::sync::mpsc::Sender;
use weir_plan::{Error, Result, STREAM_INPUT_ROWS};

use super::properties::ClientProperties;
use super::ranges::OffsetRange;
use super::reader::{BatchSink, read_ranges};
use super::rows::Rows;
use super::schema::kafka_schema;
use crate::leaves::{SharedLeaf, share_out};

/// How many finished batches of a task wait for their consumer.
const BATCHES_AHEAD: usize = 2;

/// How many ranges a plan shows.
const RANGES_SHOWN: usize = 8;

/// What every task of a read shares.
#[derive(Debug, Clone)]
pub(super) struct ReadSettings {
    pub(super) client: ClientProperties,
    pub(super) include_headers: bool,
    pub(super) fail_on_data_loss: bool,
    pub(super) poll_timeout: Duration,
}

/// Reads explicit offset ranges, each in exactly one of its output partitions.
///
/// ```text
/// partition 0: orders-0[0..500) orders-1[0..480)   one consumer, one thread
/// partition 1: events-0[7..990)                    one consumer, one thread
/// ```
///
/// The ranges are fixed when the node is made, and no optimizer rule repartitions it: whatever plan
/// it ends up in, each offset is read once. Dropping a partition's stream stops its thread.
#[derive(Debug)]
pub struct KafkaReadExec {
    settings: Arc<ReadSettings>,
    /// Indices into the Kafka schema, in output order.
    projection: Vec<usize>,
    /// At least one, which may be empty.
    tasks: Vec<Vec<OffsetRange>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl KafkaReadExec {
    /// A node with one partition per task, or one empty partition.
    pub(super) fn try_new(
        settings: ReadSettings,
        projection: Option<&Vec<usize>>,
        mut tasks: Vec<Vec<OffsetRange>>,
    ) -> Result<Self> {
        let all = kafka_schema(settings.include_headers);
        let projection = projection
            .cloned()
            .unwrap_or_else(|| (0..all.fields().len()).collect());
        let schema: SchemaRef = Arc::new(all.project(&projection).map_err(|error| {
            Error::internal("a kafka read has columns that do not exist").with_source(error)
        })?);
        if tasks.is_empty() {
            tasks.push(Vec::new());
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(tasks.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        // Its stream is a tokio channel, which takes part in tokio's budget.
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            settings: Arc::new(settings),
            projection,
            tasks,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(super) fn settings(&self) -> &ReadSettings {
        &self.settings
    }

    pub(super) fn projection(&self) -> &[usize] {
        &self.projection
    }

    pub(super) fn tasks(&self) -> &[Vec<OffsetRange>] {
        &self.tasks
    }
}

impl SharedLeaf for KafkaReadExec {
    fn parts(&self) -> usize {
        self.tasks.iter().flatten().count()
    }

    fn share(&self, tasks: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let ranges = self.tasks.iter().flatten().cloned();
        let settings = self.settings.as_ref();
        share_out(ranges, OffsetRange::len, tasks, self.tasks.len())
            .into_iter()
            .map(|mut task| {
                task.iter_mut().for_each(|ranges| ranges.sort());
                let projection = Some(&self.projection);
                let leaf = Self::try_new(settings.clone(), projection, task)?;
                Ok(Arc::new(leaf) as Arc<dyn ExecutionPlan>)
            })
            .collect()
    }
}

/// Topics, partitions and offsets; of the client properties only the servers.
impl DisplayAs for KafkaReadExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<&OffsetRange> = self.tasks.iter().flatten().collect();
        let shown: Vec<String> = ranges
            .iter()
            .take(RANGES_SHOWN)
            .map(ToString::to_string)
            .collect();
        let more = match ranges.len().saturating_sub(RANGES_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let schema = self.properties.eq_properties.schema();
        let columns: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let (servers, tasks) = (self.settings.client.servers(), self.tasks.len());
        let (ranges, columns) = (shown.join(", "), columns.join(", "));
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(
                f,
                "KafkaReadExec: servers={servers}, tasks={tasks}, columns=[{columns}], ranges=[{ranges}{more}]"
            ),
            DisplayFormatType::TreeRender => write!(f, "tasks={tasks}\nranges={ranges}{more}"),
        }
    }
}

impl ExecutionPlan for KafkaReadExec {
    fn name(&self) -> &'static str {
        "KafkaReadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            Err(Error::internal("a kafka read has no inputs").into())
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let ranges = self.tasks.get(partition).cloned().ok_or_else(|| {
            Error::internal(format!(
                "task {partition} of a kafka read with {} tasks was asked for",
                self.tasks.len()
            ))
        })?;
        let settings = Arc::clone(&self.settings);
        let rows = Rows::new(
            self.schema(),
            &self.projection,
            context.session_config().batch_size(),
        )?;
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema(), BATCHES_AHEAD);
        let sink = ChannelSink {
            channel: stream.tx(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
            input_rows: MetricBuilder::new(&self.metrics).counter(STREAM_INPUT_ROWS, partition),
            bytes_read: MetricBuilder::new(&self.metrics).counter("bytes_read", partition),
        };
        if !ranges.is_empty() {
            stream.spawn_blocking(move || {
                read_ranges(&settings, &ranges, rows, sink).map_err(DataFusionError::from)
            });
        }
        Ok(stream.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DfResult<Arc<Statistics>> {
        let offsets = |task: &Vec<OffsetRange>| task.iter().map(OffsetRange::len).sum::<u128>();
        let count = match args.partition() {
            Some(partition) => self.tasks.get(partition).map_or(0, offsets),
            None => self.tasks.iter().map(offsets).sum(),
        };
        let mut statistics = Statistics::new_unknown(&self.schema());
        // Gaps and transaction markers count as offsets.
        statistics.num_rows = Precision::Inexact(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(Arc::new(statistics))
    }
}

/// The bounded channel to a partition's stream.
struct ChannelSink {
    channel: Sender<DfResult<RecordBatch>>,
    baseline: BaselineMetrics,
    input_rows: Count,
    bytes_read: Count,
}

impl BatchSink for ChannelSink {
    fn send(&mut self, batch: RecordBatch, bytes: usize) -> bool {
        self.input_rows.add(batch.num_rows());
        self.bytes_read.add(bytes);
        let batch = batch.record_output(&self.baseline);
        self.channel.blocking_send(Ok(batch)).is_ok()
    }

    fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }
}
