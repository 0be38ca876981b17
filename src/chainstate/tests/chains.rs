use adit_domain::consensus::UtxoView;
use adit_domain::script::{ScriptError, ScriptFlags, Spend};

use super::*;
use crate::types::ChainFault;
use crate::{BlockVerifier, PoolVerifier, ScriptCaches};

#[test]
fn a_chain_connects_and_readers_see_it() {
    let (mut node, branch) = (Node::new(), busy_chain());
    for block in &branch.blocks {
        let accepted = node.submit(block).unwrap();
        assert_eq!((accepted.duplicate, accepted.tip.hash), (false, block.hash()));
        assert_eq!(accepted.connected, [Arc::clone(block)]);
        assert!(accepted.disconnected.is_empty());
    }
    let reader = node.chain().reader();
    let last = branch.blocks.last().unwrap();
    assert_eq!(node.tip(), (branch.tip, 120));
    assert_eq!(reader.best_header(), (branch.tip, height(120)));
    assert_eq!(reader.next_block(now()).prev, branch.tip);
    assert_eq!(reader.next_block(now()).height, height(121));
    assert!(reader.has_header(&branch.tip) && reader.has_block(&branch.tip));
    assert!(!reader.has_block(&BlockHash::all_zeros()));
    assert_eq!(reader.header(&branch.tip), Some((*last.header(), height(120))));
    assert_eq!(reader.raw_block(&branch.tip).unwrap().unwrap(), last.raw());
    assert_eq!(reader.block(&branch.tip).unwrap().unwrap(), *last);
    assert_eq!(reader.block(&BlockHash::all_zeros()).unwrap(), None);
    let genesis = reader.params().genesis_hash;
    assert_eq!(reader.block(&genesis).unwrap().unwrap().hash(), genesis);
    assert_eq!(reader.hash_at(height(120)), Some(branch.tip));
    assert_eq!(reader.hash_at(height(121)), None);
    assert_eq!(reader.height_in_best_chain(&branch.tip), Some(height(120)));
    assert_eq!(reader.height_in_best_chain(&BlockHash::all_zeros()), None);
    assert_eq!(reader.median_time_past_at(height(120)), Some(reader.tip().median_time_past));
    assert_eq!(reader.headers_after(&[genesis], BlockHash::all_zeros(), 3).len(), 3);
    assert_eq!(reader.locator().first(), Some(&branch.tip));
    assert_eq!(reader.path_from(&branch.blocks[118].hash()), Some((vec![], vec![branch.tip])));
    assert_eq!(reader.path_from(&BlockHash::all_zeros()), None);
    let totals = node.chain().totals();
    assert_eq!((totals.blocks, totals.txs), (120, 120 + 20 * 3 - 1));
}

/// The mempool's verifier and the chain's ask for the same: the rules that the reader names are those of the block that comes.
#[test]
fn of_what_the_mempool_took_no_script_runs_in_a_block() {
    let caches = ScriptCaches::new([1; 32], 1);
    let mut node = Node::new();
    node.reopen_with(Arc::new(BlockVerifier::new(&caches)));
    let mut branch = Branch::genesis(1);
    branch.mine_empty(110);
    node.submit_all(&branch.blocks);

    let taken: Vec<Transaction> = (0..5).map(|n| spend(&[branch.reward(n)], 2, 9)).collect();
    let flags = node.chain().reader().script_flags(height(111));
    for tx in &taken {
        let prevouts = [TxOut { value: SUBSIDY, script_pubkey: anyone() }];
        let raw = bitcoin::consensus::encode::serialize(tx);
        let spend = Spend { tx, wtxid: tx.compute_wtxid(), raw: &raw, prevouts: &prevouts };
        assert_eq!(PoolVerifier::new(&caches).verify_tx(&spend, flags), Ok(()));
    }
    let mut other = branch.fork(2);
    let unknown = spend(&[branch.reward(5)], 2, 9);
    branch.mine([taken.clone(), vec![unknown]].concat());
    node.submit_all(&branch.blocks[110..]);
    assert_eq!((node.tip().0, caches.found()), (branch.tip, 5));
    // In a block that takes its place, three of them are known still.
    other.mine(taken[..3].to_vec());
    other.mine_empty(1);
    node.submit_all(&other.blocks);
    assert_eq!((node.tip().0, caches.found()), (other.tip, 8));
}

