//! Which columns of a file have a dictionary: not those whose values hardly repeat.
//!
//! The encoder looks each value of a column up in a dictionary until that outgrows its limit, in every row group anew, and keeps
//! one of as many values as there are rows. The first rows of a file tell where that is in vain: keys, offsets, message bodies.

use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::ColumnPath;
use arrow::array::{Array as _, ArrayRef, RecordBatch};
use datafusion::common::hash_utils::create_hashes;
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use weir_plan::estimate::batch_bytes;

/// Rows that are looked at, at most.
const SAMPLE_ROWS: usize = 8192;

/// Values below which a column tells nothing.
const SAMPLE_VALUES_MIN: usize = 1024;

/// How often encoded rows are smaller than rows in memory, at best: row groups are measured encoded.
const SHRINKS_AT_MOST: usize = 4;

/// `properties`, without dictionaries for the columns that are not worth one by the first rows of the file: nested ones are not
/// looked at.
pub(crate) fn fitted_to(properties: &WriterProperties, first: &RecordBatch) -> WriterProperties {
    let sample = first.slice(0, first.num_rows().min(SAMPLE_ROWS));
    if sample.num_rows() < SAMPLE_VALUES_MIN {
        return properties.clone();
    }
    let row_bytes = usize::try_from(batch_bytes(&sample)).unwrap_or(usize::MAX);
    let row_bytes = (row_bytes / sample.num_rows()).max(1);
    let group_bytes = properties.max_row_group_bytes().unwrap_or(usize::MAX);
    let group_rows = (group_bytes / row_bytes).saturating_mul(SHRINKS_AT_MOST);
    let mut builder = properties.clone().into_builder();
    for (field, column) in sample.schema().fields().iter().zip(sample.columns()) {
        // Drawn from twice as many values, four fifths of a row group's are different.
        if distinct_values(column).is_some_and(|values| values / 2 >= group_rows) {
            let path = ColumnPath::from(field.name().as_str());
            builder = builder.set_column_dictionary_enabled(path, false);
        }
    }
    builder.build()
}

/// How many different values a column has, by how many of the sampled ones are equal: of `n` values drawn from `k`, about
/// `n²/2k` equal an earlier one. None if too few are there, or if they are nested.
fn distinct_values(column: &ArrayRef) -> Option<usize> {
    let values = column.len() - column.logical_null_count();
    if values < SAMPLE_VALUES_MIN || column.data_type().is_nested() {
        return None;
    }
    let mut hashes = vec![0; column.len()];
    create_hashes(
        [column],
        REPARTITION_RANDOM_STATE.random_state(),
        &mut hashes,
    )
    .ok()?;
    if let Some(nulls) = column.logical_nulls() {
        let mut row = 0;
        hashes.retain(|_| {
            row += 1;
            nulls.is_valid(row - 1)
        });
    }
    hashes.sort_unstable();
    hashes.dedup();
    let equal = values - hashes.len();
    Some(values * values / (2 * equal.max(1)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::parquet::basic::Compression;
    use arrow::array::{Int64Array, StringArray};

    use super::super::properties::writer_properties;
    use super::*;

    const ROWS: i64 = 8192;

    fn has_dictionary(column: ArrayRef) -> bool {
        let body: ArrayRef = Arc::new(StringArray::from(vec!["b".repeat(500); ROWS as usize]));
        let rows = RecordBatch::try_from_iter([("c", column), ("body", body)]);
        let rows = rows.expect("a batch");
        let properties = writer_properties(&rows.schema(), Compression::SNAPPY, 16 << 20);
        let properties = fitted_to(&properties, &rows);
        assert!(properties.dictionary_enabled(&ColumnPath::from("body")));
        properties.dictionary_enabled(&ColumnPath::from("c"))
    }

    fn numbers(of: impl Fn(i64) -> i64) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(of)))
    }

    #[test]
    fn a_column_without_equal_values_has_no_dictionary() {
        assert!(!has_dictionary(numbers(|row| row)));
        let texts = (0..ROWS).map(|row| Some(format!("order-{row}")));
        assert!(!has_dictionary(Arc::new(texts.collect::<StringArray>())));
    }

    #[test]
    fn values_that_repeat_have_a_dictionary() {
        assert!(has_dictionary(numbers(|row| row % 5000)));
        assert!(has_dictionary(numbers(|row| row / 4)));
    }

    #[test]
    fn values_that_repeat_within_a_row_group_but_hardly_in_the_sample_have_a_dictionary() {
        // 50,000 different ones: a row group has 131,072 rows.
        let mut random = 7_i64;
        let random = (0..ROWS).map(|_| {
            random = (random * 48_271) % 2_147_483_647;
            random % 50_000
        });
        let random: ArrayRef = Arc::new(Int64Array::from_iter_values(random));
        assert!(has_dictionary(random));
    }

    #[test]
    fn nulls_are_no_equal_values() {
        let half = (0..ROWS).map(|row| (row % 2 == 0).then_some(row));
        assert!(!has_dictionary(Arc::new(half.collect::<Int64Array>())));
    }

    #[test]
    fn few_rows_leave_the_dictionary() {
        let few: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let rows = RecordBatch::try_from_iter([("c", few)]).expect("a batch");
        let properties = writer_properties(&rows.schema(), Compression::SNAPPY, 16 << 20);
        let properties = fitted_to(&properties, &rows);
        assert!(properties.dictionary_enabled(&ColumnPath::from("c")));
    }
}
