//! Spark's answers: kept in files, asked for again where Spark is at hand.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use weir::datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use weir::datafusion::arrow::datatypes::*;
use weir::datafusion::logical_expr::Expr;
use weir::prelude::*;
use weir_tests::spark::spark_or_skip;

/// A table both engines have: its name, schema and rows.
pub struct Table {
    pub name: &'static str,
    pub schema: &'static str,
    pub rows: Value,
}

impl Table {
    /// The table as a dataframe of Weir's.
    pub fn frame(&self, session: &Session) -> DataFrame {
        let DataType::Struct(fields) = weir::datafusion::logical_expr::ExprSchemable::get_type(
            &self.parsed(),
            &weir::datafusion::common::DFSchema::try_from(text_schema()).unwrap(),
        )
        .unwrap() else {
            panic!("{} is no table schema", self.schema)
        };
        // `from_json` reads objects, and in Spark arrays for structs not at all.
        let texts = self.rows.as_array().unwrap().iter().map(|row| {
            let values = row.as_array().unwrap().iter().cloned();
            let names = fields.iter().map(|field| field.name().clone());
            Value::Object(names.zip(values).collect()).to_string()
        });
        let array: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let batch = RecordBatch::try_new(Arc::new(text_schema()), vec![array]).unwrap();
        let frame = session.datafusion().read_batch(batch).unwrap();
        let frame = DataFrame::from_datafusion(session, frame);
        let frame = frame.select([self.parsed().alias("r")]).unwrap();
        let columns = fields.iter().map(|field| {
            let value = weir::datafusion::functions::expr_fn::get_field(col("r"), field.name());
            value.alias(field.name())
        });
        let columns: Vec<_> = columns.collect();
        frame.select(columns).unwrap()
    }

    fn parsed(&self) -> weir::datafusion::logical_expr::Expr {
        from_json(col("j"), self.schema, [("mode", "FAILFAST")]).unwrap()
    }

    fn json(&self) -> Value {
        let columns: Vec<_> = self
            .schema
            .split(", ")
            .map(|c| c.split(' ').next().unwrap())
            .collect();
        let rows = self.rows.as_array().unwrap().iter().map(|row| {
            let values = row.as_array().unwrap().iter().cloned();
            Value::Object(
                columns
                    .iter()
                    .map(|c| (*c).to_owned())
                    .zip(values)
                    .collect(),
            )
        });
        json!({"schema": self.schema, "rows": rows.collect::<Vec<_>>()})
    }
}

fn text_schema() -> Schema {
    Schema::new(vec![Field::new("j", DataType::Utf8, false)])
}

