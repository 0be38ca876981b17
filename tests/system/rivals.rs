//! Chains full of reorganisations, beside Bitcoin Core: the same tip after each block and mark, the same coins at every 50th
//! block. Runs where `BITCOIND` names the binary; `ADIT_TEST_TRIES` sets how many seeds, `ADIT_CHAIN` names files of blocks to go through as well.

use std::collections::{HashSet, VecDeque};

use bitcoin::Block;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hex::DisplayHex;
use serde_json::json;

use crate::bitcoind::Core;
use crate::chain::{Chain, MAGIC, subsidy_sat};
use crate::chance::Chance;
use crate::harness::{Node, folder, tries, until};
use crate::line::{Line, Mark};

/// Blocks between two looks at all coins.
const COMPARE_EVERY: usize = 50;
/// Blocks that one seed goes through: the first hundred make the coins.
const BLOCKS: usize = 350;
/// States of the best chain that are kept to fork from.
const DEPTH: usize = 24;
/// Blocks and marks of one seed.
const MARKS: usize = 150;

/// Bitcoin Core and Adit, which are given the same.
struct Pair {
    core: Core,
    node: Option<Node>,
    line: Line,
    dir: tempfile::TempDir,
    given: usize,
}

impl Pair {
    fn start() -> Option<Pair> {
        let core = Core::start(&[])?;
        let dir = folder();
        let node = Node::start(dir.path(), &[]);
        let line = Line::to(&node);
        Some(Pair { core, node: Some(node), line, dir, given: 0 })
    }

    /// Gives both a block; why it was refused, where it was.
    #[track_caller]
    fn give(&mut self, block: &Block) -> Option<String> {
        let theirs = self.core.call("submitblock", json!([serialize(block).to_lower_hex_string()]));
        let ours = self.line.submit(block);
        let hash = block.block_hash();
        // What Core has kept beside its chain it calls inconclusive, whatever becomes of it later.
        let refused = theirs.as_str().filter(|reason| !["inconclusive", "duplicate"].contains(reason));
        match (refused, &ours) {
            (Some(reason), Err(words)) => assert!(words.starts_with(reason), "{hash}: {reason}, {words}"),
            (None, Ok(_)) => {}
            _ => assert_eq!(theirs, json!("inconclusive"), "{hash}: {ours:?}"),
        }
        self.compare_tips(&format!("block {hash}"));
        self.given += 1;
        if self.given.is_multiple_of(COMPARE_EVERY) {
            self.compare_coins();
        }
        refused.map(str::to_owned)
    }

    #[track_caller]
    fn mark(&mut self, mark: Mark, block: &str) {
        let method = match mark {
            Mark::Invalidate => "invalidateblock",
            Mark::Reconsider => "reconsiderblock",
            Mark::Precious => "preciousblock",
        };
        self.core.call(method, json!([block]));
        assert_eq!(self.line.mark(mark, block).unwrap(), self.core.tip(), "{mark:?} {block}");
    }

    #[track_caller]
    fn compare_tips(&mut self, after: &str) {
        let Pair { core, line, .. } = self;
        // A way of more than 32 blocks goes on after the answer.
        until(&format!("the tips are the same after {after}"), || (line.tip() == core.tip()).then_some(()));
    }

    /// Every figure and both hashes of all coins.
    #[track_caller]
    fn compare_coins(&mut self) {
        let theirs = self.core.call("gettxoutsetinfo", json!(["hash_serialized_3"]));
        let muhash = self.core.call("gettxoutsetinfo", json!(["muhash"]));
        let ours = self.line.coins();
        let amount_sat = (theirs["total_amount"].as_f64().unwrap() * 1e8).round() as u64;
        let want = json!([
            theirs["bestblock"],
            theirs["height"],
            theirs["txouts"],
            theirs["transactions"],
            theirs["bogosize"],
            amount_sat,
            theirs["hash_serialized_3"],
            muhash["muhash"],
        ]);
        let got = json!([
            ours.tip,
            ours.height,
            ours.coins,
            ours.transactions,
            ours.bogo_size,
            ours.amount_sat,
            ours.hash_serialized,
            ours.muhash,
        ]);
        assert_eq!(got, want);
    }

