//! The runs, in turn, and their table.

use serde_json::json;
use weir::{Result, Session};
use weir_tests::schema_registry::{MockRegistry, Reply};

use super::arguments::{Arguments, Format};
use super::others::{Peer, Run, write_formats};
use super::records::Records;
use super::weir::Values;

/// Runs of Spark that are not counted: its compiler is done by then. Weir and Python have one.
const SPARK_WARM_UPS: usize = 5;

const HEADING: &str = "\
| bytes each | | records/s | MB/s | seconds (min to max) | of Weir's time |
|---|---|---|---|---|---|";

/// Writes the records, runs, prints.
///
/// # Errors
/// When a session cannot be made, or a record cannot be decoded.
///
/// # Panics
/// When a peer fails, or decodes other than was written.
pub async fn measure(arguments: Arguments) -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sizes: Vec<_> = arguments
        .sizes
        .iter()
        .map(|size| Records::write(directory.path(), *size, arguments.records))
        .collect();
    let spec = directory.path().join("spec.json");
    std::fs::write(&spec, json!({"sizes": sizes}).to_string()).expect("a file");
    write_formats(&spec);

    let registry = registry(&sizes).await;
    let session = Session::builder()
        .master("local[1]")
        .config("weir.schema.registry.url", registry.url())
        .create()
        .await?;
    let mut python = (!arguments.alone).then(|| Peer::python(&spec));
    let mut spark = arguments
        .spark
        .then(|| Peer::spark(&spec, &arguments.spark_memory));
    let mut table = vec![HEADING.to_owned()];
    for records in &sizes {
        for &format in &arguments.formats {
            let path = format!("{}-{}.parquet", records.files.display(), format.name());
            let values = Values::read(&session, &path).await?;
            let mut measured = Measured::new(format);
            let expected = values.decode(&session, format, records).await?;
            assert_eq!(expected.records, arguments.records);
            let mut python = python.as_mut().filter(|_| format.of_python().is_some());
            let mut spark = spark.as_mut().filter(|_| format.of_spark().is_some());
            if let Some(python) = &mut python {
                check(expected, python.decode(records.size, format));
            }
            if let Some(spark) = &mut spark {
                for _ in 0..SPARK_WARM_UPS {
                    check(expected, spark.decode(records.size, format));
                }
            }
            for _ in 0..arguments.runs {
                let run = values.decode(&session, format, records).await?;
                measured.weir.push(check(expected, run));
                if let Some(python) = &mut python {
                    let run = python.decode(records.size, format);
                    measured.python.push(check(expected, run));
                }
                if let Some(spark) = &mut spark {
                    let run = spark.decode(records.size, format);
                    measured.spark.push(check(expected, run));
                }
            }
            for row in measured.rows(&values) {
                eprintln!("{row}");
                table.push(row);
            }
        }
    }
    for row in table {
        println!("{row}");
    }
    Ok(())
}

/// The seconds of a run that decoded what is `expected`.
fn check(expected: Run, run: Run) -> f64 {
    assert_eq!(
        (run.records, run.customers),
        (expected.records, expected.customers),
        "records and the sum of their customers"
    );
    run.seconds
}

/// Answers with the schemas by their ids: they are asked for once each, before anything is timed.
async fn registry(sizes: &[Records]) -> MockRegistry {
    let answers: Vec<(String, String)> = sizes
        .iter()
        .flat_map(|records| {
            [
                (records.ids.avro, "AVRO", &records.avro),
                (records.ids.protobuf, "PROTOBUF", &records.protobuf_text),
                (records.ids.json, "JSON", &records.json),
            ]
        })
        .map(|(id, kind, text)| {
            (
                id.to_string(),
                json!({"schema": text, "schemaType": kind}).to_string(),
            )
        })
        .collect();
    MockRegistry::start(move |request| {
        let id = request
            .strip_prefix("GET /schemas/ids/")
            .and_then(|rest| rest.split([' ', '?']).next());
        let answer = answers.iter().find(|(known, _)| Some(known.as_str()) == id);
        match answer {
            Some((_, answer)) => Reply::Answer(200, answer.clone()),
            None => Reply::Answer(404, json!({"error_code": 40403}).to_string()),
        }
    })
    .await
}

/// Seconds of all runs over one format and size.
#[derive(Debug)]
struct Measured {
    format: Format,
    weir: Vec<f64>,
    python: Vec<f64>,
    spark: Vec<f64>,
}

impl Measured {
    fn new(format: Format) -> Self {
        Self {
            format,
            weir: Vec::new(),
            python: Vec::new(),
            spark: Vec::new(),
        }
    }

    fn rows(mut self, values: &Values) -> Vec<String> {
        let weir = median(&mut self.weir);
        let title = format!("Weir: {}", self.format.function());
        let peers = [
            (Some(title.as_str()), &mut self.weir),
            (self.format.of_python(), &mut self.python),
            (self.format.of_spark(), &mut self.spark),
        ];
        let rows = peers.into_iter().filter_map(|(title, runs)| {
            let title = title.filter(|_| !runs.is_empty())?;
            let took = median(runs);
            Some(format!(
                "| {} | {title} | {:.0} | {:.0} | {took:.2} ({:.2} to {:.2}) | {:.1} |",
                values.bytes / values.records.max(1),
                values.records as f64 / took,
                values.bytes as f64 / 1e6 / took,
                runs.first().copied().unwrap_or(f64::NAN),
                runs.last().copied().unwrap_or(f64::NAN),
                took / weir,
            ))
        });
        rows.collect()
    }
}

/// The middle of `runs`, which are sorted.
fn median(runs: &mut [f64]) -> f64 {
    runs.sort_unstable_by(f64::total_cmp);
    runs.get(runs.len() / 2).copied().unwrap_or(f64::NAN)
}
