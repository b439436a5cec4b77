//! The node that writes the rows of an exchange.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use url::Url;
use weir_plan::manifest::WritePlace;
use weir_plan::write_node::{manifest_stream, only_input, write_properties};
use weir_plan::{Error, Result};

use super::task::WriteTask;
use crate::object_stores::store_url;
use crate::write_metrics::TaskMetrics;

/// Writes each partition of its input as files below `url`, and returns their manifest.
#[derive(Debug)]
pub struct ExchangeWriteExec {
    url: Url,
    stored: SchemaRef,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ExchangeWriteExec {
    pub(super) fn try_new(
        url: Url,
        stored: SchemaRef,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let columns = input.schema().fields().len();
        if columns != stored.fields().len() {
            return Err(Error::internal(format!(
                "an exchange of {} columns is given {columns}",
                stored.fields().len()
            )));
        }
        Ok(Self {
            url,
            stored,
            properties: write_properties(&input),
            input,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn stored(&self) -> &SchemaRef {
        &self.stored
    }
}

impl DisplayAs for ExchangeWriteExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExchangeWriteExec: {}", self.url)
    }
}

impl ExecutionPlan for ExchangeWriteExec {
    fn name(&self) -> &'static str {
        "ExchangeWriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    // Rows are written where they are.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let input = only_input(self.name(), &children)?;
        let exec = Self::try_new(self.url.clone(), Arc::clone(&self.stored), input)?;
        Ok(Arc::new(exec))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        use datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(Recompute))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let partitions = self.properties.partitioning.partition_count();
        let task = WriteTask::try_new(
            &self.url,
            Arc::clone(&self.stored),
            WritePlace::new(partition, partitions, &context)?,
            TaskMetrics::new(&self.metrics, partition),
            context.runtime_env().object_store(store_url(&self.url)?)?,
            context.memory_pool(),
        )?;
        let input = self.input.execute(partition, context)?;
        Ok(manifest_stream(task.run(input)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
