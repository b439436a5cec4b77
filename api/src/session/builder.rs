//! Builds a session: settings are checked here, before anything runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::prelude::{SessionConfig, SessionContext};
use weir_connectors::{ObjectStores, SchemaRegistryClient};
use weir_plan::joins::{HintedRelations, ReducingJoinsFirst};
use weir_plan::logical::WeirQueryPlanner;
use weir_plan::memory_pool::{FairPool, set_spilling};
use weir_plan::schema_registry::RegistryOfSession;
use weir_plan::settings::{
    EXECUTOR_CORES, EXECUTOR_INSTANCES, EXECUTOR_MEMORY, QUEUE_TIMEOUT, SettingSpec,
    operator_memory_bytes, shown,
};
use weir_plan::{Error, ErrorKind, Result, Settings};

use super::cluster::{Executors, attach, distribute, start_local};
use super::exchanges::Exchanges;
use super::master::Master;
use super::runner::PlanRunner;
use super::{Inner, Session};
use crate::program::ExecutorRole;

/// The environment's master, where the program names none.
const MASTER_VARIABLE: &str = "WEIR_MASTER";

/// The environment's settings, a JSON object of texts: what `weir submit --conf` gives. A program's own
/// settings go before them, as in Spark.
const CONF_VARIABLE: &str = "WEIR_CONF";

/// What only a driver's executors can be asked for.
const OF_DRIVERS: [SettingSpec; 4] = [
    EXECUTOR_CORES,
    EXECUTOR_MEMORY,
    EXECUTOR_INSTANCES,
    QUEUE_TIMEOUT,
];

const MASTER_DEFAULT: &str = "local[*]";

/// What a row counts where a side of a join has no other estimate than its rows: as with DataFusion's own thresholds.
const BROADCAST_ROW_BYTES: usize = 8;

/// DataFusion's setting that a session's batches do without unless it is set: see [`PlanRunner`].
const ROUND_ROBIN: &str = "datafusion.optimizer.enable_round_robin_repartition";

/// How many memory consumers an out-of-memory error names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(5).unwrap();

static ACTIVE: tokio::sync::Mutex<Option<(Request, Session)>> = tokio::sync::Mutex::const_new(None);

/// Settings of a session that is to be.
#[derive(Debug, Clone, Default)]
pub struct SessionBuilder {
    request: Request,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Request {
    app_name: Option<String>,
    master: Option<String>,
    config: Vec<(String, String)>,
}

/// Without the values of object stores' settings.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config.iter();
        let config: Vec<_> = config
            .map(|(key, value)| (key, shown(key, value)))
            .collect();
        f.debug_struct("Request")
            .field("app_name", &self.app_name)
            .field("master", &self.master)
            .field("config", &config)
            .finish()
    }
}

impl SessionBuilder {
    /// The application's name, for logs. Default: the program's name.
    #[must_use]
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.request.app_name = Some(name.into());
        self
    }

    /// What to run on: `local[N]`, `local[*]`, `local-cluster[E,C]`, `weir://HOST:PORT`. Default: the
    /// environment's `WEIR_MASTER`, or `local[*]`.
    #[must_use]
    pub fn master(mut self, master: impl Into<String>) -> Self {
        self.request.master = Some(master.into());
        self
    }

    /// A setting ([`crate::settings::SETTINGS`], or one of DataFusion's under `datafusion.`).
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.request.config.push((key.into(), value.to_string()));
        self
    }

    /// The process's session made by the same request, or a new one.
    ///
    /// Spark hands out its one session whatever is asked for; here a request with other settings
    /// gets a session of its own instead of being ignored.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown or malformed setting or master; `Unavailable` when executors cannot
    /// be started, or a driver does not answer or has none; what a driver refuses the session for.
    pub async fn get_or_create(self) -> Result<Session> {
        // Held while one is built, so that the same request is not built twice.
        let mut active = ACTIVE.lock().await;
        if let Some((request, session)) = active.as_ref()
            && *request == self.request
        {
            return Ok(session.clone());
        }
        let session = build(&self.request).await?;
        *active = Some((self.request, session.clone()));
        Ok(session)
    }

    /// A new session.
    ///
    /// # Errors
    /// As [`Self::get_or_create`].
    pub async fn create(self) -> Result<Session> {
        build(&self.request).await
    }
}

