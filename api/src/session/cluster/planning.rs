//! A session whose plans are distributed.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::ipc::CompressionType;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{DistributedExt as _, SessionStateBuilderExt as _};
use http::{HeaderMap, HeaderValue};
use url::Host;
use weir_connectors::node_codecs;
use weir_executor::{
    ATTEMPT_HEADER, DATAFUSION_SETTINGS_HEADER, MEMORY_HEADER, SCHEMA_REGISTRY_SETTINGS_HEADER,
    SESSION_HEADER, STORAGE_SETTINGS_HEADER,
};
use weir_plan::settings::{
    IoCompression, MAX_PARTITION_BYTES, SCHEMA_REGISTRY_PREFIX, STORAGE_PREFIX,
};
use weir_plan::{Error, RemoteTasks, Result, Settings, WeirCodec};

use super::executors::{ExecutorAddress, Executors, Living};
use super::leaves::{desired_tasks, share_leaf};
use super::merge::MergeInTasks;
use super::partitions::tasks_of_partitions;
use super::routing::route;
use super::whole::keep_whole;

/// Of rows that a task has been sent through one exchange and has not taken yet, from all executors together. The
/// library has twice as much for each.
const BUFFERED_BYTES: usize = 32 << 20;

/// From one executor.
const BUFFERED_BYTES_MIN: usize = 4 << 20;

/// The setting that says how many rows a batch has at most.
const BATCH_ROWS: &str = "datafusion.execution.batch_size";

/// Distributes the plans of the session that `builder`, which has its planner, builds.
pub(crate) fn distribute(
    mut builder: SessionStateBuilder,
    executors: &Arc<Executors>,
    threads: usize,
    settings: &Settings,
) -> Result<SessionStateBuilder> {
    let config = builder.config().get_or_insert_default();
    config.set_extension(Arc::new(RemoteTasks));
    let bytes = settings.max_partition_bytes()?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // The library counts the partitions of a task, of which a thread may have several.
    let partitions = config.target_partitions().max(1);
    let bytes_per_partition = bytes.saturating_mul(threads).div_ceil(partitions);
    let compression = match settings.io_compression(usual_compression(executors))? {
        IoCompression::None => None,
        IoCompression::Lz4 => Some(CompressionType::LZ4_FRAME),
        IoCompression::Zstd => Some(CompressionType::ZSTD),
    };
    let buffered = BUFFERED_BYTES / executors.all().len().max(1);
    let mut builder = builder
        .with_distributed_worker_resolver(Living(Arc::clone(executors)))
        .with_distributed_channel_resolver(executors.channels().clone())
        .with_distributed_user_codec(WeirCodec::new(node_codecs()))
        .with_distributed_desired_task_count_handler(keep_whole)
        .with_distributed_desired_task_count_handler(desired_tasks(threads))
        .with_distributed_desired_task_count_handler(tasks_of_partitions)
        .with_distributed_scale_up_leaf_node_handler(share_leaf)
        .with_distributed_route_tasks_handler(route)
        .with_distributed_file_scan_config_bytes_per_partition(bytes_per_partition)
        .map_err(|error| Error::from(error).context(MAX_PARTITION_BYTES.key))?
        .with_distributed_compression(compression)?
        .with_distributed_worker_connection_buffer_budget_bytes(buffered.max(BUFFERED_BYTES_MIN))?
        .with_distributed_planner();
    let headers = headers(settings)?;
    let config = builder.config().get_or_insert_default();
    config.set_distributed_passthrough_headers(headers.clone())?;
    config.set_extension(Arc::new(TaskHeaders(headers)));
    let planner = builder.query_planner().take();
    let planner = planner.ok_or_else(|| Error::internal("a session without a planner"))?;
    Ok(builder.with_query_planner(Arc::new(MergeInTasks { planner })))
}

/// The headers of each task, which the library keeps to itself.
struct TaskHeaders(HeaderMap);

/// Makes batches have `rows` rows at most: here, and in tasks if plans are distributed.
///
/// # Errors
/// `InvalidArgument` for none.
pub(in crate::session) fn set_batch_rows(config: &mut SessionConfig, rows: usize) -> Result<()> {
    let options = config.options_mut();
    options.execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
    change_headers(config, |headers| with_batch_rows(headers, rows))
}

