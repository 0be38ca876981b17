//! Generates the gRPC code from the .proto files, without a protoc on the machine.
fn main() {}
