//! A snapshot that the chain stands on, and the chainstate that follows from below.

mod folder;
mod power;

use std::path::PathBuf;
use std::sync::OnceLock;

use adit_domain::chain::coin_codec::take_varint;
use adit_domain::consensus::AssumedCoins;

use super::*;
use crate::{Activated, Behind, ChainFault, LoadError, MarkError};

/// The height of the snapshot's block.
const BASE: u32 = 112;

/// A chain of 130 blocks, the snapshot of its coins at [`BASE`], and what is known of them.
struct Source {
    blocks: Vec<Arc<ParsedBlock>>,
    snapshot: Vec<u8>,
    known: AssumedCoins,
    /// At the end.
    stats: UtxoStats,
}

fn source() -> &'static Source {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let mut branch = busy_chain();
        branch.mine_empty(10);
        Source::of(branch, BASE)
    })
}

impl Source {
    fn of(branch: Branch, base: u32) -> Source {
        let mut node = Node::new();
        let (below, above) = branch.blocks.split_at(base as usize);
        node.submit_all(below);
        let path = node.dir.path().join("coins.dat");
        let dumped = node.chain().utxo_stats().unwrap().dump(&path, Params::regtest().magic).unwrap();
        let txs: usize = below.iter().map(|block| block.txs().len()).sum();
        let known = AssumedCoins {
            block: dumped.base,
            height: dumped.height,
            hash_serialized: dumped.hash_serialized.parse().unwrap(),
            chain_txs: txs as u64 + 1,
        };
        let snapshot = std::fs::read(&path).unwrap();
        node.submit_all(above);
        Source { blocks: branch.blocks, snapshot, known, stats: node.stats() }
    }
}

/// A node that knows of those coins.
struct Under {
    dir: tempfile::TempDir,
    chain: Option<Chainstate>,
    known: AssumedCoins,
    /// What it prunes to, with small files; 0: it keeps everything.
    prune_mib: u64,
}

impl Under {
    fn new() -> Under {
        Under::knowing(source().known.clone())
    }

    fn knowing(known: AssumedCoins) -> Under {
        Under::pruning(known, 0)
    }

    fn pruning(known: AssumedCoins, prune_mib: u64) -> Under {
        let mut this = Under { dir: tempfile::tempdir().unwrap(), chain: None, known, prune_mib };
        this.open().unwrap();
        this
    }

    /// With all headers.
    fn with_headers() -> Under {
        let mut this = Under::new();
        this.take_headers();
        this
    }

    fn take_headers(&mut self) {
        let headers: Vec<Header> = source().blocks.iter().map(|block| *block.header()).collect();
        self.chain().accept_headers(&headers, now()).unwrap();
    }

    fn open(&mut self) -> Result<(), ChainFault> {
        self.chain = None;
        let store = Arc::new(Store::open(DataDir::open(self.dir.path(), "regtest").unwrap()).unwrap());
        let config = ChainConfig {
            cache_mib: 8,
            script_threads: 2,
            prune_mib: self.prune_mib,
            small_files: self.prune_mib > 0,
            ..ChainConfig::new(self.params())
        };
        self.chain = Some(Chainstate::open(config, store, Arc::new(Interpreter))?);
        Ok(())
    }

    fn params(&self) -> Arc<Params> {
        Arc::new(Params { assumed_coins: vec![self.known.clone()], ..Params::regtest() })
    }

    fn chain(&mut self) -> &mut Chainstate {
        self.chain.as_mut().unwrap()
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("snapshot.dat");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn load(&mut self, bytes: &[u8]) -> Result<Activated, LoadError> {
        let path = self.file(bytes);
        let loaded = self.chain().load_snapshot(&path)?.run(&mut |_| true)?;
        self.chain().activate_snapshot(loaded)
    }

    fn submit(&mut self, blocks: &[Arc<ParsedBlock>]) {
        for block in blocks {
            self.chain().accept_block(Arc::clone(block), now()).unwrap();
        }
        while self.chain().advance().unwrap().is_some() {}
    }

    /// Does what can be done below.
    fn follow(&mut self) -> Result<Behind, ChainFault> {
        loop {
            match self.chain().follow(&mut || true)? {
                Behind::More => {}
                ended => return Ok(ended),
            }
        }
    }

    /// Heights of the tips, the one below first.
    fn tips(&mut self) -> Vec<u32> {
        let all = self.chain().reader().chainstates();
        all.iter().map(|info| info.tip.height.to_u32()).collect()
    }

    fn stats(&mut self) -> UtxoStats {
        self.chain().utxo_stats().unwrap().run().unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("regtest")).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("chainstate"));
        names.sort();
        names
    }
}

