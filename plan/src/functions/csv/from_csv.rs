//! `from_csv(text, schema, options)`: a column of CSV records as structs.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::utils::take_function_args;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::fields::Splitter;
use super::options::CsvOptions;
use super::values::push;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::column::Column;
use crate::functions::ddl;
use crate::functions::record_text::{RecordText, signature, text_of, without_casts};
use crate::options::owned;

/// How much of a malformed record an error shows.
const SHOWN_CHARS: usize = 200;

/// The CSV records of `expr` (text, or bytes as a Kafka source has them), one each, as structs of `schema`, a Spark table schema (`"a INT, b STRING"`), with
/// [`super::CSV_OPTIONS`].
///
/// As Spark's `from_csv`: in mode PERMISSIVE a field that is not of its type is null, and so are those that a record does not have; such a
/// record, and one with more fields, leaves its text in the field `_corrupt_record` if the schema has it, and why it is bad in
/// that of `columnNameOfError`, an option of Weir's own; in mode FAILFAST it fails the query. All fields are nullable. Other than in Spark,
/// two quotes within quotes are one, and a text of several lines is bad, as is what is no UTF-8.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it.
pub fn from_csv<K: Into<String>, V: Into<String>>(
    expr: Expr,
    schema: &str,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    let options = owned(options);
    let function = FromCsv::new(schema, &options)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

#[derive(Debug)]
pub(in crate::functions) struct FromCsv {
    /// As given, to be sent.
    schema: String,
    given: Vec<(String, String)>,
    options: CsvOptions,
    fields: Fields,
    /// Of the field that receives bad records.
    corrupt: Option<usize>,
    /// Of the one that receives why they are.
    error: Option<usize>,
    signature: Signature,
}

impl FromCsv {
    pub(in crate::functions) fn new(schema: &str, given: &[(String, String)]) -> Result<Self> {
        let options = CsvOptions::parse(given)?;
        let parsed = ddl::parse_schema(schema).map_err(|error| error.context("from_csv"))?;
        let mut fields: Vec<Field> = Vec::new();
        for field in parsed.fields() {
            if fields.iter().any(|earlier| earlier.name() == field.name()) {
                return Err(Error::invalid_argument(format!(
                    "from_csv: the schema has two fields {:?}",
                    field.name()
                )));
            }
            if field.data_type().is_nested() {
                return Err(Error::unsupported(format!(
                    "from_csv: field {:?} is a {}, which CSV has not",
                    field.name(),
                    ddl::type_name(field.data_type())
                )));
            }
            // What has no column is refused now.
            Column::new(field.data_type(), 0).map_err(|error| error.context("from_csv"))?;
            fields.push(field.as_ref().clone().with_nullable(true));
        }
        if let Some(name) = &options.error_field
            && !fields.iter().any(|field| field.name() == name)
        {
            fields.push(Field::new(name, DataType::Utf8, true));
        }
        let place = |name: &str, what: &str| {
            let found = fields.iter().position(|field| field.name() == name);
            match found {
                Some(index) if fields[index].data_type() != &DataType::Utf8 => {
                    Err(Error::invalid_argument(format!(
                        "from_csv: field {name:?} receives {what}, so that it must be a STRING"
                    )))
                }
                found => Ok(found),
            }
        };
        let corrupt = place(&options.corrupt_field, "the text of bad records")?;
        let error = match &options.error_field {
            Some(name) => place(name, "why records are bad")?,
            None => None,
        };
        if error.is_some() && error == corrupt {
            return Err(Error::invalid_argument(
                "from_csv: one field cannot receive the text of bad records and why they are; choose another \
                 columnNameOfError",
            ));
        }
        Ok(Self {
            schema: schema.to_owned(),
            given: given.to_vec(),
            options,
            fields: fields.into(),
            corrupt,
            error,
            signature: signature(),
        })
    }

    pub(in crate::functions) fn schema(&self) -> &str {
        &self.schema
    }

    pub(in crate::functions) fn options(&self) -> &[(String, String)] {
        &self.given
    }

    fn read<'a>(
        &self,
        rows: usize,
        texts: impl Iterator<Item = Option<RecordText<'a>>>,
    ) -> Result<ArrayRef, DataFusionError> {
        let columns = self
            .fields
            .iter()
            .map(|field| Column::new(field.data_type(), rows));
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        let mut valid = arrow::array::NullBufferBuilder::new(rows);
        let mut splitter = Splitter::new(&self.options);
        for text in texts {
            valid.append(text.is_some());
            let Some(text) = text else {
                for column in &mut columns {
                    column.push_null()?;
                }
                continue;
            };
            let (text, bad) = match text {
                Ok(text) => {
                    let bad = self.read_one(text, &mut columns, &mut splitter)?;
                    (Cow::Borrowed(text), bad)
                }
                Err(no_text) => {
                    self.push_nulls(&mut columns)?;
                    (Cow::Owned(no_text.lossy()), Some(no_text.reason()))
                }
            };
            if let (Some(why), true) = (&bad, self.options.fail_fast) {
                let shown: String = text.chars().take(SHOWN_CHARS).collect();
                return Err(Error::new(
                    ErrorKind::Compute,
                    format!(
                        "from_csv: malformed record {shown:?} (mode FAILFAST): {why}; use mode PERMISSIVE for null instead"
                    ),
                )
                .into());
            }
            let beside = [
                (self.corrupt, Some(text.as_ref())),
                (self.error, bad.as_deref()),
            ];
            for (index, value) in beside {
                match (index, value) {
                    (Some(index), Some(value)) if bad.is_some() => {
                        columns[index].push_text(value)?
                    }
                    (Some(index), _) => columns[index].push_null()?,
                    (None, _) => {}
                }
            }
        }
        let columns = columns.into_iter().map(Column::finish);
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let fields = self.fields.clone();
        Ok(Arc::new(StructArray::try_new(
            fields,
            columns,
            valid.finish(),
        )?))
    }

    /// Whether the field at `index` is about bad records, and none of theirs.
    fn is_special(&self, index: usize) -> bool {
        Some(index) == self.corrupt || Some(index) == self.error
    }

    fn push_nulls(&self, columns: &mut [Column]) -> Result<()> {
        let own = columns.iter_mut().enumerate();
        own.filter(|(index, _)| !self.is_special(*index))
            .try_for_each(|(_, column)| column.push_null())
    }

    /// Why the record is bad, if it is.
    fn read_one(
        &self,
        text: &str,
        columns: &mut [Column],
        splitter: &mut Splitter,
    ) -> Result<Option<String>> {
        let mut places = (0..columns.len()).filter(|index| !self.is_special(*index));
        let mut bad = None;
        let (mut found, mut more) = (0_usize, 0_usize);
        for field in splitter.split(text) {
            let Some(index) = places.next() else {
                more += 1;
                continue;
            };
            found += 1;
            let field = match self.options.trim_start {
                true => field.trim_start(),
                false => field,
            };
            let field = match self.options.trim_end {
                true => field.trim_end(),
                false => field,
            };
            if !push(&mut columns[index], field, &self.options)? && bad.is_none() {
                let data_type = self.fields[index].data_type();
                bad = Some(format!(
                    "field {:?}: {:?} is no {}",
                    self.fields[index].name(),
                    field.chars().take(SHOWN_CHARS).collect::<String>(),
                    ddl::type_name(data_type).to_uppercase()
                ));
            }
        }
        let mut missing = 0;
        for index in places {
            columns[index].push_null()?;
            missing += 1;
        }
        // As Spark: an empty record is one of nulls, and not bad.
        if missing + more > 0 && bad.is_none() && !text.is_empty() {
            bad = Some(format!(
                "it has {} fields, and the schema {}",
                found + more,
                found + missing
            ));
        }
        if splitter.has_more() && bad.is_none() {
            bad = Some("it has several lines".to_owned());
        }
        Ok(bad)
    }
}

impl PartialEq for FromCsv {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema && self.given == other.given
    }
}

impl Eq for FromCsv {}

impl Hash for FromCsv {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
        self.given.hash(state);
    }
}

impl ScalarUDFImpl for FromCsv {
    fn name(&self) -> &'static str {
        "from_csv"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Struct(self.fields.clone()))
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
        let is_binary = matches!(
            array.data_type(),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        );
        let read = match is_binary {
            true => {
                let array = cast(&array, &DataType::Binary)?;
                let records = array.as_binary::<i32>().iter();
                self.read(array.len(), records.map(|record| record.map(text_of)))?
            }
            false => {
                let array = cast(&array, &DataType::Utf8)?;
                let texts = array.as_string::<i32>().iter();
                self.read(array.len(), texts.map(|text| text.map(Ok)))?
            }
        };
        match scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &read, 0,
            )?)),
            false => Ok(ColumnarValue::Array(read)),
        }
    }
}
