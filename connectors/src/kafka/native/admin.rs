//! Administrative requests: sent once, waited for in slices, on a queue of their own.

use std::ffi::{c_char, c_int};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;

use super::client::{Client, ClientError, text_of};
use super::code;

/// How long a wait lasts before the caller is asked whether to go on.
const SLICE: Duration = Duration::from_millis(50);

/// What librdkafka calls a kind of administrative request.
pub(super) type Operation = sys::rd_kafka_admin_op_t;

pub(super) fn millis(duration: Duration) -> c_int {
    c_int::try_from(duration.as_millis()).unwrap_or(c_int::MAX)
}

/// Destroys what it holds with the function given.
pub(super) struct Owned<T>(pub(super) *mut T, pub(super) unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: built from a constructor and its own destructor; dropped once.
            unsafe { (self.1)(self.0) }
        }
    }
}

/// An error object's code and text; `None` for null and for success.
///
/// # Safety
/// `error` is null or a live error.
pub(super) unsafe fn error_of(error: *const sys::rd_kafka_error_t) -> Option<ClientError> {
    if error.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let error = unsafe {
        ClientError {
            code: sys::rd_kafka_error_code(error) as i32,
            text: text_of(sys::rd_kafka_error_string(error)),
        }
    };
    (error.code != code::NONE).then_some(error)
}

impl Client {
    /// Sends a request of kind `operation` to `broker`, or else to whom it concerns, and waits for the
    /// answer; `go_on` is asked every few milliseconds.
    ///
    /// # Safety
    /// `send` makes exactly one request of that kind, with the options and the queue it is given, and
    /// keeps neither. `read` is given live events and returns `None` for those that are not its answer.
    pub(super) unsafe fn administrate<T, B>(
        &self,
        operation: Operation,
        broker: Option<i32>,
        timeout: Duration,
        send: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
        read: impl Fn(*mut sys::rd_kafka_event_t) -> Option<Result<T, ClientError>>,
        mut go_on: impl FnMut() -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, T>, ClientError> {
        // SAFETY: live client; every object is freed by its own destructor.
        let queue = unsafe {
            let queue = Owned(
                sys::rd_kafka_queue_new(self.ptr()),
                sys::rd_kafka_queue_destroy,
            );
            let options = Owned(
                sys::rd_kafka_AdminOptions_new(self.ptr(), operation),
                sys::rd_kafka_AdminOptions_destroy,
            );
            let mut text = [0 as c_char; 256];
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                millis(timeout),
                text.as_mut_ptr(),
                text.len(),
            );
            if let Some(broker) = broker {
                sys::rd_kafka_AdminOptions_set_broker(
                    options.0,
                    broker,
                    text.as_mut_ptr(),
                    text.len(),
                );
            }
            send(options.0, queue.0);
            queue
        };
        let deadline = Instant::now() + timeout + Duration::from_secs(1);
        loop {
            // SAFETY: live queue.
            let event = Owned(
                unsafe { sys::rd_kafka_queue_poll(queue.0, millis(SLICE)) },
                sys::rd_kafka_event_destroy,
            );
            if !event.0.is_null() {
                let Some(answer) = read(event.0) else {
                    continue;
                };
                // SAFETY: live event.
                let err = unsafe { sys::rd_kafka_event_error(event.0) };
                if err as i32 != code::NONE {
                    // SAFETY: live event; its text lives as long.
                    let text = unsafe { text_of(sys::rd_kafka_event_error_string(event.0)) };
                    return Err(ClientError {
                        code: err as i32,
                        text: self.scrub(&text),
                    });
                }
                return answer.map(ControlFlow::Continue);
            }
            if let ControlFlow::Break(stop) = go_on() {
                return Ok(ControlFlow::Break(stop));
            }
            if Instant::now() > deadline {
                return Err(ClientError {
                    code: code::TIMED_OUT,
                    text: "no answer in time".to_owned(),
                });
            }
        }
    }
}