#[test]
fn coins_are_those_at_the_tip() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    let (coin, other) = (branch.reward(0), branch.reward(1));
    let tx = spend(&[coin], 1, 7);
    branch.mine(vec![tx.clone()]);
    node.submit_all(&branch.blocks);
    let reader = node.chain().reader();
    let new = outputs_of(&tx)[0].0;
    for flushed in [false, true] {
        let (tip, coins) = reader.coins(&[coin.0, other.0, new]).unwrap();
        assert_eq!(tip.hash, branch.tip);
        let found: Vec<bool> = coins.iter().map(Option::is_some).collect();
        assert_eq!(found, [false, true, true], "flushed: {flushed}");
        assert_eq!(reader.coin(&new).unwrap().unwrap().height, height(102));
        assert!(reader.coin(&other.0).unwrap().unwrap().is_coinbase);
        assert_eq!(reader.coin(&coin.0).unwrap(), None);
        node.chain().flush().unwrap();
    }
}

#[test]
fn blocks_and_headers_that_are_known_or_stand_on_nothing() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(3);
    assert_eq!(node.submit(&branch.blocks[1]), Err(SubmitError::Orphan { prev: branch.blocks[0].hash() }));
    let headers: Vec<Header> = branch.blocks.iter().map(|b| *b.header()).collect();
    let orphan = node.chain().accept_headers(&headers[1..], now());
    assert_eq!(orphan, Err(SubmitError::Orphan { prev: branch.blocks[0].hash() }));
    let taken = node.chain().accept_headers(&headers, now()).unwrap();
    assert_eq!((taken.new, taken.last_height, taken.blocks_wanted), (3, height(3), true));
    assert_eq!(node.chain().accept_headers(&headers, now()).unwrap().new, 0);
    let wanted: Vec<BlockHash> = node.chain().reader().blocks_wanted(9).into_iter().map(|(h, _)| h).collect();
    assert_eq!(wanted, branch.blocks.iter().map(|b| b.hash()).collect::<Vec<_>>());
    // The bodies come in the wrong order; the first one connects them all.
    assert!(node.submit(&branch.blocks[2]).unwrap().connected.is_empty());
    assert!(node.submit(&branch.blocks[1]).unwrap().connected.is_empty());
    assert_eq!(node.submit(&branch.blocks[0]).unwrap().connected, branch.blocks);
    assert!(node.submit(&branch.blocks[0]).unwrap().duplicate);
    assert_eq!(node.chain().advance().unwrap(), None);
}

#[test]
fn other_bytes_under_a_known_header_are_refused_as_that() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(2);
    node.submit_all(&branch.blocks);
    let mut other = branch.blocks[1].to_block();
    other.txdata[0].output[0].value = Amount::ZERO;
    assert_eq!(reason(node.submit(&Arc::new(ParsedBlock::new(other)))), "bad-txnmrklroot");
    assert!(node.submit(&branch.blocks[1]).unwrap().duplicate);
}

#[test]
fn what_a_block_breaks_by_itself_does_not_mark_its_header() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(1);
    node.submit_all(&branch.blocks);
    let second = branch.blocks[0].txs()[0].tx().clone();
    let bad = branch.block(vec![second], SUBSIDY);
    branch.push(&bad);
    branch.mine_empty(1);
    node.chain().accept_headers(&[*bad.header()], now()).unwrap();
    assert_eq!(reason(node.submit(&bad)), "bad-cb-multiple");
    node.chain().accept_headers(&[*branch.blocks[2].header()], now()).unwrap();
    assert_eq!(reason(node.submit(&bad)), "bad-cb-multiple");
}

