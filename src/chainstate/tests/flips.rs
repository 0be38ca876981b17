//! Bits that flip at rest in blocks, undo data and what lies beside them: each is noticed, or changes nothing.

use std::collections::HashMap;

use super::power::{Machine, blocks, tip, tries, undisturbed};
use super::sim::{Chance, Cut, Image, Sim};
use super::*;

/// What became of a flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flipped {
    Noticed,
    Harmless,
}

/// Reads every block and goes to another branch and back: over every undo record that is younger than the fork.
#[track_caller]
fn use_all(
    chain: &mut Chainstate,
    stats: &HashMap<BlockHash, UtxoStats>,
    (known, more): (&[Arc<ParsedBlock>], &[Arc<ParsedBlock>]),
    what: &str,
) -> Flipped {
    let Ok(now_stats) = chain.utxo_stats().map_err(|_| ()).and_then(|job| job.run().map_err(|_| ())) else {
        return Flipped::Noticed;
    };
    // What was torn off behind the last flush is asked for again.
    assert_eq!(Some(&now_stats), stats.get(&tip(chain)), "{what}");
    for block in known {
        match chain.reader().block(&block.hash()) {
            Ok(Some(read)) => assert_eq!(read.raw(), block.raw(), "{what}"),
            Ok(None) => {}
            Err(_) => return Flipped::Noticed,
        }
    }
    for block in known.iter().chain(more) {
        match chain.accept_block(Arc::clone(block), now()) {
            Ok(_) => {}
            Err(SubmitError::Fault(_)) => return Flipped::Noticed,
            Err(error) => panic!("{what}: {error}"),
        }
    }
    let Ok(job) = chain.utxo_stats() else { return Flipped::Noticed };
    assert_eq!(job.run().as_ref().ok(), stats.get(&tip(chain)), "{what}");
    Flipped::Harmless
}

/// A branch that takes the place of the last seven blocks.
fn rival(known: &[Arc<ParsedBlock>]) -> Vec<Arc<ParsedBlock>> {
    // The fifth block of the second branch, see `power::blocks`.
    let on = &known[known.len() - 5];
    let mut branch = Branch { tip: on.hash(), height: 128, tag: 9, blocks: Vec::new() };
    branch.mine_empty(3);
    branch.blocks
}

#[test]
fn no_flipped_bit_of_block_and_undo_files_is_answered_from() {
    let known = blocks();
    let more = rival(&known);
    let stats = undisturbed(&[known.clone(), more.clone()].concat());
    let (machine, sim, mut chance) = (Machine::new(), Sim::new(), Chance::new(1));
    let mut chain = machine.open(&sim).unwrap();
    for (number, block) in known.iter().enumerate() {
        chain.accept_block(Arc::clone(block), now()).unwrap();
        if number % 40 == 39 || number + 4 == known.len() {
            chain.flush().unwrap();
        }
    }
    drop(chain);
    let image: Image = sim.image(Cut::All, &mut chance);
    let files: Vec<_> = image.keys().filter(|path| !image[*path].is_empty()).cloned().collect();
    let (mut noticed, mut harmless) = (0, 0);
    let tries = tries(24);
    for n in 0..tries {
        let path = &files[n % files.len()];
        let (byte, bit) = (chance.below(image[path].len() as u64) as usize, chance.below(8));
        let mut flipped = image.clone();
        let mut bytes = image[path].to_vec();
        bytes[byte] ^= 1 << bit;
        flipped.insert(path.clone(), Arc::new(bytes));
        let what = format!("bit {bit} of byte {byte} of {}", path.display());
        let became = match machine.open(&Sim::of(&flipped)) {
            Ok(mut chain) => use_all(&mut chain, &stats, (&known, &more), &what),
            Err(_) => Flipped::Noticed,
        };
        match became {
            Flipped::Noticed => noticed += 1,
            Flipped::Harmless => harmless += 1,
        }
    }
    println!("{tries} flips in {} files: {noticed} noticed, {harmless} harmless", files.len());
    assert!(noticed > 0);
}

/// The key of the block files, and the format's two words.
#[test]
fn a_flipped_bit_of_the_key_or_the_format_is_noticed_before_anything_is_written() {
    let branch = busy_chain();
    let key = adit_store::XorKey::new([3, 1, 4, 1, 5, 9, 2, 6]);
    let fresh = tempfile::tempdir().unwrap();
    let open = |path: &Path| -> Result<Chainstate, String> {
        let dir = DataDir::open(path, "regtest").map_err(|e| e.to_string())?;
        let store = Store::open_with_key(dir, key).map_err(|e| e.to_string())?;
        let config = ChainConfig { script_threads: 1, ..ChainConfig::new(Arc::new(Params::regtest())) };
        Chainstate::open(config, Arc::new(store), Arc::new(Interpreter)).map_err(|e| e.to_string())
    };
    let mut chain = open(fresh.path()).unwrap();
    for block in &branch.blocks {
        chain.accept_block(Arc::clone(block), now()).unwrap();
    }
    chain.flush().unwrap();
    drop(chain);
    let base = fresh.path().join("regtest");
    let blocks = base.join("blocks").join("blk00000.dat");
    let before = std::fs::read(&blocks).unwrap();
    for file in [base.join("blocks").join("xor.dat"), base.join("format")] {
        let whole = std::fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, &bytes).unwrap();
            if let Ok(chain) = open(fresh.path()) {
                let reader = chain.reader();
                assert_eq!(reader.block(&branch.tip).ok().flatten().as_ref(), branch.blocks.last(), "{bit}");
            }
            assert_eq!(std::fs::read(&blocks).unwrap(), before, "bit {bit} of {}", file.display());
        }
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(open(fresh.path()).map(|chain| tip(&chain)), Ok(branch.tip));
}
