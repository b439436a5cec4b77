//! The account of what was produced, in the form that the table readers answer in.
//!
//! A test enters every record that the broker acknowledged ([`crate::kafka::Producer`] does so by itself) and compares the ledger with
//! what Python or Spark read back: rows, distinct keys, offsets per partition, and a checksum of the contents.
//!
//! # The checksum
//! The wrapping sum over all rows of `crc32(text)`, where `text` is the bytes of `topic|partition|offset|KEY|VALUE`, numbers in decimal,
//! `KEY` and `VALUE` the lower-case hexadecimal of the record's bytes, or `\N` for a null. A sum does not depend on the order of rows,
//! and 2^31 rows of 32 bits fit a signed 64-bit integer, so Rust, Python and Spark SQL all compute it exactly. A lost or doubled row
//! also shows in the counts; the checksum is there for values that were altered or swapped.

use std::collections::BTreeMap;

/// A topic and one of its partitions.
pub type TopicPartition = (String, i32);

/// The rows of one topic partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRows {
    /// How many rows.
    pub rows: u64,
    /// The smallest offset.
    pub offset_min: i64,
    /// The greatest offset.
    pub offset_max: i64,
}

/// What a table must hold. See the module's docs for the checksum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How many rows.
    pub rows: u64,
    /// The order-independent checksum of keys and values.
    pub checksum: u64,
    /// The rows per topic partition.
    pub partitions: BTreeMap<TopicPartition, PartitionRows>,
}

impl Ledger {
    /// Enters one record.
    pub fn enter(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        self.rows += 1;
        self.checksum = self.checksum.wrapping_add(u64::from(row_checksum(
            topic, partition, offset, key, value,
        )));
        let rows = PartitionRows {
            rows: 1,
            offset_min: offset,
            offset_max: offset,
        };
        self.add_partition((topic.to_owned(), partition), rows);
    }

    /// Enters everything that another ledger holds.
    pub fn merge(&mut self, other: &Ledger) {
        self.rows += other.rows;
        self.checksum = self.checksum.wrapping_add(other.checksum);
        for (partition, rows) in &other.partitions {
            self.add_partition(partition.clone(), *rows);
        }
    }

    fn add_partition(&mut self, partition: TopicPartition, added: PartitionRows) {
        self.partitions
            .entry(partition)
            .and_modify(|rows| {
                rows.rows += added.rows;
                rows.offset_min = rows.offset_min.min(added.offset_min);
                rows.offset_max = rows.offset_max.max(added.offset_max);
            })
            .or_insert(added);
    }
}

/// One row's share of the checksum.
pub fn row_checksum(
    topic: &str,
    partition: i32,
    offset: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(format!("{topic}|{partition}|{offset}|").as_bytes());
    update_hex(&mut crc, key);
    crc.update(b"|");
    update_hex(&mut crc, value);
    crc.finalize()
}

fn update_hex(crc: &mut crc32fast::Hasher, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        crc.update(b"\\N");
        return;
    };
    // A table and a fixed buffer, because tests run unoptimised: `write!` per byte takes seconds for a topic of 200,000 records.
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0_u8; 2048];
    for piece in bytes.chunks(hex.len() / 2) {
        for (digits, byte) in hex.chunks_exact_mut(2).zip(piece) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 0xf)];
        }
        crc.update(&hex[..piece.len() * 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_rows_have_the_checksum_that_zlib_computes() {
        // python3 -c 'import zlib; print(zlib.crc32(rb"t|0|7|6b|\N"), zlib.crc32(rb"t|0|7|\N|"))'
        assert_eq!(row_checksum("t", 0, 7, Some(b"k"), None), 1747745461);
        assert_eq!(row_checksum("t", 0, 7, None, Some(b"")), 71145914);
    }

    #[test]
    fn entering_in_another_order_gives_the_same_ledger() {
        let (mut forward, mut backward) = (Ledger::default(), Ledger::default());
        for offset in 0..100 {
            forward.enter("t", 1, offset, None, Some(&offset.to_be_bytes()));
            backward.enter(
                "t",
                1,
                99 - offset,
                None,
                Some(&(99 - offset).to_be_bytes()),
            );
        }
        assert_eq!(forward, backward);
    }
}
