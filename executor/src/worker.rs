//! What an executor knows: Weir's nodes and functions, and the settings of the query a task belongs to.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion_distributed::{
    DistributedExt as _, DistributedTaskContext, Worker, WorkerPlanRewriteEvent,
    WorkerPlanRewriteEventResponse, WorkerQueryContext, WorkerSessionBuilder,
};
use weir_connectors::node_codecs;
use weir_plan::memory_pool::set_spilling;
use weir_plan::schema_registry::RegistryOfSession;
use weir_plan::settings::operator_memory_bytes;
use weir_plan::{Error, TaskSlot, WeirCodec};

use crate::attempts::Attempts;
use crate::channels::Channels;
use crate::guard::guarded;
use crate::memory::SessionMemory;
use crate::registries::RegistriesOfSessions;
use crate::stores::StoresOfSessions;

/// What executors and sessions of one cluster have to agree on.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The header of a task that holds its session's `datafusion.` settings, a JSON object of texts.
pub const DATAFUSION_SETTINGS_HEADER: &str = "x-weir-datafusion-settings";

/// The header of a task that holds the id of its session, random.
pub const SESSION_HEADER: &str = "x-weir-session";

/// The header of a task that holds the id, random, of an attempt at a query that follows one that ran out of memory.
pub const ATTEMPT_HEADER: &str = "x-weir-attempt";

/// The header of a task that holds the bytes that all tasks of its session together may take of the
/// executor's memory, if there is such a limit.
pub const MEMORY_HEADER: &str = "x-weir-session-memory";

/// The header of a task that holds its session's settings of object stores, without their prefix, as a JSON
/// object of texts. Secrets travel in it.
pub const STORAGE_SETTINGS_HEADER: &str = "x-weir-storage-settings";

/// The header of a task that holds its session's settings of a schema registry, as a JSON object of texts. Secrets travel in it.
pub const SCHEMA_REGISTRY_SETTINGS_HEADER: &str = "x-weir-schema-registry-settings";

/// A worker whose tasks share `runtime`, and `channels` to the other executors.
pub(crate) fn worker(runtime: Arc<RuntimeEnv>, channels: Channels) -> Worker {
    let session = TaskSession {
        attempts: Attempts::default(),
        channels,
        memory: SessionMemory::default(),
        stores: StoresOfSessions::default(),
        registries: RegistriesOfSessions::default(),
    };
    Worker::from_session_builder(session)
        .with_runtime_env(runtime)
        .with_version(VERSION)
}

struct TaskSession {
    attempts: Attempts,
    channels: Channels,
    memory: SessionMemory,
    stores: StoresOfSessions,
    registries: RegistriesOfSessions,
}

#[async_trait]
impl WorkerSessionBuilder for TaskSession {
    async fn build_session_state(
        &self,
        context: WorkerQueryContext,
    ) -> Result<SessionState, DataFusionError> {
        let WorkerQueryContext {
            mut builder,
            headers,
        } = context;
        if let Some(settings) = headers.get(STORAGE_SETTINGS_HEADER) {
            let stores = self.stores.with(settings.as_bytes())?;
            let runtime = builder.runtime_env().get_or_insert_default();
            *runtime = Arc::new(RuntimeEnv {
                object_store_registry: stores,
                ..runtime.as_ref().clone()
            });
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(bytes) = text(MEMORY_HEADER) {
            let damaged = || Error::internal("a task's memory limit is damaged");
            let bytes: u64 = bytes.parse().map_err(|_| damaged())?;
            let bytes = operator_memory_bytes(bytes);
            let session = text(SESSION_HEADER).ok_or_else(damaged)?;
            let runtime = builder.runtime_env().get_or_insert_default();
            *runtime = Arc::new(RuntimeEnv {
                memory_pool: self.memory.pool(session, bytes, &runtime.memory_pool),
                ..runtime.as_ref().clone()
            });
        }
        let runtime = builder.runtime_env().get_or_insert_default();
        if let Some(attempt) = text(ATTEMPT_HEADER) {
            let pool = runtime.memory_pool.as_ref();
            self.attempts.begin(attempt, pool).await;
        }
        let limit = runtime.memory_pool.memory_limit();
        let config = builder.config().get_or_insert_default();
        let bytes = match limit {
            MemoryLimit::Finite(bytes) => Some(bytes),
            MemoryLimit::Infinite | MemoryLimit::Unknown => None,
        };
        set_spilling(config.options_mut(), bytes)?;
        if let Some(settings) = headers.get(DATAFUSION_SETTINGS_HEADER) {
            let settings: std::collections::BTreeMap<String, String> =
                serde_json::from_slice(settings.as_bytes()).map_err(|error| {
                    Error::internal("a task's settings are damaged").with_source(error)
                })?;
            for (key, value) in settings {
                config.options_mut().set(&key, &value)?;
            }
        }
        if let Some(settings) = headers.get(SCHEMA_REGISTRY_SETTINGS_HEADER) {
            let registry = self.registries.with(settings.as_bytes())?;
            let registry = RegistryOfSession::new(registry.map(|registry| registry as _));
            config.options_mut().extensions.insert(registry);
        }
        if let Some(task) = config.get_extension::<DistributedTaskContext>() {
            config.set_extension(Arc::new(TaskSlot {
                index: task.task_index,
                count: task.task_count,
            }));
        }
        Ok(builder
            .with_distributed_user_codec(WeirCodec::new(node_codecs()))
            .with_distributed_channel_resolver(self.channels.clone())
            .with_distributed_worker_plan_rewrite_handler(
                |event: WorkerPlanRewriteEvent<'_>| -> Result<_, DataFusionError> {
                    Ok(WorkerPlanRewriteEventResponse::new(guarded(event.plan)?))
                },
            )
            .build())
    }
}
