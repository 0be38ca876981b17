//! `kill -9` at any write: the next start is valid by itself, nothing is built anew, and the coins are those of an undisturbed run.
//!
//! A way of several commands (imports that end in flushes, a run in which tiers merge, a reorganisation, indexes that are built and that follow
//! blocks one by one, both kinds of reindex, pruning) is gone once undisturbed. Then each try takes the folder as it was before one of the
//! commands, and has that command killed at a write that a seed names; every other time the next one too, while it recovers.
//! `ADIT_TEST_TRIES` says how many.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use adit_store::failpoint::Place;
use bitcoin::{Amount, Block, ScriptBuf, TxOut};
use serde_json::{Value, json};

use crate::chain::{Chain, Lock, mined, subsidy_sat};
use crate::client::Client;
use crate::harness::{Node, Process, adit, folder, text, tries, until};
use crate::indexes::ALL as INDEXES;
use crate::line::Line;

/// Small files, so that a short chain has many.
const SMALL: [&str; 2] = ["--set", "chain.small_files=true"];
/// What is pruned to: less than the fat blocks take.
const PRUNED: [&str; 2] = ["--set", "chain.prune_mib=2"];
/// Blocks of 60 kB: 2.4 MB.
const FAT_BLOCKS: usize = 40;

/// A step of chance that a seed repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }
}

/// A command of the way.
#[derive(Clone)]
enum Step {
    /// Blocks of a file, up to a height; pruned where that is asked for.
    Import { file: PathBuf, stop_at: u32, pruned: bool },
    /// A node that is asked to end when it is ready.
    Run,
    /// A node with all indexes, which is asked to end when they have come to its tip.
    Index,
    /// The same, and blocks that come one by one.
    Follow(Arc<Vec<Block>>),
    /// Headers and coins from the block files, or the coins alone.
    Reindex { chainstate: bool },
    /// A node that keeps blocks until it is told not to, and is.
    Prune,
}

/// How a step ended.
struct Gone {
    killed: bool,
    /// What the indexes say, where the step has any.
    said: Value,
}

impl Step {
    fn name(&self) -> String {
        match self {
            Step::Import { stop_at, pruned: false, .. } => format!("import to {stop_at}"),
            Step::Import { stop_at, pruned: true, .. } => format!("import to {stop_at} and prune"),
            Step::Run => "run".to_owned(),
            Step::Index => "build indexes".to_owned(),
            Step::Follow(blocks) => format!("{} blocks one by one", blocks.len()),
            Step::Reindex { chainstate } => format!("reindex{}", if *chainstate { " the coins" } else { "" }),
            Step::Prune => "prune by command".to_owned(),
        }
    }

    fn command(&self, datadir: &Path) -> Command {
        let mut command = adit();
        match self {
            Step::Import { stop_at, .. } => command.args(["import", "--stop-at", &stop_at.to_string()]),
            Step::Run | Step::Index | Step::Follow(_) | Step::Prune => command.args([
                "run",
                "--set",
                "p2p.listen=127.0.0.1:0",
                "--set",
                "stratum.listen=127.0.0.1:0",
            ]),
            Step::Reindex { chainstate } => {
                command.args(["db", "reindex"]).args(chainstate.then_some("--chainstate"))
            }
        };
        command.args(SMALL).args(["--network", "regtest", "--datadir"]).arg(datadir);
        match self {
            Step::Import { file, pruned, .. } => {
                command.args(PRUNED.iter().filter(|_| *pruned)).arg(file);
            }
            Step::Index | Step::Follow(_) => {
                command.args(INDEXES);
            }
            Step::Prune => drop(command.args(["--set", "chain.prune_mib=1"])),
            Step::Run | Step::Reindex { .. } => {}
        }
        command
    }