fn below() -> &'static [Arc<ParsedBlock>] {
    &source().blocks[..BASE as usize]
}

fn above() -> &'static [Arc<ParsedBlock>] {
    &source().blocks[BASE as usize..]
}

#[test]
fn the_chain_stands_on_a_snapshot_at_once_and_what_lies_below_is_verified_behind() {
    let mut node = Under::with_headers();
    node.submit(&below()[..20]);
    let activated = node.load(&source().snapshot).unwrap();
    let coins = u64::from_le_bytes(source().snapshot[43..51].try_into().unwrap());
    assert_eq!(activated, Activated { base: source().known.block, height: height(BASE), coins });
    assert_eq!(node.tips(), [20, BASE]);
    let reader = node.chain().reader();
    let states = reader.chainstates();
    assert_eq!(states.iter().map(|s| s.validated).collect::<Vec<_>>(), [true, false]);
    assert_eq!(states[1].snapshot_base, Some((activated.base, activated.height)));
    assert_eq!(states.iter().map(|s| s.target.to_u32()).collect::<Vec<_>>(), [BASE, 130]);
    assert!(reader.stands_on_snapshot());
    // What lies above is fetched first, then what lies below.
    let wanted: Vec<u32> = reader.blocks_wanted(1000).iter().map(|(_, height)| height.to_u32()).collect();
    assert_eq!(wanted, (BASE + 1..=130).chain(21..=BASE).collect::<Vec<_>>());
    node.submit(above());
    assert_eq!((node.tips(), node.stats()), (vec![20, 130], source().stats.clone()));
    // In any order; one that has not come holds the rest up.
    let mut rest = below()[20..].to_vec();
    let last = rest.remove(30);
    rest.reverse();
    node.submit(&rest);
    assert_eq!(node.follow(), Ok(Behind::Idle));
    assert_eq!((node.tips(), reader.verified_height().to_u32()), (vec![50, 130], 50));
    node.submit(&[last]);
    assert_eq!(node.follow(), Ok(Behind::Verified));
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
    assert_eq!((node.files(), reader.stands_on_snapshot()), (vec!["chainstate.redb".to_owned()], false));
    node.open().unwrap();
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
    // Everything is there to go back, far below the snapshot's block, and to come again.
    let low = source().blocks[10].hash();
    node.chain().mark(&low, crate::Mark::Invalid).unwrap();
    while node.chain().advance().unwrap().is_some() {}
    assert_eq!(node.tips(), [10]);
    node.chain().mark(&low, crate::Mark::Reconsider).unwrap();
    while node.chain().advance().unwrap().is_some() {}
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
}

#[test]
fn a_process_that_ends_anywhere_goes_on_where_it_was() {
    for flushed in [false, true] {
        let mut node = Under::with_headers();
        node.submit(&below()[..20]);
        node.load(&source().snapshot).unwrap();
        let end = |node: &mut Under, tips: &[u32]| {
            assert_eq!(node.tips(), tips, "before");
            if flushed {
                node.chain().flush().unwrap();
            }
            node.open().unwrap();
            // What was verified below and not flushed is connected again, behind.
            node.follow().unwrap();
            assert_eq!(node.tips(), tips, "after, flushed {flushed}");
        };
        end(&mut node, &[20, BASE]);
        node.submit(&above()[..5]);
        end(&mut node, &[20, BASE + 5]);
        node.submit(&below()[20..60]);
        node.follow().unwrap();
        end(&mut node, &[60, BASE + 5]);
        node.submit(&below()[60..BASE as usize - 1]);
        node.follow().unwrap();
        node.take_headers();
        node.submit(&above()[5..]);
        end(&mut node, &[BASE - 1, 130]);
        node.submit(&below()[BASE as usize - 1..]);
        assert_eq!(node.follow(), Ok(Behind::Verified));
        end(&mut node, &[130]);
        assert_eq!(node.stats(), source().stats);
    }
}

