//! Columns under construction: append, cut back to an earlier length, finish.
//!
//! Cutting back is what lets a repeated name take the place of the first and a malformed record leave
//! no trace, without a row ever standing anywhere else.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray,
    NullBufferBuilder, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields, TimeUnit};
use datafusion::common::DataFusionError;

use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(super) struct Column {
    pub(super) nulls: NullBufferBuilder,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Boolean(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Date(Vec<i32>),
    /// With its zone, if it has one.
    Timestamp(Vec<i64>, Option<Arc<str>>),
    Decimal(Vec<i128>, u8, i8),
    Text(Bytes),
    Binary(Bytes),
    List(Vec<i32>, Box<Column>, FieldRef),
    Map(Vec<i32>, Box<[Column; 2]>, FieldRef),
    Struct(Vec<Column>, Fields),
}

impl Kind {
    /// As a message names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "BOOLEAN",
            Self::Int8(_) => "TINYINT",
            Self::Int16(_) => "SMALLINT",
            Self::Int32(_) => "INT",
            Self::Int64(_) => "BIGINT",
            Self::Float32(_) => "FLOAT",
            Self::Float64(_) => "DOUBLE",
            Self::Date(_) => "DATE",
            Self::Timestamp(..) => "TIMESTAMP",
            Self::Decimal(..) => "DECIMAL of its digits",
            Self::Text(_) => "STRING",
            Self::Binary(_) => "BINARY",
            Self::List(..) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(..) => "STRUCT",
        }
    }
}

/// Values of any length, one after another.
#[derive(Debug)]
pub(super) struct Bytes {
    offsets: Vec<i32>,
    values: Vec<u8>,
}

impl Bytes {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self {
            offsets,
            values: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) -> Result<()> {
        self.values.extend_from_slice(value);
        self.offsets.push(offset(self.values.len())?);
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.values.truncate(
            self.offsets
                .last()
                .map_or(0, |end| usize::try_from(*end).unwrap_or(0)),
        );
    }
}

/// Arrow's offsets have 32 bits here.
pub(super) fn offset(length: usize) -> Result<i32> {
    i32::try_from(length).map_err(|_| {
        Error::new(
            ErrorKind::ResourcesExhausted,
            "one batch's decoded values are larger than 2 GB: lower datafusion.execution.batch_size",
        )
    })
}