#[test]
fn a_reader_says_what_a_block_spent() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    let coin = branch.reward(0);
    let block = branch.mine(vec![spend(&[coin], 1, 7)]);
    node.submit_all(&branch.blocks);
    let reader = node.chain().reader();
    let spent = reader.spent_by(&block.hash()).unwrap().unwrap().spent;
    assert_eq!((spent.len(), spent[0].len()), (1, 1));
    assert_eq!((spent[0][0].height, spent[0][0].is_coinbase), (height(1), true));
    assert_eq!(reader.spent_by(&BlockHash::all_zeros()).unwrap(), None);
}

/// What a block that breaks `change` is refused with, and whether it is refused for ever.
fn check_refused(want: &str, for_ever: bool, make: impl Fn(&Branch) -> Arc<ParsedBlock>) {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    node.submit_all(&branch.blocks);
    let before = (node.tip(), node.stats());
    let bad = make(&branch);
    // The token alone: behind it may stand a detail.
    let token = reason(node.submit(&bad)).split(", ").next().unwrap().to_owned();
    assert_eq!(token, want);
    assert_eq!((node.tip(), node.stats()), before, "{want}");
    let again = if for_ever { "duplicate-invalid" } else { want };
    assert_eq!(reason(node.submit(&bad)), again);
    let good = branch.mine(Vec::new());
    assert_eq!(node.submit(&good).unwrap().tip.hash, good.hash());
}

#[test]
fn what_breaks_a_rule_is_refused_in_cores_words() {
    let too_much = SUBSIDY + Amount::ONE_SAT;
    check_refused("bad-cb-amount", true, |b| b.block(vec![], too_much));
    check_refused("bad-txns-inputs-missingorspent", true, |b| {
        let nothing = OutPoint { txid: b.blocks[0].txs()[0].txid(), vout: 9 };
        b.block(vec![spend(&[(nothing, SUBSIDY)], 1, 0)], SUBSIDY)
    });
    check_refused("bad-txns-premature-spend-of-coinbase", true, |b| {
        b.block(vec![spend(&[b.reward(50)], 1, 0)], SUBSIDY)
    });
    check_refused("bad-txnmrklroot", false, |b| {
        let mut block = b.block(vec![], SUBSIDY).to_block();
        block.txdata[0].output[0].value = Amount::ZERO;
        Arc::new(ParsedBlock::new(block))
    });
    check_refused("bad-txns-nonfinal", true, |b| {
        let mut tx = spend(&[b.reward(0)], 1, 0);
        (tx.lock_time, tx.input[0].sequence) = (LockTime::from_height(900).unwrap(), Sequence::ZERO);
        b.block(vec![tx], SUBSIDY)
    });
    check_refused("time-too-old", false, |b| {
        let mut block = b.block(vec![], SUBSIDY).to_block();
        block.header.time = GENESIS_TIME;
        mined(block)
    });
}

#[test]
fn a_script_that_fails_is_named() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    node.submit_all(&branch.blocks);
    let mut tx = spend(&[branch.reward(0)], 1, 0);
    // A script that leaves false on the stack.
    tx.output[0].script_pubkey = Builder::new().push_int(0).into_script();
    let first = branch.mine(vec![tx.clone()]);
    node.submit(&first).unwrap();
    let bad = branch.block(vec![spend(&outputs_of(&tx), 1, 0)], SUBSIDY);
    let refused = reason(node.submit(&bad));
    assert!(refused.starts_with("block-script-verify-flag-failed ("), "{refused}");
    assert_eq!(node.tip().0, first.hash());
}

