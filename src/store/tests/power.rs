//! Power cuts and failing disks: what is found again is what was acknowledged last, or what was under way.

use std::collections::BTreeMap as Map;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use adit_domain::units::Height;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, OutPoint, ScriptBuf, TxMerkleNode, TxOut, Txid};

use super::sim::{CUTS, Chance, Cut, Failure, Image, Sim};
use super::tries;
use crate::{
    BlockFiles, ChainDb, CompactCoin, FileEnd, Flush, FlushState, MergeStep, NodeRecord, StoreFault, XorKey,
    outpoint_key,
};

pub(super) const PATH: &str = "chainstate.redb";

pub(super) type Coins = Map<OutPoint, CompactCoin>;

/// What was given to a database.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) flushes: u64,
    pub(super) coins: Coins,
}

fn state(flushes: u64) -> FlushState {
    let end = |offset| FileEnd { file: 0, offset };
    let number = u32::try_from(flushes).unwrap();
    let mut tip = [0; 32];
    tip[..8].copy_from_slice(&flushes.to_le_bytes());
    FlushState {
        tip: BlockHash::from_byte_array(tip),
        height: Height::new(number),
        flushes,
        blocks_end: end(number * 100),
    }
}

fn node(number: u32) -> NodeRecord {
    let header = Header {
        version: Version::ONE,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: number,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: number,
    };
    NodeRecord { number, header, status: 3, block: None, undo: None, txs: 1 }
}

fn outpoint(chance: &mut Chance) -> OutPoint {
    let mut txid = [0; 32];
    for part in txid.chunks_exact_mut(8) {
        part.copy_from_slice(&chance.next().to_le_bytes());
    }
    OutPoint { txid: Txid::from_byte_array(txid), vout: chance.below(3) as u32 }
}

fn coin(chance: &mut Chance) -> CompactCoin {
    let script = vec![0x51; 1 + chance.below(60) as usize];
    let output =
        TxOut { value: Amount::from_sat(chance.next() >> 20), script_pubkey: ScriptBuf::from_bytes(script) };
    CompactCoin::new(&output, Height::new(chance.below(900_000) as u32), chance.below(9) == 0)
}

/// One flush more: coins that are new, coins that are spent.
pub(super) fn flush(
    db: &ChainDb,
    model: &Model,
    births: u64,
    chance: &mut Chance,
) -> (Model, Result<(), StoreFault>) {
    let mut next = Model { flushes: model.flushes + 1, coins: model.coins.clone() };
    let mut changes: Map<OutPoint, Option<CompactCoin>> = Map::new();
    for (outpoint, _) in model.coins.iter() {
        if chance.below(5) == 0 {
            changes.insert(*outpoint, None);
            next.coins.remove(outpoint);
        }
    }
    for _ in 0..1 + chance.below(births) {
        let (outpoint, coin) = (outpoint(chance), coin(chance));
        changes.insert(outpoint, Some(coin.clone()));
        next.coins.insert(outpoint, coin);
    }
    let rows: Vec<_> = changes.iter().map(|(k, v)| (outpoint_key(k), v)).collect();
    let mut rows = rows.iter().map(|(k, v)| (k, v.as_ref().map(CompactCoin::as_packed)));
    let nodes = vec![node(u32::try_from(model.flushes).unwrap())];
    let flush = Flush { state: state(next.flushes), nodes, coins: &mut rows };
    let done = db.flush(flush);
    (next, done)
}

/// What is in a database; a model has no other way in.
pub(super) fn found(db: &ChainDb) -> Result<Model, StoreFault> {
    let state_found = db.state()?;
    let flushes = state_found.map_or(0, |s| s.flushes);
    assert_eq!(state_found, (flushes > 0).then(|| state(flushes)));
    let mut nodes = Vec::new();
    db.for_each_node(|node| {
        nodes.push(node);
        Ok::<(), StoreFault>(())
    })?;
    let want: Vec<NodeRecord> = (0..u32::try_from(flushes).unwrap()).map(node).collect();
    assert_eq!(nodes, want, "headers after {flushes} flushes");
    let snapshot = db.snapshot()?;
    let coins = snapshot.scan(0, 0xff)?.collect::<Result<Coins, StoreFault>>()?;
    Ok(Model { flushes, coins })
}

/// Every coin is served one by one as well as in a walk.
pub(super) fn check_serves(db: &ChainDb, model: &Model) -> Result<(), StoreFault> {
    let snapshot = db.snapshot()?;
    for (outpoint, coin) in &model.coins {
        assert_eq!(snapshot.get(outpoint)?.as_ref(), Some(coin), "{outpoint}");
    }
    Ok(())
}

/// The image opens with the state before or after what was under way, and goes on from there.
#[track_caller]
fn check_image(image: &Image, cut: Cut, before: &Model, after: &Model) {
    let sim = Sim::of(image);
    let db = match ChainDb::open_on(&sim, Path::new(PATH)) {
        Ok(db) => db,
        Err(fault) => panic!("{cut:?} after flush {}: {fault}", before.flushes),
    };
    let model = found(&db).unwrap_or_else(|fault| panic!("{cut:?} after flush {}: {fault}", before.flushes));
    let is_known = model == *before || model == *after;
    assert!(is_known, "{cut:?}: flush {} is found, {} was acknowledged", model.flushes, before.flushes);
    check_serves(&db, &model).unwrap();
}

