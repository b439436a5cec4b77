//! `from_json(text, schema, options)`: a column of JSON text as structs, arrays or maps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::cursor::Cursor;
use super::options::JsonOptions;
use super::read::{Fit, Reader, Stop};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::column::Column;
use crate::functions::ddl;
use crate::functions::record_text::{RecordText, signature, text_of, without_casts};
use crate::options::owned;

/// How much of a malformed record an error shows.
const SHOWN_CHARS: usize = 200;

/// The JSON of `expr` (text, or bytes as a Kafka source has them) as `schema`, a Spark type or table schema (`"a INT, b ARRAY<STRING>"`), with
/// [`super::JSON_OPTIONS`].
///
/// As Spark's `from_json`: null for null and for text that is blank; in mode PERMISSIVE a record that
/// is no JSON, or no UTF-8, is a struct of nulls, a field that is not of its type is null, and either leaves the record's text in
/// the field `_corrupt_record` if the schema has it, and why it is bad in that of `columnNameOfError`, an option of Weir's own; in mode FAILFAST both fail the query. Names match
/// exactly; of a repeated one the last value stays. All fields are nullable, whatever the schema says.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it.
pub fn from_json<K: Into<String>, V: Into<String>>(
    expr: Expr,
    schema: &str,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    let options = owned(options);
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
    /// Of the one that receives why they are.
    error: Option<usize>,
    signature: Signature,
}

