//! A source of numbered partitions that grow.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use serde_json::json;
use weir_plan::{
    Behind, Error, ErrorKind, QueryId, ReadLimit, Result, SourceOffset, SourceRange, StreamSource,
};

use super::Script;

/// Record `o` of partition `p` is the row `(p, o, "p/o")`. An offset is an array: how many records
/// of each partition were read.
#[derive(Debug)]
pub(crate) struct MemorySource {
    ends: Mutex<Vec<u64>>,
    limit: Mutex<Option<u64>>,
    starts_at_end: Mutex<bool>,
    reads: Mutex<Vec<SourceRange>>,
    group: Mutex<Option<&'static str>>,
    committed: Mutex<Vec<SourceOffset>>,
    pub(crate) kind: &'static str,
    pub(crate) script: Script,
}

impl MemorySource {
    /// Partitions of the given lengths.
    pub(crate) fn new(lengths: &[u64]) -> Self {
        Self {
            ends: Mutex::new(lengths.to_vec()),
            limit: Mutex::default(),
            starts_at_end: Mutex::default(),
            reads: Mutex::default(),
            group: Mutex::default(),
            committed: Mutex::default(),
            kind: "memory",
            script: Script::default(),
        }
    }

    /// `count` more records in `partition`, which is made if it does not exist.
    pub(crate) fn append(&self, partition: usize, count: u64) {
        let mut ends = self.ends.lock().unwrap();
        if ends.len() <= partition {
            ends.resize(partition + 1, 0);
        }
        ends[partition] += count;
    }

    /// The most records of a batch.
    pub(crate) fn set_limit(&self, limit: u64) {
        *self.limit.lock().unwrap() = Some(limit);
    }

    /// A query begins with what is appended from then on.
    pub(crate) fn start_at_end(&self) {
        *self.starts_at_end.lock().unwrap() = true;
    }

    /// Onlookers are told in `group` how far a query is.
    pub(crate) fn tell(&self, group: &'static str) {
        *self.group.lock().unwrap() = Some(group);
    }

    /// What onlookers were told, oldest first.
    pub(crate) fn told(&self) -> Vec<SourceOffset> {
        self.committed.lock().unwrap().clone()
    }

    /// The `value` of every record, sorted.
    pub(crate) fn values(&self) -> Vec<String> {
        let ends = self.ends.lock().unwrap();
        let mut values: Vec<_> = (0..ends.len())
            .flat_map(|partition| (0..ends[partition]).map(move |at| format!("{partition}/{at}")))
            .collect();
        values.sort_unstable();
        values
    }

    /// Every range that was read, oldest first.
    pub(crate) fn reads(&self) -> Vec<SourceRange> {
        self.reads.lock().unwrap().clone()
    }
}

fn counts(offset: &SourceOffset) -> Vec<u64> {
    serde_json::from_value(offset.0.clone()).unwrap()
}

/// Partition, start and end of everything in `range`.
fn parts(range: &SourceRange) -> Vec<(usize, u64, u64)> {
    let start = counts(&range.start);
    counts(&range.end)
        .into_iter()
        .enumerate()
        .map(|(partition, end)| (partition, start.get(partition).copied().unwrap_or(0), end))
        .collect()
}

#[async_trait]
impl StreamSource for MemorySource {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn description(&self) -> String {
        format!("{}[]", self.kind)
    }

    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("partition", DataType::Int64, false),
            Field::new("offset", DataType::Int64, false),
            Field::new("value", DataType::Utf8, false),
        ]))
    }

    async fn initial_offset(&self) -> Result<SourceOffset> {
        let initial = async {
            Ok(SourceOffset(match *self.starts_at_end.lock().unwrap() {
                true => json!(*self.ends.lock().unwrap()),
                false => json!([]),
            }))
        };
        self.script.play("source initial_offset", initial).await
    }

    async fn latest_offset(&self, _reached: &SourceOffset) -> Result<SourceOffset> {
        let latest = async { Ok(SourceOffset(json!(*self.ends.lock().unwrap()))) };
        self.script.play("source latest_offset", latest).await
    }

    async fn next_range(
        &self,
        reached: &SourceOffset,
        latest: &SourceOffset,
        limit: ReadLimit,
    ) -> Result<Option<SourceRange>> {
        let mut left = match limit {
            ReadLimit::SourceOptions => self.limit.lock().unwrap().unwrap_or(u64::MAX),
            ReadLimit::AllAvailable => u64::MAX,
        };
        let whole = SourceRange {
            start: reached.clone(),
            end: latest.clone(),
        };
        let mut ends = Vec::new();
        let mut taken = 0;
        for (partition, start, end) in parts(&whole) {
            let available = end.checked_sub(start).ok_or_else(|| {
                let what = format!("{partition} shrank from {start} to {end}");
                Error::new(ErrorKind::DataLoss, what)
            })?;
            let taking = available.min(left);
            left -= taking;
            taken += taking;
            ends.push(start + taking);
        }
        let range = (taken > 0).then(|| SourceRange {
            start: reached.clone(),
            end: SourceOffset(json!(ends)),
        });
        self.script
            .play("source next_range", async { Ok(range) })
            .await
    }

    async fn read(&self, range: &SourceRange) -> Result<Arc<dyn TableProvider>> {
        self.reads.lock().unwrap().push(range.clone());
        let mut partitions = Vec::new();
        for (partition, start, end) in parts(range) {
            let offsets = start.cast_signed()..end.cast_signed();
            let rows = offsets.clone().count();
            let batch = RecordBatch::try_new(
                self.schema(),
                vec![
                    Arc::new(Int64Array::from(vec![partition as i64; rows])),
                    Arc::new(Int64Array::from_iter_values(offsets.clone())),
                    Arc::new(StringArray::from_iter_values(
                        offsets.map(|at| format!("{partition}/{at}")),
                    )),
                ],
            );
            partitions.push(vec![batch.unwrap()]);
        }
        let table = MemTable::try_new(self.schema(), partitions)?;
        self.script
            .play("source read", async { Ok(Arc::new(table) as _) })
            .await
    }

    fn records(&self, range: &SourceRange) -> Result<u64> {
        Ok(parts(range).iter().map(|(_, start, end)| end - start).sum())
    }

    fn behind(&self, reached: &SourceOffset, latest: &SourceOffset) -> Result<Option<Behind>> {
        let range = SourceRange {
            start: reached.clone(),
            end: latest.clone(),
        };
        let behind: Vec<u64> = parts(&range)
            .iter()
            .map(|(_, start, end)| end - start)
            .collect();
        Ok(Some(Behind {
            shown: json!(behind),
            parts: behind,
        }))
    }

    fn offsets_group(&self, _query_id: QueryId) -> Option<String> {
        self.group.lock().unwrap().map(str::to_owned)
    }

    async fn commit_offsets(&self, _query_id: QueryId, reached: &SourceOffset) -> Result<()> {
        let commit = async {
            self.committed.lock().unwrap().push(reached.clone());
            Ok(())
        };
        self.script.play("source commit_offsets", commit).await
    }
}
