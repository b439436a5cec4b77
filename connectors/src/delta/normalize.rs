//! Rows as a table's files hold them: its columns by name and in order, its types, nulls for what
//! the rows lack, and no null where the table forbids one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
    new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use weir_plan::{Error, Result};

use super::data_type::{join, mismatch};
use super::partition::partition_values;

/// Turns batches of one input schema into batches of a table.
#[derive(Debug, Clone)]
pub(super) struct Normalizer {
    table: SchemaRef,
    /// Of each column of the table, the input's; `None` where the input has none.
    sources: Vec<Option<usize>>,
    /// Of each column of the table, whether it is a partition column.
    partition: Vec<bool>,
}

impl Normalizer {
    /// From batches of `input` to batches of `table`.
    ///
    /// # Errors
    /// `InvalidPlan` when `input` has a column `table` lacks: the step was made for other rows.
    pub(super) fn try_new(
        input: &Schema,
        table: SchemaRef,
        partition_columns: &[String],
    ) -> Result<Self> {
        let lower = |field: &FieldRef| field.name().to_lowercase();
        if let Some(extra) = input
            .fields()
            .iter()
            .find(|field| !table.fields().iter().any(|own| lower(own) == lower(field)))
        {
            return Err(Error::invalid_plan(format!(
                "column {:?} of the rows is not in the schema this write was made for",
                extra.name()
            )));
        }
        let sources = table
            .fields()
            .iter()
            .map(|own| {
                input
                    .fields()
                    .iter()
                    .position(|field| lower(field) == lower(own))
            })
            .collect();
        let partition = table
            .fields()
            .iter()
            .map(|field| partition_columns.contains(field.name()))
            .collect();
        Ok(Self {
            table,
            sources,
            partition,
        })
    }

    /// Of `columns`, the input's indices.
    pub(super) fn input_indices(&self, columns: &[String]) -> Vec<usize> {
        columns
            .iter()
            .filter_map(|name| self.table.index_of(name).ok())
            .filter_map(|index| self.sources[index])
            .collect()
    }

    /// `batch` as the table holds it.
    ///
    /// # Errors
    /// `SchemaMismatch` for a null or partition value the table forbids, `Compute` for a value its
    /// type cannot hold; both name the column.
    pub(super) fn normalize(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.sources.len());
        for (index, field) in self.table.fields().iter().enumerate() {
            let values = match self.sources[index] {
                Some(source) => conform(batch.column(source), field, field.name())?,
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            refuse_nulls(&values, field, field.name())?;
            columns.push(if self.partition[index] {
                partition_values(values, field)?
            } else {
                values
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.table), columns, &options).map_err(
            |error| Error::internal("cannot build a batch of the table").with_source(error),
        )
    }
}

fn refuse_nulls(values: &ArrayRef, field: &Field, path: &str) -> Result<()> {
    match values.null_count() {
        nulls if nulls > 0 && !field.is_nullable() => Err(mismatch(format!(
            "{nulls} of {} rows have a null in column {path:?}, which must not be null in the table; \
             filter them out or give a default",
            values.len()
        ))),
        _ => Ok(()),
    }
}

/// `values` as `field` declares them.
fn conform(values: &ArrayRef, field: &Field, path: &str) -> Result<ArrayRef> {
    if values.data_type() == field.data_type() {
        return Ok(Arc::clone(values));
    }
    match (values.data_type(), field.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let given = values.as_struct();
            let columns = struct_columns(given, fields, path)?;
            let built = StructArray::try_new_with_length(
                fields.clone(),
                columns,
                given.nulls().cloned(),
                given.len(),
            );
            built
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(|error| forbidden_null(path, error))
        }
        (
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::FixedSizeList(..),
            DataType::List(element),
        ) => list(values, element, path),
        (DataType::Map(..), DataType::Map(entries, sorted)) => map(values, entries, *sorted, path),
        (_, target) => cast(values, target, path),
    }
}

fn struct_columns(given: &StructArray, fields: &Fields, path: &str) -> Result<Vec<ArrayRef>> {
    fields
        .iter()
        .map(|field| match given.column_by_name(field.name()) {
            Some(values) => conform(values, field, &join(path, field.name())),
            None => Ok(new_null_array(field.data_type(), given.len())),
        })
        .collect()
}

fn list(values: &ArrayRef, element: &FieldRef, path: &str) -> Result<ArrayRef> {
    let given = match values.data_type() {
        DataType::List(_) => Arc::clone(values),
        DataType::LargeList(inner)
        | DataType::ListView(inner)
        | DataType::LargeListView(inner)
        | DataType::FixedSizeList(inner, _) => {
            cast(values, &DataType::List(Arc::clone(inner)), path)?
        }
        other => return Err(cannot_cast(path, other, "a list")),
    };
    let given = given.as_list::<i32>();
    let elements = conform(given.values(), element, &join(path, "element"))?;
    ListArray::try_new(
        Arc::clone(element),
        given.offsets().clone(),
        elements,
        given.nulls().cloned(),
    )
    .map(|array| Arc::new(array) as ArrayRef)
    .map_err(|error| forbidden_null(path, error))
}

/// Keys and values go by position: writers do not agree on the names of a map's entries.
fn map(values: &ArrayRef, entries: &FieldRef, sorted: bool, path: &str) -> Result<ArrayRef> {
    let given = values.as_map();
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(cannot_cast(path, values.data_type(), "a map"));
    };
    let columns = vec![
        conform(given.keys(), &fields[0], &join(path, "key"))?,
        conform(given.values(), &fields[1], &join(path, "value"))?,
    ];
    let built = StructArray::try_new(fields.clone(), columns, None).and_then(|structs| {
        MapArray::try_new(
            Arc::clone(entries),
            given.offsets().clone(),
            structs,
            given.nulls().cloned(),
            sorted,
        )
    });
    built
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| forbidden_null(path, error))
}

fn cast(values: &ArrayRef, target: &DataType, path: &str) -> Result<ArrayRef> {
    // Not `safe`: a value that does not fit is an error, never a null.
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, target, &options).map_err(|error| {
        cannot_cast(path, values.data_type(), &target.to_string()).with_source(error)
    })
}

fn cannot_cast(path: &str, from: &DataType, to: &str) -> Error {
    Error::new(
        weir_plan::ErrorKind::Compute,
        format!("column {path:?} cannot be written: {from} as {to}"),
    )
}

fn forbidden_null(path: &str, error: ArrowError) -> Error {
    mismatch(format!(
        "column {path:?} has a null where the table forbids one"
    ))
    .with_source(error)
}
