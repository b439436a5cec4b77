//! The driver: the process that will run jobs and know the executors. Empty until clusters exist.
