//! How many rows were looked at, and how many broke each rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The counts of a task, a batch or a run; they add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckCounts {
    /// Rows that were looked at: written, dead letters and dropped ones.
    pub rows: u64,
    /// Rows left out by rules of [`Action::Drop`](super::Action::Drop).
    pub dropped: u64,
    /// By the name of a rule that some row broke.
    pub rules: BTreeMap<String, RuleCount>,
}

/// Of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleCount {
    /// Rows for which it is false or null.
    pub failed: u64,
    /// One of them: its record's place and what is wrong with it.
    pub example: Option<String>,
}

impl CheckCounts {
    /// Adds `other`'s.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.dropped += other.dropped;
        for (name, count) in &other.rules {
            let own = self.rules.entry(name.clone()).or_default();
            own.failed += count.failed;
            // The least, and not the first: which task is done first is chance.
            own.example = match (own.example.take(), count.example.clone()) {
                (Some(own), Some(other)) => Some(own.min(other)),
                (own, other) => own.or(other),
            };
        }
    }

    /// E.g. `balance_given 40, id_given 2`, the most frequent first.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut rules: Vec<_> = self.rules.iter().collect();
        rules.sort_by_key(|(_, count)| std::cmp::Reverse(count.failed));
        let shown = rules
            .into_iter()
            .map(|(name, count)| format!("{name} {}", count.failed));
        shown.collect::<Vec<_>>().join(", ")
    }
}
