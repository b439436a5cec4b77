//! `kafka_to_bronze` with values decoded into columns: ordinary producers in Python that evolve, a real registry, and kills.

mod evolution;
mod formats;
mod kill;
mod plain;
mod refused;
mod running;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_tests::files::TempLake;
use weir_tests::kafka::Broker;
use weir_tests::python::{Python, python_or_skip};
use weir_tests::schema_registry::{Clients, SchemaRegistry, clients_and_registry_or_skip};

use crate::bronze::{Bronze, total};

/// Rows by partition and offset.
type Rows = BTreeMap<(i64, i64), Value>;

/// The parts that most of these tests need.
struct Parts {
    broker: &'static Broker,
    python: Python,
    clients: Clients,
    registry: SchemaRegistry,
    lake: TempLake,
}

impl Parts {
    async fn or_skip() -> Option<Self> {
        let (broker, clients, registry) = clients_and_registry_or_skip().await?;
        Some(Self {
            broker,
            python: python_or_skip().await?,
            clients,
            registry,
            lake: TempLake::new(),
        })
    }

    async fn produce(&self, specs: Value) -> Vec<u32> {
        let clients = &self.clients;
        self.registry.produce(clients, self.broker, &specs).await
    }

    /// The job that reads with the subject of `topic`.
    fn job(&self, topic: &str) -> Bronze {
        let url = format!("weir.schema.registry.url={}", self.registry.url());
        Bronze::new(self.broker, &self.lake, &[topic])
            .arg("--subject", format!("{topic}-value"))
            .arg("--conf", url)
    }

    fn letters(&self) -> String {
        self.lake.table_url("bronze_dlq")
    }

    /// The rows of a table, by partition and offset; panics if a record is there twice.
    async fn rows(&self, table: &str) -> Rows {
        let rows = self.python.read_rows(table, &[]).await;
        let mut found = BTreeMap::new();
        for row in rows {
            let number = |name: &str| row[name].as_i64().expect("a number");
            let place = (number("partition"), number("offset"));
            let twice = found.insert(place, row);
            assert!(twice.is_none(), "{table} holds {place:?} twice: {twice:?}");
        }
        found
    }
}

/// Avro's schema of an account with `fields`, `[name, type, default]` or `[name, type]`.
fn avro(fields: &[(&str, &str, Option<Value>)]) -> Value {
    let fields = fields.iter().map(|(name, kind, default)| {
        let mut field = json!({"name": name, "type": kind});
        if let Some(default) = default {
            field["default"] = default.clone();
        }
        field
    });
    json!({"type": "record", "name": "Account", "namespace": "bank", "fields": fields.collect::<Vec<_>>()})
}

/// The first version: an id and a balance.
fn avro_v1() -> Value {
    avro(&[("id", "long", None), ("balance", "double", None)])
}

/// The second: a currency with a default.
fn avro_v2() -> Value {
    avro(&[
        ("id", "long", None),
        ("balance", "double", None),
        ("currency", "string", Some(json!("EUR"))),
    ])
}

/// As [`avro_v2`], with the balance under another name.
fn avro_renamed() -> Value {
    avro(&[
        ("id", "long", None),
        ("amount", "double", None),
        ("currency", "string", Some(json!("EUR"))),
    ])
}

/// Accounts of Avro.
fn spec(topic: &str, schema: Value, records: impl Iterator<Item = Value>) -> Value {
    let records: Vec<Value> = records.collect();
    json!({"topic": topic, "format": "avro", "schema": schema, "records": records, "partitions": 2})
}

fn first(n: usize) -> Value {
    json!({"id": n, "balance": n as f64 + 0.5})
}

fn second(n: usize) -> Value {
    json!({"id": n, "balance": n as f64 + 0.5, "currency": "USD"})
}

fn renamed(n: usize) -> Value {
    json!({"id": n, "amount": n as f64 + 0.5, "currency": "USD"})
}

/// Bytes, in hexadecimal.
fn bytes(topic: &str, records: &[Value]) -> Value {
    json!({"topic": topic, "format": "bytes", "records": records, "partitions": 2})
}

/// Asserts an outcome's account.
#[track_caller]
fn expect_account(outcome: &Value, rows: usize, dead_letters: usize) {
    assert_eq!(outcome["rows"], rows, "{outcome}");
    assert_eq!(outcome["dead_letters"], dead_letters, "{outcome}");
    assert_eq!(outcome["records"], rows + dead_letters, "{outcome}");
}

/// Asserts that each of the records up to where `outcome` ended is a row or a letter.
#[track_caller]
fn expect_closed<T>(
    outcome: &Value,
    rows: &BTreeMap<(i64, i64), T>,
    letters: &BTreeMap<(i64, i64), T>,
) {
    for place in rows.keys() {
        assert!(!letters.contains_key(place), "{place:?} is in both places");
    }
    let records = usize::try_from(total(&outcome["end_offsets"])).expect("a count");
    assert_eq!(rows.len() + letters.len(), records, "{outcome}");
}
