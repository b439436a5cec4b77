//! `from_protobuf(data, messageName, descriptors, options)`: a column of messages as structs.

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::decoder::ProtobufDecoder;
use super::descriptors::{ProtobufDescriptors, message_named};
use super::types::{EMIT_DEFAULTS, ENUMS_AS_INTS, MessageOptions, MessageType, UPCAST_UNSIGNED};
use crate::error::Result;
use crate::functions::decode::{ERROR_FIELD, MODE, Modes, invoke, known_options, signature};
use crate::options::{OptionSpec, owned};

/// What [`from_protobuf`] understands.
pub const PROTOBUF_OPTIONS: &[OptionSpec] = &[
    MODE,
    ERROR_FIELD,
    EMIT_DEFAULTS,
    ENUMS_AS_INTS,
    UPCAST_UNSIGNED,
];

/// The messages of `expr` (the binary form of one each, without a header) as structs of the message `message_name` of `descriptors`,
/// with [`PROTOBUF_OPTIONS`].
///
/// As Spark's `from_protobuf`, types included: enums are their names, a `google.protobuf.Timestamp` is a timestamp, a field that is
/// not in the message is null, unless it is repeated. Other than in Spark, the number of an enum that has no name makes a message bad.
/// For records with a header of a schema registry, see [`crate::functions::from_protobuf_registry`].
///
/// # Errors
/// `InvalidArgument` for descriptors that are none, a message that they do not have and an unknown option; `Unsupported` for a
/// message that contains itself, or that has a field without a table type, by name.
pub fn from_protobuf<K: Into<String>, V: Into<String>>(
    expr: Expr,
    message_name: &str,
    descriptors: &ProtobufDescriptors,
    options: impl IntoIterator<Item = (K, V)>,
) -> Result<Expr> {
    let options = owned(options);
    let function = FromProtobuf::new(message_name, descriptors.clone(), options)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

#[derive(Debug)]
pub(in crate::functions) struct FromProtobuf {
    /// As given, to be sent.
    message: String,
    descriptors: ProtobufDescriptors,
    options: Vec<(String, String)>,
    modes: Modes,
    decoder: ProtobufDecoder,
    data_type: DataType,
    result_type: DataType,
    signature: Signature,
}

impl FromProtobuf {
    pub(in crate::functions) fn new(
        message: &str,
        descriptors: ProtobufDescriptors,
        options: Vec<(String, String)>,
    ) -> Result<Self> {
        let given = known_options("from_protobuf", &options, PROTOBUF_OPTIONS)?;
        let modes = Modes::of("from_protobuf", &given)?;
        let found = descriptors
            .pool()
            .and_then(|pool| message_named(&pool, message))
            .and_then(|descriptor| MessageType::new(&descriptor, MessageOptions::of(&given)?))
            .map_err(|error| error.context("from_protobuf"))?;
        let data_type = found.data_type();
        Ok(Self {
            message: message.to_owned(),
            descriptors,
            options,
            result_type: modes.result_type("from_protobuf", &data_type)?,
            modes,
            decoder: ProtobufDecoder::new(found),
            data_type,
            signature: signature(),
        })
    }

    pub(in crate::functions) fn message(&self) -> &str {
        &self.message
    }

    pub(in crate::functions) fn descriptors(&self) -> &ProtobufDescriptors {
        &self.descriptors
    }

    pub(in crate::functions) fn options(&self) -> &[(String, String)] {
        &self.options
    }
}

impl PartialEq for FromProtobuf {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message
            && self.descriptors == other.descriptors
            && self.options == other.options
    }
}

impl Eq for FromProtobuf {}

impl std::hash::Hash for FromProtobuf {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.message.hash(state);
        self.descriptors.hash(state);
        self.options.hash(state);
    }
}

impl ScalarUDFImpl for FromProtobuf {
    fn name(&self) -> &'static str {
        "from_protobuf"
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
            self.name(),
            &self.modes,
            data,
            rows,
            &self.data_type,
            |bodies| self.decoder.decode(bodies),
        )
    }
}
