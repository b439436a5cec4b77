//! Tables and checkpoints on a real S3-compatible server, a process of its own.

mod bad;
mod contract;
mod jobs;
mod outages;

use weir_connectors::ObjectStores;
use weir_tests::s3::S3Server;

/// The stores of a session that is set up for `server`.
fn stores(server: &S3Server) -> ObjectStores {
    let settings = server.settings();
    let settings = settings.iter().map(|(key, value)| {
        let key = key.strip_prefix("weir.storage.");
        (key.expect("a setting of a store"), value.as_str())
    });
    ObjectStores::try_new(settings).unwrap()
}
