//! The predicate of `replaceWhere` over rows that are written, as one more column beside them.
//!
//! The column is computed where the rows are, by the engine, and ends at the write: it is no column of
//! the table. A filter in its place would be moved: before those of the query, to fail on rows that
//! are never written; or into the scan of a table, to skip by statistics that know no NaN.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use weir_plan::{Error, Result};

/// The name of the column.
pub(super) const CHECK_COLUMN: &str = "__weir_replace_where";

/// Which rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// All, and the predicate must be true of each.
    AllMustMatch,
    /// Those that the predicate is not true of.
    NotMatching,
}

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowCheck {
    pub(super) rule: Rule,
    /// The predicate, as the user wrote it.
    pub(super) predicate: String,
    /// The columns it asks for, for messages.
    pub(super) columns: Vec<String>,
}

impl RowCheck {
    /// For plans.
    pub(super) fn described(&self) -> String {
        match self.rule {
            Rule::AllMustMatch => format!("all_match={}", self.predicate),
            Rule::NotMatching => format!("none_matches={}", self.predicate),
        }
    }

    /// `input` without the column.
    ///
    /// # Errors
    /// `InvalidPlan` when it is not there, or not of truth values.
    pub(super) fn rows_of(input: &Schema) -> Result<Schema> {
        match input.fields().split_last() {
            Some((check, own))
                if check.name() == CHECK_COLUMN && *check.data_type() == DataType::Boolean =>
            {
                Ok(Schema::new(own.to_vec()))
            }
            _ => Err(Error::invalid_plan(format!(
                "the rows of a write with replaceWhere lack their last column {CHECK_COLUMN:?}"
            ))),
        }
    }

    /// The rows of `batch` that are written, without the column.
    ///
    /// # Errors
    /// `InvalidArgument` for a row that does not satisfy the predicate and must, with its values.
    pub(super) fn apply(&self, mut batch: RecordBatch) -> Result<RecordBatch> {
        let check = batch.remove_column(batch.num_columns() - 1);
        let check = check.as_boolean();
        if self.rule == Rule::NotMatching {
            let others: BooleanArray = check
                .iter()
                .map(|matches| Some(matches != Some(true)))
                .collect();
            return filter_record_batch(&batch, &others).map_err(|error| {
                Error::internal("cannot select the rows to write").with_source(error)
            });
        }
        let satisfied = |row: usize| check.is_valid(row) && check.value(row);
        match (0..check.len()).find(|row| !satisfied(*row)) {
            None => Ok(batch),
            Some(row) => Err(Error::invalid_argument(format!(
                "a row does not satisfy replaceWhere {:?}: {}; nothing is written: filter the rows by \
                 the predicate, or correct it",
                self.predicate,
                self.values(&batch, row)
            ))),
        }
    }

    fn values(&self, batch: &RecordBatch, row: usize) -> String {
        let options = FormatOptions::default().with_null("null");
        let value = |name: &String| {
            let lower = name.to_lowercase();
            let schema = batch.schema();
            let fields = schema.fields().iter();
            let column = fields
                .enumerate()
                .find(|(_, field)| field.name().to_lowercase() == lower)
                .map(|(index, _)| batch.column(index));
            let text = match column {
                None => "null".to_owned(),
                Some(column) => ArrayFormatter::try_new(column, &options)
                    .and_then(|formatter| formatter.value(row).try_to_string())
                    .unwrap_or_else(|_| "?".to_owned()),
            };
            format!("{name} = {text:.200}")
        };
        let values: Vec<_> = self.columns.iter().map(value).collect();
        values.join(", ")
    }
}