impl Column {
    /// An empty column of `data_type` with room for `rows`.
    pub(super) fn new(data_type: &DataType, rows: usize) -> Result<Self> {
        let offsets = || {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            offsets
        };
        let kind = match data_type {
            DataType::Boolean => Kind::Boolean(BooleanBufferBuilder::new(rows)),
            DataType::Int8 => Kind::Int8(Vec::with_capacity(rows)),
            DataType::Int16 => Kind::Int16(Vec::with_capacity(rows)),
            DataType::Int32 => Kind::Int32(Vec::with_capacity(rows)),
            DataType::Int64 => Kind::Int64(Vec::with_capacity(rows)),
            DataType::Float32 => Kind::Float32(Vec::with_capacity(rows)),
            DataType::Float64 => Kind::Float64(Vec::with_capacity(rows)),
            DataType::Date32 => Kind::Date(Vec::with_capacity(rows)),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Kind::Timestamp(Vec::with_capacity(rows), zone.clone())
            }
            DataType::Decimal128(precision, scale) => {
                Kind::Decimal(Vec::with_capacity(rows), *precision, *scale)
            }
            DataType::Utf8 => Kind::Text(Bytes::new(rows)),
            DataType::Binary => Kind::Binary(Bytes::new(rows)),
            DataType::List(item) => Kind::List(
                offsets(),
                Box::new(Self::new(item.data_type(), rows)?),
                Arc::clone(item),
            ),
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else {
                    return Err(unsupported(data_type));
                };
                let [key, value] = pair.as_ref() else {
                    return Err(unsupported(data_type));
                };
                let pair = [
                    Self::new(key.data_type(), rows)?,
                    Self::new(value.data_type(), rows)?,
                ];
                Kind::Map(offsets(), Box::new(pair), Arc::clone(entries))
            }
            DataType::Struct(fields) => {
                let columns = fields
                    .iter()
                    .map(|field| Self::new(field.data_type(), rows));
                Kind::Struct(columns.collect::<Result<_>>()?, fields.clone())
            }
            other => return Err(unsupported(other)),
        };
        Ok(Self {
            nulls: NullBufferBuilder::new(rows),
            kind,
        })
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        !self.nulls.is_valid(row)
    }

    pub(super) fn push_null(&mut self) -> Result<()> {
        match &mut self.kind {
            Kind::Boolean(values) => values.append(false),
            Kind::Int8(values) => values.push(0),
            Kind::Int16(values) => values.push(0),
            Kind::Int32(values) | Kind::Date(values) => values.push(0),
            Kind::Int64(values) | Kind::Timestamp(values, _) => values.push(0),
            Kind::Float32(values) => values.push(0.0),
            Kind::Float64(values) => values.push(0.0),
            Kind::Decimal(values, ..) => values.push(0),
            Kind::Text(bytes) | Kind::Binary(bytes) => bytes.push(&[])?,
            Kind::List(offsets, ..) | Kind::Map(offsets, ..) => {
                let last = offsets.last().copied().unwrap_or(0);
                offsets.push(last);
            }
            Kind::Struct(columns, _) => {
                for column in columns {
                    column.push_null()?;
                }
            }
        }
        self.nulls.append_null();
        Ok(())
    }

    /// A row of a text column.
    pub(super) fn push_text(&mut self, text: &str) -> Result<()> {
        if let Kind::Text(bytes) = &mut self.kind {
            bytes.push(text.as_bytes())?;
            self.nulls.append_non_null();
        }
        Ok(())
    }

    /// A row of a struct column that is no null, but has nothing else.
    pub(super) fn push_struct_of_nulls(&mut self) -> Result<()> {
        if let Kind::Struct(columns, _) = &mut self.kind {
            for column in columns {
                column.push_null()?;
            }
            self.nulls.append_non_null();
        }
        Ok(())
    }

    /// Back to its first `rows` rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.kind {
            Kind::Boolean(values) => {
                if values.len() > rows {
                    values.truncate(rows);
                }
            }
            Kind::Int8(values) => values.truncate(rows),
            Kind::Int16(values) => values.truncate(rows),
            Kind::Int32(values) | Kind::Date(values) => values.truncate(rows),
            Kind::Int64(values) | Kind::Timestamp(values, _) => values.truncate(rows),
            Kind::Float32(values) => values.truncate(rows),
            Kind::Float64(values) => values.truncate(rows),
            Kind::Decimal(values, ..) => values.truncate(rows),
            Kind::Text(bytes) | Kind::Binary(bytes) => bytes.truncate(rows),
            Kind::List(offsets, item, _) => {
                offsets.truncate(rows + 1);
                item.truncate(end(offsets));
            }
            Kind::Map(offsets, pair, _) => {
                offsets.truncate(rows + 1);
                for column in pair.iter_mut() {
                    column.truncate(end(offsets));
                }
            }
            Kind::Struct(columns, _) => {
                // Of a row under construction fields may be there that their struct does not count yet.
                for column in columns {
                    column.truncate(rows);
                }
            }
        }
        if self.nulls.len() > rows {
            self.nulls.truncate(rows);
        }
    }

    pub(super) fn finish(self) -> Result<ArrayRef, DataFusionError> {
        let Self { mut nulls, kind } = self;
        let rows = nulls.len();
        let nulls = nulls.finish();
        Ok(match kind {
            Kind::Boolean(values) => Arc::new(BooleanArray::new(values.build(), nulls)),
            Kind::Int8(values) => Arc::new(Int8Array::try_new(values.into(), nulls)?),
            Kind::Int16(values) => Arc::new(Int16Array::try_new(values.into(), nulls)?),
            Kind::Int32(values) => Arc::new(Int32Array::try_new(values.into(), nulls)?),
            Kind::Int64(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Kind::Float32(values) => Arc::new(Float32Array::try_new(values.into(), nulls)?),
            Kind::Float64(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Kind::Date(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Kind::Timestamp(values, zone) => Arc::new(
                TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone_opt(zone),
            ),
            Kind::Decimal(values, precision, scale) => Arc::new(
                Decimal128Array::try_new(values.into(), nulls)?
                    .with_precision_and_scale(precision, scale)?,
            ),
            Kind::Text(bytes) => {
                let values = Buffer::from_vec(bytes.values);
                Arc::new(StringArray::try_new(
                    offset_buffer(bytes.offsets),
                    values,
                    nulls,
                )?)
            }
            Kind::Binary(bytes) => {
                let values = Buffer::from_vec(bytes.values);
                Arc::new(BinaryArray::try_new(
                    offset_buffer(bytes.offsets),
                    values,
                    nulls,
                )?)
            }
            Kind::List(offsets, item, field) => Arc::new(ListArray::try_new(
                field,
                offset_buffer(offsets),
                item.finish()?,
                nulls,
            )?),
            Kind::Map(offsets, pair, entries) => {
                let DataType::Struct(fields) = entries.data_type().clone() else {
                    return Err(Error::internal("a map's entries are no struct").into());
                };
                let [keys, values] = *pair;
                let pair = vec![keys.finish()?, values.finish()?];
                let structs = StructArray::try_new(fields, pair, None)?;
                Arc::new(MapArray::try_new(
                    entries,
                    offset_buffer(offsets),
                    structs,
                    nulls,
                    false,
                )?)
            }
            Kind::Struct(columns, fields) => {
                if columns.is_empty() {
                    return Ok(Arc::new(StructArray::new_empty_fields(rows, nulls)));
                }
                let columns = columns
                    .into_iter()
                    .map(Self::finish)
                    .collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new(fields, columns, nulls)?)
            }
        })
    }
}

fn end(offsets: &[i32]) -> usize {
    offsets
        .last()
        .map_or(0, |end| usize::try_from(*end).unwrap_or(0))
}

fn offset_buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn unsupported(data_type: &DataType) -> Error {
    Error::unsupported(format!("type {data_type} is not supported in a schema"))
}
