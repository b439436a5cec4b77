//! Records whose schemas are in a registry: what cannot be read as the reader's schema is a dead letter with the decoder's reason.

use serde_json::{Value, json};
use weir::prelude::*;
use weir::quality::{Action, Expectation, Expectations};
use weir::{RegisteredSchema, SchemaType};
use weir_tests::files::TempLake;
use weir_tests::kafka::Record;
use weir_tests::python::python_or_skip;
use weir_tests::schema_registry::clients_and_registry_or_skip;

use super::places;

const GOOD: i64 = 10_000;
const RENAMED: i64 = 400;

fn account(balance: &str) -> Value {
    json!({"type": "record", "name": "Account", "namespace": "bank", "fields": [
        {"name": "id", "type": "long"}, {"name": balance, "type": "double"},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_renamed_field_are_dead_letters_with_the_decoders_reason() {
    let Some((broker, clients, registry)) = clients_and_registry_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let topic = broker.new_topic("registry.letters", 1).await;
    let batch = |name: &str, ids: std::ops::Range<i64>| {
        let records = ids.map(|id| json!({"id": id, name: id as f64 + 0.5}));
        let records: Vec<Value> = records.collect();
        json!({"topic": topic, "format": "avro", "schema": account(name), "records": records})
    };
    let spec = json!([
        batch("balance", 0..GOOD),
        batch("balance_eur", GOOD..GOOD + RENAMED)
    ]);
    registry.produce(&clients, broker, &spec).await;
    // Nor is what no registry knows a row.
    let unknown = Record::of(b"\0\x7f\0\0\0\x02".to_vec());
    broker.producer().produce(&topic, 0, unknown).await;

    let reader = RegisteredSchema::from_text(SchemaType::Avro, account("balance").to_string());
    for master in ["local[2]", "local-cluster[2,1]"] {
        let lake = TempLake::new();
        let session = Session::builder()
            .master(master)
            .config(
                "weir.executor.program",
                env!("CARGO_BIN_EXE_weir-test-node"),
            )
            .config("weir.schema.registry.url", registry.url());
        let session = session.create().await.unwrap();
        let records = session.read_stream().format("kafka");
        let records = records
            .option("kafka.bootstrap.servers", broker.bootstrap())
            .option("subscribe", &topic)
            .option("startingOffsets", "earliest")
            .option("includeHeaders", true)
            .option("maxOffsetsPerTrigger", 4_000);
        let records = records.load().await.unwrap();
        let options = [("mode", "PERMISSIVE"), ("columnNameOfError", "_error")];
        let decoded = from_avro_registry(col("value"), &reader, options).unwrap();
        let field = |name: &str| col("account").get_field(name).alias(name);
        let rows = records
            .select([col("partition"), col("offset"), decoded.alias("account")])
            .and_then(|rows| {
                let fields = [field("id"), field("balance"), field("_error")];
                rows.select([col("partition"), col("offset")].into_iter().chain(fields))
            });
        let rules = Expectations::new([
            Expectation::decoded("decoded", col("_error")).action(Action::Quarantine)
        ]);
        let query = rows.unwrap().write_stream().format("delta");
        let query = query
            .expectations(rules)
            .without_columns(["_error"])
            .option("checkpointLocation", lake.checkpoint_url("accounts"))
            .option("dlqTable", lake.table_url("letters"))
            .trigger(Trigger::AvailableNow);
        let query = query.start(&lake.table_url("accounts")).await.unwrap();
        query.await_termination().await.unwrap();

        let letters = RENAMED + 1;
        let table = lake.table_url("accounts");
        let rows = python.read_rows(&table, &["id", "balance"]).await;
        assert_eq!(rows.len() as i64, GOOD, "{master}");
        for row in &rows {
            let id = row["id"].as_i64().unwrap();
            assert_eq!(row["balance"].as_f64(), Some(id as f64 + 0.5), "{row}");
        }
        let found = python.read_rows(&lake.table_url("letters"), &[]).await;
        assert_eq!(found.len() as i64, letters, "{master}");
        for letter in &found {
            assert_eq!(letter["error_type"], "SCHEMA_VIOLATION", "{letter}");
            let said = letter["error_message"].as_str().unwrap();
            let why = match letter["offset"].as_i64().unwrap() - GOOD {
                RENAMED => "2130706432",
                _ => "\"balance\"",
            };
            assert!(said.contains(why), "{letter}");
        }
        // Each record is a row or a letter.
        let mut all = places(&python, &table).await;
        all.extend(places(&python, &lake.table_url("letters")).await);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len() as i64, GOOD + letters, "{master}");
    }
}
