//! A walk by chance: blocks, mutants and reorganisations, one message after the other, to both nodes.

use std::collections::BTreeMap;
use std::fmt::Write;

use adit_domain::consensus::Params;
use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::{Block, BlockHash};

use super::super::chance::Chance;
use super::super::child::Oracle;
use super::mutants::{self, HEAVY, MUTANTS};
use super::sides::{Apart, Outcome, Sides};
use super::world::{Draft, World, mined};

/// Blocks before the walk begins: the first rewards can be spent.
const TRUNK: u32 = 112;
/// Messages of one walk; a new one begins on a fresh chain.
pub(crate) const WALK: u64 = 400;
/// Messages that are kept to be sent again.
const KEPT_MAX: usize = 60;
const KEPT_BYTES_MAX: usize = 100_000;

/// How often what came out.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) blocks: u64,
    pub(crate) headers: u64,
    pub(crate) reorganisations: u64,
    pub(crate) deepest: u32,
    /// Transactions of ours whose scripts did not run: they were in the cache.
    pub(crate) met_before: u64,
    /// By what was done, then by what became of it.
    pub(crate) outcomes: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

impl Tally {
    /// How often a reason was given, whatever was done.
    pub(crate) fn reasons(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (outcome, count) in self.outcomes.values().flatten() {
            *all.entry(outcome.clone()).or_default() += count;
        }
        all
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (name, outcomes) in &self.outcomes {
            let row: Vec<String> = outcomes.iter().map(|(outcome, n)| format!("{outcome} {n}")).collect();
            writeln!(text, "  {name}: {}", row.join(", ")).unwrap();
        }
        text
    }
}

/// Where and how the two came apart.
pub(crate) struct Found {
    pub(crate) seed: u64,
    pub(crate) message: u64,
    pub(crate) name: &'static str,
    pub(crate) raw: Vec<u8>,
    pub(crate) apart: Apart,
}

pub(crate) struct Session<'t> {
    sides: Sides,
    world: World,
    chance: Chance,
    tally: &'t mut Tally,
    seed: u64,
    messages: u64,
    sent: Vec<Vec<u8>>,
    /// The last blocks that were stored, the newest last.
    recent: Vec<BlockHash>,
}

type Step = Result<Outcome, Box<Found>>;

