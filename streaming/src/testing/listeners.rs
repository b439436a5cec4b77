//! Listeners: one that a test awaits events from, one that dies.

use std::sync::Mutex;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use weir_plan::BatchId;

use crate::progress::{BatchStep, QueryEvent, QueryListener};

/// Passes every event on.
#[derive(Debug)]
pub(crate) struct Events(UnboundedSender<QueryEvent>);

impl Events {
    pub(crate) fn channel() -> (Self, UnboundedReceiver<QueryEvent>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }
}

impl QueryListener for Events {
    fn on_event(&self, event: &QueryEvent) {
        // A test that stopped listening is not interested.
        let _ = self.0.send(event.clone());
    }
}

/// Kills the query's task after a step, once: nothing after it happens, as after `kill -9`.
#[derive(Debug)]
pub(crate) struct DiesAt(Mutex<Option<(BatchId, BatchStep)>>);

impl DiesAt {
    pub(crate) fn new(batch: u64, step: BatchStep) -> Self {
        Self(Mutex::new(Some((BatchId(batch), step))))
    }
}

impl QueryListener for DiesAt {
    fn on_event(&self, event: &QueryEvent) {
        let QueryEvent::Step { batch_id, step } = event else {
            return;
        };
        let due = self
            .0
            .lock()
            .unwrap()
            .take_if(|at| *at == (*batch_id, *step));
        assert!(due.is_none(), "dies after {step:?} of batch {batch_id}");
    }
}
