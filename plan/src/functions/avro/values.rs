//! Arrays of `arrow-avro`'s types as arrays of Spark's.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, NullBufferBuilder, StructArray, UInt32Array,
    UnionArray,
};
use arrow::compute::{CastOptions, cast_with_options, concat, take};
use arrow::datatypes::{DataType, Fields};
use datafusion::common::DataFusionError;

use crate::error::Error;

const STRICT: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: arrow::util::display::FormatOptions::new(),
};

/// `array` as `target`, the type that [`super::schema::AvroTree::data_type`] gives its schema.
pub(super) fn as_spark(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, DataFusionError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let structs = array.as_struct();
            let columns = structs.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| as_spark(column, field.data_type()));
            structure(
                fields,
                columns.collect::<Result<_, _>>()?,
                structs.len(),
                structs.nulls().cloned(),
            )
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(item),
                list.offsets().clone(),
                as_spark(list.values(), item.data_type())?,
                list.nulls().cloned(),
            )?))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(Error::internal("a map's entries are no struct").into());
            };
            let columns = vec![
                as_spark(map.keys(), fields[0].data_type())?,
                as_spark(map.values(), fields[1].data_type())?,
            ];
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                StructArray::try_new(fields.clone(), columns, None)?,
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        (DataType::Union(..), _) => union(array.as_union(), target),
        _ => Ok(cast_with_options(array, target, &STRICT)?),
    }
}

pub(super) fn structure(
    fields: &Fields,
    columns: Vec<ArrayRef>,
    rows: usize,
    nulls: Option<arrow::buffer::NullBuffer>,
) -> Result<ArrayRef, DataFusionError> {
    Ok(match fields.is_empty() {
        true => Arc::new(StructArray::new_empty_fields(rows, nulls)),
        false => Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?),
    })
}

/// Spark's forms of a union: the type of its only branch, the wider of two numbers, or a struct of which one member is not null.
fn union(array: &UnionArray, target: &DataType) -> Result<ArrayRef, DataFusionError> {
    let DataType::Union(branches, _) = array.data_type() else {
        return Err(Error::internal("a union array of another type").into());
    };
    let rows = array.len();
    let ids: Vec<i8> = branches
        .iter()
        .filter(|(_, field)| field.data_type() != &DataType::Null)
        .map(|(id, _)| id)
        .collect();
    let fields = match target {
        DataType::Struct(fields) if ids.len() > 1 => Some(fields),
        _ => None,
    };
    let mut members = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let wanted = fields.map_or(target, |fields| fields[index].data_type());
        let values = as_spark(array.child(*id), wanted)?;
        let places = (0..rows).map(|row| match array.type_id(row) == *id {
            true => u32::try_from(array.value_offset(row)).ok(),
            false => None,
        });
        members.push(take(&values, &UInt32Array::from_iter(places), None)?);
    }
    if let Some(fields) = fields {
        let mut filled = NullBufferBuilder::new(rows);
        for row in 0..rows {
            filled.append(ids.contains(&array.type_id(row)));
        }
        return structure(fields, members, rows, filled.finish());
    }
    // One column of all, each of which has a row for every row.
    let parts: Vec<&dyn Array> = members.iter().map(AsRef::as_ref).collect();
    let places = (0..rows).map(|row| {
        let member = ids.iter().position(|id| *id == array.type_id(row))?;
        u32::try_from(member * rows + row).ok()
    });
    Ok(take(
        &concat(&parts)?,
        &UInt32Array::from_iter(places),
        None,
    )?)
}
