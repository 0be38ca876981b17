//! `kill -9` at any write: the next start is valid by itself, nothing is built anew, and the coins are those of an undisturbed run.
//!
//! A way of several commands (imports that end in flushes, a reorganisation, a run in which tiers merge) is gone once undisturbed.
//! Then each try takes the folder as it was before one of the commands, and has that command killed at a write that a seed names;
//! every other time the next one too, while it recovers. `ADIT_TEST_TRIES` says how many.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use adit_store::failpoint::Place;
use serde_json::Value;

use crate::chain::Chain;
use crate::client::Client;
use crate::harness::{Node, Process, adit, folder, text, tries, until};

/// A step of chance that a seed repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }
}

/// A command of the way.
#[derive(Clone, Debug)]
enum Step {
    /// Blocks of a file, up to a height.
    Import { file: PathBuf, stop_at: u32 },
    /// A node that is asked to end when it is ready.
    Run,
}

impl Step {
    fn command(&self, datadir: &Path) -> Command {
        let mut command = adit();
        match self {
            Step::Import { file, stop_at } => {
                command.args([
                    "import",
                    "--network",
                    "regtest",
                    "--stop-at",
                    &stop_at.to_string(),
                    "--datadir",
                ]);
                command.arg(datadir).arg(file);
            }
            Step::Run => {
                command.args(["run", "--network", "regtest", "--set", "p2p.listen=127.0.0.1:0"]);
                command.args(["--set", "stratum.listen=127.0.0.1:0", "--datadir"]).arg(datadir);
            }
        }
        command
    }

    /// Goes it, with a failpoint; whether it was killed by that.
    #[track_caller]
    fn go(&self, datadir: &Path, failpoint: Option<&str>) -> bool {
        let mut command = self.command(datadir);
        command.envs(failpoint.map(|point| ("ADIT_FAILPOINT", point)));
        let out = datadir.parent().unwrap();
        let mut process = Process::start(command, out, "step");
        if let Step::Run = self {
            let is_due = |process: &Process| process.out().contains("ready") && merged(failpoint);
            until("the node is ready and has merged, or ends", || {
                (process.ended().is_some() || is_due(&process)).then_some(())
            });
            if process.ended().is_none() {
                process.signal("TERM");
            }
        }
        let status = process.wait();
        let killed = status.signal() == Some(9);
        assert!(
            killed || status.code() == Some(0),
            "{self:?} with {failpoint:?}: {status}\n{}",
            process.err()
        );
        assert!(!killed || failpoint.is_some(), "{self:?} was killed unasked");
        killed
    }
}

