//! weir-executor
