//! What the sink promises, against real tables on disk.

mod appends;
mod codec;
mod commits;
mod evolution;
mod failures;
mod features;
mod letters;
mod lost_answers;
mod options;
mod overwrites;
mod partitions;
mod races;
mod reads;
mod support;
mod types;
mod writes;
