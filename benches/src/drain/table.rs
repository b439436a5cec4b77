//! The results as Markdown.

use std::time::Duration;

use super::arguments::Peer;
use super::measure::Cost;
use super::rounds::Costs;
use super::topics::Topic;

/// The heading that [`rows`] belong under.
pub const HEADING: &str = "\
| records | partitions | | records/s | MB/s | of librdkafka alone | seconds (min to max) | CPU s | peak MB | broker CPU s |
|---|---|---|---|---|---|---|---|---|---|";

/// One row per peer: medians, and the greatest peak.
pub fn rows(topic: &Topic, costs: &Costs) -> Vec<String> {
    let seconds = |costs: &[Cost]| median(costs.iter().map(|cost| cost.elapsed)).as_secs_f64();
    let limit = costs.get(&Peer::Limit).map(|runs| seconds(runs));
    costs
        .iter()
        .map(|(peer, runs)| {
            let took = seconds(runs);
            let of_limit = limit.map_or_else(|| "–".to_owned(), |limit| format!("{:.2}", limit / took));
            let (min, max) = extremes(runs);
            format!(
                "| {} | {} | {} | {:.0} | {:.0} | {of_limit} | {took:.2} ({min:.2} to {max:.2}) | {:.2} | {} | {:.2} |",
                topic.expected.records,
                topic.expected.partitions,
                peer.title(),
                topic.expected.records as f64 / took,
                topic.expected.value_bytes as f64 / 1e6 / took,
                median(runs.iter().map(|cost| cost.cpu)).as_secs_f64(),
                runs.iter().map(|cost| cost.peak_bytes).max().unwrap_or(0) / 1_000_000,
                median(runs.iter().map(|cost| cost.broker_cpu)).as_secs_f64(),
            )
        })
        .collect()
}

fn median(values: impl Iterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<Duration> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn extremes(runs: &[Cost]) -> (f64, f64) {
    let all = || runs.iter().map(|cost| cost.elapsed.as_secs_f64());
    (
        all().fold(f64::INFINITY, f64::min),
        all().fold(0.0, f64::max),
    )
}
