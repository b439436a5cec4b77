//! What a job imports: `use weir::prelude::*`.

pub use crate::functions::*;
pub use crate::{DataFrame, DropNa, ExplainMode, Fill, SaveMode, Session, StreamingQuery, Trigger};
