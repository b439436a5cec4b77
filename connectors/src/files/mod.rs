//! Files in directories: Parquet and JSON lines, read and written as Spark lays them out.
//!
//! *Read*: files are listed once, when the dataframe is made; partition directories become typed
//! columns; predicates over them leave files out when a query is planned, predicates over Parquet
//! columns leave out files and row groups by their statistics.
//!
//! *Write*: three named steps, as every write of Weir's. Tasks ([`FilesWriteExec`]) write below
//! `_temporary/<job>/`, which no reader looks into; one committer ([`FilesSink`]) renames what finished
//! tasks reported into place, and writes `_SUCCESS` last.
//!
//! What the module guarantees:
//! - a write that fails, or is killed before its commit, leaves no row anyone reads;
//! - an overwrite moves the old files away only after every new one is written, and a commit that fails
//!   brings them back;
//! - an error about a file's content names the file, and a JSON line by its number.
//!
//! What it cannot promise: a directory has no log. Who lists it while the committer renames sees some
//! of the new files, and during an overwrite neither all of the old nor all of the new ones; a process
//! killed within that phase leaves it so, without `_SUCCESS`, the old files below `_temporary`. A Delta
//! table has none of this.

mod codec;
mod commit;
mod error;
mod glob;
mod json;
mod listing;
mod location;
mod normalize;
mod open;
mod options;
mod parquet;
mod partition;
mod read;
mod slices;
mod table;
mod write;

pub(crate) use parquet::{dictionary, properties, scan as parquet_scan};
pub(crate) use slices::slices;

pub use codec::{FilesWriteCodec, JsonReadCodec};
pub use commit::FilesSink;
pub use json::JsonReadExec;
pub use options::{
    FileFormat, FileSaveMode, JSON_READ_OPTIONS, JSON_WRITE_OPTIONS, PARQUET_READ_OPTIONS,
    PARQUET_WRITE_OPTIONS,
};
pub use read::read_files;
pub use write::FilesWriteExec;