/// A block at height 103 whose script leaves false on the stack, and empty ones on it. The name of block `assumed`, if any, and what becomes of
/// the chain when its headers came first.
fn check_assumed(assumed: Option<usize>, expected: Result<u32, &str>) {
    let mut branch = Branch::genesis(1);
    branch.mine_empty(101);
    let mut tx = spend(&[branch.reward(0)], 1, 0);
    tx.output[0].script_pubkey = Builder::new().push_int(0).into_script();
    branch.mine(vec![tx.clone()]);
    branch.mine(vec![spend(&outputs_of(&tx), 1, 0)]);
    // Two weeks of work, and a block more, on the false one.
    branch.mine_empty(2018);
    let params = Params { assume_valid: assumed.map(|at| branch.blocks[at].hash()), ..Params::regtest() };
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(DataDir::open(dir.path(), "regtest").unwrap()).unwrap());
    let config = ChainConfig { script_threads: 2, ..ChainConfig::new(Arc::new(params)) };
    let mut chain = Chainstate::open(config, store, Arc::new(Interpreter)).unwrap();
    let headers: Vec<Header> = branch.blocks.iter().map(|b| *b.header()).collect();
    let later = UnixMillis::from_seconds(u64::from(GENESIS_TIME) + 800 * 24 * 3600);
    chain.accept_headers(&headers, later).unwrap();
    let mut found = Ok(());
    for block in &branch.blocks[..110] {
        found = found.and(chain.accept_block(Arc::clone(block), later).map(|_| ()));
    }
    let found = found.map(|()| chain.reader().tip().height.to_u32()).map_err(|e| e.to_string());
    assert_eq!(
        found.as_ref().map_err(|e| e.split(' ').next().unwrap_or_default()),
        expected.as_ref().map_err(|e| *e)
    );
}

#[test]
fn scripts_below_the_assumed_block_do_not_run() {
    let failed = "block-script-verify-flag-failed";
    check_assumed(None, Err(failed));
    check_assumed(Some(101), Err(failed));
    check_assumed(Some(102), Ok(110));
    check_assumed(Some(105), Ok(110));
}

#[test]
fn a_cache_without_room_gives_the_same_coins() {
    let branch = busy_chain();
    let (mut large, mut none) = (Node::new(), Node::with_cache(0));
    large.submit_all(&branch.blocks);
    none.submit_all(&branch.blocks);
    assert_eq!(large.stats(), none.stats());
    none.chain().wait_for_merges().unwrap();
    assert_eq!(large.stats(), none.stats());
}

#[test]
fn a_file_that_was_damaged_is_our_fault_and_no_blocks() {
    let (mut node, branch) = (Node::new(), busy_chain());
    node.submit_all(&branch.blocks);
    let file = node.dir.path().join("regtest/blocks/blk00000.dat");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    // Inside the last transaction: the hash of the header is as before, so only what needs the body can notice.
    let reader = node.chain().reader();
    assert!(reader.block(&branch.blocks[3].hash()).is_ok());
    std::fs::write(&file, b"").unwrap();
    let fault = reader.block(&branch.blocks[3].hash()).unwrap_err();
    assert!(matches!(fault, ChainFault::Storage(_)), "{fault}");
}

/// Panics over every script that is `OP_TRUE OP_NOP`.
struct Panicky;

impl ScriptVerifier for Panicky {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, _: ScriptFlags) -> Result<(), ScriptError> {
        assert_ne!(spend.prevouts[input].script_pubkey.as_bytes(), [0x51, 0x61]);
        Ok(())
    }
}

#[test]
fn a_block_over_which_we_panic_is_put_aside_and_the_chain_goes_on() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    let store = Arc::clone(&node.chain().store_for_tests());
    node.chain = None;
    let config = ChainConfig::new(Arc::new(Params::regtest()));
    node.chain = Some(Chainstate::open(config, store, Arc::new(Panicky)).unwrap());
    branch.mine_empty(101);
    let mut tx = spend(&[branch.reward(0)], 1, 0);
    tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x51, 0x61]);
    branch.mine(vec![tx.clone()]);
    node.submit_all(&branch.blocks);
    let poison = branch.block(vec![spend(&outputs_of(&tx), 1, 0)], SUBSIDY);
    for _ in 0..2 {
        assert_eq!(reason(node.submit(&poison)), "internal-error");
        assert_eq!(node.tip().0, branch.tip);
    }
    let good = branch.mine(Vec::new());
    assert_eq!(node.submit(&good).unwrap().tip.hash, good.hash());
    // The block itself is sound: a verifier without the bug takes it, and it was there before the other one.
    node.crash();
    assert_eq!(node.tip().0, poison.hash());
}
