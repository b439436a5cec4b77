//! Every setting of Weir's own: its key, its default and what it means.

/// One declared setting.
#[derive(Debug, Clone, Copy)]
pub struct SettingSpec {
    /// Its key, after the `spark.` key it stands for where there is one.
    pub key: &'static str,
    /// Its default, as it would be written.
    pub default: &'static str,
    /// What it does, with its unit.
    pub doc: &'static str,
}

/// Partitions after a shuffle. Spark's `spark.sql.shuffle.partitions`.
pub const SHUFFLE_PARTITIONS: SettingSpec = SettingSpec {
    key: "weir.sql.shuffle.partitions",
    default: "",
    doc: "partitions after a shuffle, in each process; empty: one per thread of the master, two at least where it has several executors",
};

/// Memory of a process of Weir's.
pub const MEMORY_LIMIT: SettingSpec = SettingSpec {
    key: "weir.memory.limit",
    default: "80%",
    doc: "memory of the session's process, or of all executors of local-cluster together, of which sorts, joins and aggregations take a third before they spill: bytes with a unit (512MB, 2GB) or a share of the machine's memory (80%)",
};

/// Where operators spill.
pub const LOCAL_DIR: SettingSpec = SettingSpec {
    key: "weir.local.dir",
    default: "",
    doc: "directory of spill files; empty: the system's temporary directory",
};

/// Spark's `spark.driver.maxResultSize`.
pub const MAX_RESULT_SIZE: SettingSpec = SettingSpec {
    key: "weir.driver.maxResultSize",
    default: "1GB",
    doc: "most bytes collect() returns before it fails; 0: no limit",
};

/// Who is an executor of `local-cluster`.
pub const EXECUTOR_PROGRAM: SettingSpec = SettingSpec {
    key: "weir.executor.program",
    default: "",
    doc: "program that local-cluster starts as its executors, one made with #[weir::main]; empty: the session's own",
};

/// Spark's `spark.executor.cores`.
pub const EXECUTOR_CORES: SettingSpec = SettingSpec {
    key: "weir.executor.cores",
    default: "",
    doc: "on weir://: threads of a query's tasks on each executor, which has to have so many; empty: all of the smallest",
};

/// Spark's `spark.executor.memory`.
pub const EXECUTOR_MEMORY: SettingSpec = SettingSpec {
    key: "weir.executor.memory",
    default: "",
    doc: "on weir://: memory of the session on each executor, which has to have so much, a third of it for its operators; empty: what the executor has",
};

/// Spark's `spark.executor.instances`.
pub const EXECUTOR_INSTANCES: SettingSpec = SettingSpec {
    key: "weir.executor.instances",
    default: "",
    doc: "on weir://: how many executors the session uses; empty: all",
};

/// How long a query waits for its turn.
pub const QUEUE_TIMEOUT: SettingSpec = SettingSpec {
    key: "weir.driver.queueTimeout",
    default: "1h",
    doc: "on weir://: how long a query waits for its turn before it fails",
};

/// Spark's `spark.sql.files.maxPartitionBytes`.
pub const MAX_PARTITION_BYTES: SettingSpec = SettingSpec {
    key: "weir.sql.files.maxPartitionBytes",
    default: "16MB",
    doc: "on a cluster: bytes of files that one thread of an executor reads before the scan is spread over a further one",
};

/// Spark's `spark.io.compression.codec`.
pub const IO_COMPRESSION: SettingSpec = SettingSpec {
    key: "weir.io.compression.codec",
    default: "",
    doc: "on a cluster: how rows between processes are compressed, none, lz4 or zstd; empty: not at all between those of one machine, lz4 otherwise",
};

/// Values of [`IO_COMPRESSION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoCompression {
    /// Not at all.
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Where Spark has `SparkContext.setCheckpointDir`.
pub const CHECKPOINT_DIR: SettingSpec = SettingSpec {
    key: "weir.checkpoint.dir",
    default: "",
    doc: "directory or URL of an object store where rows of checkpoint() and of durable exchanges are kept, the same for the session and all executors; empty: below weir.local.dir, and with executors of a driver none",
};

