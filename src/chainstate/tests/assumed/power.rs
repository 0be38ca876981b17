//! A snapshot that is loaded, stood upon, verified behind and confirmed on a disk that loses, tears and fails.
//!
//! One walk does all of it in steps. Whatever a power cut leaves of one, the next start is into a state before or after it: of the tip no block
//! that was answered is missing, what follows from below is not further than it was, and all that is left to do leads to the same coins.

use std::ops::RangeInclusive;
use std::path::Path;

use super::super::power::{self, failing, tries};
use super::super::sim::{CUTS, Chance, Cut, Image, Sim};
use super::*;

/// A disk's machine, whose folder holds the snapshot's file too.
struct Machine {
    machine: power::Machine,
    snapshot: PathBuf,
}

impl Machine {
    fn new() -> Machine {
        let machine = power::Machine::new();
        let snapshot = machine.dir.path().join("coins.dat");
        std::fs::write(&snapshot, &source().snapshot).unwrap();
        Machine { machine, snapshot }
    }

    fn open(&self, sim: &Sim) -> Result<Chainstate, ChainFault> {
        let store = Arc::new(self.machine.store(sim)?);
        let params = Params { assumed_coins: vec![source().known.clone()], ..Params::regtest() };
        let config = ChainConfig { cache_mib: 64, script_threads: 1, ..ChainConfig::new(Arc::new(params)) };
        Chainstate::open(config, store, Arc::new(Interpreter))
    }
}

/// A step of the walk.
#[derive(Clone, Debug)]
enum Step {
    /// Headers up to a height.
    Headers(u32),
    /// Blocks of these heights, and below the snapshot all that can be verified.
    Blocks(RangeInclusive<u32>),
    Flush,
    Load(LoadAt),
}

/// How far a snapshot is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoadAt {
    /// Read to its end, and then given up.
    Read,
    /// To the end.
    Activated,
}

/// The walk; the chain grows above while what lies below is verified.
fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Blocks(1..=10), Step::Headers(BASE), Step::Load(LoadAt::Read), Step::Flush];
    steps.extend([Step::Blocks(11..=14), Step::Load(LoadAt::Activated)]);
    let (mut above, mut below) = (BASE + 1, 15);
    while below <= BASE {
        let to = (below + 6).min(BASE);
        steps.push(Step::Blocks(below..=to));
        below = to + 1;
        if above < 130 {
            steps.push(Step::Blocks(above..=above));
            above += 1;
        }
        if below % 3 == 0 {
            steps.push(Step::Flush);
        }
    }
    steps.push(Step::Blocks(above..=130));
    steps
}

/// A fault of ours, whatever was done.
fn fault_of(error: SubmitError) -> ChainFault {
    match error {
        SubmitError::Fault(fault) => fault,
        other => panic!("not the block's fault: {other}"),
    }
}

fn go(chain: &mut Chainstate, machine: &Machine, step: &Step) -> Result<(), ChainFault> {
    match step {
        Step::Headers(to) => {
            let headers: Vec<Header> = source().blocks[..*to as usize].iter().map(|b| *b.header()).collect();
            chain.accept_headers(&headers, now()).map(drop).map_err(fault_of)
        }
        Step::Flush => chain.flush(),
        Step::Load(to) => {
            // What came since the last flush is lost with a process, and comes again.
            go(chain, machine, &Step::Headers(BASE))?;
            load(chain, &machine.snapshot, *to)
        }
        Step::Blocks(heights) => {
            for height in heights.clone() {
                let block = Arc::clone(&source().blocks[height as usize - 1]);
                chain.accept_block(block, now()).map_err(fault_of)?;
                while chain.advance()?.is_some() {}
            }
            while chain.follow(&mut || true)? == Behind::More {}
            Ok(())
        }
    }
}

fn load(chain: &mut Chainstate, path: &Path, to: LoadAt) -> Result<(), ChainFault> {
    let fault_of = |error| match error {
        LoadError::Fault(fault) => fault,
        other => panic!("not the snapshot's fault: {other}"),
    };
    let loaded = chain.load_snapshot(path).and_then(|load| load.run(&mut |_| true)).map_err(fault_of)?;
    match to {
        LoadAt::Read => Ok(()),
        LoadAt::Activated => chain.activate_snapshot(loaded).map(drop).map_err(fault_of),
    }
}

/// Heights of the tips, that which follows from below first where there is one.
fn tips(chain: &Chainstate) -> Vec<u32> {
    chain.reader().chainstates().iter().map(|info| info.tip.height.to_u32()).collect()
}

