//! The binary. Everything stands in the library beside it.
//!
//! Owns: the entry, the allocator. Must not know: a rule, an actor, a key of the configuration.

use std::process::ExitCode;

/// Blocks are parsed into many small pieces, on one thread, and freed on others: docs/decisions/0006-allocator.md has the
/// figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    adit::main()
}
