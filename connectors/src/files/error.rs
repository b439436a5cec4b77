//! Failures of reading and writing files: what kind, and at which file.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use weir_plan::{Error, ErrorKind, causes};

/// `error`, met while `doing` something to `place` ("reading /lake/a.parquet").
pub(super) fn file_error(doing: &str, place: &str, error: impl Into<DataFusionError>) -> Error {
    let error = error.into();
    let kind = kind_of(&error);
    Error::new(kind, format!("{doing} {place} failed")).with_source(error)
}

fn kind_of(error: &(dyn StdError + 'static)) -> ErrorKind {
    for cause in causes(error) {
        if let Some(error) = cause.downcast_ref::<Error>() {
            return error.kind();
        }
        if let Some(object_store::Error::NotFound { .. }) = cause.downcast_ref() {
            return ErrorKind::NotFound;
        }
        // A filter that is computed while the file is read.
        if let Some(ArrowError::CastError(_) | ArrowError::DivideByZero) = cause.downcast_ref() {
            return ErrorKind::Compute;
        }
    }
    ErrorKind::Storage
}
