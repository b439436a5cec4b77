//! kill -9, anywhere: never a duplicate, never a half batch, nothing lost.