#[test]
fn a_snapshot_of_wrong_coins_is_refused_and_leaves_nothing() {
    let mut node = Under::with_headers();
    let check = |node: &mut Under, change: &dyn Fn(&mut Vec<u8>), says: &str| {
        let mut bytes = source().snapshot.clone();
        change(&mut bytes);
        let refused = node.load(&bytes).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
        assert_eq!((node.tips(), node.files()), (vec![0], vec!["chainstate.redb".to_owned()]));
    };
    let known = format!("and that of the true ones {}", source().known.hash_serialized);
    // A txid, and the last byte of the last coin's script.
    check(&mut node, &|bytes| bytes[51..83].fill(0xff), &known);
    check(&mut node, &|bytes| *bytes.last_mut().unwrap() ^= 1, &known);
    check(&mut node, &|bytes| bytes[43] += 1, "the file is cut short or damaged");
    check(&mut node, &|bytes| bytes[43] -= 1, "which are all: the file goes on");
    check(&mut node, &|bytes| bytes.push(0), "which are all: the file goes on");
    // Each coin twice.
    let twice = |bytes: &mut Vec<u8>| {
        let coins = u64::from_le_bytes(bytes[43..51].try_into().unwrap());
        bytes[43..51].copy_from_slice(&(2 * coins).to_le_bytes());
        bytes.extend_from_within(51..);
    };
    check(&mut node, &twice, "some stand in the file more than once");
    let path = node.file(&source().snapshot);
    let stopped = node.chain().load_snapshot(&path).unwrap().run(&mut |_| false);
    assert!(matches!(stopped, Err(LoadError::Stopped)));
    assert_eq!(node.files(), ["chainstate.redb"]);
    // None of this is in the way of the right one.
    node.load(&source().snapshot).unwrap();
    assert_eq!(node.tips(), [0, BASE]);
}

#[test]
fn only_a_known_block_on_the_best_headers_with_more_work_is_stood_upon() {
    let check = |node: &mut Under, matches: fn(&LoadError) -> bool| {
        let before = node.tips();
        let refused = node.load(&source().snapshot).unwrap_err();
        assert!(matches(&refused), "{refused}");
        assert_eq!(node.tips(), before);
    };
    let mut node = Under::new();
    check(&mut node, |e| matches!(e, LoadError::NoHeader { .. }));
    node.take_headers();
    let base = source().known.block;
    for block in [base, source().blocks[50].hash()] {
        node.chain().mark(&block, crate::Mark::Invalid).unwrap();
        check(&mut node, |e| matches!(e, LoadError::InvalidChain { .. }));
        node.chain().mark(&block, crate::Mark::Reconsider).unwrap();
    }
    // Another chain of headers with more work.
    let mut other = Branch::genesis(9);
    other.mine_empty(131);
    let headers: Vec<Header> = other.blocks.iter().map(|block| *block.header()).collect();
    node.chain().accept_headers(&headers, now()).unwrap();
    check(&mut node, |e| matches!(e, LoadError::OtherChain { .. }));
    let mut node = Under::with_headers();
    let path = node.file(&source().snapshot);
    let first = node.chain().load_snapshot(&path).unwrap();
    check(&mut node, |e| matches!(e, LoadError::Already));
    drop(first);
    node.submit(below());
    check(&mut node, |e| matches!(e, LoadError::NoMoreWork { .. }));
    for known in [
        AssumedCoins { block: source().blocks[0].hash(), ..source().known.clone() },
        AssumedCoins { height: height(BASE - 1), ..source().known.clone() },
    ] {
        let mut node = Under::knowing(known);
        node.take_headers();
        check(&mut node, |e| matches!(e, LoadError::NotListed { .. }));
    }
    let mut node = Under::with_headers();
    node.load(&source().snapshot).unwrap();
    check(&mut node, |e| matches!(e, LoadError::Already));
    assert_eq!(LoadError::MempoolNotEmpty.to_string(), "the mempool is not empty");
}

#[test]
fn a_snapshot_may_lead_off_the_chain_that_is_here() {
    let mut node = Under::new();
    let mut other = Branch::genesis(9);
    other.mine_empty(30);
    node.submit(&other.blocks);
    node.take_headers();
    node.load(&source().snapshot).unwrap();
    assert_eq!(node.tips(), [30, BASE]);
    // The fork is at the first block: nothing above it is verified here.
    assert_eq!(node.chain().reader().verified_height().to_u32(), 0);
    assert_eq!(node.follow(), Ok(Behind::Idle));
    node.submit(&source().blocks);
    assert_eq!(node.follow(), Ok(Behind::Verified));
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
}

