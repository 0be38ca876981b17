//! Adit's data plane.
