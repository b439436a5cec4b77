//! Records of one writer's schema into an array of the reader's.
//!
//! A decoder of `arrow-avro` that met a bad record is of no more use: what it had read of it stays in its columns. The records before
//! are decoded once more by a new one, so that each bad record costs a decoder, and each good one is read at most twice.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use datafusion::common::DataFusionError;

use super::check::check;
use super::schema::AvroTree;
use super::values::as_spark;
use crate::error::{Error, Result};
use crate::functions::decode::{Bad, Decoded};

/// The header by which a decoder knows the writer's schema: that of the only one that it has.
const HEADER: [u8; 5] = [0, 0, 0, 0, 0];

/// How records of one schema become values of another.
#[derive(Debug)]
pub(crate) struct AvroDecoder {
    writer: String,
    reader: String,
    data_type: DataType,
}

impl AvroDecoder {
    /// From `writer`'s records to `reader`'s values.
    ///
    /// # Errors
    /// Why it cannot be, with the place: a field that the writer lacks, a type that changed.
    pub(crate) fn try_new(writer: &AvroTree, reader: &AvroTree) -> Result<Self, String> {
        check(&writer.root, &reader.root)?;
        let decoder = Self {
            writer: writer.wrapped(),
            reader: reader.wrapped(),
            data_type: reader.data_type().map_err(|error| error.to_string())?,
        };
        decoder.start(1).map_err(|error| error.to_string())?;
        Ok(decoder)
    }

    fn start(&self, rows: usize) -> Result<Decoder, arrow::error::ArrowError> {
        let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
        store.set(Fingerprint::Id(0), AvroSchema::new(self.writer.clone()))?;
        ReaderBuilder::new()
            .with_writer_schema_store(store)
            .with_reader_schema(AvroSchema::new(self.reader.clone()))
            // Never full.
            .with_batch_size(rows + 1)
            .build_decoder()
    }

    /// A value for each of `bodies`.
    ///
    /// # Errors
    /// Those of `arrow-avro` that are about no record.
    pub(crate) fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        let mut parts = Vec::new();
        let mut bad = Vec::new();
        let mut start = 0;
        while start < bodies.len() {
            let rest = &bodies[start..];
            let (good, failed) = self.run(rest)?;
            let good = match (good, &failed) {
                (Some(values), _) => Some(values),
                (None, Some((at, _))) if *at > 0 => {
                    let (again, failed) = self.run(&rest[..*at])?;
                    if failed.is_some() {
                        return Err(Error::internal("avro records fail at the second time").into());
                    }
                    again
                }
                _ => None,
            };
            let end = failed.as_ref().map_or(bodies.len(), |(at, _)| start + at);
            if let Some(values) = good {
                let part = Decoded {
                    values: as_spark(&values, &self.data_type)?,
                    bad: Vec::new(),
                };
                parts.push(((start..end).collect(), part));
            }
            if let Some((at, reason)) = failed {
                bad.push(Bad {
                    row: start + at,
                    reason,
                });
            }
            start = end + 1;
        }
        if bad.is_empty()
            && parts.len() == 1
            && let Some((_, whole)) = parts.pop()
        {
            return Ok(whole);
        }
        let gathered = Decoded::gathered(&self.data_type, bodies.len(), parts)?;
        Ok(Decoded { bad, ..gathered })
    }

    /// All of `bodies`, or the place of the first bad one and why it is.
    #[allow(clippy::type_complexity, reason = "values, or a place and a reason")]
    fn run(
        &self,
        bodies: &[&[u8]],
    ) -> Result<(Option<ArrayRef>, Option<(usize, String)>), DataFusionError> {
        let mut decoder = self.start(bodies.len())?;
        for (row, body) in bodies.iter().enumerate() {
            if let Err(reason) = feed(&mut decoder, body) {
                return Ok((None, Some((row, reason))));
            }
        }
        let batch = decoder
            .flush()
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let values = batch.map(|batch| ArrayRef::clone(batch.column(0)));
        match values {
            Some(values) if values.len() == bodies.len() => Ok((Some(values), None)),
            None if bodies.is_empty() => Ok((None, None)),
            _ => Err(Error::internal("arrow-avro gave another number of rows").into()),
        }
    }
}

/// One record, whole and no more.
fn feed(decoder: &mut Decoder, body: &[u8]) -> Result<(), String> {
    let rows = decoder.capacity();
    // A record of no bytes is not noticed.
    if body.is_empty() {
        return Err("it is empty".to_owned());
    }
    let header = decoder.decode(&HEADER).map_err(|error| error.to_string())?;
    let read = decoder.decode(body).map_err(|error| error.to_string());
    match (read, rows - decoder.capacity()) {
        (Ok(read), 1) if header == HEADER.len() && read == body.len() => Ok(()),
        (Ok(_), 0) => Err(format!(
            "it ends within a value, after {} bytes",
            body.len()
        )),
        // What follows was taken for a header.
        (_, 1..) => Err("bytes follow its end".to_owned()),
        (Err(error), _) => Err(format!("it does not fit its schema: {error}")),
    }
}
