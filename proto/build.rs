//! Generates the gRPC code from the .proto files, without a protoc on the machine.

use std::path::PathBuf;
use std::{env, error, fs};

use prost::Message;

const PROTOS: [&str; 6] = [
    "adit/v1/admin.proto",
    "adit/v1/event.proto",
    "adit/v1/index.proto",
    "adit/v1/node.proto",
    "adit/v1/pool.proto",
    "adit/v1/snapshot.proto",
];

fn main() -> Result<(), Box<dyn error::Error>> {
    for proto in PROTOS {
        println!("cargo::rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(PROTOS, ["."])?;
    // For the reflection service; with comments, so that a client shows what a field means.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("adit_descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
