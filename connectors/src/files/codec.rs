//! How the nodes of files travel.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::protobuf;
use object_store::path::Path;
use prost::Message;
use weir_plan::write_node::only_input;
use weir_plan::{Error, NodeCodec, Result};
use weir_proto::nodes::{FilesWriteNode, JsonFileNode, JsonReadNode, JsonTask};

use super::json::{JsonFile, JsonReadExec, JsonScan, Settings};
use super::options::{Codec, FileFormat, ParseMode, WriteOptions};
use super::write::{FilesWriteExec, WriteSpec};
use crate::schema_codec::{decode_schema, encode_schema};

/// Encodes and decodes [`FilesWriteExec`].
#[derive(Debug, Clone, Copy, Default)]
pub struct FilesWriteCodec;

impl NodeCodec for FilesWriteCodec {
    fn name(&self) -> &'static str {
        "FilesWriteExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let Some(exec) = node.downcast_ref::<FilesWriteExec>() else {
            return Ok(None);
        };
        let spec = exec.spec();
        let root = spec.root.to_str().ok_or_else(|| {
            Error::invalid_argument(format!("{} is no UTF-8", spec.root.display()))
        })?;
        let message = FilesWriteNode {
            format: spec.format.as_str().to_owned(),
            root: root.to_owned(),
            job: spec.job.clone(),
            partition_columns: spec.partition_by.clone(),
            compression: spec.options.codec.as_str().to_owned(),
            max_records_per_file: spec.options.max_records_per_file,
            target_file_size_bytes: spec.options.target_file_size_bytes,
            row_group_bytes: spec.options.row_group_bytes,
            ignore_null_fields: spec.options.ignore_null_fields,
        };
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_input(self.name(), inputs)?;
        let node = FilesWriteNode::decode(payload)
            .map_err(|error| damaged("write of files").with_source(error))?;
        let format =
            FileFormat::parse(&node.format).ok_or_else(|| damaged("format of a write of files"))?;
        let spec = WriteSpec {
            format,
            root: PathBuf::from(node.root),
            job: node.job,
            partition_by: node.partition_columns,
            options: WriteOptions {
                codec: Codec::parse(format, &node.compression)?,
                max_records_per_file: node.max_records_per_file,
                target_file_size_bytes: node.target_file_size_bytes,
                row_group_bytes: node.row_group_bytes,
                ignore_null_fields: node.ignore_null_fields,
            },
        };
        let exec = FilesWriteExec::try_new(Arc::new(spec), input)?;
        Ok(Arc::new(exec))
    }
}

/// Encodes and decodes [`JsonReadExec`].
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonReadCodec;

impl NodeCodec for JsonReadCodec {
    fn name(&self) -> &'static str {
        "JsonReadExec"
    }

    fn encode(&self, node: &dyn ExecutionPlan) -> Result<Option<Vec<u8>>> {
        let Some(exec) = node.downcast_ref::<JsonReadExec>() else {
            return Ok(None);
        };
        let scan = exec.scan();
        let value = |value: &ScalarValue| {
            let value = protobuf::ScalarValue::try_from(value).map_err(|error| {
                Error::internal("a partition value of JSON files cannot travel").with_source(error)
            })?;
            Ok(value.encode_to_vec())
        };
        let file = |file: &JsonFile| {
            Ok(JsonFileNode {
                path: file.path.to_string(),
                partition_values: file
                    .partition_values
                    .iter()
                    .map(value)
                    .collect::<Result<_>>()?,
            })
        };
        let task = |files: &Vec<JsonFile>| {
            Ok(JsonTask {
                files: files.iter().map(file).collect::<Result<_>>()?,
            })
        };
        let message = JsonReadNode {
            mode: scan.settings.mode.as_str().to_owned(),
            corrupt_record: scan.settings.corrupt_record.clone(),
            schema: encode_schema(&scan.schema)?,
            file_columns: scan.file_columns as u64,
            projection: scan.projection.iter().map(|index| *index as u64).collect(),
            tasks: scan.tasks.iter().map(task).collect::<Result<_>>()?,
        };
        Ok(Some(message.encode_to_vec()))
    }

    fn decode(
        &self,
        payload: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !inputs.is_empty() {
            return Err(Error::internal("a read of JSON files has no inputs"));
        }
        let node = JsonReadNode::decode(payload)
            .map_err(|error| damaged("read of JSON files").with_source(error))?;
        let value = |bytes: &Vec<u8>| {
            let value = protobuf::ScalarValue::decode(bytes.as_slice())
                .map_err(|error| damaged("partition value").with_source(error))?;
            ScalarValue::try_from(&value)
                .map_err(|error| damaged("partition value").with_source(error))
        };
        let file = |file: &JsonFileNode| {
            Ok(JsonFile {
                path: Path::parse(&file.path)
                    .map_err(|error| damaged("path of a JSON file").with_source(error))?,
                partition_values: file
                    .partition_values
                    .iter()
                    .map(value)
                    .collect::<Result<_>>()?,
            })
        };
        let task = |task: &JsonTask| task.files.iter().map(file).collect::<Result<Vec<_>>>();
        let index = |index: &u64| usize::try_from(*index).map_err(|_| damaged("projection"));
        let scan = JsonScan {
            settings: Settings {
                mode: ParseMode::parse(&node.mode)
                    .ok_or_else(|| damaged("mode of a read of JSON files"))?,
                corrupt_record: node.corrupt_record,
            },
            schema: decode_schema(&node.schema)?,
            file_columns: index(&node.file_columns)?,
            projection: node.projection.iter().map(index).collect::<Result<_>>()?,
            tasks: node.tasks.iter().map(task).collect::<Result<_>>()?,
        };
        Ok(Arc::new(JsonReadExec::try_new(scan)?))
    }
}

