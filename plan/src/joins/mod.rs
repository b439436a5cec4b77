//! How joins are chosen: by hint, by the size of their sides, by their type.
//!
//! DataFusion's `JoinSelection` chooses by estimates and `weir.sql.autoBroadcastJoinThreshold`. After it,
//! Weir does what the user said of a side ([`HintNode`]). Spark's rules hold (`JoinSelectionHelper` of Spark 4):
//! - a hint is for what it is given to, filtered and projected, up to the next join;
//! - of two hints, broadcast wins over merge, merge over `shuffle_hash`;
//! - a side whose rows stay without a match is not broadcast.
//!
//! A hint that cannot be followed changes nothing: `explain` and the log say why.

mod broadcast;
mod choice;
mod decide;
mod hint;
mod marker;
mod reduce;
mod salt;
mod sql;

pub(crate) use broadcast::BroadcastLimitCodec;
pub use broadcast::{BroadcastLimit, NoBroadcasts, is_broadcast_too_large};
pub use choice::{Chosen, DecidedJoins};
pub(crate) use decide::{Rules, decide, split_at_joins};
pub(crate) use hint::HintPlanner;
pub use hint::{HintNode, JoinHint};
pub use reduce::ReducingJoinsFirst;
pub use salt::{BUCKETS_MAX, SaltCodec, SkewJoin, place_salts};
pub use sql::{HintedRelations, mark_hints};
