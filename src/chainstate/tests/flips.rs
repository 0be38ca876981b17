//! Bits that flip at rest in blocks, undo data and what lies beside them: each is noticed, or changes nothing.

use std::collections::HashMap;

use super::power::{Machine, blocks, tip, tries, undisturbed};
use super::sim::{Chance, Cut, Image, Sim};
use super::*;
use crate::check::{CheckOptions, check};

/// What became of a flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flipped {
    Noticed,
    Harmless,
}

/// A chain on disk, one that takes its place from below all its transactions, and the coins at each tip on the way.
struct Scene {
    machine: Machine,
    known: Vec<Arc<ParsedBlock>>,
    rival: Vec<Arc<ParsedBlock>>,
    stats: HashMap<BlockHash, UtxoStats>,
    image: Image,
}

impl Scene {
    fn new() -> Scene {
        let known = blocks();
        // From the hundredth block on: every block that spends anything is disconnected by its undo data.
        let mut branch = Branch { tip: known[99].hash(), height: 100, tag: 9, blocks: Vec::new() };
        branch.mine_empty(31);
        let stats = undisturbed(&[known.clone(), branch.blocks.clone()].concat());
        let (machine, sim) = (Machine::new(), Sim::new());
        let mut chain = machine.open(&sim).unwrap();
        for (number, block) in known.iter().enumerate() {
            chain.accept_block(Arc::clone(block), now()).unwrap();
            if number % 40 == 39 || number + 4 == known.len() {
                chain.flush().unwrap();
            }
        }
        assert!(tip(&chain) != branch.tip);
        drop(chain);
        let image = sim.image(Cut::All, &mut Chance::new(1));
        Scene { machine, known, rival: branch.blocks, stats, image }
    }

    /// Whether a check of everything finds something; coins that it calls sound are the right ones.
    #[track_caller]
    fn is_found_by_check(&self, image: &Image, what: &str) -> bool {
        let Ok(store) = self.machine.store(&Sim::of(image)) else { return true };
        let options = CheckOptions { deep: true, threads: 1 };
        let Ok(checked) = check(&store, &Arc::new(Params::regtest()), options, &mut |_| true) else {
            return true;
        };
        let stats = checked.tip.and_then(|(hash, _)| self.stats.get(&hash));
        if checked.is_sound() {
            assert_eq!(checked.muhash.as_ref(), stats.map(|stats| &stats.muhash), "{what}");
        }
        !checked.is_sound()
    }

    /// Reads every block, sends them all again, and goes to the other chain: over every undo record there is.
    #[track_caller]
    fn use_all(&self, image: &Image, what: &str) -> Flipped {
        let Ok(mut chain) = self.machine.open(&Sim::of(image)) else { return Flipped::Noticed };
        let coins = |chain: &mut Chainstate| chain.utxo_stats().ok().and_then(|job| job.run().ok());
        let Some(found) = coins(&mut chain) else { return Flipped::Noticed };
        // What was torn off behind the last flush is asked for again.
        if !self.is_another_block(&chain) {
            assert_eq!(Some(&found), self.stats.get(&tip(&chain)), "{what}");
        }
        for block in &self.known {
            match chain.reader().block(&block.hash()) {
                Ok(Some(read)) => assert_eq!(read.raw(), block.raw(), "{what}"),
                Ok(None) => {}
                Err(_) => return Flipped::Noticed,
            }
        }
        for block in self.known.iter().chain(&self.rival) {
            match chain.accept_block(Arc::clone(block), now()) {
                Ok(_) => {}
                Err(SubmitError::Fault(_)) => return Flipped::Noticed,
                Err(error) => panic!("{what}: {error}"),
            }
        }
        loop {
            match chain.advance() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return Flipped::Noticed,
            }
        }
        let Some(found) = coins(&mut chain) else { return Flipped::Noticed };
        assert_eq!(Some(&found), self.stats.get(&tip(&chain)), "{what}");
        assert_eq!(Some(tip(&chain)), self.rival.last().map(|block| block.hash()), "{what}");
        Flipped::Harmless
    }

    /// Whether the tip is a known block but for one bit of its header: on regtest every other header has the work that it needs, so that
    /// this is a block like any other.
    fn is_another_block(&self, chain: &Chainstate) -> bool {
        let Ok(Some(block)) = chain.reader().block(&tip(chain)) else { return false };
        let bits =
            |known: &[u8]| known.iter().zip(block.raw()).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let is_near = |known: &Arc<ParsedBlock>| {
            known.raw().len() == block.raw().len()
                && known.raw()[80..] == block.raw()[80..]
                && bits(&known.raw()[..80]) == 1
        };
        self.known.iter().any(is_near)
    }

    /// A bit anywhere in the file.
    #[track_caller]
    fn flip(&self, path: &Path, chance: &mut Chance) -> Flipped {
        let (byte, bit) = (chance.below(self.image[path].len() as u64) as usize, chance.below(8) as u32);
        let mut flipped = self.image.clone();
        flipped.insert(path.to_owned(), self.image[path].flipped(byte, bit));
        let what = format!("bit {bit} of byte {byte} of {}", path.display());
        let is_found = self.is_found_by_check(&flipped, &what);
        let became = self.use_all(&flipped, &what);
        assert!(is_found || became == Flipped::Harmless, "{what}: a check of everything calls it sound");
        became
    }

    /// As many bits as a long run asks for, in the files of that name by turns.
    #[track_caller]
    fn flip_files(&self, few: usize, is_wanted: impl Fn(&str) -> bool) {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let files: Vec<_> =
            self.image.iter().filter(|(path, file)| !file.is_empty() && is_wanted(&name(path))).collect();
        assert!(!files.is_empty());
        let (mut chance, mut noticed, tries) = (Chance::new(1), 0, tries(few));
        for n in 0..tries {
            noticed += usize::from(self.flip(files[n % files.len()].0, &mut chance) == Flipped::Noticed);
        }
        println!("{tries} flips in {} files: {noticed} noticed, {} harmless", files.len(), tries - noticed);
        assert!(noticed > 0);
    }
}

#[test]
fn no_flipped_bit_of_block_and_undo_files_is_answered_from() {
    Scene::new().flip_files(24, |name| name.starts_with("blk") || name.starts_with("rev"));
}

#[test]
fn no_flipped_bit_of_the_database_or_the_notes_beside_it_is_answered_from() {
    Scene::new().flip_files(16, |name| !name.starts_with("blk") && !name.starts_with("rev"));
}

/// The key of the block files, and the format's two words.
#[test]
fn a_flipped_bit_of_the_key_or_the_format_is_noticed_before_anything_is_written() {
    let branch = busy_chain();
    let key = adit_store::XorKey::new([3, 1, 4, 1, 5, 9, 2, 6]);
    let fresh = tempfile::tempdir().unwrap();
    let open = |path: &Path| -> Result<Chainstate, String> {
        let dir = DataDir::open(path, "regtest").map_err(|e| e.to_string())?;
        let store = Store::open_with_key(dir, key, 1 << 20).map_err(|e| e.to_string())?;
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
