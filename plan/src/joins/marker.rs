//! A hint in the physical plan, from when it is planned until the joins are chosen.

use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::Transformed;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};

use super::hint::JoinHint;
use crate::error::Result;
use crate::one_input::{one_input, same_rows};

/// Its input, hinted. Removed when the joins have been chosen: it is not sent to executors.
#[derive(Debug)]
pub(super) struct HintedExec {
    hint: JoinHint,
    input: Arc<dyn ExecutionPlan>,
}

impl HintedExec {
    pub(super) fn new(hint: JoinHint, input: Arc<dyn ExecutionPlan>) -> Self {
        Self { hint, input }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Ok(Self::new(self.hint, input))
    }
}

/// What `plan` hints at, if it is a hint.
pub(super) fn without_hint(plan: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    match plan.downcast_ref::<HintedExec>() {
        Some(hinted) => Transformed::yes(Arc::clone(&hinted.input)),
        None => Transformed::no(plan),
    }
}

/// The hint for a side of a join: its own, or that of what it filters and projects.
pub(super) fn hint_of(side: &Arc<dyn ExecutionPlan>) -> Option<JoinHint> {
    if let Some(hinted) = side.downcast_ref::<HintedExec>() {
        return Some(hinted.hint);
    }
    let passes_on = side.is::<ProjectionExec>() || side.is::<FilterExec>();
    let child = side.children().first().copied().filter(|_| passes_on)?;
    hint_of(child)
}

impl DisplayAs for HintedExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HintedExec: {}", self.hint)
    }
}

impl ExecutionPlan for HintedExec {
    one_input!("HintedExec");
    same_rows!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        self.input.execute(partition, context)
    }
}
