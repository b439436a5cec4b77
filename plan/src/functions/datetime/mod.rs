//! Functions of dates and times, in UTC: [`parts`] of them, [`shift`]s, [`truncate`]d ones, and other values
//! made into them ([`convert`]).

pub mod convert;
pub mod parts;
pub mod shift;
pub mod truncate;