    /// Kills the node and starts it again.
    fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.process.kill_hard();
        }
        let node = Node::start(self.dir.path(), &[]);
        self.line = Line::to(&node);
        self.node = Some(node);
    }

    fn stop(self) {
        self.node.into_iter().for_each(Node::stop);
    }
}

/// Blocks as a network in trouble brings them: branches of any length that spend the same coins, some with an invalid block.
struct Storm {
    chance: Chance,
    /// The best chain as it is, and as it was at each of the heights below; the tip last.
    best: VecDeque<Chain>,
    salt: u64,
}

impl Storm {
    fn new(seed: u64) -> Storm {
        Storm { chance: Chance::new(seed), best: VecDeque::from([Chain::new(seed)]), salt: seed << 32 }
    }

    fn tip(&self) -> &Chain {
        self.best.back().unwrap()
    }

    fn keep(&mut self, chain: Chain) {
        self.best.push_back(chain);
        if self.best.len() > DEPTH {
            self.best.pop_front();
        }
    }

    fn extend(&mut self, pair: &mut Pair, txs: usize) {
        let mut next = self.tip().clone();
        next.grow(txs);
        assert_eq!(pair.give(next.blocks.last().unwrap()), None);
        self.keep(next);
    }

    /// A branch from some blocks below, shorter than the best chain, as long, or longer: then it is the best one, unless its last
    /// block is invalid.
    fn branch(&mut self, pair: &mut Pair) {
        let depth = self.chance.within(1, self.best.len() - 1);
        let length = self.chance.within(1, depth + 2);
        let invalid_at = (self.chance.one_in(5)).then(|| self.chance.below(length));
        self.salt += 1;
        let fork = self.best.len() - 1 - depth;
        let mut chain = self.best[fork].fork(self.salt);
        let mut states = Vec::new();
        for at in 0..length {
            if invalid_at == Some(at) {
                let block = chain.block(Vec::new(), subsidy_sat(chain.height() + 1) + 1);
                pair.give(&block);
                break;
            }
            chain.grow(self.chance.below(7));
            pair.give(chain.blocks.last().unwrap());
            states.push(chain.clone());
        }
        if states.len() > depth {
            self.best.truncate(fork + 1);
            states.into_iter().for_each(|state| self.keep(state));
        }
        assert_eq!(pair.core.tip(), self.tip().tip().to_string());
    }
}

#[test]
fn chains_full_of_reorganisations_leave_the_coins_that_bitcoind_has() {
    for seed in 0..tries(2) as u64 {
        let Some(mut pair) = Pair::start() else { return };
        println!("seed {seed}");
        let mut storm = Storm::new(seed);
        (0..103).for_each(|_| storm.extend(&mut pair, 0));
        while pair.given < BLOCKS {
            if storm.chance.one_in(4) {
                storm.branch(&mut pair);
            } else {
                let txs = storm.chance.below(7);
                storm.extend(&mut pair, txs);
            }
        }
        pair.compare_coins();
        pair.kill();
        pair.compare_tips("a kill");
        pair.compare_coins();
        storm.extend(&mut pair, 5);
        pair.stop();
    }
}

/// The order of the precious blocks as far as it is needed to leave out what Core decides by chance: two of equal work and of the
/// same rank.
#[derive(Default)]
struct Ranks {
    next: i64,
    height: u32,
    given: HashSet<(u32, i64)>,
}

impl Ranks {
    /// Whether calling a block precious gives it a rank of its own.
    fn take(&mut self, height: u32, tip: u32) -> bool {
        if height < tip {
            return true;
        }
        let next = if tip > self.height { -1 } else { self.next };
        let is_new = self.given.insert((height, next));
        if is_new {
            (self.next, self.height) = (next - 1, tip);
        }
        is_new
    }
}

