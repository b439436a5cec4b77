//! The demo's records: orders and clicks of two days, some of them broken, late or sent twice. Seeded, so
//! that a run can be repeated, and counted, so that its result can be checked.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use weir::DemoRecord;

/// Partitions of each topic.
pub(super) const PARTITIONS: i32 = 6;
/// Products that are sold; those of the dimension are fewer.
pub(super) const PRODUCTS_SOLD: u32 = 200;

const USERS: u64 = 5_000;
/// Users who click at the same time, and the records for which they do.
const VISITORS: u64 = 40;
const VISIT_RECORDS: u64 = 2_000;

/// One day of records. The days share `seed`, `count` and the numbering: a record of the second may
/// repeat one of the first.
#[derive(Debug, Clone)]
pub(super) struct Day {
    pub(super) date: NaiveDate,
    /// The records' numbers, of `0..count`.
    pub(super) numbers: std::ops::Range<u64>,
}

/// What was made, by what is to become of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Made {
    /// All of them.
    pub(super) records: u64,
    /// Orders that break no rule, each event_id once.
    pub(super) orders: u64,
    /// The same of clicks.
    pub(super) clicks: u64,
    /// Records sent a second time.
    pub(super) duplicates: u64,
    /// Records that break a rule.
    pub(super) broken: u64,
}

/// The topics of orders and of clicks.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    pub(super) orders: String,
    pub(super) clicks: String,
}

/// Makes records.
#[derive(Debug)]
pub(super) struct Maker {
    seed: u64,
    count: u64,
    first_day: NaiveDate,
    topics: Topics,
    pub(super) made: Made,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Truncated,
    Tombstone,
    NoEventId,
    NoUserId,
    NegativeAmount,
    Future,
}

impl Maker {
    pub(super) fn new(seed: u64, count: u64, first_day: NaiveDate, topics: Topics) -> Self {
        Self {
            seed,
            count,
            first_day,
            topics,
            made: Made::default(),
        }
    }

    /// The records that arrive on `day`, in order of time.
    pub(super) fn records(&mut self, day: &Day) -> Vec<DemoRecord> {
        let mut records = Vec::new();
        for number in day.numbers.clone() {
            let record = self.record(number);
            let mut random = self.random(number, 1);
            self.made.records += 1;
            if record.fault != Fault::None {
                self.made.broken += 1;
            } else if record.is_order {
                self.made.orders += 1;
            } else {
                self.made.clicks += 1;
            }
            let is_good = record.fault == Fault::None;
            records.push(record.kafka);
            // A producer that did not hear the answer sends again: at once, or what it sent long ago.
            if is_good && random.random_bool(0.01) {
                self.made.records += 1;
                self.made.duplicates += 1;
                records.push(self.record(number).kafka);
            }
            let old = random.random_range(0..=number);
            if random.random_bool(0.005) && self.record(old).fault == Fault::None {
                self.made.records += 1;
                self.made.duplicates += 1;
                let mut again = self.record(old).kafka;
                again.timestamp_ms = self.time(number).timestamp_millis();
                records.push(again);
            }
        }
        records
    }

    /// Random numbers of one record, which do not depend on the others.
    fn random(&self, number: u64, purpose: u64) -> StdRng {
        let mut mixed = self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^= purpose.wrapping_mul(0xd1b5_4a32_d192_ed03);
        StdRng::seed_from_u64(mixed)
    }

    /// When record `number` arrives: two days hold all of them.
    fn time(&self, number: u64) -> DateTime<Utc> {
        let begin = self.first_day.and_time(chrono::NaiveTime::MIN).and_utc();
        let ms = i128::from(number) * 2 * 86_400_000 / i128::from(self.count.max(1));
        begin + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or_default())
    }

    fn record(&self, number: u64) -> Record {
        let mut random = self.random(number, 0);
        let is_order = random.random_bool(0.5);
        let fault = match random.random_range(0..1000) {
            0..3 => Fault::Truncated,
            3 => Fault::Tombstone,
            4 => Fault::NoEventId,
            5 => Fault::NoUserId,
            6 | 7 if is_order => Fault::NegativeAmount,
            8 => Fault::Future,
            _ => Fault::None,
        };
        let arrives = self.time(number);
        let happened = match fault {
            Fault::Future => arrives + TimeDelta::days(40),
            // Late: the phone was in a tunnel, or out until the next day.
            _ if random.random_bool(0.02) => {
                let late = TimeDelta::seconds(random.random_range(60..36_000));
                (arrives - late).max(self.time(0))
            }
            _ => arrives,
        };
        let user = if is_order {
            random.random_range(0..USERS)
        } else {
            // Half a visit past midnight when it falls on a multiple.
            let visit = (number + VISIT_RECORDS / 2) / VISIT_RECORDS;
            (visit * VISITORS + random.random_range(0..VISITORS)) % USERS
        };
        let product = random.random_range(0..PRODUCTS_SOLD);
        let event_time = happened.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut value = if is_order {
            let quantity = random.random_range(1..5);
            let cents = quantity * random.random_range(100..50_000);
            let sign = if fault == Fault::NegativeAmount {
                "-"
            } else {
                ""
            };
            json!({
                "event_id": format!("o{number}"),
                "order_id": format!("order-{number}"),
                "user_id": format!("u{user}"),
                "product_id": format!("p{product}"),
                "quantity": quantity,
                "amount": format!("{sign}{}.{:02}", cents / 100, cents % 100),
                "event_time": event_time,
            })
        } else {
            json!({
                "event_id": format!("c{number}"),
                "user_id": format!("u{user}"),
                "page": format!("/products/{product}"),
                "product_id": format!("p{product}"),
                "event_time": event_time,
            })
        };
        let absent = match fault {
            Fault::NoEventId => Some("event_id"),
            Fault::NoUserId => Some("user_id"),
            _ => None,
        };
        if let (Some(absent), Value::Object(fields)) = (absent, &mut value) {
            fields.remove(absent);
        }
        let mut bytes = value.to_string().into_bytes();
        if fault == Fault::Truncated {
            bytes.truncate(bytes.len() / 2);
        }
        let topic = if is_order {
            &self.topics.orders
        } else {
            &self.topics.clicks
        };
        Record {
            is_order,
            fault,
            kafka: DemoRecord {
                topic: topic.clone(),
                partition: i32::try_from(user % u64::from(PARTITIONS.unsigned_abs()))
                    .unwrap_or_default(),
                key: Some(format!("u{user}").into_bytes()),
                value: (fault != Fault::Tombstone).then_some(bytes),
                timestamp_ms: arrives.timestamp_millis(),
            },
        }
    }
}

struct Record {
    is_order: bool,
    fault: Fault,
    kafka: DemoRecord,
}
