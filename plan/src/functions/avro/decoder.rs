//! Records of one writer's schema into an array of the reader's.
//!
//! A decoder of `arrow-avro` that met a bad record is of no more use: what it had read of it stays in its columns, and the records before
//! are decoded once more by a new one. So records whose bytes show that they are bad are left out before ([`Walk`]); only what is bad
//! otherwise (a decimal of too many digits, a branch that the reader lacks) is looked for by halves, a decoder each.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use datafusion::common::DataFusionError;

use super::check::check;
use super::schema::AvroTree;
use super::values::as_spark;
use super::walk::Walk;
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
    walk: Walk,
    /// Decoders of `arrow-avro` so far.
    #[cfg(test)]
    started: std::sync::atomic::AtomicUsize,
}

impl AvroDecoder {
    /// From `writer`'s records to `reader`'s values.
    ///
    /// # Errors
    /// Why it cannot be, with the place: a field that the writer lacks, a type that changed.
    pub(crate) fn try_new(writer: &AvroTree, reader: &AvroTree) -> Result<Self, String> {
        check(writer, reader)?;
        let decoder = Self {
            writer: writer.wrapped(),
            reader: reader.wrapped(),
            data_type: reader.data_type().map_err(|error| error.to_string())?,
            walk: Walk::new(&writer.root, &reader.root),
            #[cfg(test)]
            started: std::sync::atomic::AtomicUsize::new(0),
        };
        decoder.start(1).map_err(|error| error.to_string())?;
        Ok(decoder)
    }

    fn start(&self, rows: usize) -> Result<Decoder, arrow::error::ArrowError> {
        #[cfg(test)]
        self.started
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
    /// Those that are about no record.
    pub(crate) fn decode(&self, bodies: &[&[u8]]) -> Result<Decoded, DataFusionError> {
        let all = bodies.iter().copied().enumerate();
        let (mut sound, mut bad) = divided(all, |body| self.walk.check(body));
        let mut spans = Spans::default();
        if !sound.bodies.is_empty() {
            match self.run(&sound.bodies)? {
                Run::Whole(values) if bad.is_empty() => return Ok(Decoded { values, bad }),
                Run::Whole(values) => spans.push_good(0..sound.rows.len(), values),
                Run::Bad { .. } | Run::SomeBad(_) => {
                    let records = sound.rows.into_iter().zip(sound.bodies);
                    let no_text;
                    (sound, no_text) = divided(records, |body| self.walk.check_text(body));
                    bad.extend(no_text);
                    self.decode_span(&sound.bodies, 0, &mut spans)?;
                }
            }
        }
        for row in spans.good.iter_mut().flat_map(|(span, _)| span) {
            *row = sound.rows[*row];
        }
        bad.extend(spans.bad.into_iter().map(|Bad { row, reason }| Bad {
            row: sound.rows[row],
            reason,
        }));
        bad.sort_by_key(|bad| bad.row);
        let gathered = Decoded::gathered(&self.data_type, bodies.len(), spans.good)?;
        Ok(Decoded { bad, ..gathered })
    }

    /// What `arrow-avro` makes of one record, or why nothing.
    #[cfg(test)]
    pub(super) fn read_alone(
        &self,
        body: &[u8],
    ) -> Result<Result<ArrayRef, String>, DataFusionError> {
        Ok(match self.run(&[body])? {
            Run::Whole(values) => Ok(values),
            Run::Bad { reason, .. } | Run::SomeBad(reason) => Err(reason),
        })
    }

    #[cfg(test)]
    pub(super) fn started(&self) -> usize {
        self.started.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn is_divided(&self, body: &[u8]) -> bool {
        self.walk.check(body).is_ok()
    }

    /// `bodies`, the first of which is number `start`.
    fn decode_span(
        &self,
        mut bodies: &[&[u8]],
        mut start: usize,
        spans: &mut Spans,
    ) -> Result<(), DataFusionError> {
        while !bodies.is_empty() {
            let (row, reason) = match self.run(bodies)? {
                Run::Whole(values) => {
                    spans.push_good(start..start + bodies.len(), values);
                    return Ok(());
                }
                Run::Bad { row, reason } => (row, reason),
                Run::SomeBad(reason) if bodies.len() == 1 => (0, reason),
                Run::SomeBad(_) => {
                    let (first, second) = bodies.split_at(bodies.len() / 2);
                    self.decode_span(first, start, spans)?;
                    start += first.len();
                    bodies = second;
                    continue;
                }
            };
            self.decode_span(&bodies[..row], start, spans)?;
            let bad = start + row;
            spans.bad.push(Bad { row: bad, reason });
            start = bad + 1;
            bodies = &bodies[row + 1..];
        }
        Ok(())
    }

    fn run(&self, bodies: &[&[u8]]) -> Result<Run, DataFusionError> {
        let mut decoder = self.start(bodies.len())?;
        for (row, body) in bodies.iter().enumerate() {
            if let Err(reason) = feed(&mut decoder, body) {
                return Ok(Run::Bad { row, reason });
            }
        }
        // Text that is no UTF-8 and numbers that are too large are found here.
        let unfit = |error: String| Run::SomeBad(format!("it does not fit its schema: {error}"));
        let batch = match decoder.flush() {
            Ok(batch) => batch,
            Err(error) => return Ok(unfit(error.to_string())),
        };
        match batch {
            Some(batch) if batch.num_rows() == bodies.len() => {
                let values = as_spark(batch.column(0), &self.data_type);
                Ok(values.map_or_else(|error| unfit(error.to_string()), Run::Whole))
            }
            _ => Err(Error::internal("arrow-avro gave another number of rows").into()),
        }
    }
}

#[derive(Default)]
struct Spans {
    good: Vec<(Vec<usize>, Decoded)>,
    bad: Vec<Bad>,
}

impl Spans {
    fn push_good(&mut self, rows: std::ops::Range<usize>, values: ArrayRef) {
        let bad = Vec::new();
        self.good.push((rows.collect(), Decoded { values, bad }));
    }
}

enum Run {
    /// The values of all records.
    Whole(ArrayRef),
    /// The first bad record.
    Bad { row: usize, reason: String },
    /// At least one is bad.
    SomeBad(String),
}

/// Records, and their places among all.
#[derive(Default)]
struct Numbered<'a> {
    rows: Vec<usize>,
    bodies: Vec<&'a [u8]>,
}

/// Those of `records` that pass, and why the others do not.
fn divided<'a>(
    records: impl Iterator<Item = (usize, &'a [u8])>,
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> (Numbered<'a>, Vec<Bad>) {
    let (mut sound, mut bad) = (Numbered::default(), Vec::new());
    for (row, body) in records {
        match check(body) {
            Ok(()) => {
                sound.rows.push(row);
                sound.bodies.push(body);
            }
            Err(reason) => bad.push(Bad { row, reason }),
        }
    }
    (sound, bad)
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
