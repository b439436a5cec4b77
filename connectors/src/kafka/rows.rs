//! Records into Arrow arrays, column by column, without a copy in between.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, ListBuilder, RecordBatch,
    RecordBatchOptions, StringBuilder, StructBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use weir_plan::{Error, ErrorKind, Result};

use super::native::fetch::Message;
use super::schema::{column, header_fields, header_item};

/// A batch is full when its keys, values and headers reach this many bytes. A longer record is a batch
/// of its own.
pub(super) const BATCH_BYTES_MAX: usize = 8 << 20;

/// Room made for values at first; it grows to what the records need and is kept at that.
const VALUE_BYTES_FIRST: usize = 64 << 10;

/// Builds batches of the columns asked for.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    /// Of keys and values.
    bytes: usize,
    header_bytes: usize,
    rows_max: usize,
    /// Of the fullest batch so far, to make room for the next one.
    bytes_seen: usize,
}

#[derive(Debug)]
enum Column {
    Key(BinaryBuilder),
    Value(BinaryBuilder),
    Topic(StringBuilder),
    Partition(Int32Builder),
    Offset(Int64Builder),
    Timestamp(TimestampMicrosecondBuilder),
    TimestampType(Int32Builder),
    Headers(ListBuilder<StructBuilder>),
}

impl Column {
    fn new(index: usize, rows: usize, bytes: usize) -> Result<Self> {
        Ok(match index {
            column::KEY => Self::Key(BinaryBuilder::with_capacity(rows, rows * 16)),
            column::VALUE => Self::Value(BinaryBuilder::with_capacity(rows, bytes)),
            column::TOPIC => Self::Topic(StringBuilder::with_capacity(rows, rows * 16)),
            column::PARTITION => Self::Partition(Int32Builder::with_capacity(rows)),
            column::OFFSET => Self::Offset(Int64Builder::with_capacity(rows)),
            column::TIMESTAMP => Self::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"),
            ),
            column::TIMESTAMP_TYPE => Self::TimestampType(Int32Builder::with_capacity(rows)),
            column::HEADERS => Self::Headers(
                ListBuilder::new(StructBuilder::new(
                    header_fields(),
                    vec![
                        Box::new(StringBuilder::new()),
                        Box::new(BinaryBuilder::new()),
                    ],
                ))
                .with_field(header_item()),
            ),
            other => {
                return Err(Error::internal(format!(
                    "kafka column {other} does not exist"
                )));
            }
        })
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Key(builder) | Self::Value(builder) => Arc::new(builder.finish()),
            Self::Topic(builder) => Arc::new(builder.finish()),
            Self::Partition(builder) | Self::TimestampType(builder) => Arc::new(builder.finish()),
            Self::Offset(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Headers(builder) => Arc::new(builder.finish()),
        }
    }

    /// Appends the record's value; returns its bytes, if they are headers.
    fn append(&mut self, topic: &str, message: Message<'_>) -> Result<usize> {
        match self {
            Self::Key(builder) => builder.append_option(message.key()),
            Self::Value(builder) => builder.append_option(message.payload()),
            Self::Topic(builder) => builder.append_value(topic),
            Self::Partition(builder) => builder.append_value(message.partition()),
            Self::Offset(builder) => builder.append_value(message.offset()),
            Self::Timestamp(builder) => {
                let millis = message.timestamp().0;
                builder.append_option(millis.and_then(|millis| millis.checked_mul(1000)));
            }
            Self::TimestampType(builder) => builder.append_value(message.timestamp().1),
            Self::Headers(builder) => return append_headers(builder, topic, message),
        }
        Ok(0)
    }
}

fn append_headers(
    list: &mut ListBuilder<StructBuilder>,
    topic: &str,
    message: Message<'_>,
) -> Result<usize> {
    let headers = message.headers().map_err(|error| {
        Error::new(
            ErrorKind::Compute,
            format!(
                "the headers of the record at offset {} of partition {} of topic {topic:?} cannot be read: {}; set includeHeaders to false to read it without",
                message.offset(),
                message.partition(),
                error.text
            ),
        )
    })?;
    let (mut any, mut bytes) = (false, 0);
    for (name, value) in headers {
        any = true;
        bytes += name.len() + value.map_or(0, <[u8]>::len);
        let item = list.values();
        if let Some(names) = item.field_builder::<StringBuilder>(0) {
            names.append_value(&name);
        }
        if let Some(values) = item.field_builder::<BinaryBuilder>(1) {
            values.append_option(value);
        }
        item.append(true);
    }
    list.append(any);
    Ok(bytes)
}

impl Rows {
    /// Batches of `schema`, whose columns are the Kafka columns `projection`, of at most `rows_max`
    /// rows.
    pub(super) fn new(schema: SchemaRef, projection: &[usize], rows_max: usize) -> Result<Self> {
        let rows_max = rows_max.max(1);
        let columns = projection
            .iter()
            .map(|index| Column::new(*index, rows_max.min(8192), VALUE_BYTES_FIRST))
            .collect::<Result<_>>()?;
        Ok(Self {
            schema,
            columns,
            rows: 0,
            bytes: 0,
            header_bytes: 0,
            rows_max,
            bytes_seen: VALUE_BYTES_FIRST,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether the batch should be taken before a record of `bytes` is appended.
    pub(super) fn is_full_for(&self, bytes: usize) -> bool {
        let held = self.bytes + self.header_bytes;
        self.rows > 0 && (self.rows >= self.rows_max || held + bytes > BATCH_BYTES_MAX)
    }

    pub(super) fn append(&mut self, topic: &str, message: Message<'_>, bytes: usize) -> Result<()> {
        for column in &mut self.columns {
            self.header_bytes += column.append(topic, message)?;
        }
        self.rows += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// The rows so far as a batch; begins the next one.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| {
            Error::internal("cannot build a kafka batch").with_source(error)
        })?;
        self.bytes_seen = self.bytes_seen.max(self.bytes.min(BATCH_BYTES_MAX));
        for column in &mut self.columns {
            // Finishing gave the buffers away; one allocation of the right size beats regrowing.
            if let Column::Value(builder) = column {
                *builder = BinaryBuilder::with_capacity(self.rows.max(16), self.bytes_seen);
            }
        }
        self.rows = 0;
        self.bytes = 0;
        self.header_bytes = 0;
        Ok(batch)
    }
}
