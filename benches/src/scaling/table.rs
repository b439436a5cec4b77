//! The results as Markdown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::queries::Query;
use super::rounds::Cost;

/// A query on one master.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The rows of its last run.
    pub rows: usize,
    /// Of its counted runs.
    pub costs: Vec<Cost>,
    /// Runs that failed, or had other rows.
    pub wrong: usize,
}

impl Outcome {
    /// Counts a wrong run, and says why on stderr.
    pub fn wrong(&mut self, query: &Query, on: &str, why: String) {
        self.wrong += 1;
        eprintln!("WRONG: query {} on {on}: {why}", query.number);
    }

    fn elapsed_ms(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.elapsed))
    }

    fn cpu_ms(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.cpu))
    }

    /// (max - min) / median of the elapsed time.
    fn spread(&self) -> f64 {
        let ms = || {
            self.costs
                .iter()
                .map(|cost| cost.elapsed.as_secs_f64() * 1e3)
        };
        let (min, max) = (ms().fold(f64::INFINITY, f64::min), ms().fold(0.0, f64::max));
        (max - min) / self.elapsed_ms()
    }
}

/// One line per query; below them the sums, the geometric means of the ratios to the first master, and the overheads.
#[must_use]
pub fn lines(titles: &[&str], outcomes: &BTreeMap<usize, Vec<Outcome>>) -> Vec<String> {
    let (first, others) = titles.split_first().unwrap_or((&"", &[]));
    let mut heading = format!("| query | rows | {first}, ms |");
    let mut rule = "|---|---|---|".to_owned();
    for title in others {
        heading.push_str(&format!(" {title}, ms | ratio | CPU ratio | right |"));
        rule.push_str("---|---|---|---|");
    }
    let mut lines = vec![heading, rule];
    for (number, row) in outcomes {
        lines.push(line(number, row));
    }
    lines.push(String::new());
    for (at, title) in titles.iter().enumerate() {
        lines.push(summary(title, at, outcomes));
    }
    lines
}

fn line(number: &usize, row: &[Outcome]) -> String {
    let Some((base, others)) = row.split_first() else {
        return String::new();
    };
    let wrong = if base.wrong == 0 { "" } else { " (wrong)" };
    let mut line = format!(
        "| {number} | {}{wrong} | {:.1} |",
        base.rows,
        base.elapsed_ms()
    );
    for other in others {
        let right = if other.wrong == 0 { "yes" } else { "NO" };
        line.push_str(&format!(
            " {:.1} | {:.2} | {:.2} | {right} |",
            other.elapsed_ms(),
            other.elapsed_ms() / base.elapsed_ms(),
            other.cpu_ms() / base.cpu_ms(),
        ));
    }
    line
}

fn summary(title: &str, at: usize, outcomes: &BTreeMap<usize, Vec<Outcome>>) -> String {
    let pairs = || {
        let rows = outcomes.values();
        rows.filter_map(move |row| Some((row.first()?, row.get(at)?)))
    };
    let sum: f64 = pairs().map(|(_, ours)| ours.elapsed_ms()).sum();
    let cpu: f64 = pairs().map(|(_, ours)| ours.cpu_ms()).sum();
    let right = pairs().filter(|(_, ours)| ours.wrong == 0).count();
    let spread = middle(pairs().map(|(_, ours)| ours.spread()).collect());
    let mut text = format!(
        "- {title}: {right} of {} right; sum {:.2} s, CPU {:.2} s; half of the queries vary by more than {:.0}% between runs",
        pairs().count(),
        sum / 1e3,
        cpu / 1e3,
        spread * 100.0,
    );
    if at > 0 {
        let ratios: Vec<f64> = pairs()
            .map(|(base, ours)| ours.elapsed_ms() / base.elapsed_ms())
            .collect();
        let logs: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        let cpu_base: f64 = pairs().map(|(base, _)| base.cpu_ms()).sum();
        let base: f64 = pairs().map(|(base, _)| base.elapsed_ms()).sum();
        let overheads: Vec<f64> = pairs()
            .map(|(base, ours)| ours.elapsed_ms() - base.elapsed_ms())
            .collect();
        let most = overheads.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        text.push_str(&format!(
            "; geometric mean of the ratios {:.2}, ratio of the sums {:.2}, of CPU {:.2}; overhead: median {:.1} ms, at most {most:.1} ms",
            (logs / ratios.len().max(1) as f64).exp(),
            sum / base,
            cpu / cpu_base,
            middle(overheads),
        ));
    }
    text
}

fn median(values: impl Iterator<Item = Duration>) -> f64 {
    middle(values.map(|value| value.as_secs_f64() * 1e3).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => {
            let (low, high) = (values.get(even / 2 - 1), values.get(even / 2));
            (low.copied().unwrap_or_default() + high.copied().unwrap_or_default()) / 2.0
        }
        odd => values.get(odd / 2).copied().unwrap_or_default(),
    }
}