/// What is known says that a snapshot with another script of the last coin is right.
fn wrong() -> (AssumedCoins, Vec<u8>) {
    let mut bytes = source().snapshot.clone();
    *bytes.last_mut().unwrap() ^= 1;
    believed(bytes)
}

/// The same of a coin that the first block above spends.
fn wrong_and_spent() -> (AssumedCoins, Vec<u8>) {
    let mut bytes = source().snapshot.clone();
    let spent = above()[0].txs()[1].tx().input[0].previous_output.txid;
    let at = bytes.windows(32).position(|window| window == spent.as_byte_array()).unwrap();
    // Behind the count and the number: of this transaction there is one coin, and its script is OP_TRUE.
    let mut rest = &bytes[at + 34..];
    take_varint(&mut rest).unwrap();
    take_varint(&mut rest).unwrap();
    let script = bytes.len() - rest.len() + 1;
    assert_eq!((bytes[at + 32..at + 34].to_vec(), bytes[script]), (vec![1, 0], 0x51));
    bytes[script] = 0;
    believed(bytes)
}

fn believed(bytes: Vec<u8>) -> (AssumedCoins, Vec<u8>) {
    let mut node = Under::with_headers();
    let Err(LoadError::OtherCoins { found, .. }) = node.load(&bytes) else { panic!("it is right") };
    (AssumedCoins { hash_serialized: found, ..source().known.clone() }, bytes)
}

#[test]
fn a_snapshot_to_which_the_blocks_do_not_lead_ends_the_process_and_is_put_aside() {
    let (known, bytes) = wrong();
    let mut node = Under::knowing(known);
    node.take_headers();
    node.load(&bytes).unwrap();
    node.submit(above());
    node.submit(&below()[..60]);
    assert_eq!(node.follow(), Ok(Behind::Idle));
    node.chain().flush().unwrap();
    node.submit(&below()[60..]);
    let fault = node.follow().unwrap_err().to_string();
    assert!(fault.contains("is wrong: the coins behind it come to"), "{fault}");
    assert_eq!(node.files(), ["chainstate.redb", "chainstate.refused.redb"]);
    // The next start is into what was verified, and judges again what lies above.
    node.open().unwrap();
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
    node.open().unwrap();
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
}

#[test]
fn a_block_that_wrong_coins_refuse_is_nobodys_fault_and_the_blocks_below_tell() {
    let (known, bytes) = wrong_and_spent();
    let mut node = Under::knowing(known);
    node.take_headers();
    node.load(&bytes).unwrap();
    let (first, reader) = (above()[0].hash(), node.chain().reader());
    assert!(!reader.is_doubted(&first));
    let refused = node.chain().accept_block(Arc::clone(&above()[0]), now());
    assert!(matches!(refused, Err(SubmitError::Invalid { .. })), "{refused:?}");
    let headers: Vec<Header> = source().blocks.iter().map(|block| *block.header()).collect();
    for _ in 0..2 {
        assert_eq!((node.tips(), node.chain().reader().is_doubted(&first)), (vec![0, BASE], true));
        // Who sends the headers again is heard up to there, for it has what lies below.
        let taken = node.chain().accept_headers(&headers, now()).unwrap();
        assert_eq!((taken.new, taken.last_height), (0, height(BASE)));
        let wanted = node.chain().reader().blocks_wanted(1000);
        assert!(wanted.first().is_some_and(|(_, height)| height.to_u32() == 1), "{wanted:?}");
        // Another life judges it again.
        node.open().unwrap();
    }
    node.submit(below());
    let fault = node.follow().unwrap_err().to_string();
    assert!(fault.contains("is wrong: the coins behind it come to"), "{fault}");
    // The next start is into what was verified, and it is not refused any more.
    node.open().unwrap();
    assert!(!node.chain().reader().is_doubted(&first));
    node.submit(above());
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
}

