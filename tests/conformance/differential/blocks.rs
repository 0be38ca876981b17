//! Whole blocks: Adit's chainstate beside Core's, on regtest chains made by chance.
//!
//! After each header and block is compared: the verdict, its class and reason, the tip, and of each block that joined the
//! best chain what it spent. `ADIT_ORACLE_BLOCKS` says how many blocks are sent.

mod alone;
mod locks;
mod mutants;
mod session;
mod sides;
mod signet;
mod world;

use std::path::PathBuf;

use super::child::Oracle;
use super::setting;
use session::{Found, Session, Tally, WALK};

/// Blocks where nothing else is said: half a minute.
const BLOCKS: u64 = 3_000;
/// From so many blocks on every reason must have come up.
const ENOUGH: u64 = 10_000;

/// Every reason to refuse a block that can come up on regtest, but those of scripts.
const REASONS: &[&str] = &[
    "high-hash",
    "bad-diffbits",
    "time-too-old",
    "time-too-new",
    "bad-version",
    "prev-blk-not-found",
    "bad-prevblk",
    "duplicate-invalid",
    "bad-txnmrklroot",
    "bad-txns-duplicate",
    "bad-blk-length",
    "bad-cb-missing",
    "bad-cb-multiple",
    "bad-cb-length",
    "bad-cb-height",
    "bad-cb-amount",
    "bad-txns-vin-empty",
    "bad-txns-vout-empty",
    "bad-txns-vout-negative",
    "bad-txns-vout-toolarge",
    "bad-txns-txouttotal-toolarge",
    "bad-txns-inputs-duplicate",
    "bad-txns-prevout-null",
    "bad-txns-inputs-missingorspent",
    "bad-txns-premature-spend-of-coinbase",
    "bad-txns-in-belowout",
    "bad-txns-nonfinal",
    "bad-blk-sigops",
    "bad-blk-weight",
    "bad-witness-nonce-size",
    "bad-witness-merkle-match",
    "unexpected-witness",
];

#[test]
fn blocks_agree() {
    let Some(mut oracle) = Oracle::start("blocks", &[]) else { return };
    let (wanted, mut seed) = (setting("ADIT_ORACLE_BLOCKS", BLOCKS), setting("ADIT_ORACLE_SEED", 1));
    let mut tally = Tally::default();
    println!("differential blocks: {wanted} blocks from seed {seed}");
    while tally.blocks < wanted {
        let walked = Session::open(oracle, seed, &mut tally).and_then(|mut session| {
            session.walk(WALK)?;
            session.end()
        });
        oracle = walked.unwrap_or_else(|found| panic!("{}", told(&found)));
        if seed % 25 == 0 {
            println!("  seed {seed} done, {} blocks", tally.blocks);
        }
        seed += 1;
    }
    let Tally { blocks, headers, reorganisations, deepest, met_before, .. } = &tally;
    println!("differential blocks: {blocks} blocks, {headers} headers, seeds up to {seed}");
    println!(
        "  {reorganisations} reorganisations of up to {deepest} blocks, {met_before} transactions in the cache"
    );
    println!("{}", tally.table());
    if tally.blocks >= ENOUGH {
        let reasons = tally.reasons();
        assert!(tally.met_before > 0, "no transaction was in the cache");
        let never: Vec<_> = REASONS.iter().filter(|reason| !reasons.contains_key(**reason)).collect();
        assert!(never.is_empty(), "no block was refused as {never:?}");
    }
}

/// What came apart, in words; the bytes go to a file.
fn told(found: &Found) -> String {
    let Found { seed, message, name, raw, apart } = found;
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let file: PathBuf = std::env::temp_dir().join(format!("adit-apart-{seed}-{message}.hex"));
    let kept = std::fs::write(&file, &hex).map_or_else(|e| e.to_string(), |()| file.display().to_string());
    let shown = hex.get(..4_000).unwrap_or(&hex);
    format!("ADIT_ORACLE_SEED={seed}, message {message}, {name}: {apart}\n  bytes (whole: {kept}): {shown}")
}
