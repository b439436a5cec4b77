//! Lines to rows, in Spark's three modes for lines that are no records.
//!
//! Arrow's decoder takes a block at a time. What it refuses is decoded again line by line, so that the
//! line that does not fit is found, and the others are kept as the mode says. The others are decoded from
//! their bytes there too: a value parsed first would lose digits of its numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use object_store::path::Path;
use serde_json::Value;
use weir_plan::{Error, ErrorKind, Result};

use super::lines::Block;
use crate::files::location::shown;
use crate::files::options::{JsonReadOptions, ParseMode};

/// How lines are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::files) struct Settings {
    pub(in crate::files) mode: ParseMode,
    /// The column that holds lines that do not fit, if the schema has it.
    pub(in crate::files) corrupt_record: Option<String>,
}

impl Settings {
    /// Those of `options`, for files of `schema`.
    ///
    /// # Errors
    /// `SchemaMismatch` when the column of corrupt records is no string.
    pub(in crate::files) fn try_new(options: &JsonReadOptions, schema: &Schema) -> Result<Self> {
        let name = &options.corrupt_record;
        let field = schema.field_with_name(name).ok();
        if let Some(field) = field
            && !matches!(
                field.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            )
        {
            return Err(Error::new(
                ErrorKind::SchemaMismatch,
                format!(
                    "column {name:?} holds records that do not fit and must be a string, not {}",
                    field.data_type()
                ),
            ));
        }
        Ok(Self {
            mode: options.mode,
            corrupt_record: field.map(|_| name.clone()),
        })
    }
}

/// Decodes the lines of one file.
pub(super) struct LineDecoder {
    settings: Settings,
    path: Path,
    /// The columns that are asked for.
    schema: SchemaRef,
    /// The same without the column of corrupt records.
    data: SchemaRef,
    batch_rows: usize,
}

impl LineDecoder {
    pub(super) fn new(
        settings: Settings,
        path: Path,
        schema: SchemaRef,
        batch_rows: usize,
    ) -> Self {
        let is_data = |field: &&Arc<Field>| Some(field.name()) != settings.corrupt_record.as_ref();
        let data: Fields = schema.fields().iter().filter(is_data).cloned().collect();
        Self {
            settings,
            path,
            schema,
            data: Arc::new(Schema::new(data)),
            batch_rows,
        }
    }

    /// The rows of `block`.
    ///
    /// # Errors
    /// `Compute`, naming file and line, for one that does not fit under FAILFAST.
    pub(super) fn decode(&self, block: &Block) -> Result<Vec<RecordBatch>> {
        match self.decode_whole(block) {
            // More or fewer rows than lines: a line holds several values, or a value several lines.
            Some(batches) => batches
                .into_iter()
                .map(|batch| self.complete(&batch, None))
                .collect(),
            None => Ok(self.decode_lines(block)?.into_iter().collect()),
        }
    }

    /// `None` when a line does not fit.
    fn decode_whole(&self, block: &Block) -> Option<Vec<RecordBatch>> {
        let mut decoder = self.decoder(self.batch_rows, false).ok()?;
        let (mut batches, mut rest) = (Vec::new(), block.bytes.as_slice());
        while !rest.is_empty() {
            let read = decoder.decode(rest).ok()?;
            rest = &rest[read..];
            if decoder.has_partial_record() && rest.is_empty() {
                return None;
            }
            match decoder.flush().ok()? {
                Some(batch) => batches.push(batch),
                None if read == 0 => return None,
                None => {}
            }
        }
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        (rows == block.lines().count()).then_some(batches)
    }

