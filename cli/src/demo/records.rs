//! The demo's records: seeded, so that a run can be repeated.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir::EmbeddedRecord;

/// The demo's topics.
pub(super) const TOPICS: [&str; 3] = ["raw.orders", "raw.clicks", "raw.users"];

/// Partitions of each topic.
pub(super) const PARTITIONS: i32 = 6;

/// 2026-01-31T00:00:00Z.
const BEGIN_MS: i64 = 1_769_817_600_000;
const MS_PER_DAY: i64 = 86_400_000;

/// `count` records of one day, in order of time.
pub(super) fn seeded_records(seed: u64, count: u64) -> impl Iterator<Item = EmbeddedRecord> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(move |n| {
        let topic = TOPICS[random.random_range(0..TOPICS.len())];
        let user: u32 = random.random_range(0..5_000);
        let timestamp_ms = BEGIN_MS + (n as i64 * MS_PER_DAY) / count as i64;
        let value = match topic {
            "raw.orders" => format!(
                r#"{{"event_id":"o{n}","user_id":"u{user}","product_id":"p{}","amount":{}.{:02},"event_time":{timestamp_ms}}}"#,
                random.random_range(0..200),
                random.random_range(1..500),
                random.random_range(0..100),
            ),
            "raw.clicks" => format!(
                r#"{{"event_id":"c{n}","user_id":"u{user}","page":"/products/{}","event_time":{timestamp_ms}}}"#,
                random.random_range(0..200),
            ),
            // A user who left is a tombstone.
            _ if random.random_bool(0.02) => String::new(),
            _ => format!(r#"{{"user_id":"u{user}","name":"user {user}","updated":{timestamp_ms}}}"#),
        };
        EmbeddedRecord {
            topic: topic.to_owned(),
            partition: (user % PARTITIONS.unsigned_abs()) as i32,
            key: Some(format!("u{user}").into_bytes()),
            value: (!value.is_empty()).then(|| value.into_bytes()),
            timestamp_ms,
        }
    })
}
