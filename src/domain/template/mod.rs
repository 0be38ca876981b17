//! Blocks to be mined: what the pool hashes on.
