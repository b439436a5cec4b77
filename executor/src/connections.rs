//! Failures of the connections that rows come by.
//!
//! A connection to an executor may break while that executor lives: what is then lost is the attempt. Such a failure is told from those of a
//! query, which would fail again. Between executors it is met by one of them and travels on as text.

use std::error::Error as StdError;

use datafusion::common::DataFusionError;
use tonic::{Code, Status};
use weir_plan::causes;

/// How the text of such a failure begins, once it has left the executor that met it.
const BROKEN: &str = "the connection to another executor broke";

/// `error`, which a task met, so that [`is_broken_connection`] knows it in another process.
pub(crate) fn marked(error: DataFusionError) -> DataFusionError {
    match is_status(&error) {
        true => DataFusionError::External(format!("{BROKEN}: {error}").into()),
        false => error,
    }
}

/// Whether `error` says that a connection broke, between the session and an executor or between two executors.
#[must_use]
pub fn is_broken_connection(error: &(dyn StdError + 'static)) -> bool {
    is_status(error) || causes(error).any(|cause| cause.to_string().contains(BROKEN))
}

/// Whether it is a failure of gRPC's own. What a task fails with is a status of its own kind, which the library has made an error again; what
/// the library itself finds wrong (an encoding, a partition's number) is an internal one without a cause.
fn is_status(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        let status = cause.downcast_ref::<Status>();
        status.is_some_and(|status| match status.code() {
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => true,
            Code::Unknown | Code::Internal => status.source().is_some(),
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_connection_is_known_here_and_where_its_text_arrives() {
        let status = Status::unavailable("keep-alive timed out");
        let here = DataFusionError::External(Box::new(status));
        assert!(is_broken_connection(&here));
        let there = DataFusionError::External(marked(here).to_string().into());
        assert!(is_broken_connection(&there));
        let outer = DataFusionError::Context("in a join".to_owned(), Box::new(there));
        assert!(is_broken_connection(&outer));
    }

    #[test]
    fn failures_of_queries_and_refusals_are_no_broken_connections() {
        for error in [
            DataFusionError::Execution("no row fits".to_owned()),
            DataFusionError::External(Box::new(Status::unauthenticated("no token"))),
            DataFusionError::External(Box::new(Status::internal("no such partition"))),
        ] {
            assert!(!is_broken_connection(&marked(error)));
        }
    }
}
