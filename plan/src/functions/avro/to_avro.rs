//! `to_avro(data, jsonFormatSchema)`: a column of values as Avro records without headers.

use arrow::array::ArrayRef;
use datafusion::logical_expr::{Expr, ScalarUDF};
use serde::{Deserialize, Serialize};

use super::derive::{Nulls, RECORD_NAME, schema_of};
use super::encoder::AvroEncoder;
use super::schema::AvroTree;
use crate::error::Result;
use crate::functions::encode::{Encode, Encoding, Records};

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
    let function = Encode::new(ToAvro {
        schema: schema.map(str::to_owned),
    })?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

/// Of a schema, or of the column's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::functions) struct ToAvro {
    schema: Option<String>,
}

impl Encoding for ToAvro {
    type Encoder = Option<AvroEncoder>;

    fn name(&self) -> &'static str {
        "to_avro"
    }

    fn encoder(&self) -> Result<Self::Encoder> {
        let encoder = self.schema.as_ref().map(|schema| {
            let tree = AvroTree::parse(schema, &[])?;
            // It is read again by the same types.
            tree.data_type()?;
            Ok(AvroEncoder::new(tree))
        });
        encoder.transpose()
    }

    fn encode(encoder: &Self::Encoder, values: &ArrayRef) -> Result<Records> {
        match encoder {
            Some(encoder) => encoder.encode(values, &[]),
            None => {
                let schema = schema_of(values.data_type(), RECORD_NAME, "", Nulls::Last)?;
                let tree = AvroTree::parse(&schema.to_string(), &[])?;
                AvroEncoder::new(tree).encode(values, &[])
            }
        }
    }
}
