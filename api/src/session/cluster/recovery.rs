//! Running a query again that lost an executor.

use std::future::Future;

use tracing::warn;
use url::Url;
use weir_executor::is_broken_connection;
use weir_plan::Result;

use super::executors::{Executors, none_left};

/// How often a query is tried, as often as Spark tries a task (`spark.task.maxFailures`).
const ATTEMPTS: usize = 4;

/// The result of the first attempt that is complete. An attempt that fails is repeated if one of the
/// executors it began with was lost meanwhile, on those that live, or if a connection broke; any other failure is the query's, as is
/// every one without executors.
///
/// # Errors
/// The query's own, `Unavailable` when no executor is left, the last attempt's when each lost an executor
/// or a connection.
pub(crate) async fn complete<T, F, Fut>(executors: Option<&Executors>, mut attempt: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let Some(executors) = executors else {
        return attempt().await;
    };
    let mut number = 1;
    loop {
        let before = executors.living();
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        executors.look().await;
        let living = executors.living();
        // Of the attempt, not of the look: another query may have noticed first.
        let lost = before.iter().filter(|executor| !living.contains(executor));
        let lost: Vec<&str> = lost.map(Url::as_str).collect();
        let lost = match lost.as_slice() {
            [] if is_broken_connection(&error) => "a connection to an executor".to_owned(),
            [] => return Err(error),
            lost => format!("executor {}", lost.join(", ")),
        };
        if living.is_empty() {
            return Err(none_left(&executors.all()).with_source(error));
        }
        if number == ATTEMPTS {
            return Err(error.context(format!(
                "the query lost an executor or a connection in each of {ATTEMPTS} attempts, {lost} in the last"
            )));
        }
        warn!(%error, "lost {lost}: the query runs again on those that live");
        number += 1;
    }
}
