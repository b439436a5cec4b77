//! Columns as they are stored: named by their place, and without the encodings of which the format takes only one per file.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

/// The columns of files that keep rows of `schema`.
pub(super) fn stored_schema(schema: &Schema) -> SchemaRef {
    let columns = schema.fields().iter().enumerate().map(|(place, field)| {
        let data_type = stored_type(field.data_type());
        let stored = Field::new(stored_name(place), data_type, field.is_nullable());
        stored.with_metadata(field.metadata().clone())
    });
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

/// What the column at `place` is called. Names are not kept in files: those of a join's rows occur twice.
pub(super) fn stored_name(place: usize) -> String {
    format!("c{place}")
}

/// `data_type` without dictionaries (a file of Arrow's has one dictionary per column, a stream of batches has many) and runs.
fn stored_type(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| -> FieldRef {
        let data_type = stored_type(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        DataType::Dictionary(_, values) => stored_type(values),
        DataType::RunEndEncoded(_, values) => stored_type(values.data_type()),
        DataType::List(items) => DataType::List(field(items)),
        DataType::LargeList(items) => DataType::LargeList(field(items)),
        DataType::FixedSizeList(items, size) => DataType::FixedSizeList(field(items), *size),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect::<Fields>()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_stored_by_place_without_dictionaries_at_any_depth() {
        let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let words = Arc::new(Field::new("item", words, true));
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("id", DataType::List(Arc::clone(&words)), true),
            Field::new("s", DataType::Struct(vec![words].into()), true),
        ]);
        let stored = stored_schema(&schema);
        let plain = Arc::new(Field::new("item", DataType::Utf8, true));
        assert_eq!(
            stored.as_ref(),
            &Schema::new(vec![
                Field::new("c0", DataType::Int64, false),
                Field::new("c1", DataType::List(Arc::clone(&plain)), true),
                Field::new("c2", DataType::Struct(vec![plain].into()), true),
            ])
        );
    }
}
