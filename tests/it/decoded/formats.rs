//! Every format with a registry, under a sequence of drains while the producers evolve: the account closes after each.

use serde_json::{Value, json};

use super::{Parts, Rows, expect_account, expect_closed};
use crate::bronze::expect_error;

/// How one language says an account's versions.
struct Language {
    format: &'static str,
    schema: fn(Version) -> Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    First,
    /// Has a currency, with a default.
    Currency,
    /// The balance is called amount.
    Renamed,
    /// The balance is a text.
    Changed,
    /// What [`Version::Currency`] has, and a note with a default.
    Note,
}

use Version::{Changed, Currency, First, Note, Renamed};

fn avro(version: Version) -> Value {
    let balance = match version {
        Renamed => json!({"name": "amount", "type": "double"}),
        Changed => json!({"name": "balance", "type": "string"}),
        _ => json!({"name": "balance", "type": "double"}),
    };
    let mut fields = vec![json!({"name": "id", "type": "long"}), balance];
    if version != First {
        fields.push(json!({"name": "currency", "type": "string", "default": "EUR"}));
    }
    if version == Note {
        fields.push(json!({"name": "note", "type": "string", "default": "none"}));
    }
    json!({"type": "record", "name": "Account", "namespace": "bank", "fields": fields})
}

fn protobuf(version: Version) -> Value {
    let field = |name: &str, number: i32, kind: &str| json!({"name": name, "number": number, "type": kind, "label": "LABEL_OPTIONAL", "jsonName": name});
    let with_default = |name: &str, number: i32, value: &str| {
        let mut field = field(name, number, "TYPE_STRING");
        field["defaultValue"] = json!(value);
        field
    };
    let mut id = field("id", 1, "TYPE_INT64");
    id["label"] = json!("LABEL_REQUIRED");
    let mut balance = match version {
        Renamed => field("amount", 2, "TYPE_DOUBLE"),
        Changed => field("balance", 2, "TYPE_STRING"),
        _ => field("balance", 2, "TYPE_DOUBLE"),
    };
    balance["label"] = json!("LABEL_REQUIRED");
    let mut fields = vec![id, balance];
    if version != First {
        fields.push(with_default("currency", 3, "EUR"));
    }
    if version == Note {
        fields.push(with_default("note", 4, "none"));
    }
    json!({"name": "account.proto", "package": "bank", "syntax": "proto2", "messageType": [{"name": "Account", "field": fields}]})
}

fn json_schema(version: Version) -> Value {
    let mut properties = json!({"id": {"type": "integer"}});
    match version {
        Renamed => properties["amount"] = json!({"type": "number"}),
        Changed => properties["balance"] = json!({"type": "string"}),
        _ => properties["balance"] = json!({"type": "number"}),
    }
    if version != First {
        properties["currency"] = json!({"type": "string", "default": "EUR"});
    }
    if version == Note {
        properties["note"] = json!({"type": "string", "default": "none"});
    }
    json!({"title": "Account", "type": "object", "properties": properties, "required": ["id"]})
}

impl Language {
    /// Accounts `ids` as a producer of `version` writes them, and a tombstone behind them.
    fn spec(&self, topic: &str, version: Version, ids: std::ops::Range<usize>) -> Value {
        let account = |n: usize| {
            let balance = n as f64 + 0.5;
            let mut account = match version {
                Renamed => json!({"id": n, "amount": balance}),
                Changed => json!({"id": n, "balance": balance.to_string()}),
                _ => json!({"id": n, "balance": balance}),
            };
            if version != First {
                account["currency"] = json!("USD");
            }
            if version == Note {
                account["note"] = json!(format!("note {n}"));
            }
            account
        };
        let mut records: Vec<Value> = ids.map(account).collect();
        records.push(Value::Null);
        json!({"topic": topic, "format": self.format, "schema": (self.schema)(version), "message": "bank.Account",
            "records": records, "partitions": 2})
    }
}

/// A row as it has to be: the account, and what was filled in.
fn expected(n: i64, currency: &Value, note: &Value) -> [Value; 3] {
    [json!(n as f64 + 0.5), currency.clone(), note.clone()]
}

