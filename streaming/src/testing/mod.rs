//! In-memory twins of everything the runtime is handed, which fail or wait where a test says so.

mod clock;
mod letters;
mod listeners;
mod runner;
mod script;
mod sink;
mod source;
mod store;
mod write_exec;

pub(crate) use clock::TestClock;
pub(crate) use letters::MemoryLetters;
pub(crate) use listeners::{DiesAt, Events};
pub(crate) use runner::MemoryRunner;
pub(crate) use script::{Action, Gate, Script};
pub(crate) use sink::MemorySink;
pub(crate) use source::MemorySource;
pub(crate) use store::ScriptedStore;
