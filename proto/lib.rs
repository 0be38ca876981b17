//! Adit's gRPC interface: what `adit/v1/*.proto` says, as Rust types, clients and servers.
//!
//! Owns: the generated code. Must not know: anything else; only the rpc actor and the `adit ctl` client use it.

/// Version 1 of the interface.
#[allow(missing_docs, unreachable_pub, reason = "generated; the documentation stands in the .proto files")]
#[allow(
    clippy::all,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("adit.v1");
}

/// The descriptors of all of it, encoded, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/adit_descriptors.bin"));
