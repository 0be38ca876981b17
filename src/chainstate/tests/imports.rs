use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::import::{ImportError, ImportOptions, ImportProgress, Imported, Sources, import};
use crate::scan::Skipped;
use crate::stage::REORG_BLOCKS_MAX;

fn frame(magic: [u8; 4], raw: &[u8]) -> Vec<u8> {
    [magic.as_slice(), &u32::try_from(raw.len()).unwrap().to_le_bytes(), raw].concat()
}

fn ours(block: &ParsedBlock) -> Vec<u8> {
    frame(Params::regtest().magic, block.raw())
}

fn file(node: &Node, name: &str, parts: &[Vec<u8>]) -> PathBuf {
    let path = node.dir.path().join(name);
    std::fs::File::create(&path).unwrap().write_all(&parts.concat()).unwrap();
    path
}

fn run(node: &mut Node, paths: &[PathBuf]) -> Imported {
    let mut seen = Vec::new();
    let done = import(node.chain(), &Sources::find(paths).unwrap(), ImportOptions::at(now()), &mut |p| {
        seen.push(p);
        true
    });
    let done = done.unwrap();
    assert!(matches!(seen.first(), Some(ImportProgress::Scanning { .. })));
    let stats = node.stats();
    done.with_stats(stats)
}

fn expected(branch: &Branch) -> UtxoStats {
    let mut node = Node::new();
    node.submit_all(&branch.blocks);
    node.stats()
}

#[test]
fn in_any_order_with_anything_between() {
    let branch = busy_chain();
    let mut node = Node::new();
    let mut parts: Vec<Vec<u8>> = branch.blocks.iter().rev().map(|b| ours(b)).collect();
    parts.insert(3, b"garbage between blocks".to_vec());
    parts.insert(50, frame(Params::mainnet().magic, branch.blocks[0].raw()));
    parts.insert(60, vec![0; 5000]);
    parts.push(ours(&branch.blocks[7])[..100].to_vec());
    let (front, back) = parts.split_at(40);
    let paths = [file(&node, "a.dat", front), file(&node, "b.dat", back)];
    let done = run(&mut node, &paths);
    let want = expected(&branch);
    assert_eq!((done.tip, done.height, done.blocks), (branch.tip, height(120), 120));
    assert_eq!(done.coins.as_ref(), Some(&want));
    assert_eq!((done.rejected, done.stopped, done.orphans), (None, false, 0));
    let Skipped { garbage_bytes, padding_bytes, foreign_blocks, truncated_blocks, malformed_blocks } =
        done.skipped;
    assert_eq!((foreign_blocks, truncated_blocks, malformed_blocks), (1, 1, 0));
    assert!(garbage_bytes >= 22 && padding_bytes >= 5000);
    // Again: everything is known.
    let again = run(&mut node, &paths);
    assert_eq!((again.blocks, again.txs, again.inputs, again.coins), (0, 0, 0, Some(want)));
}

#[test]
fn what_follows_a_block_in_its_frame_is_left_out() {
    let branch = busy_chain();
    let mut node = Node::new();
    let larger = |block: &Arc<ParsedBlock>| {
        frame(Params::regtest().magic, &[block.raw(), &[1; 17], ours(&branch.blocks[0]).as_slice()].concat())
    };
    let parts: Vec<Vec<u8>> = branch.blocks.iter().map(larger).collect();
    let path = file(&node, "a.dat", &parts);
    let done = run(&mut node, &[path]);
    assert_eq!((done.height, done.rejected, done.coins), (height(120), None, Some(expected(&branch))));
    node.crash();
    assert_eq!(node.chain().reader().block(&branch.tip).unwrap(), branch.blocks.last().cloned());
}

#[test]
fn an_import_that_fails_far_from_its_fork_goes_back_to_the_best_chain() {
    let trunk = Branch::genesis(1);
    let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
    let deep = u32::try_from(REORG_BLOCKS_MAX).unwrap() + 5;
    old.mine_empty(deep);
    new.mine_empty(deep - 1);
    let bad = new.block(vec![], SUBSIDY);
    new.push(&bad);
    new.mine_empty(1);
    let mut node = Node::new();
    node.submit_all(&old.blocks);
    let before = node.stats();
    let parts: Vec<Vec<u8>> = new.blocks.iter().map(|b| ours(b)).collect();
    let path = file(&node, "a.dat", &parts);
    let done = run(&mut node, &[path]);
    assert_eq!(done.rejected.map(|r| (r.hash, r.reason)), Some((bad.hash(), "bad-cb-amount".to_owned())));
    assert_eq!((done.tip, node.stats()), (old.tip, before));
}

