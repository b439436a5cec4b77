//! What a write task needs to know, and what it reports, in forms that travel.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};
use weir_plan::{Error, Result, WriteStep};

use super::exec::FilesWriteExec;
use crate::files::options::{FileFormat, WriteOptions};

/// The directory that no reader looks into.
pub(in crate::files) const TEMPORARY: &str = "_temporary";

/// How rows become files of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::files) struct WriteSpec {
    pub(in crate::files) format: FileFormat,
    /// The directory, absolute.
    pub(in crate::files) root: PathBuf,
    /// This write's random id, which is in the names of its files.
    pub(in crate::files) job: String,
    pub(in crate::files) partition_by: Vec<String>,
    pub(in crate::files) options: WriteOptions,
}

impl WriteSpec {
    /// Where the tasks write.
    pub(in crate::files) fn staging(&self) -> PathBuf {
        self.root.join(TEMPORARY).join(&self.job)
    }

    /// The name of the `number`th file of a task, as Spark names it.
    pub(super) fn file_name(&self, task: u64, number: usize) -> String {
        let compressed = self.options.codec.extension();
        let extension = match self.format {
            FileFormat::Parquet => format!("{compressed}.parquet"),
            FileFormat::Json => format!(".json{compressed}"),
        };
        format!("part-{task:05}-{}-c{number:03}{extension}", self.job)
    }
}

/// The step as the planner asks for it.
#[derive(Debug)]
pub(in crate::files) struct FilesWriteStep(pub(in crate::files) Arc<WriteSpec>);

impl WriteStep for FilesWriteStep {
    fn description(&self) -> String {
        format!("{} {}", self.0.format.as_str(), self.0.root.display())
    }

    fn create_exec(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let spec = Arc::clone(&self.0);
        Ok(Arc::new(FilesWriteExec::try_new(spec, input)?))
    }
}

/// A written file, as it stands in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::files) struct FileEntry {
    /// The attempt that wrote it: the directory below the staging one.
    pub(in crate::files) attempt: String,
    /// Where it belongs, below the root.
    pub(in crate::files) path: String,
}

impl FileEntry {
    pub(super) fn encode(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::internal("cannot encode a written file").with_source(error))
    }

    pub(in crate::files) fn decode(text: &str) -> Result<Self> {
        let entry: Self = serde_json::from_str(text).map_err(|error| {
            Error::internal(format!("{text:.200} is no written file")).with_source(error)
        })?;
        let inside = |path: &str| {
            let mut components = Path::new(path).components();
            components.all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        if inside(&entry.path) && inside(&entry.attempt) {
            Ok(entry)
        } else {
            Err(Error::internal(format!(
                "{text:.200} is a file outside of its directory"
            )))
        }
    }
}
