//! What every sink's plan node has in common: one input, a row per file for its output.

use std::future::Future;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, PlanProperties};

use crate::error::{Error, Result};
use crate::manifest::manifest_schema;

/// Of a node that writes each partition of `input`, and returns that partition's manifest at its end.
#[must_use]
pub fn write_properties(input: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(manifest_schema()),
        Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
        EmissionType::Final,
        Boundedness::Bounded,
    ))
}

/// The only one of a write node's `inputs`.
///
/// # Errors
/// `Internal`, naming `node`, when there are more or fewer.
pub fn only_input(node: &str, inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
    match inputs {
        [input] => Ok(Arc::clone(input)),
        _ => Err(Error::internal(format!(
            "{node} takes one input, not {}",
            inputs.len()
        ))),
    }
}

/// The output of one partition: what `write` returns, a batch of [`manifest_schema`].
#[must_use]
pub fn manifest_stream(
    write: impl Future<Output = Result<RecordBatch>> + Send + 'static,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(
        manifest_schema(),
        futures::stream::once(async move { Ok(write.await?) }),
    ))
}
