//! Functions of text, which count characters (code points) from 1, as Spark's do.

pub mod binary;
pub mod case;
pub mod cut;
mod java_regex;
pub mod join;
pub mod pattern;
pub mod search;
