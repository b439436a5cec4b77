//! How the columns of a node travel: as the plan library writes them.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion_proto::protobuf;
use prost::Message;
use weir_plan::{Error, Result};

pub(crate) fn encode_schema(schema: &Schema) -> Result<Vec<u8>> {
    let message = protobuf::Schema::try_from(schema).map_err(|error| {
        Error::internal(format!("the columns {schema} cannot travel")).with_source(error)
    })?;
    Ok(message.encode_to_vec())
}

pub(crate) fn decode_schema(bytes: &[u8]) -> Result<SchemaRef> {
    let damaged = || Error::internal("columns sent to this process are damaged");
    let message = protobuf::Schema::decode(bytes).map_err(|error| damaged().with_source(error))?;
    let schema = Schema::try_from(&message).map_err(|error| damaged().with_source(error))?;
    Ok(Arc::new(schema))
}
