//! The bytes of Protobuf's encoding: tags, varints, and values with a length.
//!
//! `prost-reflect` writes messages too, but the entries of a map in another order each time, and a task that runs again has to write the
//! same bytes; and it takes a row at a time.

/// How a value follows its tag. The numbers are the specification's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn tag(number: u32, wire_type: WireType, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | wire_type as u64, out);
}

/// So that small negative numbers are short.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// What `write` appends, behind its length.
pub(super) fn lengthened(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    // The length is most often of one byte; where it is not, what was written moves up.
    let start = out.len();
    out.push(0);
    write(out);
    let length = (out.len() - start - 1) as u64;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    varint(length, &mut prefix);
    out.splice(start..=start, prefix);
}
