//! Functions Weir adds to DataFusion's, by name.

mod pinned;

pub use pinned::{PinnedParameters, bind_pinned, pinned, pinned_parameters};
