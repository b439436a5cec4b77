//! The file format of checkpoint entries: one header line, then JSON.
//!
//! ```text
//! weir-checkpoint v1 crc32=9ae0daaf
//! { "batchId": 3, ... }
//! ```
//!
//! The checksum is over everything after the header's line feed, so that a truncated, half-written
//! or edited entry is noticed instead of believed.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_plan::{Error, ErrorKind, Result};

const NAME: &str = "weir-checkpoint";
const VERSION: u32 = 1;

/// An entry's bytes.
///
/// # Errors
/// `Internal` when `entry` has no JSON form.
pub fn encode<T: Serialize>(entry: &T) -> Result<Bytes> {
    let json = serde_json::to_string_pretty(entry)
        .map_err(|error| Error::internal("cannot encode a checkpoint entry").with_source(error))?;
    let body = format!("{json}\n");
    let crc = crc32fast::hash(body.as_bytes());
    Ok(Bytes::from(format!(
        "{NAME} v{VERSION} crc32={crc:08x}\n{body}"
    )))
}

/// The entry in `bytes`, which were read from `place`.
///
/// # Errors
/// `CorruptCheckpoint` for damaged bytes, `CheckpointMismatch` for those of a newer Weir; both name
/// `place`.
pub fn decode<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<T> {
    let corrupt = |what: &str| {
        Error::new(
            ErrorKind::CorruptCheckpoint,
            format!("checkpoint entry {place} is damaged ({what})"),
        )
    };
    if bytes.is_empty() {
        return Err(corrupt("it is empty"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| corrupt("it is not text"))?;
    let (header, body) = text
        .split_once('\n')
        .ok_or_else(|| corrupt("it ends in its header"))?;
    let mut words = header.split(' ');
    if words.next() != Some(NAME) {
        return Err(corrupt("it does not begin as Weir writes it"));
    }
    let version: u32 = words
        .next()
        .and_then(|word| word.strip_prefix('v')?.parse().ok())
        .ok_or_else(|| corrupt("its header has no version"))?;
    if version > VERSION {
        return Err(Error::new(
            ErrorKind::CheckpointMismatch,
            format!(
                "checkpoint entry {place} has log version {version}; this Weir reads up to \
                 {VERSION}: run the version of Weir that wrote it, or a newer one"
            ),
        ));
    }
    let expected = words
        .next()
        .and_then(|word| u32::from_str_radix(word.strip_prefix("crc32=")?, 16).ok())
        .ok_or_else(|| corrupt("its header has no checksum"))?;
    let found = crc32fast::hash(body.as_bytes());
    if found != expected {
        return Err(corrupt(&format!(
            "checksum {found:08x} instead of {expected:08x}: truncated or edited"
        )));
    }
    serde_json::from_str(body).map_err(|error| corrupt("its JSON").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Bytes {
        encode(&serde_json::json!({"batchId": 3})).unwrap()
    }

    fn decoded(bytes: &[u8]) -> Result<serde_json::Value> {
        decode("offsets/3", bytes)
    }

    #[test]
    fn entry_round_trips() {
        assert_eq!(decoded(&written()).unwrap()["batchId"], 3);
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = written();
        for length in 0..bytes.len() {
            let error = decoded(&bytes[..length]).unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::CorruptCheckpoint,
                "{length}: {error}"
            );
            assert!(error.to_string().contains("offsets/3"), "{error}");
        }
    }

    #[test]
    fn every_changed_byte_of_the_body_is_noticed() {
        let bytes = written();
        let body = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in body..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x01;
            assert!(decoded(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn newer_version_is_refused_with_both_versions() {
        let text = String::from_utf8(written().to_vec()).unwrap();
        let newer = text.replacen(" v1 ", " v9 ", 1);
        let error = decoded(newer.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
        assert!(error.to_string().contains("version 9"), "{error}");
    }
}
