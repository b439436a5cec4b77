//! A clock that stands still until it is set.

use std::sync::Mutex;

use chrono::{DateTime, Utc};

use crate::query::Clock;

#[derive(Debug)]
pub(crate) struct TestClock(Mutex<DateTime<Utc>>);

impl TestClock {
    /// `time` is RFC 3339.
    pub(crate) fn at(time: &str) -> Self {
        Self(Mutex::new(time.parse().unwrap()))
    }

    pub(crate) fn set(&self, time: &str) {
        *self.0.lock().unwrap() = time.parse().unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}