#[test]
fn it_goes_on_where_it_was_stopped() {
    let branch = busy_chain();
    let mut node = Node::with_cache(0);
    let parts: Vec<Vec<u8>> = branch.blocks.iter().map(|b| ours(b)).collect();
    let path = file(&node, "a.dat", &parts);
    let want = expected(&branch);
    let mut rounds = 0;
    loop {
        // A step of the tip is 64 blocks at most, however late the workers are.
        let mut until = None;
        let sources = Sources::find(std::slice::from_ref(&path)).unwrap();
        let done = import(node.chain(), &sources, ImportOptions::at(now()), &mut |p| {
            let ImportProgress::Connecting { height: at, .. } = p else { return true };
            at.to_u32() < *until.get_or_insert(at.to_u32() + 20)
        })
        .unwrap();
        rounds += 1;
        node.crash();
        if !done.stopped {
            break;
        }
    }
    assert!(rounds > 1);
    let stats = node.stats();
    assert_eq!(stats, want);
}

/// Imports the busy chain with `bad` on its 110th block and a valid block on that; says what was rejected.
fn check_rejected(want: &str, make: impl Fn(&Branch) -> Arc<ParsedBlock>) {
    let mut branch = busy_chain();
    branch.blocks.truncate(110);
    (branch.tip, branch.height) = (branch.blocks[109].hash(), 110);
    let valid = branch.clone();
    let bad = make(&branch);
    branch.push(&bad);
    branch.mine_empty(2);
    let mut node = Node::new();
    let parts: Vec<Vec<u8>> = branch.blocks.iter().map(|b| ours(b)).collect();
    let path = file(&node, "a.dat", &parts);
    for round in 0..2 {
        let done = run(&mut node, std::slice::from_ref(&path));
        let rejected = done.rejected.unwrap();
        assert_eq!((rejected.hash, rejected.height), (bad.hash(), height(111)), "{want} {round}");
        assert!(rejected.reason.starts_with(want), "{want}: {}", rejected.reason);
        assert_eq!((done.tip, done.coins), (valid.tip, Some(expected(&valid))));
        node.crash();
    }
}

#[test]
fn it_stops_before_the_first_invalid_block_and_says_so_each_time() {
    check_rejected("bad-cb-amount", |b| b.block(vec![], SUBSIDY + Amount::ONE_SAT));
    check_rejected("bad-txnmrklroot", |b| {
        let mut block = b.block(vec![], SUBSIDY).to_block();
        block.txdata[0].output[0].value = Amount::ZERO;
        Arc::new(ParsedBlock::new(block))
    });
    check_rejected("time-too-old", |b| {
        let mut block = b.block(vec![], SUBSIDY).to_block();
        block.header.time = GENESIS_TIME;
        mined(block)
    });
    check_rejected("high-hash", |b| {
        let mut block = b.block(vec![], SUBSIDY).to_block();
        while block.header.validate_pow(block.header.target()).is_ok() {
            block.header.nonce += 1;
        }
        Arc::new(ParsedBlock::new(block))
    });
    check_rejected("bad-txns-inputs-missingorspent", |b| {
        let nothing = OutPoint { txid: b.blocks[0].txs()[0].txid(), vout: 9 };
        b.block(vec![spend(&[(nothing, SUBSIDY)], 1, 0)], SUBSIDY)
    });
}

#[test]
fn a_body_that_is_no_block_ends_it_too() {
    let branch = busy_chain();
    let mut node = Node::new();
    let mut parts: Vec<Vec<u8>> = branch.blocks[..5].iter().map(|b| ours(b)).collect();
    let mut raw = branch.blocks[5].raw().to_vec();
    raw.truncate(90);
    parts.push(frame(Params::regtest().magic, &raw));
    let path = file(&node, "a.dat", &parts);
    let done = run(&mut node, &[path]);
    assert_eq!(
        done.rejected.map(|r| (r.hash, r.reason)),
        Some((branch.blocks[5].hash(), "block-decode-failed".to_owned()))
    );
    assert_eq!(done.height, height(5));
}

