//! What a job imports: `use weir::prelude::*`.

pub use crate::functions::*;
pub use crate::{DataFrame, ExplainMode, SaveMode, Session, StreamingQuery, Trigger};
