//! What functions that decode binary records have in common: their modes, and what becomes of a record that is not one.
//!
//! As Spark's `from_avro` and `from_protobuf`: mode FAILFAST (the default) fails the query at the first bad record; mode PERMISSIVE makes
//! it null, of a struct a struct of nulls. `columnNameOfError`, which Spark does not have, adds a field that says why.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, NullBufferBuilder, StringBuilder, StructArray,
    UInt32Array, new_null_array,
};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Signature, Volatility};

use crate::error::{Error, ErrorKind, Result};
use crate::options::{OptionSpec, Options, did_you_mean};

/// `mode`.
pub(super) const MODE: OptionSpec = OptionSpec {
    key: "mode",
    doc: "FAILFAST (default): a bad record fails the query; PERMISSIVE: it is null, a struct of nulls where records are structs",
};

/// `columnNameOfError`, of Weir's own.
pub(super) const ERROR_FIELD: OptionSpec = OptionSpec {
    key: "columnNameOfError",
    doc: "in mode PERMISSIVE: a string field of the result that says why a record could not be decoded, null where it could",
};

/// How a function treats bad records.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    pub(super) fail_fast: bool,
    pub(super) error_field: Option<String>,
}

/// Options as given, of which `known` exist, in either case of their keys.
///
/// # Errors
/// `InvalidArgument` for another, naming the nearest.
pub(super) fn known_options(
    function: &str,
    given: &[(String, String)],
    known: &[OptionSpec],
) -> Result<Options> {
    let mut options = Options::new();
    for (key, value) in given {
        if !known
            .iter()
            .any(|known| known.key.eq_ignore_ascii_case(key))
        {
            let keys: Vec<_> = known.iter().map(|known| known.key).collect();
            return Err(Error::invalid_argument(format!(
                "{function}: unknown option {key:?}{}",
                did_you_mean(key, keys)
            )));
        }
        options.set(key.clone(), value);
    }
    Ok(options)
}

impl Modes {
    pub(super) fn of(function: &str, options: &Options) -> Result<Self> {
        let fail_fast = match options.get(MODE.key).map(str::to_uppercase).as_deref() {
            None | Some("FAILFAST") => true,
            Some("PERMISSIVE") => false,
            Some(other) => {
                return Err(Error::invalid_argument(format!(
                    "{function}: mode {other:?} is not supported; use \"FAILFAST\" or \"PERMISSIVE\""
                )));
            }
        };
        let error_field = options.get(ERROR_FIELD.key).map(str::to_owned);
        if fail_fast && error_field.is_some() {
            return Err(Error::invalid_argument(format!(
                "{function}: columnNameOfError is for mode \"PERMISSIVE\", in which a bad record does not fail the query"
            )));
        }
        Ok(Self {
            fail_fast,
            error_field,
        })
    }

    /// The function's result over records of `data_type`.
    ///
    /// # Errors
    /// `InvalidArgument` when they have no room for the field of errors.
    pub(super) fn result_type(&self, function: &str, data_type: &DataType) -> Result<DataType> {
        let Some(name) = &self.error_field else {
            return Ok(data_type.clone());
        };
        let DataType::Struct(fields) = data_type else {
            return Err(Error::invalid_argument(format!(
                "{function}: columnNameOfError adds a field, and the schema is no record"
            )));
        };
        if fields.iter().any(|field| field.name() == name) {
            return Err(Error::invalid_argument(format!(
                "{function}: the schema has a field {name:?} already; choose another columnNameOfError"
            )));
        }
        let error = Arc::new(Field::new(name, DataType::Utf8, true));
        let fields = fields.iter().cloned().chain([error]);
        Ok(DataType::Struct(fields.collect::<Fields>()))
    }
}

/// A record that is none.
#[derive(Debug, Clone)]
pub(crate) struct Bad {
    /// Its place among those that were decoded together.
    pub(crate) row: usize,
    /// Why, with its place in the record.
    pub(crate) reason: String,
}

/// Records decoded.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// One value for each, null where it is bad.
    pub(crate) values: ArrayRef,
    /// In order.
    pub(crate) bad: Vec<Bad>,
}

impl Decoded {
    /// All of `rows` records are bad for one reason.
    pub(crate) fn all_bad(data_type: &DataType, rows: usize, reason: &str) -> Self {
        let bad = |row| Bad {
            row,
            reason: reason.to_owned(),
        };
        Self {
            values: new_null_array(data_type, rows),
            bad: (0..rows).map(bad).collect(),
        }
    }