async fn drains_while_producers_evolve_lose_nothing(language: Language) {
    let Some(parts) = Parts::or_skip().await else {
        return;
    };
    let topic = parts.broker.new_topic("evolving", 2).await;
    let bare = parts.job(&topic);
    let job = bare
        .clone()
        .arg("--dlq-table", parts.letters())
        .arg("--max-dlq-rate", "100%");

    // What no producer of accounts writes: no header, half of one, an id that no registry knows, half a record.
    let one = language.spec(&topic, First, 0..400);
    let ids = parts.produce(json!([one])).await;
    let half = format!("00{:08x}", ids[0]);
    let broken = ["", "ff01020304", "0000", "007f00000002", &half];
    let broken: Vec<Value> = broken.iter().map(|hex| json!(hex)).collect();
    parts.produce(json!([super::bytes(&topic, &broken)])).await;
    // Without a place for letters the job ends, and says why.
    let outcome = bare.fail(1).await;
    expect_error(
        &outcome,
        "compute",
        &["rule \"decoded\" is broken", "decode_error"],
    );
    assert!(!bare.table_path().join("_delta_log").exists());
    expect_account(&job.drain().await, 401, 5);

    // A field with a default, by one producer; another goes on as before.
    parts
        .produce(json!([
            language.spec(&topic, Currency, 400..600),
            language.spec(&topic, First, 600..700),
        ]))
        .await;
    expect_account(&job.drain().await, 302, 0);

    // A field under another name: nothing is read with a schema that would make it null.
    let keep = job.clone().arg("--on-breaking-schema", "keep");
    for (version, ids, said) in [
        (Renamed, 700..750, "column \"balance\" (double) is gone"),
        (
            Changed,
            750..800,
            "column \"balance\" is string and was double",
        ),
    ] {
        parts
            .produce(json!([language.spec(&topic, version, ids)]))
            .await;
        let before = parts.python.read_delta(&job.table).await;
        let message = job
            .refuse(
                1,
                "schema_mismatch",
                &[said, "version 2", "--subject-version"],
            )
            .await;
        assert!(message.contains(&format!("{topic}-value")), "{message}");
        assert_eq!(parts.python.read_delta(&job.table).await, before);
        // Its records do not fit the version before: letters, but for the tombstone.
        expect_account(&keep.drain().await, 1, 50);
    }

    // The producers are put right.
    parts
        .produce(json!([language.spec(&topic, Note, 800..900)]))
        .await;
    let outcome = job.drain().await;
    expect_account(&outcome, 101, 0);

    let rows = parts.rows(&job.table).await;
    let letters = parts.rows(&parts.letters()).await;
    expect_closed(&outcome, &rows, &letters);
    assert_eq!(letters.len(), 5 + 50 + 50);
    let (none, euro, dollar) = (json!(null), json!("EUR"), json!("USD"));
    let mut found = Vec::new();
    let mut tombstones = 0;
    for row in rows.values() {
        let Some(id) = row["id"].as_i64() else {
            tombstones += 1;
            for column in ["balance", "currency", "note"] {
                assert_eq!(row[column], none, "a tombstone: {row}");
            }
            assert!(row["message_key"].is_string(), "{row}");
            continue;
        };
        found.push(id);
        let (currency, note) = match id {
            0..400 => (&none, none.clone()),
            400..600 => (&dollar, none.clone()),
            600..700 => (&euro, none.clone()),
            _ => (&dollar, json!(format!("note {id}"))),
        };
        let read = ["balance", "currency", "note"].map(|column| row[column].clone());
        assert_eq!(read, expected(id, currency, &note), "{row}");
        assert!(row.get("__weir_decode_error").is_none(), "{row}");
        assert!(row.get("message_value").is_none(), "{row}");
    }
    found.sort_unstable();
    let good: Vec<i64> = (0..700).chain(800..900).collect();
    assert_eq!(found, good);
    assert_eq!(tombstones, 6);
    let mut said = Vec::new();
    for letter in letters.values() {
        assert_eq!(letter["error_type"], "SCHEMA_VIOLATION", "{letter}");
        assert_eq!(letter["rule"], "decoded", "{letter}");
        assert_eq!(letter["topic"], topic, "{letter}");
        assert!(
            letter["key"].is_string() && letter["value"].is_string(),
            "{letter}"
        );
        said.push(letter["error_message"].as_str().expect("a message"));
    }
    let saying = |part: &str| said.iter().filter(|said| said.contains(part)).count();
    assert_eq!(saying("balance"), 100, "{said:?}");
    assert_eq!(saying("2130706432"), 1, "{said:?}");
    if language.format == "avro" {
        expect_what_python_reads(&parts, &topic, &rows, &letters).await;
    }
}

/// Asserts that letters are the records which Python's own deserializer cannot resolve to the version that they were read with, and that
/// rows are what it makes of the others; a column that the table did not have yet is null.
async fn expect_what_python_reads(parts: &Parts, topic: &str, rows: &Rows, letters: &Rows) {
    let read = async |version| {
        let read = &parts.registry;
        let read = read.read(&parts.clients, parts.broker, topic, version);
        let place = |record: &Value| {
            let number = |name: &str| record[name].as_i64().expect("a number");
            (number("partition"), number("offset"))
        };
        let read = read.await.into_iter();
        read.map(|record| (place(&record), record))
            .collect::<Rows>()
    };
    // Each record that was bad was so for the second version.
    let second = read(2).await;
    let bad = second
        .iter()
        .filter(|(_, record)| record.get("bad").is_some());
    let bad: Vec<_> = bad.map(|(place, _)| place).collect();
    assert_eq!(bad, letters.keys().collect::<Vec<_>>());
    let newest = read(5).await;
    assert_eq!(newest.len(), rows.len() + letters.len());
    for (place, row) in rows {
        let account = &newest[place]["value"];
        for column in ["id", "balance"] {
            assert_eq!(row[column], account[column], "{row}");
        }
        for column in ["currency", "note"] {
            let since = row[column].is_null();
            assert!(since || row[column] == account[column], "{row}: {account}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_of_avro_while_producers_evolve_lose_nothing() {
    drains_while_producers_evolve_lose_nothing(Language {
        format: "avro",
        schema: avro,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_of_protobuf_while_producers_evolve_lose_nothing() {
    drains_while_producers_evolve_lose_nothing(Language {
        format: "protobuf",
        schema: protobuf,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_of_json_while_producers_evolve_lose_nothing() {
    drains_while_producers_evolve_lose_nothing(Language {
        format: "json",
        schema: json_schema,
    })
    .await;
}