/// Empty blocks in a tree, and what is said of them.
struct Tree {
    chance: Chance,
    /// Each as the chain up to it.
    known: Vec<Chain>,
    ranks: Ranks,
    salt: u64,
    with_invalid: bool,
}

impl Tree {
    /// One of those that came last, most of the time.
    fn pick(&mut self) -> usize {
        let count = if self.chance.one_in(6) { self.known.len() } else { self.known.len().min(14) };
        self.known.len() - 1 - self.chance.below(count)
    }

    fn mine(&mut self, pair: &mut Pair) {
        let parent = self.pick();
        self.salt += 1;
        let mut chain = self.known[parent].fork(self.salt);
        let excess = u64::from(self.with_invalid && self.chance.one_in(10));
        let block = chain.block(Vec::new(), subsidy_sat(chain.height() + 1) + excess);
        let refused = pair.give(&block);
        if refused.as_deref() != Some("bad-prevblk") {
            chain.push(block);
            self.known.push(chain);
        }
    }

    fn mark(&mut self, pair: &mut Pair) {
        let at = self.pick();
        let mark = *self.chance.pick(&[Mark::Invalidate, Mark::Reconsider, Mark::Precious]);
        let tip = pair.core.height() as u32;
        let chain = &self.known[at];
        if mark != Mark::Precious || self.ranks.take(chain.height(), tip) {
            pair.mark(mark, &chain.tip().to_string());
        }
    }
}

#[test]
fn marks_at_random_lead_to_the_tips_of_bitcoind() {
    for seed in 0..tries(4) as u64 {
        let Some(mut pair) = Pair::start() else { return };
        println!("seed {seed}");
        let mut trunk = Chain::new(seed);
        let mut known = Vec::new();
        for _ in 0..10 {
            trunk.grow(0);
            pair.give(trunk.blocks.last().unwrap());
            known.push(trunk.clone());
        }
        let (chance, with_invalid) = (Chance::new(seed), seed % 2 == 1);
        let mut tree = Tree { chance, known, ranks: Ranks::default(), salt: seed << 32, with_invalid };
        for _ in 0..MARKS {
            if tree.chance.one_in(2) { tree.mine(&mut pair) } else { tree.mark(&mut pair) }
        }
        pair.compare_coins();
        pair.kill();
        pair.compare_tips("a kill");
        // What was marked is so still. (Our own verdicts are not kept: there, only where no rule was broken.)
        for at in 0..if with_invalid { 0 } else { tree.known.len() } {
            let fork = tree.known[at].fork(1 << 60);
            let block = fork.block(Vec::new(), subsidy_sat(fork.height() + 1));
            let theirs = pair.core.call("submitblock", json!([serialize(&block).to_lower_hex_string()]));
            let ours = pair.line.submit(&block).err();
            let refused = theirs.as_str().filter(|reason| *reason != "inconclusive");
            assert_eq!(ours.as_deref(), refused, "on {}", fork.tip());
        }
        pair.stop();
    }
}

/// Blocks from a file framed like blk*.dat.
fn blocks_of(file: &[u8]) -> Vec<Block> {
    let (mut rest, mut blocks) = (file, Vec::new());
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        assert_eq!(head[..4], MAGIC);
        let length = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
        blocks.push(deserialize(&tail[..length]).unwrap());
        rest = &tail[length..];
    }
    blocks
}

#[test]
fn chains_from_files_leave_the_coins_that_bitcoind_has() {
    let Some(files) = std::env::var_os("ADIT_CHAIN") else {
        eprintln!("ADIT_CHAIN names no file: no generated chain was gone through");
        return;
    };
    for file in std::env::split_paths(&files) {
        let Some(mut pair) = Pair::start() else { return };
        println!("{}", file.display());
        for block in blocks_of(&std::fs::read(&file).unwrap()) {
            assert_eq!(pair.give(&block), None);
        }
        pair.compare_coins();
        pair.stop();
    }
}
