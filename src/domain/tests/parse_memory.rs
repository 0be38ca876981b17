//! What the worst bytes make the parser ask for: a binary of its own, as its allocator counts and nothing else may run beside it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]

use std::sync::Arc;

use adit_domain::wire::{PARSED_BYTES_PER_BYTE_MAX, ParsedBlock, ParsedTx};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const BYTES: usize = 1_000_000;
/// Beside what follows the bytes: a batch of hashes.
const BESIDE: usize = 16 << 10;

const VERSION: [u8; 4] = [2, 0, 0, 0];
const LOCK_TIME: [u8; 4] = [0; 4];
/// The largest count that is allowed.
const COUNT_MAX: [u8; 5] = [0xfe, 0, 0, 0, 2];

/// A CompactSize in its shortest form.
fn count(number: usize) -> Vec<u8> {
    bitcoin::consensus::serialize(&bitcoin::VarInt(number as u64))
}

/// As many of `element` as the bytes take, announced, between others.
fn filled(before: &[&[u8]], element: &[u8], after: &[&[u8]]) -> Vec<u8> {
    let number = BYTES / element.len();
    [&before.concat(), count(number).as_slice(), &element.repeat(number), &after.concat()].concat()
}

fn peak(parse: impl FnOnce() -> bool, parses: bool) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    assert_eq!(parse(), parses);
    MEMORY.peak_usage() - before
}

fn within(name: &str, length: usize, peak: usize) {
    println!("{name}: {:.2} bytes a byte", peak as f64 / length as f64);
    assert!(peak <= length * PARSED_BYTES_PER_BYTE_MAX + BESIDE, "{name}: {peak} for {length}");
}

fn check_tx(name: &str, raw: &[u8], parses: bool) {
    within(name, raw.len(), peak(|| ParsedTx::decode(raw).is_ok(), parses));
    let block = [&[0; 80], [1].as_slice(), raw].concat();
    check_block(name, &block, parses);
}

fn check_block(name: &str, raw: &[u8], parses: bool) {
    let shared: Arc<[u8]> = raw.into();
    within(name, raw.len(), peak(|| ParsedBlock::decode_shared(shared).is_ok(), parses));
}

#[test]
fn memory_follows_the_bytes() {
    let input = [[7; 36].as_slice(), &[0], &[0xff; 4]].concat();
    let input_with_script = [[7; 36].as_slice(), &[1, 0x51], &[0xff; 4]].concat();
    let head = [&VERSION, [0, 1].as_slice(), &[1], &input, &[0]].concat();
    let zeros = vec![0; BYTES];

    check_tx("inputs", &filled(&[&VERSION], &input, &[&[0], &LOCK_TIME]), true);
    check_tx(
        "inputs with a byte of script",
        &filled(&[&VERSION], &input_with_script, &[&[0], &LOCK_TIME]),
        true,
    );
    check_tx("outputs", &filled(&[&VERSION, &[1], &input], &[0; 9], &[&LOCK_TIME]), true);
    let output = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0x51];
    check_tx(
        "outputs with a byte of script",
        &filled(&[&VERSION, &[1], &input], &output, &[&LOCK_TIME]),
        true,
    );
    check_tx("empty witness items", &filled(&[&head], &[0], &[&LOCK_TIME]), true);
    check_tx("witness items of a byte", &filled(&[&head], &[1, 0x51], &[&LOCK_TIME]), true);
    let many = BYTES / 44;
    let witnesses = [
        &VERSION,
        [0, 1].as_slice(),
        &count(many),
        &input.repeat(many),
        &[0],
        &[1, 1, 0x51].repeat(many),
        &LOCK_TIME,
    ];
    check_tx("an input, a witness", &witnesses.concat(), true);
    let tx = [&VERSION, [0, 0].as_slice(), &LOCK_TIME].concat();
    check_block("transactions", &filled(&[&[0; 80]], &tx, &[]), true);

    // Announced, and not there: once inside another.
    let inputs = [&VERSION, COUNT_MAX.as_slice(), &zeros].concat();
    check_tx("inputs that are not there", &inputs[..BYTES / 50], false);
    check_tx(
        "outputs that are not there",
        &[&VERSION, [1].as_slice(), &input, &COUNT_MAX, &[0; 8]].concat(),
        false,
    );
    check_tx("witness items that are not there", &[&head, COUNT_MAX.as_slice(), &zeros].concat(), false);
    let tx = filled(&[&head], &[0], &[&LOCK_TIME]);
    let others = [[0; 80].as_slice(), &COUNT_MAX, &tx].concat();
    check_block("witness items before transactions that are not there", &others, false);
    let all = [&[0; 80], COUNT_MAX.as_slice(), &head, &COUNT_MAX, &zeros].concat();
    check_block("witness items in transactions that are not there", &all, false);
    check_block("transactions that are not there", &[&[0; 80], COUNT_MAX.as_slice()].concat(), false);
}
