//! Random rows that are encoded and decoded are the same rows, whatever their types, and wherever their arrays begin.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int32Array, Int64Array, ListArray, MapArray, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_columns_with_options;
use datafusion::logical_expr::ColumnarValue;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::avro::{AvroDecoder, AvroEncoder, Nulls, schema::AvroTree, schema_of};
use super::decode::Decoded;
use super::encode::{Records, invoke};
use super::json_schema::{JsonDecoder, JsonEncoder, JsonType};
use super::protobuf::{
    MessageOptions, MessageType, ProtobufDecoder, ProtobufEncoder, file_of, file_text, message_at,
};
use super::{ddl, json_schema};
use crate::error::Result;
use crate::schema_registry::{RegisteredSchema, SchemaType};

const ROUNDS: u64 = 60;
const ROWS: usize = 40;

fn timestamp(zone: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.then(|| "UTC".into()))
}

/// Types and rows.
struct Random {
    rng: StdRng,
    leaves: Vec<DataType>,
    /// Whether items of lists, values of maps, and lists and maps themselves may be null, and lists hold lists.
    free: bool,
}

impl Random {
    fn a_struct(&mut self, depth: usize) -> DataType {
        let fields = (0..self.rng.random_range(1..6))
            .map(|index| Field::new(format!("f_{index}"), self.a_type(depth), true));
        DataType::Struct(fields.collect::<Fields>())
    }

    fn a_type(&mut self, depth: usize) -> DataType {
        match self.rng.random_range(0..if depth == 0 { 6 } else { 9 }) {
            6 => self.a_struct(depth - 1),
            7 => ddl::list_of(self.an_item(depth)),
            8 => ddl::map_of(DataType::Utf8, self.an_item(depth)),
            _ => self.leaves[self.rng.random_range(0..self.leaves.len())].clone(),
        }
    }

    fn an_item(&mut self, depth: usize) -> DataType {
        loop {
            let found = self.a_type(depth - 1);
            if self.free || !matches!(found, DataType::List(_) | DataType::Map(..)) {
                return found;
            }
        }
    }

    fn nulls(&mut self, rows: usize, some: bool) -> Option<NullBuffer> {
        some.then(|| (0..rows).map(|_| self.rng.random_bool(0.8)).collect())
    }

    fn rows(&mut self, data_type: &DataType, rows: usize, nullable: bool) -> ArrayRef {
        let nulls = self.nulls(rows, nullable);
        let rng = &mut self.rng;
        match data_type {
            DataType::Boolean => {
                let values = (0..rows).map(|_| rng.random_bool(0.5)).collect();
                Arc::new(BooleanArray::new(values, nulls))
            }
            DataType::Int32 => {
                let values: Vec<i32> = (0..rows)
                    .map(|_| rng.random::<i32>() >> rng.random_range(0..32))
                    .collect();
                Arc::new(Int32Array::new(values.into(), nulls))
            }
            DataType::Int64 => {
                let values: Vec<i64> = (0..rows)
                    .map(|_| rng.random::<i64>() >> rng.random_range(0..64))
                    .collect();
                Arc::new(Int64Array::new(values.into(), nulls))
            }
            DataType::Float32 => {
                let values: Vec<f32> = (0..rows).map(|_| rng.random_range(-9.0..9.0)).collect();
                Arc::new(Float32Array::new(values.into(), nulls))
            }
            DataType::Float64 => {
                let values: Vec<f64> = (0..rows).map(|_| rng.random_range(-9e9..9e9)).collect();
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            DataType::Date32 => {
                let values: Vec<i32> = (0..rows)
                    .map(|_| rng.random_range(-40_000..40_000))
                    .collect();
                Arc::new(Date32Array::new(values.into(), nulls))
            }
            DataType::Timestamp(_, zone) => {
                let range = -60_000_000_000_000_000..250_000_000_000_000_000_i64;
                let values: Vec<i64> = (0..rows).map(|_| rng.random_range(range.clone())).collect();
                let array = TimestampMicrosecondArray::new(values.into(), nulls);
                Arc::new(array.with_timezone_opt(zone.clone()))
            }
            DataType::Decimal128(digits, scale) => {
                let bound = 10_i128.pow(u32::from(*digits));
                let values: Vec<i128> = (0..rows)
                    .map(|_| rng.random_range(1 - bound..bound))
                    .collect();
                let array = Decimal128Array::new(values.into(), nulls);
                Arc::new(array.with_precision_and_scale(*digits, *scale).unwrap())
            }
            DataType::Utf8 => {
                let texts = (0..rows).map(|row| {
                    let length = rng.random_range(0..200);
                    let text: String = (0..length)
                        .map(|_| ['a', 'ü', '\u{1f600}', '"'][rng.random_range(0..4)])
                        .collect();
                    nulls
                        .as_ref()
                        .is_none_or(|nulls| nulls.is_valid(row))
                        .then_some(text)
                });
                Arc::new(texts.collect::<StringArray>())
            }
            DataType::Binary => {
                let bytes = (0..rows).map(|row| {
                    let bytes: Vec<u8> =
                        (0..rng.random_range(0..9)).map(|_| rng.random()).collect();
                    nulls
                        .as_ref()
                        .is_none_or(|nulls| nulls.is_valid(row))
                        .then_some(bytes)
                });
                Arc::new(bytes.collect::<BinaryArray>())
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|field| {
                    let some = self.free
                        || !matches!(field.data_type(), DataType::List(_) | DataType::Map(..));
                    self.rows(field.data_type(), rows, some)
                });
                Arc::new(StructArray::new(fields.clone(), columns.collect(), nulls))
            }
            // Also what is null has items, which are of no account.
            DataType::List(item) => {
                let (offsets, before, after) = self.offsets(rows);
                let values = self
                    .rows(item.data_type(), after, self.free)
                    .slice(before, after - before);
                Arc::new(ListArray::new(Arc::clone(item), offsets, values, nulls))
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else {
                    unreachable!("a map has pairs");
                };
                let (offsets, before, after) = self.offsets(rows);
                let keys = (0..after - before).map(|entry| format!("k{entry:04}"));
                let keys: ArrayRef = Arc::new(keys.map(Some).collect::<StringArray>());
                let values = self
                    .rows(pair[1].data_type(), after, self.free)
                    .slice(before, after - before);
                let pairs = StructArray::new(pair.clone(), vec![keys, values], None);
                Arc::new(MapArray::new(
                    Arc::clone(entries),
                    offsets,
                    pairs,
                    nulls,
                    false,
                ))
            }
            other => unreachable!("{other}"),
        }
    }

