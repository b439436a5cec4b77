//! A sink whose table is a list of commits, and whose storage is a map of files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::physical_plan::ExecutionPlan;
use weir_plan::dead_letters::Diversion;
use weir_plan::{
    BatchId, CommitRequest, Committed, Error, ErrorKind, QueryId, Result, StreamSink, WriteStep,
};

use super::Script;
use super::letters::MemoryLetters;
use super::write_exec::MemoryWriteExec;

/// What tasks wrote, whether it was committed or not, by file name.
pub(super) type Files = Arc<Mutex<BTreeMap<String, RecordBatch>>>;

/// Commits once per (query, batch), as the contract says and no stronger: a late commit of an older
/// batch that was never committed is taken.
#[derive(Debug, Default)]
pub(crate) struct MemorySink {
    files: Files,
    commits: Mutex<Vec<(QueryId, BatchId, Vec<String>)>>,
    pub(crate) refuses: Mutex<bool>,
    pub(crate) location: String,
    pub(crate) script: Script,
}

impl MemorySink {
    pub(crate) fn at(location: &str) -> Self {
        Self {
            location: location.to_owned(),
            ..Self::default()
        }
    }

    /// A place of dead letters over its files.
    pub(crate) fn letters(&self) -> MemoryLetters {
        MemoryLetters::over(&self.files)
    }

    /// The committed batches' numbers, in the order of their commits.
    pub(crate) fn batches(&self) -> Vec<u64> {
        let commits = self.commits.lock().unwrap();
        commits.iter().map(|(_, batch, _)| batch.0).collect()
    }

    /// The values of `column` in the table, sorted.
    pub(crate) fn values(&self, column: &str) -> Vec<String> {
        let files = self.files.lock().unwrap();
        let commits = self.commits.lock().unwrap();
        let mut values = Vec::new();
        for name in commits.iter().flat_map(|(_, _, names)| names) {
            let column = files[name].column_by_name(column).unwrap();
            for row in 0..column.len() {
                values.push(array_value_to_string(column, row).unwrap());
            }
        }
        values.sort_unstable();
        values
    }

    /// How many files no commit names.
    pub(crate) fn orphans(&self) -> usize {
        let commits = self.commits.lock().unwrap();
        let committed: usize = commits.iter().map(|(_, _, names)| names.len()).sum();
        self.files.lock().unwrap().len() - committed
    }
}

#[async_trait]
impl StreamSink for MemorySink {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn location(&self) -> String {
        self.location.clone()
    }

    async fn open(&self, _query_id: QueryId, schema: SchemaRef) -> Result<()> {
        if *self.refuses.lock().unwrap() {
            return Err(Error::new(
                ErrorKind::SchemaMismatch,
                format!("{schema} does not fit"),
            ));
        }
        Ok(())
    }

    async fn write_step(&self, _schema: SchemaRef) -> Result<Arc<dyn WriteStep>> {
        Ok(Arc::new(MemoryWriteStep::plain(&self.files)))
    }

    async fn diverting_step(
        &self,
        _schema: SchemaRef,
        diversion: Diversion,
        _letters: Option<Arc<dyn WriteStep>>,
    ) -> Result<Arc<dyn WriteStep>> {
        Ok(Arc::new(MemoryWriteStep {
            files: Arc::clone(&self.files),
            diversion: Some(diversion),
        }))
    }

    async fn commit(&self, request: CommitRequest<'_>) -> Result<Committed> {
        let commit = async {
            let mut commits = self.commits.lock().unwrap();
            let key = (request.query_id, request.batch_id);
            let already = commits
                .iter()
                .any(|(query, batch, _)| (*query, *batch) == key);
            if !already {
                commits.push((key.0, key.1, request.written.files.clone()));
            }
            Ok(Committed {
                version: Some(commits.len() as u64 - 1),
                already,
            })
        };
        let place = format!("sink commit {}", request.batch_id);
        self.script.play(&place, commit).await
    }

    async fn committed_batch(&self, query_id: QueryId) -> Result<Option<BatchId>> {
        let commits = self.commits.lock().unwrap();
        let own = commits.iter().filter(|(query, _, _)| *query == query_id);
        Ok(own.map(|(_, batch, _)| *batch).max())
    }

    async fn latest_version(&self) -> Result<Option<u64>> {
        Ok((self.commits.lock().unwrap().len() as u64).checked_sub(1))
    }
}

#[derive(Debug)]
pub(super) struct MemoryWriteStep {
    files: Files,
    diversion: Option<Diversion>,
}

impl MemoryWriteStep {
    pub(super) fn plain(files: &Files) -> Self {
        Self {
            files: Arc::clone(files),
            diversion: None,
        }
    }
}

impl WriteStep for MemoryWriteStep {
    fn description(&self) -> String {
        "memory".to_owned()
    }

    fn create_exec(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let (files, diversion) = (Arc::clone(&self.files), self.diversion.clone());
        Ok(Arc::new(MemoryWriteExec::new(files, diversion, input)))
    }
}
