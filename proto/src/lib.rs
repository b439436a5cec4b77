//! What travels between Weir's processes: the messages generated from `proto/*.proto`, and the
//! identifiers those messages and the checkpoint carry.

mod ids;

/// The plan nodes Weir adds to DataFusion, in the form that is sent to an executor.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod nodes {
    include!(concat!(env!("OUT_DIR"), "/weir.nodes.rs"));
}

/// The job service of a driver, and what its store holds.
#[allow(missing_docs, clippy::doc_markdown, clippy::default_trait_access)]
pub mod jobs {
    include!(concat!(env!("OUT_DIR"), "/weir.jobs.rs"));
}

/// The cluster service of a driver: its executors, and the turns of queries.
#[allow(missing_docs, clippy::doc_markdown, clippy::default_trait_access)]
pub mod cluster {
    include!(concat!(env!("OUT_DIR"), "/weir.cluster.rs"));
}

pub use ids::{BatchId, QueryId, RunId};
