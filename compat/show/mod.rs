//! Blocks, transactions and scripts as Core shows them.

mod asm;
mod block;
mod descriptor;
mod kept;
mod script;
mod tx;

pub(crate) use asm::asm;
pub(crate) use block::{Inside, TxDetail, block, difficulty, header, target};
pub(crate) use descriptor::{checksum, with_checksum};
pub(crate) use kept::KeptBlocks;
pub(crate) use script::{address, kind, script};
pub(crate) use tx::{Prevouts, transaction};

/// Eight digits in hex.
pub(crate) fn hex32(number: u32) -> crate::json::Json {
    crate::json::Json::from(format!("{number:08x}"))
}

#[cfg(test)]
mod tests;
