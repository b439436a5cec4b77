//! The streaming source: plans offset ranges and hands them out as bounded tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use serde_json::Value;
use weir_plan::{
    Behind, Error, ErrorKind, Options, QueryId, ReadLimit, Result, SourceOffset, SourceRange,
    StreamSource,
};

use super::check_range::{check_range, nonempty};
use super::cluster::{Cluster, EARLIEST, LATEST, Partitions};
use super::config::{GroupName, ReadConfig, ReadKind};
use super::offsets::{KafkaOffset, PerPartition};
use super::plan_batch::{LossPolicy, PlanInput, Snapshot, plan_batch};
use super::resolve::{End, resolve};
use super::schema::kafka_schema;
use super::table::KafkaTable;

/// Kafka topics as a stream: a [`StreamSource`] whose offsets are the next offset of every partition.
///
/// Positions are planned here, by one client that is made at the first question; records are read by
/// the tasks of [`super::KafkaReadExec`].
#[derive(Debug)]
pub struct KafkaSource {
    config: Arc<ReadConfig>,
    cluster: Cluster,
}

impl KafkaSource {
    /// A source as `options` describe it (see [`super::STREAM_OPTIONS`]). Connects nowhere.
    ///
    /// # Errors
    /// `InvalidArgument` for an option that is unknown, malformed, missing or contradicts another;
    /// `Unsupported` for one that Weir does not have.
    pub fn try_new(options: &Options) -> Result<Self> {
        let config = ReadConfig::try_new(ReadKind::Stream, options)?;
        Ok(Self::of(config))
    }

    fn of(config: ReadConfig) -> Self {
        Self {
            cluster: Cluster::new(config.client.clone(), config.retry),
            config: Arc::new(config),
        }
    }

    fn policy(&self) -> LossPolicy {
        LossPolicy::new(self.config.fail_on_data_loss)
    }

    fn log_losses(&self, policy: &LossPolicy) {
        for loss in &policy.warnings {
            tracing::warn!(target: "weir::kafka", source = %self.config.description(), "{loss}");
        }
    }

    /// What a first read takes, which must not be nothing.
    async fn subscribed(&self) -> Result<Partitions> {
        let subscription = &self.config.subscription;
        let found = self
            .cluster
            .subscribed(subscription, BTreeSet::new())
            .await?;
        if found.all.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "no topic at {} belongs to {}; create one, or correct the option",
                    self.config.client.servers(),
                    self.config.description()
                ),
            ));
        }
        Ok(found)
    }

    /// Both ends of partitions that exist.
    async fn snapshot(&self, found: Partitions) -> Result<Snapshot> {
        let (earliest, latest) = tokio::try_join!(
            self.cluster.ends(&found.all, EARLIEST),
            self.cluster.ends(&found.all, LATEST)
        )?;
        Ok(Snapshot {
            topic_ids: found.ids,
            earliest,
            latest,
        })
    }

    /// What exists of a logged position, whatever is subscribed to by now.
    async fn existing(&self, logged: &PerPartition) -> Result<Snapshot> {
        let partitions = logged.keys().cloned().collect();
        self.snapshot(self.cluster.existing(partitions).await?)
            .await
    }
}

#[async_trait]
impl StreamSource for KafkaSource {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn description(&self) -> String {
        self.config.description()
    }

    fn schema(&self) -> SchemaRef {
        kafka_schema(self.config.include_headers)
    }

    async fn initial_offset(&self) -> Result<SourceOffset> {
        let found = self.subscribed().await?;
        let mut policy = self.policy();
        let offsets = resolve(
            &self.cluster,
            &found.all,
            &self.config.starting,
            End::Starting,
            self.config.no_match,
            &mut policy,
        )
        .await?;
        self.log_losses(&policy);
        let offset = KafkaOffset {
            offsets,
            topic_ids: found.ids,
        };
        Ok(offset.to_source_offset())
    }

    async fn latest_offset(&self, reached: &SourceOffset) -> Result<SourceOffset> {
        let reached = KafkaOffset::from_source_offset(reached)?;
        let read_before = reached.offsets.into_keys().collect();
        let subscription = &self.config.subscription;
        let found = self.cluster.subscribed(subscription, read_before).await?;
        let offset = KafkaOffset {
            offsets: self.cluster.ends(&found.all, LATEST).await?,
            topic_ids: found.ids,
        };
        Ok(offset.to_source_offset())
    }

