//! weir-benches
