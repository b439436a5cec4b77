//! Input that is wrong: each is refused with an exit code, an error kind, and a message that names
//! value, place and remedy; and once it is put right, nothing is lost or doubled.

mod brokers;
mod checkpoints;
mod options;
mod storage;
mod tables;
mod topics;
mod writers;

use weir_tests::ledger::Ledger;
use weir_tests::python::Python;

use crate::bronze::Bronze;

/// Runs `job`, whose input was put right, and asserts that its table holds each record once.
async fn expect_drained(job: &Bronze, python: &Python, produced: &Ledger) {
    let outcome = job.drain().await;
    assert_eq!(outcome["remaining_lag"], 0, "{outcome}");
    python.read_delta(&job.table).await.expect_exactly(produced);
}
