//! Rows as files hold them: what can be written, the types readers of Spark's files know, and the split
//! by partition values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{cast, take, take_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use arrow::row::{RowConverter, SortField};
use weir_plan::options::did_you_mean;
use weir_plan::{Error, ErrorKind, Result};

use super::options::FileFormat;
use super::partition::{NULL_VALUE, directory, texts};

/// Turns rows into those of the files, by directory.
#[derive(Debug, Clone)]
pub(super) struct Normalizer {
    schema: SchemaRef,
    file_schema: SchemaRef,
    /// Indices of the columns that stay in the files.
    in_files: Vec<usize>,
    /// Indices of the partition columns, outermost first.
    partitions: Vec<usize>,
}

/// The rows of one directory.
#[derive(Debug)]
pub(super) struct Part {
    /// `a=1/b=2`; empty without partition columns.
    pub(super) directory: String,
    pub(super) rows: RecordBatch,
}

impl Normalizer {
    /// # Errors
    /// `SchemaMismatch` for a partition column that is not there, given twice, or of a type without a
    /// text form; for columns of one name; when no column is left for the files.
    /// `Unsupported` for a type the format cannot hold.
    pub(super) fn try_new(
        format: FileFormat,
        input: &Schema,
        partition_by: &[String],
    ) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for field in input.fields() {
            check_type(format, field.name(), field.data_type())?;
            let lower = field.name().to_lowercase();
            if names.contains(&lower) {
                return Err(mismatch(format!(
                    "two columns are named {:?}, without regard to case; rename one",
                    field.name()
                )));
            }
            names.push(lower);
        }
        let mut partitions = Vec::with_capacity(partition_by.len());
        for name in partition_by {
            let Some(index) = names.iter().position(|own| *own == name.to_lowercase()) else {
                let known = input.fields().iter().map(|field| field.name().as_str());
                return Err(mismatch(format!(
                    "partition column {name:?} is not among the columns{}",
                    did_you_mean(name, known)
                )));
            };
            let data_type = input.field(index).data_type();
            if partitions.contains(&index) {
                return Err(mismatch(format!(
                    "partition column {name:?} is given twice"
                )));
            }
            if data_type.is_nested() || is_binary(data_type) || name.starts_with('.') {
                return Err(mismatch(format!(
                    "partition column {name:?} of type {data_type} makes no directory that readers \
                     find; partition by a string, number, boolean, date or timestamp whose name does \
                     not begin with a dot"
                )));
            }
            partitions.push(index);
        }
        let in_files: Vec<usize> = (0..input.fields().len())
            .filter(|index| !partitions.contains(index))
            .collect();
        if in_files.is_empty() {
            return Err(mismatch(
                "every column is a partition column; leave at least one for the files".to_owned(),
            ));
        }
        let fields: Vec<FieldRef> = input.fields().iter().map(written).collect();
        let schema = Arc::new(Schema::new(fields));
        let file_schema = schema.project(&in_files).map_err(|error| {
            Error::internal("the columns of files cannot be told").with_source(error)
        })?;
        Ok(Self {
            schema,
            file_schema: Arc::new(file_schema),
            in_files,
            partitions,
        })
    }

    /// The columns of the files.
    pub(super) fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// `batch` as the files hold it, by directory.
    ///
    /// # Errors
    /// `Compute` for a value its written type cannot hold; `SchemaMismatch` for a partition value that
    /// would be read as null.
    pub(super) fn parts(&self, batch: &RecordBatch) -> Result<Vec<Part>> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(values, field)| {
            if values.data_type() == field.data_type() {
                return Ok(Arc::clone(values));
            }
            cast(values, field.data_type()).map_err(|error| {
                Error::new(
                    ErrorKind::Compute,
                    format!(
                        "column {:?} cannot be written as {}",
                        field.name(),
                        field.data_type()
                    ),
                )
                .with_source(error)
            })
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let built = |error| Error::internal("rows of files cannot be built").with_source(error);
        let files = self
            .in_files
            .iter()
            .map(|index| Arc::clone(&columns[*index]))
            .collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.file_schema), files).map_err(built)?;
        if self.partitions.is_empty() {
            let directory = String::new();
            return Ok(vec![Part { directory, rows }]);
        }
        let keys: Vec<ArrayRef> = self
            .partitions
            .iter()
            .map(|index| Arc::clone(&columns[*index]))
            .collect();
        let groups = groups(&keys).map_err(built)?;
        let firsts: UInt32Array = groups
            .iter()
            .filter_map(|rows| rows.first().copied())
            .collect();
        let directories = self.directories(&keys, &firsts)?;
        if let ([_], Some(directory)) = (groups.as_slice(), directories.first()) {
            let directory = directory.clone();
            return Ok(vec![Part { directory, rows }]);
        }
        directories
            .into_iter()
            .zip(groups)
            .map(|(directory, group)| {
                let rows = take_record_batch(&rows, &UInt32Array::from(group)).map_err(built)?;
                Ok(Part { directory, rows })
            })
            .collect()
    }

    /// The directories of the rows `firsts`.
    fn directories(&self, keys: &[ArrayRef], firsts: &UInt32Array) -> Result<Vec<String>> {
        let mut directories = vec![String::new(); firsts.len()];
        for (index, values) in self.partitions.iter().zip(keys) {
            let name = self.schema.field(*index).name();
            let values = take(values, firsts, None).map_err(|error| {
                Error::internal("partition values cannot be taken").with_source(error)
            })?;
            for (path, text) in directories.iter_mut().zip(texts(&values)?.iter()) {
                if text == Some(NULL_VALUE) {
                    return Err(mismatch(format!(
                        "a row has {NULL_VALUE:?} in partition column {name:?}, where it stands for \
                         null; replace it"
                    )));
                }
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(&directory(name, text));
            }
        }
        Ok(directories)
    }
}