    /// Offsets, and where the values they are of begin and end in a longer array.
    fn offsets(&mut self, rows: usize) -> (OffsetBuffer<i32>, usize, usize) {
        let lengths: Vec<usize> = (0..rows).map(|_| self.rng.random_range(0..4)).collect();
        let all: usize = lengths.iter().sum();
        (OffsetBuffer::from_lengths(lengths), 3, 3 + all)
    }
}

/// The rows that are not null in `array`, encoded and decoded; the others stay null.
fn there_and_back(
    array: &ArrayRef,
    encode: impl Fn(&ArrayRef) -> Result<Records>,
    decode: impl Fn(&[&[u8]]) -> Decoded,
) -> ArrayRef {
    let encoded = invoke(
        "to",
        ColumnarValue::Array(Arc::clone(array)),
        array.len(),
        encode,
    );
    let encoded = encoded.unwrap().into_array(array.len()).unwrap();
    let binary: &BinaryArray = encoded.as_binary();
    let bodies: Vec<&[u8]> = binary.iter().flatten().collect();
    let decoded = decode(&bodies);
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let rows = (0..binary.len())
        .filter(|row| binary.is_valid(*row))
        .collect();
    Decoded::gathered(array.data_type(), array.len(), vec![(rows, decoded)])
        .unwrap()
        .values
}

fn same(seed: u64, expected: &ArrayRef, found: &ArrayRef) {
    let text = |array: &ArrayRef| {
        let columns = [Arc::clone(array)];
        // So that no null is taken for an empty text.
        let options = FormatOptions::new().with_null("NULL");
        let shown = pretty_format_columns_with_options("rows", &columns, &options);
        shown.unwrap().to_string()
    };
    assert_eq!(expected.data_type(), found.data_type(), "seed {seed}");
    assert_eq!(text(expected), text(found), "seed {seed}");
}

fn rounds(leaves: &[DataType], free: bool, round: impl Fn(&ArrayRef) -> ArrayRef) {
    for seed in 0..ROUNDS {
        let rng = StdRng::seed_from_u64(seed);
        let mut random = Random {
            rng,
            leaves: leaves.to_vec(),
            free,
        };
        let data_type = random.a_struct(3);
        let rows = random.rows(&data_type, ROWS + 5, true).slice(5, ROWS);
        same(seed, &rows, &round(&rows));
    }
}

#[test]
fn random_rows_of_avro_are_the_same() {
    let leaves = [
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        timestamp(true),
        timestamp(false),
        DataType::Decimal128(9, 2),
        DataType::Decimal128(38, 10),
    ];
    for nulls in [Nulls::Last, Nulls::FirstWithDefault] {
        rounds(&leaves, true, |rows| {
            let schema = schema_of(rows.data_type(), "R", "n", nulls).unwrap();
            let tree = AvroTree::parse(&schema.to_string(), &[]).unwrap();
            let decoder = AvroDecoder::try_new(&tree, &tree).unwrap();
            let encoder = AvroEncoder::new(tree);
            there_and_back(
                rows,
                |values| encoder.encode(values, &[]),
                |bodies| decoder.decode(bodies).unwrap(),
            )
        });
    }
}

#[test]
fn random_rows_of_protobuf_are_the_same() {
    let leaves = [
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::Binary,
        timestamp(true),
    ];
    rounds(&leaves, false, |rows| {
        let text = file_text(rows.data_type(), "R", "n").unwrap();
        let schema = RegisteredSchema::from_text(SchemaType::Protobuf, text);
        let message = message_at(&file_of(&schema).unwrap(), &[0]).unwrap();
        let message = MessageType::new(&message, MessageOptions::default()).unwrap();
        let decoder = ProtobufDecoder::new(message.clone());
        let encoder = ProtobufEncoder::new(message);
        there_and_back(
            rows,
            |values| encoder.encode(values, &[]),
            |bodies| decoder.decode(bodies).unwrap(),
        )
    });
}

#[test]
fn random_rows_of_json_are_the_same() {
    let leaves = [
        DataType::Boolean,
        DataType::Int64,
        DataType::Float64,
        DataType::Utf8,
    ];
    rounds(&leaves, true, |rows| {
        let schema = json_schema::schema_of(rows.data_type(), "R").unwrap();
        let schema = RegisteredSchema::from_text(SchemaType::Json, schema.to_string());
        let json_type = JsonType::parse(&schema).unwrap();
        let decoder = JsonDecoder::new(json_type.clone());
        let encoder = JsonEncoder::new(json_type);
        there_and_back(
            rows,
            |values| encoder.encode(values, &[]),
            |bodies| decoder.decode(bodies).unwrap(),
        )
    });
}
