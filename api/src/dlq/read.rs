//! Letters out of a table or a topic.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use datafusion::logical_expr::{Expr, lit};
use futures::StreamExt as _;
use weir_connectors::dead_letters::{DeadLetter, Header};
use weir_plan::dead_letters::LETTER_COLUMNS;
use weir_plan::{Error, ErrorKind, Options, Result};

use super::{LetterFilter, LetterSource};
use crate::dataframe::DataFrame;
use crate::functions::{ColumnExt as _, col};
use crate::session::Session;

/// The letters of `source` that `filter` means, at most `limit`: of a table the oldest first, of a topic as they stand in its partitions.
///
/// # Errors
/// `NotFound` and `Unavailable` for a source that is not there or out of reach, `SchemaMismatch` for a table that holds no letters.
pub async fn show(
    session: &Session,
    source: &LetterSource,
    filter: &LetterFilter,
    limit: Option<usize>,
) -> Result<Vec<DeadLetter>> {
    let mut found = Vec::new();
    let limit = limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(found);
    }
    match source {
        LetterSource::Table(location) => {
            let rows = table(session, location, filter).await?;
            let order = ["failed_at", "topic", "partition", "offset"];
            let rows = rows.order_by(order.map(|name| col(name).sort(true, true)))?;
            let rows = if limit == usize::MAX {
                rows
            } else {
                rows.limit(limit)?
            };
            for batch in rows.collect().await? {
                found.extend(DeadLetter::of_rows(&batch)?);
            }
        }
        LetterSource::Topic { name, options } => {
            let rows = topic(session, name, options, None).await?;
            let mut batches = rows.to_local_iterator().await?;
            while let Some(batch) = batches.next().await {
                let messages = messages(&batch?)?.into_iter();
                let letters = messages.filter_map(|message| message.letter);
                let letters = letters.filter(|letter| filter.matches(letter));
                found.extend(letters.take(limit - found.len()));
                if found.len() == limit {
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// The rows of a table of letters that `filter` means.
pub(super) async fn table(
    session: &Session,
    location: &str,
    filter: &LetterFilter,
) -> Result<DataFrame> {
    let rows = session.read().delta(location).await?;
    let columns = rows.columns();
    if let Some(missing) = LETTER_COLUMNS
        .iter()
        .find(|name| !columns.iter().any(|c| c == *name))
    {
        return Err(Error::new(
            ErrorKind::SchemaMismatch,
            format!(
                "delta table {location} is no table of dead letters: it has no column {missing:?}"
            ),
        ));
    }
    let equal = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| col(name).eq(lit(value.clone())))
    };
    let time = |time: &Option<chrono::DateTime<chrono::Utc>>| -> Result<Option<Expr>> {
        time.map(|time| lit(time.to_rfc3339()).cast("timestamp"))
            .transpose()
    };
    let error_type = filter.error_type.map(|kind| kind.as_str().to_owned());
    let conditions = [
        equal("topic", &filter.topic),
        equal("rule", &filter.rule),
        equal("error_type", &error_type),
        equal("query_id", &filter.query_id),
        time(&filter.since)?.map(|since| col("failed_at").gt_eq(since)),
        time(&filter.until)?.map(|until| col("failed_at").lt(until)),
    ];
    let rows = rows.select(LETTER_COLUMNS.map(col))?;
    conditions
        .into_iter()
        .flatten()
        .try_fold(rows, |rows, condition| rows.filter(condition))
}

/// The messages of topic `name`, from `starts` (the source's `startingOffsets`) or its beginning. What has aged out of it is passed over.
pub(super) async fn topic(
    session: &Session,
    name: &str,
    options: &Options,
    starts: Option<String>,
) -> Result<DataFrame> {
    let reader = session
        .read()
        .format("kafka")
        .option("failOnDataLoss", false)
        .options(options.clone())
        .option("subscribe", name)
        .option("includeHeaders", true)
        .option("startingOffsets", starts.as_deref().unwrap_or("earliest"));
    let rows = reader.load().await?;
    rows.select(["key", "value", "headers", "partition", "offset"].map(col))
}

/// A message of a topic of letters.
pub(super) struct Message {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// `None` for one that is none.
    pub(super) letter: Option<DeadLetter>,
}

pub(super) fn messages(rows: &RecordBatch) -> Result<Vec<Message>> {
    let damaged = || Error::internal("a kafka batch has other columns than it was asked for");
    let bytes = |at: usize| rows.column(at).as_binary_opt::<i32>().ok_or_else(damaged);
    let (keys, values) = (bytes(0)?, bytes(1)?);
    let headers = rows.column(2).as_list_opt::<i32>().ok_or_else(damaged)?;
    let partitions = rows.column(3).as_primitive_opt::<Int32Type>();
    let offsets = rows.column(4).as_primitive_opt::<Int64Type>();
    let (partitions, offsets) = partitions.zip(offsets).ok_or_else(damaged)?;
    (0..rows.num_rows())
        .map(|row| {
            let mut own: Vec<Header> = Vec::new();
            if headers.is_valid(row) {
                let list = headers.value(row);
                let list = list.as_struct_opt().ok_or_else(damaged)?;
                let names = list.column(0).as_string_opt::<i32>().ok_or_else(damaged)?;
                let texts = list.column(1).as_binary_opt::<i32>().ok_or_else(damaged)?;
                let pairs = names.iter().zip(texts.iter());
                own.extend(pairs.map(|(name, value)| {
                    (
                        name.unwrap_or_default().to_owned(),
                        value.map(<[u8]>::to_vec),
                    )
                }));
            }
            let part = |bytes: &datafusion::arrow::array::BinaryArray| {
                bytes.is_valid(row).then(|| bytes.value(row).to_vec())
            };
            let (key, value) = (part(keys), part(values));
            Ok(Message {
                partition: partitions.value(row),
                offset: offsets.value(row),
                letter: DeadLetter::of_message(key.as_deref(), value.as_deref(), own),
            })
        })
        .collect()
}
