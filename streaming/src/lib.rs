//! weir-streaming
