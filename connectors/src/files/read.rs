//! Making a table of files: listing, partition columns, and the columns of the files.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::table_schema::TableSchema;
use weir_plan::{Error, ErrorKind, Options, Result};

use super::json::{self, infer_schema};
use super::listing::{Found, Lookup, list};
use super::options::{FileFormat, JsonReadOptions, ParquetReadOptions};
use super::parquet::scan as parquet_scan;
use super::partition;
use super::table::{FileTable, Format};

/// The files at `locations` (paths, patterns or `file://` URLs) as one table: their columns, and then
/// the partition columns of their directories.
///
/// With `schema`, nothing is read to find the columns: those of the files are `schema`'s without the
/// partition columns, every one nullable, as in Spark.
///
/// # Errors
/// `NotFound` for a location without files; `InvalidArgument` for options not in
/// [`PARQUET_READ_OPTIONS`](super::PARQUET_READ_OPTIONS) or
/// [`JSON_READ_OPTIONS`](super::JSON_READ_OPTIONS); `Unsupported` for a location that is not local;
/// `Storage` for a file that cannot be read, by name.
pub async fn read_files(
    session: &dyn Session,
    format: FileFormat,
    locations: &[String],
    options: &Options,
    schema: Option<SchemaRef>,
) -> Result<Arc<dyn TableProvider>> {
    if locations.is_empty() {
        return Err(Error::invalid_argument(format!(
            "format {:?} needs the path of files: use load_path(path)",
            format.as_str()
        )));
    }
    match format {
        FileFormat::Parquet => {
            let options = ParquetReadOptions::parse(options)?;
            let found = find(locations, options.lookup, schema.is_some()).await?;
            let file_schema = match &schema {
                Some(given) => Arc::clone(given),
                None => parquet_scan::infer_schema(session, &found, options.merge_schema).await?,
            };
            table(found, &file_schema, schema.as_deref(), Format::Parquet)
        }
        FileFormat::Json => {
            let options = JsonReadOptions::parse(options)?;
            let found = find(locations, options.lookup.clone(), schema.is_some()).await?;
            let file_schema = match &schema {
                Some(given) => Arc::clone(given),
                None => infer_schema(session, &found, &options).await?,
            };
            let settings = json::Settings::try_new(&options, &file_schema)?;
            table(
                found,
                &file_schema,
                schema.as_deref(),
                Format::Json(settings),
            )
        }
    }
}

/// A directory without files is an error unless a schema was given: it has no columns.
async fn find(locations: &[String], lookup: Lookup, empty_allowed: bool) -> Result<Vec<Found>> {
    let given = locations.to_vec();
    let found = tokio::task::spawn_blocking(move || list(&given, &lookup)).await;
    let found =
        found.map_err(|error| Error::internal("listing files failed").with_source(error))??;
    if found.is_empty() && !empty_allowed {
        let places: Vec<String> = locations.iter().map(|place| format!("{place:?}")).collect();
        return Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "no files at {}: the directory is empty, or holds only names that begin with _ or . \
                 or that a filter leaves out; give a schema to read it as no rows",
                places.join(", ")
            ),
        ));
    }
    Ok(found)
}

fn table(
    found: Vec<Found>,
    file_schema: &Schema,
    given: Option<&Schema>,
    format: Format,
) -> Result<Arc<dyn TableProvider>> {
    let columns = partition::columns(&found, given);
    // A column that is both in the files and in their directories has the directories' value.
    let in_files: Vec<FieldRef> = file_schema
        .fields()
        .iter()
        .filter(|field| {
            !columns
                .iter()
                .any(|column| column.name().eq_ignore_ascii_case(field.name()))
        })
        .map(nullable)
        .collect();
    let in_files = Arc::new(Schema::new(in_files));
    let mut files = Vec::with_capacity(found.len());
    for file in found {
        let values = partition::values(&file, &columns)?;
        files.push(PartitionedFile::new_from_meta(file.meta).with_partition_values(values));
    }
    let schema = TableSchema::builder(in_files)
        .with_table_partition_cols(columns)
        .build();
    Ok(Arc::new(FileTable::new(format, schema, files)))
}

/// A file may lack any column, and any field of it.
fn nullable(field: &FieldRef) -> FieldRef {
    let nested = |fields: &Fields| -> Fields { fields.iter().map(nullable).collect() };
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(nested(fields)),
        DataType::List(element) => DataType::List(nullable(element)),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}
