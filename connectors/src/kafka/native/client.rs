//! A librdkafka client whose log and errors go to `tracing`, with secrets taken out.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rdkafka::bindings as sys;

use super::code;
use crate::kafka::secrets::Secrets;

/// An error of librdkafka: its code and its text, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientError {
    /// A value of [`code`] or another of librdkafka's codes.
    pub(crate) code: i32,
    pub(crate) text: String,
}

/// A client property that librdkafka refused.
#[derive(Debug)]
pub(crate) struct RefusedProperty {
    pub(crate) key: String,
    /// Not known at all, as opposed to a bad value.
    pub(crate) unknown: bool,
    /// librdkafka's text, which may quote the value.
    pub(crate) text: String,
}

/// What a client reported outside of any call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble {
    /// Since when no broker can be reached.
    pub(crate) all_down_since: Option<Instant>,
    /// Authentication failed, or the client is beyond repair.
    pub(crate) fatal: Option<ClientError>,
    /// A topic or partition that is fetched was reported not to exist. The text names it; the event
    /// carries no more.
    pub(crate) unknown_partition: Option<ClientError>,
    /// The latest connection error, to explain a timeout.
    pub(crate) last: Option<ClientError>,
}

/// What the callbacks reach through the client's opaque pointer.
#[derive(Debug)]
struct Events {
    secrets: Secrets,
    trouble: Mutex<Trouble>,
}

/// A consumer-type client without a consumer group of its own.
#[derive(Debug)]
pub(crate) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    /// Boxed: the callbacks hold its address. Declared after `rk`, which `Drop` destroys first.
    events: Box<Events>,
}

// SAFETY: librdkafka's handles may be used from any thread, also at the same time; `Events` is Sync.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

/// Owned until `rd_kafka_new` takes it over.
struct Conf(*mut sys::rd_kafka_conf_t);

impl Drop for Conf {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: a live configuration that nobody else owns.
            unsafe { sys::rd_kafka_conf_destroy(self.0) }
        }
    }
}

/// Hands every property to librdkafka and connects nowhere.
pub(crate) fn check_properties(
    properties: &BTreeMap<String, String>,
) -> Result<(), RefusedProperty> {
    conf_of(properties).map(drop)
}

fn conf_of(properties: &BTreeMap<String, String>) -> Result<Conf, RefusedProperty> {
    // SAFETY: no preconditions; never null.
    let conf = Conf(unsafe { sys::rd_kafka_conf_new() });
    let mut text = [0 as c_char; 512];
    for (key, value) in properties {
        let refused = |unknown, text: String| RefusedProperty {
            key: key.clone(),
            unknown,
            text,
        };
        let (Ok(c_key), Ok(c_value)) = (CString::new(key.as_str()), CString::new(value.as_str()))
        else {
            return Err(refused(false, "it contains a zero byte".to_owned()));
        };
        // SAFETY: live configuration, zero-terminated strings, a buffer of the length given.
        let result = unsafe {
            sys::rd_kafka_conf_set(
                conf.0,
                c_key.as_ptr(),
                c_value.as_ptr(),
                text.as_mut_ptr(),
                text.len(),
            )
        };
        if result as i32 != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK as i32 {
            let unknown = result as i32 == sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN as i32;
            return Err(refused(unknown, buffer_text(&text)));
        }
    }
    Ok(conf)
}

