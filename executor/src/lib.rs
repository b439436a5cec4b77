//! The executor: the process that will run tasks for a driver. Empty until clusters exist.
