//! How Parquet files are encoded: those of a Delta table, too.

use ::parquet::basic::Compression;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::datatypes::{DataType, Schema};

/// Encoded bytes after which a row group ends, unless told otherwise. It bounds what one open file
/// holds in memory: a task has one open file per partition value.
pub(crate) const ROW_GROUP_BYTES: usize = 16 << 20;

/// Bytes after which a page ends. Encoding, compressing and copying a page of this size stays within the
/// processor's cache and within memory that the allocator has at hand.
const PAGE_BYTES: usize = 128 << 10;

/// Rows after which the encoder looks whether a page is full: of message bodies, few are many bytes.
const PAGE_CHECK_ROWS: usize = 128;

/// The properties of files of `file_schema`, whose row groups end after about `row_group_bytes` encoded
/// bytes.
///
/// Statistics are on, down to the page, so that readers skip by them; off for binary columns: Delta
/// has none for them. Dictionaries are on except for binary columns (message bodies: rarely equal), until rows
/// are seen ([`fitted_to`](super::dictionary::fitted_to)); the encoder drops a dictionary that grows beyond a page by itself.
pub(crate) fn writer_properties(
    file_schema: &Schema,
    compression: Compression,
    row_group_bytes: usize,
) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("weir version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression)
        .set_max_row_group_bytes(Some(row_group_bytes))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(PAGE_CHECK_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page);
    for field in file_schema.fields() {
        for path in binary_paths(field.data_type(), vec![field.name().clone()]) {
            let column = ColumnPath::new(path);
            builder = builder
                .set_column_statistics_enabled(column.clone(), EnabledStatistics::None)
                .set_column_dictionary_enabled(column, false);
        }
    }
    builder.build()
}

/// Paths of the binary columns at and below `path`, as Parquet spells them.
fn binary_paths(data_type: &DataType, path: Vec<String>) -> Vec<Vec<String>> {
    let below = |names: &[&str]| {
        let mut path = path.clone();
        path.extend(names.iter().map(|name| (*name).to_owned()));
        path
    };
    match data_type {
        DataType::Binary => vec![path],
        DataType::Struct(fields) => fields
            .iter()
            .flat_map(|field| binary_paths(field.data_type(), below(&[field.name()])))
            .collect(),
        DataType::List(element) => {
            binary_paths(element.data_type(), below(&["list", element.name()]))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => fields
                .iter()
                .flat_map(|field| {
                    binary_paths(field.data_type(), below(&[entries.name(), field.name()]))
                })
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
