//! `hash(...)` (Murmur3) and `xxhash64(...)` of values of any type, as Spark computes them: each value's hash is the seed of
//! the next one's, and null leaves it as it is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType,
};

use crate::error::{Error, Result};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[&HASH, &XXHASH64];

/// The seed of both.
const SEED: u32 = 42;

/// `hash(value, ...)`.
pub static HASH: Kernel = Kernel {
    name: "hash",
    coerce: hashed_types,
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let rows = args.first().map_or(1, |first| first.len());
        let hashes = (0..rows).map(|row| {
            args.iter()
                .try_fold(SEED, |seed, array| hash_value::<Murmur3>(array, row, seed))
                .map(u32::cast_signed)
        });
        Ok(Arc::new(hashes.collect::<Result<Int32Array>>()?))
    },
};

/// `xxhash64(value, ...)`.
pub static XXHASH64: Kernel = Kernel {
    name: "xxhash64",
    coerce: hashed_types,
    returns: |_, _| DataType::Int64,
    eval: |args| {
        let rows = args.first().map_or(1, |first| first.len());
        let hashes = (0..rows).map(|row| {
            args.iter()
                .try_fold(u64::from(SEED), |seed, array| {
                    hash_value::<Xx64>(array, row, seed)
                })
                .map(u64::cast_signed)
        });
        Ok(Arc::new(hashes.collect::<Result<Int64Array>>()?))
    },
};

fn hashed_types(types: &[DataType]) -> Option<Vec<DataType>> {
    types.iter().map(hashed_type).collect()
}

/// The type of Spark's that holds the same values; maps have no hash.
fn hashed_type(given: &DataType) -> Option<DataType> {
    Some(match given {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::List(item) => {
            let item = item.as_ref().clone();
            let of = hashed_type(item.data_type())?;
            DataType::List(Arc::new(item.with_data_type(of)))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let of = hashed_type(field.data_type())?;
                Some(field.as_ref().clone().with_data_type(of))
            });
            DataType::Struct(fields.collect::<Option<Vec<_>>>()?.into())
        }
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32 => given.clone(),
        DataType::Decimal128(..) | DataType::Float32 | DataType::Float64 => given.clone(),
        given if given.is_signed_integer() => given.clone(),
        _ => return None,
    })
}

/// A hash function with a seed, over what Spark hashes.
trait SeededHash {
    type Seed: Copy;
    fn int(value: i32, seed: Self::Seed) -> Self::Seed;
    fn long(value: i64, seed: Self::Seed) -> Self::Seed;
    fn bytes(value: &[u8], seed: Self::Seed) -> Self::Seed;
}

fn hash_value<H: SeededHash>(array: &ArrayRef, row: usize, seed: H::Seed) -> Result<H::Seed> {
    if array.is_null(row) {
        return Ok(seed);
    }
    Ok(match array.data_type() {
        DataType::Null => seed,
        DataType::Boolean => H::int(array.as_boolean().value(row).into(), seed),
        DataType::Int8 => H::int(array.as_primitive::<Int8Type>().value(row).into(), seed),
        DataType::Int16 => H::int(array.as_primitive::<Int16Type>().value(row).into(), seed),
        DataType::Int32 => H::int(array.as_primitive::<Int32Type>().value(row), seed),
        DataType::Date32 => H::int(array.as_primitive::<Date32Type>().value(row), seed),
        DataType::Int64 => H::long(array.as_primitive::<Int64Type>().value(row), seed),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            H::long(micros, seed)
        }
        // There is one zero and one NaN.
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            let value = if value.is_nan() {
                f32::NAN
            } else {
                value + 0.0
            };
            H::int(value.to_bits().cast_signed(), seed)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            let value = if value.is_nan() {
                f64::NAN
            } else {
                value + 0.0
            };
            H::long(value.to_bits().cast_signed(), seed)
        }
        DataType::Decimal128(precision, _) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            match i64::try_from(value) {
                Ok(value) if *precision <= 18 => H::long(value, seed),
                _ => H::bytes(shortest(&value.to_be_bytes()), seed),
            }
        }
        DataType::Utf8 => H::bytes(array.as_string::<i32>().value(row).as_bytes(), seed),
        DataType::Binary => H::bytes(array.as_binary::<i32>().value(row), seed),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).try_fold(seed, |seed, index| hash_value::<H>(&items, index, seed))?
        }
        DataType::Struct(_) => {
            let mut columns = array.as_struct().columns().iter();
            columns.try_fold(seed, |seed, column| hash_value::<H>(column, row, seed))?
        }
        other => return Err(Error::internal(format!("a hash of {other}"))),
    })
}