#[test]
fn blocks_that_stand_on_nothing_are_counted() {
    let branch = busy_chain();
    let mut node = Node::new();
    let parts: Vec<Vec<u8>> = branch.blocks[5..].iter().map(|b| ours(b)).collect();
    let path = file(&node, "a.dat", &parts);
    let done = run(&mut node, &[path]);
    assert_eq!((done.height, done.orphans, done.rejected), (height(0), 115, None));
}

#[test]
fn a_file_that_is_not_there_is_no_fault_of_the_chain() {
    let mut node = Node::new();
    let path = file(&node, "a.dat", &[]);
    let sources = Sources::find(std::slice::from_ref(&path)).unwrap();
    std::fs::remove_file(path).unwrap();
    let done = import(node.chain(), &sources, ImportOptions::at(now()), &mut |_| true);
    assert!(matches!(done, Err(ImportError::Read { .. })));
}

/// A trunk of 100 blocks and branches of these lengths on it, as one file in this order.
fn with_branches(lengths: &[(u32, u32)]) -> (Branch, Vec<Branch>) {
    let mut trunk = Branch::genesis(1);
    trunk.mine_empty(100);
    let branch = |(tag, length): &(u32, u32)| {
        let mut branch = trunk.fork(*tag);
        branch.mine_empty(*length);
        branch
    };
    let branches = lengths.iter().map(branch).collect();
    (trunk, branches)
}

fn written(node: &Node, name: &str, branches: &[&Branch]) -> PathBuf {
    let parts: Vec<Vec<u8>> = branches.iter().flat_map(|b| &b.blocks).map(|b| ours(b)).collect();
    file(node, name, &parts)
}

#[test]
fn branches_near_the_tip_are_kept_and_far_ones_are_not() {
    let mut old = Branch::genesis(7);
    old.mine_empty(3);
    let (mut trunk, branches) = with_branches(&[(2, 3), (3, 9)]);
    trunk.mine_empty(0);
    let (stale, mut best) = (&branches[0], branches[1].clone());
    let mut node = Node::new();
    let paths = [written(&node, "a.dat", &[&old, stale, &best, &trunk])];
    let done = run(&mut node, &paths);
    // 109 blocks: all of it is near.
    assert_eq!((done.tip, done.height, done.side_blocks), (best.tip, height(109), 6));
    for block in old.blocks.iter().chain(&stale.blocks) {
        assert_eq!(node.chain().reader().block(&block.hash()).unwrap().as_ref(), Some(block));
    }
    assert_eq!(run(&mut node, &paths).side_blocks, 0);
    // 400 more: the first ones are beyond what is kept.
    best.mine_empty(400);
    let mut far = Node::new();
    let paths = [written(&far, "a.dat", &[&old, stale, &best, &trunk])];
    let done = run(&mut far, &paths);
    assert_eq!((done.tip, done.side_blocks), (best.tip, 0));
}

#[test]
fn the_best_chain_is_that_of_which_all_bodies_are_at_hand() {
    // A longer branch lacks its second body: of its headers all are known.
    let (trunk, branches) = with_branches(&[(2, 9), (3, 5)]);
    let mut node = Node::new();
    let headers: Vec<Header> = trunk.blocks.iter().chain(&branches[0].blocks).map(|b| *b.header()).collect();
    node.chain().accept_headers(&headers, now()).unwrap();
    let mut holed = branches[0].clone();
    holed.blocks.remove(1);
    let paths = [written(&node, "a.dat", &[&trunk, &holed, &branches[1]])];
    let done = run(&mut node, &paths);
    assert_eq!((done.tip, done.rejected), (branches[1].tip, None));
    // The missing one comes in another file.
    let missing = file(&node, "b.dat", &[ours(&branches[0].blocks[1])]);
    let done = run(&mut node, &[missing, paths[0].clone()]);
    assert_eq!((done.tip, done.height), (branches[0].tip, height(109)));
}