/// Makes tasks wait, before they begin, until those that run now have let go of their memory. For an attempt at a query after one that ran
/// out of it.
///
/// # Errors
/// `Internal`, which is not to be expected.
pub(in crate::session) fn begin_when_memory_is_released(config: &mut SessionConfig) -> Result<()> {
    change_headers(config, |mut headers| {
        headers.insert(ATTEMPT_HEADER, random_id()?);
        Ok(headers)
    })
}

/// Changes the headers of tasks, if plans are distributed.
fn change_headers(
    config: &mut SessionConfig,
    change: impl FnOnce(HeaderMap) -> Result<HeaderMap>,
) -> Result<()> {
    let Some(headers) = config.get_extension::<TaskHeaders>() else {
        return Ok(());
    };
    let headers = change(headers.0.clone())?;
    config.set_distributed_passthrough_headers(headers.clone())?;
    config.set_extension(Arc::new(TaskHeaders(headers)));
    Ok(())
}

fn random_id() -> Result<HeaderValue> {
    let id = uuid::Uuid::new_v4().to_string();
    HeaderValue::from_str(&id)
        .map_err(|error| Error::internal("an id is no header").with_source(error))
}

fn with_batch_rows(mut headers: HeaderMap, rows: usize) -> Result<HeaderMap> {
    let settings = headers.get(DATAFUSION_SETTINGS_HEADER);
    let settings = settings.map_or(&b"{}"[..], HeaderValue::as_bytes);
    let mut settings: BTreeMap<String, String> =
        serde_json::from_slice(settings).map_err(|error| {
            Error::internal("the settings of a session's tasks are damaged").with_source(error)
        })?;
    settings.insert(BATCH_ROWS.to_owned(), rows.to_string());
    headers.insert(DATAFUSION_SETTINGS_HEADER, datafusion_header(&settings)?);
    Ok(headers)
}

/// Between processes of one machine, compressing takes longer than what it saves.
fn usual_compression(executors: &Executors) -> IoCompression {
    let here = |executor: &ExecutorAddress| match executor.url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let executors = executors.all();
    match !executors.is_empty() && executors.iter().all(here) {
        true => IoCompression::None,
        false => IoCompression::Lz4,
    }
}

/// The settings that tasks run under, too.
fn headers(settings: &Settings) -> Result<HeaderMap> {
    let values = settings.datafusion();
    let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut headers = HeaderMap::new();
    headers.insert(
        DATAFUSION_SETTINGS_HEADER,
        datafusion_header(&values.collect())?,
    );
    if let Some(bytes) = settings.executor_memory_bytes()? {
        headers.insert(SESSION_HEADER, random_id()?);
        headers.insert(MEMORY_HEADER, HeaderValue::from(bytes));
    }
    if let Some(value) = secrets(STORAGE_PREFIX, settings.storage().collect())? {
        headers.insert(STORAGE_SETTINGS_HEADER, value);
    }
    if let Some(value) = secrets(
        SCHEMA_REGISTRY_PREFIX,
        settings.of_schema_registry().collect(),
    )? {
        headers.insert(SCHEMA_REGISTRY_SETTINGS_HEADER, value);
    }
    Ok(headers)
}

/// `datafusion.` settings as a header.
fn datafusion_header(values: &BTreeMap<String, String>) -> Result<HeaderValue> {
    let text = serde_json::to_string(values)
        .map_err(|error| Error::internal("settings have no form as JSON").with_source(error))?;
    HeaderValue::from_str(&text).map_err(|error| {
        Error::invalid_argument(format!(
            "the datafusion. settings {text} cannot be sent to executors: use visible ASCII characters"
        ))
        .with_source(error)
    })
}

/// Settings that begin with `prefix` as a header, if there are any.
fn secrets(prefix: &str, values: BTreeMap<&str, &str>) -> Result<Option<HeaderValue>> {
    if values.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(&values)
        .map_err(|error| Error::internal("settings have no form as JSON").with_source(error))?;
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Error::invalid_argument(format!(
            "the {prefix} settings cannot be sent to executors: use visible ASCII characters"
        ))
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_batches_are_in_the_settings_of_tasks_beside_those_of_the_session() {
        let mut settings = Settings::new();
        settings
            .set("datafusion.execution.collect_statistics", "false")
            .unwrap();
        let headers = with_batch_rows(headers(&settings).unwrap(), 100).unwrap();
        let sent = headers[DATAFUSION_SETTINGS_HEADER].to_str().unwrap();
        assert_eq!(
            sent,
            r#"{"datafusion.execution.batch_size":"100","datafusion.execution.collect_statistics":"false"}"#
        );
    }
}
