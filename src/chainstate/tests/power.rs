//! The whole engine on a disk that loses, tears and fails: database, block and undo files are cut at one moment.

use std::collections::HashMap;
use std::io::ErrorKind;

use super::sim::{CUTS, Chance, Cut, Failure, Image, Sim};
use super::*;
use crate::types::ChainFault;

/// How often a test of chance tries; more where `ADIT_TEST_TRIES` asks for it.
pub(super) fn tries(default: usize) -> usize {
    std::env::var("ADIT_TEST_TRIES").ok().and_then(|t| t.parse().ok()).unwrap_or(default)
}

/// Paths on a simulated disk are the same in each life; the folder itself holds only the lock and the format.
pub(super) struct Machine {
    pub(super) dir: tempfile::TempDir,
}

impl Machine {
    pub(super) fn new() -> Machine {
        Machine { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn store(&self, sim: &Sim) -> Result<Store, ChainFault> {
        let dir = DataDir::open(self.dir.path(), "regtest").unwrap();
        Ok(Store::with_disk(dir, Arc::new(sim.clone()))?)
    }

    pub(super) fn open(&self, sim: &Sim) -> Result<Chainstate, ChainFault> {
        let store = Arc::new(self.store(sim)?);
        let config =
            ChainConfig { cache_mib: 64, script_threads: 1, ..ChainConfig::new(Arc::new(Params::regtest())) };
        Chainstate::open(config, store, Arc::new(Interpreter))
    }
}

/// A disk that fails at any of the operations of a whole walk: full or broken, once or from then on.
pub(super) fn failing(round: usize, whole: &Sim, chance: &mut Chance) -> (Sim, Failure) {
    let at = 1 + chance.below(whole.operations());
    let kind = [ErrorKind::StorageFull, ErrorKind::Other][round % 2];
    let failure = Failure { at, kind, stays: !round.is_multiple_of(3) };
    let sim = Sim::new();
    sim.fail(Some(failure));
    (sim, failure)
}

/// A chain that is left twice for another one, in the order in which its blocks come.
pub(super) fn blocks() -> Vec<Arc<ParsedBlock>> {
    let mut trunk = busy_chain();
    trunk.mine_empty(3);
    let (mut one, mut two) = (trunk.fork(2), trunk.fork(3));
    for index in 0..3 {
        one.mine(vec![spend(&[trunk.reward(20 + index)], 4, 10)]);
    }
    for index in 0..5 {
        two.mine(vec![spend(&[trunk.reward(21 + index)], 3, 20)]);
    }
    let mut blocks = [trunk.blocks, one.blocks.clone(), two.blocks].concat();
    one.mine_empty(4);
    blocks.extend_from_slice(&one.blocks[3..]);
    blocks
}

/// What is done now and then beside blocks.
fn tidy(chain: &mut Chainstate, number: usize) -> Result<(), ChainFault> {
    if number % 5 == 4 {
        chain.flush()?;
    }
    if number % 3 == 2 {
        chain.maintain()?;
    }
    Ok(())
}

pub(super) fn tip(chain: &Chainstate) -> BlockHash {
    chain.reader().tip().hash
}

/// The coins at each tip that there is on the way.
pub(super) fn undisturbed(blocks: &[Arc<ParsedBlock>]) -> HashMap<BlockHash, UtxoStats> {
    let machine = Machine::new();
    let mut chain = machine.open(&Sim::new()).unwrap();
    let mut stats = HashMap::new();
    stats.insert(tip(&chain), chain.utxo_stats().unwrap().run().unwrap());
    for block in blocks {
        chain.accept_block(Arc::clone(block), now()).unwrap();
        stats.insert(tip(&chain), chain.utxo_stats().unwrap().run().unwrap());
    }
    stats
}

/// Opens what a power cut left: at one of the tips, with its coins, and it goes on from there.
#[track_caller]
fn check_image(
    machine: &Machine,
    image: &Image,
    tips: &[BlockHash],
    (blocks, stats): (&[Arc<ParsedBlock>], &HashMap<BlockHash, UtxoStats>),
    what: &str,
) {
    let mut chain = machine.open(&Sim::of(image)).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let found = tip(&chain);
    assert!(tips.contains(&found), "{what}: tip {found}, acknowledged {tips:?}");
    assert_eq!(chain.utxo_stats().unwrap().run().as_ref(), Ok(&stats[&found]), "{what}");
    for block in blocks {
        chain.accept_block(Arc::clone(block), now()).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    while chain.advance().unwrap().is_some() {}
    let last = blocks.last().unwrap().hash();
    assert_eq!(tip(&chain), last, "{what}");
    assert_eq!(chain.utxo_stats().unwrap().run().as_ref(), Ok(&stats[&last]), "{what}");
}

#[test]
fn a_power_cut_at_any_sync_leaves_a_chain_with_every_block_that_was_acknowledged() {
    let blocks = blocks();
    let stats = undisturbed(&blocks);
    let machine = Machine::new();
    let rounds = tries(1) as u64;
    let mut images = 0;
    for seed in 0..rounds {
        let (sim, mut chance) = (Sim::new(), Chance::new(seed));
        let mut chain = machine.open(&sim).unwrap();
        let acted = |number: usize, chance: &mut Chance| number > 95 && chance.below(8) == 0;
        for (number, block) in blocks.iter().enumerate() {
            let looked_at = acted(number, &mut chance);
            let before = tip(&chain);
            if looked_at {
                sim.capture(seed * 1000 + number as u64);
            }
            chain.accept_block(Arc::clone(block), now()).unwrap();
            tidy(&mut chain, number).unwrap();
            let after = tip(&chain);
            sim.stop_capturing();
            let taken = sim.take_images();
            // The datadir's lock is held by one engine at a time.
            if !taken.is_empty() {
                drop(chain);
                let now = sim.image(Cut::None, &mut chance);
                check_image(&machine, &now, &[after], (&blocks, &stats), &format!("after block {number}"));
                for (cut, image) in taken {
                    let what = format!("seed {seed}, block {number}, {cut:?}");
                    check_image(&machine, &image, &[before, after], (&blocks, &stats), &what);
                    images += 1;
                }
                chain = machine.open(&sim).unwrap();
            }
        }
    }
    println!("{rounds} rounds, {images} images");
    assert!(images > 0);
}

#[test]
fn a_disk_that_fails_anywhere_is_our_fault_and_never_the_blocks() {
    let blocks = blocks();
    let stats = undisturbed(&blocks);
    let machine = Machine::new();
    let whole = Sim::new();
    let mut chain = machine.open(&whole).unwrap();
    for (number, block) in blocks.iter().enumerate() {
        chain.accept_block(Arc::clone(block), now()).unwrap();
        tidy(&mut chain, number).unwrap();
    }
    drop(chain);
    let (rounds, mut chance, mut faults) = (tries(6), Chance::new(9), 0);
    for round in 0..rounds {
        let (sim, failure) = failing(round, &whole, &mut chance);
        let mut tips = vec![Params::regtest().genesis_hash];
        if let Ok(mut chain) = machine.open(&sim) {
            for (number, block) in blocks.iter().enumerate() {
                let before = tip(&chain);
                let done = chain.accept_block(Arc::clone(block), now());
                let failed = match done {
                    Ok(_) => tidy(&mut chain, number).err().map(SubmitError::Fault),
                    Err(error) => Some(error),
                };
                // Of a block that was under way, either; of one that had moved the tip, this tip.
                tips = vec![tip(&chain)];
                if let Some(error) = failed {
                    assert!(matches!(error, SubmitError::Fault(_)), "{failure:?}: {error}");
                    tips.extend([before, block.hash()]);
                    // Whatever is said after that, no more is claimed than is there.
                    let _ = chain.flush();
                    faults += 1;
                    break;
                }
            }
        }
        for cut in CUTS {
            let image = sim.image(cut, &mut chance);
            check_image(&machine, &image, &tips, (&blocks, &stats), &format!("{failure:?}, {cut:?}"));
        }
    }
    println!("{rounds} rounds, {faults} faults");
    assert!(faults > 0);
}
