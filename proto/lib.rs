//! Adit's gRPC interface.
