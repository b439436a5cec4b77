//! The columns of a Kafka table: Spark's.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// Where each column stands in the schema.
pub(super) mod column {
    pub(crate) const KEY: usize = 0;
    pub(crate) const VALUE: usize = 1;
    pub(crate) const TOPIC: usize = 2;
    pub(crate) const PARTITION: usize = 3;
    pub(crate) const OFFSET: usize = 4;
    pub(crate) const TIMESTAMP: usize = 5;
    pub(crate) const TIMESTAMP_TYPE: usize = 6;
    pub(crate) const HEADERS: usize = 7;
}

static PLAIN: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(fields())));

static WITH_HEADERS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut all = fields();
    all.push(Field::new(
        "headers",
        DataType::List(Arc::new(header_item())),
        true,
    ));
    Arc::new(Schema::new(all))
});

fn fields() -> Vec<Field> {
    vec![
        Field::new("key", DataType::Binary, true),
        Field::new("value", DataType::Binary, true),
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new(
            "timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("timestampType", DataType::Int32, false),
    ]
}

/// The fields of one header.
pub(super) fn header_fields() -> Fields {
    Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
    ])
}

/// The items of the `headers` list.
pub(super) fn header_item() -> Field {
    Field::new("item", DataType::Struct(header_fields()), false)
}

/// The schema of a Kafka table: `key`, `value` (binary, null where the record's is null), `topic`,
/// `partition`, `offset`, `timestamp`, `timestampType`, and with `include_headers` also `headers`
/// (null for a record without any).
#[must_use]
pub fn kafka_schema(include_headers: bool) -> SchemaRef {
    Arc::clone(if include_headers {
        &WITH_HEADERS
    } else {
        &PLAIN
    })
}
