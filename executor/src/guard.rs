//! Makes a panic of a task's plan an error of its rows.
//!
//! The rows of a task leave it through a channel. A panic below would close that channel, which the
//! receiver takes for the end of the rows: fewer rows, and no error.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use datafusion_distributed::BroadcastExec;
use futures::Stream;
use tracing::debug;
use weir_plan::{Error, TaskSlot};

use crate::connections::marked;

/// `plan` of a task, guarded. An exchange at its head stays there: the library looks for it when the task is asked for its rows, and
/// would put another one on top of what does not look like one, which exchanges all rows twice.
///
/// # Errors
/// DataFusion's, when the exchange cannot be made again.
pub(crate) fn guarded(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if !plan.is::<RepartitionExec>() && !plan.is::<BroadcastExec>() {
        return Ok(Arc::new(PanicGuard::new(plan)));
    }
    let inputs = plan.children().into_iter().map(Arc::clone);
    let inputs = inputs.map(|input| Arc::new(PanicGuard::new(input)) as Arc<dyn ExecutionPlan>);
    let inputs = inputs.collect();
    let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.replace_children(inputs, recompute)
}

/// Stands for `plan`: its name, children and metrics, so that metrics are matched as if it were not here.
#[derive(Debug)]
struct PanicGuard {
    plan: Arc<dyn ExecutionPlan>,
}

impl PanicGuard {
    fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        Self { plan }
    }
}

impl DisplayAs for PanicGuard {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.fmt_as(format, f)
    }
}

impl ExecutionPlan for PanicGuard {
    fn name(&self) -> &str {
        self.plan.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.plan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.plan.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.plan.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = Arc::clone(&self.plan).replace_children(children, options)?;
        Ok(Arc::new(Self::new(plan)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, recompute)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let context_slot = context.session_config().get_extension::<TaskSlot>();
        let execute = || self.plan.execute(partition, context);
        let stream = catch_unwind(AssertUnwindSafe(execute))
            .unwrap_or_else(|panic| Err(panicked(self.plan.name(), panic.as_ref())))?;
        Ok(Box::pin(GuardedStream {
            name: self.plan.name().to_owned(),
            place: place(&self.plan, partition, context_slot.as_deref()),
            schema: stream.schema(),
            stream: Some(stream),
            begun: false,
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.plan.metrics()
    }
}

struct GuardedStream {
    name: String,
    /// For the log: which task it is of.
    place: String,
    schema: SchemaRef,
    /// `None` after its end, or its panic.
    stream: Option<SendableRecordBatchStream>,
    begun: bool,
}

/// `DeltaWriteExec(NetworkShuffleExec), task 1 of 3, partition 0`.
fn place(plan: &Arc<dyn ExecutionPlan>, partition: usize, slot: Option<&TaskSlot>) -> String {
    let mut leaves = BTreeSet::new();
    // The closure does not fail.
    let _ = plan.apply(|node| {
        if node.children().is_empty() || node.name().starts_with("Network") {
            leaves.insert(node.name().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let leaves: Vec<String> = leaves.into_iter().collect();
    let (task, tasks) = slot.map_or((1, 1), |slot| (slot.index + 1, slot.count));
    let (name, leaves) = (plan.name(), leaves.join(", "));
    format!("{name}({leaves}), task {task} of {tasks}, partition {partition}")
}

impl Stream for GuardedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let polled = catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll_next(context)));
        match polled {
            Ok(Poll::Ready(None)) => {
                self.stream = None;
                debug!("{}: ended", self.place);
                Poll::Ready(None)
            }
            Ok(polled) => {
                if polled.is_ready() && !std::mem::replace(&mut self.begun, true) {
                    debug!("{}: first rows", self.place);
                }
                polled.map_err(marked)
            }
            Err(panic) => {
                self.stream = None;
                Poll::Ready(Some(Err(panicked(&self.name, panic.as_ref()))))
            }
        }
    }
}

impl RecordBatchStream for GuardedStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn panicked(name: &str, panic: &(dyn Any + Send)) -> DataFusionError {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("a task of {name} panicked: {message}")).into()
}

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
    use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{StreamExt as _, TryStreamExt as _};

    use super::*;

    /// One batch, then a panic; partition 1 panics before it has a stream.
    #[derive(Debug)]
    struct Panicking {
        properties: Arc<PlanProperties>,
    }

    impl Panicking {
        fn new() -> Self {
            let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, false)]));
            let properties = PlanProperties::new(
                EquivalenceProperties::new(schema),
                Partitioning::UnknownPartitioning(2),
                EmissionType::Incremental,
                Boundedness::Bounded,
            );
            Self {
                properties: Arc::new(properties),
            }
        }
    }

    impl DisplayAs for Panicking {
        fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Panicking")
        }
    }

    impl ExecutionPlan for Panicking {
        fn name(&self) -> &'static str {
            "Panicking"
        }

        fn properties(&self) -> &Arc<PlanProperties> {
            &self.properties
        }

        fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
            Vec::new()
        }

        fn apply_expressions(
            &self,
            _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
        ) -> Result<TreeNodeRecursion> {
            Ok(TreeNodeRecursion::Continue)
        }

        fn with_new_children(
            self: Arc<Self>,
            _children: Vec<Arc<dyn ExecutionPlan>>,
        ) -> Result<Arc<dyn ExecutionPlan>> {
            Ok(self)
        }

        fn execute(
            &self,
            partition: usize,
            _context: Arc<TaskContext>,
        ) -> Result<SendableRecordBatchStream> {
            assert!(partition == 0, "no partition {partition}");
            let column = Arc::new(Int32Array::from(vec![1]));
            let batch = RecordBatch::try_new(self.schema(), vec![column])?;
            let rows = futures::stream::iter([0, 1]).map(move |row| {
                assert!(row == 0, "row {row}");
                Ok(batch.clone())
            });
            Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
        }
    }

    #[tokio::test]
    async fn panic_amid_the_rows_is_an_error_and_not_their_end() {
        let guard = PanicGuard::new(Arc::new(Panicking::new()));
        let stream = guard.execute(0, Arc::default()).unwrap();
        let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(
            error.to_string().contains("Panicking panicked: row 1"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn exchange_at_the_head_stays_there_and_what_it_takes_is_guarded() {
        let input = Arc::new(Panicking::new());
        let exchange = RepartitionExec::try_new(input, Partitioning::RoundRobinBatch(3)).unwrap();
        let plan = guarded(Arc::new(exchange)).unwrap();
        assert!(plan.is::<RepartitionExec>());
        // It begins with all partitions of its input, of which the second panics.
        let Err(error) = plan.execute(0, Arc::default()) else {
            panic!("it has rows")
        };
        let said = error.to_string();
        assert!(
            said.contains("Panicking panicked: no partition 1"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn panic_before_the_rows_is_an_error() {
        let guard = PanicGuard::new(Arc::new(Panicking::new()));
        let Err(error) = guard.execute(1, Arc::default()) else {
            panic!("it has rows")
        };
        assert!(error.to_string().contains("no partition 1"), "{error}");
    }
}
