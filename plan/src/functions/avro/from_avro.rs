//! `from_avro(data, jsonFormatSchema, options)`: a column of Avro records without headers as values.

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::decoder::AvroDecoder;
use super::schema::AvroTree;
use crate::error::{Error, Result};
use crate::functions::decode::{ERROR_FIELD, MODE, Modes, invoke, known_options, signature};
use crate::options::{OptionSpec, owned};

/// What [`from_avro`] understands.
pub const AVRO_OPTIONS: &[OptionSpec] = &[
    MODE,
    ERROR_FIELD,
    OptionSpec {
        key: "avroSchema",
        doc: "the reader's schema, JSON, where it is another than the one the records were written with",
    },
];

/// The Avro records of `expr` (the binary form of one value each, without a header) as values of `schema`, a schema in Avro's JSON
/// that they were written with, with [`AVRO_OPTIONS`].
///
/// As Spark's `from_avro`, types included: enums are strings, `fixed` is binary, a union of several types is a struct of `member0`,
/// `member1`, ... All fields are nullable. Other than in Spark, bytes that follow a record's end make it bad, and a
/// field that the reader's schema has and the writer's lacks needs a default, also if it may be null. For records with a header of a
/// schema registry, see [`crate::functions::from_avro_registry`].
///
/// # Errors
/// `InvalidArgument` or `Unsupported` for a schema or an option that is not supported, naming it, and for two schemas that do not
/// fit each other.
pub fn from_avro<K: Into<String>, V: Into<String>>(
    expr: Expr,
    schema: &str,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    let options = owned(options);
    let function = FromAvro::new(schema, &options)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

#[derive(Debug)]
pub(in crate::functions) struct FromAvro {
    /// As given, to be sent.
    schema: String,
    options: Vec<(String, String)>,
    modes: Modes,
    decoder: AvroDecoder,
    data_type: DataType,
    result_type: DataType,
    signature: Signature,
}

impl FromAvro {
    pub(in crate::functions) fn new(schema: &str, options: &[(String, String)]) -> Result<Self> {
        let given = known_options("from_avro", options, AVRO_OPTIONS)?;
        let modes = Modes::of("from_avro", &given)?;
        let of =
            |text: &str| AvroTree::parse(text, &[]).map_err(|error| error.context("from_avro"));
        let writer = of(schema)?;
        let reader = match given.get("avroSchema") {
            Some(reader) => of(reader).map_err(|error| error.context("avroSchema"))?,
            None => writer.clone(),
        };
        let data_type = reader.data_type()?;
        let decoder = AvroDecoder::try_new(&writer, &reader)
            .map_err(|reason| Error::invalid_argument(format!("from_avro: {reason}")))?;
        Ok(Self {
            schema: schema.to_owned(),
            options: options.to_vec(),
            result_type: modes.result_type("from_avro", &data_type)?,
            modes,
            decoder,
            data_type,
            signature: signature(),
        })
    }

    pub(in crate::functions) fn schema(&self) -> &str {
        &self.schema
    }

    pub(in crate::functions) fn options(&self) -> &[(String, String)] {
        &self.options
    }
}

impl PartialEq for FromAvro {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema && self.options == other.options
    }
}

impl Eq for FromAvro {}

impl std::hash::Hash for FromAvro {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
        self.options.hash(state);
    }
}

impl ScalarUDFImpl for FromAvro {
    fn name(&self) -> &'static str {
        "from_avro"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(self.result_type.clone())
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let [data] = take_function_args(self.name(), arguments.args)?;
        invoke(
            "from_avro",
            &self.modes,
            data,
            rows,
            &self.data_type,
            |bodies| self.decoder.decode(bodies),
        )
    }
}