fn damaged(what: &str) -> Error {
    Error::internal(format!("a {what} sent to this process is damaged"))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::displayable;
    use datafusion::physical_plan::empty::EmptyExec;
    use weir_plan::Options;

    use super::*;

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("p", DataType::Utf8, true),
        ]))
    }

    #[test]
    fn write_survives_the_journey_with_its_options() {
        for format in [FileFormat::Parquet, FileFormat::Json] {
            let options: Options = [
                ("compression", "zstd"),
                ("maxRecordsPerFile", "7"),
                ("targetFileSize", "1MB"),
            ]
            .into_iter()
            .collect();
            let spec = WriteSpec {
                format,
                root: PathBuf::from("/lake/t"),
                job: "job".to_owned(),
                partition_by: vec!["p".to_owned()],
                options: WriteOptions::parse(format, &options).unwrap(),
            };
            let input: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(schema()));
            let node = FilesWriteExec::try_new(Arc::new(spec), Arc::clone(&input)).unwrap();
            let payload = FilesWriteCodec.encode(&node).unwrap().unwrap();
            let back = FilesWriteCodec.decode(&payload, &[input]).unwrap();
            let back = back.downcast_ref::<FilesWriteExec>().unwrap();
            assert_eq!(back.spec(), node.spec());
            assert!(FilesWriteCodec.decode(&payload, &[]).is_err());
            assert!(
                FilesWriteCodec
                    .decode(&[255, 1], &[Arc::new(EmptyExec::new(schema()))])
                    .is_err()
            );
        }
    }

    #[test]
    fn json_read_survives_the_journey_with_its_files() {
        let file = |path: &str, value: Option<&str>| JsonFile {
            path: Path::parse(path).unwrap(),
            partition_values: vec![ScalarValue::Utf8(value.map(str::to_owned))],
        };
        let node = JsonReadExec::try_new(JsonScan {
            settings: Settings {
                mode: ParseMode::DropMalformed,
                corrupt_record: Some("bad".to_owned()),
            },
            schema: schema(),
            file_columns: 1,
            projection: vec![1],
            tasks: vec![
                vec![
                    file("lake/t/p=a%3Ab/x.json", Some("a:b")),
                    file("lake/y.json", None),
                ],
                vec![],
            ],
        })
        .unwrap();
        let payload = JsonReadCodec.encode(&node).unwrap().unwrap();
        let back = JsonReadCodec.decode(&payload, &[]).unwrap();
        let shown = |plan: &dyn ExecutionPlan| displayable(plan).indent(true).to_string();
        assert_eq!(shown(back.as_ref()), shown(&node));
        assert_eq!(back.schema(), node.schema());
        let back = back.downcast_ref::<JsonReadExec>().unwrap();
        assert_eq!(back.scan(), node.scan());
        assert!(JsonReadCodec.decode(&[255, 1], &[]).is_err());
    }
}