    /// Goes it, with a failpoint.
    #[track_caller]
    fn go(&self, datadir: &Path, failpoint: Option<&str>) -> Gone {
        let mut command = self.command(datadir);
        command.envs(failpoint.map(|point| ("ADIT_FAILPOINT", point)));
        let mut process = Process::start(command, datadir.parent().unwrap(), "step");
        let said = match self {
            Step::Import { .. } | Step::Reindex { .. } => Value::Null,
            Step::Run => run(&mut process, datadir, failpoint, None),
            Step::Index => run(&mut process, datadir, failpoint, Some(&[])),
            Step::Follow(blocks) => run(&mut process, datadir, failpoint, Some(blocks)),
            Step::Prune => prune(&mut process, datadir),
        };
        let status = process.wait();
        let killed = status.signal() == Some(9);
        let what = format!("{} with {failpoint:?}", self.name());
        assert!(killed || status.code() == Some(0), "{what}: {status}\n{}", process.err());
        assert!(!killed || failpoint.is_some(), "{what}: killed unasked");
        Gone { killed, said }
    }
}

/// A node until it has done what is wanted of it, or is killed: it merges where it is traced, follows blocks one by one, builds its
/// indexes. What these say then.
fn run(process: &mut Process, datadir: &Path, failpoint: Option<&str>, follow: Option<&[Block]>) -> Value {
    let mut said = Value::Null;
    until("the node is ready, or ends", || {
        (process.ended().is_some() || process.out().contains("ready")).then_some(())
    });
    if let Some(blocks) = follow
        && let Some(mut line) = Line::at(datadir)
    {
        for block in blocks {
            let taken = line.submit(block);
            // An error is the end of the node, or the test's.
            let goes_on = taken.is_ok() && is_indexed(process, &mut line);
            if !goes_on {
                until("a node that does not answer ends", || process.ended());
                return said;
            }
        }
        if is_indexed(process, &mut line) {
            said = indexes_say(datadir).unwrap_or_default();
        }
    }
    // One that is to die at a place that it comes by dies by itself; one that is traced comes by every place that it ever will.
    let wanted = match (failpoint, follow) {
        (None, _) => None,
        (Some(point), None) => Some((point, "merge-finish.after")),
        (Some(point), Some([])) => Some((point, "index-commit.after")),
        (Some(point), Some(_)) => Some((point, "index-merge.after")),
    };
    until("the node has come by all places, or ends", || {
        (process.ended().is_some() || wanted.is_none_or(|(point, place)| is_done(point, place))).then_some(())
    });
    if process.ended().is_none() {
        process.signal("TERM");
    }
    said
}