fn buffer_text(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer
        .iter()
        .map(|&byte| byte.cast_unsigned())
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text of `pointer`, or nothing for null.
///
/// # Safety
/// `pointer` is null or a zero-terminated string that lives through the call.
pub(super) unsafe fn text_of(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

/// librdkafka's text for a code it returned.
pub(super) fn describe_code(err: sys::rd_kafka_resp_err_t) -> ClientError {
    // SAFETY: takes any code, returns a static string.
    let text = unsafe { text_of(sys::rd_kafka_err2str(err)) };
    ClientError {
        code: err as i32,
        text,
    }
}

impl Client {
    /// A client with these properties. It connects in the background.
    pub(crate) fn new(
        properties: &BTreeMap<String, String>,
        secrets: Secrets,
    ) -> Result<Self, ClientError> {
        let mut conf = conf_of(properties).map_err(|refused| ClientError {
            code: code::NONE,
            text: secrets.scrub(&refused.text),
        })?;
        let events = Box::new(Events {
            secrets,
            trouble: Mutex::new(Trouble::default()),
        });
        let mut text = [0 as c_char; 512];
        // SAFETY: live configuration; `events` is boxed and outlives the client (see `Drop`); the
        // callbacks have the signatures asked for.
        let rk = unsafe {
            sys::rd_kafka_conf_set_opaque(
                conf.0,
                std::ptr::from_ref::<Events>(&events)
                    .cast_mut()
                    .cast::<c_void>(),
            );
            sys::rd_kafka_conf_set_log_cb(conf.0, Some(on_log));
            sys::rd_kafka_conf_set_error_cb(conf.0, Some(on_error));
            sys::rd_kafka_new(
                sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                conf.0,
                text.as_mut_ptr(),
                text.len(),
            )
        };
        match NonNull::new(rk) {
            Some(rk) => {
                // The client owns the configuration now.
                conf.0 = std::ptr::null_mut();
                Ok(Self { rk, events })
            }
            None => Err(ClientError {
                code: code::NONE,
                text: events.secrets.scrub(&buffer_text(&text)),
            }),
        }
    }

    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_t {
        self.rk.as_ptr()
    }

    /// Runs the callbacks of errors that have come in.
    pub(crate) fn serve_events(&self) {
        // SAFETY: live client; returns at once.
        unsafe { sys::rd_kafka_poll(self.ptr(), 0) };
    }

    /// What went wrong since the last [`Self::forget_trouble`].
    pub(crate) fn trouble(&self) -> Trouble {
        self.serve_events();
        self.lock_trouble().clone()
    }

    /// The brokers have answered: earlier trouble is over.
    pub(crate) fn forget_trouble(&self) {
        *self.lock_trouble() = Trouble::default();
    }

    /// Takes the report of [`Trouble::unknown_partition`].
    pub(crate) fn take_unknown_partition(&self) -> Option<ClientError> {
        self.lock_trouble().unknown_partition.take()
    }

    /// `text` without the secrets of this client's properties.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.events.secrets.scrub(text)
    }

    fn lock_trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.events.lock_trouble()
    }
}

impl Events {
    fn lock_trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, error: ClientError) {
        let mut trouble = self.lock_trouble();
        match error.code {
            code::ALL_BROKERS_DOWN => {
                trouble.all_down_since.get_or_insert_with(Instant::now);
            }
            code::AUTHENTICATION | code::FATAL => trouble.fatal = Some(error),
            unknown if code::is_unknown_partition(unknown) => {
                trouble.unknown_partition = Some(error);
            }
            _ => trouble.last = Some(error),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        const NO_CONSUMER_CLOSE: c_int = 0x8;
        // SAFETY: live client, destroyed once; queues, topics and messages taken from it hold a
        // borrow or an owner of this value, so they are gone. No group was joined: nothing to leave.
        unsafe { sys::rd_kafka_destroy_flags(self.ptr(), NO_CONSUMER_CLOSE) }
    }
}

unsafe extern "C" fn on_error(
    _rk: *mut sys::rd_kafka_t,
    err: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer is the `Events` given to `rd_kafka_conf_set_opaque`, which outlives
    // the client; librdkafka passes a string that lives through the call.
    let (events, reason) = unsafe { (opaque.cast::<Events>().as_ref(), text_of(reason)) };
    if let Some(events) = events {
        let text = events.secrets.scrub(&reason);
        tracing::debug!(target: "weir::kafka", code = err, "{text}");
        events.note(ClientError { code: err, text });
    }
}

unsafe extern "C" fn on_log(
    rk: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    if rk.is_null() {
        return;
    }
    // SAFETY: a live client's opaque pointer is its `Events`; the strings live through the call.
    let (events, facility, text) = unsafe {
        (
            sys::rd_kafka_opaque(rk).cast::<Events>().as_ref(),
            text_of(facility),
            text_of(text),
        )
    };
    // `debug=conf` makes librdkafka dump its configuration.
    let Some(events) = events.filter(|_| !facility.contains("CONF")) else {
        return;
    };
    let text = events.secrets.scrub(&text);
    match level {
        0..=3 => tracing::warn!(target: "weir::kafka", "{facility}: {text}"),
        4 => tracing::info!(target: "weir::kafka", "{facility}: {text}"),
        _ => tracing::debug!(target: "weir::kafka", "{facility}: {text}"),
    }
}
