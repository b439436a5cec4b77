//! What a task of any write counts.

use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

/// What a task counts, of the rows and files it wrote.
#[derive(Debug, Clone)]
pub(crate) struct TaskMetrics {
    pub(crate) rows: Count,
    pub(crate) bytes: Count,
    pub(crate) files: Count,
    pub(crate) time: Time,
}

impl TaskMetrics {
    /// Of files of dead letters, which are no rows that were written.
    pub(crate) fn of_letters(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            rows: MetricBuilder::new(metrics).counter("dead_letters", partition),
            bytes: MetricBuilder::new(metrics).counter("dead_letter_bytes", partition),
            files: MetricBuilder::new(metrics).counter("dead_letter_files", partition),
            time: MetricBuilder::new(metrics).subset_time("dead_letter_write_time", partition),
        }
    }

    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            rows: MetricBuilder::new(metrics).counter("rows_written", partition),
            bytes: MetricBuilder::new(metrics).counter("bytes_written", partition),
            files: MetricBuilder::new(metrics).counter("files_written", partition),
            time: MetricBuilder::new(metrics).subset_time("write_time", partition),
        }
    }
}

/// What a task counts that tells rows apart.
#[derive(Debug)]
pub(crate) struct SortingMetrics {
    pub(crate) letters: TaskMetrics,
    pub(crate) dropped: Count,
    pub(crate) time: Time,
}

impl SortingMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            letters: TaskMetrics::of_letters(metrics, partition),
            dropped: MetricBuilder::new(metrics).counter("rows_dropped", partition),
            time: MetricBuilder::new(metrics).subset_time("sort_time", partition),
        }
    }
}