/// Spark keeps the rows of every shuffle on the executors' disks, and computes those of a lost one again.
pub const DURABLE_EXCHANGE_THRESHOLD: SettingSpec = SettingSpec {
    key: "weir.sql.durableExchangeThreshold",
    default: "10GB",
    doc: "on a cluster: rows of an aggregation or a join that are estimated to be at least as many bytes, and are shuffled again, are first kept in weir.checkpoint.dir, so that a lost executor costs no more than what came after; -1: never",
};

/// Spark's `spark.sql.autoBroadcastJoinThreshold`, and its default, which is the fastest of those tried (docs/performance.md).
pub const AUTO_BROADCAST_JOIN_THRESHOLD: SettingSpec = SettingSpec {
    key: "weir.sql.autoBroadcastJoinThreshold",
    default: "10MB",
    doc: "a join sends the side that is estimated to be smaller than this, in bytes (of an eighth as many rows, where only those are known), to every task instead of shuffling both; -1: never",
};

/// Spark's is 8 GB, and fixed (`BroadcastExchangeExec.MAX_BROADCAST_TABLE_BYTES`).
pub const BROADCAST_LIMIT: SettingSpec = SettingSpec {
    key: "weir.sql.broadcastLimit",
    default: "256MB",
    doc: "bytes of rows that a task may send to be broadcast: where there are more than was estimated, the query runs again without broadcasts; without another way to run the join, it fails",
};

/// As Spark's `spark.sql.cbo.joinReorder.enabled`, by rules, and for some joins only.
pub const JOIN_REORDER: SettingSpec = SettingSpec {
    key: "weir.sql.joinReorder.enabled",
    default: "true",
    doc: "whether joins that leave rows out come before others: semi-joins with filtered groups, and inner joins with what is small and filtered",
};

/// Spark's `spark.sql.adaptive.skewJoin.enabled`.
pub const SKEW_JOIN: SettingSpec = SettingSpec {
    key: "weir.sql.adaptive.skewJoin.enabled",
    default: "true",
    doc: "whether the hot keys of joins that shuffle both sides are looked for, in a sample of what is read from files, and salted",
};

/// Spark's `spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes`.
pub const SKEW_JOIN_THRESHOLD: SettingSpec = SettingSpec {
    key: "weir.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes",
    default: "64MB",
    doc: "the least bytes, as estimated, of a join's side whose keys are looked at",
};

/// None of Spark's, which splits by blocks of a shuffle.
pub const SKEW_JOIN_BUCKETS: SettingSpec = SettingSpec {
    key: "weir.sql.adaptive.skewJoin.buckets",
    default: "64",
    doc: "how many buckets the rows of a hot key are spread over; the other side's rows of the key are copied as often",
};

/// Spark's `spark.sql.adaptive.coalescePartitions.enabled`.
pub const COALESCE_PARTITIONS: SettingSpec = SettingSpec {
    key: "weir.sql.adaptive.coalescePartitions.enabled",
    default: "true",
    doc: "whether small partitions of rows that were shuffled are put together before they are written",
};

/// Spark's `spark.sql.adaptive.coalescePartitions.minPartitionSize`.
pub const COALESCE_PARTITIONS_MIN: SettingSpec = SettingSpec {
    key: "weir.sql.adaptive.coalescePartitions.minPartitionSize",
    default: "1MB",
    doc: "which partitions are small, by the bytes of their rows in memory",
};

/// Spark's `spark.sql.streaming.minBatchesToRetain`.
pub const MIN_BATCHES_TO_RETAIN: SettingSpec = SettingSpec {
    key: "weir.sql.streaming.minBatchesToRetain",
    default: "100",
    doc: "batches kept in a checkpoint's logs; at least 2",
};

/// Where schemas are. Confluent's `schema.registry.url`.
pub const SCHEMA_REGISTRY_URL: SettingSpec = SettingSpec {
    key: "weir.schema.registry.url",
    default: "",
    doc: "addresses of a schema registry with Confluent's API, separated by commas; empty: there is none",
};

