//! What a table asks of its writers, and whether Weir does it.
//!
//! Features are checked against what a write honours; any other is refused by name, for a writer that
//! ignores one can corrupt the table for all. What only concerns writes that remove rows is checked
//! apart, by those.

use deltalake::kernel::{DataType, Metadata, MetadataValue, Protocol, StructField, StructType};
use weir_plan::{Error, Result};

/// Features a write honours, either because it has nothing to do for them or because the clause
/// that would have is refused by [`check_writable`] where a table uses it.
const HONOURED: &[&str] = &[
    // See `check_removable`.
    "appendOnly",
    // Readers derive the changes of a commit from its adds and removes; see `check_rewritable`.
    "changeDataFeed",
    // New files have no deletion vector.
    "deletionVectors",
    "timestampNtz",
    // Concerns checkpoints, which the log library writes as the table asks.
    "v2Checkpoint",
    // Concerns vacuum, which Weir does not run.
    "vacuumProtocolCheck",
    // Honoured only where unused: see `check_writable`.
    "invariants",
    "checkConstraints",
    "generatedColumns",
    "columnMapping",
];

const CONSTRAINT_PREFIX: &str = "delta.constraints.";
const APPEND_ONLY: &str = "delta.appendOnly";
const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";
const COLUMN_MAPPING_MODE: &str = "delta.columnMapping.mode";

/// Column metadata that obliges a writer.
const COLUMN_CLAUSES: &[(&str, &str)] = &[
    ("delta.generationExpression", "is a generated column"),
    ("delta.invariants", "has an invariant"),
    ("delta.identity.start", "is an identity column"),
    ("CURRENT_DEFAULT", "has a default value"),
];

/// Refuses a table at `place` that an append could break.
///
/// # Errors
/// `Unsupported`, naming the feature.
pub(super) fn check_writable(
    place: &str,
    protocol: &Protocol,
    metadata: &Metadata,
    schema: &StructType,
) -> Result<()> {
    let writer = protocol.min_writer_version();
    if writer > 7 || protocol.min_reader_version() > 3 {
        return Err(refused(
            place,
            &format!(
                "protocol versions (reader {}, writer {writer}), newer than any known",
                protocol.min_reader_version()
            ),
        ));
    }
    if writer == 6 {
        return Err(refused(place, "writer version 6 (identity columns)"));
    }
    for feature in protocol.writer_features().unwrap_or_default() {
        // Not `as_ref`, which calls every feature it does not know "unknown".
        let name = feature.to_string();
        if !HONOURED.contains(&name.as_str()) {
            return Err(refused(place, &format!("feature {name:?}")));
        }
    }
    for key in metadata.configuration().keys() {
        if let Some(name) = key.strip_prefix(CONSTRAINT_PREFIX) {
            return Err(refused(place, &format!("CHECK constraint {name:?}")));
        }
    }
    match metadata.configuration().get(COLUMN_MAPPING_MODE) {
        Some(mode) if mode != "none" => {
            return Err(refused(place, &format!("column mapping (mode {mode:?})")));
        }
        _ => {}
    }
    schema
        .fields()
        .try_for_each(|field| check_field(place, field, ""))
}

/// Refuses to remove rows from a table at `place` that only grows.
///
/// # Errors
/// `Unsupported`, naming the property.
pub(super) fn check_removable(place: &str, metadata: &Metadata) -> Result<()> {
    if is_true(metadata, APPEND_ONLY) {
        return Err(Error::unsupported(format!(
            "{place} is append-only ({APPEND_ONLY} is true): its rows cannot be replaced; append to it, \
             or write to another table"
        )));
    }
    Ok(())
}

/// Refuses to write rows that stay in the table at `place` into other files.
///
/// # Errors
/// `Unsupported`, naming the property.
pub(super) fn check_rewritable(place: &str, metadata: &Metadata) -> Result<()> {
    if is_true(metadata, CHANGE_DATA_FEED) {
        return Err(Error::unsupported(format!(
            "{place} has a change data feed ({CHANGE_DATA_FEED} is true), which files that are replaced \
             in part would need entries in; this writer makes none: replace whole partitions"
        )));
    }
    Ok(())
}

fn is_true(metadata: &Metadata, property: &str) -> bool {
    let value = metadata.configuration().get(property);
    value.is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

fn check_field(place: &str, field: &StructField, parent: &str) -> Result<()> {
    let path = super::data_type::join(parent, field.name());
    for (key, clause) in COLUMN_CLAUSES {
        if field.metadata().contains_key(*key) {
            let text = match field.metadata().get(*key) {
                Some(MetadataValue::String(text)) => format!(" ({text})"),
                _ => String::new(),
            };
            return Err(refused(
                place,
                &format!("column {path:?}: it {clause}{text}"),
            ));
        }
    }
    check_type(place, field.data_type(), &path)
}

fn check_type(place: &str, data_type: &DataType, path: &str) -> Result<()> {
    match data_type {
        DataType::Struct(inner) => inner
            .fields()
            .try_for_each(|field| check_field(place, field, path)),
        DataType::Array(array) => check_type(place, array.element_type(), path),
        DataType::Map(map) => {
            check_type(place, map.key_type(), path)?;
            check_type(place, map.value_type(), path)
        }
        DataType::Primitive(_) | DataType::Variant(_) => Ok(()),
    }
}

/// Whether columns of timestamps without time zone may be added to the table.
pub(super) fn allows_timestamp_ntz(protocol: &Protocol) -> bool {
    protocol
        .writer_features()
        .unwrap_or_default()
        .iter()
        .any(|feature| feature.as_ref() == "timestampNtz")
}

fn refused(place: &str, what: &str) -> Error {
    Error::unsupported(format!(
        "{place} uses {what}, which this writer cannot honour; write to a table without it, or with \
         an engine that supports it"
    ))
}
