//! The records, their schemas in each language, and the files that the peers read.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::Size;
use crate::drain::records::{write_small_value, write_value};

/// Name, type of a table, of Avro, of Protobuf, and of JSON Schema, in the order of the records' fields.
const FIELDS: [(&str, &str, &str, &str, &str); 12] = [
    ("order_id", "string", "string", "string", "string"),
    ("customer_id", "bigint", "long", "int64", "integer"),
    (
        "created_at",
        "timestamp",
        "timestamp-micros",
        "google.protobuf.Timestamp",
        "string",
    ),
    ("status", "string", "string", "string", "string"),
    ("currency", "string", "string", "string", "string"),
    ("amount", "double", "double", "double", "number"),
    ("quantity", "int", "int", "int32", "integer"),
    ("paid", "boolean", "boolean", "bool", "boolean"),
    ("email", "string", "string", "string", "string"),
    ("shipping_address", "string", "string", "string", "string"),
    ("user_agent", "string", "string", "string", "string"),
    ("note", "string", "string", "string", "string"),
];

/// Records of one size: what the scripts in `benches/support/decode` are told of them.
#[derive(Debug, Serialize)]
pub struct Records {
    /// [`Size::name`].
    pub name: &'static str,
    /// Which size.
    #[serde(skip)]
    pub size: Size,
    /// As lines of JSON.
    pub lines: PathBuf,
    /// How files of the formats begin: `-FORMAT.parquet` follows.
    pub files: PathBuf,
    /// A set of descriptors with the message `bench.Order`.
    pub descriptors: PathBuf,
    /// Spark's schema.
    pub ddl: String,
    /// Avro's.
    pub avro: String,
    /// Names and types of Protobuf's.
    pub protobuf: Vec<(&'static str, &'static str)>,
    /// Protobuf's as text.
    #[serde(skip)]
    pub protobuf_text: String,
    /// JSON Schema.
    #[serde(skip)]
    pub json: String,
    /// The ids of the schemas in the registry.
    pub ids: Ids,
}

/// Of the schemas of one size.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ids {
    /// Of Avro's.
    pub avro: u32,
    /// Of Protobuf's.
    pub protobuf: u32,
    /// Of JSON Schema.
    pub json: u32,
}

impl Records {
    /// Writes `count` records of `size` as lines into `directory`.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn write(directory: &Path, size: Size, count: u64) -> Self {
        let name = size.name();
        let lines = directory.join(format!("{name}.lines"));
        let mut file = BufWriter::new(File::create(&lines).expect("a file"));
        let mut value = String::new();
        for number in 0..count {
            match size {
                Size::Large => write_value(&mut value, number),
                Size::Small => write_small_value(&mut value, number),
            }
            value.push('\n');
            file.write_all(value.as_bytes()).expect("room on the disk");
        }
        file.flush().expect("room on the disk");
        let fields = &FIELDS[..size.fields()];
        let first = match size {
            Size::Large => 1,
            Size::Small => 11,
        };
        let ddl: Vec<_> = fields.iter().map(|f| format!("{} {}", f.0, f.1)).collect();
        Self {
            name,
            size,
            lines,
            files: directory.join(name),
            descriptors: directory.join(format!("{name}.descriptors")),
            ddl: ddl.join(", "),
            avro: avro(fields).to_string(),
            protobuf: fields.iter().map(|f| (f.0, f.3)).collect(),
            protobuf_text: protobuf(fields),
            json: json_schema(fields).to_string(),
            ids: Ids {
                avro: first,
                protobuf: first + 1,
                json: first + 2,
            },
        }
    }
}

type Field = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn avro(fields: &[Field]) -> Value {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, _, kind, ..)| match *kind {
            "timestamp-micros" => {
                json!({"name": name, "type": {"type": "long", "logicalType": kind}})
            }
            kind => json!({"name": name, "type": kind}),
        })
        .collect();
    json!({"type": "record", "name": "Order", "namespace": "bench", "fields": fields})
}

fn protobuf(fields: &[Field]) -> String {
    let mut text = "syntax = \"proto3\";\npackage bench;\nimport \"google/protobuf/timestamp.proto\";\nmessage Order {\n".to_owned();
    for (index, (name, _, _, kind, _)) in fields.iter().enumerate() {
        let _ = writeln!(text, "  {kind} {name} = {};", index + 1);
    }
    text.push_str("}\n");
    text
}

fn json_schema(fields: &[Field]) -> Value {
    let properties: serde_json::Map<_, _> = fields
        .iter()
        .map(|(name, .., kind)| ((*name).to_owned(), json!({"type": kind})))
        .collect();
    json!({"type": "object", "properties": properties})
}