#[test]
fn where_the_best_chain_is_invalid_the_next_best_is_taken() {
    let (trunk, branches) = with_branches(&[(2, 2), (3, 5)]);
    let mut bad = trunk.fork(4);
    bad.mine_empty(3);
    let invalid = bad.block(vec![], SUBSIDY + Amount::ONE_SAT);
    bad.push(&invalid);
    bad.mine_empty(10);
    let mut node = Node::new();
    let paths = [written(&node, "a.dat", &[&bad, &branches[0], &trunk, &branches[1]])];
    for side_blocks in [2, 0] {
        let done = run(&mut node, &paths);
        let rejected = done.rejected.unwrap();
        assert_eq!((rejected.hash, rejected.height), (invalid.hash(), height(104)));
        assert_eq!(done.tip, branches[1].tip);
        // The three good ones of the bad branch were connected on the way.
        assert_eq!(done.side_blocks, side_blocks);
        node.crash();
    }
}

#[test]
fn it_stops_at_a_height_and_goes_on_from_there() {
    let branch = busy_chain();
    let mut node = Node::new();
    let path = written(&node, "a.dat", &[&branch]);
    let sources = Sources::find(&[path]).unwrap();
    for (stop_at, want) in [(Some(0), 0), (Some(50), 50), (Some(50), 50), (Some(117), 117), (None, 120)] {
        let options = ImportOptions { stop_at: stop_at.map(height), ..ImportOptions::at(now()) };
        let done = import(node.chain(), &sources, options, &mut |_| true).unwrap();
        assert_eq!((done.height, done.side_blocks, done.stopped), (height(want), 0, false));
    }
}

#[test]
fn a_caller_may_stop_it_while_headers_are_looked_for() {
    let branch = busy_chain();
    let mut node = Node::new();
    let path = written(&node, "a.dat", &[&branch]);
    let sources = Sources::find(&[path.clone(), path]).unwrap();
    let done = import(node.chain(), &sources, ImportOptions::at(now()), &mut |_| false).unwrap();
    assert_eq!((done.stopped, done.height), (true, height(0)));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    let branch = busy_chain();
    let parts: Vec<Vec<u8>> = branch.blocks.iter().map(|b| ours(b)).collect();
    let whole = parts.concat();
    // After the walk for headers: cut in the middle, gone, and with another block in the place of one.
    let changed = [parts[..60].concat(), parts[100..].concat(), parts[60..100].concat()].concat();
    for (now_there, want_changed) in
        [(Some(&whole[..whole.len() / 2]), false), (None, false), (Some(&changed), true)]
    {
        let mut node = Node::new();
        let path = file(&node, "a.dat", &parts);
        let sources = Sources::find(std::slice::from_ref(&path)).unwrap();
        let done = import(node.chain(), &sources, ImportOptions::at(now()), &mut |at| {
            if let ImportProgress::Scanning { .. } = at {
                match now_there {
                    Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                    None => std::fs::remove_file(&path).unwrap(),
                }
            }
            true
        });
        match done {
            Err(ImportError::Read { path: named, .. }) => assert!(named == path && !want_changed),
            Err(ImportError::Changed { path: named }) => assert!(named == path && want_changed),
            other => panic!("{other:?}"),
        }
        // What was connected before is sound, and the whole file leads on from there.
        let path = file(&node, "a.dat", &parts);
        assert_eq!(run(&mut node, &[path]).tip, branch.tip);
    }
}

/// Real blocks, where they are at hand: `ADIT_DATA` names the folder.
#[test]
fn the_first_600_blocks_of_mainnet() {
    let Some(data) = std::env::var_os("ADIT_DATA").map(PathBuf::from) else {
        println!("0 blocks: ADIT_DATA is not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(DataDir::open(dir.path(), "mainnet").unwrap()).unwrap());
    let config = ChainConfig::new(Arc::new(Params::mainnet()));
    let mut chain = Chainstate::open(config, store, Arc::new(Interpreter)).unwrap();
    let file = |n: u32| data.join(format!("blocks/mainnet-0-599.blk0000{n}.dat"));
    let sources = Sources::find(&[file(1), file(0)]).unwrap();
    let done = import(&mut chain, &sources, ImportOptions::at(now()), &mut |_| true).unwrap();
    assert_eq!((done.height, done.blocks, done.rejected), (height(599), 599, None));
    println!("{} blocks", done.blocks);
}
