//! Arrow types as Delta types: what a table can store, and how rows are normalised to it.
//!
//! Views, large and dictionary types are stored as what they stand for; timestamps in microseconds
//! (a finer part is cut off, as in Spark), in UTC when they have a zone. What Delta has no type for
//! is refused, with the cast that would help.

use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use deltalake::kernel::{ArrayType, DataType, MapType, StructField, StructType};
use weir_plan::{Error, ErrorKind, Result};

/// `schema` as a table's: every column nullable, as Spark creates tables, so that a later batch may
/// lack a value.
///
/// # Errors
/// `SchemaMismatch` for a type Delta cannot store and for columns that differ in case only.
pub(super) fn delta_schema(schema: &Schema) -> Result<StructType> {
    delta_struct(schema.fields(), "")
}

fn delta_struct<'a>(
    fields: impl IntoIterator<Item = &'a std::sync::Arc<Field>>,
    parent: &str,
) -> Result<StructType> {
    let mut seen: Vec<(String, &str)> = Vec::new();
    let mut converted = Vec::new();
    for field in fields {
        let path = join(parent, field.name());
        let lower = field.name().to_lowercase();
        if let Some((_, first)) = seen.iter().find(|(name, _)| *name == lower) {
            return Err(mismatch(format!(
                "columns {first:?} and {path:?} are the same to a delta table, which ignores case; \
                 rename one of them"
            )));
        }
        seen.push((lower, field.name()));
        converted.push(StructField::nullable(
            field.name(),
            delta_type(field.data_type(), &path)?,
        ));
    }
    StructType::try_new(converted)
        .map_err(|error| mismatch("the columns are no schema of a delta table").with_source(error))
}

/// The Delta type that stores values of `arrow`, of the column at `path`.
///
/// # Errors
/// As [`delta_schema`].
pub(super) fn delta_type(arrow: &ArrowType, path: &str) -> Result<DataType> {
    let decimal = |precision: u8, scale: i8| {
        u8::try_from(scale)
            .ok()
            .and_then(|scale| DataType::decimal(precision, scale).ok())
            .ok_or_else(|| {
                refused(
                    arrow,
                    path,
                    "cast it to a decimal(p, s) with 0 <= s <= p <= 38",
                )
            })
    };
    let list = |element: &Field| {
        let element = delta_type(element.data_type(), &join(path, "element"))?;
        Ok(DataType::from(ArrayType::new(element, true)))
    };
    match arrow {
        ArrowType::Boolean => Ok(DataType::BOOLEAN),
        ArrowType::Int8 => Ok(DataType::BYTE),
        ArrowType::Int16 => Ok(DataType::SHORT),
        ArrowType::Int32 => Ok(DataType::INTEGER),
        ArrowType::Int64 => Ok(DataType::LONG),
        ArrowType::Float32 => Ok(DataType::FLOAT),
        ArrowType::Float64 => Ok(DataType::DOUBLE),
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => Ok(DataType::STRING),
        ArrowType::Binary
        | ArrowType::LargeBinary
        | ArrowType::BinaryView
        | ArrowType::FixedSizeBinary(_) => Ok(DataType::BINARY),
        ArrowType::Date32 | ArrowType::Date64 => Ok(DataType::DATE),
        ArrowType::Timestamp(_, Some(_)) => Ok(DataType::TIMESTAMP),
        ArrowType::Timestamp(_, None) => Ok(DataType::TIMESTAMP_NTZ),
        ArrowType::Decimal32(precision, scale)
        | ArrowType::Decimal64(precision, scale)
        | ArrowType::Decimal128(precision, scale) => decimal(*precision, *scale),
        ArrowType::Dictionary(_, values) => delta_type(values, path),
        ArrowType::RunEndEncoded(_, values) => delta_type(values.data_type(), path),
        ArrowType::List(element)
        | ArrowType::LargeList(element)
        | ArrowType::ListView(element)
        | ArrowType::LargeListView(element)
        | ArrowType::FixedSizeList(element, _) => list(element),
        ArrowType::Struct(fields) => Ok(DataType::from(delta_struct(fields, path)?)),
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(fields) if fields.len() == 2 => Ok(DataType::from(MapType::new(
                delta_type(fields[0].data_type(), &join(path, "key"))?,
                delta_type(fields[1].data_type(), &join(path, "value"))?,
                true,
            ))),
            _ => Err(refused(arrow, path, "it is no well-formed map")),
        },
        ArrowType::UInt8 => Err(refused(arrow, path, "cast it to smallint")),
        ArrowType::UInt16 => Err(refused(arrow, path, "cast it to int")),
        ArrowType::UInt32 => Err(refused(arrow, path, "cast it to bigint")),
        ArrowType::UInt64 => Err(refused(arrow, path, "cast it to bigint or decimal(20, 0)")),
        ArrowType::Float16 => Err(refused(arrow, path, "cast it to float")),
        ArrowType::Decimal256(..) => Err(refused(arrow, path, "cast it to decimal(38, s)")),
        ArrowType::Null => Err(refused(
            arrow,
            path,
            "a column of nulls only has no type; cast it to the one that is meant",
        )),
        ArrowType::Time32(_) | ArrowType::Time64(_) => {
            Err(refused(arrow, path, "cast it to string or to bigint"))
        }
        ArrowType::Duration(_) | ArrowType::Interval(_) => {
            Err(refused(arrow, path, "cast it to bigint or to string"))
        }
        ArrowType::Union(..) => Err(refused(arrow, path, "split it into one column per variant")),
    }
}

/// `parent.name`, or `name` at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// A `SchemaMismatch`.
pub(super) fn mismatch(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::SchemaMismatch, message)
}

fn refused(arrow: &ArrowType, path: &str, hint: &str) -> Error {
    mismatch(format!(
        "column {path:?} has type {arrow}, which a delta table cannot store: {hint}"
    ))
}
