//! Rows that follow something newer than the query: what a batch was logged with, it is made with.

use std::sync::Mutex;

use async_trait::async_trait;
use datafusion::logical_expr::lit;
use weir_plan::functions::{PinnedParameters, pinned};
use weir_plan::{Error, ErrorKind};

use super::crashes::dies;
use super::*;
use crate::log::OffsetsEntry;
use crate::progress::BatchStep;
use crate::query::EvolvingRows;

const KEY: &str = "schema";

/// Rows with a column `version`: the newest there is, which must not be lower than the last.
#[derive(Debug)]
struct Versions {
    frame: DataFrame,
    newest: Arc<Mutex<u32>>,
    asked: Mutex<u32>,
    /// Of this version, the sink takes no rows.
    refused: Option<(Arc<MemorySink>, u32)>,
}

impl Versions {
    fn of(world: &World, newest: &Arc<Mutex<u32>>) -> Arc<Self> {
        Arc::new(Self {
            frame: world.frame(),
            newest: Arc::clone(newest),
            asked: Mutex::new(0),
            refused: None,
        })
    }

    fn spec(self: &Arc<Self>, world: &World) -> QuerySpec {
        let mut spec = world.spec_of(self.plan(&PinnedParameters::new()).unwrap());
        spec.evolving = Some(Arc::clone(self) as _);
        spec
    }
}

#[async_trait]
impl EvolvingRows for Versions {
    async fn next(&self, last: Option<&PinnedParameters>) -> Result<PinnedParameters> {
        *self.asked.lock().unwrap() += 1;
        let newest = *self.newest.lock().unwrap();
        if let Some((sink, refused)) = &self.refused {
            *sink.refuses.lock().unwrap() = newest == *refused;
        }
        let before = last.and_then(|last| last.get(KEY)?.parse::<u32>().ok());
        match before.is_some_and(|before| before > newest) {
            true => Err(Error::new(ErrorKind::SchemaMismatch, "an older version")),
            false => Ok([(KEY.to_owned(), newest.to_string())].into()),
        }
    }

    fn plan(&self, parameters: &PinnedParameters) -> Result<LogicalPlan> {
        let version = parameters.get(KEY).map_or("none", String::as_str);
        let rows = self.frame.clone().with_column("version", lit(version))?;
        let rows = rows.with_column("day", pinned("day", "monday"))?;
        Ok(rows.into_unoptimized_plan())
    }

    fn describe(&self, parameters: &PinnedParameters) -> String {
        format!("rows of version {:?}", parameters.get(KEY))
    }
}

async fn logged(world: &World, batch: u64) -> PinnedParameters {
    let place = format!("offsets/{batch}");
    let entry = world.store.get(&place).await.unwrap().unwrap();
    let entry: OffsetsEntry = crate::log::decode(&place, &entry).unwrap();
    entry.parameters
}

#[tokio::test]
async fn batch_that_was_planned_before_a_death_is_made_with_what_was_newest_then() {
    let world = World::with_limit(&[6], 2);
    let newest = Arc::new(Mutex::new(1));
    dies(
        Versions::of(&world, &newest).spec(&world),
        1,
        BatchStep::OffsetsLogged,
    )
    .await;
    *newest.lock().unwrap() = 2;
    finish(Versions::of(&world, &newest).spec(&world))
        .await
        .unwrap();
    // Two batches of version 1, of which the second ran in the second process.
    assert_eq!(world.sink.values("version"), ["1", "1", "1", "1", "2", "2"]);
    world.assert_exactly_once();
    let parameters = logged(&world, 1).await;
    assert_eq!(parameters[KEY], "1");
    assert_eq!(parameters["day"], "monday");
    assert_eq!(logged(&world, 2).await[KEY], "2");
}

#[tokio::test]
async fn drain_asks_once_after_its_end_is_known_and_a_running_query_before_each_batch() {
    let world = World::with_limit(&[6], 2);
    let newest = Arc::new(Mutex::new(1));
    let rows = Versions::of(&world, &newest);
    finish(rows.spec(&world)).await.unwrap();
    // Once more to open a sink that nothing was written to.
    assert_eq!(*rows.asked.lock().unwrap(), 2);
    finish(rows.spec(&world)).await.unwrap();
    assert_eq!(*rows.asked.lock().unwrap(), 2, "nothing to read");

    let mut spec = rows.spec(&world);
    spec.trigger = Trigger::ProcessingTime(std::time::Duration::ZERO);
    let (seen, mut batches) = tokio::sync::mpsc::unbounded_channel();
    spec.listeners.push(Arc::new(Batches(seen)));
    let query = StreamingQuery::start(spec).await.unwrap();
    for version in 2..5 {
        *newest.lock().unwrap() = version;
        world.source.append(0, 1);
        batches.recv().await.unwrap();
    }
    query.stop();
    query.await_termination().await.unwrap();
    assert_eq!(world.sink.values("version")[6..], ["2", "3", "4"]);
    world.assert_exactly_once();
}

struct Batches(tokio::sync::mpsc::UnboundedSender<()>);

impl crate::progress::QueryListener for Batches {
    fn on_event(&self, event: &crate::progress::QueryEvent) {
        if let crate::progress::QueryEvent::Progress(_) = event {
            let _ = self.0.send(());
        }
    }
}

#[tokio::test]
async fn what_does_not_go_on_from_the_last_batch_ends_the_query_before_anything_is_logged() {
    let world = World::with_limit(&[4], 2);
    let newest = Arc::new(Mutex::new(3));
    // The last batch of the first run is left to be finished.
    dies(
        Versions::of(&world, &newest).spec(&world),
        1,
        BatchStep::OffsetsLogged,
    )
    .await;
    world.source.append(0, 2);
    *newest.lock().unwrap() = 2;
    let rows = Versions::of(&world, &newest);
    let error = finish(rows.spec(&world)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    assert_eq!(world.entries("commits").await, [0, 1]);
    assert_eq!(world.entries("offsets").await, [0, 1]);
    *newest.lock().unwrap() = 3;
    finish(rows.spec(&world)).await.unwrap();
    world.assert_exactly_once();
}

#[tokio::test]
async fn rows_that_the_sink_does_not_take_are_never_logged() {
    let world = World::new(&[2]);
    let newest = Arc::new(Mutex::new(1));
    let mut rows = Versions::of(&world, &newest);
    Arc::get_mut(&mut rows).unwrap().refused = Some((Arc::clone(&world.sink), 2));
    finish(rows.spec(&world)).await.unwrap();
    world.source.append(0, 2);
    *newest.lock().unwrap() = 2;
    let error = finish(rows.spec(&world)).await.unwrap_err();
    assert!(
        error.to_string().contains("rows of version Some(\"2\")"),
        "{error}"
    );
    assert_eq!(world.entries("offsets").await, [0]);
}
