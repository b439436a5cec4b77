//! The rows of a batch told apart: those of the table, those that are dead letters.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{cast, filter_record_batch, take};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use weir_proto::{BatchId, QueryId};

use super::counts::CheckCounts;
use super::letter::{LETTER_COLUMNS, RECORD_COLUMNS, header};
use super::rules::{Action, LetterRule};
use crate::error::{Error, Result};

/// The last column of rows that are to be sorted: see [`letter_column`](super::letter_column).
pub const LETTER: &str = "__weir_letter";

/// Its fields.
pub(super) const RECORD: &str = "record";
pub(super) const BROKEN: &str = "broken";
pub(super) const MESSAGES: &str = "messages";

/// The most bytes of a letter's message: a decoder may quote a whole value.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What a write task needs to tell rows apart, in a form that travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diversion {
    /// The rules, in the order in which they are asked for a letter's reason.
    pub rules: Vec<LetterRule>,
    /// Who finds the letters.
    pub query_id: QueryId,
    /// In which batch.
    pub batch_id: BatchId,
    /// The batch's time, in milliseconds since the epoch.
    pub timestamp_ms: i64,
}

/// What [`Diversion::sort`] makes of a batch.
#[derive(Debug)]
pub struct Sorted {
    /// The rows to write, without [`LETTER`].
    pub rows: RecordBatch,
    /// Columns of [`LETTER_COLUMNS`]; `None` when no row is a letter.
    pub letters: Option<RecordBatch>,
}

/// The schema of `input`'s rows without their last column, [`LETTER`].
///
/// # Errors
/// `InvalidPlan` when it is not there.
pub fn rows_schema(input: &Schema) -> Result<Schema> {
    match input.fields().split_last() {
        Some((letter, own)) if letter.name() == LETTER => Ok(Schema::new(own.to_vec())),
        _ => Err(Error::invalid_plan(format!(
            "the rows of a write with dead letters lack their last column {LETTER:?}"
        ))),
    }
}

impl Diversion {
    /// Sorts the rows of `batch`, and adds them to `counts`. A batch of which no row breaks a rule is not copied.
    ///
    /// # Errors
    /// `Internal` when its last column is not [`LETTER`].
    pub fn sort(&self, mut batch: RecordBatch, counts: &mut CheckCounts) -> Result<Sorted> {
        rows_schema(&batch.schema())?;
        let letter = batch.remove_column(batch.num_columns() - 1);
        let letter = Letter::of(&letter, self.rules.len())?;
        counts.rows += batch.num_rows() as u64;
        if letter.broken_count() == 0 {
            return Ok(Sorted {
                rows: batch,
                letters: None,
            });
        }
        let mut kept = Vec::with_capacity(batch.num_rows());
        let mut lost = Lost::default();
        for row in 0..batch.num_rows() {
            let action = self.judge(&letter, row, counts, &mut lost)?;
            kept.push(action.is_none_or(|action| action == Action::Warn));
            if action == Some(Action::Drop) {
                counts.dropped += 1;
            }
        }
        let sorted = filter_record_batch(&batch, &BooleanArray::from(kept))
            .and_then(|rows| Ok((rows, self.letters(&letter, lost)?)));
        let (rows, letters) =
            sorted.map_err(|error| Error::internal("cannot sort rows").with_source(error))?;
        Ok(Sorted { rows, letters })
    }

    /// What happens to row `row`, the strictest that its broken rules say.
    fn judge(
        &self,
        letter: &Letter<'_>,
        row: usize,
        counts: &mut CheckCounts,
        lost: &mut Lost,
    ) -> Result<Option<Action>> {
        let broken = letter.broken(row);
        let (mut strictest, mut first) = (None, None);
        for name in &broken {
            let found = self.rules.iter().enumerate();
            let Some((at, rule)) = found.into_iter().find(|(_, rule)| rule.name == *name) else {
                return Err(Error::internal(format!("no rule is called {name:?}")));
            };
            let count = counts.rules.entry(rule.name.clone()).or_default();
            count.failed += 1;
            if count.example.is_none() {
                let message = letter
                    .message(at, row)
                    .unwrap_or_else(|| rule.reason.clone());
                count.example = Some(format!("{}: {message}", letter.place(row)));
            }
            if rule.action == Action::Quarantine {
                first = first.or(Some((at, rule)));
            }
            strictest = strictest.max(Some(rule.action));
        }
        if strictest == Some(Action::Quarantine)
            && let Some((at, rule)) = first
        {
            let message = letter.message(at, row);
            lost.rows.push(u32::try_from(row).unwrap_or(u32::MAX));
            lost.error_types.push(rule.error_type.as_str());
            lost.messages
                .push(message.unwrap_or_else(|| rule.reason.clone()));
            lost.rules.push(rule.name.clone());
            lost.retries.push(letter.retries(row));
        }
        Ok(strictest)
    }

