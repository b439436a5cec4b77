//! delta-rs' errors as Weir's: what kind of failure, at which table.

use std::error::Error as StdError;

use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use url::Url;
use weir_plan::{Error, ErrorKind, causes, find_own};

/// `error` at the table at `url`, met while `doing` something to it ("loading", "committing to").
pub(super) fn table_error(url: &Url, doing: &str, error: DeltaTableError) -> Error {
    let kind = kind_of(&error);
    Error::new(kind, format!("{doing} delta table {url} failed")).with_source(error)
}

/// There is no table at `url`.
pub(super) fn no_table(url: &Url) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no delta table at {url}: check the location"),
    )
}

/// The Weir error that caused `error`, if one did: what a store reported.
pub(super) fn own_cause(error: &DeltaTableError) -> Option<&Error> {
    // The kernel's own errors do not say what caused them.
    let kernel = find::<delta_kernel::Error>(error);
    find_own(error).or_else(|| match kernel? {
        delta_kernel::Error::ObjectStore(error) => find_own(error),
        delta_kernel::Error::Backtraced { source, .. } => match source.as_ref() {
            delta_kernel::Error::ObjectStore(error) => find_own(error),
            _ => None,
        },
        _ => None,
    })
}

fn kind_of(error: &DeltaTableError) -> ErrorKind {
    if let Some(own) = own_cause(error) {
        return own.kind();
    }
    match error {
        DeltaTableError::SchemaMismatch { .. } => ErrorKind::SchemaMismatch,
        DeltaTableError::UnsupportedColumnMapping { .. }
        | DeltaTableError::Transaction {
            source: TransactionError::UnsupportedTableFeatures(_),
        } => ErrorKind::Unsupported,
        DeltaTableError::ObjectStore { .. } | DeltaTableError::Io { .. } => ErrorKind::Storage,
        // delta-rs wraps I/O errors in several others, and has text where it lost them.
        other if has_compute_cause(other) => ErrorKind::Compute,
        _ => ErrorKind::Storage,
    }
}

/// Rows could not be encoded, as opposed to written.
fn has_compute_cause(error: &DeltaTableError) -> bool {
    matches!(error, DeltaTableError::Arrow { .. }) && find::<std::io::Error>(error).is_none()
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}
