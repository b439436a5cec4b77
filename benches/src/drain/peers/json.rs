//! Kafka to Delta with the values parsed: each of the 12 fields becomes a column.

use weir::Result;
use weir::prelude::*;

use crate::drain::arguments::Source;

/// The fields of the records: see `records.rs`.
const FIELDS: [(&str, &str); 12] = [
    ("order_id", "string"),
    ("customer_id", "bigint"),
    ("created_at", "timestamp"),
    ("status", "string"),
    ("currency", "string"),
    ("amount", "decimal(18,2)"),
    ("quantity", "int"),
    ("paid", "boolean"),
    ("email", "string"),
    ("shipping_address", "string"),
    ("user_agent", "string"),
    ("note", "string"),
];

/// Drains the topic into table `out`, with its checkpoint beside it.
///
/// # Errors
/// The query's.
pub async fn run(source: &Source, out: &str) -> Result<()> {
    let session = Session::builder().get_or_create().await?;
    let records = session
        .read_stream()
        .format("kafka")
        .option("kafka.bootstrap.servers", &source.bootstrap)
        .option("subscribe", &source.topic)
        .option("startingOffsets", "earliest")
        .load()
        .await?;
    let ddl = FIELDS
        .map(|(name, kind)| format!("{name} {kind}"))
        .join(", ");
    let no_options: [(&str, &str); 0] = [];
    let parsed = from_json(col("value").cast("string")?, &ddl, no_options)?;
    let origin = ["topic", "partition", "offset", "timestamp"].map(col);
    let records = records.select(origin.into_iter().chain([parsed.alias("parsed")]))?;
    let fields = FIELDS.map(|(name, _)| col("parsed").get_field(name).alias(name));
    let origin = ["topic", "partition", "offset", "timestamp"].map(col);
    records
        .select(origin.into_iter().chain(fields))?
        .write_stream()
        .format("delta")
        .partition_by(["topic"])
        .option("checkpointLocation", format!("{out}-checkpoint"))
        .trigger(Trigger::AvailableNow)
        .start(out)
        .await?
        .await_termination()
        .await
}