/// A node that is told to prune all that may go; the files that are left.
fn prune(process: &mut Process, datadir: &Path) -> Value {
    until("the node is ready, or ends", || {
        (process.ended().is_some() || process.out().contains("ready")).then_some(())
    });
    let mut command = adit();
    command.args(["ctl", "--network", "regtest", "--datadir"]).arg(datadir).args(["prune", "300"]);
    let told = command.output().unwrap();
    if !told.status.success() {
        until("a node that does not answer ends", || process.ended());
        return Value::Null;
    }
    if process.ended().is_none() {
        process.signal("TERM");
    }
    until("the node has ended", || process.ended());
    let entries = fs::read_dir(datadir.join("regtest/blocks")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    json!(names)
}

/// Whether a node with this failpoint may be asked to end: a place by its name ends it by itself.
fn is_done(failpoint: &str, place: &str) -> bool {
    match failpoint.strip_prefix("trace=") {
        Some(file) => fs::read_to_string(file).is_ok_and(|lines| lines.contains(place)),
        None => failpoint.starts_with("disk:"),
    }
}

/// Waits until every index is at the tip; false where the node ends before.
fn is_indexed(process: &mut Process, line: &mut Line) -> bool {
    until("the indexes are at the tip, or the node ends", || match process.ended() {
        Some(_) => Some(false),
        None => line.indexes_synced().ok().and_then(|synced| synced.then_some(true)),
    })
}

/// What the indexes say of the tip and of a block far below it; none where the node is gone.
fn indexes_say(datadir: &Path) -> Option<Value> {
    let ask = |question: &[&str]| -> Option<Value> {
        let mut command = adit();
        command.args(["ctl", "--network", "regtest", "--json", "--datadir"]).arg(datadir);
        let answer = command.arg("index").args(question).output().unwrap();
        serde_json::from_slice(&answer.stdout).ok()
    };
    let old = ask(&["coins", "300"])?;
    let filter = ask(&["filter", old["block"].as_str()?])?;
    Some(json!([ask(&["coins"])?, ask(&["filter"])?, old, filter]))
}

/// What the coins are, when everything of the folder has been looked at.
#[track_caller]
fn coins(datadir: &Path, file: &Path, what: &str) -> Value {
    let mut command = adit();
    command
        .args(["import", "--network", "regtest", "--hash", "--stop-at", "1", "--datadir"])
        .arg(datadir)
        .arg(file);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{what}: {}", text(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut command = adit();
    command.args(["db", "check", "--deep", "--json", "--network", "regtest", "--datadir"]).arg(datadir);
    let output = command.output().unwrap();
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checked["sound"], json!(true), "{what}: {checked}");
    json!([line["height"], line["tip"], line["utxos"], line["muhash"]])
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            // A socket that is left is made anew.
            _ => {}
        }
    }
}

/// A block that fills a small file by itself.
fn grow_fat(chain: &mut Chain) {
    let mut block = chain.block(Vec::new(), subsidy_sat(chain.height() + 1));
    let script_pubkey = ScriptBuf::from_bytes([&[0x6a], vec![0; 60_000].as_slice()].concat());
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    chain.push(mined(block));
}

/// A block that spends most of all coins, so that most of what the tiers hold is of no use any more.
fn grow_few(chain: &mut Chain) {
    let coins: Vec<_> = chain.coins.drain(..chain.coins.len() * 4 / 5).collect();
    let sum: u64 = coins.iter().map(|coin| coin.out.value.to_sat()).sum();
    let spend = chain.pay(&coins, &[(Lock::Wpkh, sum)], 0);
    chain.keep(&spend, &[Lock::Wpkh]);
    chain.push(chain.block(vec![spend], subsidy_sat(chain.height() + 1)));
}

/// A way that was gone undisturbed.
struct Way {
    dir: tempfile::TempDir,
    file: PathBuf,
    steps: Vec<Step>,
    /// The coins after each step, and what its indexes say.
    coins: Vec<(Value, Value)>,
    /// Writes, syncs and changes of length in each step.
    operations: Vec<u64>,
    /// The places that each step comes by.
    places: Vec<Vec<String>>,
}

