//! What a task of any write counts.

use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

/// What a task counts, of the rows and files it wrote.
#[derive(Debug)]
pub(crate) struct TaskMetrics {
    pub(crate) rows: Count,
    pub(crate) bytes: Count,
    pub(crate) files: Count,
    pub(crate) time: Time,
}

impl TaskMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            rows: MetricBuilder::new(metrics).counter("rows_written", partition),
            bytes: MetricBuilder::new(metrics).counter("bytes_written", partition),
            files: MetricBuilder::new(metrics).counter("files_written", partition),
            time: MetricBuilder::new(metrics).subset_time("write_time", partition),
        }
    }
}