/// `BigInteger.toByteArray`: as few bytes as keep the sign.
fn shortest(bytes: &[u8]) -> &[u8] {
    let sign = if bytes[0] >= 0x80 { 0xff } else { 0 };
    let spare = bytes
        .windows(2)
        .take_while(|pair| pair[0] == sign && (pair[1] >= 0x80) == (sign == 0xff));
    &bytes[spare.count()..]
}

/// `Murmur3_x86_32`, of which Spark's takes the bytes behind the last whole word one by one.
struct Murmur3;

impl Murmur3 {
    fn mix(word: u32, seed: u32) -> u32 {
        let word = word
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593);
        (seed ^ word)
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64)
    }

    fn finish(mut hash: u32, length: u32) -> u32 {
        hash ^= length;
        hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
        hash ^ hash >> 16
    }
}

impl SeededHash for Murmur3 {
    type Seed = u32;

    fn int(value: i32, seed: u32) -> u32 {
        Self::finish(Self::mix(value.cast_unsigned(), seed), 4)
    }

    fn long(value: i64, seed: u32) -> u32 {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        let low = Self::mix(u32::from_le_bytes([a, b, c, d]), seed);
        Self::finish(Self::mix(u32::from_le_bytes([e, f, g, h]), low), 8)
    }

    fn bytes(value: &[u8], seed: u32) -> u32 {
        let (words, rest) = value.as_chunks::<4>();
        let hash = words.iter().fold(seed, |hash, word| {
            Self::mix(u32::from_le_bytes(*word), hash)
        });
        let hash = rest.iter().fold(hash, |hash, byte| {
            Self::mix(i32::from(byte.cast_signed()).cast_unsigned(), hash)
        });
        Self::finish(hash, u32::try_from(value.len()).unwrap_or(u32::MAX))
    }
}

/// XXH64.
struct Xx64;

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

impl Xx64 {
    fn round(sum: u64, word: u64) -> u64 {
        sum.wrapping_add(word.wrapping_mul(PRIME_2))
            .rotate_left(31)
            .wrapping_mul(PRIME_1)
    }

    fn finish(mut hash: u64, mut rest: &[u8]) -> u64 {
        while let Some((word, more)) = rest.split_first_chunk::<8>() {
            hash ^= Self::round(0, u64::from_le_bytes(*word));
            hash = hash
                .rotate_left(27)
                .wrapping_mul(PRIME_1)
                .wrapping_add(PRIME_4);
            rest = more;
        }
        if let Some((word, more)) = rest.split_first_chunk::<4>() {
            hash ^= u64::from(u32::from_le_bytes(*word)).wrapping_mul(PRIME_1);
            hash = hash
                .rotate_left(23)
                .wrapping_mul(PRIME_2)
                .wrapping_add(PRIME_3);
            rest = more;
        }
        for byte in rest {
            hash ^= u64::from(*byte).wrapping_mul(PRIME_5);
            hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
        }
        hash = (hash ^ hash >> 33).wrapping_mul(PRIME_2);
        hash = (hash ^ hash >> 29).wrapping_mul(PRIME_3);
        hash ^ hash >> 32
    }
}

impl SeededHash for Xx64 {
    type Seed = u64;

    fn int(value: i32, seed: u64) -> u64 {
        Self::bytes(&value.to_le_bytes(), seed)
    }

    fn long(value: i64, seed: u64) -> u64 {
        Self::bytes(&value.to_le_bytes(), seed)
    }

    fn bytes(value: &[u8], seed: u64) -> u64 {
        let (blocks, rest) = value.as_chunks::<32>();
        let hash = if blocks.is_empty() {
            seed.wrapping_add(PRIME_5)
        } else {
            let mut sums = [
                seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2),
                seed.wrapping_add(PRIME_2),
                seed,
                seed.wrapping_sub(PRIME_1),
            ];
            for block in blocks {
                for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
                    *sum = Self::round(*sum, u64::from_le_bytes(*word));
                }
            }
            let turns = [1, 7, 12, 18];
            let turned = sums
                .iter()
                .zip(turns)
                .map(|(sum, turn)| sum.rotate_left(turn));
            let hash = turned.fold(0, u64::wrapping_add);
            sums.iter().fold(hash, |hash, sum| {
                (hash ^ Self::round(0, *sum))
                    .wrapping_mul(PRIME_1)
                    .wrapping_add(PRIME_4)
            })
        };
        Self::finish(hash.wrapping_add(value.len() as u64), rest)
    }
}
