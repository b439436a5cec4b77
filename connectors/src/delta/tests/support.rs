//! A table in a temporary directory, and shorthand for writing to it and looking at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use datafusion::prelude::SessionContext;
use deltalake::kernel::Action;
use tempfile::TempDir;
use weir_plan::manifest::collect_manifest;
use weir_plan::{
    BatchId, CommitRequest, Committed, Error, Options, QueryId, Result, StreamSink as _, Written,
};

use crate::ObjectStores;
use crate::delta::{DeltaSink, read_table};

/// A directory in which a table may come to be.
pub(super) struct Place {
    path: String,
    /// Removed with the place that made it.
    _dir: Option<TempDir>,
}

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            path: dir.path().join("table").to_str().unwrap().to_owned(),
            _dir: Some(dir),
        }
    }

    /// A place another process made.
    pub(super) fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            _dir: None,
        }
    }

    pub(super) fn path(&self) -> String {
        self.path.clone()
    }

    pub(super) fn sink(&self) -> DeltaSink {
        self.sink_with(&[], &[])
    }

    pub(super) fn sink_with(&self, partition_by: &[&str], options: &[(&str, &str)]) -> DeltaSink {
        let partition_by = partition_by.iter().map(|&name| name.to_owned()).collect();
        let options: Options = options.iter().copied().collect();
        DeltaSink::try_new(&self.path(), partition_by, &options, &stores()).unwrap()
    }

    /// The actions of a version.
    pub(super) fn log(&self, version: u64) -> Vec<Action> {
        let path = format!("{}/_delta_log/{version:020}.json", self.path());
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Appends `json` lines to the log as `version`, as another engine would.
    pub(super) fn write_log(&self, version: u64, json: &[serde_json::Value]) {
        let dir = format!("{}/_delta_log", self.path());
        std::fs::create_dir_all(&dir).unwrap();
        let lines: Vec<String> = json.iter().map(ToString::to_string).collect();
        std::fs::write(format!("{dir}/{version:020}.json"), lines.join("\n")).unwrap();
    }

    /// The rows of `query` over the table, named `t`, as a table of text.
    pub(super) async fn query(&self, query: &str) -> String {
        self.query_with(query, &[]).await.unwrap()
    }

    pub(super) async fn query_with(&self, query: &str, options: &[(&str, &str)]) -> Result<String> {
        let options: Options = options.iter().copied().collect();
        let session = SessionContext::new();
        session.register_table("t", read_table(&self.path(), &options, &stores()).await?)?;
        let rows = session.sql(query).await?.collect().await?;
        let text = pretty_format_batches(&rows).unwrap().to_string();
        let lines = text.lines().filter(|line| line.starts_with('|')).skip(1);
        let cells = lines.map(|line| {
            let cells = line.trim_matches('|').split('|').map(str::trim);
            cells.collect::<Vec<_>>().join("|")
        });
        Ok(cells.collect::<Vec<_>>().join("\n"))
    }

    /// Data files on disk, committed or not.
    pub(super) fn files_on_disk(&self) -> usize {
        fn count(dir: &std::path::Path) -> usize {
            let Ok(entries) = std::fs::read_dir(dir) else {
                return 0;
            };
            entries
                .map(|entry| entry.unwrap().path())
                .map(|path| match path.file_name().unwrap().to_str().unwrap() {
                    "_delta_log" => 0,
                    _ if path.is_dir() => count(&path),
                    name => usize::from(name.contains(".parquet")),
                })
                .sum()
        }
        count(std::path::Path::new(&self.path()))
    }
}

/// The stores of a process.
pub(super) fn stores() -> ObjectStores {
    ObjectStores::try_new([]).unwrap()
}

/// A batch of the given columns, all nullable.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns
        .into_iter()
        .map(|(name, values)| (name, values, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Rows (id, name).
pub(super) fn people(ids: &[i64]) -> RecordBatch {
    let names: StringArray = ids.iter().map(|id| Some(format!("name {id}"))).collect();
    batch(vec![
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
        ("name", Arc::new(names)),
    ])
}

/// One column of strings.
pub(super) fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A plan of one partition per element.
pub(super) fn source(partitions: &[Vec<RecordBatch>], schema: SchemaRef) -> Arc<dyn ExecutionPlan> {
    MemorySourceConfig::try_new_exec(partitions, schema, None).unwrap()
}

/// The plan that writes `partitions` to `sink`.
pub(super) async fn write_plan(
    sink: &DeltaSink,
    partitions: &[Vec<RecordBatch>],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = partitions.iter().flatten().next().unwrap().schema();
    let step = sink.write_step(Arc::clone(&schema)).await?;
    step.create_exec(source(partitions, schema))
}

/// Writes `partitions`, one task each, and commits nothing.
pub(super) async fn write(sink: &DeltaSink, partitions: &[Vec<RecordBatch>]) -> Result<Written> {
    run(
        write_plan(sink, partitions).await?,
        Arc::new(TaskContext::default()),
    )
    .await
}

pub(super) async fn run(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<Written> {
    let manifests = collect_partitioned(plan, context)
        .await
        .map_err(Error::from)?;
    collect_manifest(&manifests.concat())
}

pub(super) async fn commit(
    sink: &DeltaSink,
    query_id: QueryId,
    batch_id: u64,
    written: &Written,
) -> Result<Committed> {
    sink.commit(CommitRequest {
        query_id,
        batch_id: BatchId(batch_id),
        written,
        recovered: false,
        info: BTreeMap::new(),
    })
    .await
}

/// Writes and commits one batch of one task.
pub(super) async fn drain(
    sink: &DeltaSink,
    query_id: QueryId,
    batch_id: u64,
    rows: RecordBatch,
) -> Result<Committed> {
    let written = write(sink, &[vec![rows]]).await?;
    commit(sink, query_id, batch_id, &written).await
}
