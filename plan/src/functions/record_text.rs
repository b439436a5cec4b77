//! The text of records: a column of strings, or of bytes that may be none.
//!
//! What is no UTF-8 is a bad record, as any other that is malformed. A cast of bytes to a string would end the query over it, and a
//! `try_cast` would make it a null that nobody wrote: so a cast right within a function of records is taken off, and the bytes are read
//! as they are.

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable as _, Signature, Volatility};

/// A record's bytes, which are no text.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoText<'a> {
    bytes: &'a [u8],
    /// How many of them are text.
    valid: usize,
}

impl NoText<'_> {
    /// Why it is bad.
    pub(super) fn reason(&self) -> String {
        format!("it is no UTF-8, at byte {}", self.valid)
    }

    /// As near as text comes to it.
    pub(super) fn lossy(&self) -> String {
        String::from_utf8_lossy(self.bytes).into_owned()
    }
}

/// The text of a record.
pub(super) type RecordText<'a> = Result<&'a str, NoText<'a>>;

/// The text that `bytes` are.
#[inline]
pub(super) fn text_of(bytes: &[u8]) -> RecordText<'_> {
    std::str::from_utf8(bytes).map_err(|error| NoText {
        bytes,
        valid: error.valid_up_to(),
    })
}

/// Of one argument: strings, or bytes.
pub(super) fn signature() -> Signature {
    let types = [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
    ];
    Signature::uniform(1, types.to_vec(), Volatility::Immutable)
}

/// `arguments`, each that is bytes cast to a string without the cast.
pub(super) fn without_casts(
    arguments: Vec<Expr>,
    context: &SimplifyContext,
) -> Result<Vec<Expr>, DataFusionError> {
    let bare = |argument: Expr| {
        let (Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field })) = &argument
        else {
            return Ok(argument);
        };
        let from = expr.get_type(context.schema().as_ref())?;
        let bytes = matches!(
            from,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        );
        let text = matches!(
            field.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        Ok(match bytes && text {
            true => expr.as_ref().clone(),
            false => argument,
        })
    };
    arguments.into_iter().map(bare).collect()
}
