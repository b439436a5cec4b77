//! Where Weir's rows come from and go to. Only this crate names rdkafka and deltalake.
//!
//! A connector implements the boundary traits of `weir-plan` and brings its plan nodes with their
//! codecs; [`node_codecs`] lists them all.

pub mod dead_letters;
pub mod delta;
pub mod exchange;
pub mod files;
pub mod kafka;
pub mod local_path;
pub mod object_stores;
pub mod schema_registry;

mod leaves;
mod schema_codec;
mod write_metrics;

use std::sync::Arc;

use weir_plan::NodeCodec;

pub use leaves::{SharedLeaf, shared_leaf};
pub use object_stores::ObjectStores;
pub use schema_registry::SchemaRegistryClient;

/// The codec of every plan node of this crate.
#[must_use]
pub fn node_codecs() -> Vec<Arc<dyn NodeCodec>> {
    vec![
        Arc::new(kafka::KafkaReadCodec),
        Arc::new(delta::DeltaWriteCodec),
        Arc::new(files::FilesWriteCodec),
        Arc::new(files::JsonReadCodec),
        Arc::new(exchange::ExchangeWriteCodec),
    ]
}