    fn decode_lines(&self, block: &Block) -> Result<Option<RecordBatch>> {
        let mut batches = Vec::new();
        let mut corrupt = StringBuilder::new();
        let mut strict = self.decoder(1, false).map_err(internal)?;
        for (number, line) in block.lines() {
            if let Some(batch) = sound_row(&mut strict, line) {
                batches.push(batch);
                corrupt.append_null();
                continue;
            }
            // What is left in a decoder after an error is not defined.
            strict = self.decoder(1, false).map_err(internal)?;
            let parsed = serde_json::from_slice::<Value>(line);
            let (value, cause) = match parsed {
                Ok(Value::Object(mut fields)) => {
                    for field in self.data.fields() {
                        if let Some(value) = fields.get_mut(field.name()) {
                            stringify(value, field.data_type());
                        }
                    }
                    let value = Value::Object(fields);
                    match row(&mut strict, &value) {
                        Ok(batch) => {
                            batches.push(batch);
                            corrupt.append_null();
                            continue;
                        }
                        Err(error) => {
                            // What is left in a decoder after an error is not defined.
                            strict = self.decoder(1, false).map_err(internal)?;
                            (
                                value,
                                Box::<dyn std::error::Error + Send + Sync>::from(error),
                            )
                        }
                    }
                }
                Ok(other) => (Value::Object(serde_json::Map::new()), kind(&other).into()),
                Err(error) => (Value::Object(serde_json::Map::new()), error.into()),
            };
            match self.settings.mode {
                ParseMode::FailFast => {
                    return Err(malformed(&self.path, number, line, Some(cause)));
                }
                ParseMode::DropMalformed => {}
                ParseMode::Permissive => {
                    let mut lenient = self.decoder(1, true).map_err(internal)?;
                    batches.push(row(&mut lenient, &value).map_err(internal)?);
                    corrupt.append_value(String::from_utf8_lossy(line));
                }
            }
        }
        if batches.is_empty() {
            return Ok(None);
        }
        let rows = concat_batches(&self.data, &batches).map_err(internal)?;
        Ok(Some(
            self.complete(&rows, Some(Arc::new(corrupt.finish())))?,
        ))
    }

    fn decoder(&self, rows: usize, lenient: bool) -> Result<Decoder, ArrowError> {
        ReaderBuilder::new(Arc::clone(&self.data))
            .with_batch_size(rows)
            .with_coerce_primitive(true)
            .with_ignore_type_conflicts(lenient)
            .build_decoder()
    }

    /// `batch` with the column of corrupt records in its place.
    fn complete(&self, batch: &RecordBatch, corrupt: Option<ArrayRef>) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().map(|field| {
            if let Ok(index) = self.data.index_of(field.name()) {
                return Ok(Arc::clone(batch.column(index)));
            }
            match &corrupt {
                Some(lines) => cast(lines, field.data_type()),
                None => Ok(arrow::array::new_null_array(
                    field.data_type(),
                    batch.num_rows(),
                )),
            }
        });
        let columns: Vec<ArrayRef> = columns
            .collect::<Result<_, ArrowError>>()
            .map_err(internal)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(internal)
    }
}

/// A line that is no record.
pub(super) fn malformed<E>(path: &Path, number: u64, line: &[u8], cause: Option<E>) -> Error
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let text = String::from_utf8_lossy(line);
    let error = Error::new(
        ErrorKind::Compute,
        format!(
            "line {number} of json file {} is no record of the schema: {text:.100}; correct it, or set \
             option \"mode\" to PERMISSIVE or DROPMALFORMED",
            shown(path)
        ),
    );
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

/// The row of a `line` that is one object and fits; `None`, and `decoder` cannot be used again, for another.
fn sound_row(decoder: &mut Decoder, line: &[u8]) -> Option<RecordBatch> {
    if !line.starts_with(b"{") {
        return None;
    }
    let read = decoder.decode(line).ok()?;
    if read < line.len() || decoder.has_partial_record() {
        return None;
    }
    decoder.flush().ok()?
}

fn row(decoder: &mut Decoder, value: &Value) -> Result<RecordBatch, ArrowError> {
    decoder.serialize(std::slice::from_ref(value))?;
    decoder
        .flush()?
        .ok_or_else(|| ArrowError::JsonError("a record gave no row".to_owned()))
}

