//! Tells the sources' own records (Kafka's consumer groups) how far the query is, for onlookers.
//!
//! Off the path of the batches: a task of its own commits, the newest position only, and nothing waits
//! for it but the query's end, for a few seconds. A failure is logged once per run and counted; the next
//! position makes up for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use weir_plan::{QueryId, SourceOffset, StreamSource};

/// How long the end of a query waits for the last commit.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// See the module's documentation. Dropped without [`Self::finish`], it leaves its task to end by itself.
pub(super) struct OffsetCommitter {
    /// One position per source.
    newest: watch::Sender<Vec<SourceOffset>>,
    failures: Arc<AtomicU64>,
    /// `None`: no source keeps a record.
    task: Option<JoinHandle<()>>,
}

impl OffsetCommitter {
    /// For query `query_id`, which reads `sources`.
    pub(super) fn start(query_id: QueryId, sources: &[Arc<dyn StreamSource>]) -> Self {
        let (newest, positions) = watch::channel(Vec::new());
        let failures = Arc::new(AtomicU64::new(0));
        let kept = sources
            .iter()
            .any(|source| source.offsets_group(query_id).is_some());
        let task = kept.then(|| {
            let sources = sources.to_vec();
            tokio::spawn(commit_all(
                query_id,
                sources,
                positions,
                Arc::clone(&failures),
            ))
        });
        Self {
            newest,
            failures,
            task,
        }
    }

    /// Everything before `reached` is in the sink. Returns at once.
    pub(super) fn commit(&self, reached: Vec<SourceOffset>) {
        self.newest.send_replace(reached);
    }

    /// How many commits have failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Waits for the commit under way and the last one. Returns how many have failed, one that takes too
    /// long among them.
    pub(super) async fn finish(self) -> u64 {
        drop(self.newest);
        if let Some(mut task) = self.task
            && tokio::time::timeout(FINISH_WITHIN, &mut task)
                .await
                .is_err()
        {
            task.abort();
            warn!(
                "the query's last offsets were not committed within {FINISH_WITHIN:?}; the next run does"
            );
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.failures.load(Ordering::Relaxed)
    }
}

async fn commit_all(
    query_id: QueryId,
    sources: Vec<Arc<dyn StreamSource>>,
    mut positions: watch::Receiver<Vec<SourceOffset>>,
    failures: Arc<AtomicU64>,
) {
    // What was sent before the sender went is still seen.
    while positions.changed().await.is_ok() {
        let reached = positions.borrow_and_update().clone();
        for (source, reached) in sources.iter().zip(&reached) {
            let Err(error) = source.commit_offsets(query_id, reached).await else {
                continue;
            };
            match failures.fetch_add(1, Ordering::Relaxed) {
                0 => warn!(
                    query = %query_id,
                    source = %source.description(),
                    "offsets were not committed to the query's consumer group, which shows them late or \
                     never: {error}; the query goes on, and says so once. Set commitOffsetsOnCheckpoints \
                     to false where no group is wanted"
                ),
                _ => debug!(query = %query_id, "offsets were not committed: {error}"),
            }
        }
    }
}