async fn build(request: &Request) -> Result<Session> {
    let master: Master = match &request.master {
        Some(master) => master.parse()?,
        None => match std::env::var(MASTER_VARIABLE) {
            Ok(master) => master
                .parse()
                .map_err(|error: Error| error.context(MASTER_VARIABLE))?,
            Err(_) => MASTER_DEFAULT.parse()?,
        },
    };
    let mut settings = Settings::new();
    if let Ok(text) = std::env::var(CONF_VARIABLE) {
        // It may hold secrets, and the parser's error quotes what it met.
        let given: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| {
            Error::invalid_argument(format!(
                "{CONF_VARIABLE} is no JSON object of texts (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        for (key, value) in &given {
            settings
                .set(key, value)
                .map_err(|error| error.context(CONF_VARIABLE))?;
        }
    }
    for (key, value) in &request.config {
        settings.set(key, value)?;
    }
    let app_name = request.app_name.clone().unwrap_or_else(program_name);
    if !matches!(master, Master::Cluster { .. }) {
        for setting in OF_DRIVERS {
            if settings.is_set(setting) {
                return Err(Error::invalid_argument(format!(
                    "setting {:?} is for executors of a driver (weir://HOST:PORT); the master is {master}",
                    setting.key
                )));
            }
        }
    }
    let (threads, executors) = match &master {
        Master::Local { threads } => (*threads, None),
        Master::LocalCluster { executors, threads } => {
            let executors = local_executors(*executors, *threads, &settings)?;
            (*threads, Some(Arc::new(executors)))
        }
        Master::Cluster { driver } => {
            let (threads, executors) = attach(driver, &app_name, &settings).await?;
            (threads, Some(executors))
        }
    };
    let stores = Arc::new(ObjectStores::try_new(settings.storage())?);
    let registry = match settings.schema_registry()? {
        Some(named) => Some(Arc::new(SchemaRegistryClient::new(&named)?)),
        None => None,
    };
    let context = context(
        threads,
        &settings,
        &stores,
        registry.as_ref(),
        executors.as_ref(),
    )?;
    let round_robin = settings
        .datafusion()
        .any(|(key, value)| key == ROUND_ROBIN && value.trim().eq_ignore_ascii_case("true"));
    let exchanges = Exchanges::try_new(&master, &settings, &stores, executors.as_ref())?;
    let exchanges = Arc::new(exchanges);
    let runner = PlanRunner::new(context.clone(), round_robin, Arc::clone(&exchanges));
    Ok(Session {
        inner: Arc::new(Inner {
            app_name,
            master,
            settings,
            context,
            stores,
            registry,
            runner: Arc::new(runner),
            executors,
            exchanges,
            listeners: Mutex::default(),
        }),
    })
}

/// The executors of a `local-cluster`: they share the machine's memory.
fn local_executors(count: usize, threads: usize, settings: &Settings) -> Result<Executors> {
    let role = ExecutorRole {
        threads,
        memory_bytes: settings.memory_limit_bytes(machine_memory_bytes())? / count as u64,
        local_dir: settings.local_dir().map(Into::into),
    };
    start_local(count, &role, settings)
}

fn context(
    threads: usize,
    settings: &Settings,
    stores: &Arc<ObjectStores>,
    registry: Option<&Arc<SchemaRegistryClient>>,
    executors: Option<&Arc<Executors>>,
) -> Result<SessionContext> {
    let partitions = settings.shuffle_partitions(threads)?;
    // With one partition nothing would have to be gathered or exchanged, and the planner, which cuts plans
    // there, would leave them whole: in this process.
    let partitions = match executors {
        Some(_) => partitions.max(2),
        None => partitions,
    };
    let mut config = SessionConfig::new().with_target_partitions(partitions);
    let broadcast = settings.auto_broadcast_join_threshold()?.unwrap_or(0);
    let broadcast = usize::try_from(broadcast).unwrap_or(usize::MAX);
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.hash_join_single_partition_threshold = broadcast;
    optimizer.hash_join_single_partition_threshold_rows = broadcast / BROADCAST_ROW_BYTES;
    config.set_extension(Arc::new(settings.broadcast_limit()?));
    if let Some(skew) = settings.skew_join()? {
        config.set_extension(Arc::new(skew));
    }
    if let Some(small) = settings.small_partitions()? {
        config.set_extension(Arc::new(small));
    }
    let limit = settings.memory_limit_bytes(machine_memory_bytes())?;
    set_spilling(config.options_mut(), Some(operator_memory_bytes(limit)))?;
    let registry = RegistryOfSession::new(registry.map(|registry| Arc::clone(registry) as _));
    config.options_mut().extensions.insert(registry);
    for (key, value) in settings.datafusion() {
        config.options_mut().set(key, value).map_err(|error| {
            Error::invalid_argument(format!("setting {key:?} is {value:?}")).with_source(error)
        })?;
    }
    let local_dir = settings.local_dir().map(Path::new);
    let mut rules = Optimizer::new().rules;
    if settings.join_reorder()? {
        rules = ReducingJoinsFirst::among(&rules);
    }
    // Again, last: pushing fields of a struct towards the leaves computes an expensive struct (`from_json`) once per field.
    rules.push(Arc::new(CommonSubexprEliminate::new()));
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime_env(limit, local_dir, stores)?)
        .with_default_features()
        .with_query_planner(Arc::new(WeirQueryPlanner::default()))
        .with_relation_planners(vec![Arc::new(HintedRelations)])
        .with_optimizer_rules(rules);
    let builder = match executors {
        None => builder,
        Some(executors) => distribute(builder, executors, threads, settings)?,
    };
    Ok(SessionContext::new_with_state(builder.build()))
}

/// For a process of `memory_bytes`, whose operators spill to `local_dir`, or the system's temporary directory, and read
/// from `stores`.
///
/// # Errors
/// `Storage` when the directory cannot be used.
pub(crate) fn runtime_env(
    memory_bytes: u64,
    local_dir: Option<&Path>,
    stores: &Arc<ObjectStores>,
) -> Result<Arc<RuntimeEnv>> {
    let pool = FairPool::new(operator_memory_bytes(memory_bytes));
    let disk = match local_dir {
        Some(dir) => DiskManagerMode::Directories(vec![dir.into()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, CONSUMERS_NAMED)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(disk))
        .with_object_store_registry(Arc::clone(stores) as _)
        .build_arc()
        .map_err(|error| {
            let dir = local_dir.map_or_else(std::env::temp_dir, Into::into);
            Error::new(
                ErrorKind::Storage,
                format!("the spill directory {dir:?} (weir.local.dir) cannot be used"),
            )
            .with_source(error)
        })
}

/// What this process may use: its control group's limit, or the machine's memory.
pub(crate) fn machine_memory_bytes() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    match system.cgroup_limits() {
        Some(limits) if limits.total_memory > 0 => limits.total_memory,
        _ => system.total_memory(),
    }
}

fn program_name() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "weir".to_owned())
}
