//! `--dry-run`: what the next run would read, as a table.

use weir::program::print_line;
use weir::{DryRun, Result};

use super::Drained;
use crate::outcome::{Outcome, Status};

/// Prints the ranges on stdout, before the outcome.
///
/// # Errors
/// `Storage` when stdout takes no more.
pub(super) fn print(plan: &DryRun) -> Result<Outcome<Drained>> {
    if let Some(unfinished) = &plan.unfinished {
        print_line(format_args!("first: {unfinished}"))?;
    }
    let starts = plan.start_offsets.first().cloned().unwrap_or_default();
    let ends = plan.end_offsets.first().cloned().unwrap_or_default();
    print_line("topic\tpartition\tstart\tend\trecords")?;
    for (topic, partitions) in ends.as_object().into_iter().flatten() {
        for (partition, end) in partitions.as_object().into_iter().flatten() {
            let end = end.as_i64().unwrap_or_default();
            let start = starts[topic][partition].as_i64().unwrap_or(end);
            print_line(format_args!(
                "{topic}\t{partition}\t{start}\t{end}\t{}",
                end - start
            ))?;
        }
    }
    print_line(format_args!(
        "{} records at most, in {} batches",
        plan.records, plan.batches
    ))?;
    let details = Drained {
        query_id: plan.query_id.map(|id| id.to_string()),
        batches: plan.batches,
        start_offsets: starts,
        end_offsets: ends,
        remaining_lag: Some(plan.records),
        ..Drained::default()
    };
    Ok(Outcome::new(Status::DryRun, details))
}