/// A walk over flushes and merges; at each sync each kind of cut.
fn run_cuts(seed: u64, operations: usize) -> usize {
    let (sim, mut chance) = (Sim::new(), Chance::new(seed));
    let mut db = ChainDb::open_on(&sim, Path::new(PATH)).unwrap();
    sim.capture(seed);
    let (mut model, mut images) = (Model::default(), 0);
    for operation in 0..operations {
        let before = model.clone();
        match chance.below(8) {
            0..5 => {
                let (next, done) = flush(&db, &model, 40, &mut chance);
                done.unwrap();
                model = next;
            }
            5..7 => {
                let _: MergeStep = db.merge_step(1 + chance.below(300) as usize).unwrap();
            }
            _ => {
                // An end in order, or a start after a cut in the middle.
                drop(db);
                let cut = CUTS[chance.below(7) as usize];
                let image = sim.image(cut, &mut chance);
                check_image(&image, cut, &before, &model);
                db = ChainDb::open_on(&sim, Path::new(PATH)).unwrap();
            }
        }
        for (cut, image) in sim.take_images() {
            check_image(&image, cut, &before, &model);
            images += 1;
        }
        assert!(found(&db).unwrap() == model, "operation {operation}");
    }
    images
}

#[test]
fn at_every_sync_a_power_cut_leaves_what_was_acknowledged_or_what_was_under_way() {
    let operations = tries(100);
    let images = run_cuts(1, operations);
    println!("{operations} operations, {images} images");
    assert!(images > operations * 3);
}

/// Opens, flushes and merges until something fails; what was acknowledged by then, and what may be there besides.
fn run_until_failure(sim: &Sim, seed: u64) -> (Model, Model, Option<StoreFault>) {
    let mut chance = Chance::new(seed);
    let mut model = Model::default();
    let mut db = match ChainDb::open_on(sim, Path::new(PATH)) {
        Ok(db) => db,
        Err(fault) => return (model.clone(), model, Some(fault)),
    };
    for step in 0..60 {
        let mut next = model.clone();
        let failed = match step % 5 {
            4 => db.merge_step(50).err(),
            _ => {
                let (after, done) = flush(&db, &model, 40, &mut chance);
                next = after;
                done.err()
            }
        };
        if let Some(fault) = failed {
            // From here on nothing is acknowledged, whatever the disk says.
            for _ in 0..2 {
                let (_, done) = flush(&db, &model, 10, &mut chance);
                assert!(done.is_err(), "a flush was acknowledged after: {fault}");
            }
            return (model, next, Some(fault));
        }
        model = next;
        if step % 20 == 19 {
            drop(db);
            if sim.has_failed() {
                // While it closed, behind the last commit.
                return (model.clone(), model, None);
            }
            db = match ChainDb::open_on(sim, Path::new(PATH)) {
                Ok(db) => db,
                Err(fault) => return (model.clone(), model, Some(fault)),
            };
        }
    }
    (model.clone(), model, None)
}

/// The disk fails at one operation, or from it on.
fn check_failure(failure: Failure) -> bool {
    let sim = Sim::new();
    sim.fail(Some(failure));
    let (acknowledged, under_way, fault) = run_until_failure(&sim, 7);
    let failed = sim.has_failed();
    assert!(failed || fault.is_none(), "{failure:?}: {fault:?}");
    let mut chance = Chance::new(failure.at);
    for cut in CUTS {
        let image = sim.image(cut, &mut chance);
        check_image(&image, cut, &acknowledged, &under_way);
    }
    failed
}

#[test]
fn a_disk_that_fails_at_any_operation_is_a_fault_and_nothing_is_acknowledged_after() {
    let (last, mut failures) = (tries(25) as u64, 0);
    // Few in a short run, but from everywhere in the first thousands.
    for n in 1..=last {
        let at = if last >= 500 { n } else { 1 + (n * n * 3) / 4 };
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            for stays in [true, false] {
                failures += usize::from(check_failure(Failure { at, kind, stays }));
            }
        }
    }
    println!("{failures} failures");
    assert!(failures >= last as usize * 2);
}

/// The second sync says that all is well, as a system does that has forgotten what it could not write.
#[test]
fn of_block_files_nothing_is_durable_after_a_sync_that_failed() {
    let sim = Sim::new();
    let end = FileEnd::default();
    let blocks =
        BlockFiles::new(Path::new("blocks"), Arc::new(sim.clone()), ([1; 4], XorKey::NONE), 1000, end);
    blocks.append(&[7; 100]).unwrap();
    let (mut failed, mut at) = (0, 1);
    while failed == 0 {
        sim.fail(Some(Failure { at: sim.operations() + at, kind: ErrorKind::Other, stays: false }));
        failed += usize::from(blocks.sync().is_err());
        at += 1;
    }
    sim.fail(None);
    assert!(blocks.sync().is_err() && blocks.append(&[8; 100]).is_err());
}
