//! Weir's functions over records in memory.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::StreamExt as _;
use weir::datafusion::physical_plan::execute_stream;
use weir::datafusion::prelude::Expr;
use weir::prelude::*;
use weir::{RegisteredSchema, Result, SchemaType};

use super::arguments::Format;
use super::others::Run;
use super::records::Records;

/// A bad record ends the run.
const STRICT: [(&str, &str); 1] = [("mode", "FAILFAST")];

/// Records in memory, as a Kafka source has their values: one binary column.
#[derive(Debug)]
pub struct Values {
    schema: Arc<Schema>,
    batches: Vec<RecordBatch>,
    /// Of all values.
    pub bytes: u64,
    /// How many.
    pub records: u64,
}

impl Values {
    /// The values in a Parquet file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(session: &Session, path: &str) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![Field::new(
            "value",
            DataType::Binary,
            true,
        )]));
        let (mut batches, mut bytes, mut records) = (Vec::new(), 0, 0);
        for batch in session.read().parquet(path).await?.collect().await? {
            let values = cast(batch.column(0), &DataType::Binary).expect("binary");
            let offsets = values.as_binary::<i32>().value_offsets();
            bytes += (offsets[values.len()] - offsets[0]).unsigned_abs() as u64;
            records += values.len() as u64;
            batches
                .push(RecordBatch::try_new(Arc::clone(&schema), vec![values]).expect("one column"));
        }
        Ok(Self {
            schema,
            batches,
            bytes,
            records,
        })
    }

    /// Decodes all of them on this thread's core, and drops the columns.
    ///
    /// # Errors
    /// The query's.
    ///
    /// # Panics
    /// When a column is of another type.
    pub async fn decode(
        &self,
        session: &Session,
        format: Format,
        records: &Records,
    ) -> Result<Run> {
        let rows =
            session.create_dataframe(Arc::clone(&self.schema), self.batches.iter().cloned())?;
        let begun = Instant::now();
        let rows = rows.select([decoded(format, records)?.alias("record")])?;
        let rows = rows.into_datafusion();
        let context = Arc::new(rows.task_ctx());
        let mut batches = execute_stream(rows.create_physical_plan().await?, context)?;
        let (mut count, mut customers) = (0, 0);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let record = batch.column(0).as_struct();
            let customer = record.column_by_name("customer_id").expect("a field");
            assert_eq!(record.null_count() + customer.null_count(), 0);
            customers += arrow::compute::sum(customer.as_primitive::<Int64Type>()).unwrap_or(0);
            count += record.len() as u64;
        }
        Ok(Run {
            seconds: begun.elapsed().as_secs_f64(),
            records: count,
            customers,
        })
    }
}

fn decoded(format: Format, records: &Records) -> Result<Expr> {
    let value = col("value");
    let reader = |kind, text: &str| RegisteredSchema::from_text(kind, text);
    match format {
        Format::Json => from_json(value.cast("string")?, &records.ddl, STRICT),
        Format::Csv => from_csv(value.cast("string")?, &records.ddl, STRICT),
        Format::Avro => from_avro(value, &records.avro, STRICT),
        Format::Protobuf => {
            let set = std::fs::read(&records.descriptors).expect("descriptors");
            from_protobuf(
                value,
                "bench.Order",
                &ProtobufDescriptors::from_bytes(set),
                STRICT,
            )
        }
        Format::JsonRegistry => {
            from_json_registry(value, &reader(SchemaType::Json, &records.json), STRICT)
        }
        Format::AvroRegistry => {
            from_avro_registry(value, &reader(SchemaType::Avro, &records.avro), STRICT)
        }
        Format::ProtobufRegistry => from_protobuf_registry(
            value,
            &reader(SchemaType::Protobuf, &records.protobuf_text),
            STRICT,
        ),
    }
}
