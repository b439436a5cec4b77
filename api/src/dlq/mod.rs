//! Dead letters that are there: looked at, and produced again.
//!
//! ```no_run
//! use weir::dlq::{self, LetterFilter, LetterSource};
//!
//! # async fn look(session: weir::Session) -> weir::Result<()> {
//! let source = LetterSource::Table("/lake/dlq/orders".to_owned());
//! let filter = LetterFilter { rule: Some("balance_given".to_owned()), ..LetterFilter::default() };
//! for letter in dlq::show(&session, &source, &filter, Some(20)).await? {
//!     println!("{}", letter.to_json());
//! }
//! # Ok(())
//! # }
//! ```

mod read;
mod redrive;

use chrono::{DateTime, Utc};
use weir_plan::Options;
use weir_plan::dead_letters::ErrorType;

pub use read::show;
pub use redrive::{RedriveSpec, redrive};
pub use weir_connectors::dead_letters::{DeadLetter, Header, Rate, Redriven};

/// Where letters are.
#[derive(Debug, Clone)]
pub enum LetterSource {
    /// A Delta table, by its directory or URL.
    Table(String),
    /// A Kafka topic.
    Topic {
        /// Its name.
        name: String,
        /// How to reach it: `kafka.*` options, as a source's.
        options: Options,
    },
}

/// Which letters are meant: those that all of what is given is true of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// The topic their records were read from.
    pub topic: Option<String>,
    /// The first rule that they break.
    pub rule: Option<String>,
    /// What is wrong with them.
    pub error_type: Option<ErrorType>,
    /// The query that found them.
    pub query_id: Option<String>,
    /// Found at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Found before this time.
    pub until: Option<DateTime<Utc>>,
}

impl LetterFilter {
    /// Whether `letter` is meant.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        let error_type = self.error_type.map(|kind| kind.as_str().to_owned());
        is(&self.topic, &letter.topic)
            && is(&self.rule, &letter.rule)
            && is(&error_type, &letter.error_type)
            && is(&self.query_id, &letter.query_id)
            && self
                .since
                .is_none_or(|since| letter.failed_at_ms >= since.timestamp_millis())
            && self
                .until
                .is_none_or(|until| letter.failed_at_ms < until.timestamp_millis())
    }
}
