//! A template as a miner sees it, and the header that a miner made of it.
//!
//! Owns: the notify line, and the step from a share back to its header and block. Must not know: whose share it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::hex::DisplayHex;
use bitcoin::{BlockHash, Txid};

use super::codec::Submission;
use crate::template::{AssembleError, BlockTemplate, CoinbaseError, FoundHeader};
use crate::wire::ParsedBlock;

/// Bytes of extranonce1: the most that old firmware bears is far more, but 4 is what all of it was tried with.
pub const EXTRANONCE1_BYTES: usize = 4;
/// Bytes of extranonce2: what rentals and proxies ask for, and the most that cgminer takes.
pub const EXTRANONCE2_BYTES: usize = 8;
/// Bytes that make each job's coinbase another one, so that a miner that counts its extranonce2 from zero again makes no share
/// twice: 4 that this process drew by chance, 4 that count its jobs.
const JOB_NONCE_BYTES: usize = 8;
/// What a template leaves free in its coinbase: 8 + 4 + 8.
const FREE_BYTES: usize = JOB_NONCE_BYTES + EXTRANONCE1_BYTES + EXTRANONCE2_BYTES;

/// Makes jobs; each with another number and another coinbase, in this process and (by its chance bytes) in every other.
#[derive(Debug)]
pub struct JobMaker {
    process: u32,
    next: AtomicU64,
}

/// One piece of work. Never changes; shared by all miners that work on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    number: u64,
    template: Arc<BlockTemplate>,
    coinb1: Vec<u8>,
    coinb2: Vec<u8>,
    notify: Arc<str>,
    notify_clean: Arc<str>,
}

/// The bytes of a header and coinbase that its miner chose, of the lengths that they must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The session's.
    pub extranonce1: [u8; EXTRANONCE1_BYTES],
    /// The miner's.
    pub extranonce2: [u8; EXTRANONCE2_BYTES],
    /// The bits that it may roll.
    pub version_mask: u32,
    /// The bits that it did roll.
    pub version_bits: Option<u32>,
    /// Seconds since 1970.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u32,
}

impl Solution {
    /// Of a submission; none where its extranonce2 has another length.
    pub fn new(
        submission: &Submission,
        extranonce1: [u8; EXTRANONCE1_BYTES],
        version_mask: u32,
    ) -> Option<Solution> {
        Some(Solution {
            extranonce1,
            extranonce2: submission.extranonce2.as_slice().try_into().ok()?,
            version_mask,
            version_bits: submission.version_bits,
            ntime: submission.ntime,
            nonce: submission.nonce,
        })
    }
}

impl JobMaker {
    /// `process` is drawn by chance once a process.
    pub fn new(process: u32) -> JobMaker {
        JobMaker { process, next: AtomicU64::new(1) }
    }

    /// A new job of a template.
    pub fn make(&self, template: &Arc<BlockTemplate>) -> Result<Arc<Job>, CoinbaseError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let parts = template.coinbase_parts(FREE_BYTES)?;
        let mut coinb1 = parts.before;
        coinb1.extend_from_slice(&self.process.to_be_bytes());
        // The low half: after 2^32 jobs of one process the parent is another one.
        coinb1.extend(number.to_be_bytes().into_iter().skip(4));
        let notify = |clean| notify_line(number, template, &coinb1, &parts.after, clean).into();
        Ok(Arc::new(Job {
            number,
            template: Arc::clone(template),
            notify: notify(false),
            notify_clean: notify(true),
            coinb1,
            coinb2: parts.after,
        }))
    }
}

impl Job {
    /// Its number; on the wire in lowercase hex.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it was made of.
    pub fn template(&self) -> &Arc<BlockTemplate> {
        &self.template
    }

    /// The parent.
    pub fn prev(&self) -> BlockHash {
        self.template.prev
    }

    /// `mining.notify`, with its line end.
    pub fn notify(&self, clean_jobs: bool) -> Arc<str> {
        Arc::clone(if clean_jobs { &self.notify_clean } else { &self.notify })
    }

    /// The header that was hashed.
    pub fn header(&self, solution: &Solution) -> Header {
        let mut engine = sha256d::Hash::engine();
        for part in self.coinbase(solution) {
            engine.input(part);
        }
        let coinbase = Txid::from_raw_hash(sha256d::Hash::from_engine(engine));
        self.template.header(coinbase, &self.found(solution))
    }

    /// The whole block, the coinbase's witness put back.
    pub fn block(&self, solution: &Solution) -> Result<ParsedBlock, AssembleError> {
        self.template.assemble(&self.coinbase(solution).concat(), &self.found(solution))
    }

    fn coinbase<'a>(&'a self, solution: &'a Solution) -> [&'a [u8]; 4] {
        [&self.coinb1, &solution.extranonce1, &solution.extranonce2, &self.coinb2]
    }

    fn found(&self, solution: &Solution) -> FoundHeader {
        let base = self.template.version.to_consensus().cast_unsigned();
        let mask = solution.version_mask;
        // A miner that names no bits rolled none (BIP320).
        let version = solution.version_bits.map_or(base, |bits| (base & !mask) | (bits & mask));
        FoundHeader {
            version: Version::from_consensus(version.cast_signed()),
            time: solution.ntime,
            nonce: solution.nonce,
        }
    }
}

fn notify_line(number: u64, template: &BlockTemplate, coinb1: &[u8], coinb2: &[u8], clean: bool) -> String {
    let branch: Vec<String> =
        template.merkle_branch.iter().map(|h| format!("\"{}\"", serialize_hex(h))).collect();
    format!(
        "{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{number:x}\",\"{prev}\",\"{coinb1}\",\"{coinb2}\",\
         [{branch}],\"{version:08x}\",\"{bits:08x}\",\"{time:08x}\",{clean}]}}\n",
        prev = prev_words(&template.prev),
        coinb1 = coinb1.as_hex(),
        coinb2 = coinb2.as_hex(),
        branch = branch.join(","),
        version = template.version.to_consensus(),
        bits = template.bits.to_consensus(),
        time = template.time,
    )
}

/// The parent as notify has it: eight words of four bytes in the order of the header, the bytes within each turned round.
fn prev_words(prev: &BlockHash) -> String {
    let mut bytes = prev.to_byte_array();
    bytes.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    bytes.to_lower_hex_string()
}

#[cfg(test)]
#[path = "job/tests.rs"]
mod tests;
