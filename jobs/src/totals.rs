//! The one row of an aggregate over all rows, by the names of its columns.

use weir::datafusion::arrow::array::cast::AsArray;
use weir::datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use weir::datafusion::arrow::datatypes::{Date32Type, Int64Type};
use weir::datafusion::arrow::util::display::array_value_to_string;
use weir::{DataFrame, Error, Result};

use crate::dates::Day;

/// The row that a dataframe of one row has.
#[derive(Debug)]
pub struct Totals(RecordBatch);

impl Totals {
    /// Runs `frame`, which is an aggregate without groups.
    ///
    /// # Errors
    /// What the query reports; `Internal` when it has no row.
    pub async fn of(frame: &DataFrame) -> Result<Self> {
        let batches = frame.collect().await?;
        let row = batches.into_iter().find(|batch| batch.num_rows() == 1);
        row.map(Self)
            .ok_or_else(|| Error::internal("an aggregate over all rows has no row"))
    }

    /// The bigint in `column`.
    ///
    /// # Errors
    /// `Internal` for a column that is not there or of another type.
    pub fn long(&self, column: &str) -> Result<Option<i64>> {
        let values = self.column(column)?;
        let values = values.as_primitive_opt::<Int64Type>().ok_or_else(|| {
            Error::internal(format!("{column} is {}, no bigint", values.data_type()))
        })?;
        Ok(values.is_valid(0).then(|| values.value(0)))
    }

    /// The count in `column`; that of no rows, which a sum calls null, is 0.
    ///
    /// # Errors
    /// As [`Self::long`].
    pub fn count(&self, column: &str) -> Result<u64> {
        u64::try_from(self.long(column)?.unwrap_or_default())
            .map_err(|_| Error::internal(format!("{column} is a negative count")))
    }

    /// The date in `column`.
    ///
    /// # Errors
    /// As [`Self::long`].
    pub fn day(&self, column: &str) -> Result<Option<Day>> {
        let values = self.column(column)?;
        let values = values.as_primitive_opt::<Date32Type>().ok_or_else(|| {
            Error::internal(format!("{column} is {}, no date", values.data_type()))
        })?;
        Ok(if values.is_valid(0) {
            Day::from_epoch(values.value(0))
        } else {
            None
        })
    }

    /// The value in `column` as text.
    ///
    /// # Errors
    /// As [`Self::long`].
    pub fn text(&self, column: &str) -> Result<Option<String>> {
        let values = self.column(column)?;
        if values.is_null(0) {
            return Ok(None);
        }
        let text = array_value_to_string(values, 0);
        text.map(Some)
            .map_err(|error| Error::internal(format!("{column} is no text")).with_source(error))
    }

    fn column(&self, name: &str) -> Result<&ArrayRef> {
        let column = self.0.column_by_name(name);
        column.ok_or_else(|| Error::internal(format!("the totals have no column {name:?}")))
    }
}
