//! Asking a cluster in bounded time: how long to wait, when to ask again, when to give up.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use weir_plan::{Error, ErrorKind, Result};

use super::config::Retry;
use super::native::client::{Client, ClientError};
use super::native::code;
use super::properties::ClientProperties;

/// The longest that one question takes.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// How long every broker may refuse connections: enough for the second address of a host name.
const ALL_DOWN_GRACE: Duration = Duration::from_secs(3);

/// How long to wait for a connection before looking again: librdkafka does not wake the waiter.
const CONNECT_SLICE: Duration = Duration::from_millis(5);

/// The pause before what a leader election or a restart disturbed is asked again.
pub(super) const ELECTION_PAUSE: Duration = Duration::from_millis(250);

/// The one question being asked, and until when.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    properties: &'a ClientProperties,
    retry: Retry,
    pub(super) client: &'a Client,
    what: String,
    started: Instant,
    tries: u32,
}

impl<'a> Attempt<'a> {
    /// Begins to do `what`, e.g. "look up offsets".
    pub(super) fn new(
        properties: &'a ClientProperties,
        retry: Retry,
        client: &'a Client,
        what: impl Into<String>,
    ) -> Self {
        Self {
            properties,
            retry,
            client,
            what: what.into(),
            started: Instant::now(),
            tries: 0,
        }
    }

    pub(super) fn remaining(&self) -> Duration {
        GIVE_UP_AFTER.saturating_sub(self.started.elapsed())
    }

    fn out_of_reach(&self, error: Option<&ClientError>) -> Error {
        // TLS 1.3 refuses a client's certificate only once the handshake is over: its alert comes as a
        // broken connection.
        let of_tls =
            |error: &&ClientError| error.code == code::SSL || error.text.contains("SSL routines");
        if let Some(ClientError { text, .. }) = error.filter(of_tls) {
            let error = ClientError {
                code: code::SSL,
                text: text.clone(),
            };
            return self.properties.explain(&self.what, &error);
        }
        let servers = self.properties.servers();
        let cause = error.map_or_else(
            || "no answer, as from brokers that expect another security.protocol".to_owned(),
            |error| error.text.clone(),
        );
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "cannot {}: no kafka broker at {servers} could be reached in {:.0?}: {cause}; check kafka.bootstrap.servers, kafka.security.protocol and that the brokers run",
                self.what,
                self.started.elapsed()
            ),
        )
    }

    /// Whether it is worth to go on waiting.
    pub(super) fn check(&self) -> ControlFlow<Error> {
        let trouble = self.client.trouble();
        if let Some(fatal) = &trouble.fatal {
            return ControlFlow::Break(self.properties.explain(&self.what, fatal));
        }
        let down_for = trouble
            .all_down_since
            .map(|since| since.max(self.started).elapsed());
        if down_for.is_some_and(|down| down > ALL_DOWN_GRACE) {
            return ControlFlow::Break(self.out_of_reach(trouble.last.as_ref()));
        }
        ControlFlow::Continue(())
    }

    /// Waits for the first connection. Calls that block without a say come after it.
    pub(super) fn wait_connected(&self) -> Result<()> {
        while !self.client.wait_connected(CONNECT_SLICE) {
            if let ControlFlow::Break(error) = self.check() {
                return Err(error);
            }
            if self.remaining().is_zero() {
                return Err(self.out_of_reach(self.client.trouble().last.as_ref()));
            }
        }
        Ok(())
    }

    /// After an error: pauses and returns for another try, or gives up.
    pub(super) fn again(&mut self, error: &ClientError) -> Result<()> {
        let passing = code::is_retried(error.code);
        self.tries += 1;
        if let ControlFlow::Break(error) = self.check() {
            return Err(error);
        }
        let out_of_tries = !passing && self.tries > self.retry.times;
        if self.remaining().is_zero() || out_of_tries {
            let trouble = self.client.trouble();
            return Err(match (error.code, &trouble.last) {
                (code::TIMED_OUT | code::TRANSPORT | code::ALL_BROKERS_DOWN, Some(last)) => {
                    self.out_of_reach(Some(last))
                }
                _ => self.properties.explain(&self.what, error),
            });
        }
        let pause = if passing {
            self.retry.pause.max(ELECTION_PAUSE)
        } else {
            self.retry.pause
        };
        std::thread::sleep(pause.min(self.remaining()));
        Ok(())
    }
}