/// Whether a node may be asked to end: one that is to die in a merge dies by itself, and one that is traced comes by a merge.
fn merged(failpoint: Option<&str>) -> bool {
    match failpoint {
        Some(point) if point.starts_with("merge") => false,
        Some(point) => point.strip_prefix("trace=").is_none_or(|file| {
            let traces =
                fs::read_dir(Path::new(file).parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
            let mut read =
                traces.filter(|path| path.is_file()).filter_map(|path| fs::read_to_string(path).ok());
            read.any(|lines| lines.contains("merge-finish.after"))
        }),
        None => true,
    }
}

/// What an import says of a folder, with nothing new to import.
#[track_caller]
fn coins(datadir: &Path, file: &Path) -> Value {
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--stop-at", "1", "--datadir"]).arg(datadir).arg(file);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::json!([line["height"], line["tip"], line["utxos"], line["muhash"]])
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

/// A way that was gone undisturbed.
struct Way {
    dir: tempfile::TempDir,
    file: PathBuf,
    steps: Vec<Step>,
    /// The coins after each step.
    coins: Vec<Value>,
    /// Writes, syncs and changes of length in each step.
    operations: Vec<u64>,
    /// The places that each step comes by.
    places: Vec<Vec<String>>,
}

impl Way {
    fn new() -> Way {
        let dir = folder();
        let mut trunk = Chain::signed(12, 8);
        let mut long = trunk.fork(2);
        (0..6).for_each(|_| trunk.grow(8));
        (0..9).for_each(|_| long.grow(6));
        let (one, two) = (dir.path().join("one.dat"), dir.path().join("two.dat"));
        fs::write(&one, trunk.framed()).unwrap();
        fs::write(&two, long.framed()).unwrap();
        let import = |file: &PathBuf, stop_at| Step::Import { file: file.clone(), stop_at };
        let mut steps: Vec<Step> = [107, 109, 112, 115].map(|height| import(&one, height)).into();
        steps.extend([import(&one, trunk.height()), Step::Run, import(&two, long.height())]);
        let mut way = Way { dir, file: one, steps, coins: vec![], operations: vec![], places: vec![] };
        way.go_undisturbed();
        way
    }

    fn before(&self, step: usize) -> PathBuf {
        self.dir.path().join(format!("before{step}"))
    }

    fn go_undisturbed(&mut self) {
        let datadir = self.dir.path().join("undisturbed");
        fs::create_dir_all(&datadir).unwrap();
        for (number, step) in self.steps.iter().enumerate() {
            copy(&datadir, &self.before(number));
            let trace = self.dir.path().join(format!("trace{number}"));
            step.go(&datadir, Some(&format!("trace={}", trace.display())));
            let passed = fs::read_to_string(&trace).unwrap_or_default();
            self.operations.push(passed.lines().filter(|line| *line == "disk").count() as u64);
            let mut places: Vec<String> =
                passed.lines().filter(|l| *l != "disk").map(str::to_owned).collect();
            places.sort();
            places.dedup();
            self.places.push(places);
            self.coins.push(coins(&datadir, &self.file));
        }
    }

    /// Goes a step on a fresh copy, killed at `points` one after the other, then undisturbed; what became of it.
    #[track_caller]
    fn check(&self, step: usize, points: &[String]) -> Vec<bool> {
        let datadir = self.dir.path().join("try");
        copy(&self.before(step), &datadir);
        let killed = points.iter().map(|point| self.steps[step].go(&datadir, Some(point))).collect();
        self.steps[step].go(&datadir, None);
        assert_eq!(coins(&datadir, &self.file), self.coins[step], "step {step} killed at {points:?}");
        killed
    }
}

#[test]
fn killed_at_any_write_of_any_step_the_coins_are_those_of_an_undisturbed_run() {
    let way = Way::new();
    println!("writes in each step: {:?}", way.operations);
    let (tries, mut kills, mut in_recovery) = (tries(30) as u64, 0, 0);
    for seed in 0..tries {
        let mut chance = Chance(seed);
        chance.below(1);
        let step = (seed % way.steps.len() as u64) as usize;
        let mut points = vec![format!("disk:{}", 1 + chance.below(way.operations[step]))];
        if seed % 2 == 1 {
            points.push(format!("disk:{}", 1 + chance.below(20)));
        }
        let killed = way.check(step, &points);
        kills += usize::from(killed[0]);
        in_recovery += usize::from(killed.get(1) == Some(&true));
        println!(
            "seed {seed}: step {step} {:?}, points {points:?}, killed {killed:?}: equal",
            way.steps[step]
        );
    }
    println!("{tries} tries, {kills} kills, {in_recovery} in recovery: 0 corruptions");
    assert!(kills * 2 > tries as usize);
}

/// Where these are come by, the node has a miner, builds indexes, or prunes.
const ELSEWHERE: [Place; 9] = [
    Place::FoundBlock,
    Place::ShareGroup,
    Place::LedgerCommit,
    Place::FileRemove,
    Place::IndexCommit,
    Place::IndexMerge,
    Place::PruneList,
    Place::PruneRecords,
    Place::PruneDone,
];

#[test]
fn killed_before_and_after_each_durable_write_the_coins_are_those_of_an_undisturbed_run() {
    let way = Way::new();
    for place in Place::ALL.into_iter().filter(|place| !ELSEWHERE.contains(place)) {
        for moment in ["before", "after"] {
            let point = format!("{}.{moment}", place.name());
            let step = way.places.iter().rposition(|places| places.contains(&point));
            let step = step.unwrap_or_else(|| panic!("{point} is never come by: {:?}", way.places));
            assert_eq!(way.check(step, std::slice::from_ref(&point)), [true], "{point} in step {step}");
            println!("{point}: step {step}, equal");
        }
    }
}

/// A pool that is killed at its own writes: what the miner was told of is there.
#[test]
fn a_pool_killed_before_and_after_each_of_its_writes_keeps_its_shares_and_books() {
    let dir = folder();
    for (at, place) in [Place::FoundBlock, Place::ShareGroup, Place::LedgerCommit].into_iter().enumerate() {
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