#[test]
fn a_block_that_right_coins_refuse_is_its_senders_fault_when_they_are_verified() {
    let mut node = Under::with_headers();
    node.load(&source().snapshot).unwrap();
    let mut bad = Branch { tip: below()[BASE as usize - 1].hash(), height: BASE, tag: 8, blocks: Vec::new() };
    let block = bad.block(Vec::new(), SUBSIDY * 2);
    bad.push(&block);
    bad.mine_empty(40);
    let headers: Vec<Header> = bad.blocks.iter().map(|block| *block.header()).collect();
    node.chain().accept_headers(&headers, now()).unwrap();
    let refused = node.chain().accept_block(Arc::clone(&block), now());
    assert!(matches!(refused, Err(SubmitError::Invalid { .. })), "{refused:?}");
    assert!(node.chain().reader().is_doubted(&block.hash()));
    assert!(node.chain().accept_headers(&headers, now()).is_ok());
    node.submit(&source().blocks);
    assert_eq!(node.follow(), Ok(Behind::Verified));
    assert_eq!((node.tips(), node.chain().reader().is_doubted(&block.hash())), (vec![130], false));
    let refused = node.chain().accept_headers(&headers, now());
    assert!(matches!(refused, Err(SubmitError::Invalid { .. })), "{refused:?}");
}

#[test]
fn an_invalid_block_below_a_snapshot_refutes_it() {
    // A chain whose block 30 takes too much, with a snapshot that says that all was well.
    let mut good = Branch::genesis(4);
    good.mine_empty(29);
    let mut bad = good.clone();
    let block = bad.block(Vec::new(), SUBSIDY * 2);
    bad.push(&block);
    bad.mine_empty(10);
    let mut donor = Node::new();
    donor.submit_all(&good.blocks);
    let path = donor.dir.path().join("coins.dat");
    let dumped = donor.chain().utxo_stats().unwrap().dump(&path, Params::regtest().magic).unwrap();
    let known = AssumedCoins {
        block: bad.tip,
        height: height(bad.height),
        hash_serialized: dumped.hash_serialized.parse().unwrap(),
        chain_txs: 1,
    };
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[11..43].copy_from_slice(bad.tip.as_byte_array());
    let mut node = Under::knowing(known);
    let headers: Vec<Header> = bad.blocks.iter().map(|block| *block.header()).collect();
    node.chain().accept_headers(&headers, now()).unwrap();
    node.load(&bytes).unwrap();
    node.submit(&bad.blocks);
    let fault = node.follow().unwrap_err().to_string();
    assert!(fault.contains("below it is invalid (bad-cb-amount"), "{fault}");
    node.open().unwrap();
    assert_eq!(node.tips(), [29]);
}

#[test]
fn nothing_goes_below_a_snapshot_before_it_is_verified() {
    let mut node = Under::with_headers();
    node.submit(&below()[..20]);
    node.load(&source().snapshot).unwrap();
    node.submit(above());
    node.submit(&below()[20..100]);
    node.follow().unwrap();
    // An operator cannot lead there, but above it may.
    for at in [10, 90, BASE as usize - 1] {
        let refused = node.chain().mark(&source().blocks[at].hash(), crate::Mark::Invalid);
        assert!(matches!(refused, Err(MarkError::Pruned { .. })), "{at}: {refused:?}");
    }
    node.chain().mark(&above()[0].hash(), crate::Mark::Invalid).unwrap();
    while node.chain().advance().unwrap().is_some() {}
    assert_eq!(node.tips(), [100, BASE]);
    node.chain().mark(&above()[0].hash(), crate::Mark::Reconsider).unwrap();
    // Nor can a chain with more work from below, which is the best when all is verified.
    let mut other = Branch::genesis(1);
    other.blocks = below()[..40].to_vec();
    (other.tip, other.height) = (below()[39].hash(), 40);
    let mut other = other.fork(77);
    other.mine_empty(95);
    node.submit(&other.blocks);
    assert_eq!(node.tips(), [100, 130]);
    node.submit(&below()[100..]);
    assert_eq!(node.follow(), Ok(Behind::Verified));
    while node.chain().advance().unwrap().is_some() {}
    assert_eq!(node.tips(), [135]);
}

#[test]
fn a_snapshot_that_is_not_known_any_more_is_not_stood_upon() {
    let mut node = Under::with_headers();
    node.load(&source().snapshot).unwrap();
    node.known.block = source().blocks[3].hash();
    let fault = node.open().unwrap_err().to_string();
    assert!(fault.contains("nothing is known of the coins behind block"), "{fault}");
}