/// PySpark, and the same of Weir's.
pub type Case = (&'static str, weir::Result<DataFrame>);

/// Column `id` of `frame`, and `exprs` as `c0`, `c1` and so on.
pub fn pick(frame: &DataFrame, exprs: Vec<Expr>) -> weir::Result<DataFrame> {
    let names = (0..).map(|index| format!("c{index}"));
    let named = exprs.into_iter().zip(names);
    let columns = named.map(|(expr, name)| expr.alias(name));
    frame
        .clone()
        .select(std::iter::once(col("id")).chain(columns))
}

/// Compares every case with `golden/{area}.json`, after asking Spark whether that still holds.
pub async fn check(area: &str, tables: &[Table], cases: Vec<Case>) {
    let file = folder().join(format!("{area}.json"));
    let writing = std::env::var("WEIR_TEST_GOLDEN").is_ok_and(|value| value == "write");
    let golden: BTreeMap<String, Value> = if writing {
        let answers = ask_spark(tables, &cases);
        // One case a line, so that changes can be read.
        let lines: Vec<_> = answers
            .iter()
            .map(|(case, answer)| format!("{}: {answer}", json!(case)))
            .collect();
        std::fs::write(&file, format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
        answers
    } else {
        let golden = std::fs::read_to_string(&file).unwrap();
        let golden: BTreeMap<String, Value> = serde_json::from_str(&golden).unwrap();
        if spark_or_skip().is_some() {
            assert_eq!(
                ask_spark(tables, &cases),
                golden,
                "Spark says otherwise now than in {}",
                file.display()
            );
        }
        golden
    };
    assert_eq!(
        golden.len(),
        cases.len(),
        "{} holds other cases",
        file.display()
    );
    let mut failures = Vec::new();
    for (case, frame) in cases {
        let Some(expected) = golden.get(case) else {
            failures.push(format!("{case}\n  is not in {}", file.display()));
            continue;
        };
        let answer = match frame {
            Ok(frame) => answer(frame).await,
            Err(error) => Err(error),
        };
        match (answer, expected.get("error")) {
            (Err(_), Some(_)) => {}
            (Err(error), None) => failures.push(format!(
                "{case}\n  Spark: {expected}\n  Weir fails: {error}"
            )),
            (Ok(answer), _) if same(&answer, expected) => {}
            (Ok(answer), _) => {
                failures.push(format!("{case}\n  Spark: {expected}\n  Weir:  {answer}"))
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} differ\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/functions/golden")
}

fn ask_spark(tables: &[Table], cases: &[Case]) -> BTreeMap<String, Value> {
    let tables: Map<String, Value> = tables
        .iter()
        .map(|table| (table.name.to_owned(), table.json()))
        .collect();
    let asked =
        json!({"tables": tables, "cases": cases.iter().map(|(case, _)| case).collect::<Vec<_>>()});
    let mut spark = Command::new(folder().join("spark.sh"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    spark
        .stdin
        .take()
        .unwrap()
        .write_all(asked.to_string().as_bytes())
        .unwrap();
    let output = spark.wait_with_output().unwrap();
    assert!(output.status.success(), "spark.sh: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

async fn answer(frame: DataFrame) -> weir::Result<Value> {
    let schema: Vec<_> = frame
        .schema()
        .fields()
        .iter()
        .map(|field| json!([field.name(), weir::functions::type_name(field.data_type())]))
        .collect();
    let mut rows = Vec::new();
    for batch in frame.collect().await? {
        for row in 0..batch.num_rows() {
            rows.push(
                batch
                    .columns()
                    .iter()
                    .map(|column| value(column, row))
                    .collect::<Value>(),
            );
        }
    }
    Ok(json!({"schema": schema, "rows": rows}))
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            one == other
                || match (one.parse::<f64>(), other.parse::<f64>()) {
                    (Ok(one), Ok(other)) => {
                        one == other
                            || (one.is_nan() && other.is_nan())
                            || ((one - other) / other).abs() < 1e-12
                    }
                    _ => false,
                }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|o| same(value, o)))
        }
        _ => one == other,
    }
}

/// As `golden/spark.py` shows values.
fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int8 => json!(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        // Python shows a float as the double it becomes.
        DataType::Float32 => {
            json!(f64::from(array.as_primitive::<Float32Type>().value(row)).to_string())
        }
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row).to_string()),
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => json!(array.as_string::<i64>().value(row)),
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::Decimal128(..) => {
            json!(array.as_primitive::<Decimal128Type>().value_as_string(row))
        }
        DataType::Date32 => {
            let date = array
                .as_primitive::<Date32Type>()
                .value_as_date(row)
                .unwrap();
            json!(date.to_string())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let time = array
                .as_primitive::<TimestampMicrosecondType>()
                .value_as_datetime(row)
                .unwrap();
            json!(time.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
        }
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row).iter();
            json!(bytes.map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|index| value(&items, index)).collect()
        }
        DataType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .map(|column| value(column, row))
            .collect(),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let pair = |index| {
                json!([
                    value(entries.column(0), index),
                    value(entries.column(1), index)
                ])
            };
            // Of a repeated key Python keeps the last value.
            let pairs: BTreeMap<String, Value> = (0..entries.len())
                .map(|index| (value(entries.column(0), index).to_string(), pair(index)))
                .collect();
            pairs.into_values().collect()
        }
        other => panic!("no case should give {other}"),
    }
}
