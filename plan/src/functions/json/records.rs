//! JSON records as values, each with why it is none.

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;

use super::cursor::Cursor;
use super::options::JsonOptions;
use super::read::{Defaults, Fit, Reader, Stop};
use crate::functions::column::Column;
use crate::functions::decode::{Bad, Decoded};

/// JSON and nothing else.
const STRICT: [(&str, &str); 3] = [
    ("columnNameOfError", "error"),
    ("allowSingleQuotes", "false"),
    ("allowNonNumericNumbers", "false"),
];

/// A value of `data_type` for each of `bodies`, with `defaults` for what they leave out. A value that is not of its type makes its whole
/// record bad.
///
/// # Errors
/// `Unsupported` for a type that JSON does not have, `InvalidArgument` for a default that is not of its type.
pub(in crate::functions) fn read_records(
    data_type: &DataType,
    defaults: &Defaults,
    bodies: &[&[u8]],
) -> Result<Decoded, DataFusionError> {
    let options = STRICT.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = JsonOptions::parse(&options)?;
    let mut reader = Reader::new(&options).with_defaults(Some(defaults));
    let mut column = Column::new(data_type, bodies.len())?;
    let mut bad = Vec::new();
    for (row, body) in bodies.iter().enumerate() {
        if let Some(reason) = read(body, &mut column, &mut reader, &options)? {
            column.truncate(row);
            column.push_null()?;
            bad.push(Bad { row, reason });
        }
    }
    Ok(Decoded {
        values: column.finish()?,
        bad,
    })
}

/// Why it is bad, if it is.
fn read(
    body: &[u8],
    column: &mut Column,
    reader: &mut Reader<'_>,
    options: &JsonOptions,
) -> Result<Option<String>, DataFusionError> {
    let row = column.len();
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            return Ok(Some(format!("it is no UTF-8, at byte {at}")));
        }
    };
    let mut cursor = Cursor::new(text, options.liberties);
    let fit = match reader.read(column, &mut cursor) {
        Ok(fit) => fit,
        Err(Stop::Malformed) => {
            reader.take_misfit();
            return Ok(Some(format!(
                "it is no JSON, at byte {}",
                cursor.position()
            )));
        }
        Err(Stop::Failed(error)) => return Err(error.into()),
    };
    let misfit = reader.take_misfit();
    Ok(match (fit, misfit) {
        (Fit::Whole, _) if !cursor.at_end() => Some(format!(
            "text follows its end, at byte {}",
            cursor.position()
        )),
        (Fit::Whole, _) if column.is_null(row) => Some("it is null, and no record".to_owned()),
        (Fit::Whole, _) => None,
        (_, Some(misfit)) => Some(misfit.to_string()),
        (_, None) => Some("it does not fit its schema".to_owned()),
    })
}