impl<'t> Session<'t> {
    pub(crate) fn open(oracle: Oracle, seed: u64, tally: &'t mut Tally) -> Result<Session<'t>, Box<Found>> {
        let sides = Sides::open(oracle, Params::regtest());
        let sides = sides
            .map_err(|apart| Box::new(Found { seed, message: 0, name: "open", raw: Vec::new(), apart }))?;
        let (world, chance) = (World::new(), Chance::new(seed));
        let mut session =
            Session { sides, world, chance, tally, seed, messages: 0, sent: Vec::new(), recent: Vec::new() };
        for _ in 0..TRUNK {
            session.extend("trunk")?;
        }
        Ok(session)
    }

    /// Ends the walk with a start of our side on what it has on disk.
    pub(crate) fn end(self) -> Result<Oracle, Box<Found>> {
        let Session { sides, seed, messages, tally, .. } = self;
        tally.met_before += sides.found();
        let found = |apart| Found { seed, message: messages, name: "restart", raw: Vec::new(), apart };
        sides.restart().map_err(|apart| Box::new(found(apart)))
    }

    /// Goes on until so many messages have been sent.
    pub(crate) fn walk(&mut self, messages: u64) -> Result<(), Box<Found>> {
        let end = self.messages + messages;
        while self.messages < end {
            match self.chance.below(100) {
                0..=24 => self.extend("block").map(drop),
                25..=63 => self.mutant(),
                64..=69 => self.flip(),
                70..=72 => self.cut(),
                73..=82 => self.reorganise(),
                83..=86 => self.side(),
                87..=88 => self.rivals(),
                89..=92 => self.headers(),
                93..=97 => self.again(),
                98 => self.tamper(),
                _ => match self.chance.below(3) {
                    0 => self.heavy(),
                    1 => self.grow(),
                    _ => self.flush(),
                },
            }?;
        }
        Ok(())
    }

    fn found(&self, name: &'static str, raw: &[u8], apart: Apart) -> Box<Found> {
        Box::new(Found { seed: self.seed, message: self.messages, name, raw: raw.to_vec(), apart })
    }

    fn count(&mut self, name: &'static str, outcome: &Outcome) {
        let text = match outcome {
            Outcome::New => "taken".to_owned(),
            Outcome::Known => "known".to_owned(),
            Outcome::NoBlock => "no block".to_owned(),
            Outcome::Refused(refusal) => match refusal.reason.starts_with("bad-version") {
                true => "bad-version".to_owned(),
                // The token, without the detail behind it.
                false => refusal.reason.split(", ").next().unwrap_or_default().to_owned(),
            },
        };
        *self.tally.outcomes.entry(name).or_default().entry(text).or_default() += 1;
    }

    fn raw(&mut self, name: &'static str, raw: &[u8]) -> Step {
        self.messages += 1;
        self.tally.blocks += u64::from(name != "trunk");
        let before = self.sides.tip().0;
        let outcome = self.sides.block(raw).map_err(|apart| self.found(name, raw, apart))?;
        self.count(name, &outcome);
        if outcome == Outcome::New {
            let block: Block = deserialize(raw).expect("both have decoded it");
            self.learn(&block);
        }
        self.note_reorganisation(before);
        if raw.len() < KEPT_BYTES_MAX {
            self.sent.push(raw.to_vec());
            if self.sent.len() > KEPT_MAX {
                self.sent.swap_remove(self.chance.below(KEPT_MAX));
            }
        }
        Ok(outcome)
    }

    fn note_reorganisation(&mut self, before: BlockHash) {
        let depth = self.world.blocks_left(before, self.sides.tip().0);
        self.tally.reorganisations += u64::from(depth > 0);
        self.tally.deepest = self.tally.deepest.max(depth);
    }

    fn learn(&mut self, block: &Block) {
        self.world.learn(block);
        self.recent.push(block.block_hash());
        if self.recent.len() > 30 {
            self.recent.remove(0);
        }
    }

    fn block(&mut self, name: &'static str, block: &Block) -> Step {
        self.raw(name, &serialize(block))
    }

    fn header(&mut self, name: &'static str, header: &Header) -> Step {
        self.messages += 1;
        self.tally.headers += 1;
        let outcome =
            self.sides.header(header).map_err(|apart| self.found(name, &serialize(header), apart))?;
        self.count(name, &outcome);
        Ok(outcome)
    }

    /// A good block on the tip.
    fn extend(&mut self, name: &'static str) -> Step {
        let view = self.world.view(self.sides.tip().0);
        let block = Draft::busy(&view, &mut self.chance).seal();
        self.block(name, &block)
    }

    /// Several good blocks on the tip.
    fn grow(&mut self) -> Result<(), Box<Found>> {
        for _ in 0..self.chance.within(2, 8) {
            self.extend("block")?;
        }
        Ok(())
    }

    fn pick_mutant(&mut self) -> (&'static str, mutants::Mutant) {
        let all: usize = MUTANTS.iter().map(|(_, weight, _)| usize::from(*weight)).sum();
        let mut at = self.chance.below(all);
        for (name, weight, mutant) in MUTANTS {
            match at.checked_sub(usize::from(*weight)) {
                Some(rest) => at = rest,
                None => return (name, *mutant),
            }
        }
        unreachable!("the weights add up")
    }

    fn mutant(&mut self) -> Result<(), Box<Found>> {
        let (name, mutant) = self.pick_mutant();
        let view = self.world.view(self.sides.tip().0);
        let Some(block) = mutant(&view, &mut self.chance) else { return Ok(()) };
        if self.chance.one_in(5) {
            self.header("header of a mutant", &block.header)?;
        }
        let outcome = self.block(name, &block)?;
        if matches!(outcome, Outcome::Refused(_)) && self.chance.one_in(3) {
            self.probe(&block)?;
        }
        Ok(())
    }

    /// What is remembered of a refused block: it comes again, its header does, and something stands on it.
    fn probe(&mut self, block: &Block) -> Result<(), Box<Found>> {
        if self.chance.one_in(2) {
            self.block("refused before", block)?;
        }
        if self.chance.one_in(2) {
            self.header("header refused before", &block.header)?;
        }
        let parent = block.block_hash();
        let time = block.header.time.wrapping_add(1);
        let child = mined(Header { prev_blockhash: parent, time, ..block.header }, true);
        if self.chance.one_in(2) {
            self.header("header on a refused one", &child)?;
        }
        self.world.learn(block);
        if self.world.height(&parent).is_some() {
            let view = self.world.view(parent);
            let child = Draft::empty(&view, &mut self.chance).seal();
            self.block("on a refused one", &child)?;
        }
        Ok(())
    }

    fn heavy(&mut self) -> Result<(), Box<Found>> {
        let view = self.world.view(self.sides.tip().0);
        let (name, mutant) = *self.chance.pick(HEAVY);
        let Some(block) = mutant(&view, &mut self.chance) else { return Ok(()) };
        self.block(name, &block).map(drop)
    }

    fn next_block(&mut self) -> Block {
        let view = self.world.view(self.sides.tip().0);
        Draft::busy(&view, &mut self.chance).seal()
    }

    /// Bits flipped anywhere in a block's bytes; then, often, the block as it was.
    fn flip(&mut self) -> Result<(), Box<Found>> {
        let block = self.next_block();
        let mut raw = serialize(&block);
        for _ in 0..self.chance.within(1, 3) {
            let bit = self.chance.below(raw.len() * 8);
            raw[bit / 8] ^= 1 << (bit % 8);
        }
        if self.chance.one_in(4) {
            // Its header, for once, has work.
            let header = deserialize(&raw[..80]).unwrap();
            raw.splice(..80, serialize(&mined(header, true)));
        }
        self.raw("bits flipped", &raw)?;
        if self.chance.one_in(2) {
            self.block("block", &block)?;
        }
        Ok(())
    }

    /// Bytes that are too few, or none of a block.
    fn cut(&mut self) -> Result<(), Box<Found>> {
        let mut raw = serialize(&self.next_block());
        match self.chance.below(5) {
            4 => {
                let view = self.world.view(self.sides.tip().0);
                raw = mutants::inputless(&view, &mut self.chance);
            }
            0 => raw = self.chance.bytes(200),
            1 => raw.truncate(self.chance.below(100)),
            2 => drop(raw.remove(self.chance.below(raw.len()))),
            _ => raw.truncate(self.chance.below(raw.len())),
        }
        self.raw("bytes cut", &raw).map(drop)
    }

    /// The same header with other bytes behind it, before and after the block itself.
    fn tamper(&mut self) -> Result<(), Box<Found>> {
        let block = self.next_block();
        let mut other = block.clone();
        match self.chance.below(4) {
            0 => drop(other.txdata.pop()),
            1 => other.txdata.push(other.txdata[other.txdata.len() - 1].clone()),
            2 => other.txdata[0].input[0].witness.push([1]),
            _ => other.txdata.clear(),
        }
        if self.chance.one_in(2) {
            self.header("header", &block.header)?;
        }
        self.block("tampered", &other)?;
        self.block("block", &block)?;
        self.block("tampered, block known", &other).map(drop)
    }

    /// A block on one of those below the tip, or beside it.
    fn side(&mut self) -> Result<(), Box<Found>> {
        if self.recent.is_empty() {
            return Ok(());
        }
        let parent = *self.chance.pick(&self.recent);
        let view = self.world.view(parent);
        let block = match self.chance.one_in(3) {
            false => Draft::busy(&view, &mut self.chance).seal(),
            true => {
                let (_, mutant) = self.pick_mutant();
                let Some(block) = mutant(&view, &mut self.chance) else { return Ok(()) };
                block
            }
        };
        self.block("aside", &block).map(drop)
    }

    /// A branch from some blocks below the tip that gets longer than the chain, or as long; perhaps one of its blocks is
    /// a mutant; they come in any order.
    fn reorganise(&mut self) -> Result<(), Box<Found>> {
        let depth = self.chance.within(1, 6);
        let start = self.world.ancestor(self.sides.tip().0, depth as u32);
        let bad = self.chance.one_in(2).then(|| self.chance.below(depth + 1));
        let mut blocks: Vec<Block> = Vec::new();
        let mut parent = start;
        for n in 0..depth + self.chance.below(3) {
            let view = self.world.view(parent);
            let mutant = (bad == Some(n)).then(|| self.pick_mutant().1);
            let block = mutant.and_then(|mutant| mutant(&view, &mut self.chance));
            let block = block.unwrap_or_else(|| Draft::busy(&view, &mut self.chance).seal());
            parent = block.block_hash();
            self.world.learn(&block);
            blocks.push(block);
            if self.world.height(&parent).is_none() {
                break;
            }
        }
        if self.chance.one_in(3) {
            for block in &blocks {
                if self.header("header of a branch", &block.header)? != Outcome::New {
                    break;
                }
            }
        }
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        match self.chance.below(4) {
            0 => order.reverse(),
            1 => (0..order.len()).for_each(|n| order.swap(n, self.chance.below(blocks.len()))),
            _ => {}
        }
        let mut waiting = Vec::new();
        for n in order {
            let outcome = self.block("of a branch", &blocks[n])?;
            if matches!(&outcome, Outcome::Refused(refusal) if refusal.reason == "prev-blk-not-found") {
                waiting.push(n);
            }
        }
        waiting.sort_unstable();
        for n in waiting {
            self.block("of a branch, again", &blocks[n])?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Box<Found>> {
        self.sides.flush().map_err(|apart| self.found("flush", &[], apart))
    }

    /// A good block on one that was learnt.
    fn on(&mut self, parent: BlockHash) -> Block {
        let view = self.world.view(parent);
        let block = Draft::busy(&view, &mut self.chance).seal();
        self.world.learn(&block);
        block
    }

    /// Branches that begin in one block, whose body comes last: headers in one order, bodies in another. Seldom they are
    /// longer than what is connected in one step.
    fn rivals(&mut self) -> Result<(), Box<Found>> {
        let depth = self.chance.below(3) as u32;
        let start = self.world.ancestor(self.sides.tip().0, depth);
        let root = self.on(start);
        let length = if self.chance.one_in(12) { 40 } else { self.chance.within(1, 4) };
        let mut bodies = Vec::new();
        for _ in 0..self.chance.within(1, 3) {
            let mut parent = root.block_hash();
            for _ in 0..length + self.chance.below(2) {
                bodies.push(self.on(parent));
                parent = bodies[bodies.len() - 1].block_hash();
            }
        }
        self.header("header of a rival", &root.header)?;
        for block in &bodies {
            self.header("header of a rival", &block.header)?;
        }
        for n in 0..bodies.len() {
            bodies.swap(n, self.chance.below(n + 1));
        }
        for block in &bodies {
            self.block("rival", block)?;
        }
        self.block("root of rivals", &root).map(drop)
    }

    fn headers(&mut self) -> Result<(), Box<Found>> {
        let parent = match self.recent.is_empty() || self.chance.one_in(2) {
            true => self.sides.tip().0,
            false => *self.chance.pick(&self.recent),
        };
        let view = self.world.view(parent);
        if self.chance.one_in(2) {
            let Some(block) = mutants::header(&view, &mut self.chance) else { return Ok(()) };
            return self.header("header mutant", &block.header).map(drop);
        }
        let block = Draft::busy(&view, &mut self.chance).seal();
        self.header("header", &block.header)?;
        if self.chance.one_in(2) {
            self.block("block after its header", &block)?;
        }
        Ok(())
    }

    /// A message that was sent before, perhaps long ago.
    fn again(&mut self) -> Result<(), Box<Found>> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let raw = self.chance.pick(&self.sent).clone();
        self.raw("again", &raw).map(drop)
    }
}
