//! Values into records of one schema: `fit` looks at them, `arrow-avro` writes them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow_avro::schema::SCHEMA_METADATA_KEY;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroBinaryFormat;

use super::fit::fitted;
use super::schema::AvroTree;
use crate::error::{Error, Result};
use crate::functions::encode::Records;

/// Writes values of one schema.
#[derive(Debug)]
pub(crate) struct AvroEncoder {
    tree: AvroTree,
    schema: String,
}

impl AvroEncoder {
    pub(crate) fn new(tree: AvroTree) -> Self {
        Self {
            schema: tree.wrapped(),
            tree,
        }
    }

    /// A record for each of `values`, none of which is null, behind `header`.
    ///
    /// # Errors
    /// `InvalidPlan` for values of a type that is not the schema's, `Compute` for one that does not fit, with its place.
    pub(crate) fn encode(&self, values: &ArrayRef, header: &[u8]) -> Result<Records> {
        let fitted = fitted(values, None, &self.tree.root, "")?;
        let field = Field::new("value", fitted.data_type().clone(), true);
        let metadata = HashMap::from([(SCHEMA_METADATA_KEY.to_owned(), self.schema.clone())]);
        let schema = Schema::new_with_metadata(vec![field], metadata);
        let failed = |error: String| {
            Error::internal(format!(
                "arrow-avro does not write what fits its schema: {error}"
            ))
        };
        let mut encoder = WriterBuilder::new(schema)
            .build_encoder::<AvroBinaryFormat>()
            .map_err(|error| failed(error.to_string()))?;
        let batch = RecordBatch::try_new(encoder.schema(), vec![Arc::clone(&fitted)])
            .map_err(|error| failed(error.to_string()))?;
        encoder
            .encode(&batch)
            .map_err(|error| failed(error.to_string()))?;
        let mut records = Records::with_capacity(values.len());
        for record in encoder.flush().iter() {
            records.push(|bytes| {
                bytes.extend_from_slice(header);
                bytes.extend_from_slice(&record);
                Ok::<_, Error>(())
            })?;
        }
        Ok(records)
    }
}
