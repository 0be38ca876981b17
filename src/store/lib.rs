//! Adit's disk.
