//! `to_protobuf(data, messageName, descriptors)`: a column of structs as messages.

use arrow::array::ArrayRef;
use datafusion::logical_expr::{Expr, ScalarUDF};
use serde::{Deserialize, Serialize};

use super::descriptors::{ProtobufDescriptors, message_named};
use super::encoder::ProtobufEncoder;
use super::types::{MessageOptions, MessageType};
use crate::error::Result;
use crate::functions::encode::{Encode, Encoding, Records};

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
    let function = Encode::new(ToProtobuf {
        message: message_name.to_owned(),
        descriptors: descriptors.clone(),
    })?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

/// Of a message of some descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::functions) struct ToProtobuf {
    message: String,
    descriptors: ProtobufDescriptors,
}

impl Encoding for ToProtobuf {
    type Encoder = ProtobufEncoder;

    fn name(&self) -> &'static str {
        "to_protobuf"
    }

    fn encoder(&self) -> Result<Self::Encoder> {
        let message = message_named(&self.descriptors.pool()?, &self.message)?;
        let message = MessageType::new(&message, MessageOptions::default())?;
        Ok(ProtobufEncoder::new(message))
    }

    fn encode(encoder: &Self::Encoder, values: &ArrayRef) -> Result<Records> {
        encoder.encode(values, &[])
    }
}