    async fn next_range(
        &self,
        reached: &SourceOffset,
        latest: &SourceOffset,
        limit: ReadLimit,
    ) -> Result<Option<SourceRange>> {
        if reached == latest {
            return Ok(None);
        }
        let reached = KafkaOffset::from_source_offset(reached)?;
        let frozen = KafkaOffset::from_source_offset(latest)?;
        let now = self.existing(&frozen.offsets).await?;
        let input = PlanInput {
            subscription: &self.config.subscription,
            reached: &reached,
            frozen: &frozen,
            now: &now,
            limit: match limit {
                ReadLimit::SourceOptions => self.config.max_offsets_per_trigger,
                ReadLimit::AllAvailable => None,
            },
        };
        let mut policy = self.policy();
        let plan = plan_batch(input, &mut policy)?;
        self.log_losses(&policy);
        Ok(plan.map(|plan| SourceRange {
            start: plan.start.to_source_offset(),
            end: plan.end.to_source_offset(),
        }))
    }

    async fn read(&self, range: &SourceRange) -> Result<Arc<dyn TableProvider>> {
        let start = KafkaOffset::from_source_offset(&range.start)?;
        let end = KafkaOffset::from_source_offset(&range.end)?;
        let now = self.existing(&nonempty(&start, &end)).await?;
        let mut policy = self.policy();
        let ranges = check_range(&start, &end, &now, &mut policy)?;
        self.log_losses(&policy);
        Ok(Arc::new(KafkaTable::new(Arc::clone(&self.config), ranges)))
    }

    fn records(&self, range: &SourceRange) -> Result<u64> {
        let start = KafkaOffset::from_source_offset(&range.start)?;
        let end = KafkaOffset::from_source_offset(&range.end)?;
        Ok(end
            .offsets
            .iter()
            .filter_map(|(at, until)| {
                let from = start.offsets.get(at)?;
                u64::try_from(i128::from(*until) - i128::from(*from)).ok()
            })
            .fold(0, u64::saturating_add))
    }

    fn behind(&self, reached: &SourceOffset, latest: &SourceOffset) -> Result<Option<Behind>> {
        let reached = KafkaOffset::from_source_offset(reached)?;
        let latest = KafkaOffset::from_source_offset(latest)?;
        // As Spark: parts that were read and are there. A lower end than was read is a new topic's.
        let behind: PerPartition = reached
            .offsets
            .iter()
            .filter_map(|(at, next)| {
                let end = latest.offsets.get(at)?;
                Some((at.clone(), end.saturating_sub(*next).max(0)))
            })
            .collect();
        let parts: Vec<u64> = behind.values().map(|lag| lag.unsigned_abs()).collect();
        let shown = KafkaOffset {
            offsets: behind,
            topic_ids: BTreeMap::new(),
        };
        Ok(Some(Behind {
            shown: shown.to_json(),
            parts,
        }))
    }

    fn offsets_group(&self, query_id: QueryId) -> Option<String> {
        Some(match self.config.group.as_ref()? {
            GroupName::Given(name) => name.clone(),
            GroupName::Prefix(prefix) => format!("{prefix}-{query_id}"),
        })
    }

    async fn commit_offsets(&self, query_id: QueryId, reached: &SourceOffset) -> Result<()> {
        let Some(group) = self.offsets_group(query_id) else {
            return Ok(());
        };
        let reached = KafkaOffset::from_source_offset(reached)?;
        self.cluster.commit(&group, reached.offsets).await
    }

    fn display_offset(&self, offset: &SourceOffset) -> Value {
        KafkaOffset::from_source_offset(offset)
            .map_or_else(|_| offset.0.clone(), |offset| offset.to_json())
    }
}

/// The records between two positions, as a table: `read().format("kafka")`. Positions are resolved
/// now, so that the table holds the same records whenever it is scanned.
///
/// # Errors
/// As [`KafkaSource::try_new`] for the options (see [`super::BATCH_OPTIONS`]); `NotFound` for topics
/// and partitions that do not exist; `DataLoss` for offsets that the cluster does not hold;
/// `InvalidArgument` when a partition's start lies beyond its end; `Unavailable` when the cluster is
/// out of reach.
pub async fn batch_table(options: &Options) -> Result<Arc<dyn TableProvider>> {
    let source = KafkaSource::of(ReadConfig::try_new(ReadKind::Batch, options)?);
    let config = &source.config;
    let found = source.subscribed().await?;
    let mut policy = source.policy();
    let starts = resolve(
        &source.cluster,
        &found.all,
        &config.starting,
        End::Starting,
        config.no_match,
        &mut policy,
    )
    .await?;
    let ends = resolve(
        &source.cluster,
        &found.all,
        &config.ending,
        End::Ending,
        config.no_match,
        &mut policy,
    )
    .await?;
    source.log_losses(&policy);
    let mut ranges = Vec::new();
    for (at, start) in starts {
        let end = ends.get(&at).copied().unwrap_or(start);
        if start > end {
            return Err(Error::invalid_argument(format!(
                "{at}: the read would start at offset {start}, beyond its end at {end}; correct the starting or ending options"
            )));
        }
        ranges.push(super::ranges::OffsetRange { at, start, end });
    }
    Ok(Arc::new(KafkaTable::new(Arc::clone(config), ranges)))
}
