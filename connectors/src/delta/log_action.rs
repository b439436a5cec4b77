//! The log actions that make a table, widen its schema or give it another one.

use deltalake::kernel::{Action, Metadata, MetadataExt as _, Protocol, StructType, new_metadata};
use serde_json::json;
use weir_plan::{Error, Result};

use super::schema::has_timestamp_ntz;

/// The actions that create a table of `schema`: the lowest protocol its types allow, so that the most
/// readers can open it, and no properties, so that every writer uses its own defaults.
pub(super) fn create(schema: &StructType, partition_by: &[String]) -> Result<Vec<Action>> {
    let protocol = if has_timestamp_ntz(schema) {
        json!({
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"],
            "writerFeatures": ["timestampNtz"],
        })
    } else {
        json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
    };
    let protocol: Protocol = serde_json::from_value(protocol).map_err(internal)?;
    let no_properties: [(String, String); 0] = [];
    let metadata = new_metadata(schema, partition_by, no_properties).map_err(internal)?;
    Ok(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
}

/// The action that gives the table of `metadata` the columns of `schema`.
pub(super) fn widen(metadata: &Metadata, schema: &StructType) -> Result<Action> {
    let metadata = metadata.clone().with_schema(schema).map_err(internal)?;
    Ok(Action::Metadata(metadata))
}

/// The action that gives the table of `metadata` other columns and partitioning; it keeps its id,
/// name and properties.
pub(super) fn redefine(
    metadata: &Metadata,
    schema: &StructType,
    partition_by: &[String],
) -> Result<Action> {
    let schema = serde_json::to_string(schema).map_err(internal)?;
    let mut fields = serde_json::to_value(metadata).map_err(internal)?;
    fields["schemaString"] = json!(schema);
    fields["partitionColumns"] = json!(partition_by);
    let metadata = serde_json::from_value(fields).map_err(internal)?;
    Ok(Action::Metadata(metadata))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("cannot build a delta log action").with_source(error)
}
