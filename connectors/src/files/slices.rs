//! Batches in parts, so that the size of a file is checked between them.

use arrow::array::RecordBatch;

/// Bytes in memory handed to the encoder at a time, however large the rows.
const SLICE_BYTES: usize = 16 << 20;

/// `batch` in parts of at most about [`SLICE_BYTES`], each with its share of the batch's bytes.
pub(crate) fn slices(batch: &RecordBatch) -> impl Iterator<Item = (RecordBatch, usize)> + '_ {
    let rows = batch.num_rows();
    let bytes = batch.get_array_memory_size();
    let parts = (bytes / SLICE_BYTES + 1).min(rows.max(1));
    let step = rows.div_ceil(parts).max(1);
    (0..rows)
        .step_by(step)
        .map(move |start| (batch.slice(start, step.min(rows - start)), bytes / parts))
}