impl FromJson {
    pub(in crate::functions) fn new(schema: &str, options: &[(String, String)]) -> Result<Self> {
        let options = JsonOptions::parse(options)?;
        let mut data_type = nullable(&ddl::parse_schema_or_type(schema)?);
        let (mut corrupt, mut error) = (None, None);
        match &data_type {
            DataType::Struct(fields) => {
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
                corrupt = text_field(fields, &options.corrupt_field, "the text of bad records")?;
                if let Some(name) = &options.error_field {
                    let reasons = "why records are bad";
                    let fields = match text_field(fields, name, reasons)? {
                        Some(_) => fields.clone(),
                        None => {
                            let added = Arc::new(Field::new(name, DataType::Utf8, true));
                            fields.iter().cloned().chain([added]).collect()
                        }
                    };
                    error = text_field(&fields, name, reasons)?;
                    if error == corrupt {
                        return Err(Error::invalid_argument(format!(
                            "from_json: field {name:?} cannot receive the text of bad records and why they are; choose \
                             another columnNameOfError"
                        )));
                    }
                    data_type = DataType::Struct(fields);
                }
            }
            DataType::List(_) | DataType::Map(..) => {
                if let Some(name) = &options.error_field {
                    return Err(Error::invalid_argument(format!(
                        "from_json: columnNameOfError {name:?} is a field of structs, and the schema {schema:?} is none"
                    )));
                }
            }
            other => {
                return Err(Error::invalid_argument(format!(
                    "from_json: the schema {schema:?} is a {}, not a struct, an array or a map",
                    ddl::type_name(other)
                )));
            }
        }
        // What the reader cannot fill is refused now, not when the first batch comes.
        text_keys(&data_type)?;
        Column::new(&data_type, 0).map_err(|error| error.context("from_json"))?;
        Ok(Self {
            schema: schema.to_owned(),
            options,
            data_type,
            corrupt,
            error,
            signature: signature(),
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
        texts: impl Iterator<Item = Option<RecordText<'a>>>,
    ) -> Result<ArrayRef, DataFusionError> {
        // The fields for bad records are no fields of the records.
        let special = |index: usize| Some(index) == self.corrupt || Some(index) == self.error;
        let read_type = match &self.data_type {
            DataType::Struct(fields) => {
                let others = fields.iter().enumerate();
                let others = others.filter(|(index, _)| !special(*index));
                DataType::Struct(others.map(|(_, field)| Arc::clone(field)).collect())
            }
            other => other.clone(),
        };
        let mut column = Column::new(&read_type, rows)?;
        let beside = |field: Option<usize>| {
            Column::new(&DataType::Utf8, if field.is_some() { rows } else { 0 })
        };
        let (mut corrupt, mut errors) = (beside(self.corrupt)?, beside(self.error)?);
        let mut reader = Reader::new(&self.options);
        for text in texts {
            let bad = match text {
                Some(text) => self.read_one(text, &mut column, &mut reader)?,
                None => {
                    column.push_null()?;
                    None
                }
            };
            if self.corrupt.is_some() {
                match text {
                    Some(Ok(text)) if bad.is_some() => corrupt.push_text(text)?,
                    Some(Err(no_text)) => corrupt.push_text(&no_text.lossy())?,
                    _ => corrupt.push_null()?,
                }
            }
            if self.error.is_some() {
                match bad {
                    Some(why) => errors.push_text(&why)?,
                    None => errors.push_null()?,
                }
            }
        }
        let read = column.finish()?;
        let DataType::Struct(fields) = &self.data_type else {
            return Ok(read);
        };
        if self.corrupt.is_none() && self.error.is_none() {
            return Ok(read);
        }
        let structs = read.as_struct();
        let mut columns = structs.columns().to_vec();
        let mut beside = [(self.corrupt, corrupt), (self.error, errors)];
        beside.sort_by_key(|(index, _)| *index);
        for (index, column) in beside {
            if let Some(index) = index {
                columns.insert(index, column.finish()?);
            }
        }
        let nulls = structs.nulls().cloned();
        Ok(Arc::new(StructArray::try_new(
            fields.clone(),
            columns,
            nulls,
        )?))
    }

    fn malformed(&self, text: &str, why: &str) -> Error {
        let shown: String = text.chars().take(SHOWN_CHARS).collect();
        Error::new(
            ErrorKind::Compute,
            format!(
                "from_json: malformed record {shown:?} (mode FAILFAST): {why}; use mode PERMISSIVE for null instead"
            ),
        )
    }

    /// Why the record is bad, if it is; no text unless there is a field for it.
    fn read_one(
        &self,
        text: RecordText<'_>,
        column: &mut Column,
        reader: &mut Reader<'_>,
    ) -> Result<Option<String>> {
        let row = column.len();
        let text = match text {
            Ok(text) => text,
            Err(no_text) if self.options.fail_fast => {
                return Err(self.malformed(&no_text.lossy(), &no_text.reason()));
            }
            Err(no_text) => {
                match self.data_type {
                    DataType::Struct(_) => column.push_struct_of_nulls()?,
                    _ => column.push_null()?,
                }
                return Ok(Some(no_text.reason()));
            }
        };
        let mut cursor = Cursor::new(text, self.options.liberties);
        if cursor.at_end() {
            column.push_null()?;
            return Ok(None);
        }
        let mut malformed = None;
        let fit = match reader.read(column, &mut cursor) {
            Ok(fit) => fit,
            Err(Stop::Malformed) => {
                column.truncate(row);
                column.push_null()?;
                malformed = Some(cursor.position());
                Fit::Bad
            }
            Err(Stop::Failed(error)) => return Err(error),
        };
        // `null` is a value, but no record.
        let fit = if column.is_null(row) { Fit::Bad } else { fit };
        if fit != Fit::Whole && self.options.fail_fast {
            return Err(self.malformed(text, &format!("it does not fit {:?}", self.schema)));
        }
        if fit == Fit::Bad && matches!(self.data_type, DataType::Struct(_)) {
            // Not a null: a struct whose fields are.
            column.truncate(row);
            column.push_struct_of_nulls()?;
        }
        let misfit = reader.take_misfit();
        if fit == Fit::Whole {
            return Ok(None);
        }
        Ok(Some(match (self.error, malformed, misfit) {
            (None, ..) => String::new(),
            (_, Some(position), _) => format!("it is no JSON, at byte {position}"),
            (_, None, Some(misfit)) => misfit.to_string(),
            (_, None, None) => "it is null, and no record".to_owned(),
        }))
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

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult, DataFusionError> {
        without_casts(arguments, context).map(ExprSimplifyResult::Original)
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
            DataType::Utf8 => self.read(rows, texts(array.as_string::<i32>().iter()))?,
            DataType::LargeUtf8 => self.read(rows, texts(array.as_string::<i64>().iter()))?,
            DataType::Utf8View => self.read(rows, texts(array.as_string_view().iter()))?,
            DataType::Binary => self.read(rows, bytes(array.as_binary::<i32>().iter()))?,
            DataType::LargeBinary => self.read(rows, bytes(array.as_binary::<i64>().iter()))?,
            DataType::BinaryView => self.read(rows, bytes(array.as_binary_view().iter()))?,
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

fn texts<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
) -> impl Iterator<Item = Option<RecordText<'a>>> {
    texts.map(|text| text.map(Ok))
}

fn bytes<'a>(
    records: impl Iterator<Item = Option<&'a [u8]>>,
) -> impl Iterator<Item = Option<RecordText<'a>>> {
    records.map(|record| record.map(text_of))
}

/// JSON has no other names.
fn text_keys(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Struct(fields) => fields
            .iter()
            .try_for_each(|field| text_keys(field.data_type())),
        DataType::List(item) => text_keys(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair[0].data_type() != &DataType::Utf8 => {
                Err(Error::unsupported(format!(
                    "from_json: a map's keys are strings, not {}: JSON has no others",
                    pair[0].data_type()
                )))
            }
            DataType::Struct(pair) => text_keys(pair[1].data_type()),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The place of the field `name`, which receives `what`, if there is one.
fn text_field(fields: &Fields, name: &str, what: &str) -> Result<Option<usize>> {
    match fields.find(name) {
        Some((_, field)) if field.data_type() != &DataType::Utf8 => Err(Error::invalid_argument(
            format!("from_json: field {name:?} receives {what}, so that it must be a STRING"),
        )),
        found => Ok(found.map(|(index, _)| index)),
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