/// Objects and arrays where a string is wanted become their text, as in Spark.
fn stringify(value: &mut Value, wanted: &DataType) {
    match (&mut *value, wanted) {
        (
            Value::Object(_) | Value::Array(_),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
        ) => {
            *value = Value::String(value.to_string());
        }
        (Value::Object(fields), DataType::Struct(wanted)) => {
            for field in wanted {
                if let Some(value) = fields.get_mut(field.name()) {
                    stringify(value, field.data_type());
                }
            }
        }
        (Value::Array(elements), DataType::List(element)) => {
            for value in elements {
                stringify(value, element.data_type());
            }
        }
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array is no object",
        _ => "a single value is no object",
    }
}

fn internal(error: ArrowError) -> Error {
    Error::internal("rows of JSON cannot be built").with_source(error)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;
    use arrow::datatypes::Decimal128Type;

    use super::*;

    #[test]
    fn sound_lines_beside_a_corrupt_one_keep_every_digit() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("d", DataType::Decimal128(20, 2), true),
            Field::new("t", DataType::Utf8, true),
            Field::new("_corrupt_record", DataType::Utf8, true),
        ]));
        let lines = [
            r#"{"d":12345678901234567.89,"t":1.10}"#,
            r#"{"d":12345678901234567.89"#,
            r#"{"d":1}{"d":2}"#,
            r#"[{"d":3}]"#,
            r#"{"d":76543210987654321.09,"t":"x"}  "#,
            // An object where text is wanted fits as its text.
            r#"{"d":1.5,"t":{"a":[1]}}"#,
            r#"{"d":98765432109876543.21,"t":2.00}"#,
        ];
        let block = Block {
            bytes: lines.join("\n").into_bytes(),
            first_line: 1,
        };
        let exact = [
            (Some(1_234_567_890_123_456_789), Some("1.10"), None),
            (Some(7_654_321_098_765_432_109), Some("x"), None),
            (Some(150), Some(r#"{"a":[1]}"#), None),
            (Some(9_876_543_210_987_654_321), Some("2.00"), None),
        ];
        let corrupt = lines[1..4].iter().map(|line| (None, None, Some(*line)));
        let mut permissive = exact.to_vec();
        permissive.splice(1..1, corrupt);
        for (mode, expected) in [
            (ParseMode::DropMalformed, exact.to_vec()),
            (ParseMode::Permissive, permissive),
        ] {
            let settings = Settings {
                mode,
                corrupt_record: Some("_corrupt_record".to_owned()),
            };
            let decoder = LineDecoder::new(settings, Path::from("x"), Arc::clone(&schema), 8192);
            let batches = decoder.decode(&block).unwrap();
            let rows = concat_batches(&schema, &batches).unwrap();
            let (decimals, texts, records) = (rows.column(0), rows.column(1), rows.column(2));
            let read: Vec<_> = (decimals.as_primitive::<Decimal128Type>().iter())
                .zip(texts.as_string::<i32>())
                .zip(records.as_string::<i32>())
                .map(|((decimal, text), record)| (decimal, text, record))
                .collect();
            assert_eq!(read, expected, "{mode:?}");
        }
    }

    #[test]
    fn block_of_sound_lines_is_decoded_whole() {
        let field = Field::new("n", DataType::Int64, true);
        let settings = Settings {
            mode: ParseMode::FailFast,
            corrupt_record: None,
        };
        let schema = Arc::new(Schema::new(vec![field]));
        let decoder = LineDecoder::new(settings, Path::from("x"), schema, 8192);
        let whole = |lines: String| {
            let block = Block {
                bytes: lines.into_bytes(),
                first_line: 1,
            };
            let batches = decoder.decode_whole(&block)?;
            Some(batches.iter().map(RecordBatch::num_rows).sum::<usize>())
        };
        let lines: String = (0..20_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        assert_eq!(whole(lines), Some(20_000));
        assert_eq!(whole("\n  \n{\"n\":1}\r\n\n{}".to_owned()), Some(2));
        // One value over two lines, two values in one line, and what is no value.
        for other in [
            "{\"n\":\n1}\n",
            "{\"n\":1}{\"n\":2}\n",
            "{\"n\":",
            "x\n",
            "{\"n\":\"x\"}\n",
        ] {
            assert_eq!(whole(other.to_owned()), None, "{other}");
        }
    }
}
