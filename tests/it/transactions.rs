//! Committed and aborted transactions, under both isolation levels.

use weir_tests::files::TempLake;
use weir_tests::kafka::{Broker, Record, broker_or_skip};
use weir_tests::ledger::Ledger;
use weir_tests::python::python_or_skip;

use crate::bronze::Bronze;

/// Rounds of transactions, some aborted, between plain records; a long aborted tail at the end.
/// Returns the topic, the committed records and all of them.
async fn scripted_topic(broker: &Broker) -> (String, Ledger, Ledger) {
    let topic = broker.new_topic("transactions", 3).await;
    let plain = broker.producer();
    let transactional = broker.transactional_producer(&topic).await;
    let (mut committed, mut aborted) = (Ledger::default(), Ledger::default());
    for round in 0..6 {
        let value = move |n: usize| Record::of(format!("{round}-{n}")).key(format!("{n}"));
        transactional.begin();
        let rows = transactional
            .produce_n(&topic, 3, 40 + round * 7, value)
            .await;
        if round % 2 == 0 {
            transactional.commit().await;
            committed.merge(&rows);
        } else {
            transactional.abort().await;
            aborted.merge(&rows);
        }
        committed.merge(&plain.produce_n(&topic, 3, 5, value).await);
    }
    transactional.begin();
    let tail = transactional
        .produce_n(&topic, 3, 300, |n| Record::of(format!("tail-{n}")))
        .await;
    transactional.abort().await;
    aborted.merge(&tail);
    let mut all = committed.clone();
    all.merge(&aborted);
    (topic, committed, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn read_committed_gives_exactly_the_committed_records() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let Some(python) = python_or_skip().await else {
        return;
    };
    let (topic, committed, all) = scripted_topic(broker).await;
    // Without a limit, and with one so small that whole batches hold only aborted records.
    for limit in [None, Some(17)] {
        let lake = TempLake::new();
        let mut job = Bronze::new(broker, &lake, &[&topic]);
        if let Some(limit) = limit {
            job = job.arg("--max-offsets-per-trigger", limit);
        }
        let outcome = job.drain().await;
        assert_eq!(outcome["rows"], committed.rows, "{outcome}");
        assert_eq!(outcome["remaining_lag"], 0, "{outcome}");
        python
            .read_delta(&job.table)
            .await
            .expect_exactly(&committed);

        let lake = TempLake::new();
        let mut job =
            Bronze::new(broker, &lake, &[&topic]).arg("--isolation-level", "read_uncommitted");
        if let Some(limit) = limit {
            job = job.arg("--max-offsets-per-trigger", limit);
        }
        let outcome = job.drain().await;
        assert_eq!(outcome["rows"], all.rows, "{outcome}");
        python.read_delta(&job.table).await.expect_exactly(&all);
    }
}
