//! A place of dead letters that is a list of commits, over the files of a [`MemorySink`](super::MemorySink).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use weir_plan::dead_letters::LetterSink;
use weir_plan::{BatchId, CommitRequest, Error, ErrorKind, QueryId, Result, WriteStep};

use super::Script;
use super::sink::{Files, MemoryWriteStep};

/// Commits once per (query, batch).
#[derive(Debug)]
pub(crate) struct MemoryLetters {
    files: Files,
    commits: Mutex<Vec<(QueryId, u64, Vec<String>)>>,
    pub(crate) location: String,
    pub(crate) refuses: Mutex<bool>,
    pub(crate) script: Script,
}

impl MemoryLetters {
    pub(super) fn over(files: &Files) -> Self {
        Self {
            files: Arc::clone(files),
            commits: Mutex::default(),
            location: "memory:///letters".to_owned(),
            refuses: Mutex::default(),
            script: Script::default(),
        }
    }

    /// The offsets of the letters that are committed, sorted.
    pub(crate) fn offsets(&self) -> Vec<i64> {
        let files = self.files.lock().unwrap();
        let commits = self.commits.lock().unwrap();
        let mut offsets = Vec::new();
        for name in commits.iter().flat_map(|(_, _, names)| names) {
            let column = files[name].column_by_name("offset").unwrap();
            offsets.extend(column.as_primitive::<Int64Type>().values());
        }
        offsets.sort_unstable();
        offsets
    }
}

#[async_trait]
impl LetterSink for MemoryLetters {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn open(&self, _query_id: QueryId) -> Result<()> {
        match *self.refuses.lock().unwrap() {
            true => Err(Error::new(ErrorKind::NotFound, "no such place")),
            false => Ok(()),
        }
    }

    async fn write_step(&self, _batch: BatchId) -> Result<Arc<dyn WriteStep>> {
        Ok(Arc::new(MemoryWriteStep::plain(&self.files)))
    }

    async fn commit(&self, request: CommitRequest<'_>) -> Result<()> {
        let (query, batch) = (request.query_id, request.batch_id.0);
        let commit = async {
            let mut commits = self.commits.lock().unwrap();
            if !commits.iter().any(|(q, b, _)| (*q, *b) == (query, batch)) {
                commits.push((query, batch, request.written.files.clone()));
            }
            Ok(())
        };
        self.script
            .play(&format!("letters commit {batch}"), commit)
            .await
    }

    async fn closed(&self, _batch: BatchId) -> Result<()> {
        self.script.play("letters closed", async { Ok(()) }).await
    }
}