impl Way {
    /// The one way of all tests in this process.
    fn shared() -> Arc<Way> {
        static WAY: Mutex<Weak<Way>> = Mutex::new(Weak::new());
        let mut shared = WAY.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let way = Arc::new(Way::new());
            *shared = Arc::downgrade(&way);
            way
        })
    }

    fn new() -> Way {
        let dir = folder();
        let mut trunk = Chain::signed(0, 0);
        (0..FAT_BLOCKS).for_each(|_| grow_fat(&mut trunk));
        (0..290).for_each(|_| trunk.grow(2));
        let mut long = trunk.fork(2);
        (0..6).for_each(|_| trunk.grow(8));
        grow_few(&mut trunk);
        (0..9).for_each(|_| long.grow(6));
        let mut followed = long.clone();
        (0..4).for_each(|_| followed.grow(5));
        let mut turned = long.fork(3);
        (0..6).for_each(|_| turned.grow(5));
        let above = |chain: &Chain| chain.blocks[long.blocks.len()..].to_vec();
        let blocks = Arc::new([above(&followed), above(&turned)].concat());
        let mut last = turned.clone();
        (0..5).for_each(|_| last.grow(3));
        let [one, two, three] = ["one.dat", "two.dat", "three.dat"].map(|name| dir.path().join(name));
        for (file, chain) in [(&one, &trunk), (&two, &long), (&three, &last)] {
            fs::write(file, chain.framed()).unwrap();
        }
        let import = |file: &PathBuf, stop_at, pruned| Step::Import { file: file.clone(), stop_at, pruned };
        let mut steps: Vec<Step> = [210, 270, 330, 390].map(|height| import(&one, height, false)).into();
        steps.extend([
            import(&one, trunk.height(), false),
            Step::Run,
            import(&two, long.height(), false),
            Step::Index,
            Step::Follow(blocks),
            Step::Reindex { chainstate: false },
            Step::Reindex { chainstate: true },
            import(&three, last.height(), true),
            Step::Prune,
        ]);
        let mut way = Way { dir, file: one, steps, coins: vec![], operations: vec![], places: vec![] };
        way.go_undisturbed();
        way
    }

    fn before(&self, step: usize) -> PathBuf {
        self.dir.path().join(format!("before{step}"))
    }

    fn trace(&self, step: usize) -> PathBuf {
        self.dir.path().join(format!("trace{step}"))
    }

    /// Goes a step again, up to where it would merge: that is left for the next process.
    fn leave_something_to_merge(&self, datadir: &Path, step: usize) {
        let point = format!("{}.before", Place::MergeSlice.name());
        until("a merge is left undone", || {
            copy(&self.before(step), datadir);
            // It may have ended before its own thread came to it.
            self.steps[step].go(datadir, Some(&point)).killed.then_some(())
        });
    }

    fn go_undisturbed(&mut self) {
        let datadir = self.dir.path().join("undisturbed/d");
        fs::create_dir_all(&datadir).unwrap();
        for (number, step) in self.steps.iter().enumerate() {
            if let Step::Run = step {
                self.leave_something_to_merge(&datadir, number - 1);
            }
            copy(&datadir, &self.before(number));
            let trace = self.trace(number);
            let gone = step.go(&datadir, Some(&format!("trace={}", trace.display())));
            let passed = fs::read_to_string(&trace).unwrap_or_default();
            self.operations.push(passed.lines().filter(|line| *line == "disk").count() as u64);
            let mut places: Vec<String> =
                passed.lines().filter(|l| *l != "disk").map(str::to_owned).collect();
            places.sort();
            places.dedup();
            println!("{}: {} writes, by {}", step.name(), self.operations[number], places.join(" "));
            self.places.push(places);
            self.coins.push((coins(&datadir, &self.file, &step.name()), gone.said));
        }
    }

    /// The last step that always comes by a place: a node merges as it goes and builds indexes; all else it does when it is asked to end too,
    /// which one that is to die is not.
    #[track_caller]
    fn comes_by(&self, place: Place, point: &String) -> usize {
        let is_fit = |step: &Step| match place {
            Place::MergeSlice | Place::MergeFinish => matches!(step, Step::Run),
            Place::IndexCommit | Place::IndexMerge => matches!(step, Step::Index | Step::Follow(_)),
            _ => matches!(step, Step::Import { .. } | Step::Reindex { .. }),
        };
        let mut steps = self.steps.iter().zip(&self.places);
        let found = steps.rposition(|(step, places)| is_fit(step) && places.contains(point));
        found.unwrap_or_else(|| panic!("{point} is never come by: {:?}", self.places))
    }

    /// Goes a step on a fresh copy, killed at `points` one after the other, then undisturbed; what became of it.
    #[track_caller]
    fn check(&self, name: &str, step: usize, points: &[String]) -> Vec<bool> {
        let datadir = self.dir.path().join(name).join("d");
        copy(&self.before(step), &datadir);
        let killed = points.iter().map(|point| self.steps[step].go(&datadir, Some(point)).killed).collect();
        let said = self.steps[step].go(&datadir, None).said;
        let what = format!("{} killed at {points:?}", self.steps[step].name());
        let found = (coins(&datadir, &self.file, &what), said);
        assert_eq!(found, self.coins[step], "{what}");
        killed
    }
}

