//! Whether rows fit a table, and what the table's schema becomes when they may widen it.

use deltalake::kernel::{ArrayType, DataType, MapType, PrimitiveType, StructField, StructType};
use weir_plan::Result;

use super::data_type::{join, mismatch};

/// What a write makes of a table's schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Merged {
    /// The table's columns in their order, then the new ones.
    pub(super) schema: StructType,
    /// New columns, by path.
    pub(super) added: Vec<String>,
}

/// The schema of `table` after rows of `data` were written to it.
///
/// Column names compare without case and keep the table's spelling. A narrower number fits a wider
/// column. A column the data lacks must be nullable: it is written as null.
///
/// # Errors
/// `SchemaMismatch`, naming column, types and what to do.
pub(super) fn merge(
    table: &StructType,
    data: &StructType,
    merge_schema: bool,
    place: &str,
) -> Result<Merged> {
    let mut added = Vec::new();
    let schema = merge_struct(table, data, "", place, &mut added)?;
    if !added.is_empty() && !merge_schema {
        return Err(mismatch(format!(
            "the rows have columns that {place} lacks: {}; set mergeSchema to true to add them, or \
             drop them",
            added.join(", ")
        )));
    }
    Ok(Merged {
        schema,
        added: if merge_schema { added } else { Vec::new() },
    })
}

fn merge_struct(
    table: &StructType,
    data: &StructType,
    parent: &str,
    place: &str,
    added: &mut Vec<String>,
) -> Result<StructType> {
    let mut fields = Vec::new();
    for field in table.fields() {
        let path = join(parent, field.name());
        match find(data, field.name()) {
            // Rows are matched to nested fields by exact name.
            Some(given) if !parent.is_empty() && given.name() != field.name() => {
                return Err(mismatch(format!(
                    "field {:?} is written {path:?} in {place}; rename it",
                    join(parent, given.name())
                )));
            }
            Some(given) => {
                let data_type =
                    merge_type(field.data_type(), given.data_type(), &path, place, added)?;
                fields.push(
                    StructField::new(field.name(), data_type, field.is_nullable())
                        .with_metadata(field.metadata().clone()),
                );
            }
            None if field.is_nullable() => fields.push(field.clone()),
            None => {
                return Err(mismatch(format!(
                    "the rows lack column {path:?}, which must not be null in {place}; add it"
                )));
            }
        }
    }
    for given in data.fields() {
        if find(table, given.name()).is_none() {
            let path = join(parent, given.name());
            added.push(format!("{path} ({})", given.data_type()));
            fields.push(given.clone());
        }
    }
    StructType::try_new(fields).map_err(|error| {
        mismatch(format!("the merged columns do not fit {place}")).with_source(error)
    })
}

fn merge_type(
    table: &DataType,
    data: &DataType,
    path: &str,
    place: &str,
    added: &mut Vec<String>,
) -> Result<DataType> {
    match (table, data) {
        (DataType::Primitive(to), DataType::Primitive(from)) if widens(from, to) => {
            Ok(table.clone())
        }
        (DataType::Struct(to), DataType::Struct(from)) => {
            Ok(DataType::from(merge_struct(to, from, path, place, added)?))
        }
        (DataType::Array(to), DataType::Array(from)) => {
            let element = merge_type(
                to.element_type(),
                from.element_type(),
                &join(path, "element"),
                place,
                added,
            )?;
            Ok(DataType::from(ArrayType::new(element, to.contains_null())))
        }
        (DataType::Map(to), DataType::Map(from)) => {
            let key = merge_type(
                to.key_type(),
                from.key_type(),
                &join(path, "key"),
                place,
                added,
            )?;
            let value = merge_type(
                to.value_type(),
                from.value_type(),
                &join(path, "value"),
                place,
                added,
            )?;
            Ok(DataType::from(MapType::new(
                key,
                value,
                to.value_contains_null(),
            )))
        }
        _ => Err(mismatch(format!(
            "column {path:?} is {table} in {place} and {data} in the rows; cast it to {table} \
             (mergeSchema adds columns and never changes a type)"
        ))),
    }
}

/// Every value of `from` is a value of `to`.
fn widens(from: &PrimitiveType, to: &PrimitiveType) -> bool {
    use PrimitiveType::{Byte, Double, Float, Integer, Long, Short};
    from == to
        || matches!(
            (from, to),
            (Byte, Short | Integer | Long)
                | (Short, Integer | Long)
                | (Integer, Long)
                | (Float, Double)
        )
}

/// Whether `schema` has a timestamp without time zone anywhere, which needs a table feature.
pub(super) fn has_timestamp_ntz(schema: &StructType) -> bool {
    fn within(data_type: &DataType) -> bool {
        match data_type {
            DataType::Primitive(primitive) => *primitive == PrimitiveType::TimestampNtz,
            DataType::Array(array) => within(array.element_type()),
            DataType::Map(map) => within(map.key_type()) || within(map.value_type()),
            DataType::Struct(inner) => has_timestamp_ntz(inner),
            DataType::Variant(_) => false,
        }
    }
    schema.fields().any(|field| within(field.data_type()))
}

/// The field of `name`, without regard to case.
pub(super) fn find<'a>(schema: &'a StructType, name: &str) -> Option<&'a StructField> {
    schema.field(name).or_else(|| {
        let lower = name.to_lowercase();
        schema
            .fields()
            .find(|field| field.name().to_lowercase() == lower)
    })
}
