//! Text put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::DataFusionError;

use crate::functions::arguments::{Arg, fit, fit_all, ints, texts};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[&CONCAT, &CONCAT_WS, &REPEAT];

/// `concat(text or binary, ...)`; null if one is null.
pub static CONCAT: Kernel = Kernel {
    name: "concat",
    coerce: |types| {
        let binary = |given: &DataType| {
            matches!(
                given,
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null
            )
        };
        if types.iter().all(binary) && types.iter().any(|given| !given.is_null()) {
            return fit_all(types, Arg::Bytes);
        }
        fit_all(types, Arg::Text)
    },
    returns: |types, _| match types.first() {
        Some(DataType::Binary) => DataType::Binary,
        _ => DataType::Utf8,
    },
    eval: |args| {
        let rows = args.first().map_or(1, |first| first.len());
        let null = |row: usize| args.iter().any(|arg| arg.is_null(row));
        if args
            .first()
            .is_some_and(|first| first.data_type() == &DataType::Binary)
        {
            let joined = (0..rows).map(|row| {
                let parts = args.iter().map(|arg| arg.as_binary::<i32>().value(row));
                (!null(row)).then(|| parts.collect::<Vec<_>>().concat())
            });
            return Ok(Arc::new(joined.collect::<BinaryArray>()));
        }
        let parts = args.iter().map(texts).collect::<Result<Vec<_>, _>>()?;
        let mut out = StringBuilder::new();
        let mut text = String::new();
        for row in 0..rows {
            if null(row) {
                out.append_null();
                continue;
            }
            text.clear();
            parts.iter().for_each(|part| text.push_str(part.value(row)));
            out.append_value(&text);
        }
        Ok(Arc::new(out.finish()))
    },
};

/// `concat_ws(separator, text or array of text, ...)`; nulls are left out.
pub static CONCAT_WS: Kernel = Kernel {
    name: "concat_ws",
    coerce: |types| {
        let (separator, values) = types.split_first()?;
        let mut fitted = fit(std::slice::from_ref(separator), &[Arg::Text], 1)?;
        for value in values {
            fitted.push(match value {
                DataType::List(item) | DataType::LargeList(item)
                    if matches!(
                        item.data_type(),
                        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null
                    ) =>
                {
                    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
                }
                other => fit(std::slice::from_ref(other), &[Arg::Text], 1)?.pop()?,
            });
        }
        Some(fitted)
    },
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let separators = texts(&args[0])?;
        let parts = args[1..].iter().map(Part::of);
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let rows = separators.iter().enumerate().map(|(row, separator)| {
            let separator = separator?;
            let mut found: Vec<String> = Vec::new();
            parts.iter().for_each(|part| part.push(row, &mut found));
            Some(found.join(separator))
        });
        Ok(Arc::new(rows.collect::<StringArray>()))
    },
};

/// `repeat(text, times)`.
pub static REPEAT: Kernel = Kernel {
    name: "repeat",
    coerce: |types| fit(types, &[Arg::Text, Arg::Int], 2),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let text = texts(&args[0])?;
        let rows = text.iter().zip(ints(&args[1]));
        let repeated =
            rows.map(|(text, times)| Some(text?.repeat(usize::try_from(times?).unwrap_or(0))));
        Ok(Arc::new(repeated.collect::<StringArray>()))
    },
};

enum Part {
    Text(StringArray),
    Texts(ArrayRef),
}

impl Part {
    fn of(array: &ArrayRef) -> Result<Self, DataFusionError> {
        Ok(match array.data_type() {
            DataType::List(_) => Self::Texts(Arc::clone(array)),
            _ => Self::Text(texts(array)?),
        })
    }

    fn push(&self, row: usize, found: &mut Vec<String>) {
        match self {
            Self::Text(text) if text.is_valid(row) => found.push(text.value(row).to_owned()),
            Self::Texts(lists) if lists.is_valid(row) => {
                let items = lists.as_list::<i32>().value(row);
                let items = items.as_string::<i32>().iter().flatten();
                found.extend(items.map(str::to_owned));
            }
            _ => {}
        }
    }
}