/// A secret. Confluent's `basic.auth.user.info`.
pub const SCHEMA_REGISTRY_BASIC_AUTH: SettingSpec = SettingSpec {
    key: "weir.schema.registry.basic.auth.user.info",
    default: "",
    doc: "USER:PASSWORD for the schema registry",
};

/// A secret. Confluent's `bearer.auth.token`.
pub const SCHEMA_REGISTRY_BEARER_TOKEN: SettingSpec = SettingSpec {
    key: "weir.schema.registry.bearer.auth.token",
    default: "",
    doc: "token for the schema registry",
};

/// Confluent's `ssl.ca.location`.
pub const SCHEMA_REGISTRY_CA: SettingSpec = SettingSpec {
    key: "weir.schema.registry.ssl.ca.location",
    default: "",
    doc: "PEM file of authorities that vouch for the schema registry, besides the system's; the same path on every executor",
};

/// Of one request.
pub const SCHEMA_REGISTRY_TIMEOUT: SettingSpec = SettingSpec {
    key: "weir.schema.registry.request.timeout",
    default: "10s",
    doc: "how long the schema registry may take to answer one request",
};

/// Of one request.
pub const SCHEMA_REGISTRY_RETRIES: SettingSpec = SettingSpec {
    key: "weir.schema.registry.max.retries",
    default: "3",
    doc: "how often a request that the schema registry did not answer, or answered with an error of its own, is sent again before the query fails",
};

/// What the settings of the schema registry begin with.
pub const SCHEMA_REGISTRY_PREFIX: &str = "weir.schema.registry.";

/// Settings whose values are secrets.
pub(super) const SECRETS: &[SettingSpec] =
    &[SCHEMA_REGISTRY_BASIC_AUTH, SCHEMA_REGISTRY_BEARER_TOKEN];

/// What settings of object stores begin with. What follows is a key of the store's
/// (`weir.storage.aws_endpoint_url`), for all buckets, or for one
/// (`weir.storage.bucket.lake.aws_endpoint_url`). Their values may be secrets.
pub const STORAGE_PREFIX: &str = "weir.storage.";

/// What Spark's users set for S3, and its name here. Spark's `spark.hadoop.fs.s3a.` keys.
pub(super) const HADOOP_S3A: &[(&str, &str)] = &[
    ("access.key", "aws_access_key_id"),
    ("secret.key", "aws_secret_access_key"),
    ("session.token", "aws_session_token"),
    ("endpoint", "aws_endpoint_url"),
    ("endpoint.region", "aws_region"),
    ("connection.ssl.enabled", "allow_http"),
    ("path.style.access", "aws_virtual_hosted_style_request"),
    ("attempts.maximum", "max_retries"),
];

/// Every setting of Weir's own.
pub const SETTINGS: &[SettingSpec] = &[
    SHUFFLE_PARTITIONS,
    MEMORY_LIMIT,
    LOCAL_DIR,
    MAX_RESULT_SIZE,
    EXECUTOR_PROGRAM,
    EXECUTOR_CORES,
    EXECUTOR_MEMORY,
    EXECUTOR_INSTANCES,
    QUEUE_TIMEOUT,
    MAX_PARTITION_BYTES,
    IO_COMPRESSION,
    CHECKPOINT_DIR,
    DURABLE_EXCHANGE_THRESHOLD,
    AUTO_BROADCAST_JOIN_THRESHOLD,
    BROADCAST_LIMIT,
    JOIN_REORDER,
    SKEW_JOIN,
    SKEW_JOIN_THRESHOLD,
    SKEW_JOIN_BUCKETS,
    COALESCE_PARTITIONS,
    COALESCE_PARTITIONS_MIN,
    MIN_BATCHES_TO_RETAIN,
    SCHEMA_REGISTRY_URL,
    SCHEMA_REGISTRY_BASIC_AUTH,
    SCHEMA_REGISTRY_BEARER_TOKEN,
    SCHEMA_REGISTRY_CA,
    SCHEMA_REGISTRY_TIMEOUT,
    SCHEMA_REGISTRY_RETRIES,
];
