//! Letters produced again.

use futures::StreamExt as _;
use serde_json::{Map, json};
use weir_connectors::dead_letters::{DeadLetter, Redrive, Redriven};
use weir_plan::{Error, Options, Result};

use super::read::{messages, table, topic};
use super::{LetterFilter, LetterSource};
use crate::functions::col;
use crate::session::Session;

/// What is produced again, and where to.
#[derive(Debug, Clone)]
pub struct RedriveSpec {
    /// Where the letters are.
    pub source: LetterSource,
    /// Which of them.
    pub filter: LetterFilter,
    /// The topic; without, each record goes where it was read.
    pub to: Option<String>,
    /// How to reach that topic: `kafka.*` options, as a source's.
    pub options: Options,
}

impl RedriveSpec {
    /// What this redrive is known by: 16 hexadecimal digits of what it does.
    fn identity(&self) -> String {
        let source = match &self.source {
            LetterSource::Table(location) => location.trim_end_matches('/'),
            LetterSource::Topic { name, .. } => name,
        };
        let LetterFilter {
            topic,
            rule,
            error_type,
            query_id,
            since,
            until,
        } = &self.filter;
        let filter = json!([topic, rule, error_type, query_id, since, until]);
        let text = json!([source, self.to, filter]).to_string();
        // FNV-1a: the same in every build, unlike the hasher of the standard library.
        let digest = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
                (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("{digest:016x}")
    }

    /// Refuses a redrive into the topic that it reads.
    fn check(&self) -> Result<()> {
        match (&self.source, &self.to) {
            (LetterSource::Topic { name, .. }, Some(to)) if name == to => {
                Err(Error::invalid_argument(format!(
                    "the letters of topic {name:?} would be produced into it again; name another topic, or none for each record's own"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Produces letters again: their key, value and headers, with one header more that says what became of them
/// (`weir.redrive.history`) and one that counts (`weir.dlq.retry.count`).
///
/// Each once: a redrive that was killed is finished by starting the same again, and one that is done does nothing but for letters that are
/// new. What it has done is kept in the Kafka cluster as offsets of a consumer group, whose name begins with `weir-redrive-`.
///
/// # Errors
/// `NotFound` for a table or topic that is not there, `Unavailable` and `PermissionDenied` of the cluster.
pub async fn redrive(session: &Session, spec: &RedriveSpec) -> Result<Redriven> {
    spec.check()?;
    let mut redrive = Redrive::new(&spec.identity(), spec.options.clone(), spec.to.clone())?;
    match &spec.source {
        LetterSource::Table(location) => {
            let rows = table(session, location, &spec.filter).await?;
            let order = ["query_id", "batch_id", "topic", "partition", "offset"];
            let rows = rows.order_by(order.map(|name| col(name).sort(true, true)))?;
            let mut batches = rows.to_local_iterator().await?;
            while let Some(batch) = batches.next().await {
                for letter in DeadLetter::of_rows(&batch?)? {
                    redrive.letter_of_table(letter).await?;
                }
            }
        }
        LetterSource::Topic { name, options } => {
            let reached = redrive.reached(name).await?;
            let starts: Map<_, _> = reached
                .into_iter()
                .map(|(partition, next)| (partition.to_string(), json!(next.unwrap_or(-2))))
                .collect();
            let starts = json!({ name: starts }).to_string();
            let rows = topic(session, name, options, Some(starts)).await?;
            let mut batches = rows.to_local_iterator().await?;
            while let Some(batch) = batches.next().await {
                for message in messages(&batch?)? {
                    let letter = message.letter.filter(|letter| spec.filter.matches(letter));
                    let (partition, offset) = (message.partition, message.offset);
                    redrive
                        .letter_of_topic(name, partition, offset, letter)
                        .await?;
                }
            }
        }
    }
    redrive.finish().await
}
