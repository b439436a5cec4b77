//! weir-driver
