//! `to_avro(data, jsonFormatSchema)`: a column of values as Avro records without headers.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::derive::{Nulls, RECORD_NAME, schema_of};
use super::encoder::AvroEncoder;
use super::schema::AvroTree;
use crate::error::Result;
use crate::functions::encode::{Records, checked, invoke, signature};

/// The values of `expr` as Avro records (the binary form of one value each, without a header) of `schema`, a schema in Avro's JSON, or
/// of the column's own type.
///
/// As Spark's `to_avro`, types included, which are those of [`crate::functions::from_avro`]; a column's own schema is Spark's
/// `SchemaConverters.toAvroType`: a record `topLevelRecord`, fields that may be null as `["long", "null"]`, decimals as
/// `fixed`. Other than in Spark, a column that may be null itself does not become a union (a null row is a null, and no
/// record), and a value that the schema has no room for fails the query: a null where it has none, a number that is too large, microseconds
/// for `timestamp-millis`, a string that is no symbol of an enum. Binary that is UTF-8 may be a `string`, integers are made wider and
/// narrower; fields are found by their names, as they are spelt, and those that the column lacks are null, where they may be.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema that is not supported, naming the place. When the query is planned, `InvalidPlan` for a
/// column whose type is not the schema's; when it runs, `Compute` for a value that does not fit, with its field.
pub fn to_avro(expr: Expr, schema: Option<&str>) -> Result<Expr> {
    let function = ToAvro::new(schema)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

#[derive(Debug)]
pub(in crate::functions) struct ToAvro {
    /// As given, to be sent.
    schema: Option<String>,
    encoder: Option<AvroEncoder>,
    signature: Signature,
}

impl ToAvro {
    pub(in crate::functions) fn new(schema: Option<&str>) -> Result<Self> {
        let encoder = schema.map(|schema| {
            let tree = AvroTree::parse(schema, &[]).map_err(|error| error.context("to_avro"))?;
            // It is read again by the same types.
            tree.data_type().map_err(|error| error.context("to_avro"))?;
            Ok::<_, crate::Error>(AvroEncoder::new(tree))
        });
        Ok(Self {
            schema: schema.map(str::to_owned),
            encoder: encoder.transpose()?,
            signature: signature(),
        })
    }

    pub(in crate::functions) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    fn encode(&self, values: &ArrayRef) -> Result<Records> {
        match &self.encoder {
            Some(encoder) => encoder.encode(values, &[]),
            None => {
                let schema = schema_of(values.data_type(), RECORD_NAME, "", Nulls::Last)?;
                let tree = AvroTree::parse(&schema.to_string(), &[])?;
                AvroEncoder::new(tree).encode(values, &[])
            }
        }
    }
}

impl PartialEq for ToAvro {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

impl Eq for ToAvro {}

impl std::hash::Hash for ToAvro {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
    }
}

impl ScalarUDFImpl for ToAvro {
    fn name(&self) -> &'static str {
        "to_avro"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        checked(self.name(), types, |values| self.encode(values))
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let [values] = take_function_args(self.name(), arguments.args)?;
        invoke(self.name(), values, rows, |values| self.encode(values))
    }
}
