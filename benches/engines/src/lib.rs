//! Adit's engines beside Bitcoin Core's: what the benches in this crate measure with.
