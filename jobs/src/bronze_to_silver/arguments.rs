//! The command line.

use clap::Parser;

use super::entity::Entity;
use crate::dates::{Day, parse_day};
use crate::value::look_up;

/// Makes typed, checked and deduplicated silver rows of one day's load of bronze records.
///
/// The records of the entity's topics with load date D are parsed. Rows that break a rule go to the
/// quarantine table; of several with one event_id the one with the lowest (topic, partition, offset)
/// stays, also if the others were loaded up to --lookback-days earlier or later. Run again for the same
/// D, the job leaves both tables as they were, unless an event_id came again and again for longer than
/// the look-back.
///
/// The last line on stdout is one JSON object. Exit codes: 0 done, 1 failed, 2 usage, 75 worth
/// retrying, 124 --max-runtime passed, 143 stopped by SIGTERM.
#[derive(Debug, Clone, Parser)]
#[command(name = super::NAME, version)]
pub struct Arguments {
    /// The bronze table, as kafka_to_bronze writes it.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub bronze: String,

    /// The silver table of this entity; made if it is not there, partitioned by event_date.
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub silver: String,

    /// What the records are.
    #[arg(long, value_enum)]
    pub entity: Entity,

    /// The load date to process, YYYY-MM-DD.
    #[arg(long, value_name = "D", value_parser = parse_day)]
    pub load_date: Day,

    /// How many days of load dates around D are searched for duplicates.
    #[arg(long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u16).range(0..=3660))]
    pub lookback_days: u16,

    /// The quarantine table; entities may share one. [default: the silver table's URL with
    /// "_quarantine" appended]
    #[arg(long, value_name = "URL", value_parser = look_up)]
    pub quarantine: Option<String>,

    /// The topics that hold the entity [default: raw.orders or raw.clicks].
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub topics: Vec<String>,

    /// A setting of the session.
    #[arg(long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,

    /// Stop after this time (30s, 10m, 1h 30m), leaving the tables as they are.
    #[arg(long, value_name = "DURATION", value_parser = crate::value::parse_max_runtime)]
    pub max_runtime: Option<std::time::Duration>,
}

impl Arguments {
    /// Where rows that break a rule go.
    #[must_use]
    pub fn quarantine(&self) -> String {
        match &self.quarantine {
            Some(location) => location.clone(),
            None => format!("{}_quarantine", self.silver.trim_end_matches('/')),
        }
    }

    /// The topics read.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        if self.topics.is_empty() {
            vec![self.entity.topic().to_owned()]
        } else {
            self.topics.clone()
        }
    }
}