/// The rows of each different key, in the order of their first ones.
fn groups(keys: &[ArrayRef]) -> Result<Vec<Vec<u32>>, arrow::error::ArrowError> {
    let fields = keys
        .iter()
        .map(|key| SortField::new(key.data_type().clone()));
    let rows = RowConverter::new(fields.collect())?.convert_columns(keys)?;
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut known = HashMap::new();
    for (number, row) in (0u32..).zip(rows.iter()) {
        let group = *known.entry(row).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(number);
    }
    Ok(groups)
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

fn check_type(format: FileFormat, path: &str, data_type: &DataType) -> Result<()> {
    let refused = |why: &str| {
        Err(Error::unsupported(format!(
            "column {path:?} of type {data_type} cannot be written to {} files: {why}",
            format.as_str()
        )))
    };
    match data_type {
        DataType::Null => refused("cast it to the type it is to have"),
        DataType::Interval(_) | DataType::Duration(_) => refused("cast it to a number or string"),
        _ if format == FileFormat::Json && is_binary(data_type) => {
            refused("cast it to a string, or encode it in base64")
        }
        DataType::Struct(fields) => fields.iter().try_for_each(|field| {
            check_type(
                format,
                &format!("{path}.{}", field.name()),
                field.data_type(),
            )
        }),
        DataType::List(field) | DataType::LargeList(field) | DataType::Map(field, _) => {
            check_type(format, path, field.data_type())
        }
        _ => Ok(()),
    }
}

/// Times are in microseconds: Spark reads no nanoseconds.
fn written(field: &FieldRef) -> FieldRef {
    let nested = |fields: &Fields| -> Fields { fields.iter().map(written).collect() };
    let data_type = match field.data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Struct(fields) => DataType::Struct(nested(fields)),
        DataType::List(element) => DataType::List(written(element)),
        DataType::Map(entries, sorted) => DataType::Map(written(entries), *sorted),
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

fn mismatch(message: String) -> Error {
    Error::new(ErrorKind::SchemaMismatch, message)
}