#[test]
fn killed_at_any_write_of_any_step_the_coins_are_those_of_an_undisturbed_run() {
    let way = Way::shared();
    let (tries, mut kills, mut in_recovery) = (tries(30) as u64, 0, 0);
    for seed in 0..tries {
        let mut chance = Chance(seed);
        chance.below(1);
        let step = (seed % way.steps.len() as u64) as usize;
        let mut points = vec![format!("disk:{}", 1 + chance.below(way.operations[step]))];
        if chance.below(2) == 1 {
            points.push(format!("disk:{}", 1 + chance.below(20)));
        }
        let killed = way.check("any", step, &points);
        kills += usize::from(killed[0]);
        in_recovery += usize::from(killed.get(1) == Some(&true));
        println!("seed {seed}: {}, points {points:?}, killed {killed:?}: equal", way.steps[step].name());
    }
    println!("{tries} tries, {kills} kills, {in_recovery} in recovery: 0 corruptions");
    assert!(kills * 2 > tries as usize);
}

/// Where these are come by, the node has a miner: the test below.
const OF_THE_POOL: [Place; 3] = [Place::FoundBlock, Place::ShareGroup, Place::LedgerCommit];
/// Where these are come by, it has a snapshot: `snapshots.rs`.
const OF_A_SNAPSHOT: [Place; 3] = [Place::SnapshotActivate, Place::SnapshotConfirm, Place::SnapshotRefuse];

#[test]
fn killed_before_and_after_each_durable_write_the_coins_are_those_of_an_undisturbed_run() {
    let way = Way::shared();
    let elsewhere = |place: &Place| OF_THE_POOL.contains(place) || OF_A_SNAPSHOT.contains(place);
    for place in Place::ALL.into_iter().filter(|place| !elsewhere(place)) {
        for moment in ["before", "after"] {
            let point = format!("{}.{moment}", place.name());
            let step = way.comes_by(place, &point);
            let name = way.steps[step].name();
            assert_eq!(way.check("each", step, std::slice::from_ref(&point)), [true], "{point} in {name}");
            println!("{point}: {name}, equal");
        }
    }
}

/// A pool that is killed at its own writes: what the miner was told of is there.
#[test]
fn a_pool_killed_before_and_after_each_of_its_writes_keeps_its_shares_and_books() {
    let dir = folder();
    for (at, place) in OF_THE_POOL.into_iter().enumerate() {
        for moment in ["before", "after"] {
            let point = format!("{}.{moment}:{}", place.name(), 4 + at);
            let mut command = adit();
            command.args(["run", "--network", "regtest", "--set", "p2p.listen=127.0.0.1:0"]);
            command.args(["--set", "stratum.listen=127.0.0.1:0", "--datadir"]).arg(dir.path());
            command.args(crate::panics::EASY).env("ADIT_FAILPOINT", &point);
            let mut node = Node::of(command, dir.path());
            let before = crate::books::credited(&node, "rig");
            let client = Client::start(node.stratum, "rig");
            let status = node.process.wait();
            assert_eq!(status.signal(), Some(9), "{point}: {}", node.process.err());
            let journal = client.finish();
            let node = Node::start(dir.path(), &crate::panics::EASY);
            let there = crate::books::credited(&node, "rig");
            let bounds = before + journal.accepted..=before + journal.sent;
            assert!(bounds.contains(&there), "{point}: {there} shares are credited, {bounds:?} were sent");
            crate::books::check_books(&node);
            node.stop();
            println!("{point}: {} shares acknowledged, {there} credited", journal.accepted);
        }
    }
}
