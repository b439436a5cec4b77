//! Running a query again that lost an executor.

use std::future::Future;

use tracing::warn;
use weir_plan::{Error, Result};

use super::executors::{Executors, none_left};

/// How often a query is tried, as often as Spark tries a task (`spark.task.maxFailures`).
const ATTEMPTS: usize = 4;

/// The result of the first attempt that is complete. An attempt that fails is repeated if an executor
/// was lost meanwhile, on those that live; any other failure is the query's.
///
/// # Errors
/// The query's own, `Unavailable` when no executor is left, the last attempt's when each lost one.
pub(crate) async fn recovering<T, F, Fut>(executors: &Executors, mut attempt: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    for number in 1.. {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let lost = executors.look().await;
        if lost.is_empty() {
            return Err(error);
        }
        let lost: Vec<&str> = lost.iter().map(url::Url::as_str).collect();
        let lost = lost.join(", ");
        if executors.living().is_empty() {
            return Err(none_left(executors.all()).with_source(error));
        }
        if number == ATTEMPTS {
            return Err(error.context(format!(
                "the query lost an executor in each of {ATTEMPTS} attempts, {lost} in the last"
            )));
        }
        warn!(%error, "lost executor {lost}: the query runs again on the others");
    }
    Err(Error::internal("attempts have no end"))
}
