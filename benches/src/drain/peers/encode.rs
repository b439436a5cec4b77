//! Weir's Delta sink alone: bronze rows that are in memory already, written as `kafka_to_bronze` writes them.
//!
//! The values of the first 131,072 records are used over and over, in batches as the Kafka source makes them; offsets go on. As many tasks write
//! as read a topic of so many partitions. The time is that of the write: making the rows is not in it.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use weir::datafusion::datasource::MemTable;
use weir::prelude::*;

use crate::drain::expected::Expected;
use crate::drain::measure::own_cpu;
use crate::drain::records::{write_key, write_value};

const BATCH: u64 = 8192;
const DISTINCT: u64 = 16;
const NOW_US: i64 = 1_769_860_800_000_000;

/// What the write cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Written {
    /// Wall clock.
    pub seconds: f64,
    /// CPU time.
    pub cpu_seconds: f64,
}

/// Writes the rows to table `out` and prints what it cost as JSON.
///
/// # Errors
/// The sink's.
pub async fn run(records: u64, partitions: i32, out: &str) -> weir::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks = cores.min(partitions.unsigned_abs() as usize);
    let session = Session::builder()
        .master(format!("local[{tasks}]"))
        .get_or_create()
        .await?;
    let rows = rows(records, partitions, tasks);
    let table = MemTable::try_new(schema(), rows)?;
    let frame = session.datafusion().read_table(Arc::new(table))?;
    let (begun, cpu) = (Instant::now(), own_cpu());
    DataFrame::from_datafusion(&session, frame)
        .write()
        .format("delta")
        .partition_by(["topic", "load_date"])
        .save(out)
        .await?;
    let written = Written {
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: (own_cpu() - cpu).as_secs_f64(),
    };
    println!(
        "{}",
        serde_json::to_string(&written).expect("plain numbers")
    );
    Ok(())
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("kafka_timestamp", time, true),
        Field::new("timestamp_type", DataType::Int32, false),
        Field::new("message_key", DataType::Utf8, true),
        Field::new("message_key_raw", DataType::Binary, true),
        Field::new("message_value", DataType::Utf8, true),
        Field::new("message_value_raw", DataType::Binary, true),
        Field::new("load_date", DataType::Utf8, false),
    ]))
}

/// Of each task, the batches of its partitions.
fn rows(records: u64, partitions: i32, tasks: usize) -> Vec<Vec<RecordBatch>> {
    let expected = Expected {
        records,
        partitions,
        value_bytes: 0,
    };
    let texts: Vec<(ArrayRef, ArrayRef)> = (0..DISTINCT).map(texts).collect();
    let mut all = vec![Vec::new(); tasks];
    let mut made = 0;
    for partition in 0..partitions {
        let count = expected.records_of(partition);
        let task =
            usize::try_from(partition).unwrap_or(0) * tasks / partitions.unsigned_abs() as usize;
        let mut next = 0;
        while next < count {
            let rows = BATCH.min(count - next);
            let (keys, values) = &texts[made % texts.len()];
            all[task].push(batch(partition, next, rows, keys, values));
            next += rows;
            made += 1;
        }
    }
    all
}

fn texts(number: u64) -> (ArrayRef, ArrayRef) {
    let numbers = number * BATCH..(number + 1) * BATCH;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for number in numbers {
        let (mut key, mut value) = (String::new(), String::new());
        write_key(&mut key, number);
        write_value(&mut value, number);
        keys.push(key);
        values.push(value);
    }
    (
        Arc::new(StringArray::from(keys)),
        Arc::new(StringArray::from(values)),
    )
}

fn batch(partition: i32, first: u64, rows: u64, keys: &ArrayRef, values: &ArrayRef) -> RecordBatch {
    let length = usize::try_from(rows).expect("a batch's rows");
    let first = i64::try_from(first).expect("an offset");
    let offsets = first..first + i64::try_from(rows).expect("a batch's rows");
    let same = |text: &str| Arc::new(StringArray::from(vec![text; length])) as ArrayRef;
    let times = offsets.clone().map(|offset| NOW_US + offset / 50 * 1000);
    let columns: Vec<ArrayRef> = vec![
        same("orders"),
        Arc::new(Int32Array::from(vec![partition; length])),
        Arc::new(Int64Array::from_iter_values(offsets)),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(Int32Array::from(vec![0; length])),
        keys.slice(0, length),
        new_null_array(&DataType::Binary, length),
        values.slice(0, length),
        new_null_array(&DataType::Binary, length),
        same("2026-01-31"),
    ];
    RecordBatch::try_new(schema(), columns).expect("columns of the schema")
}
