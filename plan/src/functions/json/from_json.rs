//! `from_json(text, schema, options)`: a column of JSON text as structs, arrays or maps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::column::Column;
use super::cursor::Cursor;
use super::options::JsonOptions;
use super::read::{Fit, Reader, Stop};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::ddl;

/// How much of a malformed record an error shows.
const SHOWN_CHARS: usize = 200;

/// The JSON of `expr` as `schema`, a Spark type or table schema (`"a INT, b ARRAY<STRING>"`), with
/// [`super::JSON_OPTIONS`].
///
/// As Spark's `from_json`: null for null and for text that is blank; in mode PERMISSIVE a record that
/// is no JSON is a struct of nulls, a field that is not of its type is null, and either leaves the record's text in
/// the field `_corrupt_record` if the schema has it; in mode FAILFAST both fail the query. Names match
/// exactly; of a repeated one the last value stays. All fields are nullable, whatever the schema says.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it.
pub fn from_json<K: Into<String>, V: Into<String>>(
    expr: Expr,
    schema: &str,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    let options: Vec<_> = options
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let function = FromJson::new(schema, &options)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::functions) struct FromJson {
    /// As given, to be sent.
    schema: String,
    options: JsonOptions,
    data_type: DataType,
    /// Of the top-level field that receives bad records.
    corrupt: Option<usize>,
    signature: Signature,
}

impl FromJson {
    pub(in crate::functions) fn new(schema: &str, options: &[(String, String)]) -> Result<Self> {
        let options = JsonOptions::parse(options)?;
        let data_type = nullable(&ddl::parse_schema_or_type(schema)?);
        let mut corrupt = None;
        match &data_type {
            DataType::Struct(fields) => {
                if let Some((index, field)) = fields.find(&options.corrupt_field) {
                    if field.data_type() != &DataType::Utf8 {
                        return Err(Error::invalid_argument(format!(
                            "from_json: field {:?} receives the text of bad records, so that it must be a STRING",
                            options.corrupt_field
                        )));
                    }
                    corrupt = Some(index);
                }
                for (index, field) in fields.iter().enumerate() {
                    if fields[..index]
                        .iter()
                        .any(|earlier| earlier.name() == field.name())
                    {
                        return Err(Error::invalid_argument(format!(
                            "from_json: the schema has two fields {:?}",
                            field.name()
                        )));
                    }
                }
            }
            DataType::List(_) | DataType::Map(..) => {}
            other => {
                return Err(Error::invalid_argument(format!(
                    "from_json: the schema {schema:?} is a {}, not a struct, an array or a map",
                    ddl::type_name(other)
                )));
            }
        }
        // What the reader cannot fill is refused now, not when the first batch comes.
        Column::new(&data_type, 0)?;
        Ok(Self {
            schema: schema.to_owned(),
            options,
            data_type,
            corrupt,
            signature: Signature::one_of(
                [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View]
                    .map(|text| TypeSignature::Exact(vec![text]))
                    .to_vec(),
                Volatility::Immutable,
            ),
        })
    }

    pub(in crate::functions) fn schema(&self) -> &str {
        &self.schema
    }

    pub(in crate::functions) fn options(&self) -> &[(String, String)] {
        &self.options.given
    }

    fn read<'a>(
        &self,
        rows: usize,
        texts: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<ArrayRef, DataFusionError> {
        // The field for bad records is no field of the records.
        let read_type = match (&self.data_type, self.corrupt) {
            (DataType::Struct(fields), Some(corrupt)) => {
                let others = fields
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| *index != corrupt);
                DataType::Struct(others.map(|(_, field)| Arc::clone(field)).collect())
            }
            _ => self.data_type.clone(),
        };
        let mut column = Column::new(&read_type, rows)?;
        let mut corrupt = Column::new(
            &DataType::Utf8,
            if self.corrupt.is_some() { rows } else { 0 },
        )?;
        let mut reader = Reader::new(&self.options);
        for text in texts {
            let bad = match text {
                Some(text) => self.read_one(text, &mut column, &mut reader)?,
                None => {
                    column.push_null()?;
                    false
                }
            };
            if self.corrupt.is_some() {
                match text {
                    Some(text) if bad => corrupt.push_text(text)?,
                    _ => corrupt.push_null()?,
                }
            }
        }
        let read = column.finish()?;
        match (self.corrupt, &self.data_type) {
            (Some(index), DataType::Struct(fields)) => {
                let structs = read.as_struct();
                let mut columns = structs.columns().to_vec();
                columns.insert(index, corrupt.finish()?);
                let nulls = structs.nulls().cloned();
                Ok(Arc::new(arrow::array::StructArray::try_new(
                    fields.clone(),
                    columns,
                    nulls,
                )?))
            }
            _ => Ok(read),
        }
    }

    /// Whether the record was bad.
    fn read_one(&self, text: &str, column: &mut Column, reader: &mut Reader<'_>) -> Result<bool> {
        let row = column.len();
        let mut cursor = Cursor::new(text, self.options.liberties);
        if cursor.at_end() {
            column.push_null()?;
            return Ok(false);
        }
        let fit = match reader.read(column, &mut cursor) {
            Ok(fit) => fit,
            Err(Stop::Malformed) => {
                column.truncate(row);
                column.push_null()?;
                Fit::Bad
            }
            Err(Stop::Failed(error)) => return Err(error),
        };
        // `null` is a value, but no record.
        let fit = if column.is_null(row) { Fit::Bad } else { fit };
        if fit != Fit::Whole && self.options.fail_fast {
            let shown: String = text.chars().take(SHOWN_CHARS).collect();
            return Err(Error::new(
                ErrorKind::Compute,
                format!(
                    "from_json: malformed record {shown:?} (mode FAILFAST): it does not fit {:?}; use mode \
                     PERMISSIVE for null instead",
                    self.schema
                ),
            ));
        }
        if fit == Fit::Bad && matches!(self.data_type, DataType::Struct(_)) {
            // Not a null: a struct whose fields are.
            column.truncate(row);
            column.push_struct_of_nulls()?;
        }
        Ok(fit != Fit::Whole)
    }
}

impl ScalarUDFImpl for FromJson {
    fn name(&self) -> &'static str {
        "from_json"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let [text] = take_function_args(self.name(), arguments.args)?;
        let scalar = matches!(text, ColumnarValue::Scalar(_));
        let array = text.into_array(if scalar { 1 } else { rows })?;
        let rows = array.len();
        let read = match array.data_type() {
            DataType::Utf8 => self.read(rows, array.as_string::<i32>().iter())?,
            DataType::LargeUtf8 => self.read(rows, array.as_string::<i64>().iter())?,
            DataType::Utf8View => self.read(rows, array.as_string_view().iter())?,
            other => return Err(Error::internal(format!("from_json got {other}")).into()),
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&read, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(read))
    }
}

/// The type with all of its fields nullable.
fn nullable(data_type: &DataType) -> DataType {
    let field =
        |field: &Field| Arc::new(Field::new(field.name(), nullable(field.data_type()), true));
    match data_type {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|f| field(f)).collect::<Fields>())
        }
        DataType::List(item) => DataType::List(field(item)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                ddl::map_of(nullable(pair[0].data_type()), nullable(pair[1].data_type()))
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}
