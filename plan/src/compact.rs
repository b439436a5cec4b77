//! Rows without the memory that they were cut from, for sorts in little memory.
//!
//! A batch often holds more than its rows: a slice holds all that it is a slice of, and text the blocks, of up to 1 MiB a column, that it was
//! put together in. A sort reserves for what a batch holds, twice, and fails where that is more than its share, though its rows
//! would fit many times. Batches of 2,048 rows with four columns of text held 5 MB, of which 300 KB were theirs.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, MutableArrayData, RecordBatch, make_array};
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ReplaceChildrenOptions,
};
use futures::TryStreamExt as _;

use crate::codec::NodeCodec;
use crate::error::Result;
use crate::one_input::{one_input, same_rows};
use crate::write_node::only_input;

/// Sorts are given batches that hold no more than their rows: an extension of a session's configuration.
#[derive(Debug, Clone, Copy)]
pub struct CompactSorts;

/// `plan`, with the rows of each sort compact: those that go in, and, of sorts that keep all rows, those that come out, which hold a
/// part of every run that they were merged of, and which joins buffer.
///
/// # Errors
/// DataFusion's, when a node does not take its input back.
pub(crate) fn compacted(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let plan = plan.transform_up(|plan| {
        let Some(sort) = plan.downcast_ref::<SortExec>() else {
            return Ok(Transformed::no(plan));
        };
        let input = Arc::new(CompactExec::new(Arc::clone(sort.input())));
        // One that keeps the first few rows keeps the batches that they are in.
        let few = sort.fetch().is_some();
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let sorted = Arc::clone(&plan).replace_children(vec![input], options)?;
        Ok(Transformed::yes(match few {
            true => sorted,
            false => Arc::new(CompactExec::new(sorted)),
        }))
    })?;
    Ok(plan.data)
}

/// The rows of its input, in batches that hold little more than them.
#[derive(Debug)]
struct CompactExec {
    input: Arc<dyn ExecutionPlan>,
}

impl CompactExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        Ok(Self::new(input))
    }
}

impl DisplayAs for CompactExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompactExec")
    }
}

impl ExecutionPlan for CompactExec {
    one_input!("CompactExec");
    same_rows!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let rows = self.input.execute(partition, context)?;
        let compact = rows.and_then(|batch| std::future::ready(compact(&batch)));
        let stream = RecordBatchStreamAdapter::new(self.schema(), compact);
        Ok(Box::pin(stream))
    }
}

/// Bytes that a column may hold besides its rows: a copy would not be worth it.
const SLACK_BYTES: usize = 16 << 10;

fn compact(batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    let columns = batch.columns().iter().map(compact_column);
    let columns = columns.collect::<Result<_, _>>()?;
    let schema = batch.schema();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// `column`, copied if it holds more than twice its rows.
fn compact_column(column: &ArrayRef) -> Result<ArrayRef, DataFusionError> {
    let holds = column.get_buffer_memory_size();
    let views = column.len() * size_of::<u128>();
    let needs = match column.data_type() {
        DataType::Utf8View => views + column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => views + column.as_binary_view().total_buffer_bytes_used(),
        _ => column.to_data().get_slice_memory_size()?,
    };
    if holds <= needs.saturating_mul(2).saturating_add(SLACK_BYTES) {
        return Ok(Arc::clone(column));
    }
    let data = column.to_data();
    let mut copied = MutableArrayData::new(vec![&data], false, column.len());
    copied.try_extend(0, 0, column.len())?;
    let column = make_array(copied.freeze());
    // Views are copied, and what they view is not.
    Ok(match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column,
    })
}

/// Encodes and decodes [`CompactExec`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CompactCodec;

impl NodeCodec for CompactCodec {
    fn name(&self) -> &'static str {
        "CompactExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        Ok(node.is::<CompactExec>().then(Vec::new))
    }

    fn decode(
        &self,
        _payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        Ok(Arc::new(CompactExec::new(input)))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn few_rows_of_a_large_batch_hold_little_and_are_the_same() {
        let numbers = Int64Array::from_iter_values(0..100_000);
        let texts =
            (0..100_000).map(|at| (at % 7 > 0).then(|| format!("a text of some length {at}")));
        let texts = StringViewArray::from_iter(texts);
        let fields = vec![
            Field::new("n", DataType::Int64, false),
            Field::new("t", DataType::Utf8View, true),
        ];
        let schema = Arc::new(Schema::new(fields));
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts)];
        let whole = RecordBatch::try_new(schema, columns).unwrap();
        let part = whole.slice(50_000, 1000);
        assert!(part.get_array_memory_size() > 3_000_000);
        let small = compact(&part).unwrap();
        assert_eq!(small, part);
        assert!(small.get_array_memory_size() < 100_000);
        // What holds only its rows is not copied.
        let again = compact(&small).unwrap();
        for (one, other) in small.columns().iter().zip(again.columns()) {
            assert!(Arc::ptr_eq(one, other));
        }
    }
}
