//! How large rows are: those of a batch, and those that a plan gives, as far as can be known before it runs.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Of values whose width is not fixed.
const TEXT_BYTES: usize = 32;

/// The bytes of the rows that `plan` gives. Of a node of which nothing is known: those that it takes.
#[must_use]
pub fn estimated_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    let known = statistics.ok().and_then(|statistics| {
        let rows = statistics.num_rows.get_value().copied()?;
        Some(rows.saturating_mul(row_bytes(&plan.schema())) as u64)
    });
    known.unwrap_or_else(|| total(plan.children().into_iter().map(estimated_bytes)))
}

/// The bytes of everything that `plan` reads.
#[must_use]
pub fn read_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    match plan.children().as_slice() {
        [] => estimated_bytes(plan),
        inputs => total(inputs.iter().map(|input| read_bytes(input))),
    }
}

fn total(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

/// The bytes of a row, roughly.
pub(crate) fn row_bytes(schema: &Schema) -> usize {
    let columns = schema.fields().iter();
    let widths = columns.map(|field| field.data_type().primitive_width().unwrap_or(TEXT_BYTES));
    widths.sum()
}

/// The bytes of a batch's rows. Not what their buffers take: operators hand out slices of one large
/// buffer, which would count again with every slice.
#[must_use]
pub fn batch_bytes(batch: &RecordBatch) -> u64 {
    let columns = batch.columns().iter().map(|column| {
        let data = column.to_data();
        let own = data
            .get_slice_memory_size()
            .unwrap_or_else(|_| data.get_buffer_memory_size());
        // A view's text lies outside of what Arrow counts as its slice.
        let viewed = match column.data_type() {
            DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
            DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
            _ => 0,
        };
        (own + viewed) as u64
    });
    columns.sum()
}
