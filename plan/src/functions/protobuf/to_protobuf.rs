//! `to_protobuf(data, messageName, descriptors)`: a column of structs as messages.

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::descriptors::{ProtobufDescriptors, message_named};
use super::encoder::ProtobufEncoder;
use super::types::{MessageOptions, MessageType};
use crate::error::Result;
use crate::functions::encode::{checked, invoke, signature};

/// The structs of `expr` as messages `message_name` of `descriptors` (the binary form of one each, without a header).
///
/// As Spark's `to_protobuf`, types included, which are those of [`crate::functions::from_protobuf`] with any of its options: enums are their
/// names or numbers, `uint32` is INT of the same bits or BIGINT, `uint64` BIGINT of the same bits or DECIMAL(20, 0). A null is left
/// out, and so are fields that the column lacks: where a field of proto3 is not `optional`, whoever reads it sees no difference to zero.
/// Other than in Spark, a value that the message has no room for fails the query: a null in a `required` field, in a list or in a map, or where
/// the message has a default; a number that is too large, a name that is none of the enum's, binary that is no UTF-8 in a `string`, two
/// members of a `oneof`.
///
/// # Errors
/// As [`crate::functions::from_protobuf`]. When the query is planned, `InvalidPlan` for a column whose type is not the message's; when it
/// runs, `Compute` for a value that does not fit, with its field.
pub fn to_protobuf(
    expr: Expr,
    message_name: &str,
    descriptors: &ProtobufDescriptors,
) -> Result<Expr> {
    let function = ToProtobuf::new(message_name, descriptors.clone())?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

#[derive(Debug)]
pub(in crate::functions) struct ToProtobuf {
    /// As given, to be sent.
    message: String,
    descriptors: ProtobufDescriptors,
    encoder: ProtobufEncoder,
    signature: Signature,
}

impl ToProtobuf {
    pub(in crate::functions) fn new(
        message: &str,
        descriptors: ProtobufDescriptors,
    ) -> Result<Self> {
        let found = descriptors
            .pool()
            .and_then(|pool| message_named(&pool, message))
            .and_then(|descriptor| MessageType::new(&descriptor, MessageOptions::default()))
            .map_err(|error| error.context("to_protobuf"))?;
        Ok(Self {
            message: message.to_owned(),
            descriptors,
            encoder: ProtobufEncoder::new(found),
            signature: signature(),
        })
    }

    pub(in crate::functions) fn message(&self) -> &str {
        &self.message
    }

    pub(in crate::functions) fn descriptors(&self) -> &[u8] {
        self.descriptors.bytes()
    }
}

impl PartialEq for ToProtobuf {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message && self.descriptors == other.descriptors
    }
}

impl Eq for ToProtobuf {}

impl std::hash::Hash for ToProtobuf {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.message.hash(state);
        self.descriptors.hash(state);
    }
}

impl ScalarUDFImpl for ToProtobuf {
    fn name(&self) -> &'static str {
        "to_protobuf"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        checked(self.name(), types, |values| {
            self.encoder.encode(values, &[])
        })
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let [values] = take_function_args(self.name(), arguments.args)?;
        invoke(self.name(), values, rows, |values| {
            self.encoder.encode(values, &[])
        })
    }
}