    fn letters(&self, letter: &Letter<'_>, lost: Lost) -> Result<Option<RecordBatch>, ArrowError> {
        let count = lost.rows.len();
        if count == 0 {
            return Ok(None);
        }
        let rows = UInt32Array::from(lost.rows);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(LETTER_COLUMNS.len());
        for name in &LETTER_COLUMNS[..RECORD_COLUMNS] {
            let column = letter.record.column_by_name(name).ok_or_else(|| {
                ArrowError::SchemaError(format!("a record without a column {name:?}"))
            })?;
            columns.push(take(column, &rows, None)?);
        }
        let query = self.query_id.to_string();
        let batch = i64::try_from(self.batch_id.0).unwrap_or(i64::MAX);
        let time = self.timestamp_ms.saturating_mul(1000);
        let time = TimestampMicrosecondArray::from_value(time, count).with_timezone("UTC");
        columns.extend([
            Arc::new(StringArray::from(lost.error_types)) as ArrayRef,
            Arc::new(StringArray::from(lost.messages)),
            Arc::new(StringArray::from(lost.rules)),
            take(letter.broken, &rows, None)?,
            Arc::new(StringArray::from(vec![query; count])),
            Arc::new(Int64Array::from_value(batch, count)),
            Arc::new(time),
            Arc::new(Int32Array::from(lost.retries)),
        ]);
        let fields = LETTER_COLUMNS.iter().zip(&columns);
        let fields: Vec<Field> = fields
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map(Some)
    }
}

/// The rows that are letters, and what is wrong with each.
#[derive(Default)]
struct Lost {
    rows: Vec<u32>,
    error_types: Vec<&'static str>,
    messages: Vec<String>,
    rules: Vec<String>,
    retries: Vec<i32>,
}

/// The column [`LETTER`] of a batch.
struct Letter<'a> {
    record: &'a StructArray,
    broken: &'a dyn Array,
    messages: Vec<Option<StringArray>>,
}

impl<'a> Letter<'a> {
    fn of(column: &'a ArrayRef, rules: usize) -> Result<Self> {
        let damaged = || Error::internal(format!("column {LETTER:?} is of {}", column.data_type()));
        let letter = column.as_struct_opt().ok_or_else(damaged)?;
        let part = |name| letter.column_by_name(name);
        let record = part(RECORD).and_then(|record| record.as_struct_opt());
        let broken = part(BROKEN).filter(|broken| broken.as_list_opt::<i32>().is_some());
        let (Some(record), Some(broken)) = (record, broken) else {
            return Err(damaged());
        };
        // Only of a batch that has letters are messages looked at: not before they are needed.
        let any = broken.as_list::<i32>().value_offsets();
        let any = any.first() != any.last();
        let messages = part(MESSAGES).and_then(|messages| messages.as_struct_opt());
        let messages = (0..rules)
            .map(|rule| {
                let message = messages
                    .filter(|_| any)?
                    .column_by_name(&rule.to_string())?;
                Some(
                    cast(message, &DataType::Utf8)
                        .ok()?
                        .as_string::<i32>()
                        .clone(),
                )
            })
            .collect();
        Ok(Self {
            record,
            broken: broken.as_ref(),
            messages,
        })
    }

    fn broken_count(&self) -> usize {
        let offsets = self.broken.as_list::<i32>().value_offsets();
        match (offsets.first(), offsets.last()) {
            (Some(first), Some(last)) => usize::try_from(last - first).unwrap_or_default(),
            _ => 0,
        }
    }

    /// The names of the rules that row `row` breaks.
    fn broken(&self, row: usize) -> Vec<String> {
        let names = self.broken.as_list::<i32>().value(row);
        let names = names.as_string_opt::<i32>().into_iter().flatten();
        names.flatten().map(str::to_owned).collect()
    }

    /// What row `row` says itself about rule `rule`.
    fn message(&self, rule: usize, row: usize) -> Option<String> {
        let messages = self.messages[rule].as_ref()?;
        messages
            .is_valid(row)
            .then(|| shortened(messages.value(row)))
    }

    /// E.g. `orders-3@42`.
    fn place(&self, row: usize) -> String {
        let column = |name| self.record.column_by_name(name);
        let topic = column("topic").and_then(|topic| topic.as_string_opt::<i32>());
        let partition = column("partition").and_then(|p| p.as_primitive_opt::<Int32Type>());
        let offset = column("offset").and_then(|o| o.as_primitive_opt::<Int64Type>());
        match (topic, partition, offset) {
            (Some(topic), Some(partition), Some(offset)) => format!(
                "{}-{}@{}",
                topic.value(row),
                partition.value(row),
                offset.value(row)
            ),
            _ => "a record".to_owned(),
        }
    }

    /// How often row `row`'s record was produced again, as its headers say.
    fn retries(&self, row: usize) -> i32 {
        let headers = self.record.column_by_name("headers");
        let Some(headers) = headers.and_then(|headers| headers.as_list_opt::<i32>()) else {
            return 0;
        };
        if headers.is_null(row) {
            return 0;
        }
        let headers = headers.value(row);
        let Some(headers) = headers.as_struct_opt() else {
            return 0;
        };
        let keys = headers.column(0).as_string_opt::<i32>();
        let values = headers.column(1).as_binary_opt::<i32>();
        let (Some(keys), Some(values)) = (keys, values) else {
            return 0;
        };
        let mut counts = keys.iter().zip(values).rev();
        let count = counts.find(|(key, _)| *key == Some(header::RETRY_COUNT));
        count
            .and_then(|(_, value)| std::str::from_utf8(value?).ok()?.parse().ok())
            .unwrap_or_default()
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=MESSAGE_BYTES_MAX).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end));
    format!("{} ...", &text[..end.unwrap_or_default()])
}

#[cfg(test)]
#[path = "sort_tests.rs"]
mod tests;
