//! What functions that encode values as records have in common: how they are called, what they are given, and what becomes of a value
//! that does not fit.
//!
//! A value that does not fit its schema fails the query, with its place and what it is: it is never cut, rounded or left out. A null
//! row is a null, and no record.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, BooleanBufferBuilder, Int64Array,
    StringArray, new_empty_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options, filter};
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::utils::take_function_args;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::ddl;
use crate::error::{Error, ErrorKind, Result};

/// How much of a value an error shows.
const SHOWN_CHARS: usize = 60;

/// Records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<i32>,
}

impl Records {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(rows),
        }
    }

    /// One more, which `write` appends.
    ///
    /// # Errors
    /// Those of `write`; `ResourcesExhausted` when a batch holds too much.
    pub(super) fn push<E: From<Error>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut self.bytes)?;
        let end = i32::try_from(self.bytes.len()).map_err(|_| {
            Error::new(
                ErrorKind::ResourcesExhausted,
                "the records of one batch are more than 2 GiB: lower datafusion.execution.batch_size",
            )
        })?;
        self.ends.push(end);
        Ok(())
    }

    /// One for each row that is not null in `nulls`, and nulls for the others.
    fn finish(self, nulls: Option<&NullBuffer>) -> Result<BinaryArray, DataFusionError> {
        let mut offsets = vec![0];
        match nulls {
            None => offsets.extend(self.ends),
            Some(nulls) => {
                let mut ends = self.ends.into_iter();
                let mut last = 0;
                for valid in nulls {
                    if valid {
                        last = ends.next().unwrap_or(last);
                    }
                    offsets.push(last);
                }
            }
        }
        Ok(BinaryArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(offsets)),
            Buffer::from_vec(self.bytes),
            nulls.cloned(),
        )?)
    }
}

/// What a function that encodes is made of, and what of it travels: two that have the same are equal.
pub(super) trait Encoding: Debug + Clone + Eq + Hash + Send + Sync + 'static {
    /// Writes values, made once.
    type Encoder: Debug + Send + Sync;

    /// The function's name.
    fn name(&self) -> &'static str;

    /// # Errors
    /// `InvalidArgument` or `Unsupported` for a schema that is not supported.
    fn encoder(&self) -> Result<Self::Encoder>;

    /// A record for each of `values`, none of which is null.
    fn encode(encoder: &Self::Encoder, values: &ArrayRef) -> Result<Records>;
}

/// A function that encodes its only argument.
#[derive(Debug)]
pub(super) struct Encode<E: Encoding> {
    encoding: E,
    encoder: E::Encoder,
    signature: Signature,
}

impl<E: Encoding> Encode<E> {
    /// # Errors
    /// Those of [`Encoding::encoder`], with the function's name.
    pub(super) fn new(encoding: E) -> Result<Self> {
        let encoder = encoding.encoder();
        Ok(Self {
            encoder: encoder.map_err(|error| error.context(encoding.name()))?,
            encoding,
            // Of any type: what does not fit is said when the result's type is asked for.
            signature: Signature::any(1, Volatility::Immutable),
        })
    }

    /// What of it travels.
    pub(super) fn encoding(&self) -> &E {
        &self.encoding
    }
}

impl<E: Encoding> PartialEq for Encode<E> {
    fn eq(&self, other: &Self) -> bool {
        self.encoding == other.encoding
    }
}

impl<E: Encoding> Eq for Encode<E> {}

impl<E: Encoding> Hash for Encode<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.encoding.hash(state);
    }
}

impl<E: Encoding> ScalarUDFImpl for Encode<E> {
    fn name(&self) -> &'static str {
        self.encoding.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        let name = self.name();
        let [data_type] = types else {
            return Err(Error::invalid_plan(format!("{name} takes one column")).into());
        };
        E::encode(&self.encoder, &new_empty_array(data_type))
            .map_err(|error| error.context(name))?;
        Ok(DataType::Binary)
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let (name, rows) = (self.name(), arguments.number_rows);
        let [values] = take_function_args(name, arguments.args)?;
        invoke(name, values, rows, |values| {
            E::encode(&self.encoder, values)
        })
    }
}

/// The function's result: the values of `argument` by `encode`, which is given those that are not null.
pub(super) fn invoke(
    function: &str,
    argument: ColumnarValue,
    rows: usize,
    encode: impl FnOnce(&ArrayRef) -> Result<Records>,
) -> Result<ColumnarValue, DataFusionError> {
    let scalar = matches!(argument, ColumnarValue::Scalar(_));
    let array = argument.into_array(if scalar { 1 } else { rows })?;
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let present = match &nulls {
        None => array,
        Some(nulls) => filter(&array, &BooleanArray::new(nulls.inner().clone(), None))?,
    };
    let records = encode(&present).map_err(|error| error.context(function))?;
    let result = records.finish(nulls.as_ref())?;
    match scalar {
        true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
            &result, 0,
        )?)),
        false => Ok(ColumnarValue::Array(Arc::new(result))),
    }
}

