//! A schema registry with Confluent's HTTP API: schemas by id and by subject, each asked for once, and schemas registered.
//!
//! What it guarantees: a request ends, with an answer or an error that names the address and what was asked for, and no secret. What
//! may be over with the next request (no answer, an error of the registry's own) is tried again as often as the settings say. The
//! registry is talked to on a thread of its own, so that a function that waits for it keeps no connection waiting.

mod answer;
mod client;
mod http;
mod register;

pub use client::SchemaRegistryClient;
pub use register::REGISTER_OPTIONS;
