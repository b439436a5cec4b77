//! Functions of numbers. What does not fit its type ends the query, as in Spark's ANSI mode.

pub mod real;
pub mod rounding;
pub mod whole;
