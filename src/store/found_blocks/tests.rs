use bitcoin::Network;
use bitcoin::constants::genesis_block;

use super::*;
use crate::tests::sim::{CUTS, Chance, Failure, Sim};
use crate::tests::tries;

fn block(nonce: u32) -> ParsedBlock {
    let mut block = genesis_block(Network::Regtest);
    block.header.nonce = nonce;
    ParsedBlock::new(block)
}

fn hashes(found: &FoundBlocks) -> Vec<BlockHash> {
    found.all().unwrap().iter().map(ParsedBlock::hash).collect()
}

#[test]
fn a_block_is_kept_until_the_chain_has_answered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("found");
    let found = FoundBlocks::open(&folder).unwrap();
    let (one, two) = (block(1), block(2));
    found.keep(&one).unwrap();
    found.keep(&one).unwrap();
    found.keep(&two).unwrap();
    // Another process begins with both.
    let found = FoundBlocks::open(&folder).unwrap();
    assert_eq!(hashes(&found).len(), 2);
    assert!(found.all().unwrap().iter().any(|b| b.raw() == one.raw()));
    found.forget(&one.hash()).unwrap();
    found.forget(&one.hash()).unwrap();
    assert_eq!(hashes(&found), [two.hash()]);
}

#[test]
fn what_is_not_a_whole_block_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    found.keep(&block(1)).unwrap();
    fs::write(dir.path().join("cut.new"), &block(2).raw()[..80]).unwrap();
    fs::write(dir.path().join("damaged.block"), &block(3).raw()[..80]).unwrap();
    assert_eq!(hashes(&found), [block(1).hash()]);
}

#[test]
fn what_was_not_written_to_its_end_is_taken_away_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    FoundBlocks::open(dir.path()).unwrap().keep(&block(1)).unwrap();
    fs::write(dir.path().join("cut.new"), &block(2).raw()[..80]).unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    assert_eq!((hashes(&found), dir.path().join("cut.new").exists()), (vec![block(1).hash()], false));
}

#[test]
fn what_is_forgotten_while_the_folder_is_read_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    found.keep(&block(1)).unwrap();
    // Listed, and gone when it is opened.
    std::os::unix::fs::symlink(dir.path().join("gone"), dir.path().join("listed.block")).unwrap();
    assert_eq!(hashes(&found), [block(1).hash()]);
}

#[test]
fn the_folder_does_not_grow_without_limit() {
    let dir = tempfile::tempdir().unwrap();
    let found = FoundBlocks::open(dir.path()).unwrap();
    for n in 0..KEPT_MAX {
        fs::write(dir.path().join(format!("{n}.block")), []).unwrap();
    }
    assert!(matches!(found.keep(&block(1)), Err(StoreFault::Io { .. })));
    // What is there already needs no more room.
    fs::rename(dir.path().join("0.block"), dir.path().join(format!("{}.block", block(2).hash()))).unwrap();
    found.keep(&block(2)).unwrap();
}

#[test]
fn a_folder_that_cannot_be_had_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("found");
    fs::write(&taken, []).unwrap();
    assert!(matches!(FoundBlocks::open(&taken), Err(StoreFault::Io { .. })));
}

/// A block more, or one less; what should be kept then, and how it went.
fn step(found: &FoundBlocks, kept: &[BlockHash], n: u32, chance: &mut Chance) -> (Vec<BlockHash>, bool) {
    let mut next = kept.to_vec();
    let done = if kept.len() > chance.below(6) as usize {
        let hash = next.remove(chance.below(kept.len() as u64) as usize);
        found.forget(&hash)
    } else {
        next.push(block(n).hash());
        found.keep(&block(n))
    };
    next.sort();
    (next, done.is_ok())
}

fn on(sim: &Sim) -> FoundBlocks {
    FoundBlocks::open_on(Arc::new(sim.clone()), Path::new("found"))
}

#[track_caller]
fn check_kept(sim: &Sim, may_be: &[&[BlockHash]], what: &str) {
    let mut now = hashes(&on(sim));
    now.sort();
    assert!(may_be.contains(&now.as_slice()), "{what}: {now:?}, and not one of {may_be:?}");
}

#[test]
fn a_power_cut_at_any_sync_leaves_every_block_that_was_kept_and_each_whole() {
    let (steps, sim, mut chance) = (tries(60), Sim::new(), Chance::new(1));
    sim.capture(2);
    let (found, mut kept, mut images) = (on(&sim), Vec::new(), 0);
    for n in 0..steps {
        let (next, done) = step(&found, &kept, n as u32, &mut chance);
        assert!(done);
        for (cut, image) in sim.take_images() {
            check_kept(&Sim::of(&image), &[&kept, &next], &format!("{cut:?} in step {n}"));
            images += 1;
        }
        kept = next;
    }
    println!("{steps} steps, {images} images");
    assert!(images > steps);
}

#[test]
fn a_disk_that_fails_at_any_operation_takes_no_block_that_was_kept() {
    let (last, mut failures) = (tries(60) as u64, 0);
    for at in 1..=last {
        for (kind, stays) in [(io::ErrorKind::StorageFull, true), (io::ErrorKind::Other, false)] {
            let (sim, mut chance) = (Sim::new(), Chance::new(at));
            sim.fail(Some(Failure { at, kind, stays }));
            let (found, mut kept) = (on(&sim), Vec::new());
            let mut may_be = Vec::new();
            for n in 0..1_000 {
                let (next, done) = step(&found, &kept, n, &mut chance);
                may_be = vec![kept, next.clone()];
                kept = next;
                if !done {
                    failures += 1;
                    break;
                }
                may_be.remove(0);
            }
            let may_be: Vec<&[BlockHash]> = may_be.iter().map(Vec::as_slice).collect();
            for cut in CUTS {
                let image = sim.image(cut, &mut chance);
                check_kept(&Sim::of(&image), &may_be, &format!("{cut:?} after a failure at {at}"));
            }
        }
    }
    println!("{failures} failures");
    assert!(failures > 0);
}
