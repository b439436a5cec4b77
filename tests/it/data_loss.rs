//! Records that are gone before they were read.