/// Opens what was left, which is at one of the tips; and does the rest.
#[track_caller]
fn check_image(machine: &Machine, image: &Image, allowed: &[Vec<u32>], what: &str) {
    let mut chain = machine.open(&Sim::of(image)).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let found = tips(&chain);
    // Whoever follows from below may have forgotten some, and does them again; so may a tip that is far below the best header, as the
    // blocks above the tenth are until there is a snapshot.
    let durable = |tip: u32| if tip < BASE { tip.min(10) } else { tip };
    let tip = found.last().copied().unwrap_or(0);
    let is_known = |known: &Vec<u32>| {
        let last = known.last().copied().unwrap_or(0);
        known.len() == found.len() && (durable(last)..=last).contains(&tip) && known[0] >= found[0]
    };
    assert!(allowed.iter().any(is_known), "{what}: {found:?} is found, {allowed:?} were acknowledged");
    go(&mut chain, machine, &Step::Headers(130)).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    go(&mut chain, machine, &Step::Blocks(1..=130)).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert_eq!(tips(&chain), [130], "{what}");
    let stats = chain.utxo_stats().unwrap().run().unwrap();
    assert_eq!(stats, source().stats, "{what}");
}

#[test]
fn a_power_cut_at_any_step_of_a_snapshot_leaves_it_done_or_not_begun() {
    let (machine, steps) = (Machine::new(), steps());
    let rounds = tries(1) as u64;
    let (mut images, mut looked_at) = (0, 0);
    for seed in 0..rounds {
        let (sim, mut chance) = (Sim::new(), Chance::new(seed));
        let mut chain = machine.open(&sim).unwrap();
        for (number, step) in steps.iter().enumerate() {
            // Those that rename always; of the others some.
            let (before, is_last) = (tips(&chain), number + 1 == steps.len());
            let loads = matches!(step, Step::Load(_));
            let looks = loads || is_last || chance.below(if rounds > 1 { 2 } else { 8 }) == 0;
            if looks {
                sim.capture(seed * 1000 + number as u64);
            }
            go(&mut chain, &machine, step).unwrap();
            let after = tips(&chain);
            sim.stop_capturing();
            let taken = sim.take_images();
            if !looks {
                continue;
            }
            looked_at += 1;
            drop(chain);
            // The tip may also be at any block between.
            let allowed = between(&before, &after);
            // Short: any three of them.
            let most = if rounds > 1 { taken.len() } else { 6 };
            let skip = taken.len().saturating_sub(most);
            for (cut, image) in taken.into_iter().skip(skip) {
                check_image(&machine, &image, &allowed, &format!("seed {seed}, {step:?}, {cut:?}"));
                images += 1;
            }
            let now = sim.image(Cut::None, &mut chance);
            check_image(&machine, &now, &[after], &format!("seed {seed}, after {step:?}"));
            chain = machine.open(&sim).unwrap();
            while chain.follow(&mut || true).unwrap() == Behind::More {}
        }
        assert_eq!(tips(&chain), [130]);
    }
    println!("{rounds} rounds of {} steps, {looked_at} looked at, {images} images", steps.len());
    assert!(images > 0);
}

/// All states on the way from one to another.
fn between(before: &[u32], after: &[u32]) -> Vec<Vec<u32>> {
    let tip = |tips: &[u32]| tips.last().copied().unwrap_or(0);
    let heights = tip(before)..=tip(after);
    let both = [before, after].into_iter();
    let lowest = |tips: &[u32], at: u32| match tips {
        [_] => vec![at],
        tips => vec![tips[0].max(after[0].min(BASE)), at],
    };
    both.flat_map(|tips| heights.clone().map(move |at| lowest(tips, at))).collect()
}

#[test]
fn a_disk_that_fails_at_any_step_of_a_snapshot_is_our_fault_and_nothing_is_lost() {
    let (machine, steps) = (Machine::new(), steps());
    let whole = Sim::new();
    let mut chain = machine.open(&whole).unwrap();
    steps.iter().for_each(|step| go(&mut chain, &machine, step).unwrap());
    drop(chain);
    let (rounds, mut chance, mut faults) = (tries(4), Chance::new(5), 0);
    for round in 0..rounds {
        let (sim, failure) = failing(round, &whole, &mut chance);
        let mut allowed = vec![vec![0]];
        if let Ok(mut chain) = machine.open(&sim) {
            for step in &steps {
                let before = tips(&chain);
                let done = go(&mut chain, &machine, step);
                let to = match step {
                    Step::Blocks(heights) if *heights.start() > BASE => vec![before[0], *heights.end()],
                    Step::Blocks(heights) if before.len() == 1 => vec![*heights.end()],
                    _ => tips(&chain),
                };
                let met = done.is_err();
                allowed = between(&before, if met { &to } else { &before });
                allowed.extend([tips(&chain), vec![before[0], BASE], vec![*tips(&chain).last().unwrap()]]);
                if met {
                    faults += 1;
                    // Whatever is said after that, no more is claimed than is there.
                    let _ = chain.flush();
                    break;
                }
                allowed = vec![tips(&chain)];
            }
        }
        for cut in CUTS {
            let image = sim.image(cut, &mut chance);
            check_image(&machine, &image, &allowed, &format!("{failure:?}, {cut:?}"));
        }
    }
    println!("{rounds} rounds, {faults} faults");
    assert!(faults > 0);
}
