//! Mainnet's own blocks, with their bytes changed, by themselves: no chain stands below them.

use adit_domain::consensus::{Params, check_block};
use adit_domain::wire::ParsedBlock;
use bitcoin::Block;
use bitcoin::consensus::{deserialize, serialize};

use super::super::chance::Chance;
use super::super::child::Oracle;
use super::sides::Class;
use crate::blocks::read;
use crate::vectors;

/// Changes of each block.
const CHANGES: usize = 40;

const BLOCKS: [&str; 7] = [
    "blocks/mainnet-363703.block",
    "blocks/mainnet-367891.block.zst",
    "blocks/mainnet-383616.block",
    "blocks/mainnet-413567.block",
    "blocks/mainnet-481815.block",
    "blocks/mainnet-481829.block",
    "blocks/mainnet-866342.block.zst",
];

/// What both say of a block by itself; none where the bytes do not decode.
type Verdict = Option<Result<(), Class>>;

fn ours(raw: &[u8], params: &Params) -> Verdict {
    let block = ParsedBlock::decode(raw).ok()?;
    Some(check_block(&block, params).map_err(|error| Class::of_reject(&error.to_string())))
}

fn theirs(raw: &[u8], oracle: &mut Oracle) -> Verdict {
    let answer = oracle.ask(&[&[4], raw].concat()).unwrap();
    match answer[0] {
        254 => None,
        0 => Some(Ok(())),
        class => Some(Err(Class::of_byte(class).expect("a class"))),
    }
}

/// Another block under the same header, of which nothing is mined again: its bytes, or its list of transactions, changed.
fn changed(raw: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut raw = raw.to_vec();
    let kind = chance.below(7);
    if kind == 0 {
        // In the header, where nearly all that matters is its work.
        let bit = chance.below(640);
        raw[bit / 8] ^= 1 << (bit % 8);
        return raw;
    }
    if kind == 1 {
        let bit = 648 + chance.below(raw.len() * 8 - 648);
        raw[bit / 8] ^= 1 << (bit % 8);
        return raw;
    }
    let mut block: Block = deserialize(&raw).expect("it is mainnet's");
    let txs = &mut block.txdata;
    let count = txs.len();
    match kind {
        2 => txs.swap(chance.below(count), chance.below(count)),
        3 => drop(txs.remove(chance.below(count))),
        4 => txs.push(txs[count - 1].clone()),
        // CVE-2012-2459, where the tree lets it: the last leaves again.
        5 => txs.extend_from_within(count - (1 << chance.below(4)).min(count)..),
        _ => txs.iter_mut().flat_map(|tx| &mut tx.input).for_each(|input| input.witness.clear()),
    }
    serialize(&block)
}

#[test]
fn blocks_of_mainnet_agree_by_themselves() {
    let Some(mut oracle) = Oracle::start("blocks", &[]) else { return };
    let (params, mut chance) = (Params::mainnet(), Chance::new(super::setting("ADIT_ORACLE_SEED", 1)));
    for name in BLOCKS {
        let Some(path) = vectors::data(name) else { return };
        let raw = read(&path);
        assert_eq!((ours(&raw, &params), theirs(&raw, &mut oracle)), (Some(Ok(())), Some(Ok(()))), "{name}");
        let mut refused = 0;
        for n in 0..CHANGES {
            let other = changed(&raw, &mut chance);
            let (ours, theirs) = (ours(&other, &params), theirs(&other, &mut oracle));
            // What has bytes left over Core reads as the block in front of them.
            let longer = ours.is_none() && matches!(theirs, Some(Err(_)));
            assert!(ours == theirs || longer, "{name}, change {n}: {ours:?}, core {theirs:?}");
            refused += u32::from(ours != Some(Ok(())));
        }
        println!("{name}: {CHANGES} changes, {refused} refused by both");
    }
}
