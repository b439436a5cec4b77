//! What a topic holds, and whether a run got all of it, once.

use std::collections::BTreeMap;

use arrow::array::AsArray as _;
use arrow::datatypes::{Int32Type, Int64Type};
use serde::{Deserialize, Serialize};
use weir::prelude::*;

/// A topic's content: record `i` is in partition `i % partitions`, at the offsets from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Records in all partitions.
    pub records: u64,
    /// Partitions.
    pub partitions: i32,
    /// Bytes of the values, as they were before compression.
    pub value_bytes: u64,
}

/// What a run that keeps nothing counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// The sum of their offsets.
    pub offset_sum: u64,
}

impl std::ops::AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.value_bytes += other.value_bytes;
        self.offset_sum += other.offset_sum;
    }
}

impl Expected {
    /// Records of one partition.
    pub fn records_of(&self, partition: i32) -> u64 {
        let partitions = u64::from(self.partitions.unsigned_abs());
        let rest = self.records % partitions;
        self.records / partitions + u64::from(u64::from(partition.unsigned_abs()) < rest)
    }

    fn offset_sum_of(&self, partition: i32) -> u64 {
        let records = self.records_of(partition);
        records * records.saturating_sub(1) / 2
    }

    /// Asserts that all was counted.
    ///
    /// # Panics
    /// When it was not.
    pub fn check_counted(&self, counted: Counted) {
        let whole = Counted {
            records: self.records,
            value_bytes: self.value_bytes,
            offset_sum: (0..self.partitions).map(|p| self.offset_sum_of(p)).sum(),
        };
        assert_eq!(
            counted, whole,
            "left: what was drained; right: what is there"
        );
    }

    /// Asserts that a table holds each offset of each partition once. Bytes of values are looked at only if `values`: it takes a while.
    ///
    /// # Errors
    /// When the table cannot be read.
    ///
    /// # Panics
    /// When it holds anything else.
    pub async fn check_table(
        &self,
        session: &Session,
        table: &str,
        values: bool,
    ) -> weir::Result<()> {
        session
            .read()
            .delta(table)
            .await?
            .create_or_replace_temp_view("drained")?;
        let found = session
            .sql(
                "SELECT partition, count(*) AS n, min(offset) AS low, max(offset) AS high, sum(offset) AS offsets \
                 FROM drained GROUP BY partition",
            )
            .await?
            .collect()
            .await?;
        let mut partitions = BTreeMap::new();
        for batch in &found {
            let numbers = batch.column(0).as_primitive::<Int32Type>();
            let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let of = |index: usize| column(index).value(row).unsigned_abs();
                partitions.insert(numbers.value(row), (of(1), of(2), of(3), of(4)));
            }
        }
        let whole: BTreeMap<_, _> = (0..self.partitions)
            .map(|partition| {
                let records = self.records_of(partition);
                (
                    partition,
                    (records, 0, records - 1, self.offset_sum_of(partition)),
                )
            })
            .collect();
        assert_eq!(
            partitions, whole,
            "left: what {table} holds; right: what was produced"
        );
        if values {
            let bytes = session
                .sql("SELECT sum(octet_length(message_value)) FROM drained")
                .await?
                .collect()
                .await?;
            let bytes =
                arrow::compute::cast(bytes[0].column(0), &arrow::datatypes::DataType::Int64)
                    .expect("a number");
            assert_eq!(
                bytes.as_primitive::<Int64Type>().value(0).unsigned_abs(),
                self.value_bytes,
                "bytes of message_value in {table}"
            );
        }
        Ok(())
    }
}