    /// `parts`, whose values go to the rows named beside them, of `rows` in all.
    pub(crate) fn gathered(
        data_type: &DataType,
        rows: usize,
        parts: Vec<(Vec<usize>, Self)>,
    ) -> Result<Self, DataFusionError> {
        let mut places: Vec<Option<u32>> = vec![None; rows];
        let mut bad = Vec::new();
        let mut start = 0;
        for (targets, part) in &parts {
            for (index, target) in targets.iter().enumerate() {
                places[*target] = Some(u32::try_from(start + index).map_err(too_many)?);
            }
            bad.extend(part.bad.iter().map(|of_part| Bad {
                row: targets[of_part.row],
                reason: of_part.reason.clone(),
            }));
            start += targets.len();
        }
        bad.sort_by_key(|bad| bad.row);
        let arrays: Vec<&dyn Array> = parts.iter().map(|(_, part)| part.values.as_ref()).collect();
        let values = match arrays.as_slice() {
            [] => new_null_array(data_type, rows),
            [one] if start == rows => take(*one, &UInt32Array::from(places), None)?,
            _ => take(&concat(&arrays)?, &UInt32Array::from(places), None)?,
        };
        Ok(Self { values, bad })
    }
}

fn too_many(_: std::num::TryFromIntError) -> Error {
    Error::new(
        ErrorKind::ResourcesExhausted,
        "one batch has more than 4,294,967,295 records: lower datafusion.execution.batch_size",
    )
}

/// Of one binary argument.
pub(super) fn signature() -> Signature {
    let types = [
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
    ];
    Signature::uniform(1, types.to_vec(), Volatility::Immutable)
}

/// The function's result: the records of `argument` by `decode`, which is given those that are not null.
pub(super) fn invoke(
    function: &str,
    modes: &Modes,
    argument: ColumnarValue,
    rows: usize,
    data_type: &DataType,
    decode: impl FnOnce(&[&[u8]]) -> Result<Decoded, DataFusionError>,
) -> Result<ColumnarValue, DataFusionError> {
    let scalar = matches!(argument, ColumnarValue::Scalar(_));
    let array = argument.into_array(if scalar { 1 } else { rows })?;
    let array = cast(&array, &DataType::Binary)?;
    let binary: &BinaryArray = array.as_binary();
    let present: Vec<usize> = (0..binary.len())
        .filter(|row| binary.is_valid(*row))
        .collect();
    let bodies: Vec<&[u8]> = present.iter().map(|row| binary.value(*row)).collect();
    let decoded = decode(&bodies)?;
    if modes.fail_fast
        && let Some(first) = decoded.bad.first()
    {
        return Err(Error::new(
            ErrorKind::Compute,
            format!(
                "{function}: malformed record {} (mode FAILFAST): {}; use mode PERMISSIVE for null instead",
                shown(bodies[first.row]),
                first.reason
            ),
        )
        .into());
    }
    let decoded = match present.len() == binary.len() {
        true => decoded,
        false => Decoded::gathered(data_type, binary.len(), vec![(present, decoded)])?,
    };
    let result = with_errors(modes, data_type, decoded)?;
    match scalar {
        true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
            &result, 0,
        )?)),
        false => Ok(ColumnarValue::Array(result)),
    }
}

/// Structs of nulls for what is bad, and the field that says why.
fn with_errors(
    modes: &Modes,
    data_type: &DataType,
    decoded: Decoded,
) -> Result<ArrayRef, DataFusionError> {
    let DataType::Struct(fields) = data_type else {
        return Ok(decoded.values);
    };
    if decoded.bad.is_empty() && modes.error_field.is_none() {
        return Ok(decoded.values);
    }
    let structs = decoded.values.as_struct();
    let rows = structs.len();
    let mut valid = NullBufferBuilder::new(rows);
    let mut errors = StringBuilder::new();
    let mut bad = decoded.bad.iter().peekable();
    for row in 0..rows {
        let reason = bad
            .next_if(|bad| bad.row == row)
            .map(|bad| bad.reason.as_str());
        valid.append(structs.is_valid(row) || reason.is_some());
        errors.append_option(reason);
    }
    let mut columns = structs.columns().to_vec();
    let mut fields: Vec<_> = fields.iter().cloned().collect();
    if let Some(name) = &modes.error_field {
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        columns.push(Arc::new(errors.finish()));
    }
    let valid = valid.finish();
    Ok(match fields.is_empty() {
        true => Arc::new(StructArray::new_empty_fields(rows, valid)),
        false => Arc::new(StructArray::try_new(fields.into(), columns, valid)?),
    })
}

/// How much of a record an error shows.
const SHOWN_BYTES: usize = 24;

/// The record's first bytes in hexadecimal, and its length.
fn shown(record: &[u8]) -> String {
    let mut text = String::new();
    for byte in record.iter().take(SHOWN_BYTES) {
        text.push_str(&format!("{byte:02x}"));
    }
    let more = if record.len() > SHOWN_BYTES {
        "..."
    } else {
        ""
    };
    format!("0x{text}{more} of {} bytes", record.len())
}
