//! What may be fed to Adit from outside, fed to it at random.
//!
//! Owns: one function a fuzz target, with what must hold for any bytes whatever; the targets themselves are one line each.
//! Must not know: files, or where the bytes come from. A function returns for every input, or it has found something.

mod bytes;
mod decoders;
mod files;
mod headers;
mod interpreter;
mod lines;
mod plan;
mod scripts;

/// Flags and files of settings, as the program reads them.
pub use adit::probe::{conf, flags, toml};
/// What JSON-RPC, REST and ZeroMQ read of strangers, as the server reads it.
pub use adit_compat::probe::{argument, output, psbt, request, rest, subscriber};
pub use decoders::{block, transaction, witness};
pub use files::{bans_file, block_file, mempool_file, peers_file, snapshot};
pub use headers::header;
pub use interpreter::{interpreter, sighash};
pub use lines::{peer, stratum};
pub use scripts::script;
