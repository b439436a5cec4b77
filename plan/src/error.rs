//! Weir's one error type: a kind to act on, a message to read, and the cause.
//!
//! Messages are lowercase, name the value and the place, and say what to do next. A Weir error that
//! passes through DataFusion (a node's `execute`, a table provider's `scan`) keeps its kind: it
//! travels as `DataFusionError::External` and [`Error::from`] finds it again.

use std::error::Error as StdError;
use std::fmt;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::options::did_you_mean;

/// Result with Weir's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option, setting or argument is unknown, malformed or contradicts another one.
    InvalidArgument,
    /// A dataframe names what does not exist, or its types do not fit.
    InvalidPlan,
    /// A topic, table, file or checkpoint is not there.
    NotFound,
    /// Rows do not fit the table they are written to.
    SchemaMismatch,
    /// Something Weir does not do (yet); the message names it.
    Unsupported,
    /// Records that were to be read no longer exist.
    DataLoss,
    /// A broker or store is out of reach; the same call may succeed later.
    Unavailable,
    /// The other side does not accept who asks.
    PermissionDenied,
    /// Another process owns the batch or the checkpoint.
    Fenced,
    /// Another writer changed what this write was computed from; computing it again may succeed.
    Conflict,
    /// A checkpoint entry cannot be read.
    CorruptCheckpoint,
    /// The checkpoint belongs to another query, or lacks an entry it must have.
    CheckpointMismatch,
    /// A read or write of files failed: denied, disk full.
    Storage,
    /// A limit (memory, result size) was hit; the message names the setting.
    ResourcesExhausted,
    /// The work was stopped on request.
    Cancelled,
    /// A computation over the rows failed: a cast, a division by zero, a user's function.
    Compute,
    /// A defect of Weir's own.
    Internal,
}

impl ErrorKind {
    /// The kind's stable name, as it stands in a job's result line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidPlan => "invalid_plan",
            Self::NotFound => "not_found",
            Self::SchemaMismatch => "schema_mismatch",
            Self::Unsupported => "unsupported",
            Self::DataLoss => "data_loss",
            Self::Unavailable => "unavailable",
            Self::PermissionDenied => "permission_denied",
            Self::Fenced => "fenced",
            Self::Conflict => "conflict",
            Self::CorruptCheckpoint => "corrupt_checkpoint",
            Self::CheckpointMismatch => "checkpoint_mismatch",
            Self::Storage => "storage",
            Self::ResourcesExhausted => "resources_exhausted",
            Self::Cancelled => "cancelled",
            Self::Compute => "compute",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure of Weir: see the module's documentation.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is lowercase, names the value and says what to do next.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same error with its cause, which [`fmt::Display`] appends.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with `place: ` before its message.
    #[must_use]
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// What can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// [`ErrorKind::InvalidArgument`].
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// [`ErrorKind::InvalidPlan`].
    pub fn invalid_plan(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidPlan, message)
    }

    /// [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match unwrap_external(error) {
            Ok(own) => own,
            Err(foreign) => {
                // Of an object store: it cannot be taken out of what is around it.
                if let Some(own) = find_own(&foreign) {
                    return Self::new(own.kind, own.to_string());
                }
                if let Some(message) = unknown_column(&foreign) {
                    return Self::invalid_plan(message);
                }
                let kind = kind_of(&foreign);
                Self::new(kind, describe(kind, &foreign)).with_source(foreign)
            }
        }
    }
}

/// Takes a Weir error out of the wrappers DataFusion put around it.
fn unwrap_external(error: DataFusionError) -> std::result::Result<Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(own) => Ok(*own),
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(nested) => unwrap_external(*nested),
                Err(inner) => Err(DataFusionError::External(inner)),
            },
        },
        DataFusionError::Context(place, inner) => match unwrap_external(*inner) {
            Ok(own) => Ok(own),
            Err(inner) => Err(DataFusionError::Context(place, Box::new(inner))),
        },
        // Several consumers share one failed producer (a repartition): the error cannot be moved
        // out, so its kind and text are copied.
        DataFusionError::Shared(shared) => match find_own(&shared) {
            Some(own) => Ok(Error::new(own.kind, own.to_string())),
            None => Err(DataFusionError::Shared(shared)),
        },
        DataFusionError::ArrowError(arrow, trace) => match *arrow {
            datafusion::arrow::error::ArrowError::ExternalError(inner) => {
                match inner.downcast::<DataFusionError>() {
                    Ok(nested) => unwrap_external(*nested),
                    Err(inner) => match inner.downcast::<Error>() {
                        Ok(own) => Ok(*own),
                        Err(inner) => Err(DataFusionError::ArrowError(
                            Box::new(datafusion::arrow::error::ArrowError::ExternalError(inner)),
                            trace,
                        )),
                    },
                }
            }
            other => Err(DataFusionError::ArrowError(Box::new(other), trace)),
        },
        other => Err(other),
    }
}

