//! From a Kafka record to a bronze row.

use weir::Result;
use weir::datafusion::common::ScalarValue;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;

use super::ValueAs;

/// The bronze table's columns over the Kafka source's.
///
/// | column | type | |
/// |---|---|---|
/// | topic, partition, offset | string, int, bigint | the record's place in Kafka: the key of the row |
/// | kafka_timestamp | timestamp | the record's time |
/// | timestamp_type | int | 0 set by the producer, 1 set by the broker |
/// | message_key | string | null for a null key, and for one that is not UTF-8 |
/// | message_key_raw | binary | the key, only if it is not UTF-8 |
/// | message_value | string | null for a null value (a tombstone), one that is not UTF-8, and with `binary` |
/// | message_value_raw | binary | the value, only if it is not UTF-8, or always with `binary` |
/// | headers | array of struct | only if asked for |
/// | load_date | string | the run's date |
///
/// Without `value_as`, the value is in neither.
pub(super) fn bronze(
    value_as: Option<ValueAs>,
    headers: bool,
    load_date: &str,
) -> Result<Vec<Expr>> {
    let (key, key_raw) = text_or_bytes("key")?;
    let mut columns = vec![
        col("topic"),
        col("partition"),
        col("offset"),
        col("timestamp").alias("kafka_timestamp"),
        col("timestampType").alias("timestamp_type"),
        key.alias("message_key"),
        key_raw.alias("message_key_raw"),
    ];
    let value = match value_as {
        None => None,
        Some(ValueAs::String) => Some(text_or_bytes("value")?),
        Some(ValueAs::Binary) => Some((lit(ScalarValue::Utf8(None)), col("value"))),
    };
    if let Some((value, raw)) = value {
        columns.extend([value.alias("message_value"), raw.alias("message_value_raw")]);
    }
    if headers {
        columns.push(col("headers"));
    }
    // Pinned: a batch planned before midnight keeps its date when it runs again after.
    columns.push(pinned("load_date", load_date).alias("load_date"));
    Ok(columns)
}

/// What `columns` are called.
pub(super) fn names(columns: &[Expr]) -> impl Iterator<Item = String> + '_ {
    columns
        .iter()
        .map(|column| column.schema_name().to_string())
}

/// The text of binary column `name`, null if it is not UTF-8; and its bytes, null if it is.
fn text_or_bytes(name: &str) -> Result<(Expr, Expr)> {
    let text = col(name).try_cast("string")?;
    let bytes = when(text.clone().is_null(), col(name)).end()?;
    Ok((text, bytes))
}