/// What a place is called in a message.
fn named(place: &str) -> String {
    match place {
        "" => "the value".to_owned(),
        place => format!("field {place:?}"),
    }
}

/// A column's type that no value of the schema's type can be made of.
pub(super) fn mismatch(place: &str, found: &DataType, expected: &str) -> Error {
    Error::invalid_plan(format!(
        "{} is {}, and {expected} in the schema; cast it first",
        named(place),
        ddl::type_name(found)
    ))
}

/// Something else about the columns' types.
pub(super) fn refused(place: &str, why: &str) -> Error {
    Error::invalid_plan(format!("{} {why}", named(place)))
}

/// A value that does not fit.
pub(super) fn unfit(place: &str, array: &dyn Array, row: usize, why: &str) -> Error {
    Error::new(
        ErrorKind::Compute,
        format!(
            "{} is {}, {why}; nothing is cut or left out: filter such rows, or change the schema",
            named(place),
            shown(array, row)
        ),
    )
}

fn shown(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    let options = FormatOptions::default().with_null("null");
    let text = ArrayFormatter::try_new(array, &options)
        .and_then(|formatter| formatter.value(row).try_to_string());
    let text = text.unwrap_or_else(|_| "a value that cannot be shown".to_owned());
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    match array.data_type() {
        DataType::Utf8 => format!("{short:?}"),
        DataType::Binary => format!("0x{short}"),
        _ => short,
    }
}

/// The nulls of `array`, a child of what is null where `live` says so.
pub(super) fn nulls_within(array: &ArrayRef, live: Option<&NullBuffer>) -> Option<NullBuffer> {
    NullBuffer::union(array.logical_nulls().as_ref(), live)
}

/// The first row of `array` that is null, though what it is within is not.
pub(super) fn first_null(array: &ArrayRef, live: Option<&NullBuffer>) -> Option<usize> {
    let nulls = array.logical_nulls()?;
    let is_live = |row: &usize| live.is_none_or(|live| live.is_valid(*row));
    (0..nulls.len()).find(|row| nulls.is_null(*row) && is_live(row))
}

/// Which of `items` values belong to a list or map that is not null.
pub(super) fn live_items(
    offsets: &[i32],
    nulls: Option<&NullBuffer>,
    items: usize,
) -> Option<NullBuffer> {
    let at = |offset: i32| usize::try_from(offset).unwrap_or(0);
    let (first, last) = (
        at(offsets.first().copied().unwrap_or(0)),
        at(offsets.last().copied().unwrap_or(0)),
    );
    if nulls.is_none_or(|nulls| nulls.null_count() == 0) && first == 0 && last == items {
        return None;
    }
    let mut live = BooleanBufferBuilder::new(items);
    live.append_n(first, false);
    for (row, bounds) in offsets.windows(2).enumerate() {
        let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
        live.append_n(at(bounds[1]).saturating_sub(at(bounds[0])), valid);
    }
    live.append_n(items.saturating_sub(last), false);
    Some(NullBuffer::new(live.finish()))
}

/// That no map has a key twice: whoever reads it would keep one of the values.
pub(super) fn distinct_keys(
    keys: &ArrayRef,
    offsets: &[i32],
    nulls: Option<&NullBuffer>,
    place: &str,
) -> Result<()> {
    let text = cast_strictly(keys, &DataType::Utf8)
        .ok_or_else(|| refused(place, "has keys that have no text"))?;
    let text: &StringArray = text.as_string();
    let mut seen = HashSet::new();
    for (row, bounds) in offsets.windows(2).enumerate() {
        let entries =
            usize::try_from(bounds[0]).unwrap_or(0)..usize::try_from(bounds[1]).unwrap_or(0);
        if entries.len() < 2 || nulls.is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        seen.clear();
        for entry in entries {
            if !seen.insert(text.value(entry)) {
                return Err(unfit(place, keys, entry, "a key that its map has twice"));
            }
        }
    }
    Ok(())
}

const STRICT: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};

/// `array` as `target`, where every value of its type is one of that type.
pub(super) fn cast_strictly(array: &ArrayRef, target: &DataType) -> Option<ArrayRef> {
    cast_with_options(array, target, &STRICT).ok()
}

/// `array` as the types that tables have: no dictionaries, views or lists of other kinds.
pub(super) fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let target = match array.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(Arc::clone(item)),
        _ => return Ok(Arc::clone(array)),
    };
    let cast = cast_with_options(array, &target, &STRICT).map_err(|error| {
        Error::new(
            ErrorKind::ResourcesExhausted,
            "a batch's values are too large",
        )
        .with_source(error)
    })?;
    // A dictionary of views.
    plain(&cast)
}

/// The integers of `array`, if it holds such.
pub(super) fn integers(array: &ArrayRef) -> Option<Int64Array> {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
    if !matches!(
        array.data_type(),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32
    ) {
        return None;
    }
    let wide = cast_strictly(array, &Int64)?;
    Some(wide.as_primitive::<Int64Type>().clone())
}
