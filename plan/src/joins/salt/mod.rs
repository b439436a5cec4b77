//! Salting: the rows of a hot key, which one task would have to join alone, are joined by all.
//!
//! ```text
//!  orders, of which 90% have id 7          products
//!   7 ─ salt 0, 1, 2, ... in turn           7 ─ a copy for each salt
//!   8 ─ salt 0                              8 ─ salt 0
//!            └─ sent by (id, salt), joined ─┘
//! ```
//!
//! Both sides tell a hot key by its hash. A key that only looks hot is spread on one side and replicated on the other, like
//! a hot one: the rows of the join are the same whatever is taken for hot. The replicated side must be one of which only
//! matching rows are returned, or its copies without a match would be returned, too.
//!
//! A key that is null matches nothing: of an outer join, its rows are spread as well, and have no copies.
//!
//! Any bucket is as good as another to a hot row, if the other side has a copy for it. Once the exchange above is known
//! ([`place_salts`]), rows take turns among one bucket for each of its partitions, and the other side has one copy in each: the join need not compare
//! salts. Where the sample finds hot rows all over a table, they
//! take those whose partition is joined by the executor that has read them, and do not travel.

mod codec;
mod exchanges;
mod exec;
mod places;
mod rewrite;
mod sample;
mod skew;

use std::sync::Arc;

pub use codec::SaltCodec;
pub use exchanges::place_salts;
pub(super) use rewrite::{is_salted, refused, salted};
pub use skew::SkewJoin;
pub(super) use skew::find_skew;

/// The most buckets that rows can be spread over: a row of the other side is copied as often.
pub const BUCKETS_MAX: u32 = 1024;

/// How the rows of a join are salted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Salt {
    pub(in crate::joins) hot: Hot,
    /// From 1 to [`BUCKETS_MAX`].
    pub(in crate::joins) buckets: u32,
    /// Whether a null key equals another.
    pub(in crate::joins) nulls_match: bool,
    /// Whether hot rows may be joined where they are read: they are all over the table.
    pub(in crate::joins) stays: bool,
}

impl Salt {
    fn what(&self) -> String {
        match &self.hot {
            Hot::All => "every key".to_owned(),
            hot if !hot.is_any() => "null keys".to_owned(),
            Hot::Hashes(hashes) => format!("hot keys ({})", hashes.len()),
        }
    }
}

/// Which keys are hot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hot {
    /// All, because the user said so.
    All,
    /// Those of these hashes, as an exchange has them; few, in order.
    Hashes(Arc<[u64]>),
}

impl Hot {
    fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether some are.
    fn is_any(&self) -> bool {
        match self {
            Self::All => true,
            Self::Hashes(hashes) => !hashes.is_empty(),
        }
    }

    /// Which of the hot keys has this hash; 0, if all keys are hot.
    fn position(&self, hash: u64) -> Option<usize> {
        match self {
            Self::All => Some(0),
            Self::Hashes(hashes) => hashes.binary_search(&hash).ok(),
        }
    }
}
