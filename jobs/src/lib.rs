//! weir-jobs
