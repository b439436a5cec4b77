//! What goes wrong, and where: each entry is used once, at the first call of its place.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use weir_plan::{Error, ErrorKind, Result};

/// Holds whoever comes by until the test lets it go on.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    arrived: Notify,
    opened: Notify,
}

impl Gate {
    async fn pass(&self) {
        self.arrived.notify_one();
        self.opened.notified().await;
    }

    /// Waits until somebody stands before the gate.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Lets one through.
    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// The call fails and has no effect.
    FailBefore,
    /// The call takes effect and its answer is lost.
    FailAfter,
    /// The call waits before it takes effect.
    HoldBefore(Arc<Gate>),
}

/// The faults of one process, shared by its store, source, sink and runner.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Vec<(String, Action)>>>);

impl Script {
    /// A place is a twin's name, its call and what it is about: `store put offsets/0`.
    pub(crate) fn add(&self, place: &str, action: Action) {
        self.0.lock().unwrap().push((place.to_owned(), action));
    }

    /// A gate before `place` takes effect.
    pub(crate) fn hold(&self, place: &str) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        self.add(place, Action::HoldBefore(Arc::clone(&gate)));
        gate
    }

    /// Forgets what has not happened.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Whether everything in it has happened.
    pub(crate) fn is_played(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// `work`, with what the script has for `place`.
    pub(crate) async fn play<T>(
        &self,
        place: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let fault = || {
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("fault at {place}"),
            ))
        };
        match self.take(place) {
            None => work.await,
            Some(Action::FailBefore) => fault(),
            Some(Action::FailAfter) => {
                work.await?;
                fault()
            }
            Some(Action::HoldBefore(gate)) => {
                gate.pass().await;
                work.await
            }
        }
    }

    fn take(&self, place: &str) -> Option<Action> {
        let mut entries = self.0.lock().unwrap();
        let found = entries.iter().position(|(at, _)| at == place)?;
        Some(entries.remove(found).1)
    }
}