/// The Weir error that caused `error`, if one did.
#[must_use]
pub fn find_own<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// `error`, what caused it, and so on.
pub fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause_of(*error))
}

fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref() {
        // Its source is that of what is shared.
        Some(DataFusionError::Shared(shared)) => Some(shared.as_ref()),
        _ => error.source(),
    }
}

/// The engine's own text lists columns qualified, quoted and twice.
fn unknown_column(error: &DataFusionError) -> Option<String> {
    let DataFusionError::SchemaError(schema, _) = error.find_root() else {
        return None;
    };
    let SchemaError::FieldNotFound {
        field,
        valid_fields,
    } = schema.as_ref()
    else {
        return None;
    };
    let known = valid_fields.iter().map(|column| column.name.as_str());
    Some(format!(
        "no column {:?}{}",
        field.name,
        did_you_mean(&field.name, known)
    ))
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    match error.find_root() {
        DataFusionError::SchemaError(..) | DataFusionError::Plan(_) | DataFusionError::SQL(..) => {
            ErrorKind::InvalidPlan
        }
        DataFusionError::NotImplemented(_) => ErrorKind::Unsupported,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::ResourcesExhausted,
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => ErrorKind::Storage,
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => ErrorKind::Compute,
        _ => ErrorKind::Internal,
    }
}

fn describe(kind: ErrorKind, error: &DataFusionError) -> String {
    match kind {
        ErrorKind::InvalidPlan => "the dataframe cannot be planned".to_owned(),
        ErrorKind::ResourcesExhausted => {
            "out of memory: raise weir.memory.limit, or lower weir.sql.shuffle.partitions"
                .to_owned()
        }
        ErrorKind::Storage => "reading or writing files failed".to_owned(),
        ErrorKind::Compute => "computing the rows failed".to_owned(),
        ErrorKind::Unsupported => "not supported".to_owned(),
        _ => match error.find_root() {
            DataFusionError::Internal(_) => "the engine failed internally".to_owned(),
            _ => "the query failed".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_error_wrapped_by_the_engine_keeps_its_kind() {
        let lost = Error::new(ErrorKind::DataLoss, "offset 5 is gone");
        let wrapped = DataFusionError::from(lost).context("executing a node");
        let back = Error::from(DataFusionError::External(Box::new(wrapped)));
        assert_eq!(back.kind(), ErrorKind::DataLoss);
        assert_eq!(back.to_string(), "offset 5 is gone");
    }

    #[test]
    fn error_shared_by_several_consumers_keeps_its_kind() {
        let lost = DataFusionError::from(Error::new(ErrorKind::Unavailable, "broker is down"));
        let back = Error::from(DataFusionError::Shared(std::sync::Arc::new(lost)));
        assert_eq!(back.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn unknown_column_is_named_with_the_nearest() {
        let column = |name: &str| datafusion::common::Column::from_name(name);
        let missing = SchemaError::FieldNotFound {
            field: Box::new(column("topc")),
            valid_fields: vec![column("offset"), column("topic")],
        };
        let error = DataFusionError::SchemaError(Box::new(missing), Box::new(None));
        let back = Error::from(error.context("planning"));
        assert_eq!(back.kind(), ErrorKind::InvalidPlan);
        assert_eq!(
            back.to_string(),
            "no column \"topc\"; did you mean \"topic\"?"
        );
    }

    #[test]
    fn foreign_error_shows_its_cause() {
        let back = Error::from(DataFusionError::ResourcesExhausted("4 GB".into()));
        assert_eq!(back.kind(), ErrorKind::ResourcesExhausted);
        assert!(back.to_string().contains("weir.memory.limit"), "{back}");
        assert!(back.to_string().contains("4 GB"), "{back}");
    }
}
