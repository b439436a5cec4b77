//! The write step: its plan node, and the tasks that write files below `_temporary`.

mod exec;
mod spec;
mod task;

pub use exec::FilesWriteExec;
pub(super) use spec::{FileEntry, FilesWriteStep, TEMPORARY, WriteSpec};
